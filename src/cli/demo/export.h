/*
 * cli/demo/export.h: the shop's spans, log lines and metrics as OTLP requests (otlp.md §1), one resource per pod and version.
 */
#ifndef CLI_DEMO_EXPORT_H
#define CLI_DEMO_EXPORT_H

#include "base/buf.h"
#include "cli/demo/visit.h"

/* ExportTraceServiceRequest of the steps; nothing is appended when there are none. */
void export_traces(const step *const *steps, uint32_t count, buf *out);
/* ExportLogsServiceRequest of the lines among them; returns how many. */
uint32_t export_logs(const step *const *steps, uint32_t count, buf *out);
/* ExportMetricsServiceRequest: what every pod measures of itself at `time_ns`. */
void export_metrics(dice *d, const fault *f, int64_t time_ns, int64_t orders, buf *out);

#endif
