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

/* Whose field it is: the row's own, or that of another row of its trace, named by a prefix (docs/internals/structure.md). */
typedef enum plan_relation {
    RELATION_SELF,
    RELATION_ROOT,
    RELATION_PARENT,
    RELATION_CHILD,
    RELATION_ANY,
    RELATION_ANY2,
    RELATION_ANY3,
    RELATION_NONE, /* of no row of the trace: WHERE only */
    RELATION_COUNT
} plan_relation;

/* Fields that nobody sent: what the whole trace says of a span (the same page). */
typedef enum plan_derived {
    DERIVED_NOT,
    DERIVED_SELF_MS,
    DERIVED_GAP_MS,
    DERIVED_DEPTH,
    DERIVED_ROOT_NAME,
    DERIVED_COUNT
} plan_derived;

const char *plan_derived_name(plan_derived d); /* "meta.self_ms" */
bool plan_derived_parse(span name, plan_derived *ret);
span plan_relation_prefix(plan_relation r); /* "root."; of RELATION_SELF empty */
/* Splits a name into whose field it is and the name that row knows it by. */
plan_relation plan_relation_of(span name, span *ret_own);

/* A field as asked: the names to try on each row, first that exists wins (more than one only for `semconv.`). Of another
 * row: the names without the prefix. Of a derived one there is none. */
typedef struct plan_field {
    span name; /* as asked: key of the result */
    plan_relation relation;
    plan_derived derived;
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
    plan_filter *filters; /* of the row's own fields, derived ones too */
    uint32_t filter_count;
    bool filters_or;
    /* Of other rows' fields: those of one relation must hold on one row. All beside `filters`: there is no OR then. */
    plan_filter *related;
    uint32_t related_count;
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
