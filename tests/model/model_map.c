/*
 * tests/model/model_map.c: the service map, rule by rule from docs/internals/service-map.md; every look-up a walk over all spans.
 */
#include "base/must.h"
#include "event/fields.h"
#include "model_private.h"

typedef struct map_span {
    const model_row *row;
    span service, name, queue; /* at == NULL: no queue name */
    span_kind kind;
    bool is_error, has_ms;
    double ms;
    const struct map_span *parent;
    bool has_parent_id;
} map_span;

typedef struct measure {
    const map_span **spans;
    uint32_t count, capacity;
} measure;

typedef struct wip_node {
    const char *kind;
    span name;
    measure seen;
} wip_node;

typedef struct wip_edge {
    uint32_t from, to;
    const char *kind;
    measure seen, waited;
} wip_edge;

typedef struct map_work {
    const model *m;
    arena *mem;
    map_span *spans;
    uint32_t span_count;
    const model_row **links;
    uint32_t link_count;
    wip_node *nodes;
    wip_edge *edges;
    uint32_t node_count, edge_count, capacity;
} map_work;

/* ---- spans ---- */

static span first_text(const map_work *w, const model_row *r, const char *const *names)
{
    for (; *names; names++) {
        span text = model_text(r, *names, w->mem);
        if (text.at)
            return text;
    }
    return (span){NULL, 0};
}
#define FIRST(w, r, ...) first_text((w), (r), (const char *const[]){__VA_ARGS__, NULL})

static span join(const map_work *w, span a, const char *between, span b)
{
    return arena_print(w->mem, "%.*s%s%.*s", SPAN_FMT(a), between, SPAN_FMT(b));
}

static bool is_error(const model_row *r)
{
    char scratch[VALUE_TEXT_MAX];
    double status;
    value v = model_get_text(r, F_ERROR);
    span text = value_text(v, scratch);
    if (v.is_set && text.len && !span_is(text, "false") && !span_is(text, "0"))
        return true;
    return value_number(model_get_text(r, F_STATUS_CODE), &status) && status == 2;
}

static map_span make_span(const map_work *w, const model_row *r)
{
    map_span s = {.row = r, .has_parent_id = r->parent_id != 0};
    s.service = model_text(r, F_SERVICE_NAME, w->mem);
    if (!s.service.at || span_trim(s.service).len == 0)
        s.service = r->dataset;
    s.name = model_text(r, F_NAME, w->mem);
    span kind = model_text(r, F_SPAN_KIND, w->mem);
    s.kind = kind.at ? span_kind_parse(kind) : KIND_UNSPECIFIED;
    s.is_error = is_error(r);
    s.has_ms = value_number(model_get_text(r, F_DURATION_MS), &s.ms);
    span system = FIRST(w, r, "messaging.system");
    span destination = FIRST(w, r, "messaging.destination.name", "messaging.destination");
    if (system.at && destination.at)
        s.queue = join(w, system, ":", destination);
    return s;
}

static bool comes_first(const map_span *a, const map_span *b)
{
    if (a->row->time_ns != b->row->time_ns)
        return a->row->time_ns < b->row->time_ns;
    int diff = span_compare(a->service, b->service);
    if (!diff)
        diff = span_compare(a->name, b->name);
    if (diff)
        return diff < 0;
    if (a->kind != b->kind)
        return a->kind < b->kind;
    if (a->has_ms != b->has_ms)
        return b->has_ms;
    return a->has_ms && a->ms < b->ms;
}

/* The least span of the trace with that id and kind (any: -1). */
static const map_span *least(const map_work *w, trace_id trace, uint64_t id, int kind)
{
    const map_span *best = NULL;
    for (uint32_t i = 0; i < w->span_count; i++) {
        const map_span *s = &w->spans[i];
        if (s->row->span_id == id && trace_id_equal(s->row->trace, trace) &&
            (kind < 0 || (int)s->kind == kind) && (!best || comes_first(s, best)))
            best = s;
    }
    return best;
}

static const map_span *find_parent(const map_work *w, const map_span *s)
{
    const map_span *found = NULL;
    if (s->kind == KIND_SERVER)
        found = least(w, s->row->trace, s->row->span_id, KIND_CLIENT);
    if (found || !s->has_parent_id)
        return found;
    found = least(w, s->row->trace, s->row->parent_id, KIND_SERVER);
    if (!found)
        found = least(w, s->row->trace, s->row->parent_id, -1);
    return found == s ? NULL : found;
}

/* ---- nodes and edges ---- */

static void note(const map_work *w, measure *m, const map_span *s)
{
    if (m->count == m->capacity) {
        m->capacity = m->capacity ? m->capacity * 2 : 8;
        const map_span **spans = MODEL_ARRAY(w->mem, const map_span *, m->capacity);
        if (m->count)
            memcpy(spans, m->spans, m->count * sizeof *spans);
        m->spans = spans;
    }
    m->spans[m->count++] = s;
}

static uint32_t node(map_work *w, const char *kind, span name)
{
    for (uint32_t i = 0; i < w->node_count; i++)
        if (strcmp(w->nodes[i].kind, kind) == 0 && span_equal(w->nodes[i].name, name))
            return i;
    must(w->node_count < w->capacity);
    w->nodes[w->node_count] = (wip_node){.kind = kind, .name = name};
    return w->node_count++;
}

static bool is_kind(const map_work *w, uint32_t n, const char *kind)
{
    return strcmp(w->nodes[n].kind, kind) == 0;
}

/* NULL: an edge from a node to itself. */
static wip_edge *edge(map_work *w, uint32_t from, uint32_t to, const char *kind, const map_span *s)
{
    uint32_t i = 0;
    if (from == to)
        return NULL;
    while (i < w->edge_count && (w->edges[i].from != from || w->edges[i].to != to ||
                                 strcmp(w->edges[i].kind, kind) != 0))
        i++;
    if (i == w->edge_count) {
        must(i < w->capacity);
        w->edges[w->edge_count++] = (wip_edge){.from = from, .to = to, .kind = kind};
    }
    note(w, &w->edges[i].seen, s);
    if (!is_kind(w, to, "service"))
        note(w, &w->nodes[to].seen, s);
    if (is_kind(w, from, "client"))
        note(w, &w->nodes[from].seen, s);
    return &w->edges[i];
}

/* ---- rule 1: messaging ---- */

typedef struct senders {
    const map_span *at[256];
    uint32_t count;
} senders;

static void add_sender(senders *l, const map_span *s)
{
    must(l->count < COUNT_OF(l->at));
    l->at[l->count++] = s;
}

static void find_linked(const map_work *w, const map_span *s, senders *ret)
{
    for (uint32_t i = 0; i < w->link_count; i++) {
        const model_row *l = w->links[i];
        trace_id trace;
        uint64_t id;
        if (!trace_id_equal(l->trace, s->row->trace) || l->parent_id != s->row->span_id)
            continue;
        span trace_text = model_text(l, F_LINK_TRACE_ID, w->mem),
             id_text = model_text(l, F_LINK_SPAN_ID, w->mem);
        if (!trace_text.at || !id_text.at || !trace_id_parse(trace_text, false, &trace) ||
            !span_id_parse(id_text, false, &id))
            continue;
        for (uint32_t k = 0; k < w->span_count; k++) {
            const map_span *t = &w->spans[k];
            if (t->kind == KIND_PRODUCER && t->row->span_id == id &&
                trace_id_equal(t->row->trace, trace))
                add_sender(ret, t);
        }
    }
}

static void find_senders(const map_work *w, const map_span *s, senders *ret)
{
    ret->count = 0;
    if (s->parent && s->parent->kind == KIND_PRODUCER)
        add_sender(ret, s->parent);
    find_linked(w, s, ret);
}

/* Since the first of what its links lead to began. False: they lead to nothing. */
static bool wait_of(const map_work *w, const map_span *s, double *ret_ms)
{
    senders linked = {.count = 0};
    find_linked(w, s, &linked);
    int64_t first_ns = INT64_MAX;
    for (uint32_t i = 0; i < linked.count; i++)
        if (linked.at[i]->row->time_ns < first_ns)
            first_ns = linked.at[i]->row->time_ns;
    *ret_ms = s->row->time_ns > first_ns ? (double)(s->row->time_ns - first_ns) / 1e6 : 0;
    return linked.count > 0;
}

static void take(map_work *w, uint32_t from, uint32_t service, const map_span *s)
{
    double ms;
    wip_edge *e = edge(w, from, service, "messaging", s);
    if (e && wait_of(w, s, &ms))
        note(w, &e->waited, s);
}

/* The consumer's queue; at == NULL: none. */
static span queue_of(const map_span *s, const senders *from)
{
    span queue = {NULL, 0};
    for (uint32_t i = 0; i < from->count; i++)
        if (from->at[i]->queue.at && (!queue.at || span_compare(from->at[i]->queue, queue) < 0))
            queue = from->at[i]->queue;
    return queue.at ? queue : s->queue;
}

static bool is_new_service(const senders *l, uint32_t i, bool without_queue)
{
    for (uint32_t k = 0; k < i; k++)
        if (span_equal(l->at[k]->service, l->at[i]->service) &&
            (!without_queue || !l->at[k]->queue.at))
            return false;
    return true;
}

static void draw_consumer(map_work *w, const map_span *s)
{
    senders from;
    find_senders(w, s, &from);
    span queue = queue_of(s, &from);
    uint32_t service = node(w, "service", s->service);
    if (queue.at)
        take(w, node(w, "messaging", queue), service, s);
    for (uint32_t i = 0; i < from.count; i++) {
        if (queue.at ? from.at[i]->queue.at || !is_new_service(&from, i, true)
                     : !is_new_service(&from, i, false))
            continue;
        uint32_t sender = node(w, "service", from.at[i]->service);
        if (queue.at)
            edge(w, sender, node(w, "messaging", queue), "messaging", s);
        else
            take(w, sender, service, s);
    }
}

/* ---- rule 2 ---- */

static void draw_call(map_work *w, const map_span *s)
{
    if (!s->parent || span_equal(s->parent->service, s->service))
        return;
    if (s->kind == KIND_CONSUMER) {
        senders from;
        find_senders(w, s, &from);
        if (queue_of(s, &from).at || s->parent->kind == KIND_PRODUCER)
            return;
    }
    edge(w, node(w, "service", s->parent->service), node(w, "service", s->service), "call", s);
}

/* ---- rule 3: leaves ---- */

static bool is_leaf(const map_work *w, const map_span *s)
{
    if (s->kind != KIND_CLIENT && (s->kind != KIND_PRODUCER || s->queue.at))
        return false;
    for (uint32_t i = 0; i < w->span_count; i++) {
        const map_span *c = &w->spans[i];
        if (c->parent == s && (!span_equal(c->service, s->service) || c->kind == KIND_CLIENT ||
                               c->kind == KIND_PRODUCER))
            return false;
    }
    return true;
}

static size_t find_byte(span s, const char *bytes)
{
    size_t i = 0;
    while (i < s.len && !strchr(bytes, s.at[i]))
        i++;
    return i;
}

static span url_host(span url)
{
    for (size_t i = 0; i + 3 <= url.len; i++) {
        if (memcmp(url.at + i, "://", 3) != 0)
            continue;
        span host = span_from(url, i + 3);
        host = span_first(host, find_byte(host, "/?#"));
        for (size_t at = find_byte(host, "@"); at < host.len; at = find_byte(host, "@"))
            host = span_from(host, at + 1);
        return host.len ? host : (span){NULL, 0};
    }
    return (span){NULL, 0};
}

static span rpc_service(const map_work *w, const model_row *r)
{
    span service = FIRST(w, r, "rpc.service"), method = FIRST(w, r, "rpc.method");
    if (service.at || !method.at)
        return service;
    size_t cut = method.len;
    while (cut > 0 && method.at[cut - 1] != '/')
        cut--;
    return cut > 1 ? span_first(method, cut - 1) : (span){NULL, 0};
}

static span database_name(const map_work *w, const model_row *r, span peer, span address,
                          span network)
{
    span namespace = FIRST(w, r, "db.namespace", "db.name");
    if (peer.at)
        return peer;
    if (namespace.at && address.at)
        return join(w, namespace, "@", address);
    if (namespace.at)
        return namespace;
    if (address.at)
        return address;
    return network.at ? network : FIRST(w, r, "db.system.name", "db.system");
}

static void draw_leaf(map_work *w, const map_span *s)
{
    const model_row *r = s->row;
    uint32_t from = node(w, "service", s->service);
    if (s->kind == KIND_CLIENT && s->queue.at) {
        edge(w, from, node(w, "messaging", s->queue), "messaging", s);
        return;
    }
    span peer = FIRST(w, r, "service.peer.name", "peer.service");
    span address = FIRST(w, r, "server.address", "net.peer.name");
    span network = FIRST(w, r, "network.peer.address", "net.sock.peer.addr", "net.peer.ip");
    if (FIRST(w, r, "db.system.name", "db.system", "db.namespace", "db.name").at) {
        edge(w, from, node(w, "database", database_name(w, r, peer, address, network)), "database",
             s);
        return;
    }
    span port = FIRST(w, r, "server.port", "net.peer.port"),
         url = FIRST(w, r, "url.full", "http.url");
    span name = peer;
    if (!name.at && address.at)
        name = port.at ? join(w, address, ":", port) : address;
    if (!name.at)
        name = network;
    if (!name.at && url.at)
        name = url_host(url);
    if (!name.at)
        name = rpc_service(w, r);
    if (!name.at)
        return;
    for (uint32_t i = 0; i < w->span_count; i++) {
        if (span_equal(w->spans[i].service, name)) {
            edge(w, from, node(w, "service", name), "call", s);
            return;
        }
    }
    edge(w, from, node(w, "external", name), "external", s);
}

/* ---- all rules ---- */

static void draw_span(map_work *w, const map_span *s)
{
    uint32_t service = node(w, "service", s->service);
    bool enters = s->kind == KIND_SERVER || s->kind == KIND_CONSUMER || !s->parent ||
                  !span_equal(s->parent->service, s->service);
    if (enters)
        note(w, &w->nodes[service].seen, s);
    if (s->kind == KIND_PRODUCER && s->queue.at)
        edge(w, service, node(w, "messaging", s->queue), "messaging", s);
    if (s->kind == KIND_CONSUMER)
        draw_consumer(w, s);
    draw_call(w, s);
    if (is_leaf(w, s))
        draw_leaf(w, s);
    if (s->kind == KIND_SERVER && !s->has_parent_id && !s->parent)
        edge(w, node(w, "client", SPAN("user")), service, "call", s);
}

static void collect(map_work *w, uint32_t environment, const plan *p)
{
    model_views views = model_views_of(w->m, w->mem);
    w->spans = MODEL_ARRAY(w->mem, map_span, w->m->row_count);
    w->links = MODEL_ARRAY(w->mem, const model_row *, w->m->row_count);
    for (uint32_t i = 0; i < w->m->row_count; i++) {
        const model_row *r = &w->m->rows[i];
        if (!model_sees(r, environment) || r->family != FAMILY_TRACE || r->time_ns < p->start_ns ||
            r->time_ns >= p->end_ns || !trace_id_is_set(r->trace))
            continue;
        if (p->related_count &&
            !model_passes_related(p, model_view_row(w->m, r, &views, w->mem), r, w->mem))
            continue;
        span annotation = model_text(r, F_ANNOTATION_TYPE, w->mem);
        if (r->span_id)
            w->spans[w->span_count++] = make_span(w, r);
        else if (r->parent_id && annotation.at && span_is(annotation, "link"))
            w->links[w->link_count++] = r;
    }
    for (uint32_t i = 0; i < w->span_count; i++)
        w->spans[i].parent = find_parent(w, &w->spans[i]);
}

typedef struct totals {
    uint64_t count, errors;
    double p50, p95;
} totals;

static totals add_up(const map_work *w, const measure *m)
{
    totals t = {0};
    model_number *ms = MODEL_ARRAY(w->mem, model_number, m->count);
    uint32_t count = 0;
    for (uint32_t i = 0; i < m->count; i++) {
        const map_span *s = m->spans[i];
        t.count += s->row->rate;
        t.errors += s->is_error ? s->row->rate : 0;
        if (s->has_ms)
            ms[count++] = (model_number){s->ms, s->row->rate};
    }
    model_percentile(ms, count, 500, &t.p50);
    model_percentile(ms, count, 950, &t.p95);
    return t;
}

static void add_waits(const map_work *w, const measure *m, map_edge *ret)
{
    model_number *ms = MODEL_ARRAY(w->mem, model_number, m->count);
    for (uint32_t i = 0; i < m->count; i++) {
        ms[i].weight = m->spans[i]->row->rate;
        must(wait_of(w, m->spans[i], &ms[i].v));
        ret->wait_count += m->spans[i]->row->rate;
    }
    model_percentile(ms, m->count, 500, &ret->wait_p50_ms);
    model_percentile(ms, m->count, 950, &ret->wait_p95_ms);
}

static bool node_before(const wip_node *a, const wip_node *b)
{
    int diff = span_compare(a->name, b->name);
    return diff ? diff < 0 : strcmp(a->kind, b->kind) < 0;
}

sk_code model_service_map(engine *e, uint32_t environment, const plan *p, const run_control *c,
                          arena *mem, service_map *ret, err *er)
{
    model *m = (model *)e;
    lock_take(&m->lock);
    map_work w = {.m = m, .mem = mem, .capacity = m->row_count * 4 + 1};
    w.nodes = MODEL_ARRAY(mem, wip_node, w.capacity);
    w.edges = MODEL_ARRAY(mem, wip_edge, w.capacity);
    collect(&w, environment, p);
    for (uint32_t i = 0; i < w.span_count; i++)
        draw_span(&w, &w.spans[i]);
    map_node *nodes = MODEL_ARRAY(mem, map_node, w.node_count);
    map_edge *edges = MODEL_ARRAY(mem, map_edge, w.edge_count);
    uint32_t *place = MODEL_ARRAY(mem, uint32_t, w.node_count);
    for (uint32_t i = 0; i < w.node_count; i++) {
        for (uint32_t k = 0; k < w.node_count; k++)
            place[i] += node_before(&w.nodes[k], &w.nodes[i]);
        totals t = add_up(&w, &w.nodes[i].seen);
        nodes[place[i]] =
            (map_node){w.nodes[i].name, w.nodes[i].kind, t.count, t.errors, t.p50, t.p95};
    }
    for (uint32_t i = 0; i < w.edge_count; i++) {
        const wip_edge *x = &w.edges[i];
        uint32_t at = 0;
        for (uint32_t k = 0; k < w.edge_count; k++) {
            const wip_edge *y = &w.edges[k];
            int64_t diff = (int64_t)place[y->from] - place[x->from];
            if (!diff)
                diff = (int64_t)place[y->to] - place[x->to];
            at += diff ? diff < 0 : strcmp(y->kind, x->kind) < 0;
        }
        totals t = add_up(&w, &x->seen);
        edges[at] = (map_edge){.from = place[x->from],
                               .to = place[x->to],
                               .kind = x->kind,
                               .count = t.count,
                               .errors = t.errors,
                               .p50_ms = t.p50,
                               .p95_ms = t.p95};
        add_waits(&w, &x->waited, &edges[at]);
    }
    lock_drop(&m->lock);
    *ret = (service_map){
        .node_count = w.node_count, .edge_count = w.edge_count, .nodes = nodes, .edges = edges};
    return SK_OK;
}
