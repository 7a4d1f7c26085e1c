/*
 * query/plan_fields.c: names of fields: which row of the trace a prefix means, which fields are derived, which names of a
 * semantic convention are tried. Called by plan.c for every name of a spec.
 */
#include "event/fields.h"
#include "query/plan_private.h"

static const span prefixes[RELATION_COUNT] = {[RELATION_ROOT] = {(const uint8_t *)"root.", 5},
                                              [RELATION_PARENT] = {(const uint8_t *)"parent.", 7},
                                              [RELATION_CHILD] = {(const uint8_t *)"child.", 6},
                                              [RELATION_ANY] = {(const uint8_t *)"any.", 4},
                                              [RELATION_ANY2] = {(const uint8_t *)"any2.", 5},
                                              [RELATION_ANY3] = {(const uint8_t *)"any3.", 5},
                                              [RELATION_NONE] = {(const uint8_t *)"none.", 5}};

static const char *const derived_names[DERIVED_COUNT] = {[DERIVED_SELF_MS] = F_SELF_MS,
                                                         [DERIVED_GAP_MS] = F_GAP_MS,
                                                         [DERIVED_DEPTH] = F_DEPTH,
                                                         [DERIVED_ROOT_NAME] = F_ROOT_NAME};

const char *plan_derived_name(plan_derived d)
{
    return derived_names[d] ? derived_names[d] : "";
}

bool plan_derived_parse(span name, plan_derived *ret)
{
    for (int d = DERIVED_NOT + 1; d < DERIVED_COUNT; d++)
        if (span_is(name, derived_names[d])) {
            *ret = (plan_derived)d;
            return true;
        }
    return false;
}

span plan_relation_prefix(plan_relation r)
{
    return prefixes[r];
}

plan_relation plan_relation_of(span name, span *ret_own)
{
    *ret_own = name;
    for (int r = RELATION_SELF + 1; r < RELATION_COUNT; r++)
        if (span_starts_with(name, prefixes[r])) {
            *ret_own = span_from(name, prefixes[r].len);
            return (plan_relation)r;
        }
    return RELATION_SELF;
}

static sk_code refuse(planner *pl, span name, const char *why)
{
    return err_set(pl->e, SK_BAD_INPUT, "%.*s: %s", SPAN_FMT(name), why);
}

static sk_code check_use(planner *pl, const plan_field *f, span own, field_use use)
{
    plan_derived derived;
    if (f->relation == RELATION_SELF)
        return SK_OK;
    if (own.len == 0)
        return refuse(pl, f->name, "a field's name must follow the prefix");
    if (plan_derived_parse(own, &derived))
        return refuse(pl, f->name,
                      "derived fields (meta.self_ms, meta.gap_ms, meta.depth, meta.root_name) are "
                      "those of the row itself; leave the prefix out");
    if (f->relation == RELATION_NONE && use != USE_FILTER)
        return refuse(pl, f->name,
                      "none. is for WHERE only: it speaks of spans that are not there");
    if (f->relation >= RELATION_CHILD && use == USE_CALCULATION)
        return refuse(pl, f->name,
                      "calculations may look at the row itself, at root. and at parent.: there may "
                      "be many children or other spans, and only some would count");
    if (f->relation >= RELATION_ANY && use == USE_BREAKDOWN)
        return refuse(
            pl, f->name,
            "GROUP BY takes root., parent. and child.; a trace may have many other spans, "
            "so which one gives the value is not said");
    return SK_OK;
}

static sk_code fill_candidates(planner *pl, plan_field *f, span own)
{
    const char *const *names = NULL;
    span prefix = SPAN("semconv."), *candidates;
    size_t count = 1;
    bool is_convention = span_starts_with(own, prefix);
    if (is_convention)
        count = semconv_names(span_from(own, prefix.len), &names);
    if (count == 0)
        return err_set(pl->e, SK_BAD_INPUT,
                       "%.*s is not in the table of semantic conventions; ask for the field by "
                       "its own name",
                       SPAN_FMT(f->name));
    candidates = ARENA_ARRAY(pl->mem, span, count);
    if (!candidates)
        return spec__no_memory(pl->e);
    for (size_t i = 0; i < count; i++)
        candidates[i] = is_convention ? span_text(names[i]) : own;
    f->candidate_count = (uint32_t)count;
    f->candidates = candidates;
    return SK_OK;
}

sk_code plan__field(planner *pl, span name, field_use use, uint32_t *ret)
{
    span own;
    if (name.len == 0)
        return err_set(pl->e, SK_BAD_INPUT, "a field name must not be empty");
    plan_field made = {.name = name, .relation = plan_relation_of(name, &own)};
    sk_code code = check_use(pl, &made, own, use);
    if (code)
        return code;
    const plan_field *fields = pl->fields.at;
    for (uint32_t i = 0; i < pl->fields.count; i++)
        if (span_equal(fields[i].name, name)) {
            *ret = i;
            return SK_OK;
        }
    plan_field *f = spec__list_add(pl->mem, &pl->fields, sizeof *f);
    if (!f)
        return spec__no_memory(pl->e);
    *f = made;
    *ret = pl->fields.count - 1;
    return plan_derived_parse(name, &f->derived) ? SK_OK : fill_candidates(pl, f, own);
}

static bool has_filter_of(const planner *pl, plan_relation r)
{
    const plan_field *fields = pl->fields.at;
    for (uint32_t i = 0; i < pl->p->related_count; i++)
        if (fields[pl->p->related[i].field].relation == r)
            return true;
    return false;
}

sk_code plan__check_relations(planner *pl)
{
    const plan *p = pl->p;
    const plan_field *fields = pl->fields.at;
    if (p->related_count && p->filters_or)
        return err_set(pl->e, SK_BAD_INPUT,
                       "WHERE with fields of other spans (%.*s) takes AND only: all filters of one "
                       "prefix must hold on one span",
                       SPAN_FMT(prefixes[fields[p->related[0].field].relation]));
    for (uint32_t i = 0; i < p->breakdown_count; i++) {
        const plan_field *f = &fields[p->breakdowns[i]];
        if (f->relation == RELATION_CHILD && !has_filter_of(pl, RELATION_CHILD))
            return refuse(pl, f->name,
                          "GROUP BY a child's field needs a filter on child. too, so that it is "
                          "clear which child is meant; the first that matches gives the value");
    }
    return SK_OK;
}
