/*
 * tests/unit/query_json.c: the spec's JSON: what is read, its normal form, what is refused and where.
 */
#include "check.h"
#include "query/spec.h"
#include "query/suggest.h"

#define MEM (256 * KIB)

static void check_json(const query_spec *s, const char *want)
{
    buf out;
    buf_init(&out, MEM);
    spec_to_json(s, &out);
    assert_false(out.failed);
    check_text(buf_span(&out), want);
    buf_done(&out);
}

static const struct {
    const char *name, *json, *normal;
} accepted[] = {
    {"nothing", "{}", "{}"},
    {"null is absent", "{\"calculations\":null,\"limit\":null}", "{}"},
    {"empty lists", "{\"filters\":[],\"breakdowns\":[],\"formulas\":[],\"calculated_fields\":[]}",
     "{}"},
    {"AND and ascending are left out",
     "{\"calculations\":[{\"op\":\"COUNT\"}],\"filter_combination\":\"AND\","
     "\"orders\":[{\"op\":\"COUNT\",\"order\":\"ascending\"}]}",
     "{\"calculations\":[{\"op\":\"COUNT\"}],\"orders\":[{\"op\":\"COUNT\"}]}"},
    {"OR of one is AND",
     "{\"filter_combination\":\"OR\",\"filters\":[{\"column\":\"a\",\"op\":\"exists\"}]}",
     "{\"filters\":[{\"column\":\"a\",\"op\":\"exists\"}]}"},
    {"OR of two",
     "{\"filter_combination\":\"OR\",\"filters\":[{\"op\":\"exists\",\"column\":\"a\"},"
     "{\"column\":\"b\",\"op\":\"=\",\"value\":true}]}",
     "{\"filters\":[{\"column\":\"a\",\"op\":\"exists\"},{\"column\":\"b\",\"op\":\"=\",\"value\":"
     "true}],\"filter_combination\":\"OR\"}"},
    {"values keep their type",
     "{\"filters\":[{\"column\":\"a\",\"op\":\"in\",\"value\":[1,1.0,\"1\",false,"
     "9223372036854775807,18446744073709551615,-0.5e-3,\"\"]}]}",
     "{\"filters\":[{\"column\":\"a\",\"op\":\"in\",\"value\":[1,1.0,\"1\",false,"
     "9223372036854775807,18446744073709552000.0,-0.0005,\"\"]}]}"},
    {"an empty in", "{\"filters\":[{\"column\":\"a\",\"op\":\"not-in\",\"value\":[]}]}",
     "{\"filters\":[{\"column\":\"a\",\"op\":\"not-in\",\"value\":[]}]}"},
    {"all of it",
     "{\"calculations\":[{\"op\":\"COUNT\"},{\"op\":\"P99\",\"column\":\"duration_ms\"}],"
     "\"filters\":[{\"column\":\"n\",\"op\":\">=\",\"value\":\"7\"}],"
     "\"breakdowns\":[\"http.route\",\"a b\"],"
     "\"orders\":[{\"op\":\"P99\",\"column\":\"duration_ms\",\"order\":\"descending\"},"
     "{\"column\":\"a b\"}],"
     "\"havings\":[{\"calculate_op\":\"COUNT\",\"op\":\">\",\"value\":10.5}],\"limit\":20,"
     "\"start_time\":1700000000,\"time_range\":7200,\"granularity\":60,"
     "\"compare_time_offset_seconds\":86400}",
     NULL},
    {"times as text",
     "{\"start_time\":\"2026-11-22T10:00:00+02:00\",\"end_time\":\"2026-11-22T10:00:00Z\"}",
     "{\"start_time\":1795334400,\"end_time\":1795341600}"},
    {"start and end", "{\"start_time\":0,\"end_time\":9200000000}", NULL},
    {"a compared column",
     "{\"havings\":[{\"calculate_op\":\"SUM\",\"column\":\"x\",\"op\":\"!=\","
     "\"value\":-3}]}",
     NULL},
};

static void reads_and_writes_normal_form(void **state)
{
    EACH_ROW(row, accepted)
    {
        err e = {0};
        query_spec s;
        arena *mem = arena_new(MEM);
        check_ok(spec_from_json(span_text(row->json), mem, &s, &e), &e);
        check_json(&s, row->normal ? row->normal : row->json);
        arena_free(mem);
    }
}

static const struct {
    const char *name, *json;
    size_t offset;
    const char *says;
} refused[] = {
    {"no object", "[]", 0, "a query must be a JSON object"},
    {"cut off", "{\"limit\":", 9, ""},
    {"more behind", "{} x", 3, ""},
    {"unknown key", "{\"calculation\":[]}", 1,
     "unknown key \"calculation\"; did you mean \"calculations\"?"},
    {"far key", "{\"select\":[]}", 1, "unknown key \"select\""},
    {"twice", "{\"limit\":1,\"limit\":2}", 11, "limit: given twice"},
    {"formulas", "{\"formulas\":[{\"name\":\"a\"}]}", 13, "formulas: not yet supported by skep"},
    {"calculated fields", "{\"calculated_fields\":[{\"name\":\"a\"}]}", 22,
     "calculated_fields: not yet supported by skep"},
    {"own filters", "{\"calculations\":[{\"op\":\"COUNT\",\"filters\":[1]}]}", 42,
     "calculations[0]: filters: not yet supported"},
    {"unknown calculation", "{\"calculations\":[{\"op\":\"COUNT\"},{\"op\":\"P98\"}]}", 38,
     "calculations[1]: op: \"P98\" is no calculation; did you mean P90?"},
    {"no op", "{\"calculations\":[{\"column\":\"a\"}]}", 17, "calculations[0]: needs \"op\""},
    {"no column", "{\"calculations\":[{\"op\":\"SUM\"}]}", 17,
     "calculations[0]: SUM needs a column"},
    {"a column too many", "{\"calculations\":[{\"op\":\"CONCURRENCY\",\"column\":\"a\"}]}", 17,
     "calculations[0]: CONCURRENCY takes no column"},
    {"no array", "{\"filters\":{}}", 11, "filters: must be an array"},
    {"no list item", "{\"filters\":[3]}", 12, "filters[0]: must be an object"},
    {"no filter column", "{\"filters\":[{\"op\":\"exists\"}]}", 12,
     "filters[0]: needs \"column\" and \"op\""},
    {"empty column", "{\"filters\":[{\"column\":\"\"}]}", 22,
     "filters[0]: column: must not be empty"},
    {"unknown operator", "{\"filters\":[{\"column\":\"a\",\"op\":\"contain\"}]}", 31,
     "filters[0]: op: \"contain\" is no operator; did you mean contains?"},
    {"a later operator", "{\"filters\":[{\"column\":\"a\",\"op\":\"search\"}]}", 31,
     "the operator search is not yet supported; contains looks into one field"},
    {"a later calculation", "{\"calculations\":[{\"op\":\"HISTOGRAM_COUNT\"}]}", 23,
     "calculations[0]: op: the calculation HISTOGRAM_COUNT is not yet supported"},
    {"in without array", "{\"filters\":[{\"column\":\"a\",\"op\":\"in\",\"value\":1}]}", 44,
     "filters[0]: in takes an array of values"},
    {"array without in", "{\"filters\":[{\"column\":\"a\",\"op\":\"=\",\"value\":[1]}]}", 43,
     "filters[0]: = takes no array"},
    {"no value", "{\"filters\":[{\"column\":\"a\",\"op\":\"=\"}]}", 12,
     "filters[0]: = takes one value"},
    {"a value too many", "{\"filters\":[{\"column\":\"a\",\"op\":\"exists\",\"value\":1}]}", 48,
     "filters[0]: exists takes no value"},
    {"text is no number", "{\"filters\":[{\"column\":\"a\",\"op\":\">\",\"value\":\"x\"}]}", 43,
     "filters[0]: > compares numbers"},
    {"an object value", "{\"filters\":[{\"column\":\"a\",\"op\":\"=\",\"value\":{}}]}", 43,
     "filters[0]: value: must be a string, a number"},
    {"a null in a list", "{\"filters\":[{\"column\":\"a\",\"op\":\"in\",\"value\":[null]}]}", 45,
     "filters[0]: value: must be a string, a number"},
    {"too big a number", "{\"filters\":[{\"column\":\"a\",\"op\":\"=\",\"value\":1e999}]}", 43,
     "filters[0]: value: must be a string, a number that fits 64 bits"},
    {"combination", "{\"filter_combination\":\"XOR\"}", 22,
     "filter_combination: must be \"AND\" or \"OR\""},
    {"breakdown type", "{\"breakdowns\":[\"a\",1]}", 19, "breakdowns[1]: must be a string"},
    {"order of nothing", "{\"orders\":[{\"order\":\"descending\"}]}", 11,
     "orders[0]: needs \"op\" or \"column\""},
    {"order direction", "{\"orders\":[{\"op\":\"COUNT\",\"order\":\"down\"}]}", 33,
     "orders[0]: order: must be \"ascending\" or \"descending\""},
    {"having of what", "{\"havings\":[{\"op\":\">\",\"value\":1}]}", 12,
     "havings[0]: needs \"calculate_op\", \"op\" and \"value\""},
    {"having a heatmap",
     "{\"havings\":[{\"calculate_op\":\"HEATMAP\",\"column\":\"a\",\"op\":\">\",\"value\":1}]}", 12,
     "havings[0]: HAVING cannot look at a HEATMAP"},
    {"having contains",
     "{\"havings\":[{\"calculate_op\":\"COUNT\",\"op\":\"contains\",\"value\":1}]}", 12,
     "havings[0]: HAVING compares with"},
    {"having text", "{\"havings\":[{\"calculate_op\":\"COUNT\",\"op\":\">\",\"value\":\"1\"}]}", 53,
     "havings[0]: value: must be a number"},
    {"limit of none", "{\"limit\":0}", 9, "limit: must be a whole number from 1 to 4294967295"},
    {"half a second", "{\"time_range\":0.5}", 14, "time_range: must be a whole number"},
    {"no time", "{\"end_time\":\"yesterday\"}", 12,
     "end_time: must be unix seconds or a time in whole seconds"},
    {"half a second of text", "{\"end_time\":\"2026-11-22T10:00:00.5Z\"}", 12,
     "end_time: must be unix seconds or a time in whole seconds"},
    {"text before 1970", "{\"end_time\":\"1969-11-22T10:00:00Z\"}", 12,
     "end_time: must be unix seconds"},
    {"text beyond time", "{\"end_time\":\"2270-01-01T00:00:00Z\"}", 12,
     "end_time: must be unix seconds"},
    {"before 1970", "{\"start_time\":-1}", 14, "start_time: must be a whole number from 0"},
};

static void refuses_with_key_and_offset(void **state)
{
    EACH_ROW(row, refused)
    {
        err e = {0};
        query_spec s;
        arena *mem = arena_new(MEM);
        check_code(spec_from_json(span_text(row->json), mem, &s, &e), SK_BAD_INPUT, &e);
        if (!strstr(e.text, row->says)) {
            print_error("says: %s\n", e.text);
            fail();
        }
        assert_int_equal(e.offset, row->offset);
        arena_free(mem);
    }
}

static void refuses_long_lists(void **state)
{
    static const char *const lists[][2] = {
        {"calculations", "{\"op\":\"COUNT\"}"},
        {"filters", "{\"column\":\"a\",\"op\":\"exists\"}"},
        {"breakdowns", "\"a\""},
        {"orders", "{\"op\":\"COUNT\"}"},
        {"havings", "{\"calculate_op\":\"COUNT\",\"op\":\"=\",\"value\":1}"}};
    for (size_t l = 0; l < COUNT_OF(lists); l++)
        for (unsigned count = SPEC_LIST_MAX; count <= SPEC_LIST_MAX + 1; count++) {
            err e = {0};
            query_spec s;
            buf json;
            arena *mem = arena_new(MEM);
            buf_init(&json, MEM);
            buf_print(&json, "{\"%s\":[", lists[l][0]);
            for (unsigned i = 0; i < count; i++)
                buf_print(&json, "%s%s", i ? "," : "", lists[l][1]);
            buf_add_text(&json, "]}");
            sk_code code = spec_from_json(buf_span(&json), mem, &s, &e);
            check_code(code, count > SPEC_LIST_MAX ? SK_BAD_INPUT : SK_OK, &e);
            assert_true(!code || strstr(e.text, "at most 100 are allowed"));
            buf_done(&json);
            arena_free(mem);
        }
}

static void survives_short_memory(void **state)
{
    const char *json = accepted[8].json;
    EACH_ALLOC_FAILURE(n)
    {
        err e = {0};
        query_spec s, copy;
        arena *mem = arena_new(MEM);
        sk_code code = mem ? spec_from_json(span_text(json), mem, &s, &e) : SK_NO_MEMORY;
        if (!code)
            code = spec_copy(&s, mem, &copy, &e);
        if (!alloc_did_fail()) {
            check_ok(code, &e);
            assert_true(spec_equal(&s, &copy));
        } else {
            assert_true(code == SK_NO_MEMORY);
        }
        arena_free(mem);
    }
    for (size_t cap = 64; cap < 6000; cap += 40) { /* an arena that is too small somewhere */
        err e = {0};
        query_spec s;
        arena *mem = arena_new(cap);
        sk_code code = spec_from_json(span_text(json), mem, &s, &e);
        assert_true(code == SK_OK || code == SK_NO_MEMORY || code == SK_TOO_LARGE);
        assert_true(code == SK_OK || e.text[0]);
        arena_free(mem);
    }
}

static const char *fruit(size_t index, const void *ctx)
{
    static const char *const names[] = {"apple", "pear", "plum", "fig"};
    return index < COUNT_OF(names) ? names[index] : NULL;
}

static void suggests_the_nearest_word(void **state)
{
    assert_string_equal(suggest_nearest(SPAN("aple"), fruit, NULL), "apple");
    assert_string_equal(suggest_nearest(SPAN("PAER"), fruit, NULL), "pear");
    assert_string_equal(suggest_nearest(SPAN("appels"), fruit, NULL), "apple");
    assert_null(suggest_nearest(SPAN("orange"), fruit, NULL));
    assert_null(suggest_nearest(SPAN(""), fruit, NULL));
    assert_int_equal(suggest_distance(SPAN("kitten"), SPAN("sitting")), 3);
    assert_int_equal(suggest_distance(SPAN(""), SPAN("abc")), 3);
    assert_int_equal(suggest_distance(SPAN("ab"), SPAN("ba")), 1);
    uint8_t longer[SUGGEST_WORD_MAX + 1] = {0};
    assert_int_equal(suggest_distance(span_of(longer, sizeof longer), SPAN("a")), SUGGEST_WORD_MAX);
}

TEST_GROUP(query_json, TEST(reads_and_writes_normal_form), TEST(refuses_with_key_and_offset),
           TEST(refuses_long_lists), TEST(survives_short_memory), TEST(suggests_the_nearest_word));
