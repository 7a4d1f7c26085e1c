/*
 * serve/exchange_reply.c: replies and streams: from any thread into the exchange, and from there,
 * on the loop, to the protocol that sends them. Called by handlers, the committer, http1.c and
 * http2.c. Never: touches an exchange after the call that ended it; calls back while `guard` is
 * held.
 */
#include "serve/exchange_private.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/must.h"
#include "serve/grpc.h"
#include "wire/json.h"

static void on_posted(task *t)
{
    exchange *x = (exchange *)t;
    lock_take(&x->guard);
    x->is_posted = false;
    bool is_ended = x->is_ended;
    void (*gone)(exchange *, void *) = x->is_gone && !is_ended ? x->on_gone : NULL;
    if (gone)
        x->on_gone = NULL;
    lock_drop(&x->guard);
    if (gone)
        gone(x, x->on_gone_ctx);
    else if (x->owner)
        x->on_ready(x->owner, x);
    else if (is_ended)
        exchange__free(x);
}

/* Marks it as posted; the lock is held. True: the caller posts it after dropping the lock. */
static bool mark_posted(exchange *x)
{
    if (x->is_posted)
        return false;
    x->is_posted = true;
    x->posted.run = on_posted;
    return true;
}

void exchange__post(exchange *x)
{
    lock_take(&x->guard);
    bool must_post = mark_posted(x);
    lock_drop(&x->guard);
    if (must_post)
        mailbox_post(x->home, &x->posted);
}

/* ---- heads ---- */

void exchange_set_header(exchange *x, const char *name, span text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((text.at[i] < ' ' && text.at[i] != '\t') || text.at[i] == 0x7f)
            return;
    size_t before = x->reply_head.len;
    buf_add_text(&x->reply_head, name);
    buf_add_text(&x->reply_head, ": ");
    buf_add_span(&x->reply_head, text);
    buf_add_text(&x->reply_head, "\r\n");
    if (x->reply_head.failed) { /* the header is left out whole */
        x->reply_head.len = before;
        x->reply_head.failed = false;
    }
}

bool exchange__reply_line(span *rest, span *ret_name, span *ret_value)
{
    if (rest->len == 0)
        return false;
    span line = span_cut(rest, '\n');
    line.len--; /* CR */
    *ret_name = span_cut(&line, ':');
    *ret_value = span_from(line, 1);
    return true;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", from the RFC 3339 form. Not in the arena: while a stream's head is written, its handler uses that. */
static void add_date(exchange *x, int64_t now_ns)
{
    static const char days[] = "ThuFriSatSunMonTueWed",
                      months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char text[36], date[40];
    clock_print_rfc3339(now_ns - now_ns % NS_PER_S, text);
    size_t day = (size_t)(clock_day(now_ns) % 7),
           month = (size_t)((text[5] - '0') * 10 + text[6] - '0' - 1);
    int len = snprintf(date, sizeof date, "%.3s, %.2s %.3s %.4s %.8s GMT", days + 3 * day, text + 8,
                       months + 3 * month, text, text + 11);
    exchange_set_header(x, "date", span_of(date, (size_t)len));
}

void exchange__reply_head(exchange *x)
{
    exchange__add_cors(x);
    add_date(x, clock_wall_ns());
    if (!x->is_grpc)
        exchange_set_header(x, "x-content-type-options", SPAN("nosniff"));
}

static void set_content_type(exchange *x, const char *content_type)
{
    if (content_type)
        exchange_set_header(x, "content-type", span_text(content_type));
}

/* The reply is complete: hands the exchange to its loop. */
static void end(exchange *x)
{
    mailbox *home = x->home;
    lock_take(&x->guard);
    must(!x->is_ended);
    x->is_ended = true;
    bool must_post = mark_posted(x);
    lock_drop(&x->guard);
    if (must_post)
        mailbox_post(home, &x->posted);
}

static void begin_whole(exchange *x, int status, const char *content_type)
{
    must(!x->is_stream);
    x->status = status;
    set_content_type(x, x->is_grpc ? "application/grpc" : content_type);
    must(!x->is_grpc || status == 200);
}

void exchange_reply(exchange *take_x, int status, const char *content_type, span body)
{
    exchange *x = take_x;
    begin_whole(x, status, content_type);
    if (x->is_grpc) {
        uint8_t prefix[GRPC_PREFIX_BYTES];
        grpc_add_prefix(prefix, body.len);
        buf_add(&x->out, prefix, sizeof prefix);
    }
    buf_add_span(&x->out, body);
    if (x->out.failed) { /* no memory for the reply */
        buf_done(&x->out);
        x->status = 503;
        x->grpc_status = sk_grpc_status(SK_NO_MEMORY);
    }
    end(x);
}

void exchange_reply_buf(exchange *take_x, int status, const char *content_type, buf *take_body)
{
    exchange *x = take_x;
    if (x->is_grpc || take_body->failed) {
        exchange_reply(x, status, content_type, take_body->failed ? SPAN("") : buf_span(take_body));
        buf_done(take_body);
        return;
    }
    begin_whole(x, status, content_type);
    buf_done(&x->out);
    x->out = *take_body;
    *take_body = (buf){.max_bytes = take_body->max_bytes};
    end(x);
}

void exchange_reply_static(exchange *take_x, int status, const char *content_type, span body)
{
    exchange *x = take_x;
    if (x->is_grpc) {
        exchange_reply(x, status, content_type, body);
        return;
    }
    begin_whole(x, status, content_type);
    x->is_static = true;
    x->static_body = body;
    end(x);
}

/* ---- errors ---- */

static void fail_grpc(exchange *x, const err *why)
{
    buf details;
    buf_init(&details, 8 * KIB);
    receive_error_body(why, FORM_PROTOBUF, &details);
    x->status = 200;
    x->grpc_status = sk_grpc_status(why->code);
    set_content_type(x, "application/grpc");
    grpc_add_message(&x->trailers, span_text(why->text));
    size_t cut = x->trailers.len;
    grpc_add_base64(&x->trailers, buf_span(&details));
    if (!x->trailers.failed) {
        x->grpc_message = span_first(buf_span(&x->trailers), cut);
        x->grpc_details = span_from(buf_span(&x->trailers), cut);
    }
    buf_done(&details);
}

static bool asks_protobuf(const exchange *x)
{
    return span_contains(exchange_header(x, "content-type"), SPAN("protobuf"));
}

static void fail_http(exchange *x, const err *why)
{
    x->status = sk_http_status(why->code);
    if (sk_may_retry(why->code)) {
        char text[16];
        int len = snprintf(text, sizeof text, "%u", why->retry_after_s ? why->retry_after_s : 1);
        exchange_set_header(x, "retry-after", span_of(text, (size_t)len));
    }
    if (why->code == SK_UNAUTHENTICATED)
        exchange_set_header(x, "www-authenticate", SPAN("Bearer realm=\"skep\""));
    bool is_otlp = x->match.row ? x->match.row->form == ERROR_OTLP : x->match.is_otlp;
    receive_form form = asks_protobuf(x) ? FORM_PROTOBUF : FORM_JSON;
    if (is_otlp || (!x->match.row && form == FORM_PROTOBUF)) {
        set_content_type(x, form == FORM_JSON ? "application/json" : "application/x-protobuf");
        receive_error_body(why, form, &x->out);
        return;
    }
    set_content_type(x, "application/json");
    json_writer w = {.out = &x->out};
    jw_object(&w);
    jw_key_text(&w, "error");
    jw_text(&w, why->text);
    jw_key_text(&w, "code");
    jw_text(&w, sk_name(why->code));
    if (why->offset) {
        jw_key_text(&w, "offset");
        jw_u64(&w, why->offset);
    }
    jw_object_end(&w);
}

void exchange_fail(exchange *take_x, const err *why)
{
    exchange *x = take_x;
    if (x->is_stream) { /* too late for a status: what was written is all there is */
        exchange_end(x);
        return;
    }
    must(why->code != SK_OK);
    x->failed_code = why->code;
    if (x->is_grpc)
        fail_grpc(x, why);
    else
        fail_http(x, why);
    if (x->out.failed)
        buf_done(&x->out);
    end(x);
}

/* ---- streams ---- */

void exchange_begin(exchange *x, int status, const char *content_type)
{
    must(!x->is_grpc);
    begin_whole(x, status, content_type);
    x->is_event_stream =
        content_type && span_starts_with(span_text(content_type), SPAN("text/event-stream"));
    if (x->is_event_stream)
        exchange_set_header(x, "cache-control", SPAN("no-cache"));
    x->last_write_mono_ns = clock_mono_ns();
    x->is_stream = true;
    exchange__post(x);
}

/* The lock is held. Adds all of it or, when too much waits already, nothing; one write may pass the
 * bound alone. */
static bool add_to_stream(exchange *x, span bytes)
{
    size_t waiting = x->out.len - x->out_at, most = x->core->options.limits.stream_bytes_max;
    if (waiting > 0 && bytes.len + waiting > most)
        return false;
    if (x->out_at > 0 && x->out_at >= x->out.len / 2) {
        memmove(x->out.at, x->out.at + x->out_at, waiting);
        x->out.len = waiting;
        x->out_at = 0;
    }
    buf_add_span(&x->out, bytes);
    x->last_write_mono_ns = clock_mono_ns();
    return true;
}

static stream_state try_write_locked(exchange *x, span bytes, bool *ret_post)
{
    *ret_post = false;
    if (x->is_gone || x->out.failed)
        return STREAM_GONE;
    if (bytes.len > 0 && !add_to_stream(x, bytes))
        return STREAM_FULL;
    *ret_post = bytes.len > 0 && mark_posted(x);
    return x->out.failed ? STREAM_GONE : STREAM_OK;
}

stream_state exchange_try_write(exchange *x, span bytes)
{
    bool must_post;
    must(x->is_stream);
    lock_take(&x->guard);
    stream_state state = try_write_locked(x, bytes, &must_post);
    lock_drop(&x->guard);
    if (must_post)
        mailbox_post(x->home, &x->posted);
    return state;
}

bool exchange_write(exchange *x, span bytes)
{
    bool must_post;
    stream_state state;
    must(x->is_stream);
    int64_t until = clock_mono_ns() + (int64_t)x->core->options.limits.write_ms * NS_PER_MS;
    lock_take(&x->guard);
    while ((state = try_write_locked(x, bytes, &must_post)) == STREAM_FULL)
        if (!condition_wait_until(&x->room, &x->guard, until)) {
            state = STREAM_GONE; /* nothing was taken for so long */
            break;
        }
    lock_drop(&x->guard);
    if (must_post)
        mailbox_post(x->home, &x->posted);
    return state == STREAM_OK;
}

void exchange_end(exchange *take_x)
{
    must(take_x->is_stream);
    end(take_x);
}

void exchange_on_gone(exchange *x, void (*gone)(exchange *take_x, void *ctx), void *ctx)
{
    must(x->is_stream);
    lock_take(&x->guard);
    x->on_gone = gone;
    x->on_gone_ctx = ctx;
    if (atomic_load(&x->core->is_draining))
        x->is_gone = true;
    bool must_post = x->is_gone && mark_posted(x);
    lock_drop(&x->guard);
    if (must_post)
        mailbox_post(x->home, &x->posted);
}

/* ---- the loop's side ---- */

bool exchange__reply_length(exchange *x, uint64_t *ret)
{
    if (x->is_static) {
        *ret = x->static_body.len;
        return x->is_ended_seen = true;
    }
    lock_take(&x->guard);
    bool is_ended = x->is_ended;
    *ret = x->out.len - x->out_at;
    x->is_ended_seen = is_ended;
    lock_drop(&x->guard);
    return is_ended;
}

bool exchange__has_body(const exchange *x)
{
    return x->method != HTTP_METHOD_HEAD && x->status != 204 && x->status != 304;
}

size_t exchange__pull(exchange *x, uint8_t *out, size_t max, bool *ret_end)
{
    lock_take(&x->guard);
    span from = x->is_static ? x->static_body : buf_span(&x->out);
    from = span_from(from, x->out_at);
    size_t len = from.len < max ? from.len : max;
    if (len > 0)
        memcpy(out, from.at, len);
    x->out_at += len;
    *ret_end = x->is_ended_seen = x->is_ended && len == from.len;
    if (len > 0 && x->is_stream)
        condition_wake_all(&x->room);
    lock_drop(&x->guard);
    x->sent_bytes += len;
    return len;
}

void exchange__heartbeat(exchange *x, int64_t now_mono_ns)
{
    int64_t after = (int64_t)x->core->options.limits.heartbeat_ms * NS_PER_MS;
    if (!x->is_stream || !x->is_event_stream)
        return;
    bool must_post = false;
    lock_take(&x->guard);
    if (!x->is_ended && x->out_at == x->out.len && now_mono_ns - x->last_write_mono_ns >= after)
        (void)try_write_locked(x, SPAN(":\n\n"), &must_post);
    lock_drop(&x->guard);
    if (must_post)
        mailbox_post(x->home, &x->posted);
}

void exchange__peer_left(exchange *x)
{
    atomic_store(&x->cancel, true);
    lock_take(&x->guard);
    x->is_gone = true;
    bool must_post = x->on_gone && !x->is_ended && mark_posted(x);
    condition_wake_all(&x->room);
    lock_drop(&x->guard);
    if (must_post)
        mailbox_post(x->home, &x->posted);
}

void exchange__drain(exchange *x)
{
    lock_take(&x->guard);
    bool must_post = x->on_gone && !x->is_ended && mark_posted(x);
    x->is_gone |= must_post;
    lock_drop(&x->guard);
    if (must_post)
        mailbox_post(x->home, &x->posted);
}

static void count_reply(exchange *x, int status)
{
    const serve_options *o = &x->core->options;
    size_t index = x->match.row ? (size_t)(x->match.row - o->routes) : o->route_count;
    stats_count_reply(&x->core->stats, index, status, clock_mono_ns() - x->arrival_mono_ns,
                      x->received_bytes, x->sent_bytes);
}

/* Frees it if nobody else still has it. */
static void let_go(exchange *x)
{
    x->owner = NULL;
    lock_take(&x->guard);
    bool is_last = (!x->is_dispatched || x->is_ended) && !x->is_posted;
    lock_drop(&x->guard);
    if (is_last)
        exchange__free(x);
}

void exchange__detach(exchange *take_x)
{
    count_reply(take_x, 499);
    take_x->owner = NULL;
    exchange__peer_left(take_x);
    let_go(take_x);
}

void exchange__finish(exchange *take_x)
{
    if (!take_x->is_ended_seen)
        exchange__peer_left(take_x); /* nobody will take more of this stream (HEAD) */
    bool has_code = take_x->is_grpc && take_x->failed_code;
    count_reply(take_x, has_code ? sk_http_status(take_x->failed_code) : take_x->status);
    let_go(take_x);
}
