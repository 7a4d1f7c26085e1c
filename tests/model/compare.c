/*
 * tests/model/compare.c: see compare.h.
 */
#include "compare.h"

#include <math.h>
#include <stdio.h>

#define SAY(...) ((const char *)arena_print(mem, __VA_ARGS__).at)

/* ---- values ---- */

static const char *show(const result_value *v, arena *mem)
{
    switch (v->kind) {
    case RESULT_NULL: return "null";
    case RESULT_INT: return SAY("%lld", (long long)v->i);
    case RESULT_NUMBER: return SAY("%.17g", v->f);
    case RESULT_TEXT: return SAY("\"%.*s\"", SPAN_FMT(v->text));
    case RESULT_BOOL: return v->b ? "true" : "false";
    case RESULT_HEATMAP: return SAY("%u cells", v->heatmap.count);
    }
    return "?";
}

static bool same_heatmap(const result_value *a, const result_value *b)
{
    if (a->heatmap.count != b->heatmap.count)
        return false;
    for (uint32_t i = 0; i < a->heatmap.count; i++)
        if (a->heatmap.cells[i].low != b->heatmap.cells[i].low ||
            a->heatmap.cells[i].high != b->heatmap.cells[i].high ||
            a->heatmap.cells[i].count != b->heatmap.cells[i].count)
            return false;
    return true;
}

static bool same_bits(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

static bool same_value(const result_value *want, const result_value *got, double scale)
{
    if (want->kind != got->kind)
        return false;
    switch (want->kind) {
    case RESULT_NULL: return true;
    case RESULT_INT: return want->i == got->i;
    case RESULT_NUMBER:
        return same_bits(want->f, got->f) || (scale > 0 && fabs(want->f - got->f) <= 1e-12 * scale);
    case RESULT_TEXT: return span_equal(want->text, got->text);
    case RESULT_BOOL: return want->b == got->b;
    case RESULT_HEATMAP: return same_heatmap(want, got);
    }
    return false;
}

static const char *compare_calcs(const plan *p, const char *where, const result_value *want,
                                 const result_value *got, arena *mem)
{
    for (uint32_t c = 0; c < p->calc_count; c++)
        if (!same_value(&want[c], &got[c], MODEL_SCALES(p, want)[c].f))
            return SAY("%s: %.*s is %s, not %s", where, SPAN_FMT(p->calcs[c].result_key),
                       show(&got[c], mem), show(&want[c], mem));
    return NULL;
}

static bool same_keys(const plan *p, const result_row *want, const result_row *got)
{
    for (uint32_t k = 0; k < p->breakdown_count; k++)
        if (!same_value(&want->keys[k], &got->keys[k], 0))
            return false;
    return want->time_ns == got->time_ns;
}

static const char *show_keys(const plan *p, const result_row *r, arena *mem)
{
    const char *text = "";
    for (uint32_t k = 0; k < p->breakdown_count; k++)
        text = SAY("%s%s%s", text, k ? ", " : "", show(&r->keys[k], mem));
    return SAY("(%s) at %lld", text, (long long)r->time_ns);
}

/* ---- rows of a result ---- */

static bool is_inexact(const result_value *v, double scale)
{
    return v->kind == RESULT_NUMBER && scale > 0;
}

/* Does the order of groups or HAVING hang on sums of floats? */
static bool decides_by_float_sums(const plan *p, const result *want)
{
    for (uint32_t i = 0; i < want->row_count; i++) {
        const result_value *calcs = want->rows[i].calcs, *scales = MODEL_SCALES(p, calcs);
        if (p->order_count == 0 && is_inexact(&calcs[0], scales[0].f))
            return true;
        for (uint32_t o = 0; o < p->order_count; o++)
            if (p->orders[o].is_calc &&
                is_inexact(&calcs[p->orders[o].index], scales[p->orders[o].index].f))
                return true;
        for (uint32_t h = 0; h < p->having_count; h++)
            if (is_inexact(&calcs[p->havings[h].calc], scales[p->havings[h].calc].f))
                return true;
    }
    return false;
}

static const char *compare_rows(const plan *p, const char *what, const result_row *want,
                                uint32_t want_count, const result_row *got, uint32_t got_count,
                                arena *mem)
{
    for (uint32_t i = 0; i < want_count && i < got_count; i++) {
        if (!same_keys(p, &want[i], &got[i]))
            return SAY("%s %u is %s, not %s", what, i, show_keys(p, &got[i], mem),
                       show_keys(p, &want[i], mem));
        const char *where = SAY("%s %u %s", what, i, show_keys(p, &want[i], mem));
        const char *diff = compare_calcs(p, where, want[i].calcs, got[i].calcs, mem);
        if (diff)
            return diff;
    }
    return want_count == got_count ? NULL : SAY("%u %ss, not %u", got_count, what, want_count);
}

static const char *compare_shared_rows(const plan *p, const result *want, const result *got,
                                       arena *mem)
{
    uint32_t shared = 0;
    for (uint32_t i = 0; i < want->row_count; i++) {
        for (uint32_t k = 0; k < got->row_count; k++) {
            if (!same_keys(p, &want->rows[i], &got->rows[k]))
                continue;
            const char *diff =
                compare_calcs(p, "row", want->rows[i].calcs, got->rows[k].calcs, mem);
            if (diff)
                return diff;
            shared++;
        }
    }
    return shared + 2 >= want->row_count
               ? NULL
               : SAY("only %u of %u groups are the same", shared, want->row_count);
}

const char *compare_results(const plan *p, const result *want, const result *got,
                            bool *ret_is_loose, arena *mem)
{
    if (!got->has_total)
        return "there is no total";
    const char *diff = compare_calcs(p, "total", want->total, got->total, mem);
    if (diff)
        return diff;
    diff = compare_rows(p, "row", want->rows, want->row_count, got->rows, got->row_count, mem);
    if (!diff && want->group_count != got->group_count)
        diff = SAY("group_count is %u, not %u", got->group_count, want->group_count);
    if (!diff && want->has_other != got->has_other)
        diff = SAY("has_other is %d", got->has_other);
    if (!diff && want->has_other)
        diff = compare_calcs(p, "other", want->other, got->other, mem);
    if (!diff)
        diff = compare_rows(p, "point", want->series, want->series_count, got->series,
                            got->series_count, mem);
    if (diff && decides_by_float_sums(p, want)) {
        *ret_is_loose = true;
        return compare_shared_rows(p, want, got, mem);
    }
    return diff;
}

/* ---- traces ---- */

static bool same_field(value a, value b)
{
    if (a.is_set != b.is_set || a.type != b.type)
        return false;
    switch (a.type) {
    case FIELD_STRING:
    case FIELD_HISTOGRAM: return span_equal(a.text, b.text);
    case FIELD_INT: return a.i == b.i;
    case FIELD_FLOAT: return same_bits(a.f, b.f);
    case FIELD_BOOL: return a.b == b.b;
    case FIELD_TYPE_COUNT: break;
    }
    return false;
}

static const char *compare_trace_row(uint32_t i, const trace_row *want, const trace_row *got,
                                     arena *mem)
{
    if (want->time_ns != got->time_ns || want->rate != got->rate ||
        !span_equal(want->dataset, got->dataset) || want->span_id != got->span_id ||
        want->parent_id != got->parent_id || want->node != got->node)
        return SAY("row %u: span %llx at %lld, not %llx at %lld", i,
                   (unsigned long long)got->span_id, (long long)got->time_ns,
                   (unsigned long long)want->span_id, (long long)want->time_ns);
    for (uint32_t f = 0; f < want->field_count && f < got->field_count; f++) {
        if (!span_equal(want->names[f], got->names[f]))
            return SAY("row %u: field %.*s, not %.*s", i, SPAN_FMT(got->names[f]),
                       SPAN_FMT(want->names[f]));
        if (!same_field(want->values[f], got->values[f]))
            return SAY("row %u: the value of %.*s differs", i, SPAN_FMT(want->names[f]));
    }
    return want->field_count == got->field_count
               ? NULL
               : SAY("row %u: %u fields, not %u", i, got->field_count, want->field_count);
}

static const char *compare_trees(const tree *want, const tree *got, arena *mem)
{
    if (want->count != got->count || want->order_count != got->order_count ||
        want->root_count != got->root_count || want->missing_count != got->missing_count)
        return "the tree's counts differ";
    for (uint32_t i = 0; i < want->count; i++)
        if (memcmp(&want->nodes[i], &got->nodes[i], offsetof(tree_node, is_critical)) != 0 ||
            want->nodes[i].is_critical != got->nodes[i].is_critical ||
            want->nodes[i].parent_missing != got->nodes[i].parent_missing)
            return SAY("node %u of the tree differs", i);
    for (uint32_t i = 0; i < want->order_count; i++)
        if (want->order[i] != got->order[i])
            return SAY("place %u of the tree's order differs", i);
    for (uint32_t i = 0; i < want->missing_count; i++)
        if (want->missing_parents[i] != got->missing_parents[i])
            return "the missing parents differ";
    return NULL;
}

const char *compare_traces(const trace_result *want, const trace_result *got, arena *mem)
{
    for (uint32_t i = 0; i < want->row_count && i < got->row_count; i++) {
        const char *diff = compare_trace_row(i, &want->rows[i], &got->rows[i], mem);
        if (diff)
            return diff;
    }
    if (want->row_count != got->row_count || want->folded_rows != got->folded_rows)
        return SAY("%u rows and %u folded, not %u and %u", got->row_count, got->folded_rows,
                   want->row_count, want->folded_rows);
    return compare_trees(&want->tree, &got->tree, mem);
}

/* ---- maps ---- */

static const char *compare_map_nodes(const service_map *want, const service_map *got, arena *mem)
{
    for (uint32_t i = 0; i < want->node_count && i < got->node_count; i++) {
        const map_node *a = &want->nodes[i], *b = &got->nodes[i];
        if (!span_equal(a->name, b->name) || strcmp(a->kind, b->kind) != 0)
            return SAY("node %u is %s %.*s, not %s %.*s", i, b->kind, SPAN_FMT(b->name), a->kind,
                       SPAN_FMT(a->name));
        if (a->count != b->count || a->errors != b->errors || !same_bits(a->p50_ms, b->p50_ms) ||
            !same_bits(a->p95_ms, b->p95_ms))
            return SAY("node %s %.*s: %llu, %llu errors, %g, %g; not %llu, %llu, %g, %g", a->kind,
                       SPAN_FMT(a->name), (unsigned long long)b->count,
                       (unsigned long long)b->errors, b->p50_ms, b->p95_ms,
                       (unsigned long long)a->count, (unsigned long long)a->errors, a->p50_ms,
                       a->p95_ms);
    }
    return want->node_count == got->node_count
               ? NULL
               : SAY("%u nodes, not %u", got->node_count, want->node_count);
}

const char *compare_maps(const service_map *want, const service_map *got, arena *mem)
{
    const char *diff = compare_map_nodes(want, got, mem);
    for (uint32_t i = 0; !diff && i < want->edge_count && i < got->edge_count; i++) {
        const map_edge *a = &want->edges[i], *b = &got->edges[i];
        if (a->from != b->from || a->to != b->to || strcmp(a->kind, b->kind) != 0)
            return SAY("edge %u is %.*s → %.*s (%s), not %.*s → %.*s (%s)", i,
                       SPAN_FMT(got->nodes[b->from].name), SPAN_FMT(got->nodes[b->to].name),
                       b->kind, SPAN_FMT(want->nodes[a->from].name),
                       SPAN_FMT(want->nodes[a->to].name), a->kind);
        if (a->count != b->count || a->errors != b->errors || !same_bits(a->p50_ms, b->p50_ms) ||
            !same_bits(a->p95_ms, b->p95_ms))
            return SAY("edge %.*s → %.*s: %llu, %llu errors, %g, %g; not %llu, %llu, %g, %g",
                       SPAN_FMT(want->nodes[a->from].name), SPAN_FMT(want->nodes[a->to].name),
                       (unsigned long long)b->count, (unsigned long long)b->errors, b->p50_ms,
                       b->p95_ms, (unsigned long long)a->count, (unsigned long long)a->errors,
                       a->p50_ms, a->p95_ms);
        if (a->wait_count != b->wait_count || !same_bits(a->wait_p50_ms, b->wait_p50_ms) ||
            !same_bits(a->wait_p95_ms, b->wait_p95_ms))
            return SAY("edge %.*s → %.*s: %llu waited %g, %g; not %llu, %g, %g",
                       SPAN_FMT(want->nodes[a->from].name), SPAN_FMT(want->nodes[a->to].name),
                       (unsigned long long)b->wait_count, b->wait_p50_ms, b->wait_p95_ms,
                       (unsigned long long)a->wait_count, a->wait_p50_ms, a->wait_p95_ms);
    }
    if (!diff && want->edge_count != got->edge_count)
        diff = SAY("%u edges, not %u", got->edge_count, want->edge_count);
    return diff;
}

/* ---- fields ---- */

static const char *compare_tops(const field_info *a, const field_info *b, arena *mem)
{
    char x[VALUE_TEXT_MAX], y[VALUE_TEXT_MAX];
    for (uint32_t i = 0; i < a->top_count && i < b->top_count; i++)
        if (a->top[i].count != b->top[i].count || a->top[i].value.type != b->top[i].value.type ||
            !span_equal(value_text(a->top[i].value, x), value_text(b->top[i].value, y)))
            return SAY("top value %u of %.*s: %llu × a %s, not %llu × a %s", i, SPAN_FMT(a->name),
                       (unsigned long long)b->top[i].count, field_type_name(b->top[i].value.type),
                       (unsigned long long)a->top[i].count, field_type_name(a->top[i].value.type));
    return a->top_count == b->top_count ? NULL
                                        : SAY("%u top values of %.*s, not %u", b->top_count,
                                              SPAN_FMT(a->name), a->top_count);
}

const char *compare_fields(const fields_result *want, const fields_result *got, arena *mem)
{
    for (uint32_t i = 0; i < want->count && i < got->count; i++) {
        const field_info *a = &want->fields[i], *b = &got->fields[i];
        if (!span_equal(a->name, b->name) || a->types != b->types || a->count != b->count)
            return SAY("field %u is %.*s, types %x, %llu rows; not %.*s, %x, %llu", i,
                       SPAN_FMT(b->name), b->types, (unsigned long long)b->count, SPAN_FMT(a->name),
                       a->types, (unsigned long long)a->count);
        const char *diff = got->is_sampled ? NULL : compare_tops(a, b, mem);
        if (diff)
            return diff;
    }
    if (want->count != got->count || want->dataset_count != got->dataset_count)
        return SAY("%u fields, %u datasets; not %u, %u", got->count, got->dataset_count,
                   want->count, want->dataset_count);
    for (uint32_t i = 0; i < want->dataset_count; i++)
        if (!span_equal(want->datasets[i], got->datasets[i]) ||
            want->dataset_rows[i] != got->dataset_rows[i])
            return SAY("dataset %u is %.*s with %llu rows, not %.*s with %llu", i,
                       SPAN_FMT(got->datasets[i]), (unsigned long long)got->dataset_rows[i],
                       SPAN_FMT(want->datasets[i]), (unsigned long long)want->dataset_rows[i]);
    return NULL;
}

/* ---- differences: their JSON, as it shows all ---- */

static span differences_text(const differences_result *r, bool all, arena *mem)
{
    differences_query q = {.wants_suspects = all, .wants_words = all};
    differences_result shown = *r;
    buf out;
    span text = SPAN("");
    shown.rows_scanned = 0;
    shown.elapsed_ns = 0;
    buf_init(&out, 64 * MIB);
    differences_to_json(&shown, &q, &out);
    if (out.failed || !arena_copy(mem, buf_span(&out), &text))
        text = SPAN("too long");
    buf_done(&out);
    return text;
}

const char *compare_differences(const differences_result *want, const differences_result *got,
                                bool all, arena *mem)
{
    span a = differences_text(want, all, mem), b = differences_text(got, all, mem);
    size_t at = 0;
    if (span_equal(a, b))
        return NULL;
    while (at < a.len && at < b.len && a.at[at] == b.at[at])
        at++;
    size_t from = at > 200 ? at - 200 : 0;
    span x = span_from(a, from), y = span_from(b, from);
    return SAY("got …%.*s, not …%.*s", (int)(y.len < 300 ? y.len : 300), (const char *)y.at,
               (int)(x.len < 300 ? x.len : 300), (const char *)x.at);
}
