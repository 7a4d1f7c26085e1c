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
    int code = api_prepare(c);
    if (code != EXIT_OK)
        return code;
    api_path_init(&path, "/skep/v1/data");
    api_path_query(&path, "environment", SPAN("demo"));
    code = api_send(c, "DELETE", &path, (span){0}, NULL, NULL);
    if (code == EXIT_OK)
        cli_talk(c, "environment demo is empty");
    return code;
}

/* Environment demo's ingest key: the one given, else a new one made with the local server's full key. */
static int find_key(cli *c, const char **ret)
{
    const node *made;
    api_path path;
    if (c->key_was_given) {
        *ret = c->key;
        return EXIT_OK;
    }
    api_path_init(&path, "/skep/v1/keys");
    int code = api_send(c, "POST", &path, SPAN("{\"name\":\"demo shop\",\"environment\":\"demo\"}"),
                        NULL, &made);
    if (code != EXIT_OK)
        return code;
    span secret = arena_print(c->mem, "%.*s%c", SPAN_FMT(node_text(node_get(made, "secret"))), 0);
    if (!secret.at)
        return cli_fail(c, EXIT_FAILED, "out of memory");
    *ret = (const char *)secret.at;
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
    int code = api_prepare(c);
    if (code == EXIT_OK)
        code = find_key(c, &o.key);
    if (code != EXIT_OK)
        return code;
    if (!d->past_ns && has_past(c))
        o.past_ns = NS_PER_S;
    o.url = c->url;
    return demo_run(&o, &e) == SK_OK ? EXIT_OK : cli_fail_err(c, &e);
}

const command command_demo = {
    .name = "demo",
    .summary = "run a shop with a fault planted in it, in environment demo",
    .usage = "[--seed N] [--reveal | --remove]",
    .examples = "skep demo\nskep demo --seed 4\nskep demo --seed 4 --reveal\nskep demo --remove\n",
    .more = "Six kinds of fault, chosen by the seed, among things that only look bad. The culprit "
            "is never simply the longest span. "
            "Nothing but environment demo is ever written.\n",
    .options = demo_options_table,
    .own_bytes = sizeof(demo),
    .run = run_demo,
};
