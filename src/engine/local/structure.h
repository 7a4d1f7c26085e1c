/*
 * engine/local/structure.h: what the trace says of a row (docs/internals/structure.md), for the scan of a query that asks for it: derived
 * fields and fields of other spans as columns of a block, and which rows the filters on other spans let pass. A query
 * without such fields has no structure and pays nothing.
 *
 * structure.c         opening: what is asked, and which values will be needed
 * structure_read.c    one block's spans as the rules see them
 * structure_gather.c  before the scan: the spans of all traces that no block can judge alone, whole, and their results
 * structure_block.c   during it: the results of a block's rows, in one pass
 * structure_field.c   results as columns and as the rows that pass
 * structure_any.c     any. and none.: before the scan the traces that have such a row
 */
#ifndef ENGINE_LOCAL_STRUCTURE_H
#define ENGINE_LOCAL_STRUCTURE_H

#include "engine/local/block_flags.h"
#include "engine/local/derive.h"
#include "engine/local/kept_blocks.h"
#include "engine/local/straddle.h"
#include "query/group_keys.h"

/* Column numbers of derived sources: the plan's field, and which of its sources. */
#define SCAN_DERIVED      0x80000000u
#define DERIVED_SOURCES   128u
#define DERIVED_GATHERED  112u /* from here on, by type: values of gathered spans */
#define STRUCTURE_BLOCKS  4u   /* of one worker: the one at hand, its neighbours, and one more */
#define STRUCTURE_COLUMNS 96u  /* sources of one value at most */

/* A field of another span whose value is asked for. */
typedef struct structure_value {
    uint32_t plan_field, inner_field;
    derive_relation relation;
    uint32_t types; /* bits of field_type that gathered spans have */
} structure_value;

/* The inner scan's own fields; then the values; then the fields of filters on other spans. */
enum { INNER_KIND, INNER_DURATION, INNER_SERVICE, INNER_INSTANCE, INNER_FIXED };

typedef struct gathered_value {
    uint64_t bits;  /* texts: their number */
    uint32_t type1; /* field_type + 1; 0: none */
} gathered_value;

/* A span of a trace that lies in several places: first as read, then with its results. Ordered by part and row. */
typedef struct gathered_span {
    trace_id trace;
    uint32_t part, row;
    union {
        derive_span span;
        derive_result result; /* chosen: gathered spans */
    };
} gathered_span;

typedef struct any_slot {
    trace_id trace; /* not set: free */
    uint8_t bits;   /* 1 << (relation - RELATION_ANY) */
} any_slot;

typedef struct any_set {
    agg_budget *budget;
    uint32_t count, slot_count;
    any_slot *slots;
} any_set;

typedef struct structure {
    local *engine;
    uint32_t environment;
    const run_control *control;
    const plan *plan; /* the query's */
    agg_budget *budget;
    arena *mem;
    plan inner_plan;
    scan inner; /* over the same parts */
    bool has_inner;
    bool needs_spans; /* anything but any. and none. */
    bool needs_resources;
    bool keeps_times; /* self times and gaps are all that is asked: they are kept (kept_blocks.h) */
    derive_rules rules;
    uint8_t filtered;  /* DERIVE_BITs of relations with filters */
    uint8_t any_bits;  /* of relations with filters, as any_slot */
    uint8_t match_all; /* DERIVE_BITs of relations without */
    uint32_t value_count;
    structure_value *values;
    uint32_t *value_of;          /* plan field → value + 1 */
    uint32_t *relation_of_inner; /* inner field → plan_relation, for filters */
    group_keys *texts;           /* 0: services and instances; 1: texts of gathered values */
    dictionary gathered_texts;
    span *text_list; /* its texts, by number: read under other tables' locks */
    straddle_set straddling;
    uint32_t span_count;
    size_t span_capacity, span_value_capacity;
    gathered_span *spans;
    gathered_value *span_values; /* value_count each */
    size_t time_capacity;
    straddle_time *times; /* of each span, when times are kept */
    uint32_t *first_span; /* per part, and the end */
    any_set any;
    scan_damage damage; /* of gathering */
    bool has_flags;
    _Atomic(uint8_t) *
        *flags; /* per part: what is known of its blocks (structure_block.c); NULL: nothing */
} structure;

/* ---- one block's spans ---- */
typedef struct span_block {
    uint32_t part, block; /* UINT32_MAX: empty */
    uint32_t first_row, row_count, run_count;
    uint64_t last_used;
    const uint64_t *ids; /* 0: not a span */
    const int64_t *times;
    vector *id_vector, *time_vector;
    uint16_t run_first[VECTOR_ROWS + 1];
    trace_id run_id[VECTOR_ROWS];
    uint8_t run_straddles[VECTOR_ROWS];
    int64_t durations[VECTOR_ROWS];   /* ns; -1: none */
    uint32_t parents[VECTOR_ROWS];    /* rows of the part, or DERIVE_NONE */
    uint64_t parent_ids[VECTOR_ROWS]; /* where the row is not told */
    uint32_t services[VECTOR_ROWS], instances[VECTOR_ROWS];
    uint8_t kinds[VECTOR_ROWS], matches[VECTOR_ROWS];
    vector **values; /* [value][STRUCTURE_COLUMNS]; NULL: not made yet or absent here */
    bool *has_value; /* the same: filled for this block */
} span_block;

/* ---- one worker ---- */
typedef struct structure_worker {
    structure *structure;
    scan_worker scan; /* of the inner scan */
    span_block *blocks[STRUCTURE_BLOCKS];
    uint64_t clock;
    derive_scratch scratch;
    size_t span_capacity, result_capacity;
    derive_span *spans; /* a run that is judged the slow way */
    derive_result *results;
    const span_block *near[3]; /* while it is: where its rows are */
    err error;
    /* results of the block at hand */
    uint32_t part, block;
    bool is_damaged;
    int64_t self_ns[VECTOR_ROWS], gap_ns[VECTOR_ROWS];
    uint32_t depths[VECTOR_ROWS];
    uint32_t chosen[DERIVE_RELATIONS][VECTOR_ROWS]; /* rows of the part */
    uint32_t gathered[VECTOR_ROWS];                 /* spans of structure.spans, or DERIVE_NONE */
    /* scratch of the pass */
    int64_t ends[VECTOR_ROWS], until[VECTOR_ROWS];
    uint32_t stamps[4096], stamp;
} structure_worker;

/* ---- structure.c ---- */
bool structure_is_needed(const plan *p);
/* After scan_open of the query's scan, over a snapshot of all times. Gathers what must be gathered. */
sk_code structure_open(local *l, uint32_t environment, const plan *p, snapshot *snap,
                       const run_control *c, agg_budget *budget, arena *mem, structure **ret,
                       err *e) must_use;
void structure_close(structure *take_s);
structure_worker *structure_worker_new(structure *s); /* NULL: no memory */
void structure_worker_free(structure_worker *take_w);

/* ---- structure_field.c: called by scan.c ---- */
bool structure_prepare_field(structure *s, agg_budget *budget, uint32_t part, uint32_t field,
                             scan_field *ret) must_use; /* false: the budget has failed */
sk_code structure_read(scan_worker *w, uint32_t number, vector *out, err *e) must_use;
/* Who a row of the block at hand is, where that is at hand: a derived column was read. False: it is not. */
bool structure_span(const scan_worker *w, uint32_t row, span_identity *ret) must_use;
/* Narrows w->selected by the filters on other rows. */
sk_code structure_narrow(scan_worker *w, err *e) must_use;

/* ---- between the files ---- */
/* The spans of a block, read once and kept while it is among the last STRUCTURE_BLOCKS. `by_id`: parents by their ids alone. */
sk_code structure__load(structure_worker *w, uint32_t part, uint32_t block, bool by_id,
                        const span_block **ret, err *e) must_use;
value structure__value_at(const structure_worker *w, const span_block *b, uint32_t value_number,
                          uint32_t row, scan_scratch *scratch);
int structure__compare_values(value a, value b);
sk_code structure__budget_error(const structure *s, err *e);
sk_code structure__gather(structure *s, err *e) must_use;
/* Fills w's results for a block. */
sk_code structure__judge(structure_worker *w, uint32_t part, uint32_t block, err *e) must_use;
sk_code structure__find_any(structure *s, err *e) must_use;
void any_set_done(any_set *s);
uint8_t any_bits_of(const any_set *s, trace_id id);

#endif
