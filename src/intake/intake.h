/*
 * intake/intake.h: between a decoded batch and its acknowledgement: policy (limits, times, retention), retry
 * recognition, journal, publish, taps. Every refusal anywhere in the server is counted here with its reason.
 *
 * Order: intake_submit (decode worker): policy → encode → journal_append; then, on the committer thread: taps,
 * engine_publish (which takes the batch), `done`. Nothing is visible before it is durable; all that is replied to is visible.
 */
#ifndef INTAKE_INTAKE_H
#define INTAKE_INTAKE_H

#include "base/memory.h"
#include "engine/engine.h"
#include "journal/journal.h"
#include "meta/meta.h"

typedef struct intake intake;

typedef struct intake_options {
    engine *engine;
    journal *journal; /* set after replay by intake_start */
    meta *meta;
    memory *memory;
    int64_t retention_ns;        /* the server's default; an environment's own wins */
    uint64_t unsealed_max_bytes; /* beyond it SK_BUSY: back-pressure instead of memory growth */
} intake_options;

sk_code intake_open(const intake_options *o, intake **ret, err *e) must_use;
void intake_close(intake *take_i); /* after the journal is closed */

/* Start-up, in this order: the engine opened (its recent hashes noted), then the journal opened with replay into
 * intake_replay, then intake_start. */
void intake_note_hash(intake *i, uint32_t environment, hash128 body_hash, int64_t arrival_ns);
sk_code intake_replay(intake *i, const journal_record *r, err *e) must_use;
void intake_start(intake *i, journal *j);

typedef struct submission {
    uint32_t environment;
    hash128 body_hash; /* OTLP requests; all zero: never a repeat */
    batch *take_batch; /* frozen; may have 0 rows */
} submission;

/* Rows that policy refused, for the reply's partial success. Filled before intake_submit returns. */
typedef struct intake_report {
    /* Items: spans, log records, points; annotations are rows but not items. */
    uint32_t refused_rows, refused_items;
    char text[192];       /* of the first */
    uint32_t moved_times; /* too far ahead: receive time used */
    bool is_repeat;       /* a sender's retry: acknowledged, not stored again */
} intake_report;

/* `done` runs once, on the committer thread or before this returns (nothing to store, repeat): SK_OK or why not. On a
 * returned error `done` is not called and the batch is freed. A repeat whose first copy is still on its way to
 * the disk is answered when that one is. */
typedef void (*intake_done)(void *ctx, const err *e);
sk_code intake_submit(intake *i, const submission *s, intake_report *ret_report, intake_done done,
                      void *ctx, err *e) must_use;

/* ---- taps: live tail. `each` runs on the committer thread for every published batch of the environment: be quick ---- */
typedef struct tap tap;
tap *intake_tap_open(intake *i, uint32_t environment, void (*each)(void *ctx, const batch *b),
                     void *ctx);
void intake_tap_close(tap *take_t); /* after it returned, `each` runs no more */

/* ---- refusals: bounded, coalesced by (reason, path, key, source, service) ---- */
typedef struct refusal {
    int64_t first_ns, last_ns;
    uint64_t count;
    sk_code code;
    /* A stable word for counters: "unknown_key", "empty_key", "literal_variable_key", "wrong_path", … */
    char reason[40];
    char text[200]; /* the sentence that was sent */
    char path[96], source[64], service[96], user_agent[96];
    char origin[META_ORIGIN_MAX]; /* of the page, when a browser asked */
    char key_fingerprint[20];     /* empty when no key came */
    uint8_t key_hash[META_KEY_HASH_BYTES];
    uint32_t environment; /* 0 = unknown */
} refusal;

#define INTAKE_REFUSALS_KEPT 512u

/* times and count are filled here; items_dropped via count > 1 */
void intake_refused(intake *i, const refusal *r);
uint32_t intake_refusals(intake *i, arena *mem, refusal **ret); /* newest first */
/* Refusals of this reason about which something was done: of this key and page (empty: any). Counters stay. */
void intake_forget(intake *i, const char *reason, span fingerprint, span origin);
bool intake_refusal_by_fingerprint(intake *i, span fingerprint, refusal *ret);
/* Counters by reason since start, for /metrics and doctor. */
typedef struct reason_count {
    char reason[40];
    uint64_t count;
} reason_count;
uint32_t intake_reason_counts(intake *i, arena *mem, reason_count **ret);

/* Who sends what: for doctor and status; bounded, by (environment, dataset, key id). */
typedef struct sender {
    uint32_t environment;
    char dataset[96], key_id[40], source[64], user_agent[96];
    char origin[96]; /* of the page, when a browser sent it */
    int64_t first_ns, last_ns;
    int64_t
        ahead_ns; /* the newest event of its last request, against our clock: below 0 is the past */
    uint64_t spans_seen, spans_twice; /* of those looked at */
    uint64_t events[FAMILY_COUNT];
} sender;

typedef struct arrival { /* where a batch came from; texts may be NULL */
    uint32_t environment;
    const char *key_id, *source, *user_agent, *origin;
} arrival;
void intake_accepted(intake *i, const arrival *from, const batch *b);
uint32_t intake_senders(intake *i, arena *mem, sender **ret);

/* Names of fields that came since the start, in no order; those that are longer than this are left out. */
typedef struct field_name {
    char name[56];
    uint64_t requests; /* that had it */
} field_name;
uint32_t intake_field_names(intake *i, uint32_t environment, arena *mem, field_name **ret);

/* Fields that came as text and as number since the start, the first few. */
typedef struct type_conflict {
    uint32_t environment;
    char field[96];
} type_conflict;
uint32_t intake_type_conflicts(intake *i, arena *mem, type_conflict **ret);

typedef struct intake_stats {
    uint64_t requests, repeats, events[FAMILY_COUNT], refused_rows, moved_times, truncated_strings;
} intake_stats;
/* How long events of `env` are kept: its own retention, else the server's default. */
int64_t intake_retention_ns(const intake *i, const environment *env);
void intake_stats_get(intake *i, intake_stats *ret);

#endif
