/*
 * engine/local/trace.c: a trace by id (docs/internals/trace-and-fields.md): the rows that the trace-id indexes name, from every
 * family, with all their fields, in one order that no layout shows, and their tree.
 * Never: reads a block that has no row of the trace.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"
#include "engine/local/local_private.h"
#include "event/fields.h"

#define SCRATCH_BYTES (1 * GIB)

typedef struct row_range {
    const part *part;
    uint32_t first_row, end_row;
} row_range;

typedef struct trace_field {
    span name;
    value v;
} trace_field;

typedef struct found_row {
    trace_row row;
    uint32_t field_count, field_capacity;
    trace_field *fields; /* by name once sorted */
} found_row;

typedef struct finder {
    arena *mem;     /* the asker's: everything that is returned */
    arena *scratch; /* lists that grow */
    int64_t start_ns, end_ns;
    uint32_t range_count, range_capacity, row_count, row_capacity, damaged_blocks;
    row_range *ranges;
    found_row *rows;
    vector *v;
    part_reader *reader;
    const part *part;
} finder;

static sk_code no_memory(err *e)
{
    return err_set(e, SK_TOO_LARGE,
                   "the trace passes the memory that one answer may take; ask for a part of its "
                   "time with start and "
                   "end");
}

static bool add_item(arena *mem, void *array, uint32_t *capacity, uint32_t count, size_t item_bytes)
{
    if (count < *capacity)
        return true;
    void *old;
    memcpy(&old, array, sizeof old);
    uint32_t wanted = *capacity ? *capacity * 2 : 16;
    void *grown = arena_grow(mem, old, *capacity * item_bytes, wanted * item_bytes, 16);
    if (!grown)
        return false;
    memcpy(array, &grown, sizeof grown);
    *capacity = wanted;
    return true;
}

static sk_code note_range(void *ctx, const part *p, uint32_t first_row, uint32_t end_row)
{
    finder *f = ctx;
    if (!add_item(f->scratch, &f->ranges, &f->range_capacity, f->range_count, sizeof *f->ranges))
        return SK_TOO_LARGE;
    f->ranges[f->range_count++] = (row_range){p, first_row, end_row};
    return SK_OK;
}

static int compare_ranges(const void *left, const void *right)
{
    const row_range *a = left, *b = right;
    if (a->part != b->part)
        return (uintptr_t)a->part < (uintptr_t)b->part ? -1 : 1;
    return (a->first_row > b->first_row) - (a->first_row < b->first_row);
}

/* ---- the rows of one block ---- */

/* Rows of the trace in a block, as they stand in the vectors, and where their found_row is. */
typedef struct block_rows {
    const part *part;
    uint32_t block, count, first_found;
    uint16_t at[VECTOR_ROWS];
} block_rows;

static sk_code read_ids_and_times(finder *f, block_rows *b, err *e)
{
    static const uint32_t columns[] = {PART_TIME, PART_RATE, PART_DATASET, PART_SPAN_ID,
                                       PART_PARENT_ID};
    for (size_t c = 0; c < COUNT_OF(columns); c++) {
        sk_code code = part_read(f->reader, columns[c], b->block, f->v, e);
        if (code != SK_OK)
            return code;
        for (uint32_t i = 0; i < b->count; i++) {
            trace_row *r = &f->rows[b->first_found + i].row;
            uint32_t at = b->at[i];
            span name;
            switch (columns[c]) {
            case PART_TIME: r->time_ns = f->v->ints[at]; break;
            case PART_RATE: r->rate = (uint32_t)f->v->ints[at]; break;
            case PART_SPAN_ID: r->span_id = vector_has(f->v, at) ? f->v->ids[at] : 0; break;
            case PART_PARENT_ID: r->parent_id = vector_has(f->v, at) ? f->v->ids[at] : 0; break;
            default:
                name = f->v->dictionary->text(f->v->dictionary->of, f->v->codes[at]);
                if (!arena_copy(f->mem, name, &r->dataset))
                    return no_memory(e);
            }
        }
    }
    return SK_OK;
}

static value value_at(const vector *v, field_type type, uint32_t row)
{
    value ret = {.is_set = true, .type = type};
    if (v->kind == VECTOR_CODES)
        ret.text = v->dictionary->text(v->dictionary->of, v->codes[row]);
    else if (v->kind == VECTOR_INTS)
        ret.i = v->ints[row];
    else if (v->kind == VECTOR_FLOATS)
        ret.f = v->floats[row];
    else
        ret.b = v->codes[row] != 0;
    return ret;
}

static bool add_field(finder *f, found_row *r, span name, value v)
{
    if (!add_item(f->scratch, &r->fields, &r->field_capacity, r->field_count, sizeof *r->fields))
        return false;
    if (v.type == FIELD_STRING || v.type == FIELD_HISTOGRAM) {
        span text = v.text;
        v.text = SPAN("");
        if (text.len && !arena_copy(f->mem, text, &v.text))
            return false;
    }
    r->fields[r->field_count++] = (trace_field){name, v};
    return true;
}

static sk_code read_fields(finder *f, const block_rows *b, uint32_t column_count, err *e)
{
    for (uint32_t c = 0; c < column_count; c++) {
        uint32_t number = PART_COLUMNS + c;
        if (!part_block_has_column(b->part, number, b->block))
            continue;
        sk_code code = part_read(f->reader, number, b->block, f->v, e);
        if (code != SK_OK)
            return code;
        if (f->v->kind == VECTOR_ABSENT)
            continue;
        part_column about = part_column_get(b->part, number);
        span name = {0};
        for (uint32_t i = 0; i < b->count; i++) {
            if (!vector_has(f->v, b->at[i]))
                continue;
            if (!name.at && !arena_copy(f->mem, about.name, &name))
                return no_memory(e);
            if (!add_field(f, &f->rows[b->first_found + i], name,
                           value_at(f->v, about.type, b->at[i])))
                return no_memory(e);
        }
    }
    return SK_OK;
}

static void drop_rows_out_of_time(finder *f, uint32_t first)
{
    uint32_t kept = first;
    for (uint32_t i = first; i < f->row_count; i++) {
        int64_t t = f->rows[i].row.time_ns;
        if ((f->start_ns && t < f->start_ns) || (f->end_ns && t >= f->end_ns))
            continue;
        f->rows[kept++] = f->rows[i];
    }
    f->row_count = kept;
}

static sk_code read_block(finder *f, block_rows *b, err *e)
{
    part_info info;
    part_info_get(b->part, &info);
    b->first_found = f->row_count;
    for (uint32_t i = 0; i < b->count; i++) {
        if (!add_item(f->scratch, &f->rows, &f->row_capacity, f->row_count, sizeof *f->rows))
            return no_memory(e);
        f->rows[f->row_count++] = (found_row){0};
    }
    sk_code code = read_ids_and_times(f, b, e);
    if (code == SK_OK)
        code = read_fields(f, b, info.column_count, e);
    if (code == SK_CORRUPT) {
        f->row_count = b->first_found;
        f->damaged_blocks++;
        return SK_OK;
    }
    drop_rows_out_of_time(f, b->first_found);
    return code;
}

static sk_code open_part(finder *f, const part *p, err *e)
{
    if (f->part == p)
        return SK_OK;
    part_reader_free(f->reader);
    f->reader = NULL;
    f->part = NULL;
    sk_code code = part_reader_new(p, &f->reader, e);
    if (code == SK_OK)
        f->part = p;
    return code;
}

/* Ranges are sorted: the rows of one block stand together. */
static sk_code read_ranges(finder *f, err *e)
{
    block_rows *b = ARENA_NEW(f->scratch, block_rows);
    if (!b)
        return no_memory(e);
    sk_code code = SK_OK;
    for (uint32_t i = 0; code == SK_OK && i < f->range_count; i++) {
        const row_range *r = &f->ranges[i];
        for (uint32_t row = r->first_row; code == SK_OK && row < r->end_row; row++) {
            uint32_t block = row / VECTOR_ROWS;
            if (b->count && (b->part != r->part || b->block != block)) {
                code = read_block(f, b, e);
                b->count = 0;
            }
            if (code == SK_OK)
                code = open_part(f, r->part, e);
            b->part = r->part;
            b->block = block;
            b->at[b->count++] = (uint16_t)(row % VECTOR_ROWS);
        }
    }
    if (code == SK_OK && b->count)
        code = read_block(f, b, e);
    return code;
}

/* ---- order and folding ---- */

static int compare_names(const void *left, const void *right)
{
    return span_compare(((const trace_field *)left)->name, ((const trace_field *)right)->name);
}

static int compare_u64(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int compare_values(value a, value b)
{
    char x[VALUE_TEXT_MAX], y[VALUE_TEXT_MAX];
    int diff = (int)a.type - (int)b.type;
    if (diff)
        return diff;
    return a.type == FIELD_HISTOGRAM ? span_compare(a.text, b.text)
                                     : span_compare(value_text(a, x), value_text(b, y));
}

static int compare_fields(const found_row *a, const found_row *b)
{
    int diff = 0;
    for (uint32_t i = 0; !diff && i < a->field_count && i < b->field_count; i++) {
        diff = span_compare(a->fields[i].name, b->fields[i].name);
        if (!diff)
            diff = compare_values(a->fields[i].v, b->fields[i].v);
    }
    return diff ? diff : compare_u64(a->field_count, b->field_count);
}

static int compare_rows(const void *left, const void *right)
{
    const found_row *a = left, *b = right;
    if (a->row.time_ns != b->row.time_ns)
        return a->row.time_ns < b->row.time_ns ? -1 : 1;
    int diff = (a->row.span_id == 0) - (b->row.span_id == 0);
    if (!diff)
        diff = compare_u64(a->row.span_id, b->row.span_id);
    if (!diff)
        diff = compare_u64(a->row.parent_id, b->row.parent_id);
    if (!diff)
        diff = span_compare(a->row.dataset, b->row.dataset);
    if (!diff)
        diff = compare_fields(a, b);
    return diff ? diff : compare_u64(a->row.rate, b->row.rate);
}

static uint32_t fold_rows(finder *f)
{
    for (uint32_t i = 0; i < f->row_count; i++)
        if (f->rows[i].field_count)
            qsort(f->rows[i].fields, f->rows[i].field_count, sizeof *f->rows[i].fields,
                  compare_names);
    if (f->row_count)
        qsort(f->rows, f->row_count, sizeof *f->rows, compare_rows);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < f->row_count; i++) {
        bool is_repeat =
            kept && f->rows[i].row.span_id && compare_rows(&f->rows[kept - 1], &f->rows[i]) == 0;
        if (!is_repeat)
            f->rows[kept++] = f->rows[i];
    }
    uint32_t folded = f->row_count - kept;
    f->row_count = kept;
    return folded;
}

/* ---- the answer ---- */

static const value *field_of(const found_row *r, const char *name)
{
    for (uint32_t i = 0; i < r->field_count; i++)
        if (span_is(r->fields[i].name, name))
            return &r->fields[i].v;
    static const value none = {.is_set = false};
    return &none;
}

static bool is_error(const found_row *r)
{
    char scratch[VALUE_TEXT_MAX];
    double status;
    value v = *field_of(r, F_ERROR);
    span text = value_text(v, scratch);
    if (v.is_set && text.len && !span_is(text, "false") && !span_is(text, "0"))
        return true;
    return value_number(*field_of(r, F_STATUS_CODE), &status) && status == 2;
}

static tree_span span_of_row(const found_row *r)
{
    char scratch[VALUE_TEXT_MAX];
    double ms;
    if (!value_number(*field_of(r, F_DURATION_MS), &ms) || ms < 0)
        ms = 0;
    double ns = ms * 1e6 + 0.5;
    return (tree_span){.span_id = r->row.span_id,
                       .parent_id = r->row.parent_id,
                       .start_ns = r->row.time_ns,
                       .duration_ns = ns < 0x1p62 ? (int64_t)ns : (int64_t)1 << 62,
                       .kind = span_kind_parse(value_text(*field_of(r, F_SPAN_KIND), scratch)),
                       .is_error = is_error(r)};
}

static bool show_row(finder *f, uint32_t index, trace_row *ret)
{
    const found_row *r = &f->rows[index];
    span *names = ARENA_ARRAY(f->mem, span, r->field_count + 1);
    value *values = ARENA_ARRAY(f->mem, value, r->field_count + 1);
    if (!names || !values)
        return false;
    for (uint32_t i = 0; i < r->field_count; i++) {
        names[i] = r->fields[i].name;
        values[i] = r->fields[i].v;
    }
    *ret = r->row;
    ret->field_count = r->field_count;
    ret->names = names;
    ret->values = values;
    ret->node = index;
    return true;
}

static sk_code show_trace(finder *f, trace_id id, trace_result *ret, err *e)
{
    uint32_t folded = fold_rows(f);
    trace_row *rows = ARENA_ARRAY(f->mem, trace_row, f->row_count + 1);
    tree_span *spans = ARENA_ARRAY(f->scratch, tree_span, f->row_count + 1);
    if (!rows || !spans)
        return no_memory(e);
    for (uint32_t i = 0; i < f->row_count; i++) {
        spans[i] = span_of_row(&f->rows[i]);
        if (!show_row(f, i, &rows[i]))
            return no_memory(e);
    }
    *ret = (trace_result){.id = id,
                          .row_count = f->row_count,
                          .rows = rows,
                          .folded_rows = folded,
                          .damaged_blocks = f->damaged_blocks};
    return tree_build(spans, f->row_count, f->mem, &ret->tree, e);
}

static sk_code find_and_show(finder *f, snapshot *s, trace_id id, trace_result *ret, err *e)
{
    sk_code code = snapshot_find_trace(s, id, note_range, f, e);
    if (code == SK_TOO_LARGE)
        return no_memory(e);
    if (f->range_count)
        qsort(f->ranges, f->range_count, sizeof *f->ranges, compare_ranges);
    if (code == SK_OK)
        code = read_ranges(f, e);
    if (code != SK_OK)
        return code;
    if (f->row_count == 0) {
        char text[33];
        size_t len = trace_id_print(id, text);
        return err_set(e, SK_NOT_FOUND, "no row has the trace id %.*s", (int)len, text);
    }
    return show_trace(f, id, ret, e);
}

sk_code local__trace(engine *e, uint32_t environment, trace_id id, int64_t start_ns, int64_t end_ns,
                     arena *mem, trace_result *ret, err *er)
{
    finder f = {
        .mem = mem, .start_ns = start_ns, .end_ns = end_ns, .scratch = arena_new(SCRATCH_BYTES)};
    f.v = base_alloc(sizeof *f.v);
    snapshot *s = NULL;
    sk_code code = f.scratch && f.v
                       ? SK_OK
                       : err_set(er, SK_NO_MEMORY, "memory ran out while a trace was read");
    if (code == SK_OK)
        code = store_snapshot(((local *)e)->store, environment, (1u << FAMILY_COUNT) - 1,
                              start_ns ? start_ns : INT64_MIN, end_ns ? end_ns : INT64_MAX, &s, er);
    if (code == SK_OK)
        code = find_and_show(&f, s, id, ret, er);
    part_reader_free(f.reader);
    snapshot_release(s);
    base_free(f.v);
    arena_free(f.scratch);
    return code;
}
