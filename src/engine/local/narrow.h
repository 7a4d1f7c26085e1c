/*
 * engine/local/narrow.h: a block's column in one, two or four bytes a row, and back, bit by bit. A code or number is held as what it is above
 * the least of the block, a float as the integer that it is a part of; the few that lie far from all others (of clocks that are
 * off, of the slowest) beside them as they are; of a column that few rows have, those alone. Used by kept_columns.c.
 */
#ifndef ENGINE_LOCAL_NARROW_H
#define ENGINE_LOCAL_NARROW_H

#include "event/vector.h"

typedef struct narrow narrow; /* its bytes can be moved; 8-aligned */

#define NARROW_FARS_MAX (VECTOR_ROWS / 16)

typedef struct narrow_far {
    uint64_t bits;
    uint32_t at;
} narrow_far;

/* A column on its way: what narrow_plan found out. */
typedef struct narrowing {
    const vector *of;
    uint64_t least;
    double scale; /* of floats: a value is an integer divided by it; else 0 */
    uint32_t count, far_count;
    uint64_t range; /* of the values that are not far */
    bool is_sparse; /* values of the rows that have one; else of all */
    uint64_t values[VECTOR_ROWS];
    narrow_far far[NARROW_FARS_MAX];
} narrowing;

/* False: it is not worth it (all rows have one value, or none has any), or too much lies too far. The vector stays the caller's. */
bool narrow_plan(const vector *v, narrowing *ret) must_use;
size_t narrow_bytes(const narrowing *n);
void narrow_put(const narrowing *n, narrow *to); /* of narrow_bytes */

/* All but the dictionary, which is the caller's to set. Returns how many bytes of values were looked at. */
uint64_t narrow_take(const narrow *c, uint32_t row_count, vector *out);

#endif
