/* serve/route/differences.h: what sets a selection apart from its baseline: POST /skep/v1/differences,
 * and the same for who keeps the answer. */
#ifndef SERVE_ROUTE_DIFFERENCES_H
#define SERVE_ROUTE_DIFFERENCES_H

#include "serve/http.h"

void route_differences(exchange *take_x);

/* Answers what such a body asks. */
sk_code differences_answer(exchange *x, span body, environment *ret_asked, buf *out,
                           err *e) must_use;

#endif
