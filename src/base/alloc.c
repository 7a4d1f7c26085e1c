/*
 * base/alloc.c: malloc with a place where tests can make it fail.
 * Called by every layer that keeps long-lived state, and by base/arena.c. Never: aborts on a lack
 * of memory. The counters below are its only state; outside tests they are never written.
 */
#include "base/alloc.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc_private.h"

/* Relaxed everywhere: tests arm them before they start threads and read them after joining. */
static atomic_bool is_armed;
static atomic_bool goes_on;
static atomic_bool did_fail;
static atomic_llong left; /* allocations that still pass */

static bool count_down(void)
{
    long long before = atomic_fetch_sub_explicit(&left, 1, memory_order_relaxed);
    if (before > 0 || (before < 0 && !atomic_load_explicit(&goes_on, memory_order_relaxed)))
        return false;
    atomic_store_explicit(&did_fail, true, memory_order_relaxed);
    return true;
}

bool alloc__must_fail(void)
{
    if (likely(!atomic_load_explicit(&is_armed, memory_order_relaxed)))
        return false;
    return count_down();
}

void alloc_fail_at(int64_t n, bool from_then_on)
{
    atomic_store_explicit(&left, n, memory_order_relaxed);
    atomic_store_explicit(&goes_on, from_then_on, memory_order_relaxed);
    atomic_store_explicit(&did_fail, false, memory_order_relaxed);
    atomic_store_explicit(&is_armed, n >= 0, memory_order_relaxed);
}

bool alloc_did_fail(void)
{
    return atomic_load_explicit(&did_fail, memory_order_relaxed);
}

/* No object is larger than PTRDIFF_MAX; sanitizers stop at such a request instead of refusing it. */
static bool is_refused(size_t size_bytes)
{
    return alloc__must_fail() || size_bytes > PTRDIFF_MAX;
}

void *base_alloc(size_t size_bytes)
{
    return is_refused(size_bytes) ? NULL : malloc(size_bytes ? size_bytes : 1);
}

void *base_alloc_zero(size_t count, size_t size_bytes)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size_bytes, &bytes))
        bytes = SIZE_MAX;
    if (is_refused(bytes))
        return NULL;
    return calloc(1, bytes ? bytes : 1);
}

void *base_realloc(void *old, size_t size_bytes)
{
    return is_refused(size_bytes) ? NULL : realloc(old, size_bytes ? size_bytes : 1);
}

void base_free(void *take_p)
{
    free(take_p);
}

bool base_reserve(void *array_pointer, uint32_t *capacity, uint32_t need, size_t item_bytes)
{
    if (likely(need <= *capacity))
        return true;
    uint64_t wanted = *capacity ? (uint64_t)*capacity * 2 : 8;
    if (wanted < need)
        wanted = need;
    if (wanted > UINT32_MAX)
        wanted = UINT32_MAX;
    void *old;
    size_t bytes;
    memcpy(&old, array_pointer, sizeof old);
    if (__builtin_mul_overflow((size_t)wanted, item_bytes, &bytes))
        return false;
    void *grown = base_realloc(old, bytes);
    if (!grown)
        return false;
    memcpy(array_pointer, &grown, sizeof grown);
    *capacity = (uint32_t)wanted;
    return true;
}
