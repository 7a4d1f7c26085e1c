/*
 * serve/handlers.h: worker threads behind one bounded queue of exchanges.
 */
#ifndef SERVE_HANDLERS_H
#define SERVE_HANDLERS_H

#include "serve/http.h"

typedef struct handlers handlers;

/* `run` gets each exchange on a worker. niceness 0 = as it is. */
handlers *handlers_new(const char *name, uint32_t threads, uint32_t queue_max, int niceness,
                       void (*run)(exchange *take_x), err *e);
bool handlers_put(handlers *p,
                  exchange *take_x) must_use; /* false when the queue is full or the pool closed */
uint32_t handlers_depth(const handlers *p);
void handlers_free(handlers *take_p); /* runs what is queued, then joins; NULL is fine */

#endif
