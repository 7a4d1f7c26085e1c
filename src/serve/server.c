/*
 * serve/server.c: see serve.h: puts listeners, loops, pools and the core together and takes them
 * apart in order. Called by main. Never: accepts before serve_run, or frees what a handler may
 * still answer.
 */
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/must.h"
#include "serve/loop.h"

#define LOOPS_MAX    16u
#define SKIPPED_MAX  8u
#define SKIPPED_TEXT 200u

struct server {
    core core;
    services no_services; /* when the options give none */
    listener listeners[LISTENERS_MAX];
    uint32_t listener_count;
    char skipped[SKIPPED_MAX][SKIPPED_TEXT];
    uint32_t skipped_count;
    io_loop *loops;
    uint32_t loop_count;
    bool is_running;
};

/* ---- opening ---- */

static bool needs_tls(const server *s)
{
    for (uint32_t i = 0; i < s->listener_count; i++)
        if (s->listeners[i].is_tls)
            return true;
    return false;
}

static sk_code parse_named(const serve_options *o, uint32_t index, listen_spec *ret, err *e)
{
    sk_code code = listen_parse(span_text(o->listen[index]), ret, e);
    if (!code && ret->is_tls && (!o->tls_cert_file || !o->tls_key_file))
        code = err_set(e, SK_BAD_INPUT, "--listen %s needs --tls-cert and --tls-key",
                       o->listen[index]);
    return code;
}

sk_code serve_check(const serve_options *o, err *e)
{
    tls_context *probe = NULL;
    sk_code code = SK_OK;
    for (uint32_t i = 0; i < o->listen_count && !code; i++) {
        listen_spec spec;
        code = parse_named(o, i, &spec, e);
        if (!code)
            code = listen_check(&spec, e);
    }
    if (!code && o->tls_cert_file && o->tls_key_file)
        code = tls_context_new(o->tls_cert_file, o->tls_key_file, &probe, e);
    tls_context_free(probe);
    return code;
}

static sk_code open_named(server *s, const serve_options *o, err *e)
{
    for (uint32_t i = 0; i < o->listen_count; i++) {
        listen_spec spec;
        sk_code code = parse_named(o, i, &spec, e);
        if (!code)
            code = listen_open(&spec, s->listeners, &s->listener_count, e);
        if (code)
            return code;
    }
    return SK_OK;
}

static sk_code open_defaults(server *s, err *e)
{
    static const char *const hosts[] = {"127.0.0.1", "::1"}, *const ports[] = {"8080", "4318",
                                                                               "4317"};
    for (size_t p = 0; p < COUNT_OF(ports); p++)
        for (size_t h = 0; h < COUNT_OF(hosts); h++) {
            listen_spec spec = {0};
            snprintf(spec.host, sizeof spec.host, "%s", hosts[h]);
            snprintf(spec.port, sizeof spec.port, "%s", ports[p]);
            sk_code code = listen_open(&spec, s->listeners, &s->listener_count, e);
            if (code == SK_CONFLICT && s->skipped_count < SKIPPED_MAX) {
                snprintf(s->skipped[s->skipped_count++], SKIPPED_TEXT, "%.190s", e->text);
                loop_note(&s->core, e->text);
            } else if (code && code != SK_UNPROCESSABLE) { /* a machine without IPv6 is no error */
                return code;
            }
        }
    if (s->listener_count == 0)
        return err_set(e, SK_CONFLICT,
                       "every default port is taken: %s; use --listen 127.0.0.1:0 for a free one",
                       s->skipped_count ? s->skipped[0] : "no loopback address");
    *e = (err){0};
    return SK_OK;
}

sk_code serve_open(const serve_options *o, server **ret, err *e)
{
    err ignored;
    err *why = e ? e : &ignored;
    server *s = base_alloc_zero(1, sizeof *s);
    if (!s)
        return err_set(why, SK_NO_MEMORY, "no memory for the server");
    sk_code code = core_init(&s->core, o, why);
    if (code) {
        base_free(s);
        return code;
    }
    if (!s->core.options.services)
        s->core.options.services = &s->no_services;
    s->core.options.services->server = s;
    code = o->listen_count ? open_named(s, o, why) : open_defaults(s, why);
    tls_context *probe = NULL;
    if (!code && needs_tls(s))
        code = tls_context_new(o->tls_cert_file, o->tls_key_file, &probe, why);
    tls_context_free(probe);
    if (code) {
        serve_close(s);
        return code;
    }
    *ret = s;
    return SK_OK;
}

/* ---- running ---- */

static sk_code open_pools(server *s, err *e)
{
    const serve_options *o = &s->core.options;
    uint32_t cores = thread_core_count();
    uint32_t ingest = o->ingest_count ? o->ingest_count : cores;
    uint32_t query = o->query_count ? o->query_count : (cores > 2 ? cores : 2);
    s->core.pools[POOL_INGEST] =
        handlers_new("decode", ingest, o->limits.ingest_queue_max, 0, exchange__run, e);
    if (!s->core.pools[POOL_INGEST])
        return SK_NO_MEMORY;
    s->core.pools[POOL_QUERY] =
        handlers_new("query", query, o->limits.query_queue_max, 10, exchange__run, e);
    return s->core.pools[POOL_QUERY] ? SK_OK : SK_NO_MEMORY;
}

static sk_code open_loops(server *s, err *e)
{
    const serve_options *o = &s->core.options;
    uint32_t cores = thread_core_count();
    uint32_t count = o->loop_count ? o->loop_count : (cores < 2 ? cores : 2);
    count = count < LOOPS_MAX ? count : LOOPS_MAX;
    if (!(s->loops = base_alloc_zero(count, sizeof *s->loops)))
        return err_set(e, SK_NO_MEMORY, "no memory for I/O loops");
    s->loop_count = count;
    for (uint32_t i = 0; i < count; i++) {
        tls_context *keys = NULL;
        sk_code code =
            needs_tls(s) ? tls_context_new(o->tls_cert_file, o->tls_key_file, &keys, e) : SK_OK;
        if (!code)
            code = loop_open(&s->loops[i], &s->core, s->loops, count, keys, e);
        if (code)
            return code;
    }
    for (uint32_t i = 0; i < s->listener_count; i++) {
        sk_code code = loop_listen(&s->loops[0], &s->listeners[i], e);
        if (code)
            return code;
    }
    return SK_OK;
}

sk_code serve_run(server *s, err *e)
{
    must(!s->is_running);
    sk_code code = open_pools(s, e);
    if (!code)
        code = open_loops(s, e);
    /* Loop 0 last: it accepts, and hands over to the others. */
    for (uint32_t i = s->loop_count; i-- > 0 && !code;)
        code = loop_start(&s->loops[i], i, e);
    s->is_running = !code;
    return code;
}

/* ---- ending ---- */

static bool is_quiet(server *s)
{
    return atomic_load(&s->core.stats.connections_open) == 0 &&
           atomic_load(&s->core.in_flight) == 0;
}

/* True once nothing is under way; false at the deadline. */
static bool wait_quiet(server *s, int64_t until_ns)
{
    core *c = &s->core;
    bool in_time = true;
    lock_take(&c->guard);
    while (!is_quiet(s) && in_time)
        in_time = condition_wait_until(&c->idle, &c->guard, until_ns);
    lock_drop(&c->guard);
    return in_time;
}

void serve_drain(server *s, uint32_t within_ms)
{
    atomic_store(&s->core.is_draining, true);
    if (!s->is_running)
        return;
    for (uint32_t i = 0; i < s->loop_count; i++)
        loop_drain(&s->loops[i]);
    if (wait_quiet(s, clock_mono_ns() + (int64_t)within_ms * NS_PER_MS))
        return;
    for (uint32_t i = 0; i < s->loop_count; i++)
        loop_abort(&s->loops[i]);
}

void serve_close(server *take_s)
{
    server *s = take_s;
    atomic_store(&s->core.is_draining, true);
    if (s->is_running) {
        for (uint32_t i = 0; i < s->loop_count; i++)
            loop_abort(&s->loops[i]);
        for (uint32_t p = 0; p < POOL_COUNT; p++) { /* runs what is queued: each must answer */
            handlers_free(s->core.pools[p]);
            s->core.pools[p] = NULL;
        }
        (void)wait_quiet(s, INT64_MAX);
    }
    for (uint32_t p = 0; p < POOL_COUNT; p++)
        handlers_free(s->core.pools[p]);
    for (uint32_t i = 0; i < s->loop_count; i++)
        loop_close(&s->loops[i]);
    for (uint32_t i = 0; i < s->listener_count; i++)
        close(s->listeners[i].fd);
    base_free(s->loops);
    core_done(&s->core);
    base_free(s);
}

/* ---- looking ---- */

uint32_t serve_listener_count(const server *s)
{
    return s->listener_count;
}

const char *serve_listener(const server *s, uint32_t index, bool *ret_tls)
{
    must(index < s->listener_count);
    if (ret_tls)
        *ret_tls = s->listeners[index].is_tls;
    return s->listeners[index].address.text;
}

uint32_t serve_skipped_count(const server *s)
{
    return s->skipped_count;
}

const char *serve_skipped(const server *s, uint32_t index)
{
    must(index < s->skipped_count);
    return s->skipped[index];
}

void serve_set_ready(server *s, bool is_ready)
{
    atomic_store(&s->core.is_ready, is_ready);
}

bool serve_is_ready(const server *s)
{
    return atomic_load(&s->core.is_ready) && !atomic_load(&s->core.is_draining);
}

static void copy_route(const route_counters *from, const char *name, serve_route_stats *to)
{
    to->name = name;
    for (uint32_t i = 0; i < SERVE_STATUS_SLOTS; i++)
        to->by_status[i] = counter_read(&from->by_status[i]);
    for (uint32_t i = 0; i < SERVE_LATENCY_BUCKETS; i++)
        to->latency[i] = counter_read(&from->latency[i]);
    to->latency_sum_us = counter_read(&from->latency_sum_us);
    to->request_bytes = counter_read(&from->request_bytes);
    to->reply_bytes = counter_read(&from->reply_bytes);
}

sk_code serve_stats_get(const server *s, arena *mem, serve_stats *ret, err *e)
{
    const stats *from = &s->core.stats;
    serve_stats to = {
        .connections_accepted = counter_read(&from->connections_accepted),
        .connections_refused = counter_read(&from->connections_refused),
        .connections_open = atomic_load(&from->connections_open),
        .bytes_received = counter_read(&from->bytes_received),
        .bytes_sent = counter_read(&from->bytes_sent),
        .tls_failures = counter_read(&from->tls_failures),
        .protocol_errors = counter_read(&from->protocol_errors),
        .slow_senders = counter_read(&from->slow_senders),
        .slow_readers = counter_read(&from->slow_readers),
        .reset_floods = counter_read(&from->reset_floods),
        .requests_in_flight = atomic_load(&s->core.in_flight),
        .route_count = from->route_count,
    };
    if (!(to.routes = ARENA_ARRAY(mem, serve_route_stats, from->route_count)))
        return err_set(e, SK_NO_MEMORY, "no memory for the server's counters");
    for (uint32_t p = 0; p < POOL_COUNT; p++) {
        to.queue_depth[p] = s->core.pools[p] ? handlers_depth(s->core.pools[p]) : 0;
        to.queue_refused[p] = counter_read(&from->queue_refused[p]);
    }
    for (uint32_t i = 0; i < from->route_count; i++)
        copy_route(&from->routes[i],
                   i + 1 < from->route_count ? s->core.options.routes[i].name : NULL,
                   &to.routes[i]);
    *ret = to;
    return SK_OK;
}
