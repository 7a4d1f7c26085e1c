/*
 * cli/command.h: what a command is, and what every command is given. A new command is one file with its row and one line
 * in commands.c.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "base/arena.h"
#include "cli/table.h"
#include "cli/term.h"
#include "outbound/http.h"

typedef enum exit_code {
    EXIT_OK = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_NOTHING = 3, /* nothing matched, with --fail-empty */
    EXIT_AUTH = 4,
    EXIT_UNREACHABLE = 5,
    EXIT_TIMEOUT = 124,
    EXIT_INTERRUPT = 130,
    EXIT_DRY_RUN = -1 /* within: what would be sent was printed instead; the program ends with 0 */
} exit_code;

typedef enum option_kind {
    OPTION_FLAG,     /* bool */
    OPTION_TEXT,     /* const char * */
    OPTION_COUNT,    /* uint64_t */
    OPTION_DURATION, /* int64_t ns: 500ms, 5s, 2m, 1h, 1d */
    OPTION_NUMBER,   /* double */
} option_kind;

typedef struct cli_option {
    const char *name; /* without "--"; NULL ends a table */
    char letter;      /* 0: none */
    option_kind kind;
    size_t
        offset; /* of its field: in struct cli for common options, in the command's own struct for its own */
    const char *
        takes, /* "a|b|c": only these; FILE, DATASET … are what completion offers; else only said */
        *help;
} cli_option;

typedef struct cli cli;

typedef struct command {
    const char *name, *summary;
    const char *usage;         /* after "skep NAME" */
    const char *examples;      /* lines, each ended by \n */
    const char *more;          /* paragraphs below the options; may be NULL */
    const char *word;          /* its first word, as cli_option.takes; may be NULL */
    const cli_option *options; /* its own; may be NULL */
    size_t own_bytes;          /* of its own struct, zeroed before the options fill it */
    bool pages;                /* a result that ends: may go through a pager */
    int (*run)(cli *c, void *own);
} command;

struct cli {
    const command *command;
    arena *mem;
    http_client *http;
    int signal_fd; /* readable after Ctrl-C or SIGTERM */
    uint32_t word_count;
    char **words;             /* what is no option, in order */
    term out, talk;           /* stdout, stderr */
    int64_t deadline_mono_ns; /* 0 = none */

    /* Common options: flag, SKEP_* variable, user's file. */
    const char *url, *key, *key_file, *keys_file, *data_dir, *env, *color, *since, *until;
    uint64_t limit;
    int64_t timeout_ns;
    bool json, plain, quiet, verbose, no_input, no_pager, dry_run, fail_empty, help;

    const char *key_from;    /* where the key was found, for talk; NULL: no key */
    bool key_was_given;      /* by the user, not found in a default place */
    const struct node *ring; /* the keys.json that key came from; NULL: from elsewhere */
};

extern const command command_query, command_trace, command_tail, command_map, command_fields,
    command_status, command_whoami, command_doctor, command_keys, command_environments, command_env,
    command_demo, command_load, command_completion, command_differences, command_user, command_open,
    command_marker;

/* The index-th command; NULL past the end. */
const command *command_at(size_t index);
const command *command_named(const char *name); /* NULL: there is none */
/* Those that are main's, with name and summary only. */
const command *other_command_at(size_t index);
/* One line to stderr, "skep: …"; returns `code`, so that `return cli_fail(c, EXIT_USAGE, "…")` reads in one line. */
int cli_fail(cli *c, int code, const char *format, ...) format_like(3, 4);
/* A remark to stderr unless --quiet. */
void cli_talk(cli *c, const char *format, ...) format_like(2, 3);
/* What went wrong in a layer below: exit code and line. */
int cli_fail_err(cli *c, const err *e);
/* Has Ctrl-C been pressed (or the deadline passed)? */
bool cli_is_interrupted(cli *c);
static inline table_form cli_form(const cli *c) /* of tables: --plain */
{
    return c->plain ? TABLE_PLAIN : TABLE_ALIGNED;
}

#endif
