/*
 * event/value.c: canonical text and number of a value (DESIGN §3): the meaning of equality,
 * grouping and comparison across types. Called by query and by every engine; results must be the
 * same bytes everywhere and for ever, because distinct counts hash them.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/must.h"
#include "event/batch.h"

static size_t print_u64(uint64_t v, char *out)
{
    char digits[20];
    size_t len = 0;
    do {
        digits[len++] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    for (size_t i = 0; i < len; i++)
        out[i] = digits[len - 1 - i];
    return len;
}

static size_t print_i64(int64_t v, char *out)
{
    if (v >= 0)
        return print_u64((uint64_t)v, out);
    *out = '-';
    return 1 + print_u64(0 - (uint64_t)v, out + 1);
}

/*
 * The usual case without printf: v = k / 10^9 exactly, k of at most 15 digits. Then k is what %.15g
 * would print, because a decimal of 15 digits survives the way to a double and back.
 */
static size_t print_decimal(double v, char *out)
{
    double k = nearbyint(v * 1e9);
    if (!(k < 1e15) || !(v >= 1e-4) || k / 1e9 != v)
        return 0;
    uint64_t units = (uint64_t)k;
    size_t len = print_u64(units / 1000000000, out);
    uint32_t fraction = (uint32_t)(units % 1000000000);
    out[len++] = '.';
    for (uint32_t unit = 100000000; fraction; unit /= 10) {
        out[len++] = (char)('0' + fraction / unit);
        fraction %= unit;
    }
    return len;
}

static size_t print_double(double v, char out[VALUE_TEXT_MAX])
{
    if (v >= -0x1p63 && v < 0x1p63 && v == trunc(v))
        return print_i64((int64_t)v, out); /* 200.0 and 200 are one value */
    if (isnan(v)) {
        memcpy(out, "nan", 3);
        return 3;
    }
    size_t sign = v < 0;
    if (sign)
        out[0] = '-';
    size_t len = print_decimal(fabs(v), out + sign);
    if (len)
        return sign + len;
    bool is_subnormal = fabs(v) < 0x1p-1022;
    for (int precision = is_subnormal ? 1 : 15; precision <= 17; precision++) {
        int n = snprintf(out, VALUE_TEXT_MAX, "%.*g", precision, v);
        must(n > 0 && n < VALUE_TEXT_MAX);
        len = (size_t)n;
        if (strtod(out, NULL) == v)
            break;
    }
    return len;
}

span value_text(value v, char scratch[VALUE_TEXT_MAX])
{
    if (!v.is_set)
        return (span){NULL, 0};
    switch (v.type) {
    case FIELD_STRING: return v.text;
    case FIELD_INT: return span_of(scratch, print_i64(v.i, scratch));
    case FIELD_FLOAT: return span_of(scratch, print_double(v.f, scratch));
    case FIELD_BOOL: return v.b ? SPAN("true") : SPAN("false");
    case FIELD_HISTOGRAM: return SPAN("");
    case FIELD_TYPE_COUNT: break;
    }
    never();
}

bool value_number(value v, double *ret)
{
    if (!v.is_set)
        return false;
    double number = 0;
    if (v.type == FIELD_INT)
        number = (double)v.i;
    else if (v.type == FIELD_FLOAT)
        number = v.f;
    else if (v.type != FIELD_STRING || !span_to_double(v.text, &number))
        return false;
    if (!isfinite(number))
        return false;
    *ret = number;
    return true;
}
