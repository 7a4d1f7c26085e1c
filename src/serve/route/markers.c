/*
 * serve/route/markers.c: deployments and other moments, in Honeycomb's words. A build may make one with its ingest key; taking one away
 * needs more. Runs on query workers.
 */
#include "serve/route/markers.h"

#include <stdio.h>

#include "base/clock.h"
#include "meta/saved.h"
#include "serve/route/common.h"

typedef struct marker_body {
    span environment, message, type, url;
    bool has_start, has_end;
    int64_t start_ns, end_ns;
} marker_body;

static sk_code read_member(void *ctx, span key, json *j, err *e)
{
    marker_body *b = ctx;
    bool is_start = span_is(key, "start_time");
    if (is_start || span_is(key, "end_time")) {
        if (j->kind == JSON_NULL)
            return SK_OK;
        if (j->kind != JSON_STRING && j->kind != JSON_NUMBER)
            return err_set(e, SK_BAD_INPUT, "\"%.*s\" takes RFC 3339 or unix seconds",
                           SPAN_FMT(key));
        *(is_start ? &b->has_start : &b->has_end) = true;
        return route_time(j->text, is_start ? "\"start_time\"" : "\"end_time\"",
                          is_start ? &b->start_ns : &b->end_ns, e);
    }
    span *field = span_is(key, "environment") ? &b->environment
                  : span_is(key, "message")   ? &b->message
                  : span_is(key, "type")      ? &b->type
                  : span_is(key, "url")       ? &b->url
                                              : NULL;
    if (!field)
        return err_set(e, SK_BAD_INPUT,
                       "unknown key \"%.*s\": known are environment, start_time, end_time, "
                       "message, type, url",
                       SPAN_FMT(key));
    if (j->kind != JSON_STRING)
        return err_set(e, SK_BAD_INPUT, "\"%.*s\" must be a string", SPAN_FMT(key));
    *field = j->text;
    return SK_OK;
}

static void print_marker(json_writer *w, const marker *k)
{
    jw_object(w);
    jw_key_text(w, "id");
    jw_text(w, k->id);
    jw_key_text(w, "start_time");
    jw_time(w, k->start_ns);
    jw_key_text(w, "end_time");
    if (k->end_ns == MARKER_NO_END)
        jw_null(w);
    else
        jw_time(w, k->end_ns);
    jw_key_text(w, "message");
    jw_string(w, k->message);
    jw_key_text(w, "type");
    jw_string(w, k->type);
    jw_key_text(w, "url");
    jw_string(w, k->url);
    jw_key_text(w, "by");
    jw_text(w, k->actor);
    jw_key_text(w, "created");
    jw_time(w, k->created_ns);
    jw_object_end(w);
}

void route_markers_add(exchange *take_x)
{
    static const char *const parameters[] = {NULL};
    const services *s = exchange_services(take_x);
    marker_body b = {0};
    environment env;
    marker k;
    err e = {0};
    sk_code code = route_check_query(take_x, parameters, &e);
    if (code == SK_OK)
        code = route_object(take_x, read_member, &b, &e);
    if (code == SK_OK)
        code = route_environment(take_x, b.environment, &env, &e);
    if (code == SK_OK) {
        k = (marker){.environment = env.id,
                     .start_ns = b.has_start ? b.start_ns : clock_wall_ns(),
                     .end_ns = b.has_end ? b.end_ns : MARKER_NO_END,
                     .message = b.message,
                     .type = b.type,
                     .url = b.url};
        memcpy(k.actor, exchange_caller(take_x)->actor, sizeof k.actor);
        code = meta_marker_add(s->meta, &k, &e);
    }
    if (code != SK_OK) {
        route_fail(take_x, code, &e);
        return;
    }
    meta_audit(s->meta, k.actor, "marker.create", k.id);
    buf out;
    buf_init(&out, MIB);
    json_writer w = {.out = &out};
    print_marker(&w, &k);
    route_reply(take_x, 201, &out);
}

void route_markers_list(exchange *take_x)
{
    static const char *const parameters[] = {"environment", "start", "end", "type", "limit", NULL};
    environment env;
    marker *list;
    uint32_t count;
    marker_filter which = {.type = exchange_query(take_x, "type")};
    err e = {0};
    sk_code code = route_check_query(take_x, parameters, &e);
    if (code == SK_OK)
        code = route_number(take_x, "limit", 1000, META_MARKERS_MAX, &which.limit, &e);
    if (code == SK_OK)
        code = route_range(take_x, 0, &which.start_ns, &which.end_ns, &e);
    if (code == SK_OK)
        code = route_environment(take_x, exchange_query(take_x, "environment"), &env, &e);
    if (code == SK_OK) {
        which.environment = env.id;
        code = meta_marker_list(exchange_services(take_x)->meta, &which, exchange_arena(take_x),
                                &list, &count, &e);
    }
    if (code != SK_OK) {
        route_fail(take_x, code, &e);
        return;
    }
    buf out;
    json_writer w = route_list_begin(&out, "markers");
    for (uint32_t i = 0; i < count; i++)
        print_marker(&w, &list[i]);
    route_list_end(take_x, &w);
}

void route_markers_delete(exchange *take_x)
{
    static const char *const parameters[] = {"environment", NULL};
    const services *s = exchange_services(take_x);
    environment env;
    char subject[META_ID_MAX];
    err e = {0};
    span id = exchange_param(take_x, "id");
    sk_code code = route_check_query(take_x, parameters, &e);
    if (code == SK_OK)
        code = route_environment(take_x, exchange_query(take_x, "environment"), &env, &e);
    if (code == SK_OK)
        code = meta_marker_delete(s->meta, env.id, id, &e);
    if (code != SK_OK) {
        route_fail(take_x, code, &e);
        return;
    }
    snprintf(subject, sizeof subject, "%.*s", SPAN_FMT(id));
    meta_audit(s->meta, exchange_caller(take_x)->actor, "marker.delete", subject);
    exchange_reply(take_x, 204, JSON_TYPE, (span){0});
}
