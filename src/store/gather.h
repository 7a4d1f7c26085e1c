/*
 * store/gather.h: one column of several inputs, in output order. Decoded input blocks are kept in compact form while they
 * are needed: in a merge output follows input, so a few suffice; a seal jumps about in its one input, so all of
 * its blocks stay (8 bytes a row).
 */
#ifndef STORE_GATHER_H
#define STORE_GATHER_H

#include <stdatomic.h>

#include "store/order.h"
#include "store/segment_write.h"

/* A column over the inputs: its number in each, 0 where an input has none (named columns only). */
typedef struct gather_column {
    uint32_t pseudo; /* PART_TIME …, or PART_COLUMNS */
    span name;
    field_type type;
    const uint32_t *of_input; /* named ones */
    uint64_t value_count;     /* at most */
} gather_column;

typedef struct gather gather;

sk_code gather_new(const order_inputs *in, const row_order *order, uint32_t keep_blocks,
                   const atomic_bool *cancel, gather **ret, err *e) must_use;
void gather_free(gather *take_g); /* NULL is fine */
/* Writes the column, block by block. */
sk_code gather_write(gather *g, const gather_column *c, segment_writer *w, err *e) must_use;
/* Writes it as a rare column when it has at most `most` values with few bytes of texts, else says *ret_is_rare = false and
 * writes nothing; without values it is left out. `target`: row number → output row, UINT32_MAX = not taken. */
sk_code gather_write_rare(const order_inputs *in, const gather_column *c, const uint32_t *target,
                          uint32_t most, segment_writer *w, bool *ret_is_rare, err *e) must_use;

#endif
