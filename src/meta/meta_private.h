/*
 * meta/meta_private.h: what the files of this folder share. `lock` is the one writer's: it guards the connection. What
 * the request path reads is a copy of environments and keys, replaced as a whole by meta__reload under cache_lock.
 */
#ifndef META_META_PRIVATE_H
#define META_META_PRIVATE_H

#include <sodium.h>
#include <sqlite3.h>

#include "base/thread.h"
#include "meta/redaction.h"
#include "meta/saved.h"

typedef struct key_entry {
    uint8_t hash[META_KEY_HASH_BYTES];
    key_info info;
    bool is_used; /* last_used_ns is newer than the database's */
} key_entry;

typedef struct redaction_entry {
    uint32_t environment;
    redaction rule;
} redaction_entry;

typedef struct meta_cache {
    environment *environments;   /* by id */
    key_entry *keys;             /* by hash */
    redaction_entry *redactions; /* by environment, in their order */
    uint32_t environment_count, environment_capacity, key_count, key_capacity;
    uint32_t redaction_count, redaction_capacity;
} meta_cache;

typedef struct session_entry {
    uint8_t hash[META_KEY_HASH_BYTES];
    session_info info;
    bool is_used; /* last_seen_ns is newer than the database's */
} session_entry;

/* Attempts to log in by one subject (a name, an address), for throttle.c. */
typedef struct attempts {
    uint64_t subject; /* 0: a free place */
    int64_t last_ns;
    int64_t until_ns; /* none before */
    uint32_t failures;
} attempts;

#define ATTEMPTS_KEPT 1024u

struct meta {
    char *dir;
    lock lock;
    sqlite3 *db; /* guarded by lock */
    uint8_t secret[crypto_generichash_KEYBYTES];
    uint64_t results_bytes_max;
    lock cache_lock;
    meta_cache cache;        /* guarded by cache_lock */
    session_entry *sessions; /* by hash; guarded by cache_lock, as what follows */
    uint32_t session_count;
    attempts by_name[ATTEMPTS_KEPT], by_address[ATTEMPTS_KEPT];
    bool is_hashing; /* a password: one at a time */
};

/* ---- database.c ---- */
sk_code meta__database_open(meta *m, err *e) must_use;
sk_code meta__error(meta *m, const char *what, err *e); /* from the connection's last error */
sk_code meta__execute(meta *m, const char *sql, err *e) must_use;
/* Several statements as one: meta__end commits when all went well so far, and undoes them otherwise. */
sk_code meta__begin(meta *m, err *e) must_use;
sk_code meta__end(meta *m, sk_code so_far, err *e) must_use;
sk_code meta__prepare(meta *m, const char *sql, sqlite3_stmt **ret, err *e) must_use;
/* Steps a statement that returns no row, and finalizes it. */
sk_code meta__finish(meta *m, sqlite3_stmt *take_statement, err *e) must_use;
void meta__bind_text(sqlite3_stmt *s, int at, const char *text);
void meta__bind_span(sqlite3_stmt *s, int at, span text);
/* Of a text or blob column, whole. */
sk_code meta__column_copy(sqlite3_stmt *s, int at, arena *mem, span *ret, err *e) must_use;
/* One row, by ?1 = environment and ?2 = id; SK_NOT_FOUND, without words, when there is none. */
sk_code meta__delete(meta *m, const char *sql, uint32_t environment, span id, err *e) must_use;
sk_code meta__count(meta *m, const char *sql, uint32_t environment, uint64_t *ret,
                    err *e) must_use;                     /* ?1 = environment */
sk_code meta__no_such(const char *what, span id, err *e); /* SK_NOT_FOUND */
void meta__random_id(char out[META_ID_MAX]);
/* Copies a text column, cut to fit. */
void meta__column_text(sqlite3_stmt *s, int at, char *out, size_t size);

/* ---- origins.c ---- */
sk_code meta__origins_join(const span *origins, uint32_t count, char out[META_ORIGINS_MAX],
                           err *e) must_use;

/* ---- cache.c ---- */
/* Writes back when keys were last used, then reads all anew. With `lock` held. */
sk_code meta__reload(meta *m, err *e) must_use;
sk_code meta__write_used(meta *m, err *e) must_use; /* with `lock` held */
/* When something was last used, by id. With `lock` held; `sql` takes ?1 = id, ?2 = the time. */
typedef struct stamp {
    char id[40];
    int64_t at_ns;
} stamp;
sk_code meta__write_stamps(meta *m, const char *sql, const stamp *list, uint32_t count,
                           err *e) must_use;
void meta__cache_done(meta_cache *c);
/* Under cache_lock. */
const environment *meta__cached_environment(const meta_cache *c, uint32_t id);

/* ---- redaction.c ---- */
sk_code meta__read_redactions(meta *m, meta_cache *c, err *e) must_use; /* with `lock` held */
/* How much was redacted by rules that both have. Under cache_lock. */
void meta__keep_redacted(const meta_cache *from, meta_cache *to);

/* ---- sessions.c: with `lock` held ---- */
sk_code meta__reload_sessions(meta *m, err *e) must_use;
sk_code meta__write_seen(meta *m, err *e) must_use;
/* All of one user but the one called `kept`. */
sk_code meta__end_sessions(meta *m, uint32_t user, span kept, err *e) must_use;
sk_code meta__session_insert(meta *m, const user_info *u, const login_origin *from,
                             session_info *ret, char ret_token[META_TOKEN_MAX], err *e) must_use;
void meta__random_token(char out[META_TOKEN_MAX]);

/* ---- users.c: with `lock` held ---- */
/* SK_NOT_FOUND; `ret_password`, the stored hash, may be NULL. */
sk_code meta__user_find(meta *m, span name, user_info *ret, char *ret_password, err *e) must_use;
sk_code meta__user_insert(meta *m, span name, user_role role, const char *password, user_info *ret,
                          err *e) must_use;

/* ---- password.c ---- */
#define PASSWORD_HASH_MAX 128u /* as crypto_pwhash_STRBYTES */
/* SK_BUSY: another one is being hashed. Takes a third of a second: with no lock held. */
sk_code meta__password_hash(meta *m, span password, char out[PASSWORD_HASH_MAX], err *e) must_use;
/* An empty hash takes as long as any, and is nobody's. */
sk_code meta__password_check(meta *m, span password, const char *hash, bool *ret_is_right,
                             err *e) must_use;

/* ---- throttle.c ---- */
/* SK_THROTTLED with retry_after_s; else the attempt is counted as failed until it is forgiven. */
sk_code meta__attempt(meta *m, span name, span address, int64_t now_ns, err *e) must_use;
void meta__forgive(meta *m, span name, span address);

/* ---- keys.c, environments.c: with `lock` held, without reloading ---- */
sk_code meta__environment_insert(meta *m, span name, uint32_t *ret_id, err *e) must_use;
sk_code meta__key_insert(meta *m, uint32_t environment_id, key_kind kind, span name,
                         uint32_t permissions, const char *origins, span preset_secret,
                         char ret_id[40], char ret_secret[META_SECRET_MAX], err *e) must_use;
bool meta__key_is_known(meta *m, span secret); /* also revoked ones */

#endif
