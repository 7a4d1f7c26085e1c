/*
 * base/reader.h: bounded reading with sticky failure. Reads past the end return 0 (or an empty span) and set
 * `failed`; the owner of the message checks once. Little endian.
 */
#ifndef BASE_READER_H
#define BASE_READER_H

#include "base/port.h"
#include "base/span.h"

typedef struct reader {
    const uint8_t *at, *end, *start;
    bool failed;
} reader;

static inline reader reader_of(span s)
{
    const uint8_t *at = s.at ? s.at : (const uint8_t *)"";
    return (reader){at, at + s.len, at, false};
}

static inline size_t reader_left(const reader *r)
{
    return (size_t)(r->end - r->at);
}

static inline size_t reader_offset(const reader *r)
{
    return (size_t)(r->at - r->start);
}

static inline span reader_bytes(reader *r, size_t len)
{
    if (unlikely(len > reader_left(r))) {
        r->failed = true;
        r->at = r->end;
        return (span){r->end, 0};
    }
    span s = {r->at, len};
    r->at += len;
    return s;
}

static inline uint8_t reader_u8(reader *r)
{
    if (unlikely(r->at >= r->end)) {
        r->failed = true;
        return 0;
    }
    return *r->at++;
}

static inline uint32_t reader_u32(reader *r)
{
    span s = reader_bytes(r, 4);
    uint32_t v = 0;
    if (likely(s.len == 4))
        memcpy(&v, s.at, 4);
    return v;
}

static inline uint64_t reader_u64(reader *r)
{
    span s = reader_bytes(r, 8);
    uint64_t v = 0;
    if (likely(s.len == 8))
        memcpy(&v, s.at, 8);
    return v;
}

uint16_t reader_u16(reader *r);
uint64_t reader_varint_slow(reader *r);
/* Base-128 varint of at most 10 bytes; longer ones fail. */
static inline uint64_t reader_varint(reader *r)
{
    if (likely(r->at < r->end && *r->at < 0x80))
        return *r->at++;
    return reader_varint_slow(r);
}
int64_t reader_zigzag(reader *r);
void reader_align(reader *r, size_t align); /* skips padding, relative to start */

#endif
