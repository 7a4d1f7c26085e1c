/*
 * base/clock.h: time. Wall clock in ns UTC for events, monotonic ns for durations and deadlines.
 * RFC 3339 in and out; the calendar is proleptic Gregorian UTC without leap seconds.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/port.h"
#include "base/span.h"

int64_t clock_wall_ns(void);
int64_t clock_mono_ns(void);

/* "2026-08-21T14:05:03.123Z", "…+02:00", a space for the T; fraction of any length (beyond ns cut). */
bool clock_parse_rfc3339(span s, int64_t *ret_ns);
/* Writes "2026-08-21T14:05:03.123456789Z" without trailing zeros of the fraction; returns its length (≤ 35). */
size_t clock_print_rfc3339(int64_t ns, char out[36]);
int64_t clock_day(int64_t ns); /* days since 1970-01-01 UTC, floor */

#endif
