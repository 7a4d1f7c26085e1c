/*
 * journal/journal.c: opening, appending and the committer thread: group commit, then `done` for
 * each in order. Called by intake (append), main (open, close), the store's owner (release). Never:
 * answers SK_OK for a record that was not synced (or, relaxed, not written); tries a failed sync
 * again.
 */
#include "journal/journal.h"

#include <lz4.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/must.h"
#include "journal/journal_private.h"

#define FILE_BYTES_DEFAULT   (64 * MIB)
#define FILE_BYTES_MIN       (16 * KIB)
#define QUEUED_BYTES_DEFAULT (64 * MIB)
#define KEEP_BYTES_DEFAULT   (256 * MIB)
#define KEEP_NS_DEFAULT      (3600 * NS_PER_S)
#define RELAXED_SYNC_NS      NS_PER_S
#define SURPLUS_LOOK_NS      (10 * NS_PER_S) /* how often idle files are looked at */
#define STORE_RAW_BELOW      64u             /* bytes; LZ4 gains nothing on less */

/* ---- append ---- */
static sk_code refuse_stopped(const journal *j, err *e)
{
    return err_set(e, SK_IO, "the journal has stopped and accepts nothing until a restart: %s",
                   j->stop_reason);
}

/* The record as it will be stored, but for what depends on its place. */
static pending *pack(const journal_record *r, journal_done done, void *ctx)
{
    size_t bound = r->payload.len < STORE_RAW_BELOW
                       ? r->payload.len
                       : (size_t)LZ4_compressBound((int)r->payload.len);
    pending *p = base_alloc(sizeof *p + bound);
    if (!p)
        return NULL;
    *p = (pending){.done = done, .ctx = ctx};
    size_t len = r->payload.len;
    int packed = 0;
    if (len >= STORE_RAW_BELOW)
        packed = LZ4_compress_default((const char *)r->payload.at, (char *)p->stored, (int)len,
                                      (int)bound);
    bool is_lz4 = packed > 0 && (size_t)packed < len;
    if (is_lz4)
        len = (size_t)packed;
    else if (len > 0)
        memcpy(p->stored, r->payload.at, len);
    pending *shrunk = base_realloc(p, sizeof *p + len);
    if (shrunk)
        p = shrunk;
    p->h = (record_header){.stored_bytes = (uint32_t)len,
                           .raw_bytes = (uint32_t)r->payload.len,
                           .environment = r->environment,
                           .arrival_ns = r->arrival_ns,
                           .hash_lo = r->body_hash.lo,
                           .hash_hi = r->body_hash.hi,
                           .kind = RECORD_DATA,
                           .family = (uint8_t)r->family,
                           .flags = is_lz4 ? RECORD_LZ4 : 0};
    p->h.payload_check = hash64(span_of(p->stored, len));
    p->bytes = record_bytes((uint32_t)len);
    return p;
}

static sk_code enqueue(journal *j, pending *p, err *e) /* with the lock held */
{
    if (j->is_closing)
        return err_set(e, SK_CLOSING, "the journal is closing");
    if (j->is_stopped)
        return refuse_stopped(j, e);
    if (j->queued_bytes > 0 && j->queued_bytes + p->bytes > j->o.queued_max_bytes)
        return err_set(e, SK_BUSY, "%llu bytes wait for the disk, the limit is %llu",
                       (unsigned long long)j->queued_bytes,
                       (unsigned long long)j->o.queued_max_bytes);
    if (!track_put(&j->track, p->h.environment, (family)p->h.family, j->next_seq))
        return err_set(e, SK_NO_MEMORY, "no memory to track a journal record");
    p->h.seq = j->next_seq++;
    if (j->queue_last)
        j->queue_last->next = p;
    else
        j->queue_first = p;
    j->queue_last = p;
    j->queued_bytes += p->bytes;
    return SK_OK;
}

sk_code journal_append(journal *j, journal_record *r, journal_done done, void *ctx, err *e)
{
    must(r->family < FAMILY_COUNT);
    uint64_t room = j->o.file_bytes - RECORDS_START - 3 * RECORD_BYTES_MIN;
    if (r->payload.len > PAYLOAD_MAX)
        return err_set(e, SK_TOO_LARGE, "a batch of %zu bytes is over the journal's limit of %zu",
                       r->payload.len, PAYLOAD_MAX);
    pending *p = pack(r, done, ctx);
    if (!p)
        return err_set(e, SK_NO_MEMORY, "no memory for a journal record of %zu bytes",
                       r->payload.len);
    if (p->bytes > room) {
        uint64_t bytes = p->bytes;
        base_free(p);
        return err_set(e, SK_TOO_LARGE,
                       "a batch of %llu bytes after compression is over the journal's limit of "
                       "%llu; send smaller requests",
                       (unsigned long long)bytes, (unsigned long long)room);
    }
    lock_take(&j->lock);
    sk_code code = enqueue(j, p, e);
    if (code == SK_OK) {
        r->seq = p->h.seq; /* the committer may free p as soon as the lock is dropped */
        condition_wake_one(&j->wake);
    }
    lock_drop(&j->lock);
    if (code != SK_OK)
        base_free(p);
    return code;
}

/* ---- the committer ---- */
/* Writes from `first` on what the head has room for. *ret_end: the first that was not tried. */
static sk_code write_group(journal *j, pending *first, pending **ret_end, err *e)
{
    log_file *head = journal__head(j);
    pending *p = first;
    sk_code code = SK_OK;
    for (; p && code == SK_OK && journal__fits(j, p->bytes); p = p->next) {
        uint32_t offset;
        code = journal__put(j, &p->h, p->stored, &offset, e);
        if (code != SK_OK)
            continue;
        lock_take(&j->lock);
        journal__place(j, &p->h, head, offset);
        lock_drop(&j->lock);
    }
    *ret_end = p;
    if (code == SK_OK)
        code = j->o.durability == JOURNAL_FSYNC ? journal__sync(j, e) : journal__flush(j, e);
    if (code != SK_OK) {
        journal__stop(j, e);
        return code;
    }
    lock_take(&j->lock);
    for (const pending *d = first; d != p; d = d->next) {
        j->record_count++;
        head->max_seq = d->h.seq;
        if (head->min_seq == 0)
            head->min_seq = d->h.seq;
        if (d->h.arrival_ns > head->newest_arrival_ns)
            head->newest_arrival_ns = d->h.arrival_ns;
    }
    head->visible_to = head->written_to;
    lock_drop(&j->lock);
    return SK_OK;
}

static void drop_entry(void *ctx, const track_entry *entry)
{
    journal *j = ctx;
    for (uint32_t i = 0; i < j->file_count; i++)
        if (j->files[i]->number == entry->file) {
            j->files[i]->unreleased_records--;
            j->files[i]->unreleased_bytes -= entry->bytes;
        }
}

/* Tells the senders of [first, end), in order, and frees what they sent. */
static void finish(journal *j, pending *first, const pending *end, const err *result)
{
    for (pending *p = first; p != end;) {
        pending *next = p->next;
        lock_take(&j->lock);
        if (result->code != SK_OK)
            track_remove(&j->track, p->h.environment, (family)p->h.family, p->h.seq, p->h.seq,
                         drop_entry, j);
        j->queued_bytes -= p->bytes;
        lock_drop(&j->lock);
        if (p->done)
            p->done(p->ctx, p->h.seq, result);
        base_free(p);
        p = next;
    }
}

static void commit(journal *j, pending *list)
{
    while (list) {
        err e = {0};
        pending *end = list->next;
        sk_code code = SK_OK;
        lock_take(&j->lock);
        if (j->is_stopped) {
            code = refuse_stopped(j, &e);
            end = NULL;
        }
        lock_drop(&j->lock);
        if (code == SK_OK && !journal__fits(j, list->bytes))
            code = journal__rotate(j, &e);
        if (code == SK_OK)
            code = write_group(j, list, &end, &e);
        e.code = code;
        finish(j, list, end, &e);
        list = end;
    }
}

static bool has_unsynced(const journal *j)
{
    const log_file *head = journal__head(j);
    return head->durable_to < head->written_to || j->group_len > 0;
}

/* Between two commits. True: there is more to do at once. */
static bool tend(journal *j)
{
    err e = {0};
    lock_take(&j->lock);
    bool is_stopped = j->is_stopped;
    lock_drop(&j->lock);
    if (is_stopped)
        return false;
    if (j->o.durability == JOURNAL_RELAXED && has_unsynced(j) &&
        clock_mono_ns() - j->synced_at_ns >= RELAXED_SYNC_NS && journal__sync(j, &e) != SK_OK) {
        journal__stop(j, &e);
        return false;
    }
    return journal__maintain(j);
}

static void wait_for_work(journal *j) /* with the lock held */
{
    int64_t until_ns = 0;
    if (j->o.durability == JOURNAL_RELAXED && has_unsynced(j) && !j->is_stopped)
        until_ns = j->synced_at_ns + RELAXED_SYNC_NS;
    else if (journal__has_surplus(j))
        until_ns = clock_mono_ns() + SURPLUS_LOOK_NS;
    if (until_ns)
        (void)condition_wait_until(&j->wake, &j->lock, until_ns);
    else
        condition_wait(&j->wake, &j->lock);
}

static void committer(void *ctx)
{
    journal *j = ctx;
    bool has_more = false;
    lock_take(&j->lock);
    while (!j->is_closing || j->queue_first) {
        if (!j->queue_first && !has_more)
            wait_for_work(j);
        pending *list = j->queue_first;
        j->queue_first = j->queue_last = NULL;
        lock_drop(&j->lock);
        commit(j, list);
        has_more = tend(j);
        lock_take(&j->lock);
    }
    lock_drop(&j->lock);
}

/* ---- opening and closing ---- */
static void journal_drop(journal *j)
{
    for (uint32_t i = 0; i < j->file_count; i++)
        journal__file_free(j->files[i]);
    base_free(j->files);
    if (j->spare_file)
        file_close(j->spare_file);
    base_free(j->spare_path);
    base_free(j->dir);
    base_free(j->group);
    journal__copy_end(j);
    track_done(&j->track);
    condition_done(&j->wake);
    lock_done(&j->lock);
    base_free(j);
}

static void set_defaults(journal_options *o)
{
    if (o->file_bytes == 0)
        o->file_bytes = FILE_BYTES_DEFAULT;
    if (o->file_bytes < FILE_BYTES_MIN)
        o->file_bytes = FILE_BYTES_MIN;
    if (o->file_bytes > UINT32_MAX)
        o->file_bytes = UINT32_MAX;
    o->file_bytes &= ~(uint64_t)4095;
    if (o->queued_max_bytes == 0)
        o->queued_max_bytes = QUEUED_BYTES_DEFAULT;
    if (o->keep_bytes == 0)
        o->keep_bytes = KEEP_BYTES_DEFAULT;
    if (o->keep_ns == 0)
        o->keep_ns = KEEP_NS_DEFAULT;
}

static journal *journal_new(const journal_options *o)
{
    journal *j = base_alloc_zero(1, sizeof *j);
    if (!j)
        return NULL;
    lock_init(&j->lock, RANK_JOURNAL);
    condition_init(&j->wake);
    j->o = *o;
    set_defaults(&j->o);
    size_t dir_bytes = strlen(o->dir) + 1, spare_bytes = dir_bytes + sizeof "/" NAME_SPARE;
    j->dir = base_alloc(dir_bytes);
    j->spare_path = base_alloc(spare_bytes);
    j->group = base_alloc(GROUP_BYTES);
    if (!j->dir || !j->spare_path || !j->group) {
        journal_drop(j);
        return NULL;
    }
    memcpy(j->dir, o->dir, dir_bytes);
    snprintf(j->spare_path, spare_bytes, "%s/" NAME_SPARE, o->dir);
    j->o.dir = j->dir;
    j->next_seq = 1;
    j->synced_at_ns = clock_mono_ns();
    return j;
}

/* A new folder's name must survive as well. */
static sk_code make_dir(const char *dir, err *e)
{
    char parent[4096];
    size_t len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/')
        len--;
    while (len > 0 && dir[len - 1] != '/')
        len--;
    while (len > 1 && dir[len - 1] == '/')
        len--;
    if (len >= sizeof parent)
        return err_set(e, SK_BAD_INPUT, "the path of the journal's folder is too long");
    memcpy(parent, len ? dir : ".", len ? len : 1);
    parent[len ? len : 1] = 0;
    sk_code code = file_make_dir(dir, e);
    return code == SK_OK ? file_sync_dir(parent, e) : code;
}

sk_code journal_open(const journal_options *o, const journal_replay *replay, journal **ret, err *e)
{
    err own = {0};
    journal *j = journal_new(o);
    if (!j)
        return err_set(e, SK_NO_MEMORY, "no memory for the journal");
    *ret = j;
    sk_code code = make_dir(j->dir, &own);
    if (code == SK_OK)
        code = journal__recover(j, replay, &own);
    if (code == SK_OK && !thread_start(&j->committer, "journal", committer, j))
        code = err_set(&own, SK_NO_MEMORY, "the journal's thread cannot be started");
    if (code == SK_OK)
        return SK_OK;
    *ret = NULL;
    journal_drop(j);
    if (e)
        *e = own;
    return code;
}

void journal_close(journal *take_j)
{
    if (!take_j)
        return;
    journal *j = take_j;
    err e = {0};
    lock_take(&j->lock);
    j->is_closing = true;
    condition_wake_all(&j->wake);
    lock_drop(&j->lock);
    thread_join(&j->committer);
    /* Best effort: without the mark the next opening takes the longer way. */
    if (!j->is_stopped && journal__fits(j, RECORD_BYTES_MIN)) {
        sk_code code = journal__sync(j, &e);
        if (code == SK_OK)
            code = journal__mark(j, RECORD_CLOSE, &e);
        if (code == SK_OK)
            code = journal__sync(j, &e);
        (void)code;
    }
    journal_drop(j);
}

/* ---- release and counters ---- */
void journal_release(journal *j, uint32_t environment, family f, uint64_t first_seq,
                     uint64_t last_seq)
{
    lock_take(&j->lock);
    track_remove(&j->track, environment, f, first_seq, last_seq, drop_entry, j);
    if (journal__has_surplus(j))
        condition_wake_one(&j->wake);
    lock_drop(&j->lock);
}

void journal_stats_get(journal *j, journal_stats *ret)
{
    lock_take(&j->lock);
    *ret = (journal_stats){.next_seq = j->next_seq,
                           .oldest_seq = j->next_seq,
                           .records = j->record_count,
                           .syncs = j->sync_count,
                           .last_sync_ns = j->last_sync_ns,
                           .is_stopped = j->is_stopped};
    memcpy(ret->stop_reason, j->stop_reason, sizeof ret->stop_reason);
    for (uint32_t i = 0; i < j->file_count; i++) {
        ret->bytes_on_disk += j->files[i]->size;
        ret->unreleased_bytes += j->files[i]->unreleased_bytes;
        if (j->files[i]->min_seq && j->files[i]->min_seq < ret->oldest_seq)
            ret->oldest_seq = j->files[i]->min_seq;
    }
    lock_drop(&j->lock);
}
