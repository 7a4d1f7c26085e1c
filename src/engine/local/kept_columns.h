/*
 * engine/local/kept_columns.h: columns of sealed blocks as they were decoded, kept between questions in one, two or four bytes a row
 * (kept_blocks.h). Numbers and codes that lie within 32 bits of each other are; what decodes as fast is not.
 */
#ifndef ENGINE_LOCAL_KEPT_COLUMNS_H
#define ENGINE_LOCAL_KEPT_COLUMNS_H

#include "engine/local/kept_blocks.h"
#include "store/snapshot.h"

/* As part_read (with texts) or part_read_codes. `kept`: NULL keeps nothing. *bytes grows by what a kept one takes, which the reader
 * has not read. */
sk_code kept_columns_read(kept_blocks *kept, const part *from, part_reader *r, uint32_t column,
                          uint32_t block, bool with_texts, vector *out, uint64_t *bytes,
                          err *e) must_use;

#endif
