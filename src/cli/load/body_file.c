/*
 * cli/load/body_file.c: writes and reads a file of requests through one buffer each way. Called by the `load` command and its
 * senders. Never holds more than a record and a buffer.
 */
#include "cli/load/body_file.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/thread.h"

#define MAGIC       "SKEPLOAD"
#define VERSION     1u
#define HEAD_BYTES  16u
#define RECORD_HEAD 8u
#define BODY_MAX    (64 * MIB)
#define WRITE_BYTES (4 * MIB)

struct body_file {
    file *file;
    patch_signal signal;
    uint64_t offset, size, items, requests; /* guarded by guard when reading */
    buf pending;
    lock guard;
};

static uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static sk_code new_file(body_file **ret, err *e)
{
    body_file *f = base_alloc_zero(1, sizeof *f);
    if (!f)
        return err_set(e, SK_NO_MEMORY, "out of memory");
    lock_init(&f->guard, RANK_LEAF);
    buf_init(&f->pending, WRITE_BYTES + BODY_MAX + 64);
    *ret = f;
    return SK_OK;
}

static void free_file(body_file *f)
{
    if (f->file)
        file_close(f->file);
    buf_done(&f->pending);
    lock_done(&f->guard);
    base_free(f);
}

static sk_code write_pending(body_file *f, err *e)
{
    if (f->pending.failed)
        return err_set(e, SK_NO_MEMORY, "out of memory");
    sk_code code = file_write_at(f->file, f->offset, buf_span(&f->pending), e);
    f->offset += f->pending.len;
    buf_clear(&f->pending);
    return code;
}

sk_code body_file_create(const char *path, patch_signal signal, body_file **ret, err *e)
{
    body_file *f = NULL;
    sk_code code = new_file(&f, e);
    if (code != SK_OK)
        return code;
    f->signal = signal;
    code = file_open(path, FILE_WRITE, &f->file, e);
    if (code == SK_OK)
        code = file_truncate(f->file, 0, e);
    if (code != SK_OK) {
        free_file(f);
        return code;
    }
    buf_add_text(&f->pending, MAGIC);
    buf_add_u32(&f->pending, VERSION);
    buf_add_u32(&f->pending, signal);
    *ret = f;
    return SK_OK;
}

static sk_code take_body(void *ctx, span body, uint32_t items, err *e)
{
    body_file *f = ctx;
    buf_add_u32(&f->pending, (uint32_t)body.len);
    buf_add_u32(&f->pending, items);
    buf_add_span(&f->pending, body);
    f->items += items;
    f->requests++;
    return f->pending.len >= WRITE_BYTES || f->pending.failed ? write_pending(f, e) : SK_OK;
}

load_sink body_file_sink(body_file *f)
{
    return (load_sink){take_body, f};
}

sk_code body_file_open(const char *path, body_file **ret, err *e)
{
    body_file *f = NULL;
    uint8_t head[HEAD_BYTES];
    sk_code code = new_file(&f, e);
    if (code != SK_OK)
        return code;
    code = file_open(path, FILE_READ, &f->file, e);
    if (code == SK_OK)
        code = file_size(f->file, &f->size, e);
    if (code == SK_OK)
        code = file_read_at(f->file, 0, head, sizeof head, e);
    if (code == SK_OK && (memcmp(head, MAGIC, 8) != 0 || get_u32(head + 8) != VERSION ||
                          get_u32(head + 12) > PATCH_LOGS))
        code = err_set(e, SK_BAD_INPUT, "%s was not written by skep load --write", path);
    if (code != SK_OK) {
        free_file(f);
        return code;
    }
    f->signal = (patch_signal)get_u32(head + 12);
    f->offset = HEAD_BYTES;
    *ret = f;
    return SK_OK;
}

patch_signal body_file_signal(const body_file *f)
{
    return f->signal;
}

sk_code body_file_next(body_file *f, buf *out, uint32_t *ret_items, uint64_t *ret_before, err *e)
{
    uint8_t head[RECORD_HEAD];
    uint64_t at = 0;
    uint32_t len = 0;
    sk_code code = SK_NOT_FOUND;
    lock_take(&f->guard);
    if (f->offset < f->size) {
        code = file_read_at(f->file, f->offset, head, sizeof head, e);
        len = code == SK_OK ? get_u32(head) : 0;
        if (code == SK_OK && (len > BODY_MAX || len > f->size - f->offset - RECORD_HEAD))
            code = err_set(e, SK_CORRUPT, "%s is cut or damaged at byte %llu", file_path(f->file),
                           (unsigned long long)f->offset);
    }
    if (code == SK_OK) {
        at = f->offset + RECORD_HEAD;
        *ret_items = get_u32(head + 4);
        *ret_before = f->items;
        f->items += *ret_items;
        f->requests++;
        f->offset = at + len;
    }
    lock_drop(&f->guard);
    if (code != SK_OK)
        return code;
    buf_clear(out);
    if (!buf_reserve(out, len))
        return err_set(e, SK_NO_MEMORY, "out of memory");
    out->len = len;
    return file_read_at(f->file, at, out->at, len, e);
}

uint64_t body_file_items(const body_file *f)
{
    return f->items;
}

uint64_t body_file_requests(const body_file *f)
{
    return f->requests;
}

uint64_t body_file_bytes(const body_file *f)
{
    return f->offset;
}

sk_code body_file_close(body_file *take_f, err *e)
{
    sk_code code = take_f->pending.len || take_f->pending.failed ? write_pending(take_f, e) : SK_OK;
    free_file(take_f);
    return code;
}
