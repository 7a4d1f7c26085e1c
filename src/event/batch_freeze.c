/*
 * event/batch_freeze.c: the end of building: a batch as its header promises it to readers. Called
 * once per batch by receivers and tests. What is rare (one name with several types and with ranges)
 * may be slow, but linear.
 */
#include "event/batch_private.h"

#include "base/must.h"

/* ---- one name with several types: at most one of them may have a value on a row ---- */

static bool has_hidden_ranges(const batch *b, uint32_t first)
{
    bool has_ranges = false;
    uint32_t types = 0;
    for (uint32_t i = first; i != COLUMN_NONE; i = b->columns[i].next_same_name) {
        const column *c = &b->columns[i];
        has_ranges |= c->range_count > 0;
        types += c->count || c->range_count;
    }
    return has_ranges && types > 1;
}

/* Paints `owner`: per row 1 + the place in the chain of the type whose value counts; ranges in the
 * order they were put, points over them. */
static void paint_owners(const batch *b, const uint32_t *chain, uint32_t chain_len, uint8_t *owner)
{
    uint32_t next[FIELD_TYPE_COUNT] = {0};
    memset(owner, 0, b->row_count);
    for (;;) {
        uint32_t best = chain_len, best_order = 0;
        for (uint32_t i = 0; i < chain_len; i++) {
            if (next[i] >= b->columns[chain[i]].range_count)
                continue;
            uint32_t order = b->builder->columns[chain[i]].order[next[i]];
            if (best == chain_len || order < best_order) {
                best = i;
                best_order = order;
            }
        }
        if (best == chain_len)
            break;
        const column_range *r = &b->columns[chain[best]].ranges[next[best]++];
        memset(owner + r->first_row, (int)best + 1, r->end_row - r->first_row);
    }
    for (uint32_t i = 0; i < chain_len; i++) {
        const column *c = &b->columns[chain[i]];
        for (uint32_t p = 0; p < c->count; p++)
            owner[c->rows[p]] = (uint8_t)(i + 1);
    }
}

/* The runs of rows within the column's ranges that `mark` owns. With `out` NULL only counts them.
 */
static uint32_t owned_runs(const column *c, const uint8_t *owner, uint8_t mark, column_range *out)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < c->range_count; i++) {
        const column_range *r = &c->ranges[i];
        for (uint32_t row = r->first_row; row < r->end_row; row++) {
            if (owner[row] != mark)
                continue;
            uint32_t first = row;
            while (row < r->end_row && owner[row] == mark)
                row++;
            if (out)
                out[count] = (column_range){first, row, r->bits};
            count++;
        }
    }
    return count;
}

static bool cut_hidden(batch *b, uint32_t first, uint8_t *owner)
{
    uint32_t chain[FIELD_TYPE_COUNT], chain_len = 0;
    for (uint32_t i = first; i != COLUMN_NONE; i = b->columns[i].next_same_name)
        chain[chain_len++] = i;
    paint_owners(b, chain, chain_len, owner);
    for (uint32_t i = 0; i < chain_len; i++) {
        column *c = &b->columns[chain[i]];
        uint8_t mark = (uint8_t)(i + 1);
        uint32_t count = owned_runs(c, owner, mark, NULL);
        column_range *ranges = ARENA_ARRAY(b->mem, column_range, count + 1);
        if (!ranges)
            return false;
        owned_runs(c, owner, mark, ranges);
        c->ranges = ranges;
        c->range_count = c->range_capacity = count;
    }
    return true;
}

static bool cut_all_hidden(batch *b)
{
    uint8_t *owner = NULL;
    for (uint32_t i = 0; i < b->column_count; i++) {
        if (b->builder->columns[i].first_same_name != i ||
            b->columns[i].next_same_name == COLUMN_NONE || !has_hidden_ranges(b, i))
            continue;
        if (!owner && !(owner = arena_alloc(b->mem, b->row_count + 1u, 1)))
            return false;
        if (!cut_hidden(b, i, owner))
            return false;
    }
    return true;
}

/* ---- tidying ---- */

static void clip_ranges(batch *b)
{
    for (uint32_t i = 0; i < b->column_count; i++) {
        column *c = &b->columns[i];
        for (uint32_t r = 0; r < c->range_count; r++) {
            column_range *range = &c->ranges[r];
            if (range->end_row > b->row_count)
                range->end_row = b->row_count;
            if (range->first_row > range->end_row)
                range->first_row = range->end_row;
        }
    }
}

/* Leaves out empty and covered ranges and joins neighbours of one value: many resources of a request differ in few
 * attributes. */
static void join_ranges(column *c)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < c->range_count; i++) {
        column_range r = c->ranges[i];
        if (r.first_row >= r.end_row)
            continue;
        while (kept && r.first_row <= c->ranges[kept - 1].first_row &&
               c->ranges[kept - 1].end_row <= r.end_row)
            kept--;
        column_range *last = kept ? &c->ranges[kept - 1] : NULL;
        if (last && last->end_row == r.first_row && last->bits == r.bits)
            last->end_row = r.end_row;
        else
            c->ranges[kept++] = r;
    }
    c->range_count = kept;
}

/* Leaves out columns without values and links the rest anew. */
static void keep_used_columns(batch *b)
{
    struct batch_builder *w = b->builder;
    uint32_t *last_same_name = w->slots; /* done with finding names: reused by head of chain */
    uint32_t kept = 0;
    for (uint32_t i = 0; i < b->column_count; i++) {
        uint32_t head = w->columns[i].first_same_name;
        if (head == i)
            last_same_name[i] = COLUMN_NONE;
        column c = b->columns[i];
        if (c.count == 0 && c.range_count == 0)
            continue;
        c.next_same_name = COLUMN_NONE;
        if (c.count == b->row_count || c.count == 0)
            c.rows = NULL;
        if (last_same_name[head] != COLUMN_NONE)
            b->columns[last_same_name[head]].next_same_name = kept;
        last_same_name[head] = kept;
        b->columns[kept++] = c;
    }
    b->column_count = kept;
}

static bool make_strings(batch *b)
{
    uint32_t count = intern_count(b->builder->strings);
    span *strings = arena_alloc(b->mem, sizeof(span) * (count + 1u), _Alignof(span));
    if (!strings)
        return false;
    for (uint32_t i = 0; i < count; i++)
        strings[i] = intern_text(b->builder->strings, i);
    b->strings = strings;
    b->string_count = count;
    return true;
}

bool batch_freeze(batch *b)
{
    must(b->builder);
    if (b->builder->failed)
        return false;
    batch_close_ranges(b, 0);
    clip_ranges(b);
    if (!cut_all_hidden(b) || !make_strings(b)) {
        b->builder->failed = true;
        return false;
    }
    for (uint32_t i = 0; i < b->column_count; i++)
        join_ranges(&b->columns[i]);
    keep_used_columns(b);
    b->builder = NULL;
    return true;
}
