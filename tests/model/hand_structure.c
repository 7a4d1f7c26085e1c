/*
 * tests/model/hand_structure.c: a small shop whose map, trace and fields are worked out by hand.
 */
#include "event/fields.h"
#include "query/traces.h"
#include "unit/engine_fixture.h"

#define MS NS_PER_MS

static uint32_t add(batch *b, const char *service, int64_t at_ms, uint64_t trace, uint64_t id,
                    uint64_t parent, const char *kind, double ms)
{
    return rows_span(b, service, T0 + at_ms * MS, trace, id, parent, kind, kind, ms);
}

/*
 * Trace 1: user → web (server 1) → client 2 → cart (server 3) → db client 4 (postgres), and external client 5;
 * cart publishes (producer 6). Trace 2: consumer 7 of mail, linked to 6, twice sampled. Trace 3: a span whose parent is missing.
 */
static void publish_shop(fixture *f)
{
    batch *b = rows_new(FAMILY_TRACE);
    add(b, "web", 0, 1, 1, 0, "server", 100);
    add(b, "web", 10, 1, 2, 1, "client", 80);
    add(b, "cart", 20, 1, 3, 2, "server", 60);
    put_int(b, F_STATUS_CODE, 2);
    add(b, "cart", 30, 1, 4, 3, "client", 20);
    put_string(b, "db.system", "postgresql");
    put_string(b, "db.name", "shop");
    put_string(b, "server.address", "pg1");
    add(b, "cart", 52, 1, 5, 3, "client", 10);
    put_string(b, "http.url", "https://me@pay.example:8443/charge?x=1");
    add(b, "cart", 65, 1, 6, 3, "producer", 1);
    put_string(b, "messaging.system", "kafka");
    put_string(b, "messaging.destination", "orders");
    fixture_publish(f, b);
    b = rows_new(FAMILY_TRACE);
    uint32_t row = add(b, "mail", 500, 2, 7, 0, "consumer", 40);
    b->rate[row] = 2;
    put_bool(b, F_ERROR, true);
    row = rows_begin(b, "mail", T0 + 500 * MS, 2);
    b->trace_id[row] = (trace_id){0xabcdef, 2};
    b->parent_id[row] = 7;
    put_string(b, F_ANNOTATION_TYPE, "link");
    put_string(b, F_LINK_TRACE_ID, "0000000000abcdef0000000000000001");
    put_string(b, F_LINK_SPAN_ID, "0000000000000006");
    add(b, "web", 600, 3, 9, 77, "internal", -1);
    fixture_publish(f, b);
}

static void check_node(const map_node *n, const char *name, const char *kind, uint64_t count,
                       uint64_t errors, double p50)
{
    check_text(n->name, name);
    assert_string_equal(n->kind, kind);
    assert_int_equal(n->count, count);
    assert_int_equal(n->errors, errors);
    check_near(n->p50_ms, p50, p50 * 0.008);
}

static void check_edge(const map_edge *e, uint32_t from, uint32_t to, const char *kind,
                       uint64_t count, uint64_t errors, double p95)
{
    assert_int_equal(e->from, from);
    assert_int_equal(e->to, to);
    assert_string_equal(e->kind, kind);
    assert_int_equal(e->count, count);
    assert_int_equal(e->errors, errors);
    check_near(e->p95_ms, p95, p95 * 0.008);
}

static void the_shops_map(void **state)
{
    fixture f = fixture_open(1, 0);
    publish_shop(&f);
    arena *mem = arena_new(64 * MIB);
    service_map m;
    err e = {0};
    check_ok(engine_service_map(f.engine, ENVIRONMENT,
                                &(plan){.start_ns = T0, .end_ns = T0 + NS_PER_S}, NULL, mem, &m,
                                &e),
             &e);
    assert_int_equal(m.node_count, 7);
    check_node(&m.nodes[0], "cart", "service", 1, 1, 60);
    check_node(&m.nodes[1], "kafka:orders", "messaging", 1, 0, 1);
    check_node(&m.nodes[2], "mail", "service", 2, 2, 40);
    check_node(&m.nodes[3], "pay.example:8443", "external", 1, 0, 10);
    check_node(&m.nodes[4], "shop@pg1", "database", 1, 0, 20);
    check_node(&m.nodes[5], "user", "client", 1, 0, 100);
    check_node(&m.nodes[6], "web", "service", 2, 0,
               100); /* its root, and the span whose parent is missing */
    assert_int_equal(m.edge_count, 6);
    check_edge(&m.edges[0], 0, 1, "messaging", 1, 0, 1);
    check_edge(&m.edges[1], 0, 3, "external", 1, 0, 10);
    check_edge(&m.edges[2], 0, 4, "database", 1, 0, 20);
    check_edge(&m.edges[3], 1, 2, "messaging", 2, 2, 40);
    assert_int_equal(m.edges[3].wait_count, 2);
    check_near(m.edges[3].wait_p95_ms, 435, 3.5);
    assert_int_equal(m.edges[0].wait_count, 0);
    check_edge(&m.edges[4], 5, 6, "call", 1, 0, 100);
    check_edge(&m.edges[5], 6, 0, "call", 1, 1, 60);
    /* Later than trace 1: its producer is missing, and the consumer knows no queue of its own. */
    check_ok(engine_service_map(f.engine, ENVIRONMENT,
                                &(plan){.start_ns = T0 + 400 * MS, .end_ns = T0 + NS_PER_S}, NULL,
                                mem, &m, &e),
             &e);
    assert_int_equal(m.node_count, 2);
    assert_int_equal(m.edge_count, 0);
    arena_free(mem);
    fixture_close(&f);
}

static service_map map_of(fixture *f, const char *where, arena *mem)
{
    service_map m;
    plan p;
    err e = {0};
    check_ok(traces_plan(span_text(where), T0, T0 + NS_PER_S, mem, &p, &e), &e);
    check_ok(engine_service_map(f->engine, ENVIRONMENT, &p, NULL, mem, &m, &e), &e);
    return m;
}

/* A trace is chosen by any of its rows, a log of later too, and comes whole; what others hold is missing. */
static void the_map_of_chosen_traces(void **state)
{
    fixture f = fixture_open(1, 0);
    arena *mem = arena_new(64 * MIB);
    publish_shop(&f);
    batch *b = rows_new(FAMILY_LOG);
    uint32_t row = rows_begin(b, "mail", T0 + 5 * NS_PER_S, 1);
    b->trace_id[row] = (trace_id){0xabcdef, 2};
    put_string(b, F_SEVERITY, "ERROR");
    fixture_publish(&f, b);
    service_map m = map_of(&f, "db.system = \"postgresql\"", mem);
    assert_int_equal(m.node_count, 6); /* all but mail */
    assert_int_equal(m.edge_count, 5);
    check_node(&m.nodes[5], "web", "service", 1, 0, 100);
    m = map_of(&f, "severity = \"ERROR\"", mem); /* its producer is not there */
    assert_int_equal(m.node_count, 1);
    check_node(&m.nodes[0], "mail", "service", 2, 2, 40);
    assert_int_equal(m.edge_count, 0);
    assert_int_equal(map_of(&f, "db.system exists AND error exists", mem).node_count, 0);
    assert_int_equal(map_of(&f, "duration_ms >= 40", mem).node_count, 7);
    arena_free(mem);
    fixture_close(&f);
}

static void a_trace_in_order_and_folded(void **state)
{
    fixture f = fixture_open(1, 0);
    publish_shop(&f);
    publish_shop(&f);
    arena *mem = arena_new(64 * MIB);
    trace_result t;
    err e = {0};
    check_ok(engine_trace(f.engine, ENVIRONMENT, (trace_id){0xabcdef, 1}, 0, 0, mem, &t, &e), &e);
    assert_int_equal(t.row_count, 6);
    assert_int_equal(t.folded_rows, 6);
    static const int64_t self[] = {20, 20, 29, 20, 10, 1};
    for (uint32_t i = 0; i < 6; i++) {
        assert_int_equal(t.rows[i].span_id, i + 1);
        assert_int_equal(t.tree.nodes[i].self_ns, self[i] * MS);
        for (uint32_t k = 1; k < t.rows[i].field_count; k++)
            assert_true(span_compare(t.rows[i].names[k - 1], t.rows[i].names[k]) < 0);
    }
    check_ok(engine_trace(f.engine, ENVIRONMENT, (trace_id){0xabcdef, 2}, 0, 0, mem, &t, &e), &e);
    assert_int_equal(t.row_count, 3); /* links are not folded */
    assert_int_equal(t.folded_rows, 1);
    assert_int_equal(t.tree.order_count, 1);
    assert_int_equal(t.tree.nodes[1].parent, 0);
    assert_int_equal(engine_trace(f.engine, ENVIRONMENT, (trace_id){0, 1}, 0, 0, mem, &t, &e),
                     SK_NOT_FOUND);
    assert_int_equal(
        engine_trace(f.engine, ENVIRONMENT + 1, (trace_id){0xabcdef, 1}, 0, 0, mem, &t, &e),
        SK_NOT_FOUND);
    check_ok(engine_trace(f.engine, ENVIRONMENT, (trace_id){0xabcdef, 1}, T0 + 30 * MS,
                          T0 + 65 * MS, mem, &t, &e),
             &e);
    assert_int_equal(t.row_count, 2);
    assert_int_equal(t.tree.missing_count, 1);
    arena_free(mem);
    fixture_close(&f);
}

static const field_info *find(const fields_result *r, const char *name)
{
    for (uint32_t i = 0; i < r->count; i++)
        if (span_is(r->fields[i].name, name))
            return &r->fields[i];
    return NULL;
}

static void the_shops_fields(void **state)
{
    fixture f = fixture_open(1, 0);
    publish_shop(&f);
    arena *mem = arena_new(64 * MIB);
    fields_result r;
    fields_query q = {.start_ns = T0, .end_ns = T0 + NS_PER_S, .top_max = 2};
    err e = {0};
    check_ok(engine_fields(f.engine, ENVIRONMENT, &q, mem, &r, &e), &e);
    assert_int_equal(r.dataset_count, 3);
    check_text(r.datasets[1], "mail");
    assert_int_equal(r.dataset_rows[1], 4);
    const field_info *kind = find(&r, F_SPAN_KIND);
    assert_int_equal(kind->types, 1u << FIELD_STRING);
    assert_int_equal(kind->count, 9);
    assert_int_equal(kind->top_count, 2);
    check_text(kind->top[0].value.text, "client");
    assert_int_equal(kind->top[0].count, 3);
    check_text(kind->top[1].value.text, "consumer"); /* before "server": both 2 */
    assert_int_equal(find(&r, F_TRACE_ID)->count, 11);
    assert_int_equal(find(&r, F_TRACE_ID)->top_count, 0);
    assert_null(find(&r, "nothing"));
    q = (fields_query){.dataset = SPAN("mail"),
                       .start_ns = T0,
                       .end_ns = T0 + NS_PER_S,
                       .prefix = SPAN("trace."),
                       .limit = 3};
    check_ok(engine_fields(f.engine, ENVIRONMENT, &q, mem, &r, &e), &e);
    assert_int_equal(r.count, 3);
    check_text(r.fields[0].name, F_LINK_SPAN_ID);
    assert_int_equal(r.fields[0].count, 2);
    assert_int_equal(r.fields[0].top_count, 0);
    check_text(r.fields[2].name, F_PARENT_ID);
    assert_int_equal(r.dataset_count, 3);
    arena_free(mem);
    fixture_close(&f);
}

TEST_GROUP(hand_structure, TEST(the_shops_map), TEST(the_map_of_chosen_traces),
           TEST(a_trace_in_order_and_folded), TEST(the_shops_fields));
