/*
 * cli/load/trees.h: the shapes of real call trees and how long their parts take, as a table of figures. The table is made by
 * tools/load_table.py, which says what each figure is.
 */
#ifndef CLI_LOAD_TREES_H
#define CLI_LOAD_TREES_H

#include "base/port.h"

typedef enum tree_kind {
    TREE_INTERNAL,
    TREE_HTTP_SERVER,
    TREE_HTTP_CLIENT,
    TREE_RPC_SERVER,
    TREE_RPC_CLIENT,
    TREE_DATABASE,
    TREE_PRODUCER,
    TREE_CONSUMER,
} tree_kind;

enum {
    TREE_BESIDE = 1, /* starts while the sibling before it still runs */
    TREE_ASYNC = 2,  /* its parent does not wait for it */
};

#define TREE_QUANTILES 9 /* at 0, 5, 25, 50, 75, 90, 95, 99 and 99.9 percent */

typedef struct tree_op {
    uint8_t service, kind, flags;                        /* kind: tree_kind */
    uint32_t lead[TREE_QUANTILES], tail[TREE_QUANTILES]; /* tenths of a microsecond */
} tree_op;

typedef struct tree_node { /* of a tree in preorder */
    uint16_t op, depth;
} tree_node;

typedef struct tree_shape {
    uint32_t first, count, weight; /* of tree_nodes; weight: traces of this shape in the source */
} tree_shape;

#define TREE_SERVICES_MAX 64u
#define TREE_SPANS_MAX    256u

extern const tree_op tree_ops[];
extern const uint32_t tree_op_count;
extern const tree_node tree_nodes[];
extern const tree_shape tree_shapes[];
extern const uint32_t tree_shape_count;

#endif
