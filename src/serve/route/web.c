/*
 * serve/route/web.c: the files of the web interface from the binary. Files whose names hold a hash are kept by browsers for a year; the page
 * itself is asked for anew each time and answered 304 while it is the same. Nothing else is ever loaded: the content security
 * policy of the page names this origin alone.
 */
#include "serve/route/web.h"

#include <stdio.h>

#include "serve/route/common.h"
#include "web/assets.h"
#include "wire/body.h"

#define PAGE    "index.html"
#define FOREVER "public, max-age=31536000, immutable"
#define POLICY                                                                                     \
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; connect-src "       \
    "'self'; worker-src 'self'; manifest-src 'self'; img-src 'self' data:; base-uri 'none'; "      \
    "form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'"

static const web_asset *find(span path)
{
    size_t low = 0, high = web_asset_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int diff = span_compare(span_text(web_assets[middle].path), path);
        if (diff == 0)
            return &web_assets[middle];
        if (diff < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* Whether a list like "gzip, br;q=0.5, *;q=0" names the coding without refusing it (RFC 9110, 12.5.3). */
static bool accepts(span list, span coding)
{
    while (list.len) {
        span rest = span_cut(&list, ',');
        span name = span_trim(span_cut(&rest, ';'));
        if (span_equal_nocase(name, coding))
            return !span_is(span_trim(rest), "q=0");
    }
    return false;
}

static void set_security(exchange *x)
{
    exchange_set_header(x, "content-security-policy", SPAN(POLICY));
    exchange_set_header(x, "referrer-policy", SPAN("same-origin"));
    exchange_set_header(x, "cross-origin-opener-policy", SPAN("same-origin"));
    exchange_set_header(x, "permissions-policy",
                        SPAN("camera=(), geolocation=(), microphone=(), payment=(), usb=()"));
}

static void reply(exchange *take_x, const web_asset *a, bool is_lasting)
{
    span accepted = exchange_header(take_x, "accept-encoding");
    bool brotli = accepts(accepted, SPAN("br")), gzip = !brotli && accepts(accepted, SPAN("gzip"));
    char tag[48];
    int len = snprintf(tag, sizeof tag, "\"%s%s\"", a->tag, brotli ? "-br" : gzip ? "-gz" : "");
    exchange_set_header(take_x, "etag", span_of(tag, (size_t)len));
    exchange_set_header(take_x, "vary", SPAN("Accept-Encoding"));
    exchange_set_header(take_x, "cache-control", is_lasting ? SPAN(FOREVER) : SPAN("no-cache"));
    set_security(take_x);
    if (span_is(exchange_header(take_x, "if-none-match"), tag)) {
        exchange_reply_static(take_x, 304, NULL, SPAN(""));
        return;
    }
    if (brotli || gzip) {
        const web_bytes *bytes = brotli ? &a->brotli : &a->gzip;
        exchange_set_header(take_x, "content-encoding", brotli ? SPAN("br") : SPAN("gzip"));
        exchange_reply_static(take_x, 200, a->type, span_of(bytes->at, bytes->len));
        return;
    }
    buf plain = {.max_bytes = a->len + 1};
    err e = {0};
    sk_code code = body_inflate(BODY_GZIP, span_of(a->gzip.at, a->gzip.len), &plain, &e);
    if (code != SK_OK) {
        buf_done(&plain);
        route_fail(take_x, code, &e);
        return;
    }
    exchange_reply_buf(take_x, 200, a->type, &plain);
}

static bool wants_page(const exchange *x)
{
    return span_contains(exchange_header(x, "accept"), SPAN("text/html"));
}

void route_web_page(exchange *take_x)
{
    const web_asset *page = find(SPAN(PAGE));
    if (page && wants_page(take_x)) {
        reply(take_x, page, false);
        return;
    }
    exchange_reply_static(take_x, 200, "text/plain; charset=utf-8",
                          SPAN("skep is running.\n\n"
                               "  look     this address in a browser\n"
                               "  send     OTLP to /v1/traces, /v1/logs, /v1/metrics or gRPC, on "
                               "any port of this server\n"
                               "  ask      skep query 'COUNT GROUP BY service.name'\n"
                               "  set up   skep env --shell python\n"
                               "  trouble  skep doctor\n"
                               "  state    /skep/v1/status  /metrics  /readyz\n"));
}

void route_web_file(exchange *take_x)
{
    span name = exchange_param(take_x, "file");
    const web_asset *a = find(name);
    err e = {0};
    if (a && !span_is(name, PAGE)) {
        reply(take_x, a, memchr(name.at, '-', name.len) != NULL);
        return;
    }
    err_set(&e, SK_NOT_FOUND,
            "the interface has no file %.*s: it may be of another version of skep", (int)name.len,
            (const char *)name.at);
    route_fail(take_x, SK_NOT_FOUND, &e);
}
