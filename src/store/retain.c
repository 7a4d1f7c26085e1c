/*
 * store/retain.c: what goes: segments out of retention, the oldest when the disk is full, an environment, a dataset.
 * Called by the store's owner and the merger's thread. Never: removes a segment before that, and what it says of the journal,
 * is kept durably elsewhere (catalog__drop): its rows would come back from its file or from the journal.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "store/build.h"
#include "store/store_private.h"

#define ZSTD_LEVEL 3
#define PATH_BYTES 4096

static sk_code out_of_memory(err *e)
{
    return err_set(e, SK_NO_MEMORY, "no memory to drop rows");
}

/* ---- segments out of a table ---- */

/* Takes busy-marked segments out, durably in the sense above; they are no longer busy. */
static sk_code drop_segments(table *t, segment *const *list, uint32_t count, err *e)
{
    segment_list *room = NULL, *old;
    lock_take(&t->lock);
    uint64_t sealed_seq = t->sealed_seq;
    lock_drop(&t->lock);
    sk_code code = catalog__drop(t, sealed_seq, list, count, e);
    if (code == SK_OK)
        code = table__room(t, 0, &room, e);
    lock_take(&t->lock);
    old = code == SK_OK ? table__swap_segments(t, list, count, NULL, 0, room) : NULL;
    for (uint32_t i = 0; i < count; i++) {
        list[i]->is_busy = false;
        if (code == SK_OK)
            atomic_store_explicit(&list[i]->is_removed, true, memory_order_relaxed);
    }
    condition_wake_all(&t->changed);
    lock_drop(&t->lock);
    segment_list_unref(old);
    return code;
}

/* Marks those whose newest event lies before, or all of them when `all`, busy; referenced, in *ret_list. With `all`, waits
 * for those that others work on. */
static sk_code take_segments(table *t, bool all, int64_t before_ns, segment ***ret_list,
                             uint32_t *ret_count, err *e)
{
    uint32_t count = 0;
    lock_take(&t->lock);
    for (bool waits = all; waits;) {
        waits = t->is_sealing;
        for (uint32_t i = 0; t->segments && i < t->segments->count; i++)
            waits |= t->segments->at[i]->is_busy;
        if (waits)
            condition_wait(&t->changed, &t->lock);
    }
    uint32_t most = t->segments ? t->segments->count : 0;
    segment **list = base_alloc((most + 1ul) * sizeof list[0]);
    for (uint32_t i = 0; list && i < most; i++) {
        segment *s = t->segments->at[i];
        if (s->is_busy || (!all && s->facts.max_time_ns >= before_ns))
            continue;
        s->is_busy = true;
        list[count++] = segment_ref(s);
    }
    lock_drop(&t->lock);
    *ret_list = list;
    *ret_count = count;
    return list ? SK_OK : out_of_memory(e);
}

static void give_back(segment **take_list, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        segment_unref(take_list[i]);
    base_free(take_list);
}

/* ---- open sets out of a table ---- */

/* The oldest set, if its newest event lies before (or `all`): its records count as sealed, and it is gone. */
static sk_code drop_oldest_set(table *t, bool all, int64_t before_ns, uint64_t *rows, bool *ret_did,
                               err *e)
{
    *ret_did = false;
    open_set *s = table__begin_seal(t, true);
    if (!s)
        return SK_OK;
    if (!all && s->shown.max_time_ns >= before_ns) {
        table__fail_seal(t, s);
        return SK_OK;
    }
    segment_list *room = NULL;
    sk_code code = catalog__drop(t, s->last_seq, NULL, 0, e);
    if (code == SK_OK)
        code = table__room(t, 0, &room, e);
    if (code != SK_OK) {
        table__fail_seal(t, s);
        return code;
    }
    const store_options *o = &t->store->o;
    *rows += s->shown.row_count;
    table__end_seal(t, s, NULL, 0, room);
    if (o->sealed)
        o->sealed(o->ctx, t->environment, t->family, s->first_seq, s->last_seq);
    open_set_unref(s);
    *ret_did = true;
    return SK_OK;
}

static bool accepting_is_before(table *t, int64_t before_ns)
{
    lock_take(&t->lock);
    bool is_before = t->set_count && t->sets[t->set_count - 1]->shown.max_time_ns < before_ns;
    lock_drop(&t->lock);
    return is_before;
}

/* ---- retention by age ---- */

static sk_code retain_table(table *t, bool all, int64_t before_ns, uint64_t *rows, err *e)
{
    sk_code code = SK_OK;
    if (all || accepting_is_before(t, before_ns))
        table__end_set(t, true);
    for (bool did = true; did && code == SK_OK;)
        code = drop_oldest_set(t, all, before_ns, rows, &did, e);
    segment **list = NULL;
    uint32_t count = 0;
    if (code == SK_OK)
        code = take_segments(t, all, before_ns, &list, &count, e);
    if (code == SK_OK && count) {
        code = drop_segments(t, list, count, e);
        for (uint32_t i = 0; code == SK_OK && i < count; i++)
            *rows += list[i]->facts.row_count;
    }
    give_back(list, count);
    return code;
}

sk_code store_retain(store *s, uint32_t environment, int64_t before_ns, uint64_t *ret_rows, err *e)
{
    uint64_t rows = 0;
    sk_code code = SK_OK;
    for (uint32_t f = 0; code == SK_OK && f < FAMILY_COUNT; f++) {
        table *t = store__table(s, environment, f, false);
        if (t)
            code = retain_table(t, false, before_ns, &rows, e);
    }
    atomic_fetch_add_explicit(&s->rows_dropped_retention, rows, memory_order_relaxed);
    if (ret_rows)
        *ret_rows = rows;
    return code;
}

/* ---- retention by bytes ---- */

typedef struct walk {
    const char *path, *skip; /* skip: the store's own folder, whose bytes are known */
    uint64_t bytes;
} walk;

static sk_code add_bytes(void *ctx, const char *name, bool is_dir, err *e)
{
    walk *w = ctx;
    char path[PATH_BYTES];
    if (snprintf(path, sizeof path, "%s/%s", w->path, name) >= (int)sizeof path)
        return SK_OK;
    if (is_dir) {
        walk inner = {path, w->skip, 0};
        sk_code code =
            strcmp(path, w->skip) == 0 ? SK_OK : file_list_dir(path, add_bytes, &inner, e);
        w->bytes += inner.bytes;
        return code;
    }
    file *f;
    uint64_t size = 0;
    err gone; /* files come and go meanwhile */
    if (file_open(path, FILE_READ, &f, &gone) != SK_OK)
        return SK_OK;
    if (file_size(f, &size, &gone) == SK_OK)
        w->bytes += size;
    file_close(f);
    return SK_OK;
}

typedef struct aged {
    segment *segment;
    table *table;
} aged;

static int compare_ages(const void *a, const void *b)
{
    int64_t x = ((const aged *)a)->segment->facts.max_time_ns;
    int64_t y = ((const aged *)b)->segment->facts.max_time_ns;
    return (x > y) - (x < y);
}

/* All segments, referenced, the one with the oldest newest event first; their bytes. */
static sk_code list_all(store *s, aged **ret, uint32_t *ret_count, uint64_t *ret_bytes, err *e)
{
    table **tables = store__tables(s);
    aged *list = NULL;
    uint32_t count = 0, capacity = 0;
    sk_code code = tables ? SK_OK : out_of_memory(e);
    for (table **t = tables; code == SK_OK && *t; t++) {
        lock_take(&(*t)->lock);
        segment_list *l = segment_list_ref((*t)->segments);
        lock_drop(&(*t)->lock);
        for (uint32_t i = 0; code == SK_OK && l && i < l->count; i++) {
            if (!base_reserve(&list, &capacity, count + 1, sizeof list[0])) {
                code = out_of_memory(e);
                break;
            }
            list[count++] = (aged){segment_ref(l->at[i]), *t};
            *ret_bytes += l->at[i]->file_bytes;
        }
        segment_list_unref(l);
    }
    if (count)
        qsort(list, count, sizeof list[0], compare_ages);
    base_free(tables);
    *ret = list;
    *ret_count = count;
    return code;
}

static bool make_busy(const aged *a)
{
    lock_take(&a->table->lock);
    bool is_there = false;
    for (uint32_t i = 0; a->table->segments && i < a->table->segments->count; i++)
        is_there |= a->table->segments->at[i] == a->segment;
    bool is_free = is_there && !a->segment->is_busy;
    a->segment->is_busy |= is_free;
    lock_drop(&a->table->lock);
    return is_free;
}

static sk_code drop_oldest(store *s, const aged *list, uint32_t count, uint64_t used, err *e)
{
    uint64_t rows = 0, bytes = 0;
    uint32_t dropped = 0;
    int64_t until_ns = 0;
    sk_code code = SK_OK;
    for (uint32_t i = 0; code == SK_OK && i < count && used - bytes > s->o.disk_max_bytes; i++) {
        if (!make_busy(&list[i]))
            continue;
        code = drop_segments(list[i].table, &list[i].segment, 1, e);
        if (code != SK_OK)
            break;
        rows += list[i].segment->facts.row_count;
        bytes += list[i].segment->file_bytes;
        until_ns = list[i].segment->facts.max_time_ns;
        dropped++;
    }
    atomic_fetch_add_explicit(&s->rows_dropped_disk_max, rows, memory_order_relaxed);
    char date[36] = "";
    if (dropped) {
        date[clock_print_rfc3339(until_ns, date)] = 0;
        store__notice(s,
                      "the data directory holds %llu bytes, more than --disk-max %llu: dropped the "
                      "oldest %llu events (%u segments, until %s)",
                      (unsigned long long)used, (unsigned long long)s->o.disk_max_bytes,
                      (unsigned long long)rows, dropped, date);
    }
    return code;
}

sk_code retain__disk(store *s, err *e)
{
    if (!s->o.disk_max_bytes)
        return SK_OK;
    walk w = {s->data_dir, s->dir, 0};
    aged *list = NULL;
    uint32_t count = 0;
    uint64_t used = 0;
    sk_code code = SK_OK;
    if (strcmp(s->data_dir, s->dir) != 0)
        code = file_list_dir(s->data_dir, add_bytes, &w, e);
    if (code == SK_OK)
        code = list_all(s, &list, &count, &used, e);
    s->is_disk_tight = used + w.bytes > s->o.disk_max_bytes / 4 * 3;
    if (code == SK_OK && used + w.bytes > s->o.disk_max_bytes)
        code = drop_oldest(s, list, count, used + w.bytes, e);
    for (uint32_t i = 0; i < count; i++)
        segment_unref(list[i].segment);
    base_free(list);
    return code;
}

/* ---- datasets and environments ---- */

/* The rows of other datasets; *ret_dropped = how many are of this one. */
static sk_code select_others(const part *p, span dataset, uint64_t **ret, uint64_t *ret_dropped,
                             err *e)
{
    part_info info;
    part_info_get(p, &info);
    part_reader *r = NULL;
    vector *v = base_alloc(sizeof *v);
    uint64_t *selected =
        base_alloc_zero(info.block_count * (size_t)VECTOR_WORDS + 1, sizeof selected[0]);
    sk_code code = v && selected ? part_reader_new(p, &r, e) : out_of_memory(e);
    *ret_dropped = 0;
    for (uint32_t block = 0; code == SK_OK && block < info.block_count; block++) {
        code = part_read(r, PART_DATASET, block, v, e);
        for (uint32_t i = 0; code == SK_OK && i < v->row_count; i++) {
            uint32_t row = block * VECTOR_ROWS + i;
            bool goes = span_equal(v->dictionary->text(v->dictionary->of, v->codes[i]), dataset);
            *ret_dropped += goes;
            selected[row / 64] |= (uint64_t)!goes << (row & 63);
        }
    }
    part_reader_free(r);
    base_free(v);
    if (code == SK_OK)
        *ret = selected;
    else
        base_free(selected);
    return code;
}

/* The segment without the rows that are not selected, under its final name. */
static sk_code rewrite(table *t, segment *s, const uint64_t *selected, segment **ret, err *e)
{
    store *of = t->store;
    uint64_t number = atomic_fetch_add_explicit(&of->next_number, 1, memory_order_relaxed);
    char *final = catalog__path(t, s->facts.day, number, false);
    char *temporary = catalog__path(t, s->facts.day, number, true);
    encoder *enc = encoder_new(ZSTD_LEVEL);
    uint64_t *replaces = base_alloc((s->facts.replaces_count + 1ul) * sizeof replaces[0]);
    segment_hash *hashes = NULL;
    uint32_t hash_count = 0;
    sk_code code = final && temporary && enc && replaces
                       ? segment_hashes(s, &hashes, &hash_count, e)
                       : out_of_memory(e);
    if (code == SK_OK) {
        const part *parts[] = {segment_part(s)};
        build_request q = {.parts = parts,
                           .part_count = 1,
                           .selected = selected,
                           .path = temporary,
                           .encoder = enc,
                           .cacher = &of->o.cacher,
                           .cancel = &of->is_closing,
                           .hashes = hashes,
                           .hash_count = hash_count,
                           .facts = s->facts};
        q.facts.number = number;
        q.facts.seal_id = 0;
        q.facts.created_ns = clock_wall_ns();
        q.facts.replaces = replaces;
        replaces[0] = s->facts.number;
        for (uint32_t i = 0; i < s->facts.replaces_count; i++)
            replaces[1 + i] = s->facts.replaces[i];
        q.facts.replaces_count = s->facts.replaces_count + 1;
        code = build_segment(&q, e);
    }
    if (code == SK_OK)
        code = segment_open(temporary, true, &of->cache, ret, e);
    if (code == SK_OK) {
        code = catalog__name(t, temporary, final, e);
        if (code == SK_OK) {
            segment_rename(*ret, final);
            final = NULL;
        } else {
            segment_unref(*ret);
        }
    }
    base_free(final);
    base_free(temporary);
    base_free(hashes);
    base_free(replaces);
    encoder_free(enc);
    return code;
}

/* `s` is busy-marked; it is not when this returns. */
static sk_code drop_from(table *t, segment *s, span dataset, err *e)
{
    uint64_t *selected = NULL, dropped = 0;
    segment *fresh = NULL;
    segment_list *room = NULL, *old = NULL;
    sk_code code = segment_pin(s, e);
    bool is_pinned = code == SK_OK;
    if (code == SK_OK)
        code = select_others(segment_part(s), dataset, &selected, &dropped, e);
    if (code == SK_OK && dropped == s->facts.row_count) {
        code = drop_segments(t, &s, 1, e);
        dropped = 0;
    }
    if (code == SK_OK && dropped)
        code = table__room(t, 1, &room, e);
    if (code == SK_OK && dropped)
        code = rewrite(t, s, selected, &fresh, e);
    lock_take(&t->lock);
    if (code == SK_OK && dropped) {
        old = table__swap_segments(t, &s, 1, &fresh, 1, room);
        atomic_store_explicit(&s->is_removed, true, memory_order_relaxed);
    }
    s->is_busy = false;
    condition_wake_all(&t->changed);
    lock_drop(&t->lock);
    segment_list_unref(old ? old : room);
    if (is_pinned)
        segment_unpin(s);
    base_free(selected);
    return code;
}

static sk_code drop_dataset(table *t, span dataset, err *e)
{
    sk_code code = SK_OK;
    table__end_set(t, true);
    for (bool did = true; did && code == SK_OK;)
        code = seal__oldest(t, true, &did, e);
    segment **list = NULL;
    uint32_t count = 0;
    if (code == SK_OK)
        code = take_segments(t, true, 0, &list, &count, e);
    for (uint32_t i = 0; i < count; i++) {
        err own;
        sk_code one = drop_from(t, list[i], dataset, code == SK_OK ? e : &own);
        code = code == SK_OK ? one : code;
    }
    give_back(list, count);
    return code;
}

sk_code store_drop(store *s, uint32_t environment, span dataset, err *e)
{
    sk_code code = SK_OK;
    uint64_t rows = 0;
    for (uint32_t f = 0; code == SK_OK && f < FAMILY_COUNT; f++) {
        table *t = store__table(s, environment, f, false);
        if (!t)
            continue;
        code = dataset.at ? drop_dataset(t, dataset, e) : retain_table(t, true, 0, &rows, e);
    }
    return code;
}
