/*
 * base/memory.h: one account of what the process holds against --memory-max. A holder reserves before it takes and
 * releases after it gave back; nothing is allocated here. Thread-safe.
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
size_t memory_used(const memory *m, memory_use use);
size_t memory_max(const memory *m);

#endif
