/* A whole server in this process, asked by threads over real sockets: replies from other threads, streams, ends. */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/thread.h"
#include "serve/serve.h"

#define HOST "Host: x\r\n"

typedef struct app {
    services services;
    server *server;
    memory *memory;
    uint16_t port;
    lock guard;
    exchange *held[64]; /* waiting for the answering thread; guarded by `guard` */
    uint32_t held_count;
    condition filled;
    bool is_ending;
    atomic_uint answered, gone;
} app;

static app *app_of(exchange *x)
{
    return exchange_services(x)->app;
}

static void echo(exchange *take_x)
{
    err e = {0};
    span body;
    if (exchange_body(take_x, &body, &e))
        exchange_fail(take_x, &e);
    else
        exchange_reply(take_x, 200, "text/plain", body);
}

/* Answered by another thread, as the journal's committer does. */
static void later(exchange *take_x)
{
    app *a = app_of(take_x);
    lock_take(&a->guard);
    bool has_room = a->held_count < COUNT_OF(a->held);
    if (has_room)
        a->held[a->held_count++] = take_x;
    condition_wake_one(&a->filled);
    lock_drop(&a->guard);
    if (!has_room)
        exchange_reply(take_x, 200, "text/plain", SPAN("full"));
}

static void answer_later(void *ctx)
{
    app *a = ctx;
    lock_take(&a->guard);
    while (!a->is_ending || a->held_count) {
        if (!a->held_count) {
            condition_wait(&a->filled, &a->guard);
            continue;
        }
        exchange *x = a->held[--a->held_count];
        lock_drop(&a->guard);
        exchange_set_header(x, "x-late", SPAN("yes"));
        exchange_reply(x, 200, "text/plain", exchange_path(x));
        atomic_fetch_add(&a->answered, 1);
        lock_take(&a->guard);
    }
    lock_drop(&a->guard);
}

/* What a handler makes while the loop writes its reply's head is its own. */
static void stream(exchange *take_x)
{
    bool is_there = true;
    exchange_begin(take_x, 200, "text/plain");
    for (int i = 0; i < 200 && is_there; i++) {
        uint8_t *block = arena_alloc(exchange_arena(take_x), 5000, 1);
        if (!block)
            abort();
        memset(block, 's', 5000);
        is_there = exchange_write(take_x, (span){block, 5000});
    }
    exchange_end(take_x);
}

static void gone(exchange *take_x, void *ctx)
{
    app *a = ctx;
    atomic_fetch_add(&a->gone, 1);
    exchange_end(take_x);
}

static void events(exchange *take_x)
{
    app *a = app_of(take_x);
    exchange_begin(take_x, 200, "text/event-stream");
    (void)exchange_try_write(take_x, SPAN("data: 1\n\n"));
    exchange_on_gone(take_x, gone, a);
}

#define ROW(name, method, path, pool, handler)                                                     \
    {                                                                                              \
        name, ROUTE_HTTP, method, path, 0, pool, ERROR_JSON, CORS_NONE, handler, NULL              \
    }
static const route rows[] = {
    ROW("echo", HTTP_METHOD_POST, "/echo", POOL_INGEST, echo),
    ROW("later", HTTP_METHOD_GET, "/later/{n}", POOL_QUERY, later),
    ROW("stream", HTTP_METHOD_GET, "/stream", POOL_QUERY, stream),
    ROW("events", HTTP_METHOD_GET, "/events", POOL_QUERY, events),
};

static void start(app *a, const char *listen_at)
{
    err e = {0};
    *a = (app){.memory = memory_new(64 * MIB)};
    a->services = (services){.app = a, .memory = a->memory};
    lock_init(&a->guard, RANK_CONFIG);
    condition_init(&a->filled);
    const char *const addresses[] = {listen_at};
    const serve_options options = {.listen = addresses,
                                   .listen_count = 1,
                                   .routes = rows,
                                   .route_count = COUNT_OF(rows),
                                   .services = &a->services,
                                   .loop_count = 2,
                                   .ingest_count = 2,
                                   .query_count = 3};
    check_ok(serve_open(&options, &a->server, &e), &e);
    check_ok(serve_run(a->server, &e), &e);
    uint64_t port;
    span rest = span_text(serve_listener(a->server, 0, NULL));
    (void)span_cut(&rest, ':');
    assert_true(span_to_u64(rest, &port));
    a->port = (uint16_t)port;
}

static void finish(app *a)
{
    serve_close(a->server);
    assert_int_equal(memory_used(a->memory, MEMORY_BODIES), 0);
    memory_free(a->memory);
    condition_done(&a->filled);
    lock_done(&a->guard);
}

static int connect_to(const app *a)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(a->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* Sends, half-closes, and reads to the end: the whole answer as text in *out. */
static void ask(const app *a, span request, buf *out)
{
    int fd = connect_to(a);
    while (request.len > 0) {
        ssize_t sent = send(fd, request.at, request.len, MSG_NOSIGNAL);
        if (sent <= 0)
            break;
        request = span_from(request, (size_t)sent);
    }
    uint8_t part[4096];
    buf_clear(out);
    for (ssize_t len; (len = recv(fd, part, sizeof part, 0)) > 0;)
        buf_add(out, part, (size_t)len);
    close(fd);
}

typedef struct client {
    app *app;
    thread thread;
    uint32_t wrong;
} client;

static void run_client(void *ctx)
{
    client *c = ctx;
    buf out;
    buf_init(&out, 4 * MIB);
    for (int i = 0; i < 20; i++) {
        ask(c->app,
            SPAN("POST /echo HTTP/1.1\r\n" HOST
                 "Content-Length: 5\r\n\r\nhelloGET /later/7 HTTP/1.1\r\n" HOST
                 "Connection: close\r\n\r\n"),
            &out);
        c->wrong +=
            !span_contains(buf_span(&out), SPAN("\r\n\r\nhelloHTTP/1.1 200 OK\r\nx-late: yes\r\n"));
        c->wrong += !span_ends_with(buf_span(&out), SPAN("/later/7"));
        ask(c->app, SPAN("GET /stream HTTP/1.0\r\n\r\n"), &out);
        c->wrong += out.len < 1000000;
    }
    buf_done(&out);
}

static void answers_many_clients_from_many_threads(void **state)
{
    app a;
    client clients[6] = {0};
    thread answering = {0};
    start(&a, "127.0.0.1:0");
    assert_true(thread_start(&answering, "answer", answer_later, &a));
    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        clients[i].app = &a;
        assert_true(thread_start(&clients[i].thread, "client", run_client, &clients[i]));
    }
    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        thread_join(&clients[i].thread);
        assert_int_equal(clients[i].wrong, 0);
    }
    assert_int_equal(atomic_load(&a.answered), 20 * COUNT_OF(clients));
    serve_stats st;
    err e = {0};
    arena *mem = arena_new(MIB);
    check_ok(serve_stats_get(a.server, mem, &st, &e), &e);
    assert_int_equal(st.route_count, COUNT_OF(rows) + 1);
    assert_string_equal(st.routes[1].name, "later");
    assert_int_equal(st.routes[1].by_status[0], 20 * COUNT_OF(clients));
    arena_free(mem);
    lock_take(&a.guard);
    a.is_ending = true;
    condition_wake_all(&a.filled);
    lock_drop(&a.guard);
    thread_join(&answering);
    finish(&a);
}

static void streams_end_when_the_server_drains(void **state)
{
    app a;
    uint8_t part[512];
    start(&a, "127.0.0.1:0");
    int fd = connect_to(&a), leaving = connect_to(&a);
    span request = SPAN("GET /events HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(send(fd, request.at, request.len, 0), request.len);
    assert_int_equal(send(leaving, request.at, request.len, 0), request.len);
    assert_true(recv(fd, part, sizeof part, 0) > 0);
    assert_true(recv(leaving, part, sizeof part, 0) > 0);
    close(leaving);
    serve_set_ready(a.server, true);
    assert_true(serve_is_ready(a.server));
    serve_drain(a.server, 5000);
    assert_false(serve_is_ready(a.server));
    while (recv(fd, part, sizeof part, 0) > 0)
        ;
    close(fd);
    assert_int_equal(atomic_load(&a.gone), 2);
    finish(&a);
}

static void opens_and_closes_without_running(void **state)
{
    err e = {0};
    server *s;
    services none = {0};
    const char *const addresses[] = {"127.0.0.1:0", "[::1]:0", "127.0.0.1:0"};
    serve_options options = {.listen = addresses,
                             .listen_count = 3,
                             .routes = rows,
                             .route_count = COUNT_OF(rows),
                             .services = &none};
    check_ok(serve_open(&options, &s, &e), &e);
    assert_int_equal(serve_listener_count(s), 3);
    assert_int_equal(serve_skipped_count(s), 0);
    assert_ptr_equal(none.server, s);
    serve_drain(s, 100);
    serve_close(s);
    const char *const bad[] = {"127.0.0.1:0", "tls://127.0.0.1:0"};
    options.listen = bad;
    options.listen_count = 2;
    check_code(serve_open(&options, &s, &e), SK_BAD_INPUT, &e);
    assert_true(strstr(e.text, "--tls-cert") != NULL);
}

static void survives_failing_memory_at_start(void **state)
{
    const char *const addresses[] = {"127.0.0.1:0"};
    services none = {0};
    const serve_options options = {.listen = addresses,
                                   .listen_count = 1,
                                   .routes = rows,
                                   .route_count = COUNT_OF(rows),
                                   .services = &none};
    EACH_ALLOC_FAILURE(n)
    {
        err e = {0};
        server *s;
        if (serve_open(&options, &s, &e))
            continue;
        if (serve_run(s, &e) == SK_OK)
            assert_int_equal(serve_listener_count(s), 1);
        serve_close(s);
    }
}

TEST_GROUP(serve_server, TEST(answers_many_clients_from_many_threads),
           TEST(streams_end_when_the_server_drains), TEST(opens_and_closes_without_running),
           TEST(survives_failing_memory_at_start));
