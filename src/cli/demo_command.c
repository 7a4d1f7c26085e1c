/*
 * cli/demo_command.c: skep demo: a living shop with a fault planted in it, sent to environment demo and nowhere else.
 */
#include <stdio.h>

#include "cli/api.h"
#include "cli/demo/run.h"
#include "wire/json.h"

typedef struct demo {
    const char *seed; /* text: 0 is a seed like any other */
    double rate;
    int64_t past_ns;
    bool reveal, remove, past_only;
} demo;

static const cli_option demo_options_table[] = {
    {"seed", 0, OPTION_TEXT, offsetof(demo, seed), "N",
     "which fault is planted, and where (default 1)"},
    {"rate", 0, OPTION_NUMBER, offsetof(demo, rate), "N", "visits a second (default 4)"},
    {"past", 0, OPTION_DURATION, offsetof(demo, past_ns), "AGE",
     "history to send first (default 30m)"},
    {"past-only", 0, OPTION_FLAG, offsetof(demo, past_only), NULL, "send the history and end"},
    {"reveal", 0, OPTION_FLAG, offsetof(demo, reveal), NULL,
     "say what is planted, and a query that shows it"},
    {"remove", 0, OPTION_FLAG, offsetof(demo, remove), NULL,
     "delete all events of environment demo"},
    {NULL, 0, OPTION_FLAG, 0, NULL, NULL},
};

static bool is_stopped(void *ctx)
{
    return cli_is_interrupted(ctx);
}

static void say(void *ctx, const char *line)
{
    cli_talk(ctx, "%s", line);
}

static int reveal(cli *c, uint64_t seed)
{
    buf text;
    fault f = fault_of_seed(seed, 0);
    buf_init(&text, 64 * KIB);
    fault_reveal(&f, &text);
    term_print(&c->out, "%.*s", SPAN_FMT(buf_span(&text)));
    buf_done(&text);
    return EXIT_OK;
}

static int remove_all(cli *c)
{
    api_path path;
    api_path_init(&path, "/skep/v1/data");
    api_path_query(&path, "environment", SPAN("demo"));
    int code = api_send(c, "DELETE", &path, (span){0}, NULL, NULL);
    if (code == EXIT_OK)
        cli_talk(c, "environment demo is empty");
    return code;
}

/* The key to send with: the local server's own for environment demo, else the one given. Whichever it is, the server must
 * say that it belongs to environment demo: the shop is never let into somebody's data. */
static int find_key(cli *c, const char **ret, bool *ret_may_ask)
{
    api_path path;
    const node *who;
    const char *asking_key = c->key;
    if (c->ring)
        c->key = api_ring_key(c, "demo", "ingest");
    if (!c->key)
        return cli_fail(c, EXIT_AUTH,
                        "the demo needs an ingest key of environment demo: --data-dir names a "
                        "server's directory on this machine, SKEP_KEY holds a key of any other");
    *ret = c->key;
    bool was_given = c->key_was_given;
    c->key_was_given = true; /* this very key is asked about: never without it */
    api_path_init(&path, "/1/auth");
    int code = api_get(c, &path, NULL, &who);
    c->key_was_given = was_given;
    c->key = asking_key;
    if (code != EXIT_OK)
        return code;
    span slug = node_text(node_get(node_get(who, "environment"), "slug"));
    if (!span_is(slug, "demo"))
        return cli_fail(c, EXIT_AUTH,
                        "the key from %s belongs to environment %.*s, and the demo writes only to "
                        "environment demo: leave the key out for a server on this machine, or give "
                        "an ingest key of demo",
                        c->key_from, SPAN_FMT(slug));
    *ret_may_ask = c->ring || node_is_true(node_get(node_get(who, "api_key_access"), "queries"));
    return EXIT_OK;
}

/* A demo that was stopped and started again goes on where it was: its past is there already. */
static bool has_past(cli *c)
{
    const node *reply;
    api_path path;
    api_path_init(&path, "/skep/v1/query");
    if (api_send(
            c, "POST", &path,
            SPAN("{\"environment\":\"demo\",\"text\":\"COUNT SINCE 20m\",\"disable_series\":true}"),
            NULL, &reply) != EXIT_OK)
        return false;
    const node *rows = node_get(node_get(reply, "data"), "results");
    return node_count(node_get(node_get(node_first(rows), "data"), "COUNT")) > 0;
}

static int run_demo(cli *c, void *own)
{
    demo *d = own;
    err e = {0};
    demo_options o = {.seed = 1,
                      .visits_per_s = d->rate > 0 ? d->rate : 4,
                      .past_ns = d->past_ns ? d->past_ns : 30 * 60 * NS_PER_S,
                      .is_quiet = c->quiet,
                      .past_only = d->past_only,
                      .is_stopped = is_stopped,
                      .say = say,
                      .ctx = c};
    if (d->seed && !span_to_u64(span_text(d->seed), &o.seed))
        return cli_fail(c, EXIT_USAGE, "--seed takes a whole number, not \"%s\"", d->seed);
    if (d->reveal)
        return reveal(c, o.seed);
    if (d->remove)
        return remove_all(c);
    if (c->dry_run) {
        term_print(&c->out, "visits of a shop to environment demo of %s\n", c->url);
        return EXIT_DRY_RUN;
    }
    bool may_ask = false;
    int code = find_key(c, &o.key, &may_ask);
    if (code != EXIT_OK)
        return code;
    if (!d->past_ns && may_ask && has_past(c))
        o.past_ns = NS_PER_S;
    o.url = c->url;
    return demo_run(&o, &e) == SK_OK ? EXIT_OK : cli_fail_err(c, &e);
}

const command command_demo = {
    .name = "demo",
    .summary = "run a shop with a fault planted in it, in environment demo",
    .usage = "[--seed N] [--reveal | --remove]",
    .examples = "  skep demo\n"
                "  skep demo --seed 4\n"
                "  skep demo --seed 4 --reveal\n"
                "  skep demo --remove\n",
    .more = "Six kinds of fault, chosen by the seed, among things that only look bad. The culprit "
            "is never simply the longest span. "
            "Nothing but environment demo is ever written.\n",
    .options = demo_options_table,
    .own_bytes = sizeof(demo),
    .run = run_demo,
};
