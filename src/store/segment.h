/*
 * store/segment.h: one sealed file, opened. Its facts (the footer) stay in memory; directory, column indexes, texts and
 * trace index are loaded when asked for and given back by the cache when it is over its bound and nobody has pinned the
 * segment. The file goes when the last reference does, if it was marked so (replaced by a merge, out of retention).
 *
 * segment_open.c  opening, pages, references, pins      segment_load.c  what is loaded on demand
 * segment_part.c  the part: reading blocks, finding traces     segment_texts.c texts, spelled and searched
 */
#ifndef STORE_SEGMENT_H
#define STORE_SEGMENT_H

#include <stdatomic.h>

#include "base/file.h"
#include "base/thread.h"
#include "store/encode/coder.h"
#include "store/format.h"
#include "store/part.h"

typedef struct segment segment;

/* What is loaded of all segments of a store. */
typedef struct segment_cache {
    lock lock; /* RANK_QUEUE: taken before a segment's */
    size_t max_bytes;
    _Atomic size_t bytes;
    segment **loaded; /* guarded by lock: those that hold something */
    uint32_t loaded_count, loaded_capacity;
    decoder *decoders[8]; /* guarded by lock: idle ones */
    uint32_t decoder_count;
    _Atomic uint64_t clock;
    void (*damaged)(void *ctx, segment *s, const char *what); /* once per segment */
    void *ctx;
} segment_cache;

void segment_cache_init(segment_cache *c, size_t max_bytes);
void segment_cache_done(segment_cache *c);
/* Gives back what unpinned segments hold until at most max_bytes are held. */
void segment_cache_shrink(segment_cache *c, size_t max_bytes);
decoder *segment_cache_decoder(segment_cache *c); /* NULL: no memory */
void segment_cache_return(segment_cache *c, decoder *take_d);

/* ---- what is loaded ---- */
typedef struct block_entry {
    uint64_t place;          /* of the page; of a constant: its bits */
    uint64_t presence_place; /* when not BLOCK_ALL_PRESENT */
    uint64_t min, max;       /* BLOCK_HAS_RANGE: bits, or codes */
    uint32_t len, presence_len;
    uint32_t value_count;
    uint32_t
        bitmap; /* BLOCK_HAS_BITMAP: first of its words in column_index.bitmaps; max / 64 + 1 of them */
    uint8_t tag;
} block_entry;

typedef struct text_page {
    uint32_t first_code, count;
    page_ref ref;
    _Atomic(text_list *) loaded;
    _Atomic(struct template_page *) apart; /* with templates: not spelled */
    atomic_bool is_other;                  /* known to have another form */
} text_page;

/* Which value goes with which code of another column. */
typedef struct derived_table {
    uint32_t entries; /* 0: there is no table. Entry 0: that column has no value; 1 + code */
    uint8_t *has;     /* per entry: 1 when the row has a value, then */
    uint64_t *values;
    bool is_full; /* all but entry 0 have one */
} derived_table;

typedef struct column_index {
    const segment *segment;
    derived_table table;
    uint32_t block_count;
    block_entry *blocks;
    uint64_t *bitmaps;
    uint32_t page_count;
    text_page *pages;
    bool has_templates; /* of its texts */
    page_ref template_ref;
    _Atomic(struct template_list *) templates;
    size_t bytes;
} column_index;

typedef struct rare_column {
    uint32_t count;
    uint32_t *rows;
    uint64_t *bits;
    text_list *texts; /* may be NULL */
    size_t bytes;
} rare_column;

typedef struct directory_column {
    const segment *segment;
    dictionary dictionary; /* of the column's texts, loaded when asked for */
    span name;
    uint64_t value_count;
    uint32_t hash, text_count;
    field_type type;
    column_form form;
    page_ref index;                      /* COLUMN_BLOCKS, COLUMN_DERIVED */
    uint32_t source;                     /* COLUMN_DERIVED: the column it follows from */
    uint32_t pack, pack_start, pack_len; /* COLUMN_RARE */
    _Atomic(column_index *) loaded;
    _Atomic(rare_column *) loaded_rare;
} directory_column;

typedef struct trace_page {
    uint32_t count;
    uint32_t entries[]; /* count hashes, then count rows */
} trace_page;

typedef struct trace_index {
    uint32_t page_count;
    uint32_t *first_hash;
    page_ref *refs;
    uint32_t *counts;
    _Atomic(trace_page *) *loaded;
} trace_index;

typedef struct directory {
    file *file;
    uint32_t column_count; /* pseudo ones included, first */
    uint32_t cached_count; /* behind them: columns made at sealing */
    directory_column *columns;
    uint32_t pack_count;
    page_ref *packs;
    bool has_trace_index;
    page_ref trace_root;
    _Atomic(trace_index *) traces;
    uint8_t *names;
    size_t bytes;
} directory;

struct segment {
    part base;
    segment *self; /* for those who came by `const part *` and load something or count */
    _Atomic uint32_t refs;
    segment_facts facts;
    uint64_t file_id, file_bytes;
    uint32_t version;
    char *path;
    segment_cache *cache; /* may be NULL: nothing is given back early */
    bool checks;          /* pages' checksums; only a fuzzer opens without */
    lock lock;            /* RANK_LEAF: pins, and that nothing is unloaded while there are any */
    uint32_t pins;
    _Atomic(directory *) directory;
    _Atomic size_t held_bytes;
    _Atomic uint64_t last_used;
    atomic_bool is_damaged;
    atomic_bool is_removed; /* the file goes with the last reference */
    bool is_busy;           /* guarded by the table's lock: an input of a merge */
    bool is_in_cache;       /* guarded by the cache's lock */
};

/* Reads trailer and footer. SK_CORRUPT: not a whole segment; SK_UNSUPPORTED: of a newer version. */
sk_code segment_open(const char *path, bool checks, segment_cache *cache, segment **ret,
                     err *e) must_use;
/* A file in the making, as far as it is written; `of_directory`: the bytes of what would be its page. */
sk_code segment_of_unfinished(const char *path, uint64_t file_id, uint64_t file_bytes,
                              const segment_facts *facts, span of_directory, segment **ret,
                              err *e) must_use;
/* A snapshot of it alone. */
sk_code snapshot__of_segment(segment *g, snapshot **ret, err *e) must_use;
segment *segment_ref(segment *s);
void segment_unref(segment *s);                   /* NULL is fine */
void segment_rename(segment *s, char *take_path); /* before it is shown */
/* The request hashes kept in the footer; base_free them. */
sk_code segment_hashes(segment *s, segment_hash **ret, uint32_t *ret_count, err *e) must_use;

/* Between pin and unpin what is loaded stays. Pinning loads the directory and the times' index. */
sk_code segment_pin(segment *s, err *e) must_use;
void segment_unpin(segment *s);
static inline const part *segment_part(const segment *s)
{
    return &s->base;
}

/* Marks it damaged: counted and told once, left out of merges. */
void segment_set_damaged(segment *s, const char *what);

/* One page, checked, unsqueezed, into `out` (cleared first; DECODE_SLACK bytes behind it). */
sk_code segment_page(const segment *s, file *f, const page_ref *ref, unsqueezer *u, buf *scratch,
                     buf *out, err *e) must_use;

/* ---- segment_derived.c: blocks that follow from another column's ---- */
/* The table at the end of a derived column's index. */
bool derived_table_decode(derived_table *t, decoder *d, reader *r, bool *ret_is_out_of_memory);
void derived_table_free(derived_table *t);
/* Codes of the source's block to the values of this one; false: they do not fit the block's entry. */
bool derived_fill(const derived_table *t, const vector *source, const block_entry *b, vector *out);

/* ---- segment_load.c; pinned segments only ---- */
sk_code segment_load_directory(segment *s, directory **ret, err *e) must_use;
/* The same from its bytes. */
sk_code segment_set_directory(segment *s, span bytes, err *e) must_use;
sk_code segment_load_index(const segment *s, directory_column *c, column_index **ret,
                           err *e) must_use;
sk_code segment_load_rare(const segment *s, directory_column *c, rare_column **ret,
                          err *e) must_use;
sk_code segment_load_traces(const segment *s, trace_index **ret, err *e) must_use;
sk_code segment_load_trace_page(const segment *s, trace_index *t, uint32_t page, trace_page **ret,
                                err *e) must_use;
/* A page in its own memory and a decoder to take it apart; loading_end gives both back. */
typedef struct loading {
    const segment *segment;
    decoder *decoder;
    buf scratch, bytes;
} loading;

sk_code loading_begin(loading *l, const segment *s, file *f, const page_ref *ref, err *e) must_use;
void loading_end(loading *l);
void segment_note_held(const segment *s, size_t bytes); /* what is held counts for the cache */

/* ---- segment_texts.c; pinned segments only ---- */
dictionary segment_dictionary(const directory_column *c);
size_t segment_forget_texts(text_page *p);
/* A page of texts that a reader has for itself. */
typedef struct lone_page {
    const text_page *page; /* NULL: none */
    text_list *texts;
} lone_page;
void lone_page_done(lone_page *p);
/* One text; its page, unless it is loaded, goes to `own` in place of the one that is there. */
sk_code segment_read_text(const column_index *x, uint32_t code, lone_page *own, span *ret,
                          err *e) must_use;
/* Texts of the codes [first, last]. */
sk_code segment_load_texts(const column_index *c, uint32_t first, uint32_t last, err *e) must_use;
/* Drops the loaded texts but those of the newest pages: for merges, which read in order. */
void segment_trim_texts(column_index *c, uint32_t keep_pages);
void segment_unload(segment *s); /* all of it; nobody may be looking */
extern const part_ops segment_part_ops;

/* A code's text, or why it cannot be had (then a dictionary gives NULL). */
static inline sk_code dictionary_text_of(const dictionary *d, uint32_t code, span *ret, err *e)
{
    *ret = d->text(d->of, code);
    return ret->at ? SK_OK : err_set(e, SK_IO, "a dictionary's text cannot be loaded");
}

static inline directory *segment_directory(const segment *s)
{
    return atomic_load_explicit(&s->directory, memory_order_acquire);
}

#endif
