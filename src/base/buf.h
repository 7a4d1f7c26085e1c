/*
 * base/buf.h: a growing output buffer that names its maximum at birth. Appending past it, or malloc failing, sets
 * the sticky `failed` and drops the append; the owner checks once at the end.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/port.h"
#include "base/span.h"

typedef struct buf {
    uint8_t *at;
    size_t len, capacity, max_bytes;
    bool failed;
} buf;

void buf_init(buf *b, size_t max_bytes);
void buf_done(buf *b);  /* frees; NULL content is fine */
void buf_clear(buf *b); /* keeps the memory; clears failed */
bool buf_reserve(buf *b, size_t more_bytes);
void buf_add(buf *b, const void *at, size_t len);
void buf_add_span(buf *b, span s);
void buf_add_text(buf *b, const char *text);
void buf_print(buf *b, const char *format, ...) format_like(2, 3);
void buf_add_u8(buf *b, uint8_t v);
void buf_add_u16(buf *b, uint16_t v); /* little endian, as all fixed-width integers on our disks */
void buf_add_u32(buf *b, uint32_t v);
void buf_add_u64(buf *b, uint64_t v);
void buf_add_varint(buf *b, uint64_t v);
void buf_add_zigzag(buf *b, int64_t v);
void buf_align(buf *b, size_t align); /* pads with zeros */
static inline span buf_span(const buf *b)
{
    return (span){b->at, b->len};
}

#endif
