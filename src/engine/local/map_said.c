/*
 * engine/local/map_said.c: what the map's rules conclude of a span, as the text that a segment keeps (docs/internals/service-map.md
 * "What is kept"). Used by map_seal.c, which makes it, and map_codes.c, which reads it.
 *
 *   u8 kind · u8 flags (SAID_…) · u8 kind of the leaf's node · u8 kind of the parent · for each of service, queue, leaf, the parent's
 *   service, the parent's queue: varint length, bytes; length 0: none
 */
#include "base/buf.h"
#include "base/reader.h"
#include "engine/local/map.h"
#include "event/fields.h"

#define SAID_TEXTS     5u
#define SAID_TEXT_MAX  (SAID_TEXTS * (EVENT_STRING_MAX * 2ul + 16))
#define SAID_FLAGS_ALL (SAID_ERROR | SAID_WHOLE | SAID_BY_USER | SAID_LEAF)

static bool is_calling(const map_span *s)
{
    return s->kind == KIND_CLIENT || (s->kind == KIND_PRODUCER && !s->queue);
}

map_said map__said_of(const map_span *s, const map_span *parent, bool is_whole)
{
    map_said said = {.service = s->service,
                     .queue = s->queue,
                     .leaf = s->leaf,
                     .kind = s->kind,
                     .leaf_kind = s->leaf_kind,
                     .flags = s->is_error ? SAID_ERROR : 0};
    if (!is_whole)
        return said;
    said.flags |= SAID_WHOLE;
    if (parent)
        said.parent_service = parent->service;
    if (parent && s->kind == KIND_CONSUMER) {
        said.parent_kind = parent->kind;
        said.parent_queue = parent->queue;
    }
    if (s->kind == KIND_SERVER && !s->parent_id && !parent)
        said.flags |= SAID_BY_USER;
    if (is_calling(s) && s->leaf && !s->has_child_elsewhere && !s->has_calling_child)
        said.flags |= SAID_LEAF;
    return said;
}

void map__said_spans(const map_said *said, map_span *ret, map_span *ret_parent,
                     bool *ret_has_parent)
{
    *ret = (map_span){.service = said->service,
                      .queue = said->queue,
                      .leaf = said->leaf,
                      .kind = said->kind,
                      .leaf_kind = said->leaf_kind,
                      .parent_id = !(said->flags & SAID_BY_USER),
                      .has_calling_child = !(said->flags & SAID_LEAF)};
    *ret_parent = (map_span){
        .service = said->parent_service, .queue = said->parent_queue, .kind = said->parent_kind};
    *ret_has_parent = said->parent_service != 0;
}

span map__said_text(const map_run *m, const map_said *s, arena *mem)
{
    const uint32_t texts[SAID_TEXTS] = {s->service, s->queue, s->leaf, s->parent_service,
                                        s->parent_queue};
    span ret = {0};
    buf out;
    buf_init(&out, SAID_TEXT_MAX);
    buf_add_u8(&out, s->kind);
    buf_add_u8(&out, s->flags);
    buf_add_u8(&out, s->leaf_kind);
    buf_add_u8(&out, s->parent_kind);
    for (uint32_t i = 0; i < SAID_TEXTS; i++) {
        if (texts[i] == MAP_ANSWER_ABSENT) /* there was no memory for it */
            out.failed = true;
        span text = texts[i] && !out.failed ? map__text(m, texts[i]) : SPAN("");
        buf_add_varint(&out, text.len);
        buf_add_span(&out, text);
    }
    if (!out.failed && !arena_copy(mem, buf_span(&out), &ret))
        ret = (span){0};
    buf_done(&out);
    return ret;
}

bool map__said_parse(map_run *m, span text, map_said *ret)
{
    reader r = reader_of(text);
    uint32_t texts[SAID_TEXTS];
    *ret = (map_said){.kind = reader_u8(&r)};
    ret->flags = reader_u8(&r);
    ret->leaf_kind = reader_u8(&r);
    ret->parent_kind = reader_u8(&r);
    for (uint32_t i = 0; i < SAID_TEXTS; i++) {
        uint64_t len = reader_varint(&r);
        if (r.failed || len > reader_left(&r))
            return false;
        span s = reader_bytes(&r, len);
        texts[i] = len ? map__put_text(m, s, true) : 0;
    }
    ret->service = texts[0];
    ret->queue = texts[1];
    ret->leaf = texts[2];
    ret->parent_service = texts[3];
    ret->parent_queue = texts[4];
    return !r.failed && reader_left(&r) == 0 && ret->service && ret->kind <= KIND_CONSUMER &&
           ret->parent_kind <= KIND_CONSUMER && ret->leaf_kind <= NODE_CLIENT &&
           !(ret->flags & ~SAID_FLAGS_ALL);
}
