/*
 * engine/local/map_seal.c: what the service map's rules say of each span of a new segment (map_said.c), as codes that the store keeps beside the
 * rows (store.h, store_cacher). Three blocks at a time: a trace may be cut by the edges of a block. Where a trace alone does not
 * decide (two spans of one id, links, a trace over whole blocks) only the span's own side is said.
 * Called by the store's sealer and merger. Never: holds more than three blocks and the tables of what is said.
 */
#include "engine/local/map_seal.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/must.h"
#include "engine/local/map.h"
#include "event/fields.h"

#define SEAL_BUDGET  (64 * MIB)
#define SEAL_SCRATCH (32 * MIB)
/* More are not worth their bytes. */
#define CODES_MAX    16384u
#define CODES_ALWAYS 1024u
#define CODES_SHARE  16u /* rows a code */
#define NO_OWN       UINT32_MAX
#define NO_BLOCK     UINT32_MAX
#define STAMP_SLOTS  4096u /* 2^12: see the hash */

/* A span's own side, without padding. */
typedef struct seal_own {
    uint32_t service, queue, leaf;
    uint8_t kind, leaf_kind, is_error, has_parent_id;
} seal_own;

typedef struct seal_block {
    uint32_t number, row_count;
    uint32_t own[VECTOR_ROWS];
    uint32_t parents[VECTOR_ROWS]; /* rows of the segment */
    uint8_t is_whole[VECTOR_ROWS];
    uint8_t elsewhere[VECTOR_ROWS], calling[VECTOR_ROWS]; /* it has such a child */
} seal_block;

typedef struct stamped_id {
    uint64_t id;
    uint32_t stamp;
} stamped_id;

typedef struct seal {
    map_run m;
    map_worker *w;
    part_info info;
    bool may_have_links;
    item_table owns, said; /* seal_own, map_said: each once */
    span *texts;           /* of `said` */
    uint32_t text_count, text_capacity;
    seal_block *blocks[3];
    uint32_t stamp;
    stamped_id seen[STAMP_SLOTS]; /* open addressing: ids of the trace at hand have its stamp */
} seal;

static sk_code too_much(const seal *s, err *e)
{
    return atomic_load(&s->m.budget.failed) == SK_NO_MEMORY
               ? err_set(e, SK_NO_MEMORY, "memory ran out while a segment was written")
               : err_set(e, SK_TOO_LARGE, "too many kinds of spans to keep what is said of each");
}

/* ---- sets ---- */

/* The number of an item that is compared byte by byte. */
static bool put_item(seal *s, item_table *t, const void *item, size_t item_bytes, uint32_t *ret)
{
    uint32_t hash = (uint32_t)hash64(span_of(item, item_bytes)), step = 0;
    while (item_table_next(t, hash, &step, ret))
        if (memcmp((const uint8_t *)t->at + *ret * item_bytes, item, item_bytes) == 0)
            return true;
    void *added = item_table_add(&s->m.budget, t, hash, item_bytes);
    if (!added)
        return false;
    memcpy(added, item, item_bytes);
    *ret = t->count - 1;
    return true;
}

static const seal_own *own_at(const seal *s, uint32_t own)
{
    return (const seal_own *)s->owns.at + own;
}

/* ---- a block's own side ---- */

static bool has_unique_ids(seal *s, const map_ids *ids, uint32_t first, uint32_t end)
{
    if (s->info.has_unique_ids)
        return true;
    if (end - first > STAMP_SLOTS / 2)
        return false;
    if (++s->stamp == 0) {
        memset(s->seen, 0, sizeof s->seen);
        s->stamp = 1;
    }
    for (uint32_t row = first; row < end; row++) {
        uint64_t id = map__id_at(ids->span, row);
        uint32_t i = (uint32_t)(id * 0x9e3779b97f4a7c15ull >> 52);
        for (; id && s->seen[i].stamp == s->stamp; i = (i + 1) % STAMP_SLOTS)
            if (s->seen[i].id == id)
                return false;
        if (id)
            s->seen[i] = (stamped_id){id, s->stamp};
    }
    return true;
}

/* Whether the rows [first, end) of one trace decide what is said of them; at a block's edge there may be more of it. */
static bool is_whole(seal *s, const seal_block *b, const map_ids *ids, uint32_t first, uint32_t end)
{
    bool is_cut = (first == 0 && b->number > 0) ||
                  (end == b->row_count && b->number + 1 < s->info.block_count);
    if (is_cut)
        return s->info.has_unique_ids && !s->may_have_links;
    for (uint32_t row = first; s->may_have_links && row < end; row++)
        if (!map__id_at(ids->span, row))
            return false;
    for (uint32_t row = first; row < end; row++) {
        uint32_t parent = b->parents[row] - b->number * VECTOR_ROWS;
        if (b->parents[row] != MAP_NO_SPAN && (parent < first || parent >= end))
            return false;
    }
    return has_unique_ids(s, ids, first, end);
}

static sk_code put_spans(seal *s, seal_block *b, const map_ids *ids, err *e)
{
    for (uint32_t row = 0; row < b->row_count; row++) {
        b->own[row] = NO_OWN;
        if (!map__id_at(ids->span, row) || !trace_id_is_set(map__trace_at(ids->trace, row)))
            continue;
        map_span at = map__span(&s->m, s->w, ids, row);
        seal_own own = {.service = at.service,
                        .queue = at.queue,
                        .leaf = at.leaf,
                        .kind = at.kind,
                        .leaf_kind = at.leaf_kind,
                        .is_error = at.is_error,
                        .has_parent_id = at.parent_id != 0};
        if (!put_item(s, &s->owns, &own, sizeof own, &b->own[row]))
            return too_much(s, e);
    }
    return SK_OK;
}

static sk_code read_block(seal *s, seal_block *b, uint32_t number, err *e)
{
    map_ids ids;
    scan_worker *at = &s->w->scan;
    b->number = NO_BLOCK;
    sk_code code = scan_block(at, 0, number, e);
    if (code == SK_OK && at->damage.blocks)
        code = err_set(e, SK_CORRUPT, "%s", at->damage.first);
    if (code == SK_OK && !at->all)
        code = err_set(e, SK_TOO_LARGE, "a time that no question can name");
    if (code == SK_OK)
        code = map__read_answers(&s->m, s->w, e);
    if (code == SK_OK)
        code = map__read_ids(s->w, &ids, e);
    if (code == SK_OK)
        code = part_read_parents(at->reader, number, b->parents, NULL, e);
    if (code != SK_OK)
        return code;
    b->number = number;
    b->row_count = at->count;
    memset(b->elsewhere, 0, sizeof b->elsewhere);
    memset(b->calling, 0, sizeof b->calling);
    for (uint32_t first = 0, end; first < b->row_count; first = end) {
        trace_id id = map__trace_at(ids.trace, first);
        for (end = first + 1;
             end < b->row_count && trace_id_equal(map__trace_at(ids.trace, end), id);)
            end++;
        memset(b->is_whole + first, is_whole(s, b, &ids, first, end), end - first);
    }
    return put_spans(s, b, &ids, e);
}

/* ---- parents and children ---- */

/* The block of a row, if it is one of the three. */
static seal_block *block_of(const seal *s, uint32_t row)
{
    seal_block *b = s->blocks[row / VECTOR_ROWS % 3];
    return b->number == row / VECTOR_ROWS && row % VECTOR_ROWS < b->row_count ? b : NULL;
}

static uint32_t own_of_row(const seal *s, uint32_t row)
{
    const seal_block *b = row == MAP_NO_SPAN ? NULL : block_of(s, row);
    return b ? b->own[row % VECTOR_ROWS] : NO_OWN;
}

/* What the spans of a block are to their parents in block `of`. */
static void mark_parents(const seal *s, const seal_block *from, seal_block *of)
{
    for (uint32_t i = 0; i < from->row_count; i++) {
        uint32_t row = from->parents[i];
        if (row == MAP_NO_SPAN || row / VECTOR_ROWS != of->number || from->own[i] == NO_OWN)
            continue;
        uint32_t at = row % VECTOR_ROWS, parent = at < of->row_count ? of->own[at] : NO_OWN;
        if (parent == NO_OWN)
            continue;
        const seal_own *own = own_at(s, from->own[i]);
        of->elsewhere[at] |= own->service != own_at(s, parent)->service;
        of->calling[at] |= own->kind == KIND_CLIENT || own->kind == KIND_PRODUCER;
    }
}

static map_span span_of_own(const seal *s, uint32_t own)
{
    const seal_own *o = own_at(s, own);
    return (map_span){.service = o->service,
                      .queue = o->queue,
                      .leaf = o->leaf,
                      .kind = o->kind,
                      .leaf_kind = o->leaf_kind,
                      .is_error = o->is_error,
                      .parent_id = o->has_parent_id};
}

static sk_code put_said(seal *s, const map_said *said, uint32_t *ret, err *e)
{
    if (!put_item(s, &s->said, said, sizeof *said, ret))
        return too_much(s, e);
    if (*ret < s->text_count)
        return SK_OK;
    uint32_t most = s->info.row_count / CODES_SHARE + CODES_ALWAYS;
    span text = s->text_count < most && s->text_count < CODES_MAX
                    ? map__said_text(&s->m, said, s->m.scratch)
                    : (span){0};
    if (!text.at)
        return too_much(s, e);
    if (!base_reserve(&s->texts, &s->text_capacity, s->text_count + 1, sizeof *s->texts))
        return err_set(e, SK_NO_MEMORY, "memory ran out while a segment was written");
    s->texts[s->text_count++] = text;
    return SK_OK;
}

static sk_code say_block(seal *s, seal_block *b, uint32_t *ret_codes, err *e)
{
    sk_code code = SK_OK;
    for (uint32_t i = 0; i < 3; i++)
        if (s->blocks[i]->number != NO_BLOCK)
            mark_parents(s, s->blocks[i], b);
    for (uint32_t i = 0; code == SK_OK && i < b->row_count; i++) {
        ret_codes[i] = STORE_NO_CODE;
        if (b->own[i] == NO_OWN)
            continue;
        map_span at = span_of_own(s, b->own[i]), parent;
        uint32_t of = own_of_row(s, b->parents[i]);
        at.has_child_elsewhere = b->elsewhere[i];
        at.has_calling_child = b->calling[i];
        if (of != NO_OWN)
            parent = span_of_own(s, of);
        map_said said = map__said_of(&at, of != NO_OWN ? &parent : NULL, b->is_whole[i]);
        code = put_said(s, &said, &ret_codes[i], e);
    }
    return code;
}

/* ---- for the store ---- */

static void end(void *take_made)
{
    seal *s = take_made;
    agg_budget *budget = &s->m.budget;
    for (uint32_t i = 0; i < 3; i++)
        base_free(s->blocks[i]);
    if (s->w) {
        for (uint32_t f = 0; f < MAP_FIELD_COUNT; f++)
            agg_free(budget, s->w->answers[f], VECTOR_ROWS * sizeof **s->w->answers);
        scan_worker_done(&s->w->scan);
        agg_free(budget, s->w, sizeof *s->w);
    }
    if (s->m.scan.parts)
        scan_close(&s->m.scan);
    group_keys_free(s->m.texts);
    item_table_free(budget, &s->owns, sizeof(seal_own));
    item_table_free(budget, &s->said, sizeof(map_said));
    must(atomic_load(&budget->used_bytes) == 0);
    base_free(s->texts);
    arena_free(s->m.scratch);
    base_free(s);
}

static sk_code open(seal *s, snapshot *snap, err *e)
{
    map_run *m = &s->m;
    uint32_t columns[FIELD_TYPE_COUNT];
    if (!map__plan(&(plan){.start_ns = INT64_MIN, .end_ns = INT64_MAX}, m->scratch, &m->plan))
        return err_set(e, SK_NO_MEMORY, "memory ran out while a segment was written");
    sk_code code = scan_open(&m->scan, &m->plan, snap, &m->budget, m->scratch, e);
    if (code != SK_OK)
        return code;
    part_info_get(snapshot_part(snap, 0), &s->info);
    s->may_have_links = part_find(snapshot_part(snap, 0), SPAN(F_LINK_TRACE_ID), columns) > 0;
    m->texts = group_keys_new(1, &m->budget);
    s->w = m->texts ? agg_alloc(&m->budget, sizeof *s->w) : NULL;
    if (!s->w)
        return too_much(s, e);
    scan_worker_init(&s->w->scan, &m->scan);
    return SK_OK;
}

static sk_code begin(snapshot *snap, void **ret_made, err *e)
{
    seal *s = base_alloc_zero(1, sizeof *s);
    if (!s)
        return err_set(e, SK_NO_MEMORY, "memory ran out while a segment was written");
    s->m.scratch = arena_new(SEAL_SCRATCH);
    s->m.budget.max_bytes = SEAL_BUDGET;
    bool is_made = s->m.scratch != NULL;
    for (uint32_t i = 0; i < 3; i++) {
        s->blocks[i] = base_alloc(sizeof **s->blocks);
        is_made &= s->blocks[i] != NULL;
        if (s->blocks[i])
            s->blocks[i]->number = NO_BLOCK;
    }
    sk_code code = is_made ? open(s, snap, e)
                           : err_set(e, SK_NO_MEMORY, "memory ran out while a segment was written");
    if (code == SK_OK)
        *ret_made = s;
    else
        end(s);
    return code;
}

static sk_code codes(void *made, uint32_t block, uint32_t *ret_codes, err *e)
{
    seal *s = made;
    sk_code code = SK_OK;
    if (block == 0)
        code = read_block(s, s->blocks[0], 0, e);
    if (code == SK_OK && block + 1 < s->info.block_count)
        code = read_block(s, s->blocks[(block + 1) % 3], block + 1, e);
    return code == SK_OK ? say_block(s, s->blocks[block % 3], ret_codes, e) : code;
}

static span text(void *made, uint32_t code)
{
    return ((const seal *)made)->texts[code];
}

const store_cacher map_cacher = {
    .name = MAP_CACHED, .begin = begin, .codes = codes, .text = text, .end = end};
