/*
 * engine/local/block_flags.h: a byte for each block of sealed parts, kept between queries: what structure_block.c found out about the rows of a
 * block, so that it need not be found out again. By the ids of parts, which are new with every change of content.
 */
#ifndef ENGINE_LOCAL_BLOCK_FLAGS_H
#define ENGINE_LOCAL_BLOCK_FLAGS_H

#include <stdatomic.h>

#include "base/port.h"

typedef struct block_flags block_flags;

block_flags *block_flags_new(void); /* NULL: no memory */
void block_flags_free(block_flags *take_f);

/* Between enter and leave what was got stays. */
void block_flags_enter(block_flags *f);
void block_flags_leave(block_flags *f);
/* `block_count` bytes, 0 at first; NULL: there is no room. */
_Atomic(uint8_t) *block_flags_get(block_flags *f, uint64_t part_id, uint32_t block_count);

#endif
