/* serve/route/explore.h: trace by id, service map, fields: GET /skep/v1/{traces/{trace_id},service-map,fields}. */
#ifndef SERVE_ROUTE_EXPLORE_H
#define SERVE_ROUTE_EXPLORE_H

#include "serve/http.h"

void route_trace(exchange *take_x);
void route_service_map(exchange *take_x);
void route_fields(exchange *take_x);

#endif
