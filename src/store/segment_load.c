/*
 * store/segment_load.c: what a segment loads when asked for: directory, column indexes, rare columns, trace index.
 * Called by segment_part.c, segment_texts.c and by pins; several threads may load the same thing at once: the first to publish it wins, the
 * others free theirs. Never: trusts a byte of the file.
 */
#include "store/segment.h"

#include "base/alloc.h"
#include "base/must.h"

#define PAGE_BUF_MAX (PAGE_BYTES_MAX + 64)
/* The shortest reference and entry of the directory: no count asks for memory that its bytes cannot fill. */
#define REF_BYTES_MIN    4u
#define COLUMN_BYTES_MIN 8u

static sk_code corrupt(const segment *s, err *e, const char *what)
{
    return err_set(e, SK_CORRUPT, "%s: %s", s->path, what);
}

static sk_code out_of_memory(const segment *s, err *e)
{
    return err_set(e, SK_NO_MEMORY, "no memory to read %s", s->path);
}

void segment_note_held(const segment *s, size_t bytes)
{
    atomic_fetch_add_explicit(&s->self->held_bytes, bytes, memory_order_relaxed);
    if (s->cache)
        atomic_fetch_add_explicit(&s->cache->bytes, bytes, memory_order_relaxed);
}

sk_code loading_begin(loading *l, const segment *s, file *f, const page_ref *ref, err *e)
{
    *l = (loading){.segment = s, .decoder = segment_cache_decoder(s->cache)};
    buf_init(&l->scratch, PAGE_BUF_MAX);
    buf_init(&l->bytes, PAGE_BUF_MAX);
    return l->decoder ? segment_page(s, f, ref, l->decoder->unsqueezer, &l->scratch, &l->bytes, e)
                      : out_of_memory(s, e);
}

void loading_end(loading *l)
{
    buf_done(&l->scratch);
    buf_done(&l->bytes);
    if (l->decoder)
        segment_cache_return(l->segment->cache, l->decoder);
}

static uint32_t read_max(reader *r, uint64_t max)
{
    uint64_t v = reader_varint(r);
    if (v > max)
        r->failed = true;
    return r->failed ? 0 : (uint32_t)v;
}

/* ---- directory ---- */

static void free_directory(directory *d)
{
    if (!d)
        return;
    if (d->file)
        file_close(d->file);
    base_free(d->columns);
    base_free(d->packs);
    base_free(d->names);
    base_free(d);
}

static void read_column(reader *r, directory *d, directory_column *c, size_t *names_used)
{
    span name = reader_bytes(r, read_max(r, EVENT_FIELD_NAME_MAX));
    if (name.len)
        memcpy(d->names + *names_used, name.at, name.len);
    c->name = span_of(d->names + *names_used, name.len);
    c->hash = (uint32_t)hash64(c->name);
    *names_used += name.len;
    c->type = reader_u8(r);
    c->form = reader_u8(r);
    c->value_count = read_max(r, UINT32_MAX);
    c->text_count = read_max(r, UINT32_MAX - 1);
    c->dictionary = segment_dictionary(c);
    if (c->form != COLUMN_RARE) {
        c->index = page_ref_read(r);
        c->source = c->form == COLUMN_DERIVED ? read_max(r, UINT32_MAX) : 0;
    } else {
        c->pack = read_max(r, UINT32_MAX);
        c->pack_start = read_max(r, PAGE_BYTES_MAX);
        c->pack_len = read_max(r, PAGE_BYTES_MAX);
    }
    if (c->type >= FIELD_TYPE_COUNT || c->form > COLUMN_DERIVED)
        r->failed = true;
}

/* Named columns ascend, so that no two are the same. */
static bool is_in_order(const directory_column *before, const directory_column *c)
{
    int by_name = span_compare(before->name, c->name);
    return by_name < 0 || (by_name == 0 && before->type < c->type);
}

static bool has_texts(const directory *d, const directory_column *c)
{
    return c == &d->columns[PART_DATASET] ||
           (c >= d->columns + PART_COLUMNS &&
            (c->type == FIELD_STRING || c->type == FIELD_HISTOGRAM));
}

/* Codes and numbers follow from codes that follow from nothing themselves. */
static bool may_follow(const directory *d, const directory_column *c)
{
    if (c->source >= d->column_count)
        return false;
    const directory_column *from = &d->columns[c->source];
    return from->form == COLUMN_BLOCKS && has_texts(d, from) &&
           (c == &d->columns[PART_DATASET] ||
            (c >= d->columns + PART_COLUMNS && c->type != FIELD_FLOAT));
}

static bool check_columns(const segment *s, const directory *d)
{
    for (uint32_t i = 0; i < d->column_count + d->cached_count; i++) {
        const directory_column *c = &d->columns[i];
        if (i > PART_COLUMNS && i != d->column_count && !is_in_order(c - 1, c))
            return false;
        if ((i < PART_COLUMNS || i >= d->column_count) && c->form == COLUMN_RARE)
            return false;
        if (i >= d->column_count && c->type != FIELD_STRING)
            return false;
        if (c->form == COLUMN_DERIVED && !may_follow(d, c))
            return false;
        if (c->form == COLUMN_RARE &&
            (c->pack >= d->pack_count || c->value_count == 0 || c->value_count > INTS_MAX ||
             c->text_count > TEXTS_PAGE_COUNT))
            return false;
        if (c->value_count > s->facts.row_count)
            return false;
    }
    return true;
}

static sk_code parse_directory(const segment *s, span bytes, directory *d, err *e)
{
    reader r = reader_of(bytes);
    d->column_count = read_max(&r, bytes.len / COLUMN_BYTES_MIN);
    if (r.failed || d->column_count < PART_COLUMNS ||
        d->column_count - PART_COLUMNS != s->facts.column_count)
        return corrupt(s, e, "the directory does not fit the footer");
    d->columns = base_alloc_zero(d->column_count + CACHED_MAX, sizeof d->columns[0]);
    d->names = base_alloc(bytes.len + 1);
    if (!d->columns || !d->names)
        return out_of_memory(s, e);
    size_t names_used = 0;
    for (uint32_t i = 0; i < d->column_count && !r.failed; i++) {
        d->columns[i].segment = s;
        read_column(&r, d, &d->columns[i], &names_used);
    }
    d->pack_count = read_max(&r, reader_left(&r) / REF_BYTES_MIN);
    d->packs = base_alloc_zero(d->pack_count + 1ul, sizeof d->packs[0]);
    if (!d->packs)
        return out_of_memory(s, e);
    for (uint32_t i = 0; i < d->pack_count && !r.failed; i++)
        d->packs[i] = page_ref_read(&r);
    d->has_trace_index = reader_u8(&r) == 1;
    if (d->has_trace_index)
        d->trace_root = page_ref_read(&r);
    if (reader_left(&r)) /* files of before have nothing here */
        d->cached_count = read_max(&r, CACHED_MAX);
    for (uint32_t i = 0; i < d->cached_count && !r.failed; i++) {
        d->columns[d->column_count + i].segment = s;
        read_column(&r, d, &d->columns[d->column_count + i], &names_used);
    }
    d->bytes = sizeof *d + (d->column_count + CACHED_MAX) * sizeof d->columns[0] + bytes.len +
               d->pack_count * sizeof d->packs[0];
    return r.failed || !check_columns(s, d) ? corrupt(s, e, "the directory is not one") : SK_OK;
}

sk_code segment_set_directory(segment *s, span bytes, err *e)
{
    directory *d = base_alloc_zero(1, sizeof *d);
    if (!d)
        return out_of_memory(s, e);
    sk_code code = file_open(s->path, FILE_READ, &d->file, e);
    if (code == SK_OK)
        code = parse_directory(s, bytes, d, e);
    if (code == SK_OK)
        atomic_store(&s->directory, d);
    else
        free_directory(d);
    return code;
}

sk_code segment_load_directory(segment *s, directory **ret, err *e)
{
    directory *d = base_alloc_zero(1, sizeof *d);
    if (!d)
        return out_of_memory(s, e);
    sk_code code = file_open(s->path, FILE_READ, &d->file, e);
    if (code == SK_OK) {
        loading l;
        code = loading_begin(&l, s, d->file, &s->facts.directory, e);
        if (code == SK_OK)
            code = parse_directory(s, buf_span(&l.bytes), d, e);
        loading_end(&l);
    }
    directory *none = NULL;
    if (code != SK_OK || !atomic_compare_exchange_strong(&s->directory, &none, d))
        free_directory(d);
    else
        segment_note_held(s, d->bytes);
    if (code == SK_OK)
        *ret = segment_directory(s);
    return code;
}

/* ---- column indexes ---- */

static void free_index(column_index *x)
{
    if (!x)
        return;
    for (uint32_t i = 0; x->pages && i < x->page_count; i++)
        segment_forget_texts(&x->pages[i]);
    base_free(atomic_load(&x->templates));
    base_free(x->blocks);
    base_free(x->bitmaps);
    derived_table_free(&x->table);
    base_free(x->pages);
    base_free(x);
}

typedef struct index_parse {
    reader r;
    bool has_texts, is_float, is_of_all_rows, is_derived;
    uint32_t text_count, bitmap_words, bitmap_capacity;
    bool is_out_of_memory;
} index_parse;

static void parse_bitmap(index_parse *p, column_index *x, block_entry *b)
{
    uint32_t words = (uint32_t)(b->max / 64) + 1;
    span raw = reader_bytes(&p->r, words * 8ul);
    if (p->r.failed)
        return;
    if (!base_reserve(&x->bitmaps, &p->bitmap_capacity, p->bitmap_words + words, 8)) {
        p->is_out_of_memory = p->r.failed = true;
        return;
    }
    memcpy(x->bitmaps + p->bitmap_words, raw.at, raw.len);
    b->bitmap = p->bitmap_words;
    p->bitmap_words += words;
}

static void parse_range(index_parse *p, block_entry *b)
{
    reader *r = &p->r;
    if (p->has_texts) {
        b->min = reader_varint(r);
        b->max = b->min + reader_varint(r);
        if (b->max < b->min || b->max >= p->text_count ||
            ((b->tag & BLOCK_FORMS) == BLOCK_CONSTANT && (b->place < b->min || b->place > b->max)))
            r->failed = true;
    } else if (p->is_float) {
        b->min = reader_u64(r);
        b->max = reader_u64(r);
    } else {
        b->min = (uint64_t)reader_zigzag(r);
        b->max = b->min + reader_varint(r);
    }
}

static void parse_block(index_parse *p, column_index *x, block_entry *b, uint32_t row_count)
{
    reader *r = &p->r;
    b->tag = reader_u8(r);
    uint8_t form = b->tag & BLOCK_FORMS;
    if (p->is_of_all_rows && !(b->tag & BLOCK_ALL_PRESENT))
        r->failed = true;
    if (b->tag == BLOCK_ABSENT)
        return;
    if (b->tag > 31 || form == BLOCK_ABSENT || (form == BLOCK_DERIVED && !p->is_derived)) {
        r->failed = true;
        return;
    }
    b->value_count = row_count;
    if (!(b->tag & BLOCK_ALL_PRESENT)) {
        b->value_count = read_max(r, row_count);
        b->presence_place = form == BLOCK_DERIVED ? 0 : reader_varint(r);
        b->presence_len = form == BLOCK_DERIVED ? 0 : read_max(r, PAGE_BYTES_MAX);
    }
    if (form == BLOCK_CONSTANT) {
        b->place = reader_u64(r);
    } else if (form == BLOCK_PAGE) {
        b->place = reader_varint(r);
        b->len = read_max(r, PAGE_BYTES_MAX);
    }
    if (b->value_count == 0 || (p->has_texts && !(b->tag & BLOCK_HAS_RANGE)) ||
        ((b->tag & BLOCK_HAS_BITMAP) && !p->has_texts))
        r->failed = true;
    if (b->tag & BLOCK_HAS_RANGE)
        parse_range(p, b);
    if ((b->tag & BLOCK_HAS_BITMAP) && !r->failed)
        parse_bitmap(p, x, b);
}

static sk_code parse_pages(index_parse *p, column_index *x, const segment *s, err *e)
{
    x->page_count = read_max(&p->r, reader_left(&p->r) / (1 + REF_BYTES_MIN));
    x->pages = base_alloc_zero(x->page_count + 1ul, sizeof x->pages[0]);
    if (!x->pages)
        return out_of_memory(s, e);
    uint64_t codes = 0;
    for (uint32_t i = 0; i < x->page_count && !p->r.failed; i++) {
        x->pages[i].first_code = (uint32_t)codes;
        x->pages[i].count = read_max(&p->r, TEXTS_PAGE_COUNT);
        x->pages[i].ref = page_ref_read(&p->r);
        codes += x->pages[i].count;
        if (x->pages[i].count == 0 || codes > p->text_count)
            p->r.failed = true;
    }
    if (x->page_count && s->version >= SEGMENT_VERSION_TEMPLATES)
        x->has_templates = reader_u8(&p->r) == 1;
    if (x->has_templates)
        x->template_ref = page_ref_read(&p->r);
    return p->r.failed || codes != p->text_count ? corrupt(s, e, "a column's index is not one")
                                                 : SK_OK;
}

static sk_code parse_index(const segment *s, const directory *d, const directory_column *c,
                           const loading *l, column_index *x, err *e)
{
    span bytes = buf_span(&l->bytes);
    index_parse p = {.r = reader_of(bytes),
                     .has_texts = has_texts(d, c),
                     .is_float = c >= d->columns + PART_COLUMNS && c->type == FIELD_FLOAT,
                     .is_of_all_rows = c <= d->columns + PART_DATASET,
                     .is_derived = c->form == COLUMN_DERIVED,
                     .text_count = c->text_count};
    x->block_count = block_count_of(s->facts.row_count);
    if (read_max(&p.r, UINT32_MAX) != x->block_count || (c->text_count && !p.has_texts))
        return corrupt(s, e, "a column's index has another number of blocks");
    if (x->block_count > bytes.len)
        return corrupt(s, e, "a column's index is cut short");
    x->blocks = base_alloc_zero(x->block_count, sizeof x->blocks[0]);
    if (!x->blocks)
        return out_of_memory(s, e);
    for (uint32_t i = 0; i < x->block_count && !p.r.failed; i++)
        parse_block(&p, x, &x->blocks[i], block_rows_of(s->facts.row_count, i));
    if (p.is_out_of_memory)
        return out_of_memory(s, e);
    sk_code code = parse_pages(&p, x, s, e);
    if (code == SK_OK && p.is_derived &&
        !derived_table_decode(&x->table, l->decoder, &p.r, &p.is_out_of_memory))
        code = p.is_out_of_memory ? out_of_memory(s, e)
                                  : corrupt(s, e, "a derived column has no table");
    x->bytes = sizeof *x + x->block_count * sizeof x->blocks[0] + p.bitmap_capacity * 8ul +
               x->page_count * sizeof x->pages[0] + x->table.entries * 9ul;
    return code;
}

sk_code segment_load_index(const segment *s, directory_column *c, column_index **ret, err *e)
{
    column_index *x = atomic_load_explicit(&c->loaded, memory_order_acquire);
    if (x) {
        *ret = x;
        return SK_OK;
    }
    const directory *d = segment_directory(s);
    loading l;
    sk_code code = loading_begin(&l, s, d->file, &c->index, e);
    x = code == SK_OK ? base_alloc_zero(1, sizeof *x) : NULL;
    if (code == SK_OK)
        code = x ? parse_index(s, d, c, &l, x, e) : out_of_memory(s, e);
    loading_end(&l);
    if (code != SK_OK) {
        free_index(x);
        return code;
    }
    x->segment = s;
    column_index *none = NULL;
    if (atomic_compare_exchange_strong(&c->loaded, &none, x)) {
        segment_note_held(s, x->bytes);
        *ret = x;
    } else {
        free_index(x);
        *ret = none;
    }
    return SK_OK;
}

/* ---- rare columns ---- */

static void free_rare(rare_column *c)
{
    if (!c)
        return;
    texts_free(c->texts);
    base_free(c->rows);
    base_free(c->bits);
    base_free(c);
}

static sk_code parse_rare(const segment *s, const directory_column *from, decoder *d, span bytes,
                          rare_column *c, err *e)
{
    reader r = reader_of(bytes);
    c->count = (uint32_t)from->value_count;
    c->rows = base_alloc_zero(c->count, sizeof c->rows[0]);
    c->bits = base_alloc_zero(c->count, sizeof c->bits[0]);
    if (!c->rows || !c->bits)
        return out_of_memory(s, e);
    bool is_good = ints_decode_u32(&d->ints, &r, c->count, c->rows) &&
                   (from->type == FIELD_FLOAT ? floats_decode(d, &r, c->count, c->bits)
                                              : ints_decode_u64(&d->ints, &r, c->count, c->bits));
    bool is_text = from->type == FIELD_STRING || from->type == FIELD_HISTOGRAM;
    for (uint32_t i = 0; is_good && i < c->count; i++)
        is_good = c->rows[i] < s->facts.row_count && (i == 0 || c->rows[i] > c->rows[i - 1]) &&
                  (!is_text || c->bits[i] < from->text_count) &&
                  (from->type != FIELD_BOOL || c->bits[i] <= 1);
    if (!is_good || is_text != (from->text_count != 0))
        return corrupt(s, e, "a rare column is not one");
    if (!is_text)
        return SK_OK;
    sk_code code = texts_decode(d, &r, from->text_count, NULL, &c->texts);
    if (code == SK_CORRUPT)
        return corrupt(s, e, "a rare column's texts are not any");
    return code == SK_OK ? SK_OK : out_of_memory(s, e);
}

sk_code segment_load_rare(const segment *s, directory_column *from, rare_column **ret, err *e)
{
    rare_column *c = atomic_load_explicit(&from->loaded_rare, memory_order_acquire);
    if (c) {
        *ret = c;
        return SK_OK;
    }
    const directory *d = segment_directory(s);
    loading l;
    sk_code code = loading_begin(&l, s, d->file, &d->packs[from->pack], e);
    if (code == SK_OK && ((uint64_t)from->pack_start + from->pack_len > l.bytes.len))
        code = corrupt(s, e, "a rare column lies outside its pack");
    c = code == SK_OK ? base_alloc_zero(1, sizeof *c) : NULL;
    if (code == SK_OK)
        code = c ? parse_rare(s, from, l.decoder,
                              span_of(l.bytes.at + from->pack_start, from->pack_len), c, e)
                 : out_of_memory(s, e);
    loading_end(&l);
    if (code != SK_OK) {
        free_rare(c);
        return code;
    }
    c->bytes = sizeof *c + c->count * 12ul + (c->texts ? texts_bytes(c->texts) : 0);
    rare_column *none = NULL;
    if (atomic_compare_exchange_strong(&from->loaded_rare, &none, c)) {
        segment_note_held(s, c->bytes);
        *ret = c;
    } else {
        free_rare(c);
        *ret = none;
    }
    return SK_OK;
}

/* ---- the trace index ---- */

static void free_traces(trace_index *t)
{
    if (!t)
        return;
    for (uint32_t i = 0; t->loaded && i < t->page_count; i++)
        base_free(atomic_load(&t->loaded[i]));
    base_free(t->first_hash);
    base_free(t->refs);
    base_free(t->counts);
    base_free(t->loaded);
    base_free(t);
}

static sk_code parse_traces(const segment *s, span bytes, trace_index *t, err *e)
{
    reader r = reader_of(bytes);
    uint64_t total = reader_varint(&r), count = 0;
    uint64_t most = bytes.len / 6 + 1; /* an entry of the root has at least six bytes */
    t->first_hash = base_alloc_zero(most, sizeof t->first_hash[0]);
    t->refs = base_alloc_zero(most, sizeof t->refs[0]);
    t->counts = base_alloc_zero(most, sizeof t->counts[0]);
    t->loaded = base_alloc_zero(most, sizeof t->loaded[0]);
    if (!t->first_hash || !t->refs || !t->counts || !t->loaded)
        return out_of_memory(s, e);
    while (!r.failed && count < total && t->page_count < most) {
        uint32_t i = t->page_count++;
        t->first_hash[i] = read_max(&r, UINT32_MAX);
        t->counts[i] = read_max(&r, INDEX_ENTRIES_MAX);
        t->refs[i] = page_ref_read(&r);
        count += t->counts[i];
        if (t->counts[i] == 0 || (i && t->first_hash[i] < t->first_hash[i - 1]))
            r.failed = true;
    }
    return r.failed || count != total ? corrupt(s, e, "the trace index is not one") : SK_OK;
}

sk_code segment_load_traces(const segment *s, trace_index **ret, err *e)
{
    directory *d = segment_directory(s);
    trace_index *t = atomic_load_explicit(&d->traces, memory_order_acquire);
    if (t) {
        *ret = t;
        return SK_OK;
    }
    loading l;
    sk_code code = loading_begin(&l, s, d->file, &d->trace_root, e);
    t = code == SK_OK ? base_alloc_zero(1, sizeof *t) : NULL;
    if (code == SK_OK)
        code = t ? parse_traces(s, buf_span(&l.bytes), t, e) : out_of_memory(s, e);
    loading_end(&l);
    trace_index *none = NULL;
    if (code != SK_OK) {
        free_traces(t);
    } else if (atomic_compare_exchange_strong(&d->traces, &none, t)) {
        segment_note_held(s, sizeof *t + t->page_count * (sizeof(page_ref) + 16));
        *ret = t;
    } else {
        free_traces(t);
        *ret = none;
    }
    return code;
}

sk_code segment_load_trace_page(const segment *s, trace_index *t, uint32_t page, trace_page **ret,
                                err *e)
{
    trace_page *p = atomic_load_explicit(&t->loaded[page], memory_order_acquire);
    if (p) {
        *ret = p;
        return SK_OK;
    }
    uint32_t count = t->counts[page];
    loading l;
    sk_code code = loading_begin(&l, s, segment_directory(s)->file, &t->refs[page], e);
    p = code == SK_OK ? base_alloc(sizeof *p + count * 8ul) : NULL;
    if (code == SK_OK && !p)
        code = out_of_memory(s, e);
    if (code == SK_OK) {
        reader r = reader_of(buf_span(&l.bytes));
        p->count = count;
        if (!ints_decode_u32(&l.decoder->ints, &r, count, p->entries) ||
            !ints_decode_u32(&l.decoder->ints, &r, count, p->entries + count))
            code = corrupt(s, e, "a page of the trace index is not one");
    }
    for (uint32_t i = 0; code == SK_OK && i < count; i++)
        if (p->entries[count + i] >= s->facts.row_count)
            code = corrupt(s, e, "the trace index names a row that is not there");
    loading_end(&l);
    trace_page *none = NULL;
    if (code != SK_OK) {
        base_free(p);
    } else if (atomic_compare_exchange_strong(&t->loaded[page], &none, p)) {
        segment_note_held(s, sizeof *p + count * 8ul);
        *ret = p;
    } else {
        base_free(p);
        *ret = none;
    }
    return code;
}

/* ---- giving it all back ---- */

void segment_unload(segment *s)
{
    directory *d = atomic_exchange(&s->directory, NULL);
    if (!d)
        return;
    for (uint32_t i = 0; i < d->column_count + d->cached_count; i++) {
        free_index(atomic_load(&d->columns[i].loaded));
        free_rare(atomic_load(&d->columns[i].loaded_rare));
    }
    free_traces(atomic_load(&d->traces));
    free_directory(d);
    size_t held = atomic_exchange_explicit(&s->held_bytes, 0, memory_order_relaxed);
    if (s->cache)
        atomic_fetch_sub_explicit(&s->cache->bytes, held, memory_order_relaxed);
}
