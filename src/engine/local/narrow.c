/*
 * engine/local/narrow.c: see narrow.h. Never: gives back anything but the bits that were put in.
 */
#include "engine/local/narrow.h"

#include <string.h>

#define ROWS_A_VALUE 8u /* a column that fewer rows have is sparse */
#define SPARSE_MAX   (VECTOR_ROWS / ROWS_A_VALUE)
#define ROWS_A_FAR   16u

struct narrow {
    uint64_t least;
    double scale;
    uint32_t value_count, far_count;
    uint32_t width; /* bytes a value: 1, 2, 4 */
    vector_kind kind;
    field_type type;
    bool all_present, is_sparse;
    bool is_constant; /* no values: all are the least */
    uint64_t
        words[]; /* unless all are present: which rows are; then the far ones; then the values */
};

static bool is_of_codes(vector_kind kind)
{
    return kind == VECTOR_CODES || kind == VECTOR_BOOLS;
}

static uint32_t words_of(bool all_present, uint32_t row_count)
{
    return all_present ? 0 : (row_count + 63) / 64;
}

/* ---- in ---- */

static uint32_t count_present(const vector *v)
{
    uint32_t count = v->all_present ? v->row_count : 0;
    for (uint32_t w = 0; w < words_of(v->all_present, v->row_count); w++)
        count += bit_count(v->present[w]);
    return count;
}

static void collect(narrowing *n)
{
    const vector *v = n->of;
    bool is_code = is_of_codes(v->kind);
    n->count = 0;
    if (n->is_sparse)
        for (uint32_t row = 0; row < v->row_count; row++) {
            n->values[n->count] = is_code ? v->codes[row] : v->ids[row];
            n->count += vector_has(v, row);
        }
    else
        for (; n->count < v->row_count; n->count++)
            n->values[n->count] = is_code ? v->codes[n->count] : v->ids[n->count];
}

static bool add_far(narrowing *n, uint32_t at, uint64_t bits)
{
    if (n->far_count == n->count / ROWS_A_FAR)
        return false;
    n->far[n->far_count++] = (narrow_far){bits, at};
    return true;
}

static bool plan_numbers(narrowing *n)
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

/* Values as integers by `scale`; 0 where they are none. False: too many are none. */
static bool plan_scale(narrowing *n, double scale, uint32_t *ret)
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

static bool plan_floats(narrowing *n)
{
    static const double scales[] = {1, 1e3, 1e6};
    uint32_t integers[VECTOR_ROWS];
    for (size_t i = 0; i < COUNT_OF(scales); i++) {
        if (!plan_scale(n, scales[i], integers))
            continue;
        for (uint32_t k = 0; k < n->count; k++)
            n->values[k] = integers[k];
        return true;
    }
    return false;
}

bool narrow_plan(const vector *v, narrowing *ret)
{
    ret->of = v;
    ret->least = ret->range = 0;
    ret->scale = 0;
    ret->count = ret->far_count = 0;
    if (v->kind != VECTOR_FLOATS && v->kind != VECTOR_INTS && !is_of_codes(v->kind))
        return false;
    uint32_t present = count_present(v);
    ret->is_sparse = !v->is_constant && present * ROWS_A_VALUE < v->row_count;
    if (present == 0 || (v->is_constant && v->all_present))
        return false;
    if (v->is_constant) {
        ret->least = is_of_codes(v->kind) ? v->codes[0] : v->ids[0];
        return true;
    }
    collect(ret);
    return v->kind == VECTOR_FLOATS ? plan_floats(ret) : plan_numbers(ret);
}

static uint32_t width_of(const narrowing *n)
{
    return n->range <= UINT8_MAX ? 1 : n->range <= UINT16_MAX ? 2 : 4;
}

size_t narrow_bytes(const narrowing *n)
{
    return sizeof(narrow) + words_of(n->of->all_present, n->of->row_count) * sizeof(uint64_t) +
           n->far_count * sizeof n->far[0] + n->count * (size_t)width_of(n);
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

static narrow_far *fars_of(const narrow *c, uint32_t row_count)
{
    return (narrow_far *)(uintptr_t)(c->words + words_of(c->all_present, row_count));
}

void narrow_put(const narrowing *n, narrow *to)
{
    const vector *v = n->of;
    *to = (narrow){.least = n->least,
                   .scale = n->scale,
                   .value_count = n->count,
                   .far_count = n->far_count,
                   .width = width_of(n),
                   .kind = v->kind,
                   .type = v->type,
                   .all_present = v->all_present,
                   .is_sparse = n->is_sparse,
                   .is_constant = v->is_constant};
    memcpy(to->words, v->present, words_of(v->all_present, v->row_count) * sizeof to->words[0]);
    narrow_far *far = fars_of(to, v->row_count);
    memcpy(far, n->far, n->far_count * sizeof *far);
    put_values(n, to->width, far + n->far_count);
}

/* ---- out ---- */

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

static void widen_codes(const narrow *c, const void *from, uint32_t *restrict to)
{
    uint32_t count = c->value_count, least = (uint32_t)c->least;
    WIDEN_BY(c->width, least + above)
}

static void widen_numbers(const narrow *c, const void *from, uint64_t *restrict to)
{
    uint32_t count = c->value_count;
    uint64_t least = c->least;
    WIDEN_BY(c->width, least + above)
}

static void widen_floats(const narrow *c, const void *from, double *restrict to)
{
    uint32_t count = c->value_count;
    double scale = c->scale;
    WIDEN_BY(c->width, (double)(int32_t)above / scale)
}

static void widen(const narrow *c, uint32_t row_count, void *to)
{
    const narrow_far *far = fars_of(c, row_count);
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
static void spread(const narrow *c, vector *out)
{
    uint64_t values[SPARSE_MAX];
    bool is_code = is_of_codes(c->kind);
    widen(c, out->row_count, values);
    memset(out->ids, 0, out->row_count * (is_code ? sizeof out->codes[0] : sizeof out->ids[0]));
    uint32_t next = 0;
    for (uint32_t w = 0; w < words_of(false, out->row_count); w++)
        for (uint64_t bits = out->present[w]; bits; bits &= bits - 1, next++) {
            uint32_t row = w * 64 + (uint32_t)__builtin_ctzll(bits);
            if (is_code)
                out->codes[row] = ((const uint32_t *)values)[next];
            else
                out->ids[row] = values[next];
        }
}

static void repeat(const narrow *c, vector *out)
{
    bool is_code = is_of_codes(c->kind);
    for (uint32_t i = 0; i < out->row_count; i++)
        if (is_code)
            out->codes[i] = (uint32_t)c->least;
        else
            out->ids[i] = c->least;
}

uint64_t narrow_take(const narrow *c, uint32_t row_count, vector *out)
{
    out->kind = c->kind;
    out->type = c->type;
    out->row_count = row_count;
    out->all_present = c->all_present;
    out->is_constant = c->is_constant;
    if (c->all_present)
        vector_fill_present(out);
    else
        memcpy(out->present, c->words, words_of(false, row_count) * sizeof c->words[0]);
    if (c->is_constant)
        repeat(c, out);
    else if (c->is_sparse)
        spread(c, out);
    else
        widen(c, row_count, out->ids);
    return c->value_count * (uint64_t)c->width;
}
