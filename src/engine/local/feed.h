/*
 * engine/local/feed.h: from the selected rows of a block to the states of a group table: group numbers of the rows (by dictionary
 * code, so that a text is looked at once per part), cells, and runs of values for the aggregates. One feeder per worker.
 */
#ifndef ENGINE_LOCAL_FEED_H
#define ENGINE_LOCAL_FEED_H

#include "engine/local/scan.h"
#include "query/finish.h"

#define FEED_CACHE 1024u
/* A single pass may take this many states' worth of cells (about units of 8 bytes) for groups that will not be shown; when
 * those are the most, less: beyond what the processor's caches hold. */
#define FEED_SPLIT_COST       ((uint64_t)1 << 20)
#define FEED_SPLIT_COST_CACHE ((uint64_t)1 << 17)

/* Keys and hashes of numbers, by their bits: what was asked last wins. */
typedef struct feed_cached {
    uint64_t bits, answer;
    uint32_t kind; /* vector_kind + 1; 0 = empty */
} feed_cached;

/* Trace ids of the groups that are shown, with their keys: open addressing, key 0 = free. */
typedef struct feed_ids {
    uint32_t mask; /* 0: not made */
    struct {
        trace_id id;
        uint32_t key;
    } * slots;
} feed_ids;

typedef struct feeder {
    scan_worker scan;
    groups groups; /* this worker's */
    /* The second pass of a query with many groups: groups are looked up in the first pass's table and go to their
     * place; those not shown to two groups behind the shown ones. NULL: single pass, groups are made. */
    const groups *chosen_in;
    const finish_choice *choice;
    bool drops_others;           /* instead: rows of groups that are not shown go nowhere */
    feed_ids *chosen_ids;        /* then, per breakdown */
    bool none_is_shown;          /* no row of the block at hand is of a chosen trace */
    bool may_split, wants_split; /* too many cells: the query should take two passes */
    uint64_t cell_cost;
    /* of the block at hand */
    uint32_t one_cell;
    const uint32_t *cells,
        *weights; /* by position; cells NULL: all one_cell, weights NULL: all 1 */
    const int64_t *times;
    uint32_t cell_room[VECTOR_ROWS], weight_room[VECTOR_ROWS], group_room[VECTOR_ROWS];
    int64_t time_room[VECTOR_ROWS];
    uint32_t **keys; /* [breakdown][position] */
    /* of a run */
    uint32_t run_cells[VECTOR_ROWS], run_weights[VECTOR_ROWS];
    int64_t run_times[VECTOR_ROWS];
    union {
        int64_t run_ints[VECTOR_ROWS];
        double run_floats[VECTOR_ROWS];
        uint64_t run_hashes[VECTOR_ROWS];
        trace_id run_trace_ids[VECTOR_ROWS]; /* of groups: before there are values */
    };
    scan_taken taken;
    feed_cached (*key_cache)[FEED_CACHE]; /* per breakdown */
    feed_cached hash_cache[FEED_CACHE];
} feeder;

static inline bool feed_is_too_much(const plan *p, uint32_t group_count, uint64_t cell_cost)
{
    uint64_t most = group_count / 2 > p->limit ? FEED_SPLIT_COST_CACHE : FEED_SPLIT_COST;
    return group_count > p->limit && group_count * cell_cost > most;
}

/* NULL: the budget has failed. `wanted` as groups_init. */
feeder *feeder_new(scan *s, const bool *wanted, const agg_buckets *buckets, group_keys *keys);
void feeder_free(feeder *take_f);
/* Makes it the feeder of a second pass: groups for each place, then (unless they are dropped) other, then rest. */
bool feeder_set_choice(feeder *f, const groups *chosen_in, const finish_choice *choice,
                       bool drops_others) must_use;

/* One block. Damage is noted in f->scan and is SK_OK. */
sk_code feed_block(feeder *f, uint32_t part_number, uint32_t block, err *e) must_use;

#endif
