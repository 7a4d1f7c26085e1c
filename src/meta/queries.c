/*
 * meta/queries.c: questions that were given a name. Two people who change the same one do not undo each other in silence: a change names the
 * version it was made from. Called by query workers.
 */
#include "base/clock.h"
#include "meta/meta_private.h"

#define COLUMNS                                                                                    \
    "id, environment, version, created_ns, changed_ns, created_by, changed_by, name, description," \
    " text, dataset, state"

static sk_code check(saved_query *q, err *e)
{
    const struct {
        const char *name;
        span text;
        size_t max;
    } texts[] = {{"name", q->name, META_NAME_MAX},
                 {"description", q->description, META_DESCRIPTION_MAX},
                 {"text", q->text, META_QUERY_TEXT_MAX},
                 {"dataset", q->dataset, META_DATASET_MAX},
                 {"state", q->state, META_STATE_MAX}};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        if (!utf8_is_valid(texts[i].text))
            return err_set(e, SK_BAD_INPUT, "\"%s\" is not UTF-8", texts[i].name);
        if (texts[i].text.len > texts[i].max)
            return err_set(e, SK_TOO_LARGE, "\"%s\" is %zu bytes, and at most %zu are kept",
                           texts[i].name, texts[i].text.len, texts[i].max);
    }
    q->name = span_trim(q->name);
    if (q->name.len == 0)
        return err_set(e, SK_BAD_INPUT, "\"name\" is missing: what the query is called");
    if (span_trim(q->text).len == 0)
        return err_set(e, SK_BAD_INPUT, "\"text\" is missing: the question");
    return SK_OK;
}

static sk_code name_taken(const saved_query *q, err *e)
{
    return err_set(e, SK_CONFLICT, "a query \"%.*s\" is saved already in this environment",
                   SPAN_FMT(q->name));
}

/* ---- reading ---- */

static sk_code read_query(sqlite3_stmt *s, arena *mem, saved_query *ret, err *e)
{
    *ret = (saved_query){.environment = (uint32_t)sqlite3_column_int64(s, 1),
                         .version = (uint64_t)sqlite3_column_int64(s, 2),
                         .created_ns = sqlite3_column_int64(s, 3),
                         .changed_ns = sqlite3_column_int64(s, 4)};
    meta__column_text(s, 0, ret->id, sizeof ret->id);
    meta__column_text(s, 5, ret->created_by, sizeof ret->created_by);
    meta__column_text(s, 6, ret->changed_by, sizeof ret->changed_by);
    span *texts[] = {&ret->name, &ret->description, &ret->text, &ret->dataset, &ret->state};
    sk_code code = SK_OK;
    for (int i = 0; i < (int)COUNT_OF(texts) && code == SK_OK; i++)
        code = meta__column_copy(s, 7 + i, mem, texts[i], e);
    return code;
}

static sk_code find(meta *m, uint32_t environment_id, span id, arena *mem, saved_query *ret, err *e)
{
    sqlite3_stmt *s;
    sk_code code = meta__prepare(
        m, "SELECT " COLUMNS " FROM queries WHERE environment = ?1 AND id = ?2", &s, e);
    if (code != SK_OK)
        return code;
    sqlite3_bind_int64(s, 1, environment_id);
    meta__bind_span(s, 2, id);
    int step = sqlite3_step(s);
    if (step == SQLITE_ROW)
        code = read_query(s, mem, ret, e);
    else
        code =
            step == SQLITE_DONE ? meta__no_such("saved query", id, e) : meta__error(m, "read", e);
    sqlite3_finalize(s);
    return code;
}

sk_code meta_query_get(meta *m, uint32_t environment_id, span id, arena *mem, saved_query *ret,
                       err *e)
{
    lock_take(&m->lock);
    sk_code code = find(m, environment_id, id, mem, ret, e);
    lock_drop(&m->lock);
    return code;
}

sk_code meta_query_list(meta *m, uint32_t environment_id, arena *mem, saved_query **ret,
                        uint32_t *ret_count, err *e)
{
    sqlite3_stmt *s;
    uint32_t found = 0;
    saved_query *list = ARENA_ARRAY(mem, saved_query, META_QUERIES_MAX + 1);
    if (!list)
        return err_set(e, SK_NO_MEMORY, "no memory to list saved queries");
    lock_take(&m->lock);
    sk_code code = meta__prepare(
        m, "SELECT " COLUMNS " FROM queries WHERE environment = ?1 ORDER BY name LIMIT ?2", &s, e);
    if (code == SK_OK) {
        sqlite3_bind_int64(s, 1, environment_id);
        sqlite3_bind_int64(s, 2, META_QUERIES_MAX);
        int step;
        while (code == SK_OK && (step = sqlite3_step(s)) != SQLITE_DONE)
            code = step == SQLITE_ROW ? read_query(s, mem, &list[found++], e)
                                      : meta__error(m, "read", e);
        sqlite3_finalize(s);
    }
    lock_drop(&m->lock);
    *ret = list;
    *ret_count = found;
    return code;
}

/* ---- writing ---- */

static sk_code check_room(meta *m, uint32_t environment_id, err *e)
{
    uint64_t count = 0;
    sk_code code = meta__count(m, "SELECT count(*) FROM queries WHERE environment = ?1",
                               environment_id, &count, e);
    if (code == SK_OK && count >= META_QUERIES_MAX)
        code = err_set(e, SK_CONFLICT,
                       "%u queries are saved in this environment, and no more are: delete some",
                       META_QUERIES_MAX);
    return code;
}

/* What can be changed, from ?6 on. */
static void bind_texts(sqlite3_stmt *s, const saved_query *q)
{
    meta__bind_span(s, 6, q->name);
    meta__bind_span(s, 7, q->description);
    meta__bind_span(s, 8, q->text);
    meta__bind_span(s, 9, q->dataset);
    meta__bind_span(s, 10, q->state);
}

static sk_code insert(meta *m, const saved_query *q, err *e)
{
    sqlite3_stmt *s;
    sk_code code = meta__prepare(m,
                                 "INSERT INTO queries (" COLUMNS ")"
                                 " VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?5, ?6, ?7, ?8, ?9, ?10)",
                                 &s, e);
    if (code != SK_OK)
        return code;
    meta__bind_text(s, 1, q->id);
    sqlite3_bind_int64(s, 2, q->environment);
    sqlite3_bind_int64(s, 3, (int64_t)q->version);
    sqlite3_bind_int64(s, 4, q->created_ns);
    meta__bind_text(s, 5, q->created_by);
    bind_texts(s, q);
    code = meta__finish(m, s, e);
    return code == SK_CONFLICT ? name_taken(q, e) : code;
}

sk_code meta_query_save(meta *m, saved_query *q, err *e)
{
    sk_code code = check(q, e);
    if (code != SK_OK)
        return code;
    q->version = 1;
    q->created_ns = q->changed_ns = clock_wall_ns();
    memcpy(q->created_by, q->changed_by, sizeof q->created_by);
    meta__random_id(q->id);
    lock_take(&m->lock);
    code = check_room(m, q->environment, e);
    if (code == SK_OK)
        code = insert(m, q, e);
    lock_drop(&m->lock);
    return code;
}

static sk_code update(meta *m, const saved_query *q, err *e)
{
    sqlite3_stmt *s;
    sk_code code =
        meta__prepare(m,
                      "UPDATE queries SET version = ?3, changed_ns = ?4, changed_by = ?5, name ="
                      " ?6, description = ?7, text = ?8, dataset = ?9, state = ?10"
                      " WHERE id = ?1 AND environment = ?2",
                      &s, e);
    if (code != SK_OK)
        return code;
    meta__bind_text(s, 1, q->id);
    sqlite3_bind_int64(s, 2, q->environment);
    sqlite3_bind_int64(s, 3, (int64_t)q->version);
    sqlite3_bind_int64(s, 4, q->changed_ns);
    meta__bind_text(s, 5, q->changed_by);
    bind_texts(s, q);
    code = meta__finish(m, s, e);
    return code == SK_CONFLICT ? name_taken(q, e) : code;
}

static sk_code check_version(const saved_query *now, uint64_t from_version, err *e)
{
    return now->version == from_version
               ? SK_OK
               : err_set(e, SK_CONFLICT,
                         "\"%.*s\" was changed meanwhile by %s: it has version %llu, not %llu; "
                         "read it again",
                         SPAN_FMT(now->name), now->changed_by, (unsigned long long)now->version,
                         (unsigned long long)from_version);
}

sk_code meta_query_change(meta *m, span id, arena *mem, saved_query *q, err *e)
{
    saved_query now;
    sk_code code = check(q, e);
    if (code != SK_OK)
        return code;
    lock_take(&m->lock);
    code = find(m, q->environment, id, mem, &now, e);
    if (code == SK_OK)
        code = check_version(&now, q->version, e);
    if (code == SK_OK) {
        memcpy(q->id, now.id, sizeof q->id);
        memcpy(q->created_by, now.created_by, sizeof q->created_by);
        q->created_ns = now.created_ns;
        q->changed_ns = clock_wall_ns();
        q->version = now.version + 1;
        code = update(m, q, e);
    }
    lock_drop(&m->lock);
    return code;
}

sk_code meta_query_delete(meta *m, uint32_t environment_id, span id, uint64_t from_version,
                          arena *mem, err *e)
{
    saved_query now;
    lock_take(&m->lock);
    sk_code code = find(m, environment_id, id, mem, &now, e);
    if (code == SK_OK && from_version)
        code = check_version(&now, from_version, e);
    if (code == SK_OK)
        code = meta__delete(m, "DELETE FROM queries WHERE environment = ?1 AND id = ?2",
                            environment_id, id, e);
    lock_drop(&m->lock);
    return code;
}
