/*
 * journal/walk.c: reads a journal file record by record through one window, and finds records
 * behind damage. Called by recovery, by copying and by journal_read_from. Memory: the window, which
 * grows to the largest record. Trusts nothing: a header counts only with its checksum under the
 * file's id and when its record ends inside the file.
 */
#include "base/alloc.h"
#include "base/hash.h"
#include "journal/journal_private.h"

void walk_begin(walk *w, const log_file *of, uint64_t at, uint64_t end, uint32_t index)
{
    *w = (walk){.of = of, .at = at, .end = end, .index = index};
}

void walk_done(walk *w)
{
    base_free(w->window);
    *w = (walk){.of = w->of};
}

/* The bytes [at, at + len) of the file, which lie before `end`; NULL with *e set when they cannot
 * be had. */
static const uint8_t *load(walk *w, uint64_t at, size_t len, err *e)
{
    if (at >= w->window_at && at + len <= w->window_at + w->window_len)
        return w->window + (at - w->window_at);
    size_t want = len > WINDOW_BYTES ? len : WINDOW_BYTES;
    if (want > w->window_capacity) {
        uint8_t *grown = base_realloc(w->window, want);
        if (!grown) {
            (void)err_set(e, SK_NO_MEMORY, "no memory to read %zu bytes of %s", want, w->of->path);
            return NULL;
        }
        w->window = grown;
        w->window_capacity = want;
    }
    if (want > w->end - at)
        want = (size_t)(w->end - at);
    w->window_len = 0;
    if (file_read_at(w->of->f, at, w->window, want, e) != SK_OK)
        return NULL;
    w->window_at = at;
    w->window_len = want;
    return w->window;
}

/* A record may begin at `at`: its header, when it is valid and the record ends before `end`. */
static walk_step header_at(walk *w, uint64_t at, record_header *ret, err *e)
{
    if (w->end < at || w->end - at < RECORD_BYTES_MIN)
        return WALK_END;
    const uint8_t *bytes = load(w, at, sizeof(record_header), e);
    if (!bytes)
        return WALK_ERROR;
    memcpy(ret, bytes, sizeof *ret);
    if (!journal__header_is_valid(ret, w->of->id) || record_bytes(ret->stored_bytes) > w->end - at)
        return WALK_END;
    return WALK_RECORD;
}

walk_step walk_next(walk *w, err *e)
{
    record_header h;
    walk_step step = header_at(w, w->at, &h, e);
    if (step != WALK_RECORD)
        return step;
    if (h.index != w->index || h.durable_to > w->at)
        return WALK_END;
    w->h = h;
    w->record_at = w->at;
    w->at += record_bytes(h.stored_bytes);
    w->index++;
    return WALK_RECORD;
}

sk_code walk_record_at(walk *w, uint64_t at, err *e)
{
    record_header h;
    walk_step step = header_at(w, at, &h, e);
    if (step == WALK_ERROR)
        return e->code;
    if (step == WALK_END)
        return err_set(e, SK_CORRUPT, "%s: no record at byte %llu", w->of->path,
                       (unsigned long long)at);
    w->h = h;
    w->record_at = at;
    w->at = at + record_bytes(h.stored_bytes);
    w->index = h.index + 1;
    return SK_OK;
}

sk_code walk_payload(walk *w, span *ret, err *e)
{
    const uint8_t *bytes = load(w, w->record_at + sizeof(record_header), w->h.stored_bytes, e);
    if (!bytes)
        return e->code;
    *ret = span_of(bytes, w->h.stored_bytes);
    if (hash64(*ret) != w->h.payload_check)
        return err_set(e, SK_CORRUPT, "%s: the payload at byte %llu has a wrong checksum",
                       w->of->path, (unsigned long long)w->record_at);
    return SK_OK;
}

/* The next place from `at` on where the magic stands; `end` when there is none. */
static walk_step find_magic(walk *w, uint64_t *at, err *e)
{
    while (*at + RECORD_BYTES_MIN <= w->end) {
        size_t len = w->end - *at < WINDOW_BYTES ? (size_t)(w->end - *at) : WINDOW_BYTES;
        const uint8_t *bytes = load(w, *at, len, e);
        if (!bytes)
            return WALK_ERROR;
        size_t offset = 0;
        while (offset + RECORD_BYTES_MIN <= len && !journal__has_magic(bytes + offset))
            offset += 8;
        *at += offset;
        if (offset + RECORD_BYTES_MIN <= len)
            return WALK_RECORD;
    }
    return WALK_END;
}

walk_step walk_find(walk *w, err *e)
{
    for (uint64_t at = w->at + 8;; at += 8) {
        record_header h;
        walk_step step = find_magic(w, &at, e);
        if (step == WALK_RECORD)
            step = header_at(w, at, &h, e);
        else if (step == WALK_END)
            return WALK_END;
        if (step == WALK_ERROR)
            return step;
        if (step == WALK_END)
            continue;
        w->at = at;
        w->index = h.index;
        w->h = h;
        return WALK_RECORD;
    }
}
