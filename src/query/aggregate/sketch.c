/*
 * query/aggregate/sketch.c: percentiles and HEATMAP over log buckets (aggregate.h "sketch"). A cell counts most of its
 * values in a window of neighbouring buckets, one u32 each, and keeps what lies outside (or overflows) in a list of
 * (key, weight) entries; few values are a list alone, so that many small groups stay small. Which form a cell has never
 * shows in an answer.
 */
#include <float.h>
#include <stdlib.h>

#include "query/aggregate/aggregate_private.h"

#define KEY_SHIFT  (52 - AGG_SKETCH_MANTISSA_BITS)
#define KEY_MAX    ((int32_t)(0x7ff << AGG_SKETCH_MANTISSA_BITS)) /* of the greatest finite double */
#define WINDOW_MAX 4096u
/* A window may be this many times longer than the number of keys in it. With many cells it must not take much more than
 * the list would; with few the bytes do not matter, and counting in it costs an increment instead of a share of a sort. */
#define WINDOW_SPREAD     8u
#define WINDOW_SPREAD_FEW 64u
#define WINDOW_FEW_CELLS  8192u
#define LIST_FIRST        8u

/* An entry: key + KEY_BIAS above, weight in the low 46 bits; ascending entries have ascending keys. */
#define KEY_BIAS    ((int32_t)1 << 17)
#define WEIGHT_BITS 46
#define WEIGHT_MAX  (((uint64_t)1 << WEIGHT_BITS) - 1)

typedef struct sketch_cell {
    double least, greatest;
    uint64_t weight;
    uint32_t *window;
    uint64_t *list;
    int32_t base; /* key of window[0] */
    uint32_t length, used, capacity;
} sketch_cell;

int32_t sketch_key(double finite)
{
    uint64_t bits;
    memcpy(&bits, &finite, sizeof bits);
    uint64_t magnitude = bits << 1 >> 1;
    int32_t key = magnitude ? (int32_t)(magnitude >> KEY_SHIFT) + 1 : 0;
    return bits >> 63 ? -key : key;
}

static double edge(int32_t u)
{
    uint64_t bits = (uint64_t)u << KEY_SHIFT;
    double v;
    memcpy(&v, &bits, sizeof v);
    return u >= KEY_MAX ? DBL_MAX : v;
}

void sketch_bounds(int32_t key, double *ret_low, double *ret_high)
{
    if (key > 0) {
        *ret_low = edge(key - 1);
        *ret_high = edge(key);
    } else if (key < 0) {
        *ret_low = -edge(-key);
        *ret_high = -edge(-key - 1);
    } else {
        *ret_low = *ret_high = 0;
    }
}

static inline uint64_t entry_of(int32_t key, uint64_t weight)
{
    return (uint64_t)(key + KEY_BIAS) << WEIGHT_BITS | weight;
}

static inline int32_t entry_key(uint64_t entry)
{
    return (int32_t)(entry >> WEIGHT_BITS) - KEY_BIAS;
}

static inline uint64_t entry_weight(uint64_t entry)
{
    return entry & WEIGHT_MAX;
}

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

/* Sorts and joins entries of one key; returns how many are left. */
static uint32_t compact(uint64_t *entries, uint32_t count)
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

/* The run of sorted entries, no wider than WINDOW_MAX keys, that holds the most: [*ret_first, *ret_end). */
static void densest(const uint64_t *entries, uint32_t count, uint32_t *ret_first, uint32_t *ret_end)
{
    *ret_first = *ret_end = 0;
    for (uint32_t first = 0, end = 0; end < count; end++) {
        while (entry_key(entries[end]) - entry_key(entries[first]) >= (int32_t)WINDOW_MAX)
            first++;
        if (end + 1 - first > *ret_end - *ret_first) {
            *ret_first = first;
            *ret_end = end + 1;
        }
    }
}

/* Moves entries [first, end) into a new window; the others stay in the list, in order. */
static void make_window(agg_states *s, sketch_cell *c, uint32_t first, uint32_t end)
{
    int32_t low = entry_key(c->list[first]), high = entry_key(c->list[end - 1]);
    int32_t slack = (high - low) / 8 + 1;
    low = low - slack < -KEY_MAX ? -KEY_MAX : low - slack;
    high = high + slack > KEY_MAX ? KEY_MAX : high + slack;
    uint32_t length = (uint32_t)(high - low) + 1;
    uint32_t *window = agg_alloc(s->budget, length * sizeof *window);
    if (!window)
        return;
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->used; i++) {
        uint64_t w = entry_weight(c->list[i]);
        uint32_t *at = i >= first && i < end ? &window[entry_key(c->list[i]) - low] : NULL;
        if (at && *at + w <= UINT32_MAX)
            *at += (uint32_t)w;
        else
            c->list[n++] = c->list[i];
    }
    c->used = n;
    c->window = window;
    c->base = low;
    c->length = length;
}

static bool grow_list(agg_states *s, sketch_cell *c, uint32_t need)
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

static void drop_window(agg_states *s, sketch_cell *c)
{
    agg_free(s->budget, c->window, c->length * sizeof *c->window);
    c->window = NULL;
    c->length = 0;
}

/* The list is full: join equal keys; if that does not halve it, choose a new window over everything; if that does
 * not either, take a longer list. Each is paid for by the entries that came since. */
static bool make_room(agg_states *s, sketch_cell *c)
{
    c->used = compact(c->list, c->used);
    if (c->used <= c->capacity / 2)
        return c->capacity > 0 || grow_list(s, c, LIST_FIRST);
    uint32_t in_window = 0;
    for (uint32_t i = 0; i < c->length; i++)
        in_window += c->window[i] != 0;
    if (!grow_list(s, c, c->used + in_window))
        return false;
    for (uint32_t i = 0; i < c->length; i++)
        if (c->window[i])
            c->list[c->used++] = entry_of(c->base + (int32_t)i, c->window[i]);
    drop_window(s, c);
    c->used = compact(c->list, c->used);
    uint32_t first, end;
    densest(c->list, c->used, &first, &end);
    uint32_t span_keys = (uint32_t)(entry_key(c->list[end - 1]) - entry_key(c->list[first])) + 1;
    uint32_t spread = s->count <= WINDOW_FEW_CELLS ? WINDOW_SPREAD_FEW : WINDOW_SPREAD;
    if (span_keys <= spread * (end - first))
        make_window(s, c, first, end);
    return c->used <= c->capacity / 2 || grow_list(s, c, c->capacity * 2);
}

static void add_entry(agg_states *s, sketch_cell *c, int32_t key, uint64_t weight)
{
    while (weight) {
        uint64_t part = weight < WEIGHT_MAX ? weight : WEIGHT_MAX;
        if (c->used == c->capacity && !make_room(s, c))
            return; /* the budget has failed */
        c->list[c->used++] = entry_of(key, part);
        weight -= part;
    }
}

static inline void add(agg_states *s, sketch_cell *c, int32_t key, uint32_t weight)
{
    uint32_t at = (uint32_t)(key - c->base);
    if (likely(at < c->length)) {
        uint32_t before = c->window[at];
        if (likely(before <= UINT32_MAX - weight)) {
            c->window[at] = before + weight;
            return;
        }
        c->window[at] = weight;
        weight = before;
    }
    add_entry(s, c, key, weight);
}

static inline bool cell_is_empty(const sketch_cell *c)
{
    return c->length == 0 && c->used == 0;
}

static inline void add_range(sketch_cell *c, double least, double greatest)
{
    if (unlikely(cell_is_empty(c))) {
        c->least = least;
        c->greatest = greatest;
    }
    c->least = least < c->least ? least : c->least;
    c->greatest = greatest > c->greatest ? greatest : c->greatest;
}

static inline void add_value(agg_states *s, sketch_cell *c, double v, uint32_t weight)
{
    int32_t key = sketch_key(v);
    if (unlikely(key > KEY_MAX || key < -KEY_MAX))
        return; /* not finite */
    add_range(c, v, v);
    c->weight += weight;
    add(s, c, key, weight);
}

static void update(agg_states *s, const agg_run *r)
{
    sketch_cell *cells = s->cells;
    if (r->kind == AGG_VALUES_INTS) {
        for (uint32_t i = 0; i < r->count; i++)
            add_value(s, &cells[agg__cell(r, i)], (double)r->ints[i], agg__weight(r, i));
        return;
    }
    for (uint32_t i = 0; i < r->count; i++)
        add_value(s, &cells[agg__cell(r, i)], r->floats[i] + 0.0, agg__weight(r, i));
}

static void update_pair(agg_states *s, uint32_t cell, double v, uint64_t weight)
{
    sketch_cell *c = (sketch_cell *)s->cells + cell;
    add_range(c, v, v);
    c->weight += weight;
    add_entry(s, c, sketch_key(v), weight);
}

static void merge(agg_states *into, void *into_cell, const void *from_cell)
{
    sketch_cell *a = into_cell;
    const sketch_cell *b = from_cell;
    add_range(a, b->least, b->greatest);
    a->weight += b->weight;
    if (!a->window && b->window) { /* take over its shape: then counting is increments */
        a->window = agg_alloc(into->budget, b->length * sizeof *a->window);
        if (!a->window)
            return;
        a->base = b->base;
        a->length = b->length;
    }
    for (uint32_t i = 0; i < b->length; i++)
        if (b->window[i])
            add(into, a, b->base + (int32_t)i, b->window[i]);
    for (uint32_t i = 0; i < b->used; i++)
        add_entry(into, a, entry_key(b->list[i]), entry_weight(b->list[i]));
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

/* ---- reading in order of keys ---- */

typedef struct sketch_walk {
    const sketch_cell *cell;
    uint64_t *list; /* sorted copy */
    uint32_t list_count, list_at, window_at;
} sketch_walk;

static bool walk_begin(sketch_walk *w, const sketch_cell *c, arena *mem)
{
    *w = (sketch_walk){.cell = c};
    if (!c->used)
        return true;
    w->list = ARENA_ARRAY(mem, uint64_t, c->used);
    if (!w->list)
        return false;
    memcpy(w->list, c->list, c->used * sizeof *w->list);
    w->list_count = compact(w->list, c->used);
    return true;
}

static bool walk_next(sketch_walk *w, int32_t *ret_key, uint64_t *ret_weight)
{
    const sketch_cell *c = w->cell;
    while (w->window_at < c->length && !c->window[w->window_at])
        w->window_at++;
    bool in_window = w->window_at < c->length, in_list = w->list_at < w->list_count;
    if (!in_window && !in_list)
        return false;
    int32_t window_key = in_window ? c->base + (int32_t)w->window_at : INT32_MAX;
    int32_t list_key = in_list ? entry_key(w->list[w->list_at]) : INT32_MAX;
    int32_t key = window_key < list_key ? window_key : list_key;
    uint64_t weight = 0;
    if (window_key == key)
        weight += c->window[w->window_at++];
    while (w->list_at < w->list_count && entry_key(w->list[w->list_at]) == key)
        weight += entry_weight(w->list[w->list_at++]);
    *ret_key = key;
    *ret_weight = weight;
    return true;
}

static double middle_of(int32_t key)
{
    double low, high;
    sketch_bounds(key < 0 ? -key : key, &low, &high);
    double middle = low + (high - low) / 2;
    return key < 0 ? -middle : middle;
}

uint64_t sketch_weight(const agg_states *s, uint32_t cell)
{
    must(s->family == AGG_SKETCH);
    must(cell < s->count);
    return ((const sketch_cell *)s->cells + cell)->weight;
}

static uint64_t rank_of(calc_op op, uint64_t n)
{
    double quantile = 0;
    must(calc_op_percentile(op, &quantile));
    uint64_t thousandths = (uint64_t)(quantile * 1000 + 0.5);
    unsigned __int128 rank = ((unsigned __int128)thousandths * n + 999) / 1000;
    return rank < 1 ? 1 : (uint64_t)rank;
}

void agg__percentile_finish(const agg_states *s, uint32_t cell, calc_op op, int64_t length_ns,
                            arena *mem, result_value *ret)
{
    const sketch_cell *c = (const sketch_cell *)s->cells + cell;
    *ret = (result_value){.kind = RESULT_NULL};
    if (!c->weight)
        return;
    arena_mark mark = arena_here(mem);
    sketch_walk walk;
    if (!walk_begin(&walk, c, mem))
        return;
    uint64_t rank = rank_of(op, c->weight), seen = 0, weight;
    int32_t key = 0;
    while (seen < rank && walk_next(&walk, &key, &weight))
        seen += weight;
    arena_rewind(mem, mark);
    double v = middle_of(key);
    v = v < c->least ? c->least : v > c->greatest ? c->greatest : v;
    *ret = agg__number(v);
}

static uint32_t count_buckets(const sketch_cell *c, arena *mem)
{
    arena_mark mark = arena_here(mem);
    sketch_walk walk;
    uint32_t n = 0;
    int32_t key;
    uint64_t weight;
    if (walk_begin(&walk, c, mem))
        while (walk_next(&walk, &key, &weight))
            n++;
    arena_rewind(mem, mark);
    return n;
}

void agg__heatmap_finish(const agg_states *s, uint32_t cell, calc_op op, int64_t length_ns,
                         arena *mem, result_value *ret)
{
    const sketch_cell *c = (const sketch_cell *)s->cells + cell;
    *ret = (result_value){.kind = RESULT_NULL};
    uint32_t count = count_buckets(c, mem);
    if (!count)
        return;
    heatmap_cell *cells = ARENA_ARRAY(mem, heatmap_cell, count);
    sketch_walk walk;
    if (!cells || !walk_begin(&walk, c, mem))
        return;
    int32_t key;
    for (uint32_t i = 0; i < count && walk_next(&walk, &key, &cells[i].count); i++)
        sketch_bounds(key, &cells[i].low, &cells[i].high);
    *ret = (result_value){.kind = RESULT_HEATMAP, .heatmap = {cells, count}};
}

const agg_ops agg__sketch = {sizeof(sketch_cell), update, update_pair, merge, is_empty, done};
