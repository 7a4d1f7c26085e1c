/*
 * serve/route/doctor.c: GET /skep/v1/doctor: every kept refusal with its reason and one fix, what is odd about what was
 * accepted, the one thing to do first, and how far each sender's events come. What it all means is diagnosis.c's.
 */
#include "serve/route/health.h"

#include "base/clock.h"
#include "serve/route/common.h"
#include "serve/route/diagnosis.h"

static void print_refusal(json_writer *w, const exchange *x, const refusal *r)
{
    environment env;
    key_info key;
    const struct {
        const char *name, *text;
    } texts[] = {{"reason", r->reason},
                 {"text", r->text},
                 {"advice", advice_for(r->reason).text},
                 {"path", r->path},
                 {"source", r->source},
                 {"service", r->service},
                 {"user_agent", r->user_agent},
                 {"key_fingerprint", r->key_fingerprint}};
    jw_object(w);
    jw_key_text(w, "time");
    jw_time(w, r->last_ns);
    jw_key_text(w, "first_time");
    jw_time(w, r->first_ns);
    jw_key_text(w, "count");
    jw_u64(w, r->count);
    jw_key_text(w, "status");
    jw_i64(w, sk_http_status(r->code));
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        jw_key_text(w, texts[i].name);
        jw_text(w, texts[i].text);
    }
    jw_key_text(w, "origin");
    jw_text(w, r->origin);
    if (r->environment && meta_key_by_hash(exchange_services(x)->meta, r->key_hash, &key)) {
        jw_key_text(w, "key_id");
        jw_text(w, key.id);
    }
    jw_key_text(w, "environment");
    if (r->environment && meta_environment_by_id(exchange_services(x)->meta, r->environment, &env))
        jw_text(w, env.slug);
    else
        jw_null(w);
    jw_object_end(w);
}

static void print_finding(json_writer *w, const finding *f)
{
    jw_object(w);
    jw_key_text(w, "kind");
    jw_text(w, f->kind);
    jw_key_text(w, "subject");
    jw_text(w, f->subject);
    jw_key_text(w, "text");
    jw_text(w, f->text);
    jw_key_text(w, "fix");
    jw_text(w, f->fix);
    jw_object_end(w);
}

/* ---- how far each sender comes ---- */

/* `stopped` is where its newest request stopped; HOP_COUNT: it was stored. */
static void print_way(json_writer *w, const char *name, const char *source, const char *user_agent,
                      hop stopped, const char *fix)
{
    jw_object(w);
    jw_key_text(w, "sender");
    jw_text(w, name[0] ? name : source);
    jw_key_text(w, "source");
    jw_text(w, source);
    jw_key_text(w, "user_agent");
    jw_text(w, user_agent);
    jw_key_text(w, "hops");
    jw_array(w);
    for (uint32_t h = 0; h < HOP_COUNT; h++) {
        jw_object(w);
        jw_key_text(w, "hop");
        jw_text(w, hop_name((hop)h));
        jw_key_text(w, "state");
        jw_text(w, h < stopped ? "ok" : h == stopped ? "bad" : "wait");
        if (h == stopped) {
            jw_key_text(w, "fix");
            jw_text(w, fix);
        }
        jw_object_end(w);
    }
    jw_array_end(w);
    jw_object_end(w);
}

/* Refused senders first, each once: by its newest refusal. */
static void print_ways(json_writer *w, const patient *p)
{
    jw_array(w);
    for (uint32_t i = 0; i < p->refusal_count; i++) {
        const refusal *r = &p->refusals[i];
        advice a = advice_for_sender(r);
        bool is_told = a.hop == HOP_NONE || is_healed(p, r);
        for (uint32_t k = 0; k < i && !is_told; k++)
            is_told = strcmp(p->refusals[k].source, r->source) == 0 &&
                      strcmp(p->refusals[k].service, r->service) == 0 &&
                      strcmp(p->refusals[k].key_fingerprint, r->key_fingerprint) == 0 &&
                      strcmp(p->refusals[k].user_agent, r->user_agent) == 0 &&
                      advice_for_sender(&p->refusals[k]).hop != HOP_NONE;
        if (!is_told)
            print_way(w, r->service, r->source, r->user_agent, a.hop, a.text);
    }
    for (uint32_t i = 0; i < p->sender_count; i++)
        if (p->senders[i].environment == p->env.id)
            print_way(w, p->senders[i].dataset, p->senders[i].source, p->senders[i].user_agent,
                      HOP_COUNT, "");
    jw_array_end(w);
}

/* ---- the reply ---- */

/* Only refusals in reach of the caller stay. */
static uint32_t keep_mine(refusal *list, uint32_t count, uint32_t environment_id, bool sees_all)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++)
        if (list[i].environment == environment_id || (list[i].environment == 0 && sees_all))
            list[kept++] = list[i];
    return kept;
}

static void print_reply(json_writer *w, const exchange *x, const patient *p)
{
    jw_object(w);
    jw_key_text(w, "environment");
    jw_text(w, p->env.slug);
    jw_key_text(w, "first");
    if (p->first.kind)
        print_finding(w, &p->first);
    else
        jw_null(w);
    jw_key_text(w, "refusals");
    jw_array(w);
    for (uint32_t i = 0; i < p->refusal_count; i++)
        print_refusal(w, x, &p->refusals[i]);
    jw_array_end(w);
    jw_key_text(w, "findings");
    jw_array(w);
    for (uint32_t i = 0; i < p->finding_count; i++)
        print_finding(w, &p->findings[i]);
    jw_array_end(w);
    jw_key_text(w, "ways");
    print_ways(w, p);
    jw_object_end(w);
}

void route_doctor(exchange *take_x)
{
    static const char *const parameters[] = {"environment", NULL};
    const services *s = exchange_services(take_x);
    patient p = {.s = s,
                 .mem = exchange_arena(take_x),
                 .now_ns = clock_wall_ns(),
                 .sees_all = exchange_caller(take_x)->is_any_environment};
    err e = {0};
    refusal *refusals;
    sender *senders;
    sk_code code = route_check_query(take_x, parameters, &e);
    if (code == SK_OK)
        code = route_environment(take_x, exchange_query(take_x, "environment"), &p.env, &e);
    if (code != SK_OK) {
        route_fail(take_x, code, &e);
        return;
    }
    uint32_t count = intake_refusals(s->intake, p.mem, &refusals);
    p.refusal_count = keep_mine(refusals, count, p.env.id, p.sees_all);
    p.refusals = refusals;
    p.sender_count = intake_senders(s->intake, p.mem, &senders);
    p.senders = senders;
    diagnose(&p);
    buf out;
    buf_init(&out, ROUTE_REPLY_MAX);
    json_writer w = {.out = &out};
    print_reply(&w, take_x, &p);
    route_reply(take_x, 200, &out);
}
