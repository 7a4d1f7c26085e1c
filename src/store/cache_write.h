/*
 * store/cache_write.h: the columns of a new segment that its store's owner makes from the rows (store.h, store_cacher).
 */
#ifndef STORE_CACHE_WRITE_H
#define STORE_CACHE_WRITE_H

#include <stdatomic.h>

#include "store/segment.h"
#include "store/segment_write.h"

/* After the rows' columns, before the end. When the cacher finds the segment too large it goes without. */
sk_code cache_write(const store_cacher *by, const char *path, const segment_facts *facts,
                    segment_writer *w, const atomic_bool *cancel, err *e) must_use;

#endif
