/*
 * meta/origins.c: which pages a browser key is for. A key in a page can be read by everyone who opens it, so it only writes, and
 * only for pages of the named origins: the browser says where a page is from, and no page can say otherwise.
 */
#include <stdio.h>

#include "meta/meta_private.h"

static bool is_host_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || memchr(".-_:[]", c, 6) != NULL;
}

/* Lower case, without a final slash and without the port that goes without saying. "*." may stand before the host. */
static bool normalize(span text, char out[META_ORIGIN_MAX])
{
    text = span_trim(text);
    while (text.len && text.at[text.len - 1] == '/')
        text.len--;
    if (text.len >= META_ORIGIN_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++)
        out[i] =
            text.at[i] >= 'A' && text.at[i] <= 'Z' ? (char)(text.at[i] + 32) : (char)text.at[i];
    out[text.len] = 0;
    span all = span_of(out, text.len), http = SPAN("http://"), https = SPAN("https://");
    bool is_https = span_starts_with(all, https);
    if (!is_https && !span_starts_with(all, http))
        return false;
    span host = span_from(all, is_https ? https.len : http.len);
    span port = is_https ? SPAN(":443") : SPAN(":80");
    if (span_ends_with(host, port)) {
        host.len -= port.len;
        out[(size_t)(host.at - (const uint8_t *)out) + host.len] = 0;
    }
    if (span_starts_with(host, SPAN("*.")))
        host = span_from(host, 2);
    for (size_t i = 0; i < host.len; i++)
        if (!is_host_byte(host.at[i]))
            return false;
    return host.len > 0 && host.at[0] != ':' && host.at[0] != '.';
}

sk_code meta__origins_join(const span *origins, uint32_t count, char out[META_ORIGINS_MAX], err *e)
{
    size_t used = 0;
    char one[META_ORIGIN_MAX];
    if (count == 0 || count > META_ORIGINS_COUNT)
        return err_set(e, SK_BAD_INPUT,
                       "\"origins\" names 1 to %u origins of pages, such as "
                       "https://shop.example: a browser key is for them alone",
                       META_ORIGINS_COUNT);
    for (uint32_t i = 0; i < count; i++) {
        if (!normalize(origins[i], one))
            return err_set(e, SK_BAD_INPUT,
                           "\"%.*s\" is not an origin: https://shop.example, "
                           "http://localhost:3000 or https://*.shop.example, without a path",
                           SPAN_FMT(span_first(origins[i], 80)));
        int len = snprintf(out + used, META_ORIGINS_MAX - used, "%s%s", used ? " " : "", one);
        if (len < 0 || used + (size_t)len >= META_ORIGINS_MAX)
            return err_set(e, SK_BAD_INPUT, "\"origins\" are longer than %u bytes together",
                           META_ORIGINS_MAX - 1);
        used += (size_t)len;
    }
    return SK_OK;
}

/* "*.shop.example" is any host below shop.example, not shop.example itself. */
static bool matches(span allowed, span origin)
{
    span host = allowed, scheme = span_cut(&host, '*');
    if (!host.at)
        return span_equal(allowed, origin);
    return origin.len > allowed.len - 1 && span_starts_with(origin, scheme) &&
           span_ends_with(origin, host);
}

bool meta_origin_is_allowed(const key_info *k, span origin)
{
    char asked[META_ORIGIN_MAX];
    if (!normalize(origin, asked) || strchr(asked, '*'))
        return false;
    for (span rest = span_text(k->origins), one; rest.len;) {
        one = span_cut(&rest, ' ');
        if (matches(one, span_text(asked)))
            return true;
    }
    return false;
}
