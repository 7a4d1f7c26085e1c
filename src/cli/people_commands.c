/*
 * cli/people_commands.c: skep user and skep open: who may log in, and a link that does so once. A password is asked for on the
 * terminal or read from a file or standard input, never taken from the command line, where everyone on the machine sees it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "cli/action.h"
#include "cli/admin.h"
#include "cli/table.h"
#include "outbound/http.h"

#define PASSWORD_BYTES 1024

typedef struct user_own {
    const char *role, *password_file;
    bool yes, no_password;
} user_own;

static const cli_option user_options[] = {
    {"role", 0, OPTION_TEXT, offsetof(user_own, role), "viewer|editor|admin",
     "viewer asks (the default), editor also saves, admin configures"},
    {"password-file", 0, OPTION_TEXT, offsetof(user_own, password_file), "FILE",
     "read the password from it; - is standard input"},
    {"no-password", 0, OPTION_FLAG, offsetof(user_own, no_password), NULL,
     "make the user without one: skep open --user NAME lets in"},
    {"yes", 'y', OPTION_FLAG, offsetof(user_own, yes), NULL, "delete without asking"},
    {NULL, 0, OPTION_FLAG, 0, NULL, NULL}};

/* ---- passwords ---- */

static bool read_line(char out[PASSWORD_BYTES])
{
    if (!fgets(out, PASSWORD_BYTES, stdin))
        return false;
    out[strcspn(out, "\r\n")] = 0;
    return true;
}

static bool ask_hidden(cli *c, const char *question, char out[PASSWORD_BYTES])
{
    struct termios before, hidden;
    bool is_terminal = tcgetattr(STDIN_FILENO, &before) == 0;
    hidden = before;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    term_flush(&c->out);
    term_print(&c->talk, "%s", question);
    term_flush(&c->talk);
    if (is_terminal)
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    bool has_line = read_line(out);
    if (is_terminal)
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    term_print(&c->talk, "\n");
    term_flush(&c->talk);
    return has_line;
}

static int read_password_file(cli *c, const char *path, char out[PASSWORD_BYTES])
{
    uint8_t *bytes;
    size_t len;
    err e;
    if (file_read_all(path, PASSWORD_BYTES - 1, &bytes, &len, &e) != SK_OK)
        return cli_fail_err(c, &e);
    memcpy(out, bytes, len);
    out[len] = 0;
    out[strcspn(out, "\r\n")] = 0;
    base_free(bytes);
    return EXIT_OK;
}

static int get_password(cli *c, const user_own *o, char out[PASSWORD_BYTES])
{
    char again[PASSWORD_BYTES];
    if (o->password_file && strcmp(o->password_file, "-") != 0)
        return read_password_file(c, o->password_file, out);
    if (o->password_file)
        return read_line(out) ? EXIT_OK
                              : cli_fail(c, EXIT_USAGE, "standard input holds no password");
    if (c->no_input || !isatty(STDIN_FILENO))
        return cli_fail(c, EXIT_USAGE,
                        "there is no terminal to ask for the password; --password-file FILE (or -) "
                        "reads it, --no-password makes a user without one");
    if (!ask_hidden(c, "Password (10 bytes or more): ", out) ||
        !ask_hidden(c, "The same again: ", again))
        return cli_fail(c, EXIT_USAGE, "no password was given");
    return strcmp(out, again) == 0 ? EXIT_OK : cli_fail(c, EXIT_USAGE, "the two are not the same");
}

/* ---- skep user ---- */

static int send_user(cli *c, const char *method, const char *name, buf *take_body, span *ret_text,
                     const node **ret)
{
    api_path path;
    api_path_init(&path, "/skep/v1/users");
    if (name)
        api_path_segment(&path, span_text(name));
    int code = api_send(c, method, &path, buf_span(take_body), ret_text, ret);
    buf_done(take_body);
    return code;
}

static int user_list(cli *c, void *own, const char *word)
{
    api_path path;
    span text;
    const node *reply;
    api_path_init(&path, "/skep/v1/users");
    int code = api_get(c, &path, &text, &reply);
    if (code || c->json)
        return code ? code : admin_print_json(c, text);
    table_form form = cli_form(c);
    static const char *const names[] = {"name", "role", "state", "last login"};
    table *t = table_new(c->mem, COUNT_OF(names));
    if (!t)
        return cli_fail(c, EXIT_FAILED, "no memory");
    for (uint32_t i = 0; i < COUNT_OF(names); i++)
        table_column(t, i, span_text(names[i]), false);
    const node *u = node_first(node_get(reply, "users"));
    if (!u)
        cli_talk(c, "nobody has an account yet; skep user add NAME makes one, skep open lets the "
                    "administrator in");
    for (; u; u = u->next) {
        bool is_disabled = node_is_true(node_get(u, "disabled")),
             has_password = node_is_true(node_get(u, "has_password"));
        table_cell(t, node_text(node_get(u, "name")), COLOR_NONE);
        table_cell(t, node_text(node_get(u, "role")), COLOR_NONE);
        table_cell(t,
                   is_disabled    ? SPAN("disabled")
                   : has_password ? SPAN("works")
                                  : SPAN("by link only"),
                   is_disabled ? COLOR_RED : COLOR_NONE);
        table_age(t, node_text(node_get(u, "last_login")), form);
    }
    table_print(t, form, &c->out);
    return EXIT_OK;
}

static int user_add(cli *c, void *own, const char *name)
{
    const user_own *o = own;
    char password[PASSWORD_BYTES];
    span text;
    const node *reply;
    buf body;
    int code = o->no_password ? EXIT_OK : get_password(c, o, password);
    if (code)
        return code;
    buf_init(&body, 64 * KIB);
    json_writer w = {.out = &body};
    jw_object(&w);
    admin_add_member(&w, "name", name);
    admin_add_member(&w, "role", o->role);
    admin_add_member(&w, "password", o->no_password ? NULL : password);
    jw_object_end(&w);
    code = send_user(c, "POST", NULL, &body, &text, &reply);
    if (code || c->json)
        return code ? code : admin_print_json(c, text);
    cli_talk(c, "%s can log in as %.*s%s%s", name, SPAN_FMT(node_text(node_get(reply, "role"))),
             o->no_password ? ": skep open --user " : "", o->no_password ? name : "");
    return EXIT_OK;
}

static int change(cli *c, const char *name, buf *take_body, const char *what)
{
    span text;
    const node *reply;
    int code = send_user(c, "PATCH", name, take_body, &text, &reply);
    if (code || c->json)
        return code ? code : admin_print_json(c, text);
    cli_talk(c, "%s %s", name, what);
    return EXIT_OK;
}

static int user_password(cli *c, void *own, const char *name)
{
    char password[PASSWORD_BYTES];
    buf body;
    int code = get_password(c, own, password);
    if (code)
        return code;
    buf_init(&body, 64 * KIB);
    json_writer w = {.out = &body};
    jw_object(&w);
    admin_add_member(&w, "password", password);
    jw_object_end(&w);
    return change(c, name, &body, "has a new password; sessions with the old one have ended");
}

static int set_disabled(cli *c, const char *name, bool is_disabled)
{
    buf body;
    buf_init(&body, 64 * KIB);
    json_writer w = {.out = &body};
    jw_object(&w);
    jw_key_text(&w, "disabled");
    jw_bool(&w, is_disabled);
    jw_object_end(&w);
    return change(c, name, &body,
                  is_disabled ? "cannot log in any more; all sessions have ended"
                              : "can log in again");
}

static int user_disable(cli *c, void *own, const char *name)
{
    return set_disabled(c, name, true);
}

static int user_enable(cli *c, void *own, const char *name)
{
    return set_disabled(c, name, false);
}

static int user_change(cli *c, void *own, const char *name)
{
    const user_own *o = own;
    buf body;
    if (!o->role)
        return cli_fail(c, EXIT_USAGE, "say what to change: --role viewer|editor|admin");
    buf_init(&body, 64 * KIB);
    json_writer w = {.out = &body};
    jw_object(&w);
    admin_add_member(&w, "role", o->role);
    jw_object_end(&w);
    return change(c, name, &body, "has the new role, at once");
}

static int user_delete(cli *c, void *own, const char *name)
{
    const user_own *o = own;
    char question[160];
    buf none = {0};
    snprintf(question, sizeof question, "Delete user %.64s?", name);
    if (!action_is_agreed(c, o->yes, question))
        return EXIT_USAGE;
    int code = send_user(c, "DELETE", name, &none, NULL, NULL);
    if (!code)
        cli_talk(c, "user %s is gone", name);
    return code;
}

static int run_user(cli *c, void *own)
{
    static const action actions[] = {{"list", 0, NULL, user_list},
                                     {"add", 1, "a name", user_add},
                                     {"password", 1, "a name", user_password},
                                     {"change", 1, "a name", user_change},
                                     {"disable", 1, "a name", user_disable},
                                     {"enable", 1, "a name", user_enable},
                                     {"delete", 1, "a name", user_delete},
                                     {NULL, 0, NULL, NULL}};
    return action_run(c, own, actions);
}

const command command_user = {
    .name = "user",
    .summary = "who may log in: list, add, password, change, disable",
    .usage = "[list | add NAME | password NAME | change NAME | disable NAME | enable NAME | delete "
             "NAME] [OPTIONS]",
    .examples = "  skep user\n"
                "  skep user add ann --role editor\n"
                "  skep user add bob --no-password && skep open --user bob\n"
                "  skep user password ann --password-file - < secret.txt\n"
                "  skep user change ann --role admin\n"
                "  skep user disable ann\n",
    .more = "It takes the full key, which is found in keys.json of a server on this machine.\n",
    .word = "list|add|password|change|disable|enable|delete",
    .options = user_options,
    .own_bytes = sizeof(user_own),
    .run = run_user,
};

/* ---- skep open ---- */

typedef struct open_own {
    const char *user, *address;
    bool print;
} open_own;

static const cli_option open_options[] = {
    {"user", 0, OPTION_TEXT, offsetof(open_own, user), "NAME", "whom it logs in (default: admin)"},
    {"address", 0, OPTION_TEXT, offsetof(open_own, address), "URL",
     "as the browser reaches the server, behind a proxy or a forwarded port"},
    {"print", 0, OPTION_FLAG, offsetof(open_own, print), NULL, "print the link, open nothing"},
    {NULL, 0, OPTION_FLAG, 0, NULL, NULL}};

/* The user's browser, when there is one to see; it lives on without us. */
static void start_browser(const char *url)
{
    const char *x11 = getenv("DISPLAY"), *wayland = getenv("WAYLAND_DISPLAY");
    if ((!x11 || !*x11) && (!wayland || !*wayland))
        return;
    pid_t child = fork();
    if (child != 0)
        return;
    setsid();
    if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
        _exit(126);
    execlp("xdg-open", "xdg-open", url, (char *)NULL);
    _exit(127);
}

static int run_open(cli *c, void *own)
{
    const open_own *o = own;
    const char *page = c->word_count ? c->words[0] : "";
    span text;
    const node *reply;
    api_path path;
    buf body, url;
    if (c->word_count > 1)
        return cli_fail(c, EXIT_USAGE, "skep open takes one page, such as keys or doctor");
    buf_init(&body, 64 * KIB);
    json_writer w = {.out = &body};
    jw_object(&w);
    admin_add_member(&w, "user", o->user);
    jw_object_end(&w);
    api_path_init(&path, "/skep/v1/login-links");
    int code = api_send(c, "POST", &path, buf_span(&body), &text, &reply);
    buf_done(&body);
    if (code || c->json)
        return code ? code : admin_print_json(c, text);
    span base = span_text(o->address ? o->address : c->url);
    while (base.len && base.at[base.len - 1] == '/')
        base.len--;
    buf_init(&url, 64 * KIB);
    buf_add_span(&url, base);
    buf_add_text(&url, "/login");
    if (*page) {
        buf_add_text(&url, "?next=");
        http_encode(&url, span_text(*page == '/' ? page + 1 : page));
    }
    buf_print(&url, "#token=%.*s%c", SPAN_FMT(node_text(node_get(reply, "token"))), 0);
    if (url.failed) {
        buf_done(&url);
        return cli_fail(c, EXIT_FAILED, "no memory");
    }
    cli_talk(c, "logs in as %.*s, once, within 15 minutes:",
             SPAN_FMT(node_text(node_get(reply, "user"))));
    term_text(&c->out, span_first(buf_span(&url), url.len - 1));
    term_print(&c->out, "\n");
    if (!o->print && isatty(STDOUT_FILENO))
        start_browser((const char *)url.at);
    buf_done(&url);
    return EXIT_OK;
}

const command command_open = {
    .name = "open",
    .summary = "a link that logs in once, opened in the browser",
    .usage = "[PAGE] [OPTIONS]",
    .examples = "  skep open\n"
                "  skep open keys\n"
                "  skep open --user ann --print\n"
                "  skep open --address https://skep.example/obs\n",
    .more = "It takes the full key, which is found in keys.json of a server on this machine.\n",
    .word = "query|traces|map|logs|doctor|keys|people|usage|settings",
    .options = open_options,
    .own_bytes = sizeof(open_own),
    .run = run_open,
};
