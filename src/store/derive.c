/*
 * store/derive.c: see derive.h. A source's codes are read back from the file in the making, so that sources cost no memory per row.
 * Called by column_write.c. Never: looks for a source more than a few times per column, so that what follows from nothing is
 * cheap to find out.
 */
#include "store/derive.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"
#include "store/segment_write_private.h"

#define SOURCES_MAX  64u
#define SEARCHES_MAX 3u /* without finding a source */
#define REFUSALS_MAX 4u /* of a source's, before it is given up when they are many */

struct derive_sources {
    decoder *decoder;
    buf page;
    uint32_t count;
    derive_source at[SOURCES_MAX];
    uint64_t present[VECTOR_WORDS];
    uint32_t dense[VECTOR_ROWS + DECODE_SLACK];
    uint16_t codes[VECTOR_ROWS]; /* of the rows of the block at hand, plus 1; 0 = absent */
    uint16_t added[DERIVE_CODES_MAX + 1];
};

static sk_code out_of_memory(err *e)
{
    return err_set(e, SK_NO_MEMORY, "no memory to compare columns");
}

derive_sources *derive_sources_new(void)
{
    derive_sources *d = base_alloc_zero(1, sizeof *d);
    if (!d)
        return NULL;
    buf_init(&d->page, PAGE_BYTES_MAX + 64);
    d->decoder = decoder_new();
    if (d->decoder)
        return d;
    derive_sources_free(d);
    return NULL;
}

void derive_sources_free(derive_sources *take_d)
{
    if (!take_d)
        return;
    for (uint32_t i = 0; i < take_d->count; i++)
        base_free(take_d->at[i].blocks);
    decoder_free(take_d->decoder);
    buf_done(&take_d->page);
    base_free(take_d);
}

void derive_sources_add(derive_sources *d, derive_source take_source)
{
    if (d->count == SOURCES_MAX || take_source.text_count > DERIVE_CODES_MAX)
        base_free(take_source.blocks);
    else
        d->at[d->count++] = take_source;
}

/* ---- a source's codes ---- */

static sk_code read_dense(segment_writer *w, const source_block *b, err *e)
{
    derive_sources *d = w->sources;
    if (b->tag & BLOCK_CONSTANT) {
        for (uint32_t i = 0; i < b->value_count; i++)
            d->dense[i] = (uint32_t)b->place;
        return SK_OK;
    }
    sk_code code = segment_writer_read_back(w, b->place, b->len, &d->page, e);
    if (code != SK_OK)
        return code;
    reader r = reader_of(buf_span(&d->page));
    return ints_decode_u32(&d->decoder->ints, &r, b->value_count, d->dense)
               ? SK_OK
               : err_set(e, SK_CORRUPT, "%s: what was written reads otherwise", file_path(w->file));
}

static sk_code read_codes(segment_writer *w, const source_block *b, uint32_t row_count, err *e)
{
    derive_sources *d = w->sources;
    memset(d->codes, 0, row_count * sizeof d->codes[0]);
    if (b->tag == BLOCK_ABSENT)
        return SK_OK;
    sk_code code = read_dense(w, b, e);
    if (code != SK_OK)
        return code;
    if (b->tag & BLOCK_ALL_PRESENT) {
        for (uint32_t i = 0; i < row_count; i++)
            d->codes[i] = (uint16_t)(d->dense[i] + 1);
        return SK_OK;
    }
    code = segment_writer_read_back(w, b->presence_place, b->presence_len, &d->page, e);
    if (code != SK_OK)
        return code;
    reader r = reader_of(buf_span(&d->page));
    if (!presence_decode(d->decoder, &r, row_count, b->value_count, d->present))
        return err_set(e, SK_CORRUPT, "%s: what was written reads otherwise", file_path(w->file));
    for (uint32_t word = 0, at = 0; word * 64 < row_count; word++)
        for (uint64_t bits = d->present[word]; bits; bits &= bits - 1)
            d->codes[word * 64 + (uint32_t)__builtin_ctzll(bits)] = (uint16_t)(d->dense[at++] + 1);
    return SK_OK;
}

/* ---- does it follow? ---- */

/* Adds what the block says to the table; undone when the table says otherwise somewhere. */
static bool extend(derivation *t, derive_sources *d, const block_values *v)
{
    bool all = v->value_count == v->row_count;
    uint32_t added = 0, at = 0;
    for (uint32_t row = 0; row < v->row_count; row++) {
        bool has = all || v->present[row / 64] >> (row & 63) & 1;
        uint64_t bits = has ? v->bits[at++] : 0;
        uint16_t entry = d->codes[row];
        if (t->states[entry] == DERIVED_UNKNOWN) {
            t->states[entry] = has ? DERIVED_VALUE : DERIVED_ABSENT;
            t->values[entry] = bits;
            d->added[added++] = entry;
        } else if ((t->states[entry] == DERIVED_VALUE) != has || t->values[entry] != bits) {
            while (added)
                t->states[d->added[--added]] = DERIVED_UNKNOWN;
            return false;
        }
    }
    return true;
}

/* A table longer than this share of the values would not pay. */
#define CODES_SHARE 8u

static sk_code search(derivation *t, segment_writer *w, uint32_t block, const block_values *v,
                      err *e)
{
    derive_sources *d = w->sources;
    const derive_source *best = NULL;
    for (uint32_t i = 0; i < d->count; i++) {
        const derive_source *s = &d->at[i];
        const source_block *b = &s->blocks[block];
        bool is_shorter = !best || b->len < best->blocks[block].len;
        if (!is_shorter || b->tag & BLOCK_CONSTANT || b->tag == BLOCK_ABSENT ||
            s->text_count > v->row_count / CODES_SHARE)
            continue;
        sk_code code = read_codes(w, b, v->row_count, e);
        if (code != SK_OK)
            return code;
        memset(t->states, DERIVED_UNKNOWN, DERIVE_CODES_MAX + 1);
        if (extend(t, d, v))
            best = s;
    }
    memset(t->states, DERIVED_UNKNOWN, DERIVE_CODES_MAX + 1);
    t->source = best;
    return SK_OK;
}

sk_code derivation_try(derivation *t, segment_writer *w, uint32_t block, const block_values *v,
                       bool *ret_is_derived, err *e)
{
    *ret_is_derived = false;
    if (!w->sources || w->sources->count == 0 || (!t->source && t->searches == SEARCHES_MAX) ||
        (t->refusals > REFUSALS_MAX && t->refusals > t->derived))
        return SK_OK;
    if (!t->states) {
        t->states = base_alloc_zero(DERIVE_CODES_MAX + 1, 1);
        t->values = base_alloc_zero(DERIVE_CODES_MAX + 1, sizeof t->values[0]);
        if (!t->states || !t->values)
            return out_of_memory(e);
    }
    if (!t->source) {
        t->searches++;
        sk_code code = search(t, w, block, v, e);
        if (code != SK_OK || !t->source)
            return code;
    }
    sk_code code = read_codes(w, &t->source->blocks[block], v->row_count, e);
    if (code != SK_OK)
        return code;
    *ret_is_derived = extend(t, w->sources, v);
    t->derived += *ret_is_derived;
    t->refusals += !*ret_is_derived;
    return SK_OK;
}

void derivation_done(derivation *t)
{
    base_free(t->states);
    base_free(t->values);
}

/* How many entries; length of what follows: how many are values, which; the values. */
void derivation_encode(const derivation *t, encoder *e, buf *out)
{
    uint64_t present[(DERIVE_CODES_MAX + 1) / 64] = {0};
    uint32_t entries = t->source->text_count + 1, count = 0;
    for (uint32_t i = 0; i < entries; i++)
        if (t->states[i] == DERIVED_VALUE)
            present[i / 64] |= 1ull << (i & 63);
    buf_add_varint(out, entries);
    buf_clear(&e->other);
    for (uint32_t i = 0; i < entries; i++)
        count += t->states[i] == DERIVED_VALUE;
    buf_add_varint(&e->other, count);
    presence_encode(e, present, entries, count, &e->other);
    buf_add_varint(out, e->other.len);
    buf_add_span(out, buf_span(&e->other));
    count = 0;
    for (uint32_t i = 0; i < entries; i++)
        if (t->states[i] == DERIVED_VALUE)
            e->values[count++] = t->values[i];
    ints_encode(&e->ints, e->values, count, out);
    out->failed |= e->other.failed;
}
