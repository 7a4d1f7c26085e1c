/*
 * tests/model/model_calc.c: every calculation from its definition (query/aggregate/aggregate.h), over plain lists of values.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/must.h"
#include "event/histogram.h"
#include "model_private.h"

#define DISTINCT_EXACT 4096
#define REGISTERS      16384

typedef __int128 wide_int;
typedef __float128 wide_float;

typedef struct number { /* a value's number and its weight */
    bool is_int;
    int64_t i;
    double f;
    uint64_t weight;
} number;

typedef struct numbers {
    number *at;
    uint32_t count, capacity;
    arena *mem;
    uint64_t row_weight;
} numbers;

int64_t model_bucket_start(const plan *p, uint32_t bucket)
{
    return p->start_ns + (int64_t)bucket * p->granularity_ns;
}

int64_t model_bucket_end(const plan *p, uint32_t bucket)
{
    int64_t end = model_bucket_start(p, bucket) + p->granularity_ns;
    return end < p->end_ns ? end : p->end_ns;
}

uint32_t model_rows_before(const model_pick *const *rows, uint32_t count, int64_t time_ns)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (rows[middle]->row->time_ns < time_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- lists of numbers ---- */

static void add_number(numbers *l, number n)
{
    if (l->count == l->capacity) {
        l->capacity = l->capacity ? l->capacity * 2 : 64;
        number *at = MODEL_ARRAY(l->mem, number, l->capacity);
        if (l->count)
            memcpy(at, l->at, l->count * sizeof *at);
        l->at = at;
    }
    l->at[l->count++] = n;
}

static void add_bucket(void *ctx, double v, double count)
{
    numbers *l = ctx;
    double whole = floor(count + 0.5);
    if (!isfinite(v) || !(count >= 0.5))
        return;
    if (whole > 0x1p53)
        whole = 0x1p53;
    add_number(l, (number){.f = v + 0.0, .weight = l->row_weight * (uint64_t)whole});
}

static void add_value(numbers *l, value v, uint32_t rate)
{
    double f;
    histogram h;
    if (v.is_set && v.type == FIELD_INT) {
        add_number(l, (number){.is_int = true, .i = v.i, .f = (double)v.i, .weight = rate});
    } else if (v.is_set && v.type == FIELD_HISTOGRAM) {
        l->row_weight = rate;
        if (histogram_decode(v.text, l->mem, &h))
            histogram_each(&h, add_bucket, l);
    } else if (value_number(v, &f)) {
        add_number(l, (number){.f = f == 0 ? 0 : f, .weight = rate});
    }
}

/* ---- SUM, AVG, MIN, MAX ---- */

static model_answer none(void)
{
    return (model_answer){.v = {.kind = RESULT_NULL}};
}

static model_answer of_int(int64_t i)
{
    return (model_answer){.v = {.kind = RESULT_INT, .i = i}};
}

static model_answer of_number(double f, double scale)
{
    if (!isfinite(f))
        return none();
    return (model_answer){.v = {.kind = RESULT_NUMBER, .f = f}, .scale = scale};
}

static model_answer sum(const numbers *l, bool is_average)
{
    wide_int ints = 0;
    wide_float floats = 0, size = 0;
    uint64_t weight = 0;
    bool all_ints = true;
    for (uint32_t i = 0; i < l->count; i++) {
        const number *n = &l->at[i];
        weight += n->weight;
        if (n->is_int)
            ints += (wide_int)n->i * (wide_int)n->weight;
        else
            floats += (wide_float)n->f * (wide_float)n->weight;
        size += (wide_float)fabs(n->f) * (wide_float)n->weight;
        all_ints &= n->is_int;
    }
    if (l->count == 0)
        return none();
    double total = all_ints ? (double)ints : (double)((wide_float)ints + floats);
    double scale = all_ints ? 0 : (double)size;
    if (is_average)
        return of_number(total / (double)weight, scale / (double)weight);
    if (all_ints && ints >= INT64_MIN && ints <= INT64_MAX)
        return of_int((int64_t)ints);
    return of_number(total, scale);
}

static model_answer extreme(const numbers *l, bool is_max)
{
    bool all_ints = true;
    if (l->count == 0)
        return none();
    const number *best = &l->at[0];
    for (uint32_t i = 0; i < l->count; i++)
        all_ints &= l->at[i].is_int;
    for (uint32_t i = 1; i < l->count; i++) {
        const number *n = &l->at[i];
        bool is_less = all_ints ? n->i < best->i : n->f < best->f;
        bool is_more = all_ints ? n->i > best->i : n->f > best->f;
        if (is_max ? is_more : is_less)
            best = n;
    }
    return all_ints ? of_int(best->i) : of_number(best->f, 0);
}

/* ---- percentiles, HEATMAP ---- */

static double from_bits(uint64_t bits)
{
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

/* The bucket of the positive number, 64 to the octave: [low, high). */
static void positive_bucket(double v, double *ret_low, double *ret_high)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    *ret_low = from_bits(bits >> 46 << 46);
    *ret_high = from_bits(((bits >> 46) + 1) << 46);
    if (isinf(*ret_high))
        *ret_high = DBL_MAX;
}

static void bucket_of(double v, double *ret_low, double *ret_high)
{
    double low = 0, high = 0;
    if (v != 0)
        positive_bucket(fabs(v), &low, &high);
    *ret_low = v < 0 ? -high : low;
    *ret_high = v < 0 ? -low : high;
}

static double middle_of_bucket(double v)
{
    double low, high;
    if (v == 0)
        return 0;
    positive_bucket(fabs(v), &low, &high);
    double middle = low + (high - low) / 2;
    return v < 0 ? -middle : middle;
}

static int compare_numbers(const void *left, const void *right)
{
    const model_number *a = left, *b = right;
    return (a->v > b->v) - (a->v < b->v);
}

bool model_percentile(model_number *at, uint32_t count, uint32_t t, double *ret)
{
    unsigned __int128 total = 0, running = 0;
    for (uint32_t i = 0; i < count; i++)
        total += at[i].weight;
    if (total == 0)
        return false;
    qsort(at, count, sizeof *at, compare_numbers);
    unsigned __int128 rank = (total * t + 999) / 1000;
    if (rank == 0)
        rank = 1;
    uint32_t i = 0;
    for (;; i++) {
        running += at[i].weight;
        if (running >= rank)
            break;
    }
    double middle = middle_of_bucket(at[i].v);
    middle = middle < at[0].v ? at[0].v : middle;
    *ret = middle > at[count - 1].v ? at[count - 1].v : middle;
    return true;
}

static model_number *plain(const numbers *l)
{
    model_number *at = MODEL_ARRAY(l->mem, model_number, l->count);
    for (uint32_t i = 0; i < l->count; i++)
        at[i] = (model_number){l->at[i].f, l->at[i].weight};
    return at;
}

static model_answer percentile(const numbers *l, double quantile)
{
    double v;
    uint32_t t = (uint32_t)(quantile * 1000 + 0.5);
    return model_percentile(plain(l), l->count, t, &v) ? of_number(v, 0) : none();
}

static model_answer heatmap(const numbers *l)
{
    model_number *at = plain(l);
    qsort(at, l->count, sizeof *at, compare_numbers);
    heatmap_cell *cells = MODEL_ARRAY(l->mem, heatmap_cell, l->count);
    uint32_t count = 0;
    for (uint32_t i = 0; i < l->count; i++) {
        double low, high;
        bucket_of(at[i].v, &low, &high);
        if (!count || cells[count - 1].low != low || cells[count - 1].high != high)
            cells[count++] = (heatmap_cell){low, high, 0};
        cells[count - 1].count += at[i].weight;
    }
    if (!count)
        return none();
    model_answer a = {.v = {.kind = RESULT_HEATMAP}};
    a.v.heatmap.cells = cells;
    a.v.heatmap.count = count;
    return a;
}

/* ---- COUNT_DISTINCT ---- */

static int compare_hashes(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static double sigma(double x)
{
    if (x == 1)
        return INFINITY;
    double y = 1, s = x;
    for (double before = -1; s != before;) {
        before = s;
        x *= x;
        s += x * y;
        y += y;
    }
    return s;
}

static double tau(double x)
{
    if (x == 0 || x == 1)
        return 0;
    double y = 1, s = 1 - x;
    for (double before = -1; s != before;) {
        before = s;
        x = sqrt(x);
        y *= 0.5;
        s -= (1 - x) * (1 - x) * y;
    }
    return s / 3;
}

static int64_t hyperloglog(const uint64_t *hashes, uint32_t count)
{
    static uint8_t registers[REGISTERS];
    double counts[52] = {0}, m = REGISTERS;
    memset(registers, 0, sizeof registers);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t h = hashes[i], rest = h << 14 | (uint64_t)1 << 13;
        uint8_t rank = (uint8_t)(__builtin_clzll(rest) + 1);
        uint8_t *at = &registers[h >> 50];
        *at = rank > *at ? rank : *at;
    }
    for (uint32_t i = 0; i < REGISTERS; i++)
        counts[registers[i]]++;
    double z = m * tau(1 - counts[51] / m);
    for (int k = 50; k >= 1; k--)
        z = 0.5 * (z + counts[k]);
    z += m * sigma(counts[0] / m);
    return (int64_t)round(0.5 / log(2) * m * m / z);
}

static model_answer count_distinct(const model_pick *const *rows, uint32_t count, uint32_t field,
                                   int64_t from_ns, int64_t to_ns, arena *mem)
{
    uint64_t *hashes = MODEL_ARRAY(mem, uint64_t, count);
    uint32_t used = 0, distinct = 0;
    for (uint32_t i = 0; i < count; i++) {
        const model_pick *r = rows[i];
        char scratch[VALUE_TEXT_MAX];
        if (r->row->time_ns >= from_ns && r->row->time_ns < to_ns && r->fields[field].is_set)
            hashes[used++] = hash64(value_text(r->fields[field], scratch));
    }
    qsort(hashes, used, sizeof *hashes, compare_hashes);
    for (uint32_t i = 0; i < used; i++)
        distinct += i == 0 || hashes[i] != hashes[i - 1];
    return of_int(distinct <= DISTINCT_EXACT ? distinct : hyperloglog(hashes, used));
}

/* ---- CONCURRENCY ---- */

static model_answer concurrency(const model_pick *const *rows, uint32_t count, uint32_t field,
                                int64_t from_ns, int64_t to_ns, int64_t end_ns)
{
    unsigned __int128 busy = 0;
    bool found = false;
    for (uint32_t i = 0; i < count; i++) {
        const model_row *r = rows[i]->row;
        value v = rows[i]->fields[field];
        double d;
        if (v.type == FIELD_HISTOGRAM || !value_number(v, &d) || d < 0)
            continue;
        double ns = d * 1e6 + 0.5;
        wide_int length = ns < 0x1p62 ? (int64_t)ns : (int64_t)1 << 62;
        wide_int end = r->time_ns + length;
        end = end < end_ns ? end : end_ns;
        wide_int low = r->time_ns > from_ns ? r->time_ns : from_ns;
        wide_int high = end < to_ns ? end : to_ns;
        found |= r->time_ns >= from_ns && r->time_ns < to_ns;
        if (low < high) {
            found = true;
            busy += (unsigned __int128)(high - low) * r->rate;
        }
    }
    return found ? of_number((double)busy / (double)(to_ns - from_ns), 0) : none();
}

/* ---- all of them ---- */

static model_answer count_rows(const model_pick *const *rows, uint32_t count, uint32_t field,
                               int64_t from_ns, int64_t to_ns)
{
    uint64_t weight = 0;
    for (uint32_t i = 0; i < count; i++)
        if (rows[i]->row->time_ns >= from_ns && rows[i]->row->time_ns < to_ns &&
            (field == UINT32_MAX || rows[i]->fields[field].is_set))
            weight += rows[i]->row->rate;
    return of_int((int64_t)weight);
}

static numbers list_numbers(const model_pick *const *rows, uint32_t count, uint32_t field,
                            int64_t from_ns, int64_t to_ns, arena *mem)
{
    numbers l = {.mem = mem};
    for (uint32_t i = 0; i < count; i++)
        if (rows[i]->row->time_ns >= from_ns && rows[i]->row->time_ns < to_ns)
            add_value(&l, rows[i]->fields[field], rows[i]->row->rate);
    return l;
}

model_answer model_calc(const plan *p, const plan_calc *c, const model_pick *const *rows,
                        uint32_t count, int64_t from_ns, int64_t to_ns, arena *mem)
{
    double quantile;
    if (c->op == CALC_COUNT)
        return count_rows(rows, count, c->field, from_ns, to_ns);
    if (c->op == CALC_COUNT_DISTINCT)
        return count_distinct(rows, count, c->field, from_ns, to_ns, mem);
    if (c->op == CALC_CONCURRENCY)
        return concurrency(rows, count, c->field, from_ns, to_ns, p->end_ns);
    numbers l = list_numbers(rows, count, c->field, from_ns, to_ns, mem);
    if (c->op == CALC_SUM || c->op == CALC_RATE_SUM)
        return sum(&l, false);
    if (c->op == CALC_AVG || c->op == CALC_RATE_AVG)
        return sum(&l, true);
    if (c->op == CALC_MIN)
        return extreme(&l, false);
    if (c->op == CALC_MAX || c->op == CALC_RATE_MAX)
        return extreme(&l, true);
    if (c->op == CALC_HEATMAP)
        return heatmap(&l);
    must(calc_op_percentile(c->op, &quantile));
    return percentile(&l, quantile);
}

static bool is_rate(calc_op op)
{
    return op == CALC_RATE_SUM || op == CALC_RATE_AVG || op == CALC_RATE_MAX;
}

static double as_double(const result_value *v)
{
    return v->kind == RESULT_INT ? (double)v->i : v->f;
}

static model_answer difference(model_answer later, model_answer earlier)
{
    if (later.v.kind == RESULT_NULL || earlier.v.kind == RESULT_NULL)
        return none();
    int64_t i;
    if (later.v.kind == RESULT_INT && earlier.v.kind == RESULT_INT &&
        !__builtin_sub_overflow(later.v.i, earlier.v.i, &i))
        return of_int(i);
    return of_number(as_double(&later.v) - as_double(&earlier.v), later.scale + earlier.scale);
}

static model_answer of_bucket(const plan *p, const plan_calc *c, const model_pick *const *rows,
                              uint32_t count, uint32_t bucket, arena *mem)
{
    int64_t start = model_bucket_start(p, bucket), end = model_bucket_end(p, bucket);
    uint32_t first = 0;
    if (c->op != CALC_CONCURRENCY) { /* which looks at rows of earlier buckets too */
        first = model_rows_before(rows, count, start);
        count = model_rows_before(rows, count, end);
    }
    return model_calc(p, c, rows + first, count - first, start, end, mem);
}

model_answer model_calc_bucket(const plan *p, const plan_calc *c, const model_pick *const *rows,
                               uint32_t count, uint32_t bucket, arena *mem)
{
    if (!is_rate(c->op))
        return of_bucket(p, c, rows, count, bucket, mem);
    if (bucket == 0)
        return none();
    return difference(of_bucket(p, c, rows, count, bucket, mem),
                      of_bucket(p, c, rows, count, bucket - 1, mem));
}

model_answer model_calc_total(const plan *p, const plan_calc *c, const model_pick *const *rows,
                              uint32_t count, arena *mem)
{
    if (!is_rate(c->op))
        return model_calc(p, c, rows, count, p->start_ns, p->end_ns, mem);
    model_answer first = none(), last = none();
    for (uint32_t bucket = 0; bucket < p->bucket_count; bucket++) {
        model_answer a = of_bucket(p, c, rows, count, bucket, mem);
        if (a.v.kind == RESULT_NULL)
            continue;
        if (first.v.kind == RESULT_NULL)
            first = a;
        last = a;
    }
    return difference(last, first);
}
