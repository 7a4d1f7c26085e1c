/*
 * fuzz/fuzz_otlp.h: what the three OTLP targets share. The first byte of an input chooses the form
 * (even: protobuf, odd: JSON), the rest is the request's body.
 */
#ifndef FUZZ_FUZZ_OTLP_H
#define FUZZ_FUZZ_OTLP_H

#include "event/codec.h"
#include "event/fields.h"
#include "fuzz.h"
#include "receive/receive.h"

#define BATCH_CAP_BYTES (16 * MIB)

static void check_batch(const batch *b)
{
    for (uint32_t i = 0; i < b->string_count; i++)
        must(b->strings[i].len <= EVENT_STRING_MAX);
    for (uint32_t row = 0; row < b->row_count; row++) {
        must(b->rate[row] >= 1);
        must(b->dataset[row] < b->string_count);
        must(utf8_is_valid(b->strings[b->dataset[row]]));
        must(b->family != FAMILY_TRACE || trace_id_is_set(b->trace_id[row]));
        must(b->family != FAMILY_TRACE || (b->span_id[row] | b->parent_id[row]) != 0);
    }
    for (uint32_t c = 0; c < b->column_count; c++) {
        must(b->columns[c].name.len > 0 && b->columns[c].name.len <= EVENT_FIELD_NAME_MAX);
        must(utf8_is_valid(b->columns[c].name));
        for (uint32_t i = 0; b->columns[c].type == FIELD_STRING && i < b->columns[c].count; i++)
            must(utf8_is_valid(b->strings[b->columns[c].codes[i]]));
    }
    for (uint32_t c = 0; c < b->column_count; c++)
        for (uint32_t next = b->columns[c].next_same_name; next != COLUMN_NONE;
             next = b->columns[next].next_same_name)
            for (uint32_t row = 0; row < b->row_count; row++)
                must(!batch_cell(b, c, row).is_set || !batch_cell(b, next, row).is_set);
    buf bytes;
    err e;
    batch *again;
    buf_init(&bytes, 64 * MIB);
    must(batch_encode(b, &bytes, &e) == SK_OK);
    must(batch_decode(buf_span(&bytes), 4 * BATCH_CAP_BYTES, &again, &e) == SK_OK);
    must(again->row_count == b->row_count);
    batch_free(again);
    buf_done(&bytes);
}

static int fuzz_otlp(const char *method, const uint8_t *data, size_t size)
{
    const receive_row *row = receive_by_grpc(span_text(method));
    must(row != NULL);
    if (size == 0)
        return 0;
    receive_input in = {
        .body = span_of(data + 1, size - 1),
        .form = data[0] & 1 ? FORM_JSON : FORM_PROTOBUF,
        .arrival_ns = 1790000000000000000,
        .batch_cap_bytes = BATCH_CAP_BYTES,
    };
    receive_output done;
    err e = {.code = SK_OK};
    buf reply;
    buf_init(&reply, 1 * MIB);
    if (row->decode(&in, &done, &e) == SK_OK) {
        must(done.rejected <= done.item_count);
        must(done.drop_count <= RECEIVE_REASONS_MAX);
        for (uint32_t i = 0; i < done.drop_count; i++)
            must(utf8_is_valid(span_text(done.drops[i].text)));
        check_batch(done.batch);
        row->reply(&done, in.form, &reply);
        batch_free(done.batch);
    } else {
        must(e.code != SK_OK && e.text[0] != 0 && utf8_is_valid(span_text(e.text)));
        must(e.offset <= in.body.len || in.form == FORM_JSON);
        receive_error_body(&e, in.form, &reply);
    }
    must(!reply.failed);
    buf_done(&reply);
    return 0;
}

#endif
