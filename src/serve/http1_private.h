/*
 * serve/http1_private.h: the state of one HTTP/1 connection, shared by http1.c (reading) and
 * http1_reply.c (writing).
 */
#ifndef SERVE_HTTP1_PRIVATE_H
#define SERVE_HTTP1_PRIVATE_H

#include <llhttp.h>

#include "serve/protocol.h"

typedef enum http1_phase {
    HTTP1_HEAD, /* collecting a head */
    HTTP1_BODY,
    HTTP1_WAIT, /* the message is complete; its reply is not */
} http1_phase;

typedef struct http1 {
    protocol base; /* first */
    protocol_host host;
    llhttp_t parser;
    http1_phase phase;
    exchange *x; /* the request under way, from its complete head on */

    buf head;
    uint8_t last_byte;
    size_t line_bytes, line_count; /* of the head: bytes in the current line, lines ended */
    span field;                    /* the header name being parsed */
    span target;
    bool is_chunked, has_length, expects_continue;
    bool head_failed; /* too many headers */
    bool is_complete; /* the parser saw the end of the message */

    buf pending;              /* input that came while a request was under way */
    uint64_t discard_left;    /* of a refused request's body */
    int64_t began_ns, now_ns; /* the head's first byte, then the body's */

    buf early; /* "100 Continue" */
    bool is_ready, is_head_sent, is_reply_done, is_chunked_reply;
    bool keep_alive; /* the request allows another one */
    bool must_close; /* input is out of step or not worth reading */
    bool input_ended, is_draining, is_done;
} http1;

#define HTTP1_PENDING_MAX (64 * KIB)
#define HTTP1_DISCARD_MAX ((uint64_t)MIB)

void http1__pump(protocol *p, buf *out);
void http1__next(http1 *h); /* after a message and its reply are complete */

#endif
