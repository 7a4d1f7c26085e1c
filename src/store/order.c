/*
 * store/order.c: the inputs of a new segment and the numbering of their rows. Called by build.c.
 */
#include "store/order.h"

#include "base/alloc.h"
#include "base/must.h"

sk_code order_inputs_open(const part *const *parts, uint32_t count, order_inputs *ret, err *e)
{
    *ret = (order_inputs){.at = base_alloc_zero(count + 1ul, sizeof(order_input))};
    sk_code code = ret->at ? SK_OK : err_set(e, SK_NO_MEMORY, "no memory to order rows");
    for (uint32_t i = 0; code == SK_OK && i < COUNT_OF(ret->scratch); i++)
        if (!(ret->scratch[i] = base_alloc(sizeof(vector))))
            code = err_set(e, SK_NO_MEMORY, "no memory to order rows");
    uint64_t next = 0;
    for (uint32_t i = 0; code == SK_OK && i < count; i++) {
        order_input *in = &ret->at[i];
        part_info_get(parts[i], &in->info);
        in->part = parts[i];
        in->first_row = (uint32_t)next;
        in->is_ordered = !in->info.is_open;
        next += (uint64_t)in->info.block_count * VECTOR_ROWS;
        if (next >= UINT32_MAX)
            code = err_set(e, SK_TOO_LARGE, "more than 2^32 rows for one segment");
        else
            code = part_reader_new(parts[i], &in->reader, e);
        ret->count += code == SK_OK;
    }
    ret->row_end = (uint32_t)next;
    if (code != SK_OK)
        order_inputs_done(ret);
    return code;
}

void order_inputs_done(order_inputs *in)
{
    for (uint32_t i = 0; i < in->count; i++)
        part_reader_free(in->at[i].reader);
    for (uint32_t i = 0; i < COUNT_OF(in->scratch); i++)
        base_free(in->scratch[i]);
    base_free(in->at);
    *in = (order_inputs){0};
}

order_input *order_block(const order_inputs *in, uint32_t block, uint32_t *ret_block)
{
    uint32_t row = block * VECTOR_ROWS, low = 0, high = in->count;
    must(row < in->row_end);
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (in->at[middle].first_row <= row)
            low = middle;
        else
            high = middle;
    }
    *ret_block = (row - in->at[low].first_row) / VECTOR_ROWS;
    return &in->at[low];
}

void row_order_done(row_order *o)
{
    base_free(o->source);
    base_free(o->loose);
    base_free(o->loose_rank);
    base_free(o->distance);
    *o = (row_order){0};
}
