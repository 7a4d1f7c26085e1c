/*
 * store/encode/ints.h: up to VECTOR_ROWS integers in the fewest bytes that are still fast to decode. The form
 * (docs/format/segment.md §integers) is chosen from the values:
 *   sequence  first + i·step
 *   packed    base + scale·x, or running sums of zigzag x; x bit-packed in groups of 256 with exceptions (PFOR)
 *   runs      values and lengths of runs, each packed
 *   planes    the bytes of x by significance, each plane squeezed on its own
 * Codes, times, numbers, distances and row lists all pass here; what they mean is their column's business.
 */
#ifndef STORE_ENCODE_INTS_H
#define STORE_ENCODE_INTS_H

#include "store/encode/squeeze.h"

#define INTS_MAX 8192u

typedef struct ints_encoder {
    squeezer *squeezer;
    uint64_t x[INTS_MAX], other[INTS_MAX];
    uint8_t plane[INTS_MAX];
    buf trial;
} ints_encoder;

void ints_encoder_init(ints_encoder *e, squeezer *s); /* 140 KB: lives in a heap object */
void ints_encoder_done(ints_encoder *e);

/* Appends one run of `count` (1 … INTS_MAX) integers; differences wrap, so unsigned values are fine. */
void ints_encode(ints_encoder *e, const uint64_t *values, uint32_t count, buf *out);

typedef struct ints_decoder {
    unsqueezer *unsqueezer;
    uint64_t x[INTS_MAX], other[INTS_MAX], wide[INTS_MAX];
    uint8_t plane[INTS_MAX + DECODE_SLACK];
} ints_decoder;

/* Reads exactly `count` integers; false when the bytes are not that. The bytes end DECODE_SLACK before unreadable memory. */
bool ints_decode_u64(ints_decoder *d, reader *r, uint32_t count, uint64_t *out);
/* Of those `count` only the `n` from `first` on; where the reader then stands is not told. */
bool ints_decode_some(ints_decoder *d, reader *r, uint32_t count, uint32_t first, uint32_t n,
                      uint64_t *out);
/* The same as ints_decode_u64 for codes, which were 32 bits wide when they were encoded. */
bool ints_decode_u32(ints_decoder *d, reader *r, uint32_t count, uint32_t *out);

#endif
