/*
 * fuzz/fuzz_batch.c: the batch codec on arbitrary bytes. What decodes is usable, keeps batch.h's promises and encodes to
 * bytes that decode to the same bytes again.
 */
#include "event/codec.h"
#include "event/histogram.h"
#include "fuzz.h"

#define CAP (64 * MIB)

static void note(void *ctx, double v, double count)
{
    *(double *)ctx += v * count;
}

static void use_cells(const batch *b)
{
    arena *mem = arena_new(CAP);
    must(mem != NULL);
    double sum = 0;
    for (uint32_t row = 0; row < b->row_count; row += 1 + row / 8) {
        must(b->rate[row] >= 1);
        batch_text(b, b->dataset[row]);
        for (uint32_t i = 0; i < b->column_count && i < 64; i++) {
            value v = batch_cell(b, i, row);
            char scratch[VALUE_TEXT_MAX];
            must(value_text(v, scratch).len <= EVENT_STRING_MAX);
            value_number(v, &sum);
            for (uint32_t k = b->columns[i].next_same_name; v.is_set && k != COLUMN_NONE;
                 k = b->columns[k].next_same_name)
                must(!batch_cell(b, k, row).is_set);
            histogram h;
            if (v.is_set && v.type == FIELD_HISTOGRAM && histogram_decode(v.text, mem, &h))
                histogram_each(&h, note, &sum);
        }
    }
    arena_free(mem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    batch *first = NULL, *second = NULL;
    err e = {0};
    if (batch_decode(span_of(data, size), CAP, &first, &e) != SK_OK) {
        must(e.code != SK_OK);
        must(e.text[0] != '\0');
        must(e.offset <= size);
        return 0;
    }
    use_cells(first);
    buf once, twice;
    buf_init(&once, CAP);
    buf_init(&twice, CAP);
    must(batch_encode(first, &once, &e) == SK_OK);
    must(batch_decode(buf_span(&once), CAP, &second, &e) == SK_OK);
    must(batch_encode(second, &twice, &e) == SK_OK);
    must(span_equal(buf_span(&once), buf_span(&twice)));
    batch_free(first);
    batch_free(second);
    buf_done(&once);
    buf_done(&twice);
    return 0;
}
