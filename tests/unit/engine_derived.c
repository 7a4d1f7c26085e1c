/*
 * Derived fields and fields of other spans of the trace, worked out by hand, open, sealed and in pieces; a trace over many blocks;
 * limits, cancelling and failing memory. tests/model does the rest.
 */
#include "unit/engine_fixture.h"

static void seal(fixture *f)
{
    err e;
    check_ok(store_seal(engine_local_store(f->engine), &e), &e);
}

/* front 100 ms: db 10..40 (own service), call 50..90 → back 55..85: query 60..70, and 65..75 at the same time; a message
 * whose consumer runs on after the end. */
static void publish_shop(fixture *f, bool in_pieces)
{
    batch *b = rows_new(FAMILY_TRACE);
    rows_span(b, "front", T0, 1, 0x10, 0, "GET /", "server", 100);
    rows_span(b, "front", T0 + 10 * NS_PER_MS, 1, 0x11, 0x10, "db", "client", 30);
    rows_span(b, "front", T0 + 50 * NS_PER_MS, 1, 0x12, 0x10, "call", "client", 40);
    if (in_pieces) {
        fixture_publish(f, b);
        seal(f);
        b = rows_new(FAMILY_TRACE);
    }
    rows_span(b, "back", T0 + 55 * NS_PER_MS, 1, 0x13, 0x12, "GET /b", "server", 30);
    rows_span(b, "back", T0 + 60 * NS_PER_MS, 1, 0x14, 0x13, "query", "client", 10);
    rows_span(b, "back", T0 + 65 * NS_PER_MS, 1, 0x15, 0x13, "query", "client", 10);
    put_bool(b, "error", true);
    rows_span(b, "mail", T0 + 95 * NS_PER_MS, 1, 0x16, 0x10, "send", "consumer", 500);
    rows_span(b, "lost", T0, 2, 0x20, 0x99, "orphan", "server", 1);
    fixture_publish(f, b);
}

static void ask_shop(fixture *f)
{
    check_answer(
        f, "MAX(meta.self_ms) GROUP BY name ORDER BY name",
        "{\"series\":[],\"results\":[{\"data\":{\"MAX(meta.self_ms)\":30,\"name\":\"GET /\"}},"
        "{\"data\":{\"MAX(meta.self_ms)\":15,\"name\":\"GET /b\"}},"
        "{\"data\":{\"MAX(meta.self_ms)\":10,\"name\":\"call\"}},"
        "{\"data\":{\"MAX(meta.self_ms)\":30,\"name\":\"db\"}},"
        "{\"data\":{\"MAX(meta.self_ms)\":1,\"name\":\"orphan\"}},"
        "{\"data\":{\"MAX(meta.self_ms)\":10,\"name\":\"query\"}},"
        "{\"data\":{\"MAX(meta.self_ms)\":500,\"name\":\"send\"}}],"
        "\"total_by_aggregate\":{\"MAX(meta.self_ms)\":500}}");
    check_answer(
        f, "MAX(meta.gap_ms) WHERE meta.gap_ms exists GROUP BY name",
        "{\"series\":[],\"results\":[{\"data\":{\"MAX(meta.gap_ms)\":10,\"name\":\"GET /b\"}}],"
        "\"total_by_aggregate\":{\"MAX(meta.gap_ms)\":10}}");
    check_answer(f, "COUNT GROUP BY meta.depth, meta.root_name ORDER BY meta.depth, meta.root_name",
                 "{\"series\":[],\"results\":["
                 "{\"data\":{\"COUNT\":1,\"meta.depth\":0,\"meta.root_name\":null}},"
                 "{\"data\":{\"COUNT\":1,\"meta.depth\":0,\"meta.root_name\":\"GET /\"}},"
                 "{\"data\":{\"COUNT\":3,\"meta.depth\":1,\"meta.root_name\":\"GET /\"}},"
                 "{\"data\":{\"COUNT\":1,\"meta.depth\":2,\"meta.root_name\":\"GET /\"}},"
                 "{\"data\":{\"COUNT\":2,\"meta.depth\":3,\"meta.root_name\":\"GET /\"}}],"
                 "\"total_by_aggregate\":{\"COUNT\":8}}");
    check_answer(f,
                 "COUNT, MAX(parent.duration_ms) FROM back WHERE parent.service.name = \"front\" "
                 "AND service.name = \"back\" AND duration_ms > 20",
                 "{\"series\":[],\"results\":[{\"data\":{\"COUNT\":1,\"MAX(parent.duration_ms)\":"
                 "40}}],\"total_by_aggregate\":{\"COUNT\":1,\"MAX(parent.duration_ms)\":40}}");
    check_answer(f, "COUNT WHERE child.name = \"query\" AND child.error = true GROUP BY child.name",
                 "{\"series\":[],\"results\":[{\"data\":{\"COUNT\":1,\"child.name\":\"query\"}}],"
                 "\"total_by_aggregate\":{\"COUNT\":1}}");
    check_answer(f, "COUNT WHERE root.service.name = \"front\" AND none.service.name = \"nobody\"",
                 "{\"series\":[],\"results\":[{\"data\":{\"COUNT\":7}}],\"total_by_aggregate\":{"
                 "\"COUNT\":7}}");
    check_answer(f, "COUNT WHERE any.error = true AND any2.name = \"orphan\"",
                 "{\"series\":[],\"results\":[{\"data\":{\"COUNT\":0}}],\"total_by_aggregate\":{"
                 "\"COUNT\":0}}");
    check_answer(f, "COUNT WHERE any.body contains \"refused\" AND name = \"call\"",
                 "{\"series\":[],\"results\":[{\"data\":{\"COUNT\":1}}],\"total_by_aggregate\":{"
                 "\"COUNT\":1}}");
}

static void a_shop_by_hand(void **state)
{
    for (int way = 0; way < 4; way++) {
        fixture f = fixture_open(2, 0);
        batch *b = rows_new(FAMILY_LOG);
        uint32_t row = rows_begin(b, "front", T0 + 3600 * NS_PER_S, 1);
        b->trace_id[row] = (trace_id){0xabcdef, 1};
        put_string(b, "body", "connection refused");
        fixture_publish(&f, b);
        publish_shop(&f, way >= 2);
        if (way % 2)
            seal(&f);
        ask_shop(&f);
        fixture_close(&f);
    }
}

/* One trace over blocks, parts and open rows: a root with children of 1 ms each, one after the other. */
static void a_trace_over_many_blocks(void **state)
{
    fixture f = fixture_open(2, 0);
    for (uint32_t from = 0; from < 30000; from += 5000) {
        batch *b = rows_new(FAMILY_TRACE);
        if (from == 0)
            rows_span(b, "long", T0, 9, 1, 0, "root", "server", 60000);
        for (uint32_t i = from; i < from + 5000; i++)
            rows_span(b, "long", T0 + (int64_t)i * 2 * NS_PER_MS, 9, i + 2, 1, "step", "client", 1);
        fixture_publish(&f, b);
        if (from == 20000)
            seal(&f);
    }
    for (int sealed = 0; sealed < 2; sealed++) {
        check_answer(
            &f, "SUM(meta.self_ms), SUM(meta.depth) WHERE root.name = \"root\" GROUP BY name",
            "{\"series\":[],\"results\":[{\"data\":{\"SUM(meta.self_ms)\":30000,"
            "\"SUM(meta.depth)\":0,\"name\":\"root\"}},{\"data\":{\"SUM(meta.self_ms)\":30000,"
            "\"SUM(meta.depth)\":30000,\"name\":\"step\"}}],\"total_by_aggregate\":{"
            "\"SUM(meta.self_ms)\":60000,\"SUM(meta.depth)\":30000}}");
        seal(&f);
    }
    fixture_close(&f);
}

static void plan_for(const char *text, arena *mem, plan *ret)
{
    char full[300];
    query_spec spec;
    err e;
    snprintf(full, sizeof full, "%s SINCE 1700000000 UNTIL 1700000600", text);
    check_ok(spec_from_text(span_text(full), mem, &spec, &e), &e);
    check_ok(plan_make(&spec, T0, false, mem, ret, &e), &e);
}

static void publish_chains(fixture *f, uint32_t traces)
{
    batch *b = rows_new(FAMILY_TRACE);
    for (uint32_t t = 0; t < traces; t++)
        for (uint32_t i = 0; i < 4; i++)
            rows_span(b, i % 2 ? "a" : "b", T0 + t * NS_PER_MS + i, t + 1, t * 4ul + i + 1,
                      i ? t * 4ul + i : 0, "step", "internal", 8 - i);
    fixture_publish(f, b);
}

static void limits_and_cancelling(void **state)
{
    fixture f = fixture_open(2, 2 * MIB);
    arena *mem = arena_new(64 * MIB);
    atomic_bool cancel = true;
    run_control c = {.cancel = &cancel};
    plan p;
    result r;
    err e;
    publish_chains(&f, 8000);
    static const char want[] =
        "too_large: the query's traces take more than query_memory_max (2 MiB)";
    char *answer = fixture_ask(&f, "MAX(meta.self_ms)", false);
    assert_memory_equal(answer, want, sizeof want - 1);
    base_free(answer);
    seal(&f); /* now no trace has to be gathered */
    check_answer(&f, "MAX(meta.depth)",
                 "{\"series\":[],\"results\":[{\"data\":{\"MAX(meta.depth)\":3}}],"
                 "\"total_by_aggregate\":{\"MAX(meta.depth)\":3}}");
    plan_for("COUNT WHERE parent.name exists AND any.name exists", mem, &p);
    check_code(f.engine->ops->run(f.engine, ENVIRONMENT, &p, &c, mem, &r, &e), SK_CANCELLED, &e);
    arena_free(mem);
    fixture_close(&f);
}

static void memory_may_fail_here_too(void **state)
{
    fixture f = fixture_open(1, 0);
    publish_chains(&f, 300);
    seal(&f);
    publish_chains(&f, 40); /* of traces that are sealed too */
    EACH_ALLOC_FAILURE(n)
    {
        alloc_fail_at(-1, false);
        arena *mem = arena_new(64 * MIB);
        plan p;
        result r;
        trace_result t;
        err e;
        plan_for("COUNT, MAX(parent.duration_ms), MAX(meta.gap_ms) WHERE root.name exists AND "
                 "child.service.name = \"a\" AND any.name = \"step\" GROUP BY meta.root_name",
                 mem, &p);
        alloc_fail_at(n, false);
        sk_code code = engine_run(f.engine, ENVIRONMENT, &p, NULL, mem, &r, &e);
        if (code == SK_OK)
            code = engine_trace(f.engine, ENVIRONMENT, (trace_id){0xabcdef, 5}, 0, 0, mem, &t, &e);
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

TEST_GROUP(engine_derived, TEST(a_shop_by_hand), TEST(a_trace_over_many_blocks),
           TEST(limits_and_cancelling), TEST(memory_may_fail_here_too));
