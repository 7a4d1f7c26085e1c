/*
 * tests/model/model_differences.c: what sets a selection apart (docs/internals/differences.md), by looking at every row for every field. Values are
 * counted by walking a list; what becomes of the counts is query/differences.h's. Suspects and words are left empty: they
 * are held to hand-made stores and to every layout giving the same (tests/unit/engine_selections.c).
 */
#include <math.h>

#include "base/must.h"
#include "event/fields.h"
#include "model_private.h"

#define FIELDS_MOST 10000u

static const plan_derived derived[] = {DERIVED_SELF_MS, DERIVED_GAP_MS};

typedef struct counted {
    differ_input input;
    uint32_t capacity;
    uint32_t number_count; /* different ones */
} counted;

static bool is_field(const model_field *f)
{
    plan_derived ignored;
    return f->v.type != FIELD_HISTOGRAM && !span_is(f->name, F_TRACE_ID) &&
           !span_is(f->name, F_SPAN_ID) && !span_is(f->name, F_PARENT_ID) &&
           !plan_derived_parse(f->name, &ignored);
}

static bool in_time(const model_row *r, const plan *p)
{
    return r->time_ns >= p->start_ns && r->time_ns < p->end_ns;
}

static bool passes(const plan *p, const model_trace_view *t, const model_row *r, arena *mem)
{
    return in_time(r, p) && (!p->dataset.at || span_equal(r->dataset, p->dataset)) &&
           model_passes(p, t, r, mem);
}

static uint32_t side_of(const model_row *r, const model_trace_view *t, const differences_query *q,
                        arena *mem)
{
    if (!passes(q->all, t, r, mem))
        return DIFFER_SIDES;
    if (passes(q->selection, t, r, mem))
        return DIFFER_SELECTION;
    return !q->baseline || passes(q->baseline, t, r, mem) ? DIFFER_BASELINE : DIFFER_SIDES;
}

static bool is_compared(const model *m, const model_row *r, uint32_t environment,
                        const differences_query *q)
{
    switch (q->rows) {
    case DIFFER_ROWS_SPANS: return r->family == FAMILY_TRACE && r->span_id;
    case DIFFER_ROWS_LOGS: return r->family == FAMILY_LOG;
    case DIFFER_ROWS_ALL:
        return (r->family == FAMILY_METRIC) == model_reads_metrics(m, environment, q->all->dataset);
    case DIFFER_ROWS_COUNT: break;
    }
    return false;
}

static counted *field_of(counted *all, uint32_t *count, uint32_t capacity, span name)
{
    for (uint32_t i = 0; i < *count; i++)
        if (span_equal(all[i].input.name, name))
            return &all[i];
    must(*count < capacity);
    all[*count].input.name = name;
    return &all[(*count)++];
}

static differ_value *value_of(counted *f, const differ_value *v, arena *mem)
{
    for (uint32_t i = 0; i < f->input.value_count; i++) {
        differ_value *have = &f->input.values[i];
        if (have->is_number == v->is_number &&
            (v->is_number ? have->low == v->low || (isnan(have->low) && isnan(v->low))
                          : span_equal(have->text, v->text)))
            return have;
    }
    if (f->input.value_count == f->capacity) {
        uint32_t capacity = f->capacity ? 2 * f->capacity : 8;
        differ_value *values = MODEL_ARRAY(mem, differ_value, capacity);
        if (f->capacity)
            memcpy(values, f->input.values, f->capacity * sizeof *values);
        f->input.values = values;
        f->capacity = capacity;
    }
    f->number_count += v->is_number;
    f->input.values[f->input.value_count] = *v;
    return &f->input.values[f->input.value_count++];
}

static void count(counted *f, value v, uint32_t side, uint32_t rate, arena *mem)
{
    char scratch[VALUE_TEXT_MAX];
    differ_value one = {.is_number = v.type == FIELD_INT || v.type == FIELD_FLOAT};
    if (one.is_number)
        one.low = one.high = (v.type == FIELD_INT ? (double)v.i : v.f) + 0.0; /* one zero */
    else
        must(arena_copy(mem, value_text(v, scratch), &one.text));
    value_of(f, &one, mem)->weight[side] += rate;
    f->input.rows[side]++;
    f->input.weight[side] += rate;
}

/* More different numbers than are kept: into buckets, of which each is one value. */
static void put_in_buckets(counted *f, arena *mem)
{
    differ_value *old = f->input.values;
    uint32_t n = f->input.value_count;
    f->input.values = NULL;
    f->input.value_count = f->capacity = 0;
    for (uint32_t i = 0; i < n; i++) {
        differ_value v = old[i];
        if (v.is_number)
            differ_bucket_range(differ_bucket(old[i].low), &v.low, &v.high);
        memset(v.weight, 0, sizeof v.weight);
        differ_value *to = value_of(f, &v, mem);
        for (uint32_t side = 0; side < DIFFER_SIDES; side++)
            to->weight[side] += old[i].weight[side];
    }
}

static bool names(const plan *p, span field)
{
    for (uint32_t i = 0; p && i < p->filter_count; i++)
        for (uint32_t c = 0; c < p->fields[p->filters[i].field].candidate_count; c++)
            if (span_equal(p->fields[p->filters[i].field].candidates[c], field))
                return true;
    return false;
}

sk_code model_differences(engine *e, uint32_t environment, const differences_query *q,
                          const run_control *c, arena *mem, differences_result *ret, err *er)
{
    model *m = (model *)e;
    counted *all = MODEL_ARRAY(mem, counted, FIELDS_MOST);
    uint32_t field_count = 0;
    *ret = (differences_result){0};
    (void)c;
    lock_take(&m->lock);
    for (uint32_t i = 0; i < m->row_count; i++) {
        const model_row *r = &m->rows[i];
        if (!model_sees(r, environment) || !is_compared(m, r, environment, q))
            continue;
        const model_trace_view *t =
            trace_id_is_set(r->trace) ? model_view_trace(m, environment, r->trace, mem) : NULL;
        uint32_t side = side_of(r, t, q, mem);
        if (side == DIFFER_SIDES)
            continue;
        ret->totals.rows[side]++;
        ret->totals.weight[side] += r->rate;
        ret->totals.weight_squares[side] += (uint64_t)r->rate * r->rate;
        for (uint32_t f = 0; f < r->field_count; f++)
            if (is_field(&r->fields[f]))
                count(field_of(all, &field_count, FIELDS_MOST, r->fields[f].name), r->fields[f].v,
                      side, r->rate, mem);
        for (size_t d = 0; q->rows == DIFFER_ROWS_SPANS && d < COUNT_OF(derived); d++) {
            value v = model_derived(t, r, derived[d], mem);
            if (v.is_set)
                count(field_of(all, &field_count, FIELDS_MOST,
                               span_text(plan_derived_name(derived[d]))),
                      v, side, r->rate, mem);
        }
    }
    lock_drop(&m->lock);
    differ_input *inputs = MODEL_ARRAY(mem, differ_input, field_count + 1);
    for (uint32_t i = 0; i < field_count; i++) {
        if (all[i].number_count > DIFFER_NUMBERS_MAX)
            put_in_buckets(&all[i], mem);
        inputs[i] = all[i].input;
        inputs[i].follows =
            names(q->selection, inputs[i].name) || names(q->baseline, inputs[i].name);
    }
    sk_code code =
        differ_fields(inputs, field_count, &ret->totals, q->field_limit, mem, &ret->fields, er);
    if (ret->fields.count && !ret->fields.fields[0].follows)
        ret->sentence = ret->fields.fields[0].sentence;
    return code;
}
