/*
 * Traces by id and the list of fields over small stores, whole and in pieces.
 */
#include <stdlib.h>

#include "base/buf.h"
#include "event/fields.h"
#include "event/vector.h"
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

/* Many blocks of spans, of which a sample is looked at, and a few log lines; the lines of one field all differ. */
static void no_field_is_without_values(void **state)
{
    fixture f = fixture_open(2, 0);
    arena *mem = arena_new(64 * MIB);
    fields_query q = {.start_ns = T0, .end_ns = T0 + 600 * NS_PER_S, .top_max = 3};
    fields_result r;
    err e;
    char line[32];
    for (uint32_t block = 0; block < 17; block++) {
        batch *b = rows_new(FAMILY_TRACE);
        for (uint32_t i = 0; i < VECTOR_ROWS; i++)
            rows_span(b, "shop", T0 + i, block + 1, i + 1, 0, "n", "server", 1);
        fixture_publish(&f, b);
    }
    batch *b = rows_new(FAMILY_LOG);
    for (uint32_t i = 0; i < 2000; i++) {
        rows_begin(b, "shop", T0 + i, 1);
        put_string(b, "severity", "info");
        snprintf(line, sizeof line, "line %u", i);
        put_string(b, "body", line);
    }
    fixture_publish(&f, b);
    check_ok(engine_fields(f.engine, ENVIRONMENT, &q, mem, &r, &e), &e);
    assert_true(r.is_sampled);
    const field_info *severity = info_of(&r, "severity"), *body = info_of(&r, "body");
    assert_int_equal(severity->top_count, 1);
    check_text(severity->top[0].value.text, "info");
    assert_int_equal(severity->top[0].count, 2000);
    assert_int_equal(body->top_count, 3);
    assert_int_equal(body->top[0].count, 1);
    arena_free(mem);
    fixture_close(&f);
}

/* Random traces of few services and every kind, with ids that repeat, parents that are missing, queues and links. */
static void put_random_span(batch *b, uint64_t seed, uint32_t number)
{
    static const char *const kinds[] = {NULL,     "internal", "server",
                                        "client", "producer", "consumer"};
    static const char *const services[] = {"a", "b", "c", "d"};
    uint64_t state = seed + number, r = check_random(&state), v = check_random(&state);
    uint64_t trace = number / 12 + (r % 9 == 0), id = 1 + r % 14, parent = r >> 8 & 15;
    uint32_t row;
    if (r % 7 == 0) {
        char text[40];
        row = rows_begin(b, "a", T0 + (int64_t)number * 1000, 1);
        b->trace_id[row] = id_of(trace);
        b->parent_id[row] = id;
        put_string(b, F_ANNOTATION_TYPE, "link");
        trace_id_print(id_of(v % (trace + 2)), text);
        put_string(b, F_LINK_TRACE_ID, text);
        span_id_print(1 + (v >> 20) % 14, text);
        put_string(b, F_LINK_SPAN_ID, text);
        return;
    }
    row = rows_span(b, services[v & 3], T0 + (int64_t)(number / 3) * 1000, trace, id, parent, "n",
                    kinds[v % 6], (double)(v >> 40 & 1023) / 8 - 2);
    b->rate[row] = v % 5 ? 1 : 3;
    if (v >> 8 & 1)
        put_bool(b, F_ERROR, v >> 9 & 1);
    if (v >> 10 & 1) {
        put_string(b, "messaging.system", "kafka");
        put_string(b, v >> 11 & 1 ? "messaging.destination.name" : "messaging.destination",
                   v >> 12 & 1 ? "q1" : "");
    }
    if (v >> 13 & 1)
        put_string(b, "server.address", services[v >> 14 & 3]);
    if (v >> 16 & 1)
        put_int(b, "server.port", 5432);
    if ((v >> 17 & 3) == 0)
        put_string(b, "db.system", "postgresql");
    if ((v >> 19 & 3) == 0)
        put_string(b, "http.url", v >> 21 & 1 ? "https://u@h.example/x?y" : "nothing");
}

static char *map_text(fixture *f)
{
    arena *mem = arena_new(64 * MIB);
    service_map m;
    buf out;
    err e;
    buf_init(&out, MIB);
    check_ok(engine_service_map(f->engine, ENVIRONMENT,
                                &(plan){.start_ns = T0, .end_ns = T0 + 3 * NS_PER_MS / 2}, NULL,
                                mem, &m, &e),
             &e);
    for (uint32_t i = 0; i < m.node_count; i++)
        buf_print(&out, "%s %.*s %llu %llu %.17g %.17g\n", m.nodes[i].kind,
                  SPAN_FMT(m.nodes[i].name), (unsigned long long)m.nodes[i].count,
                  (unsigned long long)m.nodes[i].errors, m.nodes[i].p50_ms, m.nodes[i].p95_ms);
    for (uint32_t i = 0; i < m.edge_count; i++)
        buf_print(&out, "%u-%u %s %llu %llu %.17g %.17g\n", m.edges[i].from, m.edges[i].to,
                  m.edges[i].kind, (unsigned long long)m.edges[i].count,
                  (unsigned long long)m.edges[i].errors, m.edges[i].p50_ms, m.edges[i].p95_ms);
    buf_add_u8(&out, 0);
    assert_false(out.failed);
    arena_free(mem);
    return (char *)out.at;
}

static void the_map_does_not_show_the_layout(void **state)
{
    static const struct {
        uint32_t workers, batch_rows, settle_every;
    } layouts[] = {{1, 5000, 0}, {2, 5000, 1}, {3, 7, 0}, {2, 1000, 2}, {2, 300, 3}};
    char *first = NULL;
    for (size_t l = 0; l < COUNT_OF(layouts); l++) {
        fixture f = fixture_open(layouts[l].workers, 0);
        uint32_t batches = 0;
        for (uint32_t from = 0; from < 5000; from += layouts[l].batch_rows) {
            batch *b = rows_new(FAMILY_TRACE);
            for (uint32_t i = from; i < 5000 && i < from + layouts[l].batch_rows; i++)
                put_random_span(b, 11, i);
            fixture_publish(&f, b);
            err e;
            if (layouts[l].settle_every && ++batches % layouts[l].settle_every == 0)
                check_ok(engine_settle(f.engine, &e), &e);
        }
        char *got = map_text(&f);
        fixture_close(&f);
        if (!first) {
            first = got;
            continue;
        }
        assert_string_equal(got, first);
        base_free(got);
    }
    assert_true(strlen(first) > 1000);
    base_free(first);
}

TEST_GROUP(engine_structure, TEST(a_trace_has_all_its_rows), TEST(fields_are_counted),
           TEST(no_field_is_without_values), TEST(the_map_does_not_show_the_layout));
