/*
 * fuzz/fuzz_body.c: the first byte chooses encoding and cap; what inflates stays within the cap, and packed again it
 * comes back.
 */
#include "fuzz.h"
#include "wire/body.h"

static void pack_again(body_encoding encoding, span plain)
{
    buf packed, out;
    buf_init(&packed, SIZE_MAX);
    buf_init(&out, plain.len);
    must(body_deflate(encoding, plain, &packed, NULL) == SK_OK);
    must(body_inflate(encoding, buf_span(&packed), &out, NULL) == SK_OK);
    must(span_equal(buf_span(&out), plain));
    buf_done(&packed);
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    body_encoding encoding = (body_encoding)(data[0] % BODY_ENCODING_COUNT), named;
    size_t cap = data[0] & 0x80 ? 100 : 200000;
    err e;
    buf out;
    buf_init(&out, cap);
    span body = span_from(span_of(data, size), 1);
    sk_code code = body_inflate(encoding, body, &out, &e);
    must(out.len <= cap && out.capacity <= cap);
    must(code == SK_OK || code == SK_BAD_INPUT || code == SK_TOO_LARGE);
    if (code == SK_OK) {
        pack_again(BODY_GZIP, buf_span(&out));
        pack_again(BODY_ZSTD, buf_span(&out));
    } else {
        must(e.text[0] && utf8_is_valid(span_text(e.text)));
    }
    if (body_encoding_of(body, &named, &e) == SK_OK)
        must(named < BODY_ENCODING_COUNT);
    buf_done(&out);
    return 0;
}
