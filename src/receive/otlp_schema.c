/*
 * receive/otlp_schema.c: the OTLP messages as data, read by otlp_json.c. Fields that the mapping
 * does not use are left out: their keys are ignored like any unknown key. Source:
 * opentelemetry-proto (otlp.md §1), field by field.
 */
#include "receive/otlp_private.h"
#include "receive/otlp_schema_private.h"

#define ONE(name, number, type)                                                                    \
    {                                                                                              \
        name, number, JSON_TYPE_##type, false, NULL, NULL                                          \
    }
#define MANY(name, number, type)                                                                   \
    {                                                                                              \
        name, number, JSON_TYPE_##type, true, NULL, NULL                                           \
    }
#define ENUM(name, number, names)                                                                  \
    {                                                                                              \
        name, number, JSON_TYPE_ENUM, false, NULL, names                                           \
    }
#define MESSAGE(name, number, of)                                                                  \
    {                                                                                              \
        name, number, JSON_TYPE_MESSAGE, false, &(of), NULL                                        \
    }
#define MESSAGES(name, number, of)                                                                 \
    {                                                                                              \
        name, number, JSON_TYPE_MESSAGE, true, &(of), NULL                                         \
    }
#define DEFINE(message, fields, item_flag)                                                         \
    static const json_message message = {fields, COUNT_OF(fields), item_flag}

/* ---- common ---- */

static const json_message key_value;

static const json_field array_fields[] = {MESSAGES("values", 1, json_any_value)};
DEFINE(array_value, array_fields, false);
static const json_field kvlist_fields[] = {MESSAGES("values", 1, key_value)};
DEFINE(kvlist_value, kvlist_fields, false);
static const json_field any_fields[] = {
    ONE("stringValue", 1, STRING),
    ONE("intValue", 3, INT64),
    ONE("boolValue", 2, BOOL),
    ONE("doubleValue", 4, DOUBLE),
    MESSAGE("arrayValue", 5, array_value),
    MESSAGE("kvlistValue", 6, kvlist_value),
    ONE("bytesValue", 7, BYTES),
};
const json_message json_any_value = {any_fields, COUNT_OF(any_fields), false};
static const json_field key_value_fields[] = {ONE("key", 1, STRING),
                                              MESSAGE("value", 2, json_any_value)};
DEFINE(key_value, key_value_fields, false);

static const json_field resource_fields[] = {MESSAGES("attributes", 1, key_value)};
DEFINE(resource, resource_fields, false);
static const json_field scope_fields[] = {ONE("name", 1, STRING), ONE("version", 2, STRING),
                                          MESSAGES("attributes", 3, key_value)};
DEFINE(scope, scope_fields, false);

/* ---- traces ---- */

static const char *const span_kinds[] = {"SPAN_KIND_UNSPECIFIED",
                                         "SPAN_KIND_INTERNAL",
                                         "SPAN_KIND_SERVER",
                                         "SPAN_KIND_CLIENT",
                                         "SPAN_KIND_PRODUCER",
                                         "SPAN_KIND_CONSUMER",
                                         NULL};
static const char *const status_codes[] = {"STATUS_CODE_UNSET", "STATUS_CODE_OK",
                                           "STATUS_CODE_ERROR", NULL};

static const json_field status_fields[] = {ONE("message", 2, STRING),
                                           ENUM("code", 3, status_codes)};
DEFINE(status, status_fields, false);
static const json_field event_fields[] = {ONE("timeUnixNano", 1, FIXED64), ONE("name", 2, STRING),
                                          MESSAGES("attributes", 3, key_value)};
DEFINE(span_event, event_fields, false);
static const json_field link_fields[] = {ONE("traceId", 1, ID), ONE("spanId", 2, ID),
                                         MESSAGES("attributes", 4, key_value)};
DEFINE(span_link, link_fields, false);
static const json_field span_fields[] = {
    ONE("traceId", 1, ID),
    ONE("spanId", 2, ID),
    ONE("traceState", 3, STRING),
    ONE("parentSpanId", 4, ID),
    ONE("name", 5, STRING),
    ENUM("kind", 6, span_kinds),
    ONE("startTimeUnixNano", 7, FIXED64),
    ONE("endTimeUnixNano", 8, FIXED64),
    MESSAGES("attributes", 9, key_value),
    MESSAGES("events", 11, span_event),
    MESSAGES("links", 13, span_link),
    MESSAGE("status", 15, status),
};
DEFINE(one_span, span_fields, true);
static const json_field scope_spans_fields[] = {
    MESSAGE("scope", 1, scope), MESSAGES("spans", 2, one_span), ONE("schemaUrl", 3, STRING)};
DEFINE(scope_spans, scope_spans_fields, false);
static const json_field resource_spans_fields[] = {MESSAGE("resource", 1, resource),
                                                   MESSAGES("scopeSpans", 2, scope_spans),
                                                   ONE("schemaUrl", 3, STRING)};
DEFINE(resource_spans, resource_spans_fields, false);
static const json_field traces_fields[] = {MESSAGES("resourceSpans", 1, resource_spans)};
const json_message json_traces_request = {traces_fields, COUNT_OF(traces_fields), false};

/* ---- logs ---- */

#define FOUR(name)                                                                                 \
    "SEVERITY_NUMBER_" name, "SEVERITY_NUMBER_" name "2", "SEVERITY_NUMBER_" name "3",             \
        "SEVERITY_NUMBER_" name "4"
static const char *const severities[] = {"SEVERITY_NUMBER_UNSPECIFIED",
                                         FOUR("TRACE"),
                                         FOUR("DEBUG"),
                                         FOUR("INFO"),
                                         FOUR("WARN"),
                                         FOUR("ERROR"),
                                         FOUR("FATAL"),
                                         NULL};

static const json_field log_record_fields[] = {
    ONE("timeUnixNano", 1, FIXED64),
    ENUM("severityNumber", 2, severities),
    ONE("severityText", 3, STRING),
    MESSAGE("body", 5, json_any_value),
    MESSAGES("attributes", 6, key_value),
    ONE("flags", 8, FIXED32),
    ONE("traceId", 9, ID),
    ONE("spanId", 10, ID),
    ONE("observedTimeUnixNano", 11, FIXED64),
    ONE("eventName", 12, STRING),
};
DEFINE(log_record, log_record_fields, true);
static const json_field scope_logs_fields[] = {
    MESSAGE("scope", 1, scope), MESSAGES("logRecords", 2, log_record), ONE("schemaUrl", 3, STRING)};
DEFINE(scope_logs, scope_logs_fields, false);
static const json_field resource_logs_fields[] = {MESSAGE("resource", 1, resource),
                                                  MESSAGES("scopeLogs", 2, scope_logs),
                                                  ONE("schemaUrl", 3, STRING)};
DEFINE(resource_logs, resource_logs_fields, false);
static const json_field logs_fields[] = {MESSAGES("resourceLogs", 1, resource_logs)};
const json_message json_logs_request = {logs_fields, COUNT_OF(logs_fields), false};

/* ---- metrics ---- */

static const char *const temporalities[] = {"AGGREGATION_TEMPORALITY_UNSPECIFIED",
                                            "AGGREGATION_TEMPORALITY_DELTA",
                                            "AGGREGATION_TEMPORALITY_CUMULATIVE", NULL};

static const json_field exemplar_fields[] = {ONE("timeUnixNano", 2, FIXED64),
                                             ONE("asDouble", 3, DOUBLE),
                                             ONE("spanId", 4, ID),
                                             ONE("traceId", 5, ID),
                                             ONE("asInt", 6, SFIXED64),
                                             MESSAGES("filteredAttributes", 7, key_value)};
DEFINE(exemplar, exemplar_fields, false);
static const json_field number_fields[] = {
    ONE("startTimeUnixNano", 2, FIXED64),
    ONE("timeUnixNano", 3, FIXED64),
    ONE("asDouble", 4, DOUBLE),
    MESSAGES("exemplars", 5, exemplar),
    ONE("asInt", 6, SFIXED64),
    MESSAGES("attributes", 7, key_value),
    ONE("flags", 8, UINT32),
};
DEFINE(number_point, number_fields, true);
static const json_field histogram_fields[] = {
    ONE("startTimeUnixNano", 2, FIXED64),
    ONE("timeUnixNano", 3, FIXED64),
    ONE("count", 4, FIXED64),
    ONE("sum", 5, DOUBLE),
    MANY("bucketCounts", 6, FIXED64),
    MANY("explicitBounds", 7, DOUBLE),
    MESSAGES("exemplars", 8, exemplar),
    MESSAGES("attributes", 9, key_value),
    ONE("flags", 10, UINT32),
    ONE("min", 11, DOUBLE),
    ONE("max", 12, DOUBLE),
};
DEFINE(histogram_point, histogram_fields, true);
static const json_field bucket_fields[] = {ONE("offset", 1, SINT32),
                                           MANY("bucketCounts", 2, UINT64)};
DEFINE(buckets, bucket_fields, false);
static const json_field exponential_fields[] = {
    MESSAGES("attributes", 1, key_value),
    ONE("startTimeUnixNano", 2, FIXED64),
    ONE("timeUnixNano", 3, FIXED64),
    ONE("count", 4, FIXED64),
    ONE("sum", 5, DOUBLE),
    ONE("scale", 6, SINT32),
    ONE("zeroCount", 7, FIXED64),
    MESSAGE("positive", 8, buckets),
    MESSAGE("negative", 9, buckets),
    ONE("flags", 10, UINT32),
    MESSAGES("exemplars", 11, exemplar),
    ONE("min", 12, DOUBLE),
    ONE("max", 13, DOUBLE),
    ONE("zeroThreshold", 14, DOUBLE),
};
DEFINE(exponential_point, exponential_fields, true);
static const json_field quantile_fields[] = {ONE("quantile", 1, DOUBLE), ONE("value", 2, DOUBLE)};
DEFINE(quantile, quantile_fields, false);
static const json_field summary_fields[] = {
    ONE("startTimeUnixNano", 2, FIXED64),
    ONE("timeUnixNano", 3, FIXED64),
    ONE("count", 4, FIXED64),
    ONE("sum", 5, DOUBLE),
    MESSAGES("quantileValues", 6, quantile),
    MESSAGES("attributes", 7, key_value),
    ONE("flags", 8, UINT32),
};
DEFINE(summary_point, summary_fields, true);

static const json_field gauge_of[] = {MESSAGES("dataPoints", 1, number_point)};
DEFINE(gauge, gauge_of, false);
static const json_field sum_of[] = {MESSAGES("dataPoints", 1, number_point),
                                    ENUM("aggregationTemporality", 2, temporalities),
                                    ONE("isMonotonic", 3, BOOL)};
DEFINE(sum, sum_of, false);
static const json_field histogram_of[] = {MESSAGES("dataPoints", 1, histogram_point),
                                          ENUM("aggregationTemporality", 2, temporalities)};
DEFINE(histogram_data, histogram_of, false);
static const json_field exponential_of[] = {MESSAGES("dataPoints", 1, exponential_point),
                                            ENUM("aggregationTemporality", 2, temporalities)};
DEFINE(exponential_data, exponential_of, false);
static const json_field summary_of[] = {MESSAGES("dataPoints", 1, summary_point)};
DEFINE(summary_data, summary_of, false);
static const json_field metric_fields[] = {
    ONE("name", 1, STRING),
    ONE("unit", 3, STRING),
    MESSAGE("gauge", 5, gauge),
    MESSAGE("sum", 7, sum),
    MESSAGE("histogram", 9, histogram_data),
    MESSAGE("exponentialHistogram", 10, exponential_data),
    MESSAGE("summary", 11, summary_data),
};
DEFINE(metric, metric_fields, false);
static const json_field scope_metrics_fields[] = {
    MESSAGE("scope", 1, scope), MESSAGES("metrics", 2, metric), ONE("schemaUrl", 3, STRING)};
DEFINE(scope_metrics, scope_metrics_fields, false);
static const json_field resource_metrics_fields[] = {MESSAGE("resource", 1, resource),
                                                     MESSAGES("scopeMetrics", 2, scope_metrics),
                                                     ONE("schemaUrl", 3, STRING)};
DEFINE(resource_metrics, resource_metrics_fields, false);
static const json_field metrics_fields[] = {MESSAGES("resourceMetrics", 1, resource_metrics)};
const json_message json_metrics_request = {metrics_fields, COUNT_OF(metrics_fields), false};
