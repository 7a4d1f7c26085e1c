/*
 * engine/local/kept_columns.c: see kept_columns.h. A value is held as what it is above the least of its block, a float as the integer
 * that it is a part of; the few that lie far from all others (of clocks that are off, of the slowest) beside them as they are.
 * Called by scan.c and structure_read.c, by query workers. Never: keeps a text, or anything of rows that are still open.
 */
#include "engine/local/kept_columns.h"

#define ROWS_A_VALUE 8u /* a column that fewer rows have is held without the others */
#define SPARSE_MAX   (VECTOR_ROWS / ROWS_A_VALUE)
#define ROWS_A_FAR   16u
#define FARS_MAX     (VECTOR_ROWS / ROWS_A_FAR)

typedef struct far_value {
    uint64_t bits;
    uint32_t at;
} far_value;

typedef struct kept_column {
    uint64_t least;
    double scale; /* of floats: a value is a number divided by it */
    uint32_t value_count, far_count;
    uint32_t width; /* bytes a value: 1, 2, 4 */
    vector_kind kind;
    field_type type;
    bool all_present, is_sparse; /* sparse: values of the rows that have one, else of all */
    bool is_constant;            /* no values: all are the least */
    uint64_t
        words[]; /* unless all are present: which rows are; then the far ones; then the values */
} kept_column;

static bool is_of_codes(vector_kind kind)
{
    return kind == VECTOR_CODES || kind == VECTOR_BOOLS;
}

static uint32_t words_of(bool all_present, uint32_t row_count)
{
    return all_present ? 0 : (row_count + 63) / 64;
}

static far_value *fars_of(const kept_column *c, uint32_t row_count)
{
    return (far_value *)(uintptr_t)(c->words + words_of(c->all_present, row_count));
}

/* ---- keeping ---- */

/* A block's values on their way. */
typedef struct narrowing {
    uint64_t least;
    double scale;
    uint32_t count, far_count;
    uint64_t range; /* of those that are not far */
    uint64_t values[VECTOR_ROWS];
    far_value far[FARS_MAX];
} narrowing;

static uint32_t count_present(const vector *v)
{
    uint32_t count = v->all_present ? v->row_count : 0;
    for (uint32_t w = 0; w < words_of(v->all_present, v->row_count); w++)
        count += bit_count(v->present[w]);
    return count;
}

static void collect(narrowing *n, const vector *v, bool is_sparse)
{
    bool is_code = is_of_codes(v->kind);
    n->count = 0;
    if (is_sparse)
        for (uint32_t row = 0; row < v->row_count; row++) {
            n->values[n->count] = is_code ? v->codes[row] : v->ids[row];
            n->count += vector_has(v, row);
        }
    else
        for (; n->count < v->row_count; n->count++)
            n->values[n->count] = is_code ? v->codes[n->count] : v->ids[n->count];
}

static void take_constant(narrowing *n, const vector *v)
{
    n->least = is_of_codes(v->kind) ? v->codes[0] : v->ids[0];
    n->range = n->count = 0;
    n->scale = 0;
}

static bool add_far(narrowing *n, uint32_t at, uint64_t bits)
{
    if (n->far_count == n->count / ROWS_A_FAR)
        return false;
    n->far[n->far_count++] = (far_value){bits, at};
    return true;
}

/* False: too many are far. */
static bool narrow_numbers(narrowing *n)
{
    int64_t least = INT64_MAX, most = INT64_MIN;
    for (uint32_t i = 0; i < n->count; i++) {
        int64_t at = (int64_t)n->values[i];
        least = at < least ? at : least;
        most = at > most ? at : most;
    }
    n->least = (uint64_t)least;
    n->range = (uint64_t)most - (uint64_t)least;
    if (n->range <= UINT32_MAX)
        return true;
    n->range = UINT32_MAX; /* around the one in the middle */
    n->least = n->values[n->count / 2] - ((uint64_t)1 << 31);
    for (uint32_t i = 0; i < n->count; i++)
        if (n->values[i] - n->least > UINT32_MAX && !add_far(n, i, n->values[i]))
            return false;
    return true;
}

/* As integers by `scale`; 0 where a value is none. False: too many are none. */
static bool narrow_by(narrowing *n, double scale, uint32_t *ret)
{
    n->scale = scale;
    n->far_count = 0;
    n->range = 0;
    for (uint32_t i = 0; i < n->count; i++) {
        double as_is;
        memcpy(&as_is, &n->values[i], sizeof as_is);
        double number = as_is * scale;
        ret[i] = number >= 0 && number < INT32_MAX ? (uint32_t)(number + 0.5) : 0;
        double back = (double)(int32_t)ret[i] / scale;
        if (memcmp(&back, &as_is, sizeof back) != 0 && !add_far(n, i, n->values[i]))
            return false;
        n->range = ret[i] > n->range ? ret[i] : n->range;
    }
    return true;
}

static bool narrow_floats(narrowing *n)
{
    static const double scales[] = {1, 1e3, 1e6};
    uint32_t integers[VECTOR_ROWS];
    n->least = 0;
    for (size_t i = 0; i < COUNT_OF(scales); i++) {
        if (!narrow_by(n, scales[i], integers))
            continue;
        for (uint32_t k = 0; k < n->count; k++)
            n->values[k] = integers[k];
        return true;
    }
    return false;
}

static void put_values(const narrowing *n, uint32_t width, void *to)
{
    for (uint32_t i = 0; i < n->count; i++) {
        uint32_t above = (uint32_t)(n->values[i] - n->least);
        if (width == 1)
            ((uint8_t *)to)[i] = (uint8_t)above;
        else if (width == 2)
            ((uint16_t *)to)[i] = (uint16_t)above;
        else
            ((uint32_t *)to)[i] = above;
    }
}

static void keep(kept_blocks *kept, const scan_part *from, uint32_t number, uint32_t block,
                 const vector *v)
{
    bool is_float = v->kind == VECTOR_FLOATS;
    uint32_t present = count_present(v);
    if (present == 0 || (v->is_constant && v->all_present) ||
        (!is_float && v->kind != VECTOR_INTS && !is_of_codes(v->kind)))
        return;
    narrowing n;
    bool is_sparse = !v->is_constant && present * ROWS_A_VALUE < v->row_count;
    n.far_count = 0;
    if (v->is_constant)
        take_constant(&n, v);
    else
        collect(&n, v, is_sparse);
    if (!v->is_constant && !(is_float ? narrow_floats(&n) : narrow_numbers(&n)))
        return;
    kept_column c = {.least = n.least,
                     .scale = is_float ? n.scale : 0,
                     .value_count = n.count,
                     .far_count = n.far_count,
                     .width = n.range <= UINT8_MAX    ? 1
                              : n.range <= UINT16_MAX ? 2
                                                      : 4,
                     .kind = v->kind,
                     .type = v->type,
                     .all_present = v->all_present,
                     .is_sparse = is_sparse,
                     .is_constant = v->is_constant};
    size_t words = words_of(c.all_present, v->row_count) * sizeof c.words[0],
           fars = c.far_count * sizeof(far_value);
    kept_column *to =
        kept_blocks_room(kept, KEPT_COLUMNS + number, from->info.id, block, v->row_count,
                         sizeof c + words + fars + c.width * c.value_count);
    if (!to)
        return;
    *to = c;
    memcpy(to->words, v->present, words);
    memcpy(fars_of(to, v->row_count), n.far, fars);
    put_values(&n, c.width, fars_of(to, v->row_count) + c.far_count);
    kept_blocks_keep(kept, to);
}

/* ---- reading ---- */

#define WIDEN(type, expression)                                                                    \
    for (uint32_t i = 0; i < count; i++) {                                                         \
        uint32_t above = ((const type *)from)[i];                                                  \
        to[i] = (expression);                                                                      \
    }
#define WIDEN_BY(width, expression)                                                                \
    if ((width) == 1)                                                                              \
        WIDEN(uint8_t, expression)                                                                 \
    else if ((width) == 2)                                                                         \
        WIDEN(uint16_t, expression)                                                                \
    else                                                                                           \
        WIDEN(uint32_t, expression)

static void widen_codes(const kept_column *c, const void *from, uint32_t *restrict to)
{
    uint32_t count = c->value_count, least = (uint32_t)c->least;
    WIDEN_BY(c->width, least + above)
}

static void widen_numbers(const kept_column *c, const void *from, uint64_t *restrict to)
{
    uint32_t count = c->value_count;
    uint64_t least = c->least;
    WIDEN_BY(c->width, least + above)
}

static void widen_floats(const kept_column *c, const void *from, double *restrict to)
{
    uint32_t count = c->value_count;
    double scale = c->scale;
    WIDEN_BY(c->width, (double)(int32_t)above / scale)
}

static void widen(const kept_column *c, uint32_t row_count, void *to)
{
    const far_value *far = fars_of(c, row_count);
    const void *from = far + c->far_count;
    if (is_of_codes(c->kind))
        widen_codes(c, from, to);
    else if (c->kind == VECTOR_INTS)
        widen_numbers(c, from, to);
    else
        widen_floats(c, from, to);
    for (uint32_t i = 0; i < c->far_count; i++)
        ((uint64_t *)to)[far[i].at] = far[i].bits;
}

/* Values of the rows that have one to their places; what is absent has 0. */
static void spread(const kept_column *c, uint32_t row_count, vector *out)
{
    uint64_t values[SPARSE_MAX];
    bool is_code = is_of_codes(c->kind);
    widen(c, row_count, values);
    memset(out->ids, 0, row_count * (is_code ? sizeof out->codes[0] : sizeof out->ids[0]));
    uint32_t next = 0;
    for (uint32_t w = 0; w < words_of(false, row_count); w++)
        for (uint64_t bits = c->words[w]; bits; bits &= bits - 1, next++) {
            uint32_t row = w * 64 + (uint32_t)__builtin_ctzll(bits);
            if (is_code)
                out->codes[row] = ((const uint32_t *)values)[next];
            else
                out->ids[row] = values[next];
        }
}

static void repeat(const kept_column *c, uint32_t row_count, vector *out)
{
    bool is_code = is_of_codes(c->kind);
    for (uint32_t i = 0; i < row_count; i++)
        if (is_code)
            out->codes[i] = (uint32_t)c->least;
        else
            out->ids[i] = c->least;
}

static void take(const kept_column *c, const scan_part *from, uint32_t number, uint32_t row_count,
                 vector *out)
{
    out->kind = c->kind;
    out->type = c->type;
    out->row_count = row_count;
    out->all_present = c->all_present;
    out->is_constant = c->is_constant;
    out->dictionary = c->kind == VECTOR_CODES ? part_dictionary(from->part, number) : NULL;
    if (c->all_present)
        vector_fill_present(out);
    else
        memcpy(out->present, c->words, words_of(false, row_count) * sizeof c->words[0]);
    if (c->is_constant)
        repeat(c, row_count, out);
    else if (c->is_sparse)
        spread(c, row_count, out);
    else
        widen(c, row_count, out->ids);
}

sk_code kept_columns_read(kept_blocks *kept, const scan_part *from, part_reader *r, uint32_t number,
                          uint32_t block, bool with_texts, vector *out, uint64_t *bytes, err *e)
{
    part_block bounds;
    part_block_get(from->part, block, &bounds);
    if (from->info.is_open)
        kept = NULL;
    const kept_column *c =
        kept ? kept_blocks_hold(kept, KEPT_COLUMNS + number, from->info.id, block, bounds.row_count)
             : NULL;
    if (!c) {
        sk_code code = with_texts ? part_read(r, number, block, out, e)
                                  : part_read_codes(r, number, block, out, e);
        if (code == SK_OK && kept)
            keep(kept, from, number, block, out);
        return code;
    }
    take(c, from, number, bounds.row_count, out);
    *bytes += c->value_count * (uint64_t)c->width;
    kept_blocks_let_go(kept, c);
    return with_texts && out->kind == VECTOR_CODES ? part_load_texts(r, number, block, e) : SK_OK;
}
