/*
 * cli/environments_command.c: skep environments: list, make, take away; how long events are kept, and what is taken out of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/action.h"
#include "cli/admin.h"
#include "cli/table.h"

typedef struct environments_own {
    bool yes;
    const char *days, *drop, *mask, *hash, *no_rule;
} environments_own;

static const cli_option environments_options[] = {
    {"yes", 'y', OPTION_FLAG, offsetof(environments_own, yes), NULL, "delete without asking"},
    {"days", 0, OPTION_TEXT, offsetof(environments_own, days), "N",
     "for keep: days, or default for the server's --retention"},
    {"drop", 0, OPTION_TEXT, offsetof(environments_own, drop), "FIELD[,FIELD]",
     "for redact: leave these fields out; * stands for any characters"},
    {"mask", 0, OPTION_TEXT, offsetof(environments_own, mask), "FIELD[,FIELD]",
     "for redact: their text becomes ***"},
    {"hash", 0, OPTION_TEXT, offsetof(environments_own, hash), "FIELD[,FIELD]",
     "for redact: their text becomes a hash, the same for the same"},
    {"no-rule", 0, OPTION_TEXT, offsetof(environments_own, no_rule), "FIELD[,FIELD]",
     "for redact: take the rules of these away"},
    {NULL, 0, OPTION_FLAG, 0, NULL, NULL}};

static int environments_list(cli *c, void *own, const char *word)
{
    api_path path;
    span text;
    const node *reply;
    api_path_init(&path, "/skep/v1/environments");
    int code = api_get(c, &path, &text, &reply);
    if (code || c->json)
        return code ? code : admin_print_json(c, text);
    table *t = table_new(c->mem, 5);
    if (!t)
        return cli_fail(c, EXIT_FAILED, "no memory");
    table_column(t, 0, SPAN("environment"), false);
    table_column(t, 1, SPAN("name"), false);
    table_column(t, 2, SPAN("events"), true);
    table_column(t, 3, SPAN("on disk"), true);
    table_column(t, 4, SPAN("created"), false);
    for (const node *n = node_first(node_get(reply, "environments")); n; n = n->next) {
        char rows[FORM_MAX], bytes[FORM_MAX];
        form_count(node_count(node_get(n, "rows")), rows);
        form_bytes(node_count(node_get(n, "bytes")), bytes);
        table_cell(t, node_text(node_get(n, "slug")), COLOR_NONE);
        table_cell(t, node_text(node_get(n, "name")), COLOR_NONE);
        table_printf(t, COLOR_NONE, "%s", rows);
        table_printf(t, COLOR_NONE, "%s", bytes);
        table_time(t, node_text(node_get(n, "created")), cli_form(c));
    }
    table_print(t, cli_form(c), &c->out);
    return EXIT_OK;
}

static int environments_create(cli *c, void *own, const char *name)
{
    api_path path;
    buf body;
    span text;
    const node *reply;
    buf_init(&body, 64 * KIB);
    json_writer w = {.out = &body};
    jw_object(&w);
    admin_add_member(&w, "name", name);
    jw_object_end(&w);
    api_path_init(&path, "/skep/v1/environments");
    int code = api_send(c, "POST", &path, buf_span(&body), &text, &reply);
    buf_done(&body);
    if (code || c->json)
        return code ? code : admin_print_json(c, text);
    span slug = node_text(node_get(reply, "slug"));
    cli_talk(c, "environment %.*s is there; skep keys create --env %.*s makes a key for it",
             SPAN_FMT(slug), SPAN_FMT(slug));
    return EXIT_OK;
}

static int environments_delete(cli *c, void *own, const char *slug)
{
    const environments_own *o = own;
    char question[200];
    snprintf(question, sizeof question,
             "Delete environment %.80s with all its events and keys? This cannot be undone.", slug);
    if (!action_is_agreed(c, o->yes, question))
        return EXIT_USAGE;
    api_path path;
    api_path_init(&path, "/skep/v1/environments");
    api_path_segment(&path, span_text(slug));
    int code = api_send(c, "DELETE", &path, (span){NULL, 0}, NULL, NULL);
    if (!code)
        cli_talk(c, "environment %s is gone", slug);
    return code;
}

static int environments_keep(cli *c, void *own, const char *slug)
{
    const environments_own *o = own;
    char question[300];
    const char *days = o->days ? o->days : "";
    char *end = NULL;
    bool is_default = strcmp(days, "default") == 0;
    double count = is_default ? 0 : strtod(days, &end);
    if (!is_default && (end == days || *end || !(count > 0 && count < 36600)))
        return cli_fail(c, EXIT_USAGE,
                        "say how long: --days N, or --days default for what the server was started "
                        "with");
    snprintf(question, sizeof question,
             "Keep events of %.80s for %s%s? Older ones are deleted. This cannot be undone.", slug,
             is_default ? "as long as the server's --retention says" : days,
             is_default ? "" : " days");
    if (!action_is_agreed(c, o->yes, question))
        return EXIT_USAGE;
    api_path path;
    buf body;
    span text;
    const node *reply;
    buf_init(&body, 64 * KIB);
    json_writer w = {.out = &body};
    jw_object(&w);
    jw_key_text(&w, "retention_s");
    if (is_default)
        jw_null(&w);
    else
        jw_i64(&w, (int64_t)(count * 86400 + 0.5));
    jw_object_end(&w);
    api_path_init(&path, "/skep/v1/environments");
    api_path_segment(&path, span_text(slug));
    int code = api_send(c, "PATCH", &path, buf_span(&body), &text, &reply);
    buf_done(&body);
    if (code || c->json)
        return code ? code : admin_print_json(c, text);
    cli_talk(c, "events of %s are kept for %.4g days", slug,
             (double)node_count(node_get(reply, "kept_s")) / 86400);
    return EXIT_OK;
}

/* ---- redaction ---- */

static bool is_listed(const char *list, span field)
{
    for (span rest = span_text(list); rest.len;)
        if (span_equal(span_trim(span_cut(&rest, ',')), field))
            return true;
    return false;
}

static void add_rule(json_writer *w, span field, span does)
{
    jw_object(w);
    jw_key_text(w, "field");
    jw_string(w, field);
    jw_key_text(w, "action");
    jw_string(w, does);
    jw_object_end(w);
}

static void add_rules(json_writer *w, const char *list, const char *does)
{
    for (span rest = span_text(list); rest.len;)
        add_rule(w, span_trim(span_cut(&rest, ',')), span_text(does));
}

static int print_rules(cli *c, span text, const node *reply)
{
    if (c->json)
        return admin_print_json(c, text);
    table *t = table_new(c->mem, 3);
    if (!t)
        return cli_fail(c, EXIT_FAILED, "no memory");
    table_column(t, 0, SPAN("field"), false);
    table_column(t, 1, SPAN("action"), false);
    table_column(t, 2, SPAN("values since the start"), true);
    for (const node *n = node_first(node_get(reply, "rules")); n; n = n->next) {
        char count[FORM_MAX];
        form_count(node_count(node_get(n, "redacted")), count);
        table_cell(t, node_text(node_get(n, "field")), COLOR_NONE);
        table_cell(t, node_text(node_get(n, "action")), COLOR_NONE);
        table_printf(t, COLOR_NONE, "%s", count);
    }
    table_print(t, cli_form(c), &c->out);
    return EXIT_OK;
}

static void redaction_path(api_path *path, const char *slug)
{
    api_path_init(path, "/skep/v1/environments");
    api_path_segment(path, span_text(slug));
    api_path_segment(path, SPAN("redaction"));
}

/* Rules that are there stay, but for those of fields that are named now. */
static int environments_redact(cli *c, void *own, const char *slug)
{
    const environments_own *o = own;
    api_path path;
    span text;
    const node *reply;
    redaction_path(&path, slug);
    int code = api_get(c, &path, &text, &reply);
    if (code || (!o->drop && !o->mask && !o->hash && !o->no_rule))
        return code ? code : print_rules(c, text, reply);
    buf body;
    buf_init(&body, MIB);
    json_writer w = {.out = &body};
    jw_object(&w);
    jw_key_text(&w, "rules");
    jw_array(&w);
    for (const node *n = node_first(node_get(reply, "rules")); n; n = n->next) {
        span field = node_text(node_get(n, "field"));
        if (!is_listed(o->drop, field) && !is_listed(o->mask, field) &&
            !is_listed(o->hash, field) && !is_listed(o->no_rule, field))
            add_rule(&w, field, node_text(node_get(n, "action")));
    }
    add_rules(&w, o->drop, "drop");
    add_rules(&w, o->mask, "mask");
    add_rules(&w, o->hash, "hash");
    jw_array_end(&w);
    jw_object_end(&w);
    redaction_path(&path, slug);
    code = api_send(c, "PUT", &path, buf_span(&body), &text, &reply);
    buf_done(&body);
    if (code)
        return code;
    cli_talk(c, "the rules hold for what comes from now on; what is stored stays as it is");
    return print_rules(c, text, reply);
}

static int run_environments(cli *c, void *own)
{
    static const action actions[] = {{"list", 0, NULL, environments_list},
                                     {"create", 1, "a name", environments_create},
                                     {"keep", 1, "the environment's name", environments_keep},
                                     {"redact", 1, "the environment's name", environments_redact},
                                     {"delete", 1, "the environment's name", environments_delete},
                                     {NULL, 0, NULL, NULL}};
    return action_run(c, own, actions);
}

const command command_environments = {
    .name = "environments",
    .summary = "list, create, delete; how long each keeps its events, and what of them never",
    .usage = "[list | create NAME | keep NAME --days N | redact NAME | delete NAME] [OPTIONS]",
    .examples = "  skep environments\n"
                "  skep environments create staging\n"
                "  skep environments keep staging --days 7\n"
                "  skep environments redact staging --mask user.email --drop '*.password'\n"
                "  skep environments delete staging\n",
    .word = "list|create|keep|redact|delete",
    .options = environments_options,
    .own_bytes = sizeof(environments_own),
    .run = run_environments,
};
