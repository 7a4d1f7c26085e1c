/*
 * cli/load/call_tree.h: one trace grown from the table of real call trees: who calls whom, when, for how long, with calls that
 * fail and are tried again.
 */
#ifndef CLI_LOAD_CALL_TREE_H
#define CLI_LOAD_CALL_TREE_H

#include "cli/demo/random.h"
#include "cli/load/trees.h"

typedef struct grown_span {
    uint16_t op;
    int16_t parent; /* index of its parent in the trace, before it; -1 = root */
    bool is_error, is_retry;
    int64_t start_ns, end_ns;
} grown_span;

/* Returns how many spans were made, at most TREE_SPANS_MAX. */
uint32_t tree_grow(dice *d, int64_t start_ns, grown_span *out);

#endif
