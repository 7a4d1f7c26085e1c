/*
 * cli/setup_text.c: see setup_text.h. Lines are looked at one by one: settings first (NAME=value, NAME: value, with what shells,
 * compose files and Dockerfiles put around them), then what is code or output.
 */
#include "cli/setup_text.h"

#include <stdio.h>

#include "base/port.h"

#define SETTINGS_MAX 256u
#define SERVICES_MAX 64u   /* of a compose file */
#define SERVICE_MIN  4u    /* shorter names are near to anything */
#define SPANS_MAX    1024u /* printed ones that are compared */
#define NAME_MIN     4u
#define NAME_MAX     64u
#define NEAR_EDITS   2u

typedef struct setting {
    uint32_t line;
    span name, value;
    char quote; /* 0: none */
    bool is_list;
} setting;

typedef struct address {
    span scheme, host, port, path;
} address;

typedef struct reader {
    arena *mem;
    setup_report *report;
    span server;
    address here;
    setting *settings;
    span *services;
    uint32_t setting_count, service_count;
    bool is_compose, has_failed;
} reader;

static void add(reader *r, uint32_t line, const char *kind, span text, span fix)
{
    setup_report *to = r->report;
    r->has_failed |= !text.at || !fix.at;
    if (to->count == SETUP_FINDINGS_MAX)
        return;
    uint32_t at = to->count++;
    for (; at > 0 && to->items[at - 1].line > line; at--)
        to->items[at] = to->items[at - 1];
    to->items[at] = (setup_finding){line, kind, text, fix};
}

/* ---- settings ---- */

static bool is_name_byte(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static span skip_word(span s, const char *word)
{
    size_t len = strlen(word);
    return span_starts_with(s, span_text(word)) && s.len > len && s.at[len] == ' '
               ? span_trim(span_from(s, len))
               : s;
}

static span without_comment(span value)
{
    for (size_t i = 1; i < value.len; i++)
        if (value.at[i] == '#' && (value.at[i - 1] == ' ' || value.at[i - 1] == '\t'))
            return span_trim(span_first(value, i));
    return value;
}

static bool parse_setting(span line, setting *ret)
{
    static const char *const words[] = {"export", "set", "ENV", "-e"};
    span rest = skip_word(span_trim(line), "-");
    ret->is_list = rest.at != span_trim(line).at;
    if (rest.len && (rest.at[0] == '"' || rest.at[0] == '\''))
        rest = span_from(rest, 1);
    for (size_t i = 0; i < COUNT_OF(words); i++)
        rest = skip_word(rest, words[i]);
    size_t len = 0;
    while (len < rest.len && is_name_byte(rest.at[len]))
        len++;
    if (len < NAME_MIN || rest.at[0] < 'A')
        return false;
    ret->name = span_first(rest, len);
    rest = span_from(rest, len);
    if (rest.len && (rest.at[0] == '"' || rest.at[0] == '\''))
        rest = span_from(rest, 1);
    rest = span_trim(rest);
    if (!rest.len || (rest.at[0] != '=' && rest.at[0] != ':'))
        return false;
    ret->is_list &= rest.at[0] == '=';
    span value = without_comment(span_trim(span_from(rest, 1)));
    ret->quote = 0;
    if (value.len >= 2 && (value.at[0] == '"' || value.at[0] == '\'') &&
        value.at[value.len - 1] == value.at[0]) {
        ret->quote = (char)value.at[0];
        value = span_of(value.at + 1, value.len - 2);
    }
    ret->value = value;
    return true;
}

/* A service of a compose file: two spaces, its name, a colon, nothing else. */
static span service_in(span line)
{
    span name = span_trim(line);
    if (name.len < 2 || name.at != line.at + 2 || name.at[name.len - 1] != ':' ||
        memchr(name.at, ' ', name.len))
        return (span){0};
    return span_first(name, name.len - 1);
}

static const setting *find_setting(const reader *r, span name)
{
    for (uint32_t i = 0; i < r->setting_count; i++)
        if (span_equal(r->settings[i].name, name))
            return &r->settings[i];
    return NULL;
}

static bool is_set(const reader *r, span name)
{
    const setting *s = find_setting(r, name);
    return s && s->value.len > 0;
}

/* ---- names ---- */

static const char *const known[] = {"OTEL_SERVICE_NAME",
                                    "OTEL_EXPORTER_OTLP_ENDPOINT",
                                    "OTEL_EXPORTER_OTLP_HEADERS",
                                    "OTEL_EXPORTER_OTLP_PROTOCOL",
                                    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
                                    "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
                                    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
                                    "OTEL_EXPORTER_OTLP_INSECURE",
                                    "OTEL_EXPORTER_OTLP_TIMEOUT",
                                    "OTEL_EXPORTER_OTLP_COMPRESSION",
                                    "OTEL_EXPORTER_OTLP_CERTIFICATE",
                                    "OTEL_TRACES_EXPORTER",
                                    "OTEL_LOGS_EXPORTER",
                                    "OTEL_METRICS_EXPORTER",
                                    "OTEL_RESOURCE_ATTRIBUTES",
                                    "OTEL_PROPAGATORS",
                                    "OTEL_TRACES_SAMPLER",
                                    "OTEL_TRACES_SAMPLER_ARG",
                                    "OTEL_SDK_DISABLED",
                                    "OTEL_LOG_LEVEL"};

static uint32_t distance(span a, span b)
{
    uint32_t row[NAME_MAX + 1];
    if (a.len > NAME_MAX || b.len > NAME_MAX)
        return UINT32_MAX;
    for (uint32_t k = 0; k <= b.len; k++)
        row[k] = k;
    for (size_t i = 0; i < a.len; i++) {
        uint32_t before = row[0];
        row[0] = (uint32_t)i + 1;
        for (size_t k = 0; k < b.len; k++) {
            uint32_t changed = before + (a.at[i] != b.at[k]), least = row[k] + 1;
            before = row[k + 1];
            least = before + 1 < least ? before + 1 : least;
            row[k + 1] = changed < least ? changed : least;
        }
    }
    return row[b.len];
}

/* OTEP_…, OTEL_EXPORTR_…: what begins with O and two or three letters. */
static void look_at_name(reader *r, const setting *s)
{
    span rest = s->name, head = span_cut(&rest, '_');
    if (head.at[0] != 'O' || head.len < 3 || head.len > 4 || !rest.at)
        return;
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (span_is(s->name, known[i]))
            return;
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (distance(s->name, span_text(known[i])) <= NEAR_EDITS) {
            add(r, s->line, "wrong_name",
                arena_print(r->mem, "%.*s is not a variable that SDKs read.", SPAN_FMT(s->name)),
                arena_print(r->mem, "Write %s.", known[i]));
            return;
        }
}

/* ---- keys ---- */

static bool is_any_nocase(span s, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (span_equal_nocase(s, span_text(list[i])))
            return true;
    return false;
}

static bool contains_nocase(span s, const char *part)
{
    size_t len = strlen(part);
    for (size_t i = 0; i + len <= s.len; i++)
        if (span_equal_nocase(span_of(s.at + i, len), span_text(part)))
            return true;
    return false;
}

static bool is_all(span s, const char *bytes)
{
    for (size_t i = 0; i < s.len; i++)
        if (!strchr(bytes, s.at[i]))
            return false;
    return s.len >= 3;
}

static bool is_placeholder(span key)
{
    static const char *const whole[] = {"key", "secret", "\xe2\x80\xa6"};
    static const char *const parts[] = {"api_key",     "api-key",  "apikey",    "insert",
                                        "replace",     "changeme", "change_me", "change-me",
                                        "placeholder", "todo"};
    if (key.len && (key.at[0] == '<' || key.at[0] == '[' || key.at[0] == '{'))
        return true;
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        if (contains_nocase(key, parts[i]))
            return true;
    return contains_nocase(span_first(key, 4), "your") || is_all(key, "xX*.") ||
           is_any_nocase(key, whole, COUNT_OF(whole));
}

/* The name behind $ or ${; empty when there is none. */
static span variable_in(span key)
{
    for (size_t i = 0; i + 1 < key.len; i++) {
        if (key.at[i] != '$')
            continue;
        span rest = span_from(key, i + 1);
        if (rest.at[0] == '{')
            rest = span_from(rest, 1);
        size_t len = 0;
        while (len < rest.len &&
               (is_name_byte(rest.at[len]) || (rest.at[len] >= 'a' && rest.at[len] <= 'z')))
            len++;
        if (len)
            return span_first(rest, len);
    }
    return (span){0};
}

static void look_at_key(reader *r, const setting *s, span key)
{
    span variable = variable_in(key);
    key = span_trim(key);
    if (!key.len)
        add(r, s->line, "empty_key", SPAN("The key is empty."),
            SPAN("Put the key behind x-honeycomb-team=; `skep env` prints one."));
    else if (span_contains(key, SPAN("$${")) || (variable.len && s->quote == '\''))
        add(r, s->line, "literal_variable",
            SPAN("The key is the text of a variable, not its value: nothing expands it here."),
            s->quote == '\'' ? SPAN("Use double quotes in the shell, or write the value itself.")
                             : SPAN("Write one $ instead of two."));
    else if (variable.len && !span_contains(key, SPAN(":-")) && !is_set(r, variable))
        add(r, s->line, "literal_variable",
            arena_print(r->mem, "The key is ${%.*s}, which is not set in what was read.",
                        SPAN_FMT(variable)),
            arena_print(r->mem,
                        "Set %.*s in the shell or in the .env file where compose runs, then "
                        "recreate the container; docker compose config shows what it becomes.",
                        SPAN_FMT(variable)));
    else if (!variable.len && is_placeholder(key))
        add(r, s->line, "placeholder_key", SPAN("The key is a placeholder."),
            SPAN("Replace it by a key, which `skep env` prints."));
}

static void look_at_headers(reader *r, const setting *s)
{
    static const char *const wrong[] = {"x-honeycomb-api-key",
                                        "x-honeycomb-apikey",
                                        "x-honeycomb-key",
                                        "x-honeycomb-token",
                                        "x-honeycomb-write-key",
                                        "honeycomb-team",
                                        "honeycomb-apikey",
                                        "honeycomb-api-key",
                                        "x_honeycomb_team",
                                        "x-honeycombteam",
                                        "apikey",
                                        "api-key",
                                        "x-api-key"};
    if (!s->value.len) {
        add(r, s->line, "empty_key", arena_print(r->mem, "%.*s is empty.", SPAN_FMT(s->name)),
            SPAN("Set it to x-honeycomb-team=KEY; `skep env` prints the line."));
        return;
    }
    for (span rest = s->value; rest.at;) {
        span value = span_cut(&rest, ','), name = span_trim(span_cut(&value, '='));
        if (!value.at) {
            if (memchr(name.at, ':', name.len))
                add(r, s->line, "wrong_header",
                    SPAN("Name and value of a header are separated by a colon."),
                    SPAN("Write x-honeycomb-team=KEY, with an equals sign."));
            continue;
        }
        if (name.len && (name.at[0] == '"' || name.at[0] == '\''))
            name = span_from(name, 1);
        bool is_wrong = is_any_nocase(name, wrong, COUNT_OF(wrong));
        if (is_wrong)
            add(r, s->line, "wrong_header",
                arena_print(r->mem, "The header %.*s is not one that carries the key.",
                            SPAN_FMT(name)),
                SPAN("Name it x-honeycomb-team."));
        if (is_wrong || span_equal_nocase(name, SPAN("x-honeycomb-team")))
            look_at_key(r, s, value);
    }
}

/* ---- endpoints ---- */

static bool parse_address(span text, address *ret)
{
    *ret = (address){0};
    size_t at = 0;
    while (at + 3 <= text.len && memcmp(text.at + at, "://", 3) != 0)
        at++;
    ret->scheme = span_first(text, at);
    if (at + 3 > text.len || (!span_is(ret->scheme, "http") && !span_is(ret->scheme, "https")))
        return false;
    span rest = span_from(text, at + 3);
    size_t end = 0;
    while (end < rest.len && rest.at[end] != '/')
        end++;
    span authority = span_first(rest, end);
    ret->path = span_from(rest, end);
    while (ret->path.len && ret->path.at[ret->path.len - 1] == '/')
        ret->path.len--;
    size_t colon = authority.len;
    while (colon > 0 && authority.at[colon - 1] != ':' && authority.at[colon - 1] != ']')
        colon--;
    bool has_port = colon > 0 && authority.at[colon - 1] == ':';
    ret->host = has_port ? span_first(authority, colon - 1) : authority;
    ret->port = has_port ? span_from(authority, colon)
                         : span_text(span_is(ret->scheme, "https") ? "443" : "80");
    return ret->host.len > 0;
}

static bool is_loopback(span host)
{
    return span_is(host, "localhost") || span_is(host, "[::1]") ||
           span_starts_with(host, SPAN("127."));
}

static const char *signal_of(span name)
{
    return span_ends_with(name, SPAN("_TRACES_ENDPOINT"))    ? "traces"
           : span_ends_with(name, SPAN("_LOGS_ENDPOINT"))    ? "logs"
           : span_ends_with(name, SPAN("_METRICS_ENDPOINT")) ? "metrics"
                                                             : NULL;
}

static void look_at_path(reader *r, const setting *s, const address *a)
{
    const char *signal = signal_of(s->name);
    const setting *protocol = find_setting(r, SPAN("OTEL_EXPORTER_OTLP_PROTOCOL"));
    span base = span_first(s->value, (size_t)(a->path.at - s->value.at));
    if (signal) {
        span wanted = arena_print(r->mem, "/v1/%s", signal);
        if (!(protocol && span_is(protocol->value, "grpc")) && !span_ends_with(a->path, wanted))
            add(r, s->line, "wrong_path",
                arena_print(r->mem,
                            "An endpoint of one signal is used exactly as it is, and this one "
                            "lacks %.*s.",
                            SPAN_FMT(wanted)),
                arena_print(r->mem, "Write %.*s%.*s, or use OTEL_EXPORTER_OTLP_ENDPOINT=%.*s.",
                            SPAN_FMT(base), SPAN_FMT(wanted), SPAN_FMT(base)));
        return;
    }
    static const char *const paths[] = {"/v1/traces", "/v1/logs", "/v1/metrics"};
    for (size_t i = 0; i < COUNT_OF(paths); i++)
        if (span_ends_with(a->path, span_text(paths[i])))
            add(r, s->line, "wrong_path",
                SPAN("The common endpoint ends in a signal's path: the SDK appends it once more."),
                arena_print(r->mem, "Write %.*s.", SPAN_FMT(base)));
}

/* A host that is nearly, but not quite, one of the file's services. */
static void look_at_host(reader *r, const setting *s, span host)
{
    span near = {0};
    for (uint32_t i = 0; i < r->service_count; i++) {
        if (span_equal(r->services[i], host))
            return;
        if (!near.len && distance(r->services[i], host) <= NEAR_EDITS)
            near = r->services[i];
    }
    if (r->is_compose && near.len && host.len >= SERVICE_MIN)
        add(r, s->line, "wrong_host",
            arena_print(r->mem, "No service of this file is called %.*s.", SPAN_FMT(host)),
            arena_print(r->mem, "Write %.*s.", SPAN_FMT(near)));
}

static void look_at_endpoint(reader *r, const setting *s)
{
    address a;
    span here = arena_print(r->mem, "Set it to %.*s, as seen from where the program runs.",
                            SPAN_FMT(r->server));
    if (!s->value.len) {
        add(r, s->line, "wrong_endpoint", arena_print(r->mem, "%.*s is empty.", SPAN_FMT(s->name)),
            here);
        return;
    }
    if (memchr(s->value.at, '$', s->value.len))
        return;
    if (!parse_address(s->value, &a)) {
        add(r, s->line, "wrong_endpoint",
            SPAN("The endpoint is no address with http:// or https:// in front."), here);
        return;
    }
    if (span_ends_with(a.host, SPAN("honeycomb.io"))) {
        add(r, s->line, "wrong_endpoint", SPAN("The endpoint is Honeycomb's: the data goes there."),
            here);
        return;
    }
    look_at_path(r, s, &a);
    look_at_host(r, s, a.host);
    if (r->is_compose && is_loopback(a.host))
        add(r, s->line, "container_localhost",
            SPAN("In a container localhost is the container itself."),
            arena_print(r->mem,
                        "Write http://host.docker.internal:%.*s (on Linux with extra_hosts: "
                        "host.docker.internal:host-gateway), or the name of skep's service.",
                        SPAN_FMT(r->here.port)));
    bool is_skep = span_is(a.host, "skep");
    bool is_same = is_loopback(a.host) || is_skep || span_equal(a.host, r->here.host) ||
                   span_is(a.host, "host.docker.internal");
    if (is_same && !span_equal(a.scheme, r->here.scheme))
        add(r, s->line, "wrong_scheme",
            arena_print(r->mem, "The endpoint says %.*s:// and this server speaks %.*s://.",
                        SPAN_FMT(a.scheme), SPAN_FMT(r->here.scheme)),
            here);
    /* a service called skep may well listen on the ports of OTLP besides this one */
    bool is_otlp = is_skep && (span_is(a.port, "4317") || span_is(a.port, "4318"));
    if (is_same && !is_otlp && !span_equal(a.port, r->here.port))
        add(r, s->line, "wrong_port",
            arena_print(r->mem,
                        "The endpoint's port is %.*s; this server answers on %.*s, OTLP over HTTP "
                        "and gRPC alike.",
                        SPAN_FMT(a.port), SPAN_FMT(r->here.port)),
            arena_print(r->mem, "Write port %.*s.", SPAN_FMT(r->here.port)));
}

/* ---- all of one setting ---- */

static void look_at_setting(reader *r, const setting *s)
{
    span name = s->name;
    bool is_otlp = span_starts_with(name, SPAN("OTEL_EXPORTER_OTLP_"));
    look_at_name(r, s);
    if (r->is_compose && s->is_list && s->quote && span_starts_with(name, SPAN("OTEL_")))
        add(r, s->line, "quoted_value",
            SPAN("In a list of a compose file the quotes become a part of the value."),
            arena_print(r->mem, "Write - %.*s=… without quotes.", SPAN_FMT(name)));
    if (is_otlp && span_ends_with(name, SPAN("HEADERS")))
        look_at_headers(r, s);
    if (span_is(name, "HONEYCOMB_API_KEY"))
        look_at_key(r, s, s->value);
    if (is_otlp && span_ends_with(name, SPAN("ENDPOINT")))
        look_at_endpoint(r, s);
    if (span_is(name, "OTEL_TRACES_EXPORTER") &&
        (span_is(s->value, "console") || span_is(s->value, "none") || span_is(s->value, "logging")))
        add(r, s->line, "console_only",
            arena_print(r->mem, "OTEL_TRACES_EXPORTER=%.*s: spans do not leave the program.",
                        SPAN_FMT(s->value)),
            SPAN("Write otlp, or console,otlp for both."));
    if (span_is(name, "OTEL_SDK_DISABLED") && span_is(s->value, "true"))
        add(r, s->line, "disabled", SPAN("The SDK is switched off."), SPAN("Remove the line."));
    if (span_is(name, "OTEL_SERVICE_NAME") && !s->value.len)
        add(r, s->line, "no_service_name",
            SPAN("OTEL_SERVICE_NAME is empty: the data is filed under unknown_service."),
            SPAN("Give the program a name."));
}

static void look_for_service(reader *r)
{
    const setting *first = NULL;
    for (uint32_t i = 0; i < r->setting_count; i++) {
        const setting *s = &r->settings[i];
        if (span_is(s->name, "OTEL_SERVICE_NAME") ||
            (span_is(s->name, "OTEL_RESOURCE_ATTRIBUTES") &&
             span_contains(s->value, SPAN("service.name"))))
            return;
        if (!first && span_starts_with(s->name, SPAN("OTEL_EXPORTER_OTLP_")))
            first = s;
    }
    if (first)
        add(r, first->line, "no_service_name",
            SPAN("No OTEL_SERVICE_NAME: the data is filed under unknown_service."),
            SPAN("Add OTEL_SERVICE_NAME with the program's name."));
}

/* ---- code and its output ---- */

typedef struct code {
    struct {
        uint32_t line;
        span text;
    } processors[SPANS_MAX], spans[SPANS_MAX];
    uint32_t processor_count, span_count;
    uint32_t console_line, output_line; /* the first; 0: none */
    bool has_otlp;
} code;

/* What follows the first of the words; at NULL when none is there. */
static span after(span line, const char *const *words, size_t count)
{
    for (size_t w = 0; w < count; w++) {
        size_t len = strlen(words[w]);
        for (size_t i = 0; i + len <= line.len; i++)
            if (memcmp(line.at + i, words[w], len) == 0)
                return span_from(line, i + len);
    }
    return (span){0};
}

/* 16 hex digits in quotes behind "span_id":. */
static span printed_span(span line)
{
    static const char *const names[] = {"span_id\"", "spanId\""};
    span rest = span_trim(after(line, names, COUNT_OF(names)));
    if (!rest.len || rest.at[0] != ':')
        return (span){0};
    rest = span_trim(span_from(rest, 1));
    if (!rest.len || rest.at[0] != '"')
        return (span){0};
    rest = span_from(rest, 1);
    if (span_starts_with(rest, SPAN("0x")))
        rest = span_from(rest, 2);
    uint64_t id;
    span digits = span_first(rest, 16);
    return digits.len == 16 && span_to_hex64(digits, &id) && rest.len > 16 && rest.at[16] == '"'
               ? digits
               : (span){0};
}

static void look_at_processor(reader *r, code *c, span line, uint32_t number)
{
    static const char *const words[] = {"add_span_processor", "addSpanProcessor",
                                        "AddSpanProcessor", "WithBatcher"};
    span what = span_trim(after(line, words, COUNT_OF(words)));
    if (!what.len || what.at[0] != '(')
        return;
    for (uint32_t i = 0; i < c->processor_count; i++)
        if (span_equal(c->processors[i].text, what)) {
            add(r, number, "processor_twice",
                arena_print(r->mem,
                            "The same span processor was already added on line %u: each span is "
                            "sent twice.",
                            c->processors[i].line),
                SPAN("Remove this line."));
            return;
        }
    if (c->processor_count < SPANS_MAX) {
        c->processors[c->processor_count].line = number;
        c->processors[c->processor_count++].text = what;
    }
}

static void look_at_printed(reader *r, code *c, span line, uint32_t number)
{
    span id = printed_span(line);
    if (!id.len)
        return;
    c->output_line = c->output_line ? c->output_line : number;
    for (uint32_t i = 0; i < c->span_count; i++)
        if (span_equal(c->spans[i].text, id)) {
            add(r, number, "processor_twice",
                arena_print(r->mem,
                            "The span %.*s was printed on line %u already: its processor is "
                            "added twice.",
                            SPAN_FMT(id), c->spans[i].line),
                SPAN("Add the processor once."));
            return;
        }
    if (c->span_count < SPANS_MAX) {
        c->spans[c->span_count].line = number;
        c->spans[c->span_count++].text = id;
    }
}

static void look_at_code(reader *r, span text)
{
    static const char *const console[] = {"ConsoleSpanExporter", "ConsoleExporter"};
    static const char *const otlp[] = {"OTLPSpanExporter", "OTLPTraceExporter", "OTLPExporter",
                                       "otlptrace"};
    uint32_t number = 0;
    code *c = ARENA_NEW(r->mem, code);
    if (!c) {
        r->has_failed = true;
        return;
    }
    *c = (code){0};
    while (text.at) {
        span line = span_trim(span_cut(&text, '\n'));
        number++;
        if (span_starts_with(line, SPAN("#")) || span_starts_with(line, SPAN("//")))
            continue;
        look_at_processor(r, c, line, number);
        look_at_printed(r, c, line, number);
        if (!c->console_line && after(line, console, COUNT_OF(console)).at)
            c->console_line = number;
        c->has_otlp |= after(line, otlp, COUNT_OF(otlp)).at != NULL;
    }
    if (c->has_otlp)
        return;
    if (c->console_line)
        add(r, c->console_line, "console_only",
            SPAN("Only the console exporter is set up: spans are printed and go nowhere."),
            SPAN("Add BatchSpanProcessor(OTLPSpanExporter()) beside it."));
    else if (c->output_line)
        add(r, c->output_line, "console_only",
            SPAN("This is what the console exporter prints: the program makes spans, but they may "
                 "go nowhere else."),
            SPAN("Add an OTLP exporter, or set OTEL_TRACES_EXPORTER=otlp."));
}

bool setup_read(span text, span server, arena *mem, setup_report *ret)
{
    reader r = {.mem = mem,
                .report = ret,
                .server = server,
                .settings = ARENA_ARRAY(mem, setting, SETTINGS_MAX),
                .services = ARENA_ARRAY(mem, span, SERVICES_MAX)};
    uint32_t number = 0;
    *ret = (setup_report){0};
    if (!r.settings || !r.services || !parse_address(server, &r.here))
        return false;
    for (span rest = text; rest.at;) {
        span line = span_cut(&rest, '\n'), trimmed = span_trim(line);
        number++;
        if (r.service_count < SERVICES_MAX && service_in(line).len)
            r.services[r.service_count++] = service_in(line);
        r.is_compose |= span_is(trimmed, "services:") || span_is(trimmed, "environment:");
        if (r.setting_count < SETTINGS_MAX && !span_starts_with(trimmed, SPAN("#")) &&
            parse_setting(line, &r.settings[r.setting_count]))
            r.settings[r.setting_count++].line = number;
    }
    for (uint32_t i = 0; i < r.setting_count; i++)
        look_at_setting(&r, &r.settings[i]);
    look_for_service(&r);
    look_at_code(&r, text);
    return !r.has_failed;
}
