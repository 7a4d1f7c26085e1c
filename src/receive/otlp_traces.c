/*
 * receive/otlp_traces.c: one OTLP span becomes the rows of its events and links, then its own.
 * Called by otlp_envelope.c for each span, on a decode worker. Never: keeps a pointer into the body
 * after return. A first light pass over the span's bytes takes its scalars and attributes, since
 * the order of fields is the sender's; events and links are read in a second one, after what
 * decides about the whole span (ids, rate, limits) is known. Limits: event/types.h; an item beyond
 * one is refused with a reason, the rest of the request is kept. Source: opentelemetry-proto
 * trace/v1/trace.proto (otlp.md §1, §5); mapping: honeycomb.md §2.4, §2.5.
 */
#include "event/tree.h"
#include "receive/otlp_private.h"

#define STATUS_ERROR 2

typedef struct span_parts {
    span trace_id, span_id, parent_id, trace_state, name, status_message, refused;
    uint64_t kind, start_ns, end_ns, status_code;
    uint32_t event_count, link_count;
} span_parts;

typedef struct span_known { /* of one span, for its rows */
    span message;
    span_parts parts;
    trace_id trace;
    uint64_t id;
    uint32_t rate;
    bool is_error;
    otlp_value
        exception[4]; /* of the first `exception` event: type, message, stacktrace, escaped */
    bool has_exception;
} span_known;

static void read_status(otlp *o, span_parts *p, span message)
{
    reader r = reader_of(message);
    for (uint32_t tag; (tag = pb_tag(&r));)
        switch (tag) {
        case PB(2, LEN): p->status_message = pb_bytes(&r); break;
        case PB(3, VAR): p->status_code = pb_var(&r); break;
        default: pb_skip(&r, tag); break;
        }
    if (unlikely(r.failed))
        otlp_fail(o, &r);
}

static void read_span(otlp *o, span_parts *p, span message)
{
    reader r = reader_of(message);
    otlp_list_clear(&o->item, true);
    for (uint32_t tag; (tag = pb_tag(&r));)
        switch (tag) {
        case PB(1, LEN): p->trace_id = pb_bytes(&r); break;
        case PB(2, LEN): p->span_id = pb_bytes(&r); break;
        case PB(3, LEN): p->trace_state = pb_bytes(&r); break;
        case PB(4, LEN): p->parent_id = pb_bytes(&r); break;
        case PB(5, LEN): p->name = pb_bytes(&r); break;
        case PB(6, VAR): p->kind = pb_var(&r); break;
        case PB(7, I64): p->start_ns = pb_i64(&r); break;
        case PB(8, I64): p->end_ns = pb_i64(&r); break;
        case PB(9, LEN): otlp_read_attributes(o, &o->item, &r, PB(9, LEN)); break;
        case PB(11, LEN): p->event_count++, pb_bytes(&r); break;
        case PB(13, LEN): p->link_count++, pb_bytes(&r); break;
        case PB(15, LEN): read_status(o, p, pb_bytes(&r)); break;
        case PB(OTLP_REFUSED_FIELD, LEN): p->refused = pb_bytes(&r); break;
        default: pb_skip(&r, tag); break;
        }
    if (unlikely(r.failed))
        otlp_fail(o, &r);
}

/* ---- span events ---- */

static const otlp_mapped exception_fields[4] = {M_EXCEPTION_TYPE, M_EXCEPTION_MESSAGE,
                                                M_EXCEPTION_STACKTRACE, M_EXCEPTION_ESCAPED};

static void remember_exception(otlp *o, span_known *s)
{
    s->has_exception = true;
    for (size_t i = 0; i < COUNT_OF(exception_fields); i++) {
        const otlp_value *v =
            otlp_list_find(&o->part, span_text(otlp_mapped_name(exception_fields[i])));
        s->exception[i] = v ? *v : (otlp_value){.kind = VALUE_NONE};
    }
}

/* Milliseconds from `from` to `to`; negative ones are 0 and said so. */
static double milliseconds(uint64_t from, uint64_t to, bool *ret_invalid)
{
    *ret_invalid = to < from;
    return to < from ? 0 : (double)(to - from) / 1e6;
}

static bool put_event(otlp *o, span_known *s, span message)
{
    span name = SPAN("");
    uint64_t time_ns = 0;
    reader r = reader_of(message);
    otlp_list_clear(&o->part, false);
    for (uint32_t tag; (tag = pb_tag(&r));)
        switch (tag) {
        case PB(1, I64): time_ns = pb_i64(&r); break;
        case PB(2, LEN): name = pb_bytes(&r); break;
        case PB(3, LEN): otlp_read_attributes(o, &o->part, &r, PB(3, LEN)); break;
        default: pb_skip(&r, tag); break;
        }
    if (unlikely(r.failed))
        otlp_fail(o, &r);
    if (o->failed || otlp_list_is_bad(o, &o->part, "events[].attributes"))
        return false;
    if (!s->has_exception && span_equal(name, SPAN("exception")))
        remember_exception(o, s);
    if (!otlp_begin_row(o, time_ns ? time_ns : s->parts.start_ns, s->rate, s->trace, s->id))
        return false;
    bool is_invalid;
    uint64_t start_ns = s->parts.start_ns ? s->parts.start_ns : time_ns;
    double since_ms = milliseconds(start_ns, time_ns, &is_invalid);
    otlp_map_text(o, M_NAME, name);
    otlp_map_text(o, M_PARENT_NAME, s->parts.name);
    otlp_map_text(o, M_ANNOTATION_TYPE, SPAN("span_event"));
    otlp_map_float(o, M_SINCE_START_MS, since_ms);
    if (is_invalid)
        otlp_map_bool(o, M_INVALID_SINCE, true);
    if (s->is_error)
        otlp_map_bool(o, M_ERROR, true);
    otlp_put_list(o, &o->part);
    return otlp_end_row(o);
}

/* ---- links ---- */

static void map_id_text(otlp *o, otlp_mapped m, const char *text, size_t len)
{
    otlp_map_code(o, m, batch_string(o->b, span_of(text, len)));
}

static bool put_link(otlp *o, const span_known *s, span message)
{
    span linked_trace = SPAN(""), linked_span = SPAN("");
    reader r = reader_of(message);
    otlp_list_clear(&o->part, false);
    for (uint32_t tag; (tag = pb_tag(&r));)
        switch (tag) {
        case PB(1, LEN): linked_trace = pb_bytes(&r); break;
        case PB(2, LEN): linked_span = pb_bytes(&r); break;
        case PB(4, LEN): otlp_read_attributes(o, &o->part, &r, PB(4, LEN)); break;
        default: pb_skip(&r, tag); break;
        }
    if (unlikely(r.failed))
        otlp_fail(o, &r);
    if (o->failed || otlp_list_is_bad(o, &o->part, "links[].attributes") ||
        !otlp_begin_row(o, s->parts.start_ns, s->rate, s->trace, s->id))
        return false;
    trace_id trace;
    uint64_t id;
    char text[33];
    if (otlp_trace_id(linked_trace, &trace))
        map_id_text(o, M_LINK_TRACE_ID, text, trace_id_print(trace, text));
    if (otlp_span_id(linked_span, &id))
        map_id_text(o, M_LINK_SPAN_ID, text, span_id_print(id, text));
    otlp_map_text(o, M_PARENT_NAME, s->parts.name);
    otlp_map_text(o, M_ANNOTATION_TYPE, SPAN("link"));
    if (s->is_error)
        otlp_map_bool(o, M_ERROR, true);
    otlp_put_list(o, &o->part);
    return otlp_end_row(o);
}

/* ---- the span ---- */

static bool put_parts(otlp *o, span_known *s, uint32_t part_tag)
{
    reader r = reader_of(s->message);
    for (uint32_t tag; (tag = pb_tag(&r));) {
        if (tag != part_tag)
            pb_skip(&r, tag);
        else if (!(part_tag == PB(11, LEN) ? put_event(o, s, pb_bytes(&r))
                                           : put_link(o, s, pb_bytes(&r))))
            return false;
    }
    return true;
}

static void map_exception(otlp *o, const span_known *s)
{
    for (size_t i = 0; i < COUNT_OF(exception_fields); i++)
        if (s->exception[i].kind != VALUE_NONE && !(o->hidden >> exception_fields[i] & 1))
            otlp_put_value(o, span_text(otlp_mapped_name(exception_fields[i])), &s->exception[i]);
}

static bool put_span(otlp *o, const span_known *s)
{
    const span_parts *p = &s->parts;
    uint64_t parent = 0;
    otlp_span_id(p->parent_id, &parent);
    if (!otlp_begin_row(o, p->start_ns, s->rate, s->trace, parent))
        return false;
    o->b->span_id[o->b->row_count - 1] = s->id;
    bool is_invalid;
    double duration_ms = milliseconds(p->start_ns, p->end_ns, &is_invalid);
    if (unlikely(p->start_ns == 0)) {
        duration_ms = 0;
        is_invalid = true;
    }
    span kind =
        span_text(span_kind_name(p->kind <= KIND_CONSUMER ? (span_kind)p->kind : KIND_UNSPECIFIED));
    otlp_map_text(o, M_NAME, p->name);
    otlp_map_text(o, M_SPAN_KIND, kind);
    otlp_map_text(o, M_TYPE, kind);
    otlp_map_float(o, M_DURATION_MS, duration_ms);
    otlp_map_int(o, M_STATUS_CODE, (int32_t)p->status_code);
    otlp_map_int(o, M_NUM_EVENTS, p->event_count);
    otlp_map_int(o, M_NUM_LINKS, p->link_count);
    if (unlikely(is_invalid))
        otlp_map_bool(o, M_INVALID_DURATION, true);
    if (p->status_message.len > 0)
        otlp_map_text(o, M_STATUS_MESSAGE, p->status_message);
    if (s->is_error)
        otlp_map_bool(o, M_ERROR, true);
    if (p->trace_state.len > 0)
        otlp_map_text(o, M_TRACE_STATE, p->trace_state);
    if (s->has_exception)
        map_exception(o, s);
    otlp_put_list(o, &o->item);
    return otlp_end_row(o);
}

static bool is_refused(otlp *o, span_known *s)
{
    const span_parts *p = &s->parts;
    if (unlikely(p->refused.len > 0)) {
        otlp_reject(o, REASON_MISTYPED, "%.*s", SPAN_FMT(p->refused));
        return true;
    }
    if (unlikely(!otlp_trace_id(p->trace_id, &s->trace))) {
        otlp_reject(
            o, REASON_TRACE_ID,
            ".traceId is %s; 16 bytes that are not all zero are needed (32 hex digits in JSON)",
            p->trace_id.len == 16  ? "all zero"
            : p->trace_id.len == 0 ? "missing"
                                   : "not 16 bytes long");
        return true;
    }
    if (unlikely(!otlp_span_id(p->span_id, &s->id))) {
        otlp_reject(
            o, REASON_SPAN_ID,
            ".spanId is %s; 8 bytes that are not all zero are needed (16 hex digits in JSON)",
            p->span_id.len == 8   ? "all zero"
            : p->span_id.len == 0 ? "missing"
                                  : "not 8 bytes long");
        return true;
    }
    return otlp_list_is_bad(o, &o->item, "attributes");
}

static void decode_span(otlp *o, span message)
{
    span_known s = {.message = message};
    read_span(o, &s.parts, message);
    if (unlikely(o->failed))
        return;
    o->out->item_count++;
    if (is_refused(o, &s))
        return;
    s.is_error = s.parts.status_code == STATUS_ERROR;
    s.rate = otlp_sample_rate(o, s.parts.trace_state, s.id);
    uint32_t first_row = o->b->row_count;
    uint64_t rejected = o->out->rejected;
    bool is_whole = (s.parts.event_count == 0 || put_parts(o, &s, PB(11, LEN))) &&
                    (s.parts.link_count == 0 || put_parts(o, &s, PB(13, LEN))) && put_span(o, &s);
    if (likely(is_whole) || o->failed || batch_failed(o->b))
        return;
    batch_drop_row(o->b, first_row);
    if (o->out->rejected == rejected)
        otlp_reject_fields(o);
}

static span dataset_of(otlp *o)
{
    span name = otlp_service_name(o);
    return name.len > 0 ? name : SPAN(DATASET_UNKNOWN_SERVICE);
}

static const otlp_signal traces = {
    .family = FAMILY_TRACE,
    .signal_type = "trace",
    .request_name = "ExportTraceServiceRequest",
    .resource_path = "resourceSpans",
    .scope_path = "scopeSpans",
    .item_path = "spans",
    .json = &json_traces_request,
    .has_rate = true,
    .dataset = dataset_of,
    .item = decode_span,
};

sk_code otlp_traces_decode(const receive_input *in, receive_output *ret, err *e)
{
    return otlp_decode(&traces, in, ret, e);
}
