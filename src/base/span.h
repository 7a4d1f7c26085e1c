/*
 * base/span.h: pointer and length, the only string of this house. Bytes are borrowed: a span lives as long
 * as the arena or buffer it points into. NUL-terminated text exists only at system-call and library edges.
 */
#ifndef BASE_SPAN_H
#define BASE_SPAN_H

#include <string.h>

#include "base/port.h"

typedef struct span {
    const uint8_t *at;
    size_t len;
} span;

#define SPAN(literal) ((span){(const uint8_t *)(literal), sizeof(literal) - 1})
/* For printf's "%.*s": SPAN_FMT(s) gives the length (cut at 4096) and the pointer. */
#define SPAN_FMT(s) (int)((s).len < 4096 ? (s).len : 4096), (const char *)(s).at

static inline span span_of(const void *at, size_t len)
{
    return (span){(const uint8_t *)at, len};
}

static inline span span_text(const char *text)
{
    return (span){(const uint8_t *)text, text ? strlen(text) : 0};
}

static inline bool span_equal(span a, span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static inline bool span_is(span a, const char *text)
{
    return span_equal(a, span_text(text));
}

static inline span span_from(span s, size_t offset) /* what follows `offset`; empty past the end */
{
    size_t skipped = offset < s.len ? offset : s.len;
    return (span){skipped ? s.at + skipped : s.at, s.len - skipped}; /* at may be NULL when empty */
}

static inline span span_first(span s, size_t len) /* at most the first `len` bytes */
{
    return (span){s.at, len < s.len ? len : s.len};
}

int span_compare(span a, span b);       /* bytewise, shorter first: <0, 0, >0 */
bool span_equal_nocase(span a, span b); /* ASCII letters only */
bool span_starts_with(span s, span prefix);
bool span_ends_with(span s, span suffix);
bool span_contains(span s, span part); /* an empty part is contained */
span span_trim(span s);                /* without ASCII white space at both ends */
/* Cuts `*rest` at the first `separator`: returns what is before it and leaves what is after it. When there is
 * none, returns all and leaves *rest empty with at == NULL, which ends a loop over `rest.at`. */
span span_cut(span *rest, uint8_t separator);

/* Numbers from text: the whole span must be the number, else false and *ret stays as it is. */
bool span_to_u64(span s, uint64_t *ret); /* decimal */
bool span_to_i64(span s, int64_t *ret);  /* decimal, optional sign */
bool span_to_double(span s,
                    double *ret); /* JSON number grammar plus leading '+', never inf or nan */
bool span_to_hex64(span s, uint64_t *ret); /* 1 to 16 hex digits, any case */

bool utf8_is_valid(span s);
size_t
utf8_prefix(span s); /* bytes of the longest valid beginning: also where to cut a text at a limit */

#endif
