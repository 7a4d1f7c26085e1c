/*
 * store/open_part.c: an open set's shown prefix as a part: block k is rows k·VECTOR_ROWS … of the set, gathered from the
 * batches that hold them. Called through part_ops by snapshot.c and build.c, on any thread.
 * Never: looks past its view; takes a lock.
 */
#include "store/open_set.h"

#include <stdatomic.h>

#include "base/must.h"

static const open_part *of(const part *p)
{
    return (const open_part *)p;
}

static void get_info(const part *p, part_info *ret)
{
    const open_view *v = &of(p)->view;
    *ret = (part_info){.id = 0,
                       .family = of(p)->set->family,
                       .is_open = true,
                       .row_count = v->row_count,
                       .block_count = block_count_of(v->row_count),
                       .column_count = v->column_count,
                       .min_time_ns = v->min_time_ns,
                       .max_time_ns = v->max_time_ns,
                       .bytes = v->bytes};
}

/* The batches that overlap a block, and the block's rows. */
typedef struct block_batches {
    uint32_t first_row, end_row, batch; /* batch: the first one */
} block_batches;

static block_batches batches_of(const open_part *p, uint32_t block)
{
    must(block < block_count_of(p->view.row_count));
    uint32_t first = block * VECTOR_ROWS;
    return (block_batches){first, first + block_rows_of(p->view.row_count, block),
                           open_set_batch_of(p->set, p->view.batch_count, first)};
}

/* One batch's share of a block: its rows [from, to) are the block's rows from `at` on. */
typedef struct share {
    const open_batch *ob;
    uint32_t from, to, at;
} share;

static bool next_share(const open_part *p, block_batches *b, share *ret)
{
    while (b->batch < p->view.batch_count) {
        const open_batch *ob = open_set_batch(p->set, b->batch);
        if (ob->first_row >= b->end_row)
            return false;
        b->batch++;
        uint32_t block_first = b->end_row - 1 - (b->end_row - 1) % VECTOR_ROWS;
        uint32_t end = ob->first_row + ob->row_count;
        uint32_t from = ob->first_row > block_first ? ob->first_row : block_first;
        uint32_t to = end < b->end_row ? end : b->end_row;
        if (from >= to)
            continue;
        *ret = (share){ob, from - ob->first_row, to - ob->first_row, from - block_first};
        return true;
    }
    return false;
}

static void get_block(const part *p, uint32_t block, part_block *ret)
{
    block_batches b = batches_of(of(p), block);
    *ret = (part_block){b.first_row, b.end_row - b.first_row, INT64_MAX, INT64_MIN};
    for (share s; next_share(of(p), &b, &s);) {
        if (s.ob->min_time_ns < ret->min_time_ns)
            ret->min_time_ns = s.ob->min_time_ns;
        if (s.ob->max_time_ns > ret->max_time_ns)
            ret->max_time_ns = s.ob->max_time_ns;
    }
}

static const open_column *column_at(const part *p, uint32_t col)
{
    must(col >= PART_COLUMNS && col - PART_COLUMNS < of(p)->view.column_count);
    return open_set_column(of(p)->set, col - PART_COLUMNS);
}

static part_column get_column(const part *p, uint32_t col)
{
    const open_column *c = column_at(p, col);
    return (part_column){open_column_name(c), c->type,
                         atomic_load_explicit(&c->value_count, memory_order_relaxed)};
}

static uint32_t find(const part *p, span name, uint32_t ret_columns[FIELD_TYPE_COUNT])
{
    const open_set *s = of(p)->set;
    uint32_t hash = (uint32_t)(hash64_seeded(name, s->seed) >> 32);
    uint32_t count = 0;
    for (uint32_t i = 0; i < of(p)->view.column_count && count < FIELD_TYPE_COUNT; i++) {
        const open_column *c = open_set_column(s, i);
        if ((c->hash ^ c->type) == hash && span_equal(open_column_name(c), name))
            ret_columns[count++] = PART_COLUMNS + i;
    }
    return count;
}

static span dictionary_text(const void *set, uint32_t code)
{
    return intern_text(((const open_set *)set)->strings, code);
}

static const dictionary *dictionary_of(const part *p, uint32_t col)
{
    (void)col;
    return &of(p)->dictionary;
}

static bool block_has_column(const part *p, uint32_t col, uint32_t block)
{
    if (col < PART_COLUMNS)
        return true;
    block_batches b = batches_of(of(p), block);
    for (share s; next_share(of(p), &b, &s);)
        if (open_batch_column(s.ob, col - PART_COLUMNS))
            return true;
    return false;
}

static bool number_range(const part *p, uint32_t col, uint32_t block, double *ret_min,
                         double *ret_max)
{
    (void)p, (void)col, (void)block, (void)ret_min, (void)ret_max;
    return false;
}

static bool may_hold(const part *p, uint32_t col, uint32_t block, const uint64_t *wanted)
{
    (void)wanted;
    return block_has_column(p, col, block);
}

static sk_code reader_new(const part *p, part_reader **ret, err *e)
{
    part_reader *r = base_alloc_zero(1, sizeof *r);
    if (!r)
        return err_set(e, SK_NO_MEMORY, "no memory for a reader");
    r->part = p;
    *ret = r;
    return SK_OK;
}

/* ---- reading what every row has ---- */

static void set_present(vector *v, uint32_t row)
{
    v->present[row >> 6] |= 1ull << (row & 63);
}

static void set_present_range(vector *v, uint32_t from, uint32_t to)
{
    for (uint32_t row = from; row < to;) {
        uint32_t bit = row & 63, count = 64 - bit < to - row ? 64 - bit : to - row;
        uint64_t bits = count == 64 ? ~0ull : ((1ull << count) - 1) << bit;
        v->present[row >> 6] |= bits;
        row += count;
    }
}

static void read_ids(const share *s, uint32_t col, vector *out)
{
    const uint64_t *ids = col == PART_SPAN_ID ? s->ob->span_id : s->ob->parent_id;
    for (uint32_t i = 0; i < s->to - s->from; i++) {
        out->ids[s->at + i] = ids ? ids[s->from + i] : 0;
        if (out->ids[s->at + i])
            set_present(out, s->at + i);
    }
}

static void read_trace_ids(const share *s, vector *out)
{
    const trace_id *ids = s->ob->trace_id;
    for (uint32_t i = 0; i < s->to - s->from; i++) {
        out->trace_ids[s->at + i] = ids ? ids[s->from + i] : (trace_id){0, 0};
        if (trace_id_is_set(out->trace_ids[s->at + i]))
            set_present(out, s->at + i);
    }
}

static void read_dataset(const share *s, vector *out)
{
    const uint32_t *codes = s->ob->dataset;
    for (uint32_t i = 0; i < s->to - s->from; i++)
        out->codes[s->at + i] = codes ? codes[s->from + i] : s->ob->one_dataset;
}

static void read_numbers(const share *s, uint32_t col, vector *out)
{
    uint32_t count = s->to - s->from;
    const uint32_t *rates = s->ob->rate;
    if (col == PART_TIME)
        memcpy(out->ints + s->at, s->ob->time_ns + s->from, count * sizeof(int64_t));
    else
        for (uint32_t i = 0; i < count; i++)
            out->ints[s->at + i] = rates ? rates[s->from + i] : s->ob->one_rate;
}

static void read_pseudo(part_reader *r, uint32_t col, block_batches b, vector *out)
{
    static const vector_kind kinds[] = {
        [PART_TIME] = VECTOR_INTS,     [PART_RATE] = VECTOR_INTS,
        [PART_DATASET] = VECTOR_CODES, [PART_TRACE_ID] = VECTOR_TRACE_IDS,
        [PART_SPAN_ID] = VECTOR_IDS,   [PART_PARENT_ID] = VECTOR_IDS};
    vector_start(out, kinds[col], col == PART_DATASET ? FIELD_STRING : FIELD_INT,
                 b.end_row - b.first_row);
    bool has_all = col <= PART_DATASET;
    if (has_all)
        set_present_range(out, 0, out->row_count);
    if (col == PART_DATASET)
        out->dictionary = &of(r->part)->dictionary;
    out->all_present = has_all;
    for (share s; next_share(of(r->part), &b, &s);) {
        r->bytes += (uint64_t)(s.to - s.from) * (col == PART_TRACE_ID ? 16 : 8);
        if (col == PART_TRACE_ID)
            read_trace_ids(&s, out);
        else if (col == PART_DATASET)
            read_dataset(&s, out);
        else if (has_all)
            read_numbers(&s, col, out);
        else
            read_ids(&s, col, out);
    }
}

/* ---- reading named columns ---- */

/* The first of ascending rows at or after `row`. */
static uint32_t first_point(const uint32_t *rows, uint32_t count, uint32_t row)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (rows[middle] < row)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void put_points(const share *s, const open_values *v, vector *out)
{
    const uint32_t *rows = open_batch_at(s->ob, v->rows);
    const void *values = open_batch_at(s->ob, v->values);
    bool is_number = out->kind == VECTOR_INTS || out->kind == VECTOR_FLOATS;
    const uint32_t *codes = values;
    const uint64_t *bits = values;
    uint32_t count = s->to - s->from;
    if (!rows) {
        set_present_range(out, s->at, s->at + count);
        if (is_number)
            memcpy(out->ids + s->at, bits + s->from, count * sizeof bits[0]);
        else
            memcpy(out->codes + s->at, codes + s->from, count * sizeof codes[0]);
        return;
    }
    for (uint32_t i = first_point(rows, v->count, s->from); i < v->count && rows[i] < s->to; i++) {
        uint32_t row = s->at + rows[i] - s->from;
        set_present(out, row);
        if (is_number)
            out->ids[row] = bits[i];
        else
            out->codes[row] = codes[i];
    }
}

static void put_range(const share *s, const column_range *range, vector *out)
{
    uint32_t from = range->first_row > s->from ? range->first_row : s->from;
    uint32_t to = range->end_row < s->to ? range->end_row : s->to;
    if (from >= to)
        return;
    uint32_t at = s->at + from - s->from, end = at + to - from;
    set_present_range(out, at, end);
    bool is_number = out->kind == VECTOR_INTS || out->kind == VECTOR_FLOATS;
    for (uint32_t i = at; i < end; i++) {
        if (is_number)
            out->ids[i] = range->bits;
        else
            out->codes[i] = (uint32_t)range->bits;
    }
}

static vector_kind kind_of(field_type t)
{
    switch (t) {
    case FIELD_INT: return VECTOR_INTS;
    case FIELD_FLOAT: return VECTOR_FLOATS;
    case FIELD_BOOL: return VECTOR_BOOLS;
    case FIELD_STRING:
    case FIELD_HISTOGRAM: return VECTOR_CODES;
    case FIELD_TYPE_COUNT: break;
    }
    never();
}

static uint32_t count_present(const vector *v)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < VECTOR_WORDS; i++)
        count += bit_count(v->present[i]);
    return count;
}

static void read_named(part_reader *r, uint32_t col, block_batches b, vector *out)
{
    const open_column *c = column_at(r->part, col);
    vector_kind kind = kind_of(c->type);
    vector_start(out, kind, c->type, b.end_row - b.first_row);
    if (kind == VECTOR_CODES)
        out->dictionary = &of(r->part)->dictionary;
    bool is_cleared = false;
    for (share s; next_share(of(r->part), &b, &s);) {
        const open_values *v = open_batch_column(s.ob, col - PART_COLUMNS);
        if (!v)
            continue;
        if (!is_cleared && (kind == VECTOR_CODES || kind == VECTOR_BOOLS))
            memset(out->codes, 0, out->row_count * sizeof out->codes[0]);
        else if (!is_cleared)
            memset(out->ids, 0, out->row_count * sizeof out->ids[0]);
        is_cleared = true;
        /* Later ranges hide earlier ones, points hide ranges: in this order. */
        const column_range *ranges = open_batch_at(s.ob, v->ranges);
        for (uint32_t i = 0; i < v->range_count; i++)
            put_range(&s, &ranges[i], out);
        if (v->count)
            put_points(&s, v, out);
    }
    uint32_t present = count_present(out);
    r->bytes += (uint64_t)present * 8;
    out->all_present = present == out->row_count;
    if (present == 0)
        out->kind = VECTOR_ABSENT;
}

static sk_code read(part_reader *r, uint32_t col, uint32_t block, vector *out, err *e)
{
    (void)e;
    block_batches b = batches_of(of(r->part), block);
    memset(out->present, 0, sizeof out->present);
    if (col < PART_COLUMNS)
        read_pseudo(r, col, b, out);
    else
        read_named(r, col, b, out);
    return SK_OK;
}

static sk_code read_parents(part_reader *r, uint32_t block, uint32_t out[VECTOR_ROWS],
                            uint64_t *ret_ids, err *e)
{
    (void)e;
    block_batches b = batches_of(of(r->part), block);
    for (uint32_t i = 0; i < b.end_row - b.first_row; i++)
        out[i] = PART_NO_PARENT;
    for (share s; ret_ids && next_share(of(r->part), &b, &s);)
        for (uint32_t i = 0; i < s.to - s.from; i++)
            ret_ids[s.at + i] = s.ob->parent_id ? s.ob->parent_id[s.from + i] : 0;
    return SK_OK;
}

static sk_code trace_runs(const part *p,
                          sk_code (*each)(void *ctx, const uint32_t *hashes, const uint32_t *rows,
                                          uint32_t count, err *e),
                          void *ctx, err *e)
{
    (void)p, (void)each, (void)ctx, (void)e;
    return SK_OK;
}

static void reader_free(part_reader *take_r)
{
    base_free(take_r);
}

static sk_code find_trace(const part *p, trace_id id,
                          sk_code (*each)(void *ctx, const part *p, uint32_t first_row,
                                          uint32_t end_row),
                          void *ctx, err *e)
{
    (void)e;
    const open_part *o = of(p);
    for (uint32_t i = 0; i < o->view.batch_count; i++) {
        const open_batch *ob = open_set_batch(o->set, i);
        if (!open_batch_may_have_trace(ob, id))
            continue;
        const trace_id *ids = ob->trace_id;
        for (uint32_t row = 0, end; row < ob->row_count; row = end) {
            bool is_wanted = trace_id_equal(ids[row], id);
            for (end = row + 1; end < ob->row_count && trace_id_equal(ids[end], id) == is_wanted;)
                end++;
            if (!is_wanted)
                continue;
            sk_code code = each(ctx, p, ob->first_row + row, ob->first_row + end);
            if (code != SK_OK)
                return code;
        }
    }
    return SK_OK;
}

static const part_ops ops = {.info = get_info,
                             .block = get_block,
                             .column = get_column,
                             .find = find,
                             .dictionary = dictionary_of,
                             .block_has_column = block_has_column,
                             .number_range = number_range,
                             .may_hold = may_hold,
                             .reader_new = reader_new,
                             .reader_free = reader_free,
                             .read = read,
                             .read_parents = read_parents,
                             .trace_runs = trace_runs,
                             .find_trace = find_trace};

void open_part_init(open_part *p, open_set *s, const open_view *view)
{
    p->base.ops = &ops;
    p->set = s;
    p->view = *view;
    p->dictionary = (dictionary){.text = dictionary_text, .of = s, .count = view->string_count};
    open_set_ref(s);
}

void open_part_done(open_part *p)
{
    open_set_unref(p->set);
}
