/*
 * cli/waterfall.c: waterfall.h: rows in the tree's order, bars on one scale, what was left out said below. Form after
 * reference/ui.md §10.
 * Never: changes order or times; hides an error or the parents of something shown.
 */
#include "cli/waterfall.h"

#include <stdio.h>

#define WIDTH_DEFAULT  100u
#define NAME_MIN       20u
#define NUMBER_COLUMNS 9u
#define BAR_MIN        10u
#define INDENT_MAX     20u
#define FOLD_ABOVE     300u /* spans in a trace, from which on runs of like leaves are folded */
#define FOLD_RUN       5u
#define FOLD_COLUMNS   8u /* for "  x12345" */

typedef struct painter {
    const trace_view *v;
    const trace_filter *f;
    term *t;
    arena *mem;
    uint8_t *shown; /* per row: bit 0 asked for, bit 1 only above something asked for */
    uint32_t name_columns, bar_columns;
    uint32_t hidden;
} painter;

#define SHOWN_ASKED 1
#define SHOWN_ABOVE 2

/* ---- which rows ---- */

static bool is_asked_for(const trace_view *v, const trace_filter *f, uint32_t row)
{
    const trace_view_row *r = &v->rows[row];
    if (f->errors && !r->is_error)
        return false;
    if (f->service && !span_is(r->service, f->service))
        return false;
    return r->duration_ns >= f->min_ns || r->is_error;
}

uint8_t *waterfall_shown(const trace_view *v, const trace_filter *f, arena *mem,
                         uint32_t *ret_hidden)
{
    uint8_t *shown = ARENA_ARRAY(mem, uint8_t, v->count + 1);
    uint32_t hidden = 0;
    for (uint32_t i = 0; shown && i < v->count; i++) {
        if (!is_asked_for(v, f, i))
            continue;
        shown[i] |= SHOWN_ASKED;
        for (uint32_t up = v->tree.nodes[i].parent; up != TREE_NONE && !(shown[up] & SHOWN_ABOVE);
             up = v->tree.nodes[up].parent)
            shown[up] |= SHOWN_ABOVE;
    }
    for (uint32_t i = 0; shown && i < v->count; i++)
        hidden += !shown[i];
    *ret_hidden = hidden;
    return shown;
}

static bool is_too_deep(const painter *p, uint32_t depth)
{
    return p->f->depth && depth >= p->f->depth;
}

/* ---- one row ---- */

term_color waterfall_color(span service)
{
    static const term_color colors[] = {COLOR_CYAN, COLOR_GREEN, COLOR_MAGENTA, COLOR_BLUE,
                                        COLOR_YELLOW};
    uint32_t sum = 0;
    for (size_t i = 0; i < service.len; i++)
        sum = sum * 31 + service.at[i];
    return colors[sum % COUNT_OF(colors)];
}

static void print_ms(term *t, int64_t ns)
{
    char text[FORM_MAX];
    form_ms((double)ns / 1e6, text);
    term_cell(t, span_text(text), NUMBER_COLUMNS, true);
}

/* In halves of a column, at least one. Off the critical path it is dim. */
static void print_bar(painter *p, int64_t start_ns, int64_t end_ns, bool is_folded,
                      term_color color, bool is_critical)
{
    const trace_view *v = p->v;
    term *t = p->t;
    double total = (double)(v->end_ns - v->start_ns);
    uint32_t halves = p->bar_columns * 2, from = 0, to = halves;
    if (total > 0) {
        from = (uint32_t)((double)(start_ns - v->start_ns) / total * halves);
        to = (uint32_t)((double)(end_ns - v->start_ns) / total * halves + 0.5);
    }
    from = from < halves ? from : halves - 1;
    to = to > from ? to : from + 1;
    to = to <= halves ? to : halves;
    const char *full =
        !t->has_unicode ? (is_folded ? "-" : "=") : (is_folded ? "\xe2\x96\x92" : "\xe2\x96\x88");
    for (uint32_t column = 0; column < p->bar_columns; column++) {
        bool left = column * 2 >= from && column * 2 < to;
        bool right = column * 2 + 1 >= from && column * 2 + 1 < to;
        if (left || right) {
            term_color_on(t, is_critical ? COLOR_NONE : COLOR_DIM);
            term_color_on(t, color);
        }
        if (!left && !right)
            buf_add_text(&t->text, " ");
        else if ((left && right) || !t->has_unicode)
            buf_add_text(&t->text, full);
        else
            buf_add_text(&t->text, left ? "\xe2\x96\x8c" : "\xe2\x96\x90");
        if (left || right)
            term_color_off(t);
    }
}

/* Marker, service and name in the left column. `times` > 1: a folded run. */
static void print_name(painter *p, uint32_t row, uint32_t times, bool has_more, bool has_below)
{
    const trace_view_row *r = &p->v->rows[row];
    const tree_node *n = &p->v->tree.nodes[row];
    term *t = p->t;
    uint32_t indent = n->depth < INDENT_MAX ? n->depth : INDENT_MAX;
    char left[96];
    term_color_on(t, COLOR_BOLD);
    term_print(t, "%s ", n->is_critical ? "*" : " ");
    term_color_off(t);
    term_fill(t, " ", indent * 2);
    snprintf(left, sizeof left, "%s ", has_more ? ">" : has_below ? "v" : " ");
    uint32_t used = 2 + indent * 2 + 2, room = p->name_columns > used ? p->name_columns - used : 1;
    term_print(t, "%s", left);
    uint32_t service = term_columns(r->service);
    service = service < room ? service : room;
    term_color_on(t, waterfall_color(r->service));
    term_cell(t, r->service, service, false);
    term_color_off(t);
    room -= service;
    span name = times > 1 ? arena_print(p->mem, " %.*s  x%u", SPAN_FMT(r->name), times)
                          : arena_print(p->mem, " %.*s", SPAN_FMT(r->name));
    uint32_t error = r->is_error && room > 4 ? 4 : 0;
    if (r->is_error)
        term_color_on(t, COLOR_RED);
    term_cell(t, name, room - error, false);
    if (error)
        term_print(t, " ERR");
    if (r->is_error)
        term_color_off(t);
}

static void print_row(painter *p, uint32_t row, uint32_t times, int64_t end_ns, int64_t total_ns,
                      int64_t self_ns)
{
    const trace_view_row *r = &p->v->rows[row];
    const tree_node *n = &p->v->tree.nodes[row];
    bool has_more = n->child_count && is_too_deep(p, n->depth + 1);
    print_name(p, row, times, has_more, n->child_count > 0);
    term_print(p->t, " ");
    print_bar(p, r->start_ns, end_ns, times > 1,
              r->is_error ? COLOR_RED : waterfall_color(r->service), n->is_critical);
    print_ms(p->t, total_ns);
    print_ms(p->t, self_ns);
    if (r->message.len) {
        term_print(p->t, "  ");
        if (p->t->width) {
            uint32_t used = p->name_columns + 1 + p->bar_columns + 2 * NUMBER_COLUMNS + 2;
            uint32_t wanted = term_columns(r->message);
            uint32_t room = p->t->width > used ? p->t->width - used : 0;
            term_cell(p->t, r->message, wanted < room ? wanted : room, false);
        } else {
            term_text(p->t, r->message);
        }
    }
    term_print(p->t, "\n");
}

static void print_missing(painter *p, uint64_t parent_id)
{
    char id[17];
    size_t len = span_id_print(parent_id, id);
    span text = arena_print(p->mem, "? missing parent %.*s", (int)len, id);
    term_print(p->t, "  ");
    term_color_on(p->t, COLOR_YELLOW);
    term_text(p->t, text);
    term_color_off(p->t);
    term_print(p->t, "\n");
}

/* ---- the tree ---- */

/* How many leaves alike follow `row` among its siblings; 1: no fold. */
static uint32_t run_length(const painter *p, uint32_t row)
{
    const trace_view *v = p->v;
    const trace_view_row *r = &v->rows[row];
    uint32_t count = 0;
    for (uint32_t at = row; at != TREE_NONE; at = v->tree.nodes[at].next_sibling) {
        const trace_view_row *other = &v->rows[at];
        if (v->tree.nodes[at].child_count || other->is_error ||
            !span_equal(other->service, r->service) || !span_equal(other->name, r->name))
            break;
        count++;
    }
    return v->count > FOLD_ABOVE && count >= FOLD_RUN ? count : 1;
}

/* Prints a run as one row: from the first start to the last end, times summed. */
static void print_run(painter *p, uint32_t row, uint32_t times)
{
    const trace_view *v = p->v;
    int64_t end = 0, total = 0, self = 0;
    uint32_t at = row;
    for (uint32_t i = 0; i < times; i++, at = v->tree.nodes[at].next_sibling) {
        int64_t e = v->rows[at].start_ns + v->rows[at].duration_ns;
        end = i == 0 || e > end ? e : end;
        total += v->rows[at].duration_ns;
        self += v->tree.nodes[at].self_ns;
        p->shown[at] = 0; /* done */
    }
    print_row(p, row, times, end, total, self);
}

/* Rows of tree.order from `first` while they lie below or are the root there. Returns the next root's place. */
static uint32_t print_subtree(painter *p, uint32_t first)
{
    const trace_view *v = p->v;
    uint32_t i = first;
    do {
        uint32_t row = v->tree.order[i++];
        if (!p->shown[row])
            continue;
        if (is_too_deep(p, v->tree.nodes[row].depth)) {
            p->hidden++;
            continue;
        }
        uint32_t times = run_length(p, row);
        if (times > 1)
            print_run(p, row, times);
        else
            print_row(p, row, 1, v->rows[row].start_ns + v->rows[row].duration_ns,
                      v->rows[row].duration_ns, v->tree.nodes[row].self_ns);
    } while (i < v->tree.order_count && v->tree.nodes[v->tree.order[i]].parent != TREE_NONE);
    return i;
}

static bool has_shown(const painter *p, uint32_t first)
{
    uint32_t i = first;
    do {
        if (p->shown[p->v->tree.order[i++]])
            return true;
    } while (i < p->v->tree.order_count &&
             p->v->tree.nodes[p->v->tree.order[i]].parent != TREE_NONE);
    return false;
}

static void print_roots(painter *p)
{
    const tree *t = &p->v->tree;
    for (uint32_t i = 0; i < t->order_count;) {
        uint32_t root = t->order[i];
        if (!t->nodes[root].parent_missing) {
            i = print_subtree(p, i);
            continue;
        }
        do /* orphans come below: one placeholder per missing parent holds all of its */
            i++;
        while (i < t->order_count && t->nodes[t->order[i]].parent != TREE_NONE);
    }
    for (uint32_t m = 0; m < t->missing_count; m++) {
        bool is_said = false;
        for (uint32_t i = 0; i < t->order_count; i++) {
            uint32_t row = t->order[i];
            if (!t->nodes[row].parent_missing ||
                p->v->spans[row].parent_id != t->missing_parents[m] || !has_shown(p, i))
                continue;
            if (!is_said)
                print_missing(p, t->missing_parents[m]);
            is_said = true;
            print_subtree(p, i);
        }
    }
}

/* ---- around it ---- */

static uint32_t count_services(const trace_view *v, arena *mem)
{
    span *seen = ARENA_ARRAY(mem, span, v->count + 1);
    uint32_t count = 0;
    for (uint32_t i = 0; seen && i < v->count; i++) {
        uint32_t k = 0;
        while (k < count && !span_equal(seen[k], v->rows[i].service))
            k++;
        if (k == count)
            seen[count++] = v->rows[i].service;
    }
    return count;
}

static void print_plural(term *t, uint64_t count, const char *word)
{
    char text[FORM_MAX];
    form_count(count, text);
    term_print(t, "  %s %s%s", text, word, count == 1 ? "" : "s");
}

void waterfall_heading(const trace_view *v, arena *mem, term *t)
{
    char total[FORM_MAX], start[FORM_MAX];
    uint32_t root = v->tree.order_count ? v->tree.order[0] : 0;
    for (uint32_t i = 0; i < v->tree.order_count; i++)
        if (v->tree.nodes[v->tree.order[i]].parent == TREE_NONE &&
            !v->tree.nodes[v->tree.order[i]].parent_missing) {
            root = v->tree.order[i];
            break;
        }
    form_ms((double)(v->end_ns - v->start_ns) / 1e6, total);
    form_local_time(v->start_ns, start);
    term_color_on(t, COLOR_BOLD);
    term_text(t, v->rows[root].service);
    term_print(t, " ");
    term_text(t, v->rows[root].name);
    term_color_off(t);
    term_print(t, "  %s", total);
    print_plural(t, v->count, "span");
    print_plural(t, count_services(v, mem), "service");
    if (v->error_count) {
        term_color_on(t, COLOR_RED);
        print_plural(t, v->error_count, "error");
        term_color_off(t);
    }
    if (v->tree.missing_count)
        term_print(t, "  %u missing", v->tree.missing_count);
    term_print(t, "  %s\n", start);
}

static void print_scale(const painter *p)
{
    char half[FORM_MAX], full[FORM_MAX];
    double ms = (double)(p->v->end_ns - p->v->start_ns) / 1e6;
    size_t half_len = form_ms(ms / 2, half), full_len = form_ms(ms, full);
    term_fill(p->t, " ", p->name_columns + 1);
    uint32_t third = p->bar_columns / 2;
    if (third > 4 && p->bar_columns > third + half_len + full_len) {
        term_cell(p->t, SPAN("0 ms"), third, false);
        term_cell(p->t, span_text(half), p->bar_columns - third - (uint32_t)full_len, false);
        term_print(p->t, "%s", full);
    } else if (p->bar_columns > 5 + full_len) {
        term_cell(p->t, SPAN("0 ms"), p->bar_columns - (uint32_t)full_len, false);
        term_print(p->t, "%s", full);
    } else {
        term_fill(p->t, " ", p->bar_columns);
    }
    term_cell(p->t, SPAN("total"), NUMBER_COLUMNS, true);
    term_cell(p->t, SPAN("self"), NUMBER_COLUMNS, true);
    term_print(p->t, "\n");
}

static void lay_out(painter *p)
{
    uint32_t width = p->t->width ? p->t->width : WIDTH_DEFAULT, widest = NAME_MIN;
    for (uint32_t i = 0; i < p->v->count; i++) {
        const trace_view_row *r = &p->v->rows[i];
        uint32_t depth = p->v->tree.nodes[i].depth;
        uint32_t wanted = 4 + 2 * (depth < INDENT_MAX ? depth : INDENT_MAX) +
                          term_columns(r->service) + 1 + term_columns(r->name) +
                          (r->is_error ? 4 : 0) + (p->v->count > FOLD_ABOVE ? FOLD_COLUMNS : 0);
        if (p->shown[i] && !is_too_deep(p, depth) && wanted > widest)
            widest = wanted;
    }
    uint32_t numbers = 2 * NUMBER_COLUMNS + 1, most = width * 9 / 20;
    p->name_columns = widest < most ? widest : most;
    uint32_t used = p->name_columns + numbers;
    p->bar_columns = width > used + BAR_MIN ? width - used : BAR_MIN;
    bool has_message = false;
    for (uint32_t i = 0; i < p->v->count; i++)
        has_message |= p->shown[i] && p->v->rows[i].message.len;
    if (has_message && p->bar_columns > 40)
        p->bar_columns -= 20;
}

static void print_footer(const painter *p)
{
    const trace_view *v = p->v;
    term *t = p->t;
    term_color_on(t, COLOR_DIM);
    term_print(t, "* = critical path");
    if (v->event_count)
        print_plural(t, v->event_count, "span event");
    if (v->link_count)
        print_plural(t, v->link_count, "link");
    if (v->log_count)
        print_plural(t, v->log_count, "log");
    if (p->hidden) {
        print_plural(t, p->hidden, "span");
        term_print(t, " hidden by%s%s%s%s", p->f->min_ns ? " --min" : "",
                   p->f->errors ? " --errors" : "", p->f->service ? " --service" : "",
                   p->f->depth ? " --depth" : "");
    }
    term_color_off(t);
    term_print(t, "\n");
}

void waterfall_print(const trace_view *v, const trace_filter *f, arena *mem, term *t)
{
    painter p = {.v = v, .f = f, .t = t, .mem = mem};
    if (v->count == 0) {
        term_print(t, "no spans, but");
        print_plural(t, v->event_count + v->link_count + v->log_count, "other row");
        term_print(t, "\n");
        return;
    }
    p.shown = waterfall_shown(v, f, mem, &p.hidden);
    if (!p.shown)
        return;
    lay_out(&p);
    waterfall_heading(v, mem, t);
    print_scale(&p);
    print_roots(&p);
    print_footer(&p);
}
