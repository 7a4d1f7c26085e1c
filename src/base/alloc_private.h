/*
 * base/alloc_private.h: the fault point of base/alloc.c for base/arena.c, which counts each of its
 * allocations, as any of them could be the one that needs a new chunk.
 */
#ifndef BASE_ALLOC_PRIVATE_H
#define BASE_ALLOC_PRIVATE_H

#include "base/port.h"

bool alloc__must_fail(void);

#endif
