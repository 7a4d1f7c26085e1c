/*
 * tests/fault/store_faults.c: the store on a disk that fails, fills up and forgets, beside a journal that keeps what `sealed`
 * was not called for: nothing that was published is lost or doubled, what was dropped stays dropped.
 * SKEP_TEST_ROUNDS bounds the seeds of the power losses.
 */
#include "unit/store_rows.h"

#include <errno.h>
#include <inttypes.h>

#include "base/file.h"
#include "store/store.h"

#define ROUNDS_DEFAULT 8 /* with 64 operations each: over 500 losses of power */
#define SEQS           9u

/* What a journal would hold: how to make each batch again, and which are released. */
typedef struct world {
    store *s;
    uint64_t seed;
    uint32_t published;     /* seqs 1 … published, of one table */
    uint64_t released;      /* seqs up to here are not in the journal any more */
    bool all_days;          /* rows of several days: seals of several files */
    bool is_dropped, drops; /* service-1 was dropped after `published` seqs of then */
    uint32_t dropped_until;
    row_list lines[SEQS + 4]; /* of each batch, by seq */
} world;

static void forget(world *w)
{
    for (uint32_t i = 0; i < COUNT_OF(w->lines); i++)
        rows_free(&w->lines[i]);
}

static batch *remake(const world *w, uint64_t seq)
{
    uint64_t random = w->seed + seq;
    batch_recipe r = {FAMILY_TRACE, 24, 6, 2, 4, TEST_TIME, NS_PER_S, 7};
    if (w->all_days && seq % 3 == 0)
        r.span_ns = 3 * DAY_NS;
    return make_batch(&r, &random);
}

static void note_sealed(void *ctx, uint32_t environment, family f, uint64_t first, uint64_t last)
{
    world *w = ctx;
    assert_true(last <= w->published && last > w->released && first == w->released + 1);
    w->released = last;
}

static void open_world(world *w)
{
    store_options o = {.dir = check_dir(), .sealed = note_sealed, .ctx = w};
    err e;
    check_ok(store_open(&o, &w->s, &e), &e);
}

static void publish_next(world *w)
{
    w->published++;
    publish_batch(w->s, 1, w->published, remake(w, w->published), &w->lines[w->published]);
}

/* As the owner does after a restart. What was released must be known as sealed. */
static void reopen_and_replay(world *w)
{
    open_world(w);
    assert_true(w->released == 0 || store_is_sealed(w->s, 1, FAMILY_TRACE, w->released));
    for (uint64_t seq = 1; seq <= w->published; seq++) {
        if (store_is_sealed(w->s, 1, FAMILY_TRACE, seq))
            w->released = seq > w->released ? seq : w->released;
        else
            publish_batch(w->s, 1, seq, remake(w, seq), NULL);
    }
}

static void check_world(const world *w)
{
    row_list want = {0};
    for (uint64_t seq = 1; seq <= w->published; seq++) {
        row_list one = {0};
        batch *b = remake(w, seq);
        rows_add_batch(&one, b);
        batch_free(b);
        for (uint32_t i = 0; i < one.count; i++) {
            bool goes =
                w->is_dropped && seq <= w->dropped_until && strstr(one.lines[i], " in=service-1 ");
            if (goes)
                continue;
            assert_true(base_reserve(&want.lines, &want.capacity, want.count + 1, sizeof(char *)));
            want.lines[want.count++] = one.lines[i];
            one.lines[i] = NULL;
        }
        rows_free(&one);
    }
    check_store_rows(w->s, 1, &want);
    rows_free(&want);
}

/* Seals, merges and a drop; errors are what this is about. */
static void work(world *w)
{
    err e;
    sk_code code;
    for (uint32_t i = 0; i < SEQS; i++) {
        publish_next(w);
        if (i % 3 == 2)
            code = store_seal(w->s, &e);
        if (i == 5)
            code = store_merge(w->s, &e);
        if (i == 7 && w->drops) {
            uint32_t until = w->published;
            code = store_drop(w->s, 1, SPAN("service-1"), &e);
            w->is_dropped = code == SK_OK;
            w->dropped_until = until;
        }
    }
    code = store_merge(w->s, &e);
    (void)code;
}

static void clear_dir(void)
{
    err e;
    check_ok(file_remove_tree(check_dir(), &e), &e);
    check_ok(file_make_dir(check_dir(), &e), &e);
}

static void check_and_go_on(world *w)
{
    err e;
    check_world(w);
    publish_next(w);
    check_ok(store_seal(w->s, &e), &e);
    check_ok(store_merge(w->s, &e), &e);
    check_world(w);
    store_close(w->s);
    reopen_and_replay(w);
    check_world(w);
    store_close(w->s);
    forget(w);
}

/* ---- each operation fails, once or from then on ---- */

static void fail_each(int error, bool from_then_on, bool all_days)
{
    bool did_fail = true;
    for (int64_t n = 0; did_fail; n++) {
        clear_dir();
        world w = {.seed = (uint64_t)n * 1000, .all_days = all_days};
        open_world(&w);
        file_faults_install(&(file_faults){check_dir(), n, from_then_on, error});
        work(&w);
        check_world(&w); /* whatever failed, what is open or sealed reads the same */
        did_fail = file_faults_count() > (uint64_t)n;
        store_close(w.s);
        file_faults_install(NULL);
        reopen_and_replay(&w);
        check_and_go_on(&w);
    }
}

static void any_operation_fails_once(void **state)
{
    fail_each(EIO, false, false);
    fail_each(EIO, false, true);
}

static void the_disk_fails_for_good(void **state)
{
    fail_each(EIO, true, false);
    fail_each(EIO, true, true);
}

static void the_disk_is_full(void **state)
{
    fail_each(ENOSPC, true, true);
}

/* ---- power is lost after any operation ---- */

static uint64_t rounds(void)
{
    const char *text = getenv("SKEP_TEST_ROUNDS");
    uint64_t count;
    return text && span_to_u64(span_text(text), &count) && count > 0 ? count : ROUNDS_DEFAULT;
}

static bool lose_power(int64_t n, uint64_t seed, bool all_days, bool drops)
{
    clear_dir();
    err e;
    world w = {.seed = seed * 7919, .all_days = all_days, .drops = drops};
    file_faults_install(&(file_faults){check_dir(), n, true, EIO});
    open_world(&w);
    work(&w);
    bool did_fail = file_faults_count() > (uint64_t)n;
    store_close(w.s);
    check_ok(file_faults_power_loss(seed, &e), &e);
    file_faults_install(NULL);
    reopen_and_replay(&w);
    check_and_go_on(&w);
    return did_fail;
}

static void power_is_lost_after_any_operation(void **state)
{
    uint64_t losses = 0; /* each has a seed of its own */
    for (uint64_t seed = 1; seed <= rounds(); seed++) {
        bool did_fail = true;
        for (int64_t n = 0; did_fail; n++, losses++)
            did_fail = lose_power(n, seed * 1000 + (uint64_t)n, seed % 2, false);
    }
    print_message("power was lost %" PRIu64 " times\n", losses);
}

/* A drop that succeeded stays done. One that was cut short may be done in part: it is not asked about here. */
static void power_is_lost_after_a_drop(void **state)
{
    for (uint64_t seed = 1; seed <= rounds() * 10; seed++)
        lose_power(1000000, seed, seed % 2, true);
}

TEST_GROUP(store_faults, TEST(any_operation_fails_once), TEST(the_disk_fails_for_good),
           TEST(the_disk_is_full), TEST(power_is_lost_after_any_operation),
           TEST(power_is_lost_after_a_drop));
TEST_MAIN(store_faults)
