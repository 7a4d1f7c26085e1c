/*
 * engine/local/service_map.c: the service map (docs/internals/service-map.md). Where there may be links, a first pass of the query
 * workers notes what they lead to. The second measures traces that lie in one run of rows at once, or counts what was kept
 * of their spans at sealing. Traces in several runs (of segments, or arriving now) are gathered and measured last, as are
 * consumers with links. So the answer does not depend on where rows lie.
 */
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"
#include "engine/local/map.h"
#include "engine/local/structure.h"
#include "event/fields.h"

#define SCRATCH_BYTES   (512 * MIB)
#define DEFERRED_MORSEL 8192u /* spans */

static const char *const NODE_KINDS[] = {"service", "database", "messaging", "external", "client"};
static const char *const EDGE_KINDS[] = {"call", "database", "messaging", "external"};

/* ---- passes ---- */

static sk_code run_morsel(void *ctx, uint32_t slot, uint32_t number, err *e)
{
    map_run *m = ctx;
    const scan_morsel *at = &m->scan.morsels[number];
    map_worker *w = m->workers[slot];
    sk_code code = SK_OK;
    if (m->scan.parts[at->part].info.family != FAMILY_TRACE)
        return SK_OK;
    for (uint32_t b = at->first_block; code == SK_OK && b < at->end_block; b++) {
        code = local__must_end(m->control, e);
        if (code == SK_OK)
            code = m->is_first_pass                     ? map__note_block(m, w, at->part, b, e)
                   : m->coded[at->part].code_count == 0 ? map__read_block(m, w, at->part, b, e)
                                                        : map__read_codes(m, w, at->part, b, e);
    }
    return code;
}

static sk_code run_pass(map_run *m, bool is_first, err *e)
{
    m->is_first_pass = is_first;
    return pool_run(m->engine->pool, run_morsel, m, m->scan.morsel_count, e);
}

/* Whether some part knows the field that says where a link leads. */
static bool may_have_links(const map_run *m)
{
    for (uint32_t i = 0; i < m->scan.part_count; i++) {
        uint32_t columns[FIELD_TYPE_COUNT];
        if (part_find(m->scan.parts[i].part, SPAN(F_LINK_TRACE_ID), columns))
            return true;
    }
    return false;
}

static bool gather_targets(map_run *m)
{
    item_list all = {0};
    for (uint32_t i = 0; i < m->worker_count; i++) {
        const map_target *t = m->workers[i]->targets.at;
        for (uint32_t n = 0; n < m->workers[i]->targets.count; n++)
            if (!item_list_add(&m->budget, &all, &t[n], sizeof *t)) {
                item_list_free(&m->budget, &all, sizeof *t);
                return false;
            }
    }
    if (all.count)
        qsort(all.at, all.count, sizeof(map_target), map__compare_targets);
    m->targets = ARENA_ARRAY(m->scratch, map_target, all.count + 1);
    if (m->targets && all.count)
        memcpy(m->targets, all.at, all.count * sizeof(map_target));
    m->target_count = all.count;
    item_list_free(&m->budget, &all, sizeof(map_target));
    return m->targets != NULL;
}

/* ---- what was put aside ---- */

static int compare_traces(trace_id a, trace_id b)
{
    if (a.hi != b.hi)
        return a.hi < b.hi ? -1 : 1;
    return (a.lo > b.lo) - (a.lo < b.lo);
}

static int compare_links(const void *left, const void *right)
{
    return compare_traces(((const map_link *)left)->trace, ((const map_link *)right)->trace);
}

static bool move_list(map_run *m, item_list *into, item_list *from, size_t item_bytes)
{
    for (uint32_t i = 0; i < from->count; i++)
        if (!item_list_add(&m->budget, into, (const uint8_t *)from->at + i * item_bytes,
                           item_bytes))
            return false;
    item_list_free(&m->budget, from, item_bytes);
    return true;
}

/* The links of a trace, among all in order. */
static const map_link *links_of(const item_list *links, trace_id trace, uint32_t *ret_count)
{
    const map_link *at = links->at;
    uint32_t low = 0, high = links->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (compare_traces(at[middle].trace, trace) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (*ret_count = 0;
         low + *ret_count < links->count && trace_id_equal(at[low + *ret_count].trace, trace);)
        ++*ret_count;
    return *ret_count ? at + low : NULL;
}

/* Spans of one hash, mostly of one trace: those of the first come to the front and are measured. Returns how many; 0: the budget has
 * failed. */
static uint32_t measure_first(map_run *m, map_worker *w, uint64_t *keys, uint32_t count)
{
    const map_span *spans = m->workers[0]->deferred_spans.at;
    trace_id trace = spans[(uint32_t)keys[0]].trace;
    uint32_t mine = 0, link_count;
    w->spans.count = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t key = keys[i];
        if (!trace_id_equal(spans[(uint32_t)key].trace, trace))
            continue;
        keys[i] = keys[mine];
        keys[mine++] = key;
        if (!item_list_add(&m->budget, &w->spans, &spans[(uint32_t)key], sizeof *spans))
            return 0;
    }
    const map_link *links = links_of(&m->workers[0]->deferred_links, trace, &link_count);
    return map__trace(m, w, w->spans.at, mine, links, link_count) ? mine : 0;
}

static sk_code measure_morsel(void *ctx, uint32_t slot, uint32_t number, err *e)
{
    map_run *m = ctx;
    uint32_t from = m->key_starts[number], last = m->key_starts[number + 1];
    sk_code code = local__must_end(m->control, e);
    for (uint32_t end = from; code == SK_OK && from < last;) {
        while (end < last && m->keys[end] >> 32 == m->keys[from] >> 32)
            end++;
        uint32_t mine = measure_first(m, m->workers[slot], m->keys + from, end - from);
        if (mine == 0)
            code = finish_budget_error(&m->budget, e);
        from += mine;
    }
    return code;
}

/* Some hashes a morsel. */
static sk_code measure_in_order(map_run *m, uint64_t *room, err *e)
{
    const map_span *spans = m->workers[0]->deferred_spans.at;
    uint32_t count = m->workers[0]->deferred_spans.count, morsels = 0;
    m->key_starts = ARENA_ARRAY(m->scratch, uint32_t, count / DEFERRED_MORSEL + 2ul);
    if (!m->key_starts)
        return err_set(e, SK_NO_MEMORY, "memory ran out while the service map was drawn");
    for (uint32_t i = 0; i < count; i++)
        m->keys[i] = (uint64_t)part_trace_hash(spans[i].trace) << 32 | i;
    straddle_sort(m->keys, room, count);
    for (uint32_t i = 0; i < count; i++)
        if (i >= m->key_starts[morsels] + DEFERRED_MORSEL &&
            m->keys[i] >> 32 != m->keys[i - 1] >> 32)
            m->key_starts[++morsels] = i;
    m->key_starts[++morsels] = count;
    return pool_run(m->engine->pool, measure_morsel, m, morsels, e);
}

/* Traces of several runs. */
static sk_code measure_deferred(map_run *m, err *e)
{
    map_worker *w = m->workers[0];
    bool is_done = true;
    for (uint32_t i = 1; is_done && i < m->worker_count; i++)
        is_done =
            move_list(m, &w->deferred_spans, &m->workers[i]->deferred_spans, sizeof(map_span)) &&
            move_list(m, &w->deferred_links, &m->workers[i]->deferred_links, sizeof(map_link));
    if (is_done && w->deferred_spans.count == 0)
        return SK_OK;
    size_t bytes = (w->deferred_spans.count + 1ul) * sizeof(uint64_t);
    m->keys = is_done ? agg_alloc(&m->budget, bytes) : NULL;
    uint64_t *room = m->keys ? agg_alloc(&m->budget, bytes) : NULL;
    if (w->deferred_links.count)
        qsort(w->deferred_links.at, w->deferred_links.count, sizeof(map_link), compare_links);
    sk_code code =
        m->keys && room ? measure_in_order(m, room, e) : finish_budget_error(&m->budget, e);
    agg_free(&m->budget, m->keys, bytes);
    agg_free(&m->budget, room, bytes);
    return code;
}

static int compare_producers(const void *left, const void *right)
{
    return map__compare_targets(&((const map_producer *)left)->id,
                                &((const map_producer *)right)->id);
}

/* The first producer of a span that a link leads to, and the end of those with the same ids. */
static uint32_t find_producers(const item_list *producers, const map_target *of, uint32_t *ret_end)
{
    const map_producer *at = producers->at;
    uint32_t low = 0, high = producers->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (map__compare_targets(&at[middle].id, of) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (*ret_end = low;
         *ret_end < producers->count && map__compare_targets(&at[*ret_end].id, of) == 0;)
        ++*ret_end;
    return low;
}

static bool measure_pending(map_run *m, const map_worker *owner, const map_pending *p,
                            const item_list *producers, item_list *senders)
{
    senders->count = 0;
    if (p->parent_is_producer &&
        !item_list_add(&m->budget, senders, &(map_sender){p->parent_service, p->parent_queue},
                       sizeof(map_sender)))
        return false;
    const map_target *links = owner->followed.at;
    int64_t sent_ns = INT64_MAX;
    for (uint32_t i = 0; i < p->link_count; i++) {
        uint32_t end, at = find_producers(producers, &links[p->first_link + i], &end);
        for (; at < end; at++) {
            const map_producer *from = (const map_producer *)producers->at + at;
            sent_ns = from->time_ns < sent_ns ? from->time_ns : sent_ns;
            if (!item_list_add(&m->budget, senders, &(map_sender){from->service, from->queue},
                               sizeof(map_sender)))
                return false;
        }
    }
    map_sink to = {.table = m->workers[0]->table,
                   .x = {p->span.duration_ms, p->span.weight, p->span.is_error}};
    int64_t wait_ns = p->span.time_ns > sent_ns ? p->span.time_ns - sent_ns : 0;
    return map__consumer(m, &to, &p->span, senders->at, senders->count, p->parent_service != 0,
                         p->parent_service, p->parent_is_producer,
                         sent_ns == INT64_MAX ? NAN : (double)wait_ns / 1e6);
}

static sk_code measure_consumers(map_run *m, err *e)
{
    item_list *producers = &m->workers[0]->producers, senders = {0};
    bool is_done = true;
    for (uint32_t i = 1; is_done && i < m->worker_count; i++)
        is_done = move_list(m, producers, &m->workers[i]->producers, sizeof(map_producer));
    if (producers->count)
        qsort(producers->at, producers->count, sizeof(map_producer), compare_producers);
    for (uint32_t i = 0; is_done && i < m->worker_count; i++) {
        const map_pending *p = m->workers[i]->pending.at;
        for (uint32_t n = 0; is_done && n < m->workers[i]->pending.count; n++)
            is_done = measure_pending(m, m->workers[i], &p[n], producers, &senders);
    }
    item_list_free(&m->budget, &senders, sizeof(map_sender));
    return is_done ? SK_OK : finish_budget_error(&m->budget, e);
}

/* ---- the answer ---- */

static node_kind kind_of(uint64_t node)
{
    return (node_kind)(node >> 32);
}

static span text_of(const map_run *m, uint64_t node)
{
    return kind_of(node) == NODE_CLIENT ? SPAN("user") : map__text(m, (uint32_t)node);
}

static bool is_service(const map_table *t, uint32_t text)
{
    return text < t->seen_count && t->seen[text];
}

/* All workers' tables into `ret`; externals that are services of ours become calls to them. */
static bool join_tables(map_run *m, map_table *ret)
{
    for (uint32_t i = 0; i < m->worker_count; i++) {
        map_table *t = m->workers[i]->table;
        if (!map_table_settle(t))
            return false;
        for (uint32_t text = 0; text < t->seen_count; text++)
            if (t->seen[text] && !map_table_see(ret, text))
                return false;
    }
    for (uint32_t i = 0; i < m->worker_count; i++) {
        const map_table *t = m->workers[i]->table;
        for (uint32_t n = 0; n < t->count; n++) {
            const map_edge_entry *x = &t->entries[n];
            uint64_t to = x->to;
            edge_kind kind = (edge_kind)x->kind;
            if (kind_of(to) == NODE_EXTERNAL && is_service(ret, (uint32_t)to)) {
                to = map_node_of(NODE_SERVICE, (uint32_t)to);
                kind = EDGE_CALL;
            }
            if (to != x->from && !map_table_merge_entry(ret, x->from, to, kind, t, n))
                return false;
        }
    }
    return true;
}

typedef struct map_answer {
    map_run *m;
    const map_table *table;
    arena *mem;
    uint64_t *nodes; /* in order */
    uint32_t node_count;
    agg_states durations; /* of nodes */
} map_answer;

static int compare_nodes(const map_run *m, uint64_t a, uint64_t b)
{
    int diff = span_compare(text_of(m, a), text_of(m, b));
    return diff ? diff : strcmp(NODE_KINDS[kind_of(a)], NODE_KINDS[kind_of(b)]);
}

static int compare_u64(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* Merge sort: qsort's compare has no room for the texts. */
static void sort_nodes(const map_run *m, uint64_t *nodes, uint64_t *room, uint32_t count)
{
    if (count < 2)
        return;
    uint32_t half = count / 2, a = 0, b = half;
    sort_nodes(m, nodes, room, half);
    sort_nodes(m, nodes + half, room, count - half);
    for (uint32_t i = 0; i < count; i++)
        room[i] = b == count || (a < half && compare_nodes(m, nodes[a], nodes[b]) <= 0)
                      ? nodes[a++]
                      : nodes[b++];
    memcpy(nodes, room, count * sizeof *nodes);
}

static bool list_nodes(map_answer *a)
{
    const map_table *t = a->table;
    uint32_t n = 0;
    a->nodes = ARENA_ARRAY(a->m->scratch, uint64_t, 2 * (size_t)t->count + t->seen_count + 1);
    uint64_t *room = ARENA_ARRAY(a->m->scratch, uint64_t, 2 * (size_t)t->count + t->seen_count + 1);
    if (!a->nodes || !room)
        return false;
    for (uint32_t text = 0; text < t->seen_count; text++)
        if (t->seen[text])
            a->nodes[n++] = map_node_of(NODE_SERVICE, text);
    for (uint32_t i = 0; i < t->count; i++) {
        if (t->entries[i].kind != EDGE_ENTER)
            a->nodes[n++] = t->entries[i].from;
        a->nodes[n++] = t->entries[i].to;
    }
    if (n)
        qsort(a->nodes, n, sizeof *a->nodes, compare_u64);
    for (uint32_t i = 0; i < n; i++)
        if (a->node_count == 0 || a->nodes[a->node_count - 1] != a->nodes[i])
            a->nodes[a->node_count++] = a->nodes[i];
    sort_nodes(a->m, a->nodes, room, a->node_count);
    return true;
}

static uint32_t place_of(const map_answer *a, uint64_t node)
{
    uint32_t low = 0, high = a->node_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (compare_nodes(a->m, a->nodes[middle], node) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    must(low < a->node_count && a->nodes[low] == node);
    return low;
}

static double percentile(const agg_states *s, uint32_t cell, calc_op op, arena *mem)
{
    result_value v;
    agg_rule_of(op)->finish(s, cell, op, 1, mem, &v);
    return v.kind == RESULT_NUMBER ? v.f : 0;
}

static void measure_node(map_answer *a, map_node *nodes, uint64_t node, uint32_t entry)
{
    uint32_t at = place_of(a, node);
    nodes[at].count += a->table->entries[entry].count;
    nodes[at].errors += a->table->entries[entry].errors;
    agg_merge(&a->durations, at, &a->table->durations, entry);
}

static bool show_nodes(map_answer *a, service_map *ret)
{
    map_node *nodes = ARENA_ARRAY(a->mem, map_node, a->node_count + 1);
    if (!nodes || !agg_states_grow(&a->durations, a->node_count))
        return false;
    for (uint32_t i = 0; i < a->table->count; i++) {
        const map_edge_entry *x = &a->table->entries[i];
        if (x->kind == EDGE_ENTER || kind_of(x->to) != NODE_SERVICE)
            measure_node(a, nodes, x->to, i);
        if (x->kind != EDGE_ENTER && kind_of(x->from) == NODE_CLIENT)
            measure_node(a, nodes, x->from, i);
    }
    for (uint32_t i = 0; i < a->node_count; i++) {
        nodes[i].kind = NODE_KINDS[kind_of(a->nodes[i])];
        nodes[i].p50_ms = percentile(&a->durations, i, CALC_P50, a->m->scratch);
        nodes[i].p95_ms = percentile(&a->durations, i, CALC_P95, a->m->scratch);
        if (!arena_copy(a->mem, text_of(a->m, a->nodes[i]), &nodes[i].name))
            return false;
    }
    ret->nodes = nodes;
    ret->node_count = a->node_count;
    return true;
}

static int compare_edges(const void *left, const void *right)
{
    const map_edge *a = left, *b = right;
    if (a->from != b->from)
        return a->from < b->from ? -1 : 1;
    if (a->to != b->to)
        return a->to < b->to ? -1 : 1;
    return strcmp(a->kind, b->kind);
}

/* How long messages waited stands with the edge along which they are taken. */
static void show_waits(map_answer *a, map_edge *edges, uint32_t edge_count)
{
    for (uint32_t i = 0; i < a->table->count; i++) {
        const map_edge_entry *x = &a->table->entries[i];
        if (x->kind != EDGE_WAIT)
            continue;
        map_edge key = {.from = place_of(a, x->from),
                        .to = place_of(a, x->to),
                        .kind = EDGE_KINDS[EDGE_MESSAGING]};
        map_edge *of = bsearch(&key, edges, edge_count, sizeof key, compare_edges);
        must(of);
        of->wait_count = x->count;
        of->wait_p50_ms = percentile(&a->table->durations, i, CALC_P50, a->m->scratch);
        of->wait_p95_ms = percentile(&a->table->durations, i, CALC_P95, a->m->scratch);
    }
}

static bool show_edges(map_answer *a, service_map *ret)
{
    map_edge *edges = ARENA_ARRAY(a->mem, map_edge, a->table->count + 1);
    if (!edges)
        return false;
    for (uint32_t i = 0; i < a->table->count; i++) {
        const map_edge_entry *x = &a->table->entries[i];
        if (x->kind == EDGE_ENTER || x->kind == EDGE_WAIT)
            continue;
        edges[ret->edge_count++] =
            (map_edge){.from = place_of(a, x->from),
                       .to = place_of(a, x->to),
                       .kind = EDGE_KINDS[x->kind],
                       .count = x->count,
                       .errors = x->errors,
                       .p50_ms = percentile(&a->table->durations, i, CALC_P50, a->m->scratch),
                       .p95_ms = percentile(&a->table->durations, i, CALC_P95, a->m->scratch)};
    }
    if (ret->edge_count)
        qsort(edges, ret->edge_count, sizeof *edges, compare_edges);
    show_waits(a, edges, ret->edge_count);
    ret->edges = edges;
    return !arena_failed(a->m->scratch);
}

static sk_code answer(map_run *m, const agg_buckets *range, arena *mem, service_map *ret, err *e)
{
    map_table *all = map_table_new(range, &m->budget);
    map_answer a = {.m = m, .table = all, .mem = mem};
    agg_states_init(&a.durations, AGG_SKETCH, range, &m->budget);
    bool is_done =
        all && join_tables(m, all) && list_nodes(&a) && show_nodes(&a, ret) && show_edges(&a, ret);
    agg_states_done(&a.durations);
    map_table_free(all);
    for (uint32_t i = 0; i < m->worker_count; i++)
        ret->damaged_blocks += m->workers[i]->scan.damage.blocks;
    if (!ret->damaged_blocks && m->structure)
        ret->damaged_blocks = m->structure->damage.blocks; /* of what chose the traces */
    if (is_done)
        return SK_OK;
    if (atomic_load(&m->budget.failed))
        return finish_budget_error(&m->budget, e);
    return err_set(
        e, SK_TOO_LARGE,
        "the service map passes the memory that one answer may take; ask for a shorter time");
}

/* ---- the call ---- */

static bool make_workers(map_run *m, const agg_buckets *range)
{
    m->worker_count = pool_workers(m->engine->pool);
    m->workers = ARENA_ARRAY(m->scratch, map_worker *, m->worker_count);
    for (uint32_t i = 0; m->workers && i < m->worker_count; i++) {
        map_worker *w = agg_alloc(&m->budget, sizeof *w);
        if (!w)
            return false;
        m->workers[i] = w;
        scan_worker_init(&w->scan, &m->scan);
        w->class_part = UINT32_MAX;
        w->table = map_table_new(range, &m->budget);
        if (!w->table)
            return false;
    }
    return m->workers != NULL;
}

static void free_workers(map_run *m)
{
    for (uint32_t i = 0; m->workers && i < m->worker_count && m->workers[i]; i++) {
        map_worker *w = m->workers[i];
        for (uint32_t f = 0; f < MAP_FIELD_COUNT; f++)
            agg_free(&m->budget, w->answers[f], VECTOR_ROWS * sizeof **w->answers);
        item_list_free(&m->budget, &w->spans, sizeof(map_span));
        item_list_free(&m->budget, &w->links, sizeof(map_link));
        item_list_free(&m->budget, &w->deferred_spans, sizeof(map_span));
        item_list_free(&m->budget, &w->deferred_links, sizeof(map_link));
        item_list_free(&m->budget, &w->pending, sizeof(map_pending));
        item_list_free(&m->budget, &w->followed, sizeof(map_target));
        item_list_free(&m->budget, &w->producers, sizeof(map_producer));
        item_list_free(&m->budget, &w->targets, sizeof(map_target));
        item_list_free(&m->budget, &w->slots, sizeof(uint32_t));
        agg_free(&m->budget, w->class_of, m->code_max * sizeof *w->class_of);
        map_table_free(w->table);
        scan_worker_done(&w->scan);
        agg_free(&m->budget, w, sizeof *w);
    }
    map__codes_close(m);
    straddle_set_done(&m->straddling);
    group_keys_free(m->texts);
}

static sk_code draw(map_run *m, arena *mem, service_map *ret, err *e)
{
    agg_buckets range = {m->plan.start_ns, m->plan.end_ns, m->plan.end_ns - m->plan.start_ns, 1};
    m->texts = group_keys_new(1, &m->budget);
    if (!m->texts || !make_workers(m, &range))
        return finish_budget_error(&m->budget, e);
    sk_code code = straddle_find(m->engine, m->environment, &m->workers[0]->scan, m->control,
                                 &m->straddling, e);
    if (code == SK_OK)
        code = map__codes_open(m, e);
    if (code == SK_OK && may_have_links(m))
        code = run_pass(m, true, e);
    if (code == SK_OK && !gather_targets(m))
        code = finish_budget_error(&m->budget, e);
    for (uint32_t i = 0; i < m->worker_count; i++)
        m->workers[i]->scan.damage = (scan_damage){0}; /* the second pass meets it again */
    if (code == SK_OK)
        code = run_pass(m, false, e);
    if (code == SK_OK)
        code = measure_deferred(m, e);
    if (code == SK_OK)
        code = measure_consumers(m, e);
    return code == SK_OK ? answer(m, &range, mem, ret, e) : code;
}

/* Traces are chosen by rows of any time, logs too. */
static sk_code open_traces(map_run *m, snapshot **ret, err *e)
{
    bool by_trace = structure_is_needed(&m->plan);
    uint32_t families = FAMILY_BIT(FAMILY_TRACE) | (by_trace ? FAMILY_BIT(FAMILY_LOG) : 0);
    sk_code code = store_snapshot(m->engine->store, m->environment, families,
                                  by_trace ? INT64_MIN : m->plan.start_ns,
                                  by_trace ? INT64_MAX : m->plan.end_ns, ret, e);
    if (code == SK_OK)
        code = scan_open(&m->scan, &m->plan, *ret, &m->budget, m->scratch, e);
    m->scan.kept = m->engine->kept;
    if (code == SK_OK && by_trace)
        code = structure_open(m->engine, m->environment, &m->plan, *ret, m->control, &m->budget,
                              m->scratch, &m->structure, e);
    m->scan.structure = m->structure;
    return code;
}

sk_code local__service_map(engine *e, uint32_t environment, const plan *p, const run_control *c,
                           arena *mem, service_map *ret, err *er)
{
    map_run m = {
        .engine = (local *)e,
        .environment = environment,
        .control = c,
        .scratch = arena_new_accounted(SCRATCH_BYTES, ((local *)e)->o.store.memory, MEMORY_QUERY)};
    snapshot *s = NULL;
    *ret = (service_map){0};
    m.budget.max_bytes = m.engine->o.query_memory_max;
    m.budget.account = m.engine->o.store.memory;
    sk_code code =
        m.scratch && map__plan(p, m.scratch, &m.plan)
            ? SK_OK
            : err_set(er, SK_NO_MEMORY, "memory ran out while the service map was drawn");
    if (code == SK_OK)
        code = open_traces(&m, &s, er);
    if (code == SK_OK)
        code = draw(&m, mem, ret, er);
    free_workers(&m);
    if (s)
        scan_close(&m.scan);
    structure_close(m.structure);
    agg_budget_done(&m.budget);
    snapshot_release(s);
    arena_free(m.scratch);
    return code;
}
