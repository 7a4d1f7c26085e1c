/*
 * store/store.c: opening and closing a store, its tables, its two threads, its figures.
 * Called by engine/local and main. Never: decides what is sealed or merged (seal.c, merge.c); logs (it gives notice).
 */
#include "store/store.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "store/store_private.h"

#define SEAL_ROWS      (1u << 20)
#define SEAL_BYTES     (256 * MIB)
#define SEAL_AGE_NS    (60 * NS_PER_S)
#define SEAL_AGE_ROWS  (64u * 1024)
#define IDLE_SEAL_NS   (15 * 60 * NS_PER_S)
#define MERGE_ROWS_MAX (16u << 20)
#define CACHE_BYTES    (96 * MIB) /* directories, indexes and texts of sealed segments */

static void set_defaults(store_options *o)
{
    o->seal_rows = o->seal_rows ? o->seal_rows : SEAL_ROWS;
    o->seal_bytes = o->seal_bytes ? o->seal_bytes : SEAL_BYTES;
    o->seal_age_ns = o->seal_age_ns ? o->seal_age_ns : SEAL_AGE_NS;
    o->seal_age_rows = o->seal_age_rows ? o->seal_age_rows : SEAL_AGE_ROWS;
    o->idle_seal_ns = o->idle_seal_ns ? o->idle_seal_ns : IDLE_SEAL_NS;
    o->merge_rows_max = o->merge_rows_max ? o->merge_rows_max : MERGE_ROWS_MAX;
}

static char *copy_text(const char *text)
{
    size_t len = strlen(text);
    char *copy = base_alloc(len + 1);
    return copy ? memcpy(copy, text, len + 1) : NULL;
}

static void note_damage(void *ctx, segment *damaged, const char *what)
{
    store *s = ctx;
    atomic_fetch_add_explicit(&s->damaged, 1, memory_order_relaxed);
    store__notice(s, "%s (the rest of the file stays readable; it is left out of merges)", what);
    (void)damaged;
}

sk_code store_open(const store_options *o, store **ret, err *e)
{
    store *s = base_alloc_zero(1, sizeof *s);
    if (!s)
        return err_set(e, SK_NO_MEMORY, "no memory to open the store");
    s->o = *o;
    set_defaults(&s->o);
    atomic_init(&s->next_number, 1);
    segment_cache_init(&s->cache, CACHE_BYTES);
    s->cache.damaged = note_damage;
    s->cache.ctx = s;
    lock_init(&s->lock, RANK_STORE);
    lock_init(&s->work_lock, RANK_STORE);
    condition_init(&s->work);
    s->dir = copy_text(o->dir);
    s->data_dir = copy_text(o->data_dir ? o->data_dir : o->dir);
    s->o.dir = s->dir;
    s->o.data_dir = s->data_dir;
    sk_code code =
        s->dir && s->data_dir ? SK_OK : err_set(e, SK_NO_MEMORY, "no memory to open the store");
    if (code == SK_OK)
        code = catalog__open(s, e);
    if (code == SK_OK)
        code = work__start(s, e);
    if (code != SK_OK) {
        store_close(s);
        return code;
    }
    *ret = s;
    return SK_OK;
}

void store_close(store *take_s)
{
    store *s = take_s;
    if (!s)
        return;
    work__stop(s);
    for (uint32_t i = 0; i < s->table_count; i++)
        table__free(s->tables[i]);
    base_free(s->tables);
    segment_cache_done(&s->cache);
    condition_done(&s->work);
    lock_done(&s->work_lock);
    lock_done(&s->lock);
    base_free(s->dir);
    base_free(s->data_dir);
    base_free(s);
}

/* ---- tables ---- */

/* Where (environment, family) is or belongs. */
static uint32_t place_of(const store *s, uint32_t environment, family f)
{
    uint32_t low = 0, high = s->table_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const table *t = s->tables[middle];
        if (t->environment < environment || (t->environment == environment && t->family < f))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

table *store__table(store *s, uint32_t environment, family f, bool make)
{
    lock_take(&s->lock);
    uint32_t at = place_of(s, environment, f);
    table *t = NULL;
    if (at < s->table_count && s->tables[at]->environment == environment &&
        s->tables[at]->family == f)
        t = s->tables[at];
    else if (make &&
             base_reserve(&s->tables, &s->table_capacity, s->table_count + 1,
                          sizeof s->tables[0]) &&
             (t = table__new(s, environment, f))) {
        memmove(s->tables + at + 1, s->tables + at, (s->table_count - at) * sizeof s->tables[0]);
        s->tables[at] = t;
        s->table_count++;
    }
    lock_drop(&s->lock);
    return t;
}

table **store__tables(store *s)
{
    lock_take(&s->lock);
    table **list = base_alloc_zero(s->table_count + 1, sizeof list[0]);
    if (list && s->table_count)
        memcpy(list, s->tables, s->table_count * sizeof list[0]);
    lock_drop(&s->lock);
    return list;
}

/* ---- small verbs ---- */

void store__notice(store *s, const char *format, ...)
{
    if (!s->o.notice)
        return;
    char text[512];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    s->o.notice(s->o.ctx, text);
}

void store__ring(store *s)
{
    lock_take(&s->work_lock);
    condition_wake_all(&s->work);
    lock_drop(&s->work_lock);
}

sk_code store_publish(store *s, uint32_t environment, publish_info info, batch *take_b, err *e)
{
    table *t = NULL;
    if (!atomic_load_explicit(&s->is_stopped, memory_order_relaxed))
        t = store__table(s, environment, take_b->family, true);
    if (!t) {
        /* Nothing may be shown, and then sealed, behind a batch that was not: see table.is_stopped. */
        atomic_store_explicit(&s->is_stopped, true, memory_order_relaxed);
        batch_free(take_b);
        return err_set(e, SK_NO_MEMORY, "no memory for a table; restart to replay its batches");
    }
    return table__publish(t, info, take_b, e);
}

bool store_is_sealed(store *s, uint32_t environment, family f, uint64_t seq)
{
    table *t = store__table(s, environment, f, false);
    if (!t)
        return false;
    lock_take(&t->lock);
    bool is_sealed = seq <= t->sealed_seq;
    lock_drop(&t->lock);
    return is_sealed;
}

uint64_t store_unsealed_bytes(const store *s)
{
    return atomic_load_explicit(&s->unsealed_bytes, memory_order_relaxed);
}

/* ---- figures ---- */

static void add_segments(const segment_list *l, store_stats *ret)
{
    for (uint32_t i = 0; l && i < l->count; i++) {
        const segment *g = l->at[i];
        ret->segments++;
        ret->segment_bytes += g->file_bytes;
        ret->segment_rows += g->facts.row_count;
        ret->unmerged_segments += g->facts.level == 0;
        if (g->facts.min_time_ns < ret->oldest_ns)
            ret->oldest_ns = g->facts.min_time_ns;
        if (g->facts.max_time_ns > ret->newest_ns)
            ret->newest_ns = g->facts.max_time_ns;
    }
}

static void add_table(table *t, store_stats *ret)
{
    lock_take(&t->lock);
    segment_list *l = segment_list_ref(t->segments);
    for (uint32_t i = 0; i < t->set_count; i++) {
        const open_view *v = &t->sets[i]->shown;
        ret->open_rows += v->row_count;
        ret->open_bytes += v->bytes;
        if (v->min_time_ns < ret->oldest_ns)
            ret->oldest_ns = v->min_time_ns;
        if (v->max_time_ns > ret->newest_ns)
            ret->newest_ns = v->max_time_ns;
    }
    lock_drop(&t->lock);
    add_segments(l, ret);
    segment_list_unref(l);
}

void store_stats_get(store *s, uint32_t environment, store_stats *ret)
{
    *ret = (store_stats){.oldest_ns = INT64_MAX, .newest_ns = INT64_MIN};
    table **list = store__tables(s);
    for (table **t = list; t && *t; t++)
        if (!environment || (*t)->environment == environment)
            add_table(*t, ret);
    base_free(list);
    if (ret->oldest_ns == INT64_MAX)
        ret->oldest_ns = ret->newest_ns = 0;
    ret->damaged_segments = atomic_load(&s->damaged);
    ret->seals = atomic_load(&s->seals);
    ret->merges = atomic_load(&s->merges);
    ret->rows_dropped_retention = atomic_load(&s->rows_dropped_retention);
    ret->rows_dropped_disk_max = atomic_load(&s->rows_dropped_disk_max);
}
