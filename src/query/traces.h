/*
 * query/traces.h: which traces a question about whole traces is about, from a WHERE in text (docs/internals/structure.md "Traces that are meant").
 */
#ifndef QUERY_TRACES_H
#define QUERY_TRACES_H

#include "query/plan.h"

/* `where`: filters as after the word WHERE, joined by AND; blank: all traces. A trace is meant when one of its rows, a span or a log of any
 * time, passes all filters on a row's own fields, and those on root., any., any2., any3. and none. hold too. In the plan they are
 * all `related`. SK_BAD_INPUT: what cannot choose a trace is named, as are errors of the text, by their offset in `where`. */
sk_code traces_plan(span where, int64_t start_ns, int64_t end_ns, arena *mem, plan *ret,
                    err *e) must_use;

#endif
