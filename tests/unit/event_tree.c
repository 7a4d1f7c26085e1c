/*
 * tests/unit/event_tree.c: trees against the definitions, word by word and quadratic.
 */
#include "event/tree.h"

#include "check.h"

#define SPANS_MAX 64
#define INSTANTS  220 /* times are small so that time can be walked instant by instant */

typedef struct naive {
    uint32_t parent[SPANS_MAX];
    bool missing[SPANS_MAX], critical[SPANS_MAX];
} naive;

static int64_t end_of(const tree_span *s)
{
    return s->start_ns + s->duration_ns;
}

static uint32_t first_with(const tree_span *s, uint32_t n, uint64_t id, int kind)
{
    for (uint32_t i = 0; i < n; i++)
        if (s[i].span_id == id && (kind < 0 || (int)s[i].kind == kind))
            return i;
    return TREE_NONE;
}

static uint32_t naive_parent(const tree_span *s, uint32_t n, uint32_t row)
{
    if (s[row].span_id && s[row].kind == KIND_SERVER) {
        uint32_t client = first_with(s, n, s[row].span_id, KIND_CLIENT);
        if (client != TREE_NONE)
            return client;
    }
    if (!s[row].parent_id)
        return TREE_NONE;
    uint32_t server = first_with(s, n, s[row].parent_id, KIND_SERVER);
    return server != TREE_NONE ? server : first_with(s, n, s[row].parent_id, -1);
}

/* Follows parents from `row` for n steps: is it back at `row` on the way? Then all rows met are the cycle. */
static bool is_lowest_of_cycle(const naive *t, uint32_t n, uint32_t row)
{
    uint32_t at = t->parent[row];
    for (uint32_t i = 0; i < n && at != TREE_NONE; i++, at = t->parent[at]) {
        if (at == row)
            return true;
        if (at < row)
            return false;
    }
    return false;
}

static void naive_critical(const tree_span *s, uint32_t n, naive *t, uint32_t row, int64_t start,
                           int64_t end)
{
    t->critical[row] = true;
    bool taken[SPANS_MAX] = {false};
    for (int64_t cursor = end;;) {
        uint32_t best = TREE_NONE;
        int64_t best_start = 0, best_end = 0;
        for (uint32_t c = 0; c < n; c++) {
            if (!s[c].span_id || t->parent[c] != row || taken[c] || s[c].kind == KIND_CONSUMER)
                continue;
            int64_t from = s[c].start_ns > start ? s[c].start_ns : start;
            int64_t to = end_of(&s[c]) < end ? end_of(&s[c]) : end;
            if (from >= to || to > cursor)
                continue;
            if (best == TREE_NONE || to > best_end || (to == best_end && from < best_start)) {
                best = c;
                best_start = from;
                best_end = to;
            }
        }
        if (best == TREE_NONE)
            return;
        taken[best] = true;
        naive_critical(s, n, t, best, best_start, best_end);
        cursor = best_start;
    }
}

static int64_t naive_self(const tree_span *s, uint32_t n, const naive *t, uint32_t row)
{
    int64_t self = 0;
    for (int64_t at = s[row].start_ns; at < end_of(&s[row]); at++) {
        bool is_covered = false;
        for (uint32_t c = 0; c < n; c++)
            is_covered |= s[c].span_id && t->parent[c] == row && s[c].kind != KIND_CONSUMER &&
                          s[c].start_ns <= at && at < end_of(&s[c]);
        self += !is_covered;
    }
    return self;
}

static uint32_t naive_depth(const naive *t, uint32_t row)
{
    uint32_t depth = 0;
    for (uint32_t at = t->parent[row]; at != TREE_NONE; at = t->parent[at])
        depth++;
    return depth;
}

static bool is_below(const naive *t, uint32_t row, uint32_t top)
{
    for (uint32_t at = t->parent[row]; at != TREE_NONE; at = t->parent[at])
        if (at == top)
            return true;
    return false;
}

static bool before(const tree_span *s, uint32_t a, uint32_t b)
{
    return s[a].start_ns != s[b].start_ns ? s[a].start_ns < s[b].start_ns : a < b;
}

/* The waterfall's order by definition: next in it is the first root or child, in order of start, not yet given. */
static void check_order(const tree_span *s, uint32_t n, const naive *t, const tree *got)
{
    bool given[SPANS_MAX] = {false};
    uint32_t at = TREE_NONE;
    for (uint32_t i = 0; i < got->order_count; i++) {
        for (;;) {
            uint32_t next = TREE_NONE;
            for (uint32_t c = 0; c < n; c++)
                if (s[c].span_id && !given[c] && t->parent[c] == at &&
                    (next == TREE_NONE || before(s, c, next)))
                    next = c;
            if (next != TREE_NONE) {
                at = next;
                break;
            }
            assert_true(at != TREE_NONE);
            at = t->parent[at];
        }
        given[at] = true;
        assert_int_equal(got->order[i], at);
    }
}

static void check_missing(const tree_span *s, uint32_t n, const naive *t, const tree *got)
{
    uint64_t before_it = 0;
    for (uint32_t i = 0; i < got->missing_count; i++) {
        assert_true(got->missing_parents[i] > before_it);
        before_it = got->missing_parents[i];
        bool found = false;
        for (uint32_t c = 0; c < n; c++)
            found |= t->missing[c] && s[c].parent_id == before_it;
        assert_true(found);
    }
    for (uint32_t c = 0; c < n; c++) {
        bool found = !t->missing[c];
        for (uint32_t i = 0; i < got->missing_count; i++)
            found |= got->missing_parents[i] == s[c].parent_id;
        assert_true(found);
    }
}

static void check_tree(const tree_span *s, uint32_t n, const tree *got)
{
    naive t = {{0}, {0}, {0}};
    for (uint32_t i = 0; i < n; i++) {
        t.parent[i] = naive_parent(s, n, i);
        t.missing[i] = t.parent[i] == TREE_NONE && s[i].parent_id;
    }
    for (uint32_t i = 0; i < n; i++) /* cutting one cycle never makes another */
        if (is_lowest_of_cycle(&t, n, i))
            t.parent[i] = TREE_NONE;
    uint32_t spans = 0, roots = 0;
    for (uint32_t i = 0; i < n; i++) {
        spans += s[i].span_id != 0;
        roots += s[i].span_id && t.parent[i] == TREE_NONE;
        if (s[i].span_id && t.parent[i] == TREE_NONE)
            naive_critical(s, n, &t, i, s[i].start_ns, end_of(&s[i]));
    }
    assert_int_equal(got->count, n);
    assert_int_equal(got->order_count, spans);
    assert_int_equal(got->root_count, roots);
    for (uint32_t i = 0; i < n; i++) {
        const tree_node *node = &got->nodes[i];
        assert_int_equal(node->parent, t.parent[i]);
        assert_int_equal(node->parent_missing, t.missing[i]);
        assert_int_equal(node->depth, naive_depth(&t, i));
        uint32_t children = 0, below = 0;
        for (uint32_t c = 0; c < n; c++) {
            children += s[c].span_id && t.parent[c] == i;
            below += s[c].span_id && is_below(&t, c, i);
        }
        assert_int_equal(node->child_count, children);
        assert_int_equal(node->descendant_count, below);
        assert_int_equal(node->is_critical, t.critical[i]);
        if (s[i].span_id)
            assert_int_equal(node->self_ns, naive_self(s, n, &t, i));
    }
    check_order(s, n, &t, got);
    check_missing(s, n, &t, got);
}

static void random_traces_by_definition(void **state)
{
    uint64_t seed = 1, cycles = 0, missing = 0, critical = 0, nested = 0;
    for (int round = 0; round < 6000; round++) {
        tree_span s[SPANS_MAX];
        uint32_t n = (uint32_t)(check_random(&seed) % (round % 3 ? 12 : SPANS_MAX));
        uint64_t ids = n + check_random(&seed) % 3 + 1;
        bool is_wild = check_random(&seed) % 2; /* any parent, shared ids: cycles too */
        for (uint32_t i = 0; i < n; i++) {
            uint64_t r = check_random(&seed);
            bool is_annotation = r % 10 == 0;
            uint64_t id = is_wild ? 1 + check_random(&seed) % ids : i + 1;
            uint64_t parent = check_random(&seed) % (is_wild ? ids + 2 : i + 1);
            s[i] = (tree_span){.span_id = is_annotation ? 0 : id,
                               .parent_id = parent,
                               .start_ns = (int64_t)(check_random(&seed) % (INSTANTS / 2)),
                               .duration_ns = (int64_t)(check_random(&seed) % (INSTANTS / 2)),
                               .kind = (span_kind)(check_random(&seed) % 6)};
            if (check_random(&seed) % 8 == 0)
                s[i].duration_ns = 0;
        }
        arena *mem = arena_new(MIB);
        tree t;
        err e = {0};
        check_ok(tree_build(s, n, mem, &t, &e), &e);
        check_tree(s, n, &t);
        for (uint32_t i = 0; i < n; i++) {
            cycles +=
                t.nodes[i].parent == TREE_NONE && s[i].parent_id && !t.nodes[i].parent_missing;
            critical += t.nodes[i].is_critical;
            nested += t.nodes[i].depth > 2;
        }
        missing += t.missing_count;
        arena_free(mem);
    }
    assert_true(cycles > 1000 && missing > 1000 && critical > 1000 && nested > 1000);
}

static void one_trace_by_hand(void **state)
{
    /* root 0..100: client 10..90 shared with its server 20..80, which has two queries 30..50, 45..70, and publishes
     * to a consumer 60..200. */
    static const tree_span s[] = {
        {1, 0, 0, 100, KIND_SERVER, false},     {2, 1, 10, 80, KIND_CLIENT, false},
        {2, 1, 20, 60, KIND_SERVER, false},     {3, 2, 30, 20, KIND_CLIENT, false},
        {4, 2, 45, 25, KIND_CLIENT, true},      {5, 2, 60, 140, KIND_CONSUMER, false},
        {0, 3, 35, 0, KIND_UNSPECIFIED, false}, {6, 99, 5, 10, KIND_INTERNAL, false},
    };
    arena *mem = arena_new(MIB);
    tree t;
    err e = {0};
    check_ok(tree_build(s, COUNT_OF(s), mem, &t, &e), &e);
    static const uint32_t order[] = {0, 1, 2, 3, 4, 5, 7};
    assert_int_equal(t.order_count, COUNT_OF(order));
    for (size_t i = 0; i < COUNT_OF(order); i++)
        assert_int_equal(t.order[i], order[i]);
    static const int64_t self[] = {20, 20, 20, 20, 25, 140};
    for (size_t i = 0; i < COUNT_OF(self); i++)
        assert_int_equal(t.nodes[i].self_ns, self[i]);
    assert_int_equal(t.nodes[2].parent, 1); /* the server under the client that shares its id */
    assert_int_equal(t.nodes[3].parent, 2); /* children of the shared id: the server's */
    assert_int_equal(t.nodes[6].parent, 3);
    assert_int_equal(t.nodes[6].depth, 4);
    assert_int_equal(t.missing_count, 1);
    assert_int_equal(t.missing_parents[0], 99);
    static const bool critical[] = {true, true, true, false, true, false};
    for (size_t i = 0; i < COUNT_OF(critical);
         i++) /* 30..50 overlaps 45..70: it ends after the cursor */
        assert_int_equal(t.nodes[i].is_critical, critical[i]);
    assert_int_equal(t.nodes[0].descendant_count, 5);
    arena_free(mem);
}

static void build_long(uint32_t n, bool is_deep)
{
    tree_span *s = calloc(n, sizeof *s);
    for (uint32_t i = 0; i < n; i++)
        s[i] = (tree_span){.span_id = i + 1,
                           .parent_id = is_deep ? i
                                        : i     ? 1
                                                : 0,
                           .start_ns = i,
                           .duration_ns = is_deep ? 2 * (int64_t)(n - i)
                                          : i     ? 1
                                                  : n};
    arena *mem = arena_new(128 * MIB);
    tree t;
    err e = {0};
    check_ok(tree_build(s, n, mem, &t, &e), &e);
    assert_int_equal(t.nodes[0].descendant_count, n - 1);
    assert_int_equal(t.nodes[n - 1].depth, is_deep ? n - 1 : 1);
    for (uint32_t i = 0; i < n; i++)
        assert_true(t.nodes[i].is_critical);
    arena_free(mem);
    free(s);
}

static void long_traces_are_no_trouble(void **state)
{
    build_long(100000, true);
    build_long(100000, false);
    tree_span extreme[] = {{1, 0, INT64_MAX - 5, INT64_MAX, KIND_SERVER, false},
                           {2, 1, INT64_MIN, INT64_MAX, KIND_SERVER, false}};
    arena *mem = arena_new(MIB);
    tree t;
    assert_int_equal(tree_build(extreme, 2, mem, &t, NULL), SK_OK);
    assert_int_equal(t.nodes[0].self_ns, 5);
    assert_int_equal(tree_build(NULL, 0, mem, &t, NULL), SK_OK);
    assert_int_equal(t.order_count, 0);
    arena_free(mem);
}

static void short_memory_is_said(void **state)
{
    static const tree_span s[] = {{1, 7, 0, 5, KIND_SERVER, false},
                                  {2, 1, 0, 5, KIND_CLIENT, false}};
    EACH_ALLOC_FAILURE(n)
    {
        arena *mem = arena_new(MIB);
        tree t;
        err e = {0};
        if (mem) {
            sk_code code = tree_build(s, 2, mem, &t, &e);
            check_code(code, alloc_did_fail() ? SK_NO_MEMORY : SK_OK, &e);
        }
        arena_free(mem);
    }
}

TEST_GROUP(event_tree, TEST(one_trace_by_hand), TEST(random_traces_by_definition),
           TEST(long_traces_are_no_trouble), TEST(short_memory_is_said));
