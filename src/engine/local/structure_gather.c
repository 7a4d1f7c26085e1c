/*
 * engine/local/structure_gather.c: before the scan: the spans of every trace that lies in several places (straddle.h) are read from all parts
 * and judged whole, by derive.h, on the query workers. The scan looks their results up by part and row.
 */
#include <stdlib.h>

#include "base/must.h"
#include "engine/local/structure.h"

#define MORSEL_SPANS 8192u /* judged at a time */

/* A block with rows of such traces; then where they are: in its worker's list. */
typedef struct gather_block {
    uint32_t part, block;
    uint32_t slot, first, count;
} gather_block;

typedef struct gather_worker {
    structure_worker *w;
    uint32_t span_count;
    size_t span_capacity, value_capacity;
    gathered_span *spans;
    gathered_value *values;
    /* of the trace that is judged */
    derive_span *trace;
    derive_result *results;
    size_t trace_capacity, result_capacity;
    scan_damage damage;
} gather_worker;

typedef struct gatherer {
    structure *s;
    uint32_t worker_count, block_count, morsel_count;
    gather_worker *workers;
    size_t block_capacity;
    gather_block *blocks;
    uint64_t *keys;   /* hash of the trace, then the span's number; in order */
    uint32_t *starts; /* of morsels, in keys */
} gatherer;

/* ---- reading ---- */

static bool grow_spans(structure *s, gather_worker *w)
{
    size_t wanted = w->span_count + 1ul;
    return straddle_reserve(s->budget, &w->spans, &w->span_capacity, wanted, sizeof *w->spans) &&
           straddle_reserve(s->budget, &w->values, &w->value_capacity, wanted * s->value_count,
                            sizeof *w->values);
}

static bool keep_value(structure *s, value v, gathered_value *ret)
{
    *ret = (gathered_value){0};
    if (!v.is_set)
        return true;
    ret->type1 = (uint32_t)v.type + 1;
    switch (v.type) {
    case FIELD_INT: ret->bits = (uint64_t)v.i; return true;
    case FIELD_FLOAT: memcpy(&ret->bits, &v.f, sizeof v.f); return true;
    case FIELD_BOOL: ret->bits = v.b; return true;
    case FIELD_STRING:
    case FIELD_HISTOGRAM: {
        group_keys_begin(s->texts, 1);
        uint32_t text = group_keys_text(s->texts, 1, v.text, GROUP_KEY_TEXT, false);
        group_keys_end(s->texts, 1);
        ret->bits = text;
        return text != GROUP_KEY_NONE;
    }
    case FIELD_TYPE_COUNT: break;
    }
    never();
}

static bool take_row(structure *s, gather_worker *w, const span_block *b, uint32_t run,
                     uint32_t row)
{
    if (!grow_spans(s, w))
        return false;
    uint32_t n = w->span_count;
    w->spans[n] = (gathered_span){.trace = b->run_id[run],
                                  .part = b->part,
                                  .row = b->first_row + row,
                                  .span = {.id = b->ids[row],
                                           .parent_id = b->parent_ids[row],
                                           .time_ns = b->times[row],
                                           .duration_ns = b->durations[row],
                                           .service = s->needs_resources ? b->services[row] : 0,
                                           .instance = s->needs_resources ? b->instances[row] : 0,
                                           .kind = b->kinds[row],
                                           .match = b->matches[row]}};
    for (uint32_t i = 0; i < s->value_count; i++) {
        scan_scratch scratch;
        if (!keep_value(s, structure__value_at(w->w, b, i, row, &scratch),
                        &w->values[(size_t)n * s->value_count + i]))
            return false;
    }
    w->span_count++;
    return true;
}

static sk_code read_block(void *ctx, uint32_t slot, uint32_t number, err *e)
{
    gatherer *g = ctx;
    gather_worker *w = &g->workers[slot];
    gather_block *at = &g->blocks[number];
    const span_block *b;
    at->slot = slot;
    at->first = w->span_count;
    sk_code code = local__must_end(g->s->control, e);
    if (code == SK_OK)
        code = structure__load(w->w, at->part, at->block, true, &b, e);
    if (code == SK_CORRUPT) {
        if (w->damage.blocks++ == 0)
            memcpy(w->damage.first, e->text, sizeof w->damage.first - 1);
        return SK_OK;
    }
    for (uint32_t run = 0; code == SK_OK && run < b->run_count; run++)
        for (uint32_t row = b->run_first[run]; b->run_straddles[run] && row < b->run_first[run + 1];
             row++)
            if (b->ids[row] && !take_row(g->s, w, b, run, row))
                return structure__budget_error(g->s, e);
    at->count = w->span_count - at->first;
    return code;
}

/* Which blocks of a part are read, appended in order. */
static sk_code list_blocks(gatherer *g, uint32_t part_number, err *e)
{
    structure *s = g->s;
    const scan_part *p = &s->inner.parts[part_number];
    size_t bytes = (p->info.block_count / 64 + 1ul) * sizeof(uint64_t);
    uint64_t *marked = agg_alloc(s->budget, bytes);
    if (!marked)
        return structure__budget_error(s, e);
    memset(marked, p->info.is_open ? 0xff : 0, bytes);
    sk_code code =
        p->info.is_open ? SK_OK : straddle_mark(&s->straddling, p, s->control, marked, e);
    for (uint32_t b = 0; code == SK_OK && b < p->info.block_count; b++) {
        if (!(marked[b / 64] >> (b & 63) & 1))
            continue;
        if (!straddle_reserve(s->budget, &g->blocks, &g->block_capacity, g->block_count + 1ul,
                              sizeof *g->blocks))
            code = structure__budget_error(s, e);
        else
            g->blocks[g->block_count++] = (gather_block){.part = part_number, .block = b};
    }
    agg_free(s->budget, marked, bytes);
    return code;
}

static void note_types(structure *s, const gathered_value *values)
{
    for (uint32_t i = 0; i < s->value_count; i++)
        if (values[i].type1)
            s->values[i].types |= 1u << (values[i].type1 - 1);
}

static void note_identity(const gathered_span *of, straddle_time *ret)
{
    const derive_span *x = &of->span;
    *ret = (straddle_time){.part = of->part,
                           .row = of->row,
                           .span = {x->id, x->parent_id, x->time_ns, x->duration_ns}};
}

/* The workers' spans, in order of part and row. */
static sk_code join_spans(gatherer *g, err *e)
{
    structure *s = g->s;
    size_t total = 0;
    for (uint32_t i = 0; i < g->worker_count; i++) {
        total += g->workers[i].span_count;
        if (!s->damage.blocks)
            s->damage = g->workers[i].damage;
        else
            s->damage.blocks += g->workers[i].damage.blocks;
    }
    if (total >= UINT32_MAX ||
        !straddle_reserve(s->budget, &s->spans, &s->span_capacity, total, sizeof *s->spans) ||
        !straddle_reserve(s->budget, &s->span_values, &s->span_value_capacity,
                          total * s->value_count, sizeof *s->span_values) ||
        !straddle_reserve(s->budget, &s->times, &s->time_capacity, s->keeps_times ? total : 0,
                          sizeof *s->times))
        return structure__budget_error(s, e);
    uint32_t next_part = 0;
    for (uint32_t i = 0; i < g->block_count; i++) {
        const gather_block *b = &g->blocks[i];
        const gather_worker *from = &g->workers[b->slot];
        for (; next_part <= b->part; next_part++)
            s->first_span[next_part] = s->span_count;
        for (uint32_t n = b->first; n < b->first + b->count; n++) {
            const gathered_value *values = from->values + (size_t)n * s->value_count;
            s->spans[s->span_count] = from->spans[n];
            s->spans[s->span_count].span.place = s->span_count;
            if (s->keeps_times)
                note_identity(&s->spans[s->span_count], &s->times[s->span_count]);
            if (s->value_count) {
                memcpy(s->span_values + (size_t)s->span_count * s->value_count, values,
                       s->value_count * sizeof *values);
                note_types(s, values);
            }
            s->span_count++;
        }
    }
    for (; next_part <= s->inner.part_count; next_part++)
        s->first_span[next_part] = s->span_count;
    return SK_OK;
}

static void free_spans(structure *s, gather_worker *w)
{
    agg_free(s->budget, w->spans, w->span_capacity * sizeof *w->spans);
    agg_free(s->budget, w->values, w->value_capacity * sizeof *w->values);
    w->spans = NULL;
    w->values = NULL;
    w->span_capacity = w->value_capacity = 0;
}

static sk_code read_all(gatherer *g, err *e)
{
    structure *s = g->s;
    sk_code code = SK_OK;
    for (uint32_t i = 0; code == SK_OK && i < s->inner.part_count; i++)
        if (s->straddling.count && s->inner.parts[i].info.family == FAMILY_TRACE)
            code = list_blocks(g, i, e);
    if (code == SK_OK)
        code = pool_run(s->engine->pool, read_block, g, g->block_count, e);
    if (code == SK_OK)
        code = join_spans(g, e);
    for (uint32_t i = 0; i < g->worker_count; i++)
        free_spans(s, &g->workers[i]);
    agg_free(s->budget, g->blocks, g->block_capacity * sizeof *g->blocks);
    return code;
}

/* ---- judging ---- */

static int compare_shown(void *ctx, derive_relation r, const derive_span *a, const derive_span *b)
{
    const structure *s = ctx;
    int diff = 0;
    for (uint32_t i = 0; i < s->value_count && !diff; i++) {
        value v[2];
        const derive_span *of[2] = {a, b};
        if (s->values[i].relation != r)
            continue;
        for (int k = 0; k < 2; k++) {
            const gathered_value *x = &s->span_values[(size_t)of[k]->place * s->value_count + i];
            v[k] = (value){.is_set = x->type1 != 0};
            if (!x->type1)
                continue;
            v[k].type = (field_type)(x->type1 - 1);
            if (v[k].type == FIELD_STRING || v[k].type == FIELD_HISTOGRAM)
                v[k].text = group_keys_value(s->texts, 1, (uint32_t)x->bits, s->mem).text;
            else if (v[k].type == FIELD_BOOL)
                v[k].b = x->bits != 0;
            else
                memcpy(&v[k].i, &x->bits, sizeof x->bits);
        }
        diff = structure__compare_values(v[0], v[1]);
    }
    return diff;
}

static sk_code judge_trace(structure *s, gather_worker *w, const uint64_t *keys, uint32_t count,
                           err *e)
{
    derive_rules rules = s->rules;
    rules.compare = s->value_count ? compare_shown : NULL;
    rules.ctx = s;
    if (!straddle_reserve(s->budget, &w->trace, &w->trace_capacity, count, sizeof *w->trace) ||
        !straddle_reserve(s->budget, &w->results, &w->result_capacity, count, sizeof *w->results))
        return structure__budget_error(s, e);
    for (uint32_t i = 0; i < count; i++)
        w->trace[i] = s->spans[(uint32_t)keys[i]].span;
    if (!derive_trace(&rules, w->trace, count, &w->w->scratch, w->results))
        return structure__budget_error(s, e);
    for (uint32_t i = 0; i < count; i++) {
        derive_result *r = &w->results[i];
        for (int k = 0; k < DERIVE_RELATIONS; k++)
            if (r->chosen[k] != DERIVE_NONE)
                r->chosen[k] = w->trace[r->chosen[k]].place;
        s->spans[(uint32_t)keys[i]].result = *r;
    }
    return SK_OK;
}

static trace_id trace_of(const structure *s, uint64_t key)
{
    return s->spans[(uint32_t)key].trace;
}

/* Spans of one hash, mostly of one trace: others are put behind it, and judged next. */
static sk_code judge_hash(structure *s, gather_worker *w, uint64_t *keys, uint32_t count, err *e)
{
    sk_code code = SK_OK;
    while (count && code == SK_OK) {
        trace_id id = trace_of(s, keys[0]);
        uint32_t mine = 0;
        for (uint32_t i = 0; i < count; i++)
            if (trace_id_equal(trace_of(s, keys[i]), id)) {
                uint64_t swap = keys[mine];
                keys[mine++] = keys[i];
                keys[i] = swap;
            }
        code = judge_trace(s, w, keys, mine, e);
        keys += mine;
        count -= mine;
    }
    return code;
}

static sk_code judge_morsel(void *ctx, uint32_t slot, uint32_t number, err *e)
{
    gatherer *g = ctx;
    sk_code code = local__must_end(g->s->control, e);
    uint32_t from = g->starts[number], last = g->starts[number + 1];
    for (uint32_t end; code == SK_OK && from < last; from = end) {
        for (end = from + 1; end < last && g->keys[end] >> 32 == g->keys[from] >> 32;)
            end++;
        code = judge_hash(g->s, &g->workers[slot], g->keys + from, end - from, e);
    }
    return code;
}

/* Some hashes a morsel. */
static void cut_morsels(gatherer *g)
{
    uint32_t count = g->s->span_count;
    for (uint32_t i = 1; i < count; i++)
        if (i >= g->starts[g->morsel_count] + MORSEL_SPANS &&
            g->keys[i] >> 32 != g->keys[i - 1] >> 32)
            g->starts[++g->morsel_count] = i;
    g->starts[g->morsel_count += count != 0] = count;
}

static sk_code judge_all(gatherer *g, err *e)
{
    structure *s = g->s;
    size_t bytes = (s->span_count + 1ul) * sizeof *g->keys;
    size_t start_bytes = (s->span_count / MORSEL_SPANS + 2ul) * sizeof *g->starts;
    g->keys = agg_alloc(s->budget, bytes);
    g->starts = agg_alloc(s->budget, start_bytes);
    uint64_t *room = agg_alloc(s->budget, bytes);
    sk_code code = g->keys && room && g->starts ? SK_OK : structure__budget_error(s, e);
    if (code == SK_OK) {
        for (uint32_t i = 0; i < s->span_count; i++)
            g->keys[i] = (uint64_t)part_trace_hash(s->spans[i].trace) << 32 | i;
        straddle_sort(g->keys, room, s->span_count);
        g->starts[0] = 0;
        cut_morsels(g);
        code = pool_run(s->engine->pool, judge_morsel, g, g->morsel_count, e);
    }
    agg_free(s->budget, g->keys, bytes);
    agg_free(s->budget, g->starts, start_bytes);
    agg_free(s->budget, room, bytes);
    return code;
}

/* ---- what is kept of it ---- */

/* Self times and gaps alone, of the same sealed parts: as they were found before. False: they must be found. */
static bool recall(structure *s, sk_code *ret, err *e)
{
    uint32_t count, next_part = 0;
    if (!s->keeps_times ||
        !straddle_recall_times(s->engine, s->environment, &s->inner, &s->times, &count))
        return false;
    s->time_capacity = s->times ? count + 1ul : 0;
    bool has_room = s->times && straddle_reserve(s->budget, &s->spans, &s->span_capacity, count,
                                                 sizeof *s->spans);
    *ret = has_room ? SK_OK : structure__budget_error(s, e);
    s->span_count = has_room ? count : 0;
    for (uint32_t i = 0; i < s->span_count; i++) {
        const straddle_time *from = &s->times[i];
        for (; next_part <= from->part; next_part++)
            s->first_span[next_part] = i;
        gathered_span *to = &s->spans[i];
        *to = (gathered_span){.part = from->part, .row = from->row};
        to->result =
            (derive_result){.self_ns = from->self_ns, .gap_ns = from->gap_ns, .depth = DERIVE_NONE};
        memset(to->result.chosen, 0xff, sizeof to->result.chosen);
    }
    for (; next_part <= s->inner.part_count; next_part++)
        s->first_span[next_part] = s->span_count;
    return true;
}

static void keep(structure *s)
{
    if (!s->keeps_times)
        return;
    for (uint32_t i = 0; i < s->span_count; i++) {
        s->times[i].self_ns = s->spans[i].result.self_ns;
        s->times[i].gap_ns = s->spans[i].result.gap_ns;
    }
    if (!s->damage.blocks)
        straddle_keep_times(s->engine, s->environment, &s->inner, s->times, s->span_count);
}

static bool make_workers(gatherer *g)
{
    g->worker_count = pool_workers(g->s->engine->pool);
    g->workers = ARENA_ARRAY(g->s->mem, gather_worker, g->worker_count);
    for (uint32_t i = 0; g->workers && i < g->worker_count; i++)
        g->workers[i] = (gather_worker){0};
    for (uint32_t i = 0; g->workers && i < g->worker_count; i++)
        if (!(g->workers[i].w = structure_worker_new(g->s)))
            return false;
    return g->workers != NULL;
}

static void free_workers(gatherer *g)
{
    for (uint32_t i = 0; g->workers && i < g->worker_count; i++) {
        gather_worker *w = &g->workers[i];
        agg_free(g->s->budget, w->trace, w->trace_capacity * sizeof *w->trace);
        agg_free(g->s->budget, w->results, w->result_capacity * sizeof *w->results);
        structure_worker_free(w->w);
    }
}

sk_code structure__gather(structure *s, err *e)
{
    gatherer g = {.s = s};
    s->first_span = ARENA_ARRAY(s->mem, uint32_t, s->inner.part_count + 1);
    bool has_workers = make_workers(&g);
    sk_code code = has_workers && s->first_span
                       ? SK_OK
                       : err_set(e, SK_NO_MEMORY, "memory ran out while a query was prepared");
    if (code == SK_OK)
        code = straddle_find(s->engine, s->environment, &g.workers[0].w->scan, s->control,
                             &s->straddling, e);
    bool is_known = code == SK_OK && recall(s, &code, e);
    if (code == SK_OK && !is_known)
        code = read_all(&g, e);
    if (code == SK_OK && !is_known)
        code = judge_all(&g, e);
    if (code == SK_OK && !is_known)
        keep(s);
    free_workers(&g);
    return code;
}
