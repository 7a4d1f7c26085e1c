/*
 * tests/unit/event_batch.c: batches as receivers build them.
 */
#include "event/batch.h"
#include "event/fields.h"
#include "event_random.h"

#define CAP (64 * MIB)

static batch *new_batch(void)
{
    batch *b = batch_new(FAMILY_TRACE, CAP);
    assert_non_null(b);
    return b;
}

static void random_batches_hold_what_was_put(void **state)
{
    static twin t;
    uint64_t rows = 0, dropped = 0, cut = 0;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        batch *b = twin_build(&t, seed);
        assert_true(batch_freeze(b));
        twin_check(&t, b);
        rows += t.row_count;
        dropped += t.dropped;
        cut += t.range_count;
        batch_free(b);
    }
    assert_true(rows > 10000 && dropped > 100 && cut > 1000);
}

static void later_put_wins_whatever_its_type(void **state)
{
    batch *b = new_batch();
    uint32_t text = batch_column(b, SPAN("x"), FIELD_STRING, NULL);
    uint32_t number = batch_column(b, SPAN("x"), FIELD_INT, NULL);
    uint32_t boolean = batch_column(b, SPAN("x"), FIELD_BOOL, NULL);
    assert_true(text != number && number != boolean);
    batch_begin_row(b, 1, 0, batch_string(b, SPAN("d")));
    assert_true(batch_put_string(b, text, SPAN("200")));
    assert_true(batch_put_int(b, number, 200));
    assert_true(batch_put_int(b, number, 201));
    batch_begin_row(b, 1, 7, batch_string(b, SPAN("d")));
    assert_true(batch_put_bool(b, boolean, true));
    assert_true(batch_put_string(b, text, SPAN("200")));
    assert_true(batch_freeze(b));
    assert_int_equal(b->rate[0], 1); /* a rate of 0 is 1 */
    assert_int_equal(b->rate[1], 7);
    assert_int_equal(b->column_count, 2); /* the bool's column is empty again */
    arena *mem = arena_new(CAP);
    value v = batch_get(b, SPAN("x"), 0, mem);
    assert_true(v.type == FIELD_INT && v.i == 201);
    v = batch_get(b, SPAN("x"), 1, mem);
    assert_true(v.type == FIELD_STRING);
    check_text(v.text, "200");
    arena_free(mem);
    batch_free(b);
}

static void prediction_is_only_a_guess(void **state)
{
    batch *b = new_batch();
    uint32_t slot = COLUMN_NONE;
    uint32_t a = batch_column(b, SPAN("a"), FIELD_INT, &slot);
    assert_int_equal(slot, a);
    assert_int_equal(batch_column(b, SPAN("a"), FIELD_INT, &slot), a);
    uint32_t other = batch_column(b, SPAN("b"), FIELD_INT, &slot);
    assert_true(other != a);
    assert_int_equal(slot, other);
    assert_true(batch_column(b, SPAN("b"), FIELD_FLOAT, &slot) != other);
    assert_int_equal(batch_column(b, SPAN("a"), FIELD_INT, NULL), a);
    assert_int_equal(batch_column(b, SPAN(""), FIELD_INT, NULL), COLUMN_NONE);
    char long_name[EVENT_FIELD_NAME_MAX + 1];
    memset(long_name, 'n', sizeof long_name);
    assert_int_equal(batch_column(b, span_of(long_name, sizeof long_name), FIELD_INT, NULL),
                     COLUMN_NONE);
    assert_true(batch_column(b, span_of(long_name, sizeof long_name - 1), FIELD_INT, NULL) !=
                COLUMN_NONE);
    assert_false(batch_failed(b));
    assert_false(batch_put_int(b, COLUMN_NONE, 1));
    assert_false(batch_put_int(b, a, 1)); /* no row yet */
    batch_free(b);
}

static void thousands_of_columns_are_found_again(void **state)
{
    batch *b = new_batch();
    batch_begin_row(b, 1, 1, batch_string(b, SPAN("d")));
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 5000; i++) {
            char name[16];
            snprintf(name, sizeof name, "f%u", i);
            assert_int_equal(batch_column(b, span_text(name), FIELD_INT, NULL), i);
        }
    }
    batch_free(b);
}

static void refuses_fields_past_the_limit(void **state)
{
    batch *b = new_batch();
    uint32_t shared = batch_column(b, SPAN("resource"), FIELD_INT, NULL);
    assert_true(batch_put_range(b, shared, 0, BATCH_RANGE_OPEN, 1));
    for (uint32_t row = 0; row < 2; row++) {
        batch_begin_row(b, 1, 1, batch_string(b, SPAN("d")));
        for (uint32_t i = 0; i < EVENT_FIELDS_MAX + 5; i++) {
            char name[16];
            snprintf(name, sizeof name, "f%u", i);
            uint32_t c = batch_column(b, span_text(name), FIELD_INT, NULL);
            assert_int_equal(batch_put_int(b, c, i), i < EVENT_FIELDS_MAX - 1);
        }
        uint32_t first = batch_column(b, SPAN("f0"), FIELD_INT, NULL);
        assert_true(batch_put_int(b, first, 9)); /* not one more */
        uint32_t as_text = batch_column(b, SPAN("f0"), FIELD_STRING, NULL);
        assert_true(batch_put_string(b, as_text, SPAN("nine")));
    }
    batch_close_ranges(b, 0);
    for (uint32_t i = 0; i < EVENT_FIELDS_MAX + 5; i++) {
        char name[16];
        snprintf(name, sizeof name, "f%u", i);
        uint32_t c = batch_column(b, span_text(name), FIELD_INT, NULL);
        assert_int_equal(batch_put_range(b, c, b->row_count, BATCH_RANGE_OPEN, 1),
                         i < EVENT_FIELDS_MAX);
    }
    assert_true(batch_freeze(b));
    batch_free(b);
}

static void long_strings_are_cut_between_characters(void **state)
{
    batch *b = new_batch();
    static uint8_t text[EVENT_STRING_MAX + 10];
    memset(text, 'x', sizeof text);
    assert_int_equal(batch_text(b, batch_string(b, span_of(text, EVENT_STRING_MAX))).len,
                     EVENT_STRING_MAX);
    assert_int_equal(b->truncated_strings, 0);
    assert_int_equal(batch_text(b, batch_string(b, span_of(text, sizeof text))).len,
                     EVENT_STRING_MAX);
    memcpy(text + EVENT_STRING_MAX - 2, "\xF0\x9F\x90\x9D", 4); /* a bee across the limit */
    assert_int_equal(batch_text(b, batch_string(b, span_of(text, sizeof text))).len,
                     EVENT_STRING_MAX - 2);
    memcpy(text + EVENT_STRING_MAX - 4, "\xF0\x9F\x90\x9Dzzzz", 8); /* just before it */
    assert_int_equal(batch_text(b, batch_string(b, span_of(text, sizeof text))).len,
                     EVENT_STRING_MAX);
    memset(text, 0x80, sizeof text); /* not UTF-8 at all: still bounded */
    assert_int_equal(batch_text(b, batch_string(b, span_of(text, sizeof text))).len,
                     EVENT_STRING_MAX);
    assert_int_equal(b->truncated_strings, 4);
    batch_free(b);
}

static void ranges_say_what_they_cover(void **state)
{
    batch *b = new_batch();
    uint32_t code = batch_string(b, SPAN("d"));
    uint32_t name = batch_column(b, SPAN("name"), FIELD_STRING, NULL);
    uint32_t name_int = batch_column(b, SPAN("name"), FIELD_INT, NULL);
    uint32_t other = batch_column(b, SPAN("other"), FIELD_INT, NULL);
    batch_begin_row(b, 1, 1, code);
    assert_false(batch_in_range(b, name, 0));
    uint32_t resource = batch_open_ranges(b);
    assert_true(batch_put_range(b, name, 1, BATCH_RANGE_OPEN, code));
    batch_begin_row(b, 1, 1, code);
    assert_true(batch_in_range(b, name, 1));
    assert_true(batch_in_range(b, name_int, 1)); /* of another type */
    assert_false(batch_in_range(b, other, 1));
    uint32_t scope = batch_open_ranges(b);
    assert_int_equal(scope, resource + 1);
    assert_true(batch_put_range(b, other, 2, BATCH_RANGE_OPEN, 5));
    batch_begin_row(b, 1, 1, code);
    assert_true(batch_in_range(b, other, 2));
    batch_close_ranges(b, scope);
    batch_begin_row(b, 1, 1, code);
    assert_false(batch_in_range(b, other, 3));
    assert_true(batch_in_range(b, other, 2));
    assert_true(batch_in_range(b, name, 3));
    batch_close_ranges(b, resource);
    batch_begin_row(b, 1, 1, code);
    assert_false(batch_in_range(b, name, 4));
    assert_true(batch_in_range(b, name, 3));
    assert_false(batch_in_range(b, name, 0));
    assert_true(batch_put_range(b, other, 3, 3, 1)); /* empty: nothing */
    assert_true(batch_freeze(b));
    batch_free(b);
}

static void equal_neighbour_ranges_are_joined(void **state)
{
    batch *b = new_batch();
    uint32_t code = batch_string(b, SPAN("d"));
    uint32_t host = batch_column(b, SPAN("host"), FIELD_STRING, NULL);
    for (uint32_t i = 0; i < 10; i++) {
        assert_true(batch_put_range(b, host, i, BATCH_RANGE_OPEN, code));
        batch_begin_row(b, 1, 1, code);
        batch_close_ranges(b, 0);
    }
    assert_true(batch_freeze(b));
    assert_int_equal(b->columns[0].range_count, 1);
    assert_int_equal(b->columns[0].ranges[0].end_row, 10);
    batch_free(b);
}

static void points_cut_ranges_of_other_types(void **state)
{
    batch *b = new_batch();
    uint32_t code = batch_string(b, SPAN("d"));
    uint32_t text = batch_column(b, SPAN("v"), FIELD_STRING, NULL);
    uint32_t number = batch_column(b, SPAN("v"), FIELD_INT, NULL);
    assert_true(batch_put_range(b, text, 0, BATCH_RANGE_OPEN, code));
    for (uint32_t i = 0; i < 10; i++) {
        batch_begin_row(b, 1, 1, code);
        if (i == 3 || i == 4 || i == 9)
            assert_true(batch_put_int(b, number, i));
    }
    assert_true(batch_freeze(b));
    assert_int_equal(b->columns[0].range_count, 2);
    assert_int_equal(b->columns[0].ranges[0].end_row, 3);
    assert_int_equal(b->columns[0].ranges[1].first_row, 5);
    assert_int_equal(b->columns[0].ranges[1].end_row, 9);
    batch_free(b);
}

static void many_rows_are_dropped_at_once(void **state)
{
    batch *b = new_batch();
    uint32_t code = batch_string(b, SPAN("d")), columns[50];
    for (uint32_t i = 0; i < 50; i++) {
        char name[16];
        snprintf(name, sizeof name, "f%u", i);
        columns[i] = batch_column(b, span_text(name), FIELD_INT, NULL);
    }
    for (uint32_t row = 0; row < 4000;
         row++) { /* more puts than the list of touched columns keeps */
        batch_begin_row(b, row, 1, code);
        for (uint32_t i = 0; i < 50; i++)
            assert_true(batch_put_int(b, columns[i], row));
    }
    batch_drop_row(b, 3990);
    batch_drop_row(b, 3995); /* not there any more */
    assert_int_equal(b->row_count, 3990);
    assert_int_equal(b->columns[49].count, 3990);
    batch_drop_row(b, 7);
    assert_int_equal(b->columns[0].count, 7);
    batch_begin_row(b, 7, 1, code);
    assert_true(batch_freeze(b));
    assert_int_equal(b->row_count, 8);
    assert_false(batch_cell(b, 0, 7).is_set);
    assert_int_equal(batch_cell(b, 0, 6).i, 6);
    batch_free(b);
}

static void ids_are_fields_too(void **state)
{
    batch *b = new_batch();
    uint32_t parent = batch_column(b, SPAN(F_PARENT_ID), FIELD_STRING, NULL);
    for (int i = 0; i < 2; i++) {
        batch_begin_row(b, 1, 1, batch_string(b, SPAN("d")));
        assert_true(batch_put_string(b, parent, SPAN("not an id")));
    }
    b->trace_id[0] = (trace_id){0, 0xabc};
    b->span_id[0] = 0x1;
    b->parent_id[0] = 0xff;
    assert_true(batch_freeze(b));
    arena *mem = arena_new(CAP);
    check_text(batch_get(b, SPAN(F_TRACE_ID), 0, mem).text, "0000000000000abc");
    check_text(batch_get(b, SPAN(F_SPAN_ID), 0, mem).text, "0000000000000001");
    check_text(batch_get(b, SPAN(F_PARENT_ID), 0, mem).text, "00000000000000ff");
    check_text(batch_get(b, SPAN(F_PARENT_ID), 1, mem).text, "not an id");
    assert_false(batch_get(b, SPAN(F_SPAN_ID), 1, mem).is_set);
    arena_free(mem);
    batch_free(b);
}

static void short_memory_is_said_not_suffered(void **state)
{
    static twin t;
    for (uint64_t seed = 3; seed < 6; seed++) {
        EACH_ALLOC_FAILURE(n)
        {
            batch *b = twin_build(&t, seed);
            bool ok = b && batch_freeze(b);
            assert_true(ok == !alloc_did_fail());
            if (ok)
                twin_check(&t, b);
            batch_free(b);
        }
    }
}

static void the_cap_ends_a_batch(void **state)
{
    batch *b = batch_new(FAMILY_LOG, 64 * KIB);
    assert_non_null(b);
    uint32_t c = batch_column(b, SPAN("body"), FIELD_STRING, NULL), row = 0;
    char text[100];
    for (; row < 100000 && !batch_failed(b); row++) {
        batch_begin_row(b, 1, 1, batch_string(b, SPAN("d")));
        snprintf(text, sizeof text, "%u: a line of some length", row);
        batch_put_string(b, c, span_text(text));
    }
    assert_true(row > 200 && row < 2000);
    assert_int_equal(batch_string(b, SPAN("x")), INTERN_NONE);
    assert_int_equal(batch_begin_row(b, 1, 1, 0), UINT32_MAX);
    assert_int_equal(batch_column(b, SPAN("new"), FIELD_INT, NULL), COLUMN_NONE);
    assert_false(batch_put_string(b, c, SPAN("x")));
    assert_false(batch_put_range(b, c, 0, 1, 0));
    assert_false(batch_freeze(b));
    batch_free(b);
    batch_free(NULL);
}

TEST_GROUP(event_batch, TEST(random_batches_hold_what_was_put),
           TEST(later_put_wins_whatever_its_type), TEST(prediction_is_only_a_guess),
           TEST(thousands_of_columns_are_found_again), TEST(refuses_fields_past_the_limit),
           TEST(long_strings_are_cut_between_characters), TEST(ranges_say_what_they_cover),
           TEST(equal_neighbour_ranges_are_joined), TEST(points_cut_ranges_of_other_types),
           TEST(many_rows_are_dropped_at_once), TEST(ids_are_fields_too),
           TEST(short_memory_is_said_not_suffered), TEST(the_cap_ends_a_batch));
