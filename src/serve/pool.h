/*
 * serve/pool.h: worker threads behind one bounded queue of exchanges.
 */
#ifndef SERVE_POOL_H
#define SERVE_POOL_H

#include "serve/http.h"

typedef struct pool pool;

/* `run` gets each exchange on a worker. niceness 0 = as it is. */
pool *pool_new(const char *name, uint32_t threads, uint32_t queue_max, int niceness,
               void (*run)(exchange *take_x), err *e);
bool pool_put(pool *p,
              exchange *take_x) must_use; /* false when the queue is full or the pool closed */
uint32_t pool_depth(const pool *p);
void pool_free(pool *take_p); /* runs what is queued, then joins; NULL is fine */

#endif
