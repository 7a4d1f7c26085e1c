/*
 * query/finish.c: group tables to results (finish.h): HAVING, order, LIMIT, totals, other, series, and the sentences that
 * say what is approximate. Called by engine/local at the end of a query and for partial results, by one thread.
 * Never: changes the table it reads (workers may go on with it later).
 */
#include "query/finish.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/must.h"

/* A finisher reads one table. `whole` has one cell per group: its states over all buckets. */
typedef struct finisher {
    const groups *g;
    const plan *plan;
    agg_states *whole;
    bool owns_whole;
    arena *mem;
} finisher;

static agg_buckets one_bucket(const agg_buckets *b)
{
    return (agg_buckets){b->start_ns, b->end_ns, b->end_ns - b->start_ns, 1};
}

static bool fold_groups(finisher *f, agg_states *whole, const agg_states *from)
{
    uint32_t buckets = f->g->buckets.count;
    if (!agg_states_grow(whole, f->g->count))
        return false;
    for (uint32_t n = 0; n < f->g->count; n++)
        for (uint32_t b = 0; b < buckets; b++)
            agg_merge(whole, n, from, n * buckets + b);
    return agg_settle(whole);
}

static bool finisher_init(finisher *f, const groups *g, arena *mem)
{
    *f = (finisher){.g = g, .plan = g->plan, .mem = mem, .owns_whole = g->buckets.count > 1};
    f->whole = ARENA_ARRAY(mem, agg_states, g->state_count);
    if (!f->whole)
        return false;
    agg_buckets one = one_bucket(&g->buckets);
    for (uint32_t i = 0; i < g->state_count; i++) {
        const agg_states *from = &g->states[i].states;
        if (f->owns_whole)
            agg_states_init(&f->whole[i], from->family, &one, g->budget);
        else
            f->whole[i] = *from;
    }
    if (f->owns_whole)
        for (uint32_t i = 0; i < g->state_count; i++)
            if (!fold_groups(f, &f->whole[i], &g->states[i].states))
                return false;
    return true;
}

static void finisher_done(finisher *f)
{
    if (f->owns_whole && f->whole)
        for (uint32_t i = 0; i < f->g->state_count; i++)
            agg_states_done(&f->whole[i]);
    f->whole = NULL;
}

static sk_code finish_failed(const finisher *f, err *e)
{
    if (atomic_load(&f->g->budget->failed))
        return finish_budget_error(f->g->budget, e);
    return err_set(
        e, SK_TOO_LARGE,
        "the result passes the memory that one answer may take; ask for fewer groups (LIMIT) or a "
        "coarser granularity");
}

sk_code finish_memory_error(const agg_budget *b, err *e)
{
    if (!b->account || !atomic_load(&b->has_no_room))
        return err_set(e, SK_NO_MEMORY, "memory ran out while the query was running");
    return err_set(
        e, SK_NO_MEMORY,
        "the memory bound (--memory-max, %zu MiB) has no room for this query beside what arrives "
        "and other queries: ask again, or for a shorter time range",
        memory_max(b->account) / MIB);
}

sk_code finish_budget_error(const agg_budget *b, err *e)
{
    if (atomic_load(&b->failed) == SK_NO_MEMORY)
        return finish_memory_error(b, e);
    return err_set(
        e, SK_TOO_LARGE,
        "the query's groups take more than query_memory_max (%zu MiB): filter, shorten the time "
        "range or group by fields with fewer values",
        b->max_bytes / MIB);
}

/* ---- values ---- */

static int64_t bucket_length(const agg_buckets *b, uint32_t bucket)
{
    return bucket + 1 < b->count ? b->granularity_ns
                                 : b->end_ns - b->start_ns - (int64_t)bucket * b->granularity_ns;
}

/* Calculation of states that have one cell per bucket, beginning at `first`: the value in `bucket`. */
static result_value bucket_value(const finisher *f, const agg_buckets *buckets, const agg_states *s,
                                 uint32_t first, uint32_t bucket, calc_op op)
{
    const agg_rule *rule = agg_rule_of(op);
    result_value now, before;
    rule->finish(s, first + bucket, op, bucket_length(buckets, bucket), f->mem, &now);
    if (!rule->is_rate)
        return now;
    if (bucket == 0)
        return (result_value){.kind = RESULT_NULL};
    rule->finish(s, first + bucket - 1, op, bucket_length(buckets, bucket - 1), f->mem, &before);
    return agg_rate(now, before);
}

/* A rate over all buckets: the last bucket that has a value minus the first. */
static result_value rate_over_all(const finisher *f, const agg_states *s, uint32_t first,
                                  calc_op op)
{
    const agg_rule *rule = agg_rule_of(op);
    result_value earliest = {.kind = RESULT_NULL}, latest = {.kind = RESULT_NULL};
    for (uint32_t b = 0; b < f->g->buckets.count; b++) {
        result_value v;
        rule->finish(s, first + b, op, bucket_length(&f->g->buckets, b), f->mem, &v);
        if (v.kind == RESULT_NULL)
            continue;
        if (earliest.kind == RESULT_NULL)
            earliest = v;
        latest = v;
    }
    return agg_rate(latest, earliest);
}

static result_value group_value(const finisher *f, uint32_t group, uint32_t calc)
{
    uint32_t at = f->g->calc_states[calc];
    result_value v = {.kind = RESULT_NULL};
    if (at == STATES_NONE)
        return v;
    calc_op op = f->plan->calcs[calc].op;
    const agg_rule *rule = agg_rule_of(op);
    if (rule->is_rate)
        return rate_over_all(f, &f->g->states[at].states, group * f->g->buckets.count, op);
    rule->finish(&f->whole[at], group, op, f->g->buckets.end_ns - f->g->buckets.start_ns, f->mem,
                 &v);
    return v;
}

/* ---- choosing ---- */

void finish_choice_needs(const plan *p, bool *wanted)
{
    memset(wanted, 0, p->calc_count * sizeof *wanted);
    for (uint32_t i = 0; i < p->order_count; i++)
        if (p->orders[i].is_calc)
            wanted[p->orders[i].index] = true;
    for (uint32_t i = 0; i < p->having_count; i++)
        wanted[p->havings[i].calc] = true;
    if (p->order_count == 0 && p->calc_count)
        wanted[0] = true;
}

bool finish_having_holds(const plan_having *h, result_value v)
{
    if (v.kind != RESULT_INT && v.kind != RESULT_NUMBER)
        return false;
    double x = v.kind == RESULT_INT ? (double)v.i : v.f;
    switch ((int)h->compare) {
    case FILTER_EQ: return x == h->value;
    case FILTER_NE: return x != h->value;
    case FILTER_GT: return x > h->value;
    case FILTER_GE: return x >= h->value;
    case FILTER_LT: return x < h->value;
    case FILTER_LE: return x <= h->value;
    default: never();
    }
}

static bool passes_having(const finisher *f, uint32_t group)
{
    arena_mark mark = arena_here(f->mem);
    bool passes = true;
    for (uint32_t i = 0; i < f->plan->having_count && passes; i++)
        passes = finish_having_holds(&f->plan->havings[i],
                                     group_value(f, group, f->plan->havings[i].calc));
    arena_rewind(f->mem, mark);
    return passes;
}

/* What a row is ordered by. A HEATMAP counts by its total weight, so that one cell of that weight stands for it. */
static result_value order_value(const finisher *f, uint32_t group, uint32_t calc)
{
    uint32_t at = f->g->calc_states[calc];
    if (f->plan->calcs[calc].op != CALC_HEATMAP || at == STATES_NONE)
        return group_value(f, group, calc);
    uint64_t weight = sketch_weight(&f->whole[at], group);
    heatmap_cell *cell = ARENA_NEW(f->mem, heatmap_cell);
    if (!weight || !cell)
        return (result_value){.kind = RESULT_NULL};
    cell->count = weight;
    return (result_value){.kind = RESULT_HEATMAP, .heatmap = {cell, 1}};
}

/* Candidates in a heap whose top is the last in order, so that it is the one that a better row replaces. */
typedef struct candidate {
    result_row row;
    uint32_t group;
    result_value *values; /* keys, then calculations: row points here */
} candidate;

typedef struct ranking {
    finisher *f;
    const bool *wanted;
    candidate *heap;
    uint32_t count, limit;
} ranking;

static bool fill_calcs(ranking *r, candidate *c, uint32_t group)
{
    const plan *p = r->f->plan;
    if (!c->values)
        c->values = ARENA_ARRAY(r->f->mem, result_value, p->breakdown_count + p->calc_count + 1);
    if (!c->values)
        return false;
    c->group = group;
    c->row = (result_row){.keys = c->values, .calcs = c->values + p->breakdown_count};
    for (uint32_t i = 0; i < p->calc_count; i++)
        c->values[p->breakdown_count + i] =
            r->wanted[i] ? order_value(r->f, group, i) : (result_value){.kind = RESULT_NULL};
    return !arena_failed(r->f->mem);
}

static bool fill_keys(ranking *r, candidate *c)
{
    for (uint32_t b = 0; b < r->f->plan->breakdown_count; b++)
        c->values[b] =
            group_keys_value(r->f->g->keys, b, groups_tuple(r->f->g, c->group)[b], r->f->mem);
    return !arena_failed(r->f->mem);
}

static bool comes_before(const ranking *r, const candidate *a, const candidate *b)
{
    return result_compare_rows(r->f->plan, &a->row, &b->row) < 0;
}

static void sift_down(ranking *r, uint32_t at, uint32_t count)
{
    for (;;) {
        uint32_t last = at, left = 2 * at + 1;
        for (uint32_t child = left; child < left + 2 && child < count; child++)
            if (comes_before(r, &r->heap[last], &r->heap[child]))
                last = child;
        if (last == at)
            return;
        candidate swap = r->heap[at];
        r->heap[at] = r->heap[last];
        r->heap[last] = swap;
        at = last;
    }
}

/* Keeps the first `limit` rows. What a refused row took of the arena is given back. */
static bool rank_group(ranking *r, candidate *spare, uint32_t group)
{
    if (r->count < r->limit) {
        if (!fill_calcs(r, &r->heap[r->count], group) || !fill_keys(r, &r->heap[r->count]))
            return false;
        if (++r->count == r->limit)
            for (uint32_t i = r->limit / 2 + 1; i-- > 0;)
                sift_down(r, i, r->count);
        return true;
    }
    arena_mark mark = arena_here(r->f->mem);
    if (!fill_calcs(r, spare, group))
        return false;
    /* Keys cost a text each: of most groups they are not asked. */
    bool is_last = result_compare_calcs(r->f->plan, &spare->row, &r->heap[0].row) > 0;
    if (!is_last && !fill_keys(r, spare))
        return false;
    if (!is_last && comes_before(r, spare, &r->heap[0])) {
        candidate swap = r->heap[0];
        r->heap[0] = *spare;
        *spare = swap;
        sift_down(r, 0, r->count);
    } else {
        arena_rewind(r->f->mem, mark);
    }
    return true;
}

static void sort_ranking(ranking *r)
{
    if (r->count < r->limit)
        for (uint32_t i = r->count / 2 + 1; i-- > 0;)
            sift_down(r, i, r->count);
    for (uint32_t end = r->count; end > 1; end--) {
        candidate swap = r->heap[0];
        r->heap[0] = r->heap[end - 1];
        r->heap[end - 1] = swap;
        sift_down(r, 0, end - 1);
    }
}

static bool choose(finisher *f, finish_choice *ret)
{
    const groups *g = f->g;
    const plan *p = f->plan;
    uint32_t limit = p->limit < g->count ? p->limit : g->count;
    bool *wanted = ARENA_ARRAY(f->mem, bool, p->calc_count + 1);
    ret->place = ARENA_ARRAY(f->mem, uint32_t, g->count + 1);
    ret->groups = ARENA_ARRAY(f->mem, uint32_t, limit + 1);
    ranking r = {.f = f,
                 .wanted = wanted,
                 .limit = limit,
                 .heap = ARENA_ARRAY(f->mem, candidate, limit + 1)};
    result_value *spare_values =
        ARENA_ARRAY(f->mem, result_value, p->breakdown_count + p->calc_count + 1);
    if (!wanted || !ret->place || !ret->groups || !r.heap || !spare_values)
        return false;
    candidate spare = {.values = spare_values};
    finish_choice_needs(p, wanted);
    for (uint32_t n = 0; n < g->count; n++) {
        bool passes = p->having_count == 0 || passes_having(f, n);
        ret->place[n] = passes ? FINISH_OTHER : FINISH_REST;
        ret->group_count += passes;
        if (passes && limit && !rank_group(&r, &spare, n))
            return false;
    }
    sort_ranking(&r);
    for (uint32_t i = 0; i < r.count; i++) {
        ret->groups[i] = r.heap[i].group;
        ret->place[r.heap[i].group] = i;
    }
    ret->count = r.count;
    return true;
}

sk_code finish_choose(const groups *g, arena *mem, finish_choice *ret, err *e)
{
    finisher f;
    *ret = (finish_choice){0};
    bool is_done = finisher_init(&f, g, mem) && choose(&f, ret);
    finisher_done(&f);
    return is_done ? SK_OK : finish_failed(&f, e);
}

/* ---- the result ---- */

static const result_value *row_keys(const finisher *f, uint32_t group)
{
    uint32_t count = f->plan->breakdown_count;
    result_value *keys = ARENA_ARRAY(f->mem, result_value, count + 1);
    if (!keys)
        return NULL;
    for (uint32_t b = 0; b < count; b++) {
        keys[b] = group_keys_value(f->g->keys, b, groups_tuple(f->g, group)[b], f->mem);
        if (keys[b].kind == RESULT_TEXT && !arena_copy(f->mem, keys[b].text, &keys[b].text))
            return NULL;
    }
    return keys;
}

static bool fill_rows(const finisher *f, const finish_choice *choice, result *ret)
{
    ret->rows = ARENA_ARRAY(f->mem, result_row, choice->count + 1);
    if (!ret->rows)
        return false;
    for (uint32_t i = 0; i < choice->count; i++) {
        uint32_t group = choice->groups[i];
        result_value *calcs = ARENA_ARRAY(f->mem, result_value, f->plan->calc_count + 1);
        const result_value *keys = row_keys(f, group);
        if (!calcs || !keys)
            return false;
        for (uint32_t c = 0; c < f->plan->calc_count; c++)
            calcs[c] = group_value(f, group, c);
        ret->rows[i] = (result_row){f->plan->start_ns, keys, calcs};
    }
    ret->row_count = choice->count;
    return !arena_failed(f->mem);
}

static bool has_point(const groups *g, uint32_t cell)
{
    if (g->row_states != STATES_NONE && !agg_is_empty(&g->states[g->row_states].states, cell))
        return true;
    for (uint32_t i = 0; i < g->state_count; i++)
        if (g->states[i].states.family == AGG_CONCURRENCY &&
            !agg_is_empty(&g->states[i].states, cell))
            return true;
    return false;
}

static bool fill_point(const finisher *f, const groups *g, uint32_t group, uint32_t bucket,
                       const result_value *keys, result_row *ret)
{
    result_value *calcs = ARENA_ARRAY(f->mem, result_value, f->plan->calc_count + 1);
    if (!calcs)
        return false;
    for (uint32_t c = 0; c < f->plan->calc_count; c++)
        if (g->calc_states[c] != STATES_NONE)
            calcs[c] = bucket_value(f, &g->buckets, &g->states[g->calc_states[c]].states,
                                    group * g->buckets.count, bucket, f->plan->calcs[c].op);
    *ret = (result_row){g->buckets.start_ns + (int64_t)bucket * g->buckets.granularity_ns, keys,
                        calcs};
    return true;
}

static bool fill_series(const finisher *f, const finish_choice *choice, const groups *series,
                        result *ret)
{
    const groups *g = series ? series : f->g;
    uint32_t count = 0;
    for (uint32_t i = 0; i < choice->count; i++)
        for (uint32_t b = 0; b < g->buckets.count; b++)
            count += has_point(g, (series ? i : choice->groups[i]) * g->buckets.count + b);
    ret->series = ARENA_ARRAY(f->mem, result_row, count + 1);
    if (!ret->series)
        return false;
    for (uint32_t b = 0; b < g->buckets.count; b++)
        for (uint32_t i = 0; i < choice->count; i++) {
            uint32_t group = series ? i : choice->groups[i];
            if (!has_point(g, group * g->buckets.count + b))
                continue;
            if (!fill_point(f, g, group, b, ret->rows[i].keys, &ret->series[ret->series_count]))
                return false;
            ret->series_count++;
        }
    return !arena_failed(f->mem);
}

/* One calculation over the groups past LIMIT (`other`), and over all, each looked at once. */
static bool merge_calc(const finisher *f, const finish_choice *choice, uint32_t calc,
                       result_value *ret_total, result_value *ret_other, bool *ret_is_estimate)
{
    const groups *g = f->g;
    uint32_t at = g->calc_states[calc];
    *ret_total = *ret_other = (result_value){.kind = RESULT_NULL};
    if (at == STATES_NONE)
        return true;
    calc_op op = f->plan->calcs[calc].op;
    const agg_rule *rule = agg_rule_of(op);
    uint32_t buckets = rule->is_rate ? g->buckets.count : 1;
    const agg_states *from = rule->is_rate ? &g->states[at].states : &f->whole[at];
    agg_states sum; /* cells of other, then of all */
    agg_states_init(&sum, from->family, &from->buckets, g->budget);
    bool is_done = agg_states_grow(&sum, 2 * buckets);
    for (uint32_t n = 0; is_done && n < g->count; n++) {
        uint32_t into = choice->place[n] == FINISH_OTHER ? 0 : buckets;
        for (uint32_t b = 0; b < buckets; b++)
            agg_merge(&sum, into + b, from, n * buckets + b);
    }
    is_done = is_done && atomic_load(&g->budget->failed) == 0 && agg_settle(&sum);
    int64_t length_ns = g->buckets.end_ns - g->buckets.start_ns;
    for (int is_all = 0; is_all < 2 && is_done; is_all++) {
        result_value *ret = is_all ? ret_total : ret_other;
        if (is_all)
            for (uint32_t b = 0; b < buckets; b++)
                agg_merge(&sum, buckets + b, &sum, b);
        uint32_t first = is_all ? buckets : 0;
        if (rule->is_rate)
            *ret = rate_over_all(f, &sum, first, op);
        else
            rule->finish(&sum, first, op, length_ns, f->mem, ret);
        *ret_is_estimate |= agg_is_estimate(&sum, first);
    }
    is_done = is_done && atomic_load(&g->budget->failed) == 0;
    agg_states_done(&sum);
    return is_done;
}

static bool fill_merged(const finisher *f, const finish_choice *choice, bool *estimates,
                        result *ret)
{
    result_value *total = ARENA_ARRAY(f->mem, result_value, f->plan->calc_count + 1);
    result_value *other = ARENA_ARRAY(f->mem, result_value, f->plan->calc_count + 1);
    if (!total || !other)
        return false;
    for (uint32_t c = 0; c < f->plan->calc_count; c++)
        if (!merge_calc(f, choice, c, &total[c], &other[c], &estimates[c]))
            return false;
    ret->total = total;
    ret->has_total = true;
    ret->group_count = choice->group_count;
    ret->has_other = choice->group_count > choice->count;
    if (ret->has_other)
        ret->other = other;
    return true;
}

static bool fill_approximate(const finisher *f, const bool *estimates, result *ret)
{
    const char **lines = ARENA_ARRAY(f->mem, const char *, f->plan->calc_count + 1);
    if (!lines)
        return false;
    for (uint32_t c = 0; c < f->plan->calc_count; c++) {
        const plan_calc *calc = &f->plan->calcs[c];
        double quantile;
        span line = {0};
        if (calc_op_percentile(calc->op, &quantile))
            line = arena_print(f->mem, "%.*s: ±0.8 %% (log buckets, 64 to the octave)%c",
                               SPAN_FMT(calc->result_key), 0);
        else if (estimates[c])
            line = arena_print(f->mem, "%.*s: ±1.6 %% (HyperLogLog, over %u values)%c",
                               SPAN_FMT(calc->result_key), AGG_DISTINCT_EXACT, 0);
        else
            continue;
        if (!line.at)
            return false;
        lines[ret->approximate_count++] = (const char *)line.at;
    }
    ret->approximate = lines;
    return true;
}

static bool fill_result(finisher *f, const finish_choice *choice, const groups *series, result *ret)
{
    bool *estimates = ARENA_ARRAY(f->mem, bool, f->plan->calc_count + 1);
    if (!estimates || !fill_rows(f, choice, ret))
        return false;
    if (f->plan->wants_series && !fill_series(f, choice, series, ret))
        return false;
    return fill_merged(f, choice, estimates, ret) && fill_approximate(f, estimates, ret);
}

sk_code finish_result(const groups *g, const finish_choice *choice, const groups *series,
                      arena *mem, result *ret, err *e)
{
    finisher f;
    *ret = (result){.plan = g->plan};
    bool is_done = finisher_init(&f, g, mem) && fill_result(&f, choice, series, ret);
    finisher_done(&f);
    return is_done ? SK_OK : finish_failed(&f, e);
}
