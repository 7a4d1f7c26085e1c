/*
 * query/aggregate/concurrency.c: CONCURRENCY: how many spans were in flight, as the weighted time they cover in a bucket
 * over its length. A run's cells are those of the rows' own timestamps; a long span reaches into the cells behind.
 */
#include "query/aggregate/aggregate_private.h"

typedef struct concurrency_cell {
    __int128 ns; /* weighted */
    bool has_row;
} concurrency_cell;

#define DURATION_MAX_NS ((int64_t)1 << 62)

/* Nanoseconds of a duration in ms; -1 when it is none. */
static inline int64_t duration_ns(double ms)
{
    if (!(ms >= 0) || !__builtin_isfinite(ms))
        return -1;
    double ns = ms * 1e6 + 0.5;
    return ns >= (double)DURATION_MAX_NS ? DURATION_MAX_NS : (int64_t)ns;
}

static void add(const agg_states *s, concurrency_cell *at, uint32_t bucket, int64_t start_ns,
                int64_t length_ns, uint32_t weight)
{
    const agg_buckets *b = &s->buckets;
    int64_t end_ns = length_ns > b->end_ns - start_ns ? b->end_ns : start_ns + length_ns;
    at->has_row = true;
    for (;;) {
        bool is_last = bucket + 1 >= b->count;
        int64_t bucket_end = is_last ? b->end_ns : b->start_ns + (bucket + 1) * b->granularity_ns;
        int64_t until = end_ns < bucket_end ? end_ns : bucket_end;
        at->ns += (__int128)(until - start_ns) * weight;
        at->has_row = true;
        if (end_ns <= bucket_end || is_last)
            return;
        start_ns = bucket_end;
        bucket++;
        at++;
    }
}

static void update(agg_states *s, const agg_run *r)
{
    concurrency_cell *cells = s->cells;
    const agg_buckets *b = &s->buckets;
    for (uint32_t i = 0; i < r->count; i++) {
        double ms = r->kind == AGG_VALUES_INTS ? (double)r->ints[i] : r->floats[i];
        int64_t length = duration_ns(ms);
        if (length < 0)
            continue;
        uint32_t cell = agg__cell(r, i);
        add(s, &cells[cell], cell % b->count, r->times_ns[i], length, agg__weight(r, i));
    }
}

static void merge(agg_states *into, void *into_cell, const void *from_cell)
{
    concurrency_cell *a = into_cell;
    const concurrency_cell *b = from_cell;
    a->ns += b->ns;
    a->has_row |= b->has_row;
}

static bool is_empty(const void *cell)
{
    return !((const concurrency_cell *)cell)->has_row;
}

void agg__concurrency_finish(const agg_states *s, uint32_t cell, calc_op op, int64_t length_ns,
                             arena *mem, result_value *ret)
{
    const concurrency_cell *c = (const concurrency_cell *)s->cells + cell;
    *ret = c->has_row ? agg__number((double)c->ns / (double)length_ns)
                      : (result_value){.kind = RESULT_NULL};
}

const agg_ops agg__concurrency = {
    .cell_bytes = sizeof(concurrency_cell), .update = update, .merge = merge, .is_empty = is_empty};
