/*
 * tests/unit/store_seal.c: what was open reads the same from segments, also after the store was closed and opened, also
 * when rows lie in other days; traces are found; sealed ranges are told.
 */
#include "store/store.h"

#include <stdio.h>

#include "unit/store_rows.h"

typedef struct told {
    uint32_t seals;
    uint64_t first_seq, last_seq;
    uint32_t hashes, notices;
} told;

static void tell_sealed(void *ctx, uint32_t environment, family f, uint64_t first, uint64_t last)
{
    told *t = ctx;
    t->seals++;
    t->first_seq = first;
    t->last_seq = last;
}

static void tell_hash(void *ctx, uint32_t environment, hash128 hash, int64_t arrival_ns)
{
    ((told *)ctx)->hashes++;
}

static void tell_notice(void *ctx, const char *text)
{
    ((told *)ctx)->notices++;
    print_message("notice: %s\n", text);
}

static store *open_store(told *t)
{
    store_options o = {.dir = check_dir(),
                       .sealed = tell_sealed,
                       .recent_hash = tell_hash,
                       .notice = tell_notice,
                       .ctx = t};
    store *s;
    err e;
    check_ok(store_open(&o, &s, &e), &e);
    return s;
}

static void check_sealed(store *s)
{
    snapshot *n;
    err e;
    check_ok(store_snapshot(s, 1, 7, INT64_MIN, INT64_MAX, &n, &e), &e);
    for (uint32_t i = 0; i < snapshot_part_count(n); i++) {
        part_info info;
        part_info_get(snapshot_part(n, i), &info);
        assert_false(info.is_open);
        assert_true(info.id != 0);
    }
    snapshot_release(n);
}

static void sealed_rows_read_the_same(void **state)
{
    for (family f = 0; f < FAMILY_COUNT; f++) {
        uint64_t random = 11 + f;
        told t = {0};
        store *s = open_store(&t);
        row_list want = {0};
        err e;
        for (uint64_t seq = 1; seq <= 40; seq++) {
            batch_recipe r = {f, 700, 600, 4, 60, TEST_TIME, 600 * NS_PER_S, 7};
            publish_batch(s, 1, f * 100 + seq, make_batch(&r, &random), &want);
        }
        check_ok(store_seal(s, &e), &e);
        check_sealed(s);
        assert_int_equal(t.seals, 1);
        assert_int_equal(t.first_seq, f * 100 + 1);
        assert_int_equal(t.last_seq, f * 100 + 40);
        assert_true(store_is_sealed(s, 1, f, f * 100 + 40));
        assert_false(store_is_sealed(s, 1, f, f * 100 + 41));
        assert_int_equal(store_unsealed_bytes(s), 0);
        check_store_rows(s, 1, &want);
        store_close(s);
        s = open_store(&t);
        assert_true(store_is_sealed(s, 1, f, f * 100 + 40));
        check_store_rows(s, 1, &want);
        store_close(s);
        rows_free(&want);
        assert_int_equal(t.notices, 0);
        check__end(state);
    }
}

static void rows_of_other_days_get_their_own_files(void **state)
{
    uint64_t random = 21;
    told t = {0};
    store *s = open_store(&t);
    row_list want = {0};
    err e;
    for (uint64_t seq = 1; seq <= 10; seq++) {
        batch_recipe r = {FAMILY_TRACE, 300, 30, 2, 5, TEST_TIME, NS_PER_S, 7};
        r.span_ns = seq == 3   ? 4 * DAY_NS
                    : seq == 5 ? 20 * DAY_NS
                    : seq == 6 ? 200 * DAY_NS
                               : NS_PER_S;
        publish_batch(s, 1, seq, make_batch(&r, &random), &want);
    }
    check_ok(store_seal(s, &e), &e);
    assert_int_equal(t.seals, 1);
    check_store_rows(s, 1, &want);
    snapshot *n;
    check_ok(store_snapshot(s, 1, 7, INT64_MIN, INT64_MAX, &n, &e), &e);
    assert_int_equal(snapshot_part_count(n), 64);
    uint32_t several_days = 0;
    for (uint32_t i = 0; i < snapshot_part_count(n); i++) {
        part_info info;
        part_info_get(snapshot_part(n, i), &info);
        several_days += info.min_time_ns / DAY_NS != info.max_time_ns / DAY_NS;
    }
    assert_int_equal(several_days, 1);
    snapshot_release(n);
    store_close(s);
    s = open_store(&t);
    check_store_rows(s, 1, &want);
    store_close(s);
    rows_free(&want);
}

typedef struct found {
    uint32_t rows, ranges;
} found;

static sk_code count_found(void *ctx, const part *p, uint32_t first_row, uint32_t end_row)
{
    found *f = ctx;
    f->rows += end_row - first_row;
    f->ranges++;
    return SK_OK;
}

static void finds_sealed_traces(void **state)
{
    uint64_t random = 31;
    told t = {0};
    store *s = open_store(&t);
    err e;
    enum { TRACES = 3000 };
    uint32_t *want = calloc(TRACES, sizeof *want);
    batch_recipe r = {FAMILY_TRACE, 20000, TRACES, 1, 0, TEST_TIME, NS_PER_S, 9};
    batch *b = make_batch(&r, &random);
    trace_id *ids = calloc(TRACES, sizeof *ids);
    for (uint32_t i = 0; i < TRACES; i++) {
        uint64_t key = hash_mix(r.trace_seed + i);
        ids[i] = (trace_id){i % 7 == 0 ? 0 : key, hash_mix(key + 1)};
        for (uint32_t row = 0; row < b->row_count; row++)
            want[i] += trace_id_equal(b->trace_id[row], ids[i]);
    }
    publish_batch(s, 1, 1, b, NULL);
    check_ok(store_seal(s, &e), &e);
    snapshot *n;
    check_ok(store_snapshot(s, 1, 7, INT64_MIN, INT64_MAX, &n, &e), &e);
    for (uint32_t i = 0; i < TRACES; i++) {
        found f = {0};
        check_ok(snapshot_find_trace(n, ids[i], count_found, &f, &e), &e);
        assert_int_equal(f.rows, want[i]);
        assert_int_equal(f.ranges, want[i] != 0);
    }
    for (uint64_t i = 0; i < 1000; i++) {
        found f = {0};
        check_ok(snapshot_find_trace(n, (trace_id){i, i + 1}, count_found, &f, &e), &e);
        assert_int_equal(f.rows, 0);
    }
    snapshot_release(n);
    store_close(s);
    free(want);
    free(ids);
}

/* Thousands of rare fields cost bytes in proportion to their values. */
static void rare_fields_are_packed(void **state)
{
    uint64_t random = 41;
    told t = {0};
    store *s = open_store(&t);
    row_list want = {0};
    err e;
    batch_recipe r = {FAMILY_LOG, 9000, 1, 1, 3000, TEST_TIME, NS_PER_S, 9};
    publish_batch(s, 1, 1, make_batch(&r, &random), &want);
    check_ok(store_seal(s, &e), &e);
    check_store_rows(s, 1, &want);
    snapshot *n;
    check_ok(store_snapshot(s, 1, 7, INT64_MIN, INT64_MAX, &n, &e), &e);
    part_info info;
    part_info_get(snapshot_part(n, 0), &info);
    print_message("%u columns, %llu bytes for %u rows\n", info.column_count,
                  (unsigned long long)info.bytes, info.row_count);
    assert_true(info.column_count > 1400);
    snapshot_release(n);
    store_close(s);
    rows_free(&want);
}

TEST_GROUP(store_sealing, TEST(sealed_rows_read_the_same),
           TEST(rows_of_other_days_get_their_own_files), TEST(finds_sealed_traces),
           TEST(rare_fields_are_packed));
