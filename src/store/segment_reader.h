/*
 * store/segment_reader.h: what the files behind segment_part_ops share: a reader of one segment, and the steps of reading a
 * block. segment_part.c: whole blocks; segment_parents.c: parents; segment_rows.c: some rows of a block;
 * segment_find.c: the rows of a trace.
 */
#ifndef STORE_SEGMENT_READER_H
#define STORE_SEGMENT_READER_H

#include "store/segment.h"

#define PRESENCE_CACHE 8

/* Span ids of one block, for parents. */
typedef struct id_block {
    uint32_t block; /* UINT32_MAX: empty */
    uint64_t ids[VECTOR_ROWS];
} id_block;

typedef struct parent_scratch {
    id_block own, other;
    int64_t distances[VECTOR_ROWS];
    uint64_t orphans[VECTOR_ROWS];
    uint32_t rows[VECTOR_ROWS];
    vector shape, ids;
} parent_scratch;

typedef struct segment_reader {
    part_reader base;
    segment *segment;
    directory *directory;
    decoder *decoder;
    buf scratch, page;
    uint32_t next_presence;
    uint64_t presence_places[PRESENCE_CACHE]; /* 0 = empty: no page starts there */
    parent_scratch *parents;                  /* made when first needed */
    vector *source; /* the block that a derived one follows from, kept for others that do */
    uint32_t source_column, source_block, source_first;
    lone_page own_page;                               /* of texts that are asked for one by one */
    uint64_t presences[PRESENCE_CACHE][VECTOR_WORDS]; /* from here on: not cleared at first */
    union { /* values of the present rows, before they are spread */
        uint32_t codes[VECTOR_ROWS + 1];
        uint64_t bits[VECTOR_ROWS + 1];
        trace_id trace_ids[VECTOR_ROWS + 1];
    } dense;
} segment_reader;

static inline const segment *segment_of(const part *p)
{
    return (const segment *)p;
}

/* ---- segment_part.c ---- */
vector_kind segment__kind_of(uint32_t col, field_type type);
sk_code segment__corrupt(segment_reader *r, uint32_t col, uint32_t block, err *e);
/* Damage is counted once per file; a disk that fails to answer is not damage. */
sk_code segment__judge(segment_reader *r, sk_code code, const err *e);
/* A block's raw page of this length, into r->page. */
sk_code segment__read_page(segment_reader *r, uint64_t place, uint32_t len, err *e) must_use;
/* Which rows of a block have a value, when not all have; valid until the next call. */
sk_code segment__read_presence(segment_reader *r, uint32_t col, uint32_t block,
                               const block_entry *b, const uint64_t **ret, err *e) must_use;
/* Presence into the vector; *ret_present is NULL when every row has a value. */
sk_code segment__take_presence(segment_reader *r, uint32_t col, uint32_t block,
                               const block_entry *b, vector *out, const uint64_t **ret_present,
                               err *e) must_use;
/* A column that is not rare, as it stands: parents are distances. */
sk_code segment__read_blocks(segment_reader *r, uint32_t col, uint32_t block, vector *out,
                             err *e) must_use;
sk_code segment__read(part_reader *base, uint32_t col, uint32_t block, vector *out,
                      err *e) must_use;
sk_code segment__reader_new(const part *p, part_reader **ret, err *e) must_use;
void segment__reader_free(part_reader *take_r);
/* The first of a rare column's values at or after a row. */
uint32_t segment__rare_from(const rare_column *c, uint64_t row);

/* ---- segment_parents.c ---- */
/* Makes r->parents. */
sk_code segment__parent_scratch(segment_reader *r, err *e) must_use;
/* The row `distance` before `row`, or PART_NO_PARENT when there is none such. */
uint32_t segment__parent_row(const segment_reader *r, uint32_t row, int64_t distance);
sk_code segment__read_parents(part_reader *base, uint32_t block, uint32_t out[VECTOR_ROWS],
                              uint64_t *ret_ids, err *e) must_use;
sk_code segment__read_parent_ids(segment_reader *r, uint32_t block, vector *out, err *e) must_use;

/* ---- segment_rows.c ---- */
sk_code segment__read_rows(part_reader *base, uint32_t col, uint32_t block, uint32_t first,
                           uint32_t count, vector *out, err *e) must_use;

/* ---- segment_find.c ---- */
sk_code segment__find_trace(const part *p, trace_id id,
                            sk_code (*each)(void *ctx, const part *p, uint32_t first_row,
                                            uint32_t end_row),
                            void *ctx, err *e) must_use;
sk_code segment__trace_runs(const part *p,
                            sk_code (*each)(void *ctx, const uint32_t *hashes, const uint32_t *rows,
                                            uint32_t count, err *e),
                            void *ctx, err *e) must_use;

#endif
