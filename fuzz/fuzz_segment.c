/*
 * fuzz/fuzz_segment.c: opening a segment file of arbitrary bytes and reading all of it: every column of every block, texts,
 * statistics, parents, traces, request hashes; `skep verify` over it; and what can be read, written as a new segment.
 * Holds: what is not SK_OK is SK_CORRUPT or SK_UNSUPPORTED; codes have texts, rows are in the file; with the right checksums
 * the same is read; a new segment has the same values.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/file.h"
#include "fuzz.h"
#include "segment_image.h"
#include "store/build.h"
#include "store/store.h"

/* More is not read: a small file may claim any number of rows without values, and each text that is asked for in a damaged
 * page costs reading the page. */
#define BLOCKS_MAX  4u
#define COLUMNS_MAX 300u
#define TEXTS_MAX   64u

typedef struct reading {
    const segment *s;
    part_info info;
    part_reader *r;
    bool is_whole;  /* all that there is was read, and none of it was damaged */
    uint64_t total; /* of all values, in whatever order */
} reading;

/* ---- the folder ---- */
static char folder[40];
static segment_cache cache;
static encoder *coder;
static vector vec;
static uint32_t parents[VECTOR_ROWS];
static uint64_t parent_ids[VECTOR_ROWS];

static void remove_folder(void)
{
    err e;
    must(file_remove_tree(folder, &e) == SK_OK);
    segment_cache_done(&cache);
    encoder_free(coder);
}

static const char *path_of(const char *name)
{
    static char path[80];
    if (!folder[0]) {
        snprintf(folder, sizeof folder, "/dev/shm/skep-fuzz-XXXXXX");
        if (!mkdtemp(folder)) {
            snprintf(folder, sizeof folder, "/tmp/skep-fuzz-XXXXXX");
            must(mkdtemp(folder) != NULL);
        }
        segment_cache_init(&cache, 0);
        must((coder = encoder_new(1)) != NULL);
        atexit(remove_folder);
    }
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_image(image m)
{
    file *f;
    err e;
    must(file_open(path_of("image.seg"), FILE_WRITE, &f, &e) == SK_OK);
    must(file_write_at(f, 0, span_of(m.at, m.len), &e) == SK_OK);
    must(file_truncate(f, m.len, &e) == SK_OK);
    file_close(f);
}

/* ---- reading ---- */
static bool is_good(reading *r, sk_code code, const err *e)
{
    must(code == SK_OK || (code == SK_CORRUPT && e->text[0]));
    if (code != SK_OK)
        r->is_whole = false;
    return code == SK_OK;
}

/* Whether there were any. */
static bool add_values(reading *r, uint32_t col)
{
    bool has_values = false;
    uint64_t seed = col;
    if (col >= PART_COLUMNS) {
        part_column c = part_column_get(segment_part(r->s), col);
        seed = hash64_seeded(c.name, PART_COLUMNS + c.type);
    }
    for (uint32_t i = 0; i < vec.row_count; i++) {
        if (!vector_has(&vec, i))
            continue;
        has_values = true;
        uint64_t bits = 0;
        switch (vec.kind) {
        case VECTOR_ABSENT: never();
        case VECTOR_INTS:
        case VECTOR_FLOATS:
        case VECTOR_IDS: bits = vec.ids[i]; break;
        case VECTOR_BOOLS:
            must(vec.codes[i] <= 1);
            bits = vec.codes[i];
            break;
        case VECTOR_TRACE_IDS: bits = vec.trace_ids[i].lo + 3 * vec.trace_ids[i].hi; break;
        case VECTOR_CODES: {
            must(vec.codes[i] < vec.dictionary->count);
            span text = vec.dictionary->text(vec.dictionary->of, vec.codes[i]);
            must(text.at != NULL && text.len <= EVENT_STRING_MAX);
            bits = hash64(text);
        }
        }
        /* An id of 0 is an absent one. */
        if (bits || (vec.kind != VECTOR_IDS && vec.kind != VECTOR_TRACE_IDS))
            r->total += hash_mix(seed + hash_mix(bits));
    }
    return has_values;
}

static void ask_statistics(reading *r, uint32_t col, uint32_t block, bool has_values)
{
    const part *p = segment_part(r->s);
    double min, max;
    (void)part_block_number_range(p, col, block, &min, &max);
    must(part_block_has_column(p, col, block) || !has_values);
    if (vec.kind != VECTOR_CODES)
        return;
    uint64_t *wanted = base_alloc_zero(vec.dictionary->count / 64 + 1ul, 8);
    must(wanted != NULL);
    wanted[0] = 1;
    (void)part_block_may_hold(p, col, block, wanted);
    base_free(wanted);
}

static void read_table(reading *r, uint32_t col, uint32_t block)
{
    part_table t;
    err e;
    uint64_t sum = 0;
    if (!is_good(r, part_read_table(r->r, col, block, &t, &e), &e))
        return;
    for (uint32_t i = 0; i < t.entry_count; i++)
        sum += t.has[i] ? t.values[i] : 0;
    must(!t.is_constant || (t.entry_count == 0 && sum == 0));
    must(!t.entry_count || part_dictionary(segment_part(r->s), t.source));
}

static void read_block(reading *r, uint32_t col, uint32_t block)
{
    err e;
    part_block b;
    part_block_get(segment_part(r->s), block, &b);
    read_table(r, col, block);
    if (!is_good(r, part_read(r->r, col, block, &vec, &e), &e))
        return;
    must(vec.row_count == b.row_count || vec.kind == VECTOR_ABSENT);
    must(col > PART_DATASET || (vec.kind != VECTOR_ABSENT && vec.all_present));
    ask_statistics(r, col, block, vec.kind != VECTOR_ABSENT && add_values(r, col));
    if (col == PART_TRACE_ID)
        return;
    uint32_t first = b.row_count / 3, count = b.row_count - first < 60 ? b.row_count - first : 60;
    if (is_good(r, part_read_rows(r->r, col, block, first, count, &vec, &e), &e))
        must(vec.row_count == count);
}

typedef struct searched {
    const dictionary *d;
    span needle;
    uint32_t left; /* texts that are still looked at */
} searched;

static void check_found(void *ctx, uint32_t first, const uint8_t *verdicts, uint32_t count)
{
    searched *s = ctx;
    must(first + count <= s->d->count);
    for (uint32_t i = 0; i < count && s->left; i++, s->left--) {
        span text = s->d->text(s->d->of, first + i);
        must(!text.at || verdicts[i] == 0 || (verdicts[i] == 2) == span_contains(text, s->needle));
    }
}

/* A piece of a text, looked for in all: what is said of them is so. */
static void search_texts(const dictionary *d, uint32_t code)
{
    span text = d->text(d->of, code);
    if (!d->search || text.len < 4)
        return;
    size_t at = hash64(text) % (text.len - 3);
    searched s = {d, span_first(span_from(text, at), 3 + text.len % 9), TEXTS_MAX};
    (void)d->search(d->of, s.needle, check_found, &s);
}

static void read_texts(reading *r, uint32_t col)
{
    directory_column *c = &segment_directory(r->s)->columns[col];
    column_index *x;
    err e;
    if (c->form != COLUMN_RARE && is_good(r, segment_load_index(r->s, c, &x, &e), &e) &&
        c->text_count)
        (void)is_good(r, segment_load_texts(x, 0, c->text_count - 1, &e), &e);
    const dictionary *d = part_dictionary(segment_part(r->s), col);
    for (uint64_t i = 0; i < d->count; i += 1 + d->count / TEXTS_MAX)
        (void)d->text(d->of, (uint32_t)i);
    for (uint32_t i = 0; i < 3 && i < d->count; i++)
        search_texts(d, i * (d->count / 3));
}

static sk_code see_rows(void *ctx, const part *p, uint32_t first_row, uint32_t end_row)
{
    const reading *r = ctx;
    must(first_row < end_row && end_row <= r->info.row_count);
    return SK_OK;
}

static sk_code see_runs(void *ctx, const uint32_t *hashes, const uint32_t *rows, uint32_t count,
                        err *e)
{
    const reading *r = ctx;
    (void)hashes, (void)e;
    for (uint32_t i = 0; i < count; i++)
        must(rows[i] < r->info.row_count);
    return SK_OK;
}

static void read_traces(reading *r, uint32_t block)
{
    err e;
    if (is_good(r, part_read_parents(r->r, block, parents, parent_ids, &e), &e))
        for (uint32_t i = 0; i < block_rows_of(r->info.row_count, block); i++)
            must(parents[i] == PART_NO_PARENT ||
                 (parents[i] < r->info.row_count && !parent_ids[i]));
    if (!is_good(r, part_read(r->r, PART_TRACE_ID, block, &vec, &e), &e) ||
        vec.kind == VECTOR_ABSENT)
        return;
    trace_id wanted[3] = {vec.trace_ids[0], vec.trace_ids[vec.row_count / 2], {1, 2}};
    for (uint32_t i = 0; i < COUNT_OF(wanted); i++)
        (void)is_good(
            r, segment_part_ops.find_trace(segment_part(r->s), wanted[i], see_rows, r, &e), &e);
    (void)is_good(r, part_trace_runs(segment_part(r->s), see_runs, r, &e), &e);
}

static void read_pinned(reading *r)
{
    err e;
    const part *p = segment_part(r->s);
    uint32_t columns = PART_COLUMNS + r->info.column_count, same[FIELD_TYPE_COUNT];
    uint32_t blocks = r->info.block_count;
    if (columns > COLUMNS_MAX || blocks > BLOCKS_MAX)
        r->is_whole = false;
    columns = columns > COLUMNS_MAX ? COLUMNS_MAX : columns;
    blocks = blocks > BLOCKS_MAX ? BLOCKS_MAX : blocks;
    must(part_reader_new(p, &r->r, &e) == SK_OK);
    for (uint32_t col = 0; col < columns; col++) {
        if (col >= PART_COLUMNS)
            must(part_find(p, part_column_get(p, col).name, same) >= 1);
        for (uint32_t block = 0; block < blocks; block++)
            read_block(r, col, block);
        read_texts(r, col);
    }
    uint32_t cached = part_cached_column(p, SPAN("service map 1"));
    for (uint32_t block = 0; cached != UINT32_MAX && block < blocks; block++)
        (void)is_good(r, part_read(r->r, cached, block, &vec, &e), &e);
    if (cached != UINT32_MAX)
        read_texts(r, cached);
    for (uint32_t block = 0; block < blocks; block++)
        read_traces(r, block);
    part_reader_free(r->r);
}

static bool opens(const char *path, bool checks, segment **ret)
{
    err e;
    sk_code code = segment_open(path, checks, &cache, ret, &e);
    must(code == SK_OK || ((code == SK_CORRUPT || code == SK_UNSUPPORTED) && e.text[0]));
    return code == SK_OK;
}

/* Reads all of it, and pinned again when it was unloaded. */
static reading read_all(const char *path, bool checks)
{
    reading r = {.is_whole = false};
    segment *s;
    segment_hash *hashes;
    uint32_t hash_count;
    err e;
    if (!opens(path, checks, &s))
        return r;
    r.s = s;
    part_info_get(segment_part(s), &r.info);
    r.is_whole = true;
    if (is_good(&r, segment_pin(s, &e), &e)) {
        read_pinned(&r);
        segment_unpin(s);
    }
    if (is_good(&r, segment_hashes(s, &hashes, &hash_count, &e), &e))
        base_free(hashes);
    segment_unref(s);
    return r;
}

/* ---- what is done with what can be read ---- */
static void reseal(image m)
{
    segment *s;
    err e;
    if (!opens(path_of("image.seg"), false, &s))
        return;
    if (segment_pin(s, &e) == SK_OK) {
        image_seal_pages(m, s);
        segment_unpin(s);
    }
    image_seal_footer(m, s);
    segment_unref(s);
    write_image(m);
}

static void see_line(void *ctx, bool is_bad, const char *line)
{
    must(line[0]);
    *(bool *)ctx |= is_bad;
}

static void verify(const reading *r)
{
    bool is_bad = false;
    err e;
    sk_code code = store_verify(folder, true, see_line, &is_bad, &e);
    must(code == SK_OK || code == SK_CORRUPT);
    must(is_bad == (code == SK_CORRUPT));
    must(!r->is_whole || code == SK_OK);
}

static void rebuild(const reading *want)
{
    segment *s;
    err e;
    must(opens(path_of("image.seg"), false, &s));
    must(segment_pin(s, &e) == SK_OK);
    const part *p = segment_part(s);
    build_request q = {.parts = &p,
                       .part_count = 1,
                       .path = path_of("rebuilt"),
                       .encoder = coder,
                       .facts = s->facts};
    q.facts.replaces_count = q.facts.hash_count = 0;
    must(build_segment(&q, &e) == SK_OK);
    segment_unpin(s);
    segment_unref(s);
    reading got = read_all(path_of("rebuilt"), true);
    must(got.is_whole && got.info.row_count == want->info.row_count && got.total == want->total);
    must(file_remove(path_of("rebuilt"), &e) == SK_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 256 * KIB)
        return 0;
    uint8_t flags = data[0];
    image m = {base_alloc(size - 1), size - 1};
    must(m.at != NULL);
    memcpy(m.at, data + 1, m.len);
    if (flags & IMAGE_REPAIR)
        image_repair(m);
    write_image(m);
    if (flags & IMAGE_RESEAL)
        reseal(m);
    reading any = read_all(path_of("image.seg"), false);
    reading checked = read_all(path_of("image.seg"), true);
    must(!checked.is_whole || (any.is_whole && any.total == checked.total));
    if (any.info.block_count <= BLOCKS_MAX)
        verify(&checked);
    if (any.is_whole && (flags & IMAGE_REBUILD))
        rebuild(&any);
    base_free(m.at);
    return 0;
}

/* ---- mutating: mostly a few bytes in their place, as what moves is not found any more ---- */
extern size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max) __attribute__((weak));
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

#define ENDS_BYTES 500u /* footer, directory and some indexes lie in the last ones */

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    uint64_t random = hash_mix(seed);
    if (size < SEGMENT_HEAD_BYTES + SEGMENT_TAIL_BYTES || random % 8 == 0)
        return LLVMFuzzerMutate(data, size, max);
    uint8_t window[16];
    size_t len = 1 + (random >> 8) % sizeof window;
    size_t from = random >> 16 & 1 && size > ENDS_BYTES ? size - ENDS_BYTES : 0;
    size_t at = from + (random >> 32) % (size - from - len);
    memcpy(window, data + at, len);
    size_t used = LLVMFuzzerMutate(window, len, len);
    memcpy(data + at, window, used);
    return size;
}
