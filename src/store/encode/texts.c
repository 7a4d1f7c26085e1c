/*
 * store/encode/texts.c: a page of up to TEXTS_PAGE_COUNT texts of a dictionary. Texts that are all lower hex of even length,
 * or all UUIDs in their usual form, are kept as the bytes they spell; then squeezed.
 * Called by the column writer and by dictionary loading.
 */
#include "store/encode/coder.h"

#include "base/alloc.h"

enum { /* stored in segments: never renumber */
       FORM_PLAIN = 0,
       FORM_HEX = 1,
       FORM_UUID = 2,
};

#define UUID_CHARS   36u
#define UUID_BYTES   16u
#define BYTES_MAX    (1 * MIB) /* of a page's texts: TEXTS_PAGE_BYTES and one text of 64 KiB fit */
#define GAIN_PERCENT 5

static const char digits[] = "0123456789abcdef";

static int digit_of(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_hex(span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (digit_of(s.at[i]) < 0)
            return false;
    return s.len % 2 == 0;
}

static bool is_dash(size_t i)
{
    return i == 8 || i == 13 || i == 18 || i == 23;
}

static bool is_uuid(span s)
{
    if (s.len != UUID_CHARS)
        return false;
    for (size_t i = 0; i < UUID_CHARS; i++)
        if (is_dash(i) ? s.at[i] != '-' : digit_of(s.at[i]) < 0)
            return false;
    return true;
}

static uint8_t choose_form(const span *list, uint32_t count)
{
    bool hex = true, uuid = true;
    for (uint32_t i = 0; i < count && (hex || uuid); i++) {
        hex = hex && is_hex(list[i]);
        uuid = uuid && is_uuid(list[i]);
    }
    return uuid ? FORM_UUID : hex ? FORM_HEX : FORM_PLAIN;
}

static void add_spelled(span s, buf *out)
{
    for (size_t i = 0; i + 1 < s.len;) {
        if (s.at[i] == '-') {
            i++;
            continue;
        }
        buf_add_u8(out, (uint8_t)(digit_of(s.at[i]) << 4 | digit_of(s.at[i + 1])));
        i += 2;
    }
}

/* Form, the lengths (not of UUIDs), how long the bytes are, how they are squeezed, the bytes. */
void texts_encode(encoder *e, const span *list, uint32_t count, buf *out)
{
    uint8_t form = choose_form(list, count);
    buf_add_u8(out, form);
    for (uint32_t i = 0; i < count; i++)
        e->values[i] = list[i].len;
    if (form != FORM_UUID)
        ints_encode(&e->ints, e->values, count, out);
    buf_clear(&e->other);
    for (uint32_t i = 0; i < count; i++)
        if (form == FORM_PLAIN)
            buf_add_span(&e->other, list[i]);
        else
            add_spelled(list[i], &e->other);
    if (e->other.failed) {
        out->failed = true;
        return;
    }
    buf_add_varint(out, e->other.len);
    size_t at = out->len;
    buf_add_u8(out, METHOD_RAW);
    squeeze_method method = squeeze(e->squeezer, buf_span(&e->other), GAIN_PERCENT, out);
    if (!out->failed)
        out->at[at] = (uint8_t)method;
}

/* ---- decoding ---- */

static void spell(const uint8_t *in, size_t count, uint8_t *out)
{
    for (size_t i = 0; i < count; i++) {
        out[2 * i] = (uint8_t)digits[in[i] >> 4];
        out[2 * i + 1] = (uint8_t)digits[in[i] & 15];
    }
}

static void spell_uuid(const uint8_t *in, uint8_t *out)
{
    for (size_t i = 0, at = 0; i < UUID_CHARS;) {
        if (is_dash(i)) {
            out[i++] = '-';
            continue;
        }
        spell(in + at++, 1, out + i);
        i += 2;
    }
}

/* Lengths to offsets; what they add up to must be what `raw_len` bytes give in this form. */
static bool make_offsets(const uint64_t *lengths, uint32_t count, uint8_t form, uint64_t raw_len,
                         uint32_t *offsets)
{
    uint64_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t length = form == FORM_UUID ? UUID_CHARS : lengths[i];
        if (length > EVENT_STRING_MAX || (form == FORM_HEX && length % 2))
            return false;
        offsets[i] = (uint32_t)at;
        at += length;
        if (at > 2 * BYTES_MAX)
            return false;
    }
    offsets[count] = (uint32_t)at;
    if (form == FORM_UUID)
        return raw_len == (uint64_t)count * UUID_BYTES;
    return raw_len == (form == FORM_HEX ? at / 2 : at);
}

static sk_code read_bytes(decoder *d, uint8_t form, squeeze_method method, span stored,
                          size_t raw_len, text_list *t)
{
    if (form == FORM_PLAIN)
        return unsqueeze(d->unsqueezer, method, stored, t->bytes, raw_len) ? SK_OK : SK_CORRUPT;
    uint8_t *raw = base_alloc(raw_len + 1);
    if (!raw)
        return SK_NO_MEMORY;
    sk_code code = unsqueeze(d->unsqueezer, method, stored, raw, raw_len) ? SK_OK : SK_CORRUPT;
    if (code == SK_OK && form == FORM_HEX)
        spell(raw, raw_len, t->bytes);
    for (uint32_t i = 0; code == SK_OK && form == FORM_UUID && i < t->count; i++)
        spell_uuid(raw + (size_t)i * UUID_BYTES, t->bytes + (size_t)i * UUID_CHARS);
    base_free(raw);
    return code;
}

sk_code texts_decode(decoder *d, reader *r, uint32_t count, text_list **ret)
{
    uint8_t form = reader_u8(r);
    if (form > FORM_UUID || count == 0 || count > TEXTS_PAGE_COUNT ||
        (form != FORM_UUID && !ints_decode_u64(&d->ints, r, count, d->values)))
        return SK_CORRUPT;
    uint64_t raw_len = reader_varint(r);
    uint8_t method = reader_u8(r);
    span stored = reader_bytes(r, reader_left(r));
    uint32_t offsets[TEXTS_PAGE_COUNT + 1];
    if (r->failed || raw_len > BYTES_MAX || !make_offsets(d->values, count, form, raw_len, offsets))
        return SK_CORRUPT;
    size_t offset_bytes = (count + 1ul) * sizeof offsets[0];
    text_list *t = base_alloc(sizeof *t + offset_bytes + offsets[count] + 1);
    if (!t)
        return SK_NO_MEMORY;
    t->count = count;
    t->offsets = (uint32_t *)(t + 1);
    t->bytes = (uint8_t *)t->offsets + offset_bytes;
    memcpy(t->offsets, offsets, offset_bytes);
    sk_code code = read_bytes(d, form, method, stored, raw_len, t);
    if (code != SK_OK) {
        texts_free(t);
        return code;
    }
    *ret = t;
    return SK_OK;
}

void texts_free(text_list *take_t)
{
    base_free(take_t);
}

size_t texts_bytes(const text_list *t)
{
    return sizeof *t + (t->count + 1ul) * sizeof t->offsets[0] + t->offsets[t->count];
}
