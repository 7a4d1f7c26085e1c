/*
 * engine/local/differ_totals.c: how often each value stands in each column of a sealed block, kept between questions (kept_blocks.h). Where both
 * sides together are the whole block and no row weighs more than 1, the baseline is what the selection leaves of it: only
 * selected rows are counted, and a column without any is not read. Called by differ_count.c and differ_codes.c.
 * Never: says anything of columns that hang on other parts (derived fields).
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "engine/local/differ.h"

#define SLOTS        4096u /* of values of one column */
#define ENTRIES_MAX  (SLOTS / 2)
#define COLUMNS_MAX  512u
#define ROWS_A_VALUE 4u /* fewer on average are not worth keeping */

/* As it is kept: keys of all entries; then column_total, ascending by column; then uint16_t, the entries' rows. */
typedef struct block_totals {
    uint32_t column_count, entry_count;
    uint64_t keys[];
} block_totals;

typedef struct slot {
    uint64_t key;
    uint32_t stamp, entry;
} slot;

/* Of the block at hand, while it is made. */
struct totals_room {
    uint32_t stamp, most; /* different values of a column */
    uint32_t column_count, entry_count, entry_capacity;
    column_total columns[COLUMNS_MAX];
    uint64_t *keys;
    uint16_t *rows;
    slot slots[SLOTS];
};

static const column_total *columns_of(const block_totals *t)
{
    return (const column_total *)(const void *)(t->keys + t->entry_count);
}

static const uint16_t *rows_of(const block_totals *t)
{
    return (const uint16_t *)(const void *)(columns_of(t) + t->column_count);
}

/* ---- making ---- */

static bool make_room(totals_room *t)
{
    if (t->entry_capacity - t->entry_count >= ENTRIES_MAX)
        return true;
    uint32_t capacity = t->entry_capacity * 2 + ENTRIES_MAX;
    uint64_t *keys = base_realloc(t->keys, capacity * sizeof *keys);
    if (keys)
        t->keys = keys;
    uint16_t *rows = keys ? base_realloc(t->rows, capacity * sizeof *rows) : NULL;
    if (!rows)
        return false;
    t->rows = rows;
    t->entry_capacity = capacity;
    return true;
}

/* False: there are too many different ones. */
static bool add_key(totals_room *t, column_total *c, uint64_t key, uint32_t rows)
{
    uint32_t i = (uint32_t)hash_mix(key) & (SLOTS - 1);
    while (t->slots[i].stamp == t->stamp && t->slots[i].key != key)
        i = (i + 1) & (SLOTS - 1);
    slot *s = &t->slots[i];
    if (s->stamp != t->stamp) {
        if (c->count == t->most)
            return false;
        *s = (slot){key, t->stamp, c->first + c->count++};
        t->keys[s->entry] = key;
        t->rows[s->entry] = 0;
    }
    t->rows[s->entry] = (uint16_t)(t->rows[s->entry] + rows);
    return true;
}

static uint64_t key_at(const vector *v, uint32_t row, total_kind kind)
{
    if (kind == TOTAL_CODES)
        return v->codes[row];
    double number = v->kind == VECTOR_INTS ? (double)v->ints[row] : v->floats[row];
    return kind == TOTAL_NUMBERS ? differ__number_key(number) : differ_bucket(number);
}

/* Neighbouring rows often have one value. */
static bool add_rows(totals_room *t, column_total *c, const vector *v)
{
    uint64_t last = 0;
    uint32_t same = 0;
    ++t->stamp;
    for (uint32_t row = 0; row < v->row_count; row++) {
        if (!v->all_present && !vector_has(v, row))
            continue;
        uint64_t key = key_at(v, row, c->kind);
        if (same && key != last) {
            if (!add_key(t, c, last, same))
                return false;
            c->present += same;
            same = 0;
        }
        last = key;
        same++;
    }
    c->present += same;
    return !same || add_key(t, c, last, same);
}

static bool add_column(totals_room *t, uint32_t number, const vector *v, total_kind kind)
{
    column_total *c = &t->columns[t->column_count];
    *c = (column_total){.column = number, .kind = kind, .first = t->entry_count};
    t->most = kind == TOTAL_NUMBERS ? DIFFER_NUMBERS_MAX : ENTRIES_MAX;
    bool fits = add_rows(t, c, v);
    if (!fits && kind == TOTAL_NUMBERS)
        return add_column(t, number, v, TOTAL_BUCKETS);
    return fits && c->count <= v->row_count / ROWS_A_VALUE;
}

/* NULL: nothing is made of the block, or of the column. */
static const column_total *make_total(differ_worker *w, uint32_t number, const vector *v)
{
    totals_room *t = w->totals_room;
    bool is_number = v->kind == VECTOR_INTS || v->kind == VECTOR_FLOATS;
    if (!w->makes_totals || t->column_count == COLUMNS_MAX ||
        (v->kind != VECTOR_CODES && !is_number) || !make_room(t) ||
        !add_column(t, number, v, is_number ? TOTAL_NUMBERS : TOTAL_CODES))
        return NULL;
    const column_total *made = &t->columns[t->column_count++];
    t->entry_count += made->count;
    return made;
}

/* ---- a block ---- */

void differ__open_totals(differ_run *r, differ_worker *w)
{
    const scan_worker *all = &w->scans[SCAN_ALL];
    kept_blocks *kept = r->engine->kept;
    w->block_totals = NULL;
    w->makes_totals = false;
    if (!w->is_whole || all->at->info.is_open)
        return;
    w->block_totals =
        kept_blocks_hold(kept, KEPT_TOTALS, all->at->info.id, all->block, all->row_count);
    if (w->block_totals || !kept_blocks_fits(kept, KEPT_TOTALS, all->row_count))
        return;
    if (!w->totals_room)
        w->totals_room =
            base_alloc_zero(1, sizeof *w->totals_room); /* the query does not fail for it */
    if (!w->totals_room)
        return;
    w->totals_room->column_count = w->totals_room->entry_count = 0;
    w->makes_totals = true;
}

static int compare_columns(const void *left, const void *right)
{
    const column_total *a = left, *b = right;
    return (a->column > b->column) - (a->column < b->column);
}

static void keep(differ_run *r, const differ_worker *w)
{
    totals_room *t = w->totals_room;
    const scan_worker *all = &w->scans[SCAN_ALL];
    size_t columns = t->column_count * sizeof *t->columns, keys = t->entry_count * sizeof *t->keys,
           rows = t->entry_count * sizeof *t->rows;
    block_totals *to = kept_blocks_room(r->engine->kept, KEPT_TOTALS, all->at->info.id, all->block,
                                        all->row_count, sizeof *to + columns + keys + rows);
    if (!to)
        return;
    qsort(t->columns, t->column_count, sizeof *t->columns, compare_columns);
    to->column_count = t->column_count;
    to->entry_count = t->entry_count;
    uint8_t *at = (uint8_t *)to->keys;
    memcpy(at, t->keys, keys);
    memcpy(at + keys, t->columns, columns);
    memcpy(at + keys + columns, t->rows, rows);
    kept_blocks_keep(r->engine->kept, to);
}

void differ__close_totals(differ_run *r, differ_worker *w, bool is_counted)
{
    if (w->block_totals)
        kept_blocks_let_go(r->engine->kept, w->block_totals);
    if (w->makes_totals && is_counted && w->totals_room->column_count)
        keep(r, w);
    w->block_totals = NULL;
    w->makes_totals = false;
}

void differ__free_totals(differ_worker *w)
{
    if (!w->totals_room)
        return;
    base_free(w->totals_room->keys);
    base_free(w->totals_room->rows);
    base_free(w->totals_room);
}

/* ---- using ---- */

bool differ__known_total(const differ_worker *w, uint32_t number, totals *ret)
{
    const block_totals *t = w->block_totals;
    if (!t)
        return false;
    const column_total *columns = columns_of(t);
    uint32_t low = 0, high = t->column_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (columns[middle].column < number)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == t->column_count || columns[low].column != number)
        return false;
    const column_total *c = &columns[low];
    *ret = (totals){c->kind, c->count, c->present, t->keys + c->first, rows_of(t) + c->first};
    return true;
}

bool differ__total(differ_worker *w, uint32_t number, const vector *v, totals *ret)
{
    if (w->block_totals)
        return differ__known_total(w, number, ret);
    const column_total *c = make_total(w, number, v);
    if (c)
        *ret = (totals){c->kind, c->count, c->present, w->totals_room->keys + c->first,
                        w->totals_room->rows + c->first};
    return c != NULL;
}
