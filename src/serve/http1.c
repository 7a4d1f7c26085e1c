/*
 * serve/http1.c: HTTP/1.0 and 1.1 requests from bytes, on llhttp. Called by conn.c on its loop, by
 * the fuzzer and by tests, which need no socket. One request at a time: what is pipelined behind it
 * waits, so replies keep their order.
 *
 * Never: lets two readings of one message exist. A head is collected whole and checked byte by byte
 * before llhttp sees it: bare CR or LF, folded lines and control bytes are refused (llhttp takes
 * some of them), as are Content-Length with Transfer-Encoding, a repeated length, codings other
 * than "chunked", trailers, and a missing or repeated Host. Limits: head 64 KiB and 128 fields,
 * deadlines for head and body (protocol.h).
 */
#include "base/alloc.h"
#include "base/must.h"
#include "serve/http1_private.h"

/* ---- what llhttp reports ---- */

static int on_url(llhttp_t *p, const char *at, size_t len)
{
    http1 *h = p->data;
    h->target = h->target.at ? (span){h->target.at, h->target.len + len} : span_of(at, len);
    return 0;
}

static int on_field(llhttp_t *p, const char *at, size_t len)
{
    http1 *h = p->data;
    if (h->phase == HTTP1_BODY) /* a trailer: nothing reads them, and proxies differ in what they do
                                   with them */
        return -1;
    h->field = span_of(at, len);
    return 0;
}

static int on_value(llhttp_t *p, const char *at, size_t len)
{
    http1 *h = p->data;
    span name = h->field;
    h->head_failed |= !exchange__add_header(h->x, name, span_of(at, len));
    return 0;
}

static int on_head(llhttp_t *p)
{
    http1 *h = p->data;
    h->is_chunked = p->flags & F_CHUNKED;
    h->has_length = p->flags & F_CONTENT_LENGTH;
    h->keep_alive = llhttp_should_keep_alive(p);
    if (h->has_length)
        h->x->announced = p->content_length;
    p->upgrade = 0; /* Upgrade is not taken; the request is answered as it is */
    return 0;
}

static int on_body(llhttp_t *p, const char *at, size_t len)
{
    http1 *h = p->data;
    exchange__body_add(h->x, span_of(at, len));
    return 0;
}

static int on_message(llhttp_t *p)
{
    http1 *h = p->data;
    h->is_complete = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t callbacks = {
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_head,
    .on_body = on_body,
    .on_message_complete = on_message,
};

/* ---- refusing ---- */

static void on_ready(void *owner, exchange *x)
{
    http1 *h = owner;
    must(h->x == x);
    h->is_ready = true;
    h->host.kick(h->host.ctx);
}

static bool make_exchange(http1 *h, http_version version)
{
    if (!(h->x = exchange__new(&h->host.from, version))) {
        h->is_done = true;
        return false;
    }
    h->x->owner = h;
    h->x->on_ready = on_ready;
    return true;
}

/* Answers with an error and closes after it: where the next message begins is not known any more.
 */
static void refuse_and_close(http1 *h, const char *reason, const err *why)
{
    h->must_close = true;
    h->phase = HTTP1_WAIT;
    buf_done(&h->head);
    buf_done(&h->pending);
    if (!h->x && !make_exchange(h, HTTP_1_1))
        return;
    counter_add(&h->host.from.core->stats.protocol_errors, 1);
    if (!exchange__is_answered(h->x))
        exchange__refuse(h->x, reason, why);
    else
        h->host.kick(h->host.ctx);
}

#define TLS_HANDSHAKE 0x16 /* the first byte of a client's hello */
static const char tls_hello[] = "a TLS handshake";

static void refuse_input(http1 *h, const char *what)
{
    err e = {0};
    if (what == tls_hello) {
        err_set(&e, SK_BAD_INPUT,
                "TLS came to a port that speaks plain HTTP: write http:// in the URL");
        refuse_and_close(h, "tls_to_plain_port", &e);
        return;
    }
    err_set(&e, SK_BAD_INPUT, "malformed HTTP/1 request: %s", what);
    refuse_and_close(h, "bad_request", &e);
}

/* ---- the head ---- */

/* What is wrong with the next byte of a head, or NULL. *ret_end: it was the last. */
static const char *check_byte(http1 *h, uint8_t c, bool *ret_end)
{
    uint8_t last = h->last_byte;
    h->last_byte = c;
    if (c == TLS_HANDSHAKE && h->line_bytes == 0 && h->line_count == 0)
        return tls_hello;
    if (last == '\r') {
        if (c != '\n')
            return "a CR without LF";
        bool is_empty = h->line_bytes == 1;
        h->line_bytes = 0;
        if (is_empty && h->line_count > 0)
            *ret_end = true;
        h->line_count += !is_empty;
        return NULL;
    }
    if (c == '\n')
        return "a line that ends in LF alone";
    if ((c < ' ' && c != '\r' && c != '\t') || c == 0x7f)
        return "a control byte in the head";
    if (h->line_bytes == 0 && h->line_count > 0 && (c == ' ' || c == '\t'))
        return "a folded header line";
    h->line_bytes++;
    return NULL;
}

static const char *check_fields(http1 *h)
{
    exchange *x = h->x;
    span coding = exchange_header(x, "transfer-encoding");
    uint32_t hosts = exchange_header_count(x, "host");
    if (h->parser.http_major != 1 || h->parser.http_minor > 1)
        return "HTTP/1.0 and HTTP/1.1 are spoken here, and HTTP/2 after its preface";
    if (hosts > 1 || (hosts == 0 && x->version == HTTP_1_1))
        return "exactly one Host header is needed";
    if (coding.at && (exchange_header_count(x, "transfer-encoding") > 1 ||
                      !span_equal_nocase(coding, SPAN("chunked"))))
        return "Transfer-Encoding must be \"chunked\"";
    if (coding.at && x->version == HTTP_1_0)
        return "Transfer-Encoding does not exist in HTTP/1.0";
    if (coding.at && exchange_header(x, "content-length").at)
        return "Content-Length and Transfer-Encoding together";
    span expect = exchange_header(x, "expect");
    h->expects_continue = expect.at && x->version == HTTP_1_1;
    if (expect.at && !span_equal_nocase(expect, SPAN("100-continue")))
        return "Expect knows only 100-continue";
    return NULL;
}

static void finish_message(http1 *h)
{
    h->phase = HTTP1_WAIT;
    exchange__body_end(h->x);
    if (h->is_reply_done)
        h->host.kick(h->host.ctx);
}

/* A request was refused before its body came: read past it if that is cheap. */
static void check_refused(http1 *h)
{
    exchange *x = h->x;
    if (!exchange__is_answered(x) || h->is_complete || h->must_close)
        return;
    uint64_t left = x->announced == UINT64_MAX ? 0 : x->announced - x->received_bytes;
    h->discard_left = HTTP1_DISCARD_MAX;
    if (left > h->discard_left || h->expects_continue)
        h->must_close = true;
}

/* The head is complete in h->head. */
static void take_head(http1 *h)
{
    span text;
    if (!make_exchange(h, HTTP_1_1))
        return;
    exchange *x = h->x;
    if (!arena_copy(x->mem, buf_span(&h->head), &text)) {
        h->is_done = true;
        return;
    }
    buf_done(&h->head);
    llhttp_init(&h->parser, HTTP_REQUEST, &callbacks);
    h->parser.data = h;
    h->target = (span){0};
    h->is_complete = h->head_failed = h->expects_continue = h->is_chunked = h->has_length = false;
    llhttp_errno_t code = llhttp_execute(&h->parser, (const char *)text.at, text.len);
    if (code != HPE_OK && code != HPE_PAUSED) {
        const char *why = llhttp_get_error_reason(&h->parser);
        refuse_input(h, why ? why : llhttp_errno_name(code));
        return;
    }
    x->version = h->parser.http_minor ? HTTP_1_1 : HTTP_1_0;
    if (h->head_failed) {
        err e = {0};
        err_set(&e, SK_TOO_LARGE, "the request has more than %u header fields", HEADERS_MAX);
        refuse_and_close(h, "too_large", &e);
        return;
    }
    const char *wrong = check_fields(h);
    if (wrong) {
        refuse_input(h, wrong);
        return;
    }
    h->phase = HTTP1_BODY;
    h->began_ns = h->now_ns;
    exchange__head(x, span_text(llhttp_method_name((llhttp_method_t)h->parser.method)), h->target);
    if (h->is_complete)
        finish_message(h);
    else
        check_refused(h);
}

/* Takes bytes into the head; returns how many. */
static size_t feed_head(http1 *h, span bytes)
{
    size_t most = h->host.from.core->options.limits.header_bytes_max, used = 0;
    bool is_end = false;
    const char *wrong = NULL;
    if (h->head.len == 0 && h->line_count == 0 && h->line_bytes == 0)
        h->began_ns = h->now_ns;
    while (used < bytes.len && !is_end && !wrong && h->head.len + used < most)
        wrong = check_byte(h, bytes.at[used++], &is_end);
    if (wrong) {
        refuse_input(h, wrong);
        return used;
    }
    buf_add_span(&h->head, span_first(bytes, used));
    if (h->head.failed || (!is_end && h->head.len >= most)) {
        err e = {0};
        err_set(&e, SK_TOO_LARGE, "the request's head is over %zu bytes", most);
        refuse_and_close(h, "too_large", &e);
    } else if (is_end) {
        h->last_byte = 0;
        h->line_bytes = h->line_count = 0;
        take_head(h);
    }
    return used;
}

/* ---- the body ---- */

static size_t feed_body(http1 *h, span bytes)
{
    exchange *x = h->x;
    uint64_t before = x->received_bytes;
    bool was_answered = exchange__is_answered(x);
    llhttp_errno_t code = llhttp_execute(&h->parser, (const char *)bytes.at, bytes.len);
    if (was_answered) {
        uint64_t dropped = x->received_bytes - before;
        h->must_close |= dropped > h->discard_left;
        h->discard_left -= dropped < h->discard_left ? dropped : h->discard_left;
    }
    if (code == HPE_PAUSED && h->is_complete) {
        size_t used = (size_t)((const uint8_t *)llhttp_get_error_pos(&h->parser) - bytes.at);
        finish_message(h);
        return used;
    }
    if (code != HPE_OK) {
        refuse_input(h, code == HPE_USER ? "trailers are not taken"
                                         : llhttp_get_error_reason(&h->parser));
        return bytes.len;
    }
    if (!was_answered)
        check_refused(h);
    return bytes.len;
}

static void feed(protocol *p, span bytes, int64_t now_ns)
{
    http1 *h = (http1 *)p;
    h->now_ns = now_ns;
    while (bytes.len > 0 && !h->must_close && !h->is_done) {
        size_t used = bytes.len;
        if (h->phase == HTTP1_HEAD)
            used = feed_head(h, bytes);
        else if (h->phase == HTTP1_BODY)
            used = feed_body(h, bytes);
        else
            buf_add_span(&h->pending, bytes);
        bytes = span_from(bytes, used);
    }
    bool waits_for_body = h->phase == HTTP1_BODY && h->x && !exchange__is_answered(h->x);
    if (waits_for_body && h->expects_continue) {
        h->expects_continue = false;
        if (h->x->received_bytes == 0) {
            buf_add_text(&h->early, "HTTP/1.1 100 Continue\r\n\r\n");
            h->host.kick(h->host.ctx);
        }
    }
    if (h->must_close)
        h->host.kick(h->host.ctx);
}

void http1__next(http1 *h)
{
    exchange *x = h->x;
    h->x = NULL;
    h->phase = HTTP1_HEAD;
    h->is_ready = h->is_head_sent = h->is_reply_done = h->is_chunked_reply = false;
    if (h->must_close || h->input_ended || h->is_draining || !h->keep_alive)
        h->is_done = true;
    exchange__finish(x);
    if (h->is_done)
        return;
    if (h->pending.len == 0) {
        buf_done(&h->pending);
        return;
    }
    buf input = h->pending;
    buf_init(&h->pending, HTTP1_PENDING_MAX * 2);
    feed(&h->base, buf_span(&input), h->now_ns);
    buf_done(&input);
}

/* ---- time, ends ---- */

static void end_of_input(protocol *p)
{
    http1 *h = (http1 *)p;
    h->input_ended = true;
    if (h->phase == HTTP1_WAIT && h->x) {
        exchange__peer_left(h->x); /* it may have closed only its side: the reply is still sent */
        return;
    }
    h->is_done = true;
    h->host.kick(h->host.ctx);
}

static bool is_idle(const protocol *p)
{
    const http1 *h = (const http1 *)p;
    return !h->x && h->head.len == 0;
}

static bool wants_input(const protocol *p)
{
    const http1 *h = (const http1 *)p;
    return !h->is_done && h->pending.len < HTTP1_PENDING_MAX;
}

static bool wants_close(const protocol *p)
{
    const http1 *h = (const http1 *)p;
    return h->is_done && h->early.len == 0;
}

static int64_t deadline_ns(const protocol *p)
{
    const http1 *h = (const http1 *)p;
    const serve_limits *l = &h->host.from.core->options.limits;
    if (h->phase == HTTP1_HEAD && h->head.len > 0)
        return h->began_ns + (int64_t)l->header_ms * NS_PER_MS;
    if (h->phase == HTTP1_BODY && h->x)
        return body_deadline_ns(l, h->began_ns, h->x->received_bytes);
    return INT64_MAX;
}

static void expire(protocol *p)
{
    http1 *h = (http1 *)p;
    err e = {0};
    counter_add(&h->host.from.core->stats.slow_senders, 1);
    if (h->x && exchange__is_answered(h->x) && h->is_reply_done) {
        h->is_done = true;
        h->host.kick(h->host.ctx);
        return;
    }
    err_set(&e, SK_SLOW_SENDER,
            h->phase == HTTP1_HEAD
                ? "the request's head was not complete within its deadline"
                : "the request's body came too slowly: a KiB a second is needed");
    refuse_and_close(h, "slow_sender", &e);
}

static void tick(protocol *p, int64_t now_ns)
{
    http1 *h = (http1 *)p;
    h->now_ns = now_ns;
    if (h->x && h->is_head_sent)
        exchange__heartbeat(h->x, now_ns);
}

static void drain(protocol *p)
{
    http1 *h = (http1 *)p;
    h->is_draining = true;
    if (is_idle(p))
        h->is_done = true;
    else if (h->x)
        exchange__drain(h->x);
    h->host.kick(h->host.ctx);
}

static void http1_free(protocol *take_p)
{
    http1 *h = (http1 *)take_p;
    if (h->x)
        exchange__detach(h->x);
    buf_done(&h->head);
    buf_done(&h->pending);
    buf_done(&h->early);
    base_free(h);
}

static const protocol_ops ops = {feed,        end_of_input, http1__pump, wants_input,
                                 wants_close, deadline_ns,  expire,      tick,
                                 drain,       is_idle,      http1_free};

protocol *http1_new(const protocol_host *host)
{
    http1 *h = base_alloc_zero(1, sizeof *h);
    if (!h)
        return NULL;
    h->base.ops = &ops;
    h->host = *host;
    buf_init(&h->head, host->from.core->options.limits.header_bytes_max);
    buf_init(&h->pending, HTTP1_PENDING_MAX * 2);
    buf_init(&h->early, KIB);
    return &h->base;
}
