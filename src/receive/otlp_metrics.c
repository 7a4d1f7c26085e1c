/*
 * receive/otlp_metrics.c: one OTLP metric becomes one row per data point, then one per exemplar of
 * the point. Called by otlp_envelope.c for each metric, on a decode worker. Never: merges points;
 * keeps a pointer into the body. Limits: event/types.h, OTLP_BUCKETS_MAX; a point beyond one is
 * refused with a reason, the rest of the request is kept. Source: opentelemetry-proto
 * metrics/v1/metrics.proto (otlp.md §1, §8); mapping: DESIGN §4 "Metrics".
 */
#include <stdio.h>

#include "base/clock.h"
#include "receive/otlp_metrics_private.h"

#define FLAG_NO_RECORDED_VALUE 1u
#define MONOTONIC_ABSENT       2u

typedef struct metric_form { /* the `data` oneof */
    uint32_t tag;
    const char *kind, *path;
    void (*read)(otlp *o, otlp_point *p, span message);
    uint32_t exemplar_tag; /* 0: has none */
} metric_form;

static const metric_form forms[] = {
    {PB(5, LEN), "gauge", "gauge.dataPoints", otlp_read_number, PB(5, LEN)},
    {PB(7, LEN), "sum", "sum.dataPoints", otlp_read_number, PB(5, LEN)},
    {PB(9, LEN), "histogram", "histogram.dataPoints", otlp_read_histogram, PB(8, LEN)},
    {PB(10, LEN), "exponential_histogram", "exponentialHistogram.dataPoints", otlp_read_exponential,
     PB(11, LEN)},
    {PB(11, LEN), "summary", "summary.dataPoints", otlp_read_summary, 0},
};

typedef struct metric {
    span name, unit, data;
    const metric_form *form; /* NULL: none, or one of a later version */
    uint64_t temporality;
    uint64_t monotonic; /* MONOTONIC_ABSENT for all but sums */
} metric;

/* ---- rows ---- */

static void map_start(otlp *o, uint64_t start_ns)
{
    char text[36];
    if (start_ns == 0 || start_ns > INT64_MAX)
        return;
    size_t len = clock_print_rfc3339((int64_t)start_ns, text);
    otlp_map_code(o, M_METRIC_START, batch_string(o->b, span_of(text, len)));
}

static void map_number(otlp *o, const otlp_value *v)
{
    if (v->kind == VALUE_INT)
        otlp_map_int(o, M_METRIC_INT, v->i);
    else if (v->kind == VALUE_DOUBLE)
        otlp_map_float(o, M_METRIC_FLOAT, v->f);
}

static void map_identity(otlp *o, const metric *m)
{
    otlp_map_text(o, M_METRIC_NAME, m->name);
    if (m->unit.len > 0)
        otlp_map_text(o, M_METRIC_UNIT, m->unit);
}

static bool put_point(otlp *o, const metric *m, const otlp_point *p, span histogram_bytes)
{
    if (!otlp_begin_row(o, p->time_ns, 1, (trace_id){0, 0}, 0))
        return false;
    map_identity(o, m);
    otlp_map_text(o, M_METRIC_KIND, span_text(m->form->kind));
    if (m->temporality == 1 || m->temporality == 2)
        otlp_map_text(o, M_METRIC_TEMPORALITY,
                      m->temporality == 1 ? SPAN("delta") : SPAN("cumulative"));
    if (m->monotonic != MONOTONIC_ABSENT)
        otlp_map_bool(o, M_METRIC_MONOTONIC, m->monotonic == 1);
    map_start(o, p->start_ns);
    if (p->flags & FLAG_NO_RECORDED_VALUE)
        otlp_map_bool(o, M_NO_RECORDED_VALUE, true);
    else if (m->form->read == otlp_read_number)
        map_number(o, &p->number);
    else
        otlp_map_code(o, M_METRIC_HISTOGRAM, batch_string(o->b, histogram_bytes));
    otlp_put_list(o, &o->item);
    return otlp_end_row(o);
}

/* An exemplar carries the attributes of its point and those that the aggregation left out. It is no
 * data point: it has no metric.kind, and counts in no total. */
static bool put_exemplar(otlp *o, const metric *m, const otlp_point *p, span message)
{
    otlp_value number = {.kind = VALUE_NONE};
    span trace_bytes = SPAN(""), span_bytes = SPAN("");
    uint64_t time_ns = 0, span_id = 0;
    trace_id trace = {0, 0};
    reader r = reader_of(message);
    otlp_list_clear(&o->part, false);
    for (uint32_t tag; (tag = pb_tag(&r));)
        switch (tag) {
        case PB(2, I64): time_ns = pb_i64(&r); break;
        case PB(3, I64): number.kind = VALUE_DOUBLE, number.f = pb_double(&r); break;
        case PB(4, LEN): span_bytes = pb_bytes(&r); break;
        case PB(5, LEN): trace_bytes = pb_bytes(&r); break;
        case PB(6, I64): number.kind = VALUE_INT, number.i = (int64_t)pb_i64(&r); break;
        case PB(7, LEN): otlp_read_attributes(o, &o->part, &r, PB(7, LEN)); break;
        default: pb_skip(&r, tag); break;
        }
    if (r.failed)
        otlp_fail(o, &r);
    if (o->failed || otlp_list_is_bad(o, &o->part, "exemplars[].filteredAttributes"))
        return false;
    otlp_trace_id(trace_bytes, &trace); /* ids that are none leave the exemplar without a trace */
    otlp_span_id(span_bytes, &span_id);
    if (!otlp_begin_row(o, time_ns ? time_ns : p->time_ns, 1, trace, span_id))
        return false;
    map_identity(o, m);
    otlp_map_text(o, M_ANNOTATION_TYPE, SPAN("exemplar"));
    map_number(o, &number);
    otlp_put_list(o, &o->item);
    otlp_put_list(o, &o->part);
    return otlp_end_row(o);
}

static bool put_exemplars(otlp *o, const metric *m, const otlp_point *p)
{
    reader r = reader_of(p->message);
    for (uint32_t tag; (tag = pb_tag(&r));)
        if (tag != m->form->exemplar_tag)
            pb_skip(&r, tag);
        else if (!put_exemplar(o, m, p, pb_bytes(&r)))
            return false;
    return true;
}

/* ---- points ---- */

static bool is_refused(otlp *o, const otlp_point *p)
{
    if (p->refused.len > 0) {
        otlp_reject(o, REASON_MISTYPED, "%.*s", SPAN_FMT(p->refused));
        return true;
    }
    if (p->is_over) {
        otlp_reject(o, REASON_HISTOGRAM, " has more than %u buckets; use fewer", OTLP_BUCKETS_MAX);
        return true;
    }
    if (p->wrong && !(p->flags & FLAG_NO_RECORDED_VALUE)) {
        otlp_reject(o, REASON_HISTOGRAM, "%s", p->wrong);
        return true;
    }
    return otlp_list_is_bad(o, &o->item, "attributes");
}

static void decode_point(otlp *o, const metric *m, span message)
{
    otlp_point p = {.message = message};
    otlp_list_clear(&o->item, false);
    m->form->read(o, &p, message);
    if (o->failed)
        return;
    o->out->item_count++;
    if (is_refused(o, &p))
        return;
    buf_clear(&o->json);
    if (m->form->read != otlp_read_number && !(p.flags & FLAG_NO_RECORDED_VALUE))
        histogram_encode(&p.histogram, &o->json);
    o->text_failed |= o->json.failed;
    if (o->json.len > EVENT_STRING_MAX) {
        otlp_reject(o, REASON_HISTOGRAM,
                    " takes more than 64 KiB as it is kept; use fewer buckets");
        return;
    }
    uint32_t first_row = o->b->row_count;
    uint64_t rejected = o->out->rejected;
    if (put_point(o, m, &p, buf_span(&o->json)) &&
        (p.exemplar_count == 0 || put_exemplars(o, m, &p)))
        return;
    if (o->failed || batch_failed(o->b))
        return;
    batch_drop_row(o->b, first_row);
    if (o->out->rejected == rejected)
        otlp_reject_fields(o);
}

/* ---- the metric ---- */

static void read_metric(otlp *o, metric *m, span message)
{
    reader r = reader_of(message);
    for (uint32_t tag; (tag = pb_tag(&r));) {
        const metric_form *form = NULL;
        for (size_t i = 0; i < COUNT_OF(forms); i++)
            if (forms[i].tag == tag)
                form = &forms[i];
        if (form)
            m->form = form, m->data = pb_bytes(&r);
        else if (tag == PB(1, LEN))
            m->name = pb_bytes(&r);
        else if (tag == PB(3, LEN))
            m->unit = pb_bytes(&r);
        else
            pb_skip(&r, tag);
    }
    if (r.failed)
        otlp_fail(o, &r);
}

/* Temporality and monotonicity may follow the points on the wire. */
static void read_data(otlp *o, metric *m)
{
    bool is_sum = m->form->tag == PB(7, LEN);
    m->monotonic = is_sum ? 0 : MONOTONIC_ABSENT;
    reader r = reader_of(m->data);
    for (uint32_t tag; (tag = pb_tag(&r));)
        if (tag == PB(2, VAR))
            m->temporality = pb_var(&r);
        else if (tag == PB(3, VAR) && is_sum)
            m->monotonic = pb_var(&r) != 0;
        else
            pb_skip(&r, tag);
    if (r.failed)
        otlp_fail(o, &r);
}

static void decode_metric(otlp *o, span message)
{
    metric m = {.name = SPAN("")};
    read_metric(o, &m, message);
    if (o->failed || !m.form)
        return;
    read_data(o, &m);
    o->point_path = m.form->path;
    o->point_index = 0;
    reader r = reader_of(m.data);
    for (uint32_t tag; !o->failed && (tag = pb_tag(&r));) {
        if (tag != PB(1, LEN)) {
            pb_skip(&r, tag);
            continue;
        }
        arena_mark mark = arena_here(o->scratch);
        uint32_t capacity = o->item.capacity + o->part.capacity;
        decode_point(o, &m, pb_bytes(&r));
        if (o->item.capacity + o->part.capacity ==
            capacity) /* else an attribute list has grown behind the mark */
            arena_rewind(o->scratch, mark);
        if (!o->failed)
            o->point_index++;
    }
    if (!o->failed)
        o->point_path = NULL;
}

static span dataset_of(otlp *o)
{
    return o->in->dataset_header.len > 0 ? o->in->dataset_header : SPAN(DATASET_METRICS);
}

static const otlp_signal metrics = {
    .family = FAMILY_METRIC,
    .signal_type = "metric",
    .request_name = "ExportMetricsServiceRequest",
    .resource_path = "resourceMetrics",
    .scope_path = "scopeMetrics",
    .item_path = "metrics",
    .json = &json_metrics_request,
    .has_rate = false,
    .dataset = dataset_of,
    .item = decode_metric,
};

sk_code otlp_metrics_decode(const receive_input *in, receive_output *ret, err *e)
{
    return otlp_decode(&metrics, in, ret, e);
}
