/*
 * tests/unit/event_histogram.c: histogram points as bytes and as weighted values.
 */
#include "event/histogram.h"

#include <float.h>
#include <math.h>

#include "check.h"

typedef struct seen {
    uint32_t count;
    double value[32], weight[32], total;
} seen;

static void note(void *ctx, double v, double count)
{
    seen *s = ctx;
    assert_true(s->count < COUNT_OF(s->value));
    assert_true(isfinite(v) && count > 0);
    s->value[s->count] = v;
    s->weight[s->count++] = count;
    s->total += count;
}

static void check_each(const histogram *h, uint32_t count, const double *values,
                       const double *weights)
{
    seen s = {0};
    histogram_each(h, note, &s);
    assert_int_equal(s.count, count);
    for (uint32_t i = 0; i < count; i++) {
        check_near(s.value[i], values[i], fabs(values[i]) * 1e-12);
        check_near(s.weight[i], weights[i], weights[i] * 1e-12);
    }
}

static double bounds[] = {0, 10, 20};
static uint64_t counts[] = {1, 0, 3, 2};
static double quantiles[] = {0, 0.5, 0.99}, quantile_values[] = {1, 5, 50};
static uint64_t positive[] = {4, 0, 5}, negative[] = {6};

static histogram explicit_one(void)
{
    return (histogram){.kind = HISTOGRAM_EXPLICIT,
                       .count = 6,
                       .bound_count = 3,
                       .count_count = 4,
                       .bounds = bounds,
                       .counts = counts};
}

static histogram exponential_one(void)
{
    return (histogram){.kind = HISTOGRAM_EXPONENTIAL,
                       .count = 18,
                       .has_sum = true,
                       .sum = -2.5,
                       .scale = 0,
                       .zero_count = 3,
                       .zero_threshold = 1e-9,
                       .positive_offset = 1,
                       .positive_count = 3,
                       .positive = positive,
                       .negative_offset = -2,
                       .negative_count = 1,
                       .negative = negative};
}

static histogram summary_one(void)
{
    return (histogram){.kind = HISTOGRAM_SUMMARY,
                       .count = 200,
                       .has_sum = true,
                       .sum = 1000,
                       .bound_count = 3,
                       .bounds = quantiles,
                       .values = quantile_values};
}

static void explicit_buckets(void **state)
{
    histogram h = explicit_one();
    check_each(&h, 3, (double[]){0, 15, 20}, (double[]){1, 3, 2});
    h.has_min = h.has_max = true;
    h.min = -8;
    h.max = 30;
    check_each(&h, 3, (double[]){-4, 15, 25}, (double[]){1, 3, 2});
    h.min = 14; /* contradicts the first bucket: drawn in no further than its bounds */
    h.max = 16;
    check_each(&h, 3, (double[]){0, 15, 20}, (double[]){1, 3, 2});
    h.count_count = 0;
    seen s = {0};
    histogram_each(&h, note, &s);
    assert_int_equal(s.count, 0);
    h.has_sum = true;
    h.sum = 90;
    check_each(&h, 1, (double[]){15}, (double[]){6});
    h = (histogram){.kind = HISTOGRAM_EXPLICIT};
    check_each(&h, 0, NULL, NULL);
}

static void exponential_buckets(void **state)
{
    histogram h = exponential_one(); /* base 2: (2,4], (8,16], and -(1/4, 1/2] */
    check_each(&h, 4, (double[]){-0.375, 0, 3, 12}, (double[]){6, 3, 4, 5});
    h.scale = 1;
    h.negative_count = 0;
    h.zero_count = 0;
    double root = sqrt(2);
    check_each(&h, 2, (double[]){(root + 2) / 2, (2 * root + 4) / 2}, (double[]){4, 5});
    h.has_max = true;
    h.max = 3;
    check_each(&h, 2, (double[]){(root + 2) / 2, (2 * root + 3) / 2}, (double[]){4, 5});
}

static void summaries(void **state)
{
    histogram h = summary_one();
    check_each(&h, 2, (double[]){5, 50}, (double[]){100, 100});
    h.bound_count = 0;
    check_each(&h, 1, (double[]){5}, (double[]){200});
    h.has_sum = false;
    check_each(&h, 0, NULL, NULL);
}

/* Any scale, offset and count of a hostile sender gives finite values. */
static void extremes_stay_finite(void **state)
{
    static const int32_t numbers[] = {INT32_MIN, -1100, -20, 0, 20, 1100, INT32_MAX};
    uint64_t huge[] = {UINT64_MAX, 1};
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        for (size_t k = 0; k < COUNT_OF(numbers); k++) {
            histogram h = {.kind = HISTOGRAM_EXPONENTIAL,
                           .scale = numbers[i],
                           .positive_offset = numbers[k],
                           .positive_count = 2,
                           .positive = huge,
                           .negative_offset = numbers[k],
                           .negative_count = 2,
                           .negative = huge};
            seen s = {0};
            histogram_each(&h, note, &s);
            assert_true(s.count <= 4);
        }
    }
    double odd[] = {NAN, INFINITY, -INFINITY};
    histogram h = {.kind = HISTOGRAM_EXPLICIT,
                   .count = 6,
                   .bound_count = 3,
                   .count_count = 4,
                   .bounds = odd,
                   .counts = counts,
                   .has_sum = true,
                   .sum = NAN};
    seen s = {0};
    histogram_each(&h, note, &s);
    h.bound_count = h.count_count = 0;
    check_each(&h, 0, NULL, NULL);
    h = (histogram){
        .kind = HISTOGRAM_SUMMARY, .count = 6, .bound_count = 3, .bounds = odd, .values = odd};
    histogram_each(&h, note, &s);
}

static void bytes_round_trip(void **state)
{
    histogram all[] = {explicit_one(), exponential_one(), summary_one()};
    all[0].has_min = all[0].has_max = true;
    all[0].min = -1;
    all[0].max = 99;
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        buf first, second;
        buf_init(&first, MIB);
        buf_init(&second, MIB);
        histogram_encode(&all[i], &first);
        arena *mem = arena_new(MIB);
        histogram back;
        assert_true(histogram_decode(buf_span(&first), mem, &back));
        assert_true(back.kind == all[i].kind && back.count == all[i].count);
        assert_true(back.has_min == all[i].has_min && back.max == all[i].max);
        assert_true(back.sum == all[i].sum && back.scale == all[i].scale);
        histogram_encode(&back, &second);
        check_span(buf_span(&second), buf_span(&first));
        for (size_t len = 0; len < first.len; len++) { /* every cut, in memory as long as itself */
            uint8_t *copy = malloc(len + !len);
            memcpy(copy, first.at, len);
            assert_false(histogram_decode(span_of(copy, len), mem, &back));
            free(copy);
        }
        uint64_t seed = 9;
        for (int k = 0; k < 2000; k++) {
            uint8_t *copy = malloc(first.len);
            memcpy(copy, first.at, first.len);
            copy[check_random(&seed) % first.len] = (uint8_t)check_random(&seed);
            if (histogram_decode(span_of(copy, first.len), mem, &back)) {
                seen s = {0};
                histogram_each(&back, note, &s);
            }
            free(copy);
        }
        buf_add_u8(&first, 0);
        assert_false(histogram_decode(buf_span(&first), mem, &back));
        arena_free(mem);
        buf_done(&first);
        buf_done(&second);
    }
}

TEST_GROUP(event_histogram, TEST(explicit_buckets), TEST(exponential_buckets), TEST(summaries),
           TEST(extremes_stay_finite), TEST(bytes_round_trip));
