/* serve/route/history.h: questions asked on purpose: /skep/v1/history. */
#ifndef SERVE_ROUTE_HISTORY_H
#define SERVE_ROUTE_HISTORY_H

#include "serve/http.h"

void route_history_list(exchange *take_x);
void route_history_add(exchange *take_x);

#endif
