/*
 * engine/local/straddle.h: which traces have rows in more than one place of a snapshot, so that no part alone can tell what the trace says:
 * in several parts, in several runs of rows of one part, in an open set, or in more than two blocks. By the hashes of the
 * segments' trace indexes: two traces that share one only cost the slow way. What the sealed parts say is kept between queries.
 */
#ifndef ENGINE_LOCAL_STRADDLE_H
#define ENGINE_LOCAL_STRADDLE_H

#include "engine/local/derive.h"
#include "engine/local/local_private.h"
#include "engine/local/scan.h"

/* Hashes, open addressing. */
typedef struct straddle_set {
    agg_budget *budget;
    uint32_t count, slot_count;
    uint32_t *slots; /* 0 = free */
    bool is_partial; /* an index could not be read: traces of its part may be missing */
} straddle_set;

void straddle_set_done(straddle_set *s);

static inline bool straddle_has(const straddle_set *s, uint32_t hash)
{
    hash += hash == 0;
    if (!s->count)
        return false;
    uint32_t i = hash & (s->slot_count - 1);
    while (s->slots[i] && s->slots[i] != hash)
        i = (i + 1) & (s->slot_count - 1);
    return s->slots[i] != 0;
}

/* The trace parts of the scan decide; `w` is a worker of it. Looks at `c` between pages and blocks. */
sk_code straddle_find(local *l, uint32_t environment, scan_worker *w, const run_control *c,
                      straddle_set *ret, err *e) must_use;

/* The blocks of a sealed part that may hold rows of a trace in the set: a bit each, set in `out` (zeroed). */
sk_code straddle_mark(const straddle_set *s, const scan_part *p, const run_control *c,
                      uint64_t *out, err *e) must_use;

typedef struct span_identity {
    uint64_t id, parent_id;
    int64_t time_ns, duration_ns; /* -1: none */
} span_identity;

/* A straddling span, and its self time and gap, for which its whole trace was looked at. */
typedef struct straddle_time {
    uint32_t part, row; /* part: of the scan */
    int64_t self_ns, gap_ns;
    span_identity span;
} straddle_time;

/* Those that were kept for the parts of the scan, in the order in which they were given, within its budget. False: none are, or rows
 * are open. NULL in *ret: the budget has failed. */
bool straddle_recall_times(local *l, uint32_t environment, const scan *s, straddle_time **ret,
                           uint32_t *ret_count) must_use;
/* Keeps them beside the hashes, where there is room and no row is open. In order of parts. */
void straddle_keep_times(local *l, uint32_t environment, const scan *s, const straddle_time *times,
                         uint32_t count);

/* What is kept: of the few environments asked last. */
typedef struct straddle_cache straddle_cache;
straddle_cache *straddle_cache_new(void); /* NULL: no memory */
void straddle_cache_free(straddle_cache *take_c);

/* What it means when a budget has failed while traces were looked at. */
sk_code straddle_budget_error(const agg_budget *b, err *e);
/* An array of at least `wanted` items within a budget: `array` is where its pointer is kept. False: the budget has failed. */
bool straddle_reserve(agg_budget *b, void *array, size_t *capacity, size_t wanted,
                      size_t item_bytes) must_use;
/* Sorts by the upper 32 bits; `room` as long. */
void straddle_sort(uint64_t *keys, uint64_t *room, size_t count);

#endif
