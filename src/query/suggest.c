/*
 * query/suggest.c: Damerau-Levenshtein distance over short words. Called where an unknown word is
 * refused. Never: allocates; costs more than SUGGEST_WORD_MAX squared per known name.
 */
#include "query/suggest.h"

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

unsigned suggest_distance(span a, span b)
{
    if (a.len > SUGGEST_WORD_MAX || b.len > SUGGEST_WORD_MAX)
        return SUGGEST_WORD_MAX;
    unsigned rows[3][SUGGEST_WORD_MAX + 1]; /* before last, last, this */
    for (size_t j = 0; j <= b.len; j++)
        rows[0][j] = rows[1][j] = (unsigned)j;
    unsigned *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t i = 1; i <= a.len; i++) {
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= b.len; j++) {
            uint8_t x = lower(a.at[i - 1]), y = lower(b.at[j - 1]);
            unsigned best = least(last[j] + 1, now[j - 1] + 1);
            best = least(best, last[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == lower(b.at[j - 2]) && y == lower(a.at[i - 2]))
                best = least(best, before[j - 2] + 1);
            now[j] = best;
        }
        unsigned *oldest = before;
        before = last;
        last = now;
        now = oldest;
    }
    return last[b.len];
}

const char *suggest_nearest(span word, const char *(*names)(size_t index, const void *ctx),
                            const void *ctx)
{
    unsigned allowed = word.len < 5 ? 1 : 2;
    const char *nearest = NULL, *name;
    for (size_t i = 0; (name = names(i, ctx)); i++) {
        unsigned distance = suggest_distance(word, span_text(name));
        if (distance > allowed || (nearest && distance == allowed))
            continue;
        nearest = name;
        allowed = distance;
    }
    return nearest;
}
