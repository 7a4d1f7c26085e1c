/*
 * cli/demo/visit.c: walks the rows of shop.c from a visitor's request down, adding a span per step. Time is simulated: a
 * step's own work, the network, and what the planted fault does to either. Called by the demo command.
 */
#include "cli/demo/visit.h"

#include <stdio.h>

typedef struct walk {
    visit *out;
    dice *d;
    const fault *f;
    uint64_t trace_hi, trace_lo;
    char user[16];
    const char *country, *tier, *card, *agent;
    uint32_t product, order;
} walk;

typedef struct place {
    shop_service service;
    uint32_t pod;
    uint64_t span_id;
} place;

static bool is_on(const walk *w, fault_kind kind, int64_t at_ns)
{
    return w->f->kind == kind && at_ns >= w->f->from_ns;
}

static step *add_step(walk *w, place at, uint64_t parent, span_kind kind, const char *name,
                      int64_t start_ns)
{
    if (w->out->count == VISIT_STEPS_MAX)
        return NULL;
    step *s = &w->out->steps[w->out->count++];
    bool is_deployed = w->f->kind == FAULT_BAD_DEPLOY || w->f->kind == FAULT_N_PLUS_ONE
                           ? at.service == w->f->service
                           : false;
    *s = (step){.trace_hi = w->trace_hi,
                .trace_lo = w->trace_lo,
                .id = at.span_id,
                .parent = parent,
                .start_ns = start_ns,
                .service = at.service,
                .pod = at.pod,
                .is_next_version =
                    (is_deployed || at.service == w->f->decoy) && start_ns >= w->f->from_ns,
                .kind = kind,
                .name = name};
    return s;
}

static attribute *add_attribute(step *s, const char *key)
{
    if (!s || s->attribute_count == STEP_ATTRIBUTES_MAX)
        return NULL;
    attribute *a = &s->attributes[s->attribute_count++];
    a->key = key;
    return a;
}

static void put_constant(step *s, const char *key, const char *constant)
{
    attribute *a = add_attribute(s, key);
    if (a)
        a->constant = constant;
}

static void put_text(step *s, const char *key, const char *text)
{
    attribute *a = add_attribute(s, key);
    if (a)
        snprintf(a->text, sizeof a->text, "%s", text);
}

static void put_int(step *s, const char *key, int64_t number)
{
    attribute *a = add_attribute(s, key);
    if (a) {
        a->kind = ATTRIBUTE_INT;
        a->i = number;
    }
}

static void put_double(step *s, const char *key, double number)
{
    attribute *a = add_attribute(s, key);
    if (a) {
        a->kind = ATTRIBUTE_DOUBLE;
        a->d = number;
    }
}

static place place_in(walk *w, shop_service service)
{
    return (place){service, dice_below(w->d, shop_services[service].pods), dice_u64(w->d) | 1};
}

/* What a step does itself, in ns. */
static int64_t own_time(walk *w, const shop_op *op, place at, int64_t start_ns)
{
    double us = dice_latency(w->d, op->own_us, op->sigma);
    if (at.service == w->f->service && at.pod == w->f->pod && is_on(w, FAULT_CPU, start_ns))
        us *= 25 * w->f->strength * (0.6 + 0.8 * dice_unit(w->d));
    if (w->f->op >= 0 && op == &shop_ops[w->f->op] && strcmp(w->country, w->f->country) == 0 &&
        is_on(w, FAULT_SLOW_QUERY, start_ns))
        us += dice_latency(w->d, 350e3 * w->f->strength, 0.3);
    return (int64_t)(us * 1e3);
}

static int64_t network_time(walk *w, shop_service from, shop_service to, int64_t start_ns)
{
    double us = dice_latency(w->d, 250, 0.4);
    if (from == w->f->caller && to == w->f->service && is_on(w, FAULT_NETWORK_DELAY, start_ns))
        us += dice_latency(w->d, 90e3 * w->f->strength, 0.25);
    return (int64_t)(us * 1e3);
}

static bool run_op(walk *w, uint32_t op_index, place caller, int64_t start_ns, int64_t *ret_end_ns);

/* A span for a peer that has none of its own: databases, caches, the card company. */
static bool call_peer(walk *w, const shop_op *op, place caller, int64_t start_ns,
                      int64_t *ret_end_ns)
{
    place at = {caller.service, caller.pod, dice_u64(w->d) | 1};
    step *s = add_step(w, at, caller.span_id, op->kind, op->name, start_ns);
    *ret_end_ns = start_ns + own_time(w, op, at, start_ns);
    if (!s)
        return true;
    s->end_ns = *ret_end_ns;
    if (op->service == SHOP_POSTGRES || op->service == SHOP_REDIS) {
        put_constant(s, "db.system.name", op->service == SHOP_POSTGRES ? "postgresql" : "redis");
        put_constant(s, op->service == SHOP_POSTGRES ? "db.collection.name" : "db.namespace",
                     op->route);
        put_constant(s, "db.query.text", op->statement);
        put_constant(s, "server.address",
                     op->service == SHOP_POSTGRES ? "postgres.shop.internal"
                                                  : "redis.shop.internal");
        put_constant(s, "app.country", w->country);
    } else {
        put_constant(s, "http.request.method", "POST");
        put_constant(s, "url.full", "https://api.cards.example/v2/charges");
        put_constant(s, "server.address", "api.cards.example");
        put_int(s, "http.response.status_code", 200);
    }
    return true;
}

/* The message is taken by a consumer in a trace of its own, linked to the sender's span. */
static bool publish(walk *w, const shop_op *op, place caller, int64_t start_ns, int64_t *ret_end_ns)
{
    place at = {caller.service, caller.pod, dice_u64(w->d) | 1};
    step *s = add_step(w, at, caller.span_id, KIND_PRODUCER, op->name, start_ns);
    *ret_end_ns = start_ns + own_time(w, op, at, start_ns);
    if (!s)
        return true;
    s->end_ns = *ret_end_ns;
    put_constant(s, "messaging.system", "rabbitmq");
    put_constant(s, "messaging.destination.name", op->route);
    put_constant(s, "messaging.operation.type", "send");
    walk later = *w;
    place consumer = place_in(w, SHOP_EMAIL);
    later.trace_hi = dice_u64(w->d);
    later.trace_lo = dice_u64(w->d) | 1;
    double wait_ms = dice_latency(w->d, 40, 0.6);
    if (consumer.pod == w->f->pod && is_on(w, FAULT_QUEUE_LAG, start_ns))
        wait_ms += dice_latency(w->d, 25e3 * w->f->strength, 0.2);
    int64_t taken_ns = *ret_end_ns + (int64_t)(wait_ms * 1e6), ended_ns = taken_ns;
    const shop_op *work = &shop_ops[op->calls[0].op - 1];
    step *c = add_step(&later, consumer, 0, KIND_CONSUMER, work->name, taken_ns);
    if (!c)
        return true;
    c->link_hi = w->trace_hi;
    c->link_lo = w->trace_lo;
    c->link_id = at.span_id;
    put_constant(c, "messaging.system", "rabbitmq");
    put_constant(c, "messaging.destination.name", op->route);
    put_constant(c, "messaging.operation.type", "process");
    put_double(c, "messaging.wait_ms", wait_ms);
    run_op(&later, (uint32_t)work->calls[0].op - 1, consumer,
           taken_ns + own_time(w, work, consumer, taken_ns) / 2, &ended_ns);
    c->end_ns = ended_ns + NS_PER_MS;
    return true;
}

static uint32_t call_count(walk *w, const shop_op *op, const shop_call *call, int64_t start_ns)
{
    uint32_t n = call->min + dice_below(w->d, call->max - call->min + 1);
    bool is_culprit = op->service == w->f->service && call->op - 1 == w->f->op &&
                      is_on(w, FAULT_N_PLUS_ONE, start_ns);
    return is_culprit ? (uint32_t)(45 * w->f->strength) + dice_below(w->d, 9) : n;
}

/* Everything an operation calls, one after the other or side by side. False when one failed for good. */
static bool run_calls(walk *w, const shop_op *op, place at, int64_t start_ns, int64_t *ret_end_ns)
{
    int64_t now = start_ns, group_start = start_ns;
    bool is_fine = true;
    for (uint32_t i = 0; i < SHOP_CALLS_MAX && op->calls[i].op && is_fine; i++) {
        const shop_call *call = &op->calls[i];
        int64_t at_ns = call->is_parallel ? group_start : now, end_ns = at_ns;
        group_start = at_ns;
        uint32_t n = call_count(w, op, call, start_ns);
        for (uint32_t k = 0; k < n; k++) {
            bool done = run_op(w, (uint32_t)call->op - 1, at, at_ns, &end_ns);
            bool is_charge =
                shop_ops[call->op - 1].service == SHOP_PAYMENT && op->service == SHOP_CHECKOUT;
            for (int retry = 0; is_charge && !done && retry < 2; retry++)
                done = run_op(w, (uint32_t)call->op - 1, at, end_ns + 400 * NS_PER_MS, &end_ns);
            is_fine = is_fine && done;
            at_ns = end_ns;
        }
        now = end_ns > now ? end_ns : now;
    }
    *ret_end_ns = now;
    return is_fine;
}

static void describe_request(walk *w, const shop_op *op, step *s, bool is_fine)
{
    if (op->service == SHOP_GATEWAY) {
        put_constant(s, "http.request.method", op->name[0] == 'G' ? "GET" : "POST");
        put_constant(s, "http.route", op->route);
        put_int(s, "http.response.status_code", is_fine ? 200 : 502);
        put_constant(s, "user_agent.original", w->agent);
        put_text(s, "user.id", w->user);
        put_constant(s, "user.tier", w->tier);
        snprintf(s->log, sizeof s->log, "%s product=%u user=%s status=%d took=%.1fms", op->name,
                 w->product, w->user, is_fine ? 200 : 502, (double)(s->end_ns - s->start_ns) / 1e6);
    } else {
        put_constant(s, "rpc.system.name", "grpc");
        put_constant(s, "rpc.method", op->route);
        put_int(s, "rpc.response.status_code", is_fine ? 0 : 13);
    }
    put_constant(s, "app.country", w->country);
    if (op->service == SHOP_CHECKOUT || op->service == SHOP_PAYMENT)
        put_constant(s, "app.card_type", w->card);
    if (op->service == SHOP_CATALOG || op->service == SHOP_PRICING)
        put_int(s, "app.product_id", w->product);
}

static bool serve_op(walk *w, const shop_op *op, place at, uint64_t parent, int64_t start_ns,
                     int64_t *ret_end_ns)
{
    uint32_t index = w->out->count;
    if (!add_step(w, at, parent, op->kind, op->name, start_ns))
        return true;
    int64_t own_ns = own_time(w, op, at, start_ns), end_ns = start_ns + own_ns * 6 / 10;
    bool is_refused = op->service == SHOP_PAYMENT && op->kind == KIND_SERVER &&
                      is_on(w, FAULT_BAD_DEPLOY, start_ns) && strcmp(w->card, w->f->card) == 0 &&
                      dice_chance(w->d, 0.85);
    bool is_fine = !is_refused && run_calls(w, op, at, end_ns, &end_ns);
    end_ns += own_ns * 4 / 10;
    step *s = &w->out->steps[index];
    s->end_ns = *ret_end_ns = end_ns;
    if (op->kind == KIND_SERVER)
        describe_request(w, op, s, is_fine);
    if (!is_fine) {
        s->error = is_refused ? "card scheme not supported" : "upstream failed";
        s->log_is_error = true;
        snprintf(s->log, sizeof s->log,
                 is_refused ? "charge refused: card scheme %s not supported (order %u)"
                            : "%s failed: upstream error (order %u)",
                 is_refused ? w->card : op->name, w->order);
    }
    return is_fine;
}

static bool run_op(walk *w, uint32_t op_index, place caller, int64_t start_ns, int64_t *ret_end_ns)
{
    const shop_op *op = &shop_ops[op_index];
    if (op->service == SHOP_QUEUE)
        return publish(w, op, caller, start_ns, ret_end_ns);
    if (op->service >= SHOP_SERVICE_COUNT)
        return call_peer(w, op, caller, start_ns, ret_end_ns);
    if (op->kind == KIND_INTERNAL)
        return serve_op(w, op, (place){caller.service, caller.pod, dice_u64(w->d) | 1},
                        caller.span_id, start_ns, ret_end_ns);
    place client = {caller.service, caller.pod, dice_u64(w->d) | 1};
    uint32_t index = w->out->count;
    if (!add_step(w, client, caller.span_id, KIND_CLIENT, op->name, start_ns))
        return true;
    int64_t end_ns, there_ns = network_time(w, caller.service, op->service, start_ns);
    bool is_fine =
        serve_op(w, op, place_in(w, op->service), client.span_id, start_ns + there_ns, &end_ns);
    step *s = &w->out->steps[index];
    s->end_ns = *ret_end_ns = end_ns + network_time(w, caller.service, op->service, start_ns);
    put_constant(s, "rpc.system.name", "grpc");
    put_constant(s, "rpc.method", op->route);
    put_constant(s, "service.peer.name", shop_services[op->service].name);
    put_constant(s, "app.country", w->country);
    if (!is_fine)
        s->error = "upstream failed";
    return is_fine;
}

static const char *pick(dice *d, const char *const *texts, uint32_t count)
{
    uint32_t a = dice_below(d, count),
             b = dice_below(d, count); /* the first ones are more frequent */
    return texts[a < b ? a : b];
}

static void begin_walk(walk *w, visit *out, dice *d, const fault *f)
{
    static const char *const tiers[] = {"free", "plus", "pro"};
    static const char *const agents[] = {"Mozilla/5.0 (Windows NT 10.0)", "Mozilla/5.0 (iPhone)",
                                         "Mozilla/5.0 (X11; Linux)", "shop-app/9.2 (Android)"};
    *w = (walk){.out = out, .d = d, .f = f, .trace_hi = dice_u64(d), .trace_lo = dice_u64(d) | 1};
    snprintf(w->user, sizeof w->user, "u-%05u", (uint32_t)(dice_unit(d) * dice_unit(d) * 20000));
    w->country = pick(d, fault_countries, fault_country_count);
    w->tier = pick(d, tiers, COUNT_OF(tiers));
    w->card = pick(d, fault_cards, fault_card_count);
    w->agent = pick(d, agents, COUNT_OF(agents));
    w->product = 1000 + dice_below(d, 400);
    w->order = 100000 + dice_below(d, 900000);
}

/* A bot asks for what is not there: many, quick, harmless. */
static void visit_of_bot(walk *w, int64_t start_ns)
{
    place at = place_in(w, SHOP_GATEWAY);
    step *s = add_step(w, at, 0, KIND_SERVER, "GET /product/{id}", start_ns);
    s->end_ns = start_ns + (int64_t)(dice_latency(w->d, 600, 0.3) * 1e3);
    put_constant(s, "http.request.method", "GET");
    put_constant(s, "http.route", "/product/{id}");
    put_int(s, "http.response.status_code", 404);
    put_constant(s, "user_agent.original", "examplebot/2.1");
}

void visit_make(visit *out, dice *d, const fault *f, int64_t start_ns)
{
    walk w;
    int64_t end_ns = start_ns;
    out->count = 0;
    begin_walk(&w, out, d, f);
    if (dice_chance(d, 0.04)) {
        visit_of_bot(&w, start_ns);
        return;
    }
    uint32_t roll = dice_below(d, 1000), chosen = 0;
    while (chosen + 1 < shop_visit_count && roll >= shop_visits[chosen].per_mille)
        roll -= shop_visits[chosen++].per_mille;
    const shop_op *op = &shop_ops[shop_visits[chosen].op];
    uint64_t parent = 0;
    bool has_page = op->service == SHOP_GATEWAY && dice_chance(d, 0.4);
    if (has_page) {
        place page = place_in(&w, SHOP_WEB);
        step *s = add_step(&w, page, 0, KIND_CLIENT, op->name, start_ns);
        put_constant(s, "browser.language", w.country);
        put_constant(s, "url.path", op->route);
        put_text(s, "session.id", w.user);
        parent = page.span_id;
    }
    int64_t there_ns = has_page ? (int64_t)(dice_latency(d, 18e3, 0.4) * 1e3) : 0;
    bool is_fine =
        serve_op(&w, op, place_in(&w, op->service), parent, start_ns + there_ns, &end_ns);
    if (has_page) {
        out->steps[0].end_ns = end_ns + there_ns;
        out->steps[0].error = is_fine ? NULL : "502";
    }
}
