/*
 * engine/local/differ_count.c: how often each value of each field stands on both sides, in one pass over all columns. Dictionary codes are
 * counted in an array per part and column, and looked up as texts once per part. Numbers are counted as they are, or in
 * buckets when there are many different ones. Called by differences.c on the query workers.
 */
#include <math.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/must.h"
#include "engine/local/differ.h"
#include "event/fields.h"

#define FIELD_NONE UINT32_MAX

/* ---- names ---- */

static int compare_spans(const void *left, const void *right)
{
    return span_compare(*(const span *)left, *(const span *)right);
}

static bool is_counted(const differ_run *r, const scan_part *p)
{
    return r->families >> p->info.family & 1;
}

/* Ids say nothing of a selection, under whatever type they came. */
static bool is_field(part_column c)
{
    plan_derived ignored;
    return c.type != FIELD_HISTOGRAM && !span_is(c.name, F_TRACE_ID) &&
           !span_is(c.name, F_SPAN_ID) && !span_is(c.name, F_PARENT_ID) &&
           !plan_derived_parse(c.name, &ignored);
}

static bool list_names(differ_run *r)
{
    const scan *s = &r->scans[SCAN_ALL];
    size_t most = 1 + r->derived_count;
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->part_count; i++)
        most += is_counted(r, &s->parts[i]) ? s->parts[i].info.column_count : 0;
    r->names = ARENA_ARRAY(r->scratch, span, most);
    if (!r->names)
        return false;
    for (uint32_t i = 0; i < s->part_count; i++)
        for (uint32_t c = 0; is_counted(r, &s->parts[i]) && c < s->parts[i].info.column_count;
             c++) {
            part_column c_of = part_column_get(s->parts[i].part, PART_COLUMNS + c);
            if (is_field(c_of))
                r->names[n++] = c_of.name;
        }
    for (uint32_t i = 0; i < r->derived_count; i++)
        r->names[n++] = r->plans[SCAN_ALL].fields[r->derived_first + i].name;
    if (n)
        qsort(r->names, n, sizeof *r->names, compare_spans);
    for (uint32_t i = 0; i < n; i++)
        if (!r->field_count || !span_equal(r->names[r->field_count - 1], r->names[i]))
            r->names[r->field_count++] = r->names[i];
    return true;
}

static uint32_t field_named(const differ_run *r, span name)
{
    const span *at = r->field_count
                         ? bsearch(&name, r->names, r->field_count, sizeof name, compare_spans)
                         : NULL;
    return at ? (uint32_t)(at - r->names) : FIELD_NONE;
}

bool differ__list_fields(differ_run *r)
{
    const scan *s = &r->scans[SCAN_ALL];
    if (!list_names(r))
        return false;
    r->fields_of = ARENA_ARRAY(r->scratch, uint32_t *, s->part_count + 1);
    r->too_many = ARENA_ARRAY(r->scratch, atomic_bool, r->field_count + 1);
    for (uint32_t i = 0; r->fields_of && i < s->part_count; i++) {
        const scan_part *p = &s->parts[i];
        if (!is_counted(r, p))
            continue;
        r->fields_of[i] = ARENA_ARRAY(r->scratch, uint32_t, p->info.column_count + 1);
        if (!r->fields_of[i])
            return false;
        for (uint32_t c = 0; c < p->info.column_count; c++) {
            part_column c_of = part_column_get(p->part, PART_COLUMNS + c);
            r->fields_of[i][c] = is_field(c_of) ? field_named(r, c_of.name) : FIELD_NONE;
        }
    }
    for (uint32_t i = 0; i < r->worker_count; i++) {
        r->workers[i]->fields = ARENA_ARRAY(r->scratch, field_counts, r->field_count + 1);
        if (!r->workers[i]->fields)
            return false;
    }
    return r->fields_of && r->too_many;
}

/* ---- texts ---- */

static bool count_bools(differ_run *r, const differ_worker *w, field_counts *f, const vector *v,
                        const uint64_t *rows, uint32_t side)
{
    uint64_t weights[2][DIFFER_SIDES] = {{0}};
    for (uint32_t word = 0; word < VECTOR_WORDS; word++)
        for (uint64_t left = rows[word]; left; left &= left - 1) {
            uint32_t row = word * 64 + (uint32_t)__builtin_ctzll(left);
            weights[v->codes[row] != 0][side] += w->has_weights ? w->weights[row] : 1;
        }
    return (!weights[0][side] || differ__count_text(r, f, SPAN("false"), weights[0])) &&
           (!weights[1][side] || differ__count_text(r, f, SPAN("true"), weights[1]));
}

/* Those rows are of the selection, not of the baseline. */
static void move_codes(column_counts *c, const vector *v, const uint64_t *rows)
{
    for (uint32_t word = 0; word < VECTOR_WORDS; word++)
        for (uint64_t left = rows[word]; left; left &= left - 1) {
            uint32_t row = word * 64 + (uint32_t)__builtin_ctzll(left);
            uint64_t *at = c->weights + (size_t)v->codes[row] * DIFFER_SIDES;
            at[DIFFER_BASELINE]--;
            at[DIFFER_SELECTION]++;
        }
}

/* Rows of both sides make up the block, each counts once: all are counted for the baseline, then the selected are moved. */
static void count_whole(const differ_worker *w, column_counts *c, const vector *v)
{
    c->is_touched = true;
    for (uint32_t row = 0; row < v->row_count; row++)
        c->weights[(size_t)v->codes[row] * DIFFER_SIDES + DIFFER_BASELINE]++;
    move_codes(c, v, w->sides[DIFFER_SELECTION]);
}

static void count_codes(const differ_worker *w, column_counts *c, const vector *v,
                        const uint64_t *rows, uint32_t side)
{
    uint64_t *out = c->weights + side;
    c->is_touched = true;
    for (uint32_t word = 0; word < VECTOR_WORDS; word++)
        for (uint64_t left = rows[word]; left; left &= left - 1) {
            uint32_t row = word * 64 + (uint32_t)__builtin_ctzll(left);
            out[(size_t)v->codes[row] * DIFFER_SIDES] += w->has_weights ? w->weights[row] : 1;
        }
}

column_counts *differ__column(differ_run *r, differ_worker *w, uint32_t number)
{
    column_counts *c = &w->columns[number - PART_COLUMNS];
    if (!c->weights) {
        c->code_count = part_dictionary(w->scans[SCAN_ALL].at->part, number)->count;
        c->weights =
            agg_alloc(&r->budget, ((size_t)c->code_count + 1) * DIFFER_SIDES * sizeof *c->weights);
    }
    return c->weights ? c : NULL;
}

/* ---- a block ---- */

static uint64_t weigh(const differ_worker *w, const uint64_t *rows, uint64_t *ret_rows)
{
    uint64_t sum = 0, count = 0;
    for (uint32_t word = 0; word < VECTOR_WORDS; word++) {
        count += bit_count(rows[word]);
        for (uint64_t left = w->has_weights ? rows[word] : 0; left; left &= left - 1)
            sum += w->weights[word * 64 + (uint32_t)__builtin_ctzll(left)];
    }
    *ret_rows = count;
    return w->has_weights ? sum : count;
}

static uint32_t first_row(const uint64_t *rows)
{
    uint32_t word = 0;
    while (!rows[word])
        word++;
    return word * 64 + (uint32_t)__builtin_ctzll(rows[word]);
}

/* Rows of one side that have a value. */
static bool count_side(differ_run *r, differ_worker *w, field_counts *f, column_counts *c,
                       const vector *v, const uint64_t *rows, uint32_t side, uint64_t weight)
{
    switch (v->kind) {
    case VECTOR_CODES:
        if (!v->is_constant) {
            count_codes(w, c, v, rows, side);
            return true;
        }
        c->is_touched = true;
        c->weights[(size_t)v->codes[first_row(rows)] * DIFFER_SIDES + side] += weight;
        return true;
    case VECTOR_BOOLS: return count_bools(r, w, f, v, rows, side);
    case VECTOR_INTS:
    case VECTOR_FLOATS: return differ__count_numbers(r, w, f, v, rows, side);
    case VECTOR_ABSENT:
    case VECTOR_IDS:
    case VECTOR_TRACE_IDS: break;
    }
    return true;
}

static bool count_vector(differ_run *r, differ_worker *w, uint32_t number, uint32_t field,
                         const vector *v)
{
    field_counts *f = &w->fields[field];
    column_counts *c = v->kind == VECTOR_CODES ? differ__column(r, w, number) : NULL;
    uint64_t present[VECTOR_WORDS], rows[VECTOR_WORDS];
    if (v->kind == VECTOR_CODES && !c)
        return false;
    bool is_number = v->kind == VECTOR_INTS || v->kind == VECTOR_FLOATS;
    bool is_whole = w->is_whole && v->all_present && !v->is_constant && (c || is_number);
    bool is_full = v->all_present && !w->has_weights;
    if (!is_full)
        scan_present(v, present);
    for (uint32_t side = 0; side < DIFFER_SIDES; side++) {
        uint64_t count = w->block_rows[side], weight = count;
        const uint64_t *of_side = w->sides[side];
        if (!is_full) {
            for (uint32_t i = 0; i < VECTOR_WORDS; i++)
                rows[i] = present[i] & w->sides[side][i];
            weight = weigh(w, rows, &count);
            of_side = rows;
        }
        f->rows[side] += count;
        f->weight[side] += weight;
        if (count && !is_whole && !count_side(r, w, f, c, v, of_side, side, weight))
            return false;
    }
    if (is_whole && is_number)
        return differ__count_whole_numbers(r, w, f, v);
    if (is_whole)
        count_whole(w, c, v);
    return true;
}

/* The same by how often each value stands in the block. `v`: NULL when no row is selected. */
static bool count_by_total(differ_run *r, differ_worker *w, uint32_t number, uint32_t field,
                           const vector *v, const totals *t)
{
    field_counts *f = &w->fields[field];
    column_counts *c = NULL;
    uint64_t rows[VECTOR_WORDS], selected = 0;
    if (t->kind == TOTAL_CODES) {
        c = differ__column(r, w, number);
        if (!c)
            return false;
        c->is_touched = true;
        for (uint32_t i = 0; i < t->count; i++)
            c->weights[t->keys[i] * DIFFER_SIDES + DIFFER_BASELINE] += t->rows[i];
    } else if (!differ__count_total(r, w, f, t)) {
        return false;
    }
    if (v) {
        scan_present(v, rows);
        for (uint32_t i = 0; i < VECTOR_WORDS; i++) {
            rows[i] &= w->sides[DIFFER_SELECTION][i];
            selected += bit_count(rows[i]);
        }
    }
    f->rows[DIFFER_SELECTION] += selected;
    f->weight[DIFFER_SELECTION] += selected;
    f->rows[DIFFER_BASELINE] += t->present - selected;
    f->weight[DIFFER_BASELINE] += t->present - selected;
    if (!selected)
        return true;
    if (!c)
        return differ__move_numbers(r, w, f, v, rows);
    move_codes(c, v, rows);
    return true;
}

static sk_code move_to_part(differ_run *r, differ_worker *w, uint32_t number, err *e)
{
    if (w->part == number)
        return SK_OK;
    if (!differ__end_part(r, w))
        return finish_budget_error(&r->budget, e);
    uint32_t columns = r->scans[SCAN_ALL].parts[number].info.column_count;
    w->columns = agg_alloc(&r->budget, (columns + 1) * sizeof *w->columns);
    if (!w->columns || !differ__open_codes(r, w, columns))
        return finish_budget_error(&r->budget, e);
    w->part = number;
    return SK_OK;
}

/* One pass over the block's columns: `counts` false only reads them. */
static sk_code count_columns(differ_run *r, differ_worker *w, uint32_t number, uint32_t block,
                             bool counts, err *e)
{
    const uint32_t *fields = r->fields_of[number];
    scan_worker *all = &w->scans[SCAN_ALL];
    const scan_part *p = &r->scans[SCAN_ALL].parts[number];
    const vector *v;
    for (uint32_t c = 0; c < p->info.column_count; c++) {
        if (fields[c] == FIELD_NONE || !part_block_has_column(p->part, PART_COLUMNS + c, block) ||
            atomic_load_explicit(&r->too_many[fields[c]], memory_order_relaxed))
            continue;
        bool is_done;
        sk_code code = differ__follow(r, w, PART_COLUMNS + c, fields[c], counts, &is_done, e);
        if (code != SK_OK)
            return code;
        if (is_done)
            continue;
        totals t;
        if (!w->block_rows[DIFFER_SELECTION] && differ__known_total(w, PART_COLUMNS + c, &t)) {
            if (counts && !count_by_total(r, w, PART_COLUMNS + c, fields[c], NULL, &t))
                return finish_budget_error(&r->budget, e);
            continue;
        }
        code = scan_read(all, PART_COLUMNS + c, &v, e);
        if (code != SK_OK)
            return code;
        if (v->kind == VECTOR_CODES &&
            v->dictionary->count > part_dictionary(p->part, PART_COLUMNS + c)->count)
            return err_set(e, SK_CORRUPT, "a dictionary could not be read");
        if (!counts)
            continue;
        bool is_counted = differ__total(w, PART_COLUMNS + c, v, &t)
                              ? count_by_total(r, w, PART_COLUMNS + c, fields[c], v, &t)
                              : count_vector(r, w, PART_COLUMNS + c, fields[c], v);
        if (!is_counted)
            return finish_budget_error(&r->budget, e);
    }
    for (uint32_t d = 0; d < r->derived_count; d++) {
        const scan_field *field = &p->fields[r->derived_first + d];
        uint32_t to = field_named(r, r->plans[SCAN_ALL].fields[r->derived_first + d].name);
        for (uint32_t i = 0; i < field->count; i++) {
            sk_code code = scan_read_source(all, &field->sources[i], &v, e);
            if (code != SK_OK)
                return code;
            if (counts && !count_vector(r, w, field->sources[i].column, to, v))
                return finish_budget_error(&r->budget, e);
        }
    }
    return SK_OK;
}

sk_code differ__count_block(differ_run *r, differ_worker *w, uint32_t number, uint32_t block,
                            err *e)
{
    sk_code code = move_to_part(r, w, number, e);
    for (uint32_t side = 0; side < DIFFER_SIDES; side++) {
        w->block_rows[side] = 0;
        for (uint32_t i = 0; i < VECTOR_WORDS; i++)
            w->block_rows[side] += bit_count(w->sides[side][i]);
    }
    w->is_whole =
        !w->has_weights && w->block_rows[0] + w->block_rows[1] == w->scans[SCAN_ALL].row_count;
    if (code != SK_OK)
        return code;
    differ__forget_codes(w);
    differ__open_totals(r, w);
    /* All columns are read before anything is counted, so that a damaged one leaves the whole block out. */
    code = count_columns(r, w, number, block, false, e);
    if (code == SK_OK)
        code = count_columns(r, w, number, block, true, e);
    differ__close_totals(r, w, code == SK_OK);
    return code;
}

/* Codes of the part become texts. */
bool differ__end_part(differ_run *r, differ_worker *w)
{
    if (w->part == UINT32_MAX)
        return true;
    const scan_part *p = &r->scans[SCAN_ALL].parts[w->part];
    bool is_done = true;
    for (uint32_t c = 0; c < p->info.column_count; c++) {
        column_counts *counts = &w->columns[c];
        uint32_t field = r->fields_of[w->part][c];
        if (!counts->weights)
            continue;
        const dictionary *d = part_dictionary(p->part, PART_COLUMNS + c);
        field_counts *f = &w->fields[field];
        for (uint32_t code = 0; is_done && counts->is_touched && code < counts->code_count;
             code++) {
            const uint64_t *weights = counts->weights + (size_t)code * DIFFER_SIDES;
            if (!(weights[0] | weights[1]))
                continue;
            is_done = differ__count_text(r, f, d->text(d->of, code), weights);
            if (f->texts.count > DIFFER_VALUES_MAX) {
                atomic_store_explicit(&r->too_many[field], true, memory_order_relaxed);
                item_table_free(&r->budget, &f->texts, sizeof(value_entry));
                break;
            }
        }
        agg_free(&r->budget, counts->weights,
                 ((size_t)counts->code_count + 1) * DIFFER_SIDES * sizeof *counts->weights);
    }
    agg_free(&r->budget, w->columns, (p->info.column_count + 1) * sizeof *w->columns);
    w->columns = NULL;
    differ__close_codes(r, w);
    w->part = UINT32_MAX;
    return is_done;
}

void differ__free_counts(differ_run *r, differ_worker *w)
{
    if (w->part != UINT32_MAX) {
        uint32_t columns = r->scans[SCAN_ALL].parts[w->part].info.column_count;
        for (uint32_t c = 0; c < columns; c++)
            agg_free(&r->budget, w->columns[c].weights,
                     ((size_t)w->columns[c].code_count + 1) * DIFFER_SIDES * sizeof(uint64_t));
        agg_free(&r->budget, w->columns, (columns + 1) * sizeof *w->columns);
    }
    differ__close_codes(r, w);
    differ__free_totals(w);
    for (uint32_t f = 0; w->fields && f < r->field_count; f++) {
        differ__free_values(r, &w->fields[f]);
    }
}
