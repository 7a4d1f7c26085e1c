/*
 * journal/group.c: writing to the head: records are gathered, written together and synced once.
 * Called by the committer thread (and by open and close, while it does not run). An error of a
 * write or a sync here is final: what the disk holds is no longer known, so the caller stops the
 * journal and nothing is tried again.
 */
#include "base/clock.h"
#include "base/hash.h"
#include "journal/journal_private.h"

bool journal__fits(const journal *j, uint64_t bytes)
{
    const log_file *head = journal__head(j);
    return !head->is_ended && !head->has_stale && !head->is_damaged &&
           head->end + bytes + RECORD_BYTES_MIN <= head->size;
}

static sk_code write_bytes(log_file *head, const void *at, size_t len, err *e)
{
    sk_code code = file_write_at(head->f, head->written_to, span_of(at, len), e);
    if (code == SK_OK)
        head->written_to += len;
    return code;
}

sk_code journal__flush(journal *j, err *e)
{
    if (j->group_len == 0)
        return SK_OK;
    size_t len = j->group_len;
    j->group_len = 0;
    return write_bytes(journal__head(j), j->group, len, e);
}

static sk_code gather(journal *j, const void *at, size_t len, err *e)
{
    if (len == 0)
        return SK_OK;
    if (len > GROUP_BYTES - j->group_len) {
        sk_code code = journal__flush(j, e);
        if (code != SK_OK)
            return code;
    }
    if (len > GROUP_BYTES)
        return write_bytes(journal__head(j), at, len, e);
    memcpy(j->group + j->group_len, at, len);
    j->group_len += len;
    return SK_OK;
}

sk_code journal__put(journal *j, record_header *h, const uint8_t *stored, uint32_t *ret_offset,
                     err *e)
{
    static const uint8_t zeros[8];
    log_file *head = journal__head(j);
    uint64_t bytes = record_bytes(h->stored_bytes);
    h->durable_to = (uint32_t)head->durable_to;
    h->index = head->index;
    journal__seal_header(h, head->id);
    sk_code code = gather(j, h, sizeof *h, e);
    if (code == SK_OK)
        code = gather(j, stored, h->stored_bytes, e);
    if (code == SK_OK)
        code = gather(j, zeros, (size_t)(bytes - sizeof *h - h->stored_bytes), e);
    if (code != SK_OK)
        return code;
    *ret_offset = (uint32_t)head->end;
    head->end += bytes;
    head->index++;
    head->is_closed = h->kind == RECORD_CLOSE;
    head->is_ended = h->kind == RECORD_END;
    return SK_OK;
}

sk_code journal__mark(journal *j, record_kind kind, err *e)
{
    uint32_t offset;
    lock_take(&j->lock);
    record_header h = {
        .kind = (uint8_t)kind, .seq = j->next_seq, .payload_check = hash64(span_of("", 0))};
    lock_drop(&j->lock);
    h.arrival_ns = clock_wall_ns();
    return journal__put(j, &h, NULL, &offset, e);
}

sk_code journal__sync(journal *j, err *e)
{
    log_file *head = journal__head(j);
    sk_code code = journal__flush(j, e);
    if (code != SK_OK || head->durable_to == head->written_to)
        return code;
    int64_t begun_ns = clock_mono_ns();
    code = file_sync(head->f, e);
    if (code != SK_OK)
        return code;
    head->durable_to = head->written_to;
    j->synced_at_ns = clock_mono_ns();
    lock_take(&j->lock);
    j->sync_count++;
    j->last_sync_ns = j->synced_at_ns - begun_ns;
    lock_drop(&j->lock);
    return SK_OK;
}

void journal__stop(journal *j, const err *why)
{
    lock_take(&j->lock);
    if (!j->is_stopped) {
        j->is_stopped = true;
        size_t len = strnlen(why->text, sizeof j->stop_reason - 1);
        memcpy(j->stop_reason, why->text, len);
        j->stop_reason[len] = 0;
    }
    lock_drop(&j->lock);
}

static log_file *file_by_number(journal *j, uint32_t number)
{
    for (uint32_t i = j->file_count; i > 0; i--)
        if (j->files[i - 1]->number == number)
            return j->files[i - 1];
    return NULL;
}

void journal__place(journal *j, const record_header *h, log_file *f, uint32_t offset)
{
    track_entry *entry = track_find(&j->track, h->environment, (family)h->family, h->seq);
    if (!entry)
        return;
    log_file *old = entry->file ? file_by_number(j, entry->file) : NULL;
    if (old) {
        old->unreleased_records--;
        old->unreleased_bytes -= entry->bytes;
    }
    entry->file = f->number;
    entry->offset = offset;
    entry->bytes = (uint32_t)record_bytes(h->stored_bytes);
    f->unreleased_records++;
    f->unreleased_bytes += entry->bytes;
}
