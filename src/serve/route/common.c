/*
 * serve/route/common.c: parameters and replies that API families share. Called by route handlers on their pool's threads.
 */
#include "serve/route/common.h"

#include "base/clock.h"
#include "serve/auth.h"

sk_code route_environment(exchange *x, span asked, environment *ret, err *e)
{
    const caller *who = exchange_caller(x);
    const services *s = exchange_services(x);
    if (asked.len == 0 || span_is(asked, who->environment_slug)) {
        if (meta_environment_by_id(s->meta, who->environment, ret))
            return SK_OK;
        return err_set(e, SK_NOT_FOUND, "the environment of this key was deleted");
    }
    if (!who->is_any_environment) {
        err_set(e, SK_FORBIDDEN,
                "this key is of environment %s and cannot reach %.*s; use a key of that "
                "environment",
                who->environment_slug, SPAN_FMT(asked));
        auth_note_refusal(s, x, "wrong_environment", who->environment, (span){0}, 1, e);
        return SK_FORBIDDEN;
    }
    if (!meta_environment(s->meta, asked, ret))
        return err_set(e, SK_NOT_FOUND,
                       "there is no environment \"%.*s\"; `skep environments` lists them",
                       SPAN_FMT(asked));
    return SK_OK;
}

sk_code route_check_query(const exchange *x, const char *const *known, err *e)
{
    for (uint32_t i = 0; i < exchange_query_count(x); i++) {
        span ignored, name = exchange_query_at(x, i, &ignored);
        size_t k = 0;
        while (known[k] && !span_is(name, known[k]))
            k++;
        if (!known[k])
            return err_set(e, SK_BAD_INPUT, "unknown parameter \"%.*s\"", SPAN_FMT(name));
    }
    return SK_OK;
}

sk_code route_time(span text, const char *name, int64_t *ret_ns, err *e)
{
    double seconds;
    if (clock_parse_rfc3339(text, ret_ns))
        return SK_OK;
    if (!span_to_double(text, &seconds) || seconds < -9.2e9 || seconds > 9.2e9)
        return err_set(e, SK_BAD_INPUT,
                       "%s takes RFC 3339 (2026-08-21T14:05:03Z) or unix seconds, not \"%.*s\"",
                       name, SPAN_FMT(text));
    int64_t whole;
    *ret_ns = span_to_i64(text, &whole) ? whole * NS_PER_S : (int64_t)(seconds * 1e9);
    return SK_OK;
}

sk_code route_range(const exchange *x, int64_t default_range_ns, int64_t *ret_start_ns,
                    int64_t *ret_end_ns, err *e)
{
    span start = exchange_query(x, "start"), end = exchange_query(x, "end");
    int64_t now = clock_wall_ns();
    *ret_end_ns = default_range_ns ? now + FUTURE_SLACK_NS : INT64_MAX;
    *ret_start_ns = default_range_ns ? now - default_range_ns : INT64_MIN;
    sk_code code = SK_OK;
    if (end.len) {
        code = route_time(end, "end", ret_end_ns, e);
        if (default_range_ns)
            *ret_start_ns = *ret_end_ns - default_range_ns;
    }
    if (code == SK_OK && start.len)
        code = route_time(start, "start", ret_start_ns, e);
    if (code == SK_OK && *ret_start_ns >= *ret_end_ns)
        return err_set(e, SK_BAD_INPUT, "start must be before end");
    return code;
}

sk_code route_number(const exchange *x, const char *name, uint32_t otherwise, uint32_t max,
                     uint32_t *ret, err *e)
{
    span text = exchange_query(x, name);
    uint64_t number = otherwise;
    if (text.at && (!span_to_u64(text, &number) || number > max))
        return err_set(e, SK_BAD_INPUT, "%s takes a number up to %u, not \"%.*s\"", name, max,
                       SPAN_FMT(text));
    *ret = (uint32_t)number;
    return SK_OK;
}

sk_code route_flag(const exchange *x, const char *name, bool *ret, err *e)
{
    span text = exchange_query(x, name);
    if (!text.at)
        return SK_OK;
    *ret = text.len == 0 || span_is(text, "true") || span_is(text, "1");
    return *ret || span_is(text, "false") || span_is(text, "0")
               ? SK_OK
               : err_set(e, SK_BAD_INPUT, "%s takes true or false, not \"%.*s\"", name,
                         SPAN_FMT(text));
}

sk_code route_object_of(span text, arena *mem,
                        sk_code (*member)(void *ctx, span key, json *j, err *e), void *ctx, err *e)
{
    sk_code code;
    json j = json_of(text, mem);
    if (json_next(&j) != JSON_OBJECT) {
        code = json_error(&j, e);
        return code != SK_OK ? code : err_set(e, SK_BAD_INPUT, "the body must be a JSON object");
    }
    while (json_next(&j) == JSON_KEY) {
        span key = j.text;
        json_next(&j);
        if ((code = member(ctx, key, &j, e)) != SK_OK)
            return code;
    }
    json_next(&j); /* nothing may follow the object */
    return json_error(&j, e);
}

sk_code route_object(exchange *x, sk_code (*member)(void *ctx, span key, json *j, err *e),
                     void *ctx, err *e)
{
    span body;
    sk_code code = exchange_body(x, &body, e);
    return code == SK_OK ? route_object_of(body, exchange_arena(x), member, ctx, e) : code;
}

void route_fail(exchange *take_x, sk_code code, err *e)
{
    e->code = code;
    exchange_fail(take_x, e);
}

void route_reply(exchange *take_x, int status, buf *take_json)
{
    if (!take_json->failed) {
        exchange_reply_buf(take_x, status, JSON_TYPE, take_json);
        return;
    }
    err e;
    buf_done(take_json);
    err_set(&e, SK_TOO_LARGE,
            "the answer is larger than %zu MiB: ask for less (LIMIT, a shorter range)",
            ROUTE_REPLY_MAX / MIB);
    exchange_fail(take_x, &e);
}

json_writer route_list_begin(buf *out, const char *name)
{
    buf_init(out, ROUTE_REPLY_MAX);
    json_writer w = {.out = out};
    jw_object(&w);
    jw_key_text(&w, name);
    jw_array(&w);
    return w;
}

void route_list_end(exchange *take_x, json_writer *w)
{
    jw_array_end(w);
    jw_object_end(w);
    route_reply(take_x, 200, w->out);
}

void jw_value(json_writer *w, value v)
{
    if (!v.is_set) {
        jw_null(w);
        return;
    }
    switch (v.type) {
    case FIELD_STRING: jw_string(w, v.text); break;
    case FIELD_INT: jw_i64(w, v.i); break;
    case FIELD_FLOAT: jw_double(w, v.f); break;
    case FIELD_BOOL: jw_bool(w, v.b); break;
    case FIELD_HISTOGRAM:
    case FIELD_TYPE_COUNT: jw_null(w); break;
    }
}

void jw_time(json_writer *w, int64_t ns)
{
    char text[36];
    size_t len = clock_print_rfc3339(ns, text);
    jw_string(w, span_of(text, len));
}
