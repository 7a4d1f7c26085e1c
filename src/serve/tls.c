/*
 * serve/tls.c: see tls.h. Called by conn.c on its loop. Never: renegotiates, falls below TLS 1.2,
 * or logs key material.
 */
#include "serve/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/alloc.h"

struct tls_context {
    SSL_CTX *ctx;
};

struct tls {
    SSL *ssl;
    BIO *in, *out; /* owned by ssl */
};

static sk_code explain(err *e, const char *what, const char *file)
{
    char text[160] = "unknown reason";
    unsigned long code = ERR_get_error();
    if (code)
        ERR_error_string_n(code, text, sizeof text);
    ERR_clear_error();
    return err_set(e, SK_BAD_INPUT, "%s %s cannot be used: %s", what, file, text);
}

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *in, unsigned in_len, void *ctx)
{
    static const unsigned char ours[] = "\x02h2\x08http/1.1";
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof ours - 1, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

sk_code tls_context_new(const char *cert_file, const char *key_file, tls_context **ret, err *e)
{
    if (!cert_file || !key_file)
        return err_set(e, SK_BAD_INPUT, "a tls:// listener needs --tls-cert and --tls-key");
    tls_context *c = base_alloc_zero(1, sizeof *c);
    if (!c || !(c->ctx = SSL_CTX_new(TLS_server_method()))) {
        base_free(c);
        return err_set(e, SK_NO_MEMORY, "no memory for TLS");
    }
    sk_code code = SK_OK;
    SSL_CTX_set_min_proto_version(c->ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(c->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                    SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(c->ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_alpn_select_cb(c->ctx, choose_protocol, NULL);
    if (SSL_CTX_use_certificate_chain_file(c->ctx, cert_file) != 1)
        code = explain(e, "the TLS certificate", cert_file);
    else if (SSL_CTX_use_PrivateKey_file(c->ctx, key_file, SSL_FILETYPE_PEM) != 1)
        code = explain(e, "the TLS key", key_file);
    else if (SSL_CTX_check_private_key(c->ctx) != 1)
        code = explain(e, "the TLS key does not belong to the certificate:", key_file);
    if (code) {
        tls_context_free(c);
        return code;
    }
    *ret = c;
    return SK_OK;
}

void tls_context_free(tls_context *take_c)
{
    if (!take_c)
        return;
    SSL_CTX_free(take_c->ctx);
    base_free(take_c);
}

tls *tls_new(tls_context *c)
{
    tls *t = base_alloc_zero(1, sizeof *t);
    if (!t)
        return NULL;
    t->ssl = SSL_new(c->ctx);
    t->in = BIO_new(BIO_s_mem());
    t->out = BIO_new(BIO_s_mem());
    if (!t->ssl || !t->in || !t->out) {
        SSL_free(t->ssl);
        BIO_free(t->in);
        BIO_free(t->out);
        base_free(t);
        return NULL;
    }
    SSL_set_bio(t->ssl, t->in, t->out);
    SSL_set_accept_state(t->ssl);
    return t;
}

void tls_free(tls *take_t)
{
    if (!take_t)
        return;
    SSL_free(take_t->ssl); /* and the BIOs */
    base_free(take_t);
}

static void move_out(tls *t, buf *wire)
{
    size_t waiting = BIO_ctrl_pending(t->out), len = 0;
    if (waiting == 0 || !buf_reserve(wire, waiting))
        return;
    if (BIO_read_ex(t->out, wire->at + wire->len, waiting, &len))
        wire->len += len;
}

bool tls_feed(tls *t, span bytes, buf *plain, bool *ret_end)
{
    size_t taken = 0;
    *ret_end = false;
    ERR_clear_error();
    if (bytes.len > 0 && (!BIO_write_ex(t->in, bytes.at, bytes.len, &taken) || taken != bytes.len))
        return false;
    for (;;) {
        size_t len = 0;
        if (!buf_reserve(plain, 16 * KIB))
            return false;
        int ok = SSL_read_ex(t->ssl, plain->at + plain->len, plain->capacity - plain->len, &len);
        plain->len += len;
        if (ok)
            continue;
        int why = SSL_get_error(t->ssl, ok);
        *ret_end = why == SSL_ERROR_ZERO_RETURN;
        ERR_clear_error();
        return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_ZERO_RETURN;
    }
}

bool tls_send(tls *t, span plain, buf *wire)
{
    ERR_clear_error();
    while (plain.len > 0) {
        size_t len = 0;
        if (!SSL_write_ex(t->ssl, plain.at, plain.len, &len))
            return false;
        plain = span_from(plain, len);
    }
    move_out(t, wire);
    return !wire->failed;
}

void tls_shutdown(tls *t)
{
    if (tls_is_ready(t))
        SSL_shutdown(t->ssl);
    ERR_clear_error();
}

bool tls_is_ready(const tls *t)
{
    return SSL_is_init_finished(t->ssl);
}

bool tls_is_http2(const tls *t)
{
    const unsigned char *name = NULL;
    unsigned len = 0;
    SSL_get0_alpn_selected(t->ssl, &name, &len);
    return len == 2 && memcmp(name, "h2", 2) == 0;
}
