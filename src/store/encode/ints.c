/*
 * store/encode/ints.c: see ints.h. Called by every column's encoder and decoder.
 * Never: trusts a byte it decodes (checksums passed, but a fuzzer writes those too); allocates while decoding.
 */
#include "store/encode/ints.h"

#include "store/encode/bits.h"

enum { /* stored in segments: never renumber */
       FORM_SEQUENCE = 0,
       FORM_PACKED = 1,
       FORM_PACKED_DELTA = 2,
       FORM_RUNS = 3,
       FORM_PLANES = 4,
       FORM_PLANES_DELTA = 5,
};

#define GROUP          256u /* values that share a width; a position in it is one byte */
#define EXCEPTIONS_MAX 64u  /* of a group */
#define PLANES_MIN     64u  /* fewer values are not worth trying */
/* Planes decode three times slower than packed groups: they must be this much smaller, and by a tenth of a byte a value. */
#define PLANES_GAIN_PERCENT 15
#define PLANES_GAIN_SHARE   10

/* Two's complement differences with the sign in the lowest bit; wraps. */
static uint64_t zigzag(uint64_t v)
{
    return v << 1 ^ (uint64_t)((int64_t)v >> 63);
}

static uint64_t unzigzag(uint64_t v)
{
    return v >> 1 ^ -(v & 1);
}

/* ---- packed groups ---- */

static size_t varint_bytes(unsigned bits)
{
    return bits == 0 ? 1 : (bits + 6) / 7;
}

/* The width with the fewest bytes for a group, and those bytes. */
static size_t choose_width(const uint64_t *x, uint32_t count, unsigned *ret_width)
{
    uint32_t of_length[65] = {0};
    for (uint32_t i = 0; i < count; i++)
        of_length[bits_length(x[i])]++;
    unsigned top = 64;
    while (top && !of_length[top])
        top--;
    *ret_width = bits_width(top);
    size_t best = 2 + bits_bytes(count, *ret_width);
    uint32_t exceptions = 0;
    for (unsigned width = top; width-- > 0;) {
        exceptions += of_length[width + 1];
        if (exceptions > EXCEPTIONS_MAX)
            break;
        if (!bits_is_width(width))
            continue;
        size_t bytes = 2 + bits_bytes(count, width) + exceptions;
        for (unsigned length = width + 1; length <= top; length++)
            bytes += of_length[length] * varint_bytes(length - width);
        if (bytes < best) {
            best = bytes;
            *ret_width = width;
        }
    }
    return best;
}

static void pack_group(const uint64_t *x, uint32_t count, buf *out)
{
    unsigned width;
    choose_width(x, count, &width);
    uint8_t at[EXCEPTIONS_MAX];
    uint8_t exceptions = 0;
    for (uint32_t i = 0; i < count; i++)
        if (bits_length(x[i]) > width)
            at[exceptions++] = (uint8_t)i;
    buf_add_u8(out, (uint8_t)width);
    buf_add_u8(out, exceptions);
    bits_pack(x, count, width, out);
    buf_add(out, at, exceptions);
    for (uint32_t i = 0; i < exceptions; i++)
        buf_add_varint(out, x[at[i]] >> width);
}

static void pack_groups(const uint64_t *x, uint32_t count, buf *out)
{
    for (uint32_t i = 0; i < count; i += GROUP)
        pack_group(x + i, count - i < GROUP ? count - i : GROUP, out);
}

static size_t packed_bytes(const uint64_t *x, uint32_t count)
{
    size_t bytes = 0;
    unsigned width;
    for (uint32_t i = 0; i < count; i += GROUP)
        bytes += choose_width(x + i, count - i < GROUP ? count - i : GROUP, &width);
    return bytes;
}

/* Packed bytes are known to be there before they are touched. */
static bool unpack_groups_u64(reader *r, uint32_t count, uint64_t *out)
{
    for (uint32_t i = 0; i < count; i += GROUP) {
        uint32_t n = count - i < GROUP ? count - i : GROUP;
        unsigned width = reader_u8(r), exceptions = reader_u8(r);
        if (!bits_is_width(width) || exceptions > EXCEPTIONS_MAX || (exceptions && width >= 64))
            return false;
        span packed = reader_bytes(r, bits_bytes(n, width));
        span at = reader_bytes(r, exceptions);
        if (r->failed)
            return false;
        bits_unpack_u64(packed.at, n, width, out + i);
        for (unsigned k = 0; k < exceptions; k++) {
            uint64_t high = reader_varint(r);
            if (at.at[k] >= n)
                return false;
            out[i + at.at[k]] |= high << width;
        }
    }
    return !r->failed;
}

static bool unpack_groups_u32(reader *r, uint32_t count, uint32_t *out)
{
    for (uint32_t i = 0; i < count; i += GROUP) {
        uint32_t n = count - i < GROUP ? count - i : GROUP;
        unsigned width = reader_u8(r), exceptions = reader_u8(r);
        if (width > 32 || exceptions > EXCEPTIONS_MAX)
            return false;
        span packed = reader_bytes(r, bits_bytes(n, width));
        span at = reader_bytes(r, exceptions);
        if (r->failed)
            return false;
        bits_unpack_u32(packed.at, n, width, out + i);
        for (unsigned k = 0; k < exceptions; k++) {
            uint64_t high = reader_varint(r);
            if (at.at[k] >= n || high >> (32 - width))
                return false;
            out[i + at.at[k]] |= (uint32_t)(high << width);
        }
    }
    return !r->failed;
}

void ints_encoder_init(ints_encoder *e, squeezer *s)
{
    e->squeezer = s;
    buf_init(&e->trial, INTS_MAX * 10);
}

void ints_encoder_done(ints_encoder *e)
{
    buf_done(&e->trial);
}

/* ---- choosing ---- */

typedef struct shape {
    uint64_t base, scale; /* packed: value = base + scale·x */
    unsigned top;         /* length of the longest x */
    uint32_t runs;
    bool is_sequence;
    uint64_t step;
} shape;

static uint64_t greatest_divisor(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static shape look(const uint64_t *v, uint32_t count)
{
    shape s = {.base = v[0], .runs = 1, .is_sequence = true};
    s.step = count > 1 ? v[1] - v[0] : 0;
    for (uint32_t i = 1; i < count; i++) {
        if ((int64_t)v[i] < (int64_t)s.base)
            s.base = v[i];
        s.runs += v[i] != v[i - 1];
        s.is_sequence = s.is_sequence && v[i] - v[i - 1] == s.step;
    }
    uint64_t divisor = 0;
    for (uint32_t i = 0; i < count && divisor != 1; i++)
        divisor = greatest_divisor(v[i] - s.base, divisor);
    s.scale = divisor ? divisor : 1;
    return s;
}

/* x for the packed form and, with `differences`, for its running sums: first against 0. */
static void make_x(const uint64_t *v, uint32_t count, const shape *s, bool differences, uint64_t *x)
{
    if (s->scale == 1)
        for (uint32_t i = 0; i < count; i++)
            x[i] = v[i] - s->base;
    else
        for (uint32_t i = 0; i < count; i++)
            x[i] = (v[i] - s->base) / s->scale;
    if (!differences)
        return;
    for (uint32_t i = count; i-- > 1;)
        x[i] = zigzag(x[i] - x[i - 1]);
    x[0] = zigzag(x[0]);
}

static void add_head(uint8_t form, const shape *s, buf *out)
{
    buf_add_u8(out, form);
    buf_add_zigzag(out, (int64_t)s->base);
    buf_add_varint(out, s->scale);
}

/* Runs: count, the values packed, the lengths less one packed. */
static void add_runs(ints_encoder *e, const uint64_t *v, uint32_t count, const shape *s, buf *out)
{
    add_head(FORM_RUNS, s, out);
    buf_add_varint(out, s->runs);
    uint32_t n = 0;
    uint64_t *lengths = e->other;
    for (uint32_t i = 0, start = 0; i < count; i++)
        if (i + 1 == count || v[i + 1] != v[i]) {
            e->x[n] = (v[i] - s->base) / s->scale;
            lengths[n++] = i - start;
            start = i + 1;
        }
    pack_groups(e->x, n, out);
    pack_groups(lengths, n, out);
}

/* Planes: how many, then for each: method, stored length, bytes. */
static void add_planes(ints_encoder *e, const uint64_t *x, uint32_t count, buf *out)
{
    uint64_t all = 0;
    for (uint32_t i = 0; i < count; i++)
        all |= x[i];
    unsigned planes = (bits_length(all) + 7) / 8;
    buf_add_u8(out, (uint8_t)planes);
    for (unsigned p = 0; p < planes; p++) {
        for (uint32_t i = 0; i < count; i++)
            e->plane[i] = (uint8_t)(x[i] >> (8 * p));
        size_t at = out->len;
        buf_add_u8(out, 0);
        buf_add_u16(out, 0);
        squeeze_method method = squeeze(e->squeezer, span_of(e->plane, count), 3, out);
        if (out->failed)
            return;
        size_t len = out->len - at - 3;
        out->at[at] = (uint8_t)method;
        out->at[at + 1] = (uint8_t)len;
        out->at[at + 2] = (uint8_t)(len >> 8);
    }
}

void ints_encode(ints_encoder *e, const uint64_t *values, uint32_t count, buf *out)
{
    shape s = look(values, count);
    if (s.is_sequence) {
        buf_add_u8(out, FORM_SEQUENCE);
        buf_add_zigzag(out, (int64_t)values[0]);
        buf_add_zigzag(out, (int64_t)s.step);
        return;
    }
    make_x(values, count, &s, false, e->x);
    make_x(values, count, &s, true, e->other);
    size_t plain = packed_bytes(e->x, count), delta = packed_bytes(e->other, count);
    bool is_delta = delta < plain;
    size_t best = is_delta ? delta : plain;
    const uint64_t *x = is_delta ? e->other : e->x;
    size_t start = out->len;
    buf_clear(&e->trial);
    if (count >= PLANES_MIN) {
        add_head(is_delta ? FORM_PLANES_DELTA : FORM_PLANES, &s, &e->trial);
        add_planes(e, x, count, &e->trial);
    }
    bool has_planes = count >= PLANES_MIN && !e->trial.failed;
    bool takes_planes = has_planes && e->trial.len < best - best * PLANES_GAIN_PERCENT / 100 &&
                        e->trial.len + count / PLANES_GAIN_SHARE < best;
    if (!takes_planes) {
        add_head(is_delta ? FORM_PACKED_DELTA : FORM_PACKED, &s, out);
        pack_groups(x, count, out);
    } else {
        buf_add_span(out, buf_span(&e->trial));
    }
    if (s.runs > count / 2 || out->failed)
        return;
    size_t length = out->len - start;
    buf_clear(&e->trial);
    add_runs(e, values, count, &s, &e->trial);
    if (!e->trial.failed && e->trial.len <= length) {
        out->len = start;
        buf_add_span(out, buf_span(&e->trial));
    }
}

/* ---- decoding ---- */

/* The first difference is against `sum`. */
static void undo_differences(uint64_t *x, uint32_t count, uint64_t sum)
{
    for (uint32_t i = 0; i < count; i++)
        x[i] = sum += unzigzag(x[i]);
}

static bool read_planes(ints_decoder *d, reader *r, uint32_t count, uint64_t *x)
{
    unsigned planes = reader_u8(r);
    if (planes > 8)
        return false;
    if (planes == 0)
        memset(x, 0, count * sizeof *x);
    for (unsigned p = 0; p < planes; p++) {
        uint8_t method = reader_u8(r);
        span stored = reader_bytes(r, reader_u16(r));
        if (r->failed || !unsqueeze(d->unsqueezer, method, stored, d->plane, count))
            return false;
        if (p == 0)
            for (uint32_t i = 0; i < count; i++)
                x[i] = d->plane[i];
        else
            for (uint32_t i = 0; i < count; i++)
                x[i] |= (uint64_t)d->plane[i] << (8 * p);
    }
    return !r->failed;
}

static bool read_runs(ints_decoder *d, reader *r, uint32_t count, uint64_t *x)
{
    uint64_t runs = reader_varint(r);
    if (r->failed || runs > count || !unpack_groups_u64(r, (uint32_t)runs, d->x) ||
        !unpack_groups_u64(r, (uint32_t)runs, d->other))
        return false;
    uint32_t at = 0;
    for (uint32_t k = 0; k < runs; k++) {
        if (d->other[k] >= count - at)
            return false;
        for (uint32_t end = at + (uint32_t)d->other[k] + 1; at < end; at++)
            x[at] = d->x[k];
        if (at == count)
            return k + 1 == runs;
    }
    return false;
}

static void read_sequence(reader *r, uint32_t count, uint64_t *out)
{
    uint64_t first = (uint64_t)reader_zigzag(r), step = (uint64_t)reader_zigzag(r);
    for (uint32_t i = 0; i < count; i++)
        out[i] = first + i * step;
}

bool ints_decode_u64(ints_decoder *d, reader *r, uint32_t count, uint64_t *out)
{
    uint8_t form = reader_u8(r);
    if (form == FORM_SEQUENCE) {
        read_sequence(r, count, out);
        return !r->failed;
    }
    uint64_t base = (uint64_t)reader_zigzag(r), scale = reader_varint(r);
    bool is_good = false;
    switch (form) {
    case FORM_PACKED:
    case FORM_PACKED_DELTA: is_good = unpack_groups_u64(r, count, out); break;
    case FORM_PLANES:
    case FORM_PLANES_DELTA: is_good = read_planes(d, r, count, out); break;
    case FORM_RUNS: is_good = read_runs(d, r, count, out); break;
    default: break;
    }
    if (!is_good)
        return false;
    bool are_differences = form == FORM_PACKED_DELTA || form == FORM_PLANES_DELTA;
    if (are_differences)
        undo_differences(out, count, scale == 1 ? base : 0);
    if (scale != 1)
        for (uint32_t i = 0; i < count; i++)
            out[i] = base + scale * out[i];
    else if (!are_differences && base)
        for (uint32_t i = 0; i < count; i++)
            out[i] += base;
    return true;
}

/* Codes mostly come packed, or in one or two planes: these go straight to 32 bits. */
static bool read_planes_u32(ints_decoder *d, reader *r, uint32_t count, uint32_t *out)
{
    unsigned planes = reader_u8(r);
    if (planes > 4)
        return false;
    memset(out, 0, count * sizeof *out);
    for (unsigned p = 0; p < planes; p++) {
        uint8_t method = reader_u8(r);
        span stored = reader_bytes(r, reader_u16(r));
        if (r->failed || !unsqueeze(d->unsqueezer, method, stored, d->plane, count))
            return false;
        for (uint32_t i = 0; i < count; i++)
            out[i] |= (uint32_t)d->plane[i] << (8 * p);
    }
    return !r->failed;
}

bool ints_decode_u32(ints_decoder *d, reader *r, uint32_t count, uint32_t *out)
{
    reader at_form = *r;
    uint8_t form = reader_u8(r);
    if (form != FORM_PACKED && form != FORM_PLANES) {
        *r = at_form;
        if (!ints_decode_u64(d, r, count, d->wide))
            return false;
        for (uint32_t i = 0; i < count; i++)
            out[i] = (uint32_t)d->wide[i];
        return true;
    }
    uint32_t base = (uint32_t)reader_zigzag(r), scale = (uint32_t)reader_varint(r);
    if (r->failed || !(form == FORM_PACKED ? unpack_groups_u32(r, count, out)
                                           : read_planes_u32(d, r, count, out)))
        return false;
    for (uint32_t i = 0; i < count; i++)
        out[i] = base + scale * out[i];
    return true;
}

/* ---- some of the values ---- */

/* One group of n into `out`; an unwanted one is passed over. */
static bool next_group(reader *r, uint32_t n, bool is_wanted, uint64_t *out)
{
    unsigned width = reader_u8(r), exceptions = reader_u8(r);
    if (!bits_is_width(width) || exceptions > EXCEPTIONS_MAX || (exceptions && width >= 64))
        return false;
    span packed = reader_bytes(r, bits_bytes(n, width));
    span at = reader_bytes(r, exceptions);
    if (r->failed)
        return false;
    if (is_wanted)
        bits_unpack_u64(packed.at, n, width, out);
    for (unsigned k = 0; k < exceptions; k++) {
        uint64_t high = reader_varint(r);
        if (at.at[k] >= n)
            return false;
        if (is_wanted)
            out[at.at[k]] |= high << width;
    }
    return !r->failed;
}

static bool some_packed(reader *r, uint32_t count, uint32_t first, uint32_t n, bool are_differences,
                        uint64_t *out)
{
    uint64_t x[GROUP], sum = 0;
    for (uint32_t i = 0; i < first + n; i += GROUP) {
        uint32_t in_group = count - i < GROUP ? count - i : GROUP;
        if (!next_group(r, in_group, are_differences || i + in_group > first, x))
            return false;
        for (uint32_t k = 0; are_differences && k < in_group; k++)
            x[k] = sum += unzigzag(x[k]);
        uint32_t from = first > i ? first - i : 0;
        uint32_t to = first + n - i < in_group ? first + n - i : in_group;
        for (uint32_t k = from; k < to; k++)
            *out++ = x[k];
    }
    return true;
}

static uint64_t from_planes(const uint8_t *bytes, unsigned planes, uint32_t i)
{
    uint64_t x = 0;
    for (unsigned p = 0; p < planes; p++)
        x |= (uint64_t)bytes[p * INTS_MAX + i] << (8 * p);
    return x;
}

/* What the differences before the first value add up to. */
static uint64_t sum_before(const uint8_t *bytes, unsigned planes, uint32_t first)
{
    uint64_t sum = 0;
    if (planes == 1)
        for (uint32_t i = 0; i < first; i++)
            sum += unzigzag(bytes[i]);
    else if (planes == 2)
        for (uint32_t i = 0; i < first; i++)
            sum += unzigzag(bytes[i] | (uint64_t)bytes[INTS_MAX + i] << 8);
    else
        for (uint32_t i = 0; i < first; i++)
            sum += unzigzag(from_planes(bytes, planes, i));
    return sum;
}

/* A plane's bytes are had whole; only the values asked for are put together. */
static bool some_planes(ints_decoder *d, reader *r, uint32_t count, uint32_t first, uint32_t n,
                        bool are_differences, uint64_t *out)
{
    uint8_t *bytes = (uint8_t *)d->x; /* room for the eight planes */
    unsigned planes = reader_u8(r);
    if (planes > 8)
        return false;
    for (unsigned p = 0; p < planes; p++) {
        uint8_t method = reader_u8(r);
        span stored = reader_bytes(r, reader_u16(r));
        if (r->failed || !unsqueeze(d->unsqueezer, method, stored, bytes + p * INTS_MAX, count))
            return false;
    }
    uint64_t sum = are_differences ? sum_before(bytes, planes, first) : 0;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t x = from_planes(bytes, planes, first + i);
        out[i] = are_differences ? (sum += unzigzag(x)) : x;
    }
    return !r->failed;
}

static bool some_runs(ints_decoder *d, reader *r, uint32_t count, uint32_t first, uint32_t n,
                      uint64_t *out)
{
    uint64_t runs = reader_varint(r);
    if (r->failed || runs > count || !unpack_groups_u64(r, (uint32_t)runs, d->x) ||
        !unpack_groups_u64(r, (uint32_t)runs, d->other))
        return false;
    uint32_t at = 0, k = 0;
    for (uint32_t i = 0; i < n; k++) {
        if (k == runs || d->other[k] >= count - at)
            return false;
        for (at += (uint32_t)d->other[k] + 1; first + i < at && i < n; i++)
            out[i] = d->x[k];
    }
    return true;
}

bool ints_decode_some(ints_decoder *d, reader *r, uint32_t count, uint32_t first, uint32_t n,
                      uint64_t *out)
{
    uint8_t form = reader_u8(r);
    uint64_t base = (uint64_t)reader_zigzag(r);
    if (form == FORM_SEQUENCE) {
        uint64_t step = (uint64_t)reader_zigzag(r);
        for (uint32_t i = 0; i < n; i++)
            out[i] = base + (first + i) * step;
        return !r->failed;
    }
    uint64_t scale = reader_varint(r);
    bool is_good = false;
    switch (form) {
    case FORM_PACKED: is_good = some_packed(r, count, first, n, false, out); break;
    case FORM_PACKED_DELTA: is_good = some_packed(r, count, first, n, true, out); break;
    case FORM_PLANES: is_good = some_planes(d, r, count, first, n, false, out); break;
    case FORM_PLANES_DELTA: is_good = some_planes(d, r, count, first, n, true, out); break;
    case FORM_RUNS: is_good = some_runs(d, r, count, first, n, out); break;
    default: break;
    }
    for (uint32_t i = 0; is_good && i < n; i++)
        out[i] = base + scale * out[i];
    return is_good && !r->failed;
}
