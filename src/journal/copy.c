/*
 * journal/copy.c: the records that are still needed leave a file: one that is to be reused, or one
 * that is damaged. They go to the head as they are stored, with their number, arrival and hash.
 * Called by the committer thread, and by open before it starts. The source is given up only after
 * the copies are synced; until then a replay may see a record twice and takes it once.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "journal/journal_private.h"

#define COPY_STEP_BYTES (1 * MIB)

static int by_offset(const void *a, const void *b)
{
    const copy_item *x = a, *y = b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

sk_code journal__copy_begin(journal *j, log_file *f, err *e)
{
    lock_take(&j->lock);
    copy_item *items = base_alloc((size_t)f->unreleased_records * sizeof *items);
    uint32_t count = 0;
    for (uint32_t t = 0; items && t < j->track.count; t++) {
        const track_table *table = &j->track.tables[t];
        for (uint32_t i = 0; i < table->count; i++)
            if (table->entries[i].file == f->number)
                items[count++] = (copy_item){table->entries[i].seq, table->environment,
                                             table->entries[i].offset, table->family};
    }
    lock_drop(&j->lock);
    if (!items)
        return err_set(e, SK_NO_MEMORY, "no memory to copy journal records");
    qsort(items, count, sizeof *items, by_offset);
    j->copy_from = f;
    j->copy_items = items;
    j->copy_count = count;
    j->copy_next = 0;
    return SK_OK;
}

void journal__copy_end(journal *j)
{
    base_free(j->copy_items);
    j->copy_items = NULL;
    j->copy_from = NULL;
    j->copy_count = j->copy_next = 0;
}

/* One record to the head, unless it was released meanwhile. */
static sk_code copy_one(journal *j, walk *w, const copy_item *item, err *e)
{
    lock_take(&j->lock);
    const track_entry *entry = track_find(&j->track, item->environment, item->family, item->seq);
    bool is_needed = entry && entry->file == j->copy_from->number;
    lock_drop(&j->lock);
    if (!is_needed)
        return SK_OK;
    span stored;
    sk_code code = walk_record_at(w, item->offset, e);
    if (code == SK_OK)
        code = walk_payload(w, &stored, e);
    if (code != SK_OK) {
        j->copy_failed = j->copy_from;
        return code;
    }
    if (record_bytes(w->h.stored_bytes) > j->o.file_bytes - RECORDS_START - 3 * RECORD_BYTES_MIN)
        return err_set(e, SK_TOO_LARGE,
                       "%s: the record at byte %u is larger than a file may be now", w->of->path,
                       item->offset);
    if (!journal__fits(j, record_bytes(w->h.stored_bytes)))
        return err_set(e, SK_BUSY, "the journal's head is full");
    record_header h = w->h;
    uint32_t offset;
    h.kind = RECORD_COPY;
    code = journal__put(j, &h, stored.at, &offset, e);
    if (code != SK_OK) {
        journal__stop(j, e);
        return code;
    }
    lock_take(&j->lock);
    journal__place(j, &h, journal__head(j), offset);
    lock_drop(&j->lock);
    return SK_OK;
}

sk_code journal__copy_step(journal *j, bool *ret_done, err *e)
{
    walk w;
    walk_begin(&w, j->copy_from, RECORDS_START, j->copy_from->size, 0);
    uint64_t bytes = 0;
    sk_code code = SK_OK;
    while (code == SK_OK && j->copy_next < j->copy_count && bytes < COPY_STEP_BYTES) {
        code = copy_one(j, &w, &j->copy_items[j->copy_next], e);
        if (code == SK_OK) {
            j->copy_next++;
            bytes += record_bytes(w.h.stored_bytes);
        }
    }
    walk_done(&w);
    if (code == SK_OK && j->copy_next == j->copy_count) {
        code = journal__sync(j, e);
        if (code != SK_OK)
            journal__stop(j, e);
        *ret_done = code == SK_OK;
    }
    return code;
}

static sk_code copy_all(journal *j, log_file *f, err *e)
{
    sk_code code = journal__copy_begin(j, f, e);
    for (bool is_done = false; code == SK_OK && !is_done;) {
        code = journal__copy_step(j, &is_done, e);
        if (code == SK_BUSY)
            code = journal__rotate(j, e);
    }
    journal__copy_end(j);
    return code;
}

static sk_code rename_damaged(journal *j, const log_file *f, err *e)
{
    char aside[4096];
    int len = snprintf(aside, sizeof aside, "%s.damaged", f->path);
    if (len < 0 || (size_t)len >= sizeof aside)
        return err_set(e, SK_BAD_INPUT, "%s: the path is too long", f->path);
    sk_code code = file_rename(f->path, aside, e);
    if (code == SK_OK)
        code = file_sync_dir(j->dir, e);
    return code;
}

sk_code journal__set_aside(journal *j, err *e)
{
    for (uint32_t i = 0; i < j->file_count;) {
        log_file *f = j->files[i];
        if (!f->is_damaged) {
            i++;
            continue;
        }
        sk_code code = copy_all(j, f, e);
        if (code == SK_OK)
            code = rename_damaged(j, f, e);
        if (code != SK_OK)
            return code;
        lock_take(&j->lock);
        journal__forget_file(j, f);
        lock_drop(&j->lock);
        journal__file_free(f);
    }
    return SK_OK;
}
