/*
 * serve/route/table.h: every route of the product, one row each. A row's handler is in the file of
 * its API family: route/<family>.c, declared in route/<family>.h.
 */
#ifndef SERVE_ROUTE_TABLE_H
#define SERVE_ROUTE_TABLE_H

#include "serve/router.h"

extern const route route_table[];
extern const size_t route_table_count;

#endif
