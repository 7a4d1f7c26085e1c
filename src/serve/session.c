/* serve/session.c: see session.h. Called by auth.c on I/O loops (never waits) and by the login routes. */
#include "serve/session.h"

#include <stdio.h>

#include "serve/proxy.h"

#define SESSION_COOKIE "skep_session"
#define CSRF_COOKIE    "skep_csrf"

static bool next_cookie(span *rest, span *ret_name, span *ret_text)
{
    if (!rest->at || rest->len == 0)
        return false;
    span text = span_trim(span_cut(rest, ';'));
    *ret_name = span_trim(span_cut(&text, '='));
    *ret_text = span_trim(text);
    return true;
}

bool session_has_cookie(const exchange *x)
{
    span rest = exchange_header(x, "cookie"), name, text;
    while (next_cookie(&rest, &name, &text))
        if (span_is(name, SESSION_COOKIE))
            return true;
    return false;
}

bool session_find(const services *s, const exchange *x, session_info *ret, span *ret_token)
{
    span rest = exchange_header(x, "cookie"), name, text;
    while (next_cookie(&rest, &name, &text))
        if (span_is(name, SESSION_COOKIE) && meta_session_check(s->meta, text, ret)) {
            *ret_token = text;
            return true;
        }
    return false;
}

sk_code session_check_origin(const services *s, exchange *x, err *e)
{
    span site = exchange_header(x, "sec-fetch-site"), origin = exchange_header(x, "origin");
    if (site.at) { /* the browser's own word, which no page can set */
        if (span_is(site, "same-origin") || span_is(site, "none"))
            return SK_OK;
        return err_set(e, SK_FORBIDDEN, "it comes from a page of another origin");
    }
    if (!origin.at)
        return SK_OK;
    client_view view;
    proxy_view(s->proxies, x, &view);
    span host = origin;
    span scheme = span_cut(&host, ':');
    host = span_from(host, 2);
    bool is_web = span_is(scheme, "http") || span_is(scheme, "https");
    if (is_web && span_equal_nocase(host, view.host))
        return SK_OK;
    return err_set(e, SK_FORBIDDEN,
                   "it comes from a page of %.*s, and this server is asked as %.*s: if a proxy "
                   "changes the Host header, let it pass it on, or name it with --trusted-proxy",
                   SPAN_FMT(span_first(origin, 80)), SPAN_FMT(span_first(view.host, 80)));
}

sk_code session_check_change(const services *s, exchange *x, span token, err *e)
{
    sk_code code = session_check_origin(s, x, e);
    if (code != SK_OK)
        return code;
    span given = exchange_header(x, "x-skep-csrf");
    if (meta_session_csrf_check(s->meta, token, given))
        return SK_OK;
    return err_set(e, SK_FORBIDDEN,
                   "the header x-skep-csrf is %s: it must repeat the cookie " CSRF_COOKIE
                   "; load the page again (programs use a key, which needs none)",
                   given.at ? "not that of this session" : "missing");
}

static void set_cookie(const services *s, exchange *x, const char *name, const char *text,
                       bool is_for_scripts, int64_t seconds)
{
    client_view view;
    proxy_view(s->proxies, x, &view);
    span cookie = arena_print(exchange_arena(x), "%s=%s; Path=%.*s; Max-Age=%lld; SameSite=Lax%s%s",
                              name, text, SPAN_FMT(view.prefix), (long long)seconds,
                              is_for_scripts ? "" : "; HttpOnly", view.is_https ? "; Secure" : "");
    exchange_set_header(x, "set-cookie", cookie);
}

void session_set_cookies(const services *s, exchange *x, const char *token)
{
    char csrf[META_TOKEN_MAX];
    meta_session_csrf(s->meta, span_text(token), csrf);
    set_cookie(s, x, SESSION_COOKIE, token, false, SESSION_LIFE_NS / NS_PER_S);
    set_cookie(s, x, CSRF_COOKIE, csrf, true, SESSION_LIFE_NS / NS_PER_S);
    exchange_set_header(x, "cache-control", SPAN("no-store"));
}

void session_clear_cookies(const services *s, exchange *x)
{
    set_cookie(s, x, SESSION_COOKIE, "", false, 0);
    set_cookie(s, x, CSRF_COOKIE, "", true, 0);
}

login_origin session_origin(const services *s, exchange *x)
{
    client_view view;
    proxy_view(s->proxies, x, &view);
    span address = {0};
    if (!arena_copy(exchange_arena(x), span_text(view.address), &address))
        address = SPAN("");
    return (login_origin){.address = address, .agent = exchange_header(x, "user-agent")};
}
