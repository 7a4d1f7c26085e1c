/*
 * cli/trace_file.h: traces that stand in a file: OTLP JSON (one document, or one a line as the collector's file exporter
 * writes), or what `skep trace ID --json` printed. No server is asked.
 */
#ifndef CLI_TRACE_FILE_H
#define CLI_TRACE_FILE_H

#include "base/arena.h"
#include "base/err.h"

/* Calls `each` with every trace, in order of appearance, as the JSON of GET /skep/v1/traces/{id}; ends when it returns not
 * 0. SK_BAD_INPUT: no such text, or no span in it. */
sk_code trace_file_each(span text, arena *mem, int (*each)(void *ctx, span trace_json), void *ctx,
                        err *e) must_use;

#endif
