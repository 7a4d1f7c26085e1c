/*
 * tests/unit/cli_fixed.h: a terminal of a given width that keeps what is printed.
 */
#ifndef TESTS_CLI_FIXED_H
#define TESTS_CLI_FIXED_H

#include <time.h>

#include "check.h"
#include "cli/term.h"

static maybe_unused term fixed_term(uint32_t width, bool has_unicode)
{
    term t = {.fd = -1, .width = width, .has_unicode = has_unicode};
    buf_init(&t.text, 1 * MIB);
    setenv("TZ", "UTC", 1);
    tzset();
    return t;
}

/* Compares with `want`, where lines are separated by \n, and forgets what was printed. */
static maybe_unused void check_printed(term *t, const char *want)
{
    if (!span_is(buf_span(&t->text), want)) {
        print_error("printed:\n%.*s", (int)t->text.len, (const char *)t->text.at);
        check_text(buf_span(&t->text), want);
    }
    buf_clear(&t->text);
}

static maybe_unused bool has_printed(const term *t, const char *text)
{
    return span_contains(buf_span(&t->text), span_text(text));
}

static maybe_unused void fixed_done(term *t)
{
    buf_done(&t->text);
}

#endif
