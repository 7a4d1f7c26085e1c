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
                                 .body_bytes_max = is_small ? 100 : 100000};
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
