/* tests/unit/journal_space.c: rotation, reuse, copying on reuse, and what a follower keeps in place. */
#include "unit/journal_model.h"

#include "journal/journal_private.h"

static uint64_t bytes_on_disk(model *m)
{
    journal_stats stats;
    journal_stats_get(m->j, &stats);
    return stats.bytes_on_disk;
}

static void open_small(model *m)
{
    err e;
    model_init(m);
    m->options.keep_ns = 1;
    m->options.keep_bytes = 3 * m->options.file_bytes;
    check_ok(model_open(m, &e), &e);
}

static void keeps_all_that_is_not_released(void **state)
{
    model m;
    open_small(&m);
    for (uint32_t i = 0; i < 300; i++)
        assert_int_equal(model_send_wait(&m, i % 5, FAMILY_LOG, 2001, i), SK_OK);
    assert_true(bytes_on_disk(&m) >= 300 * 1000);
    model_reopen(&m);
    assert_int_equal(m.replayed, 300);
    model_done(&m);
}

static void released_files_are_reused(void **state)
{
    model m;
    open_small(&m);
    for (uint32_t i = 0; i < 1000; i++) {
        assert_int_equal(model_send_wait(&m, 1, FAMILY_TRACE, 2000, 2 * i + 1), SK_OK);
        if (i >= 5)
            model_release(&m, 1, FAMILY_TRACE, 1, m.items[i - 5].r.seq);
    }
    assert_in_range(bytes_on_disk(&m), 64 * KIB, 4 * 64 * KIB);
    model_reopen(&m);
    assert_int_equal(m.replayed, 5);
    model_done(&m);
}

/* One quiet environment among busy ones: its records move from file to file and are replayed once, in order. */
static void unreleased_records_are_copied_on_reuse(void **state)
{
    model m;
    open_small(&m);
    for (uint32_t i = 0; i < 1500; i++) {
        bool is_quiet = i % 100 == 3;
        assert_int_equal(
            model_send_wait(&m, is_quiet ? 9 : 1, FAMILY_LOG, is_quiet ? 300 : 1800, 2 * i + 1),
            SK_OK);
        if (i % 10 == 9)
            model_release(&m, 1, FAMILY_LOG, 1, m.items[i].r.seq);
        if (i == 700 || i == 1100)
            model_reopen(&m);
    }
    assert_in_range(bytes_on_disk(&m), 64 * KIB, 5 * 64 * KIB);
    assert_int_equal(m.items[3].r.environment, 9);
    model_reopen(&m);
    assert_int_equal(m.items[3].replays, 1);
    assert_int_equal(m.replayed, 15);
    model_release(&m, 9, FAMILY_LOG, 1, UINT64_MAX);
    model_reopen(&m);
    assert_int_equal(m.replayed, 0);
    model_done(&m);
}

typedef struct slow_reader {
    model *m;
    uint32_t count;
} slow_reader;

/* Reads while the writer laps the files. */
static sk_code read_and_write(void *ctx, const journal_record *r, err *e)
{
    slow_reader *s = ctx;
    const sent *item = model_find(s->m, r->seq);
    if (!item || !model_equals(item, r))
        return err_set(e, SK_CORRUPT, "record %llu is not what was sent",
                       (unsigned long long)r->seq);
    if (s->count++ < 50)
        for (uint32_t i = 0; i < 10; i++) {
            assert_int_equal(model_send_wait(s->m, 1, FAMILY_LOG, 2000, 2 * i + 1), SK_OK);
            model_release(s->m, 1, FAMILY_LOG, 1, s->m->max_seq);
        }
    return SK_OK;
}

static void a_file_being_read_is_not_reused(void **state)
{
    model m;
    err e;
    open_small(&m);
    for (uint32_t i = 0; i < 20; i++)
        model_send_wait(&m, 1, FAMILY_LOG, 2000, 2 * i + 1);
    slow_reader s = {.m = &m};
    check_ok(journal_read_from(m.j, 1, read_and_write, &s, &e), &e);
    assert_true(s.count >= 50);
    model_done(&m);
}

static void tracks_by_table_and_number(void **state)
{
    static const uint64_t seqs[] = {5, 9, 2, 7, 100, 1};
    track t = {0};
    for (size_t i = 0; i < COUNT_OF(seqs); i++)
        for (uint32_t environment = 0; environment < 3; environment++)
            assert_non_null(track_put(&t, environment, FAMILY_LOG, seqs[i]));
    assert_non_null(track_put(&t, 1, FAMILY_LOG, 7)); /* again: the same */
    assert_int_equal(track_count(&t), 18);
    assert_non_null(track_find(&t, 2, FAMILY_LOG, 100));
    assert_null(track_find(&t, 2, FAMILY_TRACE, 100));
    assert_null(track_find(&t, 2, FAMILY_LOG, 3));
    for (uint32_t i = 1; i < t.tables[0].count; i++)
        assert_true(t.tables[0].entries[i - 1].seq < t.tables[0].entries[i].seq);
    track_done(&t);
}

TEST_GROUP(journal_reuse, TEST(keeps_all_that_is_not_released), TEST(released_files_are_reused),
           TEST(unreleased_records_are_copied_on_reuse), TEST(a_file_being_read_is_not_reused),
           TEST(tracks_by_table_and_number));
