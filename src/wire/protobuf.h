/*
 * wire/protobuf.h: protobuf fields from bytes and back; no schema, no objects. Considered: protobuf-c (an object
 * tree, 5.3 x the wire size), nanopb (small fixed messages), upb (too old where packaged).
 * Source: protobuf's encoding rules (wire types 0, 1, 2, 5; groups 3 and 4 are skipped, nesting bounded).
 *
 *   for (uint32_t tag; (tag = pb_tag(r));) switch (tag) {
 *   case PB(1, LEN): read_thing(pb_message(r)); break;
 *   default: pb_skip(r, tag);
 *   }
 * then check r->failed once.
 */
#ifndef WIRE_PROTOBUF_H
#define WIRE_PROTOBUF_H

#include "base/buf.h"
#include "base/reader.h"

enum { PB_VAR = 0, PB_I64 = 1, PB_LEN = 2, PB_I32 = 5 };
#define PB(field, type) (((uint32_t)(field) << 3) | (uint32_t)PB_##type)

/* The next tag; 0 at the end of the message or on failure (field number 0 or above 2^29-1 fails). */
static inline uint32_t pb_tag(reader *r)
{
    if (r->at >= r->end)
        return 0;
    uint64_t tag = reader_varint(r);
    if (unlikely(tag >> 32 || tag < 8)) {
        r->failed = true;
        r->at = r->end;
        return 0;
    }
    return (uint32_t)tag;
}

static inline uint64_t pb_var(reader *r)
{
    return reader_varint(r);
}

static inline uint64_t pb_i64(reader *r)
{
    return reader_u64(r);
}

static inline uint32_t pb_i32(reader *r)
{
    return reader_u32(r);
}

double pb_double(reader *r);
int64_t pb_sint(reader *r); /* zigzag */
static inline span pb_bytes(reader *r)
{
    uint64_t len = reader_varint(r);
    return reader_bytes(r, len > SIZE_MAX ? SIZE_MAX : (size_t)len);
}
static inline reader pb_message(reader *r) /* its failure must be handed back: pb_end */
{
    return reader_of(pb_bytes(r));
}
static inline void pb_end(reader *parent, const reader *child) /* a failed child fails its parent */
{
    if (unlikely(child->failed)) {
        parent->failed = true;
        parent->at = parent->end;
    }
}
void pb_skip(reader *r, uint32_t tag);

/* Writing. A message is written into the same buffer: begin returns where its length goes. */
void pb_put_var(buf *b, uint32_t field, uint64_t v);
void pb_put_i64(buf *b, uint32_t field, uint64_t v);
void pb_put_i32(buf *b, uint32_t field, uint32_t v);
void pb_put_double(buf *b, uint32_t field, double v);
void pb_put_bytes(buf *b, uint32_t field, span s);
size_t pb_begin(buf *b, uint32_t field);
void pb_finish(buf *b, size_t begun);

#endif
