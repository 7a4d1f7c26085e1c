/*
 * meta/saved.h: what people keep: answers under a short link, the questions asked, questions with a name, moments. Each belongs to an environment and goes with it. Telemetry's retention
 * never touches it. `actor` is who kept it, as the audit log names them.
 */
#ifndef META_SAVED_H
#define META_SAVED_H

#include "meta/people.h"

#define META_ID_MAX    12u /* 11 of 0-9A-Za-z, 65 random bits, and NUL */
#define META_ACTOR_MAX (USER_NAME_MAX + 8)
#define META_STATE_MAX                                                                             \
    (16 * KIB) /* how a page shows a question: JSON that is nobody's business here */

/* ---- results: a question and its answer, frozen ---- */
#define META_RESULTS_MAX      100000u
#define META_RESULTS_BYTES    (256 * MIB) /* of all together when the options name no bound */
#define META_ANSWER_BYTES_MAX (32 * MIB)  /* of one answer, as JSON */
#define META_QUESTION_MAX     (64 * KIB)

typedef enum saved_kind { SAVED_QUERY, SAVED_DIFFERENCES, SAVED_KIND_COUNT } saved_kind;

const char *saved_kind_name(saved_kind k);
bool saved_kind_of(span name, saved_kind *ret);

typedef struct saved_result {
    char id[META_ID_MAX];
    uint32_t environment;
    saved_kind kind;
    char actor[META_ACTOR_MAX];
    int64_t created_ns;
    span question, state; /* JSON, as they came */
    span answer;          /* JSON; empty in a list */
    uint64_t kept_bytes;  /* what it takes of the bound */
} saved_result;

/* Keeps a copy and fills in id, created_ns and kept_bytes. SK_TOO_LARGE names the limit of one, SK_CONFLICT that of all. */
sk_code meta_result_keep(meta *m, saved_result *r, err *e) must_use;
sk_code meta_result_get(meta *m, span id, arena *mem, saved_result *ret, err *e) must_use;
/* The newest first. */
sk_code meta_result_list(meta *m, uint32_t environment, uint32_t limit, arena *mem,
                         saved_result **ret, uint32_t *ret_count, err *e) must_use;
sk_code meta_result_delete(meta *m, uint32_t environment, span id, err *e) must_use;

/* ---- history: questions asked on purpose ---- */
#define META_HISTORY_MAX       10000u /* of an environment; the oldest go */
#define META_HISTORY_TEXT_MAX  (8 * KIB)
#define META_HISTORY_STATE_MAX (2 * KIB)
#define HISTORY_UNKNOWN        (-1)

typedef struct history_entry {
    int64_t id; /* grows with time */
    uint32_t environment;
    char actor[META_ACTOR_MAX];
    int64_t at_ns, elapsed_ns, rows; /* the last two may be HISTORY_UNKNOWN */
    span text, state;
} history_entry;

/* Fills in id and at_ns. Asked again by the same actor with nothing of theirs between, it is one entry of the newer time. */
sk_code meta_history_add(meta *m, history_entry *h, err *e) must_use;
/* The newest first; actor NULL: everyone's. */
sk_code meta_history_list(meta *m, uint32_t environment, const char *actor, uint32_t limit,
                          arena *mem, history_entry **ret, uint32_t *ret_count, err *e) must_use;

/* ---- queries: questions with a name, which is theirs alone in an environment, whatever its capitals ---- */
#define META_QUERIES_MAX     1000u /* of an environment */
#define META_DESCRIPTION_MAX 2000u
#define META_QUERY_TEXT_MAX  (16 * KIB)
#define META_DATASET_MAX     256u

typedef struct saved_query {
    char id[META_ID_MAX];
    uint32_t environment;
    uint64_t version; /* 1, and one more with each change */
    int64_t created_ns, changed_ns;
    char created_by[META_ACTOR_MAX], changed_by[META_ACTOR_MAX];
    span name, description, text, dataset, state;
} saved_query;

/* By name. */
sk_code meta_query_list(meta *m, uint32_t environment, arena *mem, saved_query **ret,
                        uint32_t *ret_count, err *e) must_use;
sk_code meta_query_get(meta *m, uint32_t environment, span id, arena *mem, saved_query *ret,
                       err *e) must_use;
/* From environment, changed_by and the texts; fills in the rest. SK_CONFLICT: the name is taken, or there are too many. */
sk_code meta_query_save(meta *m, saved_query *q, err *e) must_use;
/* The same for one that is there; SK_CONFLICT also when q->version is not the one it has. */
sk_code meta_query_change(meta *m, span id, arena *mem, saved_query *q, err *e) must_use;
/* version 0: whichever it has */
sk_code meta_query_delete(meta *m, uint32_t environment, span id, uint64_t version, arena *mem,
                          err *e) must_use;

/* ---- markers: deployments and other moments ---- */
#define META_MARKERS_MAX        10000u /* of an environment; the earliest go */
#define META_MARKER_MESSAGE_MAX 1000u
#define META_MARKER_TYPE_MAX    100u
#define META_MARKER_URL_MAX     2000u
#define MARKER_NO_END           INT64_MIN

typedef struct marker {
    char id[META_ID_MAX];
    uint32_t environment;
    int64_t start_ns, end_ns /* or MARKER_NO_END */, created_ns;
    char actor[META_ACTOR_MAX];
    span message, type, url;
} marker;

/* Fills in id and created_ns. */
sk_code meta_marker_add(meta *m, marker *k, err *e) must_use;

/* Those that touch [start, end); of any type when it is empty. */
typedef struct marker_filter {
    uint32_t environment, limit;
    int64_t start_ns, end_ns;
    span type;
} marker_filter;
/* The latest first. */
sk_code meta_marker_list(meta *m, const marker_filter *which, arena *mem, marker **ret,
                         uint32_t *ret_count, err *e) must_use;
sk_code meta_marker_delete(meta *m, uint32_t environment, span id, err *e) must_use;

/* ---- how much is kept ---- */
typedef struct saved_counts {
    uint64_t results, result_bytes;
} saved_counts;
/* 0 = of all environments */
sk_code meta_saved_counts(meta *m, uint32_t environment, saved_counts *ret, err *e) must_use;
uint64_t meta_results_bytes_max(const meta *m);

#endif
