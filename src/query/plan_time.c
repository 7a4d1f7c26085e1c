/*
 * query/plan_time.c: the time of a plan: which range is meant, how it is cut into buckets, whether
 * the comparison with an earlier time is allowed. Called by plan_make. Rules: honeycomb.md §4.2.
 *
 * A range that ends now ends at the next whole second, so that an event acknowledged before the
 * question is in it and bucket times read well. Auto granularity is the finest of the choices that
 * makes at most BUCKETS_SHOWN buckets.
 */
#include "query/plan_private.h"

#define BUCKETS_SHOWN 120
#define WEEK_NS       (604800 * NS_PER_S)

/* The choices of Honeycomb's interface, in seconds, and below them ours for ranges of seconds, in
 * ms. */
static const int64_t choices_ms[] = {10, 20, 50, 100, 200, 500};
static const int64_t choices_s[] = {1,     5,     10,    15,    30,     60,     120,
                                    300,   600,   900,   1800,  3600,   7200,   10800,
                                    14400, 21600, 43200, 86400, 172800, 259200, 604800};
static const int64_t compare_offsets_s[] = {1800,  3600,   7200,    28800,
                                            86400, 604800, 2419200, 15724800};

static sk_code resolve_range(const query_spec *s, int64_t now_ns, int64_t *ret_start_s,
                             int64_t *ret_end_s, err *e)
{
    if (s->has_start && s->has_end && s->has_range)
        return err_set(e, SK_BAD_INPUT,
                       "start, end and range of time are all given: leave one out");
    if ((s->has_start && (s->start_s < 0 || s->start_s > SPEC_TIME_MAX_S)) ||
        (s->has_end && (s->end_s < 0 || s->end_s > SPEC_TIME_MAX_S)))
        return err_set(e, SK_BAD_INPUT, "times are unix seconds from 0 to %lld",
                       (long long)SPEC_TIME_MAX_S);
    if (s->has_range && (s->range_s < 1 || s->range_s > SPEC_TIME_MAX_S))
        return err_set(e, SK_BAD_INPUT, "the range of time must be from 1 s to %lld s",
                       (long long)SPEC_TIME_MAX_S);
    int64_t range_s = s->has_range ? s->range_s : PLAN_RANGE_DEFAULT_S;
    int64_t now_s = now_ns / NS_PER_S + (now_ns % NS_PER_S > 0);
    int64_t start_s = s->start_s, end_s = s->end_s;
    if (!s->has_start && !s->has_end)
        end_s = now_s;
    if (!s->has_start)
        start_s = end_s - range_s;
    else if (!s->has_end)
        end_s = start_s + range_s;
    if (start_s >= end_s)
        return err_set(e, SK_BAD_INPUT,
                       "the time range is empty: its start (%lld) must be before its end (%lld)",
                       (long long)start_s, (long long)end_s);
    if (start_s < -SPEC_TIME_MAX_S || end_s > SPEC_TIME_MAX_S)
        return err_set(e, SK_BAD_INPUT,
                       "the time range reaches beyond what 64 bits of ns can hold");
    *ret_start_s = start_s;
    *ret_end_s = end_s;
    return SK_OK;
}

static int64_t auto_granularity_ns(int64_t range_ns)
{
    for (size_t i = 0; i < COUNT_OF(choices_ms); i++)
        if (choices_ms[i] * NS_PER_MS * BUCKETS_SHOWN >= range_ns)
            return choices_ms[i] * NS_PER_MS;
    for (size_t i = 0; i < COUNT_OF(choices_s); i++)
        if (choices_s[i] * NS_PER_S * BUCKETS_SHOWN >= range_ns)
            return choices_s[i] * NS_PER_S;
    int64_t weeks = range_ns / BUCKETS_SHOWN / WEEK_NS + 1;
    return weeks * WEEK_NS;
}

static sk_code resolve_granularity(const query_spec *s, int64_t range_s, int64_t *ret_ns, err *e)
{
    if (s->granularity_s == 0) {
        *ret_ns = auto_granularity_ns(range_s * NS_PER_S);
        return SK_OK;
    }
    int64_t least_s = (range_s + PLAN_BUCKETS_MAX - 1) / PLAN_BUCKETS_MAX;
    if (s->granularity_s < least_s || s->granularity_s > range_s)
        return err_set(
            e, SK_BAD_INPUT,
            "granularity %lld s must be from a thousandth of the time range to the whole "
            "of it: %lld s to %lld s",
            (long long)s->granularity_s, (long long)least_s, (long long)range_s);
    *ret_ns = s->granularity_s * NS_PER_S;
    return SK_OK;
}

static sk_code check_compare(int64_t offset_s, int64_t range_s, err *e)
{
    if (offset_s == 0 || offset_s == range_s)
        return SK_OK;
    bool is_choice = false;
    for (size_t i = 0; i < COUNT_OF(compare_offsets_s); i++)
        is_choice |= compare_offsets_s[i] == offset_s;
    if (!is_choice)
        return err_set(
            e, SK_BAD_INPUT,
            "the comparison's offset of %lld s must be the time range (%lld s) or one of "
            "1800, 3600, 7200, 28800, 86400, 604800, 2419200, 15724800 s",
            (long long)offset_s, (long long)range_s);
    if (offset_s < range_s)
        return err_set(
            e, SK_BAD_INPUT,
            "the comparison's offset of %lld s is shorter than the time range of %lld s: "
            "the two would overlap",
            (long long)offset_s, (long long)range_s);
    return SK_OK;
}

sk_code plan__time(plan *p, int64_t now_ns, err *e)
{
    int64_t start_s = 0, end_s = 0;
    sk_code code = resolve_range(&p->spec, now_ns, &start_s, &end_s, e);
    if (!code)
        code = resolve_granularity(&p->spec, end_s - start_s, &p->granularity_ns, e);
    if (!code)
        code = check_compare(p->spec.compare_offset_s, end_s - start_s, e);
    if (code)
        return code;
    p->start_ns = start_s * NS_PER_S;
    p->end_ns = end_s * NS_PER_S;
    p->bucket_count = (uint32_t)((p->end_ns - p->start_ns - 1) / p->granularity_ns + 1);
    return SK_OK;
}
