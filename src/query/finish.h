/*
 * query/finish.h: from group tables to a result: which groups are shown and in what order (finish_choose), then the
 * values (finish_result). They are apart because a query with many groups chooses on few calculations first
 * and computes the rest, and the series, for the chosen alone.
 */
#ifndef QUERY_FINISH_H
#define QUERY_FINISH_H

#include "query/groups.h"

#define FINISH_OTHER UINT32_MAX       /* passes HAVING, lies past LIMIT */
#define FINISH_REST  (UINT32_MAX - 1) /* fails HAVING */

typedef struct finish_choice {
    uint32_t count;   /* of groups shown */
    uint32_t *groups; /* their numbers, in order */
    uint32_t *place; /* per group of the table: its place among them, FINISH_OTHER or FINISH_REST */
    uint32_t group_count; /* that pass HAVING */
} finish_choice;

bool finish_having_holds(const plan_having *h, result_value v);
/* Which calculations finish_choose looks at: sets wanted[calc_count]. */
void finish_choice_needs(const plan *p, bool *wanted);
/* SK_TOO_LARGE and SK_NO_MEMORY only. Uses and fills `mem`; result_compare_rows decides. */
sk_code finish_choose(const groups *g, arena *mem, finish_choice *ret, err *e) must_use;
/* Rows, series, total, other, approximate; all of it in `mem`. `choice` is about this table. `series`: a table of the
 * chosen groups, in their order, that has the time buckets; NULL: this table has. Does not fill rows_scanned and the like. */
sk_code finish_result(const groups *g, const finish_choice *choice, const groups *series,
                      arena *mem, result *ret, err *e) must_use;
/* The error for a failed budget: names the limit. And the one for an account without room, if that is why. */
sk_code finish_budget_error(const agg_budget *b, err *e);
sk_code finish_memory_error(const agg_budget *b, err *e);

#endif
