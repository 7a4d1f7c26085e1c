/*
 * engine/local/differ.h: the insides of differences (docs/internals/differences.md), shared by differences.c (the call, the sides, the
 * passes), differ_count.c (values of all fields), differ_spans.c (traces to cells) and differ_lines.c (words of log lines).
 */
#ifndef ENGINE_LOCAL_DIFFER_H
#define ENGINE_LOCAL_DIFFER_H

#include "engine/local/local_private.h"
#include "engine/local/scan.h"
#include "engine/local/structure.h"
#include "query/differences.h"
#include "query/finish.h"

/* A list that grows within the query's budget. */
typedef struct differ_items {
    void *at;
    uint32_t count, capacity;
} differ_items;

/* Hashes of traces, open addressing; 0 is free. */
typedef struct differ_set {
    uint64_t *slots;
    uint32_t count, slot_count;
} differ_set;

/* ---- counting ---- */

typedef struct value_entry {
    uint64_t key; /* texts: hash; numbers: bits; buckets: differ_bucket */
    span text;
    uint64_t weight[DIFFER_SIDES];
} value_entry;

typedef struct value_table { /* by key */
    uint32_t count, slot_count;
    uint32_t *slots; /* entry + 1 */
    value_entry *entries;
    uint32_t capacity;
} value_table;

typedef struct field_counts {
    value_table texts, numbers;
    bool in_buckets; /* the numbers are */
    uint64_t rows[DIFFER_SIDES], weight[DIFFER_SIDES];
} field_counts;

/* Weights by code of one column of the part at hand: [code][side]. */
typedef struct column_counts {
    uint32_t code_count;
    bool is_touched;
    uint64_t *weights;
} column_counts;

#define DIFFER_NUMBER_SLOTS 4096u

typedef struct number_slot {
    const field_counts *of; /* NULL: free */
    uint64_t key;
    uint32_t entry;
    bool in_buckets; /* when it was remembered */
} number_slot;

/* ---- spans ---- */

typedef struct differ_span {
    trace_id trace;
    uint64_t id, parent_id;
    int64_t time_ns, duration_ns; /* -1: none */
    uint32_t weight, service, name, instance;
    uint8_t kind;
    bool is_error;
} differ_span;

typedef struct cell_table {
    uint32_t count, capacity, slot_count;
    differ_cell *cells;
    uint32_t *slots; /* cell + 1 */
} cell_table;

/* ---- all of it ---- */

/* The plans' scans: whether a row counts at all, is selected, is of the baseline. */
enum { SCAN_ALL, SCAN_SELECTION, SCAN_BASELINE, SCAN_SIDES };

typedef enum differ_pass {
    PASS_SIDES,
    PASS_COUNT,
    PASS_RUNS,
    PASS_SPANS,
    PASS_LINE_COUNT,
    PASS_LINES
} differ_pass;

typedef struct differ_worker {
    scan_worker scans[SCAN_SIDES];
    scan_worker spans, lines;
    uint64_t sides[DIFFER_SIDES][VECTOR_WORDS]; /* rows of the block at hand */
    uint32_t weights[VECTOR_ROWS];
    bool has_weights;
    differ_totals totals;
    uint64_t seen[DIFFER_SIDES]; /* rows before any sampling */
    field_counts *fields;
    uint32_t part; /* whose columns are counted; UINT32_MAX: none */
    column_counts *columns;
    bool is_whole; /* both sides are the whole block, and no row weighs more than 1 */
    number_slot numbers[DIFFER_NUMBER_SLOTS];
    differ_items traces[DIFFER_SIDES], runs; /* hashes, one a run of rows */
    differ_items trace_spans, deferred;
    cell_table cells;
    void *derive; /* differ_spans.c's scratch */
    uint32_t *room[4];
    double durations[VECTOR_ROWS];
    uint64_t line_count;
} differ_worker;

typedef struct differ_run {
    local *engine;
    const differences_query *query;
    const run_control *control;
    arena *mem, *scratch;
    agg_budget budget;
    bool has_baseline;
    plan plans[SCAN_SIDES];
    scan scans[SCAN_SIDES];
    structure *structures[SCAN_SIDES];
    uint32_t derived_count,
        derived_first; /* the last fields of the first plan: they are compared too */
    plan span_plan, line_plan;
    scan span_scan, line_scan;
    uint32_t scan_count; /* opened, of the sides */
    bool has_span_scan, has_line_scan;
    uint32_t families;
    uint64_t keep[DIFFER_SIDES]; /* rows whose trace's hash is at most this; UINT64_MAX: all */
    /* fields */
    uint32_t field_count;
    span *names;          /* ascending */
    uint32_t **fields_of; /* [part][column - PART_COLUMNS] */
    atomic_bool *too_many;
    /* traces */
    differ_set traces[DIFFER_SIDES], split;
    bool all_others_are_baseline;
    group_keys *texts;
    uint64_t keep_lines;
    /* lines */
    lock words_guard;
    void *words;
    /* workers */
    uint32_t worker_count;
    differ_worker **workers;
    pool_job job;
    differ_pass pass;
    atomic_int stop;
    err error;
    lock error_guard;
} differ_run;

/* ---- differences.c ---- */
bool differ__add(differ_run *r, differ_items *l, const void *item, size_t item_bytes) must_use;
void differ__free(differ_run *r, differ_items *l, size_t item_bytes);
uint64_t differ__trace_hash(trace_id id); /* never 0 */
bool differ__has(const differ_set *s, uint64_t hash);
/* False: it was there, or the budget has failed. */
bool differ__put(differ_run *r, differ_set *s, uint64_t hash);
/* Which side a trace is of; DIFFER_SIDES: none, or not in the sample. */
uint32_t differ__side_of(const differ_run *r, uint64_t hash);
/* Numbers of texts for the rows of the block: 0 none. */
sk_code differ__texts(differ_run *r, scan *s, scan_worker *w, uint32_t field, uint32_t *out,
                      err *e) must_use;

/* ---- differ_count.c ---- */
bool differ__list_fields(differ_run *r) must_use;
sk_code differ__count_block(differ_run *r, differ_worker *w, uint32_t number, uint32_t block,
                            err *e) must_use;
bool differ__end_part(differ_run *r, differ_worker *w) must_use; /* false: the budget has failed */
sk_code differ__rank_fields(differ_run *r, differences_result *ret, err *e) must_use;
void differ__free_counts(differ_run *r, differ_worker *w);

/* ---- differ_spans.c ---- */
plan_field *differ__span_fields(arena *mem, uint32_t *ret_count); /* NULL: no memory */
sk_code differ__note_runs(differ_run *r, differ_worker *w, uint32_t number, uint32_t block,
                          err *e) must_use;
sk_code differ__span_block(differ_run *r, differ_worker *w, uint32_t number, uint32_t block,
                           err *e) must_use;
sk_code differ__rank_suspects(differ_run *r, differences_result *ret, err *e) must_use;
void differ__free_spans(differ_run *r, differ_worker *w);

/* ---- differ_lines.c ---- */
plan_field *differ__line_fields(arena *mem, uint32_t *ret_count);
bool differ__new_words(differ_run *r) must_use;
sk_code differ__line_block(differ_run *r, differ_worker *w, uint32_t number, uint32_t block,
                           err *e) must_use;
sk_code differ__rank_words(differ_run *r, differences_result *ret, err *e) must_use;
void differ__free_words(differ_run *r);

#endif
