/*
 * engine/local/fields.c: which fields and datasets there are (docs/internals/trace-and-fields.md). One scan by the query workers: types
 * and counts over every row in range, top values over a sample of the blocks when there are many.
 */
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/must.h"
#include "engine/local/local_private.h"
#include "engine/local/scan.h"
#include "event/fields.h"
#include "query/finish.h"

#define SAMPLE_BLOCKS 16u
/* A block with more different values than this does not have them all looked at: those that stand there once cannot be
 * among the most frequent of a field that has any. A few are kept, as examples for a field that has none. */
#define DISTINCT_MANY 1024u
#define SCRATCH_BYTES (512 * MIB)
#define FIELD_NONE    UINT32_MAX
#define TALLY_SLOTS   (2 * VECTOR_ROWS)

static const char *const ID_NAMES[] = {F_TRACE_ID, F_SPAN_ID, F_PARENT_ID};
static const uint32_t ID_COLUMNS[] = {PART_TRACE_ID, PART_SPAN_ID, PART_PARENT_ID};

/* Weights by group_keys number. */
typedef struct key_counts {
    uint32_t capacity, used;
    uint64_t *weights;
    uint8_t *types; /* bits of field_type */
} key_counts;

/* The distinct values of one vector and their weights. */
typedef struct tally {
    uint32_t count;
    uint16_t used[VECTOR_ROWS];
    uint64_t bits[TALLY_SLOTS], weights[TALLY_SLOTS]; /* weight 0: free */
    uint16_t rows[TALLY_SLOTS];                       /* one that has it */
} tally;

typedef struct field_worker {
    scan_worker scan;
    uint64_t *counts; /* per field */
    uint32_t *types;
    key_counts *tops; /* per field */
    key_counts datasets;
    uint32_t weights[VECTOR_ROWS]; /* by row */
    bool has_weights;
    uint64_t shown[VECTOR_WORDS]; /* selected rows of the dataset asked for */
    tally tally;
} field_worker;

typedef struct field_scan {
    local *engine;
    const fields_query *query;
    arena *mem, *scratch;
    plan plan; /* the time range alone */
    agg_budget budget;
    scan scan;
    group_keys *keys;  /* one breakdown a field, then one for datasets */
    uint32_t families; /* whose fields are asked */
    uint32_t field_count, id_fields[3], derived_fields[DERIVED_COUNT];
    span *names;             /* ascending */
    uint32_t **fields_of;    /* [part][column - PART_COLUMNS] */
    uint32_t *blocks_before; /* per part: for sampling */
    uint32_t sample_every;
    atomic_bool *is_looked_at; /* per field: values of some block are counted */
    atomic_bool has_skipped;   /* values that stand once in their block */
    uint32_t worker_count;
    field_worker **workers;
} field_scan;

/* ---- names ---- */

static int compare_spans(const void *left, const void *right)
{
    return span_compare(*(const span *)left, *(const span *)right);
}

static uint32_t field_named(const field_scan *f, span name)
{
    const span *at = f->field_count
                         ? bsearch(&name, f->names, f->field_count, sizeof name, compare_spans)
                         : NULL;
    return at ? (uint32_t)(at - f->names) : FIELD_NONE;
}

static bool is_asked(const field_scan *f, const scan_part *p)
{
    return f->families >> p->info.family & 1;
}

static bool list_names(field_scan *f)
{
    size_t most = COUNT_OF(ID_NAMES) + DERIVED_COUNT;
    for (uint32_t i = 0; i < f->scan.part_count; i++)
        most += is_asked(f, &f->scan.parts[i]) ? f->scan.parts[i].info.column_count : 0;
    f->names = ARENA_ARRAY(f->scratch, span, most);
    if (!f->names)
        return false;
    uint32_t n = 0;
    for (size_t i = 0; i < COUNT_OF(ID_NAMES); i++)
        if (span_starts_with(span_text(ID_NAMES[i]), f->query->prefix))
            f->names[n++] = span_text(ID_NAMES[i]);
    for (int d = DERIVED_NOT + 1; d < DERIVED_COUNT; d++)
        if (span_starts_with(span_text(plan_derived_name((plan_derived)d)), f->query->prefix))
            f->names[n++] = span_text(plan_derived_name((plan_derived)d));
    for (uint32_t i = 0; i < f->scan.part_count; i++) {
        const scan_part *p = &f->scan.parts[i];
        for (uint32_t c = 0; is_asked(f, p) && c < p->info.column_count; c++) {
            span name = part_column_get(p->part, PART_COLUMNS + c).name;
            if (span_starts_with(name, f->query->prefix))
                f->names[n++] = name;
        }
    }
    if (n)
        qsort(f->names, n, sizeof *f->names, compare_spans);
    for (uint32_t i = 0; i < n; i++)
        if (f->field_count == 0 || !span_equal(f->names[f->field_count - 1], f->names[i]))
            f->names[f->field_count++] = f->names[i];
    for (size_t i = 0; i < COUNT_OF(ID_NAMES); i++)
        f->id_fields[i] = field_named(f, span_text(ID_NAMES[i]));
    for (int d = DERIVED_NOT + 1; d < DERIVED_COUNT; d++)
        f->derived_fields[d] = field_named(f, span_text(plan_derived_name((plan_derived)d)));
    return true;
}

static bool map_columns(field_scan *f)
{
    uint32_t blocks = 0;
    f->fields_of = ARENA_ARRAY(f->scratch, uint32_t *, f->scan.part_count + 1);
    f->blocks_before = ARENA_ARRAY(f->scratch, uint32_t, f->scan.part_count + 1);
    if (!f->fields_of || !f->blocks_before)
        return false;
    for (uint32_t i = 0; i < f->scan.part_count; i++) {
        const scan_part *p = &f->scan.parts[i];
        f->blocks_before[i] = blocks;
        blocks += p->info.block_count;
        if (!is_asked(f, p))
            continue;
        f->fields_of[i] = ARENA_ARRAY(f->scratch, uint32_t, p->info.column_count + 1);
        if (!f->fields_of[i])
            return false;
        for (uint32_t c = 0; c < p->info.column_count; c++) {
            plan_derived hidden; /* by the derived field of its name */
            span name = part_column_get(p->part, PART_COLUMNS + c).name;
            f->fields_of[i][c] =
                plan_derived_parse(name, &hidden) ? FIELD_NONE : field_named(f, name);
        }
    }
    f->sample_every = blocks / SAMPLE_BLOCKS + 1;
    return true;
}

/* ---- counting, on the workers ---- */

static bool count_key(field_scan *f, key_counts *k, uint32_t key, uint64_t weight, field_type type)
{
    if (key >= k->capacity) {
        uint32_t capacity = k->capacity ? k->capacity : 64;
        while (capacity <= key)
            capacity *= 2;
        uint64_t *weights = agg_realloc(&f->budget, k->weights, k->capacity * sizeof *weights,
                                        capacity * sizeof *weights);
        if (!weights)
            return false;
        k->weights = weights;
        uint8_t *types = agg_realloc(&f->budget, k->types, k->capacity, capacity);
        if (!types) {
            agg_free(&f->budget, weights, capacity * sizeof *weights);
            agg_free(&f->budget, k->types, k->capacity);
            *k = (key_counts){0};
            return false;
        }
        k->types = types;
        k->capacity = capacity;
    }
    k->used += !k->weights[key];
    k->weights[key] += weight;
    k->types[key] |= (uint8_t)(1u << type);
    return true;
}

static uint64_t weigh(const field_worker *w, const uint64_t *rows)
{
    uint64_t sum = 0;
    for (uint32_t word = 0; word < VECTOR_WORDS; word++) {
        if (!w->has_weights) {
            sum += bit_count(rows[word]);
            continue;
        }
        for (uint64_t left = rows[word]; left; left &= left - 1)
            sum += w->weights[word * 64 + (uint32_t)__builtin_ctzll(left)];
    }
    return sum;
}

static uint64_t bits_at(const vector *v, uint32_t row)
{
    return v->kind == VECTOR_CODES || v->kind == VECTOR_BOOLS ? v->codes[row] : v->ids[row];
}

static void make_tally(field_worker *w, const vector *v, const uint64_t *rows)
{
    tally *t = &w->tally;
    for (uint32_t i = 0; i < t->count; i++)
        t->weights[t->used[i]] = 0;
    t->count = 0;
    for (uint32_t word = 0; word < VECTOR_WORDS; word++)
        for (uint64_t left = rows[word]; left; left &= left - 1) {
            uint32_t row = word * 64 + (uint32_t)__builtin_ctzll(left);
            uint64_t bits = bits_at(v, row);
            uint32_t at = (uint32_t)hash_mix(bits) & (TALLY_SLOTS - 1);
            while (t->weights[at] && t->bits[at] != bits)
                at = (at + 1) & (TALLY_SLOTS - 1);
            if (!t->weights[at]) {
                t->used[t->count++] = (uint16_t)at;
                t->bits[at] = bits;
                t->rows[at] = (uint16_t)row;
            }
            t->weights[at] += w->has_weights ? w->weights[row] : 1;
        }
}

/* Adds a vector's values to the counts of breakdown `number`; `all`: also when there are many. */
static bool count_values(field_scan *f, field_worker *w, uint32_t number, bool all,
                         key_counts *into, const vector *v, field_type type, const uint64_t *rows)
{
    const tally *t = &w->tally;
    scan_scratch scratch;
    char text[VALUE_TEXT_MAX];
    make_tally(w, v, rows);
    bool is_done = true;
    group_keys_begin(f->keys, number);
    for (uint32_t i = 0; is_done && i < t->count; i++) {
        uint32_t at = t->used[i];
        if (!all && t->count > DISTINCT_MANY && t->weights[at] < 2 &&
            into->used >= f->query->top_max) {
            atomic_store_explicit(&f->has_skipped, true, memory_order_relaxed);
            continue;
        }
        span s = value_text(scan_value(v, type, t->rows[at], &scratch), text);
        uint32_t key = group_keys_text(f->keys, number, s, GROUP_KEY_TEXT, v->kind == VECTOR_CODES);
        is_done = key != GROUP_KEY_NONE && count_key(f, into, key, t->weights[at], type);
    }
    group_keys_end(f->keys, number);
    return is_done;
}

static sk_code load_weights(field_worker *w, err *e)
{
    const vector *v;
    sk_code code = scan_read(&w->scan, PART_RATE, &v, e);
    if (code != SK_OK)
        return code;
    uint32_t other = 0;
    for (uint32_t row = 0; row < v->row_count; row++) {
        w->weights[row] = (uint32_t)v->ints[row];
        other |= w->weights[row] ^ 1;
    }
    w->has_weights = other != 0;
    return SK_OK;
}

/* Counts the block's datasets and finds the rows of the one that is asked for. */
static sk_code count_datasets(field_scan *f, field_worker *w, err *e)
{
    const vector *v;
    sk_code code = scan_read(&w->scan, PART_DATASET, &v, e);
    if (code != SK_OK)
        return code;
    if (!count_values(f, w, f->field_count, true, &w->datasets, v, FIELD_STRING, w->scan.selected))
        return finish_budget_error(&f->budget, e);
    memcpy(w->shown, w->scan.selected, sizeof w->shown);
    if (!f->query->dataset.at)
        return SK_OK;
    uint32_t last = UINT32_MAX;
    bool is_wanted = false;
    for (uint32_t k = 0; k < w->scan.count; k++) {
        uint32_t row = w->scan.rows[k];
        if (v->codes[row] != last)
            is_wanted = span_equal(v->dictionary->text(v->dictionary->of, v->codes[row]),
                                   f->query->dataset);
        last = v->codes[row];
        w->shown[row >> 6] &= ~((uint64_t)!is_wanted << (row & 63));
    }
    return SK_OK;
}

static uint32_t id_number(span name)
{
    for (uint32_t i = 0; i < COUNT_OF(ID_NAMES); i++)
        if (span_is(name, ID_NAMES[i]))
            return i;
    return UINT32_MAX;
}

/* Rows that have the id: a sender's own text of that name does not show there. */
static sk_code hide_ids(field_worker *w, uint32_t id, uint64_t *rows, err *e)
{
    const vector *v;
    uint64_t present[VECTOR_WORDS];
    sk_code code = scan_read(&w->scan, ID_COLUMNS[id], &v, e);
    if (code != SK_OK)
        return code;
    scan_present(v, present);
    for (uint32_t i = 0; i < VECTOR_WORDS; i++)
        rows[i] &= ~present[i];
    return SK_OK;
}

/* In the sampled blocks; and in the first one that has any, else rare fields would stay without. */
static bool wants_values(field_scan *f, uint32_t field, bool is_sampled)
{
    return f->query->top_max && (!atomic_exchange(&f->is_looked_at[field], true) || is_sampled);
}

static sk_code count_column(field_scan *f, field_worker *w, uint32_t number, uint32_t field,
                            bool is_sampled, err *e)
{
    const vector *v;
    uint64_t rows[VECTOR_WORDS];
    field_type type = FIELD_STRING;
    span name = f->names[field];
    uint32_t id = id_number(name);
    sk_code code = scan_read(&w->scan, number, &v, e);
    if (code != SK_OK)
        return code;
    scan_present(v, rows);
    for (uint32_t i = 0; i < VECTOR_WORDS; i++)
        rows[i] &= w->shown[i];
    if (number >= PART_COLUMNS) {
        type = part_column_get(w->scan.at->part, number).type;
        if (id != UINT32_MAX)
            code = hide_ids(w, id, rows, e);
    }
    uint64_t weight = weigh(w, rows);
    if (code != SK_OK || !weight)
        return code;
    w->counts[field] += weight;
    w->types[field] |= 1u << type;
    if (id == UINT32_MAX && type != FIELD_HISTOGRAM && wants_values(f, field, is_sampled) &&
        !count_values(f, w, field, false, &w->tops[field], v, type, rows))
        return finish_budget_error(&f->budget, e);
    return SK_OK;
}

/* Derived fields are listed for spans; what each of them says is not looked at. */
static sk_code count_derived(field_scan *f, field_worker *w, err *e)
{
    static const field_type types[DERIVED_COUNT] = {[DERIVED_SELF_MS] = FIELD_FLOAT,
                                                    [DERIVED_GAP_MS] = FIELD_FLOAT,
                                                    [DERIVED_DEPTH] = FIELD_INT,
                                                    [DERIVED_ROOT_NAME] = FIELD_STRING};
    static const uint32_t columns[] = {PART_TRACE_ID, PART_SPAN_ID};
    uint64_t rows[VECTOR_WORDS], present[VECTOR_WORDS];
    if (w->scan.at->info.family != FAMILY_TRACE)
        return SK_OK;
    memcpy(rows, w->shown, sizeof rows);
    for (size_t i = 0; i < COUNT_OF(columns); i++) {
        const vector *v;
        sk_code code = scan_read(&w->scan, columns[i], &v, e);
        if (code != SK_OK)
            return code;
        scan_present(v, present);
        for (uint32_t k = 0; k < VECTOR_WORDS; k++)
            rows[k] &= present[k];
    }
    uint64_t weight = weigh(w, rows);
    for (int d = DERIVED_NOT + 1; weight && d < DERIVED_COUNT; d++)
        if (f->derived_fields[d] != FIELD_NONE) {
            w->counts[f->derived_fields[d]] += weight;
            w->types[f->derived_fields[d]] |= 1u << types[d];
        }
    return SK_OK;
}

/* All columns are read before anything is counted, so that a damaged one leaves the whole block out. */
static sk_code load_block(field_scan *f, field_worker *w, uint32_t number, uint32_t block, err *e)
{
    const vector *v;
    const uint32_t *fields = f->fields_of[number];
    sk_code code = load_weights(w, e);
    for (size_t i = 0; code == SK_OK && i < COUNT_OF(ID_COLUMNS); i++)
        code = scan_read(&w->scan, ID_COLUMNS[i], &v, e);
    for (uint32_t c = 0; code == SK_OK && fields && c < w->scan.at->info.column_count; c++)
        if (fields[c] != FIELD_NONE &&
            part_block_has_column(w->scan.at->part, PART_COLUMNS + c, block))
            code = scan_read(&w->scan, PART_COLUMNS + c, &v, e);
    return code;
}

static sk_code count_block(field_scan *f, field_worker *w, uint32_t number, uint32_t block, err *e)
{
    sk_code code = scan_block(&w->scan, number, block, e);
    if (code != SK_OK || w->scan.count == 0)
        return code;
    const uint32_t *fields = f->fields_of[number];
    bool is_sampled = (f->blocks_before[number] + block) % f->sample_every == 0;
    code = load_block(f, w, number, block, e);
    if (code == SK_OK)
        code = count_datasets(f, w, e);
    for (uint32_t i = 0; code == SK_OK && fields && i < COUNT_OF(ID_COLUMNS); i++)
        if (f->id_fields[i] != FIELD_NONE)
            code = count_column(f, w, ID_COLUMNS[i], f->id_fields[i], false, e);
    if (code == SK_OK && fields)
        code = count_derived(f, w, e);
    for (uint32_t c = 0; code == SK_OK && fields && c < w->scan.at->info.column_count; c++)
        if (fields[c] != FIELD_NONE &&
            part_block_has_column(w->scan.at->part, PART_COLUMNS + c, block))
            code = count_column(f, w, PART_COLUMNS + c, fields[c], is_sampled, e);
    if (code != SK_CORRUPT)
        return code;
    scan_leave_out(&w->scan, e);
    return SK_OK;
}

static sk_code run_morsel(void *ctx, uint32_t slot, uint32_t number, err *e)
{
    field_scan *f = ctx;
    const scan_morsel *m = &f->scan.morsels[number];
    sk_code code = SK_OK;
    for (uint32_t b = m->first_block; code == SK_OK && b < m->end_block; b++)
        code = count_block(f, f->workers[slot], m->part, b, e);
    return code;
}

/* ---- the answer ---- */

static void merge_keys(field_scan *f, key_counts *into, const key_counts *from)
{
    for (uint32_t key = 1; key < from->capacity; key++) {
        if (!from->weights[key])
            continue;
        if (!count_key(f, into, key, from->weights[key], FIELD_STRING))
            return;
        into->types[key] |= from->types[key];
    }
}

static sk_code merge_workers(field_scan *f, err *e)
{
    field_worker *into = f->workers[0];
    for (uint32_t i = 1; i < f->worker_count; i++) {
        const field_worker *from = f->workers[i];
        merge_keys(f, &into->datasets, &from->datasets);
        for (uint32_t n = 0; n < f->field_count; n++) {
            into->counts[n] += from->counts[n];
            into->types[n] |= from->types[n];
            merge_keys(f, &into->tops[n], &from->tops[n]);
        }
        into->scan.damage.blocks += from->scan.damage.blocks;
    }
    return atomic_load(&f->budget.failed) ? finish_budget_error(&f->budget, e) : SK_OK;
}

/* The first of int, float, bool, string that occurred; string needs no bit of its own. */
static value shown_value(span text, uint32_t types)
{
    value v = {.is_set = true, .type = FIELD_STRING};
    double number = 0;
    if (types >> FIELD_INT & 1 && span_to_i64(text, &v.i))
        v.type = FIELD_INT;
    else if (types >> FIELD_FLOAT & 1) {
        v.type = FIELD_FLOAT;
        if (!span_to_double(text, &number))
            number = span_is(text, "nan") ? NAN : span_is(text, "-inf") ? -INFINITY : INFINITY;
        v.f = number;
    } else if (types >> FIELD_BOOL & 1) {
        v.type = FIELD_BOOL;
        v.b = span_is(text, "true");
    } else {
        v.text = text;
    }
    return v;
}

typedef struct top_entry {
    span text;
    uint64_t weight;
    uint32_t types;
} top_entry;

static bool comes_first(const top_entry *a, const top_entry *b)
{
    return a->weight != b->weight ? a->weight > b->weight : span_compare(a->text, b->text) < 0;
}

/* The `most` first of the keys, kept sorted by insertion. */
static uint32_t choose_top(field_scan *f, uint32_t number, const key_counts *k, top_entry *top,
                           uint32_t most)
{
    uint32_t n = 0;
    for (uint32_t key = 1; key < k->capacity && most; key++) {
        if (!k->weights[key] || (n == most && k->weights[key] < top[n - 1].weight))
            continue;
        top_entry x = {group_keys_value(f->keys, number, key, f->scratch).text, k->weights[key],
                       k->types[key]};
        if (n == most && !comes_first(&x, &top[n - 1]))
            continue;
        uint32_t at = n < most ? n++ : n - 1;
        for (; at > 0 && comes_first(&x, &top[at - 1]); at--)
            top[at] = top[at - 1];
        top[at] = x;
    }
    return n;
}

static bool show_top(field_scan *f, uint32_t field, field_info *ret)
{
    const key_counts *k = &f->workers[0]->tops[field];
    uint32_t most = f->query->top_max < k->capacity ? f->query->top_max : k->capacity;
    top_entry *top = ARENA_ARRAY(f->scratch, top_entry, most + 1);
    if (!top)
        return false;
    ret->top_count = choose_top(f, field, k, top, most);
    field_top *shown = ARENA_ARRAY(f->mem, field_top, ret->top_count + 1);
    if (!shown)
        return false;
    for (uint32_t i = 0; i < ret->top_count; i++) {
        shown[i] = (field_top){shown_value(top[i].text, top[i].types), top[i].weight};
        value *v = &shown[i].value;
        if (v->type == FIELD_STRING && v->text.len && !arena_copy(f->mem, v->text, &v->text))
            return false;
    }
    ret->top = shown;
    return true;
}

static bool show_fields(field_scan *f, fields_result *ret)
{
    const field_worker *w = f->workers[0];
    field_info *fields = ARENA_ARRAY(f->mem, field_info, f->field_count + 1);
    if (!fields)
        return false;
    for (uint32_t n = 0; n < f->field_count; n++) {
        if (!w->counts[n])
            continue;
        if (f->query->limit && ret->count == f->query->limit)
            break;
        field_info *info = &fields[ret->count++];
        *info = (field_info){.types = w->types[n], .count = w->counts[n]};
        if (!arena_copy(f->mem, f->names[n], &info->name) || !show_top(f, n, info))
            return false;
    }
    ret->fields = fields;
    return true;
}

static bool show_datasets(field_scan *f, fields_result *ret)
{
    const key_counts *k = &f->workers[0]->datasets;
    top_entry *all = ARENA_ARRAY(f->scratch, top_entry, k->capacity + 1);
    span *names = ARENA_ARRAY(f->mem, span, k->capacity + 1);
    uint64_t *rows = ARENA_ARRAY(f->mem, uint64_t, k->capacity + 1);
    if (!all || !names || !rows)
        return false;
    uint32_t n = 0;
    for (uint32_t key = 1; key < k->capacity; key++)
        if (k->weights[key])
            all[n++] = (top_entry){group_keys_value(f->keys, f->field_count, key, f->scratch).text,
                                   k->weights[key], 0};
    if (n)
        qsort(all, n, sizeof *all, compare_spans); /* the text is its first member */
    for (uint32_t i = 0; i < n; i++) {
        rows[i] = all[i].weight;
        if (!arena_copy(f->mem, all[i].text, &names[i]))
            return false;
    }
    ret->dataset_count = n;
    ret->datasets = names;
    ret->dataset_rows = rows;
    return true;
}

/* ---- the call ---- */

static bool make_workers(field_scan *f)
{
    f->worker_count = pool_workers(f->engine->pool);
    f->workers = ARENA_ARRAY(f->scratch, field_worker *, f->worker_count);
    f->is_looked_at = ARENA_ARRAY(f->scratch, atomic_bool, f->field_count + 1);
    if (!f->is_looked_at)
        return false;
    for (uint32_t i = 0; f->workers && i < f->worker_count; i++) {
        field_worker *w = agg_alloc(&f->budget, sizeof *w);
        if (!w)
            return false;
        f->workers[i] = w;
        scan_worker_init(&w->scan, &f->scan);
        w->counts = ARENA_ARRAY(f->scratch, uint64_t, f->field_count + 1);
        w->types = ARENA_ARRAY(f->scratch, uint32_t, f->field_count + 1);
        w->tops = ARENA_ARRAY(f->scratch, key_counts, f->field_count + 1);
        if (!w->counts || !w->types || !w->tops)
            return false;
    }
    return f->workers != NULL;
}

static void free_keys(field_scan *f, key_counts *k)
{
    agg_free(&f->budget, k->weights, k->capacity * sizeof *k->weights);
    agg_free(&f->budget, k->types, k->capacity);
}

static void free_workers(field_scan *f)
{
    for (uint32_t i = 0; f->workers && i < f->worker_count; i++) {
        field_worker *w = f->workers[i];
        if (!w)
            continue;
        for (uint32_t n = 0; w->tops && n < f->field_count; n++)
            free_keys(f, &w->tops[n]);
        free_keys(f, &w->datasets);
        scan_worker_done(&w->scan);
        agg_free(&f->budget, w, sizeof *w);
    }
}

static sk_code scan_fields(field_scan *f, fields_result *ret, err *e)
{
    if (!list_names(f) || !map_columns(f))
        return err_set(e, SK_NO_MEMORY, "memory ran out while fields were listed");
    f->keys = group_keys_new(f->field_count + 1, &f->budget);
    if (!f->keys || !make_workers(f))
        return err_set(e, SK_NO_MEMORY, "memory ran out while fields were listed");
    sk_code code = pool_run(f->engine->pool, run_morsel, f, f->scan.morsel_count, e);
    if (code == SK_OK)
        code = merge_workers(f, e);
    if (code != SK_OK)
        return code;
    ret->is_sampled = f->query->top_max && (f->sample_every > 1 || atomic_load(&f->has_skipped));
    ret->damaged_blocks = f->workers[0]->scan.damage.blocks;
    if (!show_fields(f, ret) || !show_datasets(f, ret))
        return err_set(e, SK_TOO_LARGE,
                       "the list of fields passes the memory that one answer may take; ask for a "
                       "prefix or a limit");
    return SK_OK;
}

sk_code local__fields(engine *e, uint32_t environment, const fields_query *q, arena *mem,
                      fields_result *ret, err *er)
{
    field_scan f = {
        .engine = (local *)e,
        .query = q,
        .mem = mem,
        .scratch = arena_new_accounted(SCRATCH_BYTES, ((local *)e)->o.store.memory, MEMORY_QUERY)};
    snapshot *s = NULL;
    *ret = (fields_result){0};
    f.plan = (plan){.start_ns = q->start_ns, .end_ns = q->end_ns};
    f.budget.max_bytes = f.engine->o.query_memory_max;
    f.budget.account = f.engine->o.store.memory;
    sk_code code =
        f.scratch ? SK_OK : err_set(er, SK_NO_MEMORY, "memory ran out while fields were listed");
    if (code == SK_OK)
        code = local__families(f.engine, environment, q->dataset, &f.families, er);
    if (code == SK_OK)
        code = store_snapshot(f.engine->store, environment, (1u << FAMILY_COUNT) - 1, q->start_ns,
                              q->end_ns, &s, er);
    if (code == SK_OK) {
        code = scan_open(&f.scan, &f.plan, s, &f.budget, f.scratch, er);
        if (code == SK_OK)
            code = scan_fields(&f, ret, er);
        free_workers(&f);
        group_keys_free(f.keys);
        scan_close(&f.scan);
    }
    agg_budget_done(&f.budget);
    snapshot_release(s);
    arena_free(f.scratch);
    return code;
}
