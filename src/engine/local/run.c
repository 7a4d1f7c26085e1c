/*
 * engine/local/run.c: a plan over a snapshot. Workers of the pool feed blocks to group tables of their own; the asker's thread
 * waits, reports progress and partial results, merges and finishes.
 *
 * One pass keeps every state of every group and bucket. When that would be much for groups that LIMIT does not show, the query
 * takes two: the first keeps only what decides which groups are shown, without time buckets; the second everything for
 * those, the others going to "other" as one group, or only the buckets of those when nothing else was left out. Counts by trace have a first
 * pass of their own (trace_groups.h).
 * Never: holds a snapshot longer than the call; returns before every worker has let go of the query.
 */
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/must.h"
#include "engine/local/feed.h"
#include "engine/local/local_private.h"
#include "engine/local/structure.h"
#include "engine/local/trace_groups.h"
#include "event/fields.h"

#define PROGRESS_NS (100 * NS_PER_MS)
#define PREPARE_BYTES                                                                              \
    (512 * MIB) /* cap of the arena for what is known per part and for choosing groups */
#define PARTIAL_CELLS                                                                              \
    ((uint64_t)64                                                                                  \
     << 10) /* larger tables are not shown half-done: merging them would cost the query */
#define PARTIAL_ARENA   (64 * MIB)
#define TRACES_ROWS_MIN (2 * VECTOR_ROWS) /* fewer: the trace indexes are not looked at */

typedef struct run_slot {
    lock guard; /* the feeder: its worker during a morsel, the asker for a partial result */
    feeder *feeder;
} run_slot;

typedef struct run {
    local *engine;
    uint32_t environment;
    const plan *plan;
    const run_control *control;
    snapshot *snapshot;
    arena *mem; /* of this run, not the asker's */
    agg_budget budget;
    scan scan;
    bool has_scan;
    structure *structure; /* NULL: no field asks for other rows */
    group_keys *keys;
    agg_buckets buckets;
    uint32_t slot_count;
    run_slot *slots;
    pool_job job;
    atomic_int stop; /* sk_code; the first error ends all */
    atomic_bool wants_split;
    atomic_ullong rows_scanned;
    err error; /* of the worker that set `stop`; guarded by error_guard */
    lock error_guard;
    int64_t started_ns;
    uint64_t rows_before, rows_total; /* of earlier passes; of all */
    scan_damage damage;
    uint64_t bytes_read;
    bool shows_partial;
    /* second pass */
    groups first;
    bool has_first;
    bool is_series_only; /* the first pass has all but the time buckets of the chosen groups */
    bool has_series;     /* and a second one those */
    finish_choice choice;
    /* Counts by trace: of each worker; NULL: groups are made as everywhere. */
    trace_tally *tallies;
    straddle_set straddling;
} run;

sk_code local__must_end(const run_control *c, err *e)
{
    if (c && c->cancel && atomic_load_explicit(c->cancel, memory_order_relaxed))
        return err_set(e, SK_CANCELLED, "the query was cancelled");
    if (c && c->deadline_mono_ns && clock_mono_ns() >= c->deadline_mono_ns)
        return err_set(e, SK_TIMEOUT, "the query did not end within its time limit");
    return SK_OK;
}

/* ---- on the workers ---- */

static void stop_run(run *r, sk_code code, const err *e)
{
    int none = SK_OK;
    if (!atomic_compare_exchange_strong(&r->stop, &none, (int)code))
        return;
    lock_take(&r->error_guard);
    r->error = *e;
    lock_drop(&r->error_guard);
}

static void run_morsel(void *ctx, uint32_t slot, uint32_t morsel)
{
    run *r = ctx;
    const scan_morsel *m = &r->scan.morsels[morsel];
    feeder *f = r->slots[slot].feeder;
    err e = {0};
    lock_take(&r->slots[slot].guard);
    for (uint32_t b = m->first_block; b < m->end_block; b++) {
        if (atomic_load_explicit(&r->stop, memory_order_relaxed) != SK_OK ||
            atomic_load_explicit(&r->wants_split, memory_order_relaxed))
            break;
        sk_code code = local__must_end(r->control, &e);
        if (code == SK_OK)
            code = r->tallies
                       ? trace_groups_feed(f, &r->tallies[slot], &r->straddling, m->part, b, &e)
                       : feed_block(f, m->part, b, &e);
        if (code != SK_OK)
            stop_run(r, code, &e);
        if (f->wants_split)
            atomic_store_explicit(&r->wants_split, true, memory_order_relaxed);
        atomic_fetch_add_explicit(&r->rows_scanned, f->scan.row_count, memory_order_relaxed);
    }
    lock_drop(&r->slots[slot].guard);
}

/* ---- on the asker's thread ---- */

static void close_tallies(run *r)
{
    for (uint32_t i = 0; r->tallies && i < r->slot_count; i++)
        trace_tally_done(&r->tallies[i]);
    r->tallies = NULL;
    straddle_set_done(&r->straddling);
}

static void free_feeders(run *r)
{
    for (uint32_t i = 0; i < r->slot_count; i++) {
        feeder_free(r->slots[i].feeder);
        r->slots[i].feeder = NULL;
    }
}

static sk_code make_feeders(run *r, const bool *wanted, const agg_buckets *buckets, err *e)
{
    for (uint32_t i = 0; i < r->slot_count; i++) {
        r->slots[i].feeder = feeder_new(&r->scan, wanted, buckets, r->keys);
        if (!r->slots[i].feeder)
            return finish_budget_error(&r->budget, e);
    }
    return SK_OK;
}

static bool choice_is_whole(const groups *g, arena *mem, finish_choice *ret)
{
    *ret = (finish_choice){.count = g->count - 2, .group_count = g->count - 2};
    ret->groups = ARENA_ARRAY(mem, uint32_t, g->count);
    ret->place = ARENA_ARRAY(mem, uint32_t, g->count);
    if (!ret->groups || !ret->place)
        return false;
    for (uint32_t i = 0; i < ret->count; i++)
        ret->groups[i] = ret->place[i] = i;
    ret->place[ret->count] = FINISH_OTHER;
    ret->place[ret->count + 1] = FINISH_REST;
    return true;
}

/* The answer of a table that has seen all rows, or so far all that were read. */
static sk_code answer(run *r, const groups *g, arena *choosing, arena *mem, result *ret, err *e)
{
    finish_choice choice;
    if (!r->has_first) {
        sk_code code = finish_choose(g, choosing, &choice, e);
        return code != SK_OK ? code : finish_result(g, &choice, NULL, mem, ret, e);
    }
    if (r->is_series_only)
        return finish_result(&r->first, &r->choice, r->has_series ? g : NULL, mem, ret, e);
    if (!choice_is_whole(g, choosing, &choice))
        return err_set(e, SK_NO_MEMORY, "memory ran out while the query was answered");
    choice.group_count = r->choice.group_count;
    return finish_result(g, &choice, NULL, mem, ret, e);
}

/* Adds what a worker has so far to a table made for a partial result. */
static bool add_partial(run *r, groups *sum, run_slot *slot)
{
    bool is_done = true;
    lock_take(&slot->guard);
    groups *g = &slot->feeder->groups;
    if ((uint64_t)g->count * g->buckets.count > PARTIAL_CELLS || groups_have_notes(g))
        is_done = false;
    else
        is_done = r->has_first ? groups_merge_places(sum, g) : groups_merge(sum, g);
    lock_drop(&slot->guard);
    return is_done;
}

static bool append_places(groups *g, const groups *chosen_in, const finish_choice *choice)
{
    bool is_done = true;
    for (uint32_t i = 0; is_done && i < choice->count + 2; i++)
        is_done =
            groups_append(g, i < choice->count ? groups_tuple(chosen_in, choice->groups[i]) : NULL);
    return is_done;
}

/* A partial result costs a merge of the workers' tables; its own budget, so that it cannot end the query. */
static bool partial_result(run *r, arena *mem, groups *sum, agg_budget *budget, result *ret)
{
    budget->max_bytes = r->budget.max_bytes;
    budget->account = r->budget.account;
    if (!groups_init(sum, r->plan, NULL, &r->buckets, r->keys, budget))
        return false;
    if (r->has_first && !append_places(sum, &r->first, &r->choice))
        return false;
    for (uint32_t i = 0; i < r->slot_count; i++)
        if (!add_partial(r, sum, &r->slots[i]))
            return false;
    if (!groups_settle(sum))
        return false;
    err ignored;
    if (answer(r, sum, mem, mem, ret, &ignored) != SK_OK)
        return false;
    ret->is_partial = true;
    ret->rows_scanned =
        r->rows_before + atomic_load_explicit(&r->rows_scanned, memory_order_relaxed);
    ret->elapsed_ns = clock_mono_ns() - r->started_ns;
    return true;
}

static void report_progress(run *r, bool with_partial)
{
    uint64_t rows = r->rows_before + atomic_load_explicit(&r->rows_scanned, memory_order_relaxed);
    agg_budget budget = {0};
    groups sum = {0};
    result partial;
    arena *mem = with_partial && r->shows_partial ? arena_new(PARTIAL_ARENA) : NULL;
    bool has_partial = mem && partial_result(r, mem, &sum, &budget, &partial);
    if (mem && !has_partial)
        r->shows_partial = false;
    r->control->progress(r->control->ctx, rows, r->rows_total, has_partial ? &partial : NULL);
    if (sum.plan)
        groups_done(&sum);
    agg_budget_done(&budget);
    arena_free(mem);
}

/* Runs all morsels through the feeders. `with_partial`: the tables of this pass can be shown. */
static sk_code run_pass(run *r, bool with_partial, err *e)
{
    atomic_store(&r->rows_scanned, 0);
    r->job = (pool_job){.run = run_morsel, .ctx = r, .morsel_count = r->scan.morsel_count};
    pool_start(r->engine->pool, &r->job);
    int64_t next = clock_mono_ns() + PROGRESS_NS;
    bool has_progress = r->control && r->control->progress;
    while (!pool_wait(r->engine->pool, &r->job, has_progress ? next : INT64_MAX)) {
        if (has_progress && clock_mono_ns() >= next) {
            report_progress(r, with_partial);
            next = clock_mono_ns() + PROGRESS_NS;
        }
    }
    for (uint32_t i = 0; i < r->slot_count; i++) {
        const scan_worker *w = &r->slots[i].feeder->scan;
        r->bytes_read += w->bytes_read;
        if (w->damage.blocks && !r->damage.blocks)
            memcpy(r->damage.first, w->damage.first, sizeof r->damage.first);
        r->damage.blocks += w->damage.blocks;
    }
    r->rows_before += atomic_load(&r->rows_scanned);
    sk_code code = (sk_code)atomic_load(&r->stop);
    if (code != SK_OK && e)
        *e = r->error;
    return code;
}

/* All workers' tables into the first one's. */
static sk_code merge_feeders(run *r, err *e)
{
    groups *into = &r->slots[0].feeder->groups;
    for (uint32_t i = 1; i < r->slot_count; i++) {
        sk_code code = local__must_end(r->control, e);
        if (code != SK_OK)
            return code;
        groups *from = &r->slots[i].feeder->groups;
        bool is_done = r->has_first ? groups_merge_places(into, from) : groups_merge(into, from);
        if (!is_done)
            return finish_budget_error(&r->budget, e);
    }
    return groups_settle(into) ? SK_OK : finish_budget_error(&r->budget, e);
}

/* Whether a calculation costs the choosing pass next to nothing: it counts rows, or reads states that are kept anyway. */
static bool is_free(const plan *p, const bool *wanted, uint32_t calc)
{
    const plan_calc *c = &p->calcs[calc];
    agg_family kind = agg_rule_of(c->op)->family;
    bool is_kept = kind == AGG_COUNT && c->field == GROUP_NO_FIELD;
    for (uint32_t i = 0; i < p->calc_count; i++)
        is_kept |= wanted[i] && p->calcs[i].field == c->field &&
                   agg_rule_of(p->calcs[i].op)->family == kind;
    return is_kept;
}

/* Whether two passes can help: the choice of groups needs less than the answer. */
static bool may_split(const run *r, bool *wanted)
{
    const plan *p = r->plan;
    finish_choice_needs(p, wanted);
    bool has_more = p->wants_series && r->buckets.count > 1;
    for (uint32_t i = 0; i < p->calc_count; i++) {
        if (wanted[i] && agg_rule_of(p->calcs[i].op)->is_rate)
            return false; /* needs every bucket to choose */
        wanted[i] = wanted[i] || is_free(p, wanted, i);
        has_more |= !wanted[i];
    }
    return has_more && p->breakdown_count > 0;
}

/* How many values a field may have in a part, by its dictionaries. */
static uint64_t count_values(const scan_part *p, const plan_field *of)
{
    uint64_t count = 1; /* absent */
    for (uint32_t c = 0; c < of->candidate_count; c++) {
        uint32_t columns[FIELD_TYPE_COUNT], n = part_find(p->part, of->candidates[c], columns);
        for (uint32_t i = 0; i < n; i++)
            count += part_dictionary(p->part, columns[i])->count;
        count += span_is(of->candidates[c], F_TRACE_ID) || span_is(of->candidates[c], F_SPAN_ID)
                     ? p->info.row_count / 16
                     : 0;
    }
    return count;
}

/* Whether filters may leave few of the values: all do but `exists`. */
static bool may_leave_few(const plan *p)
{
    bool may = false;
    for (uint32_t i = 0; i < p->filter_count; i++)
        may |= p->filters[i].op != FILTER_EXISTS;
    return may || p->related_count;
}

/* Whether a first pass that keeps everything would only find out that there are too many groups: told by the largest sealed
 * part, when nothing is filtered. */
static bool expects_many_groups(run *r, uint64_t cell_cost)
{
    const scan_part *largest = NULL;
    for (uint32_t i = 0; i < r->scan.part_count; i++) {
        const scan_part *p = &r->scan.parts[i];
        if (!p->info.is_open && (!largest || p->info.row_count > largest->info.row_count))
            largest = p;
    }
    if (!largest || may_leave_few(r->plan))
        return false;
    uint64_t group_count = 1;
    for (uint32_t b = 0; b < r->plan->breakdown_count && group_count <= largest->info.row_count;
         b++) {
        uint64_t values = count_values(largest, &r->plan->fields[r->plan->breakdowns[b]]);
        group_keys_expect(r->keys, b, (uint32_t)(values < UINT32_MAX ? values : UINT32_MAX));
        group_count *= values;
    }
    return group_count <= UINT32_MAX && feed_is_too_much(r->plan, (uint32_t)group_count, cell_cost);
}

/* The workers' tables, joined in the first one's, become the first pass's. */
static void take_first(run *r)
{
    r->first = r->slots[0].feeder->groups;
    r->slots[0].feeder->groups = (groups){.plan = r->plan, .budget = &r->budget};
    r->has_first = true;
}

static sk_code run_second_pass(run *r, err *e)
{
    free_feeders(r);
    r->has_series = r->is_series_only;
    sk_code code = make_feeders(r, NULL, &r->buckets, e);
    for (uint32_t i = 0; code == SK_OK && i < r->slot_count; i++)
        if (!feeder_set_choice(r->slots[i].feeder, &r->first, &r->choice, r->is_series_only))
            code = finish_budget_error(&r->budget, e);
    if (code == SK_OK)
        code = run_pass(r, !r->is_series_only, e);
    return code == SK_OK ? merge_feeders(r, e) : code;
}

static agg_buckets one_bucket(const plan *p)
{
    return (agg_buckets){p->start_ns, p->end_ns, p->end_ns - p->start_ns, 1};
}

static sk_code run_two_passes(run *r, const bool *wanted, err *e)
{
    agg_buckets one = one_bucket(r->plan);
    free_feeders(r);
    atomic_store(&r->wants_split, false);
    r->rows_total += r->scan.rows_total;
    sk_code code = make_feeders(r, wanted, &one, e);
    if (code == SK_OK)
        code = run_pass(r, false, e);
    if (code == SK_OK)
        code = merge_feeders(r, e);
    if (code != SK_OK)
        return code;
    take_first(r);
    code = finish_choose(&r->first, r->mem, &r->choice, e);
    r->is_series_only = true;
    for (uint32_t i = 0; i < r->plan->calc_count; i++)
        r->is_series_only &= wanted[i];
    return code == SK_OK ? run_second_pass(r, e) : code;
}

/* Whether traces that lie in one place can be told from the others: *ret. */
static sk_code find_straddling(run *r, bool *ret, err *e)
{
    sk_code code = straddle_find(r->engine, r->environment, &r->slots[0].feeder->scan, r->control,
                                 &r->straddling, e);
    *ret = code == SK_OK && !r->straddling.is_partial;
    return code == SK_CORRUPT ? SK_OK : code;
}

static sk_code run_by_trace(run *r, err *e)
{
    agg_buckets one = one_bucket(r->plan);
    bool has_more = r->plan->wants_series && r->buckets.count > 1;
    free_feeders(r);
    r->rows_total += has_more ? r->scan.rows_total : 0;
    sk_code code = make_feeders(r, NULL, &one, e);
    trace_tally *tallies = ARENA_ARRAY(r->mem, trace_tally, r->slot_count);
    if (!tallies)
        return err_set(e, SK_NO_MEMORY, "memory ran out while a query was prepared");
    r->tallies = tallies;
    for (uint32_t i = 0; code == SK_OK && i < r->slot_count; i++)
        if (!trace_tally_init(&tallies[i], r->plan, &r->budget))
            code = finish_budget_error(&r->budget, e);
    if (code == SK_OK)
        code = run_pass(r, false, e);
    if (code == SK_OK)
        code = merge_feeders(r, e);
    if (code != SK_OK)
        return code;
    take_first(r);
    code = trace_groups_choose(&r->first, tallies, r->slot_count, r->mem, &r->choice, e);
    close_tallies(r);
    r->is_series_only = true;
    return code == SK_OK && has_more ? run_second_pass(r, e) : code;
}

static bool may_count_traces(const run *r)
{
    return r->scan.rows_total > TRACES_ROWS_MIN && !may_leave_few(r->plan) &&
           trace_groups_fit(&r->scan);
}

static sk_code run_passes(run *r, err *e)
{
    bool *wanted = ARENA_ARRAY(r->mem, bool, r->plan->calc_count + 1);
    if (!wanted)
        return err_set(e, SK_NO_MEMORY, "memory ran out while a query was prepared");
    bool may = may_split(r, wanted);
    sk_code code = make_feeders(r, NULL, &r->buckets, e);
    for (uint32_t i = 0; code == SK_OK && i < r->slot_count; i++)
        r->slots[i].feeder->may_split = may;
    r->rows_total = r->scan.rows_total;
    bool by_trace = false;
    if (code == SK_OK && may_count_traces(r))
        code = find_straddling(r, &by_trace, e);
    if (code == SK_OK && by_trace)
        return run_by_trace(r, e);
    if (code == SK_OK && expects_many_groups(r, r->slots[0].feeder->cell_cost) && may)
        return run_two_passes(r, wanted, e);
    if (code == SK_OK)
        code = run_pass(r, true, e);
    if (code == SK_OK && atomic_load(&r->wants_split))
        return run_two_passes(r, wanted, e);
    return code == SK_OK ? merge_feeders(r, e) : code;
}

static bool note_damage(run *r, arena *mem, result *ret)
{
    if (!r->damage.blocks && r->structure)
        r->damage = r->structure->damage; /* of blocks that only other rows of a trace are in */
    if (!r->damage.blocks)
        return true;
    const char **lines = ARENA_ARRAY(mem, const char *, ret->approximate_count + 1);
    span line = arena_print(mem, "%u damaged blocks were left out; the first: %s%c",
                            r->damage.blocks, r->damage.first, 0);
    if (!lines || !line.at)
        return false;
    for (uint32_t i = 0; i < ret->approximate_count; i++)
        lines[i] = ret->approximate[i];
    lines[ret->approximate_count++] = (const char *)line.at;
    ret->approximate = lines;
    return true;
}

/* ---- the call ---- */

static sk_code open_run(run *r, uint32_t environment, err *e)
{
    const plan *p = r->plan;
    uint32_t families = 0;
    r->mem = arena_new_accounted(PREPARE_BYTES, r->engine->o.store.memory, MEMORY_QUERY);
    if (!r->mem)
        return err_set(e, SK_NO_MEMORY, "memory ran out while a query was prepared");
    r->slot_count = pool_workers(r->engine->pool);
    r->slots = ARENA_ARRAY(r->mem, run_slot, r->slot_count);
    if (!r->slots)
        return err_set(e, SK_NO_MEMORY, "memory ran out while a query was prepared");
    for (uint32_t i = 0; i < r->slot_count; i++)
        lock_init(&r->slots[i].guard, RANK_ENGINE);
    bool has_rate = false;
    for (uint32_t i = 0; i < p->calc_count; i++)
        has_rate |= agg_rule_of(p->calcs[i].op)->is_rate;
    r->buckets = (agg_buckets){p->start_ns, p->end_ns, p->granularity_ns, p->bucket_count};
    if (!p->wants_series && !has_rate)
        r->buckets = (agg_buckets){p->start_ns, p->end_ns, p->end_ns - p->start_ns, 1};
    bool by_trace = structure_is_needed(p); /* then rows of all times may matter */
    sk_code code = local__families(r->engine, environment, p->dataset, &families, e);
    if (code == SK_OK)
        code = store_snapshot(r->engine->store, environment, families,
                              by_trace ? INT64_MIN : p->start_ns, by_trace ? INT64_MAX : p->end_ns,
                              &r->snapshot, e);
    if (code != SK_OK)
        return code;
    r->keys = group_keys_new(p->breakdown_count, &r->budget);
    if (!r->keys)
        return finish_budget_error(&r->budget, e);
    code = scan_open(&r->scan, p, r->snapshot, &r->budget, r->mem, e);
    r->scan.kept = r->engine->kept;
    r->has_scan = true;
    if (code == SK_OK && by_trace)
        code = structure_open(r->engine, environment, p, r->snapshot, r->control, &r->budget,
                              r->mem, &r->structure, e);
    r->scan.structure = r->structure;
    return code;
}

static void close_run(run *r)
{
    if (r->slots) {
        free_feeders(r);
        close_tallies(r);
        for (uint32_t i = 0; i < r->slot_count; i++)
            lock_done(&r->slots[i].guard);
    }
    if (r->has_first)
        groups_done(&r->first);
    if (r->has_scan)
        scan_close(&r->scan);
    structure_close(r->structure);
    group_keys_free(r->keys);
    snapshot_release(r->snapshot);
    lock_done(&r->error_guard);
    arena_free(r->mem);
}

sk_code local__run(engine *e, uint32_t environment, const plan *p, const run_control *c, arena *mem,
                   result *ret, err *er)
{
    run r = {.engine = (local *)e,
             .environment = environment,
             .straddling = {.budget = &r.budget},
             .plan = p,
             .control = c,
             .shows_partial = true,
             .started_ns = clock_mono_ns()};
    r.budget.max_bytes = r.engine->o.query_memory_max;
    r.budget.account = r.engine->o.store.memory;
    lock_init(&r.error_guard, RANK_LEAF);
    sk_code code = open_run(&r, environment, er);
    if (code == SK_OK)
        code = run_passes(&r, er);
    if (code == SK_OK)
        code = answer(&r, &r.slots[0].feeder->groups, r.mem, mem, ret, er);
    if (code == SK_OK) {
        ret->rows_scanned = r.rows_before;
        ret->bytes_read = r.bytes_read;
        if (!note_damage(&r, mem, ret))
            code =
                err_set(er, SK_TOO_LARGE, "the result passes the memory that one answer may take");
    }
    close_run(&r);
    agg_budget_done(&r.budget);
    if (code == SK_OK)
        ret->elapsed_ns = clock_mono_ns() - r.started_ns;
    return code;
}
