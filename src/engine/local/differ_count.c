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

/* ---- tables of values ---- */

static bool grow_table(differ_run *r, value_table *t)
{
    if (t->count == t->capacity) {
        uint32_t capacity = t->capacity ? t->capacity * 2 : 16;
        value_entry *entries = agg_realloc(&r->budget, t->entries, t->capacity * sizeof *entries,
                                           capacity * sizeof *entries);
        if (!entries)
            return false;
        t->entries = entries;
        t->capacity = capacity;
    }
    if (2 * (t->count + 1) < t->slot_count)
        return true;
    uint32_t slot_count = t->slot_count ? t->slot_count * 2 : 64;
    uint32_t *slots = agg_alloc(&r->budget, slot_count * sizeof *slots);
    if (!slots)
        return false;
    for (uint32_t n = 0; n < t->count; n++) {
        uint32_t i = (uint32_t)hash_mix(t->entries[n].key) & (slot_count - 1);
        while (slots[i])
            i = (i + 1) & (slot_count - 1);
        slots[i] = n + 1;
    }
    agg_free(&r->budget, t->slots, t->slot_count * sizeof *t->slots);
    t->slots = slots;
    t->slot_count = slot_count;
    return true;
}

/* The entry of a key, made when new; NULL: the budget has failed. */
static value_entry *entry_of(differ_run *r, value_table *t, uint64_t key)
{
    uint32_t hash = (uint32_t)hash_mix(key), i = hash & (t->slot_count - 1);
    if (t->slot_count) {
        for (; t->slots[i]; i = (i + 1) & (t->slot_count - 1))
            if (t->entries[t->slots[i] - 1].key == key)
                return &t->entries[t->slots[i] - 1];
    }
    if (!grow_table(r, t))
        return NULL;
    i = hash & (t->slot_count - 1);
    while (t->slots[i])
        i = (i + 1) & (t->slot_count - 1);
    t->slots[i] = t->count + 1;
    t->entries[t->count] = (value_entry){.key = key};
    return &t->entries[t->count++];
}

static void free_table(differ_run *r, value_table *t)
{
    agg_free(&r->budget, t->slots, t->slot_count * sizeof *t->slots);
    agg_free(&r->budget, t->entries, t->capacity * sizeof *t->entries);
    *t = (value_table){0};
}

static void add_weights(uint64_t *into, const uint64_t *from)
{
    for (uint32_t side = 0; side < DIFFER_SIDES; side++)
        into[side] += from[side];
}

/* ---- numbers ---- */

static uint64_t number_key(double v)
{
    uint64_t bits;
    if (isnan(v))
        v = NAN;
    if (v == 0)
        v = 0; /* one zero */
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static double number_of(uint64_t key)
{
    double v;
    memcpy(&v, &key, sizeof v);
    return v;
}

static bool put_in_buckets(differ_run *r, field_counts *f)
{
    value_table old = f->numbers;
    bool is_done = true;
    if (f->in_buckets)
        return true;
    f->numbers = (value_table){0};
    f->in_buckets = true;
    for (uint32_t i = 0; is_done && i < old.count; i++) {
        value_entry *to = entry_of(r, &f->numbers, differ_bucket(number_of(old.entries[i].key)));
        is_done = to != NULL;
        if (to)
            add_weights(to->weight, old.entries[i].weight);
    }
    free_table(r, &old);
    return is_done;
}

/* Neighbouring rows often have the same numbers: entries are remembered by their keys. */
static bool count_number(differ_run *r, differ_worker *w, field_counts *f, double v, uint32_t side,
                         uint64_t weight)
{
    uint64_t key = f->in_buckets ? differ_bucket(v) : number_key(v);
    number_slot *slot = &w->numbers[(key ^ key >> 40) & (DIFFER_NUMBER_SLOTS - 1)];
    if (unlikely(slot->of != f || slot->key != key || slot->in_buckets != f->in_buckets)) {
        value_entry *to = entry_of(r, &f->numbers, key);
        if (!to)
            return false;
        *slot = (number_slot){f, key, (uint32_t)(to - f->numbers.entries), f->in_buckets};
    }
    f->numbers.entries[slot->entry].weight[side] += weight;
    return f->in_buckets || f->numbers.count <= DIFFER_NUMBERS_MAX || put_in_buckets(r, f);
}

static bool count_numbers(differ_run *r, differ_worker *w, field_counts *f, const vector *v,
                          const uint64_t *rows, uint32_t side)
{
    for (uint32_t word = 0; word < VECTOR_WORDS; word++)
        for (uint64_t left = rows[word]; left; left &= left - 1) {
            uint32_t row = word * 64 + (uint32_t)__builtin_ctzll(left);
            double number = v->kind == VECTOR_INTS ? (double)v->ints[row] : v->floats[row];
            if (!count_number(r, w, f, number, side, w->has_weights ? w->weights[row] : 1))
                return false;
        }
    return true;
}

/* ---- texts ---- */

static bool count_text(differ_run *r, field_counts *f, span text, const uint64_t *weights)
{
    value_entry *to = entry_of(r, &f->texts, hash64(text));
    if (!to)
        return false;
    to->text = text;
    add_weights(to->weight, weights);
    return true;
}

static bool count_bools(differ_run *r, const differ_worker *w, field_counts *f, const vector *v,
                        const uint64_t *rows, uint32_t side)
{
    uint64_t weights[2][DIFFER_SIDES] = {{0}};
    for (uint32_t word = 0; word < VECTOR_WORDS; word++)
        for (uint64_t left = rows[word]; left; left &= left - 1) {
            uint32_t row = word * 64 + (uint32_t)__builtin_ctzll(left);
            weights[v->codes[row] != 0][side] += w->has_weights ? w->weights[row] : 1;
        }
    return (!weights[0][side] || count_text(r, f, SPAN("false"), weights[0])) &&
           (!weights[1][side] || count_text(r, f, SPAN("true"), weights[1]));
}

/* Rows of both sides make up the block, each counts once: all are counted for the baseline, then the selected are moved. */
static void count_whole(const differ_worker *w, column_counts *c, const vector *v)
{
    uint64_t *out = c->weights;
    c->is_touched = true;
    for (uint32_t row = 0; row < v->row_count; row++)
        out[(size_t)v->codes[row] * DIFFER_SIDES + DIFFER_BASELINE]++;
    for (uint32_t word = 0; word < VECTOR_WORDS; word++)
        for (uint64_t left = w->sides[DIFFER_SELECTION][word]; left; left &= left - 1) {
            uint64_t *at =
                out + (size_t)v->codes[word * 64 + (uint32_t)__builtin_ctzll(left)] * DIFFER_SIDES;
            at[DIFFER_BASELINE]--;
            at[DIFFER_SELECTION]++;
        }
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

static column_counts *column_of(differ_run *r, differ_worker *w, uint32_t number)
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
        count += (uint64_t)__builtin_popcountll(rows[word]);
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
    case VECTOR_FLOATS: return count_numbers(r, w, f, v, rows, side);
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
    column_counts *c = v->kind == VECTOR_CODES ? column_of(r, w, number) : NULL;
    uint64_t present[VECTOR_WORDS], rows[VECTOR_WORDS];
    if (v->kind == VECTOR_CODES && !c)
        return false;
    bool is_whole = w->is_whole && v->all_present && c && !v->is_constant;
    scan_present(v, present);
    for (uint32_t side = 0; side < DIFFER_SIDES; side++) {
        uint64_t count, weight;
        for (uint32_t i = 0; i < VECTOR_WORDS; i++)
            rows[i] = present[i] & w->sides[side][i];
        weight = weigh(w, rows, &count);
        f->rows[side] += count;
        f->weight[side] += weight;
        if (count && !is_whole && !count_side(r, w, f, c, v, rows, side, weight))
            return false;
    }
    if (is_whole)
        count_whole(w, c, v);
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
    if (!w->columns)
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
        sk_code code = scan_read(all, PART_COLUMNS + c, &v, e);
        if (code != SK_OK)
            return code;
        if (v->kind == VECTOR_CODES &&
            v->dictionary->count > part_dictionary(p->part, PART_COLUMNS + c)->count)
            return err_set(e, SK_CORRUPT, "a dictionary could not be read");
        if (counts && !count_vector(r, w, PART_COLUMNS + c, fields[c], v))
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
    uint64_t count = 0;
    for (uint32_t side = 0; side < DIFFER_SIDES; side++)
        for (uint32_t i = 0; i < VECTOR_WORDS; i++)
            count += (uint64_t)__builtin_popcountll(w->sides[side][i]);
    w->is_whole = !w->has_weights && count == w->scans[SCAN_ALL].row_count;
    /* All columns are read before anything is counted, so that a damaged one leaves the whole block out. */
    if (code == SK_OK)
        code = count_columns(r, w, number, block, false, e);
    return code == SK_OK ? count_columns(r, w, number, block, true, e) : code;
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
            is_done = count_text(r, f, d->text(d->of, code), weights);
            if (f->texts.count > DIFFER_VALUES_MAX) {
                atomic_store_explicit(&r->too_many[field], true, memory_order_relaxed);
                free_table(r, &f->texts);
                break;
            }
        }
        agg_free(&r->budget, counts->weights,
                 ((size_t)counts->code_count + 1) * DIFFER_SIDES * sizeof *counts->weights);
    }
    agg_free(&r->budget, w->columns, (p->info.column_count + 1) * sizeof *w->columns);
    w->columns = NULL;
    w->part = UINT32_MAX;
    return is_done;
}

/* ---- the answer ---- */

static bool merge_field(differ_run *r, uint32_t field, field_counts *into, field_counts *from)
{
    if (into->in_buckets || from->in_buckets)
        if (!put_in_buckets(r, into) || !put_in_buckets(r, from))
            return false;
    value_table *tables[][2] = {{&into->texts, &from->texts}, {&into->numbers, &from->numbers}};
    for (size_t t = 0; t < COUNT_OF(tables); t++)
        for (uint32_t i = 0; i < tables[t][1]->count; i++) {
            const value_entry *x = &tables[t][1]->entries[i];
            value_entry *to = entry_of(r, tables[t][0], x->key);
            if (!to)
                return false;
            to->text = x->text;
            add_weights(to->weight, x->weight);
        }
    for (uint32_t side = 0; side < DIFFER_SIDES; side++) {
        into->rows[side] += from->rows[side];
        into->weight[side] += from->weight[side];
    }
    if (into->texts.count > DIFFER_VALUES_MAX)
        atomic_store(&r->too_many[field], true);
    return into->in_buckets || into->numbers.count <= DIFFER_NUMBERS_MAX || put_in_buckets(r, into);
}

static bool follows(const differ_run *r, span name)
{
    const plan *plans[] = {r->query->selection, r->query->baseline};
    for (size_t i = 0; i < COUNT_OF(plans); i++)
        for (uint32_t f = 0; plans[i] && f < plans[i]->filter_count; f++) {
            const plan_field *of = &plans[i]->fields[plans[i]->filters[f].field];
            for (uint32_t c = 0; c < of->candidate_count; c++)
                if (span_equal(of->candidates[c], name))
                    return true;
        }
    return false;
}

static bool fill_input(differ_run *r, uint32_t field, differ_input *ret)
{
    const field_counts *f = &r->workers[0]->fields[field];
    *ret = (differ_input){.name = r->names[field],
                          .has_too_many = atomic_load(&r->too_many[field]),
                          .follows = follows(r, r->names[field])};
    memcpy(ret->rows, f->rows, sizeof ret->rows);
    memcpy(ret->weight, f->weight, sizeof ret->weight);
    if (ret->has_too_many)
        return true;
    ret->values = ARENA_ARRAY(r->scratch, differ_value, f->texts.count + f->numbers.count + 1ul);
    if (!ret->values)
        return false;
    for (uint32_t i = 0; i < f->texts.count; i++) {
        differ_value *v = &ret->values[ret->value_count++];
        v->text = f->texts.entries[i].text;
        memcpy(v->weight, f->texts.entries[i].weight, sizeof v->weight);
    }
    for (uint32_t i = 0; i < f->numbers.count; i++) {
        differ_value *v = &ret->values[ret->value_count++];
        v->is_number = true;
        if (f->in_buckets)
            differ_bucket_range((uint32_t)f->numbers.entries[i].key, &v->low, &v->high);
        else
            v->low = v->high = number_of(f->numbers.entries[i].key);
        memcpy(v->weight, f->numbers.entries[i].weight, sizeof v->weight);
    }
    return true;
}

sk_code differ__rank_fields(differ_run *r, differences_result *ret, err *e)
{
    for (uint32_t i = 1; i < r->worker_count; i++)
        for (uint32_t f = 0; f < r->field_count; f++)
            if (!atomic_load(&r->too_many[f]) &&
                !merge_field(r, f, &r->workers[0]->fields[f], &r->workers[i]->fields[f]))
                return finish_budget_error(&r->budget, e);
    differ_input *inputs = ARENA_ARRAY(r->scratch, differ_input, r->field_count + 1);
    for (uint32_t f = 0; inputs && f < r->field_count; f++) {
        if (!fill_input(r, f, &inputs[f]))
            inputs = NULL;
        else if (inputs[f].has_too_many)
            inputs[f].rows[0] += 1; /* it is there, whatever was counted */
    }
    if (!inputs)
        return err_set(e, SK_TOO_LARGE,
                       "the fields' values pass the memory of one query; ask for "
                       "a shorter time or a filter");
    sk_code code = differ_fields(inputs, r->field_count, &ret->totals, r->query->field_limit,
                                 r->mem, &ret->fields, e);
    if (code == SK_OK && ret->fields.count && !ret->fields.fields[0].follows)
        ret->sentence = ret->fields.fields[0].sentence;
    return code;
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
    for (uint32_t f = 0; w->fields && f < r->field_count; f++) {
        free_table(r, &w->fields[f].texts);
        free_table(r, &w->fields[f].numbers);
    }
}
