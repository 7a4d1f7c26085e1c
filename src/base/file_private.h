/*
 * base/file_private.h: what file.c, file_tree.c and file_faults.c share. The file__x functions do the plain system
 * call; the faults__x functions do the same below the recorder's root, counted, remembered and made to fail.
 */
#ifndef BASE_FILE_PRIVATE_H
#define BASE_FILE_PRIVATE_H

#include <stdatomic.h>

#include "base/file.h"

struct file {
    int fd;
    char path[];
};

/* Fills *e from errno: "cannot DO PATH: reason". */
sk_code file__error(err *e, int error, const char *what, const char *path);
/* The folder part of `path` into out; false when it is too long. */
bool file__parent(const char *path, char *out, size_t size);

sk_code file__open(const char *path, file_mode mode, file **ret, err *e);
sk_code file__write(file *f, uint64_t offset, span bytes, err *e);
sk_code file__truncate(file *f, uint64_t size, err *e);
sk_code file__sync(file *f, err *e);
sk_code file__rename(const char *from, const char *to, err *e);
sk_code file__remove(const char *path, bool is_dir, err *e);
sk_code file__make_dir(const char *path, err *e);
sk_code file__sync_dir(const char *path, err *e);
sk_code file__remove_dir(const char *path, err *e); /* rmdir, watched like file_remove */

/* Set while faults are installed; tests install them before they start threads that use files. */
extern atomic_bool faults__installed;
bool faults__is_below_root(const char *path);

static inline bool faults__watch(const char *path)
{
    if (likely(!atomic_load_explicit(&faults__installed, memory_order_relaxed)))
        return false;
    return faults__is_below_root(path);
}

sk_code faults__open(const char *path, file_mode mode, file **ret, err *e);
sk_code faults__write(file *f, uint64_t offset, span bytes, err *e);
sk_code faults__truncate(file *f, uint64_t size, err *e);
sk_code faults__sync(file *f, err *e);
sk_code faults__rename(const char *from, const char *to, err *e);
sk_code faults__remove(const char *path, bool is_dir, err *e);
sk_code faults__make_dir(const char *path, err *e);
sk_code faults__sync_dir(const char *path, err *e);

#endif
