/*
 * tests/unit/wire_protobuf.c: fields written are read back, and nothing malformed gets past the reader.
 */
#include "check.h"

#include "wire/protobuf.h"

static void reads_back_what_it_wrote(void **state)
{
    buf b;
    buf_init(&b, 100000);
    pb_put_var(&b, 1, UINT64_MAX);
    pb_put_i64(&b, 2, 0x0102030405060708ull);
    pb_put_i32(&b, 3, 0xdeadbeef);
    pb_put_double(&b, 4, -0.5);
    pb_put_bytes(&b, 5, SPAN("text"));
    size_t outer = pb_begin(&b, 6);
    size_t inner = pb_begin(&b, 1);
    for (int i = 0; i < 300; i++)
        buf_add_u8(&b, 'x');
    pb_finish(&b, inner);
    size_t empty = pb_begin(&b, 2);
    pb_finish(&b, empty);
    pb_finish(&b, outer);
    pb_put_var(&b, 7, 5); /* zigzag of -3 */
    pb_put_var(&b, 536870911, 1);
    assert_false(b.failed);

    reader r = reader_of(buf_span(&b));
    assert_int_equal(pb_tag(&r), PB(1, VAR));
    assert_true(pb_var(&r) == UINT64_MAX);
    assert_int_equal(pb_tag(&r), PB(2, I64));
    assert_true(pb_i64(&r) == 0x0102030405060708ull);
    assert_int_equal(pb_tag(&r), PB(3, I32));
    assert_int_equal(pb_i32(&r), 0xdeadbeef);
    assert_int_equal(pb_tag(&r), PB(4, I64));
    check_near(pb_double(&r), -0.5, 0);
    assert_int_equal(pb_tag(&r), PB(5, LEN));
    check_text(pb_bytes(&r), "text");
    assert_int_equal(pb_tag(&r), PB(6, LEN));
    reader message = pb_message(&r);
    assert_int_equal(reader_left(&message), 2 + 1 + 300 + 2);
    assert_int_equal(pb_tag(&message), PB(1, LEN));
    assert_int_equal(pb_bytes(&message).len, 300);
    assert_int_equal(pb_tag(&message), PB(2, LEN));
    assert_int_equal(pb_bytes(&message).len, 0);
    assert_int_equal(pb_tag(&message), 0);
    pb_end(&r, &message);
    assert_int_equal(pb_tag(&r), PB(7, VAR));
    assert_int_equal(pb_sint(&r), -3);
    assert_int_equal(pb_tag(&r), PB(536870911, VAR));
    assert_int_equal(pb_var(&r), 1);
    assert_int_equal(pb_tag(&r), 0);
    assert_false(r.failed);
    buf_done(&b);
}

static void the_length_of_a_message_is_minimal_at_every_size(void **state)
{
    static const size_t sizes[] = {0, 1, 127, 128, 16383, 16384, 70000};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        buf b, want;
        buf_init(&b, 100000);
        buf_init(&want, 100000);
        size_t begun = pb_begin(&b, 1);
        for (size_t n = 0; n < sizes[i]; n++)
            buf_add_u8(&b, (uint8_t)n);
        span content = span_from(buf_span(&b), begun);
        pb_put_bytes(&want, 1, content);
        pb_finish(&b, begun);
        check_span(buf_span(&b), buf_span(&want));
        buf_done(&b);
        buf_done(&want);
    }
}

static void a_full_buffer_stays_failed(void **state)
{
    buf b;
    buf_init(&b, 150);
    size_t begun = pb_begin(&b, 1);
    for (int i = 0; i < 148; i++)
        buf_add_u8(&b, 1);
    assert_false(b.failed);
    pb_finish(&b, begun); /* needs one byte more for the length */
    assert_true(b.failed);
    pb_finish(&b, begun);
    buf_done(&b);
}

typedef struct skip_row {
    const char *name;
    span bytes;
    bool is_good;
} skip_row;

#define BYTES(...)                                                                                 \
    {                                                                                              \
        (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})                     \
    }

static const skip_row skip_rows[] = {
    {"varint", BYTES(0x08, 0x96, 0x01), true},
    {"eight bytes", BYTES(0x09, 1, 2, 3, 4, 5, 6, 7, 8), true},
    {"eight bytes cut", BYTES(0x09, 1, 2, 3, 4, 5, 6, 7), false},
    {"four bytes", BYTES(0x0d, 1, 2, 3, 4), true},
    {"four bytes cut", BYTES(0x0d, 1, 2, 3), false},
    {"length", BYTES(0x0a, 2, 1, 2), true},
    {"length past the end", BYTES(0x0a, 3, 1, 2), false},
    {"length of 2^64-1", BYTES(0x0a, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1), false},
    {"group", BYTES(0x0b, 0x10, 5, 0x1b, 0x1c, 0x0c), true},
    {"group without end", BYTES(0x0b, 0x10, 5), false},
    {"group closed by another", BYTES(0x0b, 0x14), false},
    {"end of no group", BYTES(0x0c), false},
    {"wire type 6", BYTES(0x0e), false},
    {"wire type 7", BYTES(0x0f), false},
    {"field number 0", BYTES(0x00, 0x00), false},
    {"field number 2^29", BYTES(0x80, 0x80, 0x80, 0x80, 0x10, 0x00), false},
    {"varint of 10 bytes", BYTES(0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1), true},
    {"varint of 65 bits", BYTES(0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2), false},
    {"varint of 11 bytes", BYTES(0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 128, 1), false},
    {"varint cut", BYTES(0x08, 0x80), false},
};

static void skips_what_is_whole_and_fails_what_is_not(void **state)
{
    EACH_ROW(row, skip_rows)
    {
        reader r = reader_of(row->bytes);
        for (uint32_t tag; (tag = pb_tag(&r));)
            pb_skip(&r, tag);
        assert_int_equal(r.failed, !row->is_good);
        assert_ptr_equal(r.at, r.end);
    }
}

static void bounds_the_nesting_of_groups(void **state)
{
    uint8_t bytes[66];
    for (unsigned depth = 32; depth <= 33; depth++) {
        memset(bytes, 0x0b, depth);
        memset(bytes + depth, 0x0c, depth);
        reader r = reader_of(span_of(bytes, 2 * depth));
        pb_skip(&r, pb_tag(&r));
        assert_int_equal(r.failed, depth > 32);
    }
}

static void a_failed_child_fails_its_parent(void **state)
{
    static const uint8_t bytes[] = {0x0a, 1, 0x80, 0x08, 1};
    reader r = reader_of(span_of(bytes, sizeof bytes));
    pb_tag(&r);
    reader child = pb_message(&r);
    pb_var(&child);
    assert_true(child.failed);
    pb_end(&r, &child);
    assert_true(r.failed);
    assert_int_equal(pb_tag(&r), 0);
}

TEST_GROUP(wire_protobuf, TEST(reads_back_what_it_wrote),
           TEST(the_length_of_a_message_is_minimal_at_every_size), TEST(a_full_buffer_stays_failed),
           TEST(skips_what_is_whole_and_fails_what_is_not), TEST(bounds_the_nesting_of_groups),
           TEST(a_failed_child_fails_its_parent));
