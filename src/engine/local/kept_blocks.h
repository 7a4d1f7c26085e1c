/*
 * engine/local/kept_blocks.h: what questions found out about sealed blocks, kept for the next: the self times and gaps of their rows, as the
 * part alone gives them (of traces that lie elsewhere too others tell), what differences makes of a block, and columns. By the ids of
 * parts, which are new with every change of content. Bounded; what does not fit is found anew each time.
 */
#ifndef ENGINE_LOCAL_KEPT_BLOCKS_H
#define ENGINE_LOCAL_KEPT_BLOCKS_H

#include "base/memory.h"

typedef struct kept_blocks kept_blocks;

/* `m`: whose account it is held in; may be NULL. NULL: no memory. */
kept_blocks *kept_blocks_new(memory *m);
void kept_blocks_free(kept_blocks *take_t);

/* A question begins: blocks that the last ones did not look at make room for others. */
void kept_blocks_begin(kept_blocks *t);
/* Gives back all that nobody holds. Not now, while another thread is at it: ingest asks, and must not wait for a question's. */
void kept_blocks_drop(kept_blocks *t);
/* Times in ns, -1: none. False: they are not kept. */
bool kept_blocks_times(kept_blocks *t, uint64_t part_id, uint32_t block, uint32_t row_count,
                       int64_t *ret_self_ns, int64_t *ret_gap_ns) must_use;
void kept_blocks_put_times(kept_blocks *t, uint64_t part_id, uint32_t block, uint32_t row_count,
                           const int64_t *self_ns, const int64_t *gap_ns);

/* What is kept of a block; but for times, each is made by its reader. A `kind` is one of these. */
typedef enum kept_kind {
    KEPT_TIMES,
    KEPT_FACTS,  /* differ_facts.c */
    KEPT_TOTALS, /* differ_totals.c */
    KEPT_COLUMNS /* kept_columns.c: this and the column's number */
} kept_kind;

/* It stays until it is let go of. NULL: it is not kept. */
const void *kept_blocks_hold(kept_blocks *t, uint32_t kind, uint64_t part_id, uint32_t block,
                             uint32_t row_count);
void kept_blocks_let_go(kept_blocks *t, const void *held);
/* Whether so many bytes more would be kept: before anything is made for them. */
bool kept_blocks_fits(kept_blocks *t, uint32_t kind, size_t bytes) must_use;
/* Room for `bytes` of it, to be filled and given back by kept_blocks_keep. NULL: there is no room, or it is kept already. */
void *kept_blocks_room(kept_blocks *t, uint32_t kind, uint64_t part_id, uint32_t block,
                       uint32_t row_count, size_t bytes);
void kept_blocks_keep(kept_blocks *t, void *take_room);

/* How often that was found so far. */
uint64_t kept_blocks_found(kept_blocks *t, uint32_t kind);

#endif
