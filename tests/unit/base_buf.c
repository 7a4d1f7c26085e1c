/*
 * tests/unit/base_buf.c: what is appended is there, whole or not at all.
 */
#include "check.h"

#include "base/buf.h"

static void appends_all_kinds(void **state)
{
    static const uint8_t want[] = {'a', 'b', 1, 2, 1, 4,    3,    2,    1,   8,   7,  6,
                                   5,   4,   3, 2, 1, 0xac, 0x02, 0x01, '7', '-', 'x'};
    buf b;
    buf_init(&b, 1000);
    buf_add(&b, NULL, 0);
    buf_add_span(&b, (span){NULL, 0});
    buf_add_text(&b, "ab");
    buf_add_u8(&b, 1);
    buf_add_u16(&b, 0x0102);
    buf_add_u32(&b, 0x01020304);
    buf_add_u64(&b, 0x0102030405060708);
    buf_add_varint(&b, 300);
    buf_add_zigzag(&b, -1);
    buf_print(&b, "%d-%s", 7, "x");
    check_span(buf_span(&b), span_of(want, sizeof want));
    buf_align(&b, 8);
    assert_int_equal(b.len, 24);
    buf_align(&b, 8);
    assert_int_equal(b.len, 24);
    assert_int_equal(b.at[23], 0);
    buf_clear(&b);
    assert_int_equal(b.len, 0);
    buf_done(&b);
    assert_null(b.at);
}

static void fills_to_its_maximum_and_drops_the_rest(void **state)
{
    buf b;
    buf_init(&b, 1000);
    for (int i = 0; i < 100; i++)
        buf_add_text(&b, "0123456789");
    assert_false(b.failed);
    assert_int_equal(b.len, 1000);
    assert_true(b.capacity <= 1000);
    buf_add_u8(&b, 1);
    assert_true(b.failed);
    assert_int_equal(b.len, 1000);
    buf_clear(&b);
    assert_false(b.failed);
    buf_add_text(&b, "x");
    buf_add(&b, b.at, 0);
    assert_false(buf_reserve(&b, 1000));
    buf_add_text(&b, "y"); /* failed stays */
    check_text(buf_span(&b), "x");
    buf_done(&b);
    buf_init(&b, SIZE_MAX);
    assert_true(buf_reserve(&b, 10));
    assert_false(buf_reserve(&b, SIZE_MAX - 5));
    buf_done(&b);
}

static void prints_long_text(void **state)
{
    buf b;
    buf_init(&b, 10000);
    buf_add_text(&b, "x");
    buf_print(&b, "%5000d|", 7);
    assert_int_equal(b.len, 5002);
    check_text(span_from(buf_span(&b), 4999), " 7|");
    buf_done(&b);
}

static void survives_a_lack_of_memory(void **state)
{
    EACH_ALLOC_FAILURE(n)
    {
        buf b;
        buf_init(&b, SIZE_MAX);
        for (int i = 0; i < 10; i++) {
            size_t before = b.len;
            buf_print(&b, "%*d", 200 * (i + 1), 7);
            assert_true(b.failed ? b.len == before : b.len > before);
        }
        assert_int_equal(b.failed, alloc_did_fail());
        buf_done(&b);
    }
}

TEST_GROUP(base_buf, TEST(appends_all_kinds), TEST(fills_to_its_maximum_and_drops_the_rest),
           TEST(prints_long_text), TEST(survives_a_lack_of_memory));
