/*
 * store/encode/presence.c: which rows of a block have a value, in the shortest of three forms: the rows that have one, the
 * rows that have none, or a bitmap. Called by the column writer and the segment reader.
 */
#include "store/encode/coder.h"

enum { /* stored in segments: never renumber */
       FORM_BITMAP = 0,
       FORM_ROWS = 1,
       FORM_HOLES = 2,
};

/* Above this share of the rows a list cannot be shorter than the bitmap. */
#define LIST_SHARE 6

static uint32_t list_rows(const uint64_t *present, uint32_t row_count, bool holes, uint64_t *out)
{
    uint32_t count = 0;
    for (uint32_t base = 0; base < row_count; base += 64) {
        uint64_t bits = holes ? ~present[base / 64] : present[base / 64];
        if (row_count - base < 64)
            bits &= (1ull << (row_count - base)) - 1;
        for (; bits; bits &= bits - 1)
            out[count++] = base + (uint32_t)__builtin_ctzll(bits);
    }
    return count;
}

static void add_bitmap(encoder *e, const uint64_t *present, uint32_t row_count, buf *out)
{
    uint32_t words = (row_count + 63) / 64;
    for (uint32_t i = 0; i < words; i++)
        e->values[i] = present[i];
    if (row_count & 63)
        e->values[words - 1] &= (1ull << (row_count & 63)) - 1;
    size_t at = out->len;
    buf_add_u8(out, FORM_BITMAP);
    buf_add_u8(out, METHOD_RAW);
    squeeze_method method = squeeze(e->squeezer, span_of(e->values, words * 8ul), 10, out);
    if (!out->failed)
        out->at[at + 1] = (uint8_t)method;
}

void presence_encode(encoder *e, const uint64_t *present, uint32_t row_count, uint32_t value_count,
                     buf *out)
{
    uint32_t holes = row_count - value_count;
    bool lists_holes = holes < value_count;
    uint32_t listed = lists_holes ? holes : value_count;
    size_t start = out->len;
    add_bitmap(e, present, row_count, out);
    if (listed > row_count / LIST_SHARE || listed == 0 || out->failed)
        return;
    size_t length = out->len - start;
    buf_clear(&e->trial);
    buf_add_u8(&e->trial, lists_holes ? FORM_HOLES : FORM_ROWS);
    list_rows(present, row_count, lists_holes, e->values);
    ints_encode(&e->ints, e->values, listed, &e->trial);
    if (!e->trial.failed && e->trial.len < length) {
        out->len = start;
        buf_add_span(out, buf_span(&e->trial));
    }
}

static bool read_list(decoder *d, reader *r, uint32_t row_count, uint32_t listed, bool holes,
                      uint64_t *present)
{
    uint32_t words = (row_count + 63) / 64;
    memset(present, holes ? 0xff : 0, words * 8ul);
    if (holes && (row_count & 63))
        present[words - 1] = (1ull << (row_count & 63)) - 1;
    if (listed == 0 || !ints_decode_u64(&d->ints, r, listed, d->values))
        return false;
    for (uint32_t i = 0; i < listed; i++) {
        if (d->values[i] >= row_count || (i && d->values[i] <= d->values[i - 1]))
            return false;
        present[d->values[i] / 64] ^= 1ull << (d->values[i] & 63);
    }
    return true;
}

bool presence_decode(decoder *d, reader *r, uint32_t row_count, uint32_t value_count,
                     uint64_t *present)
{
    uint32_t words = (row_count + 63) / 64;
    uint8_t form = reader_u8(r);
    if (r->failed || value_count > row_count)
        return false;
    if (form == FORM_ROWS)
        return read_list(d, r, row_count, value_count, false, present);
    if (form == FORM_HOLES)
        return read_list(d, r, row_count, row_count - value_count, true, present);
    uint8_t method = reader_u8(r);
    span stored = reader_bytes(r, reader_left(r));
    if (form != FORM_BITMAP ||
        !unsqueeze(d->unsqueezer, method, stored, (uint8_t *)present, words * 8ul))
        return false;
    uint32_t count = 0;
    for (uint32_t i = 0; i < words; i++)
        count += bit_count(present[i]);
    return count == value_count &&
           ((row_count & 63) == 0 || present[words - 1] >> (row_count & 63) == 0);
}
