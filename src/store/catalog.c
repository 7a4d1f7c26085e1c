/*
 * store/catalog.c: which files there are: names, folders, and what they mean when a store is opened. No manifest: a table's
 * segments are the files with a final name, less those that another one replaces.
 *
 *   DIR/env-<id>/<family>/<yyyymmdd>-<number>.seg       a segment
 *                         ….seg.tmp                     being written; or part 2 … n of a seal that counts already
 *                         ….seg.damaged                 set aside: not whole, or its footer is damaged
 *                         dropped                       what no segment says: the last sequence number sealed or dropped, and
 *                                                       the numbers of dropped segments whose files may still be there
 *
 * Called by store_open, seal.c, merge.c and retain.c. Never: reads more of a file than its header, trailer and footer.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/must.h"
#include "base/reader.h"
#include "store/store_private.h"

#define SUFFIX           ".seg"
#define SUFFIX_TEMPORARY ".seg.tmp"
#define SUFFIX_DAMAGED   ".damaged"
#define DROPPED_NAME     "dropped"
#define DROPPED_MAX      65536u /* the newest half is kept on: a file goes when its last reader does */
#define DROPPED_BYTES    (24 + 8 * (size_t)DROPPED_MAX)
#define HASHES_KEPT_NS   (3600 * NS_PER_S)

/* ---- names ---- */

static char *print(const char *format, ...) format_like(1, 2);
static char *print(const char *format, ...)
{
    va_list list, again;
    va_start(list, format);
    va_copy(again, list);
    int len = vsnprintf(NULL, 0, format, list);
    va_end(list);
    char *text = len >= 0 ? base_alloc((size_t)len + 1) : NULL;
    if (text)
        vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return text;
}

char *catalog__folder(const table *t)
{
    return print("%s/env-%u/%s", t->store->dir, t->environment, family_name(t->family));
}

char *catalog__path(const table *t, int64_t day, uint64_t number, bool is_temporary)
{
    char date[36];
    clock_print_rfc3339(day * 86400 * NS_PER_S, date); /* a day of int64 ns: no overflow */
    return print("%s/env-%u/%s/%.4s%.2s%.2s-%012llu%s", t->store->dir, t->environment,
                 family_name(t->family), date, date + 5, date + 8, (unsigned long long)number,
                 is_temporary ? SUFFIX_TEMPORARY : SUFFIX);
}

sk_code catalog__make_folder(table *t, err *e)
{
    if (t->has_folder)
        return SK_OK;
    char *environment = print("%s/env-%u", t->store->dir, t->environment);
    char *folder = catalog__folder(t);
    sk_code code = environment && folder ? file_make_dir(t->store->dir, e)
                                         : err_set(e, SK_NO_MEMORY, "no memory for a name");
    if (code == SK_OK)
        code = file_make_dir(environment, e);
    if (code == SK_OK)
        code = file_make_dir(folder, e);
    if (code == SK_OK)
        code = file_sync_dir(environment, e);
    if (code == SK_OK)
        code = file_sync_dir(t->store->dir, e);
    t->has_folder = code == SK_OK;
    base_free(environment);
    base_free(folder);
    return code;
}

static sk_code sync_folder(const table *t, err *e)
{
    char *folder = catalog__folder(t);
    sk_code code =
        folder ? file_sync_dir(folder, e) : err_set(e, SK_NO_MEMORY, "no memory for a name");
    base_free(folder);
    return code;
}

sk_code catalog__name(table *t, const char *temporary, const char *final, err *e)
{
    sk_code code = file_rename(temporary, final, e);
    if (code == SK_OK)
        code = sync_folder(t, e);
    if (code == SK_OK)
        return SK_OK;
    err why;
    if (file_remove(final, &why) != SK_OK || sync_folder(t, &why) != SK_OK) {
        table__stop_sealing(t);
        store__notice(t->store,
                      "%s: sealing and merging stop until a restart, as it cannot be taken back "
                      "(%s); nothing is lost",
                      final, why.text);
    } else if (file_remove(temporary, &why) != SK_OK) {
        store__notice(t->store, "%s", why.text);
    }
    return code;
}

/* Sequence number, count, numbers, checksum over all before. */
static sk_code write_dropped(table *t, err *e)
{
    buf bytes;
    buf_init(&bytes, DROPPED_BYTES);
    buf_add_u64(&bytes, t->kept_seq);
    buf_add_u64(&bytes, t->dropped_count);
    for (uint32_t i = 0; i < t->dropped_count; i++)
        buf_add_u64(&bytes, t->dropped[i]);
    buf_add_u64(&bytes, hash64(buf_span(&bytes)));
    char *folder = catalog__folder(t);
    char *path = folder ? print("%s/%s", folder, DROPPED_NAME) : NULL;
    sk_code code = path && !bytes.failed ? catalog__make_folder(t, e)
                                         : err_set(e, SK_NO_MEMORY, "no memory for a name");
    if (code == SK_OK)
        code = file_replace(path, buf_span(&bytes), 0600, e);
    buf_done(&bytes);
    base_free(path);
    base_free(folder);
    return code;
}

sk_code catalog__drop(table *t, uint64_t seq, segment *const *list, uint32_t count, err *e)
{
    lock_take(&t->keep);
    sk_code code = SK_OK;
    if (!base_reserve(&t->dropped, &t->dropped_capacity, t->dropped_count + count + 1,
                      sizeof t->dropped[0]))
        code = err_set(e, SK_NO_MEMORY, "no memory for a list of dropped segments");
    uint32_t before = t->dropped_count;
    for (uint32_t i = 0; code == SK_OK && i < count; i++)
        t->dropped[t->dropped_count++] = list[i]->facts.number;
    if (seq > t->kept_seq)
        t->kept_seq = seq;
    if (code == SK_OK)
        code = write_dropped(t, e);
    if (code != SK_OK)
        t->dropped_count = before; /* a later write must not drop what still counts */
    if (t->dropped_count > DROPPED_MAX / 2) {
        uint32_t passed = t->dropped_count - DROPPED_MAX / 2;
        t->dropped_count -= passed;
        memmove(t->dropped, t->dropped + passed, t->dropped_count * sizeof t->dropped[0]);
    }
    lock_drop(&t->keep);
    return code;
}

static bool ends_with(const char *name, const char *suffix)
{
    return span_ends_with(span_text(name), span_text(suffix));
}

/* ---- one table's folder ---- */

typedef struct found {
    segment *segment;
    bool is_temporary, goes;
} found;

typedef struct folder {
    store *store;
    uint32_t environment;
    family family;
    const char *path;
    found *list;
    uint32_t count, capacity;
    uint64_t sealed_seq;
    uint64_t *gone; /* numbers of files that other files, or `dropped`, say are not needed */
    uint32_t gone_count, gone_capacity;
    bool is_changed; /* names came or went: sync it */
} folder;

/* A file that cannot be opened is kept under another name: whoever wants to look at it can. */
static sk_code set_aside(folder *f, const char *path, const err *why, err *e)
{
    char *aside = print("%s%s", path, SUFFIX_DAMAGED);
    if (!aside)
        return err_set(e, SK_NO_MEMORY, "no memory for a name");
    sk_code code = file_rename(path, aside, e);
    base_free(aside);
    atomic_fetch_add_explicit(&f->store->damaged, 1, memory_order_relaxed);
    f->is_changed = true;
    store__notice(f->store, "set aside a damaged file: %s", why->text);
    return code;
}

static sk_code remove_name(folder *f, const char *path, err *e)
{
    f->is_changed = true;
    return file_remove(path, e);
}

/* Numbers count up past every file ever seen, whole or not: names are not used twice. */
static void pass_number(store *s, const char *name)
{
    const char *dash = strchr(name, '-');
    uint64_t number = dash ? strtoull(dash + 1, NULL, 10) : 0;
    if (number < UINT64_MAX && number >= atomic_load(&s->next_number))
        atomic_store(&s->next_number, number + 1);
}

static sk_code add_gone(folder *f, uint64_t number, err *e)
{
    if (!base_reserve(&f->gone, &f->gone_capacity, f->gone_count + 1, sizeof f->gone[0]))
        return err_set(e, SK_NO_MEMORY, "no memory for a list of segments");
    f->gone[f->gone_count++] = number;
    return SK_OK;
}

static sk_code read_dropped(folder *f, const char *path, err *e)
{
    uint8_t *bytes;
    size_t len;
    sk_code code = file_read_all(path, DROPPED_BYTES, &bytes, &len, e);
    if (code != SK_OK)
        return code;
    reader r = reader_of(span_of(bytes, len));
    uint64_t seq = reader_u64(&r), count = reader_u64(&r);
    uint64_t check = len >= 24 ? hash64(span_of(bytes, len - 8)) : 0, stored = ~check;
    if (len >= 24)
        memcpy(&stored, bytes + len - 8, 8);
    if (stored != check || count != (len - 24) / 8)
        store__notice(f->store, "%s is damaged: dropped events may come back", path);
    else
        f->sealed_seq = seq;
    for (uint64_t i = 0; code == SK_OK && stored == check && i < count; i++)
        code = add_gone(f, reader_u64(&r), e);
    base_free(bytes);
    return code;
}

static sk_code open_file(folder *f, const char *path, bool is_temporary, err *e)
{
    if (!base_reserve(&f->list, &f->capacity, f->count + 1, sizeof f->list[0]))
        return err_set(e, SK_NO_MEMORY, "no memory for a list of segments");
    err why;
    segment *s;
    sk_code code = segment_open(path, true, &f->store->cache, &s, &why);
    if (code == SK_OK && (s->facts.environment != f->environment || s->facts.family != f->family)) {
        segment_unref(s);
        code = err_set(&why, SK_CORRUPT, "%s: it belongs to another table", path);
    }
    if (code == SK_OK)
        f->list[f->count++] = (found){s, is_temporary, false};
    else if (code == SK_CORRUPT && is_temporary)
        code = remove_name(f, path, e); /* never finished */
    else if (code == SK_CORRUPT)
        code = set_aside(f, path, &why, e);
    else if (e)
        *e = why;
    return code;
}

static sk_code visit_file(void *ctx, const char *name, bool is_dir, err *e)
{
    folder *f = ctx;
    bool is_temporary = ends_with(name, SUFFIX_TEMPORARY),
         is_dropped = span_is(span_text(name), DROPPED_NAME);
    if (is_dir)
        return SK_OK;
    pass_number(f->store, name);
    if (!is_temporary && !is_dropped && !ends_with(name, SUFFIX))
        return SK_OK;
    char *path = print("%s/%s", f->path, name);
    if (!path)
        return err_set(e, SK_NO_MEMORY, "no memory for a name");
    sk_code code = is_dropped ? read_dropped(f, path, e) : open_file(f, path, is_temporary, e);
    base_free(path);
    return code;
}

/* ---- what the files mean together ---- */

static bool seal_counts(const folder *f, const segment *s)
{
    for (uint32_t i = 0; i < f->count; i++) {
        const segment_facts *x = &f->list[i].segment->facts;
        if (!f->list[i].is_temporary && x->seal_id == s->facts.seal_id && x->seal_part == 1)
            return true;
    }
    return false;
}

/* Temporary files: part 2 … n of a seal whose part 1 has its name get theirs, others go. */
static sk_code settle_temporary(folder *f, found *x, err *e)
{
    const char *path = x->segment->path;
    if (!x->segment->facts.seal_id || !seal_counts(f, x->segment)) {
        x->goes = true;
        return remove_name(f, path, e);
    }
    char *final = print("%.*s", (int)(strlen(path) - strlen(".tmp")), path);
    if (!final)
        return err_set(e, SK_NO_MEMORY, "no memory for a name");
    f->is_changed = true;
    sk_code code = file_rename(path, final, e);
    segment_rename(x->segment, final);
    x->is_temporary = false;
    return code;
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Inputs of a merge that has its final name are not needed any more, nor is what was dropped. */
static sk_code remove_gone(folder *f, err *e)
{
    sk_code code = SK_OK;
    for (uint32_t i = 0; i < f->count; i++) {
        const segment_facts *x = &f->list[i].segment->facts;
        for (uint32_t k = 0; code == SK_OK && !f->list[i].goes && k < x->replaces_count; k++)
            code = add_gone(f, x->replaces[k], e);
    }
    if (f->gone_count)
        qsort(f->gone, f->gone_count, sizeof f->gone[0], compare_u64);
    for (uint32_t i = 0; code == SK_OK && f->gone_count && i < f->count; i++) {
        found *x = &f->list[i];
        if (x->goes || !bsearch(&x->segment->facts.number, f->gone, f->gone_count,
                                sizeof f->gone[0], compare_u64))
            continue;
        x->goes = true;
        if (x->segment->facts.last_seq > f->sealed_seq)
            f->sealed_seq = x->segment->facts.last_seq;
        code = remove_name(f, x->segment->path, e);
    }
    return code;
}

static sk_code settle(folder *f, err *e)
{
    sk_code code = SK_OK;
    for (uint32_t i = 0; code == SK_OK && i < f->count; i++)
        if (f->list[i].is_temporary)
            code = settle_temporary(f, &f->list[i], e);
    if (code == SK_OK)
        code = remove_gone(f, e);
    return code == SK_OK && f->is_changed ? file_sync_dir(f->path, e) : code;
}

/* ---- into the store ---- */

static sk_code give_hashes(folder *f, segment *s, int64_t now_ns, err *e)
{
    const store_options *o = &f->store->o;
    if (!o->recent_hash || s->facts.newest_arrival_ns < now_ns - HASHES_KEPT_NS)
        return SK_OK;
    segment_hash *list;
    uint32_t count;
    sk_code code = segment_hashes(s, &list, &count, e);
    if (code == SK_CORRUPT) {
        /* A sender's retry may be stored twice then; its events are all there. */
        segment_set_damaged(s, e ? e->text : "request hashes are damaged");
        return SK_OK;
    }
    for (uint32_t i = 0; code == SK_OK && i < count; i++)
        if (list[i].arrival_ns >= now_ns - HASHES_KEPT_NS)
            o->recent_hash(o->ctx, f->environment, list[i].body_hash, list[i].arrival_ns);
    base_free(list);
    return code;
}

static sk_code adopt(folder *f, err *e)
{
    table *t = store__table(f->store, f->environment, f->family, true);
    segment_list *room = NULL;
    sk_code code =
        t ? table__room(t, f->count, &room, e) : err_set(e, SK_NO_MEMORY, "no memory for a table");
    if (code != SK_OK)
        return code;
    t->has_folder = true;
    segment **list = base_alloc((f->count + 1ul) * sizeof list[0]);
    if (!list) {
        segment_list_unref(room);
        return err_set(e, SK_NO_MEMORY, "no memory for a list of segments");
    }
    uint32_t count = 0;
    int64_t now_ns = clock_wall_ns();
    t->sealed_seq = t->kept_seq = f->sealed_seq;
    for (uint32_t i = 0; code == SK_OK && i < f->count; i++) {
        if (f->list[i].goes)
            continue;
        segment *s = f->list[i].segment;
        if (s->facts.last_seq > t->sealed_seq)
            t->sealed_seq = s->facts.last_seq;
        code = give_hashes(f, s, now_ns, e);
        list[count++] = segment_ref(s);
    }
    lock_take(&t->lock);
    segment_list *old = table__swap_segments(t, NULL, 0, list, count, room);
    lock_drop(&t->lock);
    segment_list_unref(old);
    base_free(list);
    return code;
}

static sk_code open_folder(store *s, uint32_t environment, family of, const char *path, err *e)
{
    folder f = {.store = s, .environment = environment, .family = of, .path = path};
    sk_code code = file_list_dir(path, visit_file, &f, e);
    if (code == SK_OK)
        code = settle(&f, e);
    if (code == SK_OK)
        code = adopt(&f, e);
    for (uint32_t i = 0; i < f.count; i++)
        segment_unref(f.list[i].segment);
    base_free(f.list);
    base_free(f.gone);
    return code;
}

/* ---- all folders ---- */

typedef struct visit {
    store *store;
    const char *path;
    uint32_t environment;
} visit;

static sk_code visit_family(void *ctx, const char *name, bool is_dir, err *e)
{
    visit *v = ctx;
    for (uint32_t f = 0; is_dir && f < FAMILY_COUNT; f++) {
        if (!span_is(span_text(name), family_name(f)))
            continue;
        char *path = print("%s/%s", v->path, name);
        sk_code code = path ? open_folder(v->store, v->environment, f, path, e)
                            : err_set(e, SK_NO_MEMORY, "no memory for a name");
        base_free(path);
        return code;
    }
    return SK_OK;
}

static sk_code visit_environment(void *ctx, const char *name, bool is_dir, err *e)
{
    visit *v = ctx;
    span rest = span_text(name);
    uint64_t id;
    if (!is_dir || !span_starts_with(rest, SPAN("env-")) || !span_to_u64(span_from(rest, 4), &id) ||
        id > UINT32_MAX)
        return SK_OK;
    char *path = print("%s/%s", v->path, name);
    if (!path)
        return err_set(e, SK_NO_MEMORY, "no memory for a name");
    visit inner = {v->store, path, (uint32_t)id};
    sk_code code = file_list_dir(path, visit_family, &inner, e);
    base_free(path);
    return code;
}

sk_code catalog__open(store *s, err *e)
{
    sk_code code = file_make_dir(s->dir, e);
    visit v = {.store = s, .path = s->dir};
    return code == SK_OK ? file_list_dir(s->dir, visit_environment, &v, e) : code;
}
