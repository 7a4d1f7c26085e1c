/*
 * fuzz/replay_main.c: runs a fuzz target over the files of a folder, for builds without libFuzzer.
 * Called by `meson test --suite fuzz`. Each input is copied to memory of its exact size, so that ASan sees an overrun.
 */
#include <stdio.h>

#include "base/alloc.h"
#include "base/file.h"
#include "fuzz.h"

#define INPUT_MAX (16 * MIB)

typedef struct replay {
    const char *folder;
    unsigned count;
} replay;

static sk_code replay_one(void *ctx, const char *name, bool is_dir, err *e)
{
    replay *r = ctx;
    char path[4096];
    uint8_t *read;
    size_t len;
    if (is_dir)
        return SK_OK;
    snprintf(path, sizeof path, "%s/%s", r->folder, name);
    sk_code code = file_read_all(path, INPUT_MAX, &read, &len, e);
    if (code != SK_OK)
        return code;
    uint8_t *exact = base_alloc(len);
    must(exact != NULL);
    memcpy(exact, read, len);
    fprintf(stderr, "%s\n", path); /* so that a crash names its input */
    LLVMFuzzerTestOneInput(exact, len);
    base_free(exact);
    base_free(read);
    r->count++;
    return SK_OK;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        err e;
        replay r = {.folder = argv[i]};
        if (file_list_dir(argv[i], replay_one, &r, &e) != SK_OK || r.count == 0) {
            fprintf(stderr, "%s: %s\n", argv[i], r.count ? e.text : "no inputs to replay");
            return 1;
        }
    }
    return argc < 2;
}
