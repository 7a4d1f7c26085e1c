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

/* ---- lists and sets ---- */

bool differ__add(differ_run *r, differ_items *l, const void *item, size_t item_bytes)
{
    if (l->count == l->capacity) {
        uint32_t capacity = l->capacity ? l->capacity * 2 : 64;
        void *at = agg_realloc(&r->budget, l->at, l->capacity * item_bytes, capacity * item_bytes);
        if (!at)
            return false;
        l->at = at;
        l->capacity = capacity;
    }
    memcpy((uint8_t *)l->at + l->count++ * item_bytes, item, item_bytes);
    return true;
}

void differ__free(differ_run *r, differ_items *l, size_t item_bytes)
{
    agg_free(&r->budget, l->at, l->capacity * item_bytes);
    *l = (differ_items){0};
}

uint64_t differ__trace_hash(trace_id id)
{
    return hash_mix(id.hi ^ hash_mix(id.lo)) | 1;
}

static uint32_t slot_of(const differ_set *s, uint64_t hash)
{
    uint32_t i = (uint32_t)(hash >> 1) & (s->slot_count - 1);
    while (s->slots[i] && s->slots[i] != hash)
        i = (i + 1) & (s->slot_count - 1);
    return i;
}

bool differ__has(const differ_set *s, uint64_t hash)
{
    return s->slot_count && s->slots[slot_of(s, hash)] != 0;
}

bool differ__put(differ_run *r, differ_set *s, uint64_t hash)
{
    if (2 * (s->count + 1) >= s->slot_count) {
        differ_set grown = {.slot_count = s->slot_count ? s->slot_count * 2 : 1024};
        grown.slots = agg_alloc(&r->budget, grown.slot_count * sizeof *grown.slots);
        if (!grown.slots)
            return false;
        for (uint32_t i = 0; i < s->slot_count; i++)
            if (s->slots[i])
                grown.slots[slot_of(&grown, s->slots[i])] = s->slots[i];
        agg_free(&r->budget, s->slots, s->slot_count * sizeof *s->slots);
        grown.count = s->count;
        *s = grown;
    }
    uint32_t i = slot_of(s, hash);
    if (s->slots[i])
        return false;
    s->slots[i] = hash;
    s->count++;
    return true;
}

uint32_t differ__side_of(const differ_run *r, uint64_t hash)
{
    uint32_t side = DIFFER_SIDES;
    if (differ__has(&r->traces[DIFFER_SELECTION], hash))
        side = DIFFER_SELECTION;
    else if (r->all_others_are_baseline || differ__has(&r->traces[DIFFER_BASELINE], hash))
        side = DIFFER_BASELINE;
    return side != DIFFER_SIDES && hash_mix(hash) > r->keep[side] ? DIFFER_SIDES : side;
}

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

sk_code differ__texts(differ_run *r, scan *s, scan_worker *w, uint32_t field, uint32_t *out, err *e)
{
    const scan_field *from = &w->at->fields[field];
    uint64_t claimed[VECTOR_WORDS] = {0};
    scan_taken taken;
    scan_scratch scratch;
    memset(out, 0, w->count * sizeof *out);
    for (uint32_t i = 0; i < from->count; i++) {
        scan_source *of = &from->sources[i];
        const vector *v;
        if (of->column >= PART_COLUMNS && !part_block_has_column(w->at->part, of->column, w->block))
            continue;
        sk_code code = scan_read_source(w, of, &v, e);
        if (code != SK_OK)
            return code;
        _Atomic(uint32_t) *known = v->kind == VECTOR_CODES ? scan_keys_of(s, of) : NULL;
        if (v->kind == VECTOR_CODES && !known)
            return finish_budget_error(&r->budget, e);
        scan_take(w, v, from->overlaps ? claimed : NULL, &taken);
        for (uint32_t n = 0; n < taken.count; n++) {
            uint32_t k = taken.all ? n : taken.at[n], row = w->rows[k];
            uint32_t key =
                known ? atomic_load_explicit(&known[v->codes[row]], memory_order_relaxed) : 0;
            if (unlikely(!key)) {
                key = put_text(r, scan_value(v, of->type, row, &scratch), known != NULL);
                if (known)
                    atomic_store_explicit(&known[v->codes[row]], key, memory_order_relaxed);
            }
            out[k] = key;
        }
    }
    return atomic_load(&r->budget.failed) ? finish_budget_error(&r->budget, e) : SK_OK;
}

/* ---- which side a row is of ---- */

static sk_code load_weights(differ_worker *w, err *e)
{
    const vector *v;
    sk_code code = scan_read(&w->scans[SCAN_ALL], PART_RATE, &v, e);
    uint32_t other = 0;
    for (uint32_t row = 0; code == SK_OK && row < v->row_count; row++) {
        w->weights[row] = (uint32_t)v->ints[row];
        other |= w->weights[row] ^ 1;
    }
    w->has_weights = other != 0;
    return code;
}

/* Rows that may be compared at all. */
static sk_code find_spans(differ_run *r, differ_worker *w, uint64_t *out, err *e)
{
    const vector *v;
    memset(out, 0xff, VECTOR_WORDS * sizeof *out);
    if (r->query->rows != DIFFER_ROWS_SPANS)
        return SK_OK;
    sk_code code = scan_read(&w->scans[SCAN_ALL], PART_SPAN_ID, &v, e);
    if (code == SK_OK)
        scan_present(v, out);
    return code;
}

/* Finds the rows of both sides; *ret false: none, or the block is left out. */
static sk_code find_sides(differ_run *r, differ_worker *w, uint32_t number, uint32_t block,
                          bool *ret, err *e)
{
    scan_worker *all = &w->scans[SCAN_ALL];
    uint32_t damaged = 0;
    *ret = false;
    uint64_t spans[VECTOR_WORDS];
    sk_code code = scan_block(all, number, block, e);
    if (code != SK_OK || all->count == 0)
        return code;
    for (uint32_t s = SCAN_SELECTION; code == SK_OK && s < r->scan_count; s++) {
        damaged += w->scans[s].damage.blocks;
        code = scan_block(&w->scans[s], number, block, e);
        damaged -= w->scans[s].damage.blocks;
    }
    if (code == SK_OK && !damaged)
        code = find_spans(r, w, spans, e);
    if (code != SK_OK || damaged)
        return code;
    const scan_worker *selected = &w->scans[SCAN_SELECTION], *base = &w->scans[SCAN_BASELINE];
    for (uint32_t i = 0; i < VECTOR_WORDS; i++) {
        uint64_t whole = all->selected[i] & spans[i];
        uint64_t in = selected->count ? whole & selected->selected[i] : 0;
        uint64_t rest = whole & ~in;
        if (r->has_baseline)
            rest &= base->count ? base->selected[i] : 0;
        w->sides[DIFFER_SELECTION][i] = in;
        w->sides[DIFFER_BASELINE][i] = rest;
        *ret |= (in | rest) != 0;
    }
    return SK_OK;
}

/* Notes the traces of both sides, and keeps only rows that are in the sample. */
static sk_code look_at_traces(differ_run *r, differ_worker *w, err *e)
{
    const vector *v, *times;
    scan_worker *all = &w->scans[SCAN_ALL];
    uint64_t last[DIFFER_SIDES] = {0};
    bool is_sample = r->keep[0] != UINT64_MAX || r->keep[1] != UINT64_MAX;
    if (!is_sample && !r->query->wants_suspects && !r->query->wants_words)
        return SK_OK;
    sk_code code = scan_read(all, PART_TRACE_ID, &v, e);
    if (code == SK_OK)
        code = scan_read(all, PART_TIME, &times, e);
    for (uint32_t side = 0; code == SK_OK && side < DIFFER_SIDES; side++) {
        bool is_noted = side == DIFFER_SELECTION || !r->all_others_are_baseline;
        if (!is_noted && !is_sample)
            continue;
        for (uint32_t word = 0; word < VECTOR_WORDS; word++)
            for (uint64_t left = w->sides[side][word]; left; left &= left - 1) {
                uint32_t row = word * 64 + (uint32_t)__builtin_ctzll(left);
                bool has_trace = vector_has(v, row) && trace_id_is_set(v->trace_ids[row]);
                uint64_t hash = has_trace ? differ__trace_hash(v->trace_ids[row])
                                          : hash_mix((uint64_t)times->ints[row]) | 1;
                if (hash_mix(hash) > r->keep[side]) {
                    w->sides[side][word] &= ~(left & -left);
                    continue;
                }
                if (!has_trace || !is_noted || hash == last[side])
                    continue;
                last[side] = hash;
                if (!differ__add(r, &w->traces[side], &hash, sizeof hash))
                    return finish_budget_error(&r->budget, e);
            }
    }
    return code;
}

static void add_totals(differ_worker *w)
{
    for (uint32_t side = 0; side < DIFFER_SIDES; side++)
        for (uint32_t word = 0; word < VECTOR_WORDS; word++) {
            uint64_t rows = w->sides[side][word];
            uint64_t count = (uint64_t)__builtin_popcountll(rows);
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

static sk_code count_block(differ_run *r, differ_worker *w, uint32_t number, uint32_t block, err *e)
{
    bool has_rows;
    if (!(r->families >> r->scans[SCAN_ALL].parts[number].info.family & 1))
        return SK_OK;
    sk_code code = find_sides(r, w, number, block, &has_rows, e);
    if (code == SK_CORRUPT) {
        scan_leave_out(&w->scans[SCAN_ALL], e);
        return SK_OK;
    }
    if (code != SK_OK || !has_rows)
        return code;
    if (r->pass == PASS_SIDES) {
        for (uint32_t side = 0; side < DIFFER_SIDES; side++)
            for (uint32_t i = 0; i < VECTOR_WORDS; i++)
                w->seen[side] += (uint64_t)__builtin_popcountll(w->sides[side][i]);
        return SK_OK;
    }
    code = load_weights(w, e);
    if (code == SK_OK)
        code = look_at_traces(r, w, e);
    if (code == SK_OK)
        code = differ__count_block(r, w, number, block, e);
    if (code == SK_OK)
        add_totals(w);
    if (code != SK_CORRUPT)
        return code;
    scan_leave_out(&w->scans[SCAN_ALL], e);
    return SK_OK;
}

/* ---- passes ---- */

static void run_morsel(void *ctx, uint32_t slot, uint32_t number)
{
    differ_run *r = ctx;
    differ_worker *w = r->workers[slot];
    const scan *s = r->pass == PASS_SIDES || r->pass == PASS_COUNT        ? &r->scans[SCAN_ALL]
                    : r->pass == PASS_LINES || r->pass == PASS_LINE_COUNT ? &r->line_scan
                                                                          : &r->span_scan;
    const scan_morsel *m = &s->morsels[number];
    family of = s->parts[m->part].info.family;
    err e = {0};
    bool is_other_family =
        (s == &r->span_scan && of != FAMILY_TRACE) || (s == &r->line_scan && of != FAMILY_LOG);
    for (uint32_t b = m->first_block;
         !is_other_family && b < m->end_block && atomic_load(&r->stop) == SK_OK; b++) {
        sk_code code = local__must_end(r->control, &e);
        if (code == SK_OK && s == &r->scans[SCAN_ALL])
            code = count_block(r, w, m->part, b, &e);
        else if (code == SK_OK && s == &r->line_scan)
            code = differ__line_block(r, w, m->part, b, &e);
        else if (code == SK_OK)
            code = r->pass == PASS_RUNS ? differ__note_runs(r, w, m->part, b, &e)
                                        : differ__span_block(r, w, m->part, b, &e);
        int none = SK_OK;
        if (code != SK_OK && atomic_compare_exchange_strong(&r->stop, &none, (int)code)) {
            lock_take(&r->error_guard);
            r->error = e;
            lock_drop(&r->error_guard);
        }
    }
}

static sk_code run_pass(differ_run *r, differ_pass pass, const scan *s, err *e)
{
    r->pass = pass;
    r->job = (pool_job){.run = run_morsel, .ctx = r, .morsel_count = s->morsel_count};
    pool_start(r->engine->pool, &r->job);
    while (!pool_wait(r->engine->pool, &r->job, INT64_MAX))
        ;
    sk_code code = (sk_code)atomic_load(&r->stop);
    if (code != SK_OK)
        *e = r->error;
    return code;
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

static bool gather_traces(differ_run *r)
{
    for (uint32_t i = 0; i < r->worker_count; i++)
        for (uint32_t side = 0; side < DIFFER_SIDES; side++) {
            const uint64_t *hashes = r->workers[i]->traces[side].at;
            for (uint32_t n = 0; n < r->workers[i]->traces[side].count; n++)
                (void)differ__put(r, &r->traces[side], hashes[n]);
            differ__free(r, &r->workers[i]->traces[side], sizeof *hashes);
        }
    return !atomic_load(&r->budget.failed);
}

/* The traces that were met in more than one run. A hash shared by two traces only makes them wait. */
static bool find_split(differ_run *r)
{
    differ_set met = {0};
    for (uint32_t i = 0; i < r->worker_count; i++) {
        const uint64_t *hashes = r->workers[i]->runs.at;
        for (uint32_t n = 0; n < r->workers[i]->runs.count; n++)
            if (!differ__put(r, &met, hashes[n]))
                (void)differ__put(r, &r->split, hashes[n]);
        differ__free(r, &r->workers[i]->runs, sizeof *hashes);
    }
    agg_free(&r->budget, met.slots, met.slot_count * sizeof *met.slots);
    return !atomic_load(&r->budget.failed);
}

static sk_code suspect(differ_run *r, differences_result *ret, err *e)
{
    sk_code code = run_pass(r, PASS_RUNS, &r->span_scan, e);
    if (code == SK_OK && !find_split(r))
        code = finish_budget_error(&r->budget, e);
    for (uint32_t i = 0; i < r->worker_count; i++)
        r->workers[i]->spans.damage = (scan_damage){0};
    if (code == SK_OK)
        code = run_pass(r, PASS_SPANS, &r->span_scan, e);
    return code == SK_OK ? differ__rank_suspects(r, ret, e) : code;
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
    for (uint32_t i = 0; i < r->worker_count; i++) {
        differ_worker *w = r->workers[i];
        if (code == SK_OK && !differ__end_part(r, w))
            code = finish_budget_error(&r->budget, e);
        for (uint32_t side = 0; side < DIFFER_SIDES; side++) {
            ret->totals.rows[side] += w->totals.rows[side];
            ret->totals.weight[side] += w->totals.weight[side];
            ret->totals.weight_squares[side] += w->totals.weight_squares[side];
        }
    }
    if (code == SK_OK)
        code = differ__rank_fields(r, ret, e);
    if (code == SK_OK && !gather_traces(r))
        code = finish_budget_error(&r->budget, e);
    bool has_sides = ret->totals.rows[0] && ret->totals.rows[1];
    if (code == SK_OK && has_sides && r->query->wants_suspects)
        code = suspect(r, ret, e);
    return code == SK_OK && has_sides && r->query->wants_words ? read_lines(r, ret, e) : code;
}

/* ---- the call ---- */

/* Of spans their own time and the way to them are compared like any field. */
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
    plan_field *fields = ARENA_ARRAY(r->scratch, plan_field, p->field_count + COUNT_OF(derived));
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
    return true;
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
        r->scan_count++;
        if (code == SK_OK && structure_is_needed(&r->plans[i]))
            code = structure_open(r->engine, environment, &r->plans[i], s, r->control, &r->budget,
                                  r->scratch, &r->structures[i], e);
        r->scans[i].structure = r->structures[i];
    }
    const plan times = {.start_ns = r->query->all->start_ns, .end_ns = r->query->all->end_ns};
    r->span_plan = r->line_plan = times;
    r->span_plan.fields = differ__span_fields(r->scratch, &r->span_plan.field_count);
    r->line_plan.fields = differ__line_fields(r->scratch, &r->line_plan.field_count);
    if (code == SK_OK && (!r->span_plan.fields || !r->line_plan.fields))
        code = err_set(e, SK_NO_MEMORY, "memory ran out while a query was prepared");
    if (code == SK_OK) {
        code = scan_open(&r->span_scan, &r->span_plan, s, &r->budget, r->scratch, e);
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
        for (uint32_t side = 0; side < DIFFER_SIDES; side++)
            differ__free(r, &w->traces[side], sizeof(uint64_t));
        differ__free(r, &w->runs, sizeof(uint64_t));
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
    differ_run r = {.engine = (local *)e,
                    .query = q,
                    .control = c,
                    .mem = mem,
                    .scratch = arena_new(SCRATCH_BYTES)};
    int64_t started_ns = clock_mono_ns();
    snapshot *s = NULL;
    *ret = (differences_result){0};
    r.budget.max_bytes = r.engine->o.query_memory_max;
    lock_init(&r.error_guard, RANK_LEAF);
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
    must(atomic_load(&r.budget.used_bytes) == 0);
    snapshot_release(s);
    lock_done(&r.words_guard);
    lock_done(&r.error_guard);
    arena_free(r.scratch);
    ret->elapsed_ns = clock_mono_ns() - started_ns;
    return code;
}
