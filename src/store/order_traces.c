/*
 * store/order_traces.c: rows by trace. Runs of rows of one trace are found block by block and grouped by id; groups that are
 * one run of an ordered input stay as they are (most, in a merge), the rows of the others, the loose ones, are sorted
 * and their parents looked up anew. Called by build.c.
 * Never: joins rows by anything but their ids; keeps more than ~50 bytes a loose row, ~12 a run, ~40 a trace.
 *
 * A parent's distance is kept only when exactly one row of the trace has its span id: which of several it is (client
 * and server sharing an id, repeats) is for readers to decide (event/tree.h), so those rows keep the id.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"
#include "store/order.h"

#define NO_GROUP UINT32_MAX
/* Loose rows of one merge: 28 bytes each. Groups beyond keep their runs unmixed, which only costs bytes. */
#define LOOSE_MAX (8u << 20)

typedef struct run {
    uint32_t group, first_row, count;
} run;

typedef struct group {
    trace_id id;
    int64_t first_ns;
    uint32_t run_count, row_count;
    uint32_t first_run; /* in run_order, once counted */
    bool is_ordered;    /* all its runs are */
} group;

typedef struct sorter {
    const order_inputs *in;
    run *runs;
    uint32_t run_count, run_capacity;
    group *groups;
    uint32_t group_count, group_capacity;
    uint32_t *slots; /* id → group */
    uint32_t slot_mask;
    uint32_t *group_order, *run_order;
    row_order *out;
    uint32_t loose_count;
    /* By rank of loose row. */
    int64_t *time;
    uint64_t *span_id, *parent_id;
} sorter;

static sk_code out_of_memory(err *e)
{
    return err_set(e, SK_NO_MEMORY, "no memory to order rows by trace");
}

/* ---- groups by id ---- */

static uint32_t hash_of(trace_id id)
{
    return (uint32_t)(hash_mix(id.hi ^ hash_mix(id.lo)));
}

static bool grow_slots(sorter *s)
{
    uint32_t size = s->slots ? (s->slot_mask + 1) * 2 : 1024;
    uint32_t *slots = base_alloc(size * sizeof *slots);
    if (!slots)
        return false;
    memset(slots, 0xff, size * sizeof *slots);
    for (uint32_t i = 0; i < s->group_count; i++) {
        uint32_t at = hash_of(s->groups[i].id) & (size - 1);
        while (slots[at] != NO_GROUP)
            at = (at + 1) & (size - 1);
        slots[at] = i;
    }
    base_free(s->slots);
    s->slots = slots;
    s->slot_mask = size - 1;
    return true;
}

static uint32_t group_of(sorter *s, trace_id id)
{
    if (s->group_count >= (s->slots ? (s->slot_mask + 1) / 2 : 0) && !grow_slots(s))
        return NO_GROUP;
    uint32_t at = hash_of(id) & s->slot_mask;
    for (; s->slots[at] != NO_GROUP; at = (at + 1) & s->slot_mask)
        if (trace_id_equal(s->groups[s->slots[at]].id, id))
            return s->slots[at];
    if (!base_reserve(&s->groups, &s->group_capacity, s->group_count + 1, sizeof s->groups[0]))
        return NO_GROUP;
    s->groups[s->group_count] = (group){.id = id, .first_ns = INT64_MAX, .is_ordered = true};
    return s->slots[at] = s->group_count++;
}

/* ---- runs ---- */

static bool add_row(sorter *s, uint32_t row, trace_id id, int64_t time_ns, bool is_ordered)
{
    run *last = s->run_count ? &s->runs[s->run_count - 1] : NULL;
    if (!last || last->first_row + last->count != row ||
        !trace_id_equal(s->groups[last->group].id, id)) {
        uint32_t g = group_of(s, id);
        if (g == NO_GROUP ||
            !base_reserve(&s->runs, &s->run_capacity, s->run_count + 1, sizeof s->runs[0]))
            return false;
        last = &s->runs[s->run_count++];
        *last = (run){g, row, 0};
        s->groups[g].run_count++;
        /* Rows without a trace are no run in the sense of the order: they are sorted by time. */
        s->groups[g].is_ordered &= is_ordered && trace_id_is_set(id);
    }
    group *g = &s->groups[last->group];
    last->count++;
    g->row_count++;
    if (time_ns < g->first_ns)
        g->first_ns = time_ns;
    return true;
}

static sk_code find_runs(sorter *s, err *e)
{
    vector *traces = s->in->scratch[0], *times = s->in->scratch[1];
    for (uint32_t block = 0; block * (uint64_t)VECTOR_ROWS < s->in->row_end; block++) {
        uint32_t of_input;
        order_input *in = order_block(s->in, block, &of_input);
        sk_code code = part_read(in->reader, PART_TRACE_ID, of_input, traces, e);
        if (code == SK_OK)
            code = part_read(in->reader, PART_TIME, of_input, times, e);
        if (code != SK_OK)
            return code;
        for (uint32_t i = 0; i < times->row_count; i++) {
            uint32_t row = block * VECTOR_ROWS + i;
            trace_id id = {0, 0};
            if (traces->kind != VECTOR_ABSENT && vector_has(traces, i))
                id = traces->trace_ids[i];
            if (order_is_selected(s->in, row) &&
                !add_row(s, row, id, times->ints[i], in->is_ordered && !s->in->selected))
                return out_of_memory(e);
        }
    }
    return SK_OK;
}

/* ---- the order of groups ---- */

static int compare_groups(const void *a, const void *b, void *ctx)
{
    const sorter *s = ctx;
    const group *x = &s->groups[*(const uint32_t *)a], *y = &s->groups[*(const uint32_t *)b];
    bool x_none = !trace_id_is_set(x->id), y_none = !trace_id_is_set(y->id);
    if (x_none != y_none)
        return x_none ? 1 : -1; /* rows without a trace come last */
    if (x->first_ns != y->first_ns)
        return x->first_ns < y->first_ns ? -1 : 1;
    if (x->id.hi != y->id.hi)
        return x->id.hi < y->id.hi ? -1 : 1;
    return (x->id.lo > y->id.lo) - (x->id.lo < y->id.lo);
}

static sk_code sort_groups(sorter *s, err *e)
{
    s->group_order = base_alloc((s->group_count + 1ul) * sizeof(uint32_t));
    s->run_order = base_alloc((s->run_count + 1ul) * sizeof(uint32_t));
    if (!s->group_order || !s->run_order)
        return out_of_memory(e);
    for (uint32_t i = 0; i < s->group_count; i++)
        s->group_order[i] = i;
    qsort_r(s->group_order, s->group_count, sizeof(uint32_t), compare_groups, s);
    uint32_t next = 0;
    for (uint32_t i = 0; i < s->group_count; i++) {
        group *g = &s->groups[s->group_order[i]];
        g->first_run = next;
        next += g->run_count;
        g->run_count = 0; /* counted up again below */
    }
    for (uint32_t i = 0; i < s->run_count; i++) {
        group *g = &s->groups[s->runs[i].group];
        s->run_order[g->first_run + g->run_count++] = i;
    }
    return SK_OK;
}

/* ---- loose rows ---- */

static bool is_loose(const group *g)
{
    return g->run_count > 1 || !g->is_ordered;
}

static sk_code mark_loose(sorter *s, err *e)
{
    uint32_t words = s->in->row_end / 64;
    s->out->loose = base_alloc_zero(words + 1ul, sizeof(uint64_t));
    s->out->loose_rank = base_alloc_zero(words + 1ul, sizeof(uint32_t));
    if (!s->out->loose || !s->out->loose_rank)
        return out_of_memory(e);
    for (uint32_t i = 0; i < s->group_count; i++) {
        group *g = &s->groups[s->group_order[i]];
        if (!is_loose(g))
            continue;
        if (g->is_ordered && s->loose_count + g->row_count > LOOSE_MAX)
            continue;
        s->loose_count += g->row_count;
        for (uint32_t k = 0; k < g->run_count; k++) {
            const run *r = &s->runs[s->run_order[g->first_run + k]];
            for (uint32_t row = r->first_row; row < r->first_row + r->count; row++)
                s->out->loose[row / 64] |= 1ull << (row & 63);
        }
    }
    for (uint32_t i = 0, rank = 0; i < words; i++) {
        s->out->loose_rank[i] = rank;
        rank += bit_count(s->out->loose[i]);
    }
    return SK_OK;
}

static bool any_loose(const sorter *s, uint32_t block)
{
    for (uint32_t i = 0; i < VECTOR_WORDS; i++)
        if (s->out->loose[block * VECTOR_WORDS + i])
            return true;
    return false;
}

static uint64_t id_at(const vector *v, uint32_t i)
{
    return v->kind != VECTOR_ABSENT && vector_has(v, i) ? v->ids[i] : 0;
}

static sk_code load_loose(sorter *s, err *e)
{
    vector *times = s->in->scratch[0], *spans = s->in->scratch[1], *parents = s->in->scratch[2];
    s->time = base_alloc((s->loose_count + 1ul) * sizeof s->time[0]);
    s->span_id = base_alloc((s->loose_count + 1ul) * sizeof s->span_id[0]);
    s->parent_id = base_alloc((s->loose_count + 1ul) * sizeof s->parent_id[0]);
    s->out->distance = base_alloc_zero(s->loose_count + 1ul, sizeof s->out->distance[0]);
    if (!s->time || !s->span_id || !s->parent_id || !s->out->distance)
        return out_of_memory(e);
    for (uint32_t block = 0; block < s->in->row_end / VECTOR_ROWS; block++) {
        if (!any_loose(s, block))
            continue;
        uint32_t of_input;
        order_input *in = order_block(s->in, block, &of_input);
        sk_code code = part_read(in->reader, PART_TIME, of_input, times, e);
        if (code == SK_OK)
            code = part_read(in->reader, PART_SPAN_ID, of_input, spans, e);
        if (code == SK_OK)
            code = part_read(in->reader, PART_PARENT_ID, of_input, parents, e);
        if (code != SK_OK)
            return code;
        for (uint32_t i = 0; i < times->row_count; i++) {
            uint32_t row = block * VECTOR_ROWS + i;
            if (!order_is_loose(s->out, row))
                continue;
            uint32_t rank = order_rank(s->out, row);
            s->time[rank] = times->ints[i];
            s->span_id[rank] = id_at(spans, i);
            s->parent_id[rank] = id_at(parents, i);
        }
    }
    return SK_OK;
}

/* ---- one group ---- */

typedef struct sorted_row {
    int64_t time_ns;
    uint32_t row, rank;
    bool is_annotation;
} sorted_row;

static int compare_rows(const void *a, const void *b)
{
    const sorted_row *x = a, *y = b;
    if (x->is_annotation != y->is_annotation)
        return x->is_annotation ? 1 : -1;
    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

typedef struct group_scratch {
    sorted_row *rows;
    uint32_t *slots; /* span id → first of rows with it, and whether there are more */
    uint32_t capacity, slot_capacity;
} group_scratch;

#define SLOT_SEVERAL 0x80000000u

static bool reserve_group(group_scratch *g, uint32_t rows)
{
    if (rows > 1u << 29)
        return false;
    uint32_t slots = 16;
    while (slots < rows * 2)
        slots *= 2;
    return base_reserve(&g->rows, &g->capacity, rows, sizeof g->rows[0]) &&
           base_reserve(&g->slots, &g->slot_capacity, slots, sizeof g->slots[0]);
}

/* Span id → its only row among `count` sorted ones, as a place in them; UINT32_MAX when there is none or several. */
static void index_spans(const sorter *s, group_scratch *g, uint32_t count, uint32_t mask)
{
    memset(g->slots, 0xff, (mask + 1ul) * sizeof g->slots[0]);
    for (uint32_t i = 0; i < count && !g->rows[i].is_annotation; i++) {
        uint64_t id = s->span_id[g->rows[i].rank];
        uint32_t at = (uint32_t)hash_mix(id) & mask;
        while (g->slots[at] != UINT32_MAX &&
               s->span_id[g->rows[g->slots[at] & ~SLOT_SEVERAL].rank] != id)
            at = (at + 1) & mask;
        s->out->shares_ids |= g->slots[at] != UINT32_MAX;
        g->slots[at] = g->slots[at] == UINT32_MAX ? i : g->slots[at] | SLOT_SEVERAL;
    }
}

static uint32_t find_span(const sorter *s, const group_scratch *g, uint64_t id, uint32_t mask)
{
    for (uint32_t at = (uint32_t)hash_mix(id) & mask; g->slots[at] != UINT32_MAX;
         at = (at + 1) & mask)
        if (s->span_id[g->rows[g->slots[at] & ~SLOT_SEVERAL].rank] == id)
            return g->slots[at] & SLOT_SEVERAL ? UINT32_MAX : g->slots[at];
    return UINT32_MAX;
}

static void resolve_parents(const sorter *s, group_scratch *g, uint32_t count)
{
    uint32_t slots = 16;
    while (slots < count * 2)
        slots *= 2;
    index_spans(s, g, count, slots - 1);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t id = s->parent_id[g->rows[i].rank];
        uint32_t parent = id ? find_span(s, g, id, slots - 1) : UINT32_MAX;
        if (parent != UINT32_MAX && parent != i)
            s->out->distance[g->rows[i].rank] = (int32_t)i - (int32_t)parent;
    }
}

static bool emit_loose(sorter *s, const group *g, group_scratch *scratch)
{
    if (!reserve_group(scratch, g->row_count))
        return false;
    uint32_t n = 0;
    for (uint32_t k = 0; k < g->run_count; k++) {
        const run *r = &s->runs[s->run_order[g->first_run + k]];
        for (uint32_t row = r->first_row; row < r->first_row + r->count; row++) {
            uint32_t rank = order_rank(s->out, row);
            scratch->rows[n++] = (sorted_row){s->time[rank], row, rank, s->span_id[rank] == 0};
        }
    }
    qsort(scratch->rows, n, sizeof scratch->rows[0], compare_rows);
    for (uint32_t i = 0; i < n; i++)
        s->out->source[s->out->count++] = scratch->rows[i].row;
    if (trace_id_is_set(g->id))
        resolve_parents(s, scratch, n);
    return true;
}

static void emit_as_is(sorter *s, const group *g)
{
    for (uint32_t k = 0; k < g->run_count; k++) {
        const run *r = &s->runs[s->run_order[g->first_run + k]];
        for (uint32_t i = 0; i < r->count; i++)
            s->out->source[s->out->count++] = r->first_row + i;
    }
}

static sk_code emit(sorter *s, err *e)
{
    uint64_t rows = 0;
    for (uint32_t i = 0; i < s->group_count; i++)
        rows += s->groups[i].row_count;
    s->out->source = base_alloc((rows + 1) * sizeof s->out->source[0]);
    if (!s->out->source)
        return out_of_memory(e);
    group_scratch scratch = {0};
    bool is_good = true;
    for (uint32_t i = 0; is_good && i < s->group_count; i++) {
        const group *g = &s->groups[s->group_order[i]];
        uint32_t first = s->runs[s->run_order[g->first_run]].first_row;
        if (order_is_loose(s->out, first))
            is_good = emit_loose(s, g, &scratch);
        else
            emit_as_is(s, g);
    }
    base_free(scratch.rows);
    base_free(scratch.slots);
    return is_good ? SK_OK : out_of_memory(e);
}

sk_code order_traces(const order_inputs *in, row_order *ret, err *e)
{
    *ret = (row_order){0};
    sorter s = {.in = in, .out = ret};
    sk_code code = find_runs(&s, e);
    if (code == SK_OK)
        code = sort_groups(&s, e);
    if (code == SK_OK)
        code = mark_loose(&s, e);
    if (code == SK_OK)
        code = load_loose(&s, e);
    if (code == SK_OK)
        code = emit(&s, e);
    base_free(s.runs);
    base_free(s.groups);
    base_free(s.slots);
    base_free(s.group_order);
    base_free(s.run_order);
    base_free(s.time);
    base_free(s.span_id);
    base_free(s.parent_id);
    if (code != SK_OK)
        row_order_done(ret);
    return code;
}
