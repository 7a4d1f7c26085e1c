/*
 * tests/unit/store_damage.c: every byte of a segment flipped in turn is noticed, and what is served besides is right; memory
 * that fails at any allocation of a seal, a merge or a reading leaves everything as it was.
 */
#include "unit/store_rows.h"

#include <stdio.h>

#include "base/file.h"
#include "store/segment.h"
#include "store/store.h"

static store *open_store(void)
{
    store_options o = {.dir = check_dir()};
    store *s;
    err e;
    check_ok(store_open(&o, &s, &e), &e);
    return s;
}

/* ---- flipped bytes ---- */

static uint64_t hash_of(const vector *v)
{
    uint64_t h = v->kind * 31u + v->row_count;
    for (uint32_t i = 0; v->kind != VECTOR_ABSENT && i < v->row_count; i++) {
        if (!vector_has(v, i))
            continue;
        uint64_t bits = v->ids[i];
        if (v->kind == VECTOR_CODES)
            bits = hash64(v->dictionary->text(v->dictionary->of, v->codes[i]));
        else if (v->kind == VECTOR_BOOLS)
            bits = v->codes[i];
        else if (v->kind == VECTOR_TRACE_IDS)
            bits = v->trace_ids[i].hi * 3 + v->trace_ids[i].lo;
        h = hash_mix(h * 3 + bits * 64 + i);
    }
    return h;
}

/* A hash per column, 0 where it could not be read. False when the file does not even open. */
static bool read_all(const char *path, uint64_t hashes[64], vector *v)
{
    segment *s;
    err e;
    memset(hashes, 0, 64 * sizeof hashes[0]);
    sk_code code = segment_open(path, true, NULL, &s, &e);
    if (code != SK_OK) {
        assert_true(code == SK_CORRUPT || code == SK_UNSUPPORTED);
        return false;
    }
    if ((code = segment_pin(s, &e)) == SK_OK) {
        part_reader *r;
        check_ok(part_reader_new(segment_part(s), &r, &e), &e);
        for (uint32_t c = 0; c < PART_COLUMNS + s->facts.column_count; c++) {
            code = part_read(r, c, 0, v, &e);
            assert_true(code == SK_OK || code == SK_CORRUPT);
            if (code == SK_OK)
                hashes[c] = hash_of(v) | 1;
        }
        part_reader_free(r);
        segment_unpin(s);
    } else {
        assert_int_equal(code, SK_CORRUPT);
    }
    segment_unref(s);
    return true;
}

static sk_code note_name(void *ctx, const char *name, bool is_dir, err *e)
{
    snprintf(ctx, 512, "%s/env-1/trace/%s", check_dir(), name);
    return SK_OK;
}

static void ignore(void *ctx, bool is_bad, const char *text)
{
}

static void any_flipped_byte_is_noticed(void **state)
{
    store *s = open_store();
    uint64_t random = 131, size, right[64], got[64];
    char path[512], folder[400];
    err e;
    batch_recipe r = {FAMILY_TRACE, 14, 3, 2, 5, TEST_TIME, NS_PER_S, 7};
    publish_batch(s, 1, 1, make_batch(&r, &random), NULL);
    check_ok(store_seal(s, &e), &e);
    store_close(s);
    snprintf(folder, sizeof folder, "%s/env-1/trace", check_dir());
    check_ok(file_list_dir(folder, note_name, path, &e), &e);
    vector *v = malloc(sizeof *v);
    assert_true(read_all(path, right, v));
    file *f;
    check_ok(file_open(path, FILE_WRITE, &f, &e), &e);
    check_ok(file_size(f, &size, &e), &e);
    for (uint64_t at = 0; at < size; at++) {
        uint8_t byte;
        check_ok(file_read_at(f, at, &byte, 1, &e), &e);
        uint8_t flipped = byte ^ (uint8_t)(1 << at % 8);
        check_ok(file_write_at(f, at, span_of(&flipped, 1), &e), &e);
        bool opens = read_all(path, got, v);
        for (uint32_t c = 0; opens && c < 64; c++)
            assert_true(got[c] == 0 || got[c] == right[c]);
        if (store_verify(check_dir(), false, ignore, NULL, &e) != SK_CORRUPT)
            fail_msg("byte %llu of %llu was flipped unnoticed", (unsigned long long)at,
                     (unsigned long long)size);
        check_ok(file_write_at(f, at, span_of(&byte, 1), &e), &e);
    }
    file_close(f);
    check_ok(store_verify(check_dir(), false, ignore, NULL, &e), &e);
    free(v);
}

static void newer_versions_are_refused_by_name(void **state)
{
    store *s = open_store();
    uint64_t random = 141, size;
    char path[512], folder[400];
    err e;
    batch_recipe r = {FAMILY_TRACE, 14, 3, 2, 5, TEST_TIME, NS_PER_S, 7};
    publish_batch(s, 1, 1, make_batch(&r, &random), NULL);
    check_ok(store_seal(s, &e), &e);
    store_close(s);
    snprintf(folder, sizeof folder, "%s/env-1/trace", check_dir());
    check_ok(file_list_dir(folder, note_name, path, &e), &e);
    file *f;
    uint8_t tail[SEGMENT_TAIL_BYTES];
    check_ok(file_open(path, FILE_WRITE, &f, &e), &e);
    check_ok(file_size(f, &size, &e), &e);
    check_ok(file_read_at(f, size - sizeof tail, tail, sizeof tail, &e), &e);
    tail[12] = SEGMENT_VERSION + 1;
    uint64_t check = hash64(span_of(tail, 32));
    memcpy(tail + 32, &check, 8);
    check_ok(file_write_at(f, size - sizeof tail, span_of(tail, sizeof tail), &e), &e);
    file_close(f);
    store_options o = {.dir = check_dir()};
    assert_int_equal(store_open(&o, &s, &e), SK_UNSUPPORTED);
    assert_non_null(strstr(e.text, path));
    assert_non_null(strstr(e.text, "version 4"));
}

/* Files of every version that was ever released open, and hold what they held. */
static void older_versions_open(void **state)
{
    static const struct {
        const char *name;
        uint32_t rows;
        uint64_t sum;
    } rows[] = {{"version-1-spans-2.seg", 240, 0x259b4b2a483fb390},
                {"version-1-logs-2.seg", 180, 0xb8c3eae25ae966c3},
                {"version-1-rare-2.seg", 800, 0xac30638c91daad49},
                {"version-2-spans-2.seg", 240, 0x259b4b2a483fb390},
                {"version-2-logs-2.seg", 180, 0x81db790d6cc1281a},
                {"version-2-followers-0.seg", 8300, 0x2855b2e46687533},
                {"version-3-lines-2.seg", 600, 0x1b6e0097dc3847ac}};
    vector *v = malloc(sizeof *v);
    EACH_ROW(row, rows)
    {
        char path[512];
        uint64_t hashes[64], sum = 0;
        segment *s;
        err e;
        snprintf(path, sizeof path, "tests/data/segments/%s", row->name);
        check_ok(segment_open(path, true, NULL, &s, &e), &e);
        assert_int_equal(s->facts.row_count, row->rows);
        segment_unref(s);
        assert_true(read_all(path, hashes, v));
        for (uint32_t c = 0; c < COUNT_OF(hashes); c++)
            sum = hash_mix(sum + hashes[c]);
        if (sum != row->sum)
            fail_msg("%s: %llx", row->name, (unsigned long long)sum);
    }
    free(v);
}

/* ---- failing memory ---- */

typedef sk_code (*action)(store *s, err *e);

static sk_code take_and_read(store *s, err *e)
{
    snapshot *n;
    part_reader *r = NULL;
    vector *v = malloc(sizeof *v);
    sk_code code = store_snapshot(s, 1, 7, INT64_MIN, INT64_MAX, &n, e);
    if (code != SK_OK) {
        free(v);
        return code;
    }
    for (uint32_t i = 0; code == SK_OK && i < snapshot_part_count(n); i++) {
        part_info info;
        part_info_get(snapshot_part(n, i), &info);
        code = part_reader_new(snapshot_part(n, i), &r, e);
        for (uint32_t c = 0; code == SK_OK && c < PART_COLUMNS + info.column_count; c++)
            code = part_read(r, c, 0, v, e);
        part_reader_free(r);
        r = NULL;
    }
    snapshot_release(n);
    free(v);
    return code;
}

static void prepare(store *s, row_list *want, bool seals)
{
    uint64_t random = 151;
    err e;
    for (uint64_t seq = 1; seq <= 2; seq++) {
        batch_recipe r = {FAMILY_TRACE, 20, 3, 2, 5, TEST_TIME, NS_PER_S, 7};
        publish_batch(s, 1, seq, make_batch(&r, &random), want);
        if (seals)
            check_ok(store_seal(s, &e), &e);
    }
}

static void fail_each_allocation(action act, bool seals)
{
    bool did_fail = true;
    for (int64_t n = 0; did_fail; n++) {
        store *s = open_store();
        row_list want = {0};
        err e;
        prepare(s, &want, seals);
        alloc_fail_at(n, false);
        sk_code code = act(s, &e);
        did_fail = alloc_did_fail();
        alloc_fail_at(-1, false);
        assert_true(code == SK_OK || (did_fail && code == SK_NO_MEMORY));
        check_store_rows(s, 1, &want);
        check_ok(act(s, &e), &e);
        check_ok(store_seal(s, &e), &e);
        check_store_rows(s, 1, &want);
        store_close(s);
        s = open_store();
        check_store_rows(s, 1, &want);
        store_close(s);
        rows_free(&want);
        check_ok(file_remove_tree(check_dir(), &e), &e);
    }
}

static void sealing_survives_failing_memory(void **state)
{
    fail_each_allocation(store_seal, false);
}

static void merging_survives_failing_memory(void **state)
{
    fail_each_allocation(store_merge, true);
}

static void reading_survives_failing_memory(void **state)
{
    fail_each_allocation(take_and_read, true);
}

static sk_code reopen(store *s, err *e)
{
    store_options o = {.dir = check_dir()};
    store *second;
    sk_code code = store_open(&o, &second, e);
    if (code == SK_OK)
        store_close(second);
    return code;
}

static void opening_survives_failing_memory(void **state)
{
    fail_each_allocation(reopen, true);
}

TEST_GROUP(store_damage, TEST(any_flipped_byte_is_noticed),
           TEST(newer_versions_are_refused_by_name), TEST(older_versions_open),
           TEST(sealing_survives_failing_memory), TEST(merging_survives_failing_memory),
           TEST(reading_survives_failing_memory), TEST(opening_survives_failing_memory));
