/*
 * serve/route/saved.c: questions that were given a name, by environment. A change is the whole query and the version it was made from: 409
 * when someone else was faster. Runs on query workers.
 */
#include "serve/route/saved.h"

#include <stdio.h>

#include "meta/saved.h"
#include "serve/route/common.h"

typedef struct save_body {
    span environment, name, description, text, dataset, state;
    uint64_t version;
    bool is_change; /* PUT: with a version */
} save_body;

static sk_code read_member(void *ctx, span key, json *j, err *e)
{
    save_body *b = ctx;
    const struct {
        const char *name;
        span *field;
    } texts[] = {{"environment", &b->environment},
                 {"name", &b->name},
                 {"description", &b->description},
                 {"text", &b->text},
                 {"dataset", &b->dataset}};
    if (span_is(key, "state")) {
        if (j->kind != JSON_OBJECT)
            return err_set(e, SK_BAD_INPUT, "\"state\" must be an object");
        b->state = json_raw(j);
        return SK_OK;
    }
    if (b->is_change && span_is(key, "version")) {
        if (j->kind == JSON_NUMBER && json_u64(j, &b->version) && b->version)
            return SK_OK;
        return err_set(e, SK_BAD_INPUT, "\"version\" is the number that the query was read with");
    }
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if (span_is(key, texts[i].name)) {
            if (j->kind != JSON_STRING)
                return err_set(e, SK_BAD_INPUT, "\"%.*s\" must be a string", SPAN_FMT(key));
            *texts[i].field = j->text;
            return SK_OK;
        }
    return err_set(e, SK_BAD_INPUT,
                   "unknown key \"%.*s\": known are environment, name, description, text, dataset, "
                   "state%s",
                   SPAN_FMT(key), b->is_change ? ", version" : "");
}

static sk_code read_body(exchange *x, save_body *b, environment *ret_env, saved_query *ret, err *e)
{
    static const char *const parameters[] = {NULL};
    b->state = SPAN("{}");
    sk_code code = route_check_query(x, parameters, e);
    if (code == SK_OK)
        code = route_object(x, read_member, b, e);
    if (code == SK_OK && b->is_change && !b->version)
        code = err_set(e, SK_BAD_INPUT,
                       "\"version\" is missing: the one that the query was read with");
    if (code == SK_OK)
        code = route_environment(x, b->environment, ret_env, e);
    if (code != SK_OK)
        return code;
    *ret = (saved_query){.environment = ret_env->id,
                         .version = b->version,
                         .name = b->name,
                         .description = b->description,
                         .text = b->text,
                         .dataset = b->dataset,
                         .state = b->state};
    memcpy(ret->changed_by, exchange_caller(x)->actor, sizeof ret->changed_by);
    return SK_OK;
}

/* ---- replies ---- */

static void print_query(json_writer *w, const saved_query *q, const char *environment_slug)
{
    const struct {
        const char *name;
        span text;
    } texts[] = {{"id", span_text(q->id)},
                 {"environment", span_text(environment_slug)},
                 {"name", q->name},
                 {"description", q->description},
                 {"text", q->text},
                 {"dataset", q->dataset},
                 {"created_by", span_text(q->created_by)},
                 {"changed_by", span_text(q->changed_by)}};
    jw_object(w);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        jw_key_text(w, texts[i].name);
        jw_string(w, texts[i].text);
    }
    jw_key_text(w, "created");
    jw_time(w, q->created_ns);
    jw_key_text(w, "changed");
    jw_time(w, q->changed_ns);
    jw_key_text(w, "version");
    jw_u64(w, q->version);
    jw_key_text(w, "state");
    jw_raw(w, q->state);
    jw_object_end(w);
}

static void reply_query(exchange *take_x, int status, const saved_query *q, const environment *env)
{
    buf out;
    buf_init(&out, MIB);
    json_writer w = {.out = &out};
    print_query(&w, q, env->slug);
    route_reply(take_x, status, &out);
}

void route_saved_list(exchange *take_x)
{
    static const char *const parameters[] = {"environment", NULL};
    environment env;
    saved_query *list;
    uint32_t count;
    err e = {0};
    sk_code code = route_check_query(take_x, parameters, &e);
    if (code == SK_OK)
        code = route_environment(take_x, exchange_query(take_x, "environment"), &env, &e);
    if (code == SK_OK)
        code = meta_query_list(exchange_services(take_x)->meta, env.id, exchange_arena(take_x),
                               &list, &count, &e);
    if (code != SK_OK) {
        route_fail(take_x, code, &e);
        return;
    }
    buf out;
    json_writer w = route_list_begin(&out, "saved");
    for (uint32_t i = 0; i < count; i++)
        print_query(&w, &list[i], env.slug);
    route_list_end(take_x, &w);
}

void route_saved_get(exchange *take_x)
{
    static const char *const parameters[] = {"environment", NULL};
    environment env;
    saved_query q;
    err e = {0};
    sk_code code = route_check_query(take_x, parameters, &e);
    if (code == SK_OK)
        code = route_environment(take_x, exchange_query(take_x, "environment"), &env, &e);
    if (code == SK_OK)
        code = meta_query_get(exchange_services(take_x)->meta, env.id, exchange_param(take_x, "id"),
                              exchange_arena(take_x), &q, &e);
    if (code != SK_OK)
        route_fail(take_x, code, &e);
    else
        reply_query(take_x, 200, &q, &env);
}

void route_saved_create(exchange *take_x)
{
    const services *s = exchange_services(take_x);
    save_body b = {0};
    environment env;
    saved_query q;
    err e = {0};
    sk_code code = read_body(take_x, &b, &env, &q, &e);
    if (code == SK_OK)
        code = meta_query_save(s->meta, &q, &e);
    if (code != SK_OK) {
        route_fail(take_x, code, &e);
        return;
    }
    meta_audit(s->meta, q.changed_by, "saved.create", q.id);
    reply_query(take_x, 201, &q, &env);
}

void route_saved_change(exchange *take_x)
{
    const services *s = exchange_services(take_x);
    save_body b = {.is_change = true};
    environment env;
    saved_query q;
    err e = {0};
    sk_code code = read_body(take_x, &b, &env, &q, &e);
    if (code == SK_OK)
        code = meta_query_change(s->meta, exchange_param(take_x, "id"), exchange_arena(take_x), &q,
                                 &e);
    if (code != SK_OK) {
        route_fail(take_x, code, &e);
        return;
    }
    meta_audit(s->meta, q.changed_by, "saved.change", q.id);
    reply_query(take_x, 200, &q, &env);
}

void route_saved_delete(exchange *take_x)
{
    static const char *const parameters[] = {"environment", "version", NULL};
    const services *s = exchange_services(take_x);
    environment env;
    uint32_t version;
    char subject[META_ID_MAX];
    err e = {0};
    span id = exchange_param(take_x, "id");
    sk_code code = route_check_query(take_x, parameters, &e);
    if (code == SK_OK)
        code = route_number(take_x, "version", 0, UINT32_MAX, &version, &e);
    if (code == SK_OK)
        code = route_environment(take_x, exchange_query(take_x, "environment"), &env, &e);
    if (code == SK_OK)
        code = meta_query_delete(s->meta, env.id, id, version, exchange_arena(take_x), &e);
    if (code != SK_OK) {
        route_fail(take_x, code, &e);
        return;
    }
    snprintf(subject, sizeof subject, "%.*s", SPAN_FMT(id));
    meta_audit(s->meta, exchange_caller(take_x)->actor, "saved.delete", subject);
    exchange_reply(take_x, 204, JSON_TYPE, (span){0});
}
