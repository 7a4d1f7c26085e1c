/*
 * base/clock.c: the two clocks, and RFC 3339 in and out.
 * Called by every layer that may know the time. Never: consults a time zone or a locale.
 */
#include "base/clock.h"

#include <time.h>

#include "base/must.h"

#define DAY_S ((int64_t)86400)

static int64_t read_clock(clockid_t id)
{
    struct timespec t;
    must(clock_gettime(id, &t) == 0);
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

int64_t clock_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t clock_mono_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

/* Days since 1970-01-01 of a civil date, by whole 400-year eras counted from 1 March of year 0. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t shifted = month > 2 ? month - 3 : month + 9;
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * shifted + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void date_of(int64_t days, int64_t *ret_year, int *ret_month, int *ret_day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * day_of_year + 2) / 153;
    *ret_day = (int)(day_of_year - (153 * shifted + 2) / 5 + 1);
    *ret_month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
    *ret_year = year_of_era + era * 400 + (*ret_month <= 2);
}

static int month_days(int64_t year, int month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && is_leap);
}

/* Takes exactly `count` digits off the front. */
static bool take_digits(span *s, size_t count, int *ret)
{
    int value = 0;
    if (s->len < count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (s->at[i] < '0' || s->at[i] > '9')
            return false;
        value = value * 10 + (s->at[i] - '0');
    }
    *s = span_from(*s, count);
    *ret = value;
    return true;
}

static bool take_byte(span *s, uint8_t c)
{
    if (s->len == 0 || s->at[0] != c)
        return false;
    *s = span_from(*s, 1);
    return true;
}

static bool take_date(span *s, int64_t *ret_days)
{
    int year, month, day;
    if (!take_digits(s, 4, &year) || !take_byte(s, '-') || !take_digits(s, 2, &month) ||
        !take_byte(s, '-') || !take_digits(s, 2, &day))
        return false;
    if (month < 1 || month > 12 || day < 1 || day > month_days(year, month))
        return false;
    *ret_days = days_of(year, month, day);
    return true;
}

/* A leap second is taken as the second after it. */
static bool take_time(span *s, int64_t *ret_seconds, int64_t *ret_ns)
{
    int hour, minute, second;
    if (!take_digits(s, 2, &hour) || !take_byte(s, ':') || !take_digits(s, 2, &minute) ||
        !take_byte(s, ':') || !take_digits(s, 2, &second))
        return false;
    if (hour > 23 || minute > 59 || second > 60)
        return false;
    *ret_seconds = hour * 3600 + minute * 60 + second;
    *ret_ns = 0;
    if (!take_byte(s, '.'))
        return true;
    int64_t scale = NS_PER_S;
    int digit;
    if (!take_digits(s, 1, &digit))
        return false;
    do {
        scale /= 10;
        *ret_ns += digit * scale;
    } while (take_digits(s, 1, &digit));
    return true;
}

static bool take_zone(span *s, int64_t *ret_seconds)
{
    int hour, minute;
    *ret_seconds = 0;
    if (take_byte(s, 'Z') || take_byte(s, 'z'))
        return true;
    bool is_west = take_byte(s, '-');
    if (!is_west && !take_byte(s, '+'))
        return false;
    if (!take_digits(s, 2, &hour) || !take_byte(s, ':') || !take_digits(s, 2, &minute))
        return false;
    if (hour > 23 || minute > 59)
        return false;
    *ret_seconds = (hour * 3600 + minute * 60) * (is_west ? -1 : 1);
    return true;
}

bool clock_parse_rfc3339(span s, int64_t *ret_ns)
{
    int64_t days, seconds, zone, fraction, ns;
    if (!take_date(&s, &days) || !(take_byte(&s, 'T') || take_byte(&s, 't') || take_byte(&s, ' ')))
        return false;
    if (!take_time(&s, &seconds, &fraction) || !take_zone(&s, &zone) || s.len)
        return false;
    seconds += days * DAY_S - zone;
    /* In two halves, so that the very first nanoseconds of the range do not overflow on the way. */
    if (seconds < 0 && fraction > 0) {
        seconds++;
        fraction -= NS_PER_S;
    }
    if (__builtin_mul_overflow(seconds, NS_PER_S, &ns) || __builtin_add_overflow(ns, fraction, &ns))
        return false;
    *ret_ns = ns;
    return true;
}

static char *put_digits(char *at, int64_t value, int count)
{
    for (int i = count - 1; i >= 0; i--, value /= 10)
        at[i] = (char)('0' + value % 10);
    return at + count;
}

size_t clock_print_rfc3339(int64_t ns, char out[36])
{
    int64_t day = clock_day(ns), year;
    uint64_t rest = (uint64_t)ns - (uint64_t)day * (uint64_t)(DAY_S * NS_PER_S);
    int64_t second = (int64_t)(rest / (uint64_t)NS_PER_S),
            fraction = (int64_t)(rest % (uint64_t)NS_PER_S);
    int month, day_of_month;
    date_of(day, &year, &month, &day_of_month);
    char *at = put_digits(out, year, 4); /* int64 ns stay within 1677 to 2262 */
    *at++ = '-';
    at = put_digits(at, month, 2);
    *at++ = '-';
    at = put_digits(at, day_of_month, 2);
    *at++ = 'T';
    at = put_digits(at, second / 3600, 2);
    *at++ = ':';
    at = put_digits(at, second / 60 % 60, 2);
    *at++ = ':';
    at = put_digits(at, second % 60, 2);
    if (fraction) {
        *at++ = '.';
        at = put_digits(at, fraction, 9);
        while (at[-1] == '0')
            at--;
    }
    *at++ = 'Z';
    *at = 0;
    return (size_t)(at - out);
}

int64_t clock_day(int64_t ns)
{
    int64_t day_ns = DAY_S * NS_PER_S;
    return ns / day_ns - (ns % day_ns < 0);
}
