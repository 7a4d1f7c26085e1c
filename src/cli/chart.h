/*
 * cli/chart.h: numbers over time as braille lines, distributions over time as shaded blocks, one distribution as a row of
 * bars. Without Unicode the same in ASCII. Pure: what they are given, printed.
 */
#ifndef CLI_CHART_H
#define CLI_CHART_H

#include "base/arena.h"
#include "cli/term.h"

typedef struct chart_line {
    span name;
    const double *values; /* one per bucket; NaN: nothing there */
} chart_line;

typedef struct chart_time {
    int64_t start_ns, end_ns;
    uint32_t bucket_count;
} chart_time;

/* How values are written at the side: form_number, or form_ms for times. */
typedef size_t chart_form(double v, char out[FORM_MAX]);

uint32_t chart_columns(const term *t); /* of the plot: with no more buckets none share a column */

/* All lines in one frame when there is color to tell them apart, else one frame each. */
void chart_lines(term *t, arena *mem, span title, const chart_line *lines, uint32_t count,
                 const chart_time *time, chart_form *form);

typedef struct chart_cell {
    uint32_t bucket;
    double low, high, count;
} chart_cell;

void chart_heatmap(term *t, arena *mem, span title, const chart_cell *cells, size_t count,
                   const chart_time *time, chart_form *form);

/* Where values stand: of a heatmap's rows, or of a spark's columns. */
typedef struct chart_scale {
    double low, high; /* of the values, or their logarithms */
    bool is_log;
} chart_scale;
chart_scale chart_scale_of(const chart_cell *cells, size_t count); /* count > 0 */

/* A distribution in `columns` characters, low values left; lives in `mem`. Those that stand below each other share a scale. */
span chart_spark(const chart_cell *cells, size_t count, const chart_scale *on, uint32_t columns,
                 bool has_unicode, arena *mem);

/* A number in at most seven characters or so: 12, 0.034, 1.2k, 3.4M. */
size_t form_number(double v, char out[FORM_MAX]);

#endif
