/* main/ready.h: what a start says, on standard output and standard error. */
#ifndef MAIN_READY_H
#define MAIN_READY_H

#include "main/config.h"
#include "meta/meta.h"
#include "serve/serve.h"

typedef struct ready {
    const config *config;
    const server *server;
    const first_keys *first;
    const char *login_token; /* a link for the administrator; empty: none is needed */
} ready;

void ready_choose_url(const server *s, char *out, size_t size);
/* Whether anyone but this machine can reach the server: who comes from elsewhere has to log in. */
bool ready_is_off_loopback(const server *s);
void ready_print_line(const ready *r, const char *url); /* standard output: exactly one line */
/* `program`: how people started us. */
void ready_print_welcome(const ready *r, const char *program, const char *url);

#endif
