/*
 * base/err.h: what can go wrong, once for everyone. Fallible functions return an sk_code and may fill an err
 * with a byte offset and one sentence that the sender can act on: which field, which limit, what to do.
 * The table decides HTTP status, gRPC status and whether a client may retry, so they never disagree.
 * Library layers never log: they return. `serve`, `watch`, `cli` and `main` speak, once.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/port.h"
#include "base/span.h"

/* X(code, http, grpc, retry, said when) */
#define SK_CODES(X)                                                                                \
    X(SK_OK, 200, 0, false, "done")                                                                \
    X(SK_BAD_INPUT, 400, 3, false,                                                                 \
      "the bytes are not what their type claims, or a value is not allowed")                       \
    X(SK_UNAUTHENTICATED, 401, 16, false, "no key or login, or one that is not known")             \
    X(SK_FORBIDDEN, 403, 7, false, "the key is known but may not do this")                         \
    X(SK_NOT_FOUND, 404, 5, false, "no such thing")                                                \
    X(SK_METHOD, 405, 12, false, "this path takes another method")                                 \
    X(SK_SLOW_SENDER, 408, 4, false, "the sender did not finish within the deadline")              \
    X(SK_CONFLICT, 409, 6, false, "it exists already or is in use")                                \
    X(SK_TOO_LARGE, 413, 8, false, "a stated limit was passed; the text names it")                 \
    X(SK_UNSUPPORTED, 415, 12, false, "content type or encoding is not one of those named")        \
    X(SK_UNPROCESSABLE, 422, 3, false, "understood, but it cannot be run as asked")                \
    X(SK_THROTTLED, 429, 8, true, "a quota is used up; Retry-After is set")                        \
    X(SK_CANCELLED, 499, 1, false, "the asker went away")                                          \
    X(SK_INTERNAL, 500, 13, false, "a bug of ours")                                                \
    X(SK_CORRUPT, 500, 15, false, "a stored checksum failed; the piece is set aside and named")    \
    X(SK_UNIMPLEMENTED, 501, 12, false, "a method or encoding that is not served")                 \
    X(SK_NO_MEMORY, 503, 14, true, "the memory bound is reached; Retry-After is set")              \
    X(SK_BUSY, 503, 14, true, "a bounded queue is full; Retry-After is set")                       \
    X(SK_IO, 503, 14, true, "the disk refused; nothing was accepted")                              \
    X(SK_CLOSING, 503, 14, true, "the server is shutting down; Retry-After is set")                \
    X(SK_TIMEOUT, 504, 4, true, "it took longer than its limit")

typedef enum sk_code {
#define X(code, http, grpc, retry, text) code,
    SK_CODES(X)
#undef X
        SK_CODE_COUNT
} sk_code;

typedef struct err {
    sk_code code;
    uint32_t retry_after_s; /* 0 = the table's default where retry is true: 1 s */
    size_t offset;          /* byte of the input, 0 when it does not apply */
    char text[320]; /* one sentence, NUL-terminated, valid UTF-8; empty when code is SK_OK */
} err;

/* Fills *ret_err (may be NULL) and returns `code`, so that `return err_set(e, SK_X, "…")` reads in one line.
 * Bytes of a sender that are not valid UTF-8 come out as '?'. The first error wins only if the caller says so. */
sk_code err_set(err *ret_err, sk_code code, const char *format, ...) format_like(3, 4);
/* Puts "context: " before the sentence that is there. */
void err_prefix(err *e, const char *format, ...) format_like(2, 3);

int sk_http_status(sk_code code);
int sk_grpc_status(sk_code code);
bool sk_may_retry(sk_code code);
const char *sk_name(sk_code code); /* "bad_input", for counters and JSON */

#endif
