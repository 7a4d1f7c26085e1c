/*
 * serve/auth.c: keys, the loopback exception, and the record of refusals. Runs on I/O loops before a body is read: never
 * waits, never touches the disk.
 */
#include "serve/auth.h"

#include <stdio.h>

#include "base/clock.h"
#include "serve/session.h"

/* What this machine may without a key. */
#define LOCAL_PERMISSIONS (MAY_SEND | MAY_QUERY | MAY_CREATE_DATASETS | MAY_SAVE | MAY_MARK)

span auth_key(const exchange *x)
{
    static const char *const names[] = {"x-honeycomb-team", "x-hny-team"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        span text = exchange_header(x, names[i]);
        if (text.at)
            return span_trim(text);
    }
    span text = span_trim(exchange_header(x, "authorization"));
    if (text.at && span_equal_nocase(span_first(text, 7), SPAN("bearer ")))
        return span_trim(span_from(text, 7));
    return (span){0};
}

static bool has_key(const exchange *x)
{
    return exchange_header(x, "x-honeycomb-team").at || exchange_header(x, "x-hny-team").at ||
           exchange_header(x, "authorization").at;
}

/* The host part of "host:port", "[v6]:port" or "scheme://host:port". */
static span host_of(span authority)
{
    size_t scheme = 0;
    while (scheme + 3 <= authority.len && memcmp(authority.at + scheme, "://", 3) != 0)
        scheme++;
    if (scheme + 3 <= authority.len)
        authority = span_from(authority, scheme + 3);
    if (authority.len && authority.at[0] == '[') {
        span rest = span_from(authority, 1);
        return span_cut(&rest, ']');
    }
    span rest = authority;
    return span_cut(&rest, ':');
}

static bool is_loopback_host(span authority)
{
    span host = host_of(authority);
    if (span_equal_nocase(host, SPAN("localhost")) || span_is(host, "::1"))
        return true;
    span rest = host;
    int parts = 0;
    for (span part; rest.at; parts++) {
        uint64_t number;
        part = span_cut(&rest, '.');
        if (part.len > 3 || !span_to_u64(part, &number) || number > 255 ||
            (parts == 0 && number != 127))
            return false;
    }
    return parts == 4;
}

/* Why a request without a key is not let in; NULL when it is. */
static const char *why_not_local(const services *s, const exchange *x)
{
    static const char *const forwarding[] = {"forwarded", "x-real-ip", "via"};
    if (s->auth_required)
        return "this server runs with --auth required";
    if (!exchange_local(x)->is_loopback || !exchange_peer(x)->is_loopback)
        return "only requests from this machine may go without a key";
    bool is_forwarded = exchange_has_header_like(x, "x-forwarded-");
    for (size_t i = 0; i < COUNT_OF(forwarding); i++)
        is_forwarded |= exchange_header(x, forwarding[i]).at != NULL;
    if (is_forwarded)
        return "it came through a proxy, and forwarded requests always need a key";
    span host = exchange_header(x, "host"), origin = exchange_header(x, "origin");
    if (!host.at || !is_loopback_host(host))
        return "its Host header does not name this machine's loopback address";
    if (origin.at && !is_loopback_host(origin))
        return "it comes from a web page of another origin";
    return NULL;
}

static void copy_span(char *out, size_t size, span s)
{
    size_t n = s.len < size - 1 ? s.len : size - 1;
    for (size_t i = 0; i < n; i++)
        out[i] = s.at[i] < 0x20 || s.at[i] == 0x7f ? '?' : (char)s.at[i];
    while (n && !utf8_is_valid(span_of(out, n)))
        n--;
    out[n] = 0;
}

void auth_note_refusal(const services *s, exchange *x, const char *reason, uint32_t environment_id,
                       span service, uint64_t count, const err *why)
{
    if (!s->intake)
        return;
    refusal r = {.code = why->code, .environment = environment_id, .count = count};
    copy_span(r.reason, sizeof r.reason, span_text(reason));
    copy_span(r.text, sizeof r.text, span_text(why->text));
    copy_span(r.path, sizeof r.path, exchange_path(x));
    copy_span(r.source, sizeof r.source, span_text(exchange_peer(x)->text));
    char *port =
        strrchr(r.source, ':'); /* the sender's address; its port changes with every connection */
    if (port)
        *port = 0;
    copy_span(r.service, sizeof r.service,
              service.len ? service : exchange_header(x, "x-honeycomb-dataset"));
    copy_span(r.user_agent, sizeof r.user_agent, exchange_header(x, "user-agent"));
    copy_span(r.origin, sizeof r.origin, exchange_header(x, "origin"));
    span key = auth_key(x);
    if (key.len && s->meta) {
        meta_key_fingerprint(s->meta, key, r.key_fingerprint);
        meta_key_hash(s->meta, key, r.key_hash);
    }
    intake_refused(s->intake, &r);
}

static sk_code refuse(const services *s, exchange *x, const char *reason, uint32_t environment_id,
                      const err *e)
{
    auth_note_refusal(s, x, reason, environment_id, (span){0}, 1, e);
    return e->code;
}

const char *auth_key_reason(span key, const err *e)
{
    if (key.len == 0)
        return "empty_key";
    if (span_contains(key, SPAN("${")) || key.at[0] == '$')
        return "literal_variable_key";
    if (span_contains(span_text(e->text), SPAN("refused on purpose")))
        return "refused_key";
    return span_contains(span_text(e->text), SPAN("revoked")) ? "revoked_key" : "unknown_key";
}

uint32_t auth_implied(uint32_t permissions, bool is_public)
{
    if (permissions & MAY_CONFIGURE)
        permissions |= MAY_SAVE;
    if (!is_public && (permissions & (MAY_SEND | MAY_SAVE)))
        permissions |= MAY_MARK;
    return permissions;
}

static const char *permission_words(uint32_t wanted)
{
    if (wanted & MAY_ADMINISTER)
        return "see or change who may log in";
    if (wanted & MAY_CONFIGURE)
        return "see or change keys, environments or settings";
    if (wanted & MAY_SAVE)
        return "save what others see";
    if (wanted & MAY_MARK)
        return "mark moments";
    return wanted & MAY_QUERY ? "ask questions (it is an ingest key: it only writes)"
                              : "send events";
}

/* Asked by the interface: whoever reads the answer can log in. */
static bool is_of_our_page(const exchange *x)
{
    return span_is(exchange_header(x, "sec-fetch-site"), "same-origin") || session_has_cookie(x);
}

static sk_code authorize_local(const services *s, exchange *x, uint32_t wanted, caller *ret, err *e)
{
    const char *why = why_not_local(s, x);
    environment dev;
    if (why && is_of_our_page(x)) {
        err_set(e, SK_UNAUTHENTICATED,
                "%s: log in, or let `skep open` on the server's machine "
                "print a link",
                session_has_cookie(x) ? "the session has ended" : why);
        return refuse(s, x, "not_logged_in", 0, e);
    }
    if (why) {
        err_set(e, SK_UNAUTHENTICATED,
                "missing 'x-honeycomb-team' header: %s; set it (or Authorization: Bearer) to a key "
                "of this server, which `skep env` prints",
                why);
        return refuse(s, x, "missing_key", 0, e);
    }
    if (wanted & ~(uint32_t)LOCAL_PERMISSIONS) {
        err_set(e, SK_UNAUTHENTICATED,
                "keys, environments and people are never served without a key or a login: use the "
                "full key in keys.json of the data directory, or the link that `skep open` prints");
        return refuse(s, x, is_of_our_page(x) ? "not_logged_in" : "missing_key", 0, e);
    }
    if (!meta_environment(s->meta, SPAN("dev"), &dev))
        return err_set(e, SK_INTERNAL, "environment dev is missing");
    *ret = (caller){.environment = dev.id,
                    .permissions = LOCAL_PERMISSIONS,
                    .is_any_environment = true,
                    .actor = "local",
                    .is_local = true};
    copy_span(ret->environment_slug, sizeof ret->environment_slug, span_text(dev.slug));
    return SK_OK;
}

/* A browser key is for pages of its origins, as the browser names them. */
static sk_code check_page(const key_info *k, const exchange *x, const char **ret_reason, err *e)
{
    span origin = exchange_header(x, "origin");
    *ret_reason = "missing_origin";
    if (!origin.at)
        return err_set(e, SK_FORBIDDEN,
                       "\"%s\" is a browser key, and no Origin header came: programs use an ingest "
                       "key, which `skep env` prints",
                       k->name);
    *ret_reason = "wrong_origin";
    if (meta_origin_is_allowed(k, origin))
        return SK_OK;
    return err_set(e, SK_FORBIDDEN,
                   "browser key \"%.*s\" is for pages of %.60s: `skep keys allow %s --origin %.*s` "
                   "adds this page's",
                   SPAN_FMT(span_first(span_text(k->name), 40)), k->origins, k->id,
                   SPAN_FMT(span_first(origin, 127)));
}

/* Someone who is logged in reaches every environment; the role says what for. */
static sk_code authorize_session(const services *s, exchange *x, const session_info *who,
                                 span token, uint32_t wanted, caller *ret, err *e)
{
    environment dev;
    uint32_t permissions = auth_implied(user_role_permissions(who->role), false);
    http_method method = exchange_method(x);
    if (method != HTTP_METHOD_GET && method != HTTP_METHOD_HEAD &&
        session_check_change(s, x, token, e) != SK_OK)
        return refuse(s, x, "csrf", 0, e);
    if (wanted & ~permissions) {
        err_set(e, SK_FORBIDDEN, "%s is %s %s and may not %s: an administrator can change the role",
                who->user_name, who->role == ROLE_VIEWER ? "a" : "an", user_role_name(who->role),
                permission_words(wanted & ~permissions));
        return refuse(s, x, "forbidden_role", 0, e);
    }
    if (!meta_environment(s->meta, SPAN("dev"), &dev))
        return err_set(e, SK_INTERNAL, "environment dev is missing");
    *ret = (caller){.environment = dev.id,
                    .permissions = permissions,
                    .is_any_environment = true,
                    .session = *who};
    copy_span(ret->environment_slug, sizeof ret->environment_slug, span_text(dev.slug));
    snprintf(ret->actor, sizeof ret->actor, "user:%s", who->user_name);
    return SK_OK;
}

sk_code auth_authorize(const services *s, exchange *x, uint32_t wanted, caller *ret, err *e)
{
    session_info who;
    span token, key = auth_key(x);
    /* Not for events: programs in pages of this host send cookies along by accident. Authorization of another kind
     * than ours is a proxy's, and no key. */
    if (!key.at && !(wanted & MAY_SEND) && session_find(s, x, &who, &token))
        return authorize_session(s, x, &who, token, wanted, ret, e);
    if (!has_key(x))
        return authorize_local(s, x, wanted, ret, e);
    key_info info;
    const char *reason;
    sk_code code = meta_key_check(s->meta, key, &info, e);
    if (code != SK_OK)
        return refuse(s, x, auth_key_reason(key, e), 0, e);
    if (info.kind == KEY_BROWSER && check_page(&info, x, &reason, e) != SK_OK)
        return refuse(s, x, reason, info.environment, e);
    info.permissions = auth_implied(info.permissions, info.kind == KEY_BROWSER);
    if (wanted & ~info.permissions) {
        err_set(e, SK_FORBIDDEN, "key \"%s\" of environment %s may not %s", info.name,
                info.environment_slug, permission_words(wanted & ~info.permissions));
        return refuse(s, x, "forbidden", info.environment, e);
    }
    *ret = (caller){.environment = info.environment,
                    .permissions = info.permissions,
                    .is_any_environment = (info.permissions & MAY_ADMINISTER) != 0};
    copy_span(ret->environment_slug, sizeof ret->environment_slug,
              span_text(info.environment_slug));
    copy_span(ret->key_id, sizeof ret->key_id, span_text(info.id));
    copy_span(ret->actor, sizeof ret->actor, span_text(info.id));
    return SK_OK;
}
