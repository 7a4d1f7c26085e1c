/*
 * base/file_faults_private.h: what the fault recorder remembers of the files below its root since each was last
 * durable. file_faults.c writes it, file_crash.c turns it into what a disk could hold after a power loss.
 *
 * A node is a file or folder by its inode, held open so that the inode outlives its last name. An entry is one name in
 * one folder. A change is one step from the durable names to the present ones. What no change needs and holds nothing
 * unsynced is swept away after each sync.
 */
#ifndef BASE_FILE_FAULTS_PRIVATE_H
#define BASE_FILE_FAULTS_PRIVATE_H

#include <sys/types.h>

#include "base/file.h"
#include "base/file_private.h"

#define PAGE_BYTES   ((size_t)4096)
#define SECTOR_BYTES ((size_t)512)
#define VERSIONS_MAX 4u
#define SIZES_MAX    8u

typedef struct page {
    uint64_t index;
    /* What the page held before each write since it was last durable, oldest first: [0] is durable. Beyond four the
     * second oldest is forgotten. NULL is a page of zeros. What it holds now is in the file. */
    uint8_t *versions[VERSIONS_MAX];
    unsigned count;
    bool is_doomed; /* a sync failed since: a later one does not make it durable */
} page;

typedef struct node node;
typedef struct entry entry;
typedef struct change change;

struct node {
    node *next;
    dev_t device;
    ino_t inode;
    int fd;               /* of our own: read and write for a file */
    bool is_dir, is_used; /* is_used: by the sweep */
    page *pages;          /* in order of index */
    size_t page_count, page_capacity;
    uint64_t sizes[SIZES_MAX]; /* before each change of size, oldest first: [0] is durable */
    unsigned size_count;       /* 0: the present size is durable */
    bool is_size_doomed;
    /* While a power loss is played: */
    entry *home;         /* its name afterwards */
    bool is_named;       /* entries or changes know it: without a home it is nowhere */
    char stash_name[32]; /* where it waits; empty: nowhere */
    bool is_gone;        /* it has no name now, so it must be made again */
};

struct entry {
    entry *next;
    node *dir;
    node *durable, *current; /* NULL: no such name */
    node *final;             /* while a power loss is played */
    bool is_used;
    char name[];
};

/* from alone: removed; to alone: created; both: renamed. */
struct change {
    change *next;
    entry *from, *to;
    node *what;
    node *replaced; /* what `to` named before; NULL: nothing */
    bool is_doomed; /* a sync of its folder failed since */
};

typedef struct fault_record {
    char *root; /* NULL: not installed */
    size_t root_len;
    int64_t fail_at;
    bool from_then_on;
    int error;
    uint64_t operations;
    node *nodes; /* newest first, as entries; changes oldest first */
    entry *entries;
    change *changes;
} fault_record;

/* Chooses and writes what the disk holds. Names that go are left in `stash`, a new folder. */
sk_code faults__play_power_loss(fault_record *r, uint64_t seed, const char *stash, err *e);

#endif
