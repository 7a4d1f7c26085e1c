/*
 * journal/journal.h: the write-ahead log of batches, one per process. A sender may forget once its record is durable.
 *
 * Files DIR/journal-NNNNNNNN: preallocated (64 MiB), written once with zeros, reused; docs/format/journal.md has the bytes.
 * Group commit: one committer thread takes everything queued, writes once, syncs once (one fdatasync for all who
 * wait), then calls each record's `done` in order of sequence number. No timer.
 * Numbers rise and are never given out twice; they may leave gaps (a refused record, an unclean end).
 * A file is reused when none of its records is needed: those still unreleased are copied to the head first, keeping
 * sequence number and hash. Released records stay up to `keep_ns` for stream matchers (journal_read_from).
 * After a failed write or sync the journal stops: every append, waiting or new, gets SK_IO with the reason until reopened.
 * A full disk (the next file cannot be had) refuses what has no room in the current one with SK_IO naming it, and
 * recovers by itself when space is back.
 *
 * Recovery: streaming, bounded memory. A torn tail (bad bytes that were never synced) is cut. Damage (bad bytes that
 * were) is reported, the good records kept on both sides of it, the file set aside (renamed *.damaged). A record seen
 * twice (a copy) is replayed once. A file of a newer format is refused by name (SK_UNSUPPORTED).
 */
#ifndef JOURNAL_JOURNAL_H
#define JOURNAL_JOURNAL_H

#include "base/err.h"
#include "base/hash.h"
#include "event/types.h"

typedef struct journal journal;

typedef struct journal_record {
    uint64_t seq; /* 1, 2, 3 …; set by append */
    uint32_t environment;
    family family;
    int64_t arrival_ns;
    /* Of the request's bytes as received; all zero = none (never deduplicated). */
    hash128 body_hash;
    span payload; /* batch codec bytes, uncompressed */
} journal_record;

typedef enum journal_durability {
    JOURNAL_FSYNC,
    JOURNAL_RELAXED, /* acknowledges after write, syncs every second */
} journal_durability;

typedef struct journal_options {
    const char *dir;
    journal_durability durability;
    uint64_t file_bytes;       /* default 64 MiB */
    uint64_t queued_max_bytes; /* appends beyond it: SK_BUSY */
    int64_t keep_ns;           /* 1 h: released records stay so long for stream matchers … */
    uint64_t keep_bytes;       /* … while all files together are below this: 256 MiB */
    uint64_t first_seq; /* lower numbers are not given out; 0 = the journal's own knowledge */
} journal_options;      /* 0 = the default, but for dir */

/* Replay: called in order of seq for each record not released according to `is_released` (the store's knowledge from its
 * segments: seq ranges per table). The payload is valid during the call. An error ends the opening. Each may be NULL. */
typedef struct journal_replay {
    bool (*is_released)(void *ctx, uint32_t environment, family f, uint64_t seq);
    sk_code (*record)(void *ctx, const journal_record *r, err *e);
    void (*damaged)(void *ctx, const char *path, uint64_t offset, const char *what);
    void *ctx;
} journal_replay;

/* *ret is set before the first callback, so that journal_release may be called for what replay seals; it is NULL again
 * after an error. Nothing on disk changes before replay is through. */
sk_code journal_open(const journal_options *o, const journal_replay *replay, journal **ret,
                     err *e) must_use;
/* Waits for queued appends, stops the committer, closes. */
void journal_close(journal *take_j);

/* `seq` is assigned, the payload compressed and copied before this returns; `done` runs on the committer thread, once,
 * with SK_OK after the record is durable, or with the error. On an immediate refusal (returned), `done` is not called. */
typedef void (*journal_done)(void *ctx, uint64_t seq, const err *e);
sk_code journal_append(journal *j, journal_record *r, journal_done done, void *ctx,
                       err *e) must_use;

/* These records are in durable segments (or dropped by retention) and need no replay. */
void journal_release(journal *j, uint32_t environment, family f, uint64_t first_seq,
                     uint64_t last_seq);
/* Stream matchers: the kept, acknowledged records from `seq` on, in order, until `each` returns something else than
 * SK_OK, which is then returned. What was given up for space is missing: journal_stats.oldest_seq tells. */
sk_code journal_read_from(journal *j, uint64_t seq,
                          sk_code (*each)(void *ctx, const journal_record *r, err *e), void *ctx,
                          err *e) must_use;

typedef struct journal_stats {
    uint64_t next_seq, oldest_seq, bytes_on_disk, unreleased_bytes, records, syncs;
    int64_t last_sync_ns; /* how long the last one took */
    bool is_stopped;
    char stop_reason[160];
} journal_stats;
void journal_stats_get(journal *j, journal_stats *ret);

#endif
