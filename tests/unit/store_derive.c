/*
 * tests/unit/store_derive.c: columns that follow from another are kept as a table, by block, and read as they were; a block where
 * they do not follow is kept as it is; a table that says what no writer says is damage.
 */
#include "unit/store_rows.h"

#include <stdio.h>

#include "base/file.h"
#include "store/entropy.h"
#include "store/segment.h"
#include "store/store.h"

#define ROWS 30000u /* in four blocks */

static store *open_store(void)
{
    store_options o = {.dir = check_dir()};
    store *s;
    err e;
    check_ok(store_open(&o, &s, &e), &e);
    return s;
}

static void put_text(batch *b, const char *name, const char *text)
{
    batch_put_string(b, batch_column(b, span_text(name), FIELD_STRING, NULL), span_text(text));
}

static void put_int(batch *b, const char *name, int64_t v)
{
    batch_put_int(b, batch_column(b, span_text(name), FIELD_INT, NULL), v);
}

/* Of the rows from `strays_from` on some do not follow. */
static batch *make_followers(uint64_t *random, uint32_t strays_from)
{
    batch *b = batch_new(FAMILY_LOG, 256 * MIB);
    char text[32];
    for (uint32_t i = 0; i < ROWS; i++) {
        uint32_t pod = (uint32_t)(check_random(random) % 40);
        uint32_t stray = i >= strays_from && check_random(random) % 9 == 0;
        batch_begin_row(b, TEST_TIME + i, 1, batch_string(b, SPAN("all")));
        snprintf(text, sizeof text, "pod-%u", pod);
        if (pod)
            put_text(b, "pod", text);
        snprintf(text, sizeof text, "node-%u", pod % 7 + stray);
        if (pod % 5)
            put_text(b, "node", text);
        put_int(b, "port", INT64_MIN + pod * 77 + stray);
        if (pod % 3)
            batch_put_bool(b, batch_column(b, SPAN("canary"), FIELD_BOOL, NULL), pod % 4 == 0);
        if (check_random(random) % 2)
            put_int(b, "free", (int64_t)pod);
    }
    b->arrival_ns = TEST_TIME;
    assert_true(batch_freeze(b));
    return b;
}

static uint32_t derived_blocks(const segment *s, const char *name)
{
    uint32_t columns[FIELD_TYPE_COUNT], count = 0;
    column_index *x;
    err e;
    assert_int_equal(part_find(segment_part(s), span_text(name), columns), 1);
    check_ok(segment_load_index(s, &segment_directory(s)->columns[columns[0]], &x, &e), &e);
    for (uint32_t i = 0; i < x->block_count; i++)
        count += (x->blocks[i].tag & BLOCK_FORMS) == BLOCK_DERIVED;
    return count;
}

static const segment *only_segment(snapshot *n)
{
    assert_int_equal(snapshot_part_count(n), 1);
    return (const segment *)snapshot_part(n, 0);
}

static void columns_that_follow_have_no_blocks(void **state)
{
    static const struct {
        const char *name;
        uint32_t strays_from, pods, nodes, ports, canaries;
    } rows[] = {{"all follow", ROWS, 0, 4, 4, 4},
                {"all but the last block", 3 * VECTOR_ROWS + 10, 0, 3, 3, 4},
                {"hardly any", 100, 0, 0, 0, 4}};
    uint64_t random = 5;
    for (uint32_t i = 0; i < COUNT_OF(rows); i++) { /* each in a folder of its own */
        __typeof__(rows[0]) *row = &rows[i];
        print_message("%s\n", row->name);
        store *s = open_store();
        row_list want = {0};
        snapshot *n;
        err e;
        publish_batch(s, 1, 1, make_followers(&random, row->strays_from), &want);
        check_ok(store_seal(s, &e), &e);
        check_ok(store_snapshot(s, 1, 7, INT64_MIN, INT64_MAX, &n, &e), &e);
        const segment *sealed = only_segment(n);
        assert_int_equal(derived_blocks(sealed, "pod"), row->pods);
        assert_int_equal(derived_blocks(sealed, "node"), row->nodes);
        assert_int_equal(derived_blocks(sealed, "port"), row->ports);
        assert_int_equal(derived_blocks(sealed, "canary"), row->canaries);
        assert_int_equal(derived_blocks(sealed, "free"), 0);
        snapshot_release(n);
        check_store_rows(s, 1, &want);
        store_close(s);
        rows_free(&want);
        check__end(state);
    }
}

/* ---- tables that no writer makes ---- */

typedef struct craft {
    const char *name;
    uint32_t code, entries; /* of the source's rows; of the table */
    uint64_t min, max, value;
    uint32_t value_count, absent; /* of the block; entries of the table without a value */
    bool is_good;
} craft;

static bool fill(const craft *c, vector *out)
{
    static vector source;
    uint8_t has[64];
    uint64_t values[64];
    for (uint32_t i = 0; i < COUNT_OF(values); i++) {
        values[i] = c->value;
        has[i] = i < COUNT_OF(has) - c->absent;
    }
    derived_table t = {c->entries, has, values, c->absent == 0};
    block_entry b = {.min = c->min, .max = c->max, .value_count = c->value_count};
    source = (vector){.kind = VECTOR_CODES, .row_count = 8, .all_present = true};
    for (uint32_t i = 0; i < 8; i++)
        source.codes[i] = c->code;
    out->kind = VECTOR_CODES;
    out->row_count = 8;
    return derived_fill(&t, &source, &b, out);
}

static void a_table_that_does_not_fit_is_damage(void **state)
{
    static const craft rows[] = {
        {"fits", 3, 9, 5, 6, 5, 8, 0, true},
        {"its last code", 62, 64, 5, 6, 5, 8, 0, true},
        {"a code beyond the table", 8, 9, 5, 6, 5, 8, 0, false},
        {"a value above the block's range", 3, 9, 5, 6, 7, 8, 0, false},
        {"a value below it", 3, 9, 5, 6, 4, 8, 0, false},
        {"fewer values than the block says", 62, 64, 5, 6, 5, 8, 2, false},
        {"more values than it says", 3, 9, 5, 6, 5, 7, 0, false},
    };
    static vector out;
    EACH_ROW(row, rows)
    if (fill(row, &out) != row->is_good)
        fail_msg("%s", row->name);
}

/* ---- entropy, of the same columns ---- */

static void entropy_is_that_of_the_values(void **state)
{
    static const struct {
        const char *name;
        double bits; /* a row; < 0: not known */
    } rows[] = {{"two", 1}, {"constant", 0}, {"five", 2.155639062}, {"all different", -1}};
    store *s = open_store();
    snapshot *n;
    err e;
    batch *b = batch_new(FAMILY_LOG, 256 * MIB);
    for (uint32_t i = 0; i < ROWS; i++) {
        batch_begin_row(b, TEST_TIME + i, 1, batch_string(b, SPAN("all")));
        put_text(b, "two", i * 7 % 4 < 2 ? "a" : "b");
        put_int(b, "constant", 5);
        put_int(b, "all different", i * 3);
        if (i % 8 < 4)
            put_int(b, "five", i % 4);
        else
            put_int(b, "five", i % 2 * 1000);
    }
    b->arrival_ns = TEST_TIME;
    assert_true(batch_freeze(b));
    publish_batch(s, 1, 1, b, NULL);
    check_ok(store_seal(s, &e), &e);
    check_ok(store_snapshot(s, 1, 7, INT64_MIN, INT64_MAX, &n, &e), &e);
    const segment *sealed = only_segment(n);
    for (uint32_t i = 0; i < COUNT_OF(rows); i++) {
        uint32_t columns[FIELD_TYPE_COUNT];
        assert_int_equal(part_find(segment_part(sealed), span_text(rows[i].name), columns), 1);
        double want = rows[i].bits < 0 ? -1 : rows[i].bits * ROWS / 8;
        double got = entropy_bytes(sealed, columns[0]);
        if (got < want - 1 || got > want + 1)
            fail_msg("%s: %f, want %f", rows[i].name, got, want);
    }
    assert_true(entropy_bytes(sealed, PART_SPAN_ID) == 0);
    snapshot_release(n);
    store_close(s);
}

TEST_GROUP(store_derive, TEST(entropy_is_that_of_the_values),
           TEST(columns_that_follow_have_no_blocks), TEST(a_table_that_does_not_fit_is_damage));
