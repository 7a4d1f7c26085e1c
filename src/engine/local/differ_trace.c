/*
 * engine/local/differ_trace.c: the spans of one whole trace, put together, to cells of spans that are alike: what each span did itself, and
 * what was lost on the way to it. Traces whose rows lie in several places are put aside and measured last, so that the
 * answer does not depend on where rows lie. Called by differ_spans.c and differences.c.
 */
#include <stdlib.h>

#include "base/must.h"
#include "engine/local/derive.h"
#include "engine/local/differ.h"

typedef struct node {
    uint32_t entry, like;
    uint32_t flags;
    int64_t visit_ns; /* of an entry: own time of what it does */
} node;

typedef struct trace_scratch {
    derive_scratch derive;
    uint32_t capacity;
    derive_span *spans;
    derive_result *results;
    node *nodes;
} trace_scratch;

#define HAS_REMOTE_CHILD 1u
#define HAS_ERROR_CHILD  2u

#define MORSEL_SPANS     1024u /* and so many more that the last trace is whole */

static void free_room(differ_run *r, trace_scratch *x)
{
    agg_free(&r->budget, x->spans, x->capacity * sizeof *x->spans);
    agg_free(&r->budget, x->results, x->capacity * sizeof *x->results);
    agg_free(&r->budget, x->nodes, x->capacity * sizeof *x->nodes);
    x->spans = NULL;
    x->results = NULL;
    x->nodes = NULL;
    x->capacity = 0;
}

static bool make_room(differ_run *r, trace_scratch *x, uint32_t count)
{
    if (count <= x->capacity)
        return true;
    free_room(r, x);
    x->capacity = count + count / 2 + 64;
    x->spans = agg_alloc(&r->budget, x->capacity * sizeof *x->spans);
    x->results = agg_alloc(&r->budget, x->capacity * sizeof *x->results);
    x->nodes = agg_alloc(&r->budget, x->capacity * sizeof *x->nodes);
    return x->spans && x->results && x->nodes;
}

/* Of parents with one id and start, any that differ in what is asked here. */
static int compare_parents(void *ctx, derive_relation relation, const derive_span *a,
                           const derive_span *b)
{
    (void)ctx, (void)relation;
    if (a->duration_ns != b->duration_ns)
        return a->duration_ns > b->duration_ns ? -1 : 1;
    if (a->service != b->service)
        return a->service < b->service ? -1 : 1;
    return (a->instance > b->instance) - (a->instance < b->instance);
}

static bool is_elsewhere(const differ_span *a, const differ_span *b)
{
    return a->service != b->service || a->instance != b->instance;
}

/* Whether a span's parent waits for it on the other side of a wire. */
static bool is_remote(const differ_span *child, const differ_span *parent)
{
    return child->kind != KIND_CONSUMER && is_elsewhere(child, parent);
}

/* Each span's entry: the nearest span above (or itself) by which its service was entered. Spans in and below a circle are
 * their own. */
static void find_entries(trace_scratch *x, const differ_span *spans, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t parent = x->results[i].chosen[DERIVE_PARENT];
        bool is_entry = parent == DERIVE_NONE || x->results[i].depth == DERIVE_NONE ||
                        spans[i].kind == KIND_CONSUMER || is_elsewhere(&spans[i], &spans[parent]);
        x->nodes[i].entry = is_entry ? i : DERIVE_NONE;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = i;
        while (x->nodes[at].entry == DERIVE_NONE)
            at = x->results[at].chosen[DERIVE_PARENT];
        uint32_t entry = x->nodes[at].entry;
        for (at = i; x->nodes[at].entry == DERIVE_NONE; at = x->results[at].chosen[DERIVE_PARENT])
            x->nodes[at].entry = entry; /* so that a chain is walked once */
    }
}

static bool derive(differ_run *r, trace_scratch *x, const differ_span *spans, uint32_t count)
{
    static const derive_rules rules = {.wants_self = true,
                                       .wants_gap = true,
                                       .wants_depth = true,
                                       .relations = DERIVE_BIT(DERIVE_PARENT),
                                       .compare = compare_parents};
    if (!make_room(r, x, count))
        return false;
    for (uint32_t i = 0; i < count; i++)
        x->spans[i] = (derive_span){.id = spans[i].id,
                                    .parent_id = spans[i].parent_id,
                                    .time_ns = spans[i].time_ns,
                                    .duration_ns = spans[i].duration_ns,
                                    .service = spans[i].service,
                                    .instance = spans[i].instance,
                                    .place = i,
                                    .kind = spans[i].kind,
                                    .match = DERIVE_BIT(DERIVE_PARENT)};
    if (!derive_trace(&rules, x->spans, count, &x->derive, x->results))
        return false;
    memset(x->nodes, 0, count * sizeof *x->nodes);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t parent = x->results[i].chosen[DERIVE_PARENT];
        if (parent == DERIVE_NONE)
            continue;
        x->nodes[parent].flags |= (is_remote(&spans[i], &spans[parent]) ? HAS_REMOTE_CHILD : 0) |
                                  (spans[i].is_error ? HAS_ERROR_CHILD : 0);
    }
    find_entries(x, spans, count);
    return true;
}

/* A span's own work. */
static bool measure_own(differ_run *r, differ_worker *w, const differ_span *s, uint32_t i,
                        uint32_t side)
{
    trace_scratch *x = w->trace;
    node *at = &x->nodes[i];
    int64_t self_ns = x->results[i].self_ns;
    at->like = differ__like(r, w, s->service, s->name, s->instance);
    if (at->like == DIFFER_NO_LIKE)
        return false;
    differ_cell *c = &((differ_like *)w->likes.at)[at->like].own;
    differ__add_row(c, side, s->weight, s->is_error && !(at->flags & HAS_ERROR_CHILD));
    if (self_ns < 0 || (at->flags & (HAS_REMOTE_CHILD | HAS_ERROR_CHILD)))
        return true;
    differ__add_time(c, side, s->weight, self_ns, differ_log(self_ns));
    x->nodes[at->entry].visit_ns += self_ns;
    return true;
}

/* The way to it: what its parent did not spend in any child. With one child that is the gap; with several the gap would count
 * the others. A parent that did not wait to the end (no gap) lost nothing. */
static bool measure_way(differ_run *r, differ_worker *w, const differ_span *spans, uint32_t i,
                        uint32_t side)
{
    const trace_scratch *x = w->trace;
    const differ_span *s = &spans[i];
    const derive_result *found = &x->results[i];
    uint32_t parent = found->chosen[DERIVE_PARENT];
    if (parent == DERIVE_NONE)
        return true;
    const differ_span *p = &spans[parent];
    int64_t lost_ns = x->results[parent].self_ns;
    return found->gap_ns < 0 || lost_ns < 0 || !is_remote(s, p) ||
           differ__add_way(r, w, p->service, x->nodes[i].like, side, s->weight, lost_ns,
                           differ_log(lost_ns));
}

bool differ__measure_trace(differ_run *r, differ_worker *w, const differ_span *spans,
                           uint32_t count, uint32_t side)
{
    if (!w->trace) {
        w->trace = agg_alloc(&r->budget, sizeof(trace_scratch));
        if (!w->trace)
            return false;
        w->trace->derive.budget = &r->budget;
    }
    trace_scratch *x = w->trace;
    if (!derive(r, x, spans, count))
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (!measure_own(r, w, &spans[i], i, side))
            return false;
    for (uint32_t i = 0; i < count; i++)
        if (!measure_way(r, w, spans, i, side))
            return false;
    for (uint32_t i = 0; i < count; i++)
        if (x->nodes[i].entry == i)
            differ__add_time(&((differ_like *)w->likes.at)[x->nodes[i].like].visit, side,
                             spans[i].weight, x->nodes[i].visit_ns,
                             differ_log(x->nodes[i].visit_ns));
    return true;
}

/* ---- the answer ---- */

static int compare_spans(const void *left, const void *right)
{
    trace_id a = ((const differ_span *)left)->trace, b = ((const differ_span *)right)->trace;
    if (a.hi != b.hi)
        return a.hi < b.hi ? -1 : 1;
    return (a.lo > b.lo) - (a.lo < b.lo);
}

/* Spans of traces that were put aside, by trace. */
typedef struct deferred_spans {
    differ_run *run;
    item_list spans;
} deferred_spans;

/* Where the first trace begins that begins at `at` or later. */
static uint32_t trace_from(const item_list *spans, uint32_t at)
{
    const differ_span *s = spans->at;
    while (at && at < spans->count && trace_id_equal(s[at].trace, s[at - 1].trace))
        at++;
    return at < spans->count ? at : spans->count;
}

static sk_code measure_morsel(void *ctx, uint32_t slot, uint32_t number, err *e)
{
    const deferred_spans *d = ctx;
    differ_run *r = d->run;
    const differ_span *spans = d->spans.at;
    uint32_t last = trace_from(&d->spans, (number + 1) * MORSEL_SPANS);
    for (uint32_t from = trace_from(&d->spans, number * MORSEL_SPANS), end; from < last;
         from = end) {
        end = trace_from(&d->spans, from + 1);
        uint32_t side = differ__side_of(r, differ__trace_hash(spans[from].trace));
        if (side != DIFFER_SIDES &&
            !differ__measure_trace(r, r->workers[slot], spans + from, end - from, side))
            return finish_budget_error(&r->budget, e);
    }
    return SK_OK;
}

static sk_code measure_deferred(differ_run *r, err *e)
{
    deferred_spans d = {.run = r};
    bool is_done = true;
    for (uint32_t i = 0; i < r->worker_count; i++) {
        const differ_span *spans = r->workers[i]->deferred.at;
        for (uint32_t n = 0; is_done && n < r->workers[i]->deferred.count; n++)
            is_done = item_list_add(&r->budget, &d.spans, &spans[n], sizeof *spans);
        item_list_free(&r->budget, &r->workers[i]->deferred, sizeof *spans);
    }
    if (d.spans.count)
        qsort(d.spans.at, d.spans.count, sizeof(differ_span), compare_spans);
    sk_code code = is_done ? pool_run(r->engine->pool, measure_morsel, &d,
                                      (d.spans.count + MORSEL_SPANS - 1) / MORSEL_SPANS, e)
                           : finish_budget_error(&r->budget, e);
    item_list_free(&r->budget, &d.spans, sizeof(differ_span));
    return code;
}

static span text_of(void *ctx, uint32_t number)
{
    const differ_run *r = ctx;
    return group_keys_value(r->texts, 0, number, r->scratch).text;
}

sk_code differ__rank_suspects(differ_run *r, differences_result *ret, err *e)
{
    item_table cells = {0};
    sk_code code = measure_deferred(r, e);
    if (code == SK_OK)
        code = differ__merge_cells(r, &cells) ? differ_suspects_of(cells.at, cells.count, text_of,
                                                                   r, r->mem, &ret->suspects, e)
                                              : finish_budget_error(&r->budget, e);
    item_table_free(&r->budget, &cells, sizeof(differ_cell));
    return code;
}

void differ__free_trace(differ_run *r, differ_worker *w)
{
    if (w->trace) {
        derive_scratch_done(&w->trace->derive);
        free_room(r, w->trace);
        agg_free(&r->budget, w->trace, sizeof *w->trace);
    }
    item_list_free(&r->budget, &w->deferred, sizeof(differ_span));
}
