/*
 * meta/meta.h: the control plane on SQLite (DIR/meta.db, WAL, STRICT tables): environments, keys, settings, audit log.
 * Never events. One connection behind one lock writes; what the request path needs (keys, environments) is
 * an immutable in-memory copy swapped on change, so meta_key_check never touches the database.
 *
 * Secrets: a key is shown once. Stored is a keyed hash (libsodium generichash under a random server secret kept in the
 * 0600 file DIR/secret); the fingerprint shown in refusals and doctor is its first 6 bytes in hex plus the key's last
 * 3 characters, never more. Comparisons are constant-time by hashing.
 * Key forms (honeycomb.md §3.1): ingest `hcxik_` + 26 id + 32 secret, in [0-9a-z]; configuration 22 alphanumerics.
 */
#ifndef META_META_H
#define META_META_H

#include "base/arena.h"
#include "base/err.h"

typedef struct meta meta;

#define META_SLUG_MAX       64u
#define META_NAME_MAX       100u
#define META_SECRET_MAX     96u /* bytes of a shown key, with NUL */
#define META_KEY_HASH_BYTES 32u

/* Bits; names as honeycomb.md §3.2, §3.3. */
typedef enum permission {
    MAY_SEND = 1 << 0,            /* events */
    MAY_CREATE_DATASETS = 1 << 1, /* createDatasets */
    MAY_QUERY = 1 << 2,           /* queries: run queries, read traces, fields, map, tail */
    MAY_CONFIGURE = 1 << 3,       /* its environment's keys and settings; drop data */
    MAY_ADMINISTER = 1 << 4, /* other environments too: the "full" key of first start; people */
    MAY_SAVE =
        1 << 5, /* what is kept for all to see; keys that may configure have it, see auth.c */
    MAY_MARK = 1 << 6, /* moments: follows from others, see auth.h */
} permission;

/* KEY_REFUSED: somebody else's, which may do nothing: its sender was refused on purpose. */
typedef enum key_kind { KEY_INGEST, KEY_CONFIGURATION, KEY_BROWSER, KEY_REFUSED } key_kind;

#define META_ORIGIN_MAX    128u
#define META_ORIGINS_MAX   512u /* of one key together, with NUL */
#define META_ORIGINS_COUNT 10u

typedef struct environment {
    uint32_t id; /* ≥ 1, never reused */
    char slug[META_SLUG_MAX];
    char name[META_NAME_MAX + 1];
    int64_t created_ns;
    int64_t retention_ns; /* 0 = the server's default */
    bool is_redacted;     /* it has rules: meta/redaction.h */
} environment;

typedef struct key_info {
    char id[40]; /* public: "hcxik_…26" or "hcxlk_…26" */
    char name[META_NAME_MAX + 1];
    key_kind kind;
    uint32_t permissions;
    uint32_t environment; /* id */
    char environment_slug[META_SLUG_MAX];
    int64_t created_ns, last_used_ns; /* 0 = never */
    bool is_revoked;
    char origins[META_ORIGINS_MAX]; /* of a browser key, separated by spaces */
} key_info;

typedef struct meta_options {
    const char *dir;
    /* SKEP_INGEST_KEY: dev's ingest key, taken as it is (≥ 16 characters); may be NULL. */
    const char *preset_ingest_key;
    uint64_t results_bytes_max; /* of all stored results; 0 = META_RESULTS_BYTES */
} meta_options;

/* On an empty directory creates environments dev and demo with an ingest and a full key each and fills *ret_first (shown
 * once in the ready line; also written to DIR/keys.json, 0600). */
typedef struct first_keys {
    bool is_first_start;
    char dev_ingest[META_SECRET_MAX], dev_full[META_SECRET_MAX];
    char demo_ingest[META_SECRET_MAX], demo_full[META_SECRET_MAX];
} first_keys;
sk_code meta_open(const meta_options *o, meta **ret, first_keys *ret_first, err *e) must_use;
void meta_close(meta *take_m);
/* Now and then: writes what memory knows better, forgets sessions and links that have ended. */
void meta_keep_house(meta *m);

/* ---- environments ---- */
bool meta_environment(meta *m, span slug, environment *ret);
bool meta_environment_by_id(meta *m, uint32_t id, environment *ret);
sk_code meta_environment_list(meta *m, arena *mem, environment **ret, uint32_t *ret_count,
                              err *e) must_use;
/* SK_CONFLICT when the slug exists */
sk_code meta_environment_create(meta *m, span name, environment *ret, err *e) must_use;
/* its keys too; not dev (SK_CONFLICT) */
sk_code meta_environment_delete(meta *m, uint32_t id, err *e) must_use;
sk_code meta_environment_set_retention(meta *m, uint32_t id, int64_t retention_ns, err *e) must_use;
size_t meta_slug(span name, char out[META_SLUG_MAX]); /* honeycomb.md §1.1 */

/* ---- keys ---- */
/* SK_UNAUTHENTICATED with what is wrong: empty, a literal ${…}, unknown, revoked (the text never holds the key). */
sk_code meta_key_check(meta *m, span secret, key_info *ret, err *e) must_use;
sk_code meta_key_create(meta *m, uint32_t environment, key_kind kind, span name,
                        uint32_t permissions, key_info *ret, char ret_secret[META_SECRET_MAX],
                        err *e) must_use;
/* It writes only, and only for pages of these origins. */
sk_code meta_browser_key_create(meta *m, uint32_t environment, span name, const span *origins,
                                uint32_t origin_count, key_info *ret,
                                char ret_secret[META_SECRET_MAX], err *e) must_use;
/* One more page for a browser key; SK_CONFLICT when it has that origin or is another kind of key. */
sk_code meta_key_allow_origin(meta *m, span id, span origin, key_info *ret, err *e) must_use;
bool meta_origin_is_allowed(const key_info *k, span origin);
/* A refused key becomes an ingest key of `environment`, known only by its hash. */
sk_code meta_key_adopt(meta *m, const uint8_t hash[META_KEY_HASH_BYTES], uint32_t environment,
                       span name, key_info *ret, err *e) must_use;
/* An unknown key stays without: it is answered with that, until someone adopts it. */
sk_code meta_key_refuse(meta *m, const uint8_t hash[META_KEY_HASH_BYTES], uint32_t environment,
                        span name, key_info *ret, err *e) must_use;
sk_code meta_key_revoke(meta *m, span id, err *e) must_use; /* SK_NOT_FOUND */
bool meta_key_by_hash(meta *m, const uint8_t hash[META_KEY_HASH_BYTES], key_info *ret);
/* 0 = all */
sk_code meta_key_list(meta *m, uint32_t environment, arena *mem, key_info **ret,
                      uint32_t *ret_count, err *e) must_use;
void meta_key_hash(meta *m, span secret, uint8_t ret[META_KEY_HASH_BYTES]);
void meta_key_fingerprint(meta *m, span secret, char ret[20]);

/* ---- settings and audit ---- */
/* SK_NOT_FOUND */
sk_code meta_setting_get(meta *m, const char *name, arena *mem, span *ret, err *e) must_use;
sk_code meta_setting_set(meta *m, const char *name, span value, err *e) must_use;
/* kept bounded; failure is ignored */
void meta_audit(meta *m, const char *actor, const char *action, const char *subject);

#endif
