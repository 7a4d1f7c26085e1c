/*
 * receive/otlp_id.c: trace and span ids as they come, and how many events one stands for.
 * Sources: honeycomb.md §2.3 (id forms, sampleRate), otlp.md §7 (tracestate `ot=th:`), DESIGN §4
 * (rounding).
 */
#include <math.h>

#include "base/hash.h"
#include "receive/otlp_private.h"

#define THRESHOLD_DIGITS 14u /* 56 bits */

static uint64_t big_endian(const uint8_t *at)
{
    uint64_t v;
    memcpy(&v, at, 8);
    return __builtin_bswap64(v);
}

bool otlp_trace_id(span bytes, trace_id *ret)
{
    trace_id id = {0, 0};
    char hex[32];
    if (likely(bytes.len == 16)) {
        id = (trace_id){big_endian(bytes.at), big_endian(bytes.at + 8)};
    } else if (bytes.len == 24) { /* hex digits that were taken for base64 */
        base64_encode(bytes, hex);
        if (!span_to_hex64(span_of(hex, 16), &id.hi) ||
            !span_to_hex64(span_of(hex + 16, 16), &id.lo))
            return false;
    }
    if (!trace_id_is_set(id))
        return false;
    *ret = id;
    return true;
}

bool otlp_span_id(span bytes, uint64_t *ret)
{
    uint64_t id = 0;
    char hex[16];
    if (likely(bytes.len == 8)) {
        id = big_endian(bytes.at);
    } else if (bytes.len == 12) {
        base64_encode(bytes, hex);
        if (!span_to_hex64(span_of(hex, 16), &id))
            return false;
    }
    if (id == 0)
        return false;
    *ret = id;
    return true;
}

/* Rounded half up, at least 1, at most INT32_MAX. Text that is no number counts as 1. */
static uint32_t rate_of_value(const otlp_value *v)
{
    double rate = 1;
    if (v->kind == VALUE_INT)
        rate = (double)v->i;
    else if (v->kind == VALUE_DOUBLE)
        rate = v->f;
    else if (v->kind == VALUE_STRING && !span_to_double(span_trim(v->text), &rate))
        rate = 1;
    if (!(rate >= 1))
        return 1;
    return rate >= INT32_MAX ? INT32_MAX : (uint32_t)floor(rate + 0.5);
}

/* The `th` of "ot=rv:…;th:c8", or of the older "th=c8". Empty when there is none. */
static span threshold_text(span tracestate)
{
    span rest = tracestate;
    while (rest.at) {
        span member = span_trim(span_cut(&rest, ','));
        if (span_starts_with(member, SPAN("th=")))
            return span_cut(&(span){member.at + 3, member.len - 3}, ';');
        if (!span_starts_with(member, SPAN("ot=")))
            continue;
        span pairs = span_from(member, 3);
        while (pairs.at) {
            span pair = span_cut(&pairs, ';');
            if (span_starts_with(pair, SPAN("th:")))
                return span_from(pair, 3);
        }
    }
    return (span){NULL, 0};
}

static uint32_t rate_of_threshold(span tracestate, uint64_t id)
{
    span text = threshold_text(tracestate);
    uint64_t threshold = 0;
    if (text.len == 0 || text.len > THRESHOLD_DIGITS || !span_to_hex64(text, &threshold))
        return 1;
    threshold <<= 4 * (THRESHOLD_DIGITS - text.len);
    const double whole = 0x1p56;
    double count = whole / (whole - (double)threshold);
    if (count >= INT32_MAX)
        return INT32_MAX;
    double floor_count = floor(count);
    double chance =
        (double)(hash_mix(id) >> 11) * 0x1p-53; /* 0 ≤ chance < 1, the same for every retry */
    return (uint32_t)floor_count + (chance < count - floor_count ? 1 : 0);
}

uint32_t otlp_sample_rate(const otlp *o, span tracestate, uint64_t id)
{
    const otlp_list *lists[] = {&o->item, &o->scope, &o->resource};
    for (size_t key = 0; key < 2; key++)
        for (size_t i = 0; i < COUNT_OF(lists); i++)
            if (unlikely(lists[i]->rate[key].kind != VALUE_NONE))
                return rate_of_value(&lists[i]->rate[key]);
    return likely(tracestate.len == 0) ? 1 : rate_of_threshold(tracestate, id);
}
