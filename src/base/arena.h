/*
 * base/arena.h: bump memory with one owner: one per request, per query, per block of a query.
 * Allocations are freed together by arena_free or arena_rewind. A cap is given at birth; reaching it (or malloc
 * failing) returns NULL and sets the sticky arena_failed (a rewind does not clear it): the caller turns that into
 * SK_TOO_LARGE or SK_NO_MEMORY. The cap counts what is taken from malloc, so the unused ends of chunks too.
 * Debug and sanitized builds poison what is unused and leave a gap between allocations.
 * Not thread-safe: one owner at a time.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/memory.h"
#include "base/port.h"
#include "base/span.h"

typedef struct arena arena;
typedef struct arena_mark {
    void *chunk;
    size_t used;
} arena_mark;

arena *arena_new(size_t cap_bytes); /* NULL when malloc fails */
/* A new one whose chunks are reserved in the account, which outlives it; NULL accounts for none. */
arena *arena_new_accounted(size_t cap_bytes, memory *account, memory_use use);
void arena_free(arena *take_a); /* NULL is fine */

/* Zeroed when `zero`. `align` is a power of two up to 64. */
void *arena_alloc(arena *a, size_t size_bytes, size_t align) must_use;
void *arena_alloc_zero(arena *a, size_t size_bytes, size_t align) must_use;
void *arena_alloc_array(arena *a, size_t count, size_t item_bytes,
                        size_t align) must_use; /* zeroed; checks the product */
/* Grows the newest allocation in place when it can, else copies. `old` may be NULL. */
void *arena_grow(arena *a, void *old, size_t old_bytes, size_t new_bytes, size_t align) must_use;
bool arena_copy(arena *a, span from, span *ret) must_use;
/* printf into the arena; empty span (at == NULL) on failure. */
span arena_print(arena *a, const char *format, ...) format_like(2, 3);

#define ARENA_NEW(a, type) ((type *)arena_alloc_zero((a), sizeof(type), _Alignof(type)))
#define ARENA_ARRAY(a, type, count)                                                                \
    ((type *)arena_alloc_array((a), (count), sizeof(type), _Alignof(type)))

arena_mark arena_here(const arena *a);
void arena_rewind(arena *a, arena_mark to);
bool arena_failed(const arena *a);
size_t arena_used_bytes(const arena *a);     /* handed out */
size_t arena_reserved_bytes(const arena *a); /* taken from malloc */

#endif
