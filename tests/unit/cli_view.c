/*
 * tests/unit/cli_view.c: answers to queries as tables, tabs and charts; the caret below a mistake.
 */
#include "cli/query_view.h"
#include "cli_fixed.h"

#define MEM (4 * MIB)

typedef struct fixture {
    cli c;
    query_view v;
    const node *answer;
} fixture;

static void begin(fixture *f, const char *text, const char *reply)
{
    query_spec s;
    err e;
    *f = (fixture){.c = {.mem = arena_new(MEM), .quiet = true}};
    f->c.out = fixed_term(0, true);
    f->c.talk = fixed_term(0, true);
    check_ok(spec_from_text(span_text(text), f->c.mem, &s, &e), &e);
    check_ok(plan_make(&s, 1795341600 * NS_PER_S, true, f->c.mem, &f->v.plan, &e), &e);
    check_ok(node_parse(span_text(reply), f->c.mem, &f->answer, &e), &e);
}

static void end(fixture *f)
{
    fixed_done(&f->c.out);
    fixed_done(&f->c.talk);
    arena_free(f->c.mem);
}

#define META                                                                                       \
    ",\"meta\":{\"rows_scanned\":10,\"bytes_read\":2000,\"elapsed_ms\":1.5,\"start\":"             \
    "\"2026-11-22T08:00:00Z\",\"end\":\"2026-11-22T10:00:00Z\",\"granularity_s\":1800,\"groups\":" \
    "2,"                                                                                           \
    "\"approximate\":[]}}"

static const char two_groups[] =
    "{\"data\":{\"series\":[{\"time\":\"2026-11-22T08:00:00Z\",\"data\":{\"COUNT\":3,\"P90(d)\":1."
    "5,"
    "\"name\":\"x\"}},{\"time\":\"2026-11-22T09:30:00Z\",\"data\":{\"COUNT\":4,\"P90(d)\":2,"
    "\"name\":"
    "null}}],\"results\":[{\"data\":{\"COUNT\":\"9007199254740993\",\"P90(d)\":857.0312345,"
    "\"name\":"
    "\"x\"}},{\"data\":{\"COUNT\":4,\"P90(d)\":null,\"name\":null}}]}" META;

static void tables_have_keys_first(void **state)
{
    fixture f;
    begin(&f, "COUNT, P90(d) GROUP BY name", two_groups);
    query_show(&f.c, &f.v, f.answer, &(query_look){.form = TABLE_ALIGNED});
    check_printed(&f.c.out, "name                  COUNT  P90(d)\n"
                            "x     9,007,199,254,740,993     857\n"
                            "\xe2\x80\x93                         4       \xe2\x80\x93\n");
    query_show(&f.c, &f.v, f.answer, &(query_look){.form = TABLE_PLAIN});
    check_printed(&f.c.out, "name\tCOUNT\tP90(d)\nx\t9007199254740993\t857.0312345\n\t4\t\n");
    query_show(&f.c, &f.v, f.answer, &(query_look){.series = true, .form = TABLE_CSV});
    check_printed(&f.c.out, "time,name,COUNT,P90(d)\r\n2026-11-22T08:00:00Z,x,3,1.5\r\n"
                            "2026-11-22T09:30:00Z,,4,2\r\n");
    end(&f);
}

static void the_earlier_period_stands_beside(void **state)
{
    static const char both[] = "{\"data\":{\"results\":[{\"data\":{\"COUNT\":3,\"name\":\"x\"}},{"
                               "\"data\":{\"COUNT\":1,\"name\":"
                               "\"new\"}}]},\"compare\":{\"data\":{\"results\":[{\"data\":{"
                               "\"COUNT\":7,\"name\":\"x\"}}]}}" META;
    fixture f;
    begin(&f, "COUNT GROUP BY name SINCE 1h COMPARE 1d", both);
    query_show(&f.c, &f.v, f.answer, &(query_look){.form = TABLE_PLAIN});
    check_printed(&f.c.out, "name\tCOUNT\tCOUNT before\nx\t3\t7\nnew\t1\t\n");
    end(&f);
}

static void charts_are_drawn_per_calculation(void **state)
{
    fixture f;
    begin(&f, "COUNT, P90(d) GROUP BY name SINCE 1795334400 FOR 2h EVERY 30m", two_groups);
    f.c.out.width = 40;
    f.c.out.has_unicode = false;
    query_show(&f.c, &f.v, f.answer, &(query_look){.chart = true});
    assert_true(has_printed(&f.c.out, "COUNT\n-- x\n        3 ********\n"));
    assert_true(has_printed(&f.c.out, "P90(d)\n-- x\n"));
    assert_true(has_printed(&f.c.out, "-- (none)\n"));
    end(&f);
}

static void heatmaps_are_sparks_in_tables(void **state)
{
    static const char heat[] =
        "{\"data\":{\"series\":[{\"time\":\"2026-11-22T08:00:00Z\",\"data\":{\"HEATMAP(d)\":{"
        "\"cells\":["
        "{\"low\":1,\"high\":2,\"count\":5}]}}}],\"results\":[{\"data\":{\"HEATMAP(d)\":{\"cells\":"
        "[{\"low\":"
        "1,\"high\":2,\"count\":5},{\"low\":7,\"high\":8,\"count\":1}]}}}]}" META;
    fixture f;
    begin(&f, "HEATMAP(d) SINCE 1795334400 FOR 2h EVERY 30m", heat);
    f.c.out.has_unicode = false;
    assert_true(query_has_heatmap(&f.v.plan));
    query_show(&f.c, &f.v, f.answer, &(query_look){.form = TABLE_ALIGNED});
    check_printed(&f.c.out, "HEATMAP(d)\n #            : \n");
    f.c.out.width = 40;
    query_show(&f.c, &f.v, f.answer, &(query_look){.heatmap = true});
    assert_true(has_printed(&f.c.out, "#######\n"));
    assert_true(has_printed(&f.c.out, "most: 5 events"));
    end(&f);
}

/* The slow group stands to the right of the fast one, also in the earlier period. */
static void sparks_of_a_column_share_its_scale(void **state)
{
    static const char heat[] =
        "{\"data\":{\"results\":[{\"data\":{\"name\":\"fast\",\"HEATMAP(d)\":{\"cells\":[{\"low\":"
        "1,"
        "\"high\":2,\"count\":5}]}}},{\"data\":{\"name\":\"slow\",\"HEATMAP(d)\":{\"cells\":[{"
        "\"low\":8,"
        "\"high\":9,\"count\":5}]}}}]},\"compare\":{\"data\":{\"results\":[{\"data\":{\"name\":"
        "\"slow\","
        "\"HEATMAP(d)\":{\"cells\":[{\"low\":16,\"high\":17,\"count\":1}]}}}]}}" META;
    fixture f;
    begin(&f, "HEATMAP(d) GROUP BY name SINCE 1h COMPARE 1d", heat);
    f.c.out.has_unicode = false;
    query_show(&f.c, &f.v, f.answer, &(query_look){.form = TABLE_ALIGNED});
    check_printed(&f.c.out, "name  HEATMAP(d)        HEATMAP(d) before\n"
                            "fast  #                 -\n"
                            "slow         #                         #\n");
    end(&f);
}

static void a_caret_stands_below_the_mistake(void **state)
{
    fixture f;
    begin(&f, "COUNT", "{}");
    f.c.talk.is_gone = false;
    f.c.talk.fd = STDERR_FILENO;
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    f.c.talk.fd = pipes[1];
    err e = {.offset = 20, .text = "expected a value"};
    assert_int_equal(query_say_error(&f.c, SPAN("COUNT\nWHERE \xc3\xbc = \t flask"), &e),
                     EXIT_USAGE);
    char got[200];
    ssize_t len = read(pipes[0], got, sizeof got);
    check_text(span_of(got, (size_t)len),
               "WHERE \xc3\xbc = \\t flask\n              ^\nexpected a value\n");
    close(pipes[0]);
    close(pipes[1]);
    end(&f);
}

TEST_GROUP(cli_view, TEST(tables_have_keys_first), TEST(the_earlier_period_stands_beside),
           TEST(charts_are_drawn_per_calculation), TEST(heatmaps_are_sparks_in_tables),
           TEST(sparks_of_a_column_share_its_scale), TEST(a_caret_stands_below_the_mistake));
