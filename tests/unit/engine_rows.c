/*
 * Rows a page at a time: the filters' rows, each once, in order, with their fields, whatever lies open or sealed.
 */
#include "unit/engine_fixture.h"

#define ROWS 3000
#define TIES 5 /* rows of one time */

/* Rows in a scrambled order of time, every TIES of one time, half of them sealed. */
static void publish_rows(fixture *f)
{
    err e;
    for (int part = 0; part < 2; part++) {
        batch *b = rows_new(part ? FAMILY_LOG : FAMILY_TRACE);
        for (int i = part; i < ROWS; i += 2) {
            int at = i * 1009 % ROWS;
            rows_begin(b, at % 3 ? "shop" : "cart", T0 + at / TIES * NS_PER_MS, at % 7 ? 1 : 2);
            put_int(b, "n", at);
            if (at % 2)
                put_string(b, "body", "odd");
        }
        fixture_publish(f, b);
        if (!part)
            assert_int_equal(engine_settle(f->engine, &e), SK_OK);
    }
}

static rows_result ask_page(fixture *f, arena *mem, const char *text, uint32_t limit,
                            bool is_oldest_first, int64_t cursor_ns)
{
    char full[300];
    query_spec spec;
    plan *p = ARENA_NEW(mem, plan);
    rows_result r = {0};
    err e = {0};
    snprintf(full, sizeof full, "%s SINCE 1700000000 UNTIL 1700000600 EVERY 60s", text);
    assert_int_equal(spec_from_text(span_text(full), mem, &spec, &e), SK_OK);
    assert_int_equal(plan_make(&spec, T0 + 600 * NS_PER_S, false, mem, p, &e), SK_OK);
    if (cursor_ns && is_oldest_first)
        p->start_ns = cursor_ns + 1;
    else if (cursor_ns)
        p->end_ns = cursor_ns;
    rows_query q = {p, limit, is_oldest_first};
    if (p->start_ns == p->end_ns)
        return r;
    assert_int_equal(engine_rows(f->engine, ENVIRONMENT, &q, NULL, mem, &r, &e), SK_OK);
    assert_int_equal(r.left_out, 0);
    return r;
}

static value field_of(const event_row *r, const char *name)
{
    for (uint32_t i = 0; i < r->field_count; i++)
        if (span_is(r->names[i], name))
            return r->values[i];
    return (value){.is_set = false};
}

/* Walks all pages; returns how many rows there were. */
static uint32_t walk(fixture *f, const char *text, uint32_t limit, bool is_oldest_first)
{
    bool seen[ROWS] = {false};
    uint32_t count = 0;
    int64_t last_ns = 0;
    for (bool is_full = true; is_full;) {
        arena *mem = arena_new(64 * MIB);
        rows_result r = ask_page(f, mem, text, limit, is_oldest_first, last_ns);
        assert_true(r.row_count <= limit + TIES - 1);
        is_full = r.is_full;
        for (uint32_t i = 0; i < r.row_count; i++) {
            const event_row *row = &r.rows[i];
            int64_t n = field_of(row, "n").i;
            assert_true(n >= 0 && n < ROWS && !seen[n]);
            seen[n] = true;
            assert_int_equal(row->time_ns, T0 + n / TIES * NS_PER_MS);
            assert_true(!last_ns ||
                        (is_oldest_first ? row->time_ns >= last_ns : row->time_ns <= last_ns));
            assert_true(span_is(row->dataset, n % 3 ? "shop" : "cart"));
            assert_int_equal(row->rate, n % 7 ? 1 : 2);
            assert_int_equal(field_of(row, "body").is_set, n % 2);
            last_ns = row->time_ns;
            count++;
        }
        arena_free(mem);
    }
    return count;
}

static void every_row_stands_on_one_page(void **state)
{
    fixture f = fixture_open(2, 0);
    publish_rows(&f);
    for (int oldest = 0; oldest < 2; oldest++) {
        assert_int_equal(walk(&f, "", 7, oldest), ROWS);
        assert_int_equal(walk(&f, "", 1300, oldest), ROWS);
        assert_int_equal(walk(&f, "FROM cart", 100, oldest), ROWS / 3);
        assert_int_equal(walk(&f, "WHERE body contains \"dd\"", 100, oldest), ROWS / 2);
        assert_int_equal(walk(&f, "WHERE n > 10 AND n < 14", 2, oldest), 3);
        assert_int_equal(walk(&f, "WHERE n = 77", 10, oldest), 1);
        assert_int_equal(walk(&f, "WHERE nothing exists", 10, oldest), 0);
    }
    fixture_close(&f);
}

static void the_whole_row_is_shown(void **state)
{
    fixture f = fixture_open(1, 0);
    arena *mem = arena_new(16 * MIB);
    batch *b = rows_new(FAMILY_TRACE);
    rows_span(b, "api", T0 + NS_PER_S, 0xabc, 0x11, 0x10, "GET /", "server", 2.5);
    put_bool(b, "ok", true);
    fixture_publish(&f, b);
    rows_result r = ask_page(&f, mem, "WHERE trace.span_id = \"0000000000000011\"", 10, false, 0);
    assert_int_equal(r.row_count, 1);
    assert_false(r.is_full);
    assert_true(trace_id_is_set(r.rows[0].trace));
    assert_int_equal(r.rows[0].span_id, 0x11);
    assert_int_equal(r.rows[0].parent_id, 0x10);
    assert_true(span_is(field_of(&r.rows[0], "name").text, "GET /"));
    assert_true(field_of(&r.rows[0], "ok").b);
    assert_true(field_of(&r.rows[0], "duration_ms").f == 2.5);
    arena_free(mem);
    fixture_close(&f);
}

TEST_GROUP(engine_pages, TEST(every_row_stands_on_one_page), TEST(the_whole_row_is_shown));
