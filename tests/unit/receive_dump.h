/*
 * tests/unit/receive_dump.h: a batch as text, one line per row with its fields sorted: what tests
 * and golden files compare. Strings are JSON text, floats carry a point or an exponent, ints do
 * not, histograms are in braces.
 */
#ifndef TESTS_RECEIVE_DUMP_H
#define TESTS_RECEIVE_DUMP_H

#include "base/buf.h"
#include "event/batch.h"
#include "event/fields.h"
#include "event/histogram.h"
#include "receive/receive.h"
#include "wire/json.h"

typedef struct dump_field {
    span name;
    value v;
} dump_field;

static int dump_compare(const void *a, const void *b)
{
    return span_compare(((const dump_field *)a)->name, ((const dump_field *)b)->name);
}

static void dump_doubles(const char *name, const double *at, uint32_t count, buf *out)
{
    buf_print(out, " %s=", name);
    for (uint32_t i = 0; i < count; i++)
        buf_print(out, "%s%.17g", i ? "," : "", at[i]);
}

static void dump_counts(const char *name, const uint64_t *at, uint32_t count, buf *out)
{
    buf_print(out, " %s=", name);
    for (uint32_t i = 0; i < count; i++)
        buf_print(out, "%s%llu", i ? "," : "", (unsigned long long)at[i]);
}

static void dump_histogram(span bytes, arena *mem, buf *out)
{
    static const char *const kinds[] = {"explicit", "exponential", "summary"};
    histogram h;
    if (!histogram_decode(bytes, mem, &h)) {
        buf_add_text(out, "{damaged}");
        return;
    }
    buf_print(out, "{%s count=%llu", kinds[h.kind], (unsigned long long)h.count);
    if (h.has_sum)
        buf_print(out, " sum=%.17g", h.sum);
    if (h.has_min)
        buf_print(out, " min=%.17g", h.min);
    if (h.has_max)
        buf_print(out, " max=%.17g", h.max);
    if (h.kind == HISTOGRAM_EXPLICIT) {
        dump_doubles("bounds", h.bounds, h.bound_count, out);
        dump_counts("counts", h.counts, h.count_count, out);
    } else if (h.kind == HISTOGRAM_SUMMARY) {
        dump_doubles("quantiles", h.bounds, h.bound_count, out);
        dump_doubles("values", h.values, h.bound_count, out);
    } else {
        buf_print(out, " scale=%d zero=%llu threshold=%.17g from=%d", h.scale,
                  (unsigned long long)h.zero_count, h.zero_threshold, h.positive_offset);
        dump_counts("positive", h.positive, h.positive_count, out);
        buf_print(out, " from=%d", h.negative_offset);
        dump_counts("negative", h.negative, h.negative_count, out);
    }
    buf_add_text(out, "}");
}

static void dump_value(value v, arena *mem, buf *out)
{
    char text[40];
    json_writer w = {.out = out};
    switch (v.type) {
    case FIELD_STRING: jw_string(&w, v.text); break;
    case FIELD_INT: buf_print(out, "%lld", (long long)v.i); break;
    case FIELD_FLOAT:
        snprintf(text, sizeof(text), "%.17g", v.f);
        buf_print(out, "%s%s", text, strpbrk(text, ".enai") ? "" : ".0");
        break;
    case FIELD_BOOL: buf_add_text(out, v.b ? "true" : "false"); break;
    case FIELD_HISTOGRAM: dump_histogram(v.text, mem, out); break;
    case FIELD_TYPE_COUNT: break;
    }
}

static void dump_row(const batch *b, uint32_t row, arena *mem, buf *out)
{
    static const char *const ids[] = {F_TRACE_ID, F_SPAN_ID, F_PARENT_ID};
    dump_field *fields = ARENA_ARRAY(mem, dump_field, b->column_count + 3);
    size_t count = 0;
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        value v = batch_get(b, span_text(ids[i]), row, mem);
        if (v.is_set)
            fields[count++] = (dump_field){span_text(ids[i]), v};
    }
    for (uint32_t c = 0; c < b->column_count; c++) {
        value v = batch_cell(b, c, row);
        if (v.is_set)
            fields[count++] = (dump_field){b->columns[c].name, v};
    }
    qsort(fields, count, sizeof(*fields), dump_compare);
    buf_print(out, "%lld x%u %.*s:", (long long)b->time_ns[row], b->rate[row],
              SPAN_FMT(batch_text(b, b->dataset[row])));
    for (size_t i = 0; i < count; i++) {
        buf_print(out, " %.*s=", SPAN_FMT(fields[i].name));
        dump_value(fields[i].v, mem, out);
    }
    buf_add_text(out, "\n");
}

/* All rows, then the counts and what was dropped. */
static void dump_output(const receive_output *done, buf *out)
{
    arena *mem = arena_new(256 * MIB);
    for (uint32_t row = 0; row < done->batch->row_count; row++)
        dump_row(done->batch, row, mem, out);
    buf_print(out, "%llu items, %llu rejected\n", (unsigned long long)done->item_count,
              (unsigned long long)done->rejected);
    for (uint32_t i = 0; i < done->drop_count; i++)
        buf_print(out, "%s %u: %s\n", sk_name(done->drops[i].code), done->drops[i].count,
                  done->drops[i].text);
    arena_free(mem);
}

#endif
