/*
 * store/entropy.c: see entropy.h. Called by verify.c. Never: keeps more than a table of a million counts.
 */
#include "store/entropy.h"

#include <math.h>

#include "base/alloc.h"
#include "base/must.h"

#define SLOTS        (1u << 21)
#define DISTINCT_MAX (SLOTS / 2)

typedef struct slot {
    uint64_t key; /* 0: free */
    uint64_t count;
} slot;

typedef struct counting {
    slot *slots;
    uint32_t distinct;
    uint64_t total;
    bool is_full;
} counting;

static void count_value(counting *c, uint64_t key)
{
    c->total++;
    key |= !key;
    uint32_t at = (uint32_t)hash_mix(key) % SLOTS;
    while (c->slots[at].key && c->slots[at].key != key)
        at = (at + 1) % SLOTS;
    if (!c->slots[at].key && c->distinct == DISTINCT_MAX) {
        c->is_full = true;
        return;
    }
    c->distinct += !c->slots[at].key;
    c->slots[at].key = key;
    c->slots[at].count++;
}

static uint64_t key_of(const vector *v, uint32_t row)
{
    if (v->kind == VECTOR_ABSENT || !vector_has(v, row))
        return 1;
    if (v->kind == VECTOR_TRACE_IDS)
        return hash_mix(v->trace_ids[row].hi + hash_mix(v->trace_ids[row].lo));
    bool is_code = v->kind == VECTOR_CODES || v->kind == VECTOR_BOOLS;
    return hash_mix((is_code ? v->codes[row] : v->ids[row]) + 2);
}

static double sum_bits(const counting *c)
{
    double total = (double)c->total, bits = 0;
    for (uint32_t i = 0; i < SLOTS; i++)
        if (c->slots[i].key)
            bits += (double)c->slots[i].count * log2(total / (double)c->slots[i].count);
    return bits;
}

double entropy_bytes(const segment *s, uint32_t col)
{
    counting c = {.slots = base_alloc_zero(SLOTS, sizeof c.slots[0])};
    vector *v = base_alloc(sizeof *v);
    part_reader *r = NULL;
    err e;
    bool is_known = c.slots && v && part_reader_new(segment_part(s), &r, &e) == SK_OK;
    for (uint32_t block = 0; is_known && block < block_count_of(s->facts.row_count); block++) {
        is_known = part_read(r, col, block, v, &e) == SK_OK;
        for (uint32_t i = 0; is_known && i < block_rows_of(s->facts.row_count, block); i++)
            count_value(&c, key_of(v, i));
    }
    double bytes = is_known ? sum_bits(&c) / 8 : -1;
    if (is_known && (c.is_full || c.distinct > c.total / 2))
        bytes = col == PART_SPAN_ID ? 8.0 * (double)c.total : -1;
    part_reader_free(r);
    base_free(c.slots);
    base_free(v);
    return bytes;
}
