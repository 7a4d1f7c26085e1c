/*
 * serve/protocol.h: what a connection is to the protocol on it, and the other way round. A protocol
 * has no socket: bytes come in by `feed`, go out into a buffer by `pump`; time comes as an
 * argument. http1.c and http2.c are the two.
 */
#ifndef SERVE_PROTOCOL_H
#define SERVE_PROTOCOL_H

#include "serve/exchange_private.h"

/* `pump` stops filling the buffer beyond this; it is called again when that was sent. */
#define PUMP_BYTES (256 * KIB)

typedef struct protocol_host {
    request_origin from;
    void (*kick)(void *ctx); /* there is something to pump, or the wish to close has come up */
    void *ctx;
} protocol_host;

typedef struct protocol protocol;

typedef struct protocol_ops {
    void (*feed)(protocol *p, span bytes, int64_t now_ns);
    void (*end_of_input)(protocol *p); /* the peer will send no more (it may still read) */
    void (*pump)(protocol *p, buf *out);
    bool (*wants_input)(const protocol *p);    /* false: stop reading from the socket for now */
    bool (*wants_close)(const protocol *p);    /* once what was pumped is sent */
    int64_t (*deadline_ns)(const protocol *p); /* INT64_MAX: none but the idle one. See `expire` */
    void (*expire)(protocol *p);               /* the deadline passed */
    void (*tick)(protocol *p, int64_t now_ns); /* some times a second */
    void (*drain)(protocol *p);                /* finish what runs, then want to close */
    bool (*is_idle)(const protocol *p);        /* no request under way */
    void (*free)(protocol *take_p);            /* lets go of its exchanges */
} protocol_ops;

struct protocol { /* first member of each */
    const protocol_ops *ops;
};

protocol *http1_new(const protocol_host *host);
protocol *http2_new(const protocol_host *host, int64_t now_ns);

/* How long a body may take: so long before anything, then a second for each KiB that came. */
static inline int64_t body_deadline_ns(const serve_limits *l, int64_t began_ns,
                                       uint64_t received_bytes)
{
    return began_ns + (int64_t)l->body_ms * NS_PER_MS + (int64_t)(received_bytes / KIB) * NS_PER_S;
}

#endif
