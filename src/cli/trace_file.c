/*
 * cli/trace_file.c: trace_file.h. Called by trace_command.c. Spans are gathered from all documents, put together by trace
 * id, and written as the server would.
 */
#include "cli/trace_file.h"

#include <stdlib.h>

#include "cli/node.h"
#include "event/fields.h"
#include "event/types.h"

#define TRACE_BYTES_MAX (256 * MIB)

typedef struct found {
    span trace, service;
    const node *otlp;       /* a span */
    uint32_t number, first; /* place in the file; of the trace's first span */
} found;

typedef struct gathering {
    arena *mem;
    uint32_t count, capacity;
    found *all;
    bool has_failed;
} gathering;

/* ---- reading ---- */

/* Senders write camelCase, some snake_case. */
static const node *get(const node *n, const char *camel, const char *snake)
{
    const node *usual = node_get(n, camel);
    return usual ? usual : node_get(n, snake);
}

static span service_of(const node *resource)
{
    for (const node *a = node_first(node_get(resource, "attributes")); a; a = a->next)
        if (span_is(node_text(node_get(a, "key")), F_SERVICE_NAME))
            return node_text(get(node_get(a, "value"), "stringValue", "string_value"));
    return SPAN("unknown_service");
}

static void add_span(gathering *g, const node *otlp, span service)
{
    span trace = node_text(get(otlp, "traceId", "trace_id"));
    if (g->count == g->capacity) {
        uint32_t more = g->capacity ? g->capacity * 2 : 256;
        found *grown = arena_grow(g->mem, g->all, g->capacity * sizeof *grown, more * sizeof *grown,
                                  _Alignof(found));
        if (!grown) {
            g->has_failed = true;
            return;
        }
        g->all = grown;
        g->capacity = more;
    }
    g->all[g->count] = (found){trace, service, otlp, g->count, 0};
    g->count++;
}

static void add_document(gathering *g, const node *document)
{
    for (const node *r = node_first(get(document, "resourceSpans", "resource_spans")); r;
         r = r->next) {
        span service = service_of(node_get(r, "resource"));
        for (const node *s = node_first(get(r, "scopeSpans", "scope_spans")); s; s = s->next)
            for (const node *n = node_first(node_get(s, "spans")); n; n = n->next)
                add_span(g, n, service);
    }
}

/* ---- writing ---- */

static void member(json_writer *w, const char *name, span text)
{
    if (!text.len)
        return;
    jw_key_text(w, name);
    jw_string(w, text);
}

static void write_annotations(json_writer *w, const node *list, const char *kind, span id)
{
    for (const node *n = node_first(list); n; n = n->next) {
        jw_object(w);
        member(w, F_PARENT_ID, id);
        jw_key_text(w, F_ANNOTATION_TYPE);
        jw_text(w, kind);
        member(w, F_NAME, node_text(node_get(n, "name")));
        jw_object_end(w);
    }
}

static span kind_of(const node *kind)
{
    static const char *const names[] = {"", "internal", "server", "client", "producer", "consumer"};
    uint64_t number = node_count(kind);
    return span_text(number < COUNT_OF(names) ? names[number] : "");
}

static uint64_t status_of(const node *code)
{
    return span_is(node_text(code), "STATUS_CODE_ERROR") ? 2 : node_count(code);
}

static void write_span(json_writer *w, const found *f)
{
    const node *n = f->otlp, *status = node_get(n, "status");
    span id = node_text(get(n, "spanId", "span_id"));
    int64_t start = node_integer(get(n, "startTimeUnixNano", "start_time_unix_nano"));
    int64_t end = node_integer(get(n, "endTimeUnixNano", "end_time_unix_nano"));
    jw_object(w);
    jw_key_text(w, "start_ns");
    jw_i64_text(w, start);
    member(w, F_SPAN_ID, id);
    member(w, F_PARENT_ID, node_text(get(n, "parentSpanId", "parent_span_id")));
    member(w, F_SERVICE_NAME, f->service);
    member(w, F_NAME, node_text(node_get(n, "name")));
    member(w, F_SPAN_KIND, kind_of(node_get(n, "kind")));
    jw_key_text(w, F_DURATION_MS);
    jw_double(w, end > start ? (double)(end - start) / 1e6 : 0);
    jw_key_text(w, F_STATUS_CODE);
    jw_u64(w, status_of(node_get(status, "code")));
    member(w, F_STATUS_MESSAGE, node_text(node_get(status, "message")));
    jw_object_end(w);
    write_annotations(w, node_get(n, "events"), "span_event", id);
    write_annotations(w, node_get(n, "links"), "link", id);
}

static int by_trace(const void *a, const void *b)
{
    const found *x = a, *y = b;
    int order = span_compare(x->trace, y->trace);
    return order ? order : (x->number > y->number) - (x->number < y->number);
}

static int by_first(const void *a, const void *b)
{
    const found *x = a, *y = b;
    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

static void sort_by_trace(gathering *g)
{
    qsort(g->all, g->count, sizeof *g->all, by_trace);
    for (uint32_t i = 0; i < g->count; i++)
        g->all[i].first = i && span_equal(g->all[i].trace, g->all[i - 1].trace)
                              ? g->all[i - 1].first
                              : g->all[i].number;
    qsort(g->all, g->count, sizeof *g->all, by_first);
}

static sk_code give_traces(gathering *g, int (*each)(void *ctx, span trace_json), void *ctx, err *e)
{
    sk_code code = SK_OK;
    int stop = 0;
    for (uint32_t i = 0; code == SK_OK && !stop && i < g->count;) {
        buf text;
        buf_init(&text, TRACE_BYTES_MAX);
        json_writer w = {.out = &text};
        uint32_t first = g->all[i].first;
        jw_object(&w);
        jw_key_text(&w, "trace_id");
        jw_string(&w, g->all[i].trace);
        jw_key_text(&w, "spans");
        jw_array(&w);
        for (; i < g->count && g->all[i].first == first; i++)
            write_span(&w, &g->all[i]);
        jw_array_end(&w);
        jw_object_end(&w);
        if (text.failed)
            code = err_set(e, SK_TOO_LARGE, "a trace is larger than %llu bytes",
                           (unsigned long long)TRACE_BYTES_MAX);
        else
            stop = each(ctx, buf_span(&text));
        buf_done(&text);
    }
    return code;
}

sk_code trace_file_each(span text, arena *mem, int (*each)(void *ctx, span trace_json), void *ctx,
                        err *e)
{
    gathering g = {.mem = mem};
    const node *document;
    if (node_parse(text, mem, &document, e) == SK_OK) {
        if (node_get(document, "spans")) {
            (void)each(ctx, text);
            return SK_OK;
        }
        add_document(&g, document);
    } else { /* a document a line */
        for (span rest = text, line; rest.at;) {
            line = span_trim(span_cut(&rest, '\n'));
            if (line.len && node_parse(line, mem, &document, e) != SK_OK)
                return SK_BAD_INPUT;
            if (line.len)
                add_document(&g, document);
        }
    }
    if (g.has_failed)
        return err_set(e, SK_NO_MEMORY, "no memory for so many spans");
    if (!g.count)
        return err_set(e, SK_BAD_INPUT, "there are no resourceSpans with spans in it");
    sort_by_trace(&g);
    return give_traces(&g, each, ctx, e);
}
