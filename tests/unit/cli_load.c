/*
 * tests/unit/cli_load.c: the loads of `skep load`: the same seed makes the same requests, they are shaped as an SDK shapes them,
 * call trees hold together, and a file of requests gives back what was written.
 */
#include "base/hash.h"
#include "check.h"
#include "cli/load/body_file.h"
#include "cli/load/call_tree.h"
#include "cli/load/shape.h"

#define START_NS (1795000000 * NS_PER_S)

typedef struct seen {
    uint64_t items, requests, hash;
    uint32_t largest;
    int64_t newest_ns;
    patch_signal signal;
} seen;

static sk_code look(void *ctx, span body, uint32_t items, err *e)
{
    seen *s = ctx;
    patch_index index;
    sk_code code = patch_find(s->signal, body, &index, e);
    if (code != SK_OK)
        return code;
    assert_int_equal(index.items, items);
    s->newest_ns = (int64_t)index.newest_ns;
    patch_done(&index);
    s->items += items;
    s->requests++;
    s->largest = items > s->largest ? items : s->largest;
    s->hash = hash64_seeded(body, s->hash);
    return SK_OK;
}

static seen made(load_shape shape, uint64_t seed)
{
    err e = {0};
    seen s = {.signal = shape == LOAD_SHAPE_LOGS ? PATCH_LOGS : PATCH_TRACES};
    load_plan plan = {shape, seed, 20000, START_NS, 2 * NS_PER_S};
    assert_int_equal(load_generate(&plan, (load_sink){look, &s}, &e), SK_OK);
    return s;
}

static void a_seed_is_a_load(void **state)
{
    static const struct {
        const char *name;
        load_shape shape;
    } rows[] = {{"A", LOAD_SHAPE_A}, {"B", LOAD_SHAPE_B}, {"logs", LOAD_SHAPE_LOGS}};
    EACH_ROW(row, rows)
    {
        seen first = made(row->shape, 7), again = made(row->shape, 7), other = made(row->shape, 8);
        assert_true(first.hash == again.hash);
        assert_true(first.hash != other.hash);
        assert_true(first.items > 18000 && first.items < 25000);
        assert_true(first.largest == LOAD_ITEMS_PER_BODY);
    }
}

static void trees_hold_together(void **state)
{
    dice d = {3};
    grown_span spans[TREE_SPANS_MAX];
    uint32_t errors = 0, retries = 0, most = 0;
    for (int i = 0; i < 20000; i++) {
        uint32_t count = tree_grow(&d, START_NS, spans);
        assert_true(count > 0 && count <= TREE_SPANS_MAX);
        most = count > most ? count : most;
        for (uint32_t n = 0; n < count; n++) {
            assert_true(spans[n].parent == -1 ? n == 0 : spans[n].parent < (int)n);
            assert_true(spans[n].op < tree_op_count);
            assert_true(spans[n].start_ns >= START_NS && spans[n].end_ns >= spans[n].start_ns);
            errors += spans[n].is_error;
            retries += spans[n].is_retry;
        }
    }
    assert_true(errors > 1000 && retries > 100 && most > 150);
}

static sk_code write_three(const char *path, err *e)
{
    body_file *f;
    sk_code code = body_file_create(path, PATCH_LOGS, &f, e);
    if (code != SK_OK)
        return code;
    load_sink sink = body_file_sink(f);
    static const char *const texts[] = {"one", "", "three"};
    for (uint32_t i = 0; i < 3 && code == SK_OK; i++)
        code = sink.take(sink.ctx, span_text(texts[i]), i + 1, e);
    err close_e = {0};
    sk_code closed = body_file_close(f, &close_e);
    return code != SK_OK ? code : closed;
}

static sk_code read_all(const char *path, buf *all, uint64_t *ret_items, err *e)
{
    body_file *f;
    buf body;
    uint32_t items;
    uint64_t before;
    sk_code code = body_file_open(path, &f, e);
    if (code != SK_OK)
        return code;
    buf_init(&body, 1 * MIB);
    *ret_items = 0;
    while ((code = body_file_next(f, &body, &items, &before, e)) == SK_OK) {
        assert_int_equal(before, *ret_items);
        *ret_items += items;
        buf_add_span(all, buf_span(&body));
        buf_add_text(all, ";");
    }
    buf_done(&body);
    err ignored = {0};
    assert_int_equal(body_file_close(f, &ignored), SK_OK);
    return code;
}

static void a_file_gives_back(void **state)
{
    char path[300];
    err e = {0};
    uint64_t items = 0;
    buf all;
    buf_init(&all, 1 * MIB);
    snprintf(path, sizeof path, "%s/bodies", check_dir());
    assert_int_equal(write_three(path, &e), SK_OK);
    assert_int_equal(read_all(path, &all, &items, &e), SK_NOT_FOUND);
    assert_int_equal(items, 6);
    assert_true(span_is(buf_span(&all), "one;;three;"));
    assert_int_equal(truncate(path, 45), 0);
    assert_int_equal(read_all(path, &all, &items, &e), SK_CORRUPT);
    assert_int_equal(truncate(path, 10), 0);
    assert_true(read_all(path, &all, &items, &e) != SK_OK);
    buf_done(&all);
}

TEST_GROUP(cli_load, TEST(a_seed_is_a_load), TEST(trees_hold_together), TEST(a_file_gives_back));
