/*
 * fuzz/fuzz_journal.c: opening a journal on arbitrary bytes. The first byte says how the rest is laid out: as it is, or
 * as records whose checksums are put right, so that what lies behind them is reached; as one file or two. What one
 * opening replays is replayed by the next as well, in order, with what was appended between, and the next finds no damage.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/file.h"
#include "fuzz.h"
#include "journal/journal_private.h"

enum {
    AS_RECORDS = 1,
    TWO_FILES = 2,
    RIGHT_INDEX = 4,
    ODD_RELEASED = 8,
    RELAXED = 16,
    LEFT_SPARE = 32
};

#define STORED_MAX 700u /* of a repaired record */

typedef struct replayed {
    uint8_t flags;
    uint64_t last_seq, count, sum;
    uint32_t damaged;
} replayed;

static bool is_released(void *ctx, uint32_t environment, family f, uint64_t seq)
{
    const replayed *r = ctx;
    return (r->flags & ODD_RELEASED) && seq % 2;
}

static sk_code see_record(void *ctx, const journal_record *record, err *e)
{
    replayed *r = ctx;
    must(record->seq > r->last_seq);
    must(!is_released(ctx, record->environment, record->family, record->seq));
    must(record->family < FAMILY_COUNT);
    r->last_seq = record->seq;
    r->count++;
    r->sum += hash64_seeded(record->payload, record->seq);
    return SK_OK;
}

static void see_damage(void *ctx, const char *path, uint64_t offset, const char *what)
{
    replayed *r = ctx;
    must(path[0] && what[0]);
    r->damaged++;
}

/* ---- laying out ---- */
static void repair(buf *out, uint64_t id, const uint8_t *data, size_t size, bool right_index)
{
    uint32_t index = 0;
    while (size >= sizeof(record_header)) {
        record_header h;
        memcpy(&h, data, sizeof h);
        if (h.magic % 8 == 7) { /* eight bytes of damage */
            buf_add(out, data, 8);
            data += 8;
            size -= 8;
            continue;
        }
        size_t left = size - sizeof h;
        h.stored_bytes %= STORED_MAX;
        if (h.stored_bytes > left)
            h.stored_bytes = (uint32_t)left;
        h.kind %= RECORD_KIND_COUNT;
        h.family %= FAMILY_COUNT;
        h.flags &= RECORD_LZ4;
        h.seq &= 0xffffff;
        if (!h.flags)
            h.raw_bytes = h.stored_bytes;
        if (right_index)
            h.index = index++;
        span stored = span_of(data + sizeof h, h.stored_bytes);
        h.payload_check = hash64(stored) + (h.magic % 8 == 6);
        journal__seal_header(&h, id);
        buf_add(out, &h, sizeof h);
        buf_add_span(out, stored);
        buf_align(out, 8);
        data += sizeof h + h.stored_bytes;
        size = left - h.stored_bytes;
    }
    buf_add(out, data, size);
}

static void lay_out(const char *dir, uint32_t number, uint8_t flags, const uint8_t *data,
                    size_t size)
{
    char path[300];
    uint8_t page[RECORDS_START];
    buf out;
    err e;
    file *f;
    buf_init(&out, 16 * MIB);
    if (flags & AS_RECORDS) {
        journal__page_put(page, number, 0);
        buf_add(&out, page, sizeof page);
        repair(&out, number, data, size, flags & RIGHT_INDEX);
        for (int i = 0; i < 64; i++) /* room behind, as in a file that was allocated */
            buf_add_u64(&out, 0);
    } else {
        buf_add(&out, data, size);
    }
    must(!out.failed);
    snprintf(path, sizeof path, "%s/journal-%08u", dir, number);
    must(file_open(path, FILE_CREATE_NEW, &f, &e) == SK_OK);
    must(file_write_at(f, 0, buf_span(&out), &e) == SK_OK);
    file_close(f);
    buf_done(&out);
}

/* ---- opening ---- */
static sk_code open_and_close(const char *dir, replayed *r, bool appends)
{
    journal_options o = {.dir = dir,
                         .file_bytes = 16 * KIB,
                         .keep_bytes = 64 * KIB,
                         .durability = r->flags & RELAXED ? JOURNAL_RELAXED : JOURNAL_FSYNC};
    journal_replay replay = {is_released, see_record, see_damage, r};
    journal *j;
    err e;
    sk_code code = journal_open(&o, &replay, &j, &e);
    if (code != SK_OK) {
        must(code == SK_UNSUPPORTED || code == SK_TOO_LARGE);
        return code;
    }
    journal_record record = {.environment = 7, .payload = SPAN("behind it all")};
    if (appends)
        must(journal_append(j, &record, NULL, NULL, &e) == SK_OK);
    must(!appends || record.seq > r->last_seq);
    journal_close(j);
    if (appends && !is_released(r, 0, FAMILY_TRACE, record.seq)) {
        r->count++;
        r->sum += hash64_seeded(record.payload, record.seq);
    }
    return SK_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char dir[] = "/dev/shm/skep-fuzz-XXXXXX";
    err e;
    if (size < 3 || size > 64 * KIB)
        return 0;
    if (!mkdtemp(dir)) {
        memcpy(dir, "/tmp/skep-fuzz-XXXXXXX", sizeof "/tmp/skep-fuzz-XXXXXXX");
        must(mkdtemp(dir) != NULL);
    }
    replayed first = {.flags = data[0]}, second = {.flags = data[0]};
    size_t cut = first.flags & TWO_FILES ? 1 + data[1] * (size - 2) / 256 : size - 2;
    lay_out(dir, 1, first.flags, data + 2, cut);
    if (first.flags & TWO_FILES)
        lay_out(dir, 2, first.flags, data + 2 + cut, size - 2 - cut);
    if (first.flags & LEFT_SPARE) {
        char path[300];
        snprintf(path, sizeof path, "%s/" NAME_SPARE, dir);
        must(file_replace(path, span_of(data, size), 0600, &e) == SK_OK);
    }
    if (open_and_close(dir, &first, true) == SK_OK) {
        must(open_and_close(dir, &second, false) == SK_OK);
        must(second.damaged == 0);
        must(second.count == first.count);
        must(second.sum == first.sum);
    }
    must(file_remove_tree(dir, &e) == SK_OK);
    return 0;
}
