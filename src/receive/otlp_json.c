/*
 * receive/otlp_json.c: an OTLP request in JSON becomes the same request in protobuf, so that one
 * decoder and one mapping serve both. Called by otlp_envelope.c. Guided by the table of
 * otlp_schema.c; no tree is built. Liberal as otlp.md §3 asks: lowerCamelCase or snake_case keys in
 * any order, ids in hex or base64, 64-bit integers as text or numbers, enums as numbers or names,
 * null as absent, unknown keys ignored. A value of the wrong type inside an item (span, log record,
 * data point) costs that item alone: its place is taken by an item that holds only the reason
 * (OTLP_REFUSED_FIELD). Anywhere else it refuses the request, naming the place. Considered:
 * protobuf-c's and jansson's trees (40–150 MB/s, c-style.md §6).
 */
#include <stdio.h>

#include "receive/otlp_private.h"
#include "receive/otlp_schema_private.h"
#include "wire/json.h"

#define PATH_MAX_STEPS 24u
#define NO_INDEX       UINT32_MAX /* the list itself is meant, not one of its elements */

typedef struct transcode {
    json j;
    arena *mem;
    arena_mark mark;
    buf *out;
    const json_field *path[PATH_MAX_STEPS]; /* the fields entered, outermost first */
    uint32_t index[PATH_MAX_STEPS];         /* of the element, for repeated ones */
    uint32_t depth;      /* may pass PATH_MAX_STEPS: what is deeper is not named */
    uint32_t item_depth; /* depth of the path up to the item, 0 outside one */
    char why[160];       /* a value of the wrong type; empty when there is none */
} transcode;

/* ---- what is wrong, in words ---- */

static size_t print_path(const transcode *t, uint32_t from, char *out, size_t size)
{
    size_t len = 0;
    out[0] = 0;
    for (uint32_t i = from; i < t->depth && i < PATH_MAX_STEPS && len < size; i++) {
        const char *dot = i > 0 ? "." : "";
        int n =
            t->path[i]->is_repeated && t->index[i] != NO_INDEX
                ? snprintf(out + len, size - len, "%s%s[%u]", dot, t->path[i]->name, t->index[i])
                : snprintf(out + len, size - len, "%s%s", dot, t->path[i]->name);
        len += n > 0 ? (size_t)n : 0;
    }
    return len < size ? len : size - 1;
}

static bool wrong(transcode *t, const char *expected)
{
    static const char *const kinds[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",      [JSON_NULL] = "null",
    };
    char path[96];
    print_path(t, t->item_depth, path, sizeof(path));
    if (t->j.kind == JSON_STRING || t->j.kind == JSON_NUMBER) {
        span text = span_first(t->j.text, 20);
        const char *quote = t->j.kind == JSON_STRING ? "\"" : "";
        const char *more = t->j.text.len > text.len ? "…" : "";
        snprintf(t->why, sizeof(t->why), "%s is %s%.*s%s%s; it must be %s", path, quote,
                 SPAN_FMT(text), more, quote, expected);
    } else {
        snprintf(t->why, sizeof(t->why), "%s is %s; it must be %s", path, kinds[t->j.kind],
                 expected);
    }
    return false;
}

/* ---- scalars ---- */

static bool key_is(span key, const char *name)
{
    size_t i = 0;
    for (; *name; name++) {
        bool is_capital = *name >= 'A' && *name <= 'Z';
        if (i < key.len && key.at[i] == (uint8_t)*name) {
            i++;
        } else if (is_capital && i + 1 < key.len && key.at[i] == '_' &&
                   key.at[i + 1] == (uint8_t)(*name | 0x20)) {
            i += 2;
        } else {
            return false;
        }
    }
    return i == key.len;
}

static const json_field *find_field(const json_message *message, span key)
{
    for (uint32_t i = 0; i < message->field_count; i++)
        if (key_is(key, message->fields[i].name))
            return &message->fields[i];
    return NULL;
}

static bool hex_decode(span text, uint8_t *out)
{
    for (size_t i = 0; i < text.len; i += 2) {
        uint64_t byte;
        if (!span_to_hex64(span_of(text.at + i, 2), &byte))
            return false;
        out[i / 2] = (uint8_t)byte;
    }
    return true;
}

/* An id that is neither hex nor base64 becomes one byte: the decoder refuses it for its length. */
static void put_id(transcode *t, uint32_t number, span text)
{
    uint8_t bytes[48] = {0};
    size_t len = 1;
    if (text.len == 0)
        return;
    if (text.len % 2 == 0 && text.len <= 64 && hex_decode(text, bytes))
        len = text.len / 2;
    else if (text.len > 32 || !base64_decode(text, bytes, &len) || (len != 16 && len != 8))
        len = 1;
    pb_put_bytes(t->out, number, span_of(bytes, len));
}

static bool put_bytes(transcode *t, const json_field *f)
{
    if (t->j.kind != JSON_STRING)
        return wrong(t, "base64 text");
    span text = t->j.text;
    size_t len = 0;
    uint8_t *bytes = arena_alloc(t->mem, 3 * (text.len / 4) + 3, 1);
    if (!bytes)
        return false;
    if (!base64_decode(text, bytes, &len))
        return wrong(t, "base64 text");
    pb_put_bytes(t->out, f->number, span_of(bytes, len));
    return true;
}

static bool put_enum(transcode *t, const json_field *f)
{
    int64_t v;
    if (json_i64(&t->j, &v)) {
        pb_put_var(t->out, f->number, (uint64_t)v);
        return true;
    }
    if (t->j.kind != JSON_STRING)
        return wrong(t, "a number or one of the names of its enum");
    for (uint64_t i = 0; f->enum_names[i]; i++)
        if (span_is(t->j.text, f->enum_names[i]))
            pb_put_var(t->out, f->number, i);
    return true; /* a name of a later version stays unspecified */
}

static bool put_signed(transcode *t, const json_field *f)
{
    int64_t v;
    bool is_narrow = f->type == JSON_TYPE_SINT32;
    if (!json_i64(&t->j, &v) || (is_narrow && (v < INT32_MIN || v > INT32_MAX)))
        return wrong(t,
                     is_narrow ? "a 32-bit integer" : "a 64-bit integer, as a number or as text");
    if (f->type == JSON_TYPE_INT64)
        pb_put_var(t->out, f->number, (uint64_t)v);
    else if (f->type == JSON_TYPE_SFIXED64)
        pb_put_i64(t->out, f->number, (uint64_t)v);
    else
        pb_put_var(t->out, f->number, (uint64_t)v << 1 ^ (uint64_t)(v >> 63)); /* zigzag */
    return true;
}

static bool put_unsigned(transcode *t, const json_field *f)
{
    uint64_t v;
    bool is_narrow = f->type == JSON_TYPE_UINT32 || f->type == JSON_TYPE_FIXED32;
    if (!json_u64(&t->j, &v) || (is_narrow && v > UINT32_MAX))
        return wrong(t, is_narrow ? "an unsigned 32-bit integer"
                                  : "an unsigned 64-bit integer, as a number or as text");
    if (f->type == JSON_TYPE_FIXED64)
        pb_put_i64(t->out, f->number, v);
    else if (f->type == JSON_TYPE_FIXED32)
        pb_put_i32(t->out, f->number, (uint32_t)v);
    else
        pb_put_var(t->out, f->number, v);
    return true;
}

static bool put_bool(transcode *t, const json_field *f)
{
    bool is_true =
        t->j.kind == JSON_TRUE || (t->j.kind == JSON_STRING && span_is(t->j.text, "true"));
    bool is_false =
        t->j.kind == JSON_FALSE || (t->j.kind == JSON_STRING && span_is(t->j.text, "false"));
    if (!is_true && !is_false)
        return wrong(t, "true or false");
    pb_put_var(t->out, f->number, is_true);
    return true;
}

static bool put_scalar(transcode *t, const json_field *f)
{
    double number;
    switch ((json_type)f->type) {
    case JSON_TYPE_STRING:
        if (t->j.kind != JSON_STRING)
            return wrong(t, "text");
        pb_put_bytes(t->out, f->number, t->j.text);
        return true;
    case JSON_TYPE_ID:
        if (t->j.kind != JSON_STRING)
            return wrong(t, "text of hex digits");
        put_id(t, f->number, t->j.text);
        return true;
    case JSON_TYPE_DOUBLE:
        if (!json_double(&t->j, &number))
            return wrong(t, "a number");
        pb_put_double(t->out, f->number, number);
        return true;
    case JSON_TYPE_BYTES: return put_bytes(t, f);
    case JSON_TYPE_BOOL: return put_bool(t, f);
    case JSON_TYPE_ENUM: return put_enum(t, f);
    case JSON_TYPE_INT64:
    case JSON_TYPE_SFIXED64:
    case JSON_TYPE_SINT32: return put_signed(t, f);
    case JSON_TYPE_UINT64:
    case JSON_TYPE_UINT32:
    case JSON_TYPE_FIXED64:
    case JSON_TYPE_FIXED32: return put_unsigned(t, f);
    case JSON_TYPE_MESSAGE: break;
    }
    return false;
}

/* ---- messages ---- */

static bool put_value(transcode *t, const json_field *f, uint32_t nest);

/* The members of the object whose opening brace is the current token. */
static bool put_members(transcode *t, const json_message *message, uint32_t nest)
{
    for (;;) {
        if (json_next(&t->j) != JSON_KEY)
            return !t->j.failed;
        const json_field *f = find_field(message, t->j.text);
        arena_rewind(t->mem, t->mark);
        if (!f) {
            json_skip(&t->j);
            continue;
        }
        json_next(&t->j);
        if (t->j.failed || !put_value(t, f, nest))
            return false;
    }
}

static bool put_message(transcode *t, const json_field *f, uint32_t nest)
{
    if (t->j.kind != JSON_OBJECT && t->j.kind != JSON_NULL)
        return wrong(t, "an object");
    size_t begun = pb_begin(t->out, f->number);
    bool done = true;
    nest += f->message == &json_any_value;
    if (t->j.kind == JSON_OBJECT && nest > OTLP_NEST_MAX + 1)
        json_skip(&t->j); /* the decoder refuses what is nested this deep */
    else if (t->j.kind == JSON_OBJECT)
        done = put_members(t, f->message, nest);
    pb_finish(t->out, begun);
    return done;
}

/* A span, log record or data point: refused alone when something in it is of the wrong type. */
static bool put_item(transcode *t, const json_field *f)
{
    size_t start = t->out->len;
    uint32_t path_depth = t->depth, json_depth = t->j.depth;
    json_kind opened = t->j.kind;
    t->item_depth = t->depth;
    bool done = put_message(t, f, 0);
    t->item_depth = 0;
    if (done || t->j.failed || !t->why[0])
        return done;
    t->depth = path_depth;
    t->out->len = start;
    size_t begun = pb_begin(t->out, f->number);
    pb_put_bytes(t->out, OTLP_REFUSED_FIELD, span_text(t->why));
    pb_finish(t->out, begun);
    t->why[0] = 0;
    if (opened != JSON_OBJECT)
        json_skip(&t->j);
    while (opened == JSON_OBJECT && !t->j.failed && t->j.depth >= json_depth)
        json_next(&t->j);
    return !t->j.failed;
}

static bool put_one(transcode *t, const json_field *f, uint32_t nest)
{
    if (f->type != JSON_TYPE_MESSAGE) {
        bool done = put_scalar(t, f);
        arena_rewind(t->mem, t->mark);
        return done;
    }
    return f->message->is_item ? put_item(t, f) : put_message(t, f, nest);
}

static bool put_value(transcode *t, const json_field *f, uint32_t nest)
{
    if (t->j.kind == JSON_NULL)
        return true;
    uint32_t at = t->depth++;
    if (at < PATH_MAX_STEPS) {
        t->path[at] = f;
        t->index[at] = 0;
    }
    bool done = true;
    if (!f->is_repeated) {
        done = put_one(t, f, nest);
    } else if (t->j.kind != JSON_ARRAY) {
        if (at < PATH_MAX_STEPS)
            t->index[at] = NO_INDEX;
        return wrong(t, "an array");
    } else {
        while (done && json_next(&t->j) != JSON_ARRAY_END && !t->j.failed) {
            done = put_one(t, f, nest);
            if (done && at < PATH_MAX_STEPS)
                t->index[at]++;
        }
    }
    if (done)
        t->depth--; /* on failure the path stays for the message */
    return done && !t->j.failed;
}

static sk_code convert(const json_message *root, span body, buf *out, err *e)
{
    arena *mem = arena_new(body.len + 64 * KIB);
    if (!mem)
        return err_set(e, SK_NO_MEMORY, "memory is short; send the same request again later");
    transcode t = {.j = json_of(body, mem), .mem = mem, .mark = arena_here(mem), .out = out};
    bool done = true;
    if (json_next(&t.j) == JSON_OBJECT)
        done = put_members(&t, root, 0);
    else if (!t.j.failed)
        done = false, snprintf(t.why, sizeof(t.why), "the body is not a JSON object");
    if (done)
        json_next(&t.j); /* nothing may follow */
    sk_code code = SK_OK;
    if (arena_failed(mem) || out->failed)
        code = err_set(e, SK_NO_MEMORY, "memory is short; send the same request again later");
    else if (t.j.failed)
        code = json_error(&t.j, e);
    else if (!done)
        code = err_set(e, SK_BAD_INPUT, "%s", t.why);
    arena_free(mem);
    return code;
}

sk_code otlp_json_to_protobuf(const json_message *root, span body, buf *out, bool *ret_was_cleaned,
                              err *e)
{
    sk_code code = convert(root, body, out, e);
    if (code != SK_BAD_INPUT || utf8_is_valid(body))
        return code;
    buf clean;
    buf_init(&clean, 3 * body.len);
    otlp_clean_utf8(body, &clean);
    buf_clear(out);
    if (clean.failed)
        code = err_set(e, SK_NO_MEMORY, "memory is short; send the same request again later");
    else
        code = convert(root, buf_span(&clean), out, e);
    *ret_was_cleaned = true;
    buf_done(&clean);
    return code;
}
