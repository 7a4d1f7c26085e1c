/*
 * tests/flow/echo_server.c: a server made of `serve` alone, for test_transport.py: a few routes that echo, wait, stream and
 * fail. Arguments are NAME=NUMBER limits (see `settings`) and listen=ADDRESS, cert=FILE, key=FILE. Prints one ready line as
 * JSON; SIGTERM drains and ends it with status 0.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/thread.h"
#include "serve/route/grpc_health.h"
#include "serve/serve.h"
#include "wire/json.h"

typedef struct app { /* atomics: shared by all workers */
    atomic_uint cancelled, running, streams, gone;
} app;

static app *app_of(const exchange *x)
{
    return exchange_services(x)->app;
}

static void nap_ms(int64_t ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

static uint64_t number(const exchange *x, const char *name, uint64_t otherwise)
{
    uint64_t n = otherwise;
    (void)span_to_u64(exchange_query(x, name), &n);
    return n;
}

static void echo(exchange *take_x)
{
    err e = {0};
    span body, type = exchange_header(take_x, "content-type");
    if (exchange_body(take_x, &body, &e)) {
        exchange_fail(take_x, &e);
        return;
    }
    span name = arena_print(exchange_arena(take_x), "%.*s", SPAN_FMT(type));
    exchange_set_header(take_x, "x-path", exchange_path(take_x));
    exchange_set_header(take_x, "x-param", exchange_param(take_x, "name"));
    exchange_set_header(take_x, "x-query", exchange_query(take_x, "q"));
    exchange_set_header(take_x, "x-cookie", exchange_header(take_x, "cookie"));
    exchange_set_header(take_x, "x-peer",
                        span_text(exchange_peer(take_x)->is_loopback ? "loopback" : "remote"));
    exchange_reply(take_x, 200, type.len ? (const char *)name.at : "application/octet-stream",
                   body);
}

/* ?ms=: answers after so long, or when its asker left. */
static void slow(exchange *take_x)
{
    app *a = app_of(take_x);
    int64_t until = clock_mono_ns() + (int64_t)number(take_x, "ms", 1000) * NS_PER_MS;
    atomic_fetch_add(&a->running, 1);
    while (clock_mono_ns() < until && !atomic_load(exchange_cancel(take_x)))
        nap_ms(2);
    atomic_fetch_sub(&a->running, 1);
    if (atomic_load(exchange_cancel(take_x)))
        atomic_fetch_add(&a->cancelled, 1);
    exchange_reply(take_x, 200, "text/plain", SPAN("slow\n"));
}

/* ?count=&bytes=: a stream of equal lines. */
static void stream(exchange *take_x)
{
    uint64_t count = number(take_x, "count", 3), bytes = number(take_x, "bytes", 8);
    uint8_t *line = arena_alloc(exchange_arena(take_x), bytes ? bytes : 1, 1);
    memset(line, 'x', bytes);
    exchange_begin(take_x, 200, "text/plain");
    atomic_fetch_add(&app_of(take_x)->running, 1);
    while (count-- && exchange_write(take_x, (span){line, bytes}))
        ;
    atomic_fetch_sub(&app_of(take_x)->running, 1);
    if (count + 1)
        atomic_fetch_add(&app_of(take_x)->cancelled, 1);
    exchange_end(take_x);
}

static void events_gone(exchange *take_x, void *ctx)
{
    app *a = ctx;
    atomic_fetch_add(&a->gone, 1);
    atomic_fetch_sub(&a->streams, 1);
    exchange_end(take_x);
}

static void events(exchange *take_x)
{
    app *a = app_of(take_x);
    atomic_fetch_add(&a->streams, 1);
    exchange_begin(take_x, 200, "text/event-stream");
    (void)exchange_try_write(take_x, SPAN("data: first\n\n"));
    exchange_on_gone(take_x, events_gone, a);
}

/* ?code=: the name of an sk_code. */
static void fail(exchange *take_x)
{
    err e = {0};
    span wanted = exchange_query(take_x, "code");
    sk_code code = SK_INTERNAL;
    for (sk_code c = SK_BAD_INPUT; c < SK_CODE_COUNT; c++)
        if (span_is(wanted, sk_name(c)))
            code = c;
    err_set(&e, code, "failed as asked: 100 %% \xc3\xa4");
    exchange_fail(take_x, &e);
}

static void grpc_fail(exchange *take_x)
{
    err e = {0};
    span body;
    if (!exchange_body(take_x, &body, &e))
        err_set(&e, span_is(body, "busy") ? SK_BUSY : SK_BAD_INPUT,
                "failed as asked: 100 %% \xc3\xa4");
    exchange_fail(take_x, &e);
}

static void fixed(exchange *take_x)
{
    exchange_reply_static(take_x, 200, "text/plain", SPAN("fixed\n"));
}

static void counts(exchange *take_x)
{
    app *a = app_of(take_x);
    const services *s = exchange_services(take_x);
    serve_stats st;
    err e = {0};
    if (serve_stats_get(s->server, exchange_arena(take_x), &st, &e)) {
        exchange_fail(take_x, &e);
        return;
    }
    buf out;
    buf_init(&out, 64 * KIB);
    buf_print(&out,
              "{\"cancelled\":%u,\"running\":%u,\"streams\":%u,\"gone\":%u,\"open\":%llu,\"in_"
              "flight\":%llu,",
              atomic_load(&a->cancelled), atomic_load(&a->running), atomic_load(&a->streams),
              atomic_load(&a->gone), (unsigned long long)st.connections_open,
              (unsigned long long)st.requests_in_flight);
    buf_print(&out,
              "\"protocol_errors\":%llu,\"slow_senders\":%llu,\"slow_readers\":%llu,\"reset_"
              "floods\":%llu,\"tls_"
              "failures\":%llu,\"memory\":%zu}\n",
              (unsigned long long)st.protocol_errors, (unsigned long long)st.slow_senders,
              (unsigned long long)st.slow_readers, (unsigned long long)st.reset_floods,
              (unsigned long long)st.tls_failures, memory_used(s->memory, MEMORY_BODIES));
    exchange_reply_buf(take_x, 200, "application/json", &out);
}

static void ready(exchange *take_x)
{
    bool is_ready = serve_is_ready(exchange_services(take_x)->server);
    exchange_reply(take_x, is_ready ? 200 : 503, "text/plain",
                   is_ready ? SPAN("ready\n") : SPAN("draining\n"));
}

// clang-format off
static const route routes[] = {
    {"echo",    ROUTE_HTTP, HTTP_METHOD_POST, "/echo",               0, POOL_INGEST, ERROR_JSON, CORS_NONE, echo, NULL},
    {"named",   ROUTE_HTTP, HTTP_METHOD_PUT,  "/named/{name}",       0, POOL_INGEST, ERROR_JSON, CORS_NONE, echo, NULL},
    {"traces",  ROUTE_HTTP, HTTP_METHOD_POST, "/v1/traces",          0, POOL_INGEST, ERROR_OTLP, CORS_ANY,  echo, NULL},
    {"logs",    ROUTE_HTTP, HTTP_METHOD_POST, "/v1/logs",            0, POOL_INGEST, ERROR_OTLP, CORS_ANY,  echo, NULL},
    {"secret",  ROUTE_HTTP, HTTP_METHOD_POST, "/secret",      MAY_SEND, POOL_INGEST, ERROR_JSON, CORS_ANY,  echo, NULL},
    {"slow",    ROUTE_HTTP, HTTP_METHOD_GET,  "/slow",               0, POOL_QUERY,  ERROR_JSON, CORS_NONE, slow, NULL},
    {"slow-in", ROUTE_HTTP, HTTP_METHOD_POST, "/slow",               0, POOL_INGEST, ERROR_JSON, CORS_NONE, slow, NULL},
    {"stream",  ROUTE_HTTP, HTTP_METHOD_GET,  "/stream",             0, POOL_QUERY,  ERROR_JSON, CORS_NONE, stream, NULL},
    {"events",  ROUTE_HTTP, HTTP_METHOD_GET,  "/events",             0, POOL_QUERY,  ERROR_JSON, CORS_NONE, events, NULL},
    {"fail",    ROUTE_HTTP, HTTP_METHOD_GET,  "/fail",               0, POOL_INLINE, ERROR_JSON, CORS_NONE, fail, NULL},
    {"fail-in", ROUTE_HTTP, HTTP_METHOD_POST, "/v1/fail",            0, POOL_INLINE, ERROR_OTLP, CORS_ANY,  fail, NULL},
    {"fixed",   ROUTE_HTTP, HTTP_METHOD_GET,  "/fixed",              0, POOL_INLINE, ERROR_JSON, CORS_NONE, fixed, NULL},
    {"counts",  ROUTE_HTTP, HTTP_METHOD_GET,  "/counts",             0, POOL_INLINE, ERROR_JSON, CORS_NONE, counts, NULL},
    {"readyz",  ROUTE_HTTP, HTTP_METHOD_GET,  "/readyz",             0, POOL_INLINE, ERROR_JSON, CORS_NONE, ready, NULL},
    {"unary",   ROUTE_GRPC, HTTP_METHOD_POST, "/test.Echo/Unary",    0, POOL_INGEST, ERROR_JSON, CORS_NONE, echo, NULL},
    {"refuse",  ROUTE_GRPC, HTTP_METHOD_POST, "/test.Echo/Fail",     0, POOL_INGEST, ERROR_JSON, CORS_NONE, grpc_fail, NULL},
    {"wait",    ROUTE_GRPC, HTTP_METHOD_POST, "/test.Echo/Slow",     0, POOL_INGEST, ERROR_JSON, CORS_NONE, slow, NULL},
    {"health",  ROUTE_GRPC, HTTP_METHOD_POST, GRPC_HEALTH_PATH,      0, POOL_INLINE, ERROR_JSON, CORS_NONE, route_grpc_health, NULL},
};
// clang-format on

static sk_code authorize(const services *s, exchange *x, uint32_t wanted, caller *ret, err *e)
{
    if (span_is(exchange_header(x, "x-key"), "open"))
        return SK_OK;
    return err_set(e, SK_UNAUTHENTICATED, "no key");
}

static void refused(const services *s, exchange *x, const char *reason, const err *why)
{
    fprintf(stderr, "refused %s: %s\n", reason, why->text);
}

static void note(const services *s, const char *line)
{
    fprintf(stderr, "note: %s\n", line);
}

typedef struct setup {
    serve_options options;
    size_t memory_max;
    const char *listen[16];
} setup;

static bool set_number(setup *s, span name, uint64_t n)
{
    serve_limits *l = &s->options.limits;
    const struct {
        const char *name;
        uint32_t *small;
        size_t *large;
    } settings[] = {
        {"memory", NULL, &s->memory_max},
        {"body", NULL, &l->body_bytes_max},
        {"head", NULL, &l->header_bytes_max},
        {"stream", NULL, &l->stream_bytes_max},
        {"connections", &l->connections_max, NULL},
        {"streams", &l->streams_max, NULL},
        {"resets", &l->resets_max, NULL},
        {"ingest_queue", &l->ingest_queue_max, NULL},
        {"query_queue", &l->query_queue_max, NULL},
        {"header_ms", &l->header_ms, NULL},
        {"body_ms", &l->body_ms, NULL},
        {"idle_ms", &l->idle_ms, NULL},
        {"write_ms", &l->write_ms, NULL},
        {"heartbeat_ms", &l->heartbeat_ms, NULL},
        {"ingest", &s->options.ingest_count, NULL},
        {"query", &s->options.query_count, NULL},
        {"loops", &s->options.loop_count, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(settings); i++)
        if (span_is(name, settings[i].name)) {
            if (settings[i].small)
                *settings[i].small = (uint32_t)n;
            else
                *settings[i].large = n;
            return true;
        }
    return false;
}

static bool read_arguments(setup *s, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        span rest = span_text(argv[i]), name = span_cut(&rest, '=');
        uint64_t n;
        if (span_is(name, "listen") && s->options.listen_count < COUNT_OF(s->listen))
            s->listen[s->options.listen_count++] = (const char *)rest.at;
        else if (span_is(name, "cert"))
            s->options.tls_cert_file = (const char *)rest.at;
        else if (span_is(name, "key"))
            s->options.tls_key_file = (const char *)rest.at;
        else if (!span_is(name, "defaults") && (!span_to_u64(rest, &n) || !set_number(s, name, n)))
            return false;
    }
    s->options.listen = s->listen;
    return true;
}

static void print_ready(const server *s)
{
    printf("{\"ready\":true,\"listen\":[");
    for (uint32_t i = 0; i < serve_listener_count(s); i++)
        printf("%s\"%s\"", i ? "," : "", serve_listener(s, i, NULL));
    printf("],\"skipped\":%u}\n", serve_skipped_count(s));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    app a = {0};
    setup s = {.memory_max = 512 * MIB};
    services shared = {.app = &a};
    server *srv;
    err e = {0};
    sigset_t stops;
    int signal_number;
    if (!read_arguments(&s, argc, argv))
        return 2;
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stops, NULL);
    signal(SIGPIPE, SIG_IGN);
    shared.memory = memory_new(s.memory_max);
    s.options.routes = routes;
    s.options.route_count = COUNT_OF(routes);
    s.options.services = &shared;
    s.options.authorize = authorize;
    s.options.limits.open_body_bytes_max = SIZE_MAX; /* none of its routes asks for a permission */
    s.options.refused = refused;
    s.options.note = note;
    if (serve_open(&s.options, &srv, &e)) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    if (serve_run(srv, &e)) {
        fprintf(stderr, "%s\n", e.text);
        serve_close(srv);
        return 1;
    }
    serve_set_ready(srv, true);
    print_ready(srv);
    sigwait(&stops, &signal_number);
    serve_drain(srv, 3000);
    serve_close(srv);
    size_t left = memory_used(shared.memory, MEMORY_BODIES);
    memory_free(shared.memory);
    return left ? 3 : 0;
}
