/*
 * query/spec_private.h: what the readers of the spec's two forms and the planner share.
 */
#ifndef QUERY_SPEC_PRIVATE_H
#define QUERY_SPEC_PRIVATE_H

#include "query/spec.h"

/* A list that grows in an arena while a spec is read. */
typedef struct spec_list {
    void *at;
    uint32_t count, capacity;
} spec_list;

/* One more zeroed item at the end; NULL when memory is short. */
void *spec__list_add(arena *mem, spec_list *list, size_t item_bytes) must_use;

sk_code spec__no_memory(err *e);

/* Is what was asked complete: columns where the calculation needs one, values as many as the
 * operator takes. */
sk_code spec__check_calc(const spec_calc *c, err *e) must_use;
sk_code spec__check_filter(const spec_filter *f, err *e) must_use;
sk_code spec__check_having(const spec_having *h, err *e) must_use;

/* Words of Honeycomb's that skep knows but cannot do yet: what a refusal adds about them, NULL for all others. */
const char *spec__later_calc(span name);
const char *spec__later_filter(span name);

/* Number as both forms write it: reads back as the same value and type (5.0 stays a float). */
size_t spec__print_float(double v, char out[40]);

#endif
