/*
 * fuzz/fuzz_protobuf.c: no message leads the reader out of its bytes, and one that is copied field by field reads the
 * same again.
 */
#include "fuzz.h"
#include "wire/protobuf.h"

static void copy_var(reader *r, buf *out, uint32_t field)
{
    reader same = *r;
    uint64_t v = pb_var(r);
    must((uint64_t)pb_sint(&same) == (v >> 1 ^ (0 - (v & 1))));
    pb_put_var(out, field, v);
}

static void copy_i64(reader *r, buf *out, uint32_t field)
{
    if (field % 2)
        pb_put_double(out, field, pb_double(r));
    else
        pb_put_i64(out, field, pb_i64(r));
}

/* Bytes are written as a message whose length is not known before. */
static void copy_bytes(reader *r, buf *out, uint32_t field)
{
    span s = pb_bytes(r);
    if (field % 2) {
        size_t begun = pb_begin(out, field);
        buf_add_span(out, s);
        pb_finish(out, begun);
    } else {
        pb_put_bytes(out, field, s);
    }
}

/* Copies the fields of known wire types; false when the message is malformed. */
static bool copy_fields(span message, buf *out)
{
    reader r = reader_of(message);
    for (uint32_t tag; (tag = pb_tag(&r));) {
        must(r.at <= r.end);
        switch (tag & 7) {
        case PB_VAR: copy_var(&r, out, tag >> 3); break;
        case PB_I64: copy_i64(&r, out, tag >> 3); break;
        case PB_LEN: copy_bytes(&r, out, tag >> 3); break;
        case PB_I32: pb_put_i32(out, tag >> 3, pb_i32(&r)); break;
        default: pb_skip(&r, tag); break;
        }
    }
    must(r.at == r.end);
    return !r.failed;
}

static void walk(span message, unsigned depth)
{
    reader r = reader_of(message);
    for (uint32_t tag; (tag = pb_tag(&r));) {
        if ((tag & 7) == PB_LEN && depth < 8)
            walk(pb_bytes(&r), depth + 1);
        else
            pb_skip(&r, tag);
    }
    must(r.at == r.end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    span message = span_of(data, size);
    buf first, second;
    buf_init(&first, SIZE_MAX);
    buf_init(&second, SIZE_MAX);
    walk(message, 0);
    if (copy_fields(message, &first)) {
        must(first.len <= size);
        must(copy_fields(buf_span(&first), &second));
        must(span_equal(buf_span(&first), buf_span(&second)));
    }
    buf_done(&first);
    buf_done(&second);
    return 0;
}
