/*
 * receive/otlp_metrics_private.h: one data point between its reader (otlp_points.c) and its row
 * (otlp_metrics.c).
 */
#ifndef RECEIVE_OTLP_METRICS_PRIVATE_H
#define RECEIVE_OTLP_METRICS_PRIVATE_H

#include "event/histogram.h"
#include "receive/otlp_private.h"

#define OTLP_BUCKETS_MAX                                                                           \
    8192u                 /* a histogram is kept as one string of at most EVENT_STRING_MAX bytes */
#define OTLP_SCALE_MAX 64 /* SDKs stay within -10 … 20 */

typedef struct otlp_numbers { /* 64-bit patterns, in scratch */
    uint64_t *at;
    uint32_t count, capacity;
    bool is_over; /* there were more than can be kept */
} otlp_numbers;

typedef struct otlp_point {
    span message, refused;
    uint64_t start_ns, time_ns, flags;
    uint32_t exemplar_count;
    otlp_value number; /* gauge, sum */
    histogram histogram;
    bool is_over;
    const char *wrong; /* field and rule, when the numbers do not make a histogram */
} otlp_point;

/* Attributes go to o->item. */
void otlp_read_number(otlp *o, otlp_point *p, span message);
void otlp_read_histogram(otlp *o, otlp_point *p, span message);
void otlp_read_exponential(otlp *o, otlp_point *p, span message);
void otlp_read_summary(otlp *o, otlp_point *p, span message);

#endif
