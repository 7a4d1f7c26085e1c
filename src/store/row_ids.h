/*
 * store/row_ids.h: trace id, span id and time of rows of the segment in the making, for texts that spell them
 * (encode/marks.h).
 * Called by column_write.c when a page of texts is written.
 */
#ifndef STORE_ROW_IDS_H
#define STORE_ROW_IDS_H

#include "store/segment_write.h"

typedef struct row_ids row_ids;

void row_ids_free(row_ids *take_i); /* NULL is fine */
/* A span id is the parent's, as log lines have it, where that is stored as it is. SK_OK with *ret NULL: rows have no ids. */
sk_code row_ids_of(segment_writer *w, const uint32_t *rows, uint32_t count, const text_ids **ret,
                   err *e) must_use;

#endif
