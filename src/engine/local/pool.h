/*
 * engine/local/pool.h: the query workers of one engine: threads at nice 10 that take morsels from all running jobs in
 * turn, so that a long query slows a short one by its share and no more.
 */
#ifndef ENGINE_LOCAL_POOL_H
#define ENGINE_LOCAL_POOL_H

#include "base/err.h"
#include "base/thread.h"

typedef struct pool pool;

/* One job: morsels 0 … morsel_count-1, each run once by some worker. `slot` is the worker's number below pool_workers: what
 * belongs to a slot is touched by one thread at a time. The struct is the caller's and lives until pool_wait says
 * that the job is over. */
typedef struct pool_job {
    void (*run)(void *ctx, uint32_t slot, uint32_t morsel);
    void *ctx;
    uint32_t morsel_count;
    /* the pool's: */
    struct pool_job *next, *previous; /* ring of jobs with morsels left */
    uint32_t taken, running;
    condition over;
} pool_job;

sk_code pool_new(uint32_t workers, pool **ret, err *e) must_use;
void pool_free(pool *take_p); /* no job is running */
uint32_t pool_workers(const pool *p);

void pool_start(pool *p, pool_job *job);
/* Waits until all morsels have run, or until mono_ns: false at that time, and the job goes on. */
bool pool_wait(pool *p, pool_job *job, int64_t mono_ns) must_use;

/* A job from begin to end, in which a morsel may fail: then no other begins, and the first error is returned. */
sk_code pool_run(pool *p, sk_code (*run)(void *ctx, uint32_t slot, uint32_t morsel, err *e),
                 void *ctx, uint32_t morsel_count, err *e) must_use;

#endif
