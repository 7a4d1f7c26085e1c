/*
 * engine/local/map_columns.c: the service map of a block of a sealed segment, for traces that lie whole in it, column by column: parents
 * are row distances, and no span has to be put together. A trace takes the long way (map_rows.c, map_trace.c) when it has
 * producers, consumers or links, or two spans with one id.
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
    const vector *rates;
    *ret = !w->scan.at->info.is_open && w->scan.all;
    w->span_ids = NULL;
    if (!*ret)
        return SK_OK;
    sk_code code = scan_read(&w->scan, PART_RATE, &rates, e);
    if (code == SK_OK)
        code = read_parents(w, e);
    if (code == SK_OK && !(w->scan.at->info.has_unique_ids &&
                           part_block_is_full(w->scan.at->part, PART_SPAN_ID, w->scan.block)))
        code = scan_read(&w->scan, PART_SPAN_ID, &w->span_ids, e);
    for (uint32_t k = 0; code == SK_OK && k < w->scan.count; k++) {
        uint32_t service = map__answer(w, MAP_SERVICE, k), kind = map__answer(w, MAP_KIND, k);
        w->services[k] = service ? service : w->datasets[k];
        w->kinds[k] = kind ? (uint8_t)(kind - 1) : KIND_UNSPECIFIED;
        w->child_marks[k] = 0;
        if (w->span_ids && !(vector_has(w->span_ids, k) && w->span_ids->ids[k]))
            w->kinds[k] = NOT_A_SPAN;
    }
    return code;
}

/* Whether no two spans of a trace have one id. */
static bool has_unique_ids(map_worker *w, uint32_t first, uint32_t end)
{
    if (!w->span_ids || w->scan.at->info.has_unique_ids)
        return true;
    if (end - first > MAP_STAMPS / 2)
        return false;
    if (++w->stamp == 0) {
        memset(w->seen, 0, sizeof w->seen);
        w->stamp = 1;
    }
    for (uint32_t k = first; k < end; k++) {
        uint64_t id = w->span_ids->ids[k];
        if (w->kinds[k] == NOT_A_SPAN)
            continue;
        uint32_t i = (uint32_t)(id * 0x9e3779b97f4a7c15ull >> 52);
        for (; w->seen[i].stamp == w->stamp; i = (i + 1) % MAP_STAMPS)
            if (w->seen[i].id == id)
                return false;
        w->seen[i] = (map_stamped_id){id, w->stamp};
    }
    return true;
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

/* map_class.way: how a span is measured; leaves have the kind of their node above that. */
enum { WAY_ENTERS = 1, WAY_CALLED = 2, WAY_BY_USER = 4, WAY_LEAF = 8 };

static bool measure_leaf(map_run *m, map_worker *w, uint32_t k, map_measure x)
{
    const map_details *d = w->detail_count ? map__details(m, w, k) : NULL;
    uint32_t leaf = d && d->queue ? d->queue : d ? d->leaf : 0;
    if (!leaf)
        return true;
    node_kind kind = d->queue ? NODE_MESSAGING : (node_kind)d->leaf_kind;
    edge_kind edge = kind == NODE_DATABASE    ? EDGE_DATABASE
                     : kind == NODE_MESSAGING ? EDGE_MESSAGING
                                              : EDGE_EXTERNAL;
    uint64_t services = (uint64_t)w->services[k] << 32 | leaf;
    uint32_t way = WAY_LEAF + (uint32_t)kind;
    map_class *c = map_table_class(w->table, services, way);
    if (unlikely(!c)) {
        c = map_table_new_class(w->table, services, way);
        if (!c || !map_table_class_add(w->table, c, map_node_of(NODE_SERVICE, w->services[k]),
                                       map_node_of(kind, leaf), edge))
            return false;
    }
    map_table_measure(w->table, c, x);
    return true;
}

static map_class *new_class(map_table *t, uint32_t from, uint32_t to, uint32_t way)
{
    uint64_t service = map_node_of(NODE_SERVICE, to);
    map_class *c = map_table_new_class(t, (uint64_t)from << 32 | to, way);
    bool is_done = c && map_table_see(t, to);
    if (is_done && (way & WAY_ENTERS))
        is_done = map_table_class_add(t, c, 0, service, EDGE_ENTER);
    if (is_done && (way & WAY_CALLED))
        is_done = map_table_class_add(t, c, map_node_of(NODE_SERVICE, from), service, EDGE_CALL);
    if (is_done && (way & WAY_BY_USER))
        is_done = map_table_class_add(t, c, map_node_of(NODE_CLIENT, 0), service, EDGE_CALL);
    return is_done ? c : NULL;
}

static bool measure_span(map_run *m, map_worker *w, const vector *rates, uint32_t k)
{
    uint32_t parent = w->parents[k], from = parent == MAP_NO_SPAN ? 0 : w->services[parent];
    uint32_t to = w->services[k];
    bool is_server = w->kinds[k] == KIND_SERVER, is_elsewhere = from && from != to;
    uint32_t way = (is_server || !from || is_elsewhere ? WAY_ENTERS : 0) |
                   (is_elsewhere ? WAY_CALLED : 0) |
                   (is_server && !from && !w->orphan_of[k] ? WAY_BY_USER : 0);
    map_measure x = {w->durations[k], (uint32_t)rates->ints[k],
                     map__answer(w, MAP_ERROR, k) == MAP_ANSWER_YES ||
                         map__answer(w, MAP_STATUS, k) == MAP_ANSWER_YES};
    map_class *c = map_table_class(w->table, (uint64_t)from << 32 | to, way);
    if (unlikely(!c))
        c = new_class(w->table, from, to, way);
    if (!c)
        return false;
    if (way)
        map_table_measure(w->table, c, x);
    return w->kinds[k] != KIND_CLIENT || w->child_marks[k] || measure_leaf(m, w, k, x);
}

bool map__columns_trace(map_run *m, map_worker *w, uint32_t first, uint32_t end, bool *ret)
{
    const vector *rates = NULL;
    *ret = has_unique_ids(w, first, end) && mark_parents(w, first, end);
    if (!*ret)
        return true;
    must(scan_read(&w->scan, PART_RATE, &rates, NULL) ==
         SK_OK); /* read when the block was opened */
    for (uint32_t k = first; k < end; k++)
        if (w->kinds[k] != NOT_A_SPAN && !measure_span(m, w, rates, k))
            return false;
    return true;
}
