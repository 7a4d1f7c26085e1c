/*
 * store/store_private.h: the insides that the files of this folder share: the store, its tables (one per environment and
 * family) and the immutable lists of segments that snapshots hold.
 *
 * Locks, in order: store.lock (the tables' list) and table.publish (one publisher or one who ends an open set) are
 * RANK_STORE and never held together; table.lock (RANK_TABLE) guards what readers copy, for the length of that copy.
 */
#ifndef STORE_STORE_PRIVATE_H
#define STORE_STORE_PRIVATE_H

#include <stdatomic.h>

#include "base/thread.h"
#include "store/open_set.h"
#include "store/segment.h"

/* What a table's sealed rows are: by creation number, ascending. Immutable; a change makes a new list. */
typedef struct segment_list {
    _Atomic uint32_t refs;
    uint32_t count, capacity;
    segment *at[]; /* a reference each */
} segment_list;

typedef struct table {
    struct store *store;
    uint32_t environment;
    family family;
    lock publish;        /* RANK_STORE */
    open_set *accepting; /* guarded by publish; the newest of sets, or NULL */
    bool
        is_stopped; /* guarded by publish: a batch could not be shown; the journal replays from it */
    lock keep;      /* RANK_STORE: the four below */
    uint64_t *dropped; /* see catalog.c */
    uint32_t dropped_count, dropped_capacity;
    uint64_t kept_seq;
    lock lock;         /* RANK_TABLE: all below */
    condition changed; /* is_sealing or a segment's is_busy was cleared */
    open_set **sets;   /* oldest first: being sealed, waiting to be, accepting */
    uint32_t set_count, set_capacity;
    bool is_sealing;
    bool is_stuck; /* a seal could not be taken back: none more until the store is opened again */
    segment_list *segments; /* NULL when empty */
    atomic_bool has_folder;
    uint64_t sealed_seq; /* every record of this table up to here is in segments, or dropped */
} table;

struct store {
    store_options o;
    char *dir, *data_dir; /* copies; o points to them */
    lock lock;            /* RANK_STORE: tables */
    table **tables;       /* ascending by (environment, family) */
    uint32_t table_count, table_capacity;
    _Atomic uint64_t next_number; /* of segments: unique over the store's files */
    _Atomic uint64_t unsealed_bytes;
    _Atomic uint64_t seals, merges, damaged, rows_dropped_retention, rows_dropped_disk_max;
    atomic_bool is_disk_tight; /* at the last look most of disk_max_bytes was used */
    segment_cache cache;
    atomic_bool is_stopped; /* a table could not be made: nothing more is shown until a restart */
    lock work_lock;         /* RANK_STORE: for work and is_closing */
    condition work;         /* the sealer's and merger's bell */
    atomic_bool is_closing;
    thread sealer, merger;
};

/* ---- store.c ---- */
table *store__table(store *s, uint32_t environment, family f,
                    bool make); /* NULL: not there, or no memory */
/* The tables at this moment: NULL-terminated, base_free it; tables live as long as the store. NULL: no memory. */
table **store__tables(store *s);
void store__notice(store *s, const char *format, ...) format_like(2, 3);
void store__ring(store *s);

/* ---- table.c ---- */
table *table__new(store *s, uint32_t environment, family f);
void table__free(table *take_t);
sk_code table__publish(table *t, publish_info info, batch *take_b, err *e) must_use;
/* Ends the accepting set when `even_if_young` or when it is due by age: later batches go to a new one. */
void table__end_set(table *t, bool even_if_young);
/* The oldest set that accepts no more, referenced, and is_sealing set; NULL when there is none or one is being sealed.
 * `wait`: first waits for another sealing to end. */
open_set *table__begin_seal(table *t, bool wait);
/* Ends it: the segments take the set's place in one step, and its records are sealed. The caller keeps its reference. */
void table__end_seal(table *t, open_set *s, segment *const *take_added, uint32_t count,
                     segment_list *take_room);
void table__fail_seal(table *t, open_set *take_s); /* the set stays as it is, for another try */
void table__stop_sealing(table *t);
bool table__is_stuck(table *t);

/* What the table holds at one moment: every shown row once, open or sealed. */
typedef struct table_view {
    open_part *open;
    uint32_t open_count;
    segment_list *segments; /* may be NULL */
} table_view;
sk_code table__view(table *t, table_view *ret, err *e) must_use;
void table__view_done(table_view *v); /* zeroed is fine */

/* Lists of segments. */
segment_list *segment_list_ref(segment_list *l); /* NULL is fine */
void segment_list_unref(segment_list *l);        /* NULL is fine */
/* An empty list with room for what the table has and `more`: made before, so that the swap cannot fail. */
sk_code table__room(table *t, uint32_t more, segment_list **ret, err *e) must_use;
/* Under the table's lock: without `removed`, with `added`. Returns the old list, for unref after the lock. */
segment_list *table__swap_segments(table *t, segment *const *removed, uint32_t removed_count,
                                   segment *const *take_added, uint32_t added_count,
                                   segment_list *take_room) must_use;

/* ---- catalog.c ---- */
/* Names: base_free them; NULL: no memory. */
char *catalog__folder(const table *t);
char *catalog__path(const table *t, int64_t day, uint64_t number, bool is_temporary);
sk_code catalog__make_folder(table *t, err *e) must_use; /* durably; once */
/* Gives a written file its final name, durably. When that fails it is taken back; when not even that succeeds the table
 * stops sealing and merging until it is opened again, as the file may count then. */
sk_code catalog__name(table *t, const char *temporary, const char *final, err *e) must_use;
/* Durably: these segments are dropped, and records up to seq need no replay. Before they leave the list. */
sk_code catalog__drop(table *t, uint64_t seq, segment *const *list, uint32_t count,
                      err *e) must_use;
/* All segments of all tables; what is left of unfinished seals and merges is finished or removed. */
sk_code catalog__open(store *s, err *e) must_use;

/* ---- seal.c ---- */
/* Seals the oldest ended set, if there is one. */
sk_code seal__oldest(table *t, bool wait, bool *ret_did, err *e) must_use;

/* ---- merge.c ---- */
/* Merges once, if a merge is due; `now`: also if it could wait. */
sk_code merge__one(table *t, bool now, bool *ret_did, err *e) must_use;

/* ---- retain.c ---- */
/* Drops the oldest segments while more than disk_max_bytes are used. */
sk_code retain__disk(store *s, err *e) must_use;

/* ---- work.c: the two threads ---- */
sk_code work__start(store *s, err *e) must_use;
void work__stop(store *s);

#endif
