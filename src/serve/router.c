/*
 * serve/router.c: see router.h. Called once per request by exchange.c. Never: allocates; a table
 * has some hundred rows at most and each compare ends at its first differing segment, so a walk
 * over all is < 2 us.
 */
#include "serve/router.h"

#include "base/must.h"

static const char *const method_names[HTTP_METHOD_COUNT] = {"GET",   "HEAD",   "POST",    "PUT",
                                                            "PATCH", "DELETE", "OPTIONS", "OTHER"};

const char *http_method_name(http_method m)
{
    must(m < HTTP_METHOD_COUNT);
    return method_names[m];
}

http_method http_method_of(span name)
{
    for (uint32_t m = 0; m < HTTP_METHOD_OTHER; m++)
        if (span_is(name, method_names[m]))
            return (http_method)m;
    return HTTP_METHOD_OTHER;
}

static bool is_param(span part)
{
    return part.len > 2 && part.at[0] == '{' && part.at[part.len - 1] == '}';
}

/* The number of literal segments that matched, plus one; 0 = no match. Fills the params of *m. */
static uint32_t match_pattern(const char *pattern, const span *segments, uint32_t count,
                              route_match *m)
{
    span rest = span_text(pattern);
    uint32_t at = 0, literals = 0;
    m->param_count = 0;
    while (rest.at) {
        span part = span_cut(&rest, '/');
        if (part.len == 0)
            continue;
        if (!is_param(part)) {
            if (at >= count || !span_equal(part, segments[at]))
                return 0;
            at++, literals++;
            continue;
        }
        must(m->param_count < ROUTE_PARAMS_MAX);
        span name = {part.at + 1, part.len - 2};
        bool takes_rest = span_ends_with(name, SPAN("..."));
        if (at >= count && !takes_rest)
            return 0;
        span value = at < count ? segments[at] : SPAN("");
        if (takes_rest) {
            name.len -= 3;
            if (at < count) /* all of them lie in one text */
                value.len = (size_t)(segments[count - 1].at + segments[count - 1].len - value.at);
            at = count;
        }
        m->param_names[m->param_count] = name;
        m->params[m->param_count++] = value;
        at += at < count;
    }
    return at == count ? literals + 1 : 0;
}

static bool row_takes(const route *row, http_method method)
{
    return row->method == method || (row->method == HTTP_METHOD_GET && method == HTTP_METHOD_HEAD);
}

static uint32_t row_methods(const route *row)
{
    return 1u << row->method | (row->method == HTTP_METHOD_GET ? 1u << HTTP_METHOD_HEAD : 0);
}

/* Fills *ret for these segments; false when no row's pattern fits, whatever the method. */
static bool find_exact(const route *rows, size_t row_count, http_method method, bool is_grpc,
                       const span *segments, uint32_t count, route_match *ret)
{
    uint32_t best = 0;
    bool any = false, other_kind = false;
    for (size_t i = 0; i < row_count; i++) {
        route_match m = {0};
        uint32_t score = match_pattern(rows[i].pattern, segments, count, &m);
        if (score == 0)
            continue;
        if ((rows[i].kind == ROUTE_GRPC) != is_grpc) {
            other_kind = true;
            continue;
        }
        any = true;
        ret->methods |= row_methods(&rows[i]);
        if (rows[i].cors == CORS_ANY)
            ret->cors = CORS_ANY;
        ret->is_otlp |= rows[i].form == ERROR_OTLP;
        if (row_takes(&rows[i], method) && score > best) {
            best = score;
            ret->row = &rows[i];
            memcpy(ret->params, m.params, sizeof m.params);
            memcpy(ret->param_names, m.param_names, sizeof m.param_names);
            ret->param_count = m.param_count;
        }
    }
    if (!any && other_kind && !is_grpc)
        ret->code = SK_UNSUPPORTED;
    else if (any)
        ret->code = ret->row ? SK_OK : SK_METHOD;
    return any || (other_kind && !is_grpc);
}

/* Levenshtein distance with a cap, over short paths. */
#define NEAR_BYTES 48u
#define NEAR_MAX   3u
static uint32_t distance(span a, span b)
{
    if (a.len > NEAR_BYTES || b.len > NEAR_BYTES)
        return NEAR_MAX + 1;
    uint8_t row[NEAR_BYTES + 1];
    for (size_t j = 0; j <= b.len; j++)
        row[j] = (uint8_t)j;
    for (size_t i = 0; i < a.len; i++) {
        uint8_t diagonal = row[0];
        row[0] = (uint8_t)(i + 1);
        for (size_t j = 0; j < b.len; j++) {
            uint8_t replace = (uint8_t)(diagonal + (a.at[i] != b.at[j]));
            diagonal = row[j + 1];
            uint8_t least = row[j] < diagonal ? row[j] : diagonal;
            row[j + 1] = replace <= least ? replace : (uint8_t)(least + 1);
        }
    }
    return row[b.len];
}

/* The row whose path looks most like the one asked for: the same last segment, or a few letters
 * away. */
static const route *suggest(const route *rows, size_t row_count, const span *segments,
                            uint32_t count)
{
    if (count == 0)
        return NULL;
    span whole = {segments[0].at,
                  (size_t)(segments[count - 1].at + segments[count - 1].len - segments[0].at)};
    const route *best = NULL;
    uint32_t best_distance = NEAR_MAX + 1;
    for (size_t i = 0; i < row_count; i++) {
        span path = span_from(span_text(rows[i].pattern), 1);
        if (rows[i].kind != ROUTE_HTTP || path.len == 0 || span_contains(path, SPAN("{")))
            continue;
        uint32_t d = distance(whole, path);
        span last = path;
        for (span rest = path; rest.at;)
            last = span_cut(&rest, '/');
        if (rows[i].form == ERROR_OTLP && d > 1 && distance(segments[count - 1], last) <= 1)
            d = 1; /* "/v1/trace", "/traces", "/otlp/v1/traces" */
        if (d < best_distance) {
            best = &rows[i];
            best_distance = d;
        }
    }
    return best;
}

void route_find(const route *rows, size_t row_count, http_method method, bool is_grpc,
                const span *segments, uint32_t segment_count, route_match *ret)
{
    *ret = (route_match){.code = SK_NOT_FOUND};
    /* A page lives at "/", but who posts there has a base for an endpoint: he is told of paths, not of methods. */
    bool is_bare_post = segment_count == 0 && !is_grpc &&
                        (method == HTTP_METHOD_POST || method == HTTP_METHOD_OPTIONS);
    if (!is_bare_post && find_exact(rows, row_count, method, is_grpc, segments, segment_count, ret))
        return;
    if (is_grpc) {
        ret->code = SK_UNIMPLEMENTED;
        return;
    }
    /* An ingest path behind another: the second is what the sender's library put there. */
    for (uint32_t cut = 1; cut < segment_count; cut++) {
        route_match head = {.code = SK_NOT_FOUND}, tail = {.code = SK_NOT_FOUND};
        if (find_exact(rows, row_count, method, false, segments, cut, &head) && head.is_otlp &&
            find_exact(rows, row_count, method, false, segments + cut, segment_count - cut,
                       &tail) &&
            tail.is_otlp) {
            *ret = tail;
            return;
        }
    }
    ret->suggested = suggest(rows, row_count, segments, segment_count);
    ret->is_otlp = ret->suggested && ret->suggested->form == ERROR_OTLP;
    ret->cors =
        CORS_ANY; /* a browser SDK with a wrong path must be able to read the answer that says so */
}

static void list_methods(uint32_t methods, char *out, size_t room)
{
    size_t used = 0;
    out[0] = 0;
    for (uint32_t m = 0; m < HTTP_METHOD_OTHER; m++)
        if (methods & 1u << m) {
            span name = span_text(method_names[m]);
            if (used + name.len + 3 > room)
                return;
            if (used) {
                memcpy(out + used, ", ", 2);
                used += 2;
            }
            memcpy(out + used, name.at, name.len);
            used += name.len;
            out[used] = 0;
        }
}

void route_explain(const route_match *m, http_method method, span path, bool is_grpc, err *ret)
{
    path = span_first(path, 120);
    char methods[64];
    if (m->code == SK_METHOD) {
        list_methods(m->methods, methods, sizeof methods);
        err_set(ret, SK_METHOD, "%.*s takes %s, not %s", SPAN_FMT(path), methods,
                http_method_name(method));
    } else if (m->code == SK_UNSUPPORTED) {
        err_set(ret, SK_UNSUPPORTED,
                "%.*s is a gRPC method: send content-type application/grpc over HTTP/2, or OTLP "
                "over HTTP to /v1/traces, /v1/logs or /v1/metrics",
                SPAN_FMT(path));
    } else if (is_grpc) {
        err_set(ret, SK_UNIMPLEMENTED,
                "no gRPC method %.*s here; those of OTLP are "
                "/opentelemetry.proto.collector.{trace,logs,metrics}.v1.…Service/Export",
                SPAN_FMT(path));
    } else if (m->suggested) {
        err_set(ret, SK_NOT_FOUND, "no such path: %.*s; did you mean %s?", SPAN_FMT(path),
                m->suggested->pattern);
    } else if (method == HTTP_METHOD_POST) {
        err_set(ret, SK_NOT_FOUND,
                "no such path: %.*s; OTLP over HTTP goes to /v1/traces, /v1/logs or /v1/metrics (a "
                "per-signal endpoint variable needs the whole URL, /v1/traces included)",
                SPAN_FMT(path));
    } else {
        err_set(ret, SK_NOT_FOUND, "no such path: %.*s", SPAN_FMT(path));
    }
}
