/*
 * store/row_ids.c: see row_ids.h. Ids and times are read back from the file in the making, a block at a time: texts come in the order of
 * rows. Never: keeps more than one block.
 */
#include "store/row_ids.h"

#include "base/alloc.h"
#include "base/must.h"
#include "store/segment_write_private.h"

struct row_ids {
    decoder *decoder;
    buf page;
    uint32_t block; /* that is decoded; UINT32_MAX: none */
    uint64_t present[VECTOR_WORDS];
    int64_t distances[VECTOR_ROWS];
    uint64_t orphans[VECTOR_ROWS];
    trace_id dense[VECTOR_ROWS];
    /* Of the block's rows; 0: none. */
    trace_id trace_ids[VECTOR_ROWS];
    uint64_t span_ids[VECTOR_ROWS];
    uint64_t times[VECTOR_ROWS + DECODE_SLACK];
    /* Of the texts at hand. */
    trace_id of_texts[TEXTS_PAGE_COUNT];
    uint64_t spans_of_texts[TEXTS_PAGE_COUNT];
    int64_t times_of_texts[TEXTS_PAGE_COUNT];
    text_ids result;
};

static sk_code out_of_memory(err *e)
{
    return err_set(e, SK_NO_MEMORY, "no memory to look for ids in texts");
}

void row_ids_free(row_ids *take_i)
{
    if (!take_i)
        return;
    decoder_free(take_i->decoder);
    buf_done(&take_i->page);
    base_free(take_i);
}

static sk_code make(segment_writer *w, err *e)
{
    row_ids *n = base_alloc_zero(1, sizeof *n);
    if (!n)
        return out_of_memory(e);
    w->row_ids = n;
    buf_init(&n->page, PAGE_BYTES_MAX + 64);
    n->block = UINT32_MAX;
    n->decoder = decoder_new();
    return n->decoder ? SK_OK : out_of_memory(e);
}

static sk_code corrupt(const segment_writer *w, err *e)
{
    return err_set(e, SK_CORRUPT, "%s: what was written reads otherwise", file_path(w->file));
}

static sk_code read_presence(segment_writer *w, const source_block *b, uint32_t row_count, err *e)
{
    row_ids *n = w->row_ids;
    memset(n->present, 0xff, sizeof n->present);
    if (b->tag & BLOCK_ALL_PRESENT)
        return SK_OK;
    sk_code code = segment_writer_read_back(w, b->presence_place, b->presence_len, &n->page, e);
    if (code != SK_OK)
        return code;
    reader r = reader_of(buf_span(&n->page));
    return presence_decode(n->decoder, &r, row_count, b->value_count, n->present) ? SK_OK
                                                                                  : corrupt(w, e);
}

/* Which rows have an id, and the page of those that have. */
static sk_code read_ids(segment_writer *w, const source_block *b, uint32_t row_count, err *e)
{
    sk_code code = read_presence(w, b, row_count, e);
    return code == SK_OK ? segment_writer_read_back(w, b->place, b->len, &w->row_ids->page, e)
                         : code;
}

static sk_code read_traces(segment_writer *w, const source_block *b, uint32_t row_count, err *e)
{
    row_ids *n = w->row_ids;
    memset(n->trace_ids, 0, sizeof n->trace_ids);
    if (b->tag == BLOCK_ABSENT)
        return SK_OK;
    sk_code code = read_ids(w, b, row_count, e);
    if (code != SK_OK)
        return code;
    reader r = reader_of(buf_span(&n->page));
    if (!trace_ids_decode(n->decoder, &r, b->value_count, n->dense))
        return corrupt(w, e);
    for (uint32_t i = 0, at = 0; i < row_count; i++)
        if (n->present[i / 64] >> (i & 63) & 1)
            n->trace_ids[i] = n->dense[at++];
    return SK_OK;
}

static sk_code read_spans(segment_writer *w, const source_block *b, uint32_t row_count, err *e)
{
    row_ids *n = w->row_ids;
    memset(n->span_ids, 0, sizeof n->span_ids);
    if (b->tag == BLOCK_ABSENT)
        return SK_OK;
    sk_code code = read_ids(w, b, row_count, e);
    if (code != SK_OK)
        return code;
    reader r = reader_of(buf_span(&n->page));
    if (!parents_decode(n->decoder, &r, b->value_count, n->distances, n->orphans))
        return corrupt(w, e);
    for (uint32_t i = 0, at = 0, orphan = 0; i < row_count; i++)
        if ((n->present[i / 64] >> (i & 63) & 1) && n->distances[at++] == 0)
            n->span_ids[i] = n->orphans[orphan++];
    return SK_OK;
}

static sk_code read_times(segment_writer *w, const source_block *b, uint32_t row_count, err *e)
{
    row_ids *n = w->row_ids;
    if ((b->tag & BLOCK_FORMS) == BLOCK_CONSTANT) {
        for (uint32_t i = 0; i < row_count; i++)
            n->times[i] = b->place;
        return SK_OK;
    }
    sk_code code = segment_writer_read_back(w, b->place, b->len, &n->page, e);
    if (code != SK_OK)
        return code;
    reader r = reader_of(buf_span(&n->page));
    return ints_decode_u64(&n->decoder->ints, &r, row_count, n->times) ? SK_OK : corrupt(w, e);
}

static sk_code read_block(segment_writer *w, uint32_t block, err *e)
{
    row_ids *n = w->row_ids;
    n->block = UINT32_MAX;
    const source_block *t = &w->id_blocks[ROW_TRACE][block], *s = &w->id_blocks[ROW_SPAN][block];
    must(t->row_count == s->row_count);
    sk_code code = read_traces(w, t, t->row_count, e);
    if (code == SK_OK)
        code = read_spans(w, s, s->row_count, e);
    if (code == SK_OK)
        code = read_times(w, &w->id_blocks[ROW_TIME][block], t->row_count, e);
    if (code == SK_OK)
        n->block = block;
    return code;
}

sk_code row_ids_of(segment_writer *w, const uint32_t *rows, uint32_t count, const text_ids **ret,
                   err *e)
{
    *ret = NULL;
    if (!w->id_blocks[ROW_TRACE] || !w->id_blocks[ROW_SPAN] || !w->id_blocks[ROW_TIME])
        return SK_OK;
    sk_code code = w->row_ids ? SK_OK : make(w, e);
    row_ids *n = w->row_ids;
    for (uint32_t i = 0; code == SK_OK && i < count; i++) {
        if (n->block != rows[i] / VECTOR_ROWS)
            code = read_block(w, rows[i] / VECTOR_ROWS, e);
        n->of_texts[i] = n->trace_ids[rows[i] % VECTOR_ROWS];
        n->spans_of_texts[i] = n->span_ids[rows[i] % VECTOR_ROWS];
        n->times_of_texts[i] = (int64_t)n->times[rows[i] % VECTOR_ROWS];
    }
    if (code != SK_OK)
        return code;
    n->result = (text_ids){rows, n->of_texts, n->spans_of_texts, n->times_of_texts};
    *ret = &n->result;
    return SK_OK;
}
