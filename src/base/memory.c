/*
 * base/memory.c: the account against --memory-max, in atomics.
 * Called by everyone who holds request bodies, open tables, query states or caches. Never:
 * allocates for them.
 */
#include "base/memory.h"

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/must.h"

#define MARGIN_SHARE 4u  /* of the bound: never given to questions, nor to what is kept for them */
#define TIGHT_SHARE  10u /* of it: what is left when it is tight */
#define LEAST_SHARE  16u /* of it: given to questions whatever is resident */

/* Relaxed: figures only, nothing else is published through them. */
struct memory {
    size_t max;
    atomic_size_t total;  /* never above max */
    atomic_size_t beyond; /* resident and not accounted, when last measured */
    atomic_size_t used[MEMORY_USE_COUNT];
    atomic_ullong refusals[MEMORY_USE_COUNT];
};

memory *memory_new(size_t max_bytes)
{
    memory *m = base_alloc_zero(1, sizeof *m);
    if (m)
        m->max = max_bytes;
    return m;
}

void memory_free(memory *take_m)
{
    base_free(take_m);
}

static bool has_room(const memory *m, memory_use use, size_t before, size_t bytes)
{
    if (bytes > m->max - before)
        return false;
    if (use != MEMORY_QUERY && use != MEMORY_CACHE)
        return true;
    if (use == MEMORY_QUERY && memory_used(m, use) + bytes <= m->max / LEAST_SHARE)
        return true;
    size_t beyond = atomic_load_explicit(&m->beyond, memory_order_relaxed);
    return before + bytes + beyond <= m->max - m->max / MARGIN_SHARE;
}

bool memory_reserve(memory *m, memory_use use, size_t bytes)
{
    must(use < MEMORY_USE_COUNT);
    size_t before = atomic_load_explicit(&m->total, memory_order_relaxed);
    do {
        if (!has_room(m, use, before, bytes)) {
            atomic_fetch_add_explicit(&m->refusals[use], 1, memory_order_relaxed);
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&m->total, &before, before + bytes,
                                                    memory_order_relaxed, memory_order_relaxed));
    atomic_fetch_add_explicit(&m->used[use], bytes, memory_order_relaxed);
    return true;
}

void memory_release(memory *m, memory_use use, size_t bytes)
{
    must(use < MEMORY_USE_COUNT);
    size_t before = atomic_fetch_sub_explicit(&m->used[use], bytes, memory_order_relaxed);
    must(before >= bytes); /* else more was given back than taken */
    atomic_fetch_sub_explicit(&m->total, bytes, memory_order_relaxed);
}

void memory_note_resident(memory *m, size_t bytes)
{
    size_t total = atomic_load_explicit(&m->total, memory_order_relaxed);
    atomic_store_explicit(&m->beyond, bytes > total ? bytes - total : 0, memory_order_relaxed);
}

bool memory_is_tight(const memory *m)
{
    size_t total = atomic_load_explicit(&m->total, memory_order_relaxed);
    size_t beyond = atomic_load_explicit(&m->beyond, memory_order_relaxed);
    return total + beyond > m->max - m->max / TIGHT_SHARE;
}

size_t memory_used(const memory *m, memory_use use)
{
    must(use < MEMORY_USE_COUNT);
    return atomic_load_explicit(&m->used[use], memory_order_relaxed);
}

size_t memory_max(const memory *m)
{
    return m->max;
}

uint64_t memory_refusals(const memory *m, memory_use use)
{
    must(use < MEMORY_USE_COUNT);
    return atomic_load_explicit(&m->refusals[use], memory_order_relaxed);
}
