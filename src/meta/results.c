/*
 * meta/results.c: answers kept under a short link, compressed, as they were given. Called by query workers. Never: drops one to make
 * room for another: a link that was given to someone goes on working until a person deletes it.
 */
#include "base/clock.h"
#include "meta/meta_private.h"
#include "wire/body.h"

#define ROW_BYTES 512 /* of a row besides its texts, about */

static const char *const kind_names[] = {"query", "differences"};
_Static_assert(COUNT_OF(kind_names) == SAVED_KIND_COUNT, "every kind has a name");

const char *saved_kind_name(saved_kind k)
{
    return kind_names[k];
}

bool saved_kind_of(span name, saved_kind *ret)
{
    for (uint32_t k = 0; k < SAVED_KIND_COUNT; k++)
        if (span_is(name, kind_names[k])) {
            *ret = (saved_kind)k;
            return true;
        }
    return false;
}

static sk_code count(meta *m, uint32_t environment_id, uint64_t *ret_count, uint64_t *ret_bytes,
                     err *e)
{
    sqlite3_stmt *s;
    sk_code code = meta__prepare(m,
                                 "SELECT count(*), total(kept_bytes) FROM results"
                                 " WHERE ?1 = 0 OR environment = ?1",
                                 &s, e);
    if (code != SK_OK)
        return code;
    sqlite3_bind_int64(s, 1, environment_id);
    if (sqlite3_step(s) == SQLITE_ROW) {
        *ret_count = (uint64_t)sqlite3_column_int64(s, 0);
        *ret_bytes = (uint64_t)sqlite3_column_int64(s, 1);
    } else {
        code = meta__error(m, "read", e);
    }
    sqlite3_finalize(s);
    return code;
}

static sk_code check_room(meta *m, uint64_t bytes, err *e)
{
    uint64_t results = 0, used = 0;
    sk_code code = count(m, 0, &results, &used, e);
    if (code == SK_OK && results >= META_RESULTS_MAX)
        return err_set(e, SK_CONFLICT,
                       "%u results are stored, and no more are: delete old ones "
                       "(DELETE /skep/v1/results/ID)",
                       META_RESULTS_MAX);
    if (code == SK_OK && used + bytes > m->results_bytes_max)
        return err_set(e, SK_CONFLICT,
                       "stored results take %llu of %llu bytes (--results-max), and this one needs "
                       "%llu: delete old ones (DELETE /skep/v1/results/ID), or raise the bound",
                       (unsigned long long)used, (unsigned long long)m->results_bytes_max,
                       (unsigned long long)bytes);
    return code;
}

static sk_code insert(meta *m, const saved_result *r, span packed, err *e)
{
    sqlite3_stmt *s;
    sk_code code = meta__prepare(m,
                                 "INSERT INTO results (id, environment, kind, actor, created_ns,"
                                 " kept_bytes, question, state, answer)"
                                 " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                                 &s, e);
    if (code != SK_OK)
        return code;
    meta__bind_text(s, 1, r->id);
    sqlite3_bind_int64(s, 2, r->environment);
    sqlite3_bind_int(s, 3, (int)r->kind);
    meta__bind_text(s, 4, r->actor);
    sqlite3_bind_int64(s, 5, r->created_ns);
    sqlite3_bind_int64(s, 6, (int64_t)r->kept_bytes);
    meta__bind_span(s, 7, r->question);
    meta__bind_span(s, 8, r->state);
    sqlite3_bind_blob(s, 9, packed.at, (int)packed.len, SQLITE_STATIC);
    return meta__finish(m, s, e);
}

static sk_code check_sizes(const saved_result *r, err *e)
{
    const struct {
        const char *what;
        size_t bytes, max;
    } parts[] = {{"question", r->question.len, META_QUESTION_MAX},
                 {"state", r->state.len, META_STATE_MAX},
                 {"answer", r->answer.len, META_ANSWER_BYTES_MAX}};
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        if (parts[i].bytes > parts[i].max)
            return err_set(e, SK_TOO_LARGE,
                           "the %s is %zu bytes of JSON, and a stored result's is at most %zu%s",
                           parts[i].what, parts[i].bytes, parts[i].max,
                           i == 2 ? ": ask for less (LIMIT, a shorter range)" : "");
    return SK_OK;
}

sk_code meta_result_keep(meta *m, saved_result *r, err *e)
{
    buf packed;
    sk_code code = check_sizes(r, e);
    if (code != SK_OK)
        return code;
    buf_init(&packed, META_ANSWER_BYTES_MAX + MIB);
    code = body_deflate(BODY_ZSTD, r->answer, &packed, e);
    if (code == SK_OK && packed.failed)
        code = err_set(e, SK_NO_MEMORY, "no memory to store the answer");
    r->created_ns = clock_wall_ns();
    r->kept_bytes = packed.len + r->question.len + r->state.len + ROW_BYTES;
    meta__random_id(r->id);
    lock_take(&m->lock);
    if (code == SK_OK)
        code = check_room(m, r->kept_bytes, e);
    if (code == SK_OK)
        code = insert(m, r, buf_span(&packed), e);
    lock_drop(&m->lock);
    buf_done(&packed);
    return code;
}

/* ---- reading ---- */

#define COLUMNS "id, environment, kind, actor, created_ns, kept_bytes, question, state"

static sk_code read_result(sqlite3_stmt *s, arena *mem, saved_result *ret, err *e)
{
    int kind = sqlite3_column_int(s, 2);
    *ret = (saved_result){.environment = (uint32_t)sqlite3_column_int64(s, 1),
                          .kind =
                              kind >= 0 && kind < SAVED_KIND_COUNT ? (saved_kind)kind : SAVED_QUERY,
                          .created_ns = sqlite3_column_int64(s, 4),
                          .kept_bytes = (uint64_t)sqlite3_column_int64(s, 5)};
    meta__column_text(s, 0, ret->id, sizeof ret->id);
    meta__column_text(s, 3, ret->actor, sizeof ret->actor);
    sk_code code = meta__column_copy(s, 6, mem, &ret->question, e);
    return code == SK_OK ? meta__column_copy(s, 7, mem, &ret->state, e) : code;
}

/* The compressed answer is copied under the lock, and unpacked after it. */
static sk_code find(meta *m, span id, arena *mem, saved_result *ret, span *ret_packed, err *e)
{
    sqlite3_stmt *s;
    sk_code code = meta__prepare(m, "SELECT " COLUMNS ", answer FROM results WHERE id = ?1", &s, e);
    if (code != SK_OK)
        return code;
    meta__bind_span(s, 1, id);
    int step = sqlite3_step(s);
    if (step == SQLITE_DONE)
        code = meta__no_such("stored result", id, e);
    else if (step != SQLITE_ROW)
        code = meta__error(m, "read", e);
    else
        code = read_result(s, mem, ret, e);
    if (code == SK_OK)
        code = meta__column_copy(s, 8, mem, ret_packed, e);
    sqlite3_finalize(s);
    return code;
}

sk_code meta_result_get(meta *m, span id, arena *mem, saved_result *ret, err *e)
{
    buf answer;
    span packed;
    if (id.len != META_ID_MAX - 1)
        return meta__no_such("stored result", id, e);
    lock_take(&m->lock);
    sk_code code = find(m, id, mem, ret, &packed, e);
    lock_drop(&m->lock);
    if (code != SK_OK)
        return code;
    buf_init(&answer, META_ANSWER_BYTES_MAX);
    code = body_inflate(BODY_ZSTD, packed, &answer, e);
    if (code != SK_OK)
        code = err_set(e, SK_CORRUPT, "%s/meta.db: the answer of result %s cannot be unpacked",
                       m->dir, ret->id);
    else if (!arena_copy(mem, buf_span(&answer), &ret->answer))
        code = err_set(e, SK_NO_MEMORY, "no memory for the stored answer");
    buf_done(&answer);
    return code;
}

sk_code meta_result_list(meta *m, uint32_t environment_id, uint32_t limit, arena *mem,
                         saved_result **ret, uint32_t *ret_count, err *e)
{
    sqlite3_stmt *s;
    uint32_t found = 0;
    saved_result *list = ARENA_ARRAY(mem, saved_result, limit + 1);
    if (!list)
        return err_set(e, SK_NO_MEMORY, "no memory to list results");
    lock_take(&m->lock);
    sk_code code = meta__prepare(m,
                                 "SELECT " COLUMNS " FROM results WHERE environment = ?1"
                                 " ORDER BY created_ns DESC, id LIMIT ?2",
                                 &s, e);
    if (code == SK_OK) {
        sqlite3_bind_int64(s, 1, environment_id);
        sqlite3_bind_int64(s, 2, limit);
        int step;
        while (code == SK_OK && (step = sqlite3_step(s)) != SQLITE_DONE)
            code = step == SQLITE_ROW ? read_result(s, mem, &list[found++], e)
                                      : meta__error(m, "read", e);
        sqlite3_finalize(s);
    }
    lock_drop(&m->lock);
    *ret = list;
    *ret_count = found;
    return code;
}

sk_code meta_result_delete(meta *m, uint32_t environment_id, span id, err *e)
{
    lock_take(&m->lock);
    sk_code code = meta__delete(m, "DELETE FROM results WHERE environment = ?1 AND id = ?2",
                                environment_id, id, e);
    lock_drop(&m->lock);
    return code == SK_NOT_FOUND ? meta__no_such("stored result", id, e) : code;
}

sk_code meta_saved_counts(meta *m, uint32_t environment_id, saved_counts *ret, err *e)
{
    lock_take(&m->lock);
    sk_code code = count(m, environment_id, &ret->results, &ret->result_bytes, e);
    lock_drop(&m->lock);
    return code;
}

uint64_t meta_results_bytes_max(const meta *m)
{
    return m->results_bytes_max;
}
