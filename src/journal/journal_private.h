/*
 * journal/journal_private.h: what the files of this folder share. Bytes on disk:
 * docs/format/journal.md.
 *
 * Who owns what: `lock` guards the queue, the list of files, what is tracked and the counters. The
 * write position of the head and the spare belong to the committer thread (before it starts and
 * after it ended: to open and close). Files leave the list only on that thread and only without
 * readers, so it may read the list without the lock.
 */
#ifndef JOURNAL_JOURNAL_PRIVATE_H
#define JOURNAL_JOURNAL_PRIVATE_H

#include "base/file.h"
#include "base/thread.h"
#include "journal/journal.h"

#define RECORDS_START  4096u /* the first page holds the file header twice */
#define HEADER_COPY_AT 2048u
#define GROUP_BYTES    (256 * KIB) /* records are gathered up to this before a write */
#define WINDOW_BYTES   (256 * KIB) /* read ahead while walking a file */
#define PAYLOAD_MAX                                                                                \
    (256 * MIB) /* uncompressed; larger is refused by append and taken for damage by replay */
#define UNCLEAN_JUMP                                                                               \
    ((uint64_t)1                                                                                   \
     << 26) /* more numbers than a file has room for: see recover.c                    \
                         */
#define FILE_NUMBER_MAX UINT32_MAX
#define NAME_SPARE      "journal-spare"

/* ---- format.c: the stored structs ---- */
typedef enum record_kind {
    RECORD_DATA = 0,
    RECORD_COPY = 1,  /* of a record whose file was given up */
    RECORD_START = 2, /* a mark: the first record of a file, and written at every opening */
    RECORD_CLOSE = 3, /* a mark: closed in order, all before it was synced */
    RECORD_END = 4,   /* a mark: nothing follows in this file */
    RECORD_KIND_COUNT
} record_kind;

#define RECORD_LZ4 1u /* flag: the stored payload is one LZ4 block */

typedef struct record_header {
    uint32_t magic, stored_bytes, raw_bytes, environment;
    uint64_t seq; /* of a mark: the next number to be given out */
    int64_t arrival_ns;
    uint64_t hash_lo, hash_hi;
    uint32_t durable_to; /* bytes of this file that were synced before this record was written */
    uint32_t index;      /* 0, 1, 2 … in the file */
    uint8_t kind, family, flags, zero0;
    uint32_t zero1;
    uint64_t payload_check; /* XXH3-64 of the stored payload */
    uint64_t header_check;  /* XXH3-64 of what is before it, seeded with the file's id */
} record_header;
_Static_assert(sizeof(record_header) == 80, "the record header is stored as it is");
_Static_assert(offsetof(record_header, payload_check) == 64, "no padding before the checks");

#define RECORD_BYTES_MIN ((uint64_t)sizeof(record_header))

static inline uint64_t record_bytes(uint32_t stored_bytes) /* with the header, padded to 8 */
{
    return RECORD_BYTES_MIN + (((uint64_t)stored_bytes + 7) & ~(uint64_t)7);
}

#define RECORD_MAGIC 0x314b4a53u /* "SJK1" */

static inline bool journal__has_magic(const uint8_t *at)
{
    uint32_t magic;
    memcpy(&magic, at, sizeof magic);
    return magic == RECORD_MAGIC;
}

void journal__seal_header(record_header *h, uint64_t file_id); /* sets magic and header_check */
bool journal__header_is_valid(const record_header *h, uint64_t file_id);
void journal__page_put(uint8_t page[RECORDS_START], uint64_t file_id, int64_t created_ns);
/* SK_CORRUPT when neither copy is whole, SK_UNSUPPORTED for a newer version. */
sk_code journal__page_get(const uint8_t page[RECORDS_START], const char *path, uint64_t *ret_id,
                          err *e) must_use;
/* The payload of a record from its stored bytes; *scratch grows as needed and is the caller's to
 * free. */
sk_code journal__unpack(const record_header *h, span stored, uint8_t **scratch,
                        size_t *scratch_bytes, span *ret, err *e) must_use;

/* ---- one file of the journal ---- */
typedef struct log_file {
    uint32_t number;
    uint64_t id, size;
    file *f;
    char *path;
    /* the committer's */
    uint64_t end;        /* where the next record goes, gathered ones included */
    uint64_t written_to; /* what reached the file */
    uint64_t durable_to; /* what was synced */
    uint32_t index;      /* of the next record */
    bool is_ended;       /* an END mark is written: nothing may follow */
    bool is_closed;      /* the last record is a CLOSE mark */
    bool has_stale;      /* records of this id lie behind `end`: nothing may be written there */
    bool is_damaged;     /* to be set aside */
    /* guarded by lock */
    uint64_t visible_to;       /* acknowledged up to here */
    uint64_t min_seq, max_seq; /* of original records; 0 = none */
    int64_t newest_arrival_ns;
    uint64_t unreleased_records, unreleased_bytes;
    uint32_t readers;
} log_file;

log_file *journal__file_new(const char *dir, uint32_t number);
void journal__file_free(log_file *take_f);

/* ---- walk.c: reading a file record by record with bounded memory ---- */
typedef enum walk_step {
    WALK_RECORD,
    WALK_END,   /* no valid record at `at` */
    WALK_ERROR, /* the disk refused, or memory is short: *e says */
} walk_step;

typedef struct walk {
    const log_file *of;
    uint64_t at, end;
    uint32_t index;
    record_header h; /* of the last record, which begins at record_at */
    uint64_t record_at;
    uint8_t *window;
    size_t window_capacity, window_len;
    uint64_t window_at;
} walk;

void walk_begin(walk *w, const log_file *of, uint64_t at, uint64_t end, uint32_t index);
void walk_done(walk *w);
walk_step walk_next(walk *w, err *e);
/* The record at `at`, wherever the walk stands. SK_CORRUPT when there is none. */
sk_code walk_record_at(walk *w, uint64_t at, err *e) must_use;
/* The stored payload of the last record, valid until the walk moves. SK_CORRUPT when its checksum
 * is wrong. */
sk_code walk_payload(walk *w, span *ret, err *e) must_use;
/* Moves `at` from an invalid place to the next valid record header behind it, whose index is then
 * expected. */
walk_step walk_find(walk *w, err *e);

/* ---- track.c: the records that are not released, by table ---- */
typedef struct track_entry {
    uint64_t seq;
    uint32_t file; /* its number; 0 while the record is queued */
    uint32_t offset, bytes;
} track_entry;

typedef struct track_table {
    uint32_t environment;
    family family;
    uint32_t count, capacity;
    track_entry *entries; /* by seq */
} track_table;

typedef struct track {
    track_table *tables;
    uint32_t count, capacity, last; /* last: the table found last time */
} track;

void track_done(track *t);
/* The entry of this record, made when it is not there; NULL when memory is short. Valid until the
 * next call. */
track_entry *track_put(track *t, uint32_t environment, family f, uint64_t seq);
track_entry *track_find(track *t, uint32_t environment, family f, uint64_t seq);
/* Calls `gone` for each entry in [first, last], then removes them. */
void track_remove(track *t, uint32_t environment, family f, uint64_t first, uint64_t last,
                  void (*gone)(void *ctx, const track_entry *e), void *ctx);
uint64_t track_count(const track *t);

/* ---- the journal ---- */
typedef struct pending {
    struct pending *next;
    journal_done done; /* NULL: nobody waits */
    void *ctx;
    record_header h;
    uint64_t bytes;   /* in the file */
    uint8_t stored[]; /* h.stored_bytes */
} pending;

typedef enum spare_state {
    SPARE_NONE,
    SPARE_COPYING, /* the oldest file's unreleased records go to the head */
    SPARE_GROWING, /* a new file is being written with zeros */
    SPARE_GROWN,   /* has its size, needs its header */
    SPARE_READY,   /* has a durable header, needs its name */
} spare_state;

typedef struct copy_item {
    uint64_t seq;
    uint32_t environment, offset;
    family family;
} copy_item;

struct journal {
    journal_options o;
    char *dir;
    lock lock;
    condition wake;
    thread committer;

    /* guarded by lock */
    pending *queue_first, *queue_last;
    uint64_t queued_bytes;
    bool is_closing, is_stopped;
    char stop_reason[160];
    uint64_t next_seq;
    log_file **files; /* by number; the last is the head */
    uint32_t file_count, file_capacity;
    track track;
    uint64_t record_count, sync_count;
    int64_t last_sync_ns;

    /* the committer's */
    uint8_t *group; /* GROUP_BYTES: gathered, not written */
    size_t group_len;
    int64_t synced_at_ns; /* monotonic, relaxed mode */
    spare_state spare;
    file *spare_file;
    char *spare_path;
    uint64_t spare_bytes, spare_id;
    log_file *copy_from;
    const log_file *copy_failed; /* its records cannot be read any more: left alone */
    copy_item *copy_items;       /* by offset */
    uint32_t copy_count, copy_next;
    uint32_t last_number; /* highest file number ever seen here */
};

static inline log_file *journal__head(const journal *j)
{
    return j->files[j->file_count - 1];
}

/* ---- recover.c ---- */
sk_code journal__recover(journal *j, const journal_replay *replay, err *e) must_use;

/* ---- group.c: writing to the head ---- */
bool journal__fits(const journal *j, uint64_t bytes); /* an END mark has room behind it as well */
/* Gathers one record; writes when the buffer is full. Fills h's durable_to, index and checks. An
 * error means the head can no longer be written to. */
sk_code journal__put(journal *j, record_header *h, const uint8_t *stored, uint32_t *ret_offset,
                     err *e) must_use;
sk_code journal__mark(journal *j, record_kind kind, err *e) must_use;
sk_code journal__flush(journal *j, err *e) must_use; /* what was gathered reaches the file */
sk_code journal__sync(journal *j, err *e) must_use;  /* flush and fdatasync */
void journal__stop(journal *j, const err *why); /* for good: what is on disk is no longer known */
/* The record is in `f` at `offset` from now on, not where it was. With the lock held. */
void journal__place(journal *j, const record_header *h, log_file *f, uint32_t offset);

/* ---- space.c: where the next records go ---- */
/* One step towards a spare file (`hurry`: the whole way, without copying). */
sk_code journal__prepare(journal *j, bool hurry, err *e) must_use;
/* Makes the spare the head. After an error that stopped the journal is_stopped is set; others pass.
 */
sk_code journal__rotate(journal *j, err *e) must_use;
/* What is due between two commits; true when there is more to do at once. */
bool journal__maintain(journal *j);
bool journal__has_surplus(const journal *j);
void journal__forget_file(journal *j, const log_file *f); /* out of the list, with the lock held */

/* ---- copy.c: unreleased records leave a file ---- */
sk_code journal__copy_begin(journal *j, log_file *f, err *e) must_use;
/* About a megabyte of it; *ret_done is set when all are durable in the head. SK_BUSY: the head is
 * full. */
sk_code journal__copy_step(journal *j, bool *ret_done, err *e) must_use;
void journal__copy_end(journal *j);
/* Copies every unreleased record of the damaged files to the head, then renames the files. */
sk_code journal__set_aside(journal *j, err *e) must_use;

#endif
