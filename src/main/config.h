/*
 * main/config.h: the options of `skep serve`: one table row each gives flag, SKEP_* variable, key in the file, help and
 * man page. Precedence: flag, variable, file, default. Unknown names are refused with the nearest known one.
 */
#ifndef MAIN_CONFIG_H
#define MAIN_CONFIG_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define CONFIG_LIST_MAX 16

typedef struct config_list {
    const char *items[CONFIG_LIST_MAX];
    uint32_t count;
} config_list;

typedef struct config {
    const char *data_dir;
    config_list listen; /* none: the default listeners */
    config_list trusted_proxies;
    const char *tls_cert, *tls_key;
    bool auth_required;
    bool relaxed;
    uint64_t memory_max_bytes; /* 0 = the default: min(25 % of RAM, 2 GiB) */
    uint64_t disk_max_bytes;   /* 0 = the default of first start */
    int64_t retention_ns;
    uint64_t results_max_bytes; /* 0 = the default */
    bool demo;
    const char *demo_seed; /* NULL: the demo's own; implies demo */
    const char *config_file;
    const char *preset_ingest_key, *preset_ingest_key_file;
    bool quiet;
} config;

/* argv[0] is the command. Strings live in the arena. SK_BAD_INPUT carries the sentence for exit code 2. */
sk_code config_parse(int argc, char **argv, arena *mem, config *ret, err *e) must_use;
/* The option list of `skep serve --help`. */
void config_help(buf *out);

/* "512MiB", "20 GiB", "1.5g", "1000000" → bytes; "60d", "12h", "100y", "90s", "1h30m" → ns. */
bool config_size(span text, uint64_t *ret);
bool config_duration(span text, int64_t *ret);

#endif
