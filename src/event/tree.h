/*
 * event/tree.h: one trace as a tree: parents, depth, self time, critical path. Used by engine (trace by id, service
 * map) and cli (waterfall). Pure; works in the caller's arena.
 *
 * Self time = duration minus the union of the direct child spans' intervals clipped to it; consumer children do not
 * count (DESIGN §3). Critical path: from every root's end backwards, always the child whose end is the latest before the
 * current instant (reference/ui.md §3); precisely: children are clipped to what is left of their critical parent, empty
 * ones and consumers are left out; of those ending at or before the cursor the one ending last is critical (of several
 * the earliest start, then the lowest row), its start is the new cursor, and the same holds within it.
 */
#ifndef EVENT_TREE_H
#define EVENT_TREE_H

#include "base/arena.h"
#include "base/err.h"
#include "event/types.h"

#define TREE_NONE UINT32_MAX

/* OTLP's numbers; text forms as in honeycomb.md §2.4. */
typedef enum span_kind {
    KIND_UNSPECIFIED,
    KIND_INTERNAL,
    KIND_SERVER,
    KIND_CLIENT,
    KIND_PRODUCER,
    KIND_CONSUMER
} span_kind;

span_kind span_kind_parse(span text); /* unknown: KIND_UNSPECIFIED */
const char *span_kind_name(span_kind k);

typedef struct tree_span {         /* in: one row each */
    uint64_t span_id, parent_id;   /* span events, links, logs: span_id 0, parent_id = their span */
    int64_t start_ns, duration_ns; /* duration ≥ 0 */
    span_kind kind;
    bool is_error;
} tree_span;

typedef struct tree_node { /* out, one per row */
    /* A row, or TREE_NONE: a root, an orphan, or a cycle that was cut (its lowest row becomes root). */
    uint32_t parent;
    uint32_t first_child, next_sibling; /* spans only, ordered by start, then row */
    uint32_t depth;
    uint32_t child_count, descendant_count;
    int64_t self_ns;
    bool is_critical, parent_missing;
} tree_node;

typedef struct tree {
    uint32_t count;
    tree_node *nodes; /* annotations (span_id 0) have a parent and a depth, nothing else */
    uint32_t *order;  /* depth-first, roots by start: the waterfall's order, annotations left out */
    uint32_t order_count;
    uint32_t root_count, missing_count;
    const uint64_t *missing_parents; /* distinct, ascending, missing_count of them */
} tree;

/* Rows with the same span id (client and server sharing one, or repeats): children attach to the first server, else to
 * the first; a server attaches to the first client of its own id, if there is one. Missing parents are those of
 * annotations too. Scratch memory is left in the arena: about 100 bytes a row. SK_NO_MEMORY only. */
sk_code tree_build(const tree_span *spans, uint32_t count, arena *mem, tree *ret, err *e) must_use;

#endif
