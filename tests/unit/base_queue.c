/*
 * tests/unit/base_queue.c: order, bounds, closing; and that nothing is lost or doubled between threads.
 */
#include "check.h"

#include <sched.h>
#include <stdatomic.h>

#include "base/queue.h"
#include "base/thread.h"

static void keeps_order_and_its_bound(void **state)
{
    int items[5];
    queue *q = queue_new(3);
    assert_null(queue_try_get(q));
    for (int round = 0; round < 4; round++) { /* the ring turns */
        assert_true(queue_try_put(q, &items[0]));
        assert_true(queue_try_put(q, &items[1]));
        assert_ptr_equal(queue_get(q), &items[0]);
        assert_true(queue_try_put(q, &items[2]));
        assert_true(queue_try_put(q, &items[3]));
        assert_false(queue_try_put(q, &items[4]));
        assert_int_equal(queue_count(q), 3);
        assert_ptr_equal(queue_try_get(q), &items[1]);
        assert_ptr_equal(queue_get(q), &items[2]);
        assert_ptr_equal(queue_get(q), &items[3]);
    }
    queue_free(q);
    queue_free(NULL);
}

static void a_closed_one_is_drained_and_then_ends(void **state)
{
    int item;
    queue *q = queue_new(3);
    assert_true(queue_try_put(q, &item));
    queue_close(q);
    assert_false(queue_try_put(q, &item));
    assert_ptr_equal(queue_get(q), &item);
    assert_null(queue_get(q));
    assert_null(queue_get(q));
    queue_free(q);
}

#define PER_PUTTER 5000u
#define PUTTERS    2u
#define GETTERS    2u

typedef struct traffic {
    queue *q;
    uint8_t *bytes; /* an item is the address of one */
    _Atomic unsigned putter;
    _Atomic unsigned got[PUTTERS * PER_PUTTER];
} traffic;

static void put_all(void *ctx)
{
    traffic *t = ctx;
    unsigned first = atomic_fetch_add(&t->putter, 1) * PER_PUTTER;
    for (unsigned i = first; i < first + PER_PUTTER; i++)
        while (!queue_try_put(t->q, t->bytes + i))
            sched_yield();
}

static void get_all(void *ctx)
{
    traffic *t = ctx;
    for (uint8_t *item; (item = queue_get(t->q));)
        atomic_fetch_add(&t->got[item - t->bytes], 1);
}

static void nothing_is_lost_or_doubled_between_threads(void **state)
{
    traffic *t = calloc(1, sizeof *t);
    thread putters[PUTTERS], getters[GETTERS];
    t->bytes = calloc(PUTTERS, PER_PUTTER);
    t->q = queue_new(16);
    for (unsigned i = 0; i < GETTERS; i++)
        assert_true(thread_start(&getters[i], "getter", get_all, t));
    for (unsigned i = 0; i < PUTTERS; i++)
        assert_true(thread_start(&putters[i], "putter", put_all, t));
    for (unsigned i = 0; i < PUTTERS; i++)
        thread_join(&putters[i]);
    queue_close(t->q);
    for (unsigned i = 0; i < GETTERS; i++)
        thread_join(&getters[i]);
    for (unsigned i = 0; i < PUTTERS * PER_PUTTER; i++)
        assert_int_equal(t->got[i], 1);
    queue_free(t->q);
    free(t->bytes);
    free(t);
}

static void needs_memory(void **state)
{
    alloc_fail_at(0, false);
    assert_null(queue_new(3));
}

TEST_GROUP(base_queue, TEST(keeps_order_and_its_bound), TEST(a_closed_one_is_drained_and_then_ends),
           TEST(nothing_is_lost_or_doubled_between_threads), TEST(needs_memory));
