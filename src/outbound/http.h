/*
 * outbound/http.h: one HTTP request to another server and its reply. Used by the terminal's commands, and by whatever
 * notifies or asks other servers. A client is used by one thread at a time and keeps its connections.
 *
 * Never: follows redirects (a key must not travel to another host), speaks anything but http and https, reads netrc or
 * cookies. Proxies of the environment are honoured, but not for this machine's own addresses.
 * Considered: writing our own client (TLS, proxies and HTTP/2 make libcurl the smaller risk).
 */
#ifndef OUTBOUND_HTTP_H
#define OUTBOUND_HTTP_H

#include "base/buf.h"
#include "base/err.h"

typedef struct http_client http_client;

typedef struct http_header {
    const char *name, *value;
} http_header;

typedef struct http_request {
    const char *method; /* "GET" … */
    const char *url;
    const http_header *headers;
    size_t header_count;
    span body;              /* sent when at != NULL, with the Content-Type among `headers` */
    int64_t timeout_ms;     /* of the whole call; 0 = none */
    int64_t connect_ms;     /* 0 = 10 s */
    size_t reply_bytes_max; /* 0 = 256 MiB; beyond: SK_TOO_LARGE */
    int cancel_fd;          /* readable → SK_CANCELLED at once; -1 or 0: none */
    /* Pieces of the body of a reply below 400, as they come, instead of into reply.body; false ends the call with
     * SK_OK. May be NULL. */
    bool (*piece)(void *ctx, span bytes);
    void *ctx;
} http_request;

typedef struct http_reply {
    int status;             /* of the HTTP reply; 0 when there was none */
    uint32_t retry_after_s; /* 0: not said */
    char content_type[64];  /* lower case, without parameters */
    buf body;               /* http_reply_done gives it back */
} http_reply;

http_client *http_client_new(void); /* NULL when memory is short */
void http_client_free(http_client *take_c);

/* SK_OK: a reply came, whatever its status. SK_IO: the server cannot be reached, or broke off; SK_TIMEOUT;
 * SK_CANCELLED; SK_TOO_LARGE; SK_BAD_INPUT: no URL. *ret needs http_reply_done in every case. */
sk_code http_call(http_client *c, const http_request *r, http_reply *ret, err *e) must_use;
void http_reply_done(http_reply *reply);

/* Is the URL's host localhost, 127.… or [::1]? */
bool http_url_is_loopback(const char *url);
/* Appends `text` percent-encoded, for a path segment or a query value. */
void http_encode(buf *out, span text);

#endif
