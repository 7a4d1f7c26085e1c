/* tests/unit/intake_submit.c: from submit to done: durable, visible, told; retries; replay; pressure; taps. */
#include "unit/intake_stub.h"

#include "base/file.h"

static void an_acknowledged_batch_is_published_and_replayed(void **state)
{
    place p;
    err e;
    intake_report report;
    intake_stats stats;
    place_open(&p, 64 * MIB);
    for (uint32_t i = 0; i < 20; i++)
        check_ok(submit(&p, i % 2 ? p.dev : p.demo, i + 1, some_batch(10 + i, clock_wall_ns()),
                        &report, &e),
                 &e);
    assert_int_equal(p.engine.count, 20);
    for (uint32_t i = 0; i < 20; i++) {
        assert_int_equal(p.engine.kept[i].take_batch->row_count, 10 + i);
        assert_int_equal(p.engine.kept[i].environment, i % 2 ? p.dev : p.demo);
        assert_int_equal(p.engine.kept[i].body_hash.lo, i + 1);
    }
    int64_t arrival_ns = p.engine.kept[3].take_batch->arrival_ns;
    uint64_t seq = p.engine.kept[3].seq;
    intake_stats_get(p.intake, &stats);
    assert_int_equal(stats.requests, 20);
    assert_int_equal(stats.events[FAMILY_LOG], 20 * 10 + 190);
    place_reopen(&p);
    assert_int_equal(p.engine.count, 20);
    assert_int_equal(p.engine.kept[3].seq, seq);
    assert_int_equal(p.engine.kept[3].take_batch->arrival_ns, arrival_ns);
    assert_int_equal(batch_cell(p.engine.kept[3].take_batch, 0, 12).i, 12);
    place_close(&p);
}

static void a_retry_is_acknowledged_and_not_stored(void **state)
{
    place p;
    err e;
    intake_report report;
    intake_stats stats;
    place_open(&p, 64 * MIB);
    check_ok(submit(&p, p.dev, 7, some_batch(5, clock_wall_ns()), &report, &e), &e);
    assert_false(report.is_repeat);
    check_ok(submit(&p, p.dev, 7, some_batch(5, clock_wall_ns()), &report, &e), &e);
    assert_true(report.is_repeat);
    assert_int_equal(p.engine.count, 1);
    check_ok(submit(&p, p.demo, 7, some_batch(5, clock_wall_ns()), &report, &e), &e);
    assert_false(report.is_repeat); /* another environment's request is another request */
    for (int i = 0; i < 3; i++) {
        check_ok(submit(&p, p.dev, 0, some_batch(5, clock_wall_ns()), &report, &e), &e);
        assert_false(report.is_repeat);
    }
    assert_int_equal(p.engine.count, 5);
    place_reopen(&p); /* the journal remembers */
    check_ok(submit(&p, p.dev, 7, some_batch(5, clock_wall_ns()), &report, &e), &e);
    assert_true(report.is_repeat);
    intake_note_hash(p.intake, p.dev, (hash128){8, 8}, clock_wall_ns() - HOUR_NS / 2);
    intake_note_hash(p.intake, p.dev, (hash128){9, 9}, clock_wall_ns() - 2 * HOUR_NS);
    check_ok(submit(&p, p.dev, 8, some_batch(5, clock_wall_ns()), &report, &e), &e);
    assert_true(report.is_repeat);
    check_ok(submit(&p, p.dev, 9, some_batch(5, clock_wall_ns()), &report, &e), &e);
    assert_false(report.is_repeat); /* that was over an hour ago */
    intake_stats_get(p.intake, &stats);
    assert_int_equal(stats.repeats, 2);
    place_close(&p);
}

typedef struct gate { /* holds the committer in the `done` of a record */
    lock lock;
    condition changed;
    bool is_held, is_open;
} gate;

static void hold(void *ctx, const err *e)
{
    gate *g = ctx;
    lock_take(&g->lock);
    g->is_held = true;
    condition_wake_all(&g->changed);
    while (!g->is_open)
        condition_wait(&g->changed, &g->lock);
    lock_drop(&g->lock);
}

static void set_gate(gate *g, bool is_open)
{
    lock_take(&g->lock);
    g->is_open = is_open;
    condition_wake_all(&g->changed);
    while (!is_open && !g->is_held)
        condition_wait(&g->changed, &g->lock);
    lock_drop(&g->lock);
}

/* The first copy is on its way to the disk: the second is answered when the first is, and as the first is. */
static void a_retry_waits_for_its_first(void **state)
{
    for (int fails = 0; fails < 2; fails++) {
        place p;
        gate g = {0};
        err e;
        intake_report report;
        outcome first, second;
        place_open(&p, 64 * MIB);
        lock_init(&g.lock, RANK_LEAF);
        condition_init(&g.changed);
        outcome_init(&first);
        outcome_init(&second);
        submission s = {.environment = p.dev, .take_batch = some_batch(1, clock_wall_ns())};
        check_ok(intake_submit(p.intake, &s, &report, hold, &g, &e), &e);
        set_gate(&g, false);
        s = (submission){p.dev, {5, 5}, some_batch(2, clock_wall_ns())};
        check_ok(intake_submit(p.intake, &s, &report, on_outcome, &first, &e), &e);
        assert_false(report.is_repeat);
        s = (submission){p.dev, {5, 5}, some_batch(2, clock_wall_ns())};
        check_ok(intake_submit(p.intake, &s, &report, on_outcome, &second, &e), &e);
        assert_true(report.is_repeat);
        assert_int_equal(second.calls, 0);
        lock_take(&p.engine.lock);
        p.engine.fails_with = fails ? SK_NO_MEMORY : SK_OK;
        lock_drop(&p.engine.lock);
        set_gate(&g, true);
        assert_int_equal(outcome_wait(&first), fails ? SK_NO_MEMORY : SK_OK);
        assert_int_equal(outcome_wait(&second), fails ? SK_NO_MEMORY : SK_OK);
        p.engine.fails_with = SK_OK;
        check_ok(submit(&p, p.dev, 5, some_batch(2, clock_wall_ns()), &report, &e), &e);
        assert_int_equal(report.is_repeat, !fails);
        assert_int_equal(p.engine.count, 2);
        place_reopen(&p); /* journaled twice when it could not be shown at first; kept once */
        assert_int_equal(p.engine.count, 2);
        condition_done(&g.changed);
        lock_done(&g.lock);
        place_close(&p);
        check_ok(file_remove_tree(check_dir(), &e), &e);
        check_ok(file_make_dir(check_dir(), &e), &e);
    }
}

static void what_was_skipped_at_a_start_is_released(void **state)
{
    place p;
    err e;
    intake_report report;
    journal_stats stats;
    place_open(&p, 64 * MIB);
    check_ok(submit(&p, p.demo, 1, some_batch(100, clock_wall_ns()), &report, &e), &e);
    check_ok(submit(&p, p.dev, 2, some_batch(1, clock_wall_ns()), &report, &e), &e);
    journal_stats_get(p.journal, &stats);
    uint64_t before = stats.unreleased_bytes;
    check_ok(meta_environment_delete(p.meta, p.demo, &e), &e);
    check_code(submit(&p, p.demo, 3, some_batch(1, clock_wall_ns()), &report, &e), SK_NOT_FOUND,
               &e);
    place_reopen(&p);
    assert_int_equal(p.engine.count, 1);
    journal_stats_get(p.journal, &stats);
    assert_in_range(stats.unreleased_bytes, 1, before - 1);
    place_close(&p);
}

static void nothing_to_store_is_acknowledged(void **state)
{
    place p;
    err e;
    intake_report report;
    journal_stats stats;
    place_open(&p, 64 * MIB);
    check_ok(submit(&p, p.dev, 1, some_batch(0, 0), &report, &e), &e);
    check_ok(submit(&p, p.dev, 1, some_batch(0, 0), &report, &e), &e);
    assert_false(report.is_repeat);
    check_ok(submit(&p, p.dev, 2, some_batch(3, 5), &report, &e), &e); /* 1970: all refused */
    assert_int_equal(report.refused_rows, 3);
    assert_int_equal(report.refused_items, 3);
    assert_non_null(strstr(report.text, "retention of 60 days"));
    journal_stats_get(p.journal, &stats);
    assert_int_equal(stats.records, 0);
    place_close(&p);
}

static void pressure_refuses_before_memory_grows(void **state)
{
    place p;
    err e = {0};
    intake_report report;
    place_open(&p, 256 * KIB);
    journal *j = p.journal;
    p.journal = NULL;
    intake_close(p.intake); /* one that was not started */
    intake_options options = {
        .engine = &p.engine.base, .meta = p.meta, .memory = p.memory, .unsealed_max_bytes = MIB};
    check_ok(intake_open(&options, &p.intake, &e), &e);
    check_code(submit(&p, p.dev, 1, some_batch(1, clock_wall_ns()), &report, &e), SK_BUSY, &e);
    intake_start(p.intake, j);
    p.journal = j;
    p.engine.unsealed_bytes = 2 * MIB;
    check_code(submit(&p, p.dev, 1, some_batch(1, clock_wall_ns()), &report, &e), SK_BUSY, &e);
    assert_non_null(strstr(e.text, "limit"));
    assert_true(sk_may_retry(e.code));
    place_end(&p);
    p.engine.unsealed_bytes = 0;
    check_ok(place_begin(&p, 0, &e), &e);
    check_code(submit(&p, p.dev, 4, some_batch(20000, clock_wall_ns()), &report, &e), SK_NO_MEMORY,
               &e);
    assert_int_equal(memory_used(p.memory, MEMORY_BODIES), 0);
    check_ok(submit(&p, p.dev, 4, some_batch(1, clock_wall_ns()), &report, &e), &e);
    assert_false(report.is_repeat); /* what was refused does not count as seen */
    place_close(&p);
}

typedef struct watcher {
    uint32_t batches, rows;
} watcher;

static void watch(void *ctx, const batch *b)
{
    watcher *w = ctx;
    w->batches++;
    w->rows += b->row_count;
}

static void taps_see_their_environment(void **state)
{
    place p;
    err e;
    intake_report report;
    place_open(&p, 64 * MIB);
    watcher dev = {0}, demo = {0}, also = {0};
    tap *a = intake_tap_open(p.intake, p.dev, watch, &dev);
    tap *b = intake_tap_open(p.intake, p.demo, watch, &demo);
    tap *c = intake_tap_open(p.intake, p.dev, watch, &also);
    check_ok(submit(&p, p.dev, 1, some_batch(4, clock_wall_ns()), &report, &e), &e);
    check_ok(submit(&p, p.dev, 1, some_batch(4, clock_wall_ns()), &report, &e), &e); /* a repeat */
    check_ok(submit(&p, p.demo, 2, some_batch(2, clock_wall_ns()), &report, &e), &e);
    intake_tap_close(a);
    check_ok(submit(&p, p.dev, 3, some_batch(8, clock_wall_ns()), &report, &e), &e);
    intake_tap_close(b);
    intake_tap_close(c);
    assert_int_equal(dev.rows, 4);
    assert_int_equal(demo.rows, 2);
    assert_int_equal(also.rows, 12);
    place_close(&p);
}

static void lack_of_memory_is_an_error(void **state)
{
    place p;
    intake_report report;
    uint64_t hash = 1;
    place_open(&p, 64 * MIB);
    EACH_ALLOC_FAILURE(n)
    {
        err e = {0};
        alloc_fail_at(-1, false); /* the batch itself is whole */
        batch *b = some_batch(40, clock_wall_ns() + (n % 2 ? 2 * HOUR_NS : 0));
        alloc_fail_at(n, false);
        sk_code code = submit(&p, p.dev, ++hash, b, &report, &e);
        if (code != SK_OK)
            check_code(code, SK_NO_MEMORY, &e);
    }
    place_close(&p);
}

TEST_GROUP(intake_submitting, TEST(an_acknowledged_batch_is_published_and_replayed),
           TEST(a_retry_is_acknowledged_and_not_stored), TEST(a_retry_waits_for_its_first),
           TEST(what_was_skipped_at_a_start_is_released), TEST(nothing_to_store_is_acknowledged),
           TEST(pressure_refuses_before_memory_grows), TEST(taps_see_their_environment),
           TEST(lack_of_memory_is_an_error));
