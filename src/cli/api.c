/*
 * cli/api.c: api.h over outbound/http. Called by every command.
 * Never: sends the key of a local server's keys.json to a host that is not this machine; prints a key.
 */
#include "cli/api.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "cli/options.h"

#define DEFAULT_URL "http://127.0.0.1:8080"
#define PATH_BYTES  (64 * KIB)
#define KEYS_BYTES  (64 * KIB)
#define EVENT_BYTES (256 * MIB)
#define ANSWER_MS   300000 /* without --timeout: no answer takes longer */

/* ---- keys ---- */

static char *read_small_file(cli *c, const char *path, err *e)
{
    uint8_t *bytes;
    size_t len;
    if (file_read_all(path, KEYS_BYTES, &bytes, &len, e) != SK_OK)
        return NULL;
    span copy = arena_print(c->mem, "%.*s", (int)len, (const char *)bytes);
    base_free(bytes);
    return (char *)(uintptr_t)copy.at;
}

const char *api_ring_key(cli *c, const char *environment, const char *kind)
{
    const node *key = node_get(node_get(c->ring, environment), kind);
    span copy = key ? arena_print(c->mem, "%.*s", SPAN_FMT(key->text)) : (span){NULL, 0};
    return (const char *)copy.at;
}

/* The full key of the asked environment in a keys.json; dev's reaches every environment. */
static bool key_from_json(cli *c, const char *path)
{
    err e;
    char *text = read_small_file(c, path, &e);
    if (!text || node_parse(span_text(text), c->mem, &c->ring, &e) != SK_OK)
        return false;
    bool has_own = c->env && node_get(node_get(c->ring, c->env), "full");
    span from = arena_print(c->mem, "%s", path);
    c->key = api_ring_key(c, has_own ? c->env : "dev", "full");
    c->key_from = (const char *)from.at;
    return c->key && c->key_from;
}

static bool key_from_data_dir(cli *c, const char *dir)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/meta/keys.json", dir);
    if (key_from_json(c, path))
        return true;
    snprintf(path, sizeof path, "%s/keys.json", dir);
    return key_from_json(c, path);
}

static void key_from_default_place(cli *c)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    char dir[4000];
    if (data && *data)
        snprintf(dir, sizeof dir, "%s/skep", data);
    else if (home && *home)
        snprintf(dir, sizeof dir, "%s/.local/share/skep", home);
    else
        return;
    key_from_data_dir(c, dir);
}

static int find_key(cli *c)
{
    err e;
    if (c->key)
        return EXIT_OK;
    if (c->key_file) {
        char *text = read_small_file(c, c->key_file, &e);
        if (!text)
            return cli_fail_err(c, &e);
        span key = span_trim(span_text(text));
        text[(size_t)(key.at - (const uint8_t *)text) + key.len] = 0;
        c->key = (const char *)key.at;
        c->key_from = c->key_file;
        c->key_was_given = true;
        return EXIT_OK;
    }
    if (c->keys_file) {
        c->key_was_given = true;
        return key_from_json(c, c->keys_file)
                   ? EXIT_OK
                   : cli_fail(c, EXIT_AUTH, "%s holds no full key", c->keys_file);
    }
    if (!http_url_is_loopback(c->url))
        return EXIT_OK;
    if (c->data_dir)
        key_from_data_dir(c, c->data_dir);
    else
        key_from_default_place(c);
    return EXIT_OK;
}

int api_prepare(cli *c)
{
    size_t len;
    if (!c->url)
        c->url = DEFAULT_URL;
    for (len = strlen(c->url); len && c->url[len - 1] == '/';)
        len--;
    span url = strstr(c->url, "://") ? arena_print(c->mem, "%.*s", (int)len, c->url)
                                     : arena_print(c->mem, "http://%.*s", (int)len, c->url);
    if (!url.at)
        return cli_fail(c, EXIT_FAILED, "no memory");
    c->url = (const char *)url.at;
    return find_key(c);
}

/* ---- paths ---- */

void api_path_init(api_path *p, const char *path)
{
    *p = (api_path){0};
    buf_init(&p->text, PATH_BYTES);
    buf_add_text(&p->text, path);
}

void api_path_segment(api_path *p, span segment)
{
    buf_add_text(&p->text, "/");
    http_encode(&p->text, segment);
}

void api_path_query(api_path *p, const char *name, span value)
{
    if (!value.at)
        return;
    buf_add_text(&p->text, p->has_query ? "&" : "?");
    p->has_query = true;
    buf_add_text(&p->text, name);
    buf_add_text(&p->text, "=");
    http_encode(&p->text, value);
}

void api_path_environment(api_path *p, const cli *c)
{
    api_path_query(p, "environment", span_text(c->env));
}

bool api_time(span text, int64_t now_ns, int64_t *ret_ns)
{
    int64_t ago;
    double seconds;
    if (options_duration(text, &ago)) {
        *ret_ns = now_ns - ago;
        return true;
    }
    if (clock_parse_rfc3339(text, ret_ns))
        return true;
    if (span_is(text, "now")) {
        *ret_ns = now_ns;
        return true;
    }
    if (!span_to_double(text, &seconds) || seconds < 0 || seconds > 9.2e9)
        return false;
    *ret_ns = (int64_t)(seconds * 1e9);
    return true;
}

static int add_time(api_path *p, cli *c, const char *name, const char *option, const char *asked,
                    int64_t now_ns)
{
    char text[36];
    int64_t ns;
    if (!asked)
        return EXIT_OK;
    if (!api_time(span_text(asked), now_ns, &ns))
        return cli_fail(
            c, EXIT_USAGE,
            "%s takes a time such as 10m (ago), 2026-08-21T14:05:03Z or unix seconds, not "
            "\"%s\"",
            option, asked);
    api_path_query(p, name, span_of(text, clock_print_rfc3339(ns, text)));
    return EXIT_OK;
}

int api_path_times(api_path *p, cli *c)
{
    int64_t now = clock_wall_ns();
    int code = add_time(p, c, "start", "--since", c->since, now);
    return code ? code : add_time(p, c, "end", "--until", c->until, now);
}

void api_path_done(api_path *p)
{
    buf_done(&p->text);
}

/* ---- calls ---- */

static int64_t time_left_ms(const cli *c, int64_t otherwise_ms)
{
    if (!c->deadline_mono_ns)
        return otherwise_ms;
    int64_t left = (c->deadline_mono_ns - clock_mono_ns()) / NS_PER_MS;
    return left > 0 ? left : 1;
}

/* What the server refused: its own sentence, and ours where a key is at fault. */
static int say_refusal(cli *c, int status, span body)
{
    err e;
    const node *reply;
    span text = SPAN("");
    if (node_parse(body, c->mem, &reply, &e) == SK_OK) {
        text = node_text(node_get(reply, "error"));
        if (text.len == 0)
            text = node_text(node_get(reply, "message"));
    }
    if (text.len == 0)
        text = SPAN("no reason was given");
    term_print(&c->talk, "skep: ");
    term_text(&c->talk, text);
    term_print(&c->talk, " (%d)\n", status);
    if ((status == 401 || status == 403) && c->key_from)
        term_print(&c->talk, "skep: the key came from %s\n", c->key_from);
    else if (status == 401)
        term_print(&c->talk,
                   "skep: no key was sent; set SKEP_KEY, or --data-dir for a server on this "
                   "machine\n");
    term_flush(&c->talk);
    if (status == 401 || status == 403)
        return EXIT_AUTH;
    return status == 400 || status == 422 ? EXIT_USAGE : EXIT_FAILED;
}

static int say_unreachable(cli *c, const err *e)
{
    if (e->code == SK_IO)
        cli_fail(c, EXIT_UNREACHABLE, "%s", e->text);
    else
        return cli_fail_err(c, e);
    cli_talk(c, "is a server running there? `skep serve` starts one, --url names another");
    return EXIT_UNREACHABLE;
}

static sk_code call_once(cli *c, http_request *r, span url, http_reply *reply, err *e)
{
    http_header headers[4];
    size_t count = 0;
    if (r->body.at)
        headers[count++] = (http_header){"Content-Type", "application/json"};
    headers[count++] = (http_header){"Accept", r->piece ? "text/event-stream" : "application/json"};
    if (c->key)
        headers[count++] = (http_header){"X-Honeycomb-Team", c->key};
    headers[count++] = (http_header){"User-Agent", "skep-cli"};
    r->headers = headers;
    r->header_count = count;
    r->url = (const char *)url.at;
    if (c->verbose && !c->quiet) {
        term_print(&c->talk, "%s ", r->method);
        term_text(&c->talk, url);
        term_print(&c->talk, " (key: %s)\n", c->key ? c->key_from : "none");
        term_flush(&c->talk);
    }
    return http_call(c->http, r, reply, e);
}

/* A key that was found in a default place may belong to another server on this machine; without one it lets us ask. */
static sk_code call(cli *c, http_request *r, api_path *take_path, http_reply *reply, err *e)
{
    span url = arena_print(c->mem, "%s%.*s", c->url, (int)take_path->text.len,
                           (const char *)take_path->text.at);
    bool is_whole = !take_path->text.failed && url.at;
    api_path_done(take_path);
    *reply = (http_reply){0};
    if (!is_whole)
        return err_set(e, SK_NO_MEMORY, "no memory for the request");
    sk_code code = call_once(c, r, url, reply, e);
    if (code == SK_OK && reply->status == 401 && c->key && !c->key_was_given) {
        const char *key = c->key;
        http_reply_done(reply);
        c->key = NULL;
        code = call_once(c, r, url, reply, e);
        if (code != SK_OK || reply->status == 401)
            c->key = key;
    }
    return code;
}

/* --dry-run: requests that only read are sent all the same, as what is sent next depends on them. */
static bool is_dry(const cli *c, const char *method)
{
    return c->dry_run && strcmp(method, "GET") != 0;
}

static int print_request(cli *c, const char *method, api_path *take_path, span body)
{
    term_print(&c->out, "%s %s", method, c->url);
    term_text(&c->out, buf_span(&take_path->text));
    term_print(&c->out, "\n");
    term_text(&c->out, body);
    term_print(&c->out, "%s", body.len ? "\n" : "");
    api_path_done(take_path);
    return EXIT_DRY_RUN;
}

int api_send(cli *c, const char *method, api_path *take_path, span body, span *ret_text,
             const node **ret)
{
    http_request r = {.method = method,
                      .body = body,
                      .timeout_ms = time_left_ms(c, ANSWER_MS),
                      .cancel_fd = c->signal_fd};
    http_reply reply;
    err e = {0};
    span text = SPAN("");
    if (is_dry(c, method))
        return print_request(c, method, take_path, body);
    sk_code code = call(c, &r, take_path, &reply, &e);
    int exit = EXIT_OK;
    if (code != SK_OK)
        exit = say_unreachable(c, &e);
    else if (reply.status >= 300)
        exit = say_refusal(c, reply.status, buf_span(&reply.body));
    else if (reply.body.len && !arena_copy(c->mem, buf_span(&reply.body), &text))
        exit = cli_fail(c, EXIT_FAILED, "no memory for the reply");
    http_reply_done(&reply);
    if (exit)
        return exit;
    if (ret_text)
        *ret_text = text;
    if (ret && node_parse(text, c->mem, ret, &e) != SK_OK)
        return cli_fail(c, EXIT_FAILED, "the reply cannot be read: %s", e.text);
    return EXIT_OK;
}

int api_get(cli *c, api_path *take_path, span *ret_text, const node **ret)
{
    return api_send(c, "GET", take_path, (span){NULL, 0}, ret_text, ret);
}

/* ---- server-sent events ---- */

typedef struct event_reader {
    api_stream *s;
    buf waiting; /* bytes of an event that has not ended */
    bool is_open;
} event_reader;

/* One event: lines of "field: value" up to an empty line. Ours have one data line. */
static bool take_event(event_reader *r, span lines)
{
    span event = SPAN("message"), data = SPAN("");
    while (lines.at) {
        span value = span_cut(&lines, '\n'), name = span_cut(&value, ':');
        value = value.at ? value : SPAN("");
        if (value.len && value.at[0] == ' ')
            value = span_from(value, 1);
        if (span_is(name, "event"))
            event = value;
        else if (span_is(name, "data"))
            data = value;
    }
    return data.len == 0 || r->s->each(r->s->ctx, event, data);
}

static bool take_piece(void *ctx, span bytes)
{
    event_reader *r = ctx;
    if (!r->is_open && r->s->opened)
        r->s->opened(r->s->ctx);
    r->is_open = true;
    buf_add_span(&r->waiting, bytes);
    if (r->waiting.failed)
        return false;
    span all = buf_span(&r->waiting);
    size_t done = 0;
    bool go_on = true;
    for (size_t i = all.len > bytes.len ? all.len - bytes.len : 0; go_on && i < all.len; i++) {
        if (all.at[i] != '\n' || i == 0 || all.at[i - 1] != '\n' || i < done + 1)
            continue;
        go_on = take_event(r, span_of(all.at + done, i - done));
        done = i + 1;
    }
    if (done) {
        memmove(r->waiting.at, r->waiting.at + done, r->waiting.len - done);
        r->waiting.len -= done;
    }
    return go_on;
}

int api_stream_run(cli *c, const char *method, api_path *take_path, span body, api_stream *s)
{
    event_reader reader = {.s = s};
    if (is_dry(c, method))
        return print_request(c, method, take_path, body);
    buf_init(&reader.waiting, EVENT_BYTES);
    http_request r = {.method = method,
                      .body = body,
                      .timeout_ms = time_left_ms(c, s->timeout_ms),
                      .cancel_fd = c->signal_fd,
                      .piece = take_piece,
                      .ctx = &reader};
    http_reply reply;
    err e = {0};
    sk_code code = call(c, &r, take_path, &reply, &e);
    int exit = EXIT_OK;
    if (code == SK_OK && reply.status >= 300)
        exit = say_refusal(c, reply.status, buf_span(&reply.body));
    else if (code == SK_OK && reader.waiting.failed)
        exit =
            cli_fail(c, EXIT_FAILED, "the server's stream cannot be read: an event is too large");
    else if (code == SK_IO && s->is_quiet)
        exit = EXIT_UNREACHABLE;
    else if (code == SK_CANCELLED)
        exit = EXIT_INTERRUPT;
    else if (code != SK_OK)
        exit = say_unreachable(c, &e);
    s->said_errors = exit != EXIT_OK && exit != EXIT_INTERRUPT && !(code == SK_IO && s->is_quiet);
    http_reply_done(&reply);
    buf_done(&reader.waiting);
    return exit;
}
