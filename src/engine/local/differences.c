/*
 * engine/local/differences.c: what sets a selection apart (docs/internals/differences.md): which side each row is of, and the passes over the
 * store. Every side is a plan whose scan says which rows pass; the first pass counts the values of all fields and notes the traces
 * of both sides, the others measure those traces' spans and read their log lines.
 * Never: holds a snapshot longer than the call; returns before every worker has let go.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/must.h"
#include "engine/local/differ.h"

#define SCRATCH_BYTES (512 * MIB)
#define LINES_MAX     (2 * DIFFER_SAMPLE_ROWS)

/* ---- texts as numbers ---- */

static uint32_t put_text(differ_run *r, value v, bool is_lasting)
{
    char scratch[VALUE_TEXT_MAX];
    span text = value_text(v, scratch);
    group_keys_begin(r->texts, 0);
    uint32_t key =
        group_keys_text(r->texts, 0, text, GROUP_KEY_TEXT, is_lasting && v.type == FIELD_STRING);
    group_keys_end(r->texts, 0);
    return key == GROUP_KEY_NONE ? 0 : key;
}

sk_code differ__texts(differ_run *r, const differ_source *from, uint32_t field, uint32_t *out,
                      err *e)
{
    scan_worker *w = from->worker;
    const scan_field *of = &w->at->fields[field];
    scan_scratch scratch;
    memset(out, 0, w->row_count * sizeof *out);
    for (uint32_t i = 0; i < of->count; i++) {
        scan_source *source = &of->sources[i];
        const vector *v;
        if (source->column >= PART_COLUMNS &&
            !part_block_has_column(w->at->part, source->column, w->block))
            continue;
        sk_code code = scan_read_source(w, source, &v, e);
        if (code != SK_OK)
            return code;
        _Atomic(uint32_t) *known =
            v->kind == VECTOR_CODES ? scan_keys_of(from->scan, source) : NULL;
        if (v->kind == VECTOR_CODES && !known)
            return finish_budget_error(&r->budget, e);
        for (uint32_t row = 0; v->kind != VECTOR_ABSENT && row < w->row_count; row++) {
            if (out[row] || (!v->all_present && !vector_has(v, row)))
                continue; /* the first source that has it */
            uint32_t key =
                known ? atomic_load_explicit(&known[v->codes[row]], memory_order_relaxed) : 0;
            if (unlikely(!key)) {
                key = put_text(r, scan_value(v, source->type, row, &scratch), known != NULL);
                if (known)
                    atomic_store_explicit(&known[v->codes[row]], key, memory_order_relaxed);
            }
            out[row] = key;
        }
    }
    return atomic_load(&r->budget.failed) ? finish_budget_error(&r->budget, e) : SK_OK;
}

sk_code differ__text_of(differ_run *r, const differ_source *from, uint32_t field, uint32_t number,
                        uint32_t code, uint32_t *ret, err *e)
{
    const scan_field *of = &from->worker->at->fields[field];
    uint32_t i = 0;
    while (i < of->count && of->sources[i].column != number)
        i++;
    must(i < of->count);
    scan_source *source = &of->sources[i];
    _Atomic(uint32_t) *known = scan_keys_of(from->scan, source);
    if (!known)
        return finish_budget_error(&r->budget, e);
    *ret = atomic_load_explicit(&known[code], memory_order_relaxed);
    if (likely(*ret))
        return SK_OK;
    const vector *v; /* reading it makes its texts be there */
    sk_code got = scan_read_source(from->worker, source, &v, e);
    if (got != SK_OK)
        return got;
    value text = {.is_set = true,
                  .type = source->type,
                  .text = source->dictionary->text(source->dictionary->of, code)};
    *ret = put_text(r, text, true);
    atomic_store_explicit(&known[code], *ret, memory_order_relaxed);
    return *ret ? SK_OK : finish_budget_error(&r->budget, e);
}

/* ---- a block ---- */

static sk_code load_weights(differ_worker *w, err *e)
{
    const vector *v;
    sk_code code = scan_read(&w->scans[SCAN_ALL], PART_RATE, &v, e);
    uint32_t other = 0;
    bool is_plain = code == SK_OK && v->is_constant && v->ints[0] == 1;
    for (uint32_t row = 0; code == SK_OK && !is_plain && row < v->row_count; row++) {
        w->weights[row] = (uint32_t)v->ints[row];
        other |= w->weights[row] ^ 1;
    }
    w->has_weights = other != 0;
    return code;
}

static void add_totals(differ_worker *w)
{
    for (uint32_t side = 0; side < DIFFER_SIDES; side++)
        for (uint32_t word = 0; word < VECTOR_WORDS; word++) {
            uint64_t rows = w->sides[side][word];
            uint64_t count = bit_count(rows);
            w->totals.rows[side] += count;
            if (!w->has_weights) {
                w->totals.weight[side] += count;
                w->totals.weight_squares[side] += count;
                continue;
            }
            for (; rows; rows &= rows - 1) {
                uint64_t weight = w->weights[word * 64 + (uint32_t)__builtin_ctzll(rows)];
                w->totals.weight[side] += weight;
                w->totals.weight_squares[side] += weight * weight;
            }
        }
}

static sk_code count_rows(differ_run *r, differ_worker *w, uint32_t number, uint32_t block, err *e)
{
    sk_code code = load_weights(w, e);
    if (code == SK_OK)
        code = differ__look_at_traces(r, w, e);
    if (code == SK_OK)
        code = differ__count_block(r, w, number, block, e);
    if (code == SK_OK)
        add_totals(w);
    return code;
}

static bool has_rows(const differ_worker *w)
{
    uint64_t any = 0;
    for (uint32_t i = 0; i < VECTOR_WORDS; i++)
        any |= w->sides[DIFFER_SELECTION][i] | w->sides[DIFFER_BASELINE][i];
    return any != 0;
}

static sk_code count_block(differ_run *r, differ_worker *w, uint32_t number, uint32_t block, err *e)
{
    bool is_known;
    scan *s = &r->scans[SCAN_ALL];
    const differ_source spans = {s, &w->scans[SCAN_ALL], r->span_first, r->derived_first};
    if (!(r->families >> s->parts[number].info.family & 1))
        return SK_OK;
    sk_code code = differ__find_sides(r, w, number, block, &is_known, e);
    if (code == SK_OK && !is_known)
        return SK_OK;
    if (code == SK_OK && r->pass == PASS_SIDES) {
        for (uint32_t side = 0; side < DIFFER_SIDES; side++)
            for (uint32_t i = 0; i < VECTOR_WORDS; i++)
                w->seen[side] += bit_count(w->sides[side][i]);
        return SK_OK;
    }
    memcpy(w->met, w->sides, sizeof w->met);
    if (code == SK_OK && has_rows(w))
        code = count_rows(r, w, number, block, e);
    if (code == SK_OK && r->spans_with_rows)
        code = differ__span_block(r, w, &spans, e);
    if (code != SK_CORRUPT)
        return code;
    scan_leave_out(&w->scans[SCAN_ALL], e);
    return SK_OK;
}

static sk_code measure_block(differ_run *r, differ_worker *w, uint32_t number, uint32_t block,
                             err *e)
{
    const differ_source spans = {&r->span_scan, &w->spans, 0, DIFFER_NO_FIELD};
    sk_code code = scan_block(&w->spans, number, block, e);
    if (code != SK_OK || w->spans.count == 0)
        return code;
    code = differ__span_block(r, w, &spans, e);
    if (code != SK_CORRUPT)
        return code;
    scan_leave_out(&w->spans, e);
    return SK_OK;
}

/* ---- passes ---- */

static sk_code run_morsel(void *ctx, uint32_t slot, uint32_t number, err *e)
{
    differ_run *r = ctx;
    differ_worker *w = r->workers[slot];
    const scan *s = r->pass == PASS_SIDES || r->pass == PASS_COUNT        ? &r->scans[SCAN_ALL]
                    : r->pass == PASS_LINES || r->pass == PASS_LINE_COUNT ? &r->line_scan
                                                                          : &r->span_scan;
    const scan_morsel *m = &s->morsels[number];
    family of = s->parts[m->part].info.family;
    bool is_other_family =
        (s == &r->span_scan && of != FAMILY_TRACE) || (s == &r->line_scan && of != FAMILY_LOG);
    sk_code code = SK_OK;
    for (uint32_t b = m->first_block; !is_other_family && code == SK_OK && b < m->end_block; b++) {
        code = local__must_end(r->control, e);
        if (code == SK_OK && s == &r->scans[SCAN_ALL])
            code = count_block(r, w, m->part, b, e);
        else if (code == SK_OK && s == &r->line_scan)
            code = differ__line_block(r, w, m->part, b, e);
        else if (code == SK_OK)
            code = r->pass == PASS_RUNS ? differ__note_runs(r, w, m->part, b, e)
                                        : measure_block(r, w, m->part, b, e);
    }
    return code;
}

static sk_code run_pass(differ_run *r, differ_pass pass, const scan *s, err *e)
{
    r->pass = pass;
    return pool_run(r->engine->pool, run_morsel, r, s->morsel_count, e);
}

/* ---- between the passes ---- */

/* More rows than are counted exactly: about DIFFER_SAMPLE_ROWS of each side are. */
static sk_code choose_sample(differ_run *r, differences_result *ret, err *e)
{
    uint64_t seen[DIFFER_SIDES] = {0};
    sk_code code = run_pass(r, PASS_SIDES, &r->scans[SCAN_ALL], e);
    for (uint32_t i = 0; i < r->worker_count; i++)
        for (uint32_t side = 0; side < DIFFER_SIDES; side++)
            seen[side] += r->workers[i]->seen[side];
    if (code != SK_OK || seen[0] + seen[1] <= DIFFER_ROWS_EXACT)
        return code;
    for (uint32_t side = 0; side < DIFFER_SIDES; side++)
        if (seen[side] > DIFFER_SAMPLE_ROWS) {
            r->keep[side] = UINT64_MAX / seen[side] * DIFFER_SAMPLE_ROWS;
            ret->is_sampled = true;
        }
    for (uint32_t i = 0; i < r->worker_count; i++) /* the next pass meets it again */
        for (uint32_t s = 0; s < SCAN_SIDES; s++)
            r->workers[i]->scans[s].damage = (scan_damage){0};
    return SK_OK;
}

/* Spans of other rows' traces are read by themselves. */
static sk_code read_spans(differ_run *r, err *e)
{
    sk_code code = run_pass(r, PASS_RUNS, &r->span_scan, e);
    if (code == SK_OK && !differ__find_split(r))
        code = finish_budget_error(&r->budget, e);
    for (uint32_t i = 0; i < r->worker_count; i++)
        r->workers[i]->spans.damage = (scan_damage){0};
    return code == SK_OK ? run_pass(r, PASS_SPANS, &r->span_scan, e) : code;
}

static sk_code read_lines(differ_run *r, differences_result *ret, err *e)
{
    uint64_t lines = 0;
    if (!differ__new_words(r))
        return finish_budget_error(&r->budget, e);
    sk_code code = run_pass(r, PASS_LINE_COUNT, &r->line_scan, e);
    for (uint32_t i = 0; i < r->worker_count; i++) {
        lines += r->workers[i]->line_count;
        r->workers[i]->lines.damage = (scan_damage){0};
    }
    r->keep_lines = lines > LINES_MAX ? UINT64_MAX / lines * LINES_MAX : UINT64_MAX;
    ret->is_sampled |= lines > LINES_MAX;
    if (code == SK_OK)
        code = run_pass(r, PASS_LINES, &r->line_scan, e);
    return code == SK_OK ? differ__rank_words(r, ret, e) : code;
}

/* What each worker has counted of its last part. */
static sk_code end_parts(void *ctx, uint32_t slot, uint32_t number, err *e)
{
    differ_run *r = ctx;
    (void)slot;
    return differ__end_part(r, r->workers[number]) ? SK_OK : finish_budget_error(&r->budget, e);
}

static sk_code compare(differ_run *r, differences_result *ret, err *e)
{
    sk_code code = SK_OK;
    r->keep[0] = r->keep[1] = UINT64_MAX;
    if (!differ__list_fields(r))
        return err_set(e, SK_NO_MEMORY, "memory ran out while fields were listed");
    if (r->scans[SCAN_ALL].rows_total > DIFFER_ROWS_EXACT)
        code = choose_sample(r, ret, e);
    if (code == SK_OK)
        code = run_pass(r, PASS_COUNT, &r->scans[SCAN_ALL], e);
    if (code == SK_OK)
        code = pool_run(r->engine->pool, end_parts, r, r->worker_count, e);
    for (uint32_t i = 0; i < r->worker_count; i++) {
        const differ_worker *w = r->workers[i];
        for (uint32_t side = 0; side < DIFFER_SIDES; side++) {
            ret->totals.rows[side] += w->totals.rows[side];
            ret->totals.weight[side] += w->totals.weight[side];
            ret->totals.weight_squares[side] += w->totals.weight_squares[side];
        }
    }
    if (code == SK_OK)
        code = differ__rank_fields(r, ret, e);
    if (code == SK_OK && !differ__gather_traces(r))
        code = finish_budget_error(&r->budget, e);
    bool has_sides = ret->totals.rows[0] && ret->totals.rows[1];
    bool wants_suspects = has_sides && r->query->wants_suspects;
    if (code == SK_OK && wants_suspects && !r->spans_with_rows)
        code = read_spans(r, e);
    if (code == SK_OK && wants_suspects)
        code = differ__rank_suspects(r, ret, e);
    return code == SK_OK && has_sides && r->query->wants_words ? read_lines(r, ret, e) : code;
}

/* ---- the call ---- */

/* Of spans their own time and the way to them are compared like any field, and the same scan tells what suspects are judged by. */
static bool make_plans(differ_run *r)
{
    static const plan_derived derived[] = {DERIVED_SELF_MS, DERIVED_GAP_MS};
    const plan *asked[] = {r->query->all, r->query->selection, r->query->baseline};
    r->has_baseline = r->query->baseline != NULL;
    for (uint32_t i = 0; i < SCAN_SIDES && asked[i]; i++)
        r->plans[i] = *asked[i];
    if (r->query->rows != DIFFER_ROWS_SPANS)
        return true;
    plan *p = &r->plans[SCAN_ALL];
    plan_field *fields = ARENA_ARRAY(
        r->scratch, plan_field, p->field_count + COUNT_OF(derived) + differ__span_field_count());
    if (!fields)
        return false;
    if (p->field_count)
        memcpy(fields, p->fields, p->field_count * sizeof *fields);
    r->derived_first = p->field_count;
    r->derived_count = COUNT_OF(derived);
    for (size_t i = 0; i < COUNT_OF(derived); i++)
        fields[p->field_count++] =
            (plan_field){.name = span_text(plan_derived_name(derived[i])), .derived = derived[i]};
    p->fields = fields;
    r->span_first = p->field_count;
    r->spans_with_rows = r->query->wants_suspects;
    return !r->spans_with_rows || differ__span_fields(r->scratch, fields, &p->field_count);
}

static bool needs_traces(const differ_run *r)
{
    bool needs = false;
    for (uint32_t i = 0; i < SCAN_SIDES; i++)
        needs |= structure_is_needed(&r->plans[i]);
    return needs;
}

static sk_code open_scans(differ_run *r, uint32_t environment, snapshot *s, err *e)
{
    sk_code code = SK_OK;
    for (uint32_t i = 0; code == SK_OK && i < (r->has_baseline ? SCAN_SIDES : SCAN_BASELINE); i++) {
        code = scan_open(&r->scans[i], &r->plans[i], s, &r->budget, r->scratch, e);
        r->scans[i].kept = r->engine->kept;
        r->scan_count++;
        if (code == SK_OK && structure_is_needed(&r->plans[i]))
            code = structure_open(r->engine, environment, &r->plans[i], s, r->control, &r->budget,
                                  r->scratch, &r->structures[i], e);
        r->scans[i].structure = r->structures[i];
    }
    const plan times = {.start_ns = r->query->all->start_ns, .end_ns = r->query->all->end_ns};
    r->span_plan = r->line_plan = times;
    plan_field *fields = ARENA_ARRAY(r->scratch, plan_field, differ__span_field_count());
    r->span_plan.fields = fields;
    r->line_plan.fields = differ__line_fields(r->scratch, &r->line_plan.field_count);
    if (code == SK_OK && (!fields || !r->line_plan.fields ||
                          !differ__span_fields(r->scratch, fields, &r->span_plan.field_count)))
        code = err_set(e, SK_NO_MEMORY, "memory ran out while a query was prepared");
    if (code == SK_OK) {
        code = scan_open(&r->span_scan, &r->span_plan, s, &r->budget, r->scratch, e);
        r->span_scan.kept = r->engine->kept;
        r->has_span_scan = true;
    }
    if (code == SK_OK) {
        code = scan_open(&r->line_scan, &r->line_plan, s, &r->budget, r->scratch, e);
        r->has_line_scan = true;
    }
    return code;
}

static bool make_workers(differ_run *r)
{
    r->texts = group_keys_new(1, &r->budget);
    r->worker_count = pool_workers(r->engine->pool);
    r->workers = ARENA_ARRAY(r->scratch, differ_worker *, r->worker_count);
    for (uint32_t i = 0; r->texts && r->workers && i < r->worker_count; i++) {
        differ_worker *w = agg_alloc(&r->budget, sizeof *w);
        if (!w)
            return false;
        r->workers[i] = w;
        w->part = UINT32_MAX;
        for (uint32_t s = 0; s < r->scan_count; s++)
            scan_worker_init(&w->scans[s], &r->scans[s]);
        for (uint32_t s = SCAN_SELECTION; s < r->scan_count; s++)
            w->scans[s].peer = &w->scans[SCAN_ALL];
        if (r->scan_count > SCAN_SELECTION)
            w->scans[SCAN_ALL].peer = &w->scans[SCAN_SELECTION];
        scan_worker_init(&w->spans, &r->span_scan);
        scan_worker_init(&w->lines, &r->line_scan);
    }
    return r->texts && r->workers;
}

static void free_workers(differ_run *r, differences_result *ret)
{
    for (uint32_t i = 0; r->workers && i < r->worker_count && r->workers[i]; i++) {
        differ_worker *w = r->workers[i];
        scan_worker *scans[] = {&w->scans[0], &w->scans[1], &w->scans[2], &w->spans, &w->lines};
        for (size_t s = 0; s < COUNT_OF(scans); s++) {
            ret->damaged_blocks += scans[s]->damage.blocks;
            ret->rows_scanned += s == SCAN_ALL ? scans[s]->rows_scanned : 0;
            if (s >= SCAN_SIDES || s < r->scan_count)
                scan_worker_done(scans[s]);
        }
        differ__free_counts(r, w);
        differ__free_spans(r, w);
        agg_free(&r->budget, w->services, VECTOR_ROWS * sizeof *w->services);
        for (uint32_t side = 0; side < DIFFER_SIDES; side++)
            item_list_free(&r->budget, &w->traces[side], sizeof(uint64_t));
        agg_free(&r->budget, w, sizeof *w);
    }
    differ__free_words(r);
    differ_set *sets[] = {&r->traces[0], &r->traces[1], &r->split};
    for (size_t i = 0; i < COUNT_OF(sets); i++)
        agg_free(&r->budget, sets[i]->slots, sets[i]->slot_count * sizeof *sets[i]->slots);
    group_keys_free(r->texts);
}

static sk_code open_and_compare(differ_run *r, uint32_t environment, snapshot *s,
                                differences_result *ret, err *e)
{
    sk_code code = open_scans(r, environment, s, e);
    const plan *all = r->query->all;
    r->all_others_are_baseline = !r->has_baseline && !all->filter_count && !all->dataset.at;
    if (code == SK_OK)
        code = make_workers(r) ? compare(r, ret, e) : finish_budget_error(&r->budget, e);
    free_workers(r, ret);
    for (uint32_t i = 0; i < r->scan_count; i++) {
        if (r->structures[i])
            ret->damaged_blocks += r->structures[i]->damage.blocks;
        scan_close(&r->scans[i]);
        structure_close(r->structures[i]);
    }
    if (r->has_span_scan)
        scan_close(&r->span_scan);
    if (r->has_line_scan)
        scan_close(&r->line_scan);
    return code;
}

static sk_code find_families(differ_run *r, uint32_t environment, err *e)
{
    r->families = FAMILY_BIT(r->query->rows == DIFFER_ROWS_LOGS ? FAMILY_LOG : FAMILY_TRACE);
    if (r->query->rows != DIFFER_ROWS_ALL)
        return SK_OK;
    return local__families(r->engine, environment, r->query->all->dataset, &r->families, e);
}

sk_code local__differences(engine *e, uint32_t environment, const differences_query *q,
                           const run_control *c, arena *mem, differences_result *ret, err *er)
{
    differ_run r = {
        .engine = (local *)e,
        .query = q,
        .control = c,
        .mem = mem,
        .scratch = arena_new_accounted(SCRATCH_BYTES, ((local *)e)->o.store.memory, MEMORY_QUERY)};
    int64_t started_ns = clock_mono_ns();
    snapshot *s = NULL;
    *ret = (differences_result){0};
    r.budget.max_bytes = r.engine->o.query_memory_max;
    r.budget.account = r.engine->o.store.memory;
    lock_init(&r.words_guard, RANK_ENGINE);
    sk_code code =
        r.scratch ? SK_OK : err_set(er, SK_NO_MEMORY, "memory ran out while a query was prepared");
    if (code == SK_OK)
        code = find_families(&r, environment, er);
    if (code == SK_OK && !make_plans(&r))
        code = err_set(er, SK_NO_MEMORY, "memory ran out while a query was prepared");
    bool is_whole = needs_traces(&r); /* then rows of all times may matter */
    if (code == SK_OK)
        code = store_snapshot(r.engine->store, environment, r.families | FAMILIES_EVENTS,
                              is_whole ? INT64_MIN : q->all->start_ns,
                              is_whole ? INT64_MAX : q->all->end_ns, &s, er);
    if (code == SK_OK)
        code = open_and_compare(&r, environment, s, ret, er);
    agg_budget_done(&r.budget);
    snapshot_release(s);
    lock_done(&r.words_guard);
    arena_free(r.scratch);
    ret->elapsed_ns = clock_mono_ns() - started_ns;
    return code;
}
