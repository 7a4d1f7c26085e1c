/*
 * store/encode/squeeze.h: general compression where it still gains: what is left after the encodings of this folder.
 * A squeezed run of bytes names its method; METHOD_RAW is always possible.
 */
#ifndef STORE_ENCODE_SQUEEZE_H
#define STORE_ENCODE_SQUEEZE_H

#include "base/buf.h"
#include "base/reader.h"

typedef enum squeeze_method { /* stored in segments: never renumber */
                              METHOD_RAW = 0,
                              METHOD_LZ4 = 1,
                              METHOD_ZSTD = 2,
} squeeze_method;

/* Bytes behind the end of everything that is decoded from, so that unpacking may load whole words. */
#define DECODE_SLACK 16

/* What an encoder keeps between calls: one per thread that writes. */
typedef struct squeezer squeezer;
squeezer *squeezer_new(int zstd_level); /* NULL when memory is short */
void squeezer_free(squeezer *take_s);   /* NULL is fine */

/* The smallest form that is at least `gain_percent` smaller than raw, appended to `out`. */
squeeze_method squeeze(squeezer *s, span raw, uint32_t gain_percent, buf *out);

/* And back: one per thread that reads. */
typedef struct unsqueezer unsqueezer;
unsqueezer *unsqueezer_new(void); /* NULL when memory is short */
void unsqueezer_free(unsqueezer *take_u);
/* Exactly raw_len bytes to `out`; false when the bytes are not that. */
bool unsqueeze(unsqueezer *u, squeeze_method method, span stored, uint8_t *out, size_t raw_len);

#endif
