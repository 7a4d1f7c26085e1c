/*
 * serve/stats.c: see stats.h. Called by loops for every reply and by whoever shows the counters.
 * Never: locks.
 */
#include "serve/stats.h"

#include "base/alloc.h"

static const int statuses[SERVE_STATUS_SLOTS - 1] = {200, 201, 202, 204, 206, 301, 302, 304,
                                                     400, 401, 403, 404, 405, 408, 409, 413,
                                                     415, 422, 429, 499, 500, 503, 504};

int serve_status_of_slot(uint32_t slot)
{
    return slot < COUNT_OF(statuses) ? statuses[slot] : 0;
}

bool stats_init(stats *s, size_t row_count)
{
    *s = (stats){.route_count = (uint32_t)row_count + 1};
    s->routes = base_alloc_zero(row_count + 1, sizeof *s->routes);
    return s->routes != NULL;
}

void stats_done(stats *s)
{
    base_free(s->routes);
    s->routes = NULL;
}

static uint32_t latency_bucket(uint64_t us)
{
    uint32_t bucket =
        us <= 1 ? 0 : 64 - (uint32_t)__builtin_clzll(us - 1); /* the least i with us <= 2^i */
    return bucket < SERVE_LATENCY_BUCKETS ? bucket : SERVE_LATENCY_BUCKETS - 1;
}

void stats_count_reply(stats *s, size_t row, int status, int64_t took_ns, uint64_t request_bytes,
                       uint64_t reply_bytes)
{
    route_counters *r = &s->routes[row < s->route_count ? row : s->route_count - 1];
    uint32_t slot = 0;
    while (slot < COUNT_OF(statuses) && statuses[slot] != status)
        slot++;
    uint64_t us = took_ns > 0 ? (uint64_t)(took_ns / NS_PER_US) : 0;
    counter_add(&r->by_status[slot], 1);
    counter_add(&r->latency[latency_bucket(us)], 1);
    counter_add(&r->latency_sum_us, us);
    counter_add(&r->request_bytes, request_bytes);
    counter_add(&r->reply_bytes, reply_bytes);
}
