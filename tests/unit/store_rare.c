/*
 * tests/unit/store_rare.c: thousands of fields that few rows have cost bytes in proportion to their values, and read as they were.
 */
#include "unit/store_rows.h"

#include <stdio.h>

#include "base/file.h"
#include "store/store.h"

#define ROWS 32768u
#define KEYS 3000u

/* Every `values_in`-th row has one value, two random bytes, of one of the keys; 0: none has. */
static batch *make_rows(uint32_t values_in)
{
    uint64_t random = 3;
    batch *b = batch_new(FAMILY_LOG, 256 * MIB);
    char name[32];
    for (uint32_t i = 0; i < ROWS; i++) {
        batch_begin_row(b, TEST_TIME + (int64_t)i * NS_PER_MS, 1, batch_string(b, SPAN("all")));
        uint32_t key = (uint32_t)(check_random(&random) % KEYS);
        int64_t bytes = (int64_t)(check_random(&random) & 0xffff);
        if (!values_in || i % values_in)
            continue;
        snprintf(name, sizeof name, "app.rare.field_%u", key);
        batch_put_int(b, batch_column(b, span_text(name), FIELD_INT, NULL), bytes);
    }
    b->arrival_ns = TEST_TIME;
    assert_true(batch_freeze(b));
    return b;
}

static uint64_t sealed_bytes(uint32_t values_in)
{
    store_options o = {.dir = check_dir()};
    store *s;
    store_stats stats;
    row_list want = {0};
    err e;
    check_ok(store_open(&o, &s, &e), &e);
    publish_batch(s, 1, 1, make_rows(values_in), &want);
    check_ok(store_seal(s, &e), &e);
    check_store_rows(s, 1, &want);
    store_stats_get(s, 0, &stats);
    store_close(s);
    rows_free(&want);
    return stats.segment_bytes;
}

static void rare_fields_cost_what_their_values_cost(void **state)
{
    uint64_t without = sealed_bytes(0);
    check__end(state);
    for (uint32_t values_in = 1; values_in <= 8; values_in *= 8) {
        uint64_t values = (ROWS + values_in - 1) / values_in,
                 more = sealed_bytes(values_in) - without;
        print_message("%u fields, %u values: %u bytes more\n", KEYS, (uint32_t)values,
                      (uint32_t)more);
        /* Two bytes of value, two of place; a name of 16, its type, its counts. */
        assert_true(more <= values * 4 + KEYS * 24);
        check__end(state);
    }
}

TEST_GROUP(store_rare, TEST(rare_fields_cost_what_their_values_cost));
