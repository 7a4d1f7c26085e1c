/*
 * cli/chart.c: chart.h. Called by `skep query --chart`, `--heatmap` and its tables.
 * Never: asks for data; assumes a terminal (without one it draws 80 columns wide).
 */
#include "cli/chart.h"

#include <math.h>
#include <stdio.h>

#include "base/port.h"

#define WIDTH_DEFAULT 80u
#define LABEL_COLUMNS 9u
#define LINE_ROWS     10u
#define SMALL_ROWS    4u
#define HEAT_ROWS     16u
#define LINES_MAX     6u

size_t form_number(double v, char out[FORM_MAX])
{
    static const struct {
        double from;
        char unit;
    } units[] = {{1e12, 'T'}, {1e9, 'G'}, {1e6, 'M'}, {1e4, 'k'}};
    double size = fabs(v);
    for (size_t i = 0; i < COUNT_OF(units); i++)
        if (size >= units[i].from) {
            double scaled = v / (units[i].unit == 'k' ? 1e3 : units[i].from);
            return (size_t)snprintf(out, FORM_MAX, "%.*f%c", fabs(scaled) < 100 ? 1 : 0, scaled,
                                    units[i].unit);
        }
    if (v == floor(v))
        return (size_t)snprintf(out, FORM_MAX, "%.0f", v);
    return (size_t)snprintf(out, FORM_MAX, "%.*f", size >= 100 ? 1 : size >= 1 ? 2 : 4, v);
}

static void print_label(term *t, double v, chart_form *form, bool is_shown)
{
    char text[FORM_MAX] = "";
    if (is_shown)
        form(v, text);
    term_cell(t, span_text(text), LABEL_COLUMNS, true);
    term_print(t, " ");
}

static void print_time_axis(term *t, const chart_time *time, uint32_t columns)
{
    char start[FORM_MAX], end[FORM_MAX];
    form_local_time(time->start_ns, start);
    form_local_time(time->end_ns, end);
    start[19] = 0; /* to the second */
    end[19] = 0;
    term_fill(t, " ", LABEL_COLUMNS + 1);
    uint32_t gap = columns > 38 ? columns - 38 : 1;
    term_print(t, "%s", start);
    term_fill(t, " ", gap);
    term_print(t, "%s\n", end);
}

static void print_title(term *t, span title)
{
    term_color_on(t, COLOR_BOLD);
    term_text(t, title);
    term_color_off(t);
    term_print(t, "\n");
}

uint32_t chart_columns(const term *t)
{
    uint32_t width = t->width ? t->width : WIDTH_DEFAULT;
    return width > LABEL_COLUMNS + 21 ? width - LABEL_COLUMNS - 1 : 20;
}

/* ---- lines ---- */

/* A field of dots, 2 × 4 of them in each character; each character remembers the last line that touched it. */
typedef struct canvas {
    uint32_t columns, rows;
    uint8_t *dots;
    uint8_t *owners;
} canvas;

static void set_dot(canvas *c, uint32_t x, uint32_t y, uint8_t owner)
{
    static const uint8_t bits[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    uint32_t cell = y / 4 * c->columns + x / 2;
    c->dots[cell] |= bits[y % 4][x % 2];
    c->owners[cell] = owner;
}

/* `y` counts from the top. From the dot before, if there is one, by a vertical stroke. */
static void draw_line(canvas *c, const chart_line *line, uint32_t buckets, double low, double high,
                      uint8_t owner)
{
    uint32_t width = c->columns * 2, height = c->rows * 4;
    int64_t before = -1;
    for (uint32_t x = 0; x < width; x++) {
        uint32_t bucket = (uint32_t)((uint64_t)x * buckets / width);
        double v = line->values[bucket];
        if (isnan(v)) {
            before = -1;
            continue;
        }
        double part = high > low ? (v - low) / (high - low) : 0;
        int64_t y = (int64_t)height - 1 - (int64_t)lround(part * (height - 1));
        int64_t step = before < 0 ? 0 : before < y ? 1 : -1;
        for (int64_t at = before < 0 ? y : before; at != y; at += step)
            set_dot(c, x, (uint32_t)at, owner);
        set_dot(c, x, (uint32_t)y, owner);
        before = y;
    }
}

static void print_dots(term *t, uint8_t dots)
{
    if (!t->has_unicode) {
        buf_add_text(&t->text, dots ? "*" : " ");
        return;
    }
    const uint8_t bytes[3] = {0xe2, (uint8_t)(0xa0 | dots >> 6), (uint8_t)(0x80 | (dots & 0x3f))};
    buf_add(&t->text, dots ? (const char *)bytes : " ", dots ? 3 : 1);
}

static const term_color line_colors[LINES_MAX] = {COLOR_CYAN,  COLOR_YELLOW, COLOR_MAGENTA,
                                                  COLOR_GREEN, COLOR_BLUE,   COLOR_RED};

static void find_bounds(const chart_line *lines, uint32_t count, uint32_t buckets, double *ret_low,
                        double *ret_high)
{
    double low = 0, high = 0;
    bool is_first = true;
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t b = 0; b < buckets; b++) {
            double v = lines[i].values[b];
            if (isnan(v))
                continue;
            low = is_first || v < low ? v : low;
            high = is_first || v > high ? v : high;
            is_first = false;
        }
    if (low > 0 && low < high / 2)
        low = 0;
    if (low == high && low > 0)
        low = 0;
    *ret_low = low;
    *ret_high = high;
}

static void print_frame(term *t, arena *mem, const chart_line *lines, uint32_t count,
                        uint32_t first_color, uint32_t rows, const chart_time *time,
                        chart_form *form)
{
    canvas c = {.columns = chart_columns(t), .rows = rows};
    double low, high;
    c.dots = ARENA_ARRAY(mem, uint8_t, c.columns * rows);
    c.owners = ARENA_ARRAY(mem, uint8_t, c.columns * rows);
    if (!c.dots || !c.owners)
        return;
    find_bounds(lines, count, time->bucket_count, &low, &high);
    for (uint32_t i = 0; i < count; i++)
        draw_line(&c, &lines[i], time->bucket_count, low, high, (uint8_t)(first_color + i));
    for (uint32_t row = 0; row < rows; row++) {
        print_label(t, row == 0 ? high : low, form, row == 0 || row + 1 == rows);
        for (uint32_t x = 0; x < c.columns; x++) {
            uint32_t cell = row * c.columns + x;
            if (c.dots[cell])
                term_color_on(t, line_colors[c.owners[cell] % LINES_MAX]);
            print_dots(t, c.dots[cell]);
            if (c.dots[cell])
                term_color_off(t);
        }
        while (t->text.len && t->text.at[t->text.len - 1] == ' ')
            t->text.len--;
        term_print(t, "\n");
    }
}

void chart_lines(term *t, arena *mem, span title, const chart_line *lines, uint32_t count,
                 const chart_time *time, chart_form *form)
{
    bool is_one_frame = t->has_color || count == 1;
    uint32_t shown = count < LINES_MAX ? count : LINES_MAX;
    print_title(t, title);
    if (is_one_frame)
        print_frame(t, mem, lines, shown, 0, LINE_ROWS, time, form);
    for (uint32_t i = 0; i < shown; i++) {
        if (lines[i].name.len) {
            term_color_on(t, line_colors[i]);
            term_print(t, "%s ", t->has_unicode ? "\xe2\x94\x81\xe2\x94\x81" : "--");
            term_color_off(t);
            term_text(t, lines[i].name);
            term_print(t, "\n");
        }
        if (!is_one_frame)
            print_frame(t, mem, &lines[i], 1, i, SMALL_ROWS, time, form);
    }
    print_time_axis(t, time, chart_columns(t));
    if (shown < count)
        term_print(t, "the first %u of %u groups\n", shown, count);
}

/* ---- heatmap ---- */

chart_scale chart_scale_of(const chart_cell *cells, size_t count)
{
    double low = cells[0].low, high = cells[0].high;
    for (size_t i = 1; i < count; i++) {
        low = cells[i].low < low ? cells[i].low : low;
        high = cells[i].high > high ? cells[i].high : high;
    }
    if (low > 0 && high > low * 20)
        return (chart_scale){log(low), log(high), true};
    return (chart_scale){low, high, false};
}

static uint32_t place(const chart_scale *s, double low, double high, uint32_t rows)
{
    double middle = low + (high - low) / 2;
    double at = s->is_log ? log(middle) : middle;
    double part = s->high > s->low ? (at - s->low) / (s->high - s->low) : 0;
    uint32_t row = part > 0 ? (uint32_t)(part * rows) : 0;
    return row < rows ? row : rows - 1;
}

static double row_low(const chart_scale *s, uint32_t row, uint32_t rows)
{
    double at = s->low + (s->high - s->low) * row / rows;
    return s->is_log ? exp(at) : at;
}

/* Shades by the logarithm, as a few slow requests among thousands are what one looks for. */
#define SHADES 8u

static uint32_t shade_of(double count, double most)
{
    double part = most > 1 ? log1p(count) / log1p(most) : 1;
    return part >= 1 ? SHADES - 1 : (uint32_t)(part * SHADES);
}

/* On a terminal of 256 colors a step from dark blue to yellow, else denser and denser blocks. */
static void print_shade(term *t, uint32_t shade)
{
    static const uint8_t colors[SHADES] = {17, 19, 25, 31, 37, 78, 149, 226};
    static const char *const blocks[] = {"\xe2\x96\x91", "\xe2\x96\x92", "\xe2\x96\x93",
                                         "\xe2\x96\x88"};
    static const char *const ascii[] = {".", "o", "O", "#"};
    uint32_t level = shade * 4 / SHADES;
    if (t->has_256 && t->has_unicode)
        buf_print(&t->text, "\x1b[38;5;%um\xe2\x96\x88", colors[shade]);
    else
        buf_add_text(&t->text, t->has_unicode ? blocks[level] : ascii[level]);
}

static void print_heat_row(term *t, const double *counts, uint32_t columns, double most)
{
    while (columns && counts[columns - 1] <= 0)
        columns--;
    term_color_on(t, COLOR_CYAN);
    for (uint32_t x = 0; x < columns; x++)
        if (counts[x] > 0)
            print_shade(t, shade_of(counts[x], most));
        else
            buf_add_text(&t->text, " ");
    term_color_off(t);
    term_print(t, "\n");
}

static void print_legend(term *t, double most, bool is_log)
{
    char text[FORM_MAX];
    form_number(most, text);
    term_fill(t, " ", LABEL_COLUMNS + 1);
    term_color_on(t, COLOR_CYAN);
    for (uint32_t shade = 0; shade < SHADES; shade += t->has_256 ? 1 : 2)
        print_shade(t, shade);
    term_color_off(t);
    term_print(t, " most: %s events in one cell%s\n", text, is_log ? "; logarithmic scale" : "");
}

void chart_heatmap(term *t, arena *mem, span title, const chart_cell *cells, size_t count,
                   const chart_time *time, chart_form *form)
{
    uint32_t columns = chart_columns(t);
    print_title(t, title);
    if (count == 0) {
        term_print(t, "no values\n");
        return;
    }
    chart_scale s = chart_scale_of(cells, count);
    double *grid = ARENA_ARRAY(mem, double, columns *HEAT_ROWS), most = 0;
    if (!grid)
        return;
    /* A bucket is as many columns wide as fit, or shares one with its neighbours. */
    for (size_t i = 0; i < count; i++) {
        uint64_t from = (uint64_t)cells[i].bucket * columns / time->bucket_count;
        uint64_t to = ((uint64_t)cells[i].bucket + 1) * columns / time->bucket_count;
        uint32_t row = place(&s, cells[i].low, cells[i].high, HEAT_ROWS);
        for (uint64_t x = from; x < columns && (x < to || x == from); x++) {
            double *at = &grid[row * columns + x];
            *at += cells[i].count;
            most = *at > most ? *at : most;
        }
    }
    for (uint32_t row = HEAT_ROWS; row-- > 0;) {
        print_label(t, row_low(&s, row, HEAT_ROWS), form, row % 5 == 0);
        print_heat_row(t, &grid[row * columns], columns, most);
    }
    print_time_axis(t, time, columns);
    print_legend(t, most, s.is_log);
}

span chart_spark(const chart_cell *cells, size_t count, const chart_scale *on, uint32_t columns,
                 bool has_unicode, arena *mem)
{
    static const char *const bars[] = {" ",
                                       "\xe2\x96\x81",
                                       "\xe2\x96\x82",
                                       "\xe2\x96\x83",
                                       "\xe2\x96\x84",
                                       "\xe2\x96\x85",
                                       "\xe2\x96\x86",
                                       "\xe2\x96\x87",
                                       "\xe2\x96\x88"};
    static const char *const ascii[] = {" ", ".", ".", ":", ":", "+", "+", "#", "#"};
    double *sums = ARENA_ARRAY(mem, double, columns), most = 0;
    uint8_t *text = arena_alloc(mem, (size_t)columns * 3 + 1, 1);
    if (!sums || !text || count == 0)
        return SPAN("");
    for (size_t i = 0; i < count; i++) {
        double *at = &sums[place(on, cells[i].low, cells[i].high, columns)];
        *at += cells[i].count;
        most = *at > most ? *at : most;
    }
    size_t len = 0;
    for (uint32_t x = 0; x < columns; x++) {
        double part = most > 0 ? log1p(sums[x]) / log1p(most) : 0;
        uint32_t level = sums[x] <= 0 ? 0 : part >= 1 ? 8 : 1 + (uint32_t)(part * 8);
        const char *bar = has_unicode ? bars[level] : ascii[level];
        memcpy(text + len, bar, strlen(bar));
        len += strlen(bar);
    }
    return span_of(text, len);
}
