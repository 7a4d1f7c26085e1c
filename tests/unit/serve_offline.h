/*
 * tests/unit/serve_offline.h: a connection without a socket, for tests and fuzzers of the protocols: bytes in by offline_feed,
 * bytes out in `out`. Handlers run where they are dispatched; offline_turn does what the I/O loop would.
 */
#ifndef TESTS_UNIT_SERVE_OFFLINE_H
#define TESTS_UNIT_SERVE_OFFLINE_H

#include "base/must.h"
#include "serve/protocol.h"

typedef struct offline {
    core core;
    services services;
    mailbox box;
    http_address peer, local;
    protocol *p;
    buf out, seen; /* seen: for handlers to write down what reached them */
    int64_t now_ns;
    uint32_t refusals;
    char reason[40]; /* of the last */
} offline;

static void offline_kick(void *ctx)
{
}

static void offline_refused(const services *s, exchange *x, const char *reason, const err *why)
{
    offline *o = s->app;
    o->refusals++;
    span r = span_first(span_text(reason), sizeof o->reason - 1);
    memcpy(o->reason, r.at, r.len);
    o->reason[r.len] = 0;
}

static inline void offline_open(offline *o, const route *routes, size_t route_count,
                                const serve_limits *limits, memory *m, bool is_http2)
{
    *o = (offline){.now_ns = NS_PER_S};
    o->services = (services){.app = o, .memory = m};
    serve_options options = {.routes = routes,
                             .route_count = route_count,
                             .services = &o->services,
                             .refused = offline_refused};
    if (limits)
        options.limits = *limits;
    err e;
    must(core_init(&o->core, &options, &e) == SK_OK);
    mailbox_init(&o->box, NULL, NULL);
    memcpy(o->peer.text, "127.0.0.1:50000", 16);
    memcpy(o->local.text, "127.0.0.1:4318", 15);
    o->peer.is_loopback = o->local.is_loopback = true;
    buf_init(&o->out, 256 * MIB);
    buf_init(&o->seen, 256 * MIB);
    protocol_host host = {
        .from = {.core = &o->core, .home = &o->box, .peer = &o->peer, .local = &o->local},
        .kick = offline_kick,
        .ctx = o};
    o->p = is_http2 ? http2_new(&host, o->now_ns) : http1_new(&host);
    must(o->p != NULL);
}

/* Runs what was posted and collects output until nothing more happens. */
static inline void offline_turn(offline *o)
{
    size_t before;
    do {
        before = o->out.len;
        uint32_t ran = mailbox_run(&o->box);
        buf slice;
        buf_init(&slice, 64 * MIB);
        o->p->ops->pump(o->p, &slice);
        buf_add_span(&o->out, buf_span(&slice));
        buf_done(&slice);
        before -= ran > 0; /* once more */
    } while (o->out.len != before);
}

static inline void offline_feed(offline *o, span bytes)
{
    if (!o->p->ops->wants_close(o->p))
        o->p->ops->feed(o->p, bytes, o->now_ns);
    offline_turn(o);
}

static inline void offline_close(offline *o)
{
    o->p->ops->free(o->p);
    mailbox_run(&o->box);
    must(atomic_load(&o->core.in_flight) == 0);
    mailbox_done(&o->box);
    core_done(&o->core);
    buf_done(&o->out);
    buf_done(&o->seen);
}

#endif
