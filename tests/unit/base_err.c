/*
 * tests/unit/base_err.c: sentences are always valid text, and the table answers for every code.
 */
#include "check.h"

static void says_what_and_returns_the_code(void **state)
{
    err e;
    assert_int_equal(err_set(&e, SK_TOO_LARGE, "%d of %.*s", 3, SPAN_FMT(SPAN("things"))),
                     SK_TOO_LARGE);
    assert_int_equal(e.code, SK_TOO_LARGE);
    assert_string_equal(e.text, "3 of things");
    assert_int_equal(e.offset, 0);
    assert_int_equal(err_set(NULL, SK_IO, "x"), SK_IO);
    err_prefix(&e, "file %s", "a");
    assert_string_equal(e.text, "file a: 3 of things");
    assert_int_equal(e.code, SK_TOO_LARGE);
    err_prefix(NULL, "x");
}

static void broken_bytes_of_a_sender_become_question_marks(void **state)
{
    err e;
    err_set(&e, SK_BAD_INPUT, "key \"%s\" and \xc3\xa9", "a\xff\xc3z\xe2\x82");
    assert_string_equal(e.text, "key \"a??z??\" and \xc3\xa9");
}

static void long_sentences_are_cut_between_characters(void **state)
{
    for (size_t pad = 0; pad < 8; pad++) {
        char text[600];
        size_t len = pad;
        err e;
        memset(text, 'x', pad);
        for (; len + 3 < sizeof text; len += 3)
            memcpy(text + len, "\xe2\x82\xac", 3);
        text[len] = 0;
        err_set(&e, SK_BAD_INPUT, "%s", text);
        assert_true(utf8_is_valid(span_text(e.text)));
        assert_null(strchr(e.text, '?'));
        assert_true(strlen(e.text) > sizeof e.text - 5);
        err_prefix(&e, "what failed");
        assert_true(utf8_is_valid(span_text(e.text)));
        assert_null(strchr(e.text, '?'));
        assert_true(span_starts_with(span_text(e.text), SPAN("what failed: ")));
    }
}

static void the_table_answers_for_every_code(void **state)
{
    for (unsigned i = 0; i < SK_CODE_COUNT; i++) {
        sk_code code = (sk_code)i;
        assert_in_range(sk_http_status(code), 200, 599);
        assert_in_range(sk_grpc_status(code), 0, 16);
        assert_int_equal(sk_grpc_status(code) == 0, code == SK_OK);
        assert_true(strlen(sk_name(code)) > 1);
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(sk_name(code), sk_name((sk_code)k));
    }
    assert_string_equal(sk_name(SK_BAD_INPUT), "bad_input");
    assert_int_equal(sk_http_status(SK_THROTTLED), 429);
    assert_int_equal(sk_grpc_status(SK_IO), 14);
    assert_true(sk_may_retry(SK_BUSY));
    assert_false(sk_may_retry(SK_BAD_INPUT));
}

TEST_GROUP(base_err, TEST(says_what_and_returns_the_code),
           TEST(broken_bytes_of_a_sender_become_question_marks),
           TEST(long_sentences_are_cut_between_characters), TEST(the_table_answers_for_every_code));
