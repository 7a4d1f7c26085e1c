/*
 * base/queue.h: a bounded queue of pointers between threads. Handing over an item hands over its ownership.
 */
#ifndef BASE_QUEUE_H
#define BASE_QUEUE_H

#include "base/port.h"

typedef struct queue queue;

queue *queue_new(uint32_t capacity);
void queue_free(queue *take_q); /* must be empty */
bool queue_try_put(
    queue *q, void *take_item) must_use; /* false when full or closed: the caller keeps the item */
void *queue_get(queue *q);               /* waits; NULL once closed and drained */
void *queue_try_get(queue *q);           /* NULL when empty */
uint32_t queue_count(const queue *q);
void queue_close(queue *q); /* getters drain what is left, then get NULL */

#endif
