/*
 * engine/local/scan_filter.c: which rows of a block pass the plan's filters. plan_filter_matches says what a filter means;
 * here it is asked once per dictionary code of a part, once per constant, and for numbers and ids replaced by comparisons
 * that agree with it. Called by scan.c.
 */
#include <math.h>
#include <stdlib.h>

#include "base/must.h"
#include "engine/local/structure.h"

enum { VERDICT_UNKNOWN, VERDICT_NO, VERDICT_YES };

/* ---- opening: the values in every form ---- */

static bool is_same_text(value v, span text)
{
    char scratch[VALUE_TEXT_MAX];
    return span_equal(value_text(v, scratch), text);
}

static int compare_ints(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int compare_floats(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void add_text(scan_filter *f, span text)
{
    int64_t i;
    double d;
    if (span_to_i64(text, &i) && is_same_text((value){true, FIELD_INT, {.i = i}}, text))
        f->ints[f->int_count++] = i;
    if (span_to_double(text, &d) && is_same_text((value){true, FIELD_FLOAT, {.f = d}}, text))
        f->floats[f->float_count++] = d;
    f->has_odd_text |= is_same_text((value){true, FIELD_FLOAT, {.f = NAN}}, text) ||
                       is_same_text((value){true, FIELD_FLOAT, {.f = INFINITY}}, text) ||
                       is_same_text((value){true, FIELD_FLOAT, {.f = -INFINITY}}, text);
    f->trace_id_count += trace_id_parse(text, false, &f->trace_ids[f->trace_id_count]);
    f->span_id_count += span_id_parse(text, false, &f->span_ids[f->span_id_count]);
}

static bool fill_filter(scan *s, scan_filter *f, const plan_filter *from, uint32_t field)
{
    f->filter = *from;
    f->field = field;
    f->is_equality = from->op == FILTER_EQ || from->op == FILTER_NE || from->op == FILTER_IN ||
                     from->op == FILTER_NOT_IN;
    if (!f->is_equality)
        return true;
    f->ints = ARENA_ARRAY(s->mem, int64_t, from->value_count + 1);
    f->floats = ARENA_ARRAY(s->mem, double, from->value_count + 1);
    f->trace_ids = ARENA_ARRAY(s->mem, trace_id, from->value_count + 1);
    f->span_ids = ARENA_ARRAY(s->mem, uint64_t, from->value_count + 1);
    if (!f->ints || !f->floats || !f->trace_ids || !f->span_ids)
        return false;
    for (uint32_t i = 0; i < from->value_count; i++)
        add_text(f, from->texts[i]);
    qsort(f->ints, f->int_count, sizeof *f->ints, compare_ints);
    qsort(f->floats, f->float_count, sizeof *f->floats, compare_floats);
    qsort(f->span_ids, f->span_id_count, sizeof *f->span_ids, compare_u64);
    return true;
}

/* Cheap ones first: the later ones see fewer rows, and of blocks without any the dear ones read nothing. */
static uint32_t cost_of(const scan *s, const scan_filter *f)
{
    uint32_t cost = s->plan->fields[f->field].derived ? 4 : 0;
    if (f->is_equality)
        return cost;
    if (f->filter.op == FILTER_EXISTS || f->filter.op == FILTER_NOT_EXISTS)
        return cost + 1;
    return cost + (filter_op_is_order(f->filter.op) ? 2 : 3);
}

sk_code scan__filters_open(scan *s, err *e)
{
    const plan *p = s->plan;
    s->has_dataset_filter = p->dataset.at != NULL;
    s->filters = ARENA_ARRAY(s->mem, scan_filter, p->filter_count + 1);
    span *dataset = ARENA_NEW(s->mem, span);
    bool is_done = s->filters && dataset;
    if (is_done && s->has_dataset_filter) {
        *dataset = p->dataset;
        plan_filter f = {.op = FILTER_EQ, .value_count = 1, .texts = dataset};
        is_done = fill_filter(s, &s->filters[s->filter_count++], &f, p->field_count);
    }
    uint32_t first = s->filter_count;
    for (uint32_t i = 0; is_done && i < p->filter_count; i++)
        is_done =
            fill_filter(s, &s->filters[s->filter_count++], &p->filters[i], p->filters[i].field);
    if (!is_done)
        return err_set(e, SK_NO_MEMORY, "memory ran out while a query was prepared");
    for (uint32_t i = first + 1; i < s->filter_count; i++) /* insertion: stable */
        for (uint32_t k = i;
             k > first && cost_of(s, &s->filters[k - 1]) > cost_of(s, &s->filters[k]); k--) {
            scan_filter swap = s->filters[k];
            s->filters[k] = s->filters[k - 1];
            s->filters[k - 1] = swap;
        }
    return SK_OK;
}

/* ---- preparing a part: verdicts by code ---- */

static uint8_t ask(const scan_filter *f, const scan_source *of, uint32_t code)
{
    value v = {.is_set = true, .type = of->type};
    v.text = of->dictionary->text(of->dictionary->of, code);
    return plan_filter_matches(&f->filter, v) ? VERDICT_YES : VERDICT_NO;
}

static bool looks_at_codes(const scan_filter *f)
{
    return f->filter.op != FILTER_EXISTS && f->filter.op != FILTER_NOT_EXISTS;
}

/* ---- searching a dictionary ---- */

typedef struct searching {
    scan_verdicts *verdicts;
    uint32_t code_count;
    bool is_negative;
} searching;

static void note_found(void *ctx, uint32_t first, const uint8_t *found, uint32_t count)
{
    searching *s = ctx;
    for (uint32_t i = 0; i < count && first + i < s->code_count; i++) {
        uint8_t verdict = found[i];
        if (s->is_negative && verdict != VERDICT_UNKNOWN)
            verdict = verdict == VERDICT_YES ? VERDICT_NO : VERDICT_YES;
        atomic_store_explicit(&s->verdicts->by_code[first + i], verdict, memory_order_relaxed);
    }
}

/* The verdicts that a search of the dictionary gives; false: it gives none. */
static bool search_texts(const scan_filter *f, const scan_source *of, scan_verdicts *v)
{
    bool is_contains = f->filter.op == FILTER_CONTAINS || f->filter.op == FILTER_NOT_CONTAINS;
    searching s = {v, of->code_count, f->filter.is_negative};
    return is_contains && f->filter.value_count == 1 && of->dictionary->search &&
           of->dictionary->search(of->dictionary->of, f->filter.texts[0], note_found, &s);
}

/* Asks all codes when that costs no more than asking row by row would, and those that a search did not tell when rows need them. */
static bool prepare_verdicts(scan *s, const scan_part *p, const scan_filter *f,
                             const scan_source *of, scan_verdicts *v, bool *ret_may_match)
{
    *ret_may_match = true;
    if (!of->code_count || !looks_at_codes(f))
        return true;
    v->by_code = agg_alloc(s->budget, of->code_count);
    if (!v->by_code)
        return false;
    if (of->code_count > p->info.row_count)
        return true;
    v->wanted = agg_alloc(s->budget, (of->code_count + 63) / 64 * sizeof *v->wanted);
    if (!v->wanted)
        return false;
    v->is_searched = search_texts(f, of, v);
    uint64_t any = 0;
    for (uint32_t first = 0; first < of->code_count; first += 64) {
        uint32_t end = of->code_count - first < 64 ? of->code_count : first + 64;
        uint64_t word = 0;
        for (uint32_t code = first; code < end; code++) {
            if (!v->is_searched)
                atomic_store_explicit(&v->by_code[code], ask(f, of, code), memory_order_relaxed);
            uint8_t verdict = atomic_load_explicit(&v->by_code[code], memory_order_relaxed);
            word |= (uint64_t)(verdict != VERDICT_NO) << (code - first);
        }
        v->wanted[first / 64] = word;
        any |= word;
    }
    *ret_may_match = any != 0;
    return true;
}

/* Whether the plan can have rows, given what each filter can: `may` is about the filters [first, filter_count). */
static bool combine(const scan *s, const bool *may)
{
    uint32_t first = s->has_dataset_filter ? 1 : 0;
    if (first && !may[0])
        return false;
    if (s->filter_count == first)
        return true;
    bool any = false, all = true;
    for (uint32_t i = first; i < s->filter_count; i++) {
        any |= may[i];
        all &= may[i];
    }
    return s->plan->filters_or ? any : all;
}

bool scan__filters_prepare(scan *s, scan_part *p)
{
    bool may[SPEC_LIST_MAX + 1] = {false};
    must(s->filter_count <= COUNT_OF(may));
    p->verdicts = agg_alloc(s->budget, (s->filter_count + 1) * sizeof *p->verdicts);
    if (!p->verdicts)
        return false;
    for (uint32_t i = 0; i < s->filter_count; i++) {
        const scan_filter *f = &s->filters[i];
        const scan_field *field = &p->fields[f->field];
        may[i] = f->filter.is_negative;
        if (field->count == 0)
            continue;
        p->verdicts[i] = agg_alloc(s->budget, field->count * sizeof **p->verdicts);
        if (!p->verdicts[i])
            return false;
        for (uint32_t k = 0; k < field->count; k++) {
            bool may_match;
            if (!prepare_verdicts(s, p, f, &field->sources[k], &p->verdicts[i][k], &may_match))
                return false;
            may[i] |= may_match;
        }
    }
    p->is_hopeless = !combine(s, may);
    return true;
}

void scan__filters_close(scan *s, scan_part *p)
{
    if (!p->verdicts)
        return;
    for (uint32_t i = 0; i < s->filter_count; i++) {
        const scan_field *field = &p->fields[s->filters[i].field];
        if (!p->verdicts[i])
            continue;
        for (uint32_t k = 0; k < field->count; k++) {
            uint32_t codes = field->sources[k].code_count;
            agg_free(s->budget, (void *)(uintptr_t)p->verdicts[i][k].by_code, codes);
            agg_free(s->budget, p->verdicts[i][k].wanted, (codes + 63) / 64 * sizeof(uint64_t));
        }
        agg_free(s->budget, p->verdicts[i], field->count * sizeof **p->verdicts);
    }
    agg_free(s->budget, p->verdicts, (s->filter_count + 1) * sizeof *p->verdicts);
}

/* ---- skipping blocks ---- */

static bool range_may_match(const scan_filter *f, double least, double greatest)
{
    if (filter_op_is_order(f->filter.op)) {
        if (!f->filter.has_number)
            return false;
        bool wants_greater = f->filter.op == FILTER_GT || f->filter.op == FILTER_GE;
        return wants_greater ? greatest >= f->filter.number : least <= f->filter.number;
    }
    if (!f->is_equality || f->has_odd_text)
        return true;
    bool may = false;
    for (uint32_t i = 0; i < f->int_count; i++)
        may |= (double)f->ints[i] >= least && (double)f->ints[i] <= greatest;
    for (uint32_t i = 0; i < f->float_count; i++)
        may |= f->floats[i] >= least && f->floats[i] <= greatest;
    return may;
}

static bool source_may_match(const scan_part *p, const scan_filter *f, const scan_source *of,
                             const scan_verdicts *v, uint32_t block)
{
    double least, greatest;
    if (of->column >= SCAN_DERIVED)
        return true;
    if (of->column >= PART_COLUMNS && !part_block_has_column(p->part, of->column, block))
        return false;
    if (v->wanted)
        return part_block_may_hold(p->part, of->column, block, v->wanted);
    if (of->column >= PART_COLUMNS && (of->type == FIELD_INT || of->type == FIELD_FLOAT) &&
        part_block_number_range(p->part, of->column, block, &least, &greatest))
        return range_may_match(f, least, greatest);
    return true;
}

bool scan__filter_may_match(const scan *s, const scan_part *p, uint32_t filter, uint32_t block)
{
    const scan_filter *f = &s->filters[filter];
    const scan_field *field = &p->fields[f->field];
    bool may = f->filter.is_negative;
    for (uint32_t k = 0; k < field->count && !may; k++)
        may = source_may_match(p, f, &field->sources[k], &p->verdicts[filter][k], block);
    return may;
}

bool scan__filters_may_match(const scan *s, const scan_part *p, uint32_t block)
{
    bool may[SPEC_LIST_MAX + 1] = {false};
    for (uint32_t i = 0; i < s->filter_count; i++)
        may[i] = scan__filter_may_match(s, p, i, block);
    return combine(s, may);
}

/* ---- rows ---- */

static inline bool holds_order(const plan_filter *f, double v)
{
    if (!isfinite(v))
        return false;
    switch ((int)f->op) {
    case FILTER_GT: return v > f->number;
    case FILTER_GE: return v >= f->number;
    case FILTER_LT: return v < f->number;
    case FILTER_LE: return v <= f->number;
    default: never();
    }
}

static inline bool has_int(const scan_filter *f, int64_t v)
{
    if (f->int_count > 8)
        return bsearch(&v, f->ints, f->int_count, sizeof v, compare_ints) != NULL;
    bool found = false;
    for (uint32_t i = 0; i < f->int_count; i++)
        found |= f->ints[i] == v;
    return found;
}

static inline bool has_float(const scan_filter *f, double v)
{
    if (f->float_count > 8) /* NaN would compare as equal to whatever it meets */
        return !isnan(v) &&
               bsearch(&v, f->floats, f->float_count, sizeof v, compare_floats) != NULL;
    bool found = false;
    for (uint32_t i = 0; i < f->float_count; i++)
        found |= f->floats[i] == v;
    return found;
}

static inline bool has_span_id(const scan_filter *f, uint64_t v)
{
    return bsearch(&v, f->span_ids, f->span_id_count, sizeof v, compare_u64) != NULL;
}

static inline bool has_trace_id(const scan_filter *f, trace_id v)
{
    bool found = false;
    for (uint32_t i = 0; i < f->trace_id_count; i++)
        found |= trace_id_equal(f->trace_ids[i], v);
    return found;
}

/* EACH_ROW_OF(rows) { … } visits the set bits as `row`, and `bit` of `rows[word]`. */
#define EACH_ROW_OF(bits_of)                                                                       \
    for (uint32_t word = 0; word < VECTOR_WORDS; word++)                                           \
        for (uint64_t left = (bits_of)[word], row = 0;                                             \
             left && (row = word * 64u + (uint32_t)__builtin_ctzll(left), 1); left &= left - 1)

static inline void set_if(uint64_t *out, uint64_t row, bool holds)
{
    out[row >> 6] |= (uint64_t)holds << (row & 63);
}

static void match_slowly(const scan_filter *f, const scan_source *of, const vector *v,
                         const uint64_t *rows, uint64_t *out)
{
    scan_scratch scratch;
    EACH_ROW_OF(rows)
    set_if(out, row,
           plan_filter_matches(&f->filter, scan_value(v, of->type, (uint32_t)row, &scratch)));
}

/* What a search did not tell, of texts that nobody else asks for. */
static sk_code ask_reader(scan_worker *w, const scan_filter *f, const scan_source *of,
                          uint32_t code, uint8_t *ret, err *e)
{
    value v = {.is_set = true, .type = of->type};
    sk_code done = part_read_text(w->reader, of->column, code, &v.text, e);
    if (done == SK_OK)
        *ret = plan_filter_matches(&f->filter, v) ? VERDICT_YES : VERDICT_NO;
    return done;
}

static sk_code match_codes(scan_worker *w, const scan_filter *f, const scan_source *of,
                           const scan_verdicts *known, const vector *v, const uint64_t *rows,
                           uint64_t *out, err *e)
{
    _Atomic(uint8_t) *by_code = known->by_code;
    for (uint32_t word = 0; word < VECTOR_WORDS; word++) {
        uint64_t holds = 0;
        const uint32_t *codes = v->codes + (size_t)word * 64;
        for (uint64_t left = rows[word]; left; left &= left - 1) {
            uint32_t bit = (uint32_t)__builtin_ctzll(left), code = codes[bit];
            must_slow(code < of->code_count);
            uint8_t verdict = atomic_load_explicit(&by_code[code], memory_order_relaxed);
            if (unlikely(verdict == VERDICT_UNKNOWN)) {
                sk_code done = SK_OK;
                if (known->is_searched)
                    done = ask_reader(w, f, of, code, &verdict, e);
                else
                    verdict = ask(f, of, code);
                if (done != SK_OK)
                    return done;
                atomic_store_explicit(&by_code[code], verdict, memory_order_relaxed);
            }
            holds |= (uint64_t)(verdict == VERDICT_YES) << bit;
        }
        out[word] |= holds;
    }
    return SK_OK;
}

static void match_numbers(const scan_filter *f, const vector *v, const uint64_t *rows,
                          uint64_t *out)
{
    bool is_int = v->kind == VECTOR_INTS, flip = f->filter.is_negative;
    if (!f->is_equality) {
        if (!f->filter.has_number)
            return;
        EACH_ROW_OF(rows)
        set_if(out, row, holds_order(&f->filter, is_int ? (double)v->ints[row] : v->floats[row]));
        return;
    }
    EACH_ROW_OF(rows)
    set_if(out, row, (is_int ? has_int(f, v->ints[row]) : has_float(f, v->floats[row])) != flip);
}

static void match_ids(const scan_filter *f, const vector *v, const uint64_t *rows, uint64_t *out)
{
    bool flip = f->filter.is_negative;
    if (v->kind == VECTOR_IDS) {
        EACH_ROW_OF(rows)
        set_if(out, row, has_span_id(f, v->ids[row]) != flip);
        return;
    }
    EACH_ROW_OF(rows)
    set_if(out, row, has_trace_id(f, v->trace_ids[row]) != flip);
}

static void match_constant(const scan_filter *f, const scan_source *of, const vector *v,
                           const uint64_t *rows, uint64_t *out)
{
    scan_scratch scratch;
    bool is_known = false, holds = false;
    for (uint32_t word = 0; word < VECTOR_WORDS; word++) {
        if (!rows[word])
            continue;
        uint32_t row = word * 64 + (uint32_t)__builtin_ctzll(rows[word]);
        if (!is_known)
            holds = plan_filter_matches(&f->filter, scan_value(v, of->type, row, &scratch));
        is_known = true;
        out[word] |= holds ? rows[word] : 0;
    }
}

static sk_code match_vector(scan_worker *w, const scan_filter *f, const scan_source *of,
                            const scan_verdicts *known, const vector *v, const uint64_t *rows,
                            uint64_t *out, err *e)
{
    bool is_number = v->kind == VECTOR_INTS || v->kind == VECTOR_FLOATS;
    bool is_id = v->kind == VECTOR_IDS || v->kind == VECTOR_TRACE_IDS;
    if (v->kind == VECTOR_CODES && (!v->is_constant || known->is_searched))
        return match_codes(w, f, of, known, v, rows, out, e);
    if (v->is_constant)
        match_constant(f, of, v, rows, out);
    else if (is_number &&
             (filter_op_is_order(f->filter.op) || (f->is_equality && !f->has_odd_text)))
        match_numbers(f, v, rows, out);
    else if (is_id && f->is_equality)
        match_ids(f, v, rows, out);
    else
        match_slowly(f, of, v, rows, out);
    return SK_OK;
}

sk_code scan__filter_match(scan_worker *w, uint32_t filter, const uint64_t *within, uint64_t *out,
                           err *e)
{
    const scan_filter *f = &w->scan->filters[filter];
    const scan_field *field = &w->at->fields[f->field];
    uint64_t left[VECTOR_WORDS],
        mine[VECTOR_WORDS]; /* left: rows that no source has given a value yet */
    memcpy(left, within, sizeof left);
    memset(out, 0, sizeof left);
    for (uint32_t k = 0; k < field->count; k++) {
        const scan_source *of = &field->sources[k];
        const vector *v;
        if (of->column >= PART_COLUMNS && of->column < SCAN_DERIVED &&
            !part_block_has_column(w->at->part, of->column, w->block))
            continue;
        const scan_verdicts *known = &w->at->verdicts[filter][k];
        sk_code code = known->is_searched ? scan_read_codes(w, of->column, &v, e)
                                          : scan_read_source(w, of, &v, e);
        if (code != SK_OK)
            return code;
        scan_present(v, mine);
        for (uint32_t i = 0; i < VECTOR_WORDS; i++) {
            mine[i] &= left[i];
            left[i] &= ~mine[i];
        }
        if (looks_at_codes(f))
            code = match_vector(w, f, of, known, v, mine, out, e);
        else if (f->filter.op == FILTER_EXISTS)
            for (uint32_t i = 0; i < VECTOR_WORDS; i++)
                out[i] |= mine[i];
        if (code != SK_OK)
            return code;
    }
    if (f->filter.is_negative)
        for (uint32_t i = 0; i < VECTOR_WORDS; i++)
            out[i] |= left[i];
    return SK_OK;
}

static bool any_bit(const uint64_t *bits)
{
    uint64_t any = 0;
    for (uint32_t i = 0; i < VECTOR_WORDS; i++)
        any |= bits[i];
    return any != 0;
}

static sk_code apply_or(scan_worker *w, uint32_t first, err *e)
{
    uint64_t passed[VECTOR_WORDS] = {0}, left[VECTOR_WORDS], out[VECTOR_WORDS];
    memcpy(left, w->selected, sizeof left);
    for (uint32_t i = first; i < w->scan->filter_count && any_bit(left); i++) {
        sk_code code = scan__filter_match(w, i, left, out, e);
        if (code != SK_OK)
            return code;
        for (uint32_t k = 0; k < VECTOR_WORDS; k++) {
            passed[k] |= out[k];
            left[k] &= ~out[k];
        }
    }
    memcpy(w->selected, passed, sizeof passed);
    return SK_OK;
}

sk_code scan__filters_apply(scan_worker *w, err *e)
{
    const scan *s = w->scan;
    uint32_t first = s->has_dataset_filter ? 1 : 0;
    uint32_t and_count = s->plan->filters_or ? first : s->filter_count;
    for (uint32_t i = 0; i < and_count && any_bit(w->selected); i++) {
        uint64_t out[VECTOR_WORDS];
        sk_code code = scan__filter_match(w, i, w->selected, out, e);
        if (code != SK_OK)
            return code;
        memcpy(w->selected, out, sizeof out);
    }
    if (s->plan->filters_or && s->filter_count > first && any_bit(w->selected))
        return apply_or(w, first, e);
    return SK_OK;
}
