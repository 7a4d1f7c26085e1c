/*
 * serve/cors.c: what browsers need to send telemetry from a page of another origin: preflights, and
 * Allow-Origin on every reply and error of paths that take any origin. The query API has none: same
 * origin only. Called by exchange.c and exchange_reply.c. Never: says "*" (sendBeacon carries
 * credentials, so the exact origin is needed), or echoes a byte that could end a header. Source:
 * otlp.md §3 "CORS".
 */
#include "serve/exchange_private.h"

#define MAX_AGE_TEXT "7200" /* two hours: the longest Chromium keeps */

static bool is_token_list(span s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.at[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  memchr("!#$%&'*+-.^_`|~, ", c, 17) != NULL;
        if (!ok)
            return false;
    }
    return s.len > 0 && s.len <= 2048;
}

/* scheme "://" host [":" port], or "null". */
static bool is_origin(span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.at[i] <= ' ' || s.at[i] >= 0x7f || s.at[i] == ',')
            return false;
    return s.len > 0 && s.len <= 512;
}

void exchange__add_cors(exchange *x)
{
    if (x->match.cors != CORS_ANY || x->is_grpc)
        return;
    exchange_set_header(x, "vary", SPAN("origin"));
    span origin = exchange_header(x, "origin");
    if (!is_origin(origin))
        return;
    exchange_set_header(x, "access-control-allow-origin", origin);
    exchange_set_header(x, "access-control-allow-credentials", SPAN("true"));
    if (x->method != HTTP_METHOD_OPTIONS)
        exchange_set_header(x, "access-control-expose-headers", SPAN("retry-after"));
}

static void list_methods(exchange *x, const char *header)
{
    char text[64];
    size_t used = 0;
    uint32_t methods =
        x->match.methods ? x->match.methods | 1u << HTTP_METHOD_OPTIONS : 1u << HTTP_METHOD_POST;
    for (uint32_t m = 0; m < HTTP_METHOD_OTHER; m++) {
        if (!(methods & 1u << m))
            continue;
        span name = span_text(http_method_name((http_method)m));
        if (used) {
            memcpy(text + used, ", ", 2);
            used += 2;
        }
        memcpy(text + used, name.at, name.len);
        used += name.len;
    }
    exchange_set_header(x, header, span_of(text, used));
}

/* The browser tells the page nothing but that it failed. */
static void note_foreign_page(exchange *x)
{
    err e = {0};
    const serve_options *o = &x->core->options;
    err_set(&e, SK_FORBIDDEN,
            "a page of %.*s asked for %.*s, which pages of this server alone may ask for",
            SPAN_FMT(span_first(exchange_header(x, "origin"), 60)),
            SPAN_FMT(span_first(x->url.path, 60)));
    if (o->refused)
        o->refused(o->services, x, "foreign_page", &e);
}

bool exchange__preflight(exchange *take_x)
{
    exchange *x = take_x;
    if (x->method == HTTP_METHOD_OTHER || x->match.code == SK_OK)
        return false;
    if (x->match.code == SK_METHOD)
        list_methods(x, "allow");
    if (x->method != HTTP_METHOD_OPTIONS)
        return false;
    span asked = exchange_header(x, "access-control-request-headers");
    bool is_asked = exchange_header(x, "access-control-request-method").at != NULL;
    if (is_asked && x->match.cors == CORS_NONE)
        note_foreign_page(x);
    if (is_asked && x->match.cors == CORS_ANY) {
        list_methods(x, "access-control-allow-methods");
        if (is_token_list(asked))
            exchange_set_header(x, "access-control-allow-headers", asked);
        exchange_set_header(x, "access-control-max-age", SPAN(MAX_AGE_TEXT));
        if (exchange_header(x, "access-control-request-private-network").at)
            exchange_set_header(x, "access-control-allow-private-network", SPAN("true"));
    }
    exchange_reply(x, 204, NULL, SPAN(""));
    return true;
}
