/*
 * fuzz/fuzz_http1.c: the HTTP/1 path of a connection without its socket. The first two bytes choose limits, how the rest is
 * split and what else happens (deadline, half-close, drain); the rest is what the peer sends.
 * Holds: the requests that reach handlers, with their bodies, do not depend on how the bytes were split (else two parsers
 * could be made to disagree); replies start with a status line; all memory comes back.
 */
#include "fuzz.h"

#include "../tests/unit/serve_offline.h"
#include "base/hash.h"

static void write_down(exchange *x, span body)
{
    buf *seen = &((offline *)exchange_services(x)->app)->seen;
    buf_add_text(seen, exchange_method_name(x));
    buf_add_u8(seen, ' ');
    buf_add_span(seen, exchange_path(x));
    for (uint32_t i = 0; i < exchange_query_count(x); i++) {
        span text, name = exchange_query_at(x, i, &text);
        buf_add_span(seen, name);
        buf_add_span(seen, text);
    }
    buf_add_span(seen, exchange_header(x, "host"));
    buf_add_span(seen, exchange_param(x, "a"));
    buf_add_span(seen, exchange_query(x, "q"));
    buf_add_u32(seen, exchange_header_count(x, "x"));
    buf_add_u8(seen, (uint8_t)(exchange_version(x) + 4 * exchange_has_header_like(x, "x-")));
    must(!exchange_is_grpc(x) && !exchange_is_tls(x) && exchange_deadline_mono_ns(x) == 0);
    must(exchange_method(x) < HTTP_METHOD_COUNT && exchange_route(x) != NULL);
    buf_add_u64(seen, hash64(body));
    buf_add_u64(seen, body.len);
}

static void echo(exchange *take_x)
{
    err e = {0};
    span body;
    if (exchange_body(take_x, &body, &e)) {
        exchange_fail(take_x, &e);
        return;
    }
    write_down(take_x, body);
    exchange_set_header(take_x, "x-path", exchange_path(take_x));
    exchange_reply(take_x, 200, "text/plain", body);
}

static void stream(exchange *take_x)
{
    write_down(take_x, SPAN(""));
    exchange_begin(take_x, 200, "text/event-stream");
    (void)exchange_try_write(take_x, SPAN("data: 1\n\n"));
    exchange_end(take_x);
}

/* The other forms of a whole reply, and all errors. */
static void fixed(exchange *take_x)
{
    write_down(take_x, SPAN(""));
    exchange_reply_static(take_x, 200, "text/plain", SPAN("always the same"));
}

static void handed_over(exchange *take_x)
{
    buf body;
    buf_init(&body, 100 * KIB);
    write_down(take_x, SPAN(""));
    for (size_t i = 0; i < exchange_path(take_x).len; i++)
        buf_add_span(&body, exchange_path(take_x));
    bool has_room = exchange_reserve(take_x, body.len);
    exchange_reply_buf(take_x, has_room ? 200 : 204, "text/plain", &body);
    buf_done(&body);
}

static void fail(exchange *take_x)
{
    err e;
    span code = exchange_param(take_x, "code");
    write_down(take_x, SPAN(""));
    err_set(&e, (sk_code)(1 + code.at[0] % (SK_CODE_COUNT - 1)), "as was asked");
    if (exchange_query_count(take_x))
        exchange_begin(take_x, 200, "text/event-stream"); /* too late to say it */
    exchange_fail(take_x, &e);
}

static void flood(exchange *take_x)
{
    write_down(take_x, SPAN(""));
    exchange_begin(take_x, 200, "text/event-stream");
    while (exchange_try_write(take_x, SPAN("data: much more than fits in what may wait\n\n")) ==
           STREAM_OK)
        ;
    exchange_end(take_x);
}

static void gone(exchange *take_x, void *ctx)
{
    exchange_end(take_x);
}

static void endless(exchange *take_x)
{
    exchange_begin(take_x, 200, "text/event-stream");
    (void)exchange_try_write(take_x, SPAN("data: 1\n\n"));
    exchange_on_gone(take_x, gone, NULL);
}

static const route routes[] = {
    {"echo", ROUTE_HTTP, HTTP_METHOD_POST, "/e", 0, POOL_INLINE, ERROR_JSON, CORS_NONE, echo, NULL},
    {"traces", ROUTE_HTTP, HTTP_METHOD_POST, "/v1/traces", 0, POOL_INLINE, ERROR_OTLP, CORS_ANY,
     echo, NULL},
    {"get", ROUTE_HTTP, HTTP_METHOD_GET, "/g/{a}/{rest...}", 0, POOL_INLINE, ERROR_JSON, CORS_NONE,
     echo, NULL},
    {"stream", ROUTE_HTTP, HTTP_METHOD_GET, "/s", 0, POOL_INLINE, ERROR_JSON, CORS_NONE, stream,
     NULL},
    {"endless", ROUTE_HTTP, HTTP_METHOD_GET, "/endless", 0, POOL_INLINE, ERROR_JSON, CORS_NONE,
     endless, NULL},
    {"fixed", ROUTE_HTTP, HTTP_METHOD_GET, "/fixed", 0, POOL_INLINE, ERROR_JSON, CORS_NONE, fixed,
     NULL},
    {"handed", ROUTE_HTTP, HTTP_METHOD_PUT, "/h/{a}", 0, POOL_INLINE, ERROR_JSON, CORS_NONE,
     handed_over, NULL},
    {"fail", ROUTE_HTTP, HTTP_METHOD_GET, "/f/{code}", 0, POOL_INLINE, ERROR_JSON, CORS_ANY, fail,
     NULL},
    {"flood", ROUTE_HTTP, HTTP_METHOD_GET, "/flood", 0, POOL_INLINE, ERROR_JSON, CORS_NONE, flood,
     NULL},
    {"grpc", ROUTE_GRPC, HTTP_METHOD_POST, "/a.b.Service/Export", 0, POOL_INLINE, ERROR_OTLP,
     CORS_NONE, echo, NULL},
};

static void disturb(offline *o, uint8_t what)
{
    const protocol_ops *ops = o->p->ops;
    o->now_ns += 60 * NS_PER_S;
    ops->tick(o->p, o->now_ns);
    if (ops->deadline_ns(o->p) <= o->now_ns && what & 4)
        ops->expire(o->p);
    if (what & 8)
        ops->drain(o->p);
    if (what & 16)
        ops->end_of_input(o->p);
    (void)ops->is_idle(o->p);
    (void)ops->wants_input(o->p);
    offline_turn(o);
}

static void feed_split(offline *o, span bytes, uint64_t seed)
{
    while (bytes.len > 0) {
        seed = hash_mix(seed + 1);
        size_t len = 1 + seed % (seed & 256 ? 5 : 200);
        offline_feed(o, span_first(bytes, len));
        bytes = span_from(bytes, len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    bool is_small = data[0] & 1;
    const serve_limits limits = {.header_bytes_max = is_small ? 300 : 4096,
                                 .body_bytes_max = is_small ? 100 : 100000,
                                 .stream_bytes_max = is_small ? 300 : 100000};
    memory *m = memory_new(data[0] & 2 ? 3000 : 10 * MIB);
    must(m != NULL);
    span bytes = {data + 2, size - 2};
    offline whole, split;
    offline_open(&whole, routes, COUNT_OF(routes), &limits, m, false);
    offline_feed(&whole, bytes);
    must(whole.out.len == 0 || memcmp(whole.out.at, "HTTP/1.1 ", 9) == 0);
    buf seen = whole.seen;
    buf_init(&whole.seen, MIB);
    disturb(&whole, data[0]);
    offline_close(&whole);
    must(memory_used(m, MEMORY_BODIES) == 0);
    offline_open(&split, routes, COUNT_OF(routes), &limits, m, false);
    feed_split(&split, bytes, data[1]);
    must(span_equal(buf_span(&seen), buf_span(&split.seen)));
    offline_close(&split);
    must(memory_used(m, MEMORY_BODIES) == 0);
    buf_done(&seen);
    memory_free(m);
    return 0;
}
