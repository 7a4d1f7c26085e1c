/*
 * base/thread.c: pthreads with names, ranked locks and the count of usable cores.
 * Called by every layer that has threads. Never: cancels a thread. Debug builds keep the locks each
 * thread holds and stop at the first that is taken out of order.
 */
#include "base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/must.h"
#include "base/span.h"
#include "base/thread_private.h"

#define NICE_SLICE_NS                                                                              \
    5000000ull /* above the default of any number of cores, below what holds others up */

#ifndef NDEBUG
#define HELD_MAX 16
static _Thread_local const lock *held[HELD_MAX]; /* in the order taken */
static _Thread_local unsigned held_count;
#endif

static void note_take(const lock *l)
{
#ifndef NDEBUG
    must(held_count < HELD_MAX);
    for (unsigned i = 0; i < held_count; i++)
        must(held[i]->rank < l->rank);
    held[held_count++] = l;
#else
    (void)l;
#endif
}

static void note_drop(const lock *l)
{
#ifndef NDEBUG
    unsigned i = held_count;
    while (i > 0 && held[i - 1] != l)
        i--;
    must(i > 0); /* else this thread does not hold it */
    for (; i < held_count; i++)
        held[i - 1] = held[i];
    held_count--;
#else
    (void)l;
#endif
}

void lock_init(lock *l, lock_rank rank)
{
    l->rank = rank;
    must(pthread_mutex_init(&l->mutex, NULL) == 0);
}

void lock_done(lock *l)
{
    must(pthread_mutex_destroy(&l->mutex) == 0);
}

void lock_take(lock *l)
{
    note_take(l);
    must(pthread_mutex_lock(&l->mutex) == 0);
}

bool lock_try(lock *l)
{
    int code = pthread_mutex_trylock(&l->mutex);
    must(code == 0 || code == EBUSY);
    if (code == 0)
        note_take(l);
    return code == 0;
}

void lock_drop(lock *l)
{
    note_drop(l);
    must(pthread_mutex_unlock(&l->mutex) == 0);
}

void condition_init(condition *c)
{
    pthread_condattr_t attributes;
    must(pthread_condattr_init(&attributes) == 0);
    must(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    must(pthread_cond_init(&c->cond, &attributes) == 0);
    pthread_condattr_destroy(&attributes);
}

void condition_done(condition *c)
{
    must(pthread_cond_destroy(&c->cond) == 0);
}

void condition_wait(condition *c, lock *l)
{
    must(pthread_cond_wait(&c->cond, &l->mutex) == 0);
}

bool condition_wait_until(condition *c, lock *l, int64_t mono_ns)
{
    if (mono_ns < 0)
        mono_ns = 0;
    struct timespec until = {.tv_sec = (time_t)(mono_ns / NS_PER_S),
                             .tv_nsec = (long)(mono_ns % NS_PER_S)};
    int result = pthread_cond_timedwait(&c->cond, &l->mutex, &until);
    must(result == 0 || result == ETIMEDOUT);
    return result == 0;
}

void condition_wake_one(condition *c)
{
    must(pthread_cond_signal(&c->cond) == 0);
}

void condition_wake_all(condition *c)
{
    must(pthread_cond_broadcast(&c->cond) == 0);
}

typedef struct start {
    void (*run)(void *ctx);
    void *ctx;
    char name[16];
} start;

static void *thread_main(void *arg)
{
    start s = *(start *)arg;
    base_free(arg);
    pthread_setname_np(pthread_self(), s.name);
    s.run(s.ctx);
    return NULL;
}

bool thread_start(thread *t, const char *name, void (*run)(void *ctx), void *ctx)
{
    t->running = false;
    start *s = base_alloc(sizeof *s);
    if (!s)
        return false;
    s->run = run;
    s->ctx = ctx;
    snprintf(s->name, sizeof s->name, "%.15s", name);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the new thread inherits the mask */
    int result = pthread_create(&t->id, NULL, thread_main, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result != 0) {
        base_free(s);
        return false;
    }
    t->running = true;
    return true;
}

void thread_join(thread *t)
{
    if (!t->running)
        return;
    must(pthread_join(t->id, NULL) == 0);
    t->running = false;
}

/* Linux's struct sched_attr, which glibc has no name for. */
typedef struct scheduling {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
} scheduling;

_Static_assert(sizeof(scheduling) == 48, "the first version of the system call's argument");

/*
 * SCHED_BATCH: waking up it takes no core from another thread. The slice: since Linux 6.6 a thread that runs keeps the core
 * for the rest of its slice even when a more important one wakes up; since 6.12 one that asked for a longer slice does not.
 * Shares stay those of the niceness.
 */
void thread_be_nice(int niceness)
{
    int now = getpriority(PRIO_PROCESS, (id_t)gettid());
    niceness = now > niceness ? now : niceness;
    scheduling s = {
        .size = sizeof s, .policy = SCHED_BATCH, .nice = niceness, .runtime = NICE_SLICE_NS};
    if (syscall(SYS_sched_setattr, 0, &s, 0) != 0)
        (void)setpriority(PRIO_PROCESS, (id_t)gettid(), niceness);
}

/* Cores of the affinity mask; the mask's size is the kernel's choice. */
static uint32_t affinity_cores(void)
{
    for (size_t cores = 1024; cores <= (size_t)1 << 16; cores *= 2) {
        cpu_set_t *set = CPU_ALLOC(cores);
        if (!set)
            return 1;
        size_t size = CPU_ALLOC_SIZE(cores);
        int result = sched_getaffinity(0, size, set);
        int count = result == 0 ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (count > 0)
            return (uint32_t)count;
        if (errno != EINVAL)
            return 1;
    }
    return 1;
}

static span read_small(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, out, size);
    if (fd >= 0)
        close(fd);
    return span_of(out, len < 0 ? 0 : (size_t)len);
}

uint32_t thread__quota_cores(span cpu_max)
{
    span rest = span_trim(cpu_max);
    span quota_text = span_cut(&rest, ' ');
    uint64_t quota, period = 100000;
    if (!span_to_u64(quota_text, &quota))
        return UINT32_MAX;
    if (rest.len && (!span_to_u64(rest, &period) || period == 0))
        return UINT32_MAX;
    uint64_t cores = quota / period + (quota % period != 0);
    return cores == 0 ? 1 : cores > UINT32_MAX ? UINT32_MAX : (uint32_t)cores;
}

/* The tightest cpu.max (cgroup v2) on the way from our group to the root; UINT32_MAX without one.
 */
static uint32_t cgroup_cores(void)
{
    char groups[4096], path[4600], limit[64];
    span rest = read_small("/proc/self/cgroup", groups, sizeof groups), group = {NULL, 0};
    while (rest.len) {
        span line = span_cut(&rest, '\n');
        if (span_starts_with(line, SPAN("0::")))
            group = span_from(line, 3);
    }
    uint32_t tightest = UINT32_MAX;
    for (;;) {
        snprintf(path, sizeof path, "/sys/fs/cgroup%.*s/cpu.max", SPAN_FMT(group));
        uint32_t cores = thread__quota_cores(read_small(path, limit, sizeof limit));
        if (cores < tightest)
            tightest = cores;
        if (group.len == 0)
            return tightest;
        do
            group.len--;
        while (group.len && group.at[group.len] != '/');
    }
}

uint32_t thread_core_count(void)
{
    uint32_t affinity = affinity_cores(), quota = cgroup_cores();
    return affinity < quota ? affinity : quota;
}
