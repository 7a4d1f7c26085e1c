/*
 * query/aggregate/sketch_log.c: the values that a sketch has only noted, in order of arrival. Folded, they are sorted by cell and
 * go into their cells one cell after the other. Used when there are so many cells that finding each one's own memory for every value
 * would cost far more than a note.
 */
#include "query/aggregate/sketch_private.h"

#define LOG_CHUNK 16384u
/* A log that takes this share of the query's bytes is folded before it goes on. */
#define LOG_SHARE 8u

typedef struct log_chunk {
    struct log_chunk *next;
    uint32_t count;
    uint32_t cells[LOG_CHUNK];
    double values[LOG_CHUNK]; /* finite, each of weight 1 */
} log_chunk;

/* agg_states.own of a sketch. */
typedef struct sketch_log {
    log_chunk *chunks; /* all but the first are full, or came from another log */
    uint64_t count, chunk_count;
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
    *l = (sketch_log){0};
}

/* ---- folding ---- */

/* One cell's values, in any order. */
static void put_values(agg_states *s, sketch_cell *c, const double *values, uint32_t count)
{
    sketch__range(c, values[0], values[0]);
    double least = c->least, greatest = c->greatest;
    for (uint32_t i = 0; i < count; i++) {
        least = values[i] < least ? values[i] : least;
        greatest = values[i] > greatest ? values[i] : greatest;
    }
    c->least = least;
    c->greatest = greatest;
    int32_t low = key_of(least), high = key_of(greatest);
    if (!c->length && c->used + count >= LIST_LONG && high - low < (int32_t)WINDOW_MAX - OCTAVE)
        (void)!sketch__widen(s, c, low, high + 1); /* the list takes what no window holds */
    if (!c->length && !sketch__reserve(s, c, c->used + count))
        return;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = (uint32_t)(key_of(values[i]) - c->base);
        if (at < c->length && !sketch__is_full(s, c, 1)) {
            c->window[at]++;
            c->in_window++;
        } else {
            sketch__add_entry(s, c, key_of(values[i]), 1);
        }
    }
    sketch__find_inner(c);
}

static void fold_one_by_one(agg_states *s, sketch_log *l)
{
    for (const log_chunk *c = l->chunks; c; c = c->next)
        for (uint32_t i = 0; i < c->count; i++)
            put_values(s, (sketch_cell *)s->cells + c->cells[i], &c->values[i], 1);
}

/* The log's values by cell: cell i has those from ends[i - 1] to ends[i]. */
static void sort_by_cell(const sketch_log *l, uint32_t cell_count, uint32_t *ends, double *sorted)
{
    for (const log_chunk *c = l->chunks; c; c = c->next)
        for (uint32_t i = 0; i < c->count; i++)
            ends[c->cells[i]]++;
    for (uint32_t i = 0, at = 0; i < cell_count; i++) {
        uint32_t count = ends[i];
        ends[i] = at;
        at += count;
    }
    for (const log_chunk *c = l->chunks; c; c = c->next)
        for (uint32_t i = 0; i < c->count; i++)
            sorted[ends[c->cells[i]]++] = c->values[i];
}

bool sketch__fold(agg_states *s)
{
    sketch_log *l = s->own;
    sketch__add_up(s);
    if (!l || !l->count)
        return true;
    if (l->count > UINT32_MAX) {
        fold_one_by_one(s, l);
        free_chunks(s, l);
        return atomic_load(&s->budget->failed) == 0;
    }
    size_t ends_bytes = (s->count + 1ul) * sizeof(uint32_t), sorted_bytes = l->count * 8;
    uint32_t *ends = agg_alloc(s->budget, ends_bytes);
    double *sorted = agg_alloc(s->budget, sorted_bytes);
    if (ends && sorted) {
        sort_by_cell(l, s->count, ends, sorted);
        free_chunks(s, l);
        for (uint32_t i = 0, first = 0; i < s->count; first = ends[i++])
            if (ends[i] > first)
                put_values(s, (sketch_cell *)s->cells + i, sorted + first, ends[i] - first);
    }
    agg_free(s->budget, ends, ends_bytes);
    agg_free(s->budget, sorted, sorted_bytes);
    return atomic_load(&s->budget->failed) == 0;
}

/* ---- noting ---- */

static bool add_chunk(agg_states *s, sketch_log *l)
{
    if (l->chunk_count * sizeof(log_chunk) > s->budget->max_bytes / LOG_SHARE && !sketch__fold(s))
        return false;
    log_chunk *c = agg_alloc(s->budget, sizeof *c);
    if (!c)
        return false;
    c->next = l->chunks;
    l->chunks = c;
    l->chunk_count++;
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

bool sketch__move_log(agg_states *into, agg_states *from, const uint32_t *to)
{
    sketch_log *b = from->own;
    if (!b || !b->count)
        return true;
    sketch_log *a = log_of(into);
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
            if (sketch__counts_at_once(into, cell)) {
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
        a->chunk_count++;
    }
    *b = (sketch_log){0};
    return true;
}

void sketch__done_log(agg_states *s)
{
    sketch_log *l = s->own;
    if (!l)
        return;
    free_chunks(s, l);
    agg_free(s->budget, l, sizeof *l);
    s->own = NULL;
}
