/*
 * event/tree.c: rows of one trace → parents, order, self time, critical path. Called by engine
 * (trace by id, service map) and cli. Everything is iterative and O(n log n): traces of 100,000
 * siblings or levels are met in the wild. Never: recurses; assumes that ids are unique, parents
 * exist or times make sense.
 */
#include "event/tree.h"

#include <stdlib.h>

#include "base/hash.h"

span_kind span_kind_parse(span text)
{
    for (int k = KIND_INTERNAL; k <= KIND_CONSUMER; k++)
        if (span_is(text, span_kind_name((span_kind)k)))
            return (span_kind)k;
    return KIND_UNSPECIFIED;
}

const char *span_kind_name(span_kind k)
{
    static const char *const names[] = {"unspecified", "internal", "server",
                                        "client",      "producer", "consumer"};
    return (unsigned)k < COUNT_OF(names) ? names[k] : names[0];
}

typedef struct by_key { /* for sorting: ascending key, then row */
    int64_t key, second;
    uint32_t row;
} by_key;

typedef struct holder {                         /* one span id */
    uint32_t first, first_server, first_client; /* rows or TREE_NONE */
} holder;

typedef struct builder {
    const tree_span *spans;
    uint32_t count;
    tree_node *nodes;
    holder *holders;
    uint32_t *slots; /* span id → 1 + holder */
    uint32_t mask;
    uint32_t holder_count;
    by_key *sorted; /* scratch, `count` */
    uint32_t *last_child;
} builder;

static int compare_keys(const void *left, const void *right)
{
    const by_key *a = left, *b = right;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    if (a->second != b->second)
        return a->second < b->second ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

static void sort_keys(by_key *at, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        if (compare_keys(&at[i - 1], &at[i]) > 0) {
            qsort(at, count, sizeof *at, compare_keys);
            return;
        }
    }
}

static int64_t end_of(const tree_span *s)
{
    int64_t end;
    return __builtin_add_overflow(s->start_ns, s->duration_ns, &end) ? INT64_MAX : end;
}

/* ---- ids and parents ---- */

static holder *find_holder(builder *w, uint64_t span_id, bool add)
{
    for (uint32_t i = (uint32_t)hash_mix(span_id) & w->mask;; i = (i + 1) & w->mask) {
        if (!w->slots[i]) {
            if (!add)
                return NULL;
            w->slots[i] = ++w->holder_count;
            w->holders[w->holder_count - 1] = (holder){TREE_NONE, TREE_NONE, TREE_NONE};
            return &w->holders[w->holder_count - 1];
        }
        holder *h = &w->holders[w->slots[i] - 1];
        if (w->spans[h->first].span_id == span_id)
            return h;
    }
}

static void index_ids(builder *w)
{
    for (uint32_t row = 0; row < w->count; row++) {
        const tree_span *s = &w->spans[row];
        if (!s->span_id)
            continue;
        holder *h = find_holder(w, s->span_id, true);
        if (h->first == TREE_NONE)
            h->first = row;
        if (s->kind == KIND_SERVER && h->first_server == TREE_NONE)
            h->first_server = row;
        if (s->kind == KIND_CLIENT && h->first_client == TREE_NONE)
            h->first_client = row;
    }
}

static void find_parent(builder *w, uint32_t row)
{
    const tree_span *s = &w->spans[row];
    tree_node *n = &w->nodes[row];
    n->parent = TREE_NONE;
    if (s->span_id && s->kind == KIND_SERVER) {
        const holder *own = find_holder(w, s->span_id, false);
        if (own->first_client != TREE_NONE) {
            n->parent = own->first_client;
            return;
        }
    }
    if (!s->parent_id)
        return;
    const holder *h = find_holder(w, s->parent_id, false);
    if (h)
        n->parent = h->first_server != TREE_NONE ? h->first_server : h->first;
    else
        n->parent_missing = true;
}

/* Walks up from each row once; a walk that meets itself has found a cycle, which is cut at its
 * lowest row. */
static void cut_cycles(builder *w, uint32_t *walk_of)
{
    for (uint32_t row = 0; row < w->count; row++) {
        uint32_t at = row;
        while (at != TREE_NONE && walk_of[at] == 0) {
            walk_of[at] = row + 1;
            at = w->nodes[at].parent;
        }
        if (at == TREE_NONE || walk_of[at] != row + 1)
            continue;
        uint32_t lowest = at;
        for (uint32_t i = w->nodes[at].parent; i != at; i = w->nodes[i].parent)
            lowest = i < lowest ? i : lowest;
        w->nodes[lowest].parent = TREE_NONE;
    }
}

static sk_code list_missing(builder *w, arena *mem, tree *ret)
{
    uint32_t count = 0;
    for (uint32_t row = 0; row < w->count; row++) {
        if (!w->nodes[row].parent_missing)
            continue;
        /* Flipping the top bit sorts unsigned ids by a signed key. */
        int64_t key = (int64_t)(w->spans[row].parent_id ^ (uint64_t)1 << 63);
        w->sorted[count++] = (by_key){key, 0, 0};
    }
    sort_keys(w->sorted, count);
    uint64_t *ids = ARENA_ARRAY(mem, uint64_t, count);
    if (!ids)
        return SK_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++)
        if (i == 0 || w->sorted[i].key != w->sorted[i - 1].key)
            ids[ret->missing_count++] = (uint64_t)w->sorted[i].key ^ (uint64_t)1 << 63;
    ret->missing_parents = ids;
    return SK_OK;
}

/* ---- children and the waterfall's order ---- */

/* Links spans to their parents in order of start; returns the first root, linked by next_sibling.
 */
static uint32_t link_children(builder *w, tree *ret)
{
    uint32_t spans = 0, first_root = TREE_NONE, last_root = TREE_NONE;
    for (uint32_t row = 0; row < w->count; row++) {
        w->nodes[row].first_child = w->nodes[row].next_sibling = TREE_NONE;
        w->last_child[row] = TREE_NONE;
        if (w->spans[row].span_id)
            w->sorted[spans++] = (by_key){w->spans[row].start_ns, 0, row};
    }
    sort_keys(w->sorted, spans);
    for (uint32_t i = 0; i < spans; i++) {
        uint32_t row = w->sorted[i].row, parent = w->nodes[row].parent;
        uint32_t *last = parent == TREE_NONE ? &last_root : &w->last_child[parent];
        if (*last != TREE_NONE)
            w->nodes[*last].next_sibling = row;
        else if (parent == TREE_NONE)
            first_root = row;
        else
            w->nodes[parent].first_child = row;
        *last = row;
        if (parent == TREE_NONE)
            ret->root_count++;
        else
            w->nodes[parent].child_count++;
    }
    return first_root;
}

static void walk(builder *w, tree *ret, uint32_t first_root)
{
    for (uint32_t at = first_root; at != TREE_NONE;) {
        tree_node *n = &w->nodes[at];
        n->depth = n->parent == TREE_NONE ? 0 : w->nodes[n->parent].depth + 1;
        ret->order[ret->order_count++] = at;
        if (n->first_child != TREE_NONE) {
            at = n->first_child;
            continue;
        }
        while (at != TREE_NONE && w->nodes[at].next_sibling == TREE_NONE)
            at = w->nodes[at].parent;
        if (at != TREE_NONE)
            at = w->nodes[at].next_sibling;
    }
    for (uint32_t i = ret->order_count; i-- > 0;) {
        const tree_node *n = &w->nodes[ret->order[i]];
        if (n->parent != TREE_NONE)
            w->nodes[n->parent].descendant_count += n->descendant_count + 1;
    }
    for (uint32_t row = 0; row < w->count; row++) {
        tree_node *n = &w->nodes[row];
        if (!w->spans[row].span_id)
            n->depth = n->parent == TREE_NONE ? 0 : w->nodes[n->parent].depth + 1;
    }
}

/* ---- times ---- */

static int64_t self_time(const builder *w, uint32_t row)
{
    int64_t start = w->spans[row].start_ns, end = end_of(&w->spans[row]);
    int64_t covered = 0, until = start;
    for (uint32_t c = w->nodes[row].first_child; c != TREE_NONE; c = w->nodes[c].next_sibling) {
        const tree_span *child = &w->spans[c];
        if (child->kind == KIND_CONSUMER)
            continue;
        int64_t from = child->start_ns > until ? child->start_ns : until;
        int64_t to = end_of(child) < end ? end_of(child) : end;
        if (from >= to)
            continue;
        covered += to - from;
        until = to;
    }
    return end - start - covered;
}

typedef struct window { /* what is left of a critical span: clipped to its critical ancestors */
    int64_t start, end;
    uint32_t row;
} window;

/* The children that take turns from the window's end backwards, put on the stack. */
static uint32_t critical_children(builder *w, window of, window *stack, uint32_t depth)
{
    uint32_t count = 0;
    for (uint32_t c = w->nodes[of.row].first_child; c != TREE_NONE; c = w->nodes[c].next_sibling) {
        const tree_span *child = &w->spans[c];
        int64_t start = child->start_ns > of.start ? child->start_ns : of.start;
        int64_t end = end_of(child) < of.end ? end_of(child) : of.end;
        if (child->kind != KIND_CONSUMER && start < end)
            w->sorted[count++] = (by_key){-end, start, c}; /* latest end, then earliest start */
    }
    sort_keys(w->sorted, count);
    int64_t cursor = of.end;
    for (uint32_t i = 0; i < count; i++) {
        const by_key *k = &w->sorted[i];
        if (-k->key > cursor)
            continue;
        stack[depth++] = (window){k->second, -k->key, k->row};
        cursor = k->second;
    }
    return depth;
}

static void mark_critical(builder *w, const tree *t, window *stack)
{
    uint32_t depth = 0;
    for (uint32_t i = 0; i < t->order_count; i++) {
        uint32_t root = t->order[i];
        if (w->nodes[root].parent != TREE_NONE)
            continue;
        stack[depth++] = (window){w->spans[root].start_ns, end_of(&w->spans[root]), root};
        while (depth) {
            window of = stack[--depth];
            w->nodes[of.row].is_critical = true;
            depth = critical_children(w, of, stack, depth);
        }
    }
}

sk_code tree_build(const tree_span *spans, uint32_t count, arena *mem, tree *ret, err *e)
{
    uint32_t slot_count = 16;
    while (slot_count / 2 < count)
        slot_count *= 2;
    tree t = {.count = count,
              .nodes = ARENA_ARRAY(mem, tree_node, count),
              .order = ARENA_ARRAY(mem, uint32_t, count)};
    builder w = {.spans = spans,
                 .count = count,
                 .nodes = t.nodes,
                 .holders = ARENA_ARRAY(mem, holder, count),
                 .slots = ARENA_ARRAY(mem, uint32_t, slot_count),
                 .mask = slot_count - 1,
                 .sorted = ARENA_ARRAY(mem, by_key, count),
                 .last_child = ARENA_ARRAY(mem, uint32_t, count)};
    window *stack = ARENA_ARRAY(mem, window, count);
    if (!t.nodes || !t.order || !w.holders || !w.slots || !w.sorted || !w.last_child || !stack)
        return err_set(e, SK_NO_MEMORY, "no memory for a trace of %u rows", count);
    index_ids(&w);
    for (uint32_t row = 0; row < count; row++)
        find_parent(&w, row);
    cut_cycles(&w, w.last_child);
    if (list_missing(&w, mem, &t) != SK_OK)
        return err_set(e, SK_NO_MEMORY, "no memory for a trace of %u rows", count);
    walk(&w, &t, link_children(&w, &t));
    for (uint32_t i = 0; i < t.order_count; i++)
        t.nodes[t.order[i]].self_ns = self_time(&w, t.order[i]);
    mark_critical(&w, &t, stack);
    *ret = t;
    return SK_OK;
}
