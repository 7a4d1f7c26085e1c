/*
 * engine/local/straddle.c: see straddle.h. The sorted hashes of all trace indexes, a range of hashes at a time, are sorted together: those that
 * stand there twice straddle. Called by structure_gather.c on the asker's thread.
 */
#include "engine/local/straddle.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"
#include "query/finish.h"

#define RANGE_HASHES  (1u << 21) /* sorted at a time: 32 MiB */
#define CACHE_ENTRIES 8u
#define CACHE_BYTES   (16 * MIB) /* of one entry; larger ones are found anew each time */
#define NO_RUN        UINT32_MAX

typedef struct cache_entry {
    uint32_t environment, part_count, hash_count;
    uint64_t *parts; /* ids */
    uint32_t *hashes;
    uint32_t time_count;
    straddle_time *times; /* part: of `parts`; NULL: not kept */
    uint64_t last_used;
} cache_entry;

struct straddle_cache {
    lock guard;
    uint64_t clock;
    cache_entry entries[CACHE_ENTRIES];
};

straddle_cache *straddle_cache_new(void)
{
    straddle_cache *c = base_alloc_zero(1, sizeof *c);
    if (c)
        lock_init(&c->guard, RANK_LEAF);
    return c;
}

static void free_entry(cache_entry *x)
{
    base_free(x->parts);
    base_free(x->hashes);
    base_free(x->times);
    *x = (cache_entry){0};
}

void straddle_cache_free(straddle_cache *take_c)
{
    if (!take_c)
        return;
    for (uint32_t i = 0; i < CACHE_ENTRIES; i++)
        free_entry(&take_c->entries[i]);
    lock_done(&take_c->guard);
    base_free(take_c);
}

/* ---- sets ---- */

void straddle_set_done(straddle_set *s)
{
    agg_free(s->budget, s->slots, s->slot_count * sizeof *s->slots);
    s->slots = NULL;
    s->count = s->slot_count = 0;
}

static void put_slot(uint32_t *slots, uint32_t slot_count, uint32_t hash)
{
    uint32_t i = hash & (slot_count - 1);
    while (slots[i])
        i = (i + 1) & (slot_count - 1);
    slots[i] = hash;
}

static bool add_hash(straddle_set *s, uint32_t hash)
{
    hash += hash == 0;
    if (straddle_has(s, hash))
        return true;
    if (2 * (s->count + 1) > s->slot_count) {
        uint32_t slot_count = s->slot_count ? s->slot_count * 2 : 256;
        uint32_t *slots = agg_alloc(s->budget, slot_count * sizeof *slots);
        if (!slots)
            return false;
        for (uint32_t i = 0; i < s->slot_count; i++)
            if (s->slots[i])
                put_slot(slots, slot_count, s->slots[i]);
        agg_free(s->budget, s->slots, s->slot_count * sizeof *s->slots);
        s->slots = slots;
        s->slot_count = slot_count;
    }
    put_slot(s->slots, s->slot_count, hash);
    s->count++;
    return true;
}

/* ---- arrays, sorting ---- */

bool straddle_reserve(agg_budget *b, void *array, size_t *capacity, size_t wanted,
                      size_t item_bytes)
{
    void *at;
    size_t more = *capacity ? *capacity * 2 : 256;
    if (wanted <= *capacity)
        return true;
    more = more < wanted ? wanted : more;
    memcpy(&at, array, sizeof at);
    at = agg_realloc(b, at, *capacity * item_bytes, more * item_bytes);
    if (!at)
        return false;
    memcpy(array, &at, sizeof at);
    *capacity = more;
    return true;
}

void straddle_sort(uint64_t *keys, uint64_t *room, size_t count)
{
    for (int shift = 32; shift < 64; shift += 8) {
        size_t places[257] = {0};
        for (size_t i = 0; i < count; i++)
            places[(keys[i] >> shift & 255) + 1]++;
        for (int i = 0; i < 256; i++)
            places[i + 1] += places[i];
        for (size_t i = 0; i < count; i++)
            room[places[keys[i] >> shift & 255]++] = keys[i];
        uint64_t *swap = keys;
        keys = room;
        room = swap;
    }
}

sk_code straddle_budget_error(const agg_budget *b, err *e)
{
    if (atomic_load(&b->failed) == SK_NO_MEMORY)
        return finish_memory_error(b, e);
    return err_set(
        e, SK_TOO_LARGE,
        "the query's traces take more than query_memory_max (%zu MiB): those still arriving or "
        "lying in several segments are gathered, and so are traces that any. or none. names",
        b->max_bytes / MIB);
}

/* ---- sealed parts ---- */

typedef struct finder {
    const run_control *control;
    agg_budget *budget;
    straddle_set *set;
    uint64_t low, high; /* hashes of the range at hand: [low, high) */
    uint64_t *keys, *room;
    size_t count, capacity, room_capacity;
    uint64_t run_total;
    /* of the part at hand: the last run that begins in each block, and its hash */
    uint32_t *last_rows, *last_hashes, block_count;
    uint64_t *marked; /* blocks in which a run of the set begins; NULL: not asked */
} finder;

static sk_code note_page(void *ctx, const uint32_t *hashes, const uint32_t *rows, uint32_t count,
                         err *e)
{
    finder *f = ctx;
    f->run_total += count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t block = rows[i] / VECTOR_ROWS;
        if (f->marked && block < f->block_count && straddle_has(f->set, hashes[i]))
            f->marked[block / 64] |= 1ull << (block & 63);
        if (block < f->block_count &&
            (f->last_rows[block] == NO_RUN || f->last_rows[block] < rows[i])) {
            f->last_rows[block] = rows[i];
            f->last_hashes[block] = hashes[i];
        }
    }
    return local__must_end(f->control, e);
}

static sk_code find_last_runs(finder *f, const scan_part *p, err *e)
{
    f->block_count = p->info.block_count;
    size_t bytes = (f->block_count + 1ul) * sizeof *f->last_rows;
    f->last_rows = agg_alloc(f->budget, bytes);
    f->last_hashes = agg_alloc(f->budget, bytes);
    if (!f->last_rows || !f->last_hashes)
        return straddle_budget_error(f->budget, e);
    memset(f->last_rows, 0xff, bytes);
    return part_trace_runs(p->part, note_page, f, e);
}

static void forget_last_runs(finder *f)
{
    size_t bytes = (f->block_count + 1ul) * sizeof *f->last_rows;
    agg_free(f->budget, f->last_rows, bytes);
    agg_free(f->budget, f->last_hashes, bytes);
    f->last_rows = f->last_hashes = NULL;
}

/* Runs that go on over a whole block: block by block they could not be read with their neighbours alone. */
static sk_code find_long_runs(finder *f, const scan_part *p, err *e)
{
    sk_code code = find_last_runs(f, p, e);
    uint32_t hash = 0;
    bool has_run = false;
    for (uint32_t b = 0; code == SK_OK && b < f->block_count; b++) {
        if (f->last_rows[b] != NO_RUN) {
            hash = f->last_hashes[b];
            has_run = true;
        } else if (has_run && !add_hash(f->set, hash)) {
            code = straddle_budget_error(f->budget, e);
        }
    }
    forget_last_runs(f);
    return code;
}

static sk_code take_page(void *ctx, const uint32_t *hashes, const uint32_t *rows, uint32_t count,
                         err *e)
{
    finder *f = ctx;
    (void)rows;
    if (count == 0 || hashes[0] >= f->high || hashes[count - 1] < f->low)
        return SK_OK;
    if (!straddle_reserve(f->budget, &f->keys, &f->capacity, f->count + count, sizeof *f->keys) ||
        !straddle_reserve(f->budget, &f->room, &f->room_capacity, f->count + count,
                          sizeof *f->room))
        return straddle_budget_error(f->budget, e);
    for (uint32_t i = 0; i < count; i++)
        if (hashes[i] >= f->low && hashes[i] < f->high)
            f->keys[f->count++] = (uint64_t)hashes[i] << 32;
    return local__must_end(f->control, e);
}

static bool is_sealed_traces(const scan_part *p)
{
    return p->info.family == FAMILY_TRACE && !p->info.is_open;
}

/* A damaged index tells of no trace: its segment has been told of. */
static sk_code forgive_damage(straddle_set *set, sk_code code)
{
    set->is_partial |= code == SK_CORRUPT;
    return code == SK_CORRUPT ? SK_OK : code;
}

static sk_code find_in_range(finder *f, const scan *s, err *e)
{
    f->count = 0;
    for (uint32_t i = 0; i < s->part_count; i++) {
        if (!is_sealed_traces(&s->parts[i]))
            continue;
        sk_code code = forgive_damage(f->set, part_trace_runs(s->parts[i].part, take_page, f, e));
        if (code != SK_OK)
            return code;
    }
    straddle_sort(f->keys, f->room, f->count);
    for (size_t i = 1; i < f->count; i++)
        if (f->keys[i] == f->keys[i - 1] && !add_hash(f->set, (uint32_t)(f->keys[i] >> 32)))
            return straddle_budget_error(f->budget, e);
    return SK_OK;
}

static sk_code find_sealed(const scan *s, const run_control *c, straddle_set *ret, err *e)
{
    finder f = {.control = c, .budget = ret->budget, .set = ret};
    sk_code code = SK_OK;
    for (uint32_t i = 0; code == SK_OK && i < s->part_count; i++)
        if (is_sealed_traces(&s->parts[i]))
            code = forgive_damage(ret, find_long_runs(&f, &s->parts[i], e));
    uint64_t ranges = f.run_total / RANGE_HASHES + 1, step = (1ull << 32) / ranges + 1;
    for (f.low = 0; code == SK_OK && f.low < 1ull << 32; f.low = f.high) {
        f.high = f.low + step;
        code = find_in_range(&f, s, e);
    }
    agg_free(f.budget, f.keys, f.capacity * sizeof *f.keys);
    agg_free(f.budget, f.room, f.room_capacity * sizeof *f.room);
    return code;
}

sk_code straddle_mark(const straddle_set *s, const scan_part *p, const run_control *c,
                      uint64_t *out, err *e)
{
    if (s->count == 0)
        return SK_OK;
    straddle_set set = *s;
    finder f = {.control = c, .budget = s->budget, .set = &set, .marked = out};
    sk_code code = find_last_runs(&f, p, e);
    bool is_straddling = false; /* the run that may go on into the block */
    for (uint32_t b = 0; code == SK_OK && b < f.block_count; b++) {
        if (is_straddling)
            out[b / 64] |= 1ull << (b & 63);
        if (f.last_rows[b] != NO_RUN)
            is_straddling = straddle_has(s, f.last_hashes[b]);
    }
    forget_last_runs(&f);
    if (code == SK_CORRUPT)
        memset(out, 0xff, (p->info.block_count + 63) / 64 * sizeof *out);
    return code == SK_CORRUPT ? SK_OK : code;
}

/* ---- what is kept ---- */

static bool is_of(const cache_entry *x, uint32_t environment, const scan *s)
{
    uint32_t n = 0;
    bool is_same = x->parts && x->environment == environment;
    for (uint32_t i = 0; is_same && i < s->part_count; i++) {
        if (!is_sealed_traces(&s->parts[i]))
            continue;
        is_same = n < x->part_count && x->parts[n] == s->parts[i].info.id;
        n++;
    }
    return is_same && n == x->part_count;
}

static bool recall(straddle_cache *c, uint32_t environment, const scan *s, straddle_set *ret,
                   bool *ret_is_done)
{
    bool found = false;
    *ret_is_done = true;
    lock_take(&c->guard);
    for (uint32_t i = 0; i < CACHE_ENTRIES && !found; i++) {
        cache_entry *x = &c->entries[i];
        if (!is_of(x, environment, s))
            continue;
        found = true;
        x->last_used = ++c->clock;
        for (uint32_t n = 0; n < x->hash_count && *ret_is_done; n++)
            *ret_is_done = add_hash(ret, x->hashes[n]);
    }
    lock_drop(&c->guard);
    return found;
}

static void keep(straddle_cache *c, uint32_t environment, const scan *s, const straddle_set *from)
{
    cache_entry made = {.environment = environment};
    made.parts = base_alloc((s->part_count + 1ul) * sizeof *made.parts);
    made.hashes = base_alloc((from->count + 1ul) * sizeof *made.hashes);
    bool is_kept = made.parts && made.hashes &&
                   from->count * sizeof *made.hashes + s->part_count * 8ul <= CACHE_BYTES;
    if (!is_kept) {
        free_entry(&made);
        return;
    }
    for (uint32_t i = 0; i < s->part_count; i++)
        if (is_sealed_traces(&s->parts[i]))
            made.parts[made.part_count++] = s->parts[i].info.id;
    for (uint32_t i = 0; i < from->slot_count; i++)
        if (from->slots[i])
            made.hashes[made.hash_count++] = from->slots[i];
    lock_take(&c->guard);
    cache_entry *oldest = &c->entries[0], *own[2] = {0};
    for (uint32_t i = 0; i < CACHE_ENTRIES; i++) {
        cache_entry *x = &c->entries[i];
        if (x->parts && x->environment == environment)
            own[own[0] != NULL] = x;
        if (x->last_used < oldest->last_used)
            oldest = x;
    }
    if (own[1]) /* two lists an environment: of all times, and of the time that is looked at */
        oldest = own[0]->last_used < own[1]->last_used ? own[0] : own[1];
    free_entry(oldest);
    made.last_used = ++c->clock;
    *oldest = made;
    lock_drop(&c->guard);
}

/* Parts of the scan by their number in the kept list. False: rows are open, whose traces nobody kept. */
static bool number_sealed(const scan *s, uint32_t *parts, uint32_t *ret_count)
{
    *ret_count = 0;
    for (uint32_t i = 0; i < s->part_count; i++) {
        const part_info *info = &s->parts[i].info;
        if (info->family != FAMILY_TRACE)
            continue;
        if (info->is_open)
            return false;
        parts[(*ret_count)++] = i;
    }
    return true;
}

static cache_entry *entry_of(straddle_cache *c, uint32_t environment, const scan *s)
{
    for (uint32_t i = 0; i < CACHE_ENTRIES; i++)
        if (is_of(&c->entries[i], environment, s))
            return &c->entries[i];
    return NULL;
}

bool straddle_recall_times(local *l, uint32_t environment, const scan *s, straddle_time **ret,
                           uint32_t *ret_count)
{
    straddle_cache *c = l->straddles;
    uint32_t part_count;
    uint32_t *parts = agg_alloc(s->budget, (s->part_count + 1ul) * sizeof *parts);
    bool found = false;
    *ret = NULL;
    if (parts && number_sealed(s, parts, &part_count)) {
        lock_take(&c->guard);
        const cache_entry *x = entry_of(c, environment, s);
        found = x && x->times;
        if (found)
            *ret = agg_alloc(s->budget, (x->time_count + 1ul) * sizeof **ret);
        if (*ret) {
            *ret_count = x->time_count;
            memcpy(*ret, x->times, x->time_count * sizeof **ret);
        }
        lock_drop(&c->guard);
    }
    for (uint32_t i = 0; *ret && i < *ret_count; i++)
        (*ret)[i].part = parts[(*ret)[i].part];
    agg_free(s->budget, parts, (s->part_count + 1ul) * sizeof *parts);
    return found;
}

void straddle_keep_times(local *l, uint32_t environment, const scan *s, const straddle_time *times,
                         uint32_t count)
{
    straddle_cache *c = l->straddles;
    uint32_t part_count, at = 0;
    size_t bytes = count * sizeof *times;
    uint32_t *parts = base_alloc((s->part_count + 1ul) * sizeof *parts);
    straddle_time *made = bytes <= CACHE_BYTES ? base_alloc(bytes + 1) : NULL;
    if (parts && made && number_sealed(s, parts, &part_count)) {
        if (count)
            memcpy(made, times, bytes);
        for (uint32_t i = 0; i < count; i++) {
            while (parts[at] != made[i].part)
                at++;
            made[i].part = at;
        }
        lock_take(&c->guard);
        cache_entry *x = entry_of(c, environment, s);
        if (x && !x->times) {
            x->time_count = count;
            x->times = made;
            made = NULL;
        }
        lock_drop(&c->guard);
    }
    base_free(made);
    base_free(parts);
}

/* ---- open sets ---- */

static sk_code add_open(scan_worker *w, uint32_t part_number, const run_control *c,
                        straddle_set *ret, err *e)
{
    const scan_part *p = &w->scan->parts[part_number];
    for (uint32_t b = 0; b < p->info.block_count; b++) {
        const vector *v;
        trace_id last = {0, 0};
        sk_code code = local__must_end(c, e);
        if (code == SK_OK)
            code = scan_go_to(w, part_number, b, e);
        if (code == SK_OK)
            code = scan_read(w, PART_TRACE_ID, &v, e);
        if (code != SK_OK)
            return code;
        for (uint32_t row = 0; v->kind == VECTOR_TRACE_IDS && row < v->row_count; row++) {
            if (trace_id_equal(v->trace_ids[row], last))
                continue;
            last = v->trace_ids[row];
            if (trace_id_is_set(last) && !add_hash(ret, part_trace_hash(last)))
                return straddle_budget_error(ret->budget, e);
        }
    }
    return SK_OK;
}

sk_code straddle_find(local *l, uint32_t environment, scan_worker *w, const run_control *c,
                      straddle_set *ret, err *e)
{
    const scan *s = w->scan;
    bool is_done;
    *ret = (straddle_set){.budget = s->budget};
    if (!recall(l->straddles, environment, s, ret, &is_done)) {
        sk_code code = find_sealed(s, c, ret, e);
        if (code != SK_OK)
            return code;
        if (!ret->is_partial)
            keep(l->straddles, environment, s, ret);
    } else if (!is_done) {
        return straddle_budget_error(ret->budget, e);
    }
    for (uint32_t i = 0; i < s->part_count; i++) {
        if (s->parts[i].info.family != FAMILY_TRACE || !s->parts[i].info.is_open)
            continue;
        sk_code code = add_open(w, i, c, ret, e);
        if (code != SK_OK)
            return code;
    }
    return SK_OK;
}
