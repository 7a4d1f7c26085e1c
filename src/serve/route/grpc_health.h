/* serve/route/grpc_health.h: grpc.health.v1.Health/Check, which load balancers and Jaeger's tests call. */
#ifndef SERVE_ROUTE_GRPC_HEALTH_H
#define SERVE_ROUTE_GRPC_HEALTH_H

#include "serve/http.h"

#define GRPC_HEALTH_PATH "/grpc.health.v1.Health/Check"

void route_grpc_health(exchange *take_x);

#endif
