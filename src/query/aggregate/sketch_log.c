/*
 * query/aggregate/sketch_log.c: the values that a sketch has only noted, in order of arrival: settled, they are sorted by
 * cell. Used when there are so many cells that finding each one's own memory for every value would cost ten times a note.
 */
#include <math.h>

#include "query/aggregate/sketch_private.h"

#define LOG_CHUNK 16384u

typedef struct log_chunk {
    struct log_chunk *next;
    uint32_t count;
    uint32_t cells[LOG_CHUNK];
    double values[LOG_CHUNK]; /* finite, each of weight 1 */
} log_chunk;

/* agg_states.own of a sketch. */
typedef struct sketch_log {
    log_chunk *chunks;
    uint64_t count;
    uint64_t *sorted; /* after settling: entries by cell */
    size_t sorted_bytes;
} sketch_log;

static sketch_log *log_of(agg_states *s)
{
    if (!s->own)
        s->own = agg_alloc(s->budget, sizeof(sketch_log));
    return s->own;
}

static void free_chunks(agg_states *s, sketch_log *l)
{
    for (log_chunk *c = l->chunks, *next; c; c = next) {
        next = c->next;
        agg_free(s->budget, c, sizeof *c);
    }
    l->chunks = NULL;
    l->count = 0;
}

/* The log takes too much: its values become entries of their cells. */
static void empty_log(agg_states *s, sketch_log *l)
{
    sketch_cell *cells = s->cells;
    for (const log_chunk *c = l->chunks; c; c = c->next)
        for (uint32_t i = 0; i < c->count; i++) {
            sketch__range(&cells[c->cells[i]], c->values[i], c->values[i]);
            sketch__add_entry(s, &cells[c->cells[i]], sketch_key(c->values[i]), 1);
        }
    free_chunks(s, l);
}

static bool add_chunk(agg_states *s, sketch_log *l)
{
    if (atomic_load_explicit(&s->budget->used_bytes, memory_order_relaxed) >
        s->budget->max_bytes / 2)
        empty_log(s, l);
    log_chunk *c = agg_alloc(s->budget, sizeof *c);
    if (!c)
        return false;
    c->next = l->chunks;
    l->chunks = c;
    return true;
}

void sketch__note(agg_states *s, uint32_t cell, double v)
{
    if (unlikely(!__builtin_isfinite(v)))
        return;
    sketch_log *l = log_of(s);
    if (!l || ((!l->chunks || l->chunks->count == LOG_CHUNK) && !add_chunk(s, l)))
        return; /* the budget has failed */
    log_chunk *c = l->chunks;
    c->cells[c->count] = cell;
    c->values[c->count++] = v;
    l->count++;
}

/* Counts a cell's noted values in a window; false when that would be too long, or the budget has failed. */
static bool count_values(agg_states *s, sketch_cell *c, const uint64_t *list, uint32_t count)
{
    int32_t low = key_of(c->least), high = key_of(c->greatest);
    if (high - low >= (int32_t)WINDOW_MAX - 2 * OCTAVE || count > UINT32_MAX - c->in_window ||
        !sketch__widen(s, c, low, high + 1))
        return false;
    for (uint32_t i = 0; i < count; i++)
        c->window[entry_key(list[i]) - c->base]++;
    c->in_window += count;
    sketch__find_inner(c);
    return true;
}

/* `count` places for a cell's list: those behind its own entries hold values, which become entries too. */
static void take_values(agg_states *s, sketch_cell *c, uint64_t *list, uint32_t count)
{
    bool is_empty = cell_is_empty(c);
    double least = is_empty ? INFINITY : c->least, greatest = is_empty ? -INFINITY : c->greatest;
    if (c->used)
        memcpy(list, c->list, c->used * sizeof *list);
    for (uint32_t i = c->used; i < count; i++) {
        double v;
        memcpy(&v, &list[i], sizeof v);
        least = v < least ? v : least;
        greatest = v > greatest ? v : greatest;
        list[i] = entry_of(sketch_key(v), 1);
    }
    c->least = least;
    c->greatest = greatest;
    if (count - c->used >= LIST_LONG && count_values(s, c, list + c->used, count - c->used))
        return;
    if (c->capacity)
        agg_free(s->budget, c->list, c->capacity * sizeof *list);
    c->in_list += count - c->used;
    c->list = list;
    c->used = count;
    c->capacity = 0;
}

/* Sorts the log by cell: each cell's values become its list, behind what it has. */
bool sketch__settle(agg_states *s)
{
    sketch_log *l = s->own;
    if (!l || !l->count)
        return true;
    sketch_cell *cells = s->cells;
    size_t starts_bytes = (s->count + 1ul) * sizeof(uint32_t);
    must(!l->sorted); /* once: what is settled is not fed again */
    uint64_t total = l->count;
    for (uint32_t i = 0; i < s->count; i++)
        total += cells[i].used;
    uint32_t *starts = agg_alloc(s->budget, starts_bytes);
    l->sorted_bytes = total * sizeof *l->sorted;
    l->sorted = total <= UINT32_MAX ? agg_alloc(s->budget, l->sorted_bytes) : NULL;
    if (!starts || !l->sorted) {
        agg_free(s->budget, starts, starts_bytes);
        agg_free(s->budget, l->sorted, l->sorted_bytes);
        l->sorted = NULL;
        l->sorted_bytes = 0;
        if (atomic_load(&s->budget->failed))
            return false;
        empty_log(s, l);
        return true;
    }
    for (const log_chunk *c = l->chunks; c; c = c->next)
        for (uint32_t i = 0; i < c->count; i++)
            starts[c->cells[i]]++;
    uint32_t at = 0;
    for (uint32_t i = 0; i < s->count; i++) { /* where the values of a cell go: its entries first */
        uint32_t noted = starts[i];
        starts[i] = at + cells[i].used;
        at += cells[i].used + noted;
    }
    for (const log_chunk *c = l->chunks; c; c = c->next)
        for (uint32_t i = 0; i < c->count; i++)
            memcpy(&l->sorted[starts[c->cells[i]]++], &c->values[i], sizeof(double));
    for (uint32_t i = 0, first = 0; i < s->count; first = starts[i++])
        if (starts[i] > first)
            take_values(s, &cells[i], l->sorted + first, starts[i] - first);
    agg_free(s->budget, starts, starts_bytes);
    free_chunks(s, l);
    return true;
}

/* Moves a log to other states, cell by cell to others (to[cell]; NULL: the same). */
bool sketch__move_log(agg_states *into, agg_states *from, const uint32_t *to)
{
    sketch_log *a, *b = from->own;
    if (!b || !b->count)
        return true;
    must(!b->sorted);
    a = log_of(into);
    if (!a)
        return false;
    sketch_cell *cells = into->cells;
    while (b->chunks) {
        log_chunk *c = b->chunks;
        uint32_t kept = 0;
        b->chunks = c->next;
        for (uint32_t i = 0; i < c->count; i++) {
            uint32_t cell = to ? to[c->cells[i]] : c->cells[i];
            double v = c->values[i];
            if (cell < WINDOW_CELLS && into->count < MANY_CELLS) {
                sketch__add(into, &cells[cell], v, 1);
            } else if (cell != AGG_NO_CELL) {
                c->cells[kept] = cell;
                c->values[kept++] = v;
            }
        }
        c->count = kept;
        /* A chunk that is not full stays behind the one that is written to. */
        c->next = a->chunks ? a->chunks->next : NULL;
        if (a->chunks)
            a->chunks->next = c;
        else
            a->chunks = c;
        a->count += kept;
    }
    b->count = 0;
    return true;
}

void sketch__done_log(agg_states *s)
{
    sketch_log *l = s->own;
    if (!l)
        return;
    free_chunks(s, l);
    agg_free(s->budget, l->sorted, l->sorted_bytes);
    agg_free(s->budget, l, sizeof *l);
    s->own = NULL;
}
