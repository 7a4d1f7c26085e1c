/*
 * wire/body.h: Content-Encoding: compressed request bodies in, with a cap on what comes out; the same out for replies.
 * Bombs stop at the cap while inflating: SK_TOO_LARGE. Unknown encodings: SK_BAD_INPUT naming those accepted.
 */
#ifndef WIRE_BODY_H
#define WIRE_BODY_H

#include "base/buf.h"
#include "base/err.h"

typedef enum body_encoding {
    BODY_IDENTITY,
    BODY_GZIP,
    BODY_DEFLATE,
    BODY_ZSTD,
    BODY_SNAPPY,
    BODY_ENCODING_COUNT
} body_encoding;

/* A Content-Encoding or grpc-encoding value; empty is identity; "x-gzip", "zlib" are taken too. A list is refused. */
sk_code body_encoding_of(span header, body_encoding *ret, err *e) must_use;
const char *body_encoding_name(body_encoding encoding);
/* Appends to *out, whose max_bytes is the cap. On error *out holds a part and must not be used. */
sk_code body_inflate(body_encoding encoding, span body, buf *out, err *e) must_use;
sk_code body_deflate(body_encoding encoding, span body, buf *out,
                     err *e) must_use; /* gzip and zstd */

#endif
