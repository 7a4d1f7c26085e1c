/*
 * serve/url.h: request targets: percent-decoding, path segments, query pairs. Pure; used by both
 * HTTP versions.
 */
#ifndef SERVE_URL_H
#define SERVE_URL_H

#include "base/arena.h"
#include "base/err.h"
#include "serve/router.h"

#define URL_QUERY_MAX 64u

typedef struct url_pair {
    span name, value;
} url_pair;

typedef struct url {
    span path; /* decoded, one slash between segments: for logs and refusals */
    span segments[ROUTE_SEGMENTS_MAX];
    uint32_t segment_count;
    url_pair query[URL_QUERY_MAX];
    uint32_t query_count;
} url;

/* Origin form ("/a?b"), absolute form ("http://host/a") or "*". SK_BAD_INPUT says what is wrong;
 * the path that could be read is there also then. Copies into the arena what decoding changes,
 * borrows the rest from `target`. */
sk_code url_parse(span target, arena *mem, url *ret, err *e) must_use;

/* "%41+b" → "A b" with is_query, else '+' stays. False on a broken escape, a NUL, or when memory is
 * short. */
bool url_decode(span text, bool is_query, arena *mem, span *ret) must_use;

#endif
