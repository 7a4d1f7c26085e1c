/*
 * engine/local/feed_private.h: what feed.c (blocks to states) and feed_keys.c (rows to group keys) share.
 */
#ifndef ENGINE_LOCAL_FEED_PRIVATE_H
#define ENGINE_LOCAL_FEED_PRIVATE_H

#include "base/hash.h"
#include "base/must.h"
#include "engine/local/feed.h"

/* A column of the block at hand that has been decoded before. */
static inline const vector *feed__loaded(feeder *f, uint32_t number)
{
    const vector *v = NULL;
    must(scan_read(&f->scan, number, &v, NULL) == SK_OK);
    return v;
}

static inline uint32_t feed__position(const scan_taken *t, uint32_t n)
{
    return t->all ? n : t->at[n];
}

static inline feed_cached *feed__cached(feed_cached *cache, vector_kind kind, uint64_t bits)
{
    return &cache[(hash_mix(bits) + kind) & (FEED_CACHE - 1)];
}

static inline uint64_t feed__bits_of(const vector *v, uint32_t row)
{
    return v->kind == VECTOR_BOOLS ? v->codes[row] : v->ids[row];
}

/* Keys of the selected rows for a breakdown, into f->keys[b]. Failure is in the budget. */
void feed__find_keys(feeder *f, uint32_t b);
/* Of a second pass: where a group of the first one goes. Shown ones to their place, others to the two places behind. */
static inline uint32_t feed__place_of_group(const feeder *f, uint32_t group)
{
    uint32_t shown = f->choice->count;
    uint32_t place = group == GROUP_NONE ? FINISH_REST : f->choice->place[group];
    return place < shown ? place : place == FINISH_OTHER ? shown : shown + 1;
}

/* Of a second pass by one field that has codes here: the places of the selected rows, by code. False: by their keys, then. */
bool feed__find_places(feeder *f, uint32_t *out);
/* Before a second pass that drops other groups: so that the ids of most traces need not be looked up among all. */
bool feed__list_chosen_ids(feeder *f) must_use;

#endif
