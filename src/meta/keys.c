/*
 * meta/keys.c: keys: made, adopted, checked, revoked, listed. A secret passes through here and is never kept: the
 * database and the memory hold its hash under the server's secret.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "meta/meta_private.h"

#define INGEST_PREFIX            "hcxik_"
#define CONFIGURATION_PREFIX     "hcxlk_"
#define ID_CHARACTERS            26
#define INGEST_SECRET_CHARACTERS 32
#define CONFIGURATION_CHARACTERS 22
#define PRESET_CHARACTERS_MIN    16
#define PRESET_BYTES_MAX         1024u /* longer "keys" are hashed up to here: nobody has one */
#define FINGERPRINT_BYTES        6
#define FINGERPRINT_TAIL         3
#define FINGERPRINT_TAIL_MIN     16 /* shorter keys show no tail: it would be too much of them */

static void random_text(char *out, size_t len, const char *alphabet, uint32_t letters)
{
    for (size_t i = 0; i < len; i++)
        out[i] = alphabet[randombytes_uniform(letters)];
    out[len] = 0;
}

static void random_lower(char *out, size_t len)
{
    random_text(out, len, "0123456789abcdefghijklmnopqrstuvwxyz", 36);
}

void meta_key_hash(meta *m, span secret, uint8_t ret[META_KEY_HASH_BYTES])
{
    crypto_generichash(ret, META_KEY_HASH_BYTES, secret.at,
                       secret.len < PRESET_BYTES_MAX ? secret.len : PRESET_BYTES_MAX, m->secret,
                       sizeof m->secret);
}

void meta_key_fingerprint(meta *m, span secret, char ret[20])
{
    uint8_t hash[META_KEY_HASH_BYTES];
    meta_key_hash(m, secret, hash);
    sodium_bin2hex(ret, 2 * FINGERPRINT_BYTES + 1, hash, FINGERPRINT_BYTES);
    size_t len = 2 * FINGERPRINT_BYTES;
    ret[len++] = '-';
    for (size_t i = 0; i < FINGERPRINT_TAIL; i++) {
        uint8_t c =
            secret.len >= FINGERPRINT_TAIL_MIN ? secret.at[secret.len - FINGERPRINT_TAIL + i] : '*';
        bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        ret[len++] = is_plain ? (char)c : '*';
    }
    ret[len] = 0;
}

static int by_hash(const void *key, const void *item)
{
    return memcmp(key, ((const key_entry *)item)->hash, META_KEY_HASH_BYTES);
}

/* Under cache_lock. Timing tells at most how hashes compare, and those depend on a secret nobody has. */
static key_entry *find_key(meta *m, const uint8_t hash[META_KEY_HASH_BYTES])
{
    if (m->cache.key_count == 0)
        return NULL;
    return bsearch(hash, m->cache.keys, m->cache.key_count, sizeof(key_entry), by_hash);
}

sk_code meta_key_check(meta *m, span secret, key_info *ret, err *e)
{
    uint8_t hash[META_KEY_HASH_BYTES];
    char fingerprint[20];
    key_info found;
    if (secret.len == 0)
        return err_set(
            e, SK_UNAUTHENTICATED,
            "the key is empty: the header is there but has no value; is the variable set "
            "where the sender starts?");
    if (secret.at[0] == '$' || span_contains(secret, SPAN("${")))
        return err_set(
            e, SK_UNAUTHENTICATED,
            "the key is the name of a variable, not its value: the place it is written in "
            "does not replace ${…} or $NAME");
    meta_key_hash(m, secret, hash);
    lock_take(&m->cache_lock);
    key_entry *k = find_key(m, hash);
    if (k) {
        found = k->info;
        if (!found.is_revoked) {
            k->info.last_used_ns = clock_wall_ns();
            k->is_used = true;
        }
    }
    lock_drop(&m->cache_lock);
    if (!k) {
        meta_key_fingerprint(m, secret, fingerprint);
        return err_set(e, SK_UNAUTHENTICATED,
                       "unknown API key - check your credentials: no key of this server has the "
                       "fingerprint %s; `skep keys adopt %s` would make it an ingest key",
                       fingerprint, fingerprint);
    }
    if (found.kind == KEY_REFUSED)
        return err_set(e, SK_UNAUTHENTICATED,
                       "this key was refused on purpose by whoever runs this server: `skep env` "
                       "prints one that works");
    if (found.is_revoked)
        return err_set(e, SK_UNAUTHENTICATED,
                       "the key \"%s\" of environment %s was revoked: `skep env` prints a new one",
                       found.name, found.environment_slug);
    *ret = found;
    return SK_OK;
}

bool meta__key_is_known(meta *m, span secret)
{
    uint8_t hash[META_KEY_HASH_BYTES];
    meta_key_hash(m, secret, hash);
    lock_take(&m->cache_lock);
    bool is_known = find_key(m, hash) != NULL;
    lock_drop(&m->cache_lock);
    return is_known;
}

bool meta_key_by_hash(meta *m, const uint8_t hash[META_KEY_HASH_BYTES], key_info *ret)
{
    lock_take(&m->cache_lock);
    const key_entry *k = find_key(m, hash);
    if (k)
        *ret = k->info;
    lock_drop(&m->cache_lock);
    return k != NULL;
}

/* ---- making ---- */
static sk_code insert_row(meta *m, const key_info *k, span name,
                          const uint8_t hash[META_KEY_HASH_BYTES], err *e)
{
    sqlite3_stmt *s;
    sk_code code = meta__prepare(m,
                                 "INSERT INTO keys (id, hash, name, kind, permissions, environment,"
                                 " created_ns, origins) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                                 &s, e);
    if (code != SK_OK)
        return code;
    meta__bind_text(s, 1, k->id);
    sqlite3_bind_blob(s, 2, hash, META_KEY_HASH_BYTES, SQLITE_TRANSIENT);
    sqlite3_bind_text(s, 3, (const char *)name.at, (int)name.len, SQLITE_TRANSIENT);
    sqlite3_bind_int(s, 4, (int)k->kind);
    sqlite3_bind_int64(s, 5, k->permissions);
    sqlite3_bind_int64(s, 6, k->environment);
    sqlite3_bind_int64(s, 7, clock_wall_ns());
    meta__bind_text(s, 8, k->origins);
    code = meta__finish(m, s, e);
    if (code == SK_CONFLICT && (sqlite3_extended_errcode(m->db) == SQLITE_CONSTRAINT_FOREIGNKEY))
        return err_set(e, SK_NOT_FOUND, "there is no environment %u", k->environment);
    if (code == SK_CONFLICT)
        return err_set(e, SK_CONFLICT, "this key is known already");
    return code;
}

/* Ingest keys are their id and a secret in one; the id alone may be shown. */
static void mint(key_kind kind, span preset, char ret_id[40], char ret_secret[META_SECRET_MAX])
{
    char tail[INGEST_SECRET_CHARACTERS + 1], body[ID_CHARACTERS + 1];
    random_lower(body, ID_CHARACTERS);
    snprintf(ret_id, 40, "%s%s", kind != KEY_CONFIGURATION ? INGEST_PREFIX : CONFIGURATION_PREFIX,
             body);
    if (preset.at) {
        snprintf(ret_secret, META_SECRET_MAX, "%.*s", SPAN_FMT(preset));
    } else if (kind != KEY_CONFIGURATION) {
        random_lower(tail, INGEST_SECRET_CHARACTERS);
        snprintf(ret_secret, META_SECRET_MAX, "%s%s", ret_id, tail);
    } else {
        random_text(ret_secret, CONFIGURATION_CHARACTERS,
                    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", 62);
    }
    sodium_memzero(tail, sizeof tail);
}

sk_code meta__key_insert(meta *m, uint32_t environment_id, key_kind kind, span name,
                         uint32_t permissions, const char *origins, span preset_secret,
                         char ret_id[40], char ret_secret[META_SECRET_MAX], err *e)
{
    uint8_t hash[META_KEY_HASH_BYTES];
    key_info k = {.kind = kind, .permissions = permissions, .environment = environment_id};
    if (preset_secret.at && span_contains(preset_secret, SPAN("${")))
        return err_set(e, SK_BAD_INPUT,
                       "the preset key (SKEP_INGEST_KEY) is the text of a variable, not its value: "
                       "nothing expands it where it is written; put the key there");
    if (preset_secret.at &&
        (preset_secret.len < PRESET_CHARACTERS_MIN || preset_secret.len >= META_SECRET_MAX))
        return err_set(e, SK_BAD_INPUT,
                       "the preset key (SKEP_INGEST_KEY) has %zu characters instead of %d to %u; "
                       "`openssl rand -hex 16` makes one",
                       preset_secret.len, PRESET_CHARACTERS_MIN, META_SECRET_MAX - 1);
    snprintf(k.origins, sizeof k.origins, "%s", origins);
    mint(kind, preset_secret, k.id, ret_secret);
    meta_key_hash(m, span_text(ret_secret), hash);
    memcpy(ret_id, k.id, sizeof k.id);
    return insert_row(m, &k, name, hash, e);
}

static sk_code check_name(span *name, err *e)
{
    *name = span_trim(*name);
    if (name->len == 0 || name->len > META_NAME_MAX || !utf8_is_valid(*name))
        return err_set(e, SK_BAD_INPUT, "a key's name is 1 to %u bytes of UTF-8", META_NAME_MAX);
    return SK_OK;
}

static bool find_by_id(meta *m, const char *id, key_info *ret)
{
    bool is_found = false;
    lock_take(&m->cache_lock);
    for (uint32_t i = 0; i < m->cache.key_count && !is_found; i++)
        if (strcmp(m->cache.keys[i].info.id, id) == 0) {
            *ret = m->cache.keys[i].info;
            is_found = true;
        }
    lock_drop(&m->cache_lock);
    return is_found;
}

static sk_code create(meta *m, uint32_t environment_id, key_kind kind, span name,
                      uint32_t permissions, const char *origins, key_info *ret,
                      char ret_secret[META_SECRET_MAX], err *e)
{
    char id[40], secret[META_SECRET_MAX];
    sk_code code = check_name(&name, e);
    if (code != SK_OK)
        return code;
    lock_take(&m->lock);
    code = meta__key_insert(m, environment_id, kind, name, permissions, origins, (span){0}, id,
                            secret, e);
    if (code == SK_OK)
        code = meta__reload(m, e);
    lock_drop(&m->lock);
    if (code == SK_OK && !find_by_id(m, id, ret))
        code = err_set(e, SK_NOT_FOUND, "the key's environment was deleted meanwhile");
    if (code == SK_OK)
        memcpy(ret_secret, secret, sizeof secret);
    sodium_memzero(secret, sizeof secret);
    return code;
}

static sk_code write_origins(meta *m, const char *id, const char *origins, err *e)
{
    sqlite3_stmt *s;
    sk_code code = meta__prepare(m, "UPDATE keys SET origins = ?2 WHERE id = ?1", &s, e);
    if (code != SK_OK)
        return code;
    meta__bind_text(s, 1, id);
    meta__bind_text(s, 2, origins);
    code = meta__finish(m, s, e);
    return code == SK_OK ? meta__reload(m, e) : code;
}

sk_code meta_key_allow_origin(meta *m, span id, span origin, key_info *ret, err *e)
{
    char wanted[40], joined[META_ORIGINS_MAX];
    span origins[META_ORIGINS_COUNT + 1];
    uint32_t count = 0;
    sk_code code = SK_OK;
    snprintf(wanted, sizeof wanted, "%.*s", SPAN_FMT(span_first(id, sizeof wanted - 1)));
    lock_take(&m->lock);
    if (!find_by_id(m, wanted, ret))
        code = err_set(e, SK_NOT_FOUND, "there is no key %s", wanted);
    else if (ret->kind != KEY_BROWSER || ret->is_revoked)
        code = err_set(e, SK_CONFLICT, "\"%s\" is no browser key that works", ret->name);
    else if (meta_origin_is_allowed(ret, origin))
        code = err_set(e, SK_CONFLICT, "\"%s\" is for these pages already", ret->name);
    for (span rest = span_text(ret->origins); code == SK_OK && rest.len;)
        origins[count++] = span_cut(&rest, ' ');
    origins[count++] = origin;
    if (code == SK_OK)
        code = meta__origins_join(origins, count, joined, e);
    if (code == SK_OK)
        code = write_origins(m, ret->id, joined, e);
    if (code == SK_OK && !find_by_id(m, wanted, ret))
        code = err_set(e, SK_NOT_FOUND, "the key's environment was deleted meanwhile");
    lock_drop(&m->lock);
    return code;
}

sk_code meta_key_create(meta *m, uint32_t environment_id, key_kind kind, span name,
                        uint32_t permissions, key_info *ret, char ret_secret[META_SECRET_MAX],
                        err *e)
{
    if (kind == KEY_INGEST && (permissions & ~(uint32_t)(MAY_SEND | MAY_CREATE_DATASETS)))
        return err_set(e, SK_BAD_INPUT, "an ingest key only sends: it is in programs and images");
    return create(m, environment_id, kind, name, permissions, "", ret, ret_secret, e);
}

sk_code meta_browser_key_create(meta *m, uint32_t environment_id, span name, const span *origins,
                                uint32_t origin_count, key_info *ret,
                                char ret_secret[META_SECRET_MAX], err *e)
{
    char joined[META_ORIGINS_MAX];
    sk_code code = meta__origins_join(origins, origin_count, joined, e);
    if (code != SK_OK)
        return code;
    return create(m, environment_id, KEY_BROWSER, name, MAY_SEND | MAY_CREATE_DATASETS, joined, ret,
                  ret_secret, e);
}

/* What was refused on purpose may be decided anew. */
static sk_code forget_refused(meta *m, const uint8_t hash[META_KEY_HASH_BYTES], err *e)
{
    sqlite3_stmt *s;
    sk_code code = meta__prepare(m, "DELETE FROM keys WHERE hash = ?1 AND kind = ?2", &s, e);
    if (code != SK_OK)
        return code;
    sqlite3_bind_blob(s, 1, hash, META_KEY_HASH_BYTES, SQLITE_TRANSIENT);
    sqlite3_bind_int(s, 2, KEY_REFUSED);
    return meta__finish(m, s, e);
}

/* A key of elsewhere, known by its hash, becomes `k`, which gets its id here. */
static sk_code take_in(meta *m, const uint8_t hash[META_KEY_HASH_BYTES], span name, key_info *k,
                       key_info *ret, err *e)
{
    char unused[META_SECRET_MAX];
    sk_code code = check_name(&name, e);
    if (code != SK_OK)
        return code;
    mint(KEY_INGEST, (span){0}, k->id, unused);
    lock_take(&m->lock);
    code = meta__begin(m, e);
    if (code == SK_OK) {
        code = forget_refused(m, hash, e);
        if (code == SK_OK)
            code = insert_row(m, k, name, hash, e);
        code = meta__end(m, code, e);
    }
    if (code == SK_OK)
        code = meta__reload(m, e);
    lock_drop(&m->lock);
    if (code == SK_OK && !find_by_id(m, k->id, ret))
        code = err_set(e, SK_NOT_FOUND, "the key's environment was deleted meanwhile");
    return code;
}

sk_code meta_key_adopt(meta *m, const uint8_t hash[META_KEY_HASH_BYTES], uint32_t environment_id,
                       span name, key_info *ret, err *e)
{
    key_info k = {.kind = KEY_INGEST,
                  .permissions = MAY_SEND | MAY_CREATE_DATASETS,
                  .environment = environment_id};
    return take_in(m, hash, name, &k, ret, e);
}

sk_code meta_key_refuse(meta *m, const uint8_t hash[META_KEY_HASH_BYTES], uint32_t environment_id,
                        span name, key_info *ret, err *e)
{
    key_info k = {.kind = KEY_REFUSED, .environment = environment_id};
    return take_in(m, hash, name, &k, ret, e);
}

/* ---- revoking, listing ---- */
sk_code meta_key_revoke(meta *m, span id, err *e)
{
    sqlite3_stmt *s;
    lock_take(&m->lock);
    sk_code code =
        meta__prepare(m, "UPDATE keys SET revoked_ns = max(revoked_ns, ?2) WHERE id = ?1", &s, e);
    if (code == SK_OK) {
        sqlite3_bind_text(s, 1, (const char *)id.at, (int)id.len, SQLITE_TRANSIENT);
        sqlite3_bind_int64(s, 2, clock_wall_ns());
        code = meta__finish(m, s, e);
    }
    if (code == SK_OK && sqlite3_changes(m->db) == 0)
        code = err_set(e, SK_NOT_FOUND, "there is no key %.*s", SPAN_FMT(id));
    if (code == SK_OK)
        code = meta__reload(m, e);
    lock_drop(&m->lock);
    return code;
}

static int by_age(const void *a, const void *b)
{
    const key_info *x = a, *y = b;
    if (x->created_ns != y->created_ns)
        return x->created_ns < y->created_ns ? -1 : 1;
    return strcmp(x->id, y->id);
}

sk_code meta_key_list(meta *m, uint32_t environment_id, arena *mem, key_info **ret,
                      uint32_t *ret_count, err *e)
{
    uint32_t count = 0;
    lock_take(&m->cache_lock);
    key_info *list = ARENA_ARRAY(mem, key_info, m->cache.key_count + 1);
    for (uint32_t i = 0; list && i < m->cache.key_count; i++)
        if (environment_id == 0 || m->cache.keys[i].info.environment == environment_id)
            list[count++] = m->cache.keys[i].info;
    lock_drop(&m->cache_lock);
    if (!list)
        return err_set(e, SK_NO_MEMORY, "no memory to list keys");
    qsort(list, count, sizeof *list, by_age);
    *ret = list;
    *ret_count = count;
    return SK_OK;
}
