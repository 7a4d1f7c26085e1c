/*
 * event/histogram.c: histogram points as bytes and back (docs/format/batch.md), and as weighted
 * values. Called by receive (encode) and by calculations over histogram fields (decode, each).
 * Source: reference otlp.md §8. Never: trusts a count in the bytes; overflows on odd scales and
 * offsets.
 */
#include "event/histogram.h"

#include <float.h>
#include <math.h>

#include "base/must.h"
#include "base/reader.h"

enum { HAS_SUM = 1, HAS_MIN = 2, HAS_MAX = 4, FLAGS_ALL = 7 };

/* ---- bytes ---- */

static void add_double(buf *out, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    buf_add_u64(out, bits);
}

static double read_double(reader *r)
{
    uint64_t bits = reader_u64(r);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static void add_doubles(buf *out, const double *at, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        add_double(out, at[i]);
}

static void add_counts(buf *out, const uint64_t *at, uint32_t count)
{
    buf_add_varint(out, count);
    for (uint32_t i = 0; i < count; i++)
        buf_add_varint(out, at[i]);
}

static void add_buckets(buf *out, const histogram *h)
{
    buf_add_zigzag(out, h->scale);
    buf_add_varint(out, h->zero_count);
    add_double(out, h->zero_threshold);
    buf_add_zigzag(out, h->positive_offset);
    add_counts(out, h->positive, h->positive_count);
    buf_add_zigzag(out, h->negative_offset);
    add_counts(out, h->negative, h->negative_count);
}

void histogram_encode(const histogram *h, buf *out)
{
    int flags =
        (h->has_sum ? HAS_SUM : 0) | (h->has_min ? HAS_MIN : 0) | (h->has_max ? HAS_MAX : 0);
    buf_add_u8(out, (uint8_t)h->kind);
    buf_add_u8(out, (uint8_t)flags);
    buf_add_varint(out, h->count);
    if (h->has_sum)
        add_double(out, h->sum);
    if (h->has_min)
        add_double(out, h->min);
    if (h->has_max)
        add_double(out, h->max);
    switch (h->kind) {
    case HISTOGRAM_EXPLICIT:
        must(h->count_count == 0 || h->count_count == h->bound_count + 1);
        buf_add_varint(out, h->bound_count);
        add_doubles(out, h->bounds, h->bound_count);
        add_counts(out, h->counts, h->count_count);
        break;
    case HISTOGRAM_EXPONENTIAL: add_buckets(out, h); break;
    case HISTOGRAM_SUMMARY:
        buf_add_varint(out, h->bound_count);
        add_doubles(out, h->bounds, h->bound_count);
        add_doubles(out, h->values, h->bound_count);
        break;
    }
}

/* A count of items that take at least `item_bytes` each: more than there is left fails. */
static uint32_t read_count(reader *r, size_t item_bytes)
{
    uint64_t count = reader_varint(r);
    if (count > reader_left(r) / item_bytes || count > UINT32_MAX - 1) {
        r->failed = true;
        return 0;
    }
    return (uint32_t)count;
}

static double *read_doubles(reader *r, arena *mem, uint32_t count)
{
    double *at = ARENA_ARRAY(mem, double, count);
    for (uint32_t i = 0; at && i < count; i++)
        at[i] = read_double(r);
    r->failed |= at == NULL;
    return at;
}

static uint64_t *read_counts(reader *r, arena *mem, uint32_t *ret_count)
{
    uint32_t count = read_count(r, 1);
    uint64_t *at = ARENA_ARRAY(mem, uint64_t, count);
    for (uint32_t i = 0; at && i < count; i++)
        at[i] = reader_varint(r);
    r->failed |= at == NULL;
    *ret_count = count;
    return at;
}

static int32_t read_i32(reader *r)
{
    int64_t v = reader_zigzag(r);
    r->failed |= v < INT32_MIN || v > INT32_MAX;
    return (int32_t)v;
}

static void read_by_kind(reader *r, arena *mem, histogram *h)
{
    switch (h->kind) {
    case HISTOGRAM_EXPLICIT:
        h->bound_count = read_count(r, sizeof(double));
        h->bounds = read_doubles(r, mem, h->bound_count);
        h->counts = read_counts(r, mem, &h->count_count);
        r->failed |= h->count_count != 0 && h->count_count != h->bound_count + 1;
        break;
    case HISTOGRAM_EXPONENTIAL:
        h->scale = read_i32(r);
        h->zero_count = reader_varint(r);
        h->zero_threshold = read_double(r);
        h->positive_offset = read_i32(r);
        h->positive = read_counts(r, mem, &h->positive_count);
        h->negative_offset = read_i32(r);
        h->negative = read_counts(r, mem, &h->negative_count);
        break;
    case HISTOGRAM_SUMMARY:
        h->bound_count = read_count(r, 2 * sizeof(double));
        h->bounds = read_doubles(r, mem, h->bound_count);
        h->values = read_doubles(r, mem, h->bound_count);
        break;
    }
}

bool histogram_decode(span bytes, arena *mem, histogram *ret)
{
    reader r = reader_of(bytes);
    histogram h = {0};
    uint8_t kind = reader_u8(&r), flags = reader_u8(&r);
    if (kind > HISTOGRAM_SUMMARY || flags > FLAGS_ALL)
        return false;
    h.kind = (histogram_kind)kind;
    h.has_sum = flags & HAS_SUM;
    h.has_min = flags & HAS_MIN;
    h.has_max = flags & HAS_MAX;
    h.count = reader_varint(&r);
    h.sum = h.has_sum ? read_double(&r) : 0;
    h.min = h.has_min ? read_double(&r) : 0;
    h.max = h.has_max ? read_double(&r) : 0;
    read_by_kind(&r, mem, &h);
    if (r.failed || reader_left(&r))
        return false;
    *ret = h;
    return true;
}

/* ---- weighted values ---- */

typedef struct taker {
    const histogram *h;
    void (*each)(void *ctx, double value, double count);
    void *ctx;
} taker;

/* A bucket's middle, its bounds first drawn in to the smallest and largest value seen. */
static void give_bucket(const taker *t, double low, double high, double count)
{
    if (!(count > 0) || isnan(low) || isnan(high))
        return;
    const histogram *h = t->h;
    if (h->has_min && h->min > low)
        low = h->min < high ? h->min : high;
    if (h->has_max && h->max < high)
        high = h->max > low ? h->max : low;
    low = fmin(fmax(low, -DBL_MAX), DBL_MAX);
    high = fmin(fmax(high, -DBL_MAX), DBL_MAX);
    t->each(t->ctx, low / 2 + high / 2, count);
}

/* No buckets, only count and sum. */
static void give_mean(const taker *t)
{
    const histogram *h = t->h;
    double count = (double)h->count;
    if (h->has_sum && h->count && isfinite(h->sum))
        t->each(t->ctx, h->sum / count, count);
}

static void each_explicit(const taker *t)
{
    const histogram *h = t->h;
    uint32_t n = h->bound_count;
    if (h->count_count == 0 || n == 0) {
        give_mean(t);
        return;
    }
    /* The outer buckets have one bound: the other is the extreme when it is known, else 0 or the
     * bound itself. */
    double lowest = h->has_min ? h->min : h->bounds[0] > 0 ? 0 : h->bounds[0];
    double highest = h->has_max ? h->max : h->bounds[n - 1];
    for (uint32_t i = 0; i <= n; i++) {
        double low = i ? h->bounds[i - 1] : fmin(lowest, h->bounds[0]);
        double high = i < n ? h->bounds[i] : fmax(highest, h->bounds[n - 1]);
        give_bucket(t, low, high, (double)h->counts[i]);
    }
}

/* base^index, base = 2^(2^-scale); infinite or 0 when it is out of reach. */
static double power_of_base(const histogram *h, double index)
{
    int scale = h->scale < -2000 ? -2000 : h->scale > 2000 ? 2000 : h->scale;
    return exp2(ldexp(index, -scale));
}

static void each_exponential(const taker *t)
{
    const histogram *h = t->h;
    for (uint32_t i = h->negative_count; i-- > 0;) {
        double index = (double)h->negative_offset + i;
        give_bucket(t, -power_of_base(h, index + 1), -power_of_base(h, index),
                    (double)h->negative[i]);
    }
    if (h->zero_count)
        t->each(t->ctx, 0, (double)h->zero_count);
    for (uint32_t i = 0; i < h->positive_count; i++) {
        double index = (double)h->positive_offset + i;
        give_bucket(t, power_of_base(h, index), power_of_base(h, index + 1),
                    (double)h->positive[i]);
    }
}

/* A quantile's value stands for the share of the count since the quantile before it; the last also
 * for the rest. */
static void each_summary(const taker *t)
{
    const histogram *h = t->h;
    if (h->bound_count == 0) {
        give_mean(t);
        return;
    }
    double before = 0;
    for (uint32_t i = 0; i < h->bound_count; i++) {
        double until = i + 1 == h->bound_count ? 1 : h->bounds[i];
        double count = (double)h->count * (until - before);
        if (count > 0 && isfinite(count) && isfinite(h->values[i]))
            t->each(t->ctx, h->values[i], count);
        if (until > before)
            before = until;
    }
}

void histogram_each(const histogram *h, void (*each)(void *ctx, double value, double count),
                    void *ctx)
{
    taker t = {h, each, ctx};
    switch (h->kind) {
    case HISTOGRAM_EXPLICIT: each_explicit(&t); break;
    case HISTOGRAM_EXPONENTIAL: each_exponential(&t); break;
    case HISTOGRAM_SUMMARY: each_summary(&t); break;
    }
}
