/*
 * serve/http2_reply.c: replies as HTTP/2 frames: headers, body as flow control allows, gRPC
 * trailers. Called by http2.c when a reply is ready and by conn.c whenever there is room to send.
 * Never: copies a body it cannot send yet.
 */
#include <stdio.h>

#include "serve/http2_private.h"

#define FIELDS_MAX 64u

static nghttp2_nv field(span name, span text)
{
    union {
        const uint8_t *in;
        uint8_t *out; /* nghttp2 does not write through it */
    } n = {name.at}, t = {text.at};
    return (nghttp2_nv){n.out, t.out, name.len, text.len, NGHTTP2_NV_FLAG_NONE};
}

static size_t add_status_fields(const exchange *x, nghttp2_nv *fields, size_t count, char text[16])
{
    int len = snprintf(text, 16, "%d", x->grpc_status);
    fields[count++] = field(SPAN("grpc-status"), span_of(text, (size_t)len));
    if (x->grpc_message.len > 0)
        fields[count++] = field(SPAN("grpc-message"), x->grpc_message);
    if (x->grpc_details.len > 0)
        fields[count++] = field(SPAN("grpc-status-details-bin"), x->grpc_details);
    return count;
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *out, size_t room,
                         uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
    http2_stream *s = source->ptr;
    bool is_end;
    s->moved_ns = s->owner->moved_ns = s->owner->now_ns;
    size_t len = exchange__pull(s->x, out, room, &is_end);
    if (is_end) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (s->x->is_grpc) {
            nghttp2_nv fields[3];
            char text[16];
            size_t count = add_status_fields(s->x, fields, 0, text);
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            if (nghttp2_submit_trailer(session, id, fields, count))
                return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        }
    } else if (len == 0) {
        s->is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    return (ssize_t)len;
}

void http2__submit(http2_stream *s)
{
    http2 *h = s->owner;
    exchange *x = s->x;
    s->moved_ns = h->now_ns;
    if (s->is_submitted) {
        if (s->is_deferred)
            nghttp2_session_resume_data(h->session, s->id);
        s->is_deferred = false;
        return;
    }
    s->is_submitted = true;
    exchange__reply_head(x);
    nghttp2_nv fields[FIELDS_MAX];
    char status[16], length_text[24], grpc[16];
    uint64_t length;
    int len = snprintf(status, sizeof status, "%d", x->status);
    size_t count = 0;
    fields[count++] = field(SPAN(":status"), span_of(status, (size_t)len));
    span rest = buf_span(&x->reply_head), name, text;
    while (count < FIELDS_MAX - 4 && exchange__reply_line(&rest, &name, &text))
        fields[count++] = field(name, text);
    bool has_body = exchange__has_body(x), is_whole = exchange__reply_length(x, &length);
    if (is_whole && !x->is_grpc && x->status != 204 && x->status != 304) {
        len = snprintf(length_text, sizeof length_text, "%llu", (unsigned long long)length);
        fields[count++] = field(SPAN("content-length"), span_of(length_text, (size_t)len));
    }
    if (x->is_grpc && is_whole && length == 0) { /* Trailers-Only */
        count = add_status_fields(x, fields, count, grpc);
        has_body = false;
    }
    nghttp2_data_provider body = {.source.ptr = s, .read_callback = read_body};
    bool no_body = !has_body || (is_whole && length == 0 && !x->is_grpc);
    if (nghttp2_submit_response(h->session, s->id, fields, count, no_body ? NULL : &body))
        nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_INTERNAL_ERROR);
}

void http2__pump(protocol *p, buf *out)
{
    http2 *h = (http2 *)p;
    while (out->len < PUMP_BYTES) {
        const uint8_t *at;
        ssize_t len = nghttp2_session_mem_send(h->session, &at);
        if (len <= 0) {
            h->is_done |= len < 0;
            break;
        }
        buf_add(out, at, (size_t)len);
    }
    h->is_done |= out->failed;
}
