/*
 * base/file_tree.c: folders, whole small files and free space, on top of base/file.c.
 * Called at start-up, by retention and by whoever keeps configuration or secrets. Never: follows a
 * symbolic link while removing.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/file_private.h"

typedef struct entry {
    char *name;
    bool is_dir;
} entry;

typedef struct entries {
    entry *at;
    uint32_t count, capacity;
} entries;

static void free_entries(entries *list)
{
    for (uint32_t i = 0; i < list->count; i++)
        base_free(list->at[i].name);
    base_free(list->at);
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const entry *)a)->name, ((const entry *)b)->name);
}

static bool is_folder(DIR *folder, const struct dirent *d)
{
    struct stat s;
    if (d->d_type != DT_UNKNOWN)
        return d->d_type == DT_DIR;
    return fstatat(dirfd(folder), d->d_name, &s, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(s.st_mode);
}

static bool add_entry(entries *list, const char *name, bool is_dir)
{
    size_t size = strlen(name) + 1;
    if (!base_reserve(&list->at, &list->capacity, list->count + 1, sizeof *list->at))
        return false;
    char *copy = base_alloc(size);
    if (!copy)
        return false;
    memcpy(copy, name, size);
    list->at[list->count++] = (entry){copy, is_dir};
    return true;
}

static sk_code read_entries(const char *path, entries *list, err *e)
{
    DIR *folder = opendir(path);
    if (!folder)
        return file__error(e, errno, "list", path);
    sk_code code = SK_OK;
    struct dirent *d;
    while (code == SK_OK && (errno = 0, d = readdir(folder))) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        if (!add_entry(list, d->d_name, is_folder(folder, d)))
            code = err_set(e, SK_NO_MEMORY, "no memory to list %s", path);
    }
    if (code == SK_OK && errno)
        code = file__error(e, errno, "list", path);
    closedir(folder);
    if (list->count)
        qsort(list->at, list->count, sizeof *list->at, compare_entries);
    return code;
}

sk_code file_list_dir(const char *path,
                      sk_code (*each)(void *ctx, const char *name, bool is_dir, err *e), void *ctx,
                      err *e)
{
    entries list = {0};
    sk_code code = read_entries(path, &list, e);
    for (uint32_t i = 0; code == SK_OK && i < list.count; i++)
        code = each(ctx, list.at[i].name, list.at[i].is_dir, e);
    free_entries(&list);
    return code;
}

static sk_code remove_each(void *ctx, const char *name, bool is_dir, err *e)
{
    const char *folder = *(const char **)ctx;
    size_t size = strlen(folder) + strlen(name) + 2;
    if (size > PATH_MAX)
        return err_set(e, SK_IO, "cannot remove %s in %s: the path is too long", name, folder);
    char *path = base_alloc(size);
    if (!path)
        return err_set(e, SK_NO_MEMORY, "no memory to remove %s", folder);
    snprintf(path, size, "%s/%s", folder, name);
    sk_code code = is_dir ? file_remove_tree(path, e) : file_remove(path, e);
    base_free(path);
    return code;
}

sk_code file_remove_tree(const char *path, err *e)
{
    struct stat s;
    if (lstat(path, &s) != 0)
        return errno == ENOENT ? SK_OK : file__error(e, errno, "remove", path);
    if (!S_ISDIR(s.st_mode))
        return file_remove(path, e);
    sk_code code = file_list_dir(path, remove_each, &path, e);
    return code == SK_OK ? file__remove_dir(path, e) : code;
}

sk_code file_disk_free(const char *path, uint64_t *ret_free, uint64_t *ret_total, err *e)
{
    struct statvfs s;
    if (statvfs(path, &s) != 0)
        return file__error(e, errno, "ask the free space of", path);
    *ret_free = (uint64_t)s.f_bavail * s.f_frsize;
    *ret_total = (uint64_t)s.f_blocks * s.f_frsize;
    return SK_OK;
}

/* Reads to the end, one byte further than allowed if it is there. */
static sk_code read_whole(file *f, size_t max_bytes, buf *out, err *e)
{
    for (;;) {
        if (!buf_reserve(out, 1))
            return err_set(e, SK_NO_MEMORY, "no memory to read %s", f->path);
        ssize_t got = pread(f->fd, out->at + out->len, out->capacity - out->len, (off_t)out->len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return file__error(e, errno, "read", f->path);
        out->len += (size_t)got;
        if (out->len > max_bytes)
            return err_set(e, SK_TOO_LARGE, "%s is larger than %zu bytes", f->path, max_bytes);
        if (got == 0)
            return SK_OK;
    }
}

sk_code file_read_all(const char *path, size_t max_bytes, uint8_t **ret, size_t *ret_len, err *e)
{
    file *f;
    sk_code code = file_open(path, FILE_READ, &f, e);
    if (code != SK_OK)
        return code;
    buf out;
    buf_init(&out, max_bytes < SIZE_MAX - 2 ? max_bytes + 2 : SIZE_MAX);
    code = read_whole(f, max_bytes, &out, e);
    file_close(f);
    if (code != SK_OK) {
        buf_done(&out);
        return code;
    }
    out.at[out.len] = 0; /* the last read found room and nothing: callers may take it as text */
    *ret = out.at;
    *ret_len = out.len;
    return SK_OK;
}

static sk_code write_new(const char *path, span bytes, uint32_t mode, err *e)
{
    file *f;
    sk_code code = file_remove(path, e); /* left by a crash */
    if (code != SK_OK || (code = file_open(path, FILE_CREATE_NEW, &f, e)) != SK_OK)
        return code;
    code = file_write_at(f, 0, bytes, e);
    if (code == SK_OK && fchmod(f->fd, (mode_t)mode) != 0)
        code = file__error(e, errno, "set the permissions of", path);
    if (code == SK_OK)
        code = file_sync(f, e);
    file_close(f);
    return code;
}

sk_code file_replace(const char *path, span bytes, uint32_t mode, err *e)
{
    char temporary[PATH_MAX], folder[PATH_MAX];
    if ((size_t)snprintf(temporary, sizeof temporary, "%s.tmp", path) >= sizeof temporary ||
        !file__parent(path, folder, sizeof folder))
        return err_set(e, SK_IO, "cannot replace %s: the path is too long", path);
    sk_code code = write_new(temporary, bytes, mode, e);
    if (code == SK_OK)
        code = file_rename(temporary, path, e);
    if (code != SK_OK) {
        (void)!file_remove(temporary, NULL);
        return code;
    }
    return file_sync_dir(folder, e);
}
