/*
 * event/codec.c: a frozen batch as bytes (docs/format/batch.md). Called by intake before
 * journal_append, by replay and by stream matchers. Arrays are stored raw, little endian, codes and
 * row numbers as narrow as their range allows, so both ways are copies and widening loops that the
 * compiler vectorizes; the journal compresses. Never: trusts a length, code or row number; keeps a
 * pointer into the bytes it decodes.
 */
#include "event/codec.h"

#include "base/must.h"
#include "base/reader.h"
#include "event/batch_private.h"
#include "event/codec_private.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "arrays are stored as they lie in memory");
_Static_assert(sizeof(trace_id) == 16, "stored as it lies in memory");

/* ---- writing ---- */

static void add_narrow(buf *out, const uint32_t *from, uint32_t count, uint32_t width)
{
    if (width == 4) {
        buf_add(out, from, count * sizeof *from);
        return;
    }
    if (!buf_reserve(out, (size_t)count * width))
        return;
    uint8_t *at = out->at + out->len;
    if (width == 1) {
        for (uint32_t i = 0; i < count; i++)
            at[i] = (uint8_t)from[i];
    } else {
        for (uint32_t i = 0; i < count; i++) {
            uint16_t v = (uint16_t)from[i];
            memcpy(at + (size_t)i * 2, &v, 2);
        }
    }
    out->len += (size_t)count * width;
}

static void add_ranges(buf *out, const column *c, uint32_t row_width)
{
    for (uint32_t i = 0; i < c->range_count; i++)
        add_narrow(out, &c->ranges[i].first_row, 1, row_width);
    for (uint32_t i = 0; i < c->range_count; i++)
        add_narrow(out, &c->ranges[i].end_row, 1, row_width);
    for (uint32_t i = 0; i < c->range_count; i++)
        buf_add_u64(out, c->ranges[i].bits);
}

static void add_column(buf *out, const batch *b, const column *c)
{
    uint32_t row_width = codec__width(b->row_count);
    buf_add_u8(out, (uint8_t)c->type);
    buf_add_u8(out, c->rows ? COLUMN_HAS_ROWS : 0);
    buf_add_u16(out, (uint16_t)c->name.len);
    buf_add_u32(out, c->count);
    buf_add_u32(out, c->range_count);
    buf_add_span(out, c->name);
    if (c->rows)
        add_narrow(out, c->rows, c->count, row_width);
    if (c->bits && c->count)
        buf_add(out, c->bits, c->count * sizeof *c->bits);
    else if (c->count)
        add_narrow(out, c->codes, c->count,
                   c->type == FIELD_BOOL ? 1 : codec__width(b->string_count));
    add_ranges(out, c, row_width);
}

static bool any_u64(const uint64_t *at, size_t count)
{
    uint64_t any = 0;
    for (size_t i = 0; i < count; i++)
        any |= at[i];
    return any != 0;
}

static bool all_are(const uint32_t *at, uint32_t count, uint32_t v)
{
    uint32_t differ = 0;
    for (uint32_t i = 0; i < count; i++)
        differ |= at[i] ^ v;
    return differ == 0;
}

static uint8_t batch_flags(const batch *b)
{
    uint32_t rows = b->row_count;
    uint8_t flags = 0;
    if (rows == 0)
        return 0;
    if (!all_are(b->rate, rows, 1))
        flags |= BATCH_HAS_RATES;
    if (all_are(b->dataset, rows, b->dataset[0]))
        flags |= BATCH_ONE_DATASET;
    if (any_u64(&b->trace_id[0].hi, (size_t)rows * 2))
        flags |= BATCH_HAS_TRACE_IDS;
    if (any_u64(b->span_id, rows))
        flags |= BATCH_HAS_SPAN_IDS;
    if (any_u64(b->parent_id, rows))
        flags |= BATCH_HAS_PARENT_IDS;
    return flags;
}

static void add_header(buf *out, const batch *b, uint8_t flags, uint32_t string_bytes)
{
    buf_add(out, BATCH_MAGIC, 3);
    buf_add_u8(out, BATCH_CODEC_VERSION);
    buf_add_u8(out, (uint8_t)b->family);
    buf_add_u8(out, flags);
    buf_add_u16(out, 0);
    buf_add_u64(out, (uint64_t)b->arrival_ns);
    buf_add_u32(out, b->row_count);
    buf_add_u32(out, b->column_count);
    buf_add_u32(out, b->string_count);
    buf_add_u32(out, b->dropped_items);
    buf_add_u32(out, b->truncated_strings);
    buf_add_u32(out, string_bytes);
}

static void add_strings(buf *out, const batch *b, size_t string_bytes)
{
    if (!buf_reserve(out, b->string_count * 2ul + string_bytes))
        return;
    for (uint32_t i = 0; i < b->string_count; i++)
        buf_add_u16(out, (uint16_t)b->strings[i].len);
    for (uint32_t i = 0; i < b->string_count; i++)
        buf_add_span(out, b->strings[i]);
}

sk_code batch_encode(const batch *b, buf *out, err *e)
{
    must(!b->builder);
    size_t string_bytes = 0;
    for (uint32_t i = 0; i < b->string_count; i++)
        string_bytes += b->strings[i].len;
    if (string_bytes > UINT32_MAX)
        return err_set(e, SK_TOO_LARGE, "the texts of one request exceed 4 GiB");
    uint8_t flags = batch_flags(b);
    uint32_t rows = b->row_count, code_width = codec__width(b->string_count);
    add_header(out, b, flags, (uint32_t)string_bytes);
    add_strings(out, b, string_bytes);
    buf_add(out, b->time_ns, rows * sizeof *b->time_ns);
    if (flags & BATCH_HAS_RATES)
        buf_add(out, b->rate, rows * sizeof *b->rate);
    add_narrow(out, b->dataset, flags & BATCH_ONE_DATASET ? 1 : rows, code_width);
    if (flags & BATCH_HAS_TRACE_IDS)
        buf_add(out, b->trace_id, rows * sizeof *b->trace_id);
    if (flags & BATCH_HAS_SPAN_IDS)
        buf_add(out, b->span_id, rows * sizeof *b->span_id);
    if (flags & BATCH_HAS_PARENT_IDS)
        buf_add(out, b->parent_id, rows * sizeof *b->parent_id);
    for (uint32_t i = 0; i < b->column_count; i++)
        add_column(out, b, &b->columns[i]);
    if (out->failed)
        return err_set(e, SK_NO_MEMORY, "no memory for an encoded batch of %u events", rows);
    return SK_OK;
}

/* ---- reading ---- */

typedef struct decoder {
    reader r;
    batch *b;
    uint8_t flags;
    uint32_t row_width, code_width, string_bytes;
    err *e;
} decoder;

static bool corrupt(decoder *d, const char *what)
{
    err_set(d->e, SK_CORRUPT, "batch: %s at byte %zu", what, reader_offset(&d->r));
    if (d->e)
        d->e->offset = reader_offset(&d->r);
    return false;
}

static bool no_memory(decoder *d)
{
    err_set(d->e, SK_NO_MEMORY, "no memory for a batch of %u events", d->b->row_count);
    return false;
}

/* Room for `count` items of `stored` bytes each as an array of `item` bytes each; NULL with the
 * error set. */
static void *array_for(decoder *d, uint32_t count, size_t stored, size_t item)
{
    if (count > reader_left(&d->r) / stored) {
        corrupt(d, "it ends too early");
        return NULL;
    }
    void *p = arena_alloc(d->b->mem, count * item + !count, item % 8 ? item % 4 ? 1 : 4 : 8);
    if (!p)
        no_memory(d);
    return p;
}

static void *read_raw(decoder *d, uint32_t count, size_t item)
{
    void *p = array_for(d, count, item, item);
    if (p && count)
        memcpy(p, reader_bytes(&d->r, count * item).at, count * item);
    return p;
}

/* Widens; values must be below `limit`. The array was checked to be there. */
static bool widen(decoder *d, uint32_t *to, uint32_t count, uint32_t width, uint32_t limit,
                  const char *what)
{
    if (count == 0)
        return true;
    const uint8_t *at = d->r.at;
    uint32_t highest = 0;
    for (uint32_t i = 0; i < count && width == 1; i++)
        to[i] = at[i];
    for (uint32_t i = 0; i < count && width == 2; i++) {
        uint16_t v;
        memcpy(&v, at + (size_t)i * 2, 2);
        to[i] = v;
    }
    if (width == 4)
        memcpy(to, at, count * sizeof *to);
    for (uint32_t i = 0; i < count; i++)
        highest = to[i] > highest ? to[i] : highest;
    if (highest >= limit)
        return corrupt(d, what);
    reader_bytes(&d->r, (size_t)count * width);
    return true;
}

static uint32_t *read_narrow(decoder *d, uint32_t count, uint32_t width, uint32_t limit,
                             const char *what)
{
    uint32_t *p = array_for(d, count, width, sizeof *p);
    return p && widen(d, p, count, width, limit, what) ? p : NULL;
}

static void *all_zero(decoder *d, size_t item)
{
    size_t bytes = d->b->row_count * item;
    void *p = arena_alloc_zero(d->b->mem, bytes + !bytes, 8);
    if (!p)
        no_memory(d);
    return p;
}

static bool read_header(decoder *d)
{
    reader *r = &d->r;
    span magic = reader_bytes(r, 3);
    if (magic.len != 3 || memcmp(magic.at, BATCH_MAGIC, 3) != 0)
        return corrupt(d, "not a batch");
    uint8_t version = reader_u8(r);
    if (!r->failed && version != BATCH_CODEC_VERSION) {
        err_set(d->e, SK_CORRUPT, "batch: version %u; this skep reads version %d", version,
                BATCH_CODEC_VERSION);
        return false;
    }
    uint8_t family_number = reader_u8(r);
    d->flags = reader_u8(r);
    uint16_t zero = reader_u16(r);
    batch *b = d->b;
    b->arrival_ns = (int64_t)reader_u64(r);
    b->row_count = reader_u32(r);
    b->column_count = reader_u32(r);
    b->string_count = reader_u32(r);
    b->dropped_items = reader_u32(r);
    b->truncated_strings = reader_u32(r);
    d->string_bytes = reader_u32(r);
    if (r->failed)
        return corrupt(d, "it ends within its header");
    if (family_number >= FAMILY_COUNT || d->flags > BATCH_FLAGS_ALL || zero)
        return corrupt(d, "unknown family or flag");
    if (b->row_count == UINT32_MAX || b->string_count == UINT32_MAX)
        return corrupt(d, "impossible count");
    b->family = (family)family_number;
    b->row_capacity = b->row_count;
    b->column_capacity = b->column_count;
    d->row_width = codec__width(b->row_count);
    d->code_width = codec__width(b->string_count);
    return true;
}

static bool read_strings(decoder *d)
{
    batch *b = d->b;
    span *strings = array_for(d, b->string_count, 2, sizeof *strings);
    if (!strings)
        return false;
    const uint8_t *lengths = reader_bytes(&d->r, b->string_count * 2ul).at;
    if (d->string_bytes > reader_left(&d->r))
        return corrupt(d, "it ends within its texts");
    uint8_t *text = arena_alloc(b->mem, d->string_bytes + 1ul, 1);
    if (!text)
        return no_memory(d);
    if (d->string_bytes)
        memcpy(text, reader_bytes(&d->r, d->string_bytes).at, d->string_bytes);
    size_t used = 0;
    for (uint32_t i = 0; i < b->string_count; i++) {
        uint16_t len;
        memcpy(&len, lengths + (size_t)i * 2, 2);
        strings[i] = span_of(text + used, len);
        used += len;
    }
    if (used != d->string_bytes)
        return corrupt(d, "the lengths of its texts do not add up");
    b->strings = strings;
    return true;
}

static bool read_rates(decoder *d)
{
    batch *b = d->b;
    if (d->flags & BATCH_HAS_RATES) {
        b->rate = read_raw(d, b->row_count, sizeof *b->rate);
    } else {
        b->rate = all_zero(d, sizeof *b->rate);
        for (uint32_t i = 0; b->rate && i < b->row_count; i++)
            b->rate[i] = 1;
    }
    bool has_zero = false;
    for (uint32_t i = 0; b->rate && i < b->row_count; i++)
        has_zero |= b->rate[i] == 0;
    return b->rate && (!has_zero || corrupt(d, "a sample rate is 0"));
}

static bool read_datasets(decoder *d)
{
    static const char *const what = "a dataset is not in the dictionary";
    batch *b = d->b;
    if (!(d->flags & BATCH_ONE_DATASET)) {
        b->dataset = read_narrow(d, b->row_count, d->code_width, b->string_count, what);
        return b->dataset != NULL;
    }
    uint32_t *one = read_narrow(d, 1, d->code_width, b->string_count, what);
    b->dataset = one ? all_zero(d, sizeof *b->dataset) : NULL;
    for (uint32_t i = 0; b->dataset && i < b->row_count; i++)
        b->dataset[i] = *one;
    return b->dataset != NULL;
}

static bool read_rows(decoder *d)
{
    batch *b = d->b;
    if (!(b->time_ns = read_raw(d, b->row_count, sizeof *b->time_ns)) || !read_rates(d) ||
        !read_datasets(d))
        return false;
#define READ_IDS(flag, ids)                                                                        \
    ((ids) = d->flags & (flag) ? read_raw(d, b->row_count, sizeof *(ids))                          \
                               : all_zero(d, sizeof *(ids)))
    return READ_IDS(BATCH_HAS_TRACE_IDS, b->trace_id) && READ_IDS(BATCH_HAS_SPAN_IDS, b->span_id) &&
           READ_IDS(BATCH_HAS_PARENT_IDS, b->parent_id);
#undef READ_IDS
}

static bool read_points(decoder *d, column *c, bool has_rows)
{
    batch *b = d->b;
    if (has_rows) {
        c->rows = read_narrow(d, c->count, d->row_width, b->row_count, "a row number is too high");
        if (!c->rows)
            return false;
        uint32_t disorder = 0;
        for (uint32_t i = 1; i < c->count; i++)
            disorder |= c->rows[i] <= c->rows[i - 1];
        if (disorder)
            return corrupt(d, "row numbers do not ascend");
    }
    if (c->type == FIELD_INT || c->type == FIELD_FLOAT)
        return (c->bits = read_raw(d, c->count, sizeof *c->bits)) != NULL;
    c->codes = c->type == FIELD_BOOL ? read_narrow(d, c->count, 1, 2, "a bool is neither 0 nor 1")
                                     : read_narrow(d, c->count, d->code_width, b->string_count,
                                                   "a text is not in the dictionary");
    return c->codes != NULL;
}

static bool range_is_valid(const batch *b, const column *c, const column_range *r)
{
    uint64_t limit = c->type == FIELD_BOOL ? 2 : b->string_count;
    bool is_code = c->type != FIELD_INT && c->type != FIELD_FLOAT;
    return r->first_row < r->end_row && r->end_row <= b->row_count && (!is_code || r->bits < limit);
}

static bool read_ranges(decoder *d, column *c)
{
    if (c->range_count == 0)
        return true;
    uint32_t count = c->range_count;
    c->ranges = array_for(d, count, d->row_width * 2 + 8, sizeof *c->ranges);
    uint32_t *ends = c->ranges ? array_for(d, count, 1, 2 * sizeof *ends) : NULL;
    if (!ends)
        return false;
    uint32_t *firsts = ends + count, limit = d->b->row_count + 1;
    if (!widen(d, firsts, count, d->row_width, limit, "a row number is too high") ||
        !widen(d, ends, count, d->row_width, limit, "a row number is too high"))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        c->ranges[i] = (column_range){firsts[i], ends[i], reader_u64(&d->r)};
        if (!range_is_valid(d->b, c, &c->ranges[i]))
            return corrupt(d, "a range of rows is not valid");
    }
    return true;
}

static bool read_column(decoder *d, column *c)
{
    reader *r = &d->r;
    uint8_t type = reader_u8(r), flags = reader_u8(r);
    uint16_t name_len = reader_u16(r);
    c->count = c->capacity = reader_u32(r);
    c->range_count = c->range_capacity = reader_u32(r);
    c->next_same_name = COLUMN_NONE;
    span name = reader_bytes(r, name_len);
    if (r->failed)
        return corrupt(d, "it ends within a column's head");
    if (type >= FIELD_TYPE_COUNT || flags > COLUMN_HAS_ROWS || name_len == 0 ||
        name_len > EVENT_FIELD_NAME_MAX || (c->count == 0 && c->range_count == 0))
        return corrupt(d, "a column's head is not valid");
    c->type = (field_type)type;
    bool has_rows = flags & COLUMN_HAS_ROWS;
    if (has_rows ? c->count >= d->b->row_count : c->count && c->count != d->b->row_count)
        return corrupt(d, "a column's count of values is not valid");
    if (!arena_copy(d->b->mem, name, &c->name))
        return no_memory(d);
    return read_points(d, c, has_rows) && read_ranges(d, c);
}

static bool read_columns(decoder *d)
{
    batch *b = d->b;
    b->columns = array_for(d, b->column_count, COLUMN_HEAD_BYTES, sizeof *b->columns);
    if (!b->columns)
        return false;
    memset(b->columns, 0, b->column_count * sizeof *b->columns);
    for (uint32_t i = 0; i < b->column_count; i++)
        if (!read_column(d, &b->columns[i]))
            return false;
    if (reader_left(&d->r))
        return corrupt(d, "bytes follow its end");
    const char *damage = NULL;
    if (!codec__link_columns(b, &damage))
        return damage ? corrupt(d, damage) : no_memory(d);
    return true;
}

sk_code batch_decode(span bytes, size_t cap_bytes, batch **ret, err *e)
{
    err unused;
    decoder d = {.r = reader_of(bytes), .e = e ? e : &unused};
    d.b = batch__alloc(FAMILY_TRACE, cap_bytes);
    if (!d.b)
        return err_set(e, SK_NO_MEMORY, "no memory for a batch");
    if (!read_header(&d) || !read_strings(&d) || !read_rows(&d) || !read_columns(&d)) {
        batch_free(d.b);
        return d.e->code;
    }
    *ret = d.b;
    return SK_OK;
}
