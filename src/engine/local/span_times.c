/*
 * engine/local/span_times.c: see span_times.h. A block's times are held in 4 bytes each where all of them fit.
 */
#include "engine/local/span_times.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/thread.h"

#define KEPT_BYTES     (64 * MIB)
#define KEPT_SHARE     12u /* of --memory-max */
#define KEPT_QUESTIONS 16u /* a block that so many did not look at makes room */
#define NARROW_NONE    UINT32_MAX

typedef struct times_entry {
    struct times_entry *next;
    uint64_t part_id, last_used;
    uint32_t block, row_count, users;
    kept_kind kind;
    bool is_narrow;
    size_t bytes;
    int64_t ns[]; /* or uint32_t: self times, then gaps */
} times_entry;

struct span_times {
    lock guard;
    memory *memory;
    uint64_t clock, swept, found[KEPT_KINDS];
    size_t bytes, bytes_max;
    times_entry *chains[4096];
};

span_times *span_times_new(memory *m)
{
    span_times *t = base_alloc_zero(1, sizeof *t);
    if (!t)
        return NULL;
    lock_init(&t->guard, RANK_LEAF);
    t->memory = m;
    t->bytes_max = KEPT_BYTES;
    if (m && memory_max(m) / KEPT_SHARE < t->bytes_max)
        t->bytes_max = memory_max(m) / KEPT_SHARE;
    return t;
}

static void give_back(span_times *t, size_t bytes)
{
    t->bytes -= bytes;
    if (t->memory)
        memory_release(t->memory, MEMORY_CACHE, bytes);
}

static void forget(span_times *t, times_entry **at)
{
    times_entry *x = *at;
    *at = x->next;
    give_back(t, x->bytes);
    base_free(x);
}

void span_times_free(span_times *take_t)
{
    if (!take_t)
        return;
    for (size_t i = 0; i < COUNT_OF(take_t->chains); i++)
        while (take_t->chains[i])
            forget(take_t, &take_t->chains[i]);
    lock_done(&take_t->guard);
    base_free(take_t);
}

void span_times_begin(span_times *t)
{
    lock_take(&t->guard);
    t->clock++;
    lock_drop(&t->guard);
}

uint64_t span_times_found(span_times *t, kept_kind kind)
{
    lock_take(&t->guard);
    uint64_t found = t->found[kind];
    lock_drop(&t->guard);
    return found;
}

static times_entry **place_of(span_times *t, kept_kind kind, uint64_t part_id, uint32_t block,
                              uint32_t row_count)
{
    times_entry **at = &t->chains[hash_mix(part_id * 31 + block * KEPT_KINDS + (uint32_t)kind) %
                                  COUNT_OF(t->chains)];
    while (*at && ((*at)->part_id != part_id || (*at)->block != block ||
                   (*at)->row_count != row_count || (*at)->kind != kind))
        at = &(*at)->next;
    return at;
}

static times_entry *hold_entry(span_times *t, kept_kind kind, uint64_t part_id, uint32_t block,
                               uint32_t row_count)
{
    lock_take(&t->guard);
    times_entry *x = *place_of(t, kind, part_id, block, row_count);
    if (x) {
        x->users++;
        x->last_used = t->clock;
        t->found[kind]++;
    }
    lock_drop(&t->guard);
    return x;
}

static void let_go(span_times *t, times_entry *x)
{
    lock_take(&t->guard);
    x->users--;
    lock_drop(&t->guard);
}

/* ---- getting ---- */

static void widen(const times_entry *x, uint32_t first, int64_t *ret)
{
    const uint32_t *from = (const uint32_t *)x->ns + first;
    if (!x->is_narrow) {
        memcpy(ret, x->ns + first, x->row_count * sizeof *ret);
        return;
    }
    for (uint32_t i = 0; i < x->row_count; i++)
        ret[i] = from[i] == NARROW_NONE ? -1 : (int64_t)from[i];
}

bool span_times_get(span_times *t, uint64_t part_id, uint32_t block, uint32_t row_count,
                    int64_t *ret_self_ns, int64_t *ret_gap_ns)
{
    times_entry *x = hold_entry(t, KEPT_TIMES, part_id, block, row_count);
    if (!x)
        return false;
    widen(x, 0, ret_self_ns);
    widen(x, row_count, ret_gap_ns);
    let_go(t, x);
    return true;
}

static times_entry *entry_of(const void *ns)
{
    return (times_entry *)((uintptr_t)ns - offsetof(times_entry, ns));
}

const void *span_times_hold(span_times *t, kept_kind kind, uint64_t part_id, uint32_t block,
                            uint32_t row_count)
{
    times_entry *x = hold_entry(t, kind, part_id, block, row_count);
    return x ? x->ns : NULL;
}

void span_times_let_go(span_times *t, const void *held)
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

static void hold(times_entry *x, uint32_t first, const int64_t *ns)
{
    uint32_t *to = (uint32_t *)x->ns + first;
    if (!x->is_narrow) {
        memcpy(x->ns + first, ns, x->row_count * sizeof *ns);
        return;
    }
    for (uint32_t i = 0; i < x->row_count; i++)
        to[i] = ns[i] < 0 ? NARROW_NONE : (uint32_t)ns[i];
}

/* Once a question: blocks of parts that are gone are among those that go. */
static void sweep(span_times *t)
{
    if (t->swept == t->clock)
        return;
    t->swept = t->clock;
    for (size_t i = 0; i < COUNT_OF(t->chains); i++)
        for (times_entry **at = &t->chains[i]; *at;)
            if ((*at)->users == 0 && (*at)->last_used + KEPT_QUESTIONS < t->clock)
                forget(t, at);
            else
                at = &(*at)->next;
}

static bool is_within(span_times *t, size_t bytes)
{
    if (t->bytes + bytes > t->bytes_max)
        sweep(t);
    return t->bytes + bytes <= t->bytes_max;
}

static bool has_room(span_times *t, size_t bytes)
{
    return is_within(t, bytes) && (!t->memory || memory_reserve(t->memory, MEMORY_CACHE, bytes));
}

bool span_times_fits(span_times *t, size_t bytes)
{
    lock_take(&t->guard);
    bool fits = is_within(t, bytes);
    lock_drop(&t->guard);
    return fits;
}

/* Its bytes are counted from here on. NULL: there is no room, or it is kept. */
static times_entry *new_entry(span_times *t, kept_kind kind, uint64_t part_id, uint32_t block,
                              uint32_t row_count, size_t bytes)
{
    bytes += sizeof(times_entry);
    lock_take(&t->guard);
    bool fits = !*place_of(t, kind, part_id, block, row_count) && has_room(t, bytes);
    t->bytes += fits ? bytes : 0;
    uint64_t now = t->clock;
    lock_drop(&t->guard);
    times_entry *x = fits ? base_alloc(bytes) : NULL;
    if (x) {
        *x = (times_entry){.part_id = part_id,
                           .last_used = now,
                           .block = block,
                           .row_count = row_count,
                           .kind = kind,
                           .bytes = bytes};
    } else if (fits) {
        lock_take(&t->guard);
        give_back(t, bytes);
        lock_drop(&t->guard);
    }
    return x;
}

/* Unless another worker was first. */
static void keep(span_times *t, times_entry *take_x)
{
    lock_take(&t->guard);
    times_entry **at = place_of(t, take_x->kind, take_x->part_id, take_x->block, take_x->row_count);
    bool is_first = !*at;
    if (is_first)
        *at = take_x;
    else
        give_back(t, take_x->bytes);
    lock_drop(&t->guard);
    if (!is_first)
        base_free(take_x);
}

void span_times_put(span_times *t, uint64_t part_id, uint32_t block, uint32_t row_count,
                    const int64_t *self_ns, const int64_t *gap_ns)
{
    bool narrows = is_narrow(self_ns, row_count) && is_narrow(gap_ns, row_count);
    size_t each = narrows ? sizeof(uint32_t) : sizeof(int64_t);
    times_entry *x = new_entry(t, KEPT_TIMES, part_id, block, row_count, 2 * row_count * each);
    if (!x)
        return;
    x->is_narrow = narrows;
    hold(x, 0, self_ns);
    hold(x, row_count, gap_ns);
    keep(t, x);
}

void *span_times_room(span_times *t, kept_kind kind, uint64_t part_id, uint32_t block,
                      uint32_t row_count, size_t bytes)
{
    times_entry *x = new_entry(t, kind, part_id, block, row_count, bytes);
    return x ? x->ns : NULL;
}

void span_times_keep(span_times *t, void *take_room)
{
    keep(t, entry_of(take_room));
}
