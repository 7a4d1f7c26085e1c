/*
 * query/aggregate/sketch_read.c: what a settled cell of a sketch says: a bucket's bounds, percentiles, the heatmap's column.
 */
#include <float.h>

#include "query/aggregate/sketch_private.h"

int32_t sketch_key(double finite)
{
    return key_of(finite);
}

static double edge(int32_t u)
{
    uint64_t bits = (uint64_t)u << KEY_SHIFT;
    double v;
    memcpy(&v, &bits, sizeof v);
    return u >= KEY_MAX ? DBL_MAX : v;
}

void sketch_bounds(int32_t key, double *ret_low, double *ret_high)
{
    if (key > 0) {
        *ret_low = edge(key - 1);
        *ret_high = edge(key);
    } else if (key < 0) {
        *ret_low = -edge(-key);
        *ret_high = -edge(-key - 1);
    } else {
        *ret_low = *ret_high = 0;
    }
}

/* ---- reading in order of keys ---- */

typedef struct sketch_walk {
    const sketch_cell *cell;
    uint64_t *list; /* sorted copy */
    uint32_t list_count, list_at, window_at;
} sketch_walk;

static bool walk_begin(sketch_walk *w, const sketch_cell *c, arena *mem)
{
    *w = (sketch_walk){.cell = c};
    if (!c->used)
        return true;
    w->list = ARENA_ARRAY(mem, uint64_t, c->used);
    if (!w->list)
        return false;
    memcpy(w->list, c->list, c->used * sizeof *w->list);
    w->list_count = sketch__compact(w->list, c->used);
    return true;
}

static bool walk_next(sketch_walk *w, int32_t *ret_key, uint64_t *ret_weight)
{
    const sketch_cell *c = w->cell;
    while (w->window_at < c->length && !c->window[w->window_at])
        w->window_at++;
    bool in_window = w->window_at < c->length, in_list = w->list_at < w->list_count;
    if (!in_window && !in_list)
        return false;
    int32_t window_key = in_window ? c->base + (int32_t)w->window_at : INT32_MAX;
    int32_t list_key = in_list ? entry_key(w->list[w->list_at]) : INT32_MAX;
    int32_t key = window_key < list_key ? window_key : list_key;
    uint64_t weight = 0;
    if (window_key == key)
        weight += c->window[w->window_at++];
    while (w->list_at < w->list_count && entry_key(w->list[w->list_at]) == key)
        weight += entry_weight(w->list[w->list_at++]);
    *ret_key = key;
    *ret_weight = weight;
    return true;
}

static double middle_of(int32_t key)
{
    double low, high;
    sketch_bounds(key < 0 ? -key : key, &low, &high);
    double middle = low + (high - low) / 2;
    return key < 0 ? -middle : middle;
}

uint64_t sketch_weight(const agg_states *s, uint32_t cell)
{
    must(s->family == AGG_SKETCH);
    must(cell < s->count);
    const sketch_cell *c = (const sketch_cell *)s->cells + cell;
    return c->in_window + c->in_list;
}

static uint64_t rank_of(calc_op op, uint64_t n)
{
    double quantile = 0;
    must(calc_op_percentile(op, &quantile));
    uint64_t thousandths = (uint64_t)(quantile * 1000 + 0.5);
    unsigned __int128 rank = ((unsigned __int128)thousandths * n + 999) / 1000;
    return rank < 1 ? 1 : (uint64_t)rank;
}

/* The key of a rank (from 1) among entries of weight 1 alone: Hoare's selection, in a copy. */
static int32_t list_rank(uint64_t *entries, uint32_t count, uint64_t rank)
{
    uint32_t low = 0, high = count - 1, wanted = (uint32_t)rank - 1;
    while (low < high) {
        uint64_t pivot = entries[low + (high - low) / 2];
        uint32_t i = low, j = high;
        for (;;) {
            while (entries[i] < pivot)
                i++;
            while (entries[j] > pivot)
                j--;
            if (i >= j)
                break;
            uint64_t swap = entries[i];
            entries[i++] = entries[j];
            entries[j--] = swap;
        }
        /* What is at or before j < high is at most the pivot, what is behind is at least that. */
        if (wanted <= j)
            high = j;
        else
            low = j + 1;
    }
    return entry_key(entries[wanted]);
}

/* The key of a rank in a window without a list, from the nearer end. */
static int32_t window_rank(const sketch_cell *c, uint64_t rank)
{
    uint32_t i = 0;
    if (rank <= c->in_window / 2) {
        for (uint64_t seen = c->window[0]; seen < rank; seen += c->window[i])
            i++;
        return c->base + (int32_t)i;
    }
    i = c->length - 1;
    for (uint64_t above = c->in_window - c->window[i]; above >= rank; above -= c->window[i])
        i--;
    return c->base + (int32_t)i;
}

void agg__percentile_finish(const agg_states *s, uint32_t cell, calc_op op, int64_t length_ns,
                            arena *mem, result_value *ret)
{
    const sketch_cell *c = (const sketch_cell *)s->cells + cell;
    *ret = (result_value){.kind = RESULT_NULL};
    if (cell_is_empty(c))
        return;
    uint64_t all = (uint64_t)c->in_window + c->in_list, rank = rank_of(op, all), seen = 0, weight;
    int32_t key = 0;
    if (rank == all || rank == 1) { /* of few values mostly */
        key = key_of(rank == all ? c->greatest : c->least);
    } else if (!c->used) {
        key = window_rank(c, rank);
    } else if (!c->length && c->in_list == c->used && c->used <= LIST_LONG) {
        uint64_t entries[LIST_LONG];
        memcpy(entries, c->list, c->used * sizeof *entries);
        key = list_rank(entries, c->used, rank);
    } else {
        arena_mark mark = arena_here(mem);
        sketch_walk walk;
        if (!walk_begin(&walk, c, mem))
            return;
        while (seen < rank && walk_next(&walk, &key, &weight))
            seen += weight;
        arena_rewind(mem, mark);
    }
    double v = middle_of(key);
    v = v < c->least ? c->least : v > c->greatest ? c->greatest : v;
    *ret = agg__number(v);
}

static uint32_t count_buckets(const sketch_cell *c, arena *mem)
{
    arena_mark mark = arena_here(mem);
    sketch_walk walk;
    uint32_t n = 0;
    int32_t key;
    uint64_t weight;
    if (walk_begin(&walk, c, mem))
        while (walk_next(&walk, &key, &weight))
            n++;
    arena_rewind(mem, mark);
    return n;
}

void agg__heatmap_finish(const agg_states *s, uint32_t cell, calc_op op, int64_t length_ns,
                         arena *mem, result_value *ret)
{
    const sketch_cell *c = (const sketch_cell *)s->cells + cell;
    *ret = (result_value){.kind = RESULT_NULL};
    uint32_t count = count_buckets(c, mem);
    if (!count)
        return;
    heatmap_cell *cells = ARENA_ARRAY(mem, heatmap_cell, count);
    sketch_walk walk;
    if (!cells || !walk_begin(&walk, c, mem))
        return;
    int32_t key;
    for (uint32_t i = 0; i < count && walk_next(&walk, &key, &cells[i].count); i++)
        sketch_bounds(key, &cells[i].low, &cells[i].high);
    *ret = (result_value){.kind = RESULT_HEATMAP, .heatmap = {cells, count}};
}
