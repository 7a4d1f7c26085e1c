/*
 * tests/unit/journal_model.h: what was sent to a journal and what became of it, and the promises
 * checked at every opening: what was acknowledged is replayed once, in order and unchanged; nothing
 * else is but what was sent; what an opening found, the next finds, and what it did not find stays
 * gone. For the unit and the fault tests of the journal.
 */
#ifndef TESTS_JOURNAL_MODEL_H
#define TESTS_JOURNAL_MODEL_H

#include "check.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/thread.h"
#include "journal/journal.h"

typedef enum fate { FATE_UNKNOWN, FATE_PRESENT, FATE_GONE } fate;

typedef struct sent {
    journal_record r; /* payload: made again from `seed` when needed */
    uint64_t seed;
    size_t len;
    bool is_done, is_released;
    sk_code result;
    fate fate;
    uint32_t replays;
} sent;

typedef struct model {
    lock lock;
    condition changed;
    sent *items; /* by seq */
    uint32_t count, capacity, pending;
    uint64_t last_done, last_replayed, max_seq;
    uint32_t order_breaks, inventions, differences, replayed;
    uint32_t damage_count;
    uint64_t damage_at;
    char damage_path[512], damage_what[128];
    bool is_relaxed; /* an acknowledgement does not promise */
    journal_options options;
    journal *j;
} model;

static maybe_unused void model_init(model *m)
{
    *m = (model){.options = {.dir = NULL, .file_bytes = 64 * KIB}};
    lock_init(&m->lock, RANK_CONFIG);
    condition_init(&m->changed);
}

static maybe_unused void model_done(model *m)
{
    if (m->j)
        journal_close(m->j);
    free(m->items);
    condition_done(&m->changed);
    lock_done(&m->lock);
}

/* Half of the payloads compress, half do not. */
static maybe_unused uint8_t *model_payload(uint64_t seed, size_t len)
{
    uint8_t *bytes = malloc(len + 1);
    uint64_t state = seed;
    for (size_t i = 0; i < len; i++)
        bytes[i] = seed & 1 ? (uint8_t)check_random(&state) : (uint8_t)('a' + (i / 7 + seed) % 23);
    return bytes;
}

static sent *model_find(model *m, uint64_t seq)
{
    uint32_t low = 0, high = m->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (m->items[middle].r.seq < seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low < m->count && m->items[low].r.seq == seq ? &m->items[low] : NULL;
}

static void model_on_done(void *ctx, uint64_t seq, const err *e)
{
    model *m = ctx;
    lock_take(&m->lock);
    sent *item = model_find(m, seq);
    if (!item || item->is_done)
        m->inventions++;
    if (item) {
        item->is_done = true;
        item->result = e->code;
    }
    m->order_breaks += seq <= m->last_done;
    m->last_done = seq;
    m->pending--;
    condition_wake_all(&m->changed);
    lock_drop(&m->lock);
}

/* Sends one record; SK_OK means that `done` will come. */
static maybe_unused sk_code model_send(model *m, uint32_t environment, family f, size_t len,
                                       uint64_t seed, err *e)
{
    uint8_t *payload = model_payload(seed, len);
    lock_take(&m->lock);
    if (m->count == m->capacity) {
        m->capacity = m->capacity ? 2 * m->capacity : 64;
        m->items = realloc(m->items, m->capacity * sizeof *m->items);
    }
    sent item = {.seed = seed,
                 .len = len,
                 .r = {.environment = environment,
                       .family = f,
                       .arrival_ns = clock_wall_ns(),
                       .body_hash = {seed, ~seed},
                       .payload = span_of(payload, len)}};
    sk_code code = journal_append(m->j, &item.r, model_on_done, m, e);
    if (code == SK_OK) {
        m->inventions += item.r.seq <= m->max_seq; /* a number was given out twice */
        m->max_seq = item.r.seq;
        m->items[m->count++] = item;
        m->pending++;
    }
    lock_drop(&m->lock);
    free(payload);
    return code;
}

static maybe_unused void model_wait(model *m)
{
    lock_take(&m->lock);
    while (m->pending)
        condition_wait(&m->changed, &m->lock);
    lock_drop(&m->lock);
}

static maybe_unused sk_code model_send_wait(model *m, uint32_t environment, family f, size_t len,
                                            uint64_t seed)
{
    err e = {0};
    sk_code code = model_send(m, environment, f, len, seed, &e);
    if (code != SK_OK)
        return code;
    model_wait(m);
    return m->items[m->count - 1].result;
}

/* The store has sealed what it saw of [first, last] of a table: for good, and the journal is told. */
static maybe_unused void model_release(model *m, uint32_t environment, family f, uint64_t first,
                                       uint64_t last)
{
    lock_take(&m->lock);
    for (uint32_t i = 0; i < m->count; i++) {
        sent *item = &m->items[i];
        if (item->r.environment == environment && item->r.family == f && item->r.seq >= first &&
            item->r.seq <= last &&
            ((item->is_done && item->result == SK_OK) || item->fate == FATE_PRESENT))
            item->is_released = true;
    }
    lock_drop(&m->lock);
    journal_release(m->j, environment, f, first, last);
}

static bool model_is_released(void *ctx, uint32_t environment, family f, uint64_t seq)
{
    model *m = ctx;
    const sent *item = model_find(m, seq);
    return item && item->is_released;
}

static bool model_equals(const sent *item, const journal_record *r)
{
    uint8_t *payload = model_payload(item->seed, item->len);
    bool is_equal = item->r.environment == r->environment && item->r.family == r->family &&
                    item->r.arrival_ns == r->arrival_ns &&
                    item->r.body_hash.lo == r->body_hash.lo &&
                    item->r.body_hash.hi == r->body_hash.hi &&
                    span_equal(span_of(payload, item->len), r->payload);
    free(payload);
    return is_equal;
}

static sk_code model_on_record(void *ctx, const journal_record *r, err *e)
{
    model *m = ctx;
    m->replayed++;
    m->order_breaks += r->seq <= m->last_replayed;
    m->last_replayed = r->seq;
    sent *item = model_find(m, r->seq);
    if (!item)
        m->inventions++;
    else if (!model_equals(item, r))
        m->differences++;
    else
        item->replays++;
    return SK_OK;
}

static void model_on_damage(void *ctx, const char *path, uint64_t offset, const char *what)
{
    model *m = ctx;
    m->damage_count++;
    m->damage_at = offset;
    snprintf(m->damage_path, sizeof m->damage_path, "%s", path);
    snprintf(m->damage_what, sizeof m->damage_what, "%s", what);
}

static maybe_unused sk_code model_open(model *m, err *e)
{
    journal_replay replay = {model_is_released, model_on_record, model_on_damage, m};
    m->last_replayed = m->last_done = 0;
    m->replayed = m->damage_count = 0;
    for (uint32_t i = 0; i < m->count; i++)
        m->items[i].replays = 0;
    if (!m->options.dir)
        m->options.dir = check_dir();
    return journal_open(&m->options, &replay, &m->j, e);
}

static maybe_unused void model_close(model *m)
{
    journal_close(m->j);
    m->j = NULL;
    m->pending = 0;
}

/* The promises, after an opening that went well. */
static maybe_unused void model_verify(model *m)
{
    assert_int_equal(m->inventions, 0);
    assert_int_equal(m->differences, 0);
    assert_int_equal(m->order_breaks, 0);
    for (uint32_t i = 0; i < m->count; i++) {
        sent *item = &m->items[i];
        bool is_acknowledged = item->is_done && item->result == SK_OK && !m->is_relaxed;
        uint32_t want = item->replays ? 1 : 0;
        if (item->is_released || item->fate == FATE_GONE)
            want = 0;
        else if (is_acknowledged || item->fate == FATE_PRESENT)
            want = 1;
        if (item->replays != want)
            fail_msg("record %llu (%s): replayed %u times, want %u",
                     (unsigned long long)item->r.seq,
                     item->is_done ? sk_name(item->result) : "never answered", item->replays, want);
        if (!item->is_released)
            item->fate = want ? FATE_PRESENT : FATE_GONE;
    }
}

static maybe_unused void model_reopen(model *m)
{
    err e = {0};
    if (m->j)
        model_close(m);
    check_ok(model_open(m, &e), &e);
    model_verify(m);
}

#endif
