/*
 * store/cache_write.c: see cache_write.h. The file in the making is read like a segment. Called by build.c.
 * Never: holds more than one block; fails a seal because there is too much to keep.
 */
#include "store/cache_write.h"

#include "base/alloc.h"

#define KEEP_TEXT_PAGES 4u /* of each column, while a block is looked at */

typedef struct cached_block {
    uint32_t codes[VECTOR_ROWS];
    uint64_t bits[VECTOR_ROWS], present[VECTOR_WORDS];
} cached_block;

static sk_code put_texts(const store_cacher *by, void *made, column_writer *c, uint32_t row,
                         uint32_t code_of_row, uint32_t *text_count, err *e)
{
    sk_code code = SK_OK;
    column_writer_at(c, row);
    while (code == SK_OK && *text_count <= code_of_row) {
        uint32_t fresh;
        code = column_writer_text(c, by->text(made, *text_count), &fresh, e);
        ++*text_count;
    }
    return code;
}

/* Texts that the cacher looked at are given back: a column may have one for each row. */
static void trim_texts(const segment *view)
{
    directory *d = segment_directory(view);
    for (uint32_t i = 0; i < d->column_count; i++) {
        column_index *x = atomic_load(&d->columns[i].loaded);
        if (x)
            segment_trim_texts(x, KEEP_TEXT_PAGES);
    }
}

static sk_code write_blocks(const store_cacher *by, void *made, const segment *view,
                            column_writer *c, cached_block *b, const atomic_bool *cancel, err *e)
{
    uint32_t text_count = 0, row_count = view->facts.row_count;
    for (uint32_t block = 0; block < block_count_of(row_count); block++) {
        block_values v = {
            .row_count = block_rows_of(row_count, block), .present = b->present, .bits = b->bits};
        if (cancel && atomic_load_explicit(cancel, memory_order_relaxed))
            return err_set(e, SK_CLOSING, "the store is closing");
        sk_code code = by->codes(made, block, b->codes, e);
        trim_texts(view);
        memset(b->present, 0, sizeof b->present);
        for (uint32_t i = 0; code == SK_OK && i < v.row_count; i++) {
            if (b->codes[i] == STORE_NO_CODE)
                continue;
            b->present[i / 64] |= 1ull << (i & 63);
            b->bits[v.value_count++] = b->codes[i];
            if (b->codes[i] >= text_count)
                code = put_texts(by, made, c, block * VECTOR_ROWS + i, b->codes[i], &text_count, e);
        }
        if (code == SK_OK)
            code = column_writer_put(c, &v, e);
        if (code != SK_OK)
            return code;
    }
    return SK_OK;
}

static sk_code write_column(const store_cacher *by, snapshot *s, const segment *view,
                            segment_writer *w, const atomic_bool *cancel, err *e)
{
    void *made = NULL;
    column_writer *c = NULL;
    cached_block *b = base_alloc(sizeof *b);
    sk_code code = b ? by->begin(s, &made, e)
                     : err_set(e, SK_NO_MEMORY, "no memory to make a column of a segment");
    if (code == SK_OK)
        code = column_writer_new(w, PART_COLUMNS, FIELD_STRING, &c, e);
    if (code == SK_OK)
        code = write_blocks(by, made, view, c, b, cancel, e);
    if (code == SK_OK)
        code = column_writer_end(c, span_text(by->name), e);
    column_writer_free(c);
    if (made)
        by->end(made);
    base_free(b);
    return code;
}

sk_code cache_write(const store_cacher *by, const char *path, const segment_facts *facts,
                    segment_writer *w, const atomic_bool *cancel, err *e)
{
    segment *view = NULL;
    snapshot *s = NULL;
    sk_code code = segment_writer_view(w, path, facts, &view, e);
    if (code == SK_OK)
        code = snapshot__of_segment(view, &s, e);
    segment_writer_begin_cached(w);
    if (code == SK_OK)
        code = write_column(by, s, view, w, cancel, e);
    snapshot_release(s);
    segment_unref(view);
    return code == SK_TOO_LARGE ? SK_OK : code;
}
