/*
 * tests/unit/base_intern.c: codes are dense and stable, and readers on other threads see published strings whole.
 */
#include "check.h"

#include <stdatomic.h>

#include "base/hash.h"
#include "base/intern.h"
#include "base/thread.h"

static span key_of(uint32_t i, char out[600])
{
    int len = snprintf(out, 600, "key-%u", i);
    size_t wide = i % 1000 == 7 ? 500 : (size_t)len; /* some are long */
    memset(out + len, '.', wide - (size_t)len);
    return span_of(out, wide);
}

static void codes_are_dense_and_stay(void **state)
{
    char text[600];
    intern *t = intern_new(100 * MIB);
    assert_int_equal(intern_find(t, SPAN("none")), INTERN_NONE);
    intern_prefetch(t, 42); /* a hint: an empty table takes it too */
    for (uint32_t i = 0; i < 50000; i++)
        assert_int_equal(intern_put(t, key_of(i, text)), i);
    for (uint32_t i = 0; i < 50000; i++) {
        span key = key_of(i, text);
        intern_prefetch(t, hash64_seeded(key, intern_seed(t)));
        assert_int_equal(intern_put(t, key), i);
        assert_int_equal(intern_put_hashed(t, key, hash64_seeded(key, intern_seed(t))), i);
        assert_int_equal(intern_find(t, key), i);
        check_span(intern_text(t, i), key);
    }
    assert_int_equal(intern_find(t, SPAN("none")), INTERN_NONE);
    assert_int_equal(intern_count(t), 50000);
    assert_true(intern_bytes(t) > 50000 * 24 && intern_bytes(t) < 50000 * 80);
    intern_free(t);
    intern_free(NULL);
}

static void bytes_of_any_kind_are_keys(void **state)
{
    intern *t = intern_new(MIB);
    assert_int_equal(intern_put(t, (span){NULL, 0}), 0);
    assert_int_equal(intern_put(t, SPAN("")), 0);
    assert_int_equal(intern_put(t, SPAN("\0")), 1);
    assert_int_equal(intern_put(t, SPAN("\0\0")), 2);
    assert_non_null(intern_text(t, 0).at);
    intern_free(t);
}

static void equal_hashes_are_told_apart(void **state)
{
    char text[600];
    intern *t = intern_new(MIB);
    for (uint32_t i = 0; i < 300; i++)
        assert_int_equal(intern_put_hashed(t, key_of(i, text), 42), i);
    for (uint32_t i = 0; i < 300; i++)
        assert_int_equal(intern_put_hashed(t, key_of(i, text), 42), i);
    intern_free(t);
}

static void the_cap_refuses_but_breaks_nothing(void **state)
{
    char text[600];
    uint32_t count = 0;
    intern *t = intern_new(20000);
    while (intern_put(t, key_of(count, text)) != INTERN_NONE)
        count++;
    assert_true(count > 100 && count < 1000);
    assert_true(intern_bytes(t) <= 20000);
    assert_int_equal(intern_count(t), count);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(intern_put(t, key_of(i, text)), i);
    assert_int_equal(intern_put_hashed(t, span_of(text, SIZE_MAX), 5), INTERN_NONE);
    intern_free(t);
}

static void an_empty_one_is_small(void **state)
{
    intern *t = intern_new(MIB);
    assert_int_equal(intern_bytes(t), 0);
    intern_put(t, SPAN("a"));
    assert_true(intern_bytes(t) < 1000);
    intern_free(t);
}

static void survives_a_lack_of_memory(void **state)
{
    EACH_ALLOC_FAILURE(n)
    {
        char text[600];
        uint32_t refused = 0, count = 0;
        intern *t = intern_new(MIB);
        for (uint32_t i = 0; t && i < 100; i++) {
            uint32_t code = intern_put(t, key_of(i, text));
            refused += code == INTERN_NONE;
            if (code != INTERN_NONE) {
                assert_int_equal(code, count++);
                check_span(intern_text(t, code), key_of(i, text));
            }
        }
        assert_int_equal(refused || !t, alloc_did_fail());
        intern_free(t);
    }
}

typedef struct shared_intern {
    intern *t;
    _Atomic uint32_t published;
    atomic_bool is_wrong;
} shared_intern;

#define SHARED_COUNT 20000u

static void read_published(void *ctx)
{
    shared_intern *s = ctx;
    char text[600];
    uint64_t seed = 61;
    for (uint32_t count = 0; count < SHARED_COUNT;) {
        count = atomic_load_explicit(&s->published, memory_order_acquire);
        for (int i = 0; count && i < 20; i++) {
            uint32_t code = i ? (uint32_t)(check_random(&seed) % count) : count - 1;
            if (!span_equal(intern_text(s->t, code), key_of(code, text)))
                atomic_store(&s->is_wrong, true);
        }
    }
}

static void readers_see_published_strings_whole(void **state)
{
    char text[600];
    shared_intern s = {.t = intern_new(100 * MIB)};
    thread readers[2];
    for (int i = 0; i < 2; i++)
        assert_true(thread_start(&readers[i], "reader", read_published, &s));
    for (uint32_t i = 0; i < SHARED_COUNT; i++) {
        assert_int_equal(intern_put(s.t, key_of(i, text)), i);
        atomic_store_explicit(&s.published, i + 1, memory_order_release);
    }
    for (int i = 0; i < 2; i++)
        thread_join(&readers[i]);
    assert_false(atomic_load(&s.is_wrong));
    intern_free(s.t);
}

TEST_GROUP(base_intern, TEST(codes_are_dense_and_stay), TEST(bytes_of_any_kind_are_keys),
           TEST(equal_hashes_are_told_apart), TEST(the_cap_refuses_but_breaks_nothing),
           TEST(an_empty_one_is_small), TEST(survives_a_lack_of_memory),
           TEST(readers_see_published_strings_whole));
