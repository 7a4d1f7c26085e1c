/*
 * store/encode/squeeze.c: lz4 and zstd behind one pair of verbs.
 * Called by the encoders and by segment pages. Never: keeps a form that gains less than it was asked to.
 */
#include "store/encode/squeeze.h"

#include <lz4.h>
#include <zstd.h>

#include "base/alloc.h"

/* Below this a frame's own bytes eat the gain. */
#define SQUEEZE_MIN_BYTES ((size_t)48)
/* lz4 is kept when zstd is not at least this much smaller: it decodes three times as fast. */
#define LZ4_HANDICAP_PERCENT 4

struct squeezer {
    ZSTD_CCtx *zstd;
    uint8_t *trial; /* grown as needed */
    size_t trial_bytes;
};

struct unsqueezer {
    ZSTD_DCtx *zstd;
};

squeezer *squeezer_new(int zstd_level)
{
    squeezer *s = base_alloc_zero(1, sizeof *s);
    if (!s)
        return NULL;
    s->zstd = ZSTD_createCCtx();
    if (!s->zstd) {
        base_free(s);
        return NULL;
    }
    ZSTD_CCtx_setParameter(s->zstd, ZSTD_c_compressionLevel, zstd_level);
    ZSTD_CCtx_setParameter(s->zstd, ZSTD_c_contentSizeFlag,
                           0); /* our own headers have the lengths */
    return s;
}

void squeezer_free(squeezer *take_s)
{
    if (!take_s)
        return;
    ZSTD_freeCCtx(take_s->zstd);
    base_free(take_s->trial);
    base_free(take_s);
}

static bool make_trial(squeezer *s, size_t bytes)
{
    if (bytes <= s->trial_bytes)
        return true;
    base_free(s->trial);
    s->trial = base_alloc(bytes);
    s->trial_bytes = s->trial ? bytes : 0;
    return s->trial != NULL;
}

squeeze_method squeeze(squeezer *s, span raw, uint32_t gain_percent, buf *out)
{
    size_t limit = raw.len - raw.len * gain_percent / 100;
    size_t bound = ZSTD_compressBound(raw.len);
    if (raw.len < SQUEEZE_MIN_BYTES || raw.len > LZ4_MAX_INPUT_SIZE || !make_trial(s, bound)) {
        buf_add_span(out, raw);
        return METHOD_RAW;
    }
    size_t zstd_len = ZSTD_compress2(s->zstd, s->trial, bound, raw.at, raw.len);
    if (ZSTD_isError(zstd_len) || zstd_len >= limit) {
        buf_add_span(out, raw);
        return METHOD_RAW;
    }
    size_t lz4_max = zstd_len + zstd_len * LZ4_HANDICAP_PERCENT / 100;
    if (lz4_max < limit && buf_reserve(out, lz4_max)) {
        int len = LZ4_compress_default((const char *)raw.at, (char *)out->at + out->len,
                                       (int)raw.len, (int)lz4_max);
        if (len > 0) {
            out->len += (size_t)len;
            return METHOD_LZ4;
        }
    }
    buf_add(out, s->trial, zstd_len);
    return METHOD_ZSTD;
}

unsqueezer *unsqueezer_new(void)
{
    unsqueezer *u = base_alloc_zero(1, sizeof *u);
    if (!u)
        return NULL;
    u->zstd = ZSTD_createDCtx();
    if (!u->zstd) {
        base_free(u);
        return NULL;
    }
    return u;
}

void unsqueezer_free(unsqueezer *take_u)
{
    if (!take_u)
        return;
    ZSTD_freeDCtx(take_u->zstd);
    base_free(take_u);
}

bool unsqueeze(unsqueezer *u, squeeze_method method, span stored, uint8_t *out, size_t raw_len)
{
    switch (method) {
    case METHOD_RAW:
        if (stored.len != raw_len)
            return false;
        if (raw_len)
            memcpy(out, stored.at, raw_len);
        return true;
    case METHOD_LZ4:
        return stored.len <= LZ4_MAX_INPUT_SIZE && raw_len <= LZ4_MAX_INPUT_SIZE &&
               LZ4_decompress_safe((const char *)stored.at, (char *)out, (int)stored.len,
                                   (int)raw_len) == (int)raw_len;
    case METHOD_ZSTD: {
        size_t len = ZSTD_decompressDCtx(u->zstd, out, raw_len, stored.at, stored.len);
        return !ZSTD_isError(len) && len == raw_len;
    }
    }
    return false;
}
