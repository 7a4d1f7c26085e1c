/*
 * base/file.c: files and names: the system calls, finished when they stop short, with errors that
 * name the path. Called by the journal, the store and whoever keeps a file. Never: buffers, logs,
 * or retries a failed sync.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file_private.h"
#include "base/must.h"

#define FILE_PERMISSIONS 0600
#define DIR_PERMISSIONS  0700
#define ZEROS_BYTES      (256 * KIB)

sk_code file__error(err *e, int error, const char *what, const char *path)
{
    const char *reason = strerrordesc_np(error);
    sk_code code = SK_IO;
    if (error == ENOENT)
        code = SK_NOT_FOUND;
    else if (error == EEXIST)
        code = SK_CONFLICT;
    else if (error == ENOMEM)
        code = SK_NO_MEMORY;
    return err_set(e, code, "cannot %s %s: %s", what, path, reason ? reason : "unknown error");
}

bool file__parent(const char *path, char *out, size_t size)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    if (len >= size || size < 2)
        return false;
    if (len == 0) {
        memcpy(out, slash ? "/" : ".", 2);
        return true;
    }
    memcpy(out, path, len);
    out[len] = 0;
    return true;
}

sk_code file__open(const char *path, file_mode mode, file **ret, err *e)
{
    size_t len = strlen(path);
    file *f = base_alloc(sizeof *f + len + 1);
    if (!f)
        return err_set(e, SK_NO_MEMORY, "no memory to open %s", path);
    memcpy(f->path, path, len + 1);
    int flags = mode == FILE_READ    ? O_RDONLY
                : mode == FILE_WRITE ? O_RDWR | O_CREAT
                                     : O_RDWR | O_CREAT | O_EXCL;
    do
        f->fd = open(path, flags | O_CLOEXEC, FILE_PERMISSIONS);
    while (f->fd < 0 && errno == EINTR);
    if (f->fd < 0) {
        int error = errno;
        base_free(f);
        return file__error(e, error, "open", path);
    }
    *ret = f;
    return SK_OK;
}

sk_code file_open(const char *path, file_mode mode, file **ret, err *e)
{
    return faults__watch(path) ? faults__open(path, mode, ret, e) : file__open(path, mode, ret, e);
}

void file_close(file *take_f)
{
    if (!take_f)
        return;
    close(take_f->fd);
    base_free(take_f);
}

const char *file_path(const file *f)
{
    return f->path;
}

sk_code file_read_at(file *f, uint64_t offset, void *out, size_t len, err *e)
{
    uint8_t *to = out;
    while (len) {
        ssize_t got = pread(f->fd, to, len, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return file__error(e, errno, "read", f->path);
        if (got == 0)
            return err_set(e, SK_CORRUPT, "%s ends at byte %llu, %zu bytes early", f->path,
                           (unsigned long long)offset, len);
        to += got;
        offset += (uint64_t)got;
        len -= (size_t)got;
    }
    return SK_OK;
}

sk_code file__write(file *f, uint64_t offset, span bytes, err *e)
{
    while (bytes.len) {
        ssize_t put = pwrite(f->fd, bytes.at, bytes.len, (off_t)offset);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return file__error(e, errno, "write", f->path);
        bytes = span_from(bytes, (size_t)put);
        offset += (uint64_t)put;
    }
    return SK_OK;
}

sk_code file_write_at(file *f, uint64_t offset, span bytes, err *e)
{
    return faults__watch(f->path) ? faults__write(f, offset, bytes, e)
                                  : file__write(f, offset, bytes, e);
}

sk_code file_size(file *f, uint64_t *ret, err *e)
{
    struct stat s;
    if (fstat(f->fd, &s) != 0)
        return file__error(e, errno, "look at", f->path);
    *ret = (uint64_t)s.st_size;
    return SK_OK;
}

sk_code file__truncate(file *f, uint64_t size, err *e)
{
    int result;
    do
        result = ftruncate(f->fd, (off_t)size);
    while (result != 0 && errno == EINTR);
    return result == 0 ? SK_OK : file__error(e, errno, "truncate", f->path);
}

sk_code file_truncate(file *f, uint64_t size, err *e)
{
    return faults__watch(f->path) ? faults__truncate(f, size, e) : file__truncate(f, size, e);
}

sk_code file_allocate(file *f, uint64_t size, err *e)
{
    uint64_t before;
    sk_code code = file_size(f, &before, e);
    uint8_t *zeros = code == SK_OK ? base_alloc_zero(1, ZEROS_BYTES) : NULL;
    if (code == SK_OK && !zeros)
        code = err_set(e, SK_NO_MEMORY, "no memory to make room in %s", f->path);
    for (uint64_t at = before; code == SK_OK && at < size;) {
        size_t len = size - at < ZEROS_BYTES ? (size_t)(size - at) : ZEROS_BYTES;
        code = file_write_at(f, at, span_of(zeros, len), e);
        at += len;
    }
    base_free(zeros);
    if (code != SK_OK)
        (void)!file_truncate(f, before,
                             NULL); /* gives the space back; what failed is said already */
    return code;
}

sk_code file__sync(file *f, err *e)
{
    int result;
    do
        result = fdatasync(f->fd);
    while (result != 0 && errno == EINTR);
    return result == 0 ? SK_OK : file__error(e, errno, "sync", f->path);
}

sk_code file_sync(file *f, err *e)
{
    return faults__watch(f->path) ? faults__sync(f, e) : file__sync(f, e);
}

void file_write_behind(file *f, uint64_t offset, uint64_t len)
{
    (void)sync_file_range(f->fd, (off64_t)offset, (off64_t)len, SYNC_FILE_RANGE_WRITE);
}

void file_forget_cache(file *f)
{
    (void)posix_fadvise(f->fd, 0, 0, POSIX_FADV_DONTNEED);
}

sk_code file_lock(file *f, err *e)
{
    int result;
    do
        result = flock(f->fd, LOCK_EX | LOCK_NB);
    while (result != 0 && errno == EINTR);
    if (result == 0)
        return SK_OK;
    if (errno == EWOULDBLOCK)
        return err_set(e, SK_CONFLICT, "%s is locked by another process", f->path);
    return file__error(e, errno, "lock", f->path);
}

sk_code file__rename(const char *from, const char *to, err *e)
{
    return rename(from, to) == 0 ? SK_OK : file__error(e, errno, "rename to", to);
}

sk_code file_rename(const char *from, const char *to, err *e)
{
    return faults__watch(from) ? faults__rename(from, to, e) : file__rename(from, to, e);
}

sk_code file__remove(const char *path, bool is_dir, err *e)
{
    if ((is_dir ? rmdir(path) : unlink(path)) == 0 || errno == ENOENT)
        return SK_OK;
    return file__error(e, errno, "remove", path);
}

sk_code file_remove(const char *path, err *e)
{
    return faults__watch(path) ? faults__remove(path, false, e) : file__remove(path, false, e);
}

sk_code file__remove_dir(const char *path, err *e)
{
    return faults__watch(path) ? faults__remove(path, true, e) : file__remove(path, true, e);
}

sk_code file__make_dir(const char *path, err *e)
{
    struct stat s;
    if (mkdir(path, DIR_PERMISSIONS) == 0)
        return SK_OK;
    int error = errno;
    if (error == EEXIST && stat(path, &s) == 0 && S_ISDIR(s.st_mode))
        return SK_OK;
    return file__error(e, error, "make the folder", path);
}

sk_code file_make_dir(const char *path, err *e)
{
    return faults__watch(path) ? faults__make_dir(path, e) : file__make_dir(path, e);
}

sk_code file__sync_dir(const char *path, err *e)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), result;
    if (fd < 0)
        return file__error(e, errno, "open the folder", path);
    do
        result = fsync(fd);
    while (result != 0 && errno == EINTR);
    int error = errno;
    close(fd);
    return result == 0 ? SK_OK : file__error(e, error, "sync the folder", path);
}

sk_code file_sync_dir(const char *path, err *e)
{
    return faults__watch(path) ? faults__sync_dir(path, e) : file__sync_dir(path, e);
}
