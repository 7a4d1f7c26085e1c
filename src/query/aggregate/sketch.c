/*
 * query/aggregate/sketch.c: percentiles and HEATMAP over log buckets (aggregate.h "sketch"). A cell is a list of
 * (key, weight) entries at first. One of the first cells that has got LIST_FEW of them counts in a window of
 * neighbouring buckets, one u32 each; what lies too far outside stays in the list. Values of later cells, and of all once
 * there are too many, are only noted in a log, in order of arrival, and sorted by cell now and then (sketch_log.c).
 * Which form a cell has never shows in an answer.
 */
#include <stdlib.h>

#include "query/aggregate/sketch_private.h"

static int compare_entries(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Shell's sort with Ciura's gaps: no memory, no calls; lists are mostly short and partly in order. */
static void sort_entries(uint64_t *entries, uint32_t count)
{
    static const uint32_t gaps[] = {57, 23, 10, 4, 1};
    if (count > 512) {
        qsort(entries, count, sizeof *entries, compare_entries);
        return;
    }
    for (size_t g = 0; g < COUNT_OF(gaps); g++)
        for (uint32_t i = gaps[g]; i < count; i++) {
            uint64_t x = entries[i];
            uint32_t j = i;
            for (; j >= gaps[g] && entries[j - gaps[g]] > x; j -= gaps[g])
                entries[j] = entries[j - gaps[g]];
            entries[j] = x;
        }
}

uint32_t sketch__compact(uint64_t *entries, uint32_t count)
{
    sort_entries(entries, count);
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (n && entry_key(entries[n - 1]) == entry_key(entries[i]) &&
            entry_weight(entries[n - 1]) + entry_weight(entries[i]) <= WEIGHT_MAX)
            entries[n - 1] += entry_weight(entries[i]);
        else
            entries[n++] = entries[i];
    }
    return n;
}

/* ---- the list ---- */

bool sketch__reserve(agg_states *s, sketch_cell *c, uint32_t need)
{
    if (need <= c->capacity)
        return true;
    uint32_t capacity = c->capacity ? c->capacity : LIST_FIRST;
    while (capacity < need)
        capacity *= 2;
    uint64_t *list =
        agg_realloc(s->budget, c->list, c->capacity * sizeof *list, capacity * sizeof *list);
    if (!list)
        return false;
    c->list = list;
    c->capacity = capacity;
    return true;
}

/* The list is full: joins equal keys; if that does not halve it, takes a longer one. */
static bool make_room(agg_states *s, sketch_cell *c)
{
    if (c->capacity < LIST_FEW)
        return sketch__reserve(s, c, c->used + 1);
    c->used = sketch__compact(c->list, c->used);
    return c->used <= c->capacity / 2 || sketch__reserve(s, c, c->capacity * 2);
}

void sketch__add_entry(agg_states *s, sketch_cell *c, int32_t key, uint64_t weight)
{
    c->in_list += weight;
    if (c->used && entry_key(c->list[c->used - 1]) == key &&
        entry_weight(c->list[c->used - 1]) + weight <= WEIGHT_MAX) {
        c->list[c->used - 1] += weight;
        return;
    }
    while (weight) {
        uint64_t part = weight < WEIGHT_MAX ? weight : WEIGHT_MAX;
        if (c->used >= c->capacity && !make_room(s, c))
            return; /* the budget has failed */
        c->list[c->used++] = entry_of(key, part);
        weight -= part;
    }
}

/* ---- the window ---- */

void sketch__find_inner(sketch_cell *c)
{
    int32_t first = key_of(c->least) + 1, end = key_of(c->greatest);
    first = first > c->base ? first : c->base;
    first = first > 2 ? first : 2;
    end = end < c->base + (int32_t)c->length ? end : c->base + (int32_t)c->length;
    c->inner_base = first;
    bool is_open = c->length && end > first && c->in_window <= CARE_FROM;
    c->inner_length = is_open ? (uint32_t)(end - first) : 0;
    c->inner = is_open ? c->window + (first - c->base) : NULL;
}

static uint64_t window_weight(const sketch_cell *c)
{
    uint64_t weight = 0;
    for (uint32_t i = 0; i < c->length; i++)
        weight += c->window[i];
    return weight;
}

void sketch__add_up(agg_states *s)
{
    sketch_cell *cells = s->cells;
    for (uint32_t i = 0; s->loose && i < s->count; i++) {
        if (!cells[i].length)
            continue;
        cells[i].in_window = (uint32_t)window_weight(&cells[i]);
        sketch__find_inner(&cells[i]);
    }
    s->loose = 0;
}

static void drop_window(agg_states *s, sketch_cell *c)
{
    agg_free(s->budget, c->window, c->length * sizeof *c->window);
    c->window = c->inner = NULL;
    c->length = c->in_window = c->inner_length = 0;
}

bool sketch__widen(agg_states *s, sketch_cell *c, int32_t low, int32_t end)
{
    if (c->length) { /* in steps of half its length, so that it is rarely moved */
        int32_t had_end = c->base + (int32_t)c->length, step = (int32_t)c->length / 2;
        low = low >= c->base ? c->base : low < c->base - step ? low : c->base - step;
        end = end <= had_end ? had_end : end > had_end + step ? end : had_end + step;
    }
    low = low / OCTAVE * OCTAVE - (low % OCTAVE < 0 ? OCTAVE : 0);
    uint32_t length = ((uint32_t)(end - low) + OCTAVE - 1) / OCTAVE * OCTAVE;
    if (length > WINDOW_MAX)
        return false;
    uint32_t *window = agg_alloc(s->budget, length * sizeof *window);
    if (!window)
        return false;
    if (c->length)
        memcpy(window + (c->base - low), c->window, c->length * sizeof *window);
    agg_free(s->budget, c->window, c->length * sizeof *window);
    c->window = window;
    c->base = low;
    c->length = length;
    return true;
}

/* The first window: around the median of the entries, so that strays do not decide where it is. */
static void open_window(agg_states *s, sketch_cell *c)
{
    c->used = sketch__compact(c->list, c->used);
    int32_t median = entry_key(c->list[c->used / 2]), reach = (int32_t)WINDOW_MAX / 2 - OCTAVE;
    uint32_t first = 0, end = c->used;
    while (entry_key(c->list[first]) < median - reach)
        first++;
    while (entry_key(c->list[end - 1]) > median + reach)
        end--;
    if (!sketch__widen(s, c, entry_key(c->list[first]), entry_key(c->list[end - 1]) + 1))
        return;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < c->used; i++) {
        uint64_t weight = entry_weight(c->list[i]);
        if (i < first || i >= end || weight > UINT32_MAX - c->in_window) {
            c->list[kept++] = c->list[i];
            continue;
        }
        c->window[entry_key(c->list[i]) - c->base] += (uint32_t)weight;
        c->in_window += (uint32_t)weight;
        c->in_list -= weight;
    }
    c->used = kept;
}

/* Before a counter could overflow: all that is counted becomes entries. */
static void empty_window(agg_states *s, sketch_cell *c)
{
    for (uint32_t i = 0; i < c->length; i++)
        if (c->window[i])
            sketch__add_entry(s, c, c->base + (int32_t)i, c->window[i]);
    drop_window(s, c);
}

static void put(agg_states *s, sketch_cell *c, int32_t key, uint64_t weight)
{
    if (weight > UINT32_MAX) {
        sketch__add_entry(s, c, key, weight);
        return;
    }
    if (sketch__is_full(s, c, weight))
        empty_window(s, c);
    bool is_held = (uint32_t)(key - c->base) < c->length;
    bool is_early = (size_t)(c - (sketch_cell *)s->cells) < sketch__window_cells(s);
    if (!is_held && (is_early || c->length || c->used >= LIST_LONG)) {
        if (!c->length && c->used >= LIST_FEW)
            open_window(s, c);
        is_held = c->length && sketch__widen(s, c, key, key + 1);
    }
    if (!is_held || sketch__is_full(s, c, weight)) {
        sketch__add_entry(s, c, key, weight);
        return;
    }
    c->window[key - c->base] += (uint32_t)weight;
    c->in_window += (uint32_t)weight;
}

void sketch__put_value(agg_states *s, sketch_cell *c, double v, uint32_t weight)
{
    int32_t key = key_of(v);
    if (key > KEY_MAX || key < -KEY_MAX)
        return;
    sketch__range(c, v, v);
    put(s, c, key, weight);
    sketch__find_inner(c);
}

/* A run into one cell, whose window then stays in registers. */
static void add_values(agg_states *s, sketch_cell *c, const double *values, uint32_t count)
{
    if (sketch__is_full(s, c, count))
        empty_window(s, c);
    uint32_t *inner = c->inner, length = c->inner_length, counted = 0;
    uint32_t base = (uint32_t)c->inner_base - 1;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        uint32_t at = (uint32_t)(bits >> KEY_SHIFT) - base;
        if (likely(at < length)) {
            inner[at]++;
            counted++;
            continue;
        }
        c->in_window += counted;
        counted = 0;
        sketch__put_value(s, c, values[i] + 0.0, 1);
        inner = c->inner;
        length = c->inner_length;
        base = (uint32_t)c->inner_base - 1;
    }
    c->in_window += counted;
    if (c->in_window > CARE_FROM)
        sketch__find_inner(c);
}

/* A run into several: each value touches one counter, as a sum beside it would be waited for. */
static void spread_values(agg_states *s, const agg_run *r)
{
    sketch_cell *cells = s->cells;
    if (s->loose + r->count > LOOSE_MAX)
        sketch__add_up(s);
    s->loose += r->count;
    for (uint32_t i = 0; i < r->count; i++) {
        sketch_cell *c = &cells[r->cells[i]];
        uint32_t at = sketch__inner_place(c, r->floats[i]);
        if (likely(at < c->inner_length))
            c->inner[at]++;
        else
            sketch__put_value(s, c, r->floats[i] + 0.0, 1);
    }
}

/* ---- runs ---- */

static inline void add_to_cell(agg_states *s, uint32_t cell, double v, uint32_t weight)
{
    sketch_cell *c = (sketch_cell *)s->cells + cell;
    if (sketch__counts_at_once(s, cell))
        sketch__add(s, c, v, weight);
    else if (weight == 1)
        sketch__note(s, cell, v);
    else
        sketch__put_value(s, c, v, weight);
}

static void update(agg_states *s, const agg_run *r)
{
    if (r->kind == AGG_VALUES_INTS) {
        for (uint32_t i = 0; i < r->count; i++)
            add_to_cell(s, agg__cell(r, i), (double)r->ints[i], agg__weight(r, i));
        return;
    }
    if (r->weights) {
        for (uint32_t i = 0; i < r->count; i++)
            add_to_cell(s, agg__cell(r, i), r->floats[i] + 0.0, r->weights[i]);
    } else if (r->cells && sketch__counts_at_once(s, s->count - 1) && r->count <= LOOSE_MAX) {
        spread_values(s, r);
    } else if (r->cells) {
        for (uint32_t i = 0; i < r->count; i++)
            add_to_cell(s, r->cells[i], r->floats[i] + 0.0, 1);
    } else if (sketch__counts_at_once(s, r->one_cell)) {
        add_values(s, (sketch_cell *)s->cells + r->one_cell, r->floats, r->count);
    } else {
        for (uint32_t i = 0; i < r->count; i++)
            sketch__note(s, r->one_cell, r->floats[i] + 0.0);
    }
}

static void update_pair(agg_states *s, uint32_t cell, double v, uint64_t weight)
{
    sketch_cell *c = (sketch_cell *)s->cells + cell;
    sketch__range(c, v, v);
    put(s, c, key_of(v), weight);
    sketch__find_inner(c);
}

static void merge(agg_states *into, void *into_cell, const void *from_cell)
{
    sketch_cell *a = into_cell;
    const sketch_cell *b = from_cell;
    sketch__range(a, b->least, b->greatest);
    uint64_t weight = window_weight(b); /* what is loose included */
    bool fits = b->length && !sketch__is_full(into, a, weight) &&
                ((a->length && b->base >= a->base &&
                  b->base + (int32_t)b->length <= a->base + (int32_t)a->length) ||
                 sketch__widen(into, a, b->base, b->base + (int32_t)b->length));
    if (fits) {
        uint32_t *restrict at = a->window + (b->base - a->base);
        const uint32_t *restrict more = b->window;
        uint32_t length = b->length;
        for (uint32_t i = 0; i < length; i++)
            at[i] += more[i];
        a->in_window += (uint32_t)weight;
    } else {
        for (uint32_t i = 0; i < b->length; i++)
            if (b->window[i])
                put(into, a, b->base + (int32_t)i, b->window[i]);
    }
    if (!a->length && a->used + b->used < LIST_LONG) {
        if (b->used && sketch__reserve(into, a, a->used + b->used)) {
            memcpy(a->list + a->used, b->list, b->used * sizeof *a->list);
            a->used += b->used;
            a->in_list += b->in_list;
        }
    } else {
        for (uint32_t i = 0; i < b->used; i++)
            put(into, a, entry_key(b->list[i]), entry_weight(b->list[i]));
    }
    sketch__find_inner(a);
}

static bool is_empty(const void *cell)
{
    return cell_is_empty(cell);
}

static void done(agg_states *s, void *cell)
{
    sketch_cell *c = cell;
    drop_window(s, c);
    agg_free(s->budget, c->list, c->capacity * sizeof *c->list);
}

const agg_ops agg__sketch = {.cell_bytes = sizeof(sketch_cell),
                             .update = update,
                             .update_pair = update_pair,
                             .merge = merge,
                             .is_empty = is_empty,
                             .done = done,
                             .settle = sketch__fold,
                             .move_own = sketch__move_log,
                             .done_own = sketch__done_log};
