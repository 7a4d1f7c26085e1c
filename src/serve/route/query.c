/*
 * serve/route/query.c: POST /skep/v1/query: {"dataset":"x" or "__all__","query":{spec}} or {"text":"…"} → result.
 * With Accept: text/event-stream progress and partial results come first, as events `progress`, then `result` or
 * `error`. Runs on a query worker; closing the connection cancels.
 */
#include "serve/route/query.h"

#include "base/clock.h"
#include "serve/route/common.h"

typedef struct asked {
    span environment, dataset, spec_json, text;
    bool no_series;
} asked;

static sk_code read_member(void *ctx, span key, json *j, err *e)
{
    asked *a = ctx;
    if (span_is(key, "query")) {
        if (j->kind != JSON_OBJECT)
            return err_set(e, SK_BAD_INPUT, "\"query\" must be an object: a query spec");
        a->spec_json = json_raw(j);
        return SK_OK;
    }
    if (span_is(key, "disable_series") && (j->kind == JSON_TRUE || j->kind == JSON_FALSE)) {
        a->no_series = j->kind == JSON_TRUE;
        return SK_OK;
    }
    span *field = span_is(key, "environment") ? &a->environment
                  : span_is(key, "dataset")   ? &a->dataset
                  : span_is(key, "text")      ? &a->text
                                              : NULL;
    if (!field)
        return err_set(
            e, SK_BAD_INPUT,
            "unknown key \"%.*s\": known are environment, dataset, query, text, disable_series",
            SPAN_FMT(key));
    if (j->kind != JSON_STRING)
        return err_set(e, SK_BAD_INPUT, "\"%.*s\" must be a string", SPAN_FMT(key));
    *field = j->text;
    return SK_OK;
}

static sk_code read_spec(const asked *a, arena *mem, query_spec *ret, err *e)
{
    if (!a->text.at == !a->spec_json.at)
        return err_set(e, SK_BAD_INPUT, "give either \"query\" (a spec) or \"text\"");
    if (a->text.at && a->dataset.at)
        return err_set(e, SK_BAD_INPUT,
                       "with \"text\" the dataset stands in the text: FROM \"%.*s\"",
                       SPAN_FMT(a->dataset));
    if (a->text.at)
        return spec_from_text(a->text, mem, ret, e);
    sk_code code = spec_from_json(a->spec_json, mem, ret, e);
    if (code == SK_OK && a->dataset.len && !span_is(a->dataset, "__all__"))
        ret->dataset = a->dataset;
    return code;
}

static void print_result(const exchange *x, const result *r, buf *out)
{
    if (span_is(exchange_query(x, "format"), "columns"))
        result_to_columns_json(r, out);
    else
        result_to_json(r, out);
}

/* One server-sent event whose data is one line of JSON. */
static bool send_event(exchange *x, const char *name, span json_text)
{
    buf out;
    buf_init(&out, ROUTE_REPLY_MAX);
    buf_print(&out, "event: %s\ndata: ", name);
    buf_add_span(&out, json_text);
    buf_add_text(&out, "\n\n");
    bool is_there = !out.failed && exchange_write(x, buf_span(&out));
    buf_done(&out);
    return is_there;
}

static void send_progress(void *ctx, uint64_t rows_scanned, uint64_t rows_total,
                          const result *partial)
{
    exchange *x = ctx;
    buf out;
    buf_init(&out, ROUTE_REPLY_MAX);
    json_writer w = {.out = &out};
    jw_object(&w);
    jw_key_text(&w, "rows_scanned");
    jw_u64(&w, rows_scanned);
    jw_key_text(&w, "rows_total");
    jw_u64(&w, rows_total);
    if (partial) {
        jw_key_text(&w, "partial");
        print_result(x, partial, &out);
        w.needs_comma = true;
    }
    jw_object_end(&w);
    send_event(x, "progress", buf_span(&out));
    buf_done(&out);
}

/* The comparison period's answer is the same plan, earlier; it stands beside the data under "compare". */
static sk_code run_compare(exchange *x, uint32_t environment_id, const plan *p,
                           const run_control *control, buf *out, err *e)
{
    plan earlier = *p;
    result answer;
    earlier.start_ns -= p->spec.compare_offset_s * NS_PER_S;
    earlier.end_ns -= p->spec.compare_offset_s * NS_PER_S;
    run_control quiet = *control;
    quiet.progress = NULL;
    sk_code code = engine_run(exchange_services(x)->engine, environment_id, &earlier, &quiet,
                              exchange_arena(x), &answer, e);
    if (code != SK_OK || out->len == 0)
        return code;
    out->len--; /* the closing brace of the first answer */
    buf_add_text(out, ",\"compare\":");
    print_result(x, &answer, out);
    buf_add_text(out, "}");
    return SK_OK;
}

static sk_code run_query(exchange *x, bool is_stream, const asked *a, environment *ret_asked,
                         buf *out, err *e)
{
    arena *mem = exchange_arena(x);
    query_spec spec;
    plan p;
    result answer;
    sk_code code = route_environment(x, a->environment, ret_asked, e);
    if (code == SK_OK)
        code = read_spec(a, mem, &spec, e);
    if (code == SK_OK)
        code = plan_make(&spec, clock_wall_ns(), !a->no_series, mem, &p, e);
    if (code != SK_OK)
        return code;
    run_control control = {.cancel = exchange_cancel(x),
                           .deadline_mono_ns = exchange_deadline_mono_ns(x)};
    if (is_stream) {
        control.progress = send_progress;
        control.ctx = x;
    }
    code = engine_run(exchange_services(x)->engine, ret_asked->id, &p, &control, mem, &answer, e);
    if (code != SK_OK)
        return code;
    print_result(x, &answer, out);
    return spec.compare_offset_s ? run_compare(x, ret_asked->id, &p, &control, out, e) : SK_OK;
}

sk_code query_check_format(const exchange *x, err *e)
{
    span format = exchange_query(x, "format");
    return !format.at || span_is(format, "columns")
               ? SK_OK
               : err_set(e, SK_BAD_INPUT, "format takes columns, not \"%.*s\"", SPAN_FMT(format));
}

sk_code query_answer(exchange *x, span body, environment *ret_asked, buf *out, err *e)
{
    asked a = {0};
    sk_code code = route_object_of(body, exchange_arena(x), read_member, &a, e);
    return code == SK_OK ? run_query(x, false, &a, ret_asked, out, e) : code;
}

static void finish_stream(exchange *take_x, sk_code code, err *e, buf *take_out)
{
    if (code == SK_OK && !take_out->failed) {
        send_event(take_x, "result", buf_span(take_out));
    } else {
        buf_clear(take_out);
        json_writer w = {.out = take_out};
        jw_object(&w);
        jw_key_text(&w, "error");
        jw_text(&w, code == SK_OK ? "the answer is too large" : e->text);
        jw_key_text(&w, "code");
        jw_text(&w, sk_name(code == SK_OK ? SK_TOO_LARGE : code));
        if (code != SK_OK && e->offset) {
            jw_key_text(&w, "offset");
            jw_u64(&w, e->offset);
        }
        jw_object_end(&w);
        send_event(take_x, "error", buf_span(take_out));
    }
    buf_done(take_out);
    exchange_end(take_x);
}

void route_query(exchange *take_x)
{
    static const char *const parameters[] = {"format", NULL};
    asked a = {0};
    environment env;
    err e = {0};
    buf out;
    bool is_stream = span_contains(exchange_header(take_x, "accept"), SPAN("text/event-stream"));
    sk_code code = route_check_query(take_x, parameters, &e);
    if (code == SK_OK)
        code = query_check_format(take_x, &e);
    if (code == SK_OK)
        code = route_object(take_x, read_member, &a, &e);
    if (code != SK_OK) {
        route_fail(take_x, code, &e);
        return;
    }
    buf_init(&out, ROUTE_REPLY_MAX);
    if (is_stream)
        exchange_begin(take_x, 200, "text/event-stream");
    code = run_query(take_x, is_stream, &a, &env, &out, &e);
    if (is_stream) {
        finish_stream(take_x, code, &e, &out);
    } else if (code != SK_OK) {
        buf_done(&out);
        route_fail(take_x, code, &e);
    } else {
        route_reply(take_x, 200, &out);
    }
}
