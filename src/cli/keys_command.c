/*
 * cli/keys_command.c: skep keys: list, make, take away, more pages for a browser key. A key's secret is printed once, alone on
 * stdout, so that it can be piped into a secret store; everything else about it goes to stderr.
 */
#include <stdio.h>
#include <string.h>

#include "cli/action.h"
#include "cli/admin.h"
#include "cli/table.h"

int admin_print_json(cli *c, span text)
{
    buf_add_span(&c->out.text, text);
    buf_add_text(&c->out.text, "\n");
    return EXIT_OK;
}

typedef struct keys_own {
    const char *name, *kind, *origin;
    bool all;
} keys_own;

static const cli_option keys_options[] = {
    {"name", 0, OPTION_TEXT, offsetof(keys_own, name), "NAME", "what the key is for"},
    {"kind", 0, OPTION_TEXT, offsetof(keys_own, kind), "ingest|browser|query|configuration",
     "ingest (writes only) is the default; browser writes for pages of --origin; query asks only"},
    {"origin", 0, OPTION_TEXT, offsetof(keys_own, origin), "ORIGIN[,ORIGIN]",
     "of a browser key: https://shop.example, https://*.shop.example"},
    {"all", 0, OPTION_FLAG, offsetof(keys_own, all), NULL, "list revoked ones too"},
    {NULL, 0, OPTION_FLAG, 0, NULL, NULL}};

static int keys_list(cli *c, void *own, const char *word)
{
    const keys_own *o = own;
    api_path path;
    span text;
    const node *reply;
    api_path_init(&path, "/skep/v1/keys");
    api_path_environment(&path, c);
    int code = api_get(c, &path, &text, &reply);
    if (code || c->json)
        return code ? code : admin_print_json(c, text);
    table *t = table_new(c->mem, 6);
    if (!t)
        return cli_fail(c, EXIT_FAILED, "no memory");
    static const char *const names[] = {"id", "name", "kind", "environment", "last used", "state"};
    for (uint32_t i = 0; i < COUNT_OF(names); i++)
        table_column(t, i, span_text(names[i]), false);
    table_keep_whole(t, 0);
    for (const node *k = node_first(node_get(reply, "keys")); k; k = k->next) {
        bool is_revoked = node_is_true(node_get(k, "revoked"));
        if (is_revoked && !o->all)
            continue;
        table_cell(t, node_text(node_get(k, "id")), COLOR_NONE);
        table_cell(t, node_text(node_get(k, "name")), COLOR_NONE);
        table_cell(t, node_text(node_get(k, "kind")), COLOR_NONE);
        table_cell(t, node_text(node_get(k, "environment")), COLOR_NONE);
        table_age(t, node_text(node_get(k, "last_used")), cli_form(c));
        table_cell(t, is_revoked ? SPAN("revoked") : SPAN("works"),
                   is_revoked ? COLOR_RED : COLOR_GREEN);
    }
    table_print(t, cli_form(c), &c->out);
    return EXIT_OK;
}

void admin_add_member(json_writer *w, const char *key, const char *text)
{
    if (!text)
        return;
    jw_key_text(w, key);
    jw_text(w, text);
}

int admin_key_create(cli *c, const char *name, const char *kind, const char *origins,
                     span *ret_text, const node **ret)
{
    api_path path;
    buf body;
    buf_init(&body, 64 * KIB);
    json_writer w = {.out = &body};
    jw_object(&w);
    admin_add_member(&w, "name", name);
    admin_add_member(&w, "kind", kind);
    admin_add_member(&w, "environment", c->env);
    if (origins) {
        jw_key_text(&w, "origins");
        jw_array(&w);
        for (span rest = span_text(origins); rest.at;)
            jw_string(&w, span_trim(span_cut(&rest, ',')));
        jw_array_end(&w);
    }
    jw_object_end(&w);
    api_path_init(&path, "/skep/v1/keys");
    int code = api_send(c, "POST", &path, buf_span(&body), ret_text, ret);
    buf_done(&body);
    return code;
}

static int keys_create(cli *c, void *own, const char *word)
{
    const keys_own *o = own;
    span text;
    const node *reply;
    int code = admin_key_create(c, o->name ? o->name : "made by skep keys create",
                                o->kind ? o->kind : "ingest", o->origin, &text, &reply);
    if (code || c->json)
        return code ? code : admin_print_json(c, text);
    cli_talk(c, "%.*s key %.*s of environment %.*s; its secret, shown only now:",
             SPAN_FMT(node_text(node_get(reply, "kind"))),
             SPAN_FMT(node_text(node_get(reply, "id"))),
             SPAN_FMT(node_text(node_get(reply, "environment"))));
    term_text(&c->out, node_text(node_get(reply, "secret")));
    term_print(&c->out, "\n");
    return EXIT_OK;
}

static int keys_revoke(cli *c, void *own, const char *id)
{
    api_path path;
    api_path_init(&path, "/skep/v1/keys");
    api_path_segment(&path, span_text(id));
    int code = api_send(c, "DELETE", &path, (span){NULL, 0}, NULL, NULL);
    if (!code)
        cli_talk(c, "key %s no longer works", id);
    return code;
}

/* A body being built: one object, of which members are still to come. */
static json_writer begin_body(buf *body)
{
    buf_init(body, 64 * KIB);
    json_writer w = {.out = body};
    jw_object(&w);
    return w;
}

/* Below /skep/v1/keys. With --json the reply is printed. */
static int post(cli *c, span first, span second, json_writer *w, const node **ret)
{
    api_path path;
    span text;
    jw_object_end(w);
    api_path_init(&path, "/skep/v1/keys");
    api_path_segment(&path, first);
    if (second.at)
        api_path_segment(&path, second);
    int code = api_send(c, "POST", &path, buf_span(w->out), &text, ret);
    buf_done(w->out);
    return code || !c->json ? code : admin_print_json(c, text);
}

static int allow_one(cli *c, const char *id, span origin)
{
    buf body;
    const node *reply;
    json_writer w = begin_body(&body);
    jw_key_text(&w, "origin");
    jw_string(&w, origin);
    int code = post(c, span_text(id), SPAN("origins"), &w, &reply);
    if (code || c->json)
        return code;
    cli_talk(c, "pages of %.*s may send with key %s from now on", SPAN_FMT(origin), id);
    return EXIT_OK;
}

static int keys_allow(cli *c, void *own, const char *id)
{
    const keys_own *o = own;
    int code = EXIT_OK;
    if (!o->origin)
        return cli_fail(c, EXIT_USAGE,
                        "which pages? skep keys allow %s --origin https://shop.example", id);
    for (span rest = span_text(o->origin); code == EXIT_OK && rest.at;)
        code = allow_one(c, id, span_trim(span_cut(&rest, ',')));
    return code;
}

static int decide(cli *c, void *own, const char *fingerprint, const char *verb)
{
    const keys_own *o = own;
    buf body;
    const node *reply;
    json_writer w = begin_body(&body);
    admin_add_member(&w, "fingerprint", fingerprint);
    admin_add_member(&w, "environment", c->env);
    admin_add_member(&w, "name", o->name);
    int code = post(c, span_text(verb), (span){NULL, 0}, &w, &reply);
    if (code || c->json)
        return code;
    if (strcmp(verb, "refuse") == 0)
        cli_talk(c, "the key stays refused, and doctor asks no more about it");
    else
        cli_talk(c,
                 "the refused key is now ingest key %.*s of environment %.*s: its sender needs no "
                 "change",
                 SPAN_FMT(node_text(node_get(reply, "id"))),
                 SPAN_FMT(node_text(node_get(reply, "environment"))));
    return EXIT_OK;
}

static int keys_adopt(cli *c, void *own, const char *fingerprint)
{
    return decide(c, own, fingerprint, "adopt");
}

static int keys_refuse(cli *c, void *own, const char *fingerprint)
{
    return decide(c, own, fingerprint, "refuse");
}

static int run_keys(cli *c, void *own)
{
    static const action actions[] = {
        {"list", 0, NULL, keys_list},
        {"create", 0, NULL, keys_create},
        {"revoke", 1, "the id of a key", keys_revoke},
        {"allow", 1, "the id of a browser key", keys_allow},
        {"adopt", 1, "a fingerprint, which skep doctor shows", keys_adopt},
        {"refuse", 1, "a fingerprint, which skep doctor shows", keys_refuse},
        {NULL, 0, NULL, NULL}};
    return action_run(c, own, actions);
}

const command command_keys = {
    .name = "keys",
    .summary = "list, create, revoke, allow more pages; adopt or refuse a key that is unknown",
    .usage = "[list | create | revoke ID | allow ID --origin ORIGIN | adopt FINGERPRINT | refuse "
             "FINGERPRINT] [OPTIONS]",
    .examples = "  skep keys\n"
                "  skep keys create --name ci --env dev\n"
                "  skep keys create --kind configuration --name laptop\n"
                "  skep keys create --kind browser --origin https://shop.example --name shop\n"
                "  skep keys allow hcxik_01abc… --origin https://admin.shop.example\n"
                "  skep keys revoke hcxik_01abc…\n"
                "  skep keys adopt 3f9ac2 --env dev        (the fingerprint is in skep doctor)\n",
    .word = "list|create|revoke|allow|adopt|refuse",
    .options = keys_options,
    .own_bytes = sizeof(keys_own),
    .pages = true,
    .run = run_keys,
};
