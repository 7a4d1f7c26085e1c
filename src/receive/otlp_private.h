/*
 * receive/otlp_private.h: what the files of the OTLP receiver share: the state of one request's
 * decoding, attribute lists, and the columns that the mapping makes. One decoder reads protobuf;
 * JSON requests are first turned into protobuf bytes (otlp_json.c). Sources: reference otlp.md §1,
 * honeycomb.md §2; docs/ingest/otlp.md for users.
 */
#ifndef RECEIVE_OTLP_PRIVATE_H
#define RECEIVE_OTLP_PRIVATE_H

#include "base/arena.h"
#include "base/buf.h"
#include "event/batch.h"
#include "event/fields.h"
#include "receive/receive.h"
#include "wire/protobuf.h"

#define OTLP_NEST_MAX 32u /* AnyValue within AnyValue; deeper refuses the item */
#define OTLP_FLATTEN_MAX                                                                           \
    5u /* kvlist levels that become dotted names; deeper is JSON text (honeycomb.md §2.3) */
/* Field number by which otlp_json.c hands over an item it could not read; 19000–19999 is kept free
 * by protobuf. */
#define OTLP_REFUSED_FIELD 19000

/* ---- reasons to refuse an item, or to say something about it: at most RECEIVE_REASONS_MAX per
 * signal ---- */
typedef enum otlp_reason {
    REASON_NONE,
    REASON_TRACE_ID,
    REASON_SPAN_ID,
    REASON_FIELDS,
    REASON_NAME,
    REASON_DEPTH,
    REASON_MISTYPED,
    REASON_HISTOGRAM,
    REASON_CONTEXT, /* a warning: kept, but a resource, scope or id of it was not */
    REASON_COUNT
} otlp_reason;

/* ---- attributes ---- */
typedef enum otlp_kind {
    VALUE_NONE,
    VALUE_STRING,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_DOUBLE,
    VALUE_BYTES,
    VALUE_ARRAY,
    VALUE_KVLIST,
} otlp_kind;

typedef struct otlp_value { /* spans point into the request */
    otlp_kind kind;
    union {
        span text; /* string, bytes; the encoded message of arrays and kvlists */
        int64_t i;
        double f;
        bool b;
    };
} otlp_value;

typedef struct otlp_attribute {
    span key;
    otlp_value value;
} otlp_attribute;

typedef struct otlp_list {
    otlp_attribute *at;
    uint32_t count, capacity;
    uint32_t seen;      /* on the wire, also those beyond EVENT_FIELDS_MAX, which are not kept */
    uint32_t fields;    /* that it will make: a kvlist makes one per leaf */
    bool takes_rate;    /* sampleRate and SampleRate are taken out of the list */
    otlp_value rate[2]; /* sampleRate, SampleRate */
    otlp_reason bad;    /* of the first bad attribute, which is not in the list; else REASON_NONE */
    uint32_t bad_index;
} otlp_list;

/* ---- columns made by the mapping: X(constant, field name, type) ---- */
#define OTLP_MAPPED(X)                                                                             \
    X(M_SIGNAL_TYPE, F_SIGNAL_TYPE, FIELD_STRING)                                                  \
    X(M_ANNOTATION_TYPE, F_ANNOTATION_TYPE, FIELD_STRING)                                          \
    X(M_NAME, F_NAME, FIELD_STRING)                                                                \
    X(M_PARENT_NAME, F_PARENT_NAME, FIELD_STRING)                                                  \
    X(M_SPAN_KIND, F_SPAN_KIND, FIELD_STRING)                                                      \
    X(M_TYPE, F_TYPE, FIELD_STRING)                                                                \
    X(M_DURATION_MS, F_DURATION_MS, FIELD_FLOAT)                                                   \
    X(M_STATUS_CODE, F_STATUS_CODE, FIELD_INT)                                                     \
    X(M_STATUS_MESSAGE, F_STATUS_MESSAGE, FIELD_STRING)                                            \
    X(M_ERROR, F_ERROR, FIELD_BOOL)                                                                \
    X(M_NUM_EVENTS, F_NUM_EVENTS, FIELD_INT)                                                       \
    X(M_NUM_LINKS, F_NUM_LINKS, FIELD_INT)                                                         \
    X(M_TRACE_STATE, F_TRACE_STATE, FIELD_STRING)                                                  \
    X(M_LINK_TRACE_ID, F_LINK_TRACE_ID, FIELD_STRING)                                              \
    X(M_LINK_SPAN_ID, F_LINK_SPAN_ID, FIELD_STRING)                                                \
    X(M_SINCE_START_MS, F_SINCE_START_MS, FIELD_FLOAT)                                             \
    X(M_INVALID_SINCE, F_INVALID_SINCE, FIELD_BOOL)                                                \
    X(M_INVALID_DURATION, F_INVALID_DURATION, FIELD_BOOL)                                          \
    X(M_EXCEPTION_TYPE, "exception.type", FIELD_STRING)                                            \
    X(M_EXCEPTION_MESSAGE, "exception.message", FIELD_STRING)                                      \
    X(M_EXCEPTION_STACKTRACE, "exception.stacktrace", FIELD_STRING)                                \
    X(M_EXCEPTION_ESCAPED, "exception.escaped", FIELD_BOOL)                                        \
    X(M_SEVERITY, F_SEVERITY, FIELD_STRING)                                                        \
    X(M_SEVERITY_CODE, F_SEVERITY_CODE, FIELD_INT)                                                 \
    X(M_SEVERITY_TEXT, F_SEVERITY_TEXT, FIELD_STRING)                                              \
    X(M_FLAGS, F_FLAGS, FIELD_INT)                                                                 \
    X(M_EVENT_NAME, F_EVENT_NAME, FIELD_STRING)                                                    \
    X(M_BODY, F_BODY, FIELD_STRING)                                                                \
    X(M_METRIC_NAME, F_METRIC_NAME, FIELD_STRING)                                                  \
    X(M_METRIC_KIND, F_METRIC_KIND, FIELD_STRING)                                                  \
    X(M_METRIC_UNIT, F_METRIC_UNIT, FIELD_STRING)                                                  \
    X(M_METRIC_TEMPORALITY, F_METRIC_TEMPORALITY, FIELD_STRING)                                    \
    X(M_METRIC_MONOTONIC, F_METRIC_MONOTONIC, FIELD_BOOL)                                          \
    X(M_METRIC_START, F_METRIC_START, FIELD_STRING)                                                \
    X(M_METRIC_INT, F_METRIC_VALUE, FIELD_INT)                                                     \
    X(M_METRIC_FLOAT, F_METRIC_VALUE, FIELD_FLOAT)                                                 \
    X(M_METRIC_HISTOGRAM, F_METRIC_VALUE, FIELD_HISTOGRAM)                                         \
    X(M_NO_RECORDED_VALUE, "metric.no_recorded_value", FIELD_BOOL)                                 \
    X(M_INVALID_UTF8, "meta.invalid_utf8", FIELD_BOOL)                                             \
    X(M_TRUNCATED, F_TRUNCATED, FIELD_INT)                                                         \
    X(M_LIBRARY_NAME, F_LIBRARY_NAME, FIELD_STRING)                                                \
    X(M_LIBRARY_VERSION, F_LIBRARY_VERSION, FIELD_STRING)                                          \
    X(M_INSTRUMENTATION, F_INSTRUMENTATION, FIELD_BOOL)                                            \
    X(M_RESOURCE_SCHEMA, F_RESOURCE_SCHEMA, FIELD_STRING)                                          \
    X(M_SCOPE_SCHEMA, F_SCOPE_SCHEMA, FIELD_STRING)

typedef enum otlp_mapped {
#define X(constant, name, type) constant,
    OTLP_MAPPED(X)
#undef X
        M_COUNT
} otlp_mapped;
_Static_assert(M_COUNT <= 64, "one bit each in otlp.hidden");

/* ---- where values go: caches in front of batch_column and batch_string, direct-mapped ---- */
#define OTLP_SLOTS           256u
#define OTLP_TEXTS           512u
#define OTLP_CACHED_TEXT_MAX 64u /* longer texts seldom repeat */
#define OTLP_MISSES_MAX      16u

typedef struct otlp_slot { /* by key and type */
    span key;              /* the column's own name */
    uint32_t column;
    uint16_t type;
    uint16_t next;   /* the slot that was asked for after this one last time */
    uint32_t misses; /* in a row, of the texts: a column of ever new texts passes the cache by */
} otlp_slot;

typedef struct otlp_text { /* a string that was seen and its code */
    span text;
    uint32_t code;
} otlp_text;

typedef enum otlp_level { /* how deep in the request */
                          OTLP_IN_REQUEST,
                          OTLP_IN_RESOURCE,
                          OTLP_IN_SCOPE,
                          OTLP_IN_ITEM,
} otlp_level;

struct otlp;
typedef struct otlp_signal { /* what differs between traces, logs and metrics */
    family family;
    const char *signal_type;                            /* "trace" */
    const char *request_name;                           /* "ExportTraceServiceRequest" */
    const char *resource_path, *scope_path, *item_path; /* "resourceSpans", "scopeSpans", "spans" */
    const struct json_message *json;
    bool has_rate;
    span (*dataset)(struct otlp *o);
    void (*item)(struct otlp *o, span message);
} otlp_signal;

typedef struct otlp {
    const receive_input *in;
    receive_output *out;
    const otlp_signal *signal;
    batch *b;
    arena *scratch;
    span wire; /* the protobuf bytes */

    /* where in the request; data points have a path of their own below the metric */
    uint32_t resource_index, scope_index, item_index, point_index;
    const char *point_path;      /* "sum.dataPoints", or NULL */
    bool failed;                 /* the bytes are not the message they claim to be */
    size_t fail_start, fail_end; /* of the message that cannot be read, in `wire` */
    otlp_level level, fail_level;
    bool text_failed;                     /* memory for o->clean or o->json was short */
    uint8_t drop_of_reason[REASON_COUNT]; /* index in out->drops + 1 */

    otlp_list resource, scope, item, part; /* part: of a span event, link, exemplar */
    span scope_name, scope_version, scope_schema, resource_schema;
    uint64_t hidden; /* mapped columns that resource or scope attributes hide */
    uint32_t dataset_code;

    /* the values being put: points of the newest row, or ranges from the next row on */
    bool is_range;
    bool row_full;
    bool text_invalid;  /* some text of this row or range was not UTF-8 */
    uint32_t truncated; /* texts of this row or range beyond EVENT_STRING_MAX */
    buf clean, json;    /* scratch text */
    uint8_t name[EVENT_FIELD_NAME_MAX + 1];

    uint32_t column[M_COUNT];
    otlp_slot slots[OTLP_SLOTS];
    otlp_text texts[OTLP_TEXTS];
} otlp;

/* otlp_envelope.c */
sk_code otlp_decode(const otlp_signal *signal, const receive_input *in, receive_output *ret,
                    err *e);
/* Notes that the message read by r is garbled: the whole body is refused. */
void otlp_fail(otlp *o, const reader *r);
span otlp_service_name(
    const otlp *o); /* trimmed; empty when missing, blank or an SDK's "unknown_service…" */

/* The rows of receive/table.c. */
sk_code otlp_traces_decode(const receive_input *in, receive_output *ret, err *e);
sk_code otlp_logs_decode(const receive_input *in, receive_output *ret, err *e);
sk_code otlp_metrics_decode(const receive_input *in, receive_output *ret, err *e);

/* otlp_refuse.c */
/* The item at hand is not stored. `format` says which field of it, what is wrong and what to do; it
 * starts right behind the item's path: ".traceId is …". */
void otlp_reject(otlp *o, otlp_reason reason, const char *format, ...) format_like(3, 4);
void otlp_warn(otlp *o, otlp_reason reason, const char *format, ...) format_like(3, 4);
/* Rejects the item when an attribute of the list, which stands at `where` in the item, is bad. */
void otlp_reject_value(otlp *o, otlp_reason bad,
                       const char *where); /* one value of the item is bad */
bool otlp_list_is_bad(otlp *o, const otlp_list *list, const char *where);
/* Writes "resourceSpans[0].scopeSpans[0].spans[3]". */
void otlp_reject_fields(otlp *o); /* after otlp_end_row said so */
/* Says that attributes of a resource or scope are left out, when one is bad. */
void otlp_warn_context(otlp *o, const otlp_list *list, const char *where);
void otlp_path(const otlp *o, otlp_level level, char *out, size_t size);

/* otlp_value.c */
void otlp_list_clear(otlp_list *list, bool takes_rate);
otlp_attribute otlp_read_key_value(otlp *o, span key_value);
/* The KeyValue whose tag was just taken from r, and those that follow it with the same (one-byte)
 * tag. */
void otlp_read_attributes(otlp *o, otlp_list *list, reader *r, uint8_t tag);
otlp_value otlp_read_value(otlp *o, span any_value);
/* Is the value well formed (else o->failed), within OTLP_NEST_MAX, with short enough dotted names
 * below a name of `name_len` bytes? Adds how many fields it will make. REASON_NONE when it may be
 * put. */
otlp_reason otlp_check_value(otlp *o, const otlp_value *v, size_t name_len, uint32_t *fields);
/* The value as JSON text in o->json. Kinds array, kvlist and bytes. */
span otlp_value_json(otlp *o, const otlp_value *v);
const otlp_value *otlp_list_find(const otlp_list *list,
                                 span key); /* the last one of that name, or NULL */

/* otlp_row.c: the newest row's values, or between begin_range and end_range those of all rows from
 * the next one on until the range is closed. Mapped values that a resource or scope attribute hides
 * are not put. Texts live in the request or in static memory. */
/* Time 0 is the time of arrival. False when memory is short. */
bool otlp_begin_row(otlp *o, uint64_t time_ns, uint32_t rate, trace_id trace, uint64_t parent_id);
/* After the last value: false when the row holds too many fields (the caller drops and rejects). */
bool otlp_end_row(otlp *o);
void otlp_begin_range(otlp *o);
void otlp_end_range(otlp *o);
void otlp_clean_utf8(span s, buf *out); /* appends s with U+FFFD for every byte that is not UTF-8 */
uint32_t otlp_string(otlp *o, span s);  /* batch_string of what is left of s as UTF-8 */
void otlp_put_list(otlp *o, const otlp_list *list);
void otlp_put_value(otlp *o, span name, const otlp_value *v);
void otlp_map_text(otlp *o, otlp_mapped m, span text);
void otlp_map_code(otlp *o, otlp_mapped m, uint32_t code);
void otlp_map_int(otlp *o, otlp_mapped m, int64_t v);
void otlp_map_float(otlp *o, otlp_mapped m, double v);
void otlp_map_bool(otlp *o, otlp_mapped m, bool v);
uint64_t otlp_hidden_by(const otlp_list *list); /* mapped columns of the same names */
const char *otlp_mapped_name(otlp_mapped m);

/* otlp_id.c: ids and sample rates */
/* 16 bytes, or 24 that are hex digits once taken for base64; false for anything else and for zero.
 */
bool otlp_trace_id(span bytes, trace_id *ret);
bool otlp_span_id(span bytes, uint64_t *ret); /* 8 bytes, or 12 */
/* DESIGN §4 and honeycomb.md §2.3: the sampleRate attribute of item, scope or resource; else the
 * threshold in `tracestate`; else 1. A fractional threshold is rounded by a hash of `id`, so that a
 * retry gives the same. */
uint32_t otlp_sample_rate(const otlp *o, span tracestate, uint64_t id);

/* base64.c */
/* Standard alphabet with padding; returns the length. `out` holds 4 * ((len + 2) / 3) bytes. */
size_t base64_encode(span bytes, char *out);
/* Standard or URL-safe alphabet, padded or not; false when it is neither. `out` holds 3 * (len / 4)
 * + 2 bytes. */
bool base64_decode(span text, uint8_t *out, size_t *ret_len);

/* otlp_json.c: the request as protobuf bytes appended to `out`. Bytes that are not UTF-8 become
 * U+FFFD: *ret_was_cleaned. */
sk_code otlp_json_to_protobuf(const struct json_message *root, span body, buf *out,
                              bool *ret_was_cleaned, err *e);
/* otlp_schema.c */
extern const struct json_message json_traces_request, json_logs_request, json_metrics_request;

#endif
