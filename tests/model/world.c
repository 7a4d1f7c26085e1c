/*
 * tests/model/world.c: see world.h.
 */
#include "world.h"

#include <math.h>

#include "event/codec.h"
#include "event/fields.h"
#include "event/histogram.h"

#define BATCH_CAP (64 * MIB)

enum { /* how values of a field are made */
       FEW_TEXTS,
       MANY_TEXTS,
       UNIQUE_TEXTS,
       NUMBER_TEXTS,
       ODD_TEXTS,
       FEW_INTS,
       ANY_INTS,
       PLAIN_FLOATS,
       WILD_FLOATS,
       NOT_FINITE,
       BOOLS,
       HISTOGRAMS,
       INT_OR_TEXT,
       ANYTHING,
};

const world_field world_fields[] = {
    {"http.route", FIELD_STRING, FEW_TEXTS, 60},
    {"user.id", FIELD_STRING, MANY_TEXTS, 40},
    {"request.id", FIELD_STRING, UNIQUE_TEXTS, 30},
    {"text.number", FIELD_STRING, NUMBER_TEXTS, 40},
    {"text.odd", FIELD_STRING, ODD_TEXTS, 40},
    {"count", FIELD_INT, FEW_INTS, 60},
    {"big", FIELD_INT, ANY_INTS, 40},
    {"price", FIELD_FLOAT, PLAIN_FLOATS, 60},
    {"wild", FIELD_FLOAT, WILD_FLOATS, 30},
    {"odd.float", FIELD_FLOAT, NOT_FINITE, 20},
    {"is_cached", FIELD_BOOL, BOOLS, 50},
    {"sizes", FIELD_HISTOGRAM, HISTOGRAMS, 25},
    {"code", FIELD_TYPE_COUNT, INT_OR_TEXT, 50},
    {"mixed", FIELD_TYPE_COUNT, ANYTHING, 50},
    {"host.name", FIELD_STRING, FEW_TEXTS, 5}, /* mostly of the resource */
    {"resource.mixed", FIELD_TYPE_COUNT, ANYTHING, 10},
    {"http.status_code", FIELD_INT, FEW_INTS, 20},
    {"http.response.status_code", FIELD_TYPE_COUNT, INT_OR_TEXT, 20},
    {"rare", FIELD_INT, FEW_INTS, 1},
};
const uint32_t world_field_count = COUNT_OF(world_fields);

uint64_t world_below(world *w, uint64_t limit)
{
    return check_random(&w->seed) % limit;
}

bool world_chance(world *w, uint32_t percent)
{
    return world_below(w, 100) < percent;
}

/* ---- values ---- */

static value text_value(world *w, const char *format, uint64_t number)
{
    char text[64];
    value v = {.is_set = true, .type = FIELD_STRING};
    snprintf(text, sizeof text, format, (unsigned long long)number);
    assert_true(arena_copy(w->mem, span_text(text), &v.text));
    return v;
}

static value odd_text(world *w)
{
    static const char *const texts[] = {"",   " ",    "true",         "false", "null",  "0",
                                        "-0", "5.0",  "ÄÖ☃",          "日本",  "a\"b",  "a\\b",
                                        "%%", "\t\n", "/api/users/7", "NaN",   "1e+19", "0x10"};
    if (world_chance(w, 3)) {
        char *long_text = arena_alloc(w->mem, 3000, 1);
        memset(long_text, 'x', 3000);
        return (value){.is_set = true,
                       .type = FIELD_STRING,
                       .text = span_of(long_text, 1 + world_below(w, 3000))};
    }
    return (value){.is_set = true,
                   .type = FIELD_STRING,
                   .text = span_text(texts[world_below(w, COUNT_OF(texts))])};
}

static value number_text(world *w)
{
    static const char *const texts[] = {
        "5",   "+5", "-17", "1.5", "1e3", "1E-3", "007", " 5", "5 ", "1.", "12345678901234567890",
        "0.1", "3",  "200"};
    return (value){.is_set = true,
                   .type = FIELD_STRING,
                   .text = span_text(texts[world_below(w, COUNT_OF(texts))])};
}

static value any_int(world *w)
{
    static const int64_t edges[] = {
        INT64_MIN, INT64_MAX, INT64_MIN + 1, (1ll << 53) + 1, -(1ll << 53) - 1, 0, -1};
    value v = {.is_set = true, .type = FIELD_INT};
    uint64_t r = check_random(&w->seed);
    v.i = world_chance(w, 30) ? edges[r % COUNT_OF(edges)] : (int64_t)r >> (r & 63);
    return v;
}

static value wild_float(world *w)
{
    static const double edges[] = {1e300, -1e300, 1e-300, -1e-300, 5e-324, -5e-324,
                                   0.0,   -0.0,   1e19,   -1e19,   0.1};
    value v = {.is_set = true, .type = FIELD_FLOAT};
    v.f = edges[world_below(w, COUNT_OF(edges))];
    if (world_chance(w, 50))
        v.f = ldexp((double)(int64_t)check_random(&w->seed), (int)world_below(w, 200) - 160);
    return v;
}

static value a_histogram(world *w)
{
    double bounds[] = {0, 1, 5, 10.5}, quantiles[] = {0.5, 0.99},
           values[] = {(double)world_below(w, 50), 60};
    uint64_t counts[5], buckets[6];
    for (size_t i = 0; i < COUNT_OF(counts); i++)
        counts[i] = world_below(w, 4);
    for (size_t i = 0; i < COUNT_OF(buckets); i++)
        buckets[i] = world_below(w, 100) ? world_below(w, 3) : UINT64_MAX >> world_below(w, 30);
    histogram h = {.kind = (histogram_kind)world_below(w, 3),
                   .count = 9,
                   .has_sum = world_chance(w, 80),
                   .sum = 77.5};
    if (h.kind == HISTOGRAM_EXPLICIT) {
        h.bounds = bounds;
        h.bound_count = COUNT_OF(bounds);
        h.counts = counts;
        h.count_count = world_chance(w, 90) ? COUNT_OF(counts) : 0;
        h.has_max = world_chance(w, 50);
        h.max = 40;
    } else if (h.kind == HISTOGRAM_EXPONENTIAL) {
        h.scale = (int32_t)world_below(w, 6) - 1;
        h.zero_count = world_below(w, 3);
        h.positive_offset = (int32_t)world_below(w, 9) - 4;
        h.positive = buckets;
        h.positive_count = COUNT_OF(buckets);
        h.negative = buckets;
        h.negative_count = (uint32_t)world_below(w, 3);
    } else {
        h.bounds = quantiles;
        h.values = values;
        h.bound_count = COUNT_OF(quantiles);
    }
    buf out;
    buf_init(&out, 64 * KIB);
    histogram_encode(&h, &out);
    value v = {.is_set = true, .type = FIELD_HISTOGRAM};
    assert_true(arena_copy(w->mem, buf_span(&out), &v.text));
    buf_done(&out);
    return v;
}

static value make_value(world *w, int kind)
{
    value v = {.is_set = true};
    switch (kind) {
    case FEW_TEXTS: return text_value(w, "/route/%llu", world_below(w, 7));
    case MANY_TEXTS: return text_value(w, "user-%llu", world_below(w, 300));
    case UNIQUE_TEXTS: return text_value(w, "%016llx", check_random(&w->seed));
    case NUMBER_TEXTS: return number_text(w);
    case ODD_TEXTS: return odd_text(w);
    case FEW_INTS:
        v.type = FIELD_INT;
        v.i = (int64_t)world_below(w, 9) - 2;
        return v;
    case ANY_INTS: return any_int(w);
    case PLAIN_FLOATS:
        v.type = FIELD_FLOAT;
        v.f = (double)world_below(w, 8000) / 8 - 100;
        return v;
    case WILD_FLOATS: return wild_float(w);
    case NOT_FINITE:
        v.type = FIELD_FLOAT;
        v.f = world_chance(w, 60)   ? 0.1 * (double)world_below(w, 50)
              : world_chance(w, 50) ? NAN
              : world_chance(w, 50) ? INFINITY
                                    : -INFINITY;
        return v;
    case BOOLS:
        v.type = FIELD_BOOL;
        v.b = world_chance(w, 50);
        return v;
    case HISTOGRAMS: return a_histogram(w);
    case INT_OR_TEXT: return world_chance(w, 50) ? make_value(w, FEW_INTS) : number_text(w);
    default: return make_value(w, (int)world_below(w, ANYTHING));
    }
}

static void remember(world *w, uint32_t field, value v)
{
    uint32_t n = w->pool_count[field]++;
    uint64_t at = n < WORLD_POOL ? n : world_below(w, n * 4u);
    if (at < WORLD_POOL)
        w->pool[field][at] = v;
}

/* ---- rows ---- */

static void put_value(batch *b, const char *name, value v)
{
    uint32_t c = batch_column(b, span_text(name), v.type, NULL);
    bool ok = false;
    switch (v.type) {
    case FIELD_STRING: ok = batch_put_string(b, c, v.text); break;
    case FIELD_HISTOGRAM: ok = batch_put_code(b, c, batch_string(b, v.text)); break;
    case FIELD_INT: ok = batch_put_int(b, c, v.i); break;
    case FIELD_FLOAT: ok = batch_put_float(b, c, v.f); break;
    case FIELD_BOOL: ok = batch_put_bool(b, c, v.b); break;
    case FIELD_TYPE_COUNT: break;
    }
    assert_true(ok);
}

static void put_text(batch *b, const char *name, const char *text)
{
    put_value(b, name, (value){.is_set = true, .type = FIELD_STRING, .text = span_text(text)});
}

static void put_number(batch *b, const char *name, int64_t i)
{
    put_value(b, name, (value){.is_set = true, .type = FIELD_INT, .i = i});
}

static void put_fields(world *w, batch *b)
{
    for (uint32_t i = 0; i < world_field_count; i++) {
        if (!world_chance(w, world_fields[i].percent))
            continue;
        value v = make_value(w, world_fields[i].kind);
        put_value(b, world_fields[i].name, v);
        remember(w, i, v);
    }
}

static uint64_t value_bits(batch *b, value v)
{
    uint64_t bits = 0;
    if (v.type == FIELD_STRING || v.type == FIELD_HISTOGRAM)
        return batch_string(b, v.text);
    if (v.type == FIELD_INT)
        return (uint64_t)v.i;
    if (v.type == FIELD_BOOL)
        return v.b;
    memcpy(&bits, &v.f, sizeof bits);
    return bits;
}

static void open_ranges(world *w, batch *b, uint32_t percent)
{
    for (uint32_t i = 0; i < world_field_count; i++) {
        bool is_resource = span_is(span_text(world_fields[i].name), "host.name") ||
                           span_is(span_text(world_fields[i].name), "resource.mixed");
        if (!world_chance(w, is_resource ? percent : percent / 20))
            continue;
        value v = make_value(w, world_fields[i].kind);
        uint32_t c = batch_column(b, span_text(world_fields[i].name), v.type, NULL);
        assert_true(batch_put_range(b, c, b->row_count, BATCH_RANGE_OPEN, value_bits(b, v)));
        remember(w, i, v);
    }
}

static uint32_t begin(world *w, batch *b, const char *dataset, int64_t time_ns)
{
    uint32_t rate =
        world_chance(w, 80) ? 1 : 1 + (uint32_t)world_below(w, world_chance(w, 90) ? 20 : 1000);
    return batch_begin_row(b, time_ns, rate, batch_string(b, span_text(dataset)));
}

/* Mostly now; a few rows are hours or days late, or some minutes ahead. */
static int64_t event_time(world *w)
{
    int64_t t = w->now_ns - (int64_t)world_below(w, (uint64_t)(5 * NS_PER_S));
    if (world_chance(w, 2))
        t -= (int64_t)world_below(w, 50) * 3600 * NS_PER_S;
    if (world_chance(w, 1))
        t += (int64_t)world_below(w, 30) * 60 * NS_PER_S;
    return t;
}

/* ---- spans ---- */

static const char *const services[] = {"web", "cart", "mail", "stock"};

static void plan_span(world *w, planned_span s)
{
    if (w->pending_count < WORLD_PENDING_MAX)
        w->pending[w->pending_count++] = s;
}

static void plan_links(world *w, planned_span *s)
{
    if (strcmp(s->kind, "producer") == 0) {
        w->producer_span[w->producer_count % 4] = s->id;
        w->producer_trace[w->producer_count++ % 4] = s->trace;
        return;
    }
    bool is_consumer = strcmp(s->kind, "consumer") == 0;
    while (w->producer_count >= 4 && s->link_count < 2 && world_chance(w, is_consumer ? 60 : 3)) {
        uint64_t which = world_below(w, 4);
        s->link_span[s->link_count] = w->producer_span[which];
        s->link_trace[s->link_count++] = w->producer_trace[which];
    }
}

static void plan_trace(world *w)
{
    static const char *const kinds[] = {"server",   "client", "internal", "producer",
                                        "consumer", "client", "server",   "unspecified"};
    planned_span all[40];
    uint32_t count = 1 + (uint32_t)world_below(w, world_chance(w, 20) ? COUNT_OF(all) : 8);
    trace_id trace = {world_chance(w, 90) ? check_random(&w->seed) : 0, check_random(&w->seed) | 1};
    if (w->trace_count < WORLD_TRACES_MAX)
        w->traces[w->trace_count++] = trace;
    int64_t start = event_time(w);
    for (uint32_t i = 0; i < count; i++) {
        planned_span *s = &all[i];
        const planned_span *up = i ? &all[world_below(w, i)] : NULL;
        *s = (planned_span){
            .trace = trace, .id = w->next_id++ * 0x9e3779b97f4a7c15ull, .start_ns = start};
        s->kind = kinds[world_below(w, COUNT_OF(kinds))];
        s->service = (uint32_t)world_below(w, COUNT_OF(services));
        s->ms = (double)world_below(w, 400000) / 1000;
        s->peer = (int)world_below(w, 12);
        if (i == 0 && world_chance(w, 70))
            s->kind = "server";
        if (up) {
            s->parent = up->id;
            s->start_ns = up->start_ns + (int64_t)world_below(w, (uint64_t)(up->ms * 1e6) + 1000);
            s->service = world_chance(w, 60) ? up->service : s->service;
            if (strcmp(up->kind, "client") == 0 && strcmp(s->kind, "server") == 0 &&
                world_chance(w, 20)) {
                s->id = up->id; /* shared, as Zipkin's */
                s->parent = up->parent;
            }
            if (world_chance(w, 3))
                s->parent = 0x1234567 + world_below(w, 5); /* never stored */
        }
        if ((strcmp(s->kind, "producer") == 0 || strcmp(s->kind, "consumer") == 0) &&
            world_chance(w, 60))
            s->peer = 6;
        plan_links(w, s);
        plan_span(w, *s);
    }
}

static void put_peer(batch *b, int peer, uint32_t variant)
{
    switch (peer) {
    case 0:
        put_text(b, "db.system", "postgresql");
        put_text(b, "db.name", variant % 2 ? "shop" : "users");
        put_text(b, "server.address", "pg1");
        break;
    case 1:
        put_text(b, "db.system.name", "redis");
        if (variant % 3)
            put_text(b, "net.peer.name", "cache");
        break;
    case 2: put_text(b, "peer.service", variant % 2 ? "stock" : "billing"); break;
    case 3:
        put_text(b, "server.address", "api.example");
        if (variant % 2)
            put_number(b, "server.port", 443);
        break;
    case 4:
        put_text(b, "url.full",
                 variant % 2 ? "https://u:p@pay.example:8443/x?y#z" : "no host here");
        break;
    case 5: put_text(b, "rpc.method", variant % 2 ? "shop.Cart/Add" : "/odd"); break;
    case 6:
        if (variant % 5 == 0)
            put_text(b, "server.address", "broker");
        put_text(b, "messaging.system", "kafka");
        put_text(b, variant % 2 ? "messaging.destination.name" : "messaging.destination",
                 variant % 3 ? "orders" : "mails");
        break;
    case 7: put_text(b, "network.peer.address", "10.0.0.7"); break;
    case 8: put_text(b, "db.namespace", ""); break;
    default: break;
    }
}

static void put_duration(world *w, batch *b, double ms)
{
    value v = {.is_set = true, .type = FIELD_FLOAT, .f = ms};
    char text[32];
    if (world_chance(w, 3))
        return;
    if (world_chance(w, 5))
        v = (value){.is_set = true, .type = FIELD_INT, .i = (int64_t)ms};
    else if (world_chance(w, 2))
        v.f = -ms;
    put_value(b, F_DURATION_MS, v);
    if (world_chance(w, 2)) {
        snprintf(text, sizeof text, "%.3f", ms);
        put_text(b, F_DURATION_MS, text);
    }
}

static void put_links(world *w, batch *b, const planned_span *s, const char *dataset)
{
    char text[33];
    for (uint32_t i = 0; i < s->link_count; i++) {
        uint32_t row = begin(w, b, dataset, s->start_ns);
        b->trace_id[row] = s->trace;
        b->parent_id[row] = s->id;
        put_text(b, F_ANNOTATION_TYPE, "link");
        trace_id_print(s->link_trace[i], text);
        put_text(b, F_LINK_TRACE_ID, text);
        span_id_print(s->link_span[i], text);
        put_text(b, F_LINK_SPAN_ID, text);
    }
}

static void put_span(world *w, batch *b, const planned_span *s)
{
    const char *service = services[s->service], *dataset = world_chance(w, 95) ? service : "shop";
    if (world_chance(w, 10)) {
        uint32_t row = begin(w, b, dataset, s->start_ns + (int64_t)world_below(w, 1000000));
        b->trace_id[row] = s->trace;
        b->parent_id[row] = s->id;
        put_text(b, F_ANNOTATION_TYPE, "span_event");
        put_text(b, F_NAME, "exception");
    }
    put_links(w, b, s, dataset);
    uint32_t row = begin(w, b, dataset, s->start_ns);
    b->trace_id[row] = s->trace;
    b->span_id[row] = s->id;
    b->parent_id[row] = s->parent;
    char name[32];
    snprintf(name, sizeof name, "op-%u", (unsigned)(s->id >> 60));
    put_text(b, F_NAME, name);
    if (world_chance(w, 90))
        put_text(b, F_SERVICE_NAME, world_chance(w, 97) ? service : "  ");
    if (world_chance(w, 95))
        put_text(b, F_SPAN_KIND, s->kind);
    put_duration(w, b, s->ms);
    if (world_chance(w, 30))
        put_number(b, F_STATUS_CODE, (int64_t)world_below(w, 3));
    if (world_chance(w, 10))
        put_value(b, F_ERROR,
                  (value){.is_set = true, .type = FIELD_BOOL, .b = world_chance(w, 90)});
    else if (world_chance(w, 3))
        put_text(b, F_ERROR, world_chance(w, 50) ? "it broke" : "0");
    if (strcmp(s->kind, "client") == 0 || strcmp(s->kind, "producer") == 0 ||
        strcmp(s->kind, "consumer") == 0)
        put_peer(b, s->peer, (uint32_t)(s->id >> 32 & 0xff));
    if (world_chance(w, 1))
        put_text(b, F_PARENT_ID, "not an id");
    put_fields(w, b);
}

static void put_log(world *w, batch *b)
{
    uint32_t row = begin(w, b,
                         world_chance(w, 60)   ? "web"
                         : world_chance(w, 50) ? "shop"
                                               : "unknown_log_source",
                         event_time(w));
    if (w->trace_count && world_chance(w, 40)) {
        b->trace_id[row] = w->traces[world_below(w, w->trace_count)];
        b->parent_id[row] = check_random(&w->seed) | 1;
        put_text(b, F_ANNOTATION_TYPE, "span_event");
    }
    put_text(b, F_BODY, world_chance(w, 50) ? "request done" : "connection refused by 10.0.0.7");
    put_text(b, F_SEVERITY, world_chance(w, 80) ? "info" : "error");
    put_fields(w, b);
}

static void put_metric(world *w, batch *b)
{
    static const int kinds[] = {FEW_INTS, PLAIN_FLOATS, HISTOGRAMS};
    begin(w, b,
          world_chance(w, 80)   ? "metrics"
          : world_chance(w, 50) ? "more.metrics"
                                : "web",
          event_time(w));
    put_text(b, F_METRIC_NAME, world_chance(w, 50) ? "requests" : "latency");
    put_value(b, F_METRIC_VALUE, make_value(w, kinds[world_below(w, COUNT_OF(kinds))]));
    put_fields(w, b);
}

/* ---- batches ---- */

static void put_item(world *w, batch *b)
{
    if (b->family == FAMILY_LOG) {
        put_log(w, b);
    } else if (b->family == FAMILY_METRIC) {
        put_metric(w, b);
    } else {
        while (w->pending_count < 20)
            plan_trace(w);
        uint32_t i = (uint32_t)world_below(w, world_chance(w, 70) ? 10 : w->pending_count);
        planned_span s = w->pending[i];
        memmove(&w->pending[i], &w->pending[i + 1], (--w->pending_count - i) * sizeof s);
        put_span(w, b, &s);
    }
}

static void make_batch(world *w, uint32_t row_max)
{
    uint32_t r = (uint32_t)world_below(w, 100);
    batch *b = batch_new(r < 65 ? FAMILY_TRACE : r < 85 ? FAMILY_LOG : FAMILY_METRIC, BATCH_CAP);
    assert_non_null(b);
    while (b->row_count < row_max) {
        uint32_t resource = batch_open_ranges(b);
        open_ranges(w, b, 60);
        for (uint64_t scopes = 1 + world_below(w, 3); scopes > 0; scopes--) {
            uint32_t scope = batch_open_ranges(b);
            open_ranges(w, b, 20);
            for (uint64_t items = 1 + world_below(w, 40); items > 0 && b->row_count < row_max;
                 items--)
                put_item(w, b);
            batch_close_ranges(b, scope);
        }
        batch_close_ranges(b, resource);
    }
    assert_true(batch_freeze(b));
    b->arrival_ns = w->now_ns;
    world_batch *to = &w->batches[w->batch_count++];
    *to = (world_batch){
        .environment = world_chance(w, 92) ? 1 : 2, .family = b->family, .arrival_ns = w->now_ns};
    buf_init(&to->bytes, BATCH_CAP);
    err e = {0};
    check_ok(batch_encode(b, &to->bytes, &e), &e);
    w->row_count += b->row_count;
    batch_free(b);
}

/* The same events once more, later: a sender's own repeat. */
static void repeat_batch(world *w)
{
    const world_batch *from = &w->batches[world_below(w, w->batch_count)];
    world_batch *to = &w->batches[w->batch_count++];
    *to = *from;
    buf_init(&to->bytes, BATCH_CAP);
    buf_add_span(&to->bytes, buf_span(&from->bytes));
    assert_false(to->bytes.failed);
}

void world_make(world *w, uint64_t seed, uint32_t row_count)
{
    *w = (world){.seed = seed, .next_id = 1};
    w->mem = arena_new(1 * GIB);
    assert_non_null(w->mem);
    /* 2023-11-14 22:13:20 UTC, and up to two hours later: some worlds straddle midnight. */
    w->start_ns = (1700000000 + (int64_t)world_below(w, 7200)) * NS_PER_S;
    w->now_ns = w->start_ns;
    world_extend(w, 0, row_count);
}

void world_extend(world *w, int64_t pause_ns, uint32_t row_count)
{
    uint32_t rows = w->row_count + row_count;
    w->now_ns += pause_ns;
    if (pause_ns)
        w->pending_count = 0; /* what was not sent by then is lost */
    while (w->row_count < rows && w->batch_count < WORLD_BATCHES_MAX - 1) {
        w->now_ns += (int64_t)world_below(w, (uint64_t)(60 * NS_PER_S));
        make_batch(w, 1 + (uint32_t)world_below(w, world_chance(w, 20) ? 400 : 60));
        if (world_chance(w, 6))
            repeat_batch(w);
    }
}

void world_done(world *w)
{
    for (uint32_t i = 0; i < w->batch_count; i++)
        buf_done(&w->batches[i].bytes);
    arena_free(w->mem);
}

batch *world_open(const world *w, uint32_t i)
{
    err e = {0};
    batch *b = NULL;
    check_ok(batch_decode(buf_span(&w->batches[i].bytes), BATCH_CAP, &b, &e), &e);
    b->arrival_ns = w->batches[i].arrival_ns;
    return b;
}
