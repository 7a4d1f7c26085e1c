/*
 * event/batch.h: the events of one request, decoded, as typed columns in one arena. Built by `receive` (or by replay of
 * the journal), checked and stamped by `intake`, encoded by event/codec.h, scanned as it is while it is an open batch.
 *
 * Shape. Rows are numbered 0 … row_count-1 in the order they were begun. Per-row arrays hold what every event has
 * (time, rate, dataset) and the ids. Everything else is a column: one (name, type) pair with values on some rows:
 *   points  ascending, unique row numbers with one value each; `rows` is NULL once frozen if every row has a
 *           value (or none has)
 *   ranges  [first_row, end_row) with one value for all of them: resource and scope attributes. A later range hides an
 *           earlier one and a point hides every range.
 * A row has at most one value per name, whatever its type: a put takes back an earlier one of another type, and
 * batch_freeze cuts ranges where a point or a later range of another type hides them. So a reader may take the columns
 * of one name in any order; within one column it applies ranges in their order, then points.
 * Strings are codes into the batch's own dictionary (`strings`); publishing maps them to the table's.
 *
 * Precedence when names clash, highest first (honeycomb.md §2.3): item, scope, resource, columns built by the mapping.
 * The receiver achieves it by order: mapped values are put first (batch_put_*), item attributes after them; resource and
 * scope attributes are ranges, which points hide, so a receiver asks batch_in_range before it puts a mapped value.
 * It opens a resource's ranges, then a scope's, and closes each when the resource or scope ends.
 *
 * Bounds: the arena's cap; EVENT_FIELDS_MAX per row. Sticky failure: after an allocation failed all puts are no-ops
 * and batch_failed() says so.
 */
#ifndef EVENT_BATCH_H
#define EVENT_BATCH_H

#include "base/arena.h"
#include "base/err.h"
#include "base/intern.h"
#include "event/types.h"

#define COLUMN_NONE UINT32_MAX

typedef struct column_range {
    uint32_t first_row, end_row;
    uint64_t bits; /* as in column.bits; string, bool and histogram codes in the low 32 bits */
} column_range;

typedef struct column {
    span name;
    field_type type;
    uint32_t count, capacity; /* points */
    uint32_t *rows;           /* NULL once frozen when count == row_count */
    uint32_t *codes;          /* string, histogram: dictionary code; bool: 0 or 1. Else NULL */
    uint64_t *bits;           /* int: two's complement; float: IEEE bits. Else NULL */
    column_range *ranges;
    uint32_t range_count, range_capacity;
    uint32_t next_same_name; /* another type of the same name, or COLUMN_NONE */
} column;

typedef struct batch {
    arena *mem;
    family family;
    int64_t arrival_ns; /* set by intake */
    uint32_t row_count, row_capacity;
    int64_t *time_ns;
    uint32_t *rate;     /* sample rate ≥ 1 */
    uint32_t *dataset;  /* dictionary code of the dataset's name */
    trace_id *trace_id; /* the id arrays are always there; all zero = absent */
    uint64_t *span_id;
    uint64_t *parent_id;
    column *columns;
    uint32_t column_count, column_capacity;
    const span *strings; /* frozen: code → text, in the arena */
    uint32_t string_count;
    uint32_t dropped_items; /* by the receiver, for partial success */
    uint32_t truncated_strings;
    struct batch_builder *builder; /* NULL once frozen */
} batch;

batch *batch_new(family f, size_t cap_bytes); /* NULL when memory is short */
void batch_free(batch *take_b);
bool batch_failed(const batch *b);

/* ---- building ---- */
/* Interns; cut at EVENT_STRING_MAX; INTERN_NONE when failed. */
uint32_t batch_string(batch *b, span s);
span batch_text(const batch *b, uint32_t code);
/* The column of (name, type), made on first use. COLUMN_NONE when failed or when the name is empty or longer than
 * EVENT_FIELD_NAME_MAX; puts into it return false. `predict`: a slot the caller keeps per position, holding the column
 * found there last time (start with COLUMN_NONE); a hit costs one compare. May be NULL. */
uint32_t batch_column(batch *b, span name, field_type type, uint32_t *predict);
/* A guess of how many rows will come, made before the first: arrays begin that long, so rather too high. */
void batch_expect_rows(batch *b, size_t row_count);
/* The new row's number; UINT32_MAX when failed. A rate of 0 becomes 1. */
uint32_t batch_begin_row(batch *b, int64_t time_ns, uint32_t rate, uint32_t dataset_code);
/* Undo every point put since row `row` was begun, and the rows from it on: for items refused half-way. Ranges stay;
 * batch_freeze cuts them at the last row. */
void batch_drop_row(batch *b, uint32_t row);

/* Put a value of the newest row. Returns false when the row's field limit is reached (the value is dropped) or failed. */
bool batch_put_string(batch *b, uint32_t column, span s);
bool batch_put_code(batch *b, uint32_t column, uint32_t code); /* of batch_string */
bool batch_put_int(batch *b, uint32_t column, int64_t v);
bool batch_put_float(batch *b, uint32_t column, double v);
bool batch_put_bool(batch *b, uint32_t column, bool v);
/* Histogram bytes go through batch_string and are cut like text: refuse points whose bytes exceed EVENT_STRING_MAX. */

/* One value for rows [first_row, end_row); end_row BATCH_RANGE_OPEN = until batch_close_ranges (at most EVENT_FIELDS_MAX
 * open at a time, they count as fields of each row; first_row then at most row_count). */
#define BATCH_RANGE_OPEN UINT32_MAX
bool batch_put_range(batch *b, uint32_t column, uint32_t first_row, uint32_t end_row,
                     uint64_t bits);
uint32_t batch_open_ranges(const batch *b); /* how many are open: the mark for batch_close_ranges */
/* Those opened since the mark end with the newest row. */
void batch_close_ranges(batch *b, uint32_t open_before);
/* Does a range of the column's name, of any type, cover `row`? Cheap for the newest row. Before freeze only. */
bool batch_in_range(const batch *b, uint32_t column, uint32_t row);
/* Ends building: trims rows arrays of full columns, leaves out columns without values (so column numbers change), joins
 * neighbouring equal ranges, cuts hidden ones, makes `strings`. The batch is immutable afterwards but for intake's
 * stamping (time_ns, rate, arrival_ns). False when failed. */
bool batch_freeze(batch *b) must_use;

/* ---- reading one cell: slow and obvious, for tests, tails and traces ---- */
typedef struct value {
    bool is_set;
    field_type type;
    union {
        span text; /* string; histogram bytes */
        int64_t i;
        double f;
        bool b;
    };
} value;

/* The value of one column at one row (ranges and points considered); is_set false when there is none. */
value batch_cell(const batch *b, uint32_t column, uint32_t row);
/* By name over all types and the id fields (whose text is put into the arena `mem`). */
value batch_get(const batch *b, span name, uint32_t row, arena *mem);

/* ---- canonical text (DESIGN §3): the one by which values of several types are compared and grouped ---- */
#define VALUE_TEXT_MAX 32
/* string: itself; int: decimal; float: a whole number below 2^63 as an int's text (1.0 is "1", -0.0 is "0"), else the
 * fewest digits of %g from 15 (subnormals: from 1) that read back, "inf", "-inf", "nan"; bool: true, false; histogram:
 * empty. Distinct counts hash this text, so it never changes. */
span value_text(value v, char scratch[VALUE_TEXT_MAX]);
/* Number of a value for <, > and calculations: int, float, or a string that is wholly a number (span_to_double). What is
 * not finite is no number. */
bool value_number(value v, double *ret);

#endif
