/*
 * cli/look_commands.c: commands that list what the server knows: fields, map, status, whoami. Each is one GET and a table.
 */
#include <stdio.h>

#include "base/clock.h"
#include "cli/api.h"
#include "cli/query_view.h"
#include "cli/table.h"
#include "query/traces.h"

/* The reply as it came, for --json. */
static int print_json(cli *c, span text)
{
    buf_add_span(&c->out.text, text);
    buf_add_text(&c->out.text, "\n");
    return EXIT_OK;
}

static void count_cell(cli *c, table *t, const node *n)
{
    char text[FORM_MAX];
    if (c->plain)
        snprintf(text, sizeof text, "%llu", (unsigned long long)node_count(n));
    else
        form_count(node_count(n), text);
    table_printf(t, COLOR_NONE, "%s", text);
}

static void ms_cell(cli *c, table *t, const node *n)
{
    char text[FORM_MAX];
    double ms = node_number(n, -1);
    if (c->plain || ms < 0) {
        table_cell(t, node_text(n), COLOR_NONE);
        return;
    }
    form_ms(ms, text);
    table_printf(t, COLOR_NONE, "%s", text);
}

/* ---- fields ---- */

typedef struct fields_own {
    const char *dataset;
    bool datasets;
} fields_own;

static const cli_option fields_options[] = {
    {"dataset", 0, OPTION_TEXT, offsetof(fields_own, dataset), "DATASET", "only of this dataset"},
    {"datasets", 0, OPTION_FLAG, offsetof(fields_own, datasets), NULL, "list the datasets instead"},
    {NULL, 0, OPTION_FLAG, 0, NULL, NULL}};

static span join(cli *c, const node *list, const char *key, const char *separator)
{
    buf text;
    span copy = SPAN("");
    buf_init(&text, 4 * KIB);
    for (const node *n = node_first(list); n; n = n->next) {
        span item = node_text(key ? node_get(n, key) : n);
        if (text.len + item.len > 2 * KIB)
            break;
        buf_add_text(&text, text.len ? separator : "");
        buf_add_span(&text, item);
    }
    if (!text.len || !arena_copy(c->mem, buf_span(&text), &copy))
        copy = SPAN("");
    buf_done(&text);
    return copy;
}

static void show_fields(cli *c, const node *reply)
{
    table *t = table_new(c->mem, 4);
    if (!t)
        return;
    table_column(t, 0, SPAN("field"), false);
    table_column(t, 1, SPAN("types"), false);
    table_column(t, 2, SPAN("events"), true);
    table_column(t, 3, SPAN("most frequent"), false);
    for (const node *f = node_first(node_get(reply, "fields")); f; f = f->next) {
        table_cell(t, node_text(node_get(f, "name")), COLOR_NONE);
        table_cell(t, join(c, node_get(f, "types"), NULL, ","), COLOR_NONE);
        count_cell(c, t, node_get(f, "count"));
        table_cell(t, join(c, node_get(f, "top"), "value", ", "), COLOR_DIM);
    }
    table_print(t, cli_form(c), &c->out);
    if (node_is_true(node_get(reply, "is_sampled")))
        cli_talk(c, "the most frequent values are those of a sample");
}

static void show_datasets(cli *c, const node *reply)
{
    table *t = table_new(c->mem, 2);
    if (!t)
        return;
    table_column(t, 0, SPAN("dataset"), false);
    table_column(t, 1, SPAN("events"), true);
    for (const node *d = node_first(node_get(reply, "datasets")); d; d = d->next) {
        table_cell(t, node_text(node_get(d, "name")), COLOR_NONE);
        count_cell(c, t, node_get(d, "rows"));
    }
    table_print(t, cli_form(c), &c->out);
}

static int run_fields(cli *c, void *own)
{
    const fields_own *o = own;
    api_path path;
    span text;
    const node *reply;
    api_path_init(&path, "/skep/v1/fields");
    api_path_environment(&path, c);
    api_path_query(&path, "dataset", span_text(o->dataset));
    if (c->word_count)
        api_path_query(&path, "prefix", span_text(c->words[0]));
    if (c->limit) {
        char digits[24];
        snprintf(digits, sizeof digits, "%llu", (unsigned long long)c->limit);
        api_path_query(&path, "limit", span_text(digits));
    }
    int code = api_path_times(&path, c);
    if (code) {
        api_path_done(&path);
        return code;
    }
    if ((code = api_get(c, &path, &text, &reply)))
        return code;
    if (c->json)
        print_json(c, text);
    else if (o->datasets)
        show_datasets(c, reply);
    else
        show_fields(c, reply);
    bool is_empty = !node_first(node_get(reply, o->datasets ? "datasets" : "fields"));
    if (is_empty && !c->json)
        cli_talk(c, "nothing has arrived in that time; skep doctor says what was refused");
    return is_empty && c->fail_empty ? EXIT_NOTHING : EXIT_OK;
}

const command command_fields = {
    .name = "fields",
    .summary = "the fields there are, their types and most frequent values",
    .usage = "[PREFIX] [OPTIONS]",
    .examples = "  skep fields\n"
                "  skep fields http. --dataset backend-flask --since 1h\n"
                "  skep fields --datasets\n",
    .word = "FIELD",
    .options = fields_options,
    .own_bytes = sizeof(fields_own),
    .pages = true,
    .run = run_fields,
};

/* ---- map ---- */

static void numbers_cells(cli *c, table *t, const node *n)
{
    uint64_t errors = node_count(node_get(n, "errors"));
    count_cell(c, t, node_get(n, "count"));
    table_printf(t, errors ? COLOR_RED : COLOR_NONE, "%llu", (unsigned long long)errors);
    ms_cell(c, t, node_get(n, "p50_ms"));
    ms_cell(c, t, node_get(n, "p95_ms"));
}

static void numbers_columns(table *t, uint32_t first)
{
    table_column(t, first, SPAN("count"), true);
    table_column(t, first + 1, SPAN("errors"), true);
    table_column(t, first + 2, SPAN("p50"), true);
    table_column(t, first + 3, SPAN("p95"), true);
}

static void show_map(cli *c, const node *reply)
{
    table *nodes = table_new(c->mem, 6), *edges = table_new(c->mem, 7);
    if (!nodes || !edges)
        return;
    table_column(nodes, 0, SPAN("service"), false);
    table_column(nodes, 1, SPAN("kind"), false);
    numbers_columns(nodes, 2);
    for (const node *n = node_first(node_get(reply, "nodes")); n; n = n->next) {
        table_cell(nodes, node_text(node_get(n, "name")), COLOR_NONE);
        table_cell(nodes, node_text(node_get(n, "kind")), COLOR_DIM);
        numbers_cells(c, nodes, n);
    }
    table_column(edges, 0, SPAN("from"), false);
    table_column(edges, 1, SPAN("to"), false);
    table_column(edges, 2, SPAN("kind"), false);
    numbers_columns(edges, 3);
    for (const node *n = node_first(node_get(reply, "edges")); n; n = n->next) {
        table_cell(edges, node_text(node_get(n, "from")), COLOR_NONE);
        table_cell(edges, node_text(node_get(n, "to")), COLOR_NONE);
        table_cell(edges, node_text(node_get(n, "kind")), COLOR_DIM);
        numbers_cells(c, edges, n);
    }
    table_print(nodes, cli_form(c), &c->out);
    term_print(&c->out, "\n");
    table_print(edges, cli_form(c), &c->out);
}

static int run_map(cli *c, void *own)
{
    api_path path;
    span text, where = span_text(c->word_count ? c->words[0] : "");
    const node *reply;
    plan p;
    err e = {0};
    if (c->word_count > 1)
        return cli_fail(c, EXIT_USAGE, "skep map takes one filter; put quotes around it");
    if (traces_plan(where, 0, 1, c->mem, &p, &e) != SK_OK)
        return query_say_error(c, where, &e);
    api_path_init(&path, "/skep/v1/service-map");
    api_path_environment(&path, c);
    if (where.len)
        api_path_query(&path, "where", where);
    int code = api_path_times(&path, c);
    if (code) {
        api_path_done(&path);
        return code;
    }
    if ((code = api_get(c, &path, &text, &reply)))
        return code;
    bool is_empty = !node_first(node_get(reply, "nodes"));
    if (c->json)
        print_json(c, text);
    else if (is_empty)
        cli_talk(c, where.len ? "no trace in that time is such a one"
                              : "no spans have arrived in that time; skep doctor says what was "
                                "refused");
    else
        show_map(c, reply);
    return is_empty && c->fail_empty ? EXIT_NOTHING : EXIT_OK;
}

const command command_map = {
    .name = "map",
    .summary = "which service calls which, how often, how slow",
    .usage = "['FILTER'] [OPTIONS]",
    .examples = "  skep map\n  skep map --env demo --since 10m\n  skep map 'user.id = 42 AND "
                "duration_ms > 500'\n",
    .more = "FILTER is the WHERE part of a query: then the map is of the traces that have such a "
            "row.\n",
    .pages = true,
    .run = run_map,
};

/* ---- status ---- */

static void show_senders(cli *c, const node *environments)
{
    table *t = table_new(c->mem, 8);
    int64_t now = clock_wall_ns(), last;
    char age[FORM_MAX];
    if (!t)
        return;
    static const char *const names[] = {"environment", "dataset", "last", "traces",
                                        "logs",        "metrics", "from", "client"};
    for (uint32_t i = 0; i < COUNT_OF(names); i++)
        table_column(t, i, span_text(names[i]), i >= 2 && i <= 5);
    for (const node *env = node_first(environments); env; env = env->next)
        for (const node *s = node_first(node_get(env, "senders")); s; s = s->next) {
            table_cell(t, node_text(node_get(env, "slug")), COLOR_NONE);
            table_cell(t, node_text(node_get(s, "dataset")), COLOR_NONE);
            if (clock_parse_rfc3339(node_text(node_get(s, "last")), &last) && now >= last)
                form_age(now - last, age);
            else
                age[0] = 0;
            table_printf(t, COLOR_NONE, "%s", age);
            count_cell(c, t, node_get(s, "trace"));
            count_cell(c, t, node_get(s, "log"));
            count_cell(c, t, node_get(s, "metric"));
            table_cell(t, node_text(node_get(s, "source")), COLOR_NONE);
            table_cell(t, node_text(node_get(s, "user_agent")), COLOR_DIM);
        }
    if (table_rows(t)) {
        term_print(&c->out, "\n");
        table_print(t, cli_form(c), &c->out);
    }
}

static void show_status(cli *c, const node *reply)
{
    const node *environments = node_get(reply, "environments"), *store = node_get(reply, "store");
    char up[FORM_MAX];
    table *t = table_new(c->mem, 5);
    if (!t)
        return;
    form_age((int64_t)node_count(node_get(reply, "uptime_s")) * NS_PER_S, up);
    term_print(&c->out, "skep %.*s at %s, up %s\n", SPAN_FMT(node_text(node_get(reply, "version"))),
               c->url, up);
    for (const node *l = node_first(node_get(reply, "listeners")); l; l = l->next) {
        term_print(&c->out, "  listens on ");
        term_text(&c->out, node_text(node_get(l, "address")));
        term_print(&c->out, "%s\n", node_is_true(node_get(l, "tls")) ? " (TLS)" : "");
    }
    if (node_count(node_get(store, "damaged_segments"))) {
        term_color_on(&c->out, COLOR_RED);
        term_print(&c->out, "  %llu damaged segments are set aside; skep verify names them\n",
                   (unsigned long long)node_count(node_get(store, "damaged_segments")));
        term_color_off(&c->out);
    }
    term_print(&c->out, "\n");
    table_column(t, 0, SPAN("environment"), false);
    table_column(t, 1, SPAN("events"), true);
    table_column(t, 2, SPAN("on disk"), true);
    table_column(t, 3, SPAN("segments"), true);
    table_column(t, 4, SPAN("since"), false);
    for (const node *env = node_first(environments); env; env = env->next) {
        const node *of = node_get(env, "store");
        char bytes[FORM_MAX], rows[FORM_MAX];
        form_count(node_count(node_get(of, "rows")), rows);
        form_bytes(node_count(node_get(of, "disk_bytes")), bytes);
        table_cell(t, node_text(node_get(env, "slug")), COLOR_NONE);
        table_printf(t, COLOR_NONE, "%s", rows);
        table_printf(t, COLOR_NONE, "%s", bytes);
        count_cell(c, t, node_get(of, "segments"));
        table_time(t, node_text(node_get(of, "oldest")), cli_form(c));
    }
    table_print(t, cli_form(c), &c->out);
    show_senders(c, environments);
}

static int run_status(cli *c, void *own)
{
    api_path path;
    span text;
    const node *reply;
    api_path_init(&path, "/skep/v1/status");
    int code = api_get(c, &path, &text, &reply);
    if (code)
        return code;
    if (c->json)
        print_json(c, text);
    else
        show_status(c, reply);
    return EXIT_OK;
}

const command command_status = {
    .name = "status",
    .summary = "what runs, what is kept, who sends",
    .usage = "[OPTIONS]",
    .examples = "  skep status\n  skep status --json | jq .store\n",
    .pages = true,
    .run = run_status,
};

/* ---- whoami ---- */

static int run_whoami(cli *c, void *own)
{
    api_path path;
    span text;
    const node *reply;
    if (!c->key)
        return cli_fail(
            c, EXIT_AUTH,
            "no key to look up: set SKEP_KEY, or --key-file, or --data-dir of a server on "
            "this machine");
    c->key_was_given = true; /* never ask without it here */
    api_path_init(&path, "/1/auth");
    int code = api_get(c, &path, &text, &reply);
    if (code)
        return code;
    if (c->json)
        return print_json(c, text);
    term_print(&c->out, "key          ");
    term_text(&c->out, node_text(node_get(reply, "name")));
    term_print(&c->out, " (%.*s, %.*s), from %s\n", SPAN_FMT(node_text(node_get(reply, "type"))),
               SPAN_FMT(node_text(node_get(reply, "id"))), c->key_from);
    term_print(&c->out, "environment  ");
    term_text(&c->out, node_text(node_get(node_get(reply, "environment"), "slug")));
    term_print(&c->out, "\nserver       %s\nmay          ", c->url);
    bool is_first = true;
    for (const node *n = node_first(node_get(reply, "api_key_access")); n; n = n->next)
        if (node_is_true(n) && !span_is(n->key, "createDatasets")) {
            term_print(&c->out, "%s%.*s", is_first ? "" : ", ", SPAN_FMT(n->key));
            is_first = false;
        }
    term_print(&c->out, "%s\n", is_first ? "nothing" : "");
    return EXIT_OK;
}

const command command_whoami = {
    .name = "whoami",
    .summary = "which key is used, where it comes from, what it may do",
    .usage = "[OPTIONS]",
    .examples = "  skep whoami\n  SKEP_KEY=… skep whoami\n",
    .run = run_whoami,
};
