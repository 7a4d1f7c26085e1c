/* main/serve.h: `skep serve`: opens everything in order, waits for a signal, closes everything in order. */
#ifndef MAIN_SERVE_H
#define MAIN_SERVE_H

#include "main/config.h"

/* `program`: how this one was called, for commands that are printed to be pasted. */
int main_serve(const char *program, int argc, char **argv); /* the process's exit code */

#endif
