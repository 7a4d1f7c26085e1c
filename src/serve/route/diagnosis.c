/*
 * serve/route/diagnosis.c: see diagnosis.h. The list follows the pains in the first users' journals: wrong, empty and literal keys,
 * keys of another environment, wrong paths, pages without a key of their own, services without a name, clocks that are
 * off, processors registered twice, names that nearly are one. Runs on query workers; pure but for the books it reads.
 */
#include "serve/route/diagnosis.h"

#include <stdarg.h>
#include <stdio.h>

#include "event/fields.h"

#define FINDINGS_MAX 64u
#define FINDING_TEXT 400u
#define AHEAD_NS     (60 * NS_PER_S)
#define BEHIND_NS    (900 * NS_PER_S) /* batches and retries take minutes */
#define QUIET_NS     (15 * NS_PER_S)  /* SDKs send every 5 s */
#define QUIET_OLD_NS (60 * NS_PER_S)
#define TWICE_MIN    2u /* one may be a retry whose first copy's answer was lost */
#define TWICE_SHARE  4u

static const advice advices[] = {
    {"empty_key", HOP_KEY,
     "The header is there but empty: the variable was not set where the program or "
     "compose ran. Set it in that shell or in .env, then recreate the container."},
    {"literal_variable_key", HOP_KEY,
     "The header holds the text of a variable, not its value: whatever wrote it does not expand "
     "variables. Put the value there, or use a shell or compose file that expands it."},
    {"unknown_key", HOP_KEY,
     "No environment has this key. `skep env` prints one that works; `skep keys "
     "adopt FINGERPRINT` accepts this one as it is."},
    {"revoked_key", HOP_KEY,
     "This key was revoked. `skep env` prints a new one; restart the program with it."},
    {"refused_key", HOP_NONE,
     "Somebody here decided that this key stays without: nothing to do, or `skep keys adopt "
     "FINGERPRINT` after all."},
    {"missing_key", HOP_KEY,
     "No key came. Set OTEL_EXPORTER_OTLP_HEADERS=x-honeycomb-team=KEY; `skep env` "
     "prints the line."},
    {"forbidden", HOP_KEY,
     "The key is known but may not do this: use a configuration key to ask, an ingest "
     "key to send."},
    {"not_logged_in", HOP_NONE,
     "Someone opened the interface without a login: `skep open` on the server's "
     "machine prints a link, `skep user add` makes a user."},
    {"wrong_password", HOP_NONE,
     "A name and password that do not go together, or a disabled user: `skep "
     "user password NAME` sets a new one."},
    {"wrong_link", HOP_NONE,
     "A login link works once, for 15 minutes: `skep open` prints a new one."},
    {"login_throttled", HOP_NONE,
     "Too many failed logins in a row: someone guesses, or a program has an old "
     "password. The wait ends by itself; `skep open` needs no password."},
    {"csrf", HOP_NONE,
     "A page of another origin tried to act in the name of someone who is logged in, or a "
     "proxy changes the Host header (--trusted-proxy)."},
    {"forbidden_role", HOP_NONE,
     "The role of this user is not enough: an administrator changes it under "
     "People, or with `skep user change NAME --role ROLE`."},
    {"wrong_origin", HOP_KEY,
     "A browser key is bound to origins, and this page has another: `skep keys allow "
     "ID --origin ORIGIN` adds it, scheme and port included; Keys lists the ids."},
    {"missing_origin", HOP_KEY,
     "A browser key came without an Origin header, so not from a page: programs "
     "use an ingest key (`skep env`)."},
    {"wrong_path", HOP_PATH,
     "Set OTEL_EXPORTER_OTLP_ENDPOINT to the bare address; SDKs append /v1/traces "
     "themselves. A per-signal endpoint is used exactly as it is."},
    {"wrong_content_type", HOP_BODY,
     "Send application/x-protobuf or application/json: check OTEL_EXPORTER_OTLP_PROTOCOL."},
    {"wrong_environment", HOP_NONE,
     "A key reaches its own environment only: use one of the environment that "
     "was asked for (`skep keys create --kind query --env SLUG`)."},
    {"unsupported", HOP_PATH,
     "A proxy in between speaks HTTP/1 to skep: let it pass HTTP/2 (h2c), or set "
     "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf."},
    {"no_memory", HOP_STORE,
     "The memory bound is reached; senders that keep to the protocol try again. Raise "
     "--memory-max if it stays."},
    {"queue_full", HOP_STORE,
     "More requests than workers: senders that keep to the protocol try again. More "
     "cores or larger batches help."},
    {"busy", HOP_STORE,
     "More comes than is written to the disk; senders that keep to the protocol try again. "
     "Raise --memory-max or --disk-max, or send less."},
    {"too_old", HOP_STORE,
     "The events are older than the retention of this environment: check the sender's "
     "clock, or raise --retention."},
    {"too_large", HOP_BODY,
     "The request passed a limit that the text names: lower the SDK's batch size."},
    {"slow_sender", HOP_BODY,
     "The request did not arrive in time: look at the network between sender and skep."},
    {"foreign_page", HOP_PATH,
     "Pages of other origins may send (/v1/traces, /v1/logs, /v1/metrics), not ask: set the "
     "exporter's url to one of those paths, and give it a browser key."},
    {"tls_to_plain_port", HOP_TRANSPORT,
     "Write http:// in OTEL_EXPORTER_OTLP_ENDPOINT, or start the server with --tls-cert and "
     "--tls-key."},
    {"wrong_method", HOP_PATH, "SDKs send with POST: is the URL an exporter's, not a page's?"},
    {"unknown_encoding", HOP_BODY, "Set OTEL_EXPORTER_OTLP_COMPRESSION to gzip or none."},
    {"bad_body", HOP_BODY,
     "The body is not what its content-type says: is OTEL_EXPORTER_OTLP_PROTOCOL the exporter's, "
     "or does a proxy cut bodies?"},
    {"dropped_items", HOP_BODY, "The text says which items were left out and why."},
    {"disk", HOP_STORE, "The server's disk took nothing: look at its space and its log."},
};

advice advice_for(const char *reason)
{
    for (size_t i = 0; i < COUNT_OF(advices); i++)
        if (strcmp(advices[i].reason, reason) == 0)
            return advices[i];
    return (advice){reason, HOP_BODY, "The text says what was wrong and what to do."};
}

advice advice_for_sender(const refusal *r)
{
    advice a = advice_for(r->reason);
    bool is_asked = strncmp(r->path, "/skep/", 6) == 0 || strncmp(r->path, "/1/", 3) == 0;
    if (is_asked && strcmp(r->reason, "foreign_page") != 0)
        a.hop = HOP_NONE;
    return a;
}

const char *hop_name(hop h)
{
    static const char *const names[HOP_COUNT] = {"reached the port", "TLS or plain as it should be",
                                                 "path right",       "key good",
                                                 "decoded",          "stored"};
    return names[h];
}

/* ---- findings ---- */

static void add(patient *p, const char *kind, const char *subject, const char *fix,
                const char *format, ...) __attribute__((format(printf, 5, 6)));

static void add(patient *p, const char *kind, const char *subject, const char *fix,
                const char *format, ...)
{
    va_list list;
    char *text = arena_alloc(p->mem, FINDING_TEXT, 1);
    if (!text || p->finding_count == FINDINGS_MAX)
        return;
    va_start(list, format);
    vsnprintf(text, FINDING_TEXT, format, list);
    va_end(list);
    p->findings[p->finding_count++] = (finding){kind, subject, text, fix};
}

static const char *print(patient *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

static const char *print(patient *p, const char *format, ...)
{
    va_list list;
    char *text = arena_alloc(p->mem, FINDING_TEXT, 1);
    if (!text)
        return "";
    va_start(list, format);
    vsnprintf(text, FINDING_TEXT, format, list);
    va_end(list);
    return text;
}

static bool is_mine(const patient *p, const sender *s)
{
    return s->environment == p->env.id;
}

/* The newest sender of another environment, as far as the caller may know of it; our own demo and load do not count. */
static const sender *sender_elsewhere(const patient *p, environment *ret)
{
    for (uint32_t i = 0; p->sees_all && i < p->sender_count; i++) {
        const sender *s = &p->senders[i];
        if (!is_mine(p, s) && s->key_id[0] && strncmp(s->user_agent, "skep", 4) != 0 &&
            meta_environment_by_id(p->s->meta, s->environment, ret))
            return s;
    }
    return NULL;
}

static void find_nothing(patient *p)
{
    environment other;
    for (uint32_t i = 0; i < p->sender_count; i++)
        if (is_mine(p, &p->senders[i]))
            return;
    const sender *s = sender_elsewhere(p, &other);
    if (s)
        add(p, "other_environment", s->dataset,
            print(p, "Send with a key of %s, which `skep env --env %s` prints, or look at %s.",
                  p->env.slug, p->env.slug, other.slug),
            "It sends from %s with a valid key, but one of environment %s, not of %s.", s->source,
            other.slug, p->env.slug);
    else if (p->refusal_count)
        add(p, "all_refused", p->env.slug, "Follow what the newest refusal says.",
            "Nothing was accepted since the start, but requests were refused.");
    else
        add(p, "nothing_arrived", p->env.slug,
            "Set OTEL_EXPORTER_OTLP_ENDPOINT to this server's address as seen from where the "
            "program runs (a container's localhost is the container), and an OTLP exporter, not "
            "only the console's; `skep env` prints the lines.",
            "No request has reached this environment since the start.");
}

static void find_unnamed(patient *p, const sender *s)
{
    if (strcmp(s->dataset, DATASET_UNKNOWN_SERVICE) == 0)
        add(p, "unknown_service", s->source, "Set OTEL_SERVICE_NAME where it runs.",
            "A program (%s) sends without a service name.",
            s->user_agent[0] ? s->user_agent : "it does not say what it is");
}

static const char *print_span(patient *p, int64_t ns)
{
    int64_t s = (ns < 0 ? -ns : ns) / NS_PER_S;
    if (s < 2 * 60)
        return print(p, "%lld s", (long long)s);
    if (s < 2 * 3600)
        return print(p, "%lld min", (long long)(s / 60));
    return s < 2 * 86400 ? print(p, "%lld h", (long long)(s / 3600))
                         : print(p, "%lld days", (long long)(s / 86400));
}

static void find_clock(patient *p, const sender *s)
{
    if (s->ahead_ns > AHEAD_NS)
        add(p, "clock_off", s->dataset,
            "Set the clock of the machine it runs on (NTP; of a virtual machine, its host's).",
            "Its newest events are %s ahead of this server's clock. Those more than an hour ahead "
            "are kept at their time of arrival.",
            print_span(p, s->ahead_ns));
    else if (s->ahead_ns < -BEHIND_NS)
        add(p, "clock_off", s->dataset,
            "Set the clock of the machine it runs on, unless it sends old events on purpose; "
            "look for them further in the past.",
            "The newest events of its last request are %s behind this server's clock.",
            print_span(p, s->ahead_ns));
}

static void find_twice(patient *p, const sender *s)
{
    if (s->spans_twice >= TWICE_MIN && s->spans_twice * TWICE_SHARE >= s->spans_seen)
        add(p, "spans_twice", s->dataset,
            "Register one span processor with an OTLP exporter: look for two add_span_processor "
            "calls, or for code beside auto-instrumentation that does the same.",
            "Its spans arrive twice: %llu of %llu looked at had come before.",
            (unsigned long long)s->spans_twice, (unsigned long long)s->spans_seen);
}

static void find_page(patient *p, const sender *s, const key_info *keys, uint32_t key_count)
{
    for (uint32_t i = 0; s->origin[0] && i < key_count; i++)
        if (strcmp(keys[i].id, s->key_id) == 0 && keys[i].kind != KEY_BROWSER)
            add(p, "page_with_program_key", s->dataset,
                print(p,
                      "Make a key that only pages of it can use: `skep keys create --kind browser "
                      "--origin %s`.",
                      s->origin),
                "Pages of %s send with \"%s\", which is no browser key: whoever opens the page can "
                "read it.",
                s->origin, keys[i].name);
}

static void find_conflicts(patient *p)
{
    type_conflict *list;
    uint32_t count = intake_type_conflicts(p->s->intake, p->mem, &list);
    for (uint32_t i = 0; i < count; i++)
        if (list[i].environment == p->env.id)
            add(p, "type_conflict", list[i].field,
                "Send one type: convert the value where the attribute is set.",
                "The field came as a number and as text: sums and quantiles leave out text that "
                "is no number.");
}

/* Whether one name becomes the other by at most NEAR_EDITS letters inserted, removed or replaced. */
#define NEAR_EDITS    2u
#define NEAR_NAME_MIN 6u /* shorter names differ by two letters for good reasons */
#define NEAR_NAMES    200u
#define NEAR_FIELDS   1000u

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
static void find_near_names(patient *p)
{
    uint32_t looked_at = p->sender_count < NEAR_NAMES ? p->sender_count : NEAR_NAMES;
    for (uint32_t i = 0; i < looked_at; i++)
        for (uint32_t k = i + 1; k < looked_at; k++) {
            const sender *a = &p->senders[i], *b = &p->senders[k];
            if (!is_mine(p, a) || !is_mine(p, b) || has_digit(a->dataset) ||
                has_digit(b->dataset) || !is_near(a->dataset, b->dataset))
                continue;
            const sender *rare = events_of(a) < events_of(b) ? a : b, *usual = rare == a ? b : a;
            add(p, "near_duplicate_name", rare->dataset,
                "If they are one service, correct OTEL_SERVICE_NAME where this one runs.",
                "Did you mean %s? The two names are nearly the same.", usual->dataset);
        }
}

/* One letter left out, doubled or put in, or two changed about: what fingers do. Names of fields differ by a letter more often
 * than those of services (host and port), so a replaced letter is none, nor one at the end (a plural). */
static bool is_typo(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b), at = 0;
    if (a_len > b_len)
        return is_typo(b, a);
    while (at < a_len && a[at] == b[at])
        at++;
    const char *rest_a = a + at, *rest_b = b + at;
    if (a_len + 1 == b_len)
        return at < a_len && strcmp(rest_a, rest_b + 1) == 0;
    return a_len == b_len && rest_a[0] && rest_a[1] && rest_a[0] == rest_b[1] &&
           rest_a[1] == rest_b[0] && strcmp(rest_a + 2, rest_b + 2) == 0;
}

static void find_near_fields(patient *p)
{
    field_name *list;
    uint32_t count = intake_field_names(p->s->intake, p->env.id, p->mem, &list);
    for (uint32_t i = 0; i < count && i < NEAR_FIELDS; i++)
        for (uint32_t k = i + 1; k < count && k < NEAR_FIELDS; k++) {
            const field_name *a = &list[i], *b = &list[k];
            if (strlen(a->name) < NEAR_NAME_MIN || has_digit(a->name) || has_digit(b->name) ||
                !is_typo(a->name, b->name))
                continue;
            const field_name *rare = a->requests < b->requests ? a : b, *usual = rare == a ? b : a;
            add(p, "near_duplicate_field", rare->name,
                "If they are one field, correct the name where the attribute is set.",
                "Did you mean %s? The names of the two fields are nearly the same.", usual->name);
        }
}

/* ---- what to do first ---- */

/* Programs of one machine look alike until one is let in: who only began to be accepted after the refusal is likely the
 * same, and who still fails comes again soon. */
bool is_healed(const patient *p, const refusal *r)
{
    for (uint32_t i = 0; i < p->sender_count; i++) {
        const sender *s = &p->senders[i];
        int64_t quiet_ns = s->first_ns > r->first_ns ? QUIET_NS : QUIET_OLD_NS;
        if (s->last_ns > r->last_ns && p->now_ns - r->last_ns > quiet_ns &&
            strcmp(s->source, r->source) == 0 && strcmp(s->user_agent, r->user_agent) == 0 &&
            (!r->service[0] || strcmp(s->dataset, r->service) == 0))
            return true;
    }
    return false;
}

static void choose_first(patient *p)
{
    for (uint32_t i = 0; i < p->refusal_count; i++) {
        const refusal *r = &p->refusals[i];
        advice a = advice_for_sender(r);
        if (a.hop == HOP_NONE || is_healed(p, r))
            continue;
        p->first = (finding){r->reason, r->service[0] ? r->service : r->source, r->text, a.text};
        return;
    }
    if (p->finding_count)
        p->first = p->findings[0];
}

void diagnose(patient *p)
{
    err e = {0};
    key_info *keys;
    uint32_t key_count;
    p->findings = ARENA_ARRAY(p->mem, finding, FINDINGS_MAX);
    if (!p->findings)
        return;
    if (meta_key_list(p->s->meta, p->env.id, p->mem, &keys, &key_count, &e) != SK_OK)
        key_count = 0;
    find_nothing(p);
    for (uint32_t i = 0; i < p->sender_count; i++)
        if (is_mine(p, &p->senders[i]))
            find_unnamed(p, &p->senders[i]);
    for (uint32_t i = 0; i < p->sender_count; i++) {
        if (!is_mine(p, &p->senders[i]))
            continue;
        find_clock(p, &p->senders[i]);
        find_twice(p, &p->senders[i]);
        find_page(p, &p->senders[i], keys, key_count);
    }
    find_conflicts(p);
    find_near_names(p);
    find_near_fields(p);
    choose_first(p);
}
