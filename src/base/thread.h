/*
 * base/thread.h: named threads, locks with ranks, conditions and a counting gate.
 * Lock order: a thread that holds a lock takes only locks of higher rank; debug builds assert it.
 */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>

#include "base/port.h"

typedef enum lock_rank {
    RANK_CONFIG = 1,
    RANK_META,
    RANK_INTAKE,
    RANK_ENGINE,
    RANK_STORE,
    RANK_TABLE,
    RANK_JOURNAL,
    RANK_QUEUE,
    RANK_MEMORY,
    RANK_LEAF,
} lock_rank;

typedef struct lock {
    pthread_mutex_t mutex;
    lock_rank rank;
} lock;

void lock_init(lock *l, lock_rank rank);
void lock_done(lock *l);
void lock_take(lock *l);
bool lock_try(lock *l) must_use; /* false: somebody has it */
void lock_drop(lock *l);

typedef struct condition {
    pthread_cond_t cond; /* on the monotonic clock */
} condition;

void condition_init(condition *c);
void condition_done(condition *c);
void condition_wait(condition *c, lock *l);
bool condition_wait_until(condition *c, lock *l, int64_t mono_ns); /* false at the deadline */
void condition_wake_one(condition *c);
void condition_wake_all(condition *c);

typedef struct thread {
    pthread_t id;
    bool running;
} thread;

/* `name` shows in ps and gdb (15 bytes). Signals are blocked in every thread but the first. */
bool thread_start(thread *t, const char *name, void (*run)(void *ctx), void *ctx) must_use;
void thread_join(thread *t); /* no-op when not running */
/* The calling thread works through long tasks: it lowers its priority (0: keeps it) and lets threads that wake up have the core at
 * once. Failure is ignored. */
void thread_be_nice(int niceness);
uint32_t thread_core_count(void); /* usable cores, affinity and cgroup quota respected, ≥ 1 */

#endif
