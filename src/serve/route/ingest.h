/*
 * serve/route/ingest.h: every ingest row of the route table: the row's `data` names its receive_row. Inflate, decode,
 * intake_submit, reply once durable.
 */
#ifndef SERVE_ROUTE_INGEST_H
#define SERVE_ROUTE_INGEST_H

#include "serve/http.h"

void route_ingest(exchange *take_x);

#endif
