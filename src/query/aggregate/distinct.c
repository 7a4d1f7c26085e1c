/*
 * query/aggregate/distinct.c: COUNT_DISTINCT over hash64 of canonical texts: a set up to AGG_DISTINCT_EXACT values, then
 * HyperLogLog registers over the same hashes. Both are functions of the set of hashes alone, so rows may be split and
 * merged in any way.
 */
#include <math.h>

#include "query/aggregate/aggregate_private.h"

#define REGISTER_BITS 14
#define REGISTERS     ((uint32_t)1 << REGISTER_BITS)
#define RANK_MAX      (64 - REGISTER_BITS) /* q of the formula */
#define SLOTS_FIRST   16u

typedef struct distinct_cell {
    uint64_t *slots; /* open addressing, 0 = free; at most half full */
    uint32_t slot_count, used;
    bool has_zero;      /* the hash 0 itself */
    uint8_t *registers; /* once set, slots is NULL */
} distinct_cell;

static void add_register(uint8_t *registers, uint64_t h)
{
    uint64_t rest = h << REGISTER_BITS | (uint64_t)1 << (REGISTER_BITS - 1);
    uint8_t rank = (uint8_t)(__builtin_clzll(rest) + 1);
    uint8_t *reg = &registers[h >> (64 - REGISTER_BITS)];
    if (*reg < rank)
        *reg = rank;
}

static bool put_slot(uint64_t *slots, uint32_t slot_count, uint64_t h)
{
    uint32_t i = (uint32_t)h & (slot_count - 1);
    while (slots[i] && slots[i] != h)
        i = (i + 1) & (slot_count - 1);
    if (slots[i])
        return false;
    slots[i] = h;
    return true;
}

static void free_slots(agg_states *s, distinct_cell *c)
{
    agg_free(s->budget, c->slots, c->slot_count * sizeof(uint64_t));
    c->slots = NULL;
    c->slot_count = 0;
}

static void grow_slots(agg_states *s, distinct_cell *c)
{
    uint32_t count = c->slot_count ? c->slot_count * 2 : SLOTS_FIRST;
    uint64_t *slots = agg_alloc(s->budget, count * sizeof(uint64_t));
    if (!slots)
        return;
    for (uint32_t i = 0; i < c->slot_count; i++)
        if (c->slots[i])
            put_slot(slots, count, c->slots[i]);
    free_slots(s, c);
    c->slots = slots;
    c->slot_count = count;
}

static void make_registers(agg_states *s, distinct_cell *c)
{
    uint8_t *registers = agg_alloc(s->budget, REGISTERS);
    if (!registers)
        return;
    for (uint32_t i = 0; i < c->slot_count; i++)
        if (c->slots[i])
            add_register(registers, c->slots[i]);
    if (c->has_zero)
        add_register(registers, 0);
    free_slots(s, c);
    c->registers = registers;
}

static void add_to_set(agg_states *s, distinct_cell *c, uint64_t h)
{
    if (c->slot_count < 2 * (c->used + 1))
        grow_slots(s, c);
    if (c->slot_count < 2 * (c->used + 1))
        return; /* the budget has failed */
    if (h == 0) {
        c->used += !c->has_zero;
        c->has_zero = true;
    } else {
        c->used += put_slot(c->slots, c->slot_count, h);
    }
    if (c->used > AGG_DISTINCT_EXACT)
        make_registers(s, c);
}

static inline void add(agg_states *s, distinct_cell *c, uint64_t h)
{
    if (c->registers)
        add_register(c->registers, h);
    else
        add_to_set(s, c, h);
}

static void update(agg_states *s, const agg_run *r)
{
    distinct_cell *cells = s->cells;
    for (uint32_t i = 0; i < r->count; i++)
        add(s, &cells[agg__cell(r, i)], r->hashes[i]);
}

static void merge(agg_states *into, void *into_cell, const void *from_cell)
{
    distinct_cell *a = into_cell;
    const distinct_cell *b = from_cell;
    if (b->registers && !a->registers) {
        make_registers(into, a);
        if (!a->registers)
            return;
    }
    if (b->registers) {
        for (uint32_t i = 0; i < REGISTERS; i++)
            a->registers[i] = b->registers[i] > a->registers[i] ? b->registers[i] : a->registers[i];
        return;
    }
    for (uint32_t i = 0; i < b->slot_count; i++)
        if (b->slots[i])
            add(into, a, b->slots[i]);
    if (b->has_zero)
        add(into, a, 0);
}

static bool is_empty(const void *cell)
{
    const distinct_cell *c = cell;
    return c->used == 0 && !c->registers;
}

static void done(agg_states *s, void *cell)
{
    distinct_cell *c = cell;
    free_slots(s, c);
    agg_free(s->budget, c->registers, REGISTERS);
}

bool agg__distinct_is_estimate(const void *cell)
{
    return ((const distinct_cell *)cell)->registers != NULL;
}

/* sigma and tau of the header's formula. */
static double sigma(double x)
{
    if (x >= 1)
        return INFINITY;
    double y = 1, s = x, before;
    do {
        x *= x;
        before = s;
        s += x * y;
        y += y;
    } while (s > before);
    return s;
}

static double tau(double x)
{
    if (x <= 0 || x >= 1)
        return 0;
    double y = 1, s = 1 - x, before;
    do {
        x = sqrt(x);
        before = s;
        y *= 0.5;
        s -= (1 - x) * (1 - x) * y;
    } while (s < before);
    return s / 3;
}

static double estimate(const uint8_t *registers)
{
    double m = REGISTERS, counts[RANK_MAX + 2] = {0};
    for (uint32_t i = 0; i < REGISTERS; i++)
        counts[registers[i]] += 1;
    double z = m * tau(1 - counts[RANK_MAX + 1] / m);
    for (uint32_t k = RANK_MAX; k >= 1; k--)
        z = 0.5 * (z + counts[k]);
    z += m * sigma(counts[0] / m);
    return 0.5 / M_LN2 * m * m / z;
}

void agg__distinct_finish(const agg_states *s, uint32_t cell, calc_op op, int64_t length_ns,
                          arena *mem, result_value *ret)
{
    const distinct_cell *c = (const distinct_cell *)s->cells + cell;
    int64_t n = c->registers ? (int64_t)llround(estimate(c->registers)) : (int64_t)c->used;
    *ret = (result_value){.kind = RESULT_INT, .i = n};
}

const agg_ops agg__distinct = {.cell_bytes = sizeof(distinct_cell),
                               .update = update,
                               .merge = merge,
                               .is_empty = is_empty,
                               .done = done};
