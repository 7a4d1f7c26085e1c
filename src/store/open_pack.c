/*
 * store/open_pack.c: a batch copied into the form it is scanned in while it is open. What building needed and rows do not (its
 * own dictionary, room to grow) goes; 512 spans of 17 fields take some 70 KB instead of 500.
 * Called by open_set.c on the committer thread: about ten microseconds for such a batch.
 */
#include <stdlib.h>

#include "base/must.h"
#include "store/open_set.h"

#define FILTER_BITS_A_ID 16u /* 4 bits set in one word: about 1 % false positives */
#define FILTER_WORDS_MAX (1u << 20)

/* ---- which traces a batch holds ---- */

static uint64_t filter_word_and_bits(trace_id id, uint32_t words, uint32_t *ret_word)
{
    uint64_t hash = hash_mix(id.hi ^ hash_mix(id.lo));
    *ret_word = (uint32_t)((hash >> 32) * words >> 32);
    return 1ull << (hash & 63) | 1ull << (hash >> 6 & 63) | 1ull << (hash >> 12 & 63) |
           1ull << (hash >> 18 & 63);
}

bool open_batch_may_have_trace(const open_batch *b, trace_id id)
{
    if (!b->trace_filter)
        return false;
    uint32_t word;
    uint64_t bits = filter_word_and_bits(id, b->trace_filter_words, &word);
    return (b->trace_filter[word] & bits) == bits;
}

static void fill_filter(open_batch *ob)
{
    for (uint32_t i = 0; i < ob->row_count; i++) {
        uint32_t word;
        uint64_t bits = filter_word_and_bits(ob->trace_id[i], ob->trace_filter_words, &word);
        ob->trace_filter[word] |= bits;
    }
}

/* ---- how much there is ---- */

typedef struct extent {
    uint32_t runs_of_traces, columns;
    bool has_spans, has_parents, one_rate, one_dataset;
} extent;

static extent measure(const batch *b, const uint32_t *columns)
{
    extent x = {.one_rate = true, .one_dataset = true};
    for (uint32_t i = 0; i < b->row_count; i++) {
        x.has_spans |= b->span_id[i] != 0;
        x.has_parents |= b->parent_id[i] != 0;
        x.one_rate &= b->rate[i] == b->rate[0];
        x.one_dataset &= b->dataset[i] == b->dataset[0];
        x.runs_of_traces += trace_id_is_set(b->trace_id[i]) &&
                            (i == 0 || !trace_id_equal(b->trace_id[i], b->trace_id[i - 1]));
    }
    for (uint32_t i = 0; i < b->column_count; i++)
        x.columns += columns[i] != COLUMN_NONE;
    return x;
}

/* Hands out pieces of one block; without a block it only counts. All are multiples of eight bytes. */
typedef struct pieces {
    char *at;
    size_t used;
} pieces;

static void *take(pieces *p, size_t count, size_t item_bytes)
{
    size_t bytes = (count * item_bytes + 7) & ~(size_t)7;
    void *piece = p->at ? p->at + p->used : NULL;
    p->used += bytes;
    return count ? piece : NULL;
}

/* The same, as a place: see open_values. */
static uint32_t take_place(pieces *p, size_t count, size_t item_bytes)
{
    size_t place = p->used / 8;
    take(p, count, item_bytes);
    return count ? (uint32_t)place : 0;
}

static bool is_coded(field_type t)
{
    return t == FIELD_STRING || t == FIELD_HISTOGRAM || t == FIELD_BOOL;
}

/* Places for everything; the same twice, first to count. */
static void lay_out(const batch *b, const uint32_t *columns, const extent *x, open_batch *ob,
                    pieces *p)
{
    uint32_t n = b->row_count;
    uint64_t words = ((uint64_t)x->runs_of_traces * FILTER_BITS_A_ID + 63) / 64;
    ob->trace_filter_words = words < FILTER_WORDS_MAX ? (uint32_t)words : FILTER_WORDS_MAX;
    ob->time_ns = take(p, n, sizeof(int64_t));
    ob->trace_id = take(p, x->runs_of_traces ? n : 0, sizeof(trace_id));
    ob->trace_filter = take(p, ob->trace_filter_words, sizeof(uint64_t));
    ob->span_id = take(p, x->has_spans ? n : 0, sizeof(uint64_t));
    ob->parent_id = take(p, x->has_parents ? n : 0, sizeof(uint64_t));
    ob->rate = take(p, x->one_rate ? 0 : n, sizeof(uint32_t));
    ob->dataset = take(p, x->one_dataset ? 0 : n, sizeof(uint32_t));
    ob->columns = take(p, x->columns, sizeof(open_values));
    for (uint32_t i = 0, at = 0; i < b->column_count; i++) {
        if (columns[i] == COLUMN_NONE)
            continue;
        const column *c = &b->columns[i];
        size_t value_bytes = is_coded(c->type) ? sizeof(uint32_t) : sizeof(uint64_t);
        open_values v = {.set_column = columns[i],
                         .count = c->count,
                         .rows = take_place(p, c->rows ? c->count : 0, sizeof(uint32_t)),
                         .values = take_place(p, c->count, value_bytes),
                         .ranges = take_place(p, c->range_count, sizeof(column_range)),
                         .range_count = c->range_count};
        if (ob->columns)
            ob->columns[at++] = v;
    }
}

/* ---- copying ---- */

static void copy_values(const column *c, const uint32_t *codes, const open_batch *ob,
                        const open_values *v)
{
    bool is_text = c->type == FIELD_STRING || c->type == FIELD_HISTOGRAM;
    uint64_t *words = (uint64_t *)ob->time_ns;
    if (v->rows)
        memcpy(words + v->rows, c->rows, c->count * sizeof c->rows[0]);
    if (!is_coded(c->type)) {
        if (c->count)
            memcpy(words + v->values, c->bits, c->count * sizeof c->bits[0]);
    } else {
        uint32_t *to = (uint32_t *)(words + v->values);
        for (uint32_t i = 0; i < c->count; i++)
            to[i] = is_text ? codes[c->codes[i]] : c->codes[i];
    }
    column_range *ranges = (column_range *)(words + v->ranges);
    for (uint32_t i = 0; i < c->range_count; i++) {
        ranges[i] = c->ranges[i];
        if (is_text)
            ranges[i].bits = codes[(uint32_t)c->ranges[i].bits];
    }
}

static void copy_rows(const batch *b, const uint32_t *codes, open_batch *ob)
{
    uint32_t n = b->row_count;
    memcpy(ob->time_ns, b->time_ns, n * sizeof ob->time_ns[0]);
    if (ob->trace_id)
        memcpy(ob->trace_id, b->trace_id, n * sizeof ob->trace_id[0]);
    if (ob->span_id)
        memcpy(ob->span_id, b->span_id, n * sizeof ob->span_id[0]);
    if (ob->parent_id)
        memcpy(ob->parent_id, b->parent_id, n * sizeof ob->parent_id[0]);
    if (ob->rate)
        memcpy(ob->rate, b->rate, n * sizeof ob->rate[0]);
    for (uint32_t i = 0; ob->dataset && i < n; i++)
        ob->dataset[i] = codes[b->dataset[i]];
    ob->one_rate = b->rate[0];
    ob->one_dataset = codes[b->dataset[0]];
    ob->min_time_ns = ob->max_time_ns = b->time_ns[0];
    for (uint32_t i = 1; i < n; i++) {
        int64_t t = b->time_ns[i];
        ob->min_time_ns = t < ob->min_time_ns ? t : ob->min_time_ns;
        ob->max_time_ns = t > ob->max_time_ns ? t : ob->max_time_ns;
    }
}

static int compare_columns(const void *a, const void *b)
{
    const open_values *x = a, *y = b;
    return (x->set_column > y->set_column) - (x->set_column < y->set_column);
}

static void sort_columns(open_batch *ob)
{
    for (uint32_t i = 1; i < ob->column_count; i++)
        if (ob->columns[i].set_column < ob->columns[i - 1].set_column) {
            qsort(ob->columns, ob->column_count, sizeof ob->columns[0], compare_columns);
            return;
        }
}

sk_code open_batch_pack(const batch *b, const uint32_t *columns, const uint32_t *codes,
                        open_batch *ret, err *e)
{
    must(b->row_count);
    extent x = measure(b, columns);
    open_batch ob = {
        .row_count = b->row_count, .column_count = x.columns, .arrival_ns = b->arrival_ns};
    pieces counted = {0};
    lay_out(b, columns, &x, &ob, &counted);
    pieces p = {.at = counted.used / 8 <= UINT32_MAX ? base_alloc(counted.used) : NULL};
    if (!p.at)
        return err_set(e, SK_NO_MEMORY, "no memory for an open batch of %u rows", b->row_count);
    lay_out(b, columns, &x, &ob, &p);
    must(p.used == counted.used);
    ob.bytes = p.used;
    copy_rows(b, codes, &ob);
    for (uint32_t i = 0, at = 0; i < b->column_count; i++)
        if (columns[i] != COLUMN_NONE)
            copy_values(&b->columns[i], codes, &ob, &ob.columns[at++]);
    if (ob.trace_filter) {
        memset(ob.trace_filter, 0, ob.trace_filter_words * sizeof ob.trace_filter[0]);
        fill_filter(&ob);
    }
    sort_columns(&ob);
    *ret = ob;
    return SK_OK;
}

void open_batch_free(open_batch *b)
{
    base_free(b->time_ns);
}
