/*
 * query/groups.c: see groups.h.
 */
#include "query/groups.h"

#include "base/hash.h"
#include "base/must.h"

#define SLOTS_FIRST 64u

static uint32_t put_states(groups *g, agg_family kind, uint32_t field)
{
    for (uint32_t i = 0; i < g->state_count; i++)
        if (g->states[i].states.family == kind && g->states[i].field == field)
            return i;
    group_states *s = &g->states[g->state_count];
    s->field = field;
    agg_states_init(&s->states, kind, &g->buckets, g->budget);
    return g->state_count++;
}

bool groups_init(groups *g, const plan *p, const bool *wanted, const agg_buckets *buckets,
                 group_keys *keys, agg_budget *budget)
{
    *g = (groups){.plan = p,
                  .keys = keys,
                  .budget = budget,
                  .buckets = *buckets,
                  .key_count = p->breakdown_count,
                  .row_states = STATES_NONE};
    g->states = agg_alloc(budget, (p->calc_count + 1) * sizeof *g->states);
    g->calc_states = agg_alloc(budget, (p->calc_count + 1) * sizeof *g->calc_states);
    if (!g->states || !g->calc_states)
        return false;
    for (uint32_t i = 0; i < p->calc_count; i++) {
        g->calc_states[i] = STATES_NONE;
        if (!wanted || wanted[i])
            g->calc_states[i] =
                put_states(g, agg_rule_of(p->calcs[i].op)->family, p->calcs[i].field);
    }
    if (!wanted && p->wants_series)
        g->row_states = put_states(g, AGG_COUNT, GROUP_NO_FIELD);
    return g->key_count > 0 || groups_append(g, NULL);
}

void groups_done(groups *g)
{
    for (uint32_t i = 0; i < g->state_count; i++)
        agg_states_done(&g->states[i].states);
    agg_free(g->budget, g->states, (g->plan->calc_count + 1) * sizeof *g->states);
    agg_free(g->budget, g->calc_states, (g->plan->calc_count + 1) * sizeof *g->calc_states);
    agg_free(g->budget, g->tuples, (size_t)g->capacity * g->key_count * sizeof *g->tuples);
    agg_free(g->budget, g->slots, g->slot_count * sizeof *g->slots);
    g->states = NULL;
    g->calc_states = g->tuples = g->slots = NULL;
    g->state_count = g->count = g->capacity = g->slot_count = 0;
}

bool groups_append(groups *g, const uint32_t *tuple)
{
    if ((uint64_t)(g->count + 1) * g->buckets.count > UINT32_MAX) {
        int none = 0;
        atomic_compare_exchange_strong(&g->budget->failed, &none, SK_TOO_LARGE);
        return false;
    }
    if (g->key_count && g->count == g->capacity) {
        uint32_t capacity = g->capacity ? g->capacity * 2 : SLOTS_FIRST;
        size_t row = g->key_count * sizeof *g->tuples;
        uint32_t *tuples = agg_realloc(g->budget, g->tuples, g->capacity * row, capacity * row);
        if (!tuples)
            return false;
        g->tuples = tuples;
        g->capacity = capacity;
    }
    for (uint32_t i = 0; i < g->state_count; i++)
        if (!agg_states_grow(&g->states[i].states, (g->count + 1) * g->buckets.count))
            return false;
    if (g->key_count && tuple)
        memcpy(g->tuples + (size_t)g->count * g->key_count, tuple, g->key_count * sizeof *tuple);
    g->count++;
    return true;
}

/* ---- one breakdown: the key number is the slot ---- */

static bool grow_direct(groups *g, uint32_t key)
{
    uint32_t slot_count = g->slot_count ? g->slot_count : SLOTS_FIRST;
    while (slot_count <= key)
        slot_count *= 2;
    uint32_t *slots =
        agg_realloc(g->budget, g->slots, g->slot_count * sizeof *slots, slot_count * sizeof *slots);
    if (!slots)
        return false;
    g->slots = slots;
    g->slot_count = slot_count;
    return true;
}

static bool put_direct(groups *g, uint32_t key, uint32_t *ret_group)
{
    if (key >= g->slot_count && !grow_direct(g, key))
        return false;
    if (!g->slots[key]) {
        if (!groups_append(g, &key))
            return false;
        g->slots[key] = g->count;
    }
    *ret_group = g->slots[key] - 1;
    return true;
}

static bool put_rows_direct(groups *g, const uint32_t *keys, uint32_t row_count, uint32_t *out)
{
    for (uint32_t i = 0; i < row_count; i++) {
        uint32_t key = keys[i];
        if (likely(key < g->slot_count && g->slots[key]))
            out[i] = g->slots[key] - 1;
        else if (!put_direct(g, key, &out[i]))
            return false;
    }
    return true;
}

/* ---- several: a hash of the tuple ---- */

static uint32_t hash_tuple(const uint32_t *tuple, uint32_t key_count)
{
    uint64_t h = tuple[0];
    for (uint32_t b = 1; b < key_count; b++)
        h = (h ^ h >> 29) * 0x9e3779b97f4a7c15ull + tuple[b];
    return (uint32_t)hash_mix(h);
}

static bool grow_hashed(groups *g)
{
    if (2 * (g->count + 1) < g->slot_count)
        return true;
    uint32_t slot_count = g->slot_count ? g->slot_count * 2 : 2 * SLOTS_FIRST;
    uint32_t *slots = agg_alloc(g->budget, slot_count * sizeof *slots);
    if (!slots)
        return false;
    for (uint32_t n = 0; n < g->count; n++) {
        uint32_t i = hash_tuple(groups_tuple(g, n), g->key_count) & (slot_count - 1);
        while (slots[i])
            i = (i + 1) & (slot_count - 1);
        slots[i] = n + 1;
    }
    agg_free(g->budget, g->slots, g->slot_count * sizeof *g->slots);
    g->slots = slots;
    g->slot_count = slot_count;
    return true;
}

/* The slot where the tuple is, or would be. */
static uint32_t probe(const groups *g, const uint32_t *tuple)
{
    uint32_t i = hash_tuple(tuple, g->key_count) & (g->slot_count - 1);
    while (g->slots[i] &&
           memcmp(groups_tuple(g, g->slots[i] - 1), tuple, g->key_count * sizeof *tuple))
        i = (i + 1) & (g->slot_count - 1);
    return i;
}

static bool put_hashed(groups *g, const uint32_t *tuple, uint32_t *ret_group)
{
    if (!grow_hashed(g))
        return false;
    uint32_t slot = probe(g, tuple);
    if (!g->slots[slot]) {
        if (!groups_append(g, tuple))
            return false;
        g->slots[slot] = g->count;
    }
    *ret_group = g->slots[slot] - 1;
    return true;
}

static inline bool gather_tuple(const uint32_t *const *keys, uint32_t key_count, uint32_t row,
                                uint32_t *tuple)
{
    bool is_same = true;
    for (uint32_t b = 0; b < key_count; b++) {
        is_same &= tuple[b] == keys[b][row];
        tuple[b] = keys[b][row];
    }
    return is_same;
}

static bool put_rows_hashed(groups *g, const uint32_t *const *keys, uint32_t row_count,
                            uint32_t *out)
{
    uint32_t tuple[SPEC_LIST_MAX];
    memset(tuple, 0xff, g->key_count * sizeof *tuple);
    for (uint32_t i = 0; i < row_count; i++) {
        if (gather_tuple(keys, g->key_count, i, tuple))
            out[i] = out[i - 1]; /* row 0 never equals the impossible tuple above */
        else if (!put_hashed(g, tuple, &out[i]))
            return false;
    }
    return true;
}

bool groups_put_rows(groups *g, const uint32_t *const *keys, uint32_t row_count, uint32_t *out)
{
    must(g->key_count <= SPEC_LIST_MAX);
    if (g->key_count == 1)
        return put_rows_direct(g, keys[0], row_count, out);
    if (g->key_count > 1)
        return put_rows_hashed(g, keys, row_count, out);
    memset(out, 0, row_count * sizeof *out);
    return true;
}

void groups_find_rows(const groups *g, const uint32_t *const *keys, uint32_t row_count,
                      uint32_t *out)
{
    uint32_t tuple[SPEC_LIST_MAX];
    memset(tuple, 0xff, sizeof tuple);
    for (uint32_t i = 0; i < row_count; i++) {
        if (g->key_count == 0)
            out[i] = 0;
        else if (g->key_count == 1)
            out[i] = keys[0][i] < g->slot_count ? g->slots[keys[0][i]] - 1 : GROUP_NONE;
        else if (gather_tuple(keys, g->key_count, i, tuple))
            out[i] = out[i - 1];
        else
            out[i] = g->slot_count ? g->slots[probe(g, tuple)] - 1 : GROUP_NONE;
    }
}

/* The cell of `into` for every cell of `from`; NULL: budget.failed. */
static uint32_t *match_cells(groups *into, const groups *from)
{
    uint32_t buckets = from->buckets.count;
    uint32_t *to = agg_alloc(into->budget, ((size_t)from->count * buckets + 1) * sizeof *to);
    for (uint32_t n = 0; to && n < from->count; n++) {
        uint32_t group = 0;
        const uint32_t *tuple = from->key_count ? groups_tuple(from, n) : NULL;
        if ((from->key_count == 1 && !put_direct(into, tuple[0], &group)) ||
            (from->key_count > 1 && !put_hashed(into, tuple, &group)))
            break;
        for (uint32_t b = 0; b < buckets; b++)
            to[(size_t)n * buckets + b] = group * buckets + b;
    }
    return to;
}

bool groups_merge(groups *into, groups *from)
{
    must(into->state_count == from->state_count);
    must(into->buckets.count == from->buckets.count);
    uint32_t *to = match_cells(into, from);
    for (uint32_t i = 0; i < into->state_count && !atomic_load(&into->budget->failed); i++)
        agg_merge_all(&into->states[i].states, &from->states[i].states, to);
    agg_free(into->budget, to, ((size_t)from->count * from->buckets.count + 1) * sizeof *to);
    return atomic_load(&into->budget->failed) == 0;
}

bool groups_merge_places(groups *into, groups *from)
{
    must(into->state_count == from->state_count);
    must(into->count >= from->count);
    for (uint32_t i = 0; i < into->state_count; i++)
        agg_merge_all(&into->states[i].states, &from->states[i].states, NULL);
    return atomic_load(&into->budget->failed) == 0;
}

bool groups_have_notes(const groups *g)
{
    bool has = false;
    for (uint32_t i = 0; i < g->state_count; i++)
        has |= agg_has_notes(&g->states[i].states);
    return has;
}

bool groups_settle(groups *g)
{
    for (uint32_t i = 0; i < g->state_count; i++)
        if (!agg_settle(&g->states[i].states))
            return false;
    return true;
}
