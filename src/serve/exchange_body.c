/*
 * serve/exchange_body.c: the body as routes want it: unframed and inflated, with its memory
 * accounted. Called by handlers on workers. Never: lets a compressed body take more than was
 * reserved for it.
 */
#include "serve/exchange_private.h"

#include "base/must.h"
#include "serve/grpc.h"

#define INFLATE_RATIO                                                                              \
    8u /* the first guess: OTLP shrinks 5 to 12 times; a wrong guess costs one more run */

/* Inflates with growing caps, each reserved before it is used, so that a bomb stops at what memory
 * there is. */
static sk_code inflate_reserved(exchange *x, span from, err *e)
{
    size_t most = x->core->options.limits.body_bytes_max;
    size_t cap = from.len > most / INFLATE_RATIO ? most : from.len * INFLATE_RATIO;
    if (cap < 64 * KIB)
        cap = 64 * KIB < most ? 64 * KIB : most;
    size_t held = 0;
    for (;;) {
        if (!exchange__reserve(x, cap - held))
            return err_set(e, SK_NO_MEMORY,
                           "the server's memory bound is reached; send it again in a moment");
        held = cap;
        buf_clear(&x->inflated);
        x->inflated.max_bytes = cap;
        sk_code code = body_inflate(x->encoding, from, &x->inflated, e);
        if (code == SK_TOO_LARGE && cap < most) {
            cap = cap > most / 4 ? most : cap * 4;
            continue;
        }
        if (code == SK_TOO_LARGE)
            err_set(e, SK_TOO_LARGE,
                    "the request body is over %zu bytes once decompressed: send smaller batches",
                    most);
        return code;
    }
}

static sk_code make_message(exchange *x, err *e)
{
    span from = buf_span(&x->body);
    bool compressed = x->encoding != BODY_IDENTITY;
    if (x->is_grpc) {
        bool flag;
        sk_code code = grpc_message(from, &flag, &from, e);
        if (code)
            return code;
        if (flag && !compressed)
            return err_set(
                e, SK_BAD_INPUT,
                "the gRPC message is marked as compressed but grpc-encoding names no encoding");
        compressed = flag;
    }
    if (!compressed) {
        x->message = from;
        return SK_OK;
    }
    if (from.len == 0) { /* some clients name an encoding and send nothing */
        x->message = SPAN("");
        return SK_OK;
    }
    sk_code code = inflate_reserved(x, from, e);
    if (code)
        return code;
    buf_done(&x->body);
    /* Keep reserved what the inflated body really holds. */
    size_t held = x->inflated.capacity;
    if (x->reserved_bytes > held)
        exchange__unreserve(x, x->reserved_bytes - held);
    x->message = buf_span(&x->inflated);
    return SK_OK;
}

sk_code exchange_body(exchange *x, span *ret, err *e)
{
    must(x->is_dispatched);
    if (!x->has_message) {
        sk_code code = make_message(x, e);
        if (code)
            return code;
        x->has_message = true;
    }
    *ret = x->message;
    return SK_OK;
}

bool exchange_reserve(exchange *x, size_t bytes)
{
    return exchange__reserve(x, bytes);
}
