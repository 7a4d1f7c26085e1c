/*
 * engine/local/differ.h: the insides of differences (docs/internals/differences.md), shared by
 *
 * differences.c     the call, the passes
 * differ_sides.c    which side rows and traces are of
 * differ_count.c    values of all fields, by block and column
 * differ_codes.c    columns that follow from another's codes
 * differ_totals.c   what is kept of how often values stand in a block
 * differ_values.c   a field's different values, and the answer
 * differ_spans.c    a block's spans, and which way each trace goes
 * differ_columns.c  whole traces of a block to cells, column by column
 * differ_facts.c    the same by what is kept of the block
 * differ_trace.c    any other trace, put together
 * differ_cells.c    sums over spans that are alike
 * differ_lines.c    words of log lines
 */
#ifndef ENGINE_LOCAL_DIFFER_H
#define ENGINE_LOCAL_DIFFER_H

#include "engine/local/items.h"
#include "engine/local/local_private.h"
#include "engine/local/scan.h"
#include "engine/local/structure.h"
#include "query/differences.h"
#include "query/finish.h"

/* Hashes of traces, open addressing; 0 is free. */
typedef struct differ_set {
    uint64_t *slots;
    uint32_t count, slot_count;
} differ_set;

/* ---- counting ---- */

typedef struct value_entry {
    uint64_t key; /* texts: hash; numbers: bits */
    span text;
    uint64_t weight[DIFFER_SIDES];
} value_entry;

/* Weights by differ_bucket. */
#define BUCKETS_OCTAVE 64u
#define BUCKET_OCTAVES 4096u

typedef struct bucket_octave {
    uint64_t weight[BUCKETS_OCTAVE][DIFFER_SIDES];
} bucket_octave;

typedef struct bucket_counts {
    bucket_octave *octaves[BUCKET_OCTAVES]; /* NULL: nothing */
} bucket_counts;

typedef struct field_counts {
    item_table texts, numbers; /* value_entry, by key */
    bucket_counts *buckets;    /* many different numbers: they are here */
    uint64_t rows[DIFFER_SIDES], weight[DIFFER_SIDES];
} field_counts;

/* Weights by code of one column of the part at hand: [code][side]. */
typedef struct column_counts {
    uint32_t code_count;
    bool is_touched;
    uint64_t *weights;
} column_counts;

/* Rows of the block at hand by a column's code: entry 0 those without a value, 1 + code. */
typedef struct code_counts {
    bool is_counted; /* of this block */
    uint32_t entry_count, touched_count;
    uint32_t *touched;              /* entries with rows */
    uint32_t (*rows)[DIFFER_SIDES]; /* per entry */
} code_counts;

/* How often each value stands in a column of the block at hand. */
typedef enum total_kind { TOTAL_CODES, TOTAL_NUMBERS, TOTAL_BUCKETS } total_kind;

typedef struct totals {
    total_kind kind;
    uint32_t count, present; /* different values; rows that have one */
    const uint64_t *keys;    /* codes, differ__number_key or differ_bucket */
    const uint16_t *rows;
} totals;

/* Of one column, and where its entries are. */
typedef struct column_total {
    uint32_t column;
    total_kind kind;
    uint32_t first, count, present;
} column_total;

typedef struct totals_room totals_room;

#define DIFFER_NUMBER_SLOTS 4096u

typedef struct number_slot {
    const field_counts *of; /* NULL: free */
    uint64_t key;
    uint32_t entry;
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

/* Spans of one service, name and instance; and of one way to them. */
typedef struct differ_like {
    differ_cell own, visit;
} differ_like;

typedef struct differ_way {
    differ_cell cell;
    uint32_t like;
} differ_way;

#define DIFFER_NO_LIKE    UINT32_MAX
#define DIFFER_LIKE_SLOTS 4096u

typedef struct like_slot {
    uint32_t service, name, instance, like1; /* like + 1; 0: free */
} like_slot;

/* The scan that a block's spans are read by, and where in its plan their fields are. */
#define DIFFER_NO_FIELD UINT32_MAX
typedef struct differ_source {
    scan *scan;
    scan_worker *worker;
    uint32_t first_field,
        self_field; /* self_field: DIFFER_NO_FIELD when self times are not at hand */
} differ_source;

/* What makes spans alike. */
enum { DIFFER_LIKE_SERVICE, DIFFER_LIKE_NAME, DIFFER_LIKE_INSTANCE, DIFFER_LIKE_TEXTS };

/* What a span's children are (span_rows.marks). */
enum { MARK_REMOTE_CHILD = 1, MARK_ERROR_CHILD = 2, MARK_REMOTE = 4, MARK_ROOT = 8 };

/* A block's spans: what traces are measured by. */
typedef struct span_rows {
    uint32_t count, first_row;
    bool by_column;
    bool has_durations;
    uint32_t windows; /* runs whose ids were read by themselves: */
    vector window_ids, window_parents, window_times;
    const vector *trace, *rate;
    const vector *id;               /* NULL: every row is a span */
    const vector *parent_id, *time; /* NULL: not read yet */
    uint32_t services[VECTOR_ROWS], names[VECTOR_ROWS], instances[VECTOR_ROWS];
    int64_t durations[VECTOR_ROWS], self_ns[VECTOR_ROWS]; /* -1: none */
    uint8_t kinds[VECTOR_ROWS], errors[VECTOR_ROWS];
    uint32_t parents[VECTOR_ROWS]; /* rows of the part */
    /* differ_columns.c's */
    uint8_t marks[VECTOR_ROWS];
    uint32_t entries[VECTOR_ROWS], likes[VECTOR_ROWS];
    int64_t visits[VECTOR_ROWS], logs[VECTOR_ROWS]; /* logs: of self times that count */
    uint32_t kind_keys[64];                         /* text → kind, by the text's number */
    uint8_t known_kinds[64];
} span_rows;

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
    uint32_t block_rows[DIFFER_SIDES]; /* of the block at hand */
    uint32_t code_column_count;
    code_counts *codes;       /* by column number: of those from which others follow */
    bool is_whole;            /* both sides are the whole block, and no row weighs more than 1 */
    const void *block_totals; /* held; NULL: nothing is kept of the block */
    bool makes_totals;
    totals_room *totals_room;
    number_slot numbers[DIFFER_NUMBER_SLOTS];
    uint64_t met[DIFFER_SIDES][VECTOR_WORDS]; /* sides, before any sampling */
    item_list traces[DIFFER_SIDES], runs;     /* hashes, one a run of rows */
    item_list trace_spans, deferred;
    item_table likes, ways;
    like_slot known_likes[DIFFER_LIKE_SLOTS];
    span_rows *rows;             /* made when first needed */
    struct trace_scratch *trace; /* the same */
    uint32_t *services;          /* of lines */
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
        derived_first;    /* the last fields of the first plan: they are compared too */
    bool spans_with_rows; /* spans are measured by the scan that counts: rows are spans */
    uint32_t span_first;  /* their fields in its plan */
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
    differ_pass pass;
} differ_run;

static inline void differ__add_row(differ_cell *c, uint32_t side, uint32_t weight, bool is_error)
{
    c->rows[side]++;
    c->weight[side] += weight;
    c->errors[side] += is_error ? weight : 0;
}

/* `of`: the time's differ_log. */
static inline void differ__add_time(differ_cell *c, uint32_t side, uint32_t weight, int64_t ns,
                                    int64_t of)
{
    c->timed_rows[side]++;
    c->timed_weight[side] += weight;
    c->us[side] += (uint64_t)(ns / 1000) * weight;
    c->logs[side] += of * weight;
    c->squares[side] +=
        (uint64_t)(of >> DIFFER_SQUARE_SHIFT) * (uint64_t)(of >> DIFFER_SQUARE_SHIFT) * weight;
}

/* ---- differ_sides.c ---- */
uint64_t differ__trace_hash(trace_id id); /* never 0 */
bool differ__has(const differ_set *s, uint64_t hash);
/* False: it was there, or the budget has failed. */
bool differ__put(differ_run *r, differ_set *s, uint64_t hash);
/* Whether it is in the sample of a side. */
bool differ__is_kept(const differ_run *r, uint64_t hash, uint32_t side);
/* Which side a trace is of; DIFFER_SIDES: none, or not in the sample. */
uint32_t differ__side_of(const differ_run *r, uint64_t hash);
/* Finds the rows of both sides. *ret_is_known false: the block is left out. */
sk_code differ__find_sides(differ_run *r, differ_worker *w, uint32_t number, uint32_t block,
                           bool *ret_is_known, err *e) must_use;
/* Notes the traces of both sides, and keeps only rows that are in the sample. */
sk_code differ__look_at_traces(differ_run *r, differ_worker *w, err *e) must_use;
/* After the pass: false when the budget has failed. */
bool differ__gather_traces(differ_run *r) must_use;
bool differ__find_split(differ_run *r) must_use;

/* ---- differences.c ---- */
/* Numbers of texts for the rows of the block: 0 none. */
sk_code differ__texts(differ_run *r, const differ_source *from, uint32_t field, uint32_t *out,
                      err *e) must_use;

/* That of one code of a source. */
sk_code differ__text_of(differ_run *r, const differ_source *from, uint32_t field, uint32_t number,
                        uint32_t code, uint32_t *ret, err *e) must_use;

/* ---- differ_count.c ---- */
bool differ__list_fields(differ_run *r) must_use;
sk_code differ__count_block(differ_run *r, differ_worker *w, uint32_t number, uint32_t block,
                            err *e) must_use;
bool differ__end_part(differ_run *r, differ_worker *w) must_use; /* false: the budget has failed */
void differ__free_counts(differ_run *r, differ_worker *w);

/* Of the part at hand; NULL: the budget has failed. */
column_counts *differ__column(differ_run *r, differ_worker *w, uint32_t number) must_use;

/* ---- differ_codes.c ---- */
bool differ__open_codes(differ_run *r, differ_worker *w, uint32_t columns) must_use;
void differ__close_codes(differ_run *r, differ_worker *w);
void differ__forget_codes(differ_worker *w); /* before each block */
/* Counts a column of the block at hand by the codes of another (`counts` false: only reads those), or by its own when others follow
 * from it. *ret false: it must be read. */
sk_code differ__follow(differ_run *r, differ_worker *w, uint32_t number, uint32_t field,
                       bool counts, bool *ret, err *e) must_use;

/* ---- differ_totals.c ---- */
void differ__open_totals(differ_run *r, differ_worker *w); /* of the block at hand */
/* Keeps what was made, if the block was counted. */
void differ__close_totals(differ_run *r, differ_worker *w, bool is_counted);
void differ__free_totals(differ_worker *w);
/* Of a column, as it was kept. False: it was not. */
bool differ__known_total(const differ_worker *w, uint32_t number, totals *ret) must_use;
/* The same, or made of the column, to be kept. False: it has too many different values, or nothing is kept of the block. */
bool differ__total(differ_worker *w, uint32_t number, const vector *v, totals *ret) must_use;

/* ---- differ_values.c: false: the budget has failed ---- */
bool differ__count_text(differ_run *r, field_counts *f, span text,
                        const uint64_t *weights) must_use;
bool differ__count_number(differ_run *r, differ_worker *w, field_counts *f, double v, uint32_t side,
                          uint64_t weight) must_use;
uint64_t differ__number_key(double v);
/* All of a block's for the baseline. */
bool differ__count_total(differ_run *r, differ_worker *w, field_counts *f,
                         const totals *t) must_use;
/* Those rows are of the selection, not of the baseline. */
bool differ__move_numbers(differ_run *r, differ_worker *w, field_counts *f, const vector *v,
                          const uint64_t *rows) must_use;
/* Of those rows of one side. */
bool differ__count_numbers(differ_run *r, differ_worker *w, field_counts *f, const vector *v,
                           const uint64_t *rows, uint32_t side) must_use;
/* Of a block whose rows are all of one side or the other, count once each, and have a number. */
bool differ__count_whole_numbers(differ_run *r, differ_worker *w, field_counts *f,
                                 const vector *v) must_use;
void differ__free_values(differ_run *r, field_counts *f);
sk_code differ__rank_fields(differ_run *r, differences_result *ret, err *e) must_use;

/* ---- differ_spans.c ---- */
uint32_t differ__span_field_count(void);
bool differ__span_fields(arena *mem, plan_field *fields, uint32_t *count) must_use; /* appends */
sk_code differ__note_runs(differ_run *r, differ_worker *w, uint32_t number, uint32_t block,
                          err *e) must_use;
/* Of the block at which `from` is. */
sk_code differ__span_block(differ_run *r, differ_worker *w, const differ_source *from,
                           err *e) must_use;
void differ__free_spans(differ_run *r, differ_worker *w);

uint32_t differ__like_field(const differ_source *from, uint32_t text); /* DIFFER_LIKE_… */
/* The ids and times of some rows of the block, which become rows 0 … of the window. */
sk_code differ__read_window(const differ_source *from, span_rows *rows, uint32_t first,
                            uint32_t end, err *e) must_use;
void differ__window_ids(const span_rows *rows, uint32_t row, differ_span *ret);
uint32_t differ__run_end(const span_rows *rows, uint32_t first);

/* ---- differ_columns.c ---- */
/* Whether the block may be measured by column. */
bool differ__is_by_column(const differ_source *from);
/* The self times of the block's rows. */
sk_code differ__self_times(const differ_source *from, span_rows *rows, err *e) must_use;
/* Rows [first, *end) of one trace: marks and entries; *end: behind the spans. False: they must be put together. */
bool differ__mark_run(span_rows *rows, uint32_t first, uint32_t *end) must_use;
sk_code differ__columns_open(const differ_source *from, span_rows *rows, err *e) must_use;
/* Rows [first, end) of one trace. *ret_is_done false: they must be put together. False: the budget has failed. */
bool differ__measure_columns(differ_run *r, differ_worker *w, uint32_t first, uint32_t end,
                             uint32_t side, bool *ret_is_done) must_use;

/* ---- differ_facts.c ---- */
struct block_facts;
/* After the block was measured by column: what was found out is kept, where there is room. */
void differ__keep_facts(differ_run *r, differ_worker *w, const differ_source *from);
/* Of the block at hand; NULL: nothing is kept. */
const struct block_facts *differ__hold_facts(differ_run *r, const differ_source *from);
void differ__let_go_facts(differ_run *r, const struct block_facts *f);
sk_code differ__open_facts(differ_run *r, differ_worker *w, const differ_source *from,
                           const struct block_facts *f, err *e) must_use;
void differ__spread_facts(differ_worker *w, const struct block_facts *f, uint32_t first,
                          uint32_t end);
/* Rows of the runs at the block's edges: their ids, times and durations are there too. */
bool differ__is_edge(const struct block_facts *f, uint32_t row);
void differ__edge_ids(const struct block_facts *f, uint32_t row, differ_span *ret);
/* As differ__measure_columns. */
bool differ__measure_facts(differ_run *r, differ_worker *w, const struct block_facts *f,
                           uint32_t first, uint32_t end, uint32_t side, bool *ret_is_done) must_use;

/* ---- differ_trace.c ---- */
bool differ__measure_trace(differ_run *r, differ_worker *w, const differ_span *spans,
                           uint32_t count, uint32_t side) must_use;
sk_code differ__rank_suspects(differ_run *r, differences_result *ret, err *e) must_use;
void differ__free_trace(differ_run *r, differ_worker *w);

/* ---- differ_cells.c: false or DIFFER_NO_LIKE: the budget has failed ---- */
uint32_t differ__like(differ_run *r, differ_worker *w, uint32_t service, uint32_t name,
                      uint32_t instance) must_use;
bool differ__add_way(differ_run *r, differ_worker *w, uint32_t caller, uint32_t like, uint32_t side,
                     uint32_t weight, int64_t ns, int64_t of) must_use; /* of: its differ_log */
bool differ__merge_cells(differ_run *r, item_table *into) must_use;     /* of differ_cell */
void differ__free_cells(differ_run *r, differ_worker *w);

/* ---- differ_lines.c ---- */
plan_field *differ__line_fields(arena *mem, uint32_t *ret_count);
bool differ__new_words(differ_run *r) must_use;
sk_code differ__line_block(differ_run *r, differ_worker *w, uint32_t number, uint32_t block,
                           err *e) must_use;
sk_code differ__rank_words(differ_run *r, differences_result *ret, err *e) must_use;
void differ__free_words(differ_run *r);

#endif
