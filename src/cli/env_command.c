/*
 * cli/env_command.c: skep env: the exact lines that point a program's OpenTelemetry SDK here, with a key made for it. What
 * is to be pasted goes to stdout, what is to be known to stderr, so `eval "$(skep env --shell python)"` works.
 * Never: prints a key that is not freshly made; guesses an address where it cannot know it (it says what to put there).
 */
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/admin.h"
#include "query/suggest.h"

typedef struct env_own {
    bool shell, compose, k8s;
    const char *service, *endpoint;
} env_own;

static const cli_option options[] = {
    {"shell", 0, OPTION_FLAG, offsetof(env_own, shell), NULL, "export lines (the default)"},
    {"compose", 0, OPTION_FLAG, offsetof(env_own, compose), NULL,
     "lines for a service of a compose file"},
    {"k8s", 0, OPTION_FLAG, offsetof(env_own, k8s), NULL, "a Secret, and env of a container"},
    {"service", 0, OPTION_TEXT, offsetof(env_own, service), "NAME",
     "name of the program (default: the current folder's)"},
    {"endpoint", 0, OPTION_TEXT, offsetof(env_own, endpoint), "URL",
     "this server as the program sees it"},
    {NULL, 0, OPTION_FLAG, 0, NULL, NULL}};

typedef struct language {
    const char *name, *also[3];
    const char
        *start; /* comment lines for a shell: how a program is started so that it is traced */
} language;

static const language languages[] = {
    {"python",
     {"py", NULL},
     "# once: pip install opentelemetry-distro opentelemetry-exporter-otlp && "
     "opentelemetry-bootstrap -a install\n"
     "# then: opentelemetry-instrument python app.py\n"},
    {"node",
     {"js", "javascript", "nodejs"},
     "# once: npm install @opentelemetry/api @opentelemetry/auto-instrumentations-node\n"
     "# then: node --require @opentelemetry/auto-instrumentations-node/register app.js\n"},
    {"go",
     {"golang", NULL},
     "# the exporters otlptracehttp, otlploghttp and otlpmetrichttp read these variables by "
     "themselves\n"},
    {"java",
     {"kotlin", "jvm", NULL},
     "# then: java -javaagent:opentelemetry-javaagent.jar -jar app.jar\n"},
    {"ruby",
     {"rb", NULL},
     "# once: bundle add opentelemetry-sdk opentelemetry-exporter-otlp "
     "opentelemetry-instrumentation-all\n"
     "# then: OpenTelemetry::SDK.configure { |c| c.use_all } at the start of the program\n"},
    {"dotnet",
     {"csharp", "net", NULL},
     "# services.AddOpenTelemetry().UseOtlpExporter() reads these variables\n"},
    {"php",
     {NULL},
     "# with the opentelemetry extension also: export OTEL_PHP_AUTOLOAD_ENABLED=true\n"},
    {"rust", {"rs", NULL}, "# opentelemetry-otlp reads these variables by itself\n"},
    {"collector",
     {"otelcol", NULL},
     "# in its configuration: exporters: {otlphttp: {endpoint: "
     "${env:OTEL_EXPORTER_OTLP_ENDPOINT}}}\n"},
};

static const char *language_at(size_t index, const void *ctx)
{
    return index < COUNT_OF(languages) ? languages[index].name : NULL;
}

static const language *find_language(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(languages); i++) {
        if (strcmp(languages[i].name, name) == 0)
            return &languages[i];
        for (size_t k = 0; k < COUNT_OF(languages[i].also) && languages[i].also[k]; k++)
            if (strcmp(languages[i].also[k], name) == 0)
                return &languages[i];
    }
    return NULL;
}

/* A name that needs no quoting anywhere: the folder's, other characters made '-'. */
static span service_name(cli *c, const env_own *o)
{
    char folder[PATH_MAX];
    if (o->service)
        return span_text(o->service);
    const char *slash = getcwd(folder, sizeof folder) ? strrchr(folder, '/') : NULL;
    span name = arena_print(c->mem, "%s", slash && slash[1] ? slash + 1 : "my-service");
    for (size_t i = 0; i < name.len; i++) {
        uint8_t *b = (uint8_t *)(uintptr_t)name.at + i;
        bool is_plain = (*b >= 'a' && *b <= 'z') || (*b >= 'A' && *b <= 'Z') ||
                        (*b >= '0' && *b <= '9') || *b == '-' || *b == '_' || *b == '.';
        if (!is_plain)
            *b = '-';
    }
    return name;
}

/* In a container this machine's loopback is the container's own. */
static span endpoint(cli *c, const env_own *o)
{
    if (o->endpoint)
        return span_text(o->endpoint);
    if (o->k8s && http_url_is_loopback(c->url))
        return SPAN("http://skep.default.svc:8080");
    if (!o->compose || !http_url_is_loopback(c->url))
        return span_text(c->url);
    const char *scheme = strncmp(c->url, "https:", 6) == 0 ? "https" : "http";
    const char *port = strrchr(c->url, ':');
    bool has_port = port && port[1] >= '0' && port[1] <= '9';
    return arena_print(c->mem, "%s://host.docker.internal%s", scheme, has_port ? port : "");
}

static void say_notes(cli *c, const env_own *o, span where)
{
    if (o->endpoint || !http_url_is_loopback(c->url))
        return;
    if (o->compose) {
        cli_talk(
            c,
            "inside a container %.*s is this machine; the server must listen there: skep serve "
            "--listen 0.0.0.0:8080",
            SPAN_FMT(where));
        cli_talk(c, "if skep runs in the same compose file, use --endpoint http://skep:8080");
    }
    if (o->k8s)
        cli_talk(c, "%.*s is a guess: name the server as pods see it with --endpoint",
                 SPAN_FMT(where));
}

/* ---- the forms ---- */

/* Single quotes for a shell: a ' inside is '\''. */
static void shell_quoted(term *t, span text)
{
    buf_add_text(&t->text, "'");
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] == '\'')
            buf_add_text(&t->text, "'\\''");
        else
            buf_add_u8(&t->text, text.at[i]);
    buf_add_text(&t->text, "'");
}

static void yaml_quoted(term *t, span text)
{
    json_writer w = {.out = &t->text};
    jw_string(&w, text); /* JSON strings are YAML strings */
}

static void print_shell(cli *c, const language *l, span service, span where, span key)
{
    const struct {
        const char *name;
        span text;
    } lines[] = {{"OTEL_SERVICE_NAME", service},
                 {"OTEL_EXPORTER_OTLP_ENDPOINT", where},
                 {"OTEL_EXPORTER_OTLP_PROTOCOL", SPAN("http/protobuf")},
                 {"OTEL_EXPORTER_OTLP_HEADERS",
                  arena_print(c->mem, "x-honeycomb-team=%.*s", SPAN_FMT(key))}};
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        term_print(&c->out, "export %s=", lines[i].name);
        shell_quoted(&c->out, lines[i].text);
        term_print(&c->out, "\n");
    }
    term_print(&c->out, "%s", l->start);
}

static void print_compose(cli *c, span service, span where, span key)
{
    term_print(&c->out, "    environment:\n      OTEL_SERVICE_NAME: ");
    yaml_quoted(&c->out, service);
    term_print(&c->out, "\n      OTEL_EXPORTER_OTLP_ENDPOINT: ");
    yaml_quoted(&c->out, where);
    term_print(&c->out, "\n      OTEL_EXPORTER_OTLP_PROTOCOL: \"http/protobuf\"\n"
                        "      OTEL_EXPORTER_OTLP_HEADERS: ");
    yaml_quoted(&c->out, arena_print(c->mem, "x-honeycomb-team=%.*s", SPAN_FMT(key)));
    term_print(&c->out, "\n");
    if (span_contains(where, SPAN("host.docker.internal")))
        term_print(&c->out, "    extra_hosts:\n      - \"host.docker.internal:host-gateway\"\n");
}

static void print_k8s(cli *c, span service, span where, span key)
{
    term_print(&c->out, "apiVersion: v1\nkind: Secret\nmetadata:\n  name: skep\nstringData:\n"
                        "  ingest-key: ");
    yaml_quoted(&c->out, key);
    term_print(&c->out, "\n---\n# below the container of your Deployment:\nenv:\n"
                        "  - name: OTEL_SERVICE_NAME\n    value: ");
    yaml_quoted(&c->out, service);
    term_print(&c->out, "\n  - name: OTEL_EXPORTER_OTLP_ENDPOINT\n    value: ");
    yaml_quoted(&c->out, where);
    term_print(&c->out, "\n  - name: OTEL_EXPORTER_OTLP_PROTOCOL\n    value: \"http/protobuf\"\n"
                        "  - name: SKEP_INGEST_KEY\n    valueFrom:\n      secretKeyRef:\n"
                        "        name: skep\n        key: ingest-key\n"
                        "  - name: OTEL_EXPORTER_OTLP_HEADERS\n"
                        "    value: \"x-honeycomb-team=$(SKEP_INGEST_KEY)\"\n");
}

static void print_json(cli *c, const node *made, span service, span where)
{
    json_writer w = {.out = &c->out.text};
    jw_object(&w);
    jw_key_text(&w, "endpoint");
    jw_string(&w, where);
    jw_key_text(&w, "service");
    jw_string(&w, service);
    jw_key_text(&w, "environment");
    jw_string(&w, node_text(node_get(made, "environment")));
    jw_key_text(&w, "key_id");
    jw_string(&w, node_text(node_get(made, "id")));
    jw_key_text(&w, "key");
    jw_string(&w, node_text(node_get(made, "secret")));
    jw_object_end(&w);
    term_print(&c->out, "\n");
}

static int run(cli *c, void *own)
{
    env_own *o = own;
    const char *asked = c->word_count ? c->words[0] : "python";
    const language *l = find_language(asked);
    if (!l) {
        const char *near = suggest_nearest(span_text(asked), language_at, NULL);
        return cli_fail(c, EXIT_USAGE,
                        "no lines for \"%s\"%s%s; any OpenTelemetry SDK reads the same "
                        "variables, so try python",
                        asked, near ? "; did you mean " : "", near ? near : "");
    }
    if (o->shell + o->compose + o->k8s > 1)
        return cli_fail(c, EXIT_USAGE, "one of --shell, --compose and --k8s");
    span service = service_name(c, o), where = endpoint(c, o), text;
    char day[36];
    const node *made;
    clock_print_rfc3339(clock_wall_ns(), day);
    day[10] = 0;
    span name = arena_print(c->mem, "%.*s, skep env %s %s", SPAN_FMT(service), l->name, day);
    if (!name.at || !where.at)
        return cli_fail(c, EXIT_FAILED, "no memory");
    int code = admin_key_create(c, (const char *)name.at, "ingest", NULL, &text, &made);
    if (code)
        return code;
    span key = node_text(node_get(made, "secret"));
    if (c->json)
        print_json(c, made, service, where);
    else if (o->compose)
        print_compose(c, service, where, key);
    else if (o->k8s)
        print_k8s(c, service, where, key);
    else
        print_shell(c, l, service, where, key);
    cli_talk(c,
             "made ingest key \"%.*s\" (%.*s) of environment %.*s; skep keys revoke takes it back",
             SPAN_FMT(name), SPAN_FMT(node_text(node_get(made, "id"))),
             SPAN_FMT(node_text(node_get(made, "environment"))));
    say_notes(c, o, where);
    return EXIT_OK;
}

const command command_env = {
    .name = "env",
    .summary = "lines to paste so that your program sends here, with a fresh key",
    .usage = "[--shell | --compose | --k8s] LANGUAGE [OPTIONS]",
    .examples = "  eval \"$(skep env --shell python)\"\n"
                "  skep env --compose node --service web --endpoint http://skep:8080\n"
                "  skep env --k8s java --env staging\n",
    .word = "python|node|go|java|ruby|dotnet|php|rust|collector",
    .more = "LANGUAGE: python, node, go, java, ruby, dotnet, php, rust, collector.\n"
            "Each call makes a new, named ingest key; skep keys lists them.\n",
    .options = options,
    .own_bytes = sizeof(env_own),
    .run = run,
};
