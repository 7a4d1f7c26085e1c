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
} ready;

void ready_choose_url(const server *s, char *out, size_t size);
void ready_print_line(const ready *r, const char *url); /* standard output: exactly one line */
/* `program`: how people started us. */
void ready_print_welcome(const ready *r, const char *program, const char *url);

#endif
