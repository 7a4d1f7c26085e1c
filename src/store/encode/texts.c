/*
 * store/encode/texts.c: a page of up to TEXTS_PAGE_COUNT texts of a dictionary. Texts that are all lower hex of even length,
 * or all UUIDs in their usual form, are kept as the bytes they spell; long ones may have templates (templates.h); then squeezed.
 * Called by the column writer and by dictionary loading.
 */
#include "store/encode/coder.h"

#include "base/alloc.h"
#include "store/encode/templates.h"

enum { /* stored in segments: never renumber */
       FORM_PLAIN = 0,
       FORM_HEX = 1,
       FORM_UUID = 2,
       FORM_IDS = 3, /* of version 2; written no more */
       FORM_TEMPLATES = TEXTS_FORM_TEMPLATES,
};

/* In texts of FORM_IDS. A byte of these three that is the text's own has ESCAPE before it. */
enum { TRACE_ID_HERE = 1, SPAN_ID_HERE = 2, ESCAPE = 3 };

#define LONG_MEAN_BYTES 48u /* shorter texts are seldom lines of a log */

#define UUID_CHARS      36u
#define UUID_BYTES      16u
#define BYTES_MAX                                                                                  \
    (2 * MIB) /* of a page's texts: TEXTS_PAGE_BYTES and one text of 64 KiB, some escaped */
#define LIST_BYTES_MAX (2 * BYTES_MAX)
#define GAIN_PERCENT   5

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

static void add_squeezed(encoder *e, buf *out)
{
    buf_add_varint(out, e->other.len);
    size_t at = out->len;
    buf_add_u8(out, METHOD_RAW);
    squeeze_method method = squeeze(e->squeezer, buf_span(&e->other), GAIN_PERCENT, out);
    if (!out->failed)
        out->at[at] = (uint8_t)method;
}

/* Long texts; the form is written already, and taken back when templates are no gain. */
static bool encode_by_templates(encoder *e, const span *list, uint32_t count, const text_ids *ids,
                                templates *t, buf *out)
{
    size_t start = out->len;
    buf_add_u8(out, FORM_TEMPLATES);
    if (templates_encode(t, e, list, count, ids, out))
        return true;
    out->len = start;
    return false;
}

bool texts_are_long(const span *list, uint32_t count)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < count; i++)
        bytes += list[i].len;
    return bytes >= (uint64_t)count * LONG_MEAN_BYTES;
}

/* Form, the lengths (not of UUIDs), how long the bytes are, how they are squeezed, the bytes. */
void texts_encode(encoder *e, const span *list, uint32_t count, const text_ids *ids, templates *t,
                  buf *out)
{
    if (t && ids && encode_by_templates(e, list, count, ids, t, out))
        return;
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
    add_squeezed(e, out);
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
        if (at > LIST_BYTES_MAX)
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

text_list *texts_new(uint32_t count, size_t bytes)
{
    size_t offset_bytes = (count + 1ul) * sizeof(uint32_t);
    text_list *t = base_alloc(sizeof *t + offset_bytes + bytes + 1);
    if (!t)
        return NULL;
    t->count = count;
    t->offsets = (uint32_t *)(t + 1);
    t->bytes = (uint8_t *)t->offsets + offset_bytes;
    return t;
}

/* ---- decoding texts of version 2 that name their row's ids ---- */

/* How many of the first bytes are no sign: eight at a time. */
static size_t plain_bytes(const uint8_t *at, size_t len)
{
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        uint64_t v;
        memcpy(&v, at + i, 8);
        if ((v - 0x0404040404040404ull) & ~v & 0x8080808080808080ull) /* any byte below 4 */
            break;
    }
    while (i < len && (at[i] == 0 || at[i] > ESCAPE))
        i++;
    return i;
}

/* Spells a text into `out`, or with NULL only measures it; UINT32_MAX: it is none. */
static uint32_t spell_text(span s, trace_id trace, uint64_t span_id, uint8_t *out)
{
    char id[33];
    uint64_t len = 0;
    for (size_t i = 0, n; i < s.len && len <= EVENT_STRING_MAX; len += n) {
        const void *from = s.at + i;
        n = plain_bytes(from, s.len - i);
        if (n) {
            i += n;
        } else if (s.at[i] == ESCAPE) {
            if (i + 1 == s.len)
                return UINT32_MAX;
            from = s.at + i + 1;
            n = 1;
            i += 2;
        } else {
            n = s.at[i++] == TRACE_ID_HERE ? trace_id_print(trace, id) : span_id_print(span_id, id);
            from = id;
        }
        if (out)
            memcpy(out + len, from, n);
    }
    return len > EVENT_STRING_MAX ? UINT32_MAX : (uint32_t)len;
}

/* The texts between their bytes, whose lengths are in d->values, and the list. */
static sk_code spell_texts(decoder *d, const uint8_t *bytes, uint32_t count,
                           const uint64_t *span_ids, text_list **ret)
{
    uint32_t offsets[TEXTS_PAGE_COUNT + 1] = {0};
    uint64_t at = 0;
    for (uint32_t i = 0; i < count; at += d->values[i++]) {
        uint32_t len = spell_text(span_of(bytes + at, d->values[i]), d->ids[i], span_ids[i], NULL);
        if (len == UINT32_MAX || offsets[i] + len > LIST_BYTES_MAX)
            return SK_CORRUPT;
        offsets[i + 1] = offsets[i] + len;
    }
    text_list *t = texts_new(count, offsets[count]);
    if (!t)
        return SK_NO_MEMORY;
    memcpy(t->offsets, offsets, (count + 1ul) * sizeof offsets[0]);
    at = 0;
    for (uint32_t i = 0; i < count; at += d->values[i++])
        (void)spell_text(span_of(bytes + at, d->values[i]), d->ids[i], span_ids[i],
                         t->bytes + offsets[i]);
    *ret = t;
    return SK_OK;
}

/* Lengths, rows, bytes. */
static sk_code decode_shortened(decoder *d, reader *r, uint32_t count, const text_id_source *ids,
                                text_list **ret)
{
    if (!ids || !ints_decode_u64(&d->ints, r, count, d->values) ||
        !ints_decode_u64(&d->ints, r, count, d->backs))
        return SK_CORRUPT;
    uint64_t raw_len = reader_varint(r), total = 0;
    uint8_t method = reader_u8(r);
    span stored = reader_bytes(r, reader_left(r));
    for (uint32_t i = 0; i < count; i++) {
        if (d->values[i] > BYTES_MAX)
            return SK_CORRUPT;
        total += d->values[i];
    }
    if (r->failed || raw_len > BYTES_MAX || total != raw_len)
        return SK_CORRUPT;
    uint8_t *bytes = base_alloc(raw_len + 1);
    uint64_t *span_ids = base_alloc(count * sizeof span_ids[0]);
    sk_code code = !bytes || !span_ids ? SK_NO_MEMORY
                   : unsqueeze(d->unsqueezer, method, stored, bytes, raw_len)
                       ? ids->get(ids->ctx, d->backs, count, d->ids, span_ids, NULL)
                       : SK_CORRUPT;
    if (code == SK_OK)
        code = spell_texts(d, bytes, count, span_ids, ret);
    base_free(bytes);
    base_free(span_ids);
    return code;
}

sk_code texts_decode(decoder *d, reader *r, uint32_t count, const text_id_source *ids,
                     text_list **ret)
{
    uint8_t form = reader_u8(r);
    if (form == FORM_IDS && count && count <= TEXTS_PAGE_COUNT)
        return decode_shortened(d, r, count, ids, ret);
    if (form > FORM_UUID || count == 0 || count > TEXTS_PAGE_COUNT ||
        (form != FORM_UUID && !ints_decode_u64(&d->ints, r, count, d->values)))
        return SK_CORRUPT;
    uint64_t raw_len = reader_varint(r);
    uint8_t method = reader_u8(r);
    span stored = reader_bytes(r, reader_left(r));
    uint32_t offsets[TEXTS_PAGE_COUNT + 1];
    if (r->failed || raw_len > BYTES_MAX || !make_offsets(d->values, count, form, raw_len, offsets))
        return SK_CORRUPT;
    text_list *t = texts_new(count, offsets[count]);
    if (!t)
        return SK_NO_MEMORY;
    memcpy(t->offsets, offsets, (count + 1ul) * sizeof offsets[0]);
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
