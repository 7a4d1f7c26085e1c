/*
 * tests/model/world_values.c: the fields of a world and how their values are made.
 */
#include <math.h>

#include "event/fields.h"
#include "event/histogram.h"
#include "world.h"

const world_field world_fields[] = {
    {"http.route", FIELD_STRING, FEW_TEXTS, 60},
    {"user.id", FIELD_STRING, MANY_TEXTS, 40},
    {"request.id", FIELD_STRING, UNIQUE_TEXTS, 30},
    {"text.number", FIELD_STRING, NUMBER_TEXTS, 40},
    {"text.odd", FIELD_STRING, ODD_TEXTS, 40},
    {"count", FIELD_INT, FEW_INTS, 60},
    {"big", FIELD_INT, ANY_INTS, 40},
    {"price", FIELD_FLOAT, PLAIN_FLOATS, 60},
    {"wild", FIELD_FLOAT, WILD_FLOATS, 30},
    {"odd.float", FIELD_FLOAT, NOT_FINITE, 20},
    {"is_cached", FIELD_BOOL, BOOLS, 50},
    {"sizes", FIELD_HISTOGRAM, HISTOGRAMS, 25},
    {"code", FIELD_TYPE_COUNT, INT_OR_TEXT, 50},
    {"mixed", FIELD_TYPE_COUNT, ANYTHING, 50},
    {"host.name", FIELD_STRING, FEW_TEXTS, 5}, /* mostly of the resource */
    {"resource.mixed", FIELD_TYPE_COUNT, ANYTHING, 10},
    {"http.status_code", FIELD_INT, FEW_INTS, 20},
    {"http.response.status_code", FIELD_TYPE_COUNT, INT_OR_TEXT, 20},
    {"rare", FIELD_INT, FEW_INTS, 1},
    {F_TRACE_ID, FIELD_STRING, OF_THE_MAPPING, 0},
    {F_SPAN_ID, FIELD_STRING, OF_THE_MAPPING, 0},
    {F_PARENT_ID, FIELD_STRING, OF_THE_MAPPING, 0}, /* some are no ids */
    {F_NAME, FIELD_STRING, OF_THE_MAPPING, 0},
    {F_SERVICE_NAME, FIELD_STRING, OF_THE_MAPPING, 0},
    {F_SPAN_KIND, FIELD_STRING, OF_THE_MAPPING, 0},
    {F_ANNOTATION_TYPE, FIELD_STRING, OF_THE_MAPPING, 0},
    {F_BODY, FIELD_STRING, OF_THE_MAPPING, 0},
    {F_STATUS_CODE, FIELD_INT, OF_THE_MAPPING, 0},
    {F_DURATION_MS, FIELD_TYPE_COUNT, OF_THE_MAPPING, 0},
    {F_ERROR, FIELD_TYPE_COUNT, OF_THE_MAPPING, 0},
    {F_METRIC_NAME, FIELD_STRING, OF_THE_MAPPING, 0},
    {F_METRIC_VALUE, FIELD_TYPE_COUNT, OF_THE_MAPPING, 0},
};
const uint32_t world_field_count = COUNT_OF(world_fields);

/* ---- values ---- */

static value text_value(world *w, const char *format, uint64_t number)
{
    char text[64];
    value v = {.is_set = true, .type = FIELD_STRING};
    snprintf(text, sizeof text, format, (unsigned long long)number);
    assert_true(arena_copy(w->mem, span_text(text), &v.text));
    return v;
}

static value odd_text(world *w)
{
    static const char *const texts[] = {"",   " ",    "true",         "false", "null",  "0",
                                        "-0", "5.0",  "ÄÖ☃",          "日本",  "a\"b",  "a\\b",
                                        "%%", "\t\n", "/api/users/7", "NaN",   "1e+19", "0x10"};
    if (world_chance(w, 3)) { /* they differ only at their ends */
        size_t len = 2 + world_below(w, world_chance(w, 95) ? 3000 : EVENT_STRING_MAX - 1);
        char *long_text = arena_alloc(w->mem, len, 1);
        memset(long_text, 'x', len);
        long_text[len - 1] = (char)('a' + world_below(w, 3));
        return (value){.is_set = true, .type = FIELD_STRING, .text = span_of(long_text, len)};
    }
    return (value){.is_set = true,
                   .type = FIELD_STRING,
                   .text = span_text(texts[world_below(w, COUNT_OF(texts))])};
}

static value number_text(world *w)
{
    static const char *const texts[] = {
        "5",   "+5", "-17", "1.5", "1e3", "1E-3", "007", " 5", "5 ", "1.", "12345678901234567890",
        "0.1", "3",  "200"};
    return (value){.is_set = true,
                   .type = FIELD_STRING,
                   .text = span_text(texts[world_below(w, COUNT_OF(texts))])};
}

static value any_int(world *w)
{
    static const int64_t edges[] = {
        INT64_MIN, INT64_MAX, INT64_MIN + 1, (1ll << 53) + 1, -(1ll << 53) - 1, 0, -1};
    value v = {.is_set = true, .type = FIELD_INT};
    uint64_t r = check_random(&w->seed);
    v.i = world_chance(w, 30) ? edges[r % COUNT_OF(edges)] : (int64_t)r >> (r & 63);
    return v;
}

static value wild_float(world *w)
{
    static const double edges[] = {1e300, -1e300, 1e-300, -1e-300, 5e-324, -5e-324,
                                   0.0,   -0.0,   1e19,   -1e19,   0.1};
    value v = {.is_set = true, .type = FIELD_FLOAT};
    v.f = edges[world_below(w, COUNT_OF(edges))];
    if (world_chance(w, 50))
        v.f = ldexp((double)(int64_t)check_random(&w->seed), (int)world_below(w, 200) - 160);
    return v;
}

static value a_histogram(world *w)
{
    double bounds[] = {0, 1, 5, 10.5}, quantiles[] = {0.5, 0.99},
           values[] = {(double)world_below(w, 50), 60};
    uint64_t counts[5], buckets[6];
    for (size_t i = 0; i < COUNT_OF(counts); i++)
        counts[i] = world_below(w, 4);
    for (size_t i = 0; i < COUNT_OF(buckets); i++)
        buckets[i] = world_below(w, 100) || w->scale > 1 /* sums of weights stay below 2^64 */
                         ? world_below(w, 3)
                         : UINT64_MAX >> world_below(w, 30);
    histogram h = {.kind = (histogram_kind)world_below(w, 3),
                   .count = 9,
                   .has_sum = world_chance(w, 80),
                   .sum = 77.5};
    if (h.kind == HISTOGRAM_EXPLICIT) {
        h.bounds = bounds;
        h.bound_count = COUNT_OF(bounds);
        h.counts = counts;
        h.count_count = world_chance(w, 90) ? COUNT_OF(counts) : 0;
        h.has_max = world_chance(w, 50);
        h.max = 40;
    } else if (h.kind == HISTOGRAM_EXPONENTIAL) {
        h.scale = (int32_t)world_below(w, 6) - 1;
        h.zero_count = world_below(w, 3);
        h.positive_offset = (int32_t)world_below(w, 9) - 4;
        h.positive = buckets;
        h.positive_count = COUNT_OF(buckets);
        h.negative = buckets;
        h.negative_count = (uint32_t)world_below(w, 3);
    } else {
        h.bounds = quantiles;
        h.values = values;
        h.bound_count = COUNT_OF(quantiles);
    }
    buf out;
    buf_init(&out, 64 * KIB);
    histogram_encode(&h, &out);
    value v = {.is_set = true, .type = FIELD_HISTOGRAM};
    assert_true(arena_copy(w->mem, buf_span(&out), &v.text));
    buf_done(&out);
    return v;
}

value world_value(world *w, value_kind kind)
{
    value v = {.is_set = true};
    switch (kind) {
    case FEW_TEXTS: return text_value(w, "/route/%llu", world_below(w, 7));
    case MANY_TEXTS: return text_value(w, "user-%llu", world_below(w, 300));
    case UNIQUE_TEXTS: return text_value(w, "%016llx", check_random(&w->seed));
    case NUMBER_TEXTS: return number_text(w);
    case ODD_TEXTS: return odd_text(w);
    case FEW_INTS:
        v.type = FIELD_INT;
        v.i = (int64_t)world_below(w, 9) - 2;
        return v;
    case ANY_INTS: return any_int(w);
    case PLAIN_FLOATS:
        v.type = FIELD_FLOAT;
        v.f = (double)world_below(w, 8000) / 8 - 100;
        return v;
    case WILD_FLOATS: return wild_float(w);
    case NOT_FINITE:
        v.type = FIELD_FLOAT;
        v.f = world_chance(w, 60)   ? 0.1 * (double)world_below(w, 50)
              : world_chance(w, 50) ? NAN
              : world_chance(w, 50) ? INFINITY
                                    : -INFINITY;
        return v;
    case BOOLS:
        v.type = FIELD_BOOL;
        v.b = world_chance(w, 50);
        return v;
    case HISTOGRAMS: return a_histogram(w);
    case INT_OR_TEXT: return world_chance(w, 50) ? world_value(w, FEW_INTS) : number_text(w);
    case OF_THE_MAPPING:
    case ANYTHING: break;
    }
    return world_value(w, (value_kind)world_below(w, ANYTHING));
}

void world_remember(world *w, uint32_t field, value v)
{
    uint32_t n = w->pool_count[field]++;
    uint64_t at = n < WORLD_POOL ? n : world_below(w, n * 4u);
    if (at < WORLD_POOL)
        w->pool[field][at] = v;
}
