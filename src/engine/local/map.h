/*
 * engine/local/map.h: the service map's insides (docs/internals/service-map.md), shared by map_rows.c (rows to spans),
 * map_trace.c (one trace's rules), map_said.c (what they conclude, as a text), map_seal.c (which is kept of each sealed span),
 * map_codes.c (counting it), map_table.c (what is measured into) and service_map.c (the passes and the answer). Texts are
 * group_keys numbers of one table: 0 is none.
 */
#ifndef ENGINE_LOCAL_MAP_H
#define ENGINE_LOCAL_MAP_H

#include "engine/local/items.h"
#include "engine/local/local_private.h"
#include "engine/local/scan.h"
#include "engine/local/straddle.h"
#include "query/finish.h"

typedef enum node_kind {
    NODE_SERVICE,
    NODE_DATABASE,
    NODE_MESSAGING,
    NODE_EXTERNAL,
    NODE_CLIENT
} node_kind;
typedef enum edge_kind {
    EDGE_CALL,
    EDGE_DATABASE,
    EDGE_MESSAGING,
    EDGE_EXTERNAL,
    EDGE_ENTER, /* not an edge: spans that enter the service `to` */
    EDGE_WAIT /* nor this: how long messages waited that are taken along the messaging edge of the same ends */
} edge_kind;

#define MAP_NO_SPAN UINT32_MAX

typedef struct map_span {
    trace_id trace;
    uint64_t id, parent_id;
    int64_t time_ns;
    double duration_ms; /* NaN: none */
    uint32_t weight, service, queue, leaf;
    uint32_t part,
        name_code; /* where the name's text is, should two spans have to be told apart by it */
    uint8_t
        name_source; /* of the part's field; NAME_NONE, or NAME_KEY: name_code is a text number */
    uint8_t kind, leaf_kind;
    bool is_error;
    /* found by map_trace */
    bool has_child_elsewhere, has_calling_child;
    uint32_t parent;
} map_span;

#define NAME_NONE 255u
#define NAME_KEY  254u

typedef struct map_link {
    trace_id trace, to_trace;
    uint64_t parent_id, to_span;
} map_link;

/* A CONSUMER span whose links have yet to be followed: they may lead into any trace. */
typedef struct map_pending {
    map_span span;
    uint32_t parent_service, parent_queue; /* service 0: no parent */
    bool parent_is_producer;
    uint32_t first_link, link_count; /* of map_worker.followed */
} map_pending;

typedef struct map_target {
    trace_id trace;
    uint64_t span;
} map_target;

typedef struct map_producer {
    map_target id;
    uint32_t service, queue;
    int64_t time_ns;
} map_producer;

typedef struct map_edge_entry {
    uint64_t from, to; /* node_kind << 32 | text; EDGE_ENTER: from 0 */
    uint32_t kind;
    uint64_t count, errors;
} map_edge_entry;

#define MAP_CLASS_ENTRIES 4u
#define MAP_NO_CLASS      UINT32_MAX

/* Spans that are measured on the same entries. They are counted once, and added to each of them when the table is settled. */
typedef struct map_class {
    uint32_t entry_count, entries[MAP_CLASS_ENTRIES];
    bool is_error;
    uint64_t count;
} map_class;

typedef struct map_table {
    agg_budget *budget;
    uint32_t count, capacity, slot_count, seen_count;
    map_edge_entry *entries;
    uint32_t *slots;      /* entry + 1 by hash */
    uint8_t *seen;        /* services that have a span, by text */
    agg_states durations; /* a sketch per entry */
    uint32_t class_count, class_capacity, class_slot_count;
    map_class *classes;
    uint32_t *class_slots;      /* class + 1 by hash */
    agg_states class_durations; /* a sketch per class */
} map_table;

/* The fields that the map reads; each `a | b` of the rules is one, with the names in order. */
typedef enum map_field {
    MAP_SERVICE,
    MAP_KIND,
    MAP_ERROR,
    MAP_STATUS,
    MAP_DURATION,
    MAP_NAME,
    MAP_ANNOTATION,
    MAP_LINK_TRACE,
    MAP_LINK_SPAN,
    MAP_QUEUE_SYSTEM,
    MAP_QUEUE_NAME, /* from here on: MAP_DETAILS, which only calling spans need */
    MAP_DB_SYSTEM,
    MAP_DB_NAMESPACE,
    MAP_PEER,
    MAP_ADDRESS,
    MAP_PORT,
    MAP_NETWORK,
    MAP_URL,
    MAP_RPC_SERVICE,
    MAP_RPC_METHOD,
    MAP_FIELD_COUNT
} map_field;
#define MAP_DETAILS      MAP_QUEUE_SYSTEM
#define MAP_DETAIL_COUNT (MAP_FIELD_COUNT - MAP_DETAILS)

/* What a span's details say, by their texts. */
typedef struct map_details {
    uint32_t texts[MAP_DETAIL_COUNT];
    uint32_t queue, leaf;
    uint8_t leaf_kind;
    bool is_used;
} map_details;

#define MAP_DETAILS_CACHE 1024u
#define MAP_NUMBER_CACHE  256u

typedef struct map_cached {
    uint64_t bits;
    uint32_t kind, answer; /* vector_kind + 1; 0 = free */
} map_cached;

#define MAP_ANSWER_ABSENT UINT32_MAX /* exists, but is as good as absent: the next name counts */
#define MAP_ANSWER_NONE   (UINT32_MAX - 1) /* the first that exists, but it says nothing */
#define MAP_ANSWER_NO     1u
#define MAP_ANSWER_YES    2u

/* What the rules conclude of a span from its sealed trace alone: its own side, and the parent's where it counts. */
typedef struct map_said {
    uint32_t service, queue, leaf;         /* texts of the span itself */
    uint32_t parent_service, parent_queue; /* 0: none */
    uint8_t kind, leaf_kind, parent_kind;
    uint8_t flags; /* SAID_… */
} map_said;
enum {
    SAID_ERROR = 1,
    SAID_WHOLE = 2,   /* else only its own side is known: the trace takes the long way */
    SAID_BY_USER = 4, /* SERVER, without a parent id and without a parent */
    SAID_LEAF = 8,    /* its leaf is measured */
};

/* A sealed part whose spans have a code for what is said of them. */
typedef struct map_coded {
    uint32_t column, code_count; /* 0: it has none */
    map_said *said;              /* by code */
    uint64_t *marked;            /* a bit per block: rows of a straddling trace may be in it */
} map_coded;

/* The columns of a block that say what its rows are. */
typedef struct map_ids {
    const vector *trace, *span, *parent, *time, *rate;
} map_ids;

typedef struct map_worker {
    scan_worker scan;
    map_table *table;
    item_list spans, links;                   /* of the trace at hand */
    item_list deferred_spans, deferred_links; /* of traces in several runs */
    item_list pending, followed, producers;   /* map_pending, map_target, map_producer */
    item_list targets;                        /* first pass: map_target */
    item_list slots;                          /* map_trace's scratch: u32 */
    uint32_t *answers
        [MAP_FIELD_COUNT]; /* of the block at hand, by position; NULL room when the part lacks the field */
    bool has[MAP_FIELD_COUNT];
    double durations[VECTOR_ROWS];
    uint8_t name_sources[VECTOR_ROWS];
    uint32_t name_codes[VECTOR_ROWS];
    uint32_t datasets[VECTOR_ROWS];
    uint32_t class_part; /* whose codes `class_of` is about; UINT32_MAX: none */
    uint32_t *class_of;  /* by code; MAP_CODE_… */
    uint32_t row_classes[VECTOR_ROWS], weights[VECTOR_ROWS];
    uint32_t detail_count; /* MAP_DETAILS fields that the block at hand has */
    uint8_t detail_fields[MAP_DETAIL_COUNT];
    map_details details[MAP_DETAILS_CACHE];
    map_cached numbers[MAP_FIELD_COUNT][MAP_NUMBER_CACHE];
    scan_taken taken;
} map_worker;

/* One service map being made. */
typedef struct map_run {
    local *engine; /* NULL: at sealing, where texts do not last */
    uint32_t environment;
    const run_control *control;
    plan plan;
    agg_budget budget;
    arena *scratch;
    scan scan;
    struct structure *structure; /* of filters on traces; NULL: all are looked at */
    group_keys *texts;
    uint32_t worker_count;
    map_worker **workers;
    bool is_first_pass;
    /* between the passes */
    straddle_set straddling;
    map_coded *coded; /* by part */
    uint32_t code_max;
    map_target *targets;  /* link targets, sorted */
    uint64_t *keys;       /* of what was put aside: hash of the trace, then the span's number */
    uint32_t *key_starts; /* of morsels, and the end */
    uint32_t target_count;
} map_run;

/* ---- map_rows.c ---- */
/* The plan of the passes: MAP_FIELD_COUNT fields, then those of `asked`, whose time and `related` it takes. False: no memory. */
bool map__plan(const plan *asked, arena *mem, plan *ret) must_use;
int map__compare_targets(const void *left, const void *right);
/* First pass: notes the link targets of a block. Second: its spans; whole traces go through map_trace. */
sk_code map__note_block(map_run *m, map_worker *w, uint32_t number, uint32_t block,
                        err *e) must_use;
sk_code map__read_block(map_run *m, map_worker *w, uint32_t number, uint32_t block,
                        err *e) must_use;
span map__text(const map_run *m, uint32_t text);
uint32_t map__put_text(map_run *m, span text,
                       bool is_lasting); /* MAP_ANSWER_ABSENT: the budget has failed */
/* What the rules ask of the rows of the block at hand. */
sk_code map__read_answers(map_run *m, map_worker *w, err *e) must_use;
sk_code map__read_durations(map_worker *w, err *e) must_use;
sk_code map__read_ids(map_worker *w, map_ids *ret, err *e) must_use;
/* Which fields the rows have is forgotten, but for those of links. */
sk_code map__read_links(map_run *m, map_worker *w, err *e) must_use;
sk_code map__read_names(map_run *m, map_worker *w, err *e) must_use;
map_span map__span(map_run *m, map_worker *w, const map_ids *ids, uint32_t k);
/* Rows [first, end) of the selected ones, of one trace: its rules, or, when it `waits`, put aside. `said`: by row what is said of it
 * (NULL: none), in place of answers; NULL: answers. */
sk_code map__read_run(map_run *m, map_worker *w, const map_ids *ids, trace_id id, uint32_t first,
                      uint32_t end, bool waits, const map_coded *said, err *e) must_use;

static inline trace_id map__trace_at(const vector *v, uint32_t row)
{
    return vector_has(v, row) ? v->trace_ids[row] : (trace_id){0, 0};
}

static inline uint64_t map__id_at(const vector *v, uint32_t row)
{
    return vector_has(v, row) ? v->ids[row] : 0;
}

static inline uint32_t map__answer(const map_worker *w, map_field f, uint32_t k)
{
    uint32_t answer = w->has[f] ? w->answers[f][k] : 0;
    return answer == MAP_ANSWER_NONE ? 0 : answer;
}
const map_details *map__details(map_run *m, map_worker *w, uint32_t k); /* NULL: none */

/* ---- map_said.c ---- */
#define MAP_CACHED "service map 1" /* the cached column; another number when the rules change */
/* As a text that map__said_parse understands, in `mem`; at NULL: no memory. */
span map__said_text(const map_run *m, const map_said *s, arena *mem);
bool map__said_parse(map_run *m, span text, map_said *ret);
/* Without what changes nothing. `parent`: NULL none. */
map_said map__said_of(const map_span *s, const map_span *parent, bool is_whole);
/* A span, and its parent, about which the rules say the same. */
void map__said_spans(const map_said *said, map_span *ret, map_span *ret_parent,
                     bool *ret_has_parent);

/* ---- map_codes.c ---- */
/* Before the second pass, after what straddles is known. */
sk_code map__codes_open(map_run *m, err *e) must_use;
void map__codes_close(map_run *m);
/* A block of a coded part. */
sk_code map__read_codes(map_run *m, map_worker *w, uint32_t number, uint32_t block,
                        err *e) must_use;

/* ---- map_table.c ---- */
map_table *map_table_new(const agg_buckets *range,
                         agg_budget *budget); /* NULL: the budget has failed */
void map_table_free(map_table *take_t);
typedef struct map_measure {
    double duration_ms; /* NaN: none */
    uint32_t weight;
    bool is_error;
} map_measure;
bool map_table_add(map_table *t, uint64_t from, uint64_t to, edge_kind kind,
                   map_measure x) must_use;
bool map_table_class_add(map_table *t, map_class *c, uint64_t from, uint64_t to,
                         edge_kind kind) must_use;
/* The number of the class of these entries; without entries MAP_NO_CLASS. */
bool map_table_class(map_table *t, const map_class *c, uint32_t *ret) must_use;
/* Adds spans of these classes; `weights` NULL: all 1. */
void map_table_measure(map_table *t, const uint32_t *classes, const double *durations_ms,
                       const uint32_t *weights, uint32_t count);
/* After the last measure: entries' durations can be read. */
bool map_table_settle(map_table *t) must_use;
/* Adds all of `from` as it stands, but for the edge (from, to, kind) that takes its place. */
bool map_table_merge_entry(map_table *into, uint64_t from, uint64_t to, edge_kind kind,
                           const map_table *t, uint32_t entry) must_use;
bool map_table_see(map_table *t, uint32_t service) must_use;

/* ---- map_trace.c ---- */

static inline uint64_t map_node_of(node_kind kind, uint32_t text)
{
    return (uint64_t)kind << 32 | text;
}

/* Every rule for the spans of one trace: measures into w->table, or into w->pending what has to wait. */
bool map__trace(map_run *m, map_worker *w, map_span *spans, uint32_t span_count,
                const map_link *links, uint32_t link_count) must_use;
/* Where what is measured goes: into the table, or, to be counted later, into a class. */
typedef struct map_sink {
    map_table *table;
    map_class *class; /* NULL: `x` into the table */
    map_measure x;
} map_sink;
/* All that a span whose links lead nowhere is measured on. */
bool map__measure(map_run *m, const map_sink *to, const map_span *s,
                  const map_span *parent) must_use;
bool map__note_producer(map_run *m, map_worker *w, map_producer p) must_use;
/* A CONSUMER span, once its senders are known. */
typedef struct map_sender {
    uint32_t service, queue;
} map_sender;
/* `wait_ms`: since the first of those was sent that its links lead to; NaN: they lead to none. */
bool map__consumer(map_run *m, const map_sink *to, const map_span *s, const map_sender *senders,
                   uint32_t sender_count, bool has_parent, uint32_t parent_service,
                   bool parent_is_producer, double wait_ms) must_use;

#endif
