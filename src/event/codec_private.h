/*
 * event/codec_private.h: the constants of the batch's bytes and what its two source files share.
 */
#ifndef EVENT_CODEC_PRIVATE_H
#define EVENT_CODEC_PRIVATE_H

#include "event/codec.h"

#define BATCH_MAGIC       "SKB"
#define COLUMN_HEAD_BYTES 12

enum {
    BATCH_HAS_RATES = 1, /* else all are 1 */
    BATCH_ONE_DATASET = 2,
    BATCH_HAS_TRACE_IDS = 4, /* else all are absent */
    BATCH_HAS_SPAN_IDS = 8,
    BATCH_HAS_PARENT_IDS = 16,
    BATCH_FLAGS_ALL = 31,
};
enum { COLUMN_HAS_ROWS = 1 };

/* Bytes for numbers up to and including `highest`. */
static inline uint32_t codec__width(uint32_t highest)
{
    return highest <= UINT8_MAX ? 1 : highest <= UINT16_MAX ? 2 : 4;
}

/* Links the types of each name and checks what readers rely on: a (name, type) once, one value per
 * name and row. False with *ret_damage set, or without it when memory is short. */
bool codec__link_columns(batch *b, const char **ret_damage);

#endif
