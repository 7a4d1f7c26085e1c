/*
 * engine/local/structure_read.c: one block's spans as the rules see them: runs of rows of one trace, times, parents, kinds, and whether the
 * filters on other spans hold on them. Texts are looked at once per code of a part_number, as everywhere (scan.h).
 */
#include <math.h>

#include "base/alloc.h"
#include "base/must.h"
#include "engine/local/kept_columns.h"
#include "engine/local/structure.h"

static const uint64_t no_ids[VECTOR_ROWS];

sk_code structure__budget_error(const structure *s, err *e)
{
    return straddle_budget_error(s->budget, e);
}

/* ---- room ---- */

static span_block *new_block(const structure *s)
{
    span_block *b = base_alloc(sizeof *b);
    if (!b)
        return NULL;
    b->part = b->block = UINT32_MAX;
    b->id_vector = base_alloc(sizeof(vector));
    b->time_vector = base_alloc(sizeof(vector));
    size_t columns = (size_t)s->value_count * STRUCTURE_COLUMNS + 1;
    b->values = base_alloc_zero(columns, sizeof *b->values);
    b->has_value = base_alloc_zero(columns, sizeof *b->has_value);
    return b;
}

static void free_block(const structure *s, span_block *take_b)
{
    if (!take_b)
        return;
    for (size_t i = 0; take_b->values && i < (size_t)s->value_count * STRUCTURE_COLUMNS; i++)
        base_free(take_b->values[i]);
    base_free(take_b->values);
    base_free(take_b->has_value);
    base_free(take_b->id_vector);
    base_free(take_b->time_vector);
    base_free(take_b);
}

structure_worker *structure_worker_new(structure *s)
{
    structure_worker *w = base_alloc_zero(1, sizeof *w);
    if (!w)
        return NULL;
    w->structure = s;
    w->part = w->block = UINT32_MAX;
    w->scratch.budget = s->budget;
    scan_worker_init(&w->scan, &s->inner);
    return w;
}

void structure_worker_free(structure_worker *take_w)
{
    if (!take_w)
        return;
    for (uint32_t i = 0; i < STRUCTURE_BLOCKS; i++)
        free_block(take_w->structure, take_w->blocks[i]);
    derive_scratch_done(&take_w->scratch);
    agg_free(take_w->scratch.budget, take_w->spans, take_w->span_capacity * sizeof *take_w->spans);
    agg_free(take_w->scratch.budget, take_w->results,
             take_w->result_capacity * sizeof *take_w->results);
    scan_worker_done(&take_w->scan);
    base_free(take_w);
}

/* ---- runs ---- */

static void find_runs(const structure *s, span_block *b, const vector *v)
{
    trace_id last = {0, 0};
    b->run_count = 0;
    for (uint32_t row = 0; row < b->row_count; row++) {
        trace_id id = v->kind == VECTOR_TRACE_IDS ? v->trace_ids[row] : (trace_id){0, 0};
        if (row && trace_id_equal(id, last))
            continue;
        last = id;
        b->run_first[b->run_count] = (uint16_t)row;
        b->run_id[b->run_count] = id;
        b->run_straddles[b->run_count++] =
            trace_id_is_set(id) && straddle_has(&s->straddling, part_trace_hash(id));
    }
    b->run_first[b->run_count] = (uint16_t)b->row_count;
}

/* ---- what rows say ---- */

static uint32_t text_number(structure *s, span text, bool is_lasting)
{
    group_keys_begin(s->texts, 0);
    uint32_t number = group_keys_text(s->texts, 0, text, GROUP_KEY_TEXT, is_lasting);
    group_keys_end(s->texts, 0);
    return number;
}

/* Kind + 1, or the number of a text; 1 for what is as good as absent. */
#define ANSWER_EMPTY UINT32_MAX

static uint32_t answer_of(structure *s, uint32_t field, value v, bool is_lasting)
{
    char scratch[VALUE_TEXT_MAX];
    span text = value_text(v, scratch);
    if (field == INNER_KIND)
        return (uint32_t)span_kind_parse(text) + 1;
    if (span_trim(text).len == 0)
        return ANSWER_EMPTY;
    return text_number(s, text, is_lasting && v.type == FIELD_STRING);
}

/* The answers of one source's rows: by code known already, others one by one. */
static void answer_source(structure_worker *w, uint32_t field, scan_source *of, const vector *v,
                          uint32_t *out)
{
    structure *s = w->structure;
    scan_scratch scratch;
    _Atomic(uint32_t) *known = v->kind == VECTOR_CODES ? scan_keys_of(&s->inner, of) : NULL;
    for (uint32_t row = 0; row < v->row_count; row++) {
        if (!v->all_present && !vector_has(v, row))
            continue;
        if (!known) {
            out[row] = answer_of(s, field, scan_value(v, of->type, row, &scratch), false);
            continue;
        }
        uint32_t code = v->codes[row];
        out[row] = atomic_load_explicit(&known[code], memory_order_relaxed);
        if (likely(out[row]))
            continue;
        out[row] = answer_of(s, field, scan_value(v, of->type, row, &scratch), true);
        atomic_store_explicit(&known[code], out[row], memory_order_relaxed);
    }
}

static sk_code read_answers(structure_worker *w, uint32_t field, uint32_t row_count, uint32_t *out,
                            err *e)
{
    const scan_field *f = &w->scan.at->fields[field];
    memset(out, 0, row_count * sizeof *out);
    for (uint32_t i = 0; i < f->count; i++) {
        const vector *v;
        if (f->sources[i].column >= PART_COLUMNS &&
            !part_block_has_column(w->scan.at->part, f->sources[i].column, w->scan.block))
            continue;
        sk_code code = scan_read_source(&w->scan, &f->sources[i], &v, e);
        if (code != SK_OK)
            return code;
        if (v->kind != VECTOR_ABSENT)
            answer_source(w, field, &f->sources[i], v, out);
    }
    return SK_OK;
}

static void kinds_of_codes(structure_worker *w, span_block *b, scan_source *of, const vector *v)
{
    _Atomic(uint32_t) *known = scan_keys_of(&w->structure->inner, of);
    for (uint32_t row = 0; known && row < v->row_count; row++) {
        uint32_t code = v->codes[row];
        uint32_t answer = atomic_load_explicit(&known[code], memory_order_relaxed);
        if (unlikely(!answer)) {
            answer = (uint32_t)span_kind_parse(of->dictionary->text(of->dictionary->of, code)) + 1;
            atomic_store_explicit(&known[code], answer, memory_order_relaxed);
        }
        b->kinds[row] = (uint8_t)(answer - 1);
    }
}

static sk_code read_kinds(structure_worker *w, span_block *b, err *e)
{
    const scan_field *f = &w->scan.at->fields[INNER_KIND];
    const vector *v;
    if (f->count == 1 && f->sources[0].type == FIELD_STRING) {
        sk_code code = scan_read_source(&w->scan, &f->sources[0], &v, e);
        if (code != SK_OK)
            return code;
        if (v->kind == VECTOR_CODES && v->all_present) {
            kinds_of_codes(w, b, &f->sources[0], v);
            return SK_OK;
        }
    }
    uint32_t *answers = w->depths; /* free until all blocks are loaded */
    sk_code code = read_answers(w, INNER_KIND, b->row_count, answers, e);
    for (uint32_t row = 0; row < b->row_count; row++)
        b->kinds[row] = answers[row] ? (uint8_t)(answers[row] - 1) : KIND_UNSPECIFIED;
    return code;
}

/* Service and instance as numbers of texts. Rows without a service have their dataset's name. */
static sk_code read_resources(structure_worker *w, span_block *b, err *e)
{
    scan_source *of = &w->scan.at->fields[w->structure->inner_plan.field_count].sources[0];
    const vector *v;
    sk_code code = read_answers(w, INNER_SERVICE, b->row_count, b->services, e);
    if (code == SK_OK)
        code = read_answers(w, INNER_INSTANCE, b->row_count, b->instances, e);
    if (code == SK_OK)
        code = scan_read_source(&w->scan, of, &v, e);
    if (code != SK_OK)
        return code;
    _Atomic(uint32_t) *known = scan_keys_of(&w->structure->inner, of);
    for (uint32_t row = 0; known && row < b->row_count; row++) {
        if (b->instances[row] == ANSWER_EMPTY)
            b->instances[row] = 0;
        if (b->services[row] && b->services[row] != ANSWER_EMPTY)
            continue;
        uint32_t at = v->codes[row],
                 answer = atomic_load_explicit(&known[at], memory_order_relaxed);
        if (unlikely(!answer)) {
            answer = text_number(w->structure, of->dictionary->text(of->dictionary->of, at), true);
            atomic_store_explicit(&known[at], answer, memory_order_relaxed);
        }
        b->services[row] = answer;
    }
    return SK_OK;
}

static sk_code read_durations(structure_worker *w, span_block *b, err *e)
{
    const scan_field *f = &w->scan.at->fields[INNER_DURATION];
    memset(b->durations, 0xff, b->row_count * sizeof b->durations[0]);
    for (uint32_t i = 0; i < f->count; i++) {
        const scan_source *of = &f->sources[i];
        const vector *v;
        scan_scratch scratch;
        if (!part_block_has_column(w->scan.at->part, of->column, w->scan.block))
            continue;
        sk_code code = scan_read_source(&w->scan, of, &v, e);
        if (code != SK_OK)
            return code;
        if (v->kind == VECTOR_ABSENT)
            continue;
        if (v->kind == VECTOR_FLOATS && v->all_present) {
            for (uint32_t row = 0; row < b->row_count; row++)
                b->durations[row] = isfinite(v->floats[row]) ? derive_duration(v->floats[row]) : -1;
            continue;
        }
        for (uint32_t row = 0; row < b->row_count; row++) {
            double ms;
            if (!v->all_present && !vector_has(v, row))
                continue;
            if (v->kind == VECTOR_FLOATS && isfinite(v->floats[row]))
                b->durations[row] = derive_duration(v->floats[row]);
            else if (value_number(scan_value(v, of->type, row, &scratch), &ms))
                b->durations[row] = derive_duration(ms);
        }
    }
    return SK_OK;
}

/* Which relations' filters hold on each row. */
static sk_code read_matches(structure_worker *w, span_block *b, err *e)
{
    const structure *s = w->structure;
    memset(b->matches, s->match_all, b->row_count);
    for (int r = 0; r < DERIVE_RELATIONS; r++) {
        uint64_t holds[VECTOR_WORDS], out[VECTOR_WORDS];
        if (!(s->filtered & DERIVE_BIT(r)))
            continue;
        memset(holds, 0, sizeof holds);
        for (uint32_t row = 0; row < b->row_count; row++)
            holds[row >> 6] |= (uint64_t)(b->ids[row] != 0) << (row & 63);
        for (uint32_t i = 0; i < s->inner.filter_count; i++) {
            if (s->relation_of_inner[s->inner.filters[i].field] !=
                (uint32_t)(RELATION_ROOT + r - DERIVE_ROOT))
                continue;
            sk_code code = scan__filter_match(&w->scan, i, holds, out, e);
            if (code != SK_OK)
                return code;
            memcpy(holds, out, sizeof holds);
        }
        for (uint32_t row = 0; row < b->row_count; row++)
            b->matches[row] |= (uint8_t)((holds[row >> 6] >> (row & 63) & 1) << r);
    }
    return SK_OK;
}

/* ---- values of the fields that other spans will show ---- */

static sk_code read_values(structure_worker *w, span_block *b, err *e)
{
    const structure *s = w->structure;
    for (uint32_t n = 0; n < s->value_count; n++) {
        const scan_field *f = &w->scan.at->fields[s->values[n].inner_field];
        for (uint32_t i = 0; i < STRUCTURE_COLUMNS; i++) {
            size_t at = (size_t)n * STRUCTURE_COLUMNS + i;
            b->has_value[at] = false;
            if (i >= f->count ||
                (f->sources[i].column >= PART_COLUMNS &&
                 !part_block_has_column(w->scan.at->part, f->sources[i].column, w->scan.block)))
                continue;
            if (!b->values[at])
                b->values[at] = base_alloc(sizeof(vector));
            if (!b->values[at])
                return err_set(e, SK_NO_MEMORY, "memory ran out while a query was reading");
            sk_code code = kept_columns_read(s->inner.kept, w->scan.at->part, w->scan.reader,
                                             f->sources[i].column, w->scan.block, true,
                                             b->values[at], &w->scan.bytes_read, e);
            if (code != SK_OK)
                return code;
            if (b->values[at]->kind == VECTOR_CODES &&
                b->values[at]->dictionary->count > f->sources[i].code_count)
                return err_set(e, SK_CORRUPT, "a dictionary could not be read");
            b->has_value[at] = b->values[at]->kind != VECTOR_ABSENT;
        }
    }
    return SK_OK;
}

value structure__value_at(const structure_worker *w, const span_block *b, uint32_t value_number,
                          uint32_t row, scan_scratch *scratch)
{
    const structure *s = w->structure;
    const scan_field *f = &s->inner.parts[b->part].fields[s->values[value_number].inner_field];
    for (uint32_t i = 0; i < f->count && i < STRUCTURE_COLUMNS; i++) {
        size_t at = (size_t)value_number * STRUCTURE_COLUMNS + i;
        if (b->has_value[at] && vector_has(b->values[at], row))
            return scan_value(b->values[at], f->sources[i].type, row, scratch);
    }
    return (value){.is_set = false};
}

int structure__compare_values(value a, value b)
{
    char x[VALUE_TEXT_MAX], y[VALUE_TEXT_MAX];
    if (!a.is_set || !b.is_set)
        return (int)a.is_set - (int)b.is_set;
    int diff = a.type == FIELD_HISTOGRAM && b.type == FIELD_HISTOGRAM
                   ? span_compare(a.text, b.text)
                   : span_compare(value_text(a, x), value_text(b, y));
    return diff ? diff : (int)a.type - (int)b.type;
}

/* ---- a block ---- */

static sk_code read_parents(structure_worker *w, span_block *b, bool by_id, err *e)
{
    if (!by_id)
        return part_read_parents(w->scan.reader, b->block, b->parents, b->parent_ids, e);
    const vector *v;
    sk_code code = scan_read(&w->scan, PART_PARENT_ID, &v, e);
    if (code != SK_OK)
        return code;
    memset(b->parents, 0xff, b->row_count * sizeof b->parents[0]);
    memset(b->parent_ids, 0, b->row_count * sizeof b->parent_ids[0]);
    if (v->kind == VECTOR_IDS)
        memcpy(b->parent_ids, v->ids, b->row_count * sizeof b->parent_ids[0]);
    return SK_OK;
}

static sk_code read_block(structure_worker *w, span_block *b, bool by_id, err *e)
{
    const structure *s = w->structure;
    const vector *v;
    sk_code code = scan_read(&w->scan, PART_TRACE_ID, &v, e);
    if (code != SK_OK)
        return code;
    find_runs(s, b, v);
    code = part_read(w->scan.reader, PART_SPAN_ID, b->block, b->id_vector, e);
    if (code == SK_OK)
        code = part_read(w->scan.reader, PART_TIME, b->block, b->time_vector, e);
    b->ids = b->id_vector->kind == VECTOR_IDS ? b->id_vector->ids : no_ids;
    b->times = b->time_vector->ints;
    if (code == SK_OK)
        code = read_parents(w, b, by_id, e);
    if (code == SK_OK)
        code = read_kinds(w, b, e);
    if (code == SK_OK)
        code = read_durations(w, b, e);
    if (code == SK_OK && s->needs_resources)
        code = read_resources(w, b, e);
    if (code == SK_OK)
        code = read_matches(w, b, e);
    if (code == SK_OK)
        code = read_values(w, b, e);
    if (code == SK_OK && atomic_load_explicit(&s->budget->failed, memory_order_relaxed))
        return structure__budget_error(s, e);
    return code;
}

sk_code structure__load(structure_worker *w, uint32_t part_number, uint32_t block, bool by_id,
                        const span_block **ret, err *e)
{
    uint32_t oldest = 0;
    for (uint32_t i = 0; i < STRUCTURE_BLOCKS; i++) {
        span_block *b = w->blocks[i];
        if (b && b->part == part_number && b->block == block) {
            b->last_used = ++w->clock;
            *ret = b;
            return SK_OK;
        }
        if (w->blocks[oldest] && (!b || b->last_used < w->blocks[oldest]->last_used))
            oldest = i;
    }
    span_block *b = w->blocks[oldest] ? w->blocks[oldest] : new_block(w->structure);
    w->blocks[oldest] = b;
    if (!b || !b->id_vector || !b->time_vector || !b->values || !b->has_value)
        return err_set(e, SK_NO_MEMORY, "memory ran out while a query was reading");
    b->part = b->block = UINT32_MAX;
    sk_code code = scan_go_to(&w->scan, part_number, block, e);
    if (code != SK_OK)
        return code;
    b->block = block;
    b->first_row = w->scan.bounds.first_row;
    b->row_count = w->scan.row_count;
    code = read_block(w, b, by_id, e);
    if (code != SK_OK) {
        b->block = UINT32_MAX;
        return code;
    }
    b->part = part_number;
    b->last_used = ++w->clock;
    *ret = b;
    return SK_OK;
}
