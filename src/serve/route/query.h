/* serve/route/query.h: POST /skep/v1/query, and the same for who keeps the answer. */
#ifndef SERVE_ROUTE_QUERY_H
#define SERVE_ROUTE_QUERY_H

#include "serve/http.h"

void route_query(exchange *take_x);

/* Answers what such a body asks, with ?format= of this request. */
sk_code query_answer(exchange *x, span body, environment *ret_asked, buf *out, err *e) must_use;
/* SK_BAD_INPUT: ?format= is of no known form. */
sk_code query_check_format(const exchange *x, err *e) must_use;

#endif
