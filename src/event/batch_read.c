/*
 * event/batch_read.c: one cell of a batch: slow and obvious. Called by tests, tails and traces;
 * scans read the columns.
 */
#include "base/must.h"
#include "event/batch.h"
#include "event/fields.h"

/* The place of `row` among the points, or UINT32_MAX. */
static uint32_t find_point(const column *c, uint32_t row)
{
    if (!c->rows)
        return row < c->count ? row : UINT32_MAX;
    uint32_t low = 0, high = c->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (c->rows[middle] < row)
            low = middle + 1;
        else
            high = middle;
    }
    return low < c->count && c->rows[low] == row ? low : UINT32_MAX;
}

static bool find_bits(const column *c, uint32_t row, uint64_t *ret)
{
    uint32_t at = find_point(c, row);
    if (at != UINT32_MAX) {
        *ret = c->bits ? c->bits[at] : c->codes[at];
        return true;
    }
    for (uint32_t i = c->range_count; i-- > 0;) {
        if (c->ranges[i].first_row <= row && row < c->ranges[i].end_row) {
            *ret = c->ranges[i].bits;
            return true;
        }
    }
    return false;
}

value batch_cell(const batch *b, uint32_t column_index, uint32_t row)
{
    must(column_index < b->column_count && row < b->row_count);
    const column *c = &b->columns[column_index];
    value v = {.is_set = false, .type = c->type};
    uint64_t bits;
    if (!find_bits(c, row, &bits))
        return v;
    v.is_set = true;
    switch (c->type) {
    case FIELD_STRING:
    case FIELD_HISTOGRAM: v.text = batch_text(b, (uint32_t)bits); break;
    case FIELD_INT: v.i = (int64_t)bits; break;
    case FIELD_FLOAT: memcpy(&v.f, &bits, sizeof v.f); break;
    case FIELD_BOOL: v.b = bits != 0; break;
    case FIELD_TYPE_COUNT: never();
    }
    return v;
}

static value id_text(arena *mem, const char *text, size_t len)
{
    value v = {.type = FIELD_STRING};
    if (len)
        v.is_set = arena_copy(mem, span_of(text, len), &v.text);
    return v;
}

value batch_get(const batch *b, span name, uint32_t row, arena *mem)
{
    must(row < b->row_count);
    value v = {.is_set = false};
    char text[33];
    if (span_is(name, F_TRACE_ID) && trace_id_is_set(b->trace_id[row]))
        v = id_text(mem, text, trace_id_print(b->trace_id[row], text));
    else if (span_is(name, F_SPAN_ID) && b->span_id[row])
        v = id_text(mem, text, span_id_print(b->span_id[row], text));
    else if (span_is(name, F_PARENT_ID) && b->parent_id[row])
        v = id_text(mem, text, span_id_print(b->parent_id[row], text));
    for (uint32_t i = 0; i < b->column_count && !v.is_set; i++)
        if (span_equal(b->columns[i].name, name))
            v = batch_cell(b, i, row);
    return v;
}
