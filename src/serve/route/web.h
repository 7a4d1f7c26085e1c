/*
 * serve/route/web.h: the web interface: its files, and one page for all of its routes.
 */
#ifndef SERVE_ROUTE_WEB_H
#define SERVE_ROUTE_WEB_H

#include "serve/http.h"

void route_web_page(exchange *take_x); /* index.html, whatever the path; plain text for terminals */
void route_web_file(exchange *take_x); /* "/_/{file}" */

#endif
