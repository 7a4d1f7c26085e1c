/*
 * engine/local/differ_lines.c: words of log lines, counted per service by the traces that have them. A line is of the side that its
 * trace is of; one without a trace by its time, when the selection is nothing but a time. Called by differences.c on the
 * query workers.
 */
#include "base/hash.h"
#include "engine/local/differ.h"
#include "event/fields.h"

#define TRACES_LEAST 5u /* that have a word: rarer ones prove nothing */

typedef struct word_entry {
    uint32_t service;
    uint64_t hash;
    span word; /* at == NULL: the service itself */
    uint64_t with[DIFFER_SIDES];
} word_entry;

typedef struct word_table {
    item_table words; /* word_entry */
    differ_set met;   /* entry and trace */
} word_table;

plan_field *differ__line_fields(arena *mem, uint32_t *ret_count)
{
    plan_field *field = ARENA_NEW(mem, plan_field);
    span *candidates = ARENA_NEW(mem, span);
    if (!field || !candidates)
        return NULL;
    *candidates = span_text(F_BODY);
    *field = (plan_field){.name = *candidates, .candidate_count = 1, .candidates = candidates};
    *ret_count = 1;
    return field;
}

/* ---- the table: under words_guard ---- */

static word_entry *word_of(differ_run *r, word_table *t, uint32_t service, uint64_t hash, span word)
{
    uint32_t of = (uint32_t)(hash ^ service), n;
    word_entry *entries = t->words.at;
    for (uint32_t step = 0; item_table_next(&t->words, of, &step, &n);)
        if (entries[n].hash == hash && entries[n].service == service)
            return &entries[n];
    word_entry *made = item_table_add(&r->budget, &t->words, of, sizeof *made);
    if (made)
        *made = (word_entry){.service = service, .hash = hash, .word = word};
    return made;
}

/* False: it was there, or the budget has failed. */
static bool is_first(differ_run *r, differ_set *s, uint64_t hash)
{
    return differ__put(r, s, hash | 1);
}

static bool count_word(differ_run *r, word_table *t, uint32_t service, uint64_t hash, span word,
                       uint64_t trace, uint32_t side)
{
    if (is_first(r, &t->met, hash_mix(hash ^ hash_mix(trace ^ service)))) {
        word_entry *x = word_of(r, t, service, hash, word);
        if (!x)
            return false;
        x->with[side]++;
    }
    return !atomic_load_explicit(&r->budget.failed, memory_order_relaxed);
}

static bool count_line(differ_run *r, uint32_t service, span line, uint64_t trace, uint32_t side)
{
    word_table *t = r->words;
    span word;
    bool is_done = count_word(r, t, service, 0, (span){NULL, 0}, trace, side);
    while (is_done && differ_next_word(&line, &word))
        is_done = count_word(r, t, service, hash64(word) | 1, word, trace, side);
    return is_done;
}

/* ---- rows ---- */

static uint32_t side_of_time(const differ_run *r, int64_t time_ns)
{
    const differences_query *q = r->query;
    if (q->selection->filter_count)
        return DIFFER_SIDES;
    if (time_ns >= q->selection->start_ns && time_ns < q->selection->end_ns)
        return DIFFER_SELECTION;
    if (!q->baseline)
        return DIFFER_BASELINE;
    bool is_in = !q->baseline->filter_count && time_ns >= q->baseline->start_ns &&
                 time_ns < q->baseline->end_ns;
    return is_in ? DIFFER_BASELINE : DIFFER_SIDES;
}

typedef struct line_rows {
    const vector *trace, *time, *bodies;
    uint32_t *services;
} line_rows;

static sk_code count_lines(differ_run *r, differ_worker *w, const line_rows *rows,
                           const scan_source *of, err *e)
{
    bool is_done = true;
    lock_take(&r->words_guard);
    for (uint32_t k = 0; is_done && k < w->lines.count; k++) {
        uint32_t row = w->lines.rows[k];
        if (!vector_has(rows->bodies, row))
            continue;
        bool has_trace =
            vector_has(rows->trace, row) && trace_id_is_set(rows->trace->trace_ids[row]);
        span line = of->dictionary->text(of->dictionary->of, rows->bodies->codes[row]);
        int64_t time_ns = rows->time->ints[row];
        uint64_t unit = has_trace ? differ__trace_hash(rows->trace->trace_ids[row])
                                  : hash_mix((uint64_t)time_ns ^ hash64(line)) | 1;
        uint32_t side = has_trace ? differ__side_of(r, unit) : side_of_time(r, time_ns);
        if (side != DIFFER_SIDES && hash_mix(unit) <= r->keep_lines)
            is_done = count_line(r, rows->services[row], line, unit, side);
    }
    lock_drop(&r->words_guard);
    return is_done ? SK_OK : finish_budget_error(&r->budget, e);
}

sk_code differ__line_block(differ_run *r, differ_worker *w, uint32_t number, uint32_t block, err *e)
{
    line_rows rows;
    sk_code code = scan_block(&w->lines, number, block, e);
    if (code != SK_OK || w->lines.count == 0)
        return code;
    if (r->pass == PASS_LINE_COUNT) {
        w->line_count += w->lines.count;
        return SK_OK;
    }
    const scan_field *bodies = &w->lines.at->fields[0];
    const differ_source from = {&r->line_scan, &w->lines, 0, DIFFER_NO_FIELD};
    if (!w->services)
        w->services = agg_alloc(&r->budget, VECTOR_ROWS * sizeof *w->services);
    rows.services = w->services;
    if (!rows.services)
        return finish_budget_error(&r->budget, e);
    code = scan_read(&w->lines, PART_TRACE_ID, &rows.trace, e);
    if (code == SK_OK)
        code = scan_read(&w->lines, PART_TIME, &rows.time, e);
    if (code == SK_OK)
        code = differ__texts(r, &from, 1, rows.services, e);
    for (uint32_t i = 0; code == SK_OK && i < bodies->count; i++) {
        if (bodies->sources[i].type != FIELD_STRING ||
            !part_block_has_column(w->lines.at->part, bodies->sources[i].column, block))
            continue;
        code = scan_read_source(&w->lines, &bodies->sources[i], &rows.bodies, e);
        if (code == SK_OK && rows.bodies->kind == VECTOR_CODES)
            code = count_lines(r, w, &rows, &bodies->sources[i], e);
    }
    if (code != SK_CORRUPT)
        return code;
    scan_leave_out(&w->lines, e);
    return SK_OK;
}

/* ---- the answer ---- */

bool differ__new_words(differ_run *r)
{
    r->words = agg_alloc(&r->budget, sizeof(word_table));
    return r->words != NULL;
}

sk_code differ__rank_words(differ_run *r, differences_result *ret, err *e)
{
    word_table *t = r->words;
    uint32_t n = 0;
    const word_entry *entries = t->words.at;
    differ_word *words = ARENA_ARRAY(r->scratch, differ_word, t->words.count + 1);
    for (uint32_t i = 0; words && i < t->words.count; i++) {
        const word_entry *x = &entries[i];
        if (!x->word.at || x->with[0] + x->with[1] < TRACES_LEAST)
            continue;
        const word_entry *all = word_of(r, t, x->service, 0, (span){NULL, 0});
        words[n] = (differ_word){.word = x->word};
        words[n].service = group_keys_value(r->texts, 0, x->service, r->scratch).text;
        memcpy(words[n].with, x->with, sizeof x->with);
        memcpy(words[n++].all, all->with, sizeof all->with);
    }
    if (!words)
        return err_set(e, SK_TOO_LARGE,
                       "the words of the log lines pass the memory of one query; "
                       "ask for a shorter time, or without words");
    return differ_words_of(words, n, r->mem, &ret->words, e);
}

void differ__free_words(differ_run *r)
{
    word_table *t = r->words;
    if (!t)
        return;
    item_table_free(&r->budget, &t->words, sizeof(word_entry));
    agg_free(&r->budget, t->met.slots, t->met.slot_count * sizeof *t->met.slots);
    agg_free(&r->budget, t, sizeof *t);
}
