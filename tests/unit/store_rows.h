/*
 * tests/unit/store_rows.h: random batches, and rows as lines of text, so that what was published and what is read back can
 * be compared as multisets. Used by every test of the store.
 */
#ifndef TESTS_STORE_ROWS_H
#define TESTS_STORE_ROWS_H

#include "check.h"
#include "event/batch.h"
#include "store/snapshot.h"

typedef struct row_list {
    char **lines;
    uint32_t count, capacity;
} row_list;

void rows_add_batch(row_list *l, const batch *b);
/* Every row of every part; checks on the way that parents resolve, bounds hold and statistics exclude nothing wrongly. */
void rows_add_snapshot(row_list *l, snapshot *s);
void rows_check_equal(row_list *got,
                      row_list *want); /* sorts both; prints the first that differs */
void rows_free(row_list *l);

typedef struct batch_recipe {
    family family;
    uint32_t rows, traces, datasets; /* traces: how many ids the rows are spread over */
    uint32_t fields;                 /* distinct rare field names besides the usual ones */
    int64_t start_ns, span_ns;       /* times lie in [start, start + span) */
    uint64_t trace_seed; /* same seed: same traces, so that several batches share them */
} batch_recipe;

#define DAY_NS    (86400 * NS_PER_S)
#define TEST_TIME (20000 * DAY_NS + 3600 * NS_PER_S)

batch *make_batch(const batch_recipe *recipe, uint64_t *random);
/* Publishes it as seq, after its rows were added to `want` (may be NULL). */
void publish_batch(store *s, uint32_t environment, uint64_t seq, batch *take_b, row_list *want);
void check_store_rows(store *s, uint32_t environment,
                      row_list *want); /* over all families and times */

#endif
