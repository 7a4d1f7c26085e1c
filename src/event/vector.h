/*
 * event/vector.h: one field of a run of rows in the form kernels read: what `store` decodes into and `query`'s
 * aggregates consume. A vector covers `row_count` ≤ VECTOR_ROWS consecutive rows of one block.
 */
#ifndef EVENT_VECTOR_H
#define EVENT_VECTOR_H

#include "base/intern.h"
#include "event/types.h"

#define VECTOR_ROWS  8192u /* a block: the unit of decoding, statistics and skipping */
#define VECTOR_WORDS (VECTOR_ROWS / 64)

typedef enum vector_kind {
    VECTOR_ABSENT, /* no row has a value */
    VECTOR_CODES,  /* string or histogram: u32 codes into `dictionary` */
    VECTOR_INTS,
    VECTOR_FLOATS,
    VECTOR_BOOLS, /* u32 0 or 1 in codes */
    VECTOR_IDS,   /* span or parent ids: u64 in ints; 0 = absent */
    VECTOR_TRACE_IDS,
} vector_kind;

/* What a search found out: of the codes from `first` on 1 when the text does not hold the bytes, 2 when it does, 0 when only
 * the text itself tells. */
typedef void (*dictionary_found)(void *ctx, uint32_t first, const uint8_t *verdicts,
                                 uint32_t count);

/* code → text of one segment or open table. `count` may lag behind for an open table; codes in vectors are below it. */
typedef struct dictionary {
    span (*text)(const void *of, uint32_t code);
    /* Which texts hold `part`, without reading them all: what is not told is not known. False: nothing is. NULL: cannot. */
    bool (*search)(const void *of, span part, dictionary_found found, void *ctx);
    const void *of;
    uint32_t count;
} dictionary;

typedef struct vector {
    vector_kind kind;
    field_type type;
    uint32_t row_count;
    bool all_present;               /* then `present` is not looked at */
    uint64_t present[VECTOR_WORDS]; /* bit per row; ids: maintained too */
    bool is_constant; /* one value for all present rows, entry 0; the arrays are filled too */
    const dictionary *dictionary; /* VECTOR_CODES */
    union {
        uint32_t codes[VECTOR_ROWS];
        int64_t ints[VECTOR_ROWS];
        double floats[VECTOR_ROWS];
        uint64_t ids[VECTOR_ROWS];
        trace_id trace_ids[VECTOR_ROWS];
    };
} vector;

static inline bool vector_has(const vector *v, uint32_t row)
{
    return v->all_present || (v->present[row >> 6] >> (row & 63) & 1);
}

/* Every row has a value. */
static inline void vector_fill_present(vector *v)
{
    uint32_t words = v->row_count / 64, rest = v->row_count % 64;
    for (uint32_t i = 0; i < words; i++)
        v->present[i] = ~(uint64_t)0;
    if (rest)
        v->present[words] = ((uint64_t)1 << rest) - 1;
    v->all_present = true;
}

/* A selection: ascending row numbers within the block. */
typedef struct selection {
    uint32_t count;
    uint16_t rows[VECTOR_ROWS];
} selection;

#endif
