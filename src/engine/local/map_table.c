/*
 * engine/local/map_table.c: what the service map measures into: an entry per edge (and per service that is entered), with its count,
 * errors and a sketch of durations. Spans that go to the same entries are counted as one class first.
 */
#include <math.h>

#include "base/hash.h"
#include "base/must.h"
#include "engine/local/map.h"

map_table *map_table_new(const agg_buckets *range, agg_budget *budget)
{
    map_table *t = agg_alloc(budget, sizeof *t);
    if (!t)
        return NULL;
    t->budget = budget;
    agg_states_init(&t->durations, AGG_SKETCH, range, budget);
    agg_states_init(&t->class_durations, AGG_SKETCH, range, budget);
    return t;
}

void map_table_free(map_table *take_t)
{
    if (!take_t)
        return;
    agg_budget *budget = take_t->budget;
    agg_states_done(&take_t->durations);
    agg_states_done(&take_t->class_durations);
    agg_free(budget, take_t->classes, take_t->class_capacity * sizeof *take_t->classes);
    agg_free(budget, take_t->class_slots, take_t->class_slot_count * sizeof *take_t->class_slots);
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
    if (!grow_table(t) || !agg_states_grow(&t->durations, t->count + 1))
        return NULL;
    uint32_t i = hash_edge(from, to, kind) & (t->slot_count - 1);
    while (t->slots[i] && !is_edge(t, t->slots[i] - 1, from, to, kind))
        i = (i + 1) & (t->slot_count - 1);
    if (!t->slots[i]) {
        t->entries[t->count] = (map_edge_entry){.from = from, .to = to, .kind = kind};
        t->slots[i] = ++t->count;
    }
    return &t->entries[t->slots[i] - 1];
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
    if (!isnan(x.duration_ms))
        agg_update(&t->durations, &(agg_run){.count = 1,
                                             .one_cell = (uint32_t)(entry - t->entries),
                                             .weights = &x.weight,
                                             .kind = AGG_VALUES_FLOATS,
                                             .floats = &x.duration_ms});
    return true;
}

/* ---- classes ---- */

bool map_table_class_add(map_table *t, map_class *c, uint64_t from, uint64_t to, edge_kind kind)
{
    if (from == to)
        return true;
    must(c->entry_count < MAP_CLASS_ENTRIES);
    const map_edge_entry *entry = find_entry(t, from, to, kind);
    if (entry)
        c->entries[c->entry_count++] = (uint32_t)(entry - t->entries);
    return entry != NULL;
}

static uint32_t hash_class(const map_class *c)
{
    uint64_t hash = c->is_error;
    for (uint32_t i = 0; i < c->entry_count; i++)
        hash = hash_mix(hash ^ (c->entries[i] + 1ull));
    return (uint32_t)hash;
}

static bool is_class(const map_class *a, const map_class *b)
{
    return a->is_error == b->is_error && a->entry_count == b->entry_count &&
           memcmp(a->entries, b->entries, a->entry_count * sizeof *a->entries) == 0;
}

static void place_class(map_table *t, uint32_t number)
{
    uint32_t i = hash_class(&t->classes[number]) & (t->class_slot_count - 1);
    while (t->class_slots[i])
        i = (i + 1) & (t->class_slot_count - 1);
    t->class_slots[i] = number + 1;
}

static bool grow_classes(map_table *t)
{
    if (t->class_count < t->class_capacity) /* slots are four times as many as classes */
        return true;
    uint32_t capacity = t->class_capacity ? t->class_capacity * 2 : 64;
    map_class *classes = agg_realloc(t->budget, t->classes, t->class_capacity * sizeof *classes,
                                     capacity * sizeof *classes);
    if (!classes)
        return false;
    t->classes = classes;
    t->class_capacity = capacity;
    agg_free(t->budget, t->class_slots, t->class_slot_count * sizeof *t->class_slots);
    t->class_slot_count = 0;
    t->class_slots = agg_alloc(t->budget, 4ul * capacity * sizeof *t->class_slots);
    if (!t->class_slots)
        return false;
    t->class_slot_count = 4 * capacity;
    for (uint32_t n = 0; n < t->class_count; n++)
        place_class(t, n);
    return true;
}

bool map_table_class(map_table *t, const map_class *c, uint32_t *ret)
{
    *ret = MAP_NO_CLASS;
    if (c->entry_count == 0)
        return true;
    if (!grow_classes(t) || !agg_states_grow(&t->class_durations, t->class_count + 1))
        return false;
    uint32_t i = hash_class(c) & (t->class_slot_count - 1);
    for (; t->class_slots[i]; i = (i + 1) & (t->class_slot_count - 1))
        if (is_class(&t->classes[t->class_slots[i] - 1], c)) {
            *ret = t->class_slots[i] - 1;
            return true;
        }
    t->classes[t->class_count] = *c;
    t->class_slots[i] = t->class_count + 1;
    *ret = t->class_count++;
    return true;
}

void map_table_measure(map_table *t, const uint32_t *classes, const double *durations_ms,
                       const uint32_t *weights, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        t->classes[classes[i]].count += weights ? weights[i] : 1;
    agg_update(&t->class_durations, &(agg_run){.count = count,
                                               .cells = classes,
                                               .weights = weights,
                                               .kind = AGG_VALUES_FLOATS,
                                               .floats = durations_ms});
}

bool map_table_settle(map_table *t)
{
    if (!agg_settle(&t->class_durations) || !agg_settle(&t->durations))
        return false;
    for (uint32_t n = 0; n < t->class_count; n++) {
        const map_class *c = &t->classes[n];
        for (uint32_t i = 0; i < c->entry_count; i++) {
            t->entries[c->entries[i]].count += c->count;
            t->entries[c->entries[i]].errors += c->is_error ? c->count : 0;
            agg_merge(&t->durations, c->entries[i], &t->class_durations, n);
        }
    }
    t->class_count = 0;
    return atomic_load(&t->budget->failed) == 0;
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
