/*
 * Traces by id and the list of fields over small stores, whole and in pieces.
 */
#include <stdlib.h>

#include "event/fields.h"
#include "unit/engine_fixture.h"

static trace_id id_of(uint64_t low)
{
    return (trace_id){0xabcdef, low};
}

static const value *field_of(const trace_row *r, const char *name)
{
    for (uint32_t i = 0; i < r->field_count; i++)
        if (span_is(r->names[i], name))
            return &r->values[i];
    return NULL;
}

static void a_trace_has_all_its_rows(void **state)
{
    fixture f = fixture_open(2, 0);
    arena *mem = arena_new(64 * MIB);
    trace_result t;
    err e;
    batch *b = rows_new(FAMILY_TRACE);
    rows_span(b, "front", T0, 1, 0x10, 0, "GET /", "server", 100);
    rows_span(b, "front", T0 + 5, 2, 0x20, 0, "other", "server", 1);
    fixture_publish(&f, b);
    b = rows_new(FAMILY_TRACE);
    rows_span(b, "back", T0 + 20 * NS_PER_MS, 1, 0x11, 0x10, "call", "client", 30);
    put_int(b, "status_code", 2);
    rows_span(b, "back", T0 + 20 * NS_PER_MS, 1, 0x11, 0x10, "call", "client", 30);
    put_int(b, "status_code", 2);
    rows_span(b, "back", T0 + 20 * NS_PER_MS, 1, 0x11, 0x10, "call", "client", 30);
    put_int(b, "status_code", 1);
    rows_span(b, "back", T0 + 30 * NS_PER_MS, 1, 0x12, 0x99, "lost", "internal", 1);
    fixture_publish(&f, b);
    b = rows_new(FAMILY_LOG);
    uint32_t row = rows_begin(b, "back", T0 + 20 * NS_PER_MS, 3);
    b->trace_id[row] = id_of(1);
    b->parent_id[row] = 0x11;
    put_string(b, "body", "a line");
    put_bool(b, "z", true);
    put_float(b, "a", 1.5);
    fixture_publish(&f, b);

    check_ok(engine_trace(f.engine, ENVIRONMENT, id_of(1), 0, 0, mem, &t, &e), &e);
    assert_int_equal(t.row_count, 5);
    assert_int_equal(t.folded_rows, 1);
    assert_true(t.rows[0].span_id == 0x10 && t.rows[1].span_id == 0x11 &&
                t.rows[2].span_id == 0x11);
    assert_true(t.rows[3].span_id == 0 && t.rows[3].parent_id == 0x11 && t.rows[3].rate == 3);
    check_text(t.rows[3].names[0], "a");
    check_text(t.rows[3].names[1], "body");
    check_text(t.rows[3].values[1].text, "a line");
    check_text(t.rows[3].names[2], "z");
    check_text(t.rows[3].dataset, "back");
    check_text(field_of(&t.rows[0], "name")->text, "GET /");
    assert_true(field_of(&t.rows[1], "status_code")->i == 1); /* content orders them: 1 before 2 */
    assert_null(field_of(&t.rows[1], F_TRACE_ID));
    assert_int_equal(t.tree.nodes[1].parent, 0);
    assert_int_equal(t.tree.nodes[0].self_ns, 70 * NS_PER_MS);
    assert_int_equal(t.tree.missing_count, 1);
    assert_true(t.tree.missing_parents[0] == 0x99);
    assert_true(t.tree.nodes[4].parent_missing);

    check_ok(
        engine_trace(f.engine, ENVIRONMENT, id_of(1), T0 + 1, T0 + 30 * NS_PER_MS, mem, &t, &e),
        &e);
    assert_int_equal(t.row_count, 3);
    check_code(engine_trace(f.engine, ENVIRONMENT, id_of(3), 0, 0, mem, &t, &e), SK_NOT_FOUND, &e);
    check_text(span_text(e.text), "no row has the trace id 0000000000abcdef0000000000000003");
    check_code(engine_trace(f.engine, ENVIRONMENT + 1, id_of(1), 0, 0, mem, &t, &e), SK_NOT_FOUND,
               &e);
    check_code(engine_trace(f.engine, ENVIRONMENT, id_of(1), T0 + NS_PER_S, 0, mem, &t, &e),
               SK_NOT_FOUND, &e);
    check_code(engine_trace(f.engine, ENVIRONMENT, (trace_id){0, 0}, 0, 0, mem, &t, &e),
               SK_BAD_INPUT, &e);
    arena_free(mem);
    fixture_close(&f);
}

static const field_info *info_of(const fields_result *r, const char *name)
{
    for (uint32_t i = 0; i < r->count; i++)
        if (span_is(r->fields[i].name, name))
            return &r->fields[i];
    return NULL;
}

static void publish_fields(fixture *f)
{
    batch *b = rows_new(FAMILY_TRACE);
    for (uint32_t i = 0; i < 10; i++) {
        rows_span(b, i < 7 ? "shop" : "cart", T0 + i, 1, i + 1, i ? 1 : 0, "n", "server", i);
        if (i < 4)
            put_int(b, "status", i < 3 ? 200 : 500);
        else if (i < 6)
            put_string(b, "status", i < 5 ? "200" : "x");
        if (i == 9)
            put_bool(b, "status", true);
        b->rate[i] = i == 5 ? 10 : 1;
    }
    fixture_publish(f, b);
    b = rows_new(FAMILY_METRIC);
    rows_begin(b, "metrics", T0, 2);
    put_string(b, "metric.name", "m");
    fixture_publish(f, b);
}

static void fields_are_counted(void **state)
{
    fixture f = fixture_open(2, 0);
    arena *mem = arena_new(64 * MIB);
    fields_query q = {.start_ns = T0, .end_ns = T0 + 100, .top_max = 3};
    fields_result r;
    err e;
    publish_fields(&f);
    check_ok(engine_fields(f.engine, ENVIRONMENT, &q, mem, &r, &e), &e);
    const field_info *status = info_of(&r, "status");
    assert_non_null(status);
    assert_int_equal(status->types, 1u << FIELD_INT | 1u << FIELD_STRING | 1u << FIELD_BOOL);
    assert_int_equal(status->count, 16);
    assert_int_equal(status->top_count, 3);
    check_text(status->top[0].value.text, "x");
    assert_int_equal(status->top[0].count, 10);
    assert_true(status->top[1].value.type == FIELD_INT && status->top[1].value.i == 200 &&
                status->top[1].count == 4);
    assert_true(status->top[2].value.type == FIELD_INT && status->top[2].value.i == 500);
    assert_int_equal(info_of(&r, F_TRACE_ID)->count, 19);
    assert_int_equal(info_of(&r, F_PARENT_ID)->count, 18);
    assert_int_equal(info_of(&r, F_SPAN_ID)->top_count, 0);
    assert_null(info_of(&r, "metric.name"));
    assert_int_equal(r.dataset_count, 3);
    check_text(r.datasets[0], "cart");
    check_text(r.datasets[1], "metrics");
    assert_true(r.dataset_rows[0] == 3 && r.dataset_rows[1] == 2 && r.dataset_rows[2] == 16);
    assert_false(r.is_sampled);

    q = (fields_query){.start_ns = T0 + 4,
                       .end_ns = T0 + 8,
                       .dataset = SPAN("shop"),
                       .prefix = SPAN("s"),
                       .limit = 2};
    check_ok(engine_fields(f.engine, ENVIRONMENT, &q, mem, &r, &e), &e);
    assert_int_equal(r.count, 2);
    check_text(r.fields[0].name, "service.name");
    check_text(r.fields[1].name, "span.kind");
    assert_int_equal(r.fields[0].count, 12);
    assert_int_equal(r.fields[0].top_count, 0);

    q = (fields_query){.start_ns = T0, .end_ns = T0 + 8, .dataset = SPAN("metrics")};
    check_ok(engine_fields(f.engine, ENVIRONMENT, &q, mem, &r, &e), &e);
    assert_int_equal(r.count, 1);
    check_text(r.fields[0].name, "metric.name");
    arena_free(mem);
    fixture_close(&f);
}

TEST_GROUP(engine_structure, TEST(a_trace_has_all_its_rows), TEST(fields_are_counted));
