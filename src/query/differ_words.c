/*
 * query/differ_words.c: words that a service's log lines gained or lost, counted by traces that have them (a line repeated in one request
 * proves nothing twice): the likelihood ratio of two shares (docs/internals/differences.md). Called by engines through differences.h.
 */
#include <math.h>
#include <stdlib.h>

#include "query/differences.h"
#include "query/spec_private.h"

#define STRENGTH_LEAST 3.0 /* less is often chance, with as many words as there are */
#define WORDS_MAX      50u

static bool is_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool parts_words(uint8_t c)
{
    return c <= ' ' || memchr("[]{}()=,:;\"'<>|", c, 15);
}

bool differ_next_word(span *line, span *ret)
{
    size_t at = 0;
    while (at < line->len) {
        while (at < line->len && parts_words(line->at[at]))
            at++;
        size_t from = at, letters = 0, digits = 0;
        for (; at < line->len && !parts_words(line->at[at]); at++) {
            letters += is_letter(line->at[at]);
            digits += is_digit(line->at[at]);
        }
        size_t len = at - from;
        if (len >= 3 && len < DIFFER_WORD_MAX && is_letter(line->at[from]) && letters > digits) {
            *ret = span_of(line->at + from, len);
            *line = span_from(*line, at);
            return true;
        }
    }
    return false;
}

static double gain(double count, double expected)
{
    return count > 0 && expected > 0 ? count * log(count / expected) : 0;
}

/* Signed square root of the likelihood ratio: about as many standard deviations. */
static double strength_of(const differ_word *w)
{
    double with = 0, all = 0, sum = 0;
    for (uint32_t side = 0; side < DIFFER_SIDES; side++) {
        with += (double)w->with[side];
        all += (double)w->all[side];
        if (!w->all[side])
            return 0;
    }
    for (uint32_t side = 0; side < DIFFER_SIDES; side++) {
        double n = (double)w->all[side], has = (double)w->with[side];
        sum += gain(has, n * with / all) + gain(n - has, n * (1 - with / all));
    }
    return sqrt(fmax(0, 2 * sum));
}

static int compare_words(const void *left, const void *right)
{
    const differ_word *a = left, *b = right;
    if (a->strength != b->strength)
        return a->strength > b->strength ? -1 : 1;
    int diff = span_compare(a->service, b->service);
    return diff ? diff : span_compare(a->word, b->word);
}

sk_code differ_words_of(differ_word *words, uint32_t count, arena *mem, differ_words *ret, err *e)
{
    differ_word *out = ARENA_ARRAY(mem, differ_word, WORDS_MAX);
    *ret = (differ_words){.words = out};
    if (!out)
        return spec__no_memory(e);
    for (uint32_t i = 0; i < count; i++)
        words[i].strength = strength_of(&words[i]);
    if (count)
        qsort(words, count, sizeof *words, compare_words);
    for (uint32_t i = 0; i < count && ret->count < WORDS_MAX; i++) {
        uint32_t same = 0;
        if (words[i].strength < STRENGTH_LEAST)
            break;
        for (uint32_t k = 0; k < ret->count; k++)
            same += span_equal(out[k].service, words[i].service);
        if (same == DIFFER_WORDS_SHOWN)
            continue;
        differ_word *w = &out[ret->count++];
        *w = words[i];
        if (!arena_copy(mem, words[i].service, &w->service) ||
            !arena_copy(mem, words[i].word, &w->word))
            return spec__no_memory(e);
    }
    return SK_OK;
}
