/*
 * cli/node.h: a JSON reply as a tree, for printing: small, obvious, in one arena. (Where speed counts, wire/json.h.)
 */
#ifndef CLI_NODE_H
#define CLI_NODE_H

#include "wire/json.h"

typedef enum node_kind {
    NODE_NULL,
    NODE_BOOL,
    NODE_NUMBER,
    NODE_TEXT,
    NODE_LIST,
    NODE_OBJECT
} node_kind;

typedef struct node {
    node_kind kind;
    bool truth;
    span key;  /* in an object */
    span text; /* text; a number as written; "true", "false", "" for null */
    uint32_t count;
    struct node *first, *next;
} node;

/* The texts live as long as `json_text` and the arena. */
sk_code node_parse(span json_text, arena *mem, const node **ret, err *e) must_use;

/* All take NULL for "is not there". */
const node *node_get(const node *object, const char *key); /* NULL when absent */
const node *node_get_span(const node *object, span key);
span node_text(const node *n);                       /* "" for NULL and containers */
double node_number(const node *n, double otherwise); /* a number, or a text of one */
uint64_t node_count(const node *n); /* a whole number ≥ 0, or a text of one; else 0 */
int64_t node_integer(const node *n);
bool node_is_true(const node *n);
static inline const node *node_first(const node *n)
{
    return n ? n->first : NULL;
}

#endif
