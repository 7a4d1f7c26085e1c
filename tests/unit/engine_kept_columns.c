/*
 * Columns that are kept between questions: what they give is what reading the block gives, bit by bit, whatever form they are kept in.
 */
#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "engine/local/kept_columns.h"
#include "engine/local/local_private.h"
#include "engine/local/scan.h"
#include "unit/engine_fixture.h"

#define ROWS 20000u

static uint64_t dice(uint64_t n, uint64_t salt)
{
    return hash_mix(n * 0x9e3779b97f4a7c15ull + salt);
}

static double double_of(uint64_t bits)
{
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static void put_numbers(batch *b, uint32_t row)
{
    static const double odd[] = {-0.0, NAN, INFINITY, -1.5, 1e300, 5e-324};
    put_int(b, "int.byte", -(int64_t)(dice(row, 1) % 256));
    put_int(b, "int.short", INT64_MAX - (int64_t)(dice(row, 2) % 60000));
    put_int(b, "int.word", (int64_t)(dice(row, 3) % UINT32_MAX) - INT32_MAX);
    put_int(b, "int.few.far", row % 50 ? (int64_t)(dice(row, 4) % 1000000) : (int64_t)dice(row, 5));
    put_int(b, "int.all.far", (int64_t)dice(row, 6));
    put_float(b, "float.whole", (double)(dice(row, 7) % 100000));
    put_float(b, "float.milli", (double)(dice(row, 8) % 1000000) / 1e3);
    put_float(b, "float.nano", (double)(dice(row, 9) % 2000000000) / 1e6);
    put_float(b, "float.few.odd",
              row % 40 ? (double)(row % 100) / 1e3 : odd[dice(row, 10) % COUNT_OF(odd)]);
    put_float(b, "float.any", double_of(dice(row, 11)));
}

static void put_texts(batch *b, uint32_t row)
{
    char text[40];
    snprintf(text, sizeof text, "text %u", (unsigned)(dice(row, 12) % 1000));
    put_string(b, "text.many", text);
    put_bool(b, "bool.half", dice(row, 13) & 1);
    if (dice(row, 14) % 2) {
        put_string(b, "half.constant.text", "same");
        put_int(b, "half.int", (int64_t)(dice(row, 15) % 3000));
        put_float(b, "half.constant.float", 0.125);
    }
    if (dice(row, 16) % 30 == 0) {
        put_string(b, "sparse.text", text);
        put_int(b, "sparse.far", dice(row, 17) % 40 ? (int64_t)(row % 9) : (int64_t)dice(row, 18));
        put_float(b, "sparse.float", (double)(row % 77) / 1e3);
        put_bool(b, "sparse.bool", row & 1);
    }
}

/* Which are not worth it, or cannot be held in few bytes. */
static bool is_kept(span name)
{
    return !span_is(name, "int.all.far") && !span_is(name, "float.any");
}

static void check_same(const vector *a, const vector *b)
{
    bool is_code = a->kind == VECTOR_CODES || a->kind == VECTOR_BOOLS;
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->row_count, b->row_count);
    assert_true(a->is_constant == b->is_constant && a->all_present == b->all_present);
    uint64_t present[2][VECTOR_WORDS];
    scan_present(a, present[0]);
    scan_present(b, present[1]);
    assert_memory_equal(present[0], present[1], sizeof present[0]);
    if (is_code)
        assert_memory_equal(a->codes, b->codes, a->row_count * sizeof a->codes[0]);
    else
        assert_memory_equal(a->ids, b->ids, a->row_count * sizeof a->ids[0]);
    if (a->kind == VECTOR_CODES)
        assert_ptr_equal(a->dictionary, b->dictionary);
}

static void check_column(kept_blocks *kept, const part *p, part_reader *r, uint32_t number,
                         uint32_t block, bool is_open)
{
    static vector read, got;
    span name = part_column_get(p, number).name;
    uint64_t bytes = 0, found = kept_blocks_found(kept, KEPT_COLUMNS);
    err e;
    check_ok(part_read(r, number, block, &read, &e), &e);
    for (int time = 0; time < 3; time++) {
        memset(&got, 0xa5, sizeof got); /* nothing of before shows through */
        check_ok(kept_columns_read(kept, p, r, number, block, time < 2, &got, &bytes, &e), &e);
        check_same(&got, &read);
    }
    bool is_plain = read.kind == VECTOR_ABSENT || (read.is_constant && read.all_present);
    found = kept_blocks_found(kept, KEPT_COLUMNS) - found;
    assert_int_equal(found, is_kept(name) && !is_plain && !is_open ? 2 : 0);
}

static void check_part(kept_blocks *kept, const part *p)
{
    part_info info;
    part_reader *r;
    err e;
    part_info_get(p, &info);
    check_ok(part_reader_new(p, &r, &e), &e);
    for (uint32_t block = 0; block < info.block_count; block++)
        for (uint32_t c = 0; c < info.column_count; c++)
            check_column(kept, p, r, PART_COLUMNS + c, block, info.is_open);
    part_reader_free(r);
}

static void check_store(fixture *f)
{
    memory *m = memory_new(GIB);
    kept_blocks *kept = kept_blocks_new(m);
    snapshot *s;
    err e;
    check_ok(store_snapshot(engine_local_store(f->engine), ENVIRONMENT, 1u << FAMILY_LOG, INT64_MIN,
                            INT64_MAX, &s, &e),
             &e);
    assert_true(snapshot_part_count(s) > 0);
    for (uint32_t i = 0; i < snapshot_part_count(s); i++)
        check_part(kept, snapshot_part(s, i));
    snapshot_release(s);
    kept_blocks_drop(kept);
    assert_true(memory_used(m, MEMORY_CACHE) == 0);
    kept_blocks_free(kept);
    memory_free(m);
}

static void what_is_kept_is_what_was_read(void **state)
{
    fixture f = fixture_open(1, 0);
    batch *b = rows_new(FAMILY_LOG);
    err e;
    for (uint32_t row = 0; row < ROWS; row++) {
        rows_begin(b, "shop", T0 + (int64_t)row * NS_PER_MS, 1);
        put_numbers(b, row);
        put_texts(b, row);
    }
    fixture_publish(&f, b);
    check_store(&f);
    check_ok(engine_settle(f.engine, &e), &e);
    check_store(&f);
    fixture_close(&f);
}

static void *make(kept_blocks *t, uint32_t kind, uint32_t block, size_t bytes)
{
    void *room = kept_blocks_room(t, kind, 1, block, 1, bytes);
    if (room)
        kept_blocks_keep(t, room);
    return room;
}

static void columns_leave_room_for_the_rest(void **state)
{
    memory *m = memory_new(6 * MIB); /* of which one is theirs */
    kept_blocks *t = kept_blocks_new(m);
    uint32_t columns = 0, facts = 0;
    while (make(t, KEPT_COLUMNS + 3, columns, 10 * KIB))
        columns++;
    while (make(t, KEPT_FACTS, facts, 10 * KIB))
        facts++;
    assert_in_range(columns, 45, 52);
    assert_in_range(facts, 45, 55);
    for (int question = 0; question < 40; question++) {
        kept_blocks_begin(t);
        const void *held = kept_blocks_hold(t, KEPT_FACTS, 1, 0, 1);
        assert_non_null(held);
        kept_blocks_let_go(t, held);
    }
    assert_non_null(make(t, KEPT_COLUMNS, 0, 10 * KIB)); /* the others were not looked at */
    assert_null(kept_blocks_hold(t, KEPT_FACTS, 1, 1, 1));
    assert_null(kept_blocks_hold(t, KEPT_COLUMNS + 3, 1, 0, 1));
    const void *held = kept_blocks_hold(t, KEPT_FACTS, 1, 0, 1);
    kept_blocks_drop(t); /* all but what is held */
    assert_null(kept_blocks_hold(t, KEPT_COLUMNS, 1, 0, 1));
    assert_true(memory_used(m, MEMORY_CACHE) > 0);
    kept_blocks_let_go(t, held);
    kept_blocks_drop(t);
    assert_true(memory_used(m, MEMORY_CACHE) == 0);
    kept_blocks_free(t);
    memory_free(m);
}

TEST_GROUP(engine_kept_columns, TEST(what_is_kept_is_what_was_read),
           TEST(columns_leave_room_for_the_rest));
