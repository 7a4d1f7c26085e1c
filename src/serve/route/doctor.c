/*
 * serve/route/doctor.c: GET /skep/v1/doctor: every kept refusal with its reason and one fix, and what is odd about what was
 * accepted. Diagnoses follow the list of pains in the first users' journals (wrong, empty and literal keys, wrong
 * paths, services without a name).
 */
#include "serve/route/health.h"

#include <stdio.h>

#include "event/fields.h"
#include "serve/route/common.h"

typedef struct advice {
    const char *reason, *text;
} advice;

static const advice advices[] = {
    {"empty_key", "The header is there but empty: the variable was not set where the program or "
                  "compose ran. Set it in that shell or in .env, then recreate the container."},
    {"literal_variable_key",
     "The header holds the text of a variable, not its value: whatever wrote it does not expand "
     "variables. Put the value there, or use a shell or compose file that expands it."},
    {"unknown_key", "No environment has this key. `skep env` prints one that works; `skep keys "
                    "adopt FINGERPRINT` accepts this one as it is."},
    {"revoked_key",
     "This key was revoked. `skep env` prints a new one; restart the program with it."},
    {"missing_key", "No key came. Set OTEL_EXPORTER_OTLP_HEADERS=x-honeycomb-team=KEY; `skep env` "
                    "prints the line."},
    {"forbidden", "The key is known but may not do this: use a configuration key to ask, an ingest "
                  "key to send."},
    {"not_logged_in", "Someone opened the interface without a login: `skep open` on the server's "
                      "machine prints a link, `skep user add` makes a user."},
    {"wrong_password", "A name and password that do not go together, or a disabled user: `skep "
                       "user password NAME` sets a new one."},
    {"wrong_link", "A login link works once, for 15 minutes: `skep open` prints a new one."},
    {"login_throttled", "Too many failed logins in a row: someone guesses, or a program has an old "
                        "password. The wait ends by itself; `skep open` needs no password."},
    {"csrf", "A page of another origin tried to act in the name of someone who is logged in, or a "
             "proxy changes the Host header (--trusted-proxy)."},
    {"forbidden_role", "The role of this user is not enough: an administrator changes it under "
                       "People, or with `skep user change NAME --role ROLE`."},
    {"wrong_origin", "A browser key is bound to origins, and this page has another: make a key "
                     "with `skep keys create --kind browser --origin`, scheme and port included."},
    {"missing_origin", "A browser key came without an Origin header, so not from a page: programs "
                       "use an ingest key (`skep env`)."},
    {"wrong_path", "Set OTEL_EXPORTER_OTLP_ENDPOINT to the bare address; SDKs append /v1/traces "
                   "themselves. A per-signal endpoint is used exactly as it is."},
    {"wrong_content_type",
     "Send application/x-protobuf or application/json: check OTEL_EXPORTER_OTLP_PROTOCOL."},
    {"wrong_environment", "A key reaches its own environment only: use one of the environment that "
                          "was asked for (`skep keys create --kind query --env SLUG`)."},
    {"unsupported", "A proxy in between speaks HTTP/1 to skep: let it pass HTTP/2 (h2c), or set "
                    "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf."},
    {"no_memory", "The memory bound is reached; senders that keep to the protocol try again. Raise "
                  "--memory-max if it stays."},
    {"queue_full", "More requests than workers: senders that keep to the protocol try again. More "
                   "cores or larger batches help."},
    {"busy", "More comes than is written to the disk; senders that keep to the protocol try again. "
             "Raise --memory-max or --disk-max, or send less."},
    {"too_old", "The events are older than the retention of this environment: check the sender's "
                "clock, or raise --retention."},
    {"too_large", "The request passed a limit that the text names: lower the SDK's batch size."},
    {"slow_sender",
     "The request did not arrive in time: look at the network between sender and skep."},
};

static const char *advice_for(const char *reason)
{
    for (size_t i = 0; i < COUNT_OF(advices); i++)
        if (strcmp(advices[i].reason, reason) == 0)
            return advices[i].text;
    return "The text says what was wrong and what to do.";
}

static void print_refusal(json_writer *w, const exchange *x, const refusal *r)
{
    environment env;
    const struct {
        const char *name, *text;
    } texts[] = {{"reason", r->reason},
                 {"text", r->text},
                 {"advice", advice_for(r->reason)},
                 {"path", r->path},
                 {"source", r->source},
                 {"service", r->service},
                 {"user_agent", r->user_agent},
                 {"key_fingerprint", r->key_fingerprint}};
    jw_object(w);
    jw_key_text(w, "time");
    jw_time(w, r->last_ns);
    jw_key_text(w, "first_time");
    jw_time(w, r->first_ns);
    jw_key_text(w, "count");
    jw_u64(w, r->count);
    jw_key_text(w, "status");
    jw_i64(w, sk_http_status(r->code));
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        jw_key_text(w, texts[i].name);
        jw_text(w, texts[i].text);
    }
    jw_key_text(w, "environment");
    if (r->environment && meta_environment_by_id(exchange_services(x)->meta, r->environment, &env))
        jw_text(w, env.slug);
    else
        jw_null(w);
    jw_object_end(w);
}

static void print_finding(json_writer *w, const char *kind, const char *subject, const char *text)
{
    jw_object(w);
    jw_key_text(w, "kind");
    jw_text(w, kind);
    jw_key_text(w, "subject");
    jw_text(w, subject);
    jw_key_text(w, "text");
    jw_text(w, text);
    jw_object_end(w);
}

/* Whether one name becomes the other by at most NEAR_EDITS letters inserted, removed or replaced. */
#define NEAR_EDITS    2u
#define NEAR_NAME_MIN 6u /* shorter names differ by two letters for good reasons */
#define NEAR_NAMES    200u

static bool is_near(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b);
    uint32_t row[sizeof(((sender *)0)->dataset) + 1];
    if (a_len < NEAR_NAME_MIN || b_len < NEAR_NAME_MIN || a_len > b_len + NEAR_EDITS ||
        b_len > a_len + NEAR_EDITS || strcmp(a, b) == 0)
        return false;
    for (uint32_t k = 0; k <= b_len; k++)
        row[k] = k;
    for (size_t i = 0; i < a_len; i++) {
        uint32_t before = row[0];
        row[0] = (uint32_t)i + 1;
        for (size_t k = 0; k < b_len; k++) {
            uint32_t changed = before + (a[i] != b[k]), least = row[k] + 1;
            before = row[k + 1];
            least = before + 1 < least ? before + 1 : least;
            row[k + 1] = changed < least ? changed : least;
        }
    }
    return row[b_len] <= NEAR_EDITS;
}

/* Names that end in different numbers are meant: shard-1, shard-2. */
static bool has_digit(const char *name)
{
    return strpbrk(name, "0123456789") != NULL;
}

static uint64_t events_of(const sender *s)
{
    uint64_t sum = 0;
    for (uint32_t f = 0; f < FAMILY_COUNT; f++)
        sum += s->events[f];
    return sum;
}

/* The rarer of two names that nearly are one is told. */
static void print_near_names(json_writer *w, const sender *senders, uint32_t count,
                             const environment *env)
{
    uint32_t looked_at = count < NEAR_NAMES ? count : NEAR_NAMES;
    for (uint32_t i = 0; i < looked_at; i++)
        for (uint32_t k = i + 1; k < looked_at; k++) {
            const sender *a = &senders[i], *b = &senders[k];
            char text[400];
            if (a->environment != env->id || b->environment != env->id || has_digit(a->dataset) ||
                has_digit(b->dataset) || !is_near(a->dataset, b->dataset))
                continue;
            const sender *rare = events_of(a) < events_of(b) ? a : b, *usual = rare == a ? b : a;
            snprintf(text, sizeof text,
                     "Did you mean %s? The two names are nearly the same: if they are one service, "
                     "correct OTEL_SERVICE_NAME where this one runs.",
                     usual->dataset);
            print_finding(w, "near_duplicate_name", rare->dataset, text);
        }
}

static void print_findings(json_writer *w, exchange *x, const environment *env, bool has_refusals)
{
    sender *senders;
    uint32_t count = intake_senders(exchange_services(x)->intake, exchange_arena(x), &senders),
             seen = 0;
    jw_array(w);
    for (uint32_t i = 0; i < count; i++) {
        if (senders[i].environment != env->id)
            continue;
        seen++;
        if (strcmp(senders[i].dataset, DATASET_UNKNOWN_SERVICE) == 0)
            print_finding(
                w, "unknown_service", senders[i].source,
                "A program sends without a service name: set OTEL_SERVICE_NAME where it runs.");
    }
    print_near_names(w, senders, count, env);
    if (!seen)
        print_finding(
            w, has_refusals ? "all_refused" : "nothing_arrived", env->slug,
            has_refusals
                ? "Nothing was accepted since the start, but requests were refused: see above."
                : "No request has reached this environment since the start. Is the endpoint this "
                  "server's address, as seen from where the program runs (a container's localhost "
                  "is the container)? `skep env` prints it.");
    jw_array_end(w);
}

void route_doctor(exchange *take_x)
{
    static const char *const parameters[] = {"environment", NULL};
    const services *s = exchange_services(take_x);
    const caller *who = exchange_caller(take_x);
    err e = {0};
    environment env;
    refusal *refusals;
    sk_code code = route_check_query(take_x, parameters, &e);
    if (code == SK_OK)
        code = route_environment(take_x, exchange_query(take_x, "environment"), &env, &e);
    if (code != SK_OK) {
        route_fail(take_x, code, &e);
        return;
    }
    buf out;
    uint32_t count = intake_refusals(s->intake, exchange_arena(take_x), &refusals), shown = 0;
    buf_init(&out, ROUTE_REPLY_MAX);
    json_writer w = {.out = &out};
    jw_object(&w);
    jw_key_text(&w, "environment");
    jw_text(&w, env.slug);
    jw_key_text(&w, "refusals");
    jw_array(&w);
    for (uint32_t i = 0; i < count; i++) {
        bool is_mine = refusals[i].environment == env.id ||
                       (refusals[i].environment == 0 && who->is_any_environment);
        if (!is_mine)
            continue;
        print_refusal(&w, take_x, &refusals[i]);
        shown++;
    }
    jw_array_end(&w);
    jw_key_text(&w, "findings");
    print_findings(&w, take_x, &env, shown > 0);
    jw_object_end(&w);
    route_reply(take_x, 200, &out);
}
