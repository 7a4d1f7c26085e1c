/*
 * engine/local/structure_gather.c: before the scan: the spans of every trace that lies in several places (straddle.h) are read from all parts
 * and judged whole, by derive.h. The scan looks their results up by part and row. On the asker's thread.
 */
#include <stdlib.h>

#include "base/must.h"
#include "engine/local/structure.h"

typedef struct gatherer {
    structure *s;
    structure_worker *w;
    uint64_t *marked; /* blocks of the part at hand that may hold such traces */
    uint32_t block_count;
    uint64_t *keys, *room; /* hash of the trace, then the span's number */
    derive_span *trace;
    derive_result *results;
    size_t trace_capacity, result_capacity;
} gatherer;

/* ---- reading ---- */

static bool grow_spans(structure *s)
{
    size_t wanted = s->span_count + 1ul;
    return straddle_reserve(s->budget, &s->spans, &s->span_capacity, wanted, sizeof *s->spans) &&
           straddle_reserve(s->budget, &s->span_values, &s->span_value_capacity,
                            wanted * s->value_count, sizeof *s->span_values);
}

static bool keep_value(structure *s, uint32_t number, value v, gathered_value *ret)
{
    *ret = (gathered_value){0};
    if (!v.is_set)
        return true;
    ret->type1 = (uint32_t)v.type + 1;
    s->values[number].types |= 1u << v.type;
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

static bool take_row(gatherer *g, const span_block *b, uint32_t run, uint32_t row)
{
    structure *s = g->s;
    if (s->span_count == UINT32_MAX - 1 || !grow_spans(s))
        return false;
    uint32_t n = s->span_count;
    s->spans[n] = (gathered_span){.trace = b->run_id[run],
                                  .part = b->part,
                                  .row = b->first_row + row,
                                  .span = {.id = b->ids[row],
                                           .parent_id = b->parent_ids[row],
                                           .time_ns = b->times[row],
                                           .duration_ns = b->durations[row],
                                           .service = s->needs_resources ? b->services[row] : 0,
                                           .instance = s->needs_resources ? b->instances[row] : 0,
                                           .place = n,
                                           .kind = b->kinds[row],
                                           .match = b->matches[row]}};
    for (uint32_t i = 0; i < s->value_count; i++) {
        scan_scratch scratch;
        if (!keep_value(s, i, structure__value_at(g->w, b, i, row, &scratch),
                        &s->span_values[(size_t)n * s->value_count + i]))
            return false;
    }
    s->span_count++;
    return true;
}

static sk_code read_block(gatherer *g, uint32_t part_number, uint32_t block, err *e)
{
    const span_block *b;
    sk_code code = local__must_end(g->s->control, e);
    if (code == SK_OK)
        code = structure__load(g->w, part_number, block, true, &b, e);
    if (code == SK_CORRUPT) {
        if (g->s->damage.blocks++ == 0)
            memcpy(g->s->damage.first, e->text, sizeof g->s->damage.first - 1);
        return SK_OK;
    }
    if (code != SK_OK)
        return code;
    for (uint32_t run = 0; run < b->run_count; run++)
        for (uint32_t row = b->run_first[run]; b->run_straddles[run] && row < b->run_first[run + 1];
             row++)
            if (b->ids[row] && !take_row(g, b, run, row))
                return structure__budget_error(g->s, e);
    /* A run may go on where no other begins. */
    if (b->run_straddles[b->run_count - 1] && block + 1 < g->block_count)
        g->marked[(block + 1) / 64] |= 1ull << ((block + 1) & 63);
    return SK_OK;
}

static sk_code mark_page(void *ctx, const uint32_t *hashes, const uint32_t *rows, uint32_t count,
                         err *e)
{
    gatherer *g = ctx;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t block = rows[i] / VECTOR_ROWS;
        if (block < g->block_count && straddle_has(&g->s->straddling, hashes[i]))
            g->marked[block / 64] |= 1ull << (block & 63);
    }
    return local__must_end(g->s->control, e);
}

static sk_code read_part(gatherer *g, uint32_t part_number, err *e)
{
    const scan_part *p = &g->s->inner.parts[part_number];
    size_t bytes = (p->info.block_count / 64 + 1ul) * sizeof *g->marked;
    g->block_count = p->info.block_count;
    g->marked = agg_alloc(g->s->budget, bytes);
    if (!g->marked)
        return structure__budget_error(g->s, e);
    sk_code code = SK_OK;
    if (p->info.is_open)
        memset(g->marked, 0xff, bytes);
    else
        code = part_trace_runs(p->part, mark_page, g, e);
    if (code == SK_CORRUPT)
        code = SK_OK; /* told of by the store; the pages read so far are marked */
    for (uint32_t b = 0; code == SK_OK && b < g->block_count; b++)
        if (g->marked[b / 64] >> (b & 63) & 1)
            code = read_block(g, part_number, b, e);
    agg_free(g->s->budget, g->marked, bytes);
    return code;
}

static sk_code read_all(gatherer *g, err *e)
{
    structure *s = g->s;
    sk_code code = SK_OK;
    for (uint32_t i = 0; i < s->inner.part_count; i++) {
        s->first_span[i] = s->span_count;
        if (code == SK_OK && s->straddling.count && s->inner.parts[i].info.family == FAMILY_TRACE)
            code = read_part(g, i, e);
    }
    s->first_span[s->inner.part_count] = s->span_count;
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

static sk_code judge_trace(gatherer *g, const uint64_t *keys, uint32_t count, err *e)
{
    structure *s = g->s;
    derive_rules rules = s->rules;
    rules.compare = s->value_count ? compare_shown : NULL;
    rules.ctx = s;
    if (!straddle_reserve(s->budget, &g->trace, &g->trace_capacity, count, sizeof *g->trace) ||
        !straddle_reserve(s->budget, &g->results, &g->result_capacity, count, sizeof *g->results))
        return structure__budget_error(s, e);
    for (uint32_t i = 0; i < count; i++)
        g->trace[i] = s->spans[(uint32_t)keys[i]].span;
    if (!derive_trace(&rules, g->trace, count, &g->w->scratch, g->results))
        return structure__budget_error(s, e);
    for (uint32_t i = 0; i < count; i++) {
        derive_result *r = &g->results[i];
        for (int k = 0; k < DERIVE_RELATIONS; k++)
            if (r->chosen[k] != DERIVE_NONE)
                r->chosen[k] = g->trace[r->chosen[k]].place;
        s->spans[(uint32_t)keys[i]].result = *r;
    }
    return SK_OK;
}

static trace_id trace_of(const structure *s, uint64_t key)
{
    return s->spans[(uint32_t)key].trace;
}

/* Spans of one hash, mostly of one trace: others are put behind it, and judged next. */
static sk_code judge_hash(gatherer *g, uint64_t *keys, uint32_t count, err *e)
{
    sk_code code = SK_OK;
    while (count && code == SK_OK) {
        trace_id id = trace_of(g->s, keys[0]);
        uint32_t mine = 0;
        for (uint32_t i = 0; i < count; i++)
            if (trace_id_equal(trace_of(g->s, keys[i]), id)) {
                uint64_t swap = keys[mine];
                keys[mine++] = keys[i];
                keys[i] = swap;
            }
        code = judge_trace(g, keys, mine, e);
        keys += mine;
        count -= mine;
    }
    return code;
}

static sk_code judge_all(gatherer *g, err *e)
{
    structure *s = g->s;
    size_t bytes = (s->span_count + 1ul) * sizeof *g->keys;
    g->keys = agg_alloc(s->budget, bytes);
    g->room = agg_alloc(s->budget, bytes);
    sk_code code = g->keys && g->room ? SK_OK : structure__budget_error(s, e);
    if (code == SK_OK) {
        for (uint32_t i = 0; i < s->span_count; i++)
            g->keys[i] = (uint64_t)part_trace_hash(s->spans[i].trace) << 32 | i;
        straddle_sort(g->keys, g->room, s->span_count);
    }
    uint32_t looked = 0;
    for (uint32_t from = 0, end; code == SK_OK && from < s->span_count; from = end) {
        for (end = from + 1; end < s->span_count && g->keys[end] >> 32 == g->keys[from] >> 32;)
            end++;
        if (end - looked > 4096) {
            looked = end;
            code = local__must_end(s->control, e);
        }
        if (code == SK_OK)
            code = judge_hash(g, g->keys + from, end - from, e);
    }
    agg_free(s->budget, g->keys, bytes);
    agg_free(s->budget, g->room, bytes);
    return code;
}

sk_code structure__gather(structure *s, err *e)
{
    gatherer g = {.s = s, .w = structure_worker_new(s)};
    s->first_span = ARENA_ARRAY(s->mem, uint32_t, s->inner.part_count + 1);
    if (!g.w || !s->first_span) {
        structure_worker_free(g.w);
        return err_set(e, SK_NO_MEMORY, "memory ran out while a query was prepared");
    }
    sk_code code =
        straddle_find(s->engine, s->environment, &g.w->scan, s->control, &s->straddling, e);
    if (code == SK_OK)
        code = read_all(&g, e);
    if (code == SK_OK)
        code = judge_all(&g, e);
    agg_free(s->budget, g.trace, g.trace_capacity * sizeof *g.trace);
    agg_free(s->budget, g.results, g.result_capacity * sizeof *g.results);
    structure_worker_free(g.w);
    return code;
}
