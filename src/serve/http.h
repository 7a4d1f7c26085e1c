/*
 * serve/http.h: the exchange: one request and its reply, whichever HTTP version carried it. What
 * routes see.
 *
 * Life: made on an I/O loop once the head is complete and a row of the route table (serve/router.h)
 * matched; the caller is authorized there; then the body is read (reserved against base/memory
 * first) and the handler runs on the pool its row names. A handler answers exactly once, now or
 * later and from any thread: exchange_reply*, exchange_fail, or exchange_begin … exchange_end.
 * After that call the exchange is gone for the caller: nothing of it may be touched. Everything a
 * getter returns lives until then, also when the peer has left meanwhile.
 *
 * One thread at a time uses an exchange (its arena, its stream); exchange_cancel is the exception.
 */
#ifndef SERVE_HTTP_H
#define SERVE_HTTP_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "meta/people.h"

typedef struct exchange exchange;
struct route;
struct services;

typedef enum http_method {
    HTTP_METHOD_GET,
    HTTP_METHOD_HEAD,
    HTTP_METHOD_POST,
    HTTP_METHOD_PUT,
    HTTP_METHOD_PATCH,
    HTTP_METHOD_DELETE,
    HTTP_METHOD_OPTIONS,
    HTTP_METHOD_OTHER,
    HTTP_METHOD_COUNT
} http_method;

typedef enum http_version { HTTP_1_0, HTTP_1_1, HTTP_2 } http_version;

typedef struct http_address {
    char text[64]; /* "127.0.0.1:4318", "[::1]:4318" */
    bool is_loopback;
} http_address;

/* ---- the request ---- */
http_method
exchange_method(const exchange *x); /* HEAD stays HEAD, also where a GET row answers it */
const char *exchange_method_name(const exchange *x);
span exchange_path(
    const exchange *x); /* percent-decoded, repeated slashes folded, without the query */
/* A {param} of the row's pattern, decoded (it may hold '/'); at == NULL when the pattern has none
 * of that name. */
span exchange_param(const exchange *x, const char *name);
/* The first query parameter of that name, decoded; at == NULL when absent ("?a" and "?a=" are
 * present and empty). */
span exchange_query(const exchange *x, const char *name);
uint32_t exchange_query_count(const exchange *x);
span exchange_query_at(const exchange *x, uint32_t index,
                       span *ret_value); /* its name: for refusing unknown ones */
/* The first header of that name (any case), trimmed; at == NULL when absent. HTTP/2's :authority is
 * "host"; several cookie headers are one. */
span exchange_header(const exchange *x, const char *name);
uint32_t exchange_header_count(const exchange *x, const char *name);
/* Whether any header's name begins so (any case). */
bool exchange_has_header_like(const exchange *x, const char *prefix);
http_version exchange_version(const exchange *x);
bool exchange_is_grpc(const exchange *x);
bool exchange_is_tls(const exchange *x);
const http_address *exchange_peer(const exchange *x);
const http_address *exchange_local(const exchange *x); /* the address that was connected to */
int64_t exchange_arrival_ns(const exchange *x);        /* wall clock when the head was complete */
int64_t exchange_deadline_mono_ns(const exchange *x);  /* from grpc-timeout; 0 = none */
const struct route *exchange_route(const exchange *x); /* NULL when no row matched */

/* The body as it came: complete, still compressed and (gRPC) framed. For content hashes. */
span exchange_raw_body(const exchange *x);
/* The body unframed (gRPC) and inflated (Content-Encoding, grpc-encoding), at most
 * serve_limits.body_bytes_max; what it takes is reserved first. Does the work on first call, so
 * call it on a worker. SK_TOO_LARGE, SK_NO_MEMORY, SK_BAD_INPUT, SK_UNSUPPORTED. The raw body is
 * given back when it differs: exchange_raw_body is empty afterwards. */
sk_code exchange_body(exchange *x, span *ret, err *e) must_use;

/* Accounts `bytes` more to this request until it is answered; false when the bound would be passed. */
bool exchange_reserve(exchange *x, size_t bytes) must_use;

/* Memory of this request; freed after the reply. Its cap is serve_limits.arena_bytes_max. Of one thread: once a handler has the
 * exchange it is the handler's alone, and no loop takes from it. */
arena *exchange_arena(exchange *x);
const struct services *exchange_services(const exchange *x);

/* Becomes true when the peer went away (or the server gave up waiting at shutdown). May be read
 * from any thread. */
const atomic_bool *exchange_cancel(const exchange *x);

/* ---- the caller, as serve_options.authorize found it (all zero on rows that need no permission)
 * ---- */
typedef struct caller {
    uint32_t environment; /* id; the one a request may use when it names none */
    uint32_t permissions;
    char environment_slug[META_SLUG_MAX];
    char key_id[40];               /* empty: no key */
    char actor[USER_NAME_MAX + 8]; /* for the audit log: the key's id, or "user:" and the name */
    session_info session;          /* of who is logged in; user 0: nobody */
    bool is_any_environment;       /* may name others than `environment` */
    bool is_local;                 /* let in without a key, from this machine */
} caller;
const caller *exchange_caller(const exchange *x);

/* ---- the reply ---- */
/* A header of the reply; before the call that answers. Values with control bytes are dropped. */
void exchange_set_header(exchange *x, const char *name, span value);
/* Whole replies. The body is copied; _buf takes its memory over (the caller's *take_body is empty
 * afterwards). On gRPC the body is the reply message and status must be 200. HEAD sends no body; a
 * 204 or 304 neither. */
void exchange_reply(exchange *take_x, int status, const char *content_type, span body);
void exchange_reply_buf(exchange *take_x, int status, const char *content_type, buf *take_body);
void exchange_reply_static(exchange *take_x, int status, const char *content_type,
                           span body); /* `body` outlives the server */
/* The error in the form of the row: google.rpc.Status in the request's own form, JSON
 * {"error":…,"code":…}, or gRPC trailers with details. Sets Retry-After where the code may be
 * retried. */
void exchange_fail(exchange *take_x, const err *why);

/* Streams (server-sent events, large downloads; not gRPC). At most serve_limits.stream_bytes_max
 * wait for a slow reader. */
void exchange_begin(exchange *x, int status, const char *content_type);
/* Waits for room; false once the peer is gone (go on to exchange_end). Never on an I/O loop or the
 * committer. */
bool exchange_write(exchange *x, span bytes);
typedef enum stream_state { STREAM_OK, STREAM_FULL, STREAM_GONE } stream_state;
stream_state exchange_try_write(exchange *x,
                                span bytes); /* all or nothing, never waits: any thread */
void exchange_end(exchange *take_x);
/* For streams whose handler returns while others write: `gone` runs once on the I/O loop when the
 * peer leaves or the server drains, and then owns the exchange: it stops the writers and calls
 * exchange_end. After exchange_begin. */
void exchange_on_gone(exchange *x, void (*gone)(exchange *take_x, void *ctx), void *ctx);

#endif
