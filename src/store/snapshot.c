/*
 * store/snapshot.c: immutable snapshots over an environment's tables, and the calls of snapshot.h handed on to the two kinds
 * of part. Called by engine/local. Never: decodes anything.
 */
#include "base/must.h"
#include "store/store_private.h"

struct snapshot {
    table_view tables[FAMILY_COUNT];
    uint32_t part_count;
    const part **parts;
    uint32_t pinned_count;
    segment **pinned;
};

static bool overlaps(const part *p, int64_t start_ns, int64_t end_ns)
{
    part_info i;
    p->ops->info(p, &i);
    return i.row_count && i.min_time_ns < end_ns && i.max_time_ns >= start_ns;
}

/* A segment whose directory is damaged is left out: it was told and counted. */
static sk_code add_segment(snapshot *s, segment *g, err *e)
{
    sk_code code = segment_pin(g, e);
    if (code == SK_CORRUPT) {
        segment_set_damaged(g, e ? e->text : "a segment's directory is damaged");
        return SK_OK;
    }
    if (code != SK_OK)
        return code;
    s->pinned[s->pinned_count++] = g;
    s->parts[s->part_count++] = segment_part(g);
    return SK_OK;
}

static sk_code add_parts(snapshot *s, const table_view *v, int64_t start_ns, int64_t end_ns, err *e)
{
    sk_code code = SK_OK;
    for (uint32_t i = 0; code == SK_OK && v->segments && i < v->segments->count; i++)
        if (overlaps(segment_part(v->segments->at[i]), start_ns, end_ns))
            code = add_segment(s, v->segments->at[i], e);
    for (uint32_t i = 0; code == SK_OK && i < v->open_count; i++)
        if (overlaps(&v->open[i].base, start_ns, end_ns))
            s->parts[s->part_count++] = &v->open[i].base;
    return code;
}

sk_code store_snapshot(store *s, uint32_t environment, uint32_t family_mask, int64_t start_ns,
                       int64_t end_ns, snapshot **ret, err *e)
{
    snapshot *n = base_alloc_zero(1, sizeof *n);
    if (!n)
        return err_set(e, SK_NO_MEMORY, "no memory for a snapshot");
    size_t count = 0;
    for (uint32_t f = 0; f < FAMILY_COUNT; f++) {
        table *t = family_mask >> f & 1 ? store__table(s, environment, f, false) : NULL;
        sk_code code = t ? table__view(t, &n->tables[f], e) : SK_OK;
        if (code != SK_OK) {
            snapshot_release(n);
            return code;
        }
        count += n->tables[f].open_count;
        count += n->tables[f].segments ? n->tables[f].segments->count : 0;
    }
    n->parts = base_alloc_zero(count + 1, sizeof n->parts[0]);
    n->pinned = base_alloc_zero(count + 1, sizeof n->pinned[0]);
    sk_code code = SK_OK;
    if (!n->parts || !n->pinned)
        code = err_set(e, SK_NO_MEMORY, "no memory for a snapshot of %zu parts", count);
    for (uint32_t f = 0; code == SK_OK && f < FAMILY_COUNT; f++)
        code = add_parts(n, &n->tables[f], start_ns, end_ns, e);
    if (code == SK_OK)
        *ret = n;
    else
        snapshot_release(n);
    return code;
}

sk_code snapshot__of_segment(segment *g, snapshot **ret, err *e)
{
    snapshot *n = base_alloc_zero(1, sizeof *n);
    if (n) {
        n->parts = base_alloc_zero(1, sizeof n->parts[0]);
        n->pinned = base_alloc_zero(1, sizeof n->pinned[0]);
    }
    sk_code code = n && n->parts && n->pinned
                       ? segment_pin(g, e)
                       : err_set(e, SK_NO_MEMORY, "no memory for a snapshot of a segment");
    if (code != SK_OK) {
        snapshot_release(n);
        return code;
    }
    n->pinned[n->pinned_count++] = g;
    n->parts[n->part_count++] = segment_part(g);
    *ret = n;
    return SK_OK;
}

void snapshot_release(snapshot *take_s)
{
    if (!take_s)
        return;
    for (uint32_t i = 0; i < take_s->pinned_count; i++)
        segment_unpin(take_s->pinned[i]);
    for (uint32_t f = 0; f < FAMILY_COUNT; f++)
        table__view_done(&take_s->tables[f]);
    base_free(take_s->pinned);
    base_free(take_s->parts);
    base_free(take_s);
}

uint32_t snapshot_part_count(const snapshot *s)
{
    return s->part_count;
}

const part *snapshot_part(const snapshot *s, uint32_t index)
{
    must(index < s->part_count);
    return s->parts[index];
}

sk_code snapshot_find_trace(snapshot *s, trace_id id,
                            sk_code (*each)(void *ctx, const part *p, uint32_t first_row,
                                            uint32_t end_row),
                            void *ctx, err *e)
{
    if (!trace_id_is_set(id))
        return SK_OK;
    for (uint32_t i = 0; i < s->part_count; i++) {
        sk_code code = s->parts[i]->ops->find_trace(s->parts[i], id, each, ctx, e);
        if (code != SK_OK)
            return code;
    }
    return SK_OK;
}

/* ---- a part, whichever kind it is ---- */

void part_info_get(const part *p, part_info *ret)
{
    p->ops->info(p, ret);
}

void part_block_get(const part *p, uint32_t block, part_block *ret)
{
    p->ops->block(p, block, ret);
}

part_column part_column_get(const part *p, uint32_t col)
{
    return p->ops->column(p, col);
}

uint32_t part_find(const part *p, span name, uint32_t ret_columns[FIELD_TYPE_COUNT])
{
    return p->ops->find(p, name, ret_columns);
}

uint32_t part_cached_column(const part *p, span name)
{
    return p->ops->cached ? p->ops->cached(p, name) : UINT32_MAX;
}

const dictionary *part_dictionary(const part *p, uint32_t col)
{
    return p->ops->dictionary(p, col);
}

bool part_block_has_column(const part *p, uint32_t col, uint32_t block)
{
    return p->ops->block_has_column(p, col, block);
}

bool part_block_is_full(const part *p, uint32_t col, uint32_t block)
{
    return p->ops->block_is_full && p->ops->block_is_full(p, col, block);
}

bool part_block_number_range(const part *p, uint32_t col, uint32_t block, double *ret_min,
                             double *ret_max)
{
    return p->ops->number_range(p, col, block, ret_min, ret_max);
}

bool part_block_may_hold(const part *p, uint32_t col, uint32_t block, const uint64_t *wanted)
{
    return p->ops->may_hold(p, col, block, wanted);
}

sk_code part_reader_new(const part *p, part_reader **ret, err *e)
{
    return p->ops->reader_new(p, ret, e);
}

void part_reader_free(part_reader *take_r)
{
    if (take_r)
        take_r->part->ops->reader_free(take_r);
}

sk_code part_read(part_reader *r, uint32_t col, uint32_t block, vector *out, err *e)
{
    return r->part->ops->read(r, col, block, out, e);
}

/* Rows [first, first + count) become the first. */
static void keep_rows(vector *v, uint32_t first, uint32_t count)
{
    bool is_code = v->kind == VECTOR_CODES || v->kind == VECTOR_BOOLS;
    for (uint32_t i = 0; i < count && first; i++) {
        uint64_t bit = 1ull << (i & 63);
        v->present[i / 64] =
            vector_has(v, first + i) ? v->present[i / 64] | bit : v->present[i / 64] & ~bit;
        if (is_code)
            v->codes[i] = v->codes[first + i];
        else
            v->ids[i] = v->ids[first + i];
    }
    v->row_count = count;
}

sk_code part_read_rows(part_reader *r, uint32_t col, uint32_t block, uint32_t first, uint32_t count,
                       vector *out, err *e)
{
    must(col != PART_TRACE_ID);
    if (r->part->ops->read_rows)
        return r->part->ops->read_rows(r, col, block, first, count, out, e);
    sk_code code = r->part->ops->read(r, col, block, out, e);
    if (code == SK_OK)
        keep_rows(out, first, count);
    return code;
}

sk_code part_read_codes(part_reader *r, uint32_t col, uint32_t block, vector *out, err *e)
{
    const part_ops *ops = r->part->ops;
    return ops->read_codes ? ops->read_codes(r, col, block, out, e)
                           : ops->read(r, col, block, out, e);
}

sk_code part_load_texts(part_reader *r, uint32_t col, uint32_t block, err *e)
{
    return r->part->ops->load_texts ? r->part->ops->load_texts(r, col, block, e) : SK_OK;
}

sk_code part_read_text(part_reader *r, uint32_t col, uint32_t code, span *ret, err *e)
{
    const part_ops *ops = r->part->ops;
    if (ops->read_text)
        return ops->read_text(r, col, code, ret, e);
    const dictionary *d = ops->dictionary(r->part, col);
    *ret = d->text(d->of, code);
    return SK_OK;
}

sk_code part_read_parents(part_reader *r, uint32_t block, uint32_t out[VECTOR_ROWS],
                          uint64_t *ret_ids, err *e)
{
    return r->part->ops->read_parents(r, block, out, ret_ids, e);
}

sk_code part_read_table(part_reader *r, uint32_t col, uint32_t block, part_table *ret, err *e)
{
    *ret = (part_table){0};
    return r->part->ops->read_table ? r->part->ops->read_table(r, col, block, ret, e) : SK_OK;
}

uint32_t part_trace_hash(trace_id id)
{
    return trace_index_hash(id);
}

sk_code part_trace_runs(const part *p,
                        sk_code (*each)(void *ctx, const uint32_t *hashes, const uint32_t *rows,
                                        uint32_t count, err *e),
                        void *ctx, err *e)
{
    return p->ops->trace_runs(p, each, ctx, e);
}

uint64_t part_reader_bytes(const part_reader *r)
{
    return r->bytes;
}
