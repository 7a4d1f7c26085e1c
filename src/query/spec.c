/*
 * query/spec.c: what holds for a spec in every form: copies, equality, completeness; and its JSON
 * as written out. Called by the readers (spec_json.c, text.c), the planner and the routes. Normal
 * form of the JSON (honeycomb.md §4.2): no empty lists, no AND, no ascending, no absent keys.
 * Never: resolves times or fills defaults (plan.c does).
 */
#include <math.h>

#include "query/spec_private.h"
#include "wire/json.h"

void *spec__list_add(arena *mem, spec_list *list, size_t item_bytes)
{
    if (list->count == list->capacity) {
        uint32_t more = list->capacity ? list->capacity * 2 : 4;
        void *grown = arena_grow(mem, list->at, list->capacity * item_bytes, more * item_bytes, 8);
        if (!grown)
            return NULL;
        list->at = grown;
        list->capacity = more;
    }
    void *item = (uint8_t *)list->at + list->count++ * item_bytes;
    memset(item, 0, item_bytes);
    return item;
}

sk_code spec__no_memory(err *e)
{
    return err_set(e, SK_NO_MEMORY, "no memory is left to read the query");
}

/* ---- completeness ---- */

sk_code spec__check_calc(const spec_calc *c, err *e)
{
    if (c->op >= CALC_OP_COUNT)
        return err_set(e, SK_BAD_INPUT, "unknown calculation number %u", (unsigned)c->op);
    const char *name = calc_op_name(c->op);
    if (c->column.at && c->column.len == 0)
        return err_set(e, SK_BAD_INPUT, "%s: its column has an empty name", name);
    calc_column takes = calc_op_column(c->op);
    if (takes == CALC_COLUMN_NEEDED && !c->column.at)
        return err_set(e, SK_BAD_INPUT, "%s needs a column: %s(duration_ms)", name, name);
    if (takes == CALC_COLUMN_NONE && c->column.at)
        return err_set(e, SK_BAD_INPUT, "%s takes no column", name);
    return SK_OK;
}

sk_code spec__check_filter(const spec_filter *f, err *e)
{
    if (f->op >= FILTER_OP_COUNT)
        return err_set(e, SK_BAD_INPUT, "unknown operator number %u", (unsigned)f->op);
    const char *name = filter_op_name(f->op);
    if (f->column.len == 0)
        return err_set(e, SK_BAD_INPUT, "a filter needs a column");
    if (f->op == FILTER_IN || f->op == FILTER_NOT_IN)
        return SK_OK;
    if (f->op == FILTER_EXISTS || f->op == FILTER_NOT_EXISTS) {
        if (f->value_count != 0)
            return err_set(e, SK_BAD_INPUT, "%s takes no value", name);
        return SK_OK;
    }
    if (f->value_count != 1)
        return err_set(e, SK_BAD_INPUT, "%s takes one value", name);
    double number;
    if (filter_op_is_order(f->op) && !value_number(f->values[0], &number))
        return err_set(e, SK_BAD_INPUT, "%s compares numbers; its value is not one", name);
    return SK_OK;
}

sk_code spec__check_having(const spec_having *h, err *e)
{
    spec_calc c = {h->op, h->column};
    sk_code code = spec__check_calc(&c, e);
    if (code)
        return code;
    if (h->op == CALC_HEATMAP)
        return err_set(e, SK_BAD_INPUT, "HAVING cannot look at a HEATMAP");
    if (h->compare > FILTER_LE)
        return err_set(e, SK_BAD_INPUT, "HAVING compares with = != > >= < or <=");
    return SK_OK;
}

/* ---- copies ---- */

static bool copy_text(arena *mem, span from, span *ret)
{
    if (!from.at) {
        *ret = (span){NULL, 0};
        return true;
    }
    if (from.len == 0) { /* empty, but there */
        *ret = SPAN("");
        return true;
    }
    return arena_copy(mem, from, ret);
}

/* A copy of `count` items; NULL for none. */
static bool copy_items(arena *mem, const void *from, uint32_t count, size_t item_bytes, void **ret)
{
    *ret = NULL;
    if (count == 0)
        return true;
    void *to = arena_alloc(mem, count * item_bytes, 8);
    if (!to)
        return false;
    memcpy(to, from, count * item_bytes);
    *ret = to;
    return true;
}

static bool copy_filter(arena *mem, const spec_filter *from, spec_filter *to)
{
    if (!copy_text(mem, from->column, &to->column))
        return false;
    void *values;
    if (!copy_items(mem, from->values, from->value_count, sizeof *from->values, &values))
        return false;
    to->values = values;
    for (uint32_t i = 0; i < from->value_count; i++)
        if (from->values[i].type == FIELD_STRING || from->values[i].type == FIELD_HISTOGRAM)
            if (!copy_text(mem, from->values[i].text, &to->values[i].text))
                return false;
    return true;
}

static bool copy_lists(const query_spec *s, arena *mem, query_spec *to)
{
    void *calcs, *filters, *breakdowns, *orders, *havings;
    if (!copy_items(mem, s->calcs, s->calc_count, sizeof *s->calcs, &calcs) ||
        !copy_items(mem, s->filters, s->filter_count, sizeof *s->filters, &filters) ||
        !copy_items(mem, s->breakdowns, s->breakdown_count, sizeof *s->breakdowns, &breakdowns) ||
        !copy_items(mem, s->orders, s->order_count, sizeof *s->orders, &orders) ||
        !copy_items(mem, s->havings, s->having_count, sizeof *s->havings, &havings))
        return false;
    to->calcs = calcs;
    to->filters = filters;
    to->breakdowns = breakdowns;
    to->orders = orders;
    to->havings = havings;
    return true;
}

sk_code spec_copy(const query_spec *s, arena *mem, query_spec *ret, err *e)
{
    query_spec to = *s;
    bool done = copy_lists(s, mem, &to) && copy_text(mem, s->dataset, &to.dataset);
    for (uint32_t i = 0; done && i < s->calc_count; i++)
        done = copy_text(mem, s->calcs[i].column, &to.calcs[i].column);
    for (uint32_t i = 0; done && i < s->filter_count; i++)
        done = copy_filter(mem, &s->filters[i], &to.filters[i]);
    for (uint32_t i = 0; done && i < s->breakdown_count; i++)
        done = copy_text(mem, s->breakdowns[i], &to.breakdowns[i]);
    for (uint32_t i = 0; done && i < s->order_count; i++)
        done = copy_text(mem, s->orders[i].column, &to.orders[i].column);
    for (uint32_t i = 0; done && i < s->having_count; i++)
        done = copy_text(mem, s->havings[i].column, &to.havings[i].column);
    if (!done)
        return spec__no_memory(e);
    *ret = to;
    return SK_OK;
}

/* ---- equality ---- */

static bool same_name(span a, span b)
{
    return (a.at == NULL) == (b.at == NULL) && span_equal(a, b);
}

static bool same_value(value a, value b)
{
    if (a.type != b.type)
        return false;
    switch (a.type) {
    case FIELD_STRING:
    case FIELD_HISTOGRAM: return span_equal(a.text, b.text);
    case FIELD_INT: return a.i == b.i;
    case FIELD_FLOAT: return memcmp(&a.f, &b.f, sizeof a.f) == 0;
    case FIELD_BOOL: return a.b == b.b;
    case FIELD_TYPE_COUNT: break;
    }
    return false;
}

static bool same_filter(const spec_filter *a, const spec_filter *b)
{
    if (!same_name(a->column, b->column) || a->op != b->op || a->value_count != b->value_count)
        return false;
    for (uint32_t i = 0; i < a->value_count; i++)
        if (!same_value(a->values[i], b->values[i]))
            return false;
    return true;
}

static bool same_lists(const query_spec *a, const query_spec *b)
{
    for (uint32_t i = 0; i < a->calc_count; i++)
        if (a->calcs[i].op != b->calcs[i].op || !same_name(a->calcs[i].column, b->calcs[i].column))
            return false;
    for (uint32_t i = 0; i < a->filter_count; i++)
        if (!same_filter(&a->filters[i], &b->filters[i]))
            return false;
    for (uint32_t i = 0; i < a->breakdown_count; i++)
        if (!same_name(a->breakdowns[i], b->breakdowns[i]))
            return false;
    for (uint32_t i = 0; i < a->order_count; i++) {
        const spec_order *x = &a->orders[i], *y = &b->orders[i];
        if (x->has_op != y->has_op || (x->has_op && x->op != y->op) ||
            !same_name(x->column, y->column) || x->descending != y->descending)
            return false;
    }
    for (uint32_t i = 0; i < a->having_count; i++) {
        const spec_having *x = &a->havings[i], *y = &b->havings[i];
        if (x->op != y->op || !same_name(x->column, y->column) || x->compare != y->compare ||
            memcmp(&x->value, &y->value, sizeof x->value) != 0)
            return false;
    }
    return true;
}

bool spec_equal(const query_spec *a, const query_spec *b)
{
    bool same_counts = a->calc_count == b->calc_count && a->filter_count == b->filter_count &&
                       a->breakdown_count == b->breakdown_count &&
                       a->order_count == b->order_count && a->having_count == b->having_count;
    bool same_times =
        a->has_start == b->has_start && a->has_end == b->has_end && a->has_range == b->has_range &&
        (!a->has_start || a->start_s == b->start_s) && (!a->has_end || a->end_s == b->end_s) &&
        (!a->has_range || a->range_s == b->range_s) && a->granularity_s == b->granularity_s &&
        a->compare_offset_s == b->compare_offset_s;
    return same_counts && same_times && a->filters_or == b->filters_or && a->limit == b->limit &&
           same_name(a->dataset, b->dataset) && same_lists(a, b);
}

/* ---- JSON ---- */

size_t spec__print_float(double v, char out[40])
{
    char digits[32];
    if (v == 0 && signbit(v)) { /* which json_print_double takes for 0 */
        memcpy(out, "-0.0", 4);
        return 4;
    }
    size_t len = json_print_double(v, digits);
    memcpy(out, digits, len);
    if (!memchr(digits, '.', len) && !memchr(digits, 'e', len) && !memchr(digits, 'E', len)) {
        out[len++] = '.';
        out[len++] = '0';
    }
    return len;
}

static void write_value(json_writer *w, value v)
{
    char digits[40];
    switch (v.type) {
    case FIELD_STRING:
    case FIELD_HISTOGRAM: jw_string(w, v.text); return;
    case FIELD_BOOL: jw_bool(w, v.b); return;
    case FIELD_INT: /* a number whatever its size: quoted it would come back as a string */
        jw_raw(w, value_text(v, digits));
        return;
    case FIELD_FLOAT: jw_raw(w, span_of(digits, spec__print_float(v.f, digits))); return;
    case FIELD_TYPE_COUNT: break;
    }
}

static void write_named_integer(json_writer *w, const char *key, int64_t v)
{
    jw_key_text(w, key);
    jw_i64(w, v);
}

static void write_op(json_writer *w, const char *key, calc_op op, span of)
{
    jw_key_text(w, key);
    jw_text(w, calc_op_name(op));
    if (of.at) {
        jw_key_text(w, "column");
        jw_string(w, of);
    }
}

static void write_filter(json_writer *w, const spec_filter *f)
{
    jw_object(w);
    jw_key_text(w, "column");
    jw_string(w, f->column);
    jw_key_text(w, "op");
    jw_text(w, filter_op_name(f->op));
    if (f->op == FILTER_IN || f->op == FILTER_NOT_IN) {
        jw_key_text(w, "value");
        jw_array(w);
        for (uint32_t i = 0; i < f->value_count; i++)
            write_value(w, f->values[i]);
        jw_array_end(w);
    } else if (f->value_count) {
        jw_key_text(w, "value");
        write_value(w, f->values[0]);
    }
    jw_object_end(w);
}

static void write_asked(json_writer *w, const query_spec *s)
{
    if (s->calc_count) {
        jw_key_text(w, "calculations");
        jw_array(w);
        for (uint32_t i = 0; i < s->calc_count; i++) {
            jw_object(w);
            write_op(w, "op", s->calcs[i].op, s->calcs[i].column);
            jw_object_end(w);
        }
        jw_array_end(w);
    }
    if (s->filter_count) {
        jw_key_text(w, "filters");
        jw_array(w);
        for (uint32_t i = 0; i < s->filter_count; i++)
            write_filter(w, &s->filters[i]);
        jw_array_end(w);
    }
    if (s->filters_or && s->filter_count > 1) {
        jw_key_text(w, "filter_combination");
        jw_text(w, "OR");
    }
    if (s->breakdown_count) {
        jw_key_text(w, "breakdowns");
        jw_array(w);
        for (uint32_t i = 0; i < s->breakdown_count; i++)
            jw_string(w, s->breakdowns[i]);
        jw_array_end(w);
    }
}

static void write_order(json_writer *w, const spec_order *o)
{
    jw_object(w);
    if (o->has_op) {
        write_op(w, "op", o->op, o->column);
    } else {
        jw_key_text(w, "column");
        jw_string(w, o->column);
    }
    if (o->descending) {
        jw_key_text(w, "order");
        jw_text(w, "descending");
    }
    jw_object_end(w);
}

static void write_shown(json_writer *w, const query_spec *s)
{
    if (s->order_count) {
        jw_key_text(w, "orders");
        jw_array(w);
        for (uint32_t i = 0; i < s->order_count; i++)
            write_order(w, &s->orders[i]);
        jw_array_end(w);
    }
    if (s->having_count) {
        jw_key_text(w, "havings");
        jw_array(w);
        for (uint32_t i = 0; i < s->having_count; i++) {
            const spec_having *h = &s->havings[i];
            jw_object(w);
            write_op(w, "calculate_op", h->op, h->column);
            jw_key_text(w, "op");
            jw_text(w, filter_op_name(h->compare));
            jw_key_text(w, "value");
            jw_double(w, h->value);
            jw_object_end(w);
        }
        jw_array_end(w);
    }
    if (s->limit)
        write_named_integer(w, "limit", s->limit);
}

void spec_to_json(const query_spec *s, buf *out)
{
    json_writer w = {.out = out};
    jw_object(&w);
    write_asked(&w, s);
    write_shown(&w, s);
    if (s->has_start)
        write_named_integer(&w, "start_time", s->start_s);
    if (s->has_end)
        write_named_integer(&w, "end_time", s->end_s);
    if (s->has_range)
        write_named_integer(&w, "time_range", s->range_s);
    if (s->granularity_s)
        write_named_integer(&w, "granularity", s->granularity_s);
    if (s->compare_offset_s)
        write_named_integer(&w, "compare_time_offset_seconds", s->compare_offset_s);
    jw_object_end(&w);
}
