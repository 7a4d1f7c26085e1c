/*
 * tests/unit/query_result.c: the order of results and both JSON forms, over results made by hand.
 */
#include <math.h>

#include "check.h"
#include "query/result.h"

#define MEM (64 * KIB)

static result_value null_value(void)
{
    return (result_value){.kind = RESULT_NULL};
}

static result_value int_value(int64_t i)
{
    return (result_value){.kind = RESULT_INT, .i = i};
}

static result_value number_value(double f)
{
    return (result_value){.kind = RESULT_NUMBER, .f = f};
}

static result_value text_value(const char *text)
{
    return (result_value){.kind = RESULT_TEXT, .text = span_text(text)};
}

static result_value bool_value(bool b)
{
    return (result_value){.kind = RESULT_BOOL, .b = b};
}

static plan plan_of(const char *text, arena *mem)
{
    query_spec s;
    plan p;
    err e;
    check_ok(spec_from_text(span_text(text), mem, &s, &e), &e);
    check_ok(plan_make(&s, 1795341600 * NS_PER_S, true, mem, &p, &e), &e);
    return p;
}

static void keys_are_totally_ordered(void **state)
{
    arena *mem = arena_new(MEM);
    plan p = plan_of("COUNT GROUP BY a", mem);
    const result_value ascending[] = {null_value(),
                                      number_value(-1e300),
                                      int_value(INT64_MIN),
                                      int_value(-3),
                                      number_value(-2.5),
                                      number_value(-0.25),
                                      int_value(0),
                                      number_value(0.5),
                                      int_value(9007199254740992),
                                      int_value(9007199254740993),
                                      number_value(9007199254740994.0),
                                      int_value(INT64_MAX),
                                      number_value(9223372036854775808.0),
                                      number_value(1e300),
                                      text_value(""),
                                      text_value("200"),
                                      text_value("Zebra"),
                                      bool_value(false),
                                      text_value("nan"),
                                      bool_value(true),
                                      text_value("truely"),
                                      text_value("\xc3\xbc")};
    for (size_t i = 0; i < COUNT_OF(ascending); i++)
        for (size_t j = 0; j < COUNT_OF(ascending); j++) {
            int got = result_compare_keys(&p, &ascending[i], &ascending[j]);
            int want = (i > j) - (i < j);
            if ((got > 0) - (got < 0) != want) {
                print_error("%zu and %zu: %d\n", i, j, got);
                fail();
            }
        }
    arena_free(mem);
}

static void check_order(const plan *p, const result_row *rows, size_t count, const char *want)
{
    char got[16];
    uint8_t place[16];
    for (size_t i = 0; i < count; i++) { /* by counting who comes before */
        place[i] = 0;
        for (size_t j = 0; j < count; j++)
            place[i] = (uint8_t)(place[i] + (result_compare_rows(p, &rows[j], &rows[i]) < 0));
    }
    memset(got, '?', sizeof got);
    for (size_t i = 0; i < count; i++)
        got[place[i]] = (char)('a' + i);
    got[count] = 0;
    assert_string_equal(got, want);
}

static void rows_follow_the_orders(void **state)
{
    arena *mem = arena_new(MEM);
    heatmap_cell one[] = {{0, 1, 5}}, two[] = {{0, 1, 1}, {1, 2, 3}};
    result_value heat_one = {.kind = RESULT_HEATMAP, .heatmap = {one, 1}};
    result_value heat_two = {.kind = RESULT_HEATMAP, .heatmap = {two, 2}};
    const result_value keys[] = {text_value("k"), text_value("j"), null_value(), text_value("l")};
    const result_value calcs[][3] = {{int_value(5), null_value(), heat_two},
                                     {int_value(5), number_value(0.5), heat_one},
                                     {int_value(7), int_value(-1), null_value()},
                                     {int_value(5), number_value(0.25), heat_two}};
    result_row rows[4];
    for (size_t i = 0; i < 4; i++)
        rows[i] = (result_row){.keys = &keys[i], .calcs = calcs[i]};
    static const struct {
        const char *name, *order, *want;
    } orders[] = {
        {"usual: first calculation falling, then keys", "", "cbad"},
        {"rising", "ORDER BY COUNT", "badc"},
        {"by key", "ORDER BY k", "cbad"},
        {"by key falling", "ORDER BY k DESC", "dabc"},
        {"null is least", "ORDER BY MAX(x)", "acdb"},
        {"null is last when falling", "ORDER BY MAX(x) DESC", "bdca"},
        {"heatmap by weight", "ORDER BY HEATMAP(x) DESC", "badc"},
        {"second key", "ORDER BY COUNT DESC, MAX(x)", "cadb"},
    };
    EACH_ROW(row, orders)
    {
        char text[120];
        snprintf(text, sizeof text, "COUNT, MAX(x), HEATMAP(x) GROUP BY k %s", row->order);
        plan p = plan_of(text, mem);
        check_order(&p, rows, 4, row->want);
    }
    arena_free(mem);
}

/* Two groups, two buckets, a heatmap, big numbers, a total and the others. */
static void check_golden(void (*write)(const result *, buf *), const char *want)
{
    arena *mem = arena_new(MEM);
    plan p =
        plan_of("COUNT, MAX(\"a b\"), HEATMAP(d) GROUP BY name, error SINCE 1795334400 FOR 60s "
                "EVERY 30s",
                mem);
    /* Edges a sign or 32 octaves apart are kept in one place while an answer is printed. */
    heatmap_cell cells[] = {{-0.75, -0.5, 1},
                            {0, 0, 2},
                            {0.5, 0.75, 3},
                            {1, 1.5, 9007199254740993u},
                            {2147483648, 2181038080, 4}};
    result_value heat = {.kind = RESULT_HEATMAP, .heatmap = {cells, COUNT_OF(cells)}};
    const result_value keys[][2] = {{text_value("GET \"/\""), null_value()},
                                    {int_value(-7), bool_value(true)}};
    const result_value copy[2] = {keys[1][0], keys[1][1]}; /* equal keys elsewhere in memory */
    const result_value calcs[][3] = {{int_value(9007199254740993), number_value(0.1), heat},
                                     {int_value(2), null_value(), null_value()},
                                     {int_value(1), number_value(3), null_value()},
                                     {int_value(4), int_value(9007199254740992), null_value()}};
    result_row rows[] = {{p.start_ns, keys[0], calcs[0]}, {p.start_ns, keys[1], calcs[1]}};
    result_row series[] = {{p.start_ns, copy, calcs[1]},
                           {p.start_ns + p.granularity_ns, keys[0], calcs[2]},
                           {p.start_ns + p.granularity_ns, copy, calcs[1]}};
    const char *approximate[] = {"COUNT_DISTINCT(a): ±1.6 %"};
    result r = {.plan = &p,
                .rows = rows,
                .row_count = 2,
                .series = series,
                .series_count = 3,
                .has_total = true,
                .total = calcs[3],
                .has_other = true,
                .other = calcs[2],
                .group_count = 12,
                .rows_scanned = 100,
                .bytes_read = 2048,
                .elapsed_ns = 1234567,
                .approximate = approximate,
                .approximate_count = 1};
    buf out;
    buf_init(&out, MEM);
    write(&r, &out);
    assert_false(out.failed);
    check_text(buf_span(&out), want);
    buf_done(&out);
    arena_free(mem);
}

#define HEAT                                                                                       \
    "{\"cells\":[{\"low\":-0.75,\"high\":-0.5,\"count\":1},{\"low\":0,\"high\":0,\"count\":2},"    \
    "{\"low\":0.5,\"high\":0.75,\"count\":3},{\"low\":1,\"high\":1.5,\"count\":"                   \
    "\"9007199254740993\"},"                                                                       \
    "{\"low\":2147483648,\"high\":2181038080,\"count\":4}]}"
#define META                                                                                       \
    "\"meta\":{\"rows_scanned\":100,\"bytes_read\":2048,\"elapsed_ms\":1.234,"                     \
    "\"start\":\"2026-11-22T08:00:00Z\",\"end\":\"2026-11-22T08:01:00Z\",\"granularity_s\":30,"    \
    "\"groups\":12,\"approximate\":[\"COUNT_DISTINCT(a): ±1.6 %\"]}"

static void json_is_honeycombs(void **state)
{
    check_golden(
        result_to_json,
        "{\"data\":{\"series\":["
        "{\"time\":\"2026-11-22T08:00:00Z\",\"data\":{\"COUNT\":2,\"MAX(a b)\":null,\"HEATMAP(d)\":"
        "null,\"name\":-7,\"error\":true}},"
        "{\"time\":\"2026-11-22T08:00:30Z\",\"data\":{\"COUNT\":1,\"MAX(a b)\":3,\"HEATMAP(d)\":"
        "null,\"name\":\"GET \\\"/\\\"\",\"error\":null}},"
        "{\"time\":\"2026-11-22T08:00:30Z\",\"data\":{\"COUNT\":2,\"MAX(a b)\":null,\"HEATMAP(d)\":"
        "null,\"name\":-7,\"error\":true}}],"
        "\"results\":["
        "{\"data\":{\"COUNT\":\"9007199254740993\",\"MAX(a b)\":0.1,\"HEATMAP(d)\":" HEAT
        ",\"name\":\"GET \\\"/\\\"\",\"error\":null}},"
        "{\"data\":{\"COUNT\":2,\"MAX(a "
        "b)\":null,\"HEATMAP(d)\":null,\"name\":-7,\"error\":true}}],"
        "\"total_by_aggregate\":{\"COUNT\":4,\"MAX(a b)\":9007199254740992,\"HEATMAP(d)\":null},"
        "\"other_by_aggregate\":{\"COUNT\":1,\"MAX(a b)\":3,\"HEATMAP(d)\":null}}," META "}");
}

static void columns_hold_the_same(void **state)
{
    check_golden(
        result_to_columns_json,
        "{\"start_ns\":\"1795334400000000000\",\"end_ns\":\"1795334460000000000\","
        "\"granularity_ns\":\"30000000000\",\"bucket_count\":2,"
        "\"calculations\":[{\"key\":\"COUNT\",\"op\":\"COUNT\"},{\"key\":\"MAX(a b)\",\"op\":"
        "\"MAX\"},{\"key\":\"HEATMAP(d)\",\"op\":\"HEATMAP\"}],\"breakdowns\":[\"name\",\"error\"],"
        "\"groups\":{\"count\":2,\"keys\":[[\"GET \\\"/\\\"\",-7],[null,true]],"
        "\"values\":[[\"9007199254740993\",2],[0.1,null],[" HEAT ",null]]},"
        "\"series\":{\"bucket\":[0,1,1],\"group\":[1,0,1],"
        "\"values\":[[2,1,2],[null,3,null],[null,null,null]]},"
        "\"total\":[4,9007199254740992,null],\"other\":[1,3,null]," META "}");
}

static void an_empty_result_has_its_lists(void **state)
{
    arena *mem = arena_new(MEM);
    plan p = plan_of("SINCE 1795334400 FOR 60s EVERY 30s", mem);
    result r = {.plan = &p, .is_partial = true};
    buf out;
    buf_init(&out, MEM);
    result_to_json(&r, &out);
    check_text(buf_span(&out),
               "{\"data\":{\"series\":[],\"results\":[]},\"meta\":{\"rows_scanned\":0,"
               "\"bytes_read\":0,\"elapsed_ms\":0,\"start\":\"2026-11-22T08:00:00Z\",\"end\":"
               "\"2026-11-22T08:01:00Z\",\"granularity_s\":30,\"groups\":0,\"approximate\":[],"
               "\"partial\":true}}");
    buf_done(&out);
    arena_free(mem);
}

TEST_GROUP(query_result, TEST(keys_are_totally_ordered), TEST(rows_follow_the_orders),
           TEST(json_is_honeycombs), TEST(columns_hold_the_same),
           TEST(an_empty_result_has_its_lists));
