/*
 * intake/redact.c: takes out of a batch what its environment's rules name, before it is encoded: neither journal nor store nor tail
 * ever has it. Called on decode workers, only for environments with rules.
 * A batch keeps its texts in a dictionary, apart from the columns: what no column refers to any more becomes empty there.
 */
#include "base/alloc.h"
#include "event/fields.h"
#include "intake/intake_private.h"

#define MASK "***"

typedef struct work {
    meta *meta;
    uint32_t environment;
    batch *b;
    span *strings; /* those of the batch, then new ones */
    uint32_t count, capacity;
    uint32_t mask;    /* the code of MASK; 0: none yet */
    uint32_t *hashed; /* by code: that of its hash; 0: none yet. NULL before the first */
    uint8_t *rows;    /* those of which a field of the body was redacted; NULL when none was */
} work;

/* Room for twice the texts: each is hashed once at most. */
static bool open_strings(work *w, bool hashes)
{
    batch *b = w->b;
    w->capacity = b->string_count * (hashes ? 2 : 1) + 1;
    w->strings = arena_alloc(b->mem, (size_t)w->capacity * sizeof(span), _Alignof(span));
    if (!w->strings)
        return false;
    if (b->string_count)
        memcpy(w->strings, b->strings, b->string_count * sizeof(span));
    w->count = b->string_count;
    if (hashes)
        w->hashed = ARENA_ARRAY(b->mem, uint32_t, b->string_count + 1);
    return !hashes || w->hashed;
}

static uint32_t mask_of(work *w)
{
    if (w->mask == 0) { /* never the first: a batch with rows has the name of a dataset */
        w->mask = w->count;
        w->strings[w->count++] = SPAN(MASK);
    }
    return w->mask;
}

static bool replace_code(work *w, redaction_action action, uint32_t *code)
{
    if (action == REDACT_MASK) {
        *code = mask_of(w);
        return true;
    }
    uint32_t was = *code;
    if (w->hashed[was] == 0) {
        char text[META_REDACTED_MAX];
        meta_redaction_hash(w->meta, w->environment, w->strings[was], text);
        if (!arena_copy(w->b->mem, span_text(text), &w->strings[w->count]))
            return false;
        w->hashed[was] = w->count++;
    }
    *code = w->hashed[was];
    return true;
}

/* The leaves of a log's body stand in fields of their own and once more in the whole, as JSON. */
static bool note_rows(work *w, const column *c)
{
    if (!span_starts_with(c->name, SPAN(F_BODY ".")))
        return true;
    if (!w->rows)
        w->rows = ARENA_ARRAY(w->b->mem, uint8_t, w->b->row_count + 1);
    if (!w->rows)
        return false;
    for (uint32_t i = 0; i < c->count; i++)
        w->rows[c->rows ? c->rows[i] : i] = 1;
    for (uint32_t i = 0; i < c->range_count; i++)
        memset(w->rows + c->ranges[i].first_row, 1, c->ranges[i].end_row - c->ranges[i].first_row);
    return true;
}

static bool redact_column(work *w, redaction *rule, column *c)
{
    rule->redacted += c->count + c->range_count;
    if (!note_rows(w, c))
        return false;
    if (rule->action == REDACT_DROP || c->type != FIELD_STRING) {
        c->count = c->range_count = 0; /* without values it goes */
        return true;
    }
    for (uint32_t i = 0; i < c->count; i++)
        if (!replace_code(w, rule->action, &c->codes[i]))
            return false;
    for (uint32_t i = 0; i < c->range_count; i++) {
        uint32_t code = (uint32_t)c->ranges[i].bits;
        if (!replace_code(w, rule->action, &code))
            return false;
        c->ranges[i].bits = code;
    }
    return true;
}

/* Whole bodies that hold what was redacted. */
static void mask_bodies(work *w)
{
    for (uint32_t i = 0; i < w->b->column_count; i++) {
        column *c = &w->b->columns[i];
        if (c->type != FIELD_STRING || !span_is(c->name, F_BODY))
            continue;
        for (uint32_t at = 0; at < c->count; at++)
            if (w->rows[c->rows ? c->rows[at] : at])
                c->codes[at] = mask_of(w);
    }
}

static bool forget_texts(work *w)
{
    batch *b = w->b;
    uint8_t *used = ARENA_ARRAY(b->mem, uint8_t, w->count + 1);
    if (!used)
        return false;
    for (uint32_t row = 0; row < b->row_count; row++)
        used[b->dataset[row]] = 1;
    for (uint32_t i = 0; i < b->column_count; i++) {
        const column *c = &b->columns[i];
        if (c->type != FIELD_STRING && c->type != FIELD_HISTOGRAM)
            continue;
        for (uint32_t at = 0; at < c->count; at++)
            used[c->codes[at]] = 1;
        for (uint32_t at = 0; at < c->range_count; at++)
            used[(uint32_t)c->ranges[at].bits] = 1;
    }
    for (uint32_t i = 0; i < w->count; i++)
        if (!used[i])
            w->strings[i] = SPAN("");
    b->strings = w->strings;
    b->string_count = w->count;
    return true;
}

/* A rule for the body is one for all that a map holds. */
static redaction *find_rule(redaction *rules, uint32_t count, span name)
{
    for (uint32_t i = 0; i < count; i++)
        if (meta_redaction_matches(&rules[i], name))
            return &rules[i];
    return span_starts_with(name, SPAN(F_BODY ".")) ? find_rule(rules, count, SPAN(F_BODY)) : NULL;
}

bool intake__redact_by(meta *m, uint32_t environment_id, batch *b, redaction *rules, uint32_t count)
{
    bool has_match = false, hashes = false;
    work w = {.meta = m, .environment = environment_id, .b = b};
    for (uint32_t i = 0; i < b->column_count; i++) {
        const redaction *rule = find_rule(rules, count, b->columns[i].name);
        has_match |= rule != NULL;
        hashes |= rule && rule->action == REDACT_HASH;
    }
    if (!has_match)
        return true;
    if (!open_strings(&w, hashes))
        return false;
    for (uint32_t i = 0; i < b->column_count; i++) {
        redaction *rule = find_rule(rules, count, b->columns[i].name);
        if (rule && !redact_column(&w, rule, &b->columns[i]))
            return false;
    }
    if (w.rows && !find_rule(rules, count, SPAN(F_BODY)))
        mask_bodies(&w);
    return forget_texts(&w) && intake__keep_columns(b, NULL);
}

sk_code intake__redact(meta *m, uint32_t environment_id, batch *b, err *e)
{
    redaction *rules = base_alloc(META_REDACTIONS_MAX * sizeof *rules);
    if (!rules)
        return err_set(e, SK_NO_MEMORY, "no memory to redact a request");
    uint32_t count = meta_redactions(m, environment_id, rules);
    for (uint32_t i = 0; i < count; i++)
        rules[i].redacted = 0;
    bool is_done = intake__redact_by(m, environment_id, b, rules, count);
    if (is_done)
        meta_redaction_count(m, environment_id, rules, count);
    base_free(rules);
    return is_done ? SK_OK : err_set(e, SK_NO_MEMORY, "no memory to redact a request");
}
