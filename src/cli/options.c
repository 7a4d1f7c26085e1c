/*
 * cli/options.c: one table of common options, from which flags, SKEP_* variables, the user's file and --help all come.
 * Called by commands.c before a command runs.
 * The file: $XDG_CONFIG_HOME/skep/cli.yaml (or ~/.config/…), lines of "name: value" with the names below.
 * Never: takes a key from that file (it is not kept secret); takes a common option's value from two places at once.
 */
#include "cli/options.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/file.h"
#include "query/suggest.h"

#define FILE_BYTES_MAX (64 * KIB)
#define COMMON(field)  offsetof(cli, field)

// clang-format off
const cli_option common_options[] = {
    {"url", 0, OPTION_TEXT, COMMON(url), "URL", "the server (default http://127.0.0.1:8080)"},
    {"env", 0, OPTION_TEXT, COMMON(env), "ENVIRONMENT", "the environment (default: the key's own; without a key dev)"},
    {"since", 0, OPTION_TEXT, COMMON(since), "TIME", "from then on: 10m, 2h, 7d ago, RFC 3339 or unix seconds"},
    {"until", 0, OPTION_TEXT, COMMON(until), "TIME", "up to then (default now)"},
    {"limit", 'n', OPTION_COUNT, COMMON(limit), "N", "at most so many rows"},
    {"json", 0, OPTION_FLAG, COMMON(json), NULL, "print the reply's JSON; streams: one object a line"},
    {"plain", 0, OPTION_FLAG, COMMON(plain), NULL, "tables as tabs, nothing cut"},
    {"quiet", 'q', OPTION_FLAG, COMMON(quiet), NULL, "no remarks, only results and errors"},
    {"verbose", 'v', OPTION_FLAG, COMMON(verbose), NULL, "say what is asked of the server"},
    {"fail-empty", 0, OPTION_FLAG, COMMON(fail_empty), NULL, "exit with 3 when nothing matched"},
    {"timeout", 0, OPTION_DURATION, COMMON(timeout_ns), "TIME", "give up after that, with exit code 124"},
    {"color", 0, OPTION_TEXT, COMMON(color), "auto|always|never", "NO_COLOR works too"},
    {"dry-run", 0, OPTION_FLAG, COMMON(dry_run), NULL, "print what would be sent; change and ask nothing"},
    {"no-input", 0, OPTION_FLAG, COMMON(no_input), NULL, "never ask on the terminal"},
    {"no-pager", 0, OPTION_FLAG, COMMON(no_pager), NULL, "long results stay on the terminal (also PAGER=cat)"},
    {"key", 0, OPTION_TEXT, COMMON(key), "KEY", "better in SKEP_KEY: other users can see flags"},
    {"key-file", 0, OPTION_TEXT, COMMON(key_file), "FILE", "file that holds the key"},
    {"keys-file", 0, OPTION_TEXT, COMMON(keys_file), "FILE", "a local server's keys.json"},
    {"data-dir", 0, OPTION_TEXT, COMMON(data_dir), "DIR", "a local server's data directory, for its keys.json"},
    {"help", 'h', OPTION_FLAG, COMMON(help), NULL, "this text"},
    {NULL, 0, OPTION_FLAG, 0, NULL, NULL},
};
// clang-format on

bool options_duration(span text, int64_t *ret_ns)
{
    static const struct {
        const char *unit;
        int64_t ns;
    } units[] = {{"ms", NS_PER_MS},      {"s", NS_PER_S},         {"m", 60 * NS_PER_S},
                 {"h", 3600 * NS_PER_S}, {"d", 86400 * NS_PER_S}, {"w", 604800 * NS_PER_S}};
    size_t digits = 0;
    double count;
    while (digits < text.len &&
           ((text.at[digits] >= '0' && text.at[digits] <= '9') || text.at[digits] == '.'))
        digits++;
    if (!span_to_double(span_first(text, digits), &count))
        return false;
    for (size_t i = 0; i < COUNT_OF(units); i++)
        if (span_is(span_from(text, digits), units[i].unit) &&
            count * (double)units[i].ns < 9.2e18) {
            *ret_ns = (int64_t)(count * (double)units[i].ns);
            return true;
        }
    return false;
}

/* ---- one value ---- */

/* "a|b|c" allows these; what has no | says only what it is. */
static bool is_choice(const char *takes, span text)
{
    bool has_choices = false;
    for (span rest = span_text(takes), one; rest.at;) {
        one = span_cut(&rest, '|');
        has_choices |= rest.at != NULL;
        if (has_choices && span_equal(one, text))
            return true;
    }
    return !has_choices;
}

/* `from` names the place: "--limit", "SKEP_LIMIT", a file's name. */
static int set_option(cli *c, const cli_option *o, void *base, const char *value, const char *from)
{
    void *field = (uint8_t *)base + o->offset;
    span text = span_text(value);
    uint64_t count;
    int64_t ns;
    double number;
    switch (o->kind) {
    case OPTION_FLAG:
        *(bool *)field = !span_is(text, "false") && !span_is(text, "0") && text.len;
        return EXIT_OK;
    case OPTION_TEXT:
        if (!is_choice(o->takes, text))
            return cli_fail(c, EXIT_USAGE, "%s takes %s, not \"%s\"", from, o->takes, value);
        *(const char **)field = value;
        return EXIT_OK;
    case OPTION_COUNT:
        if (!span_to_u64(text, &count))
            return cli_fail(c, EXIT_USAGE, "%s takes a whole number, not \"%s\"", from, value);
        *(uint64_t *)field = count;
        return EXIT_OK;
    case OPTION_DURATION:
        if (!options_duration(text, &ns))
            return cli_fail(c, EXIT_USAGE,
                            "%s takes a time such as 500ms, 5s, 2m or 1h, not \"%s\"", from, value);
        *(int64_t *)field = ns;
        return EXIT_OK;
    case OPTION_NUMBER:
        if (!span_to_double(text, &number))
            return cli_fail(c, EXIT_USAGE, "%s takes a number, not \"%s\"", from, value);
        *(double *)field = number;
        return EXIT_OK;
    }
    return EXIT_OK;
}

/* ---- the file and the variables ---- */

static const char *copy_text(cli *c, span text)
{
    span copy = arena_print(c->mem, "%.*s", (int)text.len, (const char *)text.at);
    return copy.at ? (const char *)copy.at : "";
}

static int read_line(cli *c, span line, const char *path)
{
    line = span_trim(line);
    if (line.len == 0 || line.at[0] == '#')
        return EXIT_OK;
    span value = line, name = span_trim(span_cut(&value, ':'));
    value = span_trim(value.at ? value : SPAN(""));
    if (value.len >= 2 && value.at[0] == '"' && value.at[value.len - 1] == '"')
        value = span_of(value.at + 1, value.len - 2);
    for (const cli_option *o = common_options; o->name; o++)
        if (span_is(name, o->name) && o->offset != COMMON(key) && o->offset != COMMON(help))
            return set_option(c, o, c, copy_text(c, value), path);
    return cli_fail(c, EXIT_USAGE, "%s: there is no setting \"%.*s\"", path, SPAN_FMT(name));
}

static int read_file(cli *c)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    char path[4096];
    uint8_t *bytes = NULL;
    size_t len = 0;
    err e;
    if (config && *config)
        snprintf(path, sizeof path, "%s/skep/cli.yaml", config);
    else if (home && *home)
        snprintf(path, sizeof path, "%s/.config/skep/cli.yaml", home);
    else
        return EXIT_OK;
    if (file_read_all(path, FILE_BYTES_MAX, &bytes, &len, &e) != SK_OK)
        return EXIT_OK; /* most have none */
    int code = EXIT_OK;
    for (span rest = span_of(bytes, len), line; code == EXIT_OK && rest.at;) {
        line = span_cut(&rest, '\n');
        code = read_line(c, line, path);
    }
    base_free(bytes);
    return code;
}

static int read_variables(cli *c)
{
    for (const cli_option *o = common_options; o->name; o++) {
        char name[40] = "SKEP_";
        size_t len = 5;
        for (const char *p = o->name; *p && len + 1 < sizeof name; p++)
            name[len++] = *p == '-' ? '_' : (char)(*p - ('a' - 'A'));
        name[len] = 0;
        const char *value = o->offset == COMMON(help) ? NULL : getenv(name);
        if (!value || !*value)
            continue;
        int code = set_option(c, o, c, value, name);
        if (code)
            return code;
        if (o->offset == COMMON(key)) {
            c->key_from = "SKEP_KEY";
            c->key_was_given = true;
        }
    }
    return EXIT_OK;
}

/* ---- flags ---- */

typedef struct found_option {
    const cli_option *o;
    void *base;
} found_option;

static const cli_option *find_in(const cli_option *options, span name, char letter)
{
    for (const cli_option *o = options; o && o->name; o++)
        if (letter ? o->letter == letter : span_is(name, o->name))
            return o;
    return NULL;
}

/* A command's own letter hides a common one. */
static found_option find_option(cli *c, void *own, span name, char letter)
{
    const cli_option *o = find_in(c->command->options, name, letter);
    return o ? (found_option){o, own} : (found_option){find_in(common_options, name, letter), c};
}

const cli_option *options_find(const command *of, span given)
{
    bool is_long = span_starts_with(given, SPAN("--"));
    char letter = given.len == 2 && given.at[0] == '-' && !is_long ? (char)given.at[1] : 0;
    span name = is_long ? span_from(given, 2) : SPAN("");
    const cli_option *o = find_in(of->options, name, letter);
    return o ? o : find_in(common_options, name, letter);
}

static const char *option_name_at(size_t index, const void *ctx)
{
    const command *of = ctx;
    for (const cli_option *o = common_options; o->name; o++)
        if (index-- == 0)
            return o->name;
    for (const cli_option *o = of->options; o && o->name; o++)
        if (index-- == 0)
            return o->name;
    return NULL;
}

static int unknown_option(cli *c, const char *given, span name)
{
    const char *near = suggest_nearest(name, option_name_at, c->command);
    if (near)
        return cli_fail(c, EXIT_USAGE, "%s knows no option %s; did you mean --%s?",
                        c->command->name, given, near);
    return cli_fail(c, EXIT_USAGE, "%s knows no option %s; skep %s --help lists them",
                    c->command->name, given, c->command->name);
}

static int take_option(cli *c, void *own, int argc, char **argv, int *at)
{
    char *given = argv[*at];
    bool is_long = given[1] == '-';
    span rest = span_text(given + 2), name = is_long ? span_cut(&rest, '=') : SPAN("");
    found_option found = find_option(c, own, name, is_long ? 0 : given[1]);
    if (!found.o || (!is_long && given[2] && found.o->kind == OPTION_FLAG))
        return unknown_option(c, given, is_long ? name : span_text(given + 1));
    const char *value = NULL;
    if (is_long && rest.at)
        value = (const char *)rest.at;
    else if (!is_long && given[2])
        value = given + 2;
    else if (found.o->kind == OPTION_FLAG)
        value = "true";
    else if (*at + 1 < argc)
        value = argv[++*at];
    if (!value)
        return cli_fail(c, EXIT_USAGE, "--%s needs %s", found.o->name, found.o->takes);
    if (found.base == c && found.o->offset == COMMON(key)) {
        c->key_from = "--key";
        c->key_was_given = true;
    }
    char from[48];
    snprintf(from, sizeof from, "--%s", found.o->name);
    return set_option(c, found.o, found.base, value, from);
}

int options_parse(cli *c, void *own, int argc, char **argv)
{
    int code = read_file(c);
    if (!code)
        code = read_variables(c);
    c->words = ARENA_ARRAY(c->mem, char *, (size_t)argc + 1);
    if (!c->words)
        return cli_fail(c, EXIT_FAILED, "no memory");
    bool only_words = false;
    for (int i = 0; !code && i < argc; i++) {
        if (only_words || argv[i][0] != '-' || argv[i][1] == 0)
            c->words[c->word_count++] = argv[i];
        else if (strcmp(argv[i], "--") == 0)
            only_words = true;
        else
            code = take_option(c, own, argc, argv, &i);
    }
    return code;
}
