/*
 * tests/unit/wire_jansson.h: jansson as an oracle, in a file of its own because its names are ours too.
 */
#ifndef TESTS_WIRE_JANSSON_H
#define TESTS_WIRE_JANSSON_H

#include "base/buf.h"

typedef enum jansson_verdict {
    JANSSON_TAKES,
    JANSSON_REFUSES,
    JANSSON_CANNOT, /* for a limit of its own: big numbers, lone surrogates, keys that repeat */
} jansson_verdict;

/* Writes the document as one line: { <key>: i1 f1.5 <text> [ true false null ] } */
jansson_verdict jansson_trace(span text, buf *out, char ret_why[160]);

#endif
