/*
 * serve/exchange.c: an exchange from its head to its handler: routing, authorization, body,
 * dispatch; and its getters. Called by http1.c and http2.c on their loop, getters by routes. Never:
 * waits; replies are in exchange_reply.c.
 */
#include "serve/exchange_private.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/must.h"
#include "serve/grpc.h"

exchange *exchange__new(const request_origin *from, http_version version)
{
    exchange *x = base_alloc_zero(1, sizeof *x);
    if (!x)
        return NULL;
    if (!(x->mem = arena_new(from->core->options.limits.arena_bytes_max))) {
        base_free(x);
        return NULL;
    }
    x->core = from->core;
    x->home = from->home;
    x->version = version;
    x->is_tls = from->is_tls;
    x->peer = *from->peer;
    x->local = *from->local;
    x->announced = UINT64_MAX;
    x->url.path = SPAN("");
    x->match.code = SK_NOT_FOUND;
    x->arrival_ns = clock_wall_ns();
    x->arrival_mono_ns = clock_mono_ns();
    atomic_init(&x->cancel, false);
    buf_init(&x->body, from->core->options.limits.body_bytes_max);
    buf_init(&x->inflated, from->core->options.limits.body_bytes_max);
    buf_init(&x->reply_head, REPLY_HEAD_BYTES_MAX);
    buf_init(&x->trailers, REPLY_HEAD_BYTES_MAX);
    buf_init(&x->out, SIZE_MAX / 2);
    lock_init(&x->guard, RANK_LEAF);
    condition_init(&x->room);
    atomic_fetch_add_explicit(&x->core->in_flight, 1, memory_order_relaxed);
    return x;
}

void exchange__free(exchange *take_x)
{
    exchange *x = take_x;
    core *c = x->core;
    must(!x->is_posted && !x->owner);
    exchange__unreserve(x, x->reserved_bytes);
    buf_done(&x->body);
    buf_done(&x->inflated);
    buf_done(&x->reply_head);
    buf_done(&x->trailers);
    buf_done(&x->out);
    lock_done(&x->guard);
    condition_done(&x->room);
    arena_free(x->mem);
    base_free(x);
    if (atomic_fetch_sub(&c->in_flight, 1) == 1) {
        lock_take(&c->guard);
        condition_wake_all(&c->idle);
        lock_drop(&c->guard);
    }
}

bool exchange__reserve(exchange *x, size_t bytes)
{
    memory *m = x->core->options.services->memory;
    if (m && !memory_reserve(m, MEMORY_BODIES, bytes))
        return false;
    x->reserved_bytes += bytes;
    return true;
}

void exchange__unreserve(exchange *x, size_t bytes)
{
    must(bytes <= x->reserved_bytes);
    memory *m = x->core->options.services->memory;
    if (m && bytes)
        memory_release(m, MEMORY_BODIES, bytes);
    x->reserved_bytes -= bytes;
}

bool exchange__add_header(exchange *x, span name, span text)
{
    size_t most = x->core->options.limits.header_bytes_max;
    x->header_bytes += name.len + text.len + 4;
    if (x->header_count == HEADERS_MAX || x->header_bytes > most)
        return false;
    if (x->header_count == x->header_capacity) {
        uint32_t more = x->header_capacity ? x->header_capacity * 2 : 16;
        x->headers = arena_grow(x->mem, x->headers, x->header_count * sizeof *x->headers,
                                more * sizeof *x->headers, _Alignof(http_header));
        if (!x->headers) {
            x->header_count = x->header_capacity = 0;
            return false;
        }
        x->header_capacity = more;
    }
    x->headers[x->header_count++] = (http_header){name, span_trim(text)};
    return true;
}

void exchange__refuse(exchange *x, const char *reason, const err *why)
{
    const serve_options *o = &x->core->options;
    if (o->refused)
        o->refused(o->services, x, reason, why);
    exchange_fail(x, why);
}

/* Encodings and, for gRPC, its own headers. */
static sk_code read_encoding(exchange *x, err *e)
{
    span name = exchange_header(x, x->is_grpc ? "grpc-encoding" : "content-encoding");
    sk_code code = body_encoding_of(name, &x->encoding, e);
    if (!x->is_grpc)
        return code;
    int64_t timeout_ns;
    span timeout = exchange_header(x, "grpc-timeout");
    if (timeout.at && grpc_timeout(timeout, &timeout_ns))
        x->deadline_mono_ns = x->arrival_mono_ns + timeout_ns;
    exchange_set_header(x, "grpc-accept-encoding", SPAN("identity,gzip,deflate,zstd,snappy"));
    if (code == SK_OK)
        return SK_OK;
    return err_set(
        e, SK_UNIMPLEMENTED,
        "grpc-encoding \"%.*s\" is not served; use identity, gzip, deflate, zstd or snappy",
        SPAN_FMT(span_first(name, 40)));
}

/* What the head alone can refuse once a row is known; the reason word is for counters. */
static sk_code admit(exchange *x, const char **ret_reason, err *e)
{
    const serve_options *o = &x->core->options;
    *ret_reason = "unknown_encoding";
    sk_code code = read_encoding(x, e);
    if (code)
        return code;
    *ret_reason = "closing";
    if (atomic_load(&x->core->is_draining) && x->match.row->pool != POOL_INLINE)
        return err_set(e, SK_CLOSING, "the server is shutting down; send it again in a moment");
    *ret_reason = NULL; /* authorize records its own */
    uint32_t wanted = x->match.row->permission;
    if (wanted && o->authorize && (code = o->authorize(o->services, x, wanted, &x->caller, e)))
        return code;
    *ret_reason = "too_large";
    uint64_t most = o->limits.body_bytes_max;
    if (!wanted && most > o->limits.open_body_bytes_max)
        x->body.max_bytes = most = o->limits.open_body_bytes_max;
    if (x->announced != UINT64_MAX && x->announced > most)
        return err_set(
            e, SK_TOO_LARGE,
            "the request body is %llu bytes; at most %llu are taken: send smaller batches",
            (unsigned long long)x->announced, (unsigned long long)most);
    *ret_reason = "no_memory";
    if (x->announced != UINT64_MAX) {
        x->body.max_bytes = (size_t)x->announced;
        if (!exchange__reserve(x, x->announced < MIB ? (size_t)x->announced : MIB))
            return err_set(e, SK_NO_MEMORY,
                           "the server's memory bound is reached; send it again in a moment");
    }
    return SK_OK;
}

void exchange__head(exchange *x, span method, span target)
{
    err e = {0};
    const serve_options *o = &x->core->options;
    x->method_name = method;
    x->method = http_method_of(method);
    if (url_parse(target, x->mem, &x->url, &e)) {
        exchange__refuse(x, "bad_request", &e);
        return;
    }
    bool says_grpc = grpc_is_content_type(exchange_header(x, "content-type"));
    x->is_grpc = says_grpc && x->version == HTTP_2;
    route_find(o->routes, o->route_count, x->method, x->is_grpc, x->url.segments,
               x->url.segment_count, &x->match);
    if (exchange__preflight(x))
        return;
    if (says_grpc && !x->is_grpc) {
        err_set(&e, SK_UNSUPPORTED,
                "gRPC needs HTTP/2; this request came over HTTP/1: check proxies in between");
        exchange__refuse(x, "unsupported", &e);
        return;
    }
    if (x->match.code) {
        route_explain(&x->match, x->method, x->url.path, x->is_grpc, &e);
        exchange__refuse(x, x->match.code == SK_METHOD ? "wrong_method" : "wrong_path", &e);
        return;
    }
    const char *reason;
    if (admit(x, &reason, &e)) {
        if (reason)
            exchange__refuse(x, reason, &e);
        else
            exchange_fail(x, &e);
    }
}

bool exchange__is_answered(const exchange *x)
{
    return x->is_ended; /* only the loop can have set it: no lock needed */
}

/* Room for `more` bytes of body; answers when there is none. Capacities stay powers of two (or the
 * announced length), as the buffer grows, so that what is reserved is what it holds. */
static bool make_room(exchange *x, size_t more)
{
    err e = {0};
    size_t most = x->body.max_bytes, need = x->body.len + more;
    if (need > most || need < more) {
        err_set(&e, SK_TOO_LARGE, "the request body is over %zu bytes: send smaller batches", most);
        exchange__refuse(x, "too_large", &e);
        return false;
    }
    if (need <= x->reserved_bytes)
        return true;
    size_t want = x->reserved_bytes > 32 * KIB ? x->reserved_bytes : 32 * KIB;
    while (want < need)
        want *= 2;
    if (want > most)
        want = most;
    if (exchange__reserve(x, want - x->reserved_bytes) && buf_reserve(&x->body, more))
        return true;
    err_set(&e, SK_NO_MEMORY, "the server's memory bound is reached; send it again in a moment");
    exchange__refuse(x, "no_memory", &e);
    return false;
}

void exchange__body_add(exchange *x, span bytes)
{
    x->received_bytes += bytes.len;
    if (exchange__is_answered(x) || bytes.len == 0 || !make_room(x, bytes.len))
        return;
    buf_add_span(&x->body, bytes);
    bool compressed;
    uint64_t len;
    size_t most = x->core->options.limits.body_bytes_max;
    if (x->is_grpc && grpc_peek(buf_span(&x->body), &compressed, &len) && len > most) {
        err e = {0};
        err_set(&e, SK_TOO_LARGE,
                "the gRPC message is %llu bytes; at most %zu are taken: send smaller batches",
                (unsigned long long)len, most);
        exchange__refuse(x, "too_large", &e);
    }
}

void exchange__run(exchange *take_x)
{
    exchange *x = take_x;
    err e = {0};
    const route *row = x->match.row;
    if (x->deadline_mono_ns && clock_mono_ns() > x->deadline_mono_ns)
        err_set(&e, SK_TIMEOUT,
                "the caller's deadline passed while the request waited for a worker");
    else if (row->pool == POOL_QUERY && atomic_load(&x->cancel))
        err_set(&e, SK_CANCELLED, "the asker went away");
    if (e.code)
        exchange_fail(x, &e);
    else
        row->handler(x);
}

void exchange__body_end(exchange *x)
{
    if (exchange__is_answered(x))
        return;
    handlers *p = x->core->pools[x->match.row->pool];
    x->is_dispatched = true;
    if (!p) {
        exchange__run(x);
        return;
    }
    if (handlers_put(p, x))
        return;
    err e = {0};
    x->is_dispatched = false;
    counter_add(&x->core->stats.queue_refused[x->match.row->pool], 1);
    err_set(&e, SK_BUSY,
            "the server is busy: too many requests wait for a worker; send it again in a moment");
    exchange__refuse(x, "queue_full", &e);
}

/* ---- getters ---- */

http_method exchange_method(const exchange *x)
{
    return x->method;
}

const char *exchange_method_name(const exchange *x)
{
    return http_method_name(x->method);
}

span exchange_path(const exchange *x)
{
    return x->url.path;
}

span exchange_param(const exchange *x, const char *name)
{
    for (uint32_t i = 0; i < x->match.param_count; i++)
        if (span_is(x->match.param_names[i], name))
            return x->match.params[i];
    return (span){0};
}

span exchange_query(const exchange *x, const char *name)
{
    for (uint32_t i = 0; i < x->url.query_count; i++)
        if (span_is(x->url.query[i].name, name))
            return x->url.query[i].value;
    return (span){0};
}

uint32_t exchange_query_count(const exchange *x)
{
    return x->url.query_count;
}

span exchange_query_at(const exchange *x, uint32_t index, span *ret_value)
{
    must(index < x->url.query_count);
    *ret_value = x->url.query[index].value;
    return x->url.query[index].name;
}

span exchange_header(const exchange *x, const char *name)
{
    span wanted = span_text(name);
    for (uint32_t i = 0; i < x->header_count; i++)
        if (span_equal_nocase(x->headers[i].name, wanted))
            return x->headers[i].value;
    return (span){0};
}

uint32_t exchange_header_count(const exchange *x, const char *name)
{
    uint32_t count = 0;
    span wanted = span_text(name);
    for (uint32_t i = 0; i < x->header_count; i++)
        count += span_equal_nocase(x->headers[i].name, wanted);
    return count;
}

bool exchange_has_header_like(const exchange *x, const char *prefix)
{
    span wanted = span_text(prefix);
    for (uint32_t i = 0; i < x->header_count; i++)
        if (span_equal_nocase(span_first(x->headers[i].name, wanted.len), wanted))
            return true;
    return false;
}

http_version exchange_version(const exchange *x)
{
    return x->version;
}

bool exchange_is_grpc(const exchange *x)
{
    return x->is_grpc;
}

bool exchange_is_tls(const exchange *x)
{
    return x->is_tls;
}

const http_address *exchange_peer(const exchange *x)
{
    return &x->peer;
}

const http_address *exchange_local(const exchange *x)
{
    return &x->local;
}

int64_t exchange_arrival_ns(const exchange *x)
{
    return x->arrival_ns;
}

int64_t exchange_deadline_mono_ns(const exchange *x)
{
    return x->deadline_mono_ns;
}

const route *exchange_route(const exchange *x)
{
    return x->match.row;
}

span exchange_raw_body(const exchange *x)
{
    return buf_span(&x->body);
}

arena *exchange_arena(exchange *x)
{
    return x->mem;
}

const services *exchange_services(const exchange *x)
{
    return x->core->options.services;
}

const atomic_bool *exchange_cancel(const exchange *x)
{
    return &x->cancel;
}

const caller *exchange_caller(const exchange *x)
{
    return &x->caller;
}
