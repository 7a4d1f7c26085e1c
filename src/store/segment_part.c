/*
 * store/segment_part.c: a sealed segment as a part: what it says of itself, decoding blocks into vectors.
 * Called through part_ops by snapshot.c and build.c, on any thread; a reader belongs to one.
 * Never: gives out a code, row or length that was not checked against what it indexes.
 */
#include "store/segment_reader.h"

#include "base/alloc.h"
#include "base/must.h"

static directory_column *column_at(const part *p, uint32_t col)
{
    directory *d = segment_directory(segment_of(p));
    must(d && col < d->column_count + d->cached_count);
    return &d->columns[col];
}

/* The column's index, or NULL when it is rare or cannot be loaded (reading a block says why). */
static const column_index *index_of(const part *p, uint32_t col)
{
    directory_column *c = column_at(p, col);
    column_index *x;
    err e;
    return c->form != COLUMN_RARE && segment_load_index(segment_of(p), c, &x, &e) == SK_OK ? x
                                                                                           : NULL;
}

static const rare_column *rare_of(const part *p, uint32_t col)
{
    directory_column *c = column_at(p, col);
    rare_column *x;
    err e;
    return c->form == COLUMN_RARE && segment_load_rare(segment_of(p), c, &x, &e) == SK_OK ? x
                                                                                          : NULL;
}

/* ---- facts ---- */

static void get_info(const part *p, part_info *ret)
{
    const segment_facts *f = &segment_of(p)->facts;
    *ret = (part_info){.id = f->number,
                       .family = f->family,
                       .has_unique_ids = f->has_unique_ids,
                       .row_count = f->row_count,
                       .block_count = block_count_of(f->row_count),
                       .column_count = f->column_count,
                       .min_time_ns = f->min_time_ns,
                       .max_time_ns = f->max_time_ns,
                       .bytes = segment_of(p)->file_bytes};
}

static void get_block(const part *p, uint32_t block, part_block *ret)
{
    const segment_facts *f = &segment_of(p)->facts;
    must(block < block_count_of(f->row_count));
    *ret = (part_block){block * VECTOR_ROWS, block_rows_of(f->row_count, block), f->min_time_ns,
                        f->max_time_ns};
    const column_index *x = index_of(p, PART_TIME);
    if (x && (x->blocks[block].tag & BLOCK_HAS_RANGE)) {
        ret->min_time_ns = (int64_t)x->blocks[block].min;
        ret->max_time_ns = (int64_t)x->blocks[block].max;
    }
}

static part_column get_column(const part *p, uint32_t col)
{
    const directory_column *c = column_at(p, col);
    return (part_column){c->name, c->type, c->value_count};
}

static uint32_t find(const part *p, span name, uint32_t ret_columns[FIELD_TYPE_COUNT])
{
    const directory *d = segment_directory(segment_of(p));
    uint32_t hash = (uint32_t)hash64(name), count = 0;
    for (uint32_t i = PART_COLUMNS; i < d->column_count && count < FIELD_TYPE_COUNT; i++)
        if (d->columns[i].hash == hash && span_equal(d->columns[i].name, name))
            ret_columns[count++] = i;
    return count;
}

static uint32_t find_cached(const part *p, span name)
{
    const directory *d = segment_directory(segment_of(p));
    for (uint32_t i = d->column_count; i < d->column_count + d->cached_count; i++)
        if (span_equal(d->columns[i].name, name))
            return i;
    return UINT32_MAX;
}

static const dictionary *dictionary_of(const part *p, uint32_t col)
{
    return &column_at(p, col)->dictionary;
}

/* ---- skipping ---- */

uint32_t segment__rare_from(const rare_column *c, uint64_t row)
{
    uint32_t low = 0, high = c->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (c->rows[middle] < row)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool block_has_column(const part *p, uint32_t col, uint32_t block)
{
    const column_index *x = index_of(p, col);
    if (x)
        return block < x->block_count && x->blocks[block].tag != BLOCK_ABSENT;
    const rare_column *r = rare_of(p, col);
    uint32_t from = r ? segment__rare_from(r, block * (uint64_t)VECTOR_ROWS) : 0;
    return !r || (from < r->count && r->rows[from] / VECTOR_ROWS == block);
}

static bool block_is_full(const part *p, uint32_t col, uint32_t block)
{
    const column_index *x = index_of(p, col);
    return x && block < x->block_count && (x->blocks[block].tag & BLOCK_ALL_PRESENT);
}

static bool number_range(const part *p, uint32_t col, uint32_t block, double *ret_min,
                         double *ret_max)
{
    const directory_column *c = column_at(p, col);
    const column_index *x = index_of(p, col);
    bool is_float = col >= PART_COLUMNS && c->type == FIELD_FLOAT;
    bool is_int = col == PART_TIME || col == PART_RATE || c->type == FIELD_INT;
    if (!x || (!is_float && !is_int) || block >= x->block_count ||
        !(x->blocks[block].tag & BLOCK_HAS_RANGE))
        return false;
    const block_entry *b = &x->blocks[block];
    if (is_float) {
        memcpy(ret_min, &b->min, 8);
        memcpy(ret_max, &b->max, 8);
    } else {
        *ret_min = (double)(int64_t)b->min;
        *ret_max = (double)(int64_t)b->max;
    }
    return true;
}

/* Whether any of the bits [first, last] is set. */
static bool any_bit(const uint64_t *words, uint64_t first, uint64_t last)
{
    for (uint64_t w = first / 64; w <= last / 64; w++) {
        uint64_t bits = words[w];
        if (w == first / 64)
            bits &= ~0ull << (first & 63);
        if (w == last / 64)
            bits &= ~0ull >> (63 - (last & 63));
        if (bits)
            return true;
    }
    return false;
}

static bool may_hold(const part *p, uint32_t col, uint32_t block, const uint64_t *wanted)
{
    const column_index *x = index_of(p, col);
    if (!x || block >= x->block_count)
        return block_has_column(p, col, block);
    const block_entry *b = &x->blocks[block];
    if (b->tag == BLOCK_ABSENT)
        return false;
    if (b->tag & BLOCK_HAS_BITMAP) {
        for (uint64_t w = 0; w <= b->max / 64; w++)
            if (x->bitmaps[b->bitmap + w] & wanted[w])
                return true;
        return false;
    }
    return !(b->tag & BLOCK_HAS_RANGE) || any_bit(wanted, b->min, b->max);
}

/* ---- readers ---- */

void segment__reader_free(part_reader *take_r)
{
    segment_reader *r = (segment_reader *)take_r;
    if (r->decoder)
        segment_cache_return(r->segment->cache, r->decoder);
    buf_done(&r->scratch);
    buf_done(&r->page);
    base_free(r->parents);
    base_free(r->source);
    lone_page_done(&r->own_page);
    base_free(r);
}

sk_code segment__reader_new(const part *p, part_reader **ret, err *e)
{
    segment_reader *r = base_alloc(sizeof *r);
    if (!r)
        return err_set(e, SK_NO_MEMORY, "no memory for a reader");
    memset(r, 0, offsetof(segment_reader, presences));
    r->base.part = p;
    r->segment = segment_of(p)->self;
    r->directory = segment_directory(r->segment);
    must(r->directory); /* pinned */
    r->decoder = segment_cache_decoder(r->segment->cache);
    buf_init(&r->scratch, PAGE_BYTES_MAX + 64);
    buf_init(&r->page, PAGE_BYTES_MAX + 64);
    if (!r->decoder) {
        segment__reader_free(&r->base);
        return err_set(e, SK_NO_MEMORY, "no memory for a reader");
    }
    *ret = &r->base;
    return SK_OK;
}

sk_code segment__corrupt(segment_reader *r, uint32_t col, uint32_t block, err *e)
{
    span name = column_at(r->base.part, col)->name;
    return err_set(e, SK_CORRUPT, "%s: block %u of column %u \"%.*s\" is damaged", r->segment->path,
                   block, col, SPAN_FMT(name));
}

sk_code segment__read_page(segment_reader *r, uint64_t place, uint32_t len, err *e)
{
    page_ref ref = {.offset = place, .len = len, .raw_len = len, .method = METHOD_RAW};
    r->base.bytes += len;
    return segment_page(r->segment, r->directory->file, &ref, r->decoder->unsqueezer, &r->scratch,
                        &r->page, e);
}

sk_code segment__read_presence(segment_reader *r, uint32_t col, uint32_t block,
                               const block_entry *b, const uint64_t **ret, err *e)
{
    for (uint32_t i = 0; i < PRESENCE_CACHE; i++)
        if (r->presence_places[i] == b->presence_place && b->presence_place) {
            *ret = r->presences[i];
            return SK_OK;
        }
    uint32_t at = r->next_presence++ % PRESENCE_CACHE;
    r->presence_places[at] = 0;
    sk_code code = segment__read_page(r, b->presence_place, b->presence_len, e);
    if (code != SK_OK)
        return code;
    reader bytes = reader_of(buf_span(&r->page));
    if (!presence_decode(r->decoder, &bytes, block_rows_of(r->segment->facts.row_count, block),
                         b->value_count, r->presences[at]))
        return segment__corrupt(r, col, block, e);
    r->presence_places[at] = b->presence_place;
    *ret = r->presences[at];
    return SK_OK;
}

/* ---- spreading dense values over the rows that have one ---- */

#define SPREAD(type)                                                                               \
    for (uint32_t w = 0, base = 0; base < row_count; w++, base += 64) {                            \
        uint64_t bits = present[w];                                                                \
        if (bits == ~0ull) {                                                                       \
            memcpy(out + base, in, 64 * sizeof(type));                                             \
            in += 64;                                                                              \
            continue;                                                                              \
        }                                                                                          \
        for (uint32_t i = 0; i < 64; i++) {                                                        \
            type has = (type)(bits >> i & 1);                                                      \
            out[base + i] = *in & ((type)0 - has);                                                 \
            in += has;                                                                             \
        }                                                                                          \
    }

static void spread_u64(const uint64_t *present, uint32_t row_count, const uint64_t *in,
                       uint64_t *out)
{
    SPREAD(uint64_t)
}

static void spread_u32(const uint64_t *present, uint32_t row_count, const uint32_t *in,
                       uint32_t *out)
{
    SPREAD(uint32_t)
}

static void spread_traces(const uint64_t *present, uint32_t row_count, const trace_id *in,
                          trace_id *out)
{
    for (uint32_t i = 0; i < row_count; i++)
        out[i] = present[i / 64] >> (i & 63) & 1 ? *in++ : (trace_id){0, 0};
}

/* ---- a block of a column ---- */

static void fill_constant(vector *v, uint64_t bits)
{
    bool is_code = v->kind == VECTOR_CODES || v->kind == VECTOR_BOOLS;
    for (uint32_t i = 0; i < v->row_count; i++)
        if (is_code)
            v->codes[i] = (uint32_t)bits;
        else
            v->ids[i] = bits;
    v->is_constant = true;
}

static bool codes_within(const uint32_t *codes, uint32_t count, uint64_t min, uint64_t max)
{
    uint32_t least = UINT32_MAX, most = 0;
    for (uint32_t i = 0; i < count; i++) {
        least = codes[i] < least ? codes[i] : least;
        most = codes[i] > most ? codes[i] : most;
    }
    return count == 0 || (least >= min && most <= max);
}

static bool decode_codes(segment_reader *r, reader *bytes, const block_entry *b,
                         const uint64_t *present, uint64_t min, uint64_t max, vector *out)
{
    uint32_t *to = present ? r->dense.codes : out->codes;
    if (!ints_decode_u32(&r->decoder->ints, bytes, b->value_count, to) ||
        !codes_within(to, b->value_count, min, max))
        return false;
    if (present)
        spread_u32(present, out->row_count, to, out->codes);
    return true;
}

static bool decode_words(segment_reader *r, reader *bytes, const block_entry *b,
                         const uint64_t *present, vector *out)
{
    uint64_t *to = present ? r->dense.bits : out->ids;
    bool is_good = out->kind == VECTOR_FLOATS ? floats_decode(r->decoder, bytes, b->value_count, to)
                   : out->kind == VECTOR_IDS
                       ? span_ids_decode(bytes, b->value_count, to)
                       : ints_decode_u64(&r->decoder->ints, bytes, b->value_count, to);
    if (is_good && present)
        spread_u64(present, out->row_count, to, out->ids);
    return is_good;
}

static bool decode_traces(segment_reader *r, reader *bytes, const block_entry *b,
                          const uint64_t *present, vector *out)
{
    trace_id *to = present ? r->dense.trace_ids : out->trace_ids;
    if (!trace_ids_decode(r->decoder, bytes, b->value_count, to))
        return false;
    if (present)
        spread_traces(present, out->row_count, to, out->trace_ids);
    return true;
}

vector_kind segment__kind_of(uint32_t col, field_type type)
{
    static const vector_kind of_pseudo[] = {
        [PART_TIME] = VECTOR_INTS,     [PART_RATE] = VECTOR_INTS,
        [PART_DATASET] = VECTOR_CODES, [PART_TRACE_ID] = VECTOR_TRACE_IDS,
        [PART_SPAN_ID] = VECTOR_IDS,   [PART_PARENT_ID] = VECTOR_IDS};
    static const vector_kind of_type[] = {[FIELD_STRING] = VECTOR_CODES,
                                          [FIELD_INT] = VECTOR_INTS,
                                          [FIELD_FLOAT] = VECTOR_FLOATS,
                                          [FIELD_BOOL] = VECTOR_BOOLS,
                                          [FIELD_HISTOGRAM] = VECTOR_CODES};
    return col < PART_COLUMNS ? of_pseudo[col] : of_type[type];
}

sk_code segment__take_presence(segment_reader *r, uint32_t col, uint32_t block,
                               const block_entry *b, vector *out, const uint64_t **ret_present,
                               err *e)
{
    *ret_present = NULL;
    if (b->tag & BLOCK_ALL_PRESENT) {
        vector_fill_present(out);
        return SK_OK;
    }
    sk_code code = segment__read_presence(r, col, block, b, ret_present, e);
    if (code == SK_OK)
        memcpy(out->present, *ret_present, (out->row_count + 63) / 64 * 8ul);
    return code;
}

static sk_code read_values(segment_reader *r, uint32_t col, uint32_t block, const block_entry *b,
                           const uint64_t *present, vector *out, err *e)
{
    sk_code code = segment__read_page(r, b->place, b->len, e);
    if (code != SK_OK)
        return code;
    reader bytes = reader_of(buf_span(&r->page));
    bool is_good = false;
    switch (out->kind) {
    case VECTOR_CODES: /* whose texts were loaded */
        is_good = decode_codes(r, &bytes, b, present, b->min, b->max, out);
        break;
    case VECTOR_BOOLS: is_good = decode_codes(r, &bytes, b, present, 0, 1, out); break;
    case VECTOR_TRACE_IDS: is_good = decode_traces(r, &bytes, b, present, out); break;
    case VECTOR_INTS:
    case VECTOR_FLOATS:
    case VECTOR_IDS: is_good = decode_words(r, &bytes, b, present, out); break;
    case VECTOR_ABSENT: break;
    }
    return is_good ? SK_OK : segment__corrupt(r, col, block, e);
}

static sk_code read_block(segment_reader *r, uint32_t col, uint32_t block, bool loads_texts,
                          vector *out, err *e);

/* The source's codes, without its texts. */
static sk_code read_source(segment_reader *r, uint32_t col, uint32_t block, err *e)
{
    if (!r->source && !(r->source = base_alloc(sizeof *r->source)))
        return err_set(e, SK_NO_MEMORY, "no memory for a derived column");
    if (r->source_column == col && r->source_block == block && r->source_first == 0 &&
        r->source->row_count == block_rows_of(r->segment->facts.row_count, block))
        return SK_OK;
    r->source_column = 0; /* no source: times */
    sk_code code = read_block(r, col, block, false, r->source, e);
    if (code != SK_OK)
        return code;
    r->source_column = col;
    r->source_block = block;
    r->source_first = 0;
    return SK_OK;
}

static sk_code read_derived(segment_reader *r, uint32_t col, uint32_t block, const column_index *x,
                            vector *out, err *e)
{
    sk_code code = read_source(r, r->directory->columns[col].source, block, e);
    if (code != SK_OK)
        return code;
    return derived_fill(&x->table, r->source, &x->blocks[block], out)
               ? SK_OK
               : segment__corrupt(r, col, block, e);
}

static sk_code read_block(segment_reader *r, uint32_t col, uint32_t block, bool loads_texts,
                          vector *out, err *e)
{
    directory_column *c = &r->directory->columns[col];
    column_index *x;
    sk_code code = segment_load_index(r->segment, c, &x, e);
    if (code != SK_OK)
        return code;
    const block_entry *b = &x->blocks[block];
    vector_start(out, segment__kind_of(col, c->type), col < PART_COLUMNS ? FIELD_INT : c->type,
                 block_rows_of(r->segment->facts.row_count, block));
    if (out->kind == VECTOR_CODES) {
        out->dictionary = &c->dictionary;
        out->type = col == PART_DATASET ? FIELD_STRING : c->type;
    }
    if (b->tag == BLOCK_ABSENT) {
        out->kind = VECTOR_ABSENT;
        memset(out->present, 0, sizeof out->present);
        return SK_OK;
    }
    /* Texts first: so that a dictionary's page that cannot be had is an error here and not an empty text later. */
    if (out->kind == VECTOR_CODES && loads_texts)
        code = segment_load_texts(x, (uint32_t)b->min, (uint32_t)b->max, e);
    uint8_t form = b->tag & BLOCK_FORMS;
    if (code == SK_OK && form == BLOCK_DERIVED)
        return read_derived(r, col, block, x, out, e);
    const uint64_t *present;
    if (code == SK_OK)
        code = segment__take_presence(r, col, block, b, out, &present, e);
    if (code != SK_OK)
        return code;
    if (form == BLOCK_CONSTANT) {
        if (out->kind == VECTOR_TRACE_IDS || (out->kind == VECTOR_BOOLS && b->place > 1))
            return segment__corrupt(r, col, block, e);
        fill_constant(out, b->place);
        return SK_OK;
    }
    return read_values(r, col, block, b, present, out, e);
}

sk_code segment__read_blocks(segment_reader *r, uint32_t col, uint32_t block, vector *out, err *e)
{
    return read_block(r, col, block, true, out, e);
}

static sk_code read_rare(segment_reader *r, uint32_t col, uint32_t block, vector *out, err *e)
{
    directory_column *c = &r->directory->columns[col];
    rare_column *x;
    sk_code code = segment_load_rare(r->segment, c, &x, e);
    if (code != SK_OK)
        return code;
    uint32_t row_count = block_rows_of(r->segment->facts.row_count, block);
    vector_start(out, segment__kind_of(col, c->type), c->type, row_count);
    memset(out->present, 0, sizeof out->present);
    uint32_t from = segment__rare_from(x, block * (uint64_t)VECTOR_ROWS);
    uint32_t to = segment__rare_from(x, (block + 1) * (uint64_t)VECTOR_ROWS);
    if (from == to) {
        out->kind = VECTOR_ABSENT;
        return SK_OK;
    }
    bool is_code = out->kind == VECTOR_CODES || out->kind == VECTOR_BOOLS;
    memset(out->ids, 0, row_count * (is_code ? sizeof out->codes[0] : sizeof out->ids[0]));
    if (out->kind == VECTOR_CODES)
        out->dictionary = &c->dictionary;
    for (uint32_t i = from; i < to; i++) {
        uint32_t row = x->rows[i] % VECTOR_ROWS;
        out->present[row / 64] |= 1ull << (row & 63);
        if (is_code)
            out->codes[row] = (uint32_t)x->bits[i];
        else
            out->ids[row] = x->bits[i];
    }
    out->all_present = to - from == row_count;
    return SK_OK;
}

/* ---- the door ---- */

sk_code segment__judge(segment_reader *r, sk_code code, const err *e)
{
    if (code == SK_CORRUPT)
        segment_set_damaged(r->segment, e ? e->text : "a block is damaged");
    return code;
}

static sk_code read_any(part_reader *base, uint32_t col, uint32_t block, bool loads_texts,
                        vector *out, err *e)
{
    segment_reader *r = (segment_reader *)base;
    must(col < r->directory->column_count + r->directory->cached_count &&
         block < block_count_of(r->segment->facts.row_count));
    sk_code code;
    if (col == PART_PARENT_ID)
        code = segment__read_parent_ids(r, block, out, e);
    else if (r->directory->columns[col].form == COLUMN_RARE)
        code = read_rare(r, col, block, out, e);
    else
        code = read_block(r, col, block, loads_texts, out, e);
    return segment__judge(r, code, e);
}

static sk_code read_table(part_reader *base, uint32_t col, uint32_t block, part_table *ret, err *e)
{
    segment_reader *r = (segment_reader *)base;
    directory_column *c = &r->directory->columns[col];
    column_index *x;
    if (c->form == COLUMN_RARE)
        return SK_OK;
    sk_code code = segment_load_index(r->segment, c, &x, e);
    if (code != SK_OK)
        return segment__judge(r, code, e);
    const block_entry *b = &x->blocks[block];
    uint8_t form = b->tag & BLOCK_FORMS;
    bool is_constant = form == BLOCK_CONSTANT && (b->tag & BLOCK_ALL_PRESENT);
    if (form != BLOCK_DERIVED && !is_constant)
        return SK_OK;
    if (segment__kind_of(col, c->type) == VECTOR_CODES)
        code = segment_load_texts(x, (uint32_t)b->min, (uint32_t)b->max, e);
    if (code != SK_OK)
        return segment__judge(r, code, e);
    *ret = (part_table){.min = b->min, .max = b->max, .is_constant = is_constant};
    if (is_constant) {
        ret->constant = b->place;
        return SK_OK;
    }
    ret->source = c->source;
    ret->entry_count = x->table.entries;
    ret->has = x->table.has;
    ret->values = x->table.values;
    return SK_OK;
}

sk_code segment__read(part_reader *base, uint32_t col, uint32_t block, vector *out, err *e)
{
    return read_any(base, col, block, true, out, e);
}

static sk_code read_codes(part_reader *base, uint32_t col, uint32_t block, vector *out, err *e)
{
    return read_any(base, col, block, false, out, e);
}

static sk_code read_text(part_reader *base, uint32_t col, uint32_t code, span *ret, err *e)
{
    segment_reader *r = (segment_reader *)base;
    directory_column *c = &r->directory->columns[col];
    must(code < c->text_count);
    if (c->form == COLUMN_RARE)
        return segment__judge(r, dictionary_text_of(&c->dictionary, code, ret, e), e);
    column_index *x;
    sk_code done = segment_load_index(r->segment, c, &x, e);
    if (done == SK_OK)
        done = segment_read_text(x, code, &r->own_page, ret, e);
    return segment__judge(r, done, e);
}

static sk_code load_texts(part_reader *base, uint32_t col, uint32_t block, err *e)
{
    segment_reader *r = (segment_reader *)base;
    directory_column *c = &r->directory->columns[col];
    if (c->form == COLUMN_RARE) {
        rare_column *x;
        return segment__judge(r, segment_load_rare(r->segment, c, &x, e), e);
    }
    column_index *x;
    sk_code code = segment_load_index(r->segment, c, &x, e);
    if (code == SK_OK)
        code = segment_load_texts(x, (uint32_t)x->blocks[block].min, (uint32_t)x->blocks[block].max,
                                  e);
    return segment__judge(r, code, e);
}

const part_ops segment_part_ops = {.info = get_info,
                                   .block = get_block,
                                   .column = get_column,
                                   .find = find,
                                   .cached = find_cached,
                                   .dictionary = dictionary_of,
                                   .block_has_column = block_has_column,
                                   .block_is_full = block_is_full,
                                   .number_range = number_range,
                                   .may_hold = may_hold,
                                   .reader_new = segment__reader_new,
                                   .reader_free = segment__reader_free,
                                   .read = segment__read,
                                   .read_rows = segment__read_rows,
                                   .read_codes = read_codes,
                                   .load_texts = load_texts,
                                   .read_text = read_text,
                                   .read_parents = segment__read_parents,
                                   .read_table = read_table,
                                   .trace_runs = segment__trace_runs,
                                   .find_trace = segment__find_trace};
