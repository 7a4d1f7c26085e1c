/*
 * store/segment_texts.c: texts of a segment's dictionaries, loaded when asked for: pages of texts, the templates of a column, and
 * searching them without spelling them. Called by segment_part.c and, as a dictionary, by whoever reads codes; several threads may
 * load the same thing at once: the first to publish it wins. Never: trusts a byte of the file.
 */
#include "base/alloc.h"
#include "base/must.h"
#include "store/encode/templates.h"
#include "store/segment.h"

static sk_code corrupt(const segment *s, err *e, const char *what)
{
    return err_set(e, SK_CORRUPT, "%s: %s", s->path, what);
}

static sk_code out_of_memory(const segment *s, err *e)
{
    return err_set(e, SK_NO_MEMORY, "no memory to read %s", s->path);
}

static const text_page *page_of(const column_index *x, uint32_t code)
{
    uint32_t low = 0, high = x->page_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (x->pages[middle].first_code <= code)
            low = middle;
        else
            high = middle;
    }
    return &x->pages[low];
}

/* ---- what texts spell of their rows ---- */

/* One block of each column, kept for the next page of texts. */
typedef struct id_reading {
    const segment *segment;
    part_reader *reader; /* made when first needed */
    vector *values[3];   /* of trace ids, parents and times */
    uint32_t block;      /* UINT32_MAX: none */
    err *e;
} id_reading;

static id_reading id_reading_of(const segment *s, err *e)
{
    return (id_reading){.segment = s, .block = UINT32_MAX, .e = e};
}

static void id_reading_end(id_reading *l)
{
    part_reader_free(l->reader);
    base_free(l->values[0]);
    base_free(l->values[1]);
    base_free(l->values[2]);
}

static sk_code read_ids(id_reading *l, uint32_t block)
{
    for (int i = 0; i < 3; i++)
        if (!l->values[i] && !(l->values[i] = base_alloc(sizeof(vector))))
            return out_of_memory(l->segment, l->e);
    sk_code code = l->reader ? SK_OK : part_reader_new(segment_part(l->segment), &l->reader, l->e);
    l->block = UINT32_MAX;
    if (code == SK_OK)
        code = part_read(l->reader, PART_TRACE_ID, block, l->values[0], l->e);
    if (code == SK_OK)
        code = part_read(l->reader, PART_PARENT_ID, block, l->values[1], l->e);
    if (code == SK_OK)
        code = part_read(l->reader, PART_TIME, block, l->values[2], l->e);
    if (code == SK_OK)
        l->block = block;
    return code;
}

static sk_code get_ids(void *ctx, const uint64_t *rows, uint32_t count, trace_id *trace_ids,
                       uint64_t *span_ids, int64_t *times)
{
    id_reading *l = ctx;
    for (uint32_t i = 0; i < count; i++) {
        if (rows[i] >= l->segment->facts.row_count)
            return SK_CORRUPT;
        uint32_t row = (uint32_t)rows[i] % VECTOR_ROWS, block = (uint32_t)rows[i] / VECTOR_ROWS;
        sk_code code = l->block == block ? SK_OK : read_ids(l, block);
        if (code != SK_OK)
            return code;
        const vector *t = l->values[0], *p = l->values[1];
        bool has_trace = t->kind == VECTOR_TRACE_IDS && vector_has(t, row);
        trace_ids[i] = has_trace ? t->trace_ids[row] : (trace_id){0, 0};
        span_ids[i] = p->kind == VECTOR_IDS && vector_has(p, row) ? p->ids[row] : 0;
        if (times)
            times[i] = l->values[2]->ints[row];
    }
    return SK_OK;
}

/* ---- templates ---- */

/* The column's; *ret NULL: it has none. */
static sk_code load_templates(const column_index *x, template_list **ret, err *e)
{
    const segment *s = x->segment;
    column_index *self = (column_index *)(uintptr_t)x;
    *ret = atomic_load_explicit(&self->templates, memory_order_acquire);
    if (*ret || !x->has_templates)
        return SK_OK;
    loading l;
    template_list *t = NULL;
    sk_code code = loading_begin(&l, s, segment_directory(s)->file, &x->template_ref, e);
    if (code == SK_OK && (code = template_list_decode(buf_span(&l.bytes), &t)) != SK_OK)
        code = code == SK_CORRUPT ? corrupt(s, e, "a page of templates is not one")
                                  : out_of_memory(s, e);
    loading_end(&l);
    if (code != SK_OK)
        return code;
    template_list *none = NULL;
    if (atomic_compare_exchange_strong(&self->templates, &none, t)) {
        segment_note_held(s, t->held);
        *ret = t;
    } else {
        base_free(t);
        *ret = none;
    }
    return SK_OK;
}

/* The page taken apart; SK_UNSUPPORTED, without a word: it has another form. */
static sk_code load_apart(const column_index *x, text_page *p, template_page **ret, err *e)
{
    const segment *s = x->segment;
    template_list *list;
    *ret = atomic_load_explicit(&p->apart, memory_order_acquire);
    if (*ret)
        return SK_OK;
    if (atomic_load_explicit(&p->is_other, memory_order_relaxed))
        return SK_UNSUPPORTED;
    sk_code code = load_templates(x, &list, e);
    if (code != SK_OK)
        return code;
    loading l;
    template_page *t = NULL;
    code = loading_begin(&l, s, segment_directory(s)->file, &p->ref, e);
    if (code == SK_OK) {
        reader r = reader_of(buf_span(&l.bytes));
        code = reader_u8(&r) == TEXTS_FORM_TEMPLATES
                   ? template_page_decode(l.decoder, &r, p->count, list, &t)
                   : SK_UNSUPPORTED;
        if (code == SK_CORRUPT)
            corrupt(s, e, "a page of texts is not one");
        else if (code == SK_NO_MEMORY)
            out_of_memory(s, e);
    }
    loading_end(&l);
    if (code == SK_UNSUPPORTED)
        atomic_store_explicit(&p->is_other, true, memory_order_relaxed);
    if (code != SK_OK)
        return code;
    template_page *none = NULL;
    if (atomic_compare_exchange_strong(&p->apart, &none, t)) {
        segment_note_held(s, t->held);
        *ret = t;
    } else {
        base_free(t);
        *ret = none;
    }
    return SK_OK;
}

/* ---- pages of texts ---- */

static sk_code decode_other(const segment *s, text_page *p, id_reading *ids, text_list **ret,
                            err *e)
{
    loading l;
    sk_code code = loading_begin(&l, s, segment_directory(s)->file, &p->ref, e);
    if (code == SK_OK) {
        reader r = reader_of(buf_span(&l.bytes));
        code = texts_decode(l.decoder, &r, p->count, &(text_id_source){get_ids, ids}, ret);
        if (code == SK_CORRUPT)
            corrupt(s, e, "a page of texts is not one");
        else if (code == SK_NO_MEMORY)
            out_of_memory(s, e);
    }
    loading_end(&l);
    return code;
}

static sk_code spell_page(const column_index *x, const template_page *apart, id_reading *ids,
                          text_list **ret, err *e)
{
    const segment *s = x->segment;
    template_list *list;
    sk_code code = load_templates(x, &list, e);
    decoder *d = code == SK_OK ? segment_cache_decoder(s->cache) : NULL;
    if (code != SK_OK)
        return code;
    code = d ? template_page_spell(apart, d, list, &(text_id_source){get_ids, ids}, ret)
             : SK_NO_MEMORY;
    if (code == SK_CORRUPT)
        corrupt(s, e, "a page of texts is not one");
    else if (code == SK_NO_MEMORY)
        out_of_memory(s, e);
    if (d)
        segment_cache_return(s->cache, d);
    return code;
}

static sk_code read_page(const column_index *x, text_page *p, id_reading *ids, text_list **ret,
                         err *e)
{
    template_page *apart;
    sk_code code = load_apart(x, p, &apart, e);
    return code == SK_OK            ? spell_page(x, apart, ids, ret, e)
           : code == SK_UNSUPPORTED ? decode_other(x->segment, p, ids, ret, e)
                                    : code;
}

static sk_code load_page(const column_index *x, text_page *p, id_reading *ids, text_list **ret,
                         err *e)
{
    text_list *t = NULL;
    sk_code code = read_page(x, p, ids, &t, e);
    if (code != SK_OK)
        return code;
    text_list *none = NULL;
    if (atomic_compare_exchange_strong(&p->loaded, &none, t)) {
        segment_note_held(x->segment, texts_bytes(t));
        *ret = t;
    } else {
        texts_free(t);
        *ret = none;
    }
    return SK_OK;
}

sk_code segment_read_text(const column_index *x, uint32_t code, lone_page *own, span *ret, err *e)
{
    if (x->page_count == 0 ||
        code >= x->pages[x->page_count - 1].first_code + x->pages[x->page_count - 1].count)
        return corrupt(x->segment, e, "a code has no text");
    const text_page *p = page_of(x, code);
    text_list *t = atomic_load_explicit(&((text_page *)(uintptr_t)p)->loaded, memory_order_acquire);
    if (!t && own->page != p) {
        lone_page_done(own);
        id_reading ids = id_reading_of(x->segment, e);
        sk_code read = read_page(x, &x->pages[p - x->pages], &ids, &own->texts, e);
        id_reading_end(&ids);
        if (read != SK_OK)
            return read;
        own->page = p;
    }
    *ret = texts_at(t ? t : own->texts, code - p->first_code);
    return SK_OK;
}

void lone_page_done(lone_page *p)
{
    texts_free(p->texts);
    *p = (lone_page){NULL, NULL};
}

sk_code segment_load_texts(const column_index *x, uint32_t first, uint32_t last, err *e)
{
    if (x->page_count == 0)
        return SK_OK;
    sk_code code = SK_OK;
    id_reading ids = id_reading_of(x->segment, e);
    for (const text_page *p = page_of(x, first);
         code == SK_OK && p < x->pages + x->page_count && p->first_code <= last; p++) {
        text_list *t = atomic_load_explicit(&p->loaded, memory_order_acquire);
        code = t ? SK_OK : load_page(x, &x->pages[p - x->pages], &ids, &t, e);
    }
    id_reading_end(&ids);
    return code;
}

/* Frees what is loaded of a page; how much that was. */
size_t segment_forget_texts(text_page *p)
{
    text_list *t = atomic_exchange_explicit(&p->loaded, NULL, memory_order_relaxed);
    template_page *apart = atomic_exchange_explicit(&p->apart, NULL, memory_order_relaxed);
    size_t freed = (t ? texts_bytes(t) : 0) + (apart ? apart->held : 0);
    texts_free(t);
    base_free(apart);
    return freed;
}

void segment_trim_texts(column_index *x, uint32_t keep_pages)
{
    size_t freed = 0;
    uint32_t kept = 0;
    for (uint32_t i = x->page_count; i-- > 0;)
        if (atomic_load_explicit(&x->pages[i].loaded, memory_order_relaxed) && kept++ >= keep_pages)
            freed += segment_forget_texts(&x->pages[i]);
    segment_note_held(x->segment, (size_t)0 - freed);
}

/* ---- a column's texts, whichever form it has ---- */

static span index_text(const column_index *x, uint32_t code)
{
    if (x->page_count == 0)
        return (span){NULL, 0};
    const text_page *p = page_of(x, code);
    text_list *t = atomic_load_explicit(&p->loaded, memory_order_acquire);
    if (unlikely(!t)) {
        err e;
        id_reading ids = id_reading_of(x->segment, &e);
        sk_code loaded = load_page(x, &x->pages[p - x->pages], &ids, &t, &e);
        id_reading_end(&ids);
        if (loaded != SK_OK)
            return (span){NULL, 0};
    }
    return texts_at(t, code - p->first_code);
}

/* What cannot be loaded has no address here; reading a block that uses it says why. */
static span column_text(const void *of, uint32_t code)
{
    const directory_column *c = of;
    must_slow(code < c->text_count);
    column_index *x = atomic_load_explicit(&c->loaded, memory_order_acquire);
    if (likely(x))
        return index_text(x, code);
    directory_column *self =
        &segment_directory(c->segment)->columns[c - segment_directory(c->segment)->columns];
    rare_column *r;
    err e;
    if (c->form != COLUMN_RARE)
        return segment_load_index(c->segment, self, &x, &e) == SK_OK ? index_text(x, code)
                                                                     : (span){NULL, 0};
    if (segment_load_rare(c->segment, self, &r, &e) != SK_OK || !r->texts)
        return (span){NULL, 0};
    return texts_at(r->texts, code);
}

/* ---- searching ---- */

static bool search_pages(const column_index *x, span needle, dictionary_found each, void *ctx)
{
    template_list *list;
    err e;
    if (load_templates(x, &list, &e) != SK_OK || !list)
        return false;
    uint8_t *of_templates = base_alloc(list->count);
    if (!of_templates)
        return false;
    template_list_search(list, needle, of_templates);
    for (uint32_t i = 0; i < x->page_count; i++) {
        template_page *apart;
        uint8_t verdicts[TEXTS_PAGE_COUNT];
        if (load_apart(x, &x->pages[i], &apart, &e) != SK_OK)
            continue; /* whoever reads its texts says why */
        template_page_search(apart, needle, of_templates, verdicts);
        each(ctx, x->pages[i].first_code, verdicts, apart->count);
    }
    base_free(of_templates);
    return true;
}

static bool column_search(const void *of, span needle, dictionary_found each, void *ctx)
{
    const directory_column *c = of;
    directory *d = segment_directory(c->segment);
    column_index *x;
    err e;
    return c->form != COLUMN_RARE && search_can(needle) &&
           segment_load_index(c->segment, &d->columns[c - d->columns], &x, &e) == SK_OK &&
           search_pages(x, needle, each, ctx);
}

dictionary segment_dictionary(const directory_column *c)
{
    return (dictionary){
        .text = column_text, .search = column_search, .of = c, .count = c->text_count};
}
