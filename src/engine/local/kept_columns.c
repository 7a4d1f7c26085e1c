/*
 * engine/local/kept_columns.c: see kept_columns.h. Called by scan.c and structure_read.c, by query workers.
 * Never: keeps a text, or anything of rows that are still open.
 */
#include "engine/local/kept_columns.h"

#include "engine/local/narrow.h"

/* A column of a block, and where it is kept. */
typedef struct place {
    kept_blocks *kept; /* NULL: not at all */
    uint64_t part_id;
    uint32_t kind, block, row_count;
} place;

static place place_of(kept_blocks *kept, const part *from, uint32_t number, uint32_t block)
{
    part_info info;
    part_block bounds;
    part_info_get(from, &info);
    part_block_get(from, block, &bounds);
    return (place){info.is_open ? NULL : kept, info.id, KEPT_COLUMNS + number, block,
                   bounds.row_count};
}

static void keep(const place *at, const vector *v)
{
    narrowing n;
    if (!at->kept || !kept_blocks_fits(at->kept, at->kind, at->row_count) || !narrow_plan(v, &n))
        return;
    narrow *to = kept_blocks_room(at->kept, at->kind, at->part_id, at->block, at->row_count,
                                  narrow_bytes(&n));
    if (!to)
        return;
    narrow_put(&n, to);
    kept_blocks_keep(at->kept, to);
}

/* False: it is not kept. */
static bool recall(const place *at, const part *from, vector *out, uint64_t *ret_bytes)
{
    const narrow *held =
        at->kept ? kept_blocks_hold(at->kept, at->kind, at->part_id, at->block, at->row_count)
                 : NULL;
    if (!held)
        return false;
    *ret_bytes = narrow_take(held, at->row_count, out);
    kept_blocks_let_go(at->kept, held);
    out->dictionary =
        out->kind == VECTOR_CODES ? part_dictionary(from, at->kind - KEPT_COLUMNS) : NULL;
    return true;
}

sk_code kept_columns_read(kept_blocks *kept, const part *from, part_reader *r, uint32_t number,
                          uint32_t block, bool with_texts, vector *out, uint64_t *bytes, err *e)
{
    uint64_t taken;
    place at = place_of(kept, from, number, block);
    if (recall(&at, from, out, &taken)) {
        *bytes += taken;
        return with_texts && out->kind == VECTOR_CODES ? part_load_texts(r, number, block, e)
                                                       : SK_OK;
    }
    sk_code code = with_texts ? part_read(r, number, block, out, e)
                              : part_read_codes(r, number, block, out, e);
    if (code == SK_OK)
        keep(&at, out);
    return code;
}
