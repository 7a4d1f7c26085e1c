/*
 * query/aggregate/count.c: COUNT and COUNT(column): the weighted number of rows. A cell is one u64.
 */
#include "query/aggregate/aggregate_private.h"

/* Neighbours are mostly of one cell, and a counter that was just written is waited for. */
static void count_rows(uint64_t *counts, const uint32_t *cells, uint32_t count)
{
    uint32_t i = 0;
    for (; i + 4 <= count; i += 4) {
        uint32_t a = cells[i], b = cells[i + 1], c = cells[i + 2], d = cells[i + 3];
        if (((a ^ b) | (a ^ c) | (a ^ d)) == 0) {
            counts[a] += 4;
            continue;
        }
        counts[a]++;
        counts[b]++;
        counts[c]++;
        counts[d]++;
    }
    for (; i < count; i++)
        counts[cells[i]]++;
}

static void update(agg_states *s, const agg_run *r)
{
    uint64_t *counts = s->cells;
    if (!r->cells) {
        uint64_t sum = r->count;
        if (r->weights) {
            sum = 0;
            for (uint32_t i = 0; i < r->count; i++)
                sum += r->weights[i];
        }
        counts[r->one_cell] += sum;
        return;
    }
    if (!r->weights) {
        count_rows(counts, r->cells, r->count);
        return;
    }
    for (uint32_t i = 0; i < r->count; i++)
        counts[r->cells[i]] += r->weights[i];
}

void agg_count_add(agg_states *s, uint32_t cell, uint64_t weight)
{
    must(s->family == AGG_COUNT);
    must(cell < s->count);
    ((uint64_t *)s->cells)[cell] += weight;
}

static void merge(agg_states *into, void *into_cell, const void *from_cell)
{
    *(uint64_t *)into_cell += *(const uint64_t *)from_cell;
}

static bool is_empty(const void *cell)
{
    return *(const uint64_t *)cell == 0;
}

void agg__count_finish(const agg_states *s, uint32_t cell, calc_op op, int64_t length_ns,
                       arena *mem, result_value *ret)
{
    uint64_t n = ((const uint64_t *)s->cells)[cell];
    *ret = n <= INT64_MAX ? (result_value){.kind = RESULT_INT, .i = (int64_t)n}
                          : (result_value){.kind = RESULT_NUMBER, .f = (double)n};
}

const agg_ops agg__count = {
    .cell_bytes = sizeof(uint64_t), .update = update, .merge = merge, .is_empty = is_empty};
