/*
 * cli/load/body_file.h: requests in a file, so that every system that is compared gets the same bytes.
 *
 * 16 bytes: "SKEPLOAD", u32 version 1, u32 patch_signal; then records of u32 length, u32 items, bytes. Little endian.
 */
#ifndef CLI_LOAD_BODY_FILE_H
#define CLI_LOAD_BODY_FILE_H

#include "cli/load/pack.h"
#include "cli/load/patch.h"

typedef struct body_file body_file;

sk_code body_file_create(const char *path, patch_signal signal, body_file **ret,
                         err *e) must_use; /* replaces */
load_sink body_file_sink(body_file *f);

sk_code body_file_open(const char *path, body_file **ret, err *e) must_use;
patch_signal body_file_signal(const body_file *f);
/* The next record into `out`. *ret_before: items in those before it. SK_NOT_FOUND at the end. Any thread. */
sk_code body_file_next(body_file *f, buf *out, uint32_t *ret_items, uint64_t *ret_before,
                       err *e) must_use;

uint64_t body_file_items(const body_file *f); /* written or read so far */
uint64_t body_file_requests(const body_file *f);
uint64_t body_file_bytes(const body_file *f);
/* Closes; after writing, SK_OK means that all of it is in the file. */
sk_code body_file_close(body_file *take_f, err *e) must_use;

#endif
