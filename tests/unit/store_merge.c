/*
 * tests/unit/store_merge.c: merging changes no row, restores parents that sealing cut off, keeps to days and late rows apart,
 * and survives opening; retention by age and by bytes; dropping datasets and environments; verify.
 */
#include "unit/store_rows.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/file.h"
#include "store/store.h"

typedef struct told {
    uint32_t hashes, notices;
    char last[600];
} told;

static void tell_hash(void *ctx, uint32_t environment, hash128 hash, int64_t arrival_ns)
{
    ((told *)ctx)->hashes++;
}

static void tell_notice(void *ctx, const char *text)
{
    told *t = ctx;
    t->notices++;
    snprintf(t->last, sizeof t->last, "%s", text);
}

static store *open_store(told *t, uint64_t disk_max_bytes)
{
    store_options o = {.dir = check_dir(),
                       .recent_hash = tell_hash,
                       .notice = tell_notice,
                       .disk_max_bytes = disk_max_bytes,
                       .ctx = t};
    store *s;
    err e;
    check_ok(store_open(&o, &s, &e), &e);
    return s;
}

static void seal(store *s)
{
    err e;
    check_ok(store_seal(s, &e), &e);
}

static void merge(store *s)
{
    err e;
    check_ok(store_merge(s, &e), &e);
}

/* Rows whose parent is kept as a distance, over all segments. */
static uint32_t count_parents(store *s, uint32_t *ret_parts)
{
    snapshot *n;
    err e;
    uint32_t count = 0, *rows = malloc(VECTOR_ROWS * sizeof *rows);
    check_ok(store_snapshot(s, 1, 7, INT64_MIN, INT64_MAX, &n, &e), &e);
    *ret_parts = snapshot_part_count(n);
    for (uint32_t i = 0; i < snapshot_part_count(n); i++) {
        const part *p = snapshot_part(n, i);
        part_info info;
        part_info_get(p, &info);
        part_reader *r;
        check_ok(part_reader_new(p, &r, &e), &e);
        for (uint32_t k = 0; k < info.block_count; k++) {
            part_block b;
            part_block_get(p, k, &b);
            check_ok(part_read_parents(r, k, rows, NULL, &e), &e);
            for (uint32_t j = 0; j < b.row_count; j++)
                count += rows[j] != UINT32_MAX;
        }
        part_reader_free(r);
    }
    snapshot_release(n);
    free(rows);
    return count;
}

static void merged_rows_read_the_same(void **state)
{
    for (family f = 0; f < FAMILY_COUNT; f++) {
        uint64_t random = 51 + f;
        told t = {0};
        store *s = open_store(&t, 0);
        row_list want = {0};
        uint64_t seq = 1;
        /* Traces shared by all seals; fields that some seals have and others not; one seal alone to be merged at level 1. */
        for (uint32_t k = 0; k < 7; k++) {
            for (uint32_t i = 0; i < 5; i++) {
                batch_recipe r = {f, 900, 700, 4, k * 20, TEST_TIME + k * NS_PER_S, NS_PER_S, 7};
                publish_batch(s, 1, seq++, make_batch(&r, &random), &want);
            }
            seal(s);
        }
        uint32_t parts, before = count_parents(s, &parts);
        assert_int_equal(parts, 7);
        merge(s);
        uint32_t after = count_parents(s, &parts);
        assert_int_equal(parts, 1);
        if (f == FAMILY_TRACE)
            assert_true(after > before);
        check_store_rows(s, 1, &want);
        store_stats stats;
        store_stats_get(s, 0, &stats);
        assert_int_equal(stats.segments, 1);
        assert_int_equal(stats.unmerged_segments, 0);
        assert_int_equal(stats.segment_rows, want.count);
        assert_int_equal(stats.merges, 1);
        store_close(s);
        s = open_store(&t, 0);
        check_store_rows(s, 1, &want);
        assert_true(store_is_sealed(s, 1, f, seq - 1));
        assert_false(store_is_sealed(s, 1, f, seq));
        assert_int_equal(t.notices, 0);
        store_close(s);
        rows_free(&want);
        check__end(state);
    }
}

static void merges_keep_to_days_and_late_rows_apart(void **state)
{
    uint64_t random = 61;
    told t = {0};
    store *s = open_store(&t, 0);
    row_list want = {0};
    for (uint64_t seq = 1; seq <= 6; seq++) {
        batch_recipe r = {FAMILY_TRACE, 500, 50, 3, 0, TEST_TIME, NS_PER_S, 7};
        r.span_ns = seq % 2 ? NS_PER_S : 3 * DAY_NS;
        publish_batch(s, 1, seq, make_batch(&r, &random), &want);
        seal(s);
    }
    merge(s);
    check_store_rows(s, 1, &want);
    snapshot *n;
    err e;
    check_ok(store_snapshot(s, 1, 7, INT64_MIN, INT64_MAX, &n, &e), &e);
    assert_int_equal(snapshot_part_count(n), 5); /* timely; late ones of four days */
    for (uint32_t i = 0; i < snapshot_part_count(n); i++) {
        part_info info;
        part_info_get(snapshot_part(n, i), &info);
        assert_int_equal(clock_day(info.min_time_ns), clock_day(info.max_time_ns));
    }
    snapshot_release(n);
    store_close(s);
    rows_free(&want);
}

/* A snapshot taken before a merge reads on; the files go when it does. */
static void snapshots_outlive_merges(void **state)
{
    uint64_t random = 71;
    told t = {0};
    store *s = open_store(&t, 0);
    row_list want = {0}, got = {0};
    for (uint64_t seq = 1; seq <= 3; seq++) {
        batch_recipe r = {FAMILY_LOG, 400, 50, 3, 10, TEST_TIME, NS_PER_S, 7};
        publish_batch(s, 1, seq, make_batch(&r, &random), &want);
        seal(s);
    }
    snapshot *n;
    err e;
    check_ok(store_snapshot(s, 1, 7, INT64_MIN, INT64_MAX, &n, &e), &e);
    merge(s);
    rows_add_snapshot(&got, n);
    rows_check_equal(&got, &want);
    snapshot_release(n);
    check_store_rows(s, 1, &want);
    rows_free(&got);
    rows_free(&want);
    store_close(s);
}

static void recent_hashes_are_told_at_open(void **state)
{
    uint64_t random = 81;
    told t = {0};
    store *s = open_store(&t, 0);
    for (uint64_t seq = 1; seq <= 4; seq++) {
        batch_recipe r = {FAMILY_LOG, 10, 5, 3, 0, clock_wall_ns(), 1, 7};
        if (seq == 1)
            r.start_ns -= 2 * 3600 * NS_PER_S;
        publish_batch(s, 1, seq, make_batch(&r, &random), NULL);
        seal(s);
    }
    store_close(s);
    s = open_store(&t, 0);
    assert_int_equal(t.hashes, 3);
    merge(s);
    store_close(s);
    t.hashes = 0;
    s = open_store(&t, 0);
    assert_int_equal(t.hashes, 3);
    store_close(s);
}

static void old_segments_are_dropped(void **state)
{
    uint64_t random = 91;
    told t = {0};
    store *s = open_store(&t, 0);
    row_list want = {0};
    err e;
    uint64_t rows;
    for (uint64_t seq = 1; seq <= 6; seq++) {
        batch_recipe r = {FAMILY_LOG, 100, 5, 3, 0, TEST_TIME + (int64_t)seq * DAY_NS, 1, 7};
        publish_batch(s, 1, seq, make_batch(&r, &random), seq >= 4 ? &want : NULL);
        if (seq != 3)
            seal(s); /* the third day and the fourth end up in two files of one seal */
    }
    batch_recipe old = {FAMILY_TRACE, 100, 5, 3, 0, TEST_TIME, 1, 7};
    publish_batch(s, 1, 7, make_batch(&old, &random), NULL); /* open, and old */
    check_ok(store_retain(s, 1, TEST_TIME + 4 * DAY_NS, &rows, &e), &e);
    assert_int_equal(rows, 400);
    check_store_rows(s, 1, &want);
    store_close(s);
    s = open_store(&t, 0);
    check_store_rows(s, 1, &want);
    /* What was dropped must not come back from the journal. */
    assert_true(store_is_sealed(s, 1, FAMILY_TRACE, 7));
    assert_false(store_is_sealed(s, 1, FAMILY_TRACE, 8));
    check_ok(store_retain(s, 1, INT64_MAX, &rows, &e), &e);
    assert_int_equal(rows, 300);
    store_close(s);
    s = open_store(&t, 0);
    assert_true(store_is_sealed(s, 1, FAMILY_LOG, 6));
    rows_free(&want);
    check_store_rows(s, 1, &want);
    store_close(s);
}

static void a_full_disk_loses_the_oldest_first(void **state)
{
    uint64_t random = 101;
    told t = {0};
    store *s = open_store(&t, 0);
    row_list want = {0};
    for (uint64_t seq = 1; seq <= 6; seq++) {
        batch_recipe r = {FAMILY_LOG, 2000, 5, 3, 0, TEST_TIME - (int64_t)seq * DAY_NS, 1, 7};
        publish_batch(s, (uint32_t)seq % 2 + 1, seq, make_batch(&r, &random),
                      seq % 2 == 0 && seq <= 3 ? &want : NULL);
        seal(s);
    }
    store_stats stats;
    store_stats_get(s, 0, &stats);
    store_close(s);
    s = open_store(&t,
                   stats.segment_bytes / 2 + stats.segment_bytes / 20); /* they differ a little */
    merge(s);
    assert_int_equal(t.notices, 1);
    assert_non_null(strstr(t.last, "--disk-max"));
    store_stats_get(s, 0, &stats);
    assert_int_equal(stats.segments, 3);
    assert_int_equal(stats.rows_dropped_disk_max, 6000);
    check_store_rows(s, 1, &want); /* of environment 1 only the youngest of days -2, -4, -6 */
    rows_free(&want);
    store_close(s);
}

static void datasets_and_environments_are_dropped(void **state)
{
    told t = {0};
    store *s = open_store(&t, 0);
    row_list want = {0}, other = {0};
    err e;
    uint64_t random = 111;
    for (uint64_t seq = 1; seq <= 5; seq++)
        for (uint32_t f = 0; f < FAMILY_COUNT; f++)
            for (uint32_t environment = 1; environment <= 2; environment++) {
                batch_recipe r = {f, 300, 50, seq == 2 ? 1 : 4, 10, TEST_TIME, NS_PER_S, 7};
                publish_batch(s, environment, seq * 3 + f, make_batch(&r, &random),
                              environment == 1 ? &want : &other);
                if (seq < 4)
                    seal(s);
            }
    check_ok(store_drop(s, 1, SPAN("service-0"), &e), &e);
    row_list kept = {0};
    for (uint32_t i = 0; i < want.count; i++)
        if (!strstr(want.lines[i], " in=service-0 ")) {
            assert_true(base_reserve(&kept.lines, &kept.capacity, kept.count + 1, sizeof(char *)));
            kept.lines[kept.count++] = strdup(want.lines[i]);
        }
    assert_true(kept.count && kept.count < want.count);
    check_store_rows(s, 1, &kept);
    check_store_rows(s, 2, &other);
    seal(s);
    merge(s);
    check_store_rows(s, 1, &kept);
    store_close(s);
    s = open_store(&t, 0);
    check_store_rows(s, 1, &kept);
    check_ok(store_drop(s, 1, (span){0}, &e), &e);
    rows_free(&kept);
    check_store_rows(s, 1, &kept);
    check_store_rows(s, 2, &other);
    store_close(s);
    s = open_store(&t, 0);
    check_store_rows(s, 1, &kept);
    check_store_rows(s, 2, &other);
    assert_true(store_is_sealed(s, 1, FAMILY_TRACE, 15));
    store_close(s);
    rows_free(&want);
    rows_free(&other);
}

/* ---- verify ---- */

typedef struct lines {
    uint32_t good, bad;
    char last_bad[600];
} lines;

static void count_line(void *ctx, bool is_bad, const char *text)
{
    lines *l = ctx;
    if (is_bad)
        snprintf(l->last_bad, sizeof l->last_bad, "%s", text);
    l->good += !is_bad;
    l->bad += is_bad;
}

static void only_file(char path[512])
{
    char folder[400];
    snprintf(folder, sizeof folder, "%s/env-1/log", check_dir());
    FILE *f = NULL;
    char command[512], name[128] = "";
    snprintf(command, sizeof command, "ls %s", folder);
    f = popen(command, "r");
    assert_non_null(f);
    assert_true(fgets(name, sizeof name, f) != NULL);
    pclose(f);
    name[strcspn(name, "\n")] = 0;
    snprintf(path, 512, "%s/%s", folder, name);
}

static void verify_names_what_is_damaged(void **state)
{
    told t = {0};
    store *s = open_store(&t, 0);
    uint64_t random = 121;
    err e;
    char path[512];
    batch_recipe r = {FAMILY_LOG, 20000, 50, 4, 10, TEST_TIME, NS_PER_S, 7};
    publish_batch(s, 1, 1, make_batch(&r, &random), NULL);
    seal(s);
    store_close(s);
    lines l = {0};
    check_ok(store_verify(check_dir(), true, count_line, &l, &e), &e);
    assert_int_equal(l.bad, 0);
    assert_true(l.good > 20);
    only_file(path);
    file *f;
    check_ok(file_open(path, FILE_WRITE, &f, &e), &e);
    check_ok(file_write_at(f, 5000, SPAN("damage"), &e), &e);
    file_close(f);
    l = (lines){0};
    assert_int_equal(store_verify(check_dir(), false, count_line, &l, &e), SK_CORRUPT);
    assert_true(l.bad >= 2);
    /* The damaged block is an error that names the file; all others are served. */
    s = open_store(&t, 0);
    snapshot *n;
    check_ok(store_snapshot(s, 1, 7, INT64_MIN, INT64_MAX, &n, &e), &e);
    part_info info;
    part_info_get(snapshot_part(n, 0), &info);
    part_reader *reader;
    check_ok(part_reader_new(snapshot_part(n, 0), &reader, &e), &e);
    vector *v = malloc(sizeof *v);
    uint32_t good = 0, bad = 0;
    for (uint32_t c = 0; c < PART_COLUMNS + info.column_count; c++)
        for (uint32_t k = 0; k < info.block_count; k++) {
            sk_code code = part_read(reader, c, k, v, &e);
            assert_true(code == SK_OK || code == SK_CORRUPT);
            if (code == SK_CORRUPT)
                assert_non_null(strstr(e.text, path));
            good += code == SK_OK;
            bad += code != SK_OK;
        }
    assert_true(bad >= 1 && bad <= 2 && good > 30);
    part_reader_free(reader);
    snapshot_release(n);
    free(v);
    store_stats stats;
    store_stats_get(s, 0, &stats);
    assert_int_equal(stats.damaged_segments, 1);
    assert_int_equal(t.notices, 1);
    store_close(s);
    /* Without a trailer it is set aside. */
    uint64_t size;
    check_ok(file_open(path, FILE_WRITE, &f, &e), &e);
    check_ok(file_size(f, &size, &e), &e);
    check_ok(file_truncate(f, size - 1, &e), &e);
    file_close(f);
    s = open_store(&t, 0);
    assert_int_equal(t.notices, 2);
    row_list none = {0};
    check_store_rows(s, 1, &none);
    store_close(s);
    only_file(path);
    assert_true(span_ends_with(span_text(path), SPAN(".seg.damaged")));
}

TEST_GROUP(store_merging, TEST(merged_rows_read_the_same),
           TEST(merges_keep_to_days_and_late_rows_apart), TEST(snapshots_outlive_merges),
           TEST(recent_hashes_are_told_at_open), TEST(old_segments_are_dropped),
           TEST(a_full_disk_loses_the_oldest_first), TEST(datasets_and_environments_are_dropped),
           TEST(verify_names_what_is_damaged));
