/*
 * tests/unit/cli_waterfall.c: one small trace in every view: a root, a chain, an error, an orphan, an event and a log.
 */
#include "cli/waterfall.h"
#include "cli_fixed.h"

#define MEM (4 * MIB)

#define SPAN_JSON(id, parent, service, name, start_ms, duration, more)                             \
    "{\"start_ns\":\"17953344" start_ms "000000\",\"trace.span_id\":\"" id "\"," parent            \
    "\"service.name\":\"" service "\",\"name\":\"" name "\",\"duration_ms\":" duration more "}"
#define PARENT(id) "\"trace.parent_id\":\"" id "\","

static const char shop[] =
    "{\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\"spans\":[" SPAN_JSON("0000000000000001", "", "web", "POST /pay", "00000", "1000", ",\"span.kind\":\"server\"") "," SPAN_JSON(
        "0000000000000002", PARENT("0000000000000001"), "api", "POST /v1/pay", "00010", "980",
        "") "," SPAN_JSON("0000000000000003", PARENT("0000000000000002"), "auth", "verify", "00020",
                          "100",
                          "") "," SPAN_JSON("0000000000000004", PARENT("0000000000000002"),
                                            "ledger", "write", "00200", "700",
                                            ",\"error\":true,\"status_message\":"
                                            "\"time\\u001bout\"") "," SPAN_JSON("00000000000"
                                                                                "00005",
                                                                                PARENT("0000000"
                                                                                       "0000000"
                                                                                       "ff"),
                                                                                "mail", "send",
                                                                                "00500", "40",
                                                                                "") ","
                                                                                    "{\"star"
                                                                                    "t_ns\":"
                                                                                    "\"17953"
                                                                                    "3440030"
                                                                                    "0000000"
                                                                                    "\","
                                                                                    "\"trace"
                                                                                    ".parent"
                                                                                    "_id\":"
                                                                                    "\"00000"
                                                                                    "0000000"
                                                                                    "0004\","
                                                                                    "\"meta."
                                                                                    "annotat"
                                                                                    "ion_"
                                                                                    "type\":"
                                                                                    "\"span_"
                                                                                    "event\""
                                                                                    ",\"name"
                                                                                    "\":"
                                                                                    "\"retry"
                                                                                    "\"},"
                                                                                    "{\"star"
                                                                                    "t_ns\":"
                                                                                    "\"17953"
                                                                                    "3440040"
                                                                                    "0000000"
                                                                                    "\","
                                                                                    "\"trace"
                                                                                    ".parent"
                                                                                    "_id\":"
                                                                                    "\"00000"
                                                                                    "0000000"
                                                                                    "0004\","
                                                                                    "\"body"
                                                                                    "\":"
                                                                                    "\"x\"}]"
                                                                                    ","
                                                                                    "\"missi"
                                                                                    "ng_"
                                                                                    "parents"
                                                                                    "\":["
                                                                                    "\"00000"
                                                                                    "0000000"
                                                                                    "00ff\"]"
                                                                                    "}";

static trace_view view_of(const char *text, arena *mem)
{
    const node *reply;
    trace_view v;
    err e;
    check_ok(node_parse(span_text(text), mem, &reply, &e), &e);
    check_ok(trace_view_read(reply, mem, &v, &e), &e);
    return v;
}

#define HEAD                                                                                       \
    "web POST /pay  1 s  5 spans  5 services  1 error  1 missing  2026-11-22 08:00:00.000 "        \
    "+00:00\n"

static void the_tree_has_bars(void **state)
{
    arena *mem = arena_new(MEM);
    term t = fixed_term(90, false);
    trace_view v = view_of(shop, mem);
    trace_filter all = {0};
    waterfall_print(&v, &all, mem, &t);
    check_printed(
        &t, HEAD
        "                         0 ms         500 ms     1 s    total     self\n"
        "* v web POST /pay        ===========================      1 s    20 ms\n"
        "*   v api POST /v1/pay   ===========================   980 ms   180 ms\n"
        "*       auth verify      ===                           100 ms   100 ms\n"
        "*       ledger write ERR      ====================     700 ms   700 ms  time\\x1bout\n"
        "  ? missing parent 00000000000000ff\n"
        "*   mail send                         ==                40 ms    40 ms\n"
        "* = critical path  1 span event  1 log\n");
    fixed_done(&t);
    arena_free(mem);
}

static uint32_t lines_with(const term *t, const char *word)
{
    uint32_t count = 0;
    for (span rest = buf_span(&t->text), line; rest.at;) {
        line = span_cut(&rest, '\n');
        count += span_contains(line, span_text(word));
    }
    return count;
}

static void filters_keep_what_leads_there(void **state)
{
    static const struct {
        const char *name;
        trace_filter f;
        const char *shows, *hides, *footer;
    } rows[] = {
        {"min hides the short",
         {.min_ns = 200 * NS_PER_MS},
         "ledger write",
         "auth verify",
         "2 spans hidden by"},
        {"errors with their parents",
         {.errors = true},
         "api POST",
         "auth verify",
         "2 spans hidden by"},
        {"a service with its parents",
         {.service = "auth"},
         "web POST",
         "ledger write",
         "2 spans hidden by"},
        {"depth", {.depth = 2}, "> api POST", "auth verify", "2 spans hidden by"},
    };
    EACH_ROW(row, rows)
    {
        arena *mem = arena_new(MEM);
        term t = fixed_term(100, false);
        trace_view v = view_of(shop, mem);
        waterfall_print(&v, &row->f, mem, &t);
        assert_int_equal(lines_with(&t, row->shows), strcmp(row->shows, "web POST") ? 1 : 2);
        assert_int_equal(lines_with(&t, row->hides), 0);
        assert_int_equal(lines_with(&t, row->footer), 1);
        fixed_done(&t);
        arena_free(mem);
    }
}

static void the_critical_path_adds_up(void **state)
{
    arena *mem = arena_new(MEM);
    term t = fixed_term(0, false);
    trace_view v = view_of(shop, mem);
    int64_t ns[5], sum = 0;
    assert_true(waterfall_critical_ns(&v, mem, ns));
    for (uint32_t i = 0; i < 4; i++) /* the orphan is a root of its own */
        sum += ns[i];
    assert_int_equal(sum, 1000 * NS_PER_MS);
    assert_int_equal(ns[0], 20 * NS_PER_MS);
    assert_int_equal(ns[1], 180 * NS_PER_MS);
    assert_int_equal(ns[3], 700 * NS_PER_MS);
    waterfall_print_critical(&v, TABLE_PLAIN, mem, &t);
    check_printed(&t, "on path\tshare\ttotal\tservice\tname\tstate\n"
                      "20\t1.92\t1000\tweb\tPOST /pay\t\n"
                      "180\t17.31\t980\tapi\tPOST /v1/pay\t\n"
                      "100\t9.62\t100\tauth\tverify\t\n"
                      "700\t67.31\t700\tledger\twrite\ttime\\x1bout\n"
                      "40\t3.85\t40\tmail\tsend\t\n");
    fixed_done(&t);
    arena_free(mem);
}

static void the_table_lists_spans(void **state)
{
    arena *mem = arena_new(MEM);
    term t = fixed_term(0, false);
    trace_view v = view_of(shop, mem);
    trace_filter f = {.errors = true};
    waterfall_print_table(&v, &f, TABLE_PLAIN, mem, &t);
    check_printed(&t, "start\ttotal\tself\tpath\tservice\tname\tkind\tstate\tspan\n"
                      "200\t700\t700\t*\tledger\twrite\t\ttime\\x1bout\t0000000000000004\n");
    fixed_done(&t);
    arena_free(mem);
}

static void a_flame_is_as_wide_as_its_times(void **state)
{
    arena *mem = arena_new(MEM);
    term t = fixed_term(52, false);
    trace_view v = view_of(
        "{\"spans\":[" SPAN_JSON(
            "000000000000000a", "", "web", "pay", "00000", "100",
            "") "," SPAN_JSON("000000000000000b", PARENT("000000000000000a"), "db", "a;b", "00000",
                              "10",
                              "") "," SPAN_JSON("000000000000000c", PARENT("000000000000000a"),
                                                "api", "get", "00010", "50",
                                                "") "," SPAN_JSON("000000000000000d",
                                                                  PARENT("000000000000000a"), "db",
                                                                  "a;b", "00060", "15", "") "]}",
        mem);
    trace_filter all = {0}, top = {.depth = 1};
    waterfall_print_flame(&v, &all, TABLE_ALIGNED, mem, &t);
    check_printed(&t, "web pay  100 ms  4 spans  3 services  2026-11-22 08:00:00.000 +00:00\n"
                      "|web pay 100 ms ------------------------------------\n"
                      "|api get 50 ms -----------|db a;b 25 m>\n"
                      "widths are times summed, the widest left\n");
    waterfall_print_flame(&v, &all, TABLE_PLAIN, mem, &t);
    check_printed(&t, "web pay 25000\nweb pay;db a,b 25000\nweb pay;api get 50000\n");
    waterfall_print_flame(&v, &top, TABLE_ALIGNED, mem, &t);
    assert_true(has_printed(&t, "3 spans hidden") && !has_printed(&t, "api"));
    fixed_done(&t);
    arena_free(mem);
}

/* More kinds of span below one than have a box of their own; one of them is called as the box for the rest is. */
static void a_flame_keeps_to_its_boxes(void **state)
{
    arena *mem = arena_new(MEM);
    term t = fixed_term(0, false);
    buf many;
    buf_init(&many, 1 * MIB);
    buf_add_text(
        &many, "{\"spans\":[" SPAN_JSON("0000000000000001", "", "api", "cart", "00000", "999", ""));
    for (int i = 0; i < 200; i++)
        buf_print(
            &many,
            ",{\"start_ns\":\"1795334400000000000\",\"trace.span_id\":\"%016x\",\"trace.parent_"
            "id\":"
            "\"0000000000000001\",\"service.name\":\"s%d\",\"name\":\"%s\",\"duration_ms\":1}",
            i + 2, i, i % 2 ? "(others)" : "n");
    buf_add_text(&many, "]}");
    buf_add_u8(&many, 0);
    trace_view v = view_of((const char *)many.at, mem);
    trace_filter all = {0};
    waterfall_print_flame(&v, &all, TABLE_PLAIN, mem, &t);
    assert_int_equal(lines_with(&t, "api cart;"), 65);
    assert_true(has_printed(&t, "api cart;(others) 136000\n"));
    waterfall_print_flame(&v, &all, TABLE_ALIGNED, mem, &t);
    buf_done(&many);
    fixed_done(&t);
    arena_free(mem);
}

/* A root with 400 like children in a row: one folded row says so. */
static void runs_are_folded(void **state)
{
    arena *mem = arena_new(MEM);
    term t = fixed_term(100, false);
    buf many;
    buf_init(&many, 1 * MIB);
    buf_add_text(
        &many, "{\"spans\":[" SPAN_JSON("0000000000000001", "", "api", "cart", "00000", "999", ""));
    for (int i = 0; i < 400; i++)
        buf_print(
            &many,
            ",{\"start_ns\":\"%lld\",\"trace.span_id\":\"%016x\",\"trace.parent_id\":"
            "\"0000000000000001\",\"service.name\":\"db\",\"name\":\"SELECT\",\"duration_ms\":1}",
            1795334400000000000ll + i * 2000000ll, i + 2);
    buf_add_text(&many, "]}");
    buf_add_u8(&many, 0);
    trace_view v = view_of((const char *)many.at, mem);
    trace_filter all = {0};
    waterfall_print(&v, &all, mem, &t);
    assert_int_equal(lines_with(&t, "SELECT  x400"), 1);
    assert_int_equal(lines_with(&t, "SELECT"), 1);
    assert_int_equal(lines_with(&t, "400 ms"), 1); /* their times summed */
    buf_done(&many);
    fixed_done(&t);
    arena_free(mem);
}

static void odd_traces_print(void **state)
{
    static const struct {
        const char *name, *json, *says;
    } rows[] = {
        {"nothing", "{\"spans\":[]}", "no spans, but  0 other rows\n"},
        {"only a log", "{\"spans\":[{\"start_ns\":\"1\",\"body\":\"x\"}]}",
         "no spans, but  1 other row\n"},
    };
    EACH_ROW(row, rows)
    {
        arena *mem = arena_new(MEM);
        term t = fixed_term(100, false);
        trace_view v = view_of(row->json, mem);
        trace_filter all = {0};
        waterfall_print(&v, &all, mem, &t);
        check_printed(&t, row->says);
        fixed_done(&t);
        arena_free(mem);
    }
    arena *mem = arena_new(MEM);
    term t = fixed_term(40, true); /* no room, no duration, a negative one, a huge one */
    trace_view v = view_of(
        "{\"spans\":[" SPAN_JSON("000000000000000a", "", "s", "n", "00000", "0", "") "," SPAN_JSON(
            "000000000000000b", PARENT("000000000000000a"), "s", "m", "00000", "-5",
            "") "," SPAN_JSON("000000000000000c", PARENT("000000000000000b"), "s", "m", "00000",
                              "1e300", "") "]}",
        mem);
    trace_filter all = {0};
    waterfall_print(&v, &all, mem, &t);
    assert_int_equal(lines_with(&t, "0 ms"), 5); /* heading; scale; three rows */
    fixed_done(&t);
    arena_free(mem);
}

TEST_GROUP(cli_waterfall, TEST(the_tree_has_bars), TEST(filters_keep_what_leads_there),
           TEST(the_critical_path_adds_up), TEST(the_table_lists_spans), TEST(runs_are_folded),
           TEST(a_flame_is_as_wide_as_its_times), TEST(a_flame_keeps_to_its_boxes),
           TEST(odd_traces_print));
