/*
 * store/derive.h: columns that are functions of another: a block whose values follow from the codes that another column has in the
 * same rows is not stored; one table per column says which value goes with which code (absent is a value, and a code, too).
 * Finding that while a segment is written: derive.c, called by column_write.c. Reading: segment_derived.c.
 */
#ifndef STORE_DERIVE_H
#define STORE_DERIVE_H

#include "store/segment_write.h"

#define DERIVE_CODES_MAX 4095u /* of a source: its table's entries are one more, for its absence */

/* Where a column that others may follow from has its blocks. */
typedef struct source_block {
    uint64_t place, presence_place; /* of a constant: its code */
    uint32_t len, presence_len, row_count, value_count;
    uint8_t tag;
} source_block;

typedef struct derive_source {
    uint32_t entry; /* of the directory, as written */
    uint32_t text_count;
    source_block *blocks;
} derive_source;

/* What a segment's writer keeps for this: the columns written so far that have few texts. */
typedef struct derive_sources derive_sources;
derive_sources *derive_sources_new(void); /* NULL: no memory */
void derive_sources_free(derive_sources *take_d);
void derive_sources_add(derive_sources *d, derive_source take_source);

/* What one column's writer keeps. Zeroed memory is its start. */
typedef struct derivation {
    const derive_source *source; /* NULL: not found yet */
    uint8_t *states;             /* by code + 1, 0 being the source's absence: DERIVED_… */
    uint64_t *values;
    uint32_t searches, refusals, derived;
} derivation;

enum { DERIVED_UNKNOWN, DERIVED_ABSENT, DERIVED_VALUE };

void derivation_done(derivation *d);
/* Whether the block's values follow from a source, by a table that also explains the column's earlier derived blocks. */
sk_code derivation_try(derivation *d, segment_writer *w, uint32_t block, const block_values *v,
                       bool *ret_is_derived, err *e) must_use;
/* The table. */
void derivation_encode(const derivation *d, encoder *e, buf *out);

#endif
