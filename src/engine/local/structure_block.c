/*
 * engine/local/structure_block.c: the results of one block's rows. Rows of a sealed segment stand by trace, spans by start, with the parent as a
 * row: such runs of rows are judged in one pass, without ids. Runs that are not so (ids that are not unique, clocks that disagree
 * about who was first, runs cut by the block's edges) go through derive.h; those of traces that lie elsewhere too were
 * judged before the scan.
 */
#include "base/must.h"
#include "engine/local/structure.h"

#define STAMPS 4096u
#define SIMPLE_SPANS                                                                               \
    512u /* in longer runs looking for an id among all costs more than derive.h does */
#define LOOSE_SPANS 32u /* spans whose parent is looked for among all of the run */

/* ---- may the run be judged in one pass ---- */

static inline uint32_t stamp_of(uint64_t id)
{
    return (uint32_t)(id * 0x9e3779b97f4a7c15ull >> 52);
}

static bool has_id(const span_block *b, uint32_t first, uint32_t end, uint64_t id)
{
    uint64_t same = 0;
    for (uint32_t i = first; i < end; i++)
        same |= b->ids[i] == id;
    return same;
}

/* A server and a client that share an id: the client is the server's parent, whatever the server says. */
static bool may_share_id(structure_worker *w, const span_block *b, uint32_t first, uint32_t end)
{
    uint32_t stamp = ++w->stamp;
    uint32_t servers = 0, clients = 0;
    for (uint32_t i = first; i < end; i++) {
        servers += b->kinds[i] == KIND_SERVER;
        clients += b->kinds[i] == KIND_CLIENT;
    }
    if (!servers || !clients)
        return false;
    for (uint32_t i = first; i < end; i++) {
        uint32_t *place = &w->stamps[stamp_of(b->ids[i])];
        if (*place == stamp && has_id(b, first, i, b->ids[i]))
            return true;
        *place = stamp;
    }
    return false;
}

/* What is known of a block: of its runs but the first and the last, which the edges may cut. */
enum {
    BLOCK_CHECKED = 1,
    BLOCK_SIMPLE = 2,    /* all may be judged in one pass */
    BLOCK_FORWARD = 4,   /* but for depths: some parents come after their children */
    BLOCK_ANNOTATED = 8, /* some rows are not spans */
};

static uint32_t spans_end(const span_block *b, uint32_t first, uint32_t end)
{
    while (first < end && b->ids[first])
        first++;
    return first;
}

/* Flags of one run. */
static uint8_t check_run(structure_worker *w, const span_block *b, uint32_t first, uint32_t end)
{
    uint32_t spans = spans_end(b, first, end), loose = 0, bad = 0, forward = 0;
    for (uint32_t i = spans; i < end; i++)
        bad |= b->ids[i] != 0; /* spans behind annotations: not in the order that is relied on */
    if (bad || spans - first > SIMPLE_SPANS)
        return 0;
    for (uint32_t i = first; i < spans; i++) {
        uint32_t parent = b->parents[i] - b->first_row;
        bool has_parent = b->parents[i] != DERIVE_NONE;
        bad |= i > first && b->times[i] < b->times[i - 1];
        bad |= has_parent && (parent < first || parent >= spans || parent == i);
        forward |= has_parent && parent > i;
        loose += b->parent_ids[i] != 0;
    }
    if (bad || loose > LOOSE_SPANS)
        return 0;
    for (uint32_t i = first; loose && i < spans; i++)
        if (b->parent_ids[i] && has_id(b, first, spans, b->parent_ids[i]))
            return 0; /* several have the id, or it is its own */
    if (may_share_id(w, b, first, spans))
        return 0;
    return (uint8_t)(BLOCK_SIMPLE | (forward ? BLOCK_FORWARD : 0) |
                     (spans < end ? BLOCK_ANNOTATED : 0));
}

static uint8_t check_block(structure_worker *w, uint32_t part_number, const span_block *b)
{
    _Atomic(uint8_t) *flags = w->structure->flags[part_number];
    uint8_t known = flags ? atomic_load_explicit(&flags[b->block], memory_order_relaxed) : 0;
    if (known)
        return known;
    known = BLOCK_CHECKED | BLOCK_SIMPLE;
    for (uint32_t run = 1; run + 1 < b->run_count && (known & BLOCK_SIMPLE); run++) {
        uint8_t one = check_run(w, b, b->run_first[run], b->run_first[run + 1]);
        if (!trace_id_is_set(b->run_id[run]))
            one = BLOCK_SIMPLE | BLOCK_ANNOTATED;
        known = one & BLOCK_SIMPLE ? known | one : BLOCK_CHECKED;
    }
    if (flags)
        atomic_store_explicit(&flags[b->block], known, memory_order_relaxed);
    return known;
}

/* ---- one pass ---- */

static void pass_self(structure_worker *w, const span_block *b, uint32_t first, uint32_t end)
{
    for (uint32_t i = first; i < end; i++) {
        w->ends[i] = derive_end(b->times[i], b->durations[i]);
        w->until[i] = b->times[i];
        w->self_ns[i] = b->durations[i];
    }
    for (uint32_t i = first; i < end; i++) {
        if (b->parents[i] == DERIVE_NONE || b->kinds[i] == KIND_CONSUMER)
            continue;
        uint32_t parent = b->parents[i] - b->first_row;
        int64_t from = b->times[i] > w->until[parent] ? b->times[i] : w->until[parent];
        int64_t to = w->ends[i] < w->ends[parent] ? w->ends[i] : w->ends[parent];
        if (from < to) {
            w->self_ns[parent] -= to - from;
            w->until[parent] = to;
        }
    }
}

static void pass_gap(structure_worker *w, const span_block *b, uint32_t first, uint32_t end)
{
    for (uint32_t i = first; i < end; i++) {
        w->gap_ns[i] = -1;
        if (b->parents[i] == DERIVE_NONE)
            continue;
        uint32_t parent = b->parents[i] - b->first_row;
        bool is_same =
            b->services[i] == b->services[parent] && b->instances[i] == b->instances[parent];
        if (!is_same && b->durations[i] >= 0 && b->durations[parent] >= b->durations[i])
            w->gap_ns[i] = b->durations[parent] - b->durations[i];
    }
}

static void pass_depth(structure_worker *w, const span_block *b, uint32_t first, uint32_t end)
{
    for (uint32_t i = first; i < end; i++)
        w->depths[i] =
            b->parents[i] == DERIVE_NONE ? 0 : w->depths[b->parents[i] - b->first_row] + 1;
}

static void pass_parents(structure_worker *w, const span_block *b, uint32_t first, uint32_t end)
{
    uint32_t *out = w->chosen[DERIVE_PARENT];
    for (uint32_t i = first; i < end; i++) {
        uint32_t parent = b->parents[i];
        bool is_match = parent != DERIVE_NONE &&
                        (b->matches[parent - b->first_row] & DERIVE_BIT(DERIVE_PARENT));
        out[i] = is_match ? parent : DERIVE_NONE;
    }
}

/* False: two that match begin at the same time, and it matters which is first. */
static bool pass_children(structure_worker *w, const span_block *b, uint32_t first, uint32_t end)
{
    uint32_t *out = w->chosen[DERIVE_CHILD];
    for (uint32_t i = first; i < end; i++)
        out[i] = DERIVE_NONE;
    for (uint32_t i = first; i < end; i++) {
        if (b->parents[i] == DERIVE_NONE || !(b->matches[i] & DERIVE_BIT(DERIVE_CHILD)))
            continue;
        uint32_t parent = b->parents[i] - b->first_row;
        if (out[parent] == DERIVE_NONE)
            out[parent] = b->first_row + i;
        else if (w->structure->value_count && b->times[out[parent] - b->first_row] == b->times[i])
            return false;
    }
    return true;
}

/* False: several roots begin first. */
static bool pass_roots(structure_worker *w, const span_block *b, uint32_t first, uint32_t end)
{
    uint8_t relations = w->structure->rules.relations;
    uint32_t root = DERIVE_NONE;
    for (uint32_t i = first; i < end; i++) {
        if (b->parents[i] != DERIVE_NONE || b->parent_ids[i])
            continue;
        if (root != DERIVE_NONE && b->times[i] == b->times[root])
            return false;
        if (root != DERIVE_NONE)
            break;
        root = i;
    }
    uint32_t row = root == DERIVE_NONE ? DERIVE_NONE : b->first_row + root;
    bool is_match = root != DERIVE_NONE && (b->matches[root] & DERIVE_BIT(DERIVE_ROOT));
    for (uint32_t i = first; i < end && (relations & DERIVE_BIT(DERIVE_ROOT)); i++)
        w->chosen[DERIVE_ROOT][i] = is_match ? row : DERIVE_NONE;
    for (uint32_t i = first; i < end && (relations & DERIVE_BIT(DERIVE_TOP)); i++)
        w->chosen[DERIVE_TOP][i] = row;
    return true;
}

/* What is judged run by run even where all runs are simple. */
static bool pass_relatives(structure_worker *w, const span_block *b, uint32_t first, uint32_t end)
{
    uint8_t relations = w->structure->rules.relations;
    if ((relations & (DERIVE_BIT(DERIVE_ROOT) | DERIVE_BIT(DERIVE_TOP))) &&
        !pass_roots(w, b, first, end))
        return false;
    return !(relations & DERIVE_BIT(DERIVE_CHILD)) || pass_children(w, b, first, end);
}

static void pass_spans(structure_worker *w, const span_block *b, uint32_t first, uint32_t end)
{
    const derive_rules *rules = &w->structure->rules;
    if (rules->relations & DERIVE_BIT(DERIVE_PARENT))
        pass_parents(w, b, first, end);
    if (rules->wants_self)
        pass_self(w, b, first, end);
    if (rules->wants_gap)
        pass_gap(w, b, first, end);
    if (rules->wants_depth)
        pass_depth(w, b, first, end);
}

static bool judge_simply(structure_worker *w, const span_block *b, uint32_t run, uint8_t known)
{
    uint32_t first = b->run_first[run], end = b->run_first[run + 1];
    if (run == 0 || run + 1 == b->run_count || !(known & BLOCK_SIMPLE))
        known = check_run(w, b, first, end);
    if (!(known & BLOCK_SIMPLE) || ((known & BLOCK_FORWARD) && w->structure->rules.wants_depth))
        return false;
    end = spans_end(b, first, end);
    if (!pass_relatives(w, b, first, end))
        return false;
    pass_spans(w, b, first, end);
    return true;
}

/* ---- the slow way ---- */

static const span_block *block_of(const structure_worker *w, uint32_t row)
{
    for (int i = 0; i < 3; i++)
        if (w->near[i] && w->near[i]->block == row / VECTOR_ROWS)
            return w->near[i];
    return NULL;
}

static int compare_rows(void *ctx, derive_relation r, const derive_span *a, const derive_span *b)
{
    const structure_worker *w = ctx;
    const span_block *x = block_of(w, a->place), *y = block_of(w, b->place);
    int diff = 0;
    must(x && y);
    for (uint32_t i = 0; i < w->structure->value_count && !diff; i++) {
        scan_scratch one, other;
        if (w->structure->values[i].relation == r)
            diff = structure__compare_values(
                structure__value_at(w, x, i, a->place - x->first_row, &one),
                structure__value_at(w, y, i, b->place - y->first_row, &other));
    }
    return diff;
}

static uint64_t parent_id_of(const structure_worker *w, const span_block *b, uint32_t row)
{
    if (b->parents[row] == DERIVE_NONE)
        return b->parent_ids[row];
    const span_block *of = block_of(w, b->parents[row]);
    return of ? of->ids[b->parents[row] - of->first_row] : 0;
}

static sk_code take_spans(structure_worker *w, const span_block *b, uint32_t first, uint32_t end,
                          uint32_t *count, err *e)
{
    structure *s = w->structure;
    if (!straddle_reserve(s->budget, &w->spans, &w->span_capacity, *count + end - first,
                          sizeof *w->spans) ||
        !straddle_reserve(s->budget, &w->results, &w->result_capacity, *count + end - first,
                          sizeof *w->results))
        return structure__budget_error(s, e);
    for (uint32_t row = first; row < end; row++)
        if (b->ids[row])
            w->spans[(*count)++] =
                (derive_span){.id = b->ids[row],
                              .parent_id = parent_id_of(w, b, row),
                              .time_ns = b->times[row],
                              .duration_ns = b->durations[row],
                              .service = s->needs_resources ? b->services[row] : 0,
                              .instance = s->needs_resources ? b->instances[row] : 0,
                              .place = b->first_row + row,
                              .kind = b->kinds[row],
                              .match = b->matches[row]};
    return SK_OK;
}

/* A run of the block, with its rows in the blocks beside it. */
static sk_code judge_slowly(structure_worker *w, const span_block *b, uint32_t run, err *e)
{
    const span_block *before = w->near[0], *after = w->near[2];
    derive_rules rules = w->structure->rules;
    uint32_t count = 0;
    sk_code code = SK_OK;
    rules.compare = w->structure->value_count ? compare_rows : NULL;
    rules.ctx = w;
    if (run == 0 && before && trace_id_equal(before->run_id[before->run_count - 1], b->run_id[run]))
        code = take_spans(w, before, before->run_first[before->run_count - 1], before->row_count,
                          &count, e);
    if (code == SK_OK)
        code = take_spans(w, b, b->run_first[run], b->run_first[run + 1], &count, e);
    if (code == SK_OK && run == b->run_count - 1 && after &&
        trace_id_equal(after->run_id[0], b->run_id[run]))
        code = take_spans(w, after, 0, after->run_first[1], &count, e);
    if (code != SK_OK)
        return code;
    if (!derive_trace(&rules, w->spans, count, &w->scratch, w->results))
        return structure__budget_error(w->structure, e);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = w->spans[i].place - b->first_row;
        const derive_result *r = &w->results[i];
        if (w->spans[i].place < b->first_row || row >= b->row_count)
            continue;
        w->self_ns[row] = r->self_ns;
        w->gap_ns[row] = r->gap_ns;
        w->depths[row] = r->depth;
        for (int k = 0; k < DERIVE_RELATIONS; k++)
            w->chosen[k][row] =
                r->chosen[k] == DERIVE_NONE ? DERIVE_NONE : w->spans[r->chosen[k]].place;
    }
    return SK_OK;
}

/* ---- a block ---- */

static bool goes_on(const span_block *b, uint32_t run, const span_block *beside, uint32_t their_run)
{
    return beside && trace_id_is_set(b->run_id[run]) &&
           trace_id_equal(beside->run_id[their_run], b->run_id[run]);
}

/* Whether a run was judged before the scan. Times that are kept are those of the part alone: then none was. */
static bool is_judged(const structure_worker *w, const span_block *b, uint32_t run)
{
    return b->run_straddles[run] && !w->structure->keeps_times;
}

/* Blocks beside are read only for runs that may go on there. */
static sk_code load_near(structure_worker *w, const span_block *b, uint32_t part_number, err *e)
{
    uint32_t block_count = w->structure->inner.parts[part_number].info.block_count,
             last = b->run_count - 1;
    sk_code code = SK_OK;
    w->near[0] = w->near[2] = NULL;
    w->near[1] = b;
    if (b->block > 0 && trace_id_is_set(b->run_id[0]) && !is_judged(w, b, 0))
        code = structure__load(w, part_number, b->block - 1, false, &w->near[0], e);
    if (code == SK_OK && b->block + 1 < block_count && trace_id_is_set(b->run_id[last]) &&
        !is_judged(w, b, last))
        code = structure__load(w, part_number, b->block + 1, false, &w->near[2], e);
    return code;
}

/* Absent, where nothing is found: of what is asked. */
static void clear_rows(structure_worker *w, uint32_t count)
{
    const derive_rules *rules = &w->structure->rules;
    if (rules->wants_self)
        memset(w->self_ns, 0xff, count * sizeof w->self_ns[0]);
    if (rules->wants_gap)
        memset(w->gap_ns, 0xff, count * sizeof w->gap_ns[0]);
    if (rules->wants_depth)
        memset(w->depths, 0xff, count * sizeof w->depths[0]);
    for (int k = 0; k < DERIVE_RELATIONS; k++)
        if (rules->relations & DERIVE_BIT(k))
            memset(w->chosen[k], 0xff, count * sizeof w->chosen[k][0]);
}

/* Results of what was gathered before the scan. */
static void take_gathered(structure_worker *w, uint32_t part_number, uint32_t first_row,
                          uint32_t row_count)
{
    const structure *s = w->structure;
    uint32_t low = s->first_span[part_number], high = s->first_span[part_number + 1], end = high;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (s->spans[middle].row < first_row)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < end && s->spans[low].row < first_row + row_count; low++) {
        uint32_t row = s->spans[low].row - first_row;
        const derive_result *r = &s->spans[low].result;
        w->self_ns[row] = r->self_ns;
        w->gap_ns[row] = r->gap_ns;
        w->depths[row] = r->depth;
        for (int k = 0; k < DERIVE_RELATIONS; k++)
            w->chosen[k][row] = r->chosen[k];
        w->gathered[row] = low;
    }
}

/* Whether all runs between the first and the last are judged as if they were one. */
static bool is_plain(const structure_worker *w, uint8_t known)
{
    return (known & BLOCK_SIMPLE) && !(known & BLOCK_ANNOTATED) &&
           (!(known & BLOCK_FORWARD) || !w->structure->rules.wants_depth);
}

static sk_code judge_sealed(structure_worker *w, uint32_t part_number, uint32_t block, err *e)
{
    const span_block *b;
    sk_code code = structure__load(w, part_number, block, false, &b, e);
    if (code == SK_OK)
        code = load_near(w, b, part_number, e);
    if (code == SK_OK)
        clear_rows(w, b->row_count);
    if (code != SK_OK)
        return code;
    uint8_t known = check_block(w, part_number, b);
    bool at_once = is_plain(w, known);
    if (at_once && b->run_count > 2) /* straddling runs too: their results are put over these */
        pass_spans(w, b, b->run_first[1], b->run_first[b->run_count - 1]);
    for (uint32_t run = 0; code == SK_OK && run < b->run_count; run++) {
        bool is_cut =
            (run == 0 && goes_on(b, run, w->near[0], w->near[0] ? w->near[0]->run_count - 1 : 0)) ||
            (run == b->run_count - 1 && goes_on(b, run, w->near[2], 0));
        bool is_done = false;
        if (!trace_id_is_set(b->run_id[run]) || is_judged(w, b, run))
            continue;
        if (at_once && run > 0 && run + 1 < b->run_count)
            is_done = pass_relatives(w, b, b->run_first[run], b->run_first[run + 1]);
        else
            is_done = !is_cut && judge_simply(w, b, run, known);
        if (!is_done)
            code = judge_slowly(w, b, run, e);
    }
    return code;
}

/* Self times and gaps alone, which are kept. */
static sk_code judge_or_recall(structure_worker *w, uint32_t part_number, uint32_t block,
                               uint32_t row_count, err *e)
{
    kept_blocks *kept = w->structure->engine->kept;
    uint64_t id = w->structure->inner.parts[part_number].info.id;
    if (kept_blocks_times(kept, id, block, row_count, w->self_ns, w->gap_ns))
        return SK_OK;
    sk_code code = judge_sealed(w, part_number, block, e);
    if (code == SK_OK)
        kept_blocks_put_times(kept, id, block, row_count, w->self_ns, w->gap_ns);
    return code;
}

sk_code structure__judge(structure_worker *w, uint32_t part_number, uint32_t block, err *e)
{
    const structure *s = w->structure;
    part_block bounds;
    sk_code code = SK_OK;
    part_block_get(s->inner.parts[part_number].part, block, &bounds);
    memset(w->gathered, 0xff, bounds.row_count * sizeof w->gathered[0]);
    w->near[0] = w->near[1] = w->near[2] = NULL;
    const part_info *info = &s->inner.parts[part_number].info;
    if (info->is_open)
        clear_rows(w, bounds.row_count);
    else if (!s->keeps_times)
        code = judge_sealed(w, part_number, block, e);
    else
        code = judge_or_recall(w, part_number, block, bounds.row_count, e);
    take_gathered(w, part_number, bounds.first_row, bounds.row_count);
    return code;
}
