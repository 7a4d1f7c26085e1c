/*
 * cli/waterfall_flame.c: a trace as where its time went: like spans below like parents are one box, as wide as their times
 * summed, the widest left. Times that ran side by side add up, so a box may be wider than the clock says.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/waterfall.h"

#define WIDTH_DEFAULT 100u
#define BESIDE_MAX    64u /* boxes below one; what does not fit is in one called (others) */
#define NO_BOX        UINT32_MAX

typedef struct box {
    span service, name;
    uint32_t parent, first, last, next, below; /* `below`: how many children */
    uint32_t count, from, columns;
    int64_t total_ns, self_ns;
    bool is_error;
} box;

typedef struct flame {
    const trace_view *v;
    term *t;
    arena *mem;
    uint32_t count;
    box *boxes; /* 0: the whole trace */
} flame;

/* ---- boxes ---- */

static uint32_t child_box(flame *f, uint32_t parent, span service, span name)
{
    box *above = &f->boxes[parent];
    uint32_t at = above->first;
    for (; at != NO_BOX; at = f->boxes[at].next)
        if (span_equal(f->boxes[at].name, name) && span_equal(f->boxes[at].service, service))
            return at;
    if (above->below >= BESIDE_MAX && (service.len || !span_is(name, "(others)")))
        return child_box(f, parent, SPAN(""), SPAN("(others)"));
    at = f->count++;
    f->boxes[at] = (box){service, name, parent, NO_BOX, NO_BOX, NO_BOX, 0, 0, 0, 0, 0, 0, false};
    if (above->last == NO_BOX)
        above->first = at;
    else
        f->boxes[above->last].next = at;
    above->last = at;
    above->below++;
    return at;
}

static bool make_boxes(flame *f, const trace_filter *filter, uint32_t *ret_hidden)
{
    const trace_view *v = f->v;
    uint8_t *shown = waterfall_shown(v, filter, f->mem, ret_hidden);
    uint32_t *box_of = ARENA_ARRAY(f->mem, uint32_t, v->count + 1);
    f->boxes = ARENA_ARRAY(f->mem, box, v->count + 1);
    if (!shown || !box_of || !f->boxes)
        return false;
    f->count = 1;
    f->boxes[0] = (box){.first = NO_BOX, .last = NO_BOX, .next = NO_BOX};
    for (uint32_t i = 0; i < v->tree.order_count; i++) {
        uint32_t row = v->tree.order[i], parent = v->tree.nodes[row].parent;
        if (!shown[row])
            continue;
        if (filter->depth && v->tree.nodes[row].depth >= filter->depth) {
            ++*ret_hidden;
            continue;
        }
        const trace_view_row *r = &v->rows[row];
        box_of[row] = child_box(f, parent == TREE_NONE ? 0 : box_of[parent], r->service, r->name);
        box *b = &f->boxes[box_of[row]];
        b->count++;
        b->total_ns += r->duration_ns;
        b->self_ns += v->tree.nodes[row].self_ns;
        b->is_error |= r->is_error;
        if (parent == TREE_NONE)
            f->boxes[0].total_ns += r->duration_ns;
    }
    return true;
}

/* ---- printing ---- */

static int widest_first(const void *a, const void *b)
{
    const box *x = *(const box *const *)a, *y = *(const box *const *)b;
    if (x->total_ns != y->total_ns)
        return x->total_ns < y->total_ns ? 1 : -1;
    return (x > y) - (x < y);
}

/* The boxes below `of`, widest first, each in its columns; appends those that have any to `line`. */
static uint32_t place_below(const flame *f, const box *of, box **line, uint32_t count)
{
    box *below[BESIDE_MAX + 1];
    uint32_t n = 0;
    int64_t sum = 0, before = 0;
    for (uint32_t at = of->first; at != NO_BOX; at = f->boxes[at].next) {
        below[n++] = &f->boxes[at];
        sum += f->boxes[at].total_ns;
    }
    if (n)
        qsort(below, n, sizeof *below, widest_first);
    double whole = (double)(sum > of->total_ns ? sum : of->total_ns);
    for (uint32_t i = 0; i < n && whole > 0; i++) {
        uint32_t from = (uint32_t)((double)before / whole * of->columns + 0.5);
        before += below[i]->total_ns;
        uint32_t to = (uint32_t)((double)before / whole * of->columns + 0.5);
        below[i]->from = of->from + from;
        below[i]->columns = to - from;
        if (to > from)
            line[count++] = below[i];
    }
    return count;
}

static void print_box(const flame *f, const box *b)
{
    term *t = f->t;
    char total[FORM_MAX], times[16] = "";
    form_ms((double)b->total_ns / 1e6, total);
    if (b->count > 1)
        snprintf(times, sizeof times, " x%u", b->count);
    span text = arena_print(f->mem, "%.*s%s%.*s %s%s", SPAN_FMT(b->service),
                            b->service.len ? " " : "", SPAN_FMT(b->name), total, times);
    uint32_t room = b->columns - 1, wanted = term_columns(text);
    term_color_on(t, b->is_error ? COLOR_RED : waterfall_color(b->service));
    term_print(t, "%s", t->has_unicode ? "\xe2\x96\x8c" : "|");
    term_cell(t, text, wanted < room ? wanted : room, false);
    if (wanted + 1 < room) {
        term_print(t, " ");
        term_fill(t, t->has_unicode ? "\xe2\x94\x80" : "-", room - wanted - 1);
    } else if (wanted < room) {
        term_print(t, " ");
    }
    term_color_off(t);
}

static void print_lines(flame *f)
{
    box **line = ARENA_ARRAY(f->mem, box *, f->count),
        **next = ARENA_ARRAY(f->mem, box *, f->count);
    if (!line || !next)
        return;
    f->boxes[0].columns = f->t->width ? f->t->width : WIDTH_DEFAULT;
    for (uint32_t count = place_below(f, &f->boxes[0], line, 0); count;) {
        uint32_t column = 0, more = 0;
        for (uint32_t i = 0; i < count; i++) {
            term_fill(f->t, " ", line[i]->from - column);
            print_box(f, line[i]);
            column = line[i]->from + line[i]->columns;
            more = place_below(f, line[i], next, more);
        }
        term_print(f->t, "\n");
        box **done = line;
        line = next;
        next = done;
        count = more;
    }
}

/* "a;b;c 1200": own time in microseconds, as flame graph tools read it. */
static void print_folded(const flame *f)
{
    for (uint32_t i = 1; i < f->count; i++) {
        uint32_t path[256], depth = 0;
        for (uint32_t at = i; at && depth < COUNT_OF(path); at = f->boxes[at].parent)
            path[depth++] = at;
        while (depth) {
            const box *b = &f->boxes[path[--depth]];
            span text = arena_print(f->mem, "%.*s%s%.*s", SPAN_FMT(b->service),
                                    b->service.len ? " " : "", SPAN_FMT(b->name));
            for (size_t k = 0; k < text.len; k++) /* ; separates */
                if (text.at[k] == ';')
                    ((uint8_t *)(uintptr_t)text.at)[k] = ',';
            term_text(f->t, text);
            term_print(f->t, "%s", depth ? ";" : " ");
        }
        term_print(f->t, "%lld\n", (long long)(f->boxes[i].self_ns / 1000));
    }
}

void waterfall_print_flame(const trace_view *v, const trace_filter *filter, table_form form,
                           arena *mem, term *t)
{
    flame f = {.v = v, .t = t, .mem = mem};
    uint32_t hidden = 0;
    if (!make_boxes(&f, filter, &hidden))
        return;
    if (form == TABLE_PLAIN) {
        print_folded(&f);
        return;
    }
    if (v->count)
        waterfall_heading(v, mem, t);
    print_lines(&f);
    term_color_on(t, COLOR_DIM);
    term_print(t, "widths are times summed, the widest left");
    if (hidden)
        term_print(t, "  %u spans hidden", hidden);
    term_color_off(t);
    term_print(t, "\n");
}
