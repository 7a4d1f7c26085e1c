/* JSON against a library: random documents must be read alike by ours and by jansson. */
#include "wire_jansson.h"

#include <jansson.h>

static void trace(const json_t *node, buf *out)
{
    const char *key;
    const json_t *item;
    size_t i, len;
    switch (json_typeof(node)) {
    case JSON_OBJECT:
        buf_add_text(out, "{ ");
        for (void *at = json_object_iter((json_t *)(uintptr_t)node); at;
             at = json_object_iter_next((json_t *)(uintptr_t)node, at)) {
            key = json_object_iter_key(at);
            len = json_object_iter_key_len(at);
            buf_add_u8(out, '<');
            buf_add(out, key, len);
            buf_add_text(out, ">: ");
            trace(json_object_iter_value(at), out);
        }
        buf_add_text(out, "} ");
        break;
    case JSON_ARRAY:
        buf_add_text(out, "[ ");
        json_array_foreach(node, i, item) trace(item, out);
        buf_add_text(out, "] ");
        break;
    case JSON_STRING:
        buf_add_u8(out, '<');
        buf_add(out, json_string_value(node), json_string_length(node));
        buf_add_text(out, "> ");
        break;
    case JSON_INTEGER: buf_print(out, "i%lld ", (long long)json_integer_value(node)); break;
    case JSON_REAL: buf_print(out, "f%.17g ", json_real_value(node)); break;
    case JSON_TRUE: buf_add_text(out, "true "); break;
    case JSON_FALSE: buf_add_text(out, "false "); break;
    case JSON_NULL: buf_add_text(out, "null "); break;
    }
}

jansson_verdict jansson_trace(span text, buf *out, char ret_why[160])
{
    json_error_t why;
    json_t *tree = json_loadb((const char *)text.at, text.len,
                              JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &why);
    if (tree) {
        trace(tree, out);
        json_decref(tree);
        return JANSSON_TAKES;
    }
    memcpy(ret_why, why.text, sizeof why.text < 160 ? sizeof why.text : 160);
    enum json_error_code code = json_error_code(&why);
    bool cannot = code == json_error_numeric_overflow || code == json_error_duplicate_key ||
                  strstr(why.text, "Unicode");
    return cannot ? JANSSON_CANNOT : JANSSON_REFUSES;
}
