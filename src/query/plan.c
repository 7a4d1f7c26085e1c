/*
 * query/plan.c: a spec becomes a plan: rules checked, times resolved, defaults filled, field names
 * collected. Called by whoever asks an engine something. Rules: honeycomb.md §4.2–§4.4; time is in
 * plan_time.c. Never: reads data or a clock; keeps a pointer into the spec it was given.
 */
#include <stdio.h>

#include "event/fields.h"
#include "query/plan_private.h"

/* ---- calculations ---- */

static sk_code result_key(planner *pl, const spec_calc *c, span *ret)
{
    const char *name = calc_op_name(c->op);
    if (!c->column.at) {
        *ret = span_text(name);
        return SK_OK;
    }
    size_t name_len = strlen(name), len = name_len + c->column.len + 2;
    uint8_t *at = arena_alloc(pl->mem, len, 1);
    if (!at)
        return spec__no_memory(pl->e);
    memcpy(at, name, name_len);
    at[name_len] = '(';
    memcpy(at + name_len + 1, c->column.at, c->column.len);
    at[len - 1] = ')';
    *ret = span_of(at, len);
    return SK_OK;
}

/* UINT32_MAX when the plan does not have that calculation. */
static uint32_t find_calc(const plan *p, calc_op op, span of)
{
    char scratch[32];
    int len = snprintf(scratch, sizeof scratch, "%s(", calc_op_name(op));
    for (uint32_t i = 0; i < p->calc_count; i++) {
        span key = p->calcs[i].result_key;
        if (p->calcs[i].op != op)
            continue;
        if (!of.at && span_is(key, calc_op_name(op)))
            return i;
        if (of.at && key.len == (size_t)len + of.len + 1 &&
            memcmp(key.at + len, of.at, of.len) == 0)
            return i;
    }
    return UINT32_MAX;
}

static sk_code plan_calcs(planner *pl)
{
    const query_spec *s = &pl->p->spec;
    static const spec_calc count_only = {.op = CALC_COUNT};
    const spec_calc *asked = s->calc_count ? s->calcs : &count_only;
    uint32_t asked_count = s->calc_count ? s->calc_count : 1;
    pl->p->calcs = ARENA_ARRAY(pl->mem, plan_calc, asked_count);
    if (!pl->p->calcs)
        return spec__no_memory(pl->e);
    for (uint32_t i = 0; i < asked_count; i++) {
        sk_code code = spec__check_calc(&asked[i], pl->e);
        if (code)
            return code;
        if (find_calc(pl->p, asked[i].op, asked[i].column) != UINT32_MAX)
            continue; /* asked twice: answers are keyed by name, so once is the same */
        plan_calc *c = &pl->p->calcs[pl->p->calc_count];
        *c = (plan_calc){.op = asked[i].op, .field = UINT32_MAX};
        code = result_key(pl, &asked[i], &c->result_key);
        span of = asked[i].op == CALC_CONCURRENCY ? SPAN(F_DURATION_MS) : asked[i].column;
        if (!code && of.at)
            code = plan__field(pl, of, USE_CALCULATION, &c->field);
        if (code)
            return code;
        pl->p->calc_count++;
    }
    return SK_OK;
}

/* ---- filters ---- */

static sk_code fill_filter(planner *pl, const spec_filter *asked, plan_filter *f)
{
    span *texts = ARENA_ARRAY(pl->mem, span, asked->value_count);
    if (!texts && asked->value_count)
        return spec__no_memory(pl->e);
    for (uint32_t i = 0; i < asked->value_count; i++) {
        char scratch[VALUE_TEXT_MAX];
        span text = value_text(asked->values[i], scratch);
        texts[i] = SPAN("");
        if (text.len && !arena_copy(pl->mem, text, &texts[i]))
            return spec__no_memory(pl->e);
    }
    f->op = asked->op;
    f->is_negative = filter_op_is_negative(asked->op);
    f->texts = texts;
    f->value_count = asked->value_count;
    if (filter_op_is_order(asked->op))
        f->has_number = value_number(asked->values[0], &f->number);
    return SK_OK;
}

static sk_code plan_filters(planner *pl)
{
    const query_spec *s = &pl->p->spec;
    pl->p->filters_or = s->filters_or && s->filter_count > 1;
    pl->p->filters = ARENA_ARRAY(pl->mem, plan_filter, s->filter_count);
    pl->p->related = ARENA_ARRAY(pl->mem, plan_filter, s->filter_count);
    if ((!pl->p->filters || !pl->p->related) && s->filter_count)
        return spec__no_memory(pl->e);
    for (uint32_t i = 0; i < s->filter_count; i++) {
        plan_filter f = {0};
        sk_code code = spec__check_filter(&s->filters[i], pl->e);
        if (!code)
            code = plan__field(pl, s->filters[i].column, USE_FILTER, &f.field);
        if (!code)
            code = fill_filter(pl, &s->filters[i], &f);
        if (code)
            return code;
        const plan_field *of = (const plan_field *)pl->fields.at + f.field;
        if (of->relation == RELATION_SELF)
            pl->p->filters[pl->p->filter_count++] = f;
        else
            pl->p->related[pl->p->related_count++] = f;
    }
    return SK_OK;
}

static bool in_order(const plan_filter *f, value v)
{
    double number;
    if (!f->has_number || !value_number(v, &number))
        return false;
    if (f->op == FILTER_GT)
        return number > f->number;
    if (f->op == FILTER_GE)
        return number >= f->number;
    if (f->op == FILTER_LT)
        return number < f->number;
    return number <= f->number;
}

bool plan_filter_matches(const plan_filter *f, value v)
{
    if (!v.is_set)
        return f->is_negative;
    if (f->op == FILTER_EXISTS || f->op == FILTER_NOT_EXISTS)
        return f->op == FILTER_EXISTS;
    if (filter_op_is_order(f->op))
        return in_order(f, v);
    char scratch[VALUE_TEXT_MAX];
    span text = value_text(v, scratch);
    bool found = false;
    for (uint32_t i = 0; i < f->value_count && !found; i++) {
        if (f->op == FILTER_STARTS_WITH || f->op == FILTER_NOT_STARTS_WITH)
            found = span_starts_with(text, f->texts[i]);
        else if (f->op == FILTER_ENDS_WITH || f->op == FILTER_NOT_ENDS_WITH)
            found = span_ends_with(text, f->texts[i]);
        else if (f->op == FILTER_CONTAINS || f->op == FILTER_NOT_CONTAINS)
            found = span_contains(text, f->texts[i]);
        else
            found = span_equal(text, f->texts[i]);
    }
    return found != f->is_negative;
}

/* ---- breakdowns, orders, havings ---- */

static uint32_t find_breakdown(const plan *p, span name)
{
    for (uint32_t i = 0; i < p->breakdown_count; i++)
        if (span_equal(p->fields[p->breakdowns[i]].name, name))
            return i;
    return UINT32_MAX;
}

static sk_code plan_breakdowns(planner *pl)
{
    plan *p = pl->p;
    p->breakdowns = ARENA_ARRAY(pl->mem, uint32_t, p->spec.breakdown_count);
    if (!p->breakdowns && p->spec.breakdown_count)
        return spec__no_memory(pl->e);
    for (uint32_t i = 0; i < p->spec.breakdown_count; i++) {
        span name = p->spec.breakdowns[i];
        sk_code code = plan__field(pl, name, USE_BREAKDOWN, &p->breakdowns[p->breakdown_count]);
        if (code)
            return code;
        for (uint32_t c = 0; c < p->calc_count; c++)
            if (span_equal(p->calcs[c].result_key, name))
                return err_set(pl->e, SK_BAD_INPUT,
                               "GROUP BY \"%.*s\" has the name of a calculation of this query: the "
                               "answer could not tell them apart",
                               SPAN_FMT(name));
        p->fields = pl->fields.at;
        if (find_breakdown(p, name) == UINT32_MAX)
            p->breakdown_count++;
    }
    return SK_OK;
}

static sk_code plan_orders(planner *pl)
{
    plan *p = pl->p;
    p->orders = ARENA_ARRAY(pl->mem, plan_order, p->spec.order_count);
    if (!p->orders && p->spec.order_count)
        return spec__no_memory(pl->e);
    for (uint32_t i = 0; i < p->spec.order_count; i++) {
        const spec_order *asked = &p->spec.orders[i];
        plan_order *o = &p->orders[p->order_count++];
        *o = (plan_order){.is_calc = asked->has_op, .descending = asked->descending};
        if (asked->has_op && asked->op < CALC_OP_COUNT) {
            o->index = find_calc(p, asked->op, asked->column);
            if (o->index == UINT32_MAX)
                return err_set(pl->e, SK_BAD_INPUT,
                               "the order by %s%s%.*s%s is not among the calculations of this "
                               "query: add it to them",
                               calc_op_name(asked->op), asked->column.at ? "(" : "",
                               SPAN_FMT(asked->column), asked->column.at ? ")" : "");
        } else {
            o->index = find_breakdown(p, asked->column);
            if (o->index == UINT32_MAX)
                return err_set(pl->e, SK_BAD_INPUT,
                               "the order by %.*s is neither a calculation nor a GROUP BY field of "
                               "this query",
                               SPAN_FMT(asked->column));
        }
    }
    return SK_OK;
}

static sk_code plan_havings(planner *pl)
{
    plan *p = pl->p;
    p->havings = ARENA_ARRAY(pl->mem, plan_having, p->spec.having_count);
    if (!p->havings && p->spec.having_count)
        return spec__no_memory(pl->e);
    for (uint32_t i = 0; i < p->spec.having_count; i++) {
        const spec_having *asked = &p->spec.havings[i];
        sk_code code = spec__check_having(asked, pl->e);
        if (code)
            return code;
        uint32_t calc = find_calc(p, asked->op, asked->column);
        if (calc == UINT32_MAX)
            return err_set(pl->e, SK_BAD_INPUT,
                           "HAVING %s%s%.*s%s is not among the calculations of this query: add it "
                           "to them",
                           calc_op_name(asked->op), asked->column.at ? "(" : "",
                           SPAN_FMT(asked->column), asked->column.at ? ")" : "");
        p->havings[p->having_count++] = (plan_having){calc, asked->compare, asked->value};
    }
    return SK_OK;
}

static sk_code plan_limit(planner *pl)
{
    uint32_t asked = pl->p->spec.limit;
    uint32_t max = pl->p->wants_series ? PLAN_LIMIT_SERIES_MAX : PLAN_LIMIT_MAX;
    if (asked > max)
        return err_set(pl->e, SK_BAD_INPUT, "limit %u is above %u%s", asked, max,
                       pl->p->wants_series ? ", the most for a query with a series; without one "
                                             "10000 are allowed"
                                           : "");
    pl->p->limit = asked ? asked : PLAN_LIMIT_DEFAULT;
    return SK_OK;
}

static sk_code check_counts(const query_spec *s, err *e)
{
    if (s->calc_count > SPEC_LIST_MAX || s->filter_count > SPEC_LIST_MAX ||
        s->breakdown_count > SPEC_LIST_MAX || s->order_count > SPEC_LIST_MAX ||
        s->having_count > SPEC_LIST_MAX)
        return err_set(e, SK_BAD_INPUT,
                       "a query may have at most %u calculations, filters, breakdowns, orders and "
                       "havings each",
                       SPEC_LIST_MAX);
    return SK_OK;
}

sk_code plan_make(const query_spec *s, int64_t now_ns, bool wants_series, arena *mem, plan *ret,
                  err *e)
{
    plan p = {.wants_series = wants_series};
    planner pl = {.mem = mem, .e = e, .p = &p};
    sk_code code = check_counts(s, e);
    if (!code)
        code = spec_copy(s, mem, &p.spec, e);
    if (code)
        return code;
    p.dataset = p.spec.dataset;
    if (!code)
        code = plan__time(&p, now_ns, e);
    if (!code)
        code = plan_calcs(&pl);
    if (!code)
        code = plan_filters(&pl);
    if (!code)
        code = plan_breakdowns(&pl);
    if (!code)
        code = plan__check_relations(&pl);
    if (!code)
        code = plan_orders(&pl);
    if (!code)
        code = plan_havings(&pl);
    if (!code)
        code = plan_limit(&pl);
    if (code)
        return code;
    p.fields = pl.fields.at;
    p.field_count = pl.fields.count;
    *ret = p;
    return SK_OK;
}
