/*
 * event/types.h: the words of the data model (DESIGN §1): families, field types, ids, limits.
 */
#ifndef EVENT_TYPES_H
#define EVENT_TYPES_H

#include "base/port.h"
#include "base/span.h"

typedef enum family {
    FAMILY_TRACE,  /* spans, span events, links; Honeycomb events with trace and span ids */
    FAMILY_LOG,    /* all else */
    FAMILY_METRIC, /* one event per data point */
    FAMILY_COUNT
} family;

/* Stored in journals and segments: never renumber. */
typedef enum field_type {
    FIELD_STRING = 0,
    FIELD_INT = 1,   /* i64 */
    FIELD_FLOAT = 2, /* f64, finite or not as sent */
    FIELD_BOOL = 3,
    FIELD_HISTOGRAM = 4, /* event/histogram.h, as bytes in the dictionary */
    FIELD_TYPE_COUNT
} field_type;

const char *family_name(family f);         /* "trace" */
const char *field_type_name(field_type t); /* "string", "int", "float", "bool", "histogram" */

/* Big endian halves of the 16 bytes; both 0 = absent. 64-bit ids have hi == 0. */
typedef struct trace_id {
    uint64_t hi, lo;
} trace_id;

static inline bool trace_id_is_set(trace_id id)
{
    return (id.hi | id.lo) != 0;
}

static inline bool trace_id_equal(trace_id a, trace_id b)
{
    return a.hi == b.hi && a.lo == b.lo;
}

/* Text forms as Honeycomb shows them: lower hex; 16 digits when the high half is zero, else 32. Returns the length. */
size_t trace_id_print(trace_id id, char out[33]);
size_t span_id_print(uint64_t id, char out[17]);
/* The id whose text form is exactly `s` (lower case, 16 or 32 digits, not zero; 32 digits with a zero high half are
 * not a text form of ours). `any_case` also takes capitals and a 32-digit form with zero high half, as askers type. */
bool trace_id_parse(span s, bool any_case, trace_id *ret);
bool span_id_parse(span s, bool any_case, uint64_t *ret);

/* DESIGN §3 "Limits"; each is named in the refusal. */
#define EVENT_FIELDS_MAX     2000u /* per event */
#define EVENT_STRING_MAX     65535u /* bytes; longer strings are cut between characters and counted */
#define EVENT_FIELD_NAME_MAX 1024u /* bytes; longer names refuse the item */
#define SEGMENT_FIELDS_MAX   10000u
/* Further ahead the receive time is used, the original kept in meta.original_time. */
#define FUTURE_SLACK_NS (3600 * NS_PER_S)
/* Rows further from their arrival go to late segments of their own day. */
#define LATE_SLACK_NS (3600 * NS_PER_S)

#endif
