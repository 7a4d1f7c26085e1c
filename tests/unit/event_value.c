/*
 * tests/unit/event_value.c: canonical text and number of a value.
 */
#include <float.h>
#include <math.h>

#include "check.h"
#include "event/batch.h"

static value of_float(double f)
{
    return (value){.is_set = true, .type = FIELD_FLOAT, .f = f};
}

static value of_int(int64_t i)
{
    return (value){.is_set = true, .type = FIELD_INT, .i = i};
}

static value of_text(const char *text)
{
    return (value){.is_set = true, .type = FIELD_STRING, .text = span_text(text)};
}

static void texts(void **state)
{
    const struct {
        const char *name;
        value v;
    } rows[] = {
        {"0", of_int(0)},
        {"-1", of_int(-1)},
        {"9223372036854775807", of_int(INT64_MAX)},
        {"-9223372036854775808", of_int(INT64_MIN)},
        {"200", of_float(200)},
        {"0", of_float(0)},
        {"0", of_float(-0.0)},
        {"-200", of_float(-200)},
        {"0.1", of_float(0.1)},
        {"-0.1", of_float(-0.1)},
        {"0.30000000000000004", of_float(0.1 + 0.2)},
        {"1.5", of_float(1.5)},
        {"12.345678", of_float(12.345678)},
        {"0.0001", of_float(1e-4)},
        {"1e-05", of_float(1e-5)},
        {"1000000000000000", of_float(1e15)},
        {"-9223372036854775808", of_float(-0x1p63)},
        {"9.223372036854776e+18", of_float(0x1p63)},
        {"1e+300", of_float(1e300)},
        {"5e-324", of_float(0x1p-1074)},

        {"1.7976931348623157e+308", of_float(DBL_MAX)},
        {"2.2250738585072014e-308", of_float(DBL_MIN)},
        {"inf", of_float(INFINITY)},
        {"-inf", of_float(-INFINITY)},
        {"nan", of_float(NAN)},
        {"nan", of_float(-NAN)},
        {"true", {.is_set = true, .type = FIELD_BOOL, .b = true}},
        {"false", {.is_set = true, .type = FIELD_BOOL, .b = false}},
        {" as it is\n", of_text(" as it is\n")},
        {"", of_text("")},
        {"", {.is_set = true, .type = FIELD_HISTOGRAM, .text = SPAN("bytes")}},
        {"", {.is_set = false}},
    };
    EACH_ROW(row, rows)
    {
        char scratch[VALUE_TEXT_MAX];
        check_text(value_text(row->v, scratch), row->name);
    }
}

/* The short way of printing against printf's, and that the text reads back. */
static void float_texts_read_back(void **state)
{
    uint64_t seed = 5;
    uint32_t short_way = 0;
    for (int i = 0; i < 200000; i++) {
        double v;
        uint64_t r = check_random(&seed);
        switch (i % 4) {
        case 0: memcpy(&v, &r, sizeof v); break;
        case 1: v = (double)(int64_t)(r >> 20) / 1e6; break; /* nanoseconds as ms */
        case 2: v = (double)(r % 1000) / 1000; break;
        default: v = (double)(int64_t)r / 1e9; break;
        }
        if (!isfinite(v) || v == trunc(v))
            continue;
        char scratch[VALUE_TEXT_MAX], want[64];
        for (int p = fabs(v) < DBL_MIN ? 1 : 15; p <= 17; p++) {
            snprintf(want, sizeof want, "%.*g", p, v);
            if (strtod(want, NULL) == v)
                break;
        }
        span got = value_text(of_float(v), scratch);
        check_text(got, want);
        double back = 0;
        assert_true(
            value_number((value){.is_set = true, .type = FIELD_STRING, .text = got}, &back));
        assert_true(back == v);
        short_way += strlen(want) < 17;
    }
    assert_true(short_way > 50000);
}

static void numbers(void **state)
{
    const struct {
        const char *name;
        value v;
        bool is_number;
        double number;
    } rows[] = {
        {"int", of_int(-5), true, -5},
        {"large int", of_int(INT64_MAX), true, 0x1p63},
        {"float", of_float(2.5), true, 2.5},
        {"text", of_text("200"), true, 200},
        {"text with a sign", of_text("+1.5e3"), true, 1500},
        {"word", of_text("200 OK"), false, 0},
        {"space", of_text(" 200"), false, 0},
        {"empty", of_text(""), false, 0},
        {"hex", of_text("0x10"), false, 0},
        {"nan text", of_text("nan"), false, 0},
        {"inf text", of_text("inf"), false, 0},
        {"too large", of_text("1e999"), false, 0},
        {"nan", of_float(NAN), false, 0},
        {"inf", of_float(-INFINITY), false, 0},
        {"bool", {.is_set = true, .type = FIELD_BOOL, .b = true}, false, 0},
        {"histogram", {.is_set = true, .type = FIELD_HISTOGRAM, .text = SPAN("5")}, false, 0},
        {"absent", {.is_set = false, .type = FIELD_INT, .i = 5}, false, 0},
    };
    EACH_ROW(row, rows)
    {
        double number = 77;
        assert_int_equal(value_number(row->v, &number), row->is_number);
        assert_true(number == (row->is_number ? row->number : 77));
    }
}

TEST_GROUP(event_value, TEST(texts), TEST(float_texts_read_back), TEST(numbers));
