/*
 * base/file_private.h: what file.c, file_tree.c, file_faults.c and file_crash.c share. The file__x
 * functions do the plain system call; the faults__x functions do the same under the eyes of the
 * fault recorder.
 */
#ifndef BASE_FILE_PRIVATE_H
#define BASE_FILE_PRIVATE_H

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

#endif
