/*
 * store/build.h: one new segment file from the rows of some parts: what sealing (one open set), merging (some segments) and
 * dropping (one segment, without some rows) have in common.
 */
#ifndef STORE_BUILD_H
#define STORE_BUILD_H

#include "store/segment.h"

typedef struct build_request {
    const part *const *parts;
    uint32_t part_count;
    const uint64_t *selected; /* bit per row of the only part; NULL = all */
    const char *path;         /* to be written; must not exist */
    encoder *encoder;
    segment_facts facts;        /* filled in: row and column counts, order, times */
    const atomic_bool *cancel;  /* may be NULL; SK_CLOSING once true */
    const store_cacher *cacher; /* NULL: nothing is made of the rows */
    const segment_hash *hashes;
    uint32_t hash_count;
} build_request;

/* Writes and syncs the file. On failure the file is removed if it can be. */
sk_code build_segment(build_request *b, err *e) must_use;

#endif
