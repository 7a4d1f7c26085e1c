/*
 * engine/local/map_codes.c: the service map of a block of a sealed segment that keeps a code for what is said of each span (map_seal.c): codes are
 * counted, durations go to a sketch per class, and each code is looked at once. What was said holds for traces that are whole in
 * the segment and in the time asked for; the runs of rows of others are read as spans and take the long way (map_trace.c).
 */
#include "base/alloc.h"
#include "engine/local/map.h"

/* map_worker.class_of, beside the numbers of classes. */
#define CODE_NEW  (UINT32_MAX - 2) /* not looked at yet */
#define CODE_LONG (UINT32_MAX - 1) /* the trace takes the long way */
/* MAP_NO_CLASS: measured on nothing */

/* ---- opening ---- */

static bool read_said(map_run *m, map_coded *p, const dictionary *d)
{
    for (uint32_t i = 0; i < d->count; i++) {
        span text = d->text(d->of, i);
        if (!text.at || !map__said_parse(m, text, &p->said[i]))
            return false;
    }
    return true;
}

static void forget(map_run *m, const scan_part *at, map_coded *p)
{
    agg_free(&m->budget, p->said, p->code_count * sizeof *p->said);
    agg_free(&m->budget, p->marked, (at->info.block_count + 63) / 64 * sizeof *p->marked);
    *p = (map_coded){0};
}

static sk_code open_part(map_run *m, const scan_part *at, map_coded *p, err *e)
{
    uint32_t number = part_cached_column(at->part, SPAN(MAP_CACHED));
    const dictionary *d = number == UINT32_MAX ? NULL : part_dictionary(at->part, number);
    if (!d || d->count == 0)
        return SK_OK;
    p->column = number;
    p->code_count = d->count;
    p->said = agg_alloc(&m->budget, d->count * sizeof *p->said);
    p->marked = agg_alloc(&m->budget, (at->info.block_count + 63) / 64 * sizeof *p->marked);
    bool is_good = p->said && p->marked && read_said(m, p, d);
    if (atomic_load(&m->budget.failed)) {
        forget(m, at, p);
        return finish_budget_error(&m->budget, e);
    }
    if (!is_good) { /* damaged: its spans are read */
        forget(m, at, p);
        return SK_OK;
    }
    m->code_max = p->code_count > m->code_max ? p->code_count : m->code_max;
    return straddle_mark(&m->straddling, at, m->control, p->marked, e);
}

sk_code map__codes_open(map_run *m, err *e)
{
    sk_code code = SK_OK;
    m->coded = ARENA_ARRAY(m->scratch, map_coded, m->scan.part_count + 1ul);
    if (!m->coded)
        return err_set(e, SK_NO_MEMORY, "memory ran out while the service map was drawn");
    for (uint32_t i = 0; code == SK_OK && i < m->scan.part_count; i++)
        code = open_part(m, &m->scan.parts[i], &m->coded[i], e);
    for (uint32_t i = 0; code == SK_OK && m->code_max && i < m->worker_count; i++) {
        map_worker *w = m->workers[i];
        w->class_of = agg_alloc(&m->budget, m->code_max * sizeof *w->class_of);
        if (!w->class_of)
            code = finish_budget_error(&m->budget, e);
    }
    return code;
}

void map__codes_close(map_run *m)
{
    for (uint32_t i = 0; m->coded && i < m->scan.part_count; i++)
        forget(m, &m->scan.parts[i], &m->coded[i]);
}

/* ---- classes ---- */

static void begin_part(map_worker *w, const map_coded *p)
{
    if (w->class_part == w->scan.part)
        return;
    w->class_part = w->scan.part;
    for (uint32_t i = 0; i < p->code_count; i++)
        w->class_of[i] = p->said[i].flags & SAID_WHOLE ? CODE_NEW : CODE_LONG;
}

static bool make_class(map_run *m, map_worker *w, const map_said *said, uint32_t *ret)
{
    map_span s, parent;
    bool has_parent;
    map__said_spans(said, &s, &parent, &has_parent);
    map_class made = {.is_error = (said->flags & SAID_ERROR) != 0};
    map_sink to = {.table = w->table, .class = &made};
    return map__measure(m, &to, &s, has_parent ? &parent : NULL) &&
           map_table_class(w->table, &made, ret);
}

typedef struct classes_met {
    bool any_new, any_long;
} classes_met;

/* The class of each row, as far as it is known. */
static classes_met find_classes(map_worker *w, const vector *codes)
{
    uint32_t *out = w->row_classes, news = 0, longs = 0;
    if (codes->kind != VECTOR_CODES) {
        memset(out, 0xff, w->scan.count * sizeof *out);
        return (classes_met){0};
    }
    for (uint32_t k = 0; k < w->scan.count; k++) {
        uint32_t class = w->class_of[codes->codes[k]];
        out[k] = class;
        news |= class == CODE_NEW;
        longs |= class == CODE_LONG;
    }
    for (uint32_t k = 0; !codes->all_present && k < w->scan.count; k++)
        if (!vector_has(codes, k))
            out[k] = MAP_NO_CLASS;
    return (classes_met){news != 0, longs != 0};
}

/* Only of rows that are counted: what is measured on nothing is not on the map. */
static bool make_classes(map_run *m, map_worker *w, const map_coded *p, const vector *codes)
{
    for (uint32_t k = 0; k < w->scan.count; k++) {
        if (w->row_classes[k] != CODE_NEW)
            continue;
        uint32_t code = codes->codes[k];
        if (w->class_of[code] == CODE_NEW && !make_class(m, w, &p->said[code], &w->class_of[code]))
            return false;
        w->row_classes[k] = w->class_of[code];
    }
    return true;
}

/* ---- runs that take the long way ---- */

static bool is_in_time(const map_run *m, const map_worker *w, uint32_t block)
{
    part_block at;
    part_block_get(w->scan.at->part, block, &at);
    return at.min_time_ns >= m->plan.start_ns && at.max_time_ns < m->plan.end_ns;
}

/* Whether the trace at the block's edge goes on into the block beside it, which is not wholly in time. */
static sk_code goes_on(const map_run *m, map_worker *w, uint32_t beside, bool *ret, err *e)
{
    *ret = false;
    if (is_in_time(m, w, beside))
        return SK_OK;
    const vector *mine;
    vector *v = base_alloc(sizeof *v);
    sk_code code = v ? scan_read(&w->scan, PART_TRACE_ID, &mine, e)
                     : err_set(e, SK_NO_MEMORY, "memory ran out while the service map was drawn");
    if (code == SK_OK)
        code = part_read(w->scan.reader, PART_TRACE_ID, beside, v, e);
    if (code == SK_OK && mine->kind == VECTOR_TRACE_IDS && v->kind == VECTOR_TRACE_IDS) {
        uint32_t row = beside < w->scan.block ? 0 : mine->row_count - 1;
        trace_id other = map__trace_at(v, beside < w->scan.block ? v->row_count - 1 : 0);
        *ret = trace_id_equal(map__trace_at(mine, row), other);
    }
    base_free(v);
    return code;
}

typedef struct long_way {
    bool has_cut;     /* rows of the block are out of time */
    bool first, last; /* the runs at its edges go on into such a block */
} long_way;

static sk_code find_cuts(const map_run *m, map_worker *w, long_way *ret, err *e)
{
    uint32_t block = w->scan.block;
    sk_code code = SK_OK;
    *ret = (long_way){.has_cut = !w->scan.all};
    if (ret->has_cut)
        return SK_OK;
    if (block > 0)
        code = goes_on(m, w, block - 1, &ret->first, e);
    if (code == SK_OK && block + 1 < w->scan.at->info.block_count)
        code = goes_on(m, w, block + 1, &ret->last, e);
    return code;
}

static sk_code note_producers(map_run *m, map_worker *w, const map_coded *p, const map_ids *ids,
                              const vector *codes, uint32_t first, uint32_t end, err *e)
{
    for (uint32_t k = first; m->target_count && k < end; k++) {
        uint32_t row = w->scan.rows[k];
        if (codes->kind != VECTOR_CODES || !vector_has(codes, row))
            continue;
        const map_said *s = &p->said[codes->codes[row]];
        map_producer sent = {{map__trace_at(ids->trace, row), map__id_at(ids->span, row)},
                             s->service,
                             s->queue,
                             ids->time->ints[row]};
        if (s->kind == KIND_PRODUCER && !map__note_producer(m, w, sent))
            return finish_budget_error(&m->budget, e);
    }
    return SK_OK;
}

static sk_code read_runs(map_run *m, map_worker *w, const map_coded *p, const vector *codes,
                         const long_way *way, err *e)
{
    map_ids ids;
    sk_code code = map__read_ids(w, &ids, e);
    if (code == SK_OK)
        code = map__read_links(m, w, e);
    if (code == SK_OK)
        code = map__read_names(m, w, e);
    uint32_t count = w->scan.count;
    for (uint32_t first = 0, end; code == SK_OK && first < count; first = end) {
        trace_id id = map__trace_at(ids.trace, w->scan.rows[first]);
        bool is_long = way->has_cut || (first == 0 && way->first);
        for (end = first;
             end < count && trace_id_equal(map__trace_at(ids.trace, w->scan.rows[end]), id); end++)
            is_long |= w->row_classes[end] == CODE_LONG;
        bool is_elsewhere = straddle_has(&m->straddling, part_trace_hash(id));
        bool at_edge = (first == 0 && w->scan.block > 0) ||
                       (end == count && w->scan.block + 1 < w->scan.at->info.block_count);
        if (!is_long && !is_elsewhere && !(end == count && way->last)) {
            code = note_producers(m, w, p, &ids, codes, first, end, e);
            continue;
        }
        memset(w->row_classes + first, 0xff, (end - first) * sizeof *w->row_classes);
        code = map__read_run(m, w, &ids, id, first, end, at_edge || is_elsewhere, p, e);
    }
    return code;
}

/* ---- a block ---- */

static void measure(map_worker *w, const vector *rates)
{
    uint32_t n = 0, count = w->scan.count;
    uint32_t *classes = w->row_classes, *weights = w->weights;
    double *durations = w->durations;
    bool is_plain = rates->is_constant && count && rates->ints[0] == 1;
    for (uint32_t k = 0; k < count; k++) {
        uint32_t class = classes[k];
        classes[n] = class;
        durations[n] = durations[k];
        weights[n] = is_plain ? 1 : (uint32_t)rates->ints[w->scan.rows[k]];
        n += class != MAP_NO_CLASS;
    }
    map_table_measure(w->table, classes, durations, is_plain ? NULL : weights, n);
}

static sk_code read_block(map_run *m, map_worker *w, const map_coded *p, uint32_t block, err *e)
{
    const vector *codes, *rates;
    long_way way;
    classes_met met = {0};
    bool is_marked = p->marked[block / 64] >> (block & 63) & 1;
    sk_code code = scan_read(&w->scan, p->column, &codes, e);
    if (code == SK_OK)
        code = scan_read(&w->scan, PART_RATE, &rates, e);
    if (code == SK_OK)
        code = map__read_durations(w, e);
    if (code == SK_OK)
        code = find_cuts(m, w, &way, e);
    if (code != SK_OK)
        return code;
    begin_part(w, p);
    if (way.has_cut)
        memset(w->row_classes, 0xff, w->scan.count * sizeof *w->row_classes);
    else
        met = find_classes(w, codes);
    if (way.has_cut || way.first || way.last || met.any_long || is_marked || m->target_count)
        code = read_runs(m, w, p, codes, &way, e);
    if (code == SK_OK && met.any_new && !make_classes(m, w, p, codes))
        code = finish_budget_error(&m->budget, e);
    if (code == SK_OK)
        measure(w, rates);
    return code == SK_OK && atomic_load(&m->budget.failed) ? finish_budget_error(&m->budget, e)
                                                           : code;
}

sk_code map__read_codes(map_run *m, map_worker *w, uint32_t number, uint32_t block, err *e)
{
    sk_code code = scan_block(&w->scan, number, block, e);
    if (code == SK_OK && w->scan.count)
        code = read_block(m, w, &m->coded[number], block, e);
    if (code != SK_CORRUPT)
        return code;
    scan_leave_out(&w->scan, e);
    return SK_OK;
}
