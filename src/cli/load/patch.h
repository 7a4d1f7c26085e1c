/*
 * cli/load/patch.h: gives a stored OTLP trace or log request new ids and new times in place, so that it can be sent again and
 * again as new data: every send of the same body would otherwise be a sender's retry.
 */
#ifndef CLI_LOAD_PATCH_H
#define CLI_LOAD_PATCH_H

#include "base/err.h"
#include "base/span.h"

typedef enum patch_kind { PATCH_TIME, PATCH_TRACE_ID, PATCH_SPAN_ID } patch_kind;

typedef struct patch_spot {
    uint32_t offset;
    uint32_t kind; /* patch_kind */
} patch_spot;

typedef struct patch_index {
    patch_spot *spots;
    uint32_t count, capacity;
    uint32_t items; /* spans or log records */
    uint64_t newest_ns;
} patch_index;

typedef enum patch_signal { PATCH_TRACES, PATCH_LOGS } patch_signal;

/* Finds every id and time of a protobuf request. */
sk_code patch_find(patch_signal signal, span body, patch_index *ret, err *e) must_use;
void patch_done(patch_index *p);
/* Writes ids ^ mask and times + shift, from `original` into `out` (the same length). */
void patch_apply(const patch_index *p, const uint8_t *original, uint8_t *out, uint64_t mask,
                 int64_t shift_ns);

#endif
