/*
 * cli/load/flow.h: traces of call trees as a stream of spans in the order in which their SDKs hand them over: by their ends, some
 * of them late. What is made of a span (a span of B, lines of a log) is the caller's.
 */
#ifndef CLI_LOAD_FLOW_H
#define CLI_LOAD_FLOW_H

#include "cli/load/shape.h"
#include "cli/load/trees.h"

#define FLOW_PODS 2u /* of each service */

typedef struct flow_span {
    int64_t ready_ns; /* when its SDK hands it over */
    int64_t start_ns, end_ns;
    uint64_t trace_hi, trace_lo, id, parent;
    uint64_t seed;        /* of whatever else is drawn for it */
    uint32_t user, order; /* of its trace */
    uint16_t op;
    uint16_t sender; /* service * FLOW_PODS + pod */
    uint8_t thread;
    bool is_error, is_retry;
} flow_span;

typedef struct flow {
    const load_plan *plan;
    double items_a_span; /* what `put` makes of one, on average: the plan counts items */
    void (*put)(void *ctx, const flow_span *s);
    bool (*is_over)(void *ctx); /* something failed */
    void *ctx;
} flow;

sk_code flow_run(const flow *f, err *e) must_use;

#endif
