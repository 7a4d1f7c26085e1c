/*
 * bench/decode_bench.c: how many spans a second one core decodes: OTLP requests to frozen batches,
 * nothing else. Claim: DESIGN §8, "decode alone". The requests are SDK-shaped (one resource, 512
 * spans, ~11 spans a trace) with the 17 fields of load A: a random request id and a random double
 * on 60 % of spans, 200 k users by Zipf. They are as many as a server has at hand, so that their
 * bytes are in the caches as if just received, and malloc is set as main/serve.c sets it.
 * usage: decode_bench [SECONDS [protobuf|json]]: prints one line per form; `perf record` on it
 * shows where the time goes
 */
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/must.h"
#include "receive/receive.h"
#include "wire/json.h"
#include "wire/protobuf.h"

#define REQUESTS      8
#define SPANS         512
#define USERS         200000
#define START_NS      1790000000000000000ull
#define CAP_BYTES     (64 * MIB)

#define SLICE_SECONDS 0.05
#define SLICES_MAX    4096

static uint64_t next_random(uint64_t *state)
{
    uint64_t v = *state += 0x9e3779b97f4a7c15ull;
    v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9ull;
    v = (v ^ v >> 27) * 0x94d049bb133111ebull;
    return v ^ v >> 31;
}

static double unit_random(uint64_t *state)
{
    return (double)(next_random(state) >> 11) * 0x1p-53;
}

/* ---- the same span in both forms ---- */

typedef struct writer {
    receive_form form;
    buf out;
    json_writer json;
} writer;

static size_t open_value(writer *w, uint32_t field, const char *key)
{
    if (w->form == FORM_JSON) {
        jw_object(&w->json);
        jw_key_text(&w->json, "key");
        jw_text(&w->json, key);
        jw_key_text(&w->json, "value");
        jw_object(&w->json);
        return 0;
    }
    size_t begun = pb_begin(&w->out, field);
    pb_put_bytes(&w->out, 1, span_text(key));
    return begun;
}

static void close_value(writer *w, size_t begun)
{
    if (w->form == FORM_JSON) {
        jw_object_end(&w->json);
        jw_object_end(&w->json);
    } else {
        pb_finish(&w->out, begun);
    }
}

static void put_text(writer *w, uint32_t field, const char *key, const char *text)
{
    size_t begun = open_value(w, field, key);
    if (w->form == FORM_JSON) {
        jw_key_text(&w->json, "stringValue");
        jw_text(&w->json, text);
    } else {
        size_t any = pb_begin(&w->out, 2);
        pb_put_bytes(&w->out, 1, span_text(text));
        pb_finish(&w->out, any);
    }
    close_value(w, begun);
}

static void put_int(writer *w, uint32_t field, const char *key, int64_t v)
{
    size_t begun = open_value(w, field, key);
    if (w->form == FORM_JSON) {
        jw_key_text(&w->json, "intValue");
        jw_i64_text(&w->json, v);
    } else {
        size_t any = pb_begin(&w->out, 2);
        pb_put_var(&w->out, 3, (uint64_t)v);
        pb_finish(&w->out, any);
    }
    close_value(w, begun);
}

static void put_double(writer *w, uint32_t field, const char *key, double v)
{
    size_t begun = open_value(w, field, key);
    if (w->form == FORM_JSON) {
        jw_key_text(&w->json, "doubleValue");
        jw_double(&w->json, v);
    } else {
        size_t any = pb_begin(&w->out, 2);
        pb_put_double(&w->out, 4, v);
        pb_finish(&w->out, any);
    }
    close_value(w, begun);
}

static void put_fields(writer *w, uint64_t *r)
{
    static const char *const methods[] = {"GET", "GET", "GET", "POST", "PUT"};
    static const char *const agents[] = {"okhttp/4.12", "python-requests/2.32",
                                         "Mozilla/5.0 (X11; Linux x86_64)"};
    static const char *const regions[] = {"eu-central-1", "us-east-1", "ap-south-1"};
    char text[64];
    put_text(w, 9, "http.request.method", methods[next_random(r) % 5]);
    snprintf(text, sizeof(text), "/api/v1/thing/%u", (unsigned)(next_random(r) % 40));
    put_text(w, 9, "http.route", text);
    put_int(w, 9, "http.response.status_code", next_random(r) % 20 == 0 ? 500 : 200);
    snprintf(text, sizeof(text), "service-%u.internal", (unsigned)(next_random(r) % 14));
    put_text(w, 9, "server.address", text);
    put_int(w, 9, "server.port", 8080 + (int64_t)(next_random(r) % 4));
    put_text(w, 9, "network.protocol.version", "1.1");
    put_text(w, 9, "user_agent.original", agents[next_random(r) % 3]);
    snprintf(text, sizeof(text), "user-%06u", (unsigned)(USERS * pow(unit_random(r), 4)));
    put_text(w, 9, "user.id", text);
    if (next_random(r) % 10 < 6) {
        snprintf(text, sizeof(text), "%016llx", (unsigned long long)next_random(r));
        put_text(w, 9, "request.id", text);
        put_double(w, 9, "app.score", unit_random(r));
    }
    put_int(w, 9, "thread.id", (int64_t)(next_random(r) % 64));
    put_text(w, 9, "cloud.region", regions[next_random(r) % 3]);
    put_int(w, 9, "app.items", (int64_t)(next_random(r) % 1000));
    put_text(w, 9, "app.tier", next_random(r) % 3 ? "gold" : "free");
    put_int(w, 9, "http.response.body.size", (int64_t)(next_random(r) % 100000));
    put_text(w, 9, "app.feature", next_random(r) % 2 ? "on" : "off");
    put_text(w, 9, "app.cache", next_random(r) % 4 ? "hit" : "miss");
}

static void put_json_ids(writer *w, const char *trace, const char *id, const char *parent)
{
    jw_key_text(&w->json, "traceId");
    jw_text(&w->json, trace);
    jw_key_text(&w->json, "spanId");
    jw_text(&w->json, id);
    jw_key_text(&w->json, "parentSpanId");
    jw_text(&w->json, parent);
}

static void put_span(writer *w, uint64_t *r, uint64_t trace, uint64_t id, uint64_t parent,
                     uint64_t start)
{
    char trace_text[40], id_text[20], parent_text[20], name[40];
    uint64_t trace_bytes[2] = {trace, trace * 3};
    uint64_t end = start + next_random(r) % 100000000;
    snprintf(name, sizeof(name), "GET /api/v1/thing/%u", (unsigned)(next_random(r) % 40));
    if (w->form == FORM_JSON) {
        snprintf(trace_text, sizeof(trace_text), "%016llx%016llx", (unsigned long long)trace,
                 (unsigned long long)(trace * 3));
        snprintf(id_text, sizeof(id_text), "%016llx", (unsigned long long)id);
        snprintf(parent_text, sizeof(parent_text), "%016llx", (unsigned long long)parent);
        jw_object(&w->json);
        put_json_ids(w, trace_text, id_text, parent ? parent_text : "");
        jw_key_text(&w->json, "name");
        jw_text(&w->json, name);
        jw_key_text(&w->json, "kind");
        jw_i64(&w->json, 2);
        jw_key_text(&w->json, "startTimeUnixNano");
        jw_i64_text(&w->json, (int64_t)start);
        jw_key_text(&w->json, "endTimeUnixNano");
        jw_i64_text(&w->json, (int64_t)end);
        jw_key_text(&w->json, "attributes");
        jw_array(&w->json);
        put_fields(w, r);
        jw_array_end(&w->json);
        jw_object_end(&w->json);
        return;
    }
    size_t begun = pb_begin(&w->out, 2);
    pb_put_bytes(&w->out, 1, span_of(trace_bytes, 16));
    pb_put_bytes(&w->out, 2, span_of(&id, 8));
    if (parent)
        pb_put_bytes(&w->out, 4, span_of(&parent, 8));
    pb_put_bytes(&w->out, 5, span_text(name));
    pb_put_var(&w->out, 6, 2);
    pb_put_i64(&w->out, 7, start);
    pb_put_i64(&w->out, 8, end);
    put_fields(w, r);
    size_t status = pb_begin(&w->out, 15);
    pb_finish(&w->out, status);
    pb_finish(&w->out, begun);
}

static void put_spans(writer *w, uint64_t *r)
{
    uint64_t trace = 0, root = 0;
    for (uint32_t i = 0; i < SPANS; i++) {
        uint64_t id = next_random(r) | 1;
        if (i % 11 == 0) {
            trace = next_random(r) | 1;
            root = 0;
        }
        put_span(w, r, trace, id, root, START_NS + i * 1000000ull);
        root = root ? root : id;
    }
}

static void put_resource(writer *w, uint64_t *r)
{
    char name[32];
    snprintf(name, sizeof(name), "service-%u", (unsigned)(next_random(r) % 14));
    put_text(w, 1, "service.name", name);
    put_text(w, 1, "service.version", "1.2.3");
    put_text(w, 1, "telemetry.sdk.language", "go");
    put_text(w, 1, "host.name", "node-7");
}

static void build_protobuf(writer *w, uint64_t *r)
{
    size_t resource_spans = pb_begin(&w->out, 1);
    size_t resource = pb_begin(&w->out, 1);
    put_resource(w, r);
    pb_finish(&w->out, resource);
    size_t scope_spans = pb_begin(&w->out, 2);
    size_t scope = pb_begin(&w->out, 1);
    pb_put_bytes(&w->out, 1, SPAN("go.opentelemetry.io/contrib/instrumentation/net/http"));
    pb_finish(&w->out, scope);
    put_spans(w, r);
    pb_finish(&w->out, scope_spans);
    pb_finish(&w->out, resource_spans);
}

static void build_json(writer *w, uint64_t *r)
{
    json_writer *j = &w->json;
    jw_object(j);
    jw_key_text(j, "resourceSpans");
    jw_array(j);
    jw_object(j);
    jw_key_text(j, "resource");
    jw_object(j);
    jw_key_text(j, "attributes");
    jw_array(j);
    put_resource(w, r);
    jw_array_end(j);
    jw_object_end(j);
    jw_key_text(j, "scopeSpans");
    jw_array(j);
    jw_object(j);
    jw_key_text(j, "spans");
    jw_array(j);
    put_spans(w, r);
    jw_array_end(j);
    jw_object_end(j);
    jw_array_end(j);
    jw_object_end(j);
    jw_array_end(j);
    jw_object_end(j);
}

/* ---- measuring ---- */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static uint64_t decode_one(const receive_row *row, receive_form form, span body)
{
    receive_input in = {
        .body = body, .form = form, .arrival_ns = (int64_t)START_NS, .batch_cap_bytes = CAP_BYTES};
    receive_output done;
    err e;
    must(row->decode(&in, &done, &e) == SK_OK);
    must(done.item_count == done.batch->row_count);
    batch_free(done.batch);
    return done.item_count;
}

/* Rates over short slices: their best is what a core does that nobody else uses, their median what
 * it did. */
static void measure(receive_form form, double seconds)
{
    static writer requests[REQUESTS];
    uint64_t random = 42;
    for (size_t i = 0; i < REQUESTS; i++) {
        writer *w = &requests[i];
        w->form = form;
        buf_init(&w->out, CAP_BYTES);
        w->json = (json_writer){.out = &w->out};
        if (form == FORM_JSON)
            build_json(w, &random);
        else
            build_protobuf(w, &random);
        must(!w->out.failed);
    }
    const receive_row *row = receive_by_path(SPAN("/v1/traces"));
    double rates[SLICES_MAX];
    uint32_t slices = 0, total = (uint32_t)(seconds / SLICE_SECONDS);
    uint64_t bytes = 0, spans = 0;
    for (size_t i = 0; slices < total && slices < SLICES_MAX; slices++) {
        uint64_t before = spans;
        int64_t begun = clock_mono_ns(), now = begun;
        for (; now - begun < (int64_t)(SLICE_SECONDS * 1e9);
             i = (i + 1) % REQUESTS, now = clock_mono_ns()) {
            spans += decode_one(row, form, buf_span(&requests[i].out));
            bytes += requests[i].out.len;
        }
        rates[slices] = (double)(spans - before) / ((double)(now - begun) / 1e9);
    }
    must(slices > 0);
    qsort(rates, slices, sizeof(*rates), compare_doubles);
    double size = (double)bytes / (double)spans, median = rates[slices / 2],
           best = rates[slices - 1];
    printf(
        "%-8s  median %8.0f spans/s (%4.0f MB/s)  best slice %8.0f (%5.0f ns/span)  %4.0f B/span\n",
        form == FORM_JSON ? "json" : "protobuf", median, median * size / 1e6, best, 1e9 / best,
        size);
    for (size_t i = 0; i < REQUESTS; i++)
        buf_done(&requests[i].out);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 3;
    const char *only = argc > 2 ? argv[2] : "";
    mallopt(M_MMAP_THRESHOLD, (int)(32 * MIB));
    mallopt(M_TRIM_THRESHOLD, (int)(16 * MIB));
    if (strcmp(only, "json") != 0)
        measure(FORM_PROTOBUF, seconds);
    if (strcmp(only, "protobuf") != 0)
        measure(FORM_JSON, seconds);
    return 0;
}
