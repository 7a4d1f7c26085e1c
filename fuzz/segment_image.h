/*
 * fuzz/segment_image.h: a segment as fuzz_segment.c is given it: one byte of flags, then the file. What checks and lengths
 * say is put right here, so that damage behind them is reached.
 */
#ifndef FUZZ_SEGMENT_IMAGE_H
#define FUZZ_SEGMENT_IMAGE_H

#include "base/must.h"
#include "store/segment.h"

enum {
    IMAGE_REPAIR = 1,  /* header and trailer are made to fit the file's length */
    IMAGE_RESEAL = 2,  /* every page that is referred to gets the right checksum */
    IMAGE_REBUILD = 4, /* what can be read is written as a new segment */
};

typedef struct image {
    uint8_t *at;
    size_t len;
} image;

/* The footer stays where it was, counted from the end. */
static inline void image_repair(image m)
{
    if (m.len < SEGMENT_HEAD_BYTES + SEGMENT_TAIL_BYTES)
        return;
    uint8_t *tail = m.at + m.len - SEGMENT_TAIL_BYTES;
    uint32_t version = SEGMENT_VERSION, footer_len;
    uint64_t len = m.len;
    memcpy(&footer_len, tail + 8, 4);
    footer_len %= (uint32_t)m.len;
    uint64_t footer = m.len - SEGMENT_TAIL_BYTES - PAGE_CHECK_BYTES - footer_len;
    memcpy(tail, &footer, 8);
    memcpy(tail + 8, &footer_len, 4);
    memcpy(tail + 12, &version, 4);
    memcpy(tail + 24, &len, 8);
    memcpy(tail + 40, SEGMENT_TAIL_MAGIC, 8);
    memcpy(m.at, SEGMENT_HEAD_MAGIC, 8);
    memcpy(m.at + 16, tail + 16, 8);
}

static inline void image_seal_ends(image m)
{
    uint8_t *tail = m.at + m.len - SEGMENT_TAIL_BYTES;
    uint64_t check = hash64(span_of(tail, 32));
    memcpy(tail + 32, &check, 8);
    check = hash64(span_of(m.at, 24));
    memcpy(m.at + 24, &check, 8);
}

static inline void image_seal_page(image m, const segment *s, uint64_t offset, uint64_t len)
{
    if (offset > m.len || len > m.len - offset || m.len - offset - len < PAGE_CHECK_BYTES)
        return;
    uint64_t check = page_check(s->file_id, offset, span_of(m.at + offset, len));
    memcpy(m.at + offset + len, &check, 8);
}

static inline void image_seal_column(image m, const segment *s, directory_column *c)
{
    column_index *x;
    err e;
    if (c->form == COLUMN_RARE || segment_load_index(s, c, &x, &e) != SK_OK)
        return;
    for (uint32_t i = 0; i < x->block_count; i++) {
        const block_entry *b = &x->blocks[i];
        uint8_t form = b->tag & BLOCK_FORMS;
        if (form == BLOCK_PAGE)
            image_seal_page(m, s, b->place, b->len);
        if (form != BLOCK_ABSENT && form != BLOCK_DERIVED && !(b->tag & BLOCK_ALL_PRESENT))
            image_seal_page(m, s, b->presence_place, b->presence_len);
    }
    for (uint32_t i = 0; i < x->page_count; i++)
        image_seal_page(m, s, x->pages[i].ref.offset, x->pages[i].ref.len);
    image_seal_page(m, s, c->index.offset, c->index.len);
}

/* The pages of a pinned segment; those that lead to others last. */
static inline void image_seal_pages(image m, const segment *s)
{
    directory *d = segment_directory(s);
    trace_index *t;
    err e;
    if (d->has_trace_index && segment_load_traces(s, &t, &e) == SK_OK)
        for (uint32_t i = 0; i < t->page_count; i++)
            image_seal_page(m, s, t->refs[i].offset, t->refs[i].len);
    if (d->has_trace_index)
        image_seal_page(m, s, d->trace_root.offset, d->trace_root.len);
    for (uint32_t i = 0; i < d->pack_count; i++)
        image_seal_page(m, s, d->packs[i].offset, d->packs[i].len);
    for (uint32_t i = 0; i < d->column_count; i++)
        image_seal_column(m, s, &d->columns[i]);
    if (s->facts.hash_count)
        image_seal_page(m, s, s->facts.hashes.offset, s->facts.hashes.len);
    image_seal_page(m, s, s->facts.directory.offset, s->facts.directory.len);
}

static inline void image_seal_footer(image m, const segment *s)
{
    uint64_t offset;
    uint32_t len;
    memcpy(&offset, m.at + m.len - SEGMENT_TAIL_BYTES, 8);
    memcpy(&len, m.at + m.len - SEGMENT_TAIL_BYTES + 8, 4);
    image_seal_page(m, s, offset, len);
    image_seal_ends(m);
}

#endif
