/*
 * tests/unit/query_text.c: query text: what it means (as JSON), its printed form, what is refused and where.
 */
#include "check.h"
#include "query/spec.h"

#define MEM (256 * KIB)

static const struct {
    const char *name, *text, *json;
    const char *printed; /* NULL: as `text` */
} accepted[] = {
    {"nothing", "", "{}", NULL},
    {"count", "COUNT", "{\"calculations\":[{\"op\":\"COUNT\"}]}", NULL},
    {"only a filter", "WHERE error = true",
     "{\"filters\":[{\"column\":\"error\",\"op\":\"=\",\"value\":true}]}", NULL},
    {"the example",
     "COUNT, P90(duration_ms) FROM \"backend-flask\" WHERE duration_ms > 50 AND user.id exists "
     "GROUP BY http.route ORDER BY COUNT DESC LIMIT 20 SINCE 2h",
     "{\"calculations\":[{\"op\":\"COUNT\"},{\"op\":\"P90\",\"column\":\"duration_ms\"}],"
     "\"filters\":[{\"column\":\"duration_ms\",\"op\":\">\",\"value\":50},{\"column\":\"user.id\","
     "\"op\":\"exists\"}],\"breakdowns\":[\"http.route\"],\"orders\":[{\"op\":\"COUNT\",\"order\":"
     "\"descending\"}],\"limit\":20,\"time_range\":7200}",
     "COUNT, P90(duration_ms) FROM backend-flask WHERE duration_ms > 50 AND user.id exists GROUP "
     "BY http.route ORDER BY COUNT DESC LIMIT 20 SINCE 2h"},
    {"any case and order of clauses",
     "count since 5m limit 3 group by a where b starts-with \"x\" Having count>=1.5 order by a asc",
     "{\"calculations\":[{\"op\":\"COUNT\"}],\"filters\":[{\"column\":\"b\",\"op\":\"starts-with\","
     "\"value\":\"x\"}],\"breakdowns\":[\"a\"],\"orders\":[{\"column\":\"a\"}],\"havings\":[{"
     "\"calculate_op\":\"COUNT\",\"op\":\">=\",\"value\":1.5}],\"limit\":3,\"time_range\":300}",
     "COUNT WHERE b starts-with \"x\" GROUP BY a HAVING COUNT >= 1.5 ORDER BY a LIMIT 3 SINCE 5m"},
    {"OR", "WHERE a=1 OR b!=-2.5 or c does-not-exist",
     "{\"filters\":[{\"column\":\"a\",\"op\":\"=\",\"value\":1},{\"column\":\"b\",\"op\":\"!=\","
     "\"value\":-2.5},{\"column\":\"c\",\"op\":\"does-not-exist\"}],\"filter_combination\":\"OR\"}",
     "WHERE a = 1 OR b != -2.5 OR c does-not-exist"},
    {"lists", "WHERE a in (1, \"x\", true, 2.0) AND b not-in ()",
     "{\"filters\":[{\"column\":\"a\",\"op\":\"in\",\"value\":[1,\"x\",true,2.0]},{\"column\":"
     "\"b\","
     "\"op\":\"not-in\",\"value\":[]}]}",
     NULL},
    {"quoted names", "MAX(\"a b\") FROM \"from\" GROUP BY \"count\", \"\\u00fc\\\"\", \"2x\", _y",
     "{\"calculations\":[{\"op\":\"MAX\",\"column\":\"a b\"}],\"breakdowns\":[\"count\","
     "\"\u00fc\\\"\",\"2x\",\"_y\"]}",
     "MAX(\"a b\") FROM \"from\" GROUP BY \"count\", \"\u00fc\\\"\", \"2x\", _y"},
    {"a calculation's name as a field", "WHERE max > 1 GROUP BY sum",
     "{\"filters\":[{\"column\":\"max\",\"op\":\">\",\"value\":1}],\"breakdowns\":[\"sum\"]}",
     "WHERE \"max\" > 1 GROUP BY \"sum\""},
    {"order by both", "ORDER BY \"count\", COUNT DESC, P50(x)",
     "{\"orders\":[{\"column\":\"count\"},{\"op\":\"COUNT\",\"order\":\"descending\"},{\"op\":"
     "\"P50\","
     "\"column\":\"x\"}]}",
     NULL},
    {"absolute times", "SINCE 2026-11-22T08:00:00Z UNTIL 1795341600",
     "{\"start_time\":1795334400,\"end_time\":1795341600}",
     "SINCE 2026-11-22T08:00:00Z UNTIL 2026-11-22T10:00:00Z"},
    {"a zone", "SINCE \"2026-11-22 10:00:00+02:00\" FOR 30m",
     "{\"start_time\":1795334400,\"time_range\":1800}", "SINCE 2026-11-22T08:00:00Z FOR 30m"},
    {"until with a length", "UNTIL 1795341600 FOR 1w EVERY 1d COMPARE 14d",
     "{\"end_time\":1795341600,\"time_range\":604800,\"granularity\":86400,"
     "\"compare_time_offset_seconds\":1209600}",
     "UNTIL 2026-11-22T10:00:00Z FOR 7d EVERY 1d COMPARE 14d"},
    {"for alone is since", "FOR 90s", "{\"time_range\":90}", "SINCE 90s"},
    {"the environment by name", "COUNT FROM __all__", "{\"calculations\":[{\"op\":\"COUNT\"}]}",
     "COUNT"},
    {"count of a field", "COUNT(user.id), CONCURRENCY, RATE_SUM(bytes)",
     "{\"calculations\":[{\"op\":\"COUNT\",\"column\":\"user.id\"},{\"op\":\"CONCURRENCY\"},{"
     "\"op\":"
     "\"RATE_SUM\",\"column\":\"bytes\"}]}",
     NULL},
    {"several havings", "COUNT HAVING COUNT > 1 AND COUNT <= 1e3",
     "{\"calculations\":[{\"op\":\"COUNT\"}],\"havings\":[{\"calculate_op\":\"COUNT\",\"op\":\">\","
     "\"value\":1},{\"calculate_op\":\"COUNT\",\"op\":\"<=\",\"value\":1000}]}",
     "COUNT HAVING COUNT > 1 AND COUNT <= 1000"},
};

static void reads_and_prints(void **state)
{
    EACH_ROW(row, accepted)
    {
        err e = {0};
        query_spec s;
        buf out;
        arena *mem = arena_new(MEM);
        buf_init(&out, MEM);
        check_ok(spec_from_text(span_text(row->text), mem, &s, &e), &e);
        spec_to_json(&s, &out);
        check_text(buf_span(&out), row->json);
        buf_clear(&out);
        spec_to_text(&s, &out);
        check_text(buf_span(&out), row->printed ? row->printed : row->text);
        buf_done(&out);
        arena_free(mem);
    }
}

static const struct {
    const char *name, *text;
    size_t offset;
    const char *says;
} refused[] = {
    {"not a calculation", "CUONT GROUP BY a", 0,
     "expected a calculation such as COUNT or P90(duration_ms), found CUONT; did you mean COUNT?"},
    {"a calculation after the comma", "COUNT, FROM x", 7, "expected a calculation"},
    {"no column", "SUM", 0, "SUM needs a column"},
    {"column too many", "COUNT, CONCURRENCY(a)", 7, "CONCURRENCY takes no column"},
    {"open", "SUM(a", 5, "expected ), found the end of the text"},
    {"empty parentheses", "SUM()", 4, "expected a field name, found )"},
    {"a reserved word", "COUNT GROUP BY limit", 15,
     "expected a field name, found limit, a reserved word: as a name it is written in double "
     "quotes"},
    {"a digit first", "COUNT GROUP BY 2x", 15, "a name that does not begin with a letter"},
    {"an empty name", "COUNT GROUP BY \"\"", 15, "a name must not be empty"},
    {"by is missing", "COUNT GROUP a", 12, "expected BY, found a"},
    {"order by nothing", "COUNT ORDER BY", 14, "expected a calculation or a field of GROUP BY"},
    {"order without by", "COUNT ORDER a", 12, "expected BY"},
    {"unknown clause", "COUNT WERE a = 1", 6,
     "expected a clause such as WHERE, GROUP BY, ORDER BY, LIMIT or SINCE, found WERE; did you "
     "mean WHERE?"},
    {"twice", "COUNT LIMIT 1 LIMIT 2", 14, "LIMIT stands here a second time"},
    {"unquoted string", "COUNT WHERE service.name = flask", 27,
     "expected a value, found flask: strings are written in double quotes"},
    {"single quotes", "COUNT WHERE a = 'x'", 16, "strings are written in double quotes"},
    {"unclosed", "COUNT WHERE a = \"x", 16, "the quote that opens here is not closed"},
    {"bad escape", "COUNT WHERE a = \"\\x\"", 16, "is not a JSON string"},
    {"operator", "COUNT WHERE a contain \"x\"", 14,
     "expected an operator such as =, >, exists, contains or in, found contain; did you mean "
     "contains?"},
    {"a later operator", "COUNT WHERE a Search \"x\"", 14,
     "the operator Search is not yet supported; contains looks into one field"},
    {"a later calculation", "COUNT, COUNT_DATAPOINTS", 7,
     "the calculation COUNT_DATAPOINTS is not yet supported; COUNT counts the data points"},
    {"no operator", "COUNT WHERE a", 13, "expected an operator"},
    {"a lone !", "COUNT WHERE a ! 1", 14, "! stands only in !="},
    {"a lone star", "COUNT WHERE * = 1", 12, "unexpected character"},
    {"mixed", "COUNT WHERE a = 1 AND b = 2 OR c = 3", 28, "AND and OR cannot be mixed"},
    {"grouped", "COUNT WHERE (a = 1)", 12, "filters are not grouped"},
    {"in without list", "COUNT WHERE a in 1", 17, "expected ( and a list of values, found 1"},
    {"in without comma", "COUNT WHERE a in (1 2)", 20, "expected , or ), found 2"},
    {"in cut off", "COUNT WHERE a in (1", 19, "expected , or ), found the end"},
    {"text is no number", "COUNT WHERE a > \"x\"", 16, "> compares numbers"},
    {"huge number", "COUNT WHERE a > 1e999", 16, "expected a value"},
    {"having what", "COUNT HAVING x > 1", 13, "expected a calculation"},
    {"having how", "COUNT HAVING COUNT exists", 19, "expected = != > >= < or <="},
    {"having text", "COUNT HAVING COUNT > \"x\"", 21, "expected a number"},
    {"having a heatmap", "HEATMAP(a) HAVING HEATMAP(a) > 1", 18, "HAVING cannot look at a HEATMAP"},
    {"limit", "COUNT LIMIT many", 12, "expected a whole number, found many"},
    {"limit of none", "COUNT LIMIT 0", 12, "expected a whole number"},
    {"since", "COUNT SINCE yesterday", 12,
     "expected a time such as 2026-08-21T14:05:00Z or unix seconds, found yesterday"},
    {"since half a second", "COUNT SINCE 2026-11-22T08:00:00.5Z", 12, "a time in whole seconds"},
    {"since never", "COUNT SINCE 99999999999", 12, "expected a time"},
    {"every", "COUNT EVERY 60", 12, "expected a time span such as 90s, 5m, 2h, 7d or 1w, found 60"},
    {"no time at all", "COUNT SINCE 0s", 12, "expected a time span"},
    {"two lengths", "COUNT SINCE 2h FOR 1h", 19, "the length of time is given twice"},
    {"from what", "COUNT FROM", 10, "expected a dataset name, found the end of the text"},
    {"not UTF-8", "COUNT WHERE a = \"\xff\"", 0, "not valid UTF-8"},
};

static void refuses_at_the_offset(void **state)
{
    EACH_ROW(row, refused)
    {
        err e = {0};
        query_spec s;
        arena *mem = arena_new(MEM);
        check_code(spec_from_text(span_text(row->text), mem, &s, &e), SK_BAD_INPUT, &e);
        if (!strstr(e.text, row->says)) {
            print_error("says: %s\n", e.text);
            fail();
        }
        assert_int_equal(e.offset, row->offset);
        arena_free(mem);
    }
}

static void refuses_long_lists_and_texts(void **state)
{
    static const char *const lists[][3] = {{"COUNT", ", COUNT", ""},
                                           {"WHERE a exists", " AND a exists", ""},
                                           {"GROUP BY a", ", a", ""},
                                           {"ORDER BY a", ", a", ""},
                                           {"HAVING COUNT = 1", " AND COUNT = 1", ""}};
    buf text;
    buf_init(&text, MEM);
    for (size_t l = 0; l < COUNT_OF(lists); l++)
        for (unsigned count = SPEC_LIST_MAX; count <= SPEC_LIST_MAX + 1; count++) {
            err e = {0};
            query_spec s;
            arena *mem = arena_new(MEM);
            buf_clear(&text);
            for (unsigned i = 0; i < count; i++)
                buf_add_text(&text, lists[l][i > 0]);
            sk_code code = spec_from_text(buf_span(&text), mem, &s, &e);
            check_code(code, count > SPEC_LIST_MAX ? SK_BAD_INPUT : SK_OK, &e);
            assert_true(!code || strstr(e.text, "at most 100 are allowed"));
            arena_free(mem);
        }
    err e = {0};
    query_spec s;
    arena *mem = arena_new(MEM);
    buf_clear(&text);
    for (int i = 0; i < 65537; i++)
        buf_add_text(&text, " ");
    check_code(spec_from_text(buf_span(&text), mem, &s, &e), SK_TOO_LARGE, &e);
    arena_free(mem);
    buf_done(&text);
}

static void survives_short_memory(void **state)
{
    const char *text = "COUNT, P90(duration_ms) FROM \"back\\u0065nd\" WHERE a in (1, \"x\", \"\") "
                       "AND b = \"y\" GROUP BY c HAVING COUNT > 1 ORDER BY COUNT DESC, c SINCE 2h";
    EACH_ALLOC_FAILURE(n)
    {
        err e = {0};
        query_spec s;
        arena *mem = arena_new(MEM);
        sk_code code = mem ? spec_from_text(span_text(text), mem, &s, &e) : SK_NO_MEMORY;
        assert_int_equal(code, alloc_did_fail() ? SK_NO_MEMORY : SK_OK);
        arena_free(mem);
    }
    for (size_t cap = 64; cap < 6000; cap += 40) {
        err e = {0};
        query_spec s;
        arena *mem = arena_new(cap);
        sk_code code = spec_from_text(span_text(text), mem, &s, &e);
        assert_true(code == SK_OK || code == SK_NO_MEMORY);
        arena_free(mem);
    }
}

static void printing_fails_as_its_buffer_does(void **state)
{
    err e = {0};
    query_spec s;
    buf out;
    arena *mem = arena_new(MEM);
    check_ok(spec_from_text(SPAN("COUNT, COUNT(aaaaaaaaaaaaaaaaaaaaaaa)"), mem, &s, &e), &e);
    buf_init(&out, 10);
    spec_to_text(&s, &out);
    assert_true(out.failed);
    assert_int_equal(out.len, 0);
    buf_done(&out);
    arena_free(mem);
}

TEST_GROUP(query_text, TEST(reads_and_prints), TEST(refuses_at_the_offset),
           TEST(refuses_long_lists_and_texts), TEST(survives_short_memory),
           TEST(printing_fails_as_its_buffer_does));
