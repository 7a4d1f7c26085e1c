/*
 * engine/local/map_columns.c: the service map of a block of a sealed segment whose traces lie whole in it, column by column: parents
 * are row distances, and no span has to be put together. A trace takes the long way (map_rows.c, map_trace.c) when it has
 * producers, consumers or links, and a whole segment when span ids are not known to be unique in its traces.
 */
#include "base/must.h"
#include "engine/local/map.h"
#include "event/fields.h"

enum { CHILD_ELSEWHERE = 1, CHILD_CALLS = 2 };

#define NOT_A_SPAN 255u

/* Positions of parents within the block. */
static sk_code read_parents(map_worker *w, err *e)
{
    sk_code code = part_read_parents(w->scan.reader, w->scan.block, w->parents, w->orphan_of, e);
    for (uint32_t k = 0; code == SK_OK && k < w->scan.count; k++) {
        uint32_t at = w->parents[k] - w->scan.bounds.first_row;
        w->parents[k] = w->parents[k] != UINT32_MAX && at < w->scan.count ? at : MAP_NO_SPAN;
    }
    return code;
}

sk_code map__columns_open(map_worker *w, bool *ret, err *e)
{
    *ret = w->scan.at->info.has_unique_ids && w->scan.all;
    if (!*ret)
        return SK_OK;
    const vector *spans = NULL;
    const vector *rates;
    sk_code code = scan_read(&w->scan, PART_RATE, &rates, e);
    if (code == SK_OK)
        code = read_parents(w, e);
    if (code == SK_OK && !part_block_is_full(w->scan.at->part, PART_SPAN_ID, w->scan.block))
        code = scan_read(&w->scan, PART_SPAN_ID, &spans, e);
    for (uint32_t k = 0; code == SK_OK && k < w->scan.count; k++) {
        uint32_t service = map__answer(w, MAP_SERVICE, k), kind = map__answer(w, MAP_KIND, k);
        w->services[k] = service ? service : w->datasets[k];
        w->kinds[k] = kind ? (uint8_t)(kind - 1) : KIND_UNSPECIFIED;
        w->child_marks[k] = 0;
        if (spans && !(vector_has(spans, k) && spans->ids[k]))
            w->kinds[k] = NOT_A_SPAN;
    }
    return code;
}

/* Marks what a span's children are; false: the trace takes the long way. */
static bool mark_parents(map_worker *w, uint32_t first, uint32_t end)
{
    for (uint32_t k = first; k < end; k++) {
        uint8_t kind = w->kinds[k];
        if (kind == KIND_PRODUCER || kind == KIND_CONSUMER ||
            (kind == NOT_A_SPAN && map__answer(w, MAP_ANNOTATION, k) == MAP_ANSWER_YES))
            return false;
        uint32_t parent = w->parents[k];
        if (parent == MAP_NO_SPAN || kind == NOT_A_SPAN)
            continue;
        if (parent < first || parent >= end)
            return false;
        w->child_marks[parent] |= (uint8_t)(w->services[parent] != w->services[k]) |
                                  (kind == KIND_CLIENT ? CHILD_CALLS : 0);
    }
    return true;
}

static bool measure_leaf(map_run *m, map_worker *w, uint32_t k, map_measure x)
{
    const map_details *d = map__details(m, w, k);
    uint32_t leaf = d && d->queue ? d->queue : d ? d->leaf : 0;
    if (!leaf)
        return true;
    node_kind kind = d->queue ? NODE_MESSAGING : (node_kind)d->leaf_kind;
    edge_kind edge = kind == NODE_DATABASE    ? EDGE_DATABASE
                     : kind == NODE_MESSAGING ? EDGE_MESSAGING
                                              : EDGE_EXTERNAL;
    return map_table_add(w->table, map_node_of(NODE_SERVICE, w->services[k]),
                         map_node_of(kind, leaf), edge, x);
}

static bool measure_span(map_run *m, map_worker *w, const vector *rates, uint32_t k)
{
    map_table *t = w->table;
    uint32_t parent = w->parents[k], from = parent == MAP_NO_SPAN ? 0 : w->services[parent];
    uint64_t service = map_node_of(NODE_SERVICE, w->services[k]);
    map_measure x = {w->durations[k], (uint32_t)rates->ints[k],
                     map__answer(w, MAP_ERROR, k) == MAP_ANSWER_YES ||
                         map__answer(w, MAP_STATUS, k) == MAP_ANSWER_YES};
    bool is_server = w->kinds[k] == KIND_SERVER, is_elsewhere = from && from != w->services[k];
    if (unlikely(w->services[k] >= t->seen_count || !t->seen[w->services[k]]) &&
        !map_table_see(t, w->services[k]))
        return false;
    if ((is_server || !from || is_elsewhere) && !map_table_add(t, 0, service, EDGE_ENTER, x))
        return false;
    if (is_elsewhere && !map_table_add(t, map_node_of(NODE_SERVICE, from), service, EDGE_CALL, x))
        return false;
    if (is_server && !from && !w->orphan_of[k] &&
        !map_table_add(t, map_node_of(NODE_CLIENT, 0), service, EDGE_CALL, x))
        return false;
    return w->kinds[k] != KIND_CLIENT || w->child_marks[k] || measure_leaf(m, w, k, x);
}

bool map__columns_trace(map_run *m, map_worker *w, uint32_t first, uint32_t end, bool *ret)
{
    const vector *rates = NULL;
    *ret = mark_parents(w, first, end);
    if (!*ret)
        return true;
    must(scan_read(&w->scan, PART_RATE, &rates, NULL) ==
         SK_OK); /* read when the block was opened */
    for (uint32_t k = first; k < end; k++)
        if (w->kinds[k] != NOT_A_SPAN && !measure_span(m, w, rates, k))
            return false;
    return true;
}
