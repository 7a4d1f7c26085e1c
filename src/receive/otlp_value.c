/*
 * receive/otlp_value.c: AnyValue and KeyValue: protobuf bytes to attribute lists, and structured
 * values to JSON text. Called by the OTLP decoders. Nothing is copied: spans point into the
 * request. Limits: OTLP_NEST_MAX levels, EVENT_FIELD_NAME_MAX bytes a (dotted) name,
 * EVENT_FIELDS_MAX attributes a list. Source: opentelemetry-proto common/v1/common.proto (otlp.md
 * §1); honeycomb.md §2.3.
 */
#include <stdio.h>

#include "receive/otlp_private.h"
#include "wire/json.h"

void otlp_list_clear(otlp_list *list, bool takes_rate)
{
    list->count = list->seen = list->fields = 0;
    list->takes_rate = takes_rate;
    list->rate[0].kind = list->rate[1].kind = VALUE_NONE;
    list->bad = REASON_NONE;
}

otlp_value otlp_read_value(otlp *o, span any_value)
{
    otlp_value v = {.kind = VALUE_NONE};
    reader r = reader_of(any_value);
    for (uint32_t tag; (tag = pb_tag(&r));)
        switch (tag) {
        case PB(1, LEN): v.kind = VALUE_STRING, v.text = pb_bytes(&r); break;
        case PB(2, VAR): v.kind = VALUE_BOOL, v.b = pb_var(&r) != 0; break;
        case PB(3, VAR): v.kind = VALUE_INT, v.i = (int64_t)pb_var(&r); break;
        case PB(4, I64): v.kind = VALUE_DOUBLE, v.f = pb_double(&r); break;
        case PB(5, LEN): v.kind = VALUE_ARRAY, v.text = pb_bytes(&r); break;
        case PB(6, LEN): v.kind = VALUE_KVLIST, v.text = pb_bytes(&r); break;
        case PB(7, LEN): v.kind = VALUE_BYTES, v.text = pb_bytes(&r); break;
        default: pb_skip(&r, tag); break;
        }
    if (unlikely(r.failed))
        otlp_fail(o, &r);
    return v;
}

/* The form that every SDK writes: key, then a value of one scalar field, all lengths below 128.
 * False: read it the long way. */
static inline bool read_plain_key_value(span key_value, otlp_attribute *ret)
{
    const uint8_t *at = key_value.at, *end = at + key_value.len;
    if (key_value.len < 6 || at[0] != PB(1, LEN) || at[1] >= 0x80 || at[1] + 6u > key_value.len ||
        at[1] == 0)
        return false;
    ret->key = span_of(at + 2, at[1]);
    at += 2 + at[1];
    if (at[0] != PB(2, LEN) || at[1] >= 0x80 || at + 2 + at[1] != end)
        return false;
    uint8_t len = at[1];
    at += 2;
    if (at[0] == PB(1, LEN) && at[1] + 2 == len) {
        ret->value = (otlp_value){.kind = VALUE_STRING, .text = span_of(at + 2, at[1])};
    } else if (at[0] == PB(3, VAR) && len >= 2) {
        uint64_t bits = 0;
        unsigned shift = 0;
        for (at++; at < end - 1 && at[0] >= 0x80 && shift < 56; shift += 7)
            bits |= (uint64_t)(*at++ & 0x7F) << shift;
        if (at != end - 1 || at[0] >= 0x80)
            return false;
        ret->value =
            (otlp_value){.kind = VALUE_INT, .i = (int64_t)(bits | (uint64_t)at[0] << shift)};
    } else if (at[0] == PB(4, I64) && len == 9) {
        ret->value.kind = VALUE_DOUBLE;
        memcpy(&ret->value.f, at + 1, 8);
    } else {
        return false;
    }
    return true;
}

otlp_attribute otlp_read_key_value(otlp *o, span key_value)
{
    otlp_attribute a = {.value.kind = VALUE_NONE};
    reader r = reader_of(key_value);
    for (uint32_t tag; (tag = pb_tag(&r));)
        switch (tag) {
        case PB(1, LEN): a.key = pb_bytes(&r); break;
        case PB(2, LEN): a.value = otlp_read_value(o, pb_bytes(&r)); break;
        default: pb_skip(&r, tag); break;
        }
    if (unlikely(r.failed))
        otlp_fail(o, &r);
    return a;
}

/* `depth` counts the AnyValues around this one; a name_len of 0: within a value that becomes JSON
 * text. */
static otlp_reason check_tree(otlp *o, const otlp_value *v, size_t name_len, uint32_t depth,
                              uint32_t *fields)
{
    bool is_flat = v->kind == VALUE_KVLIST && depth < OTLP_FLATTEN_MAX && name_len > 0;
    if (!is_flat && name_len > 0)
        ++*fields;
    if (v->kind != VALUE_KVLIST && v->kind != VALUE_ARRAY)
        return REASON_NONE;
    if (depth >= OTLP_NEST_MAX)
        return REASON_DEPTH;
    reader r = reader_of(v->text);
    for (uint32_t tag; (tag = pb_tag(&r));) {
        if (tag != PB(1, LEN)) {
            pb_skip(&r, tag);
            continue;
        }
        otlp_attribute a = {.value.kind = VALUE_NONE};
        if (v->kind == VALUE_KVLIST)
            a = otlp_read_key_value(o, pb_bytes(&r));
        else
            a.value = otlp_read_value(o, pb_bytes(&r));
        size_t len = is_flat ? name_len + 1 + a.key.len : 0;
        if (len > EVENT_FIELD_NAME_MAX)
            return REASON_NAME;
        otlp_reason why = check_tree(o, &a.value, len, depth + 1, fields);
        if (why != REASON_NONE || o->failed)
            return why;
    }
    if (r.failed)
        otlp_fail(o, &r);
    return REASON_NONE;
}

otlp_reason otlp_check_value(otlp *o, const otlp_value *v, size_t name_len, uint32_t *fields)
{
    return check_tree(o, v, name_len, 0, fields);
}

static bool list_reserve(otlp *o, otlp_list *list)
{
    if (likely(list->count < list->capacity))
        return true;
    uint32_t capacity = list->capacity ? 2 * list->capacity : 32;
    size_t size = sizeof(*list->at);
    void *at = arena_alloc(o->scratch, capacity * size, _Alignof(otlp_attribute));
    if (!at)
        return false; /* otlp_decode sees the arena's failure */
    if (list->count)
        memcpy(at, list->at, list->count * size);
    list->at = at;
    list->capacity = capacity;
    return true;
}

#define RATE_KEY_LEN (sizeof("sampleRate") - 1)

/* sampleRate (preferred) and SampleRate leave the list. */
static bool take_rate(otlp_list *list, const otlp_attribute *a)
{
    bool is_lower = span_equal(a->key, SPAN("sampleRate"));
    if (!is_lower && !span_equal(a->key, SPAN("SampleRate")))
        return false;
    list->rate[is_lower ? 0 : 1] = a->value;
    return true;
}

static void read_attribute(otlp *o, otlp_list *list, span key_value)
{
    otlp_attribute a = otlp_read_key_value(o, key_value);
    uint32_t index = list->seen++;
    if (a.key.len == 0 || a.value.kind == VALUE_NONE || o->failed)
        return;
    if (list->takes_rate && take_rate(list, &a))
        return;
    otlp_reason bad = REASON_NONE;
    if (a.key.len > EVENT_FIELD_NAME_MAX)
        bad = REASON_NAME;
    else if (a.value.kind >= VALUE_ARRAY)
        bad = otlp_check_value(o, &a.value, a.key.len, &list->fields);
    else
        list->fields++;
    if (list->fields > EVENT_FIELDS_MAX)
        bad = REASON_FIELDS;
    if (bad == REASON_NONE && list_reserve(o, list))
        list->at[list->count++] = a;
    if (bad != REASON_NONE && list->bad == REASON_NONE)
        list->bad = bad, list->bad_index = index;
}

/* SDKs write a message's attributes one behind the other: one turn of this loop for each is the hot
 * path of ingest. */
void otlp_read_attributes(otlp *o, otlp_list *list, reader *r, uint8_t tag)
{
    const uint8_t *at = r->at, *end = r->end;
    do {
        span key_value;
        if (likely(at < end && at[0] < 0x80 && end - at > at[0])) {
            key_value = span_of(at + 1, at[0]);
            at += 1 + key_value.len;
        } else {
            r->at = at;
            key_value = pb_bytes(r);
            at = r->at;
        }
        bool has_room = list->count < list->capacity && list->fields < EVENT_FIELDS_MAX;
        if (likely(has_room) && likely(read_plain_key_value(key_value, &list->at[list->count])) &&
            list->at[list->count].key.len != RATE_KEY_LEN) {
            list->count++;
            list->seen++;
            list->fields++;
        } else {
            read_attribute(o, list, key_value);
        }
    } while (at < end && *at == tag && at++);
    r->at = at;
}

const otlp_value *otlp_list_find(const otlp_list *list, span key)
{
    for (uint32_t i = list->count; i-- > 0;)
        if (span_equal(list->at[i].key, key))
            return &list->at[i].value;
    return NULL;
}

/* ---- JSON text ---- */

static void write_base64(otlp *o, json_writer *w, span bytes)
{
    span part = span_first(bytes, EVENT_STRING_MAX); /* what the text is cut to anyway */
    size_t mark = o->clean.len;
    if (!buf_reserve(&o->clean, 4 * ((part.len + 2) / 3) + 1)) { /* some, also for none */
        o->text_failed = true;
        return;
    }
    size_t len = base64_encode(part, (char *)o->clean.at + mark);
    jw_string(w, span_of(o->clean.at + mark, len));
}

static void write_value(otlp *o, json_writer *w, const otlp_value *v);

static void write_members(otlp *o, json_writer *w, const otlp_value *v)
{
    reader r = reader_of(v->text);
    for (uint32_t tag; (tag = pb_tag(&r)) && o->json.len <= EVENT_STRING_MAX;) {
        if (tag != PB(1, LEN)) {
            pb_skip(&r, tag);
            continue;
        }
        otlp_attribute a = {.value.kind = VALUE_NONE};
        if (v->kind == VALUE_KVLIST) {
            a = otlp_read_key_value(o, pb_bytes(&r));
            jw_key(w, span_first(a.key, EVENT_STRING_MAX));
        } else {
            a.value = otlp_read_value(o, pb_bytes(&r));
        }
        write_value(o, w, &a.value);
    }
}

static void write_value(otlp *o, json_writer *w, const otlp_value *v)
{
    char digits[24];
    switch (v->kind) {
    case VALUE_NONE: jw_null(w); break;
    case VALUE_STRING:
        o->text_invalid |= !utf8_is_valid(v->text);
        jw_string(w, span_first(v->text, EVENT_STRING_MAX));
        break;
    case VALUE_BOOL: jw_bool(w, v->b); break;
    case VALUE_INT: /* a plain number whatever its size, as the sender's own JSON would have it */
        snprintf(digits, sizeof(digits), "%lld", (long long)v->i);
        jw_raw(w, span_text(digits));
        break;
    case VALUE_DOUBLE: jw_double(w, v->f); break;
    case VALUE_BYTES: write_base64(o, w, v->text); break;
    case VALUE_ARRAY:
        jw_array(w);
        write_members(o, w, v);
        jw_array_end(w);
        break;
    case VALUE_KVLIST:
        jw_object(w);
        write_members(o, w, v);
        jw_object_end(w);
        break;
    }
}

span otlp_value_json(otlp *o, const otlp_value *v)
{
    buf_clear(&o->json);
    json_writer w = {.out = &o->json};
    write_value(o, &w, v);
    o->text_failed |= o->json.failed;
    return buf_span(&o->json);
}
