/*
 * store/segment_write.h: writing one segment file, from its header to its trailer. Made by build.c; one thread.
 */
#ifndef STORE_SEGMENT_WRITE_H
#define STORE_SEGMENT_WRITE_H

#include "base/file.h"
#include "store/encode/coder.h"
#include "store/format.h"
#include "store/part.h"

typedef struct segment_writer segment_writer;

/* The file is written under `path` (which must not exist). The encoder is borrowed until the end. */
sk_code segment_writer_open(const char *path, encoder *borrow, segment_writer **ret,
                            err *e) must_use;
/* Appends a page; with `squeezes`, squeezed when that gains. */
sk_code segment_writer_page(segment_writer *w, span raw, bool squeezes, page_ref *ret,
                            err *e) must_use;
/* Footer (its directory reference is filled in), trailer, sync. The file is whole after SK_OK; free the writer in any case. */
sk_code segment_writer_finish(segment_writer *w, segment_facts *facts, err *e) must_use;
uint64_t segment_writer_bytes(const segment_writer *w); /* so far */
void segment_writer_free(
    segment_writer *take_w); /* closes; NULL is fine. Does not remove the file */

encoder *segment_writer_encoder(segment_writer *w);

/* ---- columns (column_write.c): begin, a put per block, texts whenever a new code is used, end ---- */
typedef struct column_writer column_writer;

/* One block's values: those of the present rows, densely. Span, parent and trace ids have their own members. */
typedef struct block_values {
    uint32_t row_count, value_count;
    const uint64_t *present; /* looked at when value_count < row_count */
    const uint64_t *bits;    /* numbers, codes, span ids; parents: unused */
    const trace_id *trace_ids;
    const int64_t *distances; /* parents: see parents_encode */
    const uint64_t *orphans;
} block_values;

/* `pseudo`: PART_TIME … PART_PARENT_ID, or PART_COLUMNS for a named one of this type. */
sk_code column_writer_new(segment_writer *w, uint32_t pseudo, field_type type, column_writer **ret,
                          err *e) must_use;
sk_code column_writer_put(column_writer *c, const block_values *v, err *e) must_use;
/* The next code 0, 1, 2 … means this text, which must stay until the column's end. */
sk_code column_writer_text(column_writer *c, span text, uint32_t *ret_code, err *e) must_use;
/* The row that the next text is first used in. */
void column_writer_at(column_writer *c, uint32_t row);
/* Writes what is left, the index and the directory entry. */
sk_code column_writer_end(column_writer *c, span name, err *e) must_use;
void column_writer_free(column_writer *take_c); /* NULL is fine */

/* A column with few values: ascending rows, value bits (codes into texts). Goes into a pack. */
typedef struct rare_values {
    span name;
    field_type type;
    uint32_t count;
    const uint32_t *rows;
    const uint64_t *bits;
    const span *texts; /* of codes 0 … text_count-1 */
    uint32_t text_count;
} rare_values;

sk_code segment_writer_rare(segment_writer *w, const rare_values *v, err *e) must_use;
/* Columns may be written in any order (those that others follow from first): this puts the directory into its own. */
void segment_writer_sort_columns(segment_writer *w);
/* After the last column: the packs' references and the trace index go into the directory. */
sk_code segment_writer_end_columns(segment_writer *w, err *e) must_use;
/* What is written so far as a segment that can be read, until segment_unref. */
struct segment;
sk_code segment_writer_view(segment_writer *w, const char *path, const segment_facts *facts,
                            struct segment **ret, err *e) must_use;
/* Columns that follow are made from the rows, and stand behind the others. */
void segment_writer_begin_cached(segment_writer *w);

#endif
