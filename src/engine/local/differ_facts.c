/*
 * engine/local/differ_facts.c: what traces are measured by, of each row of a sealed block, kept between questions (kept_blocks.h): which spans
 * are alike, what counts of each, whose work it is. It says of a run of rows what the run alone says, so it holds whatever else
 * there is of its trace: runs of traces that lie elsewhere too are not measured by it. Called by differ_spans.c.
 */
#include "base/alloc.h"
#include "engine/local/derive.h"
#include "engine/local/differ.h"

enum {
    FACT_SPAN = 1,    /* measured here */
    FACT_ODD = 2,     /* its run must be put together */
    FACT_TIMED = 4,   /* its self time counts */
    FACT_ERROR = 8,   /* it failed by itself */
    FACT_FAILED = 16, /* it failed */
    FACT_WAY = 32,    /* so does the way to it */
};

#define NO_COLUMN UINT32_MAX
#define LIKES_MAX 4096u /* of a block */
#define SLOTS     16384u

typedef struct row_fact {
    uint32_t log;       /* of the self time */
    uint32_t visit_log; /* of an entry */
    uint16_t like, entry, parent;
    uint8_t flags, kind;
} row_fact;

/* Which code of which column says it. */
typedef struct like_fact {
    uint32_t columns[DIFFER_LIKE_TEXTS], codes[DIFFER_LIKE_TEXTS];
} like_fact;

/* Of the rows at the block's edges, whose runs may go on in the next: they are always put together. */
typedef struct edge_fact {
    uint64_t id, parent_id;
    int64_t time_ns, duration_ns;
} edge_fact;

typedef struct block_facts {
    uint32_t row_count, like_count;
    uint32_t first_end, last_first; /* of the first run, of the last */
    edge_fact edges[];              /* of both; then row_fact, then like_fact */
} block_facts;

typedef struct facts_room {
    uint32_t slots[SLOTS]; /* by a worker's like: 1 + the block's */
    uint32_t slot_likes[SLOTS];
    uint32_t like_count;
    uint32_t first_end, last_first;
    row_fact rows[VECTOR_ROWS];
    like_fact likes[LIKES_MAX];
    edge_fact edges[VECTOR_ROWS];
    int64_t self_ns[VECTOR_ROWS], gap_ns[VECTOR_ROWS];
} facts_room;

static uint32_t count_edges(uint32_t row_count, uint32_t first_end, uint32_t last_first)
{
    return first_end + (last_first < first_end ? 0 : row_count - last_first);
}

static row_fact *rows_of(const block_facts *f)
{
    uint32_t count = count_edges(f->row_count, f->first_end, f->last_first);
    return (row_fact *)(uintptr_t)(f->edges + count);
}

static like_fact *likes_of(const block_facts *f)
{
    return (like_fact *)(rows_of(f) + f->row_count);
}

/* ---- making ---- */

/* The codes that say what spans like that of a row are. False: something else does. */
static bool find_codes(const differ_source *from, uint32_t row, like_fact *ret, err *e)
{
    scan_worker *w = from->worker;
    for (uint32_t t = 0; t < DIFFER_LIKE_TEXTS; t++) {
        const scan_field *of = &w->at->fields[differ__like_field(from, t)];
        ret->columns[t] = NO_COLUMN;
        ret->codes[t] = 0;
        for (uint32_t i = 0; i < of->count && ret->columns[t] == NO_COLUMN; i++) {
            const vector *v;
            uint32_t number = of->sources[i].column;
            if (number >= PART_COLUMNS && !part_block_has_column(w->at->part, number, w->block))
                continue;
            if (scan_read_source(w, &of->sources[i], &v, e) != SK_OK)
                return false;
            if (v->kind == VECTOR_ABSENT || !vector_has(v, row))
                continue;
            if (v->kind != VECTOR_CODES)
                return false;
            ret->columns[t] = number;
            ret->codes[t] = v->codes[row];
        }
    }
    return true;
}

static bool find_like(differ_run *r, differ_worker *w, const differ_source *from, facts_room *room,
                      uint32_t row, err *e)
{
    span_rows *rows = w->rows;
    uint32_t like = differ__like(r, w, rows->services[row], rows->names[row], rows->instances[row]);
    if (like == DIFFER_NO_LIKE)
        return false;
    uint32_t slot = like & (SLOTS - 1);
    while (room->slots[slot] && room->slot_likes[slot] != like)
        slot = (slot + 1) & (SLOTS - 1);
    if (!room->slots[slot]) {
        if (room->like_count == LIKES_MAX ||
            !find_codes(from, row, &room->likes[room->like_count], e))
            return false;
        room->slots[slot] = ++room->like_count;
        room->slot_likes[slot] = like;
    }
    room->rows[row].like = (uint16_t)(room->slots[slot] - 1);
    return true;
}

static void note_row(span_rows *rows, row_fact *to, uint32_t k)
{
    uint32_t parent = rows->parents[k] - rows->first_row;
    uint8_t marks = rows->marks[k];
    bool is_timed = rows->self_ns[k] >= 0 && !(marks & (MARK_REMOTE_CHILD | MARK_ERROR_CHILD));
    bool has_way = (marks & MARK_REMOTE) && rows->durations[k] >= 0 &&
                   rows->durations[parent] >= rows->durations[k] && rows->self_ns[parent] >= 0;
    rows->visits[rows->entries[k]] += is_timed ? rows->self_ns[k] : 0;
    to->log = rows->self_ns[k] >= 0 ? (uint32_t)differ_log(rows->self_ns[k]) : 0;
    to->entry = (uint16_t)rows->entries[k];
    to->parent = has_way ? (uint16_t)parent : 0;
    to->flags |= (uint8_t)(FACT_SPAN | (is_timed ? FACT_TIMED : 0) | (has_way ? FACT_WAY : 0) |
                           (rows->errors[k] && !(marks & MARK_ERROR_CHILD) ? FACT_ERROR : 0));
}

static void note_run(span_rows *rows, facts_room *room, uint32_t first, uint32_t end)
{
    uint32_t spans_end = end;
    bool is_good = first > 0 && end < rows->count && differ__mark_run(rows, first, &spans_end);
    for (uint32_t k = first; k < end; k++)
        if (!is_good)
            room->rows[k].flags |= FACT_ODD;
        else if (k < spans_end)
            note_row(rows, &room->rows[k], k);
    for (uint32_t k = first; is_good && k < spans_end; k++)
        room->rows[k].visit_log = (uint32_t)differ_log(rows->visits[k]);
}

static bool note_rows(differ_run *r, differ_worker *w, const differ_source *from, facts_room *room,
                      err *e)
{
    span_rows *rows = w->rows;
    for (uint32_t row = 0; row < rows->count; row++) {
        room->rows[row] =
            (row_fact){.kind = rows->kinds[row], .flags = rows->errors[row] ? FACT_FAILED : 0};
        if (!find_like(r, w, from, room, row, e))
            return false;
    }
    for (uint32_t first = 0, end; first < rows->count; first = end) {
        end = differ__run_end(rows, first);
        note_run(rows, room, first, end);
    }
    return true;
}

static bool note_edge(differ_worker *w, const differ_source *from, facts_room *room, uint32_t first,
                      uint32_t end, uint32_t to, err *e)
{
    const span_rows *rows = w->rows;
    if (differ__read_window(from, w->rows, first, end, e) != SK_OK)
        return false;
    for (uint32_t row = first; row < end; row++) {
        differ_span s;
        differ__window_ids(rows, row - first, &s);
        room->edges[to + row - first] =
            (edge_fact){s.id, s.parent_id, s.time_ns, rows->durations[row]};
    }
    return true;
}

static bool note_edges(differ_worker *w, const differ_source *from, facts_room *room, err *e)
{
    uint32_t count = w->rows->count, last = 0;
    for (uint32_t first = 0; first < count; first = differ__run_end(w->rows, first))
        last = first;
    room->first_end = differ__run_end(w->rows, 0);
    room->last_first = last;
    return note_edge(w, from, room, 0, room->first_end, 0, e) &&
           (last == 0 || note_edge(w, from, room, last, count, room->first_end, e));
}

static void keep(kept_blocks *times, uint64_t part_id, uint32_t block, const facts_room *room,
                 uint32_t row_count)
{
    uint32_t edge_count = count_edges(row_count, room->first_end, room->last_first);
    size_t row_bytes = row_count * sizeof *room->rows,
           like_bytes = room->like_count * sizeof *room->likes,
           edge_bytes = edge_count * sizeof *room->edges;
    block_facts *f = kept_blocks_room(times, KEPT_FACTS, part_id, block, row_count,
                                      sizeof *f + edge_bytes + row_bytes + like_bytes);
    if (!f)
        return;
    f->row_count = row_count;
    f->like_count = room->like_count;
    f->first_end = room->first_end;
    f->last_first = room->last_first;
    memcpy(f->edges, room->edges, edge_bytes);
    memcpy(rows_of(f), room->rows, row_bytes);
    memcpy(likes_of(f), room->likes, like_bytes);
    kept_blocks_keep(times, f);
}

void differ__keep_facts(differ_run *r, differ_worker *w, const differ_source *from)
{
    span_rows *rows = w->rows;
    const scan_worker *at = from->worker;
    kept_blocks *kept = r->engine->kept;
    err ignored;
    if (!kept_blocks_fits(kept, KEPT_FACTS, rows->count * sizeof(row_fact)))
        return;
    facts_room *room = base_alloc_zero(1, sizeof *room); /* the query does not fail for it */
    if (!room)
        return;
    if (kept_blocks_times(kept, at->at->info.id, at->block, rows->count, room->self_ns,
                          room->gap_ns)) {
        /* as the part alone gives them */
        memcpy(rows->self_ns, room->self_ns, rows->count * sizeof *rows->self_ns);
        if (note_rows(r, w, from, room, &ignored) && note_edges(w, from, room, &ignored))
            keep(kept, at->at->info.id, at->block, room, rows->count);
    }
    base_free(room);
}

/* ---- using ---- */

const struct block_facts *differ__hold_facts(differ_run *r, const differ_source *from)
{
    const scan_worker *w = from->worker;
    return kept_blocks_hold(r->engine->kept, KEPT_FACTS, w->at->info.id, w->block, w->row_count);
}

void differ__let_go_facts(differ_run *r, const struct block_facts *f)
{
    kept_blocks_let_go(r->engine->kept, f);
}

sk_code differ__open_facts(differ_run *r, differ_worker *w, const differ_source *from,
                           const struct block_facts *f, err *e)
{
    const like_fact *likes = likes_of(f);
    for (uint32_t i = 0; i < f->like_count; i++) {
        uint32_t keys[DIFFER_LIKE_TEXTS] = {0};
        for (uint32_t t = 0; t < DIFFER_LIKE_TEXTS; t++)
            if (likes[i].columns[t] != NO_COLUMN) {
                sk_code code = differ__text_of(r, from, differ__like_field(from, t),
                                               likes[i].columns[t], likes[i].codes[t], &keys[t], e);
                if (code != SK_OK)
                    return code;
            }
        w->rows->likes[i] = differ__like(r, w, keys[DIFFER_LIKE_SERVICE], keys[DIFFER_LIKE_NAME],
                                         keys[DIFFER_LIKE_INSTANCE]);
        if (w->rows->likes[i] == DIFFER_NO_LIKE)
            return finish_budget_error(&r->budget, e);
    }
    return SK_OK;
}

/* What spans that are put together need, as if it had been read. */
void differ__spread_facts(differ_worker *w, const struct block_facts *f, uint32_t first,
                          uint32_t end)
{
    span_rows *rows = w->rows;
    for (uint32_t k = first; k < end; k++) {
        const row_fact *x = &rows_of(f)[k];
        const differ_cell *like = &((const differ_like *)w->likes.at)[rows->likes[x->like]].own;
        rows->services[k] = like->service;
        rows->names[k] = like->name;
        rows->instances[k] = like->instance;
        rows->kinds[k] = x->kind;
        rows->errors[k] = (x->flags & FACT_FAILED) != 0;
    }
}

bool differ__is_edge(const struct block_facts *f, uint32_t row)
{
    return row < f->first_end || row >= f->last_first;
}

void differ__edge_ids(const struct block_facts *f, uint32_t row, differ_span *ret)
{
    const edge_fact *x = &f->edges[row < f->first_end ? row : f->first_end + row - f->last_first];
    ret->id = x->id;
    ret->parent_id = x->parent_id;
    ret->time_ns = x->time_ns;
    ret->duration_ns = x->duration_ns;
}

static bool measure_row(differ_run *r, differ_worker *w, const row_fact *facts, uint32_t k,
                        uint32_t side)
{
    span_rows *rows = w->rows;
    const row_fact *x = &facts[k];
    uint32_t weight = (uint32_t)rows->rate->ints[k], like = rows->likes[x->like];
    differ_cell *own = &((differ_like *)w->likes.at)[like].own;
    differ__add_row(own, side, weight, x->flags & FACT_ERROR);
    if (x->flags & FACT_TIMED) {
        differ__add_time(own, side, weight, rows->self_ns[k], x->log);
        rows->visits[x->entry] += rows->self_ns[k];
    }
    if (!(x->flags & FACT_WAY))
        return true;
    const row_fact *parent = &facts[x->parent];
    uint32_t caller = ((const differ_like *)w->likes.at)[rows->likes[parent->like]].own.service;
    return differ__add_way(r, w, caller, like, side, weight, rows->self_ns[x->parent], parent->log);
}

bool differ__measure_facts(differ_run *r, differ_worker *w, const struct block_facts *f,
                           uint32_t first, uint32_t end, uint32_t side, bool *ret_is_done)
{
    span_rows *rows = w->rows;
    const row_fact *facts = rows_of(f);
    *ret_is_done = !(facts[first].flags & FACT_ODD);
    if (!*ret_is_done)
        return true;
    memset(rows->visits + first, 0, (end - first) * sizeof *rows->visits);
    for (uint32_t k = first; k < end; k++)
        if ((facts[k].flags & FACT_SPAN) && !measure_row(r, w, facts, k, side))
            return false;
    for (uint32_t k = first; k < end; k++) {
        const row_fact *x = &facts[k];
        if (!(x->flags & FACT_SPAN) || x->entry != k)
            continue;
        differ__add_time(&((differ_like *)w->likes.at)[rows->likes[x->like]].visit, side,
                         (uint32_t)rows->rate->ints[k], rows->visits[k], x->visit_log);
    }
    return true;
}
