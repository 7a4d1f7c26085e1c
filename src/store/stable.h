/*
 * store/stable.h: a growing array whose items never move: one writer appends, readers on other threads use what was
 * published to them (under the table's lock) meanwhile. Chunks double; an empty one holds no memory but itself.
 */
#ifndef STORE_STABLE_H
#define STORE_STABLE_H

#include "base/alloc.h"
#include "base/port.h"

#define STABLE_CHUNKS 30
#define STABLE_FIRST  4u /* items of chunk 0; chunk k holds 4 << k */

typedef struct stable {
    void *chunks[STABLE_CHUNKS];
    uint32_t count;
} stable;

static inline unsigned stable__chunk(uint32_t index, uint32_t *ret_offset)
{
    uint64_t place = (uint64_t)index + STABLE_FIRST;
    unsigned k = (unsigned)(63 - __builtin_clzll(place)) - 2;
    *ret_offset = (uint32_t)(place - ((uint64_t)STABLE_FIRST << k));
    return k;
}

static inline void *stable_at(const stable *s, uint32_t index, size_t item_bytes)
{
    uint32_t offset;
    unsigned k = stable__chunk(index, &offset);
    return (char *)s->chunks[k] + offset * item_bytes;
}

/* Room for one more, not counted yet: the owner fills it and then adds one to `count`. NULL when memory is short. */
static inline void *stable_next(stable *s, size_t item_bytes)
{
    uint32_t offset;
    unsigned k = stable__chunk(s->count, &offset);
    if (!s->chunks[k])
        s->chunks[k] = base_alloc_zero((size_t)STABLE_FIRST << k, item_bytes);
    return s->chunks[k] ? (char *)s->chunks[k] + offset * item_bytes : NULL;
}

static inline void stable_done(stable *s)
{
    for (int k = 0; k < STABLE_CHUNKS; k++)
        base_free(s->chunks[k]);
}

#endif
