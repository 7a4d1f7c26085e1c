/*
 * tests/unit/base_span.c: comparing, cutting and trimming; UTF-8.
 */
#include "check.h"

static int sign(int v)
{
    return (v > 0) - (v < 0);
}

static void compares_bytewise_and_shorter_first(void **state)
{
    assert_int_equal(span_compare(SPAN("a"), SPAN("b")), -1);
    assert_int_equal(sign(span_compare(SPAN("b"), SPAN("a"))), 1);
    assert_int_equal(sign(span_compare(SPAN("ab"), SPAN("a"))), 1);
    assert_int_equal(sign(span_compare(SPAN(""), SPAN("a"))), -1);
    assert_int_equal(span_compare(SPAN("a\0b"), SPAN("a\0b")), 0);
    assert_int_equal(sign(span_compare(SPAN("\x80"), SPAN("\x7f"))), 1);
    assert_int_equal(span_compare((span){NULL, 0}, SPAN("")), 0);
    assert_true(span_equal((span){NULL, 0}, SPAN("")));
    assert_false(span_equal(SPAN("a"), SPAN("b")));
    assert_true(span_is(SPAN("x"), "x"));
    assert_true(span_is(SPAN(""), NULL));
}

static void ignores_the_case_of_ascii_letters_alone(void **state)
{
    assert_true(span_equal_nocase(SPAN("Content-TYPE"), SPAN("content-type")));
    assert_false(span_equal_nocase(SPAN("@"), SPAN("`")));
    assert_false(span_equal_nocase(SPAN("["), SPAN("{")));
    assert_false(span_equal_nocase(SPAN("\xc4"), SPAN("\xe4")));
    assert_false(span_equal_nocase(SPAN("a"), SPAN("ab")));
}

static void finds_beginnings_ends_and_parts(void **state)
{
    assert_true(span_starts_with(SPAN("abc"), SPAN("ab")));
    assert_false(span_starts_with(SPAN("a"), SPAN("ab")));
    assert_true(span_starts_with(SPAN("a"), SPAN("")));
    assert_true(span_ends_with(SPAN("abc"), SPAN("bc")));
    assert_false(span_ends_with(SPAN("c"), SPAN("bc")));
    assert_true(span_ends_with((span){NULL, 0}, SPAN("")));
    assert_true(span_contains(SPAN("abc"), SPAN("b")));
    assert_true(span_contains(SPAN("abc"), SPAN("abc")));
    assert_true(span_contains((span){NULL, 0}, (span){NULL, 0}));
    assert_false(span_contains(SPAN("abc"), SPAN("abd")));
    assert_false(span_contains(SPAN("abc"), SPAN("abcd")));
}

static void parts_stay_inside(void **state)
{
    check_text(span_from(SPAN("abc"), 1), "bc");
    check_text(span_from(SPAN("abc"), 3), "");
    check_text(span_from(SPAN("abc"), 4), "");
    assert_null(span_from((span){NULL, 0}, 1).at);
    check_text(span_first(SPAN("abc"), 2), "ab");
    check_text(span_first(SPAN("abc"), 4), "abc");
    check_text(span_trim(SPAN(" \t\r\n a b \v\f")), "a b");
    check_text(span_trim(SPAN("  ")), "");
    check_text(span_trim((span){NULL, 0}), "");
}

static void cuts_at_the_separator(void **state)
{
    span rest = SPAN("a,,b");
    check_text(span_cut(&rest, ','), "a");
    check_text(span_cut(&rest, ','), "");
    assert_non_null(rest.at);
    check_text(span_cut(&rest, ','), "b");
    assert_null(rest.at);
    check_text(span_cut(&rest, ','), "");
    rest = SPAN("a,");
    check_text(span_cut(&rest, ','), "a");
    assert_non_null(rest.at); /* one more, empty piece follows */
    check_text(span_cut(&rest, ','), "");
    assert_null(rest.at);
}

typedef struct utf8_row {
    const char *name;
    span bytes;
    size_t valid;
} utf8_row;

#define BYTES(literal)                                                                             \
    {                                                                                              \
        (const uint8_t *)(literal), sizeof(literal) - 1                                            \
    }

static const utf8_row utf8_rows[] = {
    {"empty", BYTES(""), 0},
    {"ASCII with NUL", BYTES("a\0b"), 3},
    {"two bytes", BYTES("\xc2\x80\xdf\xbf"), 4},
    {"three bytes", BYTES("\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf"), 12},
    {"four bytes", BYTES("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"), 8},
    {"overlong two", BYTES("a\xc0\x80"), 1},
    {"overlong two, high", BYTES("a\xc1\xbf"), 1},
    {"overlong three", BYTES("\xe0\x9f\xbf"), 0},
    {"overlong four", BYTES("\xf0\x8f\xbf\xbf"), 0},
    {"surrogate", BYTES("\xed\xa0\x80"), 0},
    {"above U+10FFFF", BYTES("\xf4\x90\x80\x80"), 0},
    {"lead of five", BYTES("\xf8\x88\x80\x80\x80"), 0},
    {"continuation alone", BYTES("abcdefgh\x80"), 8},
    {"cut after one", BYTES("abcdefghij\xe2"), 10},
    {"cut after two", BYTES("abcdefghij\xe2\x82"), 10},
    {"third byte wrong", BYTES("\xe2\x82x"), 0},
    {"fourth byte wrong", BYTES("\xf0\x9f\x98x"), 0},
    {"0xff in a long run", BYTES("0123456789abcdef0123456\xff"), 23},
};

static void knows_valid_utf8(void **state)
{
    EACH_ROW(row, utf8_rows)
    {
        uint8_t *exact = malloc(row->bytes.len + 1); /* ASan sees a read past the end */
        memcpy(exact, row->bytes.at, row->bytes.len);
        exact = realloc(exact, row->bytes.len ? row->bytes.len : 1);
        span s = span_of(exact, row->bytes.len);
        assert_int_equal(utf8_prefix(s), row->valid);
        assert_int_equal(utf8_is_valid(s), row->valid == row->bytes.len);
        free(exact);
    }
}

TEST_GROUP(base_span, TEST(compares_bytewise_and_shorter_first),
           TEST(ignores_the_case_of_ascii_letters_alone), TEST(finds_beginnings_ends_and_parts),
           TEST(parts_stay_inside), TEST(cuts_at_the_separator), TEST(knows_valid_utf8));
