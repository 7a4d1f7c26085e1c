/*
 * cli/load/flow.c: a heap of spans by the time at which they leave. Called by shape_b.c and shape_logs.c. It holds what is under
 * way at one instant, so its size follows the rate of the plan and not its length.
 */
#include "cli/load/flow.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "cli/load/call_tree.h"

#define LATE_CHANCE     0.001  /* 20 s to 5 min after its end */
#define MISDATED_CHANCE 0.0002 /* 2 to 20 h ago */
#define SKEWED_ONE_IN   16u    /* senders whose clock is off, by up to 8 ms */
#define ORDERS          500000u

typedef struct heap {
    flow_span *at;
    uint32_t count, capacity;
} heap;

static bool heap_push(heap *h, const flow_span *s)
{
    if (!base_reserve(&h->at, &h->capacity, h->count + 1, sizeof *h->at))
        return false;
    uint32_t i = h->count++;
    for (; i && h->at[(i - 1) / 2].ready_ns > s->ready_ns; i = (i - 1) / 2)
        h->at[i] = h->at[(i - 1) / 2];
    h->at[i] = *s;
    return true;
}

static flow_span heap_pop(heap *h)
{
    flow_span top = h->at[0], last = h->at[--h->count];
    uint32_t i = 0;
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child + 1 < h->count && h->at[child + 1].ready_ns < h->at[child].ready_ns)
            child++;
        if (child >= h->count || h->at[child].ready_ns >= last.ready_ns)
            break;
        h->at[i] = h->at[child];
        i = child;
    }
    if (h->count)
        h->at[i] = last;
    return top;
}

/* What is the same for a pod or a user every time follows from a hash, not from the dice. */
static int64_t skew_ns(uint64_t seed, uint32_t sender)
{
    uint64_t h = hash_mix(seed * 1000003 + sender);
    return h % SKEWED_ONE_IN ? 0 : (int64_t)(h >> 40) - (1 << 23);
}

static bool push_trace(heap *h, dice *d, const load_plan *plan, int64_t start_ns,
                       uint32_t *ret_count)
{
    grown_span grown[TREE_SPANS_MAX];
    uint64_t ids[TREE_SPANS_MAX], hi = dice_u64(d), lo = dice_u64(d), mix = dice_u64(d);
    uint32_t count = tree_grow(d, start_ns, grown);
    uint32_t user = (uint32_t)pow(LOAD_USERS, dice_unit(d)) - 1;
    uint32_t order = dice_below(d, ORDERS);
    *ret_count = count;
    for (uint32_t i = 0; i < count; i++) {
        const grown_span *g = &grown[i];
        uint32_t service = tree_ops[g->op].service;
        uint64_t place = hash_mix(mix + service);
        ids[i] = dice_u64(d) | 1;
        flow_span s = {.trace_hi = hi,
                       .trace_lo = lo,
                       .id = ids[i],
                       .parent = g->parent >= 0 ? ids[g->parent] : 0,
                       .seed = dice_u64(d),
                       .user = user,
                       .order = order,
                       .op = g->op,
                       .sender = (uint16_t)(service * FLOW_PODS + place % FLOW_PODS),
                       .thread = (uint8_t)(1 + (place >> 8) % 48),
                       .is_error = g->is_error,
                       .is_retry = g->is_retry};
        int64_t off_ns = skew_ns(plan->seed, s.sender);
        if (dice_chance(d, MISDATED_CHANCE))
            off_ns -= (int64_t)((2 + 18 * dice_unit(d)) * 3600e9);
        s.start_ns = g->start_ns + off_ns;
        s.end_ns = g->end_ns + off_ns;
        s.ready_ns = g->end_ns;
        if (dice_chance(d, LATE_CHANCE))
            s.ready_ns += (int64_t)((20 + 280 * dice_unit(d)) * 1e9);
        if (!heap_push(h, &s))
            return false;
    }
    return true;
}

sk_code flow_run(const flow *f, err *e)
{
    const load_plan *plan = f->plan;
    dice d = {plan->seed};
    heap h = {0};
    double wanted = (double)plan->items / f->items_a_span;
    bool is_short = false;
    uint32_t count;
    for (double made = 0; made < wanted && !is_short && !f->is_over(f->ctx); made += count) {
        int64_t now_ns = plan->start_ns + (int64_t)((double)plan->window_ns * made / wanted);
        while (h.count && h.at[0].ready_ns <= now_ns) {
            flow_span s = heap_pop(&h);
            f->put(f->ctx, &s);
        }
        is_short = !push_trace(&h, &d, plan, now_ns, &count);
    }
    while (h.count && !is_short && !f->is_over(f->ctx)) {
        flow_span s = heap_pop(&h);
        f->put(f->ctx, &s);
    }
    base_free(h.at);
    return is_short ? err_set(e, SK_NO_MEMORY, "out of memory") : SK_OK;
}
