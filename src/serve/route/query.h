/* serve/route/query.h: POST /skep/v1/query. */
#ifndef SERVE_ROUTE_QUERY_H
#define SERVE_ROUTE_QUERY_H

#include "serve/http.h"

void route_query(exchange *take_x);

#endif
