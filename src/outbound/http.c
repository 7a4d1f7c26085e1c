/*
 * outbound/http.c: http.h over libcurl's multi interface, which lets a call wait for a second descriptor. Called from any
 * thread, one client each.
 * Never: logs; keeps anything of a request after the call.
 */
#include "outbound/http.h"

#include <curl/curl.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"

#define REPLY_BYTES_MAX (256 * MIB)
#define CONNECT_MS      10000
#define POLL_MS         1000

struct http_client {
    CURL *easy;
    CURLM *multi;
    char why[CURL_ERROR_SIZE];
};

/* One call under way. */
typedef struct call {
    http_client *c;
    const http_request *request;
    http_reply *reply;
    struct curl_slist *headers;
    bool was_ended; /* by `piece` */
} call;

http_client *http_client_new(void)
{
    http_client *c = base_alloc_zero(1, sizeof *c);
    if (!c)
        return NULL;
    c->easy = curl_easy_init();
    c->multi = curl_multi_init();
    if (c->easy && c->multi)
        return c;
    http_client_free(c);
    return NULL;
}

void http_client_free(http_client *take_c)
{
    if (!take_c)
        return;
    curl_easy_cleanup(take_c->easy);
    curl_multi_cleanup(take_c->multi);
    base_free(take_c);
}

void http_reply_done(http_reply *reply)
{
    buf_done(&reply->body);
}

bool http_url_is_loopback(const char *url)
{
    char *host = NULL;
    CURLU *parts = curl_url();
    bool is_loopback = false;
    if (parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK)
        is_loopback = strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
                      (strncmp(host, "127.", 4) == 0 && host[strspn(host, "0123456789.")] == 0);
    curl_free(host);
    curl_url_cleanup(parts);
    return is_loopback;
}

void http_encode(buf *out, span text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t b = text.at[i];
        bool is_plain = (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') ||
                        (b >= '0' && b <= '9') || b == '-' || b == '_' || b == '.' || b == '~';
        if (is_plain)
            buf_add_u8(out, b);
        else
            buf_print(out, "%%%02X", b);
    }
}

/* ---- what libcurl calls ---- */

static size_t take_body(char *at, size_t size, size_t count, void *ctx)
{
    call *now = ctx;
    long status = 0;
    curl_easy_getinfo(now->c->easy, CURLINFO_RESPONSE_CODE, &status);
    span bytes = span_of(at, size * count);
    if (!now->request->piece || status >= 400) {
        buf_add_span(&now->reply->body, bytes);
        return now->reply->body.failed ? 0 : bytes.len;
    }
    if (now->request->piece(now->request->ctx, bytes))
        return bytes.len;
    now->was_ended = true;
    return bytes.len + 1; /* anything but the length ends the transfer */
}

/* ---- setting up ---- */

static bool add_header(call *now, const char *line)
{
    struct curl_slist *longer = curl_slist_append(now->headers, line);
    if (longer)
        now->headers = longer;
    return longer != NULL;
}

static bool add_headers(call *now)
{
    buf line;
    bool done = add_header(now, "Expect:"); /* no waiting for 100-continue */
    buf_init(&line, 64 * KIB);
    for (size_t i = 0; done && i < now->request->header_count; i++) {
        buf_clear(&line);
        buf_print(&line, "%s: %s", now->request->headers[i].name, now->request->headers[i].value);
        buf_add_u8(&line, 0);
        done = !line.failed && add_header(now, (const char *)line.at);
    }
    buf_done(&line);
    return done;
}

static void set_options(call *now)
{
    const http_request *r = now->request;
    CURL *easy = now->c->easy;
    curl_easy_reset(easy);
    curl_easy_setopt(easy, CURLOPT_URL, r->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, now->c->why);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, now->headers);
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, now);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)(r->connect_ms ? r->connect_ms : CONNECT_MS));
    if (http_url_is_loopback(r->url))
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
    if (r->timeout_ms)
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)r->timeout_ms);
    if (r->body.at) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, r->body.at);
    }
    if (strcmp(r->method, "HEAD") == 0)
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    else
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, r->method);
}

/* ---- running ---- */

/* Until the transfer ended; false when the caller cancelled. */
static bool drive(call *now, CURLcode *ret)
{
    struct curl_waitfd cancel = {.fd = now->request->cancel_fd, .events = CURL_WAIT_POLLIN};
    bool can_cancel = now->request->cancel_fd > 0;
    *ret = CURLE_FAILED_INIT;
    for (;;) {
        int running = 0, left = 0;
        if (curl_multi_perform(now->c->multi, &running) != CURLM_OK)
            return true;
        for (CURLMsg *m; (m = curl_multi_info_read(now->c->multi, &left));)
            if (m->msg == CURLMSG_DONE)
                *ret = m->data.result;
        if (!running)
            return true;
        if (curl_multi_poll(now->c->multi, &cancel, can_cancel, POLL_MS, NULL) != CURLM_OK)
            return true;
        if (can_cancel && cancel.revents)
            return false;
    }
}

static sk_code explain(const call *now, CURLcode result, err *e)
{
    const char *why = now->c->why[0] ? now->c->why : curl_easy_strerror(result);
    switch ((int)result) {
    case CURLE_OK: return SK_OK;
    case CURLE_OPERATION_TIMEDOUT:
        if (now->reply->status == 0 && now->request->timeout_ms == 0)
            return err_set(
                e, SK_IO, "%s: no answer to the connection within %lld s", now->request->url,
                (long long)(now->request->connect_ms ? now->request->connect_ms : CONNECT_MS) /
                    1000);
        return err_set(e, SK_TIMEOUT, "%s: no complete reply within %lld ms", now->request->url,
                       (long long)now->request->timeout_ms);
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return err_set(e, SK_BAD_INPUT, "\"%s\" is not an http or https URL", now->request->url);
    case CURLE_OUT_OF_MEMORY: return err_set(e, SK_NO_MEMORY, "no memory for the request");
    case CURLE_WRITE_ERROR:
        if (now->was_ended)
            return SK_OK;
        return err_set(e, SK_TOO_LARGE, "the reply of %s is larger than %zu MiB", now->request->url,
                       now->reply->body.max_bytes / MIB);
    default: return err_set(e, SK_IO, "%s: %s", now->request->url, why);
    }
}

static void read_reply_head(call *now)
{
    long status = 0;
    curl_off_t retry_after = 0;
    char *type = NULL;
    curl_easy_getinfo(now->c->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(now->c->easy, CURLINFO_RETRY_AFTER, &retry_after);
    curl_easy_getinfo(now->c->easy, CURLINFO_CONTENT_TYPE, &type);
    now->reply->status = (int)status;
    now->reply->retry_after_s = retry_after > 0 && retry_after < 86400 ? (uint32_t)retry_after : 0;
    size_t len = 0;
    for (; type && type[len] && type[len] != ';' && type[len] != ' ' &&
           len + 1 < sizeof now->reply->content_type;
         len++)
        now->reply->content_type[len] =
            (char)(type[len] >= 'A' && type[len] <= 'Z' ? type[len] + 32 : type[len]);
    now->reply->content_type[len] = 0;
}

sk_code http_call(http_client *c, const http_request *r, http_reply *ret, err *e)
{
    call now = {.c = c, .request = r, .reply = ret};
    CURLcode result;
    *ret = (http_reply){0};
    buf_init(&ret->body, r->reply_bytes_max ? r->reply_bytes_max : REPLY_BYTES_MAX);
    c->why[0] = 0;
    if (!add_headers(&now)) {
        curl_slist_free_all(now.headers);
        return err_set(e, SK_NO_MEMORY, "no memory for the request");
    }
    set_options(&now);
    bool was_cancelled = false;
    if (curl_multi_add_handle(c->multi, c->easy) != CURLM_OK)
        result = CURLE_OUT_OF_MEMORY;
    else
        was_cancelled = !drive(&now, &result);
    read_reply_head(&now);
    curl_multi_remove_handle(c->multi, c->easy);
    curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(now.headers);
    if (was_cancelled)
        return err_set(e, SK_CANCELLED, "interrupted");
    return explain(&now, result, e);
}
