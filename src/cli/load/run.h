/*
 * cli/load/run.h: sends prepared bodies with several connections, at a rate or as fast as they are answered, and measures.
 */
#ifndef CLI_LOAD_RUN_H
#define CLI_LOAD_RUN_H

#include "cli/load/body_file.h"
#include "cli/load/shape.h"

typedef struct load_options {
    const char *url, *key;
    patch_signal signal;
    uint64_t items;     /* stop after so many spans or log records */
    double items_per_s; /* 0 = as fast as possible */
    uint32_t connections;
    uint32_t body_count;
    const load_body *bodies;       /* originals; used in turn, each time with new ids and times */
    bool keep_as_is;               /* send them unchanged */
    body_file *file;               /* instead of bodies: each of its requests once, unchanged */
    bool (*is_stopped)(void *ctx); /* asked often, from the calling thread */
    void (*progress)(void *ctx, uint64_t items, double seconds); /* every second; may be NULL */
    void *ctx;
} load_options;

typedef struct load_report {
    uint64_t items, requests, bytes, retries,
        refused; /* refused: requests answered with an error that stays */
    double seconds;
    double p50_ms, p90_ms, p99_ms, p999_ms, max_ms; /* of acknowledged requests */
    char first_refusal[256];
} load_report;

sk_code load_run(const load_options *o, load_report *ret, err *e) must_use;

#endif
