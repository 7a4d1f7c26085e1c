/*
 * meta/meta_private.h: what the files of this folder share. `lock` is the one writer's: it guards the connection. What
 * the request path reads is a copy of environments and keys, replaced as a whole by meta__reload under cache_lock.
 */
#ifndef META_META_PRIVATE_H
#define META_META_PRIVATE_H

#include <sodium.h>
#include <sqlite3.h>

#include "base/thread.h"
#include "meta/meta.h"

typedef struct key_entry {
    uint8_t hash[META_KEY_HASH_BYTES];
    key_info info;
    bool is_used; /* last_used_ns is newer than the database's */
} key_entry;

typedef struct meta_cache {
    environment *environments; /* by id */
    key_entry *keys;           /* by hash */
    uint32_t environment_count, environment_capacity, key_count, key_capacity;
} meta_cache;

struct meta {
    char *dir;
    lock lock;
    sqlite3 *db; /* guarded by lock */
    uint8_t secret[crypto_generichash_KEYBYTES];
    lock cache_lock;
    meta_cache cache; /* guarded by cache_lock */
};

/* ---- database.c ---- */
sk_code meta__database_open(meta *m, err *e) must_use;
sk_code meta__error(meta *m, const char *what, err *e); /* from the connection's last error */
sk_code meta__execute(meta *m, const char *sql, err *e) must_use;
sk_code meta__prepare(meta *m, const char *sql, sqlite3_stmt **ret, err *e) must_use;
/* Steps a statement that returns no row, and finalizes it. */
sk_code meta__finish(meta *m, sqlite3_stmt *take_statement, err *e) must_use;
void meta__bind_text(sqlite3_stmt *s, int at, const char *text);
/* Copies a text column, cut to fit. */
void meta__column_text(sqlite3_stmt *s, int at, char *out, size_t size);

/* ---- cache.c ---- */
/* Writes back when keys were last used, then reads all anew. With `lock` held. */
sk_code meta__reload(meta *m, err *e) must_use;
sk_code meta__write_used(meta *m, err *e) must_use; /* with `lock` held */
void meta__cache_done(meta_cache *c);
/* Under cache_lock. */
const environment *meta__cached_environment(const meta_cache *c, uint32_t id);

/* ---- keys.c, environments.c: with `lock` held, without reloading ---- */
sk_code meta__environment_insert(meta *m, span name, uint32_t *ret_id, err *e) must_use;
sk_code meta__key_insert(meta *m, uint32_t environment_id, key_kind kind, span name,
                         uint32_t permissions, span preset_secret, char ret_id[40],
                         char ret_secret[META_SECRET_MAX], err *e) must_use;
bool meta__key_is_known(meta *m, span secret); /* also revoked ones */

#endif
