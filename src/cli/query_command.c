/*
 * cli/query_command.c: skep query. Reads the text here, so that a mistake is shown with a caret before anything is sent;
 * asks with progress; what the answer looks like is query_view.c's.
 */
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/api.h"
#include "cli/chart.h"
#include "cli/options.h"
#include "cli/query_view.h"

#define TEXT_BYTES_MAX    (64 * KIB)
#define PROGRESS_AFTER_NS (500 * NS_PER_MS)
#define PROGRESS_LINE_NS  (10 * NS_PER_S) /* between lines when stderr is no terminal */

typedef struct query_own {
    bool chart, heatmap, csv, series;
    int64_t watch_ns;
} query_own;

static const cli_option options[] = {
    {"chart", 0, OPTION_FLAG, offsetof(query_own, chart), NULL, "lines over time"},
    {"heatmap", 0, OPTION_FLAG, offsetof(query_own, heatmap), NULL,
     "draw HEATMAP calculations over time"},
    {"csv", 0, OPTION_FLAG, offsetof(query_own, csv), NULL, "comma-separated, for spreadsheets"},
    {"series", 0, OPTION_FLAG, offsetof(query_own, series), NULL,
     "one row per bucket of time and group"},
    {"watch", 0, OPTION_DURATION, offsetof(query_own, watch_ns), "TIME",
     "ask again every so often"},
    {NULL, 0, OPTION_FLAG, 0, NULL, NULL}};

/* ---- the question ---- */

static span words_of(cli *c)
{
    buf text;
    span copy = SPAN("");
    buf_init(&text, TEXT_BYTES_MAX + 2);
    for (uint32_t i = 0; i < c->word_count; i++) {
        buf_add_text(&text, i ? " " : "");
        buf_add_text(&text, c->words[i]);
    }
    if (c->word_count == 0 || (c->word_count == 1 && strcmp(c->words[0], "-") == 0)) {
        char piece[4096];
        buf_clear(&text);
        for (ssize_t got; (got = read(STDIN_FILENO, piece, sizeof piece)) > 0;)
            buf_add(&text, piece, (size_t)got);
    }
    if (text.failed || (text.len && !arena_copy(c->mem, span_trim(buf_span(&text)), &copy)))
        copy = (span){NULL, 0};
    buf_done(&text);
    return copy;
}

int query_say_error(cli *c, span text, const err *e)
{
    size_t start = e->offset < text.len ? e->offset : text.len, end = start;
    while (start > 0 && text.at[start - 1] != '\n')
        start--;
    while (end < text.len && text.at[end] != '\n')
        end++;
    term_flush(&c->out);
    term_text(&c->talk, span_of(text.at + start, end - start));
    term_print(&c->talk, "\n");
    size_t before = (e->offset < text.len ? e->offset : text.len) - start;
    term_fill(&c->talk, " ", term_columns(span_of(text.at + start, before)));
    term_color_on(&c->talk, COLOR_RED);
    term_print(&c->talk, "^");
    term_color_off(&c->talk);
    term_print(&c->talk, "\n");
    term_text(&c->talk, span_text(e->text));
    term_print(&c->talk, "\n");
    term_flush(&c->talk);
    return EXIT_USAGE;
}

/* --since, --until and --limit where the text does not say it itself. */
static int add_flags(cli *c, query_spec *s)
{
    int64_t now = clock_wall_ns(), ns;
    if ((c->since || c->until) && (s->has_range || s->has_start || s->has_end))
        return cli_fail(c, EXIT_USAGE,
                        "the time is in the text already; leave out --since and --until");
    if (c->limit && s->limit)
        return cli_fail(c, EXIT_USAGE, "LIMIT is in the text already; leave out --limit");
    if (c->limit > UINT32_MAX)
        return cli_fail(c, EXIT_USAGE, "--limit is too large");
    if (c->limit)
        s->limit = (uint32_t)c->limit;
    if (c->since && options_duration(span_text(c->since), &ns) && !c->until && ns >= NS_PER_S) {
        s->has_range = true;
        s->range_s = ns / NS_PER_S;
        return EXIT_OK;
    }
    if (c->since) {
        if (!api_time(span_text(c->since), now, &ns))
            return cli_fail(c, EXIT_USAGE,
                            "--since takes a time such as 10m or 2026-08-21T14:05:03Z, "
                            "not \"%s\"",
                            c->since);
        s->has_start = true;
        s->start_s = ns / NS_PER_S;
        s->has_end = true; /* --since alone goes on until now */
        s->end_s = now / NS_PER_S + 1;
    }
    if (c->until) {
        if (!api_time(span_text(c->until), now, &ns))
            return cli_fail(c, EXIT_USAGE,
                            "--until takes a time such as 10m or 2026-08-21T14:05:03Z, "
                            "not \"%s\"",
                            c->until);
        s->has_end = true;
        s->end_s = ns / NS_PER_S;
    }
    return EXIT_OK;
}

/* What is drawn is asked for in steps that fill the columns evenly: no two buckets share one. */
static int64_t column_seconds(const cli *c, const plan *p)
{
    int64_t columns = chart_columns(&c->out), range_s = (p->end_ns - p->start_ns) / NS_PER_S;
    int64_t step = (range_s + columns - 1) / columns;
    return step > 0 ? step : 1;
}

static int read_question(cli *c, const query_own *own, query_view *v, span *ret_text)
{
    query_spec spec;
    err e = {0};
    span text = words_of(c);
    if (!text.at)
        return cli_fail(c, EXIT_USAGE, "the query text is longer than %zu bytes", TEXT_BYTES_MAX);
    if (text.len == 0)
        return cli_fail(c, EXIT_USAGE,
                        "what should be asked? for example skep query 'COUNT GROUP BY "
                        "service.name'");
    if (spec_from_text(text, c->mem, &spec, &e) != SK_OK)
        return query_say_error(c, text, &e);
    int code = add_flags(c, &spec);
    if (code)
        return code;
    v->has_series = own->chart || own->heatmap || own->series ||
                    (c->json && spec.limit <= PLAN_LIMIT_SERIES_MAX);
    sk_code made = plan_make(&spec, clock_wall_ns(), v->has_series, c->mem, &v->plan, &e);
    if (made == SK_OK && (own->chart || own->heatmap) && !spec.granularity_s) {
        spec.granularity_s = column_seconds(c, &v->plan);
        made = plan_make(&spec, clock_wall_ns(), v->has_series, c->mem, &v->plan, &e);
    }
    if (made != SK_OK)
        return cli_fail(c, EXIT_USAGE, "%s", e.text);
    if (own->heatmap && !query_has_heatmap(&v->plan))
        return cli_fail(c, EXIT_USAGE,
                        "--heatmap draws HEATMAP(field): add it, for example HEATMAP(duration_ms)");
    buf printed;
    buf_init(&printed, 4 * TEXT_BYTES_MAX);
    spec_to_text(&spec, &printed);
    bool done =
        !printed.failed && (printed.len == 0 || arena_copy(c->mem, buf_span(&printed), ret_text));
    if (printed.len == 0)
        *ret_text = SPAN("");
    buf_done(&printed);
    return done ? EXIT_OK : cli_fail(c, EXIT_FAILED, "no memory");
}

/* ---- asking ---- */

typedef struct asking {
    cli *c;
    int64_t began_ns, said_ns;
    bool has_line; /* a progress line stands on the terminal */
    span answer;   /* the result, or the newest partial one */
    bool is_complete;
    bool failed;
    int exit;
    buf newest;
} asking;

static void say_progress(asking *a, const node *progress)
{
    cli *c = a->c;
    int64_t now = clock_mono_ns();
    if (c->quiet || now - a->began_ns < PROGRESS_AFTER_NS)
        return;
    uint64_t done = node_count(node_get(progress, "rows_scanned"));
    uint64_t all = node_count(node_get(progress, "rows_total"));
    char done_text[FORM_MAX], all_text[FORM_MAX];
    form_count(done, done_text);
    form_count(all, all_text);
    double seconds = (double)(now - a->began_ns) / 1e9,
           rate = seconds > 0 ? (double)done / seconds : 0;
    if (!c->talk.is_terminal && now - a->said_ns < PROGRESS_LINE_NS)
        return;
    a->said_ns = now;
    if (c->talk.is_terminal)
        term_print(&c->talk, "\r\x1b[K");
    term_print(&c->talk, "%s of %s rows, %.1f M/s", done_text, all_text, rate / 1e6);
    if (all > done && rate > 0)
        term_print(&c->talk, ", %.0f s left", (double)(all - done) / rate);
    if (!c->talk.is_terminal)
        term_print(&c->talk, "\n");
    a->has_line = c->talk.is_terminal;
    term_flush(&c->talk);
}

static void end_progress(asking *a)
{
    if (a->has_line)
        term_print(&a->c->talk, "\r\x1b[K");
    term_flush(&a->c->talk);
    a->has_line = false;
}

static bool take_event(void *ctx, span event, span data)
{
    asking *a = ctx;
    err e;
    const node *n;
    if (span_is(event, "result")) {
        a->is_complete = true;
        buf_clear(&a->newest);
        buf_add_span(&a->newest, data);
        return false;
    }
    arena_mark mark = arena_here(a->c->mem);
    if (node_parse(data, a->c->mem, &n, &e) != SK_OK)
        return true;
    if (span_is(event, "error")) {
        end_progress(a);
        span text = node_text(node_get(n, "error"));
        a->failed = true;
        a->exit = cli_fail(
            a->c, span_is(node_text(node_get(n, "code")), "timeout") ? EXIT_TIMEOUT : EXIT_FAILED,
            "%.*s", SPAN_FMT(text));
        return false;
    }
    if (span_is(event, "progress")) {
        say_progress(a, n);
        span key = SPAN("\"partial\":");
        for (size_t i = 0; i + key.len < data.len;
             i++) /* its source text, up to the object's brace */
            if (memcmp(data.at + i, key.at, key.len) == 0) {
                buf_clear(&a->newest);
                buf_add(&a->newest, data.at + i + key.len, data.len - i - key.len - 1);
                break;
            }
    }
    arena_rewind(a->c->mem, mark);
    return true;
}

static int ask(cli *c, const query_view *v, span text, asking *a)
{
    api_path path;
    buf body;
    buf_init(&body, 8 * TEXT_BYTES_MAX);
    json_writer w = {.out = &body};
    jw_object(&w);
    jw_key_text(&w, "text");
    jw_string(&w, text);
    if (c->env) {
        jw_key_text(&w, "environment");
        jw_text(&w, c->env);
    }
    if (!v->has_series) {
        jw_key_text(&w, "disable_series");
        jw_bool(&w, true);
    }
    jw_object_end(&w);
    a->began_ns = a->said_ns = clock_mono_ns();
    api_path_init(&path, "/skep/v1/query");
    api_stream s = {.each = take_event, .ctx = a};
    int code = api_stream_run(c, "POST", &path, buf_span(&body), &s);
    end_progress(a);
    buf_done(&body);
    return a->failed ? a->exit : code;
}

/* No group; or, without GROUP BY, a row in which nothing was counted. */
static bool is_empty_answer(const query_view *v, const node *answer)
{
    const node *row = node_first(node_get(node_get(answer, "data"), "results"));
    if (!row || v->plan.breakdown_count)
        return !row;
    for (const node *n = node_first(node_get(row, "data")); n; n = n->next)
        if (n->kind != NODE_NULL && !span_is(n->text, "0"))
            return false;
    return true;
}

static int ask_and_show(cli *c, const query_own *own, const query_view *v, span text)
{
    asking a = {.c = c};
    const node *answer = NULL;
    err e;
    buf_init(&a.newest, 512 * MIB);
    int code = ask(c, v, text, &a);
    if (code == EXIT_OK && !a.is_complete)
        code = cli_fail(c, EXIT_FAILED, "the server ended without an answer");
    if ((code == EXIT_OK || code == EXIT_INTERRUPT || code == EXIT_TIMEOUT) && a.newest.len) {
        if (node_parse(buf_span(&a.newest), c->mem, &answer, &e) != SK_OK)
            code = cli_fail(c, EXIT_FAILED, "the answer cannot be read: %s", e.text);
    }
    if (answer && c->json) {
        buf_add_span(&c->out.text, buf_span(&a.newest));
        buf_add_text(&c->out.text, "\n");
    } else if (answer) {
        query_show(c, v, answer,
                   &(query_look){own->chart, own->heatmap, own->series,
                                 own->csv   ? TABLE_CSV
                                 : c->plain ? TABLE_PLAIN
                                            : TABLE_ALIGNED});
    }
    if (answer && code != EXIT_OK)
        cli_talk(c, "interrupted: this is what was found up to then");
    bool is_empty = answer && is_empty_answer(v, answer);
    term_flush(&c->out);
    buf_done(&a.newest);
    return code == EXIT_OK && is_empty && c->fail_empty ? EXIT_NOTHING : code;
}

static int watch(cli *c, const query_own *own, const query_view *v, span text)
{
    c->out.before_flush = NULL; /* no pager for what changes */
    for (;;) {
        arena_mark mark = arena_here(c->mem);
        if (c->out.is_terminal && !c->json)
            term_print(&c->out, "\x1b[H\x1b[2J");
        int code = ask_and_show(c, own, v, text);
        arena_rewind(c->mem, mark);
        if (code == EXIT_INTERRUPT || code == EXIT_AUTH || code == EXIT_USAGE ||
            code == EXIT_DRY_RUN || c->out.is_gone)
            return code;
        struct pollfd signals = {.fd = c->signal_fd, .events = POLLIN};
        if (poll(&signals, 1, (int)(own->watch_ns / NS_PER_MS)) > 0)
            return EXIT_INTERRUPT;
        if (cli_is_interrupted(c))
            return EXIT_TIMEOUT;
    }
}

static int run(cli *c, void *own)
{
    const query_own *o = own;
    query_view v = {0};
    span text = SPAN("");
    if (o->watch_ns && (o->watch_ns < NS_PER_S || o->watch_ns > 86400 * NS_PER_S))
        return cli_fail(c, EXIT_USAGE, "--watch takes from 1s to 1d");
    int code = read_question(c, o, &v, &text);
    if (code)
        return code;
    return o->watch_ns ? watch(c, o, &v, text) : ask_and_show(c, o, &v, text);
}

const command command_query = {
    .name = "query",
    .summary = "ask: counts, percentiles, heatmaps over any fields",
    .usage = "'TEXT' [OPTIONS]     (no TEXT or -: from stdin; in single quotes for the shell)",
    .examples =
        "  skep query 'COUNT GROUP BY service.name'\n"
        "  skep query 'P50(duration_ms), P99(duration_ms) GROUP BY http.route SINCE 1d' --chart\n"
        "  skep query 'HEATMAP(duration_ms) FROM backend-flask SINCE 10m' --heatmap\n"
        "  skep query 'COUNT WHERE error = true GROUP BY name' --watch 5s\n"
        "  skep query 'MAX(app.result_length) WHERE app.result_length exists' --json\n",
    .more = "The text: CALCULATIONS [FROM dataset] [WHERE …] [GROUP BY …] [HAVING …] [ORDER BY …]\n"
            "[LIMIT n] [SINCE 2h | time] [UNTIL time] [EVERY 60s] [COMPARE 24h]. All of it:\n"
            "docs/query-text.md.\n",
    .options = options,
    .own_bytes = sizeof(query_own),
    .pages = true,
    .run = run,
};
