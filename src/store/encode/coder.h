/*
 * store/encode/coder.h: the values of one block of one column as bytes and back; what an encoder and a decoder keep between
 * calls, one of each per thread. The forms are docs/format/segment.md §values. Decoders trust nothing: false means the
 * bytes are not what they claim, and nothing was touched outside the outputs.
 */
#ifndef STORE_ENCODE_CODER_H
#define STORE_ENCODE_CODER_H

#include "base/err.h"
#include "event/types.h"
#include "store/encode/ints.h"

typedef struct encoder {
    squeezer *squeezer;
    ints_encoder ints;
    uint64_t values[INTS_MAX];
    uint32_t seen[2 * INTS_MAX]; /* ids.c: by hash, where an id was last, plus 1 */
    trace_id ids[INTS_MAX];
    buf trial, other;
} encoder;

typedef struct decoder {
    unsqueezer *unsqueezer;
    ints_decoder ints;
    uint64_t values[INTS_MAX + DECODE_SLACK], backs[INTS_MAX + DECODE_SLACK];
    trace_id ids[INTS_MAX];
} decoder;

encoder *encoder_new(int zstd_level); /* NULL when memory is short */
void encoder_free(encoder *take_e);   /* NULL is fine */
decoder *decoder_new(void);           /* NULL when memory is short */
void decoder_free(decoder *take_d);   /* NULL is fine */

/* ---- presence.c: which of row_count ≤ INTS_MAX rows have a value ---- */
void presence_encode(encoder *e, const uint64_t *present, uint32_t row_count, uint32_t value_count,
                     buf *out);
/* Also false when other than value_count bits are set. Writes (row_count + 63) / 64 words. */
bool presence_decode(decoder *d, reader *r, uint32_t row_count, uint32_t value_count,
                     uint64_t *present);

/* ---- floats.c: doubles as their bits ---- */
void floats_encode(encoder *e, const uint64_t *bits, uint32_t count, buf *out);
bool floats_decode(decoder *d, reader *r, uint32_t count, uint64_t *bits);
/* Of those `count` only the `n` from `first` on; where the reader then stands is not told. So the others below. */
bool floats_decode_some(decoder *d, reader *r, uint32_t count, uint32_t first, uint32_t n,
                        uint64_t *bits);

/* ---- ids.c ---- */
void span_ids_encode(const uint64_t *ids, uint32_t count, buf *out);
bool span_ids_decode(reader *r, uint32_t count, uint64_t *ids);
bool span_ids_decode_some(reader *r, uint32_t count, uint32_t first, uint32_t n, uint64_t *ids);
void trace_ids_encode(encoder *e, const trace_id *ids, uint32_t count, buf *out);
bool trace_ids_decode(decoder *d, reader *r, uint32_t count, trace_id *ids);
/* The runs alone: ids into d->ids, lengths less one into d->values; their sum is not checked. Returns how many, 0: damaged. */
uint32_t trace_runs_decode(decoder *d, reader *r, uint32_t count);
/* Parents of rows that have one: how many rows before its own the parent's row is (negative: behind), or 0 and then its id,
 * in order, in `orphans`. */
void parents_encode(encoder *e, const int64_t *distances, uint32_t count, const uint64_t *orphans,
                    buf *out);
/* Fills `orphans` (room for `count`) densely. */
bool parents_decode(decoder *d, reader *r, uint32_t count, int64_t *distances, uint64_t *orphans);
/* Distances alone. */
bool parents_decode_some(decoder *d, reader *r, uint32_t count, uint32_t first, uint32_t n,
                         int64_t *distances);

/* ---- texts.c: a page of a dictionary ---- */
#define TEXTS_PAGE_COUNT 4096u
#define TEXTS_PAGE_BYTES (1 * MIB) /* a page ends with the text that passes this */

typedef struct text_list {
    uint32_t count;
    uint32_t *offsets; /* count + 1, into bytes */
    uint8_t *bytes;
} text_list;

/* Ids (0: none) and time of the row that each text of a page is of: texts that spell them need not. */
typedef struct text_ids {
    const uint32_t *rows;
    const trace_id *trace_ids;
    const uint64_t *span_ids;
    const int64_t *times;
} text_ids;

typedef struct templates templates; /* templates.h */

/* Texts that may have templates: as long as lines of a log are. */
bool texts_are_long(const span *list, uint32_t count);
/* `ids` and `t` may be NULL; templates are the column's. */
void texts_encode(encoder *e, const span *list, uint32_t count, const text_ids *ids, templates *t,
                  buf *out);

/* Where the same is had when texts are read: fills them for ascending-or-not `rows`; `times` may be NULL. */
typedef struct text_id_source {
    sk_code (*get)(void *ctx, const uint64_t *rows, uint32_t count, trace_id *trace_ids,
                   uint64_t *span_ids, int64_t *times);
    void *ctx;
} text_id_source;

/* The first byte of a page that template_page_decode and template_page_spell read; texts_decode reads the others. */
#define TEXTS_FORM_TEMPLATES 4
text_list *texts_new(uint32_t count,
                     size_t bytes); /* offsets and bytes to be filled; NULL: no memory */

/* One allocation, freed with texts_free. SK_CORRUPT, SK_NO_MEMORY or what `ids` (NULL: there are none) said. */
sk_code texts_decode(decoder *d, reader *r, uint32_t count, const text_id_source *ids,
                     text_list **ret);
void texts_free(text_list *take_t);
size_t texts_bytes(const text_list *t);
static inline span texts_at(const text_list *t, uint32_t index)
{
    return span_of(t->bytes + t->offsets[index], t->offsets[index + 1] - t->offsets[index]);
}

#endif
