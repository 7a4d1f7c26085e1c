/*
 * base/hash.c: XXH3 (xxhash, inlined: half of our keys are shorter than 16 bytes) and the kernel's
 * randomness. Called by tables, blocks on disk and the detection of repeats. Never: seeds what goes
 * to disk.
 */
#include "base/hash.h"

#include <sys/random.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/must.h"

uint64_t hash64(span s)
{
    return XXH3_64bits(s.at, s.len);
}

uint64_t hash64_seeded(span s, uint64_t seed)
{
    return XXH3_64bits_withSeed(s.at, s.len, seed);
}

hash128 hash128_of(span s)
{
    XXH128_hash_t h = XXH3_128bits(s.at, s.len);
    return (hash128){h.low64, h.high64};
}

uint64_t random_u64(void)
{
    uint64_t v;
    must(getentropy(&v, sizeof v) == 0);
    return v;
}
