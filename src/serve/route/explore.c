/*
 * serve/route/explore.c: what is asked without a query: the map of services, the fields there are. Runs on query
 * workers. JSON shapes are in docs/openapi.yaml.
 */
#include "serve/route/explore.h"

#include "query/traces.h"
#include "serve/route/common.h"

#define DAY_NS (86400 * NS_PER_S)

/* ---- service map ---- */

static void print_numbers(json_writer *w, uint64_t count, uint64_t errors, double p50_ms,
                          double p95_ms)
{
    jw_key_text(w, "count");
    jw_u64(w, count);
    jw_key_text(w, "errors");
    jw_u64(w, errors);
    jw_key_text(w, "p50_ms");
    jw_double(w, p50_ms);
    jw_key_text(w, "p95_ms");
    jw_double(w, p95_ms);
}

static void print_wait(json_writer *w, const map_edge *edge)
{
    jw_key_text(w, "wait_count");
    jw_u64(w, edge->wait_count);
    jw_key_text(w, "wait_p50_ms");
    jw_double(w, edge->wait_p50_ms);
    jw_key_text(w, "wait_p95_ms");
    jw_double(w, edge->wait_p95_ms);
}

static void print_map(const service_map *map, buf *out)
{
    json_writer w = {.out = out};
    jw_object(&w);
    jw_key_text(&w, "nodes");
    jw_array(&w);
    for (uint32_t i = 0; i < map->node_count; i++) {
        const map_node *n = &map->nodes[i];
        jw_object(&w);
        jw_key_text(&w, "name");
        jw_string(&w, n->name);
        jw_key_text(&w, "kind");
        jw_text(&w, n->kind);
        print_numbers(&w, n->count, n->errors, n->p50_ms, n->p95_ms);
        jw_object_end(&w);
    }
    jw_array_end(&w);
    jw_key_text(&w, "edges");
    jw_array(&w);
    for (uint32_t i = 0; i < map->edge_count; i++) {
        const map_edge *edge = &map->edges[i];
        jw_object(&w);
        jw_key_text(&w, "from");
        jw_string(&w, map->nodes[edge->from].name);
        jw_key_text(&w, "to");
        jw_string(&w, map->nodes[edge->to].name);
        jw_key_text(&w, "kind");
        jw_text(&w, edge->kind);
        print_numbers(&w, edge->count, edge->errors, edge->p50_ms, edge->p95_ms);
        if (edge->wait_count)
            print_wait(&w, edge);
        jw_object_end(&w);
    }
    jw_array_end(&w);
    jw_object_end(&w);
}

void route_service_map(exchange *take_x)
{
    static const char *const parameters[] = {"environment", "start", "end", "where", NULL};
    err e = {0};
    environment env;
    service_map map;
    plan p;
    int64_t start_ns, end_ns;
    run_control control = {.cancel = exchange_cancel(take_x),
                           .deadline_mono_ns = exchange_deadline_mono_ns(take_x)};
    sk_code code = route_check_query(take_x, parameters, &e);
    if (code == SK_OK)
        code = route_environment(take_x, exchange_query(take_x, "environment"), &env, &e);
    if (code == SK_OK)
        code = route_range(take_x, DAY_NS, &start_ns, &end_ns, &e);
    if (code == SK_OK)
        code = traces_plan(exchange_query(take_x, "where"), start_ns, end_ns,
                           exchange_arena(take_x), &p, &e);
    if (code == SK_OK)
        code = engine_service_map(exchange_services(take_x)->engine, env.id, &p, &control,
                                  exchange_arena(take_x), &map, &e);
    if (code != SK_OK) {
        route_fail(take_x, code, &e);
        return;
    }
    buf out;
    buf_init(&out, ROUTE_REPLY_MAX);
    print_map(&map, &out);
    route_reply(take_x, 200, &out);
}

/* ---- fields ---- */

static void print_field(json_writer *w, const field_info *f)
{
    jw_object(w);
    jw_key_text(w, "name");
    jw_string(w, f->name);
    jw_key_text(w, "types");
    jw_array(w);
    for (uint32_t type = 0; type < FIELD_TYPE_COUNT; type++)
        if (f->types >> type & 1)
            jw_text(w, field_type_name((field_type)type));
    jw_array_end(w);
    jw_key_text(w, "count");
    jw_u64(w, f->count);
    jw_key_text(w, "top");
    jw_array(w);
    for (uint32_t i = 0; i < f->top_count; i++) {
        jw_object(w);
        jw_key_text(w, "value");
        jw_value(w, f->top[i].value);
        jw_key_text(w, "count");
        jw_u64(w, f->top[i].count);
        jw_object_end(w);
    }
    jw_array_end(w);
    jw_object_end(w);
}

static void print_fields(const fields_result *fields, buf *out)
{
    json_writer w = {.out = out};
    jw_object(&w);
    jw_key_text(&w, "fields");
    jw_array(&w);
    for (uint32_t i = 0; i < fields->count; i++)
        print_field(&w, &fields->fields[i]);
    jw_array_end(&w);
    jw_key_text(&w, "datasets");
    jw_array(&w);
    for (uint32_t i = 0; i < fields->dataset_count; i++) {
        jw_object(&w);
        jw_key_text(&w, "name");
        jw_string(&w, fields->datasets[i]);
        jw_key_text(&w, "rows");
        jw_u64(&w, fields->dataset_rows[i]);
        jw_object_end(&w);
    }
    jw_array_end(&w);
    jw_key_text(&w, "is_sampled");
    jw_bool(&w, fields->is_sampled);
    jw_object_end(&w);
}

void route_fields(exchange *take_x)
{
    static const char *const parameters[] = {"environment", "dataset", "start", "end",
                                             "prefix",      "top",     "limit", NULL};
    err e = {0};
    environment env;
    fields_result fields;
    fields_query q = {.prefix = exchange_query(take_x, "prefix")};
    span dataset = exchange_query(take_x, "dataset");
    sk_code code = route_check_query(take_x, parameters, &e);
    if (dataset.len && !span_is(dataset, "__all__"))
        q.dataset = dataset;
    if (code == SK_OK)
        code = route_environment(take_x, exchange_query(take_x, "environment"), &env, &e);
    if (code == SK_OK)
        code = route_range(take_x, DAY_NS, &q.start_ns, &q.end_ns, &e);
    if (code == SK_OK)
        code = route_number(take_x, "top", 5, 100, &q.top_max, &e);
    if (code == SK_OK)
        code = route_number(take_x, "limit", 1000, SEGMENT_FIELDS_MAX, &q.limit, &e);
    if (code == SK_OK)
        code = engine_fields(exchange_services(take_x)->engine, env.id, &q, exchange_arena(take_x),
                             &fields, &e);
    if (code != SK_OK) {
        route_fail(take_x, code, &e);
        return;
    }
    buf out;
    buf_init(&out, ROUTE_REPLY_MAX);
    print_fields(&fields, &out);
    route_reply(take_x, 200, &out);
}
