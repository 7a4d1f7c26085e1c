/*
 * tests/unit/wire_json_number.c: doubles as text: known values, strtod as the oracle for reading back, and a search
 * by printf for anything shorter.
 */
#include "check.h"

#include <locale.h>
#include <math.h>

#include "wire/json.h"

typedef struct double_row {
    const char *name; /* the text wanted */
    double v;
} double_row;

static const double_row double_rows[] = {
    {"0", 0.0},
    {"0", -0.0},
    {"1", 1.0},
    {"-1", -1.0},
    {"100", 100.0},
    {"0.1", 0.1},
    {"-0.001", -0.001},
    {"0.30000000000000004", 0.1 + 0.2},
    {"123456.789", 123456.789},
    {"0.000001", 1e-6},
    {"1e-7", 1e-7},
    {"1.5e-7", 1.5e-7},
    {"100000000000000000000", 1e20},
    {"1e+21", 1e21},
    {"1.2345e+30", 1.2345e30},
    {"9007199254740991", 9007199254740991.0},
    {"9007199254740992", 9007199254740992.0},
    {"9007199254740994", 9007199254740994.0},
    {"18014398509481984", 0x1p54},
    {"1.7976931348623157e+308", 1.7976931348623157e308},
    {"2.2250738585072014e-308", 2.2250738585072014e-308},
    {"5e-324", 4.9406564584124654e-324},
    {"5.684341886080802e-14", 0x1p-44},
    {"9.5367431640625e-7", 0x1p-20},
    {"4.35", 4.35},
    {"2.5e-323", 2.5e-323},
    {"562949953421312.2", 562949953421312.25},
    {"562949953421312.8", 562949953421312.75},
    {"NaN", (double)NAN},
    {"Infinity", (double)INFINITY},
    {"-Infinity", -(double)INFINITY},
};

static void prints_known_values(void **state)
{
    EACH_ROW(row, double_rows)
    {
        char out[32];
        size_t len = json_print_double(row->v, out);
        check_text(span_of(out, len), row->name);
        assert_int_equal(out[len], 0);
    }
}

/* The significant digits of a number's text, without zeros at either end. */
static void digits_of(const char *text, char out[40])
{
    size_t len = 0;
    for (; *text && *text != 'e'; text++)
        if (*text >= '0' && *text <= '9' && (len || *text != '0'))
            out[len++] = *text;
    while (len && out[len - 1] == '0')
        len--;
    out[len] = 0;
}

/* Nothing shorter reads back, and of the texts of this length that do it is the nearest. */
static void check_shortest(double v)
{
    char out[32], other[40], digits[40], other_digits[40];
    size_t len = json_print_double(v, out);
    assert_true(len <= 25);
    double back = 0;
    if (strtod(out, NULL) != v || !span_to_double(span_of(out, len), &back) || back != v)
        fail_msg("%a prints as %s", v, out);
    digits_of(out, digits);
    int count = (int)strlen(digits);
    if (count > 1) {
        snprintf(other, sizeof other, "%.*e", count - 2, v);
        if (strtod(other, NULL) == v)
            fail_msg("%a prints as %s, not as %s", v, out, other);
    }
    if (count > 0) {
        snprintf(other, sizeof other, "%.*e", count - 1, v);
        digits_of(other, other_digits);
        if (strtod(other, NULL) == v && strcmp(digits, other_digits) != 0)
            fail_msg("%a prints as %s, not as %s", v, out, other);
    }
}

static void random_doubles_read_back_and_nothing_is_shorter(void **state)
{
    uint64_t seed = 5;
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = check_random(&seed);
        double v;
        memcpy(&v, &bits, sizeof v);
        if (isfinite(v))
            check_shortest(v);
        check_shortest((double)(bits % 1000000) / 1000);
        check_shortest((double)(bits >> 12) * 0x1p-52);
        check_shortest(ldexp((double)(bits >> 11), (int)(bits % 120) - 90));
        bits &= 0xfffffffffffff; /* a subnormal */
        memcpy(&v, &bits, sizeof v);
        check_shortest(v);
    }
    for (int exponent = -1074; exponent < 1024; exponent++)
        check_shortest(ldexp(1, exponent));
}

static void no_locale_matters(void **state)
{
    static const char *const commas[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "fr_FR"};
    char out[32];
    double v = 0;
    for (size_t i = 0; i < COUNT_OF(commas) && !setlocale(LC_ALL, commas[i]); i++)
        ;
    json_print_double(0.30000000000000004, out);
    bool is_read = span_to_double(SPAN("0.1234567890123456789012"), &v);
    setlocale(LC_ALL, "C");
    assert_string_equal(out, "0.30000000000000004");
    assert_true(is_read);
    check_near(v, 0.1234567890123456789012, 0);
}

TEST_GROUP(wire_json_number, TEST(prints_known_values),
           TEST(random_doubles_read_back_and_nothing_is_shorter), TEST(no_locale_matters));
