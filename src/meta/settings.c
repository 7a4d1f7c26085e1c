/*
 * meta/settings.c: named values of the server, and the bounded log of who changed what.
 */
#include "base/clock.h"
#include "meta/meta_private.h"

#define AUDIT_KEPT 10000 /* rows */

sk_code meta_setting_get(meta *m, const char *name, arena *mem, span *ret, err *e)
{
    sqlite3_stmt *s;
    lock_take(&m->lock);
    sk_code code = meta__prepare(m, "SELECT value FROM settings WHERE name = ?1", &s, e);
    if (code == SK_OK) {
        meta__bind_text(s, 1, name);
        int step = sqlite3_step(s);
        if (step == SQLITE_DONE)
            code = err_set(e, SK_NOT_FOUND, "there is no setting %s", name);
        else if (step != SQLITE_ROW)
            code = meta__error(m, "read", e);
        else if (!arena_copy(mem,
                             span_of(sqlite3_column_blob(s, 0), (size_t)sqlite3_column_bytes(s, 0)),
                             ret))
            code = err_set(e, SK_NO_MEMORY, "no memory for the setting %s", name);
        sqlite3_finalize(s);
    }
    lock_drop(&m->lock);
    return code;
}

sk_code meta_setting_set(meta *m, const char *name, span value, err *e)
{
    sqlite3_stmt *s;
    lock_take(&m->lock);
    sk_code code = meta__prepare(m,
                                 "INSERT INTO settings (name, value) VALUES (?1, ?2)"
                                 " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                                 &s, e);
    if (code == SK_OK) {
        meta__bind_text(s, 1, name);
        sqlite3_bind_blob(s, 2, value.len ? (const void *)value.at : "", (int)value.len,
                          SQLITE_TRANSIENT);
        code = meta__finish(m, s, e);
    }
    lock_drop(&m->lock);
    return code;
}

void meta_audit(meta *m, const char *actor, const char *action, const char *subject)
{
    sqlite3_stmt *s;
    err ignored; /* what was done is done: a log that cannot be written does not undo it */
    lock_take(&m->lock);
    sk_code code = meta__prepare(
        m, "INSERT INTO audit (at_ns, actor, action, subject) VALUES (?1, ?2, ?3, ?4)", &s,
        &ignored);
    if (code == SK_OK) {
        sqlite3_bind_int64(s, 1, clock_wall_ns());
        meta__bind_text(s, 2, actor);
        meta__bind_text(s, 3, action);
        meta__bind_text(s, 4, subject);
        code = meta__finish(m, s, &ignored);
    }
    if (code == SK_OK)
        code = meta__prepare(m, "DELETE FROM audit WHERE id <= (SELECT max(id) FROM audit) - ?1",
                             &s, &ignored);
    if (code == SK_OK) {
        sqlite3_bind_int(s, 1, AUDIT_KEPT);
        code = meta__finish(m, s, &ignored);
    }
    (void)code;
    lock_drop(&m->lock);
}
