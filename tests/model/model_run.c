/*
 * tests/model/model_run.c: a plan over all rows: pick what matches, sort by group, calculate, order, cut.
 */
#include <stdlib.h>

#include "base/must.h"
#include "model_private.h"

typedef struct group {
    const model_pick *const *rows;
    uint32_t count;
    const result_value *keys;
    result_value *calcs; /* and scales */
} group;

typedef struct picked { /* a row and its key texts, for sorting */
    const model_pick *pick;
    const span *keys; /* at == NULL: absent */
    uint32_t key_count;
} picked;

/* ---- which rows ---- */

bool model_reads_metrics(const model *m, uint32_t environment, span dataset)
{
    bool found = false;
    for (uint32_t i = 0; dataset.at && i < m->row_count; i++) {
        const model_row *r = &m->rows[i];
        if (!model_sees(r, environment) || !span_equal(r->dataset, dataset))
            continue;
        if (r->family != FAMILY_METRIC)
            return false;
        found = true;
    }
    return found;
}

/* The operators once more, in the words of query/plan.h. */
static bool matches_one(const plan_filter *f, span text, span asked)
{
    switch (f->op) {
    case FILTER_EQ:
    case FILTER_NE:
    case FILTER_IN:
    case FILTER_NOT_IN:
        return text.len == asked.len && (!asked.len || memcmp(text.at, asked.at, asked.len) == 0);
    case FILTER_STARTS_WITH:
    case FILTER_NOT_STARTS_WITH:
        return text.len >= asked.len && (!asked.len || memcmp(text.at, asked.at, asked.len) == 0);
    case FILTER_ENDS_WITH:
    case FILTER_NOT_ENDS_WITH:
        return text.len >= asked.len &&
               (!asked.len || memcmp(text.at + text.len - asked.len, asked.at, asked.len) == 0);
    case FILTER_CONTAINS:
    case FILTER_NOT_CONTAINS:
        for (size_t i = 0; i + asked.len <= text.len; i++)
            if (!asked.len || memcmp(text.at + i, asked.at, asked.len) == 0)
                return true;
        return false;
    case FILTER_GT:
    case FILTER_GE:
    case FILTER_LT:
    case FILTER_LE:
    case FILTER_EXISTS:
    case FILTER_NOT_EXISTS:
    case FILTER_OP_COUNT: break;
    }
    never();
}

static bool matches_number(const plan_filter *f, value v)
{
    double n;
    if (!f->has_number || !value_number(v, &n))
        return false;
    return f->op == FILTER_GT   ? n > f->number
           : f->op == FILTER_GE ? n >= f->number
           : f->op == FILTER_LT ? n < f->number
                                : n <= f->number;
}

bool model_matches(const plan_filter *f, value v)
{
    char scratch[VALUE_TEXT_MAX];
    bool is_negative = f->op == FILTER_NE || f->op == FILTER_NOT_STARTS_WITH ||
                       f->op == FILTER_NOT_ENDS_WITH || f->op == FILTER_NOT_CONTAINS ||
                       f->op == FILTER_NOT_EXISTS || f->op == FILTER_NOT_IN;
    if (f->op == FILTER_EXISTS || f->op == FILTER_NOT_EXISTS)
        return v.is_set != is_negative;
    if (!v.is_set)
        return is_negative;
    if (f->op == FILTER_GT || f->op == FILTER_GE || f->op == FILTER_LT || f->op == FILTER_LE)
        return matches_number(f, v);
    bool found = false;
    for (uint32_t i = 0; i < f->value_count; i++)
        found |= matches_one(f, value_text(v, scratch), f->texts[i]);
    return found != is_negative;
}

static bool passes(const plan *p, const value *fields)
{
    bool any = p->filter_count == 0, all = true;
    for (uint32_t i = 0; i < p->filter_count; i++) {
        bool m = model_matches(&p->filters[i], fields[p->filters[i].field]);
        any |= m;
        all &= m;
    }
    return p->filters_or ? any : all;
}

static bool needs_trace(const plan *p)
{
    bool needs = p->related_count > 0;
    for (uint32_t i = 0; i < p->field_count; i++)
        needs |= p->fields[i].derived || p->fields[i].relation;
    return needs;
}

model_views model_views_of(const model *m, arena *mem)
{
    return (model_views){MODEL_ARRAY(mem, trace_id, m->row_count),
                         MODEL_ARRAY(mem, model_trace_view *, m->row_count), 0};
}

const model_trace_view *model_view_row(const model *m, const model_row *r, model_views *known,
                                       arena *mem)
{
    if (!trace_id_is_set(r->trace))
        return NULL;
    for (uint32_t i = 0; i < known->count; i++)
        if (trace_id_equal(known->ids[i], r->trace))
            return known->at[i];
    known->ids[known->count] = r->trace;
    return known->at[known->count++] = model_view_trace(m, r->environment, r->trace, mem);
}

bool model_passes(const plan *p, const model_trace_view *t, const model_row *r, arena *mem)
{
    value *fields = MODEL_ARRAY(mem, value, p->field_count);
    for (uint32_t k = 0; k < p->field_count; k++)
        fields[k] = model_field_value(p, t, r, &p->fields[k], mem);
    return passes(p, fields) && model_passes_related(p, t, r, mem);
}

static uint32_t pick_rows(const model *m, uint32_t environment, const plan *p, arena *mem,
                          picked *ret)
{
    bool is_metrics = model_reads_metrics(m, environment, p->dataset);
    bool by_trace = needs_trace(p);
    model_views views = model_views_of(m, mem);
    uint32_t count = 0;
    for (uint32_t i = 0; i < m->row_count; i++) {
        const model_row *r = &m->rows[i];
        const model_trace_view *view = NULL;
        if (!model_sees(r, environment) || (r->family == FAMILY_METRIC) != is_metrics ||
            r->time_ns < p->start_ns || r->time_ns >= p->end_ns ||
            (p->dataset.at && !span_equal(r->dataset, p->dataset)))
            continue;
        if (by_trace)
            view = model_view_row(m, r, &views, mem);
        value *fields = MODEL_ARRAY(mem, value, p->field_count);
        for (uint32_t k = 0; k < p->field_count; k++)
            fields[k] = model_field_value(p, view, r, &p->fields[k], mem);
        if (!passes(p, fields) || !model_passes_related(p, view, r, mem))
            continue;
        model_pick *pick = MODEL_ARRAY(mem, model_pick, 1);
        *pick = (model_pick){r, fields};
        span *keys = MODEL_ARRAY(mem, span, p->breakdown_count);
        for (uint32_t k = 0; k < p->breakdown_count; k++) {
            char scratch[VALUE_TEXT_MAX];
            value v = fields[p->breakdowns[k]];
            span text = value_text(v, scratch);
            keys[k] = v.is_set ? text.len ? text : SPAN("") : (span){NULL, 0};
            if (text.len)
                must(arena_copy(mem, text, &keys[k]));
        }
        ret[count++] = (picked){pick, keys, p->breakdown_count};
    }
    return count;
}

/* ---- groups ---- */

static int compare_keys(const picked *a, const picked *b)
{
    for (uint32_t i = 0; i < a->key_count; i++) {
        if (!a->keys[i].at || !b->keys[i].at) {
            if (a->keys[i].at || b->keys[i].at)
                return a->keys[i].at ? 1 : -1;
            continue;
        }
        int diff = span_compare(a->keys[i], b->keys[i]);
        if (diff)
            return diff;
    }
    return 0;
}

/* By group, in a group by time. */
static int compare_picked(const void *left, const void *right)
{
    const picked *a = left, *b = right;
    int diff = compare_keys(a, b);
    int64_t x = a->pick->row->time_ns, y = b->pick->row->time_ns;
    return diff ? diff : (x > y) - (x < y);
}

/* The texts that some row of the query held as a number or bool in the k-th breakdown, ascending. */
typedef struct typed_texts {
    span *at;
    uint32_t count;
} typed_texts;

static int compare_texts(const void *left, const void *right)
{
    return span_compare(*(const span *)left, *(const span *)right);
}

static typed_texts list_typed(const plan *p, const picked *rows, uint32_t count, uint32_t k,
                              arena *mem)
{
    typed_texts t = {.at = MODEL_ARRAY(mem, span, count)};
    for (uint32_t i = 0; i < count; i++) {
        value v = rows[i].pick->fields[p->breakdowns[k]];
        if (v.is_set && (v.type == FIELD_INT || v.type == FIELD_FLOAT || v.type == FIELD_BOOL))
            t.at[t.count++] = rows[i].keys[k];
    }
    if (t.count)
        qsort(t.at, t.count, sizeof *t.at, compare_texts);
    return t;
}

/* As text, but as a number or bool when a row of the query held one. */
static result_value show_key(span text, const typed_texts *typed)
{
    int64_t i;
    double f;
    if (!text.at)
        return (result_value){.kind = RESULT_NULL};
    if (!typed->count || !bsearch(&text, typed->at, typed->count, sizeof *typed->at, compare_texts))
        return (result_value){.kind = RESULT_TEXT, .text = text};
    if (span_is(text, "true") || span_is(text, "false"))
        return (result_value){.kind = RESULT_BOOL, .b = span_is(text, "true")};
    if (span_to_i64(text, &i))
        return (result_value){.kind = RESULT_INT, .i = i};
    if (span_to_double(text, &f))
        return (result_value){.kind = RESULT_NUMBER, .f = f};
    return (result_value){.kind = RESULT_TEXT, .text = text};
}

static int compare_times(const void *left, const void *right)
{
    const model_pick *const *a = left, *const *b = right;
    int64_t x = (*a)->row->time_ns, y = (*b)->row->time_ns;
    return (x > y) - (x < y);
}

static void sort_by_time(const model_pick **rows, uint32_t count)
{
    if (count)
        qsort(rows, count, sizeof *rows, compare_times);
}

/* Rows in order of time. */
static result_value *calculate(const plan *p, const model_pick *const *rows, uint32_t count,
                               int64_t bucket, arena *mem)
{
    result_value *calcs = MODEL_ARRAY(mem, result_value, p->calc_count * 2);
    for (uint32_t c = 0; c < p->calc_count; c++) {
        model_answer a =
            bucket < 0 ? model_calc_total(p, &p->calcs[c], rows, count, mem)
                       : model_calc_bucket(p, &p->calcs[c], rows, count, (uint32_t)bucket, mem);
        calcs[c] = a.v;
        calcs[p->calc_count + c] = (result_value){.kind = RESULT_NUMBER, .f = a.scale};
    }
    return calcs;
}

static uint32_t make_groups(const plan *p, picked *rows, uint32_t count, const model_pick **list,
                            arena *mem, group *ret)
{
    if (count)
        qsort(rows, count, sizeof *rows, compare_picked);
    for (uint32_t i = 0; i < count; i++)
        list[i] = rows[i].pick;
    uint32_t groups = 0;
    typed_texts *typed = MODEL_ARRAY(mem, typed_texts, p->breakdown_count);
    for (uint32_t k = 0; k < p->breakdown_count; k++)
        typed[k] = list_typed(p, rows, count, k, mem);
    for (uint32_t from = 0, to; from < count || (groups == 0 && p->breakdown_count == 0);
         from = to) {
        for (to = from; to < count && compare_keys(&rows[from], &rows[to]) == 0;)
            to++;
        group *g = &ret[groups++];
        *g = (group){.rows = list + from, .count = to - from};
        result_value *keys = MODEL_ARRAY(mem, result_value, p->breakdown_count);
        for (uint32_t k = 0; k < p->breakdown_count; k++)
            keys[k] = show_key(rows[from].keys[k], &typed[k]);
        g->keys = keys;
        g->calcs = calculate(p, g->rows, g->count, -1, mem);
    }
    return groups;
}

/* ---- order and HAVING ---- */

static long double wide(const result_value *v)
{
    return v->kind == RESULT_INT ? (long double)v->i
                                 : (long double)v->f; /* 64 bits of mantissa: exact */
}

static int compare_wide(long double a, long double b)
{
    return (a > b) - (a < b);
}

static int compare_key(const result_value *a, const result_value *b)
{
    bool a_number = a->kind == RESULT_INT || a->kind == RESULT_NUMBER;
    bool b_number = b->kind == RESULT_INT || b->kind == RESULT_NUMBER;
    if (a->kind == RESULT_NULL || b->kind == RESULT_NULL)
        return (a->kind != RESULT_NULL) - (b->kind != RESULT_NULL);
    if (a_number != b_number)
        return a_number ? -1 : 1;
    if (a_number)
        return compare_wide(wide(a), wide(b));
    span x = a->kind == RESULT_BOOL ? span_text(a->b ? "true" : "false") : a->text;
    span y = b->kind == RESULT_BOOL ? span_text(b->b ? "true" : "false") : b->text;
    return span_compare(x, y);
}

static long double order_number(const result_value *v)
{
    long double total = 0;
    if (v->kind != RESULT_HEATMAP)
        return wide(v);
    for (uint32_t i = 0; i < v->heatmap.count; i++)
        total += (long double)v->heatmap.cells[i].count;
    return total;
}

static int compare_calc(const result_value *a, const result_value *b)
{
    if (a->kind == RESULT_NULL || b->kind == RESULT_NULL)
        return (a->kind != RESULT_NULL) - (b->kind != RESULT_NULL);
    return compare_wide(order_number(a), order_number(b));
}

static int compare_groups(const plan *p, const group *a, const group *b)
{
    int diff = 0;
    for (uint32_t i = 0; i < p->order_count && !diff; i++) {
        const plan_order *o = &p->orders[i];
        diff = o->is_calc ? compare_calc(&a->calcs[o->index], &b->calcs[o->index])
                          : compare_key(&a->keys[o->index], &b->keys[o->index]);
        diff = o->descending ? -diff : diff;
    }
    if (p->order_count == 0)
        diff = -compare_calc(&a->calcs[0], &b->calcs[0]);
    for (uint32_t i = 0; i < p->breakdown_count && !diff; i++)
        diff = compare_key(&a->keys[i], &b->keys[i]);
    return diff;
}

/* Merge sort: the order is the only thing the groups have in common. */
static void sort_groups(const plan *p, group *at, group *scratch, uint32_t count)
{
    if (count < 2)
        return;
    uint32_t half = count / 2, left = 0, right = half;
    sort_groups(p, at, scratch, half);
    sort_groups(p, at + half, scratch, count - half);
    memcpy(scratch, at, count * sizeof *at);
    for (uint32_t i = 0; i < count; i++) {
        bool take_left = left < half && (right == count ||
                                         compare_groups(p, &scratch[left], &scratch[right]) <= 0);
        at[i] = scratch[take_left ? left++ : right++];
    }
}

static bool has(const plan *p, const group *g)
{
    for (uint32_t i = 0; i < p->having_count; i++) {
        const plan_having *h = &p->havings[i];
        const result_value *v = &g->calcs[h->calc];
        if (v->kind != RESULT_INT && v->kind != RESULT_NUMBER)
            return false;
        double x = v->kind == RESULT_INT ? (double)v->i : v->f;
        bool ok = h->compare == FILTER_EQ   ? x == h->value
                  : h->compare == FILTER_NE ? x != h->value
                  : h->compare == FILTER_GT ? x > h->value
                  : h->compare == FILTER_GE ? x >= h->value
                  : h->compare == FILTER_LT ? x < h->value
                                            : x <= h->value;
        if (!ok)
            return false;
    }
    return true;
}

/* ---- the result ---- */

static bool has_point(const plan *p, const group *g, uint32_t bucket, arena *mem)
{
    if (model_rows_before(g->rows, g->count, model_bucket_start(p, bucket)) <
        model_rows_before(g->rows, g->count, model_bucket_end(p, bucket)))
        return true;
    for (uint32_t c = 0; c < p->calc_count; c++)
        if (p->calcs[c].op == CALC_CONCURRENCY &&
            model_calc_bucket(p, &p->calcs[c], g->rows, g->count, bucket, mem).v.kind !=
                RESULT_NULL)
            return true;
    return false;
}

static void make_series(const plan *p, const group *groups, uint32_t count, arena *mem, result *ret)
{
    ret->series = MODEL_ARRAY(mem, result_row, (size_t)count * p->bucket_count);
    for (uint32_t b = 0; b < p->bucket_count; b++) {
        for (uint32_t i = 0; i < count; i++) {
            const group *g = &groups[i];
            if (has_point(p, g, b, mem))
                ret->series[ret->series_count++] = (result_row){
                    model_bucket_start(p, b), g->keys, calculate(p, g->rows, g->count, b, mem)};
        }
    }
}

static const result_value *make_other(const plan *p, const group *groups, uint32_t from,
                                      uint32_t to, uint32_t row_count, arena *mem)
{
    const model_pick **list = MODEL_ARRAY(mem, const model_pick *, row_count);
    uint32_t count = 0;
    for (uint32_t i = from; i < to; i++)
        for (uint32_t r = 0; r < groups[i].count; r++)
            list[count++] = groups[i].rows[r];
    sort_by_time(list, count);
    return calculate(p, list, count, -1, mem);
}

sk_code model_run(engine *e, uint32_t environment, const plan *p, const run_control *c, arena *mem,
                  result *ret, err *er)
{
    model *m = (model *)e;
    *ret = (result){.plan = p, .has_total = true};
    lock_take(&m->lock);
    picked *rows = MODEL_ARRAY(mem, picked, m->row_count);
    uint32_t count = pick_rows(m, environment, p, mem, rows);
    lock_drop(&m->lock);
    const model_pick **list = MODEL_ARRAY(mem, const model_pick *, count);
    group *groups = MODEL_ARRAY(mem, group, count + 1),
          *scratch = MODEL_ARRAY(mem, group, count + 1);
    uint32_t group_count = make_groups(p, rows, count, list, mem, groups), kept = 0;
    const model_pick **all = MODEL_ARRAY(mem, const model_pick *, count);
    if (count)
        memcpy(all, list, count * sizeof *all);
    sort_by_time(all, count);
    ret->total = calculate(p, all, count, -1, mem);
    for (uint32_t i = 0; i < group_count; i++)
        if (has(p, &groups[i]))
            groups[kept++] = groups[i];
    sort_groups(p, groups, scratch, kept);
    ret->group_count = kept;
    ret->row_count = kept < p->limit ? kept : p->limit;
    ret->rows = MODEL_ARRAY(mem, result_row, ret->row_count);
    for (uint32_t i = 0; i < ret->row_count; i++)
        ret->rows[i] = (result_row){p->start_ns, groups[i].keys, groups[i].calcs};
    if (kept > p->limit) {
        ret->has_other = true;
        ret->other = make_other(p, groups, p->limit, kept, count, mem);
    }
    if (p->wants_series)
        make_series(p, groups, ret->row_count, mem, ret);
    ret->rows_scanned = count;
    return SK_OK;
}

static int compare_newest(const void *left, const void *right)
{
    int64_t x = ((const picked *)left)->pick->row->time_ns,
            y = ((const picked *)right)->pick->row->time_ns;
    return (x < y) - (x > y);
}

static int compare_oldest(const void *left, const void *right)
{
    return compare_newest(right, left);
}

static event_row show_row(const model_row *r, arena *mem)
{
    span *names = MODEL_ARRAY(mem, span, r->field_count);
    value *values = MODEL_ARRAY(mem, value, r->field_count);
    for (uint32_t i = 0; i < r->field_count; i++) {
        names[i] = r->fields[i].name;
        values[i] = r->fields[i].v;
    }
    return (event_row){.time_ns = r->time_ns,
                       .rate = r->rate,
                       .dataset = r->dataset,
                       .trace = r->trace,
                       .span_id = r->span_id,
                       .parent_id = r->parent_id,
                       .field_count = r->field_count,
                       .names = names,
                       .values = values};
}

sk_code model_rows(engine *e, uint32_t environment, const rows_query *q, const run_control *c,
                   arena *mem, rows_result *ret, err *er)
{
    model *m = (model *)e;
    *ret = (rows_result){0};
    lock_take(&m->lock);
    picked *rows = MODEL_ARRAY(mem, picked, m->row_count);
    uint32_t count = pick_rows(m, environment, q->plan, mem, rows), shown = q->limit;
    if (count)
        qsort(rows, count, sizeof *rows, q->is_oldest_first ? compare_oldest : compare_newest);
    ret->is_full = count >= q->limit;
    ret->rows_scanned = count;
    if (count <= q->limit)
        shown = count;
    else
        while (shown < count &&
               rows[shown].pick->row->time_ns == rows[q->limit - 1].pick->row->time_ns)
            shown++;
    must(shown <= q->limit + ROWS_TIES_MAX);
    event_row *answer = MODEL_ARRAY(mem, event_row, shown);
    for (uint32_t i = 0; i < shown; i++)
        answer[i] = show_row(rows[i].pick->row, mem);
    lock_drop(&m->lock);
    ret->row_count = shown;
    ret->rows = answer;
    return SK_OK;
}
