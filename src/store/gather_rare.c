/*
 * store/gather_rare.c: columns with few values: collected value by value instead of row by row, so that thousands of them
 * cost time in proportion to their values. Called by build.c.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/intern.h"
#include "base/must.h"
#include "store/gather.h"
#include "store/segment.h"

/* Texts beyond this go to an ordinary column with pages of their own. */
#define RARE_TEXT_BYTES (128 * KIB)

typedef struct pair {
    uint32_t row;
    uint64_t bits;
} pair;

typedef struct collected {
    pair *pairs;
    uint32_t count, capacity, most;
    intern *texts; /* of text columns */
    size_t text_bytes;
    bool is_too_much;
} collected;

static sk_code out_of_memory(err *e)
{
    return err_set(e, SK_NO_MEMORY, "no memory to gather a rare column");
}

static int compare_pairs(const void *a, const void *b)
{
    const pair *x = a, *y = b;
    return (x->row > y->row) - (x->row < y->row);
}

static sk_code take(collected *l, const vector *v, uint32_t i, uint32_t row, err *e)
{
    if (l->count == l->most) {
        l->is_too_much = true;
        return SK_OK;
    }
    if (!base_reserve(&l->pairs, &l->capacity, l->count + 1, sizeof l->pairs[0]))
        return out_of_memory(e);
    uint64_t bits;
    if (v->kind == VECTOR_CODES) {
        span text;
        sk_code found = dictionary_text_of(v->dictionary, v->codes[i], &text, e);
        if (found != SK_OK)
            return found;
        uint32_t code = intern_put(l->texts, text);
        if (code == INTERN_NONE)
            return out_of_memory(e);
        if (code + 1 == intern_count(l->texts))
            l->text_bytes += text.len;
        l->is_too_much = l->text_bytes > RARE_TEXT_BYTES;
        bits = code;
    } else {
        bits = v->kind == VECTOR_BOOLS ? v->codes[i] : v->ids[i];
    }
    l->pairs[l->count++] = (pair){row, bits};
    return SK_OK;
}

static sk_code take_block(const order_input *in, uint32_t col, uint32_t block,
                          const uint32_t *target, vector *v, collected *l, err *e)
{
    if (!part_block_has_column(in->part, col, block))
        return SK_OK;
    sk_code code = part_read(in->reader, col, block, v, e);
    if (code != SK_OK || v->kind == VECTOR_ABSENT)
        return code;
    const uint32_t *of_row = target + in->first_row + block * VECTOR_ROWS;
    for (uint32_t w = 0; w * 64 < v->row_count; w++) {
        for (uint64_t bits = v->present[w]; bits && !l->is_too_much; bits &= bits - 1) {
            uint32_t i = w * 64 + (uint32_t)__builtin_ctzll(bits);
            if (of_row[i] == UINT32_MAX)
                continue;
            code = take(l, v, i, of_row[i], e);
            if (code != SK_OK)
                return code;
        }
    }
    return SK_OK;
}

static sk_code write_collected(const gather_column *c, collected *l, segment_writer *w, err *e)
{
    qsort(l->pairs, l->count, sizeof l->pairs[0], compare_pairs);
    uint32_t text_count = l->texts ? intern_count(l->texts) : 0;
    uint32_t *rows = base_alloc(l->count * sizeof rows[0]);
    uint64_t *bits = base_alloc(l->count * sizeof bits[0]);
    span *list = base_alloc((text_count + 1ul) * sizeof list[0]);
    sk_code code = rows && bits && list ? SK_OK : out_of_memory(e);
    if (code == SK_OK) {
        for (uint32_t i = 0; i < l->count; i++) {
            rows[i] = l->pairs[i].row;
            bits[i] = l->pairs[i].bits;
        }
        for (uint32_t i = 0; i < text_count; i++)
            list[i] = intern_text(l->texts, i);
        rare_values v = {.name = c->name,
                         .type = c->type,
                         .count = l->count,
                         .rows = rows,
                         .bits = bits,
                         .texts = list,
                         .text_count = text_count};
        code = segment_writer_rare(w, &v, e);
    }
    base_free(rows);
    base_free(bits);
    base_free(list);
    return code;
}

sk_code gather_write_rare(const order_inputs *in, const gather_column *c, const uint32_t *target,
                          uint32_t most, segment_writer *w, bool *ret_is_rare, err *e)
{
    must(most <= INTS_MAX && most <= TEXTS_PAGE_COUNT);
    collected l = {.most = most};
    sk_code code = SK_OK;
    if ((c->type == FIELD_STRING || c->type == FIELD_HISTOGRAM) &&
        !(l.texts = intern_new(64 * MIB)))
        code = out_of_memory(e);
    for (uint32_t i = 0; i < in->count; i++)
        for (uint32_t block = 0; code == SK_OK && c->of_input[i] && !l.is_too_much &&
                                 block < in->at[i].info.block_count;
             block++)
            code = take_block(&in->at[i], c->of_input[i], block, target, in->scratch[0], &l, e);
    *ret_is_rare = !l.is_too_much;
    if (code == SK_OK && !l.is_too_much && l.count)
        code = write_collected(c, &l, w, e);
    base_free(l.pairs);
    intern_free(l.texts);
    return code;
}
