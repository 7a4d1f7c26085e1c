/*
 * serve/session.h: the cookies of people who are logged in, and the proof that a change comes from our own page.
 *
 * skep_session (HttpOnly) holds the token. skep_csrf can be read by the page, which repeats it as the header x-skep-csrf: a
 * page of another origin can neither read the one nor set the other. The value follows from the token under the server's secret, so
 * a cookie that someone planted proves nothing.
 */
#ifndef SERVE_SESSION_H
#define SERVE_SESSION_H

#include "meta/people.h"
#include "serve/serve.h"

/* Of several cookies of the name (other servers on this host) the one that is ours. */
bool session_find(const services *s, const exchange *x, session_info *ret, span *ret_token);
bool session_has_cookie(const exchange *x);
/* The request comes from a page of this server, or from no page: Sec-Fetch-Site, else Origin against Host. */
sk_code session_check_origin(const services *s, exchange *x, err *e) must_use;
/* The same, and the header x-skep-csrf: for what changes something. */
sk_code session_check_change(const services *s, exchange *x, span token, err *e) must_use;

void session_set_cookies(const services *s, exchange *x, const char *token);
void session_clear_cookies(const services *s, exchange *x);
/* The address is kept in the request's arena. */
login_origin session_origin(const services *s, exchange *x);

#endif
