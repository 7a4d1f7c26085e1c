/*
 * event/batch_private.h: what a batch under construction keeps besides its public arrays. Only
 * batch.c (building), batch_freeze.c (its end) and codec.c (which makes frozen batches without
 * building) see it.
 */
#ifndef EVENT_BATCH_PRIVATE_H
#define EVENT_BATCH_PRIVATE_H

#include "event/batch.h"

typedef struct column_build {
    span last_text; /* of the value put last and its code: runs of equal values cost one compare */
    uint32_t last_code;
    uint32_t first_same_name; /* head of the chain of next_same_name */
    bool has_siblings;        /* other types of the name exist */
    uint32_t open_ranges;
    uint32_t ranges_end; /* highest end_row of the closed ones */
    uint32_t *order;     /* per range: its place among all puts of ranges */
} column_build;

typedef struct open_range {
    uint32_t column, range;
} open_range;

#define TOUCHED_MAX 4096u /* power of two */

struct batch_builder {
    intern *strings;
    column_build *columns; /* column_capacity of the batch */
    uint32_t *slots;       /* open addressing: 1 + first column of a name; 0 = empty */
    uint32_t slot_count;
    open_range *open; /* a stack */
    uint32_t open_count, open_capacity;
    uint32_t range_order;
    uint32_t expected_rows;
    uint32_t row_fields; /* of the newest row, ranges over it included */
    /* Columns that got a point, newest TOUCHED_MAX of them as a ring, and where each row began: so
     * that dropping rows costs what they put and not a walk over all columns. */
    uint32_t *touched;
    uint32_t touched_capacity;
    uint64_t touched_end;
    uint64_t *row_touched;
    bool failed;
};

typedef struct batch_whole { /* what batch_new really makes */
    batch b;
    intern *strings; /* outlives the builder: the frozen batch's texts point into it. NULL when
                        decoded */
} batch_whole;

batch *batch__alloc(family f, size_t cap_bytes); /* an empty batch without a builder */
#define BATCH_GROW(b, array, old_count, new_count)                                                 \
    batch__grow((b)->mem, &(array), (old_count), (new_count), sizeof *(array))
bool batch__grow(arena *mem, void *array_pointer, uint32_t old_count, uint32_t new_count,
                 size_t item_bytes);

#endif
