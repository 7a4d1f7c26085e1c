/*
 * base/alloc.h: heap memory for long-lived state, through one door so that tests can fail the n-th allocation.
 * All return NULL when memory is short. free() with base_free.
 */
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include "base/port.h"

void *base_alloc(size_t size_bytes) must_use;
void *base_alloc_zero(size_t count, size_t size_bytes) must_use; /* checks the product */
void *base_realloc(void *old, size_t size_bytes) must_use;
void base_free(void *take_p);

/* Doubling growth for arrays: makes *array hold at least `need` items of `item_bytes`; false when memory is short
 * (the array is as it was). */
bool base_reserve(void *array_pointer, uint32_t *capacity, uint32_t need,
                  size_t item_bytes) must_use;

/* Tests: the n-th allocation from now (0 = next) fails, once or from then on; -1 = never. Also covers arenas. */
void alloc_fail_at(int64_t n, bool from_then_on);
bool alloc_did_fail(void); /* since the last alloc_fail_at */

#endif
