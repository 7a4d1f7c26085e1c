/*
 * cli/waterfall_table.c: the other two views of a trace: every span as a row, and the critical path as what each span
 * adds to the total.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/waterfall.h"

static void ms_cell(table *t, int64_t ns, table_form form)
{
    char text[FORM_MAX];
    if (form == TABLE_ALIGNED)
        form_ms((double)ns / 1e6, text);
    else
        snprintf(text, sizeof text, "%.6g", (double)ns / 1e6);
    table_printf(t, COLOR_NONE, "%s", text);
}

void waterfall_print_table(const trace_view *v, const trace_filter *f, table_form form, arena *mem,
                           term *out)
{
    static const char *const names[] = {"start", "total", "self",  "path", "service",
                                        "name",  "kind",  "state", "span"};
    table *t = table_new(mem, COUNT_OF(names));
    if (!t)
        return;
    for (uint32_t i = 0; i < COUNT_OF(names); i++)
        table_column(t, i, span_text(names[i]), i < 3);
    for (uint32_t i = 0; i < v->tree.order_count; i++) {
        uint32_t row = v->tree.order[i];
        const trace_view_row *r = &v->rows[row];
        const tree_node *n = &v->tree.nodes[row];
        if ((f->errors && !r->is_error) || (f->service && !span_is(r->service, f->service)) ||
            (f->depth && n->depth >= f->depth) || (r->duration_ns < f->min_ns && !r->is_error))
            continue;
        ms_cell(t, r->start_ns - v->start_ns, form);
        ms_cell(t, r->duration_ns, form);
        ms_cell(t, n->self_ns, form);
        table_cell(t, n->is_critical ? SPAN("*") : SPAN(""), COLOR_BOLD);
        table_cell(t, r->service, COLOR_NONE);
        table_cell(t, r->name, COLOR_NONE);
        table_cell(t, r->kind, COLOR_DIM);
        table_cell(t, r->is_error ? (r->message.len ? r->message : SPAN("error")) : SPAN(""),
                   COLOR_RED);
        table_cell(t, r->span_id, COLOR_DIM);
    }
    table_print(t, form, out);
}

/* ---- critical path ---- */

typedef struct window {
    int64_t from, to;
} window;

typedef struct child {
    int64_t start, end;
    uint32_t row;
} child;

static int by_end_falling(const void *a, const void *b)
{
    const child *x = a, *y = b;
    if (x->end != y->end)
        return x->end < y->end ? 1 : -1;
    return (x->row > y->row) - (x->row < y->row);
}

/* Hands each critical child of `row` its part of the row's window; returns what is left to the row itself. */
static int64_t share_window(const trace_view *v, uint32_t row, window *windows, child *scratch)
{
    window w = windows[row];
    int64_t left = w.to - w.from, cursor = w.to;
    size_t count = 0;
    for (uint32_t at = v->tree.nodes[row].first_child; at != TREE_NONE;
         at = v->tree.nodes[at].next_sibling)
        if (v->tree.nodes[at].is_critical)
            scratch[count++] =
                (child){v->rows[at].start_ns, v->rows[at].start_ns + v->rows[at].duration_ns, at};
    qsort(scratch, count, sizeof *scratch, by_end_falling);
    for (size_t i = 0; i < count; i++) {
        int64_t to = scratch[i].end < cursor ? scratch[i].end : cursor;
        int64_t from = scratch[i].start > w.from ? scratch[i].start : w.from;
        windows[scratch[i].row] = (window){from, to > from ? to : from};
        if (to > from) {
            left -= to - from;
            cursor = from;
        }
    }
    return left;
}

bool waterfall_critical_ns(const trace_view *v, arena *mem, int64_t *ret)
{
    window *windows = ARENA_ARRAY(mem, window, v->count + 1);
    child *scratch = ARENA_ARRAY(mem, child, v->count + 1);
    if (!windows || !scratch)
        return false;
    memset(ret, 0, v->count * sizeof *ret);
    for (uint32_t i = 0; i < v->tree.order_count; i++) {
        uint32_t row = v->tree.order[i];
        const tree_node *n = &v->tree.nodes[row];
        if (!n->is_critical)
            continue;
        if (n->parent == TREE_NONE)
            windows[row] =
                (window){v->rows[row].start_ns, v->rows[row].start_ns + v->rows[row].duration_ns};
        ret[row] = share_window(v, row, windows, scratch);
    }
    return true;
}

void waterfall_print_critical(const trace_view *v, table_form form, arena *mem, term *out)
{
    static const char *const names[] = {"on path", "share", "total", "service", "name", "state"};
    int64_t *on_path = ARENA_ARRAY(mem, int64_t, v->count + 1), all = 0;
    table *t = table_new(mem, COUNT_OF(names));
    if (!t || !on_path || !waterfall_critical_ns(v, mem, on_path))
        return;
    for (uint32_t i = 0; i < COUNT_OF(names); i++)
        table_column(t, i, span_text(names[i]), i < 3);
    for (uint32_t i = 0; i < v->count; i++)
        all += on_path[i];
    for (uint32_t i = 0; i < v->tree.order_count; i++) {
        uint32_t row = v->tree.order[i];
        const trace_view_row *r = &v->rows[row];
        if (!v->tree.nodes[row].is_critical)
            continue;
        double share = all > 0 ? (double)on_path[row] / (double)all * 100 : 0;
        ms_cell(t, on_path[row], form);
        table_printf(t, COLOR_NONE, form == TABLE_ALIGNED ? "%.0f %%" : "%.2f", share);
        ms_cell(t, r->duration_ns, form);
        table_cell(t, r->service, COLOR_NONE);
        table_cell(t, r->name, share >= 25 ? COLOR_BOLD : COLOR_NONE);
        table_cell(t, r->is_error ? (r->message.len ? r->message : SPAN("error")) : SPAN(""),
                   COLOR_RED);
    }
    table_print(t, form, out);
}
