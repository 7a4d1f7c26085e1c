/*
 * cli/load/shape.h: the loads of docs/performance.md, seeded: the same seed and start give the same bytes on every machine.
 *
 * A: synthetic spans of about 450 bytes: 14 services, 17 fields, about 11 spans a trace, 200,000 users by Zipf.
 * B: call trees and times of real systems (cli/load/trees.h), 22 fields, with retries, errors, clocks that are off, and spans
 *    that come late or carry a date of hours ago.
 * logs: the lines that the spans of B would write, about 550 bytes each, ids repeated in the text.
 */
#ifndef CLI_LOAD_SHAPE_H
#define CLI_LOAD_SHAPE_H

#include "cli/load/pack.h"

typedef enum load_shape { LOAD_SHAPE_A, LOAD_SHAPE_B, LOAD_SHAPE_LOGS } load_shape;

typedef struct load_plan {
    load_shape shape;
    uint64_t seed, items;        /* whole traces: a few more are made */
    int64_t start_ns, window_ns; /* traces begin spread over it, in the order of the requests */
} load_plan;

bool load_shape_parse(span text, load_shape *ret);
/* Hands requests to the sink in the order in which SDKs would send them. */
sk_code load_generate(const load_plan *plan, load_sink sink, err *e) must_use;

sk_code load_generate_a(const load_plan *plan, load_sink sink, err *e) must_use;
sk_code load_generate_b(const load_plan *plan, load_sink sink, err *e) must_use;
sk_code load_generate_logs(const load_plan *plan, load_sink sink, err *e) must_use;

#define LOAD_USERS 200000u

/* Requests kept in memory. */
typedef struct load_body {
    buf bytes;
    uint32_t items;
} load_body;

typedef struct load_bodies {
    load_body *bodies;
    uint32_t count, capacity;
} load_bodies;

sk_code load_bodies_add(load_bodies *b, span body, uint32_t items, err *e) must_use;
load_sink load_bodies_sink(load_bodies *b);
void load_bodies_done(load_bodies *b);

#endif
