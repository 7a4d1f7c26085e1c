/*
 * What surrounds a question: cancelling, deadlines, progress, limits, damage, several at once, failing memory.
 */
#include <glob.h>
#include <sched.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/thread.h"
#include "engine/local/local_private.h"
#include "unit/engine_fixture.h"

static void publish_users(fixture *f, uint32_t rows, uint32_t users)
{
    char name[16];
    uint64_t seed = 1;
    for (uint32_t from = 0; from < rows; from += 5000) {
        batch *b = rows_new(FAMILY_TRACE);
        for (uint32_t i = from; i < rows && i < from + 5000; i++) {
            uint64_t r = check_random(&seed);
            rows_begin(b, "shop", T0 + (int64_t)i * 500 * NS_PER_US, 1);
            snprintf(name, sizeof name, "u%u", (unsigned)(r % users));
            put_string(b, "user", name);
            put_float(b, "duration_ms", (double)(r >> 40) / 1024);
        }
        fixture_publish(f, b);
    }
}

static void make_plan(const char *text, bool wants_series, arena *mem, plan *ret)
{
    char full[500];
    query_spec spec;
    err e;
    snprintf(full, sizeof full, "%s SINCE 1700000000 UNTIL 1700000600 EVERY 10s", text);
    check_ok(spec_from_text(span_text(full), mem, &spec, &e), &e);
    check_ok(plan_make(&spec, T0, wants_series, mem, ret, &e), &e);
}

static void cancelled_and_late_questions_end(void **state)
{
    fixture f = fixture_open(2, 0);
    arena *mem = arena_new(64 * MIB);
    atomic_bool cancel = true;
    plan p;
    result r;
    service_map m;
    err e;
    publish_users(&f, 10000, 100);
    make_plan("COUNT GROUP BY user", false, mem, &p);
    run_control c = {.cancel = &cancel};
    check_code(engine_run(f.engine, ENVIRONMENT, &p, &c, mem, &r, &e), SK_CANCELLED, &e);
    check_code(f.engine->ops->run(f.engine, ENVIRONMENT, &p, &c, mem, &r, &e), SK_CANCELLED, &e);
    check_code(f.engine->ops->service_map(f.engine, ENVIRONMENT,
                                          &(plan){.start_ns = T0, .end_ns = T0 + 1}, &c, mem, &m,
                                          &e),
               SK_CANCELLED, &e);
    cancel = false;
    check_ok(engine_run(f.engine, ENVIRONMENT, &p, &c, mem, &r, &e), &e);
    assert_int_equal(r.rows_scanned, 10000);
    assert_true(r.bytes_read > 0 && r.elapsed_ns > 0);
    c.deadline_mono_ns = clock_mono_ns() - 1;
    check_code(f.engine->ops->run(f.engine, ENVIRONMENT, &p, &c, mem, &r, &e), SK_TIMEOUT, &e);
    arena_free(mem);
    fixture_close(&f);
}

static void limits_are_named(void **state)
{
    fixture f = fixture_open(2, 4 * MIB);
    publish_users(&f, 40000, 30000);
    char *answer = fixture_ask(&f, "COUNT_DISTINCT(duration_ms) GROUP BY user", false);
    static const char want[] =
        "too_large: the query's groups take more than query_memory_max (4 MiB)";
    assert_memory_equal(answer, want, sizeof want - 1);
    base_free(answer);
    check_answer(&f, "COUNT",
                 "{\"series\":[],\"results\":[{\"data\":{\"COUNT\":40000}}],\"total_by_aggregate\":"
                 "{\"COUNT\":40000}}");
    fixture_close(&f);
}

/* One block has more groups than memory has room for with all their buckets: two passes keep those shown. */
static void a_block_of_many_groups_is_answered(void **state)
{
    fixture f = fixture_open(1, 32 * MIB);
    publish_users(&f, 8000, 1000000);
    char *answer = fixture_ask(
        &f,
        "COUNT, P90(duration_ms), AVG(duration_ms), MAX(duration_ms) WHERE "
        "duration_ms >= 0 GROUP BY user LIMIT 3 SINCE 1700000000 UNTIL 1700000600 EVERY 1s",
        true);
    assert_null(strstr(answer, "too_large"));
    assert_non_null(strstr(answer, "\"total_by_aggregate\":{\"COUNT\":8000,"));
    base_free(answer);
    fixture_close(&f);
}

/* ---- progress ---- */

typedef struct watched {
    atomic_bool cancel;
    uint32_t calls, partials;
    uint64_t last_rows;
} watched;

/* Slow on purpose: while the asker's thread is in here the workers go on, and once a partial result was seen the
 * question is cancelled. */
static void watch(void *ctx, uint64_t rows_scanned, uint64_t rows_total, const result *partial)
{
    watched *w = ctx;
    w->calls++;
    assert_true(rows_scanned >= w->last_rows && rows_scanned <= rows_total);
    w->last_rows = rows_scanned;
    if (!partial)
        return;
    assert_true(partial->is_partial);
    assert_true(partial->row_count == 1 && partial->rows[0].calcs[0].kind == RESULT_INT);
    assert_true((uint64_t)partial->rows[0].calcs[0].i <= rows_total);
    if (++w->partials == 3)
        w->cancel = true;
}

/* Repeats a question until its progress was seen three times: how long one takes is the machine's. */
static void progress_shows_partial_results(void **state)
{
    fixture f = fixture_open(1, 0);
    arena *mem = arena_new(64 * MIB);
    watched w = {.cancel = false};
    run_control c = {.cancel = &w.cancel, .progress = watch, .ctx = &w};
    plan p;
    err e;
    publish_users(&f, 400000, 100000);
    make_plan(
        "COUNT, COUNT_DISTINCT(duration_ms), P50(duration_ms) WHERE duration_ms contains \"7\"",
        true, mem, &p);
    int64_t give_up = clock_mono_ns() + 60 * NS_PER_S;
    while (!w.cancel && clock_mono_ns() < give_up) {
        result r;
        w.last_rows = 0;
        sk_code code = engine_run(f.engine, ENVIRONMENT, &p, &c, mem, &r, &e);
        assert_true(code == SK_OK || (w.cancel && code == SK_CANCELLED));
    }
    assert_true(w.cancel);
    arena_free(mem);
    fixture_close(&f);
}

/* ---- several at once ---- */

typedef struct asker {
    fixture *f;
    char *want;
    uint32_t wrong;
    thread thread;
} asker;

static void ask_often(void *ctx)
{
    asker *a = ctx;
    for (int i = 0; i < 5; i++) {
        char *got = fixture_ask(a->f, "COUNT, P90(duration_ms) GROUP BY user LIMIT 20", true);
        a->wrong += strcmp(got, a->want) != 0;
        base_free(got);
    }
}

static void many_ask_at_once(void **state)
{
    fixture f = fixture_open(2, 0);
    publish_users(&f, 30000, 5000);
    char *want = fixture_ask(&f, "COUNT, P90(duration_ms) GROUP BY user LIMIT 20", true);
    asker askers[6];
    for (size_t i = 0; i < COUNT_OF(askers); i++) {
        askers[i] = (asker){.f = &f, .want = want};
        assert_true(thread_start(&askers[i].thread, "asker", ask_often, &askers[i]));
    }
    for (size_t i = 0; i < COUNT_OF(askers); i++) {
        thread_join(&askers[i].thread);
        assert_int_equal(askers[i].wrong, 0);
    }
    base_free(want);
    fixture_close(&f);
}

/* ---- damage ---- */

/* Overwrites every fourth 4 KiB of the first half of a segment, past its first eighth. */
static void spoil(const char *dir)
{
    char pattern[400], bytes[4096];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/*/env-*/*/*.seg", dir);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    FILE *f = fopen(found.gl_pathv[0], "r+b");
    assert_non_null(f);
    memset(bytes, 0xa5, sizeof bytes);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    long size = ftell(f);
    for (long at = size / 8; at + (long)sizeof bytes < size / 2; at += 4 * (long)sizeof bytes) {
        assert_int_equal(fseek(f, at, SEEK_SET), 0);
        assert_int_equal(fwrite(bytes, sizeof bytes, 1, f), 1);
    }
    assert_int_equal(fclose(f), 0);
    globfree(&found);
}

static void damage_is_left_out_and_said(void **state)
{
    fixture f = fixture_open(2, 0);
    arena *mem = arena_new(64 * MIB);
    plan p;
    result r;
    err e;
    publish_users(&f, 60000, 20000);
    check_ok(engine_settle(f.engine, &e), &e);
    spoil(check_dir());
    make_plan("COUNT, SUM(duration_ms) GROUP BY user", false, mem, &p);
    check_ok(engine_run(f.engine, ENVIRONMENT, &p, NULL, mem, &r, &e), &e);
    assert_true(r.total[0].i < 60000);
    assert_int_equal(r.approximate_count, 1);
    assert_non_null(strstr(r.approximate[0], "damaged block"));
    fields_query q = {.start_ns = T0, .end_ns = T0 + 600 * NS_PER_S, .top_max = 5};
    fields_result fields;
    check_ok(engine_fields(f.engine, ENVIRONMENT, &q, mem, &fields, &e), &e);
    assert_true(fields.damaged_blocks > 0);
    service_map m;
    check_ok(engine_service_map(f.engine, ENVIRONMENT,
                                &(plan){.start_ns = T0, .end_ns = T0 + NS_PER_S}, NULL, mem, &m,
                                &e),
             &e);
    arena_free(mem);
    fixture_close(&f);
}

/* ---- failing memory ---- */

static void memory_may_fail_anywhere(void **state)
{
    fixture f = fixture_open(1, 0);
    publish_users(&f, 2000, 300);
    EACH_ALLOC_FAILURE(n)
    {
        alloc_fail_at(-1, false);
        arena *mem = arena_new(64 * MIB);
        plan p;
        result r;
        service_map m;
        fields_result fields;
        fields_query q = {.start_ns = T0, .end_ns = T0 + 600 * NS_PER_S, .top_max = 5};
        err e;
        make_plan("COUNT, P50(duration_ms), COUNT_DISTINCT(user) WHERE user != \"u7\" GROUP BY "
                  "user LIMIT 10",
                  true, mem, &p);
        alloc_fail_at(n, false);
        sk_code code = engine_run(f.engine, ENVIRONMENT, &p, NULL, mem, &r, &e);
        if (code == SK_OK)
            code = engine_fields(f.engine, ENVIRONMENT, &q, mem, &fields, &e);
        if (code == SK_OK)
            code = engine_service_map(f.engine, ENVIRONMENT,
                                      &(plan){.start_ns = T0, .end_ns = T0 + NS_PER_S}, NULL, mem,
                                      &m, &e);
        if (code != SK_OK)
            assert_true(e.text[0] && (code == SK_NO_MEMORY || code == SK_TOO_LARGE));
        bool did_fail = alloc_did_fail();
        assert_true(code == SK_OK || did_fail);
        alloc_fail_at(-1, false);
        arena_free(mem);
        alloc_fail_at(did_fail ? 0 : -1, false); /* for the loop: tell again what happened */
        if (did_fail)
            base_free(base_alloc(1));
    }
    fixture_close(&f);
}

typedef struct patient_one {
    fixture *f;
    run_control control;
    sk_code code;
    uint32_t rows;
} patient_one;

static void ask_for_users(void *ctx)
{
    patient_one *a = ctx;
    arena *mem = arena_new(64 * MIB);
    plan p;
    result r;
    err e;
    make_plan("COUNT GROUP BY user LIMIT 10", false, mem, &p);
    a->code = engine_run(a->f->engine, ENVIRONMENT, &p, &a->control, mem, &r, &e);
    a->rows = a->code == SK_OK ? r.row_count : 0;
    arena_free(mem);
}

static void a_question_waits_for_room(void **state)
{
    fixture f = fixture_open(2, 0);
    publish_users(&f, 40000, 30000);
    memory *m = memory_new(64 * MIB);
    const size_t taken = 63 * MIB;
    ((local *)f.engine)->o.store.memory = m;
    assert_true(memory_reserve(m, MEMORY_OPEN, taken));
    patient_one late = {.f = &f,
                        .control = {.deadline_mono_ns = clock_mono_ns() + 200 * NS_PER_MS}};
    ask_for_users(&late);
    assert_int_equal(late.code, SK_NO_MEMORY); /* nobody lets go */
    uint64_t refused = memory_refusals(m, MEMORY_QUERY);
    assert_true(refused > 0);
    patient_one waiting = {.f = &f};
    thread t;
    assert_true(thread_start(&t, "asker", ask_for_users, &waiting));
    while (memory_refusals(m, MEMORY_QUERY) == refused)
        sched_yield();
    memory_release(m, MEMORY_OPEN, taken);
    thread_join(&t);
    assert_int_equal(waiting.code, SK_OK);
    assert_int_equal(waiting.rows, 10);
    assert_int_equal(memory_used(m, MEMORY_QUERY), 0);
    ((local *)f.engine)->o.store.memory = NULL;
    fixture_close(&f);
    memory_free(m);
}

TEST_GROUP(engine_control, TEST(cancelled_and_late_questions_end), TEST(limits_are_named),
           TEST(a_question_waits_for_room), TEST(a_block_of_many_groups_is_answered),
           TEST(progress_shows_partial_results), TEST(many_ask_at_once),
           TEST(damage_is_left_out_and_said), TEST(memory_may_fail_anywhere));
