/*
 * engine/local/trace_groups.h: how many rows each trace has, without a table of every trace. Rows of a trace lie together in a sealed segment:
 * a run of them that touches no edge of its block, of a trace that lies nowhere else (straddle.h), is a whole group. It
 * is counted at once and only kept while it is among the first LIMIT of its worker; all other rows go into the group table. Used by run.c.
 */
#ifndef ENGINE_LOCAL_TRACE_GROUPS_H
#define ENGINE_LOCAL_TRACE_GROUPS_H

#include "engine/local/feed.h"
#include "engine/local/straddle.h"

typedef struct trace_count {
    trace_id id;
    uint64_t rows; /* weighted */
} trace_count;

/* What one worker has counted of whole groups. */
typedef struct trace_tally {
    const plan *plan;
    agg_budget *budget;
    trace_count *heap; /* its top is the last in order */
    uint32_t count, limit;
    uint64_t passing, passing_rows; /* groups that pass HAVING, those in the heap included */
    uint64_t failing_rows;
} trace_tally;

/* Whether the scan's answer can be had so: COUNT of rows alone, by the trace id alone, of spans. */
bool trace_groups_fit(const scan *s);

bool trace_tally_init(trace_tally *t, const plan *p, agg_budget *budget) must_use;
void trace_tally_done(trace_tally *t);

/* As feed_block. Its `groups` takes the rows that are no whole group. */
sk_code trace_groups_feed(feeder *f, trace_tally *t, const straddle_set *straddling,
                          uint32_t part_number, uint32_t block, err *e) must_use;

/* After the last block, with the workers' tables joined in `g`: what they kept becomes groups of it, the rest two more behind them that no
 * lookup finds. */
sk_code trace_groups_choose(groups *g, const trace_tally *tallies, uint32_t count, arena *mem,
                            finish_choice *ret, err *e) must_use;

#endif
