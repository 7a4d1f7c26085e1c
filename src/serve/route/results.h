/* serve/route/results.h: answers kept under a short link: /skep/v1/results. */
#ifndef SERVE_ROUTE_RESULTS_H
#define SERVE_ROUTE_RESULTS_H

#include "serve/http.h"

void route_results_list(exchange *take_x);
void route_results_keep(exchange *take_x);
void route_results_get(exchange *take_x);
void route_results_delete(exchange *take_x);

#endif
