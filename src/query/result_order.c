/*
 * query/result_order.c: the one order of results (result.h). Called by whoever finishes a result
 * and by sorted groups. Never: allocates; says equal for groups that differ in their keys.
 */
#include <math.h>

#include "base/must.h"
#include "query/result.h"

static int compare_doubles(double a, double b)
{
    if (isnan(a) || isnan(b))
        return isnan(a) - isnan(b);
    return (a > b) - (a < b);
}

/* Exact, also where a double cannot hold the integer. */
static int compare_int_double(int64_t i, double f)
{
    if (isnan(f) || f >= 9223372036854775808.0)
        return -1;
    if (f < -9223372036854775808.0)
        return 1;
    int64_t whole = (int64_t)f;
    if (i != whole)
        return i < whole ? -1 : 1;
    return compare_doubles(0, f - (double)whole);
}

static int compare_numbers(const result_value *a, const result_value *b)
{
    if (a->kind == RESULT_INT)
        return b->kind == RESULT_INT ? (a->i > b->i) - (a->i < b->i)
                                     : compare_int_double(a->i, b->f);
    return b->kind == RESULT_INT ? -compare_int_double(b->i, a->f) : compare_doubles(a->f, b->f);
}

static int key_rank(const result_value *v)
{
    switch (v->kind) {
    case RESULT_NULL: return 0;
    case RESULT_INT:
    case RESULT_NUMBER: return 1;
    case RESULT_TEXT:
    case RESULT_BOOL: return 2;
    case RESULT_HEATMAP: break;
    }
    never();
}

static span key_text(const result_value *v)
{
    if (v->kind == RESULT_BOOL)
        return v->b ? SPAN("true") : SPAN("false");
    return v->text;
}

static int compare_key(const result_value *a, const result_value *b)
{
    int rank = key_rank(a), diff = rank - key_rank(b);
    if (diff || rank == 0)
        return diff;
    if (rank == 2)
        return span_compare(key_text(a), key_text(b));
    diff = compare_numbers(a, b);
    return diff ? diff : (a->kind > b->kind) - (a->kind < b->kind);
}

int result_compare_keys(const plan *p, const result_value *a, const result_value *b)
{
    for (uint32_t i = 0; i < p->breakdown_count; i++) {
        int diff = compare_key(&a[i], &b[i]);
        if (diff)
            return diff;
    }
    return 0;
}

static uint64_t total_weight(const result_value *v)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < v->heatmap.count; i++)
        total += v->heatmap.cells[i].count;
    return total;
}

static int compare_calc(const result_value *a, const result_value *b)
{
    if (a->kind == RESULT_NULL || b->kind == RESULT_NULL)
        return (a->kind != RESULT_NULL) - (b->kind != RESULT_NULL);
    if (a->kind == RESULT_HEATMAP) {
        uint64_t x = total_weight(a), y = total_weight(b);
        return (x > y) - (x < y);
    }
    return compare_numbers(a, b);
}

static int compare_orders(const plan *p, const result_row *a, const result_row *b, bool has_keys)
{
    static const plan_order usual = {.is_calc = true, .index = 0, .descending = true};
    const plan_order *orders = p->order_count ? p->orders : &usual;
    uint32_t order_count = p->order_count ? p->order_count : 1;
    for (uint32_t i = 0; i < order_count && (has_keys || orders[i].is_calc); i++) {
        uint32_t k = orders[i].index;
        int diff = orders[i].is_calc ? compare_calc(&a->calcs[k], &b->calcs[k])
                                     : compare_key(&a->keys[k], &b->keys[k]);
        if (diff)
            return orders[i].descending ? -diff : diff;
    }
    return 0;
}

int result_compare_rows(const plan *p, const result_row *a, const result_row *b)
{
    int diff = compare_orders(p, a, b, true);
    return diff ? diff : result_compare_keys(p, a->keys, b->keys);
}

int result_compare_calcs(const plan *p, const result_row *a, const result_row *b)
{
    return compare_orders(p, a, b, false);
}
