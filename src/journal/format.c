/*
 * journal/format.c: the stored structs of the journal: file page, record header, payload.
 * docs/format/journal.md has them byte by byte. Called by every file of this folder; never touches
 * a disk.
 */
#include <lz4.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "journal/journal_private.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "stored structs are little endian");

#define FILE_MAGIC      "skepjrnl"
#define FORMAT_VERSION  1u
#define LZ4_RATIO_BOUND 255u             /* a byte of an LZ4 block makes at most so many */
#define SEQ_MAX         (UINT64_MAX / 4) /* no journal lives so long; room to count on from any number */

typedef struct file_header {
    uint8_t magic[8];
    uint32_t version, zero0;
    uint64_t id;
    int64_t created_ns;
    uint64_t zero1[3];
    uint64_t check; /* XXH3-64 of what is before it; at the same place in every version */
} file_header;
_Static_assert(sizeof(file_header) == 64, "the file header is stored as it is");

static uint64_t header_check(const record_header *h, uint64_t file_id)
{
    return hash64_seeded(span_of(h, offsetof(record_header, header_check)), file_id);
}

void journal__seal_header(record_header *h, uint64_t file_id)
{
    h->magic = RECORD_MAGIC;
    h->header_check = header_check(h, file_id);
}

bool journal__header_is_valid(const record_header *h, uint64_t file_id)
{
    if (h->magic != RECORD_MAGIC || h->header_check != header_check(h, file_id))
        return false;
    if (h->kind >= RECORD_KIND_COUNT || h->family >= FAMILY_COUNT || (h->flags & ~RECORD_LZ4) != 0)
        return false;
    bool is_mark = h->kind != RECORD_DATA && h->kind != RECORD_COPY;
    if (h->seq == 0 || h->seq > SEQ_MAX || (is_mark && h->stored_bytes != 0))
        return false;
    if (h->flags & RECORD_LZ4)
        return h->raw_bytes <= PAYLOAD_MAX && h->raw_bytes / LZ4_RATIO_BOUND <= h->stored_bytes;
    return h->raw_bytes == h->stored_bytes;
}

void journal__page_put(uint8_t page[RECORDS_START], uint64_t file_id, int64_t created_ns)
{
    file_header h = {.version = FORMAT_VERSION, .id = file_id, .created_ns = created_ns};
    memcpy(h.magic, FILE_MAGIC, sizeof h.magic);
    h.check = hash64(span_of(&h, offsetof(file_header, check)));
    memset(page, 0, RECORDS_START);
    memcpy(page, &h, sizeof h);
    memcpy(page + HEADER_COPY_AT, &h, sizeof h);
}

sk_code journal__page_get(const uint8_t page[RECORDS_START], const char *path, uint64_t *ret_id,
                          err *e)
{
    for (size_t at = 0; at <= HEADER_COPY_AT; at += HEADER_COPY_AT) {
        file_header h;
        memcpy(&h, page + at, sizeof h);
        if (memcmp(h.magic, FILE_MAGIC, sizeof h.magic) != 0 ||
            h.check != hash64(span_of(&h, offsetof(file_header, check))))
            continue;
        if (h.version > FORMAT_VERSION)
            return err_set(e, SK_UNSUPPORTED,
                           "%s: journal format %u is newer than the %u this version reads", path,
                           h.version, FORMAT_VERSION);
        *ret_id = h.id;
        return SK_OK;
    }
    return err_set(e, SK_CORRUPT, "%s: the file header is damaged", path);
}

sk_code journal__unpack(const record_header *h, span stored, uint8_t **scratch,
                        size_t *scratch_bytes, span *ret, err *e)
{
    if ((h->flags & RECORD_LZ4) == 0) {
        *ret = stored;
        return SK_OK;
    }
    if (*scratch_bytes < h->raw_bytes) {
        uint8_t *grown = base_realloc(*scratch, h->raw_bytes);
        if (!grown)
            return err_set(e, SK_NO_MEMORY, "no memory for a journal record of %u bytes",
                           h->raw_bytes);
        *scratch = grown;
        *scratch_bytes = h->raw_bytes;
    }
    int got = LZ4_decompress_safe((const char *)stored.at, (char *)*scratch, (int)stored.len,
                                  (int)h->raw_bytes);
    if (got < 0 || (uint32_t)got != h->raw_bytes)
        return err_set(e, SK_CORRUPT, "the payload of record %llu does not decompress",
                       (unsigned long long)h->seq);
    *ret = span_of(*scratch, h->raw_bytes);
    return SK_OK;
}
