/*
 * tests/model/model_spans.c: what a row's trace says of it (docs/internals/structure.md): derived fields and fields of other rows of the
 * trace. Word by word: every list is made anew, every pair is looked at.
 */
#include <stdlib.h>

#include "base/must.h"
#include "event/fields.h"
#include "event/tree.h"
#include "model_private.h"

#define NS_MAX ((int64_t)1 << 62)

typedef struct row_list {
    const model_row **at;
    uint32_t count;
} row_list;

/* The rows of one trace and, of each, its parents. */
struct model_trace_view {
    row_list rows;
    row_list *parents; /* of each row; spans only */
    int64_t *depths;   /* -1: none */
};

static bool is_span(const model_row *r)
{
    return r->family == FAMILY_TRACE && trace_id_is_set(r->trace) && r->span_id;
}

static span_kind kind_of(const model_row *r)
{
    char scratch[VALUE_TEXT_MAX];
    return span_kind_parse(value_text(model_get_text(r, F_SPAN_KIND), scratch));
}

static bool duration_of(const model_row *r, int64_t *ret)
{
    double ms;
    *ret = 0;
    if (!value_number(model_get_text(r, F_DURATION_MS), &ms))
        return false;
    double ns = (ms < 0 ? 0 : ms) * 1e6 + 0.5;
    *ret = ns < 0x1p62 ? (int64_t)ns : NS_MAX;
    return true;
}

static int64_t end_of(const model_row *r)
{
    int64_t duration, end;
    duration_of(r, &duration);
    return __builtin_add_overflow(r->time_ns, duration, &end) ? INT64_MAX : end;
}

static bool is_own_parent(const model_row *r)
{
    return r->parent_id == r->span_id;
}

/* ---- parents ---- */

static row_list spans_with(const row_list *rows, uint64_t id, int kind, arena *mem)
{
    row_list found = {MODEL_ARRAY(mem, const model_row *, rows->count), 0};
    for (uint32_t i = 0; i < rows->count; i++)
        if (is_span(rows->at[i]) && rows->at[i]->span_id == id &&
            (kind < 0 || (int)kind_of(rows->at[i]) == kind))
            found.at[found.count++] = rows->at[i];
    return found;
}

static row_list parents_of(const row_list *rows, const model_row *r, arena *mem)
{
    row_list found = {NULL, 0};
    if (!is_span(r))
        return found;
    if (kind_of(r) == KIND_SERVER) {
        found = spans_with(rows, r->span_id, KIND_CLIENT, mem);
        if (found.count)
            return found;
    }
    if (!r->parent_id || is_own_parent(r))
        return found;
    found = spans_with(rows, r->parent_id, KIND_SERVER, mem);
    return found.count ? found : spans_with(rows, r->parent_id, -1, mem);
}

static uint32_t place_of(const model_trace_view *t, const model_row *r)
{
    uint32_t i = 0;
    while (t->rows.at[i] != r)
        i++;
    return i;
}

static bool has(const row_list *l, const model_row *r)
{
    for (uint32_t i = 0; i < l->count; i++)
        if (l->at[i] == r)
            return true;
    return false;
}

static void find_depths(model_trace_view *t)
{
    for (uint32_t i = 0; i < t->rows.count; i++)
        t->depths[i] = is_span(t->rows.at[i]) && t->parents[i].count == 0 ? 0 : -1;
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = 0; i < t->rows.count; i++)
            for (uint32_t k = 0; k < t->parents[i].count; k++) {
                int64_t up = t->depths[place_of(t, t->parents[i].at[k])];
                if (up < 0 || (t->depths[i] >= 0 && t->depths[i] <= up + 1))
                    continue;
                t->depths[i] = up + 1;
                changed = true;
            }
    }
}

static bool is_of_trace(const model_row *r, uint32_t environment, trace_id id)
{
    return model_sees(r, environment) && r->family != FAMILY_METRIC && trace_id_is_set(r->trace) &&
           trace_id_equal(r->trace, id);
}

model_trace_view *model_view_trace(const model *m, uint32_t environment, trace_id id, arena *mem)
{
    model_trace_view *t = MODEL_ARRAY(mem, model_trace_view, 1);
    uint32_t count = 0;
    for (uint32_t i = 0; i < m->row_count; i++)
        count += is_of_trace(&m->rows[i], environment, id);
    t->rows.at = MODEL_ARRAY(mem, const model_row *, count);
    for (uint32_t i = 0; i < m->row_count; i++)
        if (is_of_trace(&m->rows[i], environment, id))
            t->rows.at[t->rows.count++] = &m->rows[i];
    t->parents = MODEL_ARRAY(mem, row_list, t->rows.count);
    t->depths = MODEL_ARRAY(mem, int64_t, t->rows.count);
    for (uint32_t i = 0; i < t->rows.count; i++)
        t->parents[i] = parents_of(&t->rows, t->rows.at[i], mem);
    find_depths(t);
    return t;
}

static row_list children_of(const model_trace_view *t, const model_row *r, arena *mem)
{
    row_list found = {MODEL_ARRAY(mem, const model_row *, t->rows.count), 0};
    for (uint32_t i = 0; i < t->rows.count; i++)
        if (has(&t->parents[i], r))
            found.at[found.count++] = t->rows.at[i];
    return found;
}

/* Those of the spans without a parent that begin first. */
static row_list roots_of(const model_trace_view *t, arena *mem)
{
    row_list found = {MODEL_ARRAY(mem, const model_row *, t->rows.count), 0};
    int64_t first = INT64_MAX;
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < t->rows.count; i++) {
            const model_row *r = t->rows.at[i];
            if (!is_span(r) || t->parents[i].count || (r->parent_id && !is_own_parent(r)))
                continue;
            if (pass == 0 && r->time_ns < first)
                first = r->time_ns;
            if (pass == 1 && r->time_ns == first)
                found.at[found.count++] = r;
        }
    return found;
}

/* ---- derived fields ---- */

static value number(double ms)
{
    return (value){.is_set = true, .type = FIELD_FLOAT, .f = ms};
}

static int compare_starts(const void *left, const void *right)
{
    const model_row *a = *(const model_row *const *)left, *b = *(const model_row *const *)right;
    return (a->time_ns > b->time_ns) - (a->time_ns < b->time_ns);
}

static value self_ms(const model_trace_view *t, const model_row *r, arena *mem)
{
    int64_t duration, end = end_of(r), until = r->time_ns, free_ns = 0;
    if (!duration_of(r, &duration))
        return (value){.is_set = false};
    row_list children = children_of(t, r, mem);
    if (children.count)
        qsort(children.at, children.count, sizeof *children.at, compare_starts);
    for (uint32_t i = 0; i < children.count; i++) {
        const model_row *c = children.at[i];
        int64_t from = c->time_ns < end ? c->time_ns : end;
        if (kind_of(c) == KIND_CONSUMER)
            continue;
        if (from > until)
            free_ns += from - until;
        if (end_of(c) > until)
            until = end_of(c);
    }
    if (until < end)
        free_ns += end - until;
    return number((double)free_ns / 1e6);
}

static span text_or(const model_row *r, const char *name, span other, arena *mem)
{
    span text = model_text(r, name, mem);
    return text.at && span_trim(text).len ? text : other;
}

static bool is_same_resource(const model_row *a, const model_row *b, arena *mem)
{
    span none = SPAN("");
    return span_equal(text_or(a, F_SERVICE_NAME, a->dataset, mem),
                      text_or(b, F_SERVICE_NAME, b->dataset, mem)) &&
           span_equal(text_or(a, F_SERVICE_INSTANCE, none, mem),
                      text_or(b, F_SERVICE_INSTANCE, none, mem));
}

static value gap_ms(const model_trace_view *t, const model_row *r, arena *mem)
{
    const row_list *parents = &t->parents[place_of(t, r)];
    const model_row *caller = NULL;
    int64_t own, longest = 0, theirs;
    if (!duration_of(r, &own))
        return (value){.is_set = false};
    for (uint32_t i = 0; i < parents->count; i++) {
        const model_row *p = parents->at[i];
        if (!duration_of(p, &theirs) || is_same_resource(p, r, mem))
            continue;
        if (caller &&
            (p->time_ns > caller->time_ns || (p->time_ns == caller->time_ns && theirs <= longest)))
            continue;
        caller = p;
        longest = theirs;
    }
    if (!caller || longest < own)
        return (value){.is_set = false};
    return number((double)(longest - own) / 1e6);
}

/* ---- which of several ---- */

static int compare_values(value a, value b)
{
    char x[VALUE_TEXT_MAX], y[VALUE_TEXT_MAX];
    if (!a.is_set || !b.is_set)
        return (int)a.is_set - (int)b.is_set;
    int diff = a.type == FIELD_HISTOGRAM && b.type == FIELD_HISTOGRAM
                   ? span_compare(a.text, b.text)
                   : span_compare(value_text(a, x), value_text(b, y));
    return diff ? diff : (int)a.type - (int)b.type;
}

static value own_value(const model_row *r, const plan_field *f)
{
    value v = {.is_set = false};
    for (uint32_t i = 0; i < f->candidate_count && !v.is_set; i++)
        v = model_get(r, f->candidates[i]);
    return v;
}

static bool is_shown(const plan *p, uint32_t field)
{
    bool is = false;
    for (uint32_t i = 0; i < p->breakdown_count; i++)
        is |= p->breakdowns[i] == field;
    for (uint32_t i = 0; i < p->calc_count; i++)
        is |= p->calcs[i].field == field;
    return is;
}

/* Of those that begin at the same time the one with the least values of the fields that are grouped by or calculated with. */
static bool comes_first(const plan *p, plan_relation relation, const model_row *a,
                        const model_row *b)
{
    if (a->time_ns != b->time_ns)
        return a->time_ns < b->time_ns;
    int diff = 0;
    for (uint32_t i = 0; i < p->field_count && !diff; i++)
        if (p->fields[i].relation == relation && is_shown(p, i))
            diff = compare_values(own_value(a, &p->fields[i]), own_value(b, &p->fields[i]));
    return diff < 0;
}

static bool holds_all(const plan *p, plan_relation relation, const model_row *r)
{
    for (uint32_t i = 0; i < p->related_count; i++) {
        const plan_field *f = &p->fields[p->related[i].field];
        if (f->relation == relation && !model_matches(&p->related[i], own_value(r, f)))
            return false;
    }
    return true;
}

static row_list related_rows(const model_trace_view *t, const model_row *r, plan_relation relation,
                             arena *mem)
{
    if (relation >= RELATION_ANY)
        return t->rows;
    if (!is_span(r))
        return (row_list){NULL, 0};
    return relation == RELATION_ROOT     ? roots_of(t, mem)
           : relation == RELATION_PARENT ? t->parents[place_of(t, r)]
                                         : children_of(t, r, mem);
}

/* The row that is meant: of those for which all its filters hold the first. */
static const model_row *related_row(const plan *p, const model_trace_view *t, const model_row *r,
                                    plan_relation relation, arena *mem)
{
    row_list rows = related_rows(t, r, relation, mem);
    const model_row *best = NULL;
    for (uint32_t i = 0; i < rows.count; i++)
        if (holds_all(p, relation, rows.at[i]) &&
            (!best || comes_first(p, relation, rows.at[i], best)))
            best = rows.at[i];
    return best;
}

static value root_name(const model_trace_view *t, arena *mem)
{
    row_list roots = roots_of(t, mem);
    value least = {.is_set = false};
    for (uint32_t i = 0; i < roots.count; i++) {
        value v = model_get_text(roots.at[i], F_NAME);
        if (i == 0 || compare_values(v, least) < 0)
            least = v;
    }
    return least;
}

value model_derived(const model_trace_view *t, const model_row *r, plan_derived d, arena *mem)
{
    value none = {.is_set = false};
    if (!t || !is_span(r))
        return none;
    switch (d) {
    case DERIVED_SELF_MS: return self_ms(t, r, mem);
    case DERIVED_GAP_MS: return gap_ms(t, r, mem);
    case DERIVED_DEPTH:
        if (t->depths[place_of(t, r)] < 0)
            return none;
        return (value){.is_set = true, .type = FIELD_INT, .i = t->depths[place_of(t, r)]};
    case DERIVED_ROOT_NAME: return root_name(t, mem);
    case DERIVED_NOT:
    case DERIVED_COUNT: break;
    }
    never();
}

value model_field_value(const plan *p, const model_trace_view *t, const model_row *r,
                        const plan_field *f, arena *mem)
{
    value none = {.is_set = false};
    if (f->derived)
        return model_derived(t, r, f->derived, mem);
    if (f->relation == RELATION_SELF)
        return own_value(r, f);
    if (f->relation > RELATION_CHILD || !t)
        return none;
    const model_row *other = related_row(p, t, r, f->relation, mem);
    return other ? own_value(other, f) : none;
}

bool model_passes_related(const plan *p, const model_trace_view *t, const model_row *r, arena *mem)
{
    for (uint32_t i = 0; i < p->related_count; i++) {
        plan_relation relation = p->fields[p->related[i].field].relation;
        bool is_there = t && related_row(p, t, r, relation, mem);
        if (is_there == (relation == RELATION_NONE))
            return false;
    }
    return true;
}
