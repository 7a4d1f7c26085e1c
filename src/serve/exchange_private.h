/*
 * serve/exchange_private.h: the inside of an exchange, for http1, http2 and the exchange's own
 * files.
 *
 * Who owns it when. READING: the I/O loop (its connection's parser). RUNNING: the handler, from its
 * pool on. ANSWERED: the loop again. The loop's side talks through `owner` and `on_ready`; workers
 * only through the mailbox of the loop. It is freed on the loop, when it is answered, not posted
 * and without owner: by the last of exchange__finish, exchange__detach and its task.
 *
 * What both sides touch while a stream runs is guarded by `guard`: see there.
 */
#ifndef SERVE_EXCHANGE_PRIVATE_H
#define SERVE_EXCHANGE_PRIVATE_H

#include "receive/receive.h"
#include "serve/handlers.h"
#include "serve/mailbox.h"
#include "serve/serve.h"
#include "serve/stats.h"
#include "serve/url.h"
#include "wire/body.h"

/* What a server is without its sockets: enough for the protocols, and for their tests. */
typedef struct core {
    serve_options options; /* limits with defaults filled in */
    stats stats;
    handlers *pools[POOL_COUNT]; /* NULL: handlers run where they are dispatched */
    atomic_bool is_ready, is_draining;
    atomic_uint in_flight; /* exchanges that exist */
    lock guard; /* with `idle`: wakes serve_drain and serve_close when in_flight drops to 0 */
    condition idle;
} core;

sk_code core_init(core *c, const serve_options *o, err *e) must_use;
void core_done(core *c);

#define HEADERS_MAX          128u
#define REPLY_HEAD_BYTES_MAX (32 * KIB)

typedef struct http_header {
    span name, value; /* the name as it came */
} http_header;

typedef enum exchange_state {
    EXCHANGE_READING,
    EXCHANGE_RUNNING,
    EXCHANGE_ANSWERED
} exchange_state;

/* Where a request comes from: the same for all of a connection. */
typedef struct request_origin {
    core *core;
    mailbox *home;
    const http_address *peer, *local;
    bool is_tls;
} request_origin;

struct exchange {
    task posted; /* first: the mailbox gives it back */
    core *core;
    mailbox *home;
    arena *mem;
    void *owner; /* loop only; NULL: nobody waits for the reply */
    void (*on_ready)(void *owner, exchange *x);
    bool is_dispatched; /* loop only */
    sk_code failed_code;

    http_method method;
    http_version version;
    bool is_grpc, is_tls;
    span method_name;
    http_address peer, local;
    int64_t arrival_ns, arrival_mono_ns, deadline_mono_ns;
    url url;
    route_match match;
    http_header *headers;
    uint32_t header_count, header_capacity;
    size_t header_bytes;
    caller caller;

    uint64_t announced; /* Content-Length; UINT64_MAX: not known */
    buf body;
    uint64_t received_bytes; /* of the body, dropped ones included */
    size_t reserved_bytes;   /* for body and inflated together */
    body_encoding encoding;
    buf inflated;
    span message;
    bool has_message;

    atomic_bool cancel;
    int status;     /* of the reply */
    buf reply_head; /* "name: value\r\n" lines; all but length, connection and date */
    bool is_stream, is_event_stream, is_static;
    bool is_ended_seen; /* loop only: the protocol knows that the reply is complete */
    span static_body;
    int grpc_status;
    span grpc_message, grpc_details; /* encoded; in `trailers` */
    buf trailers;
    uint64_t sent_bytes;

    lock guard; /* is_posted, is_ended, is_gone, on_gone, out */
    condition room;
    bool is_posted, is_ended, is_gone;
    void (*on_gone)(exchange *take_x, void *ctx);
    void *on_gone_ctx;
    buf out; /* of the reply's body, what was not pulled: from out_at on */
    size_t out_at;
    int64_t last_write_mono_ns;
};

/* ---- making one: on the loop. Spans given must live in the exchange's arena ---- */
exchange *exchange__new(const request_origin *from,
                        http_version version); /* NULL when memory is short */
/* False: too many, too large, or no memory. */
bool exchange__add_header(exchange *x, span name, span text);
/* The head is complete: route, authorize, first limits. May answer (exchange__is_answered). */
void exchange__head(exchange *x, span method, span target);
/* As _head, for a request whose head already failed. */
void exchange__refuse(exchange *x, const char *reason, const err *why);
void exchange__body_add(exchange *x, span bytes); /* may answer; drops the bytes once answered */
void exchange__body_end(exchange *x);             /* dispatches unless answered */
bool exchange__is_answered(
    const exchange *x); /* the handler's time not counted: loop only, before body_end */

/* ---- its end, on the loop ---- */
void exchange__peer_left(exchange *x); /* cancel; a stream's writers learn it */
void exchange__drain(
    exchange *x); /* a stream that runs until its peer leaves ends now; others finish */
void exchange__detach(exchange *take_x);
void exchange__finish(exchange *take_x); /* the reply was sent as far as the protocol goes */

/* ---- the reply, for the protocol, on the loop after on_ready ---- */
/* Completes reply_head (CORS, retry, grpc). Once. */
void exchange__reply_head(exchange *x);
bool exchange__reply_length(exchange *x, uint64_t *ret); /* false: a stream still running */
bool exchange__has_body(const exchange *x);              /* not for HEAD, 204, 304 */
/* Up to `max` bytes of the body; *ret_end: nothing will follow. */
size_t exchange__pull(exchange *x, uint8_t *out, size_t max, bool *ret_end);
void exchange__heartbeat(exchange *x, int64_t now_mono_ns);
/* Iterates over reply_head: false at the end. */
bool exchange__reply_line(span *rest, span *ret_name, span *ret_value);

/* ---- between the exchange's own files ---- */
void exchange__run(exchange *take_x); /* a worker's, or the loop's for inline rows */
void exchange__post(exchange *x);     /* wakes the loop for it */
void exchange__free(exchange *take_x);
bool exchange__reserve(exchange *x, size_t bytes) must_use;
void exchange__unreserve(exchange *x, size_t bytes);
bool exchange__preflight(exchange *take_x); /* cors.c: answers OPTIONS; false when it is none */
void exchange__add_cors(exchange *x);

#endif
