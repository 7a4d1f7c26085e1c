/*
 * cli/marker_command.c: skep marker: marks a moment, so that charts show what happened then. Made for the last line of a deployment: an
 * ingest key will do. The id goes to stdout, what else is to be known to stderr.
 */
#include <stdio.h>

#include "base/clock.h"
#include "cli/admin.h"
#include "cli/table.h"

typedef struct marker_own {
    const char *type, *start, *end, *link, *delete;
    bool list;
} marker_own;

static const cli_option options[] = {
    {"type", 0, OPTION_TEXT, offsetof(marker_own, type), "WORD",
     "what kind: deploy, incident …; in a list: only these"},
    {"start", 0, OPTION_TEXT, offsetof(marker_own, start), "TIME",
     "when: 10m (ago), RFC 3339 or unix seconds (default now)"},
    {"end", 0, OPTION_TEXT, offsetof(marker_own, end), "TIME", "until when, of what took a while"},
    {"link", 0, OPTION_TEXT, offsetof(marker_own, link), "URL",
     "where to read more: the build, the change"},
    {"list", 0, OPTION_FLAG, offsetof(marker_own, list), NULL,
     "list markers (also without a message); --since, --until, --limit"},
    {"delete", 0, OPTION_TEXT, offsetof(marker_own, delete), "ID", "take a marker away"},
    {NULL, 0, OPTION_FLAG, 0, NULL, NULL}};

static int list_markers(cli *c, const marker_own *o)
{
    char limit[24];
    span text;
    const node *reply;
    api_path path;
    api_path_init(&path, "/skep/v1/markers");
    api_path_environment(&path, c);
    int code = api_path_times(&path, c);
    if (code) {
        api_path_done(&path);
        return code;
    }
    api_path_query(&path, "type", o->type ? span_text(o->type) : (span){NULL, 0});
    snprintf(limit, sizeof limit, "%llu", (unsigned long long)c->limit);
    api_path_query(&path, "limit", c->limit ? span_text(limit) : (span){NULL, 0});
    code = api_get(c, &path, &text, &reply);
    if (code || c->json)
        return code ? code : admin_print_json(c, text);
    table_form form = cli_form(c);
    static const char *const names[] = {"id", "start", "end", "type", "message", "url"};
    table *t = table_new(c->mem, COUNT_OF(names));
    if (!t)
        return cli_fail(c, EXIT_FAILED, "no memory");
    for (uint32_t i = 0; i < COUNT_OF(names); i++)
        table_column(t, i, span_text(names[i]), false);
    table_keep_whole(t, 0);
    const node *k = node_first(node_get(reply, "markers"));
    if (!k) {
        cli_talk(c, "no markers; skep marker \"v2.31 deployed\" --type deploy makes one");
        return c->fail_empty ? EXIT_NOTHING : EXIT_OK;
    }
    for (; k; k = k->next) {
        table_cell(t, node_text(node_get(k, "id")), COLOR_NONE);
        table_time(t, node_text(node_get(k, "start_time")), form);
        table_time(t, node_text(node_get(k, "end_time")), form);
        table_cell(t, node_text(node_get(k, "type")), COLOR_NONE);
        table_cell(t, node_text(node_get(k, "message")), COLOR_NONE);
        table_cell(t, node_text(node_get(k, "url")), COLOR_NONE);
    }
    table_print(t, form, &c->out);
    return EXIT_OK;
}

static int delete_marker(cli *c, const char *id)
{
    api_path path;
    api_path_init(&path, "/skep/v1/markers");
    api_path_segment(&path, span_text(id));
    api_path_environment(&path, c);
    int code = api_send(c, "DELETE", &path, (span){NULL, 0}, NULL, NULL);
    if (!code)
        cli_talk(c, "marker %s is gone", id);
    return code;
}

static int add_time(cli *c, json_writer *w, const char *key, const char *option, const char *asked)
{
    char text[36];
    int64_t ns;
    if (!asked)
        return EXIT_OK;
    if (!api_time(span_text(asked), clock_wall_ns(), &ns))
        return cli_fail(c, EXIT_USAGE,
                        "%s takes a time such as 10m (ago), 2026-08-21T14:05:03Z or unix seconds, "
                        "not \"%s\"",
                        option, asked);
    jw_key_text(w, key);
    jw_string(w, span_of(text, clock_print_rfc3339(ns, text)));
    return EXIT_OK;
}

static int make_marker(cli *c, const marker_own *o, const char *message)
{
    buf body;
    span text;
    const node *reply;
    buf_init(&body, 64 * KIB);
    json_writer w = {.out = &body};
    jw_object(&w);
    admin_add_member(&w, "environment", c->env);
    admin_add_member(&w, "message", message);
    admin_add_member(&w, "type", o->type);
    admin_add_member(&w, "url", o->link);
    int code = add_time(c, &w, "start_time", "--start", o->start);
    if (!code)
        code = add_time(c, &w, "end_time", "--end", o->end);
    jw_object_end(&w);
    if (!code) {
        api_path path;
        api_path_init(&path, "/skep/v1/markers");
        code = api_send(c, "POST", &path, buf_span(&body), &text, &reply);
    }
    buf_done(&body);
    if (code || c->json)
        return code ? code : admin_print_json(c, text);
    cli_talk(c, "marked; skep marker --delete ID takes it away again");
    term_text(&c->out, node_text(node_get(reply, "id")));
    term_print(&c->out, "\n");
    return EXIT_OK;
}

static int run_marker(cli *c, void *own)
{
    const marker_own *o = own;
    bool has_message = c->word_count > 0;
    if (c->word_count > 1)
        return cli_fail(c, EXIT_USAGE,
                        "skep marker takes one message; put it in quotes: skep marker \"%s %s …\"",
                        c->words[0], c->words[1]);
    if ((o->list || o->delete) && has_message)
        return cli_fail(c, EXIT_USAGE, "--%s takes no message", o->list ? "list" : "delete");
    if (o->delete)
        return delete_marker(c, o->delete);
    if (!has_message && (o->start || o->end || o->link))
        return cli_fail(c, EXIT_USAGE,
                        "what happened? skep marker \"v2.31 deployed\" --type deploy");
    return has_message ? make_marker(c, o, c->words[0]) : list_markers(c, o);
}

const command command_marker = {
    .name = "marker",
    .summary = "mark a deployment or another moment on the charts",
    .usage = "[MESSAGE] [OPTIONS]",
    .examples = "  skep marker \"v2.31 deployed\" --type deploy\n"
                "  skep marker \"v2.31 deployed\" --type deploy --link https://ci.example/run/7\n"
                "  skep marker \"database moved\" --type maintenance --start 40m --end 5m\n"
                "  skep marker --list --type deploy --since 7d\n"
                "  skep marker --delete 4fGz81kQw0B\n",
    .more =
        "An ingest key may mark moments of its environment, so a build needs no other; listing\n"
        "takes a key that asks, deleting one that configures. Without a message: the list.\n",
    .options = options,
    .own_bytes = sizeof(marker_own),
    .pages = true,
    .run = run_marker,
};
