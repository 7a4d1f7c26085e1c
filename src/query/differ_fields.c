/*
 * query/differ_fields.c: fields by how differently their values are spread: Jensen-Shannon divergence of the two sides, less what
 * chance alone gives for as many values and rows, times the share of rows that have the field
 * (docs/internals/differences.md). Called by engines through differences.h.
 */
#include <math.h>
#include <stdlib.h>

#include "query/differences.h"
#include "query/spec_private.h"

#define BINS        32u
#define CELLS_MAX   1024u
#define SMOOTHING   0.5
#define UNIQUE_FROM 20u  /* rows: fewer prove nothing */
#define UNIQUE      0.9  /* different values a row: an id */
#define ALIKE       1e-9 /* of the weights */

typedef struct ranker {
    const differ_totals *totals;
    arena *mem;
    double size[DIFFER_SIDES]; /* how many rows the weights are worth */
    differ_value *cells;       /* room for CELLS_MAX and two more */
} ranker;

/* ---- numbers in buckets ---- */

static double bucket_start(uint64_t bucket)
{
    uint64_t bits = bucket << (64 - DIFFER_BUCKET_BITS);
    double v;
    bits = bits >> 63 ? bits & ~((uint64_t)1 << 63) : ~bits;
    memcpy(&v, &bits, sizeof v);
    return v;
}

void differ_bucket_range(uint32_t bucket, double *ret_low, double *ret_high)
{
    *ret_low = bucket_start(bucket);
    *ret_high = bucket_start((uint64_t)bucket + 1);
}

/* ---- shares ---- */

static double share_of(const ranker *r, const differ_value *v, uint32_t side)
{
    return r->totals->weight[side] ? (double)v->weight[side] / (double)r->totals->weight[side] : 0;
}

static double mean_share(const ranker *r, const differ_value *v)
{
    return (share_of(r, v, 0) + share_of(r, v, 1)) / 2;
}

/* Effective size: rows that all weigh the same would say as much. */
static double size_of(const differ_totals *t, uint32_t side)
{
    double weight = (double)t->weight[side];
    return t->weight_squares[side] ? weight * weight / (double)t->weight_squares[side] : 0;
}

static int compare_values(const void *left, const void *right)
{
    const differ_value *a = left, *b = right;
    if (a->is_number != b->is_number)
        return a->is_number ? -1 : 1;
    if (!a->is_number)
        return span_compare(a->text, b->text);
    if (isnan(a->low) || isnan(b->low))
        return isnan(a->low) - isnan(b->low);
    return (a->low > b->low) - (a->low < b->low);
}

static void add_weights(differ_value *into, const differ_value *from)
{
    for (uint32_t side = 0; side < DIFFER_SIDES; side++)
        into->weight[side] += from->weight[side];
}

/* ---- cells: what is compared ---- */

/* Neighbouring numbers, until they hold a BINSth of the mean of both sides. */
static uint32_t make_bins(ranker *r, const differ_input *in)
{
    double whole = 0, so_far = 0;
    uint32_t n = 0;
    for (uint32_t i = 0; i < in->value_count; i++)
        whole += mean_share(r, &in->values[i]);
    for (uint32_t i = 0; i < in->value_count; i++) {
        const differ_value *v = &in->values[i];
        bool is_new = n == 0 || (n < BINS && so_far >= whole * n / BINS);
        if (is_new)
            r->cells[n++] = *v;
        else
            add_weights(&r->cells[n - 1], v);
        r->cells[n - 1].high = v->high;
        so_far += mean_share(r, v);
    }
    return n;
}

/* The mean share that a value must have to stand for itself: one row of the smaller side, and not beyond CELLS_MAX. */
static double least_share(const ranker *r, const differ_input *in, double *room)
{
    double least = 1 / fmin(r->size[0], r->size[1]);
    if (in->value_count <= CELLS_MAX)
        return least;
    for (uint32_t i = 0; i < in->value_count; i++)
        room[i] = mean_share(r, &in->values[i]);
    /* the CELLS_MAXth largest */
    uint32_t low = 0, high = in->value_count - 1, at = in->value_count - CELLS_MAX;
    while (low < high) {
        double middle = room[low + (high - low) / 2];
        uint32_t i = low, k = high;
        while (i <= k) {
            while (room[i] < middle)
                i++;
            while (room[k] > middle)
                k--;
            if (i > k)
                break;
            double swap = room[i];
            room[i++] = room[k];
            room[k] = swap;
            if (k == 0)
                break;
            k--;
        }
        if (at <= k)
            high = k;
        else if (at >= i)
            low = i;
        else
            break;
    }
    return fmax(least, room[at] * (1 + 1e-12)); /* those that tie with it go too */
}

static bool make_cells(ranker *r, const differ_input *in, uint32_t *ret)
{
    arena_mark mark = arena_here(r->mem);
    double *room = ARENA_ARRAY(r->mem, double, in->value_count + 1);
    differ_value other = {.is_other = true};
    uint32_t n = 0;
    if (!room)
        return false;
    double least = least_share(r, in, room);
    for (uint32_t i = 0; i < in->value_count; i++) {
        if (n < CELLS_MAX && mean_share(r, &in->values[i]) >= least)
            r->cells[n++] = in->values[i];
        else
            add_weights(&other, &in->values[i]);
    }
    arena_rewind(r->mem, mark);
    /* Only these are put in order: their shares are added as doubles. */
    if (n)
        qsort(r->cells, n, sizeof *r->cells, compare_values);
    if (other.weight[0] + other.weight[1])
        r->cells[n++] = other;
    *ret = n;
    return true;
}

static uint32_t add_absent(ranker *r, const differ_input *in, uint32_t n)
{
    differ_value absent = {.is_absent = true};
    for (uint32_t side = 0; side < DIFFER_SIDES; side++)
        absent.weight[side] = r->totals->weight[side] - in->weight[side];
    if (absent.weight[0] + absent.weight[1])
        r->cells[n++] = absent;
    return n;
}

/* ---- score ---- */

static double divergence(const ranker *r, uint32_t n)
{
    double sum = 0, whole[DIFFER_SIDES];
    for (uint32_t side = 0; side < DIFFER_SIDES; side++)
        whole[side] = r->size[side] + SMOOTHING * n;
    for (uint32_t i = 0; i < n; i++) {
        double p[DIFFER_SIDES];
        for (uint32_t side = 0; side < DIFFER_SIDES; side++)
            p[side] = (share_of(r, &r->cells[i], side) * r->size[side] + SMOOTHING) / whole[side];
        double middle = (p[0] + p[1]) / 2;
        sum += p[0] / 2 * log2(p[0] / middle) + p[1] / 2 * log2(p[1] / middle);
    }
    return sum;
}

static void score(const ranker *r, const differ_input *in, uint32_t n, differ_field *f)
{
    f->divergence = divergence(r, n);
    f->expected = (n - 1) * (1 / r->size[0] + 1 / r->size[1]) / (8 * log(2));
    for (uint32_t side = 0; side < DIFFER_SIDES; side++)
        f->share = fmax(f->share, (double)in->weight[side] / (double)r->totals->weight[side]);
    f->score = fmax(0, f->divergence - f->expected) * f->share;
}

static differ_drop drop_of(const differ_input *in, const differ_totals *t)
{
    uint64_t rows = in->rows[0] + in->rows[1];
    if (in->has_too_many)
        return DROP_TOO_MANY;
    if (in->value_count <= 1 && in->weight[0] == t->weight[0] && in->weight[1] == t->weight[1])
        return DROP_CONSTANT;
    bool is_text = in->value_count && !in->values[0].is_number;
    if (is_text && rows >= UNIQUE_FROM && in->value_count > UNIQUE * (double)rows)
        return DROP_UNIQUE;
    return DROP_NONE;
}

/* ---- what is shown ---- */

static double lead(const ranker *r, const differ_value *v)
{
    return share_of(r, v, DIFFER_SELECTION) - share_of(r, v, DIFFER_BASELINE);
}

static bool is_special(const differ_value *v)
{
    return v->is_other || v->is_absent;
}

static bool tells_more(const ranker *r, const differ_value *a, const differ_value *b)
{
    double x = fabs(lead(r, a)), y = fabs(lead(r, b));
    return x != y ? x > y : compare_values(a, b) < 0;
}

/* The most telling values first, at most DIFFER_BARS, then all others as one, then the absent. */
static uint32_t choose_bars(const ranker *r, differ_value *cells, uint32_t n, differ_value *out)
{
    uint32_t shown = 0;
    differ_value other = {.is_other = true}, absent = {.is_absent = true};
    for (uint32_t i = 0; i < n; i++) {
        if (is_special(&cells[i])) {
            add_weights(cells[i].is_other ? &other : &absent, &cells[i]);
            continue;
        }
        if (shown == DIFFER_BARS && !tells_more(r, &cells[i], &out[shown - 1])) {
            add_weights(&other, &cells[i]);
            continue;
        }
        if (shown == DIFFER_BARS)
            add_weights(&other, &out[shown - 1]);
        uint32_t at = shown < DIFFER_BARS ? shown++ : shown - 1;
        for (; at > 0 && tells_more(r, &cells[i], &out[at - 1]); at--)
            out[at] = out[at - 1];
        out[at] = cells[i];
    }
    if (other.weight[0] + other.weight[1])
        out[shown++] = other;
    if (absent.weight[0] + absent.weight[1])
        out[shown++] = absent;
    return shown;
}

static span percent(arena *mem, double share)
{
    double hundredths = 100 * share;
    bool is_small = hundredths > 0 && hundredths < 0.95;
    return arena_print(mem, is_small ? "%.1g %%" : "%.0f %%", hundredths);
}

static span say(const ranker *r, span name, span relation, span what, double selected, double rest)
{
    span a = percent(r->mem, selected), b = percent(r->mem, rest);
    return arena_print(r->mem, "%.*s%.*s%.*s is %.*s of the selection, %.*s of the baseline",
                       SPAN_FMT(name), SPAN_FMT(relation), SPAN_FMT(what), SPAN_FMT(a),
                       SPAN_FMT(b));
}

/* The value that the selection has most more of; of ranges the bound that parts the sides best. */
static span sentence_of(const ranker *r, span name, bool is_ranges, uint32_t n)
{
    const differ_value *best = NULL;
    double cumulated[DIFFER_SIDES] = {0}, lead_best = 0, parts[DIFFER_SIDES] = {0}, whole = 0;
    bool is_above = false;
    double bound = 0;
    for (uint32_t i = 0; is_ranges && i < n; i++)
        whole += is_special(&r->cells[i]) ? 0 : lead(r, &r->cells[i]);
    for (uint32_t i = 0; i < n; i++) {
        const differ_value *v = &r->cells[i];
        if (!is_ranges || v->is_absent) {
            if (!v->is_other && (!best || lead(r, v) > lead(r, best)))
                best = v;
            continue;
        }
        double below = cumulated[0] - cumulated[1], above = whole - below;
        if (i > 0 && fmax(below, above) > lead_best) {
            lead_best = fmax(below, above);
            is_above = above >= below;
            bound = v->low;
            memcpy(parts, cumulated, sizeof parts);
        }
        for (uint32_t side = 0; side < DIFFER_SIDES; side++)
            cumulated[side] += share_of(r, v, side);
    }
    if (lead_best > 0 && (!best || lead(r, best) < lead_best)) {
        span text = arena_print(r->mem, "%.4g", bound);
        for (uint32_t side = 0; is_above && side < DIFFER_SIDES; side++)
            parts[side] = cumulated[side] - parts[side];
        return say(r, name, is_above ? SPAN(" >= ") : SPAN(" < "), text, parts[0], parts[1]);
    }
    if (!best || lead(r, best) <= 0)
        return SPAN("");
    return say(r, name, best->is_absent ? SPAN("") : SPAN(" = "),
               best->is_absent ? SPAN(" absent") : best->text, share_of(r, best, 0),
               share_of(r, best, 1));
}

/* ---- one field ---- */

static bool print_number(arena *mem, differ_value *v)
{
    char scratch[VALUE_TEXT_MAX];
    value number = {.is_set = true, .type = FIELD_FLOAT, .f = v->low};
    return arena_copy(mem, value_text(number, scratch), &v->text);
}

/* Numbers get their texts; beside texts they are texts too, and equal ones are one value. */
static bool unify(ranker *r, differ_input *in)
{
    uint32_t kept = 0;
    bool has_text = false, has_number = false;
    for (uint32_t i = 0; i < in->value_count; i++) {
        has_text |= !in->values[i].is_number;
        has_number |= in->values[i].is_number;
    }
    if (!has_number || (!has_text && in->value_count > BINS))
        return true;
    for (uint32_t i = 0; i < in->value_count; i++) {
        if (in->values[i].is_number && !print_number(r->mem, &in->values[i]))
            return false;
        in->values[i].is_number &= !has_text;
    }
    if (!has_text)
        return true;
    qsort(in->values, in->value_count, sizeof *in->values, compare_values);
    for (uint32_t i = 0; i < in->value_count; i++) {
        if (kept && compare_values(&in->values[kept - 1], &in->values[i]) == 0)
            add_weights(&in->values[kept - 1], &in->values[i]);
        else
            in->values[kept++] = in->values[i];
    }
    in->value_count = kept;
    return true;
}

/* What is shown outlives the engine's texts. */
static bool keep_texts(arena *mem, const differ_field *f, differ_value *shown)
{
    for (uint32_t i = 0; i < f->value_count; i++)
        if (shown[i].text.at && !arena_copy(mem, shown[i].text, &shown[i].text))
            return false;
    return true;
}

static bool rank_field(ranker *r, differ_input *in, differ_field *f)
{
    uint32_t n;
    if (!unify(r, in))
        return false;
    bool is_numbers = in->value_count > BINS && in->values[0].is_number; /* then all are */
    if (is_numbers)
        qsort(in->values, in->value_count, sizeof *in->values, compare_values);
    *f = (differ_field){
        .distinct = in->value_count, .follows = in->follows, .is_ranges = is_numbers};
    memcpy(f->weight, in->weight, sizeof f->weight);
    f->dropped = drop_of(in, r->totals);
    if (!arena_copy(r->mem, in->name, &f->name))
        return false;
    if (f->dropped)
        return true;
    if (is_numbers)
        n = make_bins(r, in);
    else if (!make_cells(r, in, &n))
        return false;
    n = add_absent(r, in, n);
    score(r, in, n, f);
    differ_value *shown = ARENA_ARRAY(r->mem, differ_value, is_numbers ? n : DIFFER_BARS + 2);
    if (!shown)
        return false;
    if (is_numbers)
        memcpy(shown, r->cells, n * sizeof *shown);
    f->value_count = is_numbers ? n : choose_bars(r, r->cells, n, shown);
    f->values = shown;
    f->sentence = sentence_of(r, in->name, is_numbers, n);
    return f->sentence.at && keep_texts(r->mem, f, shown);
}

/* ---- the list ---- */

static int compare_fields(const void *left, const void *right)
{
    const differ_field *a = left, *b = right;
    if (a->follows != b->follows)
        return a->follows ? 1 : -1;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return span_compare(a->name, b->name);
}

static int compare_names(const void *left, const void *right)
{
    return span_compare(((const differ_field *)left)->name, ((const differ_field *)right)->name);
}

static int compare_weights(const void *left, const void *right)
{
    const differ_value *a = left, *b = right;
    for (uint32_t side = 0; side < DIFFER_SIDES; side++)
        if (a->weight[side] != b->weight[side])
            return a->weight[side] < b->weight[side] ? -1 : 1;
    return 0;
}

/* Whether two fields cut the rows in the same way: as many values, of the same weights. */
static bool is_alike(const differ_field *a, const differ_field *b)
{
    differ_value x[BINS + 2], y[BINS + 2];
    if (a->distinct != b->distinct || a->value_count != b->value_count ||
        a->follows != b->follows || a->is_ranges != b->is_ranges ||
        fabs(a->score - b->score) > ALIKE || a->score == 0)
        return false;
    memcpy(x, a->values, a->value_count * sizeof *x);
    memcpy(y, b->values, b->value_count * sizeof *y);
    qsort(x, a->value_count, sizeof *x, compare_weights);
    qsort(y, b->value_count, sizeof *y, compare_weights);
    for (uint32_t i = 0; i < a->value_count; i++)
        if (compare_weights(&x[i], &y[i]) != 0)
            return false;
    return true;
}

/* Look-alikes are neighbours once sorted, or nearly: they have the same score. */
static bool merge_alike(ranker *r, differ_field *fields, uint32_t *count)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < *count; i++) {
        uint32_t k = kept;
        while (k > 0 && fabs(fields[k - 1].score - fields[i].score) <= ALIKE &&
               !is_alike(&fields[k - 1], &fields[i]))
            k--;
        if (k == 0 || !is_alike(&fields[k - 1], &fields[i])) {
            fields[kept++] = fields[i];
            continue;
        }
        differ_field *into = &fields[k - 1];
        span *names = ARENA_ARRAY(r->mem, span, into->alike_count + 1);
        if (!names)
            return false;
        for (uint32_t n = 0; n < into->alike_count; n++)
            names[n] = into->alike[n];
        names[into->alike_count++] = fields[i].name;
        into->alike = names;
    }
    *count = kept;
    return true;
}

sk_code differ_fields(differ_input *inputs, uint32_t count, const differ_totals *totals,
                      uint32_t limit, arena *mem, differ_list *ret, err *e)
{
    ranker r = {.totals = totals, .mem = mem};
    *ret = (differ_list){0};
    for (uint32_t side = 0; side < DIFFER_SIDES; side++)
        r.size[side] = size_of(totals, side);
    if (!totals->rows[0] || !totals->rows[1])
        return SK_OK;
    differ_field *fields = ARENA_ARRAY(mem, differ_field, count + 1),
                 *dropped = ARENA_ARRAY(mem, differ_field, count + 1);
    r.cells = ARENA_ARRAY(mem, differ_value, CELLS_MAX + 2);
    if (!fields || !dropped || !r.cells)
        return spec__no_memory(e);
    for (uint32_t i = 0; i < count; i++) {
        differ_field f;
        if (!inputs[i].rows[0] && !inputs[i].rows[1])
            continue;
        if (!rank_field(&r, &inputs[i], &f))
            return spec__no_memory(e);
        if (f.dropped)
            dropped[ret->dropped_count++] = f;
        else
            fields[ret->count++] = f;
    }
    if (ret->count)
        qsort(fields, ret->count, sizeof *fields, compare_fields);
    if (ret->dropped_count)
        qsort(dropped, ret->dropped_count, sizeof *dropped, compare_names);
    if (!merge_alike(&r, fields, &ret->count))
        return spec__no_memory(e);
    limit = limit ? limit : DIFFER_FIELDS_SHOWN;
    ret->count = ret->count < limit ? ret->count : limit;
    ret->fields = fields;
    ret->dropped = dropped;
    return SK_OK;
}
