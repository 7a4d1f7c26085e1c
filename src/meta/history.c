/*
 * meta/history.c: questions that people asked on purpose, the newest of each environment. Called by query workers.
 */
#include "base/clock.h"
#include "meta/meta_private.h"

static sk_code check(const history_entry *h, err *e)
{
    span text = span_trim(h->text);
    if (text.len == 0 || !utf8_is_valid(h->text))
        return err_set(e, SK_BAD_INPUT, "\"text\" is the question, as UTF-8");
    if (h->text.len > META_HISTORY_TEXT_MAX)
        return err_set(e, SK_TOO_LARGE, "\"text\" is %zu bytes, and at most %u are noted",
                       h->text.len, (unsigned)META_HISTORY_TEXT_MAX);
    if (h->state.len > META_HISTORY_STATE_MAX)
        return err_set(e, SK_TOO_LARGE, "\"state\" is %zu bytes, and at most %u are noted",
                       h->state.len, (unsigned)META_HISTORY_STATE_MAX);
    return SK_OK;
}

/* The same question asked again right away by the same person is one: its older row goes. */
static sk_code drop_same(meta *m, const history_entry *h, err *e)
{
    sqlite3_stmt *s;
    sk_code code = meta__prepare(m,
                                 "DELETE FROM history WHERE id = (SELECT max(id) FROM history"
                                 " WHERE environment = ?1 AND actor = ?2)"
                                 " AND text = ?3 AND state = ?4",
                                 &s, e);
    if (code != SK_OK)
        return code;
    sqlite3_bind_int64(s, 1, h->environment);
    meta__bind_text(s, 2, h->actor);
    meta__bind_span(s, 3, h->text);
    meta__bind_span(s, 4, h->state);
    return meta__finish(m, s, e);
}

static sk_code insert(meta *m, history_entry *h, err *e)
{
    sqlite3_stmt *s;
    sk_code code = meta__prepare(m,
                                 "INSERT INTO history (environment, actor, at_ns, elapsed_ns, rows,"
                                 " text, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                                 &s, e);
    if (code != SK_OK)
        return code;
    sqlite3_bind_int64(s, 1, h->environment);
    meta__bind_text(s, 2, h->actor);
    sqlite3_bind_int64(s, 3, h->at_ns);
    sqlite3_bind_int64(s, 4, h->elapsed_ns);
    sqlite3_bind_int64(s, 5, h->rows);
    meta__bind_span(s, 6, h->text);
    meta__bind_span(s, 7, h->state);
    code = meta__finish(m, s, e);
    if (code == SK_OK)
        h->id = sqlite3_last_insert_rowid(m->db);
    return code;
}

static sk_code drop_old(meta *m, uint32_t environment_id, err *e)
{
    sqlite3_stmt *s;
    sk_code code = meta__prepare(m,
                                 "DELETE FROM history WHERE environment = ?1 AND id <="
                                 " (SELECT id FROM history WHERE environment = ?1"
                                 " ORDER BY id DESC LIMIT 1 OFFSET ?2)",
                                 &s, e);
    if (code != SK_OK)
        return code;
    sqlite3_bind_int64(s, 1, environment_id);
    sqlite3_bind_int64(s, 2, META_HISTORY_MAX);
    return meta__finish(m, s, e);
}

sk_code meta_history_add(meta *m, history_entry *h, err *e)
{
    sk_code code = check(h, e);
    if (code != SK_OK)
        return code;
    h->at_ns = clock_wall_ns();
    lock_take(&m->lock);
    code = meta__begin(m, e);
    if (code == SK_OK) {
        code = drop_same(m, h, e);
        if (code == SK_OK)
            code = insert(m, h, e);
        if (code == SK_OK)
            code = drop_old(m, h->environment, e);
        code = meta__end(m, code, e);
    }
    lock_drop(&m->lock);
    return code;
}

/* ---- reading ---- */

static sk_code read_entry(sqlite3_stmt *s, arena *mem, history_entry *ret, err *e)
{
    *ret = (history_entry){.id = sqlite3_column_int64(s, 0),
                           .at_ns = sqlite3_column_int64(s, 2),
                           .elapsed_ns = sqlite3_column_int64(s, 3),
                           .rows = sqlite3_column_int64(s, 4)};
    meta__column_text(s, 1, ret->actor, sizeof ret->actor);
    sk_code code = meta__column_copy(s, 5, mem, &ret->text, e);
    return code == SK_OK ? meta__column_copy(s, 6, mem, &ret->state, e) : code;
}

sk_code meta_history_list(meta *m, uint32_t environment_id, const char *actor, uint32_t limit,
                          arena *mem, history_entry **ret, uint32_t *ret_count, err *e)
{
    sqlite3_stmt *s;
    uint32_t found = 0;
    history_entry *list = ARENA_ARRAY(mem, history_entry, limit + 1);
    if (!list)
        return err_set(e, SK_NO_MEMORY, "no memory to list the history");
    lock_take(&m->lock);
    sk_code code =
        meta__prepare(m,
                      actor ? "SELECT id, actor, at_ns, elapsed_ns, rows, text, state FROM history"
                              " WHERE environment = ?1 AND actor = ?3 ORDER BY id DESC LIMIT ?2"
                            : "SELECT id, actor, at_ns, elapsed_ns, rows, text, state FROM history"
                              " WHERE environment = ?1 ORDER BY id DESC LIMIT ?2",
                      &s, e);
    if (code == SK_OK) {
        sqlite3_bind_int64(s, 1, environment_id);
        sqlite3_bind_int64(s, 2, limit);
        if (actor)
            meta__bind_text(s, 3, actor);
        int step;
        while (code == SK_OK && (step = sqlite3_step(s)) != SQLITE_DONE)
            code = step == SQLITE_ROW ? read_entry(s, mem, &list[found++], e)
                                      : meta__error(m, "read", e);
        sqlite3_finalize(s);
    }
    lock_drop(&m->lock);
    *ret = list;
    *ret_count = found;
    return code;
}
