/*
 * cli/query_view.c: query_view.h. Called by query_command.c. Reads the reply by the plan's names.
 * Never: changes a value for --plain and --csv; for people numbers are rounded to what a column can hold.
 */
#include "cli/query_view.h"

#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "cli/chart.h"

#define SPARK_COLUMNS 16u
#define HEATMAPS_MAX  5u

bool query_has_heatmap(const plan *p)
{
    for (uint32_t i = 0; i < p->calc_count; i++)
        if (p->calcs[i].op == CALC_HEATMAP)
            return true;
    return false;
}

/* Is there anything to calculate that no heatmap draws? */
static bool has_numbers(const plan *p)
{
    for (uint32_t i = 0; i < p->calc_count; i++)
        if (p->calcs[i].op != CALC_HEATMAP)
            return true;
    return false;
}

/* ---- tables ---- */

static size_t cells_of(cli *c, const node *heat, uint32_t bucket, chart_cell **ret)
{
    const node *list = node_get(heat, "cells");
    size_t count = 0;
    *ret = list ? ARENA_ARRAY(c->mem, chart_cell, list->count + 1) : NULL;
    if (!*ret)
        return 0;
    for (const node *n = list->first; n; n = n->next)
        (*ret)[count++] =
            (chart_cell){bucket, node_number(node_get(n, "low"), 0),
                         node_number(node_get(n, "high"), 0), node_number(node_get(n, "count"), 0)};
    return count;
}

/* For people: four digits that count, 857.0312345 is 857 and 0.000123456 is 0.0001235; whole numbers stay whole, and those
 * of calculations are written as 1,234,567. Keys are names, not counts. */
static span readable(cli *c, span text, bool is_key)
{
    char out[FORM_MAX];
    double v;
    uint64_t whole;
    if (span_to_u64(text, &whole)) {
        if (!is_key)
            form_count(whole, out);
        return is_key ? text : arena_print(c->mem, "%s", out);
    }
    if (is_key || !memchr(text.at, '.', text.len) || !span_to_double(text, &v))
        return text;
    double size = fabs(v);
    if (size >= 999.5 && size < 1e15) {
        form_count((uint64_t)llround(size), out);
        return arena_print(c->mem, "%s%s", v < 0 ? "-" : "", out);
    }
    span shown = arena_print(c->mem, "%.4g", v);
    return shown.len ? shown : text;
}

/* Adds the cells of a column's heatmaps, in `rows` or (NULL: none) of the earlier period, to `all`. */
static size_t gather_cells(cli *c, const node *rows, span name, chart_cell *all, size_t count)
{
    for (const node *row = node_first(rows); row; row = row->next) {
        chart_cell *cells;
        size_t more = cells_of(c, node_get_span(node_get(row, "data"), name), 0, &cells);
        for (size_t i = 0; all && i < more; i++)
            all[count + i] = cells[i];
        count += more;
    }
    return count;
}

/* One for all rows of a table, both periods included, so that they can be compared. */
static chart_scale column_scale(cli *c, const node *rows, const node *compare, span name)
{
    size_t count = gather_cells(c, compare, name, NULL, gather_cells(c, rows, name, NULL, 0));
    chart_cell *all = count ? ARENA_ARRAY(c->mem, chart_cell, count) : NULL;
    if (!all)
        return (chart_scale){0};
    gather_cells(c, compare, name, all, gather_cells(c, rows, name, all, 0));
    return chart_scale_of(all, count);
}

/* `scale`: of a heatmap's column. */
static void add_value(cli *c, table *t, const node *shown, table_form form, bool is_key,
                      const chart_scale *scale)
{
    bool is_nothing = !shown || shown->kind == NODE_NULL;
    if (is_nothing && form != TABLE_ALIGNED) {
        table_cell(t, SPAN(""), COLOR_NONE);
    } else if (is_nothing) {
        table_cell(t, c->out.has_unicode ? SPAN("\xe2\x80\x93") : SPAN("-"), COLOR_DIM);
    } else if (shown->kind == NODE_OBJECT) {
        chart_cell *cells;
        size_t count = cells_of(c, shown, 0, &cells);
        table_cell(t, chart_spark(cells, count, scale, SPARK_COLUMNS, c->out.has_unicode, c->mem),
                   COLOR_CYAN);
    } else {
        bool is_number = form == TABLE_ALIGNED && (shown->kind == NODE_NUMBER || !is_key);
        span text = is_number ? readable(c, shown->text, is_key) : shown->text;
        table_cell(t, text, COLOR_NONE);
    }
}

static span key_name(const plan *p, uint32_t i)
{
    return p->fields[p->breakdowns[i]].name;
}

/* Is every key of this breakdown a number? Then its column is aligned right. */
static bool is_numeric(const node *rows, span name)
{
    bool is_any = false;
    for (const node *row = node_first(rows); row; row = row->next) {
        const node *key = node_get_span(node_get(row, "data"), name);
        if (key && key->kind != NODE_NUMBER && key->kind != NODE_NULL)
            return false;
        is_any |= key && key->kind == NODE_NUMBER;
    }
    return is_any;
}

static bool same_group(const plan *p, const node *a, const node *b)
{
    for (uint32_t i = 0; i < p->breakdown_count; i++) {
        const node *x = node_get_span(a, key_name(p, i)), *y = node_get_span(b, key_name(p, i));
        if (!x || !y || x->kind != y->kind || !span_equal(node_text(x), node_text(y)))
            return false;
    }
    return true;
}

/* The same group's numbers in the earlier period of COMPARE; NULL when it was not there. */
static const node *row_before(const plan *p, const node *compare, const node *data)
{
    for (const node *row = node_first(compare); row; row = row->next)
        if (same_group(p, node_get(row, "data"), data))
            return node_get(row, "data");
    return NULL;
}

/* `compare`: results of the earlier period, each calculation's in a column of its own; or NULL. */
static void show_table(cli *c, const query_view *v, const node *rows, const node *compare,
                       const query_look *look)
{
    const plan *p = &v->plan;
    uint32_t first = look->series ? 1 : 0, before = first + p->breakdown_count + p->calc_count;
    uint32_t columns = before + (compare ? p->calc_count : 0);
    table *t = table_new(c->mem, columns);
    chart_scale *scales = ARENA_ARRAY(c->mem, chart_scale, p->calc_count + 1);
    if (!t || !scales)
        return;
    for (uint32_t i = 0; i < p->calc_count; i++)
        if (p->calcs[i].op == CALC_HEATMAP)
            scales[i] = column_scale(c, rows, compare, p->calcs[i].result_key);
    if (look->series)
        table_column(t, 0, SPAN("time"), false);
    for (uint32_t i = 0; i < p->breakdown_count; i++)
        table_column(t, first + i, key_name(p, i), is_numeric(rows, key_name(p, i)));
    for (uint32_t i = 0; i < p->calc_count; i++)
        table_column(t, first + p->breakdown_count + i, p->calcs[i].result_key,
                     p->calcs[i].op != CALC_HEATMAP);
    for (uint32_t i = 0; compare && i < p->calc_count; i++)
        table_column(t, before + i,
                     arena_print(c->mem, "%.*s before", SPAN_FMT(p->calcs[i].result_key)),
                     p->calcs[i].op != CALC_HEATMAP);
    for (const node *row = node_first(rows); row; row = row->next) {
        const node *data = node_get(row, "data");
        const node *earlier = row_before(p, compare, data);
        if (look->series)
            table_time(t, node_text(node_get(row, "time")), look->form);
        for (uint32_t i = 0; i < p->breakdown_count; i++)
            add_value(c, t, node_get_span(data, key_name(p, i)), look->form, true, NULL);
        for (uint32_t i = 0; i < p->calc_count; i++)
            add_value(c, t, node_get_span(data, p->calcs[i].result_key), look->form, false,
                      &scales[i]);
        for (uint32_t i = 0; compare && i < p->calc_count; i++)
            add_value(c, t, node_get_span(earlier, p->calcs[i].result_key), look->form, false,
                      &scales[i]);
    }
    table_print(t, look->form, &c->out);
}

/* ---- charts ---- */

/* Values of fields in milliseconds are written as times. */
static chart_form *form_of(const plan *p, uint32_t calc)
{
    span key = p->calcs[calc].result_key;
    bool is_ms = span_ends_with(key, SPAN("_ms)")) && !span_starts_with(key, SPAN("COUNT")) &&
                 !span_starts_with(key, SPAN("RATE_"));
    return is_ms ? form_ms : form_number;
}

static span group_name(cli *c, const plan *p, const node *data)
{
    buf text;
    span copy = SPAN("");
    buf_init(&text, 64 * KIB);
    for (uint32_t i = 0; i < p->breakdown_count; i++) {
        const node *key = node_get_span(data, key_name(p, i));
        buf_add_text(&text, i ? ", " : "");
        buf_add_span(&text, key && key->kind == NODE_NULL ? SPAN("(none)") : node_text(key));
    }
    if (!text.len || !arena_copy(c->mem, buf_span(&text), &copy))
        copy = SPAN("");
    buf_done(&text);
    return copy;
}

static chart_time time_of(const plan *p, const node *answer)
{
    const node *meta = node_get(answer, "meta");
    chart_time time = {p->start_ns, p->end_ns, p->bucket_count};
    (void)clock_parse_rfc3339(node_text(node_get(meta, "start")), &time.start_ns);
    (void)clock_parse_rfc3339(node_text(node_get(meta, "end")), &time.end_ns);
    return time;
}

/* UINT32_MAX for a point outside the frame. */
static uint32_t bucket_of(const plan *p, const chart_time *time, const node *point)
{
    int64_t ns;
    if (!clock_parse_rfc3339(node_text(node_get(point, "time")), &ns) || ns < time->start_ns)
        return UINT32_MAX;
    int64_t bucket = (ns - time->start_ns) / p->granularity_ns;
    return bucket < time->bucket_count ? (uint32_t)bucket : UINT32_MAX;
}

/* COUNT and the like are 0 where nothing was; the others have no value there. */
static double value_of_nothing(calc_op op)
{
    return op == CALC_COUNT || op == CALC_COUNT_DISTINCT || op == CALC_CONCURRENCY ? 0 : NAN;
}

static void fill_lines(const plan *p, const node *answer, uint32_t calc, chart_line *lines,
                       const node **groups, uint32_t group_count, const chart_time *time)
{
    const node *series = node_get(node_get(answer, "data"), "series");
    for (const node *point = node_first(series); point; point = point->next) {
        uint32_t bucket = bucket_of(p, time, point);
        const node *data = node_get(point, "data");
        for (uint32_t g = 0; g < group_count && bucket != UINT32_MAX; g++)
            if (same_group(p, groups[g], data)) {
                double *values = (double *)(uintptr_t)lines[g].values;
                values[bucket] =
                    node_number(node_get_span(data, p->calcs[calc].result_key), values[bucket]);
                break;
            }
    }
}

static void show_chart(cli *c, const query_view *v, const node *answer, uint32_t calc)
{
    const plan *p = &v->plan;
    const node *results = node_get(node_get(answer, "data"), "results");
    uint32_t count = results ? results->count : 0, g = 0;
    chart_time time = time_of(p, answer);
    chart_line *lines = ARENA_ARRAY(c->mem, chart_line, count + 1);
    const node **groups = ARENA_ARRAY(c->mem, const node *, count + 1);
    if (!lines || !groups)
        return;
    for (const node *row = node_first(results); row; row = row->next, g++) {
        double *values = ARENA_ARRAY(c->mem, double, time.bucket_count + 1);
        if (!values)
            return;
        for (uint32_t b = 0; b < time.bucket_count; b++)
            values[b] = value_of_nothing(p->calcs[calc].op);
        groups[g] = node_get(row, "data");
        lines[g] = (chart_line){group_name(c, p, groups[g]), values};
    }
    if (count == 0) {
        term_print(&c->out, "nothing matched\n");
        return;
    }
    fill_lines(p, answer, calc, lines, groups, count, &time);
    chart_lines(&c->out, c->mem, p->calcs[calc].result_key, lines, count, &time, form_of(p, calc));
}

static void show_heatmap(cli *c, const query_view *v, const node *answer, uint32_t calc,
                         const node *group)
{
    const plan *p = &v->plan;
    const node *series = node_get(node_get(answer, "data"), "series");
    chart_time time = time_of(p, answer);
    chart_cell *all = NULL;
    size_t count = 0, capacity = 0;
    for (const node *point = node_first(series); point; point = point->next) {
        chart_cell *cells;
        uint32_t bucket = bucket_of(p, &time, point);
        const node *data = node_get(point, "data");
        if (bucket == UINT32_MAX || !same_group(p, group, data))
            continue;
        size_t more = cells_of(c, node_get_span(data, p->calcs[calc].result_key), bucket, &cells);
        if (count + more > capacity) {
            size_t wanted = (count + more) * 2;
            chart_cell *grown = arena_grow(c->mem, all, capacity * sizeof *all,
                                           wanted * sizeof *all, _Alignof(chart_cell));
            if (!grown)
                return;
            all = grown;
            capacity = wanted;
        }
        for (size_t i = 0; i < more; i++)
            all[count++] = cells[i];
    }
    span name = group_name(c, p, group);
    span title = name.len ? arena_print(c->mem, "%.*s  %.*s", SPAN_FMT(p->calcs[calc].result_key),
                                        SPAN_FMT(name))
                          : p->calcs[calc].result_key;
    chart_heatmap(&c->out, c->mem, title, all, count, &time, form_of(p, calc));
}

static void show_heatmaps(cli *c, const query_view *v, const node *answer)
{
    const node *results = node_get(node_get(answer, "data"), "results");
    for (uint32_t i = 0; i < v->plan.calc_count; i++) {
        uint32_t shown = 0;
        if (v->plan.calcs[i].op != CALC_HEATMAP)
            continue;
        for (const node *row = node_first(results); row && shown < HEATMAPS_MAX;
             row = row->next, shown++)
            show_heatmap(c, v, answer, i, node_get(row, "data"));
        if (results && results->count > shown)
            term_print(&c->out, "the first %u of %u groups\n", shown, results->count);
    }
}

/* ---- the whole ---- */

/* "CALCULATION: how near", those alike in one line. */
static void say_approximate(cli *c, const node *list)
{
    for (const node *n = list; n; n = n->next) {
        span how = node_text(n), name = span_cut(&how, ':');
        buf names;
        bool was_said = false;
        for (const node *m = list; m != n && !was_said; m = m->next) {
            span earlier = node_text(m);
            (void)span_cut(&earlier, ':');
            was_said = span_equal(earlier, how);
        }
        if (was_said || !how.at)
            continue;
        buf_init(&names, 4 * KIB);
        buf_add_span(&names, name);
        for (const node *m = n->next; m; m = m->next) {
            span other = node_text(m), its_name = span_cut(&other, ':');
            if (!span_equal(other, how))
                continue;
            buf_add_text(&names, ", ");
            buf_add_span(&names, its_name);
        }
        cli_talk(c, "approximate: %.*s:%.*s", SPAN_FMT(buf_span(&names)), SPAN_FMT(how));
        buf_done(&names);
    }
}

static void say_meta(cli *c, const query_view *v, const node *answer)
{
    const node *meta = node_get(answer, "meta");
    const node *results = node_get(node_get(answer, "data"), "results");
    char rows[FORM_MAX], bytes[FORM_MAX], start[FORM_MAX], end[FORM_MAX], took[FORM_MAX];
    chart_time time = time_of(&v->plan, answer);
    uint64_t groups = node_count(node_get(meta, "groups"));
    form_count(node_count(node_get(meta, "rows_scanned")), rows);
    form_bytes(node_count(node_get(meta, "bytes_read")), bytes);
    form_ms(node_number(node_get(meta, "elapsed_ms"), 0), took);
    form_local_time(time.start_ns, start);
    form_local_time(time.end_ns, end);
    if (results && groups > results->count)
        cli_talk(c, "%u of %llu groups; LIMIT or --limit shows more", results->count,
                 (unsigned long long)groups);
    cli_talk(c, "%s rows scanned, %s, in %s; from %.19s to %s", rows, bytes, took, start, end);
    say_approximate(c, node_first(node_get(meta, "approximate")));
    if (results && results->count == 0)
        cli_talk(c,
                 "nothing matched; skep fields shows what there is, skep doctor what was refused");
}

void query_show(cli *c, const query_view *v, const node *answer, const query_look *look)
{
    const node *data = node_get(answer, "data");
    if (look->heatmap)
        show_heatmaps(c, v, answer);
    if (look->chart)
        for (uint32_t i = 0; i < v->plan.calc_count; i++)
            if (v->plan.calcs[i].op != CALC_HEATMAP)
                show_chart(c, v, answer, i);
    if (look->heatmap && !look->chart && has_numbers(&v->plan))
        term_print(&c->out, "\n");
    if (!look->chart && (!look->heatmap || has_numbers(&v->plan)))
        show_table(c, v, node_get(data, look->series ? "series" : "results"),
                   look->series
                       ? NULL
                       : node_get(node_get(node_get(answer, "compare"), "data"), "results"),
                   look);
    say_meta(c, v, answer);
}
