/*
 * main/verify.c: `skep verify [--data-dir DIR] [--bytes]`. Takes the directory's lock, so that it never reads beside a running
 * server. Changes nothing. Exit code: 0 sound, 1 damage or cannot be read, 2 usage.
 */
#include "main/verify.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "main/config.h"
#include "store/store.h"

static void report(void *ctx, bool is_bad, const char *line)
{
    fprintf(is_bad ? stderr : stdout, "%s%s\n", is_bad ? "DAMAGED " : "", line);
}

int main_verify(int argc, char **argv)
{
    bool wants_bytes = false;
    char *kept[16] = {argv[0]};
    int count = 1;
    err e = {0};
    config c;
    for (int i = 1; i < argc && count < 16; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            printf("skep verify: checks every block of a stopped server's files\n\n  skep verify\n "
                   " skep verify --data-dir /var/lib/skep --bytes\n\n"
                   "  --data-dir DIR  where the server keeps its data\n  --bytes         also "
                   "bytes per row by column\n");
            return 0;
        }
        if (strcmp(argv[i], "--bytes") == 0)
            wants_bytes = true;
        else
            kept[count++] = argv[i];
    }
    arena *mem = arena_new(4 * MIB);
    if (!mem || config_parse(count, kept, mem, &c, &e) != SK_OK) {
        fprintf(stderr, "skep verify: %s\n", mem ? e.text : "out of memory");
        arena_free(mem);
        return 2;
    }
    file *held = NULL;
    span lock_path = arena_print(mem, "%s/lock%c", c.data_dir, 0),
         store_path = arena_print(mem, "%s/store%c", c.data_dir, 0);
    sk_code code = lock_path.at && store_path.at
                       ? file_open((const char *)lock_path.at, FILE_READ, &held, &e)
                       : err_set(&e, SK_NO_MEMORY, "out of memory");
    if (code == SK_OK && (code = file_lock(held, &e)) == SK_CONFLICT)
        err_set(&e, code, "a server is running on %s; stop it first", c.data_dir);
    if (code == SK_OK)
        code = store_verify((const char *)store_path.at, wants_bytes, report, NULL, &e);
    if (code != SK_OK)
        fprintf(stderr, "skep verify: %s\n", e.text);
    else
        printf("sound\n");
    if (held)
        file_close(held);
    arena_free(mem);
    return code == SK_OK ? 0 : 1;
}
