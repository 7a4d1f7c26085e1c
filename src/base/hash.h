/*
 * base/hash.h: XXH3 behind our own names. hash64 for tables and blocks on disk (seed 0: the value is part of the
 * formats), hash128 for request bodies. Tables keyed by untrusted strings pass their own random seed.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/port.h"
#include "base/span.h"

typedef struct hash128 {
    uint64_t lo, hi;
} hash128;

uint64_t hash64(span s);
uint64_t hash64_seeded(span s, uint64_t seed);
hash128 hash128_of(span s);
static inline uint64_t hash_mix(uint64_t v) /* for integers and pairs of hashes */
{
    v ^= v >> 32;
    v *= 0x9e3779b97f4a7c15ull;
    v ^= v >> 29;
    v *= 0xbf58476d1ce4e5b9ull;
    return v ^ (v >> 32);
}
uint64_t random_u64(void); /* from the kernel; for seeds and file ids, not for secrets */

#endif
