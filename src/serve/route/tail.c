/*
 * serve/route/tail.c: GET /skep/v1/tail?filter=…&dataset=…: events as they are published, as server-sent events `event`
 * (one JSON object each) and `shed` ({"count":n}: how many matched but were not sent: the reader was slow or more
 * than TAIL_ROWS_PER_WINDOW matched at once). The filter is the WHERE part of the text form.
 *
 * The tap runs on the committer thread: it only filters and prints, and never waits for the reader.
 */
#include "serve/route/tail.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "event/fields.h"
#include "serve/route/common.h"

/* What one reader may cost the committer: 10,000 rows a second. */
#define TAIL_WINDOW_NS       (100 * NS_PER_MS)
#define TAIL_ROWS_PER_WINDOW 1000u

typedef struct tail {
    exchange *x;
    tap *tap;
    plan plan; /* only its filters and dataset are used */
    arena *scratch;
    buf line;
    /* of the committer alone */
    uint64_t shed;
    int64_t window_ns; /* when it began, monotonic */
    uint32_t sent;     /* in it */
} tail;

static bool row_matches(const tail *t, const batch *b, uint32_t row)
{
    const plan *p = &t->plan;
    if (p->dataset.at && !span_equal(p->dataset, batch_text(b, b->dataset[row])))
        return false;
    bool matched = !p->filters_or || p->filter_count == 0;
    for (uint32_t i = 0; i < p->filter_count; i++) {
        const plan_field *field = &p->fields[p->filters[i].field];
        value v = {0};
        for (uint32_t k = 0; k < field->candidate_count && !v.is_set; k++)
            v = batch_get(b, field->candidates[k], row, t->scratch);
        bool one = plan_filter_matches(&p->filters[i], v);
        if (one == p->filters_or)
            return p->filters_or;
        matched = one;
    }
    return matched;
}

static void print_ids(json_writer *w, const batch *b, uint32_t row)
{
    char text[33];
    if (trace_id_is_set(b->trace_id[row])) {
        size_t len = trace_id_print(b->trace_id[row], text);
        jw_key_text(w, F_TRACE_ID);
        jw_string(w, span_of(text, len));
    }
    if (b->span_id[row]) {
        size_t len = span_id_print(b->span_id[row], text);
        jw_key_text(w, F_SPAN_ID);
        jw_string(w, span_of(text, len));
    }
    if (b->parent_id[row]) {
        size_t len = span_id_print(b->parent_id[row], text);
        jw_key_text(w, F_PARENT_ID);
        jw_string(w, span_of(text, len));
    }
}

static void print_row(tail *t, const batch *b, uint32_t row)
{
    json_writer w = {.out = &t->line};
    buf_clear(&t->line);
    buf_add_text(&t->line, "event: event\ndata: ");
    jw_object(&w);
    jw_key_text(&w, "time");
    jw_time(&w, b->time_ns[row]);
    jw_key_text(&w, "dataset");
    jw_string(&w, batch_text(b, b->dataset[row]));
    print_ids(&w, b, row);
    for (uint32_t c = 0; c < b->column_count; c++) {
        value v = batch_cell(b, c, row);
        if (v.is_set) {
            jw_key(&w, b->columns[c].name);
            jw_value(&w, v);
        }
    }
    jw_object_end(&w);
    buf_add_text(&t->line, "\n\n");
}

static void send_shed(tail *t)
{
    if (!t->shed)
        return;
    buf_clear(&t->line);
    buf_print(&t->line, "event: shed\ndata: {\"count\":%llu}\n\n", (unsigned long long)t->shed);
    if (exchange_try_write(t->x, buf_span(&t->line)) == STREAM_OK)
        t->shed = 0;
}

static void see_batch(void *ctx, const batch *b)
{
    tail *t = ctx;
    int64_t now_ns = clock_mono_ns();
    if (now_ns - t->window_ns >= TAIL_WINDOW_NS) {
        t->window_ns = now_ns;
        t->sent = 0;
    }
    send_shed(t);
    for (uint32_t row = 0; row < b->row_count; row++) {
        arena_mark mark = arena_here(t->scratch);
        if (row_matches(t, b, row)) {
            bool has_room = t->sent < TAIL_ROWS_PER_WINDOW && t->shed == 0;
            if (has_room)
                print_row(t, b, row);
            if (has_room && !t->line.failed &&
                exchange_try_write(t->x, buf_span(&t->line)) == STREAM_OK)
                t->sent++;
            else
                t->shed++;
        }
        arena_rewind(t->scratch, mark);
    }
    send_shed(t);
}

static void tail_free(tail *take_t)
{
    arena_free(take_t->scratch);
    buf_done(&take_t->line);
    base_free(take_t);
}

static void reader_left(exchange *take_x, void *ctx)
{
    tail *t = ctx;
    intake_tap_close(t->tap);
    tail_free(t);
    exchange_end(take_x);
}

/* The filter's text is planned as a whole question, so that errors and meaning are the query's own. */
static sk_code plan_filter_text(exchange *x, plan *ret, err *e)
{
    arena *mem = exchange_arena(x);
    query_spec spec = {0};
    span filter = span_trim(exchange_query(x, "filter")), dataset = exchange_query(x, "dataset");
    sk_code code = SK_OK;
    if (filter.len) {
        span text = arena_print(mem, "COUNT WHERE %.*s", SPAN_FMT(filter));
        code = text.at ? spec_from_text(text, mem, &spec, e)
                       : err_set(e, SK_NO_MEMORY, "out of memory");
    }
    if (code == SK_OK && dataset.len && !span_is(dataset, "__all__"))
        spec.dataset = dataset;
    return code == SK_OK ? plan_make(&spec, exchange_arrival_ns(x), false, mem, ret, e) : code;
}

void route_tail(exchange *take_x)
{
    static const char *const parameters[] = {"environment", "dataset", "filter", NULL};
    err e = {0};
    environment env;
    tail *t = base_alloc_zero(1, sizeof *t);
    sk_code code =
        t ? route_check_query(take_x, parameters, &e) : err_set(&e, SK_NO_MEMORY, "out of memory");
    if (code == SK_OK)
        code = route_environment(take_x, exchange_query(take_x, "environment"), &env, &e);
    if (code == SK_OK)
        code = plan_filter_text(take_x, &t->plan, &e);
    if (code == SK_OK && !(t->scratch = arena_new(4 * MIB)))
        code = err_set(&e, SK_NO_MEMORY, "out of memory");
    if (code != SK_OK) {
        if (t)
            tail_free(t);
        route_fail(take_x, code, &e);
        return;
    }
    t->x = take_x;
    buf_init(&t->line, 1 * MIB);
    exchange_begin(take_x, 200, "text/event-stream");
    exchange_write(take_x, SPAN(": tail\n\n")); /* the head goes out before the first event */
    t->tap = intake_tap_open(exchange_services(take_x)->intake, env.id, see_batch, t);
    if (!t->tap) {
        tail_free(t);
        exchange_end(take_x);
        return;
    }
    exchange_on_gone(take_x, reader_left, t);
}
