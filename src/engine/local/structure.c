/*
 * engine/local/structure.c: opening what a query needs to know of other spans: which of their fields, which filters, and a second scan over
 * the same parts whose fields those are. Called by run.c.
 */
#include "engine/local/structure.h"

#include "event/fields.h"

bool structure_is_needed(const plan *p)
{
    bool is = p->related_count > 0;
    for (uint32_t i = 0; i < p->field_count; i++)
        is |= p->fields[i].derived || p->fields[i].relation;
    return is;
}

/* ---- what is asked ---- */

static bool is_shown(const plan *p, uint32_t field)
{
    bool is = false;
    for (uint32_t i = 0; i < p->breakdown_count; i++)
        is |= p->breakdowns[i] == field;
    for (uint32_t i = 0; i < p->calc_count; i++)
        is |= p->calcs[i].field == field;
    return is;
}

static bool list_values(structure *s)
{
    const plan *p = s->plan;
    s->values = ARENA_ARRAY(s->mem, structure_value, p->field_count + 1);
    s->value_of = ARENA_ARRAY(s->mem, uint32_t, p->field_count + 1);
    if (!s->values || !s->value_of)
        return false;
    for (uint32_t i = 0; i < p->field_count; i++) {
        const plan_field *f = &p->fields[i];
        bool is_top = f->derived == DERIVED_ROOT_NAME;
        if (!is_top &&
            (f->relation == RELATION_SELF || f->relation > RELATION_CHILD || !is_shown(p, i)))
            continue;
        derive_relation r =
            is_top ? DERIVE_TOP : (derive_relation)(DERIVE_ROOT + f->relation - RELATION_ROOT);
        s->values[s->value_count] = (structure_value){
            .plan_field = i, .inner_field = INNER_FIXED + s->value_count, .relation = r};
        s->value_of[i] = ++s->value_count;
        s->rules.relations |= DERIVE_BIT(r);
    }
    return true;
}

static void note_filters(structure *s)
{
    const plan *p = s->plan;
    for (uint32_t i = 0; i < p->related_count; i++) {
        plan_relation r = p->fields[p->related[i].field].relation;
        if (r >= RELATION_ANY)
            s->any_bits |= (uint8_t)(1u << (r - RELATION_ANY));
        else
            s->filtered |= DERIVE_BIT(DERIVE_ROOT + r - RELATION_ROOT);
    }
    s->rules.relations |= s->filtered;
    s->match_all = (uint8_t)~s->filtered;
    for (uint32_t i = 0; i < p->field_count; i++) {
        s->rules.wants_self |= p->fields[i].derived == DERIVED_SELF_MS;
        s->rules.wants_gap |= p->fields[i].derived == DERIVED_GAP_MS;
        s->rules.wants_depth |= p->fields[i].derived == DERIVED_DEPTH;
    }
    s->needs_resources = s->rules.wants_gap;
    s->keeps_times = s->rules.wants_self && s->rules.wants_gap && !s->rules.wants_depth &&
                     !s->rules.relations && !s->value_count;
    s->needs_spans =
        s->rules.wants_self || s->rules.wants_gap || s->rules.wants_depth || s->rules.relations;
}

/* ---- the inner plan ---- */

static void name_field(plan_field *f, const span *names, uint32_t count)
{
    *f = (plan_field){.name = names[0], .candidate_count = count, .candidates = names};
}

static bool make_inner_plan(structure *s)
{
    static const char *const fixed[] = {[INNER_KIND] = F_SPAN_KIND,
                                        [INNER_DURATION] = F_DURATION_MS,
                                        [INNER_SERVICE] = F_SERVICE_NAME,
                                        [INNER_INSTANCE] = F_SERVICE_INSTANCE,
                                        [INNER_FIXED] = F_NAME};
    const plan *p = s->plan;
    uint32_t field_max = INNER_FIXED + s->value_count + p->related_count;
    span *names = ARENA_ARRAY(s->mem, span, COUNT_OF(fixed));
    plan_field *fields = ARENA_ARRAY(s->mem, plan_field, field_max);
    plan_filter *filters = ARENA_ARRAY(s->mem, plan_filter, p->related_count + 1);
    s->relation_of_inner = ARENA_ARRAY(s->mem, uint32_t, field_max);
    if (!names || !fields || !filters || !s->relation_of_inner)
        return false;
    for (size_t i = 0; i < COUNT_OF(fixed); i++)
        names[i] = span_text(fixed[i]);
    for (uint32_t i = 0; i < INNER_FIXED; i++)
        name_field(&fields[i], &names[i], 1);
    for (uint32_t i = 0; i < s->value_count; i++) {
        const plan_field *f = &p->fields[s->values[i].plan_field];
        if (f->derived)
            name_field(&fields[INNER_FIXED + i], &names[INNER_FIXED], 1);
        else
            name_field(&fields[INNER_FIXED + i], f->candidates, f->candidate_count);
    }
    uint32_t count = INNER_FIXED + s->value_count;
    for (uint32_t i = 0; i < p->related_count; i++) {
        const plan_field *f = &p->fields[p->related[i].field];
        name_field(&fields[count], f->candidates, f->candidate_count);
        s->relation_of_inner[count] = f->relation;
        filters[i] = p->related[i];
        filters[i].field = count++;
    }
    s->inner_plan = (plan){.start_ns = INT64_MIN, /* no morsels of its own */
                           .end_ns = INT64_MIN,
                           .fields = fields,
                           .field_count = count,
                           .filters = filters,
                           .filter_count = p->related_count};
    return true;
}

static span gathered_text(const void *of, uint32_t number)
{
    return ((const structure *)of)->text_list[number];
}

static sk_code list_texts(structure *s, err *e)
{
    uint32_t count = group_keys_count(s->texts, 1);
    s->text_list = agg_alloc(s->budget, (count + 1ul) * sizeof *s->text_list);
    if (!s->text_list)
        return structure__budget_error(s, e);
    for (uint32_t i = 1; i < count; i++)
        s->text_list[i] = group_keys_value(s->texts, 1, i, s->mem).text;
    s->gathered_texts = (dictionary){.text = gathered_text, .of = s, .count = count};
    return SK_OK;
}

static sk_code prepare(structure *s, snapshot *snap, err *e)
{
    if (!list_values(s))
        return err_set(e, SK_NO_MEMORY, "memory ran out while a query was prepared");
    note_filters(s);
    if (!make_inner_plan(s))
        return err_set(e, SK_NO_MEMORY, "memory ran out while a query was prepared");
    s->texts = group_keys_new(2, s->budget);
    if (!s->texts)
        return structure__budget_error(s, e);
    s->has_inner = true;
    sk_code code = scan_open(&s->inner, &s->inner_plan, snap, s->budget, s->mem, e);
    s->inner.kept = s->engine->kept;
    return code;
}

static bool get_flags(structure *s)
{
    s->flags = ARENA_ARRAY(s->mem, _Atomic(uint8_t) *, s->inner.part_count + 1);
    if (!s->flags)
        return false;
    block_flags_enter(s->engine->flags);
    s->has_flags = true;
    for (uint32_t i = 0; i < s->inner.part_count; i++) {
        const part_info *info = &s->inner.parts[i].info;
        if (info->family == FAMILY_TRACE && !info->is_open)
            s->flags[i] = block_flags_get(s->engine->flags, info->id, info->block_count);
    }
    return true;
}

sk_code structure_open(local *l, uint32_t environment, const plan *p, snapshot *snap,
                       const run_control *c, agg_budget *budget, arena *mem, structure **ret,
                       err *e)
{
    structure *s = ARENA_NEW(mem, structure);
    if (!s)
        return err_set(e, SK_NO_MEMORY, "memory ran out while a query was prepared");
    *s = (structure){.engine = l,
                     .environment = environment,
                     .control = c,
                     .plan = p,
                     .budget = budget,
                     .mem = mem,
                     .straddling = {.budget = budget},
                     .any = {.budget = budget}};
    *ret = s;
    sk_code code = prepare(s, snap, e);
    if (code == SK_OK && s->any_bits)
        code = structure__find_any(s, e);
    if (code == SK_OK && s->needs_spans && !get_flags(s))
        code = err_set(e, SK_NO_MEMORY, "memory ran out while a query was prepared");
    if (code == SK_OK && s->needs_spans)
        code = structure__gather(s, e);
    return code == SK_OK ? list_texts(s, e) : code;
}

void structure_close(structure *take_s)
{
    if (!take_s)
        return;
    structure *s = take_s;
    if (s->has_flags)
        block_flags_leave(s->engine->flags);
    agg_free(s->budget, s->spans, s->span_capacity * sizeof *s->spans);
    agg_free(s->budget, s->span_values, s->span_value_capacity * sizeof *s->span_values);
    agg_free(s->budget, s->times, s->time_capacity * sizeof *s->times);
    agg_free(s->budget, s->text_list, (s->gathered_texts.count + 1ul) * sizeof *s->text_list);
    any_set_done(&s->any);
    straddle_set_done(&s->straddling);
    if (s->has_inner)
        scan_close(&s->inner);
    group_keys_free(s->texts);
}
