/*
 * store/part.h: what stands behind snapshot.h's `part`: one of two kinds, an open set's published prefix (open_part.c)
 * or a sealed segment (segment_part.c). Used by snapshot.c, which dispatches, and by build.c, which reads parts to
 * write new segments. Blocks are VECTOR_ROWS rows, all but the last full, in both kinds.
 */
#ifndef STORE_PART_H
#define STORE_PART_H

#include "store/snapshot.h"

#define PART_NO_PARENT UINT32_MAX

typedef struct part_ops {
    void (*info)(const part *p, part_info *ret);
    void (*block)(const part *p, uint32_t block, part_block *ret);
    part_column (*column)(const part *p, uint32_t col);
    uint32_t (*find)(const part *p, span name, uint32_t ret_columns[FIELD_TYPE_COUNT]);
    uint32_t (*cached)(const part *p, span name); /* NULL: it has none */
    const dictionary *(*dictionary)(const part *p, uint32_t col);
    bool (*block_has_column)(const part *p, uint32_t col, uint32_t block);
    bool (*block_is_full)(const part *p, uint32_t col, uint32_t block); /* NULL: not known */
    bool (*number_range)(const part *p, uint32_t col, uint32_t block, double *ret_min,
                         double *ret_max);
    bool (*may_hold)(const part *p, uint32_t col, uint32_t block, const uint64_t *wanted);
    sk_code (*reader_new)(const part *p, part_reader **ret, err *e);
    void (*reader_free)(part_reader *take_r);
    sk_code (*read)(part_reader *r, uint32_t col, uint32_t block, vector *out, err *e);
    /* Some rows of a block; NULL: whole blocks cost as little. Trace ids are not read so. */
    sk_code (*read_rows)(part_reader *r, uint32_t col, uint32_t block, uint32_t first,
                         uint32_t count, vector *out, err *e);
    sk_code (*read_codes)(part_reader *r, uint32_t col, uint32_t block, vector *out,
                          err *e); /* NULL: as `read` */
    sk_code (*load_texts)(part_reader *r, uint32_t col, uint32_t block,
                          err *e); /* NULL: they are there */
    sk_code (*read_text)(part_reader *r, uint32_t col, uint32_t code, span *ret,
                         err *e); /* NULL: the dictionary has it */
    sk_code (*read_parents)(part_reader *r, uint32_t block, uint32_t out[VECTOR_ROWS],
                            uint64_t *ret_ids, err *e);
    /* NULL: nothing follows */
    sk_code (*read_table)(part_reader *r, uint32_t col, uint32_t block, part_table *ret, err *e);
    sk_code (*trace_runs)(const part *p,
                          sk_code (*each)(void *ctx, const uint32_t *hashes, const uint32_t *rows,
                                          uint32_t count, err *e),
                          void *ctx, err *e);
    /* Runs of rows that have the id: calls `each` with every maximal range it finds. */
    sk_code (*find_trace)(const part *p, trace_id id,
                          sk_code (*each)(void *ctx, const part *p, uint32_t first_row,
                                          uint32_t end_row),
                          void *ctx, err *e);
} part_ops;

struct part { /* first member of both kinds */
    const part_ops *ops;
};

struct part_reader { /* first member of both kinds' readers */
    const part *part;
    uint64_t bytes;
};

static inline void vector_start(vector *v, vector_kind kind, field_type type, uint32_t row_count)
{
    v->kind = kind;
    v->type = type;
    v->row_count = row_count;
    v->all_present = false;
    v->is_constant = false;
    v->dictionary = NULL;
}

static inline uint32_t block_count_of(uint32_t row_count)
{
    return (uint32_t)(((uint64_t)row_count + VECTOR_ROWS - 1) / VECTOR_ROWS);
}

static inline uint32_t block_rows_of(uint32_t row_count, uint32_t block)
{
    uint32_t left = row_count - block * VECTOR_ROWS;
    return left < VECTOR_ROWS ? left : VECTOR_ROWS;
}

#endif
