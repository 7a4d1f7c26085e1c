/*
 * serve/serve.h: the server: listeners, I/O loops, worker pools. Opened, run, drained and closed by
 * `main`.
 *
 * Order at start: serve_open (binds; the addresses are known, nothing is accepted), then serve_run
 * (threads start). Order at the end: serve_drain (stops accepting, GOAWAY, finishes what is in
 * flight), then whoever may still answer (the journal) is closed, then serve_close.
 */
#ifndef SERVE_SERVE_H
#define SERVE_SERVE_H

#include "base/memory.h"
#include "engine/engine.h"
#include "intake/intake.h"
#include "serve/router.h"

typedef struct server server;

/* What handlers work on: exchange_services. A test's server may leave parts NULL. */
typedef struct services {
    engine *engine;
    meta *meta;
    intake *intake;
    memory *memory;
    const struct proxy_list *proxies; /* --trusted-proxy; NULL: none */
    server *server;                   /* set by serve_open, for /metrics and status */
    bool auth_required;               /* --auth=required */
    int64_t started_ns;               /* wall clock */
    uint64_t disk_max_bytes;          /* --disk-max */
    const char *version;
    void *app; /* a test's own */
} services;

/* 0 = the default behind it. */
typedef struct serve_limits {
    size_t body_bytes_max;      /* 64 MiB: as received, and again once inflated */
    size_t open_body_bytes_max; /* 64 KiB: where no permission is asked, as for a login */
    size_t arena_bytes_max;     /* 256 MiB per request */
    size_t header_bytes_max;    /* 64 KiB: request line and headers */
    size_t stream_bytes_max;    /* 1 MiB waiting for a slow reader of a stream */
    uint32_t connections_max;   /* 4096 */
    uint32_t streams_max;       /* 256 concurrent HTTP/2 streams a connection */
    uint32_t resets_max;        /* 200 resets in a burst, 20 a second after that; then GOAWAY */
    uint32_t ingest_queue_max;  /* 1024 requests waiting for a decode worker */
    uint32_t query_queue_max;   /* 256 */
    uint32_t header_ms; /* 10 000: from the first byte to a complete head, TLS handshake included */
    uint32_t
        body_ms; /* 10 000: a body must bring its next KiB a second on average after this long */
    uint32_t idle_ms;      /* 120 000: between requests */
    uint32_t write_ms;     /* 30 000: a peer that takes nothing for so long is dropped */
    uint32_t heartbeat_ms; /* 15 000: a comment on idle server-sent event streams */
} serve_limits;

typedef struct serve_options {
    const char *const *listen; /* "HOST:PORT", "tcp://HOST:PORT", "tls://HOST:PORT"; HOST may be a
                                  name, IPv4 or [IPv6] */
    uint32_t listen_count;     /* 0 = the defaults: ports 8080, 4318, 4317 on 127.0.0.1 and [::1] */
    const char *tls_cert_file, *tls_key_file; /* PEM; needed by tls:// */
    const route *routes;
    size_t route_count;
    services *services;
    serve_limits limits;
    uint32_t loop_count;   /* 0 = min(2, cores) */
    uint32_t ingest_count; /* decode workers; 0 = cores */
    uint32_t query_count;  /* 0 = max(2, cores) */
    /* For rows with a permission: who is this, and may they? Runs on an I/O loop before the body is
     * read: must not wait. Records its own refusals. NULL: everyone may. */
    sk_code (*authorize)(const services *s, exchange *x, uint32_t permission, caller *ret, err *e);
    /* Requests the transport itself refused (wrong path, too large, too slow, no room …); may be
     * NULL. `x` may lack parts. */
    void (*refused)(const services *s, exchange *x, const char *reason, const err *why);
    /* One line about the server itself (a listener that failed, a bad handshake at most once a
     * minute). May be NULL. */
    void (*note)(const services *s, const char *line);
} serve_options;

/* Whether the addresses can be read and resolved and the certificate loaded: nothing is bound. So
 * that bad settings are known before anything is opened. */
sk_code serve_check(const serve_options *o, err *e) must_use;
/* A default port that is taken is skipped with a note that names its holder; SK_CONFLICT when all
 * are taken or any
 * --listen address is. Strings and rows must outlive the server. */
sk_code serve_open(const serve_options *o, server **ret, err *e) must_use;
sk_code serve_run(server *s, err *e) must_use;
/* Stops accepting, tells peers to go elsewhere, waits for requests in flight up to `within_ms`,
 * then cancels them. */
void serve_drain(server *s, uint32_t within_ms);
/* Waits until every handler has answered. Runs also without serve_run or serve_drain. */
void serve_close(server *take_s);

/* Bound addresses as "127.0.0.1:43121", with the scheme in *ret_tls. */
uint32_t serve_listener_count(const server *s);
const char *serve_listener(const server *s, uint32_t index, bool *ret_tls);
/* Skipped default ports: one sentence each, naming the holder when /proc tells. */
uint32_t serve_skipped_count(const server *s);
const char *serve_skipped(const server *s, uint32_t index);

/* Readiness: false with a reason until main says so, and again while draining. */
void serve_set_ready(server *s, bool is_ready);
bool serve_is_ready(const server *s);

/* ---- counters, for /metrics ---- */
#define SERVE_LATENCY_BUCKETS                                                                      \
    28u /* bucket i counts replies within 2^i microseconds; the last all others */
#define SERVE_STATUS_SLOTS 24u

typedef struct serve_route_stats {
    const char *name; /* the row's; NULL for the slot of requests that matched none */
    uint64_t by_status[SERVE_STATUS_SLOTS];
    uint64_t latency[SERVE_LATENCY_BUCKETS];
    uint64_t latency_sum_us, request_bytes, reply_bytes;
} serve_route_stats;

typedef struct serve_stats {
    uint64_t connections_accepted, connections_refused, connections_open;
    uint64_t bytes_received, bytes_sent, tls_failures, protocol_errors, slow_senders, slow_readers,
        reset_floods;
    uint64_t requests_in_flight;
    uint64_t queue_depth[POOL_COUNT], queue_refused[POOL_COUNT];
    uint32_t route_count; /* rows plus one, the last for requests that matched none */
    serve_route_stats *routes;
} serve_stats;

sk_code serve_stats_get(const server *s, arena *mem, serve_stats *ret, err *e) must_use;
int serve_status_of_slot(uint32_t slot); /* 200, 204, …; 0 = all others */

#endif
