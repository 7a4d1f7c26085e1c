/*
 * store/segment_derived.c: blocks whose values follow from another column's codes by a table (derive.h): the table, and applying it.
 * Called by segment_load.c and segment_part.c. Never: trusts a byte of the file.
 */
#include "base/alloc.h"
#include "store/derive.h"
#include "store/segment.h"

_Static_assert(DERIVE_CODES_MAX < INTS_MAX, "a table is one run of integers");

bool derived_table_decode(derived_table *t, decoder *d, reader *r, bool *ret_is_out_of_memory)
{
    uint64_t entries = reader_varint(r), present_len = reader_varint(r);
    reader present = reader_of(reader_bytes(r, present_len));
    if (r->failed || entries == 0 || entries > DERIVE_CODES_MAX + 1)
        return false;
    t->entries = (uint32_t)entries;
    t->has = base_alloc_zero(entries, sizeof t->has[0]);
    t->values = base_alloc_zero(entries, sizeof t->values[0]);
    if (!t->has || !t->values) {
        *ret_is_out_of_memory = true;
        return false;
    }
    uint64_t bits[(DERIVE_CODES_MAX + 1) / 64];
    uint64_t count = reader_varint(&present);
    if (count == 0 || count > entries ||
        !presence_decode(d, &present, t->entries, (uint32_t)count, bits) ||
        !ints_decode_u64(&d->ints, r, (uint32_t)count, d->values))
        return false;
    t->is_full = true;
    for (uint32_t i = 0, at = 0; i < t->entries; i++) {
        t->has[i] = bits[i / 64] >> (i & 63) & 1;
        if (t->has[i])
            t->values[i] = d->values[at++];
        t->is_full &= t->has[i] || i == 0;
    }
    return true;
}

void derived_table_free(derived_table *t)
{
    base_free(t->has);
    base_free(t->values);
}

/* The entry of each row; false: a code has none. */
static bool fill_entries(const derived_table *t, const vector *source, uint32_t row_count,
                         uint16_t *entries)
{
    if (source->kind == VECTOR_ABSENT) {
        memset(entries, 0, row_count * sizeof entries[0]);
        return true;
    }
    uint32_t most = 0;
    for (uint32_t i = 0; i < row_count; i++)
        most = source->codes[i] > most ? source->codes[i] : most;
    if (most >= t->entries - 1) /* what is absent has code 0 */
        return false;
    if (source->all_present)
        for (uint32_t i = 0; i < row_count; i++)
            entries[i] = (uint16_t)(source->codes[i] + 1);
    else
        for (uint32_t i = 0; i < row_count; i++)
            entries[i] =
                source->present[i / 64] >> (i & 63) & 1 ? (uint16_t)(source->codes[i] + 1) : 0;
    return true;
}

/* Eight bytes of 0 or 1 to eight bits. */
static uint64_t bits_of(const uint8_t *bytes)
{
    uint64_t v;
    memcpy(&v, bytes, 8);
    return v * 0x0102040810204080ull >> 56;
}

static uint32_t fill_presence(const derived_table *t, const uint16_t *entries, vector *out)
{
    uint32_t count = 0;
    for (uint32_t base = 0; base < out->row_count; base += 64) {
        uint32_t n = out->row_count - base < 64 ? out->row_count - base : 64;
        uint8_t has[64] = {0};
        uint64_t bits = 0;
        for (uint32_t i = 0; i < n; i++)
            has[i] = t->has[entries[base + i]];
        for (uint32_t i = 0; i < 64; i += 8)
            bits |= bits_of(has + i) << i;
        out->present[base / 64] = bits;
        count += bit_count(bits);
    }
    return count;
}

/* Whether the values of the rows that have one are in range: texts are loaded by it. The table's, mostly, are. */
static bool is_within(const derived_table *t, const uint16_t *entries, uint64_t min, uint64_t max,
                      uint32_t row_count)
{
    uint64_t outside = 0;
    for (uint32_t i = 0; i < t->entries; i++)
        outside |= t->has[i] && (t->values[i] < min || t->values[i] > max);
    for (uint32_t i = 0; outside && i < row_count; i++)
        if (t->has[entries[i]] && (t->values[entries[i]] < min || t->values[entries[i]] > max))
            return false;
    return true;
}

bool derived_fill(const derived_table *t, const vector *source, const block_entry *b, vector *out)
{
    uint16_t entries[VECTOR_ROWS];
    uint32_t rows = out->row_count, count = rows;
    if (!fill_entries(t, source, rows, entries))
        return false;
    if (t->is_full && source->kind != VECTOR_ABSENT && source->all_present)
        vector_fill_present(out);
    else
        count = fill_presence(t, entries, out);
    bool is_code = out->kind == VECTOR_CODES, is_bool = out->kind == VECTOR_BOOLS;
    if (count != b->value_count || (is_code && !is_within(t, entries, b->min, b->max, rows)) ||
        (is_bool && !is_within(t, entries, 0, 1, rows)))
        return false;
    out->all_present = count == rows;
    if (is_code || is_bool) /* what is absent has 0 */
        for (uint32_t i = 0; i < rows; i++)
            out->codes[i] = (uint32_t)t->values[entries[i]];
    else
        for (uint32_t i = 0; i < rows; i++)
            out->ids[i] = t->values[entries[i]];
    return true;
}
