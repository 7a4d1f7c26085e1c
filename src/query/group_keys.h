/*
 * query/group_keys.h: the values of a query's breakdown fields as dense numbers, one number space per breakdown, so that
 * rows are grouped by integers. Number 0 is "absent". One table per query, shared by its workers: between begin and end
 * one worker holds a breakdown's table, so callers put what a whole block needs at once. Values are told
 * apart by canonical text; ids (never equal to a text that a sender wrote: event/fields.h) by their bits.
 */
#ifndef QUERY_GROUP_KEYS_H
#define QUERY_GROUP_KEYS_H

#include "query/aggregate/aggregate.h"

typedef struct group_keys group_keys;

#define GROUP_KEY_ABSENT 0u
#define GROUP_KEY_NONE   UINT32_MAX

/* How a key is shown: as the strongest form any row of it had. */
typedef enum group_key_form {
    GROUP_KEY_TEXT = 0,
    GROUP_KEY_NUMBER = 1,
    GROUP_KEY_BOOL = 2
} group_key_form;

group_keys *group_keys_new(uint32_t breakdown_count, agg_budget *budget); /* NULL: budget.failed */
void group_keys_free(group_keys *take_k);

void group_keys_begin(group_keys *k, uint32_t breakdown);
void group_keys_end(group_keys *k, uint32_t breakdown);
/* Between begin and end. The number of a value; GROUP_KEY_NONE when the budget is used up. `is_lasting`: the text outlives
 * the table (a snapshot's dictionary), else it is copied. */
uint32_t group_keys_text(group_keys *k, uint32_t breakdown, span text, group_key_form form,
                         bool is_lasting);
/* Makes room for about `count` values, if memory lets it: growing step by step costs more. */
void group_keys_expect(group_keys *k, uint32_t breakdown, uint32_t count);
/* Of many at once: their places are fetched together. False: the budget is used up. */
bool group_keys_trace_ids(group_keys *k, uint32_t breakdown, const trace_id *ids, uint32_t count,
                          uint32_t *ret) must_use;
/* Whether a key is a trace id, and which. */
bool group_keys_is_trace_id(group_keys *k, uint32_t breakdown, uint32_t key, trace_id *ret);
uint32_t group_keys_span_id(group_keys *k, uint32_t breakdown, uint64_t id);
/* Upper bound (exclusive) of the numbers given so far. */
uint32_t group_keys_count(group_keys *k, uint32_t breakdown);

/* The key as shown (aggregate.h "groups"); texts of ids are made in `mem`, others are borrowed until the table is freed. */
result_value group_keys_value(group_keys *k, uint32_t breakdown, uint32_t key, arena *mem);

#endif
