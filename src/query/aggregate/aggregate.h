/*
 * query/aggregate/aggregate.h: what every calculation means, and the states in which it is
 * computed. One file per family holds all of it (update over runs of values, merge, finish);
 * table.c says which calculation uses which family. Who calls it: query/groups.c owns the states,
 * engine/local feeds runs, query/finish.c turns states into values.
 *
 * Meaning (every engine must agree; bit-identical whatever the layout, split or order of rows,
 * float sums excepted):
 *
 * families
 *    A named dataset or __all__ reads trace and log rows. A named dataset of which the
 *    environment holds metric rows and no trace or log rows (whatever their time) is a metrics
 *    dataset and reads metric rows instead.
 * rows
 *    A row counts when its timestamp is in [start_ns, end_ns), its dataset and family are
 *    asked for, and the filters match. Its weight w is its sample rate (≥ 1). Its bucket is
 *    (time - start_ns) / granularity_ns.
 * a value
 *    of the row's field, if it exists. Its number (value_number): an int, a float, or a string
 *    that is wholly a number; a string's number is a float, also "5". A float that is not
 *    finite has no number. -0.0 is 0.0. A bool has none. A histogram stands for the pairs
 *    (value v, count c) that histogram_each gives: each acts as a float v of weight w *
 *    min(floor(c + 0.5), 2^53); pairs whose v is not finite or whose c < 0.5 are left out.
 *    (Not for CONCURRENCY, where a histogram has no number.) Weighted counts wrap at 2^64.
 * groups
 *    By the tuple of canonical texts (value_text) of the breakdown fields, absent apart from
 *    empty. A key is shown as its text; but as a number when any row that counts held it as an
 *    int or float there, whatever its group, as a bool when one held a bool. As a number: INT when the text is wholly
 *    an i64, else NUMBER; texts of floats that are not finite stay texts. Id fields are
 *    strings. Without breakdowns there is exactly one group, also when no row counts; with
 *    breakdowns only groups that have a row.
 *
 * COUNT
 *    INT: sum of w. COUNT(column): of the rows where it exists (any type). 0 when there are
 *    none.
 * SUM
 *    Sum of w * number. Ints exactly (128 bits), floats apart in compensated doubles. INT when
 *    all contributing values were ints and it fits i64, else NUMBER ((double)ints + floats).
 *    NULL when no value had a number, or when the double is not finite.
 * AVG
 *    NUMBER: that double / (double)(sum of w over values with a number). NULL as SUM.
 * MIN, MAX
 *    Not weighted. INT when all contributing values were ints, else NUMBER, the least /
 *    greatest as doubles. NULL when no value had a number.
 * COUNT_DISTINCT
 *    INT, not weighted: the number of different canonical texts of existing values (any type;
 *    all histograms are the text ""). Texts are told apart by h = hash64(text). Exact while at
 *    most AGG_DISTINCT_EXACT different h were seen in the group (or bucket, or total); beyond
 *    that the HyperLogLog below over the same h. 0 when there are none.
 * P001 … P999
 *    NUMBER: with N = sum of w over values with a number and the quantile in thousandths t
 *    (P99: 990, P999: 999, P001: 1), the bucket where the running weight from the least value
 *    up first reaches rank max(1, ceil(t * N / 1000)), computed in integers; then the middle
 *    of that sketch bucket, clamped to [least, greatest number seen]. Ints as (double). NULL
 *    when N is 0.
 * HEATMAP
 *    The non-empty sketch buckets ascending: low, high and weight. NULL when there are none.
 *    Where a number is needed to order by it: N (NULL when there are none).
 * CONCURRENCY
 *    A row with a finite number d >= 0 in duration_ms spans [t, t + D), D = (int64)(d * 1e6 +
 *    0.5), at most 2^62, cut at end_ns. Per bucket: sum of w * ns of overlap (128 bits), as
 *    double / length of the bucket in ns as double; the last bucket ends at end_ns. Over all:
 *    sum / (end_ns - start_ns). NUMBER. A row contributes to the bucket of its timestamp, also
 *    0 ns, and to each it overlaps. NULL when no row contributes. Only rows whose own
 *    timestamp is in range are looked at. A series point exists also where only CONCURRENCY
 *    has something.
 * RATE_SUM, RATE_AVG, RATE_MAX
 *    Per bucket X(this) - X(previous bucket), NULL for bucket 0 and when either X is NULL.
 *    Over all: X(last bucket where X is not NULL) - X(first such bucket); NULL when there is
 *    none. X is SUM, AVG, MAX of the bucket. INT when both are INT and the difference fits
 *    i64, else NUMBER. NULL when the difference is not finite.
 *
 * sketch
 *    Numbers fall into buckets by the top bits of their IEEE form, 6 bits of mantissa (64 to
 *    the octave, ≤ 0.8 %). v > 0: u = bits(v) >> 46, key u + 1, bounds [double(u << 46),
 *    double((u + 1) << 46)), the uppermost bound DBL_MAX instead of infinity. 0: key 0, bounds
 *    [0, 0]. v < 0 mirrors -v: key -(u + 1), low = -high(-v), high = -low(-v). Middle: low +
 *    (high - low) / 2 of |v|, with the sign.
 * HLL
 *    m = 2^14 registers. Register h >> 50; rank = leading zeros of ((h << 14) | (1 << 13)) +
 *    1, that is 1 … 51; the greatest is kept. With C[k] the number of registers of value k and
 *    q = 50:
 *      z = m * tau(1 - C[q + 1] / m); for k = q … 1: z = 0.5 * (z + C[k]); z += m * sigma(C[0] / m)
 *      estimate = (0.5 / ln 2) * m * m / z, rounded to nearest
 *      sigma(x): inf for x = 1; y = 1, s = x; repeat x *= x, s += x * y, y += y until s stays
 *      tau(x): 0 for x = 0 or 1; y = 1, s = 1 - x; repeat x = sqrt(x), y *= 0.5,
 *              s -= (1 - x)^2 * y until s stays; result s / 3
 *    (O. Ertl, New cardinality estimation algorithms for HyperLogLog sketches, 2017.)
 *
 * HAVING
 *    Compares a group's calculation over all buckets as a double; NULL and HEATMAP match none.
 * total
 *    Each calculation over all groups before HAVING and LIMIT, as if there were no breakdown.
 * other
 *    The same over the groups that pass HAVING and lie past LIMIT; has_other only when there
 *    is one.
 * group_count
 *    Groups that pass HAVING.
 * series
 *    For each bucket ascending, for each group of `rows` in their order: a point when a row of
 *    the group counts in the bucket (or CONCURRENCY has something there). Only when
 *    plan.wants_series.
 */
#ifndef QUERY_AGGREGATE_AGGREGATE_H
#define QUERY_AGGREGATE_AGGREGATE_H

#include <stdatomic.h>

#include "base/memory.h"
#include "query/result.h"

#define AGG_DISTINCT_EXACT       4096u
#define AGG_SKETCH_MANTISSA_BITS 6

typedef enum agg_family {
    AGG_COUNT,
    AGG_SUM,      /* SUM, AVG */
    AGG_EXTREMES, /* MIN, MAX */
    AGG_DISTINCT,
    AGG_SKETCH, /* percentiles, HEATMAP */
    AGG_CONCURRENCY,
    AGG_FAMILY_COUNT
} agg_family;

/* Bytes of all states of one query, shared by its workers. They are reserved in the account in steps; agg_budget_done
 * gives back the last of them. */
typedef struct agg_budget {
    atomic_size_t used_bytes;
    size_t max_bytes;
    memory *account; /* NULL: none */
    atomic_size_t reserved_bytes;
    atomic_bool has_no_room; /* the account refused, which is an SK_NO_MEMORY */
    atomic_int failed;       /* 0, or the sk_code: SK_TOO_LARGE, SK_NO_MEMORY */
} agg_budget;

/* Nothing is used any more. */
void agg_budget_done(agg_budget *b);

/* Time as buckets see it; bucket_count 1 with the whole range when no buckets are kept. */
typedef struct agg_buckets {
    int64_t start_ns, end_ns, granularity_ns;
    uint32_t count;
} agg_buckets;

/* A run: selected rows of one block that have a value, gathered. Row i adds to the state cells[i]
 * (= group * buckets + bucket), or all to `one_cell` when cells is NULL. */
typedef enum agg_values {
    AGG_VALUES_NONE,
    AGG_VALUES_INTS,
    AGG_VALUES_FLOATS,
    AGG_VALUES_HASHES
} agg_values;

typedef struct agg_run {
    uint32_t count;
    uint32_t one_cell;
    const uint32_t *cells;
    const uint32_t *weights; /* NULL: all 1 */
    agg_values kind;
    union {
        const int64_t *ints;
        const double *floats;   /* may hold values that are not finite */
        const uint64_t *hashes; /* AGG_DISTINCT: hash64 of the canonical text */
    };
    const int64_t *times_ns; /* AGG_CONCURRENCY */
} agg_run;

/* The states of one family for one field: an array indexed by cell. A state of zeros is empty. */
typedef struct agg_states {
    agg_family family;
    agg_budget *budget;
    agg_buckets buckets;
    uint32_t count, capacity; /* cells */
    void *cells;
    void *own;      /* what the family keeps beside its cells */
    uint64_t loose; /* weight that it has counted and not added up yet */
} agg_states;

void agg_states_init(agg_states *s, agg_family f, const agg_buckets *buckets, agg_budget *budget);
void agg_states_done(agg_states *s);
/* At least `count` cells; false: budget.failed says why. */
bool agg_states_grow(agg_states *s, uint32_t count) must_use;
/* All cells named by the run exist. Sticky failure in the budget. */
void agg_update(agg_states *s, const agg_run *r);
/* One histogram value (event/histogram.h bytes) of one row. */
void agg_update_histogram(agg_states *s, uint32_t cell, uint32_t weight, span histogram_bytes);
/* AGG_COUNT alone: rows that were counted elsewhere. */
void agg_count_add(agg_states *s, uint32_t cell, uint64_t weight);
/* After the last update and before any cell is read (finish, agg_merge): what was only noted gets into its cells. False:
 * budget.failed says why. */
bool agg_settle(agg_states *s) must_use;
bool agg_has_notes(const agg_states *s); /* there is something to settle */
/* Adds every cell of `from` (same family) to the cell to[cell] of `into`, which exists; NULL: to the same one; AGG_NO_CELL: to none.
 * Neither need be settled; `from` may be left with less. */
#define AGG_NO_CELL UINT32_MAX
void agg_merge_all(agg_states *into, agg_states *from, const uint32_t *to);
/* Adds a cell of one set of states (same family and buckets), settled, to a cell of another. */
void agg_merge(agg_states *into, uint32_t into_cell, const agg_states *from, uint32_t from_cell);
bool agg_is_empty(const agg_states *s, uint32_t cell);

/* How a calculation is made: its family, and whether it is a rate of it. */
typedef struct agg_rule {
    calc_op op;
    agg_family family;
    bool is_rate;
    /* One cell's value. `length_ns`: of the time the cell covers. */
    void (*finish)(const agg_states *s, uint32_t cell, calc_op op, int64_t length_ns, arena *mem,
                   result_value *ret);
} agg_rule;

const agg_rule *agg_rule_of(calc_op op);
/* X(later) - X(earlier), for RATE_*. */
result_value agg_rate(result_value later, result_value earlier);
/* Whether the cell's answer is an estimate (COUNT_DISTINCT beyond its exact bound). */
bool agg_is_estimate(const agg_states *s, uint32_t cell);

/* ---- the sketch's buckets, for those who need them apart ---- */
int32_t sketch_key(double finite);
void sketch_bounds(int32_t key, double *ret_low, double *ret_high);
uint64_t sketch_weight(const agg_states *s, uint32_t cell); /* N: all that a HEATMAP counts */

/* ---- bytes ---- */
void *agg_alloc(agg_budget *b, size_t bytes) must_use; /* zeroed; NULL: budget.failed is set */
void *agg_realloc(agg_budget *b, void *old, size_t old_bytes,
                  size_t new_bytes) must_use; /* new bytes zeroed */
void agg_free(agg_budget *b, void *take_p, size_t bytes);

#endif
