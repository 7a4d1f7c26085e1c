/*
 * query/traces.c: filters on rows become filters on the rows' traces: `a = 1` says of a trace that any. of its rows has it. Called by routes
 * whose answer is about whole traces.
 */
#include "query/traces.h"

#include "query/spec_private.h"

static const char WHERE[] = "WHERE ";

static plan_relation relation_of(const spec_filter *f)
{
    span own;
    return plan_relation_of(f->column, &own);
}

static sk_code refuse(span name, const char *why, err *e)
{
    return err_set(e, SK_BAD_INPUT, "%.*s: %s", SPAN_FMT(name), why);
}

static sk_code check(const query_spec *s, err *e)
{
    if (s->dataset.at || s->breakdown_count || s->order_count || s->having_count || s->limit ||
        s->has_start || s->has_end || s->has_range || s->granularity_s || s->compare_offset_s)
        return err_set(e, SK_BAD_INPUT,
                       "traces are chosen by filters alone, as after WHERE: leave the other "
                       "clauses out");
    if (s->filters_or)
        return err_set(e, SK_BAD_INPUT,
                       "traces are chosen by filters joined by AND: all must hold on one row of "
                       "the trace");
    for (uint32_t i = 0; i < s->filter_count; i++) {
        plan_derived derived;
        plan_relation r = relation_of(&s->filters[i]);
        if (r == RELATION_PARENT || r == RELATION_CHILD)
            return refuse(s->filters[i].column,
                          "a trace has many parents and children; choose it by fields of its "
                          "rows, of root., any. or none.",
                          e);
        if (r == RELATION_SELF && plan_derived_parse(s->filters[i].column, &derived))
            return refuse(s->filters[i].column,
                          "what the trace itself decides does not choose traces; use a field that "
                          "was sent",
                          e);
    }
    return SK_OK;
}

/* The first of any., any2., any3. that no filter uses: the rows that those speak of may be others. */
static plan_relation free_relation(const query_spec *s)
{
    uint32_t used = 0;
    for (uint32_t i = 0; i < s->filter_count; i++)
        used |= 1u << relation_of(&s->filters[i]);
    for (int r = RELATION_ANY; r <= RELATION_ANY3; r++)
        if (!(used >> r & 1))
            return (plan_relation)r;
    return RELATION_SELF;
}

static sk_code name_rows(query_spec *s, arena *mem, err *e)
{
    plan_relation r = free_relation(s);
    for (uint32_t i = 0; i < s->filter_count; i++) {
        spec_filter *f = &s->filters[i];
        if (relation_of(f) != RELATION_SELF)
            continue;
        if (r == RELATION_SELF)
            return refuse(f->column,
                          "with filters on any., any2. and any3. there is no other row left that "
                          "this could speak of",
                          e);
        f->column =
            arena_print(mem, "%.*s%.*s", SPAN_FMT(plan_relation_prefix(r)), SPAN_FMT(f->column));
        if (!f->column.at)
            return spec__no_memory(e);
    }
    return SK_OK;
}

sk_code traces_plan(span where, int64_t start_ns, int64_t end_ns, arena *mem, plan *ret, err *e)
{
    *ret = (plan){.start_ns = start_ns, .end_ns = end_ns};
    if (span_trim(where).len == 0)
        return SK_OK;
    query_spec s = {0};
    span text = arena_print(mem, "%s%.*s", WHERE, SPAN_FMT(where));
    if (!text.at)
        return spec__no_memory(e);
    sk_code code = spec_from_text(text, mem, &s, e);
    if (code != SK_OK && e && e->offset >= sizeof WHERE - 1)
        e->offset -= sizeof WHERE - 1;
    if (code == SK_OK)
        code = check(&s, e);
    if (code == SK_OK)
        code = name_rows(&s, mem, e);
    s.has_start = s.has_end =
        true; /* of the map, not of the filters, which look at rows of any time */
    s.end_s = 1;
    if (code == SK_OK)
        code = plan_make(&s, NS_PER_S, false, mem, ret, e);
    ret->start_ns = start_ns;
    ret->end_ns = end_ns;
    return code;
}
