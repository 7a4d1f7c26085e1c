/*
 * meta/environments.c: the units of isolation: found by slug or id from memory, made and deleted in the database.
 */
#include "base/clock.h"
#include "meta/meta_private.h"

#define DEV_SLUG "dev"

size_t meta_slug(span name, char out[META_SLUG_MAX])
{
    size_t len = name.len < META_SLUG_MAX - 1 ? name.len : META_SLUG_MAX - 1;
    for (size_t i = 0; i < len; i++) {
        char c = (char)name.at[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        bool is_kept = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '~' ||
                       c == '.' || c == '-';
        out[i] = is_kept ? c : '-';
    }
    out[len] = 0;
    return len;
}

bool meta_environment(meta *m, span slug, environment *ret)
{
    bool is_found = false;
    lock_take(&m->cache_lock);
    for (uint32_t i = 0; i < m->cache.environment_count && !is_found; i++)
        if (span_is(slug, m->cache.environments[i].slug)) {
            *ret = m->cache.environments[i];
            is_found = true;
        }
    lock_drop(&m->cache_lock);
    return is_found;
}

bool meta_environment_by_id(meta *m, uint32_t id, environment *ret)
{
    lock_take(&m->cache_lock);
    const environment *env = meta__cached_environment(&m->cache, id);
    if (env)
        *ret = *env;
    lock_drop(&m->cache_lock);
    return env != NULL;
}

sk_code meta_environment_list(meta *m, arena *mem, environment **ret, uint32_t *ret_count, err *e)
{
    lock_take(&m->cache_lock);
    uint32_t count = m->cache.environment_count;
    environment *list = ARENA_ARRAY(mem, environment, count + 1);
    if (list && count)
        memcpy(list, m->cache.environments, count * sizeof *list);
    lock_drop(&m->cache_lock);
    if (!list)
        return err_set(e, SK_NO_MEMORY, "no memory to list environments");
    *ret = list;
    *ret_count = count;
    return SK_OK;
}

sk_code meta__environment_insert(meta *m, span name, uint32_t *ret_id, err *e)
{
    char slug[META_SLUG_MAX];
    sqlite3_stmt *s;
    meta_slug(name, slug);
    sk_code code = meta__prepare(
        m, "INSERT INTO environments (slug, name, created_ns) VALUES (?1, ?2, ?3)", &s, e);
    if (code != SK_OK)
        return code;
    meta__bind_text(s, 1, slug);
    sqlite3_bind_text(s, 2, (const char *)name.at, (int)name.len, SQLITE_TRANSIENT);
    sqlite3_bind_int64(s, 3, clock_wall_ns());
    code = meta__finish(m, s, e);
    if (code == SK_CONFLICT)
        return err_set(e, SK_CONFLICT, "an environment \"%s\" exists already", slug);
    if (code == SK_OK)
        *ret_id = (uint32_t)sqlite3_last_insert_rowid(m->db);
    return code;
}

sk_code meta_environment_create(meta *m, span name, environment *ret, err *e)
{
    uint32_t id;
    name = span_trim(name);
    if (name.len == 0 || name.len > META_NAME_MAX || !utf8_is_valid(name))
        return err_set(e, SK_BAD_INPUT, "an environment's name is 1 to %u bytes of UTF-8",
                       META_NAME_MAX);
    if (name.len >= META_SLUG_MAX)
        return err_set(e, SK_BAD_INPUT,
                       "an environment's slug, made of its name, is at most %u bytes",
                       META_SLUG_MAX - 1);
    lock_take(&m->lock);
    sk_code code = meta__environment_insert(m, name, &id, e);
    if (code == SK_OK)
        code = meta__reload(m, e);
    lock_drop(&m->lock);
    if (code == SK_OK && !meta_environment_by_id(m, id, ret))
        code = err_set(e, SK_CONFLICT, "the environment was deleted meanwhile");
    return code;
}

/* One change of one environment; SK_NOT_FOUND when there is none. */
static sk_code change(meta *m, const char *sql, uint32_t id, int64_t value, err *e)
{
    sqlite3_stmt *s;
    lock_take(&m->lock);
    sk_code code = meta__prepare(m, sql, &s, e);
    if (code == SK_OK) {
        sqlite3_bind_int64(s, 1, id);
        sqlite3_bind_int64(s, 2, value);
        code = meta__finish(m, s, e);
    }
    if (code == SK_OK && sqlite3_changes(m->db) == 0)
        code = err_set(e, SK_NOT_FOUND, "there is no environment %u", id);
    if (code == SK_OK)
        code = meta__reload(m, e);
    lock_drop(&m->lock);
    return code;
}

sk_code meta_environment_delete(meta *m, uint32_t id, err *e)
{
    environment env;
    if (meta_environment_by_id(m, id, &env) && span_is(SPAN(DEV_SLUG), env.slug))
        return err_set(e, SK_CONFLICT, "environment \"%s\" stays: requests without a key go to it",
                       DEV_SLUG);
    return change(m, "DELETE FROM environments WHERE id = ?1 AND ?2 = 0", id, 0, e);
}

sk_code meta_environment_set_retention(meta *m, uint32_t id, int64_t retention_ns, err *e)
{
    if (retention_ns < 0)
        return err_set(e, SK_BAD_INPUT, "a retention is not negative");
    return change(m, "UPDATE environments SET retention_ns = ?2 WHERE id = ?1", id, retention_ns,
                  e);
}
