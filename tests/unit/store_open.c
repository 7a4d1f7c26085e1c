/*
 * tests/unit/store_open.c: open sets: what was published is read back as it was, in any grouping of batches, also
 * while more is being published; snapshots do not change; traces are found.
 */
#include "store/store.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/thread.h"
#include "unit/store_rows.h"

static store *open_store(const char *dir)
{
    store_options o = {.dir = dir, .data_dir = dir};
    store *s;
    err e;
    check_ok(store_open(&o, &s, &e), &e);
    return s;
}

static void reads_what_was_published(void **state)
{
    uint64_t random = 1;
    store *s = open_store(check_dir());
    row_list want = {0};
    /* One row, a few, more than a block, none; blocks cut batches anywhere. */
    static const uint32_t sizes[] = {1, 512, 3, 9000, 0, 512, 8192, 700, 20};
    uint64_t seq = 1;
    for (family f = 0; f < FAMILY_COUNT; f++)
        for (uint32_t i = 0; i < COUNT_OF(sizes); i++) {
            batch_recipe r = {f, sizes[i], 20, 3, 40, TEST_TIME, NS_PER_S, 7};
            publish_batch(s, 3, seq++, make_batch(&r, &random), &want);
        }
    check_store_rows(s, 3, &want);
    rows_free(&want);
    check_store_rows(s, 4, &want);
    store_close(s);
}

static void a_snapshot_does_not_change(void **state)
{
    uint64_t random = 2;
    store *s = open_store(check_dir());
    row_list want = {0}, got = {0};
    batch_recipe r = {FAMILY_TRACE, 500, 20, 3, 0, TEST_TIME, NS_PER_S, 7};
    snapshot *before;
    err e;
    publish_batch(s, 1, 1, make_batch(&r, &random), &want);
    check_ok(store_snapshot(s, 1, 7, INT64_MIN, INT64_MAX, &before, &e), &e);
    r.fields = 100;
    for (uint64_t seq = 2; seq < 200; seq++)
        publish_batch(s, 1, seq, make_batch(&r, &random), NULL);
    rows_add_snapshot(&got, before);
    rows_check_equal(&got, &want);
    snapshot_release(before);
    rows_free(&got);
    rows_free(&want);
    store_close(s);
}

static void snapshots_choose_by_time_and_family(void **state)
{
    uint64_t random = 3;
    store *s = open_store(check_dir());
    err e;
    for (uint32_t f = 0; f < FAMILY_COUNT; f++) {
        batch_recipe r = {f, 10, 2, 1, 0, TEST_TIME + f * DAY_NS, NS_PER_S, 7};
        publish_batch(s, 1, f + 1, make_batch(&r, &random), NULL);
    }
    static const struct {
        const char *name;
        uint32_t mask;
        int64_t start, end;
        uint32_t parts;
    } rows[] = {
        {"all", 7, INT64_MIN, INT64_MAX, 3},
        {"one family", 1 << FAMILY_LOG, INT64_MIN, INT64_MAX, 1},
        {"first day", 7, TEST_TIME, TEST_TIME + NS_PER_S, 1},
        {"ends before", 7, INT64_MIN, TEST_TIME, 0},
        {"starts after", 7, TEST_TIME + 3 * DAY_NS, INT64_MAX, 0},
    };
    EACH_ROW(row, rows)
    {
        snapshot *n;
        check_ok(store_snapshot(s, 1, row->mask, row->start, row->end, &n, &e), &e);
        assert_int_equal(snapshot_part_count(n), row->parts);
        snapshot_release(n);
    }
    store_close(s);
}

typedef struct found {
    uint32_t rows, ranges;
} found;

static sk_code count_found(void *ctx, const part *p, uint32_t first_row, uint32_t end_row)
{
    found *f = ctx;
    assert_true(first_row < end_row);
    f->rows += end_row - first_row;
    f->ranges++;
    return SK_OK;
}

static void finds_traces(void **state)
{
    uint64_t random = 4;
    store *s = open_store(check_dir());
    uint32_t want[50] = {0};
    trace_id ids[50] = {{0}};
    batch_recipe r = {FAMILY_TRACE, 512, 50, 3, 0, TEST_TIME, NS_PER_S, 7};
    for (uint32_t i = 0; i < 50; i++) {
        uint64_t key = hash_mix(r.trace_seed + i);
        ids[i] = (trace_id){i % 7 == 0 ? 0 : key, hash_mix(key + 1)};
    }
    for (uint64_t seq = 1; seq < 40; seq++) {
        batch *b = make_batch(&r, &random);
        for (uint32_t i = 0; i < b->row_count; i++)
            for (uint32_t k = 0; k < 50; k++)
                want[k] += trace_id_equal(b->trace_id[i], ids[k]);
        publish_batch(s, 1, seq, b, NULL);
    }
    snapshot *n;
    err e;
    check_ok(store_snapshot(s, 1, 7, INT64_MIN, INT64_MAX, &n, &e), &e);
    for (uint32_t k = 0; k < 50; k++) {
        found f = {0};
        check_ok(snapshot_find_trace(n, ids[k], count_found, &f, &e), &e);
        assert_int_equal(f.rows, want[k]);
    }
    found none = {0};
    check_ok(snapshot_find_trace(n, (trace_id){1, 2}, count_found, &none, &e), &e);
    check_ok(snapshot_find_trace(n, (trace_id){0, 0}, count_found, &none, &e), &e);
    assert_int_equal(none.rows, 0);
    snapshot_release(n);
    store_close(s);
}

typedef struct reading {
    store *s;
    atomic_bool stop;
    _Atomic uint32_t snapshots;
} reading;

/* Each snapshot holds a prefix: 100 rows of every batch up to some sequence number, numbered in column `n`. */
static void read_meanwhile(void *ctx)
{
    reading *g = ctx;
    vector *v = malloc(sizeof *v);
    while (!atomic_load(&g->stop)) {
        snapshot *n;
        err e;
        if (store_snapshot(g->s, 1, 7, INT64_MIN, INT64_MAX, &n, &e) != SK_OK)
            abort();
        int64_t next = 0;
        for (uint32_t i = 0; i < snapshot_part_count(n); i++) {
            const part *p = snapshot_part(n, i);
            part_info info;
            part_info_get(p, &info);
            uint32_t col[FIELD_TYPE_COUNT];
            part_reader *r;
            if (part_find(p, SPAN("n"), col) != 1 || part_reader_new(p, &r, &e) != SK_OK)
                abort();
            for (uint32_t k = 0; k < info.block_count; k++) {
                if (part_read(r, col[0], k, v, &e) != SK_OK || !v->all_present)
                    abort();
                for (uint32_t row = 0; row < v->row_count; row++)
                    if (v->ints[row] != next++)
                        abort();
            }
            part_reader_free(r);
        }
        if (next % 100)
            abort();
        snapshot_release(n);
        atomic_fetch_add(&g->snapshots, 1);
    }
    free(v);
}

static void readers_see_a_prefix(void **state)
{
    reading g = {.s = open_store(check_dir())};
    thread t[2];
    for (int i = 0; i < 2; i++)
        assert_true(thread_start(&t[i], "reader", read_meanwhile, &g));
    int64_t number = 0;
    for (uint64_t seq = 1; seq <= 400 || atomic_load(&g.snapshots) < 20; seq++) {
        batch *b = batch_new(FAMILY_LOG, MIB);
        for (uint32_t i = 0; i < 100; i++) {
            batch_begin_row(b, TEST_TIME, 1, batch_string(b, SPAN("x")));
            batch_put_int(b, batch_column(b, SPAN("n"), FIELD_INT, NULL), number++);
        }
        assert_true(batch_freeze(b));
        publish_batch(g.s, 1, seq, b, NULL);
    }
    atomic_store(&g.stop, true);
    for (int i = 0; i < 2; i++)
        thread_join(&t[i]);
    store_close(g.s);
}

/* A batch that could not be shown is replayed after a restart, so nothing behind it may be shown, and then sealed, either:
 * else its sequence number would pass for sealed. */
static void stops_when_memory_is_short(void **state)
{
    bool did_fail = true;
    for (int64_t n = 0; did_fail; n++) {
        uint64_t random = 5;
        store *s = open_store(check_dir());
        batch_recipe r = {FAMILY_TRACE, 50, 5, 2, 5, TEST_TIME, NS_PER_S, 7};
        batch *first = make_batch(&r, &random), *second = make_batch(&r, &random);
        row_list want = {0};
        err e;
        rows_add_batch(&want, first);
        rows_add_batch(&want, second);
        alloc_fail_at(n, false);
        sk_code code = store_publish(s, 1, (publish_info){1, {1, 1}}, first, &e);
        did_fail = alloc_did_fail();
        alloc_fail_at(-1, false);
        assert_int_equal(code, did_fail ? SK_NO_MEMORY : SK_OK);
        code = store_publish(s, 1, (publish_info){2, {2, 2}}, second, &e);
        if (did_fail)
            rows_free(&want);
        check_store_rows(s, 1, &want);
        rows_free(&want);
        store_close(s);
    }
}

/* DESIGN §3: nothing is preallocated per environment, dataset or field. */
static void thousands_of_fields_in_many_tables_stay_small(void **state)
{
    enum { ENVIRONMENTS = 50, EVENTS = 2, FIELDS = 1500 }; /* an event has at most 2,000 */
    store *s = open_store(check_dir());
    char name[64], text[32];
    uint64_t seq = 1;
    for (uint32_t i = 0; i < ENVIRONMENTS * FAMILY_COUNT; i++) {
        batch *b = batch_new(i % FAMILY_COUNT, 16 * MIB);
        for (uint32_t row = 0; row < EVENTS; row++) {
            batch_begin_row(b, TEST_TIME, 1, batch_string(b, SPAN("dataset")));
            for (uint32_t k = 0; k < FIELDS; k++) {
                snprintf(name, sizeof name, "customer.field.%u", row * FIELDS + k);
                field_type type = k % 3 == 0 ? FIELD_INT : k % 3 == 1 ? FIELD_STRING : FIELD_FLOAT;
                uint32_t col = batch_column(b, span_text(name), type, NULL);
                snprintf(text, sizeof text, "value %u of %u", k, i);
                if (type == FIELD_INT)
                    assert_true(batch_put_int(b, col, k));
                else if (type == FIELD_STRING)
                    assert_true(batch_put_string(b, col, span_text(text)));
                else
                    assert_true(batch_put_float(b, col, k / 8.0));
            }
        }
        assert_true(batch_freeze(b));
        publish_batch(s, i / FAMILY_COUNT, seq++, b, NULL);
    }
    uint64_t bytes = store_unsealed_bytes(s);
    print_message("%u tables of %u fields: %.1f MiB\n", ENVIRONMENTS * FAMILY_COUNT,
                  EVENTS * FIELDS, (double)bytes / (double)MIB);
    assert_true(bytes < 64 * MIB);
    store_close(s);
}

TEST_GROUP(store_open_sets, TEST(reads_what_was_published), TEST(a_snapshot_does_not_change),
           TEST(snapshots_choose_by_time_and_family), TEST(finds_traces),
           TEST(readers_see_a_prefix), TEST(stops_when_memory_is_short),
           TEST(thousands_of_fields_in_many_tables_stay_small));
