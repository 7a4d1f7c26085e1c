/*
 * event/token.h: text to words, the same for building token filters and for asking them: maximal runs of letters,
 * digits and underscore (bytes ≥ 0x80 count as letters), ASCII lower-cased.
 */
#ifndef EVENT_TOKEN_H
#define EVENT_TOKEN_H

#include "base/span.h"

/* The next word in *rest (which is moved past it); empty at the end. Not lower-cased: token_hash does that. */
span token_next(span *rest);
uint64_t token_hash(span word);

#endif
