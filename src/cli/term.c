/*
 * cli/term.c: term.h. Called by every command that prints.
 * Never: lets a control character of someone's data through to a terminal; prints color or Unicode where it is not wanted
 * (NO_COLOR, TERM=dumb, --color=never, no UTF-8 locale, not a terminal).
 */
#include "cli/term.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/port.h"

#define TEXT_MAX    (256 * MIB)
#define FLUSH_BYTES (64 * KIB)

/* ---- what is there ---- */

static bool says_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const char *value = getenv(names[i]);
        if (value && *value)
            return strstr(value, "UTF-8") || strstr(value, "utf8") || strstr(value, "UTF8") ||
                   strstr(value, "utf-8");
    }
    return false;
}

void term_init(term *t, int fd, const char *color)
{
    const char *kind = getenv("TERM"), *no_color = getenv("NO_COLOR");
    struct winsize size;
    *t = (term){.fd = fd, .is_terminal = isatty(fd)};
    buf_init(&t->text, TEXT_MAX);
    bool is_dumb = !kind || strcmp(kind, "dumb") == 0;
    t->has_color = t->is_terminal && !is_dumb && !(no_color && *no_color);
    if (color && strcmp(color, "always") == 0)
        t->has_color = true;
    if (color && strcmp(color, "never") == 0)
        t->has_color = false;
    const char *more = getenv("COLORTERM");
    t->has_256 = t->has_color && ((kind && strstr(kind, "256color")) || (more && *more));
    t->has_unicode = says_utf8() && !(t->is_terminal && is_dumb);
    if (t->is_terminal)
        t->width = ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20 ? size.ws_col : 80;
}

void term_flush(term *t)
{
    size_t done = 0;
    if (t->text.len && t->before_flush)
        t->before_flush(t);
    while (done < t->text.len && !t->is_gone) {
        ssize_t wrote = write(t->fd, t->text.at + done, t->text.len - done);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            t->is_gone = true;
        else
            done += (size_t)wrote;
    }
    buf_clear(&t->text);
}

void term_done(term *t)
{
    term_flush(t);
    buf_done(&t->text);
}

static void flush_when_long(term *t)
{
    if (t->text.len >= FLUSH_BYTES)
        term_flush(t);
}

/* ---- characters ---- */

typedef struct glyph {
    uint32_t code;
    uint32_t bytes;
} glyph;

/* The character at the start of `s` (not empty); a byte that is no UTF-8 is U+FFFD of one byte. */
static glyph first_glyph(span s)
{
    uint8_t b = s.at[0];
    uint32_t need = b < 0x80 ? 1 : b >= 0xf0 && b < 0xf8 ? 4 : b >= 0xe0 ? 3 : b >= 0xc2 ? 2 : 0;
    if (need == 1)
        return (glyph){b, 1};
    if (need == 0 || b >= 0xf8 || need > s.len || !utf8_is_valid(span_first(s, need)))
        return (glyph){0xfffd, 1};
    uint32_t code = b & (0xffu >> (need + 1));
    for (uint32_t i = 1; i < need; i++)
        code = code << 6 | (s.at[i] & 0x3fu);
    return (glyph){code, need};
}

static bool in_ranges(uint32_t code, const uint32_t (*ranges)[2], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (code >= ranges[i][0] && code <= ranges[i][1])
            return true;
    return false;
}

/* Columns of one character: the ranges of Unicode's East Asian Width W and F that matter, and of combining marks. */
static uint32_t glyph_columns(uint32_t code)
{
    static const uint32_t wide[][2] = {{0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},
                                       {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe30, 0xfe6f},
                                       {0xff00, 0xff60},   {0xffe0, 0xffe6},   {0x1f300, 0x1f64f},
                                       {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};
    static const uint32_t none[][2] = {
        {0x0300, 0x036f}, {0x200b, 0x200d}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}};
    if (code < 0x300)
        return 1;
    if (in_ranges(code, none, COUNT_OF(none)))
        return 0;
    return in_ranges(code, wide, COUNT_OF(wide)) ? 2 : 1;
}

/* Controls, and the marks that reorder text: shown as what they are. */
static bool must_escape(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x202a && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}

static size_t escape(uint32_t code, char out[12])
{
    if (code == '\n' || code == '\t' || code == '\r')
        return (size_t)snprintf(out, 12, "\\%c", code == '\n' ? 'n' : code == '\t' ? 't' : 'r');
    return (size_t)snprintf(out, 12, code < 0x100 ? "\\x%02x" : "\\u%04x", code);
}

uint32_t term_columns(span text)
{
    uint32_t columns = 0;
    char escaped[12];
    while (text.len) {
        glyph g = first_glyph(text);
        columns += must_escape(g.code) ? (uint32_t)escape(g.code, escaped) : glyph_columns(g.code);
        text = span_from(text, g.bytes);
    }
    return columns;
}

/* Prints at most `max` columns; returns how many. */
static uint32_t print_escaped(term *t, span text, uint32_t max)
{
    uint32_t columns = 0;
    while (text.len) {
        char escaped[12];
        glyph g = first_glyph(text);
        bool is_control = must_escape(g.code);
        uint32_t need = is_control ? (uint32_t)escape(g.code, escaped) : glyph_columns(g.code);
        if (columns + need > max)
            break;
        if (is_control)
            buf_add(&t->text, escaped, need);
        else if (g.code == 0xfffd)
            buf_add_text(&t->text, t->has_unicode ? "\xef\xbf\xbd" : "?");
        else
            buf_add(&t->text, text.at, g.bytes);
        columns += need;
        text = span_from(text, g.bytes);
    }
    return columns;
}

/* ---- printing ---- */

void term_print(term *t, const char *format, ...)
{
    char line[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    buf_add_text(&t->text, line);
    flush_when_long(t);
}

void term_text(term *t, span text)
{
    print_escaped(t, text, UINT32_MAX);
    flush_when_long(t);
}

void term_color_on(term *t, term_color color)
{
    static const char *const codes[COLOR_COUNT] = {
        [COLOR_NONE] = "",         [COLOR_BOLD] = "\x1b[1m",     [COLOR_DIM] = "\x1b[2m",
        [COLOR_RED] = "\x1b[31m",  [COLOR_GREEN] = "\x1b[32m",   [COLOR_YELLOW] = "\x1b[33m",
        [COLOR_BLUE] = "\x1b[34m", [COLOR_MAGENTA] = "\x1b[35m", [COLOR_CYAN] = "\x1b[36m"};
    if (t->has_color)
        buf_add_text(&t->text, codes[color]);
}

void term_color_off(term *t)
{
    if (t->has_color)
        buf_add_text(&t->text, "\x1b[0m");
}

void term_fill(term *t, const char *text, uint32_t times)
{
    for (uint32_t i = 0; i < times; i++)
        buf_add_text(&t->text, text);
}

void term_cell(term *t, span text, uint32_t columns, bool right)
{
    uint32_t wanted = term_columns(text);
    if (wanted <= columns) {
        if (right)
            term_fill(t, " ", columns - wanted);
        print_escaped(t, text, wanted);
        if (!right)
            term_fill(t, " ", columns - wanted);
        return;
    }
    if (columns == 0)
        return;
    uint32_t used = print_escaped(t, text, columns - 1);
    buf_add_text(&t->text, t->has_unicode ? "\xe2\x80\xa6" : ">");
    term_fill(t, " ", columns - 1 - used);
}

/* ---- forms ---- */

size_t form_count(uint64_t n, char out[FORM_MAX])
{
    char digits[24];
    size_t len = (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)n), at = 0;
    for (size_t i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0)
            out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = 0;
    return at;
}

size_t form_bytes(uint64_t n, char out[FORM_MAX])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double v = (double)n;
    size_t unit = 0;
    while (v >= 1024 && unit + 1 < COUNT_OF(units)) {
        v /= 1024;
        unit++;
    }
    return (size_t)snprintf(out, FORM_MAX, unit == 0 || v >= 100 ? "%.0f %s" : "%.1f %s", v,
                            units[unit]);
}

size_t form_ms(double ms, char out[FORM_MAX])
{
    double v = fabs(ms);
    const char *unit = "ms";
    if (v >= 60000) {
        double minutes = floor(v / 60000);
        return (size_t)snprintf(out, FORM_MAX, "%s%.0f min %.0f s", ms < 0 ? "-" : "", minutes,
                                floor(v / 1000 - minutes * 60));
    }
    if (v >= 1000) {
        v /= 1000;
        unit = "s";
    } else if (v < 1 && v > 0) {
        v *= 1000;
        unit = "\xc2\xb5s";
    }
    int decimals = v >= 100 || v == 0 ? 0 : v >= 10 ? 1 : 2;
    int len = snprintf(out, FORM_MAX, "%s%.*f", ms < 0 ? "-" : "", decimals, v);
    if (decimals) /* 12.50 is 12.5, 3.00 is 3 */
        while (out[len - 1] == '0' || out[len - 1] == '.')
            if (out[--len] == '.')
                break;
    return (size_t)(len + snprintf(out + len, FORM_MAX - (size_t)len, " %s", unit));
}

size_t form_age(int64_t ns, char out[FORM_MAX])
{
    int64_t s = ns / NS_PER_S;
    const char *unit = "s";
    if (s >= 2 * 86400) {
        s /= 86400;
        unit = "d";
    } else if (s >= 2 * 3600) {
        s /= 3600;
        unit = "h";
    } else if (s >= 120) {
        s /= 60;
        unit = "m";
    }
    return (size_t)snprintf(out, FORM_MAX, "%lld%s", (long long)s, unit);
}

size_t form_local_time(int64_t ns, char out[FORM_MAX])
{
    int64_t part = ns % NS_PER_S;
    part += part < 0 ? NS_PER_S : 0;
    time_t seconds = (time_t)((ns - part) / NS_PER_S);
    struct tm t;
    char day[24];
    if (!localtime_r(&seconds, &t) || strftime(day, sizeof day, "%Y-%m-%d %H:%M:%S", &t) == 0)
        return (size_t)snprintf(out, FORM_MAX, "%lld", (long long)ns);
    long offset = t.tm_gmtoff / 60;
    return (size_t)snprintf(out, FORM_MAX, "%s.%03d %c%02ld:%02ld", day, (int)(part / NS_PER_MS),
                            offset < 0 ? '-' : '+', labs(offset) / 60, labs(offset) % 60);
}
