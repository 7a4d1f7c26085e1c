/*
 * store/segment_parents.c: parents of a segment's rows: row distances, ids of orphans, and the ids that distances stand for.
 * Called through segment_part_ops and by segment_rows.c.
 * Never: gives out a row that was not checked against the segment's.
 */
#include "store/segment_reader.h"

#include "base/alloc.h"
#include "base/must.h"

sk_code segment__parent_scratch(segment_reader *r, err *e)
{
    if (!r->parents && !(r->parents = base_alloc(sizeof *r->parents)))
        return err_set(e, SK_NO_MEMORY, "no memory for parents");
    return SK_OK;
}

/* Distances and orphans of a block's rows that have a parent: dense, with their presence. */
static sk_code read_distances(segment_reader *r, uint32_t block, vector *shape, err *e)
{
    column_index *x;
    sk_code code = segment_load_index(r->segment, &r->directory->columns[PART_PARENT_ID], &x, e);
    if (code != SK_OK)
        return code;
    const block_entry *b = &x->blocks[block];
    shape->row_count = block_rows_of(r->segment->facts.row_count, block);
    shape->all_present = false;
    memset(shape->present, 0, sizeof shape->present);
    if (b->tag == BLOCK_ABSENT)
        return SK_OK;
    const uint64_t *present;
    code = segment__take_presence(r, PART_PARENT_ID, block, b, shape, &present, e);
    if (code == SK_OK)
        code = (b->tag & BLOCK_FORMS) == BLOCK_PAGE ? segment__read_page(r, b->place, b->len, e)
                                                    : segment__corrupt(r, PART_PARENT_ID, block, e);
    if (code != SK_OK)
        return code;
    reader bytes = reader_of(buf_span(&r->page));
    return parents_decode(r->decoder, &bytes, b->value_count, r->parents->distances,
                          r->parents->orphans)
               ? SK_OK
               : segment__corrupt(r, PART_PARENT_ID, block, e);
}

uint32_t segment__parent_row(const segment_reader *r, uint32_t row, int64_t distance)
{
    int64_t parent;
    if (distance == 0 || __builtin_sub_overflow((int64_t)row, distance, &parent) || parent < 0 ||
        parent >= r->segment->facts.row_count)
        return PART_NO_PARENT;
    return (uint32_t)parent;
}

typedef struct present_rows {
    uint32_t word, row_count;
    uint64_t bits;
    const uint64_t *words;
} present_rows;

static present_rows rows_of(const vector *v)
{
    return (present_rows){0, v->row_count, v->present[0], v->present};
}

/* The next row that has a value; false at the end. */
static bool next_row(present_rows *p, uint32_t *ret)
{
    while (p->bits == 0) {
        if ((++p->word) * 64 >= p->row_count)
            return false;
        p->bits = p->words[p->word];
    }
    *ret = p->word * 64 + (uint32_t)__builtin_ctzll(p->bits);
    p->bits &= p->bits - 1;
    return true;
}

static sk_code read_parents(part_reader *base, uint32_t block, uint32_t out[VECTOR_ROWS],
                            uint64_t *ret_ids, err *e)
{
    segment_reader *r = (segment_reader *)base;
    must(block < block_count_of(r->segment->facts.row_count));
    sk_code code = segment__parent_scratch(r, e);
    if (code == SK_OK)
        code = read_distances(r, block, &r->parents->shape, e);
    if (code != SK_OK)
        return code;
    const vector *shape = &r->parents->shape;
    memset(out, 0xff, shape->row_count * sizeof out[0]);
    if (ret_ids)
        memset(ret_ids, 0, shape->row_count * sizeof ret_ids[0]);
    present_rows rows = rows_of(shape);
    uint32_t row, orphan = 0;
    for (uint32_t i = 0; next_row(&rows, &row); i++) {
        int64_t distance = r->parents->distances[i];
        out[row] = segment__parent_row(r, block * VECTOR_ROWS + row, distance);
        if (distance == 0 && ret_ids)
            ret_ids[row] = r->parents->orphans[orphan++];
    }
    return SK_OK;
}

static sk_code read_ids(segment_reader *r, uint32_t block, id_block *into, vector *scratch, err *e)
{
    into->block = UINT32_MAX;
    sk_code code = segment__read_blocks(r, PART_SPAN_ID, block, scratch, e);
    if (code != SK_OK)
        return code;
    if (scratch->kind == VECTOR_ABSENT)
        memset(into->ids, 0, sizeof into->ids);
    else
        memcpy(into->ids, scratch->ids, scratch->row_count * sizeof into->ids[0]);
    into->block = block;
    return SK_OK;
}

/* Parent ids: orphans' as they are, the others from the span ids of the rows they point to, which lie in this block or, for
 * traces that were cut by its edge, in another one at a time. */
static sk_code resolve(segment_reader *r, uint32_t block, const vector *shape, vector *scratch,
                       uint64_t *ids, err *e)
{
    parent_scratch *p = r->parents;
    sk_code code = read_ids(r, block, &p->own, scratch, e);
    p->other.block = UINT32_MAX;
    present_rows rows = rows_of(shape);
    uint32_t row, orphan = 0;
    for (uint32_t i = 0; code == SK_OK && next_row(&rows, &row); i++) {
        if (p->distances[i] == 0) {
            ids[row] = p->orphans[orphan++];
            continue;
        }
        uint32_t parent = segment__parent_row(r, block * VECTOR_ROWS + row, p->distances[i]);
        if (parent == PART_NO_PARENT)
            return segment__corrupt(r, PART_PARENT_ID, block, e);
        bool is_own = parent / VECTOR_ROWS == block;
        if (!is_own && p->other.block != parent / VECTOR_ROWS)
            code = read_ids(r, parent / VECTOR_ROWS, &p->other, scratch, e);
        ids[row] = (is_own ? p->own.ids : p->other.ids)[parent % VECTOR_ROWS];
    }
    return code;
}

sk_code segment__read_parent_ids(segment_reader *r, uint32_t block, vector *out, err *e)
{
    vector *scratch = base_alloc(sizeof *scratch);
    if (!scratch)
        return err_set(e, SK_NO_MEMORY, "no memory for parents");
    vector_start(out, VECTOR_IDS, FIELD_INT, 0);
    sk_code code = segment__parent_scratch(r, e);
    if (code == SK_OK)
        code = read_distances(r, block, out, e);
    if (code == SK_OK) {
        memset(out->ids, 0, out->row_count * sizeof out->ids[0]);
        code = resolve(r, block, out, scratch, out->ids, e);
    }
    base_free(scratch);
    return code;
}

sk_code segment__read_parents(part_reader *base, uint32_t block, uint32_t out[VECTOR_ROWS],
                              uint64_t *ret_ids, err *e)
{
    return segment__judge((segment_reader *)base, read_parents(base, block, out, ret_ids, e), e);
}
