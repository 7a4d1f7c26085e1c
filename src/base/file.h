/*
 * base/file.h: every byte that goes to or comes from a disk passes here, so that tests can drop, tear or fail it.
 *
 * Durability contract: what was written before a file_sync that returned SK_OK survives power loss; a new, renamed or
 * removed name survives once file_sync_dir of its folder returned SK_OK. After a failed sync nothing may be
 * assumed of any write since the last good one: the owner stops acknowledging and never retries the sync.
 *
 * Fault points (tests only; compiled in always, one predictable branch when off): see struct file_faults.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/err.h"
#include "base/port.h"

typedef struct file file;

typedef enum file_mode {
    FILE_READ,       /* must exist */
    FILE_WRITE,      /* opens or creates, read and write */
    FILE_CREATE_NEW, /* must not exist, read and write, mode 0600 */
} file_mode;

sk_code file_open(const char *path, file_mode mode, file **ret, err *e) must_use;
void file_close(file *take_f); /* without a sync */
const char *file_path(const file *f);

/* All or an error: short reads and writes are finished inside. Reading past the end is SK_CORRUPT. */
sk_code file_read_at(file *f, uint64_t offset, void *out, size_t len, err *e) must_use;
sk_code file_write_at(file *f, uint64_t offset, span bytes, err *e) must_use;
sk_code file_size(file *f, uint64_t *ret, err *e) must_use;
sk_code file_truncate(file *f, uint64_t size, err *e) must_use;
sk_code file_allocate(file *f, uint64_t size,
                      err *e) must_use;      /* grows to `size` with written zeros */
sk_code file_sync(file *f, err *e) must_use; /* fdatasync */
void file_write_behind(file *f, uint64_t offset,
                       uint64_t len); /* starts write-out (sync_file_range); a hint */
void file_forget_cache(file *f);      /* POSIX_FADV_DONTNEED; a hint */

sk_code file_rename(const char *from, const char *to, err *e) must_use;
sk_code file_remove(const char *path, err *e) must_use;   /* missing is SK_OK */
sk_code file_make_dir(const char *path, err *e) must_use; /* 0700; existing is SK_OK */
sk_code file_sync_dir(const char *path, err *e) must_use;
/* Calls `each` with every entry's name (not "." and ".."), in byte order. */
sk_code file_list_dir(const char *path,
                      sk_code (*each)(void *ctx, const char *name, bool is_dir, err *e), void *ctx,
                      err *e) must_use;
sk_code file_remove_tree(const char *path, err *e) must_use;
sk_code file_disk_free(const char *path, uint64_t *ret_free, uint64_t *ret_total, err *e) must_use;
/* Whole small files (configuration, secrets): read up to max_bytes into memory for base_free, a NUL behind them;
 * replace by a temporary name, sync, rename, sync of the folder. */
sk_code file_read_all(const char *path, size_t max_bytes, uint8_t **ret, size_t *ret_len,
                      err *e) must_use;
sk_code file_replace(const char *path, span bytes, uint32_t mode, err *e) must_use;
/* An exclusive lock held until file_close; SK_CONFLICT when another process has it. */
sk_code file_lock(file *f, err *e) must_use;

/*
 * Tests. While faults are installed every write and sync below `root` is counted and remembered. `fail_at` n fails the
 * n-th write, sync, truncate, rename, remove, directory sync, or making of a file or folder (0-based) with `error`, once
 * or from then on; a write that fails has written its first half. Paths are compared with `root` as text.
 * file_faults_power_loss closes nothing but rewrites the files below root as the disk could hold them after power was
 * cut now: everything synced stays; each unsynced 4 KiB page of each write is kept, dropped or torn (its first sectors of
 * 512 bytes are new), the size is any the file had or a page's end between, and each unsynced name change is kept or
 * undone, as the seeded generator decides. After a failed sync a later one that succeeds makes only those pages durable
 * that were wholly written in between. What is on the disk then counts as durable; the faults stay installed.
 * Not thread-safe against concurrent writers: stop them first.
 */
typedef struct file_faults {
    const char *root;
    int64_t fail_at; /* -1 = never */
    bool from_then_on;
    int error; /* an errno: EIO, ENOSPC */
} file_faults;

void file_faults_install(
    const file_faults *faults);   /* NULL removes them and forgets what was remembered */
uint64_t file_faults_count(void); /* operations seen since install */
sk_code file_faults_power_loss(uint64_t seed, err *e) must_use;

#endif
