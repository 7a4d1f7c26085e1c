/*
 * tests/unit/wire_json_read.c: the reader against a table of RFC 8259's corners and against jansson on random and
 * damaged documents.
 */
#include "check.h"

#include <math.h>

#include "wire/json.h"
#include "wire_jansson.h"

static const char *const marks[] = {
    [JSON_OBJECT] = "{",  [JSON_OBJECT_END] = "}", [JSON_ARRAY] = "[",  [JSON_ARRAY_END] = "]",
    [JSON_TRUE] = "true", [JSON_FALSE] = "false",  [JSON_NULL] = "null"};

/* The whole document as one line of text, or "!" and what was wrong. */
static void trace(span text, arena *a, buf *out)
{
    json j = json_of(text, a);
    err e;
    while (json_next(&j) != JSON_END) {
        if (j.kind == JSON_KEY || j.kind == JSON_STRING)
            buf_print(out, j.kind == JSON_KEY ? "<%.*s>:" : "<%.*s>", SPAN_FMT(j.text));
        else if (j.kind == JSON_NUMBER)
            buf_print(out, j.is_integer ? "i%.*s" : "f%.*s", SPAN_FMT(j.text));
        else
            buf_add_text(out, marks[j.kind]);
        buf_add_u8(out, ' ');
    }
    if (json_error(&j, &e) != SK_OK)
        buf_print(out, "!%zu %s", e.offset, j.why);
}

typedef struct trace_row {
    const char *name, *text, *want;
} trace_row;

static const trace_row trace_rows[] = {
    {"scalars", " [ 1,-0, 1.5e+3 ,true,false,null,\"s\"]\r\n\t",
     "[ i1 i-0 f1.5e+3 true false null <s> ] "},
    {"objects", "{\"a\":{},\"b\":[{\"c\":1}],\"a\":2}",
     "{ <a>: { } <b>: [ { <c>: i1 } ] <a>: i2 } "},
    {"top level scalar", "7", "i7 "},
    {"escapes", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"",
     "<\"\\/\b\f\n\r\tA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80> "},
    {"lone surrogates", "\"\\ud83dx\\ude00\\ud800\\ud83d\\ude00\"",
     "<\xef\xbf\xbdx\xef\xbf\xbd\xef\xbf\xbd\xf0\x9f\x98\x80> "},
    {"raw UTF-8", "\"\xc3\xa9 and a longer tail of text \xe2\x82\xac\"",
     "<\xc3\xa9 and a longer tail of text \xe2\x82\xac> "},
    {"empty", "", "!0 nothing: the document is empty"},
    {"space only", "  ", "!2 the end where a value belongs"},
    {"two values", "1 2", "i1 !2 more after the end of the document"},
    {"no colon", "{\"a\" 1}", "{ !5 a key without its colon"},
    {"no comma", "[1 2]", "[ i1 !3 something else where a comma or the end of the list belongs"},
    {"comma at the end", "[1,]", "[ i1 !3 a byte that starts no value"},
    {"comma at the end of an object", "{\"a\":1,}",
     "{ <a>: i1 !7 something else where a key in quotes belongs"},
    {"wrong end", "[1}", "[ i1 !2 something else where a comma or the end of the list belongs"},
    {"key not a string", "{1:2}", "{ !1 something else where a key in quotes belongs"},
    {"unclosed", "[[1]", "[ [ i1 ] !4 something else where a comma or the end of the list belongs"},
    {"unclosed string", "[\"abc", "[ !1 a string without its closing quote"},
    {"control character", "\"a\nb\"", "!2 a control character inside a string"},
    {"unknown escape", "\"a\\x\"", "!2 an escape that is none of JSON's"},
    {"short escape", "\"\\u12g4\"", "!1 an escape that is none of JSON's"},
    {"escape at the end", "\"\\", "!1 an escape that is none of JSON's"},
    {"leading zero", "01", "!0 a number with a leading zero"},
    {"minus alone", "[-]", "[ !1 a minus sign without a number"},
    {"point at the end", "1.", "!0 a number that ends in its decimal point"},
    {"exponent alone", "1e+", "!0 a number without its exponent's digits"},
    {"plus", "+1", "!0 a byte that starts no value"},
    {"word", "nul", "!0 a word that is neither true, false nor null"},
    {"NaN", "NaN", "!0 a byte that starts no value"},
    {"byte order mark", "\xef\xbb\xbf{}", "!0 a byte that starts no value"},
    {"overlong UTF-8", "\"ab\xc0\xaf\"", "!3 a string that is not valid UTF-8"},
    {"surrogate in UTF-8", "\"\xed\xa0\x80\"", "!1 a string that is not valid UTF-8"},
    {"UTF-8 cut in a long string", "\"0123456789abcdef0123456789abcdef\xe2\x82\"",
     "!33 a string that is not valid UTF-8"},
};

static void reads_the_corners_of_the_grammar(void **state)
{
    EACH_ROW(row, trace_rows)
    {
        buf out;
        buf_init(&out, 10000);
        arena *a = arena_new(10000);
        trace(span_text(row->text), a, &out);
        check_text(buf_span(&out), row->want);
        arena_free(a);
        buf_done(&out);
    }
}

static void errors_name_line_and_byte(void **state)
{
    err e;
    json j = json_of(SPAN("{\n \"a\":\n tru}"), NULL);
    while (json_next(&j) != JSON_END)
        ;
    check_code(json_error(&j, &e), SK_BAD_INPUT, &e);
    assert_string_equal(e.text,
                        "JSON, line 3, byte 9: found a word that is neither true, false nor null");
    assert_int_equal(json_next(&j), JSON_END);
}

static void nests_to_the_limit_and_no_deeper(void **state)
{
    char text[2 * (JSON_DEPTH_MAX + 1)];
    for (unsigned depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        json j = json_of(span_of(text, 2 * depth), NULL);
        while (json_next(&j) != JSON_END)
            ;
        assert_int_equal(j.failed, depth > JSON_DEPTH_MAX);
    }
}

static void strings_with_escapes_need_the_arena(void **state)
{
    err e;
    arena *a = arena_new(3);
    json j = json_of(SPAN("\"ab\\n\""), a);
    json_next(&j);
    check_code(json_error(&j, &e), SK_TOO_LARGE, &e);
    arena_free(a);
    j = json_of(SPAN("[\"a\\u0041b\",1]"), NULL);
    json_next(&j);
    json_skip(&j);
    assert_int_equal(json_next(&j), JSON_END);
    check_ok(json_error(&j, &e), &e);
}

static void borrows_plain_strings_from_the_input(void **state)
{
    span text = SPAN("[\"plain\"]");
    json j = json_of(text, NULL);
    json_next(&j);
    json_next(&j);
    assert_ptr_equal(j.text.at, text.at + 2);
}

static void skips_and_gives_the_source(void **state)
{
    json j =
        json_of(SPAN("{\"a\": [1, {\"x\":\"]\"}] ,\"b\":\"\\n\",\"c\" : -1.5 ,\"d\":{}}"), NULL);
    json_next(&j);
    json_next(&j);
    check_text(json_raw(&j), "[1, {\"x\":\"]\"}]");
    assert_int_equal(json_next(&j), JSON_KEY);
    check_text(json_raw(&j), "\"\\n\"");
    assert_int_equal(json_next(&j), JSON_KEY);
    assert_int_equal(json_next(&j), JSON_NUMBER);
    check_text(json_raw(&j), "-1.5");
    assert_int_equal(json_next(&j), JSON_KEY);
    check_text(j.text, "d");
    assert_int_equal(json_next(&j), JSON_OBJECT);
    check_text(json_raw(&j), "{}");
    assert_int_equal(json_next(&j), JSON_OBJECT_END);
    assert_int_equal(json_next(&j), JSON_END);
    assert_false(j.failed);

    j = json_of(SPAN("{\"a\":[1,}"), NULL);
    json_next(&j);
    json_next(&j);
    json_skip(&j);
    assert_true(j.failed);
    assert_null(json_raw(&j).at);
}

typedef struct number_row {
    const char *name; /* the JSON text */
    bool has_i64, has_u64, has_double;
    int64_t i64;
    uint64_t u64;
    double number;
} number_row;

static const number_row number_rows[] = {
    {"0", true, true, true, 0, 0, 0},
    {"-9223372036854775808", true, false, true, INT64_MIN, 0, -0x1p63},
    {"9223372036854775807", true, true, true, INT64_MAX, INT64_MAX, 0x1p63},
    {"9223372036854775808", false, true, true, 0, 9223372036854775808u, 0x1p63},
    {"18446744073709551615", false, true, true, 0, UINT64_MAX, 0x1p64},
    {"18446744073709551616", false, false, true, 0, 0, 0x1p64},
    {"\"1700000000000000001\"", true, true, true, 1700000000000000001, 1700000000000000001, 1.7e18},
    {"\"-5\"", true, false, true, -5, 0, -5},
    {"1.0", true, true, true, 1, 1, 1},
    {"-2e3", true, false, true, -2000, 0, -2000},
    {"1.5", false, false, true, 0, 0, 1.5},
    {"1e19", false, true, true, 0, 10000000000000000000u, 1e19},
    {"1e400", false, false, false, 0, 0, 0},
    {"\"1.5\"", false, false, true, 0, 0, 1.5},
    {"\"Infinity\"", false, false, true, 0, 0, (double)INFINITY},
    {"\"-Infinity\"", false, false, true, 0, 0, -(double)INFINITY},
    {"\"\"", false, false, false, 0, 0, 0},
    {"\"12x\"", false, false, false, 0, 0, 0},
    {"true", false, false, false, 0, 0, 0},
};

static void numbers_come_as_what_fits(void **state)
{
    EACH_ROW(row, number_rows)
    {
        int64_t i64 = 77;
        uint64_t u64 = 77;
        double number = 77;
        json j = json_of(span_text(row->name), NULL);
        json_next(&j);
        assert_int_equal(json_i64(&j, &i64), row->has_i64);
        assert_true(i64 == (row->has_i64 ? row->i64 : 77));
        assert_int_equal(json_u64(&j, &u64), row->has_u64);
        assert_true(u64 == (row->has_u64 ? row->u64 : 77));
        assert_int_equal(json_double(&j, &number), row->has_double);
        assert_true(number == (row->has_double ? row->number : 77));
    }
    double number = 0;
    json j = json_of(SPAN("\"NaN\""), NULL);
    json_next(&j);
    assert_true(json_double(&j, &number));
    assert_true(number != number);
}

/* As jansson_trace. */
static void trace_as_jansson(json *j, buf *out)
{
    while (json_next(j) != JSON_END) {
        double number;
        int64_t whole;
        if (j->kind == JSON_KEY || j->kind == JSON_STRING) {
            buf_add_u8(out, '<');
            buf_add_span(out, j->text);
            buf_add_text(out, j->kind == JSON_KEY ? ">: " : "> ");
        } else if (j->kind == JSON_NUMBER && j->is_integer && json_i64(j, &whole)) {
            buf_print(out, "i%lld ", (long long)whole);
        } else if (j->kind == JSON_NUMBER && json_double(j, &number)) {
            buf_print(out, "f%.17g ", number);
        } else if (j->kind != JSON_NUMBER) {
            buf_print(out, "%s ", marks[j->kind]);
        }
    }
}

static void random_text(uint64_t *seed, buf *out)
{
    static const char *const pieces[] = {"a",
                                         "key",
                                         "\\n",
                                         "\\u00e9",
                                         "\\ud83d\\ude00",
                                         "\xc3\xa9",
                                         "\xe2\x82\xac",
                                         "a longer run of plain text, ",
                                         "\\\\",
                                         "\\\"",
                                         "0",
                                         " "};
    buf_add_u8(out, '"');
    for (uint64_t n = check_random(seed) % 6; n; n--)
        buf_add_text(out, pieces[check_random(seed) % COUNT_OF(pieces)]);
    buf_add_u8(out, '"');
}

static void random_value(uint64_t *seed, unsigned depth, buf *out)
{
    static const char *const scalars[] = {"true",      "false", "null",     "0",   "-1",
                                          "123456789", "1.5",   "-2.25e-3", "1E5", "0.1"};
    uint64_t what = check_random(seed) % (depth < 5 ? 5 : 3);
    if (what == 0)
        random_text(seed, out);
    else if (what < 3)
        buf_add_text(out, scalars[check_random(seed) % COUNT_OF(scalars)]);
    else {
        buf_add_text(out, what == 3 ? "[" : "{ ");
        for (uint64_t n = check_random(seed) % 4, i = 0; i < n; i++) {
            if (i)
                buf_add_text(out, " ,\n");
            if (what == 4) {
                random_text(seed, out);
                buf_add_text(out, ":\t");
            }
            random_value(seed, depth + 1, out);
        }
        buf_add_text(out, what == 3 ? " ]" : "}");
    }
}

/* Both must agree, on the value too; where jansson alone refuses it must be for a limit of its own. */
static void compare_with_jansson(span text)
{
    char why[160];
    err e;
    buf want, got;
    buf_init(&want, MIB);
    buf_init(&got, MIB);
    arena *a = arena_new(MIB);
    json j = json_of(text, a);
    trace_as_jansson(&j, &got);
    jansson_verdict verdict = jansson_trace(text, &want, why);
    if (verdict == JANSSON_TAKES && json_error(&j, &e) != SK_OK)
        fail_msg("jansson takes it (%s): %.*s", e.text, SPAN_FMT(text));
    if (verdict == JANSSON_REFUSES && !j.failed)
        fail_msg("jansson refuses it (%s): %.*s", why, SPAN_FMT(text));
    if (verdict == JANSSON_TAKES)
        check_span(buf_span(&got), buf_span(&want));
    arena_free(a);
    buf_done(&want);
    buf_done(&got);
}

static void agrees_with_jansson_on_random_documents(void **state)
{
    uint64_t seed = 1;
    for (int i = 0; i < 4000; i++) {
        static const uint8_t spice[] = "{}[]\",:\\u0-+.eE\n\x80\xc3 1tfn";
        buf text;
        buf_init(&text, MIB);
        random_value(&seed, 0, &text);
        compare_with_jansson(buf_span(&text));
        for (int k = 0; k < 4; k++) {
            uint64_t where = check_random(&seed);
            text.at[where % text.len] = spice[(where >> 32) % (sizeof spice - 1)];
            compare_with_jansson(buf_span(&text));
        }
        compare_with_jansson(span_first(buf_span(&text), check_random(&seed) % text.len));
        buf_done(&text);
    }
}

TEST_GROUP(wire_json_read, TEST(reads_the_corners_of_the_grammar), TEST(errors_name_line_and_byte),
           TEST(nests_to_the_limit_and_no_deeper), TEST(strings_with_escapes_need_the_arena),
           TEST(borrows_plain_strings_from_the_input), TEST(skips_and_gives_the_source),
           TEST(numbers_come_as_what_fits), TEST(agrees_with_jansson_on_random_documents));
