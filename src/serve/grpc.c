/*
 * serve/grpc.c: see grpc.h. Called by exchange files on loops and workers. Never: trusts a length
 * before it was compared with what is there.
 */
#include "serve/grpc.h"

bool grpc_is_content_type(span value)
{
    span name = SPAN("application/grpc");
    if (!span_equal_nocase(span_first(value, name.len), name))
        return false;
    span rest = span_from(value, name.len);
    return rest.len == 0 || rest.at[0] == '+' || rest.at[0] == ';' || rest.at[0] == ' ';
}

bool grpc_peek(span body, bool *ret_compressed, uint64_t *ret_len)
{
    if (body.len < GRPC_PREFIX_BYTES)
        return false;
    *ret_compressed = body.at[0] != 0;
    *ret_len = (uint64_t)body.at[1] << 24 | (uint64_t)body.at[2] << 16 | (uint64_t)body.at[3] << 8 |
               body.at[4];
    return true;
}

sk_code grpc_message(span body, bool *ret_compressed, span *ret, err *e)
{
    uint64_t len;
    bool compressed;
    if (body.len == 0)
        return err_set(e, SK_BAD_INPUT,
                       "the gRPC request holds no message; a unary call sends exactly one");
    if (!grpc_peek(body, &compressed, &len) || len > body.len - GRPC_PREFIX_BYTES)
        return err_set(e, SK_BAD_INPUT, "the gRPC request ends within its message (%zu bytes came)",
                       body.len);
    if (body.at[0] > 1)
        return err_set(e, SK_BAD_INPUT,
                       "the gRPC message's compressed flag is %u; only 0 and 1 exist", body.at[0]);
    if (len < body.len - GRPC_PREFIX_BYTES)
        return err_set(e, SK_UNIMPLEMENTED,
                       "the gRPC request holds more than one message; this method takes one");
    *ret_compressed = compressed;
    *ret = span_from(body, GRPC_PREFIX_BYTES);
    return SK_OK;
}

void grpc_add_prefix(uint8_t out[GRPC_PREFIX_BYTES], size_t message_len)
{
    out[0] = 0;
    for (int i = 0; i < 4; i++)
        out[1 + i] = (uint8_t)(message_len >> (24 - 8 * i));
}

bool grpc_timeout(span value, int64_t *ret_ns)
{
    static const struct {
        char unit;
        int64_t ns;
    } units[] = {{'H', 3600 * NS_PER_S}, {'M', 60 * NS_PER_S}, {'S', NS_PER_S},
                 {'m', NS_PER_MS},       {'u', NS_PER_US},     {'n', 1}};
    uint64_t count;
    if (value.len < 2 || value.len > 9 || !span_to_u64(span_first(value, value.len - 1), &count))
        return false;
    for (size_t i = 0; i < COUNT_OF(units); i++)
        if (value.at[value.len - 1] == units[i].unit) {
            /* 8 digits of hours are 41,000 years: cut at 100 days, so that nothing overflows. */
            int64_t most = 100 * 24 * 3600 * NS_PER_S;
            *ret_ns = (int64_t)count > most / units[i].ns ? most : (int64_t)count * units[i].ns;
            return true;
        }
    return false;
}

void grpc_add_message(buf *out, span text)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.at[i];
        if (c >= 0x20 && c <= 0x7e && c != '%') {
            buf_add_u8(out, c);
        } else {
            uint8_t escape[3] = {'%', (uint8_t)digits[c >> 4], (uint8_t)digits[c & 15]};
            buf_add(out, escape, sizeof escape);
        }
    }
}

void grpc_add_base64(buf *out, span bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t group = (uint32_t)bytes.at[i] << 16 |
                         (left > 1 ? (uint32_t)bytes.at[i + 1] << 8 : 0) |
                         (left > 2 ? bytes.at[i + 2] : 0);
        for (uint32_t d = 0; d < (left > 2 ? 4 : left + 1); d++)
            buf_add_u8(out, (uint8_t)digits[group >> (18 - 6 * d) & 63]);
    }
}
