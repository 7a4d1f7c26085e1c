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
    uint32_t words = (uint32_t)(entries + 63) / 64;
    t->entries = (uint32_t)entries;
    t->present = base_alloc_zero(words, sizeof t->present[0]);
    t->values = base_alloc_zero(entries, sizeof t->values[0]);
    if (!t->present || !t->values) {
        *ret_is_out_of_memory = true;
        return false;
    }
    uint64_t count = reader_varint(&present);
    if (count == 0 || count > entries ||
        !presence_decode(d, &present, t->entries, (uint32_t)count, t->present) ||
        !ints_decode_u64(&d->ints, r, (uint32_t)count, d->values))
        return false;
    for (uint32_t i = 0, at = 0; i < t->entries; i++)
        if (t->present[i / 64] >> (i & 63) & 1)
            t->values[i] = d->values[at++];
    return true;
}

void derived_table_free(derived_table *t)
{
    base_free(t->present);
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

static uint32_t fill_presence(const derived_table *t, const uint16_t *entries, vector *out)
{
    uint32_t count = 0;
    for (uint32_t base = 0; base < out->row_count; base += 64) {
        uint32_t n = out->row_count - base < 64 ? out->row_count - base : 64;
        uint64_t bits = 0;
        for (uint32_t i = 0; i < n; i++) {
            uint32_t entry = entries[base + i];
            bits |= (t->present[entry / 64] >> (entry & 63) & 1) << i;
        }
        out->present[base / 64] = bits;
        count += (uint32_t)__builtin_popcountll(bits);
    }
    return count;
}

/* Also in range: texts are loaded by it. Absent rows have 0. */
static bool fill_codes(const derived_table *t, const uint16_t *entries, uint64_t min, uint64_t max,
                       vector *out)
{
    uint64_t least = UINT64_MAX, most = 0;
    for (uint32_t i = 0; i < t->entries; i++) {
        if (!(t->present[i / 64] >> (i & 63) & 1))
            continue;
        least = t->values[i] < least ? t->values[i] : least;
        most = t->values[i] > most ? t->values[i] : most;
    }
    for (uint32_t i = 0; i < out->row_count; i++)
        out->codes[i] = (uint32_t)t->values[entries[i]];
    if (least >= min && most <= max)
        return true;
    for (uint32_t i = 0; i < out->row_count; i++)
        if ((out->present[i / 64] >> (i & 63) & 1) &&
            (t->values[entries[i]] < min || t->values[entries[i]] > max))
            return false;
    return true;
}

bool derived_fill(const derived_table *t, const vector *source, const block_entry *b, vector *out)
{
    uint16_t entries[VECTOR_ROWS];
    if (!fill_entries(t, source, out->row_count, entries) ||
        fill_presence(t, entries, out) != b->value_count)
        return false;
    out->all_present = b->value_count == out->row_count;
    if (out->kind == VECTOR_CODES)
        return fill_codes(t, entries, b->min, b->max, out);
    if (out->kind == VECTOR_BOOLS)
        return fill_codes(t, entries, 0, 1, out);
    for (uint32_t i = 0; i < out->row_count; i++)
        out->ids[i] = t->values[entries[i]];
    return true;
}
