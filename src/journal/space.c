/*
 * journal/space.c: where the next records go: spares, rotation, removal of what nothing needs.
 * Called by the committer thread between commits, in small steps so that nobody waits long for an
 * acknowledgement.
 *
 * A spare is made ready before the head is full: an old file that nothing needs, or a new one
 * written with zeros. It has the name journal-spare until its header is durable, so a file called
 * journal-N always has had a durable header. Order that a power cut cannot break: rename to spare,
 * sync the folder, only then overwrite the header, sync, END mark in the old head, sync, rename to
 * journal-N, sync the folder, only then the first record.
 */
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/must.h"
#include "journal/journal_private.h"

#define GROW_STEP_BYTES (2 * MIB)
#define COPY_SHARE_MAX  4u /* at most a quarter of a file is copied to win it back */

log_file *journal__file_new(const char *dir, uint32_t number)
{
    size_t path_bytes = strlen(dir) + sizeof "/journal-4294967295.damaged";
    log_file *f = base_alloc_zero(1, sizeof *f);
    char *path = base_alloc(path_bytes);
    if (!f || !path) {
        base_free(f);
        base_free(path);
        return NULL;
    }
    snprintf(path, path_bytes, "%s/journal-%08u", dir, number);
    f->path = path;
    f->number = number;
    f->end = f->written_to = f->durable_to = f->visible_to = RECORDS_START;
    return f;
}

void journal__file_free(log_file *take_f)
{
    if (!take_f)
        return;
    if (take_f->f)
        file_close(take_f->f);
    base_free(take_f->path);
    base_free(take_f);
}

static uint64_t files_bytes(const journal *j)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < j->file_count; i++)
        sum += j->files[i]->size;
    return sum;
}

/* Nobody reads it and matchers have had their time. A file is only given up when the head's START
 * mark is durable, which keeps the count of sequence numbers. With the lock held. */
static bool may_go(const journal *j, const log_file *f)
{
    const log_file *head = journal__head(j);
    if (f == head || f->readers > 0 || f->is_damaged || head->durable_to <= RECORDS_START)
        return false;
    return files_bytes(j) + j->o.file_bytes > j->o.keep_bytes ||
           clock_wall_ns() - f->newest_arrival_ns > j->o.keep_ns;
}

/* The first file that may go with at most `unreleased_max` bytes still needed. With the lock held.
 */
static log_file *find_idle(const journal *j, uint64_t unreleased_max)
{
    for (uint32_t i = 0; i + 1 < j->file_count; i++) {
        log_file *f = j->files[i];
        if (f->unreleased_bytes <= unreleased_max && may_go(j, f))
            return f;
    }
    return NULL;
}

bool journal__has_surplus(const journal *j)
{
    return j->file_count > 1;
}

void journal__forget_file(journal *j, const log_file *f)
{
    uint32_t at = 0;
    while (j->files[at] != f)
        at++;
    memmove(&j->files[at], &j->files[at + 1], (j->file_count - at - 1) * sizeof j->files[0]);
    j->file_count--;
}

static void drop_spare(journal *j)
{
    if (j->spare_file)
        file_close(j->spare_file);
    j->spare_file = NULL;
    j->spare = SPARE_NONE;
    err ignored; /* what is left of it is taken up by the next spare */
    sk_code code = file_remove(j->spare_path, &ignored);
    (void)code;
}

static void remove_file(log_file *take_f)
{
    err ignored; /* it holds nothing that is needed: if it stays, the next opening finds it so */
    sk_code code = file_remove(take_f->path, &ignored);
    (void)code;
    journal__file_free(take_f);
}

/* A file that nothing needs becomes the spare. It has left the list. */
static sk_code recycle(journal *j, log_file *take_f, err *e)
{
    if (take_f->size > j->o.file_bytes) { /* made under a larger setting */
        remove_file(take_f);
        return SK_OK;
    }
    sk_code code = file_rename(take_f->path, j->spare_path, e);
    if (code == SK_OK)
        code = file_sync_dir(j->dir, e);
    if (code == SK_OK) {
        j->spare_file = take_f->f;
        take_f->f = NULL;
        j->spare_bytes = take_f->size;
        j->spare = SPARE_GROWING;
    } else {
        journal__stop(j, e); /* which name the file has is no longer known */
    }
    journal__file_free(take_f);
    return code;
}

/* A new file, or what is left of one from an earlier run. */
static sk_code begin_growing(journal *j, err *e)
{
    uint64_t free_bytes, total_bytes;
    sk_code code = file_disk_free(j->dir, &free_bytes, &total_bytes, e);
    if (code != SK_OK)
        return code;
    if (free_bytes < j->o.file_bytes + j->o.file_bytes / 4)
        return err_set(
            e, SK_IO,
            "the disk of %s is full: the journal needs %llu KiB for its next file and goes "
            "on by itself when there is room",
            j->dir, (unsigned long long)(j->o.file_bytes / KIB));
    code = file_open(j->spare_path, FILE_WRITE, &j->spare_file, e);
    if (code == SK_OK)
        code = file_size(j->spare_file, &j->spare_bytes, e);
    if (code == SK_OK && j->spare_bytes > j->o.file_bytes) {
        code = file_truncate(j->spare_file, j->o.file_bytes, e);
        j->spare_bytes = j->o.file_bytes;
    }
    if (code != SK_OK) {
        drop_spare(j);
        return code;
    }
    j->spare = SPARE_GROWING;
    return SK_OK;
}

/* On failure (a full disk) the file is removed: what seals and so frees the journal needs the space
 * more. */
static sk_code grow(journal *j, uint64_t step_bytes, err *e)
{
    uint64_t from = j->spare_bytes, to = j->o.file_bytes;
    if (to - from > step_bytes)
        to = from + step_bytes;
    sk_code code = to > from ? file_allocate(j->spare_file, to, e) : SK_OK;
    if (code != SK_OK) {
        drop_spare(j);
        return code;
    }
    file_write_behind(j->spare_file, from, to - from);
    j->spare_bytes = to;
    if (to == j->o.file_bytes)
        j->spare = SPARE_GROWN;
    return SK_OK;
}

static sk_code stamp(journal *j, err *e)
{
    uint8_t page[RECORDS_START];
    uint64_t id = random_u64();
    journal__page_put(page, id, clock_wall_ns());
    sk_code code = file_write_at(j->spare_file, 0, span_of(page, sizeof page), e);
    if (code == SK_OK)
        code = file_sync(j->spare_file, e);
    if (code != SK_OK) {
        drop_spare(j); /* it never held a record; another file will do */
        return code;
    }
    j->spare_id = id;
    j->spare = SPARE_READY;
    return SK_OK;
}

static sk_code choose(journal *j, bool hurry, err *e)
{
    lock_take(&j->lock);
    log_file *idle = find_idle(j, 0);
    if (idle)
        journal__forget_file(j, idle);
    log_file *nearly = idle || hurry ? NULL : find_idle(j, j->o.file_bytes / COPY_SHARE_MAX);
    uint64_t copy_bytes = nearly ? nearly->unreleased_bytes : 0;
    lock_drop(&j->lock);
    if (idle)
        return recycle(j, idle, e);
    if (nearly && nearly != j->copy_failed &&
        journal__fits(j, copy_bytes + j->o.file_bytes / COPY_SHARE_MAX)) {
        sk_code code = journal__copy_begin(j, nearly, e);
        if (code == SK_OK)
            j->spare = SPARE_COPYING;
        return code;
    }
    return begin_growing(j, e);
}

sk_code journal__prepare(journal *j, bool hurry, err *e)
{
    switch (j->spare) {
    case SPARE_NONE: return choose(j, hurry, e);
    case SPARE_COPYING: {
        bool is_done =
            hurry; /* given up: what was copied is found twice by a replay, and taken once */
        sk_code code = hurry ? SK_OK : journal__copy_step(j, &is_done, e);
        if (is_done || code != SK_OK) {
            journal__copy_end(j);
            j->spare = SPARE_NONE;
        }
        return code;
    }
    case SPARE_GROWING: return grow(j, hurry ? j->o.file_bytes : GROW_STEP_BYTES, e);
    case SPARE_GROWN: return stamp(j, e);
    case SPARE_READY: return SK_OK;
    }
    never();
}

/* The head takes no more: END mark, sync. Only when the next file is ready. */
static sk_code end_head(journal *j, err *e)
{
    log_file *head = journal__head(j);
    if (head->is_ended || head->has_stale || head->is_damaged)
        return SK_OK;
    sk_code code = journal__mark(j, RECORD_END, e);
    if (code == SK_OK)
        code = journal__sync(j, e);
    return code;
}

static sk_code name_spare(journal *j, log_file *next, err *e)
{
    sk_code code = j->file_count > 0 ? end_head(j, e) : SK_OK;
    if (code == SK_OK)
        code = file_rename(j->spare_path, next->path, e);
    if (code == SK_OK)
        code = file_sync_dir(j->dir, e);
    if (code == SK_OK)
        code =
            file_open(next->path, FILE_WRITE, &next->f, e); /* errors name it as it is called now */
    if (code != SK_OK)
        return code;
    file_close(j->spare_file);
    next->id = j->spare_id;
    next->size = j->spare_bytes;
    next->newest_arrival_ns = clock_wall_ns();
    j->spare_file = NULL;
    j->spare = SPARE_NONE;
    j->last_number = next->number;
    lock_take(&j->lock);
    j->files[j->file_count++] = next;
    lock_drop(&j->lock);
    return journal__mark(j, RECORD_START, e);
}

sk_code journal__rotate(journal *j, err *e)
{
    while (j->spare != SPARE_READY) {
        sk_code code = journal__prepare(j, true, e);
        if (code != SK_OK)
            return code;
    }
    log_file *next = journal__file_new(j->dir, j->last_number + 1);
    lock_take(&j->lock);
    bool has_room =
        base_reserve(&j->files, &j->file_capacity, j->file_count + 1, sizeof(log_file *));
    lock_drop(&j->lock);
    if (!next || !has_room) {
        journal__file_free(next);
        return err_set(e, SK_NO_MEMORY, "no memory for the next journal file");
    }
    sk_code code = name_spare(j, next, e);
    if (code == SK_OK)
        return SK_OK;
    if (!next->f)
        journal__file_free(next);
    journal__stop(j, e);
    return code;
}

bool journal__maintain(journal *j)
{
    err e = {0};
    const log_file *head = journal__head(j);
    if (j->spare != SPARE_READY && (j->spare != SPARE_NONE || head->end > head->size / 2))
        return journal__prepare(j, false, &e) == SK_OK;
    lock_take(&j->lock);
    log_file *idle = find_idle(j, 0);
    if (idle)
        journal__forget_file(j, idle);
    lock_drop(&j->lock);
    if (!idle)
        return false;
    if (j->spare == SPARE_NONE)
        return recycle(j, idle, &e) == SK_OK;
    remove_file(idle);
    return true;
}
