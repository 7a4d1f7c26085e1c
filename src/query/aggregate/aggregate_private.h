/*
 * query/aggregate/aggregate_private.h: what a family's file gives to table.c, and the doors it uses for bytes.
 */
#ifndef QUERY_AGGREGATE_AGGREGATE_PRIVATE_H
#define QUERY_AGGREGATE_AGGREGATE_PRIVATE_H

#include "base/must.h"
#include "query/aggregate/aggregate.h"

typedef struct agg_ops {
    size_t cell_bytes;
    void (*update)(agg_states *s, const agg_run *r);
    /* One (value, weight) pair of a histogram; NULL: histograms have no number for this family. */
    void (*update_pair)(agg_states *s, uint32_t cell, double v, uint64_t weight);
    void (*merge)(agg_states *into, void *into_cell, const void *from_cell);
    bool (*is_empty)(const void *cell);
    void (*done)(agg_states *s, void *cell); /* NULL: a cell holds no memory beyond itself */
    /* agg_states.own; NULL: the family has none. */
    bool (*settle)(agg_states *s);
    bool (*move_own)(agg_states *into, agg_states *from, const uint32_t *to);
    void (*done_own)(agg_states *s);
} agg_ops;

extern const agg_ops agg__count, agg__sum, agg__extremes, agg__distinct, agg__sketch,
    agg__concurrency;

typedef void agg_finish(const agg_states *s, uint32_t cell, calc_op op, int64_t length_ns,
                        arena *mem, result_value *ret);
agg_finish agg__count_finish, agg__sum_finish, agg__average_finish, agg__min_finish,
    agg__max_finish, agg__distinct_finish, agg__percentile_finish, agg__heatmap_finish,
    agg__concurrency_finish;
bool agg__distinct_is_estimate(const void *cell);

/* A double as a result: NULL when it is not finite. */
static inline result_value agg__number(double v)
{
    if (!__builtin_isfinite(v))
        return (result_value){.kind = RESULT_NULL};
    return (result_value){.kind = RESULT_NUMBER, .f = v};
}

static inline uint32_t agg__cell(const agg_run *r, uint32_t row)
{
    return r->cells ? r->cells[row] : r->one_cell;
}

static inline uint32_t agg__weight(const agg_run *r, uint32_t row)
{
    return r->weights ? r->weights[row] : 1;
}

#endif
