/*
 * meta/users.c: people: listed, made, changed, deleted, logged in. Called by workers. Never: holds the lock while a password is
 * hashed, or tells by words or time whether a name is known.
 */
#include "meta/people.h"

#include <stdio.h>

#include "base/clock.h"
#include "meta/meta_private.h"

static const struct {
    const char *name;
    uint32_t permissions;
} roles[] = {
    [ROLE_VIEWER] = {"viewer", MAY_QUERY},
    [ROLE_EDITOR] = {"editor", MAY_QUERY | MAY_SAVE},
    [ROLE_ADMIN] = {"admin", MAY_QUERY | MAY_SAVE | MAY_CONFIGURE | MAY_ADMINISTER},
};
_Static_assert(COUNT_OF(roles) == ROLE_COUNT, "every role has a row");

const char *user_role_name(user_role r)
{
    return roles[r].name;
}

uint32_t user_role_permissions(user_role r)
{
    return roles[r].permissions;
}

bool user_role_of(span name, user_role *ret)
{
    for (uint32_t r = 0; r < ROLE_COUNT; r++)
        if (span_is(name, roles[r].name)) {
            *ret = (user_role)r;
            return true;
        }
    return false;
}

/* ---- rows ---- */

#define COLUMNS "id, name, role, created_ns, last_login_ns, disabled_ns, password"

static void read_user(sqlite3_stmt *s, user_info *ret, char *ret_password)
{
    int role = sqlite3_column_int(s, 2);
    *ret = (user_info){.id = (uint32_t)sqlite3_column_int64(s, 0),
                       .role = role >= 0 && role < ROLE_COUNT ? (user_role)role : ROLE_VIEWER,
                       .created_ns = sqlite3_column_int64(s, 3),
                       .last_login_ns = sqlite3_column_int64(s, 4),
                       .is_disabled = sqlite3_column_int64(s, 5) != 0,
                       .has_password = sqlite3_column_bytes(s, 6) > 0};
    meta__column_text(s, 1, ret->name, sizeof ret->name);
    if (ret_password)
        meta__column_text(s, 6, ret_password, PASSWORD_HASH_MAX);
}

sk_code meta__user_find(meta *m, span name, user_info *ret, char *ret_password, err *e)
{
    sqlite3_stmt *s;
    if (name.len > USER_NAME_MAX || !utf8_is_valid(name))
        return err_set(e, SK_NOT_FOUND, "there is no user of that name");
    sk_code code = meta__prepare(m, "SELECT " COLUMNS " FROM users WHERE name = ?1", &s, e);
    if (code != SK_OK)
        return code;
    meta__bind_span(s, 1, name);
    int step = sqlite3_step(s);
    if (step == SQLITE_ROW)
        read_user(s, ret, ret_password);
    else if (step == SQLITE_DONE)
        code = err_set(e, SK_NOT_FOUND, "there is no user \"%.*s\"; `skep user` lists them",
                       SPAN_FMT(name));
    else
        code = meta__error(m, "read", e);
    sqlite3_finalize(s);
    return code;
}

static sk_code count_users(meta *m, const char *sql, uint32_t *ret, err *e)
{
    sqlite3_stmt *s;
    sk_code code = meta__prepare(m, sql, &s, e);
    if (code != SK_OK)
        return code;
    if (sqlite3_step(s) == SQLITE_ROW)
        *ret = (uint32_t)sqlite3_column_int64(s, 0);
    else
        code = meta__error(m, "read", e);
    sqlite3_finalize(s);
    return code;
}

sk_code meta__user_insert(meta *m, span name, user_role role, const char *password, user_info *ret,
                          err *e)
{
    sqlite3_stmt *s;
    uint32_t count = 0;
    sk_code code = count_users(m, "SELECT count(*) FROM users", &count, e);
    if (code == SK_OK && count >= META_USERS_MAX)
        return err_set(e, SK_CONFLICT, "there are %u users, and more are not kept", count);
    if (code == SK_OK)
        code = meta__prepare(m,
                             "INSERT INTO users (name, password, role, created_ns)"
                             " VALUES (?1, ?2, ?3, ?4)",
                             &s, e);
    if (code != SK_OK)
        return code;
    meta__bind_span(s, 1, name);
    meta__bind_text(s, 2, password);
    sqlite3_bind_int(s, 3, (int)role);
    sqlite3_bind_int64(s, 4, clock_wall_ns());
    code = meta__finish(m, s, e);
    if (code == SK_CONFLICT)
        return err_set(e, SK_CONFLICT, "there is a user \"%.*s\" already", SPAN_FMT(name));
    return code == SK_OK ? meta__user_find(m, name, ret, NULL, e) : code;
}

/* Letters, digits and what stands in addresses: a name is typed, and is part of a path. */
static sk_code check_name(span *name, err *e)
{
    *name = span_trim(*name);
    bool is_good = name->len > 0 && name->len <= USER_NAME_MAX;
    for (size_t i = 0; is_good && i < name->len; i++) {
        uint8_t c = name->at[i];
        is_good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  memchr("._-@+", c, 5) != NULL;
    }
    return is_good ? SK_OK
                   : err_set(e, SK_BAD_INPUT, "\"name\" is 1 to %u of a-z, A-Z, 0-9 and . _ - @ +",
                             USER_NAME_MAX);
}

/* ---- listing, making, changing ---- */

sk_code meta_user_list(meta *m, arena *mem, user_info **ret, uint32_t *ret_count, err *e)
{
    sqlite3_stmt *s;
    uint32_t count = 0;
    user_info *list = ARENA_ARRAY(mem, user_info, META_USERS_MAX);
    if (!list)
        return err_set(e, SK_NO_MEMORY, "no memory to list users");
    lock_take(&m->lock);
    sk_code code = meta__prepare(m, "SELECT " COLUMNS " FROM users ORDER BY name", &s, e);
    if (code == SK_OK) {
        int step = SQLITE_DONE;
        while (count < META_USERS_MAX && (step = sqlite3_step(s)) == SQLITE_ROW)
            read_user(s, &list[count++], NULL);
        if (step != SQLITE_DONE && step != SQLITE_ROW)
            code = meta__error(m, "read", e);
        sqlite3_finalize(s);
    }
    lock_drop(&m->lock);
    *ret = list;
    *ret_count = count;
    return code;
}

bool meta_has_people(meta *m)
{
    uint32_t count = 0;
    err ignored;
    lock_take(&m->lock);
    sk_code code =
        count_users(m, "SELECT count(*) FROM users WHERE password <> '' OR last_login_ns > 0",
                    &count, &ignored);
    lock_drop(&m->lock);
    return code != SK_OK || count > 0;
}

sk_code meta_user_create(meta *m, span name, user_role role, span password, user_info *ret, err *e)
{
    char hash[PASSWORD_HASH_MAX] = "";
    sk_code code = check_name(&name, e);
    if (code == SK_OK && password.at)
        code = meta__password_hash(m, password, hash, e);
    if (code != SK_OK)
        return code;
    lock_take(&m->lock);
    code = meta__user_insert(m, name, role, hash, ret, e);
    lock_drop(&m->lock);
    return code;
}

/* Whether someone else may still administer: nobody locks everyone out by a slip. */
static sk_code check_not_last(meta *m, const user_info *u, err *e)
{
    uint32_t count = 0;
    if (u->role != ROLE_ADMIN || u->is_disabled)
        return SK_OK;
    sk_code code =
        count_users(m, "SELECT count(*) FROM users WHERE role = 2 AND disabled_ns = 0", &count, e);
    if (code == SK_OK && count <= 1)
        code = err_set(e, SK_CONFLICT, "\"%s\" is the only administrator: make another one first",
                       u->name);
    return code;
}
_Static_assert(ROLE_ADMIN == 2, "as check_not_last counts");

static sk_code write_change(meta *m, user_info *u, const user_change *c, const char *hash, err *e)
{
    sqlite3_stmt *s;
    bool is_disabled = c->sets_disabled ? c->is_disabled : u->is_disabled;
    user_role role = c->sets_role ? c->role : u->role;
    sk_code code = SK_OK;
    if (is_disabled || role != ROLE_ADMIN)
        code = check_not_last(m, u, e);
    if (code == SK_OK)
        code = meta__prepare(m,
                             "UPDATE users SET role = ?2, disabled_ns = ?3,"
                             " password = iif(?4 = '', password, ?4) WHERE id = ?1",
                             &s, e);
    if (code != SK_OK)
        return code;
    sqlite3_bind_int64(s, 1, u->id);
    sqlite3_bind_int(s, 2, (int)role);
    sqlite3_bind_int64(s, 3, is_disabled ? clock_wall_ns() : 0);
    meta__bind_text(s, 4, hash);
    code = meta__finish(m, s, e);
    if (code == SK_OK && (is_disabled || hash[0]))
        code = meta__end_sessions(m, u->id, is_disabled ? SPAN("") : c->kept_session, e);
    u->role = role;
    u->is_disabled = is_disabled;
    u->has_password |= hash[0] != 0;
    return code;
}

sk_code meta_user_change(meta *m, span name, const user_change *c, user_info *ret, err *e)
{
    char hash[PASSWORD_HASH_MAX] = "";
    sk_code code = SK_OK;
    if (c->password.at)
        code = meta__password_hash(m, c->password, hash, e);
    if (code != SK_OK)
        return code;
    lock_take(&m->lock);
    code = meta__user_find(m, name, ret, NULL, e);
    if (code == SK_OK)
        code = write_change(m, ret, c, hash, e);
    if (code == SK_OK)
        code = meta__reload_sessions(m, e);
    lock_drop(&m->lock);
    return code;
}

sk_code meta_user_delete(meta *m, span name, err *e)
{
    sqlite3_stmt *s;
    user_info u;
    lock_take(&m->lock);
    sk_code code = meta__user_find(m, name, &u, NULL, e);
    if (code == SK_OK)
        code = check_not_last(m, &u, e);
    if (code == SK_OK)
        code = meta__prepare(m, "DELETE FROM users WHERE id = ?1", &s, e);
    if (code == SK_OK) {
        sqlite3_bind_int64(s, 1, u.id);
        code = meta__finish(m, s, e);
    }
    if (code == SK_OK)
        code = meta__reload_sessions(m, e);
    lock_drop(&m->lock);
    return code;
}

sk_code meta_password_set(meta *m, const session_info *who, span current, span password, err *e)
{
    char hash[PASSWORD_HASH_MAX];
    user_info u;
    bool is_right = false;
    lock_take(&m->lock);
    sk_code code = meta__user_find(m, span_text(who->user_name), &u, hash, e);
    lock_drop(&m->lock);
    if (code == SK_OK && u.has_password) {
        code = meta__attempt(m, span_text(u.name), span_text(who->address), clock_wall_ns(), e);
        if (code == SK_OK)
            code = meta__password_check(m, current, hash, &is_right, e);
        if (code == SK_OK && !is_right)
            code = err_set(e, SK_FORBIDDEN, "\"current_password\" is not your password");
        if (code == SK_OK || code == SK_BUSY)
            meta__forgive(m, span_text(u.name), span_text(who->address));
    }
    if (code != SK_OK)
        return code;
    user_change c = {.password = password, .kept_session = span_text(who->id)};
    return meta_user_change(m, span_text(u.name), &c, &u, e);
}

/* ---- logging in ---- */

sk_code meta_login(meta *m, span name, span password, const login_origin *from, session_info *ret,
                   char ret_token[META_TOKEN_MAX], err *e)
{
    char hash[PASSWORD_HASH_MAX] = "";
    user_info u = {0};
    bool is_right = false;
    name = span_trim(name);
    sk_code code = meta__attempt(m, name, from->address, clock_wall_ns(), e);
    if (code != SK_OK)
        return code;
    lock_take(&m->lock);
    sk_code found = meta__user_find(m, name, &u, hash, e);
    lock_drop(&m->lock);
    if (found == SK_OK || found == SK_NOT_FOUND)
        code = meta__password_check(m, password, hash, &is_right, e);
    else
        code = found;
    if (code != SK_OK) { /* it was not looked at: it does not count */
        meta__forgive(m, name, from->address);
        return code;
    }
    if (!is_right || u.is_disabled)
        return err_set(e, SK_UNAUTHENTICATED,
                       "this name and password do not go together, or the "
                       "user is disabled");
    meta__forgive(m, name, from->address);
    lock_take(&m->lock);
    /* Once more: while the password was checked, the user may have been disabled or got a new one. */
    char now[PASSWORD_HASH_MAX];
    code = meta__user_find(m, name, &u, now, e);
    if (code == SK_OK && (u.is_disabled || strcmp(now, hash) != 0))
        code = err_set(e, SK_UNAUTHENTICATED, "the user was changed meanwhile; log in again");
    if (code == SK_OK)
        code = meta__session_insert(m, &u, from, ret, ret_token, e);
    if (code == SK_OK)
        code = meta__reload_sessions(m, e);
    lock_drop(&m->lock);
    return code;
}
