/*
 * tests/unit/base_number.c: numbers from text; strtod is the oracle for doubles.
 */
#include "check.h"

typedef struct whole_row {
    const char *name; /* the text */
    bool is_u64, is_i64;
    uint64_t u64;
    int64_t i64;
} whole_row;

static const whole_row whole_rows[] = {
    {"0", true, true, 0, 0},
    {"007", true, true, 7, 7},
    {"18446744073709551615", true, false, UINT64_MAX, 0},
    {"18446744073709551616", false, false, 0, 0},
    {"99999999999999999999", false, false, 0, 0},
    {"9223372036854775807", true, true, INT64_MAX, INT64_MAX},
    {"9223372036854775808", true, false, (uint64_t)INT64_MAX + 1, 0},
    {"-9223372036854775808", false, true, 0, INT64_MIN},
    {"-9223372036854775809", false, false, 0, 0},
    {"+5", false, true, 0, 5},
    {"-5", false, true, 0, -5},
    {"", false, false, 0, 0},
    {"-", false, false, 0, 0},
    {"+-5", false, false, 0, 0},
    {" 5", false, false, 0, 0},
    {"5 ", false, false, 0, 0},
    {"5.0", false, false, 0, 0},
    {"0x5", false, false, 0, 0},
};

static void reads_whole_numbers_or_nothing(void **state)
{
    EACH_ROW(row, whole_rows)
    {
        uint64_t u64 = 77;
        int64_t i64 = 77;
        assert_int_equal(span_to_u64(span_text(row->name), &u64), row->is_u64);
        assert_true(u64 == (row->is_u64 ? row->u64 : 77));
        assert_int_equal(span_to_i64(span_text(row->name), &i64), row->is_i64);
        assert_true(i64 == (row->is_i64 ? row->i64 : 77));
    }
}

static void reads_hex(void **state)
{
    uint64_t v = 77;
    assert_true(span_to_hex64(SPAN("0"), &v) && v == 0);
    assert_true(span_to_hex64(SPAN("DeadBEEF"), &v) && v == 0xdeadbeef);
    assert_true(span_to_hex64(SPAN("ffffffffffffffff"), &v) && v == UINT64_MAX);
    assert_false(span_to_hex64(SPAN("10000000000000000"), &v));
    assert_false(span_to_hex64(SPAN(""), &v));
    assert_false(span_to_hex64(SPAN("fg"), &v));
    assert_true(v == UINT64_MAX);
}

typedef struct double_row {
    const char *name; /* the text */
    bool is_good;
} double_row;

static const double_row double_rows[] = {
    {"0", true},
    {"-0", true},
    {"+1", true},
    {"-1.5", true},
    {"1e5", true},
    {"1E+5", true},
    {"123.456e-7", true},
    {"0.1", true},
    {"0.000000000000000000000000000000000000001", true},
    {"1e22", true},
    {"1e23", true},
    {"9007199254740993", true},
    {"9007199254740992.99999999999999999999999999999999999", true},
    {"1.7976931348623157e308", true},
    {"1.7976931348623158e308", true},
    {"4.9e-324", true},
    {"2.4703282292062327208e-324", true},
    {"2.4703282292062327e-324", true},
    {"2.2250738585072011e-308", true},
    {"1e-1000", true},
    {"1e-99999999999999999999", true},
    {"0e99999999999999999999", true},
    {"1000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
     true},
    {"1.00000000000000011102230246251565404236316680908203125", true},
    {"1.00000000000000011102230246251565404236316680908203124", true},
    {"1.00000000000000011102230246251565404236316680908203126", true},
    {"1.8e308", false},
    {"1e309", false},
    {"1e99999999999999999999", false},
    {"", false},
    {"-", false},
    {".5", false},
    {"5.", false},
    {"01", false},
    {"1e", false},
    {"1e+", false},
    {"1.e5", false},
    {"1 ", false},
    {"0x10", false},
    {"inf", false},
    {"nan", false},
    {"1,5", false},
};

static void check_double(const char *text, bool is_good)
{
    double got = 77;
    bool is_taken = span_to_double(span_text(text), &got);
    if (is_taken != is_good)
        fail_msg("%s is %s", text, is_taken ? "taken" : "refused");
    double want = is_good ? strtod(text, NULL) : 77;
    if (memcmp(&got, &want, sizeof got) != 0)
        fail_msg("%s reads as %.17g, not %.17g", text, got, want);
}

static void reads_doubles_as_strtod_does(void **state)
{
    EACH_ROW(row, double_rows)
    check_double(row->name, row->is_good);
}

static void reads_random_doubles_as_strtod_does(void **state)
{
    uint64_t seed = 31;
    for (int i = 0; i < 20000; i++) {
        char text[64];
        uint64_t a = check_random(&seed), b = check_random(&seed);
        int exponent = (int)(b % 700) - 350;
        snprintf(text, sizeof text, "%llu.%llue%d", (unsigned long long)(a >> (b % 64)),
                 (unsigned long long)b, exponent);
        check_double(text, strtod(text, NULL) <= 1.7976931348623157e308);
        snprintf(text, sizeof text, "-%llu.%03u", (unsigned long long)(a % 1000000),
                 (unsigned)(b % 1000));
        check_double(text, true);
    }
}

/* A tie that only a digit after the 780th breaks. */
static void long_digits_round_right(void **state)
{
    char text[1200] = "9007199254740993.";
    size_t len = strlen(text);
    memset(text + len, '0', 1100);
    text[len + 1100] = 0;
    check_double(text, true);
    text[len + 1099] = '1';
    check_double(text, true);
    double v = 0;
    assert_true(span_to_double(span_text(text), &v));
    assert_true(v == 9007199254740994.0);
    memset(text, '9', 1000);
    text[1000] = 0;
    check_double(text, false);
    memcpy(text + 995, "e-900", 6);
    check_double(text, true);
}

TEST_GROUP(base_number, TEST(reads_whole_numbers_or_nothing), TEST(reads_hex),
           TEST(reads_doubles_as_strtod_does), TEST(reads_random_doubles_as_strtod_does),
           TEST(long_digits_round_right));
