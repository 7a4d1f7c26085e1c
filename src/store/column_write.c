/*
 * store/column_write.c: one column, block by block: values in the form that suits them, presence pages shared between
 * columns, statistics for skipping, the dictionary's texts; then the column's index and its directory entry.
 * Called by build.c. Never: holds more than one block and one page of texts.
 */
#include "store/segment_write.h"

#include <math.h>

#include "base/alloc.h"
#include "base/must.h"
#include "store/derive.h"
#include "store/encode/templates.h"
#include "store/segment_write_private.h"

struct column_writer {
    segment_writer *w;
    uint32_t pseudo;
    field_type type;
    bool has_texts;
    uint32_t block_count;
    uint64_t value_count;
    uint32_t first_row; /* of the next block */
    buf index;          /* blocks so far */
    uint32_t text_count, page_count;
    buf pages; /* of texts: how many, where */
    buf text_bytes;
    uint32_t text_ends[TEXTS_PAGE_COUNT]; /* of the page in the making */
    uint32_t text_rows[TEXTS_PAGE_COUNT];
    uint32_t text_pending, text_row;
    templates *templates; /* NULL before the first page of long texts */
    derivation derivation;
    source_block *
        blocks; /* of texts: where they are, for columns that follow from this one; of ids, for texts */
    uint32_t block_capacity;
};

static sk_code out_of_memory(err *e)
{
    return err_set(e, SK_NO_MEMORY, "no memory to write a column");
}

sk_code column_writer_new(segment_writer *w, uint32_t pseudo, field_type type, column_writer **ret,
                          err *e)
{
    column_writer *c = base_alloc_zero(1, sizeof *c);
    if (!c)
        return out_of_memory(e);
    c->w = w;
    c->pseudo = pseudo;
    c->type = type;
    c->has_texts = pseudo == PART_DATASET ||
                   (pseudo == PART_COLUMNS && (type == FIELD_STRING || type == FIELD_HISTOGRAM));
    buf_init(&c->index, PAGE_BYTES_MAX);
    buf_init(&c->pages, PAGE_BYTES_MAX);
    buf_init(&c->text_bytes, TEXTS_PAGE_BYTES + EVENT_STRING_MAX + 1);
    *ret = c;
    return SK_OK;
}

void column_writer_free(column_writer *take_c)
{
    if (!take_c)
        return;
    buf_done(&take_c->index);
    buf_done(&take_c->pages);
    buf_done(&take_c->text_bytes);
    templates_free(take_c->templates);
    derivation_done(&take_c->derivation);
    base_free(take_c->blocks);
    base_free(take_c);
}

/* ---- texts ---- */

static sk_code flush_texts(column_writer *c, err *e)
{
    if (c->text_pending == 0)
        return SK_OK;
    span list[TEXTS_PAGE_COUNT];
    for (uint32_t i = 0, start = 0; i < c->text_pending; start = c->text_ends[i++])
        list[i] = span_of(c->text_bytes.at + start, c->text_ends[i] - start);
    buf *out = &c->w->payload;
    buf_clear(out);
    const text_ids *ids = NULL;
    sk_code code = c->type == FIELD_STRING && c->pseudo == PART_COLUMNS
                       ? row_ids_of(c->w, c->text_rows, c->text_pending, &ids, e)
                       : SK_OK;
    if (code != SK_OK)
        return code;
    bool is_long = ids && texts_are_long(list, c->text_pending);
    if (is_long && !c->templates && !(c->templates = templates_new()))
        return out_of_memory(e);
    texts_encode(c->w->encoder, list, c->text_pending, ids, is_long ? c->templates : NULL, out);
    page_ref ref;
    code =
        out->failed ? out_of_memory(e) : segment_writer_page(c->w, buf_span(out), false, &ref, e);
    if (code != SK_OK)
        return code;
    buf_add_varint(&c->pages, c->text_pending);
    page_ref_add(&c->pages, &ref);
    c->page_count++;
    c->text_pending = 0;
    buf_clear(&c->text_bytes);
    return SK_OK;
}

void column_writer_at(column_writer *c, uint32_t row)
{
    c->text_row = row;
}

sk_code column_writer_text(column_writer *c, span text, uint32_t *ret_code, err *e)
{
    buf_add_span(&c->text_bytes, text);
    if (!buf_reserve(&c->text_bytes, 1)) /* also so that an empty text has a place */
        return text.len > EVENT_STRING_MAX
                   ? err_set(e, SK_INTERNAL, "a text of %zu bytes", text.len)
                   : out_of_memory(e);
    c->text_rows[c->text_pending] = c->text_row;
    c->text_ends[c->text_pending++] = (uint32_t)c->text_bytes.len;
    *ret_code = c->text_count++;
    return c->text_pending == TEXTS_PAGE_COUNT || c->text_bytes.len >= TEXTS_PAGE_BYTES
               ? flush_texts(c, e)
               : SK_OK;
}

/* ---- presence ---- */

static bool grow_presences(segment_writer *w)
{
    uint32_t size = w->presences ? (w->presence_mask + 1) * 2 : 64;
    presence_slot *grown = base_alloc_zero(size, sizeof *grown);
    if (!grown)
        return false;
    for (uint32_t i = 0; w->presences && i <= w->presence_mask; i++) {
        presence_slot moved = w->presences[i];
        uint32_t at = (uint32_t)moved.key & (size - 1);
        while (moved.key && grown[at].key)
            at = (at + 1) & (size - 1);
        if (moved.key)
            grown[at] = moved;
    }
    base_free(w->presences);
    w->presences = grown;
    w->presence_mask = size - 1;
    return true;
}

/* The page that says which rows of the block have a value: one that an earlier column of this block wrote, or a new one. */
static sk_code presence_page(column_writer *c, const block_values *v, presence_slot *ret, err *e)
{
    segment_writer *w = c->w;
    if (w->presence_count * 2 >= (w->presences ? w->presence_mask + 1 : 0) && !grow_presences(w))
        return out_of_memory(e);
    span bitmap = span_of(v->present, (v->row_count + 63) / 64 * 8ul);
    uint64_t key = hash64_seeded(bitmap, w->presence_seed + c->block_count) | 1;
    uint32_t at = (uint32_t)key & w->presence_mask;
    for (; w->presences[at].key; at = (at + 1) & w->presence_mask)
        if (w->presences[at].key == key) {
            *ret = w->presences[at];
            return SK_OK;
        }
    buf_clear(&w->payload);
    presence_encode(w->encoder, v->present, v->row_count, v->value_count, &w->payload);
    page_ref ref;
    sk_code code = w->payload.failed
                       ? out_of_memory(e)
                       : segment_writer_page(w, buf_span(&w->payload), false, &ref, e);
    if (code != SK_OK)
        return code;
    *ret = w->presences[at] = (presence_slot){key, ref.offset, ref.len};
    w->presence_count++;
    return SK_OK;
}

/* ---- values ---- */

static bool is_constant(const column_writer *c, const block_values *v)
{
    if (c->pseudo == PART_TRACE_ID || c->pseudo == PART_SPAN_ID || c->pseudo == PART_PARENT_ID)
        return false;
    for (uint32_t i = 1; i < v->value_count; i++)
        if (v->bits[i] != v->bits[0])
            return false;
    return true;
}

static void encode_values(column_writer *c, const block_values *v, buf *out)
{
    encoder *e = c->w->encoder;
    if (c->pseudo == PART_TRACE_ID)
        trace_ids_encode(e, v->trace_ids, v->value_count, out);
    else if (c->pseudo == PART_SPAN_ID)
        span_ids_encode(v->bits, v->value_count, out);
    else if (c->pseudo == PART_PARENT_ID)
        parents_encode(e, v->distances, v->value_count, v->orphans, out);
    else if (c->pseudo == PART_COLUMNS && c->type == FIELD_FLOAT)
        floats_encode(e, v->bits, v->value_count, out);
    else
        ints_encode(&e->ints, v->bits, v->value_count, out);
}

/* Entries of the trace index: the first row of each run of one id. Runs go on over the edges of blocks. */
static sk_code index_traces(column_writer *c, const block_values *v, err *e)
{
    segment_writer *w = c->w;
    uint32_t at = 0;
    for (uint32_t row = 0; row < v->row_count; row++) {
        bool has = v->value_count == v->row_count || v->present[row / 64] >> (row & 63) & 1;
        trace_id id = has ? v->trace_ids[at++] : (trace_id){0, 0};
        bool starts = trace_id_is_set(id) && !trace_id_equal(id, w->last_trace);
        w->last_trace = id;
        if (!starts)
            continue;
        if (!base_reserve(&w->entries, &w->entry_capacity, w->entry_count + 1,
                          sizeof w->entries[0]))
            return out_of_memory(e);
        w->entries[w->entry_count++] = (index_entry){trace_index_hash(id), c->first_row + row};
    }
    return SK_OK;
}

/* ---- statistics ---- */

typedef struct range {
    uint64_t min, max; /* as bits */
    bool is_known;
} range;

static range float_range(const block_values *v)
{
    double min = INFINITY, max = -INFINITY;
    bool is_known = false;
    for (uint32_t i = 0; i < v->value_count; i++) {
        double d;
        memcpy(&d, &v->bits[i], 8);
        if (isnan(d))
            continue;
        is_known = true;
        min = d < min ? d : min;
        max = d > max ? d : max;
    }
    range r = {.is_known = is_known};
    memcpy(&r.min, &min, 8);
    memcpy(&r.max, &max, 8);
    return r;
}

static range int_range(const block_values *v)
{
    int64_t min = INT64_MAX, max = INT64_MIN;
    for (uint32_t i = 0; i < v->value_count; i++) {
        int64_t n = (int64_t)v->bits[i];
        min = n < min ? n : min;
        max = n > max ? n : max;
    }
    return (range){(uint64_t)min, (uint64_t)max, true};
}

static range range_of(const column_writer *c, const block_values *v)
{
    if (c->pseudo == PART_TRACE_ID || c->pseudo == PART_SPAN_ID || c->pseudo == PART_PARENT_ID)
        return (range){0};
    if (c->pseudo == PART_COLUMNS && c->type == FIELD_BOOL)
        return (range){0};
    if (c->pseudo == PART_COLUMNS && c->type == FIELD_FLOAT)
        return float_range(v);
    return int_range(v);
}

static void add_range(column_writer *c, const range *r)
{
    if (c->has_texts) {
        buf_add_varint(&c->index, r->min);
        buf_add_varint(&c->index, r->max - r->min);
    } else if (c->pseudo == PART_COLUMNS && c->type == FIELD_FLOAT) {
        buf_add_u64(&c->index, r->min);
        buf_add_u64(&c->index, r->max);
    } else {
        buf_add_zigzag(&c->index, (int64_t)r->min);
        buf_add_varint(&c->index, r->max - r->min);
    }
}

static void add_bitmap(column_writer *c, const block_values *v, uint64_t max_code)
{
    uint64_t words[BLOCK_BITMAP_CODES / 64] = {0};
    for (uint32_t i = 0; i < v->value_count; i++)
        words[v->bits[i] / 64] |= 1ull << (v->bits[i] & 63);
    for (uint32_t i = 0; i <= max_code / 64; i++)
        buf_add_u64(&c->index, words[i]);
}

/* ---- a block ---- */

/* Which of what texts may spell this column is; ROW_WHATS: none. */
static uint32_t kept_for_texts(const column_writer *c)
{
    return c->pseudo == PART_TRACE_ID    ? ROW_TRACE
           : c->pseudo == PART_PARENT_ID ? ROW_SPAN
           : c->pseudo == PART_TIME      ? ROW_TIME
                                         : ROW_WHATS;
}

static sk_code note_block(column_writer *c, const source_block *b, err *e)
{
    if (kept_for_texts(c) == ROW_WHATS && (!c->has_texts || c->text_count > DERIVE_CODES_MAX))
        return SK_OK;
    if (!base_reserve(&c->blocks, &c->block_capacity, c->block_count + 1, sizeof c->blocks[0]))
        return out_of_memory(e);
    c->blocks[c->block_count] = *b;
    return SK_OK;
}

static sk_code put_values(column_writer *c, const block_values *v, uint8_t tag,
                          const presence_slot *presence, err *e)
{
    uint8_t form = tag & BLOCK_FORMS;
    page_ref ref = {0};
    if (form == BLOCK_PAGE) {
        buf *out = &c->w->payload;
        buf_clear(out);
        encode_values(c, v, out);
        sk_code code = out->failed ? out_of_memory(e)
                                   : segment_writer_page(c->w, buf_span(out), false, &ref, e);
        if (code != SK_OK)
            return code;
    }
    range r = range_of(c, v);
    bool has_bitmap = c->has_texts && c->text_count <= BLOCK_BITMAP_CODES;
    tag |= (uint8_t)(r.is_known ? BLOCK_HAS_RANGE : 0);
    tag |= (uint8_t)(has_bitmap ? BLOCK_HAS_BITMAP : 0);
    buf_add_u8(&c->index, tag);
    if (!(tag & BLOCK_ALL_PRESENT))
        buf_add_varint(&c->index, v->value_count);
    if (!(tag & BLOCK_ALL_PRESENT) && form != BLOCK_DERIVED) {
        buf_add_varint(&c->index, presence->offset);
        buf_add_varint(&c->index, presence->len);
    }
    if (form == BLOCK_CONSTANT) {
        buf_add_u64(&c->index, v->bits[0]);
    } else if (form == BLOCK_PAGE) {
        buf_add_varint(&c->index, ref.offset);
        buf_add_varint(&c->index, ref.len);
    }
    if (tag & BLOCK_HAS_RANGE)
        add_range(c, &r);
    if (has_bitmap)
        add_bitmap(c, v, r.max);
    source_block b = {.place = form == BLOCK_CONSTANT ? v->bits[0] : ref.offset,
                      .presence_place = presence->offset,
                      .len = ref.len,
                      .presence_len = presence->len,
                      .row_count = v->row_count,
                      .value_count = v->value_count,
                      .tag = tag};
    return note_block(c, &b, e);
}

/* Numbers and codes may follow from another column's; a constant is cheaper. */
static bool may_follow(const column_writer *c, uint8_t form)
{
    return form == BLOCK_PAGE &&
           (c->pseudo == PART_DATASET || (c->pseudo == PART_COLUMNS && c->type != FIELD_FLOAT));
}

static sk_code put_some_values(column_writer *c, const block_values *v, err *e)
{
    presence_slot presence = {0};
    bool is_derived = false;
    uint8_t form = is_constant(c, v) ? BLOCK_CONSTANT : BLOCK_PAGE;
    uint8_t all = v->value_count == v->row_count ? BLOCK_ALL_PRESENT : 0;
    sk_code code = SK_OK;
    if (may_follow(c, form))
        code = derivation_try(&c->derivation, c->w, c->block_count, v, &is_derived, e);
    if (is_derived)
        form = BLOCK_DERIVED;
    else if (code == SK_OK && !all)
        code = presence_page(c, v, &presence, e);
    return code == SK_OK ? put_values(c, v, form | all, &presence, e) : code;
}

sk_code column_writer_put(column_writer *c, const block_values *v, err *e)
{
    sk_code code;
    if (v->value_count == 0) {
        buf_add_u8(&c->index, BLOCK_ABSENT);
        code = note_block(c, &(source_block){.row_count = v->row_count, .tag = BLOCK_ABSENT}, e);
    } else {
        code = put_some_values(c, v, e);
    }
    if (code == SK_OK && c->pseudo == PART_TRACE_ID)
        code = index_traces(c, v, e);
    c->block_count++;
    c->value_count += v->value_count;
    c->first_row += v->row_count;
    return code == SK_OK && c->index.failed ? out_of_memory(e) : code;
}

/* The page of the templates, if there are any: whether, and where. */
static sk_code put_templates(column_writer *c, err *e)
{
    if (c->page_count == 0)
        return SK_OK;
    bool has = c->templates && templates_count(c->templates) > 0;
    buf_add_u8(&c->pages, has);
    if (!has)
        return SK_OK;
    buf *out = &c->w->payload;
    buf_clear(out);
    templates_encode_list(c->templates, out);
    page_ref ref;
    sk_code code =
        out->failed ? out_of_memory(e) : segment_writer_page(c->w, buf_span(out), true, &ref, e);
    if (code == SK_OK)
        page_ref_add(&c->pages, &ref);
    return code;
}

sk_code column_writer_end(column_writer *c, span name, err *e)
{
    sk_code code = flush_texts(c, e);
    if (code == SK_OK)
        code = put_templates(c, e);
    if (code != SK_OK)
        return code;
    buf *out = &c->w->payload;
    buf_clear(out);
    buf_add_varint(out, c->block_count);
    buf_add_span(out, buf_span(&c->index));
    buf_add_varint(out, c->page_count);
    buf_add_span(out, buf_span(&c->pages));
    bool is_derived = c->derivation.derived > 0;
    if (is_derived)
        derivation_encode(&c->derivation, c->w->encoder, out);
    page_ref ref;
    if (out->failed || c->index.failed || c->pages.failed)
        return out_of_memory(e);
    code = segment_writer_page(c->w, buf_span(out), true, &ref, e);
    if (code != SK_OK)
        return code;
    code = segment_writer_begin_entry(c->w, c->pseudo, name, c->type,
                                      is_derived ? COLUMN_DERIVED : COLUMN_BLOCKS, e);
    if (code != SK_OK)
        return code;
    buf *d = &c->w->directory;
    buf_add_varint(d, c->value_count);
    buf_add_varint(d, c->text_count);
    page_ref_add(d, &ref);
    if (is_derived)
        return segment_writer_end_entry(c->w, c->derivation.source->entry, e);
    if (kept_for_texts(c) != ROW_WHATS) {
        source_block **keep = &c->w->id_blocks[kept_for_texts(c)];
        base_free(*keep);
        *keep = c->blocks;
        c->blocks = NULL;
    } else if (c->blocks && c->text_count <= DERIVE_CODES_MAX && c->w->sources) {
        derive_sources_add(c->w->sources, (derive_source){.entry = c->w->column_count,
                                                          .text_count = c->text_count,
                                                          .blocks = c->blocks});
        c->blocks = NULL;
    }
    return segment_writer_end_entry(c->w, NO_ENTRY, e);
}
