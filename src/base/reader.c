/*
 * base/reader.c: the longer half of base/reader.h.
 * Called through its inline functions by every parser. Never: reads at or past `end`.
 */
#include "base/reader.h"

#include "base/must.h"

uint16_t reader_u16(reader *r)
{
    span s = reader_bytes(r, 2);
    uint16_t v = 0;
    if (likely(s.len == 2))
        memcpy(&v, s.at, 2);
    return v;
}

uint64_t reader_varint_slow(reader *r)
{
    uint64_t value = 0;
    const uint8_t *at = r->at;
    for (unsigned shift = 0; shift < 70 && at < r->end; shift += 7) {
        uint8_t byte = *at++;
        if (shift == 63 && byte > 1)
            break;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            r->at = at;
            return value;
        }
    }
    r->failed = true;
    r->at = r->end;
    return 0;
}

int64_t reader_zigzag(reader *r)
{
    uint64_t v = reader_varint(r);
    return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

void reader_align(reader *r, size_t align)
{
    must_slow(align && (align & (align - 1)) == 0);
    reader_bytes(r, (0 - reader_offset(r)) & (align - 1));
}
