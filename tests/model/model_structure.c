/*
 * tests/model/model_structure.c: a trace by id and the list of fields (docs/internals/trace-and-fields.md).
 */
#include <stdlib.h>

#include "base/must.h"
#include "event/fields.h"
#include "model_private.h"

/* ---- trace by id ---- */

static int compare_field_names(const void *left, const void *right)
{
    const model_field *a = left, *b = right;
    return span_compare(a->name, b->name);
}

static int compare_u64(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int compare_values(value a, value b)
{
    char x[VALUE_TEXT_MAX], y[VALUE_TEXT_MAX];
    int diff = (int)a.type - (int)b.type;
    if (!diff)
        diff = a.type == FIELD_HISTOGRAM ? span_compare(a.text, b.text)
                                         : span_compare(value_text(a, x), value_text(b, y));
    return diff;
}

static int compare_trace_rows(const void *left, const void *right)
{
    const model_row *a = *(const model_row *const *)left, *b = *(const model_row *const *)right;
    if (a->time_ns != b->time_ns)
        return a->time_ns < b->time_ns ? -1 : 1;
    int diff = (a->span_id == 0) - (b->span_id == 0);
    if (!diff)
        diff = compare_u64(a->span_id, b->span_id);
    if (!diff)
        diff = compare_u64(a->parent_id, b->parent_id);
    if (!diff)
        diff = span_compare(a->dataset, b->dataset);
    for (uint32_t i = 0; !diff && i < a->field_count && i < b->field_count; i++) {
        diff = span_compare(a->fields[i].name, b->fields[i].name);
        if (!diff)
            diff = compare_values(a->fields[i].v, b->fields[i].v);
    }
    if (!diff)
        diff = compare_u64(a->field_count, b->field_count);
    return diff ? diff : compare_u64(a->rate, b->rate);
}

static bool has_error(const model_row *r)
{
    char scratch[VALUE_TEXT_MAX];
    double status;
    value v = model_get_text(r, F_ERROR);
    span text = value_text(v, scratch);
    if (v.is_set && text.len && !span_is(text, "false") && !span_is(text, "0"))
        return true;
    return value_number(model_get_text(r, F_STATUS_CODE), &status) && status == 2;
}

static tree_span to_tree(const model_row *r)
{
    char scratch[VALUE_TEXT_MAX];
    double d = 0;
    value ms = model_get_text(r, F_DURATION_MS);
    if (!value_number(ms, &d) || d < 0)
        d = 0;
    double ns = d * 1e6 + 0.5;
    return (tree_span){.span_id = r->span_id,
                       .parent_id = r->parent_id,
                       .start_ns = r->time_ns,
                       .duration_ns = ns < 0x1p62 ? (int64_t)ns : (int64_t)1 << 62,
                       .kind = span_kind_parse(value_text(model_get_text(r, F_SPAN_KIND), scratch)),
                       .is_error = has_error(r)};
}

/* Derived fields among the others, in order of name; they hide a sender's own. */
static trace_row show_row(const model_trace_view *view, const model_row *r, uint32_t index,
                          arena *mem)
{
    model_field *all = MODEL_ARRAY(mem, model_field, r->field_count + DERIVED_COUNT);
    span *names = MODEL_ARRAY(mem, span, r->field_count + DERIVED_COUNT);
    value *values = MODEL_ARRAY(mem, value, r->field_count + DERIVED_COUNT);
    uint32_t count = 0;
    plan_derived ignored;
    for (uint32_t i = 0; i < r->field_count; i++)
        if (!plan_derived_parse(r->fields[i].name, &ignored))
            all[count++] = r->fields[i];
    for (int d = DERIVED_NOT + 1; d < DERIVED_COUNT; d++) {
        value v = model_derived(view, r, (plan_derived)d, mem);
        if (v.is_set)
            all[count++] = (model_field){span_text(plan_derived_name((plan_derived)d)), v};
    }
    if (count)
        qsort(all, count, sizeof *all, compare_field_names);
    for (uint32_t i = 0; i < count; i++) {
        names[i] = all[i].name;
        values[i] = all[i].v;
    }
    return (trace_row){.time_ns = r->time_ns,
                       .rate = r->rate,
                       .dataset = r->dataset,
                       .span_id = r->span_id,
                       .parent_id = r->parent_id,
                       .field_count = count,
                       .names = names,
                       .values = values,
                       .node = index};
}

sk_code model_trace(engine *e, uint32_t environment, trace_id id, int64_t start_ns, int64_t end_ns,
                    arena *mem, trace_result *ret, err *er)
{
    model *m = (model *)e;
    lock_take(&m->lock);
    const model_row **rows = MODEL_ARRAY(mem, const model_row *, m->row_count);
    uint32_t count = 0, kept = 0;
    for (uint32_t i = 0; i < m->row_count; i++) {
        model_row *r = &m->rows[i];
        if (!model_sees(r, environment) || !trace_id_equal(r->trace, id) ||
            (start_ns && r->time_ns < start_ns) || (end_ns && r->time_ns >= end_ns))
            continue;
        qsort(r->fields, r->field_count, sizeof *r->fields, compare_field_names);
        rows[count++] = r;
    }
    const model_trace_view *view = model_view_trace(m, environment, id, mem);
    lock_drop(&m->lock);
    if (count == 0)
        return err_set(er, SK_NOT_FOUND, "no row has this trace id");
    qsort(rows, count, sizeof *rows, compare_trace_rows);
    trace_row *shown = MODEL_ARRAY(mem, trace_row, count);
    tree_span *spans = MODEL_ARRAY(mem, tree_span, count);
    for (uint32_t i = 0; i < count; i++) {
        if (i && rows[i]->span_id && compare_trace_rows(&rows[i - 1], &rows[i]) == 0)
            continue;
        spans[kept] = to_tree(rows[i]);
        shown[kept] = show_row(view, rows[i], kept, mem);
        kept++;
    }
    *ret = (trace_result){.id = id, .row_count = kept, .rows = shown, .folded_rows = count - kept};
    return tree_build(spans, kept, mem, &ret->tree, er);
}

/* ---- fields ---- */

typedef struct seen_value {
    span text;
    bool has[FIELD_TYPE_COUNT];
    value values[FIELD_TYPE_COUNT];
    uint64_t count;
} seen_value;

typedef struct seen_field {
    field_info info;
    bool is_id;
    seen_value *values;
    uint32_t value_count, value_capacity;
} seen_field;

typedef struct seen_dataset {
    span name;
    uint64_t rows;
    bool has_metrics, has_others; /* whenever */
} seen_dataset;

typedef struct field_work {
    arena *mem;
    seen_field *fields;
    uint32_t field_count, field_capacity;
} field_work;

static void grow(arena *mem, void *array, uint32_t *capacity, size_t item)
{
    void *old, *fresh;
    uint32_t wanted = *capacity ? *capacity * 2 : 16;
    memcpy(&old, array, sizeof old);
    fresh = model_alloc(mem, wanted, item);
    if (*capacity)
        memcpy(fresh, old, *capacity * item);
    memcpy(array, &fresh, sizeof fresh);
    *capacity = wanted;
}

static void note_value(field_work *w, seen_field *f, value v, uint32_t rate)
{
    char scratch[VALUE_TEXT_MAX];
    span text = value_text(v, scratch);
    uint32_t i = 0;
    while (i < f->value_count && !span_equal(f->values[i].text, text))
        i++;
    if (i == f->value_count) {
        if (f->value_count == f->value_capacity)
            grow(w->mem, &f->values, &f->value_capacity, sizeof *f->values);
        f->values[f->value_count] = (seen_value){.text = SPAN("")};
        if (text.len)
            must(arena_copy(w->mem, text, &f->values[f->value_count].text));
        f->value_count++;
    }
    f->values[i].has[v.type] = true;
    f->values[i].values[v.type] = v;
    f->values[i].count += rate;
}

static void note_field(field_work *w, span name, value v, uint32_t rate, const fields_query *q,
                       bool is_id)
{
    uint32_t i = 0;
    if (!span_starts_with(name, q->prefix))
        return;
    while (i < w->field_count && !span_equal(w->fields[i].info.name, name))
        i++;
    if (i == w->field_count) {
        if (w->field_count == w->field_capacity)
            grow(w->mem, &w->fields, &w->field_capacity, sizeof *w->fields);
        w->fields[w->field_count++] = (seen_field){.info = {.name = name}, .is_id = is_id};
    }
    seen_field *f = &w->fields[i];
    f->info.types |= 1u << v.type;
    f->info.count += rate;
    if (!is_id && v.type != FIELD_HISTOGRAM && q->top_max)
        note_value(w, f, v, rate);
}

static bool is_id_name(span name)
{
    return span_is(name, F_TRACE_ID) || span_is(name, F_SPAN_ID) || span_is(name, F_PARENT_ID);
}

static void note_row(field_work *w, const model_row *r, const fields_query *q)
{
    for (size_t i = 0; i < COUNT_OF(r->ids); i++)
        if (r->ids[i].v.is_set)
            note_field(w, r->ids[i].name, r->ids[i].v, r->rate, q, true);
    for (uint32_t i = 0; i < r->field_count; i++) {
        span name = r->fields[i].name;
        plan_derived derived;
        bool is_hidden = plan_derived_parse(name, &derived); /* or the row has the id itself */
        for (size_t k = 0; k < COUNT_OF(r->ids); k++)
            is_hidden |= r->ids[k].v.is_set && span_equal(r->ids[k].name, name);
        if (!is_hidden)
            note_field(w, name, r->fields[i].v, r->rate, q, is_id_name(name));
    }
    for (int d = DERIVED_NOT + 1; d < DERIVED_COUNT; d++) {
        value v = {.is_set = true, .type = FIELD_FLOAT};
        if (d == DERIVED_DEPTH)
            v.type = FIELD_INT;
        else if (d == DERIVED_ROOT_NAME)
            v = (value){.is_set = true, .type = FIELD_STRING, .text = SPAN("")};
        if (r->family == FAMILY_TRACE && trace_id_is_set(r->trace) && r->span_id)
            note_field(w, span_text(plan_derived_name((plan_derived)d)), v, r->rate, q, true);
    }
}

static int compare_tops(const void *left, const void *right)
{
    const seen_value *a = left, *b = right;
    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    return span_compare(a->text, b->text);
}

static int compare_fields(const void *left, const void *right)
{
    const seen_field *a = left, *b = right;
    return span_compare(a->info.name, b->info.name);
}

static int compare_datasets(const void *left, const void *right)
{
    const seen_dataset *a = left, *b = right;
    return span_compare(a->name, b->name);
}

static field_info show_field(const field_work *w, seen_field *f, uint32_t top_max)
{
    static const field_type order[] = {FIELD_INT, FIELD_FLOAT, FIELD_BOOL, FIELD_STRING};
    field_info info = f->info;
    if (f->value_count)
        qsort(f->values, f->value_count, sizeof *f->values, compare_tops);
    info.top_count = f->value_count < top_max ? f->value_count : top_max;
    field_top *top = MODEL_ARRAY(w->mem, field_top, info.top_count);
    for (uint32_t i = 0; i < info.top_count; i++) {
        top[i].count = f->values[i].count;
        for (size_t k = COUNT_OF(order); k-- > 0;)
            if (f->values[i].has[order[k]])
                top[i].value = f->values[i].values[order[k]];
    }
    info.top = top;
    return info;
}

static void show_fields(field_work *w, const fields_query *q, fields_result *ret)
{
    if (w->field_count)
        qsort(w->fields, w->field_count, sizeof *w->fields, compare_fields);
    ret->count = q->limit && q->limit < w->field_count ? q->limit : w->field_count;
    field_info *fields = MODEL_ARRAY(w->mem, field_info, ret->count);
    for (uint32_t i = 0; i < ret->count; i++)
        fields[i] = show_field(w, &w->fields[i], q->top_max);
    ret->fields = fields;
}

static uint32_t list_datasets(const model *m, uint32_t environment, const fields_query *q,
                              arena *mem, seen_dataset **ret)
{
    seen_dataset *all = NULL;
    uint32_t count = 0, capacity = 0;
    for (uint32_t i = 0; i < m->row_count; i++) {
        const model_row *r = &m->rows[i];
        uint32_t k = 0;
        if (!model_sees(r, environment))
            continue;
        while (k < count && !span_equal(all[k].name, r->dataset))
            k++;
        if (k == count) {
            if (count == capacity)
                grow(mem, &all, &capacity, sizeof *all);
            all[count++] = (seen_dataset){.name = r->dataset};
        }
        all[k].has_metrics |= r->family == FAMILY_METRIC;
        all[k].has_others |= r->family != FAMILY_METRIC;
        if (r->time_ns >= q->start_ns && r->time_ns < q->end_ns)
            all[k].rows += r->rate;
    }
    if (count)
        qsort(all, count, sizeof *all, compare_datasets);
    *ret = all;
    return count;
}

static void show_datasets(const seen_dataset *all, uint32_t count, arena *mem, fields_result *ret)
{
    span *names = MODEL_ARRAY(mem, span, count);
    uint64_t *rows = MODEL_ARRAY(mem, uint64_t, count);
    for (uint32_t i = 0; i < count; i++) {
        if (!all[i].rows)
            continue;
        names[ret->dataset_count] = all[i].name;
        rows[ret->dataset_count++] = all[i].rows;
    }
    ret->datasets = names;
    ret->dataset_rows = rows;
}

sk_code model_fields(engine *e, uint32_t environment, const fields_query *q, arena *mem,
                     fields_result *ret, err *er)
{
    model *m = (model *)e;
    seen_dataset *datasets;
    field_work w = {.mem = mem};
    *ret = (fields_result){0};
    lock_take(&m->lock);
    uint32_t dataset_count = list_datasets(m, environment, q, mem, &datasets);
    show_datasets(datasets, dataset_count, mem, ret);
    bool is_metrics = false;
    for (uint32_t i = 0; i < dataset_count; i++)
        is_metrics |=
            q->dataset.at && span_equal(datasets[i].name, q->dataset) && !datasets[i].has_others;
    for (uint32_t i = 0; i < m->row_count; i++) {
        const model_row *r = &m->rows[i];
        if (model_sees(r, environment) && r->time_ns >= q->start_ns && r->time_ns < q->end_ns &&
            (r->family == FAMILY_METRIC) == is_metrics &&
            (!q->dataset.at || span_equal(r->dataset, q->dataset)))
            note_row(&w, r, q);
    }
    lock_drop(&m->lock);
    show_fields(&w, q, ret);
    return SK_OK;
}
