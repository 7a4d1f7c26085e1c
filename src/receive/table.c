/*
 * receive/table.c: one row per ingest protocol. A new protocol is one file with its decode
 * function, one row here, golden inputs in tests/data/<name>/, a fuzz target and its part of a
 * docs/ingest page; tests/unit/receive_table.c fails a row that lacks one of them.
 */
#include "receive/otlp_private.h"
#include "receive/reply_private.h"

#define OTLP_FORMS     (1u << FORM_PROTOBUF | 1u << FORM_JSON)
#define OTLP_GRPC(sig) "/opentelemetry.proto.collector." sig "Service/Export"

static void reply_spans(const receive_output *done, receive_form form, buf *out)
{
    otlp_reply(done, form, "rejectedSpans", out);
}

static void reply_log_records(const receive_output *done, receive_form form, buf *out)
{
    otlp_reply(done, form, "rejectedLogRecords", out);
}

static void reply_data_points(const receive_output *done, receive_form form, buf *out)
{
    otlp_reply(done, form, "rejectedDataPoints", out);
}

/* clang-format off */
const receive_row receive_table[] = {
    {"otlp-traces",  "/v1/traces",  OTLP_GRPC("trace.v1.Trace"),     FAMILY_TRACE,  OTLP_FORMS, "rejectedSpans",      otlp_traces_decode,  reply_spans},
    {"otlp-logs",    "/v1/logs",    OTLP_GRPC("logs.v1.Logs"),       FAMILY_LOG,    OTLP_FORMS, "rejectedLogRecords", otlp_logs_decode,    reply_log_records},
    {"otlp-metrics", "/v1/metrics", OTLP_GRPC("metrics.v1.Metrics"), FAMILY_METRIC, OTLP_FORMS, "rejectedDataPoints", otlp_metrics_decode, reply_data_points},
};
/* clang-format on */
const size_t receive_table_count = COUNT_OF(receive_table);

const receive_row *receive_by_path(span path)
{
    for (size_t i = 0; i < receive_table_count; i++)
        if (span_is(path, receive_table[i].http_path))
            return &receive_table[i];
    return NULL;
}

const receive_row *receive_by_grpc(span method)
{
    for (size_t i = 0; i < receive_table_count; i++)
        if (receive_table[i].grpc_method && span_is(method, receive_table[i].grpc_method))
            return &receive_table[i];
    return NULL;
}
