/*
 * tests/unit/wire_json_write.c: the writer's text, exactly.
 */
#include "check.h"

#include <math.h>

#include "wire/json.h"

static void puts_commas_and_colons(void **state)
{
    buf b;
    buf_init(&b, 1000);
    json_writer w = {.out = &b};
    jw_object(&w);
    jw_key_text(&w, "a");
    jw_array(&w);
    jw_i64(&w, -1);
    jw_array(&w);
    jw_array_end(&w);
    jw_object(&w);
    jw_object_end(&w);
    jw_null(&w);
    jw_array_end(&w);
    jw_key(&w, SPAN("b\n"));
    jw_bool(&w, true);
    jw_key_text(&w, "c");
    jw_raw(&w, SPAN("[1]"));
    jw_key_text(&w, "d");
    jw_text(&w, "x");
    jw_object_end(&w);
    check_text(buf_span(&b), "{\"a\":[-1,[],{},null],\"b\\n\":true,\"c\":[1],\"d\":\"x\"}");
    buf_done(&b);
}

static void integers_beyond_two_to_the_53_are_strings(void **state)
{
    buf b;
    buf_init(&b, 1000);
    json_writer w = {.out = &b};
    jw_array(&w);
    jw_i64(&w, 9007199254740992);
    jw_i64(&w, 9007199254740993);
    jw_i64(&w, -9007199254740992);
    jw_i64(&w, INT64_MIN);
    jw_u64(&w, 0);
    jw_u64(&w, UINT64_MAX);
    jw_i64_text(&w, -7);
    jw_array_end(&w);
    check_text(
        buf_span(&b),
        "[9007199254740992,\"9007199254740993\",-9007199254740992,\"-9223372036854775808\",0,"
        "\"18446744073709551615\",\"-7\"]");
    buf_done(&b);
}

typedef struct string_row {
    const char *name;
    span text;
    const char *want;
} string_row;

#define TEXT(literal)                                                                              \
    {                                                                                              \
        (const uint8_t *)(literal), sizeof(literal) - 1                                            \
    }

static const string_row string_rows[] = {
    {"plain", TEXT("abc <>&/"), "\"abc <>&/\""},
    {"empty", TEXT(""), "\"\""},
    {"escapes", TEXT("\"\\\b\f\n\r\t\x01\x1f\x7f"),
     "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\""},
    {"NUL", TEXT("a\0b"), "\"a\\u0000b\""},
    {"UTF-8", TEXT("\xc3\xa9\xe2\x80\xa8\xf0\x9f\x98\x80"),
     "\"\xc3\xa9\xe2\x80\xa8\xf0\x9f\x98\x80\""},
    {"broken bytes", TEXT("a\xff\xc3\xa9\xc3"), "\"a\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\""},
    {"broken, then an escape", TEXT("\x80\"\x80"), "\"\xef\xbf\xbd\\\"\xef\xbf\xbd\""},
};

static void strings_are_escaped_and_always_utf8(void **state)
{
    EACH_ROW(row, string_rows)
    {
        buf b;
        buf_init(&b, 1000);
        json_writer w = {.out = &b};
        jw_string(&w, row->text);
        check_text(buf_span(&b), row->want);
        buf_done(&b);
    }
}

/* One byte of each kind at each place of texts that are looked at eight bytes at a time. */
static void a_byte_is_escaped_wherever_it_stands(void **state)
{
    static const struct {
        char byte;
        const char *want;
    } kinds[] = {{'"', "\\\""},
                 {'\\', "\\\\"},
                 {'\n', "\\n"},
                 {0, "\\u0000"},
                 {31, "\\u001f"},
                 {' ', " "},
                 {(char)0x80, "\xef\xbf\xbd"},
                 {'!', "!"}};
    for (size_t len = 1; len <= 40; len++)
        for (size_t at = 0; at < len; at++)
            for (size_t k = 0; k < COUNT_OF(kinds); k++) {
                char text[40], want[60];
                memset(text, 'a', sizeof text);
                text[at] = kinds[k].byte;
                snprintf(want, sizeof want, "\"%.*s%s%.*s\"", (int)at, text, kinds[k].want,
                         (int)(len - at - 1), text + at + 1);
                buf b;
                buf_init(&b, 1000);
                json_writer w = {.out = &b};
                jw_string(&w, span_of(text, len));
                check_text(buf_span(&b), want);
                buf_done(&b);
            }
}

static void doubles_without_a_value_are_null(void **state)
{
    buf b;
    buf_init(&b, 1000);
    json_writer w = {.out = &b};
    jw_array(&w);
    jw_double(&w, 0.1);
    jw_double(&w, (double)NAN);
    jw_double(&w, -(double)INFINITY);
    jw_array_end(&w);
    check_text(buf_span(&b), "[0.1,null,null]");
    buf_done(&b);
}

static void a_full_buffer_only_fails(void **state)
{
    buf b;
    buf_init(&b, 4);
    json_writer w = {.out = &b};
    jw_array(&w);
    for (int i = 0; i < 10; i++)
        jw_text(&w, "text");
    assert_true(b.failed);
    assert_true(b.len <= 4);
    buf_done(&b);
}

static void what_is_written_is_read_back(void **state)
{
    uint64_t seed = 3;
    for (int i = 0; i < 2000; i++) {
        uint8_t bytes[24];
        size_t len = check_random(&seed) % sizeof bytes;
        for (size_t k = 0; k < len; k++)
            bytes[k] = (uint8_t)(check_random(&seed) % 130);
        buf b;
        buf_init(&b, 1000);
        arena *a = arena_new(1000);
        json_writer w = {.out = &b};
        jw_string(&w, span_of(bytes, len));
        json j = json_of(buf_span(&b), a);
        assert_int_equal(json_next(&j), JSON_STRING);
        if (utf8_is_valid(span_of(bytes, len)))
            check_span(j.text, span_of(bytes, len));
        arena_free(a);
        buf_done(&b);
    }
}

TEST_GROUP(wire_json_write, TEST(puts_commas_and_colons),
           TEST(integers_beyond_two_to_the_53_are_strings),
           TEST(strings_are_escaped_and_always_utf8), TEST(a_byte_is_escaped_wherever_it_stands),
           TEST(doubles_without_a_value_are_null), TEST(a_full_buffer_only_fails),
           TEST(what_is_written_is_read_back));
