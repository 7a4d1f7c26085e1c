/*
 * meta/database.c: the SQLite connection: opening, schema and its version, errors as our codes. Called by the other files
 * of this folder with the writer's lock held. Never: sees a secret of a key.
 */
#include <stdio.h>

#include "base/buf.h"
#include "base/file.h"
#include "meta/meta_private.h"

#define BUSY_WAIT_MS 2000

/* What each version of the schema adds to the one before it: a new one stands at the end, none is ever changed. */
static const char *const steps[] = {
    "CREATE TABLE environments (id INTEGER PRIMARY KEY AUTOINCREMENT, slug TEXT NOT NULL UNIQUE,"
    " name TEXT NOT NULL, created_ns INTEGER NOT NULL, retention_ns INTEGER NOT NULL DEFAULT 0) "
    "STRICT;"
    "CREATE TABLE keys (id TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE, name TEXT NOT NULL,"
    " kind INTEGER NOT NULL, permissions INTEGER NOT NULL,"
    " environment INTEGER NOT NULL REFERENCES environments (id) ON DELETE CASCADE,"
    " created_ns INTEGER NOT NULL, last_used_ns INTEGER NOT NULL DEFAULT 0,"
    " revoked_ns INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE INDEX keys_by_environment ON keys (environment);"
    "CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE audit (id INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL, actor TEXT NOT NULL,"
    " action TEXT NOT NULL, subject TEXT NOT NULL) STRICT;",
    /* 2: people, and the origins of browser keys (separated by spaces) */
    "CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " name TEXT NOT NULL UNIQUE COLLATE NOCASE, password TEXT NOT NULL, role INTEGER NOT NULL,"
    " created_ns INTEGER NOT NULL, last_login_ns INTEGER NOT NULL DEFAULT 0,"
    " disabled_ns INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE TABLE sessions (id TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE,"
    " user INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE, created_ns INTEGER NOT NULL,"
    " last_seen_ns INTEGER NOT NULL, address TEXT NOT NULL, agent TEXT NOT NULL) STRICT;"
    "CREATE INDEX sessions_by_user ON sessions (user);"
    "CREATE TABLE links (hash BLOB PRIMARY KEY,"
    " user INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,"
    " ends_ns INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "ALTER TABLE keys ADD COLUMN origins TEXT NOT NULL DEFAULT '';",
    /* 3: answers kept under a link; the big column stands last, so that lists do not read it */
    "CREATE TABLE results (id TEXT PRIMARY KEY,"
    " environment INTEGER NOT NULL REFERENCES environments (id) ON DELETE CASCADE,"
    " kind INTEGER NOT NULL, actor TEXT NOT NULL, created_ns INTEGER NOT NULL,"
    " kept_bytes INTEGER NOT NULL, question TEXT NOT NULL, state TEXT NOT NULL,"
    " answer BLOB NOT NULL) STRICT;"
    "CREATE INDEX results_by_environment ON results (environment, created_ns, kept_bytes);",
    /* 4: questions that were asked; -1: not told */
    "CREATE TABLE history (id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " environment INTEGER NOT NULL REFERENCES environments (id) ON DELETE CASCADE,"
    " actor TEXT NOT NULL, at_ns INTEGER NOT NULL, elapsed_ns INTEGER NOT NULL,"
    " rows INTEGER NOT NULL, text TEXT NOT NULL, state TEXT NOT NULL) STRICT;"
    "CREATE INDEX history_by_environment ON history (environment);"
    "CREATE INDEX history_by_actor ON history (environment, actor);",
    /* 5: questions with a name */
    "CREATE TABLE queries (id TEXT PRIMARY KEY,"
    " environment INTEGER NOT NULL REFERENCES environments (id) ON DELETE CASCADE,"
    " version INTEGER NOT NULL, created_ns INTEGER NOT NULL, changed_ns INTEGER NOT NULL,"
    " created_by TEXT NOT NULL, changed_by TEXT NOT NULL, name TEXT NOT NULL COLLATE NOCASE,"
    " description TEXT NOT NULL, text TEXT NOT NULL, dataset TEXT NOT NULL, state TEXT NOT NULL,"
    " UNIQUE (environment, name)) STRICT;",
    /* 6: moments that were marked */
    "CREATE TABLE markers (id TEXT PRIMARY KEY,"
    " environment INTEGER NOT NULL REFERENCES environments (id) ON DELETE CASCADE,"
    " start_ns INTEGER NOT NULL, end_ns INTEGER, created_ns INTEGER NOT NULL, actor TEXT NOT NULL,"
    " message TEXT NOT NULL, type TEXT NOT NULL, url TEXT NOT NULL) STRICT;"
    "CREATE INDEX markers_by_time ON markers (environment, start_ns);",
    /* 7: what of events is never written down */
    "CREATE TABLE redactions (environment INTEGER NOT NULL REFERENCES environments (id)"
    " ON DELETE CASCADE, position INTEGER NOT NULL, action INTEGER NOT NULL, field TEXT NOT NULL,"
    " PRIMARY KEY (environment, position)) STRICT, WITHOUT ROWID;",
};
#define SCHEMA_VERSION ((int)COUNT_OF(steps))

sk_code meta__error(meta *m, const char *what, err *e)
{
    int result = m->db ? sqlite3_errcode(m->db) : SQLITE_NOMEM;
    sk_code code = SK_INTERNAL;
    switch (result & 0xff) {
    case SQLITE_CONSTRAINT: code = SK_CONFLICT; break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: code = SK_BUSY; break;
    case SQLITE_NOMEM: code = SK_NO_MEMORY; break;
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN: code = SK_IO; break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: code = SK_CORRUPT; break;
    default: break;
    }
    return err_set(e, code, "%s/meta.db: cannot %s: %s", m->dir, what,
                   m->db ? sqlite3_errmsg(m->db) : "no memory");
}

sk_code meta__execute(meta *m, const char *sql, err *e)
{
    return sqlite3_exec(m->db, sql, NULL, NULL, NULL) == SQLITE_OK ? SK_OK
                                                                   : meta__error(m, "write", e);
}

sk_code meta__begin(meta *m, err *e)
{
    return meta__execute(m, "BEGIN IMMEDIATE", e);
}

sk_code meta__end(meta *m, sk_code so_far, err *e)
{
    sk_code code = so_far == SK_OK ? meta__execute(m, "COMMIT", e) : so_far;
    if (code != SK_OK && !sqlite3_get_autocommit(m->db))
        sqlite3_exec(m->db, "ROLLBACK", NULL, NULL, NULL);
    return code;
}

sk_code meta__prepare(meta *m, const char *sql, sqlite3_stmt **ret, err *e)
{
    return sqlite3_prepare_v2(m->db, sql, -1, ret, NULL) == SQLITE_OK ? SK_OK
                                                                      : meta__error(m, "read", e);
}

sk_code meta__finish(meta *m, sqlite3_stmt *take_statement, err *e)
{
    sk_code code = sqlite3_step(take_statement) == SQLITE_DONE ? SK_OK : meta__error(m, "write", e);
    sqlite3_finalize(take_statement);
    return code;
}

void meta__bind_text(sqlite3_stmt *s, int at, const char *text)
{
    sqlite3_bind_text(s, at, text, -1, SQLITE_TRANSIENT);
}

void meta__bind_span(sqlite3_stmt *s, int at, span text)
{
    sqlite3_bind_text(s, at, text.len ? (const char *)text.at : "", (int)text.len,
                      SQLITE_TRANSIENT);
}

sk_code meta__column_copy(sqlite3_stmt *s, int at, arena *mem, span *ret, err *e)
{
    const void *bytes = sqlite3_column_blob(s, at);
    span held = span_of(bytes ? bytes : "", (size_t)sqlite3_column_bytes(s, at));
    return arena_copy(mem, held, ret) ? SK_OK
                                      : err_set(e, SK_NO_MEMORY, "no memory for what was saved");
}

sk_code meta__delete(meta *m, const char *sql, uint32_t environment_id, span id, err *e)
{
    sqlite3_stmt *s;
    sk_code code = meta__prepare(m, sql, &s, e);
    if (code != SK_OK)
        return code;
    sqlite3_bind_int64(s, 1, environment_id);
    meta__bind_span(s, 2, id);
    code = meta__finish(m, s, e);
    return code == SK_OK && sqlite3_changes(m->db) == 0 ? SK_NOT_FOUND : code;
}

sk_code meta__count(meta *m, const char *sql, uint32_t environment_id, uint64_t *ret, err *e)
{
    sqlite3_stmt *s;
    sk_code code = meta__prepare(m, sql, &s, e);
    if (code != SK_OK)
        return code;
    sqlite3_bind_int64(s, 1, environment_id);
    if (sqlite3_step(s) == SQLITE_ROW)
        *ret = (uint64_t)sqlite3_column_int64(s, 0);
    else
        code = meta__error(m, "read", e);
    sqlite3_finalize(s);
    return code;
}

sk_code meta__no_such(const char *what, span id, err *e)
{
    return err_set(e, SK_NOT_FOUND, "there is no %s \"%.*s\"", what, SPAN_FMT(span_first(id, 40)));
}

void meta__random_id(char out[META_ID_MAX])
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    for (uint32_t i = 0; i < META_ID_MAX - 1; i++)
        out[i] = digits[randombytes_uniform(sizeof digits - 1)];
    out[META_ID_MAX - 1] = 0;
}

void meta__column_text(sqlite3_stmt *s, int at, char *out, size_t size)
{
    const unsigned char *text = sqlite3_column_text(s, at);
    snprintf(out, size, "%s", text ? (const char *)text : "");
}

static sk_code check_version(meta *m, err *e)
{
    sqlite3_stmt *s;
    char set_version[40];
    sk_code code = meta__prepare(m, "PRAGMA user_version", &s, e);
    if (code != SK_OK)
        return code;
    bool has_row = sqlite3_step(s) == SQLITE_ROW;
    int version = has_row ? sqlite3_column_int(s, 0) : 0;
    if (!has_row)
        code = meta__error(m, "read", e);
    sqlite3_finalize(s);
    if (code != SK_OK || version == SCHEMA_VERSION)
        return code;
    if (version > SCHEMA_VERSION)
        return err_set(e, SK_UNSUPPORTED,
                       "%s/meta.db has format %d, newer than the %d this version reads", m->dir,
                       version, SCHEMA_VERSION);
    code = meta__execute(m, "BEGIN IMMEDIATE", e);
    for (; code == SK_OK && version < SCHEMA_VERSION; version++)
        code = meta__execute(m, steps[version], e);
    snprintf(set_version, sizeof set_version, "PRAGMA user_version = %d", SCHEMA_VERSION);
    if (code == SK_OK)
        code = meta__execute(m, set_version, e);
    return code == SK_OK ? meta__execute(m, "COMMIT", e) : code;
}

sk_code meta__database_open(meta *m, err *e)
{
    static const char settings[] = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                                   "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;"
                                   "PRAGMA cache_size = -512;";
    buf path;
    file *f;
    buf_init(&path, 8 * KIB);
    buf_print(&path, "%s/meta.db", m->dir);
    buf_add_u8(&path, 0);
    if (path.failed) {
        buf_done(&path);
        return err_set(e, SK_NO_MEMORY, "no memory to open %s/meta.db", m->dir);
    }
    const char *name = (const char *)path.at;
    sk_code code = file_open(name, FILE_WRITE, &f, e); /* so that it is nobody else's: mode 0600 */
    if (code == SK_OK) {
        file_close(f);
        int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
        if (sqlite3_open_v2(name, &m->db, flags, NULL) != SQLITE_OK)
            code = meta__error(m, "open", e);
    }
    buf_done(&path);
    if (code != SK_OK)
        return code;
    sqlite3_extended_result_codes(m->db, 1);
    sqlite3_busy_timeout(m->db, BUSY_WAIT_MS);
    code = meta__execute(m, settings, e);
    return code == SK_OK ? check_version(m, e) : code;
}
