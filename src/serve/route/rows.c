/*
 * serve/route/rows.c: POST /skep/v1/rows: the events a question is about, as they were sent, a page at a time: the newest first, or the
 * oldest. Runs on a query worker; closing the connection cancels. The JSON is in docs/openapi.yaml.
 */
#include "serve/route/rows.h"

#include "base/clock.h"
#include "event/fields.h"
#include "serve/route/common.h"

#define LIMIT_DEFAULT 100u

typedef struct asked {
    span environment, dataset, spec_json, text, order, cursor;
    uint32_t limit;
} asked;

static sk_code read_limit(json *j, uint32_t *ret, err *e)
{
    uint64_t limit;
    if (!json_u64(j, &limit) || limit < 1 || limit > ROWS_LIMIT_MAX)
        return err_set(e, SK_BAD_INPUT, "\"limit\" takes a number from 1 to %u", ROWS_LIMIT_MAX);
    *ret = (uint32_t)limit;
    return SK_OK;
}

static sk_code read_member(void *ctx, span key, json *j, err *e)
{
    asked *a = ctx;
    if (span_is(key, "limit"))
        return read_limit(j, &a->limit, e);
    if (span_is(key, "query")) {
        if (j->kind != JSON_OBJECT)
            return err_set(e, SK_BAD_INPUT, "\"query\" must be an object: a query spec");
        a->spec_json = json_raw(j);
        return SK_OK;
    }
    span *field = span_is(key, "environment") ? &a->environment
                  : span_is(key, "dataset")   ? &a->dataset
                  : span_is(key, "text")      ? &a->text
                  : span_is(key, "order")     ? &a->order
                  : span_is(key, "cursor")    ? &a->cursor
                                              : NULL;
    if (!field)
        return err_set(e, SK_BAD_INPUT,
                       "unknown key \"%.*s\": known are environment, dataset, query, text, limit, "
                       "order, cursor",
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

/* Where the page before ended bounds the plan's time. */
static sk_code apply_order(const asked *a, plan *p, bool *ret_is_oldest_first, err *e)
{
    int64_t at_ns;
    *ret_is_oldest_first = span_is(a->order, "oldest");
    if (a->order.len && !*ret_is_oldest_first && !span_is(a->order, "newest"))
        return err_set(e, SK_BAD_INPUT, "\"order\" takes newest or oldest, not \"%.*s\"",
                       SPAN_FMT(a->order));
    if (!a->cursor.len)
        return SK_OK;
    if (!span_to_i64(a->cursor, &at_ns) || at_ns == INT64_MAX)
        return err_set(e, SK_BAD_INPUT,
                       "\"cursor\" is the \"next\" of the page before: nanoseconds as text");
    if (*ret_is_oldest_first && at_ns >= p->start_ns)
        p->start_ns = at_ns + 1;
    else if (!*ret_is_oldest_first && at_ns < p->end_ns)
        p->end_ns = at_ns;
    return SK_OK;
}

static void print_id(json_writer *w, const char *name, uint64_t id)
{
    char text[17];
    if (!id)
        return;
    size_t len = span_id_print(id, text);
    jw_key_text(w, name);
    jw_string(w, span_of(text, len));
}

static void print_row(json_writer *w, const event_row *row)
{
    char text[33];
    jw_object(w);
    jw_key_text(w, "start_ns");
    jw_i64_text(w, row->time_ns);
    jw_key_text(w, "time");
    jw_time(w, row->time_ns);
    jw_key_text(w, "dataset");
    jw_string(w, row->dataset);
    if (trace_id_is_set(row->trace)) {
        size_t len = trace_id_print(row->trace, text);
        jw_key_text(w, F_TRACE_ID);
        jw_string(w, span_of(text, len));
    }
    print_id(w, F_SPAN_ID, row->span_id);
    print_id(w, F_PARENT_ID, row->parent_id);
    if (row->rate != 1) {
        jw_key_text(w, "sample_rate");
        jw_u64(w, row->rate);
    }
    for (uint32_t i = 0; i < row->field_count; i++) {
        jw_key(w, row->names[i]);
        jw_value(w, row->values[i]);
    }
    jw_object_end(w);
}

static void print_rows(const rows_result *r, const plan *p, int64_t elapsed_ns, buf *out)
{
    json_writer w = {.out = out};
    jw_object(&w);
    jw_key_text(&w, "rows");
    jw_array(&w);
    for (uint32_t i = 0; i < r->row_count; i++)
        print_row(&w, &r->rows[i]);
    jw_array_end(&w);
    jw_key_text(&w, "next");
    if (r->is_full && r->row_count)
        jw_i64_text(&w, r->rows[r->row_count - 1].time_ns);
    else
        jw_null(&w);
    jw_key_text(&w, "left_out");
    jw_u64(&w, r->left_out);
    jw_key_text(&w, "meta");
    jw_object(&w);
    jw_key_text(&w, "rows_scanned");
    jw_u64(&w, r->rows_scanned);
    jw_key_text(&w, "damaged_blocks");
    jw_u64(&w, r->damaged_blocks);
    jw_key_text(&w, "elapsed_ms");
    jw_double(&w, (double)elapsed_ns / 1e6);
    jw_key_text(&w, "start");
    jw_time(&w, p->start_ns);
    jw_key_text(&w, "end");
    jw_time(&w, p->end_ns);
    jw_object_end(&w);
    jw_object_end(&w);
}

static sk_code run(exchange *x, const asked *a, buf *out, err *e)
{
    arena *mem = exchange_arena(x);
    environment env;
    query_spec spec;
    plan p;
    rows_result found = {0};
    rows_query q = {.plan = &p, .limit = a->limit};
    int64_t started = clock_mono_ns();
    run_control control = {.cancel = exchange_cancel(x),
                           .deadline_mono_ns = exchange_deadline_mono_ns(x)};
    sk_code code = route_environment(x, a->environment, &env, e);
    if (code == SK_OK)
        code = read_spec(a, mem, &spec, e);
    if (code == SK_OK)
        code = plan_make(&spec, clock_wall_ns(), false, mem, &p, e);
    if (code == SK_OK)
        code = apply_order(a, &p, &q.is_oldest_first, e);
    if (code == SK_OK && p.start_ns < p.end_ns) /* else the page before was the last */
        code = engine_rows(exchange_services(x)->engine, env.id, &q, &control, mem, &found, e);
    if (code == SK_OK)
        print_rows(&found, &p, clock_mono_ns() - started, out);
    return code;
}

void route_rows(exchange *take_x)
{
    static const char *const parameters[] = {NULL};
    asked a = {.limit = LIMIT_DEFAULT};
    err e = {0};
    buf out;
    sk_code code = route_check_query(take_x, parameters, &e);
    if (code == SK_OK)
        code = route_object(take_x, read_member, &a, &e);
    buf_init(&out, ROUTE_REPLY_MAX);
    if (code == SK_OK)
        code = run(take_x, &a, &out, &e);
    if (code == SK_OK) {
        route_reply(take_x, 200, &out);
        return;
    }
    buf_done(&out);
    route_fail(take_x, code, &e);
}
