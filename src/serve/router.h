/*
 * serve/router.h: what a route is and which one a request means. The product's rows are in
 * serve/route/table.c; tests bring their own. Pure.
 *
 * Patterns: "/skep/v1/traces/{trace_id}": literal segments and {params}, one segment each, compared
 * after decoding; a last segment "{name...}" takes the rest of the path. Literals win over params.
 * Repeated and trailing slashes do not matter.
 */
#ifndef SERVE_ROUTER_H
#define SERVE_ROUTER_H

#include "serve/http.h"

typedef enum route_pool {
    POOL_INLINE, /* on the I/O loop: answers from memory in microseconds */
    POOL_INGEST, /* one decode worker per core */
    POOL_QUERY,  /* at nice 10 */
    POOL_COUNT
} route_pool;

typedef enum route_form {
    ERROR_JSON, /* {"error":…,"code":…} */
    ERROR_OTLP, /* google.rpc.Status in the request's form */
} route_form;

typedef enum route_kind {
    ROUTE_HTTP,
    ROUTE_GRPC, /* the pattern is the whole method path; takes application/grpc over HTTP/2 only */
} route_kind;

typedef enum route_cors {
    CORS_NONE, /* same origin only */
    CORS_ANY,  /* browser SDKs: any origin, named exactly */
} route_cors;

typedef struct route {
    const char *name; /* "otlp-traces", in counters */
    route_kind kind;
    http_method method; /* GET rows answer HEAD too */
    const char *pattern;
    uint32_t permission; /* bits of meta.h's permission; 0 = everyone */
    route_pool pool;
    route_form form;
    route_cors cors;
    void (*handler)(exchange *take_x);
    const void *data; /* the row's own constant, e.g. its receive_row */
} route;

#define ROUTE_PARAMS_MAX   4u
#define ROUTE_SEGMENTS_MAX 16u

typedef struct route_match {
    const route *row; /* NULL: see `code` */
    sk_code code; /* SK_OK, SK_NOT_FOUND, SK_METHOD, SK_UNSUPPORTED (gRPC row asked without gRPC),
                     SK_UNIMPLEMENTED */
    span param_names[ROUTE_PARAMS_MAX], params[ROUTE_PARAMS_MAX];
    uint32_t param_count;
    uint32_t methods;       /* bit per http_method: what the path takes (Allow, preflight) */
    route_cors cors;        /* of the path, whatever the method */
    bool is_otlp;           /* error form when no row matched */
    const route *suggested; /* the row the sender may have meant */
} route_match;

/* `segments` are decoded and lie in one text, one byte between them. A doubled ingest path
 * ("/v1/traces/v1/logs": a full URL set as base) means its last one. */
void route_find(const route *rows, size_t row_count, http_method method, bool is_grpc,
                const span *segments, uint32_t segment_count, route_match *ret);
/* The sentence for what was not found or allowed. */
void route_explain(const route_match *m, http_method method, span path, bool is_grpc, err *ret);
const char *http_method_name(http_method m);
http_method http_method_of(span name);

#endif
