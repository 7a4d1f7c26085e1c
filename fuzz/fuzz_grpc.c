/*
 * fuzz/fuzz_grpc.c: gRPC's own bytes: message frames, timeouts, percent-encoding and base64, request targets and listener
 * addresses. Holds: a message lies in the body and its announced length agrees; what is encoded is printable.
 */
#include "fuzz.h"

#include "base/arena.h"
#include "base/must.h"
#include "serve/grpc.h"
#include "serve/listen.h"
#include "serve/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    span in = {data, size}, message;
    bool compressed;
    uint64_t len;
    int64_t ns;
    err e = {0};
    if (grpc_message(in, &compressed, &message, &e) == SK_OK) {
        must(message.at == data + GRPC_PREFIX_BYTES && message.len == size - GRPC_PREFIX_BYTES);
        must(grpc_peek(in, &compressed, &len) && len == message.len);
    }
    if (grpc_timeout(in, &ns))
        must(ns >= 0);
    (void)grpc_is_content_type(in);
    buf out;
    buf_init(&out, 5 * size + 16); /* three for each byte, then four for each three */
    grpc_add_message(&out, in);
    grpc_add_base64(&out, in);
    must(!out.failed);
    for (size_t i = 0; i < out.len; i++)
        must(out.at[i] >= 0x20 && out.at[i] <= 0x7e);
    buf_done(&out);
    arena *mem = arena_new(4 * size + 64 * KIB);
    must(mem != NULL);
    url u;
    if (url_parse(in, mem, &u, &e) == SK_OK)
        must(u.segment_count <= ROUTE_SEGMENTS_MAX && u.query_count <= URL_QUERY_MAX);
    listen_spec spec;
    if (listen_parse(in, &spec, &e) == SK_OK)
        must(strlen(spec.host) < sizeof spec.host && strlen(spec.port) > 0);
    arena_free(mem);
    return 0;
}
