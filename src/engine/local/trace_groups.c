/*
 * engine/local/trace_groups.c: see trace_groups.h.
 */
#include "engine/local/trace_groups.h"

#include "engine/local/feed_private.h"
#include "event/fields.h"

bool trace_groups_fit(const scan *s)
{
    const plan *p = s->plan;
    bool fits = p->breakdown_count == 1 && p->calc_count > 0 && !s->structure;
    const plan_field *by = fits ? &p->fields[p->breakdowns[0]] : NULL;
    fits = fits && !by->derived && !by->relation && by->candidate_count == 1 &&
           span_is(by->candidates[0], F_TRACE_ID);
    for (uint32_t i = 0; fits && i < p->calc_count; i++)
        fits = p->calcs[i].op == CALC_COUNT && p->calcs[i].field == GROUP_NO_FIELD;
    for (uint32_t i = 0; fits && i < s->part_count; i++) {
        uint32_t named[FIELD_TYPE_COUNT];
        fits = s->parts[i].info.family == FAMILY_TRACE &&
               part_find(s->parts[i].part, by->candidates[0], named) == 0;
    }
    return fits;
}

/* ---- the first groups in order ---- */

/* As their texts compare: without a high half an id has 16 digits. */
static int compare_ids(trace_id a, trace_id b)
{
    uint64_t x = a.hi ? a.hi : a.lo, y = b.hi ? b.hi : b.lo;
    if (x != y || !a.hi || !b.hi)
        return x != y ? (x > y) - (x < y) : (a.hi != 0) - (b.hi != 0);
    return (a.lo > b.lo) - (a.lo < b.lo);
}

/* result_compare_rows for what is counted here. */
static bool comes_before(const plan *p, const trace_count *a, const trace_count *b)
{
    static const plan_order usual = {.is_calc = true, .descending = true};
    const plan_order *orders = p->order_count ? p->orders : &usual;
    uint32_t order_count = p->order_count ? p->order_count : 1;
    for (uint32_t i = 0; i < order_count; i++) {
        int diff = orders[i].is_calc ? (a->rows > b->rows) - (a->rows < b->rows)
                                     : compare_ids(a->id, b->id);
        if (diff)
            return orders[i].descending ? diff > 0 : diff < 0;
    }
    return compare_ids(a->id, b->id) < 0;
}

static void sift_down(trace_tally *t, uint32_t at)
{
    for (;;) {
        uint32_t last = at, left = 2 * at + 1;
        for (uint32_t child = left; child < left + 2 && child < t->count; child++)
            if (comes_before(t->plan, &t->heap[last], &t->heap[child]))
                last = child;
        if (last == at)
            return;
        trace_count swap = t->heap[at];
        t->heap[at] = t->heap[last];
        t->heap[last] = swap;
        at = last;
    }
}

static void keep_first(trace_tally *t, const trace_count *c)
{
    if (t->count < t->limit) {
        t->heap[t->count++] = *c;
        for (uint32_t i = t->count == t->limit ? t->limit / 2 + 1 : 0; i-- > 0;)
            sift_down(t, i);
    } else if (t->limit && comes_before(t->plan, c, &t->heap[0])) {
        t->heap[0] = *c;
        sift_down(t, 0);
    }
}

static bool passes(const plan *p, uint64_t rows)
{
    result_value v = rows <= INT64_MAX ? (result_value){.kind = RESULT_INT, .i = (int64_t)rows}
                                       : (result_value){.kind = RESULT_NUMBER, .f = (double)rows};
    bool passes = true;
    for (uint32_t i = 0; i < p->having_count; i++)
        passes &= finish_having_holds(&p->havings[i], v);
    return passes;
}

static void add_group(trace_tally *t, const trace_count *c)
{
    if (t->plan->having_count && !passes(t->plan, c->rows)) {
        t->failing_rows += c->rows;
        return;
    }
    t->passing++;
    t->passing_rows += c->rows;
    keep_first(t, c);
}

bool trace_tally_init(trace_tally *t, const plan *p, agg_budget *budget)
{
    *t = (trace_tally){.plan = p, .budget = budget, .limit = p->limit};
    t->heap = agg_alloc(budget, (t->limit + 1ul) * sizeof *t->heap);
    return t->heap != NULL;
}

void trace_tally_done(trace_tally *t)
{
    if (t->heap)
        agg_free(t->budget, t->heap, (t->limit + 1ul) * sizeof *t->heap);
    t->heap = NULL;
}

/* ---- blocks ---- */

static void add_rows(groups *g, uint32_t group, uint64_t rows)
{
    agg_count_add(&g->states[g->calc_states[0]].states, group, rows);
}

/* The selected rows that have an id as runs of neighbours: ids into run_trace_ids, rows into run_times. Those without: *ret_absent. */
static uint32_t list_runs(feeder *f, const vector *v, const vector *rates, uint64_t *ret_absent)
{
    const scan_worker *w = &f->scan;
    trace_id *ids = f->run_trace_ids;
    int64_t *rows = f->run_times;
    uint32_t count = 0;
    *ret_absent = 0;
    if (w->all && v->all_present && rates->is_constant && rates->ints[0] == 1) {
        for (uint32_t row = 0, start = 0; row < w->row_count; start = row) {
            trace_id id = v->trace_ids[row];
            while (row < w->row_count && trace_id_equal(v->trace_ids[row], id))
                row++;
            ids[count] = id;
            rows[count++] = row - start;
        }
        return count;
    }
    uint64_t present[VECTOR_WORDS];
    scan_present(v, present);
    for (uint32_t k = 0; k < w->count; k++) {
        uint32_t row = w->rows[k];
        if (!(present[row >> 6] >> (row & 63) & 1)) {
            *ret_absent += (uint64_t)rates->ints[row];
            continue;
        }
        if (!count || !trace_id_equal(ids[count - 1], v->trace_ids[row])) {
            ids[count] = v->trace_ids[row];
            rows[count++] = 0;
        }
        rows[count - 1] += rates->ints[row];
    }
    return count;
}

/* Counts whole groups; the other runs move to the front. */
static uint32_t take_whole(feeder *f, trace_tally *t, const straddle_set *straddling,
                           const vector *v, uint32_t count)
{
    trace_id first = v->trace_ids[0], last = v->trace_ids[v->row_count - 1];
    uint32_t left = 0;
    for (uint32_t i = 0; i < count; i++) {
        trace_count c = {f->run_trace_ids[i], (uint64_t)f->run_times[i]};
        if (trace_id_equal(c.id, first) || trace_id_equal(c.id, last) ||
            straddle_has(straddling, part_trace_hash(c.id))) {
            f->run_trace_ids[left] = c.id;
            f->run_times[left++] = f->run_times[i];
        } else {
            add_group(t, &c);
        }
    }
    return left;
}

static bool put_runs(feeder *f, uint32_t count, uint64_t absent)
{
    static const uint32_t no_id = GROUP_KEY_ABSENT;
    const uint32_t *keys = f->run_cells, *absent_key = &no_id;
    uint32_t group = 0;
    if (absent && !groups_put_rows(&f->groups, &absent_key, 1, &group))
        return false;
    if (absent)
        add_rows(&f->groups, group, absent);
    if (!count)
        return true;
    group_keys_begin(f->groups.keys, 0);
    bool is_done = group_keys_trace_ids(f->groups.keys, 0, f->run_trace_ids, count, f->run_cells);
    group_keys_end(f->groups.keys, 0);
    if (!is_done || !groups_put_rows(&f->groups, &keys, count, f->group_room))
        return false;
    for (uint32_t i = 0; i < count; i++)
        add_rows(&f->groups, f->group_room[i], (uint64_t)f->run_times[i]);
    return true;
}

sk_code trace_groups_feed(feeder *f, trace_tally *t, const straddle_set *straddling,
                          uint32_t part_number, uint32_t block, err *e)
{
    scan_worker *w = &f->scan;
    const vector *v, *rates;
    sk_code code = scan_block(w, part_number, block, e);
    if (code != SK_OK || w->count == 0)
        return code;
    code = scan_read(w, PART_RATE, &rates, e);
    if (code == SK_OK)
        code = scan_read(w, PART_TRACE_ID, &v, e);
    if (code == SK_CORRUPT) {
        scan_leave_out(w, e);
        return SK_OK;
    }
    if (code != SK_OK)
        return code;
    uint64_t absent;
    uint32_t count = list_runs(f, v, rates, &absent);
    if (!w->at->info.is_open && v->all_present)
        count = take_whole(f, t, straddling, v, count);
    return put_runs(f, count, absent) ? SK_OK : finish_budget_error(f->groups.budget, e);
}

/* ---- the end ---- */

static bool put_kept(groups *g, const trace_tally *t)
{
    for (uint32_t i = 0; i < t->count; i++) {
        uint32_t key = 0, group = 0;
        const uint32_t *keys = &key;
        group_keys_begin(g->keys, 0);
        bool is_done = group_keys_trace_ids(g->keys, 0, &t->heap[i].id, 1, &key);
        group_keys_end(g->keys, 0);
        if (!is_done || !groups_put_rows(g, &keys, 1, &group))
            return false;
        add_rows(g, group, t->heap[i].rows);
    }
    return true;
}

sk_code trace_groups_choose(groups *g, const trace_tally *tallies, uint32_t count, arena *mem,
                            finish_choice *ret, err *e)
{
    uint64_t passing = 0, passing_rows = 0, failing_rows = 0;
    for (uint32_t n = 0; n < count; n++) {
        passing += tallies[n].passing - tallies[n].count;
        passing_rows += tallies[n].passing_rows;
        failing_rows += tallies[n].failing_rows;
        for (uint32_t i = 0; i < tallies[n].count; i++)
            passing_rows -= tallies[n].heap[i].rows;
        if (!put_kept(g, &tallies[n]))
            return finish_budget_error(g->budget, e);
    }
    sk_code code = finish_choose(g, mem, ret, e);
    if (code != SK_OK)
        return code;
    uint32_t *place = ARENA_ARRAY(mem, uint32_t, g->count + 2);
    if (!place)
        return err_set(e, SK_NO_MEMORY, "memory ran out while the query was answered");
    memcpy(place, ret->place, g->count * sizeof *place);
    ret->place = place;
    ret->place[g->count] = FINISH_OTHER;
    ret->place[g->count + 1] = FINISH_REST;
    ret->group_count += (uint32_t)passing;
    if (!groups_append(g, NULL) || !groups_append(g, NULL))
        return finish_budget_error(g->budget, e);
    add_rows(g, g->count - 2, passing_rows);
    add_rows(g, g->count - 1, failing_rows);
    return SK_OK;
}
