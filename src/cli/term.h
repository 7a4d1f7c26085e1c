/*
 * cli/term.h: what is at the other end of stdout or stderr, and printing that suits it. Text that came from events never
 * reaches a terminal raw: control characters are shown escaped.
 */
#ifndef CLI_TERM_H
#define CLI_TERM_H

#include <sys/types.h>

#include "base/buf.h"

typedef enum term_color {
    COLOR_NONE,
    COLOR_BOLD,
    COLOR_DIM,
    COLOR_RED,
    COLOR_GREEN,
    COLOR_YELLOW,
    COLOR_BLUE,
    COLOR_MAGENTA,
    COLOR_CYAN,
    COLOR_COUNT
} term_color;

typedef struct term {
    int fd;
    bool is_terminal, has_color, has_256, has_unicode;
    uint32_t width; /* columns; 0: no limit (not a terminal) */
    buf text;       /* printed so far, not yet written */
    bool is_gone;   /* the reader left: stop */
    /* pager.c's: asked once, before anything is written; the other stream; the pager that runs, or 0. */
    void (*before_flush)(struct term *t);
    struct term *beside;
    pid_t pager;
} term;

/* `color`: "auto", "always", "never" or NULL. */
void term_init(term *t, int fd, const char *color);
void term_done(term *t); /* writes what is left */
void term_flush(term *t);

void term_print(term *t, const char *format, ...) format_like(2, 3); /* our own text only */
void term_text(term *t, span text);                                  /* escaped */
void term_color_on(term *t, term_color color); /* until term_color_off; nothing without color */
void term_color_off(term *t);
void term_fill(term *t, const char *text, uint32_t times);
/* `text` escaped in exactly `columns`, cut with an ellipsis; padded left when `right`. */
void term_cell(term *t, span text, uint32_t columns, bool right);

/* ---- measuring and forming ---- */
uint32_t term_columns(span text); /* of the escaped text: wide characters are 2, combining ones 0 */
/* Forms below write at most 32 bytes and return the length. */
#define FORM_MAX 40
size_t form_count(uint64_t n, char out[FORM_MAX]);      /* 1,234,567 */
size_t form_bytes(uint64_t n, char out[FORM_MAX]);      /* 1.5 MiB */
size_t form_ms(double ms, char out[FORM_MAX]);          /* 1.84 s, 112 ms, 40 µs */
size_t form_age(int64_t ns, char out[FORM_MAX]);        /* 5s, 3m, 2h, 4d */
size_t form_local_time(int64_t ns, char out[FORM_MAX]); /* 2026-08-21 14:05:03.123 +02:00 */

#endif
