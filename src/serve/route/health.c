/*
 * serve/route/health.c: liveness, readiness, Prometheus metrics and status. Text exposition format 0.0.4 (Prometheus
 * documentation, "Exposition formats").
 */
#include "serve/route/health.h"

#include "base/clock.h"
#include "meta/saved.h"
#include "serve/route/common.h"

#define TEXT_TYPE "text/plain; charset=utf-8"

void route_live(exchange *take_x)
{
    exchange_reply_static(take_x, 200, TEXT_TYPE, SPAN("ok\n"));
}

void route_ready(exchange *take_x)
{
    bool is_ready = serve_is_ready(exchange_services(take_x)->server);
    exchange_reply_static(take_x, is_ready ? 200 : 503, TEXT_TYPE,
                          is_ready ? SPAN("ready\n")
                                   : SPAN("not ready: starting or shutting down\n"));
}

/* ---- /metrics ---- */

static void metric(buf *out, const char *name, const char *type, const char *help, uint64_t v)
{
    buf_print(out, "# HELP skep_%s %s\n# TYPE skep_%s %s\nskep_%s %llu\n", name, help, name, type,
              name, (unsigned long long)v);
}

static void print_transport(const serve_stats *t, buf *out)
{
    metric(out, "connections_open", "gauge", "Open connections.", t->connections_open);
    metric(out, "connections_accepted_total", "counter", "Accepted connections.",
           t->connections_accepted);
    metric(out, "connections_refused_total", "counter", "Connections beyond the limit.",
           t->connections_refused);
    metric(out, "received_bytes_total", "counter", "Bytes received.", t->bytes_received);
    metric(out, "sent_bytes_total", "counter", "Bytes sent.", t->bytes_sent);
    metric(out, "protocol_errors_total", "counter", "Requests that broke HTTP's rules.",
           t->protocol_errors);
    metric(out, "slow_senders_total", "counter",
           "Requests given up because the sender was too slow.", t->slow_senders);
    metric(out, "slow_readers_total", "counter",
           "Replies given up because the peer took nothing of them.", t->slow_readers);
    metric(out, "requests_in_flight", "gauge", "Requests being worked on.", t->requests_in_flight);
    metric(out, "ingest_queue_depth", "gauge", "Requests waiting for a decode worker.",
           t->queue_depth[POOL_INGEST]);
    metric(out, "ingest_queue_refused_total", "counter",
           "Requests refused because that queue was full.", t->queue_refused[POOL_INGEST]);
    metric(out, "query_queue_depth", "gauge", "Requests waiting for a query worker.",
           t->queue_depth[POOL_QUERY]);
    buf_add_text(out, "# HELP skep_requests_total Requests by route and status.\n# TYPE "
                      "skep_requests_total counter\n");
    for (uint32_t i = 0; i < t->route_count; i++)
        for (uint32_t slot = 0; slot < SERVE_STATUS_SLOTS; slot++)
            if (t->routes[i].by_status[slot])
                buf_print(out, "skep_requests_total{route=\"%s\",status=\"%d\"} %llu\n",
                          t->routes[i].name ? t->routes[i].name : "none",
                          serve_status_of_slot(slot),
                          (unsigned long long)t->routes[i].by_status[slot]);
    buf_add_text(out, "# HELP skep_request_seconds Time to the reply by route.\n# TYPE "
                      "skep_request_seconds histogram\n");
    for (uint32_t i = 0; i < t->route_count; i++) {
        const serve_route_stats *r = &t->routes[i];
        const char *name = r->name ? r->name : "none";
        uint64_t sum = 0;
        for (uint32_t b = 0; b < SERVE_LATENCY_BUCKETS; b++)
            sum += r->latency[b];
        if (!sum)
            continue;
        uint64_t up_to = 0;
        for (uint32_t b = 0; b + 1 < SERVE_LATENCY_BUCKETS; b++) {
            up_to += r->latency[b];
            buf_print(out, "skep_request_seconds_bucket{route=\"%s\",le=\"%g\"} %llu\n", name,
                      (double)(1ull << b) / 1e6, (unsigned long long)up_to);
        }
        buf_print(out, "skep_request_seconds_bucket{route=\"%s\",le=\"+Inf\"} %llu\n", name,
                  (unsigned long long)sum);
        buf_print(out,
                  "skep_request_seconds_sum{route=\"%s\"} "
                  "%g\nskep_request_seconds_count{route=\"%s\"} %llu\n",
                  name, (double)r->latency_sum_us / 1e6, name, (unsigned long long)sum);
    }
}

static void print_intake(const services *s, arena *mem, buf *out)
{
    intake_stats t;
    intake_stats_get(s->intake, &t);
    buf_add_text(
        out,
        "# HELP skep_events_total Events stored by family.\n# TYPE skep_events_total counter\n");
    for (uint32_t f = 0; f < FAMILY_COUNT; f++)
        buf_print(out, "skep_events_total{family=\"%s\"} %llu\n", family_name((family)f),
                  (unsigned long long)t.events[f]);
    metric(out, "repeats_total", "counter",
           "Requests recognised as a sender's retry and not stored again.", t.repeats);
    metric(out, "moved_times_total", "counter",
           "Events too far in the future, stored with their time of arrival.", t.moved_times);
    metric(out, "truncated_strings_total", "counter", "Strings cut at the limit.",
           t.truncated_strings);
    buf_add_text(out, "# HELP skep_refused_total Refused requests and items by reason.\n# TYPE "
                      "skep_refused_total counter\n");
    reason_count *reasons;
    uint32_t count = intake_reason_counts(s->intake, mem, &reasons);
    for (uint32_t i = 0; i < count; i++)
        buf_print(out, "skep_refused_total{reason=\"%s\"} %llu\n", reasons[i].reason,
                  (unsigned long long)reasons[i].count);
}

static void print_engine(const services *s, buf *out)
{
    engine_stats t;
    engine_stats_get(s->engine, 0, &t);
    metric(out, "rows", "gauge", "Rows kept, open ones included.", t.rows);
    metric(out, "open_rows", "gauge", "Rows not yet in a segment.", t.open_rows);
    metric(out, "segments", "gauge", "Segments.", t.segments);
    metric(out, "damaged_segments", "gauge", "Segments set aside because of damage.",
           t.damaged_segments);
    metric(out, "segment_bytes", "gauge", "Bytes of all segments.", t.disk_bytes);
    metric(out, "open_bytes", "gauge", "Memory of rows not yet in a segment.", t.open_bytes);
    metric(out, "seals_total", "counter", "Segments written from open rows.", t.seals);
    metric(out, "merges_total", "counter", "Merges.", t.merges);
    metric(out, "rows_dropped_retention_total", "counter", "Rows that grew older than retention.",
           t.rows_dropped_retention);
    metric(out, "rows_dropped_disk_max_total", "counter", "Rows that went because of --disk-max.",
           t.rows_dropped_disk_max);
    buf_add_text(out, "# HELP skep_memory_bytes Memory accounted against --memory-max by use.\n# "
                      "TYPE skep_memory_bytes gauge\n");
    static const char *const uses[MEMORY_USE_COUNT] = {"bodies", "open", "query", "seal", "cache"};
    for (uint32_t i = 0; i < MEMORY_USE_COUNT; i++)
        buf_print(out, "skep_memory_bytes{use=\"%s\"} %llu\n", uses[i],
                  (unsigned long long)memory_used(s->memory, (memory_use)i));
    buf_add_text(out, "# HELP skep_memory_refusals_total Reservations that the account had no room "
                      "for, by use.\n# TYPE skep_memory_refusals_total counter\n");
    for (uint32_t i = 0; i < MEMORY_USE_COUNT; i++)
        buf_print(out, "skep_memory_refusals_total{use=\"%s\"} %llu\n", uses[i],
                  (unsigned long long)memory_refusals(s->memory, (memory_use)i));
    metric(out, "memory_max_bytes", "gauge", "The bound --memory-max.", memory_max(s->memory));
}

void route_metrics(exchange *take_x)
{
    const services *s = exchange_services(take_x);
    serve_stats transport;
    err e = {0};
    sk_code code = serve_stats_get(s->server, exchange_arena(take_x), &transport, &e);
    if (code != SK_OK) {
        route_fail(take_x, code, &e);
        return;
    }
    buf out;
    buf_init(&out, 4 * MIB);
    buf_print(&out,
              "# HELP skep_info What runs.\n# TYPE skep_info gauge\nskep_info{version=\"%s\"} 1\n",
              s->version);
    print_transport(&transport, &out);
    print_intake(s, exchange_arena(take_x), &out);
    print_engine(s, &out);
    exchange_reply_buf(take_x, 200, "text/plain; version=0.0.4; charset=utf-8", &out);
}

/* ---- /skep/v1/status ---- */

/* `rows` are all, `open_rows` those of them that are in no segment yet. What is kept of the store as a whole only is not
 * said of one environment. */
static void print_store(json_writer *w, const engine_stats *t, bool is_whole)
{
    const struct {
        const char *name;
        uint64_t v;
        bool is_whole;
    } numbers[] = {{"rows", t->rows, false},
                   {"open_rows", t->open_rows, false},
                   {"segments", t->segments, false},
                   {"disk_bytes", t->disk_bytes, false},
                   {"open_bytes", t->open_bytes, false},
                   {"unsealed_bytes", t->unsealed_bytes, true},
                   {"damaged_segments", t->damaged_segments, true},
                   {"seals", t->seals, true},
                   {"merges", t->merges, true},
                   {"rows_dropped_retention", t->rows_dropped_retention, true},
                   {"rows_dropped_disk_max", t->rows_dropped_disk_max, true}};
    jw_object(w);
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        if (numbers[i].is_whole && !is_whole)
            continue;
        jw_key_text(w, numbers[i].name);
        jw_u64(w, numbers[i].v);
    }
    if (t->oldest_ns) {
        jw_key_text(w, "oldest");
        jw_time(w, t->oldest_ns);
        jw_key_text(w, "newest");
        jw_time(w, t->newest_ns);
    }
    jw_object_end(w);
}

static void print_senders(json_writer *w, const exchange *x, const environment *env)
{
    sender *senders;
    uint32_t count = intake_senders(exchange_services(x)->intake,
                                    exchange_arena((exchange *)(uintptr_t)x), &senders);
    jw_array(w);
    for (uint32_t i = 0; i < count; i++) {
        if (senders[i].environment != env->id)
            continue;
        jw_object(w);
        jw_key_text(w, "dataset");
        jw_text(w, senders[i].dataset);
        jw_key_text(w, "key_id");
        jw_text(w, senders[i].key_id);
        jw_key_text(w, "source");
        jw_text(w, senders[i].source);
        jw_key_text(w, "user_agent");
        jw_text(w, senders[i].user_agent);
        jw_key_text(w, "last");
        jw_time(w, senders[i].last_ns);
        for (uint32_t f = 0; f < FAMILY_COUNT; f++) {
            jw_key_text(w, family_name((family)f));
            jw_u64(w, senders[i].events[f]);
        }
        jw_object_end(w);
    }
    jw_array_end(w);
}

/* 0 = of all environments; a count that cannot be read is not said. */
static void print_saved(json_writer *w, const exchange *x, uint32_t environment_id)
{
    saved_counts n;
    err ignored;
    meta *m = exchange_services(x)->meta;
    if (meta_saved_counts(m, environment_id, &n, &ignored) != SK_OK)
        return;
    jw_key_text(w, "saved");
    jw_object(w);
    jw_key_text(w, "results");
    jw_u64(w, n.results);
    jw_key_text(w, "result_bytes");
    jw_u64(w, n.result_bytes);
    if (!environment_id) {
        jw_key_text(w, "results_max");
        jw_u64(w, META_RESULTS_MAX);
        jw_key_text(w, "result_bytes_max");
        jw_u64(w, meta_results_bytes_max(m));
    }
    jw_object_end(w);
}

static void print_environment(json_writer *w, const exchange *x, const environment *env)
{
    engine_stats stats;
    engine_stats_get(exchange_services(x)->engine, env->id, &stats);
    jw_object(w);
    jw_key_text(w, "slug");
    jw_text(w, env->slug);
    jw_key_text(w, "name");
    jw_text(w, env->name);
    jw_key_text(w, "store");
    print_store(w, &stats, false);
    print_saved(w, x, env->id);
    jw_key_text(w, "senders");
    print_senders(w, x, env);
    jw_object_end(w);
}

static void print_listeners(json_writer *w, const server *of)
{
    jw_array(w);
    for (uint32_t i = 0; i < serve_listener_count(of); i++) {
        bool is_tls;
        const char *address = serve_listener(of, i, &is_tls);
        jw_object(w);
        jw_key_text(w, "address");
        jw_text(w, address);
        jw_key_text(w, "tls");
        jw_bool(w, is_tls);
        jw_object_end(w);
    }
    jw_array_end(w);
}

void route_status(exchange *take_x)
{
    static const char *const parameters[] = {"environment", NULL};
    const services *s = exchange_services(take_x);
    const caller *who = exchange_caller(take_x);
    err e = {0};
    environment *list;
    uint32_t count;
    sk_code code = route_check_query(take_x, parameters, &e);
    if (code == SK_OK)
        code = meta_environment_list(s->meta, exchange_arena(take_x), &list, &count, &e);
    if (code != SK_OK) {
        route_fail(take_x, code, &e);
        return;
    }
    buf out;
    engine_stats stats;
    engine_stats_get(s->engine, 0, &stats);
    buf_init(&out, ROUTE_REPLY_MAX);
    json_writer w = {.out = &out};
    jw_object(&w);
    jw_key_text(&w, "version");
    jw_text(&w, s->version);
    jw_key_text(&w, "uptime_s");
    jw_i64(&w, (clock_wall_ns() - s->started_ns) / NS_PER_S);
    jw_key_text(&w, "ready");
    jw_bool(&w, serve_is_ready(s->server));
    jw_key_text(&w, "environments");
    jw_array(&w);
    for (uint32_t i = 0; i < count; i++)
        if (who->is_any_environment || list[i].id == who->environment)
            print_environment(&w, take_x, &list[i]);
    jw_array_end(&w);
    if (who->is_any_environment) {
        jw_key_text(&w, "store");
        print_store(&w, &stats, true);
        jw_key_text(&w, "disk_max_bytes");
        jw_u64(&w, s->disk_max_bytes);
        print_saved(&w, take_x, 0);
        jw_key_text(&w, "listeners");
        print_listeners(&w, s->server);
    }
    jw_object_end(&w);
    route_reply(take_x, 200, &out);
}
