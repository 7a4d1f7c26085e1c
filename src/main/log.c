/*
 * main/log.c: one write per line, so that lines of several threads never mix. Called by main and the notices it hands out.
 */
#include "main/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

void log_line(log_level level, const char *format, ...)
{
    static const char *const names[] = {"error", "warn", "info"};
    char line[1024], time_text[36];
    clock_print_rfc3339(clock_wall_ns() / NS_PER_MS * NS_PER_MS, time_text);
    int len = snprintf(line, sizeof line, "%s %-5s ", time_text, names[level]);
    va_list args;
    va_start(args, format);
    int more = vsnprintf(line + len, sizeof line - (size_t)len - 1, format, args);
    va_end(args);
    len += more < 0 ? 0 : more;
    if ((size_t)len > sizeof line - 2)
        len = (int)sizeof line - 2;
    line[len++] = '\n';
    if (write(STDERR_FILENO, line, (size_t)len) < 0)
        return; /* nobody is there to tell */
}
