/*
 * serve/route/results.c: POST /skep/v1/results answers a question and keeps both under a short id; GET gives them back byte by byte,
 * whatever became of the events. The server asks by itself: what a link shows is what skep answered. Runs on query workers.
 */
#include "serve/route/results.h"

#include "meta/saved.h"
#include "serve/route/common.h"
#include "serve/route/differences.h"
#include "serve/route/query.h"

#define LIST_MAX 1000u

typedef struct keep_body {
    span question, state;
    saved_kind kind;
} keep_body;

static sk_code read_member(void *ctx, span key, json *j, err *e)
{
    keep_body *b = ctx;
    if (span_is(key, "kind")) {
        if (j->kind == JSON_STRING && saved_kind_of(j->text, &b->kind))
            return SK_OK;
        return err_set(e, SK_BAD_INPUT, "\"kind\" is \"query\" (the default) or \"differences\"");
    }
    span *object = span_is(key, "question") ? &b->question
                   : span_is(key, "state")  ? &b->state
                                            : NULL;
    if (!object)
        return err_set(e, SK_BAD_INPUT, "unknown key \"%.*s\": known are kind, question, state",
                       SPAN_FMT(key));
    if (j->kind != JSON_OBJECT)
        return err_set(e, SK_BAD_INPUT, "\"%.*s\" must be an object", SPAN_FMT(key));
    *object = json_raw(j);
    return SK_OK;
}

static sk_code check_body(const keep_body *b, err *e)
{
    if (!b->question.at)
        return err_set(e, SK_BAD_INPUT,
                       "\"question\" is missing: the body that POST /skep/v1/%s takes",
                       saved_kind_name(b->kind));
    if (b->state.len > META_STATE_MAX)
        return err_set(e, SK_TOO_LARGE, "\"state\" is %zu bytes, and at most %u are kept",
                       b->state.len, (unsigned)META_STATE_MAX);
    if (b->question.len > META_QUESTION_MAX)
        return err_set(e, SK_TOO_LARGE, "\"question\" is %zu bytes, and at most %u are kept",
                       b->question.len, (unsigned)META_QUESTION_MAX);
    return SK_OK;
}

static sk_code answer(exchange *x, const keep_body *b, environment *ret_asked, buf *out, err *e)
{
    sk_code code = b->kind == SAVED_DIFFERENCES
                       ? differences_answer(x, b->question, ret_asked, out, e)
                       : query_answer(x, b->question, ret_asked, out, e);
    if (code == SK_OK && out->failed)
        code = err_set(e, SK_TOO_LARGE,
                       "the answer is larger than %zu MiB, the most that a stored result may be: "
                       "ask for less (LIMIT, a shorter range, fewer groups)",
                       META_ANSWER_BYTES_MAX / MIB);
    return code;
}

/* ---- replies ---- */

static void print_about(json_writer *w, const saved_result *r, const char *environment_slug)
{
    jw_key_text(w, "id");
    jw_text(w, r->id);
    jw_key_text(w, "kind");
    jw_text(w, saved_kind_name(r->kind));
    jw_key_text(w, "environment");
    jw_text(w, environment_slug);
    jw_key_text(w, "by");
    jw_text(w, r->actor);
    jw_key_text(w, "created");
    jw_time(w, r->created_ns);
    jw_key_text(w, "kept_bytes");
    jw_u64(w, r->kept_bytes);
    jw_key_text(w, "question");
    jw_raw(w, r->question);
    jw_key_text(w, "state");
    jw_raw(w, r->state);
}

void route_results_keep(exchange *take_x)
{
    static const char *const parameters[] = {"format", NULL};
    const services *s = exchange_services(take_x);
    keep_body b = {.state = SPAN("{}")};
    environment env;
    err e = {0};
    buf out;
    sk_code code = route_check_query(take_x, parameters, &e);
    if (code == SK_OK)
        code = query_check_format(take_x, &e);
    if (code == SK_OK)
        code = route_object(take_x, read_member, &b, &e);
    if (code == SK_OK)
        code = check_body(&b, &e);
    buf_init(&out, META_ANSWER_BYTES_MAX);
    if (code == SK_OK)
        code = answer(take_x, &b, &env, &out, &e);
    saved_result r = {
        .kind = b.kind, .question = b.question, .state = b.state, .answer = buf_span(&out)};
    if (code == SK_OK) {
        r.environment = env.id;
        memcpy(r.actor, exchange_caller(take_x)->actor, sizeof r.actor);
        code = meta_result_keep(s->meta, &r, &e);
    }
    buf_done(&out);
    if (code != SK_OK) {
        route_fail(take_x, code, &e);
        return;
    }
    meta_audit(s->meta, r.actor, "result.keep", r.id);
    buf_init(&out, MIB);
    json_writer w = {.out = &out};
    jw_object(&w);
    print_about(&w, &r, env.slug);
    jw_object_end(&w);
    route_reply(take_x, 201, &out);
}
_Static_assert(sizeof((saved_result){0}.actor) == sizeof((caller){0}.actor), "as it is copied");

/* What is of an environment that the caller may not see is not there. */
static sk_code find(exchange *x, saved_result *ret, environment *ret_env, err *e)
{
    const caller *who = exchange_caller(x);
    const services *s = exchange_services(x);
    span id = exchange_param(x, "id");
    sk_code code = meta_result_get(s->meta, id, exchange_arena(x), ret, e);
    if (code != SK_OK)
        return code;
    if ((who->is_any_environment || who->environment == ret->environment) &&
        meta_environment_by_id(s->meta, ret->environment, ret_env))
        return SK_OK;
    return err_set(e, SK_NOT_FOUND, "there is no stored result \"%.*s\" in environment %s",
                   SPAN_FMT(span_first(id, 40)), who->environment_slug);
}

void route_results_get(exchange *take_x)
{
    static const char *const parameters[] = {NULL};
    saved_result r;
    environment env;
    err e = {0};
    sk_code code = route_check_query(take_x, parameters, &e);
    if (code == SK_OK)
        code = find(take_x, &r, &env, &e);
    if (code != SK_OK) {
        route_fail(take_x, code, &e);
        return;
    }
    buf out;
    buf_init(&out, ROUTE_REPLY_MAX);
    json_writer w = {.out = &out};
    jw_object(&w);
    print_about(&w, &r, env.slug);
    jw_key_text(&w, "answer");
    jw_raw(&w, r.answer);
    jw_object_end(&w);
    route_reply(take_x, 200, &out);
}

void route_results_list(exchange *take_x)
{
    static const char *const parameters[] = {"environment", "limit", NULL};
    environment env;
    saved_result *list;
    uint32_t count, limit;
    err e = {0};
    sk_code code = route_check_query(take_x, parameters, &e);
    if (code == SK_OK)
        code = route_number(take_x, "limit", 100, LIST_MAX, &limit, &e);
    if (code == SK_OK)
        code = route_environment(take_x, exchange_query(take_x, "environment"), &env, &e);
    if (code == SK_OK)
        code = meta_result_list(exchange_services(take_x)->meta, env.id, limit,
                                exchange_arena(take_x), &list, &count, &e);
    if (code != SK_OK) {
        route_fail(take_x, code, &e);
        return;
    }
    buf out;
    json_writer w = route_list_begin(&out, "results");
    for (uint32_t i = 0; i < count; i++) {
        jw_object(&w);
        print_about(&w, &list[i], env.slug);
        jw_object_end(&w);
    }
    route_list_end(take_x, &w);
}

void route_results_delete(exchange *take_x)
{
    static const char *const parameters[] = {NULL};
    const services *s = exchange_services(take_x);
    saved_result r;
    environment env;
    err e = {0};
    sk_code code = route_check_query(take_x, parameters, &e);
    if (code == SK_OK)
        code = find(take_x, &r, &env, &e);
    if (code == SK_OK)
        code = meta_result_delete(s->meta, env.id, span_text(r.id), &e);
    if (code != SK_OK) {
        route_fail(take_x, code, &e);
        return;
    }
    meta_audit(s->meta, exchange_caller(take_x)->actor, "result.delete", r.id);
    exchange_reply(take_x, 204, JSON_TYPE, (span){0});
}
