/*
 * base/must.c: the end of the process when one of our own invariants is broken.
 * Called by the must family alone. Never: allocates, locks or returns.
 */
#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void must__failed(const char *file, int line, const char *what)
{
    char text[512];
    int len =
        snprintf(text, sizeof text, "skep: broken invariant at %s:%d: %s\n", file, line, what);
    size_t size = len < 0 ? 0 : (size_t)len < sizeof text ? (size_t)len : sizeof text - 1;
    if (write(STDERR_FILENO, text, size) < 0)
        abort();
    abort();
}
