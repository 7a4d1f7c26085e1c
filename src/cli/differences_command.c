/*
 * cli/differences_command.c: skep differences: what sets some rows apart from the others. The sentence first, then who is to blame, then the
 * fields, their most telling values as bars.
 */
#include <stdio.h>

#include "base/clock.h"
#include "cli/api.h"
#include "cli/query_view.h"
#include "cli/table.h"
#include "query/spec.h"

#define BAR_COLUMNS  16u
#define VALUES_SHOWN 3u

typedef struct differences_own {
    const char *select, *from, *to, *baseline, *rows;
    bool no_suspects, no_words;
} differences_own;

static const cli_option options[] = {
    {"select", 0, OPTION_TEXT, offsetof(differences_own, select), "WHERE",
     "which rows are odd, as in a query's WHERE: 'duration_ms >= 500'"},
    {"from", 0, OPTION_TEXT, offsetof(differences_own, from), "TIME",
     "where the odd time begins: 10m, RFC 3339 or unix seconds"},
    {"to", 0, OPTION_TEXT, offsetof(differences_own, to), "TIME", "where it ends (default: now)"},
    {"baseline", 0, OPTION_TEXT, offsetof(differences_own, baseline), "KIND",
     "rest (default), or previous: as long a time just before --from"},
    {"rows", 0, OPTION_TEXT, offsetof(differences_own, rows), "KIND",
     "whose fields are compared: spans (default), logs or all"},
    {"no-suspects", 0, OPTION_FLAG, offsetof(differences_own, no_suspects), NULL,
     "without the services whose own work takes longer"},
    {"no-words", 0, OPTION_FLAG, offsetof(differences_own, no_words), NULL,
     "without the words of log lines"},
    {NULL, 0, OPTION_FLAG, 0, NULL, NULL}};

/* ---- the question ---- */

static int read_text(cli *c, const char *before, const char *text, query_spec *ret)
{
    err e = {0};
    span all = arena_print(c->mem, "%s%s", before, text);
    if (!all.at)
        return cli_fail(c, EXIT_USAGE, "the query is too long");
    return spec_from_text(all, c->mem, ret, &e) == SK_OK ? EXIT_OK : query_say_error(c, all, &e);
}

/* The query's spec: the words, or everything, with --since and --until. */
static int read_query(cli *c, query_spec *ret)
{
    int64_t now = clock_wall_ns(), ns = 0;
    int code = c->word_count > 1
                   ? cli_fail(c, EXIT_USAGE, "put the query in quotes: it is one argument")
                   : read_text(c, "", c->word_count ? c->words[0] : "COUNT", ret);
    if (code)
        return code;
    if ((c->since || c->until) && (ret->has_range || ret->has_start || ret->has_end))
        return cli_fail(c, EXIT_USAGE,
                        "the time is in the query already; leave out --since and --until");
    const char *const given[] = {c->since, c->until};
    for (size_t i = 0; i < COUNT_OF(given); i++) {
        if (!given[i])
            continue;
        if (!api_time(span_text(given[i]), now, &ns))
            return cli_fail(c, EXIT_USAGE, "--%s takes a time such as 10m or 2026-08-21T14:05:03Z",
                            i ? "until" : "since");
        *(i ? &ret->has_end : &ret->has_start) = true;
        *(i ? &ret->end_s : &ret->start_s) = ns / NS_PER_S;
    }
    if (c->since && !c->until) {
        ret->has_end = true;
        ret->end_s = now / NS_PER_S + 1;
    }
    return EXIT_OK;
}

static int write_time(cli *c, json_writer *w, const char *key, const char *option, const char *text)
{
    int64_t ns;
    char printed[40];
    if (!text)
        return EXIT_OK;
    if (!api_time(span_text(text), clock_wall_ns(), &ns))
        return cli_fail(c, EXIT_USAGE, "--%s takes a time such as 10m or 2026-08-21T14:05:03Z",
                        option);
    jw_key_text(w, key);
    jw_string(w, span_of(printed, clock_print_rfc3339(ns, printed)));
    return EXIT_OK;
}

static int write_selection(cli *c, const differences_own *o, json_writer *w)
{
    query_spec spec = {0};
    jw_object(w);
    if (o->select) {
        int code = read_text(c, "COUNT WHERE ", o->select, &spec);
        if (code)
            return code;
        query_spec filters = {.filters = spec.filters,
                              .filter_count = spec.filter_count,
                              .filters_or = spec.filters_or};
        buf text;
        buf_init(&text, MIB);
        spec_to_json(&filters, &text); /* {"filters":…,"filter_combination":…} */
        span inner = buf_span(&text), copy = SPAN("");
        bool is_done = !text.failed && inner.len > 2 &&
                       arena_copy(c->mem, span_of(inner.at + 1, inner.len - 2), &copy);
        buf_done(&text);
        if (!is_done)
            return cli_fail(c, EXIT_USAGE, "--select takes what a query's WHERE takes");
        buf_add_span(w->out, copy);
        w->needs_comma = true;
    }
    int code = write_time(c, w, "start", "from", o->from);
    if (!code)
        code = write_time(c, w, "end", "to", o->to);
    jw_object_end(w);
    return code;
}

static int write_question(cli *c, const differences_own *o, buf *out)
{
    query_spec spec;
    json_writer w = {.out = out};
    if (!o->select && !o->from && !o->to)
        return cli_fail(c, EXIT_USAGE,
                        "which rows are odd? for example skep differences --select "
                        "'duration_ms >= 500', or --from 10m");
    int code = read_query(c, &spec);
    if (code)
        return code;
    jw_object(&w);
    if (c->env) {
        jw_key_text(&w, "environment");
        jw_text(&w, c->env);
    }
    if (spec.dataset.at) {
        jw_key_text(&w, "dataset");
        jw_string(&w, spec.dataset);
    }
    jw_key_text(&w, "query");
    spec_to_json(&spec, out);
    w.needs_comma = true;
    jw_key_text(&w, "selection");
    if ((code = write_selection(c, o, &w)))
        return code;
    if (o->baseline) {
        jw_key_text(&w, "baseline");
        jw_object(&w);
        jw_key_text(&w, "kind");
        jw_text(&w, o->baseline);
        jw_object_end(&w);
    }
    if (o->rows) {
        jw_key_text(&w, "rows");
        jw_text(&w, o->rows);
    }
    jw_key_text(&w, "suspects");
    jw_bool(&w, !o->no_suspects);
    jw_key_text(&w, "words");
    jw_bool(&w, !o->no_words);
    if (c->limit) {
        jw_key_text(&w, "limit");
        jw_u64(&w, c->limit);
    }
    jw_object_end(&w);
    return out->failed ? cli_fail(c, EXIT_FAILED, "no memory") : EXIT_OK;
}

/* ---- the answer ---- */

static void score_cell(table *t, const node *n)
{
    table_printf(t, COLOR_NONE, "%.3f", node_number(n, 0));
}

static void share_cell(table *t, double part, double whole)
{
    table_printf(t, COLOR_NONE, "%.1f %%", whole > 0 ? 100 * part / whole : 0);
}

static void show_suspects(cli *c, const node *suspects)
{
    if (!node_first(suspects))
        return;
    table *t = table_new(c->mem, 8);
    if (!t)
        return;
    static const char *const heads[] = {"takes longer", "score",  "own",      "between",
                                        "errors",       "excess", "instance", "operation"};
    for (uint32_t i = 0; i < COUNT_OF(heads); i++)
        table_column(t, i, span_text(heads[i]), i > 0 && i < 6);
    for (const node *s = node_first(suspects); s && table_rows(t) < 8; s = s->next) {
        bool is_weak = span_is(node_text(node_get(s, "confidence")), "low");
        table_cell(t, node_text(node_get(s, "service")), is_weak ? COLOR_DIM : COLOR_BOLD);
        score_cell(t, node_get(s, "score"));
        score_cell(t, node_get(s, "own"));
        score_cell(t, node_get(s, "between"));
        score_cell(t, node_get(s, "errors"));
        share_cell(t, node_number(node_get(s, "share"), 0), 1);
        table_cell(t, node_text(node_get(node_get(s, "instance"), "name")), COLOR_NONE);
        table_cell(t, node_text(node_get(node_get(s, "operation"), "name")), COLOR_NONE);
    }
    table_print(t, cli_form(c), &c->out);
    term_print(&c->out, "\n");
}

static void show_words(cli *c, const node *words)
{
    if (!node_first(words))
        return;
    table *t = table_new(c->mem, 5);
    if (!t)
        return;
    table_column(t, 0, SPAN("logs of"), false);
    table_column(t, 1, SPAN("word"), false);
    table_column(t, 2, SPAN("strength"), true);
    table_column(t, 3, SPAN("selection"), true);
    table_column(t, 4, SPAN("baseline"), true);
    static const char *const sides[] = {"selection", "baseline"};
    for (const node *w = node_first(words); w && table_rows(t) < 9; w = w->next) {
        table_cell(t, node_text(node_get(w, "service")), COLOR_BOLD);
        table_cell(t, node_text(node_get(w, "word")), COLOR_NONE);
        score_cell(t, node_get(w, "strength"));
        for (size_t i = 0; i < COUNT_OF(sides); i++)
            share_cell(t, node_number(node_get(node_get(w, "traces_with"), sides[i]), 0),
                       node_number(node_get(node_get(w, "traces"), sides[i]), 0));
    }
    table_print(t, cli_form(c), &c->out);
    term_print(&c->out, "\n");
}

static span value_name(cli *c, const node *v)
{
    if (node_get(v, "absent"))
        return SPAN("(absent)");
    if (node_get(v, "other"))
        return SPAN("(other)");
    if (!node_get(v, "low"))
        return node_text(node_get(v, "value"));
    span text = arena_print(c->mem, "%.4g to %.4g", node_number(node_get(v, "low"), 0),
                            node_number(node_get(v, "high"), 0));
    return text.at ? text : SPAN("");
}

static void bar_cell(cli *c, table *t, double share, term_color color)
{
    uint32_t columns = (uint32_t)(share * BAR_COLUMNS + 0.5);
    span block = c->out.has_unicode ? SPAN("\u2588") : SPAN("#"), bar = SPAN("");
    for (uint32_t i = 0; i < columns && i < BAR_COLUMNS; i++) {
        bar = arena_print(c->mem, "%.*s%.*s", SPAN_FMT(bar), SPAN_FMT(block));
        if (!bar.at)
            return;
    }
    table_cell(t, bar, color);
}

static double difference(const node *v, const node *rows)
{
    double selection = node_number(node_get(rows, "selection"), 0),
           baseline = node_number(node_get(rows, "baseline"), 0);
    double a = selection > 0 ? node_number(node_get(v, "selection"), 0) / selection : 0,
           b = baseline > 0 ? node_number(node_get(v, "baseline"), 0) / baseline : 0;
    return a > b ? a - b : b - a;
}

static void value_cells(cli *c, table *t, const node *v, const node *rows)
{
    static const char *const sides[] = {"selection", "baseline"};
    static const term_color colors[] = {COLOR_YELLOW, COLOR_BLUE};
    table_cell(t, value_name(c, v), COLOR_NONE);
    for (size_t i = 0; i < COUNT_OF(sides); i++) {
        double whole = node_number(node_get(rows, sides[i]), 0),
               part = node_number(node_get(v, sides[i]), 0);
        share_cell(t, part, whole);
        if (!c->plain)
            bar_cell(c, t, whole > 0 ? part / whole : 0, colors[i]);
    }
}

/* The next value to show: the most telling one that is less so than the last. */
static const node *next_value(const node *values, const node *rows, const node *const *shown,
                              uint32_t count)
{
    const node *best = NULL;
    for (const node *v = node_first(values); v; v = v->next) {
        bool was_shown = node_get(v, "other") != NULL;
        for (uint32_t i = 0; i < count; i++)
            was_shown |= shown[i] == v;
        if (!was_shown && (!best || difference(v, rows) > difference(best, rows)))
            best = v;
    }
    return best;
}

static void show_fields(cli *c, const node *reply)
{
    const node *rows = node_get(reply, "rows");
    table *t = table_new(c->mem, c->plain ? 5 : 7);
    uint32_t at = 0;
    if (!t)
        return;
    table_column(t, at++, SPAN("differs"), false);
    table_column(t, at++, SPAN("score"), true);
    table_column(t, at++, SPAN("value"), false);
    table_column(t, at++, SPAN("selection"), true);
    if (!c->plain)
        table_column(t, at++, SPAN(""), false);
    table_column(t, at++, SPAN("baseline"), true);
    if (!c->plain)
        table_column(t, at++, SPAN(""), false);
    for (const node *f = node_first(node_get(reply, "fields")); f; f = f->next) {
        const node *values = node_get(f, "values"), *shown[VALUES_SHOWN] = {NULL};
        bool follows = node_is_true(node_get(f, "follows_from_selection"));
        if (!values)
            values = node_get(f, "ranges");
        for (uint32_t i = 0; i < VALUES_SHOWN; i++) {
            shown[i] = next_value(values, rows, shown, i);
            if (!shown[i])
                break;
            table_cell(t, i ? SPAN("") : node_text(node_get(f, "name")),
                       follows ? COLOR_DIM : COLOR_BOLD);
            if (i)
                table_cell(t, SPAN(""), COLOR_NONE);
            else
                score_cell(t, node_get(f, "score"));
            value_cells(c, t, shown[i], rows);
        }
    }
    table_print(t, cli_form(c), &c->out);
}

static void show(cli *c, const node *reply)
{
    const node *rows = node_get(reply, "rows");
    char selection[FORM_MAX], baseline[FORM_MAX];
    form_count(node_count(node_get(rows, "selection")), selection);
    form_count(node_count(node_get(rows, "baseline")), baseline);
    if (!c->plain) {
        term_color_on(&c->out, COLOR_BOLD);
        term_text(&c->out, node_text(node_get(reply, "sentence")));
        term_color_off(&c->out);
        term_print(&c->out, "%s%s selected, %s in the baseline%s\n\n",
                   node_text(node_get(reply, "sentence")).len ? "\n" : "", selection, baseline,
                   node_is_true(node_get(reply, "is_sampled")) ? ", a sample by trace" : "");
    }
    show_suspects(c, node_get(reply, "suspects"));
    show_words(c, node_get(reply, "words"));
    show_fields(c, reply);
}

static int run_differences(cli *c, void *own)
{
    buf body;
    api_path path;
    span text;
    const node *reply;
    buf_init(&body, 4 * MIB);
    int code = write_question(c, own, &body);
    if (code) {
        buf_done(&body);
        return code;
    }
    api_path_init(&path, "/skep/v1/differences");
    code = api_send(c, "POST", &path, buf_span(&body), &text, &reply);
    buf_done(&body);
    if (code)
        return code;
    const node *rows = node_get(reply, "rows");
    bool is_empty =
        !node_count(node_get(rows, "selection")) || !node_count(node_get(rows, "baseline"));
    if (c->json) {
        buf_add_span(&c->out.text, text);
        buf_add_text(&c->out.text, "\n");
    } else if (is_empty) {
        cli_talk(
            c, "%s is empty: choose another --select, --from and --to, or ask about a longer time",
            node_count(node_get(rows, "selection")) ? "the baseline" : "the selection");
    } else {
        show(c, reply);
    }
    return is_empty && c->fail_empty ? EXIT_NOTHING : EXIT_OK;
}

const command command_differences = {
    .name = "differences",
    .summary = "what sets some rows apart from the others",
    .usage = "['QUERY'] --select 'WHERE' | --from TIME [OPTIONS]",
    .examples =
        "  skep differences --from 10m\n"
        "  skep differences 'COUNT FROM checkout SINCE 2h' --select 'duration_ms >= 500'\n"
        "  skep differences --select 'error = true' --from 30m --to 20m --baseline previous\n",
    .more = "The query says which rows are looked at; --select and --from say which of them are "
            "odd; they are compared\n"
            "with the rest. Services are ranked by how much longer their own work, and the way to "
            "them, takes than that of\n"
            "like spans: a service that only waits for a slow one is not blamed. Those with few "
            "spans are shown dim.\n",
    .options = options,
    .own_bytes = sizeof(differences_own),
    .run = run_differences,
};
