/*
 * cli/trace_view.c: the server's JSON of one trace into the arrays that waterfall.c prints. Called by trace_command.c.
 */
#include <math.h>

#include "cli/waterfall.h"
#include "event/fields.h"

static int64_t duration_of(const node *n)
{
    double ms = node_number(node_get(n, F_DURATION_MS), 0);
    return ms > 0 && ms < 9e12 ? (int64_t)llround(ms * 1e6) : 0;
}

static bool is_error(const node *n)
{
    return node_is_true(node_get(n, F_ERROR)) || node_count(node_get(n, F_STATUS_CODE)) == 2;
}

static void count_annotation(trace_view *v, const node *n)
{
    span kind = node_text(node_get(n, F_ANNOTATION_TYPE));
    if (span_is(kind, "span_event"))
        v->event_count++;
    else if (span_is(kind, "link"))
        v->link_count++;
    else
        v->log_count++;
}

static void read_span(trace_view *v, const node *n, uint64_t id)
{
    trace_view_row *row = &v->rows[v->count];
    tree_span *s = &v->spans[v->count++];
    span service = node_text(node_get(n, F_SERVICE_NAME));
    *row = (trace_view_row){.service = service.len ? service : node_text(node_get(n, "dataset")),
                            .name = node_text(node_get(n, F_NAME)),
                            .kind = node_text(node_get(n, F_SPAN_KIND)),
                            .message = node_text(node_get(n, F_STATUS_MESSAGE)),
                            .span_id = node_text(node_get(n, F_SPAN_ID)),
                            .start_ns = node_integer(node_get(n, "start_ns")),
                            .duration_ns = duration_of(n),
                            .is_error = is_error(n)};
    *s = (tree_span){.span_id = id,
                     .start_ns = row->start_ns,
                     .duration_ns = row->duration_ns,
                     .kind = span_kind_parse(row->kind),
                     .is_error = row->is_error};
    if (!span_id_parse(node_text(node_get(n, F_PARENT_ID)), true, &s->parent_id))
        s->parent_id = 0;
    v->error_count += row->is_error;
    int64_t end = row->start_ns + row->duration_ns;
    if (v->count == 1 || row->start_ns < v->start_ns)
        v->start_ns = row->start_ns;
    if (v->count == 1 || end > v->end_ns)
        v->end_ns = end;
}

sk_code trace_view_read(const node *reply, arena *mem, trace_view *ret, err *e)
{
    const node *spans = node_get(reply, "spans");
    uint32_t count = spans ? spans->count : 0;
    *ret = (trace_view){.trace_id = node_text(node_get(reply, "trace_id"))};
    ret->rows = ARENA_ARRAY(mem, trace_view_row, count + 1);
    ret->spans = ARENA_ARRAY(mem, tree_span, count + 1);
    if (!ret->rows || !ret->spans)
        return err_set(e, SK_NO_MEMORY, "no memory for a trace of %u rows", count);
    for (const node *n = node_first(spans); n; n = n->next) {
        uint64_t id;
        bool is_span = span_id_parse(node_text(node_get(n, F_SPAN_ID)), true, &id) &&
                       !node_get(n, F_ANNOTATION_TYPE);
        if (is_span)
            read_span(ret, n, id);
        else
            count_annotation(ret, n);
    }
    return tree_build(ret->spans, ret->count, mem, &ret->tree, e);
}
