/*
 * tests/unit/base_arena.c: alignment, cap, rewinding and growing; under ASan also that unused bytes are poisoned.
 */
#include "check.h"

#include "base/arena.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif
#ifndef HAS_ASAN
#define HAS_ASAN 0
#endif
#if HAS_ASAN
#include <sanitizer/asan_interface.h>
#endif

static bool is_poisoned(const uint8_t *at)
{
#if HAS_ASAN
    return __asan_address_is_poisoned(at);
#else
    return true;
#endif
}

static void gives_aligned_memory_that_does_not_overlap(void **state)
{
    uint64_t seed = 41;
    arena *a = arena_new(10 * MIB);
    uint8_t *at[500];
    size_t sizes[500];
    for (unsigned i = 0; i < 500; i++) {
        size_t align = (size_t)1 << check_random(&seed) % 7;
        sizes[i] = check_random(&seed) % (i % 50 ? 300 : 20000);
        at[i] = arena_alloc(a, sizes[i], align);
        assert_non_null(at[i]);
        assert_int_equal((uintptr_t)at[i] % align, 0);
        memset(at[i], (int)i, sizes[i]);
    }
    for (unsigned i = 0; i < 500; i++)
        for (size_t k = 0; k < sizes[i]; k++)
            if (at[i][k] != (uint8_t)i)
                fail_msg("allocation %u was overwritten", i);
    assert_true(arena_reserved_bytes(a) >= arena_used_bytes(a));
    assert_false(arena_failed(a));
    arena_free(a);
    arena_free(NULL);
}

static void unused_bytes_are_poisoned(void **state)
{
    arena *a = arena_new(100000);
    uint8_t *first = arena_alloc(a, 24, 8), *second = arena_alloc(a, 8, 8);
    assert_true(is_poisoned(first + 24));
    assert_true(is_poisoned(second + 8));
    assert_true(!HAS_ASAN || second - first >= 24 + 16);
    arena_mark mark = arena_here(a);
    uint8_t *third = arena_alloc(a, 100, 1), *far = arena_alloc(a, 50000, 1);
    arena_rewind(a, mark);
    assert_true(is_poisoned(third) && is_poisoned(far));
    assert_true(!HAS_ASAN || !is_poisoned(second));
    arena_free(a);
}

static void the_cap_is_exact_and_failure_sticks(void **state)
{
    arena *a = arena_new(100000);
    assert_non_null(arena_alloc(a, 100000, 64));
    assert_null(arena_alloc(a, 1, 1));
    assert_true(arena_failed(a));
    assert_int_equal(arena_reserved_bytes(a), 100000);
    arena_free(a);

    a = arena_new(1000);
    assert_non_null(arena_alloc(a, 10, 1));
    assert_null(arena_alloc(a, SIZE_MAX, 1));
    assert_null(arena_alloc(a, 10, 1));
    arena_rewind(a, arena_here(a));
    assert_true(arena_failed(a));
    arena_free(a);

    a = arena_new(1000);
    assert_null(ARENA_ARRAY(a, uint64_t, SIZE_MAX / 4));
    assert_true(arena_failed(a));
    arena_free(a);

    a = arena_new(0);
    assert_null(arena_alloc(a, 0, 1));
    arena_free(a);
}

static void zeroes_when_asked_also_after_a_rewind(void **state)
{
    arena *a = arena_new(100000);
    arena_mark start = arena_here(a);
    for (int round = 0; round < 3; round++) {
        uint64_t *p = ARENA_ARRAY(a, uint64_t, 1000);
        for (int i = 0; i < 1000; i++) {
            assert_true(p[i] == 0);
            p[i] = UINT64_MAX;
        }
        arena_rewind(a, start);
    }
    struct pair {
        uint64_t a, b;
    } *pair = ARENA_NEW(a, struct pair);
    assert_true(pair->a == 0 && pair->b == 0);
    arena_free(a);
}

static void rewinding_gives_the_memory_back(void **state)
{
    arena *a = arena_new(MIB);
    assert_non_null(arena_alloc(a, 100, 8));
    arena_mark mark = arena_here(a);
    size_t used = arena_used_bytes(a);
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 20; i++)
            assert_non_null(arena_alloc(a, 10000, 8));
        arena_rewind(a, mark);
        assert_int_equal(arena_used_bytes(a), used);
    }
    assert_true(arena_reserved_bytes(a) <= MIB);
    arena_rewind(a, (arena_mark){NULL, 0});
    assert_int_equal(arena_used_bytes(a), 0);
    arena_free(a);
}

static void grows_the_newest_in_place(void **state)
{
    arena *a = arena_new(100000);
    uint8_t *p = arena_grow(a, NULL, 0, 10, 8);
    memset(p, 1, 10);
    assert_ptr_equal(arena_grow(a, p, 10, 1000, 8), p);
    memset(p, 2, 1000);
    assert_ptr_equal(arena_grow(a, p, 1000, 20, 8), p);
    assert_true(is_poisoned(p + 24));
    uint8_t *other = arena_alloc(a, 1, 1), *moved = arena_grow(a, p, 20, 40, 8);
    assert_ptr_not_equal(moved, p);
    assert_true(moved > other);
    for (int i = 0; i < 20; i++)
        assert_int_equal(moved[i], 2);
    uint8_t *far = arena_grow(a, moved, 40, 50000, 8); /* no room in the chunk */
    assert_int_equal(far[19], 2);
    assert_null(arena_grow(a, far, 50000, 100001, 8));
    assert_true(arena_failed(a));
    arena_free(a);
}

static void copies_and_prints(void **state)
{
    span copy;
    arena *a = arena_new(100000);
    assert_true(arena_copy(a, SPAN("text"), &copy));
    check_text(copy, "text");
    assert_true(arena_copy(a, (span){NULL, 0}, &copy));
    assert_non_null(copy.at);
    assert_int_equal(copy.len, 0);
    check_text(arena_print(a, "%s %d", "x", 5), "x 5");
    span wide = arena_print(a, "%5000s", "end");
    assert_int_equal(wide.len, 5000);
    assert_int_equal(wide.at[5000], 0);
    arena_free(a);
    a = arena_new(4);
    assert_null(arena_print(a, "12345").at);
    assert_false(arena_copy(a, SPAN("1"), &copy));
    arena_free(a);
}

static void chunks_are_reserved_in_the_account(void **state)
{
    memory *m = memory_new(64 * KIB);
    arena *a = arena_new_accounted(MIB, m, MEMORY_BODIES);
    arena_mark start = arena_here(a);
    assert_non_null(arena_alloc(a, 40 * KIB, 8));
    assert_int_equal(memory_used(m, MEMORY_BODIES), arena_reserved_bytes(a));
    assert_null(arena_alloc(a, 30 * KIB, 8));
    assert_true(arena_failed(a));
    arena_rewind(a, start);
    assert_int_equal(memory_used(m, MEMORY_BODIES), arena_reserved_bytes(a));
    arena_free(a);
    assert_int_equal(memory_used(m, MEMORY_BODIES), 0);
    memory_free(m);
}

TEST_GROUP(base_arena, TEST(chunks_are_reserved_in_the_account),
           TEST(gives_aligned_memory_that_does_not_overlap), TEST(unused_bytes_are_poisoned),
           TEST(the_cap_is_exact_and_failure_sticks), TEST(zeroes_when_asked_also_after_a_rewind),
           TEST(rewinding_gives_the_memory_back), TEST(grows_the_newest_in_place),
           TEST(copies_and_prints));
