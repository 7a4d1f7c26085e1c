/*
 * tests/unit/query_plan.c: what plan_make fills in, resolves and refuses. Specs are written as text.
 */
#include "check.h"
#include "query/plan.h"

#define MEM    (256 * KIB)
#define NOW_S  1795341600 /* 2026-11-22T10:00:00Z */
#define NOW_NS (NOW_S * NS_PER_S)

typedef struct fixture {
    arena *mem;
    plan p;
    err e;
} fixture;

static sk_code make(fixture *f, const char *text, bool wants_series)
{
    query_spec s;
    *f = (fixture){.mem = arena_new(MEM)};
    check_ok(spec_from_text(span_text(text), f->mem, &s, &f->e), &f->e);
    return plan_make(&s, NOW_NS, wants_series, f->mem, &f->p, &f->e);
}

static void defaults_are_filled(void **state)
{
    fixture f;
    check_ok(make(&f, "", true), &f.e);
    assert_null(f.p.dataset.at);
    assert_int_equal(f.p.calc_count, 1);
    assert_int_equal(f.p.calcs[0].op, CALC_COUNT);
    assert_int_equal(f.p.calcs[0].field, UINT32_MAX);
    check_text(f.p.calcs[0].result_key, "COUNT");
    assert_int_equal(f.p.end_ns, NOW_NS);
    assert_int_equal(f.p.start_ns, NOW_NS - 7200 * NS_PER_S);
    assert_int_equal(f.p.granularity_ns, 60 * NS_PER_S);
    assert_int_equal(f.p.bucket_count, 120);
    assert_int_equal(f.p.limit, 100);
    assert_int_equal(f.p.spec.calc_count, 0);
    assert_true(f.p.wants_series);
    arena_free(f.mem);
}

static void fields_are_collected_once(void **state)
{
    fixture f;
    check_ok(
        make(&f,
             "P90(duration_ms), COUNT(a), CONCURRENCY FROM shop WHERE a > \"1.5\" AND b in (200, "
             "\"x\", 1.0, true) AND duration_ms < 5 GROUP BY b, c, b HAVING COUNT(a) >= 3 ORDER "
             "BY c DESC, P90(duration_ms)",
             false),
        &f.e);
    check_text(f.p.dataset, "shop");
    assert_int_equal(f.p.field_count, 4);
    check_text(f.p.fields[0].name, "duration_ms");
    check_text(f.p.fields[1].name, "a");
    check_text(f.p.fields[2].name, "b");
    check_text(f.p.fields[3].name, "c");
    assert_int_equal(f.p.fields[3].candidate_count, 1);
    check_text(f.p.fields[3].candidates[0], "c");
    assert_int_equal(f.p.calc_count, 3);
    assert_int_equal(f.p.calcs[1].field, 1);
    assert_int_equal(f.p.calcs[2].field, 0); /* CONCURRENCY reads duration_ms */
    check_text(f.p.calcs[0].result_key, "P90(duration_ms)");
    check_text(f.p.calcs[1].result_key, "COUNT(a)");
    assert_true(f.p.filters[0].has_number);
    check_near(f.p.filters[0].number, 1.5, 0);
    assert_int_equal(f.p.filters[1].value_count, 4);
    check_text(f.p.filters[1].texts[0], "200");
    check_text(f.p.filters[1].texts[2], "1");
    check_text(f.p.filters[1].texts[3], "true");
    assert_int_equal(f.p.breakdown_count, 2);
    assert_int_equal(f.p.havings[0].calc, 1);
    assert_false(f.p.orders[0].is_calc);
    assert_int_equal(f.p.orders[0].index, 1);
    assert_true(f.p.orders[0].descending);
    assert_true(f.p.orders[1].is_calc);
    assert_int_equal(f.p.orders[1].index, 0);
    arena_free(f.mem);
}

static void calculations_asked_twice_are_one(void **state)
{
    fixture f;
    check_ok(make(&f, "COUNT, MAX(a), COUNT, MAX(a), MAX(b)", false), &f.e);
    assert_int_equal(f.p.calc_count, 3);
    check_text(f.p.calcs[2].result_key, "MAX(b)");
    arena_free(f.mem);
}

static void semantic_conventions_have_candidates(void **state)
{
    fixture f;
    check_ok(make(&f, "GROUP BY semconv.http.response.status_code", false), &f.e);
    check_text(f.p.fields[0].name, "semconv.http.response.status_code");
    assert_int_equal(f.p.fields[0].candidate_count, 2);
    check_text(f.p.fields[0].candidates[0], "http.response.status_code");
    check_text(f.p.fields[0].candidates[1], "http.status_code");
    arena_free(f.mem);
}

static const struct {
    const char *name, *text;
    int64_t start_s, end_s, granularity_ms;
    uint32_t buckets;
} times[] = {
    {"range", "SINCE 10m", NOW_S - 600, NOW_S, 5000, 120},
    {"start alone runs forward", "SINCE 1795334400", 1795334400, 1795341600, 60000, 120},
    {"start and range", "SINCE 1795334400 FOR 1h", 1795334400, 1795338000, 30000, 120},
    {"end alone runs backward", "UNTIL 1795334400", 1795327200, 1795334400, 60000, 120},
    {"end and range", "UNTIL 1795334400 FOR 1h", 1795330800, 1795334400, 30000, 120},
    {"start and end", "SINCE 1795334400 UNTIL 1795334401", 1795334400, 1795334401, 10, 100},
    {"seconds", "SINCE 30s", NOW_S - 30, NOW_S, 500, 60},
    {"two minutes", "SINCE 120s", NOW_S - 120, NOW_S, 1000, 120},
    {"two minutes and one", "SINCE 121s", NOW_S - 121, NOW_S, 5000, 25},
    {"a day", "SINCE 1d", NOW_S - 86400, NOW_S, 900000, 96},
    {"60 days", "SINCE 60d", NOW_S - 5184000, NOW_S, 43200000, 120},
    {"the longest", "SINCE 0 UNTIL 9200000000", 0, 9200000000, 76809600000, 120},
    {"asked granularity", "SINCE 1h EVERY 7s", NOW_S - 3600, NOW_S, 7000, 515},
    {"the finest", "SINCE 1000s EVERY 1s", NOW_S - 1000, NOW_S, 1000, 1000},
    {"the coarsest", "SINCE 1h EVERY 1h", NOW_S - 3600, NOW_S, 3600000, 1},
    {"before 1970", "UNTIL 0 FOR 1h", -3600, 0, 30000, 120},
    {"compare with before", "SINCE 1h COMPARE 1h", NOW_S - 3600, NOW_S, 30000, 120},
    {"compare with yesterday", "SINCE 1h COMPARE 1d", NOW_S - 3600, NOW_S, 30000, 120},
    {"compare with an odd range", "SINCE 77s COMPARE 77s", NOW_S - 77, NOW_S, 1000, 77},
};

static void times_are_resolved(void **state)
{
    EACH_ROW(row, times)
    {
        fixture f;
        check_ok(make(&f, row->text, true), &f.e);
        assert_int_equal(f.p.start_ns, row->start_s * NS_PER_S);
        assert_int_equal(f.p.end_ns, row->end_s * NS_PER_S);
        assert_int_equal(f.p.granularity_ns, row->granularity_ms * NS_PER_MS);
        assert_int_equal(f.p.bucket_count, row->buckets);
        arena_free(f.mem);
    }
}

static void now_is_rounded_up_to_a_second(void **state)
{
    arena *mem = arena_new(MEM);
    plan p;
    err e;
    query_spec s = {0};
    check_ok(plan_make(&s, NOW_NS + 1, false, mem, &p, &e), &e);
    assert_int_equal(p.end_ns, NOW_NS + NS_PER_S);
    arena_free(mem);
}

static void knows_fields_of_other_spans(void **state)
{
    static const struct {
        const char *name;
        plan_relation relation;
        plan_derived derived;
        const char *candidate;
    } fields[] = {
        {"root.name", RELATION_ROOT, DERIVED_NOT, "name"},
        {"parent.duration_ms", RELATION_PARENT, DERIVED_NOT, "duration_ms"},
        {"child.semconv.http.response.status_code", RELATION_CHILD, DERIVED_NOT,
         "http.response.status_code"},
        {"any.a", RELATION_ANY, DERIVED_NOT, "a"},
        {"any2.a", RELATION_ANY2, DERIVED_NOT, "a"},
        {"any3.a", RELATION_ANY3, DERIVED_NOT, "a"},
        {"none.root.a", RELATION_NONE, DERIVED_NOT, "root.a"},
        {"meta.self_ms", RELATION_SELF, DERIVED_SELF_MS, NULL},
        {"meta.gap_ms", RELATION_SELF, DERIVED_GAP_MS, NULL},
        {"meta.depth", RELATION_SELF, DERIVED_DEPTH, NULL},
        {"meta.root_name", RELATION_SELF, DERIVED_ROOT_NAME, NULL},
        {"meta.other", RELATION_SELF, DERIVED_NOT, "meta.other"},
        {"rooted.a", RELATION_SELF, DERIVED_NOT, "rooted.a"},
    };
    EACH_ROW(row, fields)
    {
        fixture f;
        char text[100];
        snprintf(text, sizeof text, "COUNT WHERE %s exists", row->name);
        check_ok(make(&f, text, false), &f.e);
        assert_int_equal(f.p.field_count, 1);
        assert_int_equal(f.p.fields[0].relation, row->relation);
        assert_int_equal(f.p.fields[0].derived, row->derived);
        assert_true(span_is(f.p.fields[0].name, row->name));
        if (row->candidate)
            assert_true(span_is(f.p.fields[0].candidates[0], row->candidate));
        else
            assert_int_equal(f.p.fields[0].candidate_count, 0);
        assert_int_equal(f.p.filter_count, row->relation == RELATION_SELF);
        assert_int_equal(f.p.related_count, row->relation != RELATION_SELF);
        arena_free(f.mem);
    }
}

static const struct {
    const char *name, *text;
    bool wants_series;
    sk_code code;
    const char *says;
} refused[] = {
    {"three times", "SINCE 0 UNTIL 100 FOR 7s", false, SK_BAD_INPUT, "leave one out"},
    {"empty range", "SINCE 100 UNTIL 100", false, SK_BAD_INPUT, "the time range is empty"},
    {"backward", "SINCE 100 UNTIL 99", false, SK_BAD_INPUT, "its start (100) must be before"},
    {"beyond time", "SINCE 9200000000", false, SK_BAD_INPUT, "reaches beyond"},
    {"too fine", "SINCE 1001s EVERY 1s", false, SK_BAD_INPUT, "granularity 1 s must be from"},
    {"too coarse", "SINCE 10s EVERY 11s", false, SK_BAD_INPUT, "1 s to 10 s"},
    {"odd offset", "SINCE 1h COMPARE 2000s", false, SK_BAD_INPUT,
     "the comparison's offset of 2000 s"},
    {"short offset", "SINCE 1d COMPARE 1h", false, SK_BAD_INPUT, "shorter than the time range"},
    {"order by what", "COUNT ORDER BY MAX(a)", false, SK_BAD_INPUT,
     "the order by MAX(a) is not among the calculations"},
    {"order by a column of it", "MAX(a) ORDER BY MAX", false, SK_BAD_INPUT,
     "the order by MAX is not"},
    {"order by no breakdown", "COUNT GROUP BY a ORDER BY b", false, SK_BAD_INPUT,
     "the order by b is neither a calculation nor a GROUP BY field"},
    {"order without calculations", "MAX(b) ORDER BY COUNT", false, SK_BAD_INPUT, "add it to them"},
    {"having what", "COUNT HAVING MAX(a) > 1", false, SK_BAD_INPUT, "HAVING MAX(a) is not among"},
    {"limit", "COUNT LIMIT 10001", false, SK_BAD_INPUT, "limit 10001 is above 10000"},
    {"limit of a series", "COUNT LIMIT 1001", true, SK_BAD_INPUT, "limit 1001 is above 1000"},
    {"unknown convention", "GROUP BY semconv.nothing", false, SK_BAD_INPUT,
     "semconv.nothing is not in the table"},
    {"a child without a filter", "GROUP BY child.name", false, SK_BAD_INPUT,
     "child.name: GROUP BY a child's field needs a filter on child. too"},
    {"groups of any", "WHERE any.name exists GROUP BY any.name", false, SK_BAD_INPUT,
     "any.name: GROUP BY takes root., parent. and child."},
    {"groups of none", "GROUP BY none.name", false, SK_BAD_INPUT, "none. is for WHERE only"},
    {"sums of children", "SUM(child.x) WHERE child.x exists", false, SK_BAD_INPUT,
     "child.x: calculations may look at the row itself, at root. and at parent."},
    {"sums of any", "SUM(any2.x)", false, SK_BAD_INPUT, "any2.x: calculations may look at"},
    {"or", "WHERE parent.a = 1 OR b = 2", false, SK_BAD_INPUT,
     "WHERE with fields of other spans (parent.) takes AND only"},
    {"derived of others", "GROUP BY parent.meta.depth", false, SK_BAD_INPUT,
     "parent.meta.depth: derived fields"},
    {"a prefix alone", "GROUP BY \"root.\"", false, SK_BAD_INPUT, "must follow the prefix"},
    {"a convention of others", "GROUP BY root.semconv.nothing", false, SK_BAD_INPUT,
     "root.semconv.nothing is not in the table"},
    {"two of a name", "COUNT GROUP BY \"COUNT\"", false, SK_BAD_INPUT,
     "has the name of a calculation"},
};

static void refuses_with_a_sentence(void **state)
{
    EACH_ROW(row, refused)
    {
        fixture f;
        check_code(make(&f, row->text, row->wants_series), row->code, &f.e);
        if (!strstr(f.e.text, row->says)) {
            print_error("says: %s\n", f.e.text);
            fail();
        }
        arena_free(f.mem);
    }
}

/* Specs that no reader makes, but a caller might. */
static void refuses_incomplete_trees(void **state)
{
    arena *mem = arena_new(MEM);
    spec_calc sum = {.op = CALC_SUM}, odd_calc = {.op = CALC_OP_COUNT},
              empty_calc = {CALC_SUM, SPAN("")};
    value text = {.is_set = true, .type = FIELD_STRING, .text = SPAN("x")};
    spec_filter filters[] = {{.column = SPAN("a"), .op = FILTER_EQ},
                             {.column = SPAN("a"), .op = FILTER_OP_COUNT},
                             {.column = SPAN(""), .op = FILTER_EXISTS},
                             {SPAN("a"), FILTER_GT, 1, &text},
                             {SPAN("a"), FILTER_EXISTS, 1, &text}};
    spec_having heat = {CALC_HEATMAP, SPAN("a"), FILTER_GT, 1};
    span empty = SPAN("");
    query_spec specs[] = {{.calcs = &sum, .calc_count = 1},
                          {.calcs = &odd_calc, .calc_count = 1},
                          {.calcs = &empty_calc, .calc_count = 1},
                          {.filters = &filters[0], .filter_count = 1},
                          {.filters = &filters[1], .filter_count = 1},
                          {.filters = &filters[2], .filter_count = 1},
                          {.filters = &filters[3], .filter_count = 1},
                          {.filters = &filters[4], .filter_count = 1},
                          {.havings = &heat, .having_count = 1},
                          {.breakdowns = &empty, .breakdown_count = 1},
                          {.calcs = &sum, .calc_count = SPEC_LIST_MAX + 1},
                          {.has_start = true, .start_s = -1},
                          {.has_end = true, .end_s = SPEC_TIME_MAX_S + 1},
                          {.has_range = true, .range_s = 0},
                          {.granularity_s = -1}};
    for (size_t i = 0; i < COUNT_OF(specs); i++) {
        err e = {0};
        plan p;
        check_code(plan_make(&specs[i], NOW_NS, false, mem, &p, &e), SK_BAD_INPUT, &e);
    }
    arena_free(mem);
}

static void a_plan_outlives_its_spec(void **state)
{
    arena *mem = arena_new(MEM), *short_lived = arena_new(MEM);
    char text[] = "P90(duration_ms) FROM shop WHERE a = \"x\" GROUP BY b";
    query_spec s;
    plan p;
    err e;
    check_ok(spec_from_text(span_text(text), short_lived, &s, &e), &e);
    check_ok(plan_make(&s, NOW_NS, false, mem, &p, &e), &e);
    memset(text, '#', sizeof text);
    arena_free(short_lived);
    check_text(p.dataset, "shop");
    check_text(p.filters[0].texts[0], "x");
    check_text(p.fields[p.breakdowns[0]].name, "b");
    check_text(p.spec.filters[0].values[0].text, "x");
    arena_free(mem);
}

static void survives_short_memory(void **state)
{
    arena *spec_mem = arena_new(MEM);
    query_spec s;
    err e;
    check_ok(spec_from_text(SPAN("COUNT, P90(d) WHERE a in (1, \"x\") AND b > 3 GROUP BY c, "
                                 "semconv.http.route HAVING COUNT > 1 ORDER BY c"),
                            spec_mem, &s, &e),
             &e);
    EACH_ALLOC_FAILURE(n)
    {
        plan p;
        arena *mem = arena_new(MEM);
        sk_code code = mem ? plan_make(&s, NOW_NS, true, mem, &p, &e) : SK_NO_MEMORY;
        assert_int_equal(code, alloc_did_fail() ? SK_NO_MEMORY : SK_OK);
        arena_free(mem);
    }
    for (size_t cap = 64; cap < 6000; cap += 24) {
        plan p;
        arena *mem = arena_new(cap);
        sk_code code = plan_make(&s, NOW_NS, true, mem, &p, &e);
        assert_true(code == SK_OK || code == SK_NO_MEMORY);
        arena_free(mem);
    }
    arena_free(spec_mem);
}

TEST_GROUP(query_plan, TEST(defaults_are_filled), TEST(fields_are_collected_once),
           TEST(calculations_asked_twice_are_one), TEST(semantic_conventions_have_candidates),
           TEST(times_are_resolved), TEST(now_is_rounded_up_to_a_second),
           TEST(knows_fields_of_other_spans), TEST(refuses_with_a_sentence),
           TEST(refuses_incomplete_trees), TEST(a_plan_outlives_its_spec),
           TEST(survives_short_memory));
