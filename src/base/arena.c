/*
 * base/arena.c: bump allocation in chunks that double from 4 KiB to 1 MiB.
 * Called by whoever owns a request, a query or a block of one. Never: shared between threads; never
 * gives out a byte past the cap. Unused bytes are poisoned for ASan and a gap of 16 bytes parts the
 * allocations, else an overrun inside a chunk would go unseen; plain debug builds fill fresh memory
 * with 0xa5.
 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/alloc_private.h"
#include "base/must.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#endif
#ifndef HAS_ASAN
#define HAS_ASAN 0
#endif

#if HAS_ASAN
#include <sanitizer/asan_interface.h>
#define poison(at, len)   __asan_poison_memory_region((at), (len))
#define unpoison(at, len) __asan_unpoison_memory_region((at), (len))
#else
#define poison(at, len)   ((void)(at), (void)(len))
#define unpoison(at, len) ((void)(at), (void)(len))
#endif

#if HAS_ASAN || !defined(NDEBUG)
#define GAP_BYTES ((size_t)16)
#else
#define GAP_BYTES ((size_t)0)
#endif

#define CHUNK_FIRST ((size_t)4 * KIB)
#define CHUNK_LAST  (1 * MIB)
#define ALIGN_MAX   ((size_t)64)

typedef struct chunk {
    struct chunk *older;
    size_t size, used;   /* of data[] */
    size_t handed_below; /* handed out in all older chunks */
    uint8_t *data;       /* aligned to ALIGN_MAX, inside the same malloc */
} chunk;

struct arena {
    chunk *newest, *spare; /* spare: the last chunk a rewind emptied */
    size_t cap, reserved;
    memory *account;
    memory_use use;
    bool failed;
};

arena *arena_new(size_t cap_bytes)
{
    arena *a = base_alloc_zero(1, sizeof *a);
    if (a)
        a->cap = cap_bytes;
    return a;
}

arena *arena_new_accounted(size_t cap_bytes, memory *account, memory_use use)
{
    arena *a = arena_new(cap_bytes);
    if (a) {
        a->account = account;
        a->use = use;
    }
    return a;
}

static void free_chunk(arena *a, chunk *c)
{
    if (!c)
        return;
    a->reserved -= c->size;
    if (a->account)
        memory_release(a->account, a->use, c->size);
    unpoison(c->data, c->size);
    base_free(c);
}

void arena_free(arena *take_a)
{
    if (!take_a)
        return;
    for (chunk *c = take_a->newest, *older; c; c = older) {
        older = c->older;
        free_chunk(take_a, c);
    }
    free_chunk(take_a, take_a->spare);
    base_free(take_a);
}

/* A new empty chunk for at least `need` bytes on top of the list, or NULL. */
static chunk *push_chunk(arena *a, size_t need)
{
    chunk *c = a->spare;
    a->spare = NULL;
    if (!c || c->size < need) {
        free_chunk(a, c);
        size_t size = a->newest ? a->newest->size * 2 : CHUNK_FIRST;
        if (size > CHUNK_LAST)
            size = CHUNK_LAST;
        if (size > a->cap - a->reserved)
            size = a->cap - a->reserved;
        if (size < need)
            size = need;
        if (size > a->cap - a->reserved)
            return NULL;
        if (a->account && !memory_reserve(a->account, a->use, size))
            return NULL;
        if (!(c = base_alloc(sizeof *c + ALIGN_MAX + size))) {
            if (a->account)
                memory_release(a->account, a->use, size);
            return NULL;
        }
        uint8_t *data = (uint8_t *)(c + 1);
        c->data = data + (-(uintptr_t)data & (ALIGN_MAX - 1));
        c->size = size;
        a->reserved += size;
        poison(c->data, size);
    }
    c->used = 0;
    c->older = a->newest;
    c->handed_below = a->newest ? a->newest->handed_below + a->newest->used : 0;
    a->newest = c;
    return c;
}

static void *fail(arena *a)
{
    a->failed = true;
    return NULL;
}

void *arena_alloc(arena *a, size_t size_bytes, size_t align)
{
    must_slow(align && align <= ALIGN_MAX && (align & (align - 1)) == 0);
    if (unlikely(alloc__must_fail() || a->failed))
        return fail(a);
    size_t size = size_bytes ? size_bytes : 1;
    chunk *c = a->newest;
    size_t from = 0;
    if (likely(c != NULL))
        from = (c->used + (c->used ? GAP_BYTES : 0) + align - 1) & ~(align - 1);
    if (unlikely(!c || from > c->size || size > c->size - from)) {
        if (!(c = push_chunk(a, size)))
            return fail(a);
        from = 0;
    }
    c->used = from + size;
    unpoison(c->data + from, size);
#ifndef NDEBUG
    memset(c->data + from, 0xa5, size);
#endif
    return c->data + from;
}

void *arena_alloc_zero(arena *a, size_t size_bytes, size_t align)
{
    void *p = arena_alloc(a, size_bytes, align);
    return p ? memset(p, 0, size_bytes) : NULL;
}

void *arena_alloc_array(arena *a, size_t count, size_t item_bytes, size_t align)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, item_bytes, &bytes))
        return fail(a);
    return arena_alloc_zero(a, bytes, align);
}

void *arena_grow(arena *a, void *old, size_t old_bytes, size_t new_bytes, size_t align)
{
    chunk *c = a->newest;
    if (old && old_bytes && c && (uint8_t *)old + old_bytes == c->data + c->used) {
        size_t from = c->used - old_bytes;
        if (new_bytes <= c->size - from && new_bytes) {
            if (unlikely(alloc__must_fail() || a->failed))
                return fail(a);
            c->used = from + new_bytes;
            if (new_bytes < old_bytes)
                poison(c->data + c->used, old_bytes - new_bytes);
            unpoison(old, new_bytes);
            return old;
        }
    }
    void *fresh = arena_alloc(a, new_bytes, align);
    if (fresh && old)
        memcpy(fresh, old, old_bytes < new_bytes ? old_bytes : new_bytes);
    return fresh;
}

bool arena_copy(arena *a, span from, span *ret)
{
    if (from.len == 0) {
        *ret = SPAN("");
        return true;
    }
    uint8_t *to = arena_alloc(a, from.len, 1);
    if (!to)
        return false;
    memcpy(to, from.at, from.len);
    *ret = (span){to, from.len};
    return true;
}

span arena_print(arena *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = len < 0 ? fail(a) : arena_alloc(a, (size_t)len + 1, 1);
    if (!text)
        return (span){NULL, 0};
    va_start(args, format);
    vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
    return span_of(text, (size_t)len);
}

arena_mark arena_here(const arena *a)
{
    return (arena_mark){a->newest, a->newest ? a->newest->used : 0};
}

void arena_rewind(arena *a, arena_mark to)
{
    while (a->newest != to.chunk) {
        chunk *c = a->newest;
        must(c !=
             NULL); /* else the mark is not of this arena, or is older than a rewind before it */
        a->newest = c->older;
        poison(c->data, c->size);
        if (a->spare && a->spare->size >= c->size) {
            free_chunk(a, c);
        } else {
            free_chunk(a, a->spare);
            a->spare = c;
        }
    }
    if (!a->newest)
        return;
    must(to.used <= a->newest->used);
    poison(a->newest->data + to.used, a->newest->used - to.used);
    a->newest->used = to.used;
}

bool arena_failed(const arena *a)
{
    return a->failed;
}

size_t arena_used_bytes(const arena *a)
{
    return a->newest ? a->newest->handed_below + a->newest->used : 0;
}

size_t arena_reserved_bytes(const arena *a)
{
    return a->reserved;
}
