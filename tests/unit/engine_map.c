/*
 * tests/unit/engine_map.c: the service map of many blocks, over segments that keep what is said of each span and over segments that do
 * not: the same, to the last bit, whatever is cut by blocks, segments and the time asked for.
 */
#include "base/hash.h"
#include "event/fields.h"
#include "query/traces.h"
#include "unit/engine_fixture.h"

#define SPANS      20000u
#define TRACE_MOST 40u

typedef struct shop {
    uint64_t random, next_id;
    uint32_t spans;
    bool has_links, repeats_ids;
} shop;

static uint64_t below(shop *s, uint64_t n)
{
    return hash_mix(s->random++) % n;
}

static void details(shop *s, batch *b, const char *kind)
{
    char text[40];
    if (strcmp(kind, "producer") == 0 || strcmp(kind, "consumer") == 0) {
        if (below(s, 4))
            put_string(b, "messaging.system", "kafka");
        put_string(b, "messaging.destination.name", below(s, 2) ? "orders" : "mails");
    } else if (strcmp(kind, "client") == 0 && below(s, 3) == 0) {
        put_string(b, "db.system", "redis");
        put_string(b, "server.address", below(s, 2) ? "cache-1" : "cache-2");
    } else if (strcmp(kind, "client") == 0) {
        /* A few names of one span: on the map when nothing is below it. */
        snprintf(text, sizeof text, "host-%u",
                 (unsigned)(below(s, 50) ? below(s, 3) : below(s, 1000)));
        put_string(b, "server.address", text);
    }
    if (below(s, 20) == 0)
        put_bool(b, F_ERROR, below(s, 4) != 0);
}

static void add_link(shop *s, batch *b, uint64_t trace, uint64_t of, uint64_t last_producer)
{
    char text[40];
    uint32_t row = rows_begin(b, "mail", T0 + (int64_t)trace * NS_PER_MS, 1);
    b->trace_id[row] = (trace_id){0xabcdef, trace};
    b->parent_id[row] = of;
    put_string(b, F_ANNOTATION_TYPE, "link");
    snprintf(text, sizeof text, "0000000000abcdef%016llx",
             (unsigned long long)(trace > 3 ? trace - below(s, 3) : trace));
    put_string(b, F_LINK_TRACE_ID, text);
    snprintf(text, sizeof text, "%016llx", (unsigned long long)last_producer);
    put_string(b, F_LINK_SPAN_ID, text);
}

/* Spans of traces, in two batches: most of a trace in the first. */
static void make_batches(shop *s, batch *ret[2])
{
    static const char *const services[] = {"web", "cart", "mail"};
    static const char *const kinds[] = {"server", "client", "internal", "producer", "consumer"};
    uint64_t last_producer = 1;
    ret[0] = rows_new(FAMILY_TRACE);
    ret[1] = rows_new(FAMILY_TRACE);
    for (uint32_t trace = 1, rows = 0; rows < s->spans; trace++) {
        uint64_t ids[TRACE_MOST];
        uint32_t count = 1 + (uint32_t)below(s, TRACE_MOST);
        bool is_split = below(s, 30) == 0;
        for (uint32_t i = 0; i < count; i++, rows++) {
            const char *kind = kinds[below(s, 50) < 40 ? below(s, 3) : below(s, COUNT_OF(kinds))];
            batch *b = ret[is_split && below(s, 3) == 0];
            ids[i] = s->repeats_ids && i && below(s, 8) == 0 ? ids[below(s, i)] : ++s->next_id;
            uint64_t parent = i ? ids[below(s, i)] : below(s, 5) ? 0 : 0xdead;
            rows_span(b, services[below(s, COUNT_OF(services))],
                      T0 + (int64_t)trace * NS_PER_MS + i * NS_PER_US, trace, ids[i], parent, kind,
                      below(s, 30) ? kind : NULL, (double)below(s, 1000) / 8);
            details(s, b, kind);
            last_producer = strcmp(kind, "producer") == 0 ? ids[i] : last_producer;
            if (s->has_links && strcmp(kind, "consumer") == 0 && below(s, 2))
                add_link(s, b, trace, ids[i], last_producer);
        }
    }
}

static fixture open_shop(shop s, bool keeps, bool is_sealed)
{
    batch *b[2];
    err e;
    fixture f = keeps ? fixture_open(2, 0) : fixture_open_keeping_nothing(2);
    make_batches(&s, b);
    for (int i = 0; i < 2; i++) {
        fixture_publish(&f, b[i]);
        if (is_sealed)
            check_ok(store_seal(engine_local_store(f.engine), &e), &e);
    }
    return f;
}

static void check_same(const service_map *a, const service_map *b)
{
    assert_int_equal(a->node_count, b->node_count);
    for (uint32_t i = 0; i < a->node_count; i++) {
        assert_true(span_equal(a->nodes[i].name, b->nodes[i].name));
        assert_string_equal(a->nodes[i].kind, b->nodes[i].kind);
        assert_int_equal(a->nodes[i].count, b->nodes[i].count);
        assert_int_equal(a->nodes[i].errors, b->nodes[i].errors);
        assert_memory_equal(&a->nodes[i].p95_ms, &b->nodes[i].p95_ms, sizeof(double));
    }
    assert_int_equal(a->edge_count, b->edge_count);
    for (uint32_t i = 0; i < a->edge_count; i++) {
        assert_int_equal(a->edges[i].from, b->edges[i].from);
        assert_int_equal(a->edges[i].to, b->edges[i].to);
        assert_string_equal(a->edges[i].kind, b->edges[i].kind);
        assert_int_equal(a->edges[i].count, b->edges[i].count);
        assert_int_equal(a->edges[i].errors, b->edges[i].errors);
        assert_memory_equal(&a->edges[i].p50_ms, &b->edges[i].p50_ms, sizeof(double));
    }
}

static void ask_of(fixture *f, const char *traces, int64_t start, int64_t end, arena *mem,
                   service_map *ret)
{
    err e;
    plan p;
    check_ok(traces_plan(span_text(traces), start, end, mem, &p, &e), &e);
    check_ok(engine_service_map(f->engine, ENVIRONMENT, &p, NULL, mem, ret, &e), &e);
    assert_int_equal(ret->damaged_blocks, 0);
}

static void ask(fixture *f, int64_t start, int64_t end, arena *mem, service_map *ret)
{
    ask_of(f, "", start, end, mem, ret);
}

/* Both of all times, and of times that cut the traces of some blocks; of all traces and of some. */
static void check_maps(fixture *f, fixture *want)
{
    static const char *const traces[] = {"error exists", "server.address = \"cache-1\"",
                                         "span.kind = \"producer\" AND messaging.system exists"};
    for (int64_t i = 0; i < 9; i++) {
        const char *of = i < 6 ? "" : traces[i % 3];
        arena *mem = arena_new(256 * MIB);
        service_map a, b;
        int64_t start = i % 6 ? T0 + (i % 6 * 131 + 1) * NS_PER_MS + i * NS_PER_US : T0 - NS_PER_S;
        int64_t end = i == 4 ? start + 200 * NS_PER_MS + 1 : T0 + 600 * NS_PER_S;
        ask_of(want, of, start, end, mem, &a);
        ask_of(f, of, start, end, mem, &b);
        assert_true(a.edge_count > 0);
        check_same(&a, &b);
        arena_free(mem);
    }
}

static void count_kept(void *ctx, bool is_bad, const char *line)
{
    assert_false(is_bad);
    *(int *)ctx += strstr(line, "made at sealing: service map") != NULL;
}

static int columns_kept(const fixture *closed)
{
    int found = 0; /* a line a column */
    err e;
    check_ok(store_verify(closed->dir, true, count_kept, &found, &e), &e);
    return found;
}

static void what_is_kept_changes_no_map(void **state)
{
    for (uint64_t i = 0; i < 5; i++) {
        shop s = {.random = i << 32, .spans = SPANS, .has_links = i > 2, .repeats_ids = i > 3};
        fixture open = open_shop(s, true, false), plain = open_shop(s, false, true),
                kept = open_shop(s, true, true);
        err e;
        check_maps(&plain, &open);
        check_maps(&kept, &open);
        check_ok(store_merge(engine_local_store(kept.engine), &e), &e);
        check_maps(&kept, &open);
        fixture_close(&open);
        fixture_close(&plain);
        fixture_close(&kept);
        assert_int_equal(columns_kept(&kept), 1);
        assert_int_equal(columns_kept(&plain), 0);
    }
}

/* The client's child is in another segment: what it calls must not look like a leaf. */
static void a_trace_in_two_segments_is_one(void **state)
{
    fixture f = fixture_open(1, 0);
    arena *mem = arena_new(MIB);
    service_map m;
    err e;
    batch *b = rows_new(FAMILY_TRACE);
    rows_span(b, "web", T0, 1, 1, 0, "client", "client", 8);
    put_string(b, "server.address", "cart.shop.svc");
    fixture_publish(&f, b);
    check_ok(store_seal(engine_local_store(f.engine), &e), &e);
    b = rows_new(FAMILY_TRACE);
    rows_span(b, "cart", T0 + 1, 1, 2, 1, "server", "server", 4);
    fixture_publish(&f, b);
    check_ok(store_seal(engine_local_store(f.engine), &e), &e);
    ask(&f, T0, T0 + 10, mem, &m);
    assert_int_equal(m.node_count, 2);
    assert_int_equal(m.edge_count, 1);
    assert_string_equal(m.edges[0].kind, "call");
    ask(&f, T0, T0 + 1, mem, &m); /* then nothing is below it */
    assert_int_equal(m.node_count, 2);
    assert_int_equal(m.edge_count, 1);
    assert_string_equal(m.edges[0].kind, "external");
    fixture_close(&f);
    arena_free(mem);
}

static void memory_may_fail_while_sealing(void **state)
{
    shop s = {.random = 6, .spans = 300, .has_links = true};
    fixture open = open_shop(s, true, false);
    for (int64_t n = 0, did_fail = 1; did_fail; n += 1 + n / 16) {
        fixture f = open_shop(s, true, false);
        store *of = engine_local_store(f.engine);
        err e = {0};
        alloc_fail_at(n, false);
        sk_code code = store_seal(of, &e);
        did_fail = alloc_did_fail();
        alloc_fail_at(-1, false);
        assert_true(code == SK_OK || (did_fail && code == SK_NO_MEMORY && e.text[0]));
        check_ok(store_seal(of, &e), &e);
        arena *mem = arena_new(64 * MIB);
        service_map a, b;
        ask(&open, T0, T0 + 600 * NS_PER_S, mem, &a);
        ask(&f, T0, T0 + 600 * NS_PER_S, mem, &b);
        check_same(&a, &b);
        arena_free(mem);
        fixture_close(&f);
    }
    fixture_close(&open);
}

TEST_GROUP(engine_map, TEST(what_is_kept_changes_no_map), TEST(a_trace_in_two_segments_is_one),
           TEST(memory_may_fail_while_sealing));
