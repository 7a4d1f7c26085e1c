/*
 * tests/unit/intake_stub.h: an intake on a real control plane and a real journal, before an engine that only keeps what
 * is published, and fails when told to.
 */
#ifndef TESTS_INTAKE_STUB_H
#define TESTS_INTAKE_STUB_H

#include "check.h"

#include "base/clock.h"
#include "base/thread.h"
#include "event/fields.h"
#include "intake/intake.h"

#define STUB_BATCHES_MAX 2000u
#define HOUR_NS          (3600 * NS_PER_S)
#define DAY_NS           (24 * HOUR_NS)

typedef struct stub_engine {
    engine base;
    lock lock;
    publish kept[STUB_BATCHES_MAX];
    uint32_t count;
    sk_code fails_with; /* SK_OK: takes everything */
    uint64_t unsealed_bytes;
} stub_engine;

typedef struct place {
    stub_engine engine;
    meta *meta;
    memory *memory;
    intake *intake;
    journal *journal;
    uint32_t dev, demo;
    char dir[300];
} place;

typedef struct outcome { /* of one submission */
    lock lock;
    condition changed;
    uint32_t calls;
    sk_code code;
} outcome;

static maybe_unused sk_code stub_publish(engine *e, const publish *p, err *er)
{
    stub_engine *s = (stub_engine *)e;
    lock_take(&s->lock);
    sk_code code = s->fails_with;
    if (code == SK_OK && s->count < STUB_BATCHES_MAX)
        s->kept[s->count++] = *p;
    lock_drop(&s->lock);
    if (code != SK_OK) {
        batch_free(p->take_batch);
        return err_set(er, code, "the stub was told to fail");
    }
    return SK_OK;
}

static maybe_unused void stub_stats(engine *e, uint32_t environment_id, engine_stats *ret)
{
    *ret = (engine_stats){.unsealed_bytes = ((stub_engine *)e)->unsealed_bytes};
}

static const engine_ops stub_ops = {.name = "stub", .publish = stub_publish, .stats = stub_stats};

static maybe_unused sk_code place_replay(void *ctx, const journal_record *r, err *e)
{
    return intake_replay(ctx, r, e);
}

static maybe_unused sk_code place_begin(place *p, uint64_t unsealed_max_bytes, err *e)
{
    intake_options options = {.engine = &p->engine.base,
                              .meta = p->meta,
                              .memory = p->memory,
                              .retention_ns = 60 * DAY_NS,
                              .unsealed_max_bytes = unsealed_max_bytes};
    journal_options where = {.dir = p->dir, .file_bytes = MIB};
    sk_code code = intake_open(&options, &p->intake, e);
    if (code != SK_OK)
        return code;
    journal_replay replay = {.record = place_replay, .ctx = p->intake};
    code = journal_open(&where, &replay, &p->journal, e);
    if (code == SK_OK)
        intake_start(p->intake, p->journal);
    return code;
}

static maybe_unused void place_open(place *p, size_t memory_max_bytes)
{
    err e = {0};
    char dir[300];
    first_keys first;
    environment env;
    *p = (place){.engine = {.base = {&stub_ops}}};
    lock_init(&p->engine.lock, RANK_ENGINE);
    snprintf(dir, sizeof dir, "%s/meta", check_dir());
    snprintf(p->dir, sizeof p->dir, "%s/journal", check_dir());
    meta_options options = {.dir = dir};
    check_ok(meta_open(&options, &p->meta, &first, &e), &e);
    assert_true(meta_environment(p->meta, SPAN("dev"), &env));
    p->dev = env.id;
    assert_true(meta_environment(p->meta, SPAN("demo"), &env));
    p->demo = env.id;
    p->memory = memory_new(memory_max_bytes);
    check_ok(place_begin(p, 0, &e), &e);
}

static maybe_unused void
place_end(place *p) /* the journal and the intake; what was published goes */
{
    journal_close(p->journal);
    intake_close(p->intake);
    p->journal = NULL;
    p->intake = NULL;
    for (uint32_t i = 0; i < p->engine.count; i++)
        batch_free(p->engine.kept[i].take_batch);
    p->engine.count = 0;
}

static maybe_unused void place_close(place *p)
{
    if (p->intake)
        place_end(p);
    meta_close(p->meta);
    assert_int_equal(memory_used(p->memory, MEMORY_BODIES), 0);
    memory_free(p->memory);
    lock_done(&p->engine.lock);
}

static maybe_unused void place_reopen(place *p)
{
    err e = {0};
    place_end(p);
    check_ok(place_begin(p, 0, &e), &e);
}

/* A frozen batch of `rows` logs at `time_ns`, each with its number in field "n". */
static maybe_unused batch *some_batch(uint32_t rows, int64_t time_ns)
{
    batch *b = batch_new(FAMILY_LOG, 8 * MIB);
    uint32_t dataset = batch_string(b, SPAN("shop"));
    uint32_t n = batch_column(b, SPAN("n"), FIELD_INT, NULL);
    uint32_t body = batch_column(b, SPAN(F_BODY), FIELD_STRING, NULL);
    for (uint32_t i = 0; i < rows; i++) {
        batch_begin_row(b, time_ns, 1, dataset);
        batch_put_int(b, n, i);
        batch_put_string(b, body, i % 2 ? SPAN("odd") : SPAN("even"));
    }
    assert_true(batch_freeze(b));
    return b;
}

static maybe_unused void outcome_init(outcome *o)
{
    *o = (outcome){0};
    lock_init(&o->lock, RANK_LEAF);
    condition_init(&o->changed);
}

static maybe_unused void on_outcome(void *ctx, const err *e)
{
    outcome *o = ctx;
    lock_take(&o->lock);
    o->calls++;
    o->code = e->code;
    condition_wake_all(&o->changed);
    lock_drop(&o->lock);
}

static maybe_unused sk_code outcome_wait(outcome *o)
{
    lock_take(&o->lock);
    while (o->calls == 0)
        condition_wait(&o->changed, &o->lock);
    sk_code code = o->code;
    assert_int_equal(o->calls, 1);
    lock_drop(&o->lock);
    condition_done(&o->changed);
    lock_done(&o->lock);
    return code;
}

/* Submits and waits; what was returned or answered. */
static maybe_unused sk_code submit(place *p, uint32_t environment_id, uint64_t hash, batch *take_b,
                                   intake_report *ret_report, err *e)
{
    outcome o;
    submission s = {.environment = environment_id, .body_hash = {hash, hash}, .take_batch = take_b};
    outcome_init(&o);
    sk_code code = intake_submit(p->intake, &s, ret_report, on_outcome, &o, e);
    if (code != SK_OK) {
        assert_int_equal(o.calls, 0);
        condition_done(&o.changed);
        lock_done(&o.lock);
        return code;
    }
    return outcome_wait(&o);
}

#endif
