/* serve/route/admin.h: keys and environments, and who a key is: /skep/v1/keys…, /skep/v1/environments…, /1/auth. */
#ifndef SERVE_ROUTE_ADMIN_H
#define SERVE_ROUTE_ADMIN_H

#include "serve/http.h"

void route_whoami(exchange *take_x); /* GET /1/auth */
void route_keys_list(exchange *take_x);
void route_keys_create(exchange *take_x);
void route_keys_revoke(exchange *take_x);
void route_keys_allow_origin(exchange *take_x);
void route_keys_adopt(exchange *take_x);
void route_keys_refuse(exchange *take_x);
void route_environments_list(exchange *take_x);
void route_environments_create(exchange *take_x);
void route_environments_change(exchange *take_x);
void route_environments_delete(exchange *take_x);
void route_data_delete(exchange *take_x);

#endif
