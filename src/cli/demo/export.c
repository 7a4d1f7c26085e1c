/*
 * cli/demo/export.c: steps as OTLP protobuf. Called by the demo command; writes with wire/protobuf.h, field numbers as in
 * opentelemetry-proto (trace, logs, metrics v1).
 */
#include "cli/demo/export.h"

#include <stdio.h>

#include "wire/protobuf.h"

static void put_big_endian(uint8_t *out, uint64_t v)
{
    for (int i = 7; i >= 0; i--, v >>= 8)
        out[i] = (uint8_t)v;
}

static void put_span_id(buf *out, uint32_t field, uint64_t id)
{
    uint8_t bytes[8];
    put_big_endian(bytes, id);
    pb_put_bytes(out, field, span_of(bytes, 8));
}

static void put_trace_id(buf *out, uint32_t field, uint64_t hi, uint64_t lo)
{
    uint8_t bytes[16];
    put_big_endian(bytes, hi);
    put_big_endian(bytes + 8, lo);
    pb_put_bytes(out, field, span_of(bytes, 16));
}

static void put_text_pair(buf *out, uint32_t field, const char *key, const char *text)
{
    size_t pair = pb_begin(out, field);
    pb_put_bytes(out, 1, span_text(key));
    size_t any = pb_begin(out, 2);
    pb_put_bytes(out, 1, span_text(text));
    pb_finish(out, any);
    pb_finish(out, pair);
}

static void put_attribute(buf *out, const attribute *a)
{
    if (a->kind == ATTRIBUTE_TEXT) {
        put_text_pair(out, 9, a->key, a->constant ? a->constant : a->text);
        return;
    }
    size_t pair = pb_begin(out, 9);
    pb_put_bytes(out, 1, span_text(a->key));
    size_t any = pb_begin(out, 2);
    if (a->kind == ATTRIBUTE_INT)
        pb_put_var(out, 3, (uint64_t)a->i);
    else
        pb_put_double(out, 4, a->d);
    pb_finish(out, any);
    pb_finish(out, pair);
}

static void put_resource(buf *out, shop_service service, uint32_t pod, bool is_next_version)
{
    const shop_service_row *row = &shop_services[service];
    char instance[64], node[16];
    snprintf(instance, sizeof instance, "%s-%08x-%u", row->name,
             (unsigned)(service * 2654435761u + pod * 40503u), pod);
    snprintf(node, sizeof node, "node-%u", (unsigned)(service * 3 + pod) % 5);
    size_t resource = pb_begin(out, 1);
    put_text_pair(out, 1, "service.name", row->name);
    put_text_pair(out, 1, "service.version", is_next_version ? row->next_version : row->version);
    put_text_pair(out, 1, "service.instance.id", instance);
    put_text_pair(out, 1, "host.name", node);
    put_text_pair(out, 1, "deployment.environment.name", "production");
    put_text_pair(out, 1, "telemetry.sdk.language", row->language);
    pb_finish(out, resource);
}

static void put_scope(buf *out, shop_service service)
{
    size_t scope = pb_begin(out, 1);
    pb_put_bytes(out, 1, span_text(shop_services[service].name));
    pb_put_bytes(out, 2, SPAN("1.0.0"));
    pb_finish(out, scope);
}

static void put_span(buf *out, const step *s)
{
    size_t message = pb_begin(out, 2);
    put_trace_id(out, 1, s->trace_hi, s->trace_lo);
    put_span_id(out, 2, s->id);
    if (s->parent)
        put_span_id(out, 4, s->parent);
    pb_put_bytes(out, 5, span_text(s->name));
    pb_put_var(out, 6, (uint64_t)s->kind);
    pb_put_i64(out, 7, (uint64_t)s->start_ns);
    pb_put_i64(out, 8, (uint64_t)s->end_ns);
    for (uint32_t i = 0; i < s->attribute_count; i++)
        put_attribute(out, &s->attributes[i]);
    if (s->link_id) {
        size_t link = pb_begin(out, 13);
        put_trace_id(out, 1, s->link_hi, s->link_lo);
        put_span_id(out, 2, s->link_id);
        pb_finish(out, link);
    }
    if (s->error) {
        size_t status = pb_begin(out, 15);
        pb_put_bytes(out, 2, span_text(s->error));
        pb_put_var(out, 3, 2);
        pb_finish(out, status);
    }
    pb_finish(out, message);
}

static void put_log(buf *out, const step *s)
{
    size_t record = pb_begin(out, 2);
    pb_put_i64(out, 1, (uint64_t)s->end_ns);
    pb_put_var(out, 2, s->log_is_error ? 17 : 9);
    pb_put_bytes(out, 3, s->log_is_error ? SPAN("ERROR") : SPAN("INFO"));
    size_t body = pb_begin(out, 5);
    pb_put_bytes(out, 1, span_text(s->log));
    pb_finish(out, body);
    put_trace_id(out, 9, s->trace_hi, s->trace_lo);
    put_span_id(out, 10, s->id);
    pb_put_i64(out, 11, (uint64_t)s->end_ns);
    pb_finish(out, record);
}

static bool is_same_resource(const step *a, const step *b)
{
    return a->service == b->service && a->pod == b->pod && a->is_next_version == b->is_next_version;
}

/* Walks the steps resource by resource: quadratic in the number of resources, of which there are a few dozen. */
static uint32_t export_groups(const step *const *steps, uint32_t count, bool logs, buf *out)
{
    uint32_t written = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool is_first = !logs || steps[i]->log[0];
        for (uint32_t k = 0; k < i && is_first; k++)
            is_first = !is_same_resource(steps[k], steps[i]) || (logs && !steps[k]->log[0]);
        if (!is_first)
            continue;
        size_t group = pb_begin(out, 1);
        put_resource(out, steps[i]->service, steps[i]->pod, steps[i]->is_next_version);
        size_t scope = pb_begin(out, 2);
        put_scope(out, steps[i]->service);
        for (uint32_t k = i; k < count; k++) {
            if (!is_same_resource(steps[k], steps[i]) || (logs && !steps[k]->log[0]))
                continue;
            if (logs)
                put_log(out, steps[k]);
            else
                put_span(out, steps[k]);
            written++;
        }
        pb_finish(out, scope);
        pb_finish(out, group);
    }
    return written;
}

void export_traces(const step *const *steps, uint32_t count, buf *out)
{
    export_groups(steps, count, false, out);
}

uint32_t export_logs(const step *const *steps, uint32_t count, buf *out)
{
    return export_groups(steps, count, true, out);
}

static void put_gauge(buf *out, const char *name, const char *unit, double v, int64_t time_ns)
{
    size_t metric = pb_begin(out, 2);
    pb_put_bytes(out, 1, span_text(name));
    pb_put_bytes(out, 3, span_text(unit));
    size_t gauge = pb_begin(out, 5), point = pb_begin(out, 1);
    pb_put_i64(out, 3, (uint64_t)time_ns);
    pb_put_double(out, 4, v);
    pb_finish(out, point);
    pb_finish(out, gauge);
    pb_finish(out, metric);
}

static void put_counter(buf *out, const char *name, int64_t total, int64_t time_ns)
{
    size_t metric = pb_begin(out, 2);
    pb_put_bytes(out, 1, span_text(name));
    pb_put_bytes(out, 3, SPAN("{order}"));
    size_t sum = pb_begin(out, 7), point = pb_begin(out, 1);
    pb_put_i64(out, 3, (uint64_t)time_ns);
    pb_put_i64(out, 6, (uint64_t)total);
    pb_finish(out, point);
    pb_put_var(out, 2, 2);
    pb_put_var(out, 3, 1);
    pb_finish(out, sum);
    pb_finish(out, metric);
}

void export_metrics(dice *d, const fault *f, int64_t time_ns, int64_t orders, buf *out)
{
    bool is_faulty = time_ns >= f->from_ns;
    for (uint32_t i = SHOP_GATEWAY; i < SHOP_SERVICE_COUNT; i++) {
        shop_service service = (shop_service)i;
        for (uint32_t pod = 0; pod < shop_services[i].pods; pod++) {
            bool is_starved =
                is_faulty && f->kind == FAULT_CPU && service == f->service && pod == f->pod;
            size_t group = pb_begin(out, 1);
            put_resource(out, service, pod, false);
            size_t scope = pb_begin(out, 2);
            put_scope(out, service);
            put_gauge(out, "process.cpu.utilization", "1",
                      is_starved ? 0.94 + 0.05 * dice_unit(d) : 0.15 + 0.2 * dice_unit(d), time_ns);
            put_gauge(out, "process.memory.usage", "By", 180e6 + 40e6 * dice_unit(d), time_ns);
            if (service == SHOP_EMAIL)
                put_gauge(out, "messaging.queue.depth", "{message}",
                          is_faulty && f->kind == FAULT_QUEUE_LAG ? 40 + 30 * dice_unit(d)
                                                                  : 2 * dice_unit(d),
                          time_ns);
            if (service == SHOP_CHECKOUT && pod == 0)
                put_counter(out, "shop.orders", orders, time_ns);
            pb_finish(out, scope);
            pb_finish(out, group);
        }
    }
}
