/*
 * engine/local/differ_columns.c: traces that lie whole in a block of a sealed segment, column by column, to cells of spans that are alike:
 * parents are row distances, self times come with the derived fields, and no span has to be put together. Says what differ_trace.c would
 * say. Called by differ_spans.c.
 */
#include "engine/local/derive.h"
#include "engine/local/differ.h"

#define NO_ENTRY UINT32_MAX

sk_code differ__self_times(const differ_source *from, span_rows *rows, err *e)
{
    const scan_field *field = &from->worker->at->fields[from->self_field];
    memset(rows->self_ns, 0xff, rows->count * sizeof rows->self_ns[0]);
    for (uint32_t i = 0; i < field->count; i++) {
        const vector *v;
        sk_code code = scan_read_source(from->worker, &field->sources[i], &v, e);
        if (code != SK_OK)
            return code;
        if (v->kind != VECTOR_FLOATS)
            continue;
        for (uint32_t row = 0; row < rows->count; row++)
            if (v->all_present || vector_has(v, row))
                rows->self_ns[row] = derive_duration(v->floats[row]);
    }
    return SK_OK;
}

bool differ__is_by_column(const differ_source *from)
{
    const scan_worker *w = from->worker;
    const plan *p = from->scan->plan;
    return from->self_field != DIFFER_NO_FIELD && !w->at->info.is_open &&
           w->at->info.has_unique_ids && w->bounds.min_time_ns >= p->start_ns &&
           w->bounds.max_time_ns < p->end_ns;
}

sk_code differ__columns_open(const differ_source *from, span_rows *rows, err *e)
{
    const scan_worker *w = from->worker;
    rows->by_column = differ__is_by_column(from);
    if (!rows->by_column)
        return SK_OK;
    sk_code code = part_read_parents(w->reader, w->block, rows->parents, NULL, e);
    return code == SK_OK ? differ__self_times(from, rows, e) : code;
}

/* Spans stand before the other rows of their trace; false: these do not. */
static bool find_spans(const span_rows *rows, uint32_t first, uint32_t *end)
{
    uint32_t at = first;
    if (!rows->id)
        return true;
    while (at < *end && vector_has(rows->id, at) && rows->id->ids[at])
        at++;
    for (uint32_t i = at; i < *end; i++)
        if (vector_has(rows->id, i) && rows->id->ids[i])
            return false;
    *end = at;
    return true;
}

/* What a span's children are, and by which span its service was entered, NO_ENTRY where its parent's entry is it. False: a parent
 * is not of this trace. */
static bool mark_rows(span_rows *rows, uint32_t first, uint32_t end, bool *ret_is_in_order)
{
    uint32_t forward = 0;
    for (uint32_t k = first; k < end; k++) {
        rows->marks[k] = 0;
        rows->visits[k] = 0;
    }
    for (uint32_t k = first; k < end; k++) {
        uint32_t parent = rows->parents[k] - rows->first_row;
        rows->entries[k] = k;
        if (rows->parents[k] == UINT32_MAX)
            continue;
        if (parent < first || parent >= end || parent == k)
            return false;
        bool is_elsewhere = rows->services[k] != rows->services[parent] ||
                            rows->instances[k] != rows->instances[parent],
             is_consumer = rows->kinds[k] == KIND_CONSUMER;
        rows->marks[k] |= is_elsewhere && !is_consumer ? MARK_REMOTE : 0;
        rows->marks[parent] |= (uint8_t)((is_elsewhere && !is_consumer ? MARK_REMOTE_CHILD : 0) |
                                         (rows->errors[k] ? MARK_ERROR_CHILD : 0));
        forward |= parent > k;
        if (!is_elsewhere && !is_consumer)
            rows->entries[k] = parent > k || forward ? NO_ENTRY : rows->entries[parent];
    }
    *ret_is_in_order = !forward;
    return true;
}

static uint32_t above(const span_rows *rows, uint32_t k)
{
    return rows->parents[k] == UINT32_MAX ? NO_ENTRY : rows->parents[k] - rows->first_row;
}

/* Whether every span has a root above it; chains are walked once. */
static bool has_no_circle(span_rows *rows, uint32_t first, uint32_t end)
{
    for (uint32_t k = first; k < end; k++) {
        uint32_t at = k, steps = 0;
        for (; at != NO_ENTRY && !(rows->marks[at] & MARK_ROOT); at = above(rows, at))
            if (steps++ == end - first)
                return false;
        for (at = k; at != NO_ENTRY && !(rows->marks[at] & MARK_ROOT); at = above(rows, at))
            rows->marks[at] |= MARK_ROOT;
    }
    return true;
}

/* The entries that are not known yet. False: a circle of parents. */
static bool find_entries(span_rows *rows, uint32_t first, uint32_t end)
{
    if (!has_no_circle(rows, first, end))
        return false;
    for (uint32_t k = first; k < end; k++) {
        uint32_t at = k;
        while (rows->entries[at] == NO_ENTRY)
            at = above(rows, at);
        uint32_t entry = rows->entries[at];
        for (at = k; rows->entries[at] == NO_ENTRY; at = above(rows, at))
            rows->entries[at] = entry;
    }
    return true;
}

/* A span's own work, and the way to it. */
static bool measure_row(differ_run *r, differ_worker *w, span_rows *rows, uint32_t k, uint32_t side)
{
    uint32_t weight = (uint32_t)rows->rate->ints[k], parent = rows->parents[k] - rows->first_row;
    int64_t self_ns = rows->self_ns[k];
    uint32_t like = differ__like(r, w, rows->services[k], rows->names[k], rows->instances[k]);
    if (like == DIFFER_NO_LIKE)
        return false;
    differ_cell *own = &((differ_like *)w->likes.at)[like].own;
    rows->likes[k] = like;
    differ__add_row(own, side, weight, rows->errors[k] && !(rows->marks[k] & MARK_ERROR_CHILD));
    if (self_ns >= 0 && !(rows->marks[k] & (MARK_REMOTE_CHILD | MARK_ERROR_CHILD))) {
        rows->logs[k] = differ_log(self_ns);
        differ__add_time(own, side, weight, self_ns, rows->logs[k]);
        rows->visits[rows->entries[k]] += self_ns;
    }
    if (!(rows->marks[k] & MARK_REMOTE) || rows->durations[k] < 0 ||
        rows->durations[parent] < rows->durations[k] || rows->self_ns[parent] < 0)
        return true;
    return differ__add_way(r, w, rows->services[parent], like, side, weight, rows->self_ns[parent],
                           differ_log(rows->self_ns[parent]));
}

bool differ__mark_run(span_rows *rows, uint32_t first, uint32_t *end)
{
    bool is_in_order;
    return find_spans(rows, first, end) && mark_rows(rows, first, *end, &is_in_order) &&
           (is_in_order || find_entries(rows, first, *end));
}

bool differ__measure_columns(differ_run *r, differ_worker *w, uint32_t first, uint32_t end,
                             uint32_t side, bool *ret_is_done)
{
    span_rows *rows = w->rows;
    *ret_is_done = differ__mark_run(rows, first, &end);
    if (!*ret_is_done)
        return true;
    for (uint32_t k = first; k < end; k++)
        if (!measure_row(r, w, rows, k, side))
            return false;
    for (uint32_t k = first; k < end; k++) {
        if (rows->entries[k] != k)
            continue;
        bool is_alone = rows->visits[k] == rows->self_ns[k] &&
                        !(rows->marks[k] & (MARK_REMOTE_CHILD | MARK_ERROR_CHILD));
        differ__add_time(&((differ_like *)w->likes.at)[rows->likes[k]].visit, side,
                         (uint32_t)rows->rate->ints[k], rows->visits[k],
                         is_alone ? rows->logs[k] : differ_log(rows->visits[k]));
    }
    return true;
}
