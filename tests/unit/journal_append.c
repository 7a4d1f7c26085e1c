/* tests/unit/journal_append.c: appending, group commit, refusals, following the stream. */
#include "unit/journal_model.h"

#include "base/hash.h"

static void replays_what_was_appended(void **state)
{
    static const size_t lengths[] = {0, 1, 7, 8, 63, 64, 65, 1000, 30000};
    model m;
    err e;
    model_init(&m);
    check_ok(model_open(&m, &e), &e);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(model_send_wait(&m, i % 3, (family)(i % FAMILY_COUNT),
                                         lengths[i % COUNT_OF(lengths)], i),
                         SK_OK);
    assert_int_equal(m.items[0].r.seq, 1);
    assert_int_equal(m.items[99].r.seq, 100);
    for (int i = 0; i < 3; i++) {
        model_reopen(&m);
        assert_int_equal(m.replayed, 100);
        assert_int_equal(m.damage_count, 0);
    }
    model_send_wait(&m, 1, FAMILY_LOG, 10, 1);
    assert_int_equal(m.items[100].r.seq, 101); /* a clean end leaves no gap */
    model_done(&m);
}

typedef struct writer {
    model *m;
    thread t;
    uint32_t number, count, busy;
} writer;

static void write_many(void *ctx)
{
    writer *w = ctx;
    for (uint32_t i = 0; i < w->count; i++) {
        err e;
        while (model_send(w->m, w->number, FAMILY_TRACE, 500 + i % 700, i, &e) == SK_BUSY)
            w->busy++;
        if (i % 8 == 7)
            model_wait(w->m);
    }
}

static void one_sync_serves_all_who_wait(void **state)
{
    writer writers[8];
    model m;
    err e;
    journal_stats stats;
    model_init(&m);
    m.options.file_bytes = 256 * KIB;
    check_ok(model_open(&m, &e), &e);
    for (uint32_t i = 0; i < COUNT_OF(writers); i++) {
        writers[i] = (writer){.m = &m, .number = i, .count = 100};
        assert_true(thread_start(&writers[i].t, "writer", write_many, &writers[i]));
    }
    for (uint32_t i = 0; i < COUNT_OF(writers); i++)
        thread_join(&writers[i].t);
    model_wait(&m);
    journal_stats_get(m.j, &stats);
    assert_int_equal(stats.records, 800);
    assert_in_range(stats.syncs, 1, 700);
    assert_int_equal(stats.next_seq, 801);
    assert_int_equal(m.order_breaks, 0);
    model_reopen(&m);
    assert_int_equal(m.replayed, 800);
    model_done(&m);
}

static void refuses_what_is_too_large(void **state)
{
    model m;
    err e;
    model_init(&m);
    check_ok(model_open(&m, &e), &e);
    check_code(model_send(&m, 1, FAMILY_LOG, 70000, 1, &e), SK_TOO_LARGE, &e);
    assert_non_null(strstr(e.text, "limit"));
    assert_int_equal(model_send_wait(&m, 1, FAMILY_LOG, 64 * KIB - 4096 - 4 * 80, 1), SK_OK);
    check_code(model_send(&m, 1, FAMILY_LOG, 64 * KIB - 4096 - 4 * 80 + 1, 1, &e), SK_TOO_LARGE,
               &e);
    assert_int_equal(model_send_wait(&m, 1, FAMILY_LOG, 500000, 2), SK_OK); /* it compresses */
    model_reopen(&m);
    assert_int_equal(m.replayed, 2);
    model_done(&m);
}

static void hold_committer(void *ctx, uint64_t seq, const err *e)
{
    lock *gate = ctx;
    lock_take(gate);
    lock_drop(gate);
}

static void refuses_when_too_much_is_queued(void **state)
{
    lock gate;
    model m;
    err e;
    model_init(&m);
    m.options.queued_max_bytes = 10000;
    check_ok(model_open(&m, &e), &e);
    lock_init(&gate, RANK_CONFIG);
    lock_take(&gate); /* the committer waits in `done` of the first */
    journal_record first = {.payload = SPAN("first")};
    check_ok(journal_append(m.j, &first, hold_committer, &gate, &e), &e);
    sk_code code = SK_OK;
    uint32_t sent_count = 0;
    journal_record next = {.environment = 1, .payload = {(const uint8_t *)"12345678", 8}};
    while ((code = journal_append(m.j, &next, NULL, NULL, &e)) == SK_OK)
        sent_count++;
    check_code(code, SK_BUSY, &e);
    assert_in_range(sent_count, 50, 10000 / 88 + 1);
    lock_drop(&gate);
    journal_close(m.j);
    m.j = NULL;
    lock_done(&gate);
    model_done(&m);
}

typedef struct seen {
    const model *m;
    uint64_t last, stop_at;
    uint32_t count, differences;
} seen;

static sk_code see(void *ctx, const journal_record *r, err *e)
{
    seen *s = ctx;
    if (r->seq == s->stop_at)
        return err_set(e, SK_CANCELLED, "enough");
    const sent *item = model_find((model *)(uintptr_t)s->m, r->seq);
    s->differences += !item || !model_equals(item, r) || r->seq <= s->last;
    s->last = r->seq;
    s->count++;
    return SK_OK;
}

static void followers_read_from_a_number_on(void **state)
{
    model m;
    err e;
    journal_stats stats;
    model_init(&m);
    check_ok(model_open(&m, &e), &e);
    for (uint32_t i = 0; i < 200; i++)
        model_send_wait(&m, i % 2, FAMILY_LOG, 1500, i); /* over several files */
    model_release(&m, 0, FAMILY_LOG, 1, 150);
    model_release(&m, 1, FAMILY_LOG, 1, 150);
    seen s = {.m = &m};
    check_ok(journal_read_from(m.j, 1, see, &s, &e), &e);
    assert_int_equal(s.count, 200);
    assert_int_equal(s.differences, 0);
    s = (seen){.m = &m};
    check_ok(journal_read_from(m.j, 120, see, &s, &e), &e);
    assert_int_equal(s.count, 81);
    s = (seen){.m = &m, .stop_at = 50};
    check_code(journal_read_from(m.j, 1, see, &s, &e), SK_CANCELLED, &e);
    assert_int_equal(s.last, 49);
    s = (seen){.m = &m};
    check_ok(journal_read_from(m.j, 201, see, &s, &e), &e);
    assert_int_equal(s.count, 0);
    journal_stats_get(m.j, &stats);
    assert_int_equal(stats.oldest_seq, 1);
    model_reopen(&m); /* released records stay for followers over a restart */
    s = (seen){.m = &m};
    check_ok(journal_read_from(m.j, 1, see, &s, &e), &e);
    assert_int_equal(s.count, 200);
    assert_int_equal(s.differences, 0);
    model_done(&m);
}

static void relaxed_acknowledges_without_a_sync(void **state)
{
    model m;
    err e;
    journal_stats before, after;
    model_init(&m);
    m.options.durability = JOURNAL_RELAXED;
    check_ok(model_open(&m, &e), &e);
    journal_stats_get(m.j, &before);
    int64_t begun_ns = clock_mono_ns();
    for (uint32_t i = 0; i < 20; i++)
        assert_int_equal(model_send_wait(&m, 1, FAMILY_METRIC, 100, i), SK_OK);
    journal_stats_get(m.j, &after);
    int64_t seconds = (clock_mono_ns() - begun_ns) / NS_PER_S;
    assert_in_range(after.syncs - before.syncs, 0, (uint64_t)seconds + 1);
    seen s = {.m = &m};
    check_ok(journal_read_from(m.j, 1, see, &s, &e), &e);
    assert_int_equal(s.count, 20);
    model_reopen(&m);
    assert_int_equal(m.replayed, 20);
    model_done(&m);
}

/* Every allocation on the way fails once: an error or none, but never a lost acknowledgement. */
static void lack_of_memory_is_an_error(void **state)
{
    EACH_ALLOC_FAILURE(n)
    {
        model m;
        err e = {0};
        char dir[300];
        snprintf(dir, sizeof dir, "%s/%d", check_dir(), (int)n);
        model_init(&m);
        m.options.dir = dir;
        sk_code code = model_open(&m, &e);
        if (code == SK_OK)
            for (uint32_t i = 0; i < 3; i++) {
                code = model_send(&m, i, FAMILY_LOG, 25000, i | 1, &e);
                if (code != SK_OK)
                    check_code(code, SK_NO_MEMORY, &e);
                else
                    model_wait(&m);
            }
        else
            check_code(code, SK_NO_MEMORY, &e);
        if (alloc_did_fail())
            model_reopen(&m);
        model_done(&m);
    }
}

TEST_GROUP(journal_appending, TEST(replays_what_was_appended), TEST(one_sync_serves_all_who_wait),
           TEST(refuses_what_is_too_large), TEST(refuses_when_too_much_is_queued),
           TEST(followers_read_from_a_number_on), TEST(relaxed_acknowledges_without_a_sync),
           TEST(lack_of_memory_is_an_error));
