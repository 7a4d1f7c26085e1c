/*
 * store/encode/floats.c: doubles. Most come from decimals (a duration is ns / 10^6, a price has two places): they are kept as
 * the integers they were, with the exceptions as they are. What has random mantissas is split: sign, exponent and the first
 * mantissa bits compress, the other 48 bits do not. Bits are kept exactly, signed zeros and NaNs included.
 */
#include <math.h>

#include "store/encode/bits.h"
#include "store/encode/coder.h"

enum { /* stored in segments: never renumber */
       FORM_DECIMAL = 0,
       FORM_SPLIT = 1,
       FORM_BITS = 2,
};

#define POWER_MAX      15
#define SAMPLES        48u
#define SPLIT_LOW_BITS 48
/* Exceptions cost ten bytes each: with more the split form is as short. */
#define EXCEPTIONS_SHARE 8

static const double powers[POWER_MAX + 1] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                             1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

static double double_of(uint64_t bits)
{
    double v;
    memcpy(&v, &bits, 8);
    return v;
}

static uint64_t bits_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, 8);
    return bits;
}

/* The integer n with n / 10^power equal to the double, bit by bit. */
static bool as_decimal(uint64_t bits, unsigned power, int64_t *ret)
{
    double scaled = double_of(bits) * powers[power];
    if (!(scaled > -0x1p53 && scaled < 0x1p53))
        return false;
    *ret = llrint(scaled);
    return bits_of((double)*ret / powers[power]) == bits;
}

/* The lowest power under which most samples are whole; false when there is none. */
static bool choose_power(const uint64_t *bits, uint32_t count, unsigned *ret)
{
    uint32_t samples = count < SAMPLES ? count : SAMPLES, best = 0;
    for (unsigned power = 0; power <= POWER_MAX; power++) {
        uint32_t whole = 0;
        int64_t n;
        for (uint32_t i = 0; i < samples; i++)
            whole += as_decimal(bits[(uint64_t)i * count / samples], power, &n);
        if (whole > best) {
            best = whole;
            *ret = power;
        }
        if (whole == samples)
            break;
    }
    return best > samples - samples / EXCEPTIONS_SHARE;
}

/* Decimal: power, exceptions: count, their rows, their bits; then the integers (an exception repeats its neighbour's). */
static bool add_decimal(encoder *e, const uint64_t *bits, uint32_t count, unsigned power, buf *out)
{
    uint32_t exceptions = 0;
    uint64_t rows[INTS_MAX / EXCEPTIONS_SHARE];
    int64_t n = 0, last = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool is_whole = as_decimal(bits[i], power, &n);
        if (!is_whole && exceptions >= count / EXCEPTIONS_SHARE)
            return false;
        if (!is_whole)
            rows[exceptions++] = i;
        else
            last = n;
        e->values[i] = (uint64_t)last;
    }
    buf_add_u8(out, FORM_DECIMAL);
    buf_add_u8(out, (uint8_t)power);
    buf_add_varint(out, exceptions);
    if (exceptions)
        ints_encode(&e->ints, rows, exceptions, out);
    for (uint32_t i = 0; i < exceptions; i++)
        buf_add_u64(out, bits[rows[i]]);
    ints_encode(&e->ints, e->values, count, out);
    return true;
}

static void add_split(encoder *e, const uint64_t *bits, uint32_t count, buf *out)
{
    buf_add_u8(out, FORM_SPLIT);
    for (uint32_t i = 0; i < count; i++)
        e->values[i] = bits[i] >> SPLIT_LOW_BITS;
    ints_encode(&e->ints, e->values, count, out);
    bits_pack(bits, count, SPLIT_LOW_BITS, out);
}

void floats_encode(encoder *e, const uint64_t *bits, uint32_t count, buf *out)
{
    unsigned power = 0;
    if (choose_power(bits, count, &power) && add_decimal(e, bits, count, power, out))
        return;
    uint32_t runs = 1;
    for (uint32_t i = 1; i < count; i++)
        runs += bits[i] != bits[i - 1];
    if (runs <= count / 2) {
        buf_add_u8(out, FORM_BITS);
        ints_encode(&e->ints, bits, count, out);
    } else {
        add_split(e, bits, count, out);
    }
}

/* Integers to doubles over the divisor. Those below 2^51 become doubles by an addition, which every processor does several at once. */
static void divide(uint64_t *bits, uint32_t count, double divisor)
{
    const uint64_t magic = 0x4338000000000000; /* of 2^52 + 2^51 */
    uint64_t beyond = 0;
    for (uint32_t i = 0; i < count; i++)
        beyond |= (bits[i] + ((uint64_t)1 << 51)) >> 52;
    if (beyond) {
        for (uint32_t i = 0; i < count; i++)
            bits[i] = bits_of((double)(int64_t)bits[i] / divisor);
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        bits[i] = bits_of((double_of(bits[i] + magic) - 0x1.8p52) / divisor);
}

/* The n from `first` on. */
static bool read_decimal(decoder *d, reader *r, uint32_t count, uint32_t first, uint32_t n,
                         uint64_t *bits)
{
    unsigned power = reader_u8(r);
    uint64_t exceptions = reader_varint(r);
    uint64_t rows[INTS_MAX / EXCEPTIONS_SHARE];
    if (r->failed || power > POWER_MAX || exceptions > COUNT_OF(rows) ||
        (exceptions && !ints_decode_u64(&d->ints, r, (uint32_t)exceptions, rows)))
        return false;
    span raw = reader_bytes(r, exceptions * 8);
    if (r->failed || !(n == count ? ints_decode_u64(&d->ints, r, count, bits)
                                  : ints_decode_some(&d->ints, r, count, first, n, bits)))
        return false;
    divide(bits, n, powers[power]);
    for (uint32_t i = 0; i < exceptions; i++) {
        if (rows[i] >= count)
            return false;
        if (rows[i] - first < n)
            memcpy(&bits[rows[i] - first], raw.at + 8ul * i, 8);
    }
    return true;
}

bool floats_decode(decoder *d, reader *r, uint32_t count, uint64_t *bits)
{
    switch (reader_u8(r)) {
    case FORM_DECIMAL: return read_decimal(d, r, count, 0, count, bits);
    case FORM_BITS: return ints_decode_u64(&d->ints, r, count, bits);
    case FORM_SPLIT: break;
    default: return false;
    }
    if (!ints_decode_u64(&d->ints, r, count, d->values))
        return false;
    span low = reader_bytes(r, bits_bytes(count, SPLIT_LOW_BITS));
    if (r->failed)
        return false;
    bits_unpack_u64(low.at, count, SPLIT_LOW_BITS, bits);
    for (uint32_t i = 0; i < count; i++)
        bits[i] |= d->values[i] << SPLIT_LOW_BITS;
    return true;
}

bool floats_decode_some(decoder *d, reader *r, uint32_t count, uint32_t first, uint32_t n,
                        uint64_t *bits)
{
    switch (reader_u8(r)) {
    case FORM_DECIMAL: return read_decimal(d, r, count, first, n, bits);
    case FORM_BITS: return ints_decode_some(&d->ints, r, count, first, n, bits);
    case FORM_SPLIT: break;
    default: return false;
    }
    if (!ints_decode_u64(&d->ints, r, count, d->values))
        return false;
    span low = reader_bytes(r, bits_bytes(count, SPLIT_LOW_BITS));
    if (r->failed)
        return false;
    bits_unpack_u64(low.at + first * (size_t)(SPLIT_LOW_BITS / 8), n, SPLIT_LOW_BITS, bits);
    for (uint32_t i = 0; i < n; i++)
        bits[i] |= d->values[first + i] << SPLIT_LOW_BITS;
    return true;
}
