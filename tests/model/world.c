/*
 * tests/model/world.c: see world.h.
 */
#include "world.h"

#include "base/clock.h"
#include "event/codec.h"
#include "event/fields.h"

#define BATCH_CAP (64 * MIB)

uint64_t world_below(world *w, uint64_t limit)
{
    return check_random(&w->seed) % limit;
}

bool world_chance(world *w, uint32_t percent)
{
    return world_below(w, 100) < percent;
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
        if (world_fields[i].kind == OF_THE_MAPPING || !world_chance(w, world_fields[i].percent))
            continue;
        value v = world_value(w, world_fields[i].kind);
        put_value(b, world_fields[i].name, v);
        world_remember(w, i, v);
    }
}

/* Values of the mapping's fields, from a few rows. */
static void remember_mapped(world *w, const batch *b)
{
    for (uint32_t i = 0; i < world_field_count; i++) {
        if (world_fields[i].kind != OF_THE_MAPPING)
            continue;
        for (int look = 0; look < 4; look++) {
            uint32_t row = (uint32_t)world_below(w, b->row_count);
            value v = batch_get(b, span_text(world_fields[i].name), row, w->mem);
            if (v.is_set && v.type == FIELD_STRING && v.text.len)
                assert_true(arena_copy(w->mem, v.text, &v.text));
            if (v.is_set && v.type != FIELD_HISTOGRAM)
                world_remember(w, i, v);
        }
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
        if (world_fields[i].kind == OF_THE_MAPPING ||
            !world_chance(w, is_resource ? percent : percent / 20))
            continue;
        value v = world_value(w, world_fields[i].kind);
        uint32_t c = batch_column(b, span_text(world_fields[i].name), v.type, NULL);
        assert_true(batch_put_range(b, c, b->row_count, BATCH_RANGE_OPEN, value_bits(b, v)));
        world_remember(w, i, v);
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

/* A few traces have further roots, spans that are their own parents, or circles of them. */
static void tangle(world *w, planned_span *all, uint32_t count)
{
    planned_span *some = &all[world_below(w, count)];
    if (world_chance(w, 5))
        some->parent = 0;
    else if (world_chance(w, 3))
        some->parent = some->id;
    else if (world_chance(w, 5))
        some->parent = all[count - 1].id;
    if (world_chance(w, 5))
        some->start_ns = all[0].start_ns;
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
            if (world_chance(w, 6))                        /* clocks disagree */
                s->start_ns = up->start_ns - (int64_t)world_below(w, 3000000);
            if (world_chance(w, 8))
                s->start_ns = up->start_ns;
            if (world_chance(w, 2))
                s->id = all[world_below(w, i)].id;
        }
        if ((strcmp(s->kind, "producer") == 0 || strcmp(s->kind, "consumer") == 0) &&
            world_chance(w, 60))
            s->peer = 6;
        plan_links(w, s);
    }
    tangle(w, all, count);
    for (uint32_t i = 0; i < count; i++)
        plan_span(w, all[i]);
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
    if (world_chance(w, 20))
        put_text(b, F_SERVICE_INSTANCE, s->id & 64 ? "one" : "two");
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

/* A line as services write them: its row's time and ids in it, of few kinds, with numbers and words that differ. */
static void put_line(world *w, batch *b, uint32_t row)
{
    static const char *const ends[] = {"GET /items done with status %u after %u ms",
                                       "connection refused by 10.0.%u.7, tried %u times",
                                       "order-%u.%u has been seen before",
                                       "\1%u\3\x08 and %u of no kind that others have"};
    char line[400], time[36], trace[33], span_id[17];
    clock_print_rfc3339(b->time_ns[row] + (world_chance(w, 5) ? NS_PER_S : 0), time);
    size_t trace_len = trace_id_print(b->trace_id[row], trace);
    span_id_print(b->parent_id[row], span_id);
    int len = snprintf(line, sizeof line, "%.*s %s [%.*s,%s] ", world_chance(w, 70) ? 23 : 10, time,
                       world_chance(w, 80) ? "INFO" : "WARN", (int)trace_len, trace, span_id);
    len += snprintf(line + len, sizeof line - (size_t)len, ends[world_below(w, COUNT_OF(ends))],
                    (unsigned)world_below(w, 300), (unsigned)world_below(w, 20));
    if (world_chance(w, 20))
        snprintf(line + len, sizeof line - (size_t)len, " user %08x-0a1b-4c2d-8e3f-%012x",
                 (unsigned)world_below(w, 40) * 2654435761u, (unsigned)world_below(w, 9));
    put_text(b, F_BODY, line);
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
    if (world_chance(w, 25))
        put_line(w, b, row);
    else
        put_text(b, F_BODY,
                 world_chance(w, 50) ? "request done" : "connection refused by 10.0.0.7");
    put_text(b, F_SEVERITY, world_chance(w, 80) ? "info" : "error");
    put_fields(w, b);
}

static void put_metric(world *w, batch *b)
{
    static const value_kind kinds[] = {FEW_INTS, PLAIN_FLOATS, HISTOGRAMS};
    begin(w, b,
          world_chance(w, 80)   ? "metrics"
          : world_chance(w, 50) ? "more.metrics"
                                : "web",
          event_time(w));
    put_text(b, F_METRIC_NAME, world_chance(w, 50) ? "requests" : "latency");
    put_value(b, F_METRIC_VALUE, world_value(w, kinds[world_below(w, COUNT_OF(kinds))]));
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
    uint32_t r = w->has_spans_alone ? 0 : (uint32_t)world_below(w, 100);
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
    remember_mapped(w, b);
    world_batch *to = &w->batches[w->batch_count++];
    *to = (world_batch){
        .environment = world_chance(w, 92) ? 1 : 2, .family = b->family, .arrival_ns = w->now_ns};
    buf_init(&to->bytes, BATCH_CAP);
    err e = {0};
    check_ok(batch_encode(b, &to->bytes, &e), &e);
    w->row_count += b->row_count;
    batch_free(b);
}

/* The same events once more, later: a sender's own repeat of a batch not older than `first`. */
static void repeat_batch(world *w, uint32_t first)
{
    const world_batch *from = &w->batches[first + world_below(w, w->batch_count - first)];
    world_batch *to = &w->batches[w->batch_count++];
    *to = *from;
    buf_init(&to->bytes, BATCH_CAP);
    buf_add_span(&to->bytes, buf_span(&from->bytes));
    assert_false(to->bytes.failed);
}

void world_make(world *w, uint64_t seed, uint32_t row_count, bool has_spans_alone)
{
    *w = (world){.seed = seed,
                 .next_id = 1,
                 .scale = 1 + row_count / 8000,
                 .has_spans_alone = has_spans_alone};
    w->mem = arena_new(1 * GIB);
    assert_non_null(w->mem);
    /* 2023-11-14 22:13:20 UTC, and up to two hours later: some worlds straddle midnight. */
    w->start_ns = (1700000000 + (int64_t)world_below(w, 7200)) * NS_PER_S;
    w->now_ns = w->start_ns;
    world_extend(w, 0, row_count);
}

void world_extend(world *w, int64_t pause_ns, uint32_t row_count)
{
    uint32_t rows = w->row_count + row_count, first = w->batch_count;
    w->now_ns += pause_ns;
    if (pause_ns)
        w->pending_count = 0; /* what was not sent by then is lost */
    while (w->row_count < rows && w->batch_count < WORLD_BATCHES_MAX - 1) {
        w->now_ns += (int64_t)world_below(w, (uint64_t)(60 * NS_PER_S));
        uint64_t size = world_chance(w, 20) ? 400 : 60;
        make_batch(w, 1 + (uint32_t)world_below(w, size * w->scale));
        if (world_chance(w, 6))
            repeat_batch(w, first);
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
