/*
 * store/store.h: the columnar store: open batches, segments, catalog, sealing, merging, retention. It is given durable
 * batches and hands out immutable snapshots (store/snapshot.h). It knows nothing of journals: whoever owns both learns
 * from `sealed` which sequence numbers need no replay, and asks store_is_sealed during replay.
 *
 * On disk (docs/format/segment.md): DIR/env-<id>/<family>/<day>-<n>.seg, written under a temporary name, synced, renamed,
 * folder synced. A segment names the journal records it was made from, its part number among the files of one
 * seal (late rows go to segments of their own UTC day), and the segments it replaces. Opening: incomplete seals are
 * removed (their records replay), replaced inputs of a complete merge are removed, damaged files are set aside
 * (*.damaged) and named, newer formats refused by name.
 * Threads: 1 sealer, 1 merger (nice 10), both the store's own. All calls are thread-safe.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/err.h"
#include "base/hash.h"
#include "base/memory.h"
#include "event/batch.h"

typedef struct store store;

struct snapshot;

/* A column that the owner makes of a new trace segment, and that the store keeps beside its rows: what the owner would find out
 * anew at every question (snapshot.h part_cached_column). Called on the store's threads, for one segment after another. */
#define STORE_NO_CODE UINT32_MAX
typedef struct store_cacher {
    const char *name; /* NULL: nothing is kept. Changes when what the column says does */
    /* `s`: the segment alone. SK_TOO_LARGE, here or later: the segment is written without. */
    sk_code (*begin)(struct snapshot *s, void **ret_made, err *e);
    /* Of each row of the block, blocks in order. Codes count up from 0 with their first use. Texts of the segment's dictionaries stay
     * until it returns. */
    sk_code (*codes)(void *made, uint32_t block, uint32_t *ret_codes, err *e);
    span (*text)(void *made, uint32_t code); /* stays until the end */
    void (*end)(void *take_made);
} store_cacher;

typedef struct store_options {
    const char *dir;
    memory *memory;          /* account for open batches and sealing; may be NULL */
    uint32_t seal_rows;      /* 1 Mi */
    uint64_t seal_bytes;     /* 256 MiB */
    int64_t seal_age_ns;     /* 60 s, when at least seal_age_rows are open */
    uint32_t seal_age_rows;  /* 64 Ki */
    int64_t idle_seal_ns;    /* any open rows older than this are sealed: 15 min */
    uint32_t merge_rows_max; /* 16 Mi */
    uint64_t disk_max_bytes; /* over everything below data_dir; 0 = no bound */
    const char *data_dir;    /* whose bytes count */
    bool threads; /* false: sealing and merging only by store_seal and store_merge (tests) */
    void (*sealed)(void *ctx, uint32_t environment, family f, uint64_t first_seq,
                   uint64_t last_seq);
    /* At open: request hashes of the last hour kept in segment footers. */
    void (*recent_hash)(void *ctx, uint32_t environment, hash128 body_hash, int64_t arrival_ns);
    /* Something worth a line in the log and in doctor: a damaged file, a dropped segment, a full disk. */
    void (*notice)(void *ctx, const char *text);
    void *ctx;
    store_cacher cacher;
} store_options;

sk_code store_open(const store_options *o, store **ret, err *e) must_use;
void store_close(store *take_s); /* seals nothing: the journal has it */

/* A durable batch becomes visible. Takes the batch. seq rises within a table. Never refuses for its content. */
typedef struct publish_info {
    uint64_t seq;
    hash128 body_hash;
} publish_info;
sk_code store_publish(store *s, uint32_t environment, publish_info info, batch *take_b,
                      err *e) must_use;
bool store_is_sealed(store *s, uint32_t environment, family f, uint64_t seq);
/* Unsealed bytes; intake answers SK_BUSY beyond its bound instead of growing. */
uint64_t store_unsealed_bytes(const store *s);

/* Seal everything open now / merge until no merge is due. What the threads do, for tests, benches and shutdown. */
sk_code store_seal(store *s, err *e) must_use;
sk_code store_merge(store *s, err *e) must_use;

/* Retention: drops segments (and hides open rows) whose newest event is older than `before_ns`. */
sk_code store_retain(store *s, uint32_t environment, int64_t before_ns, uint64_t *ret_rows,
                     err *e) must_use;
/* Whole environment; with a dataset, a tombstone applied at read and done at merge. */
sk_code store_drop(store *s, uint32_t environment, span dataset, err *e) must_use;

typedef struct store_stats {
    uint64_t segments, segment_bytes, segment_rows, open_rows, open_bytes, damaged_segments,
        unmerged_segments;
    uint64_t seals, merges, rows_dropped_retention, rows_dropped_disk_max;
    int64_t oldest_ns, newest_ns; /* 0 when empty */
} store_stats;
/* environment 0 = all. */
void store_stats_get(store *s, uint32_t environment, store_stats *ret);

/* Checks every block of every file below `dir` (a stopped server's): calls `report` with one line per file and finding.
 * SK_CORRUPT if anything is damaged. `bytes_by_column` adds bytes per row by column. */
sk_code store_verify(const char *dir, bool bytes_by_column,
                     void (*report)(void *ctx, bool is_bad, const char *line), void *ctx,
                     err *e) must_use;

#endif
