/* serve/route/tail.h: GET /skep/v1/tail: server-sent events of what arrives. */
#ifndef SERVE_ROUTE_TAIL_H
#define SERVE_ROUTE_TAIL_H

#include "serve/http.h"

void route_tail(exchange *take_x);

#endif
