/*
 * event/batch.c: building a batch, value by value. Called by receive on decode workers; the hot
 * path of ingest: at 500 k spans/s with 25 values each a put may cost some 20 ns, so nothing here
 * takes memory from malloc per value. Never: looks into a value, refuses one for its content.
 */
#include "event/batch_private.h"

#include "base/hash.h"
#include "base/must.h"

#define ROWS_EXPECTED_MAX 8192
#define FIRST_ROWS        64
#define FIRST_POINTS      16
#define FIRST_COLUMNS     64
#define FIRST_SLOTS       256
#define FIRST_TOUCHED     256

/* Names and values are short and mostly equal: cheaper here than by a call. */
static inline bool same_bytes(const uint8_t *a, const uint8_t *b, size_t len)
{
    uint64_t x, y;
    if (len < 8) {
        while (len && a[len - 1] == b[len - 1])
            len--;
        return len == 0;
    }
    for (size_t i = 0; i + 8 < len; i += 8) {
        memcpy(&x, a + i, 8);
        memcpy(&y, b + i, 8);
        if (x != y)
            return false;
    }
    memcpy(&x, a + len - 8, 8);
    memcpy(&y, b + len - 8, 8);
    return x == y;
}

bool batch__grow(arena *mem, void *array_pointer, uint32_t old_count, uint32_t new_count,
                 size_t item_bytes)
{
    void *old, *grown;
    memcpy(&old, array_pointer, sizeof old);
    size_t align = item_bytes % 8 == 0 ? 8 : 4;
    grown = arena_grow(mem, old, old_count * item_bytes, new_count * item_bytes, align);
    if (!grown)
        return false;
    memcpy(array_pointer, &grown, sizeof grown);
    return true;
}

batch *batch__alloc(family f, size_t cap_bytes)
{
    arena *mem = arena_new(cap_bytes);
    if (!mem)
        return NULL;
    batch_whole *whole = ARENA_NEW(mem, batch_whole);
    if (!whole) {
        arena_free(mem);
        return NULL;
    }
    whole->b.mem = mem;
    whole->b.family = f;
    return &whole->b;
}

batch *batch_new(family f, size_t cap_bytes)
{
    batch *b = batch__alloc(f, cap_bytes);
    if (!b)
        return NULL;
    batch_whole *whole = (batch_whole *)b;
    struct batch_builder *w = ARENA_NEW(b->mem, struct batch_builder);
    uint32_t *slots = ARENA_ARRAY(b->mem, uint32_t, FIRST_SLOTS);
    whole->strings = intern_new(cap_bytes);
    if (!w || !slots || !whole->strings) {
        batch_free(b);
        return NULL;
    }
    w->strings = whole->strings;
    w->slots = slots;
    w->slot_count = FIRST_SLOTS;
    b->builder = w;
    return b;
}

void batch_free(batch *take_b)
{
    if (!take_b)
        return;
    intern_free(((batch_whole *)take_b)->strings);
    arena_free(take_b->mem);
}

bool batch_failed(const batch *b)
{
    return b->builder && b->builder->failed;
}

static bool fail(struct batch_builder *w)
{
    w->failed = true;
    return false;
}

/* ---- strings ---- */

/* At most EVENT_STRING_MAX bytes, without cutting a UTF-8 sequence in two. */
static span cut_string(span s)
{
    size_t len = EVENT_STRING_MAX;
    while (len > EVENT_STRING_MAX - 3 && (s.at[len] & 0xC0) == 0x80)
        len--;
    return span_first(s, (s.at[len] & 0xC0) == 0x80 ? EVENT_STRING_MAX : len);
}

uint32_t batch_string(batch *b, span s)
{
    struct batch_builder *w = b->builder;
    if (unlikely(!w || w->failed))
        return INTERN_NONE;
    if (unlikely(s.len > EVENT_STRING_MAX)) {
        s = cut_string(s);
        b->truncated_strings++;
    }
    uint32_t code = intern_put(w->strings, s);
    if (unlikely(code == INTERN_NONE))
        fail(w);
    return code;
}

span batch_text(const batch *b, uint32_t code)
{
    if (b->builder)
        return intern_text(b->builder->strings, code);
    must_slow(code < b->string_count);
    return b->strings[code];
}

/* ---- columns ---- */

static uint64_t name_hash(const struct batch_builder *w, span name)
{
    return hash64_seeded(name, intern_seed(w->strings));
}

/* The slot of the name, or the empty one where it belongs. */
static uint32_t *find_slot(const batch *b, span name)
{
    struct batch_builder *w = b->builder;
    uint32_t mask = w->slot_count - 1;
    for (uint32_t i = (uint32_t)name_hash(w, name) & mask;; i = (i + 1) & mask) {
        uint32_t *slot = &w->slots[i];
        if (!*slot || span_equal(b->columns[*slot - 1].name, name))
            return slot;
    }
}

static bool grow_slots(batch *b)
{
    struct batch_builder *w = b->builder;
    uint32_t count = w->slot_count * 2;
    uint32_t *slots = ARENA_ARRAY(b->mem, uint32_t, count);
    if (!slots)
        return false;
    w->slots = slots;
    w->slot_count = count;
    for (uint32_t i = 0; i < b->column_count; i++)
        if (w->columns[i].first_same_name == i)
            *find_slot(b, b->columns[i].name) = i + 1;
    return true;
}

static bool reserve_column(batch *b)
{
    struct batch_builder *w = b->builder;
    if (b->column_count < b->column_capacity)
        return true;
    uint32_t old = b->column_capacity, capacity = old ? old * 2 : FIRST_COLUMNS;
    if (!BATCH_GROW(b, b->columns, old, capacity) || !BATCH_GROW(b, w->columns, old, capacity))
        return false;
    b->column_capacity = capacity;
    return capacity * 2 <= w->slot_count || grow_slots(b);
}

static uint32_t add_column(batch *b, span name, field_type type, uint32_t first_same_name)
{
    struct batch_builder *w = b->builder;
    span copy;
    if (!reserve_column(b) || !arena_copy(b->mem, name, &copy)) {
        fail(w);
        return COLUMN_NONE;
    }
    uint32_t index = b->column_count++;
    bool is_first = first_same_name == COLUMN_NONE;
    b->columns[index] = (column){.name = copy, .type = type, .next_same_name = COLUMN_NONE};
    w->columns[index] = (column_build){.last_code = INTERN_NONE,
                                       .first_same_name = is_first ? index : first_same_name,
                                       .has_siblings = !is_first};
    if (is_first) {
        *find_slot(b, name) = index + 1;
        return index;
    }
    uint32_t last = first_same_name;
    while (b->columns[last].next_same_name != COLUMN_NONE)
        last = b->columns[last].next_same_name;
    b->columns[last].next_same_name = index;
    w->columns[first_same_name].has_siblings = true;
    return index;
}

uint32_t batch_column(batch *b, span name, field_type type, uint32_t *predict)
{
    if (predict && likely(*predict < b->column_count)) {
        const column *c = &b->columns[*predict];
        if (likely(c->type == type && c->name.len == name.len &&
                   same_bytes(c->name.at, name.at, name.len)))
            return *predict;
    }
    if (!b->builder || b->builder->failed || name.len == 0 || name.len > EVENT_FIELD_NAME_MAX)
        return COLUMN_NONE;
    uint32_t first = *find_slot(b, name);
    first = first ? first - 1 : COLUMN_NONE;
    uint32_t found = first;
    while (found != COLUMN_NONE && b->columns[found].type != type)
        found = b->columns[found].next_same_name;
    if (found == COLUMN_NONE)
        found = add_column(b, name, type, first);
    if (predict)
        *predict = found;
    return found;
}

/* ---- rows ---- */

static bool grow_rows(batch *b)
{
    uint32_t old = b->row_capacity;
    if (old > UINT32_MAX / 4)
        return false;
    uint32_t capacity = old ? old * 2 : b->builder->expected_rows;
    if (capacity < FIRST_ROWS)
        capacity = FIRST_ROWS;
    if (!BATCH_GROW(b, b->time_ns, old, capacity) || !BATCH_GROW(b, b->rate, old, capacity) ||
        !BATCH_GROW(b, b->dataset, old, capacity) || !BATCH_GROW(b, b->trace_id, old, capacity) ||
        !BATCH_GROW(b, b->span_id, old, capacity) || !BATCH_GROW(b, b->parent_id, old, capacity) ||
        !BATCH_GROW(b, b->builder->row_touched, old, capacity))
        return false;
    b->row_capacity = capacity;
    return true;
}

void batch_expect_rows(batch *b, size_t row_count)
{
    if (b->builder)
        b->builder->expected_rows =
            row_count < ROWS_EXPECTED_MAX ? (uint32_t)row_count : ROWS_EXPECTED_MAX;
}

uint32_t batch_begin_row(batch *b, int64_t time_ns, uint32_t rate, uint32_t dataset_code)
{
    struct batch_builder *w = b->builder;
    if (unlikely(!w || w->failed))
        return UINT32_MAX;
    if (unlikely(b->row_count == b->row_capacity) && !grow_rows(b)) {
        fail(w);
        return UINT32_MAX;
    }
    uint32_t row = b->row_count++;
    b->time_ns[row] = time_ns;
    b->rate[row] = rate ? rate : 1;
    b->dataset[row] = dataset_code;
    b->trace_id[row] = (trace_id){0, 0};
    b->span_id[row] = 0;
    b->parent_id[row] = 0;
    w->row_touched[row] = w->touched_end;
    w->row_fields = w->open_count;
    return row;
}

static void trim_column(column *c, uint32_t row)
{
    while (c->count && c->rows[c->count - 1] >= row)
        c->count--;
}

void batch_drop_row(batch *b, uint32_t row)
{
    struct batch_builder *w = b->builder;
    if (!w || row >= b->row_count)
        return;
    uint64_t from = w->row_touched[row];
    if (w->touched_end - from > TOUCHED_MAX) {
        for (uint32_t i = 0; i < b->column_count; i++)
            trim_column(&b->columns[i], row);
    } else {
        for (uint64_t i = from; i < w->touched_end; i++)
            trim_column(&b->columns[w->touched[i & (w->touched_capacity - 1)]], row);
    }
    b->row_count = row;
    w->row_fields = EVENT_FIELDS_MAX; /* no more puts until a row is begun */
}

/* ---- points ---- */

static bool note_touched(batch *b, uint32_t column_index)
{
    struct batch_builder *w = b->builder;
    if (unlikely(w->touched_end == w->touched_capacity && w->touched_capacity < TOUCHED_MAX)) {
        uint32_t old = w->touched_capacity, capacity = old ? old * 2 : FIRST_TOUCHED;
        if (!BATCH_GROW(b, w->touched, old, capacity))
            return fail(w);
        w->touched_capacity = capacity;
    }
    w->touched[w->touched_end++ & (w->touched_capacity - 1)] = column_index;
    return true;
}

static bool grow_column(batch *b, column *c)
{
    uint32_t old = c->capacity;
    /* A column that most rows have grows with the rows. */
    uint32_t capacity = old ? old * 2 : FIRST_POINTS;
    if (c->count >= FIRST_POINTS && c->count >= b->row_count - b->row_count / 8 &&
        b->row_capacity > capacity)
        capacity = b->row_capacity;
    bool is_wide = c->type == FIELD_INT || c->type == FIELD_FLOAT;
    if (!BATCH_GROW(b, c->rows, old, capacity) ||
        !(is_wide ? BATCH_GROW(b, c->bits, old, capacity) : BATCH_GROW(b, c->codes, old, capacity)))
        return fail(b->builder);
    c->capacity = capacity;
    return true;
}

/* Another type's value of the same name on the newest row gives way. */
static void take_back(batch *b, uint32_t column_index, uint32_t row)
{
    struct batch_builder *w = b->builder;
    uint32_t i = w->columns[column_index].first_same_name;
    for (; i != COLUMN_NONE; i = b->columns[i].next_same_name) {
        column *c = &b->columns[i];
        if (i != column_index && c->count && c->rows[c->count - 1] == row) {
            c->count--;
            w->row_fields--;
        }
    }
}

/* The place of the newest row's value in the column's arrays, or UINT32_MAX. */
static uint32_t point_place(batch *b, uint32_t column_index)
{
    struct batch_builder *w = b->builder;
    if (!w || w->failed || column_index >= b->column_count || b->row_count == 0)
        return UINT32_MAX;
    column *c = &b->columns[column_index];
    uint32_t row = b->row_count - 1;
    if (c->count && c->rows[c->count - 1] == row)
        return c->count - 1;
    if (w->columns[column_index].has_siblings)
        take_back(b, column_index, row);
    if (w->row_fields >= EVENT_FIELDS_MAX)
        return UINT32_MAX;
    if (c->count == c->capacity && !grow_column(b, c))
        return UINT32_MAX;
    if (!note_touched(b, column_index))
        return UINT32_MAX;
    w->row_fields++;
    c->rows[c->count] = row;
    return c->count++;
}

static bool put_anywhere(batch *b, uint32_t column_index, uint64_t bits)
{
    uint32_t at = point_place(b, column_index);
    if (at == UINT32_MAX)
        return false;
    column *c = &b->columns[column_index];
    if (c->bits)
        c->bits[at] = bits;
    else
        c->codes[at] = (uint32_t)bits;
    return true;
}

/* The next point of a column, when nothing has to grow or give way: some twenty of these make a row. NULL: it is not so. */
static inline column *next_point(batch *b, uint32_t column_index, uint32_t *ret_at)
{
    struct batch_builder *w = b->builder;
    if (unlikely(!w || column_index >= b->column_count || b->row_count == 0))
        return NULL;
    column *c = &b->columns[column_index];
    uint32_t row = b->row_count - 1, at = c->count;
    bool is_full = at == c->capacity || w->row_fields >= EVENT_FIELDS_MAX ||
                   (w->touched_end >= w->touched_capacity && w->touched_capacity < TOUCHED_MAX);
    if (unlikely(is_full || w->failed || w->columns[column_index].has_siblings ||
                 (at && c->rows[at - 1] == row)))
        return NULL;
    w->touched[w->touched_end++ & (w->touched_capacity - 1)] = column_index;
    w->row_fields++;
    c->rows[at] = row;
    c->count = at + 1;
    *ret_at = at;
    return c;
}

static inline bool put_narrow(batch *b, uint32_t column_index, uint32_t code)
{
    uint32_t at;
    column *c = next_point(b, column_index, &at);
    if (unlikely(!c))
        return put_anywhere(b, column_index, code);
    must_slow(c->codes);
    c->codes[at] = code;
    return true;
}

static inline bool put_wide(batch *b, uint32_t column_index, uint64_t bits)
{
    uint32_t at;
    column *c = next_point(b, column_index, &at);
    if (unlikely(!c))
        return put_anywhere(b, column_index, bits);
    must_slow(c->bits);
    c->bits[at] = bits;
    return true;
}

bool batch_put_string(batch *b, uint32_t column_index, span s)
{
    if (unlikely(!b->builder || column_index >= b->column_count))
        return false;
    column_build *build = &b->builder->columns[column_index];
    if (build->last_code == INTERN_NONE || build->last_text.len != s.len ||
        !same_bytes(build->last_text.at, s.at, s.len)) {
        uint32_t code = batch_string(b, s);
        if (unlikely(code == INTERN_NONE))
            return false;
        build->last_code = code;
        build->last_text = intern_text(b->builder->strings, code);
    }
    return put_narrow(b, column_index, build->last_code);
}

bool batch_put_code(batch *b, uint32_t column_index, uint32_t code)
{
    return code != INTERN_NONE && put_narrow(b, column_index, code);
}

bool batch_put_int(batch *b, uint32_t column_index, int64_t v)
{
    return put_wide(b, column_index, (uint64_t)v);
}

bool batch_put_float(batch *b, uint32_t column_index, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return put_wide(b, column_index, bits);
}

bool batch_put_bool(batch *b, uint32_t column_index, bool v)
{
    return put_narrow(b, column_index, v);
}

/* ---- ranges ---- */

static bool push_open(batch *b, uint32_t column_index, uint32_t range)
{
    struct batch_builder *w = b->builder;
    if (w->open_count == w->open_capacity) {
        uint32_t capacity = w->open_capacity ? w->open_capacity * 2 : 32;
        if (!BATCH_GROW(b, w->open, w->open_capacity, capacity))
            return fail(w);
        w->open_capacity = capacity;
    }
    w->open[w->open_count++] = (open_range){column_index, range};
    w->columns[column_index].open_ranges++;
    return true;
}

static bool reserve_range(batch *b, uint32_t column_index)
{
    column *c = &b->columns[column_index];
    if (c->range_count < c->range_capacity)
        return true;
    uint32_t old = c->range_capacity, capacity = old ? old * 2 : 4;
    if (!BATCH_GROW(b, c->ranges, old, capacity) ||
        !BATCH_GROW(b, b->builder->columns[column_index].order, old, capacity))
        return fail(b->builder);
    c->range_capacity = capacity;
    return true;
}

bool batch_put_range(batch *b, uint32_t column_index, uint32_t first_row, uint32_t end_row,
                     uint64_t bits)
{
    struct batch_builder *w = b->builder;
    if (!w || w->failed || column_index >= b->column_count)
        return false;
    if (first_row >= end_row)
        return true;
    column *c = &b->columns[column_index];
    column_build *build = &w->columns[column_index];
    bool is_open = end_row == BATCH_RANGE_OPEN;
    must(!is_open || first_row <= b->row_count);
    if ((is_open && w->open_count >= EVENT_FIELDS_MAX) || !reserve_range(b, column_index) ||
        (is_open && !push_open(b, column_index, c->range_count)))
        return false;
    if (!is_open && end_row > build->ranges_end)
        build->ranges_end = end_row;
    c->ranges[c->range_count] = (column_range){first_row, end_row, bits};
    build->order[c->range_count++] = w->range_order++;
    return true;
}

uint32_t batch_open_ranges(const batch *b)
{
    return b->builder ? b->builder->open_count : 0;
}

void batch_close_ranges(batch *b, uint32_t open_before)
{
    struct batch_builder *w = b->builder;
    while (w && w->open_count > open_before) {
        open_range o = w->open[--w->open_count];
        column *c = &b->columns[o.column];
        column_build *build = &w->columns[o.column];
        column_range *r = &c->ranges[o.range];
        r->end_row = b->row_count;
        build->open_ranges--;
        if (r->end_row > build->ranges_end)
            build->ranges_end = r->end_row;
        if (r->first_row >= r->end_row && o.range == c->range_count - 1)
            c->range_count--;
    }
}

bool batch_in_range(const batch *b, uint32_t column_index, uint32_t row)
{
    const struct batch_builder *w = b->builder;
    if (!w || column_index >= b->column_count)
        return false;
    uint32_t i = w->columns[column_index].first_same_name;
    for (; i != COLUMN_NONE; i = b->columns[i].next_same_name) {
        const column *c = &b->columns[i];
        if (w->columns[i].open_ranges && row + 1 >= b->row_count)
            return true;
        if (w->columns[i].open_ranges == 0 && w->columns[i].ranges_end <= row)
            continue;
        for (uint32_t r = c->range_count; r-- > 0;)
            if (c->ranges[r].first_row <= row && row < c->ranges[r].end_row)
                return true;
    }
    return false;
}
