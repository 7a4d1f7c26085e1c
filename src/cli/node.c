/*
 * cli/node.c: JSON to a tree. Called by api.c for every reply.
 * Never: recurses deeper than JSON_DEPTH_MAX, which the reader enforces.
 */
#include "cli/node.h"

static node *new_node(json *j, arena *mem, sk_code *failed)
{
    node *n = ARENA_NEW(mem, node);
    if (!n) {
        *failed = SK_NO_MEMORY;
        return NULL;
    }
    switch (j->kind) {
    case JSON_STRING: n->kind = NODE_TEXT; break;
    case JSON_NUMBER: n->kind = NODE_NUMBER; break;
    case JSON_TRUE:
    case JSON_FALSE:
        n->kind = NODE_BOOL;
        n->truth = j->kind == JSON_TRUE;
        n->text = n->truth ? SPAN("true") : SPAN("false");
        return n;
    case JSON_ARRAY: n->kind = NODE_LIST; return n;
    case JSON_OBJECT: n->kind = NODE_OBJECT; return n;
    case JSON_END:
    case JSON_OBJECT_END:
    case JSON_ARRAY_END:
    case JSON_KEY: *failed = SK_BAD_INPUT; return NULL;
    case JSON_NULL: return n;
    }
    n->text = j->text;
    return n;
}

/* At a value's first token. */
static node *read_node(json *j, arena *mem, sk_code *failed)
{
    node *n = new_node(j, mem, failed);
    if (!n || (n->kind != NODE_LIST && n->kind != NODE_OBJECT))
        return n;
    json_kind end = n->kind == NODE_LIST ? JSON_ARRAY_END : JSON_OBJECT_END;
    node **tail = &n->first;
    while (json_next(j) != end) {
        span key = {NULL, 0};
        if (j->kind == JSON_KEY) {
            key = j->text;
            json_next(j);
        }
        node *item = read_node(j, mem, failed);
        if (!item)
            return NULL;
        item->key = key;
        *tail = item;
        tail = &item->next;
        n->count++;
    }
    return n;
}

sk_code node_parse(span json_text, arena *mem, const node **ret, err *e)
{
    json j = json_of(json_text, mem);
    sk_code failed = SK_OK;
    json_next(&j);
    node *n = read_node(&j, mem, &failed);
    if (n && json_next(&j) == JSON_END && !j.failed) {
        *ret = n;
        return SK_OK;
    }
    if (failed == SK_NO_MEMORY)
        return err_set(e, SK_NO_MEMORY, "no memory to read the reply");
    sk_code code = json_error(&j, e);
    return code ? code : err_set(e, SK_BAD_INPUT, "the reply is not JSON");
}

const node *node_get_span(const node *object, span key)
{
    if (!object || object->kind != NODE_OBJECT)
        return NULL;
    for (const node *n = object->first; n; n = n->next)
        if (span_equal(n->key, key))
            return n;
    return NULL;
}

const node *node_get(const node *object, const char *key)
{
    return node_get_span(object, span_text(key));
}

span node_text(const node *n)
{
    return n && n->text.at ? n->text : SPAN("");
}

double node_number(const node *n, double otherwise)
{
    double v;
    return n && span_to_double(n->text, &v) ? v : otherwise;
}

uint64_t node_count(const node *n)
{
    uint64_t v;
    return n && span_to_u64(n->text, &v) ? v : 0;
}

int64_t node_integer(const node *n)
{
    int64_t v;
    return n && span_to_i64(n->text, &v) ? v : 0;
}

bool node_is_true(const node *n)
{
    return n && n->kind == NODE_BOOL && n->truth;
}
