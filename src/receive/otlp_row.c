/*
 * receive/otlp_row.c: values into the batch: mapped columns, attributes, and the same as ranges
 * over the rows of a resource or scope. Called by the OTLP decoders; the hot end of ingest.
 * Direct-mapped caches of keys and texts stand before batch_column and batch_string: SDKs repeat
 * both from span to span. Measured by bench/decode_bench.
 */
#include "receive/otlp_private.h"

static const struct {
    span name;
    field_type type;
} mapped_columns[M_COUNT] = {
#define X(constant, field, column_type)                                                            \
    [constant] = {{(const uint8_t *)(field), sizeof(field) - 1}, column_type},
    OTLP_MAPPED(X)
#undef X
};

const char *otlp_mapped_name(otlp_mapped m)
{
    return (const char *)mapped_columns[m].name.at;
}

uint64_t otlp_hidden_by(const otlp_list *list)
{
    uint64_t hidden = 0;
    for (uint32_t i = 0; i < list->count; i++)
        for (uint32_t m = 0; m < M_COUNT; m++)
            if (span_equal(list->at[i].key, mapped_columns[m].name))
                hidden |= 1ull << m;
    return hidden;
}

/* ---- text ---- */

static bool is_ascii(span s)
{
    uint64_t word, bits = 0;
    size_t i = 0;
    for (; i + 8 <= s.len; i += 8) {
        memcpy(&word, s.at + i, 8);
        bits |= word;
    }
    if (s.len >= 8) { /* the rest, some of it once more */
        memcpy(&word, s.at + s.len - 8, 8);
        bits |= word;
        i = s.len;
    }
    for (; i < s.len; i++)
        bits |= s.at[i];
    return (bits & 0x8080808080808080ull) == 0;
}

void otlp_clean_utf8(span s, buf *out)
{
    while (s.len > 0) {
        size_t valid = utf8_prefix(s);
        buf_add(out, s.at, valid);
        s = span_from(s, valid);
        if (s.len > 0)
            buf_add_text(out, "\xEF\xBF\xBD");
        s = span_from(s, 1);
    }
}

/* The text as valid UTF-8: as it is, or a copy in o->clean with U+FFFD for what is not. */
static span clean_text(otlp *o, span s)
{
    if (likely(is_ascii(s)) || utf8_is_valid(s))
        return s;
    o->text_invalid = true;
    buf_clear(&o->clean);
    /* Each byte becomes one or more: what is beyond is cut anyway. */
    otlp_clean_utf8(span_first(s, EVENT_STRING_MAX + 4), &o->clean);
    o->text_failed |= o->clean.failed;
    return buf_span(&o->clean);
}

/* ---- caches ---- */

/* memcmp for the short and mostly equal: keys and repeated values. */
static inline bool is_same(span a, span b)
{
    if (a.len != b.len)
        return false;
    const uint8_t *x = a.at, *y = b.at;
    size_t len = a.len;
    if (len >= 16)
        return memcmp(x, y, 16) == 0 && memcmp(x + len - 16, y + len - 16, 16) == 0 &&
               (len <= 32 || memcmp(x, y, len) == 0);
    if (len >= 8)
        return memcmp(x, y, 8) == 0 && memcmp(x + len - 8, y + len - 8, 8) == 0;
    if (len >= 4)
        return memcmp(x, y, 4) == 0 && memcmp(x + len - 4, y + len - 4, 4) == 0;
    return len == 0 || (x[0] == y[0] && x[len / 2] == y[len / 2] && x[len - 1] == y[len - 1]);
}

/* A cheap hash of both ends and the length: a collision costs only a miss of a cache. */
static inline uint32_t place_of(span s, uint32_t salt)
{
    uint64_t first = 0, last = 0;
    uint32_t half;
    if (s.len >= 8) {
        memcpy(&first, s.at, 8);
        memcpy(&last, s.at + s.len - 8, 8);
    } else if (s.len >= 4) {
        memcpy(&half, s.at, 4);
        first = half;
        memcpy(&half, s.at + s.len - 4, 4);
        last = half;
    } else if (s.len > 0) {
        first = s.at[0] | (uint64_t)s.at[s.len / 2] << 8 | (uint64_t)s.at[s.len - 1] << 16;
    }
    uint64_t mix =
        first * 0x9e3779b97f4a7c15ull + (last ^ s.len << 32 ^ salt) * 0xbf58476d1ce4e5b9ull;
    return (uint32_t)(mix >> 40);
}

/* A text that is not in the cache. It may be kept there, so only texts in the request or in static
 * memory come here. */
static uint32_t new_text_code(otlp *o, otlp_text *seen, span s)
{
    span clean = clean_text(o, s);
    o->truncated += clean.len > EVENT_STRING_MAX;
    uint32_t code = batch_string(o->b, clean);
    if (seen && clean.at == s.at && s.len > 0 && s.len <= OTLP_CACHED_TEXT_MAX &&
        code != INTERN_NONE)
        *seen = (otlp_text){s, code};
    return code;
}

uint32_t otlp_string(otlp *o, span s)
{
    return new_text_code(o, NULL, s);
}

static inline otlp_text *seen_text(otlp *o, span s)
{
    return &o->texts[place_of(s, 0) & (OTLP_TEXTS - 1)];
}

static uint32_t text_code(otlp *o, span s)
{
    otlp_text *seen = seen_text(o, s);
    if (likely(s.len > 0 && is_same(seen->text, s)))
        return seen->code;
    return new_text_code(o, seen, s);
}

/* As text_code, but leaves the cache to the columns whose texts repeat. */
static inline uint32_t slot_text_code(otlp *o, otlp_slot *slot, span s)
{
    if (slot->misses >= OTLP_MISSES_MAX && slot->misses++ % 64 != 0)
        return new_text_code(o, NULL, s);
    otlp_text *seen = seen_text(o, s);
    if (likely(s.len > 0 && is_same(seen->text, s))) {
        slot->misses = 0;
        return seen->code;
    }
    slot->misses++;
    return new_text_code(o, seen, s);
}

/* ---- cells ---- */

static void put_code(otlp *o, uint32_t to, uint32_t code)
{
    bool done = true;
    if (likely(!o->is_range))
        done = batch_put_code(o->b, to, code);
    else
        done = batch_put_range(o->b, to, o->b->row_count, BATCH_RANGE_OPEN, code);
    o->row_full |= !done;
}

static void put_scalar(otlp *o, uint32_t to, const otlp_value *v)
{
    bool done = true;
    uint64_t bits = v->kind == VALUE_BOOL ? v->b : (uint64_t)v->i; /* i and f share their bits */
    if (unlikely(o->is_range))
        done = batch_put_range(o->b, to, o->b->row_count, BATCH_RANGE_OPEN, bits);
    else if (v->kind == VALUE_BOOL)
        done = batch_put_bool(o->b, to, v->b);
    else if (v->kind == VALUE_INT)
        done = batch_put_int(o->b, to, v->i);
    else
        done = batch_put_float(o->b, to, v->f);
    o->row_full |= !done;
}

static uint32_t mapped_column(otlp *o, otlp_mapped m)
{
    if (unlikely(o->column[m] == COLUMN_NONE))
        o->column[m] = batch_column(o->b, mapped_columns[m].name, mapped_columns[m].type, NULL);
    return o->column[m];
}

static bool is_hidden(const otlp *o, otlp_mapped m)
{
    return o->hidden >> m & 1;
}

void otlp_map_code(otlp *o, otlp_mapped m, uint32_t code)
{
    if (likely(!is_hidden(o, m)))
        put_code(o, mapped_column(o, m), code);
}

void otlp_map_text(otlp *o, otlp_mapped m, span text)
{
    if (likely(!is_hidden(o, m)))
        put_code(o, mapped_column(o, m), text_code(o, text));
}

void otlp_map_int(otlp *o, otlp_mapped m, int64_t v)
{
    if (likely(!is_hidden(o, m)))
        put_scalar(o, mapped_column(o, m), &(otlp_value){.kind = VALUE_INT, .i = v});
}

void otlp_map_float(otlp *o, otlp_mapped m, double v)
{
    if (likely(!is_hidden(o, m)))
        put_scalar(o, mapped_column(o, m), &(otlp_value){.kind = VALUE_DOUBLE, .f = v});
}

void otlp_map_bool(otlp *o, otlp_mapped m, bool v)
{
    if (likely(!is_hidden(o, m)))
        put_scalar(o, mapped_column(o, m), &(otlp_value){.kind = VALUE_BOOL, .b = v});
}

/* ---- attributes ---- */

static field_type type_of(otlp_kind kind)
{
    switch (kind) {
    case VALUE_BOOL: return FIELD_BOOL;
    case VALUE_INT: return FIELD_INT;
    case VALUE_DOUBLE: return FIELD_FLOAT;
    case VALUE_NONE:
    case VALUE_STRING:
    case VALUE_BYTES:
    case VALUE_ARRAY:
    case VALUE_KVLIST: break;
    }
    return FIELD_STRING;
}

/* The ids of the record itself stand; where it has none, an attribute of that name in an id's text
 * form becomes the id, and any other text an ordinary column (event/fields.h). Returns whether the
 * attribute has been dealt with. */
static bool take_id(otlp *o, span name, const otlp_value *v)
{
    bool is_trace = span_is(name, F_TRACE_ID), is_span = span_is(name, F_SPAN_ID);
    if (!is_trace && !is_span && !span_is(name, F_PARENT_ID))
        return false;
    if (o->is_range || o->b->row_count == 0)
        return true;
    uint32_t row = o->b->row_count - 1;
    span text = v->kind == VALUE_STRING ? v->text : SPAN("");
    if (is_trace)
        return trace_id_is_set(o->b->trace_id[row]) ||
               trace_id_parse(text, false, &o->b->trace_id[row]);
    uint64_t *id = is_span ? &o->b->span_id[row] : &o->b->parent_id[row];
    return *id != 0 || span_id_parse(text, false, id);
}

/* A key seen for the first time, or again after another took its place in the cache. NULL: nothing
 * is to be put. */
static otlp_slot *fill_slot(otlp *o, otlp_slot *slot, span name, const otlp_value *v)
{
    if (span_starts_with(name, SPAN("trace.")) && take_id(o, name, v))
        return NULL;
    field_type type = type_of(v->kind);
    span clean = span_first(clean_text(o, name), EVENT_FIELD_NAME_MAX);
    uint32_t index = batch_column(o->b, clean, type, NULL);
    if (index == COLUMN_NONE)
        return NULL;
    *slot = (otlp_slot){.column = index, .type = (uint16_t)type};
    bool is_cacheable = clean.at == name.at && !span_starts_with(name, SPAN("trace."));
    slot->key = is_cacheable ? o->b->columns[index].name : (span){NULL, 0};
    return slot;
}

/* The column's slot: first where the sequence of keys led last time, then by hash. */
static inline otlp_slot *slot_of(otlp *o, otlp_slot *before, span name, const otlp_value *v)
{
    field_type type = type_of(v->kind);
    otlp_slot *slot = &o->slots[before->next];
    if (likely(is_same(slot->key, name) && slot->type == type))
        return slot;
    slot = &o->slots[place_of(name, type) & (OTLP_SLOTS - 1)];
    before->next = (uint16_t)(slot - o->slots);
    if (is_same(slot->key, name) && slot->type == type)
        return slot;
    return fill_slot(o, slot, name, v);
}

static void put_kvlist(otlp *o, span name, span message, uint32_t level);

/* What is neither text nor a number: by way of JSON text, or as several fields. */
static void put_structure(otlp *o, span name, const otlp_value *v, uint32_t level)
{
    if (v->kind == VALUE_KVLIST && level < OTLP_FLATTEN_MAX) {
        put_kvlist(o, name, v->text, level);
        return;
    }
    otlp_slot *slot = slot_of(o, &o->slots[0], name, v);
    if (!slot)
        return;
    uint32_t to = slot->column;
    span text = otlp_value_json(o, v);
    o->truncated += text.len > EVENT_STRING_MAX;
    put_code(o, to, batch_string(o->b, text));
}

/* Returns the slot of the column that it went to, for the next one's prediction. */
static inline otlp_slot *put_after(otlp *o, otlp_slot *before, span name, const otlp_value *v,
                                   uint32_t level)
{
    if (unlikely(v->kind >= VALUE_BYTES)) {
        put_structure(o, name, v, level);
        return before;
    }
    otlp_slot *slot = slot_of(o, before, name, v);
    if (unlikely(!slot))
        return before;
    if (v->kind == VALUE_STRING)
        put_code(o, slot->column, slot_text_code(o, slot, v->text));
    else
        put_scalar(o, slot->column, v);
    return slot;
}

/* `name` may stand in o->name already: the members' names are built behind it. */
static void put_kvlist(otlp *o, span name, span message, uint32_t level)
{
    if (name.at != o->name)
        memcpy(o->name, name.at, name.len);
    o->name[name.len] = '.';
    otlp_slot *slot = &o->slots[0];
    reader r = reader_of(message);
    for (uint32_t tag; (tag = pb_tag(&r));) {
        if (tag != PB(1, LEN)) {
            pb_skip(&r, tag);
            continue;
        }
        otlp_attribute a = otlp_read_key_value(o, pb_bytes(&r));
        size_t len = name.len + 1 + a.key.len;
        if (a.key.len == 0 || a.value.kind == VALUE_NONE || len > EVENT_FIELD_NAME_MAX)
            continue;
        memcpy(o->name + name.len + 1, a.key.at, a.key.len);
        slot = put_after(o, slot, span_of(o->name, len), &a.value, level + 1);
    }
}

void otlp_put_value(otlp *o, span name, const otlp_value *v)
{
    put_after(o, &o->slots[0], name, v, 0);
}

void otlp_put_list(otlp *o, const otlp_list *list)
{
    otlp_slot *slot = &o->slots[0];
    for (uint32_t i = 0; i < list->count; i++)
        slot = put_after(o, slot, list->at[i].key, &list->at[i].value, 0);
}

/* ---- rows and ranges ---- */

static void begin_values(otlp *o)
{
    o->row_full = false;
    o->text_invalid = false;
    o->truncated = 0;
}

static void end_values(otlp *o)
{
    if (unlikely(o->text_invalid))
        otlp_map_bool(o, M_INVALID_UTF8, true);
    if (unlikely(o->truncated > 0))
        otlp_map_int(o, M_TRUNCATED, o->truncated);
}

bool otlp_begin_row(otlp *o, uint64_t time_ns, uint32_t rate, trace_id trace, uint64_t parent_id)
{
    int64_t time = time_ns == 0          ? o->in->arrival_ns
                   : time_ns > INT64_MAX ? INT64_MAX
                                         : (int64_t)time_ns;
    uint32_t row = batch_begin_row(o->b, time, rate, o->dataset_code);
    if (row == UINT32_MAX)
        return false;
    o->b->trace_id[row] = trace;
    o->b->parent_id[row] = parent_id;
    begin_values(o);
    return true;
}

bool otlp_end_row(otlp *o)
{
    end_values(o);
    return !o->row_full;
}

void otlp_begin_range(otlp *o)
{
    o->is_range = true;
    begin_values(o);
}

void otlp_end_range(otlp *o)
{
    end_values(o);
    o->is_range = false;
}
