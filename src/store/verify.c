/*
 * store/verify.c: every page of every segment file below a stopped server's folder is read and taken apart; what is wrong is
 * named. Called by `skep verify` and tests. Never: writes, renames or removes anything.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "store/entropy.h"
#include "store/store_private.h"

#define PATH_BYTES 4096

typedef struct column_bytes {
    char *name; /* "name (type)" */
    uint64_t bytes, rows;
    double bound; /* entropy of the values, without texts; < 0: not known */
} column_bytes;

typedef struct verification {
    void (*report)(void *ctx, bool is_bad, const char *line);
    void *ctx;
    bool by_column;
    uint64_t files, bad_files, rows, bytes;
    column_bytes *columns;
    uint32_t column_count, column_capacity;
    const char *folder;
} verification;

static void say(verification *v, bool is_bad, const char *format, ...) format_like(3, 4);
static void say(verification *v, bool is_bad, const char *format, ...)
{
    char line[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    v->report(v->ctx, is_bad, line);
}

/* ---- bytes by column ---- */

static void add_column(verification *v, const char *name, uint64_t bytes, uint64_t rows,
                       double bound)
{
    for (uint32_t i = 0; i < v->column_count; i++)
        if (strcmp(v->columns[i].name, name) == 0) {
            v->columns[i].bytes += bytes;
            v->columns[i].rows += rows;
            v->columns[i].bound = bound < 0 ? -1 : v->columns[i].bound + bound;
            return;
        }
    size_t len = strlen(name) + 1;
    char *copy = base_alloc(len);
    if (!copy || !base_reserve(&v->columns, &v->column_capacity, v->column_count + 1,
                               sizeof v->columns[0])) {
        base_free(copy);
        return; /* a figure less */
    }
    memcpy(copy, name, len);
    v->columns[v->column_count++] = (column_bytes){copy, bytes, rows, bound};
}

static void name_column(const directory *d, uint32_t col, char *out, size_t size)
{
    static const char *const pseudo[PART_COLUMNS] = {
        [PART_TIME] = "time",         [PART_RATE] = "sample rate", [PART_DATASET] = "dataset",
        [PART_TRACE_ID] = "trace id", [PART_SPAN_ID] = "span id",  [PART_PARENT_ID] = "parents"};
    const directory_column *c = &d->columns[col];
    if (col < PART_COLUMNS)
        snprintf(out, size, "(%s)", pseudo[col]);
    else if (col >= d->column_count)
        snprintf(out, size, "(made at sealing: %.*s)", SPAN_FMT(c->name));
    else if (c->form == COLUMN_RARE)
        snprintf(out, size, "(rare columns)");
    else
        snprintf(out, size, "%.*s (%s)", SPAN_FMT(c->name), field_type_name(c->type));
}

/* What a column of its own takes; shared presence pages are counted with the first that uses them. */
static uint64_t bytes_of_blocks(const directory_column *c, const column_index *x, uint64_t *seen,
                                uint32_t *seen_count)
{
    uint64_t bytes = c->index.len + PAGE_CHECK_BYTES;
    for (uint32_t i = 0; i < x->block_count; i++) {
        const block_entry *b = &x->blocks[i];
        if ((b->tag & BLOCK_FORMS) == BLOCK_PAGE)
            bytes += b->len + PAGE_CHECK_BYTES;
        if (b->tag == BLOCK_ABSENT || b->tag & BLOCK_ALL_PRESENT ||
            (b->tag & BLOCK_FORMS) == BLOCK_DERIVED)
            continue;
        bool is_new = true;
        for (uint32_t k = 0; k < *seen_count && is_new; k++)
            is_new = seen[k] != b->presence_place;
        if (is_new)
            bytes += b->presence_len + PAGE_CHECK_BYTES;
        if (is_new && *seen_count < 4096)
            seen[(*seen_count)++] = b->presence_place;
    }
    for (uint32_t i = 0; i < x->page_count; i++)
        bytes += x->pages[i].ref.len + PAGE_CHECK_BYTES;
    if (x->has_templates)
        bytes += x->template_ref.len + PAGE_CHECK_BYTES;
    return bytes;
}

static void add_columns(verification *v, const segment *s)
{
    directory *d = segment_directory(s);
    uint64_t *seen = base_alloc(4096 * sizeof seen[0]);
    uint32_t seen_count = 0;
    for (uint32_t col = 0; seen && col < d->column_count + d->cached_count; col++) {
        char name[256];
        name_column(d, col, name, sizeof name);
        directory_column *c = &d->columns[col];
        column_index *x;
        err e;
        if (c->form != COLUMN_RARE && segment_load_index(s, c, &x, &e) == SK_OK)
            add_column(v, name, bytes_of_blocks(c, x, seen, &seen_count), s->facts.row_count,
                       entropy_bytes(s, col));
    }
    base_free(seen);
    uint64_t packs = 0, index = 0;
    for (uint32_t i = 0; i < d->pack_count; i++)
        packs += d->packs[i].len + PAGE_CHECK_BYTES;
    if (d->pack_count)
        add_column(v, "(rare columns)", packs, s->facts.row_count, -1);
    trace_index *t;
    err e;
    if (d->has_trace_index && segment_load_traces(s, &t, &e) == SK_OK) {
        index = d->trace_root.len + PAGE_CHECK_BYTES;
        for (uint32_t i = 0; i < t->page_count; i++)
            index += t->refs[i].len + PAGE_CHECK_BYTES;
        add_column(v, "(trace index)", index, s->facts.row_count, -1);
    }
    add_column(v, "(directory, footer, request hashes)",
               s->facts.directory.len + s->facts.hashes.len + SEGMENT_HEAD_BYTES +
                   SEGMENT_TAIL_BYTES,
               s->facts.row_count, -1);
}

static int compare_bytes(const void *a, const void *b)
{
    const column_bytes *x = a, *y = b;
    return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

static void report_columns(verification *v)
{
    if (v->column_count)
        qsort(v->columns, v->column_count, sizeof v->columns[0], compare_bytes);
    say(v, false, "bytes/row   entropy  (of the values one by one, without texts)");
    double bytes = 0, known = 0, bound = 0;
    for (uint32_t i = 0; i < v->column_count; i++) {
        const column_bytes *c = &v->columns[i];
        char text[32] = "-";
        if (c->bound >= 0)
            snprintf(text, sizeof text, "%.3f", c->bound / (double)c->rows);
        say(v, false, "%9.3f %9s  %s", (double)c->bytes / (double)c->rows, text, c->name);
        bytes += (double)c->bytes;
        known += c->bound < 0 ? 0 : (double)c->bytes;
        bound += c->bound < 0 ? 0 : c->bound;
    }
    double rows = (double)v->rows;
    say(v, false, "%9.3f            all; %.3f of them in columns whose entropy is %.3f",
        bytes / rows, known / rows, bound / rows);
}

/* ---- one file ---- */

static sk_code read_texts(const segment *s, directory_column *c, err *e)
{
    if (c->form == COLUMN_RARE)
        return SK_OK; /* loaded as a whole */
    column_index *x;
    sk_code code = segment_load_index(s, c, &x, e);
    if (code == SK_OK && c->text_count) {
        code = segment_load_texts(x, 0, c->text_count - 1, e);
        segment_trim_texts(x, 0);
    }
    return code;
}

static sk_code read_column(const segment *s, part_reader *r, uint32_t col, vector *v, err *e)
{
    uint32_t blocks = block_count_of(s->facts.row_count);
    sk_code code = read_texts(s, &segment_directory(s)->columns[col], e);
    for (uint32_t block = 0; code == SK_OK && block < blocks; block++)
        code = part_read(r, col, block, v, e);
    return code;
}

static sk_code read_traces(const segment *s, err *e)
{
    trace_index *t;
    if (!segment_directory(s)->has_trace_index)
        return SK_OK;
    sk_code code = segment_load_traces(s, &t, e);
    for (uint32_t i = 0; code == SK_OK && i < t->page_count; i++) {
        trace_page *p;
        code = segment_load_trace_page(s, t, i, &p, e);
    }
    return code;
}

/* Every finding is told, not only the first; SK_OK or what stopped it. */
static sk_code check_segment(verification *v, segment *s, bool *ret_is_bad, err *e)
{
    part_reader *r = NULL;
    vector *values = base_alloc(sizeof *values);
    sk_code code = values ? part_reader_new(segment_part(s), &r, e)
                          : err_set(e, SK_NO_MEMORY, "no memory to verify");
    const directory *d = segment_directory(s);
    uint32_t columns = d->column_count + d->cached_count;
    for (uint32_t col = 0; col <= columns && (code == SK_OK || code == SK_CORRUPT); col++) {
        code = col < columns ? read_column(s, r, col, values, e) : read_traces(s, e);
        if (code == SK_CORRUPT) {
            say(v, true, "%s", e->text);
            *ret_is_bad = true;
        }
    }
    part_reader_free(r);
    base_free(values);
    if (code == SK_OK || code == SK_CORRUPT) {
        segment_hash *hashes;
        uint32_t count;
        code = segment_hashes(s, &hashes, &count, e);
        base_free(hashes);
    }
    return code;
}

static sk_code check_file(verification *v, const char *path, err *e)
{
    segment *s;
    bool is_bad = false;
    sk_code code = segment_open(path, true, NULL, &s, e);
    if (code == SK_OK) {
        code = segment_pin(s, e);
        if (code == SK_OK) {
            code = check_segment(v, s, &is_bad, e);
            if (v->by_column && code == SK_OK)
                add_columns(v, s);
            segment_unpin(s);
        }
        if (code == SK_OK && !is_bad) {
            v->rows += s->facts.row_count;
            v->bytes += s->file_bytes;
            say(v, false, "%s: %u rows, %u columns, %llu bytes: good", path, s->facts.row_count,
                s->facts.column_count, (unsigned long long)s->file_bytes);
        }
        segment_unref(s);
    }
    v->files++;
    if (code == SK_CORRUPT || code == SK_UNSUPPORTED) {
        say(v, true, "%s", e->text);
        is_bad = true;
        code = SK_OK;
    }
    v->bad_files += is_bad;
    return code;
}

/* ---- all files ---- */

static sk_code visit(void *ctx, const char *name, bool is_dir, err *e)
{
    verification *v = ctx;
    char path[PATH_BYTES];
    if (snprintf(path, sizeof path, "%s/%s", v->folder, name) >= (int)sizeof path)
        return err_set(e, SK_TOO_LARGE, "%s/%s: the path is too long", v->folder, name);
    if (is_dir) {
        const char *outer = v->folder;
        v->folder = path;
        sk_code code = file_list_dir(path, visit, v, e);
        v->folder = outer;
        return code;
    }
    span s = span_text(name);
    if (span_ends_with(s, SPAN(".seg")))
        return check_file(v, path, e);
    if (span_ends_with(s, SPAN(".seg.damaged"))) {
        say(v, true, "%s: set aside as damaged when the store was opened", path);
        v->bad_files++;
    }
    return SK_OK;
}

sk_code store_verify(const char *dir, bool bytes_by_column,
                     void (*report)(void *ctx, bool is_bad, const char *line), void *ctx, err *e)
{
    verification v = {.report = report, .ctx = ctx, .by_column = bytes_by_column, .folder = dir};
    sk_code code = file_list_dir(dir, visit, &v, e);
    if (code == SK_OK && bytes_by_column && v.rows)
        report_columns(&v);
    for (uint32_t i = 0; i < v.column_count; i++)
        base_free(v.columns[i].name);
    base_free(v.columns);
    if (code != SK_OK)
        return code;
    say(&v, v.bad_files != 0, "%llu segment files, %llu rows, %llu bytes; %llu files with damage",
        (unsigned long long)v.files, (unsigned long long)v.rows, (unsigned long long)v.bytes,
        (unsigned long long)v.bad_files);
    return v.bad_files ? err_set(e, SK_CORRUPT, "%llu of %llu files below %s are damaged",
                                 (unsigned long long)v.bad_files, (unsigned long long)v.files, dir)
                       : SK_OK;
}
