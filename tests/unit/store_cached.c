/*
 * tests/unit/store_cached.c: a column that the store's owner makes of a segment's rows stands beside them, is made anew by a merge, and is
 * left out where the owner finds it too large; rows are as they were in any case.
 */
#include "unit/store_rows.h"

#include <stdio.h>

#include "base/alloc.h"
#include "store/store.h"

#define NAME "seconds of the day"

/* Says of each row which second it is of, of every third row nothing. */
typedef struct maker {
    part_reader *reader;
    vector *v;
    uint32_t code_count;
    int64_t seconds[100000];
    char text[32];
} maker;

static uint32_t begun, block_limit; /* blocks after which it is too large; 0: none */

static sk_code begin(snapshot *s, void **ret_made, err *e)
{
    maker *m = base_alloc_zero(1, sizeof *m);
    begun++;
    assert_non_null(m);
    assert_int_equal(snapshot_part_count(s), 1);
    check_ok(part_reader_new(snapshot_part(s, 0), &m->reader, e), e);
    m->v = base_alloc(sizeof *m->v);
    assert_non_null(m->v);
    *ret_made = m;
    return SK_OK;
}

static sk_code codes(void *made, uint32_t block, uint32_t *ret_codes, err *e)
{
    maker *m = made;
    if (block_limit && block >= block_limit)
        return err_set(e, SK_TOO_LARGE, "enough");
    check_ok(part_read(m->reader, PART_TIME, block, m->v, e), e);
    for (uint32_t i = 0; i < m->v->row_count; i++) {
        int64_t second = m->v->ints[i] / NS_PER_S;
        uint32_t code = 0;
        while (code < m->code_count && m->seconds[code] != second)
            code++;
        if (second % 3 && code == m->code_count)
            m->seconds[m->code_count++] = second;
        ret_codes[i] = second % 3 ? code : STORE_NO_CODE;
    }
    return SK_OK;
}

static span text(void *made, uint32_t code)
{
    maker *m = made;
    snprintf(m->text, sizeof m->text, "%lld", (long long)m->seconds[code]);
    return span_text(m->text);
}

static void end(void *take_made)
{
    maker *m = take_made;
    part_reader_free(m->reader);
    base_free(m->v);
    base_free(m);
}

static store *open_store(const char *name)
{
    store_options o = {.dir = check_dir(), .cacher = {name, begin, codes, text, end}};
    store *s;
    err e;
    check_ok(store_open(&o, &s, &e), &e);
    return s;
}

static void check_block(part_reader *r, uint32_t col, uint32_t block, vector *times, vector *v)
{
    char want[32];
    err e;
    check_ok(part_read(r, PART_TIME, block, times, &e), &e);
    check_ok(part_read(r, col, block, v, &e), &e);
    for (uint32_t i = 0; i < times->row_count; i++) {
        int64_t second = times->ints[i] / NS_PER_S;
        bool has = v->kind == VECTOR_CODES && vector_has(v, i);
        assert_true(has == (second % 3 != 0));
        snprintf(want, sizeof want, "%lld", (long long)second);
        if (has)
            assert_true(span_is(v->dictionary->text(v->dictionary->of, v->codes[i]), want));
    }
}

/* Returns how many parts have the column. */
static uint32_t check_parts(store *s)
{
    snapshot *snap;
    uint32_t count = 0, columns[FIELD_TYPE_COUNT];
    vector *times = base_alloc(sizeof *times), *v = base_alloc(sizeof *v);
    err e;
    check_ok(store_snapshot(s, 1, 1u << FAMILY_TRACE, INT64_MIN, INT64_MAX, &snap, &e), &e);
    for (uint32_t i = 0; i < snapshot_part_count(snap); i++) {
        const part *p = snapshot_part(snap, i);
        part_info info;
        part_reader *r;
        part_info_get(p, &info);
        uint32_t col = part_cached_column(p, SPAN(NAME));
        assert_int_equal(part_find(p, SPAN(NAME), columns), 0);
        assert_true(part_cached_column(p, SPAN("name")) == UINT32_MAX);
        count += col != UINT32_MAX;
        assert_true(col == UINT32_MAX || col >= PART_COLUMNS + info.column_count);
        check_ok(part_reader_new(p, &r, &e), &e);
        for (uint32_t b = 0; col != UINT32_MAX && b < info.block_count; b++)
            check_block(r, col, b, times, v);
        part_reader_free(r);
    }
    snapshot_release(snap);
    base_free(times);
    base_free(v);
    return count;
}

static void publish_some(store *s, uint64_t seq, uint64_t *random, row_list *want)
{
    batch_recipe recipe = {.family = FAMILY_TRACE,
                           .rows = 20000,
                           .traces = 900,
                           .datasets = 3,
                           .fields = 5,
                           .start_ns = TEST_TIME,
                           .span_ns = 40 * NS_PER_S,
                           .trace_seed = seq};
    publish_batch(s, 1, seq, make_batch(&recipe, random), want);
}

static void count_bad(void *ctx, bool is_bad, const char *line)
{
    *(int *)ctx += is_bad;
}

static void check_kept(uint32_t limit, const char *name, uint32_t want_sealed, uint32_t want_merged)
{
    uint64_t random = 11 + limit;
    row_list want = {0};
    int bad = 0;
    err e;
    store *s = open_store(name);
    block_limit = limit;
    for (uint64_t seq = 1; seq < 4; seq++) {
        publish_some(s, seq, &random, &want);
        check_ok(store_seal(s, &e), &e);
    }
    assert_int_equal(check_parts(s), want_sealed);
    check_ok(store_merge(s, &e), &e);
    assert_int_equal(check_parts(s), want_merged);
    check_store_rows(s, 1, &want);
    store_close(s);
    check_ok(store_verify(check_dir(), true, count_bad, &bad, &e), &e);
    assert_int_equal(bad, 0);
    rows_free(&want);
}

static void columns_are_made_at_sealing_and_merging(void **state)
{
    begun = 0;
    check_kept(0, NAME, 3, 1);
    assert_int_equal(begun, 4);
}

static void too_large_ones_are_left_out(void **state)
{
    check_kept(3, NAME, 3, 0); /* a seal has three blocks, the merge more */
}

static void nobody_has_to_make_any(void **state)
{
    begun = 0;
    check_kept(0, NULL, 0, 0);
    assert_int_equal(begun, 0);
}

TEST_GROUP(store_cached, TEST(columns_are_made_at_sealing_and_merging),
           TEST(too_large_ones_are_left_out), TEST(nobody_has_to_make_any));
