/*
 * query/aggregate/sum.c: SUM and AVG. Ints add exactly in 128 bits; floats apart, each addition's rounding error kept
 * (Knuth's two-sum, so that the chain through a cell is one addition long).
 */
#include "query/aggregate/aggregate_private.h"

typedef struct sum_cell {
    __int128 ints;
    double floats, lost;
    uint64_t weight;
    bool has_int, has_float;
} sum_cell;

static inline void add_float(sum_cell *c, double v)
{
    double sum = c->floats + v, part = sum - c->floats;
    c->lost += (c->floats - (sum - part)) + (v - part);
    c->floats = sum;
}

static void update_ints(sum_cell *cells, const agg_run *r)
{
    for (uint32_t i = 0; i < r->count; i++) {
        sum_cell *c = &cells[agg__cell(r, i)];
        uint32_t w = agg__weight(r, i);
        c->ints += (__int128)r->ints[i] * w;
        c->weight += w;
        c->has_int = true;
    }
}

static void update_floats(sum_cell *cells, const agg_run *r)
{
    for (uint32_t i = 0; i < r->count; i++) {
        double v = r->floats[i];
        if (unlikely(!__builtin_isfinite(v)))
            continue;
        sum_cell *c = &cells[agg__cell(r, i)];
        uint32_t w = agg__weight(r, i);
        add_float(c, v * w);
        c->weight += w;
        c->has_float = true;
    }
}

static void update(agg_states *s, const agg_run *r)
{
    sum_cell *cells = s->cells;
    if (r->kind == AGG_VALUES_INTS)
        update_ints(cells, r);
    else
        update_floats(cells, r);
}

static void update_pair(agg_states *s, uint32_t cell, double v, uint64_t weight)
{
    sum_cell *c = (sum_cell *)s->cells + cell;
    add_float(c, v * (double)weight);
    c->weight += weight;
    c->has_float = true;
}

static void merge(agg_states *into, void *into_cell, const void *from_cell)
{
    sum_cell *a = into_cell;
    const sum_cell *b = from_cell;
    a->ints += b->ints;
    add_float(a, b->floats);
    a->lost += b->lost;
    a->weight += b->weight;
    a->has_int |= b->has_int;
    a->has_float |= b->has_float;
}

static bool is_empty(const void *cell)
{
    const sum_cell *c = cell;
    return !c->has_int && !c->has_float;
}

static double total(const sum_cell *c)
{
    return (double)c->ints + (c->floats + c->lost);
}

void agg__sum_finish(const agg_states *s, uint32_t cell, calc_op op, int64_t length_ns, arena *mem,
                     result_value *ret)
{
    const sum_cell *c = (const sum_cell *)s->cells + cell;
    if (is_empty(c))
        *ret = (result_value){.kind = RESULT_NULL};
    else if (!c->has_float && c->ints >= INT64_MIN && c->ints <= INT64_MAX)
        *ret = (result_value){.kind = RESULT_INT, .i = (int64_t)c->ints};
    else
        *ret = agg__number(total(c));
}

void agg__average_finish(const agg_states *s, uint32_t cell, calc_op op, int64_t length_ns,
                         arena *mem, result_value *ret)
{
    const sum_cell *c = (const sum_cell *)s->cells + cell;
    *ret = is_empty(c) ? (result_value){.kind = RESULT_NULL}
                       : agg__number(total(c) / (double)c->weight);
}

const agg_ops agg__sum = {.cell_bytes = sizeof(sum_cell),
                          .update = update,
                          .update_pair = update_pair,
                          .merge = merge,
                          .is_empty = is_empty};
