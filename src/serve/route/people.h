/* serve/route/people.h: logging in and out, who one is, users, sessions, links that log in once. */
#ifndef SERVE_ROUTE_PEOPLE_H
#define SERVE_ROUTE_PEOPLE_H

#include "serve/http.h"

void route_login(exchange *take_x);
void route_logout(exchange *take_x);
void route_me(exchange *take_x);
void route_my_password(exchange *take_x);
void route_sessions_list(exchange *take_x);
void route_sessions_end(exchange *take_x);
void route_login_links_create(exchange *take_x);
void route_users_list(exchange *take_x);
void route_users_create(exchange *take_x);
void route_users_change(exchange *take_x);
void route_users_delete(exchange *take_x);

#endif
