/*
 * tests/unit/cli_term.c: nothing of someone's data reaches a terminal raw; widths; forms of numbers and times.
 */
#include "cli_fixed.h"

static void controls_are_escaped(void **state)
{
    static const struct {
        const char *name, *text, *printed;
    } rows[] = {
        {"plain", "GET /", "GET /"},
        {"escape sequence", "a\x1b[2Jb", "a\\x1b[2Jb"},
        {"lines and tabs", "a\nb\tc\rd", "a\\nb\\tc\\rd"},
        {"bell and delete", "\x07\x7f", "\\x07\\x7f"},
        {"C1 control", "\xc2\x9b[31m", "\\x9b[31m"},
        {"right to left override",
         "a\xe2\x80\xae"
         "b",
         "a\\u202eb"},
        {"umlaut and bee", "\xc3\xbc\xf0\x9f\x90\x9d", "\xc3\xbc\xf0\x9f\x90\x9d"},
        {"no UTF-8", "a\xff\xc3", "a\xef\xbf\xbd\xef\xbf\xbd"},
    };
    term t = fixed_term(0, true);
    EACH_ROW(row, rows)
    {
        term_text(&t, span_text(row->text));
        check_printed(&t, row->printed);
    }
    fixed_done(&t);
}

static void cells_have_their_width(void **state)
{
    static const struct {
        const char *name, *text;
        uint32_t columns;
        bool right;
        const char *printed;
    } rows[] = {
        {"left", "ab", 4, false, "ab  "},
        {"right", "ab", 4, true, "  ab"},
        {"exact", "abcd", 4, true, "abcd"},
        {"cut", "abcde", 4, false, "abc\xe2\x80\xa6"},
        {"nothing fits", "ab", 0, false, ""},
        {"wide", "\xe6\x97\xa5\xe6\x9c\xac", 5, false, "\xe6\x97\xa5\xe6\x9c\xac "},
        {"a wide one is not halved", "\xe6\x97\xa5\xe6\x9c\xac", 3, false,
         "\xe6\x97\xa5\xe2\x80\xa6"},
        {"combining", "e\xcc\x81x", 3, false, "e\xcc\x81x "},
        {"escapes count", "\n", 4, false, "\\n  "},
    };
    term t = fixed_term(0, true);
    EACH_ROW(row, rows)
    {
        term_cell(&t, span_text(row->text), row->columns, row->right);
        check_printed(&t, row->printed);
    }
    t.has_unicode = false;
    term_cell(&t, SPAN("abcde"), 4, false);
    check_printed(&t, "abc>");
    fixed_done(&t);
}

static void numbers_have_forms(void **state)
{
    char out[FORM_MAX];
    static const struct {
        uint64_t n;
        const char *count, *bytes;
    } counts[] = {{0, "0", "0 B"},
                  {999, "999", "999 B"},
                  {1000, "1,000", "1000 B"},
                  {1536, "1,536", "1.5 KiB"},
                  {1234567, "1,234,567", "1.2 MiB"},
                  {UINT64_MAX, "18,446,744,073,709,551,615", "16777216 TiB"}};
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        check_text(span_of(out, form_count(counts[i].n, out)), counts[i].count);
        check_text(span_of(out, form_bytes(counts[i].n, out)), counts[i].bytes);
    }
    static const struct {
        double ms;
        const char *text;
    } times[] = {{0, "0 ms"},          {0.0404, "40.4 \xc2\xb5s"}, {0.5, "500 \xc2\xb5s"},
                 {1, "1 ms"},          {3.14159, "3.14 ms"},       {40, "40 ms"},
                 {112.4, "112 ms"},    {1840, "1.84 s"},           {12500, "12.5 s"},
                 {60000, "1 min 0 s"}, {125000, "2 min 5 s"},      {-1500, "-1.5 s"}};
    for (size_t i = 0; i < COUNT_OF(times); i++)
        check_text(span_of(out, form_ms(times[i].ms, out)), times[i].text);
    check_text(span_of(out, form_age(59 * NS_PER_S, out)), "59s");
    check_text(span_of(out, form_age(150 * NS_PER_S, out)), "2m");
    check_text(span_of(out, form_age(7300 * NS_PER_S, out)), "2h");
    check_text(span_of(out, form_age(200000 * NS_PER_S, out)), "2d");
}

static void times_are_local(void **state)
{
    char out[FORM_MAX];
    setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    tzset();
    check_text(span_of(out, form_local_time(1787313903123456789, out)),
               "2026-08-21 14:05:03.123 +02:00");
    check_text(span_of(out, form_local_time(-1 * NS_PER_MS, out)),
               "1970-01-01 00:59:59.999 +01:00");
    setenv("TZ", "<-0330>3:30", 1);
    tzset();
    check_text(span_of(out, form_local_time(0, out)), "1969-12-31 20:30:00.000 -03:30");
    setenv("TZ", "UTC", 1);
    tzset();
}

static void color_only_where_wanted(void **state)
{
    term t = fixed_term(0, true);
    term_color_on(&t, COLOR_RED);
    term_print(&t, "x");
    term_color_off(&t);
    check_printed(&t, "x");
    t.has_color = true;
    term_color_on(&t, COLOR_RED);
    term_print(&t, "x");
    term_color_off(&t);
    check_printed(&t, "\x1b[31mx\x1b[0m");
    fixed_done(&t);
    setenv("NO_COLOR", "1", 1);
    term always, usual;
    term_init(&usual, -1, NULL);
    term_init(&always, -1, "always");
    assert_false(usual.has_color);
    assert_true(always.has_color);
    assert_int_equal(usual.width, 0);
    term_done(&usual);
    term_done(&always);
}

TEST_GROUP(cli_term, TEST(controls_are_escaped), TEST(cells_have_their_width),
           TEST(numbers_have_forms), TEST(times_are_local), TEST(color_only_where_wanted));
