/*
 * meta/meta.c: opening and closing the control plane, and the first start: environments dev and demo with their keys.
 * Called by main. Never: writes a key's secret anywhere but into DIR/keys.json, at the first start.
 */
#include "meta/meta.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/file.h"
#include "meta/meta_private.h"

#define MAY_ALL (MAY_SEND | MAY_CREATE_DATASETS | MAY_QUERY | MAY_CONFIGURE | MAY_ADMINISTER)

static sk_code path_of(const meta *m, const char *name, char *out, size_t size, err *e)
{
    int len = snprintf(out, size, "%s/%s", m->dir, name);
    return len > 0 && (size_t)len < size
               ? SK_OK
               : err_set(e, SK_BAD_INPUT, "the path of %s is too long", name);
}

/* The server's secret: made once. Without it no stored key can be told, so a lost one is not made anew. */
static sk_code open_secret(meta *m, err *e)
{
    char path[4096];
    uint8_t *bytes;
    size_t len;
    sk_code code = path_of(m, "secret", path, sizeof path, e);
    if (code == SK_OK)
        code = file_read_all(path, 4 * KIB, &bytes, &len, e);
    if (code == SK_OK) {
        if (len == sizeof m->secret)
            memcpy(m->secret, bytes, len);
        else
            code =
                err_set(e, SK_CORRUPT, "%s has %zu bytes instead of %zu: restore it from a backup",
                        path, len, sizeof m->secret);
        sodium_memzero(bytes, len);
        base_free(bytes);
        return code;
    }
    if (code != SK_NOT_FOUND)
        return code;
    char database[4096];
    file *f;
    code = path_of(m, "meta.db", database, sizeof database, e);
    if (code == SK_OK && file_open(database, FILE_READ, &f, e) == SK_OK) {
        uint64_t size = 0;
        code = file_size(f, &size, e);
        file_close(f);
        if (code == SK_OK && size > 0)
            return err_set(
                e, SK_CORRUPT,
                "%s is missing while meta.db is there: without it no key can be checked; "
                "restore it from a backup",
                path);
    }
    if (code != SK_OK)
        return code;
    crypto_generichash_keygen(m->secret);
    return file_replace(path, span_of(m->secret, sizeof m->secret), 0600, e);
}

/* ---- the first start ---- */
static sk_code make_first(meta *m, const char *name, const char *preset, char *ret_ingest,
                          char *ret_full, err *e)
{
    char id[40];
    uint32_t environment_id;
    span preset_key = preset ? span_text(preset) : (span){0};
    sk_code code = meta__environment_insert(m, span_text(name), &environment_id, e);
    if (code == SK_OK)
        code = meta__key_insert(m, environment_id, KEY_INGEST, SPAN("first ingest key"),
                                MAY_SEND | MAY_CREATE_DATASETS, "", preset_key, id, ret_ingest, e);
    if (code == SK_OK)
        code = meta__key_insert(m, environment_id, KEY_CONFIGURATION, SPAN("first full key"),
                                MAY_ALL, "", (span){0}, id, ret_full, e);
    return code;
}

/* A preset key is any text; the others are letters and digits. */
static void print_quoted(buf *out, const char *text)
{
    buf_add_u8(out, '"');
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\')
            buf_add_u8(out, '\\');
        if ((uint8_t)*c < 0x20)
            buf_print(out, "\\u%04x", (unsigned)(uint8_t)*c);
        else
            buf_add_u8(out, (uint8_t)*c);
    }
    buf_add_u8(out, '"');
}

static void print_pair(buf *out, const char *name, const char *ingest, const char *full)
{
    buf_print(out, "  \"%s\": {\"ingest\": ", name);
    print_quoted(out, ingest);
    buf_add_text(out, ", \"full\": ");
    print_quoted(out, full);
    buf_add_text(out, "}");
}

static sk_code write_keys(meta *m, const first_keys *keys, err *e)
{
    char path[4096];
    buf out;
    buf_init(&out, 16 * KIB);
    buf_add_text(&out, "{\n");
    print_pair(&out, "dev", keys->dev_ingest, keys->dev_full);
    buf_add_text(&out, ",\n");
    print_pair(&out, "demo", keys->demo_ingest, keys->demo_full);
    buf_add_text(&out, "\n}\n");
    sk_code code = path_of(m, "keys.json", path, sizeof path, e);
    if (code == SK_OK && out.failed)
        code = err_set(e, SK_NO_MEMORY, "no memory to write %s", path);
    if (code == SK_OK)
        code = file_replace(path, buf_span(&out), 0600, e);
    if (out.at)
        sodium_memzero(out.at, out.len);
    buf_done(&out);
    return code;
}

/* keys.json is written before the keys are committed: a start that dies between leaves no key nobody knows. */
static sk_code first_start(meta *m, const meta_options *o, first_keys *ret, err *e)
{
    sk_code code = meta__execute(m, "BEGIN IMMEDIATE", e);
    if (code == SK_OK)
        code = make_first(m, "dev", o->preset_ingest_key, ret->dev_ingest, ret->dev_full, e);
    if (code == SK_OK)
        code = make_first(m, "demo", NULL, ret->demo_ingest, ret->demo_full, e);
    if (code == SK_OK)
        code = write_keys(m, ret, e);
    if (code == SK_OK)
        code = meta__execute(m, "COMMIT", e);
    ret->is_first_start = code == SK_OK;
    return code;
}

/* A key preset later, or another one: one more ingest key of dev. */
static sk_code add_preset(meta *m, span preset, err *e)
{
    environment dev;
    char id[40], secret[META_SECRET_MAX];
    if (meta__key_is_known(m, preset) || !meta_environment(m, SPAN("dev"), &dev))
        return SK_OK;
    sk_code code = meta__key_insert(m, dev.id, KEY_INGEST, SPAN("preset ingest key"),
                                    MAY_SEND | MAY_CREATE_DATASETS, "", preset, id, secret, e);
    sodium_memzero(secret, sizeof secret);
    return code == SK_OK ? meta__reload(m, e) : code;
}

static sk_code open_all(meta *m, const meta_options *o, first_keys *ret_first, err *e)
{
    sk_code code = file_make_dir(m->dir, e);
    if (code == SK_OK)
        code = open_secret(m, e);
    if (code == SK_OK)
        code = meta__database_open(m, e);
    if (code == SK_OK)
        code = meta__reload(m, e);
    if (code == SK_OK)
        code = meta__reload_sessions(m, e);
    if (code == SK_OK && m->cache.environment_count == 0) {
        code = first_start(m, o, ret_first, e);
        if (code == SK_OK)
            code = meta__reload(m, e);
    } else if (code == SK_OK && o->preset_ingest_key) {
        code = add_preset(m, span_text(o->preset_ingest_key), e);
    }
    return code;
}

sk_code meta_open(const meta_options *o, meta **ret, first_keys *ret_first, err *e)
{
    first_keys first = {0};
    if (sodium_init() < 0)
        return err_set(e, SK_INTERNAL, "libsodium cannot be started");
    meta *m = base_alloc_zero(1, sizeof *m);
    if (!m)
        return err_set(e, SK_NO_MEMORY, "no memory for the control plane");
    lock_init(&m->lock, RANK_META);
    lock_init(&m->cache_lock, RANK_LEAF);
    m->results_bytes_max = o->results_bytes_max ? o->results_bytes_max : META_RESULTS_BYTES;
    size_t dir_bytes = strlen(o->dir) + 1;
    m->dir = base_alloc(dir_bytes);
    sk_code code = m->dir ? SK_OK : err_set(e, SK_NO_MEMORY, "no memory for the control plane");
    if (m->dir)
        memcpy(m->dir, o->dir, dir_bytes);
    lock_take(&m->lock);
    if (code == SK_OK)
        code = open_all(m, o, &first, e);
    lock_drop(&m->lock);
    if (code != SK_OK) {
        meta_close(m);
        return code;
    }
    *ret = m;
    if (ret_first)
        *ret_first = first;
    return SK_OK;
}

void meta_close(meta *take_m)
{
    if (!take_m)
        return;
    err ignored; /* when keys were last used is a convenience */
    if (take_m->db) {
        lock_take(&take_m->lock);
        sk_code code = meta__write_used(take_m, &ignored);
        if (code == SK_OK)
            code = meta__write_seen(take_m, &ignored);
        (void)code;
        lock_drop(&take_m->lock);
        sqlite3_close_v2(take_m->db);
    }
    meta__cache_done(&take_m->cache);
    base_free(take_m->sessions);
    lock_done(&take_m->cache_lock);
    lock_done(&take_m->lock);
    sodium_memzero(take_m->secret, sizeof take_m->secret);
    base_free(take_m->dir);
    base_free(take_m);
}
