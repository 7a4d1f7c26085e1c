/*
 * cli/table.c: table.h. Called by commands that list things.
 * Never: cuts anything unless a terminal is too narrow; writes a raw tab or newline inside a plain cell.
 */
#include "cli/table.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"

#define GAP         2u
#define NARROWEST   6u
#define COLUMNS_MAX 4096u

typedef struct cell {
    span text;
    term_color color;
} cell;

typedef struct heading {
    span name;
    bool right, is_whole;
} heading;

struct table {
    arena *mem;
    uint32_t column_count, cell_count, cell_capacity;
    heading *headings;
    cell *cells;
};

table *table_new(arena *mem, uint32_t column_count)
{
    table *t = ARENA_NEW(mem, table);
    if (!t)
        return NULL;
    t->mem = mem;
    t->column_count = column_count;
    t->headings = ARENA_ARRAY(mem, heading, column_count + 1);
    return t->headings ? t : NULL;
}

void table_column(table *t, uint32_t column, span name, bool right)
{
    t->headings[column] = (heading){name, right, false};
}

void table_keep_whole(table *t, uint32_t column)
{
    t->headings[column].is_whole = true;
}

void table_cell(table *t, span text, term_color color)
{
    if (t->cell_count == t->cell_capacity) {
        uint32_t more = t->cell_capacity ? t->cell_capacity * 2 : 64;
        cell *grown = arena_grow(t->mem, t->cells, t->cell_capacity * sizeof *grown,
                                 more * sizeof *grown, _Alignof(cell));
        if (!grown)
            return;
        t->cells = grown;
        t->cell_capacity = more;
    }
    t->cells[t->cell_count++] = (cell){text, color};
}

void table_printf(table *t, term_color color, const char *format, ...)
{
    char text[256];
    span copy = SPAN("");
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (arena_copy(t->mem, span_text(text), &copy))
        table_cell(t, copy, color);
}

void table_time(table *t, span time, table_form form)
{
    char text[FORM_MAX];
    int64_t ns;
    if (form != TABLE_ALIGNED || !clock_parse_rfc3339(time, &ns)) {
        table_cell(t, time, COLOR_NONE);
        return;
    }
    form_local_time(ns, text);
    table_printf(t, COLOR_NONE, "%.19s", text);
}

void table_age(table *t, span time, table_form form)
{
    char text[FORM_MAX];
    int64_t ns, now = clock_wall_ns();
    if (form != TABLE_ALIGNED) {
        table_cell(t, time, COLOR_NONE);
    } else if (!clock_parse_rfc3339(time, &ns)) {
        table_cell(t, SPAN("never"), COLOR_DIM);
    } else {
        form_age(now > ns ? now - ns : 0, text);
        table_printf(t, COLOR_NONE, "%s ago", text);
    }
}

uint32_t table_rows(const table *t)
{
    return t->column_count ? t->cell_count / t->column_count : 0;
}

/* ---- printing ---- */

/* Tabs and CSV: one line a row, values as they are but for what the form cannot hold. */
static void print_value(span text, table_form form, term *out)
{
    if (form == TABLE_PLAIN || out->is_terminal) {
        term_text(out, text);
        return;
    }
    bool needs_quotes = false;
    for (size_t i = 0; i < text.len; i++)
        needs_quotes |=
            text.at[i] == '"' || text.at[i] == ',' || text.at[i] == '\n' || text.at[i] == '\r';
    if (!needs_quotes) {
        buf_add_span(&out->text, text);
        return;
    }
    buf_add_u8(&out->text, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == '"')
            buf_add_u8(&out->text, '"');
        buf_add_u8(&out->text, text.at[i]);
    }
    buf_add_u8(&out->text, '"');
}

static void print_lines(const table *t, table_form form, term *out)
{
    const char *separator = form == TABLE_CSV ? "," : "\t",
               *end = form == TABLE_CSV ? "\r\n" : "\n";
    for (uint32_t c = 0; c < t->column_count; c++) {
        term_print(out, "%s", c ? separator : "");
        print_value(t->headings[c].name, form, out);
    }
    term_print(out, "%s", end);
    for (uint32_t i = 0; i + t->column_count <= t->cell_count; i += t->column_count) {
        for (uint32_t c = 0; c < t->column_count; c++) {
            term_print(out, "%s", c ? separator : "");
            print_value(t->cells[i + c].text, form, out);
        }
        term_print(out, "%s", end);
    }
}

/* Takes columns from the widest until the row fits; from those to keep whole only when `cut_all`. */
static void fit(const heading *headings, uint32_t *widths, uint32_t count, uint32_t room,
                bool cut_all)
{
    for (;;) {
        uint32_t sum = (count - 1) * GAP, widest = UINT32_MAX, next = 0;
        for (uint32_t c = 0; c < count; c++) {
            sum += widths[c];
            if ((cut_all || !headings[c].is_whole) &&
                (widest == UINT32_MAX || widths[c] > widths[widest]))
                widest = c;
        }
        if (sum <= room || widest == UINT32_MAX || widths[widest] <= NARROWEST)
            return;
        for (uint32_t c = 0; c < count; c++)
            if ((cut_all || !headings[c].is_whole) && widths[c] > next &&
                widths[c] < widths[widest])
                next = widths[c];
        uint32_t take = sum - room, most = widths[widest] - (next > NARROWEST ? next : NARROWEST);
        if (most == 0)
            most = 1;
        widths[widest] -= take < most ? take : most;
    }
}

static void print_row(const table *t, const uint32_t *widths, uint32_t first, term *out)
{
    bool is_heading = first == UINT32_MAX;
    for (uint32_t c = 0; c < t->column_count; c++) {
        span text = is_heading ? t->headings[c].name : t->cells[first + c].text;
        term_color color = is_heading ? COLOR_BOLD : t->cells[first + c].color;
        bool is_last = c + 1 == t->column_count;
        uint32_t width = widths[c], wanted = term_columns(text);
        if (is_last && wanted == 0)
            break;
        if (is_last && !t->headings[c].right && wanted < width)
            width = wanted; /* no spaces at the line's end */
        if (color != COLOR_NONE)
            term_color_on(out, color);
        term_cell(out, text, width, t->headings[c].right);
        if (color != COLOR_NONE)
            term_color_off(out);
        if (!is_last)
            term_fill(out, " ", GAP);
    }
    term_print(out, "\n");
}

void table_print(const table *t, table_form form, term *out)
{
    if (form != TABLE_ALIGNED) {
        print_lines(t, form, out);
        return;
    }
    uint32_t *widths = ARENA_ARRAY(t->mem, uint32_t, t->column_count + 1);
    if (!widths || t->column_count == 0)
        return;
    for (uint32_t c = 0; c < t->column_count; c++)
        widths[c] = term_columns(t->headings[c].name);
    for (uint32_t i = 0; i < t->cell_count; i++) {
        uint32_t wanted = term_columns(t->cells[i].text), c = i % t->column_count;
        if (wanted > widths[c])
            widths[c] = wanted < COLUMNS_MAX ? wanted : COLUMNS_MAX;
    }
    if (out->width) {
        fit(t->headings, widths, t->column_count, out->width, false);
        fit(t->headings, widths, t->column_count, out->width, true);
    }
    print_row(t, widths, UINT32_MAX, out);
    for (uint32_t i = 0; i + t->column_count <= t->cell_count; i += t->column_count)
        print_row(t, widths, i, out);
}
