/*
 * serve/route/redaction.c: the rules of redaction over HTTP: who may ask an environment sees them and how much each redacted, who may
 * configure it replaces them. Runs on query workers.
 */
#include "serve/route/redaction.h"

#include <stdio.h>

#include "meta/redaction.h"
#include "serve/route/common.h"

static const char *const actions[] = {
    [REDACT_DROP] = "drop", [REDACT_MASK] = "mask", [REDACT_HASH] = "hash"};

typedef struct rules {
    redaction list[META_REDACTIONS_MAX];
    uint32_t count;
    bool is_given;
} rules;

static void reply(exchange *take_x, const environment *env, rules *r)
{
    buf out;
    json_writer w = route_list_begin(&out, "rules");
    r->count = meta_redactions(exchange_services(take_x)->meta, env->id, r->list);
    for (uint32_t i = 0; i < r->count; i++) {
        jw_object(&w);
        jw_key_text(&w, "field");
        jw_text(&w, r->list[i].field);
        jw_key_text(&w, "action");
        jw_text(&w, actions[r->list[i].action]);
        jw_key_text(&w, "redacted");
        jw_u64(&w, r->list[i].redacted);
        jw_object_end(&w);
    }
    route_list_end(take_x, &w);
}

static sk_code no_rules(err *e)
{
    return err_set(e, SK_BAD_INPUT,
                   "the body is {\"rules\": [{\"field\": \"user.email\", \"action\": \"mask\"}]}; "
                   "actions are drop, mask, hash");
}

/* Just after the beginning of an object. */
static sk_code read_rule(json *j, redaction *ret, err *e)
{
    span field = {0}, action = {0};
    while (json_next(j) == JSON_KEY) {
        span *to = span_is(j->text, "field") ? &field : span_is(j->text, "action") ? &action : NULL;
        if (!to || json_next(j) != JSON_STRING)
            return no_rules(e);
        *to = j->text;
    }
    for (size_t i = 0; j->kind == JSON_OBJECT_END && i < COUNT_OF(actions); i++)
        if (span_is(action, actions[i]))
            return meta_redaction_make((redaction_action)i, field, ret, e);
    return no_rules(e);
}

static sk_code read_rules(void *ctx, span key, json *j, err *e)
{
    rules *r = ctx;
    if (!span_is(key, "rules") || j->kind != JSON_ARRAY)
        return no_rules(e);
    sk_code code = SK_OK;
    r->is_given = true;
    r->count = 0;
    while (code == SK_OK && json_next(j) == JSON_OBJECT) {
        if (r->count == META_REDACTIONS_MAX)
            return err_set(e, SK_TOO_LARGE, "an environment has at most %u rules",
                           META_REDACTIONS_MAX);
        code = read_rule(j, &r->list[r->count++], e);
    }
    return code != SK_OK || j->kind == JSON_ARRAY_END ? code : no_rules(e);
}

static void answer(exchange *take_x, bool is_change)
{
    const services *s = exchange_services(take_x);
    static const char *const parameters[] = {NULL};
    err e = {0};
    environment env;
    rules *r = ARENA_NEW(exchange_arena(take_x), rules);
    sk_code code = r ? route_check_query(take_x, parameters, &e)
                     : err_set(&e, SK_NO_MEMORY, "no memory for the rules of redaction");
    if (code == SK_OK)
        code = route_environment(take_x, exchange_param(take_x, "slug"), &env, &e);
    if (code == SK_OK && is_change)
        code = route_object(take_x, read_rules, r, &e);
    if (code == SK_OK && is_change && !r->is_given)
        code = no_rules(&e);
    if (code == SK_OK && is_change)
        code = meta_redaction_set(s->meta, env.id, r->list, r->count, &e);
    if (code != SK_OK) {
        route_fail(take_x, code, &e);
        return;
    }
    if (is_change) {
        char subject[META_SLUG_MAX + 32];
        snprintf(subject, sizeof subject, "%s %u rules", env.slug, r->count);
        meta_audit(s->meta, exchange_caller(take_x)->actor, "environment.redaction", subject);
    }
    reply(take_x, &env, r);
}

void route_redaction_list(exchange *take_x)
{
    answer(take_x, false);
}

void route_redaction_set(exchange *take_x)
{
    answer(take_x, true);
}
