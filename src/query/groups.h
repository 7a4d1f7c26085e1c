/*
 * query/groups.h: the group table: which groups there are, and the states of their calculations per group and time bucket.
 * Each worker of a query has its own over the shared group_keys; groups_merge joins them. Cells are dense: cell =
 * group * buckets.count + bucket. Calculations that need the same state of the same field share it.
 */
#ifndef QUERY_GROUPS_H
#define QUERY_GROUPS_H

#include "query/group_keys.h"

#define GROUP_NONE     UINT32_MAX
#define GROUP_NO_FIELD UINT32_MAX
#define STATES_NONE    UINT32_MAX

typedef struct group_states {
    uint32_t field; /* of plan.fields; GROUP_NO_FIELD: COUNT of rows */
    agg_states states;
} group_states;

typedef struct groups {
    const plan *plan;
    group_keys *keys;
    agg_budget *budget;
    agg_buckets buckets;
    uint32_t key_count; /* breakdowns */
    uint32_t count, capacity;
    uint32_t *tuples; /* key numbers: count * key_count */
    uint32_t *slots;  /* group + 1 by hash of the tuple, 0 = free; one breakdown: by key number */
    uint32_t slot_count;
    group_states *states;
    uint32_t state_count;
    uint32_t *
        calc_states; /* per calculation of the plan: index into states, or STATES_NONE when not kept */
    uint32_t
        row_states; /* COUNT of rows: says which points a series has; STATES_NONE when not kept */
} groups;

/* `wanted`: which calculations to keep (plan.calc_count flags; NULL = all). Without breakdowns group 0 is there from
 * the start. False: budget.failed. */
bool groups_init(groups *g, const plan *p, const bool *wanted, const agg_buckets *buckets,
                 group_keys *keys, agg_budget *budget) must_use;
void groups_done(groups *g); /* also after a failed init */

/* Group numbers of rows, made when new. keys[b][i]: key number of breakdown b at row i. */
bool groups_put_rows(groups *g, const uint32_t *const *keys, uint32_t row_count,
                     uint32_t *out) must_use;
/* The same without making any: GROUP_NONE for unknown tuples. Safe for concurrent readers. */
void groups_find_rows(const groups *g, const uint32_t *const *keys, uint32_t row_count,
                      uint32_t *out);
/* Appends a group that no lookup finds. */
bool groups_append(groups *g, const uint32_t *tuple) must_use;
/* Adds the groups of another worker's table, which is left with less. */
bool groups_merge(groups *into, groups *from) must_use;
/* The same when both have the same groups in the same places. */
bool groups_merge_places(groups *into, groups *from) must_use;
/* Once, after the last row and the last merge: before anything is read. */
bool groups_settle(groups *g) must_use;
bool groups_have_notes(const groups *g); /* merging takes them away */

static inline const uint32_t *groups_tuple(const groups *g, uint32_t group)
{
    return g->tuples + (size_t)group * g->key_count;
}

#endif
