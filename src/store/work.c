/*
 * store/work.c: the store's two threads. The sealer wakes when a set is full and each second for those that are old; the
 * merger looks each second for what is due, and now and then at the disk. Errors are told, once each time they change.
 * Never: runs with store_options.threads false (tests call store_seal and store_merge).
 */
#include <stdio.h>

#include "base/clock.h"
#include "store/store_private.h"

#define TICK_NS             (1 * NS_PER_S)
#define DISK_EVERY_NS       (10 * NS_PER_S)
#define DISK_TIGHT_EVERY_NS TICK_NS /* near the bound, while segments are written */
#define MERGER_NICE         10
/* Loaded parts of segments that nobody asked for lately are given back at rest. */
#define IDLE_CACHE_BYTES (8 * MIB)
#define IDLE_TICKS       60u

typedef struct told {
    char last[sizeof((err *)NULL)->text];
} told;

static void tell(store *s, told *t, sk_code code, const err *e)
{
    if (code == SK_OK || code == SK_CLOSING) {
        t->last[0] = 0;
    } else if (strcmp(t->last, e->text) != 0) {
        snprintf(t->last, sizeof t->last, "%s", e->text);
        store__notice(s, "%s", e->text);
    }
}

/* Waits for the bell or a tick; false when the store closes. */
static bool wait_for_work(store *s)
{
    lock_take(&s->work_lock);
    if (!atomic_load(&s->is_closing))
        condition_wait_until(&s->work, &s->work_lock, clock_mono_ns() + TICK_NS);
    lock_drop(&s->work_lock);
    return !atomic_load(&s->is_closing);
}

static void run_sealer(void *ctx)
{
    store *s = ctx;
    told t = {0};
    thread_be_nice(0); /* it takes its share, but not the core from whom a request wakes up */
    while (wait_for_work(s)) {
        table **list = store__tables(s);
        for (table **at = list; at && *at && !atomic_load(&s->is_closing); at++) {
            table__end_set(*at, false);
            bool did = true;
            err e;
            sk_code code = SK_OK;
            while (did && code == SK_OK && !atomic_load(&s->is_closing))
                code = seal__oldest(*at, false, &did, &e);
            tell(s, &t, code, &e);
        }
        base_free(list);
    }
}

static sk_code merge_tables(store *s, bool *ret_did, err *e)
{
    table **list = store__tables(s);
    sk_code code = SK_OK;
    *ret_did = false;
    for (table **at = list; at && *at && code == SK_OK && !atomic_load(&s->is_closing); at++) {
        bool did;
        code = merge__one(*at, false, &did, e);
        *ret_did |= did;
    }
    base_free(list);
    return code;
}

static void run_merger(void *ctx)
{
    store *s = ctx;
    told of_merges = {0}, of_disk = {0};
    int64_t disk_ns = 0;
    uint64_t clock_seen = 0, written_seen = 0;
    uint32_t idle = 0;
    thread_be_nice(MERGER_NICE);
    bool did = false;
    while (did ? !atomic_load(&s->is_closing) : wait_for_work(s)) {
        err e;
        sk_code code = merge_tables(s, &did, &e);
        tell(s, &of_merges, code, &e);
        uint64_t written = atomic_load(&s->seals) + atomic_load(&s->merges);
        bool is_tight = s->is_disk_tight && written != written_seen;
        if (clock_mono_ns() - disk_ns >= (is_tight ? DISK_TIGHT_EVERY_NS : DISK_EVERY_NS)) {
            disk_ns = clock_mono_ns();
            written_seen = written;
            code = retain__disk(s, &e);
            tell(s, &of_disk, code, &e);
        }
        uint64_t clock_now = atomic_load(&s->cache.clock);
        idle = clock_now == clock_seen ? idle + 1 : 0;
        clock_seen = clock_now;
        if (idle == IDLE_TICKS)
            segment_cache_shrink(&s->cache, IDLE_CACHE_BYTES);
    }
}

sk_code work__start(store *s, err *e)
{
    if (!s->o.threads)
        return SK_OK;
    if (!thread_start(&s->sealer, "sealer", run_sealer, s) ||
        !thread_start(&s->merger, "merger", run_merger, s))
        return err_set(e, SK_NO_MEMORY, "the store's threads do not start");
    return SK_OK;
}

void work__stop(store *s)
{
    atomic_store(&s->is_closing, true);
    store__ring(s);
    thread_join(&s->sealer);
    thread_join(&s->merger);
}
