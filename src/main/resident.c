/*
 * main/resident.c: one thread that looks at /proc/self/statm, often while much is resident.
 * Called by main/serve.c. Never: refuses anything itself; the account does.
 */
#include "main/resident.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/thread.h"

#define LOOK_SELDOM_NS (100 * NS_PER_MS)
#define LOOK_OFTEN_NS  (10 * NS_PER_MS)
#define TRIM_NS        (100 * NS_PER_MS) /* between two trims at the least; a fifth of it near the bound */
#define OFTEN_SHARE    4u                /* of the bound: from here on it is looked at often */
#define TRIM_SHARE     2u                /* and malloc gives back from here on */
#define NEAR_SHARE     4u                /* what is left when it is near */

struct resident {
    memory *account;
    int statm;
    int64_t trimmed_ns;
    thread thread;
    lock guard;
    condition changed;
    bool is_ending; /* under guard */
};

static size_t resident_bytes(const resident *r)
{
    char text[128];
    unsigned long pages = 0;
    ssize_t len = pread(r->statm, text, sizeof text - 1, 0);
    text[len > 0 ? len : 0] = 0;
    if (sscanf(text, "%*s %lu", &pages) != 1)
        return 0;
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Returns what is resident. */
static size_t look(resident *r)
{
    size_t bytes = resident_bytes(r), max = memory_max(r->account);
    int64_t wait_ns = bytes > max - max / NEAR_SHARE ? TRIM_NS / 5 : TRIM_NS;
    if (bytes > max / TRIM_SHARE && clock_mono_ns() - r->trimmed_ns >= wait_ns) {
        malloc_trim(0);
        bytes = resident_bytes(r);
        r->trimmed_ns = clock_mono_ns();
    }
    memory_note_resident(r->account, bytes);
    return bytes;
}

static void watch(void *ctx)
{
    resident *r = ctx;
    lock_take(&r->guard);
    while (!r->is_ending) {
        lock_drop(&r->guard);
        bool is_much = look(r) > memory_max(r->account) / OFTEN_SHARE;
        lock_take(&r->guard);
        if (!r->is_ending)
            condition_wait_until(&r->changed, &r->guard,
                                 clock_mono_ns() + (is_much ? LOOK_OFTEN_NS : LOOK_SELDOM_NS));
    }
    lock_drop(&r->guard);
}

sk_code resident_start(memory *m, resident **ret, err *e)
{
    resident *r = base_alloc_zero(1, sizeof *r);
    if (!r)
        return err_set(e, SK_NO_MEMORY, "out of memory");
    r->account = m;
    r->statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    lock_init(&r->guard, RANK_LEAF);
    condition_init(&r->changed);
    if (r->statm >= 0 && !thread_start(&r->thread, "resident", watch, r)) {
        resident_stop(r);
        return err_set(e, SK_NO_MEMORY, "the thread that measures memory could not be started");
    }
    *ret = r;
    return SK_OK;
}

void resident_stop(resident *take_r)
{
    if (!take_r)
        return;
    lock_take(&take_r->guard);
    take_r->is_ending = true;
    condition_wake_all(&take_r->changed);
    lock_drop(&take_r->guard);
    thread_join(&take_r->thread);
    if (take_r->statm >= 0)
        close(take_r->statm);
    condition_done(&take_r->changed);
    lock_done(&take_r->guard);
    base_free(take_r);
}
