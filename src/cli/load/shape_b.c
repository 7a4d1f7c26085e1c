/*
 * cli/load/shape_b.c: makes load B: a span of each call in real call trees, with seven attributes of its resource and fifteen of
 * its own. Called by cli/load/shape.c. Attributes repeat as they do in life: a user, tenant and order belong to a trace, a
 * thread to a trace's visit of a service, a statement to an operation.
 */
#include <stdio.h>

#include "base/alloc.h"
#include "cli/demo/random.h"
#include "cli/load/flow.h"
#include "cli/load/words.h"

#define SENDERS     (TREE_SERVICES_MAX * FLOW_PODS)
#define RARE_CHANCE 0.0005 /* of a span to carry an experiment's name */

static const char *const countries[] = {"de", "fr", "us", "br", "in", "jp",
                                        "nl", "za", "gb", "it", "es", "pl"};
static const char *const agents[] = {
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 "
    "Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:141.0) Gecko/20100101 Firefox/141.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 Version/18.6 "
    "Mobile/15E148 Safari/604.1",
    "okhttp/4.12.0",
    "python-requests/2.32.4",
    "example-app/5.2 (Android 15)"};
static const char *const channels[] = {"stable", "stable", "stable", "beta"};

typedef struct generator {
    load_packer packer;
    const load_plan *plan;
    op_words words[WORDS_OPS_MAX];
} generator;

static void print_pod(uint32_t sender, char *out, size_t size)
{
    uint32_t service = sender / FLOW_PODS, pod = sender % FLOW_PODS;
    snprintf(out, size, "%s-%08x-%05x", words_service(service), 0x9e3779b9u * (service + 1),
             (service * 77u + pod * 40503u) & 0xfffffu);
}

static void put_resource(void *ctx, uint32_t sender, buf *out)
{
    static const char *const languages[] = {"java", "go", "nodejs", "python", "dotnet"};
    uint32_t service = sender / FLOW_PODS;
    char pod[64], node[32], version[16];
    print_pod(sender, pod, sizeof pod);
    snprintf(node, sizeof node, "node-%02u", sender * 7u % 11u);
    snprintf(version, sizeof version, "%u.%u.%u", 1 + service % 4, service % 13, service % 7);
    put_text(out, 1, "service.name", words_service(service));
    put_text(out, 1, "service.version", version);
    put_text(out, 1, "k8s.pod.name", pod);
    put_text(out, 1, "k8s.node.name", node);
    put_text(out, 1, "k8s.namespace.name", "shop");
    put_text(out, 1, "deployment.environment.name", "production");
    put_text(out, 1, "telemetry.sdk.language", languages[service % COUNT_OF(languages)]);
}

static void put_common(buf *out, const flow_span *s, const op_words *w)
{
    char text[48];
    snprintf(text, sizeof text, "user-%06u", s->user);
    put_text(out, 9, "user.id", text);
    put_text(out, 9, "app.country", countries[s->user % COUNT_OF(countries)]);
    snprintf(text, sizeof text, "tenant-%02u", s->user * 2654435761u >> 26);
    put_text(out, 9, "app.tenant", text);
    put_text(out, 9, "app.channel", channels[(s->user / 16) % COUNT_OF(channels)]);
    put_int(out, 9, "thread.id", s->thread);
    snprintf(text, sizeof text, "exec-%u", s->thread);
    put_text(out, 9, "thread.name", text);
    put_text(out, 9, "code.function.name", w->code);
    put_int(out, 9, "app.retries", s->is_retry);
}

static void print_path(const flow_span *s, const op_words *w, char *out, size_t size)
{
    if (w->has_id)
        snprintf(out, size, "%.*s%06u", (int)(strlen(w->route) - 4), w->route, s->order);
    else
        snprintf(out, size, "%s", w->route);
}

static void put_http_server(buf *out, const flow_span *s, const op_words *w, dice *d)
{
    char path[80];
    print_path(s, w, path, sizeof path);
    put_text(out, 9, "http.request.method", w->verb);
    put_text(out, 9, "http.route", w->route);
    put_text(out, 9, "url.path", path);
    put_text(out, 9, "url.scheme", "https");
    put_int(out, 9, "http.response.status_code",
            s->is_error            ? 500
            : dice_chance(d, 0.02) ? 404
                                   : 200);
    put_int(out, 9, "http.response.body.size", (int64_t)dice_latency(d, 2400, 0.8));
    put_text(out, 9, "user_agent.original", agents[s->user % COUNT_OF(agents)]);
}

static void put_http_client(buf *out, const flow_span *s, const op_words *w, dice *d)
{
    char path[80], url[160], host[64];
    print_path(s, w, path, sizeof path);
    snprintf(host, sizeof host, "%s.shop.svc", w->peer);
    snprintf(url, sizeof url, "http://%s:8080%s", host, path);
    put_text(out, 9, "http.request.method", w->verb);
    put_text(out, 9, "url.full", url);
    put_text(out, 9, "server.address", host);
    put_int(out, 9, "server.port", 8080);
    put_int(out, 9, "http.response.status_code",
            s->is_error            ? 500
            : dice_chance(d, 0.02) ? 404
                                   : 200);
    put_text(out, 9, "network.protocol.version", "1.1");
    put_int(out, 9, "http.request.resend_count", s->is_retry);
}

static void put_rpc(buf *out, const flow_span *s, const op_words *w)
{
    char host[64];
    snprintf(host, sizeof host, "%s.shop.svc", w->peer);
    put_text(out, 9, "rpc.system", "grpc");
    put_text(out, 9, "rpc.service", w->rpc_service);
    put_text(out, 9, "rpc.method", w->method);
    put_int(out, 9, "rpc.grpc.status_code", s->is_error ? 14 : 0);
    put_text(out, 9, "server.address", host);
    put_int(out, 9, "server.port", 9090);
    put_text(out, 9, "network.transport", "tcp");
}

static void put_database(buf *out, const flow_span *s, const op_words *w, dice *d)
{
    char host[64];
    snprintf(host, sizeof host, "%s-db.shop.svc", words_service(s->sender / FLOW_PODS));
    put_text(out, 9, "db.system.name", "mysql");
    put_text(out, 9, "db.namespace", words_service(s->sender / FLOW_PODS));
    put_text(out, 9, "db.operation.name", w->verb);
    put_text(out, 9, "db.collection.name", w->table);
    put_text(out, 9, "db.query.text", w->statement);
    put_text(out, 9, "server.address", host);
    put_int(out, 9, "db.response.returned_rows", (int64_t)(dice_latency(d, 3, 1.2)));
}

static void put_internal(buf *out, const flow_span *s, const op_words *w, dice *d)
{
    put_text(out, 9, "app.component", w->table);
    put_text(out, 9, "app.step", w->method);
    put_int(out, 9, "code.line.number", 40 + s->op * 37 % 400);
    put_bool(out, 9, "app.cache.hit", dice_chance(d, 0.7));
    put_int(out, 9, "app.shard", s->order % 16);
    put_text(out, 9, "app.region", "eu-central-1");
    put_text(out, 9, "app.pool", "default");
}

static void put_messaging(buf *out, const flow_span *s, const op_words *w)
{
    put_text(out, 9, "messaging.system", "rabbitmq");
    put_text(out, 9, "messaging.destination.name", w->table);
    put_text(out, 9, "messaging.operation.name", w->method);
    put_int(out, 9, "messaging.message.body.size", 220 + s->order % 64);
    put_text(out, 9, "server.address", "rabbitmq.shop.svc");
    put_int(out, 9, "server.port", 5672);
    put_text(out, 9, "network.protocol.name", "amqp");
}

/* OTLP's kind: 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
static uint64_t put_kind_fields(buf *out, const flow_span *s, const op_words *w, dice *d)
{
    switch ((tree_kind)tree_ops[s->op].kind) {
    case TREE_HTTP_SERVER: put_http_server(out, s, w, d); return 2;
    case TREE_HTTP_CLIENT: put_http_client(out, s, w, d); return 3;
    case TREE_RPC_SERVER: put_rpc(out, s, w); return 2;
    case TREE_RPC_CLIENT: put_rpc(out, s, w); return 3;
    case TREE_DATABASE: put_database(out, s, w, d); return 3;
    case TREE_PRODUCER: put_messaging(out, s, w); return 4;
    case TREE_CONSUMER: put_messaging(out, s, w); return 5;
    case TREE_INTERNAL: break;
    }
    put_internal(out, s, w, d);
    return 1;
}

static void put_span(void *ctx, const flow_span *s)
{
    generator *g = ctx;
    dice d = {s->seed};
    const op_words *w = &g->words[s->op];
    buf *out = pack_begin(&g->packer, s->sender, s->ready_ns);
    put_id(out, 1, s->trace_hi, s->trace_lo, 16);
    put_id(out, 2, 0, s->id, 8);
    if (s->parent)
        put_id(out, 4, 0, s->parent, 8);
    pb_put_bytes(out, 5, span_text(w->name));
    pb_put_i64(out, 7, (uint64_t)s->start_ns);
    pb_put_i64(out, 8, (uint64_t)s->end_ns);
    put_common(out, s, w);
    pb_put_var(out, 6, put_kind_fields(out, s, w, &d));
    if (dice_chance(&d, RARE_CHANCE)) {
        char text[32];
        snprintf(text, sizeof text, "variant-%u", dice_below(&d, 5));
        put_text(out, 9, "app.experiment", text);
    }
    if (s->is_error) {
        size_t status = pb_begin(out, 15);
        pb_put_bytes(out, 2, SPAN("upstream request failed"));
        pb_put_var(out, 3, 2);
        pb_finish(out, status);
    }
    pack_end(&g->packer, s->sender);
}

static bool is_over(void *ctx)
{
    return ((generator *)ctx)->packer.code != SK_OK;
}

sk_code load_generate_b(const load_plan *plan, load_sink sink, err *e)
{
    generator *g = base_alloc_zero(1, sizeof *g);
    if (!g)
        return err_set(e, SK_NO_MEMORY, "out of memory");
    g->plan = plan;
    g->packer = (load_packer){.sink = sink, .put_resource = put_resource, .ctx = g};
    for (uint32_t i = 0; i < tree_op_count && i < WORDS_OPS_MAX; i++)
        words_of_op(i, &g->words[i]);
    sk_code code = pack_init(&g->packer, SENDERS, e);
    flow f = {plan, 1, put_span, is_over, g};
    if (code == SK_OK)
        code = flow_run(&f, e);
    sk_code packed = pack_finish(&g->packer, e);
    pack_done(&g->packer);
    base_free(g);
    return code != SK_OK ? code : packed;
}
