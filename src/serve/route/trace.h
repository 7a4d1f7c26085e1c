/* serve/route/trace.h: one trace by its id: GET /skep/v1/traces/{trace_id}, whole, as a skeleton, or one span of it. */
#ifndef SERVE_ROUTE_TRACE_H
#define SERVE_ROUTE_TRACE_H

#include "engine/engine.h"
#include "serve/http.h"

void route_trace(exchange *take_x);

/* What a waterfall draws, one array per column (docs/openapi.yaml, TraceColumns): some 30 bytes a span where the whole
 * has some hundreds. SK_NO_MEMORY only. */
sk_code trace_columns_print(const trace_result *t, arena *mem, buf *out, err *e) must_use;

/* {"found": [places among the spans]}: of those that hold every word of the text, whatever the case of ASCII letters.
 * SK_BAD_INPUT for a text without words or with too many. */
sk_code trace_find_print(const trace_result *t, span text, arena *mem, buf *out, err *e) must_use;

#endif
