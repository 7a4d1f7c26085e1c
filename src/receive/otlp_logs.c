/*
 * receive/otlp_logs.c: one OTLP log record becomes one row.
 * Called by otlp_envelope.c for each record, on a decode worker. Never: keeps a pointer into the
 * body after return. Limits: event/types.h; a record beyond one is refused with a reason, the rest
 * of the request is kept. Source: opentelemetry-proto logs/v1/logs.proto (otlp.md §1, §5, §6);
 * mapping: honeycomb.md §2.6.
 */
#include "receive/otlp_private.h"

#define FLAGS_MASK   0xFFu /* the rest is reserved */
#define SEVERITY_MAX 24u

typedef struct record {
    span severity_text, trace_id, span_id, event_name, refused;
    uint64_t time_ns, observed_ns, severity;
    uint32_t flags;
    otlp_value body;
} record;

static void read_record(otlp *o, record *rec, span message)
{
    reader r = reader_of(message);
    otlp_list_clear(&o->item, true);
    for (uint32_t tag; (tag = pb_tag(&r));)
        switch (tag) {
        case PB(1, I64): rec->time_ns = pb_i64(&r); break;
        case PB(2, VAR): rec->severity = pb_var(&r); break;
        case PB(3, LEN): rec->severity_text = pb_bytes(&r); break;
        case PB(5, LEN): rec->body = otlp_read_value(o, pb_bytes(&r)); break;
        case PB(6, LEN): otlp_read_attributes(o, &o->item, &r, PB(6, LEN)); break;
        case PB(8, I32): rec->flags = pb_i32(&r); break;
        case PB(9, LEN): rec->trace_id = pb_bytes(&r); break;
        case PB(10, LEN): rec->span_id = pb_bytes(&r); break;
        case PB(11, I64): rec->observed_ns = pb_i64(&r); break;
        case PB(12, LEN): rec->event_name = pb_bytes(&r); break;
        case PB(OTLP_REFUSED_FIELD, LEN): rec->refused = pb_bytes(&r); break;
        default: pb_skip(&r, tag); break;
        }
    if (unlikely(r.failed))
        otlp_fail(o, &r);
}

/* ---- severity ---- */

static const char *severity_name(uint64_t number)
{
    static const char *const names[] = {"trace", "debug", "info", "warn", "error", "fatal"};
    return number == 0 || number > SEVERITY_MAX ? "unspecified" : names[(number - 1) / 4];
}

/* What loggers call their levels, as OTLP's numbers; 0 when it is none of them. */
static uint64_t severity_of_text(span text)
{
    static const struct {
        const char *name;
        uint64_t number;
    } levels[] = {
        {"trace", 1},  {"verbose", 1},       {"finest", 1},      {"debug", 5},
        {"finer", 5},  {"fine", 5},          {"config", 5},      {"info", 9},
        {"inf", 9},    {"informational", 9}, {"information", 9}, {"notice", 10},
        {"warn", 13},  {"warning", 13},      {"wrn", 13},        {"error", 17},
        {"err", 17},   {"severe", 17},       {"critical", 18},   {"crit", 18},
        {"alert", 19}, {"fatal", 21},        {"emergency", 21},  {"emerg", 21},
        {"panic", 21},
    };
    text = span_trim(text);
    uint64_t step = 0; /* TRACE2 … FATAL4 */
    if (text.len > 1 && text.at[text.len - 1] >= '2' && text.at[text.len - 1] <= '4') {
        step = text.at[text.len - 1] - (uint64_t)'1';
        text.len--;
    }
    for (size_t i = 0; i < COUNT_OF(levels); i++)
        if (span_equal_nocase(text, span_text(levels[i].name)))
            return levels[i].number + step;
    return 0;
}

/* The number as sent; else from severity_text, else from the attributes in which loggers put it
 * (otlp.md §6). */
static uint64_t severity_of(const otlp *o, const record *rec)
{
    static const char *const attributes[] = {"level", "severity", "log.level"};
    uint64_t number = rec->severity;
    if (number == 0)
        number = severity_of_text(rec->severity_text);
    for (size_t i = 0; number == 0 && i < COUNT_OF(attributes); i++) {
        const otlp_value *v = otlp_list_find(&o->item, span_text(attributes[i]));
        if (v && v->kind == VALUE_STRING)
            number = severity_of_text(v->text);
    }
    return number;
}

/* ---- the row ---- */

/* A map is put twice: its leaves as body.x.y, the whole as JSON text. */
static void put_body(otlp *o, const otlp_value *body)
{
    if (body->kind == VALUE_NONE || o->hidden >> M_BODY & 1)
        return;
    otlp_put_value(o, SPAN(F_BODY), body);
    if (body->kind != VALUE_KVLIST)
        return;
    span json = otlp_value_json(o, body);
    o->truncated += json.len > EVENT_STRING_MAX;
    otlp_map_code(o, M_BODY, batch_string(o->b, json));
}

static bool put_record(otlp *o, const record *rec, trace_id trace, uint64_t span_id)
{
    uint64_t time_ns = rec->time_ns ? rec->time_ns : rec->observed_ns;
    uint32_t rate = otlp_sample_rate(o, SPAN(""), 0);
    if (!otlp_begin_row(o, time_ns, rate, trace, span_id))
        return false;
    uint64_t severity = severity_of(o, rec);
    otlp_map_text(o, M_SEVERITY, span_text(severity_name(severity)));
    otlp_map_int(o, M_SEVERITY_CODE, (int32_t)severity);
    if (rec->severity_text.len > 0)
        otlp_map_text(o, M_SEVERITY_TEXT, rec->severity_text);
    otlp_map_int(o, M_FLAGS, rec->flags & FLAGS_MASK);
    if (trace_id_is_set(trace))
        otlp_map_text(o, M_ANNOTATION_TYPE, SPAN("span_event"));
    if (rec->event_name.len > 0)
        otlp_map_text(o, M_EVENT_NAME, rec->event_name);
    put_body(o, &rec->body);
    otlp_put_list(o, &o->item);
    return otlp_end_row(o);
}

/* Ids that are none leave the record without a trace: it is kept, and said so. */
static void read_context(otlp *o, const record *rec, trace_id *trace, uint64_t *span_id)
{
    static const uint8_t zeros[16];
    bool has_trace = otlp_trace_id(rec->trace_id, trace),
         has_span = otlp_span_id(rec->span_id, span_id);
    bool is_zero_trace = rec->trace_id.len == 16 && memcmp(rec->trace_id.at, zeros, 16) == 0;
    bool is_zero_span = rec->span_id.len == 8 && memcmp(rec->span_id.at, zeros, 8) == 0;
    if (!has_trace && rec->trace_id.len > 0 && !is_zero_trace)
        otlp_warn(
            o, REASON_CONTEXT,
            ".traceId is not 16 bytes long (32 hex digits in JSON); the record is kept without it");
    else if (!has_span && rec->span_id.len > 0 && !is_zero_span)
        otlp_warn(
            o, REASON_CONTEXT,
            ".spanId is not 8 bytes long (16 hex digits in JSON); the record is kept without it");
}

static void decode_record(otlp *o, span message)
{
    record rec = {.body.kind = VALUE_NONE};
    read_record(o, &rec, message);
    if (o->failed)
        return;
    o->out->item_count++;
    if (rec.refused.len > 0) {
        otlp_reject(o, REASON_MISTYPED, "%.*s", SPAN_FMT(rec.refused));
        return;
    }
    uint32_t fields = 0;
    otlp_reason bad = otlp_check_value(o, &rec.body, sizeof(F_BODY) - 1, &fields);
    if (o->failed || otlp_list_is_bad(o, &o->item, "attributes"))
        return;
    if (bad != REASON_NONE) {
        otlp_reject_value(o, bad, ".body");
        return;
    }
    trace_id trace = {0, 0};
    uint64_t span_id = 0;
    read_context(o, &rec, &trace, &span_id);
    uint32_t row = o->b->row_count;
    if (put_record(o, &rec, trace, span_id) || batch_failed(o->b))
        return;
    batch_drop_row(o->b, row);
    otlp_reject_fields(o);
}

static span dataset_of(otlp *o)
{
    span name = otlp_service_name(o);
    if (name.len == 0)
        name = o->in->dataset_header;
    return name.len > 0 ? name : SPAN(DATASET_UNKNOWN_LOGS);
}

static const otlp_signal logs = {
    .family = FAMILY_LOG,
    .signal_type = "log",
    .request_name = "ExportLogsServiceRequest",
    .resource_path = "resourceLogs",
    .scope_path = "scopeLogs",
    .item_path = "logRecords",
    .json = &json_logs_request,
    .has_rate = true,
    .dataset = dataset_of,
    .item = decode_record,
};

sk_code otlp_logs_decode(const receive_input *in, receive_output *ret, err *e)
{
    return otlp_decode(&logs, in, ret, e);
}
