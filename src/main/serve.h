/* main/serve.h: `skep serve`: opens everything in order, waits for a signal, closes everything in order. */
#ifndef MAIN_SERVE_H
#define MAIN_SERVE_H

#include "main/config.h"

int main_serve(int argc, char **argv); /* the process's exit code */

#endif
