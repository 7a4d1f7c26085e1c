/*
 * tests/unit/base_hash.c: hashes are part of the formats on disk, so their values are pinned.
 */
#include "check.h"

#include "base/hash.h"

static void values_are_pinned(void **state)
{
    assert_true(hash64(SPAN("")) == 0x2d06800538d394c2ull); /* xxhash's own test vector */
    assert_true(hash64((span){NULL, 0}) == 0x2d06800538d394c2ull);
    assert_true(hash64(SPAN("skep")) == 0xdcc41e7ea95745eull);
    hash128 h = hash128_of(SPAN("skep"));
    assert_true(h.lo == 0xbf43aebdcf19b62aull && h.hi == 0x675d1a33dd04d531ull);
    assert_true(hash_mix(1) == 0xca009717f87d8879ull);
}

static void seeds_and_bytes_matter(void **state)
{
    assert_true(hash64_seeded(SPAN("a"), 0) == hash64(SPAN("a")));
    assert_true(hash64_seeded(SPAN("a"), 1) != hash64(SPAN("a")));
    assert_true(hash64(SPAN("a")) != hash64(SPAN("b")));
    assert_true(random_u64() != random_u64());
}

TEST_GROUP(base_hash, TEST(values_are_pinned), TEST(seeds_and_bytes_matter));
