/*
 * engine/local/feed.c: see feed.h. Order of work on a block: rows (scan.c), then every column that the query needs is decoded
 * (a damaged one leaves the whole block out, before any state has changed), then groups, then values.
 */
#include "engine/local/feed.h"

#include <math.h>

#include "base/alloc.h"
#include "engine/local/feed_private.h"

#define ROWS_BETWEEN_LOOKS 32u

static uint64_t cost_of(const groups *g)
{
    static const uint32_t costs[AGG_FAMILY_COUNT] = {
        [AGG_COUNT] = 1,     [AGG_SUM] = 6,     [AGG_EXTREMES] = 5,
        [AGG_DISTINCT] = 32, [AGG_SKETCH] = 64, [AGG_CONCURRENCY] = 4};
    uint64_t cost = 0;
    for (uint32_t i = 0; i < g->state_count; i++)
        cost += costs[g->states[i].states.family];
    return cost * g->buckets.count;
}

feeder *feeder_new(scan *s, const bool *wanted, const agg_buckets *buckets, group_keys *keys)
{
    feeder *f = agg_alloc(s->budget, sizeof *f);
    if (!f)
        return NULL;
    uint32_t breakdowns = s->plan->breakdown_count;
    scan_worker_init(&f->scan, s);
    bool is_done = groups_init(&f->groups, s->plan, wanted, buckets, keys, s->budget);
    f->keys = agg_alloc(s->budget, (breakdowns + 1) * sizeof *f->keys);
    f->key_cache = agg_alloc(s->budget, (breakdowns + 1) * sizeof *f->key_cache);
    is_done = is_done && f->keys && f->key_cache;
    for (uint32_t b = 0; is_done && b < breakdowns; b++)
        is_done = (f->keys[b] = agg_alloc(s->budget, VECTOR_ROWS * sizeof **f->keys)) != NULL;
    f->cell_cost = cost_of(&f->groups);
    if (is_done)
        return f;
    feeder_free(f);
    return NULL;
}

void feeder_free(feeder *take_f)
{
    if (!take_f)
        return;
    agg_budget *budget = take_f->scan.scan->budget;
    uint32_t breakdowns = take_f->scan.scan->plan->breakdown_count;
    for (uint32_t b = 0; take_f->keys && b < breakdowns; b++)
        agg_free(budget, take_f->keys[b], VECTOR_ROWS * sizeof **take_f->keys);
    agg_free(budget, take_f->keys, (breakdowns + 1) * sizeof *take_f->keys);
    agg_free(budget, take_f->key_cache, (breakdowns + 1) * sizeof *take_f->key_cache);
    for (uint32_t b = 0; take_f->chosen_ids && b < breakdowns; b++)
        agg_free(budget, take_f->chosen_ids[b].slots,
                 (take_f->chosen_ids[b].mask + 1ul) * sizeof *take_f->chosen_ids[b].slots);
    agg_free(budget, take_f->chosen_ids, (breakdowns + 1) * sizeof *take_f->chosen_ids);
    groups_done(&take_f->groups);
    scan_worker_done(&take_f->scan);
    agg_free(budget, take_f, sizeof *take_f);
}

bool feeder_set_choice(feeder *f, const groups *chosen_in, const finish_choice *choice,
                       bool drops_others)
{
    f->chosen_in = chosen_in;
    f->choice = choice;
    f->drops_others = drops_others;
    bool is_done = true;
    for (uint32_t i = 0; is_done && i < choice->count + (drops_others ? 0 : 2); i++)
        is_done = groups_append(
            &f->groups, i < choice->count ? groups_tuple(chosen_in, choice->groups[i]) : NULL);
    return is_done && (!drops_others || feed__list_chosen_ids(f));
}

/* ---- decoding what will be needed ---- */

static sk_code load_field(feeder *f, uint32_t field, err *e)
{
    const scan_field *of = &f->scan.at->fields[field];
    for (uint32_t k = 0; k < of->count; k++) {
        const vector *v;
        sk_code code = scan_read_source(&f->scan, &of->sources[k], &v, e);
        if (code != SK_OK)
            return code;
    }
    return SK_OK;
}

/* Whether all rows of the block at hand fall into one bucket, and which. */
static bool is_in_one_bucket(const feeder *f, uint32_t *ret_one)
{
    const agg_buckets *b = &f->groups.buckets;
    const part_block *bounds = &f->scan.bounds;
    *ret_one = 0;
    if (b->count == 1)
        return true;
    if (bounds->min_time_ns < b->start_ns || bounds->max_time_ns >= b->end_ns)
        return false;
    *ret_one = (uint32_t)((bounds->min_time_ns - b->start_ns) / b->granularity_ns);
    return *ret_one == (bounds->max_time_ns - b->start_ns) / b->granularity_ns;
}

static bool needs_times(const feeder *f)
{
    uint32_t one;
    bool needs = !is_in_one_bucket(f, &one);
    for (uint32_t i = 0; i < f->groups.state_count; i++)
        needs |= f->groups.states[i].states.family == AGG_CONCURRENCY;
    return needs;
}

static sk_code load_columns(feeder *f, err *e)
{
    const plan *p = f->scan.scan->plan;
    const vector *v;
    sk_code code = scan_read(&f->scan, PART_RATE, &v, e);
    if (code == SK_OK && needs_times(f))
        code = scan_read(&f->scan, PART_TIME, &v, e);
    for (uint32_t b = 0; code == SK_OK && b < p->breakdown_count; b++)
        code = load_field(f, p->breakdowns[b], e);
    for (uint32_t i = 0; code == SK_OK && i < f->groups.state_count; i++)
        if (f->groups.states[i].field != GROUP_NO_FIELD)
            code = load_field(f, f->groups.states[i].field, e);
    return code;
}

/* ---- weights, times, buckets ---- */

static void find_weights(feeder *f)
{
    const scan_worker *w = &f->scan;
    const vector *v = feed__loaded(f, PART_RATE);
    f->weights = NULL;
    if (v->is_constant && v->ints[w->rows[0]] == 1)
        return;
    uint32_t other = 0;
    for (uint32_t k = 0; k < w->count; k++) {
        f->weight_room[k] = (uint32_t)v->ints[w->rows[k]];
        other |= f->weight_room[k] ^ 1;
    }
    if (other)
        f->weights = f->weight_room;
}

static void find_times(feeder *f)
{
    const scan_worker *w = &f->scan;
    f->times = NULL;
    if (!needs_times(f))
        return;
    const vector *v = feed__loaded(f, PART_TIME);
    f->times = v->ints;
    if (w->all)
        return;
    for (uint32_t k = 0; k < w->count; k++)
        f->time_room[k] = v->ints[w->rows[k]];
    f->times = f->time_room;
}

/* Buckets of the rows into cell_room; false when all fall into *ret_one. Neighbours are mostly in one bucket. */
static bool find_buckets(feeder *f, uint32_t *ret_one)
{
    const agg_buckets *b = &f->groups.buckets;
    if (is_in_one_bucket(f, ret_one))
        return false;
    int64_t first = 0, end = 0; /* of `bucket`, relative to start */
    uint32_t bucket = 0;
    for (uint32_t k = 0; k < f->scan.count; k++) {
        int64_t at = f->times[k] - b->start_ns;
        if (unlikely(at < first || at >= end)) {
            bucket = (uint32_t)(at / b->granularity_ns);
            first = (int64_t)bucket * b->granularity_ns;
            end = first + b->granularity_ns;
        }
        f->cell_room[k] = bucket;
    }
    return true;
}

static bool has_failed(const feeder *f)
{
    return atomic_load_explicit(&f->scan.scan->budget->failed, memory_order_relaxed) != 0;
}

/* ---- groups and cells ---- */

/* Narrows the selection to rows whose group has a place: all that was found out about rows moves up. */
static void keep_shown(feeder *f, uint32_t *places)
{
    scan_worker *w = &f->scan;
    uint32_t kept = 0, shown = f->choice->count;
    for (uint32_t k = 0; k < w->count; k++) {
        if (places[k] >= shown) {
            w->selected[w->rows[k] >> 6] &= ~((uint64_t)1 << (w->rows[k] & 63));
            continue;
        }
        places[kept] = places[k];
        w->rows[kept] = w->rows[k];
        f->cell_room[kept] = f->cell_room[k];
        f->weight_room[kept] = f->weights ? f->weights[k] : 1;
        f->time_room[kept++] = f->times ? f->times[k] : 0;
    }
    w->all &= kept == w->count;
    w->rows_in_order = w->all ? kept : 0;
    w->count = kept;
    if (f->times)
        f->times = f->time_room;
}

/* Groups of the rows, made when new. Looks between a few rows whether these have become too many, as one block can hold more
 * than memory has room for. */
static bool put_groups(feeder *f, uint32_t *out)
{
    const uint32_t *keys[SPEC_LIST_MAX];
    uint32_t count = f->scan.count, step = f->may_split ? ROWS_BETWEEN_LOOKS : count;
    must(f->groups.key_count <= COUNT_OF(keys));
    for (uint32_t first = 0; first < count && !f->wants_split; first += step) {
        for (uint32_t b = 0; b < f->groups.key_count; b++)
            keys[b] = f->keys[b] + first;
        uint32_t rows = step < count - first ? step : count - first;
        if (!groups_put_rows(&f->groups, keys, rows, out + first))
            return false;
        f->wants_split =
            f->may_split && feed_is_too_much(f->groups.plan, f->groups.count, f->cell_cost);
    }
    return !f->wants_split;
}

/* Keys of the selected rows, of all breakdowns. False: the budget has failed. */
static bool find_keys(feeder *f)
{
    f->none_is_shown = false;
    for (uint32_t b = 0; b < f->groups.key_count && !f->none_is_shown; b++)
        feed__find_keys(f, b);
    return !has_failed(f);
}

/* Of a second pass. */
static bool find_places(feeder *f, uint32_t *out)
{
    bool is_found = feed__find_places(f, out);
    if (has_failed(f) || (!is_found && !find_keys(f)))
        return false;
    if (!is_found && f->none_is_shown) {
        f->scan.count = 0;
        return true;
    }
    if (!is_found) {
        groups_find_rows(f->chosen_in, (const uint32_t *const *)f->keys, f->scan.count, out);
        for (uint32_t k = 0; k < f->scan.count; k++)
            out[k] = feed__place_of_group(f, out[k]);
    }
    if (f->drops_others)
        keep_shown(f, out);
    return true;
}

/* False: the budget has failed, or the query should take two passes. */
static bool find_groups(feeder *f, uint32_t *out)
{
    return f->chosen_in ? find_places(f, out) : find_keys(f) && put_groups(f, out);
}

static bool find_cells(feeder *f)
{
    uint32_t bucket_count = f->groups.buckets.count, one = 0;
    bool is_spread = find_buckets(f, &one);
    f->cells = f->cell_room;
    if (f->groups.key_count == 0 && !is_spread) {
        f->one_cell = one;
        f->cells = NULL;
        return true;
    }
    if (f->groups.key_count == 0)
        return true;
    if (!find_groups(f, f->group_room))
        return false;
    if (bucket_count == 1)
        f->cells = f->group_room;
    else if (!is_spread)
        for (uint32_t k = 0; k < f->scan.count; k++)
            f->cell_room[k] = f->group_room[k] * bucket_count + one;
    else
        for (uint32_t k = 0; k < f->scan.count; k++)
            f->cell_room[k] += f->group_room[k] * bucket_count;
    return true;
}

/* ---- runs of values ---- */

/* The run of the rows in f->taken, without values. */
static agg_run start_run(feeder *f, bool needs_run_times)
{
    const scan_taken *t = &f->taken;
    agg_run r = {.count = t->count,
                 .one_cell = f->one_cell,
                 .cells = f->cells,
                 .weights = f->weights,
                 .times_ns = f->times};
    if (t->all)
        return r;
    if (f->cells) {
        for (uint32_t n = 0; n < t->count; n++)
            f->run_cells[n] = f->cells[t->at[n]];
        r.cells = f->run_cells;
    }
    if (f->weights) {
        for (uint32_t n = 0; n < t->count; n++)
            f->run_weights[n] = f->weights[t->at[n]];
        r.weights = f->run_weights;
    }
    if (needs_run_times) {
        for (uint32_t n = 0; n < t->count; n++)
            f->run_times[n] = f->times[t->at[n]];
        r.times_ns = f->run_times;
    }
    return r;
}

/* No number is NaN, which every family passes over. */
static double number_of(value v)
{
    double number;
    return value_number(v, &number) ? number : NAN;
}

static void gather_code_numbers(feeder *f, scan_source *of, const vector *v)
{
    const scan_worker *w = &f->scan;
    _Atomic(uint64_t) *known = scan_numbers_of(w->scan, of);
    for (uint32_t n = 0; known && n < f->taken.count; n++) {
        uint32_t code = v->codes[w->rows[feed__position(&f->taken, n)]];
        uint64_t masked = atomic_load_explicit(&known[code], memory_order_relaxed);
        if (unlikely(!masked)) {
            value text = {.is_set = true, .type = of->type};
            text.text = of->dictionary->text(of->dictionary->of, code);
            double number = number_of(text);
            memcpy(&masked, &number, sizeof masked);
            masked ^= SCAN_NUMBER_MASK;
            atomic_store_explicit(&known[code], masked, memory_order_relaxed);
        }
        masked ^= SCAN_NUMBER_MASK;
        memcpy(&f->run_floats[n], &masked, sizeof masked);
    }
}

/* Numbers of the taken rows; false: there are none in such a column. */
static bool gather_numbers(feeder *f, scan_source *of, const vector *v, agg_run *r)
{
    const scan_worker *w = &f->scan;
    const scan_taken *t = &f->taken;
    bool is_direct = t->all && w->all;
    scan_scratch scratch;
    r->kind = v->kind == VECTOR_INTS ? AGG_VALUES_INTS : AGG_VALUES_FLOATS;
    r->floats = f->run_floats;
    switch (v->kind) {
    case VECTOR_INTS:
        r->ints = is_direct ? v->ints : f->run_ints;
        for (uint32_t n = 0; !is_direct && n < t->count; n++)
            f->run_ints[n] = v->ints[w->rows[feed__position(t, n)]];
        return true;
    case VECTOR_FLOATS:
        r->floats = is_direct ? v->floats : f->run_floats;
        for (uint32_t n = 0; !is_direct && n < t->count; n++)
            f->run_floats[n] = v->floats[w->rows[feed__position(t, n)]];
        return true;
    case VECTOR_CODES: gather_code_numbers(f, of, v); return true;
    case VECTOR_IDS:
    case VECTOR_TRACE_IDS:
        for (uint32_t n = 0; n < t->count; n++)
            f->run_floats[n] =
                number_of(scan_value(v, of->type, w->rows[feed__position(t, n)], &scratch));
        return true;
    case VECTOR_BOOLS:
    case VECTOR_ABSENT: break;
    }
    return false;
}

static void gather_code_hashes(feeder *f, scan_source *of, const vector *v)
{
    const scan_worker *w = &f->scan;
    _Atomic(uint64_t) *known = scan_hashes_of(w->scan, of);
    for (uint32_t n = 0; known && n < f->taken.count; n++) {
        uint32_t code = v->codes[w->rows[feed__position(&f->taken, n)]];
        uint64_t h = atomic_load_explicit(&known[code], memory_order_relaxed);
        if (unlikely(!h)) {
            h = hash64(of->type == FIELD_HISTOGRAM
                           ? SPAN("")
                           : of->dictionary->text(of->dictionary->of, code));
            atomic_store_explicit(&known[code], h, memory_order_relaxed);
        }
        f->run_hashes[n] = h;
    }
}

static uint64_t hash_value(const vector *v, field_type type, uint32_t row)
{
    char text[VALUE_TEXT_MAX];
    scan_scratch scratch;
    return hash64(value_text(scan_value(v, type, row, &scratch), text));
}

static void gather_hashes(feeder *f, scan_source *of, const vector *v, agg_run *r)
{
    const scan_worker *w = &f->scan;
    r->kind = AGG_VALUES_HASHES;
    r->hashes = f->run_hashes;
    if (v->kind == VECTOR_CODES) {
        gather_code_hashes(f, of, v);
        return;
    }
    for (uint32_t n = 0; n < f->taken.count; n++) {
        uint32_t row = w->rows[feed__position(&f->taken, n)];
        if (v->kind == VECTOR_TRACE_IDS) {
            uint32_t before = n ? w->rows[feed__position(&f->taken, n - 1)] : row;
            bool is_same = n && trace_id_equal(v->trace_ids[row], v->trace_ids[before]);
            f->run_hashes[n] = is_same ? f->run_hashes[n - 1] : hash_value(v, of->type, row);
            continue;
        }
        uint64_t bits = feed__bits_of(v, row);
        feed_cached *c = feed__cached(f->hash_cache, v->kind, bits);
        if (unlikely(c->kind != v->kind + 1u || c->bits != bits))
            *c = (feed_cached){bits, hash_value(v, of->type, row), v->kind + 1u};
        f->run_hashes[n] = c->answer;
    }
}

static void update_histograms(feeder *f, const scan_source *of, const vector *v, agg_states *s,
                              const agg_run *r)
{
    for (uint32_t n = 0; n < r->count; n++) {
        uint32_t code = v->codes[f->scan.rows[feed__position(&f->taken, n)]];
        agg_update_histogram(s, r->cells ? r->cells[n] : r->one_cell,
                             r->weights ? r->weights[n] : 1,
                             of->dictionary->text(of->dictionary->of, code));
    }
}

/* Feeds one source of a field to all states of that field. */
static void update_source(feeder *f, uint32_t first_state, scan_source *of, const vector *v)
{
    uint32_t field = f->groups.states[first_state].field;
    bool has_numbers = false, is_gathered = false;
    agg_run run = start_run(f, needs_times(f)), numbers = run;
    for (uint32_t i = first_state; i < f->groups.state_count; i++) {
        agg_states *s = &f->groups.states[i].states;
        if (f->groups.states[i].field != field)
            continue;
        if (s->family == AGG_COUNT) {
            agg_update(s, &run);
        } else if (s->family == AGG_DISTINCT) {
            agg_run hashes = run;
            gather_hashes(f, of, v, &hashes);
            agg_update(s, &hashes);
            is_gathered = false; /* hashes and numbers share their room */
        } else if (of->type == FIELD_HISTOGRAM) {
            update_histograms(f, of, v, s, &run);
        } else {
            if (!is_gathered)
                has_numbers = gather_numbers(f, of, v, &numbers);
            is_gathered = true;
            if (has_numbers)
                agg_update(s, &numbers);
        }
    }
}

static void update_field(feeder *f, uint32_t first_state)
{
    const scan_field *field = &f->scan.at->fields[f->groups.states[first_state].field];
    uint64_t claimed[VECTOR_WORDS] = {0};
    for (uint32_t k = 0; k < field->count; k++) {
        const vector *v = feed__loaded(f, field->sources[k].column);
        scan_take(&f->scan, v, field->overlaps ? claimed : NULL, &f->taken);
        if (f->taken.count)
            update_source(f, first_state, &field->sources[k], v);
    }
}

static void update_states(feeder *f)
{
    for (uint32_t i = 0; i < f->groups.state_count; i++) {
        uint32_t field = f->groups.states[i].field;
        bool is_first = true;
        for (uint32_t k = 0; k < i; k++)
            is_first &= f->groups.states[k].field != field;
        if (!is_first)
            continue;
        if (field != GROUP_NO_FIELD) {
            update_field(f, i);
            continue;
        }
        f->taken.all = true;
        f->taken.count = f->scan.count;
        agg_run run = start_run(f, false);
        agg_update(&f->groups.states[i].states, &run);
    }
}

sk_code feed_block(feeder *f, uint32_t part_number, uint32_t block, err *e)
{
    sk_code code = scan_block(&f->scan, part_number, block, e);
    if (code != SK_OK || f->scan.count == 0)
        return code;
    code = load_columns(f, e);
    if (code == SK_CORRUPT) {
        scan_leave_out(&f->scan, e);
        return SK_OK;
    }
    if (code != SK_OK)
        return code;
    find_weights(f);
    find_times(f);
    if (find_cells(f) && f->scan.count)
        update_states(f);
    return has_failed(f) ? finish_budget_error(f->scan.scan->budget, e) : SK_OK;
}
