/*
 * store/segment_write.c: a segment file's frame: header, checksummed pages in slices of 1 MiB, trace index, directory,
 * footer, trailer. Called by column_write.c, rare_write.c and build.c.
 * Never: syncs before the end; gives the file its final name (seal.c and merge.c do).
 */
#include "store/segment_write.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/must.h"
#include "store/segment.h"
#include "store/segment_write_private.h"

#define SLICE_BYTES       (1 * MIB)
#define PENDING_MAX_BYTES (PAGE_BYTES_MAX + 2 * SLICE_BYTES)
#define PACK_BYTES        (64 * KIB)

encoder *segment_writer_encoder(segment_writer *w)
{
    return w->encoder;
}

uint64_t segment_writer_bytes(const segment_writer *w)
{
    return w->flushed + w->pending.len;
}

void page_ref_add(buf *out, const page_ref *ref)
{
    buf_add_varint(out, ref->offset);
    buf_add_varint(out, ref->len);
    buf_add_varint(out, ref->raw_len);
    buf_add_u8(out, (uint8_t)ref->method);
}

static sk_code out_of_memory(err *e)
{
    return err_set(e, SK_NO_MEMORY, "no memory to write a segment");
}

static void add_header(segment_writer *w)
{
    buf_add_text(&w->pending, SEGMENT_HEAD_MAGIC);
    buf_add_u32(&w->pending, SEGMENT_VERSION);
    buf_add_u32(&w->pending, 0);
    buf_add_u64(&w->pending, w->file_id);
    buf_add_u64(&w->pending, hash64(buf_span(&w->pending)));
    must(w->pending.failed || w->pending.len == SEGMENT_HEAD_BYTES);
}

sk_code segment_writer_open(const char *path, encoder *borrow, segment_writer **ret, err *e)
{
    segment_writer *w = base_alloc_zero(1, sizeof *w);
    if (!w)
        return out_of_memory(e);
    w->encoder = borrow;
    w->file_id = random_u64();
    w->presence_seed = random_u64();
    buf_init(&w->pending, PENDING_MAX_BYTES);
    buf_init(&w->payload, PAGE_BYTES_MAX);
    buf_init(&w->directory, PAGE_BYTES_MAX);
    buf_init(&w->pack, PAGE_BYTES_MAX);
    add_header(w);
    w->sources = derive_sources_new();
    sk_code code = w->pending.failed || !w->sources ? out_of_memory(e)
                                                    : file_open(path, FILE_CREATE_NEW, &w->file, e);
    if (code != SK_OK) {
        segment_writer_free(w);
        return code;
    }
    *ret = w;
    return SK_OK;
}

void segment_writer_free(segment_writer *take_w)
{
    if (!take_w)
        return;
    if (take_w->file)
        file_close(take_w->file);
    buf_done(&take_w->pending);
    buf_done(&take_w->payload);
    buf_done(&take_w->directory);
    buf_done(&take_w->pack);
    base_free(take_w->packs);
    base_free(take_w->columns);
    derive_sources_free(take_w->sources);
    row_ids_free(take_w->row_ids);
    for (uint32_t i = 0; i < ROW_WHATS; i++)
        base_free(take_w->id_blocks[i]);
    base_free(take_w->presences);
    base_free(take_w->entries);
    base_free(take_w);
}

/* Writes what is pending; the kernel starts to write it out, so that the sync at the end finds little left and never holds
 * up the journal's. */
static sk_code flush(segment_writer *w, err *e)
{
    sk_code code = file_write_at(w->file, w->flushed, buf_span(&w->pending), e);
    if (code != SK_OK)
        return code;
    file_write_behind(w->file, w->flushed, w->pending.len);
    w->flushed += w->pending.len;
    buf_clear(&w->pending);
    return SK_OK;
}

sk_code segment_writer_page(segment_writer *w, span raw, bool squeezes, page_ref *ret, err *e)
{
    if (raw.len > PAGE_BYTES_MAX)
        return err_set(e, SK_TOO_LARGE, "a page of %zu bytes passes the limit of %zu", raw.len,
                       PAGE_BYTES_MAX);
    size_t start = w->pending.len;
    page_ref ref = {.offset = w->flushed + start, .raw_len = (uint32_t)raw.len};
    if (squeezes)
        ref.method = squeeze(w->encoder->squeezer, raw, 5, &w->pending);
    else
        buf_add_span(&w->pending, raw);
    if (w->pending.failed)
        return out_of_memory(e);
    span stored = {w->pending.at + start, w->pending.len - start};
    ref.len = (uint32_t)stored.len;
    buf_add_u64(&w->pending, page_check(w->file_id, ref.offset, stored));
    if (w->pending.failed)
        return out_of_memory(e);
    *ret = ref;
    return w->pending.len >= SLICE_BYTES ? flush(w, e) : SK_OK;
}

sk_code segment_writer_read_back(segment_writer *w, uint64_t place, uint32_t len, buf *out, err *e)
{
    buf_clear(out);
    if (!buf_reserve(out, len + DECODE_SLACK))
        return out_of_memory(e);
    out->len = len;
    if (place < w->flushed)
        return file_read_at(w->file, place, out->at, len, e);
    must(place - w->flushed + len <= w->pending.len);
    memcpy(out->at, w->pending.at + (place - w->flushed), len);
    return SK_OK;
}

/* ---- the directory's entries ---- */

sk_code segment_writer_begin_entry(segment_writer *w, uint32_t pseudo, span name, field_type type,
                                   column_form form, err *e)
{
    if (!base_reserve(&w->columns, &w->column_capacity, w->column_count + 1, sizeof w->columns[0]))
        return out_of_memory(e);
    buf *d = &w->directory;
    column_entry *c = &w->columns[w->column_count];
    *c = (column_entry){.start = d->len, .pseudo = pseudo, .number = w->column_count, .type = type};
    if (w->is_caching) {
        c->pseudo = ENTRY_CACHED;
        w->cached_count++;
    }
    buf_add_varint(d, name.len);
    c->name_start = d->len;
    c->name.len = name.len;
    buf_add_span(d, name);
    buf_add_u8(d, (uint8_t)type);
    buf_add_u8(d, (uint8_t)form);
    return SK_OK;
}

sk_code segment_writer_end_entry(segment_writer *w, uint32_t source, err *e)
{
    w->columns[w->column_count].source = source;
    w->columns[w->column_count++].end = w->directory.len;
    return w->directory.failed ? out_of_memory(e) : SK_OK;
}

static int compare_columns(const void *a, const void *b)
{
    const column_entry *x = a, *y = b;
    if (x->pseudo != y->pseudo)
        return x->pseudo < y->pseudo ? -1 : 1;
    int by_name = span_compare(x->name, y->name);
    return by_name ? by_name : (x->type > y->type) - (x->type < y->type);
}

void segment_writer_sort_columns(segment_writer *w)
{
    for (uint32_t i = 0; i < w->column_count; i++)
        w->columns[i].name.at = w->directory.at + w->columns[i].name_start;
    if (w->column_count)
        qsort(w->columns, w->column_count, sizeof w->columns[0], compare_columns);
}

/* Those from `first` on, which are so many. */
static sk_code add_entries(const segment_writer *w, uint32_t first, uint32_t count, buf *out,
                           err *e)
{
    uint32_t *place = base_alloc((w->column_count + 1ul) * sizeof place[0]);
    if (!place)
        return out_of_memory(e);
    for (uint32_t i = 0; i < w->column_count; i++)
        place[w->columns[i].number] = i;
    buf_add_varint(out, count);
    for (uint32_t i = first; i < first + count; i++) {
        const column_entry *c = &w->columns[i];
        buf_add_span(out, span_of(w->directory.at + c->start, c->end - c->start));
        if (c->source != NO_ENTRY)
            buf_add_varint(out, place[c->source]);
    }
    base_free(place);
    return SK_OK;
}

/* ---- rare columns ---- */

static sk_code flush_pack(segment_writer *w, err *e)
{
    if (w->pack.len == 0)
        return SK_OK;
    if (!base_reserve(&w->packs, &w->pack_capacity, w->pack_count + 1, sizeof w->packs[0]))
        return out_of_memory(e);
    sk_code code = segment_writer_page(w, buf_span(&w->pack), true, &w->packs[w->pack_count], e);
    w->pack_count += code == SK_OK;
    buf_clear(&w->pack);
    return code;
}

static void add_rare_values(segment_writer *w, const rare_values *v)
{
    buf *out = &w->pack;
    encoder *e = w->encoder;
    for (uint32_t i = 0; i < v->count; i++)
        e->values[i] = v->rows[i];
    ints_encode(&e->ints, e->values, v->count, out);
    if (v->type == FIELD_FLOAT)
        floats_encode(e, v->bits, v->count, out);
    else
        ints_encode(&e->ints, v->bits, v->count, out);
    if (v->text_count)
        texts_encode(e, v->texts, v->text_count, NULL, NULL, out);
}

sk_code segment_writer_rare(segment_writer *w, const rare_values *v, err *e)
{
    must(v->count && v->count <= INTS_MAX && v->text_count <= TEXTS_PAGE_COUNT);
    size_t start = w->pack.len;
    add_rare_values(w, v);
    sk_code code = segment_writer_begin_entry(w, PART_COLUMNS, v->name, v->type, COLUMN_RARE, e);
    if (code != SK_OK)
        return code;
    buf *d = &w->directory;
    buf_add_varint(d, v->count);
    buf_add_varint(d, v->text_count);
    buf_add_varint(d, w->pack_count);
    buf_add_varint(d, start);
    buf_add_varint(d, w->pack.len - start);
    code = segment_writer_end_entry(w, NO_ENTRY, e);
    if (code != SK_OK)
        return code;
    if (w->pack.failed)
        return out_of_memory(e);
    return w->pack.len >= PACK_BYTES ? flush_pack(w, e) : SK_OK;
}

/* ---- the trace index ---- */

static int compare_entries(const void *a, const void *b)
{
    const index_entry *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* One page of entries: their hashes, ascending; their rows. */
static sk_code write_entries(segment_writer *w, const index_entry *at, uint32_t count,
                             page_ref *ret, err *e)
{
    uint64_t *values = w->encoder->values;
    buf_clear(&w->payload);
    for (uint32_t i = 0; i < count; i++)
        values[i] = at[i].hash;
    ints_encode(&w->encoder->ints, values, count, &w->payload);
    for (uint32_t i = 0; i < count; i++)
        values[i] = at[i].row;
    ints_encode(&w->encoder->ints, values, count, &w->payload);
    if (w->payload.failed)
        return out_of_memory(e);
    return segment_writer_page(w, buf_span(&w->payload), false, ret, e);
}

/* The root: how many entries; for each page its first hash, count and place. */
static sk_code write_trace_index(segment_writer *w, err *e)
{
    if (w->entry_count == 0)
        return SK_OK;
    qsort(w->entries, w->entry_count, sizeof w->entries[0], compare_entries);
    buf root;
    buf_init(&root, PAGE_BYTES_MAX);
    buf_add_varint(&root, w->entry_count);
    sk_code code = SK_OK;
    for (uint32_t i = 0; code == SK_OK && i < w->entry_count; i += INDEX_ENTRIES_MAX) {
        uint32_t left = w->entry_count - i;
        uint32_t count = left < INDEX_ENTRIES_MAX ? left : INDEX_ENTRIES_MAX;
        page_ref ref;
        code = write_entries(w, w->entries + i, count, &ref, e);
        if (code != SK_OK)
            break;
        buf_add_varint(&root, w->entries[i].hash);
        buf_add_varint(&root, count);
        page_ref_add(&root, &ref);
    }
    if (code == SK_OK && root.failed)
        code = out_of_memory(e);
    if (code == SK_OK)
        code = segment_writer_page(w, buf_span(&root), false, &w->trace_index, e);
    buf_done(&root);
    w->has_trace_index = code == SK_OK;
    return code;
}

/* ---- the end ---- */

sk_code segment_writer_end_columns(segment_writer *w, err *e)
{
    sk_code code = flush_pack(w, e);
    if (code == SK_OK)
        code = write_trace_index(w, e);
    return code;
}

static sk_code make_directory(const segment_writer *w, buf *out, err *e)
{
    uint32_t named = w->column_count - w->cached_count;
    sk_code code = w->directory.failed ? out_of_memory(e) : add_entries(w, 0, named, out, e);
    buf_add_varint(out, w->pack_count);
    for (uint32_t i = 0; i < w->pack_count; i++)
        page_ref_add(out, &w->packs[i]);
    buf_add_u8(out, w->has_trace_index);
    if (w->has_trace_index)
        page_ref_add(out, &w->trace_index);
    if (code == SK_OK)
        code = add_entries(w, named, w->cached_count, out, e);
    return code == SK_OK && out->failed ? out_of_memory(e) : code;
}

static sk_code write_directory(segment_writer *w, page_ref *ret, err *e)
{
    buf whole;
    buf_init(&whole, PAGE_BYTES_MAX);
    sk_code code = make_directory(w, &whole, e);
    if (code == SK_OK)
        code = segment_writer_page(w, buf_span(&whole), true, ret, e);
    buf_done(&whole);
    return code;
}

sk_code segment_writer_view(segment_writer *w, const char *path, const segment_facts *facts,
                            segment **ret, err *e)
{
    segment_facts so_far = *facts;
    so_far.column_count = w->column_count - PART_COLUMNS;
    buf whole;
    buf_init(&whole, PAGE_BYTES_MAX);
    sk_code code = make_directory(w, &whole, e);
    if (code == SK_OK)
        code = flush(w, e);
    if (code == SK_OK)
        code =
            segment_of_unfinished(path, w->file_id, w->flushed, &so_far, buf_span(&whole), ret, e);
    buf_done(&whole);
    return code;
}

void segment_writer_begin_cached(segment_writer *w)
{
    w->is_caching = true;
}

static void add_footer(buf *out, const segment_facts *f)
{
    buf_add_varint(out, f->number);
    buf_add_varint(out, f->environment);
    buf_add_u8(out, (uint8_t)f->family);
    buf_add_u8(out, (uint8_t)f->order);
    buf_add_varint(out, f->row_count);
    buf_add_varint(out, f->column_count);
    buf_add_zigzag(out, f->min_time_ns);
    buf_add_zigzag(out, f->max_time_ns);
    buf_add_zigzag(out, f->day);
    buf_add_u8(out, (uint8_t)(f->is_late | f->is_mixed << 1 | f->has_unique_ids << 2));
    buf_add_varint(out, f->level);
    buf_add_varint(out, f->first_seq);
    buf_add_varint(out, f->last_seq);
    buf_add_u64(out, f->seal_id);
    buf_add_varint(out, f->seal_part);
    buf_add_varint(out, f->seal_parts);
    buf_add_zigzag(out, f->created_ns);
    buf_add_zigzag(out, f->newest_arrival_ns);
    buf_add_varint(out, f->replaces_count);
    for (uint32_t i = 0; i < f->replaces_count; i++)
        buf_add_varint(out, f->replaces[i]);
    buf_add_varint(out, f->hash_count);
    if (f->hash_count)
        page_ref_add(out, &f->hashes);
    page_ref_add(out, &f->directory);
}

static void add_trailer(segment_writer *w, const page_ref *footer)
{
    buf *out = &w->pending;
    size_t start = out->len;
    buf_add_u64(out, footer->offset);
    buf_add_u32(out, footer->len);
    buf_add_u32(out, SEGMENT_VERSION);
    buf_add_u64(out, w->file_id);
    buf_add_u64(out, footer->offset + footer->len + PAGE_CHECK_BYTES + SEGMENT_TAIL_BYTES);
    if (!out->failed)
        buf_add_u64(out, hash64((span){out->at + start, out->len - start}));
    buf_add_text(out, SEGMENT_TAIL_MAGIC);
    must(out->failed || out->len - start == SEGMENT_TAIL_BYTES);
}

sk_code segment_writer_finish(segment_writer *w, segment_facts *facts, err *e)
{
    facts->column_count = w->column_count - w->cached_count - PART_COLUMNS;
    sk_code code = write_directory(w, &facts->directory, e);
    if (code != SK_OK)
        return code;
    buf_clear(&w->payload);
    add_footer(&w->payload, facts);
    page_ref footer;
    code = w->payload.failed ? out_of_memory(e)
                             : segment_writer_page(w, buf_span(&w->payload), false, &footer, e);
    if (code != SK_OK)
        return code;
    add_trailer(w, &footer);
    if (w->pending.failed)
        return out_of_memory(e);
    code = flush(w, e);
    return code == SK_OK ? file_sync(w->file, e) : code;
}
