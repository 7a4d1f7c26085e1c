/* serve/route/common.h: what several API families share: environment and time parameters, small JSON replies. */
#ifndef SERVE_ROUTE_COMMON_H
#define SERVE_ROUTE_COMMON_H

#include "serve/serve.h"
#include "wire/json.h"

#define ROUTE_REPLY_MAX (256 * MIB)
#define JSON_TYPE       "application/json"

/* The environment that a request means: `asked` (empty: the caller's own). 403 naming the other when its key is of
 * another one, 404 when there is none of that name. */
sk_code route_environment(exchange *x, span asked, environment *ret, err *e) must_use;
/* Refuses query parameters that are not in the NULL-terminated list. */
sk_code route_check_query(const exchange *x, const char *const *known, err *e) must_use;
/* RFC 3339 or unix seconds (fraction allowed). */
sk_code route_time(span text, const char *name, int64_t *ret_ns, err *e) must_use;
/* ?start= and ?end=; `default_range_ns` before now when start is absent (0: no bound, INT64_MIN). */
sk_code route_range(const exchange *x, int64_t default_range_ns, int64_t *ret_start_ns,
                    int64_t *ret_end_ns, err *e) must_use;
sk_code route_number(const exchange *x, const char *name, uint32_t otherwise, uint32_t max,
                     uint32_t *ret, err *e) must_use;
/* ?name=true, 1 or nothing; false, 0; absent: as it is. */
sk_code route_flag(const exchange *x, const char *name, bool *ret, err *e) must_use;

/* A flat JSON object body of strings, numbers and bools: calls `member` for each; unknown ones are its business. */
sk_code route_object(exchange *x, sk_code (*member)(void *ctx, span key, json *j, err *e),
                     void *ctx, err *e) must_use;

/* The same of a text that stands elsewhere: an object within the body. */
sk_code route_object_of(span text, arena *mem,
                        sk_code (*member)(void *ctx, span key, json *j, err *e), void *ctx,
                        err *e) must_use;

void route_fail(exchange *take_x, sk_code code, err *e); /* e->code is set to `code` */
void route_reply(exchange *take_x, int status, buf *take_json);
/* A reply {"name": [items…]}: begin, write the items, end, which answers. `out` is the caller's. */
json_writer route_list_begin(buf *out, const char *name);
void route_list_end(exchange *take_x, json_writer *w);
void jw_value(json_writer *w, value v);   /* an event's value; histograms as null */
void jw_time(json_writer *w, int64_t ns); /* RFC 3339 */

#endif
