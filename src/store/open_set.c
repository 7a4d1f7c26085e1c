/*
 * store/open_set.c: adding durable batches to a table's open set.
 * Called by table.c on the committer thread (open_set_add) and by readers through open_part.c.
 * Never: moves or changes anything below a shown count; keeps a pointer into a batch.
 * Cost: one dictionary look-up per distinct string of the batch and per column, and a copy.
 */
#include "store/open_set.h"

#include <stdatomic.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/must.h"

#define STRINGS_CAP_BYTES                                                                          \
    (4 * GIB) /* codes stay below INTERN_NONE; seal_bytes bounds a set long before */
#define NAMES_CAP_BYTES (1 * GIB)
#define STRINGS_AHEAD   16u

open_set *open_set_new(family f, memory *account)
{
    open_set *s = base_alloc_zero(1, sizeof *s);
    if (!s)
        return NULL;
    s->strings = intern_new(STRINGS_CAP_BYTES);
    s->names = arena_new(NAMES_CAP_BYTES);
    if (!s->strings || !s->names) {
        intern_free(s->strings);
        arena_free(s->names);
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

void open_set_unref(open_set *s)
{
    /* Release: all use of the set happens before; acquire: the last one sees it all. */
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < s->batches.count; i++)
        open_batch_free(stable_at(&s->batches, i, sizeof(open_batch)));
    if (s->account && s->reserved)
        memory_release(s->account, MEMORY_OPEN, s->reserved);
    stable_done(&s->batches);
    stable_done(&s->columns);
    intern_free(s->strings);
    arena_free(s->names);
    base_free(s->slots);
    base_free(s->column_map);
    base_free(s->code_map);
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
        if (c->hash == hash && c->type == type && span_equal(open_column_name(c), name))
            return s->slots[at];
    }
    open_column *fresh = stable_next(&s->columns, sizeof *fresh);
    span copy;
    if (!fresh || name.len > UINT16_MAX || !arena_copy(s->names, name, &copy))
        return COLUMN_NONE;
    fresh->name = copy.at;
    fresh->name_len = (uint16_t)copy.len;
    fresh->hash = hash;
    fresh->type = (uint8_t)type;
    s->slots[at] = s->columns.count;
    return s->columns.count++;
}

static bool map_columns(open_set *s, const batch *b)
{
    if (!base_reserve(&s->column_map, &s->column_map_capacity, b->column_count + 1,
                      sizeof s->column_map[0]))
        return false;
    for (uint32_t i = 0; i < b->column_count; i++) {
        const column *c = &b->columns[i];
        s->column_map[i] = COLUMN_NONE;
        if (c->count == 0 && c->range_count == 0)
            continue;
        s->column_map[i] = column_of(s, c->name, c->type);
        if (s->column_map[i] == COLUMN_NONE)
            return false;
    }
    return true;
}

static void count_values(open_set *s, const open_batch *ob)
{
    for (uint32_t i = 0; i < ob->column_count; i++) {
        const open_values *v = &ob->columns[i];
        const column_range *ranges = open_batch_at(ob, v->ranges);
        uint64_t count = v->count;
        for (uint32_t k = 0; k < v->range_count && count < ob->row_count; k++)
            count += ranges[k].end_row - ranges[k].first_row;
        if (count > ob->row_count)
            count = ob->row_count;
        open_column *of = stable_at(&s->columns, v->set_column, sizeof *of);
        atomic_fetch_add_explicit(&of->value_count, (uint32_t)count, memory_order_relaxed);
    }
}

/* The table of a large set lies outside the processor's caches: the slots of the strings ahead are fetched meanwhile. */
static bool map_strings(open_set *s, const batch *b)
{
    uint64_t hashes[STRINGS_AHEAD];
    if (!base_reserve(&s->code_map, &s->code_map_capacity, b->string_count + 1,
                      sizeof s->code_map[0]))
        return false;
    uint64_t seed = intern_seed(s->strings);
    for (uint32_t i = 0, ahead = 0; i < b->string_count; i++) {
        for (; ahead < b->string_count && ahead < i + STRINGS_AHEAD; ahead++) {
            uint64_t hash = hash64_seeded(b->strings[ahead], seed);
            hashes[ahead % STRINGS_AHEAD] = hash;
            intern_prefetch(s->strings, hash);
        }
        s->code_map[i] = intern_put_hashed(s->strings, b->strings[i], hashes[i % STRINGS_AHEAD]);
        if (s->code_map[i] == INTERN_NONE)
            return false;
    }
    return true;
}

/* ---- adding ---- */

static void account_for(open_set *s, size_t bytes)
{
    /* A durable batch is never refused: past the bound it is simply not accounted, and intake, which asks
     * store_unsealed_bytes, turns senders away. */
    if (s->account && memory_reserve(s->account, MEMORY_OPEN, bytes))
        s->reserved += bytes;
}

/* What the batches share. */
static size_t shared_bytes(const open_set *s)
{
    return intern_bytes(s->strings) + arena_reserved_bytes(s->names) +
           s->columns.count * sizeof(open_column) + (s->slot_mask + 1ul) * sizeof s->slots[0];
}

sk_code open_set_add(open_set *s, publish_info info, const batch *b, err *e)
{
    size_t before = shared_bytes(s);
    open_batch *ob = stable_next(&s->batches, sizeof *ob);
    /* Strings and columns that a failed attempt leaves behind are unused entries, nothing more. */
    if (!ob || b->row_count > UINT32_MAX - VECTOR_ROWS - s->written.row_count ||
        !map_columns(s, b) || !map_strings(s, b))
        return err_set(e, SK_NO_MEMORY, "no memory for an open batch of %u rows", b->row_count);
    sk_code code = open_batch_pack(b, s->column_map, s->code_map, ob, e);
    if (code != SK_OK)
        return code;
    ob->first_row = s->written.row_count;
    ob->info = info;
    count_values(s, ob);
    s->batches.count++;
    open_view *w = &s->written;
    w->batch_count = s->batches.count;
    w->column_count = s->columns.count;
    w->string_count = intern_count(s->strings);
    w->row_count += b->row_count;
    w->min_time_ns = ob->min_time_ns < w->min_time_ns ? ob->min_time_ns : w->min_time_ns;
    w->max_time_ns = ob->max_time_ns > w->max_time_ns ? ob->max_time_ns : w->max_time_ns;
    size_t bytes = sizeof *ob + ob->bytes + shared_bytes(s) - before;
    w->bytes += bytes;
    account_for(s, bytes);
    return SK_OK;
}

void open_set_show(open_set *s)
{
    const open_batch *newest = open_set_batch(s, s->batches.count - 1);
    if (s->shown.batch_count == 0) {
        s->first_seq = newest->info.seq;
        s->first_arrival_ns = newest->arrival_ns;
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

const open_values *open_batch_column(const open_batch *b, uint32_t set_column)
{
    uint32_t low = 0, high = b->column_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (b->columns[middle].set_column < set_column)
            low = middle + 1;
        else
            high = middle;
    }
    return low < b->column_count && b->columns[low].set_column == set_column ? &b->columns[low]
                                                                             : NULL;
}
