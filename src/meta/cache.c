/*
 * meta/cache.c: environments, keys and rules of redaction in memory, so that a request never waits for the database. Every change reads all
 * anew: there are hundreds of keys, not millions, and they change when people act.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "meta/meta_private.h"

void meta__cache_done(meta_cache *c)
{
    base_free(c->environments);
    base_free(c->keys);
    base_free(c->redactions);
    *c = (meta_cache){0};
}

const environment *meta__cached_environment(const meta_cache *c, uint32_t id)
{
    uint32_t low = 0, high = c->environment_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (c->environments[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < c->environment_count && c->environments[low].id == id ? &c->environments[low]
                                                                       : NULL;
}

static sk_code no_memory(err *e)
{
    return err_set(e, SK_NO_MEMORY, "no memory for keys and environments");
}

static sk_code read_environments(meta *m, meta_cache *c, err *e)
{
    sqlite3_stmt *s;
    sk_code code = meta__prepare(m,
                                 "SELECT id, slug, name, created_ns, retention_ns,"
                                 " EXISTS (SELECT 1 FROM redactions WHERE environment = id)"
                                 " FROM environments ORDER BY id",
                                 &s, e);
    if (code != SK_OK)
        return code;
    int step;
    while (code == SK_OK && (step = sqlite3_step(s)) != SQLITE_DONE) {
        if (step != SQLITE_ROW) {
            code = meta__error(m, "read", e);
        } else if (!base_reserve(&c->environments, &c->environment_capacity,
                                 c->environment_count + 1, sizeof *c->environments)) {
            code = no_memory(e);
        } else {
            environment *env = &c->environments[c->environment_count++];
            *env = (environment){.id = (uint32_t)sqlite3_column_int64(s, 0),
                                 .created_ns = sqlite3_column_int64(s, 3),
                                 .retention_ns = sqlite3_column_int64(s, 4),
                                 .is_redacted = sqlite3_column_int(s, 5) != 0};
            meta__column_text(s, 1, env->slug, sizeof env->slug);
            meta__column_text(s, 2, env->name, sizeof env->name);
        }
    }
    sqlite3_finalize(s);
    return code;
}

static bool read_key(sqlite3_stmt *s, const meta_cache *c, key_entry *ret)
{
    if (sqlite3_column_bytes(s, 1) != META_KEY_HASH_BYTES)
        return false;
    *ret = (key_entry){.info = {.kind = (key_kind)sqlite3_column_int(s, 3),
                                .permissions = (uint32_t)sqlite3_column_int64(s, 4),
                                .environment = (uint32_t)sqlite3_column_int64(s, 5),
                                .created_ns = sqlite3_column_int64(s, 6),
                                .last_used_ns = sqlite3_column_int64(s, 7),
                                .is_revoked = sqlite3_column_int64(s, 8) != 0}};
    meta__column_text(s, 0, ret->info.id, sizeof ret->info.id);
    memcpy(ret->hash, sqlite3_column_blob(s, 1), META_KEY_HASH_BYTES);
    meta__column_text(s, 2, ret->info.name, sizeof ret->info.name);
    meta__column_text(s, 9, ret->info.origins, sizeof ret->info.origins);
    const environment *env = meta__cached_environment(c, ret->info.environment);
    if (env)
        memcpy(ret->info.environment_slug, env->slug, sizeof env->slug);
    return env != NULL;
}

static sk_code read_keys(meta *m, meta_cache *c, err *e)
{
    sqlite3_stmt *s;
    sk_code code =
        meta__prepare(m,
                      "SELECT id, hash, name, kind, permissions, environment, created_ns,"
                      " last_used_ns, revoked_ns, origins FROM keys ORDER BY hash",
                      &s, e);
    if (code != SK_OK)
        return code;
    int step;
    while (code == SK_OK && (step = sqlite3_step(s)) != SQLITE_DONE) {
        if (step != SQLITE_ROW)
            code = meta__error(m, "read", e);
        else if (!base_reserve(&c->keys, &c->key_capacity, c->key_count + 1, sizeof *c->keys))
            code = no_memory(e);
        else if (read_key(s, c, &c->keys[c->key_count]))
            c->key_count++;
    }
    sqlite3_finalize(s);
    return code;
}

/* A copy of what is to be written: the database is not touched under cache_lock. */
static stamp *take_used(meta *m, uint32_t *ret_count)
{
    uint32_t count = 0;
    lock_take(&m->cache_lock);
    for (uint32_t i = 0; i < m->cache.key_count; i++)
        count += m->cache.keys[i].is_used;
    stamp *used = count ? base_alloc(count * sizeof *used) : NULL;
    *ret_count = used ? count : 0;
    for (uint32_t i = 0, at = 0; used && i < m->cache.key_count; i++) {
        key_entry *k = &m->cache.keys[i];
        if (!k->is_used)
            continue;
        memcpy(used[at].id, k->info.id, sizeof k->info.id);
        used[at++].at_ns = k->info.last_used_ns;
        k->is_used = false;
    }
    lock_drop(&m->cache_lock);
    return used;
}

sk_code meta__write_stamps(meta *m, const char *sql, const stamp *list, uint32_t count, err *e)
{
    sk_code code = SK_OK;
    for (uint32_t i = 0; i < count && code == SK_OK; i++) {
        sqlite3_stmt *s;
        code = meta__prepare(m, sql, &s, e);
        if (code != SK_OK)
            break;
        meta__bind_text(s, 1, list[i].id);
        sqlite3_bind_int64(s, 2, list[i].at_ns);
        code = meta__finish(m, s, e);
    }
    return code;
}

sk_code meta__write_used(meta *m, err *e)
{
    uint32_t count;
    stamp *used = take_used(m, &count);
    sk_code code =
        meta__write_stamps(m, "UPDATE keys SET last_used_ns = ?2 WHERE id = ?1", used, count, e);
    base_free(used);
    return code;
}

sk_code meta__reload(meta *m, err *e)
{
    meta_cache next = {0};
    sk_code code = meta__write_used(m, e);
    if (code == SK_OK)
        code = read_environments(m, &next, e);
    if (code == SK_OK)
        code = read_keys(m, &next, e);
    if (code == SK_OK)
        code = meta__read_redactions(m, &next, e);
    if (code == SK_OK) {
        lock_take(&m->cache_lock);
        meta__keep_redacted(&m->cache, &next);
        meta_cache old = m->cache;
        m->cache = next;
        lock_drop(&m->cache_lock);
        next = old;
    }
    meta__cache_done(&next);
    return code;
}
