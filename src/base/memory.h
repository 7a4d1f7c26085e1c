/*
 * base/memory.h: one account of what the process holds against --memory-max. A holder reserves before it takes and
 * releases after it gave back; nothing is allocated here. Thread-safe.
 * Whoever measures the process says how much is resident. What that is beyond the account (stacks, scratch, what malloc
 * keeps) is taken off the room of MEMORY_QUERY and MEMORY_CACHE, which also leave a margin: questions can be asked again,
 * ingest goes first.
 */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include "base/port.h"

typedef enum memory_use {
    MEMORY_BODIES,
    MEMORY_OPEN,
    MEMORY_QUERY,
    MEMORY_SEAL,
    MEMORY_CACHE,
    MEMORY_USE_COUNT
} memory_use;

typedef struct memory memory;

memory *memory_new(size_t max_bytes);
void memory_free(memory *take_m);
bool memory_reserve(memory *m, memory_use use,
                    size_t bytes) must_use; /* false when the bound would be passed */
void memory_release(memory *m, memory_use use, size_t bytes);
void memory_note_resident(memory *m, size_t bytes);
bool memory_is_tight(
    const memory *m); /* more than nine tenths are taken, by what is accounted or beyond */
size_t memory_used(const memory *m, memory_use use);
size_t memory_max(const memory *m);
uint64_t memory_refusals(const memory *m, memory_use use);

#endif
