/* serve/http1.c without sockets: what is read as a request, what is refused, and that splitting the bytes changes nothing. */
#include "check.h"

#include "base/memory.h"
#include "serve_offline.h"

static void echo(exchange *take_x)
{
    err e = {0};
    span body;
    if (exchange_body(take_x, &body, &e))
        exchange_fail(take_x, &e);
    else
        exchange_reply(take_x, 200, "text/plain", body);
}

static void path(exchange *take_x)
{
    exchange_set_header(take_x, "x-query", exchange_query(take_x, "q"));
    exchange_reply(take_x, 200, "text/plain", exchange_path(take_x));
}

static void stream(exchange *take_x)
{
    exchange_begin(take_x, 200, "text/plain");
    assert_int_equal(exchange_try_write(take_x, SPAN("one")), STREAM_OK);
    assert_int_equal(exchange_try_write(take_x, SPAN("two")), STREAM_OK);
    exchange_end(take_x);
}

static const route routes[] = {
    {"echo", ROUTE_HTTP, HTTP_METHOD_POST, "/echo", 0, POOL_INLINE, ERROR_JSON, CORS_NONE, echo,
     NULL},
    {"traces", ROUTE_HTTP, HTTP_METHOD_POST, "/v1/traces", 0, POOL_INLINE, ERROR_OTLP, CORS_ANY,
     echo, NULL},
    {"path", ROUTE_HTTP, HTTP_METHOD_GET, "/path", 0, POOL_INLINE, ERROR_JSON, CORS_NONE, path,
     NULL},
    {"stream", ROUTE_HTTP, HTTP_METHOD_GET, "/stream", 0, POOL_INLINE, ERROR_JSON, CORS_NONE,
     stream, NULL},
};

static void open_server(offline *o, const serve_limits *limits, memory *m)
{
    offline_open(o, routes, COUNT_OF(routes), limits, m, false);
}

/* The output without its date lines, as text. */
static const char *text_of(offline *o)
{
    buf_add_u8(&o->out, 0);
    char *text = (char *)o->out.at;
    for (char *date; (date = strstr(text, "date: "));) {
        char *end = strstr(date, "\r\n") + 2;
        memmove(date, end, strlen(end) + 1);
    }
    return text;
}

static uint32_t count_of(const char *text, const char *part)
{
    uint32_t count = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
        count++;
    return count;
}

#define HOST "Host: x\r\n"

typedef struct head_row {
    const char *name, *request;
    int status;  /* of the first reply; 0: none yet */
    bool closes; /* the connection ends after it */
    const char *holds;
} head_row;

static const head_row head_rows[] = {
    {"get", "GET /path HTTP/1.1\r\n" HOST "\r\n", 200, false, "\r\n\r\n/path"},
    {"leading empty lines", "\r\n\r\nGET /path HTTP/1.1\r\n" HOST "\r\n", 200, false, "/path"},
    {"absolute form", "GET http://x:1/path?q=1 HTTP/1.1\r\n" HOST "\r\n", 200, false, "x-query: 1"},
    {"slashes", "GET //path/ HTTP/1.1\r\n" HOST "\r\n", 200, false, "\r\n\r\n/path"},
    {"escapes", "GET /p%61th?q=a%20b+c HTTP/1.1\r\n" HOST "\r\n", 200, false, "x-query: a b c"},
    {"head", "HEAD /path HTTP/1.1\r\n" HOST "\r\n", 200, false, "content-length: 5\r\n"},
    {"1.0", "GET /path HTTP/1.0\r\n\r\n", 200, true, "connection: close"},
    {"1.0 keep-alive", "GET /path HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, false,
     "connection: keep-alive"},
    {"asks to close", "GET /path HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", 200, true,
     "connection: close"},
    {"length", "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", 200, false,
     "\r\n\r\nabc"},
    {"chunks",
     "POST /echo HTTP/1.1\r\n" HOST
     "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n",
     200, false, "\r\n\r\nabc"},
    {"no body", "POST /echo HTTP/1.1\r\n" HOST "\r\n", 200, false, "content-length: 0"},
    {"upgrade is not taken",
     "GET /path HTTP/1.1\r\n" HOST
     "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n",
     200, false, "/path"},
    {"chunked stream", "GET /stream HTTP/1.1\r\n" HOST "\r\n", 200, false,
     "content-length: 6\r\n\r\nonetwo"},
    {"incomplete", "GET /path HTTP/1.1\r\nHos", 0, false, ""},

    {"folded", "GET /path HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n", 400, true, "folded"},
    {"folded first", "GET /path HTTP/1.1\r\n A: b\r\n" HOST "\r\n", 400, true, "folded"},
    {"bare LF", "GET /path HTTP/1.1\n" HOST "\r\n", 400, true, "LF alone"},
    {"bare LF in a header", "GET /path HTTP/1.1\r\n" HOST "A: b\n\r\n", 400, true, "LF alone"},
    {"bare CR", "GET /path HTTP/1.1\r\n" HOST "A: b\rc\r\n\r\n", 400, true, "CR without LF"},
    {"control byte", "GET /path HTTP/1.1\r\n" HOST "A: b\001\r\n\r\n", 400, true, "control byte"},
    {"no host", "GET /path HTTP/1.1\r\n\r\n", 400, true, "Host"},
    {"two hosts", "GET /path HTTP/1.1\r\n" HOST HOST "\r\n", 400, true, "Host"},
    {"space before colon", "GET /path HTTP/1.1\r\n" HOST "A : b\r\n\r\n", 400, true, "malformed"},
    {"length and coding",
     "POST /echo HTTP/1.1\r\n" HOST
     "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     400, true, "malformed"},
    {"coding and length",
     "POST /echo HTTP/1.1\r\n" HOST
     "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
     400, true, "malformed"},
    {"two lengths",
     "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400, true,
     "malformed"},
    {"list of lengths", "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3, 3\r\n\r\nabc", 400, true,
     "malformed"},
    {"signed length", "POST /echo HTTP/1.1\r\n" HOST "Content-Length: +3\r\n\r\nabc", 400, true,
     "malformed"},
    {"huge length",
     "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999999\r\n\r\n", 400, true,
     "malformed"},
    {"other coding",
     "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400, true,
     "Transfer-Encoding"},
    {"coding that looks chunked",
     "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400, true,
     "malformed"},
    {"two codings",
     "POST /echo HTTP/1.1\r\n" HOST
     "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     400, true, "Transfer-Encoding"},
    {"coding in 1.0", "POST /echo HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     400, true, "HTTP/1.0"},
    {"bad chunk size", "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
     400, true, "malformed"},
    {"prefixed chunk size",
     "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0x2\r\nab\r\n0\r\n\r\n", 400,
     true, "malformed"},
    {"chunk size ends in LF",
     "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n2\nab\r\n0\r\n\r\n", 400,
     true, "malformed"},
    {"chunk ends in LF",
     "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n2\r\nab\n0\r\n\r\n", 400,
     true, "malformed"},
    {"chunk is longer",
     "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n", 400,
     true, "malformed"},
    {"chunk size overflows",
     "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", 400,
     true, "malformed"},
    {"trailer",
     "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n", 400,
     true, "trailers"},
    {"version 2.0", "GET /path HTTP/2.0\r\n" HOST "\r\n", 400, true, "HTTP/1.1"},
    {"version 1.7", "GET /path HTTP/1.7\r\n" HOST "\r\n", 400, true, "malformed"},
    {"no version", "GET /path\r\n\r\n", 400, true, "malformed"},
    {"TLS", "\x16\x03\x01\x02", 400, true, "write http://"},
    {"garbage", "\x17\x03\x01\x02", 400, true, "control byte"},
    {"expects more",
     "POST /echo HTTP/1.1\r\n" HOST "Expect: 200-maybe\r\nContent-Length: 3\r\n\r\nabc", 400, true,
     "100-continue"},
    {"broken escape", "GET /path?q=%zz HTTP/1.1\r\n" HOST "\r\n", 400, false, "query parameter 1"},
    {"escaped NUL", "GET /pa%00th HTTP/1.1\r\n" HOST "\r\n", 400, false, "%-escape"},
    {"dots", "GET /a/../path HTTP/1.1\r\n" HOST "\r\n", 400, false, "segment"},
    {"not found", "GET /nothing HTTP/1.1\r\n" HOST "\r\n", 404, false, "no such path: /nothing"},
    {"body of what is not found", "POST /nothing HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc",
     404, false, "/v1/traces"},
    {"method", "DELETE /echo HTTP/1.1\r\n" HOST "\r\n", 405, false, "allow: POST"},
    {"strange method", "PURGE /echo HTTP/1.1\r\n" HOST "\r\n", 405, false, "takes POST"},
    {"unknown method", "FROB /echo HTTP/1.1\r\n" HOST "\r\n", 400, true, "malformed"},
    {"gRPC",
     "POST /echo HTTP/1.1\r\n" HOST "Content-Type: application/grpc\r\nContent-Length: 0\r\n\r\n",
     415, false, "HTTP/2"},
    {"unknown encoding",
     "POST /echo HTTP/1.1\r\n" HOST "Content-Encoding: br\r\nContent-Length: 0\r\n\r\n", 400, false,
     "br"},
};

static int status_of(const char *text)
{
    return strncmp(text, "HTTP/1.1 ", 9) ? 0 : (int)strtol(text + 9, NULL, 10);
}

static void reads_and_refuses(void **state)
{
    EACH_ROW(row, head_rows)
    {
        offline o;
        open_server(&o, NULL, NULL);
        offline_feed(&o, span_text(row->request));
        bool closes = o.p->ops->wants_close(o.p);
        const char *text = text_of(&o);
        assert_int_equal(status_of(text), row->status);
        assert_true(strstr(text, row->holds) != NULL);
        assert_int_equal(closes, row->closes);
        offline_close(&o);
    }
}

static void splits_change_nothing(void **state)
{
    EACH_ROW(row, head_rows)
    {
        offline whole, split;
        open_server(&whole, NULL, NULL);
        open_server(&split, NULL, NULL);
        span request = span_text(row->request);
        offline_feed(&whole, request);
        for (size_t i = 0; i < request.len; i++)
            offline_feed(&split, (span){request.at + i, 1});
        assert_string_equal(text_of(&whole), text_of(&split));
        offline_close(&whole);
        offline_close(&split);
    }
}

static void answers_pipelined_in_order(void **state)
{
    offline o;
    open_server(&o, NULL, NULL);
    offline_feed(&o, SPAN("GET /path HTTP/1.1\r\n" HOST "\r\nPOST /echo HTTP/1.1\r\n" HOST
                          "Content-Length: 3\r\n\r\nabc"
                          "GET /stream HTTP/1.1\r\n" HOST "\r\nGET /nothing HTTP/1.1\r\n" HOST
                          "\r\nGET /pa"));
    offline_feed(&o, SPAN("th HTTP/1.1\r\n" HOST "\r\n"));
    const char *text = text_of(&o);
    assert_int_equal(count_of(text, "HTTP/1.1 "), 5);
    const char *first = strstr(text, "/path"), *second = strstr(text, "abc"),
               *third = strstr(text, "onetwo"), *fourth = strstr(text, "no such path"),
               *fifth = strstr(fourth, "\r\n\r\n/path");
    assert_true(first && first < second && second < third && third < fourth && fifth);
    offline_close(&o);
}

static void says_continue_once(void **state)
{
    offline o;
    open_server(&o, NULL, NULL);
    span head =
        SPAN("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    offline_feed(&o, head);
    assert_int_equal(count_of(text_of(&o), "100 Continue"), 1);
    buf_clear(&o.out);
    offline_feed(&o, SPAN("abc"));
    assert_int_equal(status_of(text_of(&o)), 200);
    offline_close(&o);

    open_server(&o, NULL, NULL); /* refused at once: the body is never asked for */
    offline_feed(&o, SPAN("POST /nothing HTTP/1.1\r\n" HOST
                          "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n"));
    assert_true(o.p->ops->wants_close(o.p));
    assert_int_equal(status_of(text_of(&o)), 404);
    offline_close(&o);
}

static void bounds_head_and_body(void **state)
{
    const serve_limits limits = {.header_bytes_max = 200, .body_bytes_max = 10};
    offline o;
    open_server(&o, &limits, NULL);
    offline_feed(&o, SPAN("GET /path HTTP/1.1\r\n" HOST "A: "));
    for (int i = 0; i < 300; i++)
        offline_feed(&o, SPAN("a"));
    assert_true(o.p->ops->wants_close(o.p));
    assert_int_equal(status_of(text_of(&o)), 413);
    assert_string_equal(o.reason, "too_large");
    offline_close(&o);

    open_server(&o, &limits, NULL);
    offline_feed(&o, SPAN("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\nabcdefghijk"));
    assert_false(o.p->ops->wants_close(o.p)); /* a small rest is read past */
    assert_int_equal(status_of(text_of(&o)), 413);
    offline_close(&o);

    open_server(&o, &limits, NULL);
    offline_feed(&o, SPAN("POST /echo HTTP/1.1\r\n" HOST
                          "Transfer-Encoding: chunked\r\n\r\n8\r\nabcdefgh\r\n"));
    assert_int_equal(o.out.len, 0);
    offline_feed(&o, SPAN("8\r\nabcdefgh\r\n0\r\n\r\nGET /path HTTP/1.1\r\n" HOST "\r\n"));
    const char *text = text_of(&o);
    assert_int_equal(status_of(text), 413);
    assert_true(strstr(text, "\r\n\r\n/path") != NULL);
    offline_close(&o);
}

static void reserves_before_it_reads(void **state)
{
    memory *m = memory_new(100 * KIB);
    const serve_limits wide = {.open_body_bytes_max =
                                   64 * MIB}; /* these routes ask no permission */
    offline o;
    open_server(&o, &wide, m);
    offline_feed(&o, SPAN("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 90000\r\n\r\nabc"));
    assert_int_equal(memory_used(m, MEMORY_BODIES), 90000);
    offline second;
    open_server(&second, &wide, m);
    offline_feed(&second, SPAN("POST /v1/traces HTTP/1.1\r\n" HOST
                               "Content-Type: application/json\r\nContent-Length: 90000\r\n\r\n"));
    const char *text = text_of(&second);
    assert_int_equal(status_of(text), 503);
    assert_true(strstr(text, "retry-after: 1\r\n") != NULL);
    assert_true(strstr(text, "\"code\":14") != NULL);
    offline_close(&second);
    offline_close(&o);
    assert_int_equal(memory_used(m, MEMORY_BODIES), 0);
    memory_free(m);
}

static void slow_senders_are_refused(void **state)
{
    offline o;
    open_server(&o, NULL, NULL);
    assert_true(o.p->ops->deadline_ns(o.p) == INT64_MAX);
    offline_feed(&o, SPAN("POST /echo HTTP/1.1\r\n"));
    assert_true(o.p->ops->deadline_ns(o.p) == o.now_ns + 10 * NS_PER_S);
    offline_feed(&o, SPAN(HOST "Content-Length: 5000\r\n\r\n"));
    uint8_t kib[1024] = {0};
    offline_feed(&o, (span){kib, sizeof kib});
    assert_true(o.p->ops->deadline_ns(o.p) == o.now_ns + 11 * NS_PER_S);
    o.p->ops->expire(o.p);
    offline_turn(&o);
    assert_true(o.p->ops->wants_close(o.p));
    assert_int_equal(status_of(text_of(&o)), 408);
    assert_string_equal(o.reason, "slow_sender");
    offline_close(&o);
}

static void preflights(void **state)
{
    offline o;
    open_server(&o, NULL, NULL);
    offline_feed(&o, SPAN("OPTIONS /v1/traces HTTP/1.1\r\n" HOST
                          "Origin: https://shop.example\r\nAccess-Control-Request-Method: POST\r\n"
                          "Access-Control-Request-Headers: content-type,x-honeycomb-team\r\n\r\n"));
    const char *text = text_of(&o);
    assert_int_equal(status_of(text), 204);
    assert_true(strstr(text, "access-control-allow-origin: https://shop.example\r\n") != NULL);
    assert_true(strstr(text, "access-control-allow-credentials: true\r\n") != NULL);
    assert_true(strstr(text, "access-control-allow-headers: content-type,x-honeycomb-team\r\n") !=
                NULL);
    assert_true(strstr(text, "access-control-allow-methods: POST, OPTIONS\r\n") != NULL);
    assert_true(strstr(text, "vary: origin\r\n") != NULL);
    assert_true(strstr(text, "content-length") == NULL);
    offline_close(&o);

    open_server(&o, NULL, NULL); /* the query side stays with its own origin */
    offline_feed(&o,
                 SPAN("OPTIONS /path HTTP/1.1\r\n" HOST
                      "Origin: https://evil.example\r\nAccess-Control-Request-Method: GET\r\n\r\n"
                      "GET /path HTTP/1.1\r\n" HOST "Origin: https://evil.example\r\n\r\n"));
    text = text_of(&o);
    assert_int_equal(count_of(text, "HTTP/1.1 "), 2);
    assert_true(strstr(text, "access-control") == NULL);
    offline_close(&o);

    open_server(&o, NULL, NULL); /* repeated on errors, the wrong path included */
    offline_feed(&o, SPAN("POST /v1/trace HTTP/1.1\r\n" HOST
                          "Origin: https://shop.example\r\nContent-Length: 0\r\n\r\n"));
    text = text_of(&o);
    assert_int_equal(status_of(text), 404);
    assert_true(strstr(text, "access-control-allow-origin: https://shop.example\r\n") != NULL);
    assert_true(strstr(text, "did you mean /v1/traces?") != NULL);
    offline_close(&o);
}

static void survives_failing_memory(void **state)
{
    EACH_ALLOC_FAILURE(n)
    {
        offline o;
        alloc_fail_at(-1, false);
        open_server(&o, NULL, NULL);
        alloc_fail_at(n, false);
        offline_feed(&o, SPAN("POST /echo?q=%20 HTTP/1.1\r\n" HOST
                              "Content-Length: 3\r\n\r\nabcGET /path HTTP/1.1\r\n" HOST "\r\n"));
        offline_close(&o);
    }
}

TEST_GROUP(serve_http1, TEST(reads_and_refuses), TEST(splits_change_nothing),
           TEST(answers_pipelined_in_order), TEST(says_continue_once), TEST(bounds_head_and_body),
           TEST(reserves_before_it_reads), TEST(slow_senders_are_refused), TEST(preflights),
           TEST(survives_failing_memory));
