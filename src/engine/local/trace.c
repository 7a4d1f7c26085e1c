/*
 * engine/local/trace.c: a trace by id (docs/internals/trace-and-fields.md): the rows that the trace-id indexes name, from every
 * family, with all their fields, in one order that no layout shows, and their tree.
 * Never: reads a block that has no row of the trace.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/intern.h"
#include "base/must.h"
#include "engine/local/structure.h"
#include "event/fields.h"

#define SCRATCH_BYTES (1 * GIB)
#define TEXTS_BYTES   (64 * MIB)

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
    uint32_t span; /* number in finder.spans, or DERIVE_NONE */
    uint32_t field_count, field_capacity;
    bool is_out_of_order; /* fields do not stand by name: columns of a sealed segment do */
    trace_field *fields;  /* by name once sorted */
} found_row;

typedef struct finder {
    arena *mem;     /* the asker's: everything that is returned */
    arena *scratch; /* lists that grow */
    memory *account;
    int64_t start_ns, end_ns;
    uint32_t range_count, range_capacity, row_count, row_capacity, damaged_blocks;
    row_range *ranges;
    found_row *rows;
    vector *v;
    part_reader *reader;
    const part *part;
    /* All spans, also those out of the time asked for: derived fields are the whole trace's. */
    uint32_t span_count, span_capacity, name_capacity;
    derive_span *spans;
    value *span_names;
    derive_result *results;
    intern *texts; /* services and instances */
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

/* Rows of the trace in a block, where their found_row is, and how they stand in the vectors, which hold the rows between the
 * first and the last alone. */
typedef struct block_rows {
    const part *part;
    uint32_t block, count, first_found;
    uint16_t at[VECTOR_ROWS]; /* in the block; then less the first's */
    uint32_t first_row, row_count;
} block_rows;

static sk_code read_column(finder *f, const block_rows *b, uint32_t col, err *e)
{
    return part_read_rows(f->reader, col, b->block, b->first_row, b->row_count, f->v, e);
}

static sk_code read_ids_and_times(finder *f, block_rows *b, err *e)
{
    static const uint32_t columns[] = {PART_TIME, PART_RATE, PART_DATASET, PART_SPAN_ID,
                                       PART_PARENT_ID};
    for (size_t c = 0; c < COUNT_OF(columns); c++) {
        sk_code code = read_column(f, b, columns[c], e);
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

/* The text of a column that was copied last: the next row often has it too. */
typedef struct copied_text {
    uint32_t code;
    span text; /* at == NULL: none */
} copied_text;

/* The answer's own. False: no memory. */
static bool take_value(finder *f, const vector *v, field_type type, uint32_t row, copied_text *last,
                       value *ret)
{
    *ret = (value){.is_set = true, .type = type};
    if (v->kind == VECTOR_INTS) {
        ret->i = v->ints[row];
    } else if (v->kind == VECTOR_FLOATS) {
        ret->f = v->floats[row];
    } else if (v->kind != VECTOR_CODES) {
        ret->b = v->codes[row] != 0;
    } else {
        if (!last->text.at || last->code != v->codes[row]) {
            last->code = v->codes[row];
            span text = v->dictionary->text(v->dictionary->of, last->code);
            last->text = SPAN("");
            if (text.len && !arena_copy(f->mem, text, &last->text))
                return false;
        }
        ret->text = last->text;
    }
    return true;
}

/* Fields that derived ones are made of: all that is read of a block that is out of the time asked for. */
static bool tells_structure(span name)
{
    return span_is(name, F_DURATION_MS) || span_is(name, F_SPAN_KIND) || span_is(name, F_NAME) ||
           span_is(name, F_SERVICE_NAME) || span_is(name, F_SERVICE_INSTANCE);
}

static bool is_in_time(const finder *f, int64_t time_ns)
{
    return (!f->start_ns || time_ns >= f->start_ns) && (!f->end_ns || time_ns < f->end_ns);
}

static bool add_column(finder *f, const block_rows *b, const part_column *about)
{
    copied_text last = {0};
    span name;
    if (!arena_copy(f->mem, about->name, &name))
        return false;
    for (uint32_t i = 0; i < b->count; i++) {
        if (!vector_has(f->v, b->at[i]))
            continue;
        found_row *r = &f->rows[b->first_found + i];
        if (!add_item(f->scratch, &r->fields, &r->field_capacity, r->field_count,
                      sizeof *r->fields))
            return false;
        trace_field *to = &r->fields[r->field_count];
        r->is_out_of_order |= r->field_count && span_compare(to[-1].name, name) > 0;
        r->field_count++;
        to->name = name;
        if (!take_value(f, f->v, about->type, b->at[i], &last, &to->v))
            return false;
    }
    return true;
}

static sk_code read_fields(finder *f, const block_rows *b, uint32_t column_count, err *e)
{
    bool any = false;
    for (uint32_t i = 0; i < b->count; i++)
        any |= is_in_time(f, f->rows[b->first_found + i].row.time_ns);
    for (uint32_t c = 0; c < column_count; c++) {
        uint32_t number = PART_COLUMNS + c;
        if (!part_block_has_column(b->part, number, b->block) ||
            (!any && !tells_structure(part_column_get(b->part, number).name)))
            continue;
        sk_code code = read_column(f, b, number, e);
        if (code != SK_OK)
            return code;
        part_column about = part_column_get(b->part, number);
        if (f->v->kind != VECTOR_ABSENT && !add_column(f, b, &about))
            return no_memory(e);
    }
    return SK_OK;
}

static void drop_rows_out_of_time(finder *f, uint32_t first)
{
    uint32_t kept = first;
    for (uint32_t i = first; i < f->row_count; i++)
        if (is_in_time(f, f->rows[i].row.time_ns))
            f->rows[kept++] = f->rows[i];
    f->row_count = kept;
}

static const value *field_of(const found_row *r, const char *name)
{
    for (uint32_t i = 0; i < r->field_count; i++)
        if (span_is(r->fields[i].name, name))
            return &r->fields[i].v;
    static const value none = {.is_set = false};
    return &none;
}

static uint32_t number_text(finder *f, value v, span otherwise)
{
    char scratch[VALUE_TEXT_MAX];
    span text = value_text(v, scratch);
    if (span_trim(text).len == 0)
        text = otherwise;
    if (!text.at)
        return 0;
    uint32_t code = intern_put(f->texts, text);
    return code == INTERN_NONE ? INTERN_NONE : code + 1;
}

/* The block's spans as the rules see them (docs/internals/structure.md). */
static bool note_spans(finder *f, const block_rows *b, family kind)
{
    for (uint32_t i = 0; i < b->count; i++) {
        found_row *r = &f->rows[b->first_found + i];
        char scratch[VALUE_TEXT_MAX];
        double ms;
        r->span = DERIVE_NONE;
        if (kind != FAMILY_TRACE || !r->row.span_id)
            continue;
        if (!add_item(f->scratch, &f->spans, &f->span_capacity, f->span_count, sizeof *f->spans) ||
            !add_item(f->scratch, &f->span_names, &f->name_capacity, f->span_count,
                      sizeof *f->span_names))
            return false;
        bool has_duration = value_number(*field_of(r, F_DURATION_MS), &ms);
        r->span = f->span_count;
        f->span_names[f->span_count] = *field_of(r, F_NAME);
        f->spans[f->span_count++] = (derive_span){
            .id = r->row.span_id,
            .parent_id = r->row.parent_id,
            .time_ns = r->row.time_ns,
            .duration_ns = has_duration ? derive_duration(ms) : -1,
            .service = number_text(f, *field_of(r, F_SERVICE_NAME), r->row.dataset),
            .instance = number_text(f, *field_of(r, F_SERVICE_INSTANCE), (span){0}),
            .place = r->span,
            .kind = (uint8_t)span_kind_parse(value_text(*field_of(r, F_SPAN_KIND), scratch)),
            .match = UINT8_MAX};
        if (f->spans[r->span].service == INTERN_NONE || f->spans[r->span].instance == INTERN_NONE)
            return false;
    }
    return true;
}

static sk_code read_block(finder *f, block_rows *b, err *e)
{
    part_info info;
    part_info_get(b->part, &info);
    b->first_found = f->row_count;
    b->first_row = b->at[0];
    b->row_count = b->at[b->count - 1] - b->first_row + 1u;
    for (uint32_t i = 0; i < b->count; i++)
        b->at[i] = (uint16_t)(b->at[i] - b->first_row);
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
    if (code == SK_OK && !note_spans(f, b, info.family))
        return no_memory(e);
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
        if (f->rows[i].is_out_of_order)
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

static int compare_roots(void *ctx, derive_relation r, const derive_span *a, const derive_span *b)
{
    const finder *f = ctx;
    (void)r;
    return structure__compare_values(f->span_names[a->place], f->span_names[b->place]);
}

static sk_code derive(finder *f, err *e)
{
    agg_budget budget = {.max_bytes = SCRATCH_BYTES, .account = f->account};
    derive_scratch scratch = {.budget = &budget};
    derive_rules rules = {.wants_self = true,
                          .wants_gap = true,
                          .wants_depth = true,
                          .relations = DERIVE_BIT(DERIVE_TOP),
                          .compare = compare_roots,
                          .ctx = f};
    f->results = ARENA_ARRAY(f->scratch, derive_result, f->span_count + 1);
    bool is_done =
        f->results && derive_trace(&rules, f->spans, f->span_count, &scratch, f->results);
    derive_scratch_done(&scratch);
    agg_budget_done(&budget);
    return is_done ? SK_OK : no_memory(e);
}

/* A span's derived fields, by name. */
static uint32_t list_derived(const finder *f, const found_row *r, trace_field *out)
{
    if (r->span == DERIVE_NONE)
        return 0;
    const derive_result *x = &f->results[r->span];
    uint32_t n = 0;
    if (x->depth != DERIVE_NONE)
        out[n++] = (trace_field){SPAN(F_DEPTH), {true, FIELD_INT, {.i = x->depth}}};
    if (x->gap_ns >= 0)
        out[n++] =
            (trace_field){SPAN(F_GAP_MS), {true, FIELD_FLOAT, {.f = (double)x->gap_ns / 1e6}}};
    if (x->chosen[DERIVE_TOP] != DERIVE_NONE && f->span_names[x->chosen[DERIVE_TOP]].is_set)
        out[n++] = (trace_field){SPAN(F_ROOT_NAME), f->span_names[x->chosen[DERIVE_TOP]]};
    if (x->self_ns >= 0)
        out[n++] =
            (trace_field){SPAN(F_SELF_MS), {true, FIELD_FLOAT, {.f = (double)x->self_ns / 1e6}}};
    return n;
}

/* The row's fields and its derived ones, which hide a sender's own of their names. */
static bool show_row(finder *f, uint32_t index, trace_row *ret)
{
    const found_row *r = &f->rows[index];
    trace_field derived[DERIVED_COUNT];
    uint32_t derived_count = list_derived(f, r, derived), next = 0, count = 0;
    span *names = ARENA_ARRAY(f->mem, span, r->field_count + derived_count + 1);
    value *values = ARENA_ARRAY(f->mem, value, r->field_count + derived_count + 1);
    if (!names || !values)
        return false;
    for (uint32_t i = 0; i <= r->field_count; i++) {
        plan_derived hidden;
        for (; next < derived_count &&
               (i == r->field_count || span_compare(derived[next].name, r->fields[i].name) <= 0);
             next++) {
            names[count] = derived[next].name;
            values[count++] = derived[next].v;
        }
        if (i == r->field_count || plan_derived_parse(r->fields[i].name, &hidden))
            continue;
        names[count] = r->fields[i].name;
        values[count++] = r->fields[i].v;
    }
    *ret = r->row;
    ret->field_count = count;
    ret->names = names;
    ret->values = values;
    ret->node = index;
    return true;
}

static sk_code show_trace(finder *f, trace_id id, trace_result *ret, err *e)
{
    sk_code code = derive(f, e);
    if (code != SK_OK)
        return code;
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
    finder f = {.mem = mem,
                .account = ((local *)e)->o.store.memory,
                .start_ns = start_ns,
                .end_ns = end_ns,
                .scratch =
                    arena_new_accounted(SCRATCH_BYTES, ((local *)e)->o.store.memory, MEMORY_QUERY)};
    f.v = base_alloc(sizeof *f.v);
    f.texts = intern_new(TEXTS_BYTES);
    snapshot *s = NULL;
    sk_code code = f.scratch && f.v && f.texts
                       ? SK_OK
                       : err_set(er, SK_NO_MEMORY, "memory ran out while a trace was read");
    if (code == SK_OK)
        code = store_snapshot(((local *)e)->store, environment, (1u << FAMILY_COUNT) - 1, INT64_MIN,
                              INT64_MAX, &s, er);
    if (code == SK_OK)
        code = find_and_show(&f, s, id, ret, er);
    part_reader_free(f.reader);
    snapshot_release(s);
    base_free(f.v);
    intern_free(f.texts);
    arena_free(f.scratch);
    return code;
}
