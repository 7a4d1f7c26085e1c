/*
 * serve/stats.h: the transport's counters: relaxed atomics, figures only. Read through
 * serve_stats_get.
 */
#ifndef SERVE_STATS_H
#define SERVE_STATS_H

#include <stdatomic.h>

#include "serve/serve.h"

typedef _Atomic uint64_t counter;

typedef struct route_counters {
    counter by_status[SERVE_STATUS_SLOTS], latency[SERVE_LATENCY_BUCKETS];
    counter latency_sum_us, request_bytes, reply_bytes;
} route_counters;

typedef struct stats {
    counter connections_accepted, connections_refused, bytes_received, bytes_sent, tls_failures;
    counter protocol_errors, slow_senders, slow_readers, reset_floods, queue_refused[POOL_COUNT];
    _Atomic uint32_t connections_open;
    uint32_t route_count; /* rows plus one */
    route_counters *routes;
} stats;

bool stats_init(stats *s, size_t row_count) must_use;
void stats_done(stats *s);

static inline void counter_add(counter *c, uint64_t by)
{
    atomic_fetch_add_explicit(c, by, memory_order_relaxed);
}
static inline uint64_t counter_read(const counter *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

/* `row` = the row's index, or row_count for none. */
void stats_count_reply(stats *s, size_t row, int status, int64_t took_ns, uint64_t request_bytes,
                       uint64_t reply_bytes);

#endif
