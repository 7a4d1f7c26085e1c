/*
 * meta/sessions.c: who is logged in, and links that log in once. A token passes through here and is never kept: database
 * and memory hold its hash under the server's secret.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "meta/meta_private.h"

#define TOKEN_BYTES  32
#define SEEN_STEP_NS (5 * 60 * NS_PER_S) /* "last seen" is as exact as this */
#define ID_BYTES     8

void meta__random_token(char out[META_TOKEN_MAX])
{
    uint8_t bytes[TOKEN_BYTES];
    randombytes_buf(bytes, sizeof bytes);
    sodium_bin2hex(out, META_TOKEN_MAX, bytes, sizeof bytes);
    sodium_memzero(bytes, sizeof bytes);
}

/* Tokens of one use are no tokens of another: the use is part of what is hashed. */
static void hash_token(meta *m, const char *use, span token, uint8_t ret[META_KEY_HASH_BYTES])
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, m->secret, sizeof m->secret, META_KEY_HASH_BYTES);
    crypto_generichash_update(&state, (const uint8_t *)use, strlen(use) + 1);
    crypto_generichash_update(&state, token.at, token.len < 256 ? token.len : 256);
    crypto_generichash_final(&state, ret, META_KEY_HASH_BYTES);
}

void meta_session_csrf(meta *m, span token, char ret[META_TOKEN_MAX])
{
    uint8_t hash[META_KEY_HASH_BYTES];
    hash_token(m, "csrf", token, hash);
    sodium_bin2hex(ret, META_TOKEN_MAX, hash, sizeof hash);
}

bool meta_session_csrf_check(meta *m, span token, span given)
{
    char wanted[META_TOKEN_MAX];
    meta_session_csrf(m, token, wanted);
    return given.len == META_TOKEN_MAX - 1 && sodium_memcmp(given.at, wanted, given.len) == 0;
}

/* ---- memory ---- */

static int64_t end_of(const session_info *s)
{
    int64_t idle = s->last_seen_ns + SESSION_IDLE_NS, life = s->created_ns + SESSION_LIFE_NS;
    return idle < life ? idle : life;
}

static bool read_session(sqlite3_stmt *s, session_entry *ret)
{
    if (sqlite3_column_bytes(s, 1) != META_KEY_HASH_BYTES)
        return false;
    int role = sqlite3_column_int(s, 8);
    *ret = (session_entry){
        .info = {.user = (uint32_t)sqlite3_column_int64(s, 2),
                 .created_ns = sqlite3_column_int64(s, 3),
                 .last_seen_ns = sqlite3_column_int64(s, 4),
                 .role = role >= 0 && role < ROLE_COUNT ? (user_role)role : ROLE_VIEWER,
                 .has_password = sqlite3_column_int(s, 9) != 0}};
    memcpy(ret->hash, sqlite3_column_blob(s, 1), META_KEY_HASH_BYTES);
    meta__column_text(s, 0, ret->info.id, sizeof ret->info.id);
    meta__column_text(s, 5, ret->info.address, sizeof ret->info.address);
    meta__column_text(s, 6, ret->info.agent, sizeof ret->info.agent);
    meta__column_text(s, 7, ret->info.user_name, sizeof ret->info.user_name);
    ret->info.ends_ns = end_of(&ret->info);
    return true;
}

sk_code meta__reload_sessions(meta *m, err *e)
{
    static const char sql[] =
        "SELECT s.id, s.hash, s.user, s.created_ns, s.last_seen_ns, s.address, s.agent, u.name,"
        " u.role, u.password <> '' FROM sessions s JOIN users u ON u.id = s.user"
        " WHERE u.disabled_ns = 0 ORDER BY s.hash";
    sqlite3_stmt *s;
    session_entry *next = NULL;
    uint32_t count = 0, capacity = 0;
    sk_code code = meta__write_seen(m, e);
    if (code == SK_OK)
        code = meta__prepare(m, sql, &s, e);
    if (code != SK_OK)
        return code;
    int step;
    while (code == SK_OK && (step = sqlite3_step(s)) != SQLITE_DONE) {
        if (step != SQLITE_ROW)
            code = meta__error(m, "read", e);
        else if (!base_reserve(&next, &capacity, count + 1, sizeof *next))
            code = err_set(e, SK_NO_MEMORY, "no memory for sessions");
        else if (read_session(s, &next[count]))
            count++;
    }
    sqlite3_finalize(s);
    if (code == SK_OK) {
        lock_take(&m->cache_lock);
        session_entry *old = m->sessions;
        m->sessions = next;
        m->session_count = count;
        lock_drop(&m->cache_lock);
        next = old;
    }
    base_free(next);
    return code;
}

/* As take_used of cache.c: the database is not touched under cache_lock. */
static stamp *take_seen(meta *m, uint32_t *ret_count)
{
    uint32_t count = 0;
    lock_take(&m->cache_lock);
    for (uint32_t i = 0; i < m->session_count; i++)
        count += m->sessions[i].is_used;
    stamp *list = count ? base_alloc(count * sizeof *list) : NULL;
    *ret_count = list ? count : 0;
    for (uint32_t i = 0, at = 0; list && i < m->session_count; i++) {
        session_entry *s = &m->sessions[i];
        if (!s->is_used)
            continue;
        memcpy(list[at].id, s->info.id, sizeof s->info.id);
        list[at++].at_ns = s->info.last_seen_ns;
        s->is_used = false;
    }
    lock_drop(&m->cache_lock);
    return list;
}

sk_code meta__write_seen(meta *m, err *e)
{
    uint32_t count;
    stamp *list = take_seen(m, &count);
    sk_code code = meta__write_stamps(m, "UPDATE sessions SET last_seen_ns = ?2 WHERE id = ?1",
                                      list, count, e);
    base_free(list);
    return code;
}

static int by_hash(const void *key, const void *item)
{
    return memcmp(key, ((const session_entry *)item)->hash, META_KEY_HASH_BYTES);
}

bool meta_session_check(meta *m, span token, session_info *ret)
{
    uint8_t hash[META_KEY_HASH_BYTES];
    bool is_good = false;
    if (token.len != META_TOKEN_MAX - 1)
        return false;
    hash_token(m, "session", token, hash);
    int64_t now_ns = clock_wall_ns();
    lock_take(&m->cache_lock);
    session_entry *s = m->session_count ? bsearch(hash, m->sessions, m->session_count,
                                                  sizeof *m->sessions, by_hash)
                                        : NULL;
    if (s && end_of(&s->info) > now_ns) {
        if (now_ns - s->info.last_seen_ns > SEEN_STEP_NS) {
            s->info.last_seen_ns = now_ns;
            s->info.ends_ns = end_of(&s->info);
            s->is_used = true;
        }
        *ret = s->info;
        is_good = true;
    }
    lock_drop(&m->cache_lock);
    return is_good;
}

/* ---- making and ending ---- */

/* Room for one more: those that were seen least recently go. */
static sk_code make_room(meta *m, uint32_t user, err *e)
{
    sqlite3_stmt *s;
    sk_code code = meta__write_seen(m, e);
    if (code == SK_OK)
        code = meta__prepare(m,
                             "DELETE FROM sessions WHERE user = ?1 AND id NOT IN (SELECT id FROM"
                             " sessions WHERE user = ?1 ORDER BY last_seen_ns DESC LIMIT ?2)",
                             &s, e);
    if (code != SK_OK)
        return code;
    sqlite3_bind_int64(s, 1, user);
    sqlite3_bind_int(s, 2, META_SESSIONS_MAX - 1);
    return meta__finish(m, s, e);
}

/* Of a sender: cut to fit, and never half a character. */
static void copy_text(char *out, size_t size, span text)
{
    text = span_first(text, size - 1);
    text = span_first(text, utf8_prefix(text));
    if (text.len)
        memcpy(out, text.at, text.len);
    out[text.len] = 0;
}

sk_code meta__session_insert(meta *m, const user_info *u, const login_origin *from,
                             session_info *ret, char ret_token[META_TOKEN_MAX], err *e)
{
    sqlite3_stmt *s;
    uint8_t hash[META_KEY_HASH_BYTES], id[ID_BYTES];
    int64_t now_ns = clock_wall_ns();
    sk_code code = make_room(m, u->id, e);
    if (code == SK_OK)
        code = meta__prepare(m, "UPDATE users SET last_login_ns = ?2 WHERE id = ?1", &s, e);
    if (code == SK_OK) {
        sqlite3_bind_int64(s, 1, u->id);
        sqlite3_bind_int64(s, 2, now_ns);
        code = meta__finish(m, s, e);
    }
    if (code == SK_OK)
        code = meta__prepare(m,
                             "INSERT INTO sessions (id, hash, user, created_ns, last_seen_ns,"
                             " address, agent) VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6)",
                             &s, e);
    if (code != SK_OK)
        return code;
    *ret = (session_info){.user = u->id,
                          .role = u->role,
                          .has_password = u->has_password,
                          .created_ns = now_ns,
                          .last_seen_ns = now_ns};
    ret->ends_ns = end_of(ret);
    memcpy(ret->user_name, u->name, sizeof u->name);
    copy_text(ret->address, sizeof ret->address, from->address);
    copy_text(ret->agent, sizeof ret->agent, from->agent);
    randombytes_buf(id, sizeof id);
    sodium_bin2hex(ret->id, sizeof ret->id, id, sizeof id);
    meta__random_token(ret_token);
    hash_token(m, "session", span_text(ret_token), hash);
    meta__bind_text(s, 1, ret->id);
    sqlite3_bind_blob(s, 2, hash, sizeof hash, SQLITE_TRANSIENT);
    sqlite3_bind_int64(s, 3, u->id);
    sqlite3_bind_int64(s, 4, now_ns);
    meta__bind_text(s, 5, ret->address);
    meta__bind_text(s, 6, ret->agent);
    return meta__finish(m, s, e);
}

sk_code meta__end_sessions(meta *m, uint32_t user, span kept, err *e)
{
    sqlite3_stmt *s;
    sk_code code = meta__prepare(m, "DELETE FROM sessions WHERE user = ?1 AND id <> ?2", &s, e);
    if (code != SK_OK)
        return code;
    sqlite3_bind_int64(s, 1, user);
    sqlite3_bind_text(s, 2, kept.len ? (const char *)kept.at : "", (int)kept.len, SQLITE_TRANSIENT);
    code = meta__finish(m, s, e);
    if (code == SK_OK) /* a link that is under way is as good as a session */
        code = meta__prepare(m, "DELETE FROM links WHERE user = ?1", &s, e);
    if (code != SK_OK)
        return code;
    sqlite3_bind_int64(s, 1, user);
    return meta__finish(m, s, e);
}

sk_code meta_session_end(meta *m, span id, err *e)
{
    sqlite3_stmt *s;
    lock_take(&m->lock);
    sk_code code = meta__prepare(m, "DELETE FROM sessions WHERE id = ?1", &s, e);
    if (code == SK_OK) {
        sqlite3_bind_text(s, 1, id.len ? (const char *)id.at : "", (int)id.len, SQLITE_TRANSIENT);
        code = meta__finish(m, s, e);
    }
    if (code == SK_OK && sqlite3_changes(m->db) == 0)
        code = err_set(e, SK_NOT_FOUND, "there is no session %.*s", SPAN_FMT(id));
    if (code == SK_OK)
        code = meta__reload_sessions(m, e);
    lock_drop(&m->lock);
    return code;
}

static int newest_first(const void *a, const void *b)
{
    const session_info *x = a, *y = b;
    if (x->created_ns != y->created_ns)
        return x->created_ns > y->created_ns ? -1 : 1;
    return strcmp(x->id, y->id);
}

sk_code meta_session_list(meta *m, uint32_t user, arena *mem, session_info **ret,
                          uint32_t *ret_count, err *e)
{
    uint32_t count = 0;
    int64_t now_ns = clock_wall_ns();
    lock_take(&m->cache_lock);
    session_info *list = ARENA_ARRAY(mem, session_info, m->session_count + 1);
    for (uint32_t i = 0; list && i < m->session_count; i++) {
        const session_info *s = &m->sessions[i].info;
        if ((user == 0 || s->user == user) && end_of(s) > now_ns)
            list[count++] = *s;
    }
    lock_drop(&m->cache_lock);
    if (!list)
        return err_set(e, SK_NO_MEMORY, "no memory to list sessions");
    qsort(list, count, sizeof *list, newest_first);
    *ret = list;
    *ret_count = count;
    return SK_OK;
}

/* ---- links ---- */

static sk_code insert_link(meta *m, const user_info *u, const char *token, int64_t ends_ns, err *e)
{
    sqlite3_stmt *s;
    uint8_t hash[META_KEY_HASH_BYTES];
    sk_code code = meta__prepare(m,
                                 "DELETE FROM links WHERE ends_ns <= ?1 OR hash NOT IN"
                                 " (SELECT hash FROM links ORDER BY ends_ns DESC LIMIT ?2)",
                                 &s, e);
    if (code != SK_OK)
        return code;
    sqlite3_bind_int64(s, 1, clock_wall_ns());
    sqlite3_bind_int(s, 2, META_LINKS_MAX - 1);
    code = meta__finish(m, s, e);
    if (code == SK_OK)
        code =
            meta__prepare(m, "INSERT INTO links (hash, user, ends_ns) VALUES (?1, ?2, ?3)", &s, e);
    if (code != SK_OK)
        return code;
    hash_token(m, "link", span_text(token), hash);
    sqlite3_bind_blob(s, 1, hash, sizeof hash, SQLITE_TRANSIENT);
    sqlite3_bind_int64(s, 2, u->id);
    sqlite3_bind_int64(s, 3, ends_ns);
    return meta__finish(m, s, e);
}

sk_code meta_link_create(meta *m, span name, char ret_token[META_TOKEN_MAX], user_info *ret,
                         int64_t *ret_ends_ns, err *e)
{
    meta__random_token(ret_token);
    *ret_ends_ns = clock_wall_ns() + LINK_LIFE_NS;
    lock_take(&m->lock);
    sk_code code = meta__user_find(m, name.len ? name : SPAN(FIRST_USER), ret, NULL, e);
    if (code == SK_NOT_FOUND && name.len == 0)
        code = meta__user_insert(m, SPAN(FIRST_USER), ROLE_ADMIN, "", ret, e);
    if (code == SK_OK && ret->is_disabled)
        code = err_set(e, SK_CONFLICT,
                       "user \"%s\" is disabled: `skep user enable %s` first, or --user another",
                       ret->name, ret->name);
    if (code == SK_OK)
        code = insert_link(m, ret, ret_token, *ret_ends_ns, e);
    lock_drop(&m->lock);
    return code;
}

/* Reading and deleting is one step: of two that come at once, one gets it. */
static sk_code take_link(meta *m, span token, uint32_t *ret_user, err *e)
{
    sqlite3_stmt *s;
    uint8_t hash[META_KEY_HASH_BYTES];
    hash_token(m, "link", token, hash);
    sk_code code =
        meta__prepare(m, "DELETE FROM links WHERE hash = ?1 RETURNING user, ends_ns", &s, e);
    if (code != SK_OK)
        return code;
    sqlite3_bind_blob(s, 1, hash, sizeof hash, SQLITE_TRANSIENT);
    int step = sqlite3_step(s);
    bool is_good = step == SQLITE_ROW && sqlite3_column_int64(s, 1) > clock_wall_ns();
    if (is_good)
        *ret_user = (uint32_t)sqlite3_column_int64(s, 0);
    if (step == SQLITE_ROW)
        step = sqlite3_step(s);
    if (step != SQLITE_DONE)
        code = meta__error(m, "write", e);
    else if (!is_good)
        code = err_set(e, SK_UNAUTHENTICATED,
                       "this link was used already, is older than 15 minutes, or was made by "
                       "another server: `skep open` on the server's machine prints a new one");
    sqlite3_finalize(s);
    return code;
}

static sk_code user_by_id(meta *m, uint32_t id, user_info *ret, err *e)
{
    sqlite3_stmt *s;
    char name[USER_NAME_MAX + 1] = "";
    sk_code code =
        meta__prepare(m, "SELECT name FROM users WHERE id = ?1 AND disabled_ns = 0", &s, e);
    if (code != SK_OK)
        return code;
    sqlite3_bind_int64(s, 1, id);
    if (sqlite3_step(s) == SQLITE_ROW)
        meta__column_text(s, 0, name, sizeof name);
    sqlite3_finalize(s);
    return name[0] ? meta__user_find(m, span_text(name), ret, NULL, e)
                   : err_set(e, SK_UNAUTHENTICATED, "the user of this link is disabled");
}

sk_code meta_link_use(meta *m, span token, const login_origin *from, session_info *ret,
                      char ret_token[META_TOKEN_MAX], err *e)
{
    uint32_t id = 0;
    user_info u;
    sk_code code = meta__attempt(m, (span){0}, from->address, clock_wall_ns(), e);
    if (code != SK_OK)
        return code;
    lock_take(&m->lock);
    code = take_link(m, token, &id, e);
    if (code == SK_OK)
        code = user_by_id(m, id, &u, e);
    if (code == SK_OK)
        code = meta__session_insert(m, &u, from, ret, ret_token, e);
    if (code == SK_OK)
        code = meta__reload_sessions(m, e);
    lock_drop(&m->lock);
    if (code == SK_OK)
        meta__forgive(m, (span){0}, from->address);
    return code;
}

/* ---- housekeeping ---- */

void meta_keep_house(meta *m)
{
    sqlite3_stmt *s;
    err ignored; /* the next time will do */
    lock_take(&m->lock);
    sk_code code = meta__write_seen(m, &ignored);
    bool has_ended = false;
    int64_t now_ns = clock_wall_ns();
    lock_take(&m->cache_lock);
    for (uint32_t i = 0; i < m->session_count; i++)
        has_ended |= end_of(&m->sessions[i].info) <= now_ns;
    lock_drop(&m->cache_lock);
    if (code == SK_OK && has_ended)
        code = meta__prepare(m, "DELETE FROM sessions WHERE last_seen_ns <= ?1 OR created_ns <= ?2",
                             &s, &ignored);
    if (code == SK_OK && has_ended) {
        sqlite3_bind_int64(s, 1, now_ns - SESSION_IDLE_NS);
        sqlite3_bind_int64(s, 2, now_ns - SESSION_LIFE_NS);
        code = meta__finish(m, s, &ignored);
        if (code == SK_OK)
            code = meta__reload_sessions(m, &ignored);
    }
    lock_drop(&m->lock);
    (void)code;
}
