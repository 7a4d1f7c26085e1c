/*
 * store/seal.c: an ended open set becomes segments: one for its rows of each UTC day, apart from those for late rows.
 * Called by the sealer's thread and store_seal. Never: holds up publishing; leaves a name behind that would make rows
 * appear twice or half a seal pass for a whole one.
 *
 * All parts of a seal appear at once. They are written and synced under temporary names; part 1 getting its final name
 * (durably) is the moment the seal counts; the others follow. At open, a temporary file whose part 1 has its final name
 * is given its own, any other is removed and its records replay (catalog.c).
 */
#include "base/clock.h"
#include "base/must.h"
#include "store/build.h"
#include "store/store_private.h"

#define ZSTD_LEVEL 1
/* Files of one seal. Rows of further days go to one file together, which is never merged. */
#define GROUPS_MAX 64u

typedef struct seal_group {
    int64_t day;
    bool is_late, is_mixed;
    uint32_t rows;
    uint64_t *selected;
    segment *segment;
    char *temporary, *final;
} seal_group;

typedef struct sealing {
    table *table;
    open_set *set;
    open_part part;
    encoder *encoder;
    seal_group groups[GROUPS_MAX];
    uint32_t count;
    uint64_t seal_id;
    bool is_named; /* part 1 may have its final name */
    segment_hash *hashes;
    uint32_t hash_count;
    int64_t newest_arrival_ns;
} sealing;

static sk_code out_of_memory(err *e)
{
    return err_set(e, SK_NO_MEMORY, "no memory to seal");
}

/* ---- which row goes where ---- */

static seal_group *group_of(sealing *s, int64_t day, bool is_late)
{
    for (uint32_t i = 0; i < s->count; i++)
        if ((s->groups[i].day == day && s->groups[i].is_late == is_late) || s->groups[i].is_mixed)
            return &s->groups[i];
    seal_group *g = &s->groups[s->count++];
    *g = (seal_group){.day = day, .is_late = is_late, .is_mixed = s->count == GROUPS_MAX};
    return g;
}

static seal_group *group_of_row(sealing *s, const open_batch *b, uint32_t row)
{
    int64_t time = b->time_ns[row], off;
    if (__builtin_sub_overflow(time, b->arrival_ns, &off))
        off = INT64_MAX;
    bool is_late = off > LATE_SLACK_NS || off < -LATE_SLACK_NS;
    return group_of(s, clock_day(time), is_late);
}

/* One group: everything. More: a bit per row in each. */
static sk_code divide(sealing *s, err *e)
{
    const open_view *v = &s->part.view;
    for (uint32_t i = 0; i < v->batch_count; i++) {
        const open_batch *b = open_set_batch(s->set, i);
        for (uint32_t row = 0; row < b->row_count; row++)
            group_of_row(s, b, row)->rows++;
        if (b->arrival_ns > s->newest_arrival_ns || i == 0)
            s->newest_arrival_ns = b->arrival_ns;
    }
    if (s->count == 1)
        return SK_OK;
    for (uint32_t i = 0; i < s->count; i++) {
        size_t words = block_count_of(v->row_count) * (size_t)VECTOR_WORDS;
        s->groups[i].selected = base_alloc_zero(words, sizeof(uint64_t));
        if (!s->groups[i].selected)
            return out_of_memory(e);
    }
    for (uint32_t i = 0; i < v->batch_count; i++) {
        const open_batch *ob = open_set_batch(s->set, i);
        for (uint32_t row = 0; row < ob->row_count; row++) {
            uint32_t number = ob->first_row + row;
            group_of_row(s, ob, row)->selected[number / 64] |= 1ull << (number & 63);
        }
    }
    return SK_OK;
}

static sk_code list_hashes(sealing *s, err *e)
{
    s->hashes = base_alloc((s->part.view.batch_count + 1ul) * sizeof s->hashes[0]);
    if (!s->hashes)
        return out_of_memory(e);
    for (uint32_t i = 0; i < s->part.view.batch_count; i++) {
        const open_batch *ob = open_set_batch(s->set, i);
        if (ob->info.body_hash.lo | ob->info.body_hash.hi)
            s->hashes[s->hash_count++] = (segment_hash){ob->info.body_hash, ob->arrival_ns};
    }
    return SK_OK;
}

/* ---- files ---- */

static sk_code build_group(sealing *s, uint32_t index, err *e)
{
    seal_group *g = &s->groups[index];
    store *of = s->table->store;
    uint64_t number = atomic_fetch_add_explicit(&of->next_number, 1, memory_order_relaxed);
    g->final = catalog__path(s->table, g->day, number, false);
    g->temporary = catalog__path(s->table, g->day, number, true);
    if (!g->final || !g->temporary)
        return out_of_memory(e);
    const part *parts[] = {&s->part.base};
    build_request q = {.parts = parts,
                       .part_count = 1,
                       .selected = g->selected,
                       .path = g->temporary,
                       .encoder = s->encoder,
                       .cacher = &of->o.cacher,
                       .hashes = s->hashes,
                       .hash_count = index == 0 ? s->hash_count : 0,
                       .facts = {.number = number,
                                 .environment = s->table->environment,
                                 .family = s->table->family,
                                 .day = g->day,
                                 .is_late = g->is_late,
                                 .is_mixed = g->is_mixed,
                                 .first_seq = s->set->first_seq,
                                 .last_seq = s->set->last_seq,
                                 .seal_id = s->seal_id,
                                 .seal_part = index + 1,
                                 .seal_parts = s->count,
                                 .created_ns = clock_wall_ns(),
                                 .newest_arrival_ns = s->newest_arrival_ns}};
    sk_code code = build_segment(&q, e);
    return code == SK_OK ? segment_open(g->temporary, true, &of->cache, &g->segment, e) : code;
}

/* Final names for all, in the order that makes a seal count as a whole or not at all. */
static sk_code commit(sealing *s, const char *folder, err *e)
{
    sk_code code = s->count > 1 ? file_sync_dir(folder, e) : SK_OK;
    if (code == SK_OK) {
        s->is_named = true;
        code = file_rename(s->groups[0].temporary, s->groups[0].final, e);
    }
    if (code == SK_OK)
        code = file_sync_dir(folder, e);
    for (uint32_t i = 1; code == SK_OK && i < s->count; i++)
        code = file_rename(s->groups[i].temporary, s->groups[i].final, e);
    if (code == SK_OK && s->count > 1)
        code = file_sync_dir(folder, e);
    return code;
}

/* Takes back a seal that did not succeed, so that the next attempt cannot double its rows: first, durably, the name that makes
 * it count. When not even that is possible the table seals no more until it is opened again: its records stay. */
static void take_back(sealing *s, const char *folder)
{
    err e;
    if (s->is_named &&
        (file_remove(s->groups[0].final, &e) != SK_OK || file_sync_dir(folder, &e) != SK_OK)) {
        table__stop_sealing(s->table);
        store__notice(s->table->store,
                      "%s: sealing stops until a restart, as what was written cannot be taken back "
                      "(%s); nothing is lost, the journal keeps it",
                      folder, e.text);
        return;
    }
    for (uint32_t i = 0; i < s->count; i++) {
        const char *names[] = {s->groups[i].temporary, s->groups[i].final};
        for (int k = 0; k < 2; k++)
            if (names[k] && file_remove(names[k], &e) != SK_OK)
                store__notice(s->table->store, "%s", e.text);
    }
}

static void free_sealing(sealing *s)
{
    for (uint32_t i = 0; i < s->count; i++) {
        seal_group *g = &s->groups[i];
        segment_unref(g->segment);
        base_free(g->selected);
        base_free(g->temporary);
        base_free(g->final);
    }
    base_free(s->hashes);
    encoder_free(s->encoder);
    if (s->part.set)
        open_part_done(&s->part);
    base_free(s);
}

static sk_code build_all(sealing *s, err *e)
{
    open_part_init(&s->part, s->set, &s->set->shown); /* ended: it changes no more */
    s->encoder = encoder_new(ZSTD_LEVEL);
    sk_code code = s->encoder ? divide(s, e) : out_of_memory(e);
    if (code == SK_OK)
        code = list_hashes(s, e);
    for (uint32_t i = 0; code == SK_OK && i < s->count; i++)
        code = build_group(s, i, e);
    return code;
}

/* Writes and commits; then all that can fail is done. */
static sk_code write_all(sealing *s, segment_list **ret_room, err *e)
{
    char *folder = catalog__folder(s->table);
    sk_code code = folder ? catalog__make_folder(s->table, e) : out_of_memory(e);
    if (code == SK_OK)
        code = build_all(s, e);
    if (code == SK_OK)
        code = table__room(s->table, s->count, ret_room, e);
    if (code == SK_OK)
        code = commit(s, folder, e);
    if (code != SK_OK && folder)
        take_back(s, folder);
    base_free(folder);
    return code;
}

/* The segments in the set's place. */
static void show(sealing *s, segment_list *take_room)
{
    segment *list[GROUPS_MAX];
    for (uint32_t i = 0; i < s->count; i++) {
        seal_group *g = &s->groups[i];
        segment_rename(g->segment, g->final);
        g->final = NULL;
        list[i] = g->segment;
        g->segment = NULL;
    }
    table__end_seal(s->table, s->set, list, s->count, take_room);
}

sk_code seal__oldest(table *t, bool wait, bool *ret_did, err *e)
{
    *ret_did = false;
    open_set *set = table__begin_seal(t, wait);
    if (!set)
        return table__is_stuck(t) ? err_set(e, SK_IO,
                                            "sealing stopped until a restart: an earlier "
                                            "seal could not be taken back")
                                  : SK_OK;
    store *of = t->store;
    segment_list *room = NULL;
    sealing *s = base_alloc_zero(1, sizeof *s);
    if (s) {
        s->table = t;
        s->set = set;
        s->seal_id = random_u64() | 1;
    }
    sk_code code = s ? write_all(s, &room, e) : out_of_memory(e);
    if (code != SK_OK) {
        segment_list_unref(room);
        if (s)
            free_sealing(s);
        table__fail_seal(t, set);
        return code;
    }
    uint64_t first_seq = set->first_seq, last_seq = set->last_seq;
    show(s, room);
    free_sealing(s);
    open_set_unref(set);
    atomic_fetch_add_explicit(&of->seals, 1, memory_order_relaxed);
    if (of->o.sealed)
        of->o.sealed(of->o.ctx, t->environment, t->family, first_seq, last_seq);
    *ret_did = true;
    return SK_OK;
}

sk_code store_seal(store *s, err *e)
{
    table **list = store__tables(s);
    if (!list)
        return out_of_memory(e);
    sk_code code = SK_OK;
    for (table **t = list; *t; t++) {
        table__end_set(*t, true);
        bool did = true;
        while (did) {
            err own;
            sk_code one = seal__oldest(*t, true, &did, code == SK_OK ? e : &own);
            code = code == SK_OK ? one : code;
        }
    }
    base_free(list);
    return code;
}
