/*
 * cli/tail_command.c: skep tail: events as they arrive, one line each. Says when the server shed some, when the connection
 * broke, and goes on.
 */
#include <poll.h>
#include <stdio.h>

#include "base/clock.h"
#include "cli/api.h"
#include "cli/query_view.h"
#include "event/fields.h"

#define RETRY_FIRST_MS 500
#define RETRY_MAX_MS   10000
#define FIELDS_MAX     32u
#define WHERE_PREFIX   "COUNT WHERE "

typedef struct tail_own {
    const char *dataset, *fields;
} tail_own;

static const cli_option options[] = {
    {"dataset", 0, OPTION_TEXT, offsetof(tail_own, dataset), "NAME", "only of this dataset"},
    {"fields", 0, OPTION_TEXT, offsetof(tail_own, fields), "A,B,…", "print these fields instead"},
    {NULL, 0, OPTION_FLAG, 0, NULL, NULL}};

typedef struct tailing {
    cli *c;
    const tail_own *own;
    uint64_t shown, shed;
    bool had_event; /* since the last connection */
    bool is_done;
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

static void print_usual(cli *c, const node *event)
{
    span name = node_text(node_get(event, F_NAME)), body = node_text(node_get(event, F_BODY));
    const node *duration = node_get(event, F_DURATION_MS);
    span severity = node_text(node_get(event, F_SEVERITY));
    bool bad = is_bad(event);
    term_color_on(&c->out, COLOR_CYAN);
    term_text(&c->out, node_text(node_get(event, "dataset")));
    term_color_off(&c->out);
    if (severity.len) {
        term_print(&c->out, "  ");
        term_color_on(&c->out, bad ? COLOR_RED : COLOR_DIM);
        term_text(&c->out, severity);
        term_color_off(&c->out);
    }
    term_print(&c->out, "  ");
    if (bad)
        term_color_on(&c->out, COLOR_RED);
    term_text(&c->out, body.len   ? body
                       : name.len ? name
                                  : node_text(node_get(event, F_METRIC_NAME)));
    if (bad)
        term_color_off(&c->out);
    if (duration) {
        char text[FORM_MAX];
        form_ms(node_number(duration, 0), text);
        term_print(&c->out, "  %s", text);
    }
    const node *metric = node_get(event, F_METRIC_VALUE);
    if (metric) {
        term_print(&c->out, "  ");
        term_text(&c->out, node_text(metric));
    }
    if (bad && !severity.len)
        term_print(&c->out, "  ERR");
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
        print_usual(c, event);
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
    t->had_event = true;
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

/* Waits before another try; false when it is time to end. */
static bool wait_for_retry(cli *c, int64_t ms)
{
    struct pollfd signals = {.fd = c->signal_fd, .events = POLLIN};
    return poll(&signals, 1, (int)ms) <= 0 && !cli_is_interrupted(c);
}

static int follow(tailing *t, span filter)
{
    cli *c = t->c;
    int64_t retry_ms = RETRY_FIRST_MS;
    bool was_connected = false;
    for (;;) {
        api_path path;
        api_stream s = {.each = take_event, .ctx = t, .is_quiet = was_connected};
        api_path_init(&path, "/skep/v1/tail");
        api_path_environment(&path, c);
        api_path_query(&path, "dataset", span_text(t->own->dataset));
        if (filter.len)
            api_path_query(&path, "filter", filter);
        t->had_event = false;
        int64_t began = clock_mono_ns();
        int code = api_stream_run(c, "GET", &path, (span){NULL, 0}, &s);
        bool may_retry = code == EXIT_OK || code == EXIT_UNREACHABLE;
        bool did_connect = code == EXIT_OK || t->had_event || clock_mono_ns() - began > NS_PER_S;
        if (t->is_done || !may_retry || (!did_connect && !was_connected))
            return t->is_done ? EXIT_OK : code;
        was_connected = true;
        if (did_connect)
            retry_ms = RETRY_FIRST_MS;
        cli_talk(
            c,
            "the connection ended; what arrives until it is back is not shown; trying again in "
            "%.1f s",
            (double)retry_ms / 1000);
        if (!wait_for_retry(c, retry_ms))
            return EXIT_INTERRUPT;
        retry_ms = retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : retry_ms * 2;
    }
}

static int run(cli *c, void *own)
{
    tailing t = {.c = c, .own = own};
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
    int code = follow(&t, c->word_count ? span_from(filter, sizeof WHERE_PREFIX - 1) : SPAN(""));
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
