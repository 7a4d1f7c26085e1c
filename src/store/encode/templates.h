/*
 * store/encode/templates.h: long texts that differ in few words, the lines of a log above all: what they share is a template of
 * their column, written once; a page of texts names the template of each and keeps what differs by template and slot, so that
 * like lies by like. Texts without a template are kept whole, all of them with marks (marks.h) for what their row says.
 *
 * templates.c         finding and writing them          templates_read.c    pages back to texts
 * templates_search.c  which texts hold some bytes, without spelling them
 */
#ifndef STORE_ENCODE_TEMPLATES_H
#define STORE_ENCODE_TEMPLATES_H

#include "store/encode/coder.h"

/* ---- writing: one of these per column ---- */
#define TEMPLATES_MAX       65536u
#define TEMPLATES_BYTES_MAX (8 * MIB)

templates *templates_new(void); /* NULL when memory is short */
void templates_free(templates *take_t);
uint32_t templates_count(const templates *t);
/* Appends the page of `count` texts; false, and nothing appended: other forms are as good. Failure is the buffer's. */
bool templates_encode(templates *t, encoder *e, const span *list, uint32_t count,
                      const text_ids *ids, buf *out);
/* The page of the templates themselves, after the last of texts. */
void templates_encode_list(const templates *t, buf *out);

/* ---- reading ---- */
typedef struct template_list {
    uint32_t count;
    uint32_t *starts; /* count + 1, into bytes; each ends with MARK_END */
    uint8_t *slots;   /* how many each has */
    uint8_t *bytes;
    size_t held; /* bytes of memory */
} template_list;

/* One allocation, freed with base_free. SK_CORRUPT or SK_NO_MEMORY. */
sk_code template_list_decode(span page, template_list **ret);

/* A page taken apart, its texts not spelled. One allocation, freed with base_free. */
typedef struct template_page {
    uint32_t count, used_count;
    uint32_t *rows;
    uint32_t *used;  /* the page's templates, ascending */
    uint16_t *codes; /* of each text: 0 none, 1 + which of `used` */
    uint8_t *values; /* what stands in slots: by template, slot, text; each ends with MARK_END */
    uint8_t *whole;  /* texts without a template, each with MARK_END */
    uint32_t values_len, whole_len, value_count, whole_count;
    int zone;
    size_t held;
} template_page;

/* `r` is behind the byte that says the form. */
sk_code template_page_decode(decoder *d, reader *r, uint32_t count, const template_list *list,
                             template_page **ret);
sk_code template_page_spell(const template_page *p, decoder *d, const template_list *list,
                            const text_id_source *ids, text_list **ret);

/* ---- searching ---- */
enum {
    SEARCH_UNKNOWN,
    SEARCH_NO,
    SEARCH_YES,
    SEARCH_IN_SLOT /* of templates: only if a slot has it */
};

/* Whether bytes can be looked for at all. */
bool search_can(span part);
/* By template, whether its texts hold `part`. */
void template_list_search(const template_list *list, span part, uint8_t *verdicts);
/* By text of the page; SEARCH_UNKNOWN: only the text itself tells. */
void template_page_search(const template_page *p, span part, const uint8_t *of_templates,
                          uint8_t *verdicts);

#endif
