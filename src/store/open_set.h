/*
 * store/open_set.h: durable batches of one table that are not in a segment yet, with one dictionary and one list of columns
 * between them. The publisher (one at a time, under the table's publish lock) adds; readers hold a view: counts copied
 * under the table's lock, below which nothing changes any more.
 */
#ifndef STORE_OPEN_SET_H
#define STORE_OPEN_SET_H

#include "base/intern.h"
#include "store/part.h"
#include "store/stable.h"

typedef struct open_column_ref {
    uint32_t set_column, batch_column;
} open_column_ref;

typedef struct open_batch {
    batch *batch;
    uint32_t first_row; /* in the set */
    uint32_t column_count;
    open_column_ref *columns; /* ascending by set_column */
    uint32_t *codes;          /* batch code → set code */
    uint64_t *trace_filter; /* see trace_filter_* in open_set.c; NULL when no row has a trace id */
    uint32_t trace_filter_words;
    int64_t min_time_ns, max_time_ns;
    publish_info info;
} open_batch;

typedef struct open_column {
    span name; /* in the set's strings */
    uint32_t hash;
    field_type type;
    _Atomic uint64_t value_count; /* relaxed: a figure */
} open_column;

typedef struct open_view {
    uint32_t batch_count, row_count, column_count, string_count;
    int64_t min_time_ns, max_time_ns;
    uint64_t bytes;
} open_view;

typedef struct open_set {
    family family;
    _Atomic uint32_t refs;
    intern *strings;
    stable batches, columns;
    uint32_t *slots; /* (name, type) → column, the publisher's own */
    uint32_t slot_mask;
    uint64_t seed;
    open_view written; /* the publisher's own */
    open_view shown;   /* guarded by the table's lock */
    /* guarded by the table's lock once shown */
    uint64_t first_seq, last_seq;
    int64_t first_arrival_ns, opened_mono_ns;
    bool is_ended; /* accepts no more: may be sealed */
    memory *account;
    size_t reserved; /* of `account` */
} open_set;

open_set *open_set_new(family f, memory *account); /* NULL when memory is short */
void open_set_ref(open_set *s);
void open_set_unref(open_set *s); /* NULL is fine */
/* Adds a batch to the written view. On failure (SK_NO_MEMORY) the set is as it was and the caller keeps the batch. */
sk_code open_set_add(open_set *s, publish_info info, batch *b, err *e) must_use;
/* Under the table's lock: what was written is shown from now on. */
void open_set_show(open_set *s);

static inline const open_batch *open_set_batch(const open_set *s, uint32_t index)
{
    return stable_at(&s->batches, index, sizeof(open_batch));
}

static inline const open_column *open_set_column(const open_set *s, uint32_t index)
{
    return stable_at(&s->columns, index, sizeof(open_column));
}

/* The batch that holds a row of the set: the last whose first_row is not above it. */
uint32_t open_set_batch_of(const open_set *s, uint32_t batch_count, uint32_t row);
/* The column's number in the batch, or COLUMN_NONE. */
uint32_t open_batch_column(const open_batch *b, uint32_t set_column);
bool open_batch_may_have_trace(const open_batch *b, trace_id id);

/* open_part.c: a part over the set's view; takes a reference. */
typedef struct open_part {
    part base;
    open_set *set;
    open_view view;
    dictionary dictionary;
} open_part;

void open_part_init(open_part *p, open_set *s, const open_view *view);
void open_part_done(open_part *p);

#endif
