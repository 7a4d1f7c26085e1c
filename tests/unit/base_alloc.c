/*
 * tests/unit/base_alloc.c: the failing allocator, and growing arrays.
 */
#include "check.h"

#include "base/arena.h"

static bool can_allocate(void)
{
    void *p = base_alloc(1);
    base_free(p);
    return p != NULL;
}

static void fails_the_chosen_allocation(void **state)
{
    alloc_fail_at(1, false);
    assert_true(can_allocate());
    assert_false(alloc_did_fail());
    assert_false(can_allocate());
    assert_true(alloc_did_fail());
    assert_true(can_allocate());
    alloc_fail_at(1, true);
    assert_false(alloc_did_fail());
    assert_true(can_allocate());
    assert_false(can_allocate());
    assert_false(can_allocate());
    alloc_fail_at(-1, false);
    assert_true(can_allocate());
}

static void every_door_can_fail(void **state)
{
    void *p = base_alloc(8);
    arena *a = arena_new(1000);
    alloc_fail_at(0, true);
    assert_null(base_alloc(1));
    assert_null(base_alloc_zero(1, 1));
    assert_null(base_realloc(p, 16));
    assert_null(arena_new(1));
    assert_null(arena_alloc(a, 1, 1));
    alloc_fail_at(-1, false);
    assert_true(arena_failed(a));
    arena_free(a);
    base_free(p);
}

static void the_loop_ends_when_nothing_fails(void **state)
{
    unsigned failures = 0, passes = 0;
    EACH_ALLOC_FAILURE(n)
    {
        for (int i = 0; i < 5; i++)
            failures += !can_allocate();
        passes++;
    }
    assert_int_equal(failures, 5);
    assert_int_equal(passes, 6);
}

static void zeroed_memory_checks_the_product(void **state)
{
    uint8_t *p = base_alloc_zero(10, 10);
    for (int i = 0; i < 100; i++)
        assert_int_equal(p[i], 0);
    base_free(p);
    assert_null(base_alloc_zero(SIZE_MAX / 2, 3));
    p = base_alloc(0);
    assert_non_null(p);
    base_free(p);
}

static void arrays_grow_and_keep_their_items(void **state)
{
    uint32_t *items = NULL, capacity = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        assert_true(base_reserve(&items, &capacity, i + 1, sizeof *items));
        assert_true(capacity > i && capacity < 2 * i + 9);
        items[i] = i;
    }
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(items[i], i);
    uint32_t *before = items, held = capacity;
    alloc_fail_at(0, false);
    assert_false(base_reserve(&items, &capacity, held + 1, sizeof *items));
    assert_ptr_equal(items, before);
    assert_int_equal(capacity, held);
    assert_false(base_reserve(&items, &capacity, UINT32_MAX, SIZE_MAX / 4));
    base_free(items);
}

TEST_GROUP(base_allocation, TEST(fails_the_chosen_allocation), TEST(every_door_can_fail),
           TEST(the_loop_ends_when_nothing_fails), TEST(zeroed_memory_checks_the_product),
           TEST(arrays_grow_and_keep_their_items));
