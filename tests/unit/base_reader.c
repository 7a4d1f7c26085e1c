/*
 * tests/unit/base_reader.c: reads back what buf wrote, and never past the end.
 */
#include "check.h"

#include "base/buf.h"
#include "base/reader.h"

static void reads_back_what_buf_wrote(void **state)
{
    uint64_t seed = 51;
    for (int i = 0; i < 2000; i++) {
        buf b;
        uint64_t v = check_random(&seed) >> (check_random(&seed) % 64);
        buf_init(&b, 1000);
        buf_add_u8(&b, (uint8_t)v);
        buf_add_u16(&b, (uint16_t)v);
        buf_add_u32(&b, (uint32_t)v);
        buf_add_u64(&b, v);
        buf_add_varint(&b, v);
        buf_add_zigzag(&b, (int64_t)v);
        buf_add_zigzag(&b, -(int64_t)(v >> 1));
        buf_align(&b, 8);
        buf_add_text(&b, "end");
        reader r = reader_of(buf_span(&b));
        assert_int_equal(reader_u8(&r), (uint8_t)v);
        assert_int_equal(reader_u16(&r), (uint16_t)v);
        assert_int_equal(reader_u32(&r), (uint32_t)v);
        assert_true(reader_u64(&r) == v);
        assert_true(reader_varint(&r) == v);
        assert_true(reader_zigzag(&r) == (int64_t)v);
        assert_true(reader_zigzag(&r) == -(int64_t)(v >> 1));
        reader_align(&r, 8);
        assert_int_equal(reader_offset(&r) % 8, 0);
        assert_int_equal(reader_left(&r), 3);
        check_text(reader_bytes(&r, 3), "end");
        assert_false(r.failed);
        buf_done(&b);
    }
}

static void fails_at_the_end_and_stays_failed(void **state)
{
    static const uint8_t bytes[] = {1, 2, 3};
    reader r = reader_of(span_of(bytes, 3));
    assert_int_equal(reader_u32(&r), 0);
    assert_true(r.failed);
    assert_int_equal(reader_u8(&r), 0);
    assert_int_equal(reader_left(&r), 0);
    r = reader_of(span_of(bytes, 3));
    assert_int_equal(reader_u64(&r), 0);
    assert_true(r.failed);
    r = reader_of(span_of(bytes, 1));
    assert_int_equal(reader_u16(&r), 0);
    assert_true(r.failed);
    r = reader_of(span_of(bytes, 3));
    assert_int_equal(reader_bytes(&r, SIZE_MAX).len, 0);
    assert_true(r.failed);
    r = reader_of(span_of(bytes, 3));
    reader_bytes(&r, 1);
    reader_align(&r, 8);
    assert_true(r.failed);
    r = reader_of((span){NULL, 0});
    assert_int_equal(reader_bytes(&r, 0).len, 0);
    assert_false(r.failed);
    assert_int_equal(reader_varint(&r), 0);
    assert_true(r.failed);
}

static void varints_are_at_most_64_bits(void **state)
{
    static const uint8_t most[] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 1};
    static const uint8_t over[] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 2};
    static const uint8_t longer[] = {128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 0};
    static const uint8_t padded[] = {129, 128, 0};
    reader r = reader_of(span_of(most, sizeof most));
    assert_true(reader_varint(&r) == UINT64_MAX && !r.failed);
    r = reader_of(span_of(over, sizeof over));
    assert_true(reader_varint(&r) == 0 && r.failed);
    r = reader_of(span_of(longer, sizeof longer));
    assert_true(reader_varint(&r) == 0 && r.failed);
    r = reader_of(span_of(padded, sizeof padded));
    assert_true(reader_varint(&r) == 1 && !r.failed);
    for (size_t cut = 1; cut < sizeof most; cut++) {
        r = reader_of(span_of(most, cut));
        assert_true(reader_varint(&r) == 0 && r.failed);
    }
}

TEST_GROUP(base_reader, TEST(reads_back_what_buf_wrote), TEST(fails_at_the_end_and_stays_failed),
           TEST(varints_are_at_most_64_bits));
