/*
 * serve/route/grpc_health.c: see grpc_health.h. An inline row: answers from memory, also while all workers are busy.
 * Called by its row of the route table. Never: says SERVING while draining.
 * Source: grpc/grpc doc/health-checking.md: {1 service} → {1 status: 1 SERVING, 2 NOT_SERVING}, NOT_FOUND for others.
 */
#include "serve/route/grpc_health.h"

#include "base/reader.h"
#include "serve/serve.h"
#include "wire/protobuf.h"

#define SERVING     1u
#define NOT_SERVING 2u

/* The whole server, or one of OTLP's services. */
static bool is_known(span service)
{
    return service.len == 0 || span_starts_with(service, SPAN("opentelemetry.proto.collector."));
}

void route_grpc_health(exchange *take_x)
{
    err e = {0};
    span body, service = SPAN("");
    sk_code code = exchange_body(take_x, &body, &e);
    reader r = reader_of(body);
    for (uint32_t tag; !code && (tag = pb_tag(&r));) {
        if (tag == PB(1, LEN))
            service = pb_bytes(&r);
        else
            pb_skip(&r, tag);
    }
    if (!code && r.failed)
        code = err_set(&e, SK_BAD_INPUT, "HealthCheckRequest is not valid protobuf");
    if (!code && !is_known(service))
        code = err_set(&e, SK_NOT_FOUND, "no service \"%.*s\" here",
                       SPAN_FMT(span_first(service, 80)));
    if (code) {
        exchange_fail(take_x, &e);
        return;
    }
    buf out;
    buf_init(&out, 64);
    pb_put_var(&out, 1, serve_is_ready(exchange_services(take_x)->server) ? SERVING : NOT_SERVING);
    exchange_reply_buf(take_x, 200, NULL, &out);
}
