/*
 * engine/local/scan.h: reading the rows a plan is about: a snapshot's parts cut into morsels, the plan's fields and filters
 * resolved once per part, and per worker the block at hand: its columns (decoded once each, when asked for) and the
 * rows that passed. What is known per dictionary code (does it match, which key, which number) is kept per part and
 * shared by the workers: each text is looked at once. Used by run.c, service_map.c and fields.c.
 */
#ifndef ENGINE_LOCAL_SCAN_H
#define ENGINE_LOCAL_SCAN_H

#include "base/thread.h"
#include "query/aggregate/aggregate.h"
#include "store/snapshot.h"

/* One column that may give a field its value, in the order they are asked. */
typedef struct scan_source {
    uint32_t column;
    field_type type;     /* ids: FIELD_STRING */
    bool is_id;          /* one of the id columns */
    uint32_t code_count; /* of the dictionary; 0: not a column of codes */
    const dictionary *dictionary;
    /* By code, 0 = not asked yet; NULL until first used. Shared: relaxed atomics, any worker writes the same value. */
    _Atomic(uint32_t) *keys;    /* group_keys number */
    _Atomic(uint16_t) *places;  /* of a second pass: place of the group + 1 */
    _Atomic(uint64_t) *numbers; /* bits of the double ^ SCAN_NUMBER_MASK; NaN: no number */
    _Atomic(uint64_t) *hashes;  /* hash64 of the text; one that is 0 is asked every time */
} scan_source;

#define SCAN_NUMBER_MASK 0x7ff8dead5eed0001ull /* bits that no number has */

typedef struct scan_field {
    uint32_t count;
    bool overlaps; /* a row may have a value in several sources: the first counts */
    scan_source *sources;
} scan_field;

/* What a filter says of each code of one source: 0 not asked, 1 no, 2 yes. */
typedef struct scan_verdicts {
    _Atomic(uint8_t) *by_code;
    uint64_t *wanted; /* bitmap of the codes that may match; NULL: not known */
    bool is_searched; /* the dictionary was searched: texts need not be loaded with the codes */
} scan_verdicts;

enum { SCAN_PART_NEW, SCAN_PART_PREPARING, SCAN_PART_READY, SCAN_PART_FAILED };

typedef struct scan_part {
    const part *part;
    part_info info;
    scan_field *fields;       /* plan.field_count, then the dataset */
    scan_verdicts **verdicts; /* [filter][source] */
    int state;                /* SCAN_PART_…; guarded by scan.guard */
    bool is_hopeless;         /* no row can match: set when it became ready */
} scan_part;

/* A filter with its values in every form a column may have. */
typedef struct scan_filter {
    plan_filter filter;
    uint32_t field;   /* of scan_part.fields */
    bool is_equality; /* = != in not-in */
    uint32_t int_count, float_count, trace_id_count, span_id_count;
    int64_t *ints;
    double *floats; /* finite */
    trace_id *trace_ids;
    uint64_t *span_ids;
    bool has_odd_text; /* nan, inf: only the slow way tells */
} scan_filter;

typedef struct scan_morsel {
    uint32_t part, first_block, end_block;
} scan_morsel;

typedef struct scan {
    const plan *plan;
    agg_budget *budget;
    arena *mem;
    uint32_t part_count, filter_count, morsel_count;
    scan_part *parts;
    scan_filter *filters; /* the dataset's first, when one is named */
    bool has_dataset_filter;
    scan_morsel *morsels;
    uint64_t rows_total; /* in the morsels */
    struct structure
        *structure; /* of fields that the whole trace decides (structure.h); NULL: none is asked */
    struct kept_blocks *kept; /* of columns that were read before; NULL: none */
    lock
        guard; /* the parts' states, and who allocates by-code arrays; nothing else is locked under it */
    condition prepared;
} scan;

/* Damaged blocks that were left out. */
typedef struct scan_damage {
    uint32_t blocks;
    char first[200];
} scan_damage;

typedef struct scan_slot {
    uint32_t column;
    bool without_texts; /* read by scan_read_codes alone */
    vector *vector;
} scan_slot;

/* One worker's place in the scan. */
typedef struct scan_worker {
    scan *scan;
    uint32_t part; /* UINT32_MAX: none yet */
    scan_part *at;
    part_reader *reader;
    uint32_t block, row_count;
    part_block bounds;
    uint32_t slot_count, slot_capacity, slots_used;
    scan_slot *slots;
    struct structure_worker *structure; /* made when first needed */
    /* Of another scan of the same parts: what it has read of the block at hand is not read again. NULL: none. */
    const struct scan_worker *peer;
    /* Rows of the block that passed; `all`: every one. Bits beyond row_count are 0. */
    uint64_t selected[VECTOR_WORDS];
    uint32_t count;
    bool all;
    uint16_t rows[VECTOR_ROWS];
    uint32_t rows_in_order; /* so many first `rows` are 0, 1, 2 … */
    uint64_t rows_scanned, bytes_read, bytes_of_reader;
    scan_damage damage;
    err error;
} scan_worker;

/* `p` may have no filters and no calculations: fields alone. The snapshot outlives the scan. */
sk_code scan_open(scan *s, const plan *p, snapshot *snap, agg_budget *budget, arena *mem,
                  err *e) must_use;
void scan_close(scan *s);
/* Makes a part ready, as its first block does. False: the budget has failed. */
bool scan_prepare(scan *s, uint32_t part_number) must_use;

void scan_worker_init(scan_worker *w, scan *s);
void scan_worker_done(scan_worker *w);

/* Moves to a block and finds its rows. SK_OK with count 0: nothing here. Damage leaves the block out (count 0) and is
 * noted; other errors end the query. */
sk_code scan_block(scan_worker *w, uint32_t part_number, uint32_t block, err *e) must_use;
/* Moves to a block and does not ask which rows. SK_CORRUPT: its part cannot be read. */
sk_code scan_go_to(scan_worker *w, uint32_t part_number, uint32_t block, err *e) must_use;
/* A column of the block at hand. SK_CORRUPT: the block must be left out (scan_leave_out). */
sk_code scan_read(scan_worker *w, uint32_t number, const vector **ret, err *e) must_use;
/* The same for codes whose texts are hardly wanted: see part_read_codes. */
sk_code scan_read_codes(scan_worker *w, uint32_t number, const vector **ret, err *e) must_use;
/* The same for a source. Also SK_CORRUPT when its dictionary could not be had before. */
sk_code scan_read_source(scan_worker *w, const scan_source *of, const vector **ret,
                         err *e) must_use;
void scan_leave_out(scan_worker *w, const err *e);

/* The rows of a vector as bits, with no bit beyond row_count. */
void scan_present(const vector *v, uint64_t out[VECTOR_WORDS]);

/* Which selected rows take their field's value from a source. `at`: positions k (row = rows[k]); with `all` every position
 * and `at` is not filled. `claimed`: rows that an earlier source has, updated; NULL when the field has no overlaps. */
typedef struct scan_taken {
    bool all;
    uint32_t count;
    uint16_t at[VECTOR_ROWS];
} scan_taken;
void scan_take(const scan_worker *w, const vector *v, uint64_t *claimed, scan_taken *ret);

/* The value of a vector at a row, as plan_filter_matches and value_text want it. Text of ids is put into `scratch`. */
typedef struct scan_scratch {
    char text[40];
} scan_scratch;
value scan_value(const vector *v, field_type type, uint32_t row, scan_scratch *scratch);

/* Shared arrays by code, made on first use; NULL: the budget has failed. */
_Atomic(uint32_t) *scan_keys_of(scan *s, scan_source *of);
_Atomic(uint16_t) *scan_places_of(scan *s, scan_source *of);
_Atomic(uint64_t) *scan_numbers_of(scan *s, scan_source *of);
_Atomic(uint64_t) *scan_hashes_of(scan *s, scan_source *of);

/* ---- scan_filter.c ---- */
sk_code scan__filters_open(scan *s, err *e) must_use;
bool scan__filters_prepare(scan *s, scan_part *p) must_use; /* false: the budget has failed */
void scan__filters_close(scan *s, scan_part *p);
/* Whether a block may have a row that passes, without reading it. */
bool scan__filters_may_match(const scan *s, const scan_part *p, uint32_t block);
/* Narrows w->selected (rows in time) to the rows that pass. */
sk_code scan__filters_apply(scan_worker *w, err *e) must_use;
/* One filter alone. */
bool scan__filter_may_match(const scan *s, const scan_part *p, uint32_t filter, uint32_t block);
/* The rows among `within` that it lets pass. */
sk_code scan__filter_match(scan_worker *w, uint32_t filter, const uint64_t *within, uint64_t *out,
                           err *e) must_use;

#endif
