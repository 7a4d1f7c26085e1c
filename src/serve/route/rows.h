/* serve/route/rows.h: events as they were sent. */
#ifndef SERVE_ROUTE_ROWS_H
#define SERVE_ROUTE_ROWS_H

#include "serve/http.h"

void route_rows(exchange *take_x); /* POST /skep/v1/rows */

#endif
