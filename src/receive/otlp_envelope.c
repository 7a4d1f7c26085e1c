/*
 * receive/otlp_envelope.c: the way down an OTLP request, the same for all signals: request →
 * resource → scope → item. Called through receive/table.c, on a decode worker; the items are read
 * by otlp_traces.c, otlp_logs.c, otlp_metrics.c. Never: touches sockets, disk, clock or globals;
 * keeps a pointer into the body after return. The order of fields within a message is the sender's:
 * what the items need is looked for first. Resource and scope attributes are put once, as ranges
 * over the rows that follow (event/batch.h on precedence). Source: opentelemetry-proto,
 * collector/{trace,logs,metrics}/v1 (otlp.md §1, §5); honeycomb.md §2.
 */
#include <stdio.h>

#include "base/alloc.h"
#include "receive/otlp_private.h"

/* Of a request, rather too low: SDKs send 300 to 600 a span (batch_expect_rows). */
#define BYTES_PER_ROW 320
#define SCRATCH_CAP_BYTES                                                                          \
    (4 * MIB) /* attribute lists and histogram buckets of one item: bounded by their limits */
#define TEXT_CAP_BYTES                                                                             \
    (1 * MIB) /* one string's JSON or cleaned text, cut at EVENT_STRING_MAX anyway */

void otlp_fail(otlp *o, const reader *r)
{
    if (o->failed)
        return;
    o->failed = true;
    o->fail_start = (size_t)(r->start - o->wire.at);
    o->fail_end = (size_t)(r->end - o->wire.at);
    o->fail_level = o->level;
}

/* ---- scope and resource ---- */

static bool is_instrumentation(span scope_name)
{
    static const char *const prefixes[] = {
        "io.opentelemetry",
        "opentelemetry.instrumentation",
        "OpenTelemetry.Instrumentation",
        "OpenTelemetry::Instrumentation",
        "go.opentelemetry.io/contrib/instrumentation",
        "@opentelemetry/instrumentation",
        "io.opentelemetry.contrib.php",
        "github.com/open-telemetry/opentelemetry-collector",
        "@honeycombio/",
    };
    for (size_t i = 0; i < COUNT_OF(prefixes); i++)
        if (span_starts_with(scope_name, span_text(prefixes[i])))
            return true;
    return false;
}

static void read_attributes(otlp *o, otlp_list *list, reader r, uint32_t attribute_tag)
{
    for (uint32_t tag; (tag = pb_tag(&r));)
        if (tag == attribute_tag)
            otlp_read_attributes(o, list, &r, (uint8_t)attribute_tag);
        else
            pb_skip(&r, tag);
    if (r.failed)
        otlp_fail(o, &r);
}

typedef struct scope_identity {
    span name, version;
} scope_identity;

static scope_identity read_scope(otlp *o, reader r)
{
    scope_identity scope = {SPAN(""), SPAN("")};
    read_attributes(o, &o->scope, r, PB(3, LEN));
    for (uint32_t tag; (tag = pb_tag(&r));)
        switch (tag) {
        case PB(1, LEN): scope.name = pb_bytes(&r); break;
        case PB(2, LEN): scope.version = pb_bytes(&r); break;
        default: pb_skip(&r, tag); break;
        }
    return scope;
}

static void map_text_if_any(otlp *o, otlp_mapped m, span text)
{
    if (text.len > 0)
        otlp_map_text(o, m, text);
}

static void put_scope_ranges(otlp *o, const scope_identity *scope, span schema_url)
{
    o->hidden = 0; /* among ranges the later one wins */
    otlp_begin_range(o);
    map_text_if_any(o, M_LIBRARY_NAME, scope->name);
    map_text_if_any(o, M_LIBRARY_VERSION, scope->version);
    if (is_instrumentation(scope->name))
        otlp_map_bool(o, M_INSTRUMENTATION, true);
    otlp_put_list(o, &o->scope);
    map_text_if_any(o, M_SCOPE_SCHEMA, schema_url);
    otlp_end_range(o);
    o->hidden = otlp_hidden_by(&o->resource) | otlp_hidden_by(&o->scope);
}

static void walk_scope(otlp *o, span message)
{
    scope_identity scope = {SPAN(""), SPAN("")};
    span schema_url = SPAN("");
    otlp_list_clear(&o->scope, o->signal->has_rate);
    reader r = reader_of(message);
    for (uint32_t tag; (tag = pb_tag(&r));)
        switch (tag) {
        case PB(1, LEN): scope = read_scope(o, pb_message(&r)); break;
        case PB(3, LEN): schema_url = pb_bytes(&r); break;
        default: pb_skip(&r, tag); break;
        }
    if (r.failed)
        otlp_fail(o, &r);
    otlp_warn_context(o, &o->scope, "scope");
    uint32_t mark = batch_open_ranges(o->b);
    put_scope_ranges(o, &scope, schema_url);
    o->item_index = 0;
    r = reader_of(message);
    for (uint32_t tag; !o->failed && (tag = pb_tag(&r));) {
        if (tag != PB(2, LEN)) {
            pb_skip(&r, tag);
            continue;
        }
        o->level = OTLP_IN_ITEM;
        o->signal->item(o, pb_bytes(&r));
        o->level = OTLP_IN_SCOPE;
        if (batch_failed(o->b))
            break; /* the cap is reached, or memory is short: nothing will come of the rest */
        if (!o->failed)
            o->item_index++;
    }
    batch_close_ranges(o->b, mark);
}

static void walk_resource(otlp *o, span message)
{
    span schema_url = SPAN("");
    otlp_list_clear(&o->resource, o->signal->has_rate);
    reader r = reader_of(message);
    for (uint32_t tag; (tag = pb_tag(&r));)
        switch (tag) {
        case PB(1, LEN): read_attributes(o, &o->resource, pb_message(&r), PB(1, LEN)); break;
        case PB(3, LEN): schema_url = pb_bytes(&r); break;
        default: pb_skip(&r, tag); break;
        }
    if (r.failed)
        otlp_fail(o, &r);
    otlp_warn_context(o, &o->resource, "resource");
    uint32_t mark = batch_open_ranges(o->b);
    o->hidden = 0;
    otlp_begin_range(o);
    otlp_put_list(o, &o->resource);
    map_text_if_any(o, M_RESOURCE_SCHEMA, schema_url);
    otlp_end_range(o);
    o->dataset_code = otlp_string(o, o->signal->dataset(o));
    o->scope_index = 0;
    r = reader_of(message);
    for (uint32_t tag; !o->failed && (tag = pb_tag(&r));) {
        if (tag != PB(2, LEN)) {
            pb_skip(&r, tag);
            continue;
        }
        o->level = OTLP_IN_SCOPE;
        walk_scope(o, pb_bytes(&r));
        o->level = OTLP_IN_RESOURCE;
        if (!o->failed)
            o->scope_index++;
    }
    batch_close_ranges(o->b, mark);
}

static void walk_request(otlp *o)
{
    uint32_t mark = batch_open_ranges(o->b);
    otlp_begin_range(o);
    otlp_map_text(o, M_SIGNAL_TYPE, span_text(o->signal->signal_type));
    otlp_end_range(o);
    reader r = reader_of(o->wire);
    for (uint32_t tag; !o->failed && (tag = pb_tag(&r));) {
        if (tag != PB(1, LEN)) {
            pb_skip(&r, tag);
            continue;
        }
        o->level = OTLP_IN_RESOURCE;
        walk_resource(o, pb_bytes(&r));
        o->level = OTLP_IN_REQUEST;
        if (!o->failed)
            o->resource_index++;
    }
    if (r.failed)
        otlp_fail(o, &r);
    batch_close_ranges(o->b, mark);
}

/* ---- the whole ---- */

span otlp_service_name(const otlp *o)
{
    const otlp_value *name = otlp_list_find(&o->resource, SPAN(F_SERVICE_NAME));
    if (!name || name->kind != VALUE_STRING ||
        span_starts_with(name->text, SPAN(DATASET_UNKNOWN_SERVICE)))
        return SPAN("");
    return span_trim(name->text);
}

/* Senders mix these up: what the body looks like when it is not what it is said to be. */
static void hint_at_form(const receive_input *in, err *e)
{
    span body = in->form == FORM_JSON ? in->body : span_trim(in->body);
    if (!e || body.len < 2)
        return;
    if (body.at[0] == 0x1f && body.at[1] == 0x8b)
        err_prefix(e, "the body looks like gzip: send Content-Encoding: gzip with it");
    else if (in->form == FORM_PROTOBUF && body.at[0] == '{')
        err_prefix(e, "the body looks like JSON: send Content-Type: application/json with it");
    else if (in->form == FORM_JSON && body.at[0] == PB(1, LEN) && body.at[1] != '{')
        err_prefix(e, "the body looks like protobuf: send Content-Type: application/x-protobuf "
                      "with it");
}

static sk_code refuse_body(const otlp *o, err *e)
{
    char path[128];
    otlp_path(o, o->fail_level, path, sizeof(path));
    sk_code code =
        err_set(e, SK_BAD_INPUT, "not a whole %s message: bytes %zu to %zu, %s, cannot be read",
                o->signal->request_name, o->fail_start, o->fail_end, path);
    if (e)
        e->offset = o->fail_end;
    return code;
}

static sk_code finish(otlp *o, err *e)
{
    if (o->failed)
        return refuse_body(o, e);
    bool is_short = o->text_failed || arena_failed(o->scratch);
    if (is_short || batch_failed(o->b) || !batch_freeze(o->b)) {
        /* The arena does not say whether its cap or malloc stopped it; far below its cap it was
         * malloc. */
        size_t near_cap = o->in->batch_cap_bytes / 4;
        if (!is_short && (arena_reserved_bytes(o->b->mem) >= near_cap || o->wire.len >= near_cap))
            return err_set(
                e, SK_TOO_LARGE,
                "the request needs more than %zu MiB when decoded; send fewer items at a time",
                o->in->batch_cap_bytes / MIB);
        return err_set(e, SK_NO_MEMORY, "memory is short; send the same request again later");
    }
    o->b->dropped_items = o->out->rejected > UINT32_MAX ? UINT32_MAX : (uint32_t)o->out->rejected;
    return SK_OK;
}

static otlp *open_decode(const otlp_signal *signal, const receive_input *in, receive_output *out)
{
    arena *scratch = arena_new(SCRATCH_CAP_BYTES);
    otlp *o = scratch ? ARENA_NEW(scratch, otlp) : NULL;
    batch *b = o ? batch_new(signal->family, in->batch_cap_bytes) : NULL;
    if (!b) {
        arena_free(scratch);
        return NULL;
    }
    o->in = in;
    o->out = out;
    o->signal = signal;
    batch_expect_rows(b, in->body.len / BYTES_PER_ROW);
    o->b = b;
    o->scratch = scratch;
    o->wire = in->body;
    buf_init(&o->clean, TEXT_CAP_BYTES);
    buf_init(&o->json, TEXT_CAP_BYTES);
    for (uint32_t m = 0; m < M_COUNT; m++)
        o->column[m] = COLUMN_NONE;
    return o;
}

static void close_decode(otlp *take_o)
{
    buf_done(&take_o->clean);
    buf_done(&take_o->json);
    batch_free(take_o->b);
    arena_free(take_o->scratch);
}

sk_code otlp_decode(const otlp_signal *signal, const receive_input *in, receive_output *ret, err *e)
{
    receive_output out = {.batch = NULL};
    otlp *o = open_decode(signal, in, &out);
    if (!o)
        return err_set(e, SK_NO_MEMORY, "memory is short; send the same request again later");
    buf transcoded;
    buf_init(&transcoded,
             5 * in->body.len + 64 * KIB); /* "1," of a list of doubles becomes 9 bytes */
    sk_code code = SK_OK;
    if (in->form == FORM_JSON) {
        bool was_cleaned = false;
        code = otlp_json_to_protobuf(signal->json, in->body, &transcoded, &was_cleaned, e);
        o->wire = buf_span(&transcoded);
        if (was_cleaned)
            otlp_warn(o, REASON_CONTEXT,
                      ": text that is not UTF-8 is stored with U+FFFD in its place");
    }
    if (code == SK_OK) {
        walk_request(o);
        code = finish(o, e);
    }
    if (code == SK_BAD_INPUT)
        hint_at_form(in, e);
    if (code == SK_OK) {
        out.batch = o->b;
        o->b = NULL;
        *ret = out;
    }
    buf_done(&transcoded);
    close_decode(o);
    return code;
}
