/*
 * serve/url.c: see url.h. Called by exchange.c for every request. Never: resolves "." or ".." (they
 * are refused: no route has them), treats %2F as a separator, or lets a NUL through.
 */
#include "serve/url.h"

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool is_plain(span text, bool is_query)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] == '%' || text.at[i] == 0 || (is_query && text.at[i] == '+'))
            return false;
    return true;
}

bool url_decode(span text, bool is_query, arena *mem, span *ret)
{
    if (is_plain(text, is_query)) {
        *ret = text;
        return true;
    }
    uint8_t *out = arena_alloc(mem, text.len, 1);
    if (!out)
        return false;
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.at[i];
        if (c == '%') {
            if (text.len - i < 3 || hex_digit(text.at[i + 1]) < 0 || hex_digit(text.at[i + 2]) < 0)
                return false;
            c = (uint8_t)(hex_digit(text.at[i + 1]) << 4 | hex_digit(text.at[i + 2]));
            i += 2;
        } else if (c == '+' && is_query) {
            c = ' ';
        }
        if (c == 0)
            return false;
        out[len++] = c;
    }
    *ret = (span){out, len};
    return true;
}

/* The part of the target from its path on; "*" stays. */
static span strip_authority(span target)
{
    span schemes[] = {SPAN("http://"), SPAN("https://")};
    for (size_t i = 0; i < COUNT_OF(schemes); i++) {
        if (!span_equal_nocase(span_first(target, schemes[i].len), schemes[i]))
            continue;
        span rest = span_from(target, schemes[i].len);
        while (rest.len > 0 && rest.at[0] != '/' && rest.at[0] != '?')
            rest = span_from(rest, 1);
        return rest;
    }
    return target;
}

static sk_code parse_path(span path, arena *mem, url *ret, err *e)
{
    while (path.at) {
        span raw = span_cut(&path, '/');
        if (raw.len == 0)
            continue;
        span part;
        if (!url_decode(raw, false, mem, &part))
            return err_set(e, SK_BAD_INPUT,
                           "the path has a broken %%-escape: %%XX takes two hex digits, not 00");
        if (span_is(part, ".") || span_is(part, ".."))
            return err_set(e, SK_BAD_INPUT, "the path has a \"%.*s\" segment; write it without",
                           SPAN_FMT(part));
        if (ret->segment_count == ROUTE_SEGMENTS_MAX)
            return err_set(e, SK_NOT_FOUND, "the path has more than %u segments: no such path",
                           ROUTE_SEGMENTS_MAX);
        ret->segments[ret->segment_count++] = part;
    }
    return SK_OK;
}

static sk_code parse_query(span query, arena *mem, url *ret, err *e)
{
    while (query.at) {
        span pair = span_cut(&query, '&');
        if (pair.len == 0)
            continue;
        if (ret->query_count == URL_QUERY_MAX)
            return err_set(e, SK_BAD_INPUT, "the query has more than %u parameters", URL_QUERY_MAX);
        url_pair *p = &ret->query[ret->query_count];
        span name = span_cut(&pair, '=');
        span value = pair.at ? pair : SPAN("");
        if (!url_decode(name, true, mem, &p->name) || !url_decode(value, true, mem, &p->value))
            return err_set(
                e, SK_BAD_INPUT,
                "query parameter %u has a broken %%-escape: %%XX takes two hex digits, not 00",
                ret->query_count + 1);
        ret->query_count++;
    }
    return SK_OK;
}

/* "/a/b" from the segments, which then lie in it: the router relies on that. */
static bool join_path(arena *mem, url *ret)
{
    size_t len = ret->segment_count ? 0 : 1;
    for (uint32_t i = 0; i < ret->segment_count; i++)
        len += 1 + ret->segments[i].len;
    uint8_t *at = arena_alloc(mem, len, 1);
    if (!at)
        return false;
    at[0] = '/';
    ret->path = (span){at, len};
    for (uint32_t i = 0; i < ret->segment_count; i++) {
        *at++ = '/';
        memcpy(at, ret->segments[i].at, ret->segments[i].len);
        ret->segments[i].at = at;
        at += ret->segments[i].len;
    }
    return true;
}

sk_code url_parse(span target, arena *mem, url *ret, err *e)
{
    *ret = (url){.path = SPAN("/")};
    span rest = strip_authority(target);
    if (span_is(rest, "*")) {
        ret->path = rest;
        return SK_OK;
    }
    span fragment = rest;
    rest = span_cut(&fragment, '#'); /* no client sends one; drop it as browsers do */
    span path = span_cut(&rest, '?');
    if (path.len > 0 && path.at[0] != '/')
        return err_set(e, SK_BAD_INPUT, "the request target must start with '/'");
    sk_code code = parse_path(path, mem, ret, e);
    if (!join_path(mem, ret))
        return err_set(e, SK_NO_MEMORY, "no memory for the request's path");
    return code ? code : parse_query(rest, mem, ret, e);
}
