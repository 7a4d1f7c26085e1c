/*
 * store/encode/ids.c: span ids as they are (random bytes), trace ids once per run, parents as row distances.
 * Called by the column writer and the segment reader.
 */
#include "store/encode/coder.h"

void span_ids_encode(const uint64_t *ids, uint32_t count, buf *out)
{
    buf_add(out, ids, count * 8ul);
}

bool span_ids_decode(reader *r, uint32_t count, uint64_t *ids)
{
    span raw = reader_bytes(r, count * 8ul);
    if (r->failed)
        return false;
    memcpy(ids, raw.at, raw.len);
    return true;
}

/* Runs: count, their lengths less one, whether all high halves are zero, the low halves, the high halves. */
void trace_ids_encode(encoder *e, const trace_id *ids, uint32_t count, buf *out)
{
    uint32_t runs = 0;
    uint64_t any_high = 0;
    for (uint32_t i = 0, start = 0; i < count; i++) {
        any_high |= ids[i].hi;
        if (i + 1 == count || !trace_id_equal(ids[i], ids[i + 1])) {
            e->values[runs++] = i - start;
            start = i + 1;
        }
    }
    buf_add_varint(out, runs);
    ints_encode(&e->ints, e->values, runs, out);
    buf_add_u8(out, any_high != 0);
    for (int half = 0; half < (any_high ? 2 : 1); half++)
        for (uint32_t i = 0; i < count; i++)
            if (i + 1 == count || !trace_id_equal(ids[i], ids[i + 1]))
                buf_add_u64(out, half ? ids[i].hi : ids[i].lo);
}

bool trace_ids_decode(decoder *d, reader *r, uint32_t count, trace_id *ids)
{
    uint64_t runs = reader_varint(r);
    if (r->failed || runs == 0 || runs > count ||
        !ints_decode_u64(&d->ints, r, (uint32_t)runs, d->values))
        return false;
    bool has_high = reader_u8(r) != 0;
    span low = reader_bytes(r, runs * 8), high = reader_bytes(r, has_high ? runs * 8 : 0);
    if (r->failed)
        return false;
    uint32_t at = 0;
    for (uint32_t k = 0; k < runs; k++) {
        trace_id id = {0, 0};
        memcpy(&id.lo, low.at + 8ul * k, 8);
        if (has_high)
            memcpy(&id.hi, high.at + 8ul * k, 8);
        if (d->values[k] >= count - at)
            return false;
        for (uint32_t end = at + (uint32_t)d->values[k] + 1; at < end; at++)
            ids[at] = id;
        if (at == count)
            return k + 1 == runs;
    }
    return false;
}

static uint64_t zigzag(int64_t v)
{
    return (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
}

void parents_encode(encoder *e, const int64_t *distances, uint32_t count, const uint64_t *orphans,
                    buf *out)
{
    uint32_t orphan_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        e->values[i] = zigzag(distances[i]);
        orphan_count += distances[i] == 0;
    }
    ints_encode(&e->ints, e->values, count, out);
    buf_add(out, orphans, orphan_count * 8ul);
}

bool parents_decode(decoder *d, reader *r, uint32_t count, int64_t *distances, uint64_t *orphans)
{
    if (!ints_decode_u64(&d->ints, r, count, d->values))
        return false;
    uint32_t orphan_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        distances[i] = (int64_t)(d->values[i] >> 1 ^ -(d->values[i] & 1));
        orphan_count += distances[i] == 0;
    }
    span raw = reader_bytes(r, orphan_count * 8ul);
    if (r->failed)
        return false;
    memcpy(orphans, raw.at, raw.len);
    return true;
}
