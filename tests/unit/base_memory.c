/*
 * tests/unit/base_memory.c: the account never passes its bound, whoever reserves.
 */
#include "check.h"

#include <stdatomic.h>

#include "base/memory.h"
#include "base/thread.h"

static void keeps_the_bound_over_all_uses(void **state)
{
    memory *m = memory_new(100);
    assert_int_equal(memory_max(m), 100);
    assert_true(memory_reserve(m, MEMORY_BODIES, 60));
    assert_true(memory_reserve(m, MEMORY_SEAL, 40));
    assert_false(memory_reserve(m, MEMORY_OPEN, 1));
    assert_true(memory_reserve(m, MEMORY_OPEN, 0));
    assert_false(memory_reserve(m, MEMORY_OPEN, SIZE_MAX));
    assert_int_equal(memory_used(m, MEMORY_BODIES), 60);
    assert_int_equal(memory_used(m, MEMORY_OPEN), 0);
    memory_release(m, MEMORY_BODIES, 10);
    assert_int_equal(memory_used(m, MEMORY_BODIES), 50);
    assert_true(memory_reserve(m, MEMORY_SEAL, 10));
    assert_false(memory_reserve(m, MEMORY_SEAL, 1));
    memory_free(m);
    memory_free(NULL);
}

static void questions_leave_a_margin_and_what_is_resident_beyond(void **state)
{
    memory *m = memory_new(100);
    assert_true(memory_reserve(m, MEMORY_OPEN, 40));
    assert_true(memory_reserve(m, MEMORY_QUERY, 35));
    assert_false(memory_reserve(m, MEMORY_QUERY, 1)); /* the last quarter is never theirs */
    assert_false(memory_reserve(m, MEMORY_CACHE, 1));
    assert_true(memory_reserve(m, MEMORY_OPEN, 1));
    memory_release(m, MEMORY_QUERY, 35);
    memory_note_resident(m, 61); /* 20 more than is accounted */
    assert_false(memory_reserve(m, MEMORY_QUERY, 15));
    assert_true(memory_reserve(m, MEMORY_QUERY, 14));
    memory_release(m, MEMORY_QUERY, 14);
    memory_note_resident(m, 1000); /* a sixteenth is theirs all the same */
    assert_true(memory_reserve(m, MEMORY_QUERY, 6));
    assert_false(memory_reserve(m, MEMORY_QUERY, 1));
    assert_true(memory_is_tight(m));
    memory_note_resident(m, 5);
    assert_false(memory_is_tight(m));
    assert_true(memory_reserve(m, MEMORY_QUERY, 1));
    assert_true(memory_reserve(m, MEMORY_OPEN, 52));
    assert_false(memory_reserve(m, MEMORY_OPEN, 1));
    assert_int_equal(memory_refusals(m, MEMORY_QUERY), 3);
    assert_int_equal(memory_refusals(m, MEMORY_OPEN), 1);
    memory_free(m);
}

typedef struct shared_memory {
    memory *m;
    atomic_size_t held;
    atomic_bool is_over;
} shared_memory;

static void reserve_and_release(void *ctx)
{
    shared_memory *s = ctx;
    uint64_t seed = 81;
    for (int i = 0; i < 20000; i++) {
        size_t bytes = check_random(&seed) % 60;
        if (!memory_reserve(s->m, MEMORY_BODIES, bytes))
            continue;
        if (atomic_fetch_add(&s->held, bytes) + bytes > 100)
            atomic_store(&s->is_over, true);
        atomic_fetch_sub(&s->held, bytes);
        memory_release(s->m, MEMORY_BODIES, bytes);
    }
}

static void threads_together_stay_within(void **state)
{
    shared_memory s = {.m = memory_new(100)};
    thread threads[3];
    for (int i = 0; i < 3; i++)
        assert_true(thread_start(&threads[i], "reserver", reserve_and_release, &s));
    for (int i = 0; i < 3; i++)
        thread_join(&threads[i]);
    assert_false(atomic_load(&s.is_over));
    assert_int_equal(memory_used(s.m, MEMORY_BODIES), 0);
    assert_true(memory_reserve(s.m, MEMORY_SEAL, 100));
    memory_free(s.m);
}

TEST_GROUP(base_memory, TEST(keeps_the_bound_over_all_uses),
           TEST(questions_leave_a_margin_and_what_is_resident_beyond),
           TEST(threads_together_stay_within));
