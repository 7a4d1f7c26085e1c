/*
 * base/memory.c: the account against --memory-max, in atomics.
 * Called by everyone who holds request bodies, open tables, query states or caches. Never:
 * allocates for them.
 */
#include "base/memory.h"

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/must.h"

/* Relaxed: figures only, nothing else is published through them. */
struct memory {
    size_t max;
    atomic_size_t total; /* never above max */
    atomic_size_t used[MEMORY_USE_COUNT];
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

bool memory_reserve(memory *m, memory_use use, size_t bytes)
{
    must(use < MEMORY_USE_COUNT);
    size_t before = atomic_load_explicit(&m->total, memory_order_relaxed);
    do {
        if (bytes > m->max - before)
            return false;
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

size_t memory_used(const memory *m, memory_use use)
{
    must(use < MEMORY_USE_COUNT);
    return atomic_load_explicit(&m->used[use], memory_order_relaxed);
}

size_t memory_max(const memory *m)
{
    return m->max;
}
