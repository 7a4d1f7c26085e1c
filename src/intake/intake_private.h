/*
 * intake/intake_private.h: what the files of this folder share. Locks: `lock` (RANK_INTAKE) guards the recent requests
 * and the counters, `tap_lock` the taps while they run, each of the two books has its own.
 */
#ifndef INTAKE_INTAKE_PRIVATE_H
#define INTAKE_INTAKE_PRIVATE_H

#include <stdatomic.h>

#include "base/thread.h"
#include "intake/intake.h"
#include "meta/redaction.h"

/* ---- policy.c: which rows may stay, and at which time ---- */
typedef struct policy {
    int64_t arrival_ns;
    int64_t retention_ns; /* 0 = none */
    bool is_redacted;     /* the environment has rules */
} policy;

/* Fills refused_rows, refused_items, moved_times and text. Changes nothing. */
void intake__judge(const batch *b, const policy *p, intake_report *ret);
/* Takes refused rows out and moves times. Needed only when judge found some. SK_NO_MEMORY. */
sk_code intake__apply(batch *b, const policy *p, err *e) must_use;
/* Leaves out the columns that are marked or have no value, and links the rest anew. */
bool intake__keep_columns(batch *b, bool (*goes)(const column *c));

/* ---- redact.c ---- */
/* By the environment's rules, and counts what each redacted. SK_NO_MEMORY. */
sk_code intake__redact(meta *m, uint32_t environment_id, batch *b, err *e) must_use;
/* Sets `redacted` of each rule that did something. */
bool intake__redact_by(meta *m, uint32_t environment_id, batch *b, redaction *rules,
                       uint32_t count) must_use; /* false when memory is short */

/* ---- recent.c: the hashes of the last hour's requests ---- */
#define RECENT_NS (3600 * NS_PER_S)

typedef struct flight flight;

typedef struct recent_entry {
    hash128 hash;
    int64_t arrival_ns;
    flight *flight;       /* on its way to the disk; NULL: durable */
    uint32_t environment; /* 0 = an empty place */
    uint32_t next;        /* 1 + the next in the bucket; 0 = none */
} recent_entry;

typedef struct recent {
    recent_entry *entries; /* a ring; the oldest is overwritten */
    uint32_t *buckets;     /* 1 + first entry */
    uint32_t capacity, bucket_mask, head;
    uint64_t seed;
} recent;

bool recent_init(recent *r, uint32_t capacity); /* false when memory is short */
void recent_done(recent *r);
/* The entry of a request that arrived within the hour before `now_ns`, or NULL. */
recent_entry *recent_find(recent *r, uint32_t environment, hash128 hash, int64_t now_ns);
recent_entry *recent_add(recent *r, uint32_t environment, hash128 hash, int64_t arrival_ns);
void recent_remove(recent *r, recent_entry *entry);

/* ---- books.c: refusals, reasons, senders ---- */
#define SENDERS_KEPT 1024u
#define REASONS_KEPT 64u

typedef struct refusal_book {
    lock lock;
    uint64_t *ids; /* hash of what a refusal is coalesced by */
    refusal *items;
    uint32_t count;
    reason_count reasons[REASONS_KEPT]; /* the last is "other" once all are taken */
    uint32_t reason_count;
} refusal_book;

/* ---- oddities.c: what is odd about what was accepted ---- */
#define SPAN_IDS_KEPT  16384u
#define FIELDS_KEPT    4096u
#define CONFLICTS_KEPT 32u

typedef struct field_types {
    uint64_t id;          /* hash of environment and name */
    uint32_t environment; /* 0: an empty place */
    uint8_t types;        /* bit per field_type */
    field_name field;     /* without a name when that is too long */
} field_types;

typedef struct oddity_book {
    uint64_t spans[SPAN_IDS_KEPT]; /* hashes; each at its own place, where the newest stays */
    field_types fields[FIELDS_KEPT];
    type_conflict conflicts[CONFLICTS_KEPT];
    uint32_t conflict_count;
} oddity_book;

/* Both with the senders' lock held. Rows [first, end) are of one dataset. */
void oddities_of_rows(oddity_book *book, sender *s, uint32_t environment_id, const batch *b,
                      uint32_t first, uint32_t end, int64_t now_ns);
void oddities_of_fields(oddity_book *book, uint32_t environment_id, const batch *b);

typedef struct sender_book {
    lock lock;
    uint64_t *ids;
    sender *items;
    uint32_t count;
    oddity_book *odd;
} sender_book;

void books__copy_text(char *out, size_t size, span text); /* cut to fit, whole characters */

bool books_init(intake *i);
void books_done(intake *i);

/* ---- the whole ---- */
typedef struct
    skipped { /* a replayed record that was not published: released once the journal runs */
    uint32_t environment;
    family family;
    uint64_t seq;
} skipped;

struct intake {
    intake_options o;
    _Atomic(journal *) journal; /* NULL before intake_start; release when set, acquire when read */
    lock lock;
    recent recent;
    intake_stats stats;
    skipped *skipped;
    uint32_t skipped_count, skipped_capacity;

    /* Sampled, so that not every request asks the engine. Relaxed: a stale value admits a few more. */
    atomic_llong sampled_at_ns;
    atomic_ullong unsealed_bytes;

    lock tap_lock;
    tap *taps; /* a list */

    refusal_book refusals;
    sender_book senders;
};

/* ---- taps.c ---- */
void intake__tell_taps(intake *i, uint32_t environment_id, const batch *b);

#endif
