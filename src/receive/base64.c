/*
 * receive/base64.c: base64 (RFC 4648): bytes of protobuf's JSON mapping, and ids that passed
 * through a sender which took their hex digits for base64. Called by the OTLP receiver. Considered:
 * libsodium's (constant time, needs its start-up call; not this layer's library).
 */
#include "receive/otlp_private.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_encode(span bytes, char *out)
{
    size_t len = 0;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t v = (uint32_t)bytes.at[i] << 16;
        v |= left > 1 ? (uint32_t)bytes.at[i + 1] << 8 : 0;
        v |= left > 2 ? (uint32_t)bytes.at[i + 2] : 0;
        out[len++] = alphabet[v >> 18];
        out[len++] = alphabet[v >> 12 & 63];
        out[len++] = left > 1 ? alphabet[v >> 6 & 63] : '=';
        out[len++] = left > 2 ? alphabet[v & 63] : '=';
    }
    return len;
}

static int digit_of(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

bool base64_decode(span text, uint8_t *out, size_t *ret_len)
{
    for (int pads = 0; pads < 2 && text.len > 0 && text.at[text.len - 1] == '='; pads++)
        text.len--;
    if (text.len % 4 == 1)
        return false;
    size_t len = 0;
    uint32_t bits = 0, held = 0;
    for (size_t i = 0; i < text.len; i++) {
        int digit = digit_of(text.at[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        held += 6;
        if (held >= 8) {
            held -= 8;
            out[len++] = (uint8_t)(bits >> held);
        }
    }
    *ret_len = len;
    return true;
}
