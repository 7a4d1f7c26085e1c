/*
 * serve/route/trace.c: GET /skep/v1/traces/{trace_id}: the whole trace, its skeleton by column (?format=columns:
 * trace_columns.c), one span with what hangs on it (?span=ID or ?index=N of the skeleton), or which spans hold some words
 * (?find=TEXT: trace_find.c). Runs on query workers. JSON shapes are in docs/openapi.yaml.
 */
#include "serve/route/trace.h"

#include "event/fields.h"
#include "serve/route/common.h"

#define SPAN_ANNOTATIONS_MAX 1000u /* of one span: what a reader scrolls through */

static void print_id(json_writer *w, const char *name, uint64_t id)
{
    char text[17];
    if (!id)
        return;
    size_t len = span_id_print(id, text);
    jw_key_text(w, name);
    jw_string(w, span_of(text, len));
}

static void print_row(json_writer *w, const trace_result *t, uint32_t index)
{
    const trace_row *row = &t->rows[index];
    const tree_node *node = &t->tree.nodes[row->node];
    jw_object(w);
    jw_key_text(w, "start_ns");
    jw_i64_text(w, row->time_ns);
    jw_key_text(w, "time");
    jw_time(w, row->time_ns);
    jw_key_text(w, "dataset");
    jw_string(w, row->dataset);
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
    if (row->span_id) {
        jw_key_text(w, "meta.is_critical");
        jw_bool(w, node->is_critical);
    }
    jw_object_end(w);
}

static void print_trace(const trace_result *t, buf *out)
{
    json_writer w = {.out = out};
    char text[33];
    jw_object(&w);
    jw_key_text(&w, "trace_id");
    size_t len = trace_id_print(t->id, text);
    jw_string(&w, span_of(text, len));
    jw_key_text(&w, "spans");
    jw_array(&w);
    for (uint32_t i = 0; i < t->row_count; i++)
        print_row(&w, t, i);
    jw_array_end(&w);
    jw_key_text(&w, "missing_parents");
    jw_array(&w);
    for (uint32_t i = 0; i < t->tree.missing_count; i++) {
        len = span_id_print(t->tree.missing_parents[i], text);
        jw_string(&w, span_of(text, len));
    }
    jw_array_end(&w);
    jw_key_text(&w, "folded_rows");
    jw_u64(&w, t->folded_rows);
    jw_object_end(&w);
}

/* ---- one span ---- */

typedef enum part { PART_EVENTS, PART_LINKS, PART_LOGS, PART_COUNT } part;

/* A log line that names a span is an annotation too (span_event): its signal tells it apart. */
static part part_of(const trace_row *row)
{
    bool is_log = false, is_link = false;
    for (uint32_t i = 0; i < row->field_count; i++) {
        if (row->values[i].type != FIELD_STRING)
            continue;
        if (span_is(row->names[i], F_ANNOTATION_TYPE))
            is_link = span_is(row->values[i].text, "link");
        else if (span_is(row->names[i], F_SIGNAL_TYPE))
            is_log = !span_is(row->values[i].text, "trace");
    }
    return is_log ? PART_LOGS : is_link ? PART_LINKS : PART_EVENTS;
}

static void print_span(const trace_result *t, uint32_t row, uint32_t index, buf *out)
{
    static const char *const names[PART_COUNT] = {"events", "links", "logs"};
    json_writer w = {.out = out};
    uint32_t left_out = 0;
    jw_object(&w);
    jw_key_text(&w, "index");
    jw_u64(&w, index);
    jw_key_text(&w, "span");
    print_row(&w, t, row);
    for (part p = 0; p < PART_COUNT; p++) {
        uint32_t shown = 0;
        jw_key_text(&w, names[p]);
        jw_array(&w);
        for (uint32_t i = 0; i < t->row_count; i++) {
            if (t->rows[i].span_id || t->tree.nodes[i].parent != row || part_of(&t->rows[i]) != p)
                continue;
            if (shown++ < SPAN_ANNOTATIONS_MAX)
                print_row(&w, t, i);
            else
                left_out++;
        }
        jw_array_end(&w);
    }
    jw_key_text(&w, "left_out");
    jw_u64(&w, left_out);
    jw_object_end(&w);
}

/* The span asked for by its id (the first of that id) or by its place among the spans. */
static sk_code find_span(const trace_result *t, span id, uint32_t asked, uint32_t *ret_row,
                         uint32_t *ret_index, err *e)
{
    uint64_t wanted = 0;
    uint32_t index = 0;
    if (id.len && !span_id_parse(id, true, &wanted))
        return err_set(e, SK_BAD_INPUT, "\"%.*s\" is not a span id: 16 hex digits, not all zero",
                       SPAN_FMT(id));
    for (uint32_t row = 0; row < t->row_count; row++) {
        if (!t->rows[row].span_id)
            continue;
        if (id.len ? t->rows[row].span_id == wanted : index == asked) {
            *ret_row = row;
            *ret_index = index;
            return SK_OK;
        }
        index++;
    }
    return id.len ? err_set(e, SK_NOT_FOUND, "the trace has no span %.*s", SPAN_FMT(id))
                  : err_set(e, SK_NOT_FOUND, "the trace has %u spans, none at %u", index, asked);
}

/* ---- the request ---- */

typedef struct request {
    span id, form, span_id, find;
    bool has_index, has_find;
    uint32_t index;
} request;

static sk_code read_request(exchange *x, request *ret, err *e)
{
    static const char *const parameters[] = {"environment", "start", "end",  "format",
                                             "span",        "index", "find", NULL};
    *ret = (request){.id = exchange_param(x, "trace_id"),
                     .form = exchange_query(x, "format"),
                     .span_id = exchange_query(x, "span"),
                     .find = exchange_query(x, "find"),
                     .has_find = exchange_query(x, "find").at != NULL,
                     .has_index = exchange_query(x, "index").at != NULL};
    sk_code code = route_check_query(x, parameters, e);
    if (code == SK_OK)
        code = route_number(x, "index", 0, INT32_MAX, &ret->index, e);
    if (code != SK_OK)
        return code;
    if (ret->form.len && !span_is(ret->form, "columns"))
        return err_set(e, SK_BAD_INPUT, "format is \"columns\" or absent, not \"%.*s\"",
                       SPAN_FMT(ret->form));
    if ((ret->form.len != 0) + (ret->span_id.len != 0) + ret->has_index + ret->has_find > 1)
        return err_set(e, SK_BAD_INPUT, "ask for one of format, span, index and find");
    return SK_OK;
}

static sk_code print_answer(const request *r, const trace_result *t, arena *mem, buf *out, err *e)
{
    uint32_t row = 0, index = 0;
    if (r->form.len)
        return trace_columns_print(t, mem, out, e);
    if (r->has_find)
        return trace_find_print(t, r->find, mem, out, e);
    if (!r->span_id.len && !r->has_index) {
        print_trace(t, out);
        return SK_OK;
    }
    sk_code code = find_span(t, r->span_id, r->index, &row, &index, e);
    if (code == SK_OK)
        print_span(t, row, index, out);
    return code;
}

void route_trace(exchange *take_x)
{
    err e = {0};
    environment env;
    trace_id id;
    trace_result trace;
    request asked;
    int64_t start_ns = 0, end_ns = 0;
    sk_code code = read_request(take_x, &asked, &e);
    if (code == SK_OK)
        code = route_environment(take_x, exchange_query(take_x, "environment"), &env, &e);
    if (code == SK_OK && (exchange_query(take_x, "start").len || exchange_query(take_x, "end").len))
        code = route_range(take_x, 0, &start_ns, &end_ns, &e);
    if (code == SK_OK && !trace_id_parse(asked.id, true, &id))
        code = err_set(&e, SK_BAD_INPUT,
                       "\"%.*s\" is not a trace id: 32 (or 16) hex digits, not all zero",
                       SPAN_FMT(asked.id));
    if (code == SK_OK)
        code = engine_trace(exchange_services(take_x)->engine, env.id, id, start_ns, end_ns,
                            exchange_arena(take_x), &trace, &e);
    buf out;
    buf_init(&out, ROUTE_REPLY_MAX);
    if (code == SK_OK)
        code = print_answer(&asked, &trace, exchange_arena(take_x), &out, &e);
    if (code != SK_OK) {
        buf_done(&out);
        route_fail(take_x, code, &e);
        return;
    }
    route_reply(take_x, 200, &out);
}
