/*
 * base/buf.c: appending to a growing buffer that never passes its maximum.
 * Called by all writers of bytes. Never: writes a part of what does not fit.
 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/must.h"

#define FIRST_BYTES ((size_t)256)

void buf_init(buf *b, size_t max_bytes)
{
    *b = (buf){.max_bytes = max_bytes};
}

void buf_done(buf *b)
{
    base_free(b->at);
    *b = (buf){.max_bytes = b->max_bytes};
}

void buf_clear(buf *b)
{
    b->len = 0;
    b->failed = false;
}

static bool grow(buf *b, size_t more_bytes)
{
    if (b->failed || more_bytes > b->max_bytes - b->len) {
        b->failed = true;
        return false;
    }
    size_t need = b->len + more_bytes;
    size_t wanted = b->capacity ? b->capacity : FIRST_BYTES;
    while (wanted < need)
        wanted = wanted > b->max_bytes / 2 ? b->max_bytes : wanted * 2;
    if (wanted > b->max_bytes)
        wanted = b->max_bytes;
    uint8_t *grown = base_realloc(b->at, wanted);
    if (!grown) {
        b->failed = true;
        return false;
    }
    b->at = grown;
    b->capacity = wanted;
    return true;
}

bool buf_reserve(buf *b, size_t more_bytes)
{
    if (likely(!b->failed && more_bytes <= b->capacity - b->len))
        return true;
    return grow(b, more_bytes);
}

void buf_add(buf *b, const void *at, size_t len)
{
    if (len == 0 || !buf_reserve(b, len))
        return;
    memcpy(b->at + b->len, at, len);
    b->len += len;
}

void buf_add_span(buf *b, span s)
{
    buf_add(b, s.at, s.len);
}

void buf_add_text(buf *b, const char *text)
{
    buf_add(b, text, strlen(text));
}

void buf_print(buf *b, const char *format, ...)
{
    va_list args;
    char text[256];
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (len < 0) {
        b->failed = true;
        return;
    }
    if ((size_t)len < sizeof text) {
        buf_add(b, text, (size_t)len);
        return;
    }
    if (!buf_reserve(b, (size_t)len + 1)) /* vsnprintf writes the NUL too */
        return;
    va_start(args, format);
    vsnprintf((char *)b->at + b->len, (size_t)len + 1, format, args);
    va_end(args);
    b->len += (size_t)len;
}

void buf_add_u8(buf *b, uint8_t v)
{
    if (buf_reserve(b, 1))
        b->at[b->len++] = v;
}

void buf_add_u16(buf *b, uint16_t v)
{
    buf_add(b, &v, sizeof v);
}

void buf_add_u32(buf *b, uint32_t v)
{
    buf_add(b, &v, sizeof v);
}

void buf_add_u64(buf *b, uint64_t v)
{
    buf_add(b, &v, sizeof v);
}

void buf_add_varint(buf *b, uint64_t v)
{
    uint8_t bytes[10];
    size_t len = 0;
    while (v >= 0x80) {
        bytes[len++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    bytes[len++] = (uint8_t)v;
    buf_add(b, bytes, len);
}

void buf_add_zigzag(buf *b, int64_t v)
{
    buf_add_varint(b, (uint64_t)v << 1 ^ (uint64_t)(v >> 63));
}

void buf_align(buf *b, size_t align)
{
    static const uint8_t zeros[64];
    must_slow(align && align <= 64 && (align & (align - 1)) == 0);
    buf_add(b, zeros, (0 - b->len) & (align - 1));
}
