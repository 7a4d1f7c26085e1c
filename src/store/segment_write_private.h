/*
 * store/segment_write_private.h: the writer's insides, shared by segment_write.c, column_write.c and rare_write.c.
 */
#ifndef STORE_SEGMENT_WRITE_PRIVATE_H
#define STORE_SEGMENT_WRITE_PRIVATE_H

#include "store/derive.h"
#include "store/row_ids.h"
#include "store/segment_write.h"

/* A presence page that several columns of a block share: fields of one kind of span come and go together. */
typedef struct presence_slot {
    uint64_t key; /* of block and bitmap, seeded at random; 0 = free */
    uint64_t offset;
    uint32_t len;
} presence_slot;

#define NO_ENTRY     UINT32_MAX
#define ENTRY_CACHED (PART_COLUMNS + 1) /* pseudo of columns that are made from the rows */

/* One of the directory's, in the order in which columns are written. */
typedef struct column_entry {
    size_t start, end, name_start; /* in the directory's bytes */
    span name;                     /* filled in when they are all there */
    uint32_t pseudo, source;       /* an entry, or NO_ENTRY */
    uint32_t number;               /* as written */
    field_type type;
} column_entry;

typedef struct index_entry {
    uint32_t hash, row; /* of a trace id, the first row of a run of it */
} index_entry;

/* What texts may spell of their rows. */
enum { ROW_TRACE, ROW_SPAN, ROW_TIME, ROW_WHATS };

struct segment_writer {
    file *file;
    encoder *encoder;
    uint64_t file_id, flushed;
    buf pending; /* not written yet: whole pages */
    buf payload; /* of the page in the making */
    buf directory;
    uint32_t column_count; /* pseudo columns included */
    uint32_t cached_count; /* of them the last */
    bool is_caching;
    column_entry *columns;
    uint32_t column_capacity;
    derive_sources *sources;
    row_ids *row_ids;                   /* NULL before the first text that may name some */
    source_block *id_blocks[ROW_WHATS]; /* of what row_ids.c reads back */
    buf pack;                           /* rare columns in the making */
    page_ref *packs;
    uint32_t pack_count, pack_capacity;
    presence_slot *presences;
    uint32_t presence_count, presence_mask;
    uint64_t presence_seed;
    index_entry *entries; /* of the trace index */
    uint32_t entry_count, entry_capacity;
    trace_id last_trace; /* of the row before */
    page_ref trace_index;
    bool has_trace_index;
};

/* The bytes of a page of the file in the making. */
sk_code segment_writer_read_back(segment_writer *w, uint64_t place, uint32_t len, buf *out,
                                 err *e) must_use;
void page_ref_add(buf *out, const page_ref *ref);
/* An entry of the directory: its name, type and form; the caller adds the rest of it and ends it. */
sk_code segment_writer_begin_entry(segment_writer *w, uint32_t pseudo, span name, field_type type,
                                   column_form form, err *e) must_use;
/* `source`: an entry that a derived column follows from, or NO_ENTRY. */
sk_code segment_writer_end_entry(segment_writer *w, uint32_t source, err *e) must_use;

#endif
