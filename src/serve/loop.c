/*
 * serve/loop.c: see loop.h. Called by server.c; its callbacks by libuv. Never: waits for anything
 * but its own events; whatever takes longer than microseconds is handed to a pool.
 */
#include "serve/loop.h"

#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/must.h"

#define ACCEPTS_AT_ONCE 64

typedef struct order { /* what another thread asks of a loop */
    task base;         /* first */
    io_loop *loop;
} order;

typedef struct handover { /* an accepted socket */
    task base;            /* first */
    io_loop *loop;
    int fd;
    bool is_tls;
} handover;

void loop_note(const core *c, const char *line)
{
    if (c->options.note)
        c->options.note(c->options.services, line);
}

/* ---- turning ---- */

void loop_mark_dirty(io_loop *l, conn *c)
{
    if (conn_mark_dirty(c, l->dirty))
        l->dirty = c;
}

void loop_settle(io_loop *l)
{
    do {
        mailbox_run(&l->box);
        while (l->dirty) {
            conn *c = l->dirty;
            l->dirty = conn_take_dirty(c);
            conn_flush(c);
        }
    } while (mailbox_run(&l->box) > 0 || l->dirty);
}

static void on_wake(uv_poll_t *poll, int status, int events)
{
    io_loop *l = poll->data;
    eventfd_t count;
    (void)status, (void)events;
    (void)eventfd_read(l->wake_fd, &count);
    loop_settle(l);
}

/* Called by posters, the loop's own thread included: that one settles before it sleeps. */
static void wake(void *ctx)
{
    io_loop *l = ctx;
    uv_thread_t self = uv_thread_self();
    if (!uv_thread_equal(&l->self, &self))
        (void)eventfd_write(l->wake_fd, 1);
}

/* Not uv_async_t: a loop that it wakes spins until the poster, whose core it may have taken, has left the call. */
static int open_wake(io_loop *l)
{
    l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (l->wake_fd < 0)
        return uv_translate_sys_error(errno);
    int failed = uv_poll_init(&l->uv, &l->wake, l->wake_fd);
    if (failed)
        return failed;
    l->wake.data = l;
    return uv_poll_start(&l->wake, UV_READABLE, on_wake);
}

static void on_readable(uv_poll_t *poll, int status, int events);

static void on_tick(uv_timer_t *t)
{
    io_loop *l = t->data;
    int64_t now_ns = clock_mono_ns();
    for (conn *c = l->conns, *next; c; c = next) {
        next = conn_next(c);
        conn_tick(c, now_ns);
    }
    if (l->accept_paused && !l->is_draining) {
        l->accept_paused = false;
        for (uint32_t i = 0; i < l->acceptor_count; i++)
            uv_poll_start(&l->acceptors[i].poll, UV_READABLE, on_readable);
    }
    loop_settle(l);
    if (!l->conns && !l->accept_paused) { /* an idle server does not wake up */
        uv_timer_stop(t);
        l->is_ticking = false;
    }
}

static void start_ticking(io_loop *l)
{
    if (!l->is_ticking)
        uv_timer_start(&l->tick, on_tick, TICK_MS, TICK_MS);
    l->is_ticking = true;
}

/* ---- accepting ---- */

static void take_socket(io_loop *l, int fd, bool is_tls)
{
    if (l->is_draining) {
        close(fd);
        atomic_fetch_sub(&l->core->stats.connections_open, 1);
        return;
    }
    conn_open(l, fd, is_tls);
    start_ticking(l);
}

static void on_handover(task *t)
{
    handover *h = (handover *)t;
    take_socket(h->loop, h->fd, h->is_tls);
    base_free(h);
}

static io_loop *least_busy(io_loop *l)
{
    io_loop *best = l->all;
    for (uint32_t i = 1; i < l->all_count; i++)
        if (atomic_load_explicit(&l->all[i].conn_count, memory_order_relaxed) <
            atomic_load_explicit(&best->conn_count, memory_order_relaxed))
            best = &l->all[i];
    return best;
}

static void place(io_loop *l, int fd, bool is_tls)
{
    stats *s = &l->core->stats;
    if (atomic_fetch_add(&s->connections_open, 1) >= l->core->options.limits.connections_max) {
        atomic_fetch_sub(&s->connections_open, 1);
        counter_add(&s->connections_refused, 1);
        close(fd);
        return;
    }
    counter_add(&s->connections_accepted, 1);
    io_loop *to = least_busy(l);
    atomic_fetch_add_explicit(&to->conn_count, 1, memory_order_relaxed);
    handover *h = to == l ? NULL : base_alloc(sizeof *h);
    if (!h) {
        if (to != l) {
            atomic_fetch_sub_explicit(&to->conn_count, 1, memory_order_relaxed);
            atomic_fetch_add_explicit(&l->conn_count, 1, memory_order_relaxed);
        }
        take_socket(l, fd, is_tls);
        return;
    }
    *h = (handover){.base.run = on_handover, .loop = to, .fd = fd, .is_tls = is_tls};
    mailbox_post(&to->box, &h->base);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    acceptor *a = poll->data;
    io_loop *l = a->loop;
    for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
        int fd = accept4(a->from->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            place(l, fd, a->from->is_tls);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            /* Level-triggered: without a pause this would spin until a descriptor is free. */
            loop_note(l->core, "cannot accept connections: no file descriptors or memory left; "
                               "trying again in 100 ms");
            l->accept_paused = true;
            for (uint32_t k = 0; k < l->acceptor_count; k++)
                uv_poll_stop(&l->acceptors[k].poll);
            start_ticking(l);
        }
        if (errno != ECONNABORTED && errno != EINTR)
            break;
    }
    loop_settle(l);
}

/* ---- life ---- */

sk_code loop_open(io_loop *l, core *c, io_loop *all, uint32_t all_count, tls_context *take_tls,
                  err *e)
{
    l->core = c;
    l->all = all;
    l->all_count = all_count;
    l->tls = take_tls;
    atomic_init(&l->conn_count, 0);
    l->wake_fd = -1;
    int failed = uv_loop_init(&l->uv);
    if (failed)
        return err_set(e, SK_IO, "cannot open an event loop: %s", uv_strerror(failed));
    mailbox_init(&l->box, wake, l);
    l->self = uv_thread_self();
    l->is_open = true;
    if ((failed = uv_timer_init(&l->uv, &l->tick)) == 0) {
        l->tick.data = l;
        failed = open_wake(l);
    }
    if (failed)
        return err_set(e, SK_IO, "cannot open an event loop: %s", uv_strerror(failed));
    return SK_OK;
}

sk_code loop_listen(io_loop *l, const listener *from, err *e)
{
    must(l->acceptor_count < LISTENERS_MAX);
    acceptor *a = &l->acceptors[l->acceptor_count];
    *a = (acceptor){.loop = l, .from = from};
    int failed = uv_poll_init(&l->uv, &a->poll, from->fd);
    if (failed)
        return err_set(e, SK_IO, "cannot poll %s: %s", from->address.text, uv_strerror(failed));
    a->poll.data = a;
    l->acceptor_count++;
    if ((failed = uv_poll_start(&a->poll, UV_READABLE, on_readable)))
        return err_set(e, SK_IO, "cannot poll %s: %s", from->address.text, uv_strerror(failed));
    return SK_OK;
}

static void run(void *ctx)
{
    io_loop *l = ctx;
    l->self = uv_thread_self();
    loop_settle(l); /* what was posted before this thread was known as the loop's */
    uv_run(&l->uv, UV_RUN_DEFAULT);
}

sk_code loop_start(io_loop *l, uint32_t index, err *e)
{
    char name[16];
    snprintf(name, sizeof name, "io-%u", index % 100);
    if (!thread_start(&l->thread, name, run, l))
        return err_set(e, SK_NO_MEMORY, "cannot start an I/O thread");
    return SK_OK;
}

static void stop_accepting(io_loop *l)
{
    for (uint32_t i = 0; i < l->acceptor_count; i++)
        if (!uv_is_closing((uv_handle_t *)&l->acceptors[i].poll))
            uv_close((uv_handle_t *)&l->acceptors[i].poll, NULL);
}

static void do_drain(task *t)
{
    io_loop *l = ((order *)t)->loop;
    base_free(t);
    l->is_draining = true;
    stop_accepting(l);
    for (conn *c = l->conns, *next; c; c = next) {
        next = conn_next(c);
        conn_drain(c);
    }
}

static void do_abort(task *t)
{
    io_loop *l = ((order *)t)->loop;
    base_free(t);
    l->is_draining = true;
    stop_accepting(l);
    for (conn *c = l->conns, *next; c; c = next) {
        next = conn_next(c);
        conn_close(c);
    }
}

static void do_stop(task *t)
{
    io_loop *l = ((order *)t)->loop;
    base_free(t);
    stop_accepting(l);
    uv_close((uv_handle_t *)&l->wake, NULL);
    uv_close((uv_handle_t *)&l->tick, NULL);
}

static void give_order(io_loop *l, void (*what)(task *t))
{
    order *o = base_alloc(sizeof *o);
    while (!o) { /* shutting down under memory pressure: what finishes gives some back */
        uv_sleep(10);
        o = base_alloc(sizeof *o);
    }
    *o = (order){.base.run = what, .loop = l};
    mailbox_post(&l->box, &o->base);
}

void loop_drain(io_loop *l)
{
    give_order(l, do_drain);
}

void loop_abort(io_loop *l)
{
    give_order(l, do_abort);
}

void loop_close(io_loop *l)
{
    if (!l->is_open) {
        tls_context_free(l->tls);
        return;
    }
    if (l->thread.running) {
        give_order(l, do_stop);
        thread_join(&l->thread);
    } else {
        stop_accepting(l);
        if (l->wake.data)
            uv_close((uv_handle_t *)&l->wake, NULL);
        if (l->tick.data)
            uv_close((uv_handle_t *)&l->tick, NULL);
        uv_run(&l->uv, UV_RUN_DEFAULT);
    }
    must(uv_loop_close(&l->uv) == 0);
    if (l->wake_fd >= 0)
        close(l->wake_fd);
    mailbox_done(&l->box);
    tls_context_free(l->tls);
    l->is_open = false;
}
