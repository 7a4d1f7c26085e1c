/*
 * cli/load/shape_a.c: makes load A. Called by cli/load/shape.c. A trace is a random tree of 1 to 21 spans; a span's service
 * follows from its parent's, so that the map of services is not complete. Every service is one sender.
 */
#include <stdio.h>

#include "cli/demo/random.h"
#include "cli/load/shape.h"

#define SERVICES 14u
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
    load_packer packer;
} generator;

typedef struct tree_part {
    uint64_t id, parent;
    uint32_t service;
    int64_t start_ns, duration_ns;
} tree_part;

static void put_resource(void *ctx, uint32_t service, buf *out)
{
    generator *g = ctx;
    char instance[48];
    snprintf(instance, sizeof instance, "%s-%u", service_names[service], dice_below(&g->d, 4));
    put_text(out, 1, "service.name", service_names[service]);
    put_text(out, 1, "service.instance.id", instance);
    put_text(out, 1, "deployment.environment.name", "production");
    put_text(out, 1, "telemetry.sdk.language", "go");
}

/* Zipf with exponent 1 by inversion: rank ~ N^u. */
static uint32_t zipf_user(dice *d)
{
    return (uint32_t)pow(LOAD_USERS, dice_unit(d)) - 1;
}

static void put_fields(generator *g, buf *out, uint32_t user, bool is_error)
{
    dice *d = &g->d;
    char text[64];
    put_text(out, 9, "http.request.method", methods[dice_below(d, COUNT_OF(methods))]);
    put_text(out, 9, "http.route", routes[dice_below(d, COUNT_OF(routes))]);
    put_int(out, 9, "http.response.status_code", is_error ? 500 : dice_chance(d, 0.04) ? 404 : 200);
    snprintf(text, sizeof text, "user-%06u", user);
    put_text(out, 9, "user.id", text);
    put_text(out, 9, "app.country", countries[user % COUNT_OF(countries)]);
    put_text(out, 9, "server.address", "10.0.0.7");
    put_int(out, 9, "thread.id", 1 + dice_below(d, 32));
    put_int(out, 9, "http.response.body.size", (int64_t)dice_latency(d, 4000, 0.8));
    put_text(out, 9, "db.system.name", "postgresql");
    put_text(out, 9, "db.query.text", statements[dice_below(d, COUNT_OF(statements))]);
    put_text(out, 9, "k8s.pod.name", service_names[dice_below(d, SERVICES)]);
    put_int(out, 9, "app.retries", dice_chance(d, 0.02));
    if (dice_chance(d, 0.6)) {
        snprintf(text, sizeof text, "%016llx", (unsigned long long)dice_u64(d));
        put_text(out, 9, "app.request_id", text);
        put_double(out, 9, "app.score", dice_unit(d));
    }
}

static void put_span(generator *g, const tree_part *p, uint64_t trace_hi, uint64_t trace_lo,
                     uint32_t user)
{
    buf *out = pack_begin(&g->packer, p->service, p->start_ns);
    bool is_error = dice_chance(&g->d, 0.02);
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
    pack_end(&g->packer, p->service);
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

sk_code load_generate_a(const load_plan *plan, load_sink sink, err *e)
{
    generator g = {.d.state = plan->seed};
    g.packer = (load_packer){.sink = sink, .put_resource = put_resource, .ctx = &g};
    sk_code code = pack_init(&g.packer, SERVICES, e);
    if (code != SK_OK)
        return code;
    for (uint64_t made = 0; made < plan->items && g.packer.code == SK_OK;)
        made += put_trace(&g, plan->start_ns + (int64_t)((double)plan->window_ns * (double)made /
                                                         (double)plan->items));
    code = pack_finish(&g.packer, e);
    pack_done(&g.packer);
    return code;
}
