/* serve/route/differences.h: what sets a selection apart from its baseline: POST /skep/v1/differences. */
#ifndef SERVE_ROUTE_DIFFERENCES_H
#define SERVE_ROUTE_DIFFERENCES_H

#include "serve/http.h"

void route_differences(exchange *take_x);

#endif
