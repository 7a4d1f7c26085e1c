/* serve/route/saved.h: questions that were given a name: /skep/v1/saved. */
#ifndef SERVE_ROUTE_SAVED_H
#define SERVE_ROUTE_SAVED_H

#include "serve/http.h"

void route_saved_list(exchange *take_x);
void route_saved_get(exchange *take_x);
void route_saved_create(exchange *take_x);
void route_saved_change(exchange *take_x);
void route_saved_delete(exchange *take_x);

#endif
