/*
 * wire/json_number.c: numbers of JSON tokens, and doubles as their shortest text.
 * Called by decoders, replies and comparisons of values of several types. Never: depends on a
 * locale.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/must.h"
#include "wire/json.h"

static bool has_number(const json *j)
{
    return j->kind == JSON_NUMBER || j->kind == JSON_STRING;
}

/* For 1.0, 1e3 and their like: the double, when it is a whole number. */
static bool whole_double(const json *j, double *ret)
{
    return j->kind == JSON_NUMBER && !j->is_integer && span_to_double(j->text, ret) &&
           trunc(*ret) == *ret;
}

bool json_i64(const json *j, int64_t *ret)
{
    double v;
    if (has_number(j) && span_to_i64(j->text, ret))
        return true;
    if (!whole_double(j, &v) || v < -0x1p63 || v >= 0x1p63)
        return false;
    *ret = (int64_t)v;
    return true;
}

bool json_u64(const json *j, uint64_t *ret)
{
    double v;
    if (has_number(j) && span_to_u64(j->text, ret))
        return true;
    if (!whole_double(j, &v) || v < 0 || v >= 0x1p64)
        return false;
    *ret = (uint64_t)v;
    return true;
}

bool json_double(const json *j, double *ret)
{
    if (!has_number(j))
        return false;
    if (span_to_double(j->text, ret))
        return true;
    if (j->kind != JSON_STRING)
        return false;
    if (span_is(j->text, "NaN"))
        *ret = (double)NAN;
    else if (span_is(j->text, "Infinity"))
        *ret = (double)INFINITY;
    else if (span_is(j->text, "-Infinity"))
        *ret = -(double)INFINITY;
    else
        return false;
    return true;
}

sk_code json_error(const json *j, err *e)
{
    if (!j->failed)
        return SK_OK;
    size_t offset = (size_t)(j->token - j->start), line = 1;
    for (size_t i = 0; i < offset; i++)
        line += j->start[i] == '\n';
    sk_code code = j->mem && arena_failed(j->mem) ? SK_TOO_LARGE : SK_BAD_INPUT;
    err_set(e, code, "JSON, line %zu, byte %zu: found %s", line, offset, j->why);
    if (e)
        e->offset = offset;
    return code;
}

/* 0.d1d2d3… x 10^point, without trailing zeros. */
typedef struct shortest {
    char digits[20];
    int count, point;
} shortest;

static void put_whole(shortest *s, uint64_t n, int exponent)
{
    char text[20];
    int at = 20;
    for (; n; n /= 10)
        text[--at] = (char)('0' + n % 10);
    s->count = 20 - at;
    s->point = s->count + exponent;
    memcpy(s->digits, text + at, (size_t)s->count);
    while (s->count > 1 && s->digits[s->count - 1] == '0')
        s->count--;
}

/* Decimals of at most 15 digits: n / 10^k is one correctly rounded division of exact doubles, and
 * two such decimals are never the same double, so when n's 15 digits give v back no other text can
 * be shorter, zeros aside. */
static bool find_short(double v, shortest *s)
{
    static const double power[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (v < 1e-7 || v >= 1e15)
        return false;
    int exponent2;
    frexp(v, &exponent2);
    int k = 15 - (int)floor((exponent2 - 1) * 0.30102999566398120);
    if (k > 22)
        k = 22;
    double scaled = v * power[k];
    while (scaled >= 1e15)
        scaled = v * power[--k];
    uint64_t n = (uint64_t)(scaled + 0.5);
    if ((double)n / power[k] != v)
        return false;
    put_whole(s, n, -k);
    return true;
}

/* 16 or 17 digits by exact arithmetic, for the range that measurements live in: v is m / 2^scale, and m * 10^k has at
 * most 53 + 70 bits. Half the distance to the next double is 10^k / 2 in the same unit; it is never met exactly,
 * as halves between such doubles have 19 digits and more. Powers of two, whose neighbours are not equally far, are left to find_long. */
static bool find_exact(double v, shortest *s)
{
    int exponent2;
    double fraction = frexp(v, &exponent2);
    if (v < 1e-5 || v >= 1e15 || fraction == 0.5)
        return false;
    uint64_t m = (uint64_t)(fraction * 0x1p53);
    int scale = 53 - exponent2, k = 15 - (int)floor((exponent2 - 1) * 0.30102999566398120);
    unsigned __int128 power = 1;
    for (int i = 0; i < k; i++)
        power *= 10;
    if ((m * power) >> scale >=
        10000000000000000u) { /* the estimate was one too many for 16 digits */
        power /= 10;
        k--;
    }
    for (int digits = 16; digits <= 17; digits++, k++, power *= 10) {
        unsigned __int128 exact = m * power, half = (unsigned __int128)1 << (scale - 1);
        unsigned __int128 n = (exact + half) >> scale, rounded = n << scale;
        if (rounded - exact == half && n % 2) { /* a tie goes to the even digit, as everywhere */
            n--;
            rounded = n << scale;
        }
        unsigned __int128 off = rounded > exact ? rounded - exact : exact - rounded;
        if (2 * off < power || digits == 17) {
            put_whole(s, (uint64_t)n, -k);
            return true;
        }
    }
    return false;
}

/* v to `count` digits, correctly rounded. Reads "d.ddde+xx" by its digits, whatever the locale's
 * decimal point is. */
static void round_to(double v, int count, shortest *s)
{
    char text[64];
    const char *at = text;
    snprintf(text, sizeof text, "%.*e", count - 1, v);
    for (s->count = 0; *at && *at != 'e'; at++)
        if (*at >= '0' && *at <= '9')
            s->digits[s->count++] = *at;
    s->point = 1 + (int)strtol(*at ? at + 1 : at, NULL, 10);
}

static bool reads_back(const shortest *s, double v)
{
    char text[48];
    snprintf(text, sizeof text, "%.*se%d", s->count, s->digits, s->point - s->count);
    return strtod(text, NULL) == v;
}

/* Tries lengths upwards. Normal doubles whose shortest text is below 15 digits show it, with zeros,
 * at 15. Above a power of two the doubles lie twice as far apart as below: there the 16 digits
 * above the nearest may do where it does not. */
static void find_long(double v, shortest *s)
{
    int exponent2;
    bool is_power_of_two = frexp(v, &exponent2) == 0.5;
    for (int count = v < 0x1p-1022 ? 1 : 15; count < 17; count++) {
        round_to(v, count, s);
        if (reads_back(s, v))
            break;
        if (is_power_of_two && count == 16 && s->digits[15] != '9') {
            s->digits[15]++;
            if (reads_back(s, v))
                break;
        }
        if (count == 16)
            round_to(v, 17, s);
    }
    while (s->count > 1 && s->digits[s->count - 1] == '0')
        s->count--;
}

static const shortest *shortest_of(double v, shortest *s)
{
    if (v <= 0x1p53 && trunc(v) == v)
        put_whole(s, (uint64_t)v,
                  0); /* whole numbers this small lie apart: all their digits are needed */
    else if (!find_short(v, s) && !find_exact(v, s))
        find_long(v, s);
    return s;
}

static char *put(char *to, const char *from, int count)
{
    memcpy(to, from, (size_t)count);
    return to + count;
}

static char *put_zeros(char *to, int count)
{
    memset(to, '0', (size_t)count);
    return to + count;
}

/* ECMAScript's Number::toString. */
static char *lay_out(const shortest *s, char *to)
{
    int point = s->point;
    if (s->count <= point && point <= 21)
        return put_zeros(put(to, s->digits, s->count), point - s->count);
    if (0 < point && point <= 21) {
        to = put(put(to, s->digits, point), ".", 1);
        return put(to, s->digits + point, s->count - point);
    }
    if (-6 < point && point <= 0)
        return put(put_zeros(put(to, "0.", 2), -point), s->digits, s->count);
    *to++ = s->digits[0];
    if (s->count > 1)
        to = put(put(to, ".", 1), s->digits + 1, s->count - 1);
    return to + snprintf(to, 8, "e%+d", point - 1);
}

size_t json_print_double(double v, char out[32])
{
    char *to = out;
    shortest s;
    if (isnan(v)) {
        to = put(to, "NaN", 3);
    } else {
        if (v < 0) {
            *to++ = '-';
            v = -v;
        }
        if (isinf(v))
            to = put(to, "Infinity", 8);
        else if (v == 0)
            *to++ = '0';
        else
            to = lay_out(shortest_of(v, &s), to);
    }
    *to = 0;
    return (size_t)(to - out);
}
