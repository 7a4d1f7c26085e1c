/* serve/route/health.h: what the server says of itself: /healthz, /readyz, /metrics, /skep/v1/status, /skep/v1/doctor. */
#ifndef SERVE_ROUTE_HEALTH_H
#define SERVE_ROUTE_HEALTH_H

#include "serve/http.h"

void route_live(exchange *take_x);
void route_ready(exchange *take_x);
void route_metrics(exchange *take_x);
void route_status(exchange *take_x);
void route_doctor(exchange *take_x);

#endif
