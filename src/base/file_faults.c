/*
 * base/file_faults.c: the fault points of base/file.h: counts the operations below a root, makes the chosen ones fail,
 * and remembers what is not durable yet.
 * Called by base/file.c while a test has faults installed. Never: runs outside tests. Every operation is done under
 * one lock, so that what is remembered of a write and the write itself are one step to every other thread. A sync is
 * only noted, not done: it is this recorder that forgets, not the disk, and tests that sync a thousand times stay fast.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_faults_private.h"
#include "base/must.h"
#include "base/thread.h"

atomic_bool faults__installed;
static lock guard = {PTHREAD_MUTEX_INITIALIZER, RANK_LEAF};
static fault_record record; /* guarded by `guard` */

/* The recorder's own memory does not count as the program's: alloc_fail_at does not reach it. */
static void *take_memory(size_t size)
{
    void *p = calloc(1, size);
    must(p != NULL);
    return p;
}

static void free_versions(page *p)
{
    for (unsigned i = 0; i < p->count; i++)
        free(p->versions[i]);
}

static void free_node(node *n)
{
    for (size_t i = 0; i < n->page_count; i++)
        free_versions(&n->pages[i]);
    free(n->pages);
    close(n->fd);
    free(n);
}

static void forget_all(void)
{
    for (change *c = record.changes, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    for (entry *n = record.entries, *next; n; n = next) {
        next = n->next;
        free(n);
    }
    for (node *n = record.nodes, *next; n; n = next) {
        next = n->next;
        free_node(n);
    }
    record.changes = NULL;
    record.entries = NULL;
    record.nodes = NULL;
}

void file_faults_install(const file_faults *faults)
{
    lock_take(&guard);
    forget_all();
    free(record.root);
    record = (fault_record){0};
    if (faults) {
        record.root = strdup(faults->root);
        must(record.root != NULL);
        record.root_len = strlen(faults->root);
        record.fail_at = faults->fail_at;
        record.from_then_on = faults->from_then_on;
        record.error = faults->error ? faults->error : EIO;
    }
    atomic_store_explicit(&faults__installed, faults != NULL, memory_order_relaxed);
    lock_drop(&guard);
}

uint64_t file_faults_count(void)
{
    lock_take(&guard);
    uint64_t count = record.operations;
    lock_drop(&guard);
    return count;
}

bool faults__is_below_root(const char *path)
{
    lock_take(&guard);
    size_t len = record.root_len;
    bool is_below =
        record.root && strncmp(path, record.root, len) == 0 && (path[len] == '/' || path[len] == 0);
    lock_drop(&guard);
    return is_below;
}

/* Counts one operation: the errno it must fail with, or 0. */
static int next_fault(void)
{
    int64_t n = (int64_t)record.operations++;
    bool is_hit =
        n == record.fail_at || (record.from_then_on && record.fail_at >= 0 && n > record.fail_at);
    return is_hit ? record.error : 0;
}

/* The node of what `s` describes; `from_fd` is open on it. Our own descriptor shares nothing with the program's. */
static node *node_of(const struct stat *s, int from_fd)
{
    for (node *n = record.nodes; n; n = n->next)
        if (n->device == s->st_dev && n->inode == s->st_ino)
            return n;
    char path[64];
    node *n = take_memory(sizeof *n);
    snprintf(path, sizeof path, "/proc/self/fd/%d", from_fd);
    n->is_dir = S_ISDIR(s->st_mode);
    n->fd = open(path, (n->is_dir ? O_RDONLY | O_DIRECTORY : O_RDWR) | O_CLOEXEC);
    if (n->fd < 0)
        n->fd = open(path, O_RDONLY | O_CLOEXEC); /* of a read-only file only the names matter */
    must(n->fd >= 0);
    n->device = s->st_dev;
    n->inode = s->st_ino;
    n->next = record.nodes;
    return record.nodes = n;
}

static node *node_of_fd(int fd)
{
    struct stat s;
    must(fstat(fd, &s) == 0);
    return node_of(&s, fd);
}

/* NULL when there is no file or folder of that name; links and sockets are not ours. */
static node *node_of_path(const char *path)
{
    struct stat s;
    node *n = NULL;
    int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    if (fstat(fd, &s) == 0 && (S_ISREG(s.st_mode) || S_ISDIR(s.st_mode)))
        n = node_of(&s, fd);
    close(fd);
    return n;
}

/* The entry of `path`. Seen for the first time, what is there now is durable. NULL when its folder does not exist. */
static entry *entry_of(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    must(file__parent(path, folder, sizeof folder));
    node *dir = node_of_path(folder);
    if (!dir)
        return NULL;
    for (entry *n = record.entries; n; n = n->next)
        if (n->dir == dir && strcmp(n->name, name) == 0)
            return n;
    entry *n = take_memory(sizeof *n + strlen(name) + 1);
    memcpy(n->name, name, strlen(name) + 1);
    n->dir = dir;
    n->durable = n->current = node_of_path(path);
    n->next = record.entries;
    return record.entries = n;
}

static void add_change(entry *from, entry *to, node *what)
{
    change **end = &record.changes;
    while (*end)
        end = &(*end)->next;
    change *c = *end = take_memory(sizeof *c);
    c->from = from;
    c->to = to;
    c->what = what;
    c->replaced = to ? to->current : NULL;
    if (from)
        from->current = NULL;
    if (to)
        to->current = what;
}

static bool has_name(const node *n)
{
    struct stat s;
    return fstat(n->fd, &s) == 0 && s.st_nlink > 0;
}

static void sweep(void)
{
    for (node *n = record.nodes; n; n = n->next)
        n->is_used = (n->page_count || n->size_count) && has_name(n);
    for (entry *n = record.entries; n; n = n->next)
        n->is_used = false;
    for (change *c = record.changes; c; c = c->next) {
        c->what->is_used = true;
        if (c->replaced)
            c->replaced->is_used = true;
        if (c->from)
            c->from->is_used = true;
        if (c->to)
            c->to->is_used = true;
    }
    for (entry **at = &record.entries; *at;) {
        entry *n = *at;
        if (n->is_used) {
            n->dir->is_used = true;
            if (n->durable)
                n->durable->is_used = true;
            if (n->current)
                n->current->is_used = true;
            at = &n->next;
        } else {
            *at = n->next;
            free(n);
        }
    }
    for (node **at = &record.nodes; *at;) {
        node *n = *at;
        if (n->is_used) {
            at = &n->next;
        } else {
            *at = n->next;
            free_node(n);
        }
    }
}

static uint64_t present_size(const node *n)
{
    struct stat s;
    must(fstat(n->fd, &s) == 0);
    return (uint64_t)s.st_size;
}

static void remember_size(node *n, uint64_t size)
{
    if (n->size_count == SIZES_MAX) {
        memmove(n->sizes + 1, n->sizes + 2, (SIZES_MAX - 2) * sizeof n->sizes[0]);
        n->size_count--;
    }
    n->sizes[n->size_count++] = size;
}

/* The place of page `index`, made when it is not there. */
static page *page_of(node *n, uint64_t index)
{
    size_t low = 0, high = n->page_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (n->pages[middle].index < index)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < n->page_count && n->pages[low].index == index)
        return &n->pages[low];
    if (n->page_count == n->page_capacity) {
        n->page_capacity = n->page_capacity ? n->page_capacity * 2 : 16;
        n->pages = realloc(n->pages, n->page_capacity * sizeof *n->pages);
        must(n->pages != NULL);
    }
    memmove(n->pages + low + 1, n->pages + low, (n->page_count - low) * sizeof *n->pages);
    n->page_count++;
    n->pages[low] = (page){.index = index};
    return &n->pages[low];
}

/* Keeps what one page holds before it is changed. */
static void remember_page(node *n, uint64_t index, uint64_t size)
{
    page *p = page_of(n, index);
    if (p->count == VERSIONS_MAX) {
        free(p->versions[1]);
        memmove(p->versions + 1, p->versions + 2, (VERSIONS_MAX - 2) * sizeof p->versions[0]);
        p->count--;
    }
    uint8_t *bytes = NULL;
    if (index * PAGE_BYTES < size) {
        bytes = take_memory(PAGE_BYTES);
        must(pread(n->fd, bytes, PAGE_BYTES, (off_t)(index * PAGE_BYTES)) >= 0);
    }
    p->versions[p->count++] = bytes;
}

static void remember_range(node *n, uint64_t from, uint64_t to)
{
    uint64_t size = present_size(n);
    for (uint64_t index = from / PAGE_BYTES; index * PAGE_BYTES < to; index++) {
        remember_page(n, index, size);
        if (from <= index * PAGE_BYTES && to >= (index + 1) * PAGE_BYTES)
            page_of(n, index)->is_doomed =
                false; /* whole again in memory: the next sync writes all of it */
    }
}

sk_code faults__open(const char *path, file_mode mode, file **ret, err *e)
{
    if (mode == FILE_READ)
        return file__open(path, mode, ret, e);
    lock_take(&guard);
    bool is_new = access(path, F_OK) != 0;
    entry *to = is_new ? entry_of(path) : NULL;
    int error = to ? next_fault() : 0;
    sk_code code = error ? file__error(e, error, "open", path) : file__open(path, mode, ret, e);
    if (code == SK_OK && to)
        add_change(NULL, to, node_of_fd((*ret)->fd));
    sweep();
    lock_drop(&guard);
    return code;
}

/* A write that fails has written its first half: what a full disk does. */
sk_code faults__write(file *f, uint64_t offset, span bytes, err *e)
{
    if (bytes.len == 0)
        return SK_OK;
    lock_take(&guard);
    node *n = node_of_fd(f->fd);
    int error = next_fault();
    span written = error ? span_first(bytes, bytes.len / 2) : bytes;
    uint64_t end = offset + written.len, size = present_size(n);
    if (written.len)
        remember_range(n, offset, end);
    if (written.len && end > size)
        remember_size(n, size);
    sk_code code = file__write(f, offset, written, e);
    if (code == SK_OK && error)
        code = file__error(e, error, "write", f->path);
    lock_drop(&guard);
    return code;
}

sk_code faults__truncate(file *f, uint64_t size, err *e)
{
    lock_take(&guard);
    node *n = node_of_fd(f->fd);
    int error = next_fault();
    uint64_t before = present_size(n);
    if (!error && size != before) {
        if (size < before)
            remember_range(n, size, before);
        remember_size(n, before);
    }
    sk_code code = error ? file__error(e, error, "truncate", f->path) : file__truncate(f, size, e);
    lock_drop(&guard);
    return code;
}

static void note_durable(node *n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n->page_count; i++) {
        if (n->pages[i].is_doomed)
            n->pages[kept++] = n->pages[i];
        else
            free_versions(&n->pages[i]);
    }
    n->page_count = kept;
    if (!n->is_size_doomed)
        n->size_count = 0;
}

/* The kernel marks pages clean whose write-out failed: a later sync says yes and has written nothing. */
static void note_doomed(node *n)
{
    for (size_t i = 0; i < n->page_count; i++)
        n->pages[i].is_doomed = true;
    n->is_size_doomed = n->size_count > 0;
}

sk_code faults__sync(file *f, err *e)
{
    lock_take(&guard);
    node *n = node_of_fd(f->fd);
    int error = next_fault();
    if (error)
        note_doomed(n);
    else
        note_durable(n);
    sweep();
    lock_drop(&guard);
    return error ? file__error(e, error, "sync", f->path) : SK_OK;
}

sk_code faults__rename(const char *from, const char *to, err *e)
{
    lock_take(&guard);
    int error = next_fault();
    entry *old = entry_of(from), *new = entry_of(to);
    sk_code code = error ? file__error(e, error, "rename to", to) : file__rename(from, to, e);
    if (code == SK_OK) {
        must(old && old->current && new);
        add_change(old, new, old->current);
    }
    sweep();
    lock_drop(&guard);
    return code;
}

sk_code faults__remove(const char *path, bool is_dir, err *e)
{
    lock_take(&guard);
    int error = next_fault();
    entry *old = entry_of(path);
    sk_code code = error ? file__error(e, error, "remove", path) : file__remove(path, is_dir, e);
    if (code == SK_OK && old && old->current)
        add_change(old, NULL, old->current);
    sweep();
    lock_drop(&guard);
    return code;
}

sk_code faults__make_dir(const char *path, err *e)
{
    lock_take(&guard);
    entry *to = access(path, F_OK) != 0 ? entry_of(path) : NULL;
    int error = to ? next_fault() : 0;
    sk_code code = error ? file__error(e, error, "make the folder", path) : file__make_dir(path, e);
    if (code == SK_OK && to)
        add_change(NULL, to, node_of_path(path));
    sweep();
    lock_drop(&guard);
    return code;
}

/* The folder whose sync makes a change durable. */
static const node *folder_of(const change *c)
{
    return c->to ? c->to->dir : c->from->dir;
}

/* Takes out of the list: changes of `what` up to and with `last`, and changes inside a folder that is gone for good. */
static void drop_changes(const node *what, const change *last, const node *gone)
{
    bool is_past = false;
    for (change **at = &record.changes; *at;) {
        change *c = *at;
        bool is_last = c == last;
        if ((!is_past && c->what == what) || (gone && folder_of(c) == gone)) {
            *at = c->next;
            free(c);
        } else {
            at = &c->next;
        }
        is_past |= is_last;
    }
}

static void make_durable(change *c);

/* What a change rests on becomes durable with it, as it must have happened: a file was moved out of the way of a name
 * that is taken now, or out of a folder that is gone now. `before` ends the search; NULL searches all. */
static void make_moves_durable(const node *what, const node *from_dir, const change *before)
{
    for (change *c = record.changes, *next; c && c != before; c = next) {
        next = c->next;
        bool is_asked = what ? c->what == what : c->to && c->from && c->from->dir == from_dir;
        if (is_asked) {
            make_durable(c);
            next = record.changes; /* it may have taken others out of the list */
        }
    }
}

static void make_durable(change *c)
{
    node *what = c->what, *gone = NULL;
    if (c->to) {
        const node *in_the_way = c->to->durable;
        if (in_the_way && in_the_way != what && in_the_way != c->replaced)
            make_moves_durable(in_the_way, NULL, c);
        for (entry *n = record.entries; n; n = n->next)
            if (n->durable == what)
                n->durable = NULL;
        c->to->durable = what;
    } else {
        gone = what->is_dir ? what : NULL;
        if (gone)
            make_moves_durable(NULL, gone, NULL);
        if (c->from->durable == what)
            c->from->durable = NULL;
    }
    drop_changes(what, c, gone);
}

static change *first_to_commit(const node *dir)
{
    for (change *c = record.changes; c; c = c->next)
        if (folder_of(c) == dir && !c->is_doomed)
            return c;
    return NULL;
}

sk_code faults__sync_dir(const char *path, err *e)
{
    lock_take(&guard);
    int error = next_fault();
    const node *dir = node_of_path(path);
    if (!dir || !dir->is_dir)
        error = error ? error : dir ? ENOTDIR : ENOENT;
    else if (error)
        for (change *c = record.changes; c; c = c->next)
            c->is_doomed |= folder_of(c) == dir;
    else
        for (change *c; (c = first_to_commit(dir));)
            make_durable(c);
    sweep();
    lock_drop(&guard);
    return error ? file__error(e, error, "sync the folder", path) : SK_OK;
}

sk_code file_faults_power_loss(uint64_t seed, err *e)
{
    char stash[PATH_MAX];
    lock_take(&guard);
    must(record.root != NULL);
    snprintf(stash, sizeof stash, "%s/.power-loss", record.root);
    sk_code code = faults__play_power_loss(&record, seed, stash, e);
    forget_all();
    lock_drop(&guard);
    if (code != SK_OK)
        return code;
    atomic_store_explicit(&faults__installed, false, memory_order_relaxed);
    code = file_remove_tree(stash, e);
    atomic_store_explicit(&faults__installed, true, memory_order_relaxed);
    return code;
}
