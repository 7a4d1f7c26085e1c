/*
 * query/spec.h: what was asked: Honeycomb's query spec (honeycomb.md §4.2) as a tree, from and to its JSON and from and
 * to the text form. Both forms are lossless: spec → text → spec and spec → JSON → spec give equal trees
 * (normal form: no empty lists, AND left out, OR only between two or more filters). The dataset is not part of
 * Honeycomb's JSON: it travels beside it. Everything lives in the caller's arena.
 *
 * Text form (DESIGN §4; grammar in docs/query-text.md):
 *   COUNT, P90(duration_ms) FROM "backend-flask" WHERE duration_ms > 50 AND user.id exists GROUP BY http.route
 *   HAVING COUNT > 10 ORDER BY COUNT DESC LIMIT 20 SINCE 2h
 * No FROM = __all__. Times: SINCE 2h | SINCE <RFC 3339 | unix s> [UNTIL … | FOR 2h] | UNTIL … [FOR 2h]; EVERY 60s =
 * granularity; COMPARE 24h; WHERE with OR all through = filter_combination OR; mixing AND and OR is refused by name.
 */
#ifndef QUERY_SPEC_H
#define QUERY_SPEC_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "event/batch.h"

/* One row each in query/ops.c: name, and whether it takes a column. */
typedef enum calc_op {
    CALC_COUNT,
    CALC_CONCURRENCY,
    CALC_SUM,
    CALC_AVG,
    CALC_COUNT_DISTINCT,
    CALC_MAX,
    CALC_MIN,
    CALC_P001,
    CALC_P01,
    CALC_P05,
    CALC_P10,
    CALC_P20,
    CALC_P25,
    CALC_P50,
    CALC_P75,
    CALC_P80,
    CALC_P90,
    CALC_P95,
    CALC_P99,
    CALC_P999,
    CALC_HEATMAP,
    CALC_RATE_AVG,
    CALC_RATE_SUM,
    CALC_RATE_MAX,
    CALC_OP_COUNT
} calc_op;

typedef enum filter_op {
    FILTER_EQ,
    FILTER_NE,
    FILTER_GT,
    FILTER_GE,
    FILTER_LT,
    FILTER_LE,
    FILTER_STARTS_WITH,
    FILTER_NOT_STARTS_WITH,
    FILTER_ENDS_WITH,
    FILTER_NOT_ENDS_WITH,
    FILTER_CONTAINS,
    FILTER_NOT_CONTAINS,
    FILTER_EXISTS,
    FILTER_NOT_EXISTS,
    FILTER_IN,
    FILTER_NOT_IN,
    FILTER_OP_COUNT
} filter_op;

const char *calc_op_name(calc_op op);     /* "P90" */
const char *filter_op_name(filter_op op); /* "does-not-contain" */
bool calc_op_parse(span name, calc_op *ret);
bool filter_op_parse(span name, filter_op *ret);
bool calc_op_percentile(calc_op op, double *ret_quantile); /* P999 → 0.999 */

typedef enum calc_column { CALC_COLUMN_NONE, CALC_COLUMN_OPTIONAL, CALC_COLUMN_NEEDED } calc_column;
calc_column calc_op_column(calc_op op);
bool filter_op_is_negative(filter_op op); /* also matches rows without the field */
bool filter_op_is_order(filter_op op);    /* < <= > >= */

#define SPEC_LIST_MAX   100u /* calculations, filters, breakdowns, orders, havings: each */
#define SPEC_TIME_MAX_S ((int64_t)9200000000) /* within what 64 bits of ns can hold */

typedef struct spec_filter {
    span column;
    filter_op op;
    uint32_t value_count; /* 0 for exists; 1; any for in */
    value *values;
} spec_filter;

typedef struct spec_calc {
    calc_op op;
    span column; /* at == NULL: none */
} spec_calc;

typedef struct spec_order {
    bool has_op;
    calc_op op;
    span column; /* a breakdown when !has_op; else the op's column or NULL */
    bool descending;
} spec_order;

typedef struct spec_having {
    calc_op op;
    span column;
    filter_op compare; /* EQ NE GT GE LT LE */
    double value;
} spec_having;

typedef struct query_spec {
    span dataset; /* at == NULL: __all__ */
    spec_calc *calcs;
    uint32_t calc_count;
    spec_filter *filters;
    uint32_t filter_count;
    bool filters_or;
    span *breakdowns;
    uint32_t breakdown_count;
    spec_order *orders;
    uint32_t order_count;
    spec_having *havings;
    uint32_t having_count;
    uint32_t limit; /* 0 = default */
    bool has_start, has_end, has_range;
    int64_t start_s, end_s; /* unix seconds (text form keeps whole seconds too) */
    int64_t range_s;
    int64_t granularity_s;    /* 0 = auto */
    int64_t compare_offset_s; /* 0 = none */
} query_spec;

/* The spec's JSON object. Unknown keys are refused by name; those of later issues (calculated_fields, formulas)
 * with a sentence that says so. */
sk_code spec_from_json(span json_text, arena *mem, query_spec *ret, err *e) must_use;
void spec_to_json(const query_spec *s, buf *out);
/* Errors carry the offset in the text and what was expected there. */
sk_code spec_from_text(span text, arena *mem, query_spec *ret, err *e) must_use;
void spec_to_text(const query_spec *s, buf *out);

bool spec_equal(const query_spec *a, const query_spec *b); /* the same tree, dataset included */
/* A copy whose lists and texts all live in `mem`. */
sk_code spec_copy(const query_spec *s, arena *mem, query_spec *ret, err *e) must_use;

#endif
