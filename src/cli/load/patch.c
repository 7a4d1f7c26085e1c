/*
 * cli/load/patch.c: walks ExportTraceServiceRequest and ExportLogsServiceRequest (otlp.md §1) once and remembers where ids and
 * times stand. Called by the `load` command.
 */
#include "cli/load/patch.h"

#include "base/alloc.h"
#include "wire/protobuf.h"

typedef struct finder {
    patch_index *index;
    const uint8_t *start;
    bool is_short; /* of memory */
} finder;

static void add_spot(finder *f, const uint8_t *at, patch_kind kind)
{
    patch_index *p = f->index;
    if (!base_reserve(&p->spots, &p->capacity, p->count + 1, sizeof *p->spots)) {
        f->is_short = true;
        return;
    }
    p->spots[p->count++] = (patch_spot){(uint32_t)(at - f->start), kind};
}

static void add_time(finder *f, reader *r)
{
    const uint8_t *at = r->at;
    uint64_t time_ns = pb_i64(r);
    if (r->failed || time_ns == 0)
        return;
    add_spot(f, at, PATCH_TIME);
    if (time_ns > f->index->newest_ns)
        f->index->newest_ns = time_ns;
}

static void add_id(finder *f, reader *r, patch_kind kind)
{
    span id = pb_bytes(r);
    if (id.len == (kind == PATCH_TRACE_ID ? 16u : 8u))
        add_spot(f, id.at, kind);
}

static void find_in_part(finder *f, reader r, reader *parent, bool is_link)
{
    for (uint32_t tag; (tag = pb_tag(&r));) {
        if (!is_link && tag == PB(1, I64))
            add_time(f, &r);
        else
            pb_skip(&r, tag);
    }
    pb_end(parent, &r);
}

static void find_in_span(finder *f, reader r, reader *parent)
{
    f->index->items++;
    for (uint32_t tag; (tag = pb_tag(&r));)
        switch (tag) {
        case PB(1, LEN): add_id(f, &r, PATCH_TRACE_ID); break;
        case PB(2, LEN): add_id(f, &r, PATCH_SPAN_ID); break;
        case PB(4, LEN): add_id(f, &r, PATCH_SPAN_ID); break;
        case PB(7, I64): add_time(f, &r); break;
        case PB(8, I64): add_time(f, &r); break;
        case PB(11, LEN): find_in_part(f, pb_message(&r), &r, false); break;
        default: pb_skip(&r, tag); break;
        }
    pb_end(parent, &r);
}

static void find_in_log(finder *f, reader r, reader *parent)
{
    f->index->items++;
    for (uint32_t tag; (tag = pb_tag(&r));)
        switch (tag) {
        case PB(1, I64): add_time(f, &r); break;
        case PB(11, I64): add_time(f, &r); break;
        case PB(9, LEN): add_id(f, &r, PATCH_TRACE_ID); break;
        case PB(10, LEN): add_id(f, &r, PATCH_SPAN_ID); break;
        default: pb_skip(&r, tag); break;
        }
    pb_end(parent, &r);
}

/* Request → resource group (1) → scope group (2) → item (2): the same numbers in both signals. */
static void find_in_group(finder *f, patch_signal signal, reader r, reader *parent, int level)
{
    for (uint32_t tag; (tag = pb_tag(&r));) {
        bool is_child = tag == PB(2, LEN);
        if (is_child && level == 0)
            find_in_group(f, signal, pb_message(&r), &r, 1);
        else if (is_child && signal == PATCH_TRACES)
            find_in_span(f, pb_message(&r), &r);
        else if (is_child)
            find_in_log(f, pb_message(&r), &r);
        else
            pb_skip(&r, tag);
    }
    pb_end(parent, &r);
}

sk_code patch_find(patch_signal signal, span body, patch_index *ret, err *e)
{
    *ret = (patch_index){0};
    finder f = {ret, body.at, false};
    reader r = reader_of(body);
    for (uint32_t tag; (tag = pb_tag(&r));) {
        if (tag == PB(1, LEN))
            find_in_group(&f, signal, pb_message(&r), &r, 0);
        else
            pb_skip(&r, tag);
    }
    if (r.failed || f.is_short) {
        patch_done(ret);
        return f.is_short
                   ? err_set(e, SK_NO_MEMORY, "out of memory")
                   : err_set(e, SK_BAD_INPUT, "not an OTLP protobuf request (broken at byte %zu)",
                             reader_offset(&r));
    }
    return SK_OK;
}

void patch_done(patch_index *p)
{
    base_free(p->spots);
    *p = (patch_index){0};
}

void patch_apply(const patch_index *p, const uint8_t *original, uint8_t *out, uint64_t mask,
                 int64_t shift_ns)
{
    for (uint32_t i = 0; i < p->count; i++) {
        uint32_t at = p->spots[i].offset +
                      (p->spots[i].kind == PATCH_TRACE_ID ? 8 : 0); /* the low half of a trace id */
        uint64_t v;
        memcpy(&v, original + at, 8);
        if (p->spots[i].kind == PATCH_TIME)
            v += (uint64_t)shift_ns;
        else
            v ^= mask;
        memcpy(out + at, &v, 8);
    }
}
