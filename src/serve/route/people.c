/*
 * serve/route/people.c: people over HTTP. Runs on query workers: a password takes a third of a second. Never: prints a token or
 * a hash, but for a link's token to the administrator who made it.
 */
#include "serve/route/people.h"

#include <stdio.h>

#include "serve/auth.h"
#include "serve/route/common.h"
#include "serve/session.h"

/* ---- bodies ---- */

typedef struct people_body {
    const char *known; /* which members this request takes, for the error: "name, password" */
    span name, password, token, role, current_password, user;
    bool disabled, has_disabled;
} people_body;

static sk_code read_member(void *ctx, span key, json *j, err *e)
{
    people_body *b = ctx;
    const struct {
        const char *name;
        span *field;
    } texts[] = {{"name", &b->name},   {"password", &b->password},
                 {"token", &b->token}, {"role", &b->role},
                 {"user", &b->user},   {"current_password", &b->current_password}};
    span known = span_text(b->known);
    bool is_known = false;
    for (span one; known.at && !is_known;) {
        one = span_trim(span_cut(&known, ','));
        is_known = span_equal(one, key);
    }
    if (!is_known)
        return err_set(e, SK_BAD_INPUT, "unknown key \"%.*s\": known are %s", SPAN_FMT(key),
                       b->known);
    if (span_is(key, "disabled")) {
        if (j->kind != JSON_TRUE && j->kind != JSON_FALSE)
            return err_set(e, SK_BAD_INPUT, "\"disabled\" must be true or false");
        b->disabled = j->kind == JSON_TRUE;
        b->has_disabled = true;
        return SK_OK;
    }
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if (span_is(key, texts[i].name)) {
            if (j->kind != JSON_STRING)
                return err_set(e, SK_BAD_INPUT, "\"%.*s\" must be a string", SPAN_FMT(key));
            *texts[i].field = j->text;
        }
    return SK_OK;
}

static sk_code read_role(span text, user_role *ret, err *e)
{
    if (user_role_of(text, ret))
        return SK_OK;
    return err_set(e, SK_BAD_INPUT,
                   "\"role\" is \"viewer\" (asks), \"editor\" (asks and saves) or \"admin\"");
}

/* Hashing takes memory as a query does. */
static sk_code reserve(const services *s, err *e)
{
    if (!s->memory || memory_reserve(s->memory, MEMORY_QUERY, PASSWORD_BYTES))
        return SK_OK;
    return err_set(e, SK_NO_MEMORY,
                   "the server's memory bound is reached; try again in a moment (--memory-max)");
}

static void release(const services *s)
{
    if (s->memory)
        memory_release(s->memory, MEMORY_QUERY, PASSWORD_BYTES);
}

/* ---- JSON ---- */

static void print_time(json_writer *w, const char *key, int64_t ns)
{
    jw_key_text(w, key);
    if (ns)
        jw_time(w, ns);
    else
        jw_null(w);
}

static void print_pair(json_writer *w, const char *key, const char *text)
{
    jw_key_text(w, key);
    jw_text(w, text);
}

static void print_flag(json_writer *w, const char *key, bool is_set)
{
    jw_key_text(w, key);
    jw_bool(w, is_set);
}

static void print_user(json_writer *w, const user_info *u)
{
    jw_object(w);
    print_pair(w, "name", u->name);
    print_pair(w, "role", user_role_name(u->role));
    print_flag(w, "disabled", u->is_disabled);
    print_flag(w, "has_password", u->has_password);
    print_time(w, "created", u->created_ns);
    print_time(w, "last_login", u->last_login_ns);
    jw_object_end(w);
}

static void print_permissions(json_writer *w, uint32_t permissions)
{
    static const struct {
        const char *name;
        uint32_t bit;
    } names[] = {{"query", MAY_QUERY},
                 {"save", MAY_SAVE},
                 {"configure", MAY_CONFIGURE},
                 {"administer", MAY_ADMINISTER}};
    jw_key_text(w, "permissions");
    jw_array(w);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (permissions & names[i].bit)
            jw_text(w, names[i].name);
    jw_array_end(w);
}

static void print_session(json_writer *w, const session_info *s, const char *own_id)
{
    jw_object(w);
    print_pair(w, "id", s->id);
    print_pair(w, "user", s->user_name);
    print_flag(w, "current", strcmp(s->id, own_id) == 0);
    print_pair(w, "address", s->address);
    print_pair(w, "user_agent", s->agent);
    print_time(w, "created", s->created_ns);
    print_time(w, "last_seen", s->last_seen_ns);
    print_time(w, "ends", s->ends_ns);
    jw_object_end(w);
}

/* ---- logging in and out ---- */

static sk_code check_login(exchange *x, people_body *b, err *e)
{
    sk_code code = session_check_origin(exchange_services(x), x, e);
    if (code == SK_OK && !span_contains(exchange_header(x, "content-type"), SPAN("json")))
        code =
            err_set(e, SK_UNSUPPORTED, "a login is application/json: {name, password} or {token}");
    b->known = "name, password, token";
    if (code == SK_OK)
        code = route_object(x, read_member, b, e);
    if (code == SK_OK && (b->token.at ? b->name.at || b->password.at
                                      : span_trim(b->name).len == 0 || b->password.len == 0))
        code = err_set(e, SK_BAD_INPUT, "a login is \"name\" and \"password\", or \"token\" alone");
    return code;
}

static const char *login_reason(const people_body *b, sk_code code)
{
    return code == SK_THROTTLED   ? "login_throttled"
           : code == SK_FORBIDDEN ? "csrf"
           : b->token.at          ? "wrong_link"
                                  : "wrong_password";
}

void route_login(exchange *take_x)
{
    const services *s = exchange_services(take_x);
    err e = {0};
    people_body b = {0};
    session_info made = {0};
    char token[META_TOKEN_MAX];
    sk_code code = check_login(take_x, &b, &e);
    login_origin from = session_origin(s, take_x);
    if (code == SK_OK && b.token.at) {
        code = meta_link_use(s->meta, b.token, &from, &made, token, &e);
    } else if (code == SK_OK && (code = reserve(s, &e)) == SK_OK) {
        code = meta_login(s->meta, b.name, b.password, &from, &made, token, &e);
        release(s);
    }
    if (code != SK_OK) {
        if (code == SK_THROTTLED || code == SK_FORBIDDEN || code == SK_UNAUTHENTICATED)
            auth_note_refusal(s, take_x, login_reason(&b, code), 0, (span){0}, 1, &e);
        route_fail(take_x, code, &e);
        return;
    }
    char actor[USER_NAME_MAX + 8];
    snprintf(actor, sizeof actor, "user:%s", made.user_name);
    meta_audit(s->meta, actor, b.token.at ? "login.link" : "login", made.address);
    session_set_cookies(s, take_x, token);
    buf out;
    buf_init(&out, 64 * KIB);
    json_writer w = {.out = &out};
    jw_object(&w);
    print_pair(&w, "name", made.user_name);
    print_pair(&w, "role", user_role_name(made.role));
    print_flag(&w, "has_password", made.has_password);
    jw_object_end(&w);
    route_reply(take_x, 200, &out);
}

void route_logout(exchange *take_x)
{
    const services *s = exchange_services(take_x);
    const caller *who = exchange_caller(take_x);
    err e = {0};
    sk_code code = SK_OK;
    if (who->session.user)
        code = meta_session_end(s->meta, span_text(who->session.id), &e);
    if (code != SK_OK && code != SK_NOT_FOUND) {
        route_fail(take_x, code, &e);
        return;
    }
    if (who->session.user)
        meta_audit(s->meta, who->actor, "logout", who->session.id);
    session_clear_cookies(s, take_x);
    exchange_reply(take_x, 204, JSON_TYPE, (span){0});
}

void route_me(exchange *take_x)
{
    const caller *who = exchange_caller(take_x);
    buf out;
    buf_init(&out, 64 * KIB);
    json_writer w = {.out = &out};
    jw_object(&w);
    print_pair(&w, "kind", who->session.user ? "user" : who->key_id[0] ? "key" : "local");
    if (who->session.user) {
        print_pair(&w, "name", who->session.user_name);
        print_pair(&w, "role", user_role_name(who->session.role));
        print_flag(&w, "has_password", who->session.has_password);
        print_pair(&w, "session", who->session.id);
    } else if (who->key_id[0]) {
        print_pair(&w, "key", who->key_id);
    }
    print_permissions(&w, who->permissions);
    jw_object_end(&w);
    exchange_set_header(take_x, "cache-control", SPAN("no-store"));
    route_reply(take_x, 200, &out);
}

void route_my_password(exchange *take_x)
{
    const services *s = exchange_services(take_x);
    const caller *who = exchange_caller(take_x);
    err e = {0};
    people_body b = {.known = "password, current_password"};
    sk_code code = who->session.user
                       ? route_object(take_x, read_member, &b, &e)
                       : err_set(&e, SK_FORBIDDEN, "only someone who is logged in has a password");
    if (code == SK_OK && !b.password.at)
        code = err_set(&e, SK_BAD_INPUT, "\"password\" is missing: the new one");
    if (code == SK_OK && (code = reserve(s, &e)) == SK_OK) {
        code = meta_password_set(s->meta, &who->session, b.current_password, b.password, &e);
        release(s);
    }
    if (code != SK_OK) {
        if (code == SK_FORBIDDEN || code == SK_THROTTLED)
            auth_note_refusal(s, take_x, login_reason(&b, SK_UNAUTHENTICATED), 0, (span){0}, 1, &e);
        route_fail(take_x, code, &e);
        return;
    }
    meta_audit(s->meta, who->actor, "user.password", who->session.user_name);
    exchange_reply(take_x, 204, JSON_TYPE, (span){0});
}

/* ---- sessions ---- */

void route_sessions_list(exchange *take_x)
{
    static const char *const parameters[] = {"all", NULL};
    const caller *who = exchange_caller(take_x);
    err e = {0};
    session_info *list;
    uint32_t count;
    bool is_all = span_is(exchange_query(take_x, "all"), "1");
    sk_code code = route_check_query(take_x, parameters, &e);
    if (code == SK_OK && is_all && !(who->permissions & MAY_ADMINISTER))
        code = err_set(&e, SK_FORBIDDEN, "only an administrator sees the sessions of others");
    if (code == SK_OK && !is_all && !who->session.user)
        code = err_set(&e, SK_BAD_INPUT, "a key has no sessions: say all=1 for everyone's");
    if (code == SK_OK)
        code = meta_session_list(exchange_services(take_x)->meta, is_all ? 0 : who->session.user,
                                 exchange_arena(take_x), &list, &count, &e);
    if (code != SK_OK) {
        route_fail(take_x, code, &e);
        return;
    }
    buf out;
    json_writer w = route_list_begin(&out, "sessions");
    for (uint32_t i = 0; i < count; i++)
        print_session(&w, &list[i], who->session.id);
    route_list_end(take_x, &w);
}

/* One's own, or anyone's for an administrator; of others' not even that they exist is said. */
static sk_code check_session_is_mine(exchange *x, span id, err *e)
{
    const caller *who = exchange_caller(x);
    session_info *list;
    uint32_t count;
    uint32_t user = who->permissions & MAY_ADMINISTER ? 0 : who->session.user;
    sk_code code = SK_OK;
    if (user || (who->permissions & MAY_ADMINISTER)) {
        code = meta_session_list(exchange_services(x)->meta, user, exchange_arena(x), &list, &count,
                                 e);
        for (uint32_t i = 0; code == SK_OK && i < count; i++)
            if (span_is(id, list[i].id))
                return SK_OK;
    }
    return code != SK_OK
               ? code
               : err_set(e, SK_NOT_FOUND, "there is no session %.*s of yours", SPAN_FMT(id));
}

void route_sessions_end(exchange *take_x)
{
    const services *s = exchange_services(take_x);
    err e = {0};
    span id = exchange_param(take_x, "id");
    sk_code code = check_session_is_mine(take_x, id, &e);
    if (code == SK_OK)
        code = meta_session_end(s->meta, id, &e);
    if (code != SK_OK) {
        route_fail(take_x, code, &e);
        return;
    }
    char subject[40];
    snprintf(subject, sizeof subject, "%.*s", (int)(id.len < 32 ? id.len : 32),
             (const char *)id.at);
    meta_audit(s->meta, exchange_caller(take_x)->actor, "session.end", subject);
    exchange_reply(take_x, 204, JSON_TYPE, (span){0});
}

void route_login_links_create(exchange *take_x)
{
    const services *s = exchange_services(take_x);
    err e = {0};
    people_body b = {.known = "user"};
    user_info u = {0};
    char token[META_TOKEN_MAX];
    int64_t ends_ns = 0;
    sk_code code = route_object(take_x, read_member, &b, &e);
    if (code == SK_OK)
        code = meta_link_create(s->meta, b.user, token, &u, &ends_ns, &e);
    if (code != SK_OK) {
        route_fail(take_x, code, &e);
        return;
    }
    buf out;
    meta_audit(s->meta, exchange_caller(take_x)->actor, "link.create", u.name);
    buf_init(&out, 64 * KIB);
    json_writer w = {.out = &out};
    jw_object(&w);
    print_pair(&w, "user", u.name);
    print_pair(&w, "token", token);
    print_time(&w, "ends", ends_ns);
    jw_object_end(&w);
    exchange_set_header(take_x, "cache-control", SPAN("no-store"));
    route_reply(take_x, 201, &out);
}

/* ---- users ---- */

void route_users_list(exchange *take_x)
{
    static const char *const parameters[] = {NULL};
    err e = {0};
    user_info *list;
    uint32_t count;
    sk_code code = route_check_query(take_x, parameters, &e);
    if (code == SK_OK)
        code = meta_user_list(exchange_services(take_x)->meta, exchange_arena(take_x), &list,
                              &count, &e);
    if (code != SK_OK) {
        route_fail(take_x, code, &e);
        return;
    }
    buf out;
    json_writer w = route_list_begin(&out, "users");
    for (uint32_t i = 0; i < count; i++)
        print_user(&w, &list[i]);
    route_list_end(take_x, &w);
}

static void reply_user(exchange *take_x, int status, sk_code code, const user_info *u,
                       const char *action, err *e)
{
    if (code != SK_OK) {
        route_fail(take_x, code, e);
        return;
    }
    buf out;
    meta_audit(exchange_services(take_x)->meta, exchange_caller(take_x)->actor, action, u->name);
    buf_init(&out, 64 * KIB);
    json_writer w = {.out = &out};
    print_user(&w, u);
    route_reply(take_x, status, &out);
}

void route_users_create(exchange *take_x)
{
    const services *s = exchange_services(take_x);
    err e = {0};
    people_body b = {.known = "name, role, password"};
    user_info made = {0};
    user_role role = ROLE_VIEWER;
    sk_code code = route_object(take_x, read_member, &b, &e);
    if (code == SK_OK && b.role.at)
        code = read_role(b.role, &role, &e);
    if (code == SK_OK && (code = reserve(s, &e)) == SK_OK) {
        code = meta_user_create(s->meta, b.name, role, b.password, &made, &e);
        release(s);
    }
    reply_user(take_x, 201, code, &made, "user.create", &e);
}

void route_users_change(exchange *take_x)
{
    const services *s = exchange_services(take_x);
    const caller *who = exchange_caller(take_x);
    err e = {0};
    people_body b = {.known = "role, disabled, password"};
    user_info changed = {0};
    user_change c = {.kept_session = span_text(who->session.id)};
    sk_code code = route_object(take_x, read_member, &b, &e);
    c.sets_role = b.role.at != NULL;
    c.sets_disabled = b.has_disabled;
    c.is_disabled = b.disabled;
    c.password = b.password;
    if (code == SK_OK && c.sets_role)
        code = read_role(b.role, &c.role, &e);
    if (code == SK_OK && (code = reserve(s, &e)) == SK_OK) {
        code = meta_user_change(s->meta, exchange_param(take_x, "name"), &c, &changed, &e);
        release(s);
    }
    reply_user(take_x, 200, code, &changed,
               c.password.at     ? "user.password"
               : c.sets_disabled ? (c.is_disabled ? "user.disable" : "user.enable")
                                 : "user.role",
               &e);
}

void route_users_delete(exchange *take_x)
{
    const services *s = exchange_services(take_x);
    err e = {0};
    span name = exchange_param(take_x, "name");
    sk_code code = meta_user_delete(s->meta, name, &e);
    if (code != SK_OK) {
        route_fail(take_x, code, &e);
        return;
    }
    char subject[USER_NAME_MAX + 1];
    snprintf(subject, sizeof subject, "%.*s", SPAN_FMT(name));
    meta_audit(s->meta, exchange_caller(take_x)->actor, "user.delete", subject);
    exchange_reply(take_x, 204, JSON_TYPE, (span){0});
}
