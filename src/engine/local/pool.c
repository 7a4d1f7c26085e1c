/*
 * engine/local/pool.c: see pool.h. Jobs with morsels left form a ring; a worker takes one morsel of the job at `turn` and
 * moves it on.
 */
#include "engine/local/pool.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/must.h"

#define WORKERS_MAX 64u
#define NICENESS    10

struct pool {
    lock guard; /* all below, and the pool's part of every job */
    condition work;
    pool_job *turn; /* NULL: nothing to do */
    bool is_closing;
    uint32_t worker_count, started;
    struct worker {
        pool *pool;
        uint32_t slot;
        thread thread;
    } workers[WORKERS_MAX];
};

static void leave_ring(pool *p, pool_job *job)
{
    if (p->turn == job)
        p->turn = job->next == job ? NULL : job->next;
    job->next->previous = job->previous;
    job->previous->next = job->next;
    job->next = job->previous = NULL;
}

static void join_ring(pool *p, pool_job *job)
{
    if (!p->turn) {
        p->turn = job->next = job->previous = job;
        return;
    }
    job->next = p->turn; /* behind all others */
    job->previous = p->turn->previous;
    job->previous->next = job;
    job->next->previous = job;
}

static void work(void *ctx)
{
    struct worker *w = ctx;
    pool *p = w->pool;
    thread_be_nice(NICENESS);
    lock_take(&p->guard);
    for (;;) {
        while (!p->turn && !p->is_closing)
            condition_wait(&p->work, &p->guard);
        if (!p->turn)
            break;
        pool_job *job = p->turn;
        uint32_t morsel = job->taken++;
        job->running++;
        p->turn = job->next;
        if (job->taken == job->morsel_count)
            leave_ring(p, job);
        lock_drop(&p->guard);
        job->run(job->ctx, w->slot, morsel);
        lock_take(&p->guard);
        job->running--;
        if (job->running == 0 && job->taken == job->morsel_count)
            condition_wake_all(&job->over);
    }
    lock_drop(&p->guard);
}

static void stop(pool *p)
{
    lock_take(&p->guard);
    p->is_closing = true;
    condition_wake_all(&p->work);
    lock_drop(&p->guard);
    for (uint32_t i = 0; i < p->started; i++)
        thread_join(&p->workers[i].thread);
}

sk_code pool_new(uint32_t workers, pool **ret, err *e)
{
    pool *p = base_alloc_zero(1, sizeof *p);
    if (!p)
        return err_set(e, SK_NO_MEMORY, "memory ran out while query workers were started");
    lock_init(&p->guard, RANK_ENGINE);
    condition_init(&p->work);
    p->worker_count = workers ? workers : thread_core_count();
    if (p->worker_count > WORKERS_MAX)
        p->worker_count = WORKERS_MAX;
    for (uint32_t i = 0; i < p->worker_count; i++) {
        char name[24];
        snprintf(name, sizeof name, "query-%u", i);
        p->workers[i].pool = p;
        p->workers[i].slot = i;
        if (!thread_start(&p->workers[i].thread, name, work, &p->workers[i])) {
            pool_free(p);
            return err_set(e, SK_NO_MEMORY, "a query worker could not be started");
        }
        p->started++;
    }
    *ret = p;
    return SK_OK;
}

void pool_free(pool *take_p)
{
    if (!take_p)
        return;
    must(!take_p->turn);
    stop(take_p);
    condition_done(&take_p->work);
    lock_done(&take_p->guard);
    base_free(take_p);
}

uint32_t pool_workers(const pool *p)
{
    return p->worker_count;
}

void pool_start(pool *p, pool_job *job)
{
    job->taken = job->running = 0;
    job->next = job->previous = NULL;
    condition_init(&job->over);
    if (job->morsel_count == 0)
        return;
    lock_take(&p->guard);
    join_ring(p, job);
    condition_wake_all(&p->work);
    lock_drop(&p->guard);
}

bool pool_wait(pool *p, pool_job *job, int64_t mono_ns)
{
    lock_take(&p->guard);
    bool is_over;
    while (!(is_over = job->running == 0 && job->taken == job->morsel_count))
        if (!condition_wait_until(&job->over, &p->guard, mono_ns))
            break;
    is_over = job->running == 0 && job->taken == job->morsel_count;
    lock_drop(&p->guard);
    if (is_over)
        condition_done(&job->over);
    return is_over;
}

/* ---- jobs that may fail ---- */

typedef struct task {
    sk_code (*run)(void *ctx, uint32_t slot, uint32_t morsel, err *e);
    void *ctx;
    atomic_int stop; /* the first error's code */
    err error;       /* written by the worker that set `stop`, read when the job is over */
} task;

static void run_task(void *ctx, uint32_t slot, uint32_t morsel)
{
    task *t = ctx;
    err e = {0};
    int none = SK_OK;
    if (atomic_load_explicit(&t->stop, memory_order_relaxed) != SK_OK)
        return;
    sk_code code = t->run(t->ctx, slot, morsel, &e);
    if (code != SK_OK && atomic_compare_exchange_strong(&t->stop, &none, (int)code))
        t->error = e;
}

sk_code pool_run(pool *p, sk_code (*run)(void *ctx, uint32_t slot, uint32_t morsel, err *e),
                 void *ctx, uint32_t morsel_count, err *e)
{
    task t = {.run = run, .ctx = ctx};
    pool_job job = {.run = run_task, .ctx = &t, .morsel_count = morsel_count};
    pool_start(p, &job);
    while (!pool_wait(p, &job, INT64_MAX))
        ;
    sk_code code = (sk_code)atomic_load(&t.stop);
    if (code != SK_OK && e)
        *e = t.error;
    return code;
}
