/*
 * wire/protobuf.c: the rarer half of reading protobuf fields, and writing them.
 * Called by every protobuf decoder and by clients that send. Never: reads past a message, recurses
 * into one.
 */
#include "wire/protobuf.h"

#define GROUPS_MAX 32

double pb_double(reader *r)
{
    uint64_t bits = reader_u64(r);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

int64_t pb_sint(reader *r)
{
    return reader_zigzag(r);
}

static void fail(reader *r)
{
    r->failed = true;
    r->at = r->end;
}

static void skip_scalar(reader *r, uint32_t tag)
{
    switch (tag & 7) {
    case PB_VAR: reader_varint(r); break;
    case PB_I64: reader_bytes(r, 8); break;
    case PB_LEN: pb_bytes(r); break;
    case PB_I32: reader_bytes(r, 4); break;
    default: fail(r); break;
    }
}

void pb_skip(reader *r, uint32_t tag)
{
    uint32_t open[GROUPS_MAX]; /* field numbers of the groups we are in */
    unsigned depth = 0;
    do {
        uint32_t type = tag & 7, field = tag >> 3;
        if (type == 3 && depth < GROUPS_MAX)
            open[depth++] = field;
        else if (type == 4 && depth && open[depth - 1] == field)
            depth--;
        else
            skip_scalar(r, tag);
        if (depth && !(tag = pb_tag(r)))
            fail(r);
    } while (depth && !r->failed);
}

void pb_put_var(buf *b, uint32_t field, uint64_t v)
{
    buf_add_varint(b, field << 3 | PB_VAR);
    buf_add_varint(b, v);
}

void pb_put_i64(buf *b, uint32_t field, uint64_t v)
{
    buf_add_varint(b, field << 3 | PB_I64);
    buf_add_u64(b, v);
}

void pb_put_i32(buf *b, uint32_t field, uint32_t v)
{
    buf_add_varint(b, field << 3 | PB_I32);
    buf_add_u32(b, v);
}

void pb_put_double(buf *b, uint32_t field, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    pb_put_i64(b, field, bits);
}

void pb_put_bytes(buf *b, uint32_t field, span s)
{
    buf_add_varint(b, field << 3 | PB_LEN);
    buf_add_varint(b, s.len);
    buf_add_span(b, s);
}

size_t pb_begin(buf *b, uint32_t field)
{
    buf_add_varint(b, field << 3 | PB_LEN);
    buf_add_u8(b, 0); /* room for a length below 128; pb_finish makes more when it must */
    return b->len;
}

void pb_finish(buf *b, size_t begun)
{
    if (b->failed)
        return;
    uint8_t prefix[10];
    size_t len = b->len - begun, size = 0;
    for (size_t v = len; v >= 0x80; v >>= 7)
        prefix[size++] = (uint8_t)(v | 0x80);
    prefix[size] = (uint8_t)(len >> (7 * size));
    if (size) {
        if (!buf_reserve(b, size))
            return;
        memmove(b->at + begun + size, b->at + begun, len);
        b->len += size;
    }
    memcpy(b->at + begun - 1, prefix, size + 1);
}
