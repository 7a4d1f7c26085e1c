/*
 * tests/unit/event_batch.c: batches built, frozen, encoded, decoded and read.
 */
#include "check.h"
#include "event/codec.h"
#include "event/fields.h"

#define CAP (64 * MIB)

static void builds_what_was_put(void **state)
{
    batch *b = batch_new(FAMILY_TRACE, CAP);
    assert_non_null(b);
    uint32_t dataset = batch_string(b, SPAN("shop"));
    uint32_t name = batch_column(b, SPAN("name"), FIELD_STRING, NULL);
    uint32_t ms = batch_column(b, SPAN("duration_ms"), FIELD_FLOAT, NULL);
    uint32_t host = batch_column(b, SPAN("host.name"), FIELD_STRING, NULL);
    assert_true(batch_put_range(b, host, 0, BATCH_RANGE_OPEN, batch_string(b, SPAN("a1"))));
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(batch_begin_row(b, i, 1, dataset), i);
        b->span_id[i] = i + 1;
        assert_true(batch_put_string(b, name, i % 2 ? SPAN("odd") : SPAN("even")));
        if (i % 3 == 0)
            assert_true(batch_put_float(b, ms, i * 0.5));
        assert_true(batch_in_range(b, host, i));
        assert_false(batch_in_range(b, name, i));
    }
    batch_close_ranges(b, 0);
    assert_true(batch_freeze(b));
    assert_int_equal(b->column_count, 3);
    assert_null(b->columns[name].rows);
    arena *mem = arena_new(CAP);
    assert_true(span_is(batch_get(b, SPAN("name"), 7, mem).text, "odd"));
    assert_false(batch_get(b, SPAN("duration_ms"), 7, mem).is_set);
    assert_true(batch_get(b, SPAN("duration_ms"), 9, mem).f == 4.5);
    assert_true(span_is(batch_get(b, SPAN("host.name"), 99, mem).text, "a1"));
    assert_true(span_is(batch_get(b, SPAN(F_SPAN_ID), 15, mem).text, "0000000000000010"));
    buf out;
    buf_init(&out, CAP);
    assert_int_equal(batch_encode(b, &out, NULL), SK_OK);
    batch *d = NULL;
    err e = {0};
    assert_int_equal(batch_decode(buf_span(&out), CAP, &d, &e), SK_OK);
    assert_true(span_is(batch_get(d, SPAN("host.name"), 99, mem).text, "a1"));
    batch_free(d);
    buf_done(&out);
    arena_free(mem);
    batch_free(b);
}

TEST_GROUP(event_batch, TEST(builds_what_was_put));
TEST_MAIN(event_batch)
