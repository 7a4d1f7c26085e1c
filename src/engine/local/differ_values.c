/*
 * engine/local/differ_values.c: the different values of a field and their weights on both sides: texts by hash, numbers as they are or, when there
 * are many different ones, in buckets; then all workers' as one answer. Called by differ_count.c and differences.c.
 */
#include <math.h>

#include "base/hash.h"
#include "base/must.h"
#include "engine/local/differ.h"

/* ---- tables ---- */

/* The entry of a key, made when new; NULL: the budget has failed. */
static value_entry *entry_of(differ_run *r, item_table *t, uint64_t key)
{
    uint32_t hash = (uint32_t)hash_mix(key), n;
    value_entry *entries = t->at;
    for (uint32_t step = 0; item_table_next(t, hash, &step, &n);)
        if (entries[n].key == key)
            return &entries[n];
    value_entry *made = item_table_add(&r->budget, t, hash, sizeof *made);
    if (made)
        made->key = key;
    return made;
}

static void add_weights(uint64_t *into, const uint64_t *from)
{
    for (uint32_t side = 0; side < DIFFER_SIDES; side++)
        into[side] += from[side];
}

bool differ__count_text(differ_run *r, field_counts *f, span text, const uint64_t *weights)
{
    value_entry *to = entry_of(r, &f->texts, hash64(text));
    if (!to)
        return false;
    to->text = text;
    add_weights(to->weight, weights);
    return true;
}

/* ---- numbers ---- */

uint64_t differ__number_key(double v)
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

/* The weights of a bucket; NULL: the budget has failed. */
static uint64_t *weights_of(differ_run *r, bucket_counts *b, uint32_t bucket)
{
    bucket_octave **octave = &b->octaves[bucket / BUCKETS_OCTAVE];
    if (unlikely(!*octave))
        *octave = agg_alloc(&r->budget, sizeof **octave);
    return *octave ? (*octave)->weight[bucket % BUCKETS_OCTAVE] : NULL;
}

static bool put_in_buckets(differ_run *r, field_counts *f)
{
    const value_entry *entries = f->numbers.at;
    if (f->buckets)
        return true;
    f->buckets = agg_alloc(&r->budget, sizeof *f->buckets);
    for (uint32_t i = 0; f->buckets && i < f->numbers.count; i++) {
        uint64_t *to = weights_of(r, f->buckets, differ_bucket(number_of(entries[i].key)));
        if (!to)
            return false;
        add_weights(to, entries[i].weight);
    }
    item_table_free(&r->budget, &f->numbers, sizeof *entries);
    return f->buckets != NULL;
}

/* Neighbouring rows often have the same numbers: entries are remembered by their keys. */
static value_entry *number_entry(differ_run *r, differ_worker *w, field_counts *f, double v)
{
    uint64_t key = differ__number_key(v);
    number_slot *slot = &w->numbers[(key ^ key >> 40) & (DIFFER_NUMBER_SLOTS - 1)];
    if (unlikely(slot->of != f || slot->key != key)) {
        value_entry *to = entry_of(r, &f->numbers, key);
        if (!to)
            return NULL;
        *slot = (number_slot){f, key, (uint32_t)(to - (value_entry *)f->numbers.at)};
    }
    return (value_entry *)f->numbers.at + slot->entry;
}

bool differ__count_number(differ_run *r, differ_worker *w, field_counts *f, double v, uint32_t side,
                          uint64_t weight)
{
    if (f->buckets) {
        uint64_t *to = weights_of(r, f->buckets, differ_bucket(v));
        if (to)
            to[side] += weight;
        return to != NULL;
    }
    value_entry *to = number_entry(r, w, f, v);
    if (!to)
        return false;
    to->weight[side] += weight;
    return f->numbers.count <= DIFFER_NUMBERS_MAX || put_in_buckets(r, f);
}

static inline double number_at(const vector *v, uint32_t row)
{
    return v->kind == VECTOR_INTS ? (double)v->ints[row] : v->floats[row];
}

/* Rows [first, end), each of weight 1; or -1. False: the budget has failed. */
static inline bool add_to_buckets(differ_run *r, bucket_counts *b, const vector *v, uint32_t first,
                                  uint32_t end, uint32_t side, uint64_t weight)
{
    for (uint32_t row = first; row < end; row++) {
        uint32_t bucket = differ_bucket(number_at(v, row));
        bucket_octave *octave = b->octaves[bucket / BUCKETS_OCTAVE];
        uint64_t *to =
            likely(octave) ? octave->weight[bucket % BUCKETS_OCTAVE] : weights_of(r, b, bucket);
        if (unlikely(!to))
            return false;
        to[side] += weight;
    }
    return true;
}

static bool count_in_buckets(differ_run *r, const differ_worker *w, bucket_counts *b,
                             const vector *v, const uint64_t *rows, uint32_t side)
{
    const uint32_t *weights = w->has_weights ? w->weights : NULL;
    for (uint32_t word = 0; word < VECTOR_WORDS; word++)
        for (uint64_t left = rows[word]; left; left &= left - 1) {
            uint32_t row = word * 64 + (uint32_t)__builtin_ctzll(left);
            if (!add_to_buckets(r, b, v, row, row + 1, side, weights ? weights[row] : 1))
                return false;
        }
    return true;
}

bool differ__count_numbers(differ_run *r, differ_worker *w, field_counts *f, const vector *v,
                           const uint64_t *rows, uint32_t side)
{
    uint32_t same = 0; /* the last row: neighbouring ones often have one number */
    uint64_t weight = 0;
    if (f->buckets)
        return count_in_buckets(r, w, f->buckets, v, rows, side);
    for (uint32_t word = 0; word < VECTOR_WORDS; word++)
        for (uint64_t left = rows[word]; left; left &= left - 1) {
            uint32_t row = word * 64 + (uint32_t)__builtin_ctzll(left);
            if (weight && v->ids[row] != v->ids[same]) {
                if (!differ__count_number(r, w, f, number_at(v, same), side, weight))
                    return false;
                weight = 0;
            }
            same = row;
            weight += w->has_weights ? w->weights[row] : 1;
        }
    return !weight || differ__count_number(r, w, f, number_at(v, same), side, weight);
}

static bool count_all_for_baseline(differ_run *r, differ_worker *w, field_counts *f,
                                   const vector *v)
{
    for (uint32_t row = 0, end; row < v->row_count; row = end) {
        if (f->buckets && v->kind == VECTOR_FLOATS)
            return add_to_buckets(r, f->buckets, v, row, v->row_count, DIFFER_BASELINE, 1);
        for (end = row + 1; end < v->row_count && v->ids[end] == v->ids[row];)
            end++;
        if (!differ__count_number(r, w, f, number_at(v, row), DIFFER_BASELINE, end - row))
            return false;
    }
    return true;
}

bool differ__move_numbers(differ_run *r, differ_worker *w, field_counts *f, const vector *v,
                          const uint64_t *rows)
{
    for (uint32_t word = 0; word < VECTOR_WORDS; word++)
        for (uint64_t left = rows[word]; left; left &= left - 1) {
            double number = number_at(v, word * 64 + (uint32_t)__builtin_ctzll(left));
            if (!differ__count_number(r, w, f, number, DIFFER_BASELINE, (uint64_t)-1) ||
                !differ__count_number(r, w, f, number, DIFFER_SELECTION, 1))
                return false;
        }
    return true;
}

bool differ__count_whole_numbers(differ_run *r, differ_worker *w, field_counts *f, const vector *v)
{
    return count_all_for_baseline(r, w, f, v) &&
           differ__move_numbers(r, w, f, v, w->sides[DIFFER_SELECTION]);
}

bool differ__count_total(differ_run *r, differ_worker *w, field_counts *f, const totals *t)
{
    if (t->kind == TOTAL_BUCKETS && !put_in_buckets(r, f))
        return false;
    for (uint32_t i = 0; i < t->count; i++)
        if (t->kind == TOTAL_NUMBERS) {
            if (!differ__count_number(r, w, f, number_of(t->keys[i]), DIFFER_BASELINE, t->rows[i]))
                return false;
        } else {
            uint64_t *to = weights_of(r, f->buckets, (uint32_t)t->keys[i]);
            if (!to)
                return false;
            to[DIFFER_BASELINE] += t->rows[i];
        }
    return true;
}

/* ---- the answer ---- */

static bool merge_buckets(differ_run *r, bucket_counts *into, const bucket_counts *from)
{
    for (uint32_t o = 0; o < BUCKET_OCTAVES; o++)
        for (uint32_t i = 0; from->octaves[o] && i < BUCKETS_OCTAVE; i++) {
            uint64_t *to = weights_of(r, into, o * BUCKETS_OCTAVE + i);
            if (!to)
                return false;
            add_weights(to, from->octaves[o]->weight[i]);
        }
    return true;
}

static bool merge_field(differ_run *r, uint32_t field, field_counts *into, field_counts *from)
{
    item_table *tables[][2] = {{&into->texts, &from->texts}, {&into->numbers, &from->numbers}};
    if (into->buckets || from->buckets)
        if (!put_in_buckets(r, into) || !put_in_buckets(r, from) ||
            !merge_buckets(r, into->buckets, from->buckets))
            return false;
    for (size_t t = 0; t < COUNT_OF(tables); t++)
        for (uint32_t i = 0; i < tables[t][1]->count; i++) {
            const value_entry *x = (const value_entry *)tables[t][1]->at + i;
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
    return into->buckets || into->numbers.count <= DIFFER_NUMBERS_MAX || put_in_buckets(r, into);
}

/* A field that a filter names says nothing, nor does the status code that `error` is made from. */
static bool follows(const differ_run *r, span name)
{
    const plan *plans[] = {r->query->selection, r->query->baseline};
    for (size_t i = 0; i < COUNT_OF(plans); i++)
        for (uint32_t f = 0; plans[i] && f < plans[i]->filter_count; f++) {
            const plan_field *of = &plans[i]->fields[plans[i]->filters[f].field];
            for (uint32_t c = 0; c < of->candidate_count; c++)
                if (span_equal(of->candidates[c], name) ||
                    (span_is(of->candidates[c], "error") && span_is(name, "status_code")))
                    return true;
        }
    return false;
}

static bool has_weight(const bucket_octave *o, uint32_t i)
{
    return (o->weight[i][0] | o->weight[i][1]) != 0;
}

static uint32_t count_buckets(const bucket_counts *b)
{
    uint32_t count = 0;
    for (uint32_t o = 0; b && o < BUCKET_OCTAVES; o++)
        for (uint32_t i = 0; b->octaves[o] && i < BUCKETS_OCTAVE; i++)
            count += has_weight(b->octaves[o], i);
    return count;
}

static void list_octave(const bucket_octave *o, uint32_t first, differ_input *ret)
{
    for (uint32_t i = 0; i < BUCKETS_OCTAVE; i++) {
        if (!has_weight(o, i))
            continue;
        differ_value *v = &ret->values[ret->value_count++];
        v->is_number = true;
        differ_bucket_range(first + i, &v->low, &v->high);
        memcpy(v->weight, o->weight[i], sizeof v->weight);
    }
}

static void list_buckets(const bucket_counts *b, differ_input *ret)
{
    for (uint32_t o = 0; b && o < BUCKET_OCTAVES; o++)
        if (b->octaves[o])
            list_octave(b->octaves[o], o * BUCKETS_OCTAVE, ret);
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
    const value_entry *texts = f->texts.at, *numbers = f->numbers.at;
    ret->values = ARENA_ARRAY(r->scratch, differ_value,
                              f->texts.count + f->numbers.count + count_buckets(f->buckets) + 1ul);
    if (!ret->values)
        return false;
    for (uint32_t i = 0; i < f->texts.count; i++) {
        differ_value *v = &ret->values[ret->value_count++];
        v->text = texts[i].text;
        memcpy(v->weight, texts[i].weight, sizeof v->weight);
    }
    for (uint32_t i = 0; i < f->numbers.count; i++) {
        differ_value *v = &ret->values[ret->value_count++];
        v->is_number = true;
        v->low = v->high = number_of(numbers[i].key);
        memcpy(v->weight, numbers[i].weight, sizeof v->weight);
    }
    list_buckets(f->buckets, ret);
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

void differ__free_values(differ_run *r, field_counts *f)
{
    item_table_free(&r->budget, &f->texts, sizeof(value_entry));
    item_table_free(&r->budget, &f->numbers, sizeof(value_entry));
    for (uint32_t o = 0; f->buckets && o < BUCKET_OCTAVES; o++)
        agg_free(&r->budget, f->buckets->octaves[o], sizeof *f->buckets->octaves[o]);
    agg_free(&r->budget, f->buckets, sizeof *f->buckets);
    f->buckets = NULL;
}
