#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/intern.h"
#include "base/memory.h"
#include "base/queue.h"
#include "base/reader.h"
#include "base/thread.h"
#include "check.h"
static void smoke(void **state)
{
    double d;
    assert_true(span_to_double(SPAN("1.25e2"), &d) && d == 125);
    assert_true(span_to_double(SPAN("123456789012345678901.5"), &d));
    check_near(d, 123456789012345678901.5, 0);
    arena *a = arena_new(100000);
    check_text(arena_print(a, "%s-%d", "x", 3), "x-3");
    for (int i = 0; i < 100; i++)
        assert_non_null(arena_alloc(a, 100, 8));
    assert_null(arena_alloc(a, 100001, 8));
    assert_true(arena_failed(a));
    arena_free(a);
    intern *t = intern_new(10 * MIB);
    char s[20];
    for (uint32_t i = 0; i < 10000; i++) {
        snprintf(s, 20, "k%u", i);
        assert_int_equal(intern_put(t, span_text(s)), i);
    }
    for (uint32_t i = 0; i < 10000; i++) {
        snprintf(s, 20, "k%u", i);
        assert_int_equal(intern_put(t, span_text(s)), i);
        check_text(intern_text(t, i), s);
    }
    intern_free(t);
    int64_t ns;
    char out[36];
    assert_true(clock_parse_rfc3339(SPAN("2026-08-21T14:05:03.123+02:00"), &ns));
    clock_print_rfc3339(ns, out);
    assert_string_equal(out, "2026-08-21T12:05:03.123Z");
    assert_true(thread_core_count() >= 1);
    buf b;
    buf_init(&b, 100);
    buf_add_varint(&b, 300);
    buf_add_zigzag(&b, -5);
    reader r = reader_of(buf_span(&b));
    assert_int_equal(reader_varint(&r), 300);
    assert_int_equal(reader_zigzag(&r), -5);
    assert_false(r.failed);
    buf_done(&b);
    queue *q = queue_new(2);
    assert_true(queue_try_put(q, &ns));
    assert_ptr_equal(queue_get(q), &ns);
    queue_close(q);
    assert_null(queue_get(q));
    queue_free(q);
}
TEST_GROUP(base_smoke, TEST(smoke));
TEST_MAIN(base_smoke, base_file)
