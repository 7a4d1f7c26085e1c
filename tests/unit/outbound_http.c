/*
 * tests/unit/outbound_http.c: the HTTP client against a server of a few lines that says what it is told to say.
 */
#include "outbound/http.h"

#include "base/clock.h"
#include "http_peer.h"

/* One call with a fresh client to a peer that says `says`. */
static sk_code call(peer *p, const char *says, http_request *r, http_reply *reply, err *e)
{
    char url[64];
    http_client *c = http_client_new();
    assert_non_null(c);
    peer_start(p, says ? &says : NULL, 1);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/x?y=1", p->port);
    r->url = url;
    *e = (err){0};
    sk_code code = http_call(c, r, reply, e);
    peer_finish(p);
    http_client_free(c);
    return code;
}

static void a_request_arrives_as_it_was_made(void **state)
{
    peer p;
    http_reply reply;
    err e;
    const http_header headers[] = {{"Content-Type", "application/json"}, {"X-Honeycomb-Team", "k"}};
    http_request r = {
        .method = "POST", .headers = headers, .header_count = 2, .body = SPAN("{\"a\":1}")};
    check_ok(call(&p,
                  "HTTP/1.1 201 Created\r\nContent-Type: Application/JSON; charset=utf-8\r\n"
                  "Content-Length: 2\r\nRetry-After: 7\r\n\r\nok",
                  &r, &reply, &e),
             &e);
    assert_int_equal(reply.status, 201);
    assert_int_equal(reply.retry_after_s, 7);
    assert_string_equal(reply.content_type, "application/json");
    check_text(buf_span(&reply.body), "ok");
    assert_non_null(strstr(p.heard, "POST /x?y=1 HTTP/1.1\r\n"));
    assert_non_null(strstr(p.heard, "X-Honeycomb-Team: k\r\n"));
    assert_non_null(strstr(p.heard, "\r\n\r\n{\"a\":1}"));
    assert_null(strstr(p.heard, "Expect:"));
    http_reply_done(&reply);
}

static void redirects_are_not_followed(void **state)
{
    peer p;
    http_reply reply;
    err e;
    http_request r = {.method = "GET"};
    check_ok(
        call(&p, "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
             &r, &reply, &e),
        &e);
    assert_int_equal(reply.status, 302);
    http_reply_done(&reply);
}

typedef struct pieces {
    buf all;
    uint32_t count, stop_at;
} pieces;

static bool take_piece(void *ctx, span bytes)
{
    pieces *p = ctx;
    buf_add_span(&p->all, bytes);
    return ++p->count != p->stop_at;
}

static void streams_come_in_pieces(void **state)
{
    static const char says[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: "
                               "text/event-stream\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    for (uint32_t stop_at = 0; stop_at < 2; stop_at++) {
        peer p;
        http_reply reply;
        err e;
        pieces got = {.stop_at = stop_at};
        buf_init(&got.all, 64 * KIB);
        http_request r = {.method = "GET", .piece = take_piece, .ctx = &got};
        check_ok(call(&p, says, &r, &reply, &e), &e);
        assert_int_equal(reply.body.len, 0);
        if (stop_at == 0)
            check_text(buf_span(&got.all), "hello world");
        else
            assert_int_equal(got.count, 1);
        buf_done(&got.all);
        http_reply_done(&reply);
    }
    peer p; /* what an error says is no piece */
    http_reply reply;
    err e;
    pieces got = {0};
    buf_init(&got.all, 64 * KIB);
    http_request r = {.method = "GET", .piece = take_piece, .ctx = &got};
    check_ok(call(&p, "HTTP/1.1 401 No\r\nContent-Length: 4\r\n\r\nkey?", &r, &reply, &e), &e);
    assert_int_equal(got.count, 0);
    check_text(buf_span(&reply.body), "key?");
    buf_done(&got.all);
    http_reply_done(&reply);
}

static void failures_have_codes(void **state)
{
    peer p;
    http_reply reply;
    err e;
    http_request cut = {.method = "GET"};
    check_code(call(&p, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", &cut, &reply, &e),
               SK_IO, &e);
    http_reply_done(&reply);
    http_request large = {.method = "GET", .reply_bytes_max = 4};
    check_code(
        call(&p, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789", &large, &reply, &e),
        SK_TOO_LARGE, &e);
    http_reply_done(&reply);
    http_request slow = {.method = "GET", .timeout_ms = 50};
    check_code(call(&p, NULL, &slow, &reply, &e), SK_TIMEOUT, &e);
    assert_non_null(strstr(e.text, "within 50 ms"));
    http_reply_done(&reply);

    http_client *c = http_client_new();
    static const struct {
        const char *name, *url;
        sk_code code;
    } rows[] = {{"no port there", "http://127.0.0.1:1/", SK_IO},
                {"no scheme of ours", "file:///etc/passwd", SK_BAD_INPUT},
                {"no URL", "http://", SK_BAD_INPUT}};
    EACH_ROW(row, rows)
    {
        http_request r = {.method = "GET", .url = row->url};
        e = (err){0};
        check_code(http_call(c, &r, &reply, &e), row->code, &e);
        assert_true(e.text[0]);
        http_reply_done(&reply);
    }
    http_client_free(c);
}

/* The descriptor is readable from the start, so the call must end although the peer says nothing. */
static void a_readable_descriptor_cancels(void **state)
{
    peer p;
    http_reply reply;
    err e;
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(write(pipes[1], "x", 1), 1);
    http_request r = {.method = "GET", .cancel_fd = pipes[0]};
    int64_t began = clock_mono_ns();
    char url[64];
    http_client *c = http_client_new();
    peer_start(&p, NULL, 1);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", p.port);
    r.url = url;
    check_code(http_call(c, &r, &reply, &e), SK_CANCELLED, &e);
    assert_true(clock_mono_ns() - began < 5 * NS_PER_S);
    http_reply_done(&reply);
    http_client_free(c);
    close(pipes[0]);
    close(pipes[1]);
    peer_finish(&p);
}

static void loopback_is_told_apart(void **state)
{
    static const struct {
        const char *name;
        bool is_loopback;
    } rows[] = {{"http://127.0.0.1:8080", true},
                {"http://localhost/x", true},
                {"http://[::1]:8080", true},
                {"http://127.8.9.1", true},
                {"http://localhost.evil.example", false},
                {"http://127.evil.example", false},
                {"http://10.0.0.1", false},
                {"http://user@evil.example/127.0.0.1", false},
                {"http://127.0.0.1@evil.example", false},
                {"nonsense", false},
                {"", false}};
    EACH_ROW(row, rows)
    {
        assert_int_equal(http_url_is_loopback(row->name), row->is_loopback);
    }
}

static void text_is_encoded(void **state)
{
    buf out;
    buf_init(&out, 1 * KIB);
    http_encode(&out, SPAN("aZ09-_.~ /?&=%\xc3\xbc"));
    check_text(buf_span(&out), "aZ09-_.~%20%2F%3F%26%3D%25%C3%BC");
    buf_done(&out);
}

TEST_GROUP(outbound_http, TEST(a_request_arrives_as_it_was_made), TEST(redirects_are_not_followed),
           TEST(streams_come_in_pieces), TEST(failures_have_codes),
           TEST(a_readable_descriptor_cancels), TEST(loopback_is_told_apart),
           TEST(text_is_encoded));
TEST_MAIN(outbound_http)
