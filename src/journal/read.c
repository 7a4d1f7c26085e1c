/*
 * journal/read.c: journal_read_from: kept records from a sequence number on, for those who follow
 * the stream. Called on the follower's own thread while the committer goes on. A file that is being
 * read is not given up.
 */
#include "base/alloc.h"
#include "journal/journal_private.h"

typedef struct follower {
    sk_code (*each)(void *ctx, const journal_record *r, err *e);
    void *ctx;
    uint8_t *scratch;
    size_t scratch_bytes;
} follower;

/* The first file behind `after` (a file number) that has originals from `seq` on, pinned; NULL when
 * there is none. */
static log_file *pin_next(journal *j, uint32_t after, uint64_t seq, uint64_t *ret_end)
{
    log_file *found = NULL;
    lock_take(&j->lock);
    for (uint32_t i = 0; i < j->file_count && !found; i++)
        if (j->files[i]->number > after && j->files[i]->max_seq >= seq)
            found = j->files[i];
    if (found) {
        found->readers++;
        *ret_end = found->visible_to;
    }
    lock_drop(&j->lock);
    return found;
}

static void unpin(journal *j, log_file *f)
{
    lock_take(&j->lock);
    f->readers--;
    lock_drop(&j->lock);
}

static sk_code tell(follower *to, walk *w, err *e)
{
    span stored, payload;
    sk_code code = walk_payload(w, &stored, e);
    if (code == SK_OK)
        code = journal__unpack(&w->h, stored, &to->scratch, &to->scratch_bytes, &payload, e);
    if (code != SK_OK)
        return code;
    journal_record record = {.seq = w->h.seq,
                             .environment = w->h.environment,
                             .family = (family)w->h.family,
                             .arrival_ns = w->h.arrival_ns,
                             .body_hash = {w->h.hash_lo, w->h.hash_hi},
                             .payload = payload};
    return to->each(to->ctx, &record, e);
}

static sk_code read_file(const log_file *f, uint64_t end, uint64_t *seq, follower *to, err *e)
{
    walk w;
    sk_code code = SK_OK;
    walk_begin(&w, f, RECORDS_START, end, 0);
    while (code == SK_OK && w.at < end) {
        walk_step step = walk_next(&w, e);
        if (step == WALK_ERROR) {
            code = e->code;
        } else if (step == WALK_END) {
            code = err_set(e, SK_CORRUPT, "%s: damaged at byte %llu", f->path,
                           (unsigned long long)w.at);
        } else if (w.h.kind == RECORD_DATA && w.h.seq >= *seq) {
            *seq = w.h.seq + 1;
            code = tell(to, &w, e);
        }
    }
    walk_done(&w);
    return code;
}

sk_code journal_read_from(journal *j, uint64_t seq,
                          sk_code (*each)(void *ctx, const journal_record *r, err *e), void *ctx,
                          err *e)
{
    err own = {0};
    follower to = {.each = each, .ctx = ctx};
    sk_code code = SK_OK;
    uint64_t end = 0;
    uint32_t after = 0;
    for (log_file *f; code == SK_OK && (f = pin_next(j, after, seq, &end));) {
        code = read_file(f, end, &seq, &to, &own);
        after = f->number;
        unpin(j, f);
    }
    base_free(to.scratch);
    if (code != SK_OK && e)
        *e = own;
    return code;
}
