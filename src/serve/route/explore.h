/* serve/route/explore.h: service map, fields: GET /skep/v1/{service-map,fields}. */
#ifndef SERVE_ROUTE_EXPLORE_H
#define SERVE_ROUTE_EXPLORE_H

#include "serve/http.h"

void route_service_map(exchange *take_x);
void route_fields(exchange *take_x);

#endif
