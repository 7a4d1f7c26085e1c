/*
 * store/encode/ids.c: span ids as they are (random bytes), trace ids once per run, parents as row distances; ids that come again
 * within the block (logs: traces are written side by side) are the distance to where they were last.
 * Called by the column writer and the segment reader.
 */
#include "base/hash.h"
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

bool span_ids_decode_some(reader *r, uint32_t count, uint32_t first, uint32_t n, uint64_t *ids)
{
    span raw = reader_bytes(r, count * 8ul);
    if (r->failed)
        return false;
    memcpy(ids, raw.at + first * 8ul, n * 8ul);
    return true;
}

/* ---- ids that come again, though not in the next row: the lines of a log, in which many traces are written at once ---- */

#define SEEN_SLOTS (2 * INTS_MAX)
/* Places are a second run of integers to decode: they must save this much. */
#define REPEATS_GAIN_PERCENT 10

/* For each id how many places before its own it was last, 0 when it is new; returns how many are new. */
static uint32_t find_repeats(encoder *e, const trace_id *ids, uint32_t count)
{
    uint32_t fresh = 0;
    memset(e->seen, 0, sizeof e->seen);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = (uint32_t)hash_mix(ids[i].hi ^ hash_mix(ids[i].lo)) % SEEN_SLOTS;
        while (e->seen[at] && !trace_id_equal(ids[e->seen[at] - 1], ids[i]))
            at = (at + 1) % SEEN_SLOTS;
        e->values[i] = e->seen[at] ? i + 1 - e->seen[at] : 0;
        fresh += e->seen[at] == 0;
        e->seen[at] = i + 1;
    }
    return fresh;
}

static void add_halves(const trace_id *ids, const uint64_t *backs, uint32_t count, bool high,
                       buf *out)
{
    for (uint32_t i = 0; i < count; i++)
        if (!backs || backs[i] == 0)
            buf_add_u64(out, high ? ids[i].hi : ids[i].lo);
}

/* Whether ids repeat; then how far back each was last; the low halves of the new ones, then their high ones. */
static void add_ids(encoder *e, const trace_id *ids, uint32_t count, bool has_high, buf *places,
                    buf *out)
{
    buf_clear(places);
    uint32_t fresh = find_repeats(e, ids, count), width = has_high ? 16 : 8;
    bool repeats = fresh < count - count * REPEATS_GAIN_PERCENT / 100;
    if (repeats)
        ints_encode(&e->ints, e->values, count, places);
    repeats &= !places->failed && places->len + fresh * width < count * width;
    buf_add_u8(out, repeats);
    if (repeats)
        buf_add_span(out, buf_span(places));
    add_halves(ids, repeats ? e->values : NULL, count, false, out);
    if (has_high)
        add_halves(ids, repeats ? e->values : NULL, count, true, out);
}

static bool read_ids(decoder *d, reader *r, uint32_t count, bool has_high, trace_id *ids)
{
    uint8_t repeats = reader_u8(r);
    if (repeats > 1 || (repeats && !ints_decode_u64(&d->ints, r, count, d->backs)))
        return false;
    uint32_t fresh = 0;
    for (uint32_t i = 0; i < count; i++) {
        d->backs[i] = repeats ? d->backs[i] : 0;
        if (d->backs[i] > i)
            return false;
        fresh += d->backs[i] == 0;
    }
    span low = reader_bytes(r, fresh * 8ul), high = reader_bytes(r, has_high ? fresh * 8ul : 0);
    if (r->failed)
        return false;
    for (uint32_t i = 0, at = 0; i < count; i++) {
        if (d->backs[i]) {
            ids[i] = ids[i - d->backs[i]];
            continue;
        }
        ids[i].hi = 0;
        memcpy(&ids[i].lo, low.at + 8ul * at, 8);
        if (has_high)
            memcpy(&ids[i].hi, high.at + 8ul * at, 8);
        at++;
    }
    return true;
}

/* ---- trace ids ---- */

/* A 0 (version 1: the runs); how many runs, their lengths less one, whether a high half is not 0, the runs' ids. */
void trace_ids_encode(encoder *e, const trace_id *ids, uint32_t count, buf *out)
{
    trace_id *of_run = e->ids;
    uint32_t runs = 0;
    uint64_t any_high = 0;
    for (uint32_t i = 0, start = 0; i < count; i++) {
        any_high |= ids[i].hi;
        if (i + 1 == count || !trace_id_equal(ids[i], ids[i + 1])) {
            of_run[runs] = ids[i];
            e->values[runs++] = i - start;
            start = i + 1;
        }
    }
    buf_add_varint(out, 0);
    buf_add_varint(out, runs);
    ints_encode(&e->ints, e->values, runs, out);
    buf_add_u8(out, any_high != 0);
    add_ids(e, of_run, runs, any_high != 0, &e->other, out);
}

static bool read_runs(decoder *d, reader *r, uint32_t runs, bool is_first_version, trace_id *of_run)
{
    uint8_t has_high = reader_u8(r);
    if (!is_first_version)
        return has_high <= 1 && read_ids(d, r, runs, has_high, of_run);
    span low = reader_bytes(r, runs * 8ul), high = reader_bytes(r, has_high ? runs * 8ul : 0);
    for (uint32_t k = 0; !r->failed && k < runs; k++) {
        of_run[k].hi = 0;
        memcpy(&of_run[k].lo, low.at + 8ul * k, 8);
        if (has_high)
            memcpy(&of_run[k].hi, high.at + 8ul * k, 8);
    }
    return !r->failed;
}

uint32_t trace_runs_decode(decoder *d, reader *r, uint32_t count)
{
    uint64_t runs = reader_varint(r);
    bool is_first_version = runs != 0;
    if (!is_first_version)
        runs = reader_varint(r);
    bool is_good = !r->failed && runs && runs <= count &&
                   ints_decode_u64(&d->ints, r, (uint32_t)runs, d->values) &&
                   read_runs(d, r, (uint32_t)runs, is_first_version, d->ids);
    return is_good ? (uint32_t)runs : 0;
}

bool trace_ids_decode(decoder *d, reader *r, uint32_t count, trace_id *ids)
{
    const trace_id *of_run = d->ids;
    uint32_t runs = trace_runs_decode(d, r, count), at = 0;
    for (uint32_t k = 0; k < runs; k++) {
        if (d->values[k] >= count - at)
            return false;
        for (uint32_t end = at + (uint32_t)d->values[k] + 1; at < end; at++)
            ids[at] = of_run[k];
        if (at == count)
            return k + 1 == runs;
    }
    return false;
}

/* ---- parents ---- */

#define PARENTS_SECOND 255u /* no form of integers: those of version 1 begin with one */

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
    buf_add_u8(out, PARENTS_SECOND);
    ints_encode(&e->ints, e->values, count, out);
    trace_id *ids = e->ids;
    for (uint32_t i = 0; i < orphan_count; i++)
        ids[i] = (trace_id){0, orphans[i]};
    if (orphan_count)
        add_ids(e, ids, orphan_count, false, &e->other, out);
}

bool parents_decode(decoder *d, reader *r, uint32_t count, int64_t *distances, uint64_t *orphans)
{
    bool is_first_version = reader_left(r) == 0 || r->at[0] != PARENTS_SECOND;
    if (!is_first_version)
        (void)reader_u8(r);
    if (!ints_decode_u64(&d->ints, r, count, d->values))
        return false;
    uint32_t orphan_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        distances[i] = (int64_t)(d->values[i] >> 1 ^ -(d->values[i] & 1));
        orphan_count += distances[i] == 0;
    }
    if (is_first_version) {
        span raw = reader_bytes(r, orphan_count * 8ul);
        if (!r->failed)
            memcpy(orphans, raw.at, raw.len);
        return !r->failed;
    }
    trace_id *ids = d->ids;
    if (orphan_count && !read_ids(d, r, orphan_count, false, ids))
        return false;
    for (uint32_t i = 0; i < orphan_count; i++)
        orphans[i] = ids[i].lo;
    return true;
}

bool parents_decode_some(decoder *d, reader *r, uint32_t count, uint32_t first, uint32_t n,
                         int64_t *distances)
{
    if (reader_left(r) && r->at[0] == PARENTS_SECOND)
        (void)reader_u8(r);
    if (!ints_decode_some(&d->ints, r, count, first, n, d->values))
        return false;
    for (uint32_t i = 0; i < n; i++)
        distances[i] = (int64_t)(d->values[i] >> 1 ^ -(d->values[i] & 1));
    return true;
}
