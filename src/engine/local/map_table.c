/*
 * engine/local/map_table.c: what the service map measures into: an entry per edge (and per service that is entered), with its count,
 * errors and a sketch of durations. Durations are fed in batches.
 */
#include <math.h>

#include "base/hash.h"
#include "engine/local/map.h"

map_table *map_table_new(const agg_buckets *range, agg_budget *budget)
{
    map_table *t = agg_alloc(budget, sizeof *t);
    if (!t)
        return NULL;
    t->budget = budget;
    agg_states_init(&t->durations, AGG_SKETCH, range, budget);
    return t;
}

void map_table_free(map_table *take_t)
{
    if (!take_t)
        return;
    agg_budget *budget = take_t->budget;
    agg_states_done(&take_t->durations);
    agg_free(budget, take_t->entries, take_t->capacity * sizeof *take_t->entries);
    agg_free(budget, take_t->slots, take_t->slot_count * sizeof *take_t->slots);
    agg_free(budget, take_t->seen, take_t->seen_count);
    agg_free(budget, take_t, sizeof *take_t);
}

static uint32_t hash_edge(uint64_t from, uint64_t to, uint32_t kind)
{
    return (uint32_t)hash_mix(from * 0x9e3779b97f4a7c15ull ^ (to + kind));
}

static bool grow_table(map_table *t)
{
    if (t->count == t->capacity) {
        uint32_t capacity = t->capacity ? t->capacity * 2 : 64;
        map_edge_entry *entries = agg_realloc(t->budget, t->entries, t->capacity * sizeof *entries,
                                              capacity * sizeof *entries);
        if (!entries)
            return false;
        t->entries = entries;
        t->capacity = capacity;
    }
    if (2 * (t->count + 1) < t->slot_count)
        return true;
    uint32_t slot_count = t->slot_count ? t->slot_count * 2 : 256;
    uint32_t *slots = agg_alloc(t->budget, slot_count * sizeof *slots);
    if (!slots)
        return false;
    for (uint32_t n = 0; n < t->count; n++) {
        uint32_t i =
            hash_edge(t->entries[n].from, t->entries[n].to, t->entries[n].kind) & (slot_count - 1);
        while (slots[i])
            i = (i + 1) & (slot_count - 1);
        slots[i] = n + 1;
    }
    agg_free(t->budget, t->slots, t->slot_count * sizeof *t->slots);
    t->slots = slots;
    t->slot_count = slot_count;
    return true;
}

static bool is_edge(const map_table *t, uint32_t entry, uint64_t from, uint64_t to, edge_kind kind)
{
    const map_edge_entry *x = &t->entries[entry];
    return x->from == from && x->to == to && x->kind == kind;
}

/* The entry of an edge, made when new; NULL: the budget has failed. */
static map_edge_entry *find_entry(map_table *t, uint64_t from, uint64_t to, edge_kind kind)
{
    uint32_t hash = hash_edge(from, to, kind);
    uint32_t *memo = &t->memo[hash % MAP_MEMO];
    if (likely(*memo && is_edge(t, *memo - 1, from, to, kind)))
        return &t->entries[*memo - 1];
    if (!grow_table(t) || !agg_states_grow(&t->durations, t->count + 1))
        return NULL;
    uint32_t i = hash & (t->slot_count - 1);
    while (t->slots[i] && !is_edge(t, t->slots[i] - 1, from, to, kind))
        i = (i + 1) & (t->slot_count - 1);
    if (!t->slots[i]) {
        t->entries[t->count] = (map_edge_entry){.from = from, .to = to, .kind = kind};
        t->slots[i] = ++t->count;
    }
    *memo = t->slots[i];
    return &t->entries[*memo - 1];
}

static void feed(map_table *t)
{
    agg_update(&t->durations, &(agg_run){.count = t->batch_count,
                                         .cells = t->batch_cells,
                                         .weights = t->batch_weights,
                                         .kind = AGG_VALUES_FLOATS,
                                         .floats = t->batch_values});
    t->batch_count = 0;
}

bool map_table_add(map_table *t, uint64_t from, uint64_t to, edge_kind kind, map_measure x)
{
    if (from == to)
        return true;
    map_edge_entry *entry = find_entry(t, from, to, kind);
    if (!entry)
        return false;
    entry->count += x.weight;
    entry->errors += x.is_error ? x.weight : 0;
    if (isnan(x.duration_ms))
        return true;
    t->batch_cells[t->batch_count] = (uint32_t)(entry - t->entries);
    t->batch_weights[t->batch_count] = x.weight;
    t->batch_values[t->batch_count++] = x.duration_ms;
    if (t->batch_count == MAP_BATCH)
        feed(t);
    return true;
}

bool map_table_settle(map_table *t)
{
    feed(t);
    return agg_settle(&t->durations);
}

bool map_table_merge_entry(map_table *into, uint64_t from, uint64_t to, edge_kind kind,
                           const map_table *t, uint32_t entry)
{
    map_edge_entry *mine = find_entry(into, from, to, kind);
    if (!mine)
        return false;
    mine->count += t->entries[entry].count;
    mine->errors += t->entries[entry].errors;
    agg_merge(&into->durations, (uint32_t)(mine - into->entries), &t->durations, entry);
    return true;
}

bool map_table_see(map_table *t, uint32_t service)
{
    if (service >= t->seen_count) {
        uint32_t count = t->seen_count ? t->seen_count : 64;
        while (count <= service)
            count *= 2;
        uint8_t *seen = agg_realloc(t->budget, t->seen, t->seen_count, count);
        if (!seen)
            return false;
        t->seen = seen;
        t->seen_count = count;
    }
    t->seen[service] = 1;
    return true;
}
