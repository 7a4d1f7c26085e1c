/*
 * query/plan_private.h: what the planner's files share.
 */
#ifndef QUERY_PLAN_PRIVATE_H
#define QUERY_PLAN_PRIVATE_H

#include "query/plan.h"
#include "query/spec_private.h"

typedef struct planner {
    arena *mem;
    err *e;
    plan *p;
    spec_list fields;
} planner;

/* What a field is asked for. */
typedef enum field_use { USE_CALCULATION, USE_FILTER, USE_BREAKDOWN } field_use;

/* ---- plan_fields.c ---- */
/* The index of the field `name` (which lives in the arena), added when it is new. */
sk_code plan__field(planner *pl, span name, field_use use, uint32_t *ret) must_use;
/* Relations that may only be grouped by when WHERE says which row is meant. */
sk_code plan__check_relations(planner *pl) must_use;

/* Fills start, end, granularity and bucket count from p->spec. */
sk_code plan__time(plan *p, int64_t now_ns, err *e) must_use;

#endif
