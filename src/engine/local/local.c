/*
 * engine/local/local.c: the engine on our own store: what the door's calls are here. Publishing, dropping and sealing are the
 * store's; questions have a file each (run.c, rows.c, trace.c, service_map.c, fields.c, differences.c).
 */
#include "base/alloc.h"
#include "base/must.h"
#include "engine/local/block_flags.h"
#include "engine/local/kept_blocks.h"
#include "engine/local/local_private.h"
#include "engine/local/map_seal.h"
#include "engine/local/straddle.h"

#define QUERY_MEMORY_DEFAULT (256 * MIB)

static sk_code local_publish(engine *e, const publish *p, err *er)
{
    local *l = (local *)e;
    publish_info info = {.seq = p->seq, .body_hash = p->body_hash};
    if (l->o.store.memory && memory_is_tight(l->o.store.memory))
        kept_blocks_drop(l->kept);
    return store_publish(l->store, p->environment, info, p->take_batch, er);
}

static sk_code local_drop(engine *e, const drop_query *q, err *er)
{
    store *s = ((local *)e)->store;
    uint64_t rows;
    if (q->before_ns)
        return store_retain(s, q->environment, q->before_ns, &rows, er);
    return store_drop(s, q->environment, q->dataset, er);
}

static sk_code local_settle(engine *e, err *er)
{
    store *s = ((local *)e)->store;
    sk_code code = store_seal(s, er);
    return code == SK_OK ? store_merge(s, er) : code;
}

static void local_stats(engine *e, uint32_t environment, engine_stats *ret)
{
    store_stats s;
    store_stats_get(((local *)e)->store, environment, &s);
    *ret = (engine_stats){.rows = s.segment_rows + s.open_rows,
                          .open_rows = s.open_rows,
                          .segments = s.segments,
                          .disk_bytes = s.segment_bytes,
                          .open_bytes = s.open_bytes,
                          .damaged_segments = s.damaged_segments,
                          .unsealed_bytes = store_unsealed_bytes(((local *)e)->store),
                          .seals = s.seals,
                          .merges = s.merges,
                          .rows_dropped_retention = s.rows_dropped_retention,
                          .rows_dropped_disk_max = s.rows_dropped_disk_max,
                          .oldest_ns = s.oldest_ns,
                          .newest_ns = s.newest_ns};
}

static void local_close(engine *take_e)
{
    local *l = (local *)take_e;
    pool_free(l->pool);
    store_close(l->store);
    straddle_cache_free(l->straddles);
    block_flags_free(l->flags);
    kept_blocks_free(l->kept);
    base_free(l);
}

static const engine_ops OPS = {.name = "local",
                               .publish = local_publish,
                               .run = local__patient_run,
                               .trace = local__trace,
                               .rows = local__patient_rows,
                               .service_map = local__patient_map,
                               .fields = local__fields,
                               .differences = local__patient_differences,
                               .drop = local_drop,
                               .settle = local_settle,
                               .stats = local_stats,
                               .close = local_close};

sk_code engine_open_local(const local_options *o, engine **ret, err *e)
{
    local *l = base_alloc_zero(1, sizeof *l);
    if (!l)
        return err_set(e, SK_NO_MEMORY, "memory ran out while the engine was opened");
    l->base.ops = &OPS;
    l->o = *o;
    if (!l->o.keeps_nothing)
        l->o.store.cacher = map_cacher;
    if (!l->o.query_memory_max)
        l->o.query_memory_max = QUERY_MEMORY_DEFAULT;
    l->straddles = straddle_cache_new();
    l->flags = block_flags_new();
    l->kept = kept_blocks_new(o->store.memory);
    sk_code code = l->straddles && l->flags && l->kept
                       ? store_open(&l->o.store, &l->store, e)
                       : err_set(e, SK_NO_MEMORY, "memory ran out while the engine was opened");
    if (code == SK_OK) {
        code = pool_new(o->workers, &l->pool, e);
        if (code != SK_OK)
            store_close(l->store);
    }
    if (code != SK_OK) {
        straddle_cache_free(l->straddles);
        block_flags_free(l->flags);
        kept_blocks_free(l->kept);
        base_free(l);
        return code;
    }
    *ret = &l->base;
    return SK_OK;
}

store *engine_local_store(engine *e)
{
    must(e->ops == &OPS);
    return ((local *)e)->store;
}
