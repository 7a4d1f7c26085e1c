/*
 * store/open_set.c: adding durable batches to a table's open set.
 * Called by table.c on the committer thread (open_set_add) and by readers through open_part.c.
 * Never: moves or changes anything below a shown count; touches the batch itself, which taps may be reading.
 * Cost: one dictionary look-up per distinct string of the batch, one per column, one filter bit set per row.
 */
#include "store/open_set.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/must.h"

#define STRINGS_CAP_BYTES                                                                          \
    (4 * GIB) /* codes stay below INTERN_NONE; seal_bytes bounds a set long before */
#define FILTER_BITS_A_ROW 16u /* 4 bits set in one word: about 1 % false positives */
#define FILTER_WORDS_MAX  (1u << 20)

open_set *open_set_new(family f, memory *account)
{
    open_set *s = base_alloc_zero(1, sizeof *s);
    if (!s)
        return NULL;
    s->strings = intern_new(STRINGS_CAP_BYTES);
    if (!s->strings) {
        base_free(s);
        return NULL;
    }
    s->family = f;
    s->account = account;
    s->seed = random_u64();
    atomic_init(&s->refs, 1);
    s->written.min_time_ns = INT64_MAX;
    s->written.max_time_ns = INT64_MIN;
    s->shown = s->written;
    return s;
}

void open_set_ref(open_set *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
}

static void free_maps(open_batch *b)
{
    base_free(b->columns);
    base_free(b->codes);
    base_free(b->trace_filter);
}

void open_set_unref(open_set *s)
{
    /* Release: all use of the set happens before; acquire: the last one sees it all. */
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < s->batches.count; i++) {
        open_batch *b = stable_at(&s->batches, i, sizeof *b);
        free_maps(b);
        batch_free(b->batch);
    }
    if (s->account && s->reserved)
        memory_release(s->account, MEMORY_OPEN, s->reserved);
    stable_done(&s->batches);
    stable_done(&s->columns);
    intern_free(s->strings);
    base_free(s->slots);
    base_free(s);
}

/* ---- columns of the set by (name, type) ---- */

static bool grow_slots(open_set *s)
{
    uint32_t size = s->slots ? (s->slot_mask + 1) * 2 : 16;
    uint32_t *slots = base_alloc((size_t)size * sizeof *slots);
    if (!slots)
        return false;
    memset(slots, 0xff, (size_t)size * sizeof *slots);
    for (uint32_t i = 0; i < s->columns.count; i++) {
        uint32_t at = open_set_column(s, i)->hash & (size - 1);
        while (slots[at] != COLUMN_NONE)
            at = (at + 1) & (size - 1);
        slots[at] = i;
    }
    base_free(s->slots);
    s->slots = slots;
    s->slot_mask = size - 1;
    return true;
}

/* The set's column for (name, type), made when new; COLUMN_NONE when memory is short. */
static uint32_t column_of(open_set *s, span name, field_type type)
{
    uint32_t hash = (uint32_t)(hash64_seeded(name, s->seed) >> 32) ^ (uint32_t)type;
    if (s->columns.count + 1 > (s->slots ? (s->slot_mask + 1) / 4 * 3 : 0) && !grow_slots(s))
        return COLUMN_NONE;
    uint32_t at = hash & s->slot_mask;
    for (; s->slots[at] != COLUMN_NONE; at = (at + 1) & s->slot_mask) {
        const open_column *c = open_set_column(s, s->slots[at]);
        if (c->hash == hash && c->type == type && span_equal(c->name, name))
            return s->slots[at];
    }
    open_column *fresh = stable_next(&s->columns, sizeof *fresh);
    uint32_t text = fresh ? intern_put(s->strings, name) : INTERN_NONE;
    if (text == INTERN_NONE)
        return COLUMN_NONE;
    fresh->name = intern_text(s->strings, text);
    fresh->hash = hash;
    fresh->type = type;
    s->slots[at] = s->columns.count;
    return s->columns.count++;
}

static int compare_refs(const void *a, const void *b)
{
    const open_column_ref *x = a, *y = b;
    return (x->set_column > y->set_column) - (x->set_column < y->set_column);
}

static bool map_columns(open_set *s, open_batch *ob)
{
    const batch *b = ob->batch;
    ob->columns = base_alloc((b->column_count + 1) * sizeof *ob->columns);
    if (!ob->columns)
        return false;
    bool is_sorted = true;
    for (uint32_t i = 0; i < b->column_count; i++) {
        const column *c = &b->columns[i];
        if (c->count == 0 && c->range_count == 0)
            continue;
        uint32_t number = column_of(s, c->name, c->type);
        if (number == COLUMN_NONE)
            return false;
        uint32_t n = ob->column_count++;
        is_sorted = is_sorted && (n == 0 || ob->columns[n - 1].set_column < number);
        ob->columns[n] = (open_column_ref){number, i};
    }
    if (!is_sorted)
        qsort(ob->columns, ob->column_count, sizeof *ob->columns, compare_refs);
    return true;
}

static void count_values(open_set *s, const open_batch *ob)
{
    for (uint32_t i = 0; i < ob->column_count; i++) {
        const column *c = &ob->batch->columns[ob->columns[i].batch_column];
        uint64_t count = c->count;
        for (uint32_t k = 0; k < c->range_count && count < ob->batch->row_count; k++)
            count += c->ranges[k].end_row - c->ranges[k].first_row;
        if (count > ob->batch->row_count)
            count = ob->batch->row_count;
        open_column *of = stable_at(&s->columns, ob->columns[i].set_column, sizeof *of);
        atomic_fetch_add_explicit(&of->value_count, count, memory_order_relaxed);
    }
}

static bool map_strings(open_set *s, open_batch *ob)
{
    const batch *b = ob->batch;
    ob->codes = base_alloc((b->string_count + 1) * sizeof *ob->codes);
    if (!ob->codes)
        return false;
    for (uint32_t i = 0; i < b->string_count; i++) {
        ob->codes[i] = intern_put(s->strings, b->strings[i]);
        if (ob->codes[i] == INTERN_NONE)
            return false;
    }
    return true;
}

/* ---- which traces a batch holds: per row 4 bits of one 64-bit word ---- */

static uint64_t filter_word_and_bits(trace_id id, uint32_t words, uint32_t *ret_word)
{
    uint64_t hash = hash_mix(id.hi ^ hash_mix(id.lo));
    *ret_word = (uint32_t)((hash >> 32) * words >> 32);
    return 1ull << (hash & 63) | 1ull << (hash >> 6 & 63) | 1ull << (hash >> 12 & 63) |
           1ull << (hash >> 18 & 63);
}

static bool make_trace_filter(open_batch *ob)
{
    const batch *b = ob->batch;
    uint32_t ids = 0;
    for (uint32_t i = 0; i < b->row_count; i++)
        ids += trace_id_is_set(b->trace_id[i]) &&
               (i == 0 || !trace_id_equal(b->trace_id[i], b->trace_id[i - 1]));
    if (ids == 0)
        return true;
    uint64_t words = ((uint64_t)ids * FILTER_BITS_A_ROW + 63) / 64;
    ob->trace_filter_words = words < FILTER_WORDS_MAX ? (uint32_t)words : FILTER_WORDS_MAX;
    ob->trace_filter = base_alloc_zero(ob->trace_filter_words, sizeof(uint64_t));
    if (!ob->trace_filter)
        return false;
    for (uint32_t i = 0; i < b->row_count; i++) {
        uint32_t word;
        uint64_t bits = filter_word_and_bits(b->trace_id[i], ob->trace_filter_words, &word);
        ob->trace_filter[word] |= bits;
    }
    return true;
}

bool open_batch_may_have_trace(const open_batch *b, trace_id id)
{
    if (!b->trace_filter)
        return false;
    uint32_t word;
    uint64_t bits = filter_word_and_bits(id, b->trace_filter_words, &word);
    return (b->trace_filter[word] & bits) == bits;
}

/* ---- adding ---- */

static size_t held_bytes(const open_set *s, const open_batch *ob)
{
    (void)s;
    const batch *b = ob->batch;
    return arena_reserved_bytes(b->mem) + sizeof *ob + b->column_count * sizeof(open_column_ref) +
           b->string_count * sizeof(uint32_t) + ob->trace_filter_words * sizeof(uint64_t);
}

static void account_for(open_set *s, size_t bytes)
{
    /* A durable batch is never refused: past the bound it is simply not accounted, and intake, which asks
     * store_unsealed_bytes, turns senders away. */
    if (s->account && memory_reserve(s->account, MEMORY_OPEN, bytes))
        s->reserved += bytes;
}

sk_code open_set_add(open_set *s, publish_info info, batch *b, err *e)
{
    open_batch *ob = stable_next(&s->batches, sizeof *ob);
    if (!ob)
        return err_set(e, SK_NO_MEMORY, "no memory for an open batch");
    size_t strings_before = intern_bytes(s->strings);
    *ob = (open_batch){.batch = b,
                       .first_row = s->written.row_count,
                       .info = info,
                       .min_time_ns = INT64_MAX,
                       .max_time_ns = INT64_MIN};
    for (uint32_t i = 0; i < b->row_count; i++) {
        int64_t t = b->time_ns[i];
        ob->min_time_ns = t < ob->min_time_ns ? t : ob->min_time_ns;
        ob->max_time_ns = t > ob->max_time_ns ? t : ob->max_time_ns;
    }
    /* Strings and columns that a failed attempt leaves behind are unused entries, nothing more. */
    if (b->row_count > UINT32_MAX - VECTOR_ROWS - s->written.row_count || !map_columns(s, ob) ||
        !map_strings(s, ob) || !make_trace_filter(ob)) {
        free_maps(ob);
        return err_set(e, SK_NO_MEMORY, "no memory for an open batch of %u rows", b->row_count);
    }
    count_values(s, ob);
    s->batches.count++;
    open_view *w = &s->written;
    w->batch_count = s->batches.count;
    w->column_count = s->columns.count;
    w->string_count = intern_count(s->strings);
    w->row_count += b->row_count;
    w->min_time_ns = ob->min_time_ns < w->min_time_ns ? ob->min_time_ns : w->min_time_ns;
    w->max_time_ns = ob->max_time_ns > w->max_time_ns ? ob->max_time_ns : w->max_time_ns;
    size_t bytes = held_bytes(s, ob) + intern_bytes(s->strings) - strings_before;
    w->bytes += bytes;
    account_for(s, bytes);
    return SK_OK;
}

void open_set_show(open_set *s)
{
    const open_batch *newest = open_set_batch(s, s->batches.count - 1);
    if (s->shown.batch_count == 0) {
        s->first_seq = newest->info.seq;
        s->first_arrival_ns = newest->batch->arrival_ns;
        s->opened_mono_ns = clock_mono_ns();
    }
    s->last_seq = newest->info.seq;
    s->shown = s->written;
}

/* ---- looking up ---- */

uint32_t open_set_batch_of(const open_set *s, uint32_t batch_count, uint32_t row)
{
    uint32_t low = 0, high = batch_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (open_set_batch(s, middle)->first_row <= row)
            low = middle;
        else
            high = middle;
    }
    return low;
}

uint32_t open_batch_column(const open_batch *b, uint32_t set_column)
{
    uint32_t low = 0, high = b->column_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (b->columns[middle].set_column < set_column)
            low = middle + 1;
        else
            high = middle;
    }
    return low < b->column_count && b->columns[low].set_column == set_column
               ? b->columns[low].batch_column
               : COLUMN_NONE;
}
