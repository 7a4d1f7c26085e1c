/*
 * cli/tail_command.c: skep tail: events as they arrive, one line each. Says when the server shed some, when the connection
 * broke, and goes on.
 */
#include <poll.h>
#include <stdio.h>

#include "base/clock.h"
#include "cli/api.h"
#include "cli/chart.h"
#include "cli/query_view.h"
#include "event/fields.h"

#define RETRY_FIRST_MS      500
#define RETRY_MAX_MS        10000
#define MISSED_EARLIER_S    10 /* senders hold spans back, and a span's time is its start */
#define FIELDS_MAX          32u
#define WHERE_PREFIX        "COUNT WHERE "
#define MEASURE_COLUMNS     10u
#define DATASET_COLUMNS_MIN 14u
#define DATASET_COLUMNS_MAX 24u

typedef struct tail_own {
    const char *dataset, *fields;
} tail_own;

static const cli_option options[] = {
    {"dataset", 0, OPTION_TEXT, offsetof(tail_own, dataset), "DATASET", "only of this dataset"},
    {"fields", 0, OPTION_TEXT, offsetof(tail_own, fields), "FIELD,…", "print these fields instead"},
    {NULL, 0, OPTION_FLAG, 0, NULL, NULL}};

typedef struct tailing {
    cli *c;
    const tail_own *own;
    uint64_t shown, shed;
    uint32_t dataset_columns; /* as wide as the widest so far */
    int64_t lost_ns;          /* when the connection broke; 0: it stands, or never did */
    span filter;              /* the WHERE part; empty: everything */
    api_stream *stream;       /* the one that runs */
    bool is_open, is_done;
} tailing;

/* ---- one line ---- */

static void print_clock(cli *c, const node *time)
{
    char text[FORM_MAX];
    int64_t ns;
    if (!clock_parse_rfc3339(node_text(time), &ns))
        return;
    form_local_time(ns, text);
    term_color_on(&c->out, COLOR_DIM);
    term_print(&c->out, "%.12s ", text + 11); /* the time of day */
    term_color_off(&c->out);
}

static void print_named_fields(cli *c, const node *event, const char *names)
{
    uint32_t count = 0;
    for (span rest = span_text(names); rest.at && count < FIELDS_MAX; count++) {
        span name = span_trim(span_cut(&rest, ','));
        term_print(&c->out, "%s", !count ? "" : c->plain ? "\t" : "  ");
        if (!c->plain) {
            term_color_on(&c->out, COLOR_DIM);
            term_text(&c->out, name);
            term_print(&c->out, "=");
            term_color_off(&c->out);
        }
        term_text(&c->out, node_text(node_get_span(event, name)));
    }
}

static bool is_bad(const node *event)
{
    span severity = node_text(node_get(event, F_SEVERITY));
    return node_is_true(node_get(event, F_ERROR)) ||
           node_count(node_get(event, F_STATUS_CODE)) == 2 || span_is(severity, "error") ||
           span_is(severity, "fatal");
}

/* What stands between service and name: how long, how bad, how much. */
static void print_measure(cli *c, const node *event)
{
    char text[FORM_MAX];
    span shown = node_text(node_get(event, F_SEVERITY));
    const node *duration = node_get(event, F_DURATION_MS),
               *metric = node_get(event, F_METRIC_VALUE);
    if (duration) {
        form_ms(node_number(duration, 0), text);
        shown = span_text(text);
    } else if (metric && metric->kind == NODE_NUMBER) {
        form_number(node_number(metric, 0), text);
        shown = span_text(text);
    }
    term_cell(&c->out, shown, MEASURE_COLUMNS, true);
}

static void print_usual(tailing *t, const node *event)
{
    cli *c = t->c;
    span name = node_text(node_get(event, F_NAME)), body = node_text(node_get(event, F_BODY));
    span dataset = node_text(node_get(event, "dataset"));
    bool bad = is_bad(event);
    uint32_t wanted = term_columns(dataset);
    if (wanted > t->dataset_columns && !c->plain)
        t->dataset_columns = wanted < DATASET_COLUMNS_MAX ? wanted : DATASET_COLUMNS_MAX;
    term_color_on(&c->out, COLOR_CYAN);
    term_cell(&c->out, dataset, c->plain ? wanted : t->dataset_columns, false);
    term_color_off(&c->out);
    if (bad)
        term_color_on(&c->out, COLOR_RED);
    print_measure(c, event);
    term_print(&c->out, "  ");
    term_text(&c->out, body.len   ? body
                       : name.len ? name
                                  : node_text(node_get(event, F_METRIC_NAME)));
    if (bad && !node_get(event, F_SEVERITY))
        term_print(&c->out, "  ERR");
    if (bad)
        term_color_off(&c->out);
    span why = node_text(node_get(event, F_STATUS_MESSAGE)),
         trace = node_text(node_get(event, F_TRACE_ID));
    if (why.len) {
        term_print(&c->out, "  ");
        term_text(&c->out, why);
    }
    if (trace.len) {
        term_color_on(&c->out, COLOR_DIM);
        term_print(&c->out, "  ");
        term_text(&c->out, trace);
        term_color_off(&c->out);
    }
}

static void print_event(tailing *t, const node *event)
{
    cli *c = t->c;
    if (t->own->fields) {
        if (!c->plain)
            print_clock(c, node_get(event, "time"));
        print_named_fields(c, event, t->own->fields);
    } else {
        print_clock(c, node_get(event, "time"));
        print_usual(t, event);
    }
    term_print(&c->out, "\n");
}

static bool take_event(void *ctx, span name, span data)
{
    tailing *t = ctx;
    cli *c = t->c;
    err e;
    const node *n;
    arena_mark mark = arena_here(c->mem);
    if (span_is(name, "event") && c->json) {
        buf_add_span(&c->out.text, data);
        buf_add_text(&c->out.text, "\n");
        t->shown++;
    } else if (node_parse(data, c->mem, &n, &e) == SK_OK) {
        if (span_is(name, "event")) {
            print_event(t, n);
            t->shown++;
        } else if (span_is(name, "shed")) {
            uint64_t count = node_count(node_get(n, "count"));
            t->shed += count;
            cli_talk(
                c, "%llu more matched and were not shown: they came faster than they could be sent",
                (unsigned long long)count);
        }
    }
    term_flush(&c->out);
    arena_rewind(c->mem, mark);
    t->is_done = (c->limit && t->shown >= c->limit) || c->out.is_gone;
    return !t->is_done;
}

/* ---- staying connected ---- */

/* The same question as a count over the seconds of the break and a little before, for the user to ask again. */
static void missed_text(const tailing *t, int64_t to_ns, buf *out)
{
    buf_add_text(out, "COUNT");
    if (t->own->dataset)
        buf_print(out, " FROM \"%s\"", t->own->dataset);
    if (t->filter.len) {
        buf_add_text(out, " WHERE ");
        buf_add_span(out, t->filter);
    }
    buf_print(out, " SINCE %lld UNTIL %lld", (long long)(t->lost_ns / NS_PER_S - MISSED_EARLIER_S),
              (long long)(to_ns / NS_PER_S + 1));
}

/* Nothing is lost: it is in the store, only not on the screen. Which events came in the break is not known, so they are
 * asked for by their own times. */
static void say_missed(tailing *t)
{
    cli *c = t->c;
    const node *reply;
    int64_t now = clock_wall_ns();
    api_path path;
    buf text, body;
    buf_init(&text, 128 * KIB);
    buf_init(&body, 256 * KIB);
    missed_text(t, now, &text);
    json_writer w = {.out = &body};
    jw_object(&w);
    jw_key_text(&w, "text");
    jw_string(&w, buf_span(&text));
    if (c->env) {
        jw_key_text(&w, "environment");
        jw_text(&w, c->env);
    }
    jw_object_end(&w);
    api_path_init(&path, "/skep/v1/query");
    if (api_send(c, "POST", &path, buf_span(&body), NULL, &reply) == EXIT_OK) {
        const node *row = node_first(node_get(node_get(reply, "data"), "results"));
        span count = node_text(node_get(node_get(row, "data"), "COUNT"));
        cli_talk(
            c,
            "connected again; what arrived in those %.1f s is not shown. Kept of that time and "
            "the %d s before: %.*s events",
            (double)(now - t->lost_ns) / 1e9, MISSED_EARLIER_S,
            SPAN_FMT(count.len ? count : SPAN("0")));
        cli_talk(c, "  skep query '%.*s'%s%s", SPAN_FMT(buf_span(&text)), c->env ? " --env " : "",
                 c->env ? c->env : "");
    }
    buf_done(&text);
    buf_done(&body);
}

/* Called within the stream's own call, so the question goes over a connection of its own. */
static void on_opened(void *ctx)
{
    tailing *t = ctx;
    http_client *streaming = t->c->http;
    t->is_open = true;
    t->stream->is_quiet = true; /* when it breaks we say so ourselves */
    if (!t->lost_ns || t->c->quiet)
        return;
    arena_mark mark = arena_here(t->c->mem);
    t->c->http = http_client_new();
    if (t->c->http)
        say_missed(t);
    http_client_free(t->c->http);
    t->c->http = streaming;
    arena_rewind(t->c->mem, mark);
}

/* Waits before another try; false when it is time to end. */
static bool wait_for_retry(cli *c, int64_t ms)
{
    struct pollfd signals = {.fd = c->signal_fd, .events = POLLIN};
    return poll(&signals, 1, (int)ms) <= 0 && !cli_is_interrupted(c);
}

static int follow(tailing *t)
{
    cli *c = t->c;
    int64_t retry_ms = RETRY_FIRST_MS;
    for (;;) {
        api_path path;
        api_stream s = {
            .each = take_event, .opened = on_opened, .ctx = t, .is_quiet = t->lost_ns > 0};
        api_path_init(&path, "/skep/v1/tail");
        api_path_environment(&path, c);
        api_path_query(&path, "dataset", span_text(t->own->dataset));
        if (t->filter.len)
            api_path_query(&path, "filter", t->filter);
        t->is_open = false;
        t->stream = &s;
        int code = api_stream_run(c, "GET", &path, (span){NULL, 0}, &s);
        bool may_retry = code == EXIT_OK || code == EXIT_UNREACHABLE;
        if (t->is_done || !may_retry || (!t->is_open && !t->lost_ns))
            return t->is_done ? EXIT_OK : code;
        if (t->is_open) {
            retry_ms = RETRY_FIRST_MS;
            t->lost_ns = clock_wall_ns();
        }
        cli_talk(c, "the connection ended; trying again in %.1f s", (double)retry_ms / 1000);
        if (!wait_for_retry(c, retry_ms))
            return EXIT_INTERRUPT;
        retry_ms = retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : retry_ms * 2;
    }
}

static int run(cli *c, void *own)
{
    tailing t = {.c = c, .own = own, .dataset_columns = DATASET_COLUMNS_MIN};
    query_spec spec;
    err e = {0};
    buf text;
    span filter = SPAN("");
    buf_init(&text, 64 * KIB);
    buf_add_text(&text, WHERE_PREFIX);
    for (uint32_t i = 0; i < c->word_count; i++) {
        buf_add_text(&text, i ? " " : "");
        buf_add_text(&text, c->words[i]);
    }
    if (text.failed || !arena_copy(c->mem, buf_span(&text), &filter))
        filter = (span){NULL, 0};
    buf_done(&text);
    if (!filter.at)
        return cli_fail(c, EXIT_USAGE, "the filter is too long");
    if (c->word_count && spec_from_text(filter, c->mem, &spec, &e) != SK_OK) {
        size_t prefix = sizeof WHERE_PREFIX - 1;
        e.offset = e.offset > prefix ? e.offset - prefix : 0;
        return query_say_error(c, span_from(filter, prefix), &e);
    }
    t.filter = c->word_count ? span_from(filter, sizeof WHERE_PREFIX - 1) : SPAN("");
    int code = follow(&t);
    if (t.shed)
        cli_talk(c, "%llu events were not shown", (unsigned long long)t.shed);
    return code == EXIT_OK && !t.shown && c->fail_empty ? EXIT_NOTHING : code;
}

const command command_tail = {
    .name = "tail",
    .summary = "events as they arrive",
    .usage = "['FILTER'] [OPTIONS]",
    .examples = "  skep tail\n"
                "  skep tail 'error = true'\n"
                "  skep tail 'service.name = \"backend-flask\" AND duration_ms > 50' --fields "
                "name,duration_ms\n"
                "  skep tail --json --limit 10 | jq .name\n",
    .more = "FILTER is the WHERE part of a query.\n",
    .options = options,
    .own_bytes = sizeof(tail_own),
    .run = run,
};
