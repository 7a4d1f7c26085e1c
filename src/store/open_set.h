/*
 * store/open_set.h: durable batches of one table that are not in a segment yet, with one dictionary and one list of columns
 * between them. The publisher (one at a time, under the table's publish lock) adds; readers hold a view: counts copied
 * under the table's lock, below which nothing changes any more.
 */
#ifndef STORE_OPEN_SET_H
#define STORE_OPEN_SET_H

#include "base/arena.h"
#include "base/intern.h"
#include "store/part.h"
#include "store/stable.h"

/* One column's values in one batch: as struct column of event/batch.h, with the set's codes. Places are in units of eight bytes
 * from the batch's memory; 0 = there is none. A wide event has thousands of these. */
typedef struct open_values {
    uint32_t set_column;
    uint32_t count;  /* points */
    uint32_t rows;   /* u32 each; 0: every row has one */
    uint32_t values; /* u32 codes (strings, histograms, bools) or u64 bits (numbers) */
    uint32_t ranges, range_count;
} open_values;

/* A batch in the form it is scanned in: exact arrays in one piece of memory, a third of what building it took. */
typedef struct open_batch {
    uint32_t first_row; /* in the set */
    uint32_t row_count, column_count;
    uint32_t one_rate, one_dataset; /* of all rows, when there is no array */
    int64_t arrival_ns, min_time_ns, max_time_ns;
    publish_info info;
    int64_t *time_ns;         /* where the one piece of memory begins */
    uint32_t *rate, *dataset; /* NULL: all the same */
    trace_id *trace_id;       /* NULL: none has one */
    uint64_t *span_id, *parent_id;
    open_values *columns;   /* ascending by set_column */
    uint64_t *trace_filter; /* see open_pack.c */
    uint32_t trace_filter_words;
    size_t bytes;
} open_batch;

typedef struct open_column {
    const uint8_t *name; /* in the set's names */
    uint32_t hash;
    uint16_t name_len;
    uint8_t type;                 /* field_type */
    _Atomic uint32_t value_count; /* relaxed: a figure */
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
    arena *names; /* of columns */
    stable batches, columns;
    uint32_t *slots; /* (name, type) → column, the publisher's own */
    uint32_t slot_mask;
    uint64_t seed;
    uint32_t *column_map, *code_map; /* the publisher's own: of the batch in hand */
    uint32_t column_map_capacity, code_map_capacity;
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
/* Adds what the batch holds to the written view. On failure (SK_NO_MEMORY) the view is as it was. */
sk_code open_set_add(open_set *s, publish_info info, const batch *b, err *e) must_use;
/* Under the table's lock: what was written is shown from now on. */
void open_set_show(open_set *s);

static inline const open_batch *open_set_batch(const open_set *s, uint32_t index)
{
    return stable_at(&s->batches, index, sizeof(open_batch));
}

static inline const void *open_batch_at(const open_batch *b, uint32_t place)
{
    return place ? (const uint64_t *)b->time_ns + place : NULL;
}

static inline const open_column *open_set_column(const open_set *s, uint32_t index)
{
    return stable_at(&s->columns, index, sizeof(open_column));
}

static inline span open_column_name(const open_column *c)
{
    return span_of(c->name, c->name_len);
}

/* The batch that holds a row of the set: the last whose first_row is not above it. */
uint32_t open_set_batch_of(const open_set *s, uint32_t batch_count, uint32_t row);
/* The column's values in the batch, or NULL. */
const open_values *open_batch_column(const open_batch *b, uint32_t set_column);
bool open_batch_may_have_trace(const open_batch *b, trace_id id);

/* ---- open_pack.c ---- */
/* Copies a batch: `columns` (batch column → set column) and `codes` (batch code → set code) say what its numbers mean here. */
sk_code open_batch_pack(const batch *b, const uint32_t *columns, const uint32_t *codes,
                        open_batch *ret, err *e) must_use;
void open_batch_free(open_batch *b);

/* ---- open_part.c: a part over the set's view; takes a reference ---- */
typedef struct open_part {
    part base;
    open_set *set;
    open_view view;
    dictionary dictionary;
} open_part;

void open_part_init(open_part *p, open_set *s, const open_view *view);
void open_part_done(open_part *p);

#endif
