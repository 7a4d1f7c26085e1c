/*
 * cli/load/pack.h: packs spans or log records into requests as an SDK does: one resource, at most 512 items, sent when full or
 * five seconds after the first. A request goes to a sink as bytes that live only during the call.
 */
#ifndef CLI_LOAD_PACK_H
#define CLI_LOAD_PACK_H

#include "base/buf.h"
#include "base/err.h"
#include "wire/protobuf.h"

#define LOAD_ITEMS_PER_BODY 512u

typedef struct load_sink {
    sk_code (*take)(void *ctx, span body, uint32_t items, err *e);
    void *ctx;
} load_sink;

typedef struct load_pending {
    buf bytes;
    size_t group, scope, item; /* begun messages */
    uint32_t items;
    int64_t first_ns;
} load_pending;

typedef struct load_packer {
    load_sink sink;
    void (*put_resource)(void *ctx, uint32_t sender, buf *out); /* attributes (field 1) */
    void *ctx;
    load_pending *senders;
    uint32_t sender_count;
    int64_t swept_ns;
    sk_code code; /* sticky */
    err e;
} load_packer;

sk_code pack_init(load_packer *p, uint32_t sender_count,
                  err *e) must_use; /* the rest of *p is set by the caller */
void pack_done(load_packer *p);
/* `now_ns`: when the SDK sees the item; it never falls. Requests whose time has come are sent first. */
buf *pack_begin(load_packer *p, uint32_t sender, int64_t now_ns);
void pack_end(load_packer *p, uint32_t sender);
sk_code pack_finish(load_packer *p, err *e) must_use; /* sends what waits */

/* An attribute of a resource (field 1), a log record (6) or a span (9). */
void put_text(buf *out, uint32_t field, const char *key, const char *text);
void put_int(buf *out, uint32_t field, const char *key, int64_t v);
void put_double(buf *out, uint32_t field, const char *key, double v);
void put_bool(buf *out, uint32_t field, const char *key, bool v);
void put_id(buf *out, uint32_t field, uint64_t hi, uint64_t lo,
            size_t len); /* the last `len` bytes of hi, lo */

#endif
