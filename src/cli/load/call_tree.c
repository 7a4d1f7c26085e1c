/*
 * cli/load/call_tree.c: picks a shape by how often it occurs and lays out its spans in time, each from the quantiles of its
 * operation. Called by cli/load/flow.c.
 */
#include "cli/load/call_tree.h"

#define ERROR_CHANCE 0.06  /* of a trace: one of its leaves fails, and mostly those who called it */
#define PASS_ON      0.8   /* a caller fails with the callee */
#define RETRY_CHANCE 0.003 /* of a call to another service */
#define BACKOFF_NS   (20 * NS_PER_MS)

typedef struct grower {
    dice *d;
    const tree_node *nodes;
    uint32_t node_count;
    grown_span *out;
    uint32_t made;
    uint32_t failing; /* node, or node_count for none */
} grower;

static int64_t draw_ns(dice *d, const uint32_t *quantiles)
{
    static const double at[TREE_QUANTILES] = {0, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1};
    double u = dice_unit(d);
    uint32_t i = 0;
    while (i + 2 < TREE_QUANTILES && u >= at[i + 1])
        i++;
    double low = (double)quantiles[i] + 1, high = (double)quantiles[i + 1] + 1;
    double tenths_us = low * pow(high / low, (u - at[i]) / (at[i + 1] - at[i]));
    return (int64_t)(tenths_us * 100) - 100 + (int64_t)dice_below(d, 100);
}

static uint32_t node_after(const grower *g, uint32_t node) /* the first that is not below `node` */
{
    uint32_t next = node + 1;
    while (next < g->node_count && g->nodes[next].depth > g->nodes[node].depth)
        next++;
    return next;
}

static bool is_call_out(const grower *g, uint32_t node)
{
    uint8_t kind = tree_ops[g->nodes[node].op].kind;
    return kind == TREE_HTTP_CLIENT || kind == TREE_RPC_CLIENT;
}

static int64_t lay_out(grower *g, uint32_t node, int parent, int64_t start_ns);

/* One child, perhaps after a first try that failed. Returns when the one that counts ended; *ret_start: when it began. */
static int64_t lay_out_child(grower *g, uint32_t node, int parent, int64_t anchor_ns,
                             int64_t *ret_start)
{
    const tree_op *op = &tree_ops[g->nodes[node].op];
    int64_t start_ns = anchor_ns + draw_ns(g->d, op->lead);
    bool is_retried = is_call_out(g, node) && dice_chance(g->d, RETRY_CHANCE);
    uint32_t first = g->made;
    if (is_retried && g->made + 2 * (node_after(g, node) - node) < TREE_SPANS_MAX) {
        int64_t end_ns = lay_out(g, node, parent, start_ns);
        g->out[first].is_error = true;
        start_ns = end_ns + BACKOFF_NS + draw_ns(g->d, op->lead);
        first = g->made;
    } else
        is_retried = false;
    *ret_start = start_ns;
    int64_t end_ns = lay_out(g, node, parent, start_ns);
    if (first < g->made)
        g->out[first].is_retry = is_retried;
    return end_ns;
}

/* A node and all below it. Depth is the tree's, at most 15. Returns its end. */
static int64_t lay_out(grower *g, uint32_t node, int parent, int64_t start_ns)
{
    if (g->made >= TREE_SPANS_MAX)
        return start_ns;
    const tree_op *op = &tree_ops[g->nodes[node].op];
    uint32_t self = g->made++, end = node_after(g, node);
    g->out[self] = (grown_span){.op = g->nodes[node].op,
                                .parent = (int16_t)parent,
                                .start_ns = start_ns,
                                .is_error = node == g->failing};
    int64_t done_ns = start_ns, last_start_ns = start_ns;
    for (uint32_t child = node + 1; child < end; child = node_after(g, child)) {
        const tree_op *child_op = &tree_ops[g->nodes[child].op];
        bool is_beside = (child_op->flags & TREE_BESIDE) && child != node + 1;
        uint32_t first = g->made;
        int64_t child_end_ns =
            lay_out_child(g, child, (int)self, is_beside ? last_start_ns : done_ns, &last_start_ns);
        if (!(child_op->flags & TREE_ASYNC) && child_end_ns > done_ns)
            done_ns = child_end_ns;
        if (g->failing < g->node_count && child <= g->failing &&
            g->failing < node_after(g, child) && first < g->made && g->out[first].is_error)
            g->out[self].is_error = dice_chance(g->d, PASS_ON);
    }
    g->out[self].end_ns = done_ns + draw_ns(g->d, op->tail);
    return g->out[self].end_ns;
}

static const tree_shape *pick_shape(dice *d)
{
    uint32_t total = 0;
    for (uint32_t i = 0; i < tree_shape_count; i++)
        total += tree_shapes[i].weight;
    uint32_t drawn = dice_below(d, total), i = 0;
    while (drawn >= tree_shapes[i].weight)
        drawn -= tree_shapes[i++].weight;
    return &tree_shapes[i];
}

uint32_t tree_grow(dice *d, int64_t start_ns, grown_span *out)
{
    const tree_shape *shape = pick_shape(d);
    grower g = {.d = d, .nodes = tree_nodes + shape->first, .node_count = shape->count, .out = out};
    g.failing = g.node_count;
    if (dice_chance(d, ERROR_CHANCE)) {
        g.failing = dice_below(d, g.node_count);
        while (node_after(&g, g.failing) > g.failing + 1) /* down to a leaf */
            g.failing++;
    }
    lay_out(&g, 0, -1, start_ns);
    return g.made;
}
