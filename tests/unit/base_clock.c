/*
 * tests/unit/base_clock.c: RFC 3339 in and out; timegm is the oracle for the calendar.
 */
#include "check.h"

#include <time.h>

#include "base/clock.h"

typedef struct time_row {
    const char *name; /* the text */
    bool is_good;
    int64_t ns;
    const char *printed; /* NULL: the same text */
} time_row;

static const time_row time_rows[] = {
    {"1970-01-01T00:00:00Z", true, 0, NULL},
    {"1970-01-01T00:00:00.000000001Z", true, 1, NULL},
    {"1969-12-31T23:59:59.999999999Z", true, -1, NULL},
    {"2026-08-21T14:05:03.123Z", true, 1787321103123000000, NULL},
    {"2026-08-21t14:05:03.1234567891z", true, 1787321103123456789,
     "2026-08-21T14:05:03.123456789Z"},
    {"2026-08-21 16:05:03.123+02:00", true, 1787321103123000000, "2026-08-21T14:05:03.123Z"},
    {"2026-08-21T08:35:03.123000-05:30", true, 1787321103123000000, "2026-08-21T14:05:03.123Z"},
    {"2024-02-29T23:59:60Z", true, 1709251200000000000, "2024-03-01T00:00:00Z"},
    {"2000-02-29T00:00:00Z", true, 951782400000000000, NULL},
    {"1677-09-21T00:12:43.145224192Z", true, INT64_MIN, NULL},
    {"1677-09-21T00:12:43.145224191Z", false, 0, NULL},
    {"2262-04-11T23:47:16.854775807Z", true, INT64_MAX, NULL},
    {"2262-04-11T23:47:16.854775808Z", false, 0, NULL},
    {"9999-12-31T23:59:59Z", false, 0, NULL},
    {"0000-01-01T00:00:00Z", false, 0, NULL},
    {"2023-02-29T00:00:00Z", false, 0, NULL},
    {"1900-02-29T00:00:00Z", false, 0, NULL},
    {"2026-13-01T00:00:00Z", false, 0, NULL},
    {"2026-00-01T00:00:00Z", false, 0, NULL},
    {"2026-04-31T00:00:00Z", false, 0, NULL},
    {"2026-04-00T00:00:00Z", false, 0, NULL},
    {"2026-01-01T24:00:00Z", false, 0, NULL},
    {"2026-01-01T00:60:00Z", false, 0, NULL},
    {"2026-01-01T00:00:61Z", false, 0, NULL},
    {"2026-01-01T00:00:00", false, 0, NULL},
    {"2026-01-01T00:00:00.Z", false, 0, NULL},
    {"2026-01-01T00:00:00+0200", false, 0, NULL},
    {"2026-01-01T00:00:00+24:00", false, 0, NULL},
    {"2026-01-01T00:00:00Z ", false, 0, NULL},
    {"2026-1-01T00:00:00Z", false, 0, NULL},
    {"2026-01-01", false, 0, NULL},
    {"", false, 0, NULL},
};

static void reads_and_prints_rfc3339(void **state)
{
    EACH_ROW(row, time_rows)
    {
        int64_t ns = 77;
        char out[36];
        assert_int_equal(clock_parse_rfc3339(span_text(row->name), &ns), row->is_good);
        assert_true(ns == (row->is_good ? row->ns : 77));
        if (!row->is_good)
            continue;
        size_t len = clock_print_rfc3339(ns, out);
        assert_int_equal(len, strlen(out));
        assert_string_equal(out, row->printed ? row->printed : row->name);
    }
}

static void every_day_agrees_with_timegm(void **state)
{
    for (int64_t day = -100000; day <= 100000; day += 17) {
        char out[36];
        int64_t ns = day * 86400 * NS_PER_S, back = 0;
        struct tm t = {0};
        clock_print_rfc3339(ns, out);
        assert_int_equal(sscanf(out, "%d-%d-%d", &t.tm_year, &t.tm_mon, &t.tm_mday), 3);
        t.tm_year -= 1900;
        t.tm_mon -= 1;
        assert_int_equal((int64_t)timegm(&t), day * 86400);
        assert_true(clock_parse_rfc3339(span_text(out), &back) && back == ns);
        assert_int_equal(clock_day(ns), day);
        assert_int_equal(clock_day(ns - 1), day - 1);
    }
}

static void random_instants_read_back(void **state)
{
    uint64_t seed = 71;
    for (int i = 0; i < 20000; i++) {
        char out[36];
        int64_t ns = (int64_t)check_random(&seed), back = 0;
        size_t len = clock_print_rfc3339(ns, out);
        assert_true(len <= 35);
        assert_true(clock_parse_rfc3339(span_of(out, len), &back));
        assert_true(back == ns);
    }
}

static void the_clocks_go(void **state)
{
    int64_t first = clock_mono_ns();
    assert_true(clock_mono_ns() >= first);
    int64_t wall = clock_wall_ns();
    int64_t second = (int64_t)time(NULL); /* of a coarser clock, which may be a tick behind */
    assert_true(wall / NS_PER_S >= second - 1 && wall / NS_PER_S <= second + 1);
}

TEST_GROUP(base_clock, TEST(reads_and_prints_rfc3339), TEST(every_day_agrees_with_timegm),
           TEST(random_instants_read_back), TEST(the_clocks_go));
