/* The pure pieces of serve: targets, routes, gRPC framing, listener addresses, latency buckets. */
#include "check.h"

#include "base/arena.h"
#include "serve/grpc.h"
#include "serve/listen.h"
#include "serve/stats.h"
#include "serve/url.h"

static void no_handler(exchange *take_x)
{
}

#define HTTP(name, method, pattern, form, cors)                                                    \
    {                                                                                              \
        name, ROUTE_HTTP, method, pattern, 0, POOL_INLINE, form, cors, no_handler, NULL            \
    }
static const route rows[] = {
    HTTP("traces", HTTP_METHOD_POST, "/v1/traces", ERROR_OTLP, CORS_ANY),
    HTTP("logs", HTTP_METHOD_POST, "/v1/logs", ERROR_OTLP, CORS_ANY),
    HTTP("query", HTTP_METHOD_POST, "/skep/v1/query", ERROR_JSON, CORS_NONE),
    HTTP("trace", HTTP_METHOD_GET, "/skep/v1/traces/{trace_id}", ERROR_JSON, CORS_NONE),
    HTTP("latest", HTTP_METHOD_GET, "/skep/v1/traces/latest", ERROR_JSON, CORS_NONE),
    HTTP("keys", HTTP_METHOD_DELETE, "/keys/{id}/of/{env}", ERROR_JSON, CORS_NONE),
    HTTP("keys-get", HTTP_METHOD_GET, "/keys/{id}/of/{env}", ERROR_JSON, CORS_NONE),
    HTTP("assets", HTTP_METHOD_GET, "/ui/{path...}", ERROR_JSON, CORS_NONE),
    HTTP("root", HTTP_METHOD_GET, "/", ERROR_JSON, CORS_NONE),
    {"export", ROUTE_GRPC, HTTP_METHOD_POST, "/otel.TraceService/Export", 0, POOL_INGEST,
     ERROR_OTLP, CORS_NONE, no_handler, NULL},
};

typedef struct find_row {
    const char *name, *target;
    http_method method;
    bool is_grpc;
    sk_code code;
    const char *row;   /* the row found, or suggested with SK_NOT_FOUND; NULL: none */
    const char *param; /* the first */
} find_row;

static const find_row find_rows[] = {
    {"plain", "/v1/traces", HTTP_METHOD_POST, false, SK_OK, "traces", NULL},
    {"trailing slash", "/v1/traces/", HTTP_METHOD_POST, false, SK_OK, "traces", NULL},
    {"double slashes", "//v1//traces", HTTP_METHOD_POST, false, SK_OK, "traces", NULL},
    {"doubled path", "/v1/traces/v1/traces", HTTP_METHOD_POST, false, SK_OK, "traces", NULL},
    {"doubled, other signal", "/v1/traces/v1/logs", HTTP_METHOD_POST, false, SK_OK, "logs", NULL},
    {"doubled, not ingest", "/skep/v1/query/skep/v1/query", HTTP_METHOD_POST, false, SK_NOT_FOUND,
     NULL, NULL},
    {"parameter", "/skep/v1/traces/abc", HTTP_METHOD_GET, false, SK_OK, "trace", "abc"},
    {"literal wins", "/skep/v1/traces/latest", HTTP_METHOD_GET, false, SK_OK, "latest", NULL},
    {"encoded slash stays inside", "/skep/v1/traces/a%2Fb", HTTP_METHOD_GET, false, SK_OK, "trace",
     "a/b"},
    {"head of a get", "/skep/v1/traces/abc", HTTP_METHOD_HEAD, false, SK_OK, "trace", "abc"},
    {"rest", "/ui/a/b%20c/d.js", HTTP_METHOD_GET, false, SK_OK, "assets", "a/b c/d.js"},
    {"rest, empty", "/ui", HTTP_METHOD_GET, false, SK_OK, "assets", ""},
    {"root", "/", HTTP_METHOD_GET, false, SK_OK, "root", NULL},
    {"root, post", "/", HTTP_METHOD_POST, false, SK_NOT_FOUND, NULL, NULL},
    {"method", "/v1/traces", HTTP_METHOD_GET, false, SK_METHOD, NULL, NULL},
    {"singular", "/v1/trace", HTTP_METHOD_POST, false, SK_NOT_FOUND, "traces", NULL},
    {"no version", "/traces", HTTP_METHOD_POST, false, SK_NOT_FOUND, "traces", NULL},
    {"prefix", "/otlp/v1/logs", HTTP_METHOD_POST, false, SK_NOT_FOUND, "logs", NULL},
    {"typo", "/skep/v1/qery", HTTP_METHOD_POST, false, SK_NOT_FOUND, "query", NULL},
    {"far off", "/completely/different", HTTP_METHOD_POST, false, SK_NOT_FOUND, NULL, NULL},
    {"grpc", "/otel.TraceService/Export", HTTP_METHOD_POST, true, SK_OK, "export", NULL},
    {"grpc row without grpc", "/otel.TraceService/Export", HTTP_METHOD_POST, false, SK_UNSUPPORTED,
     NULL, NULL},
    {"unknown grpc", "/otel.Nothing/Export", HTTP_METHOD_POST, true, SK_UNIMPLEMENTED, NULL, NULL},
    {"http path with grpc", "/v1/traces", HTTP_METHOD_POST, true, SK_UNIMPLEMENTED, NULL, NULL},
};

static void finds_routes(void **state)
{
    EACH_ROW(row, find_rows)
    {
        arena *mem = arena_new(1 * MIB);
        url u;
        err e = {0};
        route_match m;
        check_ok(url_parse(span_text(row->target), mem, &u, &e), &e);
        route_find(rows, COUNT_OF(rows), row->method, row->is_grpc, u.segments, u.segment_count,
                   &m);
        assert_int_equal(m.code, row->code);
        const route *got = m.row ? m.row : m.suggested;
        assert_int_equal(got != NULL, row->row != NULL);
        if (got)
            assert_string_equal(got->name, row->row);
        assert_int_equal(m.param_count > 0, row->param != NULL);
        if (row->param)
            check_text(m.params[0], row->param);
        if (m.code) {
            route_explain(&m, row->method, u.path, row->is_grpc, &e);
            assert_int_equal(e.code, m.code);
            assert_true(strlen(e.text) > 10);
        }
        arena_free(mem);
    }
}

static void names_what_a_path_takes(void **state)
{
    arena *mem = arena_new(1 * MIB);
    url u;
    err e;
    route_match m;
    check_ok(url_parse(SPAN("/keys/7/of/dev"), mem, &u, &e), &e);
    route_find(rows, COUNT_OF(rows), HTTP_METHOD_POST, false, u.segments, u.segment_count, &m);
    assert_int_equal(m.methods,
                     1u << HTTP_METHOD_GET | 1u << HTTP_METHOD_HEAD | 1u << HTTP_METHOD_DELETE);
    route_explain(&m, HTTP_METHOD_POST, u.path, false, &e);
    assert_string_equal(e.text, "/keys/7/of/dev takes GET, HEAD, DELETE, not POST");
    arena_free(mem);
}

static void reads_queries(void **state)
{
    arena *mem = arena_new(1 * MIB);
    url u;
    err e;
    check_ok(url_parse(SPAN("/a?b=1&c&d=x%3Dy+z&&e=#frag"), mem, &u, &e), &e);
    assert_int_equal(u.query_count, 4);
    check_text(u.query[0].value, "1");
    check_text(u.query[1].name, "c");
    check_text(u.query[1].value, "");
    check_text(u.query[2].value, "x=y z");
    check_text(u.query[3].name, "e");
    static const char *const bad[] = {"/%",   "/%4", "/%4g",     "/%00",   "/a/../b",
                                      "/./a", "a",   "/a?%zz=1", "/a?b=%0"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        check_code(url_parse(span_text(bad[i]), mem, &u, &e), SK_BAD_INPUT, &e);
    check_code(url_parse(SPAN("/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17"), mem, &u, &e),
               SK_NOT_FOUND, &e);
    arena_free(mem);
}

static void unframes_grpc(void **state)
{
    err e;
    span message;
    bool compressed;
    check_ok(grpc_message(SPAN("\0\0\0\0\3abc"), &compressed, &message, &e), &e);
    check_text(message, "abc");
    assert_false(compressed);
    check_ok(grpc_message(SPAN("\1\0\0\0\0"), &compressed, &message, &e), &e);
    assert_true(compressed);
    assert_int_equal(message.len, 0);
    check_code(grpc_message(SPAN(""), &compressed, &message, &e), SK_BAD_INPUT, &e);
    check_code(grpc_message(SPAN("\0\0\0"), &compressed, &message, &e), SK_BAD_INPUT, &e);
    check_code(grpc_message(SPAN("\0\0\0\0\4abc"), &compressed, &message, &e), SK_BAD_INPUT, &e);
    check_code(grpc_message(SPAN("\2\0\0\0\3abc"), &compressed, &message, &e), SK_BAD_INPUT, &e);
    check_code(grpc_message(SPAN("\0\0\0\0\2abc"), &compressed, &message, &e), SK_UNIMPLEMENTED,
               &e);
    check_code(grpc_message(SPAN("\0\377\377\377\377abc"), &compressed, &message, &e), SK_BAD_INPUT,
               &e);
    uint8_t prefix[GRPC_PREFIX_BYTES];
    grpc_add_prefix(prefix, 0x01020304);
    assert_memory_equal(prefix, "\0\1\2\3\4", 5);
}

static void reads_grpc_headers(void **state)
{
    int64_t ns;
    assert_true(grpc_timeout(SPAN("100m"), &ns) && ns == 100 * NS_PER_MS);
    assert_true(grpc_timeout(SPAN("5S"), &ns) && ns == 5 * NS_PER_S);
    assert_true(grpc_timeout(SPAN("99999999H"), &ns) && ns == 100 * 24 * 3600 * NS_PER_S);
    assert_true(grpc_timeout(SPAN("1n"), &ns) && ns == 1);
    static const char *const bad[] = {"", "5", "S", "123456789S", "-1S", "1x", "1 S"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(grpc_timeout(span_text(bad[i]), &ns));
    assert_true(grpc_is_content_type(SPAN("application/grpc")));
    assert_true(grpc_is_content_type(SPAN("application/grpc+proto")));
    assert_false(grpc_is_content_type(SPAN("application/grpc-web")));
    assert_false(grpc_is_content_type(SPAN("application/json")));
}

static void writes_grpc_status(void **state)
{
    buf b;
    buf_init(&b, KIB);
    grpc_add_message(&b, SPAN("a%b\n\xc3\xa4 c"));
    check_text(buf_span(&b), "a%25b%0A%C3%A4 c");
    static const char *const cases[][2] = {
        {"", ""}, {"f", "Zg"}, {"fo", "Zm8"}, {"foo", "Zm9v"}, {"\xff\xfe", "//4"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        buf_clear(&b);
        grpc_add_base64(&b, span_text(cases[i][0]));
        check_text(buf_span(&b), cases[i][1]);
    }
    buf_done(&b);
}

typedef struct listen_row {
    const char *name, *text;
    sk_code code;
    const char *host, *port;
    bool is_tls;
} listen_row;

static const listen_row listen_rows[] = {
    {"bare", "127.0.0.1:4318", SK_OK, "127.0.0.1", "4318", false},
    {"tcp", "tcp://localhost:0", SK_OK, "localhost", "0", false},
    {"tls", "TLS://[::1]:443", SK_OK, "::1", "443", true},
    {"all", ":8080", SK_OK, "", "8080", false},
    {"star", "*:8080", SK_OK, "", "8080", false},
    {"no port", "127.0.0.1", SK_BAD_INPUT, NULL, NULL, false},
    {"empty port", "127.0.0.1:", SK_BAD_INPUT, NULL, NULL, false},
    {"large port", "127.0.0.1:65536", SK_BAD_INPUT, NULL, NULL, false},
    {"no brackets", "::1:80", SK_BAD_INPUT, NULL, NULL, false},
    {"a URL", "http://127.0.0.1:80", SK_BAD_INPUT, NULL, NULL, false},
    {"xray", "xray-udp://127.0.0.1:2000", SK_UNIMPLEMENTED, NULL, NULL, false},
};

static void reads_listen_addresses(void **state)
{
    EACH_ROW(row, listen_rows)
    {
        listen_spec s;
        err e = {0};
        check_code(listen_parse(span_text(row->text), &s, &e), row->code, &e);
        if (row->code) {
            assert_true(strstr(e.text, row->text) != NULL);
            continue;
        }
        assert_string_equal(s.host, row->host);
        assert_string_equal(s.port, row->port);
        assert_int_equal(s.is_tls, row->is_tls);
    }
}

static void names_the_holder_of_a_port(void **state)
{
    listen_spec spec;
    listener listeners[LISTENERS_MAX];
    uint32_t count = 0;
    err e = {0};
    char text[64], pid[32];
    check_ok(listen_parse(SPAN("127.0.0.1:0"), &spec, &e), &e);
    check_ok(listen_open(&spec, listeners, &count, &e), &e);
    assert_int_equal(count, 1);
    assert_true(listeners[0].address.is_loopback);
    snprintf(text, sizeof text, "%s", listeners[0].address.text);
    check_ok(listen_parse(span_text(text), &spec, &e), &e);
    check_code(listen_open(&spec, listeners, &count, &e), SK_CONFLICT, &e);
    snprintf(pid, sizeof pid, "(pid %d)", (int)getpid());
    assert_true(strstr(e.text, pid) != NULL);
    assert_true(strstr(e.text, text) != NULL);
    assert_int_equal(count, 1);
    close(listeners[0].fd);
}

static void counts_latencies_in_buckets(void **state)
{
    stats s;
    assert_true(stats_init(&s, 2));
    static const struct {
        int64_t ns;
        uint32_t bucket;
    } cases[] = {{0, 0},    {999, 0},  {1000, 0}, {2000, 1},
                 {3000, 2}, {4000, 2}, {5000, 3}, {1000 * NS_PER_S, SERVE_LATENCY_BUCKETS - 1}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint64_t before = counter_read(&s.routes[1].latency[cases[i].bucket]);
        stats_count_reply(&s, 1, 503, cases[i].ns, 10, 20);
        assert_int_equal(counter_read(&s.routes[1].latency[cases[i].bucket]), before + 1);
    }
    stats_count_reply(&s, 99, 777, 0, 0, 0); /* no row, a status without a slot */
    assert_int_equal(counter_read(&s.routes[2].by_status[SERVE_STATUS_SLOTS - 1]), 1);
    assert_int_equal(counter_read(&s.routes[1].request_bytes), 10 * COUNT_OF(cases));
    uint32_t slot = 0;
    while (serve_status_of_slot(slot) != 503)
        slot++;
    assert_int_equal(counter_read(&s.routes[1].by_status[slot]), COUNT_OF(cases));
    stats_done(&s);
}

TEST_GROUP(serve_pure, TEST(finds_routes), TEST(names_what_a_path_takes), TEST(reads_queries),
           TEST(unframes_grpc), TEST(reads_grpc_headers), TEST(writes_grpc_status),
           TEST(reads_listen_addresses), TEST(names_the_holder_of_a_port),
           TEST(counts_latencies_in_buckets));
