/*
 * engine/local/map_trace.c: the rules of docs/internals/service-map.md for the spans of one trace: parents, calls, queues, leaves,
 * users. Called by map_rows.c for traces that stand together, by service_map.c for those that had to be gathered, by map_codes.c for
 * spans of which a code says all.
 */
#include <math.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/must.h"
#include "engine/local/map.h"

/* ---- parents ---- */

/* One trace's spans by id: chains in a small table. */
typedef struct id_index {
    const map_run *m;
    map_span *spans;
    uint32_t span_count, mask;
    uint32_t *heads, *next; /* span + 1; 0 = end */
} id_index;

static span name_of(const map_run *m, const map_span *s)
{
    if (s->name_source == NAME_NONE)
        return SPAN("");
    if (s->name_source == NAME_KEY)
        return map__text(m, s->name_code);
    const dictionary *d =
        m->scan.parts[s->part].fields[MAP_NAME].sources[s->name_source].dictionary;
    return d->text(d->of, s->name_code);
}

/* Rule 3: which of several spans with one id is meant. */
static bool comes_first(const map_run *m, const map_span *a, const map_span *b)
{
    if (a->time_ns != b->time_ns)
        return a->time_ns < b->time_ns;
    int diff = a->service == b->service
                   ? 0
                   : span_compare(map__text(m, a->service), map__text(m, b->service));
    if (!diff)
        diff = span_compare(name_of(m, a), name_of(m, b));
    if (diff)
        return diff < 0;
    if (a->kind != b->kind)
        return a->kind < b->kind;
    if (isnan(a->duration_ms) || isnan(b->duration_ms))
        return isnan(a->duration_ms) && !isnan(b->duration_ms);
    return a->duration_ms < b->duration_ms;
}

static bool make_index(map_run *m, map_worker *w, map_span *spans, uint32_t span_count,
                       id_index *ret)
{
    uint32_t slots = 16;
    while (slots < 2 * span_count)
        slots *= 2;
    while (w->slots.count < slots + span_count)
        if (!item_list_add(&m->budget, &w->slots, &(uint32_t){0}, sizeof(uint32_t)))
            return false;
    *ret =
        (id_index){m, spans, span_count, slots - 1, w->slots.at, (uint32_t *)w->slots.at + slots};
    memset(ret->heads, 0, slots * sizeof *ret->heads);
    for (uint32_t i = 0; i < span_count; i++) {
        uint32_t *head = &ret->heads[hash_mix(spans[i].id) & ret->mask];
        ret->next[i] = *head;
        *head = i + 1;
    }
    return true;
}

/* The least span with that id and kind (KIND_UNSPECIFIED stands for any here, see find_parent). */
static uint32_t least_of(const id_index *x, uint64_t id, bool any_kind, span_kind kind)
{
    uint32_t best = MAP_NO_SPAN;
    for (uint32_t n = x->heads[hash_mix(id) & x->mask]; n; n = x->next[n - 1]) {
        const map_span *s = &x->spans[n - 1];
        if (s->id == id && (any_kind || s->kind == kind) &&
            (best == MAP_NO_SPAN || !comes_first(x->m, &x->spans[best], s)))
            best = n - 1; /* chains run backwards: of equal ones the first stays */
    }
    return best;
}

static uint32_t find_parent(const id_index *x, uint32_t number)
{
    const map_span *s = &x->spans[number];
    uint32_t found = MAP_NO_SPAN;
    if (s->kind == KIND_SERVER)
        found = least_of(x, s->id, false, KIND_CLIENT);
    if (found != MAP_NO_SPAN || !s->parent_id)
        return found;
    found = least_of(x, s->parent_id, false, KIND_SERVER);
    if (found == MAP_NO_SPAN)
        found = least_of(x, s->parent_id, true, KIND_UNSPECIFIED);
    return found == number ? MAP_NO_SPAN : found;
}

static bool find_parents(map_run *m, map_worker *w, map_span *spans, uint32_t span_count)
{
    id_index x;
    if (!make_index(m, w, spans, span_count, &x))
        return false;
    for (uint32_t i = 0; i < span_count; i++) {
        spans[i].parent = find_parent(&x, i);
        if (spans[i].parent == MAP_NO_SPAN)
            continue;
        map_span *p = &spans[spans[i].parent];
        p->has_child_elsewhere |= p->service != spans[i].service;
        p->has_calling_child |= spans[i].kind == KIND_CLIENT || spans[i].kind == KIND_PRODUCER;
    }
    return true;
}

/* ---- measuring ---- */

static map_sink sink_of(map_table *t, const map_span *s)
{
    return (map_sink){.table = t, .x = {s->duration_ms, s->weight, s->is_error}};
}

static bool put(const map_sink *to, uint64_t from, uint64_t node, edge_kind kind)
{
    return to->class ? map_table_class_add(to->table, to->class, from, node, kind)
                     : map_table_add(to->table, from, node, kind, to->x);
}

static uint32_t least_queue(const map_run *m, const map_sender *senders, uint32_t count)
{
    uint32_t best = 0;
    for (uint32_t i = 0; i < count; i++)
        if (senders[i].queue &&
            (!best || (best != senders[i].queue &&
                       span_compare(map__text(m, senders[i].queue), map__text(m, best)) < 0)))
            best = senders[i].queue;
    return best;
}

static bool is_first_of(const map_sender *senders, uint32_t at, bool without_queue)
{
    for (uint32_t i = 0; i < at; i++)
        if (senders[i].service == senders[at].service && (!without_queue || !senders[i].queue))
            return false;
    return true;
}

/* A messaging edge into the service of a consumer. */
static bool put_taken(const map_sink *to, uint64_t from, uint64_t service, double wait_ms)
{
    return put(to, from, service, EDGE_MESSAGING) &&
           (isnan(wait_ms) || map_table_add(to->table, from, service, EDGE_WAIT,
                                            (map_measure){wait_ms, to->x.weight, false}));
}

bool map__consumer(map_run *m, const map_sink *to, const map_span *s, const map_sender *senders,
                   uint32_t sender_count, bool has_parent, uint32_t parent_service,
                   bool parent_is_producer, double wait_ms)
{
    uint64_t service = map_node_of(NODE_SERVICE, s->service);
    uint32_t queue = least_queue(m, senders, sender_count);
    queue = queue ? queue : s->queue;
    bool is_done = !queue || put_taken(to, map_node_of(NODE_MESSAGING, queue), service, wait_ms);
    for (uint32_t i = 0; is_done && i < sender_count; i++) {
        uint64_t sender = map_node_of(NODE_SERVICE, senders[i].service);
        if (queue && !senders[i].queue && is_first_of(senders, i, true))
            is_done = put(to, sender, map_node_of(NODE_MESSAGING, queue), EDGE_MESSAGING);
        else if (!queue && is_first_of(senders, i, false))
            is_done = put_taken(to, sender, service, wait_ms);
    }
    if (is_done && has_parent && !queue && !parent_is_producer)
        is_done = put(to, map_node_of(NODE_SERVICE, parent_service), service, EDGE_CALL);
    return is_done;
}

/* A CONSUMER span that has links is put aside. */
static bool note_links(map_run *m, map_worker *w, const map_span *s, const map_span *parent,
                       const map_link *links, uint32_t link_count, bool *ret_waits)
{
    map_pending p = {.span = *s,
                     .parent_service = parent ? parent->service : 0,
                     .parent_queue = parent ? parent->queue : 0,
                     .parent_is_producer = parent && parent->kind == KIND_PRODUCER,
                     .first_link = w->followed.count};
    for (uint32_t i = 0; s->kind == KIND_CONSUMER && i < link_count; i++) {
        if (links[i].parent_id != s->id || !trace_id_is_set(links[i].to_trace) || !links[i].to_span)
            continue;
        if (!item_list_add(&m->budget, &w->followed,
                           &(map_target){links[i].to_trace, links[i].to_span}, sizeof(map_target)))
            return false;
        p.link_count++;
    }
    *ret_waits = p.link_count > 0;
    return !*ret_waits || item_list_add(&m->budget, &w->pending, &p, sizeof p);
}

static bool measure_leaf(const map_sink *to, const map_span *s)
{
    if ((s->kind != KIND_CLIENT && (s->kind != KIND_PRODUCER || s->queue)) ||
        s->has_child_elsewhere || s->has_calling_child || !s->leaf)
        return true;
    edge_kind kind = s->leaf_kind == NODE_DATABASE    ? EDGE_DATABASE
                     : s->leaf_kind == NODE_MESSAGING ? EDGE_MESSAGING
                                                      : EDGE_EXTERNAL;
    return put(to, map_node_of(NODE_SERVICE, s->service),
               map_node_of((node_kind)s->leaf_kind, s->leaf), kind);
}

bool map__note_producer(map_run *m, map_worker *w, map_producer p)
{
    if (!m->target_count ||
        !bsearch(&p.id, m->targets, m->target_count, sizeof p.id, map__compare_targets))
        return true;
    return item_list_add(&m->budget, &w->producers, &p, sizeof p);
}

/* `waits`: it is a consumer whose senders are not known yet. */
static bool measure_span(map_run *m, const map_sink *to, const map_span *s, const map_span *parent,
                         bool waits)
{
    uint64_t service = map_node_of(NODE_SERVICE, s->service);
    bool is_done = map_table_see(to->table, s->service);
    bool comes_from_elsewhere = parent && parent->service != s->service;
    if (s->kind == KIND_SERVER || s->kind == KIND_CONSUMER || !parent || comes_from_elsewhere)
        is_done = is_done && put(to, 0, service, EDGE_ENTER);
    if (s->kind == KIND_CONSUMER) {
        bool by_producer = parent && parent->kind == KIND_PRODUCER;
        map_sender sender = {parent ? parent->service : 0, parent ? parent->queue : 0};
        is_done = is_done && (waits || map__consumer(m, to, s, &sender, by_producer, parent != NULL,
                                                     sender.service, by_producer, NAN));
    } else if (comes_from_elsewhere) {
        is_done =
            is_done && put(to, map_node_of(NODE_SERVICE, parent->service), service, EDGE_CALL);
    }
    if (s->kind == KIND_PRODUCER && s->queue)
        is_done =
            is_done && put(to, service, map_node_of(NODE_MESSAGING, s->queue), EDGE_MESSAGING);
    if (s->kind == KIND_SERVER && !s->parent_id && !parent)
        is_done = is_done && put(to, map_node_of(NODE_CLIENT, 0), service, EDGE_CALL);
    return is_done && measure_leaf(to, s);
}

bool map__measure(map_run *m, const map_sink *to, const map_span *s, const map_span *parent)
{
    return measure_span(m, to, s, parent, false);
}

bool map__trace(map_run *m, map_worker *w, map_span *spans, uint32_t span_count,
                const map_link *links, uint32_t link_count)
{
    if (!find_parents(m, w, spans, span_count))
        return false;
    for (uint32_t i = 0; i < span_count; i++) {
        const map_span *parent = spans[i].parent == MAP_NO_SPAN ? NULL : &spans[spans[i].parent];
        map_sink to = sink_of(w->table, &spans[i]);
        bool waits = false;
        if (!note_links(m, w, &spans[i], parent, links, link_count, &waits) ||
            !measure_span(m, &to, &spans[i], parent, waits))
            return false;
        if (spans[i].kind == KIND_PRODUCER &&
            !map__note_producer(m, w,
                                (map_producer){{spans[i].trace, spans[i].id},
                                               spans[i].service,
                                               spans[i].queue,
                                               spans[i].time_ns}))
            return false;
    }
    return true;
}
