/*
 * tests/unit/cli_table.c: tables aligned, cut to a terminal, as tabs and as CSV; JSON trees.
 */
#include "cli/node.h"
#include "cli/table.h"
#include "cli_fixed.h"

static table *small_table(arena *mem)
{
    table *t = table_new(mem, 3);
    table_column(t, 0, SPAN("route"), false);
    table_column(t, 1, SPAN("COUNT"), true);
    table_column(t, 2, SPAN("note"), false);
    table_cell(t, SPAN("/api/activities/home"), COLOR_NONE);
    table_printf(t, COLOR_NONE, "%d", 12);
    table_cell(t, SPAN("a,\"b\"\nc\td"), COLOR_NONE);
    table_cell(t, SPAN("/"), COLOR_NONE);
    table_printf(t, COLOR_NONE, "%d", 1234567);
    table_cell(t, SPAN(""), COLOR_NONE);
    assert_int_equal(table_rows(t), 2);
    return t;
}

static void tables_align(void **state)
{
    arena *mem = arena_new(1 * MIB);
    term t = fixed_term(0, true);
    table_print(small_table(mem), TABLE_ALIGNED, &t);
    check_printed(&t, "route                   COUNT  note\n"
                      "/api/activities/home       12  a,\"b\"\\nc\\td\n"
                      "/                     1234567  \n");
    t.width = 30;
    table_print(small_table(mem), TABLE_ALIGNED, &t);
    check_printed(&t, "route       COUNT  note\n"
                      "/api/ac\xe2\x80\xa6       12  a,\"b\"\\nc\\td\n"
                      "/         1234567  \n");
    t.width = 0;
    table_print(small_table(mem), TABLE_PLAIN, &t);
    check_printed(&t,
                  "route\tCOUNT\tnote\n/api/activities/home\t12\ta,\"b\"\\nc\\td\n/\t1234567\t\n");
    table_print(small_table(mem), TABLE_CSV, &t);
    check_printed(
        &t, "route,COUNT,note\r\n/api/activities/home,12,\"a,\"\"b\"\"\nc\td\"\r\n/,1234567,\r\n");
    fixed_done(&t);
    arena_free(mem);
}

static void color_does_not_move_columns(void **state)
{
    arena *mem = arena_new(1 * MIB);
    term t = fixed_term(0, true);
    t.has_color = true;
    table *of = table_new(mem, 2);
    table_column(of, 0, SPAN("a"), false);
    table_column(of, 1, SPAN("b"), false);
    table_cell(of, SPAN("xx"), COLOR_RED);
    table_cell(of, SPAN("y"), COLOR_NONE);
    table_print(of, TABLE_ALIGNED, &t);
    check_printed(&t, "\x1b[1ma \x1b[0m  \x1b[1mb\x1b[0m\n\x1b[31mxx\x1b[0m  y\n");
    fixed_done(&t);
    arena_free(mem);
}

static void json_becomes_a_tree(void **state)
{
    arena *mem = arena_new(1 * MIB);
    const node *n;
    err e;
    check_ok(node_parse(SPAN("{\"a\":[1,\"2\",-3.5,null,true],\"b\":{\"c\":\"9007199254740993\"}}"),
                        mem, &n, &e),
             &e);
    const node *a = node_get(n, "a");
    assert_int_equal(a->count, 5);
    assert_int_equal(node_count(a->first), 1);
    assert_int_equal(node_count(a->first->next), 2);
    check_near(node_number(a->first->next->next, 0), -3.5, 0);
    assert_int_equal(a->first->next->next->next->kind, NODE_NULL);
    assert_true(node_is_true(a->first->next->next->next->next));
    assert_int_equal(node_integer(node_get(node_get(n, "b"), "c")), 9007199254740993);
    assert_null(node_get(n, "z"));
    assert_null(node_get(a, "z"));
    assert_null(node_get(NULL, "z"));
    check_text(node_text(NULL), "");
    check_near(node_number(NULL, 7), 7, 0);
    assert_int_equal(node_count(node_get(n, "b")), 0);
    static const char *const broken[] = {"", "{", "[1,]", "{\"a\"}", "1 2", "nul"};
    for (size_t i = 0; i < COUNT_OF(broken); i++)
        assert_true(node_parse(span_text(broken[i]), mem, &n, &e) != SK_OK);
    arena_free(mem);
    EACH_ALLOC_FAILURE(at)
    {
        mem = arena_new(64 * KIB);
        sk_code code =
            mem ? node_parse(SPAN("{\"a\":[1,\"\\u0041\"]}"), mem, &n, &e) : SK_NO_MEMORY;
        assert_true(alloc_did_fail() ? code != SK_OK : code == SK_OK);
        arena_free(mem);
    }
}

TEST_GROUP(cli_table, TEST(tables_align), TEST(color_does_not_move_columns),
           TEST(json_becomes_a_tree));
