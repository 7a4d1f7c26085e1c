/*
 * wire/json_write.c: values to JSON text.
 * Called by every reply, by configuration that is written, and by arrays that become text fields.
 * Never: writes invalid UTF-8, nan or inf.
 */
#include "wire/json.h"

#define EXACT_MAX ((int64_t)1 << 53) /* the largest integer every JSON reader keeps */

static void comma(json_writer *w)
{
    if (w->needs_comma)
        buf_add_u8(w->out, ',');
    w->needs_comma = true;
}

void jw_object(json_writer *w)
{
    comma(w);
    buf_add_u8(w->out, '{');
    w->needs_comma = false;
}

void jw_object_end(json_writer *w)
{
    buf_add_u8(w->out, '}');
    w->needs_comma = true;
}

void jw_array(json_writer *w)
{
    comma(w);
    buf_add_u8(w->out, '[');
    w->needs_comma = false;
}

void jw_array_end(json_writer *w)
{
    buf_add_u8(w->out, ']');
    w->needs_comma = true;
}

static void put_escape(buf *out, uint8_t c)
{
    static const char hex[] = "0123456789abcdef";
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *plain = c ? strchr(from, c) : NULL;
    if (plain) {
        char text[2] = {'\\', to[plain - from]};
        buf_add(out, text, 2);
    } else {
        char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
        buf_add(out, text, 6);
    }
}

#define EACH_BYTE(b) (0x0101010101010101ull * (b))

/* Bit 7 of every byte that is below `least`, which is at most 0x80; bytes above 0x7f may be missed, and one above such a byte told
 * too much. */
static uint64_t bytes_below(uint64_t v, uint8_t least)
{
    return (v - EACH_BYTE(least)) & ~v;
}

static uint64_t escaped_bytes(const uint8_t *at)
{
    uint64_t v;
    memcpy(&v, at, 8);
    return v | bytes_below(v, 0x20) | bytes_below(v ^ EACH_BYTE('"'), 1) |
           bytes_below(v ^ EACH_BYTE('\\'), 1);
}

/* Whether it is ASCII that stands in JSON as it is: eight bytes at a time, the last some of them once more. */
static bool is_plain(span s)
{
    uint64_t others = 0;
    size_t i = 0;
    for (; i + 8 <= s.len; i += 8)
        others |= escaped_bytes(s.at + i);
    if (s.len >= 8 && i < s.len) {
        others |= escaped_bytes(s.at + s.len - 8);
        i = s.len;
    }
    for (; i < s.len; i++)
        if (s.at[i] < 0x20 || s.at[i] >= 0x80 || s.at[i] == '"' || s.at[i] == '\\')
            return false;
    return (others & EACH_BYTE(0x80)) == 0;
}

static void put_plain(buf *out, span s)
{
    if (!buf_reserve(out, s.len + 2))
        return;
    uint8_t *at = out->at + out->len;
    *at++ = '"';
    if (s.len)
        memcpy(at, s.at, s.len);
    at[s.len] = '"';
    out->len += s.len + 2;
}

static void put_string(buf *out, span s)
{
    if (is_plain(s)) {
        put_plain(out, s);
        return;
    }
    size_t valid = utf8_prefix(s);
    buf_reserve(out, s.len + 2);
    buf_add_u8(out, '"');
    for (size_t i = 0, from = 0;; i++) {
        if (i < valid && s.at[i] >= 0x20 && s.at[i] != '"' && s.at[i] != '\\')
            continue;
        if (i > from)
            buf_add(out, s.at + from, i - from);
        from = i + 1;
        if (i == s.len)
            break;
        if (i < valid) {
            put_escape(out, s.at[i]);
        } else {
            buf_add_text(out, "\xef\xbf\xbd");
            valid = i + 1 + utf8_prefix(span_from(s, i + 1));
        }
    }
    buf_add_u8(out, '"');
}

void jw_key(json_writer *w, span key)
{
    comma(w);
    put_string(w->out, key);
    buf_add_u8(w->out, ':');
    w->needs_comma = false;
}

void jw_key_text(json_writer *w, const char *key)
{
    jw_key(w, span_text(key));
}

void jw_string(json_writer *w, span s)
{
    comma(w);
    put_string(w->out, s);
}

void jw_text(json_writer *w, const char *s)
{
    jw_string(w, span_text(s));
}

/* Digits of v at the end of `out`, which holds 20. */
static span print_u64(uint64_t v, char out[20])
{
    char *at = out + 20;
    do
        *--at = (char)('0' + v % 10);
    while (v /= 10);
    return span_of(at, (size_t)(out + 20 - at));
}

static void put_integer(json_writer *w, bool is_negative, uint64_t size, bool is_string)
{
    char digits[20];
    comma(w);
    if (is_string)
        buf_add_u8(w->out, '"');
    if (is_negative)
        buf_add_u8(w->out, '-');
    buf_add_span(w->out, print_u64(size, digits));
    if (is_string)
        buf_add_u8(w->out, '"');
}

void jw_i64(json_writer *w, int64_t v)
{
    put_integer(w, v < 0, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, v > EXACT_MAX || v < -EXACT_MAX);
}

void jw_u64(json_writer *w, uint64_t v)
{
    put_integer(w, false, v, v > (uint64_t)EXACT_MAX);
}

void jw_i64_text(json_writer *w, int64_t v)
{
    put_integer(w, v < 0, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, true);
}

void jw_double(json_writer *w, double v)
{
    char text[32];
    if (!__builtin_isfinite(v)) {
        jw_null(w);
        return;
    }
    comma(w);
    buf_add(w->out, text, json_print_double(v, text));
}

void jw_bool(json_writer *w, bool v)
{
    jw_raw(w, v ? SPAN("true") : SPAN("false"));
}

void jw_null(json_writer *w)
{
    jw_raw(w, SPAN("null"));
}

void jw_raw(json_writer *w, span json_text)
{
    comma(w);
    buf_add_span(w->out, json_text);
}
