/*
 * meta/markers.c: moments that people or their tools marked: deployments, incidents. Called by query workers. Past the bound the earliest go: who
 * marks is often a build, which must not fail because of what was marked years ago.
 */
#include "base/clock.h"
#include "meta/meta_private.h"

static bool is_link(span url)
{
    return span_starts_with(url, SPAN("https://")) || span_starts_with(url, SPAN("http://"));
}

static sk_code check(marker *k, err *e)
{
    const struct {
        const char *name;
        span text;
        size_t max;
    } texts[] = {{"message", k->message, META_MARKER_MESSAGE_MAX},
                 {"type", k->type, META_MARKER_TYPE_MAX},
                 {"url", k->url, META_MARKER_URL_MAX}};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        if (!utf8_is_valid(texts[i].text))
            return err_set(e, SK_BAD_INPUT, "\"%s\" is not UTF-8", texts[i].name);
        if (texts[i].text.len > texts[i].max)
            return err_set(e, SK_TOO_LARGE, "\"%s\" is %zu bytes, and at most %zu are kept",
                           texts[i].name, texts[i].text.len, texts[i].max);
    }
    k->type = span_trim(k->type);
    if (span_trim(k->message).len == 0 && k->type.len == 0)
        return err_set(e, SK_BAD_INPUT, "give \"message\" or \"type\": what happened");
    if (k->url.len && !is_link(k->url))
        return err_set(e, SK_BAD_INPUT, "\"url\" starts with https:// or http://");
    if (k->end_ns != MARKER_NO_END && k->end_ns < k->start_ns)
        return err_set(e, SK_BAD_INPUT, "\"end_time\" is before \"start_time\"");
    return SK_OK;
}

static sk_code insert(meta *m, const marker *k, err *e)
{
    sqlite3_stmt *s;
    sk_code code =
        meta__prepare(m,
                      "INSERT INTO markers (id, environment, start_ns, end_ns, created_ns, actor,"
                      " message, type, url) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                      &s, e);
    if (code != SK_OK)
        return code;
    meta__bind_text(s, 1, k->id);
    sqlite3_bind_int64(s, 2, k->environment);
    sqlite3_bind_int64(s, 3, k->start_ns);
    if (k->end_ns != MARKER_NO_END)
        sqlite3_bind_int64(s, 4, k->end_ns);
    sqlite3_bind_int64(s, 5, k->created_ns);
    meta__bind_text(s, 6, k->actor);
    meta__bind_span(s, 7, k->message);
    meta__bind_span(s, 8, k->type);
    meta__bind_span(s, 9, k->url);
    return meta__finish(m, s, e);
}

/* The new one stays, however early it starts. */
static sk_code drop_earliest(meta *m, const marker *k, err *e)
{
    sqlite3_stmt *s;
    uint64_t count = 0;
    sk_code code = meta__count(m, "SELECT count(*) FROM markers WHERE environment = ?1",
                               k->environment, &count, e);
    if (code != SK_OK || count <= META_MARKERS_MAX)
        return code;
    code = meta__prepare(m,
                         "DELETE FROM markers WHERE id IN (SELECT id FROM markers"
                         " WHERE environment = ?1 AND id <> ?2 ORDER BY start_ns LIMIT ?3)",
                         &s, e);
    if (code != SK_OK)
        return code;
    sqlite3_bind_int64(s, 1, k->environment);
    meta__bind_text(s, 2, k->id);
    sqlite3_bind_int64(s, 3, (int64_t)(count - META_MARKERS_MAX));
    return meta__finish(m, s, e);
}

sk_code meta_marker_add(meta *m, marker *k, err *e)
{
    sk_code code = check(k, e);
    if (code != SK_OK)
        return code;
    k->created_ns = clock_wall_ns();
    meta__random_id(k->id);
    lock_take(&m->lock);
    code = meta__begin(m, e);
    if (code == SK_OK) {
        code = insert(m, k, e);
        if (code == SK_OK)
            code = drop_earliest(m, k, e);
        code = meta__end(m, code, e);
    }
    lock_drop(&m->lock);
    return code;
}

/* ---- reading ---- */

static sk_code read_marker(sqlite3_stmt *s, arena *mem, marker *ret, err *e)
{
    bool has_end = sqlite3_column_type(s, 2) != SQLITE_NULL;
    *ret = (marker){.start_ns = sqlite3_column_int64(s, 1),
                    .end_ns = has_end ? sqlite3_column_int64(s, 2) : MARKER_NO_END,
                    .created_ns = sqlite3_column_int64(s, 3)};
    meta__column_text(s, 0, ret->id, sizeof ret->id);
    meta__column_text(s, 4, ret->actor, sizeof ret->actor);
    span *texts[] = {&ret->message, &ret->type, &ret->url};
    sk_code code = SK_OK;
    for (int i = 0; i < (int)COUNT_OF(texts) && code == SK_OK; i++)
        code = meta__column_copy(s, 5 + i, mem, texts[i], e);
    return code;
}

sk_code meta_marker_list(meta *m, const marker_filter *which, arena *mem, marker **ret,
                         uint32_t *ret_count, err *e)
{
    sqlite3_stmt *s;
    uint32_t found = 0;
    marker *list = ARENA_ARRAY(mem, marker, which->limit + 1);
    if (!list)
        return err_set(e, SK_NO_MEMORY, "no memory to list markers");
    lock_take(&m->lock);
    sk_code code =
        meta__prepare(m,
                      "SELECT id, start_ns, end_ns, created_ns, actor, message, type, url"
                      " FROM markers WHERE environment = ?1 AND start_ns < ?3"
                      " AND coalesce(end_ns, start_ns) >= ?2 AND (?4 = '' OR type = ?4)"
                      " ORDER BY start_ns DESC, id LIMIT ?5",
                      &s, e);
    if (code == SK_OK) {
        sqlite3_bind_int64(s, 1, which->environment);
        sqlite3_bind_int64(s, 2, which->start_ns);
        sqlite3_bind_int64(s, 3, which->end_ns);
        meta__bind_span(s, 4, which->type);
        sqlite3_bind_int64(s, 5, which->limit);
        int step;
        while (code == SK_OK && (step = sqlite3_step(s)) != SQLITE_DONE)
            code = step == SQLITE_ROW ? read_marker(s, mem, &list[found++], e)
                                      : meta__error(m, "read", e);
        sqlite3_finalize(s);
    }
    lock_drop(&m->lock);
    *ret = list;
    *ret_count = found;
    return code;
}

sk_code meta_marker_delete(meta *m, uint32_t environment_id, span id, err *e)
{
    lock_take(&m->lock);
    sk_code code = meta__delete(m, "DELETE FROM markers WHERE environment = ?1 AND id = ?2",
                                environment_id, id, e);
    lock_drop(&m->lock);
    return code == SK_NOT_FOUND ? meta__no_such("marker", id, e) : code;
}
