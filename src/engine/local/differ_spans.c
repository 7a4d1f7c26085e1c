/*
 * engine/local/differ_spans.c: a block's spans, and which way each trace goes: by column when it lies whole in the block (differ_columns.c), put
 * together (differ_trace.c), or put aside when it lies in several places. Every text is turned into a number once per dictionary
 * code of a part. Called by differences.c on the query workers.
 */
#include <math.h>

#include "engine/local/derive.h"
#include "engine/local/differ.h"
#include "event/fields.h"

#define WINDOWS_MAX 8u /* of a block; for more runs the whole is read */

enum { SPAN_NAME, SPAN_INSTANCE, SPAN_DURATION, SPAN_KIND, SPAN_ERROR, SPAN_STATUS, SPAN_FIELDS };

bool differ__span_fields(arena *mem, plan_field *fields, uint32_t *count)
{
    static const char *const names[SPAN_FIELDS][3] = {
        [SPAN_NAME] = {F_NAME},
        [SPAN_INSTANCE] = {"service.instance.id", "k8s.pod.name", "host.name"},
        [SPAN_DURATION] = {F_DURATION_MS},
        [SPAN_KIND] = {F_SPAN_KIND},
        [SPAN_ERROR] = {F_ERROR},
        [SPAN_STATUS] = {F_STATUS_CODE},
    };
    span *candidates = ARENA_ARRAY(mem, span, SPAN_FIELDS * 3);
    if (!candidates)
        return false;
    for (uint32_t f = 0; f < SPAN_FIELDS; f++) {
        plan_field *of = &fields[(*count)++];
        *of = (plan_field){.candidates = candidates + (size_t)f * 3};
        for (uint32_t c = 0; c < 3 && names[f][c]; c++)
            candidates[(size_t)f * 3 + of->candidate_count++] = span_text(names[f][c]);
        of->name = of->candidates[0];
    }
    return true;
}

uint32_t differ__span_field_count(void)
{
    return SPAN_FIELDS;
}

uint32_t differ__like_field(const differ_source *from, uint32_t text)
{
    return text == DIFFER_LIKE_SERVICE ? from->scan->plan->field_count
           : text == DIFFER_LIKE_NAME  ? from->first_field + SPAN_NAME
                                       : from->first_field + SPAN_INSTANCE;
}

/* ---- what rows say ---- */

static sk_code read_durations(const differ_source *from, int64_t *out, uint32_t count, err *e)
{
    const scan_field *field = &from->worker->at->fields[from->first_field + SPAN_DURATION];
    memset(out, 0xff, count * sizeof *out);
    for (uint32_t i = 0; i < field->count; i++) {
        const vector *v;
        scan_scratch scratch;
        sk_code code = scan_read_source(from->worker, &field->sources[i], &v, e);
        if (code != SK_OK)
            return code;
        for (uint32_t row = 0; v->kind != VECTOR_ABSENT && row < count; row++) {
            double ms;
            if (!v->all_present && !vector_has(v, row))
                continue;
            if (v->kind == VECTOR_FLOATS)
                out[row] = isfinite(v->floats[row]) ? derive_duration(v->floats[row]) : -1;
            else if (value_number(scan_value(v, field->sources[i].type, row, &scratch), &ms))
                out[row] = derive_duration(ms);
        }
    }
    return SK_OK;
}

/* `error` is neither false nor 0, or the status says so. */
static bool is_error(uint32_t field, value x)
{
    char text[VALUE_TEXT_MAX];
    double number;
    if (field == SPAN_STATUS)
        return value_number(x, &number) && number == 2;
    span said = value_text(x, text);
    return said.len && !span_is(said, "false") && !span_is(said, "0");
}

static sk_code read_errors(const differ_source *from, uint8_t *out, uint32_t count, err *e)
{
    memset(out, 0, count);
    for (uint32_t f = SPAN_ERROR; f <= SPAN_STATUS; f++) {
        const scan_field *field = &from->worker->at->fields[from->first_field + f];
        for (uint32_t i = 0; i < field->count; i++) {
            const scan_source *of = &field->sources[i];
            const vector *v;
            scan_scratch scratch;
            if (!part_block_has_column(from->worker->at->part, of->column, from->worker->block))
                continue;
            sk_code code = scan_read_source(from->worker, of, &v, e);
            if (code != SK_OK)
                return code;
            bool is_plain = f == SPAN_STATUS && v->kind == VECTOR_INTS;
            for (uint32_t row = 0; v->kind != VECTOR_ABSENT && row < count; row++)
                if (!v->all_present && !vector_has(v, row))
                    continue;
                else if (is_plain)
                    out[row] |= v->ints[row] == 2;
                else
                    out[row] |= is_error(f, scan_value(v, of->type, row, &scratch));
        }
    }
    return SK_OK;
}

static uint8_t kind_of(differ_run *r, span_rows *rows, uint32_t key)
{
    uint32_t slot = key % COUNT_OF(rows->known_kinds);
    if (!key)
        return KIND_UNSPECIFIED;
    if (rows->kind_keys[slot] != key) {
        arena *mem = arena_new(64 * KIB);
        if (!mem)
            return KIND_UNSPECIFIED;
        rows->known_kinds[slot] =
            (uint8_t)span_kind_parse(group_keys_value(r->texts, 0, key, mem).text);
        rows->kind_keys[slot] = key;
        arena_free(mem);
    }
    return rows->known_kinds[slot];
}

static sk_code read_texts(differ_run *r, const differ_source *from, span_rows *rows, err *e)
{
    uint32_t first = from->first_field, *kinds = rows->entries; /* free until traces are measured */
    sk_code code = differ__texts(r, from, first + SPAN_NAME, rows->names, e);
    if (code == SK_OK)
        code = differ__texts(r, from, first + SPAN_INSTANCE, rows->instances, e);
    if (code == SK_OK)
        code = differ__texts(r, from, from->scan->plan->field_count, rows->services, e);
    if (code == SK_OK)
        code = differ__texts(r, from, first + SPAN_KIND, kinds, e);
    for (uint32_t row = 0; code == SK_OK && row < rows->count; row++)
        rows->kinds[row] = kind_of(r, rows, kinds[row]);
    return code;
}

static sk_code begin_block(const differ_source *from, span_rows *rows, err *e)
{
    scan_worker *w = from->worker;
    rows->count = w->row_count;
    rows->first_row = w->bounds.first_row;
    rows->id = rows->parent_id = rows->time = NULL;
    rows->windows = 0;
    rows->has_durations = false;
    sk_code code = scan_read(w, PART_TRACE_ID, &rows->trace, e);
    return code == SK_OK ? scan_read(w, PART_RATE, &rows->rate, e) : code;
}

static sk_code read_block(differ_run *r, const differ_source *from, span_rows *rows, err *e)
{
    scan_worker *w = from->worker;
    sk_code code = SK_OK;
    if (!part_block_is_full(w->at->part, PART_SPAN_ID, w->block))
        code = scan_read(w, PART_SPAN_ID, &rows->id, e);
    if (code == SK_OK)
        code = read_texts(r, from, rows, e);
    if (code == SK_OK)
        code = read_durations(from, rows->durations, rows->count, e);
    rows->has_durations = true;
    if (code == SK_OK)
        code = read_errors(from, rows->errors, rows->count, e);
    return code == SK_OK ? differ__columns_open(from, rows, e) : code;
}

/* ---- spans one by one ---- */

static trace_id trace_at(const vector *v, uint32_t row)
{
    return vector_has(v, row) ? v->trace_ids[row] : (trace_id){0, 0};
}

static uint64_t id_at(const vector *v, uint32_t row)
{
    return vector_has(v, row) ? v->ids[row] : 0;
}

uint32_t differ__run_end(const span_rows *rows, uint32_t first)
{
    trace_id id = trace_at(rows->trace, first);
    uint32_t end = first + 1;
    while (end < rows->count && trace_id_equal(trace_at(rows->trace, end), id))
        end++;
    return end;
}

/* What only spans that are put together need, once a block. */
static sk_code read_ids(const differ_source *from, span_rows *rows, err *e)
{
    if (rows->time)
        return SK_OK;
    sk_code code = scan_read(from->worker, PART_SPAN_ID, &rows->id, e);
    if (code == SK_OK)
        code = scan_read(from->worker, PART_PARENT_ID, &rows->parent_id, e);
    return code == SK_OK ? scan_read(from->worker, PART_TIME, &rows->time, e) : code;
}

/* For the few runs of a block that must be put together. */
sk_code differ__read_window(const differ_source *from, span_rows *rows, uint32_t first,
                            uint32_t end, err *e)
{
    const struct {
        uint32_t number;
        vector *to;
    } reads[] = {{PART_SPAN_ID, &rows->window_ids},
                 {PART_PARENT_ID, &rows->window_parents},
                 {PART_TIME, &rows->window_times}};
    sk_code code = SK_OK;
    for (size_t i = 0; code == SK_OK && i < COUNT_OF(reads); i++)
        code = part_read_rows(from->worker->reader, reads[i].number, from->worker->block, first,
                              end - first, reads[i].to, e);
    return code;
}

void differ__window_ids(const span_rows *rows, uint32_t row, differ_span *ret)
{
    ret->id = id_at(&rows->window_ids, row);
    ret->parent_id = id_at(&rows->window_parents, row);
    ret->time_ns = rows->window_times.ints[row];
}

/* Where the ids and times of a run come from. */
typedef enum id_source { IDS_KEPT, IDS_WINDOW, IDS_BLOCK } id_source;

static sk_code open_ids(const differ_source *from, span_rows *rows, bool is_kept, uint32_t first,
                        uint32_t end, id_source *ret, err *e)
{
    span_identity ignored;
    *ret = is_kept ? IDS_KEPT : IDS_BLOCK;
    if (is_kept || rows->time || rows->windows == WINDOWS_MAX ||
        structure_span(from->worker, first, &ignored))
        return SK_OK;
    rows->windows++;
    *ret = IDS_WINDOW;
    return differ__read_window(from, rows, first, end, e);
}

static sk_code block_ids(const differ_source *from, span_rows *rows, uint32_t row, differ_span *ret,
                         err *e)
{
    span_identity known;
    if (structure_span(from->worker, row, &known)) {
        ret->id = known.id;
        ret->parent_id = known.parent_id;
        ret->time_ns = known.time_ns;
        ret->duration_ns = known.duration_ns;
        return SK_OK;
    }
    sk_code code = read_ids(from, rows, e);
    if (code != SK_OK)
        return code;
    ret->id = id_at(rows->id, row);
    ret->parent_id = id_at(rows->parent_id, row);
    ret->time_ns = rows->time->ints[row];
    return SK_OK;
}

/* What is said of the rows of a run, as if it had been read. */
static sk_code spread_facts(differ_worker *w, const differ_source *from,
                            const struct block_facts *facts, uint32_t first, uint32_t end, err *e)
{
    span_rows *rows = w->rows;
    span_identity ignored;
    differ__spread_facts(w, facts, first, end);
    if (rows->has_durations || differ__is_edge(facts, first) ||
        structure_span(from->worker, first, &ignored))
        return SK_OK;
    rows->has_durations = true;
    return read_durations(from, rows->durations, rows->count, e);
}

/* Rows [first, end) of one trace, those in the query's times. */
static sk_code put_together(differ_run *r, differ_worker *w, const differ_source *from,
                            const struct block_facts *facts, uint32_t first, uint32_t end,
                            item_list *into, err *e)
{
    span_rows *rows = w->rows;
    const plan *p = from->scan->plan;
    id_source ids;
    sk_code code = facts ? spread_facts(w, from, facts, first, end, e) : SK_OK;
    if (code == SK_OK)
        code = open_ids(from, rows, facts && differ__is_edge(facts, first), first, end, &ids, e);
    for (uint32_t row = first; code == SK_OK && row < end; row++) {
        differ_span s = {.trace = trace_at(rows->trace, row),
                         .duration_ns = rows->durations[row],
                         .weight = (uint32_t)rows->rate->ints[row],
                         .name = rows->names[row],
                         .instance = rows->instances[row],
                         .kind = rows->kinds[row],
                         .service = rows->services[row],
                         .is_error = rows->errors[row]};
        if (ids == IDS_KEPT)
            differ__edge_ids(facts, row, &s);
        else if (ids == IDS_WINDOW)
            differ__window_ids(rows, row - first, &s);
        else
            code = block_ids(from, rows, row, &s, e);
        if (code == SK_OK && s.id && s.time_ns >= p->start_ns && s.time_ns < p->end_ns &&
            !item_list_add(&r->budget, into, &s, sizeof s))
            return finish_budget_error(&r->budget, e);
    }
    return code;
}

/* ---- runs of rows of one trace ---- */

static bool any_row(const uint64_t *rows, uint32_t first, uint32_t end)
{
    for (uint32_t at = first; at < end; at = (at | 63) + 1) {
        uint64_t bits = rows[at >> 6] >> (at & 63);
        if (end - at < 64)
            bits &= ((uint64_t)1 << (end - at)) - 1;
        if (bits)
            return true;
    }
    return false;
}

/* Which side a trace is of that has all its rows here; elsewhere its hash tells. */
static uint32_t side_of(const differ_run *r, const differ_worker *w, uint64_t hash, uint32_t first,
                        uint32_t end)
{
    if (!r->spans_with_rows)
        return differ__side_of(r, hash);
    uint32_t side = DIFFER_SIDES;
    if (any_row(w->met[DIFFER_SELECTION], first, end))
        side = DIFFER_SELECTION;
    else if (r->all_others_are_baseline || any_row(w->met[DIFFER_BASELINE], first, end))
        side = DIFFER_BASELINE;
    return side != DIFFER_SIDES && differ__is_kept(r, hash, side) ? side : DIFFER_SIDES;
}

/* Runs at a block's edges may go on in the next. */
static bool is_apart(const differ_run *r, const span_rows *rows, trace_id id, uint64_t hash,
                     uint32_t first, uint32_t end)
{
    if (!r->spans_with_rows)
        return differ__has(&r->split, hash);
    return first == 0 || end == rows->count ||
           straddle_has(&r->structures[SCAN_ALL]->straddling, part_trace_hash(id));
}

static sk_code measure_run(differ_run *r, differ_worker *w, const differ_source *from,
                           const struct block_facts *facts, uint32_t first, uint32_t end, err *e)
{
    span_rows *rows = w->rows;
    trace_id id = trace_at(rows->trace, first);
    uint64_t hash = differ__trace_hash(id);
    uint32_t side = DIFFER_SIDES;
    bool is_done = false;
    if (!trace_id_is_set(id))
        return SK_OK;
    bool apart = is_apart(r, rows, id, hash, first, end);
    if (!apart || !r->spans_with_rows)
        side = side_of(r, w, hash, first, end);
    else if (differ__is_kept(r, hash, DIFFER_SELECTION) ||
             differ__is_kept(r, hash, DIFFER_BASELINE))
        side = DIFFER_SELECTION; /* which one is known when all rows were seen */
    if (side == DIFFER_SIDES)
        return SK_OK;
    if (!apart &&
        (facts ? !differ__measure_facts(r, w, facts, first, end, side, &is_done)
               : rows->by_column && !differ__measure_columns(r, w, first, end, side, &is_done)))
        return finish_budget_error(&r->budget, e);
    if (is_done)
        return SK_OK;
    w->trace_spans.count = 0;
    sk_code code =
        put_together(r, w, from, facts, first, end, apart ? &w->deferred : &w->trace_spans, e);
    if (code == SK_OK && w->trace_spans.count &&
        !differ__measure_trace(r, w, w->trace_spans.at, w->trace_spans.count, side))
        return finish_budget_error(&r->budget, e);
    return code;
}

static sk_code measure_runs(differ_run *r, differ_worker *w, const differ_source *from,
                            const struct block_facts *facts, err *e)
{
    span_rows *rows = w->rows;
    sk_code code = SK_OK;
    for (uint32_t first = 0, end; code == SK_OK && first < rows->count; first = end) {
        end = differ__run_end(rows, first);
        code = measure_run(r, w, from, facts, first, end, e);
    }
    return code;
}

/* A damaged column found half-way (only some traces need it) leaves out what follows in the block. */
sk_code differ__span_block(differ_run *r, differ_worker *w, const differ_source *from, err *e)
{
    if (!w->rows && !(w->rows = agg_alloc(&r->budget, sizeof *w->rows)))
        return finish_budget_error(&r->budget, e);
    const struct block_facts *facts =
        differ__is_by_column(from) ? differ__hold_facts(r, from) : NULL;
    sk_code code = begin_block(from, w->rows, e);
    if (code == SK_OK && facts)
        code = differ__open_facts(r, w, from, facts, e);
    if (code == SK_OK)
        code = facts ? differ__self_times(from, w->rows, e) : read_block(r, from, w->rows, e);
    if (code == SK_OK)
        code = measure_runs(r, w, from, facts, e);
    if (facts)
        differ__let_go_facts(r, facts);
    else if (code == SK_OK && w->rows->by_column)
        differ__keep_facts(r, w, from);
    return code;
}

/* When the rows that are compared are not these: which traces lie in several runs of rows. */
sk_code differ__note_runs(differ_run *r, differ_worker *w, uint32_t number, uint32_t block, err *e)
{
    const vector *v;
    sk_code code = scan_block(&w->spans, number, block, e);
    if (code != SK_OK || w->spans.count == 0)
        return code;
    code = scan_read(&w->spans, PART_TRACE_ID, &v, e);
    if (code == SK_CORRUPT)
        return SK_OK; /* the next pass meets it again, and notes it */
    trace_id last = {0, 0};
    for (uint32_t k = 0; code == SK_OK && k < w->spans.count; k++) {
        trace_id id = trace_at(v, w->spans.rows[k]);
        if (trace_id_equal(id, last))
            continue;
        last = id;
        if (trace_id_is_set(id) &&
            !item_list_add(&r->budget, &w->runs, &(uint64_t){differ__trace_hash(id)},
                           sizeof(uint64_t)))
            return finish_budget_error(&r->budget, e);
    }
    return code;
}

void differ__free_spans(differ_run *r, differ_worker *w)
{
    agg_free(&r->budget, w->rows, sizeof *w->rows);
    item_list_free(&r->budget, &w->trace_spans, sizeof(differ_span));
    item_list_free(&r->budget, &w->runs, sizeof(uint64_t));
    differ__free_trace(r, w);
    differ__free_cells(r, w);
}
