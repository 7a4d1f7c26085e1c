/*
 * query/plan_private.h: what the planner's files share.
 */
#ifndef QUERY_PLAN_PRIVATE_H
#define QUERY_PLAN_PRIVATE_H

#include "query/plan.h"
#include "query/spec_private.h"

/* Fills start, end, granularity and bucket count from p->spec. */
sk_code plan__time(plan *p, int64_t now_ns, err *e) must_use;

#endif
