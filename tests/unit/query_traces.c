/*
 * tests/unit/query_traces.c: which traces a WHERE means (query/traces.h), and what cannot choose any.
 */
#include "check.h"
#include "query/traces.h"

static void make(const char *where, arena *mem, plan *ret)
{
    err e = {0};
    check_ok(traces_plan(span_text(where), 10, 20, mem, ret, &e), &e);
    assert_int_equal(ret->start_ns, 10);
    assert_int_equal(ret->end_ns, 20);
    assert_int_equal(ret->filter_count, 0);
}

/* The names of the filters, each followed by a blank. */
static void check_filters(const char *where, const char *want)
{
    arena *mem = arena_new(256 * KIB);
    char got[500] = "";
    plan p;
    make(where, mem, &p);
    for (uint32_t i = 0; i < p.related_count; i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%.*s ",
                 SPAN_FMT(p.fields[p.related[i].field].name));
    assert_string_equal(got, want);
    arena_free(mem);
}

static void rows_speak_for_their_traces(void **state)
{
    check_filters("", "");
    check_filters(" \t", "");
    check_filters("error = true", "any.error ");
    check_filters("error = true AND \"user id\" in (1, 2)", "any.error any.user id ");
    check_filters("semconv.http.route exists", "any.semconv.http.route ");
    check_filters("root.name = \"web\" AND none.error exists", "root.name none.error ");
}

static void another_row_where_any_is_taken(void **state)
{
    check_filters("any.error = true AND a = 1 AND b = 2", "any.error any2.a any2.b ");
    check_filters("any2.error = true AND a = 1", "any2.error any.a ");
    check_filters("any.x exists AND any2.x exists AND a = 1", "any.x any2.x any3.a ");
}

static void check_refused(const char *where, const char *said)
{
    arena *mem = arena_new(256 * KIB);
    plan p;
    err e = {0};
    check_code(traces_plan(span_text(where), 10, 20, mem, &p, &e), SK_BAD_INPUT, &e);
    if (!strstr(e.text, said))
        print_error("%s: %s\n", where, e.text);
    assert_non_null(strstr(e.text, said));
    arena_free(mem);
}

static void refuses_with_a_sentence(void **state)
{
    check_refused("a = 1 GROUP BY b", "leave the other clauses out");
    check_refused("a = 1 SINCE 2h", "leave the other clauses out");
    check_refused("a = 1 LIMIT 3", "leave the other clauses out");
    check_refused("a = 1 OR b = 2", "joined by AND");
    check_refused("parent.a = 1", "parent.a: a trace has many parents");
    check_refused("child.a = 1 AND b = 2", "child.a: a trace has many parents");
    check_refused("meta.self_ms > 3", "meta.self_ms: what the trace itself decides");
    check_refused("any.meta.depth > 3", "derived fields");
    check_refused("any.a = 1 AND any2.a = 1 AND any3.a = 1 AND b = 1", "b: with filters on any.");
    check_refused("a =", "a value");
}

/* The place of a fault is that of the text as it was given. */
static void faults_are_told_by_their_place(void **state)
{
    arena *mem = arena_new(256 * KIB);
    plan p;
    err e = {0};
    check_code(traces_plan(SPAN("a = 1 AND ( b"), 10, 20, mem, &p, &e), SK_BAD_INPUT, &e);
    assert_int_equal(e.offset, 10);
    arena_free(mem);
}

static void memory_may_fail(void **state)
{
    for (size_t cap = 64; cap < 6000; cap += 24) {
        plan p;
        err e = {0};
        arena *mem = arena_new(cap);
        sk_code code = traces_plan(SPAN("error = true AND user.id in (1, 2)"), 10, 20, mem, &p, &e);
        assert_true(code == SK_OK || (code == SK_NO_MEMORY && e.text[0]));
        arena_free(mem);
    }
}

TEST_GROUP(query_traces, TEST(rows_speak_for_their_traces), TEST(another_row_where_any_is_taken),
           TEST(refuses_with_a_sentence), TEST(faults_are_told_by_their_place),
           TEST(memory_may_fail));
