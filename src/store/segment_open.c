/*
 * store/segment_open.c: opening segment files, reading their pages, counting who uses them.
 * Called by catalog.c, seal.c and merge.c (opening what they wrote), snapshots (pins).
 * Never: trusts a byte of the file; keeps a file open that nobody has pinned for long.
 */
#include "store/segment.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/must.h"

static sk_code corrupt(const segment *s, err *e, const char *what)
{
    return err_set(e, SK_CORRUPT, "%s: %s", s->path, what);
}

/* ---- pages ---- */

sk_code segment_page(const segment *s, file *f, const page_ref *ref, unsqueezer *u, buf *scratch,
                     buf *out, err *e)
{
    buf *into = ref->method == METHOD_RAW ? out : scratch;
    buf_clear(into);
    buf_clear(out);
    uint64_t stored_len = (uint64_t)ref->len + PAGE_CHECK_BYTES;
    if (ref->offset > s->file_bytes || stored_len > s->file_bytes - ref->offset)
        return corrupt(s, e, "a page lies outside the file");
    if (!buf_reserve(into, stored_len + DECODE_SLACK) ||
        !buf_reserve(out, ref->raw_len + DECODE_SLACK))
        return err_set(e, SK_NO_MEMORY, "no memory for a page of %u bytes", ref->raw_len);
    sk_code code = file_read_at(f, ref->offset, into->at, stored_len, e);
    if (code != SK_OK)
        return code;
    span stored = {into->at, ref->len};
    uint64_t check;
    memcpy(&check, into->at + ref->len, sizeof check);
    if (s->checks && check != page_check(s->file_id, ref->offset, stored))
        return err_set(e, SK_CORRUPT,
                       "%s: the page of %u bytes at %llu does not match its checksum", s->path,
                       ref->len, (unsigned long long)ref->offset);
    if (ref->method == METHOD_RAW) {
        if (ref->raw_len != ref->len)
            return corrupt(s, e, "a raw page has two lengths");
    } else if (!unsqueeze(u, ref->method, stored, out->at, ref->raw_len)) {
        return corrupt(s, e, "a page cannot be unsqueezed");
    }
    out->len = ref->raw_len;
    return SK_OK;
}

/* ---- trailer and footer ---- */

static sk_code read_trailer(segment *s, file *f, page_ref *ret_footer, err *e)
{
    uint8_t head[SEGMENT_HEAD_BYTES], tail[SEGMENT_TAIL_BYTES];
    sk_code code = file_size(f, &s->file_bytes, e);
    if (code == SK_OK && s->file_bytes < sizeof head + sizeof tail)
        return corrupt(s, e, "too short for a segment");
    if (code == SK_OK)
        code = file_read_at(f, 0, head, sizeof head, e);
    if (code == SK_OK)
        code = file_read_at(f, s->file_bytes - sizeof tail, tail, sizeof tail, e);
    if (code != SK_OK)
        return code;
    if (memcmp(head, SEGMENT_HEAD_MAGIC, 8) != 0)
        return corrupt(s, e, "it does not start like a segment");
    if (memcmp(tail + 40, SEGMENT_TAIL_MAGIC, 8) != 0)
        return corrupt(s, e, "no trailer at its end");
    reader r = reader_of(span_of(tail, sizeof tail));
    ret_footer->offset = reader_u64(&r);
    ret_footer->len = ret_footer->raw_len = reader_u32(&r);
    ret_footer->method = METHOD_RAW;
    uint32_t version = s->version = reader_u32(&r);
    s->file_id = reader_u64(&r);
    uint64_t bytes = reader_u64(&r);
    if (s->checks && reader_u64(&r) != hash64(span_of(tail, 32)))
        return corrupt(s, e, "the trailer does not match its checksum");
    if (version > SEGMENT_VERSION)
        return err_set(e, SK_UNSUPPORTED,
                       "%s: segment version %u is newer than this skep reads (%u)", s->path,
                       version, SEGMENT_VERSION);
    uint64_t head_id, head_check;
    memcpy(&head_id, head + 16, 8);
    memcpy(&head_check, head + 24, 8);
    if (s->checks && (head_check != hash64(span_of(head, 24)) || head_id != s->file_id))
        return corrupt(s, e, "header and trailer do not belong together");
    if (bytes != s->file_bytes || ret_footer->len > PAGE_BYTES_MAX)
        return corrupt(s, e, "the trailer names another length");
    return SK_OK;
}

static uint32_t read_u32_max(reader *r, uint64_t max)
{
    uint64_t v = reader_varint(r);
    if (v > max)
        r->failed = true;
    return r->failed ? 0 : (uint32_t)v;
}

static sk_code read_facts(segment *s, span bytes, err *e)
{
    segment_facts *f = &s->facts;
    reader r = reader_of(bytes);
    f->number = reader_varint(&r);
    f->environment = read_u32_max(&r, UINT32_MAX);
    f->family = reader_u8(&r);
    f->order = reader_u8(&r);
    f->row_count = read_u32_max(&r, UINT32_MAX - VECTOR_ROWS);
    f->column_count = read_u32_max(&r, PAGE_BYTES_MAX);
    f->min_time_ns = reader_zigzag(&r);
    f->max_time_ns = reader_zigzag(&r);
    f->day = reader_zigzag(&r);
    uint8_t flags = reader_u8(&r);
    f->is_late = flags & 1;
    f->is_mixed = flags >> 1 & 1;
    f->has_unique_ids = flags >> 2 & 1;
    f->level = read_u32_max(&r, UINT32_MAX);
    f->first_seq = reader_varint(&r);
    f->last_seq = reader_varint(&r);
    f->seal_id = reader_u64(&r);
    f->seal_part = read_u32_max(&r, UINT32_MAX);
    f->seal_parts = read_u32_max(&r, UINT32_MAX);
    f->created_ns = reader_zigzag(&r);
    f->newest_arrival_ns = reader_zigzag(&r);
    f->replaces_count = read_u32_max(&r, SEGMENT_REPLACES_MAX);
    if (f->replaces_count) {
        f->replaces = base_alloc_zero(f->replaces_count, sizeof f->replaces[0]);
        if (!f->replaces)
            return err_set(e, SK_NO_MEMORY, "no memory to open %s", s->path);
    }
    for (uint32_t i = 0; i < f->replaces_count; i++)
        f->replaces[i] = reader_varint(&r);
    f->hash_count = read_u32_max(&r, SEGMENT_HASHES_MAX);
    if (f->hash_count)
        f->hashes = page_ref_read(&r);
    f->directory = page_ref_read(&r);
    if (r.failed || f->family >= FAMILY_COUNT || f->row_count == 0 ||
        f->min_time_ns > f->max_time_ns ||
        (f->hash_count && f->hashes.raw_len != f->hash_count * 24ul))
        return corrupt(s, e, "the footer is not one");
    return SK_OK;
}

static sk_code read_footer(segment *s, file *f, err *e)
{
    page_ref footer;
    sk_code code = read_trailer(s, f, &footer, e);
    if (code != SK_OK)
        return code;
    buf bytes;
    buf_init(&bytes, PAGE_BYTES_MAX + 64);
    code = segment_page(s, f, &footer, NULL, &bytes, &bytes, e);
    if (code == SK_OK)
        code = read_facts(s, buf_span(&bytes), e);
    buf_done(&bytes);
    return code;
}

static void free_segment(segment *s)
{
    base_free(s->facts.replaces);
    lock_done(&s->lock);
    base_free(s->path);
    base_free(s);
}

static segment *new_segment(const char *path, bool checks, segment_cache *cache, err *e)
{
    size_t len = strlen(path) + 1;
    segment *s = base_alloc_zero(1, sizeof *s);
    char *copy = base_alloc(len);
    if (!s || !copy) {
        base_free(s);
        base_free(copy);
        (void)err_set(e, SK_NO_MEMORY, "no memory to open %s", path);
        return NULL;
    }
    s->base.ops = &segment_part_ops;
    s->self = s;
    s->version = SEGMENT_VERSION;
    s->path = memcpy(copy, path, len);
    s->checks = checks;
    s->cache = cache;
    atomic_init(&s->refs, 1);
    lock_init(&s->lock, RANK_LEAF);
    return s;
}

sk_code segment_open(const char *path, bool checks, segment_cache *cache, segment **ret, err *e)
{
    segment *s = new_segment(path, checks, cache, e);
    if (!s)
        return e->code;
    file *f;
    sk_code code = file_open(path, FILE_READ, &f, e);
    if (code == SK_OK) {
        code = read_footer(s, f, e);
        file_close(f);
    }
    if (code != SK_OK) {
        free_segment(s);
        return code;
    }
    *ret = s;
    return SK_OK;
}

sk_code segment_of_unfinished(const char *path, uint64_t file_id, uint64_t file_bytes,
                              const segment_facts *facts, span of_directory, segment **ret, err *e)
{
    segment *s = new_segment(path, true, NULL, e);
    if (!s)
        return e->code;
    s->file_id = file_id;
    s->file_bytes = file_bytes;
    s->facts = *facts;
    s->facts.replaces = NULL;
    s->facts.replaces_count = 0;
    sk_code code = segment_set_directory(s, of_directory, e);
    if (code != SK_OK)
        free_segment(s);
    else
        *ret = s;
    return code;
}

void segment_rename(segment *s, char *take_path)
{
    base_free(s->path);
    s->path = take_path;
}

sk_code segment_hashes(segment *s, segment_hash **ret, uint32_t *ret_count, err *e)
{
    *ret = NULL;
    *ret_count = 0;
    if (s->facts.hash_count == 0)
        return SK_OK;
    file *f;
    sk_code code = file_open(s->path, FILE_READ, &f, e);
    if (code != SK_OK)
        return code;
    unsqueezer *u = unsqueezer_new();
    buf scratch, bytes;
    buf_init(&scratch, PAGE_BYTES_MAX + 64);
    buf_init(&bytes, PAGE_BYTES_MAX + 64);
    segment_hash *list = base_alloc_zero(s->facts.hash_count, sizeof *list);
    code = u && list ? segment_page(s, f, &s->facts.hashes, u, &scratch, &bytes, e)
                     : err_set(e, SK_NO_MEMORY, "no memory for request hashes");
    if (code == SK_OK) {
        reader r = reader_of(buf_span(&bytes));
        for (uint32_t i = 0; i < s->facts.hash_count; i++) {
            list[i].body_hash.lo = reader_u64(&r);
            list[i].body_hash.hi = reader_u64(&r);
            list[i].arrival_ns = (int64_t)reader_u64(&r);
        }
        *ret = list;
        *ret_count = s->facts.hash_count;
    } else {
        base_free(list);
    }
    buf_done(&scratch);
    buf_done(&bytes);
    unsqueezer_free(u);
    file_close(f);
    return code;
}

/* ---- references and pins ---- */

segment *segment_ref(segment *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

static void leave_cache(segment *s)
{
    segment_cache *c = s->cache;
    if (!c)
        return;
    lock_take(&c->lock);
    for (uint32_t i = 0; s->is_in_cache && i < c->loaded_count; i++)
        if (c->loaded[i] == s) {
            c->loaded[i] = c->loaded[--c->loaded_count];
            s->is_in_cache = false;
        }
    lock_drop(&c->lock);
}

/* The name goes durably, else a power loss could bring back rows that a later merge's file, dropped by then, replaced. */
static void remove_file(const segment *s)
{
    err e;
    char folder[4096];
    const char *slash = strrchr(s->path, '/');
    int len = slash ? (int)(slash - s->path) : 1;
    snprintf(folder, sizeof folder, "%.*s", len, slash ? s->path : ".");
    /* What cannot be removed now is removed when the store is opened next: it is replaced or out of retention. */
    if (file_remove(s->path, &e) == SK_OK && file_sync_dir(folder, &e) != SK_OK)
        return;
}

void segment_unref(segment *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    leave_cache(s);
    segment_unload(s);
    if (atomic_load_explicit(&s->is_removed, memory_order_relaxed))
        remove_file(s);
    free_segment(s);
}

void segment_set_damaged(segment *s, const char *what)
{
    if (!atomic_exchange_explicit(&s->is_damaged, true, memory_order_relaxed) && s->cache &&
        s->cache->damaged)
        s->cache->damaged(s->cache->ctx, s, what);
}

static void join_cache(segment *s)
{
    segment_cache *c = s->cache;
    if (!c)
        return;
    atomic_store_explicit(&s->last_used, atomic_fetch_add(&c->clock, 1), memory_order_relaxed);
    lock_take(&c->lock);
    if (!s->is_in_cache &&
        base_reserve(&c->loaded, &c->loaded_capacity, c->loaded_count + 1, sizeof c->loaded[0])) {
        c->loaded[c->loaded_count++] = s;
        s->is_in_cache = true;
    }
    lock_drop(&c->lock);
}

sk_code segment_pin(segment *s, err *e)
{
    lock_take(&s->lock);
    s->pins++;
    lock_drop(&s->lock);
    directory *d = segment_directory(s);
    sk_code code = d ? SK_OK : segment_load_directory(s, &d, e);
    column_index *times;
    if (code == SK_OK)
        code = segment_load_index(s, &d->columns[PART_TIME], &times, e);
    join_cache(s);
    if (code != SK_OK)
        segment_unpin(s);
    return code;
}

void segment_unpin(segment *s)
{
    lock_take(&s->lock);
    must(s->pins);
    s->pins--;
    lock_drop(&s->lock);
    segment_cache *c = s->cache;
    if (c && atomic_load_explicit(&c->bytes, memory_order_relaxed) > c->max_bytes)
        segment_cache_shrink(c, c->max_bytes);
}

/* ---- the cache ---- */

void segment_cache_init(segment_cache *c, size_t max_bytes)
{
    *c = (segment_cache){.max_bytes = max_bytes};
    lock_init(&c->lock, RANK_QUEUE);
}

void segment_cache_done(segment_cache *c)
{
    for (uint32_t i = 0; i < c->decoder_count; i++)
        decoder_free(c->decoders[i]);
    base_free(c->loaded);
    lock_done(&c->lock);
}

static void sort_by_use(segment **list, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++)
        for (uint32_t k = i;
             k && atomic_load(&list[k]->last_used) < atomic_load(&list[k - 1]->last_used); k--) {
            segment *moved = list[k];
            list[k] = list[k - 1];
            list[k - 1] = moved;
        }
}

void segment_cache_shrink(segment_cache *c, size_t max_bytes)
{
    lock_take(&c->lock);
    sort_by_use(c->loaded, c->loaded_count);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < c->loaded_count; i++) {
        segment *s = c->loaded[i];
        bool goes = atomic_load_explicit(&c->bytes, memory_order_relaxed) > max_bytes;
        if (goes) {
            lock_take(&s->lock);
            goes = s->pins == 0;
            if (goes)
                segment_unload(s);
            lock_drop(&s->lock);
        }
        if (goes)
            s->is_in_cache = false;
        else
            c->loaded[kept++] = s;
    }
    c->loaded_count = kept;
    lock_drop(&c->lock);
}

decoder *segment_cache_decoder(segment_cache *c)
{
    decoder *d = NULL;
    if (c) {
        lock_take(&c->lock);
        if (c->decoder_count)
            d = c->decoders[--c->decoder_count];
        lock_drop(&c->lock);
    }
    return d ? d : decoder_new();
}

void segment_cache_return(segment_cache *c, decoder *take_d)
{
    if (c) {
        lock_take(&c->lock);
        if (c->decoder_count < COUNT_OF(c->decoders)) {
            c->decoders[c->decoder_count++] = take_d;
            take_d = NULL;
        }
        lock_drop(&c->lock);
    }
    decoder_free(take_d);
}
