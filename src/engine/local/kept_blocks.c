/*
 * engine/local/kept_blocks.c: see kept_blocks.h. A block's times are held in 4 bytes each where all of them fit.
 */
#include "engine/local/kept_blocks.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/thread.h"

#define KEPT_BYTES (256 * MIB)
#define KEPT_SHARE 6u /* of --memory-max */
#define COLUMNS_SHARE                                                                              \
    2u /* of what is kept: what took longer to find out is not crowded out by columns */
#define KEPT_QUESTIONS 32u /* a block that so many did not look at makes room */
#define NARROW_NONE    UINT32_MAX

typedef struct kept_entry {
    struct kept_entry *next;
    uint64_t part_id, last_used;
    uint32_t block, row_count, users, kind;
    bool is_narrow;
    size_t bytes;
    int64_t ns[]; /* or uint32_t: self times, then gaps */
} kept_entry;

struct kept_blocks {
    lock guard;
    memory *memory;
    uint64_t clock, swept, found[KEPT_COLUMNS + 1];
    size_t bytes, column_bytes, bytes_max;
    kept_entry *chains[16384];
};

kept_blocks *kept_blocks_new(memory *m)
{
    kept_blocks *t = base_alloc_zero(1, sizeof *t);
    if (!t)
        return NULL;
    lock_init(&t->guard, RANK_LEAF);
    t->memory = m;
    t->bytes_max = KEPT_BYTES;
    if (m && memory_max(m) / KEPT_SHARE < t->bytes_max)
        t->bytes_max = memory_max(m) / KEPT_SHARE;
    return t;
}

static void note(kept_blocks *t, uint32_t kind, size_t bytes)
{
    t->bytes += bytes;
    t->column_bytes += kind < KEPT_COLUMNS ? 0 : bytes;
}

static void give_back(kept_blocks *t, uint32_t kind, size_t bytes)
{
    t->bytes -= bytes;
    t->column_bytes -= kind < KEPT_COLUMNS ? 0 : bytes;
    if (t->memory)
        memory_release(t->memory, MEMORY_CACHE, bytes);
}

static void forget(kept_blocks *t, kept_entry **at)
{
    kept_entry *x = *at;
    *at = x->next;
    give_back(t, x->kind, x->bytes);
    base_free(x);
}

void kept_blocks_free(kept_blocks *take_t)
{
    if (!take_t)
        return;
    for (size_t i = 0; i < COUNT_OF(take_t->chains); i++)
        while (take_t->chains[i])
            forget(take_t, &take_t->chains[i]);
    lock_done(&take_t->guard);
    base_free(take_t);
}

void kept_blocks_begin(kept_blocks *t)
{
    lock_take(&t->guard);
    t->clock++;
    lock_drop(&t->guard);
}

uint64_t kept_blocks_found(kept_blocks *t, uint32_t kind)
{
    lock_take(&t->guard);
    uint64_t found = t->found[kind];
    lock_drop(&t->guard);
    return found;
}

static kept_entry **place_of(kept_blocks *t, uint32_t kind, uint64_t part_id, uint32_t block,
                             uint32_t row_count)
{
    kept_entry **at =
        &t->chains[hash_mix(hash_mix(part_id * 31 + block) + kind) % COUNT_OF(t->chains)];
    while (*at && ((*at)->part_id != part_id || (*at)->block != block ||
                   (*at)->row_count != row_count || (*at)->kind != kind))
        at = &(*at)->next;
    return at;
}

static kept_entry *hold_entry(kept_blocks *t, uint32_t kind, uint64_t part_id, uint32_t block,
                              uint32_t row_count)
{
    lock_take(&t->guard);
    kept_entry *x = *place_of(t, kind, part_id, block, row_count);
    if (x) {
        x->users++;
        x->last_used = t->clock;
        t->found[kind < KEPT_COLUMNS ? kind : KEPT_COLUMNS]++;
    }
    lock_drop(&t->guard);
    return x;
}

static void let_go(kept_blocks *t, kept_entry *x)
{
    lock_take(&t->guard);
    x->users--;
    lock_drop(&t->guard);
}

/* ---- getting ---- */

static void widen(const kept_entry *x, uint32_t first, int64_t *ret)
{
    const uint32_t *from = (const uint32_t *)x->ns + first;
    if (!x->is_narrow) {
        memcpy(ret, x->ns + first, x->row_count * sizeof *ret);
        return;
    }
    for (uint32_t i = 0; i < x->row_count; i++)
        ret[i] = from[i] == NARROW_NONE ? -1 : (int64_t)from[i];
}

bool kept_blocks_times(kept_blocks *t, uint64_t part_id, uint32_t block, uint32_t row_count,
                       int64_t *ret_self_ns, int64_t *ret_gap_ns)
{
    kept_entry *x = hold_entry(t, KEPT_TIMES, part_id, block, row_count);
    if (!x)
        return false;
    widen(x, 0, ret_self_ns);
    widen(x, row_count, ret_gap_ns);
    let_go(t, x);
    return true;
}

static kept_entry *entry_of(const void *ns)
{
    return (kept_entry *)((uintptr_t)ns - offsetof(kept_entry, ns));
}

const void *kept_blocks_hold(kept_blocks *t, uint32_t kind, uint64_t part_id, uint32_t block,
                             uint32_t row_count)
{
    kept_entry *x = hold_entry(t, kind, part_id, block, row_count);
    return x ? x->ns : NULL;
}

void kept_blocks_let_go(kept_blocks *t, const void *held)
{
    let_go(t, entry_of(held));
}

/* ---- keeping ---- */

static bool is_narrow(const int64_t *ns, uint32_t count)
{
    uint64_t high = 0;
    for (uint32_t i = 0; i < count; i++)
        high |= ((uint64_t)ns[i] + 1) >> 32;
    return high == 0;
}

static void hold(kept_entry *x, uint32_t first, const int64_t *ns)
{
    uint32_t *to = (uint32_t *)x->ns + first;
    if (!x->is_narrow) {
        memcpy(x->ns + first, ns, x->row_count * sizeof *ns);
        return;
    }
    for (uint32_t i = 0; i < x->row_count; i++)
        to[i] = ns[i] < 0 ? NARROW_NONE : (uint32_t)ns[i];
}

/* What so many questions did not look at goes. */
static void forget_older(kept_blocks *t, uint64_t questions)
{
    for (size_t i = 0; i < COUNT_OF(t->chains); i++)
        for (kept_entry **at = &t->chains[i]; *at;)
            if ((*at)->users == 0 && (*at)->last_used + questions <= t->clock)
                forget(t, at);
            else
                at = &(*at)->next;
}

void kept_blocks_drop(kept_blocks *t)
{
    if (!lock_try(&t->guard))
        return;
    if (t->bytes)
        forget_older(t, 0);
    lock_drop(&t->guard);
}

/* Once a question: blocks of parts that are gone are among those that go. */
static void sweep(kept_blocks *t)
{
    if (t->swept != t->clock)
        forget_older(t, KEPT_QUESTIONS);
    t->swept = t->clock;
}

static bool is_within(const kept_blocks *t, uint32_t kind, size_t bytes)
{
    return t->bytes + bytes <= t->bytes_max &&
           (kind < KEPT_COLUMNS || t->column_bytes + bytes <= t->bytes_max / COLUMNS_SHARE);
}

static bool makes_room(kept_blocks *t, uint32_t kind, size_t bytes)
{
    if (!is_within(t, kind, bytes))
        sweep(t);
    return is_within(t, kind, bytes);
}

static bool has_room(kept_blocks *t, uint32_t kind, size_t bytes)
{
    return makes_room(t, kind, bytes) &&
           (!t->memory || memory_reserve(t->memory, MEMORY_CACHE, bytes));
}

bool kept_blocks_fits(kept_blocks *t, uint32_t kind, size_t bytes)
{
    lock_take(&t->guard);
    bool fits = makes_room(t, kind, bytes);
    lock_drop(&t->guard);
    return fits;
}

/* Its bytes are counted from here on. NULL: there is no room, or it is kept. */
static kept_entry *new_entry(kept_blocks *t, uint32_t kind, uint64_t part_id, uint32_t block,
                             uint32_t row_count, size_t bytes)
{
    bytes += sizeof(kept_entry);
    lock_take(&t->guard);
    bool fits = !*place_of(t, kind, part_id, block, row_count) && has_room(t, kind, bytes);
    if (fits)
        note(t, kind, bytes);
    uint64_t now = t->clock;
    lock_drop(&t->guard);
    kept_entry *x = fits ? base_alloc(bytes) : NULL;
    if (x) {
        *x = (kept_entry){.part_id = part_id,
                          .last_used = now,
                          .block = block,
                          .row_count = row_count,
                          .kind = kind,
                          .bytes = bytes};
    } else if (fits) {
        lock_take(&t->guard);
        give_back(t, kind, bytes);
        lock_drop(&t->guard);
    }
    return x;
}

/* Unless another worker was first. */
static void keep(kept_blocks *t, kept_entry *take_x)
{
    lock_take(&t->guard);
    kept_entry **at = place_of(t, take_x->kind, take_x->part_id, take_x->block, take_x->row_count);
    bool is_first = !*at;
    if (is_first)
        *at = take_x;
    else
        give_back(t, take_x->kind, take_x->bytes);
    lock_drop(&t->guard);
    if (!is_first)
        base_free(take_x);
}

void kept_blocks_put_times(kept_blocks *t, uint64_t part_id, uint32_t block, uint32_t row_count,
                           const int64_t *self_ns, const int64_t *gap_ns)
{
    bool narrows = is_narrow(self_ns, row_count) && is_narrow(gap_ns, row_count);
    size_t each = narrows ? sizeof(uint32_t) : sizeof(int64_t);
    kept_entry *x = new_entry(t, KEPT_TIMES, part_id, block, row_count, 2 * row_count * each);
    if (!x)
        return;
    x->is_narrow = narrows;
    hold(x, 0, self_ns);
    hold(x, row_count, gap_ns);
    keep(t, x);
}

void *kept_blocks_room(kept_blocks *t, uint32_t kind, uint64_t part_id, uint32_t block,
                       uint32_t row_count, size_t bytes)
{
    kept_entry *x = new_entry(t, kind, part_id, block, row_count, bytes);
    return x ? x->ns : NULL;
}

void kept_blocks_keep(kept_blocks *t, void *take_room)
{
    keep(t, entry_of(take_room));
}
