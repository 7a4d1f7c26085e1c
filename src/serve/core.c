/*
 * serve/core.c: a server without sockets: options with their defaults, counters, the way to wait
 * for idleness. Called by server.c, and by tests of the protocols. Never: starts a thread.
 */
#include "base/alloc.h"
#include "serve/exchange_private.h"

static void default_size(size_t *limit, size_t fallback)
{
    if (*limit == 0)
        *limit = fallback;
}

static void default_count(uint32_t *limit, uint32_t fallback)
{
    if (*limit == 0)
        *limit = fallback;
}

static void fill_limits(serve_limits *l)
{
    default_size(&l->body_bytes_max, 64 * MIB);
    default_size(&l->open_body_bytes_max, 64 * KIB);
    default_size(&l->arena_bytes_max, 256 * MIB);
    default_size(&l->header_bytes_max, 64 * KIB);
    default_size(&l->stream_bytes_max, 1 * MIB);
    default_count(&l->connections_max, 4096);
    default_count(&l->streams_max, 256);
    default_count(&l->resets_max, 200);
    default_count(&l->ingest_queue_max, 1024);
    default_count(&l->query_queue_max, 256);
    default_count(&l->header_ms, 10000);
    default_count(&l->body_ms, 10000);
    default_count(&l->idle_ms, 120000);
    default_count(&l->write_ms, 30000);
    default_count(&l->heartbeat_ms, 15000);
}

sk_code core_init(core *c, const serve_options *o, err *e)
{
    *c = (core){.options = *o};
    fill_limits(&c->options.limits);
    if (!stats_init(&c->stats, o->route_count))
        return err_set(e, SK_NO_MEMORY, "no memory for the server's counters");
    atomic_init(&c->is_ready, false);
    atomic_init(&c->is_draining, false);
    atomic_init(&c->in_flight, 0);
    lock_init(&c->guard, RANK_LEAF);
    condition_init(&c->idle);
    return SK_OK;
}

void core_done(core *c)
{
    stats_done(&c->stats);
    condition_done(&c->idle);
    lock_done(&c->guard);
}
