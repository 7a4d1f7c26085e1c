/*
 * cli/load/shape.h: load A (docs/performance.md): seeded synthetic spans of about 450 bytes: 14 services, 17 fields, about 11
 * spans a trace, 200,000 users by Zipf. Requests are shaped as an SDK sends them: one resource, at most 512 spans.
 */
#ifndef CLI_LOAD_SHAPE_H
#define CLI_LOAD_SHAPE_H

#include "base/buf.h"
#include "base/err.h"

typedef struct load_body {
    buf bytes;
    uint32_t spans;
} load_body;

typedef struct load_bodies {
    load_body *bodies;
    uint32_t count, capacity;
    uint64_t spans;
} load_bodies;

#define LOAD_SPANS_PER_BODY 512u
#define LOAD_BASE_NS                                                                               \
    ((int64_t)1700000000 * NS_PER_S) /* times of generated bodies begin here; patching moves them */

/* `window_ns`: the traces' starts are spread over it, in the order of the bodies. */
sk_code load_generate(uint64_t seed, uint64_t spans, int64_t window_ns, load_bodies *ret,
                      err *e) must_use;
void load_bodies_done(load_bodies *b);

#endif
