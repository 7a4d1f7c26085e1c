/*
 * serve/route/history.c: what was asked, by whom and how long it took. The asker notes it in a request of its own: only it knows which
 * questions were meant (an interface asks many while someone types), and answering stays free of writes, so that it works on a
 * full disk. Runs on query workers.
 */
#include "serve/route/history.h"

#include "meta/saved.h"
#include "serve/route/common.h"

typedef struct add_body {
    span environment, text, state;
    int64_t elapsed_ns, rows;
} add_body;

static sk_code read_member(void *ctx, span key, json *j, err *e)
{
    add_body *b = ctx;
    if (span_is(key, "elapsed_ms")) {
        double ms;
        if (j->kind != JSON_NUMBER || !json_double(j, &ms) || !(ms >= 0) || ms > 1e12)
            return err_set(e, SK_BAD_INPUT, "\"elapsed_ms\" is a number of milliseconds");
        b->elapsed_ns = (int64_t)(ms * 1e6);
        return SK_OK;
    }
    if (span_is(key, "rows")) {
        if (j->kind != JSON_NUMBER || !json_i64(j, &b->rows) || b->rows < 0)
            return err_set(e, SK_BAD_INPUT, "\"rows\" is a whole number: how many the answer has");
        return SK_OK;
    }
    if (span_is(key, "state")) {
        if (j->kind != JSON_OBJECT)
            return err_set(e, SK_BAD_INPUT, "\"state\" must be an object");
        b->state = json_raw(j);
        return SK_OK;
    }
    span *field = span_is(key, "environment") ? &b->environment
                  : span_is(key, "text")      ? &b->text
                                              : NULL;
    if (!field)
        return err_set(e, SK_BAD_INPUT,
                       "unknown key \"%.*s\": known are environment, text, elapsed_ms, rows, state",
                       SPAN_FMT(key));
    if (j->kind != JSON_STRING)
        return err_set(e, SK_BAD_INPUT, "\"%.*s\" must be a string", SPAN_FMT(key));
    *field = j->text;
    return SK_OK;
}

static void print_entry(json_writer *w, const history_entry *h)
{
    jw_object(w);
    jw_key_text(w, "id");
    jw_i64(w, h->id);
    jw_key_text(w, "by");
    jw_text(w, h->actor);
    jw_key_text(w, "time");
    jw_time(w, h->at_ns);
    jw_key_text(w, "text");
    jw_string(w, h->text);
    jw_key_text(w, "elapsed_ms");
    if (h->elapsed_ns == HISTORY_UNKNOWN)
        jw_null(w);
    else
        jw_double(w, (double)h->elapsed_ns / 1e6);
    jw_key_text(w, "rows");
    if (h->rows == HISTORY_UNKNOWN)
        jw_null(w);
    else
        jw_i64(w, h->rows);
    jw_key_text(w, "state");
    jw_raw(w, h->state);
    jw_object_end(w);
}

void route_history_add(exchange *take_x)
{
    static const char *const parameters[] = {NULL};
    add_body b = {.state = SPAN("{}"), .elapsed_ns = HISTORY_UNKNOWN, .rows = HISTORY_UNKNOWN};
    environment env;
    history_entry h;
    err e = {0};
    sk_code code = route_check_query(take_x, parameters, &e);
    if (code == SK_OK)
        code = route_object(take_x, read_member, &b, &e);
    if (code == SK_OK)
        code = route_environment(take_x, b.environment, &env, &e);
    if (code == SK_OK) {
        h = (history_entry){.environment = env.id,
                            .text = b.text,
                            .state = b.state,
                            .elapsed_ns = b.elapsed_ns,
                            .rows = b.rows};
        memcpy(h.actor, exchange_caller(take_x)->actor, sizeof h.actor);
        code = meta_history_add(exchange_services(take_x)->meta, &h, &e);
    }
    if (code != SK_OK) {
        route_fail(take_x, code, &e);
        return;
    }
    buf out;
    buf_init(&out, MIB);
    json_writer w = {.out = &out};
    print_entry(&w, &h);
    route_reply(take_x, 201, &out);
}

void route_history_list(exchange *take_x)
{
    static const char *const parameters[] = {"environment", "limit", "mine", NULL};
    environment env;
    history_entry *list;
    uint32_t count, limit;
    err e = {0};
    bool is_mine = false;
    sk_code code = route_check_query(take_x, parameters, &e);
    if (code == SK_OK)
        code = route_number(take_x, "limit", 100, META_HISTORY_MAX, &limit, &e);
    if (code == SK_OK)
        code = route_flag(take_x, "mine", &is_mine, &e);
    if (code == SK_OK)
        code = route_environment(take_x, exchange_query(take_x, "environment"), &env, &e);
    if (code == SK_OK)
        code = meta_history_list(exchange_services(take_x)->meta, env.id,
                                 is_mine ? exchange_caller(take_x)->actor : NULL, limit,
                                 exchange_arena(take_x), &list, &count, &e);
    if (code != SK_OK) {
        route_fail(take_x, code, &e);
        return;
    }
    buf out;
    json_writer w = route_list_begin(&out, "history");
    for (uint32_t i = 0; i < count; i++)
        print_entry(&w, &list[i]);
    route_list_end(take_x, &w);
}
