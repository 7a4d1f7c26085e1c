/*
 * store/order_streams.c: rows by dataset, metric.name and time: logs and metrics. Inputs that are in this order already are
 * merged from their heads; others are sorted whole, 24 bytes a row. Called by build.c.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"
#include "event/fields.h"
#include "store/order.h"
#include "store/segment.h"

/* A row's place: ranks are of texts over all inputs, so that they mean the same in each. */
typedef struct key {
    uint32_t dataset, metric; /* rank + 1; 0 = no metric name */
    int64_t time_ns;
    uint32_t row;
} key;

/* One input's codes of a text column → ranks. */
typedef struct ranks {
    uint32_t *of_code;
    uint32_t count;
} ranks;

typedef struct seen_text {
    span text;
    uint32_t input, code;
} seen_text;

typedef struct streams {
    const order_inputs *in;
    uint32_t *metric_column; /* per input; 0 = it has none */
    ranks *datasets, *metrics;
    key *keys;
    uint32_t key_count;
} streams;

static sk_code out_of_memory(err *e)
{
    return err_set(e, SK_NO_MEMORY, "no memory to order rows by stream");
}

static int compare_texts(const void *a, const void *b)
{
    return span_compare(((const seen_text *)a)->text, ((const seen_text *)b)->text);
}

/* Marks the codes that occur: an open set's dictionary holds every string of every column. */
static sk_code mark_codes(order_input *in, uint32_t col, vector *v, ranks *r, err *e)
{
    r->count = part_dictionary(in->part, col)->count;
    r->of_code = base_alloc_zero(r->count + 1ul, sizeof r->of_code[0]);
    if (!r->of_code)
        return out_of_memory(e);
    for (uint32_t block = 0; block < in->info.block_count; block++) {
        sk_code code = part_read(in->reader, col, block, v, e);
        if (code != SK_OK)
            return code;
        for (uint32_t i = 0; v->kind == VECTOR_CODES && i < v->row_count; i++)
            if (vector_has(v, i))
                r->of_code[v->codes[i]] = 1;
    }
    return SK_OK;
}

/* Ranks of one column's texts over all inputs. `columns` NULL: the dataset. */
static sk_code rank_texts(const order_inputs *in, const uint32_t *columns, ranks *ret, err *e)
{
    seen_text *list = NULL;
    uint32_t count = 0, capacity = 0;
    sk_code code = SK_OK;
    for (uint32_t i = 0; code == SK_OK && i < in->count; i++) {
        uint32_t col = columns ? columns[i] : PART_DATASET;
        if (columns && !col)
            continue;
        code = mark_codes(&in->at[i], col, in->scratch[0], &ret[i], e);
        const dictionary *d = part_dictionary(in->at[i].part, col);
        for (uint32_t k = 0; code == SK_OK && k < ret[i].count; k++) {
            if (!ret[i].of_code[k])
                continue;
            span text;
            code = dictionary_text_of(d, k, &text, e);
            if (code == SK_OK && !base_reserve(&list, &capacity, count + 1, sizeof list[0]))
                code = out_of_memory(e);
            if (code == SK_OK)
                list[count++] = (seen_text){text, i, k};
        }
    }
    if (count)
        qsort(list, count, sizeof list[0], compare_texts);
    for (uint32_t i = 0, rank = 0; code == SK_OK && i < count; i++) {
        rank += i == 0 || !span_equal(list[i].text, list[i - 1].text);
        ret[list[i].input].of_code[list[i].code] = rank;
    }
    base_free(list);
    return code;
}

static int compare_keys(const void *a, const void *b)
{
    const key *x = a, *y = b;
    if (x->dataset != y->dataset)
        return x->dataset < y->dataset ? -1 : 1;
    if (x->metric != y->metric)
        return x->metric < y->metric ? -1 : 1;
    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* The keys of one block's selected rows; returns how many. */
static sk_code block_keys(const streams *s, uint32_t input, uint32_t block, key *out,
                          uint32_t *ret_count, err *e)
{
    order_input *in = &s->in->at[input];
    vector *datasets = s->in->scratch[0], *times = s->in->scratch[1], *metrics = s->in->scratch[2];
    metrics->kind = VECTOR_ABSENT;
    sk_code code = part_read(in->reader, PART_DATASET, block, datasets, e);
    if (code == SK_OK)
        code = part_read(in->reader, PART_TIME, block, times, e);
    if (code == SK_OK && s->metric_column[input])
        code = part_read(in->reader, s->metric_column[input], block, metrics, e);
    if (code != SK_OK)
        return code;
    uint32_t n = 0;
    for (uint32_t i = 0; i < times->row_count; i++) {
        uint32_t row = in->first_row + block * VECTOR_ROWS + i;
        if (!order_is_selected(s->in, row))
            continue;
        bool has_metric = metrics->kind == VECTOR_CODES && vector_has(metrics, i);
        out[n++] = (key){s->datasets[input].of_code[datasets->codes[i]],
                         has_metric ? s->metrics[input].of_code[metrics->codes[i]] : 0,
                         times->ints[i], row};
    }
    *ret_count = n;
    return SK_OK;
}

/* ---- inputs in any order: sort everything ---- */

static sk_code sort_all(streams *s, row_order *out, err *e)
{
    s->keys = base_alloc((s->in->row_end + 1ul) * sizeof s->keys[0]);
    if (!s->keys)
        return out_of_memory(e);
    for (uint32_t i = 0; i < s->in->count; i++)
        for (uint32_t block = 0; block < s->in->at[i].info.block_count; block++) {
            uint32_t n;
            sk_code code = block_keys(s, i, block, s->keys + s->key_count, &n, e);
            if (code != SK_OK)
                return code;
            s->key_count += n;
        }
    qsort(s->keys, s->key_count, sizeof s->keys[0], compare_keys);
    for (uint32_t i = 0; i < s->key_count; i++)
        out->source[out->count++] = s->keys[i].row;
    return SK_OK;
}

/* ---- ordered inputs: take the least head ---- */

typedef struct head {
    key *keys; /* of one block */
    uint32_t count, at, next_block;
} head;

/* Makes the head show the input's next row; count 0 at its end. */
static sk_code advance(const streams *s, uint32_t input, head *h, err *e)
{
    sk_code code = SK_OK;
    h->at++;
    while (code == SK_OK && h->at >= h->count) {
        h->at = h->count = 0;
        if (h->next_block == s->in->at[input].info.block_count)
            return SK_OK;
        code = block_keys(s, input, h->next_block++, h->keys, &h->count, e);
    }
    return code;
}

static sk_code merge_heads(streams *s, head *heads, row_order *out, err *e)
{
    sk_code code = SK_OK;
    for (uint32_t i = 0; code == SK_OK && i < s->in->count; i++) {
        heads[i].keys = base_alloc(VECTOR_ROWS * sizeof(key));
        code = heads[i].keys ? advance(s, i, &heads[i], e) : out_of_memory(e);
    }
    while (code == SK_OK) {
        const key *least = NULL;
        uint32_t from = 0;
        for (uint32_t i = 0; i < s->in->count; i++) {
            const key *k = heads[i].count ? &heads[i].keys[heads[i].at] : NULL;
            if (k && (!least || compare_keys(k, least) < 0)) {
                least = k;
                from = i;
            }
        }
        if (!least)
            break;
        out->source[out->count++] = least->row;
        code = advance(s, from, &heads[from], e);
    }
    for (uint32_t i = 0; i < s->in->count; i++)
        base_free(heads[i].keys);
    return code;
}

static sk_code merge_all(streams *s, row_order *out, err *e)
{
    head *heads = base_alloc_zero(s->in->count + 1ul, sizeof heads[0]);
    sk_code code = heads ? merge_heads(s, heads, out, e) : out_of_memory(e);
    base_free(heads);
    return code;
}

/* ---- both ---- */

static uint32_t metric_column(const part *p)
{
    uint32_t columns[FIELD_TYPE_COUNT];
    uint32_t count = part_find(p, SPAN(F_METRIC_NAME), columns);
    for (uint32_t i = 0; i < count; i++)
        if (part_column_get(p, columns[i]).type == FIELD_STRING)
            return columns[i];
    return 0;
}

static sk_code order(streams *s, row_order *out, err *e)
{
    const order_inputs *in = s->in;
    out->source = base_alloc((in->row_end + 1ul) * sizeof out->source[0]);
    s->metric_column = base_alloc_zero(in->count + 1ul, sizeof s->metric_column[0]);
    s->datasets = base_alloc_zero(in->count + 1ul, sizeof s->datasets[0]);
    s->metrics = base_alloc_zero(in->count + 1ul, sizeof s->metrics[0]);
    if (!out->source || !s->metric_column || !s->datasets || !s->metrics)
        return out_of_memory(e);
    bool all_ordered = true;
    for (uint32_t i = 0; i < in->count; i++) {
        s->metric_column[i] = metric_column(in->at[i].part);
        all_ordered = all_ordered && in->at[i].is_ordered;
    }
    sk_code code = rank_texts(in, NULL, s->datasets, e);
    if (code == SK_OK)
        code = rank_texts(in, s->metric_column, s->metrics, e);
    if (code == SK_OK)
        code = all_ordered ? merge_all(s, out, e) : sort_all(s, out, e);
    return code;
}

sk_code order_streams(const order_inputs *in, row_order *ret, err *e)
{
    *ret = (row_order){0};
    streams s = {.in = in};
    sk_code code = order(&s, ret, e);
    for (uint32_t i = 0; i < in->count; i++) {
        if (s.datasets)
            base_free(s.datasets[i].of_code);
        if (s.metrics)
            base_free(s.metrics[i].of_code);
    }
    base_free(s.datasets);
    base_free(s.metrics);
    base_free(s.metric_column);
    base_free(s.keys);
    if (code != SK_OK)
        row_order_done(ret);
    return code;
}
