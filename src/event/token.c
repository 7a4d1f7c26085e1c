/*
 * event/token.c: text to words. Called when token filters are built (store) and when they are asked
 * (query). Never allocates; both sides must agree, so the rules are part of the segment format.
 */
#include "event/token.h"

#include "base/hash.h"

#define HASHED_BYTES_MAX                                                                           \
    128 /* longer words are told apart by their first bytes: a filter only needs "may hold" */

static bool is_word_byte(uint8_t c)
{
    return c >= 0x80 || c == '_' || (c >= '0' && c <= '9') ||
           ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

span token_next(span *rest)
{
    const uint8_t *at = rest->at, *end = rest->at + rest->len;
    while (at < end && !is_word_byte(*at))
        at++;
    const uint8_t *word = at;
    while (at < end && is_word_byte(*at))
        at++;
    *rest = span_of(at, (size_t)(end - at));
    return span_of(word, (size_t)(at - word));
}

uint64_t token_hash(span word)
{
    uint8_t lower[HASHED_BYTES_MAX];
    size_t len = word.len < sizeof lower ? word.len : sizeof lower;
    for (size_t i = 0; i < len; i++) {
        uint8_t c = word.at[i];
        lower[i] = c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
    }
    return hash64(span_of(lower, len));
}
