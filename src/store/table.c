/*
 * store/table.c: one table: its open sets and its list of segments, and how they change places.
 * Called by store.c (publish), seal.c and merge.c. Never: touches a file; holds a lock while it does work that grows
 * with the data.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "store/store_private.h"

table *table__new(store *s, uint32_t environment, family f)
{
    table *t = base_alloc_zero(1, sizeof *t);
    if (!t)
        return NULL;
    t->store = s;
    t->environment = environment;
    t->family = f;
    lock_init(&t->publish, RANK_STORE);
    lock_init(&t->keep, RANK_STORE);
    lock_init(&t->lock, RANK_TABLE);
    condition_init(&t->changed);
    return t;
}

void table__free(table *take_t)
{
    if (!take_t)
        return;
    for (uint32_t i = 0; i < take_t->set_count; i++)
        open_set_unref(take_t->sets[i]);
    base_free(take_t->sets);
    segment_list_unref(take_t->segments);
    condition_done(&take_t->changed);
    lock_done(&take_t->lock);
    lock_done(&take_t->keep);
    lock_done(&take_t->publish);
    base_free(take_t->dropped);
    base_free(take_t);
}

/* ---- lists of segments ---- */

segment_list *segment_list_ref(segment_list *l)
{
    if (l)
        atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
    return l;
}

void segment_list_unref(segment_list *l)
{
    if (!l || atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < l->count; i++)
        segment_unref(l->at[i]);
    base_free(l);
}

static bool is_among(const segment *s, segment *const *list, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (list[i] == s)
            return true;
    return false;
}

sk_code table__room(table *t, uint32_t more, segment_list **ret, err *e)
{
    lock_take(&t->lock);
    uint32_t capacity = (t->segments ? t->segments->count : 0) + more;
    lock_drop(&t->lock);
    segment_list *l = base_alloc(sizeof *l + capacity * sizeof l->at[0]);
    if (!l)
        return err_set(e, SK_NO_MEMORY, "no memory for a list of %u segments", capacity);
    atomic_init(&l->refs, 1);
    l->count = 0;
    l->capacity = capacity;
    *ret = l;
    return SK_OK;
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t x = (*(segment *const *)a)->facts.number, y = (*(segment *const *)b)->facts.number;
    return (x > y) - (x < y);
}

segment_list *table__swap_segments(table *t, segment *const *removed, uint32_t removed_count,
                                   segment *const *take_added, uint32_t added_count,
                                   segment_list *take_room)
{
    segment_list *old = t->segments, *l = take_room;
    for (uint32_t i = 0; old && i < old->count; i++)
        if (!is_among(old->at[i], removed, removed_count)) {
            must(l->count < l->capacity);
            l->at[l->count++] = segment_ref(old->at[i]);
        }
    for (uint32_t i = 0; i < added_count; i++) {
        must(l->count < l->capacity);
        l->at[l->count++] = take_added[i];
    }
    if (l->count)
        qsort(l->at, l->count, sizeof l->at[0], compare_numbers);
    t->segments = l;
    return old;
}

/* ---- publishing ---- */

static bool is_full(const table *t, const open_set *s)
{
    const store_options *o = &t->store->o;
    return s->shown.row_count >= o->seal_rows || s->shown.bytes >= o->seal_bytes;
}

/* Under `publish`: the set that accepts, made when there is none, with room for it in the list. */
static open_set *accepting_set(table *t)
{
    if (t->accepting)
        return t->accepting;
    lock_take(&t->lock);
    bool has_room = base_reserve(&t->sets, &t->set_capacity, t->set_count + 1, sizeof t->sets[0]);
    lock_drop(&t->lock);
    return has_room ? open_set_new(t->family, t->store->o.memory) : NULL;
}

/* Under `publish`. */
static sk_code publish(table *t, publish_info info, const batch *b, bool *ret_ring, err *e)
{
    open_set *s = accepting_set(t);
    if (!s)
        return err_set(e, SK_NO_MEMORY, "no memory for an open set");
    uint64_t before = s->written.bytes;
    sk_code code = open_set_add(s, info, b, e);
    if (code != SK_OK) {
        if (s != t->accepting)
            open_set_unref(s);
        return code;
    }
    uint64_t added = s->written.bytes - before;
    lock_take(&t->lock);
    if (s != t->accepting)
        t->sets[t->set_count++] = s;
    open_set_show(s);
    s->is_ended = *ret_ring = is_full(t, s);
    lock_drop(&t->lock);
    t->accepting = *ret_ring ? NULL : s;
    atomic_fetch_add_explicit(&t->store->unsealed_bytes, added, memory_order_relaxed);
    return SK_OK;
}

sk_code table__publish(table *t, publish_info info, batch *take_b, err *e)
{
    bool ring = false;
    lock_take(&t->publish);
    sk_code code = SK_OK;
    if (t->is_stopped)
        code = err_set(e, SK_NO_MEMORY,
                       "an earlier batch of this table could not be shown; restart to replay it");
    else if (take_b->row_count)
        code = publish(t, info, take_b, &ring, e);
    t->is_stopped = code != SK_OK;
    lock_drop(&t->publish);
    batch_free(take_b);
    if (ring)
        store__ring(t->store);
    return code;
}

/* ---- ending and sealing sets ---- */

static bool is_due(const table *t, const open_set *s)
{
    const store_options *o = &t->store->o;
    int64_t age_ns = clock_mono_ns() - s->opened_mono_ns;
    return (age_ns >= o->seal_age_ns && s->shown.row_count >= o->seal_age_rows) ||
           age_ns >= o->idle_seal_ns;
}

void table__end_set(table *t, bool even_if_young)
{
    lock_take(&t->publish);
    if (t->accepting) {
        lock_take(&t->lock);
        if (even_if_young || is_due(t, t->accepting)) {
            t->accepting->is_ended = true;
            t->accepting = NULL;
        }
        lock_drop(&t->lock);
    }
    lock_drop(&t->publish);
}

open_set *table__begin_seal(table *t, bool wait)
{
    open_set *s = NULL;
    lock_take(&t->lock);
    while (wait && t->is_sealing)
        condition_wait(&t->changed, &t->lock);
    if (!t->is_sealing && !t->is_stuck && t->set_count && t->sets[0]->is_ended) {
        s = t->sets[0];
        open_set_ref(s);
        t->is_sealing = true;
    }
    lock_drop(&t->lock);
    return s;
}

static void leave_seal(table *t)
{
    t->is_sealing = false;
    condition_wake_all(&t->changed);
}

void table__end_seal(table *t, open_set *s, segment *const *take_added, uint32_t count,
                     segment_list *take_room)
{
    lock_take(&t->lock);
    segment_list *old = table__swap_segments(t, NULL, 0, take_added, count, take_room);
    must(t->set_count && t->sets[0] == s);
    t->set_count--;
    memmove(t->sets, t->sets + 1, t->set_count * sizeof t->sets[0]);
    t->sealed_seq = s->last_seq;
    leave_seal(t);
    lock_drop(&t->lock);
    segment_list_unref(old);
    atomic_fetch_sub_explicit(&t->store->unsealed_bytes, s->shown.bytes, memory_order_relaxed);
    open_set_unref(s); /* the table's reference */
}

void table__fail_seal(table *t, open_set *take_s)
{
    lock_take(&t->lock);
    leave_seal(t);
    lock_drop(&t->lock);
    open_set_unref(take_s);
}

void table__stop_sealing(table *t)
{
    lock_take(&t->lock);
    t->is_stuck = true;
    lock_drop(&t->lock);
}

bool table__is_stuck(table *t)
{
    lock_take(&t->lock);
    bool is_stuck = t->is_stuck;
    lock_drop(&t->lock);
    return is_stuck;
}

/* ---- what a snapshot takes ---- */

sk_code table__view(table *t, table_view *ret, err *e)
{
    uint32_t capacity = 0;
    *ret = (table_view){0};
    for (;;) {
        lock_take(&t->lock);
        uint32_t count = t->set_count;
        if (count <= capacity) {
            for (uint32_t i = 0; i < count; i++) {
                open_part_init(&ret->open[i], t->sets[i], &t->sets[i]->shown);
            }
            ret->open_count = count;
            ret->segments = segment_list_ref(t->segments);
            lock_drop(&t->lock);
            return SK_OK;
        }
        lock_drop(&t->lock);
        base_free(ret->open);
        capacity = count + 2;
        ret->open = base_alloc_zero(capacity, sizeof ret->open[0]);
        if (!ret->open)
            return err_set(e, SK_NO_MEMORY, "no memory for a snapshot");
    }
}

void table__view_done(table_view *v)
{
    for (uint32_t i = 0; i < v->open_count; i++)
        open_part_done(&v->open[i]);
    base_free(v->open);
    segment_list_unref(v->segments);
}
