/*
 * serve/handlers.c: see handlers.h. Called by I/O loops (put) and by the server (new, free). Never: grows.
 */
#include "serve/handlers.h"

#include "base/alloc.h"
#include "base/queue.h"
#include "base/thread.h"

struct handlers {
    queue *waiting;
    void (*run)(exchange *take_x);
    int niceness;
    uint32_t count;
    thread threads[];
};

static void work(void *ctx)
{
    handlers *p = ctx;
    if (p->niceness)
        thread_be_nice(p->niceness);
    for (exchange *x; (x = queue_get(p->waiting));)
        p->run(x);
}

handlers *handlers_new(const char *name, uint32_t threads, uint32_t queue_max, int niceness,
                       void (*run)(exchange *take_x), err *e)
{
    handlers *p = base_alloc_zero(1, sizeof *p + threads * sizeof(thread));
    if (!p || !(p->waiting = queue_new(queue_max))) {
        base_free(p);
        err_set(e, SK_NO_MEMORY, "no memory for the %s workers", name);
        return NULL;
    }
    p->run = run;
    p->niceness = niceness;
    for (; p->count < threads; p->count++)
        if (!thread_start(&p->threads[p->count], name, work, p)) {
            err_set(e, SK_NO_MEMORY, "cannot start %u %s workers: the system refused a thread",
                    threads, name);
            handlers_free(p);
            return NULL;
        }
    return p;
}

bool handlers_put(handlers *p, exchange *take_x)
{
    return queue_try_put(p->waiting, take_x);
}

uint32_t handlers_depth(const handlers *p)
{
    return queue_count(p->waiting);
}

void handlers_free(handlers *take_p)
{
    if (!take_p)
        return;
    queue_close(take_p->waiting);
    for (uint32_t i = 0; i < take_p->count; i++)
        thread_join(&take_p->threads[i]);
    queue_free(take_p->waiting);
    base_free(take_p);
}
