/*
 * store/segment_find.c: the rows of a trace, and the runs of all, by a segment's trace index.
 * Called through segment_part_ops.
 */
#include "store/segment_reader.h"

#include "base/alloc.h"

typedef struct trace_search {
    segment_reader *reader;
    vector shape; /* only its presence is used */
    trace_id id;
    sk_code (*each)(void *ctx, const part *p, uint32_t first_row, uint32_t end_row);
    void *ctx;
} trace_search;

/* The runs of a block's ids into the decoder; 0 runs: no row has one. */
static sk_code read_runs(trace_search *t, uint32_t block, uint32_t *ret_runs, err *e)
{
    segment_reader *r = t->reader;
    column_index *x;
    const uint64_t *present;
    *ret_runs = 0;
    sk_code code = segment_load_index(r->segment, &r->directory->columns[PART_TRACE_ID], &x, e);
    if (code != SK_OK)
        return code;
    const block_entry *b = &x->blocks[block];
    vector_start(&t->shape, VECTOR_TRACE_IDS, FIELD_INT,
                 block_rows_of(r->segment->facts.row_count, block));
    if (b->tag == BLOCK_ABSENT)
        return SK_OK;
    code = segment__take_presence(r, PART_TRACE_ID, block, b, &t->shape, &present, e);
    if (code == SK_OK)
        code = (b->tag & BLOCK_FORMS) == BLOCK_PAGE ? segment__read_page(r, b->place, b->len, e)
                                                    : SK_CORRUPT;
    if (code == SK_OK) {
        reader bytes = reader_of(buf_span(&r->page));
        *ret_runs = trace_runs_decode(r->decoder, &bytes, b->value_count);
    }
    return code == SK_CORRUPT || (code == SK_OK && !*ret_runs)
               ? segment__corrupt(r, PART_TRACE_ID, block, e)
               : code;
}

/* The first row from `row` on, of the block whose runs were read, that has another id. */
static uint32_t end_of_run(const trace_search *t, uint32_t runs, uint32_t row)
{
    const decoder *d = t->reader->decoder;
    uint32_t place = 0, run = 0;
    for (uint32_t i = 0; i < row; i++)
        place += vector_has(&t->shape, i);
    uint64_t end = runs ? d->values[0] + 1 : 0;
    for (; row < t->shape.row_count && vector_has(&t->shape, row); row++, place++) {
        while (run < runs && place >= end)
            end += ++run < runs ? d->values[run] + 1 : 0;
        if (run >= runs || !trace_id_equal(d->ids[run], t->id))
            break;
    }
    return row;
}

/* The run that starts at `first`, if its id is the one asked for: over as many blocks as it takes. */
static sk_code follow_run(trace_search *t, uint32_t first, err *e)
{
    segment_reader *r = t->reader;
    uint32_t row_count = r->segment->facts.row_count, row = first;
    for (bool goes_on = true; goes_on && row < row_count;) {
        uint32_t runs, block = row / VECTOR_ROWS;
        sk_code code = read_runs(t, block, &runs, e);
        if (code != SK_OK)
            return segment__judge(r, code, e);
        uint32_t end = end_of_run(t, runs, row % VECTOR_ROWS);
        row = block * VECTOR_ROWS + end;
        goes_on = end == VECTOR_ROWS;
    }
    return row == first ? SK_OK : t->each(t->ctx, r->base.part, first, row);
}

static sk_code search_page(trace_search *t, const trace_page *page, uint32_t hash, err *e)
{
    uint32_t low = 0, high = page->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (page->entries[middle] < hash)
            low = middle + 1;
        else
            high = middle;
    }
    sk_code code = SK_OK;
    for (; code == SK_OK && low < page->count && page->entries[low] == hash; low++)
        code = follow_run(t, page->entries[page->count + low], e);
    return code;
}

static sk_code search_index(trace_search *t, const part *p, err *e)
{
    const segment *s = segment_of(p);
    trace_index *index;
    sk_code code = segment_load_traces(s, &index, e);
    if (code != SK_OK)
        return code;
    uint32_t hash = trace_index_hash(t->id), page = 0;
    /* The first page that may hold it: equal hashes may begin in the page before the one that starts with them. */
    while (page + 1 < index->page_count && index->first_hash[page + 1] < hash)
        page++;
    for (; code == SK_OK && page < index->page_count && index->first_hash[page] <= hash; page++) {
        trace_page *entries;
        code = segment_load_trace_page(s, index, page, &entries, e);
        if (code == SK_OK && !t->reader)
            code = segment__reader_new(p, (part_reader **)&t->reader, e);
        if (code == SK_OK)
            code = search_page(t, entries, hash, e);
    }
    return code;
}

sk_code segment__find_trace(const part *p, trace_id id,
                            sk_code (*each)(void *ctx, const part *p, uint32_t first_row,
                                            uint32_t end_row),
                            void *ctx, err *e)
{
    if (!segment_directory(segment_of(p))->has_trace_index)
        return SK_OK;
    trace_search *t = base_alloc(sizeof *t);
    if (!t)
        return err_set(e, SK_NO_MEMORY, "no memory to look for a trace");
    t->reader = NULL;
    t->id = id;
    t->each = each;
    t->ctx = ctx;
    sk_code code = search_index(t, p, e);
    if (code == SK_CORRUPT)
        segment_set_damaged(segment_of(p)->self, e ? e->text : "the trace index is damaged");
    if (t->reader)
        segment__reader_free(&t->reader->base);
    base_free(t);
    return code;
}

static sk_code each_page(const segment *s,
                         sk_code (*each)(void *ctx, const uint32_t *hashes, const uint32_t *rows,
                                         uint32_t count, err *e),
                         void *ctx, err *e)
{
    trace_index *index;
    sk_code code = segment_load_traces(s, &index, e);
    for (uint32_t i = 0; code == SK_OK && i < index->page_count; i++) {
        trace_page *page;
        code = segment_load_trace_page(s, index, i, &page, e);
        if (code == SK_OK)
            code = each(ctx, page->entries, page->entries + page->count, page->count, e);
    }
    return code;
}

sk_code segment__trace_runs(const part *p,
                            sk_code (*each)(void *ctx, const uint32_t *hashes, const uint32_t *rows,
                                            uint32_t count, err *e),
                            void *ctx, err *e)
{
    if (!segment_directory(segment_of(p))->has_trace_index)
        return SK_OK;
    sk_code code = each_page(segment_of(p), each, ctx, e);
    if (code == SK_CORRUPT)
        segment_set_damaged(segment_of(p)->self, e ? e->text : "the trace index is damaged");
    return code;
}
