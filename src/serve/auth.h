/*
 * serve/auth.h: who is asking, and may they: the `authorize` of serve_options (DESIGN §6 "First start").
 *
 * A key comes as x-honeycomb-team (also x-hny-team) or Authorization: Bearer. Its environment and permissions decide. Without
 * a key only a loopback listener under --auth auto lets in, and only with a loopback Host, a loopback or absent Origin
 * and no forwarding header (DNS rebinding, drive-by pages and local proxies get nothing): it may ask any environment and write
 * to dev. A wrong key is always refused, with the reason.
 * Without a key, a cookie of someone who is logged in (session.h) lets in as far as the role goes; changes need the header too.
 * Every refusal is counted and kept (intake_refused) under a stable reason word.
 */
#ifndef SERVE_AUTH_H
#define SERVE_AUTH_H

#include "serve/serve.h"

sk_code auth_authorize(const services *s, exchange *x, uint32_t wanted, caller *ret,
                       err *e) must_use;

/* With what follows from them: who may configure may save; who may send or save may mark moments, but not a key that stands in
 * public pages. */
uint32_t auth_implied(uint32_t permissions, bool is_public);

/* The key as it came: empty when none did. */
span auth_key(const exchange *x);
/* What kind of wrong key this is, in one word. */
const char *auth_key_reason(span key, const err *e);

/* Notes a refusal with what the exchange tells of its sender: also serve_options.refused and the ingest routes. */
void auth_note_refusal(const services *s, exchange *x, const char *reason, uint32_t environment_id,
                       span service, uint64_t count, const err *why);

#endif
