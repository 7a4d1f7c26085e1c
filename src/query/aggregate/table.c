/*
 * query/aggregate/table.c: which calculation is made by which family (one row each), and the calls that
 * go through it: states by cell, their memory, rates. Never: looks into a family's cells.
 */
#include "base/alloc.h"
#include "event/histogram.h"
#include "query/aggregate/aggregate_private.h"

#define RESERVE_STEP (256 * KIB) /* of the account */

static const agg_ops *const FAMILIES[AGG_FAMILY_COUNT] = {
    [AGG_COUNT] = &agg__count,       [AGG_SUM] = &agg__sum,
    [AGG_EXTREMES] = &agg__extremes, [AGG_DISTINCT] = &agg__distinct,
    [AGG_SKETCH] = &agg__sketch,     [AGG_CONCURRENCY] = &agg__concurrency,
};

static const agg_rule RULES[] = {
    {CALC_COUNT, AGG_COUNT, false, agg__count_finish},
    {CALC_CONCURRENCY, AGG_CONCURRENCY, false, agg__concurrency_finish},
    {CALC_SUM, AGG_SUM, false, agg__sum_finish},
    {CALC_AVG, AGG_SUM, false, agg__average_finish},
    {CALC_COUNT_DISTINCT, AGG_DISTINCT, false, agg__distinct_finish},
    {CALC_MAX, AGG_EXTREMES, false, agg__max_finish},
    {CALC_MIN, AGG_EXTREMES, false, agg__min_finish},
    {CALC_P001, AGG_SKETCH, false, agg__percentile_finish},
    {CALC_P01, AGG_SKETCH, false, agg__percentile_finish},
    {CALC_P05, AGG_SKETCH, false, agg__percentile_finish},
    {CALC_P10, AGG_SKETCH, false, agg__percentile_finish},
    {CALC_P20, AGG_SKETCH, false, agg__percentile_finish},
    {CALC_P25, AGG_SKETCH, false, agg__percentile_finish},
    {CALC_P50, AGG_SKETCH, false, agg__percentile_finish},
    {CALC_P75, AGG_SKETCH, false, agg__percentile_finish},
    {CALC_P80, AGG_SKETCH, false, agg__percentile_finish},
    {CALC_P90, AGG_SKETCH, false, agg__percentile_finish},
    {CALC_P95, AGG_SKETCH, false, agg__percentile_finish},
    {CALC_P99, AGG_SKETCH, false, agg__percentile_finish},
    {CALC_P999, AGG_SKETCH, false, agg__percentile_finish},
    {CALC_HEATMAP, AGG_SKETCH, false, agg__heatmap_finish},
    {CALC_RATE_AVG, AGG_SUM, true, agg__average_finish},
    {CALC_RATE_SUM, AGG_SUM, true, agg__sum_finish},
    {CALC_RATE_MAX, AGG_EXTREMES, true, agg__max_finish},
};
_Static_assert(COUNT_OF(RULES) == CALC_OP_COUNT, "one row per calculation");

const agg_rule *agg_rule_of(calc_op op)
{
    must((uint32_t)op < CALC_OP_COUNT);
    must(RULES[op].op == op);
    return &RULES[op];
}

/* ---- bytes ---- */

static void fail(agg_budget *b, sk_code code)
{
    int none = 0;
    atomic_compare_exchange_strong(&b->failed, &none, (int)code);
}

/* Two workers may both see that a step is missing and reserve it: then there is more, until it is given back. */
static bool reserve(agg_budget *b, size_t used)
{
    size_t reserved;
    while (used > (reserved = atomic_load_explicit(&b->reserved_bytes, memory_order_relaxed))) {
        size_t more = (used - reserved + RESERVE_STEP - 1) / RESERVE_STEP * RESERVE_STEP;
        if (!memory_reserve(b->account, MEMORY_QUERY, more))
            return false;
        atomic_fetch_add_explicit(&b->reserved_bytes, more, memory_order_relaxed);
    }
    return true;
}

static void give_back(agg_budget *b, size_t kept)
{
    size_t reserved = atomic_load_explicit(&b->reserved_bytes, memory_order_relaxed);
    while (reserved > kept)
        if (atomic_compare_exchange_weak_explicit(&b->reserved_bytes, &reserved, kept,
                                                  memory_order_relaxed, memory_order_relaxed)) {
            memory_release(b->account, MEMORY_QUERY, reserved - kept);
            return;
        }
}

static void discharge(agg_budget *b, size_t bytes)
{
    size_t left = atomic_fetch_sub_explicit(&b->used_bytes, bytes, memory_order_relaxed) - bytes;
    if (b->account && bytes >= RESERVE_STEP)
        give_back(b, left + RESERVE_STEP);
}

void agg_budget_done(agg_budget *b)
{
    must(atomic_load(&b->used_bytes) == 0);
    if (b->account)
        give_back(b, 0);
}

static bool charge(agg_budget *b, size_t bytes)
{
    size_t before = atomic_fetch_add_explicit(&b->used_bytes, bytes, memory_order_relaxed);
    bool is_within = before + bytes <= b->max_bytes;
    if (is_within && (!b->account || reserve(b, before + bytes)))
        return true;
    discharge(b, bytes);
    if (is_within)
        atomic_store_explicit(&b->has_no_room, true, memory_order_relaxed);
    fail(b, is_within ? SK_NO_MEMORY : SK_TOO_LARGE);
    return false;
}

void *agg_alloc(agg_budget *b, size_t bytes)
{
    return agg_realloc(b, NULL, 0, bytes);
}

void *agg_realloc(agg_budget *b, void *old, size_t old_bytes, size_t new_bytes)
{
    must(new_bytes >= old_bytes);
    if (!charge(b, new_bytes - old_bytes))
        return NULL;
    void *p = old ? base_realloc(old, new_bytes) : base_alloc_zero(1, new_bytes);
    if (!p) {
        discharge(b, new_bytes - old_bytes);
        fail(b, SK_NO_MEMORY);
        return NULL;
    }
    if (old)
        memset((uint8_t *)p + old_bytes, 0, new_bytes - old_bytes);
    return p;
}

void agg_free(agg_budget *b, void *take_p, size_t bytes)
{
    if (!take_p)
        return;
    base_free(take_p);
    discharge(b, bytes);
}

/* ---- states ---- */

static void *cell_at(const agg_states *s, uint32_t cell)
{
    must_slow(cell < s->count);
    return (uint8_t *)s->cells + (size_t)cell * FAMILIES[s->family]->cell_bytes;
}

void agg_states_init(agg_states *s, agg_family f, const agg_buckets *buckets, agg_budget *budget)
{
    *s = (agg_states){.family = f, .budget = budget, .buckets = *buckets};
}

void agg_states_done(agg_states *s)
{
    const agg_ops *ops = FAMILIES[s->family];
    if (ops->done)
        for (uint32_t i = 0; i < s->count; i++)
            ops->done(s, cell_at(s, i));
    if (ops->done_own)
        ops->done_own(s);
    agg_free(s->budget, s->cells, (size_t)s->capacity * ops->cell_bytes);
    s->cells = NULL;
    s->count = s->capacity = 0;
}

bool agg_states_grow(agg_states *s, uint32_t count)
{
    if (count <= s->count)
        return true;
    if (count > s->capacity) {
        size_t cell_bytes = FAMILIES[s->family]->cell_bytes;
        uint32_t capacity = s->capacity < 16 ? 16 : s->capacity;
        while (capacity < count)
            capacity = capacity > UINT32_MAX / 2 ? UINT32_MAX : capacity * 2;
        void *cells = agg_realloc(s->budget, s->cells, (size_t)s->capacity * cell_bytes,
                                  (size_t)capacity * cell_bytes);
        if (!cells)
            return false;
        s->cells = cells;
        s->capacity = capacity;
    }
    s->count = count;
    return true;
}

void agg_update(agg_states *s, const agg_run *r)
{
    if (r->count)
        FAMILIES[s->family]->update(s, r);
}

struct pair_context {
    agg_states *s;
    uint32_t cell, weight;
};

static void add_pair(void *ctx, double v, double count)
{
    struct pair_context *c = ctx;
    if (!__builtin_isfinite(v) || !(count >= 0.5))
        return;
    uint64_t n = count >= 0x1p53 ? (uint64_t)1 << 53 : (uint64_t)__builtin_floor(count + 0.5);
    FAMILIES[c->s->family]->update_pair(c->s, c->cell, v + 0.0, n * c->weight);
}

void agg_update_histogram(agg_states *s, uint32_t cell, uint32_t weight, span histogram_bytes)
{
    if (!FAMILIES[s->family]->update_pair)
        return;
    arena *mem = arena_new(4 * MIB);
    histogram h;
    if (!mem)
        fail(s->budget, SK_NO_MEMORY);
    else if (histogram_decode(histogram_bytes, mem, &h))
        histogram_each(&h, add_pair, &(struct pair_context){s, cell, weight});
    else if (arena_failed(mem))
        fail(s->budget, SK_NO_MEMORY);
    arena_free(mem);
}

void agg_merge(agg_states *into, uint32_t into_cell, const agg_states *from, uint32_t from_cell)
{
    must(into->family == from->family);
    const agg_ops *ops = FAMILIES[into->family];
    const void *cell = cell_at(from, from_cell);
    if (!ops->is_empty(cell))
        ops->merge(into, cell_at(into, into_cell), cell);
}

void agg_merge_all(agg_states *into, agg_states *from, const uint32_t *to)
{
    for (uint32_t i = 0; i < from->count; i++) {
        uint32_t cell = to ? to[i] : i;
        if (cell != AGG_NO_CELL)
            agg_merge(into, cell, from, i);
    }
    if (FAMILIES[from->family]->move_own)
        (void)FAMILIES[from->family]->move_own(into, from, to); /* budget.failed says it */
}

bool agg_settle(agg_states *s)
{
    bool (*settle)(agg_states *) = FAMILIES[s->family]->settle;
    return !settle || settle(s);
}

bool agg_has_notes(const agg_states *s)
{
    return s->own != NULL;
}

bool agg_is_empty(const agg_states *s, uint32_t cell)
{
    return FAMILIES[s->family]->is_empty(cell_at(s, cell));
}

bool agg_is_estimate(const agg_states *s, uint32_t cell)
{
    return s->family == AGG_DISTINCT && agg__distinct_is_estimate(cell_at(s, cell));
}

static double as_double(result_value v)
{
    return v.kind == RESULT_INT ? (double)v.i : v.f;
}

result_value agg_rate(result_value later, result_value earlier)
{
    if (later.kind == RESULT_NULL || earlier.kind == RESULT_NULL)
        return (result_value){.kind = RESULT_NULL};
    int64_t difference;
    if (later.kind == RESULT_INT && earlier.kind == RESULT_INT &&
        !__builtin_sub_overflow(later.i, earlier.i, &difference))
        return (result_value){.kind = RESULT_INT, .i = difference};
    return agg__number(as_double(later) - as_double(earlier));
}
