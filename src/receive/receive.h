/*
 * receive/receive.h: one row per ingest protocol: a request body in, a batch or an error out. Pure:
 * no socket, disk, clock or global. `serve` finds the row by path or gRPC method and hands over the
 * inflated body.
 */
#ifndef RECEIVE_RECEIVE_H
#define RECEIVE_RECEIVE_H

#include "base/buf.h"
#include "base/err.h"
#include "event/batch.h"

typedef enum receive_form {
    FORM_PROTOBUF,
    FORM_JSON,
    FORM_COUNT
} receive_form; /* msgpack … with their protocols */

typedef struct receive_input {
    span body; /* inflated */
    receive_form form;
    span dataset_header; /* x-honeycomb-dataset, trimmed; empty when none */
    int64_t arrival_ns;  /* for items without a time of their own */
    size_t batch_cap_bytes;
} receive_input;

/* Items dropped one by one, by reason: for partial success, counters and doctor. */
#define RECEIVE_REASONS_MAX 8
typedef struct receive_drop {
    sk_code code;
    uint32_t count;
    char text[192]; /* of the first: which item (its index path), which field, what to do */
} receive_drop;

typedef struct receive_output {
    batch *batch;        /* frozen; row_count may be 0. Caller's to free */
    uint64_t item_count; /* spans, log records or data points in the request */
    uint64_t rejected;   /* of them */
    uint32_t drop_count;
    receive_drop drops[RECEIVE_REASONS_MAX];
} receive_output;

typedef struct receive_row {
    const char *name;      /* "otlp-traces": golden inputs in tests/data/<name>/, fuzz target,
                              docs/ingest page */
    const char *http_path; /* "/v1/traces" */
    const char
        *grpc_method; /* "/opentelemetry.proto.collector.trace.v1.TraceService/Export", or NULL */
    family family;
    uint32_t forms;                /* bit per receive_form */
    const char *rejected_json_key; /* "rejectedSpans" */
    /* SK_BAD_INPUT when the body as a whole cannot be decoded (offset, field path), SK_TOO_LARGE /
     * SK_NO_MEMORY. */
    sk_code (*decode)(const receive_input *in, receive_output *ret, err *e);
    /* The success reply's body in `form`: an empty response, or partial success saying what was
     * rejected and why (at most 4 KiB of text). */
    void (*reply)(const receive_output *done, receive_form form, buf *out);
} receive_row;

extern const receive_row receive_table[];
extern const size_t receive_table_count;
const receive_row *receive_by_path(span path);
const receive_row *receive_by_grpc(span method);

/* google.rpc.Status in the request's form: {code, message, details}: BadRequest for bad input,
 * RetryInfo where retry is allowed (details are protobuf Any in both HTTP protobuf and
 * grpc-status-details-bin). Source: otlp.md §3, §4. */
void receive_error_body(const err *e, receive_form form, buf *out);

#endif
