/*
 * cli/load/shape.c: makes load A. Called by the `load` command before it starts its clock. A trace is a random tree of 1 to
 * 21 spans; a span's service follows from its parent's, so that the map of services is not complete. Spans wait per service
 * until 512 are there: one request.
 */
#include "cli/load/shape.h"

#include <stdio.h>

#include "base/alloc.h"
#include "cli/demo/random.h"
#include "wire/protobuf.h"

#define SERVICES 14u
#define USERS    200000u
#define TREE_MAX 21u

static const char *const service_names[SERVICES] = {
    "edge",     "auth",    "profile", "search",   "catalog", "cart",  "orders",
    "payments", "billing", "stock",   "shipping", "mailer",  "media", "audit"};
static const char *const routes[] = {"/",           "/items",       "/items/{id}", "/cart",
                                     "/orders",     "/orders/{id}", "/login",      "/search",
                                     "/media/{id}", "/account"};
static const char *const methods[] = {"GET", "GET", "GET", "POST", "PUT"};
static const char *const countries[] = {"de", "fr", "us", "br", "in", "jp",
                                        "nl", "za", "gb", "it", "es", "pl"};
static const char *const statements[] = {
    "SELECT * FROM items WHERE id = $1",
    "SELECT id, total FROM orders WHERE user_id = $1 ORDER BY created DESC LIMIT 20",
    "UPDATE stock SET reserved = reserved + 1 WHERE sku = $1",
    "INSERT INTO audit (who, what) VALUES ($1, $2)"};

typedef struct generator {
    dice d;
    load_bodies *out;
    load_body open[SERVICES];
    size_t group[SERVICES], scope[SERVICES];
    bool is_short;
} generator;

typedef struct tree_part {
    uint64_t id, parent;
    uint32_t service;
    int64_t start_ns, duration_ns;
} tree_part;

static void put_text(buf *out, const char *key, const char *text)
{
    size_t pair = pb_begin(out, 9);
    pb_put_bytes(out, 1, span_text(key));
    size_t any = pb_begin(out, 2);
    pb_put_bytes(out, 1, span_text(text));
    pb_finish(out, any);
    pb_finish(out, pair);
}

static void put_int(buf *out, const char *key, int64_t v)
{
    size_t pair = pb_begin(out, 9);
    pb_put_bytes(out, 1, span_text(key));
    size_t any = pb_begin(out, 2);
    pb_put_var(out, 3, (uint64_t)v);
    pb_finish(out, any);
    pb_finish(out, pair);
}

static void put_double(buf *out, const char *key, double v)
{
    size_t pair = pb_begin(out, 9);
    pb_put_bytes(out, 1, span_text(key));
    size_t any = pb_begin(out, 2);
    pb_put_double(out, 4, v);
    pb_finish(out, any);
    pb_finish(out, pair);
}

static void put_resource_text(buf *out, const char *key, const char *text)
{
    size_t pair = pb_begin(out, 1);
    pb_put_bytes(out, 1, span_text(key));
    size_t any = pb_begin(out, 2);
    pb_put_bytes(out, 1, span_text(text));
    pb_finish(out, any);
    pb_finish(out, pair);
}

static void open_body(generator *g, uint32_t service)
{
    buf *out = &g->open[service].bytes;
    char instance[48];
    buf_init(out, 4 * MIB);
    g->group[service] = pb_begin(out, 1);
    size_t resource = pb_begin(out, 1);
    snprintf(instance, sizeof instance, "%s-%u", service_names[service], dice_below(&g->d, 4));
    put_resource_text(out, "service.name", service_names[service]);
    put_resource_text(out, "service.instance.id", instance);
    put_resource_text(out, "deployment.environment.name", "production");
    put_resource_text(out, "telemetry.sdk.language", "go");
    pb_finish(out, resource);
    g->scope[service] = pb_begin(out, 2);
    size_t scope = pb_begin(out, 1);
    pb_put_bytes(out, 1, SPAN("load"));
    pb_finish(out, scope);
}

static void close_body(generator *g, uint32_t service)
{
    load_body *body = &g->open[service];
    pb_finish(&body->bytes, g->scope[service]);
    pb_finish(&body->bytes, g->group[service]);
    load_bodies *all = g->out;
    if (body->bytes.failed ||
        !base_reserve(&all->bodies, &all->capacity, all->count + 1, sizeof *all->bodies)) {
        g->is_short = true;
        buf_done(&body->bytes);
    } else {
        all->spans += body->spans;
        all->bodies[all->count++] = *body;
    }
    *body = (load_body){0};
}

/* Zipf with exponent 1 by inversion: rank ~ N^u. */
static uint32_t zipf_user(dice *d)
{
    return (uint32_t)pow(USERS, dice_unit(d)) - 1;
}

static void put_fields(generator *g, buf *out, uint32_t user, bool is_error)
{
    dice *d = &g->d;
    char text[64];
    put_text(out, "http.request.method", methods[dice_below(d, COUNT_OF(methods))]);
    put_text(out, "http.route", routes[dice_below(d, COUNT_OF(routes))]);
    put_int(out, "http.response.status_code", is_error ? 500 : dice_chance(d, 0.04) ? 404 : 200);
    snprintf(text, sizeof text, "user-%06u", user);
    put_text(out, "user.id", text);
    put_text(out, "app.country", countries[user % COUNT_OF(countries)]);
    put_text(out, "server.address", "10.0.0.7");
    put_int(out, "thread.id", 1 + dice_below(d, 32));
    put_int(out, "http.response.body.size", (int64_t)dice_latency(d, 4000, 0.8));
    put_text(out, "db.system.name", "postgresql");
    put_text(out, "db.query.text", statements[dice_below(d, COUNT_OF(statements))]);
    put_text(out, "k8s.pod.name", service_names[dice_below(d, SERVICES)]);
    put_int(out, "app.retries", dice_chance(d, 0.02));
    if (dice_chance(d, 0.6)) {
        snprintf(text, sizeof text, "%016llx", (unsigned long long)dice_u64(d));
        put_text(out, "app.request_id", text);
        put_double(out, "app.score", dice_unit(d));
    }
}

static void put_id(buf *out, uint32_t field, uint64_t hi, uint64_t lo, size_t len)
{
    uint8_t bytes[16];
    for (size_t i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(hi >> (56 - 8 * i));
        bytes[8 + i] = (uint8_t)(lo >> (56 - 8 * i));
    }
    pb_put_bytes(out, field, span_of(bytes + 16 - len, len));
}

static void put_span(generator *g, const tree_part *p, uint64_t trace_hi, uint64_t trace_lo,
                     uint32_t user)
{
    load_body *body = &g->open[p->service];
    if (!body->bytes.at)
        open_body(g, p->service);
    buf *out = &body->bytes;
    bool is_error = dice_chance(&g->d, 0.02);
    size_t message = pb_begin(out, 2);
    put_id(out, 1, trace_hi, trace_lo, 16);
    put_id(out, 2, 0, p->id, 8);
    if (p->parent)
        put_id(out, 4, 0, p->parent, 8);
    char name[48];
    snprintf(name, sizeof name, "%s.call%u", service_names[p->service], (unsigned)(p->id % 7));
    pb_put_bytes(out, 5, span_text(name));
    pb_put_var(out, 6, p->parent ? 2 + p->id % 2 : 2);
    pb_put_i64(out, 7, (uint64_t)p->start_ns);
    pb_put_i64(out, 8, (uint64_t)(p->start_ns + p->duration_ns));
    put_fields(g, out, user, is_error);
    if (is_error) {
        size_t status = pb_begin(out, 15);
        pb_put_var(out, 3, 2);
        pb_finish(out, status);
    }
    pb_finish(out, message);
    if (++body->spans == LOAD_SPANS_PER_BODY)
        close_body(g, p->service);
}

static uint32_t put_trace(generator *g, int64_t start_ns)
{
    dice *d = &g->d;
    tree_part parts[TREE_MAX];
    uint32_t count = 1 + dice_below(d, TREE_MAX), user = zipf_user(d);
    uint64_t hi = dice_u64(d), lo = dice_u64(d);
    for (uint32_t i = 0; i < count; i++) {
        const tree_part *parent = i ? &parts[dice_below(d, i)] : NULL;
        int64_t within = parent ? parent->duration_ns : (int64_t)(dice_latency(d, 60e6, 0.9));
        parts[i] =
            (tree_part){.id = dice_u64(d) | 1,
                        .parent = parent ? parent->id : 0,
                        .service = parent ? (parent->service + dice_below(d, 3)) % SERVICES : 0};
        parts[i].duration_ns =
            parent ? (int64_t)((double)within * (0.1 + 0.8 * dice_unit(d))) : within;
        parts[i].start_ns =
            parent ? parent->start_ns +
                         (int64_t)((double)(within - parts[i].duration_ns) * dice_unit(d))
                   : start_ns;
        put_span(g, &parts[i], hi, lo, user);
    }
    return count;
}

sk_code load_generate(uint64_t seed, uint64_t spans, int64_t window_ns, load_bodies *ret, err *e)
{
    *ret = (load_bodies){0};
    generator *g = base_alloc_zero(1, sizeof *g);
    if (!g)
        return err_set(e, SK_NO_MEMORY, "out of memory");
    g->d.state = seed;
    g->out = ret;
    for (uint64_t made = 0; made < spans && !g->is_short;)
        made += put_trace(g, LOAD_BASE_NS +
                                 (int64_t)((double)window_ns * (double)made / (double)spans));
    for (uint32_t i = 0; i < SERVICES; i++)
        if (g->open[i].bytes.at)
            close_body(g, i);
    bool is_short = g->is_short;
    base_free(g);
    if (is_short) {
        load_bodies_done(ret);
        return err_set(e, SK_NO_MEMORY, "out of memory");
    }
    return SK_OK;
}

void load_bodies_done(load_bodies *b)
{
    for (uint32_t i = 0; i < b->count; i++)
        buf_done(&b->bodies[i].bytes);
    base_free(b->bodies);
    *b = (load_bodies){0};
}
