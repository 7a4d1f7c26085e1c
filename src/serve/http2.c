/*
 * serve/http2.c: HTTP/2 requests from bytes, on nghttp2. Called by conn.c on its loop and by tests.
 * Each stream is one exchange, handed to the workers as soon as it is complete, so one connection
 * keeps all cores busy.
 *
 * Limits: concurrent streams, header list 64 KiB, a token bucket over resets of either side (rapid
 * reset, made-you-reset), deadlines for the first SETTINGS and for every body; nghttp2 itself
 * bounds SETTINGS, PING and CONTINUATION floods. Never: keeps a stream's exchange after nghttp2
 * closed the stream.
 */
#include "base/alloc.h"
#include "base/must.h"
#include "serve/http2_private.h"

#define STREAM_WINDOW     (1 << 20)
#define CONNECTION_WINDOW (8 << 20)
#define RESETS_A_SECOND   20.0

static void on_ready(void *owner, exchange *x)
{
    http2_stream *s = owner;
    must(s->x == x);
    http2__submit(s);
    s->owner->host.kick(s->owner->host.ctx);
}

/* ---- streams ---- */

static http2_stream *open_stream(http2 *h, int32_t id)
{
    http2_stream *s = base_alloc_zero(1, sizeof *s);
    if (!s)
        return NULL;
    if (!(s->x = exchange__new(&h->host.from, HTTP_2))) {
        base_free(s);
        return NULL;
    }
    s->owner = h;
    s->id = id;
    s->x->owner = s;
    s->x->on_ready = on_ready;
    s->next = h->streams;
    if (s->next)
        s->next->previous = s;
    h->streams = s;
    h->stream_count++;
    return s;
}

static void close_stream(http2_stream *s)
{
    http2 *h = s->owner;
    if (s->x)
        exchange__detach(s->x);
    if (s->previous)
        s->previous->next = s->next;
    else
        h->streams = s->next;
    if (s->next)
        s->next->previous = s->previous;
    h->stream_count--;
    base_free(s);
}

/* Counts a reset; an abuser is told to go. */
static void count_reset(http2 *h)
{
    double most = h->host.from.core->options.limits.resets_max;
    h->resets_left += (double)(h->now_ns - h->resets_at_ns) / (double)NS_PER_S * RESETS_A_SECOND;
    h->resets_at_ns = h->now_ns;
    if (h->resets_left > most)
        h->resets_left = most;
    h->resets_left -= 1;
    if (h->resets_left >= 0 || h->sent_goaway)
        return;
    h->sent_goaway = true;
    counter_add(&h->host.from.core->stats.reset_floods, 1);
    nghttp2_session_terminate_session(h->session, NGHTTP2_ENHANCE_YOUR_CALM);
}

/* ---- callbacks ---- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    http2 *h = ctx;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    http2_stream *s = open_stream(h, frame->hd.stream_id);
    if (!s)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* resets this stream */
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, s);
    return 0;
}

static bool add_header(http2_stream *s, span name, span text)
{
    exchange *x = s->x;
    span name_copy, text_copy;
    if (!arena_copy(x->mem, name, &name_copy) || !arena_copy(x->mem, text, &text_copy))
        return false;
    if (span_is(name, ":method"))
        s->method = text_copy;
    else if (span_is(name, ":path"))
        s->target = text_copy;
    else if (span_is(name, ":authority"))
        return exchange__add_header(x, SPAN("host"), text_copy);
    else if (name.len > 0 && name.at[0] != ':')
        return exchange__add_header(x, name_copy, text_copy);
    return true;
}

/* "cookie" may come as several fields, which are one. */
static bool join_cookie(exchange *x, span name, span text)
{
    if (!span_is(name, "cookie"))
        return false;
    for (uint32_t i = 0; i < x->header_count; i++) {
        http_header *old = &x->headers[i];
        if (!span_is(old->name, "cookie"))
            continue;
        if (x->header_bytes + text.len > x->core->options.limits.header_bytes_max)
            return true;
        span joined =
            arena_print(x->mem, "%.*s; %.*s", (int)old->value.len, (const char *)old->value.at,
                        (int)text.len, (const char *)text.at);
        x->header_bytes += text.len;
        if (joined.at)
            old->value = joined;
        return true;
    }
    return false;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *text, size_t text_len, uint8_t flags,
                     void *ctx)
{
    http2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!s || !s->x || s->has_head || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0; /* trailers are not used */
    span n = {name, name_len}, t = {text, text_len};
    if (!s->head_failed && !join_cookie(s->x, n, t))
        s->head_failed = !add_header(s, n, t);
    if (s->head_failed && s->x->header_count < HEADERS_MAX)
        s->x->header_bytes += name_len + text_len;
    return 0;
}

static void head_done(http2_stream *s)
{
    exchange *x = s->x;
    s->has_head = true;
    s->body_began_ns = s->owner->now_ns;
    if (s->head_failed) {
        err e = {0};
        err_set(&e, SK_TOO_LARGE, "the request's headers are over %zu bytes or %u fields",
                x->core->options.limits.header_bytes_max, HEADERS_MAX);
        exchange__refuse(x, "too_large", &e);
        return;
    }
    uint64_t announced;
    if (span_to_u64(exchange_header(x, "content-length"), &announced))
        x->announced = announced; /* nghttp2 checked it, and holds the sender to it */
    exchange__head(x, s->method, s->target);
}

static void request_done(http2_stream *s)
{
    s->is_complete = true;
    if (s->x)
        exchange__body_end(s->x);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    http2 *h = ctx;
    if (frame->hd.type == NGHTTP2_RST_STREAM)
        count_reset(h);
    if (frame->hd.type == NGHTTP2_SETTINGS)
        h->has_settings = true;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    http2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!s)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST && s->x &&
        !s->has_head)
        head_done(s);
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        request_done(s);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *at,
                   size_t len, void *ctx)
{
    http2_stream *s = nghttp2_session_get_stream_user_data(session, id);
    if (s && s->x)
        exchange__body_add(s->x, span_of(at, len));
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t error, void *ctx)
{
    http2_stream *s = nghttp2_session_get_stream_user_data(session, id);
    nghttp2_session_set_stream_user_data(session, id, NULL);
    if (s)
        close_stream(s);
    return 0;
}

static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    http2 *h = ctx;
    if (frame->hd.type == NGHTTP2_RST_STREAM && frame->rst_stream.error_code != NGHTTP2_NO_ERROR) {
        counter_add(&h->host.from.core->stats.protocol_errors, 1);
        count_reset(h);
        return 0;
    }
    bool is_end = (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
                  (frame->hd.flags & NGHTTP2_FLAG_END_STREAM);
    http2_stream *s =
        is_end ? nghttp2_session_get_stream_user_data(session, frame->hd.stream_id) : NULL;
    if (!s)
        return 0;
    if (s->x) {
        exchange *x = s->x;
        s->x = NULL;
        exchange__finish(x);
    }
    if (!s->is_complete) /* answered early: the rest of the body is not wanted (RFC 9113 §8.1) */
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                  NGHTTP2_NO_ERROR);
    return 0;
}

/* ---- the protocol ---- */

static void feed(protocol *p, span bytes, int64_t now_ns)
{
    http2 *h = (http2 *)p;
    h->now_ns = now_ns;
    if (h->is_done)
        return;
    ssize_t used = nghttp2_session_mem_recv(h->session, bytes.at, bytes.len);
    if (used < 0) {
        counter_add(&h->host.from.core->stats.protocol_errors, 1);
        if (used == NGHTTP2_ERR_BAD_CLIENT_MAGIC || used == NGHTTP2_ERR_NOMEM ||
            used == NGHTTP2_ERR_FLOODED)
            h->is_done = true;
        else
            nghttp2_session_terminate_session(h->session, NGHTTP2_PROTOCOL_ERROR);
    }
    h->host.kick(h->host.ctx);
}

static void end_of_input(protocol *p)
{
    http2 *h = (http2 *)p;
    h->input_ended = h->is_done = true; /* without its acknowledgements no stream can go on */
    h->host.kick(h->host.ctx);
}

static bool wants_input(const protocol *p)
{
    return !((const http2 *)p)->is_done;
}

static bool wants_close(const protocol *p)
{
    const http2 *h = (const http2 *)p;
    return h->is_done ||
           (!nghttp2_session_want_read(h->session) && !nghttp2_session_want_write(h->session));
}

static bool is_idle(const protocol *p)
{
    return ((const http2 *)p)->stream_count == 0;
}

static int64_t stream_deadline_ns(const http2_stream *s)
{
    const serve_limits *l = &s->owner->host.from.core->options.limits;
    if (s->is_complete || !s->x)
        return INT64_MAX;
    return s->has_head ? body_deadline_ns(l, s->body_began_ns, s->x->received_bytes) : INT64_MAX;
}

static int64_t deadline_ns(const protocol *p)
{
    const http2 *h = (const http2 *)p;
    int64_t header_ns = (int64_t)h->host.from.core->options.limits.header_ms * NS_PER_MS;
    if (!h->has_settings)
        return h->began_ns + header_ns;
    int64_t least = INT64_MAX;
    for (const http2_stream *s = h->streams; s; s = s->next) {
        int64_t at = stream_deadline_ns(s);
        least = at < least ? at : least;
    }
    return least;
}

/* Streams whose body is late are refused; a peer that never finished its preface is dropped. */
static void expire(protocol *p)
{
    http2 *h = (http2 *)p;
    counter_add(&h->host.from.core->stats.slow_senders, 1);
    if (!h->has_settings) {
        h->is_done = true;
        h->host.kick(h->host.ctx);
        return;
    }
    for (http2_stream *s = h->streams; s; s = s->next) {
        if (stream_deadline_ns(s) > h->now_ns)
            continue;
        err e = {0};
        err_set(&e, SK_SLOW_SENDER, "the request's body came too slowly: a KiB a second is needed");
        s->is_complete = true; /* no more deadlines; what still comes is dropped */
        if (exchange__is_answered(s->x))
            nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_CANCEL);
        else
            exchange__refuse(s->x, "slow_sender", &e);
    }
    h->host.kick(h->host.ctx);
}

/* Windows are the peer's to open: whoever keeps one shut would hold the reply, and what writes it,
 * for ever. A stream that only waits for its turn is not stalled. */
static bool is_stalled(const http2_stream *s)
{
    http2 *h = s->owner;
    int64_t most_ns = (int64_t)h->host.from.core->options.limits.write_ms * NS_PER_MS;
    if (!s->x || !s->is_submitted || s->is_deferred || s->is_given_up)
        return false;
    if (nghttp2_session_get_stream_remote_window_size(h->session, s->id) <= 0)
        return h->now_ns - s->moved_ns > most_ns;
    return nghttp2_session_get_remote_window_size(h->session) <= 0 &&
           h->now_ns - h->moved_ns > most_ns;
}

static void reset_stalled(http2 *h)
{
    for (http2_stream *s = h->streams; s; s = s->next) {
        if (!is_stalled(s))
            continue;
        counter_add(&h->host.from.core->stats.slow_readers, 1);
        s->is_given_up = true;
        nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_CANCEL);
        h->host.kick(h->host.ctx);
    }
}

static void tick(protocol *p, int64_t now_ns)
{
    http2 *h = (http2 *)p;
    h->now_ns = now_ns;
    for (http2_stream *s = h->streams; s; s = s->next)
        if (s->x && s->is_submitted)
            exchange__heartbeat(s->x, now_ns);
    reset_stalled(h);
    if (h->is_draining &&
        !h->sent_goaway) { /* a round trip after the notice: now the last stream is known */
        h->sent_goaway = true;
        nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE,
                              nghttp2_session_get_last_proc_stream_id(h->session), NGHTTP2_NO_ERROR,
                              NULL, 0);
        h->host.kick(h->host.ctx);
    }
}

static void drain(protocol *p)
{
    http2 *h = (http2 *)p;
    if (h->is_draining || h->sent_goaway)
        return;
    h->is_draining = true;
    nghttp2_submit_shutdown_notice(h->session);
    for (http2_stream *s = h->streams; s; s = s->next)
        if (s->x)
            exchange__drain(s->x);
    h->host.kick(h->host.ctx);
}

static void http2_free(protocol *take_p)
{
    http2 *h = (http2 *)take_p;
    while (h->streams)
        close_stream(h->streams);
    nghttp2_session_del(h->session);
    base_free(h);
}

static const protocol_ops ops = {feed,        end_of_input, http2__pump, wants_input,
                                 wants_close, deadline_ns,  expire,      tick,
                                 drain,       is_idle,      http2_free};

static bool open_session(http2 *h)
{
    nghttp2_session_callbacks *c;
    nghttp2_option *o;
    if (nghttp2_session_callbacks_new(&c))
        return false;
    if (nghttp2_option_new(&o)) {
        nghttp2_session_callbacks_del(c);
        return false;
    }
    nghttp2_session_callbacks_set_on_begin_headers_callback(c, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(c, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(c, on_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(c, on_sent);
    nghttp2_option_set_no_closed_streams(o, 1);
    nghttp2_option_set_max_send_header_block_length(o, 128 * KIB);
    int failed = nghttp2_session_server_new2(&h->session, c, h, o);
    nghttp2_option_del(o);
    nghttp2_session_callbacks_del(c);
    return failed == 0;
}

protocol *http2_new(const protocol_host *host, int64_t now_ns)
{
    http2 *h = base_alloc_zero(1, sizeof *h);
    if (!h || !open_session(h)) {
        base_free(h);
        return NULL;
    }
    const serve_limits *l = &host->from.core->options.limits;
    h->base.ops = &ops;
    h->host = *host;
    h->now_ns = h->began_ns = h->resets_at_ns = now_ns;
    h->resets_left = l->resets_max;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, l->streams_max},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)l->header_bytes_max},
    };
    if (nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings, COUNT_OF(settings)) ||
        nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0,
                                              CONNECTION_WINDOW)) {
        http2_free(&h->base);
        return NULL;
    }
    return &h->base;
}
