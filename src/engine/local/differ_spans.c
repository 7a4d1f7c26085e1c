/*
 * engine/local/differ_spans.c: whole traces to cells of spans that are alike: what each span did itself, and what was lost on the way to it.
 * A trace in several runs of rows is put aside and measured last, so that the answer does not depend on where rows
 * lie. Called by differences.c on the query workers.
 */
#include <math.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/must.h"
#include "engine/local/derive.h"
#include "engine/local/differ.h"
#include "event/fields.h"

enum { SPAN_NAME, SPAN_INSTANCE, SPAN_DURATION, SPAN_KIND, SPAN_ERROR, SPAN_STATUS, SPAN_FIELDS };

typedef struct span_scratch {
    derive_scratch derive;
    uint32_t capacity;
    derive_span *spans;
    derive_result *results;
    uint8_t *flags;
    uint32_t *entries;
    int64_t *visits;        /* by entry: own time of what it does */
    uint32_t kind_keys[64]; /* text → kind, by the text's number */
    uint8_t kinds[64];
} span_scratch;

#define HAS_REMOTE_CHILD 1u
#define HAS_ERROR_CHILD  2u

plan_field *differ__span_fields(arena *mem, uint32_t *ret_count)
{
    static const char *const names[SPAN_FIELDS][3] = {
        [SPAN_NAME] = {F_NAME},
        [SPAN_INSTANCE] = {"service.instance.id", "k8s.pod.name", "host.name"},
        [SPAN_DURATION] = {F_DURATION_MS},
        [SPAN_KIND] = {F_SPAN_KIND},
        [SPAN_ERROR] = {F_ERROR},
        [SPAN_STATUS] = {F_STATUS_CODE},
    };
    plan_field *fields = ARENA_ARRAY(mem, plan_field, SPAN_FIELDS);
    span *candidates = ARENA_ARRAY(mem, span, SPAN_FIELDS * 3);
    if (!fields || !candidates)
        return NULL;
    for (uint32_t f = 0; f < SPAN_FIELDS; f++) {
        fields[f].candidates = candidates + (size_t)f * 3;
        for (uint32_t c = 0; c < 3 && names[f][c]; c++)
            candidates[(size_t)f * 3 + fields[f].candidate_count++] = span_text(names[f][c]);
        fields[f].name = fields[f].candidates[0];
    }
    *ret_count = SPAN_FIELDS;
    return fields;
}

/* ---- cells ---- */

typedef struct cell_key {
    differ_kind kind;
    uint32_t caller, service, name, instance;
} cell_key;

static uint32_t hash_cell(const cell_key *k)
{
    return (uint32_t)hash_mix((((uint64_t)k->caller << 32 | k->service) * DIFFER_KINDS + k->kind) *
                                  0x9e3779b97f4a7c15ull ^
                              ((uint64_t)k->name << 32 | k->instance));
}

static cell_key key_of(const differ_cell *c)
{
    return (cell_key){c->kind, c->caller, c->service, c->name, c->instance};
}

static bool grow_cells(differ_run *r, cell_table *t)
{
    if (t->count == t->capacity) {
        uint32_t capacity = t->capacity ? t->capacity * 2 : 256;
        differ_cell *cells = agg_realloc(&r->budget, t->cells, t->capacity * sizeof *cells,
                                         capacity * sizeof *cells);
        if (!cells)
            return false;
        t->cells = cells;
        t->capacity = capacity;
    }
    if (2 * (t->count + 1) < t->slot_count)
        return true;
    uint32_t slot_count = t->slot_count ? t->slot_count * 2 : 1024;
    uint32_t *slots = agg_alloc(&r->budget, slot_count * sizeof *slots);
    if (!slots)
        return false;
    for (uint32_t n = 0; n < t->count; n++) {
        cell_key k = key_of(&t->cells[n]);
        uint32_t i = hash_cell(&k) & (slot_count - 1);
        while (slots[i])
            i = (i + 1) & (slot_count - 1);
        slots[i] = n + 1;
    }
    agg_free(&r->budget, t->slots, t->slot_count * sizeof *t->slots);
    t->slots = slots;
    t->slot_count = slot_count;
    return true;
}

static differ_cell *cell_of(differ_run *r, cell_table *t, cell_key k)
{
    uint32_t hash = hash_cell(&k), i = hash & (t->slot_count - 1);
    for (; t->slot_count && t->slots[i]; i = (i + 1) & (t->slot_count - 1)) {
        differ_cell *c = &t->cells[t->slots[i] - 1];
        if (c->kind == k.kind && c->caller == k.caller && c->service == k.service &&
            c->name == k.name && c->instance == k.instance)
            return c;
    }
    if (!grow_cells(r, t))
        return NULL;
    i = hash & (t->slot_count - 1);
    while (t->slots[i])
        i = (i + 1) & (t->slot_count - 1);
    t->slots[i] = t->count + 1;
    t->cells[t->count] = (differ_cell){.kind = k.kind,
                                       .caller = k.caller,
                                       .service = k.service,
                                       .name = k.name,
                                       .instance = k.instance};
    return &t->cells[t->count++];
}

static void add_time(differ_cell *c, uint32_t side, uint32_t weight, int64_t ns)
{
    c->timed_rows[side]++;
    c->timed_weight[side] += weight;
    c->us[side] += (uint64_t)(ns / 1000) * weight;
    int64_t of = differ_log(ns);
    c->logs[side] += of * weight;
    c->squares[side] +=
        (uint64_t)(of >> DIFFER_SQUARE_SHIFT) * (uint64_t)(of >> DIFFER_SQUARE_SHIFT) * weight;
}

/* ---- a trace ---- */

static void free_room(differ_run *r, span_scratch *x)
{
    agg_free(&r->budget, x->spans, x->capacity * sizeof *x->spans);
    agg_free(&r->budget, x->results, x->capacity * sizeof *x->results);
    agg_free(&r->budget, x->flags, x->capacity);
    agg_free(&r->budget, x->entries, x->capacity * sizeof *x->entries);
    agg_free(&r->budget, x->visits, x->capacity * sizeof *x->visits);
    x->spans = NULL;
    x->results = NULL;
    x->flags = NULL;
    x->entries = NULL;
    x->visits = NULL;
    x->capacity = 0;
}

static bool make_room(differ_run *r, span_scratch *x, uint32_t count)
{
    if (count <= x->capacity)
        return true;
    free_room(r, x);
    x->capacity = count + count / 2 + 64;
    x->spans = agg_alloc(&r->budget, x->capacity * sizeof *x->spans);
    x->results = agg_alloc(&r->budget, x->capacity * sizeof *x->results);
    x->flags = agg_alloc(&r->budget, x->capacity);
    x->entries = agg_alloc(&r->budget, x->capacity * sizeof *x->entries);
    x->visits = agg_alloc(&r->budget, x->capacity * sizeof *x->visits);
    return x->spans && x->results && x->flags && x->entries && x->visits;
}

/* Of parents with one id and start, any that differ in what is asked here. */
static int compare_parents(void *ctx, derive_relation relation, const derive_span *a,
                           const derive_span *b)
{
    (void)ctx, (void)relation;
    if (a->duration_ns != b->duration_ns)
        return a->duration_ns > b->duration_ns ? -1 : 1;
    if (a->service != b->service)
        return a->service < b->service ? -1 : 1;
    return (a->instance > b->instance) - (a->instance < b->instance);
}

static bool is_elsewhere(const differ_span *a, const differ_span *b)
{
    return a->service != b->service || a->instance != b->instance;
}

/* Whether a span's parent waits for it on the other side of a wire. */
static bool is_remote(const differ_span *child, const differ_span *parent)
{
    return child->kind != KIND_CONSUMER && is_elsewhere(child, parent);
}

/* Each span's entry: the nearest span above (or itself) by which its service was entered. Spans in and below a circle are
 * their own. */
static void find_entries(span_scratch *x, const differ_span *spans, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t parent = x->results[i].chosen[DERIVE_PARENT];
        bool is_entry = parent == DERIVE_NONE || x->results[i].depth == DERIVE_NONE ||
                        spans[i].kind == KIND_CONSUMER || is_elsewhere(&spans[i], &spans[parent]);
        x->entries[i] = is_entry ? i : DERIVE_NONE;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = i;
        while (x->entries[at] == DERIVE_NONE)
            at = x->results[at].chosen[DERIVE_PARENT];
        uint32_t entry = x->entries[at];
        for (at = i; x->entries[at] == DERIVE_NONE; at = x->results[at].chosen[DERIVE_PARENT])
            x->entries[at] = entry; /* so that a chain is walked once */
    }
}

static bool derive(differ_run *r, span_scratch *x, const differ_span *spans, uint32_t count)
{
    static const derive_rules rules = {.wants_self = true,
                                       .wants_gap = true,
                                       .wants_depth = true,
                                       .relations = DERIVE_BIT(DERIVE_PARENT),
                                       .compare = compare_parents};
    if (!make_room(r, x, count))
        return false;
    for (uint32_t i = 0; i < count; i++)
        x->spans[i] = (derive_span){.id = spans[i].id,
                                    .parent_id = spans[i].parent_id,
                                    .time_ns = spans[i].time_ns,
                                    .duration_ns = spans[i].duration_ns,
                                    .service = spans[i].service,
                                    .instance = spans[i].instance,
                                    .place = i,
                                    .kind = spans[i].kind,
                                    .match = DERIVE_BIT(DERIVE_PARENT)};
    if (!derive_trace(&rules, x->spans, count, &x->derive, x->results))
        return false;
    memset(x->flags, 0, count);
    memset(x->visits, 0, count * sizeof *x->visits);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t parent = x->results[i].chosen[DERIVE_PARENT];
        if (parent == DERIVE_NONE)
            continue;
        x->flags[parent] |= (is_remote(&spans[i], &spans[parent]) ? HAS_REMOTE_CHILD : 0) |
                            (spans[i].is_error ? HAS_ERROR_CHILD : 0);
    }
    find_entries(x, spans, count);
    return true;
}

/* A span's own work. */
static bool measure_own(differ_run *r, differ_worker *w, const differ_span *s, uint32_t i,
                        uint32_t side)
{
    span_scratch *x = w->derive;
    int64_t self_ns = x->results[i].self_ns;
    differ_cell *c =
        cell_of(r, &w->cells, (cell_key){DIFFER_OWN, 0, s->service, s->name, s->instance});
    if (!c)
        return false;
    c->rows[side]++;
    c->weight[side] += s->weight;
    if (s->is_error && !(x->flags[i] & HAS_ERROR_CHILD))
        c->errors[side] += s->weight;
    if (self_ns < 0 || (x->flags[i] & (HAS_REMOTE_CHILD | HAS_ERROR_CHILD)))
        return true;
    add_time(c, side, s->weight, self_ns);
    x->visits[x->entries[i]] += self_ns;
    return true;
}

static bool measure_one(differ_run *r, differ_worker *w, const cell_key *k, uint32_t side,
                        uint32_t weight, int64_t ns)
{
    differ_cell *c = cell_of(r, &w->cells, *k);
    if (c)
        add_time(c, side, weight, ns);
    return c != NULL;
}

/* The way to it: what its parent did not spend in any child. With one child that is the gap; with several the gap would count
 * the others. A parent that did not wait to the end (no gap) lost nothing. */
static bool measure_way(differ_run *r, differ_worker *w, const differ_span *spans, uint32_t i,
                        uint32_t side)
{
    const span_scratch *x = w->derive;
    const differ_span *s = &spans[i];
    const derive_result *found = &x->results[i];
    uint32_t parent = found->chosen[DERIVE_PARENT];
    if (parent == DERIVE_NONE)
        return true;
    const differ_span *p = &spans[parent];
    cell_key k = {DIFFER_BETWEEN, p->service, s->service, s->name, s->instance};
    int64_t lost_ns = x->results[parent].self_ns;
    return found->gap_ns < 0 || lost_ns < 0 || !is_remote(s, p) ||
           measure_one(r, w, &k, side, s->weight, lost_ns);
}

static bool measure_trace(differ_run *r, differ_worker *w, const differ_span *spans, uint32_t count)
{
    span_scratch *x = w->derive;
    uint32_t side = differ__side_of(r, differ__trace_hash(spans[0].trace));
    if (side == DIFFER_SIDES)
        return true;
    if (!derive(r, x, spans, count))
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (!measure_own(r, w, &spans[i], i, side) || !measure_way(r, w, spans, i, side))
            return false;
    for (uint32_t i = 0; i < count; i++) {
        const differ_span *s = &spans[i];
        cell_key k = {DIFFER_VISIT, 0, s->service, s->name, s->instance};
        if (x->entries[i] == i && !measure_one(r, w, &k, side, s->weight, x->visits[i]))
            return false;
    }
    return true;
}

/* ---- rows ---- */

typedef struct span_rows {
    const vector *trace, *id, *parent, *time, *rate;
    bool errors[VECTOR_ROWS];
} span_rows;

static sk_code read_durations(differ_worker *w, err *e)
{
    const scan_field *field = &w->spans.at->fields[SPAN_DURATION];
    scan_taken taken;
    scan_scratch scratch;
    for (uint32_t k = 0; k < w->spans.count; k++)
        w->durations[k] = NAN;
    for (uint32_t i = 0; i < field->count; i++) {
        const vector *v;
        sk_code code = scan_read_source(&w->spans, &field->sources[i], &v, e);
        if (code != SK_OK)
            return code;
        scan_take(&w->spans, v, NULL, &taken);
        for (uint32_t n = 0; n < taken.count; n++) {
            uint32_t k = taken.all ? n : taken.at[n], row = w->spans.rows[k];
            double number;
            if (v->kind == VECTOR_FLOATS)
                w->durations[k] = isfinite(v->floats[row]) ? v->floats[row] : NAN;
            else if (value_number(scan_value(v, field->sources[i].type, row, &scratch), &number))
                w->durations[k] = number;
        }
    }
    return SK_OK;
}

/* Rows with an error: `error` is neither false nor 0, or the status says so. */
static sk_code read_errors(differ_worker *w, span_rows *rows, err *e)
{
    scan_taken taken;
    scan_scratch scratch;
    char text[VALUE_TEXT_MAX];
    memset(rows->errors, 0, w->spans.count * sizeof *rows->errors);
    for (uint32_t f = SPAN_ERROR; f <= SPAN_STATUS; f++) {
        const scan_field *field = &w->spans.at->fields[f];
        for (uint32_t i = 0; i < field->count; i++) {
            const scan_source *of = &field->sources[i];
            const vector *v;
            if (!part_block_has_column(w->spans.at->part, of->column, w->spans.block))
                continue;
            sk_code code = scan_read_source(&w->spans, of, &v, e);
            if (code != SK_OK)
                return code;
            scan_take(&w->spans, v, NULL, &taken);
            for (uint32_t n = 0; n < taken.count; n++) {
                uint32_t k = taken.all ? n : taken.at[n];
                value x = scan_value(v, of->type, w->spans.rows[k], &scratch);
                double number;
                span said = f == SPAN_ERROR ? value_text(x, text) : SPAN("");
                rows->errors[k] |= f == SPAN_ERROR
                                       ? said.len && !span_is(said, "false") && !span_is(said, "0")
                                       : value_number(x, &number) && number == 2;
            }
        }
    }
    return SK_OK;
}

static uint8_t kind_of(differ_run *r, span_scratch *x, uint32_t key)
{
    uint32_t slot = key % COUNT_OF(x->kinds);
    if (!key)
        return KIND_UNSPECIFIED;
    if (x->kind_keys[slot] != key) {
        arena *mem = arena_new(64 * KIB);
        if (!mem)
            return KIND_UNSPECIFIED;
        x->kinds[slot] = (uint8_t)span_kind_parse(group_keys_value(r->texts, 0, key, mem).text);
        x->kind_keys[slot] = key;
        arena_free(mem);
    }
    return x->kinds[slot];
}

static sk_code load_block(differ_run *r, differ_worker *w, span_rows *rows, err *e)
{
    const struct {
        uint32_t column;
        const vector **to;
    } ids[] = {{PART_TRACE_ID, &rows->trace},
               {PART_SPAN_ID, &rows->id},
               {PART_PARENT_ID, &rows->parent},
               {PART_TIME, &rows->time},
               {PART_RATE, &rows->rate}};
    static const uint32_t texts[] = {SPAN_NAME, SPAN_INSTANCE, SPAN_KIND, SPAN_FIELDS};
    sk_code code = SK_OK;
    for (size_t i = 0; code == SK_OK && i < COUNT_OF(ids); i++)
        code = scan_read(&w->spans, ids[i].column, ids[i].to, e);
    for (size_t i = 0; code == SK_OK && i < COUNT_OF(texts); i++) {
        if (!w->room[i])
            w->room[i] = agg_alloc(&r->budget, VECTOR_ROWS * sizeof **w->room);
        if (!w->room[i])
            return finish_budget_error(&r->budget, e);
        code = differ__texts(r, &r->span_scan, &w->spans, texts[i], w->room[i], e);
    }
    if (code == SK_OK)
        code = read_durations(w, e);
    return code == SK_OK ? read_errors(w, rows, e) : code;
}

static trace_id trace_at(const vector *v, uint32_t row)
{
    return vector_has(v, row) ? v->trace_ids[row] : (trace_id){0, 0};
}

static uint64_t id_at(const vector *v, uint32_t row)
{
    return vector_has(v, row) ? v->ids[row] : 0;
}

sk_code differ__note_runs(differ_run *r, differ_worker *w, uint32_t number, uint32_t block, err *e)
{
    const vector *v;
    sk_code code = scan_block(&w->spans, number, block, e);
    if (code != SK_OK || w->spans.count == 0)
        return code;
    code = scan_read(&w->spans, PART_TRACE_ID, &v, e);
    if (code == SK_CORRUPT)
        return SK_OK; /* the next pass meets it again, and notes it */
    trace_id last = {0, 0};
    for (uint32_t k = 0; code == SK_OK && k < w->spans.count; k++) {
        trace_id id = trace_at(v, w->spans.rows[k]);
        if (trace_id_equal(id, last))
            continue;
        last = id;
        if (trace_id_is_set(id) &&
            !differ__add(r, &w->runs, &(uint64_t){differ__trace_hash(id)}, sizeof(uint64_t)))
            return finish_budget_error(&r->budget, e);
    }
    return code;
}

static bool end_run(differ_run *r, differ_worker *w, trace_id id)
{
    const differ_span *spans = w->trace_spans.at;
    uint32_t count = w->trace_spans.count;
    bool is_done = true;
    w->trace_spans.count = 0;
    if (!count)
        return true;
    if (!differ__has(&r->split, differ__trace_hash(id)))
        return measure_trace(r, w, spans, count);
    for (uint32_t i = 0; is_done && i < count; i++)
        is_done = differ__add(r, &w->deferred, &spans[i], sizeof *spans);
    return is_done;
}

sk_code differ__span_block(differ_run *r, differ_worker *w, uint32_t number, uint32_t block, err *e)
{
    span_rows rows;
    span_scratch *x = w->derive;
    sk_code code = scan_block(&w->spans, number, block, e);
    if (code != SK_OK || w->spans.count == 0)
        return code;
    if (!x) {
        w->derive = x = agg_alloc(&r->budget, sizeof *x);
        if (!x)
            return finish_budget_error(&r->budget, e);
        x->derive.budget = &r->budget;
    }
    code = load_block(r, w, &rows, e);
    if (code == SK_CORRUPT) {
        scan_leave_out(&w->spans, e);
        return SK_OK;
    }
    trace_id at = {0, 0};
    bool is_wanted = false;
    for (uint32_t k = 0; code == SK_OK && k < w->spans.count; k++) {
        uint32_t row = w->spans.rows[k];
        trace_id id = trace_at(rows.trace, row);
        if (!trace_id_equal(id, at)) {
            if (!end_run(r, w, at))
                return finish_budget_error(&r->budget, e);
            at = id;
            is_wanted =
                trace_id_is_set(id) && differ__side_of(r, differ__trace_hash(id)) != DIFFER_SIDES;
        }
        uint64_t span_id = id_at(rows.id, row);
        if (!is_wanted || !span_id)
            continue;
        double ms = w->durations[k];
        differ_span s = {.trace = id,
                         .id = span_id,
                         .parent_id = id_at(rows.parent, row),
                         .time_ns = rows.time->ints[row],
                         .duration_ns = isnan(ms) ? -1 : derive_duration(ms),
                         .weight = (uint32_t)rows.rate->ints[row],
                         .name = w->room[0][k],
                         .instance = w->room[1][k],
                         .kind = kind_of(r, x, w->room[2][k]),
                         .service = w->room[3][k],
                         .is_error = rows.errors[k]};
        if (!differ__add(r, &w->trace_spans, &s, sizeof s))
            return finish_budget_error(&r->budget, e);
    }
    return code == SK_OK && !end_run(r, w, at) ? finish_budget_error(&r->budget, e) : code;
}

/* ---- the answer ---- */

static int compare_spans(const void *left, const void *right)
{
    trace_id a = ((const differ_span *)left)->trace, b = ((const differ_span *)right)->trace;
    if (a.hi != b.hi)
        return a.hi < b.hi ? -1 : 1;
    return (a.lo > b.lo) - (a.lo < b.lo);
}

static bool measure_deferred(differ_run *r)
{
    differ_worker *first = r->workers[0];
    differ_items all = {0};
    span_scratch *x = first->derive;
    bool is_done = true;
    if (!x) {
        first->derive = x = agg_alloc(&r->budget, sizeof *x);
        if (!x)
            return false;
        x->derive.budget = &r->budget;
    }
    for (uint32_t i = 0; i < r->worker_count; i++) {
        const differ_span *spans = r->workers[i]->deferred.at;
        for (uint32_t n = 0; is_done && n < r->workers[i]->deferred.count; n++)
            is_done = differ__add(r, &all, &spans[n], sizeof *spans);
        differ__free(r, &r->workers[i]->deferred, sizeof *spans);
    }
    const differ_span *spans = all.at;
    if (all.count)
        qsort(all.at, all.count, sizeof *spans, compare_spans);
    for (uint32_t from = 0, end; is_done && from < all.count; from = end) {
        for (end = from + 1;
             end < all.count && trace_id_equal(spans[end].trace, spans[from].trace);)
            end++;
        is_done = measure_trace(r, first, spans + from, end - from);
    }
    differ__free(r, &all, sizeof *spans);
    return is_done;
}

static void add_cell(differ_cell *to, const differ_cell *from)
{
    for (uint32_t side = 0; side < DIFFER_SIDES; side++) {
        to->rows[side] += from->rows[side];
        to->weight[side] += from->weight[side];
        to->errors[side] += from->errors[side];
        to->timed_rows[side] += from->timed_rows[side];
        to->timed_weight[side] += from->timed_weight[side];
        to->us[side] += from->us[side];
        to->logs[side] += from->logs[side];
        to->squares[side] += from->squares[side];
    }
}

static span text_of(void *ctx, uint32_t number)
{
    const differ_run *r = ctx;
    return group_keys_value(r->texts, 0, number, r->scratch).text;
}

sk_code differ__rank_suspects(differ_run *r, differences_result *ret, err *e)
{
    cell_table *into = &r->workers[0]->cells;
    if (!measure_deferred(r))
        return finish_budget_error(&r->budget, e);
    for (uint32_t i = 1; i < r->worker_count; i++)
        for (uint32_t n = 0; n < r->workers[i]->cells.count; n++) {
            const differ_cell *from = &r->workers[i]->cells.cells[n];
            differ_cell *to = cell_of(r, into, key_of(from));
            if (!to)
                return finish_budget_error(&r->budget, e);
            add_cell(to, from);
        }
    return differ_suspects_of(into->cells, into->count, text_of, r, r->mem, &ret->suspects, e);
}

void differ__free_spans(differ_run *r, differ_worker *w)
{
    span_scratch *x = w->derive;
    if (x) {
        derive_scratch_done(&x->derive);
        free_room(r, x);
        agg_free(&r->budget, x, sizeof *x);
    }
    for (size_t i = 0; i < COUNT_OF(w->room); i++)
        agg_free(&r->budget, w->room[i], VECTOR_ROWS * sizeof **w->room);
    differ__free(r, &w->trace_spans, sizeof(differ_span));
    differ__free(r, &w->deferred, sizeof(differ_span));
    agg_free(&r->budget, w->cells.cells, w->cells.capacity * sizeof *w->cells.cells);
    agg_free(&r->budget, w->cells.slots, w->cells.slot_count * sizeof *w->cells.slots);
}
