/*
 * base/span.c: comparing, cutting and reading text that is a pointer and a length.
 * Called by every layer. Never: allocates, keeps a pointer, or depends on a locale.
 */
#include "base/span.h"

#include <stdio.h>
#include <stdlib.h>

int span_compare(span a, span b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common ? memcmp(a.at, b.at, common) : 0;
    if (order)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

bool span_equal_nocase(span a, span b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.at[i]) != lower(b.at[i]))
            return false;
    return true;
}

bool span_starts_with(span s, span prefix)
{
    return s.len >= prefix.len && span_equal(span_first(s, prefix.len), prefix);
}

bool span_ends_with(span s, span suffix)
{
    return s.len >= suffix.len && span_equal(span_from(s, s.len - suffix.len), suffix);
}

bool span_contains(span s, span part)
{
    if (part.len == 0)
        return true;
    if (part.len > s.len)
        return false;
    return memmem(s.at, s.len, part.at, part.len) != NULL;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

span span_trim(span s)
{
    while (s.len && is_space(s.at[0])) {
        s.at++;
        s.len--;
    }
    while (s.len && is_space(s.at[s.len - 1]))
        s.len--;
    return s;
}

span span_cut(span *rest, uint8_t separator)
{
    span all = *rest;
    const uint8_t *found = all.len ? memchr(all.at, separator, all.len) : NULL;
    if (!found) {
        *rest = (span){NULL, 0};
        return all;
    }
    size_t len = (size_t)(found - all.at);
    *rest = (span){found + 1, all.len - len - 1};
    return (span){all.at, len};
}

bool span_to_u64(span s, uint64_t *ret)
{
    uint64_t value = 0;
    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned)s.at[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)digit, &value))
            return false;
    }
    *ret = value;
    return true;
}

bool span_to_i64(span s, int64_t *ret)
{
    bool is_negative = s.len && s.at[0] == '-';
    uint64_t value;
    if (s.len && (s.at[0] == '-' || s.at[0] == '+'))
        s = span_from(s, 1);
    if (!span_to_u64(s, &value) || value > (uint64_t)INT64_MAX + is_negative)
        return false;
    *ret = is_negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

bool span_to_hex64(span s, uint64_t *ret)
{
    uint64_t value = 0;
    if (s.len == 0 || s.len > 16)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = lower(s.at[i]);
        if (c >= '0' && c <= '9')
            value = value << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    *ret = value;
    return true;
}

/* A decimal number taken apart: digits[0..count) without leading zeros, times 10^exponent. */
typedef struct decimal {
    bool is_negative,
        has_more; /* has_more: digits that are not zero were left out behind the last */
    int count;
    int64_t exponent;
    char digits[800]; /* 768 significant digits decide any rounding; the rest only says "a little
                         more" */
} decimal;

#define DIGITS_MAX 780

static void add_digit(decimal *d, uint8_t c, bool is_fraction)
{
    if (d->count == 0 && c == '0') {
        d->exponent -= is_fraction;
    } else if (d->count < DIGITS_MAX) {
        d->digits[d->count++] = (char)c;
        d->exponent -= is_fraction;
    } else {
        d->has_more |= c != '0';
        d->exponent += !is_fraction;
    }
}

static bool is_digit(span s, size_t i)
{
    return i < s.len && s.at[i] >= '0' && s.at[i] <= '9';
}

/* Reads the exponent part from *i on, if there is one; false when it is malformed. */
static bool take_exponent(span s, size_t *i, decimal *d)
{
    if (*i >= s.len || (s.at[*i] | 32) != 'e')
        return true;
    size_t at = *i + 1;
    bool is_negative = at < s.len && s.at[at] == '-';
    if (at < s.len && (s.at[at] == '-' || s.at[at] == '+'))
        at++;
    if (!is_digit(s, at))
        return false;
    int64_t exponent = 0;
    for (; is_digit(s, at); at++)
        if (exponent < INT32_MAX)
            exponent = exponent * 10 + (s.at[at] - '0');
    d->exponent += is_negative ? -exponent : exponent;
    *i = at;
    return true;
}

static bool take_apart(span s, decimal *d)
{
    size_t i = 0;
    if (s.len && (s.at[0] == '-' || s.at[0] == '+'))
        d->is_negative = s.at[i++] == '-';
    if (!is_digit(s, i) || (s.at[i] == '0' && is_digit(s, i + 1)))
        return false;
    for (; is_digit(s, i); i++)
        add_digit(d, s.at[i], false);
    if (i < s.len && s.at[i] == '.') {
        if (!is_digit(s, ++i))
            return false;
        for (; is_digit(s, i); i++)
            add_digit(d, s.at[i], true);
    }
    return take_exponent(s, &i, d) && i == s.len;
}

/* Exact when both the digits and the power of ten are exact doubles: one correctly rounded
 * operation. */
static bool compose_fast(const decimal *d, double *ret)
{
    static const double power[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (d->count > 15 || d->exponent < -22 || d->exponent > 22)
        return false;
    uint64_t value = 0;
    for (int i = 0; i < d->count; i++)
        value = value * 10 + (uint64_t)(d->digits[i] - '0');
    *ret =
        d->exponent < 0 ? (double)value / power[-d->exponent] : (double)value * power[d->exponent];
    return true;
}

/* strtod sees whole digits and an exponent, never a decimal point, so that no locale matters. */
static double compose(decimal *d)
{
    int at = d->count;
    int64_t exponent = d->exponent;
    if (d->has_more) {
        d->digits[at++] = '1';
        exponent--;
    }
    if (exponent < -100000 || exponent > 100000)
        exponent = exponent < 0 ? -100000 : 100000;
    snprintf(d->digits + at, sizeof d->digits - (size_t)at, "e%d", (int)exponent);
    return strtod(d->digits, NULL);
}

bool span_to_double(span s, double *ret)
{
    decimal d;
    d.is_negative = d.has_more = false;
    d.count = 0;
    d.exponent = 0;
    if (!take_apart(s, &d))
        return false;
    double value = 0;
    if (d.count && !compose_fast(&d, &value))
        value = compose(&d);
    if (value > 1.7976931348623157e308)
        return false;
    *ret = d.is_negative ? -value : value;
    return true;
}

/* Length of the well-formed sequence at `at` (RFC 3629: no overlong forms, no surrogates), or 0. */
static size_t utf8_sequence(const uint8_t *at, size_t left)
{
    uint8_t lead = at[0];
    uint8_t low = 0x80, high = 0xbf;
    size_t len = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (len < 2 || lead > 0xf4)
        return lead < 0x80;
    if (lead == 0xe0)
        low = 0xa0;
    else if (lead == 0xed)
        high = 0x9f;
    else if (lead == 0xf0)
        low = 0x90;
    else if (lead == 0xf4)
        high = 0x8f;
    if (left < len || at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

size_t utf8_prefix(span s)
{
    size_t i = 0;
    while (i < s.len) {
        uint64_t eight;
        if (i + 8 <= s.len) {
            memcpy(&eight, s.at + i, 8);
            if ((eight & 0x8080808080808080ull) == 0) {
                i += 8;
                continue;
            }
        }
        size_t len = utf8_sequence(s.at + i, s.len - i);
        if (len == 0)
            return i;
        i += len;
    }
    return i;
}

bool utf8_is_valid(span s)
{
    return utf8_prefix(s) == s.len;
}
