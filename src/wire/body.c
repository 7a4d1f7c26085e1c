/*
 * wire/body.c: compressed bodies in and out: gzip and deflate through zlib, zstd, snappy's block
 * format. Called by the decode workers and by replies, with a buf whose maximum is the cap. Never:
 * inflates past that cap, or takes a body that is cut short or followed by anything.
 */
#include "wire/body.h"

#define ZLIB_CONST
#include <limits.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/alloc.h"
#include "base/must.h"

#define STEP_BYTES  ((size_t)64 * KIB)
#define ZLIB_WINDOW 15
#define GZIP_WINDOW (ZLIB_WINDOW + 16) /* zlib's way to say: a gzip header */
#define GZIP_LEVEL  1 /* replies: level 6 costs four times the time for a tenth of the size */
#define ZSTD_LEVEL  1
#define ZSTD_WINDOW_LOG                                                                            \
    25 /* 32 MiB: the largest window a client library (Go's, "best") asks for  \
                            */

static const char *const names[] = {
    [BODY_IDENTITY] = "identity", [BODY_GZIP] = "gzip",     [BODY_DEFLATE] = "deflate",
    [BODY_ZSTD] = "zstd",         [BODY_SNAPPY] = "snappy",
};
_Static_assert(COUNT_OF(names) == BODY_ENCODING_COUNT, "every encoding has a name");

const char *body_encoding_name(body_encoding encoding)
{
    must(encoding < BODY_ENCODING_COUNT);
    return names[encoding];
}

sk_code body_encoding_of(span header, body_encoding *ret, err *e)
{
    header = span_trim(header);
    if (header.len == 0) {
        *ret = BODY_IDENTITY;
        return SK_OK;
    }
    for (unsigned i = 0; i < BODY_ENCODING_COUNT; i++) {
        if (span_equal_nocase(header, span_text(names[i]))) {
            *ret = (body_encoding)i;
            return SK_OK;
        }
    }
    if (span_equal_nocase(header, SPAN("x-gzip"))) {
        *ret = BODY_GZIP;
        return SK_OK;
    }
    if (span_equal_nocase(header, SPAN("zlib"))) {
        *ret = BODY_DEFLATE;
        return SK_OK;
    }
    return err_set(e, SK_BAD_INPUT,
                   "content encoding \"%.*s\" is not accepted: use one of gzip, deflate, zstd, "
                   "snappy, identity",
                   (int)(header.len < 60 ? header.len : 60), (const char *)header.at);
}

static sk_code too_large(const buf *out, err *e)
{
    return err_set(e, SK_TOO_LARGE, "the body inflates to more than the limit of %zu bytes",
                   out->max_bytes);
}

static sk_code no_memory(err *e)
{
    return err_set(e, SK_NO_MEMORY, "no memory to inflate the body");
}

static sk_code broken(body_encoding encoding, size_t offset, const char *why, err *e)
{
    err_set(e, SK_BAD_INPUT, "the %s body is broken at byte %zu: %s", names[encoding], offset, why);
    if (e)
        e->offset = offset;
    return SK_BAD_INPUT;
}

/* Where the next inflated bytes go: the free end of the buffer, or, once it is full to its cap, one
 * byte beyond, which tells "exactly full" from "too large". */
typedef struct window {
    uint8_t *at;
    size_t size;
    uint8_t beyond;
} window;

static bool open_window(buf *out, window *w)
{
    size_t left = out->max_bytes - out->len;
    if (left == 0) {
        w->at = &w->beyond;
        w->size = 1;
        return true;
    }
    if (out->len == out->capacity && !buf_reserve(out, left < STEP_BYTES ? left : STEP_BYTES))
        return false;
    w->at = out->at + out->len;
    w->size = out->capacity - out->len;
    return true;
}

static bool close_window(buf *out, const window *w, size_t produced)
{
    if (w->at == &w->beyond)
        return produced == 0;
    out->len += produced;
    return true;
}

static void *zlib_alloc(void *ctx, unsigned count, unsigned size)
{
    return base_alloc_zero(count, size);
}

static void zlib_free(void *ctx, void *p)
{
    base_free(p);
}

static unsigned at_most(size_t len)
{
    return len > UINT_MAX ? UINT_MAX : (unsigned)len;
}

/* One gzip member or one zlib stream, appended; *used moves past it. */
static sk_code inflate_member(z_stream *z, body_encoding encoding, span body, size_t *used,
                              buf *out, err *e)
{
    for (;;) {
        window w;
        if (!open_window(out, &w))
            return no_memory(e);
        unsigned fed = at_most(body.len - *used), room = at_most(w.size);
        z->next_in = body.at + *used;
        z->avail_in = fed;
        z->next_out = w.at;
        z->avail_out = room;
        int result = inflate(z, Z_NO_FLUSH);
        *used += fed - z->avail_in;
        if (!close_window(out, &w, room - z->avail_out))
            return too_large(out, e);
        if (result == Z_STREAM_END)
            return SK_OK;
        if (result == Z_MEM_ERROR)
            return no_memory(e);
        if (result != Z_OK && result != Z_BUF_ERROR)
            return broken(encoding, *used, z->msg ? z->msg : "it needs a dictionary", e);
        if (*used == body.len && z->avail_out)
            return broken(encoding, *used, "it is cut short", e);
    }
}

/* zlib's window bits for what the body is: some clients' "deflate" comes without zlib's header. */
static int window_bits(body_encoding encoding, span body)
{
    if (encoding == BODY_GZIP)
        return GZIP_WINDOW;
    bool has_header =
        body.len >= 2 && (body.at[0] & 15) == 8 && (body.at[0] << 8 | body.at[1]) % 31 == 0;
    return has_header ? ZLIB_WINDOW : -ZLIB_WINDOW;
}

static sk_code inflate_zlib(body_encoding encoding, span body, buf *out, err *e)
{
    z_stream z = {.zalloc = zlib_alloc, .zfree = zlib_free};
    if (inflateInit2(&z, window_bits(encoding, body)) != Z_OK)
        return no_memory(e);
    size_t used = 0;
    sk_code code = inflate_member(&z, encoding, body, &used, out, e);
    while (code == SK_OK && encoding == BODY_GZIP && used < body.len) {
        inflateReset(&z);
        code = inflate_member(&z, encoding, body, &used, out, e);
    }
    inflateEnd(&z);
    if (code == SK_OK && used < body.len)
        return broken(encoding, used, "something follows its end", e);
    return code;
}

static sk_code inflate_frames(ZSTD_DCtx *d, span body, buf *out, err *e)
{
    ZSTD_inBuffer in = {body.at, body.len, 0};
    unsigned long long known = ZSTD_getFrameContentSize(body.at, body.len);
    if (known <= out->max_bytes - out->len &&
        known > 0)                              /* its two error values are larger than any cap */
        (void)!buf_reserve(out, (size_t)known); /* a hint: then zstd needs no window of its own */
    if (out->failed)
        return no_memory(e);
    for (;;) {
        window w;
        if (!open_window(out, &w))
            return no_memory(e);
        ZSTD_outBuffer to = {w.at, w.size, 0};
        size_t left = ZSTD_decompressStream(d, &to, &in);
        if (ZSTD_isError(left))
            return ZSTD_getErrorCode(left) == ZSTD_error_memory_allocation
                       ? no_memory(e)
                       : broken(BODY_ZSTD, in.pos, ZSTD_getErrorName(left), e);
        if (!close_window(out, &w, to.pos))
            return too_large(out, e);
        if (left == 0 && in.pos == in.size)
            return SK_OK;
        if (in.pos == in.size && to.pos < to.size)
            return broken(BODY_ZSTD, in.pos, "it is cut short", e);
    }
}

static sk_code inflate_zstd(span body, buf *out, err *e)
{
    ZSTD_DCtx *d = ZSTD_createDCtx();
    if (!d)
        return no_memory(e);
    ZSTD_DCtx_setParameter(d, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
    sk_code code = inflate_frames(d, body, out, e);
    ZSTD_freeDCtx(d);
    return code;
}

static sk_code inflate_snappy(span body, buf *out, err *e)
{
    const char *from = (const char *)body.at;
    size_t size;
    if (snappy_uncompressed_length(from, body.len, &size) != SNAPPY_OK)
        return broken(BODY_SNAPPY, 0, "its length is not readable", e);
    if (size > out->max_bytes - out->len)
        return too_large(out, e);
    if (snappy_validate_compressed_buffer(from, body.len) != SNAPPY_OK)
        return broken(BODY_SNAPPY, 0, "it is not one block of snappy", e);
    if (size == 0)
        return SK_OK;
    if (!buf_reserve(out, size))
        return no_memory(e);
    if (snappy_uncompress(from, body.len, (char *)out->at + out->len, &size) != SNAPPY_OK)
        return broken(BODY_SNAPPY, 0, "it is not one block of snappy", e);
    out->len += size;
    return SK_OK;
}

sk_code body_inflate(body_encoding encoding, span body, buf *out, err *e)
{
    must(!out->failed && out->len <= out->max_bytes);
    if (body.len == 0 && encoding != BODY_IDENTITY)
        return broken(encoding, 0, "it is empty", e);
    switch (encoding) {
    case BODY_IDENTITY:
        if (body.len > out->max_bytes - out->len)
            return too_large(out, e);
        buf_add_span(out, body);
        return out->failed ? no_memory(e) : SK_OK;
    case BODY_GZIP:
    case BODY_DEFLATE: return inflate_zlib(encoding, body, out, e);
    case BODY_ZSTD: return inflate_zstd(body, out, e);
    case BODY_SNAPPY: return inflate_snappy(body, out, e);
    case BODY_ENCODING_COUNT: break;
    }
    never();
}

/* Room for the worst case of a compressor. */
static sk_code reserve_bound(buf *out, size_t bound, err *e)
{
    if (bound > out->max_bytes - out->len)
        return err_set(e, SK_TOO_LARGE, "a reply of more than the limit of %zu bytes",
                       out->max_bytes);
    return buf_reserve(out, bound) ? SK_OK
                                   : err_set(e, SK_NO_MEMORY, "no memory to compress the reply");
}

static sk_code deflate_gzip(span body, buf *out, err *e)
{
    z_stream z = {.zalloc = zlib_alloc, .zfree = zlib_free};
    if (deflateInit2(&z, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return err_set(e, SK_NO_MEMORY, "no memory to compress the reply");
    sk_code code = body.len > UINT_MAX / 2 ? err_set(e, SK_TOO_LARGE, "a reply of more than 2 GiB")
                                           : reserve_bound(out, deflateBound(&z, body.len), e);
    if (code == SK_OK) {
        z.next_in = body.at;
        z.avail_in = (unsigned)body.len;
        z.next_out = out->at + out->len;
        z.avail_out = at_most(out->capacity - out->len);
        must(deflate(&z, Z_FINISH) == Z_STREAM_END); /* deflateBound's promise */
        out->len += z.total_out;
    }
    deflateEnd(&z);
    return code;
}

static sk_code deflate_zstd(span body, buf *out, err *e)
{
    sk_code code = reserve_bound(out, ZSTD_compressBound(body.len), e);
    if (code != SK_OK)
        return code;
    size_t len =
        ZSTD_compress(out->at + out->len, out->capacity - out->len, body.at, body.len, ZSTD_LEVEL);
    if (ZSTD_isError(len))
        return err_set(e, SK_NO_MEMORY, "cannot compress the reply: %s", ZSTD_getErrorName(len));
    out->len += len;
    return SK_OK;
}

sk_code body_deflate(body_encoding encoding, span body, buf *out, err *e)
{
    must(encoding == BODY_GZIP || encoding == BODY_ZSTD);
    return encoding == BODY_GZIP ? deflate_gzip(body, out, e) : deflate_zstd(body, out, e);
}
