/*
 * tests/unit/base_thread.c: names, masks, deadlines, cores; and that debug builds stop a lock taken out of order.
 */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/thread.h"
#include "base/thread_private.h"

typedef struct seen {
    char name[16];
    bool is_blocked;
    int priority, policy;
} seen;

static void look_around(void *ctx)
{
    seen *s = ctx;
    sigset_t mask;
    pthread_getname_np(pthread_self(), s->name, sizeof s->name);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    s->is_blocked = sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGINT) == 1;
    thread_be_nice(5);
    s->priority = getpriority(PRIO_PROCESS, (id_t)gettid());
    s->policy = sched_getscheduler(0);
}

static void threads_have_a_name_and_no_signals(void **state)
{
    seen s = {0};
    thread t = {0};
    int before = getpriority(PRIO_PROCESS, 0);
    thread_join(&t);
    assert_true(thread_start(&t, "a name of more than fifteen", look_around, &s));
    thread_join(&t);
    thread_join(&t);
    assert_string_equal(s.name, "a name of more ");
    assert_true(s.is_blocked);
    assert_int_equal(s.priority, before > 5 ? before : 5);
    assert_int_equal(s.policy, SCHED_BATCH); /* waking up it takes no core from another */
    assert_int_equal(getpriority(PRIO_PROCESS, 0), before); /* the thread's alone */
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_int_equal(sigismember(&mask, SIGTERM), 0);
}

static void a_thread_that_does_not_start_leaves_nothing(void **state)
{
    seen s = {0};
    thread t;
    alloc_fail_at(0, false);
    assert_false(thread_start(&t, "x", look_around, &s));
    thread_join(&t);
    assert_string_equal(s.name, "");
}

typedef struct gate {
    lock guard;
    condition changed;
    bool is_open; /* guarded by `guard` */
} gate;

static void open_gate(void *ctx)
{
    gate *g = ctx;
    lock_take(&g->guard);
    g->is_open = true;
    condition_wake_all(&g->changed);
    lock_drop(&g->guard);
}

static void waits_for_a_wake_or_the_deadline(void **state)
{
    gate g = {0};
    thread t;
    lock_init(&g.guard, RANK_STORE);
    condition_init(&g.changed);
    lock_take(&g.guard);
    int64_t until = clock_mono_ns() + 5 * NS_PER_MS;
    while (condition_wait_until(&g.changed, &g.guard, until)) /* it may wake without a cause */
        ;
    assert_true(clock_mono_ns() >= until);
    assert_false(condition_wait_until(&g.changed, &g.guard, -1));
    assert_true(thread_start(&t, "opener", open_gate, &g));
    while (!g.is_open)
        condition_wait(&g.changed, &g.guard);
    lock_drop(&g.guard);
    thread_join(&t);
    condition_wake_one(&g.changed);
    condition_done(&g.changed);
    lock_done(&g.guard);
}

typedef struct tried {
    lock lock;
    bool was_free;
} tried;

static void try_lock(void *ctx)
{
    tried *t = ctx;
    t->was_free = lock_try(&t->lock);
    if (t->was_free)
        lock_drop(&t->lock);
}

static bool is_free_for_another(tried *t)
{
    thread another = {0};
    assert_true(thread_start(&another, "another", try_lock, t));
    thread_join(&another);
    return t->was_free;
}

static void a_lock_that_is_held_is_not_waited_for(void **state)
{
    tried t;
    lock_init(&t.lock, RANK_LEAF);
    assert_true(is_free_for_another(&t));
    assert_true(lock_try(&t.lock));
    assert_false(is_free_for_another(&t));
    lock_drop(&t.lock);
    assert_true(is_free_for_another(&t));
    lock_done(&t.lock);
}

static void locks_may_be_dropped_in_any_order(void **state)
{
    lock a, b, c;
    lock_init(&a, RANK_CONFIG);
    lock_init(&b, RANK_STORE);
    lock_init(&c, RANK_LEAF);
    for (int i = 0; i < 3; i++) {
        lock_take(&a);
        lock_take(&b);
        lock_drop(&a);
        lock_take(&c);
        lock_drop(&b);
        lock_drop(&c);
    }
    lock_done(&a);
    lock_done(&b);
    lock_done(&c);
}

#ifndef NDEBUG
static void take_downwards(void)
{
    lock a, b;
    lock_init(&a, RANK_STORE);
    lock_init(&b, RANK_META);
    lock_take(&a);
    lock_take(&b);
}

static void take_equal(void)
{
    lock a, b;
    lock_init(&a, RANK_STORE);
    lock_init(&b, RANK_STORE);
    lock_take(&a);
    lock_take(&b);
}

static void drop_what_is_not_held(void)
{
    lock a;
    lock_init(&a, RANK_STORE);
    lock_drop(&a);
}

/* Whether `breach` ends a process of its own by SIGABRT. */
static bool is_stopped(void (*breach)(void))
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL); /* cmocka catches it */
        if (!freopen("/dev/null", "w", stderr))
            _exit(1);
        breach();
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void debug_builds_stop_at_a_lock_out_of_order(void **state)
{
    assert_true(is_stopped(take_downwards));
    assert_true(is_stopped(take_equal));
    assert_true(is_stopped(drop_what_is_not_held));
    assert_false(is_stopped(sync)); /* an innocent function */
}
#endif

typedef struct quota_row {
    const char *name; /* of cpu.max */
    uint32_t cores;
} quota_row;

static const quota_row quota_rows[] = {
    {"max 100000\n", UINT32_MAX},
    {"200000 100000\n", 2},
    {"150000 100000\n", 2},
    {"50000 100000\n", 1},
    {"100000\n", 1},
    {"0 100000\n", 1},
    {"", UINT32_MAX},
    {"100000 0\n", UINT32_MAX},
    {"nonsense", UINT32_MAX},
};

static void cores_respect_quota_and_affinity(void **state)
{
    EACH_ROW(row, quota_rows)
    assert_int_equal(thread__quota_cores(span_text(row->name)), row->cores);
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    assert_in_range(thread_core_count(), 1, CPU_COUNT(&before));
    size_t first = 0;
    while (!CPU_ISSET(first, &before))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(thread_core_count(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

TEST_GROUP(base_thread, TEST(threads_have_a_name_and_no_signals),
           TEST(a_thread_that_does_not_start_leaves_nothing),
           TEST(waits_for_a_wake_or_the_deadline), TEST(a_lock_that_is_held_is_not_waited_for),
           TEST(locks_may_be_dropped_in_any_order),
#ifndef NDEBUG
           TEST(debug_builds_stop_at_a_lock_out_of_order),
#endif
           TEST(cores_respect_quota_and_affinity));
