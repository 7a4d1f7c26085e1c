/*
 * store/format.h: what a segment file holds, version 3; byte by byte in docs/format/segment.md. Shared by segment_write.c,
 * column_write.c (which make one) and segment_open.c, segment_load.c (which read one).
 *
 *   header   magic, version, file id, checksum                                              32 bytes
 *   pages    bytes and their checksum, seeded with file id and offset: a page read from elsewhere is noticed
 *   footer   a page: the facts below, where the directory is
 *   trailer  where the footer is, file id, version, checksum, magic                           48 bytes
 *
 * Pages are found only through references: trailer → footer → directory → column indexes → blocks and texts.
 */
#ifndef STORE_FORMAT_H
#define STORE_FORMAT_H

#include "base/hash.h"
#include "base/reader.h"
#include "event/types.h"
#include "store/encode/squeeze.h"

#define SEGMENT_VERSION           3u
#define SEGMENT_VERSION_TEMPLATES 3u /* the first with templates of texts */
#define SEGMENT_HEAD_MAGIC        "SKEPSEG\n"
#define SEGMENT_TAIL_MAGIC        "SKEPEND\n"
#define SEGMENT_HEAD_BYTES        32u
#define SEGMENT_TAIL_BYTES        48u
#define PAGE_CHECK_BYTES          8u
#define PAGE_BYTES_MAX                                                                             \
    (64 * MIB) /* raw; directories and indexes of the largest files stay far below */
#define SEGMENT_REPLACES_MAX 65536u
#define SEGMENT_HASHES_MAX   65536u /* newest request hashes kept */
#define CACHED_MAX           16u    /* columns made at sealing, of one file */
#define INDEX_ENTRIES_MAX    4096u  /* of a page of the trace index */
#define BLOCK_BITMAP_CODES   1024u /* dictionaries up to this size have a bitmap of codes per block */

typedef struct page_ref {
    uint64_t offset;
    uint32_t len, raw_len; /* stored, without the checksum; unsqueezed */
    squeeze_method method;
} page_ref;

typedef enum segment_order { /* stored: never renumber */
                             ORDER_TRACES =
                                 1, /* traces by first time, then id; within one spans, then annotations, each by time */
                             ORDER_STREAMS = 2, /* dataset, metric.name, time */
} segment_order;

/* What the footer says of the file. */
typedef struct segment_facts {
    uint64_t number; /* of the store's files: later ones are higher */
    uint32_t environment;
    family family;
    segment_order order;
    uint32_t row_count, column_count; /* named columns */
    int64_t min_time_ns, max_time_ns;
    int64_t day;            /* since 1970, UTC; of its rows, unless is_mixed */
    bool is_late, is_mixed; /* late rows of one day; of more days than a seal makes files for */
    bool has_unique_ids;    /* no two spans of a trace in this file have one span id */
    uint32_t level;         /* how often its rows were rewritten: 0 = sealed */
    uint64_t first_seq, last_seq;   /* journal records it was made from */
    uint64_t seal_id;               /* the parts of one seal share it; 0 = merged */
    uint32_t seal_part, seal_parts; /* 1 … seal_parts */
    int64_t created_ns, newest_arrival_ns;
    uint32_t replaces_count;
    uint64_t *replaces; /* numbers of files whose rows are all in this one */
    uint32_t hash_count;
    page_ref hashes; /* newest request hashes: 16 bytes and arrival each; when hash_count */
    page_ref directory;
} segment_facts;

typedef struct segment_hash {
    hash128 body_hash;
    int64_t arrival_ns;
} segment_hash;

/* How a block of a column is kept. */
typedef enum block_form { /* stored: never renumber */
                          BLOCK_ABSENT = 0,
                          BLOCK_CONSTANT = 1, /* the value is in the index */
                          BLOCK_PAGE = 2,
                          BLOCK_DERIVED =
                              3, /* from another column's codes, by the column's table */
} block_form;

#define BLOCK_FORMS 3u /* the tag's bits that say which */

/* Flags beside it in the index. */
enum {
    BLOCK_ALL_PRESENT = 4,
    BLOCK_HAS_RANGE = 8,   /* least and greatest value (of codes: code) */
    BLOCK_HAS_BITMAP = 16, /* which codes occur */
};

/* How the directory keeps a column. */
typedef enum column_form {                     /* stored: never renumber */
                           COLUMN_BLOCKS = 0,  /* an index of blocks */
                           COLUMN_RARE = 1,    /* a place in a pack of rare columns */
                           COLUMN_DERIVED = 2, /* an index of blocks, some of them BLOCK_DERIVED */
} column_form;

/* What the trace index is sorted by. */
static inline uint32_t trace_index_hash(trace_id id)
{
    return (uint32_t)(hash_mix(id.hi ^ hash_mix(id.lo)) >> 32);
}

static inline uint64_t page_check(uint64_t file_id, uint64_t offset, span stored)
{
    return hash64_seeded(stored, file_id ^ offset);
}

static inline page_ref page_ref_read(reader *r)
{
    page_ref ref = {.offset = reader_varint(r)};
    uint64_t len = reader_varint(r), raw_len = reader_varint(r);
    uint8_t method = reader_u8(r);
    if (len > PAGE_BYTES_MAX || raw_len > PAGE_BYTES_MAX || method > METHOD_ZSTD)
        r->failed = true;
    ref.len = (uint32_t)len;
    ref.raw_len = (uint32_t)raw_len;
    ref.method = method;
    return ref;
}

#endif
