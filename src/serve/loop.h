/*
 * serve/loop.h: one I/O loop: a thread, libuv, its connections, and the mailbox by which others
 * reach it. Everything in an io_loop but the mailbox belongs to its thread.
 */
#ifndef SERVE_LOOP_H
#define SERVE_LOOP_H

#include <uv.h>

#include "serve/listen.h"
#include "serve/protocol.h"
#include "serve/tls.h"

#define INPUT_BYTES (64 * KIB)
#define TICK_MS     100

typedef struct conn conn;
typedef struct io_loop io_loop;

typedef struct acceptor { /* a listener on loop 0 */
    uv_poll_t poll;
    io_loop *loop;
    const listener *from;
} acceptor;

struct io_loop {
    core *core;
    io_loop *all; /* the server's loops */
    uint32_t all_count;
    uv_loop_t uv;
    uv_poll_t wake;
    int wake_fd; /* an eventfd; -1: none */
    uv_timer_t tick;
    mailbox box;
    thread thread;
    uv_thread_t self; /* set by the thread before it runs */
    bool is_open;
    tls_context *tls;
    conn *conns, *dirty;    /* dirty: to be flushed when the callback ends */
    atomic_uint conn_count; /* written here; read by the accepting loop */
    bool is_draining, is_ticking, accept_paused;
    acceptor acceptors[LISTENERS_MAX]; /* loop 0 */
    uint32_t acceptor_count;
    uint8_t input[INPUT_BYTES];
};

sk_code loop_open(io_loop *l, core *c, io_loop *all, uint32_t all_count, tls_context *take_tls,
                  err *e) must_use;
sk_code loop_listen(io_loop *l, const listener *from, err *e) must_use; /* before loop_start */
sk_code loop_start(io_loop *l, uint32_t index, err *e) must_use;
/* From other threads, once it was started. */
void loop_drain(io_loop *l); /* stops accepting, lets connections finish */
void loop_abort(io_loop *l); /* closes every connection */
void loop_close(
    io_loop *l); /* stops, joins, frees; must have no connection left unless never started */

/* ---- for conn.c, on the loop ---- */
void loop_settle(io_loop *l); /* every libuv callback ends with it: posted tasks, then flushes */
void loop_mark_dirty(io_loop *l, conn *c);
void loop_note(const core *c, const char *line);

/* ---- conn.c ---- */
void conn_open(io_loop *l, int take_fd, bool is_tls);
void conn_flush(conn *c);
void conn_tick(conn *c, int64_t now_ns);
void conn_drain(conn *c);
void conn_close(conn *c);
bool conn_mark_dirty(conn *c, conn *next); /* false: it is in the list already */
conn *conn_take_dirty(conn *c);            /* out of the list; the next one */
conn *conn_next(conn *c);

#endif
