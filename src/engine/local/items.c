/*
 * engine/local/items.c: see items.h.
 */
#include "engine/local/items.h"

#include "base/must.h"

#define CAPACITY_FIRST 64u

static uint32_t grown_capacity(uint32_t capacity)
{
    return capacity ? capacity * 2 : CAPACITY_FIRST;
}

static bool grow(agg_budget *b, void **at, uint32_t capacity, size_t item_bytes)
{
    void *grown = agg_realloc(b, *at, capacity * item_bytes, grown_capacity(capacity) * item_bytes);
    if (grown)
        *at = grown;
    return grown != NULL;
}

bool item_list_add(agg_budget *b, item_list *l, const void *item, size_t item_bytes)
{
    if (l->count == l->capacity) {
        must(l->capacity < UINT32_MAX / 2);
        if (!grow(b, &l->at, l->capacity, item_bytes))
            return false;
        l->capacity = grown_capacity(l->capacity);
    }
    memcpy((uint8_t *)l->at + l->count++ * item_bytes, item, item_bytes);
    return true;
}

void item_list_free(agg_budget *b, item_list *l, size_t item_bytes)
{
    agg_free(b, l->at, l->capacity * item_bytes);
    *l = (item_list){0};
}

static void put(uint32_t *slots, uint32_t slot_count, uint32_t hash, uint32_t number)
{
    uint32_t i = hash & (slot_count - 1);
    while (slots[i])
        i = (i + 1) & (slot_count - 1);
    slots[i] = number + 1;
}

static bool grow_table(agg_budget *b, item_table *t, size_t item_bytes)
{
    uint32_t capacity = grown_capacity(t->capacity), slot_count = capacity * 2;
    must(capacity < UINT32_MAX / 4);
    uint32_t *slots = agg_alloc(b, slot_count * sizeof *slots),
             *hashes = agg_alloc(b, capacity * sizeof *hashes);
    if (!slots || !hashes || !grow(b, &t->at, t->capacity, item_bytes)) {
        agg_free(b, slots, slot_count * sizeof *slots);
        agg_free(b, hashes, capacity * sizeof *hashes);
        return false;
    }
    for (uint32_t i = 0; i < t->count; i++) {
        hashes[i] = t->hashes[i];
        put(slots, slot_count, hashes[i], i);
    }
    agg_free(b, t->slots, t->slot_count * sizeof *t->slots);
    agg_free(b, t->hashes, t->capacity * sizeof *t->hashes);
    t->slots = slots;
    t->hashes = hashes;
    t->capacity = capacity;
    t->slot_count = slot_count;
    return true;
}

void *item_table_add(agg_budget *b, item_table *t, uint32_t hash, size_t item_bytes)
{
    if (t->count == t->capacity && !grow_table(b, t, item_bytes))
        return NULL;
    put(t->slots, t->slot_count, hash, t->count);
    t->hashes[t->count] = hash;
    void *item = (uint8_t *)t->at + t->count++ * item_bytes;
    memset(item, 0, item_bytes);
    return item;
}

void item_table_free(agg_budget *b, item_table *t, size_t item_bytes)
{
    agg_free(b, t->slots, t->slot_count * sizeof *t->slots);
    agg_free(b, t->hashes, t->capacity * sizeof *t->hashes);
    agg_free(b, t->at, t->capacity * item_bytes);
    *t = (item_table){0};
}
