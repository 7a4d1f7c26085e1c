/*
 * query/suggest.h: "did you mean": the nearest known word to one that is not known. For
 * calculations, operators and keys of a spec, and for the terminal's commands and options.
 */
#ifndef QUERY_SUGGEST_H
#define QUERY_SUGGEST_H

#include "base/span.h"

#define SUGGEST_WORD_MAX 40u /* longer words get no suggestion */

/* The name within two edits (one for words under five letters), case ignored; NULL when none is
 * that near. `names` gives the index-th name, NULL past the end. */
const char *suggest_nearest(span word, const char *(*names)(size_t index, const void *ctx),
                            const void *ctx);
/* Edits (insert, delete, replace, swap of neighbours) between two words of at most SUGGEST_WORD_MAX
 * bytes. */
unsigned suggest_distance(span a, span b);

#endif
