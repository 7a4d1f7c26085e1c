/*
 * base/err.c: filling an err, and the one table that says what each code means outside.
 * Called by every layer. Never: allocates, logs, or lets a sender's broken UTF-8 through.
 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/must.h"

typedef struct code_row {
    int16_t http, grpc;
    bool may_retry;
} code_row;

static const code_row rows[] = {
#define X(code, http, grpc, retry, text) [code] = {http, grpc, retry},
    SK_CODES(X)
#undef X
};

static const char *const names[] = {
    [SK_OK] = "ok",
    [SK_BAD_INPUT] = "bad_input",
    [SK_UNAUTHENTICATED] = "unauthenticated",
    [SK_FORBIDDEN] = "forbidden",
    [SK_NOT_FOUND] = "not_found",
    [SK_METHOD] = "method",
    [SK_SLOW_SENDER] = "slow_sender",
    [SK_CONFLICT] = "conflict",
    [SK_TOO_LARGE] = "too_large",
    [SK_UNSUPPORTED] = "unsupported",
    [SK_UNPROCESSABLE] = "unprocessable",
    [SK_THROTTLED] = "throttled",
    [SK_CANCELLED] = "cancelled",
    [SK_INTERNAL] = "internal",
    [SK_CORRUPT] = "corrupt",
    [SK_UNIMPLEMENTED] = "unimplemented",
    [SK_NO_MEMORY] = "no_memory",
    [SK_BUSY] = "busy",
    [SK_IO] = "io",
    [SK_CLOSING] = "closing",
    [SK_TIMEOUT] = "timeout",
};
_Static_assert(COUNT_OF(names) == SK_CODE_COUNT, "every code has a name");

/* Makes text[0..len) valid UTF-8: a character cut at the end goes, other broken bytes become '?'.
 */
static void clean_text(char *text, size_t len, bool is_cut)
{
    size_t at = 0;
    for (;;) {
        at += utf8_prefix(span_of(text + at, len - at));
        if (at >= len)
            break;
        if (is_cut && len - at < 4 && ((uint8_t)text[at] & 0xc0) == 0xc0) {
            text[at] = 0;
            return;
        }
        text[at++] = '?';
    }
    text[len] = 0;
}

static void print_text(char *text, size_t size, const char *format, va_list args)
{
    int len = vsnprintf(text, size, format, args);
    if (len < 0)
        text[len = 0] = 0;
    bool is_cut = (size_t)len >= size;
    clean_text(text, is_cut ? size - 1 : (size_t)len, is_cut);
}

sk_code err_set(err *ret_err, sk_code code, const char *format, ...)
{
    if (!ret_err)
        return code;
    va_list args;
    va_start(args, format);
    *ret_err = (err){.code = code};
    print_text(ret_err->text, sizeof ret_err->text, format, args);
    va_end(args);
    return code;
}

void err_prefix(err *e, const char *format, ...)
{
    if (!e)
        return;
    char old[sizeof e->text];
    memcpy(old, e->text, sizeof old);
    va_list args;
    va_start(args, format);
    print_text(e->text, sizeof e->text, format, args);
    va_end(args);
    size_t len = strlen(e->text);
    int more = snprintf(e->text + len, sizeof e->text - len, ": %s", old);
    bool is_cut = more < 0 || len + (size_t)more >= sizeof e->text;
    clean_text(e->text, strlen(e->text), is_cut);
}

int sk_http_status(sk_code code)
{
    must(code < SK_CODE_COUNT);
    return rows[code].http;
}

int sk_grpc_status(sk_code code)
{
    must(code < SK_CODE_COUNT);
    return rows[code].grpc;
}

bool sk_may_retry(sk_code code)
{
    must(code < SK_CODE_COUNT);
    return rows[code].may_retry;
}

const char *sk_name(sk_code code)
{
    must(code < SK_CODE_COUNT);
    return names[code];
}
