/*
 * journal/recover.c: what a journal's folder holds becomes a journal again. Called by journal_open
 * alone.
 *
 * Survey: every file is walked once; headers of released records are enough, payloads of the others
 * are checked, and their places are tracked. Then replay in order of sequence number, then the tail
 * is cut, then damaged files are set aside. Nothing is written before replay is through, so an
 * error of the replayer leaves all as it was. Memory: 48 bytes for each unreleased record, one
 * window and one payload.
 *
 * Torn tail or damage? Every record says how far the file was synced when it was written. A bad
 * place in the newest file is damage exactly when a valid record behind it was written after that
 * place was synced; else no one was ever told that it was durable, and it is cut: by going on at
 * that place, or, if valid records of the torn write lie behind it, by an END mark and a new file.
 * Older files end with a synced END mark: a bad place before it is always damage.
 *
 * Numbers are not given out twice. After an unclean end counting goes on UNCLEAN_JUMP above what
 * was seen, as relaxed durability may have lost records whose numbers the store already knows;
 * START marks keep the new count.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "journal/journal_private.h"

#define MARKS_ROOM (4 * RECORD_BYTES_MIN) /* a head with less is not worth going on with */

typedef struct survey {
    journal *j;
    const journal_replay *replay;
    uint64_t top_seq;       /* given out for certain */
    uint64_t last_original; /* originals rise through all files */
} survey;

static void report(const survey *s, const log_file *f, uint64_t offset, const char *what)
{
    if (s->replay->damaged)
        s->replay->damaged(s->replay->ctx, f->path, offset, what);
}

/* ---- finding and opening the files ---- */
static bool parse_name(const char *name, uint32_t *ret_number, bool *ret_is_aside)
{
    static const char prefix[] = "journal-", aside[] = ".damaged";
    span s = span_text(name);
    if (!span_starts_with(s, SPAN(prefix)))
        return false;
    s = span_from(s, sizeof prefix - 1);
    *ret_is_aside = span_ends_with(s, SPAN(aside));
    if (*ret_is_aside)
        s = span_first(s, s.len - (sizeof aside - 1));
    uint64_t number;
    if (s.len < 8 || !span_to_u64(s, &number) || number == 0 || number >= FILE_NUMBER_MAX)
        return false;
    *ret_number = (uint32_t)number;
    return true;
}

static sk_code list_one(void *ctx, const char *name, bool is_dir, err *e)
{
    journal *j = ctx;
    uint32_t number;
    bool is_aside;
    if (is_dir || !parse_name(name, &number, &is_aside))
        return SK_OK;
    if (number > j->last_number)
        j->last_number = number;
    if (is_aside)
        return SK_OK;
    log_file *f = journal__file_new(j->dir, number);
    if (!f || !base_reserve(&j->files, &j->file_capacity, j->file_count + 1, sizeof(log_file *))) {
        journal__file_free(f);
        return err_set(e, SK_NO_MEMORY, "no memory to list journal files");
    }
    j->files[j->file_count++] = f;
    return SK_OK;
}

static int by_number(const void *a, const void *b)
{
    const log_file *x = *(log_file *const *)a, *y = *(log_file *const *)b;
    return x->number < y->number ? -1 : x->number > y->number;
}

static sk_code open_file(const survey *s, log_file *f, err *e)
{
    uint8_t page[RECORDS_START];
    sk_code code = file_open(f->path, FILE_WRITE, &f->f, e);
    if (code == SK_OK)
        code = file_size(f->f, &f->size, e);
    if (code != SK_OK)
        return code;
    if (f->size < RECORDS_START || f->size > UINT32_MAX) {
        f->is_damaged = true;
        report(s, f, 0, "the file has an impossible size");
        return SK_OK;
    }
    code = file_read_at(f->f, 0, page, sizeof page, e);
    if (code == SK_OK)
        code = journal__page_get(page, f->path, &f->id, e);
    if (code == SK_CORRUPT) {
        f->is_damaged = true;
        report(s, f, 0, "the file header is damaged, so none of its records can be told");
        return SK_OK;
    }
    return code;
}

/* ---- survey ---- */
static sk_code track_record(const survey *s, log_file *f, const walk *w, err *e)
{
    journal *j = s->j;
    lock_take(&j->lock);
    bool is_tracked = track_put(&j->track, w->h.environment, (family)w->h.family, w->h.seq);
    if (is_tracked)
        journal__place(j, &w->h, f, (uint32_t)w->record_at);
    lock_drop(&j->lock);
    return is_tracked ? SK_OK : err_set(e, SK_NO_MEMORY, "no memory to track journal records");
}

/* SK_CORRUPT: the record cannot be what was written there. */
static sk_code take_record(survey *s, log_file *f, walk *w, err *e)
{
    const record_header *h = &w->h;
    if (h->kind != RECORD_DATA && h->kind != RECORD_COPY) {
        if (h->seq - 1 > s->top_seq)
            s->top_seq = h->seq - 1;
        return SK_OK;
    }
    if (h->kind == RECORD_DATA && h->seq <= s->last_original)
        return err_set(e, SK_CORRUPT, "sequence numbers do not rise");
    if (!s->replay->is_released ||
        !s->replay->is_released(s->replay->ctx, h->environment, (family)h->family, h->seq)) {
        span stored;
        sk_code code = walk_payload(w, &stored, e);
        if (code == SK_OK)
            code = track_record(s, f, w, e);
        if (code != SK_OK)
            return code;
    }
    if (h->seq > s->top_seq)
        s->top_seq = h->seq;
    s->j->record_count++;
    if (h->kind == RECORD_DATA) {
        f->max_seq = s->last_original = h->seq;
        if (f->min_seq == 0)
            f->min_seq = h->seq;
    }
    if (h->arrival_ns > f->newest_arrival_ns)
        f->newest_arrival_ns = h->arrival_ns;
    return SK_OK;
}

/* The walk stands at a bad place. Sets *ret_goes_on when there are records to be kept behind it. */
static sk_code judge_break(const survey *s, log_file *f, walk *w, bool is_newest, bool *ret_goes_on,
                           err *e)
{
    uint64_t bad_at = w->at, next_at = 0;
    uint32_t bad_index = w->index, next_index = 0;
    bool is_damage = !is_newest;
    walk_step step;
    while ((step = walk_find(w, e)) == WALK_RECORD) {
        if (next_at == 0) {
            next_at = w->at;
            next_index = w->index;
        }
        is_damage |= w->h.durable_to > bad_at;
        if (is_damage)
            break;
    }
    if (step == WALK_ERROR)
        return e->code;
    if (is_damage) {
        f->is_damaged = true;
        report(s, f, bad_at,
               next_at ? "damaged in the middle: the records behind are kept"
                       : "damaged, and no valid record or end mark is behind");
    }
    *ret_goes_on = is_damage && next_at != 0;
    w->at = *ret_goes_on ? next_at : bad_at;
    w->index = *ret_goes_on ? next_index : bad_index;
    f->has_stale = !is_damage && next_at != 0;
    return SK_OK;
}

static sk_code walk_file(survey *s, log_file *f, walk *w, bool is_newest, err *e)
{
    bool goes_on = true;
    while (goes_on) {
        walk_step step = walk_next(w, e);
        sk_code code = step == WALK_RECORD  ? take_record(s, f, w, e)
                       : step == WALK_ERROR ? e->code
                                            : SK_CORRUPT;
        if (step == WALK_RECORD && code == SK_CORRUPT) { /* back before it */
            w->at = w->record_at;
            w->index = w->h.index;
        } else if (code == SK_OK) {
            f->is_closed = w->h.kind == RECORD_CLOSE;
            f->is_ended = w->h.kind == RECORD_END;
            goes_on = !f->is_ended;
            continue;
        }
        if (code != SK_CORRUPT)
            return code;
        code = judge_break(s, f, w, is_newest, &goes_on, e);
        if (code != SK_OK)
            return code;
    }
    return SK_OK;
}

static sk_code survey_file(survey *s, log_file *f, bool is_newest, err *e)
{
    if (f->id == 0 && f->is_damaged)
        return SK_OK;
    walk w;
    walk_begin(&w, f, RECORDS_START, f->size, 0);
    sk_code code = walk_file(s, f, &w, is_newest, e);
    f->end = f->written_to = f->durable_to = f->visible_to = w.at;
    f->index = w.index;
    walk_done(&w);
    return code;
}

/* ---- replay ---- */
typedef struct replay_item {
    uint64_t seq;
    uint32_t environment, file, offset;
    family family;
} replay_item;

static int by_seq(const void *a, const void *b)
{
    const replay_item *x = a, *y = b;
    if (x->seq != y->seq)
        return x->seq < y->seq ? -1 : 1;
    return x->environment != y->environment ? (x->environment < y->environment ? -1 : 1)
                                            : (int)x->family - (int)y->family;
}

static void drop_entry(void *ctx, const track_entry *entry)
{
    log_file *f = ctx;
    f->unreleased_records--;
    f->unreleased_bytes -= entry->bytes;
}

/* A copy of what is tracked, by seq: releases that replay brings about may change the original
 * meanwhile. */
static replay_item *list_items(journal *j, uint64_t *ret_count)
{
    uint64_t count = 0;
    lock_take(&j->lock);
    replay_item *items = base_alloc(track_count(&j->track) * sizeof *items);
    for (uint32_t t = 0; items && t < j->track.count; t++) {
        const track_table *table = &j->track.tables[t];
        for (uint32_t i = 0; i < table->count; i++) {
            const track_entry *entry = &table->entries[i];
            items[count++] = (replay_item){entry->seq, table->environment, entry->file,
                                           entry->offset, table->family};
        }
    }
    lock_drop(&j->lock);
    if (items)
        qsort(items, count, sizeof *items, by_seq);
    *ret_count = count;
    return items;
}

typedef struct replayer {
    const survey *s;
    log_file *f;       /* where `w` walks */
    uint64_t last_seq; /* told */
    walk w;
    uint8_t *scratch;
    size_t scratch_bytes;
} replayer;

static log_file *file_of(const journal *j, uint32_t number)
{
    for (uint32_t i = 0; i < j->file_count; i++)
        if (j->files[i]->number == number)
            return j->files[i];
    return NULL;
}

static sk_code replay_one(replayer *r, const replay_item *item, err *e)
{
    journal *j = r->s->j;
    if (item->seq == r->last_seq) /* one number, one record: only lies differ */
        return SK_OK;
    if (!r->f || r->f->number != item->file) {
        if (r->f)
            walk_done(&r->w);
        r->f = file_of(j, item->file);
        walk_begin(&r->w, r->f, RECORDS_START, r->f->size, 0);
    }
    span stored, payload;
    sk_code code = walk_record_at(&r->w, item->offset, e);
    if (code == SK_OK)
        code = walk_payload(&r->w, &stored, e);
    if (code != SK_OK)
        return code;
    const record_header *h = &r->w.h;
    code = journal__unpack(h, stored, &r->scratch, &r->scratch_bytes, &payload, e);
    if (code == SK_CORRUPT) { /* valid checksums, yet no payload: written so, or made to look so */
        r->f->is_damaged = true;
        report(r->s, r->f, item->offset, "the payload does not decompress");
        lock_take(&j->lock);
        track_remove(&j->track, item->environment, item->family, item->seq, item->seq, drop_entry,
                     r->f);
        lock_drop(&j->lock);
        return SK_OK;
    }
    r->last_seq = item->seq;
    if (code != SK_OK || !r->s->replay->record)
        return code;
    journal_record record = {.seq = h->seq,
                             .environment = h->environment,
                             .family = (family)h->family,
                             .arrival_ns = h->arrival_ns,
                             .body_hash = {h->hash_lo, h->hash_hi},
                             .payload = payload};
    return r->s->replay->record(r->s->replay->ctx, &record, e);
}

static sk_code replay_all(const survey *s, err *e)
{
    uint64_t count;
    replay_item *items = list_items(s->j, &count);
    if (!items)
        return err_set(e, SK_NO_MEMORY, "no memory to replay %llu journal records",
                       (unsigned long long)count);
    replayer r = {.s = s};
    sk_code code = SK_OK;
    for (uint64_t i = 0; i < count && code == SK_OK; i++)
        code = replay_one(&r, &items[i], e);
    if (r.f)
        walk_done(&r.w);
    base_free(r.scratch);
    base_free(items);
    return code;
}

/* ---- the tail ---- */
static sk_code begin_head(journal *j, err *e)
{
    log_file *newest = j->file_count > 0 ? journal__head(j) : NULL;
    sk_code code = SK_OK;
    if (newest && newest->has_stale && !newest->is_damaged && !newest->is_ended) {
        code = journal__mark(j, RECORD_END, e); /* cut: what lies behind is never looked at again */
        if (code == SK_OK)
            code = journal__sync(j, e);
    }
    if (code == SK_OK && (!newest || !journal__fits(j, MARKS_ROOM)))
        code = journal__rotate(j, e);
    else if (code == SK_OK)
        code = journal__mark(j, RECORD_START, e);
    if (code == SK_OK)
        code = journal__sync(j, e);
    return code;
}

sk_code journal__recover(journal *j, const journal_replay *replay, err *e)
{
    survey s = {.j = j, .replay = replay};
    sk_code code = file_list_dir(j->dir, list_one, j, e);
    if (code == SK_OK && j->file_count > 1)
        qsort(j->files, j->file_count, sizeof j->files[0], by_number);
    for (uint32_t i = 0; i < j->file_count && code == SK_OK; i++)
        code = open_file(&s, j->files[i], e);
    /* What is replayed becomes visible, so it must outlive a power cut. Older files were synced
     * when they ended. */
    if (code == SK_OK && j->file_count > 0)
        code = file_sync(journal__head(j)->f, e);
    for (uint32_t i = 0; i < j->file_count && code == SK_OK; i++)
        code = survey_file(&s, j->files[i], i + 1 == j->file_count, e);
    if (code != SK_OK)
        return code;
    bool is_clean =
        j->file_count == 0 || (journal__head(j)->is_closed && !journal__head(j)->is_damaged);
    lock_take(&j->lock);
    j->next_seq = s.top_seq + 1 + (is_clean ? 0 : UNCLEAN_JUMP);
    if (j->next_seq < j->o.first_seq)
        j->next_seq = j->o.first_seq;
    lock_drop(&j->lock);
    code = replay_all(&s, e);
    if (code == SK_OK)
        code = begin_head(j, e);
    if (code == SK_OK)
        code = journal__set_aside(j, e);
    return code;
}
