/*
 * serve/tls.h: TLS 1.2 and 1.3 over OpenSSL's memory BIOs: bytes in, bytes out, no socket. One
 * context per I/O loop (OpenSSL 3.0 contends for locks in shared ones).
 */
#ifndef SERVE_TLS_H
#define SERVE_TLS_H

#include "base/buf.h"
#include "base/err.h"

typedef struct tls_context tls_context;
typedef struct tls tls;

/* PEM files; the error says which and why. */
sk_code tls_context_new(const char *cert_file, const char *key_file, tls_context **ret,
                        err *e) must_use;
void tls_context_free(tls_context *take_c); /* NULL is fine */

tls *tls_new(tls_context *c); /* NULL when memory is short */
void tls_free(tls *take_t);   /* NULL is fine */
/* Encrypted bytes from the peer; plain ones are appended to *plain. False: the connection is broken
 * (send what tls_send gives, then close). *ret_end: the peer closed its side properly. */
bool tls_feed(tls *t, span bytes, buf *plain, bool *ret_end);
/* Plain bytes out (may be empty), encrypted into *wire, with what the handshake or an alert has to
 * say. */
bool tls_send(tls *t, span plain, buf *wire);
void tls_shutdown(tls *t);       /* close_notify: for the next tls_send */
bool tls_is_ready(const tls *t); /* the handshake is complete */
bool tls_is_http2(const tls *t); /* by ALPN */

#endif
