/*
 * receive/otlp_points.c: the data points of histograms and summaries: protobuf bytes to
 * event/histogram.h, checked. Called by otlp_metrics.c. Arrays live in the scratch arena until the
 * point's row is put. Source: opentelemetry-proto metrics/v1/metrics.proto (otlp.md §1; which
 * numbers are fixed and which varints differs between the messages); what a histogram must hold:
 * otlp.md §8.
 */
#include <math.h>

#include "receive/otlp_metrics_private.h"

static void append(otlp *o, otlp_numbers *n, uint64_t bits)
{
    if (n->is_over || n->count > OTLP_BUCKETS_MAX) { /* one more: counts outnumber bounds by one */
        n->is_over = true;
        return;
    }
    if (n->count == n->capacity) {
        uint32_t capacity = n->capacity ? 2 * n->capacity : 32;
        uint64_t *at = arena_alloc(o->scratch, capacity * sizeof(*at), _Alignof(uint64_t));
        if (!at) { /* otlp_decode sees the arena's failure */
            n->is_over = true;
            return;
        }
        if (n->count)
            memcpy(at, n->at, n->count * sizeof(*at));
        n->at = at;
        n->capacity = capacity;
    }
    n->at[n->count++] = bits;
}

/* A repeated scalar, packed or not. */
static void read_fixed(otlp *o, otlp_numbers *n, reader *r, bool is_packed)
{
    if (!is_packed) {
        append(o, n, pb_i64(r));
        return;
    }
    reader packed = pb_message(r);
    while (packed.at < packed.end && !n->is_over)
        append(o, n, pb_i64(&packed));
    pb_end(r, &packed);
}

static void read_varints(otlp *o, otlp_numbers *n, reader *r, bool is_packed)
{
    if (!is_packed) {
        append(o, n, pb_var(r));
        return;
    }
    reader packed = pb_message(r);
    while (packed.at < packed.end && !packed.failed && !n->is_over)
        append(o, n, pb_var(&packed));
    pb_end(r, &packed);
}

static double *as_doubles(const otlp_numbers *n)
{
    return (double *)(void *)n->at; /* the same bits; the arena's memory has no declared type */
}

static double double_field(reader *r, bool *ret_has)
{
    *ret_has = true;
    return pb_double(r);
}

/* ---- explicit ---- */

void otlp_read_histogram(otlp *o, otlp_point *p, span message)
{
    otlp_numbers counts = {.at = NULL}, bounds = {.at = NULL};
    histogram *h = &p->histogram;
    h->kind = HISTOGRAM_EXPLICIT;
    reader r = reader_of(message);
    for (uint32_t tag; (tag = pb_tag(&r));)
        switch (tag) {
        case PB(2, I64): p->start_ns = pb_i64(&r); break;
        case PB(3, I64): p->time_ns = pb_i64(&r); break;
        case PB(4, I64): h->count = pb_i64(&r); break;
        case PB(5, I64): h->sum = double_field(&r, &h->has_sum); break;
        case PB(6, LEN):
        case PB(6, I64): read_fixed(o, &counts, &r, tag == PB(6, LEN)); break;
        case PB(7, LEN):
        case PB(7, I64): read_fixed(o, &bounds, &r, tag == PB(7, LEN)); break;
        case PB(8, LEN): p->exemplar_count++, pb_bytes(&r); break;
        case PB(9, LEN): otlp_read_attributes(o, &o->item, &r, PB(9, LEN)); break;
        case PB(10, VAR): p->flags = pb_var(&r); break;
        case PB(11, I64): h->min = double_field(&r, &h->has_min); break;
        case PB(12, I64): h->max = double_field(&r, &h->has_max); break;
        case PB(OTLP_REFUSED_FIELD, LEN): p->refused = pb_bytes(&r); break;
        default: pb_skip(&r, tag); break;
        }
    if (r.failed)
        otlp_fail(o, &r);
    h->bound_count = bounds.count;
    h->bounds = as_doubles(&bounds);
    h->count_count = counts.count;
    h->counts = counts.at;
    p->is_over = counts.is_over || bounds.is_over;
    if (p->is_over)
        return;
    if (counts.count + bounds.count > 0 && counts.count != bounds.count + 1)
        p->wrong = ".bucketCounts must hold one count more than .explicitBounds holds bounds";
    for (uint32_t i = 1; i < bounds.count && !p->wrong; i++)
        if (!(h->bounds[i - 1] < h->bounds[i]))
            p->wrong = ".explicitBounds must rise from each bound to the next";
}

/* ---- exponential ---- */

typedef struct buckets {
    int64_t offset;
    otlp_numbers counts;
} buckets;

static void read_buckets(otlp *o, buckets *b, span message)
{
    reader r = reader_of(message);
    for (uint32_t tag; (tag = pb_tag(&r));)
        switch (tag) {
        case PB(1, VAR): b->offset = pb_sint(&r); break;
        case PB(2, LEN):
        case PB(2, VAR): read_varints(o, &b->counts, &r, tag == PB(2, LEN)); break;
        default: pb_skip(&r, tag); break;
        }
    if (r.failed)
        otlp_fail(o, &r);
}

/* Bucket i covers (base^i, base^(i+1)] with base = 2^(2^-scale): do the indexes of the buckets in
 * use fit an int32, and their bounds a double? */
static bool has_sane_range(const buckets *b, int64_t scale)
{
    uint32_t first = 0, end = b->counts.count;
    while (first < end && b->counts.at[first] == 0)
        first++;
    while (end > first && b->counts.at[end - 1] == 0)
        end--;
    int64_t low = b->offset, high = b->offset + (int64_t)b->counts.count;
    if (low < INT32_MIN || high > INT32_MAX)
        return false;
    if (first == end)
        return true;
    double low_exponent = ldexp((double)(b->offset + first), (int)-scale);
    double high_exponent = ldexp((double)(b->offset + end), (int)-scale);
    return low_exponent >= -1075 && high_exponent <= 1024;
}

void otlp_read_exponential(otlp *o, otlp_point *p, span message)
{
    buckets positive = {.offset = 0}, negative = {.offset = 0};
    int64_t scale = 0;
    histogram *h = &p->histogram;
    h->kind = HISTOGRAM_EXPONENTIAL;
    reader r = reader_of(message);
    for (uint32_t tag; (tag = pb_tag(&r));)
        switch (tag) {
        case PB(1, LEN): otlp_read_attributes(o, &o->item, &r, PB(1, LEN)); break;
        case PB(2, I64): p->start_ns = pb_i64(&r); break;
        case PB(3, I64): p->time_ns = pb_i64(&r); break;
        case PB(4, I64): h->count = pb_i64(&r); break;
        case PB(5, I64): h->sum = double_field(&r, &h->has_sum); break;
        case PB(6, VAR): scale = pb_sint(&r); break;
        case PB(7, I64): h->zero_count = pb_i64(&r); break;
        case PB(8, LEN): read_buckets(o, &positive, pb_bytes(&r)); break;
        case PB(9, LEN): read_buckets(o, &negative, pb_bytes(&r)); break;
        case PB(10, VAR): p->flags = pb_var(&r); break;
        case PB(11, LEN): p->exemplar_count++, pb_bytes(&r); break;
        case PB(12, I64): h->min = double_field(&r, &h->has_min); break;
        case PB(13, I64): h->max = double_field(&r, &h->has_max); break;
        case PB(14, I64): h->zero_threshold = pb_double(&r); break;
        case PB(OTLP_REFUSED_FIELD, LEN): p->refused = pb_bytes(&r); break;
        default: pb_skip(&r, tag); break;
        }
    if (r.failed)
        otlp_fail(o, &r);
    p->is_over = positive.counts.is_over || negative.counts.is_over;
    if (p->is_over)
        return;
    if (scale < -OTLP_SCALE_MAX || scale > OTLP_SCALE_MAX)
        p->wrong = ".scale must lie between -64 and 64";
    else if (!has_sane_range(&positive, scale) || !has_sane_range(&negative, scale))
        p->wrong = ".positive or .negative reaches beyond what a double can hold at this scale";
    if (p->wrong)
        return;
    h->scale = (int32_t)scale;
    h->positive_offset = (int32_t)positive.offset;
    h->negative_offset = (int32_t)negative.offset;
    h->positive_count = positive.counts.count;
    h->negative_count = negative.counts.count;
    h->positive = positive.counts.at;
    h->negative = negative.counts.at;
}

/* ---- summary ---- */

static void read_quantile(otlp *o, otlp_numbers *quantiles, otlp_numbers *values, span message)
{
    uint64_t quantile = 0, at = 0; /* the bits of 0.0 */
    reader r = reader_of(message);
    for (uint32_t tag; (tag = pb_tag(&r));)
        switch (tag) {
        case PB(1, I64): quantile = pb_i64(&r); break;
        case PB(2, I64): at = pb_i64(&r); break;
        default: pb_skip(&r, tag); break;
        }
    if (r.failed)
        otlp_fail(o, &r);
    append(o, quantiles, quantile);
    append(o, values, at);
}

void otlp_read_summary(otlp *o, otlp_point *p, span message)
{
    otlp_numbers quantiles = {.at = NULL}, values = {.at = NULL};
    histogram *h = &p->histogram;
    h->kind = HISTOGRAM_SUMMARY;
    reader r = reader_of(message);
    for (uint32_t tag; (tag = pb_tag(&r));)
        switch (tag) {
        case PB(2, I64): p->start_ns = pb_i64(&r); break;
        case PB(3, I64): p->time_ns = pb_i64(&r); break;
        case PB(4, I64): h->count = pb_i64(&r); break;
        case PB(5, I64): h->sum = double_field(&r, &h->has_sum); break;
        case PB(6, LEN): read_quantile(o, &quantiles, &values, pb_bytes(&r)); break;
        case PB(7, LEN): otlp_read_attributes(o, &o->item, &r, PB(7, LEN)); break;
        case PB(8, VAR): p->flags = pb_var(&r); break;
        case PB(OTLP_REFUSED_FIELD, LEN): p->refused = pb_bytes(&r); break;
        default: pb_skip(&r, tag); break;
        }
    if (r.failed)
        otlp_fail(o, &r);
    p->is_over = quantiles.is_over || values.is_over;
    if (p->is_over)
        return;
    h->bound_count = quantiles.count;
    h->bounds = as_doubles(&quantiles);
    h->values = as_doubles(&values);
    for (uint32_t i = 0; i < quantiles.count; i++)
        if (!(h->bounds[i] >= 0 && h->bounds[i] <= 1))
            p->wrong = ".quantileValues[].quantile must lie between 0 and 1";
}

/* ---- numbers ---- */

void otlp_read_number(otlp *o, otlp_point *p, span message)
{
    reader r = reader_of(message);
    for (uint32_t tag; (tag = pb_tag(&r));)
        switch (tag) {
        case PB(2, I64): p->start_ns = pb_i64(&r); break;
        case PB(3, I64): p->time_ns = pb_i64(&r); break;
        case PB(4, I64): p->number.kind = VALUE_DOUBLE, p->number.f = pb_double(&r); break;
        case PB(5, LEN): p->exemplar_count++, pb_bytes(&r); break;
        case PB(6, I64): p->number.kind = VALUE_INT, p->number.i = (int64_t)pb_i64(&r); break;
        case PB(7, LEN): otlp_read_attributes(o, &o->item, &r, PB(7, LEN)); break;
        case PB(8, VAR): p->flags = pb_var(&r); break;
        case PB(OTLP_REFUSED_FIELD, LEN): p->refused = pb_bytes(&r); break;
        default: pb_skip(&r, tag); break;
        }
    if (r.failed)
        otlp_fail(o, &r);
}
