/*
 * cli/demo/run.h: the shop alive: a past that is sent at once, then visits in real time until told to stop.
 */
#ifndef CLI_DEMO_RUN_H
#define CLI_DEMO_RUN_H

#include "base/err.h"
#include "cli/demo/fault.h"

typedef struct demo_options {
    const char *url; /* of the server, without a path */
    const char *key; /* environment demo's ingest key */
    uint64_t seed;
    double visits_per_s;
    int64_t past_ns; /* how much history to send first; the fault begins in the last third of it */
    bool is_quiet;
    bool past_only;
    bool (*is_stopped)(void *ctx); /* asked often: Ctrl-C, SIGTERM */
    void (*say)(void *ctx, const char *line);
    void *ctx;
} demo_options;

/* Runs until stopped (SK_OK). A server that is gone is tried again every second for a minute, then SK_IO. */
sk_code demo_run(const demo_options *o, err *e) must_use;

#endif
