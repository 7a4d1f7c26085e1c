/*
 * event/histogram.h: OTLP histogram points as one value: explicit, exponential and summary, kept as sent (otlp.md §8).
 * Stored as bytes in the batch's dictionary; the form is docs/format/batch.md §histogram.
 */
#ifndef EVENT_HISTOGRAM_H
#define EVENT_HISTOGRAM_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/span.h"

typedef enum histogram_kind {
    HISTOGRAM_EXPLICIT,
    HISTOGRAM_EXPONENTIAL,
    HISTOGRAM_SUMMARY
} histogram_kind;

typedef struct histogram {
    histogram_kind kind;
    uint64_t count;
    bool has_sum, has_min, has_max;
    double sum, min, max;
    /* explicit: bound_count bounds and bound_count+1 counts (or both 0); summary: quantiles[i] → values[i] */
    uint32_t bound_count, count_count;
    double *bounds; /* summary: quantiles */
    uint64_t *counts;
    double *values; /* summary only, bound_count of them */
    /* exponential */
    int32_t scale;
    uint64_t zero_count;
    double zero_threshold;
    int32_t positive_offset, negative_offset;
    uint32_t positive_count, negative_count;
    uint64_t *positive, *negative;
} histogram;

void histogram_encode(const histogram *h, buf *out);
bool histogram_decode(span bytes, arena *mem, histogram *ret); /* arrays in the arena */
/* Calls `each` with a representative value and weight of every non-empty bucket: what percentile, HEATMAP, SUM … use. */
void histogram_each(const histogram *h, void (*each)(void *ctx, double value, double count),
                    void *ctx);

#endif
