/*
 * tests/unit/store_rows.c: see store_rows.h. Slow and obvious on purpose.
 */
#include "unit/store_rows.h"

#include <stdio.h>
#include <stdlib.h>

#include "event/fields.h"

/* ---- lines ---- */

typedef struct line {
    char *text;
    size_t len, capacity;
} line;

static void add_text(line *l, const void *at, size_t len)
{
    if (l->len + len + 1 > l->capacity) {
        l->capacity = (l->len + len + 1) * 2;
        l->text = realloc(l->text, l->capacity);
    }
    memcpy(l->text + l->len, at, len);
    l->len += len;
    l->text[l->len] = 0;
}

static void add_format(line *l, const char *format, ...) format_like(2, 3);
static void add_format(line *l, const char *format, ...)
{
    char text[256];
    va_list list;
    va_start(list, format);
    int len = vsnprintf(text, sizeof text, format, list);
    va_end(list);
    add_text(l, text, (size_t)len);
}

static void add_line(row_list *l, char *text)
{
    assert_true(base_reserve(&l->lines, &l->capacity, l->count + 1, sizeof l->lines[0]));
    l->lines[l->count++] = text;
}

static void add_head(line *l, int64_t time, int64_t rate, span dataset, trace_id trace, uint64_t id,
                     uint64_t parent)
{
    add_format(l, "%lld rate=%lld trace=%016llx%016llx span=%016llx parent=%016llx in=",
               (long long)time, (long long)rate, (unsigned long long)trace.hi,
               (unsigned long long)trace.lo, (unsigned long long)id, (unsigned long long)parent);
    add_text(l, dataset.at, dataset.len);
}

/* Cells come in any order of columns: they are sorted within the line. */
typedef struct cells {
    char *text[64];
    uint32_t count;
} cells;

static void add_cell(cells *c, span name, field_type type, span text, uint64_t bits)
{
    line l = {0};
    add_text(&l, name.at, name.len);
    add_format(&l, ":%s=", field_type_name(type));
    if (type == FIELD_STRING || type == FIELD_HISTOGRAM)
        add_text(&l, text.at, text.len);
    else
        add_format(&l, "%016llx", (unsigned long long)bits);
    assert_true(c->count < COUNT_OF(c->text));
    c->text[c->count++] = l.text;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void end_line(line *l, cells *c, row_list *to)
{
    qsort(c->text, c->count, sizeof c->text[0], compare_texts);
    for (uint32_t i = 0; i < c->count; i++) {
        add_text(l, " ", 1);
        add_text(l, c->text[i], strlen(c->text[i]));
        free(c->text[i]);
    }
    add_line(to, l->text);
}

static void add_value(cells *c, span name, value v)
{
    uint64_t bits = 0;
    if (v.type == FIELD_INT)
        bits = (uint64_t)v.i;
    else if (v.type == FIELD_FLOAT)
        memcpy(&bits, &v.f, 8);
    else if (v.type == FIELD_BOOL)
        bits = v.b;
    add_cell(c, name, v.type, v.text, bits);
}

void rows_add_batch(row_list *l, const batch *b)
{
    for (uint32_t row = 0; row < b->row_count; row++) {
        line text = {0};
        cells c = {.count = 0};
        add_head(&text, b->time_ns[row], b->rate[row], batch_text(b, b->dataset[row]),
                 b->trace_id[row], b->span_id[row], b->parent_id[row]);
        for (uint32_t i = 0; i < b->column_count; i++) {
            value v = batch_cell(b, i, row);
            if (v.is_set)
                add_value(&c, b->columns[i].name, v);
        }
        end_line(&text, &c, l);
    }
}

/* ---- reading back ---- */

typedef struct block_rows {
    const part *p;
    part_reader *r;
    part_info info;
    part_block block;
    uint32_t number;
    vector *v, *some;
    uint64_t random;
    line *lines;
    cells *cells;
} block_rows;

static bool has(const vector *v, uint32_t row)
{
    return v->kind != VECTOR_ABSENT && vector_has(v, row);
}

/* Some rows of the block that was read, read alone, are what they were. */
static void check_some_rows(block_rows *b, uint32_t col)
{
    const vector *all = b->v, *some = b->some;
    uint32_t first = (uint32_t)(check_random(&b->random) % b->block.row_count);
    uint32_t most = check_random(&b->random) % 2 ? 60 : VECTOR_ROWS;
    uint32_t left = b->block.row_count - first;
    uint32_t count = 1 + (uint32_t)(check_random(&b->random) % (left < most ? left : most));
    err e;
    check_ok(part_read_rows(b->r, col, b->number, first, count, b->some, &e), &e);
    assert_true(some->row_count == count || some->kind == VECTOR_ABSENT);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(has(some, i), has(all, first + i));
        if (!has(some, i))
            continue;
        assert_int_equal(some->kind, all->kind);
        assert_int_equal(some->type, all->type);
        if (some->kind == VECTOR_CODES || some->kind == VECTOR_BOOLS)
            assert_int_equal(some->codes[i], all->codes[first + i]);
        else
            assert_int_equal(some->ids[i], all->ids[first + i]);
        if (some->kind == VECTOR_CODES)
            assert_non_null(some->dictionary->text(some->dictionary->of, some->codes[i]).at);
    }
}

static void read_column(block_rows *b, uint32_t col)
{
    err e;
    check_ok(part_read(b->r, col, b->number, b->v, &e), &e);
    assert_int_equal(b->v->kind == VECTOR_ABSENT ? b->block.row_count : b->v->row_count,
                     b->block.row_count);
    if (col != PART_TRACE_ID)
        check_some_rows(b, col);
}

static void read_heads(block_rows *b)
{
    uint32_t n = b->block.row_count;
    int64_t *time = malloc(n * 8), *rate = malloc(n * 8);
    span *dataset = malloc(n * sizeof *dataset);
    trace_id *trace = calloc(n, sizeof *trace);
    uint64_t *id = calloc(n, 8), *parent = calloc(n, 8);
    read_column(b, PART_TIME);
    memcpy(time, b->v->ints, n * 8);
    read_column(b, PART_RATE);
    memcpy(rate, b->v->ints, n * 8);
    read_column(b, PART_DATASET);
    for (uint32_t i = 0; i < n; i++)
        dataset[i] = b->v->dictionary->text(b->v->dictionary->of, b->v->codes[i]);
    read_column(b, PART_TRACE_ID);
    for (uint32_t i = 0; b->v->kind != VECTOR_ABSENT && i < n; i++)
        if (vector_has(b->v, i))
            trace[i] = b->v->trace_ids[i];
    read_column(b, PART_SPAN_ID);
    for (uint32_t i = 0; b->v->kind != VECTOR_ABSENT && i < n; i++)
        if (vector_has(b->v, i))
            id[i] = b->v->ids[i];
    read_column(b, PART_PARENT_ID);
    for (uint32_t i = 0; b->v->kind != VECTOR_ABSENT && i < n; i++)
        if (vector_has(b->v, i))
            parent[i] = b->v->ids[i];
    for (uint32_t i = 0; i < n; i++) {
        assert_true(time[i] >= b->block.min_time_ns && time[i] <= b->block.max_time_ns);
        assert_true(time[i] >= b->info.min_time_ns && time[i] <= b->info.max_time_ns);
        add_head(&b->lines[i], time[i], rate[i], dataset[i], trace[i], id[i], parent[i]);
    }
    free(time), free(rate), free(dataset), free(trace), free(id), free(parent);
}

static void check_statistics(block_rows *b, uint32_t col)
{
    const vector *v = b->v;
    double min, max;
    bool has_range = part_block_number_range(b->p, col, b->number, &min, &max);
    uint64_t *wanted = NULL;
    if (v->kind == VECTOR_CODES)
        wanted = calloc(v->dictionary->count / 64 + 1, 8);
    for (uint32_t i = 0; i < v->row_count; i++) {
        if (!vector_has(v, i))
            continue;
        double number = v->kind == VECTOR_INTS ? (double)v->ints[i] : v->floats[i];
        if (has_range && (v->kind == VECTOR_INTS || v->kind == VECTOR_FLOATS) && number == number)
            assert_true(number >= min && number <= max);
        if (!wanted)
            continue;
        uint32_t code = v->codes[i];
        assert_true(code < v->dictionary->count);
        wanted[code / 64] = 1ull << (code & 63);
        assert_true(part_block_may_hold(b->p, col, b->number, wanted));
        wanted[code / 64] = 0;
    }
    free(wanted);
}

static void read_cells(block_rows *b, uint32_t col)
{
    part_column c = part_column_get(b->p, col);
    read_column(b, col);
    const vector *v = b->v;
    if (v->kind == VECTOR_ABSENT)
        return;
    assert_true(part_block_has_column(b->p, col, b->number));
    check_statistics(b, col);
    for (uint32_t i = 0; i < v->row_count; i++) {
        if (!vector_has(v, i))
            continue;
        if (v->kind == VECTOR_CODES)
            add_cell(&b->cells[i], c.name, c.type,
                     v->dictionary->text(v->dictionary->of, v->codes[i]), 0);
        else
            add_cell(&b->cells[i], c.name, c.type, (span){0},
                     v->kind == VECTOR_BOOLS ? v->codes[i] : v->ids[i]);
    }
}

/* A stored parent row must be the row whose span id is this row's parent id. */
static void check_parents(const part *p, part_reader *r, const part_info *info)
{
    uint64_t *ids = calloc(info->row_count + 1, 8), *parents = calloc(info->row_count + 1, 8);
    uint32_t *rows = malloc(((size_t)info->row_count + VECTOR_ROWS) * sizeof *rows);
    vector *v = malloc(sizeof *v);
    err e;
    for (uint32_t k = 0; k < info->block_count; k++) {
        uint32_t first = k * VECTOR_ROWS;
        check_ok(part_read(r, PART_SPAN_ID, k, v, &e), &e);
        for (uint32_t i = 0; v->kind != VECTOR_ABSENT && i < v->row_count; i++)
            ids[first + i] = vector_has(v, i) ? v->ids[i] : 0;
        check_ok(part_read(r, PART_PARENT_ID, k, v, &e), &e);
        for (uint32_t i = 0; v->kind != VECTOR_ABSENT && i < v->row_count; i++)
            parents[first + i] = vector_has(v, i) ? v->ids[i] : 0;
        check_ok(part_read_parents(r, k, rows + first, NULL, &e), &e);
    }
    for (uint32_t i = 0; i < info->row_count; i++)
        if (rows[i] != UINT32_MAX) {
            assert_true(rows[i] < info->row_count && rows[i] != i);
            assert_true(parents[i] != 0 && ids[rows[i]] == parents[i]);
        }
    free(ids), free(parents), free(rows), free(v);
}

static void add_part(row_list *l, const part *p)
{
    block_rows b = {
        .p = p, .v = malloc(sizeof(vector)), .some = malloc(sizeof(vector)), .random = 7};
    err e;
    part_info_get(p, &b.info);
    check_ok(part_reader_new(p, &b.r, &e), &e);
    uint32_t most = b.info.row_count < VECTOR_ROWS ? b.info.row_count : VECTOR_ROWS;
    b.lines = malloc(most * sizeof *b.lines);
    b.cells = malloc(most * sizeof *b.cells);
    uint32_t rows = 0;
    for (b.number = 0; b.number < b.info.block_count; b.number++) {
        part_block_get(p, b.number, &b.block);
        assert_int_equal(b.block.first_row, rows);
        rows += b.block.row_count;
        memset(b.lines, 0, most * sizeof *b.lines);
        for (uint32_t i = 0; i < b.block.row_count; i++)
            b.cells[i].count = 0;
        read_heads(&b);
        for (uint32_t c = 0; c < b.info.column_count; c++)
            read_cells(&b, PART_COLUMNS + c);
        for (uint32_t i = 0; i < b.block.row_count; i++)
            end_line(&b.lines[i], &b.cells[i], l);
    }
    assert_int_equal(rows, b.info.row_count);
    check_parents(p, b.r, &b.info);
    part_reader_free(b.r);
    free(b.v), free(b.some), free(b.lines), free(b.cells);
}

void rows_add_snapshot(row_list *l, snapshot *s)
{
    for (uint32_t i = 0; i < snapshot_part_count(s); i++)
        add_part(l, snapshot_part(s, i));
}

void rows_check_equal(row_list *got, row_list *want)
{
    if (got->count)
        qsort(got->lines, got->count, sizeof got->lines[0], compare_texts);
    if (want->count)
        qsort(want->lines, want->count, sizeof want->lines[0], compare_texts);
    uint32_t same = 0;
    while (same < got->count && same < want->count &&
           strcmp(got->lines[same], want->lines[same]) == 0)
        same++;
    if (same == got->count && same == want->count)
        return;
    fail_msg("%u rows, want %u; the %uth differs:\n got %s\nwant %s", got->count, want->count, same,
             same < got->count ? got->lines[same] : "none",
             same < want->count ? want->lines[same] : "none");
}

void rows_free(row_list *l)
{
    for (uint32_t i = 0; i < l->count; i++)
        free(l->lines[i]);
    base_free(l->lines);
    *l = (row_list){0};
}

void publish_batch(store *s, uint32_t environment, uint64_t seq, batch *take_b, row_list *want)
{
    err e;
    if (want)
        rows_add_batch(want, take_b);
    publish_info info = {seq, {seq, hash_mix(seq)}};
    check_ok(store_publish(s, environment, info, take_b, &e), &e);
}

void check_store_rows(store *s, uint32_t environment, row_list *want)
{
    row_list got = {0};
    snapshot *n;
    err e;
    check_ok(store_snapshot(s, environment, 7, INT64_MIN, INT64_MAX, &n, &e), &e);
    rows_add_snapshot(&got, n);
    snapshot_release(n);
    rows_check_equal(&got, want);
    rows_free(&got);
}

/* ---- random batches ---- */

typedef struct maker {
    batch *b;
    uint64_t *random;
    const batch_recipe *recipe;
    uint32_t row;
} maker;

static uint32_t below(maker *m, uint32_t n)
{
    return (uint32_t)(check_random(m->random) % n);
}

static void put_text(maker *m, const char *name, const char *text)
{
    batch_put_string(m->b, batch_column(m->b, span_text(name), FIELD_STRING, NULL),
                     span_text(text));
}

static void put_int(maker *m, const char *name, int64_t v)
{
    batch_put_int(m->b, batch_column(m->b, span_text(name), FIELD_INT, NULL), v);
}

static void put_float(maker *m, const char *name, double v)
{
    batch_put_float(m->b, batch_column(m->b, span_text(name), FIELD_FLOAT, NULL), v);
}

static void put_strings(maker *m)
{
    char text[64];
    uint64_t r = check_random(m->random);
    snprintf(text, sizeof text, "operation %u", below(m, 9));
    put_text(m, F_NAME, text);
    put_text(m, "route", text[10] % 2 ? "/odd" : "/even"); /* follows from the name */
    if (text[10] > '2')
        put_int(m, "line", text[10] * 1001);
    if (r & 1) {
        snprintf(text, sizeof text, "%016llx", (unsigned long long)check_random(m->random));
        put_text(m, "request.id", text);
    }
    if (r & 2) {
        snprintf(text, sizeof text, "%08x-%04x-%04x-%04x-%012llx", below(m, UINT32_MAX),
                 below(m, 65536), below(m, 65536), below(m, 65536),
                 (unsigned long long)check_random(m->random) & 0xffffffffffff);
        put_text(m, "session", text);
    }
    if (r & 4) {
        snprintf(text, sizeof text, "user-%u", below(m, 50) * below(m, 50));
        put_text(m, "user.id", text);
    }
    if ((r & 0x38) == 0)
        put_text(m, "empty", "");
    if ((r & 0x3c0) == 0)
        put_text(m, "mixed", r & 0x400 ? "200" : "abc");
}

static void put_numbers(maker *m)
{
    static const double odd[] = {0.0, -0.0, 1e300, -1e-300, 0.1, 1.0 / 3, 4503599627370497.5};
    uint64_t r = check_random(m->random);
    put_float(m, F_DURATION_MS, (double)(check_random(m->random) >> (40 + below(m, 20))) / 1e6);
    if (r & 1)
        put_int(m, "http.status_code", 200 + 100 * (int64_t)below(m, 4));
    if (r & 2)
        put_int(m, "bytes", (int64_t)(check_random(m->random) >> below(m, 64)));
    if (r & 4)
        put_int(m, "extreme", r & 8 ? INT64_MIN + (int64_t)below(m, 3) : INT64_MAX);
    if (r & 16)
        put_float(m, "random", (double)(check_random(m->random) >> 11) * 0x1p-53);
    if (r & 32)
        put_float(m, "price", (double)below(m, 100000) / 100);
    if ((r & 0x1c0) == 0)
        put_float(m, "odd", odd[below(m, COUNT_OF(odd))]);
    if ((r & 0x1c0) == 0x40)
        put_float(m, "odd", r & 0x200 ? __builtin_nan("") : __builtin_inf());
    if ((r & 0xc00) == 0)
        batch_put_bool(m->b, batch_column(m->b, SPAN(F_ERROR), FIELD_BOOL, NULL), r & 0x1000);
    if ((r & 0xe000) == 0)
        put_int(m, "mixed", 200);
    if ((r & 0xf0000) == 0)
        batch_put_string(m->b, batch_column(m->b, SPAN("latency"), FIELD_HISTOGRAM, NULL),
                         span_of(&r, 8));
}

static void put_rare(maker *m)
{
    char name[64];
    if (!m->recipe->fields || below(m, 4))
        return;
    uint32_t which = below(m, m->recipe->fields);
    snprintf(name, sizeof name, "rare.field.%u", which);
    if (which % 3 == 0)
        put_int(m, name, below(m, 1000));
    else if (which % 3 == 1)
        put_text(m, name, which & 1 ? "yes" : "no");
    else
        put_float(m, name, (double)below(m, 1000) / 8);
}

/* Spans of a few traces: parents within the trace, some unknown; some repeated span ids; annotations without one. */
static void put_ids(maker *m)
{
    batch *b = m->b;
    uint32_t which = below(m, m->recipe->traces ? m->recipe->traces : 1);
    uint64_t key = hash_mix(m->recipe->trace_seed + which);
    if (m->recipe->family == FAMILY_METRIC || (m->recipe->family == FAMILY_LOG && below(m, 3)))
        return;
    b->trace_id[m->row] = (trace_id){which % 7 == 0 ? 0 : key, hash_mix(key + 1)};
    uint32_t number = below(m, 40);
    b->span_id[m->row] = below(m, 10) ? hash_mix(key + 100 + number) : 0;
    uint32_t parent = below(m, 40);
    if (below(m, 8))
        b->parent_id[m->row] = parent == number ? 0 : hash_mix(key + 100 + parent);
    else if (below(m, 2))
        b->parent_id[m->row] = check_random(m->random) | 1;
    if (below(m, 50) == 0) {
        b->trace_id[m->row] = (trace_id){0};
        b->parent_id[m->row] = below(m, 2);
    }
}

/* A line of a log that names its ids, or nearly. */
static void put_line(maker *m)
{
    char text[200], trace[33] = "none", parent[17] = "";
    const batch *b = m->b;
    if (trace_id_is_set(b->trace_id[m->row]))
        trace_id_print(b->trace_id[m->row], trace);
    span_id_print(b->parent_id[m->row], parent);
    uint32_t form = below(m, 8);
    snprintf(text, sizeof text, "%u INFO shop.Cart#%u span %s%s%s%s answered\1\2\3 in %u ms %s",
             m->row, below(m, 90), parent, form & 1 ? " trace " : "", trace,
             form & 2 ? trace : "\3", below(m, 500), form & 4 ? parent : "0");
    put_text(m, F_BODY, text);
}

static void put_ranges(maker *m)
{
    batch *b = m->b;
    uint32_t host = batch_column(b, SPAN("host.name"), FIELD_STRING, NULL);
    uint32_t cores = batch_column(b, SPAN("host.cores"), FIELD_INT, NULL);
    uint32_t count = m->recipe->rows;
    char text[32];
    snprintf(text, sizeof text, "host-%u", below(m, 5));
    batch_put_range(b, host, 0, count, batch_string(b, span_text(text)));
    batch_put_range(b, host, count / 3, count / 2, batch_string(b, SPAN("other")));
    batch_put_range(b, cores, 0, count / 2, 2 + below(m, 3));
}

batch *make_batch(const batch_recipe *recipe, uint64_t *random)
{
    maker m = {batch_new(recipe->family, 256 * MIB), random, recipe, 0};
    assert_non_null(m.b);
    for (uint32_t i = 0; i < recipe->rows; i++) {
        char text[32];
        snprintf(text, sizeof text, "service-%u",
                 below(&m, recipe->datasets ? recipe->datasets : 1));
        int64_t time = recipe->start_ns;
        if (recipe->span_ns)
            time += (int64_t)(check_random(random) % (uint64_t)recipe->span_ns);
        m.row =
            batch_begin_row(m.b, time, below(&m, 5) ? 1 : 10, batch_string(m.b, span_text(text)));
        put_ids(&m);
        if (recipe->family == FAMILY_METRIC)
            put_text(&m, F_METRIC_NAME, below(&m, 2) ? "cpu" : "memory");
        put_strings(&m);
        if (recipe->family == FAMILY_LOG)
            put_line(&m);
        put_numbers(&m);
        put_rare(&m);
    }
    if (recipe->rows)
        put_ranges(&m);
    m.b->arrival_ns = recipe->start_ns;
    assert_true(batch_freeze(m.b));
    return m.b;
}
