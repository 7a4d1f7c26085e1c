/*
 * serve/grpc.h: the bytes of gRPC that are not HTTP/2: message frames, timeouts, status texts.
 * Pure. Source: grpc/grpc doc/PROTOCOL-HTTP2.md; notes in otlp.md §4. Considered: libgrpc (C++
 * underneath, 12 MB).
 */
#ifndef SERVE_GRPC_H
#define SERVE_GRPC_H

#include "base/buf.h"
#include "base/err.h"

#define GRPC_PREFIX_BYTES 5u

/* "application/grpc", "application/grpc+proto", "application/grpc;…"; not grpc-web. */
bool grpc_is_content_type(span value);

/* The length the first frame announces; false while its prefix is not complete. */
bool grpc_peek(span body, bool *ret_compressed, uint64_t *ret_len);
/* The one message of a unary request. SK_BAD_INPUT: none, cut short, a flag that does not exist;
 * SK_UNIMPLEMENTED: more than one. */
sk_code grpc_message(span body, bool *ret_compressed, span *ret, err *e) must_use;
void grpc_add_prefix(uint8_t out[GRPC_PREFIX_BYTES], size_t message_len);

/* "100m" → ns. False when it is malformed. */
bool grpc_timeout(span value, int64_t *ret_ns);

/* grpc-message: percent-encoded except printable ASCII without '%'. */
void grpc_add_message(buf *out, span text);
/* A -bin header's value: base64 without padding. */
void grpc_add_base64(buf *out, span bytes);

#endif
