/*
 * tests/model/model_private.h: what the model keeps, shared by its files.
 */
#ifndef TESTS_MODEL_MODEL_PRIVATE_H
#define TESTS_MODEL_MODEL_PRIVATE_H

#include "base/thread.h"
#include "model.h"

typedef struct model_field {
    span name;
    value v;
} model_field;

typedef struct model_row {
    uint32_t environment;
    family family;
    int64_t time_ns;
    uint32_t rate;
    span dataset;
    trace_id trace;
    uint64_t span_id, parent_id;
    model_field ids[3]; /* the id fields as texts; is_set false when absent */
    uint32_t field_count;
    model_field *fields;
    bool is_dropped;
} model_row;

typedef struct model {
    engine base;
    lock lock;
    arena *mem;
    model_row *rows;
    uint32_t row_count, row_capacity;
} model;

/* By name over ids and named fields. */
value model_get(const model_row *r, span name);
value model_get_text(const model_row *r, const char *name);
span model_text(const model_row *r, const char *name,
                arena *mem); /* canonical; at == NULL when absent or empty */
static inline bool model_sees(const model_row *r, uint32_t environment)
{
    return r->environment == environment && !r->is_dropped;
}

/* ---- what a trace says of its rows (model_spans.c) ---- */
typedef struct model_trace_view model_trace_view;
model_trace_view *model_view_trace(const model *m, uint32_t environment, trace_id id, arena *mem);
/* `t`: the row's trace, NULL when it has none. */
value model_derived(const model_trace_view *t, const model_row *r, plan_derived d, arena *mem);
value model_field_value(const plan *p, const model_trace_view *t, const model_row *r,
                        const plan_field *f, arena *mem);
bool model_passes_related(const plan *p, const model_trace_view *t, const model_row *r, arena *mem);
bool model_matches(const plan_filter *f, value v); /* model_run.c */
/* Views of the traces met so far (model_run.c); room for as many as there are rows. */
typedef struct model_views {
    trace_id *ids;
    model_trace_view **at;
    uint32_t count;
} model_views;
model_views model_views_of(const model *m, arena *mem);
/* NULL: the row has no trace. */
const model_trace_view *model_view_row(const model *m, const model_row *r, model_views *known,
                                       arena *mem);

/* ---- calculations (model_calc.c) ---- */
typedef struct model_pick { /* a row that counts for a query */
    const model_row *row;
    const value *fields; /* of plan.fields */
} model_pick;

typedef struct model_answer {
    result_value v;
    double scale; /* see MODEL_SCALES */
} model_answer;

/* One calculation over the rows of one group whose time is in [from_ns, to_ns); CONCURRENCY looks at all rows. */
model_answer model_calc(const plan *p, const plan_calc *c, const model_pick *const *rows,
                        uint32_t count, int64_t from_ns, int64_t to_ns, arena *mem);
/* How many of the rows, which are in order of time, lie before. */
uint32_t model_rows_before(const model_pick *const *rows, uint32_t count, int64_t time_ns);
/* The same over the whole range, RATE_ from bucket to bucket. Rows in order of time, here and below. */
model_answer model_calc_total(const plan *p, const plan_calc *c, const model_pick *const *rows,
                              uint32_t count, arena *mem);
/* RATE_ of one bucket. */
model_answer model_calc_bucket(const plan *p, const plan_calc *c, const model_pick *const *rows,
                               uint32_t count, uint32_t bucket, arena *mem);
int64_t model_bucket_start(const plan *p, uint32_t bucket);
int64_t model_bucket_end(const plan *p, uint32_t bucket);

/* The weighted percentile of plain numbers; false when there are none. `t`: the quantile in thousandths. */
typedef struct model_number {
    double v;
    uint64_t weight;
} model_number;
bool model_percentile(model_number *numbers, uint32_t count, uint32_t t,
                      double *ret); /* sorts them */

/* ---- the engine's operations ---- */
sk_code model_run(engine *e, uint32_t environment, const plan *p, const run_control *c, arena *mem,
                  result *ret, err *er);
sk_code model_rows(engine *e, uint32_t environment, const rows_query *q, const run_control *c,
                   arena *mem, rows_result *ret, err *er);
sk_code model_trace(engine *e, uint32_t environment, trace_id id, int64_t start_ns, int64_t end_ns,
                    arena *mem, trace_result *ret, err *er);
sk_code model_service_map(engine *e, uint32_t environment, const plan *p, const run_control *c,
                          arena *mem, service_map *ret, err *er);
/* The plan's filters alone; `t` as above. */
bool model_passes(const plan *p, const model_trace_view *t, const model_row *r, arena *mem);
/* Whether a dataset is one of metrics. */
bool model_reads_metrics(const model *m, uint32_t environment, span dataset);
sk_code model_differences(engine *e, uint32_t environment, const differences_query *q,
                          const run_control *c, arena *mem, differences_result *ret, err *er);
sk_code model_fields(engine *e, uint32_t environment, const fields_query *q, arena *mem,
                     fields_result *ret, err *er);

/* Memory of tests never runs short. */
void *model_alloc(arena *mem, size_t count, size_t item_bytes);
#define MODEL_ARRAY(mem, type, count) ((type *)model_alloc((mem), (count), sizeof(type)))

#endif
