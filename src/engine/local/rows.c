/*
 * engine/local/rows.c: the rows that pass a plan's filters, a page of them at a time: the workers find the page's rows, blocks of the
 * page's end of time first, and the asker's thread reads all fields of those that are left.
 * Never: reads a named column of a row that is not shown, but for the filters.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"
#include "engine/local/local_private.h"
#include "engine/local/structure.h"

#define SCRATCH_BYTES (512 * MIB)
#define PRUNE_EVERY   1024u /* rows found beyond those kept */

/* A row that may be shown. Greater keys come first: the time, or its complement when the oldest come first. */
typedef struct found {
    int64_t key;
    uint32_t part, row;
} found;

typedef struct rows_worker {
    scan_worker scan;
    found *rows;
    uint32_t count, capacity, kept;
    int64_t dropped_key; /* of rows that were left out because too many have that time */
    uint64_t dropped;
} rows_worker;

typedef struct ordered_morsel {
    int64_t key; /* no row of it comes before */
    scan_morsel at;
} ordered_morsel;

typedef struct rows_run {
    local *engine;
    const rows_query *query;
    const run_control *control;
    arena *mem, *scratch;
    agg_budget budget;
    scan scan;
    bool has_scan;
    structure *structure;
    ordered_morsel *morsels;
    uint32_t worker_count;
    rows_worker *workers;
    _Atomic(int64_t) floor; /* `limit` rows are known that come before or at it */
} rows_run;

static sk_code no_memory(err *e)
{
    return err_set(e, SK_TOO_LARGE,
                   "the rows pass the memory that one answer may take; ask for fewer at a time");
}

static int64_t key_of(const rows_run *r, int64_t time_ns)
{
    return r->query->is_oldest_first ? ~time_ns : time_ns;
}

static int64_t first_key(const rows_run *r, const part_block *b)
{
    return key_of(r, r->query->is_oldest_first ? b->min_time_ns : b->max_time_ns);
}

static int compare_found(const void *left, const void *right)
{
    const found *a = left, *b = right;
    if (a->key != b->key)
        return a->key > b->key ? -1 : 1;
    if (a->part != b->part)
        return a->part < b->part ? -1 : 1;
    return (a->row > b->row) - (a->row < b->row);
}

/* ---- on the workers ---- */

static void raise_floor(rows_run *r, int64_t key)
{
    int64_t now = atomic_load_explicit(&r->floor, memory_order_relaxed);
    while (now < key && !atomic_compare_exchange_weak(&r->floor, &now, key))
        ;
}

/* Sorts the rows and keeps the page's: the first `limit` and the others of the last one's time. */
static void prune(rows_run *r, rows_worker *w)
{
    uint32_t limit = r->query->limit, kept = w->count;
    if (w->count)
        qsort(w->rows, w->count, sizeof *w->rows, compare_found);
    if (w->count > limit) {
        int64_t last = w->rows[limit - 1].key;
        for (kept = limit; kept < w->count && w->rows[kept].key == last; kept++)
            ;
        if (kept > limit + ROWS_TIES_MAX) {
            w->dropped = w->dropped_key == last ? w->dropped : 0;
            w->dropped_key = last;
            w->dropped += kept - limit - ROWS_TIES_MAX;
            kept = limit + ROWS_TIES_MAX;
        }
    }
    w->count = w->kept = kept;
    if (kept >= limit)
        raise_floor(r, w->rows[limit - 1].key);
}

static bool add_found(rows_run *r, rows_worker *w, found row)
{
    if (w->count == w->capacity) {
        uint32_t wanted = w->capacity ? w->capacity * 2 : PRUNE_EVERY;
        found *grown = agg_alloc(&r->budget, wanted * sizeof *grown);
        if (!grown)
            return false;
        if (w->count)
            memcpy(grown, w->rows, w->count * sizeof *grown);
        agg_free(&r->budget, w->rows, w->capacity * sizeof *w->rows);
        w->rows = grown;
        w->capacity = wanted;
    }
    w->rows[w->count++] = row;
    return true;
}

static sk_code find_in_block(rows_run *r, rows_worker *w, uint32_t number, uint32_t block, err *e)
{
    const vector *v;
    sk_code code = scan_block(&w->scan, number, block, e);
    if (code != SK_OK || !w->scan.count)
        return code;
    code = scan_read(&w->scan, PART_TIME, &v, e);
    if (code == SK_CORRUPT) {
        scan_leave_out(&w->scan, e);
        return SK_OK;
    }
    if (code != SK_OK)
        return code;
    int64_t floor = atomic_load_explicit(&r->floor, memory_order_relaxed);
    for (uint32_t i = 0; i < w->scan.count; i++) {
        uint32_t row = w->scan.rows[i];
        int64_t key = key_of(r, v->ints[row]);
        if (key >= floor && !add_found(r, w, (found){key, number, block * VECTOR_ROWS + row}))
            return no_memory(e);
    }
    if (w->count >= w->kept + r->query->limit + PRUNE_EVERY)
        prune(r, w);
    return SK_OK;
}

static sk_code run_morsel(void *ctx, uint32_t slot, uint32_t number, err *e)
{
    rows_run *r = ctx;
    rows_worker *w = &r->workers[slot];
    const scan_morsel *m = &r->morsels[number].at;
    for (uint32_t b = m->first_block; b < m->end_block; b++) {
        part_block bounds;
        part_block_get(r->scan.parts[m->part].part, b, &bounds);
        if (first_key(r, &bounds) < atomic_load_explicit(&r->floor, memory_order_relaxed))
            continue;
        sk_code code = local__must_end(r->control, e);
        if (code == SK_OK)
            code = find_in_block(r, w, m->part, b, e);
        if (code != SK_OK)
            return code;
    }
    if (w->count >= r->query->limit)
        prune(r, w);
    return SK_OK;
}

static int compare_morsels(const void *left, const void *right)
{
    const ordered_morsel *a = left, *b = right;
    return (a->key < b->key) - (a->key > b->key);
}

static bool order_morsels(rows_run *r)
{
    r->morsels = ARENA_ARRAY(r->scratch, ordered_morsel, r->scan.morsel_count + 1);
    if (!r->morsels)
        return false;
    for (uint32_t i = 0; i < r->scan.morsel_count; i++) {
        ordered_morsel *m = &r->morsels[i];
        *m = (ordered_morsel){INT64_MIN, r->scan.morsels[i]};
        for (uint32_t b = m->at.first_block; b < m->at.end_block; b++) {
            part_block bounds;
            part_block_get(r->scan.parts[m->at.part].part, b, &bounds);
            int64_t key = first_key(r, &bounds);
            m->key = key > m->key ? key : m->key;
        }
    }
    if (r->scan.morsel_count)
        qsort(r->morsels, r->scan.morsel_count, sizeof *r->morsels, compare_morsels);
    return true;
}

/* ---- the rows that are shown, with all their fields ---- */

typedef struct shown {
    event_row row;
    uint32_t capacity;
    span *names;
    value *values;
} shown;

typedef struct reading {
    rows_run *run;
    const found *rows; /* by part and row; `place` of each in the answer */
    const uint32_t *places;
    shown *out;
    vector *v;
    part_reader *reader;
    uint32_t part; /* UINT32_MAX: none */
} reading;

static bool add_field(reading *x, shown *s, span name, value v)
{
    arena *mem = x->run->mem;
    if (s->row.field_count == s->capacity) {
        uint32_t wanted = s->capacity ? s->capacity * 2 : 16;
        s->names = arena_grow(mem, s->names, s->capacity * sizeof *s->names,
                              wanted * sizeof *s->names, 16);
        s->values = arena_grow(mem, s->values, s->capacity * sizeof *s->values,
                               wanted * sizeof *s->values, 16);
        if (!s->names || !s->values)
            return false;
        s->capacity = wanted;
    }
    if (v.type == FIELD_STRING || v.type == FIELD_HISTOGRAM) {
        span text = v.text;
        v.text = SPAN("");
        if (text.len && !arena_copy(mem, text, &v.text))
            return false;
    }
    s->names[s->row.field_count] = name;
    s->values[s->row.field_count++] = v;
    return true;
}

static bool take_fixed(reading *x, uint32_t col, uint32_t at, shown *s)
{
    const vector *v = x->v;
    bool has = v->kind != VECTOR_ABSENT && vector_has(v, at);
    switch (col) {
    case PART_TIME: s->row.time_ns = v->ints[at]; break;
    case PART_RATE: s->row.rate = (uint32_t)v->ints[at]; break;
    case PART_TRACE_ID: s->row.trace = has ? v->trace_ids[at] : (trace_id){0}; break;
    case PART_SPAN_ID: s->row.span_id = has ? v->ids[at] : 0; break;
    case PART_PARENT_ID: s->row.parent_id = has ? v->ids[at] : 0; break;
    default:
        return arena_copy(x->run->mem, v->dictionary->text(v->dictionary->of, v->codes[at]),
                          &s->row.dataset);
    }
    return true;
}

static sk_code read_named(reading *x, uint32_t col, uint32_t block, uint32_t first, uint32_t end,
                          err *e)
{
    const part *p = x->run->scan.parts[x->part].part;
    scan_scratch scratch;
    span name = {0};
    if (!part_block_has_column(p, col, block))
        return SK_OK;
    sk_code code = part_read(x->reader, col, block, x->v, e);
    if (code != SK_OK || x->v->kind == VECTOR_ABSENT)
        return code;
    part_column about = part_column_get(p, col);
    for (uint32_t i = first; i < end; i++) {
        uint32_t at = x->rows[i].row % VECTOR_ROWS;
        if (!vector_has(x->v, at))
            continue;
        if (!name.at && !arena_copy(x->run->mem, about.name, &name))
            return no_memory(e);
        if (!add_field(x, &x->out[x->places[i]], name, scan_value(x->v, about.type, at, &scratch)))
            return no_memory(e);
    }
    return SK_OK;
}

/* Rows first … end - 1 of `rows`, which lie in one block. */
static sk_code read_block(reading *x, uint32_t first, uint32_t end, err *e)
{
    static const uint32_t fixed[] = {PART_TIME,     PART_RATE,    PART_DATASET,
                                     PART_TRACE_ID, PART_SPAN_ID, PART_PARENT_ID};
    const scan_part *p = &x->run->scan.parts[x->part];
    uint32_t block = x->rows[first].row / VECTOR_ROWS;
    sk_code code = SK_OK;
    for (size_t c = 0; code == SK_OK && c < COUNT_OF(fixed); c++) {
        code = part_read(x->reader, fixed[c], block, x->v, e);
        for (uint32_t i = first; code == SK_OK && i < end; i++)
            if (!take_fixed(x, fixed[c], x->rows[i].row % VECTOR_ROWS, &x->out[x->places[i]]))
                code = no_memory(e);
    }
    for (uint32_t c = 0; code == SK_OK && c < p->info.column_count; c++)
        code = read_named(x, PART_COLUMNS + c, block, first, end, e);
    return code;
}

static sk_code go_to_part(reading *x, uint32_t number, err *e)
{
    if (x->part == number)
        return SK_OK;
    part_reader_free(x->reader);
    x->reader = NULL;
    x->part = UINT32_MAX;
    sk_code code = part_reader_new(x->run->scan.parts[number].part, &x->reader, e);
    if (code == SK_OK)
        x->part = number;
    return code;
}

static sk_code read_rows(reading *x, uint32_t count, uint32_t *damaged, err *e)
{
    for (uint32_t first = 0, end; first < count; first = end) {
        uint32_t number = x->rows[first].part, block = x->rows[first].row / VECTOR_ROWS;
        for (end = first;
             end < count && x->rows[end].part == number && x->rows[end].row / VECTOR_ROWS == block;
             end++)
            ;
        sk_code code = local__must_end(x->run->control, e);
        if (code == SK_OK)
            code = go_to_part(x, number, e);
        if (code == SK_OK)
            code = read_block(x, first, end, e);
        if (code == SK_CORRUPT) { /* its rows are not shown */
            for (uint32_t i = first; i < end; i++)
                x->out[x->places[i]].row.rate = 0;
            ++*damaged;
            code = SK_OK;
        }
        if (code != SK_OK)
            return code;
    }
    return SK_OK;
}

typedef struct placed {
    found at;
    uint32_t place;
} placed;

static int compare_placed(const void *left, const void *right)
{
    const found *a = &((const placed *)left)->at, *b = &((const placed *)right)->at;
    if (a->part != b->part)
        return a->part < b->part ? -1 : 1;
    return (a->row > b->row) - (a->row < b->row);
}

static sk_code show_rows(rows_run *r, const found *page, uint32_t count, rows_result *ret, err *e)
{
    placed *by_place = ARENA_ARRAY(r->scratch, placed, count + 1);
    found *rows = ARENA_ARRAY(r->scratch, found, count + 1);
    uint32_t *places = ARENA_ARRAY(r->scratch, uint32_t, count + 1);
    shown *out = ARENA_ARRAY(r->scratch, shown, count + 1);
    event_row *answer = ARENA_ARRAY(r->mem, event_row, count + 1);
    vector *v = ARENA_NEW(r->scratch, vector);
    if (!by_place || !rows || !places || !out || !answer || !v)
        return no_memory(e);
    for (uint32_t i = 0; i < count; i++)
        by_place[i] = (placed){page[i], i};
    if (count)
        qsort(by_place, count, sizeof *by_place, compare_placed);
    for (uint32_t i = 0; i < count; i++) {
        rows[i] = by_place[i].at;
        places[i] = by_place[i].place;
    }
    reading x = {.run = r, .rows = rows, .places = places, .out = out, .v = v, .part = UINT32_MAX};
    sk_code code = read_rows(&x, count, &ret->damaged_blocks, e);
    part_reader_free(x.reader);
    for (uint32_t i = 0; code == SK_OK && i < count; i++) {
        if (!out[i].row.rate) /* of a damaged block */
            continue;
        out[i].row.names = out[i].names;
        out[i].row.values = out[i].values;
        answer[ret->row_count++] = out[i].row;
    }
    ret->rows = answer;
    return code;
}

/* ---- the call ---- */

static sk_code choose_page(rows_run *r, rows_result *ret, err *e)
{
    rows_worker *into = &r->workers[0];
    for (uint32_t i = 1; i < r->worker_count; i++)
        for (uint32_t k = 0; k < r->workers[i].count; k++)
            if (!add_found(r, into, r->workers[i].rows[k]))
                return no_memory(e);
    prune(r, into);
    ret->is_full = into->count >= r->query->limit;
    for (uint32_t i = 0; i < r->worker_count; i++) {
        const rows_worker *w = &r->workers[i];
        ret->rows_scanned += w->scan.rows_scanned;
        ret->damaged_blocks += w->scan.damage.blocks;
        if (into->count && w->dropped && w->dropped_key == into->rows[into->count - 1].key)
            ret->left_out += w->dropped;
    }
    return show_rows(r, into->rows, into->count, ret, e);
}

static sk_code find_rows(rows_run *r, rows_result *ret, err *e)
{
    r->worker_count = pool_workers(r->engine->pool);
    r->workers = ARENA_ARRAY(r->scratch, rows_worker, r->worker_count);
    if (!r->workers || !order_morsels(r)) {
        r->workers = NULL;
        return no_memory(e);
    }
    for (uint32_t i = 0; i < r->worker_count; i++)
        scan_worker_init(&r->workers[i].scan, &r->scan);
    atomic_init(&r->floor, INT64_MIN);
    sk_code code = pool_run(r->engine->pool, run_morsel, r, r->scan.morsel_count, e);
    return code == SK_OK ? choose_page(r, ret, e) : code;
}

static void close_run(rows_run *r, snapshot *take_snapshot)
{
    for (uint32_t i = 0; r->workers && i < r->worker_count; i++) {
        scan_worker_done(&r->workers[i].scan);
        agg_free(&r->budget, r->workers[i].rows, r->workers[i].capacity * sizeof(found));
    }
    if (r->has_scan)
        scan_close(&r->scan);
    structure_close(r->structure);
    snapshot_release(take_snapshot);
    arena_free(r->scratch);
}

sk_code local__rows(engine *e, uint32_t environment, const rows_query *q, const run_control *c,
                    arena *mem, rows_result *ret, err *er)
{
    rows_run r = {.engine = (local *)e,
                  .query = q,
                  .control = c,
                  .mem = mem,
                  .scratch = arena_new(SCRATCH_BYTES)};
    const plan *p = q->plan;
    bool by_trace = structure_is_needed(p);
    snapshot *s = NULL;
    uint32_t families = 0;
    *ret = (rows_result){0};
    r.budget.max_bytes = r.engine->o.query_memory_max;
    sk_code code = r.scratch ? local__families(r.engine, environment, p->dataset, &families, er)
                             : no_memory(er);
    if (code == SK_OK)
        code = store_snapshot(r.engine->store, environment, families,
                              by_trace ? INT64_MIN : p->start_ns, by_trace ? INT64_MAX : p->end_ns,
                              &s, er);
    if (code == SK_OK) {
        code = scan_open(&r.scan, p, s, &r.budget, r.scratch, er);
        r.has_scan = true;
    }
    if (code == SK_OK && by_trace)
        code =
            structure_open(r.engine, environment, p, s, c, &r.budget, r.scratch, &r.structure, er);
    r.scan.structure = r.structure;
    if (code == SK_OK)
        code = find_rows(&r, ret, er);
    close_run(&r, s);
    must(atomic_load(&r.budget.used_bytes) == 0);
    return code;
}
