/*
 * engine/local/derive.c: see derive.h. Spans are grouped by id; those of one id that spans may have as parents are a *target*: the
 * servers of the id (all of it when there are none), and for those servers its clients. What holds for all children or all
 * parents of a target is found once per target, so repeats of one id cost no more than as many ids.
 * Never: recurses; looks at pairs.
 */
#include "engine/local/derive.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/must.h"

typedef struct by_time {
    int64_t time_ns;
    uint32_t span;
} by_time;

typedef struct segment_of_time { /* covered by children; `before`: covered before it */
    int64_t start_ns, end_ns, before_ns;
} segment_of_time;

typedef struct id_class {
    uint32_t first; /* a span that has the id */
    uint32_t server_count, client_count;
} id_class;

typedef struct target {
    uint32_t first_member, last_member, first_child, last_child;
} target;

typedef struct deriver {
    const derive_rules *rules;
    const derive_span *spans;
    derive_result *out;
    uint32_t count, mask, class_count;
    by_time *order;
    uint32_t *slots; /* id → class + 1 */
    id_class *classes;
    target *targets; /* two per class: servers or all; clients */
    uint32_t *class_of, *parent_target, *own_target;
    uint32_t *next_member, *next_child, *queue;
    segment_of_time *segments;
} deriver;

void derive_scratch_done(derive_scratch *s)
{
    agg_free(s->budget, s->at, s->bytes);
    s->at = NULL;
    s->bytes = 0;
}

/* ---- memory ---- */

/* The next piece of `base`, which is NULL while room is only counted. */
static void *carve(uint8_t *base, size_t *used, size_t count, size_t item_bytes)
{
    void *p = base ? base + *used : NULL;
    *used += (count * item_bytes + 15) & ~(size_t)15;
    return p;
}

static size_t lay_out(deriver *d, uint8_t *at)
{
    size_t n = d->count, used = 0;
    d->order = carve(at, &used, n, sizeof *d->order);
    d->slots = carve(at, &used, d->mask + 1ul, sizeof *d->slots);
    d->classes = carve(at, &used, n, sizeof *d->classes);
    d->targets = carve(at, &used, 2 * n, sizeof *d->targets);
    d->class_of = carve(at, &used, n, sizeof *d->class_of);
    d->parent_target = carve(at, &used, n, sizeof *d->parent_target);
    d->own_target = carve(at, &used, n, sizeof *d->own_target);
    d->next_member = carve(at, &used, n, sizeof *d->next_member);
    d->next_child = carve(at, &used, n, sizeof *d->next_child);
    d->queue = carve(at, &used, n, sizeof *d->queue);
    d->segments = carve(at, &used, n, sizeof *d->segments);
    return used;
}

static bool make_room(deriver *d, derive_scratch *s)
{
    size_t bytes = lay_out(d, NULL);
    if (bytes > s->bytes) {
        size_t wanted = bytes + bytes / 2;
        derive_scratch_done(s);
        s->at = agg_alloc(s->budget, wanted);
        if (!s->at)
            return false;
        s->bytes = wanted;
    }
    lay_out(d, s->at);
    return true;
}

/* ---- who is whose parent ---- */

static int compare_times(const void *left, const void *right)
{
    const by_time *a = left, *b = right;
    return (a->time_ns > b->time_ns) - (a->time_ns < b->time_ns);
}

static void sort_spans(deriver *d)
{
    bool is_sorted = true;
    for (uint32_t i = 0; i < d->count; i++) {
        d->order[i] = (by_time){d->spans[i].time_ns, i};
        is_sorted &= i == 0 || d->spans[i - 1].time_ns <= d->spans[i].time_ns;
    }
    if (!is_sorted)
        qsort(d->order, d->count, sizeof *d->order, compare_times);
}

static uint32_t find_class(const deriver *d, uint64_t id, uint32_t *ret_slot)
{
    uint32_t i = (uint32_t)hash_mix(id) & d->mask;
    while (d->slots[i] && d->spans[d->classes[d->slots[i] - 1].first].id != id)
        i = (i + 1) & d->mask;
    *ret_slot = i;
    return d->slots[i] ? d->slots[i] - 1 : DERIVE_NONE;
}

static void find_classes(deriver *d)
{
    memset(d->slots, 0, (d->mask + 1ul) * sizeof *d->slots);
    d->class_count = 0;
    for (uint32_t i = 0; i < d->count; i++) {
        uint32_t slot, c = find_class(d, d->spans[i].id, &slot);
        if (c == DERIVE_NONE) {
            c = d->class_count++;
            d->slots[slot] = c + 1;
            d->classes[c] = (id_class){i, 0, 0};
        }
        d->classes[c].server_count += d->spans[i].kind == KIND_SERVER;
        d->classes[c].client_count += d->spans[i].kind == KIND_CLIENT;
        d->class_of[i] = c;
    }
}

static uint32_t find_parent_target(const deriver *d, uint32_t number)
{
    const derive_span *s = &d->spans[number];
    uint32_t slot, c = d->class_of[number];
    if (s->kind == KIND_SERVER && d->classes[c].client_count)
        return c * 2 + 1;
    if (!s->parent_id || s->parent_id == s->id)
        return DERIVE_NONE;
    c = find_class(d, s->parent_id, &slot);
    return c == DERIVE_NONE ? DERIVE_NONE : c * 2;
}

static uint32_t find_own_target(const deriver *d, uint32_t number)
{
    uint32_t c = d->class_of[number];
    if (!d->classes[c].server_count || d->spans[number].kind == KIND_SERVER)
        return c * 2;
    return d->spans[number].kind == KIND_CLIENT ? c * 2 + 1 : DERIVE_NONE;
}

static void append(uint32_t *first, uint32_t *last, uint32_t *next, uint32_t number)
{
    next[number] = DERIVE_NONE;
    if (*last == DERIVE_NONE)
        *first = number;
    else
        next[*last] = number;
    *last = number;
}

static void find_targets(deriver *d)
{
    for (uint32_t t = 0; t < 2 * d->class_count; t++)
        d->targets[t] = (target){DERIVE_NONE, DERIVE_NONE, DERIVE_NONE, DERIVE_NONE};
    for (uint32_t i = 0; i < d->count; i++) {
        uint32_t number = d->order[i].span;
        uint32_t up = d->parent_target[number] = find_parent_target(d, number);
        uint32_t own = d->own_target[number] = find_own_target(d, number);
        if (up != DERIVE_NONE)
            append(&d->targets[up].first_child, &d->targets[up].last_child, d->next_child, number);
        if (own != DERIVE_NONE)
            append(&d->targets[own].first_member, &d->targets[own].last_member, d->next_member,
                   number);
    }
}

/* ---- values ---- */

static void find_depths(deriver *d)
{
    uint32_t from = 0, end = 0;
    for (uint32_t i = 0; i < d->count; i++) {
        d->out[i].depth = d->parent_target[i] == DERIVE_NONE ? 0 : DERIVE_NONE;
        if (d->parent_target[i] == DERIVE_NONE)
            d->queue[end++] = i;
    }
    while (from < end) {
        uint32_t number = d->queue[from++], t = d->own_target[number];
        if (t == DERIVE_NONE)
            continue;
        for (uint32_t c = d->targets[t].first_child; c != DERIVE_NONE; c = d->next_child[c]) {
            if (d->out[c].depth != DERIVE_NONE)
                break; /* another span of the target was here before: with all of them */
            d->out[c].depth = d->out[number].depth + 1;
            d->queue[end++] = c;
        }
    }
}

/* The time that the target's children cover, as segments. */
static uint32_t cover(deriver *d, const target *t)
{
    uint32_t count = 0;
    for (uint32_t c = t->first_child; c != DERIVE_NONE; c = d->next_child[c]) {
        const derive_span *s = &d->spans[c];
        int64_t end = derive_end(s->time_ns, s->duration_ns);
        segment_of_time *last = count ? &d->segments[count - 1] : NULL;
        if (s->kind == KIND_CONSUMER || end == s->time_ns)
            continue;
        if (last && s->time_ns <= last->end_ns) {
            last->end_ns = end > last->end_ns ? end : last->end_ns;
            continue;
        }
        d->segments[count++] = (segment_of_time){
            s->time_ns, end, last ? last->before_ns + (last->end_ns - last->start_ns) : 0};
    }
    return count;
}

static int64_t covered_before(const deriver *d, uint32_t segment_count, int64_t time_ns)
{
    uint32_t low = 0, high = segment_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (d->segments[middle].start_ns < time_ns)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return 0;
    const segment_of_time *s = &d->segments[low - 1];
    return s->before_ns + (time_ns < s->end_ns ? time_ns : s->end_ns) - s->start_ns;
}

static void find_self_times(deriver *d, const target *t)
{
    uint32_t segment_count = cover(d, t);
    for (uint32_t m = t->first_member; m != DERIVE_NONE; m = d->next_member[m]) {
        int64_t start = d->spans[m].time_ns, end = derive_end(start, d->spans[m].duration_ns);
        if (d->spans[m].duration_ns >= 0)
            d->out[m].self_ns = end - start - covered_before(d, segment_count, end) +
                                covered_before(d, segment_count, start);
    }
}

static bool is_same_resource(const derive_span *a, const derive_span *b)
{
    return a->service == b->service && a->instance == b->instance;
}

/* The parent by which a gap is measured: the first to begin, of those the longest. */
static bool is_better_caller(const derive_span *a, const derive_span *best)
{
    if (!best || a->time_ns != best->time_ns)
        return !best || a->time_ns < best->time_ns;
    return a->duration_ns > best->duration_ns;
}

static void find_gaps(deriver *d, const target *t)
{
    const derive_span *best = NULL, *second = NULL; /* second: the best of another resource */
    for (uint32_t m = t->first_member; m != DERIVE_NONE; m = d->next_member[m])
        if (d->spans[m].duration_ns >= 0 && is_better_caller(&d->spans[m], best))
            best = &d->spans[m];
    for (uint32_t m = t->first_member; best && m != DERIVE_NONE; m = d->next_member[m])
        if (d->spans[m].duration_ns >= 0 && !is_same_resource(&d->spans[m], best) &&
            is_better_caller(&d->spans[m], second))
            second = &d->spans[m];
    for (uint32_t c = t->first_child; best && c != DERIVE_NONE; c = d->next_child[c]) {
        const derive_span *s = &d->spans[c], *caller = is_same_resource(s, best) ? second : best;
        if (caller && s->duration_ns >= 0 && caller->duration_ns >= s->duration_ns)
            d->out[c].gap_ns = caller->duration_ns - s->duration_ns;
    }
}

static bool comes_first(const deriver *d, derive_relation r, uint32_t a, uint32_t best)
{
    const derive_span *x = &d->spans[a], *y = &d->spans[best];
    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns;
    return d->rules->compare && d->rules->compare(d->rules->ctx, r, x, y) < 0;
}

static uint32_t choose(const deriver *d, derive_relation r, uint32_t first, const uint32_t *next)
{
    uint32_t best = DERIVE_NONE;
    for (uint32_t i = first; i != DERIVE_NONE; i = next[i]) {
        if (best != DERIVE_NONE && d->spans[i].time_ns > d->spans[best].time_ns)
            break; /* they are in order of time */
        if ((d->spans[i].match & DERIVE_BIT(r)) &&
            (best == DERIVE_NONE || comes_first(d, r, i, best)))
            best = i;
    }
    return best;
}

static void find_relatives(deriver *d, const target *t)
{
    if (d->rules->relations & DERIVE_BIT(DERIVE_PARENT)) {
        uint32_t parent = choose(d, DERIVE_PARENT, t->first_member, d->next_member);
        for (uint32_t c = t->first_child; c != DERIVE_NONE; c = d->next_child[c])
            d->out[c].chosen[DERIVE_PARENT] = parent;
    }
    if (d->rules->relations & DERIVE_BIT(DERIVE_CHILD)) {
        uint32_t child = choose(d, DERIVE_CHILD, t->first_child, d->next_child);
        for (uint32_t m = t->first_member; m != DERIVE_NONE; m = d->next_member[m])
            d->out[m].chosen[DERIVE_CHILD] = child;
    }
}

/* Roots of the trace begin at the same time; later ones are not the trace's. */
static void find_root(deriver *d, derive_relation r)
{
    uint32_t best = DERIVE_NONE;
    int64_t first_ns = 0;
    bool has_root = false;
    for (uint32_t i = 0; i < d->count; i++) {
        uint32_t number = d->order[i].span;
        const derive_span *s = &d->spans[number];
        if (d->parent_target[number] != DERIVE_NONE || (s->parent_id && s->parent_id != s->id))
            continue;
        if (has_root && s->time_ns > first_ns)
            break;
        has_root = true;
        first_ns = s->time_ns;
        if ((r == DERIVE_TOP || (s->match & DERIVE_BIT(r))) &&
            (best == DERIVE_NONE || comes_first(d, r, number, best)))
            best = number;
    }
    for (uint32_t i = 0; i < d->count; i++)
        d->out[i].chosen[r] = best;
}

bool derive_trace(const derive_rules *rules, const derive_span *spans, uint32_t count,
                  derive_scratch *scratch, derive_result *ret)
{
    deriver d = {.rules = rules, .spans = spans, .out = ret, .count = count, .mask = 15};
    must(count < 1u << 30);
    while (d.mask / 2 < count)
        d.mask = d.mask * 2 + 1;
    if (!make_room(&d, scratch))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        ret[i] =
            (derive_result){.self_ns = spans[i].duration_ns, .gap_ns = -1, .depth = DERIVE_NONE};
        for (int r = 0; r < DERIVE_RELATIONS; r++)
            ret[i].chosen[r] = DERIVE_NONE;
    }
    sort_spans(&d);
    find_classes(&d);
    find_targets(&d);
    if (rules->wants_depth)
        find_depths(&d);
    for (uint32_t t = 0; t < 2 * d.class_count; t++) {
        if (d.targets[t].first_member == DERIVE_NONE || d.targets[t].first_child == DERIVE_NONE)
            continue;
        if (rules->wants_self)
            find_self_times(&d, &d.targets[t]);
        if (rules->wants_gap)
            find_gaps(&d, &d.targets[t]);
        find_relatives(&d, &d.targets[t]);
    }
    if (rules->relations & DERIVE_BIT(DERIVE_ROOT))
        find_root(&d, DERIVE_ROOT);
    if (rules->relations & DERIVE_BIT(DERIVE_TOP))
        find_root(&d, DERIVE_TOP);
    return true;
}
