/*
 * engine/local/items.h: a list and a table of items that grow within a query's budget. What an item is, and when two are one, is the
 * caller's.
 */
#ifndef ENGINE_LOCAL_ITEMS_H
#define ENGINE_LOCAL_ITEMS_H

#include "query/aggregate/aggregate.h"

typedef struct item_list {
    void *at;
    uint32_t count, capacity;
} item_list;

/* False: the budget has failed. */
bool item_list_add(agg_budget *b, item_list *l, const void *item, size_t item_bytes) must_use;
void item_list_free(agg_budget *b, item_list *l, size_t item_bytes);

/* Items in the order they came, found by a hash: open addressing. */
typedef struct item_table {
    void *at;
    uint32_t *hashes, *slots; /* slots: item + 1 */
    uint32_t count, capacity, slot_count;
} item_table;

/* The items of a hash, one after the other: `*step` is 0 at first. False: there are no more. */
static inline bool item_table_next(const item_table *t, uint32_t hash, uint32_t *step,
                                   uint32_t *ret)
{
    while (t->slot_count) {
        uint32_t slot = t->slots[(hash + (*step)++) & (t->slot_count - 1)];
        if (!slot)
            return false;
        if (t->hashes[slot - 1] == hash) {
            *ret = slot - 1;
            return true;
        }
    }
    return false;
}

/* One more, zeroed: number count - 1. Items move when the table grows. NULL: the budget has failed. */
void *item_table_add(agg_budget *b, item_table *t, uint32_t hash, size_t item_bytes) must_use;
void item_table_free(agg_budget *b, item_table *t, size_t item_bytes);

#endif
