/*
 * serve/http1_reply.c: replies as HTTP/1 bytes: status line, headers, body by length, by chunks or
 * to the end. Called by conn.c whenever there is room to send. Never: writes a header value that
 * was not checked (exchange_set_header).
 */
#include "base/must.h"
#include "serve/http1_private.h"

static const struct {
    int status;
    const char *reason;
} reasons[] = {{200, "OK"},
               {201, "Created"},
               {202, "Accepted"},
               {204, "No Content"},
               {206, "Partial Content"},
               {301, "Moved Permanently"},
               {302, "Found"},
               {303, "See Other"},
               {304, "Not Modified"},
               {400, "Bad Request"},
               {401, "Unauthorized"},
               {403, "Forbidden"},
               {404, "Not Found"},
               {405, "Method Not Allowed"},
               {408, "Request Timeout"},
               {409, "Conflict"},
               {413, "Content Too Large"},
               {415, "Unsupported Media Type"},
               {422, "Unprocessable Content"},
               {429, "Too Many Requests"},
               {499, "Client Closed Request"},
               {500, "Internal Server Error"},
               {501, "Not Implemented"},
               {503, "Service Unavailable"},
               {504, "Gateway Timeout"}};

static const char *reason_of(int status)
{
    for (size_t i = 0; i < COUNT_OF(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Status";
}

static void send_head(http1 *h, buf *out)
{
    exchange *x = h->x;
    uint64_t length;
    bool is_whole = exchange__reply_length(x, &length), has_body = exchange__has_body(x);
    exchange__reply_head(x);
    h->is_head_sent = true;
    h->is_chunked_reply = !is_whole && has_body && x->version == HTTP_1_1;
    bool keep = h->keep_alive && !h->must_close && !h->is_draining && !h->input_ended;
    if (!is_whole && has_body && !h->is_chunked_reply)
        keep = h->keep_alive = false; /* HTTP/1.0: the end of the connection ends the body */
    buf_print(out, "HTTP/1.1 %d %s\r\n", x->status, reason_of(x->status));
    buf_add_span(out, buf_span(&x->reply_head));
    if (is_whole && x->status != 204 && x->status != 304)
        buf_print(out, "content-length: %llu\r\n", (unsigned long long)length);
    if (h->is_chunked_reply)
        buf_add_text(out, "transfer-encoding: chunked\r\n");
    if (!keep)
        buf_add_text(out, "connection: close\r\n");
    else if (x->version == HTTP_1_0)
        buf_add_text(out, "connection: keep-alive\r\n");
    buf_add_text(out, "\r\n");
    if (!has_body) {
        x->sent_bytes = 0;
        h->is_reply_done = is_whole;
    }
}

/* One slice of the body; false when there is nothing for now. */
static bool send_slice(http1 *h, buf *out)
{
    uint8_t slice[16 * KIB];
    bool is_end;
    size_t len = exchange__pull(h->x, slice, sizeof slice, &is_end);
    if (!exchange__has_body(h->x)) {
        h->is_reply_done = is_end;
        return !is_end && len > 0;
    }
    if (len > 0 && h->is_chunked_reply) {
        buf_print(out, "%zx\r\n", len);
        buf_add(out, slice, len);
        buf_add_text(out, "\r\n");
    } else {
        buf_add(out, slice, len);
    }
    if (is_end && h->is_chunked_reply)
        buf_add_text(out, "0\r\n\r\n");
    h->is_reply_done = is_end;
    return !is_end && len > 0;
}

void http1__pump(protocol *p, buf *out)
{
    http1 *h = (http1 *)p;
    buf_add_span(out, buf_span(&h->early));
    buf_clear(&h->early);
    while (h->x && h->is_ready && out->len < PUMP_BYTES) {
        if (!h->is_head_sent)
            send_head(h, out);
        while (!h->is_reply_done && out->len < PUMP_BYTES && send_slice(h, out))
            ;
        if (!h->is_reply_done || (h->phase != HTTP1_WAIT && !h->must_close))
            break;
        http1__next(h);
    }
    if (out->failed) /* no memory: the reply cannot be completed */
        h->is_done = true;
}
