/*
 * query/aggregate/sketch_private.h: a cell of the sketch (percentiles, HEATMAP; aggregate.h "sketch"), shared by sketch.c (counting
 * and merging), sketch_log.c (values that are noted first) and sketch_read.c (what a cell says).
 */
#ifndef QUERY_AGGREGATE_SKETCH_PRIVATE_H
#define QUERY_AGGREGATE_SKETCH_PRIVATE_H

#include "query/aggregate/aggregate_private.h"

#define KEY_SHIFT (52 - AGG_SKETCH_MANTISSA_BITS)
#define KEY_MAX   ((int32_t)(0x7ff << AGG_SKETCH_MANTISSA_BITS)) /* of the greatest finite double */
/* Windows of so many cells stay in the caches; of a series only one bucket's are in use at a time. */
#define WINDOW_CELLS        1024u
#define WINDOW_CELLS_SERIES 4096u
#define MANY_CELLS_SERIES   16384u
#define WINDOW_MAX          4096u /* buckets: 64 octaves */
#define OCTAVE              (1 << AGG_SKETCH_MANTISSA_BITS)
#define LIST_FIRST          8u
#define LIST_FEW            32u
#define LIST_LONG           128u /* entries: any cell's are better counted in a window */

/* A window that holds more is counted with care; weights above QUICK_MAX are; the loose weight of all cells stays below LOOSE_MAX. All
 * together fit a counter. */
#define CARE_FROM (UINT32_MAX / 2)
#define QUICK_MAX (UINT32_MAX / 8)
#define LOOSE_MAX (UINT32_MAX / 4)

/* An entry: key + KEY_BIAS above, weight in the low 46 bits; ascending entries have ascending keys. */
#define KEY_BIAS    ((int32_t)1 << 17)
#define WEIGHT_BITS 46
#define WEIGHT_MAX  (((uint64_t)1 << WEIGHT_BITS) - 1)

typedef struct sketch_cell {
    /* The part of the window whose keys lie between those of least and greatest: most values need no more than this. No key
     * below 2, so that those of zero and of negative numbers need no look; empty when a counter could overflow. */
    uint32_t *inner;
    int32_t inner_base;
    uint32_t inner_length;
    uint32_t in_window; /* weight, but for what is loose: so no counter of it overflows */
    int32_t base;       /* key of window[0] */
    uint32_t *window;
    uint64_t *list;
    uint32_t length, used, capacity;
    uint64_t in_list; /* weight of the entries */
    double least, greatest;
} sketch_cell;

static inline int32_t key_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    uint64_t magnitude = bits << 1 >> 1;
    int32_t key = (int32_t)(magnitude >> KEY_SHIFT) + (magnitude != 0);
    int32_t sign = -(int32_t)(bits >> 63);
    return (key ^ sign) - sign;
}

static inline uint64_t entry_of(int32_t key, uint64_t weight)
{
    return (uint64_t)(key + KEY_BIAS) << WEIGHT_BITS | weight;
}

static inline int32_t entry_key(uint64_t entry)
{
    return (int32_t)(entry >> WEIGHT_BITS) - KEY_BIAS;
}

static inline uint64_t entry_weight(uint64_t entry)
{
    return entry & WEIGHT_MAX;
}

static inline bool cell_is_empty(const sketch_cell *c)
{
    return c->length == 0 && c->used == 0;
}

/* Widens the range of values; before the cell's weights change. */
static inline void sketch__range(sketch_cell *c, double least, double greatest)
{
    if (unlikely(cell_is_empty(c))) {
        c->least = least;
        c->greatest = greatest;
    }
    c->least = least < c->least ? least : c->least;
    c->greatest = greatest > c->greatest ? greatest : c->greatest;
}

/* How many cells count in windows. */
static inline uint32_t sketch__window_cells(const agg_states *s)
{
    return s->buckets.count > 1 ? WINDOW_CELLS_SERIES : WINDOW_CELLS;
}

/* Values of the others are noted, and of all when there are too many. */
static inline bool sketch__counts_at_once(const agg_states *s, uint32_t cell)
{
    return cell < sketch__window_cells(s) &&
           s->count < (s->buckets.count > 1 ? MANY_CELLS_SERIES : WINDOW_CELLS);
}

/* ---- sketch.c ---- */
/* Sorts and joins entries of one key; returns how many are left. */
uint32_t sketch__compact(uint64_t *entries, uint32_t count);
bool sketch__reserve(agg_states *s, sketch_cell *c, uint32_t need) must_use; /* entries */
/* An entry into the list. */
void sketch__add_entry(agg_states *s, sketch_cell *c, int32_t key, uint64_t weight);
/* Makes the window hold the keys [low, end) too; false when it would be too long, or the budget has failed. */
bool sketch__widen(agg_states *s, sketch_cell *c, int32_t low, int32_t end) must_use;
/* To be called whenever the window or the range has changed. */
void sketch__find_inner(sketch_cell *c);
/* All that is loose into in_window. */
void sketch__add_up(agg_states *s);
/* A value outside of the inner window, or that is no number. */
void sketch__put_value(agg_states *s, sketch_cell *c, double v, uint32_t weight);

/* Its place in the inner window; none: a number as large as any length. */
static inline uint32_t sketch__inner_place(const sketch_cell *c, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return (uint32_t)(bits >> KEY_SHIFT) + 1 - (uint32_t)c->inner_base;
}

static inline bool sketch__is_full(const agg_states *s, const sketch_cell *c, uint64_t more)
{
    return more + c->in_window + s->loose > UINT32_MAX;
}

static inline void sketch__add(agg_states *s, sketch_cell *c, double v, uint32_t weight)
{
    uint32_t at = sketch__inner_place(c, v);
    if (unlikely(at >= c->inner_length || weight > QUICK_MAX || c->in_window > CARE_FROM)) {
        sketch__put_value(s, c, v, weight);
        return;
    }
    c->inner[at] += weight;
    c->in_window += weight;
}

/* ---- sketch_log.c: agg_states.own ---- */
void sketch__note(agg_states *s, uint32_t cell, double v); /* of weight 1 */
bool sketch__fold(agg_states *s) must_use;                 /* into the cells */
bool sketch__move_log(agg_states *into, agg_states *from, const uint32_t *to) must_use;
void sketch__done_log(agg_states *s);

#endif
