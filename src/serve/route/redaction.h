/* serve/route/redaction.h: /skep/v1/environments/{slug}/redaction: what of an environment's events is never written down. */
#ifndef SERVE_ROUTE_REDACTION_H
#define SERVE_ROUTE_REDACTION_H

#include "serve/http.h"

void route_redaction_list(exchange *take_x);
void route_redaction_set(exchange *take_x); /* PUT: all rules anew */

#endif
