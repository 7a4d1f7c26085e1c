/*
 * engine/local/feed_keys.c: the selected rows of a block as numbers of their breakdown values: by dictionary code, so that a text is looked
 * at once per part; by bits for numbers; by run for trace ids, which most neighbours share. Called by feed.c.
 */
#include "engine/local/feed_private.h"

static uint32_t place_of_id(const feed_ids *ids, trace_id id)
{
    uint32_t i = (uint32_t)hash_mix(id.hi ^ hash_mix(id.lo)) & ids->mask;
    while (ids->slots[i].key && !trace_id_equal(ids->slots[i].id, id))
        i = (i + 1) & ids->mask;
    return i;
}

bool feed__list_chosen_ids(feeder *f)
{
    uint32_t breakdowns = f->groups.key_count, slot_count = 64;
    while (slot_count < 4 * f->choice->count)
        slot_count *= 2;
    f->chosen_ids = agg_alloc(f->groups.budget, (breakdowns + 1) * sizeof *f->chosen_ids);
    for (uint32_t b = 0; f->chosen_ids && b < breakdowns; b++) {
        feed_ids *ids = &f->chosen_ids[b];
        ids->slots = agg_alloc(f->groups.budget, slot_count * sizeof *ids->slots);
        if (!ids->slots)
            return false;
        ids->mask = slot_count - 1;
        for (uint32_t i = 0; i < f->choice->count; i++) {
            uint32_t key = groups_tuple(f->chosen_in, f->choice->groups[i])[b];
            trace_id id;
            if (!group_keys_is_trace_id(f->groups.keys, b, key, &id))
                continue;
            uint32_t at = place_of_id(ids, id);
            ids->slots[at].id = id;
            ids->slots[at].key = key;
        }
    }
    return f->chosen_ids != NULL;
}

/* False: some code has not been asked yet. */
static bool known_of_all(const _Atomic(uint32_t) *known, const uint32_t *codes, uint32_t count,
                         uint32_t *keys)
{
    bool is_known = true;
    for (uint32_t i = 0; i < count; i++) {
        keys[i] = atomic_load_explicit(&known[codes[i]], memory_order_relaxed);
        is_known &= keys[i] != 0;
    }
    return is_known;
}

static void key_codes(feeder *f, uint32_t b, scan_source *of, const vector *v)
{
    const scan_worker *w = &f->scan;
    _Atomic(uint32_t) *known = scan_keys_of(w->scan, of);
    if (!known)
        return;
    uint32_t *keys = f->keys[b], miss_count = 0;
    uint32_t *misses = f->run_cells; /* free until runs are made */
    if (f->taken.all && w->all && known_of_all(known, v->codes, f->taken.count, keys))
        return;
    for (uint32_t n = 0; n < f->taken.count; n++) {
        uint32_t k = feed__position(&f->taken, n);
        keys[k] = atomic_load_explicit(&known[v->codes[w->rows[k]]], memory_order_relaxed);
        if (unlikely(!keys[k]))
            misses[miss_count++] = k;
    }
    if (!miss_count)
        return;
    group_keys_begin(f->groups.keys, b);
    for (uint32_t n = 0; n < miss_count; n++) {
        uint32_t k = misses[n], code = v->codes[w->rows[k]];
        keys[k] = atomic_load_explicit(&known[code], memory_order_relaxed);
        if (keys[k])
            continue;
        span text =
            of->type == FIELD_HISTOGRAM ? SPAN("") : of->dictionary->text(of->dictionary->of, code);
        keys[k] = group_keys_text(f->groups.keys, b, text, GROUP_KEY_TEXT, true);
        if (keys[k] == GROUP_KEY_NONE)
            break;
        atomic_store_explicit(&known[code], keys[k], memory_order_relaxed);
    }
    group_keys_end(f->groups.keys, b);
}

static uint32_t put_number(feeder *f, uint32_t b, const scan_source *of, const vector *v,
                           uint32_t row)
{
    char text[VALUE_TEXT_MAX];
    scan_scratch scratch;
    span s = value_text(scan_value(v, of->type, row, &scratch), text);
    group_key_form form = v->kind == VECTOR_BOOLS ? GROUP_KEY_BOOL : GROUP_KEY_NUMBER;
    group_keys_begin(f->groups.keys, b);
    uint32_t key = group_keys_text(f->groups.keys, b, s, form, false);
    group_keys_end(f->groups.keys, b);
    return key;
}

static void key_numbers(feeder *f, uint32_t b, const scan_source *of, const vector *v)
{
    const scan_worker *w = &f->scan;
    for (uint32_t n = 0; n < f->taken.count; n++) {
        uint32_t k = feed__position(&f->taken, n), row = w->rows[k];
        uint64_t bits = feed__bits_of(v, row);
        feed_cached *c = feed__cached(f->key_cache[b], v->kind, bits);
        if (unlikely(c->kind != v->kind + 1u || c->bits != bits)) {
            uint32_t key = put_number(f, b, of, v, row);
            if (key == GROUP_KEY_NONE)
                return;
            *c = (feed_cached){bits, key, v->kind + 1u};
        }
        f->keys[b][k] = (uint32_t)c->answer;
    }
}

static void key_ids(feeder *f, uint32_t b, const vector *v)
{
    const scan_worker *w = &f->scan;
    group_keys *keys = f->groups.keys;
    uint32_t key = 0;
    group_keys_begin(keys, b);
    for (uint32_t n = 0; n < f->taken.count && key != GROUP_KEY_NONE; n++) {
        uint32_t k = feed__position(&f->taken, n);
        f->keys[b][k] = key = group_keys_span_id(keys, b, v->ids[w->rows[k]]);
    }
    group_keys_end(keys, b);
}

/* The ids of runs, and of every row the number of its run. */
static uint32_t list_runs(const trace_id *of, uint32_t row_count, trace_id *ids, uint32_t *numbers)
{
    uint32_t count = 0;
    for (uint32_t row = 0; row < row_count; count++) {
        trace_id id = of[row];
        ids[count] = id;
        for (; row < row_count && of[row].lo == id.lo && of[row].hi == id.hi; row++)
            numbers[row] = count;
    }
    return count;
}

/* Neighbours are mostly of one trace: its number is asked once a run. */
static void key_trace_ids(feeder *f, uint32_t b, const vector *v)
{
    const scan_worker *w = &f->scan;
    trace_id *ids = f->run_trace_ids;
    uint32_t *numbers = f->run_cells, count = 0; /* free until runs are made */
    if (f->taken.all && w->all)
        count = list_runs(v->trace_ids, f->taken.count, ids, f->keys[b]);
    else
        for (uint32_t n = 0; n < f->taken.count; n++) {
            uint32_t k = feed__position(&f->taken, n), row = w->rows[k];
            if (!count || !trace_id_equal(v->trace_ids[row], ids[count - 1]))
                ids[count++] = v->trace_ids[row];
            f->keys[b][k] = count - 1;
        }
    bool is_done = true;
    if (f->chosen_ids) {
        bool is_any = false;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t key = f->chosen_ids[b].slots[place_of_id(&f->chosen_ids[b], ids[i])].key;
            numbers[i] = key ? key : GROUP_KEY_NONE;
            is_any |= key != 0;
        }
        f->none_is_shown = f->taken.all && !is_any;
    } else {
        group_keys_begin(f->groups.keys, b);
        is_done = group_keys_trace_ids(f->groups.keys, b, ids, count, numbers);
        group_keys_end(f->groups.keys, b);
    }
    for (uint32_t n = 0; is_done && n < f->taken.count; n++) {
        uint32_t k = feed__position(&f->taken, n);
        f->keys[b][k] = numbers[f->keys[b][k]];
    }
}

void feed__find_keys(feeder *f, uint32_t b)
{
    const scan_field *field = &f->scan.at->fields[f->scan.scan->plan->breakdowns[b]];
    uint64_t claimed[VECTOR_WORDS] = {0};
    bool is_full = false;
    for (uint32_t k = 0; k < field->count && !is_full; k++) {
        scan_source *of = &field->sources[k];
        const vector *v = feed__loaded(f, of->column);
        scan_take(&f->scan, v, field->overlaps ? claimed : NULL, &f->taken);
        is_full = f->taken.all;
        if (k == 0 && !is_full)
            memset(f->keys[b], 0, f->scan.count * sizeof **f->keys); /* GROUP_KEY_ABSENT */
        if (f->taken.count == 0)
            continue;
        if (v->kind == VECTOR_CODES)
            key_codes(f, b, of, v);
        else if (v->kind == VECTOR_TRACE_IDS)
            key_trace_ids(f, b, v);
        else if (v->kind == VECTOR_IDS)
            key_ids(f, b, v);
        else
            key_numbers(f, b, of, v);
    }
    if (field->count == 0)
        memset(f->keys[b], 0, f->scan.count * sizeof **f->keys);
}

/* The long way, once a code. */
static uint32_t place_of_code(feeder *f, uint32_t key)
{
    const uint32_t *keys = &key;
    uint32_t group = GROUP_NONE;
    if (key)
        groups_find_rows(f->chosen_in, &keys, 1, &group);
    return feed__place_of_group(f, group);
}

static uint32_t place_of_absent(feeder *f)
{
    static const uint32_t absent = GROUP_KEY_ABSENT;
    const uint32_t *keys = &absent;
    uint32_t group;
    groups_find_rows(f->chosen_in, &keys, 1, &group);
    return feed__place_of_group(f, group);
}

_Static_assert(PLAN_LIMIT_MAX + 3 <= UINT16_MAX, "a place and two more");

bool feed__find_places(feeder *f, uint32_t *out)
{
    const scan_worker *w = &f->scan;
    const scan_field *field = &w->at->fields[w->scan->plan->breakdowns[0]];
    if (f->groups.key_count != 1 || field->count != 1)
        return false;
    scan_source *of = &field->sources[0];
    const vector *v = feed__loaded(f, of->column);
    if (v->kind != VECTOR_CODES)
        return false;
    const _Atomic(uint32_t) *known = scan_keys_of(w->scan, of);
    _Atomic(uint16_t) *places = scan_places_of(w->scan, of);
    scan_take(w, v, NULL, &f->taken);
    if (!f->taken.all)
        for (uint32_t k = 0, absent = place_of_absent(f); k < w->count; k++)
            out[k] = absent;
    for (uint32_t n = 0; known && places && n < f->taken.count; n++) {
        uint32_t k = feed__position(&f->taken, n), code = v->codes[w->rows[k]];
        uint32_t place = atomic_load_explicit(&places[code], memory_order_relaxed);
        if (unlikely(!place)) {
            place = place_of_code(f, atomic_load_explicit(&known[code], memory_order_relaxed)) + 1;
            atomic_store_explicit(&places[code], (uint16_t)place, memory_order_relaxed);
        }
        out[k] = place - 1;
    }
    return true;
}
