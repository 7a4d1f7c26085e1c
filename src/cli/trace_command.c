/*
 * cli/trace_command.c: skep trace: one trace by its id, or by the beginning of it; those whose ids stand on stdin; those in
 * a file.
 */
#include <ctype.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "cli/api.h"
#include "cli/trace_file.h"
#include "cli/waterfall.h"
#include "event/fields.h"

#define MATCHES_MAX 5u
#define LINE_BYTES  4096
#define FILE_BYTES  (512 * MIB)

typedef struct trace_own {
    int64_t min_ns;
    uint64_t depth;
    bool errors;
    const char *service, *view;
} trace_own;

static const cli_option options[] = {
    {"min", 0, OPTION_DURATION, offsetof(trace_own, min_ns), "TIME",
     "hide shorter spans, errors excepted"},
    {"errors", 0, OPTION_FLAG, offsetof(trace_own, errors), NULL,
     "only failed spans and what led to them"},
    {"depth", 0, OPTION_COUNT, offsetof(trace_own, depth), "N", "only so many levels"},
    {"service", 0, OPTION_TEXT, offsetof(trace_own, service), "SERVICE",
     "only this service's spans and what led to them"},
    {"view", 0, OPTION_TEXT, offsetof(trace_own, view), "waterfall|flame|table|critical",
     "waterfall is the default"},
    {NULL, 0, OPTION_FLAG, 0, NULL, NULL}};

static bool is_hex(span text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t b = text.at[i];
        if (!((b >= '0' && b <= '9') || (b >= 'a' && b <= 'f') || (b >= 'A' && b <= 'F')))
            return false;
    }
    return text.len > 0;
}

/* A shortened id, as people copy it from a table: asked among the traces of the last day (or --since). */
static int find_by_beginning(cli *c, span beginning, span *ret)
{
    api_path path;
    buf body;
    const node *reply;
    char since[40] = "1d";
    if (c->since)
        snprintf(since, sizeof since, "%.38s", c->since);
    span text =
        arena_print(c->mem,
                    "COUNT WHERE trace.trace_id starts-with \"%.*s\" GROUP BY trace.trace_id "
                    "LIMIT %u SINCE %s",
                    SPAN_FMT(beginning), MATCHES_MAX, since);
    buf_init(&body, 64 * KIB);
    json_writer w = {.out = &body};
    jw_object(&w);
    jw_key_text(&w, "text");
    jw_string(&w, text);
    jw_key_text(&w, "disable_series");
    jw_bool(&w, true);
    if (c->env) {
        jw_key_text(&w, "environment");
        jw_text(&w, c->env);
    }
    jw_object_end(&w);
    api_path_init(&path, "/skep/v1/query");
    int code = api_send(c, "POST", &path, buf_span(&body), NULL, &reply);
    buf_done(&body);
    if (code)
        return code;
    const node *rows = node_get(node_get(reply, "data"), "results");
    if (!node_first(rows))
        return cli_fail(c, c->fail_empty ? EXIT_NOTHING : EXIT_FAILED,
                        "no trace of the last %s begins with %.*s; --since looks further back",
                        since, SPAN_FMT(beginning));
    *ret = node_text(node_get(node_get(node_first(rows), "data"), F_TRACE_ID));
    if (rows->count == 1)
        return EXIT_OK;
    cli_fail(c, EXIT_USAGE, "several traces begin with %.*s:", SPAN_FMT(beginning));
    for (const node *r = node_first(rows); r; r = r->next)
        cli_talk(c, "  %.*s", SPAN_FMT(node_text(node_get(node_get(r, "data"), F_TRACE_ID))));
    return EXIT_USAGE;
}

static int show(cli *c, const trace_own *o, const node *reply)
{
    trace_view v;
    err e;
    trace_filter f = {o->min_ns, o->depth < UINT32_MAX ? (uint32_t)o->depth : 0, o->errors,
                      o->service};
    table_form form = cli_form(c);
    if (trace_view_read(reply, c->mem, &v, &e) != SK_OK)
        return cli_fail_err(c, &e);
    if (o->view && strcmp(o->view, "critical") == 0)
        waterfall_print_critical(&v, form, c->mem, &c->out);
    else if (o->view && strcmp(o->view, "flame") == 0)
        waterfall_print_flame(&v, &f, form, c->mem, &c->out);
    else if (c->plain || (o->view && strcmp(o->view, "table") == 0))
        waterfall_print_table(&v, &f, form, c->mem, &c->out);
    else
        waterfall_print(&v, &f, c->mem, &c->out);
    return EXIT_OK;
}

static int show_one(cli *c, const trace_own *o, span id)
{
    api_path path;
    span text;
    const node *reply;
    if (id.len != 32 && id.len != 16) {
        int code = find_by_beginning(c, id, &id);
        if (code)
            return code;
    }
    api_path_init(&path, "/skep/v1/traces");
    api_path_segment(&path, id);
    api_path_environment(&path, c);
    int code = api_path_times(&path, c);
    if (code) {
        api_path_done(&path);
        return code;
    }
    if ((code = api_get(c, &path, &text, &reply)))
        return code;
    if (!c->json)
        return show(c, o, reply);
    buf_add_span(&c->out.text, text);
    buf_add_text(&c->out.text, "\n");
    return EXIT_OK;
}

/* ---- a file ---- */

typedef struct file_show {
    cli *c;
    const trace_own *own;
    uint32_t count;
    int code;
} file_show;

static int show_text(void *ctx, span trace_json)
{
    file_show *s = ctx;
    arena_mark mark = arena_here(s->c->mem);
    const node *reply;
    err e;
    if (s->c->json) {
        buf_add_span(&s->c->out.text, trace_json);
        buf_add_text(&s->c->out.text, "\n");
    } else if (node_parse(trace_json, s->c->mem, &reply, &e) != SK_OK) {
        s->code = cli_fail_err(s->c, &e);
    } else {
        term_print(&s->c->out, "%s", s->count && !s->c->plain ? "\n" : "");
        s->code = show(s->c, s->own, reply);
    }
    s->count++;
    term_flush(&s->c->out);
    arena_rewind(s->c->mem, mark);
    return s->code || s->c->out.is_gone || cli_is_interrupted(s->c) ||
           (s->c->limit && s->count >= s->c->limit);
}

static int show_document(cli *c, const trace_own *o, span text, const char *name)
{
    file_show s = {.c = c, .own = o};
    err e = {0};
    if (trace_file_each(text, c->mem, show_text, &s, &e) != SK_OK)
        return cli_fail(c, EXIT_FAILED, "%s is not OTLP JSON of spans: %s", name, e.text);
    return cli_is_interrupted(c) ? EXIT_INTERRUPT : s.code;
}

static int show_file(cli *c, const trace_own *o, const char *path)
{
    uint8_t *bytes;
    size_t len;
    err e;
    if (file_read_all(path, FILE_BYTES, &bytes, &len, &e) != SK_OK)
        return cli_fail(c, EXIT_FAILED, "%s", e.text);
    int code = show_document(c, o, span_of(bytes, len), path);
    base_free(bytes);
    return code;
}

static int show_stdin_document(cli *c, const trace_own *o)
{
    char piece[LINE_BYTES];
    buf text;
    buf_init(&text, FILE_BYTES);
    for (size_t got; (got = fread(piece, 1, sizeof piece, stdin)) > 0;)
        buf_add(&text, piece, got);
    int code = text.failed ? cli_fail(c, EXIT_FAILED, "what stands on stdin is too large")
                           : show_document(c, o, buf_span(&text), "what stands on stdin");
    buf_done(&text);
    return code;
}

/* ---- stdin ---- */

/* The first byte that is no space stays to be read. */
static bool begins_with_brace(void)
{
    int b = getc(stdin);
    while (b != EOF && isspace(b))
        b = getc(stdin);
    if (b != EOF)
        ungetc(b, stdin);
    return b == '{';
}

/* The first word of each line that is a whole trace id, so that the rows of a query can be piped here as they are. */
static int show_from_stdin(cli *c, const trace_own *o)
{
    char line[LINE_BYTES];
    uint32_t count = 0;
    int worst = EXIT_OK;
    while (fgets(line, sizeof line, stdin) && !cli_is_interrupted(c)) {
        arena_mark mark = arena_here(c->mem);
        span rest = span_trim(span_text(line)), id = SPAN("");
        while (rest.at && !(is_hex(id) && (id.len == 32 || id.len == 16))) {
            while (rest.len && (rest.at[0] == ' ' || rest.at[0] == '\t'))
                rest = span_from(rest, 1);
            span tabbed = rest, spaced = rest;
            span by_tab = span_cut(&tabbed, '\t'), by_space = span_cut(&spaced, ' ');
            id = by_tab.len < by_space.len ? by_tab : by_space;
            rest = by_tab.len < by_space.len ? tabbed : spaced;
        }
        if (!is_hex(id) || (id.len != 32 && id.len != 16))
            continue;
        if (count++ && !c->json)
            term_print(&c->out, "\n");
        int code = show_one(c, o, id);
        term_flush(&c->out);
        worst = code ? code : worst;
        arena_rewind(c->mem, mark);
        if (code == EXIT_INTERRUPT || code == EXIT_AUTH || code == EXIT_UNREACHABLE)
            return code;
    }
    if (cli_is_interrupted(c))
        return EXIT_INTERRUPT;
    return count ? worst
                 : cli_fail(c, c->fail_empty ? EXIT_NOTHING : EXIT_USAGE,
                            "no line on stdin holds a trace id (16 or 32 hex digits)");
}

static int run(cli *c, void *own)
{
    const trace_own *o = own;
    if (c->word_count != 1)
        return cli_fail(c, EXIT_USAGE,
                        "which trace? skep trace ID or FILE, and skep query 'COUNT GROUP BY "
                        "trace.trace_id' lists some");
    span id = span_trim(span_text(c->words[0]));
    if (span_is(id, "-"))
        return begins_with_brace() ? show_stdin_document(c, o) : show_from_stdin(c, o);
    if ((!is_hex(id) || id.len > 32) && access(c->words[0], F_OK) == 0)
        return show_file(c, o, c->words[0]);
    if (!is_hex(id) || id.len > 32)
        return cli_fail(
            c, EXIT_USAGE,
            "\"%.*s\" is no file and no trace id: 32 (or 16) hex digits, or how it begins",
            SPAN_FMT(id));
    return show_one(c, o, id);
}

const command command_trace = {
    .name = "trace",
    .summary = "one trace: tree, bars, errors, critical path, self time",
    .usage = "ID | FILE | - [OPTIONS]     (the first digits of an id do; -: ids or OTLP JSON from "
             "stdin)",
    .examples =
        "  skep trace 9f2c4e\n"
        "  skep trace 4bf92f3577b34da6a3ce929d0e0e4736 --min 5ms\n"
        "  skep trace 9f2c4e --errors --depth 4\n"
        "  skep trace 9f2c4e --view flame\n"
        "  skep trace spans.json                  (OTLP JSON; no server is asked)\n"
        "  skep query 'MAX(duration_ms) GROUP BY trace.trace_id LIMIT 3' --plain | skep trace -\n",
    .word = "FILE",
    .options = options,
    .own_bytes = sizeof(trace_own),
    .pages = true,
    .run = run,
};
