/*
 * serve/conn.c: one TCP connection: socket, TLS if its listener says so, and the protocol its first
 * bytes name. Called by loop.c and libuv on the connection's loop. Never: keeps reading what nobody
 * can take, or writing to a peer that does not read.
 */
#include <netinet/tcp.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/must.h"
#include "serve/loop.h"

#define LINGER_NS       (2 * NS_PER_S)
#define LINGER_DRAIN_NS (300 * NS_PER_MS)
#define KEEPALIVE_S     60
#define NOTSENT_BYTES   (128 * 1024)
#define KEEP_BUFFER     (16 * KIB) /* larger output buffers are given back once empty */

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
#define PREFACE_BYTES (sizeof preface - 1)

struct conn {
    uv_tcp_t tcp;
    uv_write_t write;
    uv_shutdown_t shutdown;
    io_loop *loop;
    conn *next, *previous, *next_dirty;
    http_address peer, local;
    bool is_tls, is_reading, is_writing, is_closing, is_lingering, input_ended;
    bool is_dirty, saw_input, wants_close, said_goodbye;
    tls *tls;
    protocol *proto;
    uint8_t sniffed[PREFACE_BYTES];
    size_t sniffed_len;
    buf plain_in, plain_out; /* TLS only */
    buf wire;                /* being written, or about to be */
    size_t queued;           /* of wire in libuv's hands at the last look */
    int64_t began_ns, active_ns, write_moved_ns, linger_until_ns;
};

/* A closed one may stay in the dirty list: that is empty again before libuv calls on_closed. */
bool conn_mark_dirty(conn *c, conn *next)
{
    if (c->is_dirty)
        return false;
    c->is_dirty = true;
    c->next_dirty = next;
    return true;
}

conn *conn_take_dirty(conn *c)
{
    c->is_dirty = false;
    return c->next_dirty;
}

conn *conn_next(conn *c)
{
    return c->next;
}

/* ---- closing ---- */

static void on_closed(uv_handle_t *handle)
{
    conn *c = handle->data;
    io_loop *l = c->loop;
    core *k = l->core;
    if (c->proto)
        c->proto->ops->free(c->proto);
    tls_free(c->tls);
    buf_done(&c->plain_in);
    buf_done(&c->plain_out);
    buf_done(&c->wire);
    base_free(c);
    atomic_fetch_sub_explicit(&l->conn_count, 1, memory_order_relaxed);
    lock_take(&k->guard);
    atomic_fetch_sub(&k->stats.connections_open, 1);
    condition_wake_all(&k->idle);
    lock_drop(&k->guard);
    loop_settle(l);
}

void conn_close(conn *c)
{
    if (c->is_closing)
        return;
    c->is_closing = true;
    if (c->previous)
        c->previous->next = c->next;
    else
        c->loop->conns = c->next;
    if (c->next)
        c->next->previous = c->previous;
    uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void on_shutdown(uv_shutdown_t *request, int status)
{
    conn *c = request->data;
    if (status < 0 || c->input_ended)
        conn_close(c);
    loop_settle(c->loop);
}

/* Everything is sent. Reads on for a moment: closing with unread input would reset the connection
 * and could destroy the reply on its way (RFC 9112 §9.6). */
static void finish(conn *c)
{
    if (c->is_lingering || c->is_closing)
        return;
    c->shutdown.data = c;
    if (c->input_ended || uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, on_shutdown)) {
        conn_close(c);
        return;
    }
    c->is_lingering = true;
    c->linger_until_ns = clock_mono_ns() + (c->loop->is_draining ? LINGER_DRAIN_NS : LINGER_NS);
}

/* ---- output ---- */

static void update_reading(conn *c);

static void on_written(uv_write_t *request, int status)
{
    conn *c = request->data;
    c->is_writing = false;
    if (status < 0) {
        conn_close(c);
        loop_settle(c->loop);
        return;
    }
    counter_add(&c->loop->core->stats.bytes_sent, c->wire.len);
    c->active_ns = clock_mono_ns();
    buf_clear(&c->wire);
    loop_mark_dirty(c->loop, c);
    loop_settle(c->loop);
}

/* Writes c->wire; false when the rest is in libuv's hands or the connection is gone. */
static bool write_wire(conn *c)
{
    uv_buf_t b = uv_buf_init((char *)c->wire.at, (unsigned)c->wire.len);
    int sent = uv_try_write((uv_stream_t *)&c->tcp, &b, 1);
    if (sent == (int)c->wire.len) {
        counter_add(&c->loop->core->stats.bytes_sent, c->wire.len);
        c->active_ns = clock_mono_ns();
        buf_clear(&c->wire);
        return true;
    }
    if (sent < 0 && sent != UV_EAGAIN) {
        conn_close(c);
        return false;
    }
    size_t from = sent > 0 ? (size_t)sent : 0;
    b = uv_buf_init((char *)c->wire.at + from, (unsigned)(c->wire.len - from));
    c->write.data = c;
    if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &b, 1, on_written)) {
        conn_close(c);
        return false;
    }
    c->is_writing = true;
    c->queued = c->wire.len - from;
    c->write_moved_ns = clock_mono_ns();
    return false;
}

/* The next bytes to send, into c->wire. */
static void gather(conn *c)
{
    buf *out = c->is_tls ? &c->plain_out : &c->wire;
    if (c->proto)
        c->proto->ops->pump(c->proto, out);
    bool failed = out->failed;
    if (c->is_tls) { /* also what OpenSSL has to say by itself */
        failed |= !tls_send(c->tls, buf_span(out), &c->wire);
        buf_clear(out);
    }
    if (failed || c->wire.failed)
        conn_close(c);
}

void conn_flush(conn *c)
{
    while (!c->is_closing && !c->is_writing && !c->is_lingering) {
        gather(c);
        if (c->is_closing)
            return;
        if (c->wire.len == 0) {
            if (c->wire.capacity > KEEP_BUFFER)
                buf_done(&c->wire);
            if (c->plain_out.capacity > KEEP_BUFFER)
                buf_done(&c->plain_out);
            break;
        }
        if (!write_wire(c))
            break;
    }
    if (c->is_closing || c->is_lingering)
        return;
    c->wants_close |= c->proto && c->proto->ops->wants_close(c->proto);
    if (c->wants_close && !c->is_writing) {
        if (c->is_tls && !c->said_goodbye) {
            c->said_goodbye = true;
            tls_shutdown(c->tls);
            conn_flush(c); /* sends close_notify; once */
            return;
        }
        finish(c);
    }
    update_reading(c);
}

static void kick(void *ctx)
{
    conn *c = ctx;
    if (!c->is_closing)
        loop_mark_dirty(c->loop, c);
}

/* ---- input ---- */

static void start_protocol(conn *c, bool is_http2)
{
    protocol_host host = {
        .from = {.core = c->loop->core,
                 .home = &c->loop->box,
                 .peer = &c->peer,
                 .local = &c->local,
                 .is_tls = c->is_tls},
        .kick = kick,
        .ctx = c,
    };
    c->proto = is_http2 ? http2_new(&host, clock_mono_ns()) : http1_new(&host);
    if (!c->proto)
        conn_close(c);
}

/* Tells HTTP/2 from HTTP/1 by the client's preface. Returns how many bytes it took. */
static size_t sniff(conn *c, span bytes)
{
    size_t used = 0;
    while (used < bytes.len && c->sniffed_len < PREFACE_BYTES &&
           bytes.at[used] == (uint8_t)preface[c->sniffed_len])
        c->sniffed[c->sniffed_len++] = bytes.at[used++];
    bool is_http2 = c->sniffed_len == PREFACE_BYTES;
    if (used == bytes.len && !is_http2)
        return used; /* undecided */
    start_protocol(c, is_http2);
    if (c->proto && c->sniffed_len > 0)
        c->proto->ops->feed(c->proto, span_of(c->sniffed, c->sniffed_len), clock_mono_ns());
    return used;
}

static void take_plain(conn *c, span bytes)
{
    if (!c->proto && c->is_tls && tls_is_http2(c->tls))
        start_protocol(c, true);
    if (!c->proto && !c->is_closing)
        bytes = span_from(bytes, sniff(c, bytes));
    if (c->proto && !c->is_closing && bytes.len > 0)
        c->proto->ops->feed(c->proto, bytes, clock_mono_ns());
}

static void end_input(conn *c)
{
    c->input_ended = true;
    if (!c->proto || c->is_lingering) {
        conn_close(c);
        return;
    }
    c->proto->ops->end_of_input(c->proto);
    loop_mark_dirty(c->loop, c);
}

/* A browser or SDK that speaks http:// to a TLS listener gets a sentence instead of an alert. */
static void refuse_plain(conn *c)
{
    static const char text[] = "This port speaks TLS: write https:// in the URL\n";
    tls_free(c->tls);
    c->tls = NULL;
    c->is_tls = false;
    c->wants_close = true;
    buf_print(&c->wire,
              "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: "
              "%zu\r\nconnection: close\r\n\r\n%s",
              sizeof text - 1, text);
    loop_mark_dirty(c->loop, c);
}

static void take_tls(conn *c, span bytes)
{
    bool is_end, is_first = !c->saw_input;
    c->saw_input = true;
    if (is_first && bytes.at[0] >= 'A' &&
        bytes.at[0] <= 'Z') { /* a handshake record starts with 0x16 */
        refuse_plain(c);
        return;
    }
    bool ok = tls_feed(c->tls, bytes, &c->plain_in, &is_end);
    loop_mark_dirty(c->loop, c);
    if (c->plain_in.len > 0 && !c->wants_close)
        take_plain(c, buf_span(&c->plain_in));
    buf_done(&c->plain_in);
    if (!ok && !tls_is_ready(c->tls))
        counter_add(&c->loop->core->stats.tls_failures, 1);
    c->wants_close |= !ok;
    if (ok && is_end && !c->is_closing)
        end_input(c);
}

static void on_alloc(uv_handle_t *handle, size_t hint, uv_buf_t *ret)
{
    conn *c = handle->data;
    *ret = uv_buf_init((char *)c->loop->input, INPUT_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *b)
{
    conn *c = stream->data;
    io_loop *l = c->loop;
    if (len < 0 && len != UV_EOF) {
        conn_close(c);
    } else if (len < 0) {
        end_input(c);
    } else if (len > 0) {
        span bytes = span_of(b->base, (size_t)len);
        counter_add(&l->core->stats.bytes_received, bytes.len);
        if (c->is_lingering || c->wants_close)
            ; /* read past it */
        else if (c->is_tls)
            take_tls(c, bytes);
        else
            take_plain(c, bytes);
        c->active_ns = clock_mono_ns();
        if (!c->is_closing)
            update_reading(c);
    }
    loop_settle(l);
}

static void update_reading(conn *c)
{
    bool wants = !c->input_ended && (c->is_lingering || !c->proto ||
                                     c->proto->ops->wants_input(c->proto) || c->loop->is_draining);
    if (wants == c->is_reading)
        return;
    c->is_reading = wants;
    if (wants)
        uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
    else
        uv_read_stop((uv_stream_t *)&c->tcp);
}

/* ---- time ---- */

static void check_writing(conn *c, int64_t now_ns)
{
    size_t queued = uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp);
    if (queued != c->queued) {
        c->queued = queued;
        c->write_moved_ns = now_ns;
    } else if (now_ns - c->write_moved_ns >
               (int64_t)c->loop->core->options.limits.write_ms * NS_PER_MS) {
        counter_add(&c->loop->core->stats.slow_readers, 1);
        conn_close(c);
    }
}

void conn_tick(conn *c, int64_t now_ns)
{
    const serve_limits *l = &c->loop->core->options.limits;
    if (c->is_lingering && now_ns >= c->linger_until_ns) {
        conn_close(c);
        return;
    }
    if (c->is_writing)
        check_writing(c, now_ns);
    if (c->is_closing || c->is_lingering)
        return;
    if (!c->proto) {
        if (now_ns - c->began_ns > (int64_t)l->header_ms * NS_PER_MS)
            conn_close(c);
        return;
    }
    c->proto->ops->tick(c->proto, now_ns);
    if (now_ns >= c->proto->ops->deadline_ns(c->proto))
        c->proto->ops->expire(c->proto);
    else if (now_ns - c->active_ns > (int64_t)l->idle_ms * NS_PER_MS &&
             c->proto->ops->is_idle(c->proto))
        c->proto->ops->drain(c->proto);
}

void conn_drain(conn *c)
{
    if (c->is_lingering)
        c->linger_until_ns = 0;
    else if (!c->proto)
        conn_close(c);
    else
        c->proto->ops->drain(c->proto);
}

/* ---- opening ---- */

static void read_addresses(conn *c, int fd)
{
    struct sockaddr_storage a;
    socklen_t len = sizeof a;
    if (!getpeername(fd, (struct sockaddr *)&a, &len))
        listen_address((const struct sockaddr *)&a, &c->peer);
    len = sizeof a;
    if (!getsockname(fd, (struct sockaddr *)&a, &len))
        listen_address((const struct sockaddr *)&a, &c->local);
}

void conn_open(io_loop *l, int take_fd, bool is_tls)
{
    conn *c = base_alloc_zero(1, sizeof *c);
    tls *t = c && is_tls ? tls_new(l->tls) : NULL;
    if (!c || (is_tls && !t) || uv_tcp_init(&l->uv, &c->tcp)) {
        tls_free(t);
        base_free(c);
        close(take_fd);
        atomic_fetch_sub_explicit(&l->conn_count, 1, memory_order_relaxed);
        atomic_fetch_sub(&l->core->stats.connections_open, 1);
        return;
    }
    c->loop = l;
    c->tcp.data = c;
    c->is_tls = is_tls;
    c->tls = t;
    c->began_ns = c->active_ns = clock_mono_ns();
    read_addresses(c, take_fd);
    buf_init(&c->plain_in, SIZE_MAX / 2);
    buf_init(&c->plain_out, SIZE_MAX / 2);
    buf_init(&c->wire, SIZE_MAX / 2);
    c->next = l->conns;
    if (c->next)
        c->next->previous = c;
    l->conns = c;
    if (uv_tcp_open(&c->tcp, take_fd)) {
        close(take_fd);
        conn_close(c);
        return;
    }
    uv_tcp_nodelay(&c->tcp, 1);
    /* Else the kernel queues megabytes for a slow reader and then asks for more only when a third of them is gone. */
    setsockopt(take_fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &(int){NOTSENT_BYTES}, sizeof(int));
    uv_tcp_keepalive(&c->tcp, 1, KEEPALIVE_S);
    update_reading(c);
}
