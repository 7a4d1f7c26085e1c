/*
 * base/queue.c: a ring of pointers under one lock.
 * Called by the threads that hand batches and jobs to each other. Never: blocks a putter; a full
 * queue refuses.
 */
#include "base/queue.h"

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/must.h"
#include "base/thread.h"

struct queue {
    lock guard;
    condition filled;
    uint32_t capacity, first; /* first, items and is_closed: guarded by `guard` */
    _Atomic uint32_t count; /* written under `guard`; relaxed reads without it are a figure only */
    bool is_closed;
    void *items[];
};

queue *queue_new(uint32_t capacity)
{
    must(capacity > 0);
    queue *q = base_alloc_zero(1, sizeof *q + (size_t)capacity * sizeof(void *));
    if (!q)
        return NULL;
    lock_init(&q->guard, RANK_QUEUE);
    condition_init(&q->filled);
    q->capacity = capacity;
    return q;
}

uint32_t queue_count(const queue *q)
{
    return atomic_load_explicit(&q->count, memory_order_relaxed);
}

void queue_free(queue *take_q)
{
    if (!take_q)
        return;
    must(queue_count(take_q) == 0);
    condition_done(&take_q->filled);
    lock_done(&take_q->guard);
    base_free(take_q);
}

bool queue_try_put(queue *q, void *take_item)
{
    must(take_item != NULL);
    lock_take(&q->guard);
    uint32_t count = queue_count(q);
    bool has_room = !q->is_closed && count < q->capacity;
    if (has_room) {
        q->items[((uint64_t)q->first + count) % q->capacity] = take_item;
        atomic_store_explicit(&q->count, count + 1, memory_order_relaxed);
        condition_wake_one(&q->filled);
    }
    lock_drop(&q->guard);
    return has_room;
}

/* The oldest item, or NULL. The lock is held. */
static void *take_first(queue *q)
{
    uint32_t count = queue_count(q);
    if (count == 0)
        return NULL;
    void *item = q->items[q->first];
    q->first = q->first + 1 == q->capacity ? 0 : q->first + 1;
    atomic_store_explicit(&q->count, count - 1, memory_order_relaxed);
    return item;
}

void *queue_get(queue *q)
{
    lock_take(&q->guard);
    void *item;
    while (!(item = take_first(q)) && !q->is_closed)
        condition_wait(&q->filled, &q->guard);
    lock_drop(&q->guard);
    return item;
}

void *queue_try_get(queue *q)
{
    lock_take(&q->guard);
    void *item = take_first(q);
    lock_drop(&q->guard);
    return item;
}

void queue_close(queue *q)
{
    lock_take(&q->guard);
    q->is_closed = true;
    condition_wake_all(&q->filled);
    lock_drop(&q->guard);
}
