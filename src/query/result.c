/*
 * query/result.c: results as JSON: Honeycomb's shape (honeycomb.md §4.6) and the columnar one of
 * our own pages. Called by the query routes, once per answer and once per streamed part. Both are
 * described in docs/query-text.md. Never: reorders rows; allocates but in `out`.
 *
 * HEATMAP, whose JSON Honeycomb does not publish: {"cells":[{"low":…,"high":…,"count":…}]}, counts
 * weighted.
 */
#include "query/result.h"

#include "base/clock.h"
#include "base/must.h"
#include "query/aggregate/aggregate.h"
#include "wire/json.h"

static void write_time(json_writer *w, int64_t ns)
{
    char text[36];
    jw_string(w, span_of(text, clock_print_rfc3339(ns, text)));
}

/* The edges of a sketch's buckets come again in every heatmap of an answer: each text is made once. */
#define EDGES 2048u

typedef struct edge {
    uint64_t bits; /* of the double */
    uint32_t len;  /* 0: none yet */
    char text[32];
} edge;

typedef struct printer {
    json_writer json;
    edge edges[EDGES];
} printer;

static char *put_text(char *to, span text)
{
    memcpy(to, text.at, text.len);
    return to + text.len;
}

static char *put_edge(printer *p, double v, char *to)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    edge *e = &p->edges[bits >> (52 - AGG_SKETCH_MANTISSA_BITS) & (EDGES - 1)];
    if (!e->len || e->bits != bits) {
        e->bits = bits;
        e->len = (uint32_t)json_print_double(v, e->text);
    }
    memcpy(to, e->text, sizeof e->text);
    return to + e->len;
}

static char *put_count(char *to, uint64_t count)
{
    char digits[20];
    uint32_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + count % 10);
    while (count /= 10);
    return put_text(to, span_of(digits + at, sizeof digits - at));
}

static void write_heatmap(printer *p, const result_value *v)
{
    json_writer *w = &p->json;
    jw_object(w);
    jw_key_text(w, "cells");
    jw_array(w);
    for (uint32_t i = 0; i < v->heatmap.count; i++) {
        const heatmap_cell *c = &v->heatmap.cells[i];
        char text[160], *to = text;
        bool is_exact = c->count <= (uint64_t)1 << 53; /* as jw_u64: else a string */
        to = put_edge(p, c->low, put_text(to, SPAN("{\"low\":")));
        to = put_edge(p, c->high, put_text(to, SPAN(",\"high\":")));
        to = put_text(to, is_exact ? SPAN(",\"count\":") : SPAN(",\"count\":\""));
        to = put_text(put_count(to, c->count), is_exact ? SPAN("}") : SPAN("\"}"));
        jw_raw(w, span_of(text, (size_t)(to - text)));
    }
    jw_array_end(w);
    jw_object_end(w);
}

static void write_value(printer *p, const result_value *v)
{
    json_writer *w = &p->json;
    switch (v->kind) {
    case RESULT_NULL: jw_null(w); return;
    case RESULT_INT: jw_i64(w, v->i); return;
    case RESULT_NUMBER: jw_double(w, v->f); return;
    case RESULT_TEXT: jw_string(w, v->text); return;
    case RESULT_BOOL: jw_bool(w, v->b); return;
    case RESULT_HEATMAP: write_heatmap(p, v); return;
    }
}

static void write_calcs(printer *to, const plan *p, const result_value *calcs)
{
    for (uint32_t i = 0; i < p->calc_count; i++) {
        jw_key(&to->json, p->calcs[i].result_key);
        write_value(to, &calcs[i]);
    }
}

/* "data":{calculations and breakdowns by name} */
static void write_row_data(printer *to, const plan *p, const result_row *row)
{
    json_writer *w = &to->json;
    jw_key_text(w, "data");
    jw_object(w);
    write_calcs(to, p, row->calcs);
    for (uint32_t i = 0; i < p->breakdown_count; i++) {
        jw_key(w, p->fields[p->breakdowns[i]].name);
        write_value(to, &row->keys[i]);
    }
    jw_object_end(w);
}

static void write_meta(json_writer *w, const result *r)
{
    const plan *p = r->plan;
    jw_key_text(w, "meta");
    jw_object(w);
    jw_key_text(w, "rows_scanned");
    jw_u64(w, r->rows_scanned);
    jw_key_text(w, "bytes_read");
    jw_u64(w, r->bytes_read);
    jw_key_text(w, "elapsed_ms");
    jw_double(w, (double)(r->elapsed_ns / NS_PER_US) / 1000);
    jw_key_text(w, "start");
    write_time(w, p->start_ns);
    jw_key_text(w, "end");
    write_time(w, p->end_ns);
    jw_key_text(w, "granularity_s");
    jw_double(w, (double)p->granularity_ns / (double)NS_PER_S);
    jw_key_text(w, "groups");
    jw_u64(w, r->group_count);
    jw_key_text(w, "approximate");
    jw_array(w);
    for (uint32_t i = 0; i < r->approximate_count; i++)
        jw_text(w, r->approximate[i]);
    jw_array_end(w);
    if (r->is_partial) {
        jw_key_text(w, "partial");
        jw_bool(w, true);
    }
    jw_object_end(w);
}

static void write_aggregate(printer *to, const result *r, const char *key,
                            const result_value *calcs)
{
    jw_key_text(&to->json, key);
    jw_object(&to->json);
    write_calcs(to, r->plan, calcs);
    jw_object_end(&to->json);
}

void result_to_json(const result *r, buf *out)
{
    printer to = {.json.out = out};
    json_writer *w = &to.json;
    jw_object(w);
    jw_key_text(w, "data");
    jw_object(w);
    jw_key_text(w, "series");
    jw_array(w);
    for (uint32_t i = 0; i < r->series_count; i++) {
        jw_object(w);
        jw_key_text(w, "time");
        write_time(w, r->series[i].time_ns);
        write_row_data(&to, r->plan, &r->series[i]);
        jw_object_end(w);
    }
    jw_array_end(w);
    jw_key_text(w, "results");
    jw_array(w);
    for (uint32_t i = 0; i < r->row_count; i++) {
        jw_object(w);
        write_row_data(&to, r->plan, &r->rows[i]);
        jw_object_end(w);
    }
    jw_array_end(w);
    if (r->has_total)
        write_aggregate(&to, r, "total_by_aggregate", r->total);
    if (r->has_other)
        write_aggregate(&to, r, "other_by_aggregate", r->other);
    jw_object_end(w);
    write_meta(w, r);
    jw_object_end(w);
}

/* ---- columnar ---- */

static void write_heading(json_writer *w, const plan *p)
{
    jw_key_text(w, "start_ns");
    jw_i64_text(w, p->start_ns);
    jw_key_text(w, "end_ns");
    jw_i64_text(w, p->end_ns);
    jw_key_text(w, "granularity_ns");
    jw_i64_text(w, p->granularity_ns);
    jw_key_text(w, "bucket_count");
    jw_u64(w, p->bucket_count);
    jw_key_text(w, "calculations");
    jw_array(w);
    for (uint32_t i = 0; i < p->calc_count; i++) {
        jw_object(w);
        jw_key_text(w, "key");
        jw_string(w, p->calcs[i].result_key);
        jw_key_text(w, "op");
        jw_text(w, calc_op_name(p->calcs[i].op));
        jw_object_end(w);
    }
    jw_array_end(w);
    jw_key_text(w, "breakdowns");
    jw_array(w);
    for (uint32_t i = 0; i < p->breakdown_count; i++)
        jw_string(w, p->fields[p->breakdowns[i]].name);
    jw_array_end(w);
}

/* An array per calculation with one value per row. */
static void write_calc_columns(printer *to, const plan *p, const result_row *rows, uint32_t count)
{
    json_writer *w = &to->json;
    jw_array(w);
    for (uint32_t c = 0; c < p->calc_count; c++) {
        jw_array(w);
        for (uint32_t i = 0; i < count; i++)
            write_value(to, &rows[i].calcs[c]);
        jw_array_end(w);
    }
    jw_array_end(w);
}

static void write_groups(printer *to, const result *r)
{
    json_writer *w = &to->json;
    jw_key_text(w, "groups");
    jw_object(w);
    jw_key_text(w, "count");
    jw_u64(w, r->row_count);
    jw_key_text(w, "keys");
    jw_array(w);
    for (uint32_t k = 0; k < r->plan->breakdown_count; k++) {
        jw_array(w);
        for (uint32_t i = 0; i < r->row_count; i++)
            write_value(to, &r->rows[i].keys[k]);
        jw_array_end(w);
    }
    jw_array_end(w);
    jw_key_text(w, "values");
    write_calc_columns(to, r->plan, r->rows, r->row_count);
    jw_object_end(w);
}

/* The group of series row `i`: within a bucket groups come in the order of rows, so the search goes
 * on from the group of the row before. */
static uint32_t series_group(const result *r, uint32_t i, uint32_t group)
{
    bool is_new_bucket = i == 0 || r->series[i].time_ns != r->series[i - 1].time_ns;
    group = is_new_bucket ? 0 : group + 1;
    const result_value *keys = r->series[i].keys;
    while (group < r->row_count && r->rows[group].keys != keys &&
           result_compare_keys(r->plan, r->rows[group].keys, keys) != 0)
        group++;
    must(group < r->row_count);
    return group;
}

static void write_series(printer *to, const result *r)
{
    json_writer *w = &to->json;
    const plan *p = r->plan;
    jw_key_text(w, "series");
    jw_object(w);
    jw_key_text(w, "bucket");
    jw_array(w);
    for (uint32_t i = 0; i < r->series_count; i++)
        jw_i64(w, (r->series[i].time_ns - p->start_ns) / p->granularity_ns);
    jw_array_end(w);
    jw_key_text(w, "group");
    jw_array(w);
    for (uint32_t i = 0, group = 0; i < r->series_count; i++) {
        group = series_group(r, i, group);
        jw_u64(w, group);
    }
    jw_array_end(w);
    jw_key_text(w, "values");
    write_calc_columns(to, p, r->series, r->series_count);
    jw_object_end(w);
}

static void write_totals(printer *to, const plan *p, const char *key, const result_value *calcs)
{
    json_writer *w = &to->json;
    jw_key_text(w, key);
    jw_array(w);
    for (uint32_t i = 0; i < p->calc_count; i++)
        write_value(to, &calcs[i]);
    jw_array_end(w);
}

void result_to_columns_json(const result *r, buf *out)
{
    printer to = {.json.out = out};
    json_writer *w = &to.json;
    jw_object(w);
    write_heading(w, r->plan);
    write_groups(&to, r);
    write_series(&to, r);
    if (r->has_total)
        write_totals(&to, r->plan, "total", r->total);
    if (r->has_other)
        write_totals(&to, r->plan, "other", r->other);
    write_meta(w, r);
    jw_object_end(w);
}
