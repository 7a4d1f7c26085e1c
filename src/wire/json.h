/*
 * wire/json.h: a strict pull reader and a writer for JSON (RFC 8259). No tree, bounded depth, an error offset.
 * Considered: jansson, json-c, cJSON (trees, 40 MB/s), yajl (unmaintained).
 *
 * Reading: json_next() gives the next token; a key token is followed by its value's tokens. json_skip() passes over
 * one whole value (also from just after a key). Strings are unescaped into the arena only when they hold an escape;
 * otherwise they are borrowed from the input. Invalid UTF-8 fails; lone surrogates become U+FFFD.
 */
#ifndef WIRE_JSON_H
#define WIRE_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define JSON_DEPTH_MAX 256 /* OTLP nests AnyValue 32 deep, four levels of JSON each */

typedef enum json_kind {
    JSON_END, /* the document is complete (only white space was left) or has failed */
    JSON_OBJECT,
    JSON_OBJECT_END,
    JSON_ARRAY,
    JSON_ARRAY_END,
    JSON_KEY,
    JSON_STRING,
    JSON_NUMBER,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
} json_kind;

typedef struct json {
    const uint8_t *start, *at, *end;
    const uint8_t *token; /* private: where the current token began */
    arena *mem;
    json_kind kind;  /* of the current token */
    span text;       /* key or string: unescaped; number: as written */
    bool is_integer; /* number without fraction or exponent */
    bool failed;
    uint32_t depth;
    uint32_t state;                          /* private */
    uint64_t in_object[JSON_DEPTH_MAX / 64]; /* private: which open levels are objects */
    const char *why; /* when failed: what was wrong, a static sentence part */
} json;

json json_of(span text, arena *mem);
json_kind json_next(json *j);
/* After a token was taken: passes over the rest of the value that it starts (a scalar: nothing; a key: its value). */
void json_skip(json *j);
/* As json_skip, and returns the value's source text. */
span json_raw(json *j);
/* An integer number (1.0 and 1e3 are too), or a string of one. */
bool json_i64(const json *j, int64_t *ret);
bool json_u64(const json *j, uint64_t *ret);
bool json_double(const json *j,
                 double *ret); /* number, or a string of one, "NaN", "Infinity", "-Infinity" */
/* SK_OK, or SK_BAD_INPUT with offset, line and reason; SK_TOO_LARGE when it was the arena that failed. */
sk_code json_error(const json *j, err *e);

/* Writing: the writer puts commas and colons; a failed buf makes everything a no-op. */
typedef struct json_writer {
    buf *out;
    bool needs_comma;
} json_writer;

void jw_object(json_writer *w);
void jw_object_end(json_writer *w);
void jw_array(json_writer *w);
void jw_array_end(json_writer *w);
void jw_key(json_writer *w, span key);
void jw_key_text(json_writer *w, const char *key);
void jw_string(
    json_writer *w,
    span s); /* invalid UTF-8 comes out as U+FFFD; also escapes <, >, & and U+2028/9 not at all */
void jw_text(json_writer *w, const char *s);
void jw_i64(json_writer *w, int64_t v); /* beyond ±2^53 as a string: DESIGN §6 */
void jw_u64(json_writer *w, uint64_t v);
void jw_i64_text(json_writer *w, int64_t v); /* always a string: every *_ns */
void jw_double(json_writer *w,
               double v); /* shortest text that reads back the same; nan and inf as null */
void jw_bool(json_writer *w, bool v);
void jw_null(json_writer *w);
void jw_raw(json_writer *w, span json_text);

/* Shortest decimal text that reads back as v, laid out as ECMAScript's Number::toString: 100, 0.000001, 1e-7, 1e+21;
 * both zeros are "0"; NaN, Infinity, -Infinity. NUL-terminated; returns the length (≤ 25). This is also the canonical
 * text by which values of several types are compared (DESIGN §3). */
size_t json_print_double(double v, char out[32]);

#endif
