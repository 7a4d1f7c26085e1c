/*
 * store/encode/coder.c: making and freeing what encoders and decoders keep. One per thread that writes or reads.
 */
#include "store/encode/coder.h"

#include "base/alloc.h"

#define TRIAL_MAX_BYTES (2 * MIB)

encoder *encoder_new(int zstd_level)
{
    encoder *e = base_alloc_zero(1, sizeof *e);
    if (!e)
        return NULL;
    e->squeezer = squeezer_new(zstd_level);
    if (!e->squeezer) {
        base_free(e);
        return NULL;
    }
    ints_encoder_init(&e->ints, e->squeezer);
    buf_init(&e->trial, TRIAL_MAX_BYTES);
    buf_init(&e->other, TRIAL_MAX_BYTES);
    return e;
}

void encoder_free(encoder *take_e)
{
    if (!take_e)
        return;
    ints_encoder_done(&take_e->ints);
    buf_done(&take_e->trial);
    buf_done(&take_e->other);
    squeezer_free(take_e->squeezer);
    base_free(take_e);
}

decoder *decoder_new(void)
{
    decoder *d = base_alloc(sizeof *d);
    if (!d)
        return NULL;
    d->unsqueezer = unsqueezer_new();
    if (!d->unsqueezer) {
        base_free(d);
        return NULL;
    }
    d->ints.unsqueezer = d->unsqueezer;
    return d;
}

void decoder_free(decoder *take_d)
{
    if (!take_d)
        return;
    unsqueezer_free(take_d->unsqueezer);
    base_free(take_d);
}
