/*
 * store/order.h: in which order the rows of some parts go into a new segment. Rows are named by one number over all inputs:
 * input i begins at a multiple of VECTOR_ROWS, so that row / VECTOR_ROWS is a block of one input (order_block).
 */
#ifndef STORE_ORDER_H
#define STORE_ORDER_H

#include "store/format.h"
#include "store/part.h"

typedef struct order_input {
    const part *part;
    part_reader *reader;
    part_info info;
    uint32_t first_row; /* of this input, in the common numbering */
    bool is_ordered;    /* its rows are already in the order asked for */
} order_input;

typedef struct order_inputs {
    order_input *at;
    uint32_t count;
    uint32_t row_end;         /* one past the last number used: a multiple of VECTOR_ROWS */
    const uint64_t *selected; /* bit per row number: rows to take; NULL = all */
    vector *scratch[3];
} order_inputs;

typedef struct row_order {
    uint32_t count;
    uint32_t *source; /* output row → row number */
    /* Traces only: rows whose parents are resolved anew (the others keep their distance: their run was not touched). */
    uint64_t *loose;      /* bit per row number */
    uint32_t *loose_rank; /* loose rows before each word */
    int32_t *distance;    /* by rank: output rows back to the parent; 0 = not among these rows */
    bool shares_ids;      /* several spans of a loose trace have one id */
} row_order;

/* Opens readers over the parts and gives them numbers. SK_TOO_LARGE past 2^32 rows. */
sk_code order_inputs_open(const part *const *parts, uint32_t count, order_inputs *ret,
                          err *e) must_use;
void order_inputs_done(order_inputs *in); /* zeroed is fine */
/* The input of a block of numbers, and which of its blocks it is. */
order_input *order_block(const order_inputs *in, uint32_t block, uint32_t *ret_block);

static inline bool order_is_selected(const order_inputs *in, uint32_t row)
{
    return !in->selected || (in->selected[row / 64] >> (row & 63) & 1);
}

static inline bool order_is_loose(const row_order *o, uint32_t row)
{
    return o->loose[row / 64] >> (row & 63) & 1;
}

static inline uint32_t order_rank(const row_order *o, uint32_t row)
{
    uint64_t before = o->loose[row / 64] & ((1ull << (row & 63)) - 1);
    return o->loose_rank[row / 64] + bit_count(before);
}

/* ORDER_TRACES (order_traces.c): traces by first time, then id; in each the spans, then the rows without a span id, by time. */
sk_code order_traces(const order_inputs *in, row_order *ret, err *e) must_use;
/* ORDER_STREAMS (order_streams.c): by dataset, metric.name and time. */
sk_code order_streams(const order_inputs *in, row_order *ret, err *e) must_use;
void row_order_done(row_order *o);

#endif
