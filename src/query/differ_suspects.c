/*
 * query/differ_suspects.c: services by how much longer their own work, and the way to and from them, takes than that of like spans of
 * the baseline (docs/internals/differences.md). A delayed service makes every caller above it slow, so no whole duration is
 * looked at. What happens between two services is shared out so that one service explains as much as it can. Called by
 * engines through differences.h.
 */
#include <math.h>
#include <stdlib.h>

#include "query/differences.h"
#include "query/spec_private.h"

#define PRIOR_ROWS 10.0 /* so many rows without any difference are imagined beside the real ones */
#define ERROR_FLOOR                                                                                \
    0.1 /* an error where there was none counts as log(1.1 / 0.1): 11 times as long */
#define ROUNDS_MAX  200u
#define ENOUGH_ROWS 50u
#define ENOUGH      0.6931471805599453 /* twice as long; less is often chance */

typedef struct edge {
    uint32_t caller, callee; /* nodes */
    double rows, shift, variance, excess_us;
} edge;

typedef struct node {
    uint32_t service;
    /* sums over cells; BETWEEN: those called */
    double rows[DIFFER_KINDS], shift[DIFFER_KINDS], variance[DIFFER_KINDS];
    double error_rows, error_shift, excess_us;
    double edge_rows, edge_shift; /* sums over its edges */
    double delay;                 /* what the fit gives it */
    uint32_t first_edge, edge_count;
} node;

typedef struct suspecting {
    arena *mem;
    differ_cell *cells;
    uint32_t cell_count, node_count, edge_count;
    node *nodes;
    edge *edges;
    uint32_t *edges_of;
    double *time_shift, *variance, *error_shift, *excess; /* per cell */
    double whole_us;
} suspecting;

/* log(x) for x from 1 on, by the series of atanh: within 1e-8, the same wherever it is computed, and asked for every span. */
static double log_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int64_t exponent = (int64_t)(bits >> 52) - 1023;
    bits = (bits & (((uint64_t)1 << 52) - 1)) | (uint64_t)1023 << 52;
    double m; /* [1, 2), made [0.75, 1.5) */
    memcpy(&m, &bits, sizeof m);
    if (m >= 1.5) {
        m /= 2;
        exponent++;
    }
    double f = (m - 1) / (m + 1), s = f * f;
    double series = 1 + s * (1 / 3.0 + s * (1 / 5.0 + s * (1 / 7.0 + s / 9.0)));
    return 2 * f * series + (double)exponent * 0.6931471805599453;
}

int64_t differ_log(int64_t ns)
{
    return (int64_t)(log_of(1 + (double)(ns < 0 ? 0 : ns) * 1e-6) * DIFFER_LOG_ONE + 0.5);
}

/* ---- each cell against its like ---- */

static int compare_cells(const void *left, const void *right)
{
    const differ_cell *a = left, *b = right;
    const uint32_t x[] = {a->kind, a->caller, a->service, a->name, a->instance},
                   y[] = {b->kind, b->caller, b->service, b->name, b->instance};
    for (size_t i = 0; i < COUNT_OF(x); i++)
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    return 0;
}

static bool is_like(const differ_cell *a, const differ_cell *b)
{
    return a->kind == b->kind && a->caller == b->caller && a->service == b->service &&
           a->name == b->name;
}

typedef struct expectation {
    double rows, mean_log, variance, mean_us, timed_rows, errors; /* errors: share */
} expectation;

/* Of one time's log, given sums over them. */
static double variance_of(double weight, double logs, double squares)
{
    double unit = DIFFER_LOG_ONE / (1 << DIFFER_SQUARE_SHIFT),
           mean = logs / weight / DIFFER_LOG_ONE;
    return weight > 0 ? fmax(0, squares / weight / (unit * unit) - mean * mean) : 0;
}

static expectation expect(const differ_cell *cells, uint32_t count)
{
    double weight = 0, timed = 0, us = 0, logs = 0, squares = 0, errors = 0;
    expectation x = {0};
    for (uint32_t i = 0; i < count; i++) {
        const differ_cell *c = &cells[i];
        x.rows += (double)c->rows[DIFFER_BASELINE];
        x.timed_rows += (double)c->timed_rows[DIFFER_BASELINE];
        weight += (double)c->weight[DIFFER_BASELINE];
        timed += (double)c->timed_weight[DIFFER_BASELINE];
        us += (double)c->us[DIFFER_BASELINE];
        logs += (double)c->logs[DIFFER_BASELINE];
        squares += (double)c->squares[DIFFER_BASELINE];
        errors += (double)c->errors[DIFFER_BASELINE];
    }
    x.mean_log = timed > 0 ? logs / timed / DIFFER_LOG_ONE : 0;
    x.variance = variance_of(timed, logs, squares);
    x.mean_us = timed > 0 ? us / timed : 0;
    x.errors = weight > 0 ? errors / weight : 0;
    return x;
}

/* How far the selected spans of a cell are from what is expected, times their rows; less so when few are known. */
static void measure(suspecting *s, uint32_t i, const expectation *x)
{
    const differ_cell *c = &s->cells[i];
    double weight = (double)c->weight[DIFFER_SELECTION],
           timed = (double)c->timed_weight[DIFFER_SELECTION];
    if (timed > 0 && x->timed_rows > 0) {
        double mean = (double)c->logs[DIFFER_SELECTION] / timed / DIFFER_LOG_ONE;
        double rows = (double)c->timed_rows[DIFFER_SELECTION];
        double own = variance_of(timed, (double)c->logs[DIFFER_SELECTION],
                                 (double)c->squares[DIFFER_SELECTION]);
        s->time_shift[i] = (mean - x->mean_log) * rows * x->timed_rows / (x->timed_rows + 1);
        s->variance[i] = rows * fmax(own, x->variance) + rows * rows * x->variance / x->timed_rows;
        s->excess[i] = (double)c->us[DIFFER_SELECTION] - timed * x->mean_us;
    }
    if (weight > 0 && x->rows > 0) {
        double share = (double)c->errors[DIFFER_SELECTION] / weight;
        double with = log((1 + ERROR_FLOOR) / (x->errors + ERROR_FLOOR)),
               without = log(ERROR_FLOOR / (x->errors + ERROR_FLOOR));
        s->error_shift[i] = (share * with + (1 - share) * without) *
                            (double)c->rows[DIFFER_SELECTION] * x->rows / (x->rows + 1);
    }
}

static void measure_all(suspecting *s)
{
    for (uint32_t from = 0, end; from < s->cell_count; from = end) {
        for (end = from + 1; end < s->cell_count && is_like(&s->cells[from], &s->cells[end]);)
            end++;
        expectation x = expect(s->cells + from, end - from);
        double excess = 0;
        for (uint32_t i = from; i < end; i++) {
            measure(s, i, &x);
            excess += s->excess[i];
        }
        for (uint32_t i = from; i < end;
             i++) /* kinds of spans that took less time explain nothing */
            s->excess[i] = excess > 0 ? s->excess[i] : 0;
        if (s->cells[from].kind != DIFFER_OWN) /* that is in the visits */
            s->whole_us += excess > 0 ? excess : 0;
    }
}

/* ---- nodes and edges ---- */

static int compare_u32(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static bool list_nodes(suspecting *s)
{
    uint32_t n = 0, *all = ARENA_ARRAY(s->mem, uint32_t, 2 * (size_t)s->cell_count + 1);
    s->nodes = ARENA_ARRAY(s->mem, node, 2 * (size_t)s->cell_count + 1);
    if (!all || !s->nodes)
        return false;
    for (uint32_t i = 0; i < s->cell_count; i++) {
        all[n++] = s->cells[i].service;
        if (s->cells[i].caller)
            all[n++] = s->cells[i].caller;
    }
    qsort(all, n, sizeof *all, compare_u32);
    for (uint32_t i = 0; i < n; i++)
        if (i == 0 || all[i] != all[i - 1])
            s->nodes[s->node_count++].service = all[i];
    return true;
}

static uint32_t node_of(const suspecting *s, uint32_t service)
{
    uint32_t low = 0, high = s->node_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (s->nodes[middle].service < service)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool list_edges(suspecting *s)
{
    s->edges = ARENA_ARRAY(s->mem, edge, s->cell_count + 1);
    s->edges_of = ARENA_ARRAY(s->mem, uint32_t, 2 * (size_t)s->cell_count + 1);
    if (!s->edges || !s->edges_of)
        return false;
    for (uint32_t i = 0; i < s->cell_count; i++) {
        const differ_cell *c = &s->cells[i];
        node *of = &s->nodes[node_of(s, c->service)];
        of->rows[c->kind] += (double)c->timed_rows[DIFFER_SELECTION];
        of->shift[c->kind] += s->time_shift[i];
        of->variance[c->kind] += s->variance[i];
        if (c->kind == DIFFER_OWN) {
            of->error_rows += (double)c->rows[DIFFER_SELECTION];
            of->error_shift += s->error_shift[i];
        }
        if (c->kind == DIFFER_VISIT)
            of->excess_us += s->excess[i];
        if (c->kind != DIFFER_BETWEEN)
            continue;
        uint32_t caller = node_of(s, c->caller), callee = node_of(s, c->service);
        edge *last = s->edge_count ? &s->edges[s->edge_count - 1] : NULL;
        if (!last || last->caller != caller || last->callee != callee)
            s->edges[s->edge_count++] = (edge){.caller = caller, .callee = callee};
        last = &s->edges[s->edge_count - 1];
        last->rows += (double)c->timed_rows[DIFFER_SELECTION];
        last->shift += s->time_shift[i];
        last->variance += s->variance[i];
        last->excess_us += s->excess[i];
    }
    return true;
}

/* A sum less its standard error: what is left is not chance. */
static double surely(double shift, double variance)
{
    return copysign(fmax(0, fabs(shift) - sqrt(variance)), shift);
}

static void index_edges(suspecting *s)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->edge_count; i++) {
        s->edges[i].shift = surely(s->edges[i].shift, s->edges[i].variance);
        s->nodes[s->edges[i].caller].edge_count++;
        s->nodes[s->edges[i].callee].edge_count++;
    }
    for (uint32_t i = 0; i < s->node_count; i++) {
        s->nodes[i].first_edge = n;
        n += s->nodes[i].edge_count;
        s->nodes[i].edge_count = 0;
    }
    for (uint32_t i = 0; i < s->edge_count; i++) {
        const uint32_t ends[] = {s->edges[i].caller, s->edges[i].callee};
        for (size_t k = 0; k < COUNT_OF(ends); k++) {
            node *of = &s->nodes[ends[k]];
            s->edges_of[of->first_edge + of->edge_count++] = i;
            of->edge_rows += s->edges[i].rows;
            of->edge_shift += s->edges[i].shift;
        }
    }
}

/* Every edge's shift is the sum of its two ends' delays, as nearly as small delays can make it (ridge regression, none
 * below 0): by coordinates, which converges. */
static void fit_delays(suspecting *s)
{
    for (uint32_t round = 0; round < ROUNDS_MAX; round++) {
        double moved = 0;
        for (uint32_t i = 0; i < s->node_count; i++) {
            node *of = &s->nodes[i];
            double left = of->edge_shift;
            for (uint32_t k = 0; k < of->edge_count; k++) {
                const edge *x = &s->edges[s->edges_of[of->first_edge + k]];
                uint32_t other = x->caller == i ? x->callee : x->caller;
                left -= other == i ? 0 : x->rows * s->nodes[other].delay;
            }
            double delay = fmax(0, left / (of->edge_rows + PRIOR_ROWS));
            moved = fmax(moved, fabs(delay - of->delay));
            of->delay = delay;
        }
        if (moved < 1e-9)
            return;
    }
}

/* ---- the answer ---- */

static void share_out(suspecting *s)
{
    for (uint32_t i = 0; i < s->edge_count; i++) {
        node *a = &s->nodes[s->edges[i].caller], *b = &s->nodes[s->edges[i].callee];
        double both = a->delay + b->delay;
        if (both <= 0 || s->edges[i].excess_us <= 0)
            continue;
        a->excess_us += s->edges[i].excess_us * a->delay / both;
        b->excess_us += s->edges[i].excess_us * b->delay / both;
    }
}

typedef struct part_sum {
    uint32_t text;
    double shift, rows;
} part_sum;

static int compare_parts(const void *left, const void *right)
{
    const part_sum *a = left, *b = right;
    return (a->text > b->text) - (a->text < b->text);
}

/* The instance or operation of a service that is furthest from what is expected. */
static bool worst_part(suspecting *s, uint32_t service, bool of_instances,
                       span (*text)(void *ctx, uint32_t number), void *ctx, differ_part *ret)
{
    arena_mark mark = arena_here(s->mem);
    part_sum *sums = ARENA_ARRAY(s->mem, part_sum, s->cell_count + 1), best = {0};
    uint32_t n = 0;
    double best_score = 0;
    span best_text = {NULL, 0};
    if (!sums)
        return false;
    for (uint32_t i = 0; i < s->cell_count; i++) {
        const differ_cell *c = &s->cells[i];
        uint32_t of = of_instances ? c->instance : c->name;
        if (c->service == service && of && (c->kind != DIFFER_VISIT || of_instances))
            sums[n++] = (part_sum){of, s->time_shift[i] + s->error_shift[i],
                                   (double)c->timed_rows[DIFFER_SELECTION]};
    }
    if (n)
        qsort(sums, n, sizeof *sums, compare_parts);
    for (uint32_t from = 0, end; from < n; from = end) {
        part_sum sum = {sums[from].text, 0, 0};
        for (end = from; end < n && sums[end].text == sum.text; end++) {
            sum.shift += sums[end].shift;
            sum.rows += sums[end].rows;
        }
        double score = sum.shift / (sum.rows + PRIOR_ROWS);
        span name = text(ctx, sum.text);
        if (score > best_score ||
            (best_text.at && score == best_score && span_compare(name, best_text) < 0)) {
            best = sum;
            best_score = score;
            best_text = name;
        }
    }
    arena_rewind(s->mem, mark);
    *ret = (differ_part){.score = best_score, .rows = (uint64_t)best.rows};
    return !best_text.at || arena_copy(s->mem, best_text, &ret->name);
}

static int compare_suspects(const void *left, const void *right)
{
    const differ_suspect *a = left, *b = right;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return span_compare(a->service, b->service);
}

static double mean_shift(const node *of, differ_kind kind)
{
    double shift = surely(of->shift[kind], of->variance[kind]);
    return fmax(0, shift / (of->rows[kind] + PRIOR_ROWS));
}

static bool show(suspecting *s, span (*text)(void *ctx, uint32_t number), void *ctx,
                 differ_suspects *ret)
{
    differ_suspect *out = ARENA_ARRAY(s->mem, differ_suspect, s->node_count + 1);
    if (!out)
        return false;
    for (uint32_t i = 0; i < s->node_count; i++) {
        const node *of = &s->nodes[i];
        differ_suspect x = {.own = fmax(mean_shift(of, DIFFER_OWN), mean_shift(of, DIFFER_VISIT)),
                            .between = of->delay,
                            .errors = fmax(0, of->error_shift / (of->error_rows + PRIOR_ROWS)),
                            .rows = (uint64_t)(of->rows[DIFFER_OWN] + of->edge_rows),
                            .excess_ms = fmax(0, of->excess_us) / 1e3};
        x.score = x.own + x.between + x.errors;
        x.is_weak = x.rows < ENOUGH_ROWS || x.score < ENOUGH;
        x.share = s->whole_us > 0 ? x.excess_ms * 1e3 / s->whole_us : 0;
        if (x.score <= 0)
            continue;
        if (!arena_copy(s->mem, text(ctx, of->service), &x.service) ||
            !worst_part(s, of->service, true, text, ctx, &x.instance) ||
            !worst_part(s, of->service, false, text, ctx, &x.operation))
            return false;
        out[ret->count++] = x;
    }
    if (ret->count)
        qsort(out, ret->count, sizeof *out, compare_suspects);
    ret->suspects = out;
    return true;
}

/* ---- numbers by text: those of the engine differ from run to run, and sums of doubles must not ---- */

typedef struct named {
    span text;
    uint32_t number;
} named;

static int compare_named(const void *left, const void *right)
{
    return span_compare(((const named *)left)->text, ((const named *)right)->text);
}

static span text_of(void *ctx, uint32_t number)
{
    return ((const named *)ctx)[number - 1].text;
}

static uint32_t *parts_of(differ_cell *c, size_t i)
{
    uint32_t *const all[] = {&c->caller, &c->service, &c->name, &c->instance};
    return all[i];
}

/* Gives the cells' texts new numbers, 1 being the first. */
static named *renumber(suspecting *s, span (*text)(void *ctx, uint32_t number), void *ctx)
{
    uint32_t most = 0, n = 0;
    for (uint32_t i = 0; i < s->cell_count; i++)
        for (size_t k = 0; k < 4; k++)
            most = *parts_of(&s->cells[i], k) > most ? *parts_of(&s->cells[i], k) : most;
    uint32_t *places = ARENA_ARRAY(s->mem, uint32_t, most + 1);
    named *all = ARENA_ARRAY(s->mem, named, most + 1);
    if (!places || !all)
        return NULL;
    for (uint32_t i = 0; i < s->cell_count; i++)
        for (size_t k = 0; k < 4; k++)
            places[*parts_of(&s->cells[i], k)] = 1;
    for (uint32_t number = 1; number <= most; number++)
        if (places[number])
            all[n++] = (named){text(ctx, number), number};
    if (n)
        qsort(all, n, sizeof *all, compare_named);
    for (uint32_t i = 0; i < n; i++)
        places[all[i].number] = i + 1;
    places[0] = 0;
    for (uint32_t i = 0; i < s->cell_count; i++)
        for (size_t k = 0; k < 4; k++)
            *parts_of(&s->cells[i], k) = places[*parts_of(&s->cells[i], k)];
    return all;
}

sk_code differ_suspects_of(const differ_cell *cells, uint32_t count,
                           span (*text)(void *ctx, uint32_t number), void *ctx, arena *mem,
                           differ_suspects *ret, err *e)
{
    suspecting s = {.mem = mem, .cell_count = count};
    *ret = (differ_suspects){0};
    s.cells = ARENA_ARRAY(mem, differ_cell, count + 1);
    s.time_shift = ARENA_ARRAY(mem, double, count + 1);
    s.variance = ARENA_ARRAY(mem, double, count + 1);
    s.error_shift = ARENA_ARRAY(mem, double, count + 1);
    s.excess = ARENA_ARRAY(mem, double, count + 1);
    if (!s.cells || !s.time_shift || !s.variance || !s.error_shift || !s.excess)
        return spec__no_memory(e);
    if (!count)
        return SK_OK;
    memcpy(s.cells, cells, count * sizeof *cells);
    named *names = renumber(&s, text, ctx);
    if (!names)
        return spec__no_memory(e);
    qsort(s.cells, count, sizeof *s.cells, compare_cells);
    measure_all(&s);
    if (!list_nodes(&s) || !list_edges(&s))
        return spec__no_memory(e);
    index_edges(&s);
    fit_delays(&s);
    share_out(&s);
    return show(&s, text_of, names, ret) ? SK_OK : spec__no_memory(e);
}
