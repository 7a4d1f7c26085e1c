/*
 * tests/unit/wire_body.c: bodies compressed by the libraries come out whole; the damaged, cut and too large do not.
 */
#include "check.h"

#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

#include "wire/body.h"

#define PLAIN_BYTES 300000

static void fill_plain(uint8_t *plain)
{
    uint64_t seed = 9;
    for (size_t i = 0; i < PLAIN_BYTES; i++)
        plain[i] = (uint8_t)(check_random(&seed) % 7 + 'a');
}

static size_t zlib_pack(int window_bits, span plain, uint8_t *out, size_t size)
{
    z_stream z = {0};
    uint8_t *from = malloc(plain.len + 1);
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    memcpy(from, plain.at, plain.len);
    z.next_in = from;
    z.avail_in = (unsigned)plain.len;
    z.next_out = out;
    z.avail_out = (unsigned)size;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    free(from);
    return z.total_out;
}

/* zstd as a stream: the frame does not say its content's size. */
static size_t zstd_pack_stream(span plain, uint8_t *out, size_t size)
{
    ZSTD_CCtx *c = ZSTD_createCCtx();
    ZSTD_inBuffer in = {plain.at, plain.len, 0};
    ZSTD_outBuffer to = {out, size, 0};
    assert_int_equal(ZSTD_compressStream2(c, &to, &in, ZSTD_e_continue), 0);
    assert_int_equal(ZSTD_compressStream2(c, &to, &in, ZSTD_e_end), 0);
    ZSTD_freeCCtx(c);
    return to.pos;
}

typedef enum packer { GZIP, GZIP_TWICE, ZLIB, RAW, ZSTD, ZSTD_STREAM, ZSTD_TWICE, SNAPPY } packer;

static size_t pack(packer how, span plain, uint8_t *out, size_t size)
{
    size_t half = plain.len / 2, len = size;
    switch (how) {
    case GZIP: return zlib_pack(15 + 16, plain, out, size);
    case GZIP_TWICE:
        len = zlib_pack(15 + 16, span_first(plain, half), out, size);
        return len + zlib_pack(15 + 16, span_from(plain, half), out + len, size - len);
    case ZLIB: return zlib_pack(15, plain, out, size);
    case RAW: return zlib_pack(-15, plain, out, size);
    case ZSTD: return ZSTD_compress(out, size, plain.at, plain.len, 3);
    case ZSTD_STREAM: return zstd_pack_stream(plain, out, size);
    case ZSTD_TWICE:
        len = zstd_pack_stream(span_first(plain, half), out, size);
        return len + ZSTD_compress(out + len, size - len, plain.at + half, plain.len - half, 3);
    case SNAPPY: snappy_compress((const char *)plain.at, plain.len, (char *)out, &len); return len;
    }
    return 0;
}

typedef struct pack_row {
    const char *name;
    body_encoding encoding;
    packer how;
} pack_row;

static const pack_row pack_rows[] = {
    {"gzip", BODY_GZIP, GZIP},
    {"gzip, two members", BODY_GZIP, GZIP_TWICE},
    {"deflate with zlib's header", BODY_DEFLATE, ZLIB},
    {"deflate without", BODY_DEFLATE, RAW},
    {"zstd", BODY_ZSTD, ZSTD},
    {"zstd of unknown size", BODY_ZSTD, ZSTD_STREAM},
    {"zstd, two frames", BODY_ZSTD, ZSTD_TWICE},
    {"snappy", BODY_SNAPPY, SNAPPY},
};

static void inflates_what_the_libraries_packed(void **state)
{
    uint8_t *plain = malloc(PLAIN_BYTES), *packed = malloc(2 * PLAIN_BYTES);
    fill_plain(plain);
    EACH_ROW(row, pack_rows)
    {
        static const size_t sizes[] = {0, 1, 100, 65536, PLAIN_BYTES};
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            err e;
            buf out;
            size_t len = pack(row->how, span_of(plain, sizes[i]), packed, 2 * PLAIN_BYTES);
            buf_init(&out, sizes[i] + 3);
            buf_add_text(&out, "pre"); /* appends, and may fill its cap exactly */
            check_ok(body_inflate(row->encoding, span_of(packed, len), &out, &e), &e);
            check_span(span_from(buf_span(&out), 3), span_of(plain, sizes[i]));
            buf_done(&out);
        }
    }
    free(plain);
    free(packed);
}

static void identity_is_copied_within_the_cap(void **state)
{
    err e;
    buf out;
    buf_init(&out, 5);
    check_ok(body_inflate(BODY_IDENTITY, SPAN("12345"), &out, &e), &e);
    check_text(buf_span(&out), "12345");
    check_ok(body_inflate(BODY_IDENTITY, SPAN(""), &out, &e), &e);
    check_code(body_inflate(BODY_IDENTITY, SPAN("6"), &out, &e), SK_TOO_LARGE, &e);
    buf_done(&out);
}

static void stops_at_the_cap(void **state)
{
    uint8_t *plain = calloc(1, PLAIN_BYTES), *packed = malloc(2 * PLAIN_BYTES);
    EACH_ROW(row, pack_rows)
    {
        err e;
        buf out;
        size_t len = pack(row->how, span_of(plain, PLAIN_BYTES), packed, 2 * PLAIN_BYTES);
        buf_init(&out, PLAIN_BYTES - 1);
        check_code(body_inflate(row->encoding, span_of(packed, len), &out, &e), SK_TOO_LARGE, &e);
        assert_non_null(strstr(e.text, "299999"));
        assert_true(out.len <= PLAIN_BYTES - 1 && out.capacity <= PLAIN_BYTES - 1);
        buf_done(&out);
    }
    free(plain);
    free(packed);
}

static void refuses_what_is_cut_damaged_or_followed(void **state)
{
    uint8_t plain[2000], packed[5000];
    for (size_t i = 0; i < sizeof plain; i++)
        plain[i] = (uint8_t)(i * i % 251);
    EACH_ROW(row, pack_rows)
    {
        err e;
        buf out;
        buf_init(&out, 100000);
        size_t len = pack(row->how, span_of(plain, sizeof plain), packed, sizeof packed - 1);
        for (size_t cut = 0; cut < len; cut += cut < 20 ? 1 : 97) {
            bool is_between = row->how == GZIP_TWICE || row->how == ZSTD_TWICE;
            buf_clear(&out);
            sk_code code = body_inflate(row->encoding, span_of(packed, cut), &out, &e);
            if (!is_between || code != SK_OK)
                check_code(code, SK_BAD_INPUT, &e);
        }
        buf_clear(&out);
        packed[len] = 'x';
        check_code(body_inflate(row->encoding, span_of(packed, len + 1), &out, &e), SK_BAD_INPUT,
                   &e);
        buf_clear(&out);
        memset(packed, 0xff, 8);
        check_code(body_inflate(row->encoding, span_of(packed, len), &out, &e), SK_BAD_INPUT, &e);
        buf_done(&out);
    }
}

static void a_window_beyond_the_limit_is_refused(void **state)
{
    /* Magic number, a frame header that asks for a window of 1 GiB, one empty last block. */
    static const uint8_t frame[] = {0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa0, 0x01, 0x00, 0x00};
    err e;
    buf out;
    buf_init(&out, 1000);
    check_code(body_inflate(BODY_ZSTD, span_of(frame, sizeof frame), &out, &e), SK_BAD_INPUT, &e);
    buf_done(&out);
}

static void replies_are_packed_and_read_back(void **state)
{
    static const body_encoding both[] = {BODY_GZIP, BODY_ZSTD};
    uint8_t *plain = malloc(PLAIN_BYTES);
    fill_plain(plain);
    for (size_t i = 0; i < COUNT_OF(both); i++) {
        err e;
        buf packed, out;
        buf_init(&packed, MIB);
        buf_init(&out, MIB);
        check_ok(body_deflate(both[i], span_of(plain, PLAIN_BYTES), &packed, &e), &e);
        assert_true(packed.len < PLAIN_BYTES / 2);
        check_ok(body_inflate(both[i], buf_span(&packed), &out, &e), &e);
        check_span(buf_span(&out), span_of(plain, PLAIN_BYTES));
        buf_done(&packed);
        buf_init(&packed, 100);
        check_code(body_deflate(both[i], span_of(plain, PLAIN_BYTES), &packed, &e), SK_TOO_LARGE,
                   &e);
        buf_done(&packed);
        buf_done(&out);
    }
    free(plain);
}

typedef struct name_row {
    const char *name;
    body_encoding want;
} name_row;

static const name_row name_rows[] = {
    {"", BODY_IDENTITY},    {"identity", BODY_IDENTITY}, {"gzip", BODY_GZIP},
    {" GZip ", BODY_GZIP},  {"x-gzip", BODY_GZIP},       {"deflate", BODY_DEFLATE},
    {"zlib", BODY_DEFLATE}, {"zstd", BODY_ZSTD},         {"snappy", BODY_SNAPPY},
};

static void knows_the_names_of_encodings(void **state)
{
    err e;
    body_encoding got;
    EACH_ROW(row, name_rows)
    {
        check_ok(body_encoding_of(span_text(row->name), &got, &e), &e);
        assert_int_equal(got, row->want);
    }
    check_code(body_encoding_of(SPAN("br"), &got, &e), SK_BAD_INPUT, &e);
    assert_non_null(strstr(e.text, "zstd"));
    check_code(body_encoding_of(SPAN("gzip, zstd"), &got, &e), SK_BAD_INPUT, &e);
    assert_string_equal(body_encoding_name(BODY_SNAPPY), "snappy");
}

static void survives_a_lack_of_memory(void **state)
{
    uint8_t plain[5000] = {1}, packed[8000];
    EACH_ALLOC_FAILURE(n)
    {
        err e;
        buf out;
        buf_init(&out, 100000);
        sk_code code = body_deflate(BODY_GZIP, span_of(plain, sizeof plain), &out, &e);
        check_code(code, alloc_did_fail() ? SK_NO_MEMORY : SK_OK, &e);
        buf_done(&out);
    }
    EACH_ROW(row, pack_rows)
    {
        size_t len = pack(row->how, span_of(plain, sizeof plain), packed, sizeof packed);
        EACH_ALLOC_FAILURE(n)
        {
            err e;
            buf out;
            buf_init(&out, 100000);
            sk_code code = body_inflate(row->encoding, span_of(packed, len), &out, &e);
            check_code(code, alloc_did_fail() ? SK_NO_MEMORY : SK_OK, &e);
            buf_done(&out);
        }
    }
}

TEST_GROUP(wire_body, TEST(inflates_what_the_libraries_packed),
           TEST(identity_is_copied_within_the_cap), TEST(stops_at_the_cap),
           TEST(refuses_what_is_cut_damaged_or_followed),
           TEST(a_window_beyond_the_limit_is_refused), TEST(replies_are_packed_and_read_back),
           TEST(knows_the_names_of_encodings), TEST(survives_a_lack_of_memory));
