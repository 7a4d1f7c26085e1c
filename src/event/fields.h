/*
 * event/fields.h: field names that the code itself knows. Sources: reference honeycomb.md §2 (mapping),
 * otlp.md §10 (semantic conventions).
 */
#ifndef EVENT_FIELDS_H
#define EVENT_FIELDS_H

#include "base/span.h"
#include "event/types.h"

/* Id fields. They live in a batch's and a segment's id columns, not among the named columns; queries see them as
 * strings. A sender's own text that is not an id's text form (event/types.h) is an ordinary string column of that name. */
#define F_TRACE_ID              "trace.trace_id"
#define F_SPAN_ID               "trace.span_id"
#define F_PARENT_ID             "trace.parent_id" /* the parent span; of annotations and logs: theirs */

#define F_NAME                  "name"
#define F_PARENT_NAME           "parent_name"
#define F_SERVICE_NAME          "service.name"
#define F_DURATION_MS           "duration_ms" /* float */
#define F_SPAN_KIND             "span.kind"
#define F_TYPE                  "type"
#define F_STATUS_CODE           "status_code" /* int 0, 1, 2 */
#define F_STATUS_MESSAGE        "status_message"
#define F_ERROR                 "error" /* bool true or absent */
#define F_NUM_EVENTS            "span.num_events"
#define F_NUM_LINKS             "span.num_links"
#define F_TRACE_STATE           "trace.trace_state"
#define F_LINK_TRACE_ID         "trace.link.trace_id" /* ordinary string columns */
#define F_LINK_SPAN_ID          "trace.link.span_id"
#define F_SIGNAL_TYPE           "meta.signal_type"     /* trace, log, metric */
#define F_ANNOTATION_TYPE       "meta.annotation_type" /* span_event, link */
#define F_SINCE_START_MS        "meta.time_since_span_start_ms"
#define F_INVALID_SINCE         "meta.invalid_time_since_span_start"
#define F_INVALID_DURATION      "meta.invalid_duration"
#define F_ORIGINAL_TIME         "meta.original_time" /* RFC 3339 text */
#define F_TRUNCATED             "meta.truncated_fields" /* int: how many strings were cut at EVENT_STRING_MAX */
#define F_LIBRARY_NAME          "library.name"
#define F_LIBRARY_VERSION       "library.version"
#define F_INSTRUMENTATION       "telemetry.instrumentation_library"
#define F_RESOURCE_SCHEMA       "resource.schema_url"
#define F_SCOPE_SCHEMA          "scope.schema_url"
#define F_SELF_MS               "meta.self_ms" /* derived: never stored (query/plan.h) */
#define F_GAP_MS                "meta.gap_ms"
#define F_DEPTH                 "meta.depth"
#define F_ROOT_NAME             "meta.root_name"
#define F_SERVICE_INSTANCE      "service.instance.id"
#define F_SEVERITY              "severity"
#define F_SEVERITY_CODE         "severity_code"
#define F_SEVERITY_TEXT         "severity_text"
#define F_FLAGS                 "flags"
#define F_BODY                  "body"
#define F_EVENT_NAME            "event.name"
#define F_METRIC_NAME           "metric.name"
#define F_METRIC_KIND           "metric.kind" /* gauge, sum, histogram, exponential_histogram, summary */
#define F_METRIC_UNIT           "metric.unit"
#define F_METRIC_TEMPORALITY    "metric.temporality" /* delta, cumulative; absent when unspecified */
#define F_METRIC_MONOTONIC      "metric.monotonic"
#define F_METRIC_VALUE          "metric.value" /* int, float or histogram */
#define F_METRIC_START          "metric.start_time"

#define DATASET_UNKNOWN_SERVICE "unknown_service"
#define DATASET_UNKNOWN_LOGS    "unknown_log_source"
#define DATASET_METRICS         "metrics"

/* `semconv.X` reads the first of new and old names that exists on the row. Returns the candidates for X (the new name
 * first), or 0 when X is not in the table. */
size_t semconv_names(span new_name, const char *const **ret_names);
/* Walks the table, for docs and completion: false past the end. */
bool semconv_row(size_t index, const char *ret_new_name[1]);

#endif
