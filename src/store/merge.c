/*
 * store/merge.c: neighbouring segments of one UTC day become one: traces that sealing cut are joined again, files get few.
 * Called by the merger's thread and store_merge. Never: crosses a UTC day; joins late rows with others; drops, adds or
 * changes a row; touches a damaged segment.
 *
 * Levels: sealed files (0) are merged once enough of them wait, the oldest has waited long or no other has come, which gives level 1; these once
 * more when they make a large file together or their day is over. Files of more than half of merge_rows_max are
 * done. So each byte is rewritten once or twice.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/must.h"
#include "store/build.h"
#include "store/store_private.h"

#define ZSTD_LEVEL   3
#define INPUTS_MAX   16u
#define WAIT_FEW_NS  (40 * NS_PER_S)  /* before many rows are merged */
#define WAIT_LONG_NS (600 * NS_PER_S) /* before few are */
#define QUIET_NS                                                                                   \
    (70 * NS_PER_S) /* longer than a seal waits: nothing has come, and the machine has time */
#define MANY_ROWS      (2u << 20)
#define DAY_NS         (86400 * NS_PER_S)
#define DAY_GRACE_NS   (2 * 3600 * NS_PER_S) /* after its end a day gets no more rows but late ones */
#define HASHES_KEPT_NS (3600 * NS_PER_S)
/* What building takes per row at most, besides its fixed buffers. */
#define BYTES_A_ROW 24u

/* ---- choosing ---- */

typedef struct choice {
    segment *at[INPUTS_MAX];
    uint32_t count;
    uint64_t rows;
} choice;

static bool can_merge(const segment *s, uint32_t rows_max)
{
    return !s->is_busy && !s->facts.is_mixed && s->facts.row_count <= rows_max / 2 &&
           s->facts.level < 2 && !atomic_load_explicit(&s->is_damaged, memory_order_relaxed);
}

static bool are_neighbours(const segment *a, const segment *b)
{
    return a->facts.day == b->facts.day && a->facts.is_late == b->facts.is_late &&
           a->facts.level == b->facts.level;
}

static bool is_due(const choice *c, uint32_t rows_max, int64_t now_ns, bool now)
{
    const segment_facts *oldest = &c->at[0]->facts;
    int64_t age_ns = now_ns - oldest->created_ns;
    if (c->count < 2)
        return false;
    if (now || c->count == INPUTS_MAX || c->rows > rows_max / 4 * 3)
        return true;
    if (oldest->level == 0)
        return (age_ns >= WAIT_FEW_NS && c->rows >= MANY_ROWS) || age_ns >= WAIT_LONG_NS ||
               now_ns - c->at[c->count - 1]->facts.created_ns >= QUIET_NS;
    return now_ns > (oldest->day + 1) * DAY_NS + DAY_GRACE_NS && age_ns >= WAIT_LONG_NS;
}

/* The first run of neighbours that is due, in order of number; segments of other days and levels lie between. */
static bool choose(const segment_list *l, uint32_t rows_max, int64_t now_ns, bool now, choice *ret)
{
    for (uint32_t i = 0; l && i < l->count; i++) {
        if (!can_merge(l->at[i], rows_max))
            continue;
        *ret = (choice){.at = {l->at[i]}, .count = 1, .rows = l->at[i]->facts.row_count};
        for (uint32_t k = i + 1; k < l->count && ret->count < INPUTS_MAX; k++) {
            segment *s = l->at[k];
            if (!are_neighbours(l->at[i], s) || !can_merge(s, rows_max))
                continue;
            if (ret->rows + s->facts.row_count > rows_max)
                break;
            ret->at[ret->count++] = s;
            ret->rows += s->facts.row_count;
        }
        if (is_due(ret, rows_max, now_ns, now))
            return true;
    }
    return false;
}

/* ---- one merge ---- */

typedef struct merging {
    table *table;
    choice inputs;
    uint32_t pinned;
    char *temporary, *final;
    uint64_t *replaces;
    segment_hash *hashes;
    uint32_t hash_count, hash_capacity;
    encoder *encoder;
    segment *merged;
    segment_list *room;
} merging;

static sk_code out_of_memory(err *e)
{
    return err_set(e, SK_NO_MEMORY, "no memory to merge segments");
}

static sk_code pin_inputs(merging *m, err *e)
{
    sk_code code = SK_OK;
    for (; code == SK_OK && m->pinned < m->inputs.count; m->pinned += code == SK_OK) {
        code = segment_pin(m->inputs.at[m->pinned], e);
        if (code == SK_CORRUPT)
            segment_set_damaged(m->inputs.at[m->pinned], e ? e->text : "damaged");
    }
    return code;
}

static sk_code join_hashes(merging *m, int64_t now_ns, err *e)
{
    for (uint32_t i = 0; i < m->inputs.count; i++) {
        if (m->inputs.at[i]->facts.newest_arrival_ns < now_ns - HASHES_KEPT_NS)
            continue;
        segment_hash *list;
        uint32_t count;
        sk_code code = segment_hashes(m->inputs.at[i], &list, &count, e);
        if (code != SK_OK)
            return code;
        bool has_room = base_reserve(&m->hashes, &m->hash_capacity, m->hash_count + count + 1,
                                     sizeof m->hashes[0]);
        for (uint32_t k = 0; has_room && k < count; k++)
            if (list[k].arrival_ns >= now_ns - HASHES_KEPT_NS)
                m->hashes[m->hash_count++] = list[k];
        base_free(list);
        if (!has_room)
            return out_of_memory(e);
    }
    return SK_OK;
}

/* The inputs' numbers and those that they replaced: a file whose removal was lost may still be there. */
static sk_code join_replaces(merging *m, segment_facts *f, err *e)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < m->inputs.count; i++)
        count += 1 + m->inputs.at[i]->facts.replaces_count;
    m->replaces = base_alloc((count + 1ul) * sizeof m->replaces[0]);
    if (!m->replaces || count > SEGMENT_REPLACES_MAX)
        return out_of_memory(e);
    f->replaces = m->replaces;
    for (uint32_t i = 0; i < m->inputs.count; i++) {
        const segment_facts *x = &m->inputs.at[i]->facts;
        m->replaces[f->replaces_count++] = x->number;
        for (uint32_t k = 0; k < x->replaces_count; k++)
            m->replaces[f->replaces_count++] = x->replaces[k];
    }
    return SK_OK;
}

static segment_facts joined_facts(const merging *m, uint64_t number)
{
    segment_facts f = m->inputs.at[0]->facts;
    for (uint32_t i = 1; i < m->inputs.count; i++) {
        const segment_facts *x = &m->inputs.at[i]->facts;
        f.first_seq = x->first_seq < f.first_seq ? x->first_seq : f.first_seq;
        f.last_seq = x->last_seq > f.last_seq ? x->last_seq : f.last_seq;
        if (x->newest_arrival_ns > f.newest_arrival_ns)
            f.newest_arrival_ns = x->newest_arrival_ns;
    }
    f.number = number;
    f.level++;
    f.seal_id = 0;
    f.seal_part = f.seal_parts = 1;
    f.created_ns = clock_wall_ns();
    f.replaces = NULL;
    f.replaces_count = f.hash_count = 0;
    return f;
}

static sk_code build(merging *m, err *e)
{
    store *of = m->table->store;
    uint64_t number = atomic_fetch_add_explicit(&of->next_number, 1, memory_order_relaxed);
    int64_t day = m->inputs.at[0]->facts.day;
    m->final = catalog__path(m->table, day, number, false);
    m->temporary = catalog__path(m->table, day, number, true);
    m->encoder = encoder_new(ZSTD_LEVEL);
    if (!m->final || !m->temporary || !m->encoder)
        return out_of_memory(e);
    const part *parts[INPUTS_MAX];
    for (uint32_t i = 0; i < m->inputs.count; i++)
        parts[i] = segment_part(m->inputs.at[i]);
    build_request q = {.parts = parts,
                       .part_count = m->inputs.count,
                       .path = m->temporary,
                       .encoder = m->encoder,
                       .cacher = &of->o.cacher,
                       .cancel = &of->is_closing,
                       .facts = joined_facts(m, number)};
    sk_code code = join_hashes(m, clock_wall_ns(), e);
    q.hashes = m->hashes;
    q.hash_count = m->hash_count;
    if (code == SK_OK)
        code = join_replaces(m, &q.facts, e);
    if (code == SK_OK)
        code = build_segment(&q, e);
    return code == SK_OK ? segment_open(m->temporary, true, &of->cache, &m->merged, e) : code;
}

static sk_code merge(merging *m, err *e)
{
    sk_code code = pin_inputs(m, e);
    if (code == SK_OK)
        code = build(m, e);
    if (code == SK_OK)
        code = table__room(m->table, 1, &m->room, e);
    if (code == SK_OK)
        code = catalog__name(m->table, m->temporary, m->final, e);
    return code;
}

static void end_merge(merging *m, bool is_good)
{
    table *t = m->table;
    for (uint32_t i = 0; i < m->pinned; i++)
        segment_unpin(m->inputs.at[i]);
    segment_list *old = NULL;
    if (is_good) {
        segment_rename(m->merged, m->final);
        m->final = NULL;
    }
    lock_take(&t->lock);
    if (is_good)
        old = table__swap_segments(t, m->inputs.at, m->inputs.count, &m->merged, 1, m->room);
    for (uint32_t i = 0; i < m->inputs.count; i++) {
        m->inputs.at[i]->is_busy = false;
        if (is_good)
            atomic_store_explicit(&m->inputs.at[i]->is_removed, true, memory_order_relaxed);
    }
    condition_wake_all(&t->changed);
    lock_drop(&t->lock);
    segment_list_unref(old);
    if (!is_good) {
        segment_unref(m->merged);
        segment_list_unref(m->room);
    }
    for (uint32_t i = 0; i < m->inputs.count; i++)
        segment_unref(m->inputs.at[i]);
    base_free(m->temporary);
    base_free(m->final);
    base_free(m->replaces);
    base_free(m->hashes);
    encoder_free(m->encoder);
    base_free(m);
}

/* Fewer inputs while the account has no room for more; two are always tried. */
static size_t reserve(const store *s, choice *c)
{
    for (; s->o.memory; c->rows -= c->at[--c->count]->facts.row_count) {
        size_t bytes = c->rows * BYTES_A_ROW;
        if (memory_reserve(s->o.memory, MEMORY_SEAL, bytes))
            return bytes;
        if (c->count == 2)
            break;
    }
    return 0;
}

sk_code merge__one(table *t, bool now, bool *ret_did, err *e)
{
    merging *m = base_alloc_zero(1, sizeof *m);
    *ret_did = false;
    if (!m)
        return out_of_memory(e);
    m->table = t;
    store *of = t->store;
    size_t reserved = 0;
    lock_take(&t->lock);
    bool is_chosen =
        !t->is_stuck && choose(t->segments, of->o.merge_rows_max, clock_wall_ns(), now, &m->inputs);
    if (is_chosen)
        reserved = reserve(of, &m->inputs);
    for (uint32_t i = 0; is_chosen && i < m->inputs.count; i++) {
        segment_ref(m->inputs.at[i]);
        m->inputs.at[i]->is_busy = true;
    }
    lock_drop(&t->lock);
    if (!is_chosen) {
        base_free(m);
        return SK_OK;
    }
    sk_code code = merge(m, e);
    end_merge(m, code == SK_OK);
    if (reserved)
        memory_release(of->o.memory, MEMORY_SEAL, reserved);
    *ret_did = code == SK_OK;
    if (code == SK_OK)
        atomic_fetch_add_explicit(&of->merges, 1, memory_order_relaxed);
    return code;
}

sk_code store_merge(store *s, err *e)
{
    table **list = store__tables(s);
    if (!list)
        return out_of_memory(e);
    sk_code code = SK_OK;
    for (table **t = list; *t && code == SK_OK; t++)
        for (bool did = true; did && code == SK_OK;)
            code = merge__one(*t, true, &did, e);
    base_free(list);
    return code == SK_OK ? retain__disk(s, e) : code;
}
