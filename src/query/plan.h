/*
 * query/plan.h: a spec, checked and made constant: times resolved, defaults filled, predicates prepared. Immutable
 * after plan_make; every engine runs it. Lives in the arena given to plan_make (texts are copied).
 *
 * Meaning (DESIGN §3, §4):
 *  - `=`, `!=`, in, not-in, text operators and GROUP BY look at a value's canonical text (event/batch.h value_text);
 *    < <= > >= and calculations at its number (value_number). exists is any type.
 *  - Negative operators also match rows without the field.
 *  - A row belongs to [start_ns, end_ns) by its timestamp. Bucket = (time - start_ns) / granularity_ns.
 *  - A breakdown absent on a row is the group "absent" (JSON null), apart from the empty string.
 *  - Which families: a named dataset or __all__ reads trace and log rows; metric rows only when the named dataset is a
 *    metrics one (`families` is then decided by the engine: any rows of that dataset in FAMILY_METRIC, and only if it
 *    has none in the others). COUNT counts rows.
 */
#ifndef QUERY_PLAN_H
#define QUERY_PLAN_H

#include "query/spec.h"

#define PLAN_BUCKETS_MAX      1000u
#define PLAN_LIMIT_DEFAULT    100u /* groups, as Honeycomb's */
#define PLAN_LIMIT_MAX        10000u
#define PLAN_LIMIT_SERIES_MAX 1000u /* when the series is asked for too */
#define PLAN_RANGE_DEFAULT_S  7200

/* A field as asked: the names to try on each row, first that exists wins (more than one only for `semconv.`). */
typedef struct plan_field {
    span name; /* as asked: key of the result */
    uint32_t candidate_count;
    const span *candidates;
} plan_field;

typedef struct plan_filter {
    uint32_t field; /* index into plan.fields */
    filter_op op;
    bool is_negative; /* matches rows without the field */
    uint32_t value_count;
    const span *texts; /* canonical texts of the values */
    bool has_number;   /* for < <= > >= */
    double number;
} plan_filter;

typedef struct plan_calc {
    calc_op op;
    /* Index, or UINT32_MAX when it has no column. CONCURRENCY: the field duration_ms. */
    uint32_t field;
    span result_key; /* "COUNT", "P90(duration_ms)" */
} plan_calc;

typedef struct plan_order {
    bool is_calc;
    uint32_t index; /* of calcs or breakdowns */
    bool descending;
} plan_order;

typedef struct plan_having {
    uint32_t calc;
    filter_op compare;
    double value;
} plan_having;

typedef struct plan {
    query_spec spec; /* as asked, for the reply */
    span dataset;    /* at == NULL: __all__ */
    int64_t start_ns, end_ns, granularity_ns;
    uint32_t bucket_count;
    bool wants_series; /* RATE_* always needs buckets */
    plan_field *fields;
    uint32_t field_count;
    plan_filter *filters;
    uint32_t filter_count;
    bool filters_or;
    uint32_t *breakdowns; /* indexes into fields */
    uint32_t breakdown_count;
    /* The asked ones. A having or order must name one that is present, so there are no hidden ones. */
    plan_calc *calcs;
    uint32_t calc_count;
    plan_order *orders;
    uint32_t order_count;
    plan_having *havings;
    uint32_t having_count;
    uint32_t limit;
} plan;

/* `now_ns` resolves relative times. Errors name the key and what is allowed. */
sk_code plan_make(const query_spec *s, int64_t now_ns, bool wants_series, arena *mem, plan *ret,
                  err *e) must_use;
/* What a filter says of one cell: the meaning all engines must agree with. */
bool plan_filter_matches(const plan_filter *f, value v);

#endif
