/*
 * query/spec_json.c: reads a query spec from Honeycomb's JSON (honeycomb.md §4.2). Called by the
 * query routes and by saved queries. One table of keys per kind of object; a key that is not in its
 * table is refused by name, a key of something that skep cannot do yet with a sentence that says
 * so. null is the same as absent. Never: keeps a pointer into the JSON text after return; resolves
 * times or fills defaults.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "query/spec_private.h"
#include "query/suggest.h"
#include "wire/json.h"

typedef struct spec_reader {
    json j;
    arena *mem;
    err *e;
    const char *key; /* of the value being read, for errors */
    size_t offset;   /* where the current token begins */
    query_spec *s;
    spec_list calcs, filters, breakdowns, orders, havings;
} spec_reader;

typedef struct spec_key {
    const char *name;
    sk_code (*read)(spec_reader *r,
                    void *into); /* at the value's first token; leaves at its last */
} spec_key;

/* A filter while its keys come in any order. */
typedef struct filter_draft {
    spec_filter f;
    bool has_op, is_list;
    size_t value_offset;
} filter_draft;

/* ---- tokens and errors ---- */

static json_kind next(spec_reader *r)
{
    const uint8_t *p = r->j.at;
    while (p < r->j.end && memchr(" \t\r\n,:", *p, 6))
        p++;
    r->offset = (size_t)(p - r->j.start);
    return json_next(&r->j);
}

static sk_code refuse_at(spec_reader *r, size_t offset, const char *format, ...) format_like(3, 4);
static sk_code refuse_at(spec_reader *r, size_t offset, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    sk_code code = r->key ? err_set(r->e, SK_BAD_INPUT, "%s: %s", r->key, text)
                          : err_set(r->e, SK_BAD_INPUT, "%s", text);
    if (r->e)
        r->e->offset = offset;
    return code;
}

/* A token that is not `wanted`: the JSON's own error when it has one. */
static sk_code refuse_kind(spec_reader *r, const char *wanted)
{
    if (r->j.failed)
        return json_error(&r->j, r->e);
    return refuse_at(r, r->offset, "must be %s", wanted);
}

static const char *key_name(size_t index, const void *ctx)
{
    const spec_key *keys = ctx;
    return keys[index].name;
}

static sk_code refuse_key(spec_reader *r, span name, const spec_key *keys)
{
    const char *near = suggest_nearest(name, key_name, keys);
    if (near)
        return refuse_at(r, r->offset, "unknown key \"%.*s\"; did you mean \"%s\"?", SPAN_FMT(name),
                         near);
    return refuse_at(r, r->offset, "unknown key \"%.*s\"", SPAN_FMT(name));
}

/* ---- structure ---- */

/* The members of an object whose opening token is current, each by its row in `keys` (ended by a
 * NULL name). */
static sk_code read_object(spec_reader *r, const spec_key *keys, void *into)
{
    if (r->j.kind != JSON_OBJECT)
        return refuse_kind(r, "an object");
    const char *outer = r->key;
    uint32_t seen = 0;
    while (r->key = NULL, next(r) == JSON_KEY) {
        unsigned k = 0;
        while (keys[k].name && !span_is(r->j.text, keys[k].name))
            k++;
        if (!keys[k].name)
            return refuse_key(r, r->j.text, keys);
        r->key = keys[k].name;
        if (seen & 1u << k)
            return refuse_at(r, r->offset, "given twice");
        seen |= 1u << k;
        if (next(r) == JSON_NULL)
            continue;
        sk_code code = keys[k].read(r, into);
        if (code)
            return code;
    }
    if (r->j.kind != JSON_OBJECT_END)
        return refuse_kind(r, "an object");
    r->key = outer;
    return SK_OK;
}

static sk_code read_array(spec_reader *r, sk_code (*item)(spec_reader *r))
{
    const char *key = r->key;
    if (r->j.kind != JSON_ARRAY)
        return refuse_kind(r, "an array");
    for (uint32_t i = 0; next(r) != JSON_ARRAY_END; i++) {
        if (r->j.failed)
            return json_error(&r->j, r->e);
        if (i == SPEC_LIST_MAX)
            return refuse_at(r, r->offset, "at most %u are allowed", SPEC_LIST_MAX);
        r->key = NULL;
        sk_code code = item(r);
        if (code) {
            if (r->e)
                err_prefix(r->e, "%s[%u]", key, i);
            return code;
        }
        r->key = key;
    }
    return SK_OK;
}

/* ---- scalars ---- */

static sk_code read_text(spec_reader *r, span *ret)
{
    if (r->j.kind != JSON_STRING)
        return refuse_kind(r, "a string");
    if (!arena_copy(r->mem, r->j.text, ret))
        return spec__no_memory(r->e);
    return SK_OK;
}

static sk_code read_name(spec_reader *r, span *ret)
{
    if (r->j.kind == JSON_STRING && r->j.text.len == 0)
        return refuse_at(r, r->offset, "must not be empty");
    return read_text(r, ret);
}

static sk_code read_integer(spec_reader *r, int64_t min, int64_t max, int64_t *ret)
{
    int64_t v;
    if (r->j.kind != JSON_NUMBER || !json_i64(&r->j, &v) || v < min || v > max) {
        if (r->j.failed)
            return json_error(&r->j, r->e);
        return refuse_at(r, r->offset, "must be a whole number from %lld to %lld", (long long)min,
                         (long long)max);
    }
    *ret = v;
    return SK_OK;
}

/* Unix seconds, as Honeycomb's clients send, or RFC 3339 as all of our API takes. */
static sk_code read_instant(spec_reader *r, int64_t *ret_s)
{
    int64_t ns;
    if (r->j.kind != JSON_STRING)
        return read_integer(r, 0, SPEC_TIME_MAX_S, ret_s);
    if (!clock_parse_rfc3339(r->j.text, &ns) || ns < 0 || ns % NS_PER_S != 0)
        return refuse_at(r, r->offset,
                         "must be unix seconds or a time in whole seconds such as "
                         "\"2026-08-21T14:05:00Z\"");
    *ret_s = ns / NS_PER_S;
    return SK_OK;
}

static const char *calc_name_at(size_t index, const void *ctx)
{
    return index < CALC_OP_COUNT ? calc_op_name((calc_op)index) : NULL;
}

static const char *filter_name_at(size_t index, const void *ctx)
{
    return index < FILTER_OP_COUNT ? filter_op_name((filter_op)index) : NULL;
}

static sk_code read_calc_op(spec_reader *r, calc_op *ret)
{
    if (r->j.kind != JSON_STRING)
        return refuse_kind(r, "the name of a calculation");
    if (calc_op_parse(r->j.text, ret))
        return SK_OK;
    const char *later = spec__later_calc(r->j.text);
    if (later)
        return refuse_at(r, r->offset, "the calculation %.*s is not yet supported%s",
                         SPAN_FMT(r->j.text), later);
    const char *near = suggest_nearest(r->j.text, calc_name_at, NULL);
    return refuse_at(r, r->offset, "\"%.*s\" is no calculation%s%s%s", SPAN_FMT(r->j.text),
                     near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static sk_code read_filter_op(spec_reader *r, filter_op *ret)
{
    if (r->j.kind != JSON_STRING)
        return refuse_kind(r, "the name of an operator");
    if (filter_op_parse(r->j.text, ret))
        return SK_OK;
    const char *later = spec__later_filter(r->j.text);
    if (later)
        return refuse_at(r, r->offset, "the operator %.*s is not yet supported%s",
                         SPAN_FMT(r->j.text), later);
    const char *near = suggest_nearest(r->j.text, filter_name_at, NULL);
    return refuse_at(r, r->offset, "\"%.*s\" is no operator%s%s%s", SPAN_FMT(r->j.text),
                     near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static sk_code read_value(spec_reader *r, value *ret)
{
    value v = {.is_set = true};
    if (r->j.kind == JSON_STRING) {
        v.type = FIELD_STRING;
        sk_code code = read_text(r, &v.text);
        if (code)
            return code;
    } else if (r->j.kind == JSON_TRUE || r->j.kind == JSON_FALSE) {
        v.type = FIELD_BOOL;
        v.b = r->j.kind == JSON_TRUE;
    } else if (r->j.kind == JSON_NUMBER && r->j.is_integer && json_i64(&r->j, &v.i)) {
        v.type = FIELD_INT;
    } else if (r->j.kind == JSON_NUMBER && span_to_double(r->j.text, &v.f)) {
        v.type = FIELD_FLOAT;
    } else {
        return refuse_kind(r, "a string, a number that fits 64 bits, true or false");
    }
    *ret = v;
    return SK_OK;
}

static sk_code refuse_later(spec_reader *r, void *into)
{
    if (r->j.kind == JSON_ARRAY) { /* empty lists ask for nothing */
        json_kind kind = next(r);
        if (kind == JSON_ARRAY_END)
            return SK_OK;
        if (r->j.failed)
            return json_error(&r->j, r->e);
    }
    return refuse_at(r, r->offset, "not yet supported by skep; leave it out");
}

/* ---- calculations ---- */

static sk_code calc_op_of(spec_reader *r, void *into)
{
    return read_calc_op(r, &((spec_calc *)into)->op);
}

static sk_code calc_column_of(spec_reader *r, void *into)
{
    return read_name(r, &((spec_calc *)into)->column);
}

static const spec_key calc_keys[] = {
    {"op", calc_op_of},        {"column", calc_column_of},           {"name", refuse_later},
    {"filters", refuse_later}, {"filter_combination", refuse_later}, {NULL, NULL}};

static sk_code read_calc(spec_reader *r)
{
    spec_calc *c = spec__list_add(r->mem, &r->calcs, sizeof *c);
    if (!c)
        return spec__no_memory(r->e);
    size_t start = r->offset;
    c->op = CALC_OP_COUNT;
    sk_code code = read_object(r, calc_keys, c);
    if (code)
        return code;
    if (c->op == CALC_OP_COUNT)
        return refuse_at(r, start, "needs \"op\"");
    code = spec__check_calc(c, r->e);
    if (code && r->e)
        r->e->offset = start;
    return code;
}

/* ---- filters ---- */

static sk_code filter_column_of(spec_reader *r, void *into)
{
    return read_name(r, &((filter_draft *)into)->f.column);
}

static sk_code filter_op_of(spec_reader *r, void *into)
{
    filter_draft *d = into;
    d->has_op = true;
    return read_filter_op(r, &d->f.op);
}

static sk_code filter_value_of(spec_reader *r, void *into)
{
    filter_draft *d = into;
    spec_list values = {0};
    d->value_offset = r->offset;
    d->is_list = r->j.kind == JSON_ARRAY;
    while (!d->is_list || next(r) != JSON_ARRAY_END) {
        value *v = spec__list_add(r->mem, &values, sizeof *v);
        if (!v)
            return spec__no_memory(r->e);
        sk_code code = read_value(r, v);
        if (code)
            return code;
        if (!d->is_list)
            break;
    }
    d->f.values = values.at;
    d->f.value_count = values.count;
    return SK_OK;
}

static const spec_key filter_keys[] = {{"column", filter_column_of},
                                       {"op", filter_op_of},
                                       {"value", filter_value_of},
                                       {"join_column", refuse_later},
                                       {NULL, NULL}};

static sk_code read_filter(spec_reader *r)
{
    filter_draft d = {.value_offset = r->offset};
    size_t start = r->offset;
    sk_code code = read_object(r, filter_keys, &d);
    if (code)
        return code;
    if (!d.f.column.at || !d.has_op)
        return refuse_at(r, start, "needs \"column\" and \"op\"");
    bool wants_list = d.f.op == FILTER_IN || d.f.op == FILTER_NOT_IN;
    if (wants_list != d.is_list)
        return refuse_at(r, d.value_offset, "%s takes %s", filter_op_name(d.f.op),
                         wants_list ? "an array of values" : "no array");
    code = spec__check_filter(&d.f, r->e);
    if (code) {
        if (r->e)
            r->e->offset = d.value_offset;
        return code;
    }
    spec_filter *f = spec__list_add(r->mem, &r->filters, sizeof *f);
    if (!f)
        return spec__no_memory(r->e);
    *f = d.f;
    return SK_OK;
}

/* ---- breakdowns, orders, havings ---- */

static sk_code read_breakdown(spec_reader *r)
{
    span *name = spec__list_add(r->mem, &r->breakdowns, sizeof *name);
    return name ? read_name(r, name) : spec__no_memory(r->e);
}

static sk_code order_op_of(spec_reader *r, void *into)
{
    spec_order *o = into;
    o->has_op = true;
    return read_calc_op(r, &o->op);
}

static sk_code order_column_of(spec_reader *r, void *into)
{
    return read_name(r, &((spec_order *)into)->column);
}

static sk_code order_direction_of(spec_reader *r, void *into)
{
    spec_order *o = into;
    o->descending = r->j.kind == JSON_STRING && span_is(r->j.text, "descending");
    if (r->j.kind != JSON_STRING || (!o->descending && !span_is(r->j.text, "ascending")))
        return refuse_kind(r, "\"ascending\" or \"descending\"");
    return SK_OK;
}

static const spec_key order_keys[] = {
    {"op", order_op_of}, {"column", order_column_of}, {"order", order_direction_of}, {NULL, NULL}};

static sk_code read_order(spec_reader *r)
{
    spec_order *o = spec__list_add(r->mem, &r->orders, sizeof *o);
    if (!o)
        return spec__no_memory(r->e);
    size_t start = r->offset;
    sk_code code = read_object(r, order_keys, o);
    if (!code && !o->has_op && !o->column.at)
        return refuse_at(r, start, "needs \"op\" or \"column\"");
    return code;
}

static sk_code having_op_of(spec_reader *r, void *into)
{
    return read_calc_op(r, &((spec_having *)into)->op);
}

static sk_code having_column_of(spec_reader *r, void *into)
{
    return read_name(r, &((spec_having *)into)->column);
}

static sk_code having_compare_of(spec_reader *r, void *into)
{
    return read_filter_op(r, &((spec_having *)into)->compare);
}

static sk_code having_value_of(spec_reader *r, void *into)
{
    if (r->j.kind != JSON_NUMBER || !span_to_double(r->j.text, &((spec_having *)into)->value))
        return refuse_kind(r, "a number");
    ((spec_having *)into)->value += 0.0; /* -0 is 0 */
    return SK_OK;
}

static const spec_key having_keys[] = {{"calculate_op", having_op_of},
                                       {"column", having_column_of},
                                       {"op", having_compare_of},
                                       {"value", having_value_of},
                                       {NULL, NULL}};

static sk_code read_having(spec_reader *r)
{
    spec_having *h = spec__list_add(r->mem, &r->havings, sizeof *h);
    if (!h)
        return spec__no_memory(r->e);
    size_t start = r->offset;
    *h = (spec_having){.op = CALC_OP_COUNT, .compare = FILTER_OP_COUNT, .value = NAN};
    sk_code code = read_object(r, having_keys, h);
    if (code)
        return code;
    if (h->op == CALC_OP_COUNT || h->compare == FILTER_OP_COUNT || isnan(h->value))
        return refuse_at(r, start, "needs \"calculate_op\", \"op\" and \"value\"");
    code = spec__check_having(h, r->e);
    if (code && r->e)
        r->e->offset = start;
    return code;
}

/* ---- the whole ---- */

static sk_code calculations_of(spec_reader *r, void *into)
{
    return read_array(r, read_calc);
}

static sk_code filters_of(spec_reader *r, void *into)
{
    return read_array(r, read_filter);
}

static sk_code combination_of(spec_reader *r, void *into)
{
    r->s->filters_or = r->j.kind == JSON_STRING && span_is(r->j.text, "OR");
    if (r->j.kind != JSON_STRING || (!r->s->filters_or && !span_is(r->j.text, "AND")))
        return refuse_kind(r, "\"AND\" or \"OR\"");
    return SK_OK;
}

static sk_code breakdowns_of(spec_reader *r, void *into)
{
    return read_array(r, read_breakdown);
}

static sk_code orders_of(spec_reader *r, void *into)
{
    return read_array(r, read_order);
}

static sk_code havings_of(spec_reader *r, void *into)
{
    return read_array(r, read_having);
}

static sk_code limit_of(spec_reader *r, void *into)
{
    int64_t limit = 0;
    sk_code code = read_integer(r, 1, UINT32_MAX, &limit);
    r->s->limit = (uint32_t)limit;
    return code;
}

static sk_code start_of(spec_reader *r, void *into)
{
    r->s->has_start = true;
    return read_instant(r, &r->s->start_s);
}

static sk_code end_of(spec_reader *r, void *into)
{
    r->s->has_end = true;
    return read_instant(r, &r->s->end_s);
}

static sk_code range_of(spec_reader *r, void *into)
{
    r->s->has_range = true;
    return read_integer(r, 1, SPEC_TIME_MAX_S, &r->s->range_s);
}

static sk_code granularity_of(spec_reader *r, void *into)
{
    return read_integer(r, 0, SPEC_TIME_MAX_S, &r->s->granularity_s);
}

static sk_code compare_of(spec_reader *r, void *into)
{
    return read_integer(r, 0, SPEC_TIME_MAX_S, &r->s->compare_offset_s);
}

static const spec_key spec_keys[] = {{"calculations", calculations_of},
                                     {"filters", filters_of},
                                     {"filter_combination", combination_of},
                                     {"breakdowns", breakdowns_of},
                                     {"orders", orders_of},
                                     {"havings", havings_of},
                                     {"limit", limit_of},
                                     {"start_time", start_of},
                                     {"end_time", end_of},
                                     {"time_range", range_of},
                                     {"granularity", granularity_of},
                                     {"compare_time_offset_seconds", compare_of},
                                     {"calculated_fields", refuse_later},
                                     {"formulas", refuse_later},
                                     {"trace_joins", refuse_later},
                                     {NULL, NULL}};

sk_code spec_from_json(span json_text, arena *mem, query_spec *ret, err *e)
{
    query_spec s = {0};
    spec_reader r = {.j = json_of(json_text, mem), .mem = mem, .e = e, .s = &s};
    if (next(&r) != JSON_OBJECT)
        return r.j.failed ? json_error(&r.j, e)
                          : refuse_at(&r, r.offset, "a query must be a JSON object");
    sk_code code = read_object(&r, spec_keys, NULL);
    if (code)
        return code;
    if (next(&r) != JSON_END || r.j.failed)
        return json_error(&r.j, e);
    s.calcs = r.calcs.at;
    s.calc_count = r.calcs.count;
    s.filters = r.filters.at;
    s.filter_count = r.filters.count;
    s.filters_or = s.filters_or && s.filter_count > 1;
    s.breakdowns = r.breakdowns.at;
    s.breakdown_count = r.breakdowns.count;
    s.orders = r.orders.at;
    s.order_count = r.orders.count;
    s.havings = r.havings.at;
    s.having_count = r.havings.count;
    *ret = s;
    return SK_OK;
}
