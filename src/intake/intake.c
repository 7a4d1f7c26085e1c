/*
 * intake/intake.c: the way of a batch from a decode worker to its acknowledgement, and of a journaled record back into
 * the engine at a start.
 * Called by serve (submit), main (open, replay, start, close), the journal's committer (is_durable).
 * Never: shows a batch before it is durable; answers SK_OK for one that cannot be asked about.
 */
#include "intake/intake.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "event/codec.h"
#include "intake/intake_private.h"

#define RECENT_REQUESTS  (512 * 1024u) /* 40 bytes each, taken as they come */
#define ENCODED_MAX      (256 * MIB)
#define REPLAY_BATCH_MAX (1 * GIB)
#define SAMPLE_NS        (20 * NS_PER_MS)
#define OPEN_SHARE       4u /* of the memory bound */

typedef struct waiter {
    struct waiter *next;
    intake_done done;
    void *ctx;
} waiter;

/* One batch between submit and done. */
struct flight {
    intake *owner;
    batch *batch; /* NULL once it was given to the engine */
    uint32_t environment;
    hash128 hash;
    int64_t arrival_ns;
    size_t reserved_bytes;
    intake_done done;
    void *ctx;
    waiter *waiters; /* the same request again, meanwhile; guarded by intake.lock */
};

static bool has_hash(hash128 h)
{
    return (h.lo | h.hi) != 0;
}

/* ---- opening ---- */
sk_code intake_open(const intake_options *o, intake **ret, err *e)
{
    intake *i = base_alloc_zero(1, sizeof *i);
    if (!i)
        return err_set(e, SK_NO_MEMORY, "no memory for the intake");
    i->o = *o;
    lock_init(&i->lock, RANK_INTAKE);
    lock_init(&i->tap_lock, RANK_INTAKE);
    bool has_books = books_init(i);
    if (!recent_init(&i->recent, RECENT_REQUESTS) || !has_books) {
        intake_close(i);
        return err_set(e, SK_NO_MEMORY, "no memory for the intake");
    }
    *ret = i;
    return SK_OK;
}

void intake_close(intake *take_i)
{
    if (!take_i)
        return;
    books_done(take_i);
    recent_done(&take_i->recent);
    base_free(take_i->skipped);
    lock_done(&take_i->tap_lock);
    lock_done(&take_i->lock);
    base_free(take_i);
}

void intake_note_hash(intake *i, uint32_t environment_id, hash128 body_hash, int64_t arrival_ns)
{
    if (!has_hash(body_hash) || environment_id == 0)
        return;
    lock_take(&i->lock);
    if (!recent_find(&i->recent, environment_id, body_hash, arrival_ns))
        recent_add(&i->recent, environment_id, body_hash, arrival_ns);
    lock_drop(&i->lock);
}

/* The record stays in the journal until the journal runs and can be told. */
static sk_code skip(intake *i, const journal_record *r, err *e)
{
    if (!base_reserve(&i->skipped, &i->skipped_capacity, i->skipped_count + 1, sizeof(skipped)))
        return err_set(e, SK_NO_MEMORY, "no memory to replay the journal");
    i->skipped[i->skipped_count++] = (skipped){r->environment, r->family, r->seq};
    return SK_OK;
}

sk_code intake_replay(intake *i, const journal_record *r, err *e)
{
    environment env;
    batch *b;
    if (!meta_environment_by_id(i->o.meta, r->environment, &env)) /* deleted, with all its data */
        return skip(i, r, e);
    lock_take(&i->lock);
    bool is_known = has_hash(r->body_hash) &&
                    recent_find(&i->recent, r->environment, r->body_hash, r->arrival_ns);
    lock_drop(&i->lock);
    if (is_known) /* its retry was stored: the first time it was journaled but could not be shown */
        return skip(i, r, e);
    sk_code code = batch_decode(r->payload, REPLAY_BATCH_MAX, &b, e);
    if (code != SK_OK) {
        err_prefix(e, "journal record %llu", (unsigned long long)r->seq);
        return code;
    }
    b->arrival_ns = r->arrival_ns;
    publish p = {
        .environment = r->environment, .seq = r->seq, .body_hash = r->body_hash, .take_batch = b};
    code = engine_publish(i->o.engine, &p, e);
    if (code == SK_OK)
        intake_note_hash(i, r->environment, r->body_hash, r->arrival_ns);
    return code;
}

void intake_start(intake *i, journal *j)
{
    for (uint32_t at = 0; at < i->skipped_count; at++)
        journal_release(j, i->skipped[at].environment, i->skipped[at].family, i->skipped[at].seq,
                        i->skipped[at].seq);
    base_free(i->skipped);
    i->skipped = NULL;
    i->skipped_count = i->skipped_capacity = 0;
    atomic_store_explicit(&i->journal, j, memory_order_release);
}

/* ---- after the disk ---- */
static void flight_free(flight *take_f)
{
    if (take_f->owner->o.memory && take_f->reserved_bytes)
        memory_release(take_f->owner->o.memory, MEMORY_BODIES, take_f->reserved_bytes);
    batch_free(take_f->batch);
    base_free(take_f);
}

/* The request is known from now on (or, after an error, forgotten); returns those who sent it again meanwhile. */
static waiter *settle(flight *f, bool is_stored)
{
    intake *i = f->owner;
    recent_entry *entry = NULL;
    lock_take(&i->lock);
    waiter *waiters = f->waiters;
    f->waiters = NULL;
    if (has_hash(f->hash))
        entry = recent_find(&i->recent, f->environment, f->hash, f->arrival_ns);
    if (entry && entry->flight == f) {
        entry->flight = NULL;
        if (!is_stored)
            recent_remove(&i->recent, entry);
    }
    lock_drop(&i->lock);
    return waiters;
}

static void answer(waiter *waiters, const err *e)
{
    while (waiters) {
        waiter *next = waiters->next;
        waiters->done(waiters->ctx, e);
        base_free(waiters);
        waiters = next;
    }
}

/* Durable is not enough: what cannot be shown is not acknowledged, and its retry is stored anew (a later replay keeps one
 * of the two, by their hash). */
static sk_code show(flight *f, uint64_t seq, err *e)
{
    intake *i = f->owner;
    uint64_t rows = f->batch->row_count, truncated = f->batch->truncated_strings;
    family kind = f->batch->family;
    intake__tell_taps(i, f->environment, f->batch); /* before it is given away */
    publish p = {
        .environment = f->environment, .seq = seq, .body_hash = f->hash, .take_batch = f->batch};
    f->batch = NULL;
    sk_code code = engine_publish(i->o.engine, &p, e);
    if (code != SK_OK)
        return code;
    lock_take(&i->lock);
    i->stats.events[kind] += rows;
    i->stats.truncated_strings += truncated;
    lock_drop(&i->lock);
    return SK_OK;
}

/* On the committer thread. */
static void is_durable(void *ctx, uint64_t seq, const err *outcome)
{
    flight *f = ctx;
    err e = *outcome;
    if (e.code == SK_OK)
        e.code = show(f, seq, &e);
    waiter *waiters = settle(f, e.code == SK_OK);
    f->done(f->ctx, &e);
    answer(waiters, &e);
    flight_free(f);
}

/* ---- submitting ---- */

/* Open rows that questions still read are resident after they were sealed: they too make senders wait. Not so when open rows are
 * few: waiting would not help then. */
static bool is_memory_tight(const memory *m)
{
    return m && memory_is_tight(m) && memory_used(m, MEMORY_OPEN) > memory_max(m) / OPEN_SHARE;
}

static sk_code check_pressure(intake *i, err *e)
{
    if (is_memory_tight(i->o.memory))
        return err_set(e, SK_BUSY, "the memory bound (--memory-max, %zu MiB) is nearly reached",
                       memory_max(i->o.memory) / MIB);
    if (i->o.unsealed_max_bytes == 0)
        return SK_OK;
    int64_t now_ns = clock_mono_ns();
    long long sampled_ns = atomic_load_explicit(&i->sampled_at_ns, memory_order_relaxed);
    if (now_ns - sampled_ns > SAMPLE_NS &&
        atomic_compare_exchange_strong_explicit(&i->sampled_at_ns, &sampled_ns, now_ns,
                                                memory_order_relaxed, memory_order_relaxed)) {
        engine_stats stats = {0};
        engine_stats_get(i->o.engine, 0, &stats);
        atomic_store_explicit(&i->unsealed_bytes, stats.unsealed_bytes, memory_order_relaxed);
    }
    uint64_t unsealed = atomic_load_explicit(&i->unsealed_bytes, memory_order_relaxed);
    if (unsealed <= i->o.unsealed_max_bytes)
        return SK_OK;
    return err_set(e, SK_BUSY, "%llu MiB wait to be written to segments, the limit is %llu MiB",
                   (unsigned long long)(unsealed / MIB),
                   (unsigned long long)(i->o.unsealed_max_bytes / MIB));
}

static flight *flight_new(intake *i, const submission *s, intake_done done, void *ctx)
{
    flight *f = base_alloc(sizeof *f);
    if (f)
        *f = (flight){.owner = i,
                      .batch = s->take_batch,
                      .environment = s->environment,
                      .hash = s->body_hash,
                      .arrival_ns = s->take_batch->arrival_ns,
                      .done = done,
                      .ctx = ctx};
    return f;
}

typedef enum seen { SEEN_NEW, SEEN_STORED, SEEN_IN_FLIGHT } seen;

/* Notes the request as on its way, or finds that it came before; then *waits is hung on to the first when that one
 * is still on its way. */
static seen note_request(flight *f, waiter *waits)
{
    intake *i = f->owner;
    seen was = SEEN_NEW;
    lock_take(&i->lock);
    i->stats.requests++;
    recent_entry *entry =
        has_hash(f->hash) ? recent_find(&i->recent, f->environment, f->hash, f->arrival_ns) : NULL;
    if (!entry && has_hash(f->hash))
        recent_add(&i->recent, f->environment, f->hash, f->arrival_ns)->flight = f;
    if (entry) {
        i->stats.repeats++;
        was = entry->flight ? SEEN_IN_FLIGHT : SEEN_STORED;
    }
    if (was == SEEN_IN_FLIGHT) {
        waits->next = entry->flight->waiters;
        entry->flight->waiters = waits;
    }
    lock_drop(&i->lock);
    return was;
}

static void count_policy(intake *i, const intake_report *report)
{
    lock_take(&i->lock);
    i->stats.refused_rows += report->refused_rows;
    i->stats.moved_times += report->moved_times;
    lock_drop(&i->lock);
}

static sk_code append(flight *f, journal *j, err *e)
{
    intake *i = f->owner;
    size_t bytes = arena_reserved_bytes(f->batch->mem);
    if (i->o.memory && !memory_reserve(i->o.memory, MEMORY_BODIES, bytes))
        return err_set(e, SK_NO_MEMORY, "the memory bound (--memory-max, %zu MiB) is reached",
                       memory_max(i->o.memory) / MIB);
    f->reserved_bytes = i->o.memory ? bytes : 0;
    buf encoded;
    buf_init(&encoded, ENCODED_MAX);
    sk_code code = batch_encode(f->batch, &encoded, e);
    journal_record r = {.environment = f->environment,
                        .family = f->batch->family,
                        .arrival_ns = f->arrival_ns,
                        .body_hash = f->hash,
                        .payload = buf_span(&encoded)};
    if (code == SK_OK)
        code = journal_append(j, &r, is_durable, f, e);
    buf_done(&encoded);
    return code;
}

static sk_code write_down(flight *f, const policy *p, journal *j, const intake_report *report,
                          err *e)
{
    intake *i = f->owner;
    sk_code code = SK_OK;
    if (report->refused_rows || report->moved_times)
        code = intake__apply(f->batch, p, e);
    if (code == SK_OK && p->is_redacted)
        code = intake__redact(i->o.meta, f->environment, f->batch, e);
    return code == SK_OK ? append(f, j, e) : code;
}

/* The batch has rows and policy was asked. Takes f and waits. */
static sk_code submit_flight(flight *take_f, waiter *take_waits, const policy *p, journal *j,
                             intake_report *ret_report, err *e)
{
    flight *f = take_f;
    err fine = {0};
    seen was = note_request(f, take_waits);
    if (was != SEEN_IN_FLIGHT)
        base_free(take_waits);
    if (was != SEEN_NEW) {
        ret_report->is_repeat = true;
        if (was == SEEN_STORED)
            f->done(f->ctx, &fine);
        flight_free(f);
        return SK_OK;
    }
    count_policy(f->owner, ret_report);
    if (f->batch->row_count == ret_report->refused_rows) {
        answer(settle(f, false), &fine);
        f->done(f->ctx, &fine);
        flight_free(f);
        return SK_OK;
    }
    err why = {0};
    sk_code code = write_down(f, p, j, ret_report, &why);
    if (code != SK_OK) {
        answer(settle(f, false), &why);
        flight_free(f);
        if (e)
            *e = why;
    }
    return code;
}

sk_code intake_submit(intake *i, const submission *s, intake_report *ret_report, intake_done done,
                      void *ctx, err *e)
{
    environment env;
    sk_code code = SK_OK;
    journal *j = atomic_load_explicit(&i->journal, memory_order_acquire);
    *ret_report = (intake_report){0};
    if (!j)
        code = err_set(e, SK_BUSY, "the server is starting");
    else if (!meta_environment_by_id(i->o.meta, s->environment, &env))
        code = err_set(e, SK_NOT_FOUND, "the environment of this key was deleted");
    else
        code = check_pressure(i, e);
    if (code != SK_OK) {
        batch_free(s->take_batch);
        return code;
    }
    policy p = {.arrival_ns = clock_wall_ns(),
                .retention_ns = intake_retention_ns(i, &env),
                .is_redacted = env.is_redacted};
    s->take_batch->arrival_ns = p.arrival_ns;
    intake__judge(s->take_batch, &p, ret_report);
    flight *f = flight_new(i, s, done, ctx);
    waiter *waits = base_alloc(sizeof *waits);
    if (!f || !waits) {
        base_free(f);
        base_free(waits);
        batch_free(s->take_batch);
        return err_set(e, SK_NO_MEMORY, "no memory to take a request in");
    }
    *waits = (waiter){.done = done, .ctx = ctx};
    return submit_flight(f, waits, &p, j, ret_report, e);
}

int64_t intake_retention_ns(const intake *i, const environment *env)
{
    return env->retention_ns ? env->retention_ns : i->o.retention_ns;
}

void intake_stats_get(intake *i, intake_stats *ret)
{
    lock_take(&i->lock);
    *ret = i->stats;
    lock_drop(&i->lock);
}
