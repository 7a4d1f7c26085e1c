/*
 * Aggregates against obvious computations over all values, fed whole and in any split.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/hash.h"
#include "check.h"
#include "event/histogram.h"
#include "query/aggregate/aggregate.h"
#include "query/finish.h"

#define ROWS  4000
#define CELLS 3

typedef struct row {
    bool is_int;
    int64_t i;
    double f;
    uint32_t weight, cell;
} row;

static const agg_buckets RANGE = {0, 1000, 1000, 1};

static agg_budget budget_of(size_t max_bytes)
{
    agg_budget b = {.max_bytes = max_bytes};
    return b;
}

static double random_double(uint64_t *seed)
{
    uint64_t r = check_random(seed);
    switch (r % 16) {
    case 0: return 0.0;
    case 1: return -0.0;
    case 2: return INFINITY;
    case 3: return NAN;
    case 4: return -(double)(r >> 40) / 7;
    case 5: return ldexp(1.0 + (double)(r >> 50) / 16384, (int)(r >> 20 & 1023) - 500);
    default: return (double)(r >> 44) / 64;
    }
}

static void random_rows(uint64_t *seed, row *rows, uint32_t count, bool heavy)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t r = check_random(seed);
        rows[i] =
            (row){.is_int = r & 1,
                  .i = r & 2 ? (int64_t)check_random(seed) >> (r >> 8 & 63) : (int64_t)(r >> 60),
                  .f = random_double(seed),
                  .weight = heavy   ? (uint32_t)(r >> 32) | 1
                            : r & 4 ? 1
                                    : 1 + (uint32_t)(r >> 56),
                  .cell = (uint32_t)(r >> 16) % CELLS};
    }
}

/* Feeds rows [from, end) one at a time or as two runs. */
static void feed(agg_states *s, const row *rows, uint32_t from, uint32_t end, bool unit_weights)
{
    static int64_t ints[ROWS];
    static double floats[ROWS];
    static uint32_t cells[2][ROWS], weights[2][ROWS];
    uint32_t n[2] = {0, 0};
    for (uint32_t i = from; i < end; i++) {
        uint32_t k = rows[i].is_int ? 0 : 1;
        if (k == 0)
            ints[n[0]] = rows[i].i;
        else
            floats[n[1]] = rows[i].f;
        cells[k][n[k]] = rows[i].cell;
        weights[k][n[k]++] = rows[i].weight;
    }
    agg_update(s, &(agg_run){.count = n[0],
                             .cells = cells[0],
                             .weights = unit_weights ? NULL : weights[0],
                             .kind = AGG_VALUES_INTS,
                             .ints = ints});
    agg_update(s, &(agg_run){.count = n[1],
                             .cells = cells[1],
                             .weights = unit_weights ? NULL : weights[1],
                             .kind = AGG_VALUES_FLOATS,
                             .floats = floats});
}

/* The states of all rows: whole, or cut at random places into several that are then merged in random order. */
static void make_states(agg_states *s, agg_family f, agg_budget *budget, const row *rows,
                        uint32_t count, uint64_t *seed, uint32_t pieces)
{
    agg_states_init(s, f, &RANGE, budget);
    assert_true(agg_states_grow(s, CELLS));
    uint32_t from = 0;
    for (uint32_t p = 0; p < pieces; p++) {
        uint32_t end =
            p + 1 == pieces ? count : from + (uint32_t)(check_random(seed) % (count - from + 1));
        agg_states part;
        agg_states_init(&part, f, &RANGE, budget);
        assert_true(agg_states_grow(&part, CELLS));
        feed(&part, rows, from, end, false);
        if (p % 2) {
            agg_merge_all(s, &part, NULL);
        } else {
            assert_true(agg_settle(&part));
            for (uint32_t c = 0; c < CELLS; c++)
                agg_merge(s, c, &part, c);
        }
        agg_states_done(&part);
        from = end;
    }
    assert_true(agg_settle(s));
}

static result_value value_of(const agg_states *s, uint32_t cell, calc_op op, arena *mem)
{
    result_value v;
    agg_rule_of(op)->finish(s, cell, op, 1000, mem, &v);
    return v;
}

static bool has_number(const row *r)
{
    return r->is_int || isfinite(r->f);
}

static double number(const row *r)
{
    return r->is_int ? (double)r->i : r->f;
}

static int compare_rows(const void *a, const void *b)
{
    double x = number(a), y = number(b);
    return (x > y) - (x < y);
}

static void sums_match(void **state)
{
    static row rows[ROWS];
    uint64_t seed = 1;
    agg_budget budget = budget_of(GIB);
    arena *mem = arena_new(MIB);
    for (int round = 0; round < 20; round++) {
        random_rows(&seed, rows, ROWS, round % 2);
        for (int i = 0; i < ROWS && round % 4 == 3; i++)
            rows[i].is_int = true;
        agg_states s;
        make_states(&s, AGG_SUM, &budget, rows, ROWS, &seed, 1 + (uint32_t)round % 5);
        for (uint32_t c = 0; c < CELLS; c++) {
            __int128 ints = 0;
            long double all = 0, magnitude = 0;
            uint64_t weight = 0;
            bool only_ints = true;
            for (int i = 0; i < ROWS; i++) {
                if (rows[i].cell != c || !has_number(&rows[i]))
                    continue;
                weight += rows[i].weight;
                only_ints &= rows[i].is_int;
                ints += rows[i].is_int ? (__int128)rows[i].i * rows[i].weight : 0;
                all += (long double)number(&rows[i]) * rows[i].weight;
                magnitude += fabsl((long double)number(&rows[i]) * rows[i].weight);
            }
            result_value v = value_of(&s, c, CALC_SUM, mem);
            if (only_ints && ints == (int64_t)ints) {
                assert_int_equal(v.kind, RESULT_INT);
                assert_true(v.i == (int64_t)ints);
            } else {
                assert_int_equal(v.kind, RESULT_NUMBER);
                check_near(v.f, (double)all, (double)magnitude * 1e-12);
            }
            v = value_of(&s, c, CALC_AVG, mem);
            assert_int_equal(v.kind, RESULT_NUMBER);
            check_near(v.f, (double)(all / weight), (double)(magnitude / weight) * 1e-12);
        }
        agg_states_done(&s);
    }
    assert_int_equal(budget.used_bytes, 0);
    arena_free(mem);
}

static void small_sums_are_exact(void **state)
{
    agg_budget budget = budget_of(MIB);
    agg_states s;
    agg_states_init(&s, AGG_SUM, &RANGE, &budget);
    assert_true(agg_states_grow(&s, 2));
    assert_int_equal(value_of(&s, 0, CALC_SUM, NULL).kind, RESULT_NULL);
    assert_int_equal(value_of(&s, 0, CALC_AVG, NULL).kind, RESULT_NULL);
    double floats[] = {1e300, 1, -1e300, 3};
    agg_update(&s, &(agg_run){.count = 4, .kind = AGG_VALUES_FLOATS, .floats = floats});
    result_value v = value_of(&s, 0, CALC_SUM, NULL);
    assert_int_equal(v.kind, RESULT_NUMBER);
    check_near(v.f, 4, 0);
    int64_t ints[] = {INT64_MAX, 1};
    agg_update(&s, &(agg_run){.count = 2, .one_cell = 1, .kind = AGG_VALUES_INTS, .ints = ints});
    v = value_of(&s, 1, CALC_SUM, NULL);
    assert_int_equal(v.kind, RESULT_NUMBER);
    check_near(v.f, 0x1p63, 0);
    agg_states_done(&s);
}

static void extremes_match(void **state)
{
    static row rows[ROWS];
    uint64_t seed = 2;
    agg_budget budget = budget_of(GIB);
    for (int round = 0; round < 20; round++) {
        random_rows(&seed, rows, ROWS, false);
        for (int i = 0; i < ROWS && round % 4 == 3; i++)
            rows[i].is_int = true;
        agg_states s;
        make_states(&s, AGG_EXTREMES, &budget, rows, ROWS, &seed, 1 + (uint32_t)round % 5);
        for (uint32_t c = 0; c < CELLS; c++) {
            double least = INFINITY, greatest = -INFINITY;
            int64_t int_min = INT64_MAX;
            for (int i = 0; i < ROWS; i++) {
                if (rows[i].cell != c || !has_number(&rows[i]))
                    continue;
                least = fmin(least, number(&rows[i]));
                greatest = fmax(greatest, number(&rows[i]));
                int_min = rows[i].is_int && rows[i].i < int_min ? rows[i].i : int_min;
            }
            result_value v = value_of(&s, c, CALC_MIN, NULL);
            assert_int_equal(v.kind, round % 4 == 3 ? RESULT_INT : RESULT_NUMBER);
            if (v.kind == RESULT_INT)
                assert_true(v.i == int_min);
            else
                check_near(v.f, least, 0);
            v = value_of(&s, c, CALC_MAX, NULL);
            if (v.kind == RESULT_NUMBER)
                check_near(v.f, greatest, 0);
        }
        agg_states_done(&s);
    }
    assert_int_equal(budget.used_bytes, 0);
}

static uint64_t least_rank(double quantile, uint64_t n)
{
    unsigned __int128 rank = ((unsigned __int128)llround(quantile * 1000) * n + 999) / 1000;
    return rank ? (uint64_t)rank : 1;
}

/* The percentile by sorting everything: the value's sketch bucket, its middle, clamped. */
static double obvious_percentile(const row *sorted, uint32_t count, double quantile, uint64_t n)
{
    uint64_t rank = least_rank(quantile, n), seen = 0;
    uint32_t i = 0;
    while ((seen += sorted[i].weight) < rank)
        i++;
    double low, high, v = number(&sorted[i]) + 0.0;
    sketch_bounds(sketch_key(fabs(v)), &low, &high);
    double middle = copysign(low + (high - low) / 2, v);
    return fmin(fmax(middle, number(&sorted[0]) + 0.0), number(&sorted[count - 1]) + 0.0);
}

static void check_heatmap(const agg_states *s, uint32_t cell, const row *sorted, uint32_t count,
                          arena *mem)
{
    result_value v = value_of(s, cell, CALC_HEATMAP, mem);
    assert_int_equal(v.kind, RESULT_HEATMAP);
    uint32_t at = 0;
    for (uint32_t i = 0; i < v.heatmap.count; i++) {
        const heatmap_cell *h = &v.heatmap.cells[i];
        uint64_t weight = 0;
        assert_true(h->low <= h->high);
        while (at < count) {
            double low, high;
            sketch_bounds(sketch_key(number(&sorted[at])), &low, &high);
            if (low != h->low || high != h->high)
                break;
            weight += sorted[at++].weight;
        }
        assert_true(weight == h->count);
    }
    assert_int_equal(at, count);
}

static void sketches_match(void **state)
{
    static row rows[ROWS], mine[ROWS];
    uint64_t seed = 3;
    agg_budget budget = budget_of(GIB);
    arena *mem = arena_new(16 * MIB);
    for (int round = 0; round < 24; round++) {
        uint32_t count = round < 8 ? ROWS : 1 + (uint32_t)(check_random(&seed) % 200);
        random_rows(&seed, rows, count, round % 3 == 2);
        for (uint32_t i = 0; i < count && round % 2; i++) { /* as durations are: dense */
            rows[i].is_int = false;
            rows[i].f = exp((double)(check_random(&seed) >> 40) / 0x1p24 * 5);
        }
        agg_states s;
        make_states(&s, AGG_SKETCH, &budget, rows, count, &seed, 1 + (uint32_t)round % 5);
        for (uint32_t c = 0; c < CELLS; c++) {
            uint32_t n = 0;
            uint64_t weight = 0;
            for (uint32_t i = 0; i < count; i++)
                if (rows[i].cell == c && has_number(&rows[i])) {
                    mine[n++] = rows[i];
                    weight += rows[i].weight;
                }
            if (!n) {
                assert_int_equal(value_of(&s, c, CALC_P50, mem).kind, RESULT_NULL);
                assert_int_equal(value_of(&s, c, CALC_HEATMAP, mem).kind, RESULT_NULL);
                continue;
            }
            qsort(mine, n, sizeof *mine, compare_rows);
            assert_true(sketch_weight(&s, c) == weight);
            for (calc_op op = CALC_P001; op <= CALC_P999; op++) {
                double quantile = 0;
                assert_true(calc_op_percentile(op, &quantile));
                result_value v = value_of(&s, c, op, mem);
                assert_int_equal(v.kind, RESULT_NUMBER);
                check_near(v.f, obvious_percentile(mine, n, quantile, weight), 0);
            }
            check_heatmap(&s, c, mine, n, mem);
        }
        agg_states_done(&s);
    }
    assert_int_equal(budget.used_bytes, 0);
    arena_free(mem);
}

static void buckets_are_narrow(void **state)
{
    uint64_t seed = 4;
    for (int i = 0; i < 100000; i++) {
        uint64_t bits = check_random(&seed);
        double v, low, high;
        memcpy(&v, &bits, sizeof v);
        if (!isfinite(v))
            continue;
        sketch_bounds(sketch_key(v), &low, &high);
        assert_true(v > 0                  ? low <= v && (v < high || high == DBL_MAX)
                    : low < v || high == 0 ? v <= high
                                           : v == -DBL_MAX);
        if (fabs(v) > 1e-300)
            assert_true(fabs(low / 2 + high / 2 - v) <= fabs(v) * 0.0079);
    }
    assert_int_equal(sketch_key(0.0), 0);
    assert_int_equal(sketch_key(-0.0), 0);
    assert_int_equal(sketch_key(-5.0), -sketch_key(5.0));
    assert_true(sketch_key(1.0) == (1023 << 6) + 1);
}

/* Many small groups must not cost windows; strays far from the rest must not make one wide. */
static void sketches_stay_small(void **state)
{
    agg_budget budget = budget_of(64 * MIB);
    agg_states s;
    agg_states_init(&s, AGG_SKETCH, &RANGE, &budget);
    assert_true(agg_states_grow(&s, 10000));
    uint64_t seed = 5;
    for (uint32_t i = 0; i < 100000; i++) {
        double v = exp((double)(check_random(&seed) >> 40) / 0x1p24 * 10);
        agg_update(
            &s,
            &(agg_run){.count = 1, .one_cell = i % 10000, .kind = AGG_VALUES_FLOATS, .floats = &v});
    }
    assert_true(budget.used_bytes < 5 * MIB);
    for (uint32_t i = 0; i < 100000; i++) {
        double v = i % 10 == 0   ? 0
                   : i % 10 == 1 ? -1e200
                                 : exp((double)(check_random(&seed) >> 40) / 0x1p24 * 10);
        agg_update(&s, &(agg_run){.count = 1, .kind = AGG_VALUES_FLOATS, .floats = &v});
    }
    assert_true(budget.used_bytes < 5 * MIB + 32 * KIB);
    agg_states_done(&s);
}

/* With very many cells values are only noted; two workers' notes, joined in another order of cells and settled, answer as
 * if each cell had been alone. */
static void noted_values_match(void **state)
{
    enum { MANY = 20000, FEW = 900, VALUES = 120000 };
    agg_budget budget = budget_of(64 * MIB);
    agg_states part[2], all, alone;
    arena *mem = arena_new(4 * MIB);
    uint32_t *to = calloc(MANY, sizeof *to), *cells = calloc(VALUES, sizeof *cells);
    double *values = calloc(VALUES, sizeof *values);
    uint64_t seed = 11;
    assert_true(to && cells && values);
    for (uint32_t i = 0; i < MANY; i++)
        to[i] = MANY - 1 - i;
    to[77] = AGG_NO_CELL;
    for (uint32_t i = 0; i < 2; i++) {
        agg_states_init(&part[i], AGG_SKETCH, &RANGE, &budget);
        assert_true(agg_states_grow(&part[i], i ? FEW : MANY)); /* the smaller counts in windows */
    }
    agg_states_init(&all, AGG_SKETCH, &RANGE, &budget);
    assert_true(agg_states_grow(&all, MANY));
    for (uint32_t i = 0; i < VALUES; i++) {
        uint64_t r = check_random(&seed);
        cells[i] = i % 3 == 0 ? (uint32_t)(r % 4) : (uint32_t)(r % FEW);
        if (i % 2 == 0 && i % 3)
            cells[i] = (uint32_t)(r % MANY);
        values[i] = i % 50 ? exp((double)(r >> 40) / 0x1p24 * 9) - 3 : i % 100 ? 0 : -1e99;
        agg_update(&part[i % 2], &(agg_run){.count = 1,
                                            .one_cell = cells[i],
                                            .weights = i % 7 ? NULL : &(uint32_t){1 + i % 3},
                                            .kind = AGG_VALUES_FLOATS,
                                            .floats = &values[i]});
    }
    agg_merge_all(&all, &part[0], to);
    agg_merge_all(&all, &part[1], to);
    assert_true(agg_has_notes(&all));
    assert_true(agg_settle(&all));
    for (uint32_t c = 0; c < MANY; c += c < 8 ? 1 : 311) {
        agg_states_init(&alone, AGG_SKETCH, &RANGE, &budget);
        assert_true(agg_states_grow(&alone, 1));
        for (uint32_t i = 0; i < VALUES; i++)
            if (cells[i] == c && c != 77)
                agg_update(&alone, &(agg_run){.count = 1,
                                              .weights = i % 7 ? NULL : &(uint32_t){1 + i % 3},
                                              .kind = AGG_VALUES_FLOATS,
                                              .floats = &values[i]});
        static const calc_op ops[] = {CALC_P001, CALC_P10, CALC_P50, CALC_P99, CALC_HEATMAP};
        for (size_t o = 0; o < COUNT_OF(ops); o++) {
            result_value a = value_of(&all, MANY - 1 - c, ops[o], mem);
            result_value b = value_of(&alone, 0, ops[o], mem);
            assert_int_equal(a.kind, b.kind);
            if (a.kind == RESULT_NUMBER)
                assert_true(a.f == b.f);
            for (uint32_t i = 0; a.kind == RESULT_HEATMAP && i < a.heatmap.count; i++)
                assert_true(a.heatmap.count == b.heatmap.count &&
                            a.heatmap.cells[i].low == b.heatmap.cells[i].low &&
                            a.heatmap.cells[i].count == b.heatmap.cells[i].count);
        }
        assert_true(sketch_weight(&all, MANY - 1 - c) == sketch_weight(&alone, 0));
        agg_states_done(&alone);
    }
    agg_states_done(&all);
    agg_states_done(&part[0]);
    agg_states_done(&part[1]);
    assert_true(budget.used_bytes == 0);
    arena_free(mem);
    free(to);
    free(cells);
    free(values);
}

static void counts_overflow_into_the_list(void **state)
{
    agg_budget budget = budget_of(MIB);
    agg_states s;
    agg_states_init(&s, AGG_SKETCH, &RANGE, &budget);
    assert_true(agg_states_grow(&s, 1));
    arena *mem = arena_new(MIB);
    double values[64];
    uint32_t weights[64];
    for (int i = 0; i < 64; i++) {
        values[i] = 100 + i % 32;
        weights[i] = UINT32_MAX - (uint32_t)i;
    }
    uint64_t total = 0;
    for (int round = 0; round < 100; round++) {
        agg_update(
            &s, &(agg_run){
                    .count = 64, .weights = weights, .kind = AGG_VALUES_FLOATS, .floats = values});
        for (int i = 0; i < 64; i++)
            total += weights[i];
    }
    result_value v = value_of(&s, 0, CALC_HEATMAP, mem);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < v.heatmap.count; i++)
        sum += v.heatmap.cells[i].count;
    assert_true(sum == total);
    agg_states_done(&s);
    arena_free(mem);
}

/* Weights up to a counter's end and runs over several cells, whose sums are made late; zeros and negative numbers among them. */
static void sums_made_late_are_whole(void **state)
{
    enum { ROWS_OF_RUN = 500 };
    agg_budget budget = budget_of(4 * MIB);
    agg_states s, part;
    arena *mem = arena_new(MIB);
    uint64_t total[CELLS] = {0}, seed = 3;
    agg_states_init(&s, AGG_SKETCH, &RANGE, &budget);
    agg_states_init(&part, AGG_SKETCH, &RANGE, &budget);
    assert_true(agg_states_grow(&s, CELLS));
    assert_true(agg_states_grow(&part, CELLS));
    for (int round = 0; round < 60; round++) {
        uint32_t cells[ROWS_OF_RUN], weights[ROWS_OF_RUN];
        double values[ROWS_OF_RUN];
        bool is_weighted = round % 3 == 2;
        for (uint32_t i = 0; i < ROWS_OF_RUN; i++) {
            uint64_t r = check_random(&seed);
            cells[i] = (uint32_t)(r >> 32) % CELLS;
            weights[i] = i % 100 ? 1 + i % 9 : UINT32_MAX / (1 + (uint32_t)(r >> 40) % 9);
            values[i] = r % 40 == 0 ? 0 : r % 41 == 0 ? -5 : 100 + (double)(r % 1000);
            total[cells[i]] += is_weighted ? weights[i] : 1;
        }
        agg_update(round % 2 ? &s : &part, &(agg_run){.count = ROWS_OF_RUN,
                                                      .cells = cells,
                                                      .weights = is_weighted ? weights : NULL,
                                                      .kind = AGG_VALUES_FLOATS,
                                                      .floats = values});
        if (round % 7 == 6) {
            agg_merge_all(&s, &part, NULL);
            agg_states_done(&part);
            agg_states_init(&part, AGG_SKETCH, &RANGE, &budget);
            assert_true(agg_states_grow(&part, CELLS));
        }
    }
    agg_merge_all(&s, &part, NULL);
    assert_true(agg_settle(&s));
    for (uint32_t c = 0; c < CELLS; c++) {
        result_value v = value_of(&s, c, CALC_HEATMAP, mem);
        uint64_t sum = 0;
        for (uint32_t i = 0; i < v.heatmap.count; i++)
            sum += v.heatmap.cells[i].count;
        assert_true(sum == total[c]);
        assert_true(sketch_weight(&s, c) == total[c]);
        assert_true(v.heatmap.cells[0].high <= -5 && v.heatmap.cells[1].high == 0);
    }
    agg_states_done(&s);
    agg_states_done(&part);
    assert_int_equal(budget.used_bytes, 0);
    arena_free(mem);
}

static int64_t distinct_of(uint64_t *seed, uint32_t distinct, uint32_t pieces, agg_budget *budget,
                           bool *ret_is_estimate)
{
    agg_states s;
    agg_states_init(&s, AGG_DISTINCT, &RANGE, budget);
    assert_true(agg_states_grow(&s, 1));
    for (uint32_t p = 0; p < pieces; p++) {
        agg_states part;
        agg_states_init(&part, AGG_DISTINCT, &RANGE, budget);
        assert_true(agg_states_grow(&part, 1));
        for (uint32_t i = 0; i < distinct; i++) {
            /* Each value falls into one piece surely and into others by chance. */
            if (i % pieces != p && check_random(seed) % 3)
                continue;
            char text[16];
            uint64_t h =
                i == 0 ? 0 : hash64(span_of(text, (size_t)snprintf(text, sizeof text, "v%u", i)));
            agg_update(&part, &(agg_run){.count = 1, .kind = AGG_VALUES_HASHES, .hashes = &h});
        }
        agg_merge(&s, 0, &part, 0);
        agg_states_done(&part);
    }
    result_value v = value_of(&s, 0, CALC_COUNT_DISTINCT, NULL);
    assert_int_equal(v.kind, RESULT_INT);
    *ret_is_estimate = agg_is_estimate(&s, 0);
    agg_states_done(&s);
    return v.i;
}

static void distinct_is_exact_then_close(void **state)
{
    static const uint32_t counts[] = {0,
                                      1,
                                      7,
                                      100,
                                      AGG_DISTINCT_EXACT - 1,
                                      AGG_DISTINCT_EXACT,
                                      AGG_DISTINCT_EXACT + 1,
                                      5000,
                                      20000,
                                      41000,
                                      60000,
                                      200000};
    agg_budget budget = budget_of(GIB);
    uint64_t seed = 6;
    for (size_t k = 0; k < COUNT_OF(counts); k++) {
        bool is_estimate;
        int64_t first = distinct_of(&seed, counts[k], 1, &budget, &is_estimate);
        assert_true(is_estimate == (counts[k] > AGG_DISTINCT_EXACT));
        if (is_estimate)
            check_near((double)first, counts[k], counts[k] * 0.03);
        else
            assert_int_equal(first, counts[k]);
        for (uint32_t pieces = 2; pieces < 6; pieces++)
            assert_int_equal(distinct_of(&seed, counts[k], pieces, &budget, &is_estimate), first);
    }
    assert_int_equal(budget.used_bytes, 0);
}

/* Overlap of [t, t + ns) with bucket b, one bucket at a time. */
static void concurrency_matches(void **state)
{
    const agg_buckets buckets = {1000, 10500, 1000, 10};
    agg_budget budget = budget_of(MIB);
    uint64_t seed = 7;
    agg_states s;
    agg_states_init(&s, AGG_CONCURRENCY, &buckets, &budget);
    assert_true(agg_states_grow(&s, 20));
    __int128 want[10] = {0};
    bool has[10] = {0};
    for (int i = 0; i < 500; i++) {
        int64_t t = 1000 + (int64_t)(check_random(&seed) % 9500),
                ns = (int64_t)(check_random(&seed) % 4000) - 50;
        double ms = i % 50 == 0 ? NAN : i % 50 == 1 ? 1e18 : (double)ns / 1e6;
        uint32_t w = 1 + (uint32_t)(check_random(&seed) % 5),
                 cell = 10 + (uint32_t)((t - 1000) / 1000);
        ns = i % 50 == 1 ? 20000 : ns;
        agg_update(&s, &(agg_run){.count = 1,
                                  .one_cell = cell,
                                  .weights = &w,
                                  .kind = AGG_VALUES_FLOATS,
                                  .floats = &ms,
                                  .times_ns = &t});
        if (isnan(ms) || ns < 0)
            continue;
        for (int b = 0; b < 10; b++) {
            int64_t low = 1000 + b * 1000, high = b == 9 ? 10500 : low + 1000;
            int64_t from = t > low ? t : low, until = t + ns < high ? t + ns : high;
            has[b] |= from < until || (t >= low && t < high);
            want[b] += from < until ? (until - from) * w : 0;
        }
    }
    for (uint32_t b = 0; b < 10; b++) {
        result_value v;
        assert_true(agg_is_empty(&s, b));
        assert_true(agg_is_empty(&s, 10 + b) == !has[b]);
        agg_rule_of(CALC_CONCURRENCY)
            ->finish(&s, 10 + b, CALC_CONCURRENCY, b == 9 ? 500 : 1000, NULL, &v);
        check_near(v.f, (double)want[b] / (b == 9 ? 500 : 1000), 0);
    }
    agg_states_done(&s);
}

static void histograms_act_as_their_values(void **state)
{
    double bounds[] = {10, 20};
    uint64_t counts[] = {3, 5, 2};
    histogram h = {.kind = HISTOGRAM_EXPLICIT,
                   .count = 10,
                   .bound_count = 2,
                   .count_count = 3,
                   .bounds = bounds,
                   .counts = counts};
    buf bytes;
    buf_init(&bytes, KIB);
    histogram_encode(&h, &bytes);
    agg_budget budget = budget_of(MIB);
    arena *mem = arena_new(MIB);
    agg_states s;
    agg_states_init(&s, AGG_SKETCH, &RANGE, &budget);
    assert_true(agg_states_grow(&s, 1));
    agg_update_histogram(&s, 0, 4, buf_span(&bytes));
    assert_int_equal(sketch_weight(&s, 0), 40);
    result_value v = value_of(&s, 0, CALC_HEATMAP, mem);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < v.heatmap.count; i++)
        sum += v.heatmap.cells[i].count;
    assert_int_equal(sum, 40);
    agg_states_done(&s);
    agg_states_init(&s, AGG_SUM, &RANGE, &budget);
    assert_true(agg_states_grow(&s, 1));
    agg_update_histogram(&s, 0, 4, buf_span(&bytes));
    assert_int_equal(value_of(&s, 0, CALC_AVG, mem).kind, RESULT_NUMBER);
    agg_states_done(&s);
    agg_states_init(&s, AGG_CONCURRENCY, &RANGE, &budget);
    assert_true(agg_states_grow(&s, 1));
    agg_update_histogram(&s, 0, 4, buf_span(&bytes));
    assert_true(agg_is_empty(&s, 0));
    agg_states_done(&s);
    buf_done(&bytes);
    arena_free(mem);
}

static void rates_subtract(void **state)
{
    result_value null = {.kind = RESULT_NULL}, five = {.kind = RESULT_INT, .i = 5},
                 low = {.kind = RESULT_INT, .i = INT64_MIN};
    result_value half = {.kind = RESULT_NUMBER, .f = 0.5},
                 huge = {.kind = RESULT_NUMBER, .f = DBL_MAX};
    result_value less = {.kind = RESULT_NUMBER, .f = -DBL_MAX};
    assert_int_equal(agg_rate(null, five).kind, RESULT_NULL);
    assert_int_equal(agg_rate(five, null).kind, RESULT_NULL);
    assert_true(agg_rate(five, five).kind == RESULT_INT && agg_rate(five, five).i == 0);
    assert_true(agg_rate(five, low).kind == RESULT_NUMBER && agg_rate(five, low).f == 0x1p63);
    assert_true(agg_rate(five, half).kind == RESULT_NUMBER && agg_rate(five, half).f == 4.5);
    assert_int_equal(agg_rate(huge, less).kind, RESULT_NULL);
}

static void budget_is_kept(void **state)
{
    static row rows[ROWS];
    uint64_t seed = 8;
    random_rows(&seed, rows, ROWS, true);
    for (agg_family f = 0; f < AGG_FAMILY_COUNT; f++) {
        agg_budget budget = budget_of(f == AGG_SKETCH ? 2000 : 500);
        agg_states s;
        agg_states_init(&s, f, &RANGE, &budget);
        if (f == AGG_SKETCH && agg_states_grow(&s, CELLS)) {
            feed(&s, rows, 0, ROWS, false);
            assert_int_equal(budget.failed, SK_TOO_LARGE);
        }
        assert_false(agg_states_grow(&s, 1000));
        assert_int_equal(budget.failed, SK_TOO_LARGE);
        agg_states_done(&s);
        assert_int_equal(budget.used_bytes, 0);
    }
}

static void a_budget_takes_from_the_account(void **state)
{
    memory *m = memory_new(6 * MIB); /* five of which questions may have */
    agg_budget budget = {.max_bytes = GIB, .account = m};
    void *small = agg_alloc(&budget, 100), *large = agg_alloc(&budget, 4 * MIB);
    assert_true(small && large);
    assert_true(memory_used(m, MEMORY_QUERY) >= budget.used_bytes);
    agg_free(&budget, large, 4 * MIB);
    assert_true(memory_used(m, MEMORY_QUERY) < MIB); /* not kept until the query's end */
    assert_null(agg_alloc(&budget, 5 * MIB));
    err e = {0};
    assert_int_equal(finish_budget_error(&budget, &e), SK_NO_MEMORY);
    assert_non_null(strstr(e.text, "--memory-max"));
    agg_free(&budget, small, 100);
    agg_budget_done(&budget);
    assert_int_equal(memory_used(m, MEMORY_QUERY), 0);
    memory_free(m);
}

static void allocations_may_fail(void **state)
{
    static row rows[ROWS];
    uint64_t seed = 9;
    random_rows(&seed, rows, ROWS, false);
    static const agg_family families[] = {AGG_SKETCH, AGG_DISTINCT};
    for (size_t k = 0; k < COUNT_OF(families); k++)
        EACH_ALLOC_FAILURE(n)
        {
            agg_budget budget = budget_of(GIB);
            agg_states s, t;
            agg_states_init(&s, families[k], &RANGE, &budget);
            agg_states_init(&t, families[k], &RANGE, &budget);
            if (agg_states_grow(&s, CELLS) && agg_states_grow(&t, CELLS)) {
                if (families[k] == AGG_SKETCH)
                    feed(&s, rows, 0, 300, false);
                for (uint64_t i = 0; i < 5000 && families[k] == AGG_DISTINCT; i++)
                    agg_update(&s, &(agg_run){.count = 1,
                                              .kind = AGG_VALUES_HASHES,
                                              .hashes = &(uint64_t){hash_mix(i)}});
                for (uint32_t c = 0; c < CELLS; c++)
                    agg_merge(&t, c, &s, c);
            }
            assert_true((budget.failed == SK_NO_MEMORY) == alloc_did_fail());
            agg_states_done(&s);
            agg_states_done(&t);
            assert_int_equal(budget.used_bytes, 0);
        }
}

TEST_GROUP(query_aggregate, TEST(sums_match), TEST(small_sums_are_exact), TEST(extremes_match),
           TEST(sketches_match), TEST(buckets_are_narrow), TEST(sketches_stay_small),
           TEST(noted_values_match), TEST(counts_overflow_into_the_list),
           TEST(sums_made_late_are_whole), TEST(distinct_is_exact_then_close),
           TEST(concurrency_matches), TEST(histograms_act_as_their_values), TEST(rates_subtract),
           TEST(budget_is_kept), TEST(a_budget_takes_from_the_account), TEST(allocations_may_fail));
