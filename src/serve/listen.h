/*
 * serve/listen.h: addresses to listen on: their text form, sockets, and who holds a taken port.
 */
#ifndef SERVE_LISTEN_H
#define SERVE_LISTEN_H

#include <sys/socket.h>

#include "serve/http.h"

#define LISTENERS_MAX 64u

typedef struct listen_spec {
    char host[256]; /* name or number, without brackets; empty: every address */
    char port[8];   /* decimal */
    bool is_tls;
} listen_spec;

/* "[tcp|tls://]HOST:PORT". SK_BAD_INPUT says what the form is; xray-udp is SK_UNIMPLEMENTED. */
sk_code listen_parse(span text, listen_spec *ret, err *e) must_use;

/* Whether the host is a number or a name that this machine knows. */
sk_code listen_check(const listen_spec *s, err *e) must_use;

typedef struct listener {
    int fd;
    bool is_tls;
    http_address address; /* as bound */
} listener;

/* Binds every address the host stands for; adds to listeners[*count]. SK_CONFLICT when one is
 * taken: *e names the holder. SK_UNPROCESSABLE when this machine has no such address. */
sk_code listen_open(const listen_spec *s, listener *listeners, uint32_t *count, err *e) must_use;

void listen_address(const struct sockaddr *a, http_address *ret);

#endif
