/*
 * base/file_crash.c: plays a power loss: from what the recorder remembers, decides which unsynced pages, sizes and
 * names reached the disk, and rewrites the files so.
 * Called by file_faults_power_loss alone, under the recorder's lock. Never: touches what was durable.
 *
 * The choices are independent, as on a disk that keeps no order: each page is old, new, or one version's first sectors
 * over an older version; a size is any that the file had, or a page's end between; each change of a name happened or did
 * not. Some seeds choose all or nothing, or for names the first few in order, which chance alone would hardly ever give.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_faults_private.h"
#include "base/hash.h"
#include "base/must.h"

typedef struct dice {
    uint64_t state;
} dice;

static uint64_t roll(dice *d, uint64_t sides)
{
    d->state += 0x9e3779b97f4a7c15ull;
    return hash_mix(d->state) % sides;
}

typedef enum mood { ALL_LOST, ALL_KEPT, IN_ORDER, MIXED } mood;

static mood roll_mood(dice *d)
{
    uint64_t side = roll(d, 8);
    return side == 0 ? ALL_LOST : side == 1 ? ALL_KEPT : side < 4 ? IN_ORDER : MIXED;
}

static sk_code failed(err *e, const char *what)
{
    return file__error(e, errno, what, "a file after the power loss");
}

/* --- contents --- */

/* Version i of a page; i == count is the present one, in `now`. */
static const uint8_t *version(const page *p, unsigned i, const uint8_t *now)
{
    static const uint8_t zeros[PAGE_BYTES];
    if (i == p->count)
        return now;
    return p->versions[i] ? p->versions[i] : zeros;
}

/* What the disk holds of one page, into out. */
static void choose_page(const page *p, const uint8_t *now, mood how, dice *d,
                        uint8_t out[PAGE_BYTES])
{
    uint64_t side = roll(d, 3); /* drawn in every mood, so that seeds stay comparable */
    if (how == ALL_LOST || (how != ALL_KEPT && side == 0)) {
        memcpy(out, version(p, 0, now), PAGE_BYTES);
    } else if (how == ALL_KEPT || side == 1) {
        memcpy(out, now, PAGE_BYTES);
    } else {
        unsigned newer = 1 + (unsigned)roll(d, p->count), older = (unsigned)roll(d, newer);
        size_t torn_at = SECTOR_BYTES * (1 + roll(d, PAGE_BYTES / SECTOR_BYTES));
        memcpy(out, version(p, older, now), PAGE_BYTES);
        memcpy(out, version(p, newer, now), torn_at);
    }
}

static uint64_t choose_size(const node *n, uint64_t present, mood how, dice *d)
{
    uint64_t least = present, most = present;
    if (n->size_count == 0 || how == ALL_KEPT)
        return present;
    if (how == ALL_LOST)
        return n->sizes[0];
    for (unsigned i = 0; i < n->size_count; i++) {
        least = n->sizes[i] < least ? n->sizes[i] : least;
        most = n->sizes[i] > most ? n->sizes[i] : most;
    }
    uint64_t side = roll(d, 4);
    if (side == 0)
        return present;
    if (side == 1)
        return n->sizes[roll(d, n->size_count)];
    if (side == 2)
        return n->sizes[0];
    uint64_t page_end =
        (least / PAGE_BYTES + 1 + roll(d, (most - least) / PAGE_BYTES + 1)) * PAGE_BYTES;
    return page_end < most ? page_end : most;
}

static sk_code rewrite_page(const node *n, const page *p, uint64_t size, mood how, dice *d, err *e)
{
    uint8_t now[PAGE_BYTES] = {0}, chosen[PAGE_BYTES];
    uint64_t offset = p->index * PAGE_BYTES;
    if (pread(n->fd, now, PAGE_BYTES, (off_t)offset) < 0)
        return failed(e, "read");
    choose_page(p, now, how, d, chosen);
    if (offset >= size)
        return SK_OK;
    size_t len = size - offset < PAGE_BYTES ? (size_t)(size - offset) : PAGE_BYTES;
    return pwrite(n->fd, chosen, len, (off_t)offset) == (ssize_t)len ? SK_OK : failed(e, "write");
}

static sk_code rewrite_file(const node *n, dice *d, err *e)
{
    struct stat s;
    if (fstat(n->fd, &s) != 0)
        return failed(e, "look at");
    mood how = roll_mood(d);
    uint64_t size = choose_size(n, (uint64_t)s.st_size, how, d);
    if (ftruncate(n->fd, (off_t)size) != 0)
        return failed(e, "truncate");
    sk_code code = SK_OK;
    for (size_t i = 0; i < n->page_count && code == SK_OK; i++)
        code = rewrite_page(n, &n->pages[i], size, how, d, e);
    return code;
}

/* --- names --- */

static bool is_empty(const fault_record *r, const node *dir)
{
    for (const entry *n = r->entries; n; n = n->next)
        if (n->dir == dir && n->final)
            return false;
    return true;
}

/* One step, unless steps before it that were lost make it impossible: no folder goes while something is in it, nothing
 * enters a folder that is not there, and no name is taken over from a file that had left it. */
static void apply(const fault_record *r, const change *c)
{
    node *what = c->what;
    if (!c->to) {
        if (c->from->final != what || (what->is_dir && !is_empty(r, what)))
            return;
        c->from->final = NULL;
        what->home = NULL;
        return;
    }
    const node *dir = c->to->dir;
    if ((dir->is_named && !dir->home) || (c->to->final && c->to->final != c->replaced))
        return;
    if (what->home)
        what->home->final = NULL; /* one inode, one name: there are no hard links here */
    if (c->to->final)
        c->to->final->home = NULL;
    c->to->final = what;
    what->home = c->to;
}

static void choose_names(fault_record *r, dice *d)
{
    uint64_t count = 0, i = 0;
    for (entry *n = r->entries; n; n = n->next) {
        n->final = n->durable;
        if (n->durable) {
            n->durable->home = n;
            n->durable->is_named = true;
        }
    }
    for (const change *c = r->changes; c; c = c->next) {
        c->what->is_named = true;
        count++;
    }
    mood how = roll_mood(d);
    uint64_t first_lost = roll(d, count + 1);
    for (const change *c = r->changes; c; c = c->next, i++) {
        bool is_kept = roll(d, 2) == 0;
        if (how == ALL_KEPT || (how == IN_ORDER && i < first_lost) || (how == MIXED && is_kept))
            apply(r, c);
    }
}

/* Everything whose place changes goes to the stash first, so that names can be swapped. */
static sk_code stash_names(fault_record *r, int stash, err *e)
{
    uint64_t i = 0;
    for (node *n = r->nodes; n; n = n->next)
        n->is_gone = n->is_named;
    for (entry *n = r->entries; n; n = n->next)
        if (n->current)
            n->current->is_gone =
                false; /* what has a name now can be moved; the rest must be made again */
    for (entry *n = r->entries; n; n = n->next) {
        node *what = n->current;
        if (!what || what == n->final)
            continue;
        snprintf(what->stash_name, sizeof what->stash_name, "%llu", (unsigned long long)i++);
        if (renameat(n->dir->fd, n->name, stash, what->stash_name) != 0)
            return failed(e, "set aside");
    }
    return SK_OK;
}

static sk_code copy_content(int from, int to, err *e)
{
    uint8_t bytes[16 * PAGE_BYTES];
    off_t at = 0;
    ssize_t got;
    while ((got = pread(from, bytes, sizeof bytes, at)) > 0) {
        if (pwrite(to, bytes, (size_t)got, at) != got)
            return failed(e, "restore");
        at += got;
    }
    return got < 0 ? failed(e, "restore") : SK_OK;
}

/* Brings back a file or folder whose last name was removed. */
static sk_code make_again(const entry *to, node *what, err *e)
{
    struct stat s;
    int fd;
    if (fstat(what->fd, &s) != 0)
        return failed(e, "look at");
    if (what->is_dir) {
        if (mkdirat(to->dir->fd, to->name, s.st_mode & 07777) != 0 ||
            (fd = openat(to->dir->fd, to->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
            return failed(e, "restore");
        close(what->fd);
        what->fd = fd; /* what was in it comes back through it */
        what->is_gone = false;
        return SK_OK;
    }
    fd = openat(to->dir->fd, to->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, s.st_mode & 07777);
    if (fd < 0)
        return failed(e, "restore");
    sk_code code = copy_content(what->fd, fd, e);
    close(fd);
    return code;
}

/* Puts every name that can be put, until no folder is left that came back: a folder may return after what is in it. */
static sk_code place_names(fault_record *r, int stash, err *e)
{
    for (bool goes_on = true; goes_on;) {
        goes_on = false;
        for (entry *n = r->entries; n; n = n->next) {
            node *what = n->final;
            if (!what || what == n->current || n->dir->is_gone)
                continue;
            sk_code code = SK_OK;
            if (what->stash_name[0] == 0)
                code = make_again(n, what, e);
            else if (renameat(stash, what->stash_name, n->dir->fd, n->name) != 0)
                code = failed(e, "rename");
            if (code != SK_OK)
                return code;
            n->current = what;
            goes_on = true;
        }
    }
    return SK_OK;
}

static sk_code rewrite_names(fault_record *r, dice *d, int stash, err *e)
{
    choose_names(r, d);
    sk_code code = stash_names(r, stash, e);
    return code == SK_OK ? place_names(r, stash, e) : code;
}

sk_code faults__play_power_loss(fault_record *r, uint64_t seed, const char *stash, err *e)
{
    dice d = {hash_mix(seed + 1)};
    sk_code code = SK_OK;
    for (const node *n = r->nodes; n && code == SK_OK; n = n->next)
        if (n->page_count || n->size_count)
            code = rewrite_file(n, &d, e);
    if (code != SK_OK)
        return code;
    int fd = mkdir(stash, 0700) == 0 ? open(stash, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd < 0)
        return failed(e, "set aside");
    code = rewrite_names(r, &d, fd, e);
    close(fd);
    return code;
}
