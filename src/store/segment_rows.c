/*
 * store/segment_rows.c: some rows of a block, for who wants a trace of fifty and not eight thousand: pages are read and checked whole,
 * but of their values only those that are asked for are decoded, where the form allows it, and only their texts are loaded.
 * Called through segment_part_ops. Never: gives out a code or row that was not checked against what it indexes.
 */
#include "store/segment_reader.h"

#include "base/alloc.h"
#include "base/must.h"

/* Rows [first, first + count) of a block, and which of its values are theirs. */
typedef struct window {
    uint32_t block, first, count;
    uint32_t first_value, value_count;
} window;

static bool has_bit(const uint64_t *words, uint32_t row)
{
    return words[row / 64] >> (row & 63) & 1;
}

/* How many of the rows before this one have a value. */
static uint32_t rank_of(const uint64_t *present, uint32_t row)
{
    uint32_t count = 0;
    for (uint32_t w = 0; w < row / 64; w++)
        count += bit_count(present[w]);
    if (row & 63)
        count += bit_count(present[row / 64] & ((1ull << (row & 63)) - 1));
    return count;
}

static void set_present(vector *out, uint32_t row)
{
    out->present[row / 64] |= 1ull << (row & 63);
}

static void clear_present(vector *out)
{
    memset(out->present, 0, (out->row_count + 63) / 64 * 8ul);
}

/* Presence of the window into the vector, and its values' places. */
static sk_code take_window(segment_reader *r, uint32_t col, const block_entry *b, window *w,
                           vector *out, err *e)
{
    clear_present(out);
    if (b->tag & BLOCK_ALL_PRESENT) {
        vector_fill_present(out);
        w->first_value = w->first;
        w->value_count = w->count;
        return SK_OK;
    }
    const uint64_t *present;
    sk_code code = segment__read_presence(r, col, w->block, b, &present, e);
    if (code != SK_OK)
        return code;
    w->first_value = rank_of(present, w->first);
    w->value_count = 0;
    for (uint32_t i = 0; i < w->count; i++)
        if (has_bit(present, w->first + i)) {
            set_present(out, i);
            w->value_count++;
        }
    out->all_present = w->value_count == w->count;
    return SK_OK;
}

static bool is_within(const uint64_t *values, uint32_t count, uint64_t min, uint64_t max)
{
    for (uint32_t i = 0; i < count; i++)
        if (values[i] < min || values[i] > max)
            return false;
    return true;
}

/* The window's values, in r->dense.bits. */
static bool decode_window(segment_reader *r, const block_entry *b, const window *w,
                          vector_kind kind)
{
    reader bytes = reader_of(buf_span(&r->page));
    uint64_t *to = r->dense.bits;
    uint32_t first = w->first_value, count = w->value_count;
    switch (kind) {
    case VECTOR_CODES:
    case VECTOR_BOOLS:
        return ints_decode_some(&r->decoder->ints, &bytes, b->value_count, first, count, to) &&
               (kind == VECTOR_CODES ? is_within(to, count, b->min, b->max)
                                     : is_within(to, count, 0, 1));
    case VECTOR_INTS:
        return ints_decode_some(&r->decoder->ints, &bytes, b->value_count, first, count, to);
    case VECTOR_FLOATS:
        return floats_decode_some(r->decoder, &bytes, b->value_count, first, count, to);
    case VECTOR_IDS: return span_ids_decode_some(&bytes, b->value_count, first, count, to);
    case VECTOR_TRACE_IDS:
    case VECTOR_ABSENT: break;
    }
    return false;
}

static bool is_of_codes(const vector *v)
{
    return v->kind == VECTOR_CODES || v->kind == VECTOR_BOOLS;
}

static void put(vector *out, uint32_t row, uint64_t bits)
{
    if (is_of_codes(out))
        out->codes[row] = (uint32_t)bits;
    else
        out->ids[row] = bits;
}

/* What is absent has 0. */
static void spread(const uint64_t *values, vector *out)
{
    for (uint32_t i = 0; i < out->row_count; i++)
        put(out, i, vector_has(out, i) ? *values++ : 0);
}

/* Texts of the codes that the rows have. */
static sk_code load_texts(const column_index *x, const vector *v, err *e)
{
    uint32_t least = UINT32_MAX, most = 0;
    for (uint32_t i = 0; i < v->row_count; i++) {
        if (!vector_has(v, i))
            continue;
        least = v->codes[i] < least ? v->codes[i] : least;
        most = v->codes[i] > most ? v->codes[i] : most;
    }
    return least <= most ? segment_load_texts(x, least, most, e) : SK_OK;
}

static sk_code fill_window(segment_reader *r, uint32_t col, const block_entry *b, window *w,
                           vector *out, err *e)
{
    sk_code code = take_window(r, col, b, w, out, e);
    if (code != SK_OK)
        return code;
    if (w->value_count == 0) {
        out->kind = VECTOR_ABSENT;
        return SK_OK;
    }
    if ((b->tag & BLOCK_FORMS) == BLOCK_CONSTANT) {
        if (out->kind == VECTOR_BOOLS && b->place > 1)
            return segment__corrupt(r, col, w->block, e);
        for (uint32_t i = 0; i < w->count; i++)
            put(out, i, b->place);
        return SK_OK;
    }
    code = segment__read_page(r, b->place, b->len, e);
    if (code != SK_OK)
        return code;
    if (!decode_window(r, b, w, out->kind))
        return segment__corrupt(r, col, w->block, e);
    spread(r->dense.bits, out);
    return SK_OK;
}

static void start(const segment_reader *r, uint32_t col, uint32_t count, vector *out)
{
    directory_column *c = &r->directory->columns[col];
    vector_start(out, segment__kind_of(col, c->type), col < PART_COLUMNS ? FIELD_INT : c->type,
                 count);
    if (out->kind == VECTOR_CODES) {
        out->dictionary = &c->dictionary;
        out->type = col == PART_DATASET ? FIELD_STRING : c->type;
    }
}

/* ---- values that follow from another column's ---- */

static sk_code read_source(segment_reader *r, uint32_t col, const window *w, err *e)
{
    if (!r->source && !(r->source = base_alloc(sizeof *r->source)))
        return err_set(e, SK_NO_MEMORY, "no memory for a derived column");
    if (r->source_column == col && r->source_block == w->block && r->source_first == w->first &&
        r->source->row_count == w->count)
        return SK_OK;
    r->source_column = 0; /* no source: times */
    column_index *x;
    sk_code code = segment_load_index(r->segment, &r->directory->columns[col], &x, e);
    if (code != SK_OK)
        return code;
    const block_entry *b = &x->blocks[w->block];
    window own = *w;
    start(r, col, w->count, r->source);
    if (b->tag == BLOCK_ABSENT)
        r->source->kind = VECTOR_ABSENT;
    else
        code = fill_window(r, col, b, &own, r->source, e);
    if (code != SK_OK)
        return code;
    r->source_column = col;
    r->source_block = w->block;
    r->source_first = w->first;
    return SK_OK;
}

static sk_code fill_derived(segment_reader *r, uint32_t col, const column_index *x, const window *w,
                            vector *out, err *e)
{
    sk_code code = read_source(r, r->directory->columns[col].source, w, e);
    if (code != SK_OK)
        return code;
    const vector *source = r->source;
    const derived_table *t = &x->table;
    const block_entry *b = &x->blocks[w->block];
    uint64_t min = out->kind == VECTOR_CODES ? b->min : 0;
    uint64_t max = out->kind == VECTOR_CODES ? b->max : out->kind == VECTOR_BOOLS ? 1 : UINT64_MAX;
    uint32_t count = 0;
    clear_present(out);
    for (uint32_t i = 0; i < w->count; i++) {
        uint64_t entry =
            source->kind != VECTOR_ABSENT && vector_has(source, i) ? source->codes[i] + 1ull : 0;
        if (entry >= t->entries)
            return segment__corrupt(r, col, w->block, e);
        put(out, i, t->has[entry] ? t->values[entry] : 0);
        if (!t->has[entry])
            continue;
        if (t->values[entry] < min || t->values[entry] > max)
            return segment__corrupt(r, col, w->block, e);
        set_present(out, i);
        count++;
    }
    out->all_present = count == w->count;
    if (count == 0)
        out->kind = VECTOR_ABSENT;
    return SK_OK;
}

/* ---- columns ---- */

static sk_code read_values(segment_reader *r, uint32_t col, const window *asked, vector *out,
                           err *e)
{
    column_index *x;
    window w = *asked;
    sk_code code = segment_load_index(r->segment, &r->directory->columns[col], &x, e);
    if (code != SK_OK)
        return code;
    start(r, col, w.count, out);
    const block_entry *b = &x->blocks[w.block];
    if (b->tag == BLOCK_ABSENT) {
        out->kind = VECTOR_ABSENT;
        clear_present(out);
        return SK_OK;
    }
    code = (b->tag & BLOCK_FORMS) == BLOCK_DERIVED ? fill_derived(r, col, x, &w, out, e)
                                                   : fill_window(r, col, b, &w, out, e);
    /* So that a dictionary's page that cannot be had is an error here and not an empty text later. */
    return code == SK_OK && out->kind == VECTOR_CODES ? load_texts(x, out, e) : code;
}

static sk_code read_rare(segment_reader *r, uint32_t col, const window *w, vector *out, err *e)
{
    rare_column *x;
    sk_code code = segment_load_rare(r->segment, &r->directory->columns[col], &x, e);
    if (code != SK_OK)
        return code;
    start(r, col, w->count, out);
    clear_present(out);
    uint64_t first = w->block * (uint64_t)VECTOR_ROWS + w->first;
    uint32_t from = segment__rare_from(x, first), to = segment__rare_from(x, first + w->count);
    if (from == to) {
        out->kind = VECTOR_ABSENT;
        return SK_OK;
    }
    for (uint32_t i = from; i < to; i++)
        set_present(out, (uint32_t)(x->rows[i] - first));
    out->all_present = to - from == w->count;
    spread(x->bits + from, out);
    return SK_OK;
}

/* ---- parents ---- */

/* Distances of the window's rows that have a parent, densely in r->dense.bits; how many of the block's orphans are before them. */
static sk_code read_distances(segment_reader *r, window *w, vector *out, uint32_t *ret_orphan,
                              err *e)
{
    column_index *x;
    *ret_orphan = 0;
    sk_code code = segment_load_index(r->segment, &r->directory->columns[PART_PARENT_ID], &x, e);
    if (code != SK_OK)
        return code;
    const block_entry *b = &x->blocks[w->block];
    if (b->tag != BLOCK_ABSENT)
        code = take_window(r, PART_PARENT_ID, b, w, out, e);
    if (b->tag == BLOCK_ABSENT || (code == SK_OK && w->value_count == 0)) {
        out->kind = VECTOR_ABSENT;
        clear_present(out);
        return SK_OK;
    }
    if (code == SK_OK)
        code = (b->tag & BLOCK_FORMS) == BLOCK_PAGE
                   ? segment__read_page(r, b->place, b->len, e)
                   : segment__corrupt(r, PART_PARENT_ID, w->block, e);
    if (code != SK_OK)
        return code;
    int64_t *distances = (int64_t *)r->dense.bits;
    reader bytes = reader_of(buf_span(&r->page));
    bool is_good = parents_decode_some(r->decoder, &bytes, b->value_count, w->first_value,
                                       w->value_count, distances);
    bool has_orphans = false;
    for (uint32_t i = 0; is_good && i < w->value_count; i++)
        has_orphans |= distances[i] == 0;
    if (is_good && has_orphans) {
        bytes = reader_of(buf_span(&r->page));
        is_good = parents_decode(r->decoder, &bytes, b->value_count, r->parents->distances,
                                 r->parents->orphans);
        for (uint32_t i = 0; is_good && i < w->first_value; i++)
            *ret_orphan += r->parents->distances[i] == 0;
    }
    return is_good ? SK_OK : segment__corrupt(r, PART_PARENT_ID, w->block, e);
}

/* The ids of those of the rows' parents that lie in the block of `wanted[from]`; they are wanted no more. */
static sk_code resolve_block(segment_reader *r, uint32_t *wanted, uint32_t from, vector *out,
                             err *e)
{
    uint32_t block = wanted[from] / VECTOR_ROWS, least = wanted[from], most = wanted[from];
    for (uint32_t i = from; i < out->row_count; i++) {
        if (wanted[i] == PART_NO_PARENT || wanted[i] / VECTOR_ROWS != block)
            continue;
        least = wanted[i] < least ? wanted[i] : least;
        most = wanted[i] > most ? wanted[i] : most;
    }
    vector *ids = &r->parents->ids;
    window w = {.block = block, .first = least % VECTOR_ROWS, .count = most - least + 1};
    sk_code code = read_values(r, PART_SPAN_ID, &w, ids, e);
    for (uint32_t i = from; code == SK_OK && i < out->row_count; i++) {
        if (wanted[i] == PART_NO_PARENT || wanted[i] / VECTOR_ROWS != block)
            continue;
        out->ids[i] = ids->kind == VECTOR_ABSENT ? 0 : ids->ids[wanted[i] - least];
        wanted[i] = PART_NO_PARENT;
    }
    return code;
}

static sk_code read_parent_ids(segment_reader *r, const window *asked, vector *out, err *e)
{
    window w = *asked;
    uint32_t orphan;
    start(r, PART_PARENT_ID, w.count, out);
    sk_code code = segment__parent_scratch(r, e);
    if (code == SK_OK)
        code = read_distances(r, &w, out, &orphan, e);
    if (code != SK_OK || out->kind == VECTOR_ABSENT)
        return code;
    uint32_t *wanted = r->parents->rows;
    const int64_t *distance = (const int64_t *)r->dense.bits;
    for (uint32_t i = 0; i < w.count; i++) {
        wanted[i] = PART_NO_PARENT;
        out->ids[i] = 0;
        if (!vector_has(out, i))
            continue;
        if (*distance == 0) {
            out->ids[i] = r->parents->orphans[orphan++];
        } else {
            wanted[i] = segment__parent_row(r, w.block * VECTOR_ROWS + w.first + i, *distance);
            if (wanted[i] == PART_NO_PARENT)
                return segment__corrupt(r, PART_PARENT_ID, w.block, e);
        }
        distance++;
    }
    for (uint32_t i = 0; code == SK_OK && i < w.count; i++)
        if (wanted[i] != PART_NO_PARENT)
            code = resolve_block(r, wanted, i, out, e);
    return code;
}

sk_code segment__read_rows(part_reader *base, uint32_t col, uint32_t block, uint32_t first,
                           uint32_t count, vector *out, err *e)
{
    segment_reader *r = (segment_reader *)base;
    window w = {.block = block, .first = first, .count = count};
    sk_code code;
    if (col == PART_PARENT_ID)
        code = read_parent_ids(r, &w, out, e);
    else if (r->directory->columns[col].form == COLUMN_RARE)
        code = read_rare(r, col, &w, out, e);
    else
        code = read_values(r, col, &w, out, e);
    return segment__judge(r, code, e);
}
