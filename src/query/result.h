/*
 * query/result.h: the answer to a plan, and its JSON forms. Rows are ordered, limited and filtered by HAVING.
 * Order: the plan's orders; without any, the first calculation descending (HEATMAP: COUNT-like weight), then breakdown
 * values; ties always by breakdown values: absent first, then numbers by value, then text bytewise.
 */
#ifndef QUERY_RESULT_H
#define QUERY_RESULT_H

#include "query/plan.h"

typedef enum result_kind {
    RESULT_NULL,
    RESULT_INT,
    RESULT_NUMBER,
    RESULT_TEXT,
    RESULT_BOOL,
    RESULT_HEATMAP
} result_kind;

typedef struct heatmap_cell {
    double low, high; /* values in [low, high) */
    uint64_t count;   /* weighted */
} heatmap_cell;

typedef struct result_value {
    result_kind kind;
    union {
        int64_t i;
        double f;
        bool b;
        span text;
        struct {
            const heatmap_cell *cells; /* ascending, none empty */
            uint32_t count;
        } heatmap;
    };
} result_value;

/* A group's key as shown: text by canonical text, but a number (or bool) when any row of the group held one. */
typedef struct result_row {
    int64_t time_ns;          /* series: the bucket's start; totals: plan.start_ns */
    const result_value *keys; /* plan.breakdown_count */
    /* plan.calc_count; RESULT_NULL when nothing was there to calculate */
    const result_value *calcs;
} result_row;

typedef struct result {
    const plan *plan;
    result_row *rows; /* one per group */
    uint32_t row_count;
    /* Per bucket (ascending) and group (in the order of rows); only buckets with rows. */
    result_row *series;
    uint32_t series_count;
    bool has_total, has_other;
    const result_value *total; /* per calculation over all groups before HAVING and LIMIT */
    const result_value *other; /* over the groups past LIMIT */
    uint32_t group_count;      /* before LIMIT */
    uint64_t rows_scanned, bytes_read;
    int64_t elapsed_ns;
    bool is_partial; /* streamed before the end */
    /* Sentences: "COUNT_DISTINCT(user.id): ±1.6 % (HyperLogLog, over 4096 values)". */
    const char *const *approximate;
    uint32_t approximate_count;
} result;

/* The order above, for whoever finishes a result: <0, 0, >0 for rows (groups) of one plan. A calculation that is
 * RESULT_NULL counts as less than any number; a HEATMAP as its total weight. Total: 0 only for equal keys. */
int result_compare_rows(const plan *p, const result_row *a, const result_row *b);
/* The same without looking at keys: 0 when only those can tell. */
int result_compare_calcs(const plan *p, const result_row *a, const result_row *b);
/* Breakdown values alone: absent, then numbers by value, then text (and bools, as text) bytewise. */
int result_compare_keys(const plan *p, const result_value *a, const result_value *b);

/* DESIGN §6 `POST /skep/v1/query`: {"data":{"series":[…],"results":[…],"total_by_aggregate"…},"meta":{…}} */
void result_to_json(const result *r, buf *out);
/* The UI's columnar form (?format=columns); docs/openapi.yaml. */
void result_to_columns_json(const result *r, buf *out);

#endif
