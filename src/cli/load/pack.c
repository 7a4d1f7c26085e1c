/*
 * cli/load/pack.c: one request under way per sender, written in place. Called by the shapes. The buffer of a sender is used
 * again for its next request, so that making ten million spans needs the memory of one request per sender.
 */
#include "cli/load/pack.h"

#include "base/alloc.h"

#define WAIT_NS  (5 * NS_PER_S)
#define SWEEP_NS (NS_PER_S / 4)
#define BODY_MAX (16 * MIB)

static size_t begin_pair(buf *out, uint32_t field, const char *key, size_t *ret_any)
{
    size_t pair = pb_begin(out, field);
    pb_put_bytes(out, 1, span_text(key));
    *ret_any = pb_begin(out, 2);
    return pair;
}

static void end_pair(buf *out, size_t pair, size_t any)
{
    pb_finish(out, any);
    pb_finish(out, pair);
}

void put_text(buf *out, uint32_t field, const char *key, const char *text)
{
    size_t any, pair = begin_pair(out, field, key, &any);
    pb_put_bytes(out, 1, span_text(text));
    end_pair(out, pair, any);
}

void put_bool(buf *out, uint32_t field, const char *key, bool v)
{
    size_t any, pair = begin_pair(out, field, key, &any);
    pb_put_var(out, 2, v);
    end_pair(out, pair, any);
}

void put_int(buf *out, uint32_t field, const char *key, int64_t v)
{
    size_t any, pair = begin_pair(out, field, key, &any);
    pb_put_var(out, 3, (uint64_t)v);
    end_pair(out, pair, any);
}

void put_double(buf *out, uint32_t field, const char *key, double v)
{
    size_t any, pair = begin_pair(out, field, key, &any);
    pb_put_double(out, 4, v);
    end_pair(out, pair, any);
}

void put_id(buf *out, uint32_t field, uint64_t hi, uint64_t lo, size_t len)
{
    uint8_t bytes[16];
    for (size_t i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(hi >> (56 - 8 * i));
        bytes[8 + i] = (uint8_t)(lo >> (56 - 8 * i));
    }
    pb_put_bytes(out, field, span_of(bytes + 16 - len, len));
}

sk_code pack_init(load_packer *p, uint32_t sender_count, err *e)
{
    p->senders = base_alloc_zero(sender_count, sizeof *p->senders);
    if (!p->senders)
        return err_set(e, SK_NO_MEMORY, "out of memory");
    p->sender_count = sender_count;
    for (uint32_t i = 0; i < sender_count; i++)
        buf_init(&p->senders[i].bytes, BODY_MAX);
    return SK_OK;
}

void pack_done(load_packer *p)
{
    for (uint32_t i = 0; i < p->sender_count; i++)
        buf_done(&p->senders[i].bytes);
    base_free(p->senders);
    p->sender_count = 0;
}

static void send(load_packer *p, load_pending *s)
{
    pb_finish(&s->bytes, s->scope);
    pb_finish(&s->bytes, s->group);
    if (p->code == SK_OK && s->bytes.failed)
        p->code = err_set(&p->e, SK_NO_MEMORY, "out of memory");
    if (p->code == SK_OK)
        p->code = p->sink.take(p->sink.ctx, buf_span(&s->bytes), s->items, &p->e);
    buf_clear(&s->bytes);
    s->items = 0;
}

static void sweep(load_packer *p, int64_t now_ns)
{
    if (now_ns - p->swept_ns < SWEEP_NS)
        return;
    p->swept_ns = now_ns;
    for (uint32_t i = 0; i < p->sender_count; i++)
        if (p->senders[i].items && now_ns - p->senders[i].first_ns >= WAIT_NS)
            send(p, &p->senders[i]);
}

buf *pack_begin(load_packer *p, uint32_t sender, int64_t now_ns)
{
    sweep(p, now_ns);
    load_pending *s = &p->senders[sender];
    buf *out = &s->bytes;
    if (!s->items) {
        s->first_ns = now_ns;
        s->group = pb_begin(out, 1);
        size_t resource = pb_begin(out, 1);
        p->put_resource(p->ctx, sender, out);
        pb_finish(out, resource);
        s->scope = pb_begin(out, 2);
        size_t scope = pb_begin(out, 1);
        pb_put_bytes(out, 1, SPAN("load"));
        pb_finish(out, scope);
    }
    s->item = pb_begin(out, 2);
    return out;
}

void pack_end(load_packer *p, uint32_t sender)
{
    load_pending *s = &p->senders[sender];
    pb_finish(&s->bytes, s->item);
    if (++s->items == LOAD_ITEMS_PER_BODY)
        send(p, s);
}

sk_code pack_finish(load_packer *p, err *e)
{
    for (uint32_t i = 0; i < p->sender_count; i++)
        if (p->senders[i].items)
            send(p, &p->senders[i]);
    if (p->code != SK_OK)
        *e = p->e;
    return p->code;
}
