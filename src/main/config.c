/*
 * main/config.c: flags, SKEP_* variables and the YAML file of `skep serve`, from one table.
 * Called by main/serve.c before anything is opened. Never touches the data directory.
 */
#include "main/config.h"

#include <stdlib.h>
#include <yaml.h>

#include "base/alloc.h"
#include "base/file.h"

typedef enum option_kind {
    OPTION_TEXT,
    OPTION_LIST,
    OPTION_SIZE,
    OPTION_DURATION,
    OPTION_FLAG,
    OPTION_CHOICE
} option_kind;

typedef struct option {
    const char *name; /* the flag without "--", the file's key, and SKEP_<NAME> */
    option_kind kind;
    size_t offset;
    const char *choices; /* OPTION_CHOICE: "first|second"; the field is a bool that is true for the
                            second */
    const char *placeholder, *help;
} option;

#define FIELD(name) offsetof(config, name)

// clang-format off
static const option options[] = {
    {"data-dir", OPTION_TEXT, FIELD(data_dir), NULL, "DIR", "where everything is kept (default $XDG_DATA_HOME/skep, else ~/.local/share/skep)"},
    {"listen", OPTION_LIST, FIELD(listen), NULL, "[tcp|tls://]HOST:PORT", "may be given more than once; replaces the defaults 127.0.0.1 and [::1], ports 8080, 4318 and 4317; port 0 picks one"},
    {"tls-cert", OPTION_TEXT, FIELD(tls_cert), NULL, "FILE", "certificate chain (PEM) of the tls listeners"},
    {"tls-key", OPTION_TEXT, FIELD(tls_key), NULL, "FILE", "its private key (PEM)"},
    {"auth", OPTION_CHOICE, FIELD(auth_required), "auto|required", "auto|required", "auto: requests to a loopback listener without a key may ask, and write to dev; required: every request needs a key"},
    {"trusted-proxy", OPTION_LIST, FIELD(trusted_proxies), NULL, "ADDRESS[/BITS]|loopback", "whose X-Forwarded-* headers are believed; may be given more than once"},
    {"durability", OPTION_CHOICE, FIELD(relaxed), "fsync|relaxed", "fsync|relaxed", "fsync: acknowledged means on the disk; relaxed: synced every second"},
    {"memory-max", OPTION_SIZE, FIELD(memory_max_bytes), NULL, "SIZE", "bound on resident memory (default the smaller of 25 % of RAM and 2 GiB)"},
    {"disk-max", OPTION_SIZE, FIELD(disk_max_bytes), NULL, "SIZE", "bound on everything below the data directory; the oldest goes first (default the smaller of 20 GiB and half of what was free at first start)"},
    {"retention", OPTION_DURATION, FIELD(retention_ns), NULL, "AGE", "how long events are kept (default 60d)"},
    {"results-max", OPTION_SIZE, FIELD(results_max_bytes), NULL, "SIZE", "bound on stored results, the answers behind shared links; they never go by themselves (default 256MiB)"},
    {"demo", OPTION_FLAG, FIELD(demo), NULL, NULL, "also run the demo shop, which writes to environment demo only"},
    {"demo-seed", OPTION_TEXT, FIELD(demo_seed), NULL, "N", "also run the demo shop, with the fault that this number plants"},
    {"config", OPTION_TEXT, FIELD(config_file), NULL, "FILE", "YAML file with these options as keys"},
    {"ingest-key", OPTION_TEXT, FIELD(preset_ingest_key), NULL, NULL, NULL}, /* SKEP_INGEST_KEY and the file only */
    {"ingest-key-file", OPTION_TEXT, FIELD(preset_ingest_key_file), NULL, "FILE", "file that holds the ingest key of environment dev"},
    {"quiet", OPTION_FLAG, FIELD(quiet), NULL, NULL, "no log lines but errors"},
};
// clang-format on

bool config_size(span text, uint64_t *ret)
{
    static const struct {
        const char *unit;
        double factor;
    } units[] = {{"", 1},
                 {"b", 1},
                 {"k", 1024},
                 {"kb", 1e3},
                 {"kib", 1024},
                 {"m", 1048576},
                 {"mb", 1e6},
                 {"mib", 1048576},
                 {"g", 1073741824},
                 {"gb", 1e9},
                 {"gib", 1073741824},
                 {"t", 1099511627776.},
                 {"tb", 1e12},
                 {"tib", 1099511627776.}};
    text = span_trim(text);
    size_t digits = 0;
    while (digits < text.len &&
           ((text.at[digits] >= '0' && text.at[digits] <= '9') || text.at[digits] == '.'))
        digits++;
    double number;
    if (!span_to_double(span_first(text, digits), &number))
        return false;
    span unit = span_trim(span_from(text, digits));
    for (size_t i = 0; i < COUNT_OF(units); i++)
        if (span_equal_nocase(unit, span_text(units[i].unit))) {
            *ret = (uint64_t)(number * units[i].factor);
            return true;
        }
    return false;
}

bool config_duration(span text, int64_t *ret)
{
    static const struct {
        const char *unit;
        int64_t s;
    } units[] = {{"s", 1},     {"m", 60},     {"min", 60},    {"h", 3600},
                 {"d", 86400}, {"w", 604800}, {"y", 31536000}};
    int64_t total_s = 0;
    text = span_trim(text);
    if (text.len == 0)
        return false;
    while (text.len) {
        size_t digits = 0, letters = 0;
        while (digits < text.len && text.at[digits] >= '0' && text.at[digits] <= '9')
            digits++;
        while (digits + letters < text.len && text.at[digits + letters] >= 'a' &&
               text.at[digits + letters] <= 'z')
            letters++;
        int64_t number;
        if (digits == 0 || letters == 0 || !span_to_i64(span_first(text, digits), &number))
            return false;
        span unit = span_first(span_from(text, digits), letters);
        size_t i = 0;
        while (i < COUNT_OF(units) && !span_is(unit, units[i].unit))
            i++;
        if (i == COUNT_OF(units) || number > INT32_MAX)
            return false;
        total_s += number * units[i].s;
        text = span_from(text, digits + letters);
    }
    if (total_s > INT64_MAX / NS_PER_S / 2) /* "100y" is for ever as far as a clock in ns can say */
        total_s = INT64_MAX / NS_PER_S / 2;
    *ret = total_s * NS_PER_S;
    return true;
}

static const char *copy_text(arena *mem, span s)
{
    char *out = arena_alloc(mem, s.len + 1, 1);
    if (out) {
        memcpy(out, s.at, s.len);
        out[s.len] = 0;
    }
    return out;
}

static sk_code set_choice(const option *o, span value, void *field, const char *from, err *e)
{
    span second = span_text(o->choices), first = span_cut(&second, '|');
    if (span_equal(value, first) || span_equal(value, second)) {
        *(bool *)field = span_equal(value, second);
        return SK_OK;
    }
    return err_set(e, SK_BAD_INPUT, "%s %s takes %s, not \"%.*s\"", from, o->name, o->choices,
                   SPAN_FMT(value));
}

/* `from` says where the value stands: "option --", "variable SKEP_", "file key". */
static sk_code set_option(config *c, const option *o, span value, arena *mem, const char *from,
                          err *e)
{
    void *field = (char *)c + o->offset;
    switch (o->kind) {
    case OPTION_TEXT: *(const char **)field = copy_text(mem, value); break;
    case OPTION_LIST: {
        config_list *list = field;
        if (list->count == CONFIG_LIST_MAX)
            return err_set(e, SK_BAD_INPUT, "at most %d of %s", CONFIG_LIST_MAX, o->name);
        list->items[list->count++] = copy_text(mem, value);
        break;
    }
    case OPTION_SIZE:
        if (!config_size(value, field) || *(uint64_t *)field == 0)
            return err_set(e, SK_BAD_INPUT,
                           "%s %s takes a size such as 512MiB or 20GiB, not \"%.*s\"", from,
                           o->name, SPAN_FMT(value));
        break;
    case OPTION_DURATION:
        if (!config_duration(value, field) || *(int64_t *)field <= 0)
            return err_set(e, SK_BAD_INPUT,
                           "%s %s takes an age such as 12h, 60d or 1y, not \"%.*s\"", from, o->name,
                           SPAN_FMT(value));
        break;
    case OPTION_FLAG:
        if (!span_is(value, "true") && !span_is(value, "false") && !span_is(value, "1") &&
            !span_is(value, "0"))
            return err_set(e, SK_BAD_INPUT, "%s %s takes true or false, not \"%.*s\"", from,
                           o->name, SPAN_FMT(value));
        *(bool *)field = span_is(value, "true") || span_is(value, "1");
        break;
    case OPTION_CHOICE: return set_choice(o, value, field, from, e);
    }
    return arena_failed(mem) ? err_set(e, SK_NO_MEMORY, "out of memory while reading the options")
                             : SK_OK;
}

static const option *find_option(span name)
{
    for (size_t i = 0; i < COUNT_OF(options); i++)
        if (span_is(name, options[i].name))
            return &options[i];
    return NULL;
}

/* The known name with the smallest edit distance, when it is near enough to be a typo. */
static const char *nearest_option(span name)
{
    const char *best = NULL;
    size_t best_distance = 3;
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        span other = span_text(options[i].name);
        size_t row[40], previous;
        if (other.len >= COUNT_OF(row) || name.len >= COUNT_OF(row))
            continue;
        for (size_t k = 0; k <= other.len; k++)
            row[k] = k;
        for (size_t j = 1; j <= name.len; j++) {
            previous = row[0];
            row[0] = j;
            for (size_t k = 1; k <= other.len; k++) {
                size_t cost = previous + (name.at[j - 1] != other.at[k - 1]);
                previous = row[k];
                size_t step = (row[k] < row[k - 1] ? row[k] : row[k - 1]) + 1;
                row[k] = cost < step ? cost : step;
            }
        }
        if (row[other.len] < best_distance) {
            best_distance = row[other.len];
            best = options[i].name;
        }
    }
    return best;
}

static sk_code unknown_option(span name, const char *from, err *e)
{
    const char *near = nearest_option(name);
    return err_set(e, SK_BAD_INPUT, "%s %.*s is not known%s%s", from, SPAN_FMT(name),
                   near ? "; did you mean " : "", near ? near : "");
}

/* One pass over the parser's events; the file is a flat map of scalars, `listen` may be a list. */
static sk_code read_yaml(config *c, yaml_parser_t *parser, arena *mem, err *e)
{
    const option *key = NULL;
    bool in_list = false, has_key = false;
    sk_code code = SK_OK;
    for (bool is_done = false; !is_done && code == SK_OK;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event))
            return err_set(e, SK_BAD_INPUT, "line %zu: %s", parser->problem_mark.line + 1,
                           parser->problem ? parser->problem : "not YAML");
        span text = event.type == YAML_SCALAR_EVENT
                        ? span_of(event.data.scalar.value, event.data.scalar.length)
                        : SPAN("");
        if (event.type == YAML_STREAM_END_EVENT) {
            is_done = true;
        } else if (event.type == YAML_ALIAS_EVENT) {
            code = err_set(e, SK_BAD_INPUT, "line %zu: aliases are not taken",
                           event.start_mark.line + 1);
        } else if (event.type == YAML_SCALAR_EVENT && !has_key) {
            key = find_option(text);
            has_key = true;
            if (!key)
                code = unknown_option(text, "file key", e);
        } else if (event.type == YAML_SCALAR_EVENT) {
            code = set_option(c, key, text, mem, "file key", e);
            has_key = in_list;
        } else if (event.type == YAML_SEQUENCE_START_EVENT && has_key && key->kind == OPTION_LIST) {
            in_list = true;
        } else if (event.type == YAML_SEQUENCE_END_EVENT) {
            in_list = has_key = false;
        } else if (event.type == YAML_SEQUENCE_START_EVENT ||
                   (event.type == YAML_MAPPING_START_EVENT && has_key)) {
            code = err_set(e, SK_BAD_INPUT, "line %zu: a plain value is expected",
                           event.start_mark.line + 1);
        }
        yaml_event_delete(&event);
    }
    return code;
}

static sk_code read_file(config *c, const char *path, arena *mem, err *e)
{
    uint8_t *bytes;
    size_t len;
    yaml_parser_t parser;
    sk_code code = file_read_all(path, 64 * KIB, &bytes, &len, e);
    if (code != SK_OK)
        return code;
    if (!yaml_parser_initialize(&parser)) {
        base_free(bytes);
        return err_set(e, SK_NO_MEMORY, "out of memory while reading %s", path);
    }
    yaml_parser_set_input_string(&parser, bytes, len);
    code = read_yaml(c, &parser, mem, e);
    if (code != SK_OK && e)
        err_prefix(e, "%s", path);
    yaml_parser_delete(&parser);
    base_free(bytes);
    return code;
}

static config_list *list_of(config *c, const option *o)
{
    return (config_list *)(void *)((char *)c + o->offset);
}

static sk_code read_variables(config *c, arena *mem, err *e)
{
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        const option *o = &options[i];
        char name[64];
        snprintf(name, sizeof name, "SKEP_%s", o->name);
        for (char *at = name + 5; *at; at++)
            *at = *at == '-' ? '_' : (char)(*at - 32 * (*at >= 'a' && *at <= 'z'));
        const char *value = getenv(name);
        if (!value || !*value)
            continue;
        if (o->kind != OPTION_LIST) {
            sk_code code = set_option(c, o, span_text(value), mem, "variable SKEP_", e);
            if (code != SK_OK)
                return code;
            continue;
        }
        list_of(c, o)->count = 0; /* a variable replaces the file's list */
        for (span rest = span_text(value), one; rest.at;) {
            one = span_trim(span_cut(&rest, ','));
            sk_code code = one.len ? set_option(c, o, one, mem, "variable SKEP_", e) : SK_OK;
            if (code != SK_OK)
                return code;
        }
    }
    return SK_OK;
}

static sk_code read_flags(config *c, int argc, char **argv, arena *mem, err *e)
{
    bool has_list[COUNT_OF(options)] = {false};
    for (int i = 1; i < argc; i++) {
        span rest = span_text(argv[i]);
        if (!span_starts_with(rest, SPAN("--")))
            return err_set(e, SK_BAD_INPUT, "unexpected \"%s\"; options begin with --", argv[i]);
        rest = span_from(rest, 2);
        span name = span_cut(&rest, '=');
        const option *o = find_option(name);
        if (!o || !o->help)
            return unknown_option(name, "option", e);
        span value = SPAN("true");
        if (rest.at)
            value = rest;
        else if (o->kind != OPTION_FLAG) {
            if (++i == argc)
                return err_set(e, SK_BAD_INPUT, "option --%s needs a value: %s", o->name,
                               o->placeholder);
            value = span_text(argv[i]);
        }
        if (o->kind == OPTION_LIST && !has_list[o - options]) {
            list_of(c, o)->count = 0; /* flags replace what variables and file said */
            has_list[o - options] = true;
        }
        sk_code code = set_option(c, o, value, mem, "option --", e);
        if (code != SK_OK)
            return code;
    }
    return SK_OK;
}

static sk_code default_data_dir(config *c, arena *mem, err *e)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    span dir = data && *data   ? arena_print(mem, "%s/skep", data)
               : home && *home ? arena_print(mem, "%s/.local/share/skep", home)
                               : SPAN("");
    if (dir.len == 0)
        return err_set(e, SK_BAD_INPUT,
                       "no home directory is known; say where to keep data with --data-dir");
    c->data_dir = copy_text(mem, dir);
    return SK_OK;
}

/* The file's name may itself come from a flag or variable, so those are read before it for their
 * `config` and after it for the rest: later ones win. */
sk_code config_parse(int argc, char **argv, arena *mem, config *ret, err *e)
{
    config first = {0}, c = {.retention_ns = 60 * 86400 * NS_PER_S};
    sk_code code = read_variables(&first, mem, e);
    if (code == SK_OK)
        code = read_flags(&first, argc, argv, mem, e);
    if (code == SK_OK && first.config_file)
        code = read_file(&c, first.config_file, mem, e);
    if (code == SK_OK)
        code = read_variables(&c, mem, e);
    if (code == SK_OK)
        code = read_flags(&c, argc, argv, mem, e);
    if (code == SK_OK && !c.data_dir)
        code = default_data_dir(&c, mem, e);
    if (code == SK_OK && !c.tls_cert != !c.tls_key)
        code = err_set(e, SK_BAD_INPUT, "--tls-cert and --tls-key go together");
    uint64_t seed;
    if (code == SK_OK && c.demo_seed && !span_to_u64(span_text(c.demo_seed), &seed))
        code =
            err_set(e, SK_BAD_INPUT, "--demo-seed takes a whole number, not \"%s\"", c.demo_seed);
    c.demo = c.demo || c.demo_seed;
    if (code == SK_OK)
        *ret = c;
    return code;
}

void config_help(buf *out)
{
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        const option *o = &options[i];
        if (o->help)
            buf_print(out, "  --%s%s%s\n        %s\n", o->name, o->placeholder ? " " : "",
                      o->placeholder ? o->placeholder : "", o->help);
    }
}
