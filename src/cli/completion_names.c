/*
 * cli/completion_names.c: names that the server knows, for completion: asked for 150 ms at most, kept for a minute in
 * $XDG_CACHE_HOME/skep (or ~/.cache/skep).
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "cli/api.h"
#include "cli/completion.h"

#define ASK_NS      (150 * NS_PER_MS)
#define KEEP_S      60
#define NAMES_BYTES (4 * MIB)
#define SINCE       "1h"

static const struct {
    const char *kind, *path, *list, *name;
} lists[] = {{"DATASET", "/skep/v1/fields", "datasets", "name"},
             {"SERVICE", "/skep/v1/fields", "datasets", "name"},
             {"FIELD", "/skep/v1/fields", "fields", "name"},
             {"ENVIRONMENT", "/skep/v1/environments", "environments", "slug"}};

static uint32_t list_of(const char *kind)
{
    uint32_t i = 0;
    while (i < COUNT_OF(lists) && strcmp(lists[i].kind, kind) != 0)
        i++;
    return i;
}

bool completion_is_asked(const char *kind)
{
    return list_of(kind) < COUNT_OF(lists);
}

/* ---- the cache: seconds since 1970, then the names, a line each ---- */

static span cache_path(cli *c, const char *list)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    err e;
    span of = arena_print(c->mem, "%s %s %s", c->url, c->env ? c->env : "", list);
    span folder = cache && *cache ? arena_print(c->mem, "%s/skep", cache)
                  : home && *home ? arena_print(c->mem, "%s/.cache/skep", home)
                                  : SPAN("");
    if (!folder.len || file_make_dir((const char *)folder.at, &e) != SK_OK)
        return SPAN("");
    return arena_print(c->mem, "%.*s/names-%016llx", SPAN_FMT(folder),
                       (unsigned long long)hash64(of));
}

static bool read_cache(cli *c, span path, span *ret)
{
    uint8_t *bytes;
    size_t len;
    err e;
    uint64_t then;
    if (!path.len || file_read_all((const char *)path.at, NAMES_BYTES, &bytes, &len, &e) != SK_OK)
        return false;
    span rest = span_of(bytes, len), when = span_cut(&rest, '\n');
    int64_t now = clock_wall_ns() / NS_PER_S;
    bool is_new = rest.at && span_to_u64(when, &then) && (int64_t)then <= now &&
                  now - (int64_t)then < KEEP_S && arena_copy(c->mem, rest, ret);
    base_free(bytes);
    return is_new;
}

/* ---- the question ---- */

span completion_names(cli *c, const char *kind)
{
    uint32_t i = list_of(kind);
    span path = cache_path(c, lists[i].list), names = {NULL, 0};
    const node *reply;
    api_path asked;
    buf text;
    err e;
    if (read_cache(c, path, &names))
        return names;
    c->deadline_mono_ns = clock_mono_ns() + ASK_NS;
    c->since = c->since ? c->since : SINCE;
    api_path_init(&asked, lists[i].path);
    if (strcmp(lists[i].kind, "ENVIRONMENT") != 0) {
        api_path_environment(&asked, c);
        api_path_query(&asked, "top", SPAN("0"));
        if (api_path_times(&asked, c) != EXIT_OK) {
            api_path_done(&asked);
            return names;
        }
    }
    if (api_get(c, &asked, NULL, &reply) != EXIT_OK)
        return names;
    buf_init(&text, NAMES_BYTES);
    buf_print(&text, "%lld\n", (long long)(clock_wall_ns() / NS_PER_S));
    for (const node *n = node_first(node_get(reply, lists[i].list)); n; n = n->next) {
        buf_add_span(&text, node_text(node_get(n, lists[i].name)));
        buf_add_u8(&text, '\n');
    }
    span all = buf_span(&text);
    if (path.len && !text.failed && file_replace((const char *)path.at, all, 0600, &e) != SK_OK)
        cli_talk(c, "%s", e.text); /* asked again the next time */
    (void)span_cut(&all, '\n');
    if (!arena_copy(c->mem, all, &names))
        names = (span){NULL, 0};
    buf_done(&text);
    return names;
}
