/*
 * engine/local/span_times.h: the self times and gaps of the rows of sealed blocks, kept between queries, as their part alone gives
 * them: what they are of a trace that lies elsewhere too is not asked here. By the ids of parts, which are new with every change
 * of content. Bounded; of what does not fit, the rest is found anew each time. Beside them what differences makes of a block.
 */
#ifndef ENGINE_LOCAL_SPAN_TIMES_H
#define ENGINE_LOCAL_SPAN_TIMES_H

#include "base/memory.h"

typedef struct span_times span_times;

/* `m`: whose account it is held in; may be NULL. NULL: no memory. */
span_times *span_times_new(memory *m);
void span_times_free(span_times *take_t);

/* A question begins: blocks that the last ones did not look at make room for others. */
void span_times_begin(span_times *t);
/* Times in ns, -1: none. False: they are not kept. */
bool span_times_get(span_times *t, uint64_t part_id, uint32_t block, uint32_t row_count,
                    int64_t *ret_self_ns, int64_t *ret_gap_ns) must_use;
void span_times_put(span_times *t, uint64_t part_id, uint32_t block, uint32_t row_count,
                    const int64_t *self_ns, const int64_t *gap_ns);

/* What else is kept of a block, each made by its reader. */
typedef enum kept_kind {
    KEPT_TIMES,
    KEPT_FACTS,  /* differ_facts.c */
    KEPT_TOTALS, /* differ_totals.c */
    KEPT_KINDS
} kept_kind;

/* It stays until it is let go of. NULL: it is not kept. */
const void *span_times_hold(span_times *t, kept_kind kind, uint64_t part_id, uint32_t block,
                            uint32_t row_count);
void span_times_let_go(span_times *t, const void *held);
/* Whether so many bytes more would be kept: before anything is made for them. */
bool span_times_fits(span_times *t, size_t bytes) must_use;
/* Room for `bytes` of it, to be filled and given back by span_times_keep. NULL: there is no room, or it is kept already. */
void *span_times_room(span_times *t, kept_kind kind, uint64_t part_id, uint32_t block,
                      uint32_t row_count, size_t bytes);
void span_times_keep(span_times *t, void *take_room);

/* How often blocks' were found so far. */
uint64_t span_times_found(span_times *t, kept_kind kind);

#endif
