/*
 * query/aggregate/extremes.c: MIN and MAX, ints and floats apart so that ints stay exact. Not weighted.
 */
#include "query/aggregate/aggregate_private.h"

typedef struct extremes_cell {
    int64_t int_min, int_max;
    double float_min, float_max;
    bool has_int, has_float;
} extremes_cell;

static inline void add_int(extremes_cell *c, int64_t v)
{
    if (!c->has_int)
        c->int_min = c->int_max = v;
    c->has_int = true;
    c->int_min = v < c->int_min ? v : c->int_min;
    c->int_max = v > c->int_max ? v : c->int_max;
}

static inline void add_float(extremes_cell *c, double v)
{
    if (!c->has_float)
        c->float_min = c->float_max = v;
    c->has_float = true;
    c->float_min = v < c->float_min ? v : c->float_min;
    c->float_max = v > c->float_max ? v : c->float_max;
}

static void update(agg_states *s, const agg_run *r)
{
    extremes_cell *cells = s->cells;
    if (r->kind == AGG_VALUES_INTS) {
        for (uint32_t i = 0; i < r->count; i++)
            add_int(&cells[agg__cell(r, i)], r->ints[i]);
        return;
    }
    for (uint32_t i = 0; i < r->count; i++) {
        if (likely(__builtin_isfinite(r->floats[i])))
            add_float(&cells[agg__cell(r, i)], r->floats[i] + 0.0); /* -0.0 becomes 0.0 */
    }
}

static void update_pair(agg_states *s, uint32_t cell, double v, uint64_t weight)
{
    add_float((extremes_cell *)s->cells + cell, v);
}

static void merge(agg_states *into, void *into_cell, const void *from_cell)
{
    extremes_cell *a = into_cell;
    const extremes_cell *b = from_cell;
    if (b->has_int) {
        add_int(a, b->int_min);
        add_int(a, b->int_max);
    }
    if (b->has_float) {
        add_float(a, b->float_min);
        add_float(a, b->float_max);
    }
}

static bool is_empty(const void *cell)
{
    const extremes_cell *c = cell;
    return !c->has_int && !c->has_float;
}

static result_value pick(const extremes_cell *c, int64_t i, double f, bool wants_greater)
{
    if (is_empty(c))
        return (result_value){.kind = RESULT_NULL};
    if (!c->has_float)
        return (result_value){.kind = RESULT_INT, .i = i};
    double of_ints = (double)i;
    if (c->has_int && (wants_greater ? of_ints > f : of_ints < f))
        f = of_ints;
    return agg__number(f);
}

void agg__min_finish(const agg_states *s, uint32_t cell, calc_op op, int64_t length_ns, arena *mem,
                     result_value *ret)
{
    const extremes_cell *c = (const extremes_cell *)s->cells + cell;
    *ret = pick(c, c->int_min, c->float_min, false);
}

void agg__max_finish(const agg_states *s, uint32_t cell, calc_op op, int64_t length_ns, arena *mem,
                     result_value *ret)
{
    const extremes_cell *c = (const extremes_cell *)s->cells + cell;
    *ret = pick(c, c->int_max, c->float_max, true);
}

const agg_ops agg__extremes = {.cell_bytes = sizeof(extremes_cell),
                               .update = update,
                               .update_pair = update_pair,
                               .merge = merge,
                               .is_empty = is_empty};
