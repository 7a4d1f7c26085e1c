/*
 * intake/policy.c: the times a batch may have. More than an hour ahead of its arrival: the arrival counts, the sender's
 * time is kept in meta.original_time. Older than the retention: refused. Called on decode workers for every batch; pure.
 * A batch without such rows costs one pass over its times. Others are changed column by column, in time linear in what
 * they hold, whatever one sender puts into one request.
 */
#include <stdio.h>

#include "base/clock.h"
#include "event/fields.h"
#include "intake/intake_private.h"

#define NS_PER_DAY (86400 * NS_PER_S)
#define ROW_GONE   UINT32_MAX

static bool is_refused(const policy *p, int64_t time_ns)
{
    return p->retention_ns > 0 && time_ns < p->arrival_ns - p->retention_ns;
}

static bool is_ahead(const policy *p, int64_t time_ns)
{
    return time_ns > p->arrival_ns + FUTURE_SLACK_NS;
}

static bool is_annotation(const batch *b, uint32_t row)
{
    for (uint32_t i = 0; i < b->column_count; i++)
        if (span_is(b->columns[i].name, F_ANNOTATION_TYPE) && batch_cell(b, i, row).is_set)
            return true;
    return false;
}

static void explain(const batch *b, const policy *p, uint32_t row, intake_report *ret)
{
    char when[36];
    span dataset = span_first(batch_text(b, b->dataset[row]), 48);
    clock_print_rfc3339(b->time_ns[row], when);
    snprintf(
        ret->text, sizeof ret->text,
        "%.*s: time %s is older than the retention of %lld days: not stored; is the sender's clock "
        "right, is the time in ns?",
        SPAN_FMT(dataset), when, (long long)(p->retention_ns / NS_PER_DAY));
    for (size_t len = strlen(ret->text); len > 0 && !utf8_is_valid(span_of(ret->text, len));)
        ret->text[--len] = 0;
}

void intake__judge(const batch *b, const policy *p, intake_report *ret)
{
    uint32_t refused = 0;
    for (uint32_t row = 0; row < b->row_count; row++) {
        ret->moved_times += is_ahead(p, b->time_ns[row]);
        refused += is_refused(p, b->time_ns[row]);
    }
    if (refused == 0)
        return;
    for (uint32_t row = 0; row < b->row_count; row++) {
        if (!is_refused(p, b->time_ns[row]))
            continue;
        if (ret->refused_rows++ == 0)
            explain(b, p, row, ret);
        ret->refused_items += !is_annotation(b, row);
    }
}

/* ---- taking rows out ---- */
/* row → its number among those that stay, for all rows and the end; ROW_GONE when it goes. `before`: how many stay before
 * it. */
typedef struct row_map {
    uint32_t *to, *before;
} row_map;

static void keep_rows(batch *b, const row_map *map)
{
    for (uint32_t row = 0; row < b->row_count; row++) {
        uint32_t to = map->to[row];
        if (to == ROW_GONE)
            continue;
        b->time_ns[to] = b->time_ns[row];
        b->rate[to] = b->rate[row];
        b->dataset[to] = b->dataset[row];
        b->trace_id[to] = b->trace_id[row];
        b->span_id[to] = b->span_id[row];
        b->parent_id[to] = b->parent_id[row];
    }
}

static void keep_points(column *c, const row_map *map, uint32_t rows_left)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < c->count; i++) {
        uint32_t to = map->to[c->rows ? c->rows[i] : i];
        if (to == ROW_GONE)
            continue;
        if (c->rows)
            c->rows[kept] = to;
        if (c->codes)
            c->codes[kept] = c->codes[i];
        if (c->bits)
            c->bits[kept] = c->bits[i];
        kept++;
    }
    c->count = kept;
    if (kept == rows_left)
        c->rows = NULL;
}

static void keep_ranges(column *c, const row_map *map)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < c->range_count; i++) {
        column_range r = c->ranges[i];
        r.first_row = map->before[r.first_row];
        r.end_row = map->before[r.end_row];
        if (r.first_row < r.end_row)
            c->ranges[kept++] = r;
    }
    c->range_count = kept;
}

bool intake__keep_columns(batch *b, bool (*goes)(const column *c))
{
    uint32_t *moved = ARENA_ARRAY(b->mem, uint32_t, b->column_count + 1);
    if (!moved)
        return false;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < b->column_count; i++) {
        const column *c = &b->columns[i];
        bool is_gone = (c->count == 0 && c->range_count == 0) || (goes && goes(c));
        moved[i] = is_gone ? COLUMN_NONE : kept++;
    }
    /* Links lead forward. What a link leads to may be gone: then to what follows that. */
    for (uint32_t i = b->column_count; i-- > 0;) {
        uint32_t next = b->columns[i].next_same_name;
        if (next != COLUMN_NONE && moved[next] == COLUMN_NONE)
            b->columns[i].next_same_name = b->columns[next].next_same_name;
    }
    for (uint32_t i = 0; i < b->column_count; i++) {
        if (moved[i] == COLUMN_NONE)
            continue;
        column c = b->columns[i];
        if (c.next_same_name != COLUMN_NONE)
            c.next_same_name = moved[c.next_same_name];
        b->columns[moved[i]] = c;
    }
    b->column_count = kept;
    return true;
}

static bool take_out(batch *b, const policy *p)
{
    uint32_t kept = 0;
    row_map map = {arena_alloc(b->mem, (b->row_count + 1) * sizeof(uint32_t), _Alignof(uint32_t)),
                   arena_alloc(b->mem, (b->row_count + 1) * sizeof(uint32_t), _Alignof(uint32_t))};
    if (!map.to || !map.before)
        return false;
    for (uint32_t row = 0; row < b->row_count; row++) {
        map.before[row] = kept;
        map.to[row] = is_refused(p, b->time_ns[row]) ? ROW_GONE : kept++;
    }
    map.before[b->row_count] = kept;
    keep_rows(b, &map);
    for (uint32_t i = 0; i < b->column_count; i++) {
        keep_points(&b->columns[i], &map, kept);
        keep_ranges(&b->columns[i], &map);
    }
    b->row_count = kept;
    return intake__keep_columns(b, NULL);
}

/* ---- moving times ---- */
static bool is_original_time(const column *c)
{
    return span_is(c->name, F_ORIGINAL_TIME);
}

/* Room for `more` texts behind those that are there. */
static span *grow_strings(batch *b, uint32_t more)
{
    span *grown =
        arena_alloc(b->mem, ((size_t)b->string_count + more) * sizeof(span), _Alignof(span));
    if (grown && b->string_count)
        memcpy(grown, b->strings, b->string_count * sizeof(span));
    return grown;
}

static bool add_column_to(batch *b, const column *c)
{
    column *grown =
        arena_alloc(b->mem, ((size_t)b->column_count + 1) * sizeof(column), _Alignof(column));
    if (!grown)
        return false;
    if (b->column_count)
        memcpy(grown, b->columns, b->column_count * sizeof(column));
    grown[b->column_count] = *c;
    b->columns = grown;
    b->column_capacity = ++b->column_count;
    return true;
}

/* A sender's own field of that name gives way in a batch where we have to say something in it. */
static bool move_times(batch *b, const policy *p, uint32_t moved)
{
    if (!intake__keep_columns(b, is_original_time))
        return false;
    column c = {.name = SPAN(F_ORIGINAL_TIME),
                .type = FIELD_STRING,
                .capacity = moved,
                .next_same_name = COLUMN_NONE};
    c.rows = ARENA_ARRAY(b->mem, uint32_t, moved);
    c.codes = ARENA_ARRAY(b->mem, uint32_t, moved);
    span *strings = grow_strings(b, moved);
    if (!c.rows || !c.codes || !strings)
        return false;
    uint32_t count = b->string_count;
    for (uint32_t row = 0; row < b->row_count; row++) {
        if (!is_ahead(p, b->time_ns[row]))
            continue;
        char when[36];
        size_t len = clock_print_rfc3339(b->time_ns[row], when);
        if (c.count == 0 || !span_equal(strings[count - 1], span_of(when, len)))
            if (!arena_copy(b->mem, span_of(when, len), &strings[count++]))
                return false;
        c.rows[c.count] = row;
        c.codes[c.count++] = count - 1;
        b->time_ns[row] = p->arrival_ns;
    }
    b->strings = strings;
    b->string_count = count;
    if (c.count == b->row_count)
        c.rows = NULL;
    return add_column_to(b, &c);
}

sk_code intake__apply(batch *b, const policy *p, err *e)
{
    uint32_t ahead = 0, refused = 0;
    for (uint32_t row = 0; row < b->row_count; row++) {
        ahead += is_ahead(p, b->time_ns[row]);
        refused += is_refused(p, b->time_ns[row]);
    }
    if ((refused && !take_out(b, p)) || (ahead && !move_times(b, p, ahead)))
        return err_set(e, SK_NO_MEMORY, "no memory to put the times of %u events right",
                       ahead + refused);
    return SK_OK;
}
