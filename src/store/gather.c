/*
 * store/gather.c: see gather.h. Called by build.c, one column after another.
 * Codes: an input's codes become the new segment's in order of first use, so that unique texts count up with the rows.
 */
#include "store/gather.h"

#include "base/alloc.h"
#include "base/must.h"
#include "store/segment.h"

#define NO_CODE UINT32_MAX
/* Dictionaries of several inputs are joined through an interner while they are this small; beyond it texts that
 * mostly occur once (request ids) are taken as they come, and a text of two inputs has two codes. */
#define JOIN_TEXTS_MAX (512u * 1024)
#define JOIN_BYTES_MAX (256 * MIB)
/* Pages of texts kept loaded of each input when texts are taken as they come. */
#define KEEP_TEXT_PAGES 16u
#define TRIM_EVERY      8u /* output blocks */

typedef struct slot {
    uint32_t block, input; /* block: number over all inputs */
    uint32_t input_first;  /* the input's first row number */
    uint32_t last_used;
    bool is_absent, all_present;
    uint64_t present[VECTOR_WORDS];
    uint64_t bits[VECTOR_ROWS]; /* codes widened; trace ids: the low halves */
    uint64_t *high;             /* trace ids: the high halves */
    uint32_t *parents;          /* parents: the parent's row in the input */
} slot;

struct gather {
    const order_inputs *in;
    const row_order *order;
    slot **slot_of; /* per block number; NULL = not kept */
    slot **kept;
    uint32_t kept_count, keep_max, clock;
    vector *v;
    const atomic_bool *cancel;
    /* The output block in the making. */
    uint64_t present[VECTOR_WORDS];
    uint64_t bits[VECTOR_ROWS];
    trace_id trace_ids[VECTOR_ROWS];
    int64_t distances[VECTOR_ROWS];
    uint64_t orphans[VECTOR_ROWS];
    /* Codes: per input, its code → the new one. */
    uint32_t **codes;
    intern *joined; /* NULL: texts are taken as they come */
};

static sk_code out_of_memory(err *e)
{
    return err_set(e, SK_NO_MEMORY, "no memory to gather a column");
}

sk_code gather_new(const order_inputs *in, const row_order *order, uint32_t keep_blocks,
                   const atomic_bool *cancel, gather **ret, err *e)
{
    gather *g = base_alloc_zero(1, sizeof *g);
    if (!g)
        return out_of_memory(e);
    g->in = in;
    g->order = order;
    g->keep_max = keep_blocks;
    g->cancel = cancel;
    g->slot_of = base_alloc_zero(in->row_end / VECTOR_ROWS + 1ul, sizeof g->slot_of[0]);
    g->kept = base_alloc_zero(keep_blocks, sizeof g->kept[0]);
    g->codes = base_alloc_zero(in->count + 1ul, sizeof g->codes[0]);
    g->v = base_alloc(sizeof *g->v);
    if (!g->slot_of || !g->kept || !g->codes || !g->v) {
        gather_free(g);
        return out_of_memory(e);
    }
    *ret = g;
    return SK_OK;
}

static void free_slot(slot *s)
{
    base_free(s->high);
    base_free(s->parents);
    base_free(s);
}

void gather_free(gather *take_g)
{
    if (!take_g)
        return;
    for (uint32_t i = 0; i < take_g->kept_count; i++)
        free_slot(take_g->kept[i]);
    base_free(take_g->slot_of);
    base_free(take_g->kept);
    base_free(take_g->codes);
    base_free(take_g->v);
    base_free(take_g);
}

/* ---- input blocks ---- */

static void forget_blocks(gather *g)
{
    for (uint32_t i = 0; i < g->kept_count; i++)
        if (g->kept[i]->block != UINT32_MAX) {
            g->slot_of[g->kept[i]->block] = NULL;
            g->kept[i]->block = UINT32_MAX;
        }
}

/* A free slot, or the one not used for longest. */
static slot *take_slot(gather *g)
{
    if (g->kept_count < g->keep_max) {
        slot *s = base_alloc(sizeof *s);
        if (s) {
            s->high = NULL;
            s->parents = NULL;
            s->block = UINT32_MAX;
            g->kept[g->kept_count++] = s;
        }
        return s;
    }
    slot *oldest = g->kept[0];
    for (uint32_t i = 1; i < g->kept_count; i++)
        if (g->kept[i]->block == UINT32_MAX || g->kept[i]->last_used < oldest->last_used)
            oldest = g->kept[i];
    if (oldest->block != UINT32_MAX)
        g->slot_of[oldest->block] = NULL;
    oldest->block = UINT32_MAX;
    return oldest;
}

static bool fill_slot(slot *s, const vector *v)
{
    s->is_absent = v->kind == VECTOR_ABSENT;
    s->all_present = v->all_present;
    if (s->is_absent)
        return true;
    memcpy(s->present, v->present, sizeof s->present);
    if (v->kind == VECTOR_TRACE_IDS) {
        if (!s->high && !(s->high = base_alloc(VECTOR_ROWS * sizeof s->high[0])))
            return false;
        for (uint32_t i = 0; i < v->row_count; i++) {
            s->bits[i] = v->trace_ids[i].lo;
            s->high[i] = v->trace_ids[i].hi;
        }
    } else if (v->kind == VECTOR_CODES || v->kind == VECTOR_BOOLS) {
        for (uint32_t i = 0; i < v->row_count; i++)
            s->bits[i] = v->codes[i];
    } else {
        memcpy(s->bits, v->ids, v->row_count * sizeof s->bits[0]);
    }
    return true;
}

static sk_code load_block(gather *g, const gather_column *c, uint32_t block, slot **ret, err *e)
{
    uint32_t of_input;
    order_input *in = order_block(g->in, block, &of_input);
    uint32_t input = (uint32_t)(in - g->in->at);
    uint32_t col = c->pseudo < PART_COLUMNS ? c->pseudo : c->of_input[input];
    slot *s = take_slot(g);
    if (!s)
        return out_of_memory(e);
    g->v->kind = VECTOR_ABSENT;
    g->v->all_present = false;
    sk_code code = SK_OK;
    bool has = col < PART_COLUMNS ? c->pseudo < PART_COLUMNS
                                  : part_block_has_column(in->part, col, of_input);
    if (has)
        code = part_read(in->reader, col, of_input, g->v, e);
    if (code == SK_OK && !fill_slot(s, g->v))
        code = out_of_memory(e);
    if (code == SK_OK && c->pseudo == PART_PARENT_ID) {
        if (!s->parents && !(s->parents = base_alloc(VECTOR_ROWS * sizeof s->parents[0])))
            return out_of_memory(e);
        code = part_read_parents(in->reader, of_input, s->parents, NULL, e);
    }
    if (code != SK_OK)
        return code;
    s->block = block;
    s->input = input;
    s->input_first = in->first_row;
    g->slot_of[block] = s;
    *ret = s;
    return SK_OK;
}

static sk_code slot_at(gather *g, const gather_column *c, uint32_t row, slot **ret, err *e)
{
    uint32_t block = row / VECTOR_ROWS;
    slot *s = g->slot_of[block];
    sk_code code = s ? SK_OK : load_block(g, c, block, &s, e);
    if (code != SK_OK)
        return code;
    s->last_used = ++g->clock;
    *ret = s;
    return SK_OK;
}

static bool slot_has(const slot *s, uint32_t i)
{
    return s->all_present || (!s->is_absent && s->present[i / 64] >> (i & 63) & 1);
}

/* ---- codes ---- */

static const dictionary *dictionary_of(const gather *g, const gather_column *c, uint32_t input)
{
    uint32_t col = c->pseudo < PART_COLUMNS ? c->pseudo : c->of_input[input];
    return col || c->pseudo < PART_COLUMNS ? part_dictionary(g->in->at[input].part, col) : NULL;
}

static sk_code begin_codes(gather *g, const gather_column *c, err *e)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < g->in->count; i++) {
        const dictionary *d = dictionary_of(g, c, i);
        uint32_t count = d ? d->count : 0;
        total += count;
        g->codes[i] = count ? base_alloc(count * sizeof(uint32_t)) : NULL;
        if (count && !g->codes[i])
            return out_of_memory(e);
        if (count)
            memset(g->codes[i], 0xff, count * sizeof(uint32_t));
    }
    if (g->in->count > 1 && total <= JOIN_TEXTS_MAX && !(g->joined = intern_new(JOIN_BYTES_MAX)))
        return out_of_memory(e);
    return SK_OK;
}

static void end_codes(gather *g)
{
    for (uint32_t i = 0; i < g->in->count; i++) {
        base_free(g->codes[i]);
        g->codes[i] = NULL;
    }
    intern_free(g->joined);
    g->joined = NULL;
}

/* The new segment's code for an input's; at its first use the text is handed on. */
static sk_code code_of(gather *g, const gather_column *c, column_writer *w, uint32_t input,
                       uint32_t old, uint64_t *ret, err *e)
{
    uint32_t fresh = g->codes[input][old];
    if (fresh != NO_CODE) {
        *ret = fresh;
        return SK_OK;
    }
    span text;
    sk_code code = dictionary_text_of(dictionary_of(g, c, input), old, &text, e);
    if (code != SK_OK)
        return code;
    if (g->joined) {
        uint32_t count = intern_count(g->joined);
        fresh = intern_put(g->joined, text);
        if (fresh == INTERN_NONE)
            return out_of_memory(e);
        uint32_t same = fresh;
        if (fresh == count)
            code = column_writer_text(w, text, &same, e);
        must(same == fresh);
    } else {
        code = column_writer_text(w, text, &fresh, e);
    }
    if (code == SK_OK)
        *ret = g->codes[input][old] = fresh;
    return code;
}

static bool is_text(const gather_column *c)
{
    return c->pseudo == PART_DATASET ||
           (c->pseudo == PART_COLUMNS && (c->type == FIELD_STRING || c->type == FIELD_HISTOGRAM));
}

/* Texts taken as they come are read in order: what lies behind is given back. */
static void trim_texts(gather *g, const gather_column *c)
{
    for (uint32_t i = 0; i < g->in->count; i++) {
        uint32_t col = c->of_input ? c->of_input[i] : 0;
        const directory *d = col && !g->in->at[i].info.is_open
                                 ? segment_directory((const segment *)g->in->at[i].part)
                                 : NULL;
        column_index *x = d ? atomic_load(&d->columns[col].loaded) : NULL;
        if (x)
            segment_trim_texts(x, KEEP_TEXT_PAGES);
    }
}

/* ---- an output block ---- */

typedef struct block_state {
    uint32_t first, count; /* output rows */
    uint32_t values, orphans;
    uint32_t row; /* at hand */
} block_state;

static void take_parent(gather *g, block_state *b, const slot *s, uint32_t row)
{
    uint32_t i = row % VECTOR_ROWS;
    int64_t distance = 0;
    if (g->order->loose && order_is_loose(g->order, row))
        distance = g->order->distance[order_rank(g->order, row)];
    else if (g->order->loose && s->parents[i] != PART_NO_PARENT)
        distance = (int64_t)(row - s->input_first) - (int64_t)s->parents[i];
    if (distance == 0)
        g->orphans[b->orphans++] = s->bits[i];
    g->distances[b->values] = distance;
}

static sk_code take_value(gather *g, const gather_column *c, column_writer *w, block_state *b,
                          const slot *s, uint32_t row, err *e)
{
    uint32_t i = row % VECTOR_ROWS;
    sk_code code = SK_OK;
    if (is_text(c)) {
        column_writer_at(w, b->row);
        code = code_of(g, c, w, s->input, (uint32_t)s->bits[i], &g->bits[b->values], e);
    } else if (c->pseudo == PART_TRACE_ID) {
        g->trace_ids[b->values] = (trace_id){s->high[i], s->bits[i]};
    } else if (c->pseudo == PART_PARENT_ID) {
        take_parent(g, b, s, row);
    } else {
        g->bits[b->values] = s->bits[i];
    }
    b->values++;
    return code;
}

static sk_code gather_block(gather *g, const gather_column *c, column_writer *w, block_state *b,
                            err *e)
{
    const uint32_t *source = g->order->source + b->first;
    memset(g->present, 0, sizeof g->present);
    slot *s = NULL;
    for (uint32_t i = 0; i < b->count; i++) {
        uint32_t row = source[i];
        sk_code code = SK_OK;
        if (!s || s->block != row / VECTOR_ROWS)
            code = slot_at(g, c, row, &s, e);
        if (code != SK_OK)
            return code;
        if (!slot_has(s, row % VECTOR_ROWS))
            continue;
        g->present[i / 64] |= 1ull << (i & 63);
        b->row = b->first + i;
        code = take_value(g, c, w, b, s, row, e);
        if (code != SK_OK)
            return code;
    }
    return SK_OK;
}

static sk_code write_blocks(gather *g, const gather_column *c, column_writer *w, err *e)
{
    uint32_t blocks = block_count_of(g->order->count);
    for (uint32_t block = 0; block < blocks; block++) {
        if (g->cancel && atomic_load_explicit(g->cancel, memory_order_relaxed))
            return err_set(e, SK_CLOSING, "the store is closing");
        block_state b = {.first = block * VECTOR_ROWS,
                         .count = block_rows_of(g->order->count, block)};
        sk_code code = gather_block(g, c, w, &b, e);
        if (code != SK_OK)
            return code;
        block_values v = {.row_count = b.count,
                          .value_count = b.values,
                          .present = g->present,
                          .bits = g->bits,
                          .trace_ids = g->trace_ids,
                          .distances = g->distances,
                          .orphans = g->orphans};
        code = column_writer_put(w, &v, e);
        if (code != SK_OK)
            return code;
        if (is_text(c) && block % TRIM_EVERY == TRIM_EVERY - 1)
            trim_texts(g, c);
    }
    return SK_OK;
}

sk_code gather_write(gather *g, const gather_column *c, segment_writer *w, err *e)
{
    column_writer *cw = NULL;
    forget_blocks(g);
    sk_code code = column_writer_new(w, c->pseudo, c->type, &cw, e);
    if (code == SK_OK && is_text(c))
        code = begin_codes(g, c, e);
    if (code == SK_OK)
        code = write_blocks(g, c, cw, e);
    if (code == SK_OK)
        code = column_writer_end(cw, c->name, e);
    end_codes(g);
    column_writer_free(cw);
    return code;
}
