/*
 * store/segment.h: one sealed file, opened: what stays in memory for each (trailer's facts) and what is loaded when asked
 * for (directory, column indexes, dictionary pages), which the cache gives back when it is full and nobody holds a snapshot.
 */
#ifndef STORE_SEGMENT_H
#define STORE_SEGMENT_H

#include <stdatomic.h>

#include "base/thread.h"
#include "store/part.h"

typedef struct segment_cache segment_cache;
typedef struct segment segment;

segment *segment_ref(segment *s);
void segment_unref(segment *s);
const part *segment_part(const segment *s);

#endif
