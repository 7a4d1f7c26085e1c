/*
 * serve/proxy.c: see proxy.h. Of several addresses in X-Forwarded-For the last one that is no trusted proxy counts: what stands
 * before it was written by whoever sent the request.
 */
#include "serve/proxy.h"

#include <arpa/inet.h>
#include <stdio.h>

static bool parse_address(span text, uint8_t out[16], bool *ret_is_v4)
{
    char copy[64];
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (text.len == 0 || text.len >= sizeof copy)
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = 0;
    *ret_is_v4 = inet_pton(AF_INET, copy, out + 12) == 1;
    if (!*ret_is_v4)
        return inet_pton(AF_INET6, copy, out) == 1;
    memcpy(out, mapped, sizeof mapped);
    return true;
}

static bool contains(const proxy_network *n, const uint8_t address[16])
{
    uint32_t whole = n->bits / 8, rest = n->bits % 8;
    if (memcmp(n->address, address, whole) != 0)
        return false;
    uint8_t mask = (uint8_t)(0xff00u >> rest);
    return rest == 0 || ((n->address[whole] ^ address[whole]) & mask) == 0;
}

sk_code proxy_add(proxy_list *list, const char *text, err *e)
{
    if (strcmp(text, "loopback") == 0) {
        sk_code code = proxy_add(list, "127.0.0.0/8", e);
        return code == SK_OK ? proxy_add(list, "::1", e) : code;
    }
    if (list->count == PROXIES_MAX)
        return err_set(e, SK_BAD_INPUT, "at most %u --trusted-proxy", PROXIES_MAX);
    span bits = span_text(text), address = span_cut(&bits, '/');
    uint64_t number = 0;
    bool is_v4 = false;
    proxy_network *n = &list->networks[list->count];
    bool is_good = parse_address(address, n->address, &is_v4);
    uint32_t most = is_v4 ? 32 : 128;
    if (bits.at)
        is_good = is_good && span_to_u64(bits, &number) && number <= most;
    else
        number = most;
    if (!is_good)
        return err_set(e, SK_BAD_INPUT,
                       "--trusted-proxy takes an address (10.0.0.7), a network (10.0.0.0/8, "
                       "fd00::/8) or loopback, not \"%s\"",
                       text);
    n->bits = (uint32_t)number + (is_v4 ? 96 : 0);
    list->count++;
    return SK_OK;
}

bool proxy_has(const proxy_list *list, span address)
{
    uint8_t bytes[16];
    bool is_v4;
    if (!list || !parse_address(address, bytes, &is_v4))
        return false;
    for (uint32_t i = 0; i < list->count; i++)
        if (contains(&list->networks[i], bytes))
            return true;
    return false;
}

/* "127.0.0.1:4318" and "[::1]:4318" without port and brackets. */
static span without_port(span text)
{
    if (text.len && text.at[0] == '[') {
        span rest = span_from(text, 1);
        return span_cut(&rest, ']');
    }
    size_t at = text.len;
    while (at > 0 && text.at[at - 1] != ':')
        at--;
    bool has_one_colon = at > 0 && memchr(text.at, ':', at - 1) == NULL;
    return has_one_colon ? span_first(text, at - 1) : text;
}

static span first_of(span list)
{
    return span_trim(span_cut(&list, ','));
}

/* A path of plain characters between slashes; "/" for anything else. */
static span clean_prefix(exchange *x, span text)
{
    bool is_plain = text.len > 1 && text.len <= 200 && text.at[0] == '/' && text.at[1] != '/';
    for (size_t i = 0; is_plain && i < text.len; i++) {
        uint8_t c = text.at[i];
        is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                   memchr("/._~-", c, 5) != NULL;
    }
    if (!is_plain)
        return SPAN("/");
    if (text.at[text.len - 1] == '/')
        return text;
    span whole = arena_print(exchange_arena(x), "%.*s/", SPAN_FMT(text));
    return whole.at ? whole : SPAN("/");
}

static span client_address(const proxy_list *list, const exchange *x, span peer)
{
    if (exchange_header_count(x, "x-forwarded-for") != 1)
        return peer;
    span all = exchange_header(x, "x-forwarded-for"), found = peer;
    while (all.len) {
        size_t at = all.len;
        while (at > 0 && all.at[at - 1] != ',')
            at--;
        found = without_port(span_trim(span_from(all, at)));
        if (!proxy_has(list, found))
            break;
        all = span_first(all, at ? at - 1 : 0);
    }
    uint8_t ignored[16];
    bool is_v4;
    return parse_address(found, ignored, &is_v4) ? found : peer;
}

void proxy_view(const proxy_list *list, exchange *x, client_view *ret)
{
    span peer = without_port(span_text(exchange_peer(x)->text)), address = peer;
    *ret = (client_view){.is_https = exchange_is_tls(x),
                         .host = exchange_header(x, "host"),
                         .prefix = SPAN("/"),
                         .is_forwarded = proxy_has(list, peer)};
    if (ret->is_forwarded) {
        span host = first_of(exchange_header(x, "x-forwarded-host")),
             scheme = first_of(exchange_header(x, "x-forwarded-proto")),
             prefix = first_of(exchange_header(x, "x-forwarded-prefix"));
        if (host.len)
            ret->host = host;
        if (scheme.len)
            ret->is_https = span_equal_nocase(scheme, SPAN("https"));
        if (prefix.len)
            ret->prefix = clean_prefix(x, prefix);
        address = client_address(list, x, peer);
    }
    snprintf(ret->address, sizeof ret->address, "%.*s", SPAN_FMT(address));
}
