/*
 * store/snapshot.h: what a query sees: an immutable set of parts of one environment, each a sealed segment or an open set
 * (durable batches that share a dictionary). Taken in O(parts), released when done; files stay readable meanwhile.
 *
 * A part is rows 0 … row_count-1 in blocks of VECTOR_ROWS rows (an open set's blocks may be shorter; use the block's own
 * count). A column is (name, type); pseudo columns hold what every row has. Reading is per block, per column, into a
 * vector; readers are per thread and hold the scratch memory.
 */
#ifndef STORE_SNAPSHOT_H
#define STORE_SNAPSHOT_H

#include "event/vector.h"
#include "store/store.h"

/* Pseudo columns, always there; named columns are numbered from PART_COLUMNS on. */
enum {
    PART_TIME,      /* INTS: ns */
    PART_RATE,      /* INTS */
    PART_DATASET,   /* CODES */
    PART_TRACE_ID,  /* TRACE_IDS */
    PART_SPAN_ID,   /* IDS */
    PART_PARENT_ID, /* IDS */
    PART_COLUMNS
};

typedef struct snapshot snapshot;
typedef struct part part;
typedef struct part_reader part_reader;

typedef struct part_info {
    uint64_t
        id; /* unique over the store's life, new with every change of content: a cache key. Open sets: 0, never cached */
    family family;
    bool is_open;
    bool has_unique_ids; /* known: no two spans of a trace in this part have one span id */
    uint32_t row_count, block_count, column_count; /* named columns */
    int64_t min_time_ns, max_time_ns;
    uint64_t bytes; /* on disk; open sets: in memory */
} part_info;

typedef struct part_column {
    span name;
    field_type type;
    uint64_t value_count;
} part_column;

typedef struct part_block {
    uint32_t first_row, row_count;
    int64_t min_time_ns, max_time_ns;
} part_block;

/* Parts with rows in [start_ns, end_ns) of the families in the mask (1 << FAMILY_X). */
sk_code store_snapshot(store *s, uint32_t environment, uint32_t family_mask, int64_t start_ns,
                       int64_t end_ns, snapshot **ret, err *e) must_use;
void snapshot_release(snapshot *take_s); /* NULL is fine; any thread, after its readers are freed */
uint32_t snapshot_part_count(const snapshot *s);
const part *snapshot_part(const snapshot *s, uint32_t index);

void part_info_get(const part *p, part_info *ret);
void part_block_get(const part *p, uint32_t block, part_block *ret);
part_column part_column_get(const part *p, uint32_t column); /* column ≥ PART_COLUMNS */
/* The named columns called `name`, one per type: writes up to FIELD_TYPE_COUNT numbers, returns how many. */
uint32_t part_find(const part *p, span name, uint32_t ret_columns[FIELD_TYPE_COUNT]);
/* The column of this name that was made when the part was sealed (store.h, store_cacher); UINT32_MAX: it has none. It is read like a named
 * one, but stands in no list. */
uint32_t part_cached_column(const part *p, span name);
/* code → text of a CODES column; stays valid while the snapshot is held. */
const dictionary *part_dictionary(const part *p, uint32_t column);

/* Skipping. False when no row of the block can qualify; true when it may. Cheap: no block is read. */
bool part_block_has_column(const part *p, uint32_t column, uint32_t block);
bool part_block_is_full(const part *p, uint32_t column,
                        uint32_t block); /* known: every row has a value */
bool part_block_number_range(const part *p, uint32_t column, uint32_t block, double *ret_min,
                             double *ret_max); /* false: unknown */
/* `wanted`: bitmap over the column's codes. */
bool part_block_may_hold(const part *p, uint32_t column, uint32_t block, const uint64_t *wanted);

sk_code part_reader_new(const part *p, part_reader **ret, err *e) must_use;
void part_reader_free(part_reader *take_r);
/* Decodes one column of one block. A damaged block is SK_CORRUPT and named; the caller leaves it out and says so. */
sk_code part_read(part_reader *r, uint32_t column, uint32_t block, vector *out, err *e) must_use;
/* The same for `count` rows from `first` on alone, which become rows 0 … count - 1 of the vector. Not for trace ids. */
sk_code part_read_rows(part_reader *r, uint32_t column, uint32_t block, uint32_t first,
                       uint32_t count, vector *out, err *e) must_use;
/* The same for a column of codes, without loading their texts: part_read_text gives those that are wanted. */
sk_code part_read_codes(part_reader *r, uint32_t column, uint32_t block, vector *out,
                        err *e) must_use;
/* The texts that part_read_codes left, of all codes that the block may have. */
sk_code part_load_texts(part_reader *r, uint32_t column, uint32_t block, err *e) must_use;
/* One text of a column; stays until the next call. What is read for it is not kept for others: for texts that are looked at once. */
sk_code part_read_text(part_reader *r, uint32_t column, uint32_t code, span *ret, err *e) must_use;
/* Row numbers (in the part) of each row's parent row, TREE_NONE-like UINT32_MAX when it is not in this part. Sealed trace
 * segments store them; open sets and logs give UINT32_MAX for all (callers resolve by id). `ret_ids` (VECTOR_ROWS of them, or
 * NULL): the parent's id where a row has a parent whose row is not told, else 0. */
sk_code part_read_parents(part_reader *r, uint32_t block, uint32_t out[VECTOR_ROWS],
                          uint64_t *ret_ids, err *e) must_use;
/* How a column's values in a block follow from the codes of another: entry 0 is what a row has in which that has no value, entry
 * 1 + c what goes with its code c. Only values of codes that occur are in range. */
typedef struct part_table {
    uint32_t source, entry_count; /* 0: it does not follow */
    const uint8_t *has;           /* per entry: 1 when the row has a value */
    const uint64_t *values;       /* codes, bits of numbers, 0 or 1 */
    uint64_t min, max;            /* of codes: those whose texts may be asked for */
    bool is_constant;             /* instead: every row has `constant` */
    uint64_t constant;
} part_table;
sk_code part_read_table(part_reader *r, uint32_t column, uint32_t block, part_table *ret,
                        err *e) must_use;
uint64_t part_reader_bytes(const part_reader *r); /* read from disk or memory so far */

/* The runs of rows of one trace that a sealed part's index holds: their hashes and first rows, a page at a time, ascending by
 * hash. Open sets have no index: nothing is called. */
uint32_t part_trace_hash(trace_id id);
sk_code part_trace_runs(const part *p,
                        sk_code (*each)(void *ctx, const uint32_t *hashes, const uint32_t *rows,
                                        uint32_t count, err *e),
                        void *ctx, err *e) must_use;

/* Rows of one trace: calls `each` with ranges of rows per part, in no order. Uses the trace-id indexes; absent ids cost a
 * probe per part. */
sk_code snapshot_find_trace(snapshot *s, trace_id id,
                            sk_code (*each)(void *ctx, const part *p, uint32_t first_row,
                                            uint32_t end_row),
                            void *ctx, err *e) must_use;

#endif
