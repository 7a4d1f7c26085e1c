/* serve/route/markers.h: moments that were marked: /skep/v1/markers. */
#ifndef SERVE_ROUTE_MARKERS_H
#define SERVE_ROUTE_MARKERS_H

#include "serve/http.h"

void route_markers_list(exchange *take_x);
void route_markers_add(exchange *take_x);
void route_markers_delete(exchange *take_x);

#endif
