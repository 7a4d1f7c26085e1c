/*
 * meta/redaction.c: which fields of an environment's events are left out, masked or hashed before they are written down: rules in
 * their order, of which the first that matches a field's name holds. Read by intake from memory, as keys are.
 * Never: sees an event; keeps a value.
 */
#include "meta/redaction.h"

#include "base/alloc.h"
#include "event/fields.h"
#include "meta/meta_private.h"

#define HASH_BYTES ((META_REDACTED_MAX - 1) / 2)

/* Without these a row is nobody's, or cannot be found. */
static bool is_kept(span name)
{
    static const char *const kept[] = {F_TRACE_ID, F_SPAN_ID,     F_PARENT_ID,   "time",
                                       F_NAME,     F_DURATION_MS, F_SERVICE_NAME};
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        if (span_is(name, kept[i]))
            return true;
    return span_starts_with(name, SPAN("meta."));
}

static bool matches_glob(span pattern, span name)
{
    size_t p = 0, n = 0, star = SIZE_MAX, from = 0;
    while (n < name.len) {
        if (p < pattern.len && pattern.at[p] == '*') {
            star = p++;
            from = n;
        } else if (p < pattern.len && pattern.at[p] == name.at[n]) {
            p++;
            n++;
        } else if (star != SIZE_MAX) { /* the last star takes one more */
            p = star + 1;
            n = ++from;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.at[p] == '*')
        p++;
    return p == pattern.len;
}

bool meta_redaction_matches(const redaction *r, span name)
{
    return matches_glob(span_text(r->field), name) && !is_kept(name);
}

static bool is_same(const redaction *a, const redaction *b)
{
    return a->action == b->action && strcmp(a->field, b->field) == 0;
}

sk_code meta_redaction_make(redaction_action action, span field, redaction *ret, err *e)
{
    *ret = (redaction){.action = action};
    field = span_trim(field);
    if (field.len == 0 || field.len > META_PATTERN_MAX || !utf8_is_valid(field) ||
        memchr(field.at, 0, field.len))
        return err_set(e, SK_BAD_INPUT,
                       "a rule names a field, or several with *, in 1 to %u bytes of UTF-8",
                       META_PATTERN_MAX);
    if (is_kept(field))
        return err_set(e, SK_BAD_INPUT,
                       "\"%.*s\" stays: without " F_TRACE_ID ", " F_SPAN_ID ", " F_PARENT_ID
                       ", time, " F_NAME ", " F_DURATION_MS ", " F_SERVICE_NAME
                       " and meta.* an event cannot be found",
                       SPAN_FMT(field));
    memcpy(ret->field, field.at, field.len);
    return SK_OK;
}

/* ---- changing ---- */

static sk_code check(const redaction *rules, uint32_t count, err *e)
{
    if (count > META_REDACTIONS_MAX)
        return err_set(e, SK_TOO_LARGE, "an environment has at most %u rules", META_REDACTIONS_MAX);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(rules[i].field, rules[k].field) == 0)
                return err_set(e, SK_BAD_INPUT, "\"%s\" has two rules: the first would hold",
                               rules[i].field);
    return SK_OK;
}

static sk_code insert(meta *m, uint32_t environment_id, uint32_t position, const redaction *r,
                      err *e)
{
    sqlite3_stmt *s;
    sk_code code = meta__prepare(m,
                                 "INSERT INTO redactions (environment, position, action, field)"
                                 " VALUES (?1, ?2, ?3, ?4)",
                                 &s, e);
    if (code != SK_OK)
        return code;
    sqlite3_bind_int64(s, 1, environment_id);
    sqlite3_bind_int64(s, 2, position);
    sqlite3_bind_int(s, 3, (int)r->action);
    meta__bind_text(s, 4, r->field);
    return meta__finish(m, s, e);
}

static sk_code replace(meta *m, uint32_t environment_id, const redaction *rules, uint32_t count,
                       err *e)
{
    sqlite3_stmt *s;
    sk_code code = meta__prepare(m, "DELETE FROM redactions WHERE environment = ?1", &s, e);
    if (code != SK_OK)
        return code;
    sqlite3_bind_int64(s, 1, environment_id);
    code = meta__finish(m, s, e);
    for (uint32_t i = 0; i < count && code == SK_OK; i++)
        code = insert(m, environment_id, i, &rules[i], e);
    return code;
}

sk_code meta_redaction_set(meta *m, uint32_t environment_id, const redaction *rules, uint32_t count,
                           err *e)
{
    sk_code code = check(rules, count, e);
    if (code != SK_OK)
        return code;
    lock_take(&m->lock);
    code = meta__begin(m, e);
    if (code == SK_OK)
        code = meta__end(m, replace(m, environment_id, rules, count, e), e);
    if (code == SK_OK)
        code = meta__reload(m, e);
    lock_drop(&m->lock);
    return code;
}

/* ---- in memory ---- */

static redaction_entry *first_of(meta_cache *c, uint32_t environment_id)
{
    redaction_entry *at = c->redactions, *end = at + c->redaction_count;
    while (at < end && at->environment != environment_id)
        at++;
    return at;
}

static bool is_of(const meta_cache *c, const redaction_entry *at, uint32_t environment_id)
{
    return at < c->redactions + c->redaction_count && at->environment == environment_id;
}

uint32_t meta_redactions(meta *m, uint32_t environment_id, redaction ret[META_REDACTIONS_MAX])
{
    uint32_t count = 0;
    lock_take(&m->cache_lock);
    for (redaction_entry *at = first_of(&m->cache, environment_id);
         is_of(&m->cache, at, environment_id) && count < META_REDACTIONS_MAX; at++)
        ret[count++] = at->rule;
    lock_drop(&m->cache_lock);
    return count;
}

void meta_redaction_count(meta *m, uint32_t environment_id, const redaction *rules, uint32_t count)
{
    lock_take(&m->cache_lock);
    for (redaction_entry *at = first_of(&m->cache, environment_id);
         is_of(&m->cache, at, environment_id); at++)
        for (uint32_t i = 0; i < count; i++)
            if (rules[i].redacted && is_same(&at->rule, &rules[i]))
                at->rule.redacted += rules[i].redacted;
    lock_drop(&m->cache_lock);
}

void meta__keep_redacted(const meta_cache *from, meta_cache *to)
{
    for (uint32_t i = 0; i < from->redaction_count; i++) {
        const redaction_entry *was = &from->redactions[i];
        for (redaction_entry *at = first_of(to, was->environment); is_of(to, at, was->environment);
             at++)
            if (is_same(&at->rule, &was->rule))
                at->rule.redacted = was->rule.redacted;
    }
}

sk_code meta__read_redactions(meta *m, meta_cache *c, err *e)
{
    sqlite3_stmt *s;
    sk_code code = meta__prepare(m,
                                 "SELECT environment, action, field FROM redactions"
                                 " ORDER BY environment, position",
                                 &s, e);
    if (code != SK_OK)
        return code;
    int step;
    while (code == SK_OK && (step = sqlite3_step(s)) != SQLITE_DONE) {
        if (step != SQLITE_ROW) {
            code = meta__error(m, "read", e);
        } else if (!base_reserve(&c->redactions, &c->redaction_capacity, c->redaction_count + 1,
                                 sizeof *c->redactions)) {
            code = err_set(e, SK_NO_MEMORY, "no memory for the rules of redaction");
        } else {
            redaction_entry *at = &c->redactions[c->redaction_count++];
            *at = (redaction_entry){.environment = (uint32_t)sqlite3_column_int64(s, 0),
                                    .rule = {.action = (redaction_action)sqlite3_column_int(s, 1)}};
            meta__column_text(s, 2, at->rule.field, sizeof at->rule.field);
        }
    }
    sqlite3_finalize(s);
    return code;
}

/* Under the server's secret with what it is for, so that it is no hash of a key; the environment's own, so that values cannot be compared
 * across. */
void meta_redaction_hash(meta *m, uint32_t environment_id, span value, char ret[META_REDACTED_MAX])
{
    static const char use[] = "redaction";
    uint8_t hash[HASH_BYTES];
    crypto_generichash_state state;
    crypto_generichash_init(&state, m->secret, sizeof m->secret, sizeof hash);
    crypto_generichash_update(&state, (const uint8_t *)use, sizeof use);
    crypto_generichash_update(&state, (const uint8_t *)&environment_id, sizeof environment_id);
    crypto_generichash_update(&state, value.at, value.len);
    crypto_generichash_final(&state, hash, sizeof hash);
    sodium_bin2hex(ret, META_REDACTED_MAX, hash, sizeof hash);
}
