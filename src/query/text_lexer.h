/*
 * query/text_lexer.h: the tokens of the text form and its rule of quoting, shared by its parser and
 * its printer.
 */
#ifndef QUERY_TEXT_LEXER_H
#define QUERY_TEXT_LEXER_H

#include "query/spec.h"

typedef enum text_kind {
    TEXT_END,
    TEXT_WORD,    /* a run of letters, digits and _ . - : / + @ $ */
    TEXT_QUOTED,  /* "…" with JSON escapes */
    TEXT_COMPARE, /* = != > >= < <= */
    TEXT_COMMA,
    TEXT_OPEN,
    TEXT_CLOSE,
    TEXT_BAD, /* `why` says what is wrong at `offset` */
} text_kind;

typedef struct text_lexer {
    span all;
    size_t at; /* just after the current token */
    arena *mem;
    text_kind kind;
    size_t offset; /* of the current token */
    span text;     /* as written; quoted: unescaped */
    const char *why;
} text_lexer;

text_lexer text_lexer_of(span text, arena *mem);
text_kind text_next(text_lexer *l);
/* The reserved word (any case) at the current token? Field names that are reserved words must be
 * quoted. */
bool text_is_keyword(const text_lexer *l, const char *keyword);
bool text_is_reserved(span word);
const char *text_reserved_at(size_t index, const void *ctx); /* NULL past the end */
/* May a field or dataset name stand without quotes? Names of calculations may not, so that ORDER BY
 * stays clear. */
bool text_is_bare_name(span name);
/* "90s", "5m", "2h", "7d", "1w": whole seconds. */
bool text_duration(span word, int64_t *ret_s);
void text_print_duration(int64_t seconds, buf *out);

#endif
