/*
 * serve/http2_private.h: the state of one HTTP/2 connection, shared by http2.c (reading) and
 * http2_reply.c (writing).
 */
#ifndef SERVE_HTTP2_PRIVATE_H
#define SERVE_HTTP2_PRIVATE_H

#include <nghttp2/nghttp2.h>

#include "serve/protocol.h"

typedef struct http2 http2;

typedef struct http2_stream {
    http2 *owner;
    struct http2_stream *next, *previous;
    exchange *x; /* NULL once it is let go of */
    int32_t id;
    span method, target;
    bool head_failed, has_head;
    bool is_complete;  /* the request came whole */
    bool is_submitted; /* the reply's head was handed to nghttp2 */
    bool is_deferred;  /* nghttp2 waits for more of the body */
    bool is_given_up;  /* reset: the peer took nothing for too long */
    int64_t body_began_ns;
    int64_t moved_ns; /* when the peer's windows last let some of the reply go */
} http2_stream;

struct http2 {
    protocol base; /* first */
    protocol_host host;
    nghttp2_session *session;
    http2_stream *streams;
    uint32_t stream_count;
    int64_t now_ns, began_ns;
    int64_t moved_ns;   /* as a stream's, of any */
    double resets_left; /* token bucket */
    int64_t resets_at_ns;
    bool has_settings; /* the peer's first SETTINGS came */
    bool is_draining, sent_goaway, input_ended, is_done;
};

void http2__submit(http2_stream *s); /* the reply is ready, or more of it */
void http2__pump(protocol *p, buf *out);

#endif
