/*
 * intake/books.c: what doctor and status tell: refusals with their reasons, and who sends what. Both are bounded: the
 * one that was quiet longest makes room. Called from any thread. Never: holds a key, only its fingerprint and hash.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "intake/intake_private.h"

#define REASON_OTHER "other"

bool books_init(intake *i)
{
    lock_init(&i->refusals.lock, RANK_LEAF);
    lock_init(&i->senders.lock, RANK_LEAF);
    i->refusals.ids = base_alloc_zero(INTAKE_REFUSALS_KEPT, sizeof(uint64_t));
    i->refusals.items = base_alloc_zero(INTAKE_REFUSALS_KEPT, sizeof(refusal));
    i->senders.ids = base_alloc_zero(SENDERS_KEPT, sizeof(uint64_t));
    i->senders.items = base_alloc_zero(SENDERS_KEPT, sizeof(sender));
    i->senders.odd = base_alloc_zero(1, sizeof(oddity_book));
    return i->refusals.ids && i->refusals.items && i->senders.ids && i->senders.items &&
           i->senders.odd;
}

void books_done(intake *i)
{
    base_free(i->refusals.ids);
    base_free(i->refusals.items);
    base_free(i->senders.ids);
    base_free(i->senders.items);
    base_free(i->senders.odd);
    lock_done(&i->refusals.lock);
    lock_done(&i->senders.lock);
}

static uint64_t mix_text(uint64_t hash, const char *text)
{
    return hash64_seeded(span_text(text), hash);
}

/* ---- refusals ---- */
static void count_reason(refusal_book *book, const char *reason, uint64_t count)
{
    uint32_t at = 0;
    while (at < book->reason_count && strcmp(book->reasons[at].reason, reason) != 0)
        at++;
    if (at == REASONS_KEPT)
        at--;
    if (at == book->reason_count) {
        const char *name = at == REASONS_KEPT - 1 ? REASON_OTHER : reason;
        snprintf(book->reasons[at].reason, sizeof book->reasons[at].reason, "%s", name);
        book->reason_count++;
    }
    book->reasons[at].count += count;
}

static uint64_t refusal_id(const refusal *r)
{
    uint64_t id = hash64(span_of(r->key_hash, sizeof r->key_hash));
    id = mix_text(id, r->key_fingerprint);
    id = mix_text(id, r->reason);
    id = mix_text(id, r->path);
    id = mix_text(id, r->source);
    id = mix_text(id, r->origin);
    return mix_text(id, r->service);
}

void intake_refused(intake *i, const refusal *r)
{
    refusal_book *book = &i->refusals;
    uint64_t id = refusal_id(r), count = r->count ? r->count : 1;
    int64_t now_ns = clock_wall_ns();
    lock_take(&book->lock);
    count_reason(book, r->reason, count);
    uint32_t at = 0, quiet = 0;
    for (; at < book->count && book->ids[at] != id; at++)
        if (book->items[at].last_ns < book->items[quiet].last_ns)
            quiet = at;
    refusal *kept;
    if (at < book->count) {
        kept = &book->items[at];
        uint64_t sum = kept->count + count;
        int64_t first_ns = kept->first_ns;
        *kept = *r; /* the newest sentence */
        kept->count = sum;
        kept->first_ns = first_ns;
    } else {
        at = book->count < INTAKE_REFUSALS_KEPT ? book->count++ : quiet;
        book->ids[at] = id;
        kept = &book->items[at];
        *kept = *r;
        kept->count = count;
        kept->first_ns = now_ns;
    }
    kept->last_ns = now_ns;
    lock_drop(&book->lock);
}

static int newest_refusal_first(const void *a, const void *b)
{
    const refusal *x = a, *y = b;
    return x->last_ns > y->last_ns ? -1 : x->last_ns < y->last_ns;
}

uint32_t intake_refusals(intake *i, arena *mem, refusal **ret)
{
    refusal_book *book = &i->refusals;
    *ret = NULL;
    lock_take(&book->lock);
    uint32_t count = book->count;
    refusal *list = ARENA_ARRAY(mem, refusal, count + 1);
    if (list && count)
        memcpy(list, book->items, count * sizeof *list);
    lock_drop(&book->lock);
    if (!list)
        return 0;
    qsort(list, count, sizeof *list, newest_refusal_first);
    *ret = list;
    return count;
}

bool intake_refusal_by_fingerprint(intake *i, span fingerprint, refusal *ret)
{
    refusal_book *book = &i->refusals;
    bool is_found = false;
    lock_take(&book->lock);
    for (uint32_t at = 0; at < book->count && fingerprint.len > 0; at++) {
        const refusal *r = &book->items[at];
        if (span_is(fingerprint, r->key_fingerprint) && (!is_found || r->last_ns > ret->last_ns)) {
            *ret = *r;
            is_found = true;
        }
    }
    lock_drop(&book->lock);
    return is_found;
}

void intake_forget(intake *i, const char *reason, span fingerprint, span origin)
{
    refusal_book *book = &i->refusals;
    uint32_t kept = 0;
    lock_take(&book->lock);
    for (uint32_t at = 0; at < book->count; at++) {
        const refusal *r = &book->items[at];
        if (strcmp(r->reason, reason) == 0 &&
            (!fingerprint.len || span_is(fingerprint, r->key_fingerprint)) &&
            (!origin.len || span_is(origin, r->origin)))
            continue;
        if (kept != at) {
            book->ids[kept] = book->ids[at];
            book->items[kept] = *r;
        }
        kept++;
    }
    book->count = kept;
    lock_drop(&book->lock);
}

uint32_t intake_reason_counts(intake *i, arena *mem, reason_count **ret)
{
    refusal_book *book = &i->refusals;
    lock_take(&book->lock);
    uint32_t count = book->reason_count;
    reason_count *list = ARENA_ARRAY(mem, reason_count, count + 1);
    if (list && count)
        memcpy(list, book->reasons, count * sizeof *list);
    lock_drop(&book->lock);
    *ret = list;
    return list ? count : 0;
}

/* ---- senders ---- */
void books__copy_text(char *out, size_t size, span text)
{
    size_t len = text.len < size - 1 ? text.len : size - 1;
    if (len)
        memcpy(out, text.at, len);
    while (len > 0 && !utf8_is_valid(span_of(out, len)))
        len--;
    out[len] = 0;
}

/* With the book's lock held. */
static sender *sender_slot(sender_book *book, uint32_t environment_id, span dataset,
                           const char *key_id, int64_t now_ns)
{
    uint64_t id = mix_text(hash64_seeded(dataset, environment_id), key_id);
    uint32_t at = 0, quiet = 0;
    for (; at < book->count && book->ids[at] != id; at++)
        if (book->items[at].last_ns < book->items[quiet].last_ns)
            quiet = at;
    if (at == book->count) {
        at = book->count < SENDERS_KEPT ? book->count++ : quiet;
        book->ids[at] = id;
        sender *s = &book->items[at];
        *s = (sender){.environment = environment_id, .first_ns = now_ns};
        books__copy_text(s->dataset, sizeof s->dataset, dataset);
        books__copy_text(s->key_id, sizeof s->key_id, span_text(key_id));
    }
    book->items[at].last_ns = now_ns;
    return &book->items[at];
}

void intake_accepted(intake *i, const arrival *from, const batch *b)
{
    sender_book *book = &i->senders;
    int64_t now_ns = clock_wall_ns();
    lock_take(&book->lock);
    for (uint32_t row = 0; row < b->row_count;) {
        uint32_t first = row;
        while (row < b->row_count && b->dataset[row] == b->dataset[first])
            row++;
        sender *s = sender_slot(book, from->environment, batch_text(b, b->dataset[first]),
                                from->key_id ? from->key_id : "", now_ns);
        books__copy_text(s->source, sizeof s->source, span_text(from->source));
        books__copy_text(s->user_agent, sizeof s->user_agent, span_text(from->user_agent));
        books__copy_text(s->origin, sizeof s->origin, span_text(from->origin));
        s->events[b->family] += row - first;
        oddities_of_rows(book->odd, s, from->environment, b, first, row, now_ns);
    }
    oddities_of_fields(book->odd, from->environment, b);
    lock_drop(&book->lock);
}

static int newest_sender_first(const void *a, const void *b)
{
    const sender *x = a, *y = b;
    return x->last_ns > y->last_ns ? -1 : x->last_ns < y->last_ns;
}

uint32_t intake_senders(intake *i, arena *mem, sender **ret)
{
    sender_book *book = &i->senders;
    *ret = NULL;
    lock_take(&book->lock);
    uint32_t count = book->count;
    sender *list = ARENA_ARRAY(mem, sender, count + 1);
    if (list && count)
        memcpy(list, book->items, count * sizeof *list);
    lock_drop(&book->lock);
    if (!list)
        return 0;
    qsort(list, count, sizeof *list, newest_sender_first);
    *ret = list;
    return count;
}

uint32_t intake_type_conflicts(intake *i, arena *mem, type_conflict **ret)
{
    sender_book *book = &i->senders;
    lock_take(&book->lock);
    uint32_t count = book->odd->conflict_count;
    *ret = ARENA_ARRAY(mem, type_conflict, count + 1);
    if (*ret && count)
        memcpy(*ret, book->odd->conflicts, count * sizeof **ret);
    lock_drop(&book->lock);
    return *ret ? count : 0;
}

uint32_t intake_field_names(intake *i, uint32_t environment_id, arena *mem, field_name **ret)
{
    sender_book *book = &i->senders;
    uint32_t count = 0;
    field_name *list = ARENA_ARRAY(mem, field_name, FIELDS_KEPT);
    *ret = list;
    lock_take(&book->lock);
    for (uint32_t at = 0; list && at < FIELDS_KEPT; at++) {
        const field_types *f = &book->odd->fields[at];
        if (f->environment == environment_id && f->field.name[0])
            list[count++] = f->field;
    }
    lock_drop(&book->lock);
    return count;
}
