/*
 * cli/commands.c: the table of commands, their --help, and the frame in which one runs. Called by main for every command
 * that does not open a data directory.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/api.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/pager.h"
#include "query/suggest.h"

#define MEMORY_MAX   (2 * GIB)
#define LEFT_COLUMNS 26 /* of an option in --help */

/* In the order in which a newcomer needs them. */
// clang-format off
static const command *const commands[] = {
    &command_query,  &command_differences,  &command_trace,        &command_tail,   &command_map,
    &command_fields, &command_marker, &command_env,          &command_demo,   &command_load,  &command_doctor, &command_keys,
    &command_status, &command_environments, &command_user, &command_open, &command_whoami, &command_completion,
};
static const command others[] = {
    {.name = "serve", .summary = "the server"},
    {.name = "verify", .summary = "check a stopped server's data directory"},
    {.name = "version", .summary = "print the version"},
    {.name = "help", .summary = "this text, or a command's"},
};
// clang-format on

const command *command_at(size_t index)
{
    return index < COUNT_OF(commands) ? commands[index] : NULL;
}

const command *other_command_at(size_t index)
{
    return index < COUNT_OF(others) ? &others[index] : NULL;
}

const command *command_named(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

/* ---- talk ---- */

int cli_fail(cli *c, int code, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    term_flush(&c->out);
    term_print(&c->talk, "skep: ");
    term_text(&c->talk, span_text(text));
    term_print(&c->talk, "\n");
    term_flush(&c->talk);
    return code;
}

void cli_talk(cli *c, const char *format, ...)
{
    char text[1024];
    if (c->quiet)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    term_flush(&c->out);
    term_color_on(&c->talk, COLOR_DIM);
    term_text(&c->talk, span_text(text));
    term_color_off(&c->talk);
    term_print(&c->talk, "\n");
    term_flush(&c->talk);
}

int cli_fail_err(cli *c, const err *e)
{
    if (e->code == SK_CANCELLED)
        return EXIT_INTERRUPT;
    int code = e->code == SK_TIMEOUT     ? EXIT_TIMEOUT
               : e->code == SK_IO        ? EXIT_UNREACHABLE
               : e->code == SK_BAD_INPUT ? EXIT_USAGE
                                         : EXIT_FAILED;
    return cli_fail(c, code, "%s", e->text);
}

bool cli_is_interrupted(cli *c)
{
    struct pollfd signals = {.fd = c->signal_fd, .events = POLLIN};
    return (c->signal_fd > 0 && poll(&signals, 1, 0) > 0) ||
           (c->deadline_mono_ns && clock_mono_ns() >= c->deadline_mono_ns);
}

/* ---- help ---- */

static void print_options(term *t, const cli_option *options)
{
    for (const cli_option *o = options; o && o->name; o++) {
        char left[80];
        snprintf(left, sizeof left, "%s%c%s --%s%s%s", o->letter ? "-" : " ",
                 o->letter ? o->letter : ' ', o->letter ? "," : " ", o->name, o->takes ? " " : "",
                 o->takes ? o->takes : "");
        term_print(t, strlen(left) > LEFT_COLUMNS ? "  %s\n  %*s %s\n" : "  %s%*s %s\n", left,
                   (int)(strlen(left) > LEFT_COLUMNS ? LEFT_COLUMNS : LEFT_COLUMNS - strlen(left)),
                   "", o->help);
    }
}

static void print_help(term *t, const command *cmd)
{
    term_print(t, "skep %s: %s\n\nExamples\n%s\nUsage\n  skep %s %s\n", cmd->name, cmd->summary,
               cmd->examples, cmd->name, cmd->usage);
    if (cmd->options) {
        term_print(t, "\nOptions of %s\n", cmd->name);
        print_options(t, cmd->options);
    }
    if (cmd->more)
        term_print(t, "\n%s", cmd->more);
    term_print(
        t, "\nOptions of every command (also SKEP_URL, SKEP_ENV … and ~/.config/skep/cli.yaml)\n");
    print_options(t, common_options);
}

static void print_overview(term *t)
{
    term_print(
        t, "skep keeps the traces, logs and metrics of your programs and answers questions about "
           "them.\n\n"
           "Start\n"
           "  skep serve --demo            run the server, with a demo shop to ask about\n"
           "  skep env --shell python      lines to paste before starting your own program\n"
           "  skep query 'COUNT, P90(duration_ms) GROUP BY service.name, name'\n"
           "\nCommands\n");
    term_print(t, "  %-14s %s\n", others[0].name, others[0].summary);
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        term_print(t, "  %-14s %s\n", commands[i]->name, commands[i]->summary);
    for (size_t i = 1; i < COUNT_OF(others); i++)
        term_print(t, "  %-14s %s\n", others[i].name, others[i].summary);
    term_print(t, "\nskep COMMAND --help shows examples and options.\n"
                  "Exit codes: 0 ok, 1 failed, 2 usage, 3 nothing matched (--fail-empty), 4 key,\n"
                  "5 unreachable, 124 timeout, 130 interrupted.\n");
}

/* ---- running ---- */

static const char *command_name_at(size_t index, const void *ctx)
{
    const command *of = command_at(index);
    of = of ? of : other_command_at(index - COUNT_OF(commands));
    return of ? of->name : NULL;
}

static int open_signals(void)
{
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGINT);
    sigaddset(&wanted, SIGTERM);
    sigprocmask(SIG_BLOCK, &wanted, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* `skep`, `skep help [COMMAND]`, an unknown command: no command of the table. */
static int run_other(cli *c, const char *name, int argc, char **argv)
{
    bool wants_help =
        strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0;
    const command *about = wants_help && argc > 2 ? command_named(argv[2]) : NULL;
    if (about) {
        print_help(&c->out, about);
        return EXIT_OK;
    }
    if (wants_help && argc <= 2) {
        print_overview(&c->out);
        return EXIT_OK;
    }
    const char *unknown = wants_help ? argv[2] : name;
    const char *near = suggest_nearest(span_text(unknown), command_name_at, NULL);
    if (near)
        return cli_fail(c, EXIT_USAGE, "there is no command %s; did you mean skep %s?", unknown,
                        near);
    return cli_fail(c, EXIT_USAGE, "there is no command %s; skep help lists them", unknown);
}

static int run_command(cli *c, int argc, char **argv)
{
    void *own = arena_alloc_zero(c->mem, c->command->own_bytes + 1, 16);
    if (!own)
        return cli_fail(c, EXIT_FAILED, "no memory");
    int code = options_parse(c, own, argc - 2, argv + 2);
    if (code)
        return code;
    term_done(&c->out);
    term_done(&c->talk);
    term_init(&c->out, STDOUT_FILENO, c->color);
    term_init(&c->talk, STDERR_FILENO, c->color);
    if (c->help) {
        print_help(&c->out, c->command);
        return EXIT_OK;
    }
    if (c->timeout_ns)
        c->deadline_mono_ns = clock_mono_ns() + c->timeout_ns;
    code = api_prepare(c);
    if (!code && c->command->pages)
        pager_allow(c);
    if (!code)
        code = c->command->run(c, own);
    pager_end(c);
    return code == EXIT_DRY_RUN ? EXIT_OK : code;
}

int cli_main(int argc, char **argv)
{
    cli c = {.mem = arena_new(MEMORY_MAX), .http = http_client_new()};
    const char *name = argc > 1 ? argv[1] : "help";
    term_init(&c.out, STDOUT_FILENO, NULL);
    term_init(&c.talk, STDERR_FILENO, NULL);
    int code;
    c.command = command_named(name);
    if (!c.mem || !c.http) {
        code = cli_fail(&c, EXIT_FAILED, "no memory");
    } else if (!c.command) {
        code = run_other(&c, name, argc, argv);
    } else {
        c.signal_fd = open_signals();
        code = run_command(&c, argc, argv);
    }
    bool is_broken = c.out.text.failed;
    term_done(&c.out);
    term_done(&c.talk);
    if (c.signal_fd > 0)
        close(c.signal_fd);
    http_client_free(c.http);
    arena_free(c.mem);
    return code == EXIT_OK && is_broken ? EXIT_FAILED : code;
}
