/*
 * engine/engine.h: the door: what keeps events and answers plans. `local` is our store; `model` (tests/model) is slow and
 * obvious; a cluster comes later. Nothing above may know which one answers; one suite runs against all.
 *
 * All calls are thread-safe. Results live in the arena given. Cancelling: *cancel becomes true (another thread) → the
 * call ends within 50 ms with SK_CANCELLED.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <stdatomic.h>

#include "base/hash.h"
#include "event/tree.h"
#include "query/differences.h"
#include "query/result.h"

typedef struct engine engine;

typedef struct publish {
    uint32_t environment;
    uint64_t seq;
    hash128 body_hash;
    batch *take_batch;
} publish;

typedef struct run_control {
    const atomic_bool *cancel; /* may be NULL */
    int64_t deadline_mono_ns;  /* 0 = none: SK_TIMEOUT */
    /* Progress, at most every 100 ms, from the calling thread; `partial` (may be NULL) is valid during the call. */
    void (*progress)(void *ctx, uint64_t rows_scanned, uint64_t rows_total, const result *partial);
    void *ctx;
} run_control;

/* ---- trace by id ---- */
typedef struct trace_row {
    int64_t time_ns;
    uint32_t rate;
    span dataset;
    uint64_t span_id, parent_id;
    uint32_t field_count; /* named fields, without ids; ordered by name */
    const span *names;
    const value *values;
    uint32_t node; /* index into tree.nodes (the same as the row's index) */
} trace_row;

typedef struct trace_result {
    trace_id id;
    /* Spans, span events, links, logs, metric points: by time, then span id, parent id, dataset and content. Repeats of a
     * span (a span id, and all else equal, sample rate too) are folded into one. */
    uint32_t row_count;
    const trace_row *rows;
    uint32_t folded_rows;
    uint32_t damaged_blocks; /* left out */
    tree tree;               /* over all rows; annotations have no place in its order */
} trace_result;

/* ---- rows ---- */
/* The rows that pass a plan's filters in its time, as they were sent: the newest first, or the oldest. A page holds `limit` rows
 * and all others of the last one's time, so that the next begins at another time: it cannot lose or repeat a row. */
#define ROWS_LIMIT_MAX 10000u
#define ROWS_TIES_MAX  10000u /* of one time beyond the limit */

typedef struct rows_query {
    const plan *plan; /* its filters, dataset and time */
    uint32_t limit;
    bool is_oldest_first;
} rows_query;

typedef struct event_row {
    int64_t time_ns;
    uint32_t rate;
    span dataset;
    trace_id trace;
    uint64_t span_id, parent_id;
    uint32_t field_count; /* named fields, without ids and derived ones, in no order */
    const span *names;
    const value *values;
} event_row;

typedef struct rows_result {
    uint32_t row_count;
    const event_row *rows;
    bool is_full;      /* there may be more, at times beyond the last row's */
    uint64_t left_out; /* rows of the last time past ROWS_TIES_MAX */
    uint64_t rows_scanned;
    uint32_t damaged_blocks; /* left out */
} rows_result;

/* ---- service map ---- */
typedef struct map_node {
    span name;
    const char *kind; /* "service", "database", "messaging", "external", "client" (browser, user) */
    uint64_t count, errors; /* weighted: spans that enter it */
    double p50_ms, p95_ms;
} map_node;

typedef struct map_edge {
    uint32_t from, to; /* nodes */
    const char *kind;  /* "call", "database", "messaging", "external" */
    uint64_t count, errors;
    double p50_ms, p95_ms;
    uint64_t wait_count; /* weighted: consumers whose links tell when their messages were sent */
    double wait_p50_ms, wait_p95_ms;
} map_edge;

typedef struct service_map {
    uint32_t node_count, edge_count;
    const map_node *nodes;   /* by name */
    const map_edge *edges;   /* by from, to, kind */
    uint32_t damaged_blocks; /* left out */
} service_map;

/* ---- fields ---- */
/* Fields of the rows in [start, end) that a query would read (query/aggregate/aggregate.h "families"). The id fields are
 * listed as strings when a row has them, without top values. Counts are weighted by sample rate. */
typedef struct field_top {
    value value;    /* one canonical text; a number (or bool) when any row held one */
    uint64_t count; /* weighted */
} field_top;

typedef struct field_info {
    span name;
    uint32_t types; /* bit per field_type */
    uint64_t count; /* rows that have it, weighted by sample rate */
    uint32_t top_count;
    const field_top *top; /* the most frequent values of the rows looked at, at most `top_max` */
} field_info;

typedef struct fields_query {
    span dataset; /* at == NULL: all */
    int64_t start_ns, end_ns;
    span prefix;      /* only names that start so */
    uint32_t top_max; /* 0: no values */
    uint32_t limit;   /* of fields, the first by name; 0: all */
} fields_query;

typedef struct fields_result {
    uint32_t count;
    const field_info *fields; /* by name */
    /* Every dataset with rows in [start, end), of all families, whatever dataset and prefix were asked. */
    uint32_t dataset_count;
    const span *datasets;         /* by name */
    const uint64_t *dataset_rows; /* weighted */
    bool is_sampled;              /* top values come from a sample of the blocks */
    uint32_t damaged_blocks;      /* left out */
} fields_result;

typedef struct drop_query { /* exactly one of the forms */
    uint32_t environment;
    span dataset;      /* at == NULL: all */
    int64_t before_ns; /* 0 = not by time */
} drop_query;

typedef struct engine_stats {
    uint64_t rows /* all, open ones included */, open_rows, segments, disk_bytes, open_bytes,
        damaged_segments, unsealed_bytes, seals, merges;
    uint64_t rows_dropped_retention, rows_dropped_disk_max;
    int64_t oldest_ns, newest_ns;
} engine_stats;

typedef struct engine_ops {
    const char *name;
    sk_code (*publish)(engine *e, const publish *p, err *er);
    sk_code (*run)(engine *e, uint32_t environment, const plan *p, const run_control *c, arena *mem,
                   result *ret, err *er);
    sk_code (*trace)(engine *e, uint32_t environment, trace_id id, int64_t start_ns, int64_t end_ns,
                     arena *mem, trace_result *ret, err *er);
    sk_code (*rows)(engine *e, uint32_t environment, const rows_query *q, const run_control *c,
                    arena *mem, rows_result *ret, err *er);
    sk_code (*service_map)(engine *e, uint32_t environment, const plan *p, const run_control *c,
                           arena *mem, service_map *ret, err *er);
    sk_code (*fields)(engine *e, uint32_t environment, const fields_query *q, arena *mem,
                      fields_result *ret, err *er);
    sk_code (*differences)(engine *e, uint32_t environment, const differences_query *q,
                           const run_control *c, arena *mem, differences_result *ret, err *er);
    sk_code (*drop)(engine *e, const drop_query *q, err *er);
    sk_code (*settle)(engine *e,
                      err *er); /* seal and merge what is due, now: benches, tests, shutdown */
    void (*stats)(engine *e, uint32_t environment, engine_stats *ret); /* environment 0 = all */
    void (*close)(engine *take_e);
} engine_ops;

struct engine { /* first member of every engine */
    const engine_ops *ops;
};

/* Calls through the door: engine_run(e, …) is e->ops->run(e, …), with checks that hold for every engine. */
sk_code engine_publish(engine *e, const publish *p, err *er) must_use;
sk_code engine_run(engine *e, uint32_t environment, const plan *p, const run_control *c, arena *mem,
                   result *ret, err *er) must_use;
/* SK_NOT_FOUND when no row has the id. start/end 0 = no bound. */
sk_code engine_trace(engine *e, uint32_t environment, trace_id id, int64_t start_ns, int64_t end_ns,
                     arena *mem, trace_result *ret, err *er) must_use;
sk_code engine_rows(engine *e, uint32_t environment, const rows_query *q, const run_control *c,
                    arena *mem, rows_result *ret, err *er) must_use;
/* Of the plan count its time and `related` alone, as traces_plan makes it: rows of other traces are not looked at. */
sk_code engine_service_map(engine *e, uint32_t environment, const plan *p, const run_control *c,
                           arena *mem, service_map *ret, err *er) must_use;
sk_code engine_fields(engine *e, uint32_t environment, const fields_query *q, arena *mem,
                      fields_result *ret, err *er) must_use;
/* What sets the selected rows apart from those of the baseline: docs/internals/differences.md. No progress is reported. */
sk_code engine_differences(engine *e, uint32_t environment, const differences_query *q,
                           const run_control *c, arena *mem, differences_result *ret,
                           err *er) must_use;
sk_code engine_drop(engine *e, const drop_query *q, err *er) must_use;
sk_code engine_settle(engine *e, err *er) must_use;
void engine_stats_get(engine *e, uint32_t environment, engine_stats *ret);
void engine_close(engine *take_e);

#endif
