/*
 * store/encode/bits.h: integers of one width, packed: value i is bits [i·width, (i+1)·width) of a little-endian bit string.
 * Widths 0 … 57 and 64 (a value of up to 57 bits lies within eight bytes wherever it starts). Unpacking may load
 * up to DECODE_SLACK bytes past the packed ones; they must be readable, whatever they hold.
 */
#ifndef STORE_ENCODE_BITS_H
#define STORE_ENCODE_BITS_H

#include "base/buf.h"

#define BITS_WIDTH_MAX 57

static inline unsigned bits_length(uint64_t v) /* 0 for 0 */
{
    return v ? 64 - (unsigned)__builtin_clzll(v) : 0;
}

static inline unsigned bits_width(unsigned length) /* the width that takes values of this length */
{
    return length > BITS_WIDTH_MAX ? 64 : length;
}

static inline bool bits_is_width(unsigned width)
{
    return width <= BITS_WIDTH_MAX || width == 64;
}

static inline size_t bits_bytes(size_t count, unsigned width)
{
    return (count * width + 7) / 8;
}

void bits_pack(const uint64_t *values, size_t count, unsigned width, buf *out);
void bits_unpack_u64(const uint8_t *in, size_t count, unsigned width, uint64_t *out);
void bits_unpack_u32(const uint8_t *in, size_t count, unsigned width,
                     uint32_t *out); /* low 32 bits */

#endif
