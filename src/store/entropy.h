/*
 * store/entropy.h: how few bytes a column's values could take when each is coded by how often it occurs, whatever stands beside it:
 * what `skep verify --bytes` prints beside what they do take. A column that takes less gains from its order or from another column.
 */
#ifndef STORE_ENTROPY_H
#define STORE_ENTROPY_H

#include "store/segment.h"

/* Bytes of all the column's values, absence being one, without its texts. < 0: unknown: no memory, damage, or most values occur
 * once, so that how often says nothing. Span ids, which are random, are their eight bytes. */
double entropy_bytes(const segment *s, uint32_t col);

#endif
